//! A byte stream to a server: with TLS or without, tapped or not, or played from a capture.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::line::{Stream, Tap};
use crate::{Error, Trust, tls};

/// A connection.
pub(crate) struct Wire {
    kind: Kind,
    tap: Option<Box<Tap>>,
}

enum Kind {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Played(Box<Stream>),
    /// What a program writes.
    Output(Pin<Box<dyn AsyncRead + Send + Sync>>),
}

impl Wire {
    pub(crate) fn plain(stream: TcpStream, tap: Option<Box<Tap>>) -> Self {
        Self { kind: Kind::Plain(stream), tap }
    }

    pub(crate) fn played(stream: Stream) -> Self {
        Self { kind: Kind::Played(Box::new(stream)), tap: None }
    }

    /// What a program writes; nothing can be said to it.
    pub(crate) fn output(output: Pin<Box<dyn AsyncRead + Send + Sync>>, tap: Option<Box<Tap>>) -> Self {
        Self { kind: Kind::Output(output), tap }
    }

    /// The other side's address.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.kind {
            Kind::Plain(stream) => stream.peer_addr(),
            Kind::Tls(stream) => stream.get_ref().0.peer_addr(),
            Kind::Played(stream) => Ok(stream.peer),
            Kind::Output(_) => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Our own address.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.kind {
            Kind::Plain(stream) => stream.local_addr(),
            Kind::Tls(stream) => stream.get_ref().0.local_addr(),
            Kind::Played(stream) => Ok(stream.local),
            Kind::Output(_) => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Agrees on encryption with the server, see [`tls::secure`].
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn secure(mut self, host: &str, trust: &Trust, place: &str) -> Result<Self, Error> {
        let secured = match self.kind {
            Kind::Plain(stream) => tls::secure(stream, host, trust, place).await,
            Kind::Played(mut stream) => {
                stream.secure().await?;
                return Ok(Self { kind: Kind::Played(stream), tap: None });
            }
            kind @ (Kind::Tls(_) | Kind::Output(_)) => return Ok(Self { kind, tap: self.tap }),
        };
        if let Some(tap) = &mut self.tap {
            tap.secured(secured.as_ref().err());
        }
        secured.map(|stream| Self { kind: Kind::Tls(Box::new(stream)), tap: self.tap })
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { kind, tap } = self.get_mut();
        let before = buffer.filled().len();
        let result = match kind {
            Kind::Plain(stream) => ready!(Pin::new(stream).poll_read(context, buffer)),
            Kind::Tls(stream) => match ready!(Pin::new(stream).poll_read(context, buffer)) {
                // Cameras hang up without TLS's farewell. What was cut short is told by its
                // length, as without TLS.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
                result => result,
            },
            Kind::Played(stream) => ready!(stream.poll_read(context, buffer)),
            Kind::Output(output) => ready!(output.as_mut().poll_read(context, buffer)),
        };
        if let Some(tap) = tap {
            match &result {
                Ok(()) if buffer.filled().len() > before => tap.heard(&buffer.filled()[before..]),
                Ok(()) if buffer.remaining() > 0 => tap.closed(),
                Ok(()) => {}
                Err(error) => tap.broken(error),
            }
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { kind, tap } = self.get_mut();
        let result = match kind {
            Kind::Plain(stream) => ready!(Pin::new(stream).poll_write(context, bytes)),
            Kind::Tls(stream) => ready!(Pin::new(stream).poll_write(context, bytes)),
            Kind::Played(stream) => {
                stream.said();
                Ok(bytes.len())
            }
            Kind::Output(_) => Err(ErrorKind::Unsupported.into()),
        };
        if let Some(tap) = tap {
            match &result {
                Ok(count) => tap.said(&bytes[..*count]),
                Err(error) => tap.broken(error),
            }
        }
        Poll::Ready(result)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { kind, tap } = self.get_mut();
        if let Some(tap) = tap {
            tap.flush();
        }
        match kind {
            Kind::Plain(stream) => Pin::new(stream).poll_flush(context),
            Kind::Tls(stream) => Pin::new(stream).poll_flush(context),
            Kind::Played(_) | Kind::Output(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().kind {
            Kind::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Kind::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Kind::Played(_) | Kind::Output(_) => Poll::Ready(Ok(())),
        }
    }
}
