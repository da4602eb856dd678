//! What goes wrong, and what is said of it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rcgen::date_time_ymd;
use source::{Access, Options, Pin, Trust};
use tokio::net::TcpListener;

use crate::{fakes, rtsp, tls};
use fakes::{MULTIPART, PICTURE, greets, part, pictures, says};

#[allow(dead_code, reason = "one example of several that use it")]
#[path = "../../../mms/examples/mmst_server/serve.rs"]
mod mms;

/// One failure.
pub struct Case {
    pub code: &'static str,
    pub url: String,
    pub options: Options,
    pub watch: Duration,
}

/// Waits that nobody has to sit through.
fn brief() -> Options {
    let limit = Duration::from_secs(3);
    Options { open_timeout: limit, gap_timeout: limit, ..Options::default() }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, code: &'static str, url: impl Into<String>) -> &mut Case {
        self.0.push(Case { code, url: url.into(), options: brief(), watch: ms(1500) });
        self.0.last_mut().unwrap()
    }

    fn trusting(&mut self, code: &'static str, url: String, trust: Trust) {
        self.add(code, url).options.access = Access { trust, ..Access::default() };
    }
}

pub async fn all(folder: &Path) -> Vec<Case> {
    let mut cases = Cases::default();
    urls(&mut cases);
    connections(&mut cases).await;
    certificates(&mut cases, folder).await;
    answers(&mut cases).await;
    contents(&mut cases, folder).await;
    streams(&mut cases, folder).await;
    cases.0
}

fn urls(cases: &mut Cases) {
    for (code, url) in [
        ("url-unknown-protocol", "htp://cam/x"),
        ("url-no-protocol", "127.0.0.1:8100/video.mjpg"),
        ("url-no-host", "http:///x"),
        ("url-port", "http://cam:99999/"),
        ("url-port", "rtsp://admin:hunter2:x@cam:nine/"),
        ("url-not-understood", "hikvision://cam?channel=none"),
        ("url-empty", ""),
        ("is-a-feed", "push:"),
        ("file-missing", "/no/such/file.mp4"),
        ("device-missing", "/dev/video99"),
    ] {
        cases.add(code, url);
    }
}

async fn connections(cases: &mut Cases) {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for scheme in ["http", "rtsp", "mmst", "onvif", "ws", "rtmp"] {
        cases.add("port-closed", format!("{scheme}://{closed}/x"));
    }
    cases.add("name-unknown", "rtsp://no-such-host.invalid/x");
    // No connection goes to a group of many.
    cases.add("no-route", "http://224.0.0.1/x");
    // Nobody takes what connects, and the queue is full.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let waiting: Vec<_> = (0..4).map(|_| tokio::spawn(tokio::net::TcpStream::connect(address))).collect();
    tokio::time::sleep(ms(200)).await;
    // They and the listener stay until the process ends.
    std::mem::forget((full, waiting));
    cases.add("address-silent", format!("http://{address}/x"));
    for scheme in ["http", "rtsp"] {
        let (hangs_up, _) = fakes::at(|stream| async move { drop(stream) }).await;
        cases.add("hung-up", format!("{scheme}://{hangs_up}/x"));
    }
    for scheme in ["http", "rtsp", "ws", "onvif"] {
        cases.add("mute", format!("{scheme}://{}/x", says("", true).await));
    }
    // It takes the connection, and says nothing of a stream that it does not know.
    cases.add("mute", format!("rtmp://{}/live/x", says("", true).await));
    // Single pictures, asked for more often than its host may be.
    let picture = format!("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", PICTURE.len());
    let often =
        cases.add("held-back", format!("http://{}/x.jpg", says([picture.as_bytes(), PICTURE].concat(), true).await));
    (often.options.poll, often.options.manners.apart) = (ms(1), ms(50));
    // What a server of TLS says to who speaks without (RFC 8446 section 6).
    cases.add("tls-expected", format!("http://{}/x", greets(b"\x15\x03\x01\x00\x02\x02\x16").await));
    let wants = "HTTP/1.1 400 Bad Request\r\n\r\nThis is an HTTPS server; speak HTTPS.";
    cases.add("tls-expected", format!("http://{}/x", says(wants, false).await));
    cases.add("not-tls", format!("https://{}/x", greets(b"HTTP/1.1 400 Bad Request\r\n\r\n").await));
    cases.add("not-tls", format!("rtsps://{}/x", greets(b"RTSP/1.0 400 Bad Request\r\n\r\n").await));
    cases.add("tls-fault", format!("https://{}/x", greets(b"\x15\x03\x03\x00\x02\x02\x28").await));
}

