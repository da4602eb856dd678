//! What is wrong with a feed.

/// Why bytes are no feed that can be read, or a header cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something else altogether.
    #[error("byte 0: expected FFM1 or FFM2, found {found:?}; is this an FFM feed?")]
    NotFfm {
        /// What stood there, as far as it is text.
        found: String,
    },
    /// Packets of another size.
    #[error("byte 4: a packet has {PACKET} bytes in every FFM feed, here {found}", PACKET = crate::PACKET)]
    PacketSize {
        /// What stood there.
        found: u32,
    },
    /// The header ends within something.
    #[error("header, byte {at}: {what} is cut off")]
    Cut {
        /// Where, from the begin of the header.
        at: usize,
        /// Within what.
        what: &'static str,
    },
    /// More streams than any feed has, or none.
    #[error("header: {count} streams, expected 1 to {MAX}", MAX = crate::MAX_STREAMS)]
    Streams {
        /// How many.
        count: u64,
    },
    /// A number that is no codec of the FFmpegs that wrote FFM.
    #[error(
        "stream {stream}: codec number {id:#x} is none that Headwater knows of FFmpeg 1.0 to 3.4, which are those that write FFM; \
         feed it as MPEG-TS (-f mpegts) or with another codec"
    )]
    Codec {
        /// The place of the stream.
        stream: usize,
        /// The number.
        id: u32,
    },
    /// Packet after packet makes no sense.
    #[error("byte {at}: the feed has become desynchronised: {count} packets in a row that are none")]
    Lost {
        /// Where the last of them began, in the feed.
        at: u64,
        /// How many.
        count: u32,
    },
    /// A header that says more than a packet holds.
    #[error("{bytes} bytes of stream parameters do not fit into a header of {PACKET}; use fewer streams or options", PACKET = crate::PACKET)]
    TooLong {
        /// How many there are.
        bytes: usize,
    },
}
