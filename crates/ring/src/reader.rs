//! A reader's place in the ring.
//!
//! Readers open the files themselves and hold nobody up. What is written at the other end
//! may take the ground from under one: it then goes on at the oldest keyframe and is told
//! how many packets it missed. The same holds where the disk gives back something else than
//! was written. No reader is ever given a packet that depends on one it did not get.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use media::{Packet, TrackId, Tracks};

use crate::Error;
use crate::format::{Kind, RecordHead, SEGMENT_HEAD, time};
use crate::segment::{ReadAt, head_at, payload_at};
use crate::state::{Place, Shared, Until, segment_path};
use crate::tracks;

/// Where a reader starts: at a keyframe, always.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// The oldest one held.
    Oldest,
    /// The newest one.
    Newest,
    /// The last one that arrived at or before this time; the oldest where all are later.
    Wall(SystemTime),
    /// The last one that is so much older than the newest packet, or more; the oldest where
    /// the ring does not reach back so far.
    Back(Duration),
    /// The first one with this number in the ring or a later one.
    From(u64),
}

/// A packet in its place.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Running number in the ring; never goes back, over restarts neither.
    pub seq: u64,
    /// How many packets this reader missed just before it: overwritten before it came to
    /// them, or damaged on the disk.
    pub lost: u64,
    /// Which run of the program wrote it: see [`Writer::run`](crate::Writer::run).
    pub run: u64,
    /// Its number in the feed of that run.
    pub number: u64,
    /// When it arrived.
    pub wall: SystemTime,
    /// What it belongs to; the same declaration for as long as it does not change.
    pub tracks: Tracks,
    /// The packet, on the ring's timeline. As `received` stands the time of reading, since
    /// an [`Instant`] means nothing to another process.
    pub packet: Packet,
}

/// One reader of a ring.
pub struct Reader {
    ring: Arc<Shared>,
    position: Position,
    /// The open file of the segment called so.
    file: Option<(u64, Arc<File>)>,
    tracks: Tracks,
    run: u64,
    /// Number of the packet that is due.
    next_seq: u64,
    lost: u64,
    /// The next packet does not follow the last one.
    broken: bool,
}

enum Position {
    /// Not begun, or between two places.
    Start(Start),
    /// At the record that begins at `at` of a segment.
    At { segment: u64, at: u64 },
}

/// What stands at a place.
enum Found {
    Packet(Box<Entry>),
    /// A declaration: look again behind it.
    Tracks,
    /// Nothing that can be read.
    Damaged,
}

impl Reader {
    pub(crate) fn new(ring: Arc<Shared>, start: Start) -> Self {
        Self {
            ring,
            position: Position::Start(start),
            file: None,
            tracks: Tracks::default(),
            run: 0,
            next_seq: 0,
            lost: 0,
            broken: false,
        }
    }

