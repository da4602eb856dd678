use media::nal::{START_CODE, Syntax};

use super::*;

mod markers;

const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 0xd9, 3, 0xc5, 0x68];
const PPS: &[u8] = &[0x68, 0xcb, 0x8c, 0xb2];
const IDR: &[u8] = &[0x65, 0x88, 0x84, 0x21];
/// The second slice of a picture.
const REST: &[u8] = &[0x65, 0x48, 0x84, 0x21];
const INTER: &[u8] = &[0x41, 0x9a, 0x21, 0x6c];
const REST_OF_INTER: &[u8] = &[0x41, 0x5a, 0x21, 0x6c];
const AUD: &[u8] = &[0x09, 0xf0];
const RECOVERY: &[u8] = &[0x06, 0x06, 0x01, 0xc4, 0x80];
const TIMING: &[u8] = &[0x06, 0x01, 0x02, 6, 6, 0x80];

/// What a camera sends: time, marker, payload; a lost packet.
enum Sent {
    Packet(u32, bool, Vec<u8>),
    Lost,
}
use Sent::Lost;

fn packet(timestamp: u32, marker: bool, payload: &[u8]) -> Sent {
    Sent::Packet(timestamp, marker, payload.to_vec())
}

fn annex_b(units: &[&[u8]]) -> Vec<u8> {
    units.iter().flat_map(|unit| [&START_CODE[..], unit].concat()).collect()
}

fn rtp(number: u16, timestamp: u32, marker: bool, payload: &[u8]) -> Rtp<'_> {
    Rtp { number, timestamp, sender: 0, payload_type: 96, marker, extension: None, payload }
}

/// The pictures, and how many packets were bad.
fn run(syntax: Syntax, known: &[u8], sent: &[Sent]) -> (Vec<Picture>, usize) {
    let mut nals = Nals::new(syntax, known, false, 1 << 20);
    let (mut pictures, mut bad, mut lost) = (Vec::new(), 0, false);
    for (number, sent) in sent.iter().enumerate() {
        let Sent::Packet(timestamp, marker, payload) = sent else {
            lost = true;
            continue;
        };
        let rtp = rtp(number as u16, *timestamp, *marker, payload);
        bad += usize::from(nals.handle(&rtp, std::mem::take(&mut lost)).is_err());
        pictures.extend(std::iter::from_fn(|| nals.poll()));
    }
    // Nothing follows.
    nals.release();
    pictures.extend(nals.poll());
    (pictures, bad)
}

fn data(sent: &[Sent]) -> Vec<Vec<u8>> {
    let (pictures, bad) = run(Syntax::H264, &annex_b(&[SPS, PPS]), sent);
    assert_eq!(bad, 0);
    pictures.into_iter().map(|picture| picture.data.to_vec()).collect()
}

fn fragments(unit: &[u8], size: usize) -> Vec<Vec<u8>> {
    let chunks: Vec<&[u8]> = unit[1..].chunks(size).collect();
    let last = chunks.len() - 1;
    let edge = |at: usize| if at == 0 { 0x80 } else { 0 } | if at == last { 0x40 } else { 0 };
    let head = |at: usize| [unit[0] & 0x60 | 28, edge(at) | unit[0] & 0x1f];
    chunks.iter().enumerate().map(|(at, chunk)| [&head(at)[..], chunk].concat()).collect()
}

fn aggregate(units: &[&[u8]]) -> Vec<u8> {
    let units = units.iter().flat_map(|unit| [&(unit.len() as u16).to_be_bytes()[..], unit].concat());
    std::iter::once(0x78).chain(units).collect()
}

// As of Reolink RLC-822A (sets with a marker): docs/CAMERAS.md.
#[test]
fn a_keyframe_has_its_parameter_sets_however_it_is_sent() {
    let expected = [annex_b(&[SPS, PPS, TIMING, IDR]), annex_b(&[INTER])];
    let inter = || packet(2, true, INTER);
    let mut ways: Vec<Vec<Sent>> = vec![
        vec![packet(1, false, SPS), packet(1, false, PPS), packet(1, false, TIMING), packet(1, true, IDR), inter()],
        vec![packet(1, true, &aggregate(&[SPS, PPS, TIMING, IDR])), inter()],
        // Sets with a time and a marker of their own, as cameras of Hikvision and Dahua have them.
        vec![packet(0, true, SPS), packet(0, true, PPS), packet(0, true, TIMING), packet(1, true, IDR), inter()],
        // None in the stream.
        vec![packet(1, false, TIMING), packet(1, true, IDR), inter()],
        // Annex B in one payload, with start codes of both lengths and filling.
        vec![packet(1, true, &annex_b(&[SPS, PPS, &[0x0c, 0xff], TIMING, IDR])), inter()],
        vec![packet(1, true, &annex_b(&[SPS, PPS, TIMING, IDR])[4..]), inter()],
    ];
    for size in 1..4 {
        let parts = fragments(IDR, size);
        let last = parts.len() - 1;
        let mut way = vec![packet(1, false, &aggregate(&[SPS, PPS, TIMING]))];
        way.extend(parts.iter().enumerate().map(|(at, part)| packet(1, at == last, part)));
        way.push(inter());
        ways.push(way);
    }
    for (number, way) in ways.iter().enumerate() {
        assert_eq!(data(way), expected, "way {number}");
    }
}

