//! What a file for ffserver serves: our answer beside the one that ffserver 3.4.2 gave.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::clips::{self, MJPEG};
use crate::harness::http::{ask, connect, get};
use crate::harness::rtsp;
use crate::harness::server::headwater;
use crate::harness::tools::folder;
use crate::harness::{Answer, Server, eventually, number, run, size, tool};

/// A feed that needs nobody, and a stream of it.
pub const FEED: &str =
    "HTTPPort 8090\nMaxBandwidth 1000000\n<Feed cam2.ffm>\nSource pattern:?size=320x240&fps=20\n</Feed>\n";
pub const STREAM: &str = "<Stream cam2.mjpeg>\nFeed cam2.ffm\nFormat mpjpeg\n</Stream>\n";
pub const STATUS: &str = "<Stream stat.html>\nFormat status\n</Stream>\n";

pub fn stream(name: &str, format: &str, lines: &str) -> String {
    format!("<Stream {name}>\nFeed cam2.ffm\nFormat {format}\n{lines}\n</Stream>\n")
}

fn report(server: &Server) -> serde_json::Value {
    serde_json::from_slice(&server.get("/stat.html?format=json").body).unwrap()
}

fn say(address: SocketAddr, request: &str) -> Answer {
    ask(address, request.as_bytes()).unwrap()
}

