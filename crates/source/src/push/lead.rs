//! How what comes faster than it plays is held back.

use std::time::{Duration, Instant};

use media::Timestamp;

/// A recording that is sent as fast as the line allows, held to real time; what comes as it
/// is made is not touched.
#[derive(Default)]
pub(super) struct Lead {
    start: Option<(Instant, Timestamp)>,
}

impl Lead {
    /// How far ahead of its time a picture may be published. A demuxer that looks at two
    /// seconds before it says what it has found hands them on at once, and that must not
    /// become a delay for good.
    const MOST: Duration = Duration::from_secs(3);
    /// A stamp that is further ahead is a jump of the sender's clock.
    const JUMP: Duration = Duration::from_secs(30);
    /// Nanoseconds of a second by which a sender's clock may be fast: one that is never held
    /// back, however long it sends.
    const DRIFT: u64 = 1_000_000;

    /// When a picture of time `at` that comes `now` is to be published, if that is later.
    pub(super) fn due(&mut self, now: Instant, at: Timestamp) -> Option<Instant> {
        let (start, zero) = *self.start.get_or_insert((now, at));
        if at < zero {
            self.start = Some((now, at));
            return None;
        }
        let played = at.saturating_since(zero);
        let drift = Duration::from_nanos(played.as_secs().saturating_mul(Self::DRIFT));
        let due = (start + (played - drift.min(played))).checked_sub(Self::MOST)?;
        let wait = due.saturating_duration_since(now);
        if wait > Self::JUMP {
            self.start = Some((now, at));
        }
        (!wait.is_zero() && wait <= Self::JUMP).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ticks(ms, 1, 1000)
    }

    #[test]
    fn a_recording_is_held_to_real_time_three_seconds_ahead() {
        let (mut lead, now) = (Lead::default(), Instant::now());
        assert_eq!(lead.due(now, at(50_000)), None);
        assert_eq!(lead.due(now, at(53_000)), None);
        let due = lead.due(now, at(55_000)).unwrap() - now;
        assert!((1990..=2000).contains(&due.as_millis()), "{due:?}");
    }

    #[test]
    fn a_camera_whose_clock_is_fast_is_never_held_back() {
        let (mut lead, now) = (Lead::default(), Instant::now());
        // A day, two seconds of which come at once, on a clock that is 200 millionths fast.
        for second in 0..86_400_u64 {
            let stamp = at((second * 1000 + second / 5).cast_signed());
            let comes = now + Duration::from_secs(second.saturating_sub(2));
            assert_eq!(lead.due(comes, stamp), None, "second {second}");
        }
    }

    #[test]
    fn stamps_that_jump_are_no_pause() {
        let (mut lead, now) = (Lead::default(), Instant::now());
        for stamp in [0, 90_000_000, 90_000_040, -5, 40] {
            assert_eq!(lead.due(now, at(stamp)), None);
        }
    }
}
