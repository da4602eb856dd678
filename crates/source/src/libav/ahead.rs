//! A demuxer that goes on while what it gave waits until it is due.
//!
//! FFmpeg's demuxer of DASH loses every second piece of a live manifest where it is held to real
//! time: it counts on finding the next piece in the manifest that it has read before. So it reads
//! on as fast as it likes, and a thread of its own gives out what it brought.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use media::Unit;

use crate::pace::wait_until;
use crate::{Sink, Stop};

/// Most units that wait, and their bytes: then the demuxer waits too.
const MOST_WAITING: usize = 4096;
const MOST_BYTES: usize = 32 << 20;
/// How often a full queue is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What waits until it is due.
pub(super) struct Ahead {
    units: SyncSender<(Unit, Option<Instant>)>,
    /// Bytes that wait.
    bytes: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Ahead {
    /// Nothing if there is no room for a thread.
    pub(super) fn start(sink: &Sink, stop: &Stop) -> Option<Self> {
        let (units, waiting) = sync_channel::<(Unit, Option<Instant>)>(MOST_WAITING);
        let (bytes, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (left, ended, sink, stop) = (Arc::clone(&bytes), Arc::clone(&over), sink.clone(), stop.clone());
        let span = tracing::Span::current();
        let given = move || {
            let _span = span.entered();
            for (unit, due) in waiting {
                if due.is_some_and(|due| !wait_until(due, &stop)) || sink.is_cut() {
                    break;
                }
                let size = unit.data.len();
                sink.publish(unit);
                left.fetch_sub(size, Relaxed);
            }
            ended.store(true, Relaxed);
        };
        thread::Builder::new().name("ahead".into()).spawn(given).ok()?;
        Some(Self { units, bytes, over })
    }

    /// Takes the next unit, and waits while it is full; `false` if nobody wants it any more.
    pub(super) fn take(&self, unit: Unit, due: Option<Instant>) -> bool {
        while self.bytes.load(Relaxed) > MOST_BYTES && !self.over.load(Relaxed) {
            thread::sleep(LOOK);
        }
        self.bytes.fetch_add(unit.data.len(), Relaxed);
        self.units.send((unit, due)).is_ok()
    }

    /// Waits until all of it is given out.
    pub(super) fn finish(&self) {
        while self.bytes.load(Relaxed) > 0 && !self.over.load(Relaxed) {
            thread::sleep(LOOK);
        }
    }
}
