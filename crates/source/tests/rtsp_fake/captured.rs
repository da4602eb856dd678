//! What RTSP cameras sent, captured and played again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use source::{Options, Transport, Trust, doctor};
use tokio::net::UdpSocket;

use crate::captures::{Folder, assert_absent, watch};
use crate::secure::{in_front_of, trusting};
use crate::support::*;

const PASSWORD: &str = "hunt/er2";

fn url(fake: &Fake) -> String {
    format!("rtsp://admin:{PASSWORD}@{}/cam?token=tok-en-123", fake.address)
}

/// A camera that wants a password, tells its address with it, loses some packets, and hangs up.
fn lossy(request: &str) -> Reply {
    let challenge = "WWW-Authenticate: Basic realm=\"cam\"\r\n";
    match method(request) {
        _ if !request.contains("Authorization:") => Reply::Answer(401, challenge.into(), String::new()),
        "DESCRIBE" => {
            let base = format!("Content-Type: application/sdp\r\nX-Echo: /{PASSWORD}/\r\n");
            Reply::Answer(200, base, SDP.into())
        }
        "PLAY" => {
            let mut bytes = head(200, request, "Session: 7\r\n", "");
            bytes.extend_from_slice(&interleaved(&rtp(0)));
            bytes.extend_from_slice(&interleaved(&rtp(1)));
            bytes.extend_from_slice(&interleaved(&inter(5)));
            bytes.extend_from_slice(&interleaved(&inter(6)));
            (7..40).for_each(|at| bytes.extend_from_slice(&interleaved(&rtp(at))));
            Reply::Raw(bytes)
        }
        "TEARDOWN" => Reply::HangUp,
        _ => usual(request),
    }
}

#[tokio::test]
async fn pictures_and_marks_of_loss_are_played_as_they_came() {
    let fake = Fake::start(lossy).await;
    let folder = Folder::new();
    let options = Options { gap_timeout: Duration::from_secs(1), ..Options::default() };
    let came = watch(&url(&fake), folder.options(options), 100).await;
    assert_eq!(came.seen.len(), 37, "{:?}", came.error);
    assert!(came.seen.iter().any(|seen| seen.corrupt) && came.seen.iter().any(|seen| seen.discontinuity));
    for query in ["?speed=max", "?speed=1", ""] {
        let played = watch(&folder.url(query), Options::default(), 100).await;
        assert_eq!(played.seen, came.seen, "{query}");
        assert_eq!(played.error, came.error, "{query}");
    }
    assert_absent(&folder.file(), &[PASSWORD, "tok-en-123"]);
}

#[tokio::test]
async fn what_came_over_tls_is_played_as_it_came() {
    let fake = Fake::start(lossy).await;
    let (address, ..) = in_front_of(fake.address).await;
    let folder = Folder::new();
    let options = Options { gap_timeout: Duration::from_secs(1), ..trusting(Trust::Anybody) };
    let url = format!("rtsps://admin:{PASSWORD}@{address}/cam?token=tok-en-123");
    let came = watch(&url, folder.options(options.clone()), 100).await;
    assert_eq!(came.seen.len(), 37, "{:?}", came.error);
    assert!(came.seen.iter().any(|seen| seen.corrupt) && came.seen.iter().any(|seen| seen.discontinuity));
    for query in ["?speed=max", ""] {
        let played = watch(&folder.url(query), Options::default(), 100).await;
        assert_eq!(played.seen, came.seen, "{query}");
        assert_eq!(played.error, came.error, "{query}");
    }
    let said = verdicts(&url, folder.options(options)).await;
    assert_eq!(verdicts(&folder.url("?speed=max"), Options::default()).await, said);
    assert_absent(&folder.file(), &[PASSWORD, "tok-en-123"]);
}

