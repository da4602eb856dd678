//! How what has no pace of its own is held to real time.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use media::{Timestamp, TrackId, Unit};

use crate::Stop;

/// The stamps of a file that is played again and again, as one that goes on: its first
/// picture follows its last one at the distance of any two.
#[derive(Default)]
struct Rounds {
    /// Nanoseconds to add in this round, once its first picture is known.
    shift: Option<i64>,
    /// Where the next picture belongs, with the shift.
    end: i64,
    /// The last picture's time, without.
    last: Option<i64>,
    /// The first picture's time in the first round.
    first: Option<i64>,
}

impl Rounds {
    /// Puts a unit of the pictures' track in its place.
    fn place(&mut self, unit: &mut Unit) {
        if let Some(at) = unit.dts.or(unit.pts).map(Timestamp::as_nanos) {
            let end = self.end;
            let shift = *self.shift.get_or_insert_with(|| if end == 0 { 0 } else { end.saturating_sub(at) });
            let step = self.last.map(|last| at.saturating_sub(last)).filter(|step| *step > 0);
            let long = unit.duration.and_then(|long| i64::try_from(long.as_nanos()).ok()).filter(|long| *long > 0);
            self.end = at.saturating_add(shift).saturating_add(long.or(step).unwrap_or(0));
            self.last = Some(at);
            self.first.get_or_insert(at);
        }
        self.shift(unit);
    }

    /// Moves a unit as the pictures of its round. One that comes before them is moved as if they
    /// began as they did in the first round.
    fn shift(&self, unit: &mut Unit) {
        let shift = self.shift.unwrap_or_else(|| self.first.map_or(0, |first| self.end.saturating_sub(first)));
        for at in [&mut unit.pts, &mut unit.dts].into_iter().flatten() {
            *at = Timestamp::from_nanos(at.as_nanos().saturating_add(shift));
        }
    }

    /// The file begins anew.
    fn again(&mut self) {
        (self.shift, self.last) = (None, None);
    }
}

/// Holds a recording to real time.
#[derive(Default)]
struct Pace {
    start: Option<(Instant, Timestamp)>,
    /// When the last of the units so far is due: they may come long before.
    last: Option<Instant>,
}

impl Pace {
    /// A pause in a file that is longer is taken for a fault of its stamps.
    const MOST: Duration = Duration::from_secs(10);

    /// When a unit of decoding time `at` is due, that comes `now`.
    fn due(&mut self, now: Instant, at: Timestamp) -> Instant {
        let (start, zero) = *self.start.get_or_insert((now, at));
        let last = self.last.map_or(now, |last| last.max(now));
        let mut due = start + at.saturating_since(zero);
        if due > last + Self::MOST {
            self.start = Some((last, at));
            due = last;
        }
        self.last = Some(self.last.map_or(due, |last| last.max(due)));
        due
    }
}

/// The clock of a recording: what of it is due when, in this round and the next ones.
#[derive(Default)]
pub(crate) struct Clock {
    rounds: Rounds,
    pace: Pace,
}

impl Clock {
    /// Puts a unit in its place and tells when it is due, if it is of the track `video`. Only
    /// pictures are waited for: sound lies a second before its pictures in some files, and what it waits for would
    /// come in bursts.
    pub(crate) fn place(&mut self, unit: &mut Unit, video: Option<TrackId>) -> Option<Instant> {
        if video != Some(unit.track) {
            self.rounds.shift(unit);
            return None;
        }
        self.rounds.place(unit);
        unit.dts.or(unit.pts).map(|at| self.pace.due(Instant::now(), at))
    }

    /// The recording begins anew, or another follows.
    pub(crate) fn again(&mut self) {
        self.rounds.again();
    }
}

/// What of a recording came before it is due.
pub(crate) struct Queue<T> {
    /// When it is due, if it does not go along with what was before it, and its size in bytes,
    /// with what it takes to keep it.
    items: VecDeque<(Option<Instant>, usize, T)>,
    bytes: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), bytes: 0 }
    }
}

impl<T> Queue<T> {
    /// What may wait, in bytes: more is left to whoever sends.
    const ROOM: usize = 1 << 20;
    /// What an item takes besides its own bytes: there are servers whose objects have one.
    const OVERHEAD: usize = size_of::<(Option<Instant>, usize, T)>() + 64;

    /// Takes the next item, of so many bytes.
    pub(crate) fn push(&mut self, due: Option<Instant>, bytes: usize, item: T) {
        let bytes = bytes + Self::OVERHEAD;
        self.bytes += bytes;
        self.items.push_back((due, bytes, item));
    }

