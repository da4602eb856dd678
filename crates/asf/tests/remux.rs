//! What goes in comes out: files through the demuxer, the muxer and the demuxer again.

#![allow(clippy::unwrap_used)]

mod common;

use asf::mux::Options;
use common::{Clip, SAMPLES, broadcast, file, read, samples, time};
use media::{Track, Unit};

/// A track without its bit rate if that was not known: the muxer guesses then.
fn described(track: &Track, before: &Track) -> Track {
    Track { bit_rate: if before.bit_rate == 0 { 0 } else { track.bit_rate }, ..track.clone() }
}

/// Track, key, and milliseconds since the first unit of the file, bytes.
fn told(units: &[Unit]) -> Vec<(u8, bool, i64, &[u8])> {
    let origin = units.first().map_or(0, |unit| time(unit).as_nanos());
    let ms = |unit: &Unit| (time(unit).as_nanos() - origin + 500_000).div_euclid(1_000_000);
    units.iter().map(|unit| (unit.track.0, unit.key, ms(unit), &unit.data[..])).collect()
}

fn assert_same(name: &str, before: &Clip, after: &Clip) {
    assert_eq!(after.tracks.len(), before.tracks.len(), "{name}");
    for (after, before) in after.tracks.iter().zip(before.tracks.iter()) {
        assert_eq!(described(after, before), *before, "{name}");
    }
    let (before, after) = (told(&before.units), told(&after.units));
    assert_eq!(after.len(), before.len(), "{name}");
    for (i, (after, before)) in after.iter().zip(&before).enumerate() {
        assert_eq!((after.0, after.1, after.3), (before.0, before.1, before.3), "{name}: unit {i}");
        // Blocks of sound begin between milliseconds.
        assert!((after.2 - before.2).abs() <= 1, "{name}: unit {i} at {} and not at {} ms", after.2, before.2);
    }
}

#[test]
fn every_sample_comes_out_as_it_went_in() {
    let Some(samples) = samples() else { return };
    for name in SAMPLES {
        let clip = read(&std::fs::read(samples.join(name)).unwrap());
        assert!(!clip.units.is_empty(), "{name}");
        for packet_size in [None, Some(200), Some(65_527)] {
            let options = Options { packet_size, ..Options::default() };
            let live = read(&broadcast(&clip.tracks, &clip.units, &options));
            assert_same(name, &clip, &live);
            assert!(live.header.is_broadcast());
            let recorded = read(&file(&clip.tracks, &clip.units, &options));
            assert_same(name, &clip, &recorded);
            assert!(recorded.header.is_seekable() && recorded.header.duration().is_some(), "{name}");
        }
    }
}
