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
async fn packets_with_absurd_lengths_do_not_keep_the_good_ones_from_coming() {
    // Padding, extension and contributing sources that are longer than the packet; aggregates and
    // fragments that end too early (RFC 3550 section 5.1, RFC 6184 section 5.7).
    let head = |flags: u8, number: u16| [&[flags, 96][..], &number.to_be_bytes(), &[0, 0, 0, 1, 0, 0, 0, 9]].concat();
    let absurd: Vec<Vec<u8>> = vec![
        vec![],
        vec![0x80],
        head(0x80, 0),
        [head(0xa0, 0), vec![0xff]].concat(),
        [head(0x90, 0), vec![0, 0, 0xff, 0xff, 1]].concat(),
        [head(0x8f, 0), vec![1, 2, 3]].concat(),
        [head(0x80, 0), vec![0x78, 0xff, 0xff, 0x65]].concat(),
        [head(0x80, 0), vec![0x78, 0, 0]].concat(),
        [head(0x80, 0), vec![0x7c]].concat(),
        [head(0x80, 0), vec![0x7c, 0x45, 1]].concat(),
        [head(0x00, 0), vec![0x65]].concat(),
    ];
    for bad in absurd {
        let odd = bad.clone();
        let fake = Fake::start(move |request| match method(request) {
            "PLAY" => {
                let mut bytes = head_of(request);
                bytes.extend_from_slice(&interleaved(&odd));
                (1..3).for_each(|at| bytes.extend_from_slice(&interleaved(&rtp(at))));
                // And reports that are none (RFC 3550 section 6.4).
                for report in [&b"\x80\xc8\xff\xff"[..], b"\x81\xc8\0\x06", b"\xbf\xca\0\0"] {
                    let mut packet = interleaved(report);
                    packet[1] = 1;
                    bytes.extend_from_slice(&packet);
                }
                (3..60).for_each(|at| bytes.extend_from_slice(&interleaved(&rtp(at))));
                Reply::Raw(bytes)
            }
            _ => usual(request),
        })
        .await;
        let (source, mut cursor) = fake.open(Options::default());
        let came = tokio::select! {
            came = tokio::time::timeout(PATIENCE, cursor.next()) => came.is_ok(),
            error = failure(&source) => panic!("{bad:02x?}: {error}"),
        };
        assert!(came, "{bad:02x?}");
    }
}

/// The head of the answer to PLAY.
fn head_of(request: &str) -> Vec<u8> {
    head(200, request, "Session: 7\r\n", "")
}

#[tokio::test]
async fn garbage_in_place_of_packets_is_given_up_at_its_bound() {
    for (garbage, expected) in [
        (b"no packet at all ".to_vec(), "bytes in a row make no sense"),
        // Packets of channels that nobody asked for.
        ([&b"$\x63\x04\0"[..], &[7; 1024]].concat(), "bytes came without a whole picture in them"),
        (b"$\0\0\0".to_vec(), "no picture within"),
        // Answers that nobody waits for, and requests without end.
        (b"RTSP/1.0 200 OK\r\nCSeq: 9\r\n\r\n".to_vec(), "no picture within"),
    ] {
        // What has no bytes in it is as much work as what has.
        let most = if garbage.len() < 40 { 256 << 10 } else { 48 << 20 };
        let sent = garbage.clone();
        let fake = Fake::start(move |request| match method(request) {
            "PLAY" => {
                let mut bytes = head_of(request);
                bytes.extend_from_slice(&sent.repeat(most / sent.len()));
                Reply::Raw(bytes)
            }
            _ => usual(request),
        })
        .await;
        let (source, _cursor) =
            fake.open(Options { open_timeout: std::time::Duration::from_secs(4), ..Options::default() });
        let error = failure(&source).await.to_string();
        assert!(error.contains(expected), "{}: {error}", garbage.escape_ascii());
    }
}

#[tokio::test]
async fn a_description_with_thousands_of_tracks_is_taken_or_refused_at_once() {
    for line in ["m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n", "a=control:x\r\n", "m=\r\n", "\0"] {
        let sdp = [SDP, &line.repeat((200 << 10) / line.len())].concat();
        let fake = Fake::start(move |request| match method(request) {
            "DESCRIBE" => Reply::Answer(200, "Content-Type: application/sdp\r\n".into(), sdp.clone()),
            _ => usual(request),
        })
        .await;
        let (source, mut cursor) = fake.open(Options::default());
        tokio::select! {
            came = tokio::time::timeout(PATIENCE, cursor.next()) => assert!(came.is_ok(), "{line:?}"),
            error = failure(&source) => assert!(error.to_string().len() < 600, "{line:?}: {error}"),
        }
    }
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
