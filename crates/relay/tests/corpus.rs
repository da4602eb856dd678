//! Replays what the fuzzers started from and what they found.

#[path = "../../formats/tests/replay/mod.rs"]
mod replay;

use replay::replay;

#[test]
fn rtmp_dialogue() {
    replay("rtmp_dialogue", relay::fuzz::rtmp_dialogue);
}

#[test]
fn srt_handshake() {
    replay("srt_handshake", relay::fuzz::srt_handshake);
}

#[test]
fn request_query() {
    replay("request_query", relay::fuzz::request_query);
}

#[test]
fn launch_lines() {
    replay("launch_lines", relay::fuzz::launch_lines);
}
