//! Which piece of a growing list comes next.

use std::time::Duration;

use super::{Media, Piece, Segment};

/// How many target durations from the end one begins, where the list does not say
/// (RFC 8216 section 6.3.3, and the same of parts in the draft).
const HOLD_BACK: u32 = 3;
/// The shortest time from one look at a list to the next.
const SHORTEST: Duration = Duration::from_millis(100);
/// The same where the server waits until there is something new: no part is shorter.
const SHORTEST_WAITED: Duration = Duration::from_millis(20);
/// A list that ends so many segments before what was played of it is another one; one that is a
/// little older has been kept by a cache.
const MOST_BEHIND: u64 = 3;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// This piece is to be fetched.
    Fetch(Fetch),
    /// The list is to be read again.
    Reload {
        /// So long after it was asked for the last time.
        after: Duration,
        /// The segment, and part of it, that the server is told to wait for.
        wait_for: Option<(u64, Option<usize>)>,
    },
    /// There is nothing more.
    End,
}

/// A piece to fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetch {
    /// The piece.
    pub piece: Piece,
    /// What a reader has to have read before, of fragmented MP4.
    pub map: Option<Piece>,
    /// A reader has to begin anew: it does not go on from the piece before.
    pub anew: bool,
    /// Something before it is missing, or its stamps are others.
    pub broken: bool,
}

/// Follows one list from near its end on.
#[derive(Debug, Default)]
pub struct Follower {
    media: Media,
    /// The number of the next segment, and which part of it.
    place: Option<(u64, usize)>,
    /// The last list brought nothing new.
    stale: bool,
    /// The farthest end of a list: its last segment, and how much of that was there.
    newest: (u64, usize),
    map: Option<Piece>,
    /// Something was fetched.
    begun: bool,
    /// The next piece does not follow the last one.
    jumped: bool,
}

impl Follower {
    /// Of a list that has not been seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the list as it is now.
    pub fn handle(&mut self, media: Media) {
        let end = |media: &Media| {
            (
                media.sequence.saturating_add(media.segments.len() as u64),
                media.segments.last().map_or(0, |last| last.parts.len() + usize::from(last.whole.is_some())),
            )
        };
        // Of servers behind one name each may have another state of it: back and forth is nothing new.
        self.stale = self.place.is_some() && end(&media) <= self.newest;
        let is_another = self.place.is_some() && end(&media) < self.newest && is_another(&self.media, &media);
        self.newest = self.newest.max(end(&media));
        self.media = media;
        let first = self.media.sequence;
        let behind = first.saturating_add(self.media.segments.len() as u64);
        match self.place {
            // We were too slow, or the server has begun anew.
            Some((number, _)) if is_another || number < first || number > behind.saturating_add(MOST_BEHIND) => {
                self.jumped = true;
                self.place = Some(self.start());
                (self.stale, self.newest) = (false, end(&self.media));
            }
            Some(_) => {}
            None => self.place = Some(self.start()),
        }
    }

    /// The piece at hand cannot be had: on with the next one.
    pub fn skip(&mut self) {
        self.jumped = true;
    }

    /// What comes next. A piece that is told counts as fetched.
    #[must_use]
    pub fn poll(&mut self) -> Next {
        while let Some((number, part)) = self.place {
            let Some(segment) = self.segment(number) else { break };
            let (discontinuity, missing) = (segment.discontinuity && part == 0, segment.gap);
            let map = segment.map.clone();
            let piece = match (&segment.whole, segment.parts.get(part)) {
                _ if missing => None,
                (Some(whole), _) if part == 0 => Some((whole.clone(), (number.saturating_add(1), 0))),
                (_, Some(part_of)) if part_of.gap => {
                    (self.place, self.jumped) = (Some((number, part + 1)), true);
                    continue;
                }
                (_, Some(part_of)) => Some((part_of.piece.clone(), (number, part + 1))),
                // All its parts were fetched.
                (Some(_), None) if part == segment.parts.len() => {
                    self.place = Some((number.saturating_add(1), 0));
                    continue;
                }
                // Its parts are not in the list any more, and some of them were not fetched.
                (Some(_), None) => None,
                (None, None) => break,
            };
            let Some((piece, place)) = piece else {
                (self.place, self.jumped) = (Some((number.saturating_add(1), 0)), true);
                continue;
            };
            self.place = Some(place);
            let broken = (std::mem::take(&mut self.jumped) || discontinuity) && self.begun;
            let anew = broken || !std::mem::replace(&mut self.begun, true) || map != self.map;
            self.map.clone_from(&map);
            return Next::Fetch(Fetch { piece, map, anew, broken });
        }
        if self.media.ended {
            return Next::End;
        }
        self.reload()
    }