    /// The next packet, or nothing when this was the last that is written. Reads from the
    /// disk, and so may take as long as that takes.
    ///
    /// # Errors
    /// When a file cannot be opened or read, other than for being overwritten.
    pub fn read(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            let (segment, at) = match self.position {
                Position::Start(start) => {
                    if !self.begin(start)? {
                        return Ok(None);
                    }
                    continue;
                }
                Position::At { segment, at } => (segment, at),
            };
            let end = {
                let state = self.ring.state();
                match state.segment(segment) {
                    None => {
                        // What is left may follow all the same.
                        let next_seq = self.next_seq;
                        let follows = state.filled().find(|held| held.summary.first_seq == next_seq);
                        self.position = match follows {
                            Some(held) => Position::At { segment: held.number, at: SEGMENT_HEAD as u64 },
                            None => Position::Start(Start::From(next_seq)),
                        };
                        self.broken |= follows.is_none();
                        continue;
                    }
                    Some(held) if at >= held.summary.end => match state.after(segment) {
                        Some(next) => {
                            self.position = Position::At { segment: next, at: SEGMENT_HEAD as u64 };
                            continue;
                        }
                        None => return Ok(None),
                    },
                    Some(held) => held.summary.end,
                }
            };
            match self.record(segment, at, end)? {
                Some(Found::Packet(entry)) => return Ok(Some(*entry)),
                Some(Found::Tracks) => {}
                Some(Found::Damaged) => self.fall(),
                // Gone since we looked.
                None => {}
            }
        }
    }

    /// The number of the packet that is due next, once one was read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.next_seq
    }

    /// Goes on at the first keyframe behind what cannot be read.
    fn fall(&mut self) {
        self.broken = true;
        self.position = Position::Start(Start::From(self.next_seq.saturating_add(1)));
    }

    /// Goes to `start`; `false` when there is no keyframe yet.
    fn begin(&mut self, start: Start) -> Result<bool, Error> {
        let Some((place, until)) = self.ring.state().place(start) else { return Ok(false) };
        let (place, (at, seq, declared)) = match (self.look_through(place, until)?, until) {
            (Some(found), _) => (place, found),
            (None, Until::From(seq)) => {
                let Some(place) = self.ring.state().place_from(seq) else { return Ok(false) };
                (place, (place.point.at, place.point.seq, place.point.tracks))
            }
            // Overwritten since we looked.
            (None, _) => return Ok(true),
        };
        if self.broken {
            self.lost += seq.saturating_sub(self.next_seq);
        }
        self.next_seq = seq;
        self.position = Position::At { segment: place.segment, at };
        // The declaration that holds there.
        match self.record(place.segment, declared, at)? {
            Some(Found::Tracks) => self.position = Position::At { segment: place.segment, at },
            Some(_) => self.fall(),
            // Overwritten since we looked: look again, and count from here.
            None => {
                self.broken = true;
                self.position = Position::Start(Start::From(seq));
            }
        }
        Ok(true)
    }

    /// The keyframe from `place` up to the next point that `until` wants: its place, its
    /// number, and the place of its declaration. Nothing when the segment is gone, or has
    /// none.
    fn look_through(&mut self, place: Place, until: Until) -> Result<Option<(u64, u64, u64)>, Error> {
        let point = place.point;
        let mut found = match until {
            Until::Here => return Ok(Some((point.at, point.seq, point.tracks))),
            Until::From(_) => None,
            _ => Some((point.at, point.seq, point.tracks)),
        };
        let Some(file) = self.open(place.segment)? else { return Ok(None) };
        let (mut at, mut declared) = (point.at, point.tracks);
        while let Some(head) = head_at(&*file, at, place.until).map_err(Error::io("cannot be read", &self.ring.path))? {
            if head.kind == Kind::Tracks {
                declared = at;
            } else if head.is_join() {
                match until {
                    Until::From(seq) if head.seq >= seq => return Ok(Some((at, head.seq, declared))),
                    until if until.admits(head.dts, head.wall) => found = Some((at, head.seq, declared)),
                    _ => {}
                }
            }
            at = head.end(at);
        }
        Ok(found)
    }

    /// The file of `segment`; nothing when it is gone.
    fn open(&mut self, segment: u64) -> Result<Option<Arc<File>>, Error> {
        if self.file.as_ref().is_none_or(|(number, _)| *number != segment) {
            let path = segment_path(&self.ring.path, segment);
            self.file = match File::open(&path) {
                Ok(file) => Some((segment, Arc::new(file))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return self.missing(segment, error),
                Err(error) => return Err(Error::io("cannot be opened", &path)(error)),
            };
        }
        Ok(self.file.as_ref().map(|(_, file)| Arc::clone(file)))
    }

    /// A file that is not there was overwritten, if the ring no longer counts on it.
    fn missing(&self, segment: u64, error: io::Error) -> Result<Option<Arc<File>>, Error> {
        match self.ring.state().segment(segment) {
            None => Ok(None),
            Some(_) => Err(Error::io("somebody removed it", &segment_path(&self.ring.path, segment))(error)),
        }
    }

    /// Reads the record at `at` and goes behind it. Nothing when the segment is gone.
    fn record(&mut self, segment: u64, at: u64, end: u64) -> Result<Option<Found>, Error> {
        let Some(file) = self.open(segment)? else { return Ok(None) };
        let record = record_at(&*file, at, end).map_err(Error::io("cannot be read", &self.ring.path))?;
        let Some((head, payload)) = record else {
            // The writer cuts a segment before it removes it.
            let held = self.ring.state().segment(segment).is_some();
            return Ok(held.then_some(Found::Damaged));
        };
        self.position = Position::At { segment, at: head.end(at) };
        Ok(Some(self.take(&head, payload)))
    }

    fn take(&mut self, head: &RecordHead, payload: Vec<u8>) -> Found {
        if head.kind == Kind::Tracks {
            let Some(declared) = tracks::decode(&payload) else { return Found::Damaged };
            // Each segment repeats it, which is no change.
            if declared.as_slice() != self.tracks.as_slice() {
                self.tracks = declared;
            }
            self.broken |= self.run != 0 && self.run != head.number;
            self.run = head.number;
            return Found::Tracks;
        }
        if usize::from(head.track) >= self.tracks.len() || head.seq < self.next_seq {
            return Found::Damaged;
        }
        let lost = std::mem::take(&mut self.lost) + (head.seq - self.next_seq);
        self.next_seq = head.seq + 1;
        let broken = std::mem::take(&mut self.broken) || lost > 0;
        let packet = Packet {
            track: TrackId(head.track),
            pts: head.pts(),
            dts: head.dts(),
            duration: head.duration(),
            key: head.key(),
            corrupt: head.corrupt(),
            discontinuity: head.discontinuity() || broken,
            received: Instant::now(),
            captured: head.captured(),
            data: Bytes::from(payload),
        };
        Found::Packet(Box::new(Entry {
            seq: head.seq,
            lost,
            run: self.run,
            number: head.number,
            wall: time(head.wall),
            tracks: self.tracks.clone(),
            packet,
        }))
    }
}

/// The record at `at`, if it is whole and its checksums are right.
pub(crate) fn record_at<R: ReadAt + ?Sized>(
    source: &R,
    at: u64,
    end: u64,
) -> io::Result<Option<(RecordHead, Vec<u8>)>> {
    let Some(head) = head_at(source, at, end)? else { return Ok(None) };
    Ok(payload_at(source, at, &head)?.map(|payload| (head, payload)))
}
