use super::*;
use crate::rtsp::packetizer::{Outgoing, Packing, pack};

fn packets(sizes: &[usize]) -> Vec<Outgoing> {
    let packet = |(number, size): (usize, &usize)| Outgoing {
        stream: 1,
        send_time: (number / 2 * 40) as u32,
        key: number % 3 == 0,
        location: number as u32 * 10,
        data: (0..*size).map(|at| (at * 7 + number) as u8).collect::<Vec<_>>().into(),
    };
    sizes.iter().enumerate().map(packet).collect()
}

/// Payload, marker and packets missing before it.
fn unpack(payloads: &[(Bytes, bool, u32)]) -> Vec<AsfPacket> {
    let mut depacketizer = Depacketizer::default();
    let mut out = Vec::new();
    for (payload, marker, missing) in payloads {
        depacketizer.handle_payload(payload, *marker, *missing, |packet| out.push(packet));
    }
    out
}

/// Numbers of those that came, `-n` before them for lost ones; their bytes are checked.
fn came(sent: &[Outgoing], payloads: &[(Bytes, bool, u32)]) -> Vec<i64> {
    let mut numbers = Vec::new();
    for packet in unpack(payloads) {
        if packet.lost > 0 {
            numbers.push(-i64::from(packet.lost));
        }
        numbers.push(sent.iter().position(|other| other.data == packet.data).expect("bytes that were sent") as i64);
    }
    numbers
}

fn packed(sent: &[Outgoing], most: usize, length: Length, location: bool) -> Vec<(Bytes, bool, u32)> {
    let payloads = pack(sent, &Packing { most, length, location });
    assert!(payloads.iter().all(|payload| payload.data.len() <= most), "within the bound");
    payloads.into_iter().map(|payload| (payload.data, payload.marker, 0)).collect()
}

#[test]
fn packets_survive_in_both_readings_of_the_length_whole_and_in_pieces() {
    let sent = packets(&[300, 20, 1, 2000, 1000, 5, 7000, 40, 41]);
    for length in [Length::WithHeader, Length::PacketOnly] {
        for most in [64, 100, 1400, 60000] {
            for location in [false, true] {
                let out = unpack(&packed(&sent, most, length, location));
                let data: Vec<_> = out.iter().map(|packet| &packet.data).collect();
                assert_eq!(data, sent.iter().map(|packet| &packet.data).collect::<Vec<_>>(), "{length:?}, {most}");
                for (packet, sent) in out.iter().zip(&sent) {
                    assert_eq!((packet.location, packet.lost), (location.then_some(sent.location), 0));
                }
            }
        }
    }
}

#[test]
fn headers_are_byte_for_byte_what_the_specification_says() {
    let mut sent = packets(&[3, 2]);
    sent[1].send_time = 40;
    let payloads = pack(&sent, &Packing { most: 100, length: Length::WithHeader, location: true });
    assert_eq!(payloads.len(), 1);
    assert_eq!((payloads[0].marker, payloads[0].timestamp), (true, 0));
    #[rustfmt::skip]
    assert_eq!(&payloads[0].data[..], [
        0xC8, 0, 0, 11,  0, 0, 0, 0,                0, 7, 14,
        0x68, 0, 0, 14,  0, 0, 0, 40,  0, 0, 0, 10,  1, 8,
    ]);
    let pieces = pack(&packets(&[6]), &Packing { most: 12, length: Length::WithHeader, location: true });
    #[rustfmt::skip]
    assert_eq!(pieces.iter().map(|piece| (piece.marker, &piece.data[..])).collect::<Vec<_>>(), [
        (false, &[0x80, 0, 0, 0,  0, 7, 14, 21][..]),
        (true, &[0x88, 0, 0, 4,  0, 0, 0, 0,  28, 35][..]),
    ]);
}

#[test]
fn duration_and_relative_time_are_skipped() {
    let payload = [&[0x70, 0, 0, 15][..], &[0; 8], b"abc"].concat();
    let out = unpack(&[(payload.into(), true, 0)]);
    assert_eq!(out, [AsfPacket { location: None, lost: 0, data: Bytes::from_static(b"abc") }]);
}

