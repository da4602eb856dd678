//! `Format` with any of FFmpeg's muxers that write a stream, read by strangers.

use crate::containers::with_sound;
use crate::harness::{Server, run, tool};

fn configured(name: &str, streams: &[(&str, &str)]) -> Server {
    let source = with_sound();
    let mut text = format!(
        "HTTPPort 8090\nMaxBandwidth 1000000\n<Feed f.ffm>\nSource {}\n</Feed>\n\
         <Feed n.ffm>\nSource pattern:?size=320x240&fps=25\n</Feed>\n",
        source.display()
    );
    for (format, lines) in streams {
        let feed = if lines.contains("NoAudio") { "n.ffm" } else { "f.ffm" };
        text.push_str(&format!("<Stream s.{format}>\nFeed {feed}\nFormat {format}\n{lines}\n</Stream>\n"));
    }
    Server::configured(name, &text)
}

/// Codecs of the streams, as ffprobe finds them.
fn codecs(url: &str, format: &str) -> String {
    let mut ffprobe = tool("ffprobe");
    ffprobe.args(["-v", "error", "-f", format, "-show_entries", "stream=codec_name", "-of", "csv=p=0", url]);
    run(&mut ffprobe).succeeded().text().trim().replace(',', "").replace('\n', " ")
}

/// The number in each of the first frames, as ffmpeg makes them; nothing that ffmpeg complains of.
fn numbers(url: &str, options: &[&str], frames: usize) -> Vec<u16> {
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error"]).args(options).args(["-i", url, "-frames:v"]).arg(frames.to_string());
    ffmpeg.args(["-vf", "scale=320:240", "-fps_mode", "passthrough", "-an", "-f", "rawvideo", "-pix_fmt", "gray", "-"]);
    let ran = run(&mut ffmpeg).succeeded();
    assert!(!ran.err.contains("monoton"), "{url}: {}", ran.err);
    let luma = ran.out.chunks_exact(320 * 240);
    let numbers: Option<Vec<_>> = luma.map(|luma| formats::osd::read_number(luma, 320, 320, 240)).collect();
    numbers.unwrap_or_else(|| panic!("{url}: a frame without a number"))
}

#[test]
fn formats_without_a_row_of_their_own_are_what_ffmpegs_muxers_write() {
    const ALL: &[(&str, &str, &str)] = &[
        ("mov", "h264 aac", "application/x-octet-stream"),
        ("3gp", "h264 aac", "application/x-octet-stream"),
        ("f4v", "h264 aac", "application/f4v"),
        ("vob", "mpeg2video mp2", "video/mpeg"),
        ("oga", "vorbis", "audio/ogg"),
        ("ac3", "ac3", "audio/x-ac3"),
        ("flac", "flac", "audio/x-flac"),
        ("caf", "pcm_s16be", "audio/x-caf"),
        ("h264", "h264", "application/x-octet-stream"),
        ("nut", "h264 aac", "video/x-nut"),
        ("smjpeg", "mjpeg pcm_s16le", "application/x-octet-stream"),
        ("dv", "dvvideo pcm_s16le", "application/x-octet-stream"),
    ];
    let streams: Vec<_> = ALL.iter().map(|(format, ..)| (*format, "")).collect();
    let server = configured("muxers", &streams);
    for (format, expected, content_type) in ALL {
        let demuxer = match *format {
            "3gp" | "f4v" | "ipod" => "mov",
            "vob" => "mpeg",
            "oga" => "ogg",
            other => other,
        };
        let path = format!("/s.{format}");
        let found = codecs(&server.url(&path), demuxer);
        assert_eq!(
            found.split(' ').collect::<std::collections::BTreeSet<_>>(),
            expected.split(' ').collect(),
            "{format}"
        );
        let head =
            crate::harness::http::ask(server.address, format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        assert_eq!(head.unwrap().header("content-type"), *content_type, "{format}");
    }
}

#[test]
fn every_frame_passes_through_them_in_order() {
    const ALL: &[(&str, &str, &[&str])] = &[
        ("mov", "VideoCodec h264", &["-f", "mov"]),
        ("m4v", "VideoCodec mpeg4", &["-f", "m4v"]),
        ("h264", "VideoCodec libx264", &["-f", "h264"]),
        ("hevc", "VideoCodec libx265", &["-f", "hevc"]),
        ("avi", "VideoCodec mpeg4", &["-f", "avi"]),
        ("mpeg2video", "", &["-f", "mpegvideo"]),
        ("vob", "VideoCodec mpeg2video", &["-f", "mpeg"]),
        ("ogg", "", &["-f", "ogg"]),
        ("rawvideo", "", &["-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", "320x240"]),
        ("dv", "", &["-f", "dv"]),
    ];
    let lines: Vec<_> = ALL.iter().map(|(format, lines, _)| (*format, format!("NoAudio\n{lines}"))).collect();
    let streams: Vec<_> = lines.iter().map(|(format, lines)| (*format, lines.as_str())).collect();
    let server = configured("muxers-frames", &streams);
    for (format, _, options) in ALL {
        let numbers = numbers(&server.url(&format!("/s.{format}")), options, 20);
        assert_eq!(numbers.len(), 20, "{format}");
        // A busy machine may leave some out.
        assert!(numbers.windows(2).all(|pair| pair[1] > pair[0]), "{format}: {numbers:?}");
    }
}

#[test]
fn a_muxer_that_writes_no_stream_is_an_error_at_the_start() {
    let file = crate::harness::tools::folder("muxers-never").join("a.conf");
    std::fs::write(
        &file,
        "HTTPPort 1\n<Feed f>\n</Feed>\n<Stream a>\nFeed f\nFormat hls\n</Stream>\n<Stream b>\nFeed f\nFormat gxf\n</Stream>\n\
         <Stream c>\nFeed f\nFormat srt\n</Stream>\n",
    )
    .unwrap();
    let told = run(crate::harness::server::headwater().args(["config", "check"]).arg(&file)).err;
    for said in [
        ":4: error: <Stream a>: Format hls is not served",
        ":8: error: <Stream b>: Format gxf is not served",
        ":12: error: <Stream c>: Format srt",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
}