    fn reload(&self) -> Next {
        let parts = self.media.part_target;
        let wait_for = self.place.filter(|_| self.media.can_block).map(|(number, part)| (number, parts.map(|_| part)));
        let last = self.media.segments.last().map_or(Duration::ZERO, |segment| segment.duration);
        // Some lists do not say how long their segments are at most, or say 0.
        let step = [parts.unwrap_or(self.media.target), last].into_iter().find(|step| !step.is_zero());
        let step = step.unwrap_or(SHORTEST);
        let after = match (wait_for.is_some(), self.stale) {
            (true, false) => SHORTEST_WAITED,
            // Nor is a server to be asked on and on that does not wait though it says so.
            (_, true) => (step / 2).max(SHORTEST),
            (false, false) => step.max(SHORTEST),
        };
        Next::Reload { after, wait_for }
    }

    fn segment(&self, number: u64) -> Option<&Segment> {
        segment(&self.media, number)
    }

    /// Where to begin: as near the end as the list allows, with a keyframe.
    fn start(&self) -> (u64, usize) {
        let media = &self.media;
        let number = |at: usize| media.sequence.saturating_add(at as u64);
        let target = media.part_target.filter(|_| media.segments.iter().any(|segment| !segment.parts.is_empty()));
        if let Some(target) = target {
            let most = media.part_hold_back.unwrap_or(target * HOLD_BACK);
            let mut left = Duration::ZERO;
            for (at, segment) in media.segments.iter().enumerate().rev() {
                for (part, of) in segment.parts.iter().enumerate().rev() {
                    left = left.saturating_add(of.duration);
                    if left >= most && of.independent && !of.gap {
                        return (number(at), part);
                    }
                }
                if segment.parts.is_empty() {
                    left = left.saturating_add(segment.duration);
                    if left >= most && segment.whole.is_some() {
                        return (number(at), 0);
                    }
                }
            }
            return (number(0), 0);
        }
        let most = media.hold_back.unwrap_or(media.target * HOLD_BACK);
        let mut left = Duration::ZERO;
        for (at, segment) in media.segments.iter().enumerate().rev() {
            left = left.saturating_add(segment.duration);
            if left >= most {
                return (number(at), 0);
            }
        }
        (number(0), 0)
    }
}

fn segment(media: &Media, number: u64) -> Option<&Segment> {
    let at = number.checked_sub(media.sequence)?;
    media.segments.get(usize::try_from(at).ok()?)
}

/// Whether a list that ends before the one of before is none of its earlier states, but one that a
/// server has begun anew: what has the same number in both is elsewhere. What stands behind a `?`
/// may be new each time.
fn is_another(before: &Media, now: &Media) -> bool {
    let place = |segment: &Segment| {
        let piece = segment.whole.as_ref().or(segment.parts.first().map(|part| &part.piece))?;
        Some((piece.uri.split('?').next().unwrap_or_default().to_owned(), piece.range))
    };
    let numbers = now.sequence..now.sequence.saturating_add(now.segments.len() as u64);
    let last = numbers.rev().find_map(|number| Some((segment(before, number)?, segment(now, number)?)));
    last.is_some_and(|(before, now)| {
        let is_whole = before.whole.is_some() == now.whole.is_some();
        is_whole && place(before) != place(now)
    })
}
