//! FFM, the feed between ffmpeg up to 3.4 and ffserver: bytes in, units out, and back.
//!
//! A feed is packets of [`PACKET`] bytes. The first one, the [`Header`], says what the
//! streams are; for a feeder that asks, the server's says what they shall be, as options
//! of encoders. The others cut one stream of bytes, in which frame follows frame, into
//! pieces; each says where the first frame begins in it, so that a reader can join and
//! find its way again. All numbers are big-endian. Times are microseconds since 1970.
//!
//! [`Demuxer`] reads FFM1 and FFM2; [`Muxer`] and [`Header::write`] write FFM2. There was no
//! document; what is known is from running programs and is told in the names here.

#![forbid(unsafe_code)]

mod codec;
mod demux;
mod error;
mod fields;
#[doc(hidden)]
pub mod fuzz;
mod header;
mod legacy;
mod mux;
mod options;

pub use codec::{id_of, name_of};
pub use demux::{Demuxer, Item};
pub use error::Error;
pub use header::{Header, Kind, Stream};
pub use mux::Muxer;

/// Bytes of every packet, the header's too.
pub const PACKET: usize = 4096;
/// Bytes of a packet's own head.
const HEAD: usize = 14;
/// What a packet begins with: `fm`.
const MARK: u16 = 0x666D;
/// Most streams of a feed: ffserver's own limit.
pub const MAX_STREAMS: usize = 20;
/// Most bytes of a frame, which its 24 bits can say.
pub const MAX_FRAME: usize = (1 << 24) - 1;