#[test]
fn a_packet_of_which_a_piece_is_missing_is_dropped_and_counted() {
    let sent = packets(&[250, 10, 250, 11]);
    // Four pieces, one whole, four pieces, one whole.
    let payloads = packed(&sent, 80, Length::WithHeader, false);
    assert_eq!(payloads.len(), 10);
    for gone in 0..payloads.len() {
        let mut left = payloads.clone();
        left.remove(gone);
        if let Some(next) = left.get_mut(gone) {
            next.2 = 1;
        }
        let expected: &[i64] = match gone {
            0..4 => &[-1, 1, 2, 3],
            4 => &[0, -1, 2, 3],
            5..9 => &[0, 1, -1, 3],
            _ => &[0, 1, 2],
        };
        assert_eq!(came(&sent, &left), expected, "without payload {gone}");
    }
}

#[test]
fn pieces_that_overlap_or_do_not_begin_give_nothing() {
    let piece =
        |offset: u8, data: &'static [u8], marker| (Bytes::from([&[0, 0, 0, offset][..], data].concat()), marker, 0);
    let whole = (Bytes::from_static(&[0x40, 0, 0, 5, 9]), true, 0);
    let lost = |pieces: &[(Bytes, bool, u32)]| {
        let out = unpack(&[pieces, std::slice::from_ref(&whole)].concat());
        assert_eq!(out.last().map(|packet| &packet.data[..]), Some(&[9][..]));
        (out.len(), out.last().map(|packet| packet.lost))
    };
    assert_eq!(lost(&[piece(0, b"abc", false), piece(2, b"cd", true)]), (1, Some(1)));
    assert_eq!(lost(&[piece(0, b"abc", false), piece(4, b"ef", true)]), (1, Some(1)));
    assert_eq!(lost(&[piece(0, b"abc", false), piece(0, b"abc", false), piece(3, b"d", true)]), (2, Some(0)));
    assert_eq!(lost(&[piece(7, b"abc", true)]), (1, Some(1)));
    assert_eq!(lost(&[piece(0, b"abc", false)]), (1, Some(1)));
    assert_eq!(lost(&[piece(0, b"", true), piece(0, b"", false)]), (1, Some(0)));
    // A whole packet, and behind it the first piece of the next.
    let mixed = (Bytes::from_static(&[0x40, 0, 0, 5, 8, 0, 0, 0, 0, b'x']), true, 0);
    assert_eq!(lost(&[mixed, piece(1, b"y", true)]), (3, Some(0)));
}

#[test]
fn absurd_lengths_give_nothing_and_no_growth() {
    let one = |payload: &[u8]| unpack(&[(Bytes::copy_from_slice(payload), true, 0)]);
    assert_eq!(one(&[0x40, 0xFF, 0xFF, 0xFF, 1, 2, 3]), []);
    assert_eq!(one(&[0x40, 0, 0, 3, 1, 2, 3]), one(&[0x40, 0, 0, 7, 1, 2, 3]), "both readings");
    assert_eq!(one(&[0x40, 0, 0, 2, 1, 2, 3]).len(), 0);
    assert_eq!(one(&[0x78, 0, 0, 16, 0, 0, 0, 0]), []);
    assert_eq!(one(&[0x40, 0, 0]), []);
    let mut depacketizer = Depacketizer::default();
    for at in 0..2000u32 {
        let piece = [&(at * 1000).to_be_bytes()[..], &[0; 1000]].concat();
        depacketizer.handle_payload(&piece.into(), false, 0, |_| panic!("no end came"));
        assert!(depacketizer.partial.as_ref().is_none_or(|partial| partial.len() <= MOST_PACKET));
    }
}

proptest::proptest! {
    #[test]
    fn nothing_panics(payloads: Vec<(Vec<u8>, bool, u8)>) {
        let mut depacketizer = Depacketizer::default();
        for (payload, marker, missing) in payloads {
            depacketizer.handle_payload(&payload.into(), marker, missing.into(), |_| ());
        }
    }

    #[test]
    fn any_sizes_survive(sizes in proptest::collection::vec(1..3000usize, 1..30), most in 20..3000usize, only: bool) {
        let sent = packets(&sizes);
        let length = if only { Length::PacketOnly } else { Length::WithHeader };
        let out = unpack(&packed(&sent, most, length, true));
        proptest::prop_assert_eq!(out.len(), sent.len());
        for (packet, sent) in out.iter().zip(&sent) {
            proptest::prop_assert_eq!(&packet.data, &sent.data);
            proptest::prop_assert_eq!((packet.location, packet.lost), (Some(sent.location), 0));
        }
    }
}
