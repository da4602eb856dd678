//! What a ring knows of its segments, shared by its writer and its readers.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::reader::Start;
use crate::segment::{Point, Summary};

/// Files are counted as so many whole blocks.
const BLOCK: u64 = 4096;

pub(crate) struct Shared {
    pub(crate) path: PathBuf,
    state: Mutex<State>,
}

pub(crate) struct State {
    /// Oldest first.
    pub(crate) segments: VecDeque<Segment>,
    /// Number of the next packet.
    pub(crate) next_seq: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) summary: Summary,
}

/// What `bytes` take on the disk.
pub(crate) fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK) * BLOCK
}

/// The file of segment `number`.
pub(crate) fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.hwr"))
}

impl Shared {
    pub(crate) fn new(path: PathBuf, segments: VecDeque<Segment>) -> Self {
        let next_seq = segments.iter().map(|segment| segment.summary.next_seq).max().unwrap_or(0);
        Self { path, state: Mutex::new(State { segments, next_seq }) }
    }

    /// The lock is held for a few lines and none of them panics.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place from which a reader may go on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) point: Point,
    /// Where the next point is, or the records end: up to there is no other point.
    pub(crate) until: u64,
}

impl State {
    /// Bytes of all segments, once they are closed, in whole blocks.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| blocks(segment.summary.closed_len())).sum()
    }

    /// The segment called `number`, if it is held.
    pub(crate) fn segment(&self, number: u64) -> Option<&Segment> {
        let place = self.segments.binary_search_by_key(&number, |segment| segment.number).ok()?;
        self.segments.get(place)
    }

    /// The number of the segment after `number`.
    pub(crate) fn after(&self, number: u64) -> Option<u64> {
        let place = self.segments.partition_point(|segment| segment.number <= number);
        self.segments.get(place).map(|segment| segment.number)
    }

    fn places(&self) -> impl DoubleEndedIterator<Item = Place> {
        self.segments.iter().flat_map(|segment| {
            let points = &segment.summary.points;
            points.iter().enumerate().map(|(place, point)| {
                let until = points.get(place + 1).map_or(segment.summary.end, |next| next.at);
                Place { segment: segment.number, point: *point, until }
            })
        })
    }

    /// The first point whose packet is `seq` or a later one.
    pub(crate) fn place_from(&self, seq: u64) -> Option<Place> {
        let from = self.segments.partition_point(|segment| segment.summary.next_seq <= seq);
        self.segments.range(from..).find_map(|segment| {
            let points = &segment.summary.points;
            let place = points.partition_point(|point| point.seq < seq);
            let point = *points.get(place)?;
            let until = points.get(place + 1).map_or(segment.summary.end, |next| next.at);
            Some(Place { segment: segment.number, point, until })
        })
    }

    /// Decoding time of the newest packet.
    pub(crate) fn newest_dts(&self) -> Option<i64> {
        self.filled().next_back().map(|segment| segment.summary.last_dts)
    }

    /// The segments that hold packets.
    pub(crate) fn filled(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.summary.next_seq > segment.summary.first_seq)
    }

    /// Where `start` is, as far as points go, and what the packet wanted is at most. The
    /// newest point that fits is taken, whatever clocks did in between; the oldest one where
    /// all are later.
    pub(crate) fn place(&self, start: Start) -> Option<(Place, Until)> {
        let until = match start {
            Start::Oldest => return self.place_from(0).map(|place| (place, Until::Here)),
            Start::Newest => Until::Any,
            Start::Wall(time) => Until::Wall(crate::format::nanos(time)),
            Start::Back(span) => {
                let span = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
                Until::Dts(self.newest_dts()?.saturating_sub(span))
            }
            Start::From(seq) => {
                // There may be one before the first point that is late enough.
                let before = self.places().rev().find(|place| place.point.seq < seq);
                let from = || self.place_from(seq).map(|place| (place, Until::Here));
                return before.map(|place| (place, Until::From(seq))).or_else(from);
            }
        };
        let found = self.places().rev().find(|place| until.admits(place.point.dts, place.point.wall));
        let oldest = || self.place_from(0).map(|place| (place, Until::Here));
        found.map(|place| (place, until)).or_else(oldest)
    }
}

/// Which of the keyframes from a point up to the next one is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// That of the point.
    Here,
    /// The first one with this number or a later one; the next point's where there is none.
    From(u64),
    // The last one of …
    Any,
    Dts(i64),
    Wall(i64),
}

impl Until {
    pub(crate) fn admits(self, dts: i64, wall: i64) -> bool {
        match self {
            Self::Here | Self::From(_) => false,
            Self::Any => true,
            Self::Dts(most) => dts <= most,
            Self::Wall(most) => wall <= most,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole() {
        assert_eq!((blocks(0), blocks(1), blocks(4096), blocks(4097)), (0, 4096, 4096, 8192));
    }
}
