//! How long to wait before the next attempt.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The first wait, and the first after pictures had come.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait for a source that is away.
const MOST: Duration = Duration::from_secs(10);
/// The first wait after a refused login.
const FIRST_REFUSED: Duration = Duration::from_secs(5);
/// The longest wait for a source that refuses the login: cameras lock accounts.
const MOST_REFUSED: Duration = Duration::from_secs(60);

/// The wait after `failures` failed attempts in a row (1 or more), up to a fifth of it
/// taken off at random, so that a hundred cameras behind one switch do not come back
/// in step.
pub(crate) fn wait(failures: u32, refused: bool) -> Duration {
    let (first, most) = if refused { (FIRST_REFUSED, MOST_REFUSED) } else { (FIRST, MOST) };
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16));
    // The standard library's hasher keys are its only source of randomness; enough here.
    let random = RandomState::new().hash_one(failures) % 1000;
    doubled.min(most).mul_f64(1.0 - 0.2 * random as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_bound_and_are_never_shorter_than_four_fifths() {
        for (failures, refused, most_ms) in
            [(1, false, 500), (2, false, 1000), (5, false, 8000), (6, false, 10_000), (u32::MAX, false, 10_000)]
                .into_iter()
                .chain([(1, true, 5000), (2, true, 10_000), (9, true, 60_000)])
        {
            let wait = wait(failures, refused);
            let most = Duration::from_millis(most_ms);
            assert!(wait <= most && wait >= most.mul_f64(0.799), "{failures} failures: {wait:?}");
        }
    }
}
