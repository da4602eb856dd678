//! How long to wait before the next attempt, and after what there is none.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::Error;

/// The first wait for a source that refuses the login.
const FIRST_REFUSED: Duration = Duration::from_secs(5);
/// The longest wait for a source that refuses the login: cameras lock accounts.
const MOST_REFUSED: Duration = Duration::from_secs(60);
/// Failures after which waits grow no more, whatever the factor.
const MOST_STEPS: u32 = 64;

/// How a source that failed is opened again.
#[derive(Clone, Debug, PartialEq)]
pub struct Backoff {
    /// The first wait, and the first after pictures had come.
    pub first: Duration,
    /// The longest wait for a source that is away.
    pub most: Duration,
    /// How much longer each wait is than the one before; 1 or more.
    pub factor: f64,
    /// Up to this part of a wait (0 to 1) is taken off at random, so that a hundred cameras behind
    /// one switch do not come back in step.
    pub jitter: f64,
    /// Attempts that may fail in a row before the source is given up; any number without.
    pub attempts: Option<u32>,
    /// Open it again after it has ended in order or hung up.
    pub on_end: bool,
    /// Open it again after a time-out.
    pub on_stall: bool,
    /// Open it again after any other failure.
    pub on_error: bool,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            most: Duration::from_secs(10),
            factor: 2.0,
            jitter: 0.2,
            attempts: None,
            on_end: true,
            on_stall: true,
            on_error: true,
        }
    }
}

impl Backoff {
    /// The wait after `failures` failed attempts in a row (1 or more). One that was `refused` the
    /// login is longer.
    pub(crate) fn wait(&self, failures: u32, refused: bool) -> Duration {
        let (first, most) = match refused {
            true => (self.first.max(FIRST_REFUSED), self.most.max(MOST_REFUSED)),
            false => (self.first, self.most),
        };
        self.wait_between((first, most), failures)
    }

    /// The wait after `failures` failed attempts in a row, where the first and the longest one are
    /// not its own.
    pub(crate) fn wait_between(&self, (first, most): (Duration, Duration), failures: u32) -> Duration {
        let steps = failures.saturating_sub(1).min(MOST_STEPS) as i32;
        let grown = first.as_secs_f64() * self.factor.max(1.0).powi(steps);
        let grown = Duration::try_from_secs_f64(grown).unwrap_or(most).min(most);
        let jitter = if self.jitter.is_nan() { 0.0 } else { self.jitter.clamp(0.0, 1.0) };
        // The standard library's hasher keys are its only source of randomness; enough here.
        let random = RandomState::new().hash_one(failures) % 1000;
        grown.mul_f64(1.0 - jitter * random as f64 / 1000.0)
    }

    /// Whether there is no attempt any more after `failures` in a row, the last one with `error`.
    pub(crate) fn gives_up(&self, failures: u32, error: &Error) -> bool {
        let again = match error {
            Error::Ended { .. } => self.on_end,
            Error::Timeout { .. } => self.on_stall,
            _ => self.on_error,
        };
        !again || self.attempts.is_some_and(|most| failures > most)
    }
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
            let wait = Backoff::default().wait(failures, refused);
            let most = Duration::from_millis(most_ms);
            assert!(wait <= most && wait >= most.mul_f64(0.799), "{failures} failures: {wait:?}");
        }
    }

    #[test]
    fn absurd_numbers_give_waits_within_the_bound() {
        for (factor, jitter) in [(f64::INFINITY, 0.0), (f64::NAN, f64::NAN), (1e300, 9.0), (0.0, -1.0)] {
            let backoff = Backoff { factor, jitter, ..Backoff::default() };
            assert!(backoff.wait(9, false) <= backoff.most, "{backoff:?}");
        }
    }

    #[test]
    fn a_source_is_given_up_after_its_attempts_and_after_what_was_said() {
        let lost = Error::Ended { what: None };
        let backoff = Backoff { attempts: Some(2), ..Backoff::default() };
        assert_eq!([1, 2, 3].map(|failures| backoff.gives_up(failures, &lost)), [false, false, true]);
        let backoff = Backoff { on_end: false, ..Backoff::default() };
        let away = Error::Unreachable { what: "gone".into() };
        assert!(backoff.gives_up(1, &lost) && !backoff.gives_up(u32::MAX, &away));
    }
}
