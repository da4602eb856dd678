//! Servers that send so slowly that no read ever waits long.

use std::time::Duration;

use source::{Error, Phase};
use tokio::io::AsyncWriteExt;

use crate::support::*;

const LIMIT: Duration = Duration::from_millis(1500);

#[tokio::test]
async fn who_speaks_drop_by_drop_is_given_up_at_the_deadline_in_every_protocol() {
    let head = &b"HTTP/1.1 200 OK\r\nX: y\r\n"[..];
    for (scheme, begin, rest, phase) in [
        ("http", &b"HTTP/1.1 200 OK\r\n"[..], &b"X: y\r\n"[..], Phase::Handshake),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n", b"--b\r\n", Phase::FirstFrame),
        ("http", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n\0\r\n", Phase::FirstFrame),
        ("http", b"HTTP/1.1 200 OK\r\n\r\n\x47", b"\x47", Phase::FirstFrame),
        ("ws", head, b"X: y\r\n", Phase::Handshake),
        ("ws", b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n", b"\x89\0", Phase::FirstFrame),
        ("onvif", head, b"X: y\r\n", Phase::Handshake),
        ("onvif", b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n<a>", b"<b/>", Phase::Handshake),
        ("rtsp", b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n", b"X: y\r\n", Phase::Handshake),
        ("rtsp", b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 9000\r\n\r\n", b"a=x\r\n", Phase::Handshake),
        ("rtsps", b"\x16\x03\x03\x40\x00", b"\x02", Phase::Tls),
        ("https", b"\x16\x03\x03\x40\x00", b"\x02", Phase::Tls),
        // The begin of a TcpMessageHeader ([MS-MMSP] 2.2.3).
        ("mmst", b"\x01\0\0\0\xce\xfa\x0b\xb0\0\x10\0\0MMS \0\x02\0\0", b"\0", Phase::Handshake),
        ("mmsh", head, b"X: y\r\n", Phase::Handshake),
    ] {
        let address = drip(begin, rest).await;
        let (source, _cursor) = open(&format!("{scheme}://{address}/video"), brief(LIMIT));
        let error = failure(&source).await;
        let Error::Timeout { phase: found, after, .. } = &error else { panic!("{scheme}: {error}") };
        assert_eq!((*found, *after), (phase, LIMIT), "{scheme}: {}", begin.escape_ascii());
    }
}

#[tokio::test]
async fn who_has_shown_a_picture_may_not_take_for_ever_over_the_next() {
    let first = [&b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n--b\r\n\r\n"[..], JPEG, b"\r\n"];
    let address = drip(first.concat(), b"--b\r\n\r\n").await;
    let (source, _cursor) = open(&format!("http://{address}/video"), brief(LIMIT));
    let error = failure(&source).await;
    assert!(matches!(error, Error::Timeout { phase: Phase::Streaming, after: LIMIT, .. }), "{error}");
}

#[tokio::test]
async fn a_snapshot_whose_connection_goes_on_with_trailers_is_fetched_anew() {
    // RFC 9112 section 7.1.2: what follows the last chunk is no answer to the next request.
    let (address, _) = at(|mut stream| async move {
        while request(&mut stream).await.starts_with("GET ") {
            let length = format!("{:x}\r\n", JPEG.len());
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n";
            let answer = [&head[..], length.as_bytes(), JPEG, b"\r\n0\r\nX-Trailer: 1\r\n"].concat();
            let mut sent = stream.write_all(&answer).await;
            for _ in 0..20 {
                if sent.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
                sent = stream.write_all(b"X-Trailer: 2\r\n").await;
            }
        }
    })
    .await;
    let options = source::Options { poll: Duration::from_millis(50), ..brief(Duration::from_secs(10)) };
    let (source, mut cursor) = open(&format!("http://{address}/snap.jpg"), options);
    tokio::time::timeout(PATIENCE, cursor.next()).await.expect("a picture in time").unwrap();
    let mut status = source.status();
    // The same picture again is none, but it is told that it came.
    let again = tokio::time::timeout(Duration::from_secs(2), status.wait_for(|status| status.error.is_some())).await;
    assert!(again.is_err(), "{:?}", source.status().borrow().error);
}
