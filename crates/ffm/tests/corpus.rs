//! Replays what the fuzzers started from and what they found.

#![allow(clippy::unwrap_used)]

#[path = "../../formats/tests/replay/mod.rs"]
mod replay;

use replay::replay;

#[test]
fn ffm_demuxer() {
    replay("ffm_demuxer", ffm::fuzz::ffm_demuxer);
}

/// Frames of a seed, which another hand wrote in another language by the account of the format.
fn frames(seed: &str) -> Vec<usize> {
    let path = format!("{}/../../fuzz/corpus/ffm_demuxer/{seed}", env!("CARGO_MANIFEST_DIR"));
    let mut demuxer = ffm::Demuxer::new();
    demuxer.handle_bytes(&std::fs::read(path).unwrap()[1..]).unwrap();
    let units = std::iter::from_fn(|| demuxer.poll()).filter_map(|item| match item {
        ffm::Item::Unit(unit) => Some(unit.data),
        ffm::Item::Tracks(_) => None,
    });
    units
        .inspect(|data| assert!(data.starts_with(&[0xFF, 0xD8]) && data.ends_with(&[0xFF, 0xD9])))
        .map(|data| data.len())
        .collect()
}

#[test]
fn what_another_hand_wrote_is_read() {
    assert_eq!(frames("filled"), [104, 5004, 24]);
    assert_eq!(frames("flushed"), [104, 5004, 24]);
    assert_eq!(frames("first"), [34]);
}
