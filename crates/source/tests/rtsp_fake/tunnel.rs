//! RTSP in HTTP: a camera that takes it, with and without a password and TLS; one that does not.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use source::{Error, Options, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};

use crate::numbered::{COUNT, h264, numbers};
use crate::odd::without_parameters;
use crate::support::*;

/// A camera that speaks RTSP in HTTP.
struct Tunnel {
    address: SocketAddr,
    /// Heads of HTTP.
    heads: Arc<Mutex<Vec<String>>>,
    /// What was asked in RTSP.
    requests: Arc<Mutex<Vec<String>>>,
    waiting: Arc<tokio::sync::Mutex<HashMap<String, OwnedWriteHalf>>>,
    wants_login: bool,
    reads: Reads,
    reply: Box<dyn Fn(&str) -> Reply + Send + Sync>,
}

/// What a camera reads of a POST.
#[derive(Clone, Copy, PartialEq)]
enum Reads {
    /// All that comes, whatever was announced.
    All,
    /// What was announced, and hangs up.
    HangsUp,
    /// What was announced, and leaves the rest unread.
    Stops,
}

const DIGEST: &str = "WWW-Authenticate: Digest realm=\"cam\", nonce=\"n\"\r\n";

impl Tunnel {
    /// With `wants_login` it answers nobody without a password.
    async fn start(wants_login: bool) -> Arc<Self> {
        Self::reading(Reads::All, wants_login, usual).await
    }

