//! A thread that writes, with a bounded queue in front of it.
//!
//! Whoever has packets offers them and never waits: not for a disk that spins up, not for
//! one that is full. What does not fit into the queue is dropped and counted, and so is
//! everything up to the next keyframe, since nobody could decode it. After a failure the
//! next keyframe is tried every [`RETRY`], so that recording goes on by itself.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::writer::{Disk, System};
use crate::{Config, Error, Record, Ring, Span, Writer, open};

/// Most bytes of packets that wait for the disk.
const MOST_WAITING: usize = 16 << 20;
/// What a packet counts for besides its bytes.
const OVERHEAD: usize = 256;
/// How often what was written is brought to the disk: the loss of power takes no more.
const SYNC: Duration = Duration::from_secs(1);
/// How long after a failure the next attempt is made.
const RETRY: Duration = Duration::from_secs(2);
/// How long a ring that another recorder has is waited for, with packets in the queue, before
/// that is a failure: one that is being closed hands it over in that time.
const HANDOVER: Duration = Duration::from_secs(3);
/// How long between two looks whether it has been closed.
const LOOK: Duration = Duration::from_millis(20);
/// How long the end of a recorder waits for the disk.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a recorder tells, for the log.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The ring is open: what it holds and whether it can be written.
    Opened(Ring, bool),
    /// Nothing is recorded until further notice.
    Failed(Error),
    /// Recording goes on after a failure; so many packets were not recorded.
    Resumed(u64),
    /// What the ring held was removed, as [`Recorder::forget`] asked.
    Emptied(Span),
}

/// How a recording does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Why nothing is written, where that is so.
    pub error: Option<String>,
    /// Packets written since the start.
    pub written: u64,
    /// Bytes of their payload.
    pub bytes: u64,
    /// Packets that could not be written: the disk was full, failed or was too slow.
    pub dropped: u64,
}

/// Records packets in a ring. Dropping it waits a second at most for what is in the queue.
pub struct Recorder(Arc<Desk>);

struct Desk {
    state: Mutex<State>,
    /// Wakes the thread.
    offered: Condvar,
    /// Wakes whoever waits for the thread's end.
    ended: Condvar,
}

/// What the thread is to do.
enum Order {
    Write(Record),
    /// Remove everything that was written before.
    Forget,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Order>,
    waiting: usize,
    /// The thread has taken what it has not written yet.
    busy: bool,
    /// Something was dropped: packets are taken again from the next keyframe on.
    unkeyed: bool,
    status: Status,
    ring: Option<Ring>,
    run: Option<u64>,
    closing: bool,
    over: bool,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    /// Starts a thread that opens the ring and then writes what it is offered. `tell` is
    /// called on that thread.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(config: Config, tell: impl FnMut(Event) + Send + 'static) -> std::io::Result<Self> {
        Self::start_on(config, Arc::new(System), tell)
    }

    /// The same on a disk that a test has made.
    ///
    /// # Errors
    /// When the system refuses a thread.
    #[doc(hidden)]
    pub fn start_on(
        config: Config,
        disk: Arc<dyn Disk>,
        tell: impl FnMut(Event) + Send + 'static,
    ) -> std::io::Result<Self> {
        let desk = Arc::new(Desk { state: Mutex::default(), offered: Condvar::new(), ended: Condvar::new() });
        let clerk = Clerk { desk: Arc::clone(&desk), config, disk, tell, writer: None, retry: None, failed: None };
        thread::Builder::new().name("ring".into()).spawn(move || clerk.run())?;
        Ok(Self(desk))
    }

    /// Leaves a packet to be written. Never waits; what cannot be taken is dropped.
    pub fn offer(&self, mut record: Record) {
        let mut state = self.0.state();
        let size = record.packet.data.len() + OVERHEAD;
        let join = is_join(&record);
        if state.closing || state.waiting + size > MOST_WAITING || (state.unkeyed && !join) {
            state.unkeyed = true;
            state.status.dropped += 1;
            return;
        }
        record.packet.discontinuity |= std::mem::take(&mut state.unkeyed);
        state.waiting += size;
        state.queue.push_back(Order::Write(record));
        drop(state);
        self.0.offered.notify_one();
    }

    /// Has everything removed that was offered before; [`Event::Emptied`] tells what it was.
    pub fn forget(&self) {
        let mut state = self.0.state();
        // Told to forget twice is told once.
        if !state.closing && !matches!(state.queue.back(), Some(Order::Forget)) {
            state.queue.push_back(Order::Forget);
        }
        drop(state);
        self.0.offered.notify_one();
    }

    /// Writes what it was offered until now and closes the ring, which another recorder may have
    /// then. Does not wait. What is offered later is dropped.
    pub fn close(&self) {
        self.0.state().closing = true;
        self.0.offered.notify_one();
    }

    /// How it does.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.state().status.clone()
    }

    /// The ring, once it is open.
    #[must_use]
    pub fn ring(&self) -> Option<Ring> {
        self.0.state().ring.clone()
    }

    /// The run that is being written: see [`Writer::run`].
    #[must_use]
    pub fn run(&self) -> Option<u64> {
        self.0.state().run
    }

    /// Whether packets are under way to the disk.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        let state = self.0.state();
        state.busy || !state.queue.is_empty()
    }
}

