//! What goes into a container comes out of it, for readers of every time.

use std::time::Instant;

use bytes::Bytes;
use media::{Codec, Kind, Packet, Timestamp};

use super::*;

/// Video and sound with a keyframe every ten pictures.
const BOTH: &str = "-f lavfi -i testsrc2=size=160x120:rate=25:duration=2 -f lavfi -i sine=frequency=440:duration=2 \
                    -g 10 -pix_fmt yuv420p -ac 2 -shortest";

fn packets(clip: &Clip) -> (Vec<Track>, Vec<Packet>) {
    let mut input = open(clip);
    let tracks = input.tracks();
    let start = Timestamp::from_nanos(3_600_000_000_000);
    let units = units(&mut input);
    let packets = units.into_iter().map(|unit| {
        let dts = unit.dts.or(unit.pts).unwrap_or_default();
        let at = |time: Timestamp| Timestamp::from_nanos(time.as_nanos() + start.as_nanos());
        Packet {
            track: unit.track,
            pts: at(unit.pts.unwrap_or(dts)),
            dts: at(dts),
            duration: unit.duration,
            key: unit.key,
            corrupt: false,
            discontinuity: false,
            received: Instant::now(),
            captured: None,
            data: unit.data,
        }
    });
    (tracks, packets.collect())
}

struct Muxed {
    header: Bytes,
    chunks: Vec<Chunk>,
}

impl Muxed {
    /// What a reader has who is there from the first keyframe on, or from a later one.
    fn since_key(&self, key: usize) -> Vec<u8> {
        let mut keys = self.chunks.iter().enumerate().filter(|(_, chunk)| chunk.key).map(|(at, _)| at);
        let at = keys.nth(key).expect("so many keyframes");
        let chunks = self.chunks[at..].iter().flat_map(|chunk| chunk.data.iter().copied());
        self.header.iter().copied().chain(chunks).collect()
    }
}

fn mux(container: &str, tracks: &[Track], packets: &[Packet]) -> Muxed {
    let container = Container::find(container).unwrap();
    let mut muxer = Muxer::new(container, tracks, MuxerOptions::default()).unwrap();
    let mut chunks = Vec::new();
    for packet in packets {
        muxer.push(packet).unwrap();
        chunks.extend(std::iter::from_fn(|| muxer.poll_chunk()));
    }
    muxer.finish().unwrap();
    chunks.extend(std::iter::from_fn(|| muxer.poll_chunk()));
    Muxed { header: muxer.header().unwrap().clone(), chunks }
}

fn read_back(container: &str, bytes: Vec<u8>) -> (Vec<Track>, Vec<Unit>) {
    let options = InputOptions { format: None, ..InputOptions::default() };
    let mut input = Input::from_read(std::io::Cursor::new(bytes), &options, || false)
        .unwrap_or_else(|error| panic!("{container}: {error}"));
    let units = units(&mut input);
    (input.tracks(), units)
}

fn luma(frame: &Frame) -> Vec<u8> {
    let plane = frame.plane(0).unwrap();
    (0..plane.height).flat_map(|y| plane.row(y).to_vec()).collect()
}

fn shown(tracks: &[Track], units: &[Unit]) -> Vec<Vec<u8>> {
    let track = tracks.iter().find(|track| track.video().is_some()).unwrap();
    decode(track, units, Skip::None).iter().map(luma).collect()
}

fn of_kind<'a>(tracks: &[Track], units: &'a [Unit], video: bool) -> Vec<&'a Unit> {
    let track = tracks.iter().find(|track| track.video().is_some() == video && !matches!(track.kind, Kind::Data));
    let id = track.expect("a track of that kind").id;
    units.iter().filter(|unit| unit.track == id).collect()
}

