//! SRT in: encoders that send to `srt://HOST:PORT?streamid=NAME` feed the feed of that name.
//!
//! FFmpeg speaks SRT, and its listener takes one caller and does not tell its stream id. So this is
//! a front: it answers the first half of a caller's handshake itself, reads the stream id in the
//! second, looks for the feed, and only then starts a listener of FFmpeg's, on a port of the
//! loopback, for this one caller. It makes a handshake of its own with that, puts its cookie in
//! place of ours, and from then on hands datagrams to and fro. What comes out goes the way of a body
//! that is `PUT`: one sender at a time, the same access rules.

mod handshake;

pub(crate) use handshake::check;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use source::push::{Ending, Feeder, Hint};
use source::{State, Stop, Supervisor, on_thread};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use self::handshake::Reason;
use crate::server::{Place, Shared, stopped};
use crate::{Relay, feeds};

/// Longest datagram.
const DATAGRAM: usize = 2048;
/// Most encoders at a time on one address.
const MOST: usize = 256;
/// Datagrams of an encoder that wait to be handed on; more are lost, and asked for again.
const WAITING: usize = 512;
/// Pieces of a stream that wait for its feed.
const PIECES: usize = 64;
/// How often FFmpeg's listener is asked whether it is there.
const ASKING: Duration = Duration::from_millis(50);
/// How long an encoder may take to come in, in microseconds, as FFmpeg wants it.
const PATIENCE: &str = "5000000";
/// For how long a cookie holds, once or twice.
const COOKIE: Duration = Duration::from_secs(30);

/// What encoders have to know, 10 to 79 characters. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtPassphrase(String);

impl std::fmt::Debug for SrtPassphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SrtPassphrase(***)")
    }
}

impl std::str::FromStr for SrtPassphrase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.len() {
            10..=79 => Ok(Self(text.into())),
            length => Err(format!("{length} characters; SRT takes 10 to 79")),
        }
    }
}

/// An address that SRT is taken on.
pub(crate) struct Listener {
    socket: Arc<UdpSocket>,
    passphrase: Option<SrtPassphrase>,
}

/// Makes cookies that only who receives at an address can know.
struct Cookies {
    secret: RandomState,
    began: Instant,
}

impl Cookies {
    fn of(&self, peer: SocketAddr, ago: u64) -> u32 {
        let period = self.began.elapsed().as_secs() / COOKIE.as_secs();
        (self.secret.hash_one((peer, (period + 1).saturating_sub(ago))) >> 32) as u32
    }

    fn holds(&self, peer: SocketAddr, cookie: u32) -> bool {
        (0..2).any(|ago| self.of(peer, ago) == cookie)
    }
}

impl Listener {
    pub(crate) fn bind(address: SocketAddr, passphrase: Option<SrtPassphrase>) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Arc::new(UdpSocket::from_std(socket)?), passphrase })
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }

    /// Takes whoever comes.
    pub(crate) async fn run(self, relay: Arc<Relay>, shared: Arc<Shared>) {
        let cookies = Cookies { secret: RandomState::new(), began: Instant::now() };
        let mut sessions: HashMap<SocketAddr, mpsc::Sender<Bytes>> = HashMap::new();
        let mut buffer = vec![0; DATAGRAM];
        loop {
            let (length, peer) = match self.socket.recv_from(&mut buffer).await {
                Ok(received) => received,
                Err(error) => {
                    // What the system says of an earlier datagram to somebody who is gone.
                    tracing::debug!(%error, "SRT");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                }
            };
            let datagram = &buffer[..length];
            if let Some(session) = sessions.get(&peer) {
                match session.try_send(Bytes::copy_from_slice(datagram)) {
                    Err(mpsc::error::TrySendError::Closed(_)) => _ = sessions.remove(&peer),
                    _ => continue,
                }
            }
            let Some(heard) = handshake::read(datagram) else { continue };
            match heard.kind {
                handshake::INDUCTION => {
                    let answer = handshake::answer(datagram, cookies.of(peer, 0));
                    // One that is lost is asked for again.
                    let _ = self.socket.send_to(&answer, peer).await;
                }
                handshake::CONCLUSION if cookies.holds(peer, heard.cookie) => {
                    sessions.retain(|_, session| !session.is_closed());
                    let Some(place) = shared.steady_place().filter(|_| sessions.len() < MOST) else { continue };
                    let (handing, handed) = mpsc::channel(WAITING);
                    sessions.insert(peer, handing);
                    let caller = Caller {
                        socket: Arc::clone(&self.socket),
                        peer,
                        conclusion: Bytes::copy_from_slice(datagram),
                        stream: heard.stream.unwrap_or_default(),
                        passphrase: self.passphrase.clone(),
                    };
                    let relay = Arc::clone(&relay);
                    tokio::spawn(async move {
                        match caller.serve(handed, place, &relay).await {
                            Ok(()) => {}
                            Err(why) => tracing::info!(%peer, why, "SRT connection ended"),
                        }
                    });
                }
                _ => {}
            }
        }
    }
}

/// Somebody who has proved that he is where he says.
struct Caller {
    socket: Arc<UdpSocket>,
    peer: SocketAddr,
    conclusion: Bytes,
    stream: String,
    passphrase: Option<SrtPassphrase>,
}

