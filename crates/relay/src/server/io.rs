//! The socket as hyper sees it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A socket that knows whether all that hyper wanted to write is written: hyper flushes
/// it only when its own buffer is empty.
pub(crate) struct Io {
    stream: TcpStream,
    flushed: Arc<AtomicBool>,
}

impl Io {
    pub(crate) fn new(stream: TcpStream) -> (Self, Arc<AtomicBool>) {
        let flushed = Arc::new(AtomicBool::new(true));
        (Self { stream, flushed: Arc::clone(&flushed) }, flushed)
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
        self.flushed.store(false, Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.flushed.store(false, Relaxed);
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushed.store(true, Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
