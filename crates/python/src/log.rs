//! From `tracing` to Python's `logging`.
//!
//! Whoever logs, on whatever thread and under whatever lock, only leaves a record in a bounded
//! queue. A Python thread of `headwater._log` takes them from there. Nothing is kept below the
//! level that Python's logger has, and nothing at all is written to stderr.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::words::in_python;

/// Records that wait to be taken; further ones are lost, and counted.
const MOST: usize = 256;

static LEVEL: AtomicU8 = AtomicU8::new(u8::MAX);
static LOST: AtomicU64 = AtomicU64::new(0);
static QUEUE: (Mutex<VecDeque<Record>>, Condvar) = (Mutex::new(VecDeque::new()), Condvar::new());

/// Level as Python counts, the module it is about, text.
type Record = (u8, String, String);

/// Keeps the queue in order while the process forks.
pub(crate) type Held = MutexGuard<'static, VecDeque<Record>>;

pub(crate) fn hold() -> Held {
    QUEUE.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes all records of this process from now on.
pub(crate) fn install() {
    // Where somebody else has done so before, the records are his.
    let _ = tracing::subscriber::set_global_default(ToPython);
}

/// Records of a lower level, as Python counts, are not made from now on.
#[pyfunction]
pub(crate) fn set_level(level: u8) {
    LEVEL.store(level, Ordering::Relaxed);
}

/// The records that have come; waits up to `seconds` for one.
#[pyfunction]
pub(crate) fn records(py: Python<'_>, seconds: f64) -> Vec<Record> {
    let wait = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    py.detach(|| {
        let queue = QUEUE.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = QUEUE.1.wait_timeout_while(queue, wait, |queue| queue.is_empty());
        let mut taken: Vec<_> = waited.unwrap_or_else(PoisonError::into_inner).0.drain(..).collect();
        match LOST.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => {
                taken.push((number(Level::WARN), "log".into(), format!("{lost} records came too fast and are lost")))
            }
        }
        taken
    })
}

fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

struct ToPython;

impl Subscriber for ToPython {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_event() && *metadata.level() <= Level::DEBUG { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && number(*metadata.level()) >= LEVEL.load(Ordering::Relaxed)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let target = event.metadata().target().split("::").next().unwrap_or_default();
        let mut queue = QUEUE.0.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() < MOST {
            queue.push_back((number(*event.metadata().level()), target.into(), text.finish()));
        } else {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        drop(queue);
        QUEUE.1.notify_one();
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// A message and its fields in one line.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn finish(self) -> String {
        in_python(&(self.message + &self.fields)).replace('\n', " ")
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A string takes whatever is written to it.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, ", {name} {value:?}"),
        };
    }
}
