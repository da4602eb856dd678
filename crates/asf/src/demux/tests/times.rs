use super::super::times::Order;
use super::*;

/// `pts` and `dts` in ms of pictures of WMV3, each given as its kind and its time.
fn placed(pictures: &[(char, u32)]) -> Vec<(Option<i64>, Option<i64>)> {
    // Up to seven B-pictures between others.
    let format = video_format(b"WMV3", 320, 240, &[0x4E, 0x79, 0x1A, 0x71]);
    let mut demuxer = demuxer(&[stream(guid::VIDEO_MEDIA, 2, &format, None)], 200);
    let sent = pictures.iter().map(|(kind, ms)| {
        let byte = match kind {
            'I' => 0x10,
            'P' => 0x20,
            _ => 0x00,
        };
        packets(&[object(2, 1, 3000 + ms, vec![byte; 10])], &USUAL, 200, &mut Random(1)).remove(0)
    });
    let ms = |at: Option<media::Timestamp>| at.map(|at| at.to_ticks(1, 1000));
    units(&mut demuxer, sent.collect::<Vec<_>>()).iter().map(|unit| (ms(unit.pts), ms(unit.dts))).collect()
}

#[test]
fn without_b_pictures_times_are_of_presentation() {
    let list = placed(&[('I', 0), ('P', 40), ('P', 80), ('I', 120)]);
    assert_eq!(list, [(Some(0), None), (Some(40), None), (Some(80), None), (Some(120), None)]);
}

#[test]
fn a_b_picture_before_its_predecessor_tells_times_of_presentation() {
    let list = placed(&[('I', 0), ('P', 120), ('B', 40), ('B', 80), ('P', 240), ('B', 160)]);
    assert_eq!(list, [0, 120, 40, 80, 240, 160].map(|ms| (Some(ms), None)));
}

#[test]
fn a_b_picture_after_its_predecessor_tells_times_of_decoding() {
    let list = placed(&[('I', 0), ('P', 40), ('B', 80), ('B', 120), ('P', 160), ('B', 200), ('B', 240), ('P', 280)]);
    let known = [(80, 80), (120, 120), (280, 160), (200, 200), (240, 240), (400, 280)];
    assert_eq!(list[..2], [(Some(0), None), (Some(40), None)]);
    assert_eq!(list[2..], known.map(|(pts, dts)| (Some(pts), Some(dts))));
    // What a decoder shows is in order: B, B, P.
    let mut shown: Vec<_> = list[2..].iter().map(|(pts, _)| pts.unwrap()).collect();
    shown.sort_unstable();
    assert_eq!(shown, [80, 120, 200, 240, 280, 400]);
}

#[test]
fn a_pattern_that_changes_does_not_put_pictures_behind_their_successors() {
    let list = placed(&[('I', 0), ('P', 40), ('B', 80), ('B', 120), ('P', 160), ('P', 200), ('P', 240)]);
    let shown: Vec<_> = list[4..].iter().map(|(pts, _)| pts.unwrap()).collect();
    assert!(shown.is_sorted(), "{shown:?}");
}

#[test]
fn codecs_without_b_pictures_have_both_times() {
    let mut demuxer = three(200);
    let packets = packets(&[object(2, 1, 3040, vec![1; 10])], &USUAL, 200, &mut Random(1));
    let unit = units(&mut demuxer, packets).remove(0);
    assert_eq!((unit.pts, unit.dts), (Some(media::Timestamp::from_nanos(40_000_000)), unit.pts));
}

#[test]
fn times_go_on_after_49_days_and_stream_offsets_are_added() {
    let mut bytes = video(2, b"WMV2", 320, 240);
    // The time offset: 5 ms in units of 100 ns.
    bytes[56..64].copy_from_slice(&50_000_u64.to_le_bytes());
    let mut demuxer = demuxer(&[bytes], 200);
    let times = [u32::MAX - 60, u32::MAX - 20, 19, 59, 39];
    let sent: Vec<_> = times
        .iter()
        .flat_map(|time| packets(&[object(2, 1, *time, vec![1; 10])], &USUAL, 200, &mut Random(1)))
        .collect();
    let base = i64::from(u32::MAX) - 60 - 3000 + 5;
    let list: Vec<_> = units(&mut demuxer, sent).iter().map(|unit| plain(unit).2 - base).collect();
    assert_eq!(list, [0, 40, 80, 120, 100]);
}

#[test]
fn h264_of_mp4_becomes_annex_b() {
    let record = b"\x01\x42\x00\x1f\xff\xe1\x00\x03sps\x01\x00\x02pp";
    let format = video_format(b"H264", 320, 240, record);
    let mut demuxer = demuxer(&[stream(guid::VIDEO_MEDIA, 2, &format, None)], 200);
    assert_eq!(&demuxer.tracks()[0].extradata[..], b"\0\0\0\x01sps\0\0\0\x01pp");
    let packets = packets(&[object(2, 1, 3000, b"\0\0\0\x03\x65xy".to_vec())], &USUAL, 200, &mut Random(1));
    let unit = units(&mut demuxer, packets).remove(0);
    assert_eq!((&unit.data[..], unit.key, unit.corrupt), (&b"\0\0\0\x01\x65xy"[..], true, false));
}

#[test]
fn times_at_the_ends_of_time_do_no_harm() {
    let format = video_format(b"WMV3", 320, 240, &[0x4E, 0x79, 0x1A, 0x71]);
    let track = demuxer(&[stream(guid::VIDEO_MEDIA, 2, &format, None)], 200).tracks().remove(0);
    let kinds = [0x10, 0x20, 0x00];
    for from in [i64::MIN, -1, 0, i64::MAX - 1, i64::MAX] {
        for to in [i64::MIN, -1, 0, 1, i64::MAX - 1, i64::MAX] {
            for order in 0..81 {
                let mut times = Order::of(&track);
                for (place, at) in [0, from, to, to, from, to].into_iter().enumerate() {
                    let kind = kinds[order / 3_usize.pow(place as u32 % 4) % 3];
                    assert_ne!(times.place(at, &track, &[kind; 10]), (None, None));
                }
            }
        }
    }
}
