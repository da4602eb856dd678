//! Whole pictures out of a stream of bytes.
//!
//! The markers are the truth: a picture goes from its SOI to the EOI that a walk over
//! its segments and scans arrives at, whatever stands around it. A picture is given out
//! as soon as its last byte is in. One that never ends is dropped and counted, and the
//! next SOI begins anew.
//!
//! Pictures are slices of the buffer that was read into, and keep all of it in memory. One
//! that is less than half of the buffer is therefore copied, so that whoever keeps pictures
//! keeps at most twice their bytes. Copied is otherwise only what [`Scanner::handle_bytes`]
//! is given, and, when the buffer is full, the part of a picture that lies at its end.

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr_iter, memmem};

use super::{MAX_PADDING, marker};

/// The longest picture, in bytes; a longer one is dropped.
pub const MAX_PICTURE: usize = 32 << 20;
/// How much of what stands before a picture is kept for the caller to look at, in bytes.
pub const MAX_GAP: usize = 4 << 10;
/// What a read should find room for, in bytes.
const READ: usize = 64 << 10;
/// The first application segment that may hold a thumbnail (EXIF).
const APP1: u8 = marker::APP0 + 1;
/// Less room than this is not worth a read.
const MIN_ROOM: usize = 8 << 10;

/// Finds pictures in bytes that come in any slices.
///
/// Feed it through [`buffer`](Self::buffer) or [`handle_bytes`](Self::handle_bytes), then
/// call [`poll_picture`](Self::poll_picture) until it gives nothing.
#[derive(Debug)]
pub struct Scanner {
    /// In a picture it begins with the SOI, else with what may be the gap before one.
    buf: BytesMut,
    /// Bytes of the allocation that `buf` is a part of.
    memory: usize,
    /// Everything before it has been looked at. May lie beyond what has come: a segment
    /// is passed over by its length.
    at: usize,
    state: State,
    /// A length hint was right last time.
    trusted: bool,
    /// Length of the last picture.
    usual: usize,
    lost: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Before FF D8 FF.
    Search,
    /// In a picture that should end after so many bytes.
    Whole(usize),
    /// In the picture, on foot; with the length that was hinted.
    Walk(Walk, Option<usize>),
}

#[derive(Clone, Copy, Debug)]
struct Walk {
    part: Part,
    /// A frame header has been seen.
    frame: bool,
    /// Where to go on if the last segment was none.
    resume: usize,
    padding: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Among the segments before the first scan.
    Header,
    /// In entropy-coded data.
    Scan,
    /// Behind a segment between two scans: a marker must follow.
    Between,
}

enum Step {
    More,
    /// The picture is so long.
    End(usize),
    /// It was no picture; look for the next from here.
    Broken(usize),
}

impl Default for Scanner {
    fn default() -> Self {
        Self { buf: BytesMut::new(), memory: 0, at: 0, state: State::Search, trusted: false, usual: 0, lost: 0 }
    }
}

impl Scanner {
    /// A scanner before its first byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The buffer to read into, behind what is there, with at least 8 KiB of room.
    /// Nothing but appending keeps the scanner's promise.
    pub fn buffer(&mut self) -> &mut BytesMut {
        if self.buf.capacity() - self.buf.len() < MIN_ROOM {
            let expected = match self.state {
                State::Whole(length) | State::Walk(_, Some(length)) => length.min(MAX_PICTURE),
                _ => self.usual + self.usual / 4,
            };
            self.reserve(expected.saturating_sub(self.buf.len()).max(READ));
        }
        &mut self.buf
    }

    /// Makes room for `more` bytes. As [`BytesMut::reserve`], which does not tell how much
    /// memory a slice of the buffer keeps.
    fn reserve(&mut self, more: usize) {
        if self.buf.capacity() - self.buf.len() >= more || self.buf.try_reclaim(more) {
            return;
        }
        let length = self.buf.len();
        let mut larger = BytesMut::with_capacity((length + more).max(2 * length));
        larger.extend_from_slice(&self.buf);
        self.memory = larger.capacity();
        self.buf = larger;
    }

