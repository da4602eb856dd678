//! The line to a camera: the one place where sources open connections and sockets.
//!
//! A line is direct; or it is tapped, and all that is said on it is written into a capture; or it
//! is a capture itself, played as if the camera were there. Whoever has one need not know which.
//! It lies below the protocols and above encryption, so that a capture holds what a protocol
//! sees, and playing one runs the same code as the camera did.

mod failure;
mod load;
mod play;
mod played;
mod recorder;
mod secrets;
mod tap;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use formats::capture::{Event, Side};
use sys::datagrams::{self, Inbox};
use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::UdpSocket;

use media::Redacted;

use crate::journal::Note;
use crate::location::Location;
use crate::wire::Wire;
use crate::{Error, dial, scheme_of};

pub(crate) use self::load::{Contents, check, load};
pub(crate) use self::play::{Play, Speed};
pub(crate) use self::played::Stream;
pub use self::recorder::Capture;
pub(crate) use self::recorder::Recorder;
use self::tap::DatagramTap;
pub(crate) use self::tap::Tap;

thread_local! {
    /// For datagrams between the system and whoever takes them, which is done before anybody else takes some.
    static INBOX: RefCell<Inbox> = RefCell::default();
}

/// The way to cameras.
#[derive(Clone, Default)]
pub(crate) enum Line {
    /// As it is.
    #[default]
    Direct,
    /// Written down.
    Tapped(Arc<Recorder>),
    /// Played.
    Played(Arc<Play>),
}

impl Line {
    /// The addresses of `host`, in the order in which to try them.
    ///
    /// # Errors
    /// When it has none.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        let found = match self {
            Self::Direct => return dial::resolve(host, port).await,
            Self::Tapped(_) => dial::resolve(host, port).await,
            Self::Played(play) => play.resolve(host).await.map(|mut addresses| {
                addresses.iter_mut().for_each(|address| address.set_port(port));
                addresses
            }),
        };
        if let Self::Tapped(recorder) = self {
            let host = host.to_owned();
            recorder.put(match &found {
                Ok(addresses) => Event::Resolved { host, addresses: addresses.clone() },
                Err(error) => Event::Unresolved { host, failure: failure::of(error, recorder.secrets()) },
            });
        }
        found
    }

    /// Connects to that one of the addresses of `host` that answers first.
    ///
    /// # Errors
    /// When none does.
    pub(crate) async fn connect(&self, host: &str, addresses: Vec<SocketAddr>) -> Result<Wire, Error> {
        self.connect_for("", host, addresses).await
    }

    /// The same for one of several connections side by side, which a capture tells apart by what is
    /// put in front of the place.
    ///
    /// # Errors
    /// When none answers.
    pub(crate) async fn connect_for(&self, what: &str, host: &str, addresses: Vec<SocketAddr>) -> Result<Wire, Error> {
        let port = addresses.first().map_or(0, SocketAddr::port);
        self.dialed(format!("{what}{host}:{port}"), dial::connect(host, addresses)).await
    }

    /// Connects to one address.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn connect_to(&self, address: SocketAddr) -> Result<Wire, Error> {
        let place = address.to_string();
        let dialing = async { dial::connect_to(address).await.map_err(|error| Error::from_io(&place, &error)) };
        self.dialed(place.clone(), dialing).await
    }

    async fn dialed(
        &self,
        place: String,
        dialing: impl Future<Output = Result<tokio::net::TcpStream, Error>>,
    ) -> Result<Wire, Error> {
        match self {
            Self::Direct => dialing.await.map(|stream| Wire::plain(stream, None)),
            Self::Played(play) => Stream::connect(play, &place).await.map(Wire::played),
            Self::Tapped(recorder) => {
                let line = recorder.line();
                recorder.put(Event::Dial { line, place });
                let stream = dialing.await.inspect_err(|error| {
                    let failure = failure::of(error, recorder.secrets());
                    recorder.put(Event::Failed { line, failure });
                })?;
                if let (Ok(peer), Ok(local)) = (stream.peer_addr(), stream.local_addr()) {
                    recorder.put(Event::Connected { line, peer, local });
                }
                Ok(Wire::plain(stream, Some(Box::new(Tap::new(Arc::clone(recorder), line)))))
            }
        }
    }

    /// What a program writes, as a line that is called `place`.
    pub(crate) fn output(&self, place: &str, output: impl AsyncRead + Send + Sync + 'static) -> Wire {
        let tap = self.program(place, Ok(()));
        Wire::output(Box::pin(output), tap)
    }

    /// The program has ended.
    pub(crate) fn exited(&self, place: &str, code: Option<i32>, signal: Option<i32>) {
        if let (Self::Tapped(recorder), Some(tap)) = (self, self.program(place, Ok(()))) {
            recorder.put(Event::Exited { line: tap.line(), code, signal });
        }
    }

    /// The program did not start.
    pub(crate) fn failed(&self, place: &str, error: &Error) {
        self.program(place, Err(error));
    }

    fn program(&self, place: &str, started: Result<(), &Error>) -> Option<Box<Tap>> {
        let Self::Tapped(recorder) = self else { return None };
        let line = recorder.line();
        recorder.put(Event::Dial { line, place: place.into() });
        recorder.put(match started {
            Ok(()) => Event::Connected { line, peer: played::NOWHERE, local: played::NOWHERE },
            Err(error) => Event::Failed { line, failure: failure::of(error, recorder.secrets()) },
        });
        Some(Box::new(Tap::new(Arc::clone(recorder), line)))
    }

    /// A socket for datagrams on `local`, with a port that the system chooses for 0. `role` is what
    /// a capture calls it. `room` is what the system should keep of datagrams that were not read
    /// yet, in bytes; it may give less.
    ///
    /// # Errors
    /// When the port is taken.
    pub(crate) fn datagrams(&self, role: &str, local: SocketAddr, room: usize) -> io::Result<Datagrams> {
        if let Self::Played(play) = self {
            return played::Mail::open(play, role, local).map(Datagrams::Played);
        }
        let socket = std::net::UdpSocket::bind(local)?;
        socket.set_nonblocking(true)?;
        // A keyframe comes in one burst.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(room);
        let socket = UdpSocket::from_std(socket)?;
        let tap = match self {
            Self::Tapped(recorder) => Some(DatagramTap::new(Arc::clone(recorder), role, socket.local_addr()?)),
            _ => None,
        };
        Ok(Datagrams::Real(socket, tap))
    }

    /// Says that somebody else opens `there` from now on, who knows of no lines: FFmpeg.
    ///
    /// # Errors
    /// Where a capture is played: it does not hold what was said then.
    pub(crate) fn leaves_to(&self, there: &Location) -> Result<(), Error> {
        match self {
            Self::Direct => Ok(()),
            Self::Tapped(recorder) => {
                tracing::warn!(%there, "not captured: FFmpeg opens this by itself");
                recorder.put(Event::Elsewhere(recorder.secrets().out_of(&there.to_string())));
                Ok(())
            }
            Self::Played(play) => {
                let what = format!("{}: FFmpeg opened {there} by itself then, which is not captured", play.name());
                Err(Error::Unsupported { what })
            }
        }
    }

    /// Something came of what was heard.
    pub(crate) fn used(&self) {
        if let Self::Played(play) = self {
            play.used();
        }
    }

    /// When the newest has come that was heard: now, or when it came then.
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Played(play) => play.now(),
            _ => Instant::now(),
        }
    }

    /// How long ago it was what is heard, in seconds.
    pub(crate) fn age_s(&self) -> f64 {
        match self {
            Self::Played(play) => play.age_s(),
            _ => 0.0,
        }
    }

    pub(crate) fn note(&self, note: &Note) {
        if let Self::Tapped(recorder) = self {
            recorder.note(note);
        }
    }
}

