use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{Audio, Codec, Kind, Rational, Size, Timestamp, Track, Video};
use proptest::prelude::*;

use super::*;
use crate::padding::padded;
use crate::strict::{self, Payload};

mod files;
mod headers;

pub(super) fn video(codec: &'static str) -> Track {
    let size = Size::new(320, 240);
    let video = Video { size, frame_rate: Rational::new(25, 1), ..Video::default() };
    Track { codec: Codec::from_name(codec), kind: Kind::Video(video), ..Track::mjpeg(size) }
}

pub(super) fn audio(codec: &'static str) -> Track {
    let audio = Audio { sample_rate: 44_100, channels: 2, block_align: 0 };
    Track { codec: Codec::from_name(codec), kind: Kind::Audio(audio), ..Track::mjpeg(Size::default()) }
}

#[expect(clippy::disallowed_methods, reason = "a packet says when it came, and nobody asks")]
fn unit(track: u8, ms: i64, key: bool, data: impl Into<Bytes>) -> media::Packet {
    let at = Timestamp::from_ticks(ms, 1, 1000);
    media::Packet {
        track: TrackId(track),
        pts: at,
        dts: at,
        duration: None,
        key,
        corrupt: false,
        discontinuity: false,
        received: Instant::now(),
        captured: None,
        data: data.into(),
    }
}

fn muxer(tracks: Vec<Track>, options: Options) -> Muxer {
    Muxer::new(&Tracks::new(tracks), &options).unwrap()
}

fn small() -> Options {
    Options { packet_size: Some(200), ..Options::default() }
}

fn packets(muxer: &mut Muxer) -> Vec<Packet> {
    std::iter::from_fn(|| muxer.poll_packet()).collect()
}

fn payloads(packets: &[Packet]) -> Vec<Payload> {
    packets.iter().flat_map(|packet| strict::packet(&packet.data).payloads).collect()
}

#[test]
fn a_picture_is_out_at_once_and_its_packet_no_longer_than_it() {
    let mut muxer = muxer(vec![video("wmv2")], small());
    muxer.push(&unit(0, 1000, true, b"picture".to_vec()));
    let packets = packets(&mut muxer);
    assert_eq!(
        packets[0].data[..],
        [
            &[0x82, 0, 0, 0x41, 0x5D][..],
            &[38, 0],
            &[0, 0, 0, 0],
            &[0, 0],
            &[0x81],
            &[0x81, 0, 0, 0, 0, 0, 8, 7, 0, 0, 0],
            &1000u32.to_le_bytes(),
            &[7, 0],
            b"picture",
        ]
        .concat()
    );
    assert_eq!((packets.len(), packets[0].key, packets[0].send_time), (1, true, Duration::ZERO));
}

#[test]
fn a_unit_larger_than_a_packet_is_cut_and_put_together_again() {
    let mut muxer = muxer(vec![video("wmv2")], small());
    let picture: Vec<u8> = (0..1000u32).map(|i| i as u8).collect();
    muxer.push(&unit(0, 0, true, picture.clone()));
    let packets = packets(&mut muxer);
    assert_eq!(packets.iter().map(|packet| packet.data.len()).collect::<Vec<_>>(), [200, 200, 200, 200, 200, 186]);
    assert_eq!(packets.iter().map(|packet| packet.key).collect::<Vec<_>>(), [true, false, false, false, false, false]);
    assert_eq!(strict::objects(&payloads(&packets)), [(1, true, 1000, picture)]);
}

#[test]
fn a_keyframe_begins_a_packet_and_other_units_share_one() {
    let tracks = vec![video("wmv2"), audio("wmav2")];
    let mut muxer = muxer(tracks, Options { low_delay: false, packet_size: Some(1400), ..Options::default() });
    for (track, ms, key) in [(0, 0, true), (1, 0, true), (0, 40, false), (1, 30, true), (0, 80, true), (0, 120, false)]
    {
        muxer.push(&unit(track, ms, key, vec![track; 100]));
    }
    muxer.flush();
    let packets = packets(&mut muxer);
    let read: Vec<_> = packets.iter().map(|packet| strict::packet(&packet.data)).collect();
    let streams: Vec<Vec<_>> =
        read.iter().map(|packet| packet.payloads.iter().map(|payload| payload.stream).collect()).collect();
    assert_eq!(streams, [vec![1, 2, 1, 2], vec![1, 1]]);
    assert_eq!([packets[0].key, packets[1].key], [true, true]);
    assert_eq!((read[0].duration, read[1].send_time), (40, 80));
}

#[test]
fn sound_waits_for_the_next_picture_or_for_a_flush() {
    let mut muxer = muxer(vec![video("wmv2"), audio("wmav2")], small());
    muxer.push(&unit(1, 0, true, b"sound".to_vec()));
    assert_eq!(muxer.poll_packet(), None);
    muxer.push(&unit(0, 0, false, b"picture".to_vec()));
    assert_eq!(payloads(&packets(&mut muxer)).len(), 2);
    muxer.push(&unit(1, 20, true, b"sound".to_vec()));
    muxer.flush();
    let last = packets(&mut muxer);
    assert_eq!((last.len(), last[0].key), (1, false));
    muxer.flush();
    assert_eq!(muxer.poll_packet(), None);
}

