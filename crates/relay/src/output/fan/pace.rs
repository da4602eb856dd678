//! When to begin the next picture for a client that is slower than its camera.
//!
//! A picture that is begun while others lie unread in the client's receive buffer grows
//! old there, and nobody can take it back; one that is begun late is one that the client
//! could have had. So it should begin when the client has read all there was. Nobody tells
//! us when that is, and the window that the client's host offers says it late and in lumps.
//! But a host that receives a single byte acknowledges it at once only when the program has
//! nothing left to read, else after 40 ms or more (tcp(7), `TCP_QUICKACK`). So a byte of the
//! next part's head goes ahead as a probe, and the time of its acknowledgement is the answer:
//!
//! ```text
//! picture ──────────────► p ─────────► p ─────────► p ───► next picture
//!           being read       40 ms: no    40 ms: no   at once: all is read
//! ```
//!
//! What a picture took to be read tells when to ask next time, and whether a picture would
//! be too old when it has been read. Where the way there and back is long
//! and only the link is slow, most pictures begin by the clock and are not asked about. A
//! host that never answers at once is not waited for: its client gets pictures as fast as it
//! takes them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sys::SendState;

/// An acknowledgement that comes later than this after the way there and back was held back.
/// Hosts hold them back for 40 ms (Linux) to 200 ms.
const PROMPT: Duration = Duration::from_millis(25);
/// The first probe goes out after this part of the time that is expected.
const EARLY: f64 = 0.85;
/// And so often before: after 200 ms without data Linux acknowledges the next at once,
/// whatever is unread.
const KEEP_ASKING: Duration = Duration::from_millis(100);
/// An answer that is sooner than expected is believed when it has been given so often.
const CONFIRMED: u32 = 6;
/// Between probes lies this part of the time that has passed.
const PAUSE: u32 = 32;
/// A client is waited for so much longer than expected.
const PATIENCE: u32 = 8;
const MORE_PATIENCE: Duration = Duration::from_secs(1);
/// The longest wait where nothing is expected.
const MOST: Duration = Duration::from_secs(3);
/// Waits in vain after which a host that answered before is taken for one that does not.
const TRIES: u32 = 3;
/// After so many pictures such a host is asked again.
const TRY_AGAIN: u32 = 1000;
/// The most pictures begun by the clock after one that was asked about, where asking is
/// costly. It becomes as many while the link alone is slow, and none when a probe is held back.
const BY_THE_CLOCK: u32 = 7;
/// Asking is costly where the way there and back is more than this part of the time for a
/// picture.
const COSTLY: u32 = 16;
/// Bytes besides half a picture that may be on their way when the next is begun by the clock.
const ON_THE_WAY: u64 = 4096;
/// For so long a slow picture is remembered.
const MEMORY: Duration = Duration::from_secs(3);
/// What a picture may take longer than those before.
const RESERVE: Duration = Duration::from_millis(10);

/// What is known of the pace at which one client reads.
#[derive(Debug)]
pub(super) struct Pace {
    began: Instant,
    size: usize,
    state: State,
    /// Nothing was unread when the picture began.
    alone: bool,
    arrived: Instant,
    /// When the last acknowledgement came.
    heard: Instant,
    /// Probes for this picture, how many of the last ones were answered at once, and how
    /// long the picture took to be read if these answers are right.
    probes: u32,
    prompt: u32,
    took: Duration,
    round_trip: Duration,
    /// When pictures were read, and the seconds that a byte took.
    readings: VecDeque<(Instant, f64)>,
    /// Waits left until the host is taken for one that does not answer; none: it is.
    tries: u32,
    /// Pictures still not to be asked about, and how many it was in all the last time.
    unasked: u32,
    by_the_clock: u32,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The picture is on its way.
    Arriving,
    /// The client's host has it.
    Reading,
    /// A probe went out.
    Asking(Instant),
}

/// What to do for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask again after this time.
    Wait(Duration),
    /// Send a byte of the next head, and ask again.
    Probe,
    /// Begin the next picture.
    Begin,
}

impl Pace {
    /// A picture of `size` bytes has begun; `alone` if it is known that nothing is unread.
    pub(super) fn new(now: Instant, size: usize, alone: bool) -> Self {
        Self {
            began: now,
            size,
            state: State::Arriving,
            alone,
            arrived: now,
            heard: now,
            probes: 0,
            prompt: 0,
            took: Duration::ZERO,
            round_trip: Duration::ZERO,
            readings: VecDeque::new(),
            tries: 1,
            unasked: 0,
            by_the_clock: 0,
        }
    }