#[test]
fn a_delimiter_ends_the_picture_before() {
    let sent = [
        packet(5, false, AUD),
        packet(5, false, TIMING),
        packet(5, false, IDR),
        packet(5, false, AUD),
        packet(5, false, INTER),
        packet(5, false, AUD),
    ];
    assert_eq!(data(&sent), [annex_b(&[SPS, PPS, TIMING, IDR]), annex_b(&[INTER])]);
}

#[test]
fn without_markers_the_next_time_ends_a_picture() {
    let sent = [packet(1, false, IDR), packet(1, false, REST), packet(2, false, INTER), packet(3, false, INTER)];
    assert_eq!(data(&sent), [annex_b(&[SPS, PPS, IDR, REST]), annex_b(&[INTER])]);
}

#[test]
fn what_is_not_whole_does_not_come_out_and_is_told() {
    let big = [&[0x41, 0x9a][..], &[7; 40]].concat();
    let parts = fragments(&big, 10);
    for missing in 0..parts.len() {
        let mut sent = vec![packet(0, true, IDR), packet(1, true, INTER)];
        sent.extend(parts.iter().enumerate().map(|(at, part)| match at == missing {
            true => Lost,
            false => packet(2, at == parts.len() - 1, part),
        }));
        sent.extend([packet(3, true, INTER), packet(4, true, INTER)]);
        let (pictures, bad) = run(Syntax::H264, &[], &sent);
        let found: Vec<_> = pictures.iter().map(|picture| (picture.timestamp, picture.lost)).collect();
        assert_eq!((found, bad), (vec![(0, false), (1, false), (3, true), (4, false)], 0), "without part {missing}");
    }
    // The begin of a picture that comes in slices: the rest shows that it is one.
    let before = [packet(0, true, IDR), packet(1, true, INTER)];
    let sent = before.into_iter().chain([Lost, packet(2, true, REST_OF_INTER), packet(3, true, INTER)]);
    let (pictures, _) = run(Syntax::H264, &[], &sent.collect::<Vec<_>>());
    let found: Vec<_> = pictures.iter().map(|picture| (picture.lost, picture.begun)).collect();
    assert_eq!(found, [(false, true), (false, true), (true, false), (false, true)]);
}

#[test]
fn fragments_without_their_edges_are_bad_unless_the_camera_never_sets_them() {
    let big = [&[0x41, 0x9a][..], &[7; 40]].concat();
    let bare = |clear: u8| -> Vec<Vec<u8>> {
        let mut parts = fragments(&big, 10);
        parts.iter_mut().for_each(|part| part[1] &= !clear);
        parts
    };
    let stream = |parts: &[Vec<u8>], count: u32| -> Vec<Sent> {
        let of = |time| parts.iter().enumerate().map(move |(at, part)| packet(time, at == parts.len() - 1, part));
        (0..count).flat_map(of).collect()
    };
    // Never an end: the marker says it.
    let (pictures, bad) = run(Syntax::H264, &[], &stream(&bare(0x40), 5));
    assert_eq!((pictures.len(), bad), (5, 0));
    // Never a begin: believed from the fourth on.
    let (pictures, bad) = run(Syntax::H264, &[], &stream(&bare(0x80), 9));
    assert_eq!((pictures.len(), bad), (6, 3));
    assert!(pictures[0].lost && pictures.iter().all(|picture| picture.data[..] == annex_b(&[&big])));
    // One that is missing where others are there.
    let mut sent = stream(&fragments(&big, 10), 2);
    sent.extend(stream(&bare(0x80), 1));
    sent.extend([packet(9, true, INTER)]);
    let (pictures, bad) = run(Syntax::H264, &[], &sent);
    assert_eq!((pictures.len(), bad, pictures[2].lost), (3, 1, true));
    // Its time ends before a unit does.
    let parts = fragments(&big, 10);
    let mut sent = stream(&parts, 1);
    sent.extend([packet(7, false, &parts[0]), packet(8, true, INTER)]);
    // The picture behind it is whole, and so is all that refers to it.
    sent.extend([packet(9, true, INTER)]);
    let (pictures, bad) = run(Syntax::H264, &[], &sent);
    let found: Vec<_> = pictures.iter().map(|picture| (picture.timestamp, picture.lost)).collect();
    assert_eq!((found, bad), (vec![(0, false), (8, true), (9, false)], 1));
    // In parts, too.
    let mut sent = stream(&parts, 1);
    sent.push(packet(7, false, &parts[0]));
    sent.extend(parts.iter().enumerate().map(|(at, part)| packet(8, at == parts.len() - 1, part)));
    let (pictures, bad) = run(Syntax::H264, &[], &sent);
    let found: Vec<_> = pictures.iter().map(|picture| (picture.timestamp, picture.lost)).collect();
    assert_eq!((found, bad), (vec![(0, false), (8, true)], 1));
}

