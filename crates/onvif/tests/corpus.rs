//! Replays what the fuzzers started from and what they found.

#[path = "../../formats/tests/replay/mod.rs"]
mod replay;

#[test]
fn onvif_answer() {
    replay::replay("onvif_answer", onvif::fuzz::onvif_answer);
}
