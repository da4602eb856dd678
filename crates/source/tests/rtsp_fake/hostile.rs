//! Cameras that mean harm: each is refused within a bound, with a verdict of its own.

use source::{Error, Options};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::support::*;

/// A server that sends `begin`, and then `rest` for as long as it is taken.
async fn flood(begin: Vec<u8>, rest: Vec<u8>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (begin, rest) = (begin.clone(), rest.clone());
            tokio::spawn(async move {
                let _ = stream.write_all(&begin).await;
                while stream.write_all(&rest).await.is_ok() {}
            });
        }
    });
    address
}

#[tokio::test]
async fn what_has_no_end_is_not_read_to_it() {
    for (begin, rest, expected) in [
        ("RTSP/1.0 200 OK\r\nCSeq: 1\r\n", "X-Header: value\r\n", "the head of an answer"),
        ("RTSP/1.0 200 OK\r\nCSeq: 1\r\nX: ", "value", "the head of an answer is longer than 65536 bytes"),
        (
            "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: 1000000000\r\n\r\n",
            "a=x\r\n",
            "an answer of 1000000000 bytes is announced; at most 262144 are read",
        ),
    ] {
        let address = flood(begin.into(), rest.repeat(1000).into()).await;
        let (source, _cursor) = open(&format!("rtsp://{address}/"), Options::default());
        let error = failure(&source).await;
        assert!(matches!(&error, Error::Broken { what } if what.contains(expected)), "{error}");
    }
}

#[tokio::test]
async fn packets_that_never_make_a_picture_are_not_kept_for_ever() {
    // Parts of one picture (FU-A of H.264) without an end.
    let part = |number: u16| {
        let mut packet = vec![0x80, 96];
        packet.extend_from_slice(&number.to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 9, 0x7c, 0x05]);
        packet.resize(60_000, 7);
        if number == 0 {
            packet[13] = 0x85;
        }
        interleaved(&packet)
    };
    let fake = Fake::start(move |request| match method(request) {
        "PLAY" => {
            let mut bytes = head(200, request, "Session: 7\r\n", "");
            (0..700).for_each(|at| bytes.extend_from_slice(&part(at)));
            Reply::Raw(bytes)
        }
        _ => usual(request),
    })
    .await;
    let (source, _cursor) = fake.open(Options::default());
    let error = failure(&source).await;
    let told = |what: &str| what.contains("bytes came without a whole picture in them");
    assert!(matches!(&error, Error::Broken { what } if told(what)), "{error}");
}

#[tokio::test]
async fn redirects_lead_to_rtsp_only_and_never_in_a_circle() {
    for (to, expected) in [
        ("file:///etc/passwd", "redirects to file:///etc/passwd, which is no RTSP"),
        ("http://127.0.0.1:1/", "which is no RTSP"),
        ("rtsp://@/cam", "redirects for the 6th time; at most 5 are followed"),
    ] {
        let address = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
        let here = address.clone();
        let fake = Fake::start(move |_| {
            let to = to.replace('@', here.get().unwrap());
            Reply::Answer(302, format!("Location: {to}\r\n"), String::new())
        })
        .await;
        address.set(fake.address.to_string()).unwrap();
        let (source, _cursor) = fake.open(Options::default());
        let error = failure(&source).await;
        assert!(matches!(&error, Error::Server { status: 302, what } if what.contains(expected)), "{error}");
    }
}
