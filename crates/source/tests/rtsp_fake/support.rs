//! A scripted camera, and what is asked of a source that plays it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use feed::{Cursor, Start};
use source::{Error, Options, Status, Supervisor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Nothing here takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n\
    a=rtpmap:96 H264/90000\r\na=control:track1\r\n\
    a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuMsg==\r\n";

/// What a fake does with a request.
pub enum Reply {
    /// Status, further headers, body.
    Answer(u16, String, String),
    /// Bytes as they are.
    Raw(Vec<u8>),
    /// The same, and no more.
    Last(Vec<u8>),
    Silence,
    HangUp,
}

pub fn ok(headers: &str) -> Reply {
    Reply::Answer(200, headers.into(), String::new())
}

pub fn status(status: u16) -> Reply {
    Reply::Answer(status, String::new(), String::new())
}

/// How well-behaved cameras answer; a TCP camera's first pictures come with PLAY.
pub fn usual(request: &str) -> Reply {
    match method(request) {
        "DESCRIBE" => Reply::Answer(200, "Content-Type: application/sdp\r\n".into(), SDP.into()),
        "SETUP" => ok("Session: 7\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"),
        "PLAY" => {
            let mut bytes = head(200, request, "Session: 7\r\n", "");
            (0..3).for_each(|at| bytes.extend_from_slice(&interleaved(&rtp(at))));
            Reply::Raw(bytes)
        }
        _ => ok("Session: 7\r\n"),
    }
}

/// The same for a camera of this description, whose packets all come with PLAY.
pub fn sends(sdp: String, packets: Vec<Vec<u8>>) -> impl Fn(&str) -> Reply {
    move |request| match method(request) {
        "DESCRIBE" => Reply::Answer(200, "Content-Type: application/sdp\r\n".into(), sdp.clone()),
        "PLAY" => {
            let mut bytes = head(200, request, "Session: 7\r\n", "");
            packets.iter().for_each(|packet| bytes.extend_from_slice(&interleaved(packet)));
            Reply::Raw(bytes)
        }
        _ => usual(request),
    }
}

pub fn method(request: &str) -> &str {
    request.split(' ').next().unwrap_or_default()
}

pub fn head(status: u16, request: &str, headers: &str, body: &str) -> Vec<u8> {
    let cseq = request.lines().find(|line| line.starts_with("CSeq:")).unwrap_or("CSeq: 0");
    let length = body.len();
    format!("RTSP/1.0 {status} Whatever\r\n{cseq}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// A keyframe in a packet of its own.
pub fn rtp(number: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0xe0];
    packet.extend_from_slice(&number.to_be_bytes());
    packet.extend_from_slice(&(u32::from(number) * 3600).to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 9, 0x65, 0x88, 0x84, 0x21]);
    packet
}

/// A picture that refers to the one before it, in a packet of its own.
pub fn inter(number: u16) -> Vec<u8> {
    let mut packet = rtp(number);
    packet.truncate(12);
    packet.extend_from_slice(&[0x41, 0x9a, 0x21, 0x6c]);
    packet
}

pub fn interleaved(packet: &[u8]) -> Vec<u8> {
    let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
    [&[b'$', 0], &length[..], packet].concat()
}

/// A channel and what came on it.
pub type Interleaved = (u8, Vec<u8>);

/// A fake and the requests it got, of all its connections.
pub struct Fake {
    pub address: SocketAddr,
    pub requests: Arc<Mutex<Vec<String>>>,
    /// Interleaved packets that came, with their channels.
    pub reports: Arc<Mutex<Vec<Interleaved>>>,
}

impl Fake {
    pub async fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let reports = Arc::new(Mutex::new(Vec::new()));
        let (heard, seen) = (Arc::clone(&requests), Arc::clone(&reports));
        let reply = Arc::new(reply);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&reply), Arc::clone(&heard), Arc::clone(&seen)));
            }
        });
        Self { address, requests, reports }
    }

    pub fn open(&self, options: Options) -> (Supervisor, Cursor) {
        open(&format!("rtsp://admin:secret@{}/cam", self.address), options)
    }

    pub fn heard(&self, method: &str) -> usize {
        self.requests.lock().unwrap().iter().filter(|request| request.starts_with(method)).count()
    }
}

async fn serve(
    mut stream: TcpStream,
    reply: Arc<impl Fn(&str) -> Reply>,
    heard: Arc<Mutex<Vec<String>>>,
    seen: Arc<Mutex<Vec<Interleaved>>>,
) {
    let mut bytes = Vec::new();
    while stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
        while let [b'$', channel, high, low, rest @ ..] = bytes.as_slice()
            && let Some(packet) = rest.get(..usize::from(u16::from_be_bytes([*high, *low])))
        {
            seen.lock().unwrap().push((*channel, packet.to_vec()));
            bytes.drain(..4 + packet.len());
        }
        if bytes.first() == Some(&b'$') {
            continue;
        }
        while let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let request = String::from_utf8(bytes.drain(..end + 4).collect()).unwrap();
            heard.lock().unwrap().push(request.clone());
            let answer = match reply(&request) {
                Reply::Answer(status, headers, body) => head(status, &request, &headers, &body),
                Reply::Raw(bytes) => bytes,
                Reply::Last(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                    return;
                }
                Reply::Silence => continue,
                Reply::HangUp => return,
            };
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

pub fn open(url: &str, options: Options) -> (Supervisor, Cursor) {
    ffmpeg::init();
    let source = Supervisor::new("cam", url, options).unwrap();
    let cursor = source.feed().cursor(Start::Oldest);
    (source, cursor)
}

pub async fn failure(source: &Supervisor) -> Error {
    let mut status = source.status();
    let failed = |status: &Status| status.error.is_some();
    let status = timeout(PATIENCE, status.wait_for(failed)).await.expect("a failure in time").unwrap().clone();
    let error = status.error.unwrap();
    assert!(!error.to_string().contains("secret"), "{error}");
    error
}

pub async fn pictures(cursor: &mut Cursor, count: usize) {
    for _ in 0..count {
        timeout(PATIENCE, cursor.next()).await.expect("a picture in time").unwrap();
    }
}
