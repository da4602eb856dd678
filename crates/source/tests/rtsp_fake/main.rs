//! RTSP against scripted servers on the loopback: refusals, silence, other protocols,
//! broken connections.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod beside;
mod captured;
#[path = "../capture/support.rs"]
#[allow(dead_code, reason = "not all of it is wanted here")]
mod captures;
mod dialogue;
mod elsewhere;
mod hostile;
mod jpeg;
mod mpeg4;
mod numbered;
mod odd;
mod reported;
mod secure;
mod slices;
mod support;
mod table;
#[path = "../common/tls_front.rs"]
mod tls_front;
mod tunnel;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use source::{Error, Options, Phase, Transport};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use support::*;

#[tokio::test]
async fn a_camera_that_behaves_is_played_and_left_with_a_teardown() {
    let fake = Fake::start(usual).await;
    let (source, mut cursor) = fake.open(Options::default());
    pictures(&mut cursor, 3).await;
    let status = source.status().borrow().clone();
    assert_eq!(status.tracks[0].video().unwrap().size.to_string(), "240x160");
    drop((source, cursor));
    timeout(PATIENCE, async {
        while fake.heard("TEARDOWN") == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a farewell");
}

// As of WIWACAM 4K (453) and Dahua IPC-HDW2449TM-S-IL (403): docs/CAMERAS.md.
#[tokio::test]
async fn refusals_say_who_refused_what() {
    let at = |request: &'static str, with: u16| {
        move |text: &str| {
            if method(text) == request { status(with) } else { usual(text) }
        }
    };
    for (request, with, expected) in [
        ("DESCRIBE", 403, "rtsp://@/cam answered 403 Forbidden to DESCRIBE from the user given"),
        ("DESCRIBE", 404, "rtsp://@/cam answered 404 Not Found to DESCRIBE"),
        ("DESCRIBE", 415, "rtsp://@/cam answered 415 Unsupported Media Type to DESCRIBE"),
        ("DESCRIBE", 453, "rtsp://@/cam answered 453 Not Enough Bandwidth to DESCRIBE"),
        ("SETUP", 454, "rtsp://@/cam answered 454 Session Not Found to SETUP"),
        ("PLAY", 503, "rtsp://@/cam answered 503 Service Unavailable to PLAY"),
        ("PLAY", 599, "rtsp://@/cam answered 599 to PLAY"),
    ] {
        let fake = Fake::start(at(request, with)).await;
        let (source, _cursor) = fake.open(Options::default());
        let error = failure(&source).await;
        let expected = expected.replace('@', &fake.address.to_string());
        assert!(error.to_string().starts_with(&expected), "{error}");
        // What answers is connected, however quickly it refuses.
        assert_eq!(source.status().borrow().reached, Phase::Handshake, "{error}");
        match error {
            Error::Server { status, .. } => assert_eq!(status, with),
            error => assert!(matches!(error, Error::Unauthorized { .. } | Error::NotFound { .. })),
        }
    }
}

// As of Hikvision DS-2CD1148-I/B (Digest and Basic): docs/CAMERAS.md.
#[tokio::test]
async fn a_wrong_password_is_refused_for_good() {
    let reply = |_: &str| {
        let challenge =
            "WWW-Authenticate: Digest realm=\"cam\", nonce=\"1\"\r\nWWW-Authenticate: Basic realm=\"cam\"\r\n";
        Reply::Answer(401, challenge.into(), String::new())
    };
    let fake = Fake::start(reply).await;
    let (source, _cursor) = fake.open(Options::default());
    let error = failure(&source).await;
    assert!(error.is_refusal(), "{error}");
    // Once without, once with the password: cameras lock those who try more.
    assert_eq!(fake.heard("DESCRIBE"), 2);
    assert!(fake.requests.lock().unwrap()[1].contains("Authorization: Digest"));
}

// As of Avonic REC200: docs/CAMERAS.md.
#[tokio::test]
async fn a_461_leads_to_udp_unless_tcp_was_asked_for() {
    let rtp_socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let server_port = rtp_socket.local_addr().unwrap().port();
    let sender = Arc::clone(&rtp_socket);
    let client_port = Mutex::new(0);
    let fake = Fake::start(move |request| match method(request) {
        "SETUP" if request.contains("RTP/AVP/TCP") => status(461),
        "SETUP" => {
            let ports = request.split_once("client_port=").unwrap().1;
            let port: u16 = ports.split(['-', '\r', ';']).next().unwrap().parse().unwrap();
            *client_port.lock().unwrap() = port;
            ok(&format!(
                "Session: 7\r\nTransport: RTP/AVP;unicast;client_port={port};server_port={server_port}-{}\r\n",
                server_port + 1
            ))
        }
        "PLAY" => {
            let (sender, port) = (Arc::clone(&sender), *client_port.lock().unwrap());
            tokio::spawn(async move {
                // The client opens its ears a moment after our answer.
                for number in 0..50 {
                    let _ = sender.send_to(&rtp(number), ("127.0.0.1", port)).await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
            ok("Session: 7\r\n")
        }
        _ => usual(request),
    })
    .await;
    let (_source, mut cursor) = fake.open(Options::default());
    pictures(&mut cursor, 3).await;
    let (source, _cursor) = fake.open(Options { transport: Transport::Tcp, ..Options::default() });
    assert!(matches!(failure(&source).await, Error::Server { status: 461, .. }));
}

#[tokio::test]
async fn silence_is_told_with_the_phase_it_fell_in() {
    let silent_at = |method_name: &'static str| {
        move |text: &str| {
            if method(text) == method_name { Reply::Silence } else { usual(text) }
        }
    };
    for method_name in ["DESCRIBE", "SETUP"] {
        let fake = Fake::start(silent_at(method_name)).await;
        let options = Options { open_timeout: Duration::from_secs(1), ..Options::default() };
        let (source, _cursor) = fake.open(options);
        let error = failure(&source).await;
        assert!(matches!(error, Error::Timeout { phase: Phase::Handshake, .. }), "{method_name}: {error}");
    }
}

#[tokio::test]
async fn no_picture_after_play_is_told() {
    let fake =
        Fake::start(|request| if method(request) == "PLAY" { ok("Session: 7\r\n") } else { usual(request) }).await;
    let options = Options { open_timeout: Duration::from_millis(500), ..Options::default() };
    let (source, _cursor) = fake.open(options);
    assert!(matches!(failure(&source).await, Error::Timeout { phase: Phase::FirstFrame, .. }));
}

#[tokio::test]
async fn another_protocol_on_the_port_is_shown() {
    for (answer, shown, hint) in [
        ("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "\"HTTP/1.1 400 Bad Request\"", "speaks HTTP"),
        ("220 ftp ready\r\n", "\"220 ftp ready\"", "another protocol than RTSP"),
    ] {
        let fake = Fake::start(|_| Reply::Raw(answer.into())).await;
        let (source, _cursor) = fake.open(Options::default());
        let error = failure(&source).await;
        assert!(matches!(error, Error::Broken { .. }), "{error:?}");
        assert!(error.to_string().contains(shown) && error.to_string().contains(hint), "{error}");
    }
}

#[tokio::test]
async fn a_reset_in_mid_stream_is_an_end_and_is_healed() {
    let fake = Fake::start(usual).await;
    // Between us and the camera, a router that forgets the connection after a while.
    let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = relay.local_addr().unwrap();
    let camera = fake.address;
    tokio::spawn(async move {
        while let Ok((mut client, _)) = relay.accept().await {
            let mut upstream = TcpStream::connect(camera).await.unwrap();
            let passed = tokio::io::copy_bidirectional(&mut client, &mut upstream);
            let _ = timeout(Duration::from_millis(400), passed).await;
            client.set_zero_linger().unwrap();
        }
    });
    let (source, mut cursor) = open(&format!("rtsp://{address}/cam"), Options::default());
    pictures(&mut cursor, 3).await;
    let error = failure(&source).await;
    let expected = format!("the stream ended: rtsp://{address}/cam: connection reset by peer");
    assert_eq!(error.to_string(), expected);
    pictures(&mut cursor, 3).await;
    assert!(source.status().borrow().reconnects >= 1);
}

#[tokio::test]
async fn hosts_that_are_not_there_are_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let (source, _cursor) = open(&format!("rtsp://127.0.0.1:{port}/"), Options::default());
    let what = format!("127.0.0.1:{port}: connection refused");
    assert_eq!(failure(&source).await, Error::Refused { what });
    let (source, _cursor) = open("rtsp://no.such.host.invalid/", Options::default());
    assert!(matches!(failure(&source).await, Error::Unreachable { .. }));
}

#[tokio::test]
async fn sound_alone_is_no_video() {
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:track1\r\n";
    let fake = Fake::start(|_| Reply::Answer(200, "Content-Type: application/sdp\r\n".into(), sdp.into())).await;
    let (source, _cursor) = fake.open(Options::default());
    let error = failure(&source).await;
    assert!(matches!(&error, Error::NotVideo { what, .. } if what.contains("only pcmu")), "{error}");
}

#[tokio::test]
async fn lost_packets_are_marked_and_pictures_go_on() {
    let fake = Fake::start(|request| match method(request) {
        "PLAY" => {
            let mut bytes = head(200, request, "Session: 7\r\n", "");
            // A picture that refers to a lost one, and then a keyframe.
            bytes.extend_from_slice(&interleaved(&rtp(0)));
            bytes.extend_from_slice(&interleaved(&rtp(1)));
            bytes.extend_from_slice(&interleaved(&inter(5)));
            bytes.extend_from_slice(&interleaved(&inter(6)));
            [7, 8].iter().for_each(|at| bytes.extend_from_slice(&interleaved(&rtp(*at))));
            Reply::Raw(bytes)
        }
        _ => usual(request),
    })
    .await;
    let (_source, mut cursor) = fake.open(Options::default());
    let mut marks = Vec::new();
    for _ in 0..6 {
        let packet = timeout(PATIENCE, cursor.next()).await.unwrap().unwrap().packet;
        marks.push((packet.discontinuity, packet.corrupt));
    }
    let (good, damaged) = ((false, false), (false, true));
    assert_eq!(marks, [good, good, (true, true), damaged, good, good]);
}
