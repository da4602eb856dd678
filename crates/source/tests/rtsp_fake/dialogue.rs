//! What is said between us and a camera: passwords, signs of life, redirects, descriptions that leave
//! things out.

use source::{Options, Transport};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::odd::{plays, short_lived, until};
use crate::support::*;

#[tokio::test]
async fn a_password_goes_as_basic_where_the_camera_wants_that() {
    let fake = plays(|request| match request.contains("Authorization: Basic YWRtaW46c2VjcmV0") {
        true => usual(request),
        false => Reply::Answer(401, "WWW-Authenticate: Basic realm=\"cam\"\r\n".into(), String::new()),
    })
    .await;
    assert_eq!(fake.heard("DESCRIBE"), 2, "once without, once with it");
    assert_eq!(fake.heard("SETUP"), 1, "from then on with it");
}

#[tokio::test]
async fn signs_of_life_are_set_parameter_or_options_where_the_camera_has_no_other() {
    for (public, expected, never) in [
        ("OPTIONS, DESCRIBE, SETUP, PLAY, SET_PARAMETER", "SET_PARAMETER", "GET_PARAMETER"),
        ("OPTIONS, DESCRIBE, SETUP, PLAY", "OPTIONS", "SET_PARAMETER"),
    ] {
        let fake = Fake::start(move |request| match method(request) {
            "OPTIONS" => ok(&format!("Public: {public}\r\n")),
            _ => short_lived(request),
        })
        .await;
        let (source, mut cursor) = fake.open(Options::default());
        pictures(&mut cursor, 3).await;
        until(expected, || fake.heard("OPTIONS") + fake.heard("SET_PARAMETER") >= 3 && fake.heard(expected) >= 1).await;
        assert_eq!((fake.heard(never), source.status().borrow().reconnects), (0, 0), "{public}");
    }
}

/// A receiver's report without a block, with a name for the receiver (RFC 3550 sections 6.4.2 and 6.5).
fn is_report(packet: &[u8]) -> bool {
    packet.starts_with(&[0x80, 201, 0, 1]) && packet.get(8..10) == Some(&[0x81, 202]) && packet.len().is_multiple_of(4)
}

#[tokio::test]
async fn reports_of_a_receiver_are_signs_of_life_too() {
    let fake = plays(usual).await;
    let (_source, mut cursor) = fake.open(Options::default());
    pictures(&mut cursor, 3).await;
    until("a report", || !fake.reports.lock().unwrap().is_empty()).await;
    let (channel, report) = fake.reports.lock().unwrap()[0].clone();
    assert!(channel == 1 && is_report(&report), "{channel}: {report:02x?}");
}

#[tokio::test]
async fn reports_of_a_receiver_go_by_udp_where_rtp_comes_by_it() {
    let (rtp_socket, rtcp_socket) = loop {
        let rtp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", rtp.local_addr().unwrap().port().wrapping_add(1))).await {
            break (std::sync::Arc::new(rtp), rtcp);
        }
    };
    let port = rtp_socket.local_addr().unwrap().port();
    let fake = Fake::start(move |request| match method(request) {
        "SETUP" => {
            let theirs: u16 = request.split_once("client_port=").unwrap().1.split('-').next().unwrap().parse().unwrap();
            let sender = std::sync::Arc::clone(&rtp_socket);
            tokio::spawn(async move {
                for number in 0..200 {
                    let _ = sender.send_to(&rtp(number), ("127.0.0.1", theirs)).await;
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            });
            ok(&format!(
                "Session: 7\r\nTransport: RTP/AVP;unicast;client_port={theirs}-{};server_port={port}-{}\r\n",
                theirs + 1,
                port + 1
            ))
        }
        "PLAY" => ok("Session: 7\r\n"),
        _ => usual(request),
    })
    .await;
    let (_source, mut cursor) = fake.open(Options { transport: Transport::Udp, ..Options::default() });
    pictures(&mut cursor, 3).await;
    let mut buffer = [0; 1500];
    loop {
        let (length, _) = timeout(PATIENCE, rtcp_socket.recv_from(&mut buffer)).await.expect("a report").unwrap();
        if is_report(&buffer[..length]) {
            break;
        }
    }
}

#[tokio::test]
async fn every_kind_of_redirect_is_followed() {
    for status in [301, 302, 303, 305, 307] {
        let camera = Fake::start(usual).await;
        let to = camera.address;
        let location = move || Reply::Answer(status, format!("Location: rtsp://{to}/other\r\n"), String::new());
        let front = Fake::start(move |_| location()).await;
        let (_source, mut cursor) = front.open(Options::default());
        pictures(&mut cursor, 3).await;
        assert_eq!(front.heard("DESCRIBE"), 1, "{status}");
    }
}

