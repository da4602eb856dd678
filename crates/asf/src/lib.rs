//! ASF, the container of Windows Media (Advanced Systems Format specification, revision
//! 01.20.05), read and written without I/O.
//!
//! Reading goes in three steps, each of which can be used alone: a [`Reader`] cuts a byte
//! stream into the header and data packets (what comes by MMS is cut already); a [`Header`]
//! says what the packets hold, and which of it to play ([`Header::choose`]); a [`Demuxer`]
//! makes [`media::Unit`]s of packets. [`packet`] shows where payloads lie in a packet, for
//! those who hand packets on.
//!
//! Writing is a [`Muxer`], and [`padding`] for packets that are handed on.

#![forbid(unsafe_code)]

mod choose;
pub mod codec;
pub mod demux;
mod error;
mod fields;
#[doc(hidden)]
pub mod fuzz;
pub mod guid;
mod header;
mod index;
pub mod mux;
pub mod object;
pub mod packet;
pub mod padding;
mod reader;
#[cfg(test)]
mod strict;
#[cfg(test)]
mod testdata;

pub use choose::{Choice, Rule};
pub use demux::Demuxer;
pub use error::Error;
pub use guid::Guid;
pub use header::{
    Attribute, AudioFormat, CodecName, DATA_HEAD, DataHead, Description, Encryption, Exclusion, Extended, Extension,
    FileProperties, Format, Header, MAX_HEADER, Marker, Reason, Scheme, Script, Spread, Stream, Value, VideoFormat,
};
pub use index::Index;
pub use mux::{FileWriter, Muxer};
pub use packet::MAX_PACKET;
pub use reader::{Item, Piece, Reader};
