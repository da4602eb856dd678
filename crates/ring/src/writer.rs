//! The one writer of a ring.
//!
//! A record is one system call: head and payload go to the end of the newest segment as they
//! are. When the ring is full its oldest segment goes before anything is written, so that no
//! moment finds more on the disk than was granted. A record that the disk did not take whole
//! is cut off again.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use media::{Packet, Tracks};

use crate::format::{RECORD_HEAD, RecordHead, SEGMENT_HEAD, segment_head};
use crate::segment::{Summary, spacing};
use crate::state::{Segment, Shared, blocks, segment_path};
use crate::{Error, Ring, Span, tracks};

/// The disk, as a writer sees it: for tests that fill it up.
#[doc(hidden)]
pub trait Disk: Send + Sync {
    /// As [`rustix::io::pwritev`].
    fn write_at(&self, file: &File, slices: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        Ok(rustix::io::pwritev(file, slices, at)?)
    }

    /// As [`File::sync_data`].
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

/// The real one.
#[doc(hidden)]
pub struct System;

impl Disk for System {}

/// A packet to write, with what the ring is to know of it.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its number in its feed; see [`Entry::number`](crate::Entry::number).
    pub number: u64,
    /// When it arrived.
    pub wall: SystemTime,
    /// What it belongs to.
    pub tracks: Tracks,
    /// The packet, on the ring's timeline: one that goes on over restarts, such as
    /// nanoseconds since 1970.
    pub packet: Packet,
}

/// The one writer of a ring.
pub struct Writer {
    ring: Arc<Shared>,
    disk: Arc<dyn Disk>,
    /// The marker, locked for as long as it is open.
    _lock: File,
    /// Of all files together.
    most_bytes: u64,
    /// Length at which a segment is closed.
    segment_bytes: u64,
    run: u64,
    current: Option<Current>,
    /// The tracks of the last packet, and what is written of them.
    declaration: Option<(Tracks, Bytes)>,
    next_number: u64,
    unsynced: bool,
    /// The folder has files that it may forget when the power goes.
    new_file: bool,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writer({} run {})", self.ring.path.display(), self.run)
    }
}

/// The segment that is written to.
struct Current {
    number: u64,
    file: File,
    summary: Summary,
    /// The declaration that holds at its end, and where it stands.
    declared: Option<(Tracks, u64)>,
}

impl Writer {
    pub(crate) fn new(
        ring: Arc<Shared>,
        disk: Arc<dyn Disk>,
        lock: File,
        most_bytes: u64,
        run: u64,
    ) -> Result<Self, Error> {
        let last = ring.state().segments.back().cloned();
        let mut writer = Self {
            next_number: last.as_ref().map_or(0, |segment| segment.number + 1),
            ring,
            disk,
            _lock: lock,
            most_bytes,
            segment_bytes: segment_bytes(most_bytes),
            run,
            current: None,
            declaration: None,
            unsynced: false,
            new_file: false,
        };
        if let Some(segment) = last
            && segment.summary.end < writer.segment_bytes
        {
            writer.go_on(segment)?;
        }
        Ok(writer)
    }

    /// Goes on with a segment of an earlier run.
    fn go_on(&mut self, segment: Segment) -> Result<(), Error> {
        let path = segment_path(&self.ring.path, segment.number);
        let file = OpenOptions::new().write(true).open(&path).map_err(Error::io("cannot be written", &path))?;
        // Its index is in the way.
        file.set_len(segment.summary.end).map_err(Error::io("cannot be cut", &path))?;
        let Segment { number, summary } = segment;
        self.current = Some(Current { number, file, summary, declared: None });
        Ok(())
    }

    /// Which run of the program this is: differs from that of every other writer this ring
    /// ever had. Decoders cannot go from one run to the next; readers are told by
    /// [`Packet::discontinuity`].
    #[must_use]
    pub fn run(&self) -> u64 {
        self.run
    }

