//! Radio: feeds, streams and sources that have sound and no pictures.

use std::process::{Child, Stdio};
use std::thread;

use crate::harness::server::headwater;
use crate::harness::tools::folder;
use crate::harness::{Server, eventually, run, tool};

/// What a radio sends: container, encoder, what ffprobe calls the codec.
const SENT: &[(&str, &[&str], &str)] = &[
    ("mp3", &["-c:a", "libmp3lame"], "mp3"),
    ("adts", &["-c:a", "aac"], "aac"),
    ("ogg", &["-c:a", "libvorbis"], "vorbis"),
    ("ogg", &["-c:a", "libopus"], "opus"),
    ("asf", &["-c:a", "wmav2"], "wmav2"),
    ("wav", &["-c:a", "pcm_s16le"], "pcm_s16le"),
    ("flac", &["-c:a", "flac"], "flac"),
    ("mpegts", &["-c:a", "mp2"], "mp2"),
];
/// What is served of each, and the name of FFmpeg's muxer.
const SERVED: &[(&str, &str)] = &[
    ("mp3", "mp3"),
    ("aac", "adts"),
    ("ogg", "ogg"),
    ("asf", "asf"),
    ("wav", "wav"),
    ("mkv", "matroska"),
    ("webm", "webm"),
    ("ts", "mpegts"),
    ("mp4", "mp4"),
    ("flv", "flv"),
    ("mp2", "mp2"),
    ("au", "au"),
];

/// An A that is sent to `url` until it is killed.
struct Radio(Child);

