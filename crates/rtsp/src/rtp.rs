//! RTP packets (RFC 3550 section 5.1), written in the form in which they go interleaved over
//! an RTSP connection (RFC 2326 section 10.12).
//!
//! The packets of one access unit lie one after the other in one block of bytes: `$`, channel,
//! length, RTP header, payload, `$` and so on. Over TCP the whole block is one write, the same
//! for every client; over UDP each packet is a slice of it. So a payload is copied once per
//! source, not once per client.

use bytes::{BufMut, Bytes, BytesMut};

/// Bytes in front of a packet: `$`, channel and length.
pub const FRAME: usize = 4;
/// Bytes of an RTP header without extensions.
pub const HEADER: usize = 12;
/// Version 2 (RFC 3550 section 5.1).
const VERSION: u8 = 2 << 6;
const MARKER: u8 = 0x80;

/// Who sends, and the numbers to begin with; random, so that they cannot be guessed (RFC 3550
/// section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The synchronisation source.
    pub ssrc: u32,
    /// Sequence number of the first packet.
    pub sequence: u16,
    /// RTP time at the feed's zero.
    pub timestamp: u32,
}

/// Writes the packets of one track, one access unit after the other.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) origin: Origin,
    pub(crate) payload_type: u8,
    pub(crate) channel: u8,
    /// Most bytes of a payload.
    pub(crate) mtu: usize,
    sequence: u16,
    timestamp: u32,
    block: BytesMut,
    /// Where the last packet begins in the block.
    last: Option<usize>,
}

impl Writer {
    pub(crate) fn new(origin: Origin, payload_type: u8, channel: u8, mtu: usize) -> Self {
        let (sequence, timestamp) = (origin.sequence, origin.timestamp);
        Self { origin, payload_type, channel, mtu, sequence, timestamp, block: BytesMut::new(), last: None }
    }

    /// The sequence number of the next packet.
    pub(crate) fn sequence(&self) -> u16 {
        self.sequence
    }

    /// Begins an access unit of so many bytes at an RTP time.
    pub(crate) fn begin(&mut self, timestamp: u32, bytes: usize) {
        self.timestamp = timestamp;
        self.last = None;
        self.block = BytesMut::with_capacity(bytes + (bytes / self.mtu + 4) * (FRAME + HEADER + 8));
    }

    /// What follows is so many ticks later.
    pub(crate) fn advance(&mut self, ticks: u32) {
        self.timestamp = self.timestamp.wrapping_add(ticks);
    }

    /// Writes a packet whose payload is `pieces`, one after the other; together at most
    /// [`Writer::mtu`] and so less than a length can say.
    pub(crate) fn put(&mut self, pieces: &[&[u8]]) {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let Ok(length) = u16::try_from(HEADER + length) else { return };
        self.last = Some(self.block.len());
        self.block.put_u8(b'$');
        self.block.put_u8(self.channel);
        self.block.put_u16(length);
        self.block.put_u8(VERSION);
        self.block.put_u8(self.payload_type);
        self.block.put_u16(self.sequence);
        self.block.put_u32(self.timestamp);
        self.block.put_u32(self.origin.ssrc);
        for piece in pieces {
            self.block.put_slice(piece);
        }
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Sets the marker of the packet that was written last.
    pub(crate) fn mark(&mut self) {
        if let Some(byte) = self.last.and_then(|at| self.block.get_mut(at + FRAME + 1)) {
            *byte |= MARKER;
        }
    }

    /// The packets of the access unit; none if it had nothing to send.
    pub(crate) fn end(&mut self) -> Bytes {
        std::mem::take(&mut self.block).freeze()
    }
}

/// The packets of a block, each with its [`FRAME`] in front.
pub fn packets(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let &[b'$', _, high, low, ..] = rest else { return None };
        let end = FRAME + usize::from(u16::from_be_bytes([high, low]));
        let (packet, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(packet)
    })
}

/// The sequence number and the time of a packet with its [`FRAME`] in front.
#[must_use]
pub fn place(packet: &[u8]) -> Option<(u16, u32)> {
    let &[_, _, _, _, _, _, s1, s0, t3, t2, t1, t0, ..] = packet else { return None };
    Some((u16::from_be_bytes([s1, s0]), u32::from_be_bytes([t3, t2, t1, t0])))
}

/// The first bytes of a packet, changed for one client: another channel, and sequence numbers
/// that go on where it missed some on purpose.
#[must_use]
pub fn readdress(packet: &[u8], channel: u8, shift: u16) -> Option<[u8; FRAME + HEADER]> {
    let mut head: [u8; FRAME + HEADER] = packet.get(..FRAME + HEADER)?.try_into().ok()?;
    let (sequence, _) = place(packet)?;
    head[1] = channel;
    head[6..8].copy_from_slice(&sequence.wrapping_sub(shift).to_be_bytes());
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_written_as_rfc_3550_section_5_1_draws_them() {
        let origin = Origin { ssrc: 0x0102_0304, sequence: 0xFFFF, timestamp: 0 };
        let mut writer = Writer::new(origin, 96, 2, 1400);
        writer.begin(0x0A0B_0C0D, 5);
        writer.put(&[b"ab", b"c"]);
        writer.put(&[b"d"]);
        writer.mark();
        let block = writer.end();
        let expected: &[&[u8]] = &[
            b"$\x02\x00\x0f\x80\x60\xff\xff\x0a\x0b\x0c\x0d\x01\x02\x03\x04abc",
            b"$\x02\x00\x0d\x80\xe0\x00\x00\x0a\x0b\x0c\x0d\x01\x02\x03\x04d",
        ];
        assert_eq!(packets(&block).collect::<Vec<_>>(), expected);
        assert_eq!(place(expected[0]), Some((0xFFFF, 0x0A0B_0C0D)));
        let head = readdress(expected[1], 7, 2).unwrap();
        assert_eq!(head, *b"$\x07\x00\x0d\x80\xe0\xff\xfe\x0a\x0b\x0c\x0d\x01\x02\x03\x04");
    }

    #[test]
    fn a_block_that_is_cut_ends_at_its_last_whole_packet() {
        assert_eq!(packets(b"$\0\0\x05abc").count(), 0);
        assert_eq!(packets(b"").count(), 0);
    }
}
