//! What FFmpeg makes of what is written here.

#![allow(clippy::unwrap_used)]

mod common;

use asf::mux::Options;
use asf::{Muxer, padding};
use common::{SAMPLES, broadcast, feed, file, read, run, samples, temporary};
use media::Kind;

/// Keyframe flags and checksums of the packets of a stream, as FFmpeg's demuxer cuts it.
fn packets(path: &str, stream: &str) -> Vec<String> {
    let entries = "packet=flags,data_hash";
    let arguments = ["-select_streams", stream, "-show_data_hash", "md5", "-of", "csv=p=0", "-show_entries", entries];
    run("ffprobe", &[&arguments[..], &[path]].concat()).lines().map(str::to_owned).collect()
}

/// A checksum of all the bytes of a stream, however they are cut.
fn bytes(path: &str, stream: &str) -> String {
    run("ffmpeg", &["-i", path, "-map", &format!("0:{stream}"), "-c", "copy", "-f", "hash", "-hash", "md5", "-"])
}

/// A checksum of what everything decodes to; an error is a failure.
fn decoded(path: &str) -> String {
    let arguments =
        ["-xerror", "-i", path, "-map", "0", "-fps_mode", "passthrough", "-f", "streamhash", "-hash", "md5"];
    run("ffmpeg", &[&arguments[..], &["-"]].concat())
}

/// Compares two files of the same streams: pictures one by one, sound as a whole.
fn assert_same(name: &str, before: &str, after: &str, kinds: &[Kind]) {
    for (index, kind) in kinds.iter().enumerate() {
        let stream = index.to_string();
        match kind {
            Kind::Video(_) => {
                let (before, after) = (packets(before, &stream), packets(after, &stream));
                assert!(!before.is_empty());
                assert_eq!(after, before, "{name}: stream {stream}");
            }
            // Blocks of sound that stood in one object stand in several.
            _ => assert_eq!(bytes(after, &stream), bytes(before, &stream), "{name}: stream {stream}"),
        }
    }
}

#[test]
fn ffmpeg_finds_the_same_packets_in_what_was_remuxed() {
    let Some(samples) = samples() else { return };
    for name in without_complaints() {
        let original = samples.join(name);
        let clip = read(&std::fs::read(&original).unwrap());
        let kinds: Vec<_> = clip.tracks.iter().map(|track| track.kind.clone()).collect();
        let options = Options::default();
        for (form, remuxed) in [
            ("live", broadcast(&clip.tracks, &clip.units, &options)),
            ("file", file(&clip.tracks, &clip.units, &options)),
        ] {
            let remuxed = temporary(&format!("{form}-{name}"), &remuxed);
            assert_same(&format!("{form} {name}"), original.to_str().unwrap(), remuxed.path(), &kinds);
        }
    }
}

/// FFmpeg complains of objects that are too short for their spread in this one.
fn without_complaints() -> impl Iterator<Item = &'static str> {
    SAMPLES.iter().copied().filter(|name| *name != "tika-testASF.asf")
}

#[test]
fn ffmpeg_decodes_what_was_remuxed_to_the_same_pictures_and_sound() {
    let Some(samples) = samples() else { return };
    for name in without_complaints() {
        let original = samples.join(name);
        let clip = read(&std::fs::read(&original).unwrap());
        let remuxed = temporary(&format!("decoded-{name}"), &broadcast(&clip.tracks, &clip.units, &Options::default()));
        assert_eq!(decoded(remuxed.path()), decoded(original.to_str().unwrap()), "{name}");
    }
}

/// FFmpeg's MMS clients append zeros to what comes short.
#[test]
fn ffmpeg_reads_packets_without_padding_as_it_reads_whole_ones() {
    let Some(samples) = samples() else { return };
    let clip = read(&std::fs::read(samples.join("numbered-wmv2-352x288.wmv")).unwrap());
    let mut muxer = Muxer::new(&clip.tracks, &Options::default()).unwrap();
    let (mut whole, mut zeros) = (muxer.header().to_vec(), muxer.header().to_vec());
    let mut shorter = 0;
    for packet in feed(&clip.units) {
        muxer.push(&packet);
        while let Some(packet) = muxer.poll_packet() {
            let size = muxer.packet_size();
            whole.extend(padding::padded(&packet.data, size));
            zeros.extend(&packet.data);
            zeros.resize(whole.len(), 0);
            shorter += usize::from(packet.data.len() < size as usize);
        }
    }
    assert!(shorter > 10);
    let (whole, zeros) = (temporary("whole", &whole), temporary("zeros", &zeros));
    for stream in ["0", "1"] {
        let (whole, zeros) = (packets(whole.path(), stream), packets(zeros.path(), stream));
        assert!(!whole.is_empty() && whole == zeros);
    }
}

