//! A segment as it is found: its records, and the index of where a reader may begin.
//!
//! A closed segment ends with its index, so that a ring of any size is opened by reading a
//! few kilobytes a segment. One without (the process was killed, the power went) is read
//! from its beginning, every checksum compared, and ends where they stop being right.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::format::{Fields, INDEX_MAGIC, Kind, RECORD_HEAD, RecordHead, SEGMENT_HEAD};

/// Something to read at any place: a file, or bytes in memory.
pub(crate) trait ReadAt {
    /// As [`FileExt::read_at`].
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;
    /// Bytes in all.
    fn size(&self) -> io::Result<u64>;
}

impl ReadAt for File {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        FileExt::read_at(self, into, at)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(self.len());
        let count = into.len().min(self.len() - from);
        into[..count].copy_from_slice(&self[from..from + count]);
        Ok(count)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

/// Fills `into`; `false` when the file ends before.
pub(crate) fn fill<R: ReadAt + ?Sized>(source: &R, into: &mut [u8], at: u64) -> io::Result<bool> {
    let mut done = 0;
    while done < into.len() {
        match source.read_at(&mut into[done..], at + done as u64) {
            Ok(0) => return Ok(false),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// The head of the record at `at`, if a whole one is there that ends at or before `end`.
pub(crate) fn head_at<R: ReadAt + ?Sized>(source: &R, at: u64, end: u64) -> io::Result<Option<RecordHead>> {
    let mut bytes = [0; RECORD_HEAD];
    if at.saturating_add(RECORD_HEAD as u64) > end || !fill(source, &mut bytes, at)? {
        return Ok(None);
    }
    Ok(RecordHead::decode(&bytes).filter(|head| head.end(at) <= end))
}

/// The payload of the record at `at`, if its checksum is right.
pub(crate) fn payload_at<R: ReadAt + ?Sized>(source: &R, at: u64, head: &RecordHead) -> io::Result<Option<Vec<u8>>> {
    // The caller has compared the length with the file's.
    let mut payload = vec![0; head.len as usize];
    let whole = fill(source, &mut payload, at + RECORD_HEAD as u64)?;
    Ok((whole && crc32fast::hash(&payload) == head.crc).then_some(payload))
}

/// Where a reader may begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Point {
    /// Where the record begins.
    pub(crate) at: u64,
    /// Where the declaration that it belongs to begins.
    pub(crate) tracks: u64,
    pub(crate) seq: u64,
    /// Decoding time on the ring's timeline.
    pub(crate) dts: i64,
    /// When it arrived, in nanoseconds since 1970.
    pub(crate) wall: i64,
}

/// Bytes of a point in an index.
const POINT: usize = 40;
/// Bytes of an index besides its points.
const INDEX: usize = 4 + 5 * 8 + TRAILER;
/// What an index ends with: its length, its checksum, its mark.
const TRAILER: usize = 16;
/// Most points of a segment.
pub(crate) const MOST_POINTS: usize = 2048;
/// Points are no nearer to each other than this; what lies between is looked through.
const LEAST_SPACING: u64 = 64 << 10;

/// The least distance of two points in a segment of `size` bytes.
pub(crate) fn spacing(size: u64) -> u64 {
    LEAST_SPACING.max(size / (MOST_POINTS as u64 / 2))
}

/// What a ring knows of a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Summary {
    /// Where the records end.
    pub(crate) end: u64,
    /// Number of the first packet, and the one after the last.
    pub(crate) first_seq: u64,
    pub(crate) next_seq: u64,
    /// Of the last packet.
    pub(crate) last_dts: i64,
    pub(crate) last_wall: i64,
    /// In order of their places.
    pub(crate) points: Vec<Point>,
}

impl Summary {
    /// A segment without records, whose first packet will be `seq`.
    pub(crate) fn empty(seq: u64) -> Self {
        let end = SEGMENT_HEAD as u64;
        Self { end, first_seq: seq, next_seq: seq, last_dts: 0, last_wall: 0, points: Vec::new() }
    }

    /// Takes in a packet that was written at `at`, of the declaration at `tracks`.
    pub(crate) fn add(&mut self, head: &RecordHead, at: u64, tracks: u64, spacing: u64) {
        if self.next_seq == self.first_seq {
            self.first_seq = head.seq;
        }
        let far = self.points.last().is_none_or(|last| at - last.at >= spacing);
        if head.is_join() && far && self.points.len() < MOST_POINTS {
            self.points.push(Point { at, tracks, seq: head.seq, dts: head.dts, wall: head.wall });
        }
        self.next_seq = head.seq + 1;
        self.last_dts = head.dts;
        self.last_wall = head.wall;
        self.end = head.end(at);
    }

    /// Bytes of its index.
    pub(crate) fn index_len(&self) -> u64 {
        (INDEX + self.points.len() * POINT) as u64
    }

    /// Bytes that the segment takes once it is closed.
    pub(crate) fn closed_len(&self) -> u64 {
        self.end + self.index_len()
    }

    /// The index that closes the segment.
    pub(crate) fn encode_index(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(INDEX + self.points.len() * POINT);
        out.extend_from_slice(&(self.points.len() as u32).to_le_bytes());
        for field in [self.end, self.first_seq, self.next_seq] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&self.last_dts.to_le_bytes());
        out.extend_from_slice(&self.last_wall.to_le_bytes());
        for point in &self.points {
            for field in [point.at, point.tracks, point.seq] {
                out.extend_from_slice(&field.to_le_bytes());
            }
            out.extend_from_slice(&point.dts.to_le_bytes());
            out.extend_from_slice(&point.wall.to_le_bytes());
        }
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&(out.len() as u32).to_le_bytes());
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&INDEX_MAGIC);
        out
    }

    fn decode_index(bytes: &[u8], size: u64) -> Option<Self> {
        let mut fields = Fields(bytes);
        let count = usize::try_from(fields.u32()?).ok().filter(|count| *count <= MOST_POINTS)?;
        let (end, first_seq, next_seq) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let (last_dts, last_wall) = (fields.i64()?, fields.i64()?);
        let point = |fields: &mut Fields<'_>| {
            let (at, tracks, seq) = (fields.u64()?, fields.u64()?, fields.u64()?);
            Some(Point { at, tracks, seq, dts: fields.i64()?, wall: fields.i64()? })
        };
        let points = (0..count).map(|_| point(&mut fields)).collect::<Option<Vec<_>>>()?;
        let rises = points.windows(2).all(|pair| pair[0].at < pair[1].at && pair[0].seq < pair[1].seq);
        let inside = points.iter().all(|point| point.at < end && point.tracks < point.at && point.seq < next_seq);
        let whole = end >= SEGMENT_HEAD as u64 && end.checked_add((bytes.len() + TRAILER) as u64) == Some(size);
        let sound = rises && inside && whole && first_seq <= next_seq;
        sound.then_some(Self { end, first_seq, next_seq, last_dts, last_wall, points })
    }
}

