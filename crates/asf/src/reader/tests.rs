use super::*;
use crate::testdata::*;

/// A file: header, packets of ten bytes, and what follows.
fn file_of(duration: Option<u64>, data_size: u64, packets: &[&[u8; 10]], rest: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = header(&[file(10, 0, duration), audio(1, 0x161)]).to_vec();
    let at = bytes.len() - DATA_HEAD + 16;
    bytes[at..at + 8].copy_from_slice(&data_size.to_le_bytes());
    bytes.extend(packets.iter().flat_map(|packet| packet.iter()));
    bytes.extend(rest.concat());
    bytes
}

/// What comes out, in short: `H` for a header, the text of packets, `I` and the length of an index.
fn pieces(file: &[u8], slice: usize) -> Result<String, Error> {
    let mut reader = Reader::new();
    let mut list = Vec::new();
    for bytes in file.chunks(slice) {
        reader.handle_bytes(bytes)?;
        list.extend(std::iter::from_fn(|| reader.poll()));
    }
    reader.handle_end()?;
    let text = list.into_iter().map(|item| match item {
        Item::Header(bytes) => format!("H{}", Header::parse(&bytes).unwrap().streams.len()),
        Item::Packet(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Item::Index(bytes) => format!("I{}", bytes.len()),
    });
    Ok(text.collect::<Vec<_>>().join(" "))
}

fn in_any_slices(file: &[u8]) -> String {
    let whole = pieces(file, file.len()).unwrap();
    for slice in 1..file.len() {
        assert_eq!(pieces(file, slice).as_ref(), Ok(&whole), "in slices of {slice}");
    }
    whole
}

const A: &[u8; 10] = b"packet one";
const B: &[u8; 10] = b"packet two";

#[test]
fn a_file_is_cut_into_header_packets_and_indexes_in_any_slices() {
    let index = object(guid::SIMPLE_INDEX, &[3; 40]);
    let other = object(guid::TIMECODE_INDEX, &[3; 7]);
    let rest = [other.clone(), index.clone(), object(guid::INDEX, b""), index];
    assert_eq!(in_any_slices(&file_of(Some(1000), 70, &[A, B], &rest)), "H1 packet one packet two I64 I64");
    // Bytes of the Data Object that are no packet any more.
    let rest = [b"odd".to_vec(), other];
    assert_eq!(in_any_slices(&file_of(Some(1000), 73, &[A, B], &rest)), "H1 packet one packet two");
}

#[test]
fn content_without_an_end_goes_on_until_the_bytes_end() {
    for (duration, size) in [(None, 0), (None, 50), (None, 60), (Some(1000), 0), (Some(1000), 50), (Some(1000), 55)] {
        assert_eq!(
            in_any_slices(&file_of(duration, size, &[A, B, A], &[b"cut".to_vec()])),
            "H1 packet one packet two packet one"
        );
    }
}

#[test]
fn another_file_may_begin_behind_the_packets() {
    let next = file_of(None, 0, &[B], &[]);
    let live = file_of(None, 0, &[A], std::slice::from_ref(&next));
    // Packets that are shorter than what tells a header are never taken for one.
    assert!(!in_any_slices(&live).ends_with("H1 packet two"));
    assert_eq!(
        in_any_slices(&file_of(Some(1000), 60, &[A], std::slice::from_ref(&next))),
        "H1 packet one H1 packet two"
    );
    let wide = |duration, size: u64, packet: &[u8; 20]| {
        let mut bytes = header(&[file(20, 0, duration), audio(1, 0x161)]).to_vec();
        let at = bytes.len() - DATA_HEAD + 16;
        bytes[at..at + 8].copy_from_slice(&size.to_le_bytes());
        [&bytes[..], packet].concat()
    };
    let both = [wide(None, 0, b"a packet of 20 bytes"), wide(Some(1000), 70, b"another of 20 bytes.")].concat();
    assert_eq!(in_any_slices(&both), "H1 a packet of 20 bytes H1 another of 20 bytes.");
}

#[test]
fn objects_between_header_and_data_are_passed_over() {
    let whole = file_of(Some(1000), 60, &[A], &[]);
    let data = whole.len() - 60;
    for other in [object(guid::PADDING, b""), object(guid::PADDING, &[0; 26]), object(guid::PADDING, &[0; 500])] {
        let file = [&whole[..data], &other, &whole[data..]].concat();
        assert_eq!(in_any_slices(&file), "H1 packet one");
    }
}

#[test]
fn an_object_without_size_ends_the_file() {
    let mut broken = object(guid::PADDING, b"");
    broken[16..24].fill(0);
    assert_eq!(
        in_any_slices(&file_of(Some(1000), 60, &[A], &[broken, object(guid::SIMPLE_INDEX, &[3; 40])])),
        "H1 packet one"
    );
}

#[test]
fn an_index_too_large_to_keep_is_passed_over() {
    let huge = object(guid::SIMPLE_INDEX, &vec![0; MAX_INDEX]);
    let file = file_of(Some(1000), 60, &[A], &[huge, object(guid::SIMPLE_INDEX, b"1234")]);
    assert_eq!(pieces(&file, 1 << 16).unwrap(), "H1 packet one I28");
}

#[test]
fn what_is_no_file_is_told_at_its_first_bytes_and_what_ends_early_at_its_end() {
    let file = file_of(Some(1000), 60, &[A], &[]);
    let error = |bytes: &[u8]| pieces(bytes, 1).unwrap_err().to_string();
    assert!(error(b"<html>").starts_with("byte 0: expected an ASF header"));
    assert!(error(b"0&\xB2x").contains("found 30 26 b2 78"));
    assert_eq!(error(&file[..9]), "the content ends after 9 bytes, before the end of its ASF header");
    let header = file.len() - 60;
    let ends = |at: usize, before| format!("the content ends after {at} bytes, before {before}");
    for at in 24..header {
        assert_eq!(error(&file[..at]), ends(at, "the end of its ASF header"));
    }
    for at in header..header + DATA_HEAD {
        assert_eq!(error(&file[..at]), ends(at, "its data packets"));
    }
    for at in header + DATA_HEAD..file.len() {
        assert_eq!(pieces(&file[..at], 1).unwrap(), "H1");
    }
}
