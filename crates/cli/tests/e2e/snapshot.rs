//! `/NAME.jpg`: fresh, quick, and honest about its age.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Camera, Manner, Server, get, number};

fn pattern() -> Server {
    Server::start(["test=pattern:?size=320x240&fps=20"])
}

fn sequence(answer: &crate::harness::Answer) -> u64 {
    answer.header("X-Sequence").parse().unwrap()
}

#[test]
fn a_snapshot_says_what_it_is_and_how_old() {
    let server = pattern();
    let answer = server.get("/test.jpg");
    assert_eq!((answer.status, answer.header("Content-Type")), (200, "image/jpeg"));
    assert_eq!(answer.header("Cache-Control"), "no-cache");
    assert!(answer.header("ETag").starts_with('"') && answer.header("ETag").ends_with('"'));
    let age: u64 = answer.header("X-Age").parse().unwrap();
    assert!(age < 2000, "{age} ms old");
    let taken: f64 = answer.header("X-Timestamp").parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - taken).abs() < 2.0, "taken at {taken}, now it is {now}");
    assert!(number(&answer.body).is_some());
    assert_eq!(server.get("/test.jpeg").status, 200);
}

#[test]
fn scripts_of_other_sites_cannot_read_pictures() {
    let server = pattern();
    let asked = get(server.address, "/test.jpg", &[("Origin", "http://elsewhere.example")]);
    assert_eq!((asked.status, asked.header("Access-Control-Allow-Origin")), (200, ""));
    assert_eq!(server.stream("/test.mjpeg").header("Access-Control-Allow-Origin"), "");
}

#[test]
fn a_snapshot_that_the_client_has_is_not_sent_again() {
    let clip = crate::harness::clips::made("still.mp4", |out| {
        let options = ["-c:v", "libx264", "-preset", "veryfast", "-g", "1000", "-bf", "0"];
        crate::harness::clips::numbered(out, (320, 240), 4, 1, &options);
    });
    // One picture a second; what is at hand stays the newest for a while.
    let server = Server::start([format!("clip={}", clip.display())]);
    let first = server.get("/clip.jpg");
    let tag = first.header("ETag").to_owned();
    let again = get(server.address, "/clip.jpg", &[("If-None-Match", &tag)]);
    let next = if again.status == 200 {
        // The second was just over: this time it is not.
        let tag = again.header("ETag").to_owned();
        get(server.address, "/clip.jpg", &[("If-None-Match", &tag)])
    } else {
        again
    };
    assert_eq!((next.status, next.body.len()), (304, 0));
    assert!(!next.header("ETag").is_empty());
    let other = get(server.address, "/clip.jpg", &[("If-None-Match", "\"something-else\"")]);
    assert_eq!(other.status, 200);
}

#[test]
fn a_long_poll_waits_for_the_next_picture() {
    let server = pattern();
    let mut last = sequence(&server.get("/test.jpg"));
    for _ in 0..5 {
        let answer = server.get(&format!("/test.jpg?newer_than={last}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(sequence(&answer) > last, "{} after {last}", sequence(&answer));
        last = sequence(&answer);
    }
}

#[test]
fn a_long_poll_for_what_does_not_come_ends_with_304() {
    let server = pattern();
    server.get("/test.jpg");
    let began = Instant::now();
    let answer = server.get(&format!("/test.jpg?newer_than={}&timeout=500ms", u64::MAX));
    assert_eq!((answer.status, answer.body.len()), (304, 0));
    assert!((Duration::from_millis(400)..Duration::from_secs(3)).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[test]
fn a_cold_snapshot_waits_for_a_live_picture_and_a_warm_one_for_nothing() {
    let camera = Camera::start(Manner::Pictures { fps: 10 });
    let server = Server::start([format!("camera={}", camera.url())]);
    assert_eq!(camera.connections(), 0);
    assert_eq!(server.get("/camera.jpg").status, 200);
    // Under 10 ms is the aim; a machine that is busy with other tests gets more.
    let mut times: Vec<_> = (0..20)
        .map(|_| {
            let began = Instant::now();
            assert_eq!(server.get("/camera.jpg").status, 200);
            began.elapsed()
        })
        .collect();
    times.sort();
    assert!(times[10] < Duration::from_millis(50), "{times:?}");
    assert_eq!(camera.connections(), 1);
}

#[test]
fn a_snapshot_that_nothing_comes_for_ends_in_time() {
    let camera = Camera::start(Manner::Silent);
    let server = Server::start([format!("camera={}", camera.url())]);
    let began = Instant::now();
    let answer = server.get("/camera.jpg?timeout=500ms");
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(answer.text(), "camera: no picture yet; try again, or give it more time\n");
}

#[test]
fn a_hundred_snapshots_at_once_are_one_decoder_and_one_picture_each() {
    let server = Server::start([format!("clip={}", crate::harness::clips::H264.path().display())]);
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| assert_eq!(server.get("/clip.jpg?width=160").status, 200));
        }
    });
    assert_eq!(server.source("clip")["variants"].as_array().unwrap().len(), 1);
}