    /// Writes a packet; overwrites the oldest ones where it needs their place. Returns its
    /// number in the ring.
    ///
    /// # Errors
    /// [`Error::TooLarge`], or what the disk says. Nothing is written then, but something
    /// old may be gone. A later call may succeed.
    pub fn append(&mut self, record: &Record) -> Result<u64, Error> {
        let seq = self.ring.state().next_seq;
        let packet = &record.packet;
        let join = packet.key && record.tracks.video().is_none_or(|track| track.id == packet.track);
        let head = RecordHead::of_packet(packet, join, seq, record.number, record.wall);
        if self.declaration.as_ref().is_none_or(|(of, _)| !of.same(&record.tracks)) {
            self.declaration = Some((record.tracks.clone(), tracks::encode(&record.tracks).into()));
        }
        let declaration = self.declaration.as_ref().map(|(_, bytes)| bytes.clone()).unwrap_or_default();
        let both = (2 * RECORD_HEAD + declaration.len() + packet.data.len()) as u64;
        let least = crate::MARKER + blocks(Summary::empty(seq).closed_len() + both + 40);
        if least > self.most_bytes || packet.data.is_empty() || packet.data.len() > crate::format::MOST_PAYLOAD {
            return Err(Error::TooLarge { size: least, bytes: self.most_bytes });
        }
        let full = |current: &Current| {
            let used = current.summary.next_seq > current.summary.first_seq;
            used && current.summary.closed_len() + both > self.segment_bytes
        };
        if self.current.as_ref().is_some_and(full) {
            self.close_segment();
        }
        self.make_room(both + 40)?;
        if self.current.is_none() {
            self.make_segment(seq)?;
        }
        let Some(current) = &mut self.current else { return Err(self.read_only()) };
        let at = current.summary.end;
        let known = current.declared.as_ref().filter(|(known, _)| known.same(&record.tracks)).map(|(_, at)| *at);
        let record_head = head.encode();
        let own = [IoSlice::new(&record_head), IoSlice::new(&packet.data)];
        let (tracks_at, packet_at, written) = match known {
            Some(tracks_at) => (tracks_at, at, write_all(&*self.disk, &current.file, &mut { own }, at)),
            None => {
                let declared = RecordHead::of_tracks(&declaration, seq, self.run);
                let tracks_head = declared.encode();
                let mut both = [IoSlice::new(&tracks_head), IoSlice::new(&declaration), own[0], own[1]];
                (at, declared.end(at), write_all(&*self.disk, &current.file, &mut both, at))
            }
        };
        if let Err(error) = written {
            // What was written of it goes; what cannot be cut now is cut when the ring is opened.
            let cut = current.file.set_len(at);
            let number = current.number;
            if cut.is_err() {
                self.current = None;
            }
            return Err(Error::io("cannot be written", &segment_path(&self.ring.path, number))(error));
        }
        current.declared = Some((record.tracks.clone(), tracks_at));
        current.summary.add(&head, packet_at, tracks_at, spacing(self.segment_bytes));
        self.unsynced = true;
        let mut state = self.ring.state();
        state.next_seq = seq + 1;
        if let Some(segment) = state.segments.back_mut() {
            segment.summary.add(&head, packet_at, tracks_at, spacing(self.segment_bytes));
        }
        Ok(seq)
    }

    fn read_only(&self) -> Error {
        Error::ReadOnly { path: self.ring.path.clone() }
    }

    /// Removes the oldest segments until `more` bytes and a new segment fit.
    fn make_room(&mut self, more: u64) -> Result<(), Error> {
        loop {
            let (used, oldest, count) = {
                let state = self.ring.state();
                let newest = self.current.as_ref().and(state.segments.back());
                let open = newest.map_or(0, |segment| segment.summary.closed_len());
                let with = match newest {
                    Some(_) => state.bytes() - blocks(open) + blocks(open + more),
                    None => state.bytes() + blocks(Summary::empty(0).closed_len() + more),
                };
                (with, state.segments.front().map(|segment| segment.number), state.segments.len())
            };
            if used + crate::MARKER <= self.most_bytes {
                return Ok(());
            }
            let Some(oldest) = oldest else { return Ok(()) };
            if count == 1 {
                // It is the one that is written to: it goes, and another one begins.
                self.current = None;
            }
            remove(&self.ring, oldest)?;
        }
    }

