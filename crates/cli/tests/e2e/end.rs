//! How the program ends.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::clips::H264;
use crate::harness::{Camera, Manner, Server, http};

fn ends_in_order(signal: Signal) {
    let mut server = Server::start([format!("clip={}", H264.path().display()), "test=pattern:".to_owned()]);
    let mut streams: Vec<_> = ["/test.mjpeg", "/clip.mjpeg", "/clip.mjpeg?width=64"]
        .iter()
        .flat_map(|path| [server.stream(path), server.stream(path)])
        .collect();
    streams.iter_mut().for_each(|stream| _ = stream.part());
    // Somebody who is connected and says nothing.
    let silent = http::connect(server.address).unwrap();
    // They read all the time: a client that does not is left with a part of a picture.
    let readers: Vec<_> = streams
        .into_iter()
        // Up to the closing boundary and not one byte more: `part` checks that.
        .map(|mut stream| std::thread::spawn(move || while stream.part().is_some() {}))
        .collect();
    let began = Instant::now();
    server.signal(signal);
    let status = server.ended(Duration::from_secs(3));
    let took = began.elapsed();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    for reader in readers {
        reader.join().unwrap();
    }
    drop(silent);
}

#[test]
fn ctrl_c_closes_every_client_in_order_within_a_second() {
    ends_in_order(Signal::INT);
}

#[test]
fn sigterm_closes_every_client_in_order_within_a_second() {
    ends_in_order(Signal::TERM);
}

#[test]
fn a_client_that_does_not_read_does_not_hold_up_the_end() {
    let mut server = Server::start(["test=pattern:?size=1920x1080&fps=30&quality=95"]);
    let mut reader = server.stream("/test.mjpeg");
    let stuck = server.stream("/test.mjpeg");
    // Its socket is full when its counter stands still.
    let sent = || {
        let status = server.status();
        status["clients"].as_array().unwrap().iter().map(|client| client["pictures"].as_u64().unwrap()).min().unwrap()
    };
    crate::harness::eventually("a full socket", || {
        let before = sent();
        reader.parts(10);
        (sent() == before).then_some(())
    });
    let began = Instant::now();
    server.signal(Signal::INT);
    assert_eq!(server.ended(Duration::from_secs(3)).code(), Some(0));
    assert!(began.elapsed() < Duration::from_millis(1300), "it took {:?}", began.elapsed());
    drop(stuck);
}

#[test]
fn whoever_waits_for_a_picture_is_told_that_the_relay_stops() {
    let camera = Camera::start(Manner::Silent);
    let mut server = Server::start([format!("q={}", camera.url()), "test=pattern:".to_owned()]);
    let far = format!("/test.jpg?newer_than={}", u64::MAX);
    let asked = ["/q.jpg", "/q.mjpeg", &far].map(|path| {
        let mut socket = http::connect(server.address).unwrap();
        socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        socket
    });
    crate::harness::eventually("a camera that is asked", || (camera.connections() > 0).then_some(()));
    server.wait_for_state("test", "live");
    server.signal(Signal::TERM);
    assert_eq!(server.ended(Duration::from_secs(3)).code(), Some(0));
    for mut socket in asked {
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.ends_with("\r\n\r\nthe relay is stopping\n"), "{answer}");
    }
}