#[test]
fn a_packet_full_of_pictures_becomes_no_more_than_a_few() {
    let keyframes: Vec<&[u8]> = std::iter::repeat_n([AUD, &IDR[..2]], 1000).flatten().collect();
    let (pictures, bad) = run(Syntax::H264, &annex_b(&[SPS, PPS]), &[packet(1, true, &aggregate(&keyframes))]);
    assert_eq!((pictures.len(), bad), (8, 1));
}

#[test]
fn points_of_recovery_are_starts_and_other_sets_are_told() {
    let other = [0x67, 0x42, 0xc0, 0x1f, 0xd9, 3];
    let sent = [
        packet(1, true, &aggregate(&[SPS, PPS, IDR])),
        packet(2, true, &aggregate(&[RECOVERY, INTER])),
        packet(3, true, INTER),
        packet(4, true, &aggregate(&[&other, IDR])),
    ];
    let (pictures, bad) = run(Syntax::H264, &[], &sent);
    let found: Vec<_> = pictures.iter().map(|picture| (picture.start, picture.changed)).collect();
    assert_eq!(bad, 0);
    assert_eq!(found, [(Start::Key, true), (Start::Recovery, false), (Start::No, false), (Start::Key, true)]);
    assert_eq!(pictures[1].data[..], annex_b(&[SPS, PPS, RECOVERY, INTER]));
    assert_eq!(pictures[3].data[..], annex_b(&[&other, PPS, IDR]));
}

#[test]
fn payloads_that_are_none_are_told_and_do_no_harm() {
    for odd in [
        &[][..],
        &[0],
        &[0xe5, 0x88],
        &[0x78],
        &[0x78, 0, 0],
        &[0x78, 0, 9, 0x65],
        &[0x7c],
        &[0x7c, 0x05],
        &[0x79, 0, 1],
        &[0x7a, 1],
        &[0x7b, 1],
        &[0x7d, 0x85],
        &[0x1e, 1],
    ] {
        let (pictures, bad) = run(Syntax::H264, &[], &[packet(1, true, odd), packet(2, true, IDR)]);
        let found: Vec<_> = pictures.iter().map(|picture| (picture.timestamp, picture.lost)).collect();
        assert_eq!((found, bad), (vec![(2, true)], 1), "{odd:02x?}");
    }
}

#[test]
fn a_picture_without_end_is_given_up_at_its_bound() {
    let mut nals = Nals::new(Syntax::H264, &[], false, 1000);
    let part = [&[0x7c, 0x05][..], &[7; 100]].concat();
    let mut first = part.clone();
    first[1] |= 0x80;
    let mut bad = 0;
    for number in 0..100 {
        let payload = if number == 0 { &first } else { &part };
        let rtp = rtp(number, 1, false, payload);
        bad += usize::from(nals.handle(&rtp, false).is_err());
        assert!(nals.kept() <= 1000 + 100 && nals.poll().is_none());
    }
    assert_eq!(bad, 1);
}

