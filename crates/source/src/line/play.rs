//! One attempt of a capture, played: what the camera sends comes when it came.
//!
//! Each line has its events in order. What we said is among them as a gate: what the camera
//! answered to it does not come before we have said something, so a question is never answered
//! before it is asked, however fast it is played. What is answered to nothing, and what we say of
//! our own accord, holds nothing up, and no gate does for long.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use formats::capture::Failure;
use tokio::time::{Sleep, sleep_until};

use super::failure;
use super::load::Contents;
use crate::Error;

/// How long an answer waits for its question beyond its time.
const GRACE: Duration = Duration::from_secs(2);
/// How long what came later waits for what came before it on another line, and is due as well.
const ORDER: Duration = Duration::from_millis(50);
/// How long after the last that was captured whoever is still at work has to end by itself.
const SLACK: Duration = Duration::from_secs(1);
/// Without anything said or heard for so long it is over, where nothing is left to be heard.
const QUIET: Duration = Duration::from_millis(1500);
/// The same where something is.
const STUCK: Duration = Duration::from_secs(15);

/// How fast it is played.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Speed {
    /// So many times as fast as it came, at least once.
    Times(f64),
    /// As fast as it is taken.
    Max,
}

/// What happened on a line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// With the camera's address and our own.
    Connected(Box<[SocketAddr; 2]>),
    Secured,
    Failed(Box<Failure>),
    /// Bytes of the camera's, here in the file.
    Heard {
        at: u64,
        length: u32,
    },
    Datagram {
        peer: SocketAddr,
        at: u64,
        length: u32,
    },
    /// We said something; whether an answer is to wait for it.
    Said {
        awaited: bool,
    },
    /// The camera hung up.
    Closed,
    Broken(Box<Failure>),
    Exited {
        code: Option<i32>,
        signal: Option<i32>,
    },
}

/// One line.
#[derive(Debug, Default)]
pub(super) struct Strand {
    /// Where it leads, or what it is for.
    pub(super) place: String,
    pub(super) events: VecDeque<(u64, What)>,
    /// Our own address, of a socket for datagrams.
    pub(super) local: Option<SocketAddr>,
    /// Whether we say anything on it.
    pub(super) has_said: bool,
    taken: bool,
    /// Whoever took it has hung up.
    gone: bool,
    /// Something was said since the last gate.
    said: bool,
    /// When it was first held up by a gate, or by the order.
    held: Option<Instant>,
    waker: Option<Waker>,
}

impl Strand {
    pub(super) fn new(place: String, local: Option<SocketAddr>) -> Self {
        Self { place, local, ..Self::default() }
    }

    /// When the next that is to be heard came.
    fn due(&self) -> Option<u64> {
        self.events.iter().find(|(_, what)| !matches!(what, What::Said { .. })).map(|(at, _)| *at)
    }

    /// Whether that waits for something that we have not said, and somebody waits for it.
    fn is_gated(&self) -> bool {
        matches!(self.events.front(), Some((_, What::Said { awaited: true }))) && !self.said && self.waker.is_some()
    }
}

/// A name that was looked up.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) at_us: u64,
    pub(super) host: String,
    pub(super) result: Result<Vec<SocketAddr>, Failure>,
}

/// What one attempt was.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    pub(super) began_us: u64,
    /// When the last of it happened.
    pub(super) last_us: u64,
    pub(super) strands: BTreeMap<u32, Strand>,
    pub(super) looked: VecDeque<Looked>,
    /// What is said on the first of two lines is answered on the second.
    pub(super) pairs: BTreeMap<u32, u32>,
    /// What it ended with.
    pub(super) over: Option<Failure>,
}

/// It is played.
pub(crate) struct Play {
    /// What the user calls it.
    name: String,
    file: File,
    anchor: Instant,
    /// How long ago the attempt began, by the wall clock.
    age_s: f64,
    speed: Speed,
    state: Mutex<State>,
}

struct State {
    attempt: Attempt,
    /// When the newest came that was heard.
    newest_us: u64,
    /// When something was last said or heard.
    active: Instant,
}

