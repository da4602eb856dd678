//! The body of an answer, without its transfer coding.

use std::io;

use bytes::{Buf, BytesMut};
use formats::http::{Dechunker, Head};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// What is read of a chunked body at once, in bytes.
const READ: usize = 64 << 10;

/// An answer whose head has come.
pub(super) struct Answer {
    pub(super) head: Head,
    stream: TcpStream,
    /// What came with the head; of a chunked body, what comes.
    raw: BytesMut,
    dechunker: Option<Dechunker>,
    /// Bytes still to come by the head, as long as that seems to be right.
    left: Option<u64>,
}

impl Answer {
    /// `raw` is what came behind the head.
    pub(super) fn new(head: Head, stream: TcpStream, raw: BytesMut) -> Self {
        let dechunker = head.is_chunked().then(Dechunker::new);
        // Endless multipart bodies come with lengths of 0 and 2^31 - 1.
        let bounded = dechunker.is_none() && !head.media_type().starts_with("multipart/");
        let left = head.content_length().filter(|length| bounded && *length > 0);
        Self { head, stream, raw, dechunker, left }
    }

    /// Whether a length in the head says that more was to come.
    pub(super) fn is_cut(&self) -> bool {
        self.left.is_some_and(|left| left > 0)
    }

    /// Appends to `out` what comes next: one read of the socket, straight into `out`
    /// unless the body is chunked. 0 at the end of the body. Cancel-safe.
    ///
    /// A length in the head ends the body only where no more bytes have come.
    ///
    /// # Errors
    /// When the connection breaks, or a chunk has no length.
    pub(super) async fn read(&mut self, out: &mut BytesMut) -> io::Result<usize> {
        let before = out.len();
        if let Some(dechunker) = &mut self.dechunker {
            loop {
                let mut rest = &self.raw[..];
                while let Some(piece) = dechunker.next(&mut rest).map_err(io::Error::other)? {
                    out.extend_from_slice(piece);
                }
                self.raw.clear();
                if out.len() > before || dechunker.is_ended() {
                    return Ok(out.len() - before);
                }
                self.raw.reserve(READ);
                if self.stream.read_buf(&mut self.raw).await? == 0 {
                    return Ok(0);
                }
            }
        }
        if self.raw.has_remaining() {
            out.extend_from_slice(&self.raw);
            self.raw = BytesMut::new();
        } else if self.left == Some(0) {
            return Ok(0);
        } else {
            self.stream.read_buf(out).await?;
        }
        let count = out.len() - before;
        self.left = self.left.and_then(|left| left.checked_sub(count as u64));
        Ok(count)
    }
}
