//! From a file to an attempt that can be played.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use formats::capture::{Event, Failure, HEAD, Placed, Reader, Side};

use super::play::{Attempt, Looked, Strand, What};
use crate::Error;

/// Most events of one attempt that are played.
const MOST_EVENTS: usize = 4 << 20;
/// Most connections and sockets of one attempt.
const MOST_LINES: usize = 1 << 16;
/// Most bytes of names, addresses and failures of one attempt.
const MOST_TEXT: usize = 16 << 20;
/// What is taken for a name besides its bytes.
const SOME: usize = 256;
/// Captures of which it is remembered where their attempts are; how many of each.
const MOST_KNOWN: usize = 32;
const MOST_BEGINS: usize = 4096;
/// What is read of the file at once, in bytes.
const READ: usize = 256 << 10;
/// Requests that nobody waits for in the middle of a stream.
const ASIDE: &[&[u8]] = &[b"$", b"GET_PARAMETER ", b"SET_PARAMETER "];

/// What a capture holds.
pub(crate) struct Contents {
    pub(crate) file: File,
    /// What it is of.
    pub(crate) about: Arc<HashMap<String, String>>,
    /// How often it was opened.
    pub(crate) attempts: u64,
    pub(super) attempt: Attempt,
}

impl Contents {
    /// How many seconds before `now` the attempt began; 0 where the capture does not tell.
    pub(super) fn age_s(&self, now: SystemTime) -> f64 {
        let began = self.about.get("began_unix_us").and_then(|micros| micros.parse().ok());
        let Some(began) = began.and_then(|micros: u64| micros.checked_add(self.attempt.began_us)) else { return 0.0 };
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_secs_f64() - Duration::from_micros(began).as_secs_f64()
    }
}

/// What is known of a capture that was read, so that no other attempt of it has it read from the
/// begin again.
#[derive(Clone)]
struct Known {
    path: String,
    /// It is the same one as long as these are.
    bytes: u64,
    changed: SystemTime,
    about: Arc<HashMap<String, String>>,
    attempts: u64,
    /// Where their records begin.
    begins: Arc<Vec<u64>>,
}

/// The newest last.
static KNOWN: Mutex<Vec<Known>> = Mutex::new(Vec::new());

impl Known {
    fn of(path: &str, bytes: u64, changed: SystemTime) -> Option<Self> {
        let all = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|known| known.path == path && known.bytes == bytes && known.changed == changed).cloned()
    }

    fn keep(self) {
        let mut all = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.path != self.path);
        if all.len() >= MOST_KNOWN {
            all.remove(0);
        }
        all.push(self);
    }
}

/// Reads the capture at `path`, with the attempt of that number, the first being 0, if there is one;
/// if it `wraps`, the first follows the last.
///
/// # Errors
/// When there is no such file, it is no capture, or nothing is in it.
pub(crate) fn load(path: &str, number: u64, wraps: bool) -> Result<Contents, Error> {
    let io = |error: std::io::Error| Error::from_io(path, &error);
    let mut file = File::open(path).map_err(io)?;
    let data = file.metadata().map_err(io)?;
    let (bytes, changed) = (data.len(), data.modified().map_err(io)?);
    if let Some(known) = Known::of(path, bytes, changed) {
        let number = if wraps { number % known.attempts } else { number };
        let begin = usize::try_from(number).ok().and_then(|number| known.begins.get(number));
        if let Some(begin) = begin {
            file.seek(SeekFrom::Start(*begin)).map_err(io)?;
            let mut loading = Loading { number, attempts: number, about: (*known.about).clone(), ..Loading::default() };
            loading.read(path, &mut file, Reader::at(*begin), true)?;
            return Ok(Contents { file, about: known.about, attempts: known.attempts, attempt: loading.attempt });
        }
    }
    let mut loading = Loading { number, ..Loading::default() };
    loading.read(path, &mut file, Reader::new(), false)?;
    if crate::file::is_empty(std::path::Path::new(path)) {
        return Err(Error::empty(path));
    }
    if loading.attempts == 0 {
        return Err(Error::Broken { what: format!("{path}: nothing was captured") });
    }
    let Loading { about, attempts, attempt, begins, .. } = loading;
    let (about, begins) = (Arc::new(about), Arc::new(begins));
    let known =
        Known { path: path.into(), bytes, changed, about: Arc::clone(&about), attempts, begins: Arc::clone(&begins) };
    known.keep();
    match wraps && number >= attempts && number % attempts < begins.len() as u64 {
        true => load(path, number % attempts, false),
        false => Ok(Contents { file, about, attempts, attempt }),
    }
}

#[derive(Default)]
struct Loading {
    number: u64,
    about: HashMap<String, String>,
    attempts: u64,
    attempt: Attempt,
    /// Where attempts begin.
    begins: Vec<u64>,
    events: usize,
    text: usize,
    left_out: usize,
    /// The lines of the first halves of tunnels of RTSP in HTTP, by their words.
    tunnels: HashMap<String, u32>,
}

