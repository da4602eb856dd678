//! What is wrong with sources: the right status, one sentence, and nobody else notices.

use std::net::TcpListener;
use std::time::Duration;

use crate::harness::server::headwater;
use crate::harness::{Camera, Manner, Server, run, tools};

/// Serves `url` beside a good source and asks for it; the answer's status and sentence.
fn ask(url: &str) -> (u16, String) {
    let (server, status, text) = ask_only(url);
    // The same sentence stands in the status, and once in the log.
    let source = server.source("bad");
    assert_eq!(format!("bad: {}\n", source["error"].as_str().unwrap()), text);
    let lines = || server.log().matches("no pictures error=").count();
    crate::harness::eventually("the line in the log", || (lines() > 0).then_some(()));
    assert_eq!(lines(), 1, "{}", server.log());
    (status, text)
}

fn ask_only(url: &str) -> (Server, u16, String) {
    let server = Server::start(["--timeout", "3s", &format!("bad={url}"), "good=pattern:?size=320x240&fps=25"]);
    let mut viewer = server.stream("/good.mjpeg");
    let answer = server.get("/bad.mjpeg");
    viewer.parts(5);
    let text = answer.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("bad: "), "{text}");
    assert_eq!(text.matches("bad: ").count(), 1, "{text}");
    // A snapshot is refused for the same reason.
    assert_eq!(server.get("/bad.jpg?timeout=5s").status, answer.status);
    (server, answer.status, text)
}

#[track_caller]
fn assert_refused(url: &str, status: u16, parts: &[&str]) {
    let (found, text) = ask(url);
    assert_eq!(found, status, "{url}: {text}");
    for part in parts {
        assert!(text.contains(part), "{url}: {part:?} is not in {text:?}");
    }
}

fn says(answer: &str) -> Camera {
    Camera::start(Manner::Says(answer.replace('\n', "\r\n").into_bytes()))
}

#[test]
fn an_unknown_host_is_named() {
    assert_refused("http://no-such-host.invalid/video", 502, &["no-such-host.invalid", "host"]);
    assert_refused("rtsp://no-such-host.invalid/video", 502, &["no-such-host.invalid"]);
}

#[test]
fn a_refused_port_is_named() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for scheme in ["http", "rtsp", "mms", "rtmp"] {
        let url = format!("{scheme}://127.0.0.1:{port}/video");
        let (status, text) = ask(&url);
        assert_eq!(status, 502, "{url}: {text}");
        assert!(text.contains("refused"), "{url}: {text}");
    }
}

#[test]
fn a_path_that_is_not_there_is_said_to_be() {
    let camera = says("HTTP/1.1 404 Not Found\nContent-Length: 0\n\n");
    assert_refused(&camera.url(), 502, &["404", "is the path right?"]);
    assert_refused("/no/such/file.wmv", 502, &["is the path right?"]);
    assert_refused("/dev/video99", 502, &["/dev/video99"]);
}

#[test]
fn a_login_that_is_wanted_is_said_to_be() {
    let camera = Camera::start(Manner::Forbidden);
    assert_refused(&camera.url(), 502, &["401", "user and password"]);
}

#[test]
fn a_page_in_place_of_a_picture_is_told_from_video() {
    let page = "<!doctype html>\n<html><head><title>Camera</title></head><body>Log in</body></html>\n".repeat(20);
    let camera = says(&format!(
        "HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: {}\n\n{page}",
        page.replace('\n', "\r\n").len()
    ));
    assert_refused(
        &camera.url(),
        502,
        &["an HTML page, \"Camera\"", "the URL of the page is not the URL of the stream"],
    );
}

#[test]
fn a_server_that_fails_or_talks_nonsense_is_quoted() {
    let camera = says("HTTP/1.1 503 Busy\nContent-Length: 0\n\n");
    assert_refused(&camera.url(), 502, &["503"]);
    let camera = says("220 mail.example ESMTP ready\n");
    let (status, _) = ask(&camera.url());
    assert_eq!(status, 502);
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let camera = Camera::start(Manner::Silent);
    for scheme in ["http", "rtsp", "mms"] {
        let url = format!("{scheme}://{}/video", camera.address);
        let (status, text) = ask(&url);
        assert_eq!(status, 504, "{url}: {text}");
        assert!(text.contains("no picture within 3s"), "{url}: {text}");
    }
}

