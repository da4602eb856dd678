//! How often a server that fails is asked again.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use feed::Start;
use source::{Options, State, Supervisor};
use tokio::time::{sleep, timeout};

use crate::fakes::{MULTIPART, at, part, saying};

/// How long is counted: attempts begin at 0, 0.5 and 1.5 s, at the earliest a fifth before.
const COUNTED: Duration = Duration::from_millis(2200);

/// Connections that a source made that was watched for so long, and how it is then.
async fn connections(url: &str, count: &std::sync::atomic::AtomicUsize) -> (usize, State) {
    let source =
        Supervisor::new("cam", url, Options { open_timeout: Duration::from_secs(3), ..Options::default() }).unwrap();
    let _cursor = source.feed().cursor(Start::Oldest);
    let mut status = source.status();
    timeout(Duration::from_secs(20), status.wait_for(|status| status.error.is_some()))
        .await
        .expect("it fails")
        .unwrap();
    sleep(COUNTED).await;
    let state = source.status().borrow().state.clone();
    (count.load(SeqCst), state)
}

#[tokio::test]
async fn no_failure_is_answered_with_a_storm() {
    let refusal = "401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nCSeq: 1\r\nContent-Length: 0\r\n\r\n";
    let plain = |status: &str| format!("{status}\r\nCSeq: 1\r\nContent-Length: 0\r\n\r\n");
    let cut = [MULTIPART.as_bytes(), &part(1), &part(2)[..900]].concat();
    let mut running = tokio::task::JoinSet::new();
    // A wrong password is tried once, and then not for 5 s at least: the first connection asks what
    // is wanted, and where the server hangs up the second one answers.
    for (url, answer, most) in [
        ("http://admin:wrong@", format!("HTTP/1.1 {refusal}").into_bytes(), 2),
        ("rtsp://admin:wrong@", format!("RTSP/1.0 {refusal}").into_bytes(), 2),
        ("onvif://admin:wrong@", format!("HTTP/1.1 {refusal}").into_bytes(), 8),
        ("http://", format!("HTTP/1.1 {refusal}").into_bytes(), 1),
        ("http://admin:right@", plain("HTTP/1.1 403 Forbidden").into_bytes(), 1),
        ("http://", plain("HTTP/1.1 404 Not Found").into_bytes(), 4),
        ("http://", plain("HTTP/1.1 500 Fault").into_bytes(), 4),
        ("http://", plain("HTTP/1.1 503 Busy").into_bytes(), 4),
        ("rtsp://", plain("RTSP/1.0 453 Busy").into_bytes(), 4),
        ("http://", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>".to_vec(), 4),
        ("http://", b"\x01\x02".to_vec(), 8),
        // After pictures the wait is the first one again, and no shorter.
        ("http://", cut, 7),
    ] {
        running.spawn(async move {
            // A camera of RTSP that hangs up at a question for the password is never answered one.
            let (address, count) = saying(answer.clone(), url.starts_with("rtsp")).await;
            let (found, state) = connections(&format!("{url}{address}/x"), &count).await;
            assert!((1..=most).contains(&found), "{url} {}: {found} connections", answer.escape_ascii());
            assert!(matches!(state, State::Waiting(_) | State::Ended | State::Opening(_) | State::Live), "{state:?}");
        });
    }
    for scheme in ["http", "rtsp", "ws", "mmst", "onvif", "tcp"] {
        running.spawn(async move {
            let (address, count) = at(|stream| async move { drop(stream) }).await;
            let (found, _) = connections(&format!("{scheme}://{address}/x"), &count).await;
            // Some ask each of a few ports or ways once.
            assert!(found <= 16, "{scheme}: {found} connections");
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}
