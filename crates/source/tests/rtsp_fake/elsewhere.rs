//! What FFmpeg opens, by our own connection: all that is said of RTSP holds for it as well.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use source::{Error, Options, Phase, Transport};

use crate::support::*;
use crate::{mpeg4, odd};

#[tokio::test]
async fn a_camera_that_plays_and_sends_nothing_has_been_reached() {
    let (sdp, _) = mpeg4::packets();
    let fake = Fake::start(move |request| match method(request) {
        "PLAY" => ok("Session: 7\r\n"),
        _ => sends(sdp.clone(), Vec::new())(request),
    })
    .await;
    let options = Options { open_timeout: Duration::from_secs(1), ..Options::default() };
    let (source, _cursor) = fake.open(options);
    let error = failure(&source).await;
    assert!(matches!(error, Error::Timeout { phase: Phase::FirstFrame, .. }), "{error}");
}

#[tokio::test]
async fn where_datagrams_never_come_tcp_is_taken() {
    let (sdp, packets) = mpeg4::packets();
    let by_udp = AtomicBool::new(false);
    let fake = Fake::start(move |request| match method(request) {
        "SETUP" => {
            by_udp.store(!request.contains("RTP/AVP/TCP"), Relaxed);
            ok(match by_udp.load(Relaxed) {
                true => "Session: 7\r\nTransport: RTP/AVP;unicast;client_port=1-2;server_port=9-10\r\n",
                false => "Session: 7\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n",
            })
        }
        "PLAY" if by_udp.load(Relaxed) => ok("Session: 7\r\n"),
        _ => sends(sdp.clone(), packets.clone())(request),
    })
    .await;
    let (source, mut cursor) = fake.open(Options { transport: Transport::Udp, ..Options::default() });
    pictures(&mut cursor, 3).await;
    assert_eq!(source.status().borrow().reconnects, 0);
    // The session that came to nothing was ended: there are cameras that have one alone.
    assert_eq!(fake.heard("TEARDOWN"), 1);
    let left =
        fake.requests.lock().unwrap().iter().any(|said| said.starts_with("TEARDOWN") && said.contains("Session: 7"));
    assert!(left);
}

#[tokio::test]
async fn a_session_is_ended_when_nobody_watches_any_more() {
    let (sdp, packets) = mpeg4::packets();
    let fake = Fake::start(sends(sdp, packets)).await;
    let (source, mut cursor) = fake.open(Options::default());
    pictures(&mut cursor, 3).await;
    drop((cursor, source));
    odd::until("the end of the session", || fake.heard("TEARDOWN") == 1).await;
}
