//! Decoding times for pictures that only have presentation times, as in RTP.

use std::collections::VecDeque;

/// Most pictures that may overtake one: encoders reorder by two or three (H.264 allows 16).
/// One that more have overtaken is not reordered, its clock was set back.
const MOST: usize = 8;

/// Learns by how many pictures a track is reordered, and gives each the presentation time
/// that comes next in order, so many pictures back.
#[derive(Default, Clone)]
pub(super) struct Reorder {
    depth: usize,
    /// The last presentation times, in decoding order.
    recent: VecDeque<i128>,
    /// Presentation times not yet given out, rising.
    waiting: Vec<i128>,
}

impl Reorder {
    /// Whether a picture of this presentation time cannot be a reordered one.
    pub(super) fn is_beyond(&self, pts: i128) -> bool {
        self.overtaken_by(pts) > MOST
    }

    /// When to decode the next picture: never after `pts` once the order is known. May
    /// repeat or fall back; the caller makes it rise.
    pub(super) fn decode_at(&mut self, pts: i128) -> i128 {
        self.depth = self.depth.max(self.overtaken_by(pts));
        if self.recent.len() > MOST {
            self.recent.pop_front();
        }
        self.recent.push_back(pts);
        let place = self.waiting.partition_point(|waiting| *waiting <= pts);
        self.waiting.insert(place, pts);
        let mut next = self.waiting[0];
        while self.waiting.len() > self.depth {
            next = self.waiting.remove(0);
        }
        next
    }

    /// Forgets the pictures, not how they are reordered: the clock jumped.
    pub(super) fn clear(&mut self) {
        self.recent.clear();
        self.waiting.clear();
    }

    fn overtaken_by(&self, pts: i128) -> usize {
        self.recent.iter().filter(|recent| **recent > pts).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(script: &[i128]) -> Vec<i128> {
        let mut reorder = Reorder::default();
        script.iter().map(|pts| reorder.decode_at(*pts)).collect()
    }

    #[test]
    fn without_reordering_both_times_are_the_same() {
        assert_eq!(decode(&[0, 4, 8, 12]), [0, 4, 8, 12]);
    }

    #[test]
    fn b_pictures_are_learnt_at_the_first_one() {
        assert_eq!(decode(&[0, 3, 1, 2, 6, 4, 5, 9, 7, 8])[3..], [1, 2, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn a_pyramid_of_b_pictures_is_learnt_too() {
        let script = [0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11];
        let decoded = decode(&script);
        assert!(decoded[4..].is_sorted());
        assert!(decoded[4..].iter().zip(&script[4..]).all(|(dts, pts)| dts <= pts), "{decoded:?}");
    }
}
