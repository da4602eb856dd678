use super::*;
use crate::testdata as data;

/// Pictures found in `stream` when it comes in slices of `size`, and how many were lost.
fn scan(stream: &[u8], size: usize) -> (Vec<Bytes>, u64) {
    let mut scanner = Scanner::new();
    let mut found = Vec::new();
    for slice in stream.chunks(size) {
        scanner.handle_bytes(slice);
        found.extend(std::iter::from_fn(|| scanner.poll_picture()));
    }
    (found, scanner.lost())
}

fn lengths(found: &[Bytes]) -> Vec<usize> {
    found.iter().map(Bytes::len).collect()
}

fn stream(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn slicing_of_the_input_never_matters() {
    let mut damaged = data::C420.to_vec();
    damaged[900..904].copy_from_slice(b"\xFF\xFE\x08\x00");
    let script = stream(&[
        b"preamble \xFF\xD8 not yet\r\n",
        data::THUMBNAIL,
        b"--x\r\n\r\n\0\0\0\0",
        &data::C420[..700],
        b"\r\n--x\r\n\r\n",
        data::PROGRESSIVE,
        data::GREY,
        &damaged,
        data::RESTART,
        &data::THUMBNAIL[..400],
        b"\r\n--x\r\n\r\n",
        data::NO_HUFFMAN,
    ]);
    let whole = scan(&script, script.len());
    let expected = [data::THUMBNAIL, data::PROGRESSIVE, data::GREY, &damaged, data::RESTART, data::NO_HUFFMAN];
    assert_eq!(lengths(&whole.0), expected.map(<[u8]>::len));
    assert!(whole.0 == expected && whole.1 >= 2);
    for size in (1..200).chain([1000, 4096, 5000]) {
        assert!(scan(&script, size) == whole, "in slices of {size}");
    }
}

#[test]
fn a_picture_is_out_with_its_last_byte() {
    for picture in data::ALL {
        let mut scanner = Scanner::new();
        scanner.handle_bytes(&picture[..picture.len() - 1]);
        assert_eq!(scanner.poll_picture(), None);
        scanner.handle_bytes(&picture[picture.len() - 1..]);
        assert_eq!(scanner.poll_picture().as_deref(), Some(*picture));
    }
}

#[test]
fn fill_bytes_and_padding_before_markers_are_passed_over() {
    let sos = data::C420.windows(2).position(|pair| pair == [0xFF, marker::SOS]).unwrap();
    let end = data::C420.len() - 2;
    for filler in [&b"\xFF\xFF\xFF"[..], b"\0\0\0\0\0"] {
        let picture = stream(&[&data::C420[..sos], filler, &data::C420[sos..end], b"\xFF\xFF", &data::C420[end..]]);
        assert_eq!(scan(&picture, 7), (vec![Bytes::from(picture.clone())], 0));
    }
}

#[test]
fn tables_alone_are_no_picture() {
    let script = stream(&[b"\xFF\xD8\xFF\xDB\x00\x04\x00\x00\xFF\xD9", data::SMALL]);
    assert_eq!(scan(&script, 3).0, [data::SMALL]);
}

#[test]
fn damaged_data_with_both_ends_is_delivered() {
    let sos = data::C420.windows(2).position(|pair| pair == [0xFF, marker::SOS]).unwrap();
    for code in 0..=255 {
        if code == marker::EOI {
            continue;
        }
        let mut damaged = data::C420.to_vec();
        damaged[sos + 300..sos + 302].copy_from_slice(&[0xFF, code]);
        // A length that reaches far into what follows takes until then to be found out.
        let script = stream(&[&damaged, &data::C420.repeat(50), data::SMALL]);
        let (found, lost) = scan(&script, 1000);
        assert_eq!((found.len(), lost), (52, 0), "damaged with ff {code:02x}");
        assert!(found[0] == damaged);
    }
}

#[test]
fn a_right_length_saves_the_walk_and_a_wrong_one_harms_nobody() {
    for (hint, error) in [(0, 0), (500, 0), (-500, 0), (i64::MAX, 0), (0, 1)] {
        let mut scanner = Scanner::new();
        let mut found = 0;
        for round in 0..40 {
            // In the last case, one length in ten is wrong.
            let wrong = hint + if round % 10 == 9 { error * 300 } else { 0 };
            let length = usize::try_from((data::C420.len() as i64).saturating_add(wrong)).ok();
            scanner.handle_bytes(data::C420);
            found += std::iter::from_fn(|| scanner.poll_picture_with(|_| length)).count();
            let late = usize::from(error != 0 && round % 10 == 9);
            assert_eq!(found, round + 1 - late, "hint wrong by {wrong}, round {round}");
        }
        scanner.handle_bytes(data::C420);
        while scanner.poll_picture().is_some() {}
        assert_eq!(scanner.lost(), 0);
    }
}

#[test]
fn the_gap_before_a_picture_is_shown_once_and_bounded() {
    let mut scanner = Scanner::new();
    let mut gaps = Vec::new();
    for byte in stream(&[&[b'.'; 3 * MAX_GAP], b"A: 1\r\n\r\n", data::SMALL, b"\r\nB", data::SMALL]) {
        scanner.handle_bytes(&[byte]);
        let _ = scanner.poll_picture_with(|gap| {
            gaps.push(gap.to_vec());
            None
        });
    }
    assert_eq!(gaps.len(), 2);
    assert_eq!(gaps[0].len(), MAX_GAP);
    assert!(gaps[0].ends_with(b".A: 1\r\n\r\n"));
    assert_eq!(gaps[1], b"\r\nB");
}

#[test]
fn what_never_ends_is_given_up_and_memory_stays_bounded() {
    let mut scanner = Scanner::new();
    let sos = data::C420.windows(2).position(|pair| pair == [0xFF, marker::SOS]).unwrap();
    scanner.handle_bytes(&data::C420[..sos + 20]);
    let block = vec![0x55; 1 << 20];
    for _ in 0..40 {
        scanner.handle_bytes(&block);
        assert_eq!(scanner.poll_picture(), None);
        assert!(scanner.buffer().len() <= MAX_PICTURE);
    }
    assert_eq!(scanner.lost(), 1);
    scanner.handle_bytes(data::SMALL);
    assert_eq!(scanner.poll_picture().as_deref(), Some(data::SMALL));
}

/// Whether `picture` lies in the buffer from which it was taken.
fn is_slice(picture: &Bytes, buffer: &std::ops::Range<*const u8>) -> bool {
    buffer.contains(&picture.as_ptr())
}

#[test]
fn large_pictures_are_slices_of_the_buffer_and_small_ones_do_not_keep_it() {
    let mut comment = vec![0xFF, marker::COM, 0x75, 0x30];
    comment.resize(2 + 30_000, b' ');
    let large = stream(&[&data::SMALL[..2], &comment, &comment, &data::SMALL[2..]]);
    for (gap, picture, slice) in [(0, &large[..], true), (60_000, data::SMALL, false)] {
        let mut scanner = Scanner::new();
        scanner.handle_bytes(&vec![b' '; gap]);
        scanner.handle_bytes(picture);
        let range = scanner.buf.as_ptr_range();
        let found = scanner.poll_picture().unwrap();
        assert!(found == picture);
        assert_eq!(is_slice(&found, &range), slice, "{} bytes behind {gap}", found.len());
    }
    // Many in one buffer: each alone would keep it.
    let mut scanner = Scanner::new();
    scanner.handle_bytes(&data::SMALL.repeat(20));
    let range = scanner.buf.as_ptr_range();
    for _ in 0..20 {
        assert!(!is_slice(&scanner.poll_picture().unwrap(), &range));
    }
}

#[test]
fn a_picture_in_a_buffer_made_for_a_longer_one_does_not_keep_it() {
    let mut scanner = Scanner::new();
    let hint = |_: &[u8]| Some(MAX_PICTURE);
    scanner.handle_bytes(data::C420);
    scanner.handle_bytes(&data::SMALL[..600]);
    assert_eq!(scanner.poll_picture_with(hint).as_deref(), Some(data::C420));
    assert_eq!(scanner.poll_picture_with(hint), None);
    scanner.handle_bytes(&data::SMALL[600..]);
    let range = scanner.buf.as_ptr_range();
    assert!(!is_slice(&scanner.poll_picture_with(hint).unwrap(), &range));
}

proptest::proptest! {
    #[test]
    fn nothing_panics_and_good_pictures_survive_any_garbage_before_them(garbage: Vec<u8>, size in 1..3000usize) {
        // Longer than any segment that the garbage can make believe in.
        let script = stream(&[&garbage, &data::C420.repeat(45)]);
        let (found, _) = scan(&script, size);
        proptest::prop_assert!(found.iter().any(|picture| picture == data::C420));
    }

    #[test]
    fn every_changed_byte_costs_one_picture_at_most(at in 0..data::RESTART.len(), byte: u8) {
        let mut damaged = data::RESTART.to_vec();
        damaged[at] = byte;
        let (found, _) = scan(&stream(&[&damaged, &data::SMALL.repeat(100)]), 1 << 20);
        let good = found.iter().filter(|picture| **picture == data::SMALL).count();
        proptest::prop_assert!(good >= 99, "{} good", good);
    }
}
