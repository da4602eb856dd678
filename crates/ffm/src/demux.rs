//! Packets into units.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use media::{Timestamp, Track, TrackId, Unit};

use crate::{Error, HEAD, Header, MARK, MAX_FRAME, PACKET};

/// Packets in a row that are none, before a feed is given up.
pub const MAX_LOST: u32 = 16;
/// Bytes of a frame's head, and of one with a decoding time.
const FRAME_HEAD: usize = 16;
const FRAME_HEAD_DTS: usize = 20;

/// Takes a feed apart that comes in any slices.
///
/// Hand over what came with [`Demuxer::handle_bytes`], then poll until there is nothing. A
/// packet that makes no sense is passed over, with the frame that was cut by it; reading
/// goes on where a packet says that a frame begins.
///
/// Holds one packet, one frame (no more of it than has come), and what has not been polled.
#[derive(Debug, Default)]
pub struct Demuxer {
    packet: BytesMut,
    /// Bytes before `packet`.
    at: u64,
    streams: Option<usize>,
    /// Bytes of the stream of frames that belong to no whole frame yet.
    body: BytesMut,
    /// A frame begins where `body` does.
    synced: bool,
    /// Something was passed over since the last frame.
    gap: bool,
    lost: u32,
    items: VecDeque<Item>,
}

/// What a feed holds.
#[derive(Clone, Debug)]
pub enum Item {
    /// What follows has these tracks.
    Tracks(Vec<Track>),
    /// A frame, its times on the clock of the feeder, which are microseconds since 1970.
    Unit(Unit),
}

impl Demuxer {
    /// A demuxer before the first byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// When it is no feed, has a codec that is not known, or makes no sense for too long.
    /// Nothing follows then.
    pub fn handle_bytes(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(PACKET - self.packet.len()));
            self.packet.extend_from_slice(piece);
            bytes = rest;
            if self.packet.len() == PACKET {
                let packet = self.packet.split().freeze();
                self.handle_packet(&packet)?;
                self.at += PACKET as u64;
            }
        }
        Ok(())
    }

    /// What comes next.
    #[must_use]
    pub fn poll(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    fn handle_packet(&mut self, packet: &Bytes) -> Result<(), Error> {
        let Some(streams) = self.streams else {
            let packet: &[u8; PACKET] = packet[..].try_into().expect("a packet is as long as one");
            return self.handle_header(&Header::parse(packet)?);
        };
        if self.read_packet(packet, streams).is_none() {
            self.synced = false;
            self.gap = true;
            self.body.clear();
            self.lost += 1;
            if self.lost >= MAX_LOST {
                return Err(Error::Lost { at: self.at, count: self.lost });
            }
        }
        Ok(())
    }

    fn handle_header(&mut self, header: &Header) -> Result<(), Error> {
        let tracks = header.streams.iter().enumerate().map(|(at, stream)| stream.track(at));
        self.items.push_back(Item::Tracks(tracks.collect::<Result<_, _>>()?));
        self.streams = Some(header.streams.len());
        Ok(())
    }

    /// Reads a packet behind the header; nothing if it makes no sense.
    fn read_packet(&mut self, packet: &[u8], streams: usize) -> Option<()> {
        let mut head = packet;
        let (mark, fill, _dts, offset) = (head.get_u16(), usize::from(head.get_u16()), head.get_u64(), head.get_u16());
        let end = PACKET.checked_sub(fill).filter(|end| mark == MARK && *end >= HEAD)?;
        let (joins, offset) = (offset & 0x8000 != 0, usize::from(offset & 0x7FFF));
        if offset != 0 && !(HEAD..=end).contains(&offset) {
            return None;
        }
        if joins || !self.synced {
            // What has begun before belongs to somebody else, or was cut.
            self.gap |= !self.body.is_empty();
            self.body.clear();
            self.synced = offset != 0;
            if !self.synced {
                // A packet in the midst of a frame.
                self.gap = true;
                return Some(());
            }
            self.body.extend_from_slice(&packet[offset..end]);
        } else {
            let before = self.body.len();
            self.body.extend_from_slice(&packet[HEAD..end]);
            if offset != 0 && self.first_begin(before) != Some(offset - HEAD) {
                // It says that a frame begins elsewhere: a packet before it is missing.
                self.gap = true;
                self.body.clear();
                self.body.extend_from_slice(&packet[offset..end]);
            }
        }
        while let Some(unit) = self.next_unit(streams)? {
            self.lost = 0;
            self.items.push_back(Item::Unit(unit));
        }
        Some(())
    }

    /// How far behind `before` in the body the first frame begins that does so there, by what the
    /// heads of those before it say.
    fn first_begin(&self, before: usize) -> Option<usize> {
        let mut at = 0;
        while at < before {
            let head = self.body.get(at..)?;
            let flags = *head.get(1)?;
            let mut size = head.get(2..5)?;
            at += if flags & 2 != 0 { FRAME_HEAD_DTS } else { FRAME_HEAD } + u24(&mut size) as usize;
        }
        Some(at - before)
    }

    /// The next whole frame: `Some(None)` if there is none yet, nothing if what stands there is
    /// none.
    fn next_unit(&mut self, streams: usize) -> Option<Option<Unit>> {
        let Some(&[stream, flags]) = self.body.first_chunk() else { return Some(None) };
        if usize::from(stream) >= streams || flags > 3 {
            return None;
        }
        let head_length = if flags & 2 != 0 { FRAME_HEAD_DTS } else { FRAME_HEAD };
        let Some(mut head) = self.body.get(2..head_length) else { return Some(None) };
        let (size, duration) = (u24(&mut head), u24(&mut head));
        debug_assert!(size as usize <= MAX_FRAME);
        let pts = head.get_i64();
        let dts = if flags & 2 != 0 { pts.checked_sub(head.get_u32().into())? } else { pts };
        if self.body.len() < head_length + size as usize {
            return Some(None);
        }
        self.body.advance(head_length);
        let data = self.body.split_to(size as usize);
        let micros = |at: i64| Some(Timestamp::from_ticks(at, 1, 1_000_000));
        Some(Some(Unit {
            track: TrackId(stream),
            pts: micros(pts),
            dts: micros(dts),
            duration: (duration > 0).then(|| Duration::from_micros(duration.into())),
            key: flags & 1 != 0,
            corrupt: false,
            discontinuity: std::mem::take(&mut self.gap),
            captured: None,
            // Not a part of a buffer of many: who keeps a frame keeps only that.
            data: Bytes::copy_from_slice(&data),
        }))
    }
}

/// Takes three bytes, which must be there.
fn u24(bytes: &mut &[u8]) -> u32 {
    let (high, low) = (bytes.get_u8(), bytes.get_u16());
    u32::from(high) << 16 | u32::from(low)
}

#[cfg(test)]
mod tests;
