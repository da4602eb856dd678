//! The bytes of a segment: its head, its records, its index. Little-endian throughout;
//! docs/RING.md has the tables.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use media::{Packet, Timestamp};

/// What a ring's files begin with.
pub(crate) const MAGIC: [u8; 8] = *b"HWRING\r\n";
/// What a closed segment ends with.
pub(crate) const INDEX_MAGIC: [u8; 8] = *b"HWRINGIX";
/// The version written, and the newest one read.
pub(crate) const VERSION: u32 = 1;
/// Bytes of a segment's head, and of the marker.
pub(crate) const SEGMENT_HEAD: usize = 64;
/// Bytes of a record before its payload.
pub(crate) const RECORD_HEAD: usize = 72;
/// Most bytes of a record's payload; a feed holds no larger packet.
pub(crate) const MOST_PAYLOAD: usize = 32 << 20;

const FLAG_KEY: u8 = 1;
const FLAG_CORRUPT: u8 = 2;
const FLAG_DISCONTINUITY: u8 = 4;
/// A reader may begin here: a keyframe of the first video track, or of any where there is none.
const FLAG_JOIN: u8 = 8;

const NO_TIME: i64 = i64::MIN;
const NO_DURATION: u64 = u64::MAX;

/// Takes fixed fields off the front of some bytes.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(count)?;
        self.0 = left;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        Some(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        Some(i64::from_le_bytes(self.array()?))
    }
}

/// Nanoseconds since 1970, negative before it.
pub(crate) fn nanos(time: SystemTime) -> i64 {
    let signed = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => signed(after),
        Err(before) => -signed(before.duration()),
    }
}

/// The time `nanos` nanoseconds after 1970.
pub(crate) fn time(nanos: i64) -> SystemTime {
    let span = Duration::from_nanos(nanos.unsigned_abs());
    let time = if nanos < 0 { UNIX_EPOCH.checked_sub(span) } else { UNIX_EPOCH.checked_add(span) };
    time.unwrap_or(UNIX_EPOCH)
}

/// The head of segment `number`, or of the marker.
pub(crate) fn segment_head(number: u64) -> [u8; SEGMENT_HEAD] {
    let mut head = [0; SEGMENT_HEAD];
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head[16..24].copy_from_slice(&number.to_le_bytes());
    let crc = crc32fast::hash(&head[..60]);
    head[60..].copy_from_slice(&crc.to_le_bytes());
    head
}

/// What stands at the beginning of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Head {
    /// A ring's, of the version that we read.
    Ours,
    /// A ring's, of a later version.
    Future(u32),
    /// One that was never written to its end: all of it is missing, or zero.
    Unwritten,
    /// Something else.
    Foreign,
}

/// Looks at the first bytes of a file.
pub(crate) fn head_of(bytes: &[u8]) -> Head {
    let mut fields = Fields(bytes);
    match (fields.take(8), fields.u32()) {
        (Some(magic), Some(version)) if magic == MAGIC => match version {
            0 | VERSION => Head::Ours,
            later => Head::Future(later),
        },
        _ if bytes.len() < SEGMENT_HEAD && MAGIC.starts_with(&bytes[..bytes.len().min(8)]) => Head::Unwritten,
        _ if bytes.iter().all(|byte| *byte == 0) => Head::Unwritten,
        _ => Head::Foreign,
    }
}

/// What a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A declaration of tracks: what the packets after it belong to.
    Tracks,
    Packet,
}

/// The head of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RecordHead {
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    pub(crate) track: u8,
    /// Of the payload.
    pub(crate) crc: u32,
    /// Of the payload, in bytes.
    pub(crate) len: u32,
    /// Running number in the ring; of a declaration, that of the packet after it.
    pub(crate) seq: u64,
    /// The packet's number in its source; of a declaration, the run.
    pub(crate) number: u64,
    pub(crate) pts: i64,
    pub(crate) dts: i64,
    /// When it arrived, in nanoseconds since 1970.
    pub(crate) wall: i64,
    pub(crate) captured: i64,
    pub(crate) duration: u64,
}

impl RecordHead {
    pub(crate) fn of_tracks(payload: &[u8], seq: u64, run: u64) -> Self {
        Self {
            kind: Kind::Tracks,
            flags: 0,
            track: 0,
            crc: crc32fast::hash(payload),
            len: payload.len() as u32,
            seq,
            number: run,
            pts: 0,
            dts: 0,
            wall: 0,
            captured: NO_TIME,
            duration: NO_DURATION,
        }
    }

