//! Each directive of coding by what it changes in the bytes that an encoder makes.
//!
//! A clip of what was recorded is coded for its reader alone, without loss, so that two streams
//! which say the same are the same to the last bit, and one directive more shows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::harness::clips::made;
use crate::harness::tools::folder;
use crate::harness::{Server, eventually, run, tool};

/// Two seconds of few small pictures with sound: nobody is so slow as to miss one.
fn clip() -> PathBuf {
    made("few-pictures.mkv", |out| {
        let make = "-nostdin -v error -y -f lavfi -i testsrc2=size=96x64:rate=10:duration=2.4,noise=alls=30:allf=t \
                    -f lavfi -i sine=frequency=440:duration=2.4 -c:v libx264 -bf 0 -g 10 -pix_fmt yuv420p -c:a aac -ac 2";
        run(tool("ffmpeg").args(make.split_whitespace()).arg(out)).succeeded();
    })
}

/// What ffmpeg makes of `file`: the digest of each packet of its pictures, or of its sound.
fn packets(file: &Path, track: &str) -> Vec<String> {
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i"]).arg(file).args(["-map", track, "-c", "copy", "-f", "framemd5", "-"]);
    let text = run(&mut ffmpeg).succeeded().text();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.rsplit(',').next()?.trim().to_owned()))
        .collect()
}

/// Saves what was recorded of each stream of `cases`: its name, its format and its lines.
fn clips(name: &str, cases: &[(String, &str, String)]) -> BTreeMap<String, PathBuf> {
    let out = folder(name);
    let mut text = format!(
        "HTTPPort 8090\nMaxBandwidth 1000000\nMaxClients 200\n<Feed f.ffm>\nFile {}\nFileMaxSize 50M\n</Feed>\n",
        out.join("ring").display()
    );
    for (name, format, lines) in cases {
        text.push_str(&format!("<Stream {name}>\nFeed f.ffm\nFormat {format}\n{lines}\n</Stream>\n"));
    }
    text.push_str("<Stream plain.mkv>\nFeed f.ffm\nFormat matroska\n</Stream>\n");
    let server = Server::configured(&format!("{name}-served"), &text);
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i"]).arg(clip()).args(["-c", "copy", "-f", "matroska"]);
    run(ffmpeg.arg(server.url("/f.ffm"))).succeeded();
    let plain = out.join("plain.mkv");
    eventually("all of it to be written", || {
        let answer = server.get("/plain.mkv?from=00:00:00");
        std::fs::write(&plain, &answer.body).unwrap();
        (answer.status == 200 && packets(&plain, "0:v:0").len() == 24).then_some(())
    });
    let mut files = BTreeMap::new();
    // As many at a time as there are places for.
    for some in cases.chunks(2) {
        std::thread::scope(|scope| {
            for (name, ..) in some {
                let (server, out) = (&server, out.join(name));
                files.insert(name.clone(), out.clone());
                scope.spawn(move || {
                    let answer = server.get(&format!("/{name}?from=00:00:00"));
                    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
                    std::fs::write(&out, answer.body).unwrap();
                });
            }
        });
    }
    files
}

/// Small enough to be quick.
const MPEG4: &str = "NoAudio\nVideoCodec mpeg4\nVideoSize 96x64";
/// Too few bits for all there is to see.
const FEW: &str = "NoAudio\nVideoCodec mpeg4\nVideoSize 96x64\nVideoBitRate 40";
const MPEG2: &str = "NoAudio\nVideoCodec mpeg2video\nVideoSize 96x64\nVideoBitRate 300\nVideoBitRateRange 100-300";
const SOUND: &str = "NoVideo\nAudioCodec mp2";

