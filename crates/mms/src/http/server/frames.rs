//! Frames as a server sends them ([MS-WMSP] 2.2.3).

use bytes::{BufMut, BytesMut};

use crate::http::frame::{FIRST, FRAME, HEAD, LAST, MMS_HEAD};

/// The most bytes of payload in one frame, whose length field counts an MMS head too.
const MOST_PAYLOAD: usize = u16::MAX as usize - MMS_HEAD;

/// Appends an ASF header as $H frames: one, or several if it has more than 65527 bytes
/// ([MS-WMSP] 2.2.3.5).
pub fn frame_header(header: &[u8], out: &mut BytesMut) {
    let pieces = header.chunks(MOST_PAYLOAD);
    let last = pieces.len().saturating_sub(1);
    out.reserve(header.len() + pieces.len() * (HEAD + MMS_HEAD));
    for (index, piece) in (0..).zip(pieces) {
        let first = if index == 0 { FIRST } else { 0 };
        let flags = first | if index as usize == last { LAST } else { 0 };
        out.put_slice(&mms_head(b'H', index, flags, piece.len() as u16));
        out.put_slice(piece);
    }
}

/// What stands before an ASF packet of `packet_size` bytes in a $D frame ([MS-WMSP] 2.2.3.3).
///
/// `location` is the packet's number in the content. `sequence` counts the packets sent, from 0
/// at the begin of an answer, and wraps.
///
/// # Panics
/// If the packet has more than 65527 bytes: ASF packets in a stream have fewer.
#[must_use]
pub fn frame_packet(location: u32, sequence: u8, packet_size: usize) -> [u8; 12] {
    assert!(packet_size <= MOST_PAYLOAD, "a packet of {packet_size} bytes does not fit into a frame");
    mms_head(b'D', location, sequence, packet_size as u16)
}

/// The $E frame, which ends the content: 0, or an entry of a playlist: 1, or tells an error
/// ([MS-WMSP] 2.2.3.4).
#[must_use]
pub fn frame_end(reason: u32) -> [u8; 8] {
    reason_frame(b'E', reason)
}

/// The $C frame, after which another header follows ([MS-WMSP] 2.2.3.2). The reason is 0.
#[must_use]
pub fn frame_change(reason: u32) -> [u8; 8] {
    reason_frame(b'C', reason)
}

fn mms_head(id: u8, location: u32, flags: u8, payload: u16) -> [u8; HEAD + MMS_HEAD] {
    let length = (payload + MMS_HEAD as u16).to_le_bytes();
    let [l0, l1, l2, l3] = location.to_le_bytes();
    // Incarnation 0: it never counts up, which is allowed ([MS-WMSP] 3.2.5.6).
    [FRAME, id, length[0], length[1], l0, l1, l2, l3, 0, flags, length[0], length[1]]
}

fn reason_frame(id: u8, reason: u32) -> [u8; 8] {
    let [r0, r1, r2, r3] = reason.to_le_bytes();
    [FRAME, id, 4, 0, r0, r1, r2, r3]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(length: usize) -> (Vec<u8>, BytesMut) {
        let header: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        let mut out = BytesMut::new();
        frame_header(&header, &mut out);
        (header, out)
    }

    #[test]
    fn frames_are_written_byte_for_byte() {
        let (_, one) = header(2);
        assert_eq!(one[..], *b"$H\x0A\0\0\0\0\0\0\x0C\x0A\0\0\x01");
        assert_eq!(frame_packet(0x0102_0304, 0xFE, 0x1000), *b"$D\x08\x10\x04\x03\x02\x01\0\xFE\x08\x10");
        assert_eq!(frame_end(1), *b"$E\x04\0\x01\0\0\0");
        assert_eq!(frame_change(0x400D_14BE), *b"$C\x04\0\xBE\x14\x0D\x40");
    }

    #[test]
    fn a_long_header_is_split_and_its_pieces_are_counted_and_flagged() {
        let (whole, out) = header(65527 * 2 + 3);
        let (first, rest) = out.split_at(12 + 65527);
        let (second, third) = rest.split_at(12 + 65527);
        assert_eq!(first[..12], *b"$H\xFF\xFF\0\0\0\0\0\x04\xFF\xFF");
        assert_eq!(second[..12], *b"$H\xFF\xFF\x01\0\0\0\0\0\xFF\xFF");
        assert_eq!(third[..12], *b"$H\x0B\0\x02\0\0\0\0\x08\x0B\0");
        assert_eq!([&first[12..], &second[12..], &third[12..]].concat(), whole);
        assert_eq!(header(65527).1.len(), 12 + 65527);
    }
}
