//! The engine of live sources, and of recordings that play in real time.
//!
//! [`source::Supervisor`] opens the source, watches it and opens it again; a thread decodes what
//! comes and leaves it in the [`Flow`]. Where the newest frame is wanted it never waits. Where
//! every frame is, it waits for readers; the connection then waits for it, and so, by TCP, the
//! server. What cannot wait (RTSP, datagrams, webcams) fills the feed, and then overtakes the
//! reader, which is counted.

mod decode;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use source::{Counters, Error as SourceError, Phase, State as SourceState, Status, Supervisor};
use tokio::sync::watch;

use crate::flow::Flow;
use crate::{Error, Info, Options, State, Stats, runtime};

/// In place of no time-out, for those who must have one: a hundred years.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// A connection without a frame for so long is opened again where nobody says how long to wait
/// and it may be.
const STALLED: Duration = Duration::from_secs(10);
/// An open source without a frame for so long is called stalled.
const STALL_SEEN: Duration = Duration::from_secs(1);

pub(crate) struct Live {
    hold: Arc<Hold>,
    status: watch::Receiver<Status>,
    opened: std::time::SystemTime,
    /// It is opened again when it is lost.
    reconnect: bool,
}

/// The supervisor, until nobody wants it any more.
struct Hold {
    supervisor: Mutex<Option<Supervisor>>,
    /// Of when it went.
    last: Mutex<Counters>,
}

impl Hold {
    fn supervisor(&self) -> MutexGuard<'_, Option<Supervisor>> {
        self.supervisor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counters(&self) -> Counters {
        let live = self.supervisor().as_ref().map(Supervisor::counters);
        live.unwrap_or_else(|| *self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Closes the source. Its feed ends, and with it the decoder, which reads the rest of it.
    fn release(&self) {
        let counters = self.counters();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = counters;
        let supervisor = self.supervisor().take();
        drop(supervisor);
    }
}

impl Live {
    pub(crate) fn start(url: &str, options: &Options, flow: &Arc<Flow>) -> Result<Self, SourceError> {
        let threads = |error: std::io::Error| SourceError::Broken { what: format!("cannot start a thread: {error}") };
        let reconnect = options.reconnect.unwrap_or(true);
        let without = if reconnect { STALLED } else { FOR_EVER };
        let mut limits = options.source.limits;
        // What a reader of every frame has not had stays, and it needs nothing else.
        if !options.latest.unwrap_or(true) {
            limits.history = Duration::ZERO;
        }
        let opening = source::Options {
            limits,
            open_timeout: options.open_timeout.unwrap_or(without),
            gap_timeout: options.read_timeout.unwrap_or(without),
            linger: Duration::ZERO,
            // A program opens when it says so, and its time-out runs.
            manners: source::Manners { apart: Duration::ZERO, opening: usize::MAX, ..options.source.manners.clone() },
            ..options.source.clone()
        };
        let runtime = runtime::handle().map_err(threads)?;
        let supervisor = {
            let _entered = runtime.enter();
            Supervisor::new("capture", url, opening)?
        };
        let status = supervisor.status();
        decode::start(&supervisor, options, flow, status.clone()).map_err(threads)?;
        let hold = Arc::new(Hold { supervisor: Mutex::new(Some(supervisor)), last: Mutex::default() });
        runtime.spawn(follow(status.clone(), Arc::clone(&hold), Arc::clone(flow), reconnect));
        Ok(Self { hold, status, opened: std::time::SystemTime::now(), reconnect })
    }

    pub(crate) fn close(&self) {
        self.hold.release();
    }

    /// Pictures that have come, decoded or not.
    pub(crate) fn pictures(&self) -> u64 {
        self.hold.counters().pictures
    }

    pub(crate) fn info(&self) -> Info {
        let status = self.status.borrow().clone();
        let about = status.about;
        let mut info = Info {
            protocol: about.protocol,
            container: about.container,
            duration: about.duration,
            live: about.live,
            title: about.title,
            server: about.server,
            ..Info::default()
        };
        if let Some(track) = status.tracks.video() {
            info.of_track(track);
        }
        let rate = status.tracks.video().and_then(|track| track.video()).and_then(media::Video::sane_frame_rate);
        info.frames = info.duration.zip(rate).map(|(length, rate)| (length.as_secs_f64() * rate).round() as u64);
        info
    }

    pub(crate) fn fill(&self, stats: &mut Stats, flow: &Flow) {
        let (status, counters) = (self.status.borrow().clone(), self.hold.counters());
        stats.bytes = counters.bytes;
        stats.fps = counters.fps;
        // What is lost for good does not come back.
        stats.reconnects = if self.reconnect { status.reconnects } else { 0 };
        stats.since = status.since.max(self.opened);
        let failed = status.error.map(|error| (error, status.reached)).or_else(|| flow.lock().failed.clone());
        if let Some((error, phase)) = failed {
            stats.last_error = Some(Error::from_source(&flow.url, &error).at(phase));
        }
    }

    pub(crate) fn state(&self, newest: Option<Instant>) -> State {
        let status = self.status.borrow();
        let stalled = newest.is_some_and(|newest| newest.elapsed() > STALL_SEEN);
        // Just open again, and the first picture is being decoded.
        let fresh = status.since.elapsed().is_ok_and(|since| since <= STALL_SEEN);
        match status.state {
            SourceState::Ended => State::Ended,
            SourceState::Live if stalled && fresh => State::Reconnecting,
            SourceState::Live if stalled => State::Stalled,
            SourceState::Live if newest.is_some() => State::Open,
            _ if newest.is_some() => State::Reconnecting,
            _ => State::Connecting,
        }
    }

    /// What a reader has waited for in vain for `waited`.
    pub(crate) fn reason(&self, flow: &Flow, waited: Duration) -> Error {
        let status = self.status.borrow().clone();
        let phase = match status.state {
            SourceState::Opening(phase) => phase,
            SourceState::Live if flow.lock().newest.is_none() => Phase::FirstFrame,
            _ => status.reached,
        };
        let late = |tried| SourceError::Timeout { phase, after: waited, tried };
        let error = match &status.error {
            Some(error @ SourceError::Timeout { .. }) => Error::from_source(&flow.url, error),
            // Whoever waits is not at the end of it: it is being opened again.
            Some(error) => Error::from_source(&flow.url, &late(Some(error.what()))).because(error),
            None => Error::from_source(&flow.url, &late(None)),
        };
        error.at(phase).after(waited)
    }

    /// Whether it is opened again when it is lost.
    pub(crate) fn reopens(&self) -> bool {
        self.reconnect
    }
}

/// Tells readers what the source is doing, and closes it where it is not to be opened again.
async fn follow(mut status: watch::Receiver<Status>, hold: Arc<Hold>, flow: Arc<Flow>, reconnect: bool) {
    // Each change, until the supervisor is gone.
    while status.changed().await.is_ok() {
        let now = status.borrow_and_update().clone();
        if let Some(error) = now.error.filter(|_| !matches!(now.state, SourceState::Live)) {
            let refused = error.is_refusal() || error.is_final();
            let mut inside = flow.lock();
            inside.failed = Some((error, now.reached));
            inside.troubled = Some(Instant::now());
            drop(inside);
            if !reconnect || refused || matches!(now.state, SourceState::Ended) {
                hold.release();
            }
        }
        flow.tell();
    }
}
