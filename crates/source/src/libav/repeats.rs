//! What a live DASH manifest brings twice.
//!
//! FFmpeg finds its place in a manifest that it has read again by whole seconds, and so plays
//! pieces anew, one of less than a second over and over until the next one is there.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use media::Unit;

/// Most units that are remembered: half a minute and more of pictures and sound.
const MOST: usize = 4096;
/// How long to wait when a piece begins that was there before, so that it is not asked for without
/// a pause.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// Units that have come.
#[derive(Default)]
pub(super) struct Repeats {
    hasher: RandomState,
    order: VecDeque<u64>,
    known: HashSet<u64>,
}

impl Repeats {
    /// Whether this very unit, at this time, has come before.
    pub(super) fn has(&mut self, unit: &Unit) -> bool {
        let print =
            self.hasher.hash_one((unit.track.0, unit.dts.or(unit.pts).map(media::Timestamp::as_nanos), &*unit.data));
        if !self.known.insert(print) {
            return true;
        }
        self.order.push_back(print);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media::{Timestamp, TrackId};

    use super::*;

    fn unit(at: i64, data: &'static [u8]) -> Unit {
        Unit { dts: Some(Timestamp::from_nanos(at)), ..Unit::picture(TrackId(0), Bytes::from_static(data)) }
    }

    #[test]
    fn the_same_at_the_same_time_is_a_repeat_and_nothing_else_is() {
        let mut repeats = Repeats::default();
        assert!(!repeats.has(&unit(0, b"a")) && !repeats.has(&unit(1, b"a")) && !repeats.has(&unit(0, b"b")));
        assert!(repeats.has(&unit(1, b"a")));
        for at in 2..2 * MOST as i64 {
            assert!(!repeats.has(&unit(at, b"a")));
        }
        assert!(!repeats.has(&unit(0, b"a")), "forgotten");
        assert!(repeats.known.len() <= MOST && repeats.order.len() <= MOST);
    }
}