async fn certificates(cases: &mut Cases, folder: &Path) {
    let (address, _) = tls::server(folder, "unknown", |_| ()).await;
    let (_, other) = tls::server(folder, "another", |_| ()).await;
    cases.trusting("certificate-unknown", format!("https://{address}/x"), Trust::File(other));
    cases.trusting("certificate-changed", format!("https://{address}/x"), Trust::Pin(Pin([7; 32])));
    let (address, file) = tls::server(folder, "old", |params| params.not_after = date_time_ymd(2020, 1, 2)).await;
    cases.trusting("certificate-expired", format!("https://{address}/x"), Trust::File(file.clone()));
    cases.trusting("certificate-expired", format!("rtsps://{address}/x"), Trust::File(file));
    let (address, file) = tls::server(folder, "new", |params| params.not_before = date_time_ymd(2090, 1, 2)).await;
    cases.trusting("certificate-early", format!("https://{address}/x"), Trust::File(file));
    let (address, file) = tls::server(folder, "name", |params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("camera.example".try_into().unwrap())];
    })
    .await;
    cases.trusting("certificate-name", format!("https://{address}/x"), Trust::File(file));
}

async fn answers(cases: &mut Cases) {
    for (code, status) in [
        ("login-wanted", "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\""),
        ("login-forbidden", "403 Forbidden"),
        ("path-unknown", "404 Not Found"),
        ("camera-busy", "503 Service Unavailable"),
        ("camera-fault", "500 Internal Server Error"),
        ("camera-refuses", "418 I'm a teapot"),
    ] {
        let answer = |protocol: &str| format!("{protocol} {status}\r\nCSeq: 1\r\nContent-Length: 0\r\n\r\n");
        cases.add(code, format!("http://{}/x", says(answer("HTTP/1.1"), false).await));
        cases.add(code, format!("rtsp://{}/x", says(answer("RTSP/1.0"), true).await));
    }
    cases.add("camera-busy", format!("rtsp://{}/x", says("RTSP/1.0 453 No\r\nCSeq: 1\r\n\r\n", true).await));
    let digest = "401 No\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"n\", qop=\"auth\"\r\nCSeq: 1\r\nContent-Length: 0\r\n\r\n";
    for (scheme, protocol) in [("http", "HTTP/1.1"), ("rtsp", "RTSP/1.0"), ("onvif", "HTTP/1.1")] {
        let address = says(format!("{protocol} {digest}"), true).await;
        cases.add("login-refused", format!("{scheme}://admin:hunter2@{address}/x"));
    }
    let other = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno source is called \"x\"; there is front\n";
    cases.add("name-not-served", format!("http://{}/x.mjpeg", says(other, false).await));
    let circle = "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n";
    cases.add("redirects-on", format!("http://{}/x", says(circle, false).await));
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html><title>Login</title></html>";
    cases.add("is-a-page", format!("http://{}/x", says(page, false).await));
    // It reads the question to its end, as web servers do.
    let web = "HTTP/1.1 404 Not Found\r\nContent-Length: 20\r\n\r\n<html>nothing</html>";
    cases.add("not-onvif", format!("onvif://{}", says(web, true).await));
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html><input type=\"password\"></html>";
    cases.add("is-a-login-page", format!("http://{}/x", says(page, false).await));
    let kind = "HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n";
    cases.add("login-kind", format!("http://admin:hunter2@{}/x", says(kind, false).await));
    cases.add("login-kind", format!("http://{}/x", says(kind, false).await));
    let text = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nstream not started";
    cases.add("is-a-text", format!("http://{}/x", says(text, false).await));
    let bad = "HTTP/1.1 400 Bad Request\r\n\r\n";
    cases.add("other-protocol", format!("rtsp://{}/x", says(bad, false).await));
    let bad = "RTSP/1.0 400 Bad Request\r\nCSeq: 1\r\n\r\n";
    cases.add("other-protocol", format!("http://{}/x", says(bad, false).await));
    let gstreamer = "HTTP/1.1 503 Service Unavailable\r\nServer: GStreamer RTSP server\r\nContent-Length: 0\r\n\r\n";
    cases.add("other-protocol", format!("http://{}/x", says(gstreamer, false).await));
    let zipped = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f";
    cases.add("unsupported", format!("http://{}/x", says(zipped, false).await));
    let options = mms::Options { refuse: Some(0xC00D_001A), ..mms::Options::default() };
    let listener = mms::Listener::bind([127, 0, 0, 1].into(), 0).unwrap();
    let address = listener.address();
    std::thread::spawn(move || listener.serve(&options));
    cases.add("not-on-air", format!("mmst://{address}/live"));
}

