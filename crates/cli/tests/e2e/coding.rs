//! What a section says of codecs, in every kind of output.

use std::io::{Read, Write};

use crate::containers::with_sound;
use crate::harness::clips::{self, MJPEG};
use crate::harness::http::connect;
use crate::harness::server::headwater;
use crate::harness::tools::folder;
use crate::harness::{Server, eventually, number, run, size, tool};

/// A feed that needs nobody.
const FEED: &str = "HTTPPort 8090\nMaxBandwidth 1000000\n<Feed f.ffm>\nSource pattern:?size=320x240&fps=20\n</Feed>\n";

fn stream(name: &str, format: &str, lines: &str) -> String {
    format!("<Stream {name}>\nFeed f.ffm\nFormat {format}\n{lines}\n</Stream>\n")
}

/// A feed of H.264 with AAC.
fn sounding() -> String {
    FEED.replace("pattern:?size=320x240&fps=20", with_sound().to_str().unwrap())
}

/// Codec, width, height and sample rate of each stream, as ffprobe finds them.
fn probed(url: &str, options: &[&str]) -> String {
    let mut ffprobe = tool("ffprobe");
    ffprobe.args(["-v", "error"]).args(options);
    ffprobe.args(["-show_entries", "stream=codec_name,width,height,sample_rate", "-of", "csv=p=0", url]);
    run(&mut ffprobe).succeeded().text().trim().replace('\n', " ")
}

/// Threads of the server that encode pictures.
fn encoders(server: &Server) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("enc-")).count()
}

#[test]
fn jpeg_formats_have_what_a_section_says_of_the_encoder_and_one_encoder_for_all() {
    let coarse = "VideoSize 160x120\nVideoQMin 31\nVideoQMax 31\nAVOptionVideo huffman default";
    let text = [
        FEED,
        &stream("coarse.mjpeg", "mpjpeg", coarse),
        &stream("coarse.mjpg", "mjpeg", coarse),
        &stream("coarse.jpg", "jpeg", coarse),
        &stream("fine.mjpeg", "mpjpeg", "VideoSize 160x120\nQscale 1"),
    ]
    .concat();
    let server = Server::configured("jpeg-options", &text);
    let mut coarse = server.stream("/coarse.mjpeg");
    let parts = coarse.parts(10);
    assert!(parts.iter().all(|part| size(&part.data) == (160, 120)));
    let numbers: Vec<_> = parts.iter().filter_map(|part| number(&part.data)).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] > pair[0]), "{numbers:?}");
    let fine = server.stream("/fine.mjpeg").part().unwrap().data.len();
    assert!(fine > 2 * parts[0].data.len(), "{fine} {}", parts[0].data.len());
    let bare = server.get("/coarse.jpg");
    assert_eq!((bare.status, size(&bare.body)), (200, (160, 120)));
    assert!(fine > 2 * bare.body.len());
    let mut other = connect(server.address).unwrap();
    other.write_all(b"GET /coarse.mjpg HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    other.read_exact(&mut [0; 4096]).unwrap();
    eventually("one encoder", || (encoders(&server) == 1).then_some(()));
    drop(coarse);
}

#[test]
fn jpeg_that_comes_in_the_size_asked_for_is_not_touched_whoever_was_first() {
    let text = FEED.replace("Source pattern:?size=320x240&fps=20\n", "");
    let text = [text, stream("a.mjpeg", "mpjpeg", "VideoSize 320x240\nVideoBitRate 10000\nVideoQMin 3")].concat();
    let server = Server::configured("jpeg-kept", &text);
    let mut early = server.stream("/a.mjpeg");
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "quiet", "-re", "-stream_loop", "-1", "-i"]).arg(MJPEG.path());
    let mut feeder = ffmpeg.args(["-c", "copy", "-f", "mpjpeg", &server.url("/f.ffm")]).spawn().unwrap();
    let own = clips::jpegs();
    for part in early.parts(10) {
        assert!(own.contains(&part.data), "made anew");
    }
    feeder.kill().unwrap();
    feeder.wait().unwrap();
}

#[test]
fn asf_has_what_a_section_says_of_codecs_and_wma_beside_wmv() {
    let text = [
        sounding().as_str(),
        &stream("plain.asf", "asf", ""),
        &stream("wmv.asf", "asf", "VideoCodec wmv2\nVideoSize 160x120\nVideoBitRate 200"),
        &stream(
            "old.asf",
            "asf",
            "VideoCodec msmpeg4v3\nAudioCodec libmp3lame\nAudioSampleRate 22050\nAudioChannels 1",
        ),
        &stream("deaf.asf", "asf", "NoAudio"),
    ]
    .concat();
    let server = Server::configured("asf-options", &text);
    for (path, expected) in [
        ("/plain.asf", "h264,320,240 aac,44100"),
        ("/wmv.asf", "wmv2,160,120 wmav2,44100"),
        ("/old.asf", "msmpeg4v3,320,240 mp3,22050"),
        ("/deaf.asf", "h264,320,240"),
    ] {
        assert_eq!(probed(&server.url(path), &[]), expected, "{path}");
    }
}

