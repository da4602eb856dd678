//! Packets, tracks and time: what every other crate of headwater speaks of.
//!
//! A source turns a camera's bytes into [`Packet`]s on a feed's own timeline
//! ([`Timestamp`]); a [`Tracks`] says how to decode them. Nothing here does I/O, reads
//! a clock or knows a library.

#![forbid(unsafe_code)]

pub mod authority;
mod coding;
mod escapes;
mod facts;
pub mod nal;
mod picture;
pub mod quantity;
mod redact;
mod spelling;
mod time;
mod track;

pub use coding::{AudioCoding, AvOptions, Encoding, VideoCoding, Wish};
pub use escapes::unescaped;
pub use facts::{Facts, Standing};
pub use picture::{Rate, Size, SizeWish, Variant, VariantError};
pub use redact::{Redacted, is_secret_name, names_a_password, without_users};
pub use spelling::distance;
pub use time::Timestamp;
pub use track::{Audio, Codec, Kind, Packet, Rational, Track, TrackId, Tracks, Unit, Video};
