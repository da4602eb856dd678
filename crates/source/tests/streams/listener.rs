//! Encoders that come to us: SRT and TCP.

use source::{Error, Options, State, Supervisor};

use crate::support::{Encoder, Viewer, each_once, free_port, quick};

const TS: &[&str] = &["-f", "mpegts", "-flush_packets", "1"];

fn served(url: &str) -> Viewer {
    ffmpeg::init();
    let options = Options { open_timeout: std::time::Duration::from_secs(2), ..quick() };
    Viewer::of(Supervisor::served("cam", url, options).unwrap())
}

/// Waits longer than any deadline, plays an encoder, loses it, and plays the next one.
async fn takes_one_after_the_other(url: &str, protocol: &str, to: &str) {
    let mut viewer = served(url);
    viewer.is(|status| matches!(status.state, State::Unfed)).await;
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    let status = viewer.source.status().borrow().clone();
    // No deadline runs while nobody comes.
    assert!(matches!(status.state, State::Unfed), "{:?} {:?}", status.state, status.error);
    for (first, reconnects) in [(0, 0), (10_000, 1), (20_000, 2)] {
        let encoder = Encoder::start(first..first + 5000, true, &[TS, &[to]].concat());
        let mut numbers = viewer.numbers(30).await;
        // Of the one before what was on its way.
        numbers.retain(|number| *number >= first);
        each_once(&numbers);
        let status = viewer.is(|status| matches!(status.state, State::Live)).await;
        assert_eq!((&*status.about.protocol, status.reconnects), (protocol, reconnects));
        drop(encoder);
        viewer.is(|status| matches!(status.state, State::Unfed)).await;
    }
}

#[tokio::test]
async fn an_encoder_comes_by_srt_is_killed_and_the_next_one_is_taken() {
    let port = free_port();
    let url = format!("srt://127.0.0.1:{port}?mode=listener&passphrase=hunter2hunter2");
    let to = format!("srt://127.0.0.1:{port}?passphrase=hunter2hunter2&streamid=publish/cam");
    takes_one_after_the_other(&url, "srt (listening)", &to).await;
}

#[tokio::test]
async fn an_encoder_comes_by_tcp_is_killed_and_the_next_one_is_taken() {
    let port = free_port();
    takes_one_after_the_other(
        &format!("tcp://127.0.0.1:{port}?listen"),
        "tcp (listening)",
        &format!("tcp://127.0.0.1:{port}"),
    )
    .await;
}

#[tokio::test]
async fn who_has_another_passphrase_is_not_taken() {
    let port = free_port();
    let mut viewer = served(&format!("srt://127.0.0.1:{port}?mode=listener&passphrase=hunter2hunter2"));
    viewer.is(|status| matches!(status.state, State::Unfed)).await;
    let bad = format!("srt://127.0.0.1:{port}?passphrase=hunter3hunter3");
    let mut encoder = std::process::Command::new("ffmpeg");
    encoder.args(["-nostdin", "-v", "quiet", "-f", "lavfi", "-i", "testsrc=r=25", "-t", "2", "-f", "mpegts", &bad]);
    assert!(!encoder.status().unwrap().success());
    assert!(matches!(viewer.source.status().borrow().state, State::Unfed));
    let to = format!("srt://127.0.0.1:{port}?passphrase=hunter2hunter2");
    let _encoder = Encoder::start(0..5000, true, &[TS, &[&to]].concat());
    each_once(&viewer.numbers(20).await);
}

#[tokio::test]
async fn whoever_only_looks_waits_no_longer_than_its_deadline() {
    let url = format!("srt://127.0.0.1:{}?mode=listener", free_port());
    let options = Options { open_timeout: std::time::Duration::from_secs(1), ..quick() };
    let viewer = Viewer::open(&url, options);
    let status = viewer.is(|status| status.error.is_some()).await;
    assert!(matches!(status.error, Some(Error::Unfed { .. })), "{status:?}");
}