    /// Feeds bytes from elsewhere, in any slices. Copies them.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.buffer();
        self.reserve(bytes.len());
        self.buf.extend_from_slice(bytes);
    }

    /// The next whole picture, from SOI to EOI, if it has come.
    #[must_use]
    pub fn poll_picture(&mut self) -> Option<Bytes> {
        self.poll_picture_with(|_| None)
    }

    /// As [`poll_picture`](Self::poll_picture); when a picture begins, `begin` is given the last
    /// [`MAX_GAP`] bytes that stood before it and may tell how long the picture should be.
    ///
    /// The length saves the walk through the next picture once it has been right, and as
    /// long as an EOI stands at its end; the markers decide.
    #[must_use]
    pub fn poll_picture_with(&mut self, mut begin: impl FnMut(&[u8]) -> Option<usize>) -> Option<Bytes> {
        loop {
            match self.state {
                State::Search => {
                    if !self.search() {
                        return None;
                    }
                    let gap = self.at;
                    let length = begin(&self.buf[gap.saturating_sub(MAX_GAP)..gap]);
                    self.buf.advance(gap);
                    self.at = 2;
                    self.state = match length {
                        Some(length) if self.trusted && (4..=MAX_PICTURE).contains(&length) => State::Whole(length),
                        _ => State::Walk(Walk::default(), length),
                    };
                }
                State::Whole(length) => {
                    let picture = self.buf.get(..length)?;
                    if picture.ends_with(&[0xFF, marker::EOI]) {
                        return Some(self.take(length));
                    }
                    self.state = State::Walk(Walk::default(), Some(length));
                }
                State::Walk(mut walk, hint) => match walk.go(&self.buf, &mut self.at) {
                    Step::More if self.buf.len() <= MAX_PICTURE => {
                        self.state = State::Walk(walk, hint);
                        return None;
                    }
                    Step::More => self.lose(self.buf.len().min(self.at).saturating_sub(2)),
                    Step::Broken(from) => self.lose(from),
                    Step::End(length) if length > MAX_PICTURE => self.lose(length),
                    Step::End(length) => {
                        self.trusted = hint == Some(length);
                        return Some(self.take(length));
                    }
                },
            }
        }
    }

    /// How many pictures began and did not end.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Whether a picture has begun and not yet ended.
    #[must_use]
    pub fn is_within(&self) -> bool {
        !matches!(self.state, State::Search)
    }

    /// Goes to the next FF D8 FF. Nothing but the gap is kept of what lies before.
    fn search(&mut self) -> bool {
        let found = memmem::find(&self.buf[self.at..], &[0xFF, marker::SOI, 0xFF]);
        self.at = match found {
            Some(place) => self.at + place,
            None => self.at.max(self.buf.len().saturating_sub(2)),
        };
        let excess = self.at.saturating_sub(MAX_GAP);
        self.buf.advance(excess);
        self.at -= excess;
        found.is_some()
    }

    fn take(&mut self, length: usize) -> Bytes {
        self.state = State::Search;
        self.at = 0;
        self.usual = length;
        // A caller may have let the buffer grow by itself.
        self.memory = self.memory.max(self.buf.capacity());
        if length < self.memory / 2 {
            let picture = Bytes::copy_from_slice(&self.buf[..length]);
            self.buf.advance(length);
            return picture;
        }
        self.buf.split_to(length).freeze()
    }

    fn lose(&mut self, from: usize) {
        self.lost += 1;
        self.trusted = false;
        self.state = State::Search;
        self.at = from;
    }
}

impl Default for Walk {
    fn default() -> Self {
        Self { part: Part::Header, frame: false, resume: 2, padding: 0 }
    }
}

