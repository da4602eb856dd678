//! Content of FFmpeg's encoders as FFmpeg's muxer writes it, beside FFmpeg's demuxer.

#![allow(clippy::unwrap_used)]

mod common;
mod libavformat;

use common::{Temporary, run, temporary};
use libavformat::{compare, ms, read};

/// Three seconds of pictures and sound, coded as `options` say.
fn make(name: &str, options: &str) -> Temporary {
    let file = temporary(&format!("encoded-{name}.asf"), b"");
    let inputs = "-nostdin -y -f lavfi -i testsrc2=s=160x120:r=25:d=3 -f lavfi -i sine=r=44100:d=3 -ac 1 -g 20";
    let arguments: Vec<_> = inputs.split(' ').chain(options.split(' ')).chain([file.path()]).collect();
    run("ffmpeg", &arguments);
    file
}

#[test]
fn what_ffmpeg_writes_is_read_as_ffmpeg_reads_it() {
    for (name, options) in [
        ("wmv1", "-c:v wmv1 -c:a wmav1"),
        ("wmv2", "-c:v wmv2 -c:a wmav2 -packet_size 1000"),
        ("mp42", "-c:v msmpeg4v2 -c:a mp2 -packet_size 64000"),
        ("mp43", "-c:v msmpeg4 -c:a pcm_s16le"),
        ("mjpg", "-c:v mjpeg -c:a pcm_mulaw -packet_size 400"),
        ("mpeg4", "-c:v mpeg4 -c:a adpcm_ima_wav"),
        ("mpeg4-b", "-c:v mpeg4 -bf 2 -c:a ac3"),
        ("h264", "-c:v libx264 -bf 0 -c:a aac"),
        ("h264-b", "-c:v libx264 -bf 3 -c:a libmp3lame"),
        ("h263", "-s 176x144 -c:v h263 -ar 8000 -c:a g723_1"),
    ] {
        let file = make(name, options);
        let counters = compare(file.path(), 0);
        println!("{name}: {counters:?}");
        assert_eq!((counters.damaged, counters.abandoned), (0, 0), "{name}");
    }
}

/// Times at which FFmpeg's decoder shows the pictures of a file, in their order.
fn shown(path: &str) -> Vec<i64> {
    let entries = ["-select_streams", "v", "-show_entries", "frame=best_effort_timestamp", "-of", "csv=p=0"];
    let text = run("ffprobe", &[&entries[..], &[path]].concat());
    // A frame with data of its own has further fields, and lines of them.
    text.lines().filter_map(|line| line.split(',').next()?.parse().ok()).collect()
}

#[test]
fn b_pictures_of_ffmpeg_are_shown_when_ffmpeg_shows_them() {
    let file = make("shown", "-an -c:v mpeg4 -bf 2 -b_strategy 0");
    let read = read(&file.bytes(), 1 << 16).unwrap();
    let mut ours: Vec<_> = read.units.iter().map(|unit| ms(unit.pts).unwrap()).collect();
    ours.sort_unstable();
    // Up to the first B-picture nobody knows that there are any, and the last guess is one.
    let known = |times: &[i64]| times.iter().copied().filter(|at| (200..2800).contains(at)).collect::<Vec<_>>();
    assert_eq!(known(&ours), known(&shown(file.path())));
    assert!(known(&ours).len() > 60);
}
