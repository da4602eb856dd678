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

use crate::Stop;
use crate::pace::wait_until;

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
    /// Has `give` called with each unit when it is due, until it says that nobody wants more. Nothing
    /// if there is no room for a thread.
    pub(super) fn start(mut give: impl FnMut(Unit) -> bool + Send + 'static, stop: &Stop) -> Option<Self> {
        let (units, waiting) = sync_channel::<(Unit, Option<Instant>)>(MOST_WAITING);
        let (bytes, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (left, ended, stop) = (Arc::clone(&bytes), Arc::clone(&over), stop.clone());
        let span = tracing::Span::current();
        let given = move || {
            let _span = span.entered();
            for (unit, due) in waiting {
                let size = unit.data.len();
                if due.is_some_and(|due| !wait_until(due, &stop)) || !give(unit) {
                    break;
                }
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use bytes::Bytes;
    use media::TrackId;

    use super::*;

    fn unit(number: u8) -> Unit {
        Unit::picture(TrackId(0), Bytes::from(vec![number]))
    }

    #[test]
    fn units_are_taken_before_they_are_due_and_given_in_their_order() {
        let (given, gets) = channel();
        let stop = Stop::default();
        let ahead = Ahead::start(move |unit| given.send(unit.data[0]).is_ok(), &stop).unwrap();
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(3600));
        assert!((0..3).all(|number| ahead.take(unit(number), Some(now))) && ahead.take(unit(3), None));
        ahead.finish();
        assert_eq!(gets.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
        // A demuxer that had to wait for these would stand still for an hour.
        assert!((4..9).all(|number| ahead.take(unit(number), Some(later))));
        assert!(gets.try_recv().is_err());
        stop.set();
        ahead.finish();
        assert!(gets.recv().is_err(), "what was not due when nobody wanted it any more is not given");
    }

    #[test]
    fn nobody_who_has_gone_is_waited_for() {
        let ahead = Ahead::start(|_| false, &Stop::default()).unwrap();
        let large = || Unit::picture(TrackId(0), Bytes::from(vec![0; MOST_BYTES + 1]));
        while ahead.take(large(), None) {}
        ahead.finish();
    }
}
