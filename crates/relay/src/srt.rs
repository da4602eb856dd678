//! SRT in: encoders that send to `srt://HOST:PORT?streamid=NAME` feed the feed of that name.
//!
//! FFmpeg speaks SRT, and its listener takes one caller and does not tell its stream id. So this is
//! a front: it answers the first half of a caller's handshake itself, reads the stream id in the
//! second, looks for the feed, and only then starts a listener of FFmpeg's, on a port of the
//! loopback, for this one caller. It makes a handshake of its own with that, puts its cookie in
//! place of ours, and from then on hands datagrams to and fro. What comes out goes the way of a body
//! that is `PUT`: one sender at a time, the same access rules.

mod caller;
mod handshake;
mod inner;

pub use ::config::Passphrase as SrtPassphrase;
pub(crate) use handshake::check;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::UdpSocket;

use self::caller::Caller;
use crate::Relay;
use crate::inbox::{Hall, Lost, Outbox};
use crate::server::Shared;

/// Longest datagram.
const DATAGRAM: usize = 2048;
/// Most encoders at a time on one address.
const MOST: usize = 256;
/// Datagrams of an encoder that wait to be handed on; more are lost, and asked for again.
const WAITING: usize = 512;
/// For how long a cookie holds, once or twice.
const COOKIE: Duration = Duration::from_secs(30);

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
        let (hall, mut sessions) = (Hall::default(), HashMap::<SocketAddr, Session>::new());
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
                match session.handing.try_send(length, Bytes::copy_from_slice(datagram)) {
                    Ok(()) => continue,
                    Err(Lost::Full) => {
                        session.lost.fetch_add(1, Relaxed);
                        continue;
                    }
                    Err(Lost::Closed) => _ = sessions.remove(&peer),
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
                    sessions.retain(|_, session| !session.handing.is_closed());
                    let conclusion = Bytes::copy_from_slice(datagram);
                    let Some(place) = shared.steady_place().filter(|_| sessions.len() < MOST) else {
                        let refusal = handshake::refusal(&conclusion, handshake::Reason::Full);
                        let _ = self.socket.send_to(&refusal, peer).await;
                        relay.refusals.tell("SRT", peer, heard.stream.as_deref(), "there are too many connections");
                        continue;
                    };
                    let (handing, handed) = hall.channel(WAITING);
                    let lost = Arc::<AtomicU64>::default();
                    sessions.insert(peer, Session { handing, lost: Arc::clone(&lost) });
                    let caller = Caller {
                        socket: Arc::clone(&self.socket),
                        peer,
                        conclusion,
                        since: tokio::time::Instant::now(),
                        stream: heard.stream.unwrap_or_default(),
                        passphrase: self.passphrase.clone(),
                    };
                    let relay = Arc::clone(&relay);
                    tokio::spawn(async move {
                        caller.serve(handed, place, &relay).await;
                        let lost = lost.load(Relaxed);
                        if lost > 0 {
                            tracing::warn!(%peer, lost, "datagrams of an SRT encoder found no room");
                        }
                    });
                }
                _ => {}
            }
        }
    }
}

/// A way to who serves a caller.
struct Session {
    handing: Outbox<Bytes>,
    /// Datagrams for which there was no room.
    lost: Arc<AtomicU64>,
}
