//! Oddities that somebody has told of in public (docs/CAMERAS.md has the threads), each with numbered pictures
//! that all have to come.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use source::{Error, Options, Supervisor, Transport};
use tokio::net::UdpSocket;

use crate::mpeg4;
use crate::numbered::{COUNT, fragments, h264, h264_in, numbers};
use crate::odd::{short_lived, without_parameters};
use crate::support::*;

/// A description, its packets, and how many of the pictures come when no more are sent.
type Sent = (String, Vec<Vec<u8>>, u16);

/// What we take in ourselves, and what FFmpeg takes in by our gate, which holds the last one back.
fn both() -> [Sent; 2] {
    let (sdp, packets) = mpeg4::packets();
    [(without_parameters(), h264(), COUNT), (sdp, packets, COUNT - 2)]
}

async fn all_come(fake: &Fake, options: Options, count: u16) -> Supervisor {
    let (source, mut cursor) = fake.open(options);
    assert!(numbers(&mut cursor, count).await.into_iter().eq(0..count));
    assert_eq!(source.status().borrow().reconnects, 0);
    source
}

/// The same answer with this header.
fn with(header: &str, reply: Reply) -> Reply {
    match reply {
        Reply::Answer(status, headers, body) => Reply::Answer(status, format!("{header}\r\n{headers}"), body),
        other => other,
    }
}

fn lines_of(fake: &Fake, method: &str) -> Vec<String> {
    let requests = fake.requests.lock().unwrap();
    let first = |request: &String| request.lines().next().unwrap().to_owned();
    requests.iter().filter(|request| request.starts_with(method)).map(first).collect()
}

// As of SV3C SV-B01POE-1080P-L (none) and "icamra ipc" (twice): docs/CAMERAS.md.
#[tokio::test]
async fn a_base_without_its_protocol_or_with_it_twice_is_understood() {
    for before in ["", "rtsp://rtsp://"] {
        for (sdp, packets, count) in both() {
            let usual = sends(sdp, packets);
            let fake = Fake::start(move |request| match method(request) {
                "DESCRIBE" => {
                    let host = request.split('/').nth(2).unwrap();
                    with(&format!("Content-Base: {before}{host}/stream0/"), usual(request))
                }
                "SETUP" if !request.contains("/stream0/track1 RTSP") => status(404),
                _ => usual(request),
            })
            .await;
            let _source = all_come(&fake, Options::default(), count).await;
            let expected = format!("SETUP rtsp://{}/stream0/track1 RTSP/1.0", fake.address);
            assert!(lines_of(&fake, "SETUP").iter().all(|line| *line == expected), "{:?}", lines_of(&fake, "SETUP"));
        }
    }
}

// As of Axis 241Q: docs/CAMERAS.md.
/// It calls itself by the address that it has behind its router; it is asked for that, where it was found.
#[tokio::test]
async fn an_address_that_leads_nowhere_is_asked_for_where_the_camera_was_found() {
    const OWN: &str = "rtsp://192.0.2.90:554/mpeg4/1/media.amp/";
    for (sdp, packets, count) in both() {
        let usual = sends(sdp.replace("IN IP4 127.0.0.1", "IN IP4 192.0.2.90"), packets);
        let fake = Fake::start(move |request| match method(request) {
            "DESCRIBE" => with(&format!("Content-Base: {OWN}"), usual(request)),
            "SETUP" => ok("Session: 7\r\nTransport: RTP/AVP/TCP;unicast;source=192.0.2.90;interleaved=0-1\r\n"),
            _ => usual(request),
        })
        .await;
        let _source = all_come(&fake, Options::default(), count).await;
        assert!(lines_of(&fake, "SETUP").iter().all(|line| *line == format!("SETUP {OWN}track1 RTSP/1.0")));
    }

    let sender = Arc::new(Sender::new(h264(), ";source=192.0.2.90").await);
    let playing = Arc::clone(&sender);
    let fake = Fake::start(move |request| match method(request) {
        "DESCRIBE" => {
            let headers = format!("Content-Type: application/sdp\r\nContent-Base: {OWN}\r\n");
            Reply::Answer(200, headers, without_parameters())
        }
        "SETUP" => sender.agrees(request),
        "PLAY" => sender.plays(),
        _ => usual(request),
    })
    .await;
    let options = Options { transport: Transport::Udp, ..Options::default() };
    let _source = all_come(&fake, options, COUNT).await;
    drop(playing);
}

/// Who sends datagrams.
struct Sender {
    socket: Arc<UdpSocket>,
    packets: Vec<Vec<u8>>,
    /// What else its Transport says.
    more: &'static str,
    /// Where they have to go.
    to: Mutex<u16>,
}

impl Sender {
    async fn new(packets: Vec<Vec<u8>>, more: &'static str) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        Self { socket, packets, more, to: Mutex::new(0) }
    }

    fn transport(&self, theirs: u16) -> String {
        let ours = self.socket.local_addr().unwrap().port();
        let (theirs_too, ours_too) = (theirs.wrapping_add(1), ours.wrapping_add(1));
        format!(
            "Transport: RTP/AVP/UDP;unicast{};client_port={theirs}-{theirs_too};server_port={ours}-{ours_too}\r\n",
            self.more
        )
    }