async fn contents(cases: &mut Cases, folder: &Path) {
    let sound = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:track1\r\n";
    cases.add("no-video", format!("rtsp://{}/x", rtsp::camera(sound.into(), Vec::new()).await));
    // The Header Object ([ASF] 3.1) around what a header in the corpus of the fuzzers consists of.
    let objects = include_bytes!("../../../../fuzz/corpus/asf_header/encrypted");
    let guid = [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, 0xa6, 0xd9, 0x00, 0xaa, 0x00, 0x62, 0xce, 0x6c];
    let size = (30 + objects.len() as u64).to_le_bytes();
    let header = [&guid[..], &size, &[1, 0, 0, 0, 1, 2], objects].concat();
    // And the begin of a Data Object (5.1), which differs in one byte.
    let header = [&header[..], &[0x36], &guid[1..], &[50, 0, 0, 0, 0, 0, 0, 0], &[0; 26]].concat();
    let answer = [&b"HTTP/1.1 200 OK\r\nContent-Type: video/x-ms-asf\r\n\r\n"[..], &header].concat();
    cases.add("encrypted", format!("http://{}/x.wmv", says(answer, false).await));
    let noise = folder.join("noise.mp4");
    std::fs::write(&noise, [0x5a; 4000]).unwrap();
    cases.add("file-no-video", noise.to_str().unwrap());
    let cut = folder.join("cut.mp4");
    std::fs::write(&cut, [b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\x27\x10mdat", &[7; 2000][..]].concat()).unwrap();
    cases.add("file-cut", cut.to_str().unwrap());
    cases.add("file-cut", half(folder).to_str().unwrap()).watch = ms(300);
    let noise = [b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n", &[1; 4000][..]].concat();
    cases.add("garbage", format!("http://{}/x", says(noise, false).await));
    cases.add("no-decoder", unknown_codec(folder).to_str().unwrap());
    // Pictures that all refer to one that is no picture.
    let nonsense = (0..200).map(|at| (40, rtsp::picture(at, u32::from(at) * 40, at == 0))).collect();
    cases.add("not-decodable", format!("rtsp://{}/x", rtsp::camera(rtsp::SDP.into(), nonsense).await));
}

/// The first half of an MP4 whose index is in front.
fn half(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("half.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=3", "-c:v", "libx264"])
        .args(["-pix_fmt", "yuv420p", "-movflags", "+faststart"])
        .arg(&path)
        .status()
        .expect("ffmpeg is installed");
    assert!(made.success());
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() * 6 / 10]).unwrap();
    path
}

