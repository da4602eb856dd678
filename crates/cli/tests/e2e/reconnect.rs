//! Cameras that die, come back, say nothing, or refuse.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Camera, Manner, Server, Stream, eventually, number};

fn serve(camera: &Camera, args: &[&str]) -> Server {
    let source = format!("camera={}", camera.url());
    Server::start(args.iter().copied().chain([source.as_str()]))
}

/// Reads until a picture with a number comes, or one without.
#[track_caller]
fn read_until(stream: &mut Stream, numbered: bool) {
    let began = Instant::now();
    while number(&stream.part().expect("an open stream").data).is_some() != numbered {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "no picture {}",
            if numbered { "of the camera" } else { "that says so" }
        );
    }
}

#[test]
fn readers_stay_connected_while_a_camera_is_away_and_see_it_within_a_second_of_its_return() {
    let mut camera = Camera::start(Manner::Pictures { fps: 20 });
    let server = serve(&camera, &[]);
    let mut plain = server.stream("/camera.mjpeg");
    let mut told = server.stream("/camera.mjpeg?placeholder=1");
    plain.parts(3);
    read_until(&mut told, true);

    camera.switch_off();
    // The one who asked for it sees a picture that says so; the other waits.
    read_until(&mut told, false);
    let source = server.wait_for_state("camera", "waiting");
    assert!(source["error"].as_str().unwrap().contains("is the camera on"), "{source:#}");
    // Long enough for the attempts to become rare.
    thread::sleep(Duration::from_secs(3));

    camera.switch_on();
    let back = Instant::now();
    // What was under way when the plug was pulled may still lie in front of it.
    let returned = loop {
        let part = plain.part().expect("the reader stays connected");
        let timestamp: f64 = part.header("X-Timestamp").parse().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        if now - timestamp < 0.5 {
            break back.elapsed();
        }
    };
    assert!(returned < Duration::from_secs(1), "the first picture came {returned:?} after the camera");
    read_until(&mut told, true);
    assert_eq!(server.source("camera")["reconnects"], 1);
}

#[test]
fn a_reader_who_asks_for_it_sees_a_placeholder_where_there_was_never_a_picture() {
    let mut camera = Camera::start(Manner::Pictures { fps: 20 });
    camera.switch_off();
    let server = serve(&camera, &[]);
    let mut told = server.stream("/camera.mjpeg?placeholder=1");
    read_until(&mut told, false);
    let answer = server.get("/camera.jpg?placeholder=1");
    assert_eq!((answer.status, answer.header("Content-Type")), (200, "image/jpeg"));
    assert_eq!(number(&answer.body), None);
    camera.switch_on();
    read_until(&mut told, true);
}

#[test]
fn a_camera_that_accepts_and_says_nothing_is_given_up_in_time() {
    let camera = Camera::start(Manner::Silent);
    let server = serve(&camera, &["--timeout", "1s"]);
    let began = Instant::now();
    let answer = server.get("/camera.mjpeg");
    let waited = began.elapsed();
    assert_eq!(answer.status, 504, "{}", answer.text());
    let sentence = answer.text();
    assert!(sentence.starts_with("camera: no picture within 1s: gave up while "), "{sentence}");
    assert!((Duration::from_millis(900)..Duration::from_secs(4)).contains(&waited), "{waited:?}");
}

#[test]
fn a_camera_that_falls_silent_is_opened_anew_and_its_readers_go_on() {
    let camera = Camera::start(Manner::Stalls { after: 5 });
    let server = serve(&camera, &["--gap-timeout", "500ms"]);
    let mut stream = server.stream("/camera.mjpeg");
    stream.parts(5);
    camera.set(Manner::Pictures { fps: 20 });
    stream.parts(20);
    assert_eq!(camera.connections(), 2);
}

#[test]
fn a_refused_password_is_a_sentence_and_stands_nowhere() {
    const SECRET: &str = "hunter-2-secret";
    let camera = Camera::start(Manner::Forbidden);
    let url = camera.url().replace("http://", &format!("http://operator:{SECRET}@"));
    let server = Server::start(["-vv".to_owned(), format!("camera={url}")]);
    let answer = server.get("/camera.mjpeg");
    assert_eq!(answer.status, 502);
    let sentence = answer.text();
    assert!(sentence.contains("401") && sentence.contains("user and password"), "{sentence}");
    assert_eq!(sentence.lines().count(), 1, "{sentence}");
    assert_eq!(server.get("/camera.jpg").status, 502);
    let paths = ["/", "/status", "/status.json", "/metrics", "/camera.mjpeg", "/nosuch.mjpeg"];
    for path in paths {
        let text = server.get(path).text();
        assert!(!text.contains(SECRET), "{path} tells the password: {text}");
    }
    let log = server.log();
    assert!(!log.contains(SECRET), "the log tells the password: {log}");
    // Base64 of it is no better.
    assert!(camera.requests().iter().any(|head| head.contains("Authorization: Basic ")), "{:?}", camera.requests());
    let header =
        camera.requests().iter().find_map(|head| Some(head.split("Basic ").nth(1)?.split("\r\n").next()?.to_owned()));
    assert!(!log.contains(&header.unwrap()), "the log tells the password: {log}");
}

#[test]
fn a_camera_that_refuses_a_password_is_not_asked_again_at_once() {
    let camera = Camera::start(Manner::Forbidden);
    let url = camera.url().replace("http://", "http://user:wrong@");
    let server = Server::start(["--always-on".to_owned(), format!("camera={url}")]);
    let source = server.wait_for_state("camera", "waiting");
    assert!(source["retry_in_s"].as_f64().unwrap() > 4.0, "{source:#}");
}

#[test]
fn a_camera_that_changes_its_picture_goes_on() {
    let camera = Camera::start(Manner::Pictures { fps: 20 });
    let server = serve(&camera, &[]);
    let (mut plain, mut small) = (server.stream("/camera.mjpeg"), server.stream("/camera.mjpeg?height=60"));
    plain.parts(3);
    small.parts(3);
    camera.change_size();
    let becomes = |stream: &mut Stream, size: (u32, u32)| {
        eventually("pictures of the new size", || (crate::harness::size(&stream.part()?.data) == size).then_some(()));
    };
    becomes(&mut plain, (640, 360));
    // 80 wide before: the aspect ratio is another one, too.
    becomes(&mut small, (106, 60));
    assert_eq!(camera.connections(), 1);
}
