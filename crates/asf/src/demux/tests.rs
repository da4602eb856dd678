mod damage;
mod times;

use media::{Kind, TrackId};
use proptest::prelude::*;

use super::*;
use crate::testdata::packets::*;
use crate::testdata::*;
use crate::{Guid, guid};

fn demuxer(objects: &[Vec<u8>], packet: u32) -> Demuxer {
    let header = Header::parse(&header(&[&[file(packet, 3000, None)][..], objects].concat())).unwrap();
    let all: Vec<_> = header.streams.iter().map(|stream| stream.number).collect();
    Demuxer::new(&header, &all).unwrap()
}

fn units(demuxer: &mut Demuxer, packets: impl IntoIterator<Item = Vec<u8>>) -> Vec<Unit> {
    let mut units = Vec::new();
    for packet in packets {
        demuxer.handle_packet(packet.into());
        units.extend(std::iter::from_fn(|| demuxer.poll_unit()));
    }
    units
}

fn object(stream: u8, number: u8, time: u32, data: Vec<u8>) -> Object {
    Object { stream, key: stream != 3, number, time, data }
}

/// Track, key, ms and bytes of a unit.
fn plain(unit: &Unit) -> (u8, bool, i64, &[u8]) {
    (unit.track.0, unit.key, unit.pts.unwrap().to_ticks(1, 1000), &unit.data)
}

/// Pictures of two streams and sound, of every size.
fn content(random: &mut Random, count: usize, most: usize) -> Vec<Object> {
    let mut numbers = [0_u8; 4];
    (0..count)
        .map(|i| {
            let stream = 1 + random.below(3) as u8;
            let most = 1 + random.below(most);
            let length = 1 + random.below(most);
            let number = &mut numbers[usize::from(stream)];
            *number = number.wrapping_add(1);
            object(stream, *number, 3000 + 40 * i as u32, random.bytes(length))
        })
        .collect()
}

fn three(packet: u32) -> Demuxer {
    demuxer(&[audio(1, 0x55), video(2, b"WMV2", 320, 240), video(3, b"MP43", 160, 120)], packet)
}

proptest! {
    #[test]
    fn objects_come_out_as_they_went_in(
        seed in any::<u64>(), size in 80_usize..2000, most in 1_usize..6000,
        length in 0_u8..4, sequence in 0_u8..4, multiple in any::<bool>(), correction in any::<bool>(),
    ) {
        let widths = Widths {
            length: if length == 1 { 0 } else { length },
            sequence,
            payload: multiple.then_some(2),
            error_correction: correction.then_some(2),
            ..USUAL
        };
        let mut random = Random(seed);
        let objects = content(&mut random, 60, most);
        let packets = packets(&objects, &widths, size, &mut random);
        let mut demuxer = three(size as u32);
        let units = units(&mut demuxer, packets);
        for stream in 1..=3 {
            let sent: Vec<_> = objects.iter().filter(|object| object.stream == stream).map(|object| {
                (stream - 1, object.key, i64::from(object.time) - 3000, &object.data[..])
            }).collect();
            let came: Vec<_> = units.iter().filter(|unit| unit.track.0 == stream - 1).map(plain).collect();
            // Of a stream without any keyframe bit, pictures that look like keyframes are some.
            let bytes = |units: &[(u8, bool, i64, &[u8])]| units.iter().map(|(_, _, ms, data)| (*ms, data.to_vec())).collect::<Vec<_>>();
            prop_assert_eq!(bytes(&came), bytes(&sent));
            prop_assert!(stream == 3 || came == sent);
        }
        let counters = demuxer.counters();
        prop_assert_eq!((counters.damaged, counters.abandoned, counters.units), (0, 0, 60));
        prop_assert!(units.iter().all(|unit| !unit.discontinuity && !unit.corrupt));
    }
}

