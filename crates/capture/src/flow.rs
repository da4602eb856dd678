//! Between the engine that makes frames and whoever reads them.
//!
//! One lock, two things to wait for (a frame, room for one), and a list of those who want to be
//! told. Every wait ends when the capture is closed.
//!
//! To wake a thread costs more than to decode a small picture. So the engine of a recording goes
//! on until several frames wait before it wakes a reader, and a reader takes several before it
//! wakes the engine. A reader that has waited for [`PATIENCE`] is woken for any frame.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use source::Phase;

use crate::shape::Shaper;
use crate::{Error, Frame, Kind, Position, Seek};

/// How long a reader leaves the engine of a recording to collect frames.
const PATIENCE: Duration = Duration::from_millis(4);

/// What engine and readers share.
pub(crate) struct Flow {
    state: Mutex<Inside>,
    arrived: Condvar,
    room: Condvar,
    listeners: Mutex<Listeners>,
    pub(crate) shaper: Arc<Shaper>,
    pub(crate) url: String,
    pub(crate) opened: Instant,
}

type Listener = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Listeners {
    next: u64,
    all: Vec<(u64, Listener)>,
}

#[derive(Default)]
pub(crate) struct Inside {
    frames: VecDeque<Frame>,
    /// Frames that have to wait before a reader is woken for them.
    batch: usize,
    /// Those who are to be woken for any frame.
    urgent: usize,
    /// The engine waits for room.
    full: bool,
    /// It had to, and no reader has waited for a frame since.
    slow: bool,
    pub(crate) dropped: u64,
    pub(crate) made: u64,
    pub(crate) read: u64,
    pub(crate) corrupt: u64,
    pub(crate) latency: Option<Duration>,
    /// When a frame was made last.
    pub(crate) newest: Option<Instant>,
    pub(crate) position: Position,
    /// The attempt that failed last, whatever has come since.
    pub(crate) failed: Option<(source::Error, Phase)>,
    /// When that was, unless frames have come since.
    pub(crate) troubled: Option<Instant>,
    pub(crate) over: Option<Error>,
    pub(crate) closed: bool,
    /// Counts seeks: what was made before the newest one is not wanted.
    pub(crate) generation: u64,
    pub(crate) seek: Option<Seek>,
}

/// What became of a frame that was offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pushed {
    Taken,
    /// The capture is closed, or has been told to seek.
    Unwanted,
}

impl Flow {
    pub(crate) fn new(url: &str, shaper: Shaper) -> Self {
        Self {
            state: Mutex::default(),
            arrived: Condvar::new(),
            room: Condvar::new(),
            listeners: Mutex::default(),
            shaper: Arc::new(shaper),
            url: url.into(),
            opened: Instant::now(),
        }
    }

    /// Locks are held for a few lines, none of which panics.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inside> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `frame` in the place of all that wait.
    pub(crate) fn replace(&self, frame: Frame) -> Pushed {
        let mut inside = self.lock();
        if inside.closed {
            return Pushed::Unwanted;
        }
        // Their pixels are freed when the lock is open again.
        let old: Vec<_> = inside.frames.drain(..).collect();
        let frame = inside.overtake(frame, &old);
        inside.take_in(frame);
        drop(inside);
        self.tell();
        Pushed::Taken
    }

