//! A viewer of a source.
//!
//! What its browser can decode passes, the rest is coded anew, once for all who want the same.
//! Splitting into RTP and encrypting is done for each viewer, by its own task. Nobody waits for
//! one: it is sent datagrams, whether it gets them or not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::webrtc::{Event, Session};
use feed::Entry;
use media::{Codec, Encoding, Kind, Timestamp, Tracks};
use source::{Error, Mixed, Planner, Supervisor};
use tokio::time::timeout;

use super::answer::Watched;
use super::peer::{Over, Peer};
use crate::Relay;
use crate::output::fate::{Place, Player};
use crate::server::Refusal;
use crate::session::{Counts, Entered};

/// How long it is waited for the first picture before the offer is answered.
const WAITING: Duration = Duration::from_secs(10);
/// What is older than this as it is sent is of the time before the viewer came.
const LIVE: Duration = Duration::from_millis(100);

/// The packets for one viewer.
pub(super) struct Supply {
    source: Supervisor,
    encoding: Encoding,
    takes: Player,
    mixed: Mixed,
    /// What was looked at before its turn.
    first: Option<Entry>,
}

impl Supply {
    /// What `session` can be sent of `source`; waits for the first packet.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn open(source: &Supervisor, encoding: Encoding, session: &mut Session) -> Result<Self, Refusal> {
        let mut takes = |name| session.takes(Codec::from_name(name));
        let takes = Player { h264: takes("h264"), vp8: takes("vp8"), opus: takes("opus"), reorders: false };
        let mixed = source.variants().mixed(planner(encoding, takes));
        let mut supply = Self { source: source.clone(), encoding, takes, mixed, first: None };
        let mut status = source.status();
        let first = async {
            tokio::select! {
                entry = supply.next() => entry,
                error = crate::output::failed(&mut status) => Err(error),
            }
        };
        match timeout(WAITING, first).await {
            Ok(Ok(entry)) => supply.first = Some(entry),
            Ok(Err(error)) => return Err(Refusal::source(source.name(), &error)),
            Err(_) => return Err(Refusal::silent(source.name())),
        }
        Ok(supply)
    }

    /// The next packet. What comes in another order than it is shown in, which no browser takes by
    /// WebRTC, is coded anew. Cancel-safe.
    async fn next(&mut self) -> Result<Entry, Error> {
        loop {
            if let Some(entry) = self.first.take() {
                return Ok(entry);
            }
            let entry = self.mixed.next().await?;
            if entry.packet.pts == entry.packet.dts || !is_picture(&entry.tracks, &entry) || self.takes.reorders {
                return Ok(entry);
            }
            tracing::info!(source = self.source.name(), "it has B-frames, so it is coded anew for WebRTC");
            self.takes.reorders = true;
            self.mixed = self.source.variants().mixed(planner(self.encoding, self.takes));
        }
    }
}

fn planner(encoding: Encoding, takes: Player) -> Planner {
    Box::new(move |tracks: &Tracks| Place::WebRtc(takes).plan(&encoding, tracks))
}

fn is_picture(tracks: &Tracks, entry: &Entry) -> bool {
    tracks.get(usize::from(entry.packet.track.0)).is_some_and(|track| matches!(track.kind, Kind::Video(_)))
}

/// Enters a viewer among those who are connected.
pub(super) fn list(
    relay: &Arc<Relay>,
    watched: &Watched,
    encoding: Encoding,
    peer: SocketAddr,
    agent: Option<String>,
) -> Entered {
    relay.sessions.enter(|id| crate::session::Session {
        id,
        peer,
        source: watched.source.name().to_owned(),
        format: "whep",
        variant: encoding.to_string(),
        agent: agent.unwrap_or_default(),
        since: Instant::now(),
        max_age: None,
        counts: Counts::default(),
        visit: watched.visit.clone(),
    })
}

/// Where packets are on the clock of what is sent.
#[derive(Default)]
struct Clock {
    /// Zero of the feed's timeline.
    zero: Option<Instant>,
    /// The last of pictures, and whether the viewer has come up with the source.
    last: Timestamp,
    is_live: bool,
}

impl Clock {
    /// When a packet is to be shown; nothing for sound that the viewer came too late for. Pictures
    /// from before its time, which it needs to decode what is new, follow each other at once: they
    /// count as being of the time that they are sent at, or the viewer would take its time with them.
    fn place(&mut self, entry: &Entry, is_picture: bool, now: Instant) -> Option<Timestamp> {
        let age = now.saturating_duration_since(entry.packet.received);
        let pts = entry.packet.pts;
        if !is_picture {
            return (self.is_live || age < LIVE).then_some(pts);
        }
        self.is_live |= age < LIVE;
        let late = if self.is_live { 0 } else { i64::try_from(age.as_nanos()).unwrap_or(0) };
        let at = Timestamp::from_nanos(pts.as_nanos().saturating_add(late));
        // A tick of RTP later at least.
        self.last = at.max(Timestamp::from_nanos(self.last.as_nanos().saturating_add(12_000)));
        Some(self.last)
    }

    /// The same by the wall clock.
    fn shown(&mut self, at: Timestamp, now: Instant) -> Instant {
        let since = at.saturating_since(Timestamp::ZERO);
        let zero = *self.zero.get_or_insert_with(|| now.checked_sub(since).unwrap_or(now));
        zero.checked_add(since).unwrap_or(now)
    }
}

/// Serves one to its end.
pub(super) async fn run(mut peer: Peer, mut supply: Supply, listed: Entered) {
    let mut clock = Clock::default();
    let over = loop {
        let source = &supply.source;
        let tell = |event| {
            if matches!(event, Event::WantsKeyframe) {
                source.ask_for_keyframe();
            }
        };
        if let Err(over) = peer.drain(tell).await {
            break over;
        }
        let is_connected = peer.is_connected;
        let next = async {
            match is_connected {
                true => supply.next().await,
                false => std::future::pending().await,
            }
        };
        let entry = tokio::select! {
            entry = next => entry,
            // Once more around, where there is something to say.
            turn = peer.turn() => match turn {
                Ok(()) => continue,
                Err(over) => break over,
            },
            () = listed.over() => break Over::Left,
        };
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                tracing::info!(source = listed.source, peer = %listed.peer, %error, "nothing more for a viewer");
                break Over::Lost("the source is over");
            }
        };
        if let Err(over) = send(&mut peer, &mut clock, &entry, &listed) {
            break over;
        }
    };
    peer.leave().await;
    let (source, by) = (&listed.source, listed.peer);
    // Whoever sees no picture asks why, and the page does not know.
    if matches!(over, Over::Failed(_)) || (!peer.is_connected && matches!(over, Over::Lost(_))) {
        tracing::info!(source, peer = %by, %over, "a viewer of WebRTC did not get on");
    } else {
        tracing::debug!(source, peer = %by, %over, "viewer of WebRTC gone");
    }
}

fn send(peer: &mut Peer, clock: &mut Clock, entry: &Entry, listed: &Entered) -> Result<(), Over> {
    let now = Instant::now();
    let Some(track) = entry.tracks.get(usize::from(entry.packet.track.0)) else { return Ok(()) };
    let is_picture = is_picture(&entry.tracks, entry);
    let Some(pts) = clock.place(entry, is_picture, now) else { return Ok(()) };
    let packet = media::Packet { pts, dts: pts, ..entry.packet.clone() };
    let shown = clock.shown(pts, now);
    if peer.session.write(track, &packet, shown)? {
        listed.counts.sent(u64::from(is_picture), packet.data.len() as u64, packet.received);
    }
    Ok(())
}