/// What is said where a source cannot be captured.
pub(crate) fn not_captured(url: &str) -> Error {
    let why = match scheme_of(url).map_or("file", |scheme| scheme.names[0]) {
        "file" | "v4l2" | "pattern" | "push" | "replay" | "x11grab" => {
            "it is no camera in the network, so there is nothing to capture"
        }
        _ => "FFmpeg opens it by itself, and what it hears cannot be captured",
    };
    Error::BadUrl {
        what: format!("--capture: {}: {why}", Redacted(url)),
        hint: "what can is http, https, ws, wss, rtsp, rtsps, mms, onvif, a maker's URL and exec".into(),
    }
}

/// A socket for datagrams.
pub(crate) enum Datagrams {
    Real(UdpSocket, Option<DatagramTap>),
    Played(played::Mail),
}

impl Datagrams {
    /// Our own port.
    ///
    /// # Errors
    /// Of the system.
    pub(crate) fn port(&self) -> io::Result<u16> {
        match self {
            Self::Real(socket, _) => socket.local_addr().map(|local| local.port()),
            Self::Played(mail) => Ok(mail.port()),
        }
    }

    /// Takes the next datagram.
    pub(crate) fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        match self {
            Self::Real(socket, tap) => {
                let result = socket.poll_recv_from(context, buffer);
                if let (Poll::Ready(Ok(from)), Some(tap)) = (&result, tap) {
                    tap.passed(Side::Camera, *from, buffer.filled());
                }
                result
            }
            Self::Played(mail) => mail.poll_recv_from(context, buffer),
        }
    }

    /// Takes what has come, one datagram at least, and gives each with its sender; `buffer` is for where they come one
    /// at a time.
    pub(crate) fn poll_recv_many(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
        give: &mut dyn FnMut(SocketAddr, &[u8]),
    ) -> Poll<io::Result<()>> {
        if let Self::Real(socket, tap) = self {
            loop {
                ready!(socket.poll_recv_ready(context))?;
                let mut count = 0;
                let taken = INBOX.with_borrow_mut(|inbox| {
                    let taken = socket.try_io(Interest::READABLE, || {
                        count = inbox.receive(socket)?;
                        // There are no more, and the system need not be asked once again to say so.
                        if count < datagrams::MOST { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
                    });
                    for (from, datagram) in inbox.iter().take(count) {
                        if let Some(tap) = tap {
                            tap.passed(Side::Camera, from, datagram);
                        }
                        give(from, datagram);
                    }
                    taken
                });
                match taken {
                    _ if count > 0 => return Poll::Ready(Ok(())),
                    Err(error) if error.kind() == io::ErrorKind::Unsupported => break,
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
                    _ => {}
                }
            }
        }
        let mut buffer = ReadBuf::new(buffer);
        let from = ready!(self.poll_recv_from(context, &mut buffer))?;
        give(from, buffer.filled());
        Poll::Ready(Ok(()))
    }

    /// Takes the next datagram. Cancel-safe.
    ///
    /// # Errors
    /// Of the system.
    pub(crate) async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut buffer = ReadBuf::new(buffer);
        let from = std::future::poll_fn(|context| self.poll_recv_from(context, &mut buffer)).await?;
        Ok((buffer.filled().len(), from))
    }

    /// Sends one.
    ///
    /// # Errors
    /// Of the system.
    pub(crate) async fn send_to(&self, data: &[u8], to: impl Into<SocketAddr>) -> io::Result<()> {
        let to = to.into();
        let Self::Real(socket, tap) = self else { return Ok(()) };
        if let Some(tap) = tap {
            tap.passed(Side::Us, to, data);
        }
        socket.send_to(data, to).await.map(|_| ())
    }
}
