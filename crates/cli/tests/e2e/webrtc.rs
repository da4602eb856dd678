//! WebRTC with a real browser at the other end: pushing (WHIP) and watching (WHEP).

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::harness::clips::{self, Clip, H264, MJPEG};
use crate::harness::http::ask;
use crate::harness::tools::{self, folder, node_modules, root};
use crate::harness::{Answer, SOON, Server, eventually, number, run, tool};

/// H.264 without pictures out of order, as cameras send it.
const IN_ORDER: Clip = Clip {
    file: "h264-baseline.mp4",
    options: &["-c:v", "libx264", "-preset", "veryfast", "-profile:v", "baseline", "-g", "10"],
};

/// tests/tools/webrtc.mjs, which says what it saw as JSON.
fn browser(does: &str, url: &str, rest: &[&str]) -> Command {
    tool("chromium");
    let mut node = tool("node");
    node.arg(root().join("tests/tools/webrtc.mjs")).args([does, url]).args(rest);
    node.env("NODE_MODULES", node_modules());
    node
}

/// Frames of what is pushed: a machine that is busy leaves some out, but not a whole round.
const PUSHED: u16 = 900;

/// A browser that pushes numbered pictures. Ended when dropped, with all of its processes.
struct Pushing(Child);

impl Pushing {
    fn start(server: &Server, codec: &str) -> Self {
        // As Chromium's pretended camera takes it.
        let file = clips::made("pushed.mjpeg", |out| {
            clips::numbered(out, (320, 240), PUSHED, 30, &["-c:v", "mjpeg", "-q:v", "4", "-f", "mjpeg"]);
        });
        let mut node = browser("push", &server.url("/cam/whip"), &[codec, file.to_str().unwrap()]);
        Self(node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// What it says at its end, to which it is told to come.
    fn told(mut self) -> Value {
        drop(self.0.stdin.take());
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(self.0.wait().unwrap().success(), "{text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

impl Drop for Pushing {
    fn drop(&mut self) {
        // It closes its browser by itself when its input ends.
        drop(self.0.stdin.take());
        if tools::wait(&mut self.0, SOON).is_none() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

pub fn request(server: &Server, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    );
    ask(server.address, request.as_bytes()).unwrap()
}

fn offer(server: &Server, path: &str, offer: &str) -> Answer {
    request(server, "POST", path, "Content-Type: application/sdp\r\n", offer)
}

/// An offer with one medium, in `direction`.
pub fn made(direction: &str, codecs: &[(u8, &str)]) -> String {
    let numbers: String = codecs.iter().map(|(number, _)| format!(" {number}")).collect();
    let maps: String = codecs.iter().map(|(number, name)| format!("a=rtpmap:{number} {name}/90000\r\n")).collect();
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF{numbers}\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na={direction}\r\na=rtcp-mux\r\n\
         a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\n\
         a=fingerprint:sha-256 {}\r\n{maps}",
        ["AB"; 32].join(":")
    )
}

/// Reads numbers of a browser's pictures.
fn numbers_of(server: &Server) -> Vec<u16> {
    let mut stream = server.stream("/cam.mjpeg?placeholder=1");
    let (mut numbers, began) = (Vec::<u16>::new(), Instant::now());
    while numbers.len() < 30 {
        let part = stream.part().unwrap_or_else(|| panic!("ended after {numbers:?}"));
        numbers.extend(number(&part.data).filter(|number| numbers.last() != Some(number)));
        assert!(began.elapsed() < 3 * SOON, "{numbers:?}\n{}", server.log());
    }
    numbers
}

/// Pictures may be left out; but they come in order, a round of the clip after the other.
#[track_caller]
fn assert_in_order(numbers: &[u16], rounds: usize) {
    let falls = numbers.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(falls < rounds, "{numbers:?}");
    assert!(numbers.iter().all(|number| *number < PUSHED), "{numbers:?}");
}

#[test]
fn what_a_browser_pushes_is_seen_and_another_one_is_told_that_it_is_taken() {
    let server = Server::start(["cam=push:"]);
    let child = Pushing::start(&server, "h264");
    assert_in_order(&numbers_of(&server), 2);
    let cam = server.source("cam");
    assert_eq!(
        (&cam["codec"], &cam["protocol"], &cam["width"]),
        (&"h264".into(), &"whip".into(), &320.into()),
        "{cam}"
    );
    let second = offer(&server, "/cam/whip", &made("sendonly", &[(96, "VP8")]));
    assert_eq!(second.status, 409, "{}", second.text());
    assert!(second.text().contains("already being received, from 127.0.0.1"), "{}", second.text());
    let seen = child.told();
    assert_eq!((&seen["patched"], &seen["deleted"]), (&405.into(), &200.into()), "{seen}");
    assert_eq!(seen["errors"], serde_json::json!([]), "{seen}");
    server.wait_for_state("cam", "unfed");
    // In order, and not for want of pictures.
    assert!(
        server.source("cam")["error"].as_str().is_none_or(|error| !error.contains("went away")),
        "{}",
        server.log()
    );
}

#[test]
fn vp8_of_a_browser_is_taken_with_its_sound() {
    let server = Server::start(["cam=push:"]);
    let child = Pushing::start(&server, "vp8");
    assert_in_order(&numbers_of(&server), 2);
    assert_eq!(server.source("cam")["codec"], "vp8");
    let mut ffprobe = tool("ffprobe");
    ffprobe.args([
        "-v",
        "error",
        "-show_entries",
        "stream=codec_name,channels",
        "-of",
        "csv=p=0",
        "-read_intervals",
        "%+1",
    ]);
    let found = run(ffprobe.arg(server.url("/cam.webm"))).succeeded();
    assert!(found.text().contains("vp8") && found.text().contains("opus,2"), "{}", found.text());
    child.told();
}

/// What a browser that watches shows, by its numbers, and what it says of itself.
fn watched(server: &Server, path: &str, codec: &[&str]) -> (Vec<u16>, Value) {
    let count = "25";
    let output = run(&mut browser("watch", &server.url(path), &[&[count], codec].concat()));
    let text = output.succeeded().text();
    let mut seen: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let side = |name: &str| usize::try_from(seen[name].as_u64().unwrap_or(0)).unwrap();
    let (width, height) = (side("width"), side("height"));
    let pictures = seen["pictures"].as_array().cloned().unwrap_or_default();
    let number = |picture: &Value| {
        let grey = STANDARD.decode(picture.as_str()?).ok()?;
        formats::osd::read_number(&grey, width, width, height)
    };
    let numbers = pictures.iter().filter_map(number).collect();
    seen["pictures"] = pictures.len().into();
    (numbers, seen)
}

#[test]
fn a_browser_watches_what_it_can_decode_as_it_is_and_the_rest_coded_anew() {
    let clip = |clip: Clip| clip.path().display().to_string();
    let sources =
        [format!("order={}", clip(IN_ORDER)), format!("reordered={}", clip(H264)), format!("mjpeg={}", clip(MJPEG))];
    let server = Server::start(sources);
    for (name, codec, shown) in [
        ("order", &[][..], "video/H264"),
        ("reordered", &[], "video/H264"),
        ("mjpeg", &[], "video/H264"),
        ("mjpeg", &["vp8"], "video/VP8"),
    ] {
        let (numbers, seen) = watched(&server, &format!("/{name}/whep"), codec);
        assert_eq!(seen["video"]["codec"], shown, "{name}: {seen}\n{}", server.log());
        assert!(numbers.len() >= 20, "{name}: {numbers:?} of {seen}");
        assert_in_order(&numbers, 3);
        assert_eq!((&seen["deleted"], &seen["errors"]), (&200.into(), &serde_json::json!([])), "{name}: {seen}");
    }
    // What is in order has passed, and only the rest had to be coded.
    assert!(server.log().contains("B-frames"), "{}", server.log());
    eventually("the viewers gone", || server.status()["clients"].as_array().is_none_or(Vec::is_empty).then_some(()));
}

/// H.264 in order with sound that WebRTC does not know.
fn with_aac() -> std::path::PathBuf {
    clips::made("h264-aac.mp4", |out| {
        let mut ffmpeg = tool("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-y", "-i"]).arg(IN_ORDER.path());
        ffmpeg.args(["-f", "lavfi", "-i", "sine=440:r=44100", "-shortest", "-c:v", "copy", "-c:a", "aac"]);
        run(ffmpeg.arg(out)).succeeded();
    })
}

#[test]
fn the_page_shows_a_source_by_webrtc_and_goes_back() {
    let clip = with_aac();
    let server = Server::start(["well=pattern:?size=320x240&fps=10".to_owned(), format!("heard={}", clip.display())]);
    for (name, sound) in [("well", false), ("heard", true)] {
        let shot = folder("webrtc-page").join(format!("{name}.png"));
        let output = run(&mut browser("page", &server.url("/"), &[name, shot.to_str().unwrap()])).succeeded();
        println!("see {}", shot.display());
        let seen: Value = serde_json::from_str(&output.text()).unwrap();
        assert_eq!(
            seen,
            serde_json::json!({ "moves": true, "width": 320, "sound": sound, "video": false, "errors": [] }),
            "{name}: {}",
            server.log()
        );
    }
    eventually("no viewer by WebRTC", || {
        let status = server.status();
        status["clients"].as_array()?.iter().all(|client| client["format"] != "whep").then_some(())
    });
}

#[test]
fn a_browser_hears_what_is_no_opus() {
    let clip = with_aac();
    let server = Server::start([format!("av={}", clip.display())]);
    let (numbers, seen) = watched(&server, "/av/whep", &[]);
    assert!(numbers.len() >= 20, "{numbers:?} of {seen}");
    let audio = &seen["audio"];
    // Nearly two seconds of it, at 48 kHz.
    assert!(audio["codec"] == "audio/opus" && audio["samples"].as_u64() > Some(60_000), "{seen}");
}

#[test]
fn offers_that_cannot_be_taken_hear_why() {
    let server = Server::start(["cam=push:", "pattern=pattern:?size=320x240"]);
    let good = made("sendonly", &[(96, "VP8")]);
    let twice = made("sendonly", &[(96, "VP8"), (96, "opus"), (96, "H264")]);
    for (path, text, status, said) in [
        ("/nope/whip", &*good, 404, "no feed"),
        ("/pattern/whip", &good, 404, "no feed"),
        ("/nope/whep", &good, 404, "no source is called"),
        ("/cam/whip", "hello", 406, "no codec; H.264 or VP8 would do"),
        ("/cam/whip", "a=rtpmap:96 VP8/90000", 400, "no offer of WebRTC"),
        ("/cam/whip", &made("sendonly", &[(96, "VP9")]), 406, "it has VP9"),
        ("/cam/whip", &twice, 400, "no offer of WebRTC"),
        ("/cam/whip", &"x".repeat(70_000), 400, "could not be read"),
    ] {
        let answer = offer(&server, path, text);
        assert_eq!(answer.status, status, "{path} {said}: {}", answer.text());
        assert!(answer.text().contains(said), "{path} {said}: {}", answer.text());
    }
    assert_eq!(request(&server, "POST", "/cam/whip", "", &good).status, 415);
    let foreign = "Content-Type: application/sdp\r\nOrigin: https://elsewhere.example\r\n";
    assert_eq!(request(&server, "POST", "/cam/whip", foreign, &good).status, 403);
    assert_eq!(request(&server, "GET", "/cam/whip", "", "").status, 405);
    let asked = request(&server, "OPTIONS", "/cam/whep", "", "");
    assert_eq!((asked.status, asked.header("accept-post")), (204, "application/sdp"));
    // One that is taken, and given back: the next one is not told that it is busy.
    for _ in 0..3 {
        let taken = offer(&server, "/cam/whip", &good);
        assert_eq!(taken.status, 201, "{}", taken.text());
        assert!(!taken.text().contains("a=ice-lite") && taken.text().contains("a=candidate:"), "{}", taken.text());
        let location = taken.header("location").to_owned();
        assert!(location.starts_with("/cam/whip/"), "{location}");
        assert_eq!(request(&server, "DELETE", &location.replace("whip", "whep"), "", "").status, 404);
        assert_eq!(request(&server, "DELETE", &location, "", "").status, 200);
        eventually("its end", || (request(&server, "DELETE", &location, "", "").status == 404).then_some(()));
    }
}

#[test]
fn pages_of_other_sites_are_let_in_where_the_user_says_so_and_nobody_without_webrtc() {
    let server = Server::start(["cam=push:", "--webrtc-origin=https://studio.example", "--webrtc-host=192.0.2.7"]);
    let good = made("sendonly", &[(96, "VP8")]);
    let studio = "Content-Type: application/sdp\r\nOrigin: https://studio.example\r\n";
    let answer = request(&server, "POST", "/cam/whip", studio, &good);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (201, "https://studio.example"));
    assert_eq!(answer.header("access-control-expose-headers"), "location");
    let further = format!(" 192.0.2.7 {} typ host", server.address.port());
    assert!(answer.text().contains(&further), "{}", answer.text());
    let server = Server::start(["cam=push:", "--no-webrtc"]);
    assert_eq!(offer(&server, "/cam/whip", &good).status, 404);
}

#[test]
fn the_rules_of_a_configuration_hold_for_webrtc() {
    let text = "HTTPPort 8090\n<Feed cam.ffm>\nACL allow 10.0.0.1\n</Feed>\n<Feed open.ffm>\nACL allow 127.0.0.1\n</Feed>\n\
        <Stream open.mjpg>\nFeed open.ffm\nFormat mpjpeg\n</Stream>\n";
    let server = Server::configured("webrtc-acl", text);
    let good = made("sendonly", &[(96, "VP8")]);
    assert_eq!(offer(&server, "/cam/whip", &good).status, 404);
    assert_eq!(offer(&server, "/open/whip", &good).status, 201);
    assert_eq!(offer(&server, "/open.ffm/whip", &good).status, 409);
    assert_eq!(offer(&server, "/cam.mjpg/whep", &made("recvonly", &[(96, "VP8")])).status, 404);
}

#[test]
fn a_browser_that_was_led_here_by_a_foreign_name_changes_nothing() {
    let server = Server::start(["cam=push:", "--ptz"]);
    let asked = |server: &Server, method: &str, path: &str, headers: &str| {
        let request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n");
        ask(server.address, request.as_bytes()).unwrap()
    };
    let rebound = "Host: evil.example:8090\r\nOrigin: http://evil.example:8090\r\n";
    for (method, path) in
        [("POST", "/cam/whep"), ("POST", "/cam/whip"), ("DELETE", "/cam/whep/0"), ("POST", "/cam/ptz"), ("PUT", "/cam")]
    {
        let answer = asked(&server, method, path, rebound);
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
        assert!(answer.text().contains("--host evil.example"), "{}", answer.text());
    }
    // A script of another site, by our address.
    let foreign = format!("Host: {}\r\nOrigin: https://evil.example\r\n", server.address);
    assert_eq!(asked(&server, "POST", "/cam", &foreign).status, 403);
    assert_eq!(asked(&server, "GET", "/status.json", rebound).status, 200);
    let server = Server::start(["cam=push:", "--host=evil.example"]);
    assert_eq!(asked(&server, "POST", "/cam/whip", rebound).status, 415);
    let other = rebound.replace("evil", "other");
    assert_eq!(asked(&server, "GET", "/status.json", &other).status, 403);
}
