//! Feeds: what others send by PUT and POST, in every container and every framing.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::harness::clips::{self, FRAMES, H264, MJPEG};
use crate::harness::http::{ask, connect};
use crate::harness::{SOON, Server, eventually, number, tool};

/// Containers as ffmpeg sends them, with what it makes of the pictures.
const CONTAINERS: &[(&str, &[&str])] = &[
    ("mpegts", &["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "10"]),
    ("matroska", &["-c:v", "copy"]),
    ("nut", &["-c:v", "copy"]),
    ("asf", &["-c:v", "wmv2", "-q:v", "5"]),
    ("flv", &["-c:v", "flv", "-q:v", "5"]),
    ("avi", &["-c:v", "copy"]),
    ("mpjpeg", &["-c:v", "copy"]),
    ("ogg", &["-c:v", "libtheora", "-q:v", "8"]),
    (
        "mp4",
        &["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "5", "-movflags", "frag_keyframe+empty_moov"],
    ),
    ("mpjpeg", &["-c:v", "copy", "-chunked_post", "0"]),
];

/// ffmpeg, which sends the numbered clip to `url` as fast as it plays.
fn feeder(url: &str, format: &str, options: &[&str]) -> Command {
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-re", "-i"]).arg(MJPEG.path()).args(options);
    ffmpeg.args(["-f", format, url]).stderr(Stdio::inherit());
    ffmpeg
}

#[test]
fn every_container_arrives_in_order_to_its_last_frame() {
    let server = Server::start((0..CONTAINERS.len()).map(|at| format!("c{at}=push:")));
    thread::scope(|scope| {
        for (at, (format, options)) in CONTAINERS.iter().enumerate() {
            let server = &server;
            scope.spawn(move || {
                let mut stream = server.stream(&format!("/c{at}.mjpeg?placeholder=1"));
                let mut options = options.to_vec();
                if at % 2 == 1 {
                    options.extend(["-method", "PUT"]);
                }
                let mut ffmpeg = feeder(&server.url(&format!("/c{at}.ffm")), format, &options).spawn().unwrap();
                let (mut numbers, began) = (Vec::new(), Instant::now());
                // What this machine is too busy to decode in time is left out, but for the last one.
                while numbers.last() != Some(&(FRAMES - 1)) {
                    let part = stream.part().unwrap_or_else(|| panic!("{format}: ended after {numbers:?}"));
                    numbers.extend(number(&part.data));
                    assert!(began.elapsed() < 3 * SOON, "{format}: {numbers:?}");
                }
                assert!(ffmpeg.wait().unwrap().success(), "{format}");
                assert!(numbers.is_sorted_by(|a, b| a < b), "{format}: {numbers:?}");
            });
        }
    });
}

/// Sends a request to a feed, the body in some framing.
fn send(address: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut socket = connect(address).unwrap();
    socket.write_all(head.as_bytes()).unwrap();
    let _ = socket.write_all(body);
    let framed = head.contains("Content-Length") || head.contains("Transfer-Encoding");
    if !framed {
        let _ = socket.shutdown(Shutdown::Write);
    }
    answer(socket)
}

fn answer(mut socket: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let chunks =
        body.chunks(5000).flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    chunks.chain(*b"0\r\n\r\n").collect()
}

#[test]
fn a_body_may_have_a_length_come_in_chunks_or_end_with_the_connection() {
    let server = Server::start(["cam2=push:"]);
    let body = std::fs::read(clips::mpjpeg()).unwrap();
    let length = format!("Content-Length: {}\r\n", body.len());
    let taken = format!("took {FRAMES} pictures of mjpeg in mpjpeg, {} bytes\n", body.len());
    for (head, body) in [
        (format!("PUT /cam2.ffm HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{length}\r\n"), body.clone()),
        (format!("POST /cam2 HTTP/1.0\r\n{length}\r\n"), body.clone()),
        (
            "POST /cam2.ffm HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
            chunked(&body),
        ),
        ("POST /cam2.ffm HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".into(), body.clone()),
        ("PUT /cam2 HTTP/1.0\r\n\r\n".into(), body.clone()),
    ] {
        let answer = send(server.address, &head, &body);
        assert!(answer.starts_with("HTTP/1.") && answer[8..].starts_with(" 200 OK\r\n"), "{head}{answer}");
        assert!(answer.ends_with(&taken), "{head}{answer}");
    }
    assert_eq!(server.source("cam2")["state"], "unfed");
}

#[test]
fn whoever_waits_for_leave_to_send_gets_it() {
    let server = Server::start(["cam2=push:"]);
    let body = std::fs::read(clips::mpjpeg()).unwrap();
    let mut socket = connect(server.address).unwrap();
    let head = format!(
        "PUT /cam2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).unwrap();
    let mut leave = [0; 25];
    socket.read_exact(&mut leave).unwrap();
    assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(&body).unwrap();
    let answer = answer(socket);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

/// A feeder that has sent its first pictures and goes on when asked to.
struct Slow(TcpStream);

impl Slow {
    fn start(server: &Server) -> Self {
        let mut socket = connect(server.address).unwrap();
        socket
            .write_all(b"POST /cam2.ffm HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        let mut slow = Self(socket);
        slow.pictures(0..3);
        server.wait_for_state("cam2", "live");
        slow
    }

    fn pictures(&mut self, which: std::ops::Range<usize>) {
        for picture in &clips::jpegs()[which] {
            self.bytes(picture);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        self.0.write_all(&chunk).unwrap();
    }
}

#[test]
fn a_second_feeder_is_told_that_there_is_one() {
    let server = Server::start(["cam2=push:"]);
    let mut first = Slow::start(&server);
    let mut stream = server.stream("/cam2.mjpeg");
    assert!(stream.part().is_some());
    for head in ["Transfer-Encoding: chunked\r\n", "Content-Length: 500000\r\n", ""] {
        let head = format!("POST /cam2.ffm HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n");
        let answer = send(server.address, &head, b"--x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 409 Conflict\r\n"), "{head}{answer}");
        let by = first.0.local_addr().unwrap();
        assert!(answer.contains(&format!("this feed is already being received, from {by}")), "{head}{answer}");
    }
    // It is none the worse for it.
    first.pictures(3..6);
    let newest =
        eventually("the last picture", || stream.part().and_then(|part| number(&part.data)).filter(|n| *n == 5));
    assert_eq!(newest, 5);
    drop(first);
    server.wait_for_state("cam2", "unfed");
    drop(Slow::start(&server));
}

#[test]
fn viewers_stay_when_a_feeder_dies_in_the_midst_of_a_picture() {
    let server = Server::start(["cam2=push:"]);
    let mut first = Slow::start(&server);
    let mut stream = server.stream("/cam2.mjpeg");
    let torn = &clips::jpegs()[3];
    first.bytes(&torn[..torn.len() / 2]);
    drop(first);
    server.wait_for_state("cam2", "unfed");
    let refused = server.get("/cam2.mjpeg");
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("nobody is sending to this feed; the last one to do so"), "{}", refused.text());

    let mut second = Slow::start(&server);
    second.pictures(7..9);
    // Read strictly: a torn picture would not have a number.
    let mut numbers = Vec::new();
    while numbers.last() != Some(&8) {
        numbers.push(number(&stream.part().expect("the viewer is kept").data).expect("a whole picture"));
    }
    assert!(!numbers.contains(&3), "{numbers:?}");
    assert_eq!(server.source("cam2")["reconnects"], 1);
}

/// Killed when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn viewers_stay_when_ffmpeg_is_killed_and_started_again() {
    let server = Server::start(["cam2=push:"]);
    let mut stream = server.stream("/cam2.mjpeg?placeholder=1");
    for (format, options) in [
        ("mpjpeg", &["-c", "copy"][..]),
        ("mpegts", &["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "3"]),
        ("avi", &["-c", "copy"]),
    ] {
        let url = server.url("/cam2.ffm");
        let killed = Killed(feeder(&url, format, options).spawn().unwrap());
        let mut numbers = Vec::new();
        while numbers.last().is_none_or(|newest| *newest < 8) {
            numbers.extend(number(&stream.part().expect("the viewer is kept").data));
        }
        drop(killed);
        server.wait_for_state("cam2", "unfed");
    }
}

#[test]
fn what_is_no_video_is_answered_with_a_sentence() {
    let server = Server::start(["cam2=push:", "test=pattern:"]);
    let noise: Vec<u8> = (0..200_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (body, sentence) in
        [(&b"hello"[..], "a text was sent, \"hello\"\n"), (b"", "nothing was sent\n"), (&noise, "not video")]
    {
        let head =
            format!("PUT /cam2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        let answer = send(server.address, &head, body);
        assert!(answer.starts_with("HTTP/1.1 415 Unsupported Media Type\r\n"), "{answer}");
        assert!(answer.contains(sentence), "{answer}");
    }
    for path in ["/test", "/test.ffm", "/nothing.ffm", "/cam2.mjpeg"] {
        let request = format!(
            "PUT {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(ask(server.address, request.as_bytes()).unwrap().status, 405, "{path}");
    }
}

#[test]
fn a_recording_that_is_sent_at_once_is_shown_in_real_time() {
    let server = Server::start(["cam2=push:"]);
    let began = Instant::now();
    // Sixty frames at ten a second, of which three seconds may come early.
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-stream_loop", "1", "-i"]).arg(H264.path());
    let mut sending = ffmpeg.args(["-c", "copy", "-f", "matroska", &server.url("/cam2")]).spawn().unwrap();
    assert!(sending.wait().unwrap().success());
    let source = server.wait_for("cam2", "done", |source| source["state"] == "unfed" && source["pictures"] == 60);
    assert!(began.elapsed().as_secs_f64() > 2.0, "{:?}: {source}", began.elapsed());
}

/// The how-to's configuration, with a log of requests.
const HOW_TO: &str = "HTTPPort 8090\nMaxBandwidth 1000000\n<Feed cam2.ffm>\n</Feed>\n\
    <Feed closed.ffm>\nACL allow 127.0.0.77\n</Feed>\n\
    <Stream cam2.mjpeg>\nFeed cam2.ffm\nFormat mpjpeg\n</Stream>\n\
    <Stream stat.html>\nFormat status\n</Stream>\n";

#[test]
fn a_feed_of_a_configuration_is_fed_by_todays_ffmpeg() {
    let server = Server::configured("fed", HOW_TO);
    let mut stream = server.stream("/cam2.mjpeg");
    let mut ffmpeg = feeder(&server.url("/cam2.ffm"), "matroska", &["-c", "copy"]).spawn().unwrap();
    let mut numbers = Vec::from_iter(number(&stream.part().expect("a picture").data));
    // Among those who are connected stands the feeder, too.
    let report: serde_json::Value = serde_json::from_slice(&server.get("/stat.html?format=json").body).unwrap();
    let rows = report["clients"].as_array().unwrap();
    let row = rows.iter().find(|row| row["path"] == "cam2.ffm").unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!((&row["id"], &row["ip"]), (&serde_json::Value::Null, &"127.0.0.1".into()));
    assert_eq!((&row["state"], &row["protocol"]), (&"RECEIVE_DATA".into(), &"HTTP/1.1".into()));
    assert!(row["bytes"].as_u64().unwrap() > 0 && report["connections"] == 1, "{report:#}");
    assert!(server.get("/stat.html").text().contains("RECEIVE_DATA"));
    while numbers.last() != Some(&(FRAMES - 1)) {
        numbers.extend(number(&stream.part().expect("the viewer is kept").data));
    }
    assert!(ffmpeg.wait().unwrap().success());
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");

    let put = |path: &str| {
        let request = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let answer = ask(server.address, request.as_bytes()).unwrap();
        (answer.status, answer.text().replace(path, "PATH").replace(&path[1..], "NAME"))
    };
    assert_eq!(put("/cam2.ffm").0, 415);
    // Whoever may not feed it learns no more than that there is nothing.
    assert_eq!(put("/closed.ffm"), put("/nothing.ffm"));
    assert_eq!(put("/closed.ffm").0, 404);
}

/// Pictures as ffmpeg 3.4 puts them into packets of 4096 bytes, the last one filled up; written
/// by hand, not by the crate that reads it.
fn ffm(pictures: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (mut stream, mut begins) = (Vec::new(), Vec::new());
    for (at, picture) in pictures.iter().enumerate() {
        let pts = 1_700_000_000_000_000_u64 + 100_000 * at as u64;
        begins.push((stream.len(), pts));
        let (size, duration) = (picture.len() as u32, 100_000_u32);
        stream.extend([&[0, 1], &size.to_be_bytes()[1..], &duration.to_be_bytes()[1..], &pts.to_be_bytes()].concat());
        stream.extend(picture);
    }
    let packets = stream.chunks(4082).enumerate().map(|(at, payload)| {
        let begin = at * 4082;
        let first = begins.iter().find(|(place, _)| (begin..begin + payload.len()).contains(place));
        let last = begins.iter().rev().find(|(place, _)| *place < begin).unwrap_or(&begins[0]);
        let offset = first.map_or(0, |(place, _)| (place - begin + 14) as u16) | if at == 0 { 0x8000 } else { 0 };
        let fill = (4082 - payload.len()) as u16;
        let dts = first.unwrap_or(last).1.to_be_bytes();
        let mut packet = [b"fm", &fill.to_be_bytes()[..], &dts, &offset.to_be_bytes(), payload].concat();
        packet.resize(4096, 0);
        packet
    });
    packets.collect()
}

#[test]
fn an_old_ffmpeg_asks_how_to_encode_and_feeds_in_ffm() {
    let server = Server::configured("ffm", HOW_TO);
    let mut stream = server.stream("/cam2.mjpeg");
    // As libavformat 57.83.100 asks.
    let asks = b"GET /cam2.ffm HTTP/1.1\r\nUser-Agent: Lavf/57.83.100\r\nAccept: */*\r\nRange: bytes=0-\r\n\
        Connection: close\r\nHost: 127.0.0.1:8090\r\nIcy-MetaData: 1\r\n\r\n";
    let told = ask(server.address, asks).unwrap();
    assert_eq!((told.status, told.header("content-type")), (200, "application/x-octet-stream"));
    assert_eq!(told.body.len(), 4096);
    assert!(told.body.starts_with(b"FFM2\0\0\x10\0\0\0\0\0\0\0\0\0MAIN\0\0\0\x08\0\0\0\x01"), "{:?}", &told.body[..32]);
    assert!(told.body.windows(18).any(|window| window == b"video_size=160x128"), "ffserver's default");

    let pictures = clips::jpegs();
    let header = [
        &b"FFM2\0\0\x10\0\0\0\0\0\0\0\0\0MAIN\0\0\0\x08\0\0\0\x01\0\0\0\0COMM\0\0\0\x15\0\0\0\x08\0"[..],
        &[0; 16],
        b"S2VI\0\0\0\x13video_size=320x240\0",
    ]
    .concat();
    let head = "POST /cam2.ffm HTTP/1.1\r\nTransfer-Encoding: chunked\r\nUser-Agent: Lavf/57.83.100\r\nAccept: */*\r\n\
        Connection: close\r\nHost: 127.0.0.1:8090\r\nIcy-MetaData: 1\r\n\r\n";
    let mut first = header;
    first.resize(4096, 0);
    let mut socket = connect(server.address).unwrap();
    socket.write_all(head.as_bytes()).unwrap();
    for packet in [first].iter().chain(&ffm(&pictures)) {
        socket.write_all(&[b"1000\r\n", &packet[..], b"\r\n"].concat()).unwrap();
    }
    socket.write_all(b"0\r\n\r\n").unwrap();
    let answer = answer(socket);
    assert!(answer.contains(&format!("took {FRAMES} pictures of mjpeg in ffm, ")), "{answer}");
    let mut numbers = Vec::new();
    while numbers.last() != Some(&(FRAMES - 1)) {
        let part = stream.part().expect("the viewer is kept");
        assert!(pictures.contains(&part.data), "a picture that was not sent");
        numbers.extend(number(&part.data));
    }
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}

#[test]
fn who_may_not_send_is_told_of_once_with_the_reason() {
    let server = Server::start(["cam=push:"]);
    for _ in 0..3 {
        let answer = send(
            server.address,
            "PUT /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\n",
            b"abc",
        );
        assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    }
    let log = server.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("sender refused")).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains("PUT sender refused: this path takes GET, HEAD only"), "{log}");
    assert!(told[0].contains("feed=\"/nope\"") && told[0].contains("peer=127.0.0.1:"), "{log}");
}