#[test]
fn h265_comes_out_of_aggregates_and_fragments_with_and_without_order() {
    let unit = |kind: u8, rest: &[u8]| [&[kind << 1, 1][..], rest].concat();
    let (vps, sps, pps) = (unit(32, &[0x0c, 1]), unit(33, &[1; 40]), unit(34, &[0xc1, 0x72]));
    let (idr, cra, leading) = (unit(19, &[0xaf; 30]), unit(21, &[0xaf, 1]), unit(8, &[0xd0, 1]));
    for has_order in [false, true] {
        let order = |count: usize| vec![0; if has_order { count } else { 0 }];
        let mut sets = vec![48 << 1, 1];
        for (at, set) in [&vps, &sps, &pps].into_iter().enumerate() {
            sets.extend(order(if at == 0 { 2 } else { 1 }));
            sets.extend((set.len() as u16).to_be_bytes());
            sets.extend(set);
        }
        let single = |unit: &[u8]| [&unit[..2], &order(2), &unit[2..]].concat();
        let fragment = |edge: u8, body: &[u8]| {
            let order = order(if edge & 0x80 == 0 { 0 } else { 2 });
            [&[49 << 1, 1, edge | 19][..], &order, body].concat()
        };
        let sent = [
            (1, false, sets),
            (1, false, fragment(0x80, &idr[2..20])),
            (1, true, fragment(0x40, &idr[20..])),
            (2, true, single(&cra)),
            (3, true, single(&leading)),
        ];
        let mut nals = Nals::new(Syntax::H265, &[], has_order, 1 << 20);
        let mut pictures = Vec::new();
        for (number, (timestamp, marker, payload)) in sent.iter().enumerate() {
            let rtp = rtp(number as u16, *timestamp, *marker, payload);
            assert_eq!(nals.handle(&rtp, false), Ok(()));
            pictures.extend(std::iter::from_fn(|| nals.poll()));
        }
        let found: Vec<_> = pictures.iter().map(|picture| (picture.start, picture.leading)).collect();
        assert_eq!(found, [(Start::Key, false), (Start::Open, false), (Start::No, true)]);
        assert_eq!(pictures[0].data[..], annex_b(&[&vps, &sps, &pps, &idr]));
        assert_eq!(pictures[2].data[..], annex_b(&[&leading]));
    }
}

#[test]
fn numbers_and_times_go_round() {
    let rtp = |number, timestamp, sender| Rtp { sender, ..rtp(number, timestamp, false, &[]) };
    let mut order = Order::default();
    assert_eq!(order.turn(&rtp(65535, 0, 1)), Ok(Turn::Next { lost: 0 }));
    assert_eq!(order.turn(&rtp(0, 0, 1)), Ok(Turn::Next { lost: 0 }));
    assert_eq!(order.turn(&rtp(0, 0, 1)), Ok(Turn::Again));
    assert_eq!(order.turn(&rtp(3, 0, 1)), Ok(Turn::Next { lost: 2 }));
    assert_eq!(order.turn(&rtp(4, 0, 2)), Err(Disorder::Sender { expected: 1, found: 2 }));
    assert_eq!(order.turn(&rtp(1, 0, 1)), Err(Disorder::Number { expected: 4, found: 1 }));
    let mut ticks = Ticks::default();
    assert_eq!([u32::MAX, 9, 5].map(|at| ticks.advance(at)), [0, 10, 6]);
    assert_eq!((ticks.place(u32::MAX), ticks.advance(8)), (0, 9));
    assert_eq!(Ticks::new(Some(100)).advance(190), 90);
}

#[test]
fn packets_are_read_as_rfc_3550_section_5_1_draws_them() {
    let plain = [0x80, 0xe0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1, b'x'];
    let rtp = Rtp::parse(&plain).unwrap();
    assert_eq!((rtp.number, rtp.timestamp, rtp.sender, rtp.marker, rtp.payload), (7, 9, 1, true, &b"x"[..]));
    let full = [&[0xb1, 0x60][..], &plain[2..12], &[0, 0, 0, 5], &[0xff, 0xd8, 0, 1, 1, 2, 3, 4], b"xy\0\x02"].concat();
    let rtp = Rtp::parse(&full).unwrap();
    assert_eq!((rtp.extension, rtp.payload), (Some((0xffd8, &[1, 2, 3, 4][..])), &b"xy"[..]));
    for length in 0..12 {
        assert_eq!(Rtp::parse(&plain[..length]), None);
    }
    for (flags, rest) in [(0xa0, &[0xff][..]), (0x90, &[0, 0, 0xff, 0xff, 1]), (0x8f, &[1, 2, 3]), (0, b"x")] {
        assert_eq!(Rtp::parse(&[&[flags][..], &plain[1..12], rest].concat()), None, "{flags:02x}");
    }
}