#[tokio::test]
async fn datagrams_are_played_as_they_came() {
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let server_port = socket.local_addr().unwrap().port();
    let client_port = Mutex::new(0);
    let fake = Fake::start(move |request| match method(request) {
        "SETUP" => {
            let ports = request.split_once("client_port=").unwrap().1;
            let port: u16 = ports.split(['-', '\r', ';']).next().unwrap().parse().unwrap();
            *client_port.lock().unwrap() = port;
            let transport = format!("RTP/AVP;unicast;client_port={port};server_port={server_port}-{}", server_port + 1);
            ok(&format!("Session: 7\r\nTransport: {transport}\r\n"))
        }
        "PLAY" => {
            let (socket, port) = (Arc::clone(&socket), *client_port.lock().unwrap());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                // Two change places, one is lost.
                for number in [0, 1, 3, 2, 4, 6, 7, 8, 9, 10] {
                    socket.send_to(&rtp(number), ("127.0.0.1", port)).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
            ok("Session: 7\r\n")
        }
        _ => usual(request),
    })
    .await;
    let folder = Folder::new();
    let options = Options { transport: Transport::Udp, gap_timeout: Duration::from_millis(700), ..Options::default() };
    let came = watch(&url(&fake), folder.options(options), 100).await;
    assert_eq!(came.seen.len(), 10, "{:?}", came.error);
    let played = watch(&folder.url(""), Options::default(), 100).await;
    assert_eq!(played.seen, came.seen);
    assert_eq!(played.error, came.error);
    let fast = watch(&folder.url("?speed=max"), Options::default(), 100).await;
    assert_eq!(fast.untimed(), came.untimed(), "{:?}", fast.error);
}

/// How a camera answers.
type Says = fn(&str) -> Reply;

/// What is said of a source.
async fn verdicts(url: &str, options: Options) -> Vec<(&'static str, String)> {
    let options = Options { repeat_files: false, ..options };
    let report = doctor::examine(url, options, Duration::from_millis(100)).await;
    assert!(source::Capture::written(PATIENCE));
    report.verdicts.into_iter().map(|verdict| (verdict.code, verdict.sentence)).collect()
}

#[tokio::test]
async fn the_doctor_says_of_a_capture_what_it_said_of_the_camera() {
    ffmpeg::init();
    let basic: Says = |_| {
        let challenge = "WWW-Authenticate: Basic realm=\"cam\"\r\n";
        Reply::Answer(401, challenge.into(), String::new())
    };
    let cases: [(&str, Says); 13] = [
        ("a wrong password", basic),
        ("403", |_| status(403)),
        ("404", |_| status(404)),
        ("453", |_| status(453)),
        ("500", |_| status(500)),
        ("no session", |text| if method(text) == "SETUP" { status(454) } else { usual(text) }),
        ("no play", |text| if method(text) == "PLAY" { status(503) } else { usual(text) }),
        ("no answer", |_| Reply::Silence),
        ("no picture", |text| if method(text) == "PLAY" { ok("Session: 7\r\n") } else { usual(text) }),
        ("HTTP", |_| Reply::Raw(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".into())),
        ("FTP", |_| Reply::Raw(b"220 ftp ready\r\n".into())),
        ("a hang-up", |_| Reply::HangUp),
        ("sound alone", |_| {
            let sdp =
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:track1\r\n";
            Reply::Answer(200, "Content-Type: application/sdp\r\n".into(), sdp.into())
        }),
    ];
    let mut told = std::collections::BTreeSet::new();
    for (name, reply) in cases {
        let fake = Fake::start(reply).await;
        let folder = Folder::new();
        let options = Options { open_timeout: Duration::from_secs(2), ..Options::default() };
        let then = verdicts(&url(&fake), folder.options(options.clone())).await;
        let now = verdicts(&folder.url("?speed=max"), options).await;
        assert_eq!(now, then, "{name}");
        assert_absent(&folder.file(), &[PASSWORD]);
        told.insert(then[0].0);
    }
    assert!(told.len() >= 8, "{told:?}");
}

/// A sender's report of a camera whose clock is a thousand seconds behind (RFC 3550 section 6.4.1).
fn late(text: &str) -> Reply {
    if method(text) != "PLAY" {
        return usual(text);
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let ntp = u32::try_from(now - 1000 + 2_208_988_800).unwrap().to_be_bytes();
    let mut report = interleaved(&[&rtcp_head()[..], &ntp, &[0; 16]].concat());
    report[1] = 1;
    let mut bytes = head(200, text, "Session: 7\r\n", "");
    bytes.extend_from_slice(&report);
    (0..10).for_each(|at| bytes.extend_from_slice(&interleaved(&rtp(at))));
    Reply::Raw(bytes)
}

/// The begin of a report of the stream that [`rtp`] is of.
fn rtcp_head() -> Vec<u8> {
    [&[0x80, 200, 0, 6][..], &rtp(0)[8..12]].concat()
}

#[tokio::test]
async fn a_capture_s_age_is_no_fault_of_the_camera_s_clock() {
    ffmpeg::init();
    let (fake, folder) = (Fake::start(late).await, Folder::new());
    let is_off = |told: &[(&str, String)]| told.iter().any(|(code, _)| *code == "clock-off");
    assert!(is_off(&verdicts(&url(&fake), folder.options(Options::default())).await));
    for query in ["", "?speed=max"] {
        assert!(is_off(&verdicts(&folder.url(query), Options::default()).await), "{query}");
    }
    // The same camera, captured when its clock was right, which is a thousand seconds ago.
    let mut bytes = std::fs::read(folder.file()).unwrap();
    let name = b"began_unix_us: ";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    let began: u64 = std::str::from_utf8(&bytes[at..at + 16]).unwrap().parse().unwrap();
    bytes[at..at + 16].copy_from_slice((began - 1_000_000_000).to_string().as_bytes());
    std::fs::write(folder.file(), bytes).unwrap();
    for query in ["", "?speed=max"] {
        let told = verdicts(&folder.url(query), Options::default()).await;
        assert!(!told.is_empty() && !is_off(&told), "{query}: {told:?}");
    }
}

#[tokio::test]
async fn what_is_said_through_a_tunnel_of_http_is_not_in_the_file() {
    let secret = base64::engine::general_purpose::STANDARD.encode(PASSWORD);
    let fake = Fake::start(lossy).await;
    let folder = Folder::new();
    let options = Options { transport: Transport::Http, open_timeout: Duration::from_secs(2), ..Options::default() };
    let came = watch(&url(&fake), folder.options(options), 1).await;
    // It is no such camera.
    assert!(came.error.is_some());
    let played = watch(&folder.url("?speed=max"), Options::default(), 1).await;
    assert_eq!(played.error, came.error);
    assert_absent(&folder.file(), &[PASSWORD, &secret]);
}
