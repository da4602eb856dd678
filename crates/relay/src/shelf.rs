//! What is made once of a source for all who want the same: on a shelf while somebody does.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use feed::{Cursor, Entry, Feed, Start};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::session::Counts;

/// How long something is made after its last reader has gone: players ask on one connection
/// and play on the next, and others come.
const LINGER: Duration = Duration::from_secs(3);
/// A packet this old is passed over for a newer keyframe.
const LATE: Duration = Duration::from_secs(1);

/// The locks of this crate are held for a few lines and none of them panics, so a poisoned one
/// is still in order.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Those in use, by the [`source::Supervisor::id`] of their source and by what else makes two
/// of them differ: by a source's name, a reader would be given what is made of the one that
/// had it before a reload.
pub(crate) struct Shelf<K, T>(Arc<Mutex<HashMap<K, Arc<T>>>>);

impl<K, T> Clone for Shelf<K, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, T> Default for Shelf<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash, T> Shelf<K, T> {
    /// Whoever looks for one, and whoever takes his away, does it under this lock.
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<T>>> {
        lock(&self.0)
    }

    /// Takes `made` away, unless another has its place by now.
    pub(crate) fn remove(&self, key: &K, made: &Arc<T>) {
        let mut shelf = self.lock();
        if shelf.get(key).is_some_and(|there| Arc::ptr_eq(there, made)) {
            shelf.remove(key);
        }
    }

    /// Takes `key` away if nobody reads, and tells whether it did: somebody may have come
    /// between the last look and the lock.
    pub(crate) fn leave(&self, key: &K, readers: &watch::Receiver<usize>) -> bool {
        let mut shelf = self.lock();
        let is_unread = *readers.borrow() == 0;
        if is_unread {
            shelf.remove(key);
        }
        is_unread
    }
}

/// Ends when nobody has read for [`LINGER`].
pub(crate) async fn unread(mut readers: watch::Receiver<usize>) {
    loop {
        if readers.wait_for(|readers| *readers == 0).await.is_err() {
            return std::future::pending().await;
        }
        if timeout(LINGER, readers.wait_for(|readers| *readers > 0)).await.is_err() {
            return;
        }
    }
}

/// A client's place in the feed of what is made.
pub(crate) struct Seat {
    pub(crate) cursor: Cursor,
    feed: Feed,
}

impl Seat {
    /// At the newest keyframe of `feed`.
    pub(crate) fn of(feed: &Feed) -> Self {
        Self { cursor: feed.cursor(Start::Keyframe), feed: feed.clone() }
    }

    /// Goes to the newest keyframe.
    pub(crate) fn rewind(&mut self) {
        self.cursor = self.feed.cursor(Start::Keyframe);
    }

    /// Whether `entry`, which was read last, is too old to be sent since a newer keyframe is
    /// at hand; goes on there, and counts what is passed over.
    pub(crate) fn is_late(&mut self, entry: &Entry, counts: &Counts) -> bool {
        if entry.packet.received.elapsed() <= LATE {
            return false;
        }
        let skipped = self.cursor.skip_to_keyframe();
        if skipped > 0 {
            Counts::add(&counts.dropped, skipped + 1);
        }
        skipped > 0
    }
}