    /// The next picture, of `size` bytes, begins.
    pub(super) fn begin(&mut self, now: Instant, size: usize) {
        (self.began, self.size, self.state) = (now, size, State::Arriving);
        (self.probes, self.prompt) = (0, 0);
    }

    /// What to do next, once the picture has been written.
    pub(super) fn step(&mut self, now: Instant, state: SendState) -> Step {
        let on_the_way = state.unsent + state.in_flight;
        let passed = now - self.began;
        self.round_trip = state.round_trip;
        if self.unasked > 0 {
            return self.by_the_clock(now, on_the_way);
        }
        match self.state {
            State::Arriving if on_the_way > 0 => return look_after(passed / 16),
            State::Asking(_) if on_the_way > 0 => {
                return if now > self.limit() { self.give_up(now) } else { look_after(passed / 64) };
            }
            State::Asking(sent) if now - sent <= PROMPT + self.round_trip => {
                self.prompt += 1;
                let soon = self.expected(self.size).is_none_or(|expected| now < self.began + expected.mul_f64(EARLY));
                if self.prompt == 1 {
                    self.took = if self.probes > 1 {
                        passed.saturating_sub(self.round_trip)
                    } else {
                        // All was read before: nobody knows when, but not before it was there.
                        let least = (self.arrived - self.began).saturating_sub(self.round_trip);
                        self.expected(self.size).unwrap_or_default().clamp(least, sent - self.began)
                    };
                }
                let enough = if is_costly(self.round_trip, passed) { 2 } else { CONFIRMED };
                if !soon || self.prompt >= enough {
                    self.all_is_read(now);
                    // An answer that surprises is checked with the next picture.
                    if !soon && is_costly(self.round_trip, passed) {
                        let more = (self.by_the_clock * 2 + 1).min(BY_THE_CLOCK);
                        self.by_the_clock = if self.probes == 1 { more } else { 0 };
                        self.unasked = self.by_the_clock;
                    }
                    return Step::Begin;
                }
                (self.state, self.heard) = (State::Reading, now);
            }
            State::Arriving => (self.state, self.arrived, self.heard) = (State::Reading, now, now),
            State::Asking(_) => (self.state, self.heard, self.prompt) = (State::Reading, now, 0),
            State::Reading => {}
        }
        if now > self.limit() {
            return self.give_up(now);
        }
        let due = match self.expected(self.size).map(|expected| self.began + expected.mul_f64(EARLY)) {
            _ if self.prompt > 0 => now,
            Some(first) if now < first => first.min(self.heard + KEEP_ASKING),
            _ if self.probes == 0 => now,
            _ => self.heard + (self.heard - self.began) / PAUSE,
        };
        if now < due {
            return Step::Wait(due - now);
        }
        self.state = State::Asking(now);
        self.probes += 1;
        Step::Probe
    }

    fn by_the_clock(&mut self, now: Instant, on_the_way: u64) -> Step {
        if on_the_way > ON_THE_WAY + self.size as u64 / 2 {
            return look_after((now - self.began) / 16);
        }
        if self.tries == 0 {
            // All that is known is how long the client took to make room.
            self.learn(now, now - self.began);
        } else if let Some((_, a_byte)) = self.readings.back() {
            let due = self.began + seconds(a_byte * self.size as f64);
            if now < due {
                return Step::Wait(due - now);
            }
        }
        self.unasked -= 1;
        Step::Begin
    }

    /// Begins the next picture, whether this one has been read or not.
    pub(super) fn give_up(&mut self, now: Instant) -> Step {
        if self.alone {
            self.learn(now, now - self.began);
        }
        self.alone = false;
        self.tries = self.tries.saturating_sub(1);
        if self.tries == 0 {
            self.unasked = TRY_AGAIN;
        }
        Step::Begin
    }

    fn all_is_read(&mut self, now: Instant) {
        if self.alone {
            self.learn(now, self.took);
        }
        self.alone = true;
        self.tries = TRIES;
    }

    fn learn(&mut self, now: Instant, took: Duration) {
        self.readings.push_back((now, took.as_secs_f64() / self.size.max(1) as f64));
        let old = |&(at, _): &(Instant, f64)| now - at > MEMORY;
        while self.readings.len() > 3 && self.readings.front().is_some_and(old) {
            self.readings.pop_front();
        }
    }

    /// How long a picture of `size` bytes takes to be read: the least of late, since asking
    /// too early costs a byte, and asking too late costs pictures.
    fn expected(&self, size: usize) -> Option<Duration> {
        let least = self.readings.iter().rev().take(3).map(|(_, a_byte)| *a_byte).reduce(f64::min)?;
        Some(seconds(least * size as f64))
    }

