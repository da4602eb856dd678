//! MPEG-TS over UDP and RTP, to one and to a group, and over SRT, where we call.

use crate::support::{Encoder, Viewer, each_once, free_port, quick};

const TS: &[&str] = &["-f", "mpegts", "-flush_packets", "1"];

/// Plays what is sent, loses the sender, and plays what the next one sends.
async fn plays_and_goes_on(url: &str, protocol: &str, output: &[&str]) {
    let mut viewer = Viewer::open(url, quick());
    let encoder = Encoder::start(0..5000, true, output);
    let numbers = viewer.numbers(40).await;
    each_once(&numbers);
    assert_eq!(viewer.source.status().borrow().about.protocol, protocol, "{url}");
    drop(encoder);
    let lost = viewer.is(|status| !matches!(status.state, source::State::Live)).await;
    assert!(lost.error.is_some(), "{lost:?}");
    let _encoder = Encoder::start(10_000..15_000, true, output);
    let mut numbers = viewer.numbers(40).await;
    numbers.retain(|number| *number >= 10_000);
    assert!(!numbers.is_empty() || !viewer.numbers(10).await.is_empty());
    each_once(&numbers);
    viewer.is(|status| status.reconnects >= 1).await;
}

#[tokio::test]
async fn udp_is_played_and_its_next_sender_too() {
    let port = free_port();
    let to = format!("udp://127.0.0.1:{port}?pkt_size=1316");
    plays_and_goes_on(&format!("udp://127.0.0.1:{port}"), "udp", &[TS, &[&to]].concat()).await;
}

#[tokio::test]
async fn a_group_of_udp_is_joined_on_the_interface_that_is_named() {
    let port = free_port();
    let to = format!("udp://239.77.1.2:{port}?pkt_size=1316&ttl=0&localaddr=127.0.0.1");
    let url = format!("udp://239.77.1.2:{port}?localaddr=127.0.0.1");
    plays_and_goes_on(&url, "udp", &[TS, &[&to]].concat()).await;
}

#[tokio::test]
async fn a_group_of_rtp_is_joined_and_its_transport_stream_played() {
    let port = free_port() & !1;
    let to = format!("rtp://239.77.1.3:{port}?ttl=0&localaddr=127.0.0.1");
    let url = format!("rtp://239.77.1.3:{port}?localaddr=127.0.0.1");
    plays_and_goes_on(&url, "rtp", &["-f", "rtp_mpegts", &to]).await;
}

#[tokio::test]
async fn srt_is_called_and_called_again_when_it_has_gone() {
    let port = free_port();
    let to = format!("srt://127.0.0.1:{port}?mode=listener&passphrase=hunter2hunter2");
    let url = format!("srt://127.0.0.1:{port}?passphrase=hunter2hunter2");
    plays_and_goes_on(&url, "srt", &[TS, &[&to]].concat()).await;
}

#[tokio::test]
async fn an_srt_address_where_nobody_answers_is_told_without_its_passphrase() {
    let url = format!("srt://127.0.0.1:{}?passphrase=hunter2hunter2", free_port());
    let viewer = Viewer::open(&url, quick());
    let status = viewer.is(|status| status.error.is_some()).await;
    let told = status.error.unwrap().to_string();
    assert!(told.contains("srt://127.0.0.1") && !told.contains("hunter2"), "{told}");
}
