//! Replays what the fuzzers started from and what they found.

mod replay;

use replay::replay;

#[test]
fn jpeg_scanner() {
    replay("jpeg_scanner", formats::fuzz::jpeg_scanner);
}

#[test]
fn multipart_reader() {
    replay("multipart_reader", formats::fuzz::multipart_reader);
}

#[test]
fn http_head() {
    replay("http_head", formats::fuzz::http_head);
}

#[test]
fn websocket() {
    replay("websocket", formats::fuzz::websocket);
}

#[test]
fn capture() {
    replay("capture", formats::fuzz::capture);
}

#[test]
fn capture_secrets() {
    replay("capture_secrets", formats::fuzz::capture_secrets);
}

#[test]
fn dash_manifest() {
    replay("dash_manifest", formats::fuzz::dash_manifest);
}

#[test]
fn hls_playlist() {
    replay("hls_playlist", formats::fuzz::hls_playlist);
}
