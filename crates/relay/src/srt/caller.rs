//! One encoder: looked at, let in, and handed to and fro to its end.
//!
//! An encoder that says farewell leaves behind what FFmpeg's listener has not given yet, which keeps
//! everything for the time that both have agreed on; with the farewell it would forget that. So the
//! farewell is held back for so long, and the feed ends with the last piece that has come.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use bytes::Bytes;
use source::push::{Ending, Feeder, Hint};
use source::{State, Supervisor, on_thread};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::handshake::{self, Reason};
use super::inner::{Port, Unheard, listen};
use super::{DATAGRAM, SrtPassphrase};
use crate::inbox::Inbox;
use crate::server::{Place, stopped};
use crate::{Relay, feeds};

/// Pieces of a stream that wait for its feed.
const PIECES: usize = 64;
/// How often FFmpeg's listener is asked whether it is there.
const ASKING: Duration = Duration::from_millis(50);
/// How long an encoder waits for one that is leaving.
const LEAVING: Duration = Duration::from_secs(2);
/// How long a farewell is held back beyond what the listener keeps everything for, and at most:
/// libsrt gives up who has said nothing for 5 s.
const GRACE: Duration = Duration::from_millis(300);
const MOST_HELD: Duration = Duration::from_secs(4);
/// How often another port is tried where a program was quicker.
const TRIES: usize = 3;

/// Somebody who has proved that he is where he says.
pub(super) struct Caller {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) peer: SocketAddr,
    pub(super) conclusion: Bytes,
    /// When that came.
    pub(super) since: Instant,
    pub(super) stream: String,
    pub(super) passphrase: Option<SrtPassphrase>,
}

/// How far a caller is from having said all.
#[derive(Default)]
struct Parting {
    /// One side has said farewell.
    is_said: AtomicBool,
    /// Pieces that the feed has taken.
    taken: AtomicU64,
}

/// Why a caller is served no more.
enum Over {
    /// It was never let in.
    Refused(String),
    /// Another program has the port that was meant for it.
    Taken,
    /// The feed wants no more; what came of it says why.
    Unwanted,
    /// The server ends, or cannot go on.
    Us(String),
}

impl Caller {
    /// Serves it to its end, and tells what came of it.
    pub(super) async fn serve(self, mut handed: Inbox<Bytes>, mut place: Place, relay: &Relay) {
        let (feed, name) = match self.feed(relay).await {
            Ok(found) => found,
            Err((reason, why)) => {
                // One that does not hear it asks again.
                let _ = self.socket.send_to(&handshake::refusal(&self.conclusion, reason), self.peer).await;
                return relay.refusals.tell("SRT", self.peer, Some(&self.stream), &why);
            }
        };
        let parted = Parting::default();
        let mut feeder = None;
        let mut tries = 1..TRIES;
        let ended = loop {
            let ended = tokio::select! {
                ended = self.attempt(&feed, &mut feeder, &mut handed, &parted) => ended,
                () = stopped(&mut place.stopping) => Err(Over::Us("the server ends".into())),
            };
            match ended {
                Err(Over::Taken) if tries.next().is_some() => {}
                ended => break ended,
            }
        };
        if !parted.is_said.load(Relaxed) {
            let _ = self.socket.send_to(&handshake::farewell(&self.conclusion), self.peer).await;
        }
        if let Some(feeder) = feeder {
            // A farewell is said when all has been sent; who is just gone has said none.
            let is_whole = ended.is_ok() && parted.is_said.load(Relaxed);
            let ending = if is_whole { Ending::Whole } else { Ending::Broken };
            feeds::finish(relay, feeder, ending, &name, self.peer, "SRT").await;
        }
        match ended {
            Ok(()) | Err(Over::Unwanted) => {}
            Err(Over::Refused(why)) => relay.refusals.tell("SRT", self.peer, Some(&name), &why),
            Err(Over::Taken) => tracing::warn!(peer = %self.peer, "no port was free for an SRT encoder"),
            Err(Over::Us(why)) => tracing::info!(peer = %self.peer, why, "SRT connection ended"),
        }
    }

    /// Lets it in at a port of its own, and feeds the feed until everything that came is there.
    async fn attempt(
        &self,
        feed: &Supervisor,
        feeder: &mut Option<Feeder>,
        handed: &mut Inbox<Bytes>,
        parted: &Parting,
    ) -> Result<(), Over> {
        let port = Arc::new(Port::find().map_err(|error| Over::Us(format!("no port for it: {error}")))?);
        let (giving, mut pieces) = mpsc::channel(PIECES);
        let (of_thread, passphrase) = (Arc::clone(&port), self.passphrase.clone());
        let listening = async {
            let heard = on_thread("srt", move |stop| listen(&of_thread, passphrase.as_ref(), &giving, &stop)).await;
            match heard {
                Some(Ok(())) => Ok(()),
                Some(Err(Unheard::Taken)) => Err(Over::Taken),
                Some(Err(Unheard::Out(why))) => Err(Over::Refused(why)),
                None => Err(Over::Us("the reading thread died".into())),
            }
        };
        let fed = async {
            // Nobody else is kept from the feed by one who does not come in, which the thread tells.
            if pieces.recv().await.is_none() {
                return Ok(());
            }
            let hint = Hint {
                by: self.peer.to_string(),
                protocol: "SRT",
                content_type: Some("video/mp2t".into()),
                ..Hint::default()
            };
            let begun = feed.feeder(hint).await.map_err(|error| Over::Refused(error.to_string()))?;
            pour(pieces, feeder.insert(begun), &parted.taken).await
        };
        tokio::select! {
            // The thread is done before its last pieces are.
            ended = async { tokio::try_join!(listening, fed) } => ended.map(|_| ()),
            error = self.hand_on(port.number(), handed, parted) => Err(Over::Us(error.to_string())),
        }
    }

