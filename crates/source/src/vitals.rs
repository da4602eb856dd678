//! How a source is, told from its packets as they pass: nothing is decoded for it, and it costs
//! a picture some tens of nanoseconds.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use media::{Packet, Timestamp};

/// The same picture for so long is a frozen one.
const FROZEN: Duration = Duration::from_secs(10);
/// The same of a camera that is asked for single pictures: many have another one every few minutes
/// only.
const FROZEN_STILL: Duration = Duration::from_secs(600);
/// Of so many pictures that could have been another one, at least.
const MOST_ALIKE: u32 = 3;
/// Places of a picture that are compared, and bytes of each.
const SAMPLES: usize = 64;
const SAMPLE: usize = 8;
/// How far back losses and returns are counted.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Returns of a day that are counted.
const MOST_RETURNS: usize = 1000;
/// How far back loss is told, in steps.
const LOSS_STEP: Duration = Duration::from_secs(60);
const LOSS_STEPS: usize = 10;
/// How far back the bit rate looks, in steps of a second.
const WINDOW: Duration = Duration::from_secs(6);
const RATE_SECONDS: usize = 5;

/// The health of a source, as far as it shows without decoding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vitals {
    /// For how long the picture has been the same, byte for byte, though pictures come: of codecs
    /// with keyframes, the keyframes. Nothing while it changes.
    pub frozen: Option<Duration>,
    /// From the last keyframe but one to the last, on the timeline of the feed.
    pub keyframe_interval: Option<Duration>,
    /// Pictures before which something is missing: packets that were lost, a jump of the clock.
    /// The first one after a reconnect does not count.
    pub gaps: u64,
    /// The part of the pictures of the last ten minutes that were damaged, or had a gap before them.
    pub loss: f64,
    /// How unevenly pictures arrive (RFC 3550 section 6.4.1, smoothed as there).
    pub jitter: Duration,
    /// Times that it was lost in the last 24 hours, up to 1,000.
    pub lost_a_day: usize,
    /// How far the camera's clock is ahead of ours (negative: behind), in seconds, where its
    /// protocol or ONVIF tells the time. The way from the camera counts as behind.
    pub clock_ahead_s: Option<f64>,
    /// bit/s of all that came in the last seconds.
    pub bit_rate: f64,
    /// How often it was asked for another single picture and had none since its newest; 0 for all
    /// that send pictures by themselves.
    pub unchanged: u64,
    /// Why single pictures are asked for less often than was wanted, if they are.
    pub held_back: Option<String>,
}

/// Watches what passes.
#[derive(Default)]
pub(crate) struct Monitor {
    last: Option<(Instant, Timestamp)>,
    /// Fingerprints of the last two pictures that could have been another one. Two, since an
    /// encoder numbers keyframes in turns (H.264 section 7.4.3, `idr_pic_id`).
    prints: [u64; 2],
    alike: u32,
    alike_since: Option<Instant>,
    key: Option<Timestamp>,
    keyframe_interval: Option<Duration>,
    gaps: u64,
    /// Pictures, and those that were damaged or had a gap before them, each with the begin.
    losses: VecDeque<(Instant, u32, u32)>,
    /// When it said that it had no other picture, where it is asked for single ones.
    unchanged: Option<Instant>,
    /// How often, since the last picture.
    unchanged_times: u64,
    /// Seconds.
    jitter: f64,
    lost: VecDeque<Instant>,
    clock_ahead_s: Option<f64>,
    /// Bytes of the last seconds, each with its begin.
    seconds: VecDeque<(Instant, u64)>,
}

impl Monitor {
    /// An attempt begins.
    pub(crate) fn restart(&mut self) {
        let (lost, losses) = (std::mem::take(&mut self.lost), std::mem::take(&mut self.losses));
        *self = Self { lost, losses, gaps: self.gaps, ..Self::default() };
    }

    /// It was lost, having been live.
    pub(crate) fn was_lost(&mut self, now: Instant) {
        if self.lost.len() == MOST_RETURNS {
            self.lost.pop_front();
        }
        self.lost.push_back(now);
    }

