//! Time in an RTSP session: one zero for all its streams, and the camera's wall clock.

use std::time::{Duration, Instant, SystemTime};

use media::Timestamp;
use rtsp::SenderClock;
use rtsp::unpack::Ticks;

/// Streams whose zeros, which the server tells with PLAY, lie farther apart than this are
/// put together by their time of arrival.
const LIKELY: Duration = Duration::from_secs(2);

/// The clocks of a session's streams.
#[derive(Default)]
pub(super) struct Clocks {
    /// Arrival and stamp of the session's first unit.
    first: Option<(Instant, Timestamp)>,
    streams: Vec<Clock>,
}

#[derive(Clone, Copy)]
struct Clock {
    ticks: Ticks,
    /// Ticks a second.
    rate: u32,
    /// Nanoseconds to add to its stamps, once it has sent anything.
    shift: Option<i64>,
    /// The newest sender report.
    report: Option<Report>,
}

/// A sender report (RFC 3550 section 6.4.1): this stamp was at that time.
#[derive(Clone, Copy)]
struct Report {
    at: Timestamp,
    wall: SystemTime,
}

impl Clocks {
    /// Adds a stream whose clock has so many ticks a second, with its RTP time at the begin of the session
    /// where it is known.
    pub(super) fn add(&mut self, rate: u32, zero: Option<u32>) {
        self.streams.push(Clock { ticks: Ticks::new(zero), rate: rate.max(1), shift: None, report: None });
    }

    /// An RTP time of what `stream` sent, by its own clock.
    pub(super) fn stamp(&mut self, stream: usize, timestamp: u32) -> Timestamp {
        let clock = &mut self.streams[stream];
        Timestamp::from_ticks(clock.ticks.advance(timestamp), 1, clock.rate)
    }

    /// The place of a stamp of `stream` on the session's clock.
    pub(super) fn place(&mut self, stream: usize, at: Timestamp, now: Instant) -> Timestamp {
        let (then, zero) = *self.first.get_or_insert((now, at));
        let shift = *self.streams[stream].shift.get_or_insert_with(|| {
            // What was held came before what is there already.
            let zero = match now >= then {
                true => zero + (now - then),
                false => zero - (then - now),
            };
            let off = zero.as_nanos().saturating_sub(at.as_nanos());
            if u128::from(off.unsigned_abs()) > LIKELY.as_nanos() { off } else { 0 }
        });
        Timestamp::from_nanos(at.as_nanos().saturating_add(shift))
    }

    /// Takes what the sender of `stream` tells of its clock.
    pub(super) fn report(&mut self, stream: usize, told: SenderClock) {
        let clock = &mut self.streams[stream];
        let at = Timestamp::from_ticks(clock.ticks.place(told.timestamp), 1, clock.rate);
        if let Some(wall) = told.wall() {
            clock.report = Some(Report { at, wall });
        }
    }

    /// The camera's wall clock at a stamp; nothing before its first report.
    pub(super) fn captured(&self, stream: usize, at: Timestamp) -> Option<SystemTime> {
        let Report { at: reported, wall } = self.streams[stream].report?;
        match at >= reported {
            true => wall.checked_add(at.saturating_since(reported)),
            false => wall.checked_sub(reported.saturating_since(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clocks(count: usize) -> Clocks {
        let mut clocks = Clocks::default();
        (0..count).for_each(|_| clocks.add(90_000, Some(0)));
        clocks
    }

    fn at(ticks: i64) -> Timestamp {
        Timestamp::from_ticks(ticks, 1, 90_000)
    }

    /// A sender report with this NTP time and an RTP time of 90000.
    fn report(ntp_seconds: u64) -> SenderClock {
        SenderClock { ntp: ntp_seconds << 32 | 0x8000_0000, timestamp: 90_000 }
    }

    #[test]
    fn the_wall_clock_runs_both_ways_from_the_last_report() {
        let mut clocks = clocks(2);
        assert_eq!(clocks.captured(0, at(0)), None);
        clocks.report(0, report(2_208_988_800 + 1000));
        let wall = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        assert_eq!(clocks.captured(0, at(90_000)), Some(wall(1_000_500)));
        assert_eq!(clocks.captured(0, at(99_000)), Some(wall(1_000_600)));
        assert_eq!(clocks.captured(0, at(0)), Some(wall(999_500)));
        assert_eq!(clocks.captured(1, at(0)), None);
    }

    #[test]
    fn a_clock_that_was_never_set_is_no_wall_clock() {
        let mut clocks = clocks(1);
        clocks.report(0, report(4711));
        assert_eq!(clocks.captured(0, at(90_000)), None);
    }

    #[test]
    fn streams_keep_the_distance_the_server_tells_unless_it_is_absurd() {
        let now = Instant::now();
        let mut clocks = clocks(3);
        let mut place = |stream, ticks, now| {
            let at = clocks.stamp(stream, ticks);
            clocks.place(stream, at, now)
        };
        assert_eq!(place(0, 900, now), at(900));
        assert_eq!(place(1, 90_000, now), at(90_000));
        let later = now + Duration::from_millis(100);
        assert_eq!(place(2, 90_000_000, later), Timestamp::from_nanos(110_000_000));
        assert_eq!(place(2, 90_009_000, later), Timestamp::from_nanos(210_000_000));
    }
}