#[test]
fn tracks_hold_what_decoders_need() {
    let objects = [
        audio(1, 0x161),
        stream(guid::COMMAND_MEDIA, 5, b"", None),
        extension(&[extended(3, 300_000, &[], &video(3, b"WMV3", 640, 480))]),
        stream(guid::JFIF_MEDIA, 2, &le![320_u32, 240_u32, 0_u32], None),
        video(4, b"????", 16, 16),
    ];
    let demuxer = demuxer(&objects, 100);
    let tracks = demuxer.tracks();
    let list: Vec<_> = tracks.iter().map(|track| (track.id.0, track.codec.name(), track.tag, track.bit_rate)).collect();
    let wmv3 = u32::from_le_bytes(*b"WMV3");
    assert_eq!(list, [(0, "wmav2", 0x161, 64_000), (1, "wmv3", wmv3, 300_000), (2, "mjpeg", 0, 0)]);
    assert_eq!([0, 1, 2, 3].map(|track| demuxer.stream(TrackId(track))), [Some(1), Some(3), Some(2), None]);
    let Kind::Audio(audio) = &tracks[0].kind else { panic!() };
    assert_eq!((audio.sample_rate, audio.channels, audio.block_align), (44_100, 2, 1486));
    let video = tracks[1].video().unwrap();
    assert_eq!(
        (video.size.to_string(), video.frame_rate),
        ("640x480".into(), media::Rational::new(10_000_000, 333_667))
    );
    assert_eq!((&tracks[1].extradata[..], tracks[1].bits_per_sample), (&b"\x01\x02\x03\x04"[..], 24));
    assert_eq!(tracks[2].video().unwrap().size.to_string(), "320x240");
}

#[test]
fn aac_has_its_configuration_and_nothing_else_as_codec_data() {
    let raw = [&[0; 12][..], b"\x11\x90"].concat();
    let framed = [&[1, 0][..], &[0; 10], b"\x11\x90"].concat();
    for (tag, extra, expected) in
        [(0xFF, &b"\x11\x90"[..], &b"\x11\x90"[..]), (0x1610, &raw, b"\x11\x90"), (0x1610, &framed, b"")]
    {
        let format = audio_format(tag, 1, extra);
        let tracks = demuxer(&[stream(guid::AUDIO_MEDIA, 1, &format, None)], 100).tracks();
        assert_eq!((tracks[0].codec.name(), &tracks[0].extradata[..]), ("aac", expected));
    }
}

#[test]
fn streams_that_nobody_can_decode_are_an_error_that_names_them() {
    let error = |objects: &[Vec<u8>], wanted: &[u8]| {
        let header = Header::parse(&header(&[&[file(100, 0, None)][..], objects].concat())).unwrap();
        Demuxer::new(&header, wanted).unwrap_err().to_string()
    };
    let objects = [audio(1, 0x161), video(2, b"\x1b[2J", 320, 240), audio(0x8003, 0x161)];
    assert_eq!(error(&objects, &[2]), "nothing here decodes stream 2 (video 0x4a325b1b 320x240)");
    assert_eq!(
        error(&objects[..2], &[7]),
        "none of the streams asked for is there, only stream 1 (audio wmav2 44100 Hz), \
         stream 2 (video 0x4a325b1b 320x240)"
    );
    assert!(error(&objects, &[1, 3]).starts_with("stream 3 (audio wmav2 44100 Hz) is encrypted; it plays only"));
}

#[test]
fn a_unit_keeps_at_most_twice_its_bytes() {
    let mut demuxer = three(200);
    for (length, shared) in [(90, false), (100, true), (150, true)] {
        let replicated = about(length, 3000);
        let data = vec![0; length as usize];
        let piece = Piece { stream: 2, key: true, number: 1, offset: 0, replicated, data };
        let packet = Bytes::from(write(&USUAL, &[piece], 0, 200, Form::Whole).unwrap());
        demuxer.handle_packet(packet.clone());
        let unit = demuxer.poll_unit().unwrap();
        let inside = packet.as_ptr_range().contains(&unit.data.as_ptr());
        assert_eq!((unit.data.len(), inside), (length as usize, shared));
    }
}

#[test]
fn compressed_payloads_are_many_objects() {
    let mut demuxer = three(200);
    let data = [&[3][..], b"abc", &[0], &[1], b"d", &[2], b"ef"].concat();
    let piece = Piece { stream: 1, key: false, number: 254, offset: 3100, replicated: vec![20], data };
    for widths in [USUAL, Widths { payload: None, ..USUAL }] {
        let packet = write(&widths, std::slice::from_ref(&piece), 0, 200, Form::Cut).unwrap();
        let units = units(&mut demuxer, [packet]);
        let units: Vec<_> = units.iter().map(plain).collect();
        assert_eq!(units, [(0, true, 100, &b"abc"[..]), (0, true, 140, b"d"), (0, true, 160, b"ef")]);
    }
    // A length that goes beyond the payload.
    let cut = Piece { data: b"\x02xy\x05z".to_vec(), ..piece };
    let packet = write(&USUAL, &[cut], 0, 150, Form::Whole).unwrap();
    assert_eq!(units(&mut demuxer, [packet]).len(), 1);
    assert_eq!((demuxer.counters().abandoned, demuxer.counters().damaged), (1, 0));
}

