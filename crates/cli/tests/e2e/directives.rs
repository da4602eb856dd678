//! Directives of ffserver.conf by what they do to the bytes that are served.

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::clips::H264;
use crate::harness::http::get;
use crate::harness::tools::folder;
use crate::harness::{Server, eventually, run, tool};

const FEED: &str = "HTTPPort 8090\nMaxBandwidth 1000000\nMaxClients 50\n<Feed cam2.ffm>\nSource pattern:?size=160x120&fps=20\n</Feed>\n";
const STATUS: &str = "<Stream stat.html>\nFormat status\n</Stream>\n";

fn stream(name: &str, format: &str, lines: &str) -> String {
    format!("<Stream {name}>\nFeed cam2.ffm\nFormat {format}\n{lines}\n</Stream>\n")
}

/// What ffprobe finds out about `url`, as lines of `key=value`.
fn probed(url: &str, entries: &str) -> String {
    let mut probe = tool("ffprobe");
    probe.args(["-v", "error", "-show_entries", entries, "-of", "default=nw=1", url]);
    run(&mut probe).succeeded().text()
}

#[test]
fn metadata_is_in_the_containers_the_description_and_on_the_page() {
    let said = "Metadata title \"A <show>\"\nMetadata author Somebody\nCopyright 2015 Them\nComment \"Some words\"";
    let text = [
        FEED,
        "RTSPPort 5554\n",
        &stream("a.mkv", "matroska", said),
        &stream("a.asf", "asf", said),
        &stream("a.flv", "flv", said),
        &stream("a.nut", "nut", said),
        &stream("b.mkv", "matroska", ""),
        &stream("live", "rtp", said),
        STATUS,
    ]
    .concat();
    let server = Server::configured_with("metadata", &text, &["--rtsp", "127.0.0.1:0"]);
    for (path, author) in [("a.mkv", "author"), ("a.asf", "artist"), ("a.flv", "author"), ("a.nut", "artist")] {
        let told = probed(&server.url(&format!("/{path}")), "format_tags").to_lowercase();
        for (key, value) in
            [("title", "a <show>"), (author, "somebody"), ("copyright", "2015 them"), ("comment", "some words")]
        {
            assert!(told.contains(&format!("tag:{key}={value}")), "{path}: {key} in {told}");
        }
    }
    assert!(probed(&server.url("/b.mkv"), "format_tags").to_lowercase().contains("tag:title=cam2.ffm"));
    let sdp = server.get("/live.sdp").text();
    assert!(sdp.contains("\r\ns=A <show>\r\n") && sdp.contains("\r\ni=Some words\r\n"), "{sdp}");
    let page = server.get("/stat.html").text();
    assert!(page.contains("A &lt;show&gt;") && !page.contains("A <show>"), "{page}");
}

#[test]
fn input_format_says_what_a_file_is() {
    // Raw H.264 behind a megabyte that looks like nothing: no probe finds it.
    let folder = folder("input-format");
    let (raw, file) = (folder.join("raw.h264"), folder.join("unknown.bin"));
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-v", "error", "-y", "-i"]).arg(H264.path()).args(["-c", "copy", "-an", "-f", "h264"]).arg(&raw);
    run(&mut ffmpeg).succeeded();
    std::fs::write(&file, [vec![0x55; 1 << 20], std::fs::read(&raw).unwrap()].concat()).unwrap();
    let stream = |name: &str, lines: &str| {
        format!("<Stream {name}>\nFile {}\nFormat mpegts\n{lines}\n</Stream>\n", file.display())
    };
    let text = ["HTTPPort 8090\n", &stream("told.ts", "InputFormat h264"), &stream("untold.ts", "")].concat();
    let server = Server::configured("input-format-served", &text);
    let told = folder.join("told.ts");
    std::fs::write(&told, get(server.address, "/told.ts", &[]).body).unwrap();
    let count = probed(told.to_str().unwrap(), "stream=codec_name");
    assert!(count.contains("codec_name=h264"), "{count}");
    let answer = server.get("/untold.ts");
    assert!(answer.status >= 400, "{}: {}", answer.status, answer.text());
    // One that no FFmpeg knows is told at the start.
    let wrong = folder.join("ffserver.conf");
    std::fs::write(&wrong, ["HTTPPort 8090\n", &stream("told.ts", "InputFormat h265x")].concat()).unwrap();
    let mut check = crate::harness::server::headwater();
    let told = run(check.args(["config", "check"]).arg(&wrong));
    assert!(told.err.contains(":2: error: <Stream told.ts>: InputFormat h265x"), "{}", told.err);
}

