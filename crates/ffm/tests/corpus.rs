//! Replays what the fuzzers started from and what they found.

#[path = "../../formats/tests/replay/mod.rs"]
mod replay;

use replay::replay;

#[test]
fn ffm_demuxer() {
    replay("ffm_demuxer", ffm::fuzz::ffm_demuxer);
}
