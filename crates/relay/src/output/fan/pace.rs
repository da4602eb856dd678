//! When to begin the next picture for a client that is slower than its camera.
//!
//! A picture that is begun while others lie unread in the client's receive buffer grows
//! old there, and nobody can take it back. What lies there is not told: the window that
//! the client's host offers says it roughly, late and in lumps. So pictures are begun at
//! an interval that is steered: longer while more and more seems to lie there, shorter
//! while the least seen of late does, and set anew when the buffer was found full.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sys::SendState;

/// The longest interval and the longest pause.
const MOST: Duration = Duration::from_secs(5);
/// By how much the interval grows, and shrinks, from picture to picture.
const LONGER: f64 = 1.1;
const SHORTER: f64 = 0.95;
/// A buffer that holds more than the least seen by this part of a picture fills up.
const FILLS_UP: f64 = 0.5;
/// Pictures among which one is taken to have found the buffer empty.
const REMEMBERED: usize = 16;

/// The interval at which one client reads pictures.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The largest window the client's host has offered.
    capacity: u64,
    /// What seemed to be unread after each of the last pictures.
    unread: VecDeque<u64>,
    interval: Duration,
    /// When to begin the next picture.
    next: Option<Instant>,
}

impl Pace {
    /// Takes note of what the client's host offers.
    pub(super) fn see(&mut self, state: SendState) {
        self.capacity = self.capacity.max(state.window);
    }

    /// The client's buffer was full: the last `bytes` of a picture of `size` took `took`.
    pub(super) fn blocked(&mut self, now: Instant, bytes: usize, size: usize, took: Duration) {
        let rate = bytes.max(1) as f64 / took.as_secs_f64().max(0.001);
        let measured = seconds(size as f64 / rate);
        // A wait for a lump of the window says little about the interval that was found.
        let known = self.interval.mul_f64(LONGER * LONGER);
        self.interval = if self.interval.is_zero() { measured } else { measured.clamp(self.interval, known) };
        let rate = size as f64 / self.interval.as_secs_f64().max(0.001);
        self.next = Some(now + seconds(self.capacity.max(size as u64) as f64 / rate));
        self.unread.clear();
    }

    /// A picture of `size` bytes that was begun at `began` has arrived to its last byte.
    pub(super) fn delivered(&mut self, began: Instant, size: usize, state: SendState) {
        self.see(state);
        let unread = self.capacity - state.window;
        if self.unread.len() == REMEMBERED {
            self.unread.pop_front();
        }
        self.unread.push_back(unread);
        let besides = self.besides();
        let factor = if besides > size as f64 * FILLS_UP { LONGER } else { SHORTER };
        self.interval = self.interval.mul_f64(factor).min(MOST);
        // What is there already is read first.
        let due = began + self.interval + self.interval.mul_f64((besides / size.max(1) as f64).min(4.0) * 0.5);
        self.next = Some(self.next.map_or(due, |next| next.max(due)));
    }

    /// Bytes that seem to be unread besides the last picture.
    fn besides(&self) -> f64 {
        let least = self.unread.iter().min().copied().unwrap_or(0);
        self.unread.back().map_or(0.0, |unread| (unread - least) as f64)
    }

    /// How long to wait from `now` on before the next picture is begun.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now)).min(MOST)
    }

    /// How long a picture that is begun now takes to be read.
    pub(super) fn needed(&self) -> Duration {
        self.interval
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(MOST).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client with a buffer of `capacity`, of which its host offers whole lumps only,
    /// that reads `rate` bytes a second, and a camera with a picture of `size` every 40 ms.
    /// Returns when each picture was read, and how old it was then.
    fn read(capacity: f64, lump: f64, rate: impl Fn(f64) -> f64, size: f64, length: f64) -> Vec<(f64, f64)> {
        let start = Instant::now();
        let at = |t: f64| start + Duration::from_secs_f64(t);
        let mut pace = Pace::default();
        pace.see(SendState { unsent: 0, in_flight: 0, window: capacity as u64 });
        let (mut now, mut unread, mut pictures) = (0.0, capacity, Vec::new());
        while now < length {
            // A picture begins at the camera's next beat and fills the buffer as it can.
            let taken = (now / 0.04_f64).ceil() * 0.04;
            unread = (unread - rate(now) * (taken - now)).max(0.0);
            let began = taken;
            now = taken;
            let overflow = (unread + size - capacity).max(0.0);
            now += overflow / rate(now);
            unread = unread - overflow + size;
            pictures.push((now + unread / rate(now), now + unread / rate(now) - taken));
            if overflow / rate(now) > 0.008 {
                pace.blocked(at(now), overflow as usize, size as usize, Duration::from_secs_f64(now - began));
            }
            let window = ((capacity - unread) / lump).floor() * lump;
            pace.delivered(at(began), size as usize, SendState { unsent: 0, in_flight: 0, window: window as u64 });
            let wait = pace.wait(at(now)).as_secs_f64();
            unread = (unread - rate(now) * wait).max(0.0);
            now += wait.max(0.001);
        }
        pictures
    }

    fn between(pictures: &[(f64, f64)], from: f64, to: f64) -> (usize, f64) {
        let ages = pictures.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, age)| *age);
        (ages.clone().count(), ages.fold(0.0, f64::max))
    }

    #[test]
    fn a_slow_client_sees_fresh_pictures_and_not_many_fewer() {
        // A fifth of 25 pictures of 37 kB a second: 5 a second, each 0.2 s in the reading.
        for lump in [1.0, 4096.0, 30_000.0] {
            let (count, oldest) = between(&read(127e3, lump, |_| 185e3, 37e3, 40.0), 10.0, 40.0);
            assert!(count > 100, "only {count} pictures in 30 s with lumps of {lump}");
            assert!(oldest < 0.55, "{oldest} s old with lumps of {lump}");
        }
    }

    #[test]
    fn a_client_that_gets_faster_or_slower_is_followed() {
        let faster = read(127e3, 4096.0, |t| if t < 20.0 { 185e3 } else { 740e3 }, 37e3, 40.0);
        assert!(between(&faster, 30.0, 40.0).0 > 120, "only {} pictures", between(&faster, 30.0, 40.0).0);
        let slower = read(127e3, 4096.0, |t| if t < 20.0 { 740e3 } else { 185e3 }, 37e3, 40.0);
        assert!(between(&slower, 27.0, 40.0).1 < 0.6, "{}", between(&slower, 27.0, 40.0).1);
    }

    #[test]
    fn a_picture_larger_than_the_buffer_is_no_trouble() {
        let (count, oldest) = between(&read(65e3, 4096.0, |_| 300e3, 157e3, 40.0), 10.0, 40.0);
        assert!(oldest < 157.0 / 300.0 + 0.35 && count > 35, "{count} pictures, {oldest} s old");
    }
}