#[test]
fn a_payload_without_replicated_data_is_a_whole_object_at_the_time_of_the_packet() {
    let mut demuxer = three(200);
    let piece = Piece { stream: 2, key: true, number: 1, offset: 0, replicated: vec![], data: b"abc".to_vec() };
    let packet = write(&USUAL, &[piece], 1234, 150, Form::Whole).unwrap();
    assert_eq!(units(&mut demuxer, [packet]).iter().map(plain).collect::<Vec<_>>(), [(1, true, 1234, &b"abc"[..])]);
}

#[test]
fn spread_sound_is_gathered_and_blocks_of_wma_are_split() {
    let spread = stream(guid::AUDIO_MEDIA, 1, &audio_format(0x161, 4, b""), Some((2, 8, 2)));
    let mut demuxer = demuxer(&[spread], 100);
    // Two virtual packets of four chunks: the sound goes down the columns.
    let object = object(1, 1, 3000, b"aAbBcCdDeEfFgGhH".to_vec());
    let packets = packets(&[object], &USUAL, 100, &mut Random(1));
    let units = units(&mut demuxer, packets);
    let list: Vec<_> = units.iter().map(plain).collect();
    // 4 bytes of 8000 a second are half a millisecond.
    assert_eq!(list.iter().map(|unit| unit.3).collect::<Vec<_>>(), [b"aAeE", b"bBfF", b"cCgG", b"dDhH"]);
    let nanos: Vec<_> = units.iter().map(|unit| unit.pts.unwrap().as_nanos()).collect();
    assert_eq!(nanos, [0, 500_000, 1_000_000, 1_500_000]);
    assert!(units.iter().all(|unit| unit.pts == unit.dts && unit.key));
}

#[test]
fn an_object_is_not_split_into_more_blocks_than_any_encoder_makes() {
    let sound = stream(guid::AUDIO_MEDIA, 1, &audio_format(0x161, 1, b""), None);
    let mut demuxer = demuxer(&[sound], 60_000);
    let mut count = |length| {
        units(&mut demuxer, packets(&[object(1, 1, 3000, vec![7; length])], &USUAL, 60_000, &mut Random(1))).len()
    };
    // Each block takes a hundred bytes besides its own.
    assert_eq!([count(4096), count(4097), count(50_000)], [4096, 1, 1]);
}

#[test]
fn extensions_tell_durations_and_what_is_unknown_is_passed_over() {
    let systems =
        [(Guid::from_bytes([9; 16]), 0xFFFF), (Guid::from_bytes([8; 16]), 3), (guid::EXTENSION_SAMPLE_DURATION, 2)];
    let mut demuxer = demuxer(&[extension(&[extended(2, 1, &systems, &video(2, b"WMV2", 320, 240))])], 200);
    let with = |extra: &[u8]| {
        let replicated = [&about(3, 3040)[..], extra].concat();
        let piece = Piece { stream: 2, key: true, number: 1, offset: 0, replicated, data: b"abc".to_vec() };
        write(&USUAL, &[piece], 0, 150, Form::Whole).unwrap()
    };
    let full = [&le![2_u16][..], b"xy", b"abc", &le![40_u16]].concat();
    for length in 0..=full.len() {
        let units = units(&mut demuxer, [with(&full[..length])]);
        let expected = (length == full.len()).then_some(std::time::Duration::from_millis(40));
        assert_eq!((units[0].duration, plain(&units[0]).2), (expected, 40), "{length} bytes");
    }
}

#[test]
fn where_no_keyframe_bit_is_ever_set_the_pictures_tell() {
    let mut demuxer = three(200);
    let mut send = |key, byte| {
        let object = Object { key, ..object(3, 1, 3000, vec![byte; 10]) };
        units(&mut demuxer, packets(&[object], &USUAL, 200, &mut Random(1)))[0].key
    };
    assert_eq!([send(false, 0x40), send(false, 0x00), send(false, 0x40)], [false, true, false]);
    // Once a bit was set, bits count.
    assert_eq!([send(true, 0x40), send(false, 0x00)], [true, false]);
}
