//! Frames into packets.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{HEAD, MARK, MAX_FRAME, PACKET};

/// Puts frames into packets, behind a [`crate::Header`] that somebody else has written.
#[derive(Debug)]
pub struct Muxer {
    /// What the packet that is being filled has so far.
    body: BytesMut,
    /// Where the first frame begins in it, and that frame's decoding time.
    first: Option<(u16, i64)>,
    /// The last frame's decoding time.
    dts: i64,
    /// The next packet is where a reader may join anew.
    joins: bool,
    packets: VecDeque<Bytes>,
}

impl Default for Muxer {
    fn default() -> Self {
        Self { body: BytesMut::new(), first: None, dts: 0, joins: true, packets: VecDeque::new() }
    }
}

impl Muxer {
    /// A muxer before the first frame.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a frame of `stream`; times in microseconds since 1970. `false`, and nothing taken,
    /// if it has more than [`MAX_FRAME`] bytes.
    pub fn frame(&mut self, stream: u8, key: bool, pts: i64, dts: i64, duration: u32, data: &[u8]) -> bool {
        let Some(size) = u32::try_from(data.len()).ok().filter(|_| data.len() <= MAX_FRAME) else { return false };
        let delay = u32::try_from(pts.saturating_sub(dts)).unwrap_or(0);
        self.first.get_or_insert(((self.body.len() + HEAD) as u16, dts));
        self.dts = dts;
        let mut head = Vec::with_capacity(20);
        head.extend([stream, u8::from(key) | if delay > 0 { 2 } else { 0 }]);
        head.extend(&size.to_be_bytes()[1..]);
        head.extend(&duration.min(0xFF_FFFF).to_be_bytes()[1..]);
        head.extend(pts.to_be_bytes());
        if delay > 0 {
            head.extend(delay.to_be_bytes());
        }
        self.append(&head);
        self.append(data);
        true
    }

    /// Ends the packet that is being filled, so that nothing waits for the next frame.
    pub fn flush(&mut self) {
        if !self.body.is_empty() {
            self.end_packet();
        }
    }

    /// The next packet of [`PACKET`] bytes.
    #[must_use]
    pub fn poll_packet(&mut self) -> Option<Bytes> {
        self.packets.pop_front()
    }

    fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(PACKET - HEAD - self.body.len()));
            self.body.extend_from_slice(piece);
            bytes = rest;
            if self.body.len() == PACKET - HEAD {
                self.end_packet();
            }
        }
    }

    fn end_packet(&mut self) {
        let (offset, dts) = self.first.take().unwrap_or((0, self.dts));
        let joins = if std::mem::take(&mut self.joins) { 0x8000 } else { 0 };
        let mut packet = BytesMut::with_capacity(PACKET);
        packet.put_u16(MARK);
        packet.put_u16((PACKET - HEAD - self.body.len()) as u16);
        packet.put_i64(dts);
        packet.put_u16(offset | joins);
        packet.extend_from_slice(&self.body);
        packet.resize(PACKET, 0);
        self.body.clear();
        self.packets.push_back(packet.freeze());
    }
}
