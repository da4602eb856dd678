//! Replays what the fuzzers started from and what they found.

#[path = "../../formats/tests/replay/mod.rs"]
mod replay;

use replay::replay;

#[test]
fn webrtc_parts() {
    replay("webrtc_parts", webrtc::fuzz::webrtc_parts);
}