impl Radio {
    fn start(url: &str, format: &str, options: &[&str]) -> Self {
        let mut ffmpeg = tool("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]);
        ffmpeg.args(options).args(["-f", format, url]).stderr(Stdio::inherit());
        Self(ffmpeg.spawn().unwrap())
    }
}

impl Drop for Radio {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Hears a second of `url`, after a first one; how often the tone swings in it.
#[track_caller]
fn pitch(url: &str, options: &[&str]) -> usize {
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error"]).args(options).args(["-i", url, "-vn", "-t", "1.5"]);
    let samples = run(ffmpeg.args(["-ac", "1", "-ar", "16000", "-f", "s16le", "-"])).succeeded().out;
    let samples: Vec<i16> = samples.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
    assert!(samples.len() >= 20_000, "{url}: {} samples", samples.len());
    let last = &samples[samples.len() - 16_000..];
    last.windows(2).filter(|two| (two[0] < 0) != (two[1] < 0)).count() / 2
}

#[track_caller]
fn assert_a(url: &str, options: &[&str]) {
    let pitch = pitch(url, options);
    assert!((425..=455).contains(&pitch), "{url}: {pitch} Hz");
}

#[test]
fn sound_of_every_kind_is_served_in_every_container_and_by_rtsp() {
    let mut text = String::from("HTTPPort 8090\nRTSPPort 5554\nMaxBandwidth 1000000\nMaxClients 200\n");
    for at in 0..SENT.len() {
        text += &format!("<Feed r{at}.ffm>\n</Feed>\n<Stream r{at}>\nFeed r{at}.ffm\nFormat rtp\n</Stream>\n");
        for (extension, format) in SERVED {
            text += &format!("<Stream r{at}.{extension}>\nFeed r{at}.ffm\nFormat {format}\n</Stream>\n");
        }
    }
    text += "<Stream stat.html>\nFormat status\n</Stream>\n";
    let server = Server::configured_with("radio", &text, &["--rtsp", "127.0.0.1:0"]);
    thread::scope(|scope| {
        for (at, (format, options, codec)) in SENT.iter().enumerate() {
            let server = &server;
            scope.spawn(move || {
                let _radio = Radio::start(&server.url(&format!("/r{at}.ffm")), format, options);
                // The first one in everything, the others in what they are mostly heard in.
                let mostly =
                    |name: &str| at == 0 || ["mp3", "mkv"].contains(&name) || (name, *format) == ("asf", "asf");
                for (extension, _) in SERVED.iter().filter(|(name, _)| mostly(name)) {
                    assert_a(&server.url(&format!("/r{at}.{extension}")), &[]);
                }
                let by_rtsp = format!("rtsp://{}/r{at}", server.rtsp());
                if ["mp3", "aac", "opus", "mp2"].contains(codec) {
                    assert_a(&by_rtsp, &["-rtsp_transport", "tcp"]);
                    assert_a(&by_rtsp, &["-rtsp_transport", "udp"]);
                }
                let report = server.get("/stat.html?format=json").text();
                let report: serde_json::Value = serde_json::from_str(&report).unwrap();
                let feed = &report["feeds"][at];
                assert_eq!((&feed["state"], &feed["codec"]), (&"live".into(), &(*codec).into()), "{feed}");
            });
        }
    });
}

#[test]
fn pictures_of_a_radio_are_refused_with_a_sentence() {
    let server = Server::start(["radio=push:"]);
    let _radio = Radio::start(&server.url("/radio.ffm"), "mp3", &["-c:a", "libmp3lame"]);
    server.wait_for_state("radio", "live");
    for path in ["/radio.mjpeg", "/radio.jpg"] {
        let answer = server.get(path);
        assert_eq!(answer.status, 502, "{path}: {}", answer.text());
        assert!(answer.text().contains("no pictures in it, only sound (mp3)"), "{path}: {}", answer.text());
    }
    let source = server.source("radio");
    assert_eq!((&source["codec"], &source["pictures"]), (&"mp3".into(), &0.into()), "{source}");
    assert!(source["age_ms"].as_u64().is_some(), "{source}");
}

#[test]
fn a_radio_is_recorded_heard_again_and_probed() {
    let ring = folder("radio-ring").join("ring");
    let text = format!(
        "HTTPPort 8090\nMaxBandwidth 1000000\n<Feed r.ffm>\nFile {}\n</Feed>\n<Stream r.mp3>\nFeed r.ffm\nFormat mp3\n</Stream>\n\
         <Stream r.mkv>\nFeed r.ffm\nFormat matroska\n</Stream>\n<Stream r.aac>\nFeed r.ffm\nFormat adts\n</Stream>\n",
        ring.display()
    );
    let server = Server::configured("radio-recorded", &text);
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=9"]);
    ffmpeg.args(["-c:a", "libmp3lame", "-f", "mp3", &server.url("/r.ffm")]);
    run(&mut ffmpeg).succeeded();
    for path in ["/r.mp3?buffer=1000", "/r.mkv?buffer=1000"] {
        assert_a(&server.url(path), &[]);
    }
    // What was fed is read as fast as it plays, or sooner: nine seconds of it are 376 packets.
    let clip = eventually("all of it to be recorded", || {
        let clip = server.get("/r.mp3?from=2020-01-01T00:00:00Z&to=2099-01-01T00:00:00Z");
        assert_eq!(clip.status, 200, "{}", clip.text());
        (clip.body.len() > 370 * 192).then_some(clip)
    });
    let file = folder("radio-clip").join("clip.mp3");
    std::fs::write(&file, &clip.body).unwrap();
    assert_a(file.to_str().unwrap(), &[]);
    // Coded anew it is as long: frames of 1152 samples, and of 1024 with what the encoder held back.
    let coded = file.with_extension("aac");
    let clip = server.get("/r.aac?from=2020-01-01T00:00:00Z&to=2099-01-01T00:00:00Z");
    assert_eq!(clip.status, 200, "{}", clip.text());
    std::fs::write(&coded, &clip.body).unwrap();
    let [given, made] = [&file, &coded].map(|file| {
        let mut ffprobe = tool("ffprobe");
        ffprobe.args(["-v", "error", "-show_entries", "packet=size", "-of", "csv=p=0"]);
        run(ffprobe.arg(file)).succeeded().text().lines().count()
    });
    assert!(given > 300 && made * 1024 >= given * 1152, "{given} packets were given, {made} made");
    let probed = run(headwater().arg("probe").arg(&file)).succeeded().text();
    assert!(probed.contains("audio mp3") && probed.contains("packets/s"), "{probed}");
}

#[test]
fn a_radio_is_read_by_http_and_from_a_file() {
    let file = folder("radio-file").join("a.mp3");
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=4"]);
    run(ffmpeg.args(["-c:a", "libmp3lame"]).arg(&file)).succeeded();
    let first = Server::start([format!("a={}", file.display())]);
    let second = Server::start(["--rtsp".to_owned(), "127.0.0.1:0".to_owned(), format!("b={}", first.url("/a.mp3"))]);
    assert_a(&second.url("/b.mkv"), &[]);
    let third = Server::start([format!("c=rtsp://{}/b", second.rtsp())]);
    assert_a(&third.url("/c.ts"), &[]);
}
