//! How a stream is, looked at for some seconds without decoding it.

use std::time::{Duration, Instant};

use feed::{Cursor, Feed, Start};
use media::{Packet, Timestamp};

use crate::Supervisor;
use crate::vitals::clock_ahead;

/// How a stream was while it was looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// How long it was looked at.
    pub watched: Duration,
    /// Pictures that came.
    pub pictures: u64,
    /// Pictures a second, measured. What comes in bursts, as of HLS, is as fast as its times say.
    pub fps: f64,
    /// Pictures a second, as declared.
    pub fps_declared: Option<f64>,
    /// From one keyframe to the next; nothing before there were two.
    pub keyframe_interval: Option<Duration>,
    /// bit/s of pictures and sound.
    pub bit_rate: f64,
    /// Pictures that are known to be damaged.
    pub damaged: u64,
    /// Places where something is missing: a lost packet, a jump of the clock.
    pub gaps: u64,
    /// How far pictures come from their time, on the average (RFC 3550 section 6.4.1, not
    /// smoothed).
    pub jitter: Duration,
    /// It comes in pieces, as HLS does, so its pictures cannot come evenly.
    pub in_pieces: bool,
    /// Longest silence between two pictures.
    pub longest_gap: Duration,
    /// Keyframes, or pictures of MJPEG, that were byte for byte the one before.
    pub repeated: u64,
    /// Keyframes that could have been.
    pub keyframes: u64,
    /// How often another single picture was asked for and was the same as before, byte for byte.
    pub unchanged: u64,
    /// How long after one single picture the next is asked for, where it is so.
    pub asked_every: Option<Duration>,
    /// It came to its end by itself.
    pub has_ended: bool,
    /// How far the camera's clock is ahead of ours (negative: behind), in seconds, where its
    /// protocol tells the time.
    pub clock_ahead_s: Option<f64>,
}

/// Looks at what comes.
pub(super) struct Watch {
    cursor: Cursor,
    last: Option<(Instant, Timestamp)>,
    /// How long the pictures took to come, and how long they are by their own times.
    took: Duration,
    lasted: Duration,
    last_key: Option<Packet>,
    intervals: Vec<Duration>,
    deviation: Duration,
    bytes: u64,
    found: Health,
}

/// Most keyframe intervals that are remembered.
const MOST_INTERVALS: usize = 1024;

impl Watch {
    pub(super) fn new(feed: &Feed) -> Self {
        Self {
            cursor: feed.cursor(Start::Keyframe),
            last: None,
            took: Duration::ZERO,
            lasted: Duration::ZERO,
            last_key: None,
            intervals: Vec::new(),
            deviation: Duration::ZERO,
            bytes: 0,
            found: Health::default(),
        }
    }

    /// Looks until the feed is closed. Cancel-safe.
    pub(super) async fn run(&mut self) {
        while let Ok(entry) = self.cursor.next().await {
            let is_video = entry.tracks.video().is_some_and(|track| track.id == entry.packet.track);
            self.look(&entry.packet, is_video);
        }
    }

    fn look(&mut self, packet: &Packet, is_video: bool) {
        self.bytes += packet.data.len() as u64;
        if !is_video {
            return;
        }
        let found = &mut self.found;
        found.pictures += 1;
        found.damaged += u64::from(packet.corrupt);
        found.gaps += u64::from(packet.discontinuity);
        if let Some((arrived, dts)) = self.last {
            let waited = packet.received.saturating_duration_since(arrived);
            found.longest_gap = found.longest_gap.max(waited);
            // They come in the order in which they are decoded: of B-frames the times at which they
            // are shown jump to and fro, however evenly they come.
            let step = packet.dts.saturating_since(dts);
            self.deviation += waited.abs_diff(step);
            self.took += waited;
            // Where something is missing its clock may have jumped.
            self.lasted += if packet.discontinuity { waited } else { step };
        }
        self.last = Some((packet.received, packet.dts));
        found.clock_ahead_s = clock_ahead(packet).or(found.clock_ahead_s);
        if packet.key {
            if let Some(last) = &self.last_key {
                found.keyframes += 1;
                found.repeated += u64::from(last.data == packet.data);
                if self.intervals.len() < MOST_INTERVALS {
                    self.intervals.push(packet.pts.saturating_since(last.pts));
                }
            }
            self.last_key = Some(packet.clone());
        }
    }