impl Loading {
    /// Reads to the end of the file, or of the attempt if that is `enough`.
    fn read(&mut self, path: &str, file: &mut File, mut reader: Reader, enough: bool) -> Result<(), Error> {
        let mut buffer = vec![0; READ];
        let mut wrong = None;
        let is_enough =
            |loading: &Self| enough && (loading.attempt.over.is_some() || loading.attempts > loading.number + 1);
        while wrong.is_none() && !is_enough(self) {
            let count = file.read(&mut buffer).map_err(|error| Error::from_io(path, &error))?;
            if count == 0 {
                break;
            }
            reader.handle_bytes(&buffer[..count]);
            loop {
                match reader.poll() {
                    Ok(Some(placed)) => self.take(placed),
                    Ok(None) => break,
                    Err(error) => {
                        wrong = Some(error);
                        break;
                    }
                }
            }
        }
        match (&wrong, reader.left()) {
            (Some(error), _) if self.about.is_empty() => {
                return Err(Error::NotVideo { what: format!("{path}: this is no capture: {error}"), page: false });
            }
            // What was not read is no matter.
            _ if is_enough(self) => {}
            (Some(error), _) => tracing::warn!("{path}: {error}; what is before it is played"),
            (None, left @ 1..) => tracing::info!("{path}: the last record broke off; its {left} bytes are left out"),
            _ => {}
        }
        if self.left_out > 0 {
            tracing::warn!(events = self.left_out, "{path}: too long an attempt; its end is left out");
        }
        Ok(())
    }

    fn take(&mut self, placed: Placed) {
        let at = placed.record.at_us;
        match placed.record.event {
            Event::About(pairs) => {
                if self.about.is_empty() {
                    self.about.extend(pairs);
                }
                return;
            }
            Event::Attempt => {
                self.attempts += 1;
                if self.begins.len() < MOST_BEGINS {
                    self.begins.push(placed.at - HEAD as u64);
                }
                if self.attempts == self.number + 1 {
                    (self.attempt.began_us, self.attempt.last_us) = (at, at);
                }
                return;
            }
            _ => {}
        }
        if self.attempts != self.number + 1 || self.attempt.over.is_some() {
            return;
        }
        let text = text(&placed.record.event);
        if self.events >= MOST_EVENTS || self.text + text > MOST_TEXT {
            self.left_out += 1;
            return;
        }
        self.events += 1;
        self.text += text;
        self.attempt.last_us = self.attempt.last_us.max(at);
        let data = |length: usize| (placed.at + (placed.length as usize - length) as u64, length as u32);
        match placed.record.event {
            Event::Over(failure) => self.attempt.over = Some(failure),
            Event::Resolved { host, addresses } => {
                self.attempt.looked.push_back(Looked { at_us: at, host, result: Ok(addresses) });
            }
            Event::Unresolved { host, failure } => {
                self.attempt.looked.push_back(Looked { at_us: at, host, result: Err(failure) });
            }
            Event::Dial { line, place } => self.open(line, Strand::new(place, None)),
            Event::Socket { line, role, local } => {
                self.open(line, Strand::new(role, Some(local)));
            }
            Event::Connected { line, peer, local } => self.add(line, at, What::Connected(Box::new([peer, local]))),
            Event::Secured { line } => self.add(line, at, What::Secured),
            Event::Failed { line, failure } => self.add(line, at, What::Failed(failure.into())),
            Event::Bytes { line, from: Side::Camera, data: bytes } => {
                let (at_byte, length) = data(bytes.len());
                self.add(line, at, What::Heard { at: at_byte, length });
            }
            Event::Bytes { line, from: Side::Us, data: bytes } => {
                if let Some(cookie) = cookie(&bytes) {
                    if bytes.starts_with(b"POST ") {
                        // The other half of a tunnel: what is said here is answered there.
                        let there = self.tunnels.get(&cookie).map(|there| (line, *there));
                        return self.attempt.pairs.extend(there);
                    }
                    self.text += cookie.len() + SOME;
                    self.tunnels.insert(cookie, line);
                }
                let line = self.attempt.pairs.get(&line).copied().unwrap_or(line);
                let is_first = self.attempt.strands.get(&line).is_some_and(|strand| !strand.has_said);
                let aside = ASIDE.iter().any(|word| bytes.starts_with(word));
                let awaited = is_first || !aside && !bytes.starts_with(b"OPTIONS ");
                self.add(line, at, What::Said { awaited });
            }
            Event::Datagram { line, from: Side::Camera, peer, data: bytes } => {
                let (at_byte, length) = data(bytes.len());
                self.add(line, at, What::Datagram { peer, at: at_byte, length });
            }
            Event::Closed { line, by: Side::Camera } => self.add(line, at, What::Closed),
            Event::Broken { line, failure } => self.add(line, at, What::Broken(failure.into())),
            Event::Exited { line, code, signal } => self.add(line, at, What::Exited { code, signal }),
            _ => {}
        }
    }