    /// The feed that is asked for, if nobody is sending to it.
    async fn feed(&self, relay: &Relay) -> Result<(Supervisor, String), (Reason, String)> {
        let name = handshake::feed(&self.stream).map_err(|reason| {
            let what = match reason {
                Reason::NotFound => "it names no feed; send as srt://HOST:PORT?streamid=NAME",
                _ => "it asks for what nothing but senders get here",
            };
            (reason, what.to_owned())
        })?;
        let feed = feeds::asked_for(relay, self.peer, &name).map_err(|why| (Reason::NotFound, why))?;
        let mut status = feed.status();
        let is_free = timeout(LEAVING, status.wait_for(|status| matches!(status.state, State::Unfed))).await;
        match is_free {
            Ok(Ok(_)) => {}
            _ => return Err((Reason::Conflict, "another one is sending; end that first".into())),
        }
        Ok((feed, name))
    }

    /// Hands datagrams to and fro between the caller and FFmpeg's listener at `port`, for ever.
    async fn hand_on(&self, port: u16, handed: &mut Inbox<Bytes>, parted: &Parting) -> io::Error {
        match self.work(port, handed, parted).await {
            Err(error) => error,
            Ok(never) => match never {},
        }
    }

    async fn work(
        &self,
        port: u16,
        handed: &mut Inbox<Bytes>,
        parted: &Parting,
    ) -> io::Result<std::convert::Infallible> {
        let inner = UdpSocket::bind("127.0.0.1:0").await?;
        inner.connect(("127.0.0.1", port)).await?;
        let mut buffer = vec![0; DATAGRAM];
        let (mut cookie, mut kept) = (None, Duration::ZERO);
        let mut farewell: Option<(Instant, Bytes)> = None;
        let (mut before, mut latest) = (0, Instant::now());
        loop {
            let due = farewell.as_ref().map_or_else(Instant::now, |(due, _)| *due);
            tokio::select! {
                () = tokio::time::sleep(ASKING), if cookie.is_none() => {
                    // It is not there yet where the system says so.
                    let _ = inner.send(&handshake::induction(&self.conclusion)).await;
                }
                () = tokio::time::sleep_until(due), if farewell.is_some() => {
                    // What came faster than it plays is still being taken.
                    let taken = parted.taken.load(Relaxed);
                    if let Some((due, _)) = &mut farewell
                        && taken != std::mem::replace(&mut before, taken)
                        && Instant::now() < latest
                    {
                        *due = Instant::now() + GRACE;
                    } else if let Some((_, farewell)) = farewell.take() {
                        let _ = inner.send(&farewell).await;
                    }
                }
                received = inner.recv(&mut buffer) => {
                    let Ok(length) = received else { continue };
                    let datagram = &buffer[..length];
                    match handshake::read(datagram) {
                        Some(heard) if heard.kind == handshake::INDUCTION => {
                            if cookie.replace(heard.cookie).is_none() {
                                let age = u32::try_from(self.since.elapsed().as_micros()).unwrap_or(u32::MAX);
                                let conclusion = handshake::later(&self.conclusion, age);
                                let _ = inner.send(&handshake::with_cookie(&conclusion, heard.cookie)).await;
                            }
                            continue;
                        }
                        Some(_) => {
                            let ms = handshake::latency_ms(datagram);
                            kept = ms.map_or(kept, |ms| Duration::from_millis(ms.into()));
                        }
                        None if handshake::is_farewell(datagram) => parted.is_said.store(true, Relaxed),
                        None => {}
                    }
                    let _ = self.socket.send_to(datagram, self.peer).await;
                }
                datagram = handed.recv() => {
                    let Some(datagram) = datagram else { return Err(io::ErrorKind::NotConnected.into()) };
                    match (handshake::read(&datagram), cookie) {
                        (Some(heard), Some(cookie)) if heard.kind == handshake::CONCLUSION => {
                            let _ = inner.send(&handshake::with_cookie(&datagram, cookie)).await;
                        }
                        (None, Some(_)) if handshake::is_farewell(&datagram) => {
                            parted.is_said.store(true, Relaxed);
                            if farewell.is_none() {
                                let now = Instant::now();
                                latest = now + MOST_HELD;
                                farewell = Some((now + (kept + GRACE).min(MOST_HELD), datagram));
                            }
                        }
                        (None, Some(_)) => _ = inner.send(&datagram).await,
                        _ => {}
                    }
                }
            }
        }
    }
}

/// Gives the pieces to the feed, to the last.
async fn pour(mut pieces: mpsc::Receiver<Bytes>, feeder: &Feeder, taken: &AtomicU64) -> Result<(), Over> {
    loop {
        let piece = tokio::select! {
            piece = pieces.recv() => piece,
            () = feeder.unwanted() => return Err(Over::Unwanted),
        };
        let Some(piece) = piece else { return Ok(()) };
        if !feeder.write(piece).await {
            return Err(Over::Unwanted);
        }
        taken.fetch_add(1, Relaxed);
    }
}
