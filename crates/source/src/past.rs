//! Packets from the ring, and the way over into the live feed.
//!
//! A batch at a time is read on a thread for blocking work. When the ring's end is reached,
//! the feed's own memory holds what comes next, by its number; so there is neither gap nor
//! repeat between the two, however fast either side is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use feed::{Cursor, Entry, Feed, Start};
use media::{Packet, Timestamp, Tracks};
use ring::Reader;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use crate::Error;
use crate::archive::{Archive, LOOK, Since};

/// Most packets, and bytes of them, that are read ahead for one reader.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 256 << 10;

type Batch = (Reader, Result<Vec<ring::Entry>, ring::Error>);

/// A place in the past of a source.
pub(crate) struct Past {
    archive: Arc<Archive>,
    feed: Feed,
    since: Since,
    reader: Option<Reader>,
    fetching: Option<JoinHandle<Batch>>,
    ready: VecDeque<ring::Entry>,
    /// Number in the feed of the packet after the last one given, if that was of this run.
    next: Option<u64>,
    sameness: Sameness,
}

/// What comes next.
pub(crate) enum Next {
    /// A packet of the past, and when it arrived.
    Past(Box<(Entry, SystemTime)>),
    /// Nothing more is on the disk; the feed goes on here.
    Live(Start),
}

impl Past {
    pub(crate) fn new(archive: Arc<Archive>, feed: Feed, since: Since) -> Self {
        let sameness = Sameness::default();
        Self { archive, feed, since, reader: None, fetching: None, ready: VecDeque::new(), next: None, sameness }
    }

    /// The next packet, or where to go on. Cancel-safe.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) async fn next(&mut self) -> Result<Next, Error> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Ok(Next::Past(Box::new(self.take(entry))));
            }
            if !self.fetch().await? {
                return Ok(Next::Live(Start::Keyframe));
            }
            if !self.ready.is_empty() {
                continue;
            }
            let recorder = self.archive.recorder();
            match self.next {
                Some(next) if self.feed.holds(next) || !recorder.is_writing() => {
                    return Ok(Next::Live(Start::At(next)));
                }
                None if !recorder.is_writing() => return Ok(Next::Live(Start::Keyframe)),
                // It is on its way to the disk.
                _ => sleep(LOOK).await,
            }
        }
    }

    /// What was given is of the same tracks as what comes.
    pub(crate) fn take_sameness(&mut self) -> Sameness {
        std::mem::take(&mut self.sameness)
    }

    /// Reads on; `false` where there is no ring.
    async fn fetch(&mut self) -> Result<bool, Error> {
        if self.fetching.is_none() {
            let mut reader = match self.reader.take() {
                Some(reader) => reader,
                None => {
                    let Some(ring) = self.archive.ring().await else { return Ok(false) };
                    let start = self.start();
                    // Where nothing came since then, what is older is of no use.
                    let is_there = |span: ring::Span| !matches!(start, ring::Start::Wall(time) if time > span.newest);
                    if !ring.span().is_some_and(is_there) && !self.archive.recorder().is_writing() {
                        return Ok(false);
                    }
                    ring.reader(start)
                }
            };
            self.fetching = Some(spawn_blocking(move || {
                let batch = read_some(&mut reader);
                (reader, batch)
            }));
        }
        let Some(fetching) = &mut self.fetching else { return Ok(false) };
        let done = fetching.await;
        self.fetching = None;
        let Ok((reader, batch)) = done else {
            return Err(Error::Broken { what: "the recording cannot be read: its reader died".into() });
        };
        self.reader = Some(reader);
        self.ready.extend(batch.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            Error::Broken { what: format!("the recording cannot be read: {error}{cause}") }
        })?);
        Ok(true)
    }

    fn start(&self) -> ring::Start {
        match self.since {
            Since::Oldest => ring::Start::Oldest,
            Since::Time(time) => ring::Start::Wall(time),
            // By the clock, so that it is the same whether or not anything came of late.
            Since::Ago(span) => match SystemTime::now().checked_sub(span) {
                Some(time) => ring::Start::Wall(time),
                None => ring::Start::Oldest,
            },
        }
    }

    fn take(&mut self, entry: ring::Entry) -> (Entry, SystemTime) {
        let ours = self.archive.recorder().run() == Some(entry.run);
        self.next = ours.then_some(entry.number + 1);
        let packet = Packet {
            pts: self.archive.to_feed(entry.packet.pts),
            dts: self.archive.to_feed(entry.packet.dts),
            received: arrived(entry.wall),
            ..entry.packet
        };
        // Numbers of another run mean nothing beside those of this one.
        let seq = if ours { entry.number } else { 0 };
        let entry_of_feed = Entry { seq, index: seq, lost: entry.lost, tracks: entry.tracks, packet };
        (self.sameness.of(entry_of_feed), entry.wall)
    }
}