    fn open(&mut self, line: u32, strand: Strand) {
        if self.attempt.strands.len() < MOST_LINES {
            self.attempt.strands.insert(line, strand);
        } else {
            self.left_out += 1;
        }
    }

    fn add(&mut self, line: u32, at: u64, what: What) {
        // A line of an attempt before is none of this one's.
        if let Some(strand) = self.attempt.strands.get_mut(&line) {
            strand.has_said |= matches!(what, What::Said { .. });
            strand.events.push_back((at, what));
        }
    }
}

/// What is kept of an event besides its place, in bytes.
fn text(event: &Event) -> usize {
    let of = |failure: &Failure| failure.kind.len() + failure.what.len() + failure.hint.len() + SOME;
    match event {
        Event::Over(failure) | Event::Failed { failure, .. } | Event::Broken { failure, .. } => of(failure),
        Event::Unresolved { host, failure } => host.len() + of(failure),
        Event::Resolved { host, addresses } => host.len() + addresses.len() * 32 + SOME,
        Event::Dial { place, .. } => place.len() + SOME,
        Event::Socket { role, .. } => role.len() + SOME,
        Event::Connected { .. } => 64,
        _ => 0,
    }
}

/// The word of a tunnel of RTSP in HTTP.
fn cookie(request: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&request[..request.len().min(4096)]);
    let line = head.lines().find_map(|line| line.strip_prefix("x-sessioncookie: "))?;
    Some(line.to_owned())
}

/// For the fuzzer: what is to be played of a capture lies in it, and is no more than may.
///
/// # Panics
/// When that is not so.
pub(crate) fn check(capture: &[u8]) {
    let mut reader = Reader::new();
    reader.handle_bytes(capture);
    let mut loading = Loading::default();
    while let Ok(Some(placed)) = reader.poll() {
        loading.take(placed);
    }
    let attempt = &loading.attempt;
    assert!(attempt.strands.len() <= MOST_LINES && loading.events <= MOST_EVENTS);
    for (_, what) in attempt.strands.values().flat_map(|strand| &strand.events) {
        if let What::Heard { at, length } | What::Datagram { at, length, .. } = what {
            assert!(at + u64::from(*length) <= capture.len() as u64, "{what:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use formats::capture::{PREAMBLE, Record};

    use super::*;

    fn file(events: impl IntoIterator<Item = Event>) -> tempfile::NamedTempFile {
        let mut bytes = PREAMBLE.to_vec();
        events.into_iter().enumerate().for_each(|(at, event)| Record { at_us: at as u64, event }.write(&mut bytes));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn about() -> Event {
        Event::About(vec![("url".into(), "http://cam/".into())])
    }

    fn place(contents: &Contents) -> &str {
        &contents.attempt.strands.values().next().unwrap().place
    }

    #[test]
    fn each_attempt_is_found_in_any_round() {
        let attempt = |number: u32| {
            let over = Event::Over(Failure::default());
            [Event::Attempt, Event::Dial { line: number, place: format!("cam{number}:80") }, over]
        };
        let file = file([about()].into_iter().chain((0..3).flat_map(attempt)));
        let path = file.path().to_str().unwrap();
        for number in [0, 1, 2, 3, 7] {
            let contents = load(path, number, true).unwrap();
            assert_eq!((place(&contents), contents.attempts), (&*format!("cam{}:80", number % 3), 3));
            assert_eq!(contents.attempt.began_us, 1 + number % 3 * 3);
            assert_eq!(contents.about["url"], "http://cam/");
        }
        assert!(load(path, 3, false).unwrap().attempt.strands.is_empty());
        // Another file is there now.
        let other = self::file([about(), Event::Attempt, Event::Dial { line: 1, place: "other:80".into() }]);
        std::fs::copy(other.path(), path).unwrap();
        assert_eq!((place(&load(path, 5, true).unwrap()), load(path, 5, true).unwrap().attempts), ("other:80", 1));
    }

    #[test]
    fn names_without_end_are_left_out() {
        let dials = (0..1000).map(|line| Event::Dial { line, place: "x".repeat(60_000) });
        let abouts = (0..1000).map(|number| Event::About(vec![(format!("{number}"), "x".repeat(60_000))]));
        let file = file([about(), Event::Attempt].into_iter().chain(dials).chain(abouts));
        let contents = load(file.path().to_str().unwrap(), 0, false).unwrap();
        assert_eq!(contents.attempt.strands.len(), MOST_TEXT / (60_000 + SOME));
        assert_eq!(contents.about.len(), 1);
    }
}
