//! Where FFmpeg has passed over a piece of a list.
//!
//! Its demuxers of HLS and DASH go on with the next piece when one cannot be had, or when they find
//! their place in a list that has moved on meanwhile, and say so in the log only. What they bring tells it: a
//! picture comes later than the one before it ends.

use std::time::Duration;

use media::{Timestamp, Unit};

/// How much later a picture may come without anything missing: demuxers guess how long the last
/// one of a piece is.
const SLACK: Duration = Duration::from_millis(100);

/// The pictures of one track.
#[derive(Default)]
pub(super) struct Steps {
    /// When the last one came, and how long it is, told or guessed.
    last: Option<(Timestamp, Duration)>,
}

impl Steps {
    /// Whether something is missing before this one.
    pub(super) fn skips(&mut self, unit: &Unit) -> bool {
        let Some(at) = unit.dts.or(unit.pts) else { return false };
        let step = self.last.map(|(last, _)| at.saturating_since(last));
        let skips = self.last.zip(step).is_some_and(|((_, long), step)| {
            // Of slow ones the guess is as much farther off.
            !long.is_zero() && step > long + SLACK.max(long / 2)
        });
        let guess = if skips { self.last.map(|(_, long)| long) } else { step };
        self.last = Some((at, unit.duration.or(guess).unwrap_or_default()));
        skips
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media::TrackId;

    use super::*;

    /// Which of the pictures at these milliseconds, each of `long`, have something missing before them.
    fn skipped(times: &[i64], long: Option<u64>) -> Vec<i64> {
        let mut steps = Steps::default();
        let mut skips = |at: i64| {
            let dts = Some(Timestamp::from_nanos(at * 1_000_000));
            let duration = long.map(Duration::from_millis);
            steps.skips(&Unit { dts, duration, ..Unit::picture(TrackId(0), Bytes::from_static(b"x")) })
        };
        times.iter().copied().filter(|at| skips(*at)).collect()
    }

    #[test]
    fn a_piece_that_was_passed_over_shows_in_the_times_of_what_follows() {
        for long in [Some(40), None] {
            assert_eq!(skipped(&[0, 40, 80, 880, 920, 960, 1760], long), [880, 1760], "{long:?}");
            assert_eq!(skipped(&[0, 40, 80, 160, 200], long), [0; 0], "one that the encoder left out");
            assert_eq!(skipped(&[5000, 5040, 0, 40, 80], long), [0; 0], "from the begin again");
        }
        assert_eq!(skipped(&[0, 1000, 2000, 4000], Some(1000)), [4000]);
        assert_eq!(skipped(&[0, 1000, 2300], Some(1000)), [0; 0]);
    }
}