impl Caller {
    async fn serve(self, handed: mpsc::Receiver<Bytes>, mut place: Place, relay: &Relay) -> Result<(), String> {
        let (feed, name) = match self.feed(relay) {
            Ok(found) => found,
            Err((reason, why)) => {
                // One that does not hear it asks again.
                let _ = self.socket.send_to(&handshake::refusal(&self.conclusion, reason), self.peer).await;
                return Err(why);
            }
        };
        let port = free_port().map_err(|error| error.to_string())?;
        let (giving, mut pieces) = mpsc::channel(PIECES);
        let mut options = vec![("mode".into(), "listener".into()), ("listen_timeout".into(), PATIENCE.into())];
        options.extend(self.passphrase.iter().map(|passphrase| ("passphrase".into(), passphrase.0.clone())));
        let listening = on_thread("srt", move |stop| listen(port, &options, &giving, &stop));
        let mut feeder = None;
        let fed = async {
            // Nobody else is kept from the feed by one who does not come in.
            let Some(_) = pieces.recv().await else { return std::future::pending().await };
            let hint = Hint {
                by: self.peer.to_string(),
                protocol: "SRT",
                content_type: Some("video/mp2t".into()),
                ..Hint::default()
            };
            let feeder = feeder.insert(feed.feeder(hint).await.map_err(|error| error.to_string())?);
            pour(pieces, feeder).await;
            Ok(())
        };
        let ended = tokio::select! {
            ended = listening => ended.unwrap_or_else(|| Err("the reading thread died".into())),
            ended = self.hand_on(port, handed) => Err(ended.to_string()),
            ended = fed => ended,
            () = stopped(&mut place.stopping) => Err("the server ends".into()),
        };
        let Some(feeder) = feeder else { return ended };
        feeds::finish(feeder, Ending::Broken, &name, self.peer, "SRT").await;
        ended
    }

    /// The feed that is asked for, if nobody is sending to it.
    fn feed(&self, relay: &Relay) -> Result<(Supervisor, String), (Reason, String)> {
        let name = handshake::feed(&self.stream).map_err(|reason| {
            let what = "it asks for what nothing but senders get here";
            (reason, format!("stream id {:?}: {what}", self.stream))
        })?;
        let feed = feeds::asked_for(relay, self.peer, &name).map_err(|why| (Reason::NotFound, why))?;
        match feed.status().borrow().state {
            State::Unfed => {}
            _ => return Err((Reason::Conflict, format!("{name}: another one is sending"))),
        }
        Ok((feed, name))
    }

    /// Hands datagrams to and fro between the caller and FFmpeg's listener at `port`, for ever.
    async fn hand_on(&self, port: u16, mut handed: mpsc::Receiver<Bytes>) -> io::Error {
        let work = async {
            let inner = UdpSocket::bind("127.0.0.1:0").await?;
            inner.connect(("127.0.0.1", port)).await?;
            let mut buffer = vec![0; DATAGRAM];
            let mut cookie = None;
            loop {
                tokio::select! {
                    () = tokio::time::sleep(ASKING), if cookie.is_none() => {
                        // It is not there yet where the system says so.
                        let _ = inner.send(&handshake::induction(&self.conclusion)).await;
                    }
                    received = inner.recv(&mut buffer) => {
                        let Ok(length) = received else { continue };
                        let datagram = &buffer[..length];
                        match handshake::read(datagram) {
                            Some(heard) if heard.kind == handshake::INDUCTION => {
                                if cookie.replace(heard.cookie).is_none() {
                                    let _ = inner.send(&handshake::with_cookie(&self.conclusion, heard.cookie)).await;
                                }
                            }
                            _ => _ = self.socket.send_to(datagram, self.peer).await,
                        }
                    }
                    datagram = handed.recv() => {
                        let Some(datagram) = datagram else { return Err(io::ErrorKind::NotConnected.into()) };
                        match (handshake::read(&datagram), cookie) {
                            (Some(heard), Some(cookie)) if heard.kind == handshake::CONCLUSION => {
                                let _ = inner.send(&handshake::with_cookie(&datagram, cookie)).await;
                            }
                            (None, Some(_)) => _ = inner.send(&datagram).await,
                            _ => {}
                        }
                    }
                }
            }
        };
        let result: io::Result<std::convert::Infallible> = work.await;
        match result {
            Err(error) => error,
            Ok(never) => match never {},
        }
    }
}

/// A port of the loopback that nobody has just now.
fn free_port() -> io::Result<u16> {
    Ok(std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Lets FFmpeg take one caller at `port`, and gives what it sends to its end.
fn listen(port: u16, options: &[(String, String)], giving: &mpsc::Sender<Bytes>, stop: &Stop) -> Result<(), String> {
    let stopping = stop.clone();
    let opened = ffmpeg::Io::open(&format!("srt://127.0.0.1:{port}"), options, move || stopping.is_set());
    let mut io = opened.map_err(|error| format!("it did not come in (is its passphrase right?): {error}"))?;
    // An empty piece: it has come in.
    if giving.blocking_send(Bytes::new()).is_err() {
        return Ok(());
    }
    let mut buffer = vec![0; DATAGRAM];
    loop {
        match io.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                if giving.blocking_send(Bytes::copy_from_slice(&buffer[..count])).is_err() {
                    return Ok(());
                }
            }
            // How libsrt tells that the caller has gone, in order or not.
            Err(_) => return Ok(()),
        }
    }
}

/// Gives the pieces to the feed until it wants no more.
async fn pour(mut pieces: mpsc::Receiver<Bytes>, feeder: &Feeder) {
    loop {
        let piece = tokio::select! {
            piece = pieces.recv() => piece,
            () = feeder.unwanted() => return,
        };
        // What ended it is told by the thread.
        let Some(piece) = piece else { return std::future::pending().await };
        if !feeder.write(piece).await {
            return;
        }
    }
}
