//! What cannot be sent by RTP, and what is no RTSP.

/// Why a connection is closed, or why a track or a picture cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What came is neither a request nor interleaved data (RFC 2326 sections 4 and 10.12).
    #[error("byte {at}: expected an RTSP request or interleaved data, found {found:?}; does the client speak RTSP?")]
    NotRtsp {
        /// Offset in the bytes received.
        at: u64,
        /// What stood there, cut short.
        found: String,
    },
    /// A request is longer than [`crate::ServerConfig::request`].
    #[error("byte {at}: a request of more than {limit} bytes")]
    TooLong {
        /// Offset in the bytes received.
        at: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// The client asked for nothing for too long.
    #[error("no request within {0:?}")]
    Silent(std::time::Duration),
    /// There is no payload format for it here.
    #[error("{0} cannot be sent by RTP: there is no payload format for it here")]
    Codec(media::Codec),
    /// The codec's configuration is missing or wrong.
    #[error("{codec} cannot be described: {what}")]
    Configuration {
        /// The codec.
        codec: media::Codec,
        /// What is the matter with it.
        what: &'static str,
    },
    /// A picture or a piece of sound does not fit its payload format.
    #[error("this {codec} cannot be sent by RTP: {what}")]
    Unit {
        /// The codec.
        codec: media::Codec,
        /// What is the matter with it.
        what: String,
    },
}
