//! Which frames are given at all.

use std::time::Duration;

use crate::Every;

/// Lets frames through, as [`crate::Options::every`] says.
pub(crate) struct Gate {
    every: Option<Every>,
    seen: u64,
    due: Option<Duration>,
    /// The frame asked for last.
    last: Option<Duration>,
}

impl Gate {
    pub(crate) fn new(every: Option<Every>) -> Self {
        Self { every, seen: 0, due: None, last: None }
    }

    /// Begins anew, after a seek.
    pub(crate) fn restart(&mut self) {
        *self = Self::new(self.every);
    }

    /// Whether a frame at `pts` is given. To be asked for every frame in order.
    pub(crate) fn lets(&mut self, pts: Duration) -> bool {
        match self.every {
            None => true,
            Some(Every::Nth(n)) => {
                let due = self.seen.is_multiple_of(u64::from(n.max(1)));
                self.seen += 1;
                due
            }
            Some(Every::Rate(rate)) => {
                let interval = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX);
                // Cameras jitter: one that is early by little is the one meant.
                let step = self.last.replace(pts).map_or(Duration::ZERO, |last| pts.saturating_sub(last));
                let early = (interval / 8).min(step / 2);
                if self.due.is_some_and(|due| pts.saturating_add(early) < due) {
                    return false;
                }
                // On the beat if the source keeps it, else from this frame on.
                let on_beat = self.due.map(|due| due.saturating_add(interval)).filter(|next| *next > pts);
                self.due = Some(on_beat.unwrap_or_else(|| pts.saturating_add(interval)));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(every: Every, frames: u64) -> Vec<u64> {
        let mut gate = Gate::new(Some(every));
        (0..frames).filter(|frame| gate.lets(Duration::from_millis(frame * 40))).collect()
    }

    #[test]
    fn every_third_frame_begins_with_the_first() {
        assert_eq!(given(Every::Nth(3), 10), [0, 3, 6, 9]);
    }

    #[test]
    fn a_rate_is_kept_on_average() {
        assert_eq!(given(Every::Rate(5.0), 250).len(), 50);
        assert_eq!(given(Every::Rate(10.0), 250).len(), 100);
        assert_eq!(given(Every::Rate(100.0), 250).len(), 250);
        assert_eq!(given(Every::Rate(1e-300), 250), [0]);
    }
}