    async fn reading(
        reads: Reads,
        wants_login: bool,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tunnel = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            heads: Arc::default(),
            requests: Arc::default(),
            waiting: Arc::default(),
            wants_login,
            reads,
            reply: Box::new(reply),
        });
        let served = Arc::clone(&tunnel);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = Arc::clone(&served);
                tokio::spawn(async move { served.serve(stream).await });
            }
        });
        tunnel
    }

    async fn serve(&self, stream: TcpStream) {
        let (mut reader, mut writer) = stream.into_split();
        let mut bytes = Vec::new();
        let end = loop {
            if reader.read_buf(&mut bytes).await.unwrap() == 0 {
                return;
            }
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = String::from_utf8(bytes.drain(..end).collect()).unwrap();
        let cookie = head.lines().find_map(|line| line.strip_prefix("x-sessioncookie: ")).unwrap().to_owned();
        self.heads.lock().unwrap().push(head.clone());
        // Hours later it asks by another nonce.
        let posts = self.heads().iter().filter(|head| head.starts_with("POST ")).count();
        if self.wants_login && head.starts_with("POST ") && posts > 1 && !head.contains("nonce=\"later\"") {
            let digest = DIGEST.replace("\"n\"", "\"later\", stale=true");
            let _ = writer.write_all(format!("HTTP/1.0 401 No\r\n{digest}\r\n").as_bytes()).await;
            return;
        }
        if self.wants_login && !head.contains("Authorization: Digest") {
            let _ = writer.write_all(format!("HTTP/1.0 401 No\r\n{DIGEST}\r\n").as_bytes()).await;
            return;
        }
        if head.starts_with("GET ") {
            let answer = b"HTTP/1.0 200 OK\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n";
            // It has to be found before the answer is read.
            let mut waiting = self.waiting.lock().await;
            writer.write_all(answer).await.unwrap();
            waiting.insert(cookie, writer);
            return;
        }
        let mut down = self.waiting.lock().await.remove(&cookie).expect("the POST comes behind its GET");
        let announced: usize =
            head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
        let (mut said, mut count) = (String::new(), 0);
        loop {
            if self.reads != Reads::All {
                bytes.truncate(announced - count);
            }
            count += bytes.len();
            said.push_str(&String::from_utf8(std::mem::take(&mut bytes)).unwrap());
            // Each message is coded by itself.
            while let Some(request) = whole(&said) {
                said.drain(..request.1);
                self.requests.lock().unwrap().push(request.0.clone());
                let answer = match (self.reply)(&request.0) {
                    Reply::Answer(status, headers, body) => head_of(status, &request.0, &headers, &body),
                    Reply::Raw(bytes) => bytes,
                    _ => continue,
                };
                if down.write_all(&answer).await.is_err() {
                    return;
                }
            }
            if self.reads != Reads::All && count == announced {
                // Another POST may come.
                self.waiting.lock().await.insert(cookie, down);
                if self.reads == Reads::Stops {
                    let _ = reader.readable().await;
                    std::future::pending().await
                }
                return;
            }
            if reader.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

use head as head_of;

/// A whole message, and how long its code is.
fn whole(code: &str) -> Option<(String, usize)> {
    let mut text = Vec::new();
    for (at, quad) in code.as_bytes().chunks_exact(4).enumerate() {
        text.extend(STANDARD.decode(quad).ok()?);
        let is_report = matches!(text[..], [b'$', _, 0, length, ..] if text.len() == 4 + usize::from(length));
        if is_report || text.ends_with(b"\r\n\r\n") {
            return Some((String::from_utf8_lossy(&text).into_owned(), 4 * (at + 1)));
        }
    }
    None
}

#[tokio::test]
async fn rtsp_comes_in_two_requests_of_http() {
    let camera = Tunnel::start(false).await;
    for scheme in ["rtsph", "rtsp+http"] {
        let (source, mut cursor) =
            open(&format!("{scheme}://admin:secret@{}/cam?a=b", camera.address), Options::default());
        pictures(&mut cursor, 3).await;
        assert_eq!(source.status().borrow().about.protocol, "rtsp over http");
    }
    let heads = camera.heads();
    assert!(heads[0].starts_with(&format!("GET /cam?a=b HTTP/1.0\r\nHost: {}\r\n", camera.address)), "{heads:?}");
    assert!(heads[1].starts_with("POST /cam?a=b HTTP/1.0\r\n"), "{heads:?}");
    for head in &heads[..2] {
        assert!(head.contains("application/x-rtsp-tunnelled\r\n"), "{heads:?}");
    }
    let requests = camera.requests.lock().unwrap().clone();
    assert!(
        requests[0].starts_with(&format!("DESCRIBE rtsp://{}/cam?a=b RTSP/1.0\r\n", camera.address)),
        "{requests:?}"
    );
    assert!(requests.iter().any(|request| request.contains("RTP/AVP/TCP;unicast;interleaved=0-1")), "{requests:?}");
}

#[tokio::test]
async fn both_requests_of_http_show_the_password() {
    let camera = Tunnel::start(true).await;
    let options = Options { transport: Transport::Http, ..Options::default() };
    let (_source, mut cursor) = open(&format!("rtsp://admin:secret@{}/cam", camera.address), options);
    pictures(&mut cursor, 3).await;
    let heads = camera.heads();
    let methods: Vec<_> = heads.iter().map(|head| (method(head), head.contains("Authorization: Digest"))).collect();
    assert_eq!(methods, [("GET", false), ("GET", true), ("POST", true)]);

    let (source, _cursor) = open(&format!("rtsph://{}/cam", camera.address), Options::default());
    let error = failure(&source).await;
    assert!(
        matches!(&error, Error::Unauthorized { status: 401, what } if what.contains("401 when asked for RTSP in HTTP")),
        "{error}"
    );
}

#[tokio::test]
async fn a_password_that_is_refused_by_the_post_alone_is_shown_it_once_and_told() {
    for (url, logins) in [("rtsph://admin:wrong@", 1), ("rtsph://", 0)] {
        for status in ["401 No\r\nWWW-Authenticate: Digest realm=\"cam\", nonce=\"n\"", "403 No"] {
            let fake = Fake::start(move |request| match method(request) {
                "GET" => Reply::Raw(b"HTTP/1.0 200 OK\r\n\r\n".to_vec()),
                _ => Reply::Last(format!("HTTP/1.0 {status}\r\n\r\n").into_bytes()),
            })
            .await;
            let (source, _cursor) = open(&format!("{url}{}/cam", fake.address), Options::default());
            let error = failure(&source).await;
            assert!(
                matches!(&error, Error::Unauthorized { what, .. } if what.contains("when asked for RTSP in HTTP")),
                "{error}"
            );
            let shown = fake.requests.lock().unwrap().iter().filter(|it| it.contains("Authorization: ")).count();
            let expected = if status.starts_with("401") { logins } else { 0 };
            assert_eq!(shown, expected, "{status} {:?}", fake.requests.lock().unwrap());
        }
    }
}

#[tokio::test]
async fn rtsp_comes_in_http_over_tls_too() {
    let camera = Tunnel::start(false).await;
    let (address, ..) = crate::secure::in_front_of(camera.address).await;
    for scheme in ["rtspsh", "rtsp+https"] {
        let options = crate::secure::trusting(source::Trust::Anybody);
        let (source, mut cursor) = open(&format!("{scheme}://{address}/cam"), options);
        pictures(&mut cursor, 3).await;
        assert_eq!(source.status().borrow().about.protocol, "rtsp over https (certificate not checked)");
    }
    let (source, _cursor) = open(&format!("rtspsh://{address}/cam"), Options::default());
    assert!(matches!(failure(&source).await, Error::Tls { .. }));
}

#[tokio::test]
async fn who_does_not_speak_rtsp_in_http_is_told() {
    for (answer, expected) in [
        ("RTSP/1.0 400 Bad Request\r\n\r\n", "found \"RTSP/1.0 400 Bad Request\"; does the camera speak RTSP in HTTP"),
        ("HTTP/1.1 404 Not Found\r\n\r\n", "answered 404 when asked for RTSP in HTTP"),
        ("HTTP/1.1 501 Not Implemented\r\n\r\n", "answered 501 when asked for RTSP in HTTP"),
    ] {
        let fake = Fake::start(|_| Reply::Raw(answer.into())).await;
        let (source, _cursor) = open(&format!("rtsph://{}/cam", fake.address), Options::default());
        let error = failure(&source).await.to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// Requests so long that a POST is at its end after some, and a picture or two behind each answer. Gives the heads
/// of HTTP, and how often there was a DESCRIBE.
async fn long_session(reads: Reads, wants_login: bool, length: usize, timeout_s: u32) -> (Vec<String>, usize) {
    let parts = Mutex::new(h264().into_iter());
    let camera = Tunnel::reading(reads, wants_login, move |request| {
        let streams = |count: usize| {
            let mut bytes = head_of(200, request, "Session: 7\r\nPublic: OPTIONS\r\n", "");
            let mut parts = parts.lock().unwrap();
            let mut ended = 0;
            while ended < count
                && let Some(packet) = parts.next()
            {
                ended += usize::from(packet[1] & 0x80 != 0);
                bytes.extend_from_slice(&interleaved(&packet));
            }
            Reply::Raw(bytes)
        };
        match method(request) {
            "DESCRIBE" => Reply::Answer(200, "Content-Type: application/sdp\r\n".into(), without_parameters()),
            "SETUP" => {
                ok(&format!("Session: 7;timeout={timeout_s}\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"))
            }
            "PLAY" => streams(1),
            "OPTIONS" if timeout_s > 10 => streams(10),
            "OPTIONS" => streams(5),
            _ => Reply::Silence,
        }
    })
    .await;
    let url = format!("rtsph://admin:secret@{}/cam?{}", camera.address, "x".repeat(length));
    let (source, mut cursor) = open(&url, Options { gap_timeout: PATIENCE, ..Options::default() });
    assert!(numbers(&mut cursor, COUNT).await.into_iter().eq(0..COUNT));
    assert_eq!(source.status().borrow().reconnects, 0);
    let asked = camera.requests.lock().unwrap().iter().filter(|request| request.starts_with("DESCRIBE")).count();
    (camera.heads(), asked)
}

#[tokio::test]
async fn a_post_that_is_hung_up_at_its_announced_length_is_followed_by_another() {
    for wants_login in [false, true] {
        let (heads, described) = long_session(Reads::HangsUp, wants_login, 5000, 4).await;
        let posts: Vec<_> = heads.iter().filter(|head| head.starts_with("POST ")).collect();
        let cookie = |head: &str| head.lines().find(|line| line.starts_with("x-sessioncookie")).unwrap().to_owned();
        assert!(
            posts.len() >= 2 + usize::from(wants_login) && posts.iter().all(|post| cookie(post) == cookie(posts[0])),
            "{}",
            posts.len()
        );
        assert_eq!(
            (described, heads.iter().filter(|head| head.starts_with("GET ")).count()),
            (1, 1 + usize::from(wants_login))
        );
    }
}

#[tokio::test]
async fn a_post_that_is_read_beyond_its_announced_length_is_gone_on_with() {
    let (heads, described) = long_session(Reads::All, false, 5000, 4).await;
    assert_eq!((heads.len(), described), (2, 1));
}

#[tokio::test]
async fn a_post_of_which_no_more_is_read_is_followed_by_another_when_no_answer_comes() {
    let (heads, described) = long_session(Reads::Stops, false, 5600, 12).await;
    assert_eq!((heads.len(), described), (3, 1));
}
