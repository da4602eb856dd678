//! What has no end is not read to it.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use source::{Error, Phase};

use crate::support::*;

const OK: &str = "HTTP/1.1 200 OK\r\n";

/// What is sent once, what is sent without end, what is said, and the bound on what is read.
type Case = (&'static str, &'static str, &'static str, usize);

async fn each_is_refused(scheme: &str, cases: &[Case]) {
    for (begin, rest, expected, bound) in cases {
        let (address, taken) = flood(*begin, *rest).await;
        let (source, _cursor) = open(&format!("{scheme}://{address}/video"), brief(PATIENCE));
        let error = failure(&source).await.to_string();
        assert!(error.contains(expected), "{begin:?} and {rest:?}: {error}");
        assert!(error.len() < 400 && !error.contains('\n'), "{error}");
        let taken = taken.load(SeqCst);
        assert!(taken <= bound + IN_SOCKETS, "{begin:?} and {rest:?}: {taken} bytes were read");
    }
}

#[tokio::test]
async fn heads_and_bodies_that_are_no_video_are_given_up_at_their_bounds() {
    let cases: &[Case] = &[
        (OK, "X-Header: value\r\n", "does not end within 256 headers", 64 << 10),
        ("HTTP/1.1 200 OK\r\nX: ", "value", "does not end within 64 KiB", 64 << 10),
        ("HTTP/1.1 ", "2", "does not end within 64 KiB", 64 << 10),
        ("", "HTTP/1.1 100 Continue\r\n\r\n", "does not end within 64 KiB", 64 << 10),
        ("", "\r\n", "does not end within 64 KiB", 64 << 10),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000000000\r\n\r\n",
            "no picture here ",
            "answered with a text, \"no picture here",
            64 << 10,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html><title>", "x", "an HTML page", 64 << 10),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "x", "the length of a chunk", 64 << 10),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "f", "the length of a chunk", 64 << 10),
        ("HTTP/1.1 401 No\r\nContent-Length: 1000000000\r\n\r\n", "x", "answered 401", 64 << 10),
        ("HTTP/1.1 302 Found\r\nContent-Length: 1000000000\r\n\r\n", "x", "redirects to nowhere", 64 << 10),
    ];
    each_is_refused("http", cases).await;
}

#[tokio::test]
async fn frames_of_web_sockets_are_no_longer_than_they_may_be() {
    const SWITCHED: &str = "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n";
    // A ping of more than 125 bytes, and one that goes on in a further frame (RFC 6455 section 5.5).
    for (begin, expected) in [
        (&b"\x89\x7e\xff\xff"[..], "more than 125 bytes"),
        (b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "2^63 bytes or more"),
        (b"\x82\x7f\x80\0\0\0\0\0\0\0", "2^63 bytes or more"),
    ] {
        let (address, taken) = flood([SWITCHED.as_bytes(), begin].concat(), "x").await;
        let (source, _cursor) = open(&format!("ws://{address}/video"), brief(PATIENCE));
        let error = failure(&source).await.to_string();
        assert!(error.contains(expected), "{begin:02x?}: {error}");
        assert!(taken.load(SeqCst) <= (64 << 10) + IN_SOCKETS, "{begin:02x?}");
    }
}

#[tokio::test]
async fn what_may_become_a_picture_is_waited_for_up_to_the_deadline_and_within_memory() {
    let multipart = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n";
    let frames = "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n";
    let jpeg = [&b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 1000000000\r\n\r\n"[..], JPEG];
    let jpeg = jpeg.concat();
    let before_its_end = jpeg.len() - 2;
    for (what, scheme, begin, rest) in [
        ("no boundary", "http", multipart.into(), &b"x"[..]),
        ("a part's headers", "http", [multipart, "--b\r\n"].concat().into_bytes(), b"X-Header: value\r\n"),
        ("a part's header line", "http", [multipart, "--b\r\nContent-Length: "].concat().into_bytes(), b"9"),
        ("parts without pictures", "http", multipart.into(), b"--b\r\nContent-Length: 2\r\n\r\nxx\r\n"),
        ("a picture without end", "http", jpeg[..before_its_end].to_vec(), b"\x2a"),
        ("begins of pictures", "http", multipart.into(), b"\xff\xd8\xff\xe0\xff\xff"),
        ("pings", "ws", frames.into(), b"\x89\x04ping"),
        ("empty frames", "ws", frames.into(), b"\x82\x00"),
        ("a frame of 2^62 bytes", "ws", [frames.as_bytes(), b"\x82\x7f\x40\0\0\0\0\0\0\0\xff\xd8\xff"].concat(), b"x"),
    ] {
        let (address, _taken) = flood(begin, rest).await;
        let before = most_memory();
        let (source, _cursor) = open(&format!("{scheme}://{address}/video"), brief(Duration::from_secs(2)));
        let error = failure(&source).await;
        assert!(matches!(error, Error::Timeout { phase: Phase::FirstFrame | Phase::Handshake, .. }), "{what}: {error}");
        let grown = most_memory().saturating_sub(before);
        // A picture may have 32 MiB, and its buffer doubles as it grows.
        assert!(grown <= 128 << 20, "{what}: {} MiB", grown >> 20);
    }
}

#[tokio::test]
async fn redirects_end_after_the_fifth_though_each_leads_elsewhere() {
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&count);
    let (address, _) = at(move |mut stream| {
        let number = counted.fetch_add(1, SeqCst);
        async move {
            request(&mut stream).await;
            let answer = format!("HTTP/1.1 302 Found\r\nLocation: /{number}\r\nContent-Length: 0\r\n\r\n");
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await;
        }
    })
    .await;
    let (source, _cursor) = open(&format!("http://{address}/video"), brief(PATIENCE));
    let error = failure(&source).await;
    assert!(matches!(&error, Error::Server { status: 302, what } if what.contains("redirects")), "{error}");
    assert!(count.load(SeqCst) <= 7, "{} were asked", count.load(SeqCst));
}