#[test]
fn rtsp_has_what_a_section_says_of_codecs() {
    let text = [
        "RTSPPort 5554\n",
        sounding().as_str(),
        &stream("plain.rtp", "rtp", ""),
        &stream("small.rtp", "rtp", "VideoCodec mpeg4\nVideoSize 160x120\nAudioCodec mp2\nAudioSampleRate 22050"),
        &stream("deaf.rtp", "rtp", "NoAudio\nVideoCodec mjpeg\nVideoSize 160x120"),
    ]
    .concat();
    let server = Server::configured_with("rtp-options", &text, &["--rtsp", "127.0.0.1:0"]);
    for (name, expected) in [
        ("plain.rtp", "h264,320,240 aac,44100"),
        ("small.rtp", "mpeg4,160,120 mp2,22050"),
        ("deaf.rtp", "mjpeg,160,120"),
    ] {
        let url = format!("rtsp://{}/{name}", server.rtsp());
        assert_eq!(probed(&url, &["-rtsp_transport", "tcp"]), expected, "{name}");
    }
}

#[test]
fn a_codec_that_cannot_be_is_told_at_its_line() {
    let folder = folder("check-codecs");
    let (file, pipe) = (folder.join("a.conf"), folder.join("pipe.ffpreset"));
    // Nobody will ever write into it.
    run(tool("mkfifo").arg(&pipe)).succeeded();
    let text = [
        FEED,
        &stream("a.ts", "mpegts", "VideoSize 160x120\nVideoCodec nosuch"),
        &stream("b.mjpeg", "mpjpeg", "VideoCodec mpeg4"),
        &stream("c.asf", "asf", "AudioCodec wmav2\nVideoCodec hevc"),
        &stream("d.mjpeg", "mpjpeg", "NoVideo"),
        &stream("e.ts", "mpegts", "PixelFormat yuv421q"),
        &stream("f.ts", "mpegts", "AVOptionVideo presset fast\nAVOptionVideo x264-params a=1\nAVOptionAudio cutof 1"),
        &stream("g.ts", "mpegts", &format!("AVPresetVideo {}", pipe.display())),
    ]
    .concat();
    std::fs::write(&file, text).unwrap();
    let told = run(headwater().args(["config", "check"]).arg(&file));
    assert_eq!(told.status.code(), Some(2), "{}", told.err);
    for said in [
        "a.conf:10: error: VideoCodec nosuch: unknown codec",
        "a.conf:15: error: VideoCodec mpeg4: Format mpjpeg is JPEG pictures; write VideoCodec mjpeg, or another Format",
        "a.conf:21: error: VideoCodec hevc: Format asf has no place for it; it holds h264, ",
        "<Stream e.ts>: PixelFormat yuv421q: unknown; expected a name such as yuv420p",
        "<Stream f.ts>: AVOptionVideo presset: no codec of ",
        "<Stream f.ts>: AVOptionAudio cutof: no codec of ",
        "<Stream g.ts>: AVPresetVideo ",
        "a.conf:23: error: <Stream d.mjpeg>: NoVideo leaves nothing of Format mpjpeg; remove it",
    ] {
        assert!(told.err.contains(said), "{said}: {}", told.err);
    }
}

#[test]
fn clips_of_what_was_recorded_are_coded_as_the_live_stream_is() {
    let folder = folder("coding-clips");
    let wmv = clips::made("clip-wmv.asf", |out| {
        let mut ffmpeg = tool("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-y", "-i"]).arg(clips::CODECS[1].path());
        let sound = "-f lavfi -i sine=frequency=440:duration=3 -c:v copy -c:a wmav2 -shortest";
        run(ffmpeg.args(sound.split(' ')).arg(out)).succeeded();
    });
    let feed = format!("Source {}\nFile {}\nFileMaxSize 50M", wmv.display(), folder.join("ring").display());
    let text = [
        FEED.replace("Source pattern:?size=320x240&fps=20", &feed).as_str(),
        &stream("a.asf", "asf", ""),
        &stream("a.mp4", "mp4", ""),
        &stream("a.mkv", "matroska", ""),
        &stream("a.mpg", "mpeg", "NoAudio"),
        &stream("a.mjpeg", "mpjpeg", "VideoSize 160x120\nVideoQMax 20"),
        &stream("short.mp4", "mp4", "MaxTime 100\nVideoSize 160x120"),
    ]
    .concat();
    let server = Server::configured("coding-clips-served", &text);
    // More than two seconds of it.
    server.stream("/a.mjpeg").parts(25);
    for (path, expected) in [
        ("/a.asf", "wmv2,320,240 wmav2,44100"),
        ("/a.mp4", "h264,320,240 aac,44100"),
        ("/a.mkv", "h264,320,240 vorbis,44100"),
        ("/a.mpg", "mpeg1video,320,240"),
        ("/short.mp4", "h264,160,120 aac,44100"),
    ] {
        assert_eq!(probed(&server.url(path), &[]), expected, "{path}, live");
        let file = folder.join(&path[1..]);
        let clip = server.get(&format!("{path}?from=00:00:00"));
        assert_eq!(clip.status, 200, "{path}: {}", clip.text());
        std::fs::write(&file, &clip.body).unwrap();
        assert_eq!(probed(file.to_str().unwrap(), &[]), expected, "{path}, a clip");
        let mut ffmpeg = tool("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-i"]).arg(&file).args([
            "-vf",
            "scale=320:240",
            "-fps_mode",
            "passthrough",
        ]);
        let luma = run(ffmpeg.args(["-an", "-f", "rawvideo", "-pix_fmt", "gray", "-"])).succeeded().out;
        let numbers = luma.chunks_exact(320 * 240).map(|luma| formats::osd::read_number(luma, 320, 320, 240));
        let numbers: Vec<_> = numbers.map(|number| number.expect("a number in each")).collect();
        assert!(numbers.len() >= 20, "{path}: {numbers:?}");
        assert!(numbers.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 30), "{path}: {numbers:?}");
    }
}