    /// It was asked for a picture, and has no other one.
    pub(crate) fn is_unchanged(&mut self, now: Instant) {
        self.unchanged = Some(now);
        self.unchanged_times += 1;
        self.alike = self.alike.saturating_add(1);
    }

    /// It told its time by itself.
    pub(crate) fn clock(&mut self, ahead_s: f64) {
        self.clock_ahead_s = Some(ahead_s);
    }

    /// Bytes have come.
    pub(crate) fn bytes(&mut self, now: Instant, bytes: usize) {
        match self.seconds.back_mut() {
            Some((begun, sum)) if now.saturating_duration_since(*begun) < Duration::from_secs(1) => {
                *sum += bytes as u64
            }
            _ => {
                if self.seconds.len() > RATE_SECONDS {
                    self.seconds.pop_front();
                }
                self.seconds.push_back((now, bytes as u64));
            }
        }
    }

    /// A picture has come.
    pub(crate) fn picture(&mut self, packet: &Packet) {
        self.unchanged_times = 0;
        let is_gap = self.last.is_some() && packet.discontinuity;
        self.count(packet.received, packet.corrupt || is_gap);
        if let Some((arrived, dts)) = self.last {
            self.gaps += u64::from(packet.discontinuity);
            // They come in the order in which they are decoded, whenever they are shown.
            if packet.dts > dts && !packet.discontinuity {
                let waited = packet.received.saturating_duration_since(arrived);
                let off = waited.abs_diff(packet.dts.saturating_since(dts)).as_secs_f64();
                self.jitter += (off - self.jitter) / 16.0;
            }
        }
        self.last = Some((packet.received, packet.dts));
        self.clock_ahead_s = clock_ahead(packet).or(self.clock_ahead_s);
        if !packet.key {
            return;
        }
        if let Some(last) = self.key.replace(packet.pts) {
            self.keyframe_interval = Some(packet.pts.saturating_since(last));
        }
        let print = fingerprint(&packet.data);
        if self.prints.contains(&print) {
            self.alike = self.alike.saturating_add(1);
        } else {
            (self.alike, self.alike_since) = (0, Some(packet.received));
        }
        self.prints = [self.prints[1], print];
    }

    fn count(&mut self, now: Instant, is_bad: bool) {
        match self.losses.back_mut() {
            Some((begun, all, bad)) if now.saturating_duration_since(*begun) < LOSS_STEP => {
                (*all, *bad) = (all.saturating_add(1), bad.saturating_add(u32::from(is_bad)));
            }
            _ => {
                if self.losses.len() > LOSS_STEPS {
                    self.losses.pop_front();
                }
                self.losses.push_back((now, 1, u32::from(is_bad)));
            }
        }
    }

    fn loss(&self, now: Instant) -> f64 {
        let window = LOSS_STEP * LOSS_STEPS as u32;
        let fresh = self.losses.iter().filter(|(begun, ..)| now.saturating_duration_since(*begun) <= window);
        let (all, bad) =
            fresh.fold((0, 0), |(all, bad), (_, more, worse)| (all + u64::from(*more), bad + u64::from(*worse)));
        if all == 0 { 0.0 } else { bad as f64 / all as f64 }
    }

    pub(crate) fn vitals(&self, now: Instant) -> Vitals {
        let seen = self.unchanged.max(self.last.map(|(last, _)| last));
        let same = seen.zip(self.alike_since).map(|(seen, since)| seen.saturating_duration_since(since));
        let frozen = if self.unchanged.is_some() { FROZEN_STILL } else { FROZEN };
        let fresh = self.seconds.iter().filter(|(begun, _)| now.saturating_duration_since(*begun) <= WINDOW);
        let (bits, first) =
            fresh.fold((0, None), |(sum, first), (begun, bytes)| (sum + bytes * 8, first.or(Some(*begun))));
        let span = first.map_or(0.0, |first| now.saturating_duration_since(first).as_secs_f64());
        Vitals {
            frozen: same.filter(|same| *same >= frozen && self.alike >= MOST_ALIKE),
            keyframe_interval: self.keyframe_interval,
            gaps: self.gaps,
            loss: self.loss(now),
            jitter: Duration::from_secs_f64(self.jitter),
            lost_a_day: self.lost.iter().filter(|at| now.saturating_duration_since(**at) < DAY).count(),
            clock_ahead_s: self.clock_ahead_s,
            bit_rate: if span > 0.0 { bits as f64 / span.max(1.0) } else { 0.0 },
            unchanged: self.unchanged_times,
            held_back: None,
        }
    }
}