#[test]
fn every_container_gives_back_each_picture_to_readers_of_every_time() {
    let mut wrong = Vec::new();
    for (made, container, codecs) in [
        ("a.mkv", "mpegts", "-c:v libx264 -bf 0 -c:a aac"),
        ("a.mkv", "mp4", "-c:v libx264 -bf 0 -c:a aac"),
        ("a.mkv", "mp4", "-c:v libx264 -bf 2 -c:a aac"),
        ("b.ts", "mp4", "-c:v libx264 -bf 0 -c:a aac"),
        ("b.ts", "matroska", "-c:v mpeg2video -c:a mp2"),
        ("b.ts", "flv", "-c:v libx264 -bf 0 -c:a aac"),
        ("a.mkv", "matroska", "-c:v libx264 -bf 2 -c:a aac"),
        ("h.mp4", "mpegts", "-c:v libx265 -x265-params log-level=0 -c:a aac"),
        ("h.mp4", "mp4", "-c:v libx265 -x265-params log-level=0 -c:a aac"),
        ("m.mp4", "mpegts", "-c:v mpeg4 -c:a mp2"),
        ("m.ts", "mp4", "-c:v mpeg4 -c:a mp2"),
        ("a.webm", "webm", "-c:v libvpx -deadline realtime -c:a libopus"),
        ("a.mkv", "ogg", "-c:v libtheora -c:a libvorbis"),
        ("a.flv", "flv", "-c:v flv1 -c:a libmp3lame"),
        ("a.mkv", "avi", "-c:v mpeg4 -c:a libmp3lame"),
        ("a.mkv", "mpeg", "-c:v mpeg1video -c:a mp2"),
        ("a.mkv", "nut", "-c:v mjpeg -c:a aac"),
    ] {
        let told = format!("{codecs} in {container}");
        let clip = make(made, &format!("{BOTH} {codecs}"));
        let (tracks, packets) = packets(&clip);
        let muxed = mux(container, &tracks, &packets);
        let units: Vec<Unit> = packets
            .iter()
            .map(|packet| Unit {
                pts: Some(packet.pts),
                key: packet.key,
                ..Unit::picture(packet.track, packet.data.clone())
            })
            .collect();
        let expected = shown(&tracks, &units);
        assert_eq!(expected.len(), 50, "{told}");
        let keys = of_kind(&tracks, &units, true);
        let second = keys.iter().enumerate().filter(|(_, unit)| unit.key).nth(1).map(|(at, _)| at).unwrap();
        let from = if Container::find(container).unwrap().joinable() { &[(0, 0), (1, second)][..] } else { &[(0, 0)] };
        for &(key, skipped) in from {
            let (found, back) = read_back(container, muxed.since_key(key));
            let got = shown(&found, &back);
            if got != expected[skipped..] {
                wrong.push(format!("{told}: {} of {} pictures from keyframe {key}", got.len(), 50 - skipped));
            }
            let sounds = of_kind(&tracks, &units, false).len();
            // What was heard before the first picture is not sent.
            let heard = of_kind(&found, &back, false).len();
            if key == 0 && !(sounds - 3..=sounds).contains(&heard) {
                wrong.push(format!("{told}: {heard} of {sounds} packets of sound"));
            }
            if container == "matroska" && made == "a.mkv" || made == "a.webm" || (made, container) == ("a.mkv", "mp4") {
                let got = of_kind(&found, &back, true);
                if !got.iter().zip(&keys[skipped..]).all(|(got, sent)| got.data == sent.data) {
                    wrong.push(format!("{told}: other bytes from keyframe {key}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_picture_is_out_before_the_next_comes_in() {
    let clip = make("a.mkv", &format!("{BOTH} -c:v libx264 -bf 0 -c:a aac"));
    let (tracks, packets) = packets(&clip);
    let video = tracks.iter().find(|track| track.video().is_some()).unwrap().clone();
    for container in ["mpegts", "mp4", "matroska", "flv", "avi", "nut", "h264"] {
        let mut muxer =
            Muxer::new(Container::find(container).unwrap(), std::slice::from_ref(&video), MuxerOptions::default())
                .unwrap();
        for packet in packets.iter().filter(|packet| packet.track == video.id) {
            muxer.push(packet).unwrap();
            let out: Vec<_> = std::iter::from_fn(|| muxer.poll_chunk()).collect();
            let bytes: usize = out.iter().map(|chunk| chunk.data.len()).sum();
            assert!(bytes >= packet.data.len(), "{container}: {bytes} bytes for one of {}", packet.data.len());
            assert_eq!(out.iter().any(|chunk| chunk.key), packet.key, "{container}");
        }
    }
}

#[test]
fn formats_of_sound_alone_are_written() {
    for (made, container, codec) in [
        ("a.mkv", "mp3", "libmp3lame"),
        ("a.mkv", "mp2", "mp2"),
        ("a.mkv", "adts", "aac"),
        ("a.ts", "adts", "aac"),
        ("a.mkv", "wav", "pcm_s16le"),
        ("a.mkv", "ogg", "libopus"),
        ("a.mkv", "au", "pcm_s16be"),
    ] {
        let clip = make(made, &format!("-f lavfi -i sine=frequency=440:duration=2 -ac 2 -c:a {codec}"));
        let (tracks, packets) = packets(&clip);
        let muxed = mux(container, &tracks, &packets);
        let (found, back) = read_back(container, muxed.since_key(0));
        assert_eq!(found[0].codec, tracks[0].codec, "{container}");
        if !codec.starts_with("pcm") {
            let lost = packets.len() - back.len();
            assert!(lost <= 1, "{container}: {} of {}", back.len(), packets.len());
        } else {
            let sum = |lens: &mut dyn Iterator<Item = usize>| lens.sum::<usize>();
            assert_eq!(
                sum(&mut back.iter().map(|unit| unit.data.len())),
                sum(&mut packets.iter().map(|packet| packet.data.len())),
                "{container}"
            );
        }
    }
}

#[test]
fn what_a_container_does_not_hold_is_refused_with_what_it_does() {
    init();
    let mjpeg = Track::mjpeg(media::Size::new(64, 64));
    let refused = Muxer::new(Container::find("mpegts").unwrap(), std::slice::from_ref(&mjpeg), MuxerOptions::default());
    assert_eq!(
        refused.err().unwrap().to_string(),
        "mpegts does not hold mjpeg; it holds mpeg2video, h264, hevc, mpeg4, mpeg1video, mp2, mp3, mp1, aac, aac_latm, \
         ac3, eac3, dts, opus"
    );
    assert!(Container::find("webm").unwrap().tell().starts_with("vp8, vp9"));
    assert_eq!(Container::find("mpegts").unwrap().default_video(), Some(Codec::from_name("mpeg2video")));
    assert_eq!(Container::find("webm").unwrap().default_audio(), Some(Codec::from_name("opus")));
    assert_eq!(Container::find("wav").unwrap().default_video(), None);
    let missing = Container::find("nosuch").err().unwrap();
    assert_eq!(missing.to_string(), "this build of FFmpeg lacks a muxer for nosuch");
    assert!(Container::find("matroska").unwrap().holds(&mjpeg));
}

#[test]
fn a_stream_whose_parameters_never_come_ends_in_an_error_and_not_in_memory() {
    init();
    let h264 = Track { codec: Codec::H264, ..Track::mjpeg(media::Size::new(64, 64)) };
    let mut muxer = Muxer::new(Container::find("mp4").unwrap(), &[h264], MuxerOptions::default()).unwrap();
    let unit = Bytes::from(vec![9; 1 << 20]);
    let pushed = (0..40).find_map(|n| {
        let at = Timestamp::from_nanos(n * 40_000_000);
        let packet = Packet {
            track: media::TrackId(0),
            pts: at,
            dts: at,
            duration: None,
            key: true,
            corrupt: false,
            discontinuity: false,
            received: Instant::now(),
            captured: None,
            data: unit.clone(),
        };
        muxer.push(&packet).err()
    });
    let told = pushed.expect("an error").to_string();
    assert!(told.contains("no keyframe has any"), "{told}");
}