/// Whether a reader can begin at the packet.
fn is_join(record: &Record) -> bool {
    record.packet.key && record.tracks.video().is_none_or(|track| track.id == record.packet.track)
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closing = true;
        self.0.offered.notify_one();
        let deadline = Instant::now() + FAREWELL;
        while !state.over {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.0.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The thread.
struct Clerk<T> {
    desk: Arc<Desk>,
    config: Config,
    disk: Arc<dyn Disk>,
    tell: T,
    writer: Option<Writer>,
    /// When the next attempt is due, after a failure.
    retry: Option<Instant>,
    /// What was told last, and how many were dropped until then.
    failed: Option<(String, u64)>,
}

/// Tells that the thread is over, also after a panic.
struct Over(Arc<Desk>);

impl Drop for Over {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.over = true;
        state.closing = true;
        self.0.ended.notify_all();
    }
}

impl<T: FnMut(Event)> Clerk<T> {
    fn run(mut self) {
        let _over = Over(Arc::clone(&self.desk));
        self.take_over();
        let mut sync_due: Option<Instant> = None;
        loop {
            let timeout = sync_due.map(|due| due.saturating_duration_since(Instant::now()));
            let (batch, closing) = self.wait(timeout);
            let wrote = !batch.is_empty();
            for order in batch {
                match order {
                    Order::Write(record) => self.write(&record),
                    Order::Forget => self.empty(),
                }
            }
            self.desk.state().busy = false;
            if wrote {
                sync_due.get_or_insert_with(|| Instant::now() + SYNC);
            }
            if closing || sync_due.is_some_and(|due| due <= Instant::now()) {
                sync_due = None;
                if let Some(Err(error)) = self.writer.as_mut().map(Writer::sync) {
                    self.fail(error);
                }
            }
            if closing {
                return;
            }
        }
    }

    /// Waits for packets; takes all there are.
    fn wait(&self, timeout: Option<Duration>) -> (VecDeque<Order>, bool) {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut state = self.desk.state();
        while state.queue.is_empty() && !state.closing {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            state = match left {
                None => self.desk.offered.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => break,
                Some(left) => self.desk.offered.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        // They count as waiting until they are written.
        state.busy = !state.queue.is_empty();
        (std::mem::take(&mut state.queue), state.closing)
    }

    /// Opens the ring, once whoever has it is done with it.
    fn take_over(&mut self) {
        let deadline = Instant::now() + HANDOVER;
        loop {
            match open::open(&self.config, Arc::clone(&self.disk)) {
                Err(Error::InUse { .. }) if Instant::now() < deadline && !self.desk.state().closing => {
                    thread::sleep(LOOK);
                }
                opened => return self.opened(opened),
            }
        }
    }

    fn open(&mut self) {
        self.opened(open::open(&self.config, Arc::clone(&self.disk)));
    }

    fn opened(&mut self, opened: Result<(Ring, Option<Writer>), Error>) {
        match opened {
            Ok((ring, writer)) => {
                let mut state = self.desk.state();
                state.ring = Some(ring.clone());
                state.run = writer.as_ref().map(Writer::run);
                drop(state);
                let writable = writer.is_some();
                self.writer = writer;
                self.retry = None;
                (self.tell)(Event::Opened(ring, writable));
                if !writable {
                    let error = Error::ReadOnly { path: self.config.path.clone() };
                    self.desk.state().status.error = Some(error.to_string());
                }
            }
            Err(error) => self.fail(error),
        }
    }

    /// Removes what there is.
    fn empty(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        match writer.clear() {
            Ok(Some(held)) => (self.tell)(Event::Emptied(held)),
            Ok(None) => {}
            Err(error) => self.fail(error),
        }
    }

    fn write(&mut self, record: &Record) {
        let done = self.try_write(record);
        let mut state = self.desk.state();
        state.waiting = state.waiting.saturating_sub(record.packet.data.len() + OVERHEAD);
        if done {
            state.status.written += 1;
            state.status.bytes += record.packet.data.len() as u64;
        } else {
            state.status.dropped += 1;
        }
    }

    fn try_write(&mut self, record: &Record) -> bool {
        if let Some(retry) = self.retry {
            if !is_join(record) || Instant::now() < retry {
                return false;
            }
            if self.writer.is_none() {
                self.open();
            }
        }
        let resumes = self.failed.is_some();
        let mut record = std::borrow::Cow::Borrowed(record);
        if resumes {
            record.to_mut().packet.discontinuity = true;
        }
        match self.writer.as_mut().map(|writer| writer.append(&record)) {
            None => false,
            Some(Ok(_)) => {
                self.retry = None;
                if let Some((_, before)) = self.failed.take() {
                    let mut state = self.desk.state();
                    state.status.error = None;
                    let dropped = state.status.dropped - before;
                    drop(state);
                    (self.tell)(Event::Resumed(dropped));
                }
                true
            }
            Some(Err(error)) => {
                self.fail(error);
                false
            }
        }
    }

    /// Remembers a failure, and tells it if it is news.
    fn fail(&mut self, error: Error) {
        self.retry = Some(Instant::now() + RETRY);
        let text = told(&error);
        let mut state = self.desk.state();
        state.status.error = Some(text.clone());
        let dropped = state.status.dropped;
        drop(state);
        let known = self.failed.as_ref().is_some_and(|(known, _)| *known == text);
        if !known {
            (self.tell)(Event::Failed(error));
        }
        let before = self.failed.take().map_or(dropped, |(_, before)| before);
        self.failed = Some((text, before));
    }
}

/// The error with its cause.
fn told(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