#[test]
fn each_request_of_the_account_is_answered() {
    let text = [
        FEED,
        STREAM,
        STATUS,
        &stream("secret.mjpeg", "mpjpeg", "ACL allow 127.0.0.77"),
        &stream("cam.asf", "asf", ""),
        &stream("still.jpg", "jpeg", "VideoSize 160x120"),
        "<Redirect old.html>\nURL http://www.ffmpeg.org/?a&b\n</Redirect>\n",
    ]
    .concat();
    let server = Server::configured("golden", &text.replace("HTTPPort 8090", "HTTPPort 8090\nRTSPPort 5554"));
    let at = server.address;
    // The page is ffserver's; it ended with the connection and began with HTTP/1.0.
    let page = |name: &str| {
        format!(
            "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"UTF-8\">\n<title>404 Not Found</title>\n</head>\n<body>File '/{name}' not found</body>\n</html>\n"
        )
    };
    for (path, name) in [
        ("/", "index.html"),
        ("/nope.html", "nope.html"),
        ("/nope.html?query=1", "nope.html"),
        ("/a%3Cb%3E%26c", "a&lt;b&gt;&amp;c"),
        ("/status", "status"),
        ("/nope.asx", "nope.asx"),
    ] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.text()), (404, page(name)), "{path}");
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
    }
    // Denied: as if it was not there, whatever the request.
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
        let asked = |path: &str| {
            let request =
                format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let answer = match method {
                "HEAD" => return "HEAD has no body".to_owned(),
                _ => say(at, &request),
            };
            format!(
                "{} {} {}",
                answer.status,
                answer.header("content-type"),
                answer.text().replace("nothing", "secret")
            )
        };
        assert_eq!(asked("/secret.mjpeg"), asked("/nothing.mjpeg"), "{method}");
    }
    // ffserver said 301 Moved, with the same text.
    let moved = server.get("/old.html");
    assert_eq!((moved.status, moved.header("location")), (301, "http://www.ffmpeg.org/?a&b"));
    let link = "You should be <a href=\"http://www.ffmpeg.org/?a&amp;b\">redirected</a>.";
    assert!(moved.text().contains(link), "{}", moved.text());
    // Files that lead players to streams: byte for byte, but RAM names another program.
    let host = at.to_string();
    let asx =
        format!("<ASX Version=\"3\">\r\n<ENTRY><REF HREF=\"http://{host}/cam.asf?a=1&amp;b\"/></ENTRY>\r\n</ASX>\r\n");
    let answer = server.get("/cam.asx?a=1&b");
    assert_eq!((answer.header("content-type"), answer.text()), ("video/x-ms-asf", asx));
    let answer = server.get("/cam2.rtsp");
    assert_eq!(
        (answer.header("content-type"), answer.text()),
        ("application/x-rtsp", "rtsp://127.0.0.1:5554/cam2.mjpeg\r\n".to_owned())
    );
    let answer = say(at, "GET /cam.asx HTTP/1.0\r\n\r\n");
    assert_eq!(answer.status, 400, "ffserver: 404 ASX/RAM file not handled");
    // ffserver: 404, POST command not handled.
    for path in ["/cam2.mjpeg", "/stat.html"] {
        let answer =
            say(at, &format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"), "{path}");
    }
    // ffserver closed on these without an answer.
    let head = "HEAD /cam2.mjpeg HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(say(at, head).status, 200);
    assert_eq!(say(at, "get / HTTP/1.1\r\n\r\n").status, 400);
    assert_eq!(
        say(at, &format!("GET http://{host}/stat.html HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).status,
        200
    );
    assert_eq!(server.get("/stat%2ehtml").status, 200);
    // ffserver reset it.
    assert_eq!(get(at, "/stat.html", &[("X", &"y".repeat(20_000))]).status, 431);
    // One picture, then the end.
    let still = server.get("/still.jpg");
    assert_eq!((still.header("content-type"), size(&still.body)), ("image/jpeg", (160, 120)));
}

#[test]
fn a_stream_is_what_its_section_says_and_ends_after_its_time() {
    let text =
        [FEED, STATUS, &stream("small.mjpeg", "mpjpeg", "VideoSize 160x120\nVideoFrameRate 5\nMaxTime 2")].concat();
    let server = Server::configured("max-time", &text);
    let began = Instant::now();
    // What a client says about the pictures is not heard: the file says it.
    let mut pictures = server.stream("/small.mjpeg?size=80x60");
    let first = pictures.part();
    assert_eq!(size(&first.unwrap().data), (160, 120));
    let mut count = 1;
    while let Ok(Some(_)) = pictures.try_part() {
        count += 1;
    }
    // ffserver closed after 2.04 s.
    assert!(began.elapsed() >= Duration::from_millis(1900), "{:?}", began.elapsed());
    assert!(count <= 13, "{count} pictures at 5 a second");
    let row = eventually("the end to be counted", || {
        let report = report(&server);
        let row = report["streams"].as_array()?.iter().find(|row| row["path"] == "small.mjpeg")?.clone();
        (row["bytes"].as_u64()? > 0 && report["connections"] == 0).then_some(row)
    });
    assert_eq!((&row["served"], &row["format"], &row["feed"]), (&1.into(), &"mpjpeg".into(), &"cam2.ffm".into()));
}

#[test]
fn a_reload_lets_go_of_those_whose_stream_changed_and_of_nobody_else() {
    let both =
        |lines: &str| [FEED, &stream("a.mjpeg", "mpjpeg", ""), &stream("b.mjpeg", "mpjpeg", lines), STATUS].concat();
    let server = Server::configured("reload", &both(""));
    let file = Server::configuration("reload");
    let (mut kept, mut lost) = (server.stream("/a.mjpeg"), server.stream("/b.mjpeg"));
    kept.part();
    lost.part();
    // A file that is wrong changes nothing.
    std::fs::write(&file, "HTTPPort 8090\nNonsense\n").unwrap();
    server.signal(Signal::HUP);
    eventually("the mistake to be told", || server.log().contains("what was served before is served on").then_some(()));
    lost.part().unwrap();
    std::fs::write(&file, format!("# longer by a line\n{}", both("VideoSize 160x120"))).unwrap();
    server.signal(Signal::HUP);
    eventually("the reload", || server.log().contains("is read again").then_some(()));
    while let Ok(Some(_)) = lost.try_part() {}
    for _ in 0..10 {
        kept.part().unwrap();
    }
    assert_eq!(size(&server.stream("/b.mjpeg").part().unwrap().data), (160, 120));
    // One that is gone is gone.
    std::fs::write(&file, [FEED, &stream("b.mjpeg", "mpjpeg", "VideoSize 160x120"), STATUS].concat()).unwrap();
    server.signal(Signal::HUP);
    while let Ok(Some(_)) = kept.try_part() {}
    assert_eq!(server.get("/a.mjpeg").status, 404);
}

#[test]
fn a_feeder_is_sent_away_by_a_reload_that_changes_its_feed_and_the_next_one_is_seen() {
    let feed = |lines: &str| format!("HTTPPort 8090\n<Feed cam2.ffm>\n{lines}\n</Feed>\n{STREAM}{STATUS}");
    let server = Server::configured("reload-fed", &feed(""));
    let feeder = || {
        let mut ffmpeg = tool("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "quiet", "-re", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10"]);
        ffmpeg.args(["-c:v", "mjpeg", "-f", "matroska", &server.url("/cam2.ffm")]).spawn().unwrap()
    };
    let mut first = feeder();
    eventually("pictures", || (report(&server)["feeds"][0]["state"] == "live").then_some(()));
    std::fs::write(Server::configuration("reload-fed"), feed("ACL allow 127.0.0.0/8")).unwrap();
    server.signal(Signal::HUP);
    // It went on into nothing.
    let status = eventually("the feeder's end", || first.try_wait().unwrap());
    assert!(!status.success(), "{status}");
    let mut next = feeder();
    assert!(server.stream("/cam2.mjpeg").part().is_some());
    next.kill().unwrap();
    next.wait().unwrap();
}

#[test]
fn a_file_is_played_to_its_end_in_every_container() {
    let file = |name: &str, format: &str| {
        format!("<Stream {name}>\nFile {}\nFormat {format}\n</Stream>\n", clips::H264.path().display())
    };
    let kinds = [("a.ts", "mpegts"), ("a.mkv", "matroska"), ("a.mp4", "mp4"), ("a.asf", "asf")];
    let text: String = kinds.iter().map(|(name, format)| file(name, format)).collect();
    let server = Server::configured("files-in-containers", &format!("HTTPPort 8090\nMaxBandwidth 1000000\n{text}"));
    let out = folder("files-in-containers-read");
    std::thread::scope(|scope| {
        for (name, _) in kinds {
            let (server, out) = (&server, out.join(name));
            scope.spawn(move || {
                let body = get(server.address, &format!("/{name}"), &[]).body;
                std::fs::write(&out, body).unwrap();
                let mut probe = tool("ffprobe");
                probe.args([
                    "-v",
                    "error",
                    "-count_packets",
                    "-show_entries",
                    "stream=nb_read_packets",
                    "-of",
                    "csv=p=0",
                ]);
                let count = run(probe.arg(&out)).succeeded().text();
                let count: u16 = count.split_whitespace().next().unwrap().trim_end_matches(',').parse().unwrap();
                assert!(count + 2 >= clips::FRAMES, "{name}: {count}");
            });
        }
    });
}

#[test]
fn whoever_wants_a_clip_is_not_given_live_pictures_in_its_place() {
    let ring = folder("clip-or-nothing").join("ring");
    let recorded = FEED.replace("</Feed>", &format!("File {}\n</Feed>", ring.display()));
    let streams = [
        stream("a.ts", "mpegts", "VideoCodec mpeg2video"),
        stream("a.mjpeg", "mpjpeg", ""),
        stream("a.gif", "gif", ""),
        STATUS.to_owned(),
    ]
    .concat();
    for feed in [FEED, &recorded] {
        let server = Server::configured("clip-or-nothing-served", &format!("{feed}{streams}"));
        server.stream("/a.mjpeg").part().unwrap();
        for path in ["/a.ts", "/a.mjpeg", "/a.gif"] {
            let answer = server.get(&format!("{path}?from=2020-01-01T00:00:00Z&to=2020-01-01T00:00:01Z"));
            assert!((400..600).contains(&answer.status), "{path}: {}", answer.status);
            assert!(!answer.text().is_empty(), "{path}");
        }
    }
}

#[test]
fn a_check_finds_formats_and_codecs_that_are_not_served() {
    let file = folder("check-unserved").join("a.conf");
    let text = [FEED, &stream("a.ts", "mpegts", "VideoCodec nosuch"), &stream("b.rv", "hls", "")].concat();
    std::fs::write(&file, text).unwrap();
    let told = run(headwater().args(["config", "check"]).arg(&file));
    let said = &told.err;
    assert_eq!(told.status.code(), Some(2), "{said}");
    assert!(said.contains("VideoCodec nosuch: unknown codec"), "{said}");
    assert!(said.contains("Format hls is not served"), "{said}");
}

#[test]
fn requests_are_logged_and_the_log_can_be_moved_away() {
    let log = folder("custom-log-file").join("access.log");
    let text = [FEED, &format!("CustomLog {}\n", log.display()), STREAM, STATUS].concat();
    let server = Server::configured("custom-log", &text);
    let mut pictures = server.stream("/cam2.mjpeg");
    pictures.part();
    drop(pictures);
    server.get("/nope.html?x=1");
    let lines = || std::fs::read_to_string(&log).unwrap_or_default();
    let line = |end: &str| eventually(end, || lines().lines().find(|line| line.contains(end)).map(str::to_owned));
    let viewed = line("127.0.0.1 - - [GET] \"/cam2.mjpeg HTTP/1.1\" 200 ");
    assert!(viewed.rsplit(' ').next().unwrap().parse::<u64>().unwrap() > 1000, "{viewed}");
    line("127.0.0.1 - - [GET] \"/nope.html?x=1 HTTP/1.1\" 404 139");
    std::fs::rename(&log, log.with_extension("1")).unwrap();
    server.signal(Signal::USR1);
    eventually("the new log", || log.exists().then_some(()));
    server.get("/again.html");
    line("\"/again.html HTTP/1.1\" 404 ");
}

#[test]
fn a_file_with_mistakes_is_told_all_of_them_and_a_program_called_ffserver_takes_its_arguments() {
    let folder = folder("called-ffserver");
    let file = folder.join("wrong.conf");
    std::fs::write(&file, "HTTPPort 8090\n<Feed cam2.ffm>\nFileMaxSise 5M\n</Feed>\nMaxClents 3\n").unwrap();
    let program = folder.join("ffserver");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_headwater"), &program).unwrap();
    let told = run(std::process::Command::new(&program).args(["-d", "-n", "-f"]).arg(&file));
    assert_eq!(told.status.code(), Some(2));
    for line in [
        "wrong.conf:3: error: unknown directive FileMaxSise; did you mean FileMaxSize?",
        "wrong.conf:5: error: unknown directive MaxClents; did you mean MaxClients?",
    ] {
        assert!(told.err.contains(line), "{line}: {}", told.err);
    }
    assert!(run(std::process::Command::new(&program).arg("-version")).succeeded().text().contains("headwater"));
    let missing = run(headwater().args(["serve", "-f", "/no/such/file.conf"]));
    assert!(!missing.status.success() && missing.err.contains("/no/such/file.conf"), "{}", missing.err);
}

#[test]
fn ten_thousand_streams_are_served() {
    let mut text = String::from(FEED);
    for number in 0..10_000 {
        text.push_str(&stream(&format!("s{number}.mjpeg"), "mpjpeg", "ACL allow 127.0.0.1"));
    }
    let server = Server::configured("ten-thousand", &text);
    server.stream("/s9999.mjpeg").part().unwrap();
    assert_eq!(server.get("/s10000.mjpeg").status, 404);
}

#[test]
fn bare_jpegs_are_whole_for_readers_of_any_speed() {
    let text =
        [FEED, &stream("bare.mjpg", "mjpeg", ""), &stream("single.jpg", "singlejpeg", "VideoSize 160x120")].concat();
    let server = Server::configured("bare", &text);
    for (path, kind, expected) in
        [("/bare.mjpg", "video/x-mjpeg", (320, 240)), ("/single.jpg", "image/jpeg", (160, 120))]
    {
        for pause in [Duration::ZERO, Duration::from_millis(40)] {
            let mut socket = connect(server.address).unwrap();
            let request = format!("GET {path} HTTP/1.0\r\n\r\n");
            socket.write_all(request.as_bytes()).unwrap();
            let mut bytes = Vec::new();
            let mut piece = [0; 4096];
            while bytes.len() < 150_000 {
                let count = socket.read(&mut piece).unwrap();
                assert!(count > 0, "{path} ended");
                bytes.extend_from_slice(&piece[..count]);
                // A slow reader misses pictures, and gets none that is torn.
                std::thread::sleep(pause);
            }
            let head_end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
            assert!(head.contains(&format!("Content-Type: {kind}\r\n")), "{head}");
            let mut rest = &bytes[head_end..];
            let mut count = 0;
            while let Some(end) = rest.windows(2).position(|two| two == [0xFF, 0xD9]) {
                let (picture, behind) = rest.split_at(end + 2);
                assert!(picture.starts_with(&[0xFF, 0xD8, 0xFF]), "{path}: {:?}", &picture[..8.min(picture.len())]);
                assert_eq!(size(picture), expected, "{path}");
                count += 1;
                rest = behind;
            }
            assert!(count > 5, "{path}: {count} pictures");
        }
    }
}

/// The how-to's own file, with its ring in a folder of the test's.
fn howto(name: &str) -> String {
    let text = include_str!("../../../config/tests/data/howto.conf");
    let ring = folder(&format!("{name}-ring")).join("cam2.ffm");
    text.replace("/tmp/cam2.ffm", ring.to_str().unwrap())
}

/// A modern ffmpeg, which sends the numbered clip to `url` again and again, in `format`.
fn ffmpeg(url: &str, format: &str, options: &[&str]) -> std::process::Child {
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i"]).arg(MJPEG.path()).args(options);
    ffmpeg.args(["-f", format, url]).spawn().unwrap()
}

#[test]
fn the_how_to_works_with_its_own_file_and_a_modern_ffmpeg() {
    let server = Server::configured("howto", &howto("howto"));
    // A player that is there first waits, as with ffserver.
    let mut early = server.stream("/cam2.mjpeg");
    let feed = server.url("/cam2.ffm");
    let h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "10"];
    let mut feeder = ffmpeg(&feed, "mpegts", &h264);
    let mut numbers = Vec::new();
    while numbers.len() < 20 {
        let part = early.part().unwrap();
        assert_eq!(size(&part.data), (320, 240));
        numbers.extend(number(&part.data));
    }
    let steps = numbers.windows(2).filter(|two| two[1] != two[0] && two[1] < two[0]).count();
    assert!(steps <= 2, "not in order: {numbers:?}");
    // A second feeder is told, and the first goes on.
    let second = say(server.address, "PUT /cam2.ffm HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
    assert_eq!(second.status, 409);
    assert!(second.text().starts_with("this feed is already being received, from 127.0.0.1:"), "{}", second.text());
    // Ten viewers and not four, though each counts 10240 kbit/s by the file.
    let held: Vec<_> = (0..9).map(|_| server.stream("/cam2.mjpeg")).collect();
    assert_eq!(server.get("/cam2.mjpeg").status, 503);
    let page = server.get("/stat.html").text();
    for part in ["Available Streams", "Feed cam2.ffm", "320x240, q=3-31, fps=25", "Number of connections: 10 / 10"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    drop(held);
    eventually("nine to be gone", || (report(&server)["connections"] == 1).then_some(()));
    // The feeder goes, and the next one sends JPEG: who watches stays, and gets its bytes.
    feeder.kill().unwrap();
    feeder.wait().unwrap();
    let mut feeder = eventually("the next feeder", || {
        let mut feeder = ffmpeg(&feed, "mpjpeg", &["-c:v", "copy"]);
        let part = early.part().unwrap();
        match number(&part.data).is_some() && feeder.try_wait().unwrap().is_none() {
            true => Some(feeder),
            false => None,
        }
    });
    let own = clips::jpegs();
    let mut late = server.stream("/cam2.mjpeg");
    // The first one may be the last one of the feeder before.
    assert!((0..10).any(|_| own.contains(&late.part().unwrap().data)), "every JPEG was made anew");
    feeder.kill().unwrap();
    feeder.wait().unwrap();
}

#[test]
fn a_file_is_played_for_each_viewer_from_its_beginning_to_its_end() {
    let file = MJPEG.path().display().to_string();
    let text = format!(
        "HTTPPort 8090\nMaxBandwidth 100000\n<Stream show.mjpeg>\nFile \"{file}\"\nFormat mpjpeg\n</Stream>\n{STATUS}"
    );
    let server = Server::configured("file", &text);
    let mut first = server.stream("/show.mjpeg");
    let own = clips::jpegs();
    for _ in 0..8 {
        first.part().unwrap();
    }
    let mut second = server.stream("/show.mjpeg");
    let numbers: Vec<u16> = std::iter::from_fn(|| second.try_part().ok().flatten())
        .map(|part| {
            assert!(own.contains(&part.data), "the file's own pictures");
            number(&part.data).unwrap()
        })
        .collect();
    assert!(numbers[0] < 8, "{numbers:?}");
    assert_eq!(numbers.last(), Some(&(clips::FRAMES - 1)), "{numbers:?}");
    eventually("everybody to be gone", || (report(&server)["connections"] == 0).then_some(()));
    // ffserver's page fell over it.
    assert!(server.get("/stat.html").text().contains("show.mjpeg"));
}

#[test]
fn rtsp_has_the_streams_of_format_rtp_with_their_rules_and_limits() {
    let text = [
        "RTSPPort 5554\nMaxClients 1\n",
        FEED,
        STREAM,
        STATUS,
        &stream("cam.rtp", "rtp", "MaxTime 3"),
        &stream("secret.rtp", "rtp", "ACL allow 127.0.0.77"),
    ]
    .concat();
    let server = Server::configured_with("rtsp", &text, &["--rtsp", "127.0.0.1:0"]);
    let describe = |name: &str| rtsp::Client::connect(server.rtsp(), name).ask("DESCRIBE", "", "");
    // ffserver let everybody in here.
    let (denied, missing) = (describe("secret.rtp"), describe("nothing.rtp"));
    assert_eq!((denied.status, denied.body), (404, missing.body));
    // What is not rtp is not there by RTSP, and what is rtp says so over HTTP.
    assert_eq!(describe("cam2.mjpeg").status, 404);
    let told = server.get("/cam.rtp");
    assert_eq!((told.status, told.text()), (404, "cam.rtp is served by RTSP: rtsp://127.0.0.1:5554/cam.rtp\n".into()));
    for path in ["/secret.rtp", "/secret.sdp", "/secret.rtsp"] {
        assert!(server.get(path).text().contains(&format!("File '{path}' not found")), "{path}");
    }
    let sdp = server.get("/cam.sdp");
    assert_eq!(sdp.header("content-type"), "application/sdp");
    assert!(sdp.text().contains("m=video"), "{}", sdp.text());
    assert_eq!(server.get("/cam.rtsp").text(), "rtsp://127.0.0.1:5554/cam.rtp\r\n");
    // It is a viewer as any other.
    let mut client = rtsp::Client::connect(server.rtsp(), "cam.rtp");
    client.play();
    client.packet(0);
    assert_eq!(server.get("/cam2.mjpeg").status, 503);
    assert_eq!(report(&server)["clients"][0]["path"], "cam.rtp");
    // And is let go after its time.
    eventually("its end", || (report(&server)["connections"] == 0).then_some(()));
    server.stream("/cam2.mjpeg").part().unwrap();
}

#[test]
fn a_launched_program_feeds_and_is_run_again_however_short_it_lived() {
    let clip = MJPEG.path().display().to_string();
    let launch = format!("ffmpeg -nostdin -v error -re -stream_loop -1 -i \"{clip}\" -c:v copy -f mpjpeg");
    let feeds = format!("HTTPPort 8090\nMaxBandwidth 100000\n<Feed cam2.ffm>\nLaunch {launch}\n</Feed>\n");
    let text = [&feeds, STREAM, STATUS].concat();
    let mut server = Server::configured("launch", &text);
    let mut pictures = server.stream("/cam2.mjpeg");
    let pid = || report(&server)["feeds"][0]["pid"].as_i64();
    number(&pictures.part().unwrap().data).unwrap();
    let first = pid().unwrap();
    assert!(server.get("/stat.html").text().contains(&format!("Running as pid {first}.")));
    kill_process(Pid::from_raw(i32::try_from(first).unwrap()).unwrap(), Signal::KILL).unwrap();
    let second = eventually("the next one", || pid().filter(|pid| *pid != first));
    // Who watches stays.
    eventually("its pictures", || {
        pictures.part().unwrap();
        (report(&server)["feeds"][0]["state"] == "live").then_some(())
    });
    server.signal(Signal::TERM);
    server.ended(Duration::from_secs(10));
    eventually("its program's end", || {
        rustix::process::test_kill_process(Pid::from_raw(i32::try_from(second).unwrap()).unwrap())
            .is_err()
            .then_some(())
    });
}