/// The index that closes a segment, if it has one.
pub(crate) fn read_index<R: ReadAt + ?Sized>(source: &R) -> io::Result<Option<Summary>> {
    let size = source.size()?;
    let mut trailer = [0; TRAILER];
    let Some(at) = size.checked_sub(TRAILER as u64) else { return Ok(None) };
    if !fill(source, &mut trailer, at)? {
        return Ok(None);
    }
    let mut fields = Fields(&trailer);
    let (Some(len), Some(crc)) = (fields.u32(), fields.u32()) else { return Ok(None) };
    let len = len as usize;
    if fields.0 != INDEX_MAGIC || len > INDEX + MOST_POINTS * POINT || len as u64 > at {
        return Ok(None);
    }
    let mut bytes = vec![0; len];
    let whole = fill(source, &mut bytes, at - len as u64)?;
    if !whole || crc32fast::hash(&bytes) != crc {
        return Ok(None);
    }
    Ok(Summary::decode_index(&bytes, size))
}

/// Reads a segment without an index from its beginning. A record whose payload is wrong is
/// passed over, unless nothing that is right comes after it: then the segment ends there.
pub(crate) fn scan<R: ReadAt + ?Sized>(source: &R) -> io::Result<Summary> {
    let size = source.size()?;
    let spacing = spacing(size);
    let mut summary = Summary::empty(0);
    let mut buffer = vec![0; CHUNK];
    let mut at = SEGMENT_HEAD as u64;
    let mut tracks = None;
    while let Some(head) = head_at(source, at, size)? {
        if head.seq < summary.next_seq {
            break;
        }
        let right = check(source, at, &head, &mut buffer)?;
        match (head.kind, right, tracks) {
            (Kind::Tracks, true, _) => {
                tracks = Some(at);
                summary.end = head.end(at);
            }
            // What follows belongs to nothing that can be read.
            (Kind::Tracks, false, _) => tracks = None,
            (Kind::Packet, true, Some(tracks)) => summary.add(&head, at, tracks, spacing),
            (Kind::Packet, ..) => {}
        }
        at = head.end(at);
    }
    Ok(summary)
}

/// Bytes read at a time.
const CHUNK: usize = 64 << 10;

/// Whether the checksum of the payload is right.
fn check<R: ReadAt + ?Sized>(source: &R, at: u64, head: &RecordHead, buffer: &mut [u8]) -> io::Result<bool> {
    let mut hasher = crc32fast::Hasher::new();
    let mut at = at + RECORD_HEAD as u64;
    let mut left = head.len as usize;
    while left > 0 {
        let part = left.min(buffer.len());
        if !fill(source, &mut buffer[..part], at)? {
            return Ok(false);
        }
        hasher.update(&buffer[..part]);
        at += part as u64;
        left -= part;
    }
    Ok(hasher.finalize() == head.crc)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let point = |n: u64| Point { at: 100 * n, tracks: 64, seq: n, dts: -5, wall: i64::MAX };
        let points = (1..4).map(point).collect();
        Summary { end: 1000, first_seq: 0, next_seq: 9, last_dts: 1, last_wall: 2, points }
    }

    #[test]
    fn an_index_reads_back_and_none_that_is_damaged_does() {
        let whole = [vec![7; 1000], summary().encode_index()].concat();
        assert_eq!(whole.len() as u64, summary().closed_len());
        assert_eq!(read_index(&whole[..]).unwrap(), Some(summary()));
        for at in 1000..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 1;
            assert_eq!(read_index(&bad[..]).unwrap(), None, "byte {at}");
        }
        for end in 0..whole.len() {
            assert_eq!(read_index(&whole[..end]).unwrap(), None, "cut at {end}");
        }
    }

    #[test]
    fn an_index_of_another_segment_is_not_taken() {
        let longer = [vec![7; 1001], summary().encode_index()].concat();
        assert_eq!(read_index(&longer[..]).unwrap(), None);
    }
}
