//! Captures: what a camera sent, and when, in a file that can be played as if it were the camera.
//!
//! A capture is a preamble and records, one after the other, each with its length in front. Who
//! writes one appends whole records, so whatever happens to it, all that is in the file up to
//! then can be read: [`Reader`] takes them out in any slices, and tells of what is left at the
//! end. What the records mean is in docs/CAPTURE.md; secrets are taken out of them by [`Secrets`]
//! before they are written.
//!
//! ```
//! use formats::capture::{Event, PREAMBLE, Reader, Record, Side};
//!
//! let data = b"RTSP/1.0 200 OK\r\n\r\n".to_vec();
//! let record = Record { at_us: 1_500, event: Event::Bytes { line: 1, from: Side::Camera, data: data.into() } };
//! let mut file = PREAMBLE.to_vec();
//! record.write(&mut file);
//!
//! let mut reader = Reader::new();
//! reader.handle_bytes(&file);
//! assert_eq!(reader.poll().unwrap().unwrap().record, record);
//! assert_eq!(reader.left(), 0);
//! ```

mod event;
mod reader;
mod secrets;

pub use event::{Event, Failure, Record, Side};
pub use reader::{Placed, Reader};
pub use secrets::{Scrubber, Secrets};

/// What a capture begins with: a word that no text editor, no transfer as text and no other format
/// leaves or makes, and the version of the format.
pub const PREAMBLE: [u8; 16] = *b"HWCAPTURE\r\n\x1a\n\x01\0\0";
/// Of [`PREAMBLE`], what says that it is a capture of whatever version.
pub const MAGIC: usize = 13;
/// The length of a record without its payload, in bytes.
pub const HEAD: usize = 18;
/// The longest payload of a record, in bytes: a datagram, with its address and port. Longer runs
/// of a stream are cut in pieces.
pub const MOST_PAYLOAD: usize = 66 << 10;
/// The longest piece of a stream in one record, in bytes.
pub const MOST_PIECE: usize = 64 << 10;

/// Why bytes are no capture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It begins otherwise.
    #[error("byte 0: expected a capture (HWCAPTURE), found something else; --capture FILE makes one")]
    NotOne,
    /// Another version of the format.
    #[error("byte {MAGIC}: a capture of version {found}; this program reads version 1, is it too old?")]
    Version {
        /// The version that stands there.
        found: u8,
    },
    /// A record is longer than any may be.
    #[error("byte {at}: a record of {length} bytes; at most {MOST_PAYLOAD} are expected")]
    TooLong {
        /// Where it begins.
        at: u64,
        /// The length that it tells.
        length: u32,
    },
    /// What a record holds is not what its kind says.
    #[error("byte {at}: this makes no record of kind {kind}")]
    Nonsense {
        /// Where it begins.
        at: u64,
        /// The kind that it tells.
        kind: u8,
    },
}