    pub(crate) fn of_packet(packet: &Packet, join: bool, seq: u64, number: u64, wall: SystemTime) -> Self {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let duration = packet.duration.map(|span| u64::try_from(span.as_nanos()).unwrap_or(NO_DURATION - 1));
        Self {
            kind: Kind::Packet,
            flags: flag(packet.key, FLAG_KEY)
                | flag(packet.corrupt, FLAG_CORRUPT)
                | flag(packet.discontinuity, FLAG_DISCONTINUITY)
                | flag(join, FLAG_JOIN),
            track: packet.track.0,
            crc: crc32fast::hash(&packet.data),
            len: packet.data.len() as u32,
            seq,
            number,
            pts: packet.pts.as_nanos(),
            dts: packet.dts.as_nanos(),
            wall: nanos(wall),
            captured: packet.captured.map_or(NO_TIME, nanos),
            duration: duration.unwrap_or(NO_DURATION),
        }
    }

    pub(crate) fn encode(&self) -> [u8; RECORD_HEAD] {
        let mut out = [0; RECORD_HEAD];
        out[4..8].copy_from_slice(&self.crc.to_le_bytes());
        out[8..12].copy_from_slice(&self.len.to_le_bytes());
        out[12] = match self.kind {
            Kind::Tracks => 1,
            Kind::Packet => 2,
        };
        out[13] = self.flags;
        out[14] = self.track;
        let fields: [[u8; 8]; 7] = [
            self.seq.to_le_bytes(),
            self.number.to_le_bytes(),
            self.pts.to_le_bytes(),
            self.dts.to_le_bytes(),
            self.wall.to_le_bytes(),
            self.captured.to_le_bytes(),
            self.duration.to_le_bytes(),
        ];
        for (place, field) in out[16..].chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field);
        }
        let crc = crc32fast::hash(&out[4..]);
        out[..4].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a head; nothing when it is not one, or damaged.
    pub(crate) fn decode(bytes: &[u8; RECORD_HEAD]) -> Option<Self> {
        let mut fields = Fields(bytes);
        if fields.u32()? != crc32fast::hash(&bytes[4..]) {
            return None;
        }
        let (crc, len) = (fields.u32()?, fields.u32()?);
        let kind = match fields.u8()? {
            1 => Kind::Tracks,
            2 => Kind::Packet,
            _ => return None,
        };
        let (flags, track, _) = (fields.u8()?, fields.u8()?, fields.u8()?);
        let head = Self {
            kind,
            flags,
            track,
            crc,
            len,
            seq: fields.u64()?,
            number: fields.u64()?,
            pts: fields.i64()?,
            dts: fields.i64()?,
            wall: fields.i64()?,
            captured: fields.i64()?,
            duration: fields.u64()?,
        };
        (head.len > 0 && head.len as usize <= MOST_PAYLOAD && head.seq < u64::MAX).then_some(head)
    }

    /// A reader may begin here.
    pub(crate) fn is_join(&self) -> bool {
        self.kind == Kind::Packet && self.flags & FLAG_JOIN != 0
    }

    /// Where the next record begins, for one that begins at `at`.
    pub(crate) fn end(&self, at: u64) -> u64 {
        at + RECORD_HEAD as u64 + u64::from(self.len)
    }

    pub(crate) fn key(&self) -> bool {
        self.flags & FLAG_KEY != 0
    }

    pub(crate) fn corrupt(&self) -> bool {
        self.flags & FLAG_CORRUPT != 0
    }

    pub(crate) fn discontinuity(&self) -> bool {
        self.flags & FLAG_DISCONTINUITY != 0
    }

    pub(crate) fn pts(&self) -> Timestamp {
        Timestamp::from_nanos(self.pts)
    }

    pub(crate) fn dts(&self) -> Timestamp {
        Timestamp::from_nanos(self.dts)
    }

    pub(crate) fn duration(&self) -> Option<Duration> {
        (self.duration != NO_DURATION).then(|| Duration::from_nanos(self.duration))
    }

    pub(crate) fn captured(&self) -> Option<SystemTime> {
        (self.captured != NO_TIME).then(|| time(self.captured))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_and_every_flipped_bit_is_seen() {
        let head = RecordHead { flags: FLAG_JOIN | FLAG_KEY, wall: -5, ..RecordHead::of_tracks(b"x", 7, 9) };
        let bytes = head.encode();
        assert_eq!(RecordHead::decode(&bytes), Some(head));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHead::decode(&bad), None, "bit {bit}");
        }
    }

    #[test]
    fn files_are_told_apart_by_their_first_bytes() {
        let mut head = segment_head(3);
        assert_eq!(head_of(&head), Head::Ours);
        head[8] = 7;
        assert_eq!(head_of(&head), Head::Future(7));
        assert_eq!(head_of(b"FFM2\0\0\x10\0"), Head::Foreign);
        assert_eq!(head_of(b""), Head::Unwritten);
        assert_eq!(head_of(b"HWR"), Head::Unwritten);
        assert_eq!(head_of(&[0; 64]), Head::Unwritten);
    }

    #[test]
    fn times_before_1970_survive() {
        for ns in [0, 1, -1, 1_700_000_000_123_456_789, -3_000_000_000] {
            assert_eq!(nanos(time(ns)), ns);
        }
    }
}
