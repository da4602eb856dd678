//! The decoder thread of one source.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use feed::{Cursor, Entry, Start};
use ffmpeg::{Decoder, DecoderOptions, Frame, Skip};
use media::{Codec, Packet, Timestamp, TrackId, Tracks};
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::job::{Decoded, Demand, Job};
use crate::Error;
use crate::variants::Variants;

/// How long the decoder stays warm after its last reader.
const LINGER: Duration = Duration::from_millis(1500);
/// How often a decoder without packets looks for readers.
const LOOK: Duration = Duration::from_millis(250);
/// Most pictures a decoder may hold back for reordering (H.264 annex A allows 16).
const MOST_DELAYED: usize = 64;
/// Packets that may wait before those in front of them count as old.
const MOST_IN_A_BURST: u64 = 4;
/// Codecs whose every picture stands alone, so that any of them may be left out.
const INTRA_ONLY: &[&str] = &["mjpeg", "rawvideo", "dvvideo", "jpeg2000", "png", "prores", "huffyuv", "ffvhuff"];

/// Starts the decoder of `variants`; it ends when no variant is read any more.
pub(crate) fn start(variants: Arc<Variants>) -> Result<(), Error> {
    // The cursor waits on tokio's timer; everything else here blocks.
    let runtime = Handle::current();
    let name: String = format!("dec-{}", variants.name()).chars().take(15).collect();
    let for_thread = Arc::clone(&variants);
    let span = tracing::Span::current();
    let spawned = thread::Builder::new().name(name).spawn(move || {
        let _entered = span.enter();
        Worker::new(for_thread, runtime).run();
    });
    spawned.map(|_| ()).map_err(|error| {
        let error = Error::Broken { what: format!("cannot start a decoder thread: {error}") };
        end_all(&variants, Some(&error));
        error
    })
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
    runtime: Handle,
    cursor: Cursor,
    decoder: Option<Decoder>,
    tracks: Tracks,
    video: TrackId,
    intra_only: bool,
    mode: Mode,
    /// The decoder has had a keyframe since its start or the last gap.
    in_step: bool,
    /// Nothing was posted yet: the first picture goes out however old it is.
    fresh: bool,
    unread_since: Option<Instant>,
    /// Arrival times of the packets in the decoder, by their place on the timeline.
    arrivals: VecDeque<(Timestamp, Instant, Option<SystemTime>, bool)>,
}

impl Worker {
    fn new(variants: Arc<Variants>, runtime: Handle) -> Self {
        let cursor = variants.feed().cursor(Start::Keyframe);
        Self {
            variants,
            runtime,
            cursor,
            decoder: None,
            tracks: Tracks::default(),
            video: TrackId(0),
            intra_only: false,
            mode: Mode::Keyframes,
            in_step: false,
            fresh: true,
            unread_since: None,
            arrivals: VecDeque::new(),
        }
    }