impl Play {
    /// Of what is called `name`, from now on.
    pub(crate) fn new(name: String, contents: Contents, speed: Speed) -> Self {
        let age_s = contents.age_s(SystemTime::now());
        let Contents { file, attempt, .. } = contents;
        let (newest_us, anchor) = (attempt.began_us, Instant::now());
        Self { name, file, anchor, age_s, speed, state: Mutex::new(State { attempt, newest_us, active: anchor }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long after the begin of the attempt something came.
    fn since(&self, state: &State, at_us: u64) -> Duration {
        Duration::from_micros(at_us.saturating_sub(state.attempt.began_us))
    }

    /// When something that came then is due; never beyond a year.
    fn due(&self, state: &State, at_us: u64) -> Instant {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        let since = self.since(state, at_us).min(YEAR);
        match self.speed {
            Speed::Times(times) => self.anchor + since.div_f64(times.max(1.0)),
            Speed::Max => self.anchor,
        }
    }

    /// When the newest bytes came, on a clock that runs as the one of the capture did.
    pub(crate) fn now(&self) -> Instant {
        let state = self.state();
        self.anchor + self.since(&state, state.newest_us).min(Duration::from_secs(1 << 25))
    }

    /// The addresses of `host`, as they were found then.
    pub(super) async fn resolve(&self, host: &str) -> Result<Vec<SocketAddr>, Error> {
        let (looked, due) = {
            let mut state = self.state();
            state.active = Instant::now();
            let found = state.attempt.looked.iter().position(|looked| looked.host == host);
            let Some(looked) = found.and_then(|at| state.attempt.looked.remove(at)) else {
                let what = format!("{}: {host} was not looked up then", self.name);
                return Err(Error::Unreachable { what });
            };
            let due = self.due(&state, looked.at_us);
            (looked, due)
        };
        sleep_until(due.into()).await;
        self.state().active = Instant::now();
        looked.result.map_err(|failure| failure::expected(&failure))
    }

    /// Takes the next line that leads to `place`, or is for it.
    pub(super) fn take(&self, place: &str) -> Result<u32, Error> {
        let mut state = self.state();
        state.active = Instant::now();
        let free = state.attempt.strands.iter_mut().find(|(_, strand)| !strand.taken && strand.place == place);
        let Some((line, strand)) = free else {
            return Err(Error::Unreachable { what: format!("{}: {place} was not connected to then", self.name) });
        };
        strand.taken = true;
        Ok(*line)
    }

    /// Our own address on a line.
    pub(super) fn local(&self, line: u32) -> Option<SocketAddr> {
        self.state().attempt.strands.get(&line)?.local
    }

    /// Whoever took the line has hung up.
    pub(super) fn leave(&self, line: u32) {
        let mut state = self.state();
        if let Some(strand) = state.attempt.strands.get_mut(&line) {
            strand.gone = true;
        }
        state.wake_others(line);
    }

    /// Something came of what was heard, if late: whoever plays a recording takes its time.
    pub(super) fn used(&self) {
        self.state().active = Instant::now();
    }

    /// We have said something.
    pub(super) fn said(&self, line: u32) {
        let mut state = self.state();
        state.active = Instant::now();
        let line = state.attempt.pairs.get(&line).copied().unwrap_or(line);
        if let Some(strand) = state.attempt.strands.get_mut(&line) {
            strand.said = true;
            if let Some(waker) = strand.waker.take() {
                waker.wake();
            }
        }
    }

    /// The next on this line, when it is due.
    pub(super) fn poll_next(
        &self,
        line: u32,
        timer: &mut Option<Pin<Box<Sleep>>>,
        context: &mut Context<'_>,
    ) -> Poll<What> {
        loop {
            let due = match self.try_next(line, context) {
                Ok(what) => return Poll::Ready(what),
                Err(None) => return Poll::Pending,
                Err(Some(due)) => due,
            };
            match timer {
                Some(timer) => timer.as_mut().reset(due.into()),
                None => *timer = Some(Box::pin(sleep_until(due.into()))),
            }
            if timer.as_mut().is_some_and(|timer| timer.as_mut().poll(context).is_pending()) {
                return Poll::Pending;
            }
        }
    }

    /// What is due, or when to look again, if not only when woken.
    fn try_next(&self, line: u32, context: &mut Context<'_>) -> Result<What, Option<Instant>> {
        let now = Instant::now();
        let mut state = self.state();
        let state = &mut *state;
        let others = state.others(line);
        if let Some(strand) = state.attempt.strands.get_mut(&line) {
            strand.waker = Some(context.waker().clone());
        }
        while let Some(patience) = self.gate(state, line, now)? {
            if now < patience {
                return Err(Some(patience));
            }
        }
        let strand = state.attempt.strands.get(&line).ok_or(None)?;
        let Some((at, _)) = strand.events.front() else { return Err(None) };
        let at = *at;
        let due = self.due(state, at);
        if now < due {
            return Err(Some(due));
        }
        let strand = state.attempt.strands.get_mut(&line).ok_or(None)?;
        let (gated, others) = others;
        let patience = match gated.is_some_and(|other| other < at) {
            // What came after an answer comes after it.
            true => GRACE,
            false if others.is_some_and(|other| other < at) => ORDER,
            false => Duration::ZERO,
        };
        let patience = *strand.held.get_or_insert(now) + patience;
        if now < patience {
            return Err(Some(patience));
        }
        strand.held = None;
        let Some((_, what)) = strand.events.pop_front() else { return Err(None) };
        state.newest_us = state.newest_us.max(at);
        state.active = now;
        state.wake_others(line);
        Ok(what)
    }

    /// Passes what we said that is next on the line. Where it has to be said first, it holds up what
    /// follows until then.
    fn gate(&self, state: &mut State, line: u32, now: Instant) -> Result<Option<Instant>, Option<Instant>> {
        let strand = state.attempt.strands.get(&line).ok_or(None)?;
        let Some((_, What::Said { awaited })) = strand.events.front() else { return Ok(None) };
        let (awaited, said, held) = (*awaited, strand.said, strand.held.unwrap_or(now));
        let patience = self.due(state, strand.due().ok_or(None)?).max(held) + GRACE;
        let strand = state.attempt.strands.get_mut(&line).ok_or(None)?;
        if awaited && !said && now < patience {
            strand.held = Some(held);
            return Ok(Some(patience));
        }
        strand.events.pop_front();
        if awaited {
            (strand.said, strand.held) = (false, None);
            // What was said in one go opens the gates of all that was said in one go then.
            while matches!(strand.events.front(), Some((_, What::Said { .. }))) {
                strand.events.pop_front();
            }
        }
        Ok(Some(now))
    }

    /// The bytes of an event.
    pub(super) fn read(&self, at: u64, length: u32) -> std::io::Result<Bytes> {
        let mut bytes = vec![0; length as usize];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes.into())
    }

    /// Whether it has come to the end of what was captured; `room` is whether who listens could
    /// take more.
    pub(crate) fn is_over(&self, room: bool) -> bool {
        let state = self.state();
        let quiet = state.active.elapsed();
        if self.speed != Speed::Max && Instant::now() < self.due(&state, state.attempt.last_us) + SLACK {
            return false;
        }
        let strands = state.attempt.strands.values();
        let left = strands.filter(|strand| !strand.gone && strand.due().is_some()).count();
        quiet >= QUIET && left == 0 || quiet >= STUCK && room
    }

    /// What the attempt ended with then; that nobody wanted it any more, or that the capture was
    /// over, is an end in order.
    pub(crate) fn end(&self) -> Error {
        let over = self.state().attempt.over.as_ref().and_then(failure::error);
        over.unwrap_or(Error::Ended { what: None })
    }

    /// How long ago it was, in seconds.
    pub(crate) fn age_s(&self) -> f64 {
        self.age_s
    }

    /// For whom something is asked that was not captured.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl State {
    /// When the next came that is to be heard on any other line: behind gates, and without.
    fn others(&self, line: u32) -> (Option<u64>, Option<u64>) {
        let is_other = |(other, strand): &(&u32, &Strand)| **other != line && strand.taken && !strand.gone;
        let next = |gated| {
            let others = self.attempt.strands.iter().filter(is_other);
            others.filter(|(_, strand)| strand.is_gated() == gated).filter_map(|(_, strand)| strand.due()).min()
        };
        (next(true), next(false))
    }

    fn wake_others(&mut self, line: u32) {
        for (_, strand) in self.attempt.strands.iter_mut().filter(|(other, _)| **other != line) {
            if let Some(waker) = strand.waker.take() {
                waker.wake();
            }
        }
    }
}