#[test]
fn sound_alone_is_out_at_once_and_can_be_joined_anywhere() {
    let mut muxer = muxer(vec![audio("wmav2")], small());
    muxer.push(&unit(0, 0, true, vec![7; 300]));
    assert_eq!(packets(&mut muxer).iter().map(|packet| packet.key).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn what_no_packet_can_hold_is_left_out_and_counted() {
    let mut muxer = muxer(vec![video("wmv2")], small());
    muxer.push(&unit(0, 0, true, Bytes::new()));
    muxer.push(&unit(0, 0, true, vec![0; MAX_UNIT + 1]));
    muxer.push(&unit(9, 0, true, b"of no track".to_vec()));
    assert_eq!((muxer.dropped(), muxer.poll_packet()), (2, None));
}

#[test]
fn tracks_that_asf_cannot_carry_are_left_out_unless_nothing_remains() {
    let tracks = vec![audio("opus"), video("wmv2"), Track { kind: Kind::Data, ..video("bin_data") }];
    let muxer = muxer(tracks, Options::default());
    assert_eq!(muxer.streams(), [(1, TrackId(1))]);
    let opus = Codec::from_name("opus");
    assert_eq!(muxer.left_out(), [(TrackId(0), opus), (TrackId(2), Codec::from_name("bin_data"))]);

    let error = |tracks| Muxer::new(&Tracks::new(tracks), &Options::default()).err().unwrap().to_string();
    assert_eq!(
        error(vec![video("vp8"), audio("wmav2")]),
        "ASF cannot carry vp8; ask for pictures that it can carry: ?codec=wmv2"
    );
    assert_eq!(error(vec![audio("opus")]), "ASF cannot carry opus; ask for pictures that it can carry: ?codec=wmv2");
    assert_eq!(error(vec![]), "there are neither pictures nor sound to put into ASF");
    let options = Options { packet_size: Some(65_528), ..Options::default() };
    let error = Muxer::new(&Tracks::new(vec![video("wmv2")]), &options).err().unwrap().to_string();
    assert_eq!(error, "ASF packets of 65528 bytes; they may have from 128 to 65527");
}

#[test]
fn no_more_streams_than_have_numbers() {
    let muxer = muxer(vec![video("wmv2"); 200], Options::default());
    assert_eq!((muxer.streams().len(), muxer.left_out().len()), (127, 73));
}

#[test]
fn the_packet_size_follows_the_bit_rate() {
    let size = |bit_rate| muxer(vec![Track { bit_rate, ..video("wmv2") }], Options::default()).packet_size();
    assert_eq!([0, 10_000, 200_001, 9_000_000].map(size), [8000, 1400, 2500, 8000]);
}

/// Units as a feed may bring them at its worst: stream, milliseconds since the last, key, size.
fn feed() -> impl Strategy<Value = Vec<(u8, i64, bool, usize)>> {
    let step = prop_oneof![8 => 0..100i64, 1 => -5000..0i64, 1 => any::<i32>().prop_map(i64::from)];
    let size = prop_oneof![4 => 1..300usize, 2 => 300..20_000usize, 1 => 20_000..1_048_577usize];
    prop::collection::vec((0..3u8, step, any::<bool>(), size), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_unit_comes_out_whole_in_order_and_in_packets_of_the_size(
        units in feed(),
        packet_size in prop_oneof![Just(128u32), 128..2000u32, Just(65_527)],
        low_delay: bool,
        flushes: u64,
    ) {
        let tracks = vec![video("wmv2"), audio("wmav2"), video("wmv1")];
        let options = Options { packet_size: Some(packet_size), low_delay, ..Options::default() };
        let mut muxer = muxer(tracks, options);
        let (mut at, mut origin) = (0i64, None);
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        for (i, (track, step, key, size)) in units.into_iter().enumerate() {
            at += step;
            let key = key || track == 1;
            let data: Vec<u8> = (0..size).map(|byte| (byte + i) as u8).collect();
            muxer.push(&unit(track, at, key, data.clone()));
            let time = (at - *origin.get_or_insert(at) + 1000).max(0) as u32;
            sent.push((track + 1, key, time, data));
            if flushes >> (i % 64) & 1 == 1 {
                muxer.flush();
            }
            got.extend(packets(&mut muxer));
        }
        muxer.flush();
        got.extend(packets(&mut muxer));

        prop_assert_eq!(&strict::objects(&payloads(&got)), &sent);
        for packet in &got {
            prop_assert!(packet.data.len() <= packet_size as usize);
            let (short, whole) = (strict::packet(&packet.data), strict::packet(&padded(&packet.data, packet_size)));
            prop_assert_eq!(short.payloads.first().map(|p| p.key && p.stream == 1 && p.offset == 0), Some(packet.key));
            prop_assert_eq!(&short.payloads, &whole.payloads);
            prop_assert_eq!((short.send_time, short.duration), (whole.send_time, whole.duration));
            // A keyframe of video begins a packet.
            for payload in short.payloads.iter().skip(1) {
                prop_assert!(payload.stream == 2 || !payload.key || payload.offset > 0);
            }
        }
    }
}
