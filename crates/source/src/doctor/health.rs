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
    /// Pictures a second, measured.
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
    /// Longest silence between two pictures.
    pub longest_gap: Duration,
    /// Keyframes, or pictures of MJPEG, that were byte for byte the one before.
    pub repeated: u64,
    /// Keyframes that could have been.
    pub keyframes: u64,
    /// How far the camera's clock is ahead of ours (negative: behind), in seconds, where its
    /// protocol tells the time.
    pub clock_ahead_s: Option<f64>,
}

/// Looks at what comes.
pub(super) struct Watch {
    cursor: Cursor,
    last: Option<(Instant, Timestamp)>,
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
            self.deviation += waited.abs_diff(packet.dts.saturating_since(dts));
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

    pub(super) fn finish(mut self, watched: Duration, source: &Supervisor) -> Health {
        self.intervals.sort_unstable();
        let counters = source.counters();
        let status = source.status();
        let status = status.borrow();
        let declared = status.tracks.video().and_then(|track| track.video()).and_then(|video| video.sane_frame_rate());
        let steps = u32::try_from(self.found.pictures.saturating_sub(1)).unwrap_or(u32::MAX);
        Health {
            watched,
            fps: counters.fps,
            fps_declared: declared,
            keyframe_interval: self.intervals.get(self.intervals.len() / 2).copied(),
            bit_rate: self.bytes as f64 * 8.0 / watched.as_secs_f64().max(0.001),
            jitter: self.deviation.checked_div(steps).unwrap_or_default(),
            clock_ahead_s: self.found.clock_ahead_s.map(|ahead| ahead + source.age_s()),
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
        let (publisher, feed) = Feed::new(feed::Limits::default());
        let (mut watch, start) = (Watch::new(&feed), Instant::now());
        for (at, shown) in [0, 3, 1, 2, 6, 4, 5].into_iter().enumerate() {
            let at = at as i64;
            let stamp = |ms: i64| Timestamp::from_ticks(ms, 1, 1000);
            let packet = Packet {
                track: TrackId(0),
                pts: stamp(100 * (shown + 1)),
                dts: stamp(100 * at),
                duration: None,
                key: at == 0,
                corrupt: false,
                discontinuity: false,
                received: start + Duration::from_millis(100 * at.unsigned_abs()),
                captured: None,
                data: Bytes::from_static(b"x"),
            };
            watch.look(&packet, true);
        }
        assert_eq!((watch.deviation, watch.found.pictures), (Duration::ZERO, 7));
        drop(publisher);
    }
}
