//! Replays what the fuzzers started from and what they found.

#[path = "../../formats/tests/replay/mod.rs"]
mod replay;

use replay::replay;

#[test]
fn ring_segment() {
    replay("ring_segment", ring::fuzz::ring_segment);
}

#[test]
fn ring_tracks() {
    replay("ring_tracks", ring::fuzz::ring_tracks);
}