#[test]
fn truncate_empties_the_ring_when_a_feeder_comes_and_says_so() {
    let ring = folder("truncate").join("ring");
    let feed = |lines: &str| {
        format!("HTTPPort 8090\nMaxBandwidth 1000000\n<Feed cam2.ffm>\nFile {}\n{lines}\n</Feed>\n", ring.display())
            + &stream("cam2.mjpeg", "mpjpeg", "")
    };
    let fed = |server: &Server| {
        let mut ffmpeg = tool("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=2"]);
        run(ffmpeg.args(["-c:v", "mjpeg", "-f", "matroska", &server.url("/cam2.ffm")])).succeeded();
    };
    // Twice without: what the first one sent is there.
    {
        let mut server = Server::configured("truncate-kept", &feed(""));
        fed(&server);
        fed(&server);
        let mut past = server.stream("/cam2.mjpeg?buffer=100000");
        assert!((0..40).all(|_| past.part().is_some()));
        assert!(!server.log().contains("as Truncate asks"), "{}", server.log());
        // In order, so that all of it is on disk.
        drop(past);
        server.signal(Signal::TERM);
        assert_eq!(server.ended(Duration::from_secs(10)).code(), Some(0));
    }
    let server = Server::configured("truncate-served", &feed("Truncate"));
    fed(&server);
    eventually("the loss to be told", || {
        server.log().lines().any(|line| line.contains("as Truncate asks") && line.contains("packets=40")).then_some(())
    });
    let mut past = server.stream("/cam2.mjpeg?buffer=100000");
    assert!((0..20).all(|_| past.part().is_some()));
    fed(&server);
    // The next one goes on behind the newest, in the same ring.
    assert!((0..20).all(|_| past.part().is_some()));
}

#[test]
fn presets_are_found_where_ffserver_looked_and_one_that_is_missing_is_one_clear_error() {
    let folder = folder("presets");
    std::fs::write(folder.join("small.ffpreset"), "# an encoder and what it is told\nvcodec=mpeg1video\ng=3\n")
        .unwrap();
    std::fs::write(folder.join("low.ffpreset"), "acodec=mp2\n").unwrap();
    let text = [
        FEED,
        &stream("named.ts", "mpegts", "AVPresetVideo small\nNoAudio"),
        &stream("path.ts", "mpegts", &format!("AVPresetVideo {}/small.ffpreset", folder.display())),
        &stream("own.ts", "mpegts", "VideoCodec mpeg2video\nAVPresetVideo small"),
    ]
    .concat();
    let file = folder.join("ffserver.conf");
    std::fs::write(&file, &text).unwrap();
    let mut command = crate::harness::server::headwater();
    command.env("FFMPEG_DATADIR", &folder).args(["serve", "--listen", "127.0.0.1:0", "--file"]).arg(&file);
    let server = Server::run(command);
    for (path, codec) in [("named.ts", "mpeg1video"), ("path.ts", "mpeg1video"), ("own.ts", "mpeg2video")] {
        let read = |count: &str| {
            let mut probe = tool("ffprobe");
            probe.args(["-v", "error", "-read_intervals", count, "-show_entries", "stream=codec_name:packet=flags"]);
            run(probe.args(["-of", "default=nw=1", &server.url(&format!("/{path}"))])).succeeded().text()
        };
        let told = read("%+#12");
        assert!(told.contains(&format!("codec_name={codec}")), "{path}: {told}");
        // g=3: every third is a keyframe.
        let keys = told.lines().filter(|line| line.starts_with("flags=K")).count();
        assert!(keys >= 4, "{path}: {told}");
    }
    drop(server);
    // Missing, wrong, and both told at once, with the line and where it was looked for.
    std::fs::write(folder.join("wrong.ffpreset"), "vcodec mpeg1video\n").unwrap();
    let text =
        [FEED, &stream("a.ts", "mpegts", "AVPresetVideo nosuch"), &stream("b.ts", "mpegts", "AVPresetAudio wrong")];
    std::fs::write(&file, text.concat()).unwrap();
    let mut check = crate::harness::server::headwater();
    check.env("FFMPEG_DATADIR", &folder).env("HOME", "/home/nobody").args(["config", "check"]).arg(&file);
    let told = run(&mut check);
    assert_eq!(told.status.code(), Some(2), "{}", told.err);
    let missing = format!(
        "ffserver.conf:7: error: <Stream a.ts>: AVPresetVideo nosuch: there is no such file; looked for {}/nosuch.ffpreset, \
         /home/nobody/.ffmpeg/nosuch.ffpreset, /usr/local/share/ffmpeg/nosuch.ffpreset, /usr/share/ffmpeg/nosuch.ffpreset, nosuch\n",
        folder.display()
    );
    assert!(told.err.contains(&missing), "{}", told.err);
    assert!(told.err.contains("line 1: vcodec mpeg1video: expected OPTION=VALUE"), "{}", told.err);
    let serve = run(crate::harness::server::headwater().args(["serve", "-f"]).arg(&file));
    assert!(!serve.status.success() && serve.err.contains("looked for"), "{}", serve.err);
}

#[test]
fn what_is_done_otherwise_is_told_once_a_matter() {
    let text = [FEED, &stream("a.asf", "asf", "Title \"A\""), &stream("b.asf", "asf", "Title \"B\"")].concat();
    let server = Server::configured("told-once", &text);
    let log = server.log();
    assert_eq!(log.matches("otherwise").count(), 1, "{log}");
    assert!(log.contains("(line 1, 2, 3, 4); `headwater config check "), "{log}");
    assert_eq!(log.matches("Title is an old word").count(), 1, "{log}");
    assert!(log.contains(":10: warning: Title is an old word; use Metadata title instead (also on line 15)"), "{log}");
    server.signal(rustix::process::Signal::HUP);
    eventually("the reload", || server.log().contains("is read again").then_some(()));
    assert_eq!(server.log().matches("otherwise").count(), 1, "{}", server.log());
}
