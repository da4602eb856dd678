//! The decoder thread of one source.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use feed::{Cursor, Entry, Start};
use media::{Packet, Timestamp, Track};

use super::job::{Demand, Job};
use crate::decoding::{Decoded, Decoding, Wanted};
use crate::variants::Variants;
use crate::{Error, wait_for};

/// How long a variant stays warm after its last reader, and with the last one the decoder.
const LINGER: Duration = Duration::from_millis(1500);
/// How often a decoder without packets looks for readers.
const LOOK: Duration = Duration::from_millis(250);
/// Packets that may wait before those in front of them count as old.
const MOST_IN_A_BURST: u64 = 4;

/// Starts the decoder of `variants`; it ends when no variant is read any more.
pub(crate) fn start(variants: Arc<Variants>) -> Result<(), Error> {
    let name: String = format!("dec-{}", variants.name()).chars().take(15).collect();
    let for_thread = Arc::clone(&variants);
    let span = tracing::Span::current();
    let spawned = thread::Builder::new().name(name).spawn(move || {
        let _entered = span.enter();
        let _guard = EndInPanic(Arc::clone(&for_thread));
        Worker::new(for_thread).run();
    });
    spawned.map(|_| ()).map_err(|error| {
        let error = Error::Broken { what: format!("cannot start a decoder thread: {error}") };
        end_all(&variants, Some(&error));
        error
    })
}

/// Ends the jobs of a decoder that panics, so that the next reader starts another one.
struct EndInPanic(Arc<Variants>);

impl Drop for EndInPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            let what = "the decoder died; this is a fault in headwater, see its log".into();
            end_all(&self.0, Some(&Error::Broken { what }));
        }
    }
}

/// Ends every job. Readers see `error`, or choose their way again where there is none.
fn end_all(variants: &Variants, error: Option<&Error>) {
    let mut jobs = variants.jobs();
    jobs.decoding = false;
    for job in std::mem::take(&mut jobs.running).into_values() {
        job.end(error.cloned());
    }
}

/// What is decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Keyframes,
    Due,
}

struct Worker {
    variants: Arc<Variants>,
    cursor: Cursor,
    decoding: Decoding,
    mode: Mode,
    /// Nothing was posted yet: the first picture goes out however old it is.
    fresh: bool,
    /// The last picture handed out.
    shown: Option<Timestamp>,
    /// What the supervisor was told of [`Decoding::undecodable`].
    undecodable: Option<Instant>,
}

impl Worker {
    fn new(variants: Arc<Variants>) -> Self {
        let cursor = variants.feed().cursor(Start::Keyframe);
        let decoding = Decoding::new();
        Self { variants, cursor, decoding, mode: Mode::Keyframes, fresh: true, shown: None, undecodable: None }
    }

    fn run(mut self) {
        loop {
            // Before the wait: a new job may move the cursor back.
            let Some(jobs) = self.jobs() else { return };
            let waited = wait_for(next_or_job(&mut self.cursor, &self.variants), LOOK).unwrap_or(Ok(None));
            let entry = match waited {
                Ok(Some(entry)) => entry,
                Ok(None) => continue,
                Err(feed::Closed) => {
                    self.finish(&jobs);
                    return end_all(&self.variants, Some(&Error::Ended { what: None }));
                }
            };
            if let Err(error) = self.take(entry, &jobs) {
                return end_all(&self.variants, Some(&error));
            }
        }
    }

    /// The jobs with their readers, or nothing when the thread is to end.
    fn jobs(&mut self) -> Option<Vec<Arc<Job>>> {
        let variants = Arc::clone(&self.variants);
        let mut jobs = variants.jobs();
        // Under the lock: a lease taken from now on finds the job gone and starts another.
        jobs.running.retain(|_, job| {
            let wanted = job.unread_for() <= LINGER;
            if !wanted {
                job.end(None);
            }
            wanted
        });
        if jobs.running.is_empty() {
            jobs.decoding = false;
            return None;
        }
        let jobs: Vec<_> = jobs.running.values().cloned().collect();
        // Each job is asked, so that each is new only once.
        let new = jobs.iter().filter(|job| job.is_new()).count();
        if self.mode == Mode::Keyframes && new > 0 {
            // The next keyframe may be seconds away; the newest one is at hand.
            self.cursor = variants.feed().cursor(Start::Keyframe);
        }
        Some(jobs)
    }

