//! How long a server may be silent while it streams.

use std::time::{Duration, Instant};

use crate::Error;

/// Shortest silence that counts as a stall.
const STALL: Duration = Duration::from_secs(10);
/// Longest time without a byte of any kind.
const DEAD: Duration = Duration::from_secs(60);

/// Watches for data. Rates differ (a picture in a minute is one, too), so that the longest
/// gap so far, three times, is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    /// When data came, or was asked for.
    data: Instant,
    /// When anything came.
    bytes: Instant,
    longest_gap: Duration,
}

impl Silence {
    /// Data has been asked for.
    pub(super) fn new(now: Instant) -> Self {
        Self { data: now, bytes: now, longest_gap: Duration::ZERO }
    }

    /// Something came, pings included.
    pub(super) fn handle_bytes(&mut self, now: Instant) {
        self.bytes = self.bytes.max(now);
    }

    /// Data came.
    pub(super) fn handle_data(&mut self, now: Instant) {
        self.longest_gap = self.longest_gap.max(now.saturating_duration_since(self.data));
        self.data = self.data.max(now);
        self.handle_bytes(now);
    }

    fn stall(&self) -> Duration {
        STALL.max(self.longest_gap.saturating_mul(3))
    }

    /// When it has been silent for too long.
    pub(super) fn deadline(&self) -> Instant {
        let dead = self.bytes + DEAD;
        self.data.checked_add(self.stall()).map_or(dead, |stall| stall.min(dead))
    }

    /// # Errors
    /// When it has been silent for too long.
    pub(super) fn check(&self, now: Instant) -> Result<(), Error> {
        let timeout = |waiting_for, after| Err(Error::Timeout { waiting_for, after });
        if now.saturating_duration_since(self.bytes) >= DEAD {
            timeout("byte from the server", DEAD)
        } else if now.saturating_duration_since(self.data) >= self.stall() {
            timeout("data", self.stall())
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::epoch;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_stall_is_three_times_the_longest_gap() {
        let zero = epoch();
        let mut silence = Silence::new(zero);
        assert_eq!(silence.deadline(), zero + seconds(10));
        silence.handle_data(zero + seconds(5));
        assert_eq!(silence.deadline(), zero + seconds(5 + 15));
        silence.handle_data(zero + seconds(6));
        assert_eq!(silence.deadline(), zero + seconds(6 + 15));
        assert_eq!(silence.check(zero + seconds(6 + 15) - Duration::from_nanos(1)), Ok(()));
        let stall = Error::Timeout { waiting_for: "data", after: seconds(15) };
        assert_eq!(silence.check(zero + seconds(6 + 15)), Err(stall));
    }

    #[test]
    fn pings_keep_a_slow_stream_alive_and_a_minute_without_any_ends_it() {
        let zero = epoch();
        let mut silence = Silence::new(zero);
        silence.handle_data(zero + seconds(25));
        assert_eq!(silence.deadline(), zero + seconds(25 + 60));
        let dead = Error::Timeout { waiting_for: "byte from the server", after: DEAD };
        assert_eq!(silence.check(zero + seconds(25 + 60)), Err(dead));
        silence.handle_bytes(zero + seconds(55));
        assert_eq!(silence.deadline(), zero + seconds(25 + 75));
    }
}
