use proptest::prelude::*;

use super::*;
use crate::strict;

/// A packet of a file by the widths of its fields, with one payload or two.
#[derive(Clone, Debug)]
struct Shape {
    error_correction: bool,
    multiple: bool,
    length: u8,
    sequence: u8,
    padding: u8,
    data: usize,
    pad: usize,
}

fn shape() -> impl Strategy<Value = Shape> {
    let pad = prop_oneof![0..4usize, 250..262usize, 0..3000usize];
    (any::<bool>(), any::<bool>(), 0..4u8, 0..4u8, 0..4u8, 1..900usize, pad).prop_map(
        |(error_correction, multiple, length, sequence, padding, data, pad)| {
            let length = if length == 1 { 2 } else { length };
            let pad = pad.min(largest(padding));
            Shape { error_correction, multiple, length, sequence, padding, data, pad }
        },
    )
}

/// The packet, by a writer that knows nothing of the code under test.
fn write(shape: &Shape) -> Bytes {
    let field = |code: u8, value: usize| value.to_le_bytes()[..[0, 1, 2, 4][usize::from(code)]].to_vec();
    let mut payloads = Vec::new();
    if shape.multiple {
        payloads.push(0x82);
    }
    for number in 0..if shape.multiple { 2u8 } else { 1 } {
        payloads.extend([0x81, number, 0, 0, 0, 0, 8]);
        payloads.extend((shape.data as u32).to_le_bytes());
        payloads.extend(777u32.to_le_bytes());
        if shape.multiple {
            payloads.extend((shape.data as u16).to_le_bytes());
        }
        payloads.extend(vec![number + 1; shape.data]);
    }
    let before = if shape.error_correction { vec![0x82, 0, 0] } else { vec![] };
    let flags = u8::from(shape.multiple) | shape.sequence << 1 | shape.padding << 3 | shape.length << 5;
    let fields = field(shape.length, 0).len() + field(shape.sequence, 0).len();
    let total = before.len() + 2 + fields + field(shape.padding, 0).len() + 6 + payloads.len() + shape.pad;
    let parts = [
        before,
        vec![flags, 0x5D],
        field(shape.length, total),
        field(shape.sequence, 5),
        field(shape.padding, shape.pad),
        vec![1, 2, 3, 4, 5, 6],
        payloads,
        vec![0; shape.pad],
    ];
    parts.concat().into()
}

proptest! {
    #[test]
    fn what_is_stripped_and_restored_says_the_same(shape in shape()) {
        let whole = write(&shape);
        let size = whole.len() as u32;
        let read = strict::packet(&whole);
        prop_assert_eq!(read.padding, shape.pad);

        let short = strip_padding(whole.clone());
        prop_assert!(short.len() <= whole.len());
        let stripped = strict::packet(&short);
        if short.len() < whole.len() {
            prop_assert_eq!(stripped.padding, 0);
        }
        prop_assert_eq!(&stripped.payloads, &read.payloads);
        prop_assert_eq!(strip_padding(short.clone()), short.clone());

        let restored = restore_padding(short, size).unwrap();
        let again = strict::packet(&restored);
        prop_assert_eq!(restored.len(), whole.len());
        prop_assert_eq!((again.payloads, again.send_time, again.duration), (read.payloads, read.send_time, read.duration));
        if shape.length == 0 {
            prop_assert_eq!(restored, whole);
        }
    }

    #[test]
    fn padding_that_was_cut_off_without_a_word_comes_back(shape in shape()) {
        let whole = write(&shape);
        let cut = whole.slice(..whole.len() - shape.pad);
        let restored = restore_padding(cut, whole.len() as u32).unwrap();
        prop_assert_eq!(strict::packet(&restored).payloads, strict::packet(&whole).payloads);
        if shape.length == 0 {
            prop_assert_eq!(restored, whole);
        }
    }

    #[test]
    fn padding_of_length_zero_comes_back(shape in shape(), missing in 0..2000u32) {
        // The end of a payload that says no length is the end of what was received.
        let zeroed = write(&Shape { pad: 0, ..shape });
        let size = zeroed.len() as u32 + missing;
        let Some(restored) = restore_padding(zeroed.clone(), size) else {
            // No room for a field that tells of the padding.
            prop_assert!(missing < 4);
            return Ok(());
        };
        prop_assert_eq!(restored.len(), size as usize);
        prop_assert_eq!(strict::packet(&restored).payloads, strict::packet(&zeroed).payloads);
    }

    #[test]
    fn whatever_it_is_padded_makes_it_as_long_as_the_others(bytes: Vec<u8>, size in 0..300u32) {
        let bytes = Bytes::from(bytes);
        prop_assert_eq!(padded(&bytes, size).len(), size as usize);
        prop_assert!(strip_padding(bytes.clone()).len() <= bytes.len());
        if let Some(restored) = restore_padding(bytes, size) {
            prop_assert_eq!(restored.len(), size as usize);
        }
    }
}

#[test]
fn a_length_of_256_needs_two_bytes() {
    let of = |data| {
        let (error_correction, multiple, length, sequence, padding) = (true, false, 0, 0, 2);
        write(&Shape { error_correction, multiple, length, sequence, padding, data, pad: 300 })
    };
    for data in 200..260 {
        let short = strip_padding(of(data));
        assert_eq!(strict::packet(&short), strict::Packet { padding: 0, ..strict::packet(&of(data)) });
    }
}

#[test]
fn a_packet_that_is_longer_than_the_others_cannot_be_padded() {
    let whole = write(&Shape {
        error_correction: true,
        multiple: true,
        length: 0,
        sequence: 0,
        padding: 2,
        data: 100,
        pad: 300,
    });
    assert_eq!(restore_padding(whole.clone(), whole.len() as u32 - 1), None);
    assert_eq!(restore_padding(whole.clone(), whole.len() as u32), Some(whole));
}

#[test]
fn nothing_and_noise_are_no_packets() {
    for noise in
        [&b""[..], &[0x82], &[0x82, 0, 0, 0x41], &[0xE2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0, 0, 1, 2, 3, 4, 5]]
    {
        let noise = Bytes::copy_from_slice(noise);
        assert_eq!(restore_padding(noise.clone(), 100), None);
        assert_eq!(strip_padding(noise.clone()), noise);
    }
}
