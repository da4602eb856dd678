//! From a feed's timeline to the 32-bit milliseconds of ASF.

use std::time::Duration;

use media::Timestamp;

/// How far, in ms, a time must lie before the last one for the clock to have been set back.
const SET_BACK: i64 = 5000;

/// Times in milliseconds since the begin; those of units may lie before it.
pub(super) struct Clock {
    origin: Option<Timestamp>,
    preroll: i64,
    sent: i64,
}

impl Clock {
    pub(super) fn new(origin: Option<Timestamp>, preroll: Duration) -> Self {
        let preroll = u32::try_from(preroll.as_millis()).unwrap_or(u32::MAX);
        Self { origin, preroll: preroll.into(), sent: 0 }
    }

    /// Milliseconds from the begin to `at`, which becomes the begin if there is none.
    pub(super) fn time(&mut self, at: Timestamp) -> i64 {
        let origin = self.origin.get_or_insert(at).as_nanos();
        let nanos = i128::from(at.as_nanos()) - i128::from(origin);
        i64::try_from((nanos + 500_000).div_euclid(1_000_000)).expect("a difference of nanoseconds in milliseconds")
    }

    /// When to show what has this time, preroll included. Before the file begins there is
    /// nothing: what lies further back than the preroll is shown at once.
    pub(super) fn presentation(&self, time: i64) -> u64 {
        u64::try_from(time.saturating_add(self.preroll)).unwrap_or(0)
    }

    /// When to send a packet that begins with this time: rising, unless the clock was set back.
    pub(super) fn send(&mut self, time: i64) -> u64 {
        self.sent = if time < self.sent.saturating_sub(SET_BACK) { time } else { time.max(self.sent) }.max(0);
        self.sent.unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock::new(None, Duration::from_millis(100))
    }

    #[test]
    fn the_first_time_is_the_begin() {
        let mut clock = clock();
        let ms = |ms| Timestamp::from_ticks(ms, 1, 1000);
        assert_eq!(clock.time(ms(5000)), 0);
        assert_eq!(clock.time(ms(5040)), 40);
        assert_eq!(clock.time(ms(4950)), -50);
        assert_eq!((clock.presentation(-50), clock.presentation(-500)), (50, 0));
        assert_eq!(Clock::new(Some(ms(1)), Duration::ZERO).time(ms(5)), 4);
    }

    #[test]
    fn times_from_end_to_end_do_not_overflow() {
        let mut clock = clock();
        assert_eq!(clock.time(Timestamp::from_nanos(i64::MIN)), 0);
        let far = clock.time(Timestamp::from_nanos(i64::MAX));
        assert_eq!(far, 18_446_744_073_710);
        assert_eq!(clock.presentation(i64::MAX), i64::MAX as u64);
    }

    #[test]
    fn send_times_rise_until_the_clock_is_set_back() {
        let mut clock = clock();
        assert_eq!([-40, 40, 20, 10_000, 9_000, 100].map(|time| clock.send(time)), [0, 40, 40, 10_000, 10_000, 100]);
    }
}