#[tokio::test]
async fn a_camera_that_sends_us_elsewhere_in_mid_stream_is_followed() {
    let camera = Fake::start(usual).await;
    let to = camera.address;
    let front = Fake::start(move |request| match method(request) {
        "PLAY" => {
            let Reply::Raw(mut bytes) = usual(request) else { unreachable!() };
            // RFC 2326 section 10.10.
            let redirect =
                format!("REDIRECT rtsp://front/cam RTSP/1.0\r\nCSeq: 1\r\nLocation: rtsp://{to}/other\r\n\r\n");
            bytes.extend_from_slice(redirect.as_bytes());
            Reply::Raw(bytes)
        }
        _ => usual(request),
    })
    .await;
    let (source, mut cursor) = front.open(Options::default());
    pictures(&mut cursor, 6).await;
    assert_eq!((camera.heard("PLAY"), source.status().borrow().reconnects), (1, 0));
}

/// A description of an ONVIF camera: pictures, sound both ways, metadata.
#[tokio::test]
async fn metadata_and_the_way_back_are_left_alone() {
    let more = "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\na=control:track3\r\na=recvonly\r\n\
        m=application 0 RTP/AVP 108\r\na=rtpmap:108 vnd.onvif.metadata.gzip/90000\r\na=control:track4\r\n";
    for sdp in [format!("{SDP}{more}"), SDP.replace("m=video", &format!("{more}m=video"))] {
        let fake = plays(move |request| match method(request) {
            "DESCRIBE" => Reply::Answer(200, "Content-Type: application/sdp\r\n".into(), sdp.clone()),
            _ => usual(request),
        })
        .await;
        let requests = fake.requests.lock().unwrap().clone();
        let setups: Vec<_> = requests.iter().filter(|request| request.starts_with("SETUP")).collect();
        assert!(setups.len() == 1 && setups[0].contains("/cam/track1"), "{setups:?}");
    }
}

// As of Uniview IPC2125LE-ADF28KM-H (the origin): docs/CAMERAS.md.
#[tokio::test]
async fn descriptions_that_leave_things_out_or_tell_them_wrongly_are_understood() {
    let changes: &[(&str, &[(&str, &str)])] = &[
        ("no packetization-mode", &[("packetization-mode=1;", "")]),
        ("blanks in the parameters", &[("packetization-mode=1;", "packetization-mode=1; ")]),
        ("a semicolon too many", &[("aMuMsg==", "aMuMsg==;")]),
        ("a profile of another stream", &[("packetization-mode=1;", "packetization-mode=1;profile-level-id=64FFFF;")]),
        ("no control of its own", &[("a=control:track1\r\n", "")]),
        ("a control of the session", &[("t=0 0\r\n", "t=0 0\r\na=control:*\r\n")]),
        ("an address of nowhere", &[("t=0 0\r\n", "c=IN IP4 0.0.0.0\r\nt=0 0\r\n")]),
        ("no time", &[("t=0 0\r\n", "")]),
        ("no name", &[("s=cam\r\n", "s=\r\n")]),
        ("an origin that is none", &[("o=- 1 1 IN IP4 127.0.0.1", "o=- 1 1 IN IP4")]),
        ("line feeds alone", &[("\r\n", "\n")]),
        ("a range that is none", &[("t=0 0\r\n", "t=0 0\r\na=range:npt=now-\r\n")]),
        ("a rate that is none", &[("a=control:track1\r\n", "a=framerate:0\r\na=control:track1\r\n")]),
        ("lines that are none", &[("a=control:track1\r\n", "\r\na=control:track1\r\nnonsense\r\n")]),
    ];
    for (what, changes) in changes {
        let sdp = changes.iter().fold(SDP.to_owned(), |sdp, (from, to)| sdp.replace(from, to));
        assert_ne!(sdp, SDP, "{what}");
        let fake = Fake::start(move |request| match method(request) {
            "DESCRIBE" => Reply::Answer(200, "Content-Type: application/sdp\r\n".into(), sdp.clone()),
            _ => usual(request),
        })
        .await;
        let (source, mut cursor) = fake.open(Options::default());
        for _ in 0..3 {
            let came = timeout(PATIENCE, cursor.next()).await;
            assert!(came.is_ok(), "{what}: {:?}", source.status().borrow().error);
        }
        assert_eq!((fake.heard("DESCRIBE"), source.status().borrow().reconnects), (1, 0), "{what}");
    }
}
