//! What a source has brought so far: counters that cost an addition, and its status.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use media::{Packet, Timestamp, Tracks};
use tokio::sync::{Notify, watch};

use crate::bookmark::Bookmark;
use crate::journal::{Entry, Journal, Note};
use crate::status::{About, State, Status};
use crate::vitals::{Monitor, Vitals};
use crate::{Error, Phase};

/// Counters of a source since it was configured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Packets let into the feed.
    pub packets: u64,
    /// Of them, pictures.
    pub pictures: u64,
    /// Of the pictures, keyframes.
    pub keyframes: u64,
    /// Packets marked as damaged.
    pub corrupt: u64,
    /// Bytes that came, those before the first keyframe included.
    pub bytes: u64,
    /// Packets of RTP that were due by their numbers, of pictures and of sound (RFC 3550 section
    /// 6.4.1); 0 where the protocol has none, or libavformat reads them.
    pub rtp_expected: u64,
    /// Of them, those that did not come.
    pub rtp_lost: u64,
    /// Pictures a second over the last seconds; 0 when none came.
    pub fps: f64,
    /// Keyframes a second over the last keyframes; 0 before the second one.
    pub key_rate: f64,
}

/// How far back the rates look.
const WINDOW: Duration = Duration::from_secs(5);
/// Pictures remembered for the rate at most.
const WINDOW_PICTURES: usize = 128;
/// Keyframes remembered for their rate.
const WINDOW_KEYS: usize = 8;

pub(crate) struct Progress {
    status: watch::Sender<Status>,
    packets: AtomicU64,
    pictures: AtomicU64,
    keyframes: AtomicU64,
    corrupt: AtomicU64,
    bytes: AtomicU64,
    rtp_expected: AtomicU64,
    rtp_lost: AtomicU64,
    recent: Mutex<Recent>,
    /// What the newest attempt did.
    journal: Mutex<Journal>,
    /// How often it was opened.
    attempts: AtomicU64,
    /// How long ago it was what is played, in milliseconds; 0 where a camera is there.
    age_ms: AtomicI64,
    /// Where the last attempt was lost, for the next one.
    bookmark: Mutex<Option<Bookmark>>,
    /// Wakes the supervisor at the first picture of an attempt.
    pub(crate) live: Notify,
}

#[derive(Default)]
struct Recent {
    /// Arrival of the newest picture of this attempt.
    newest: Option<Instant>,
    /// Of the newest pictures, when they arrived and their place.
    arrivals: VecDeque<(Instant, Timestamp)>,
    keys: VecDeque<Timestamp>,
    undecodable: Option<Instant>,
    monitor: Monitor,
    /// The connection waits for a reader.
    held: bool,
    /// Why pictures are asked for less often than was wanted.
    held_back: Option<String>,
    /// What it means if nothing comes.
    silence: Option<&'static str>,
}

/// A connection that waits for a reader, which is not the source's fault.
pub(crate) struct Held(Arc<Progress>);

impl Drop for Held {
    fn drop(&mut self) {
        let mut recent = self.0.recent();
        recent.held = false;
        if let Some(newest) = &mut recent.newest {
            *newest = Instant::now();
        }
    }
}

impl Progress {
    pub(crate) fn new() -> Self {
        let status = Status {
            state: State::Idle,
            since: SystemTime::now(),
            reached: Phase::Resolve,
            error: None,
            failed: None,
            failures: 0,
            reconnects: 0,
            about: About::default(),
            tracks: Tracks::default(),
        };
        Self {
            status: watch::Sender::new(status),
            packets: AtomicU64::new(0),
            pictures: AtomicU64::new(0),
            keyframes: AtomicU64::new(0),
            corrupt: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            rtp_expected: AtomicU64::new(0),
            rtp_lost: AtomicU64::new(0),
            recent: Mutex::default(),
            journal: Mutex::new(Journal::new(Instant::now())),
            attempts: AtomicU64::new(0),
            age_ms: AtomicI64::new(0),
            bookmark: Mutex::default(),
            live: Notify::new(),
        }
    }

    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Starts an attempt.
    pub(crate) fn opening(&self) {
        self.attempts.fetch_add(1, Relaxed);
        let mut recent = self.recent();
        recent.monitor.restart();
        recent.held_back = None;
        recent.silence = None;
        recent.forget();
        drop(recent);
        self.journal().restart(Instant::now());
        self.note(Note::Phase(Phase::Resolve));
        self.status.send_modify(|status| {
            // Without pictures since the first of several attempts, not since this one.
            if matches!(status.state, State::Idle | State::Live | State::Unfed) {
                status.since = SystemTime::now();
            }
            status.state = State::Opening(Phase::Resolve);
            status.reached = Phase::Resolve;
        });
    }

