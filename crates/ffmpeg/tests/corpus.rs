//! Replays what the fuzzers started from and what they found.

#[path = "../../formats/tests/replay/mod.rs"]
mod replay;

#[test]
fn packets_inband() {
    replay::replay("packets_inband", ffmpeg::fuzz::packets_inband);
}

#[test]
fn jpeg_picture() {
    replay::replay("jpeg_picture", ffmpeg::fuzz::jpeg_picture);
}