    fn take(&mut self, entry: Entry, jobs: &[Arc<Job>]) -> Result<(), Error> {
        if self.decoding.adopt(&entry)?
            && let Some(track) = entry.tracks.video()
        {
            self.end_passed(jobs, track);
        }
        let packet = &entry.packet;
        if !self.decoding.is_video(packet) {
            return Ok(());
        }
        let mode = self.mode_for(jobs);
        if mode != self.mode {
            self.mode = mode;
            if mode == Mode::Due && !self.decoding.is_intra_only() && !packet.key {
                // What lies between the keyframe and here was left out: once more from there.
                self.cursor = self.variants.feed().cursor(Start::Keyframe);
                self.decoding.lose_step();
                return Ok(());
            }
        }
        if let Some(wanted) = self.wanted(packet, jobs) {
            // Newer pictures are waiting: this one is decoded for their sake only. Which of
            // the others are due is up to each job: a picture may come out of the decoder
            // long after its packet went in.
            let late = self.mode == Mode::Due && self.is_late();
            for decoded in self.decoding.decode(packet, wanted).into_iter().filter(|_| !late) {
                self.hand_out(&decoded, jobs);
            }
            if self.undecodable != self.decoding.undecodable() {
                self.undecodable = self.decoding.undecodable();
                self.variants.progress().tell_undecodable(self.undecodable);
            }
        }
        Ok(())
    }

    /// Hands out what is still in the decoder when the source is over, each at its time.
    fn finish(&mut self, jobs: &[Arc<Job>]) {
        if self.mode == Mode::Keyframes {
            return;
        }
        for decoded in self.decoding.drain() {
            let since = self.shown.map(|shown| decoded.pts.saturating_since(shown));
            thread::sleep(since.unwrap_or_default().min(LOOK));
            self.hand_out(&decoded, jobs);
        }
    }

    /// Leaves a picture with every job that is read.
    fn hand_out(&mut self, decoded: &Decoded, jobs: &[Arc<Job>]) {
        self.fresh = false;
        self.shown = Some(decoded.pts);
        for job in jobs.iter().filter(|job| job.demand().is_some()) {
            match decoded.frame.try_clone() {
                Ok(frame) => job.post(Decoded { frame, ..*decoded }),
                Err(error) => tracing::warn!(%error, "picture not handed on"),
            }
        }
    }

    /// Ends the jobs that ask for what the source sends anyway.
    fn end_passed(&self, jobs: &[Arc<Job>], track: &Track) {
        let mut running = self.variants.jobs();
        for job in jobs.iter().filter(|job| job.gives_way_to(track)) {
            running.running.remove(&job.variant);
            job.end(None);
        }
    }

    fn mode_for(&self, jobs: &[Arc<Job>]) -> Mode {
        let key_rate = self.variants.progress().key_rate();
        let keyframes_do = |job: &Arc<Job>| match job.demand() {
            None | Some(Demand::Keyframes) => true,
            // A little slower than asked is better than decoding twenty times as much.
            Some(Demand::All) => job.variant.rate.is_some_and(|rate| rate.per_second() <= key_rate * 1.05),
        };
        let intra_only = self.decoding.is_intra_only();
        if !intra_only && jobs.iter().all(keyframes_do) { Mode::Keyframes } else { Mode::Due }
    }

    /// What is wanted of `packet`; nothing where it need not even go to the decoder.
    fn wanted(&self, packet: &Packet, jobs: &[Arc<Job>]) -> Option<Wanted> {
        let due = jobs.iter().any(|job| job.is_due(packet.pts));
        match self.mode {
            Mode::Keyframes => (packet.key && due).then_some(Wanted::Alone),
            Mode::Due if self.decoding.is_intra_only() => due.then_some(Wanted::Picture),
            Mode::Due if due && !self.is_late() => Some(Wanted::Picture),
            Mode::Due => Some(Wanted::ForOthers),
        }
    }

    fn is_late(&self) -> bool {
        self.cursor.behind() > MOST_IN_A_BURST && !self.fresh && !self.decoding.is_intra_only()
    }
}

/// The next packet, or nothing when there is a new job.
async fn next_or_job(cursor: &mut Cursor, variants: &Variants) -> Result<Option<Entry>, feed::Closed> {
    tokio::select! {
        entry = cursor.next() => entry.map(Some),
        () = variants.new_job.notified() => Ok(None),
    }
}
