//! What is wrong with bytes.

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes do not begin as a picture does.
    #[error("byte 0: expected a JPEG picture (ff d8), found {}", hex(.found))]
    NotJpeg {
        /// The first bytes, at most four.
        found: Vec<u8>,
    },
    /// The picture ends within its header.
    #[error("byte {at}: the JPEG picture is cut off in its header")]
    JpegCut {
        /// Where the segment stands that is not whole.
        at: usize,
    },
    /// There is no segment where one should be.
    #[error("byte {at}: expected a JPEG marker (ff), found {found:02x}")]
    JpegMarker {
        /// Offset in the picture.
        at: usize,
        /// The byte there.
        found: u8,
    },
    /// A scan without a frame header before it (T.81 B.2.2).
    #[error("byte {at}: the JPEG picture has no frame header before its first scan")]
    NoFrameHeader {
        /// Where the scan begins.
        at: usize,
    },
    /// The status line has no status.
    #[error("expected an HTTP status line such as `HTTP/1.1 200 OK`, found {found:?}")]
    HttpStatus {
        /// The line, at most 80 characters of it.
        found: String,
    },
    /// The head of an answer is longer than [`crate::http::MAX_HEAD`], or has more headers
    /// than [`crate::http::MAX_HEADERS`].
    #[error("the head of the HTTP answer does not end within {limit}; is an HTTP server listening on this port?")]
    HttpHead {
        /// The limit that was passed.
        limit: &'static str,
    },
    /// A frame that no WebSocket server may send (RFC 6455 sections 5.1, 5.2, 5.5).
    #[error("byte {at}: found {what}")]
    WebSocket {
        /// Offset behind the handshake.
        at: u64,
        /// What it is.
        what: &'static str,
    },
    /// A playlist of HLS that is none, or is longer than [`crate::hls`] allows.
    #[error("line {line} of the playlist: {what}")]
    Playlist {
        /// From 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// A manifest of DASH that is none, or leads where it does not say.
    #[error("the manifest: {what}")]
    Manifest {
        /// What is wrong with it.
        what: String,
    },
    /// A piece of HLS that cannot be decrypted (RFC 8216 section 5.2).
    #[error("it cannot be decrypted: {what}")]
    Encrypted {
        /// Why.
        what: &'static str,
    },
    /// A chunk of a chunked body has no length.
    #[error("byte {at} of the body: expected the length of a chunk in hexadecimal, found {found:02x}")]
    Chunk {
        /// Offset in the body as it came.
        at: u64,
        /// The byte there.
        found: u8,
    },
}

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "nothing".into();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