/// Encoders of FFmpeg, by codec; those that this FFmpeg lacks are told.
const ENCODERS: &[(&str, &str, &[&str])] = &[
    ("v", "wmv1", &[]),
    ("v", "wmv2", &[]),
    ("v", "msmpeg4v2", &[]),
    ("v", "msmpeg4", &[]),
    ("v", "mpeg4", &[]),
    ("v", "mpeg4", &["-tag:v", "XVID", "-bf", "2"]),
    ("v", "mjpeg", &["-pix_fmt", "yuvj420p"]),
    ("v", "libx264", &["-bf", "0"]),
    ("v", "libx264", &["-bf", "2"]),
    ("v", "mpeg2video", &[]),
    ("a", "wmav1", &[]),
    ("a", "wmav2", &[]),
    ("a", "mp2", &[]),
    ("a", "libmp3lame", &[]),
    ("a", "aac", &[]),
    ("a", "ac3", &[]),
    ("a", "pcm_s16le", &[]),
    ("a", "pcm_u8", &[]),
    ("a", "pcm_s24le", &[]),
    ("a", "pcm_f32le", &[]),
    ("a", "pcm_mulaw", &[]),
    ("a", "pcm_alaw", &[]),
    ("a", "adpcm_ms", &[]),
    ("a", "adpcm_ima_wav", &[]),
];

#[test]
fn ffmpeg_decodes_every_codec_that_it_can_make() {
    for (i, (kind, encoder, more)) in ENCODERS.iter().enumerate() {
        let original = temporary(&format!("encoded-{i}.asf"), b"");
        let source = match *kind {
            "v" => "testsrc=size=352x288:rate=25:duration=2",
            _ => "sine=frequency=440:sample_rate=44100:duration=2",
        };
        let codec = format!("-c:{kind}");
        let arguments = ["-y", "-f", "lavfi", "-i", source, &codec, encoder, "-g", "12", "-bitexact"];
        run("ffmpeg", &[&arguments[..], more, &["-f", "asf", original.path()]].concat());
        let clip = read(&original.bytes());
        assert_eq!(clip.tracks.len(), 1, "{encoder}");
        let kinds = [clip.tracks[0].kind.clone()];
        let remuxed =
            temporary(&format!("remuxed-{i}.asf"), &broadcast(&clip.tracks, &clip.units, &Options::default()));
        let name = format!("{encoder} {more:?}");
        assert_same(&name, original.path(), remuxed.path(), &kinds);
        assert_eq!(decoded(remuxed.path()), decoded(original.path()), "{name}");
    }
}

#[test]
fn ffmpeg_seeks_in_a_file_by_its_index() {
    let Some(samples) = samples() else { return };
    let original = samples.join("numbered-wmv2-352x288.wmv");
    let clip = read(&std::fs::read(&original).unwrap());
    let remuxed = temporary("seek.wmv", &file(&clip.tracks, &clip.units, &Options::default()));
    let duration = run("ffprobe", &["-show_entries", "format=duration", "-of", "csv=p=0", remuxed.path()]);
    let duration: f64 = duration.trim().parse().unwrap();
    assert!((9.9..=10.3).contains(&duration), "{duration}");
    let first = |from: &str| {
        let frame = ["-frames:v", "1", "-f", "framemd5", "-"];
        let lines = run("ffmpeg", &[&["-ss", from, "-i", remuxed.path(), "-map", "0:v"][..], &frame].concat());
        lines.lines().next_back().unwrap().rsplit(',').next().unwrap().trim().to_owned()
    };
    let all = run("ffmpeg", &["-i", remuxed.path(), "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"]);
    let all: Vec<_> = all.lines().filter(|line| !line.starts_with('#')).collect();
    for (from, frame) in [("0", 0), ("4", 60), ("8.4", 126)] {
        let hash = first(from);
        let found = all.iter().position(|line| line.ends_with(&hash)).expect("a frame of the clip");
        assert_eq!(found, frame, "at {from} s");
    }
}
