//! One connection to the source, however many watch, and only while they do.

use std::thread;
use std::time::Duration;

use crate::harness::{Camera, Manner, Server, eventually};

#[test]
fn a_camera_sees_one_connection_however_many_watch() {
    let camera = Camera::start(Manner::Pictures { fps: 20 });
    let server = Server::start([format!("camera={}", camera.url())]);
    let paths = ["/camera.mjpeg", "/camera.mjpeg?width=160", "/camera.mjpeg?fps=2", "/camera.mjpeg?quality=20"];
    let mut streams: Vec<_> = (0..20).map(|at| server.stream(paths[at % paths.len()])).collect();
    for _ in 0..3 {
        assert_eq!(server.get("/camera.jpg?width=64").status, 200);
    }
    streams.iter_mut().for_each(|stream| _ = stream.parts(3));
    assert_eq!(server.source("camera")["viewers"], 20);
    assert_eq!((camera.connections(), camera.open()), (1, 1));
}

#[test]
fn a_camera_is_opened_for_the_first_reader_and_closed_after_the_last() {
    let camera = Camera::start(Manner::Pictures { fps: 20 });
    let server = Server::start(["--linger".to_owned(), "1s".to_owned(), format!("camera={}", camera.url())]);
    assert_eq!(server.get("/status").status, 200);
    assert_eq!(camera.connections(), 0, "opened for nobody");
    let mut stream = server.stream("/camera.mjpeg");
    stream.part();
    drop(stream);
    // Somebody else within the linger finds it open.
    server.stream("/camera.mjpeg").part();
    assert_eq!((camera.connections(), camera.open()), (1, 1));
    server.wait_for_state("camera", "idle");
    eventually("the camera to be left", || (camera.open() == 0).then_some(()));
    server.stream("/camera.mjpeg").part();
    assert_eq!((camera.connections(), camera.open()), (2, 1));
}

#[test]
fn an_always_on_source_is_open_without_readers_and_stays_so() {
    let camera = Camera::start(Manner::Pictures { fps: 20 });
    let args = ["--always-on", "--linger", "100ms"].map(str::to_owned);
    let server = Server::start(args.into_iter().chain([format!("camera={}", camera.url())]));
    server.wait_for_state("camera", "live");
    server.stream("/camera.mjpeg").part();
    // Several times the linger.
    thread::sleep(Duration::from_millis(800));
    assert_eq!(server.source("camera")["state"], "live");
    assert_eq!((camera.connections(), camera.open()), (1, 1));
}

#[test]
fn a_reader_that_joins_gets_the_present_picture_at_once() {
    // A keyframe every five seconds and two pictures a second.
    let path = crate::harness::clips::made("rare-keyframes.mp4", |out| {
        let options = ["-c:v", "libx264", "-preset", "veryfast", "-g", "1000", "-bf", "0"];
        crate::harness::clips::numbered(out, (320, 240), 40, 2, &options);
    });
    let server = Server::start([format!("clip={}", path.display())]);
    let mut first = server.stream("/clip.mjpeg");
    first.parts(5);
    let began = std::time::Instant::now();
    server.stream("/clip.mjpeg").part();
    let waited = began.elapsed();
    assert!(waited < Duration::from_millis(300), "the second reader waited {waited:?}");
}
