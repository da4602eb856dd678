//! Connections and sockets that are played.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;
use tokio::time::Sleep;

use super::failure;
use super::play::{Play, What};
use crate::Error;

/// Where a program is.
pub(super) const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A connection.
pub(crate) struct Stream {
    play: Arc<Play>,
    line: u32,
    timer: Option<Pin<Box<Sleep>>>,
    /// What has come and is not read.
    left: Bytes,
    /// Nothing comes any more.
    ended: bool,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

impl Stream {
    /// Connects to `place`, as it went then.
    pub(super) async fn connect(play: &Arc<Play>, place: &str) -> Result<Self, Error> {
        let line = play.take(place)?;
        let mut stream = Self::of(play, line);
        loop {
            match stream.next().await {
                What::Connected(addresses) => {
                    [stream.peer, stream.local] = *addresses;
                    return Ok(stream);
                }
                What::Failed(failure) => return Err(failure::expected(&failure)),
                _ => {}
            }
        }
    }

    /// What a program wrote that is called `place`.
    ///
    /// # Errors
    /// When the program did not start then.
    pub(crate) async fn output(play: &Arc<Play>, place: &str) -> Result<Self, Error> {
        Self::connect(play, place).await
    }

    fn of(play: &Arc<Play>, line: u32) -> Self {
        Self {
            play: Arc::clone(play),
            line,
            timer: None,
            left: Bytes::new(),
            ended: false,
            peer: NOWHERE,
            local: NOWHERE,
        }
    }

    async fn next(&mut self) -> What {
        poll_fn(|context| self.play.poll_next(self.line, &mut self.timer, context)).await
    }

    /// Agrees on encryption, as it went then; nothing is encrypted here.
    ///
    /// # Errors
    /// What went wrong then.
    pub(crate) async fn secure(&mut self) -> Result<(), Error> {
        loop {
            match self.next().await {
                What::Secured => return Ok(()),
                What::Failed(failure) => return Err(failure::expected(&failure)),
                _ => {}
            }
        }
    }

    /// How the program ended: its exit code, or the signal that ended it.
    pub(crate) async fn exited(&mut self) -> (Option<i32>, Option<i32>) {
        loop {
            if let What::Exited { code, signal } = self.next().await {
                return (code, signal);
            }
        }
    }

    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.left.is_empty() && !self.ended {
            match ready!(self.play.poll_next(self.line, &mut self.timer, context)) {
                What::Heard { at, length } => self.left = self.play.read(at, length)?,
                What::Closed => self.ended = true,
                What::Broken(failure) => return Poll::Ready(Err(failure::io_error(&failure))),
                _ => {}
            }
        }
        let count = self.left.len().min(buffer.remaining());
        buffer.put_slice(&self.left[..count]);
        self.left.advance(count);
        Poll::Ready(Ok(()))
    }

    pub(crate) fn said(&self) {
        self.play.said(self.line);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.play.leave(self.line);
    }
}

/// A socket for datagrams.
pub(crate) struct Mail {
    play: Arc<Play>,
    line: u32,
    port: u16,
    timer: Mutex<Option<Pin<Box<Sleep>>>>,
}

impl Mail {
    pub(super) fn open(play: &Arc<Play>, role: &str, local: SocketAddr) -> io::Result<Self> {
        let line = play.take(role).map_err(|error| io::Error::other(error.what()))?;
        let port = play.local(line).unwrap_or(local).port();
        Ok(Self { play: Arc::clone(play), line, port, timer: Mutex::default() })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        let mut timer = self.timer.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let What::Datagram { peer, at, length } = ready!(self.play.poll_next(self.line, &mut timer, context)) {
                let data = self.play.read(at, length)?;
                let count = data.len().min(buffer.remaining());
                buffer.put_slice(&data[..count]);
                return Poll::Ready(Ok(peer));
            }
        }
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.play.leave(self.line);
    }
}
