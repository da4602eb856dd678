//! Replays what the fuzzers started from and what they found.

#[path = "../../formats/tests/replay/mod.rs"]
mod replay;

#[test]
fn record_names() {
    replay::replay("record_names", record::fuzz::record_names);
}

#[test]
fn mp4_fragments() {
    replay::replay("mp4_fragments", record::fuzz::mp4_fragments);
}