#[test]
fn a_codec_that_ffmpeg_lacks_is_named() {
    // The fourcc of a good AVI made one that nobody knows.
    let mut bytes = std::fs::read(crate::harness::clips::MJPEG.path()).unwrap();
    let places: Vec<_> =
        bytes.windows(4).enumerate().filter(|(_, four)| *four == b"MJPG").map(|(at, _)| at).take(2).collect();
    for at in places {
        bytes[at..at + 4].copy_from_slice(b"ZZ9Q");
    }
    let path = tools::folder("unknown-codec").join("clip.avi");
    std::fs::write(&path, bytes).unwrap();
    let (_server, status, text) = ask_only(path.to_str().unwrap());
    assert_eq!(status, 502, "{text}");
    println!("{text}");
    assert!(text.contains("codec") || text.contains("decoder"), "{text}");
}

#[test]
fn a_file_without_pictures_is_said_to_be() {
    let Some(path) = crate::harness::clips::sample("tika-testWMA.wma") else { return };
    // It is no fault of the source, which can be heard; there is nothing to see in it.
    let (server, status, text) = ask_only(path.to_str().unwrap());
    assert_eq!(status, 502, "{text}");
    assert!(text.contains("no pictures in it, only sound (wmav2)"), "{text}");
    assert!(server.source("bad")["error"].is_null(), "{}", server.source("bad"));
}

/// Runs `serve` on what cannot be; its exit code and the line on stderr.
fn refused(args: &[&str]) -> (Option<i32>, String) {
    let output = run(headwater().arg("serve").args(args));
    (output.status.code(), output.err.trim_end().to_owned())
}

#[test]
fn two_sources_with_one_name_are_refused_by_name_without_their_passwords() {
    let (code, line) = refused(&["--listen", "127.0.0.1:0", "a=rtsp://u:geheim@host/1", "a=clip.wmv"]);
    assert_eq!(code, Some(2), "{line}");
    assert!(line.starts_with("headwater: two sources are called a: ") && line.contains("NAME=URL"), "{line}");
    assert!(!line.contains("geheim") && line.lines().count() == 1, "{line}");
}

#[test]
fn a_port_in_use_is_said_to_be() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, line) = refused(&["--listen", &address, "a=pattern:"]);
    assert_eq!(code, Some(5), "{line}");
    assert!(line.contains(&address) && line.contains("in use") && line.contains("--listen"), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
}

#[test]
fn a_wrong_command_line_is_refused_with_what_would_be_right() {
    for (args, part) in [
        (&["--listen", "everywhere", "a=pattern:"][..], "ADDRESS:PORT"),
        (&["--timeout", "soon", "a=pattern:"], "10s"),
        (&["--streams", "worst", "a=pattern:"], "expected best, smallest, max=300k"),
        (&[], "[NAME=]URL"),
        (&["--listen", "127.0.0.1:0", "status=pattern:"], "status"),
        (&["--listne", "x", "a=pattern:"], "--listen"),
    ] {
        let (code, text) = refused(args);
        assert_eq!(code, Some(2), "{args:?}: {text}");
        assert!(text.contains(part), "{args:?}: {text}");
    }
}

#[test]
fn a_source_that_was_bad_is_served_as_soon_as_it_is_good() {
    let camera = says("HTTP/1.1 503 Busy\nContent-Length: 0\n\n");
    let server = Server::start([format!("camera={}", camera.url())]);
    assert_eq!(server.get("/camera.mjpeg").status, 502);
    camera.set(Manner::Pictures { fps: 20 });
    let mut stream = crate::harness::eventually("pictures", || {
        std::thread::sleep(Duration::from_millis(100));
        crate::harness::Stream::try_open(server.address, "/camera.mjpeg").ok()
    });
    stream.parts(3);
}
