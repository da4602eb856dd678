//! Replays what the fuzzers started from and what they found.

#[path = "../../formats/tests/replay/mod.rs"]
mod replay;

use replay::replay;

#[test]
fn rtsp_server() {
    replay("rtsp_server", rtsp::fuzz::rtsp_server);
}

#[test]
fn rtp_block() {
    replay("rtp_block", rtsp::fuzz::rtp_block);
}

#[test]
fn rtp_packetizer() {
    replay("rtp_packetizer", rtsp::fuzz::rtp_packetizer);
}

#[test]
fn rtp_unpack() {
    replay("rtp_unpack", rtsp::fuzz::rtp_unpack);
}
