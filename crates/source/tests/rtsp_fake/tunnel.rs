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

use crate::support::*;

/// A camera that speaks RTSP in HTTP.
struct Tunnel {
    address: SocketAddr,
    /// Heads of HTTP.
    heads: Arc<Mutex<Vec<String>>>,
    /// What was asked in RTSP.
    requests: Arc<Mutex<Vec<String>>>,
    waiting: Arc<tokio::sync::Mutex<HashMap<String, OwnedWriteHalf>>>,
}

const DIGEST: &str = "WWW-Authenticate: Digest realm=\"cam\", nonce=\"n\"\r\n";

impl Tunnel {
    /// With `wants_login` it answers nobody without a password. `stickler` takes the POST in a single piece.
    async fn start(wants_login: bool) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tunnel = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            heads: Arc::default(),
            requests: Arc::default(),
            waiting: Arc::default(),
        });
        let served = Arc::clone(&tunnel);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = Arc::clone(&served);
                tokio::spawn(async move { served.serve(stream, wants_login).await });
            }
        });
        tunnel
    }

    async fn serve(&self, stream: TcpStream, wants_login: bool) {
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
        if wants_login && !head.contains("Authorization: Digest") {
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
        let mut said = String::new();
        loop {
            said.push_str(&String::from_utf8(std::mem::take(&mut bytes)).unwrap());
            // Each message is coded by itself.
            while let Some(request) = (1..=said.len() / 4).find_map(|count| whole(&said[..4 * count])) {
                said.drain(..request.1);
                self.requests.lock().unwrap().push(request.0.clone());
                let answer = match usual(&request.0) {
                    Reply::Answer(status, headers, body) => head_of(status, &request.0, &headers, &body),
                    Reply::Raw(bytes) => bytes,
                    _ => continue,
                };
                if down.write_all(&answer).await.is_err() {
                    return;
                }
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
    let text = String::from_utf8(STANDARD.decode(code).ok()?).ok()?;
    text.ends_with("\r\n\r\n").then_some((text, code.len()))
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
