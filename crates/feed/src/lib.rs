//! One ring of packets per source, any number of cursors into it.
//!
//! The ring is at once the fan-out queue, the join-at-a-keyframe cache and the
//! time-shift buffer; what differs is only where a cursor starts. Publishing never
//! waits: a reader that cannot keep up loses packets, the camera and the other
//! readers do not notice.
//!
//! A feed with one owner can be read without loss: [`Feed::waited_for`] gives a cursor whose
//! packets the ring keeps until it has them, and [`Publisher::room`] is where whoever can make
//! the camera wait waits for it.
//!
//! ```
//! # use feed::{Feed, Limits, Start};
//! let (publisher, feed) = Feed::new(Limits::default());
//! let mut cursor = feed.cursor(Start::Keyframe);
//! assert!(cursor.try_next().unwrap().is_none());
//! drop(publisher);
//! assert!(cursor.try_next().is_err());
//! ```

#![forbid(unsafe_code)]

mod cursor;
mod ring;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use media::{Packet, Tracks};
use tokio::sync::{Notify, watch};

use cursor::Manner;
pub use cursor::{Closed, Cursor, Entry, Start};
use ring::Ring;

/// How much a feed remembers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes of packets, whatever the source does; some 200 are counted for each
    /// packet besides its own. The newest packet is held if its own bytes fit.
    pub bytes: usize,
    /// Packets older than this are forgotten even when there is room, but never those
    /// from the newest keyframe on.
    pub history: Duration,
}

impl Default for Limits {
    /// 24 MiB and one second: ten seconds between keyframes at 20 Mbit/s, or eight
    /// pictures of 3 MB, fit.
    fn default() -> Self {
        Self { bytes: 24 << 20, history: Duration::from_secs(1) }
    }
}

/// How far a publisher may be ahead of the readers that it waits for: up to the first of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backlog {
    /// Packets.
    pub packets: usize,
    /// Bytes of packets; one packet may always wait.
    pub bytes: usize,
}

impl Backlog {
    /// When a publisher that had to wait goes on: to wake it for every packet would cost more
    /// than the packet.
    const fn half(self) -> Self {
        Self { packets: self.packets / 2, bytes: self.bytes / 2 }
    }
}

/// A packet that no ring of this size can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a packet of {size} bytes does not fit into the feed's {limit}; raise the feed's limit or lower the camera's bit rate"
)]
pub struct TooLarge {
    /// Bytes of the packet.
    pub size: usize,
    /// [`Limits::bytes`].
    pub limit: usize,
}

/// The readers' side of a ring. Cloning gives another handle of the same feed.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

/// The one writer of a feed. Dropping it closes the feed: cursors read what is left
/// and then [`Closed`].
pub struct Publisher(Arc<Shared>);

struct Shared {
    ring: Mutex<Ring>,
    /// Wakes every waiting cursor.
    arrived: Notify,
    /// Wakes a publisher that waits for readers.
    taken: Notify,
    /// Cursors alive.
    readers: watch::Sender<usize>,
    /// The newest declaration; empty until the source is open.
    tracks: watch::Sender<Tracks>,
}

impl Shared {
    /// The lock is held for a few lines and none of them panics, so a poisoned one is
    /// still in order.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// An empty feed and its writer.
    #[must_use]
    #[allow(clippy::new_ret_no_self)]
    pub fn new(limits: Limits) -> (Publisher, Self) {
        let shared = Arc::new(Shared {
            ring: Mutex::new(Ring::new(limits)),
            arrived: Notify::new(),
            taken: Notify::new(),
            readers: watch::Sender::new(0),
            tracks: watch::Sender::new(Tracks::default()),
        });
        (Publisher(Arc::clone(&shared)), Self(shared))
    }

    /// A new reader, which counts as one until it is dropped.
    #[must_use]
    pub fn cursor(&self, start: Start) -> Cursor {
        Cursor::new(Arc::clone(&self.0), start, Manner::Reader)
    }

    /// A reader that [`Publisher::room`] waits for, and whose packets stay in the ring until it
    /// has them, within [`Limits::bytes`]. For a feed that nobody else reads: the others would
    /// have to wait for it, too.
    #[must_use]
    pub fn waited_for(&self, start: Start) -> Cursor {
        Cursor::new(Arc::clone(&self.0), start, Manner::WaitedFor)
    }

    /// A cursor that does not count as a reader: it takes what comes while others read, and
    /// makes nobody open the source.
    #[must_use]
    pub fn bystander(&self, start: Start) -> Cursor {
        Cursor::new(Arc::clone(&self.0), start, Manner::Bystander)
    }

    /// Whether the packet numbered `seq` is held, or yet to come.
    #[must_use]
    pub fn holds(&self, seq: u64) -> bool {
        self.0.ring().start() <= seq
    }

    /// The number of cursors alive, and its changes.
    #[must_use]
    pub fn readers(&self) -> watch::Receiver<usize> {
        self.0.readers.subscribe()
    }

    /// The tracks as declared last, and their changes; empty until the source was open.
    #[must_use]
    pub fn tracks(&self) -> watch::Receiver<Tracks> {
        self.0.tracks.subscribe()
    }

    /// Bytes of packets held now, without what the ring takes for itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.ring().bytes()
    }

    /// The newest packet held of the first video track, without becoming a reader.
    #[must_use]
    pub fn peek_newest(&self) -> Option<Packet> {
        self.0.ring().newest_video(0).map(|entry| entry.packet)
    }
}

impl Publisher {
    /// A handle for readers.
    #[must_use]
    pub fn feed(&self) -> Feed {
        Feed(Arc::clone(&self.0))
    }

    /// Declares what the packets from now on belong to.
    pub fn declare(&self, tracks: Tracks) {
        self.0.ring().declare(tracks.clone());
        self.0.tracks.send_replace(tracks);
        self.0.arrived.notify_waiters();
    }

    /// Appends `packet` and wakes the readers. Never waits for any of them.
    ///
    /// # Errors
    /// When the packet alone is larger than the ring; nothing was published.
    pub fn publish(&self, packet: Packet) -> Result<(), TooLarge> {
        // What falls out of the ring may be the last reference to a large buffer; it is
        // freed after the lock is open again.
        let fallen = self.0.ring().push(packet)?;
        self.0.arrived.notify_waiters();
        drop(fallen);
        Ok(())
    }

    /// Waits until the readers of [`Feed::waited_for`] are no further behind than `most`; once it
    /// was more, no further than half of that. At once where there are none. For a publisher
    /// whose source can wait: there is one of it. Cancel-safe.
    pub async fn room(&self, most: Backlog) {
        if self.0.ring().has_room(most) {
            return;
        }
        loop {
            let mut taken = std::pin::pin!(self.0.taken.notified());
            taken.as_mut().enable();
            if self.0.ring().wants_room(most.half()) {
                return;
            }
            taken.await;
        }
    }

    /// Whether [`Publisher::room`] would not wait.
    #[must_use]
    pub fn has_room(&self, most: Backlog) -> bool {
        self.0.ring().has_room(most)
    }

    /// Forgets all packets, when the source is closed: a later reader must not take them
    /// for live ones. Counting goes on where it was.
    pub fn clear(&self) {
        let fallen = self.0.ring().clear();
        drop(fallen);
    }

    /// The number of cursors alive, and its changes.
    #[must_use]
    pub fn readers(&self) -> watch::Receiver<usize> {
        self.0.readers.subscribe()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.0.ring().close();
        self.0.arrived.notify_waiters();
    }
}
