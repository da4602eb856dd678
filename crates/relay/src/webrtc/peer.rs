//! A session on its way: what comes goes in, what it says goes out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::webrtc::{Error, Event, Output, Session};
use tokio::time::sleep_until;

use super::CONNECTING;
use super::lines::Lines;
use super::table::{Came, Seat};
use crate::inbox::Inbox;
use crate::server::{Place, stopped};

/// Datagrams that are sent in one go; then others have their turn, and the way has a rest.
const BURST: u32 = 32;
/// The rest.
const REST: Duration = Duration::from_millis(1);

/// A session, with its place in the world.
pub(super) struct Peer {
    pub(super) session: Session,
    pub(super) seat: Seat,
    inbox: Inbox<Came>,
    lines: Arc<Lines>,
    /// Held for as long as it lasts.
    place: Place,
    /// At which of our addresses it was heard last.
    last: Option<SocketAddr>,
    pub(super) is_connected: bool,
    began: Instant,
    /// When the session is to be told the time.
    due: Instant,
}

/// Why a session ends.
#[derive(Debug)]
pub(super) enum Over {
    /// The peer said so, or deleted its URL.
    Left,
    /// It does not answer any more, or never did.
    Lost(&'static str),
    /// The server stops.
    Stopping,
    /// Its machine has failed.
    Failed(Error),
}

impl From<Error> for Over {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl std::fmt::Display for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Left => f.write_str("the peer has left"),
            Self::Lost(why) => f.write_str(why),
            Self::Stopping => f.write_str("the server stops"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl Peer {
    pub(super) fn new(session: Session, (seat, inbox): (Seat, Inbox<Came>), lines: Arc<Lines>, place: Place) -> Self {
        let now = Instant::now();
        Self { session, seat, inbox, lines, place, last: None, is_connected: false, began: now, due: now }
    }

    /// Sends everything that the session has to say, and gives its events to `tell`.
    pub(super) async fn drain(&mut self, mut tell: impl FnMut(Event)) -> Result<(), Over> {
        let mut count = 0;
        loop {
            match self.session.poll()? {
                Output::Wait(until) => {
                    self.due = until;
                    return Ok(());
                }
                Output::Transmit(datagram) => {
                    self.seat.know(datagram.to, self.session.is_at(datagram.to));
                    self.lines.send(&datagram, self.last).await;
                    count += 1;
                    if count % BURST == 0 {
                        tokio::time::sleep(REST).await;
                    }
                }
                Output::Event(Event::Gone) => return Err(Over::Left),
                Output::Event(Event::Connected) => {
                    self.is_connected = true;
                    self.seat.claim.came();
                }
                Output::Event(event) => tell(event),
            }
        }
    }

    /// Waits for what comes, or for the time that is due, and hands it over. Cancel-safe.
    pub(super) async fn turn(&mut self) -> Result<(), Over> {
        let hurry = async {
            match self.is_connected {
                true => std::future::pending().await,
                false => sleep_until((self.began + CONNECTING).into()).await,
            }
        };
        tokio::select! {
            came = self.inbox.recv() => {
                // The other end is in the table for as long as the seat is.
                let Some(came) = came else { return Err(Over::Left) };
                self.last = Some(came.to);
                self.session.handle_datagram(came.at, came.from, came.to, &came.data)?;
            }
            () = sleep_until(self.due.into()) => self.session.handle_timeout(Instant::now())?,
            () = self.seat.deleted.notified() => return Err(Over::Left),
            () = stopped(&mut self.place.stopping) => return Err(Over::Stopping),
            () = hurry => {
                return Err(Over::Lost("no way to the peer was found; is the UDP port open, and --webrtc-host right?"));
            }
        }
        Ok(())
    }

    /// Takes leave.
    pub(super) async fn leave(&mut self) {
        if self.session.close().is_ok() {
            // Whoever is gone already does not hear it.
            let _ = self.drain(|_| ()).await;
        }
    }
}