impl Walk {
    /// Walks on from `at` as far as the bytes go. `buf` begins with the picture's SOI.
    fn go(&mut self, buf: &[u8], at: &mut usize) -> Step {
        loop {
            let step = match self.part {
                Part::Header => self.header(buf, at),
                Part::Scan => self.scan(buf, at),
                Part::Between => match buf.get(*at) {
                    None => Some(Step::More),
                    Some(byte) => {
                        if *byte != 0xFF {
                            // What looked like a segment was damaged data.
                            *at = self.resume;
                        }
                        self.part = Part::Scan;
                        None
                    }
                },
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// One marker segment before the first scan.
    fn header(&mut self, buf: &[u8], at: &mut usize) -> Option<Step> {
        let here = *at;
        let Some(&[first, code]) = buf.get(here..here + 2) else {
            return Some(Step::More);
        };
        match (first, code) {
            (0xFF, marker::SOI) => match buf.get(here + 2) {
                None => return Some(Step::More),
                // The picture was cut off, and here is the next one.
                Some(0xFF) => return Some(Step::Broken(here)),
                Some(_) => self.pad(at, 2),
            },
            // Tables without a picture.
            (0xFF, marker::EOI) => return Some(Step::Broken(here + 2)),
            (0xFF, code) if marker::is_segment(code) => {
                let Some(&[high, low, first]) = buf.get(here + 2..here + 5) else {
                    return Some(Step::More);
                };
                let length = u16::from_be_bytes([high, low]);
                if length < 2 || code == marker::SOS && !(self.frame && is_plausible(code, length, first)) {
                    return Some(Step::Broken(here + 2));
                }
                self.frame |= marker::is_frame(code);
                self.resume = here + 2;
                self.padding = 0;
                *at = here + 2 + usize::from(length);
                if code == marker::SOS {
                    self.part = Part::Scan;
                }
            }
            // Fill bytes stand before any marker (T.81 B.1.1.2).
            (0xFF, 0xFF) => self.pad(at, 1),
            // Padding is passed over as decoders do, within reason.
            _ => {
                if self.padding == 0 && swallowed_a_picture(&buf[self.resume - 1..here]) {
                    return Some(Step::Broken(self.resume));
                }
                self.pad(at, 1);
            }
        }
        (self.padding > MAX_PADDING).then_some(Step::Broken(self.resume))
    }

    fn pad(&mut self, at: &mut usize, bytes: usize) {
        self.padding += bytes;
        *at += bytes;
    }

    /// Entropy-coded data, up to the marker that ends it.
    fn scan(&mut self, buf: &[u8], at: &mut usize) -> Option<Step> {
        let mut here = *at;
        loop {
            // Stuffed zeros, restart markers and fill bytes are most of what is found.
            let is_news = |at: &usize| !matches!(buf.get(at + 1), Some(0x00 | marker::RST0..=marker::RST7 | 0xFF));
            let rest = buf.get(here..).unwrap_or_default();
            let Some(news) = memchr_iter(0xFF, rest).map(|place| here + place).find(is_news) else {
                *at = here.max(buf.len());
                return Some(Step::More);
            };
            here = news;
            *at = here;
            let Some(&code) = buf.get(here + 1) else {
                return Some(Step::More);
            };
            match code {
                marker::EOI => return Some(Step::End(here + 2)),
                marker::SOI => match buf.get(here + 2) {
                    None => return Some(Step::More),
                    // No data has this: the picture was cut off, and here is the next one.
                    Some(0xFF) => return Some(Step::Broken(here)),
                    Some(_) => here += 2,
                },
                marker::DHT | marker::SOS..=marker::DRI | marker::APP0..=marker::APP15 | marker::COM => {
                    let Some(&[high, low, first]) = buf.get(here + 2..here + 5) else {
                        return Some(Step::More);
                    };
                    let length = u16::from_be_bytes([high, low]);
                    if !is_plausible(code, length, first) {
                        here += 2;
                        continue;
                    }
                    self.resume = here + 2;
                    here += 2 + usize::from(length);
                    if code != marker::SOS {
                        *at = here;
                        self.part = Part::Between;
                        return None;
                    }
                }
                // Damaged data.
                _ => here += 2,
            }
        }
    }
}

/// Whether a segment, from its marker's code on, has a damaged length that made it reach
/// into another picture. Only application data may hold one: a thumbnail.
fn swallowed_a_picture(segment: &[u8]) -> bool {
    !matches!(segment.first(), Some(&(APP1..=marker::APP15)))
        && memmem::find(segment, &[0xFF, marker::SOI, 0xFF]).is_some()
}

/// Whether a segment of this length and first byte can be meant, or is damaged data. A
/// wrong yes costs waiting for up to 64 KiB, not the picture.
fn is_plausible(code: u8, length: u16, first: u8) -> bool {
    match code {
        // T.81 B.2.3: as many components as the length has room for.
        marker::SOS => (1..=4).contains(&first) && length == 6 + 2 * u16::from(first),
        marker::DRI | marker::DNL => length == 4,
        marker::DHT => (19..=2 + 8 * 273).contains(&length) && first & 0xEC == 0,
        marker::DQT => (67..=2 + 4 * 129).contains(&length) && first & 0xEC == 0,
        _ => length >= 2,
    }
}

#[cfg(test)]
mod tests;