/// How far the clock of the camera is ahead of ours, by one picture.
pub(crate) fn clock_ahead(packet: &Packet) -> Option<f64> {
    let captured = packet.captured?;
    // What is played faster than it came has come later than now.
    let (wall, now) = (SystemTime::now(), Instant::now());
    let early = packet.received.saturating_duration_since(now);
    let here = wall.checked_sub(now.saturating_duration_since(packet.received))?.checked_add(early)?;
    Some(captured.duration_since(here).map_or_else(|late| -late.duration().as_secs_f64(), |ahead| ahead.as_secs_f64()))
}

/// Tells pictures apart by their length and by bytes all over them: a sensor's noise is
/// everywhere, and what one bit changes moves the bits behind it.
fn fingerprint(data: &[u8]) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let mut hasher = KEYS.build_hasher();
    hasher.write_usize(data.len());
    if data.len() <= SAMPLES * SAMPLE {
        hasher.write(data);
    } else {
        let step = (data.len() - SAMPLE) / (SAMPLES - 1);
        for sample in data.windows(SAMPLE).step_by(step.max(1)) {
            hasher.write(sample);
        }
        hasher.write(&data[data.len() - SAMPLE..]);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media::TrackId;

    use super::*;

    fn picture(at: Instant, ms: i64, key: bool, data: Vec<u8>) -> Packet {
        let pts = Timestamp::from_ticks(ms, 1, 1000);
        let received = at + Duration::from_millis(ms.unsigned_abs());
        Packet {
            track: TrackId(0),
            pts,
            dts: pts,
            duration: None,
            key,
            corrupt: false,
            discontinuity: false,
            received,
            captured: None,
            data: Bytes::from(data),
        }
    }

    fn camera(pictures: i64, of: impl Fn(i64) -> Vec<u8>, key: impl Fn(i64) -> bool) -> (Monitor, Instant) {
        let start = Instant::now();
        let mut monitor = Monitor::default();
        for at in 0..pictures {
            let packet = picture(start, at * 40, key(at), of(at));
            monitor.bytes(packet.received, packet.data.len());
            monitor.picture(&packet);
        }
        (monitor, start + Duration::from_millis(40) * u32::try_from(pictures).unwrap())
    }

    #[test]
    fn a_picture_that_stands_still_is_frozen_and_one_that_moves_is_not() {
        let still = |_| vec![7; 4000];
        let (monitor, now) = camera(500, still, |_| true);
        let frozen = monitor.vitals(now).frozen.unwrap();
        assert!((frozen.as_secs_f64() - 19.96).abs() < 0.01, "{frozen:?}");
        // One bit, somewhere in what is looked at, and what follows moves on.
        let moving = |at: i64| {
            let mut data = vec![7; 4000];
            data[3000..].fill(at as u8);
            data
        };
        let (monitor, now) = camera(500, moving, |_| true);
        assert_eq!(monitor.vitals(now).frozen, None);
    }

    #[test]
    fn of_codecs_with_keyframes_those_are_compared_even_if_they_take_turns() {
        let data = |at: i64| if at % 25 == 0 { vec![(at / 25 % 2) as u8; 900] } else { vec![at as u8; 90] };
        let (monitor, now) = camera(500, data, |at| at % 25 == 0);
        assert!(monitor.vitals(now).frozen.is_some());
        assert_eq!(monitor.vitals(now).keyframe_interval, Some(Duration::from_secs(1)));
        let data = |at: i64| vec![(at / 25) as u8; 900];
        let (monitor, now) = camera(500, data, |at| at % 25 == 0);
        assert_eq!(monitor.vitals(now).frozen, None);
    }

    #[test]
    fn it_takes_ten_seconds_and_several_pictures() {
        let (monitor, now) = camera(200, |_| vec![7; 400], |_| true);
        assert_eq!(monitor.vitals(now).frozen, None);
        // A keyframe every 8 seconds: two that are alike may be chance.
        let (monitor, now) = camera(500, |_| vec![7; 400], |at| at % 200 == 0);
        assert_eq!(monitor.vitals(now).frozen, None);
    }

    #[test]
    fn a_camera_that_says_for_minutes_that_it_has_no_other_picture_is_frozen() {
        let start = Instant::now();
        let mut monitor = Monitor::default();
        monitor.picture(&picture(start, 0, true, vec![7; 4000]));
        (1..=500).for_each(|at| monitor.is_unchanged(start + Duration::from_secs(at)));
        assert_eq!(monitor.vitals(start).frozen, None, "it may have one every ten minutes");
        (500..=700).for_each(|at| monitor.is_unchanged(start + Duration::from_secs(at)));
        assert_eq!(monitor.vitals(start).frozen, Some(Duration::from_secs(700)));
        monitor.picture(&picture(start, 701_000, true, vec![8; 4000]));
        assert_eq!(monitor.vitals(start).frozen, None);
    }

    #[test]
    fn loss_is_that_of_the_last_minutes_and_stays_over_attempts() {
        let start = Instant::now();
        let mut monitor = Monitor::default();
        for at in 0..1000 {
            let mut packet = picture(start, at * 40, true, vec![at as u8; 90]);
            (packet.corrupt, packet.discontinuity) = (at % 20 == 0, at % 50 == 7);
            monitor.picture(&packet);
        }
        monitor.restart();
        assert!((monitor.vitals(start + Duration::from_secs(41)).loss - 0.07).abs() < 1e-9);
        assert_eq!(monitor.vitals(start + Duration::from_secs(700)).loss, 0.0);
    }

    #[test]
    fn the_bit_rate_is_that_of_the_last_seconds() {
        let (monitor, now) = camera(500, |_| vec![7; 1000], |_| true);
        let rate = monitor.vitals(now).bit_rate;
        assert!((rate - 200_000.0).abs() < 10_000.0, "{rate}");
        assert_eq!(monitor.vitals(now + Duration::from_secs(60)).bit_rate, 0.0);
    }

    #[test]
    fn even_arrival_has_no_jitter_and_uneven_arrival_has() {
        let (mut monitor, _) = camera(100, |_| vec![7; 1000], |_| true);
        assert!(monitor.vitals(Instant::now()).jitter < Duration::from_micros(10));
        let start = Instant::now();
        for at in 0..200 {
            let mut packet = picture(start, 10_000 + at * 40, true, vec![1; 10]);
            packet.received += Duration::from_millis(if at % 2 == 0 { 20 } else { 0 });
            monitor.picture(&packet);
        }
        let jitter = monitor.vitals(start).jitter;
        assert!(jitter > Duration::from_millis(15) && jitter < Duration::from_millis(25), "{jitter:?}");
    }

    #[test]
    fn losses_are_those_of_a_day_and_stay_over_attempts() {
        let now = Instant::now() + 2 * DAY;
        let mut monitor = Monitor::default();
        monitor.was_lost(now - DAY - Duration::from_secs(1));
        for _ in 0..3 {
            monitor.was_lost(now - Duration::from_secs(60));
            monitor.restart();
        }
        assert_eq!(monitor.vitals(now).lost_a_day, 3);
        (0..5000).for_each(|_| monitor.was_lost(now));
        assert_eq!(monitor.vitals(now).lost_a_day, MOST_RETURNS);
    }

    #[test]
    fn a_camera_s_clock_is_compared_with_ours() {
        let mut packet = picture(Instant::now(), 0, true, vec![1]);
        packet.captured = Some(SystemTime::now() + Duration::from_secs(3600));
        let mut monitor = Monitor::default();
        monitor.picture(&packet);
        let ahead = monitor.vitals(Instant::now()).clock_ahead_s.unwrap();
        assert!((ahead - 3600.0).abs() < 1.0, "{ahead}");
    }
}
