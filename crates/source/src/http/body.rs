//! The body of an answer, without its transfer coding.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use formats::http::websocket::{self, Deframer, Frame};
use formats::http::{Dechunker, Head};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::ask::random;
use super::connect::Way;

/// What is read of a chunked body at once, in bytes.
const READ: usize = 64 << 10;
/// The most bytes of answers to pings that come at once; further ones get none.
const MOST_PONGS: usize = 4 << 10;
/// How long a complaint is waited for.
const COMPLAINT_WAIT: Duration = Duration::from_secs(1);

/// An answer whose head has come.
pub(super) struct Answer {
    pub(super) head: Head,
    way: Way,
    /// What came with the head; of a chunked body, what comes.
    raw: BytesMut,
    dechunker: Option<Dechunker>,
    deframer: Option<Deframer>,
    /// Bytes still to come by the head, as long as that seems to be right.
    left: Option<u64>,
}

impl Answer {
    /// `raw` is what came behind the head.
    pub(super) fn new(head: Head, way: Way, raw: BytesMut) -> Self {
        let deframer = (head.status == 101).then(Deframer::new);
        let dechunker = (deframer.is_none() && head.is_chunked()).then(Dechunker::new);
        // Endless multipart bodies come with lengths of 0 and 2^31 - 1.
        let bounded = dechunker.is_none() && deframer.is_none() && !head.media_type().starts_with("multipart/");
        let left = head.content_length().filter(|length| bounded && *length > 0);
        Self { head, way, raw, dechunker, deframer, left }
    }

    /// Whether a length in the head says that more was to come.
    pub(super) fn is_cut(&self) -> bool {
        self.left.is_some_and(|left| left > 0)
    }

    /// Whether the body has come to its end, as the head told of it.
    pub(super) fn is_over(&self) -> bool {
        // RFC 9112 section 6.3: 304 has no body, whatever its head says.
        self.head.status == 304 || self.left == Some(0) || self.dechunker.as_ref().is_some_and(Dechunker::is_ended)
    }

    /// The connection, if it is fit for another request.
    pub(super) fn into_way(self) -> Option<Way> {
        let closes = self.head.all("connection").any(|value| value.to_ascii_lowercase().contains("close"));
        // What is still to come of trailers would be taken for the next answer.
        let is_complete = self.dechunker.as_ref().is_none_or(Dechunker::is_complete);
        (self.is_over() && is_complete && self.raw.is_empty() && !closes).then_some(self.way)
    }

    /// Whether `word` stands among the first `most` bytes of the body.
    pub(super) async fn says(&mut self, word: &str, most: usize) -> bool {
        let mut text = BytesMut::new();
        let found = |text: &[u8]| memmem::find(text, word.as_bytes()).is_some();
        let read =
            async { while text.len() < most && !found(&text) && matches!(self.read(&mut text).await, Ok(1..)) {} };
        let _ = timeout(COMPLAINT_WAIT, read).await;
        found(&text)
    }

    /// The first line of a body that is plain text and says in it what `begin` begins, within its
    /// first `most` bytes; for a reader, without what is no letter.
    pub(super) async fn sentence(&mut self, begin: &str, most: usize) -> Option<String> {
        let is_text = self.head.header("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
        if !is_text {
            return None;
        }
        let mut text = BytesMut::new();
        let read = async {
            while text.len() < most && !text.contains(&b'\n') && matches!(self.read(&mut text).await, Ok(1..)) {}
        };
        let _ = timeout(COMPLAINT_WAIT, read).await;
        text.truncate(most);
        let text = String::from_utf8_lossy(&text);
        let line: String = text.lines().next()?.chars().filter(|c| !c.is_control()).collect();
        line.starts_with(begin).then_some(line)
    }

    /// As [`Answer::read`] of the binary messages of a WebSocket; pings are answered. A pong that
    /// is cancelled half-way spoils what is sent after it, which nobody but a server that checks
    /// pongs would notice.
    async fn read_frames(&mut self, out: &mut BytesMut) -> io::Result<usize> {
        let before = out.len();
        let Some(deframer) = &mut self.deframer else { return Ok(0) };
        loop {
            let mut rest = &self.raw[..];
            let mut pongs = Vec::new();
            while let Some(frame) = deframer.next(&mut rest).map_err(io::Error::other)? {
                match frame {
                    Frame::Data(piece) => out.extend_from_slice(piece),
                    Frame::Ping(payload) if pongs.len() <= MOST_PONGS => {
                        pongs.extend(websocket::pong(&payload, random().to_ne_bytes()));
                    }
                    Frame::Ping(_) => {}
                }
            }
            self.raw.clear();
            if !pongs.is_empty() {
                self.way.wire.write_all(&pongs).await?;
                self.way.wire.flush().await?;
            }
            if out.len() > before || deframer.is_ended() {
                return Ok(out.len() - before);
            }
            self.raw.reserve(READ);
            if self.way.wire.read_buf(&mut self.raw).await? == 0 {
                return Ok(0);
            }
        }
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
        if self.deframer.is_some() {
            return self.read_frames(out).await;
        }
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
                if self.way.wire.read_buf(&mut self.raw).await? == 0 {
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
            self.way.wire.read_buf(out).await?;
        }
        let count = out.len() - before;
        self.left = self.left.and_then(|left| left.checked_sub(count as u64));
        Ok(count)
    }
}
