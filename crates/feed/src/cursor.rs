//! A reader's place in the ring.

use std::sync::{Arc, MutexGuard};

use media::{Packet, TrackId, Tracks};

use crate::Shared;
use crate::ring::Ring;

/// Where a cursor starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// With the next packet that is published.
    Live,
    /// With the newest packet from which a decoder can start, if one is held; else live.
    Keyframe,
    /// With the oldest packet held.
    Oldest,
    /// With the packet of this number, once it is published; as a reader that was overtaken
    /// where it is no longer held.
    At(u64),
}

/// A packet in its place.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Running number in the feed; never goes back, not even over a reconnect.
    pub seq: u64,
    /// Running number in its track.
    pub index: u64,
    /// How many packets this cursor missed just before it: overtaken by the ring in
    /// [`Cursor::next`], passed over in [`Cursor::newest`] (there, of its track alone).
    pub lost: u64,
    /// What it belongs to.
    pub tracks: Tracks,
    /// The packet.
    pub packet: Packet,
}

/// The publisher is gone and everything it published was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the feed is closed")]
pub struct Closed;

/// One reader of a feed. While it lives, the feed counts a reader.
pub struct Cursor {
    shared: Arc<Shared>,
    /// The sequence number to read next.
    next: u64,
    /// Track, and number in it, of the packet that `newest` gave last.
    last: Option<(TrackId, u64)>,
    /// The feed counts it as a reader.
    counted: bool,
    /// Its number among those that the publisher waits for.
    place: Option<u64>,
}

/// What the feed does for a cursor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Bystander,
    /// It is counted.
    Reader,
    /// It is counted, and keeps what it has not read.
    WaitedFor,
}

impl Cursor {
    pub(crate) fn new(shared: Arc<Shared>, start: Start, manner: Manner) -> Self {
        let counted = manner != Manner::Bystander;
        let (next, place) = {
            let mut ring = shared.ring();
            // Counted while the ring stands still: the first reader makes the source open, and what
            // a quick one publishes then comes behind this place.
            if counted {
                shared.readers.send_modify(|readers| *readers += 1);
            }
            let next = match start {
                Start::Live => ring.end(),
                Start::Keyframe => ring.join().unwrap_or_else(|| ring.end()),
                Start::Oldest => ring.start(),
                Start::At(seq) => seq.min(ring.end()),
            };
            (next, (manner == Manner::WaitedFor).then(|| ring.wait_for(next)))
        };
        Self { shared, next, last: None, counted, place }
    }

    /// The next packet in order, if it is there.
    ///
    /// A cursor that was overtaken goes on at the newest keyframe held, or the oldest
    /// packet where none is, and the entry says how many packets were lost.
    ///
    /// # Errors
    /// [`Closed`] when the publisher is gone and nothing is left to read.
    pub fn try_next(&mut self) -> Result<Option<Entry>, Closed> {
        let ring = self.shared.ring();
        let wanted = self.next;
        if wanted < ring.start() {
            self.next = ring.join().unwrap_or_else(|| ring.start());
        }
        let Some(mut entry) = ring.at(self.next) else { return nothing(&ring) };
        entry.lost = self.next - wanted;
        self.next += 1;
        self.passed(ring);
        Ok(Some(entry))
    }

    /// Tells how far it has read, if somebody waits for it.
    fn passed(&self, mut ring: MutexGuard<'_, Ring>) {
        if self.place.is_some_and(|place| ring.passed(place, self.next)) {
            drop(ring);
            self.shared.taken.notify_waiters();
        }
    }

    /// The newest packet of the first video track that this cursor has not had yet.
    ///
    /// # Errors
    /// [`Closed`] when the publisher is gone and nothing is left to read.
    pub fn try_newest(&mut self) -> Result<Option<Entry>, Closed> {
        let ring = self.shared.ring();
        match ring.newest_video(self.next) {
            Some(mut entry) => {
                self.next = ring.end();
                self.passed(ring);
                let track = entry.packet.track;
                // Another declaration may have moved the video to another track, which
                // counts for itself.
                let last = self.last.filter(|(of, _)| *of == track);
                entry.lost = last.map_or(0, |(_, last)| entry.index.saturating_sub(last + 1));
                self.last = Some((track, entry.index));
                Ok(Some(entry))
            }
            None => nothing(&ring),
        }
    }

    /// Waits for the next packet in order; see [`Cursor::try_next`]. Cancel-safe.
    ///
    /// # Errors
    /// [`Closed`] when the publisher is gone and nothing is left to read.
    pub async fn next(&mut self) -> Result<Entry, Closed> {
        self.wait_for(Self::try_next).await
    }

    /// Waits for a packet newer than the last; see [`Cursor::try_newest`]. Cancel-safe.
    ///
    /// # Errors
    /// [`Closed`] when the publisher is gone and nothing is left to read.
    pub async fn newest(&mut self) -> Result<Entry, Closed> {
        self.wait_for(Self::try_newest).await
    }

    /// How many packets are held that this cursor has not read.
    #[must_use]
    pub fn behind(&self) -> u64 {
        self.shared.ring().end().saturating_sub(self.next)
    }

    /// Passes over everything up to the newest keyframe, if that is ahead. Returns how
    /// many packets were passed over.
    pub fn skip_to_keyframe(&mut self) -> u64 {
        let join = self.shared.ring().join().filter(|join| *join > self.next);
        let skipped = join.map_or(0, |join| join - self.next);
        self.next += skipped;
        self.passed(self.shared.ring());
        skipped
    }

    async fn wait_for(
        &mut self,
        mut look: impl FnMut(&mut Self) -> Result<Option<Entry>, Closed>,
    ) -> Result<Entry, Closed> {
        let shared = Arc::clone(&self.shared);
        loop {
            if let Some(entry) = look(self)? {
                return Ok(entry);
            }
            // Registered before the second look, so that a packet between the look and
            // the wait is not slept through.
            let mut arrived = std::pin::pin!(shared.arrived.notified());
            arrived.as_mut().enable();
            if let Some(entry) = look(self)? {
                return Ok(entry);
            }
            arrived.await;
        }
    }
}

fn nothing(ring: &Ring) -> Result<Option<Entry>, Closed> {
    if ring.is_closed() { Err(Closed) } else { Ok(None) }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.shared.ring().forget(place);
            self.shared.taken.notify_waiters();
        }
        if self.counted {
            self.shared.readers.send_modify(|readers| *readers -= 1);
        }
    }
}