    /// Puts `frame`, made for `generation`, behind those that wait, when there are fewer than
    /// `most`; waits for that. Where `more` are sure to follow at once a reader may be woken for
    /// several.
    pub(crate) fn push(&self, frame: Frame, most: usize, generation: u64, more: bool) -> Pushed {
        let mut inside = self.lock();
        inside.batch = most / 2;
        let mut least = most.saturating_sub(1);
        while !inside.closed && inside.generation == generation && inside.frames.len() > least {
            // One that has to wait comes back to room for several.
            least = most / 2;
            (inside.full, inside.slow) = (true, true);
            inside = self.room.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        inside.full = false;
        if inside.closed || inside.generation != generation {
            return Pushed::Unwanted;
        }
        inside.take_in(frame);
        let wake = !more || inside.urgent > 0 || inside.frames.len() >= inside.batch;
        drop(inside);
        self.tell_of(wake);
        Pushed::Taken
    }

    /// Says that no frame will come any more.
    pub(crate) fn end(&self, error: Error) {
        self.lock().over.get_or_insert(error);
        self.tell();
    }

    /// Ends every wait.
    pub(crate) fn close(&self) {
        let mut inside = self.lock();
        inside.closed = true;
        let frames = std::mem::take(&mut inside.frames);
        drop(inside);
        drop(frames);
        self.tell();
        self.room.notify_all();
    }

    /// Wakes whoever waits for a frame or wants to be told.
    pub(crate) fn tell(&self) {
        self.tell_of(true);
    }

    /// Tells those who want to be told, and wakes readers if `wake`.
    fn tell_of(&self, wake: bool) {
        if wake {
            self.arrived.notify_all();
        }
        let told: Vec<_> = self.listeners().all.iter().map(|(_, listener)| Arc::clone(listener)).collect();
        told.iter().for_each(|listener| listener());
    }

    /// The next frame, or nothing when `deadline` passes.
    ///
    /// # Errors
    /// Why there will be none any more.
    pub(crate) fn take(&self, deadline: Option<Instant>) -> Result<Option<Frame>, Error> {
        let mut inside = self.lock();
        let mut patient = true;
        loop {
            if inside.closed {
                return Err(Error::closed(&self.url));
            }
            if let Some(frame) = inside.give() {
                // Frames are taken one by one, so this one is not missed.
                let room = inside.full && inside.frames.len() <= inside.batch;
                drop(inside);
                if room {
                    self.room.notify_one();
                }
                return Ok(Some(frame));
            }
            if let Some(over) = &inside.over {
                return Err(over.clone());
            }
            inside.slow = false;
            if patient && inside.batch > 1 {
                patient = false;
                let soon = Instant::now() + PATIENCE;
                let soon = deadline.map_or(soon, |deadline| deadline.min(soon));
                inside = match self.wait(inside, Some(soon)) {
                    Ok(inside) | Err(inside) => inside,
                };
                continue;
            }
            inside = match self.wait_urgently(inside, deadline) {
                Ok(inside) => inside,
                Err(_) => return Ok(None),
            };
        }
    }

    /// [`Flow::wait`] for any frame.
    fn wait_urgently<'a>(
        &self,
        mut inside: MutexGuard<'a, Inside>,
        deadline: Option<Instant>,
    ) -> Result<MutexGuard<'a, Inside>, MutexGuard<'a, Inside>> {
        inside.urgent += 1;
        let waited = self.wait(inside, deadline);
        let less = |mut inside: MutexGuard<'a, Inside>| {
            inside.urgent -= 1;
            inside
        };
        waited.map(less).map_err(less)
    }

    /// The newest frame, if it arrived within `max_age`; those before it are left out.
    pub(crate) fn take_newest(&self, max_age: Option<Duration>) -> Option<Frame> {
        let mut inside = self.lock();
        let young = |frame: &Frame| max_age.is_none_or(|most| frame.received().elapsed() <= most);
        if inside.closed || !inside.frames.back().is_some_and(young) {
            return None;
        }
        let older = inside.frames.len() - 1;
        let old: Vec<_> = inside.frames.drain(..older).collect();
        let frame = inside.give().map(|frame| inside.overtake(frame, &old));
        drop(inside);
        drop(old);
        self.room.notify_all();
        frame
    }

    /// Waits until `done` says something, or until `deadline`.
    pub(crate) fn wait_until<T>(
        &self,
        deadline: Option<Instant>,
        mut done: impl FnMut(&mut Inside) -> Option<T>,
    ) -> Option<T> {
        let mut inside = self.lock();
        loop {
            if let Some(result) = done(&mut inside) {
                return Some(result);
            }
            inside = self.wait_urgently(inside, deadline).ok()?;
        }
    }

    /// Waits for a change; gives the lock back as an error when the time is up.
    fn wait<'a>(
        &self,
        inside: MutexGuard<'a, Inside>,
        deadline: Option<Instant>,
    ) -> Result<MutexGuard<'a, Inside>, MutexGuard<'a, Inside>> {
        let Some(deadline) = deadline else {
            return Ok(self.arrived.wait(inside).unwrap_or_else(PoisonError::into_inner));
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(inside);
        }
        Ok(self.arrived.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Wakes an engine that waits for room.
    pub(crate) fn make_room(&self) {
        self.room.notify_all();
    }

    /// Lets an engine wait until `done`, or until it is closed; whether it is done.
    pub(crate) fn idle_until(&self, mut done: impl FnMut(&mut Inside) -> bool) -> bool {
        let mut inside = self.lock();
        while !inside.closed && !done(&mut inside) {
            inside = self.room.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        !inside.closed
    }

    /// Has `listener` called at every change from now on; the number is for [`Flow::forget`].
    pub(crate) fn listen(&self, listener: Listener) -> u64 {
        let mut listeners = self.listeners();
        let number = listeners.next;
        listeners.next += 1;
        listeners.all.push((number, listener));
        number
    }

    pub(crate) fn forget(&self, number: u64) {
        self.listeners().all.retain(|(of, _)| *of != number);
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// The attempt that failed last, unless frames have come since.
    pub(crate) fn trouble(&self) -> Option<&(source::Error, Phase)> {
        self.failed.as_ref().filter(|_| self.troubled.is_some())
    }

    fn take_in(&mut self, frame: Frame) {
        self.made += 1;
        self.troubled = None;
        // Not when its bytes arrived: those of a source that waits for its reader wait, too.
        self.newest = Some(Instant::now());
        self.frames.push_back(frame);
    }

    fn give(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.read += 1;
        self.latency = Some(frame.received().elapsed());
        self.position = Position { frame: frame.index() + 1, time: frame.pts() };
        Some(frame)
    }

    /// Counts `old` as left out in favour of `frame`.
    fn overtake(&mut self, frame: Frame, old: &[Frame]) -> Frame {
        self.dropped += old.len() as u64;
        let before: u64 = old.iter().map(|frame| frame.dropped_before() + 1).sum();
        let dropped = frame.dropped_before() + before;
        frame.with_dropped(dropped)
    }

    /// Whether readers are slower than the engine of a recording.
    pub(crate) fn is_slow(&self) -> bool {
        self.slow
    }

    /// The frame that is given next.
    pub(crate) fn front(&self) -> Option<&Frame> {
        self.frames.front()
    }

    /// Whether the engine waits for a reader.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// Whether a reader need not wait.
    pub(crate) fn is_ready(&self) -> bool {
        !self.frames.is_empty() || self.over.is_some() || self.closed
    }

    /// Makes the frame of this number the next one, if it waits; whether it does.
    pub(crate) fn skip_to(&mut self, frame: u64) -> bool {
        let Some(place) = self.frames.iter().position(|waiting| waiting.index() == frame) else { return false };
        self.frames.drain(..place);
        true
    }

    /// Starts a seek; gives what is not wanted any more.
    pub(crate) fn begin_seek(&mut self, to: Seek) -> VecDeque<Frame> {
        self.generation += 1;
        self.seek = Some(to);
        // What failed stays so.
        if self.over.as_ref().is_some_and(|over| over.kind() == Kind::Ended) {
            self.over = None;
        }
        std::mem::take(&mut self.frames)
    }
}