    /// Pictures a second, after so long a silence.
    fn fps(&self, silence: Duration) -> f64 {
        // A burst is no faster a camera, and what is late no slower one than it took to come. Silence is counted
        // as far as there was none as long before: between the pieces of HLS it belongs there.
        let more = silence.saturating_sub(2 * self.found.longest_gap);
        let span = (self.took.max(self.lasted) + more).as_secs_f64();
        if span > 0.0 { self.found.pictures.saturating_sub(1) as f64 / span } else { 0.0 }
    }

    /// What was found. If the source `has_ended`, there is nothing that it was silent of at last.
    pub(super) fn finish(mut self, watched: Duration, has_ended: bool, source: &Supervisor) -> Health {
        self.intervals.sort_unstable();
        // A capture is silent where it ends.
        let is_silent = !has_ended && source.age_s() == 0.0;
        let silence = self.last.filter(|_| is_silent).map_or(Duration::ZERO, |(arrived, _)| arrived.elapsed());
        let status = source.status();
        let status = status.borrow();
        let declared = status.tracks.video().and_then(|track| track.video()).and_then(|video| video.sane_frame_rate());
        let steps = u32::try_from(self.found.pictures.saturating_sub(1)).unwrap_or(u32::MAX);
        Health {
            watched,
            fps: self.fps(silence),
            fps_declared: declared,
            keyframe_interval: self.intervals.get(self.intervals.len() / 2).copied(),
            bit_rate: self.bytes as f64 * 8.0 / watched.as_secs_f64().max(0.001),
            jitter: self.deviation.checked_div(steps).unwrap_or_default(),
            clock_ahead_s: self.found.clock_ahead_s.map(|ahead| ahead + source.age_s()),
            unchanged: source.vitals().unchanged,
            has_ended,
            ..self.found
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media::TrackId;

    use super::*;

    #[test]
    fn pictures_that_come_evenly_have_no_jitter_whatever_their_order() {
        let (_publisher, feed) = Feed::new(feed::Limits::default());
        let (mut watch, start) = (Watch::new(&feed), Instant::now());
        for (at, shown) in [0, 3, 1, 2, 6, 4, 5].into_iter().enumerate() {
            watch.look(&packet(start, 100 * at as u64, 100 * at as i64, 100 * (shown + 1)), true);
        }
        assert_eq!((watch.deviation, watch.found.pictures), (Duration::ZERO, 7));
        assert!((watch.fps(Duration::ZERO) - 10.0).abs() < 0.01);
    }

    #[test]
    fn bursts_are_as_fast_as_their_times_and_what_comes_late_is_slow() {
        let (_publisher, feed) = Feed::new(feed::Limits::default());
        let start = Instant::now();
        let watched = |arrives: fn(u64) -> u64| {
            let mut watch = Watch::new(&feed);
            (0..100).for_each(|at| watch.look(&packet(start, arrives(at), 40 * at as i64, 40 * at as i64), true));
            watch
        };
        let is = |found: f64, expected: f64| assert!((found - expected).abs() < 0.2, "{found}");
        // In pieces of a second.
        let pieces = watched(|at| at / 25 * 1000);
        is(pieces.fps(Duration::ZERO), 25.0);
        is(pieces.fps(Duration::from_millis(1900)), 25.0);
        is(pieces.fps(Duration::from_secs(6)), 12.5);
        is(watched(|at| at * 80).fps(Duration::ZERO), 12.5);
    }

    fn packet(start: Instant, arrives_ms: u64, dts_ms: i64, pts_ms: i64) -> Packet {
        let stamp = |ms: i64| Timestamp::from_ticks(ms, 1, 1000);
        Packet {
            track: TrackId(0),
            pts: stamp(pts_ms),
            dts: stamp(dts_ms),
            duration: None,
            key: dts_ms == 0,
            corrupt: false,
            discontinuity: false,
            received: start + Duration::from_millis(arrives_ms),
            captured: None,
            data: Bytes::from_static(b"x"),
        }
    }
}