    fn limit(&self) -> Instant {
        self.arrived + self.expected(self.size).map_or(MOST, |expected| expected * PATIENCE + MORE_PATIENCE)
    }

    /// How long a picture of `size` bytes that is begun at `now` takes to be there and read,
    /// if the client reads as slowly as it did of late; zero if that is unknown.
    pub(super) fn needed(&self, now: Instant, size: usize) -> Duration {
        let of_late = self.readings.iter().filter(|(at, _)| now - *at < MEMORY).map(|(_, a_byte)| *a_byte);
        let most = of_late.reduce(f64::max).map(|a_byte| seconds(a_byte * size as f64)).or(self.expected(size));
        most.map_or(Duration::ZERO, |most| most + self.round_trip / 2 + RESERVE)
    }
}

/// Whether asking costs much of the time that a picture takes.
fn is_costly(round_trip: Duration, took: Duration) -> bool {
    round_trip > took / COSTLY
}

/// Looks again when a little more time has passed.
fn look_after(little: Duration) -> Step {
    Step::Wait(little.clamp(Duration::from_millis(1), Duration::from_millis(4)))
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX / 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pictures come this often.
    const BEAT: f64 = 0.04;

    /// A client that reads `rate(t)` bytes a second, behind a link that carries `link` bytes
    /// a second `way` seconds far.
    struct Client {
        rate: fn(f64) -> f64,
        link: f64,
        way: f64,
        buffer: f64,
        manners: Manners,
    }

    /// When its host acknowledges a lone byte.
    #[derive(PartialEq)]
    enum Manners {
        /// Linux: at once if nothing is unread or when that comes about, else after 40 ms.
        Linux,
        /// Always after 200 ms.
        Never,
    }

    const LINUX: Client = Client { rate: |_| 180e3, link: 1e9, way: 20e-6, buffer: 95e3, manners: Manners::Linux };

    /// A picture: when it was read, and how old it was then.
    type Seen = (f64, f64);

    impl Client {
        /// Is sent pictures of `size` bytes for `length` seconds, with `unread` bytes at first.
        fn watch(&self, size: f64, unread: f64, length: f64) -> Vec<Seen> {
            const TICK: f64 = 0.0005;
            let start = Instant::now();
            let at = |t: f64| start + Duration::from_secs_f64(t);
            let mut pace = Pace::new(start, size as usize, unread == 0.0);
            // Bytes so far: written here, in the client's buffer, and read; `there` runs
            // ahead of what is known by the way back.
            let (mut written, mut there, mut read) = (unread, unread, 0.0);
            let mut marks: VecDeque<(f64, f64)> = VecDeque::new();
            let mut flying: VecDeque<(f64, f64)> = VecDeque::new();
            let mut acknowledged: VecDeque<(f64, f64)> = VecDeque::new();
            let (mut known, mut free, mut probe, mut next_look) = (unread, 0.0_f64, None::<(f64, f64)>, 0.0);
            let (mut seen, mut left, mut last) = (Vec::new(), size, 0.0);
            marks.push_back((unread + size, 0.0));
            let mut t = 0.0;
            while t < length {
                read = (read + (self.rate)(t) * TICK).min(there);
                while marks.front().is_some_and(|(end, _)| *end <= read + 0.5) {
                    let (_, taken) = marks.pop_front().unwrap();
                    seen.push((t, t - taken));
                }
                // What has room leaves, and arrives later.
                let mut room = (self.buffer - (written - read)).min(left);
                while room > 0.0 {
                    let segment = room.min(1448.0);
                    (written, left, room) = (written + segment, left - segment, room - segment);
                    free = free.max(t) + segment / self.link;
                    flying.push_back((free + self.way, written));
                }
                while flying.front().is_some_and(|(when, _)| *when <= t) {
                    there = flying.pop_front().unwrap().1;
                    match probe {
                        // The probe is the last byte on its way.
                        Some((bytes, _)) if there >= bytes => probe = Some((bytes, t)),
                        _ => acknowledged.push_back((t + self.way, there)),
                    }
                }
                if let Some((bytes, came)) = probe.filter(|(_, came)| came.is_finite()) {
                    let held_back = if self.manners == Manners::Linux { 0.04 } else { 0.2 };
                    let all_read = self.manners == Manners::Linux && read + 0.5 >= bytes;
                    if all_read || t - came > held_back {
                        acknowledged.push_back((t + self.way, bytes));
                        probe = None;
                    }
                }
                while acknowledged.front().is_some_and(|(when, _)| *when <= t) {
                    known = acknowledged.pop_front().unwrap().1;
                }
                while left == 0.0 && t >= next_look {
                    let in_flight = (written - known).round() as u64;
                    let round_trip = Duration::from_secs_f64(2.0 * self.way);
                    match pace.step(at(t), SendState { unsent: 0, in_flight, round_trip }) {
                        Step::Wait(time) => next_look = t + time.as_secs_f64(),
                        Step::Probe => {
                            written += 1.0;
                            probe = Some((written, f64::INFINITY));
                            free = free.max(t);
                            flying.push_back((free + self.way, written));
                            next_look = t + TICK;
                        }
                        Step::Begin => {
                            // The newest picture, or the next one.
                            let newest = (t / BEAT).floor() * BEAT;
                            let taken = if newest > last + BEAT / 2.0 { newest } else { newest + BEAT };
                            (last, next_look, left) = (taken, taken.max(t), size);
                            marks.push_back((written + size, taken));
                            pace.begin(at(next_look), size as usize);
                            // Written when its time has come.
                            if taken > t {
                                t = taken;
                                read = (read + (self.rate)(t) * (taken - t)).min(there);
                            }
                        }
                    }
                }
                t += TICK;
            }
            seen
        }
    }

    /// How many pictures were read, and how old the oldest was.
    fn between(seen: &[Seen], from: f64, to: f64) -> (usize, f64) {
        let ages = seen.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, age)| *age);
        (ages.clone().count(), ages.fold(0.0, f64::max))
    }

    #[test]
    fn a_slow_client_sees_fresh_pictures_and_as_many_as_it_can_read() {
        for (rate, size) in [
            ((|_| 90e3) as fn(f64) -> f64, 37e3),
            (|_| 180e3, 37e3),
            (|_| 400e3, 37e3),
            (|_| 700e3, 37e3),
            (|_| 180e3, 157e3),
            (|_| 700e3, 157e3),
        ] {
            let seen = Client { rate, ..LINUX }.watch(size, 95e3, 60.0);
            let (count, oldest) = between(&seen, 10.0, 60.0);
            let reading = size / rate(0.0);
            assert!(count as f64 > 0.9 * 50.0 / reading, "only {count} pictures at {reading} s each");
            assert!(oldest < 1.1 * reading + BEAT, "{oldest} s old at {reading} s each");
        }
    }

    #[test]
    fn a_client_that_gets_faster_or_slower_is_followed_within_three_seconds() {
        let client = |rate| Client { rate, ..LINUX }.watch(37e3, 0.0, 40.0);
        let faster = between(&client(|t| if t < 20.0 { 90e3 } else { 720e3 }), 23.0, 33.0);
        assert!(faster.0 > 160 && faster.1 < 0.11, "{faster:?}");
        let slower = between(&client(|t| if t < 20.0 { 720e3 } else { 90e3 }), 23.0, 33.0);
        assert!(slower.0 > 20 && slower.1 < 0.5, "{slower:?}");
    }

    #[test]
    fn a_slow_link_is_kept_busy_and_not_full() {
        let seen = Client { rate: |_| 1e9, link: 187e3, way: 0.04, ..LINUX }.watch(37e3, 0.0, 40.0);
        let (count, oldest) = between(&seen, 10.0, 40.0);
        assert!(count as f64 > 0.85 * 30.0 * 187.0 / 37.0, "only {count} pictures");
        assert!(oldest < 0.4, "{oldest} s old");
    }

    #[test]
    fn a_host_that_never_answers_at_once_gets_as_much_as_it_takes() {
        let seen = Client { manners: Manners::Never, ..LINUX }.watch(37e3, 95e3, 60.0);
        let (count, _) = between(&seen, 10.0, 60.0);
        assert!(count as f64 > 0.9 * 50.0 * 180.0 / 37.0, "only {count} pictures");
    }

    #[test]
    fn what_a_picture_needs_is_known_after_the_first() {
        let start = Instant::now();
        let mut pace = Pace::new(start, 1000, true);
        assert_eq!(pace.needed(start, 1000), Duration::ZERO);
        pace.learn(start, Duration::from_millis(300));
        pace.learn(start, Duration::from_millis(100));
        assert_eq!(pace.needed(start, 2000), Duration::from_millis(600) + RESERVE);
        // One bad moment is forgotten.
        assert_eq!(pace.needed(start + MEMORY, 2000), Duration::from_millis(200) + RESERVE);
    }
}
