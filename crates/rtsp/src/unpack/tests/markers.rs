//! Cameras that set the marker bit on every slice.

use super::*;

/// Which of three pictures of three slices each come, with how many slices and whether something was lost, if
/// the packets of these places are.
fn come(every_slice: bool, missing: &[usize]) -> Vec<(u32, usize, bool)> {
    let keyframe: [&[u8]; 3] = [IDR, &[0x65, 0x48, 1], &[0x65, 0x28, 2]];
    let inter: [&[u8]; 3] = [INTER, &[0x41, 0x48, 1], &[0x41, 0x28, 2]];
    let slices = [keyframe, inter, inter].into_iter().enumerate();
    let packets = slices.flat_map(|(picture, slices)| {
        let marker = move |at| every_slice || at == 2;
        slices.into_iter().enumerate().map(move |(at, slice)| packet(picture as u32, marker(at), slice))
    });
    let sent: Vec<_> =
        packets.enumerate().map(|(at, packet)| if missing.contains(&at) { Lost } else { packet }).collect();
    let (pictures, bad) = run(Syntax::H264, &[], &sent);
    assert_eq!(bad, 0, "without {missing:?}");
    let slices = |picture: &Picture| media::nal::units(&picture.data).count();
    pictures.iter().map(|picture| (picture.timestamp, slices(picture), picture.lost)).collect()
}

#[test]
fn markers_on_every_slice_are_found_out_at_the_second_one() {
    assert_eq!(come(true, &[]), [(0, 3, false), (1, 3, false)]);
    // Where a third picture follows, the last one is only ended by its time.
    assert_eq!(come(false, &[]), [(0, 3, false), (1, 3, false), (2, 3, false)]);
}

#[test]
fn the_first_picture_is_none_where_its_other_slices_may_be_lost() {
    assert_eq!(come(true, &[1, 2]), [(1, 3, true)]);
    assert_eq!(come(true, &[1, 2, 3]), [(1, 2, true)]);
    assert_eq!(come(true, &[2]), [(1, 3, true)]);
    assert_eq!(come(false, &[2]), [(1, 3, true), (2, 3, false)]);
    for missing in 0..9_usize {
        for (timestamp, slices, lost) in come(true, &[missing]) {
            let is_whole = slices == 3;
            assert!(is_whole || lost, "{timestamp} has {slices} slices without {missing}");
        }
    }
}

/// What is held behind each packet, and the times of the pictures that come with it.
fn held(sent: &[Sent]) -> Vec<(bool, Vec<u32>)> {
    let mut nals = Nals::new(Syntax::H264, &[], false, 1 << 20);
    let mut lost = false;
    let mut held = Vec::new();
    for (number, sent) in sent.iter().enumerate() {
        let Sent::Packet(timestamp, marker, payload) = sent else {
            lost = true;
            continue;
        };
        let _ = nals.handle(&rtp(number as u16, *timestamp, *marker, payload), std::mem::take(&mut lost));
        let times = std::iter::from_fn(|| nals.poll()).map(|picture| picture.timestamp).collect();
        held.push((nals.is_holding(), times));
    }
    held
}

#[test]
fn the_first_keyframe_waits_for_the_next_packet_and_nothing_behind_it_does() {
    let sent = [1, 2, 3, 4].map(|time| packet(time, true, if time % 2 == 1 { IDR } else { INTER }));
    assert_eq!(held(&sent), [(true, vec![]), (false, vec![1, 2]), (false, vec![3]), (false, vec![4])]);
    // What comes with the time of the next picture, or begins it, is the next packet, too.
    for next in [packet(2, false, SPS), packet(1, false, SPS), packet(1, false, AUD), packet(1, true, TIMING)] {
        let held = held(&[packet(1, true, IDR), next, packet(2, true, INTER)]);
        assert_eq!(held, [(true, vec![]), (false, vec![1]), (false, vec![2])]);
    }
    // A slice without a marker shows at once that not every one has one.
    let held_if = |first: u32| held(&[packet(1, false, IDR), packet(1, true, REST), packet(first, true, INTER)]);
    assert_eq!(held_if(2), [(false, vec![]), (false, vec![1]), (false, vec![2])]);
    // Small pictures before it show nothing of those that come in slices.
    let sent = [packet(1, true, INTER), packet(2, true, IDR), packet(2, true, REST), packet(3, true, INTER)];
    assert_eq!(held(&sent), [(true, vec![]), (true, vec![1]), (false, vec![]), (false, vec![2])]);
}

#[test]
fn what_is_released_is_as_it_was_and_what_comes_behind_it_is_believed() {
    let mut nals = Nals::new(Syntax::H264, &annex_b(&[SPS, PPS]), false, 1 << 20);
    nals.release();
    assert!(nals.handle(&rtp(0, 1, true, IDR), false).is_ok() && nals.is_holding() && nals.poll().is_none());
    nals.release();
    let picture = nals.poll().unwrap();
    assert_eq!((&picture.data[..], picture.lost), (&annex_b(&[SPS, PPS, IDR])[..], false));
    assert!(!nals.is_holding() && nals.poll().is_none());
    let mut other = Nals::new(Syntax::H264, &[], false, 1 << 20);
    assert!(other.handle(&rtp(0, 1, true, IDR), false).is_ok());
    other.release();
    // Another slice of it, which comes too late.
    assert!(other.handle(&rtp(1, 1, true, REST), false).is_err());
    assert!(other.handle(&rtp(2, 2, true, INTER), false).is_ok() && !other.is_holding());
    // The next picture.
    assert!(nals.handle(&rtp(1, 2, true, INTER), false).is_ok());
    assert_eq!((nals.is_holding(), nals.poll().map(|picture| picture.timestamp)), (false, Some(2)));
}