    fn agrees(&self, request: &str) -> Reply {
        let ports = request.split_once("client_port=").unwrap().1;
        *self.to.lock().unwrap() = ports.split('-').next().unwrap().parse().unwrap();
        ok(&format!("Session: 7\r\n{}", self.transport(*self.to.lock().unwrap())))
    }

    fn plays(&self) -> Reply {
        let (socket, packets, to) = (Arc::clone(&self.socket), self.packets.clone(), *self.to.lock().unwrap());
        tokio::spawn(async move {
            for packet in packets {
                socket.send_to(&packet, ("127.0.0.1", to)).await.unwrap();
            }
        });
        ok("Session: 7\r\n")
    }
}

// As of Yoose: docs/CAMERAS.md.
#[tokio::test]
async fn who_agrees_to_tcp_and_means_udp_is_asked_by_udp() {
    for (sdp, packets, count) in both() {
        let sender = Sender::new(packets, "").await;
        let fake = Fake::start(move |request| match method(request) {
            "DESCRIBE" => Reply::Answer(200, "Content-Type: application/sdp\r\n".into(), sdp.clone()),
            "SETUP" if request.contains("RTP/AVP/TCP") => {
                ok(&format!("Session: 7;timeout=60\r\n{}", sender.transport(0)))
            }
            "SETUP" if !request.contains("\r\nSession: 7\r\n") => status(459),
            "SETUP" => sender.agrees(request),
            "PLAY" => sender.plays(),
            _ => usual(request),
        })
        .await;
        let _source = all_come(&fake, Options::default(), count).await;

        let (source, _cursor) = fake.open(Options { transport: Transport::Tcp, ..Options::default() });
        let error = failure(&source).await;
        assert!(matches!(error, Error::Server { status: 461, .. }), "{error:?}");
        assert!(error.to_string().contains("agrees to SETUP over TCP, and to send by \"RTP/AVP/UDP;"), "{error}");
    }
}

// As of MJSXJ03HL with Thingino: docs/CAMERAS.md.
#[tokio::test]
async fn a_454_to_a_sign_of_life_is_no_end_while_pictures_come() {
    let parts = Mutex::new(h264().chunks(10).map(<[_]>::to_vec).collect::<Vec<_>>().into_iter());
    let signs = AtomicUsize::new(0);
    let fake = Fake::start(move |request| {
        // Each answer has more pictures behind it, the last sign of life all that are left.
        let streams = |status, headers: &str, count: usize| {
            let mut bytes = head(status, request, headers, "");
            for packet in parts.lock().unwrap().by_ref().take(count).flatten() {
                bytes.extend_from_slice(&interleaved(&packet));
            }
            Reply::Raw(bytes)
        };
        match method(request) {
            "DESCRIBE" => Reply::Answer(200, "Content-Type: application/sdp\r\n".into(), without_parameters()),
            "PLAY" => streams(200, "Session: 7\r\n", 1),
            "GET_PARAMETER" => streams(454, "", 1),
            "OPTIONS" if signs.fetch_add(1, Relaxed) > 0 => streams(200, "", usize::MAX),
            _ => short_lived(request),
        }
    })
    .await;
    let _source = all_come(&fake, Options::default(), COUNT).await;
    assert_eq!((fake.heard("DESCRIBE"), fake.heard("GET_PARAMETER"), fake.heard("OPTIONS")), (1, 1, 2));
}

// The make was not told: docs/CAMERAS.md.
#[tokio::test]
async fn a_blank_behind_the_number_of_an_answer_is_none() {
    for (sdp, packets, count) in both() {
        let usual = sends(sdp, packets);
        let fake = Fake::start(move |request| {
            let bytes = match usual(request) {
                Reply::Answer(status, headers, body) => head(status, request, &headers, &body),
                Reply::Raw(bytes) => bytes,
                other => return other,
            };
            let number = bytes.windows(6).position(|window| window == b"CSeq: ").unwrap();
            let end = number + bytes[number..].iter().position(|byte| *byte == b'\r').unwrap();
            Reply::Raw([&bytes[..end], b" ", &bytes[end..]].concat())
        })
        .await;
        let _source = all_come(&fake, Options::default(), count).await;
    }
}

// As of Sony SNC-WR630 (an empty one) and Uniview IPC2A4L-FW-APF40-V1-DT (no address): docs/CAMERAS.md.
#[tokio::test]
async fn connection_lines_with_nothing_in_them_are_passed_over() {
    for line in ["c=", "c=IN ", "c=IN 192.0.2.27"] {
        for (sdp, packets, count) in both() {
            let sdp = sdp.replace("t=0 0\r\n", &format!("{line}\r\nt=0 0\r\n"));
            let sdp = sdp.replace("a=rtpmap", &format!("{line}\r\na=rtpmap"));
            let fake = Fake::start(sends(sdp, packets)).await;
            let _source = all_come(&fake, Options::default(), count).await;
        }
    }
}

// As of CostarHD: docs/CAMERAS.md.
#[tokio::test]
async fn one_fragment_that_is_begin_and_end_is_a_whole_unit() {
    let packets = h264_in(fragments);
    assert!(
        packets.iter().any(|packet| packet[12] & 0x1f == 28 && packet[13] & 0xc0 == 0xc0 && packet[13] & 0x1f == 1)
    );
    let fake = Fake::start(sends(without_parameters(), packets)).await;
    let _source = all_come(&fake, Options::default(), COUNT).await;
}