    /// How often it was opened.
    pub(crate) fn attempts(&self) -> u64 {
        self.attempts.load(Relaxed)
    }

    /// What it brings is no live stream but ends.
    pub(crate) fn has_an_end(&self) {
        self.status.send_modify(|status| status.about.live = false);
    }

    /// It waits for something else; whether it did not before.
    pub(crate) fn phase(&self, phase: Phase) -> bool {
        let changed = self.status.send_if_modified(|status| match status.state {
            State::Opening(ref mut now) if *now != phase => {
                *now = phase;
                status.reached = phase;
                true
            }
            _ => false,
        });
        if changed {
            self.note(Note::Phase(phase));
        }
        changed
    }

    /// Writes down what an attempt did.
    pub(crate) fn note(&self, note: Note) {
        if let Note::Clock { ahead_s } = note {
            self.recent().monitor.clock(ahead_s as f64);
        }
        self.journal().add(Instant::now(), note);
    }

    /// What the newest attempt did.
    pub(crate) fn noted(&self) -> Vec<Entry> {
        self.journal().entries()
    }

    /// How long the newest attempt took, if it is over.
    pub(crate) fn attempt_took(&self) -> Option<Duration> {
        self.journal().over()
    }

    /// Pictures are asked for less often than was wanted, and why.
    pub(crate) fn held_back(&self, why: Option<String>) {
        self.recent().held_back = why;
    }

    /// What it means that nothing came, if that is known.
    pub(crate) fn silence(&self) -> Option<String> {
        self.recent().silence.map(str::to_owned)
    }