    fn make_segment(&mut self, seq: u64) -> Result<(), Error> {
        let number = self.next_number;
        let path = segment_path(&self.ring.path, number);
        let new = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = new.map_err(Error::io("cannot be made", &path))?;
        self.next_number += 1;
        self.new_file = true;
        if let Err(error) = write_all(&*self.disk, &file, &mut [IoSlice::new(&segment_head(number))], 0) {
            drop(file);
            // Empty, it would be removed when the ring is opened.
            let _ = std::fs::remove_file(&path);
            return Err(Error::io("cannot be written", &path)(error));
        }
        let summary = Summary::empty(seq);
        self.ring.state().segments.push_back(Segment { number, summary: summary.clone() });
        self.current = Some(Current { number, file, summary, declared: None });
        Ok(())
    }

    /// Closes the newest segment with its index. Without one it is only slower to open.
    fn close_segment(&mut self) {
        let Some(current) = self.current.take() else { return };
        if current.summary.end == SEGMENT_HEAD as u64 {
            return;
        }
        let index = current.summary.encode_index();
        let end = current.summary.end;
        if write_all(&*self.disk, &current.file, &mut [IoSlice::new(&index)], end).is_err() {
            // The segment is sound up to its end, which opening it finds.
            let _ = current.file.set_len(end);
        }
        if self.unsynced && self.disk.sync(&current.file).is_ok() {
            self.unsynced = false;
        }
    }

    /// Removes everything that is held, and tells what that was; nothing if there was nothing.
    /// Numbers go on as if it were there.
    ///
    /// # Errors
    /// What the disk says; some of it may be gone then.
    pub fn clear(&mut self) -> Result<Option<Span>, Error> {
        let held = Ring(Arc::clone(&self.ring)).span();
        self.current = None;
        let numbers: Vec<u64> = self.ring.state().segments.iter().map(|segment| segment.number).collect();
        numbers.into_iter().try_for_each(|number| remove(&self.ring, number))?;
        self.unsynced = false;
        Ok(held)
    }

    /// Brings everything that was written to the disk: from then on the loss of power
    /// takes nothing of it. Waits for the disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn sync(&mut self) -> Result<(), Error> {
        let path = &self.ring.path;
        if self.unsynced
            && let Some(current) = &self.current
        {
            self.disk.sync(&current.file).map_err(Error::io("cannot be brought to the disk", path))?;
            self.unsynced = false;
        }
        if self.new_file {
            let folder = File::open(path).and_then(|folder| folder.sync_all());
            folder.map_err(Error::io("cannot be brought to the disk", path))?;
            self.new_file = false;
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close_segment();
    }
}

/// Removes a segment. It is cut first: whoever has it open does not keep its bytes on the
/// disk, and notices.
pub(crate) fn remove(ring: &Shared, number: u64) -> Result<(), Error> {
    ring.state().segments.retain(|segment| segment.number != number);
    let path = segment_path(&ring.path, number);
    let cut = OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(0));
    match cut.and_then(|()| std::fs::remove_file(&path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("cannot be removed", &path)(error)),
        _ => Ok(()),
    }
}

/// Bytes at which a segment is closed: the ring forgets so much at a time.
fn segment_bytes(most: u64) -> u64 {
    (most / 64).clamp(4096, 4 << 30)
}

fn write_all(disk: &dyn Disk, file: &File, slices: &mut [IoSlice<'_>], mut at: u64) -> io::Result<()> {
    let mut left = slices;
    while !left.is_empty() {
        match disk.write_at(file, left, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                at += count as u64;
                IoSlice::advance_slices(&mut left, count);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