/// What a stream says without a directive, and the directive: its packets differ.
const SEEN: &[(&str, &str)] = &[
    (MPEG4, "VideoBitRate 30"),
    (FEW, "VideoBitRateTolerance 1000"),
    (FEW, "VideoBitRateRangeTolerance 1000"),
    ("NoAudio\nVideoCodec mpeg2video\nVideoBitRate 300\nVideoBufferSize 20", "VideoBitRateRange 100-300"),
    (MPEG2, "VideoBufferSize 40"),
    (MPEG4, "VideoGopSize 4"),
    (MPEG4, "VideoIntraOnly"),
    (MPEG4, "VideoQMin 12"),
    (FEW, "VideoQMax 4"),
    (FEW, "VideoQDiff 1"),
    (MPEG4, "Qscale 9"),
    (MPEG4, "VideoHighQuality"),
    (MPEG4, "Video4MotionVector"),
    (FEW, "LumiMask 0.8"),
    (FEW, "DarkMask 0.8"),
    (MPEG4, "DctFastint"),
    (MPEG4, "BitExact"),
    (MPEG4, "AVOptionVideo trellis 1"),
    (SOUND, "AudioBitRate 64"),
    ("NoVideo\nAudioCodec flac", "AVOptionAudio compression_level 0"),
];

#[test]
fn each_directive_of_an_encoder_shows_in_its_packets() {
    let mut cases = Vec::new();
    for (number, (base, line)) in SEEN.iter().enumerate() {
        for (kind, lines) in
            [("base", (*base).to_owned()), ("again", (*base).to_owned()), ("with", format!("{base}\n{line}"))]
        {
            cases.push((format!("{number}-{kind}.mkv"), "matroska", lines));
        }
    }
    let files = clips("coding-packets", &cases);
    for (number, (base, line)) in SEEN.iter().enumerate() {
        let digests = |kind: &str| packets(&files[&format!("{number}-{kind}.mkv")], "0");
        let without = digests("base");
        assert!(without.len() >= 20, "{line}: {}", without.len());
        assert_eq!(without, digests("again"), "{base}: the same is not the same");
        assert_ne!(without, digests("with"), "{line} is not to be seen");
    }
}

/// A stream's lines, its format, and what ffprobe finds in it.
const FOUND: &[(&str, &str, &str)] = &[
    ("NoAudio\nVideoCodec mpeg2video", "matroska", "codec_name=mpeg2video"),
    ("NoAudio\nVideoCodec mpeg4\nVideoSize 64x48", "matroska", "width=64"),
    ("NoAudio\nVideoCodec mpeg4\nVideoFrameRate 5", "matroska", "nb_read_packets=12"),
    ("NoAudio\nVideoCodec mpeg2video\nPixelFormat yuv422p", "matroska", "pix_fmt=yuv422p"),
    ("NoAudio\nVideoCodec mpeg4\nVideoTag DX50", "avi", "codec_tag_string=DX50"),
    ("NoVideo\nAudioCodec mp2", "matroska", "codec_name=mp2"),
    ("NoVideo\nAudioCodec mp2\nAudioChannels 1", "matroska", "channels=1"),
    ("NoVideo\nAudioCodec mp2\nAudioSampleRate 24000", "matroska", "sample_rate=24000"),
    // An encoder that FFmpeg calls experimental, and opens only where it need not be strict.
    ("NoVideo\nAudioCodec dca\nStrict -2", "matroska", "codec_name=dts"),
    ("NoVideo\nAVPresetAudio PRESET", "matroska", "sample_rate=16000"),
];

#[test]
fn each_directive_of_a_track_shows_in_what_ffprobe_finds() {
    let preset = folder("coding-found-preset").join("speech.ffpreset");
    std::fs::write(&preset, "acodec=mp2\nar=16000\n").unwrap();
    let case = |(number, (lines, format, _)): (usize, &(&str, &'static str, &str))| {
        (format!("{number}.{format}"), *format, lines.replace("PRESET", preset.to_str().unwrap()))
    };
    let cases: Vec<_> = FOUND.iter().enumerate().map(case).collect();
    let files = clips("coding-found", &cases);
    for ((name, ..), (lines, _, expected)) in cases.iter().zip(FOUND) {
        let mut probe = tool("ffprobe");
        probe.args(["-v", "error", "-count_packets", "-show_streams", "-of", "default=nw=1"]).arg(&files[name]);
        let found = run(&mut probe).succeeded().text();
        assert!(found.lines().any(|line| line == *expected), "{lines}: {expected} is not in {found}");
    }
}
