use super::*;
use crate::{Muxer, Stream};

/// What a feeder sends: its header, then frames of these lengths, each filled with its number.
/// `flush` ends a packet behind each.
fn feed(lengths: &[usize], flush: bool) -> Vec<Vec<u8>> {
    let streams = vec![Stream::new("h264").unwrap(), Stream::new("mp2").unwrap()];
    let mut packets = vec![Header { streams, write_index: 0 }.write().unwrap()];
    let mut muxer = Muxer::new();
    for (at, length) in lengths.iter().enumerate() {
        let dts = 1_700_000_000_000_000 + 40_000 * at as i64;
        let delay = if at % 3 == 1 { 80_000 } else { 0 };
        assert!(muxer.frame((at % 2) as u8, at % 5 == 0, dts + delay, dts, 40_000, &vec![at as u8; *length]));
        if flush {
            muxer.flush();
        }
    }
    muxer.flush();
    packets.extend(std::iter::from_fn(|| muxer.poll_packet()).map(|packet| packet.to_vec()));
    assert!(packets.iter().all(|packet| packet.len() == PACKET));
    packets
}

/// The number and length of each frame, with `!` where something before it was lost.
fn read(bytes: &[u8], slice: usize) -> Result<String, Error> {
    let (mut demuxer, mut found) = (Demuxer::new(), Vec::new());
    for slice in bytes.chunks(slice) {
        demuxer.handle_bytes(slice)?;
        while let Some(item) = demuxer.poll() {
            let Item::Unit(unit) = item else { continue };
            let number = unit.data.first().map_or(-1, |byte| i32::from(*byte));
            assert!(unit.data.iter().all(|byte| i32::from(*byte) == number), "a torn frame");
            if let (Some(pts), Some(dts)) = (unit.pts, unit.dts) {
                let delay = pts.saturating_since(dts).as_millis();
                assert_eq!(delay, if number % 3 == 1 { 80 } else { 0 }, "frame {number}");
                assert_eq!(dts.to_ticks(1, 1_000_000), 1_700_000_000_000_000 + 40_000 * i64::from(number));
            }
            found.push(format!("{number}x{}{}", unit.data.len(), if unit.discontinuity { "!" } else { "" }));
        }
    }
    Ok(found.join(" "))
}

const LENGTHS: &[usize] = &[10, 5000, 1, 4062, 4066, 4046, 9000, 3, 100];
const WHOLE: &str = "0x10 1x5000 2x1 3x4062 4x4066 5x4046 6x9000 7x3 8x100";

#[test]
fn slicing_of_the_input_never_matters() {
    for flush in [false, true] {
        let bytes = feed(LENGTHS, flush).concat();
        for slice in (1..200).chain([4095, 4096, 4097, bytes.len()]) {
            assert_eq!(read(&bytes, slice).as_deref(), Ok(WHOLE), "in slices of {slice}, flush {flush}");
        }
    }
}

#[test]
fn a_packet_is_as_ffmpeg_3_4_writes_it() {
    let mut muxer = Muxer::new();
    let pts = 0x0006_60d7_ae39_0c03;
    assert!(muxer.frame(0, true, pts, pts, 40_000, &[0xFF; 0x1f0e]));
    let packet = muxer.poll_packet().unwrap();
    let expected = [
        &[0x66, 0x6d][..],
        &[0, 0],
        &[0, 0x06, 0x60, 0xd7, 0xae, 0x39, 0x0c, 0x03],
        &[0x80, 0x0e],
        &[0, 1],
        &[0, 0x1f, 0x0e],
        &[0, 0x9c, 0x40],
        &[0, 0x06, 0x60, 0xd7, 0xae, 0x39, 0x0c, 0x03],
        &[0xff; 4],
    ]
    .concat();
    assert_eq!(packet[..expected.len()], expected);
    // The second one goes on with the frame.
    muxer.flush();
    let second = muxer.poll_packet().unwrap();
    let fill = (PACKET - HEAD) as u16 * 2 - 16 - 0x1f0e;
    assert_eq!(second[2..4], fill.to_be_bytes());
    assert_eq!(second[12..14], [0, 0]);
}

#[test]
fn reading_goes_on_behind_what_makes_no_sense() {
    let packets = feed(LENGTHS, true);
    // A packet within frame 1 is overwritten: it is lost, and the next one is told.
    let mut broken = packets.clone();
    broken[2] = vec![0xAA; PACKET];
    assert_eq!(read(&broken.concat(), 1000).as_deref(), Ok("0x10 2x1! 3x4062 4x4066 5x4046 6x9000 7x3 8x100"));
    // One is missing: what seems to follow is no frame.
    let mut missing = packets.clone();
    missing.remove(2);
    let found = read(&missing.concat(), 1000);
    assert!(found.as_deref().is_ok_and(|found| found.ends_with("7x3 8x100")), "{found:?}");
    // Joined in its midst, as from a file.
    let late = [&packets[0][..], &packets[3..].concat()].concat();
    assert!(read(&late, 4096).unwrap().starts_with("2x1!"), "{:?}", read(&late, 4096));
}

#[test]
fn another_feeder_in_the_same_file_ends_what_was_begun() {
    let (first, second) = (feed(LENGTHS, false), feed(&[7, 8], false));
    let bytes = [first[..3].concat(), second[1..].concat()].concat();
    assert_eq!(read(&bytes, 777).as_deref(), Ok("0x10 1x5000 2x1 0x7! 1x8"));
}

#[test]
fn a_feed_that_makes_no_sense_for_long_is_given_up() {
    let mut bytes = feed(&[], false).concat();
    bytes.extend(vec![0; PACKET * (MAX_LOST as usize - 1)]);
    assert_eq!(read(&bytes, 5000).as_deref(), Ok(""));
    bytes.extend(vec![0; PACKET]);
    let error = read(&bytes, 5000).unwrap_err().to_string();
    assert_eq!(error, "byte 65536: the feed has become desynchronised: 16 packets in a row that are none");
}

#[test]
fn a_frame_that_claims_to_be_large_takes_no_more_memory_than_has_come() {
    let mut packets = feed(&[4000], false);
    packets[1][HEAD + 2..HEAD + 5].copy_from_slice(&[0xFF; 3]);
    let mut demuxer = Demuxer::new();
    demuxer.handle_bytes(&packets.concat()).unwrap();
    assert!(demuxer.body.capacity() <= 4 * PACKET, "{}", demuxer.body.capacity());
}

#[test]
fn a_frame_that_is_too_large_is_not_taken() {
    let mut muxer = Muxer::new();
    assert!(!muxer.frame(0, true, 0, 0, 0, &vec![0; MAX_FRAME + 1]));
    muxer.flush();
    assert_eq!(muxer.poll_packet(), None);
}
