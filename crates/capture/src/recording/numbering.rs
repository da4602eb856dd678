//! Which number a frame has.
//!
//! The frames of a recording are numbered in the order in which they are shown, those included
//! that cannot be decoded or are skipped undecoded. So the number of a frame follows from the
//! times of the packets that went into the decoder, and is the same whether the recording was
//! read up to there or a seek led there.

use std::collections::BTreeSet;

use media::Timestamp;

/// Packets whose pictures may be inside of a decoder, with those it will never show.
const MOST_WAITING: usize = 512;

#[derive(Default)]
pub(super) struct Numbering {
    waiting: BTreeSet<Timestamp>,
    next: u64,
    /// Packets without a time have come: then frames are counted as they are shown.
    counts: bool,
    /// The first frame that has a number of its own, after a seek.
    from: Option<Timestamp>,
}

impl Numbering {
    /// Begins anew, with `next` as the number of the frame at `from`.
    pub(super) fn restart(&mut self, next: u64, from: Option<Timestamp>) {
        let counts = self.counts;
        *self = Self { next, from, counts, ..Self::default() };
    }

    /// The number that the next frame gets if none is left out.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// A packet whose picture is to be shown at `pts` went into the decoder.
    pub(super) fn sent(&mut self, pts: Option<Timestamp>) {
        match pts {
            None => self.counts = true,
            Some(pts) if self.from.is_some_and(|from| pts < from) => {}
            Some(pts) => {
                self.waiting.insert(pts);
                if self.waiting.len() > MOST_WAITING {
                    self.waiting.pop_first();
                    self.next += 1;
                }
            }
        }
    }

    /// The number of the frame that came out of the decoder; nothing for one before the place that
    /// was sought.
    pub(super) fn shown(&mut self, pts: Option<Timestamp>) -> Option<u64> {
        if pts.zip(self.from).is_some_and(|(pts, from)| pts < from) {
            return None;
        }
        if let Some(pts) = pts.filter(|pts| !self.counts && self.waiting.contains(pts)) {
            if self.waiting.first() != Some(&pts) {
                let later = self.waiting.split_off(&pts);
                self.next += self.waiting.len() as u64;
                self.waiting = later;
            }
            self.waiting.pop_first();
        }
        self.next += 1;
        Some(self.next - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Option<Timestamp> {
        Some(Timestamp::from_ticks(ms, 1, 1000))
    }

    #[test]
    fn pictures_that_never_come_out_have_numbers_too() {
        let mut numbering = Numbering::default();
        [0, 120, 40, 80].into_iter().for_each(|ms| numbering.sent(at(ms)));
        assert_eq!([0, 80, 120].map(|ms| numbering.shown(at(ms))), [Some(0), Some(2), Some(3)]);
    }

    #[test]
    fn what_lies_before_the_place_sought_has_none() {
        let mut numbering = Numbering::default();
        numbering.restart(2, at(80));
        [0, 120, 40, 80].into_iter().for_each(|ms| numbering.sent(at(ms)));
        assert_eq!([0, 40, 80, 120].map(|ms| numbering.shown(at(ms))), [None, None, Some(2), Some(3)]);
    }

    #[test]
    fn without_times_frames_are_counted() {
        let mut numbering = Numbering::default();
        [None, at(5), None].into_iter().for_each(|pts| numbering.sent(pts));
        assert_eq!([None, at(5), None].map(|pts| numbering.shown(pts)), [Some(0), Some(1), Some(2)]);
    }
}
