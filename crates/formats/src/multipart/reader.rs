//! Pictures out of a multipart body, however it is made.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};

use crate::jpeg::Scanner;

/// Wall clocks before 2001 are counters since the camera was switched on.
const EARLIEST_SECS: u64 = 1_000_000_000;
/// And those after the year 5138 are not in seconds.
const LATEST_SECS: u64 = 100_000_000_000;

/// Reads pictures out of a body that comes in any slices.
///
/// The JPEG markers say where pictures are; boundaries, part headers and lengths may be
/// wrong or missing. Of the headers only three are looked at: `Content-Length`, a hint for
/// the [`Scanner`], and `X-Timestamp` or else `Date`, the camera's clock.
#[derive(Debug, Default)]
pub struct Reader {
    scanner: Scanner,
    timestamp: Option<SystemTime>,
}

/// One picture of a multipart body.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// The picture, from SOI to EOI.
    pub data: Bytes,
    /// `X-Timestamp`, where it is a wall clock, or else `Date`, which is exact to a second.
    pub timestamp: Option<SystemTime>,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Part({} bytes at {:?})", self.data.len(), self.timestamp)
    }
}

impl Reader {
    /// A reader before the body's first byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The buffer to read into, as [`Scanner::buffer`].
    pub fn buffer(&mut self) -> &mut BytesMut {
        self.scanner.buffer()
    }

    /// Feeds bytes from elsewhere, in any slices. Copies them.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.scanner.handle_bytes(bytes);
    }

    /// The next picture that has come whole.
    #[must_use]
    pub fn poll_part(&mut self) -> Option<Part> {
        let timestamp = &mut self.timestamp;
        let data = self.scanner.poll_picture_with(|gap| {
            let hints = Hints::of(gap);
            *timestamp = hints.timestamp.or(hints.date);
            hints.length
        })?;
        Some(Part { data, timestamp: self.timestamp.take() })
    }

    /// How many pictures began and did not end.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.scanner.lost()
    }

    /// Whether a picture has begun and not yet ended.
    #[must_use]
    pub fn is_within(&self) -> bool {
        self.scanner.is_within()
    }
}

/// What the lines before a picture say of it.
#[derive(Default)]
struct Hints {
    length: Option<usize>,
    timestamp: Option<SystemTime>,
    date: Option<SystemTime>,
}

impl Hints {
    fn of(gap: &[u8]) -> Self {
        let mut hints = Self::default();
        for line in gap.split(|byte| *byte == b'\n') {
            if line.starts_with(b"--") {
                // What stood before belongs to a part without a picture, or one cut off.
                hints = Self::default();
            } else if let Some(value) = value_of(line, b"content-length") {
                hints.length = value.parse().ok();
            } else if let Some(value) = value_of(line, b"x-timestamp") {
                hints.timestamp = wall_clock(value);
            } else if let Some(value) = value_of(line, b"date") {
                hints.date = date(value);
            }
        }
        hints
    }
}

/// The value of a header line, if that is its name, in capitals or not.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let (begin, rest) = line.split_at_checked(name.len())?;
    if !begin.eq_ignore_ascii_case(name) {
        return None;
    }
    std::str::from_utf8(rest.trim_ascii_start().strip_prefix(b":")?).ok().map(str::trim)
}

/// `SECONDS.FRACTION` since 1970.
fn wall_clock(text: &str) -> Option<SystemTime> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds = seconds.parse().ok().filter(|seconds| (EARLIEST_SECS..LATEST_SECS).contains(seconds))?;
    let fraction = fraction.bytes().take_while(u8::is_ascii_digit).chain(std::iter::repeat(b'0')).take(9);
    let nanos = fraction.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'));
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7), in the years of [`wall_clock`].
fn date(text: &str) -> Option<SystemTime> {
    let mut words = text.split_once(',')?.1.split_ascii_whitespace();
    let day: u64 = number(words.next()?, 2).filter(|day| (1..=31).contains(day))?;
    let name = words.next()?;
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|month| month.eq_ignore_ascii_case(name))? as u64;
    let year = number(words.next()?, 4).filter(|year| (2001..5000).contains(year))?;
    let mut clock = words.next()?.split(':').map(|part| number(part, 2));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if hour > 23 || minute > 59 || second > 60 || !matches!(words.next(), Some("GMT" | "UTC")) {
        return None;
    }
    // Days since 1970 in years that begin with March, so that the leap day is the last one.
    let (years, months) = (year - u64::from(month < 2), (month + 10) % 12);
    let days = 365 * years + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day - 1;
    let seconds = (days.checked_sub(719_468)? * 24 + hour) * 3600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// A decimal of at most so many digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    (text.len() <= digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests;