    fn run(mut self) {
        loop {
            let waited = self.runtime.block_on(next_or_look(&mut self.cursor, &self.variants));
            let jobs = match self.jobs() {
                Some(jobs) => jobs,
                None => return,
            };
            let entry = match waited {
                Ok(Some(entry)) => entry,
                Ok(None) => continue,
                Err(feed::Closed) => return end_all(&self.variants, Some(&Error::Ended { what: None })),
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
        if jobs.running.values().any(|job| job.demand().is_some()) {
            self.unread_since = None;
        } else if jobs.running.is_empty() || self.unread_since.get_or_insert_with(Instant::now).elapsed() > LINGER {
            // Under the lock: a lease taken from now on starts a new thread.
            jobs.decoding = false;
            for job in std::mem::take(&mut jobs.running).into_values() {
                job.end(None);
            }
            return None;
        }
        let jobs: Vec<_> = jobs.running.values().cloned().collect();
        if self.mode == Mode::Keyframes && jobs.iter().any(|job| job.is_new()) {
            // The next keyframe may be seconds away; the newest one is at hand.
            self.cursor = self.variants.feed().cursor(Start::Keyframe);
        }
        Some(jobs)
    }

    fn take(&mut self, entry: Entry, jobs: &[Arc<Job>]) -> Result<(), Error> {
        if !entry.tracks.same(&self.tracks) {
            self.open(&entry.tracks)?;
            if self.passes_through(jobs) {
                // These readers need no transcoding any more.
                self.end_passed(jobs);
            }
        }
        let packet = &entry.packet;
        if packet.track != self.video {
            return Ok(());
        }
        if entry.lost > 0 || packet.discontinuity {
            self.lose_step();
        }
        let mode = self.mode_for(jobs);
        if mode != self.mode {
            self.mode = mode;
            if mode == Mode::Due && !self.intra_only && !packet.key {
                // What lies between the keyframe and here was left out: once more from there.
                self.cursor = self.variants.feed().cursor(Start::Keyframe);
                self.lose_step();
                return Ok(());
            }
        }
        if !self.wants(packet, jobs) {
            return Ok(());
        }
        self.decode(packet, jobs);
        Ok(())
    }

    fn open(&mut self, tracks: &Tracks) -> Result<(), Error> {
        self.tracks = tracks.clone();
        self.lose_step();
        let Some(track) = tracks.video() else {
            self.decoder = None;
            return Ok(());
        };
        self.video = track.id;
        self.intra_only = INTRA_ONLY.contains(&track.codec.name());
        let options = DecoderOptions { threads: 1, low_delay: true };
        self.decoder = Some(Decoder::new(track, &options).map_err(|error| Error::Unsupported { what: error.to_string() })?);
        Ok(())
    }

    fn lose_step(&mut self) {
        self.in_step = false;
        self.arrivals.clear();
        if let Some(decoder) = &mut self.decoder {
            decoder.flush();
        }
    }

    /// Whether some job asks for what the source sends anyway.
    fn passes_through(&self, jobs: &[Arc<Job>]) -> bool {
        self.tracks.video().is_some_and(|track| track.codec == Codec::MJPEG)
            && jobs.iter().any(|job| job.variant.keeps_pictures())
    }

    fn end_passed(&self, jobs: &[Arc<Job>]) {
        let mut running = self.variants.jobs();
        for job in jobs.iter().filter(|job| job.variant.keeps_pictures()) {
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
        if !self.intra_only && jobs.iter().all(keyframes_do) { Mode::Keyframes } else { Mode::Due }
    }

    /// Whether `packet` goes to the decoder, which is set up for it.
    fn wants(&mut self, packet: &Packet, jobs: &[Arc<Job>]) -> bool {
        let due = jobs.iter().any(|job| job.is_due(packet.pts));
        let can_leave_out = self.intra_only || (self.mode == Mode::Keyframes && packet.key);
        if can_leave_out && !due {
            return false;
        }
        if packet.key {
            self.in_step = true;
        }
        if !self.in_step || (self.mode == Mode::Keyframes && !packet.key) {
            return false;
        }
        let skip = if due && !self.is_late() { Skip::None } else { Skip::NonRef };
        if let Some(decoder) = &mut self.decoder {
            // Of the pictures that nobody gets, only those that others refer to are decoded.
            decoder.skip(skip);
        }
        true
    }

    /// Newer pictures are waiting: those before them are decoded for their sake only.
    fn is_late(&self) -> bool {
        self.cursor.behind() > MOST_IN_A_BURST && !self.fresh && !self.intra_only
    }

    fn decode(&mut self, packet: &Packet, jobs: &[Arc<Job>]) {
        let late = self.is_late();
        let Some(decoder) = &mut self.decoder else { return };
        if self.arrivals.len() == MOST_DELAYED {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back((packet.pts, packet.received, packet.captured, packet.corrupt));
        if let Err(error) = decoder.send(&packet.data, packet.pts, packet.key) {
            tracing::debug!(%error, "packet not decoded");
        }
        if self.mode == Mode::Keyframes {
            // Nothing follows that would push a delayed picture out.
            if let Err(error) = decoder.drain() {
                tracing::debug!(%error, "decoder not drained");
            }
        }
        let mut frames = Vec::new();
        loop {
            match decoder.receive() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(%error, "picture not decoded");
                    break;
                }
            }
        }
        if self.mode == Mode::Keyframes {
            decoder.flush();
            self.in_step = false;
        }
        for frame in frames {
            let decoded = self.arrived(frame, packet);
            if late {
                continue;
            }
            self.fresh = false;
            for job in jobs {
                if job.demand().is_some() {
                    job.post(Decoded { frame: decoded.frame.clone(), ..decoded });
                }
            }
        }
    }

    /// Gives a frame the arrival time of the packet it was in.
    fn arrived(&mut self, frame: Frame, newest: &Packet) -> Decoded {
        let pts = frame.pts().unwrap_or(newest.pts);
        let place = self.arrivals.iter().position(|(at, ..)| *at == pts);
        let (_, received, captured, corrupt) = place
            .and_then(|place| self.arrivals.drain(..=place).next_back())
            .unwrap_or((pts, newest.received, newest.captured, newest.corrupt));
        let corrupt = corrupt || frame.corrupt();
        Decoded { frame, pts, received, captured, corrupt }
    }
}

/// The next packet, or nothing after [`LOOK`] or when there is a new job.
async fn next_or_look(cursor: &mut Cursor, variants: &Variants) -> Result<Option<Entry>, feed::Closed> {
    tokio::select! {
        entry = cursor.next() => entry.map(Some),
        () = variants.new_job.notified() => Ok(None),
        () = sleep(LOOK) => Ok(None),
    }
}
