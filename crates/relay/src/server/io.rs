//! The socket as hyper sees it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::STALL;

/// A socket that tells how far hyper is, and keeps to itself what hyper says before
/// there was a request: its answer to one that it cannot read, which has no body. The
/// connection says it better. A client that takes nothing of its answer for [`STALL`] is an
/// error.
pub(crate) struct Io {
    stream: TcpStream,
    progress: Arc<Progress>,
    full: Option<Full>,
}

/// A socket that takes nothing at the moment. The kernel lets us go on only when a third of
/// its buffer is free again, which may be minutes of reading, so the client is looked at.
struct Full {
    look: Pin<Box<Sleep>>,
    /// Bytes on their way to the client, and since when there are as many.
    held: Option<u64>,
    since: Instant,
}

/// How often a client is looked at that takes nothing.
const LOOK: Duration = Duration::from_secs(1);

impl Full {
    fn new(stream: &TcpStream) -> Self {
        Self { look: Box::pin(sleep(LOOK)), held: held(stream), since: Instant::now() }
    }

    /// Ready when the client has taken nothing for [`STALL`].
    fn poll(&mut self, stream: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.look.as_mut().poll(cx));
            let (held, now) = (held(stream), Instant::now());
            if held < self.held {
                (self.held, self.since) = (held, now);
            } else if now - self.since > STALL {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.look.as_mut().reset(now + LOOK);
        }
    }
}

/// Bytes in the kernel that the client has not acknowledged, where the system can tell.
fn held(stream: &TcpStream) -> Option<u64> {
    sys::send_state(stream).ok().map(|state| state.unsent + state.in_flight)
}

/// How far hyper is with a connection.
pub(crate) struct Progress {
    /// A whole request has come.
    pub(crate) asked: AtomicBool,
    /// All that hyper wanted to write is written: it flushes the socket only when its own
    /// buffer is empty.
    pub(crate) flushed: AtomicBool,
}

impl Io {
    pub(crate) fn new(stream: TcpStream) -> (Self, Arc<Progress>) {
        let progress = Arc::new(Progress { asked: AtomicBool::new(false), flushed: AtomicBool::new(true) });
        (Self { stream, progress: Arc::clone(&progress), full: None }, progress)
    }

    pub(crate) fn into_inner(self) -> TcpStream {
        self.stream
    }

    /// What became of a write, unless the client takes nothing any more.
    fn in_time(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.full = None;
            return written;
        }
        let Self { stream, full, .. } = self;
        full.get_or_insert_with(|| Full::new(stream)).poll(stream, cx).map(Err)
    }
}

/// Bytes read from the socket at a time.
const PIECE: usize = 8192;

impl Read for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        // hyper's cursor gives out uninitialised memory only to unsafe code. Requests are
        // small, so a copy through the stack is cheaper than the exception would be.
        let mut piece = [0; PIECE];
        let room = into.remaining().min(PIECE);
        let mut buffer = ReadBuf::new(&mut piece[..room]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        into.put_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if !self.progress.asked.load(Relaxed) {
            return Poll::Ready(Ok(data.len()));
        }
        self.progress.flushed.store(false, Relaxed);
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        self.in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.progress.asked.load(Relaxed) {
            return Poll::Ready(Ok(data.iter().map(|piece| piece.len()).sum()));
        }
        self.progress.flushed.store(false, Relaxed);
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.progress.flushed.store(true, Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.progress.asked.load(Relaxed) {
            true => Pin::new(&mut self.stream).poll_shutdown(cx),
            false => Poll::Ready(Ok(())),
        }
    }
}
