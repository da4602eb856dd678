//! From instants to the wall clock.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall-clock time of `instant`, by one reading of both clocks per process: the
/// order of two instants is the order of their times, also when the clock was set.
pub(crate) fn wall(instant: Instant) -> SystemTime {
    static ANCHOR: OnceLock<(Instant, SystemTime)> = OnceLock::new();
    let (zero, time) = *ANCHOR.get_or_init(|| (Instant::now(), SystemTime::now()));
    match instant.checked_duration_since(zero) {
        Some(after) => time + after,
        None => time.checked_sub(zero.saturating_duration_since(instant)).unwrap_or(UNIX_EPOCH),
    }
}

/// The time since the epoch; zero before it.
pub(crate) fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A picture's public number: the microsecond it arrived in. The same picture has the
/// same number in all sizes and formats, and numbers rise for as long as the relay runs.
pub(crate) fn sequence(received: Instant) -> u64 {
    u64::try_from(since_epoch(wall(received)).as_micros()).unwrap_or(u64::MAX)
}