/// A time of the wall clock as an instant, as far back as the system has such.
fn arrived(wall: SystemTime) -> Instant {
    let now = Instant::now();
    let age = SystemTime::now().duration_since(wall).unwrap_or_default();
    now.checked_sub(age).unwrap_or(now)
}

fn read_some(reader: &mut Reader) -> Result<Vec<ring::Entry>, ring::Error> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH && bytes < BATCH_BYTES {
        let Some(entry) = reader.read()? else { break };
        bytes += entry.packet.data.len();
        batch.push(entry);
    }
    Ok(batch)
}

/// Makes one stream of what the disk, earlier runs and the feed give: equal declarations are
/// the same one, and decoding times rise although a clock was set between two runs.
#[derive(Default)]
pub(crate) struct Sameness {
    tracks: Tracks,
    /// The last decoding time given, per track.
    last: Vec<Option<Timestamp>>,
    /// What is added to every time, in nanoseconds.
    shift: i64,
}

impl Sameness {
    pub(crate) fn of(&mut self, mut entry: Entry) -> Entry {
        if entry.tracks.as_slice() == self.tracks.as_slice() {
            entry.tracks = self.tracks.clone();
        } else {
            self.tracks = entry.tracks.clone();
        }
        let track = usize::from(entry.packet.track.0);
        if self.last.len() <= track {
            self.last.resize(track + 1, None);
        }
        let shifted = |at: Timestamp, by: i64| Timestamp::from_nanos(at.as_nanos().saturating_add(by));
        if let Some(last) = self.last[track]
            && shifted(entry.packet.dts, self.shift) <= last
        {
            self.shift = last.as_nanos().saturating_sub(entry.packet.dts.as_nanos()).saturating_add(1_000_000);
            entry.packet.discontinuity = true;
        }
        entry.packet.pts = shifted(entry.packet.pts, self.shift);
        entry.packet.dts = shifted(entry.packet.dts, self.shift);
        self.last[track] = Some(entry.packet.dts);
        entry
    }
}

/// A piece of the past, from a keyframe to a time.
pub struct Clip {
    past: Past,
    until: SystemTime,
}

impl Clip {
    pub(crate) fn new(archive: Arc<Archive>, feed: Feed, from: SystemTime, until: SystemTime) -> Self {
        Self { past: Past::new(archive, feed, Since::Time(from)), until }
    }

    /// The next packet, in order, or nothing at the end of the clip or of what is recorded.
    /// The first one is the keyframe at or before the beginning asked for; where nothing so
    /// old is recorded, the oldest. Cancel-safe.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn next(&mut self) -> Result<Option<Entry>, Error> {
        match self.past.next().await? {
            Next::Past(found) if found.1 < self.until => Ok(Some(found.0)),
            _ => Ok(None),
        }
    }
}

/// What a reader of the past goes on with.
pub(crate) struct Live {
    pub(crate) cursor: Cursor,
    pub(crate) sameness: Sameness,
}