    /// When the next item is due, if there is one.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.items.front().map(|(due, ..)| due.unwrap_or_else(Instant::now))
    }

    /// The next item if it is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<T> {
        let (due, ..) = self.items.front()?;
        if due.is_some_and(|due| due > now) { None } else { self.pop_early() }
    }

    /// The next item, due or not.
    pub(crate) fn pop_early(&mut self) -> Option<T> {
        let (_, bytes, item) = self.items.pop_front()?;
        self.bytes -= bytes;
        Some(item)
    }

    /// Whether whoever sends does not wait: then what is first goes early.
    pub(crate) fn is_overfull(&self) -> bool {
        self.bytes > 8 * Self::ROOM
    }

    /// Whether there is room for more.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes < Self::ROOM
    }
}

/// Waits on this thread until `due`; `false` when asked to stop.
pub(crate) fn wait_until(due: Instant, stop: &Stop) -> bool {
    /// The longest wait between two looks at `stop`.
    const STEP: Duration = Duration::from_millis(50);
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        if stop.is_set() {
            return false;
        }
        thread::sleep(left.min(STEP));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn unit(track: u8, ms: i64) -> Unit {
        let at = Some(Timestamp::from_ticks(ms, 1, 1000));
        Unit { pts: at, dts: at, ..Unit::picture(TrackId(track), Bytes::from_static(b"x")) }
    }

    /// Places pictures (`v`) and sound (`a`) at their times in ms; `|` begins a round. Returns the
    /// new times.
    fn place(script: &str) -> String {
        let mut clock = Clock::default();
        let mut times = Vec::new();
        for word in script.split(' ') {
            if word == "|" {
                clock.again();
                continue;
            }
            let mut unit = unit(u8::from(word.starts_with('a')), word[1..].parse().unwrap());
            clock.place(&mut unit, Some(TrackId(0)));
            times.push(unit.pts.unwrap().to_ticks(1, 1000).to_string());
        }
        times.join(" ")
    }

    #[test]
    fn rounds_follow_each_other_without_a_gap_whichever_track_begins() {
        assert_eq!(place("v0 v40 v80 | v0 v40 | v0"), "0 40 80 120 160 200");
        assert_eq!(place("a0 v5 a30 v45 | a0 v5 a30"), "0 5 30 45 80 85 110");
    }

    #[test]
    fn what_comes_at_once_is_due_as_it_is_stamped_and_a_fault_of_stamps_is_no_pause() {
        let mut pace = Pace::default();
        let now = Instant::now();
        let mut due = |come: u64, seconds: i64| {
            let due = pace.due(now + Duration::from_secs(come), Timestamp::from_ticks(seconds, 1, 1));
            (due - now).as_secs()
        };
        // Ten minutes in a moment.
        assert!((100..=700).all(|at| due(0, at) == at.cast_unsigned() - 100));
        // Stamps that jump, by more than any pause: what follows is due with the last one.
        assert_eq!([due(0, 711), due(0, 712), due(0, 90_000)], [600, 601, 601]);
        // One that came late, and goes on from there.
        assert_eq!([due(900, 180_000), due(900, 180_005), due(902, 180_006)], [900, 905, 906]);
    }

    #[test]
    fn what_is_not_due_waits_and_what_has_no_time_goes_along() {
        let mut queue = Queue::default();
        let now = Instant::now();
        let later = now + Duration::from_millis(500);
        for (due, item) in [(None, 1), (Some(now), 2), (None, 3), (Some(later), 4), (None, 5)] {
            queue.push(due, 1, item);
        }
        let all = |queue: &mut Queue<i32>, at| std::iter::from_fn(|| queue.pop(at)).collect::<Vec<_>>();
        assert_eq!(all(&mut queue, now), [1, 2, 3]);
        assert_eq!(queue.due(), Some(later));
        assert_eq!(all(&mut queue, later), [4, 5]);
        assert_eq!(queue.due(), None);
    }

    #[test]
    fn a_queue_is_full_at_some_bytes() {
        let mut queue = Queue::default();
        assert!(queue.has_room());
        queue.push(None, Queue::<()>::ROOM, ());
        assert!(!queue.has_room() && !queue.is_overfull());
        queue.pop_early();
        assert!(queue.has_room());
        for _ in 0..Queue::<()>::ROOM / 64 {
            queue.push(None, 1, ());
        }
        assert!(!queue.has_room(), "many small items are large");
    }
}
