//! The engine of recordings: every frame, in order, decoded ahead of whoever reads.
//!
//! One thread demuxes and decodes, libavcodec's own threads help it, and a bounded queue keeps it
//! from running away. The thread lives until the capture is closed, since a seek may follow the
//! end.

mod numbering;
mod places;
mod worker;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use source::{Error as SourceError, Phase, Stop};

use crate::flow::Flow;
use crate::live::Live;
use crate::{Error, Info, Kind, Options, Position, Seek, State, Stats};

/// Frames that are decoded ahead unless another number is asked for: the least, and the most, as
/// far as there is [`ROOM`] for them.
const AHEAD: std::ops::RangeInclusive<usize> = 4..=16;
/// Bytes of frames beyond the least that are decoded ahead.
const ROOM: u64 = 8 << 20;

/// The same where there is one processor for all: nothing is gained by being ahead but fewer
/// changes between threads, and what does not fit into its cache has to come back from memory.
const AHEAD_ALONE: std::ops::RangeInclusive<usize> = 1..=16;
const ROOM_ALONE: u64 = 256 << 10;

/// Frames of `size` that are decoded ahead where nobody says how many.
fn ahead(size: media::Size, alone: bool) -> usize {
    let (room, frames) = if alone { (ROOM_ALONE, AHEAD_ALONE) } else { (ROOM, AHEAD) };
    let most = room / (size.pixels() * 3 / 2).max(1);
    usize::try_from(most).unwrap_or(usize::MAX).clamp(*frames.start(), *frames.end())
}

pub(crate) struct Recording {
    shared: Arc<Shared>,
    stop: Stop,
}

/// What the thread tells.
#[derive(Default)]
struct Shared {
    known: Mutex<Known>,
    /// What is open instead, where a server had no recording at this URL.
    instead: OnceLock<Live>,
}

#[derive(Default)]
struct Known {
    info: Info,
    phase: Option<Phase>,
    bytes: u64,
    /// Frames a second of the recording, by its own times.
    fps: f64,
    /// Frames, counted.
    counted: Option<Result<u64, Error>>,
    /// A thread counts them.
    counts: bool,
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recording {
    pub(crate) fn start(url: &str, options: &Options, flow: &Arc<Flow>) -> Result<Self, SourceError> {
        let stop = Stop::default();
        let shared = Arc::new(Shared::default());
        let worker = worker::Worker::new(url, options, Arc::clone(flow), Arc::clone(&shared), stop.clone());
        let flow = Arc::clone(flow);
        let run = move || {
            let ended = crate::unless_it_dies(|| worker.run());
            if ended.is_ok() && worker.has_given_way() {
                return;
            }
            let error = ended.err().unwrap_or(SourceError::Ended { what: None });
            let phase = worker_phase(&flow);
            flow.end(Error::from_source(&flow.url, &error).at(phase).after(flow.opened.elapsed()));
        };
        let spawned = thread::Builder::new().name("capture".into()).spawn(run);
        spawned.map_err(|error| SourceError::Broken { what: format!("cannot start a thread: {error}") })?;
        Ok(Self { shared, stop })
    }

    pub(crate) fn close(&self) {
        self.stop.set();
        if let Some(live) = self.instead() {
            live.close();
        }
    }

    /// What took its place, since it is no recording.
    pub(crate) fn instead(&self) -> Option<&Live> {
        self.shared.instead.get()
    }

    pub(crate) fn info(&self) -> Info {
        self.shared.known().info.clone()
    }

    pub(crate) fn fill(&self, stats: &mut Stats) {
        let known = self.shared.known();
        (stats.bytes, stats.fps) = (known.bytes, known.fps);
    }

    pub(crate) fn state(&self) -> State {
        match self.shared.known().phase {
            Some(Phase::Streaming) => State::Open,
            _ => State::Connecting,
        }
    }

    /// What a reader has waited for in vain for `waited`.
    pub(crate) fn reason(&self, flow: &Flow, waited: Duration) -> Error {
        let phase = self.shared.known().phase.unwrap_or(Phase::Connect);
        Error::from_source(&flow.url, &SourceError::Timeout { phase, after: waited, tried: None }).after(waited)
    }

    /// Begins to go to `to`; the number is for [`Recording::sought`].
    pub(crate) fn begin_seek(flow: &Flow, to: Seek) -> Result<u64, Error> {
        let mut inside = flow.lock();
        if inside.closed {
            return Err(Error::closed(&flow.url));
        }
        // The next few are decoded already.
        let skips = matches!(to, Seek::Frame(frame) if inside.skip_to(frame));
        let old = if skips { VecDeque::new() } else { inside.begin_seek(to) };
        let generation = inside.generation;
        drop(inside);
        drop(old);
        flow.make_room();
        Ok(generation)
    }

    /// Waits until the frame is ready to which the seek of this number leads.
    pub(crate) fn sought(&self, flow: &Flow, generation: u64, wait: Duration) -> Option<Result<(), Error>> {
        let counted = || self.shared.known().counted.clone().and_then(Result::ok);
        flow.wait_until(Instant::now().checked_add(wait), |inside| {
            if inside.closed {
                return Some(Err(Error::closed(&flow.url)));
            }
            // Another thread's seek came later: where this one led does not matter any more.
            if inside.generation != generation {
                return Some(Ok(()));
            }
            if let Some(front) = inside.front() {
                inside.position = Position { frame: front.index(), time: front.pts() };
                return Some(Ok(()));
            }
            match &inside.over {
                Some(over) if over.kind() == Kind::Ended => {
                    inside.position.frame = counted().unwrap_or(inside.position.frame);
                    Some(Ok(()))
                }
                over => over.clone().map(Err),
            }
        })
    }

    /// Begins to count the frames, once, on a thread of its own.
    pub(crate) fn begin_count(&self, flow: &Arc<Flow>, options: &source::Options) -> Result<(), Error> {
        let mut known = self.shared.known();
        if known.counts || known.counted.is_some() {
            return Ok(());
        }
        let (flow_there, shared, stop) = (Arc::clone(flow), Arc::clone(&self.shared), self.stop.clone());
        let options = options.clone();
        let count = move || {
            let mut counted = Err(SourceError::Broken { what: String::new() });
            let died = crate::unless_it_dies(|| {
                counted = places::Places::look(&flow_there.url, &options, &stop).map(|places| places.len());
                Ok(())
            });
            let counted = died.and(counted).map_err(|error| Error::from_source(&flow_there.url, &error));
            let mut known = shared.known();
            known.counts = false;
            if !stop.is_set() {
                known.counted = Some(counted);
            }
            drop(known);
            flow_there.tell();
        };
        let spawned = thread::Builder::new().name("count".into()).spawn(count);
        spawned.map_err(|error| Error::new(Kind::Broken, &flow.url, format!("cannot start a thread: {error}")))?;
        known.counts = true;
        Ok(())
    }

    /// Waits until the frames are counted.
    pub(crate) fn counted(&self, flow: &Flow, wait: Duration) -> Option<Result<u64, Error>> {
        flow.wait_until(Instant::now().checked_add(wait), |inside| match inside.closed {
            true => Some(Err(Error::closed(&flow.url))),
            false => self.shared.known().counted.clone(),
        })
    }
}

fn worker_phase(flow: &Flow) -> Phase {
    if flow.lock().newest.is_some() { Phase::Streaming } else { Phase::Handshake }
}
