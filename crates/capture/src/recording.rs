//! The engine of recordings: every frame, in order, decoded ahead of whoever reads.
//!
//! One thread demuxes and decodes, libavcodec's own threads help it, and a bounded queue keeps it
//! from running away. The thread lives until the capture is closed, since a seek may follow the
//! end.

mod numbering;
mod places;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use source::{Error as SourceError, Phase, Stop};

use crate::flow::Flow;
use crate::live::Live;
use crate::{Error, Info, Kind, Options, Seek, State, Stats};

/// Frames that are decoded ahead unless another number is asked for: the least, and the most, as
/// far as there is [`ROOM`] for them.
const AHEAD: std::ops::RangeInclusive<usize> = 4..=16;
/// Bytes of frames beyond the least that are decoded ahead.
const ROOM: u64 = 8 << 20;

/// Frames of `size` that are decoded ahead where nobody says how many.
fn ahead(size: media::Size) -> usize {
    let most = ROOM / (size.pixels() * 3 / 2).max(1);
    usize::try_from(most).unwrap_or(usize::MAX).clamp(*AHEAD.start(), *AHEAD.end())
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

    /// Goes to `to`, and waits until the frame there is ready.
    pub(crate) fn seek(&self, flow: &Flow, to: Seek, timeout: Option<Duration>) -> Result<(), Error> {
        let began = std::time::Instant::now();
        let generation = {
            let mut inside = flow.lock();
            if inside.closed {
                return Err(Error::closed(&flow.url));
            }
            // The next few are decoded already.
            if let Seek::Frame(frame) = to
                && inside.skip_to(frame)
            {
                drop(inside);
                flow.make_room();
                return Ok(());
            }
            let old = inside.begin_seek(to);
            let generation = inside.generation;
            drop(inside);
            drop(old);
            generation
        };
        flow.make_room();
        let deadline = timeout.and_then(|timeout| began.checked_add(timeout));
        let landed = flow.wait_until(deadline, |inside| {
            if inside.closed {
                return Some(Err(Error::closed(&flow.url)));
            }
            // Another thread's seek came later: where this one led does not matter any more.
            let done = inside.generation != generation || inside.front().is_some();
            match &inside.over {
                _ if done => Some(Ok(())),
                Some(over) if over.kind() == Kind::Ended => Some(Ok(())),
                over => over.clone().map(Err),
            }
        });
        landed.unwrap_or_else(|| Err(self.reason(flow, began.elapsed())))
    }

    /// Counts the frames, once.
    pub(crate) fn count(&self, flow: &Flow, url: &str, options: &source::Options) -> Result<u64, Error> {
        if let Some(counted) = self.shared.known().counted.clone() {
            return counted;
        }
        let stop = self.stop.clone();
        let places = places::Places::look(url, options, &stop);
        let counted = match places {
            _ if stop.is_set() => return Err(Error::closed(&flow.url)),
            Ok(places) => Ok(places.len()),
            Err(error) => Err(Error::from_source(&flow.url, &error)),
        };
        self.shared.known().counted = Some(counted.clone());
        counted
    }
}

fn worker_phase(flow: &Flow) -> Phase {
    if flow.lock().newest.is_some() { Phase::Streaming } else { Phase::Handshake }
}
