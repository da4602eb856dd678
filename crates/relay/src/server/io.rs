//! The socket as hyper sees it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A socket that tells how far hyper is, and keeps to itself what hyper says before
/// there was a request: its answer to one that it cannot read, which has no body. The
/// connection says it better.
pub(crate) struct Io {
    stream: TcpStream,
    progress: Arc<Progress>,
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
        (Self { stream, progress: Arc::clone(&progress) }, progress)
    }

    pub(crate) fn into_inner(self) -> TcpStream {
        self.stream
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
        Pin::new(&mut self.stream).poll_write(cx, data)
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
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
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
