use proptest::prelude::*;

use super::*;
use crate::testdata::packets::{Form, Piece, USUAL, Widths, used, write};

fn read(packet: &[u8], nominal: usize) -> Result<Vec<Piece>, Damage> {
    let head = Head::parse(packet, nominal)?;
    assert_eq!((head.send_time, head.duration), (123_456, 77));
    let pieces = head.payloads(packet).map(|payload| {
        payload.map(|payload| Piece {
            stream: payload.stream,
            key: payload.key,
            number: payload.number,
            offset: payload.offset,
            replicated: payload.replicated.to_vec(),
            data: packet[payload.data].to_vec(),
        })
    });
    pieces.collect()
}

fn piece(stream: u8, data: &[u8]) -> Piece {
    Piece { stream, key: stream % 2 == 1, number: 0, offset: 0, replicated: Vec::new(), data: data.to_vec() }
}

/// Every combination of widths; the values fit each.
fn all_widths() -> impl Iterator<Item = Widths> {
    let codes = (0..4_u8).flat_map(|a| (0..4).map(move |b| (a, b)));
    let packet = codes.clone().flat_map(|(length, sequence)| (0..4).map(move |padding| (length, sequence, padding)));
    let piece = codes.flat_map(|(replicated, offset)| (0..4).map(move |number| (replicated, offset, number)));
    packet.flat_map(move |(length, sequence, padding)| {
        piece.clone().flat_map(move |(replicated, offset, number)| {
            [None, Some(1), Some(2), Some(3)].into_iter().flat_map(move |payload| {
                [None, Some(2)].into_iter().map(move |error_correction| Widths {
                    error_correction,
                    length,
                    sequence,
                    padding,
                    replicated,
                    offset,
                    number,
                    payload,
                })
            })
        })
    })
}

#[test]
fn every_combination_of_flags_is_read_in_every_form_of_padding() {
    let forms = [Form::Whole, Form::Rewritten, Form::Zeroed, Form::Cut];
    let mut read_of = [0; 4];
    for widths in all_widths() {
        let value = |code: u8, one: u32, two: u32, four: u32| [0, one, two, four][usize::from(code)];
        let fill = |piece: Piece| Piece {
            number: value(widths.number, 200, 60_000, 3_000_000_000),
            offset: value(widths.offset, 201, 60_001, 3_000_000_001),
            replicated: vec![5; if widths.replicated == 0 { 0 } else { 8 }],
            ..piece
        };
        let pieces: Vec<_> = match widths.payload {
            None => vec![fill(piece(7, b"one payload"))],
            Some(_) => [piece(1, b"first"), piece(127, b""), piece(2, b"the third")].map(fill).to_vec(),
        };
        for (form, count) in forms.into_iter().zip(&mut read_of) {
            // Without a field that tells of it there is no padding.
            let padding = if widths.padding == 0 { 0 } else { 20 };
            let used = used(&widths, &pieces);
            let Some(packet) = write(&widths, &pieces, 123_456, used + padding, form) else { continue };
            assert_eq!(read(&packet, used + padding), Ok(pieces.clone()), "{widths:?} {form:?}");
            *count += 1;
        }
    }
    // Whole and cut in all of them, the others where they are possible.
    assert_eq!(read_of, [1 << 15, 3 << 13, 1 << 13, 1 << 15]);
}

#[test]
fn error_correction_of_any_length_is_passed_over() {
    for length in 0..16 {
        let widths = Widths { error_correction: Some(length), ..USUAL };
        let packet = write(&widths, &[piece(1, b"x")], 123_456, 60, Form::Whole).unwrap();
        assert_eq!(read(&packet, 60), Ok(vec![piece(1, b"x")]));
        assert_eq!(Head::parse(&packet, 60).unwrap().error_correction, 1 + usize::from(length));
    }
    for first in [0xA2, 0xC2, 0xE2] {
        let mut packet = write(&USUAL, &[piece(1, b"x")], 123_456, 60, Form::Whole).unwrap();
        packet[0] = first;
        assert_eq!(read(&packet, 60), Err(Damage::ErrorCorrection));
    }
}

#[test]
fn a_packet_that_makes_no_sense_says_what_is_wrong() {
    let pieces = [piece(1, b"abcdef"), piece(2, b"ghi")];
    let whole = write(&USUAL, &pieces, 123_456, 60, Form::Whole).unwrap();
    assert_eq!(read(&whole, 59), Err(Damage::TooLong));
    let with = |at: usize, byte: u8| {
        let mut packet = whole.clone();
        packet[at] = byte;
        read(&packet, 60)
    };
    // 82 00 00, flags, properties, padding of 16 bits, send time, duration, payload flags.
    assert_eq!(with(6, 0xFF), Ok(pieces.to_vec()));
    assert_eq!(with(13, 0x80), Err(Damage::Payloads));
    assert_eq!(with(13, 0x02), Err(Damage::Payloads));
    // Stream, number, offset of 32 bits, replicated length, payload length.
    assert_eq!(with(20, 7), Err(Damage::Replicated));
    assert_eq!(with(20, 200), Err(Damage::PayloadHead));
    assert_eq!(with(22, 1), Err(Damage::PayloadLength));
    // A third payload that is not there.
    assert_eq!(with(13, 0x83), Err(Damage::PayloadHead));
    for length in 0..14 {
        assert_eq!(read(&whole[..length], 60), Err(Damage::Head), "{length} bytes");
    }
    assert_eq!(Head::parse(&vec![0; MAX_PACKET + 1], MAX_PACKET + 1), Err(Damage::TooLong));
}

#[test]
fn a_payload_that_reaches_into_the_padding_is_believed() {
    let mut packet = write(&USUAL, &[piece(1, b"abcdef")], 123_456, 60, Form::Whole).unwrap();
    packet[5] += 2;
    assert_eq!(read(&packet, 60), Ok(vec![piece(1, b"abcdef")]));
}

#[test]
fn a_packet_length_above_what_came_is_no_length() {
    let widths = Widths { length: 2, ..USUAL };
    let packet = write(&widths, &[piece(1, b"abcdef")], 123_456, 60, Form::Whole).unwrap();
    // Cut to no form at all, within the padding: what is said of padding cannot be, and is not
    // asked where payloads have lengths.
    assert_eq!(read(&packet[..40], 60), Ok(vec![piece(1, b"abcdef")]));
    let single = Widths { length: 2, payload: None, ..USUAL };
    let whole = write(&single, &[piece(1, b"abcdef")], 123_456, 90, Form::Whole).unwrap();
    assert_eq!(read(&whole[..40], 90), Err(Damage::Padding));
    let cut = write(&single, &[piece(1, b"abcdef")], 123_456, 60, Form::Cut).unwrap();
    assert_eq!(read(&cut, 60), Ok(vec![piece(1, b"abcdef")]));
}

proptest! {
    #[test]
    fn any_bytes_are_read_within_their_bounds(packet in prop::collection::vec(any::<u8>(), 0..200), more in 0_usize..100) {
        if let Ok(head) = Head::parse(&packet, packet.len() + more) {
            prop_assert!(head.begin <= head.end && head.end <= packet.len());
            let mut at = head.begin;
            for payload in head.payloads(&packet).flatten() {
                prop_assert!(at < payload.data.start && payload.data.start <= payload.data.end);
                prop_assert!(payload.data.end <= packet.len() && payload.stream < 128);
                at = payload.data.end;
            }
            prop_assert!(head.payloads(&packet).count() <= 63);
        }
    }
}