/// An AVI whose codec nobody knows.
fn unknown_codec(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("unknown.avi");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=1", "-c:v", "mjpeg"])
        .arg(&path)
        .status()
        .expect("ffmpeg is installed");
    assert!(made.success());
    let mut bytes = std::fs::read(&path).unwrap();
    let places: Vec<_> = bytes.windows(4).enumerate().filter(|(_, four)| *four == b"MJPG").map(|(at, _)| at).collect();
    for at in places.into_iter().take(2) {
        bytes[at..at + 4].copy_from_slice(b"ZZ9Q");
    }
    std::fs::write(&path, bytes).unwrap();
    path
}

async fn streams(cases: &mut Cases, folder: &Path) {
    let even = |at: usize| Some((at, ms(40)));
    cases.add("well", format!("http://{}/x", pictures(Duration::ZERO, even).await));
    cases.add("no-picture", format!("http://{}/x", says(MULTIPART, true).await));
    let silent = pictures(Duration::ZERO, |at| (at < 5).then_some((at, ms(40)))).await;
    cases.add("stalls", format!("http://{silent}/x")).watch = Duration::from_secs(20);
    let cut = [MULTIPART.as_bytes(), &part(1), &part(2), &part(3)[..900]].concat();
    cases.add("ended", format!("http://{}/x", says(cut, false).await));
    let still = [&b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n"[..], PICTURE].concat();
    cases.add("still", format!("http://{}/x.jpg", says(still, false).await)).options.poll = ms(20);
    let alone = pictures(Duration::ZERO, |at| (at < 1).then_some((at, ms(40)))).await;
    cases.add("stalls", format!("http://{alone}/x")).watch = ms(3200);
    let photograph = folder.join("photograph.jpg");
    std::fs::write(&photograph, PICTURE).unwrap();
    cases.add("one-picture", photograph.to_str().unwrap()).options.repeat_files = false;
    cases.add("frozen", format!("http://{}/x", pictures(Duration::ZERO, |_| Some((1, ms(40)))).await));
    let slow = cases.add("slow-to-open", format!("http://{}/x", pictures(ms(4300), even).await));
    slow.options.open_timeout = Duration::from_secs(20);

    let key = |at: u16| (40, rtsp::picture(at, u32::from(at) * 40, true));
    let lossy: Vec<_> = (0..60).filter(|at| at % 5 != 3).map(key).collect();
    cases.add("loses-packets", format!("rtsp://{}/x", rtsp::camera(rtsp::SDP.into(), lossy).await));
    let mut wrong_clock: Vec<_> = (0..60).map(key).collect();
    // The year 2001.
    wrong_clock.insert(0, (0, rtsp::report(2_208_988_800 + 1_000_000_000)));
    cases.add("clock-off", format!("rtsp://{}/x", rtsp::camera(rtsp::SDP.into(), wrong_clock).await));
    let rare = (0..80).map(|at| (100, rtsp::picture(at, u32::from(at) * 100, at % 55 == 0))).collect();
    cases.add("rare-keyframes", format!("rtsp://{}/x", rtsp::camera(rtsp::SDP.into(), rare).await)).watch = ms(3000);
    let bursts = (0..60).map(|at| (if at % 4 == 3 { 700 } else { 1 }, rtsp::picture(at, u32::from(at) * 175, true)));
    cases.add("uneven", format!("rtsp://{}/x", rtsp::camera(rtsp::SDP.into(), bursts.collect()).await)).watch =
        ms(3000);
    let declared = format!("{}a=framerate:50\r\n", rtsp::SDP);
    let few: Vec<_> = (0..20).map(|at| (200, rtsp::picture(at, u32::from(at) * 200, true))).collect();
    cases.add("slower-than-declared", format!("rtsp://{}/x", rtsp::camera(declared, few).await)).watch = ms(3000);
}
