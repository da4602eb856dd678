//! Who is connected to which stream, and how well it goes for them.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use crate::paths::Visit;
use crate::shelf::lock;

/// One client of one stream.
pub(crate) struct Session {
    pub(crate) id: u64,
    pub(crate) peer: SocketAddr,
    /// The source's name.
    pub(crate) source: String,
    /// The extension of the URL: `mjpeg`.
    pub(crate) format: &'static str,
    /// The variant as in a query.
    pub(crate) variant: String,
    pub(crate) agent: String,
    pub(crate) since: Instant,
    pub(crate) max_age: Option<Duration>,
    pub(crate) counts: Counts,
    /// The request, where a configuration is served.
    pub(crate) visit: Option<Arc<Visit>>,
}

impl Session {
    /// Whether its stream has to end, by its time or since the configuration changed.
    pub(crate) fn is_over(&self) -> bool {
        self.visit.as_ref().is_some_and(|visit| visit.is_over())
    }

    /// Waits until its stream has to end.
    pub(crate) async fn over(&self) {
        match &self.visit {
            Some(visit) => visit.over().await,
            None => std::future::pending().await,
        }
    }
}

/// What a session has done, written by its task alone.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) pictures: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// Pictures it did not get because it was busy with an older one.
    pub(crate) dropped: AtomicU64,
    /// Pictures held back because they would have arrived too old.
    pub(crate) late: AtomicU64,
    /// Age of the last picture when its last byte went to the kernel.
    pub(crate) age_us: AtomicU64,
}

impl Counts {
    pub(crate) fn add(counter: &AtomicU64, by: u64) {
        // One writer: no need for the locked instruction.
        counter.store(counter.load(Relaxed) + by, Relaxed);
    }

    /// Counts what has gone to the kernel: so many pictures, or packets, with so many bytes,
    /// of which the last one arrived here at `received`.
    pub(crate) fn sent(&self, pictures: u64, bytes: u64, received: Instant) {
        Self::add(&self.pictures, pictures);
        Self::add(&self.bytes, bytes);
        let age = received.elapsed();
        self.age_us.store(u64::try_from(age.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// All sessions, and what those that are over have done.
#[derive(Default)]
pub(crate) struct Sessions(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    next: u64,
    open: BTreeMap<u64, Arc<Session>>,
    past: BTreeMap<(String, &'static str), Totals>,
}

/// Sums over sessions.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) sessions: u64,
    pub(crate) pictures: u64,
    pub(crate) bytes: u64,
    pub(crate) dropped: u64,
    pub(crate) late: u64,
}

impl Totals {
    fn add(&mut self, session: &Session) {
        self.sessions += 1;
        self.pictures += session.counts.pictures.load(Relaxed);
        self.bytes += session.counts.bytes.load(Relaxed);
        self.dropped += session.counts.dropped.load(Relaxed);
        self.late += session.counts.late.load(Relaxed);
    }
}

/// A session's entry in the table, taken out when dropped.
pub(crate) struct Entered {
    session: Arc<Session>,
    table: Weak<Mutex<Table>>,
}

impl std::ops::Deref for Entered {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Sessions {
    /// Enters a session; `make` is given its number.
    pub(crate) fn enter(&self, make: impl FnOnce(u64) -> Session) -> Entered {
        let mut table = lock(&self.0);
        table.next += 1;
        let session = Arc::new(make(table.next));
        table.open.insert(session.id, Arc::clone(&session));
        Entered { session, table: Arc::downgrade(&self.0) }
    }

    /// Those that are connected now.
    pub(crate) fn open(&self) -> Vec<Arc<Session>> {
        lock(&self.0).open.values().cloned().collect()
    }

    /// Sums over all sessions ever, by source and format.
    pub(crate) fn totals(&self) -> BTreeMap<(String, &'static str), Totals> {
        let table = lock(&self.0);
        let mut totals = table.past.clone();
        for session in table.open.values() {
            totals.entry((session.source.clone(), session.format)).or_default().add(session);
        }
        totals
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(visit) = &self.session.visit {
            visit.sent(self.session.counts.bytes.load(Relaxed));
        }
        let Some(table) = self.table.upgrade() else { return };
        let mut table = lock(&table);
        table.open.remove(&self.session.id);
        table.past.entry((self.session.source.clone(), self.session.format)).or_default().add(&self.session);
    }
}

/// Bytes that a stranger cannot guess: whoever knows the id of a session can end it, and has
/// packets sent again in its name.
pub(crate) fn random<const BYTES: usize>() -> [u8; BYTES] {
    let mut random = [0; BYTES];
    for (place, eight) in random.chunks_mut(8).enumerate() {
        // Each is keyed by the system's own random numbers.
        eight.copy_from_slice(&RandomState::new().hash_one(place).to_le_bytes()[..eight.len()]);
    }
    random
}
