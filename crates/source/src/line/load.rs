//! From a file to an attempt that can be played.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use formats::capture::{Event, Placed, Reader, Side};

use super::play::{Attempt, Looked, Strand, What};
use crate::Error;

/// Most events of one attempt that are played.
const MOST_EVENTS: usize = 4 << 20;
/// Most connections and sockets of one attempt.
const MOST_LINES: usize = 1 << 16;
/// What is read of the file at once, in bytes.
const READ: usize = 256 << 10;
/// Requests that nobody waits for in the middle of a stream.
const ASIDE: &[&[u8]] = &[b"$", b"GET_PARAMETER ", b"SET_PARAMETER "];

/// What a capture holds.
pub(crate) struct Contents {
    pub(crate) file: File,
    /// What it is of.
    pub(crate) about: HashMap<String, String>,
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

/// Reads the capture at `path`, with the attempt of that number, the first being 0, if there is one.
///
/// # Errors
/// When there is no such file, it is no capture, or nothing is in it.
pub(crate) fn load(path: &str, number: u64) -> Result<Contents, Error> {
    let io = |error: std::io::Error| Error::from_io(path, &error);
    let mut file = File::open(path).map_err(io)?;
    let mut reader = Reader::new();
    let mut buffer = vec![0; READ];
    let mut loading = Loading { number, ..Loading::default() };
    let mut wrong = None;
    while wrong.is_none() {
        let count = file.read(&mut buffer).map_err(io)?;
        if count == 0 {
            break;
        }
        reader.handle_bytes(&buffer[..count]);
        loop {
            match reader.poll() {
                Ok(Some(placed)) => loading.take(placed),
                Ok(None) => break,
                Err(error) => {
                    wrong = Some(error);
                    break;
                }
            }
        }
    }
    match (&wrong, reader.left()) {
        (Some(error), _) if loading.about.is_empty() => {
            return Err(Error::NotVideo { what: format!("{path}: this is no capture: {error}"), page: false });
        }
        (Some(error), _) => tracing::warn!("{path}: {error}; what is before it is played"),
        (None, left @ 1..) => tracing::info!("{path}: the last record broke off; its {left} bytes are left out"),
        _ => {}
    }
    if loading.attempts == 0 {
        return Err(Error::Broken { what: format!("{path}: nothing was captured") });
    }
    if loading.left_out > 0 {
        tracing::warn!(events = loading.left_out, "{path}: too long an attempt; its end is left out");
    }
    let Loading { about, attempts, attempt, .. } = loading;
    Ok(Contents { file, about, attempts, attempt })
}

#[derive(Default)]
struct Loading {
    number: u64,
    about: HashMap<String, String>,
    attempts: u64,
    attempt: Attempt,
    events: usize,
    left_out: usize,
    /// The lines of the first halves of tunnels of RTSP in HTTP, by their words.
    tunnels: HashMap<String, u32>,
}

impl Loading {
    fn take(&mut self, placed: Placed) {
        let at = placed.record.at_us;
        match placed.record.event {
            Event::About(pairs) => return self.about.extend(pairs),
            Event::Attempt => {
                self.attempts += 1;
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
        if self.events >= MOST_EVENTS {
            self.left_out += 1;
            return;
        }
        self.events += 1;
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
            Event::Connected { line, peer, local } => self.add(line, at, What::Connected { peer, local }),
            Event::Secured { line } => self.add(line, at, What::Secured),
            Event::Failed { line, failure } => self.add(line, at, What::Failed(failure)),
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
            Event::Broken { line, failure } => self.add(line, at, What::Broken(failure)),
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
