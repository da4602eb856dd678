//! Pictures in several slices, some of which are lost: of a camera that sets the marker on the last packet of a
//! picture, and of one that sets it on every slice, which nobody knows at the first picture.

use formats::osd::read_number;
use media::nal::units;
use source::{Decoding, Options, Wanted};
use tokio::time::timeout;

use crate::numbered::{COUNT, fragments, stream};
use crate::odd::without_parameters;
use crate::support::{pictures as pictures_come, *};

const SLICES: usize = 4;

/// The packets of each picture; the last fragment of every slice has a marker, or that of the last one.
fn pictures(every_slice: bool) -> Vec<Vec<Vec<u8>>> {
    let x264 = format!("slices={SLICES}:aud=0");
    let stream = stream(&["-c:v", "libx264", "-bf", "0", "-g", "8", "-x264-params", &x264, "-f", "h264"]);
    let (mut pictures, mut payloads, mut number) = (Vec::new(), Vec::new(), 0_u16);
    let mut slices = 0;
    for unit in units(&stream) {
        let is_slice = matches!(unit[0] & 0x1f, 1 | 5);
        slices += usize::from(is_slice);
        let parts = if is_slice { fragments(unit) } else { vec![unit.to_vec()] };
        let last = parts.len() - 1;
        for (at, part) in parts.into_iter().enumerate() {
            let marker = is_slice && at == last && (every_slice || slices == SLICES);
            let head = [0x80, 96 | u8::from(marker) << 7];
            let timestamp = (pictures.len() as u32 * 3600).to_be_bytes();
            payloads.push([&head[..], &number.to_be_bytes(), &timestamp, &[0, 0, 0, 9], &part].concat());
            number += 1;
        }
        if slices == SLICES {
            slices = 0;
            pictures.push(std::mem::take(&mut payloads));
        }
    }
    assert_eq!(pictures.len(), usize::from(COUNT));
    pictures
}

/// A picture as it was decoded: its number where it can be read, its brightness, and whether it is marked.
type Seen = (Option<u16>, Vec<u8>, bool);

/// The pictures that a camera sends in these packets, up to the last one.
async fn seen(packets: &[Vec<u8>]) -> Vec<Seen> {
    // What follows shows that the last one is whole.
    let end = [0x80, 96, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 9, 9, 0xf0];
    let mut end = end.to_vec();
    let number = packets.last().map(|packet| u16::from_be_bytes([packet[2], packet[3]]) + 1).unwrap();
    end[2..4].copy_from_slice(&number.to_be_bytes());
    let packets = [packets, &[end]].concat();
    let fake = Fake::start(sends(without_parameters(), packets)).await;
    let (_source, mut cursor) = fake.open(Options::default());
    let (mut decoding, mut seen) = (Decoding::new(), Vec::new());
    while seen.last().is_none_or(|(number, ..): &Seen| *number != Some(COUNT - 1)) {
        let mut entry = timeout(PATIENCE, cursor.next()).await.expect("a picture in time").unwrap();
        // Readers of pictures wait for a keyframe after a loss; here the marks of packets are looked at.
        entry.packet.discontinuity = false;
        decoding.adopt(&entry).unwrap();
        for picture in decoding.decode(&entry.packet, Wanted::Picture) {
            let luma = picture.frame.plane(0).unwrap();
            let number = read_number(luma.data, luma.stride, 320, 240);
            let rows = (0..240).flat_map(|y| luma.data[y * luma.stride..][..320].to_vec()).collect();
            seen.push((number, rows, entry.packet.corrupt));
        }
    }
    seen
}

#[tokio::test]
async fn of_pictures_in_slices_no_damaged_one_passes_and_no_good_one_is_marked() {
    for every_slice in [false, true] {
        let pictures = pictures(every_slice);
        let packets = pictures.concat();
        let truth = seen(&packets).await;
        let numbers: Vec<_> = truth.iter().map(|(number, _, marked)| (number.unwrap(), *marked)).collect();
        assert_eq!(numbers, (0..COUNT).map(|number| (number, false)).collect::<Vec<_>>());
        let (first, twelve) = (pictures[0].len(), pictures[..12].concat().len());
        let ends: Vec<usize> = (0..first).filter(|at| packets[*at][1] & 0x80 != 0).map(|at| at + 1).collect();
        // Each packet of twelve pictures, also with the one behind it, and all of the first behind each marker.
        let mut losses: Vec<std::ops::Range<usize>> = (0..twelve).flat_map(|at| [at..at + 1, at..at + 2]).collect();
        losses.extend(ends.iter().map(|end| *end..first.max(end + 1)));
        let (mut good, mut damaged, mut came_first) = (0, 0, 0);
        for lost in losses {
            let kept = [&packets[..lost.start], &packets[lost.end..]].concat();
            let seen = seen(&kept).await;
            came_first += u32::from(seen[0].0 == Some(0) && !seen[0].2);
            for (number, rows, marked) in seen {
                let is_good =
                    number.is_some_and(|number| truth.get(usize::from(number)).is_some_and(|it| it.1 == rows));
                assert_eq!(marked, !is_good, "{number:?} without {lost:?}, a marker on every slice: {every_slice}");
                *if is_good { &mut good } else { &mut damaged } += 1;
            }
        }
        println!("a marker on every slice: {every_slice}: {good} good, {damaged} damaged, all of them marked");
        assert!(good > 500 && damaged > 200 && came_first > 50, "{good} {damaged} {came_first}");
    }
}

#[tokio::test]
async fn a_keyframe_that_nothing_follows_comes_all_the_same() {
    let fake = Fake::start(sends(SDP.into(), vec![rtp(0)])).await;
    let (_source, mut cursor) = fake.open(Options::default());
    pictures_come(&mut cursor, 1).await;
    // Where the camera hangs up behind it, too.
    let fake = Fake::start(|request| match method(request) {
        "PLAY" => Reply::Last([head(200, request, "Session: 7\r\n", ""), interleaved(&rtp(0))].concat()),
        _ => usual(request),
    })
    .await;
    let (_source, mut cursor) = fake.open(Options::default());
    pictures_come(&mut cursor, 1).await;
}