    /// The other side takes connections: it is its answer that is waited for, and `silence` is what it
    /// means if none comes.
    pub(crate) fn takes_connections(&self, silence: &'static str) -> bool {
        self.recent().silence = Some(silence);
        self.current_phase() == Phase::Connect && self.phase(Phase::Handshake)
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The phase of the attempt that is running.
    pub(crate) fn current_phase(&self) -> Phase {
        match self.status.borrow().state {
            State::Opening(phase) => phase,
            _ => Phase::Streaming,
        }
    }

    pub(crate) fn declared(&self, about: About, tracks: Tracks) {
        if matches!(self.status.borrow().state, State::Opening(_)) {
            self.note(Note::Phase(Phase::FirstFrame));
        }
        self.status.send_modify(|status| {
            if let State::Opening(phase) = &mut status.state {
                *phase = Phase::FirstFrame;
                status.reached = Phase::FirstFrame;
            }
            status.about = about;
            status.tracks = tracks;
        });
    }

    pub(crate) fn bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts packets of RTP.
    pub(crate) fn rtp(&self, expected: u64, lost: u64) {
        self.rtp_expected.fetch_add(expected, Relaxed);
        self.rtp_lost.fetch_add(lost, Relaxed);
    }

    /// Counts a packet that is let in, and looks at it.
    pub(crate) fn packet(&self, packet: &Packet, is_picture: bool) {
        let bytes = packet.data.len();
        self.bytes(bytes);
        self.packets.fetch_add(1, Relaxed);
        self.corrupt.fetch_add(u64::from(packet.corrupt), Relaxed);
        let mut recent = self.recent();
        recent.monitor.bytes(packet.received, bytes);
        if !is_picture {
            return;
        }
        self.pictures.fetch_add(1, Relaxed);
        self.keyframes.fetch_add(u64::from(packet.key), Relaxed);
        recent.monitor.picture(packet);
        let first = recent.newest.replace(packet.received).is_none();
        remember(&mut recent.arrivals, (packet.received, packet.pts), WINDOW_PICTURES);
        if packet.key {
            remember(&mut recent.keys, packet.pts, WINDOW_KEYS);
        }
        drop(recent);
        if first {
            self.is_live();
        }
    }

    /// How it is.
    pub(crate) fn vitals(&self, now: Instant) -> Vitals {
        let recent = self.recent();
        let (vitals, held_back) = (recent.monitor.vitals(now), recent.held_back.clone());
        drop(recent);
        Vitals { clock_ahead_s: vitals.clock_ahead_s.map(|ahead| ahead + self.age_s()), held_back, ..vitals }
    }

    /// It plays what was that long ago, in seconds.
    pub(crate) fn plays(&self, age_s: f64) {
        self.age_ms.store((age_s * 1000.0) as i64, Relaxed);
    }

    /// By how many seconds the clock of what is played is behind ours because it is of then.
    pub(crate) fn age_s(&self) -> f64 {
        self.age_ms.load(Relaxed) as f64 / 1000.0
    }

    fn is_live(&self) {
        self.note(Note::Phase(Phase::Streaming));
        self.status.send_modify(|status| {
            status.state = State::Live;
            status.reached = Phase::Streaming;
            status.since = SystemTime::now();
            status.error = None;
            status.failed = None;
            status.failures = 0;
        });
        self.live.notify_one();
    }

    /// Something came that is as good as a picture: sound where there are none, or word that the
    /// attempt goes on exactly where the last one ended, after which there may be none left.
    pub(crate) fn gone_on(&self, now: Instant) {
        if self.recent().newest.replace(now).is_none() {
            self.is_live();
        }
    }

    /// The newest picture is still the newest.
    pub(crate) fn unchanged(&self, now: Instant) {
        let mut recent = self.recent();
        recent.monitor.is_unchanged(now);
        if let Some(newest) = &mut recent.newest {
            *newest = now;
        }
    }

    /// Stops the clock for the next picture, until the guard is dropped.
    pub(crate) fn hold(self: &Arc<Self>) -> Held {
        self.recent().held = true;
        Held(Arc::clone(self))
    }

    /// Whether that clock stands still.
    pub(crate) fn is_held(&self) -> bool {
        self.recent().held
    }

    /// The decoder's word on [`Progress::undecodable`].
    pub(crate) fn tell_undecodable(&self, since: Option<Instant>) {
        self.recent().undecodable = since;
    }

    /// Since when what comes cannot be decoded, if somebody tries.
    pub(crate) fn undecodable(&self) -> Option<Instant> {
        self.recent().undecodable
    }

    /// When the newest picture of this attempt arrived.
    pub(crate) fn newest(&self) -> Option<Instant> {
        self.recent().newest
    }

    /// An attempt ended; the next one is at `retry`.
    pub(crate) fn failed(&self, error: Error, was_live: bool, retry: Option<Instant>) {
        self.lost(was_live);
        self.journal().end(Instant::now());
        self.status.send_modify(|status| {
            if was_live {
                status.since = SystemTime::now();
                status.reconnects += 1;
            }
            status.failures += 1;
            status.error = Some(error);
            status.failed = Some(SystemTime::now());
            status.state = retry.map_or(State::Ended, State::Waiting);
        });
    }

    /// It has come to its end, and begins anew after `wait`, which is no loss.
    pub(crate) async fn over_again(&self, wait: Duration) {
        self.status.send_modify(|status| status.state = State::Waiting(Instant::now() + wait));
        tokio::time::sleep(wait).await;
    }

    fn lost(&self, was_live: bool) {
        if was_live {
            self.recent().monitor.was_lost(Instant::now());
        }
    }

    /// Nobody sends any more, or nobody has yet.
    pub(crate) fn unfed(&self, last: Option<String>, was_live: bool) {
        self.lost(was_live);
        self.status.send_modify(|status| {
            if was_live {
                status.since = SystemTime::now();
                status.reconnects += 1;
            }
            status.failures += u32::from(last.is_some() && !was_live);
            status.error = Some(Error::Unfed { last });
            status.state = State::Unfed;
        });
    }

    pub(crate) fn leave_bookmark(&self, bookmark: Bookmark) {
        *self.bookmark.lock().unwrap_or_else(PoisonError::into_inner) = Some(bookmark);
    }

    pub(crate) fn take_bookmark(&self) -> Option<Bookmark> {
        self.bookmark.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn idle(&self) {
        self.recent().forget();
        // Whoever comes next begins at the begin.
        self.take_bookmark();
        self.status.send_modify(|status| {
            status.state = State::Idle;
            status.since = SystemTime::now();
        });
    }

    /// It is over, and not in order if there is an `error`.
    pub(crate) fn ended(&self, error: Option<Error>) {
        self.status.send_modify(|status| {
            status.error = error.or(status.error.take());
            status.state = State::Ended;
            status.since = SystemTime::now();
        });
    }

    /// Packets that were published.
    pub(crate) fn packets(&self) -> u64 {
        self.packets.load(Relaxed)
    }

    /// All of them as they are now.
    pub(crate) fn counters(&self, now: Instant) -> Counters {
        let recent = self.recent();
        Counters {
            packets: self.packets.load(Relaxed),
            pictures: self.pictures.load(Relaxed),
            keyframes: self.keyframes.load(Relaxed),
            corrupt: self.corrupt.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            rtp_expected: self.rtp_expected.load(Relaxed),
            rtp_lost: self.rtp_lost.load(Relaxed),
            fps: recent.fps(now),
            key_rate: recent.key_rate(),
        }
    }

    /// Keyframes a second, 0 before the second one; cheaper than all counters.
    pub(crate) fn key_rate(&self) -> f64 {
        self.recent().key_rate()
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remember<T>(list: &mut VecDeque<T>, item: T, most: usize) {
    if list.len() == most {
        list.pop_front();
    }
    list.push_back(item);
}

impl Recent {
    /// All but what is watched for longer than an attempt.
    fn forget(&mut self) {
        *self = Self { monitor: std::mem::take(&mut self.monitor), ..Self::default() };
    }

    fn fps(&self, now: Instant) -> f64 {
        let fresh = || self.arrivals.iter().filter(|(at, _)| now.saturating_duration_since(*at) <= WINDOW);
        let (Some((first, from)), count) = (fresh().next(), fresh().count()) else { return 0.0 };
        // With the silence up to now counted in, a stalled camera's rate falls at once.
        let (last, to) = *fresh().next_back().unwrap_or(&(*first, *from));
        let steps = (count - 1) as f64;
        // A server's burst of the last seconds, as we join, is no faster a camera.
        let span = last.saturating_duration_since(*first).max(to.saturating_since(*from)).as_secs_f64();
        let silence = now.saturating_duration_since(last).as_secs_f64();
        if steps == 0.0 || span == 0.0 {
            return 0.0;
        }
        steps / if silence > 2.0 * span / steps { span + silence } else { span }
    }

    fn key_rate(&self) -> f64 {
        match (self.keys.front(), self.keys.back()) {
            (Some(first), Some(last)) if last > first => {
                (self.keys.len() - 1) as f64 / last.saturating_since(*first).as_secs_f64()
            }
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds_and_falls_when_pictures_stop() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut recent = Recent::default();
        for picture in 0..100_u64 {
            let place = Timestamp::from_ticks(picture.cast_signed() * 40, 1, 1000);
            remember(&mut recent.arrivals, (at(picture * 40), place), WINDOW_PICTURES);
        }
        assert!((recent.fps(at(99 * 40)) - 25.0).abs() < 0.01);
        assert!(recent.fps(at(99 * 40 + 2000)) < 20.0);
        assert_eq!(recent.fps(at(99 * 40 + 6000)), 0.0);
    }

    #[test]
    fn a_burst_at_the_begin_does_not_raise_the_rate() {
        let start = Instant::now();
        let mut recent = Recent::default();
        for picture in 0..75_u64 {
            // The first 25 come at once.
            let arrived = start + Duration::from_millis(u64::saturating_sub(picture, 25) * 40);
            remember(&mut recent.arrivals, (arrived, Timestamp::from_ticks(picture.cast_signed() * 40, 1, 1000)), 128);
        }
        let fps = recent.fps(start + Duration::from_millis(49 * 40));
        assert!((fps - 25.0).abs() < 0.01, "{fps}");
    }
}
