//! Oddities of cameras, each as a script. Where a public report names a make, it is named.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use source::{Options, Transport};
use tokio::time::timeout;

use crate::support::*;

/// The same description without the parameters of the codec.
pub fn without_parameters() -> String {
    SDP.lines().filter(|line| !line.starts_with("a=fmtp")).map(|line| format!("{line}\r\n")).collect()
}

/// Parameter sets and a keyframe in a packet each, as they come in the stream.
fn with_parameters(number: u16) -> Vec<u8> {
    let sps = [0x67, 0x42, 0xc0, 0x1e, 0xd9, 3, 0xc5, 0x68, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0c, 3, 0xc5, 0x8b, 0x92];
    let pps = [0x68, 0xcb, 0x8c, 0xb2];
    let mut bytes = Vec::new();
    for (at, unit) in [&sps[..], &pps, &[0x65, 0x88, 0x84, 0x21]].iter().enumerate() {
        let mut packet = rtp(number * 3 + at as u16);
        packet[1] = if at == 2 { 0xe0 } else { 0x60 };
        packet[4..8].copy_from_slice(&(u32::from(number) * 3600).to_be_bytes());
        packet.truncate(12);
        packet.extend_from_slice(unit);
        bytes.extend_from_slice(&interleaved(&packet));
    }
    bytes
}

