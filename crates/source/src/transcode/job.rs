//! One variant in the making, and its readers' shares in it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use feed::{Feed, Limits, Publisher};
use media::{Timestamp, Track, Variant};

use super::encode;
use crate::Error;
use crate::decoding::Decoded;
use crate::picture::{Gate, stays};
use crate::variants::Making;

/// How much of the source a reader needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub(crate) enum Demand {
    /// Keyframes will do.
    Keyframes,
    /// Every picture its variant's rate lets through.
    All,
}

/// A variant in the making.
pub(crate) struct Job {
    pub(crate) variant: Variant,
    feed: Feed,
    /// Taken when the encoder is done, which closes the feed.
    publisher: Mutex<Option<Arc<Publisher>>>,
    leases: AtomicUsize,
    /// Of them, those that want every picture.
    wanting_all: AtomicUsize,
    /// Of them, those that want it until the source's own pictures will do.
    keeping: AtomicUsize,
    mailbox: Mutex<Mailbox>,
    posted: Condvar,
    gate: Mutex<Gate>,
    error: Mutex<Option<Error>>,
    pub(crate) made: AtomicU64,
    unread_since: Mutex<Option<Instant>>,
    /// Nothing was decoded for it yet.
    new: AtomicBool,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Mailbox {
    newest: Option<Decoded>,
    closed: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    /// A job with its encoder thread.
    pub(crate) fn start(name: &str, variant: Variant) -> Result<Arc<Self>, Error> {
        // Readers of JPEG take the newest picture; a history would only cost memory.
        let history = if variant.codec.is_none() { Duration::ZERO } else { Limits::default().history };
        let limits = Limits { history, ..Limits::default() };
        let (publisher, feed) = Feed::new(limits);
        let job = Arc::new(Self {
            variant,
            feed,
            publisher: Mutex::new(Some(Arc::new(publisher))),
            leases: AtomicUsize::new(0),
            wanting_all: AtomicUsize::new(0),
            keeping: AtomicUsize::new(0),
            mailbox: Mutex::default(),
            posted: Condvar::new(),
            gate: Mutex::new(Gate::new(variant.rate)),
            error: Mutex::default(),
            made: AtomicU64::new(0),
            unread_since: Mutex::default(),
            new: AtomicBool::new(true),
            dropped: AtomicU64::new(0),
        });
        encode::start(name, Arc::clone(&job))?;
        Ok(job)
    }

    pub(crate) fn making(&self) -> Making {
        Making {
            variant: self.variant,
            readers: self.leases.load(Relaxed),
            pictures: self.made.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
        }
    }

    /// What its readers need, or `None` when there is none.
    pub(crate) fn demand(&self) -> Option<Demand> {
        match (self.leases.load(Relaxed), self.wanting_all.load(Relaxed)) {
            (0, _) => None,
            (_, 0) => Some(Demand::Keyframes),
            _ => Some(Demand::All),
        }
    }

    /// Whether a reader would rather have the pictures of `track` as they are.
    pub(crate) fn gives_way_to(&self, track: &Track) -> bool {
        stays(track, &self.variant, self.keeping.load(Relaxed) > 0)
    }

    /// How long it has had no reader, as far as was asked.
    pub(crate) fn unread_for(&self) -> Duration {
        let mut since = lock(&self.unread_since);
        match self.demand() {
            Some(_) => *since = None,
            None => return since.get_or_insert_with(Instant::now).elapsed(),
        }
        Duration::ZERO
    }

    /// Whether nobody has looked after it yet; true once.
    pub(crate) fn is_new(&self) -> bool {
        self.new.swap(false, Relaxed)
    }

    /// Whether a picture at `pts` is wanted.
    pub(crate) fn is_due(&self, pts: Timestamp) -> bool {
        self.demand().is_some() && lock(&self.gate).is_due(pts)
    }

    /// Leaves a picture for the encoder, in place of one it has not taken yet.
    pub(crate) fn post(&self, decoded: Decoded) {
        if !lock(&self.gate).take(decoded.pts) {
            return;
        }
        let overtaken = lock(&self.mailbox).newest.replace(decoded);
        self.posted.notify_one();
        self.dropped.fetch_add(u64::from(overtaken.is_some()), Relaxed);
    }

    /// The newest picture left, waiting for one; nothing when the job is over and its
    /// last picture was taken.
    pub(crate) fn take(&self) -> Option<Decoded> {
        let mut mailbox = lock(&self.mailbox);
        loop {
            if let Some(decoded) = mailbox.newest.take() {
                return Some(decoded);
            }
            if mailbox.closed {
                return None;
            }
            mailbox = self.posted.wait(mailbox).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Where the encoder publishes, until the job is over.
    pub(crate) fn publisher(&self) -> Option<Arc<Publisher>> {
        lock(&self.publisher).clone()
    }

    /// Ends the job after the picture that was left last; readers see `error`, or look
    /// for another way where there is none.
    pub(crate) fn end(&self, error: Option<Error>) {
        *lock(&self.error) = error;
        lock(&self.mailbox).closed = true;
        self.posted.notify_all();
    }

    /// Closes the feed: the encoder has published its last picture.
    pub(crate) fn close(&self) {
        lock(&self.publisher).take();
    }
}

/// A reader's share in a job. The variant is made while there is one.
pub(crate) struct Lease {
    job: Arc<Job>,
    demand: Demand,
    keep: bool,
}

impl Lease {
    /// Called under the lock of the jobs, so that a job does not end while it is leased.
    pub(crate) fn new(job: Arc<Job>, demand: Demand, keep: bool) -> Self {
        job.leases.fetch_add(1, Relaxed);
        job.keeping.fetch_add(usize::from(keep), Relaxed);
        if demand == Demand::All {
            job.wanting_all.fetch_add(1, Relaxed);
        }
        Self { job, demand, keep }
    }

    /// The pictures made.
    pub(crate) fn feed(&self) -> &Feed {
        &self.job.feed
    }

    /// Why the job ended, if it failed.
    pub(crate) fn error(&self) -> Option<Error> {
        lock(&self.job.error).clone()
    }

    /// Changes what this reader needs.
    pub(crate) fn want(&mut self, demand: Demand) {
        match (self.demand, demand) {
            (Demand::Keyframes, Demand::All) => _ = self.job.wanting_all.fetch_add(1, Relaxed),
            (Demand::All, Demand::Keyframes) => _ = self.job.wanting_all.fetch_sub(1, Relaxed),
            _ => {}
        }
        self.demand = demand;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.want(Demand::Keyframes);
        self.job.keeping.fetch_sub(usize::from(self.keep), Relaxed);
        self.job.leases.fetch_sub(1, Relaxed);
    }
}