pub async fn plays(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Fake {
    let fake = Fake::start(reply).await;
    let (source, mut cursor) = fake.open(Options::default());
    pictures(&mut cursor, 3).await;
    assert_eq!(source.status().borrow().reconnects, 0);
    fake
}

// As of Jovision JVS-N815-B-PE: docs/CAMERAS.md.
/// "HIK Media Server" leaves sprop-parameter-sets out (gortsplib issue 88), VStarcam cameras tell
/// ones that are none (retina issue 42).
#[tokio::test]
async fn parameter_sets_in_the_stream_alone_are_enough() {
    for sdp in [without_parameters(), SDP.replace("Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuMsg==", "Z0LAHg==,aM4=")] {
        plays(move |request| match method(request) {
            "DESCRIBE" => Reply::Answer(200, "Content-Type: application/sdp\r\n".into(), sdp.clone()),
            "PLAY" => {
                let mut bytes = head(200, request, "Session: 7\r\n", "");
                (0..5).for_each(|at| bytes.extend_from_slice(&with_parameters(at)));
                Reply::Raw(bytes)
            }
            _ => usual(request),
        })
        .await;
    }
}

/// What nobody could declare is no picture: another program is to have a try.
#[tokio::test]
async fn parameter_sets_that_make_no_sense_are_left_to_libavformat() {
    let units = [&[0x67, 0x42, 0xc0, 0x1e, 0x80][..], &[0x68, 0xcb, 0x8c, 0xb2], &[0x65, 0x88, 0x84, 0x21]];
    let units = units.into_iter().chain(std::iter::repeat_n(&[0x41, 0x9a, 0x21, 0x6c][..], 20));
    let packets = units.enumerate().map(|(number, unit)| [&rtp(number as u16)[..12], unit].concat()).collect();
    let fake = Fake::start(sends(without_parameters(), packets)).await;
    let (_source, _cursor) = fake.open(Options::default());
    until("another program asks", || fake.heard("DESCRIBE") >= 2).await;
    let requests = fake.requests.lock().unwrap().clone();
    let last = requests.iter().rfind(|request| request.starts_with("DESCRIBE")).unwrap();
    assert!(last.contains("Lavf"), "{last}");
}

// As of Foscam C1: docs/CAMERAS.md.
/// An answer is told by its place too: some number it wrongly, or not at all.
#[tokio::test]
async fn answers_numbered_wrongly_or_not_at_all_are_taken() {
    for number in ["CSeq: 4711\r\n", ""] {
        plays(move |request| {
            let replied = usual(request);
            let bytes = match replied {
                Reply::Answer(status, headers, body) => head(status, request, &headers, &body),
                Reply::Raw(bytes) => bytes,
                other => return other,
            };
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
            let text = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let line = text.lines().find(|line| line.starts_with("CSeq")).unwrap();
            let text = text.replace(&format!("{line}\r\n"), number);
            Reply::Raw([text.as_bytes(), &bytes[end..]].concat())
        })
        .await;
    }
}

// As of Reolink RLC-522: docs/CAMERAS.md.
/// A firmware that writes debug output into the connection.
#[tokio::test]
async fn garbage_between_packets_is_passed_over() {
    plays(|request| match method(request) {
        "PLAY" => {
            let mut bytes = head(200, request, "Session: 7\r\n", "");
            for at in 0..4 {
                bytes.extend_from_slice(&interleaved(&rtp(at)));
                bytes.extend_from_slice(b"[venc] bitrate 2048\n");
            }
            Reply::Raw(bytes)
        }
        _ => usual(request),
    })
    .await;
}

#[tokio::test]
async fn a_redirect_is_followed() {
    let camera = Fake::start(usual).await;
    let to = camera.address;
    let front =
        Fake::start(move |_| Reply::Answer(301, format!("Location: rtsp://{to}/other\r\n"), String::new())).await;
    let (_source, mut cursor) = front.open(Options::default());
    pictures(&mut cursor, 3).await;
    let asked = camera.requests.lock().unwrap()[0].clone();
    assert!(asked.starts_with(&format!("DESCRIBE rtsp://{to}/other RTSP/1.0\r\n")), "{asked}");
}

// As of Prama PT-NC143D3-WNM (SHA-256): docs/CAMERAS.md.
#[tokio::test]
async fn digest_with_sha_256_and_a_nonce_that_grows_old() {
    let asked = AtomicUsize::new(0);
    let fake = plays(move |request| {
        let nonce = |stale| {
            let challenge = format!(
                "WWW-Authenticate: Digest realm=\"cam\", nonce=\"{stale}\", algorithm=SHA-256, stale={stale}\r\n"
            );
            Reply::Answer(401, challenge, String::new())
        };
        match (request.contains("Authorization: Digest"), method(request)) {
            (false, _) => nonce(false),
            // In the middle of the dialogue it wants another one.
            (true, "SETUP") if asked.fetch_add(1, Relaxed) == 0 => nonce(true),
            _ => usual(request),
        }
    })
    .await;
    let requests = fake.requests.lock().unwrap().clone();
    let setups: Vec<_> = requests.iter().filter(|request| request.starts_with("SETUP")).collect();
    assert!(setups[1].contains("nonce=\"true\"") && setups[1].contains("algorithm=SHA-256"), "{setups:?}");
}

#[tokio::test]
async fn where_datagrams_never_come_tcp_is_taken() {
    let fake = Fake::start(|request| match method(request) {
        "SETUP" if !request.contains("RTP/AVP/TCP") => {
            ok("Session: 7\r\nTransport: RTP/AVP;unicast;client_port=1-2;server_port=9-10\r\n")
        }
        // Over UDP a firewall takes it all.
        "PLAY" if request.contains("Session: 8") => usual(request),
        "SETUP" => ok("Session: 8\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"),
        "PLAY" => ok("Session: 7\r\n"),
        _ => usual(request),
    })
    .await;
    let (source, mut cursor) = fake.open(Options { transport: Transport::Udp, ..Options::default() });
    pictures(&mut cursor, 3).await;
    assert_eq!(source.status().borrow().reconnects, 0);
}

/// Sessions that end after two seconds: signs of life every second.
pub fn short_lived(request: &str) -> Reply {
    match method(request) {
        "SETUP" => ok("Session: 7;timeout=2\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"),
        "OPTIONS" => ok("Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER\r\n"),
        "PLAY" => {
            let mut bytes = head(200, request, "Session: 7\r\n", "");
            (0..3).for_each(|at| bytes.extend_from_slice(&interleaved(&rtp(at))));
            Reply::Raw(bytes)
        }
        _ => usual(request),
    }
}

pub async fn until(what: &str, done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect(what);
}

#[tokio::test]
async fn signs_of_life_are_what_the_camera_says_that_it_takes() {
    let fake = Fake::start(short_lived).await;
    let (_source, mut cursor) = fake.open(Options::default());
    pictures(&mut cursor, 3).await;
    until("OPTIONS, then GET_PARAMETER", || fake.heard("OPTIONS") >= 1 && fake.heard("GET_PARAMETER") >= 1).await;
    assert_eq!(fake.heard("SET_PARAMETER"), 0);
}

/// "Hipcam RealServer" hangs up at GET_PARAMETER (SharpRTSP issue 63), others offer it and never
/// answer (ZLMediaKit issue 642).
#[tokio::test]
async fn a_camera_that_hangs_up_at_get_parameter_is_not_asked_twice() {
    let fake = Fake::start(|request| match method(request) {
        "GET_PARAMETER" => Reply::HangUp,
        _ => short_lived(request),
    })
    .await;
    let (source, mut cursor) = fake.open(Options::default());
    pictures(&mut cursor, 3).await;
    until("the first connection's end", || fake.heard("GET_PARAMETER") == 1).await;
    pictures(&mut cursor, 3).await;
    let before = fake.heard("OPTIONS");
    until("other signs of life", || fake.heard("OPTIONS") >= before + 2).await;
    assert_eq!((fake.heard("GET_PARAMETER"), source.status().borrow().reconnects), (1, 1));
}

#[tokio::test]
async fn a_camera_that_leaves_signs_of_life_unanswered_is_played_on() {
    let fake = Fake::start(|request| match method(request) {
        "OPTIONS" => Reply::Silence,
        "SETUP" => ok("Session: 7;timeout=12\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"),
        _ => short_lived(request),
    })
    .await;
    let (source, mut cursor) = fake.open(Options { gap_timeout: Duration::from_secs(60), ..Options::default() });
    pictures(&mut cursor, 3).await;
    until("two signs of life", || fake.heard("OPTIONS") >= 2).await;
    assert_eq!((source.status().borrow().reconnects, fake.heard("DESCRIBE")), (0, 1));
}
