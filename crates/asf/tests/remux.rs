//! What goes in comes out: files through the demuxer, the muxer and the demuxer again.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use asf::mux::Options;
use asf::{Demuxer, Header, Index, Item, Muxer, Reader};
use bytes::Bytes;
use common::{Clip, SAMPLES, broadcast, feed, file, read, samples, time};
use media::{Timestamp, Track, Unit};

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

/// The first picture that a player sees which begins with these packets.
fn first_picture<'a>(header: &Header, packets: impl IntoIterator<Item = &'a Bytes>) -> Unit {
    let mut demuxer = Demuxer::new(header, &[1, 2]).unwrap();
    let pictures = |demuxer: &Demuxer, unit: &Unit| demuxer.tracks()[usize::from(unit.track.0)].video().is_some();
    for packet in packets {
        demuxer.handle_packet(packet.clone());
        while let Some(unit) = demuxer.poll_unit() {
            if pictures(&demuxer, &unit) {
                return unit;
            }
        }
    }
    panic!("no picture");
}

#[test]
fn a_reader_can_be_let_in_at_every_key_packet() {
    let Some(samples) = samples() else { return };
    let clip = read(&std::fs::read(samples.join("numbered-wmv2-352x288.wmv")).unwrap());
    let mut muxer = Muxer::new(&clip.tracks, &Options::default()).unwrap();
    let header = Header::parse(&muxer.header()).unwrap();
    let mut packets = Vec::new();
    for packet in feed(&clip.units) {
        muxer.push(&packet);
        packets.extend(std::iter::from_fn(|| muxer.poll_packet()));
    }
    let entries: Vec<_> = (0..packets.len()).filter(|place| packets[*place].key).collect();
    let pictures = |unit: &&Unit| clip.tracks[usize::from(unit.track.0)].video().is_some() && unit.key;
    let keyframes: Vec<_> = clip.units.iter().filter(pictures).collect();
    assert_eq!(entries.len(), keyframes.len());
    for (entry, keyframe) in entries.iter().zip(keyframes) {
        let unit = first_picture(&header, packets[*entry..].iter().map(|packet| &packet.data));
        assert!(unit.key && unit.data == keyframe.data, "at packet {entry}");
    }
}

#[test]
fn the_index_of_a_file_leads_to_the_keyframe_of_each_second() {
    let Some(samples) = samples() else { return };
    let clip = read(&std::fs::read(samples.join("numbered-wmv2-352x288.wmv")).unwrap());
    let mut reader = Reader::new();
    reader.handle_bytes(&file(&clip.tracks, &clip.units, &Options::default())).unwrap();
    let (mut header, mut packets, mut indexes) = (None, Vec::new(), Vec::new());
    while let Some(item) = reader.poll() {
        match item {
            Item::Header(bytes) => header = Some(Header::parse(&bytes).unwrap()),
            Item::Packet(packet) => packets.push(packet),
            Item::Index(index) => indexes.extend(Index::parse(&index, header.as_ref().unwrap())),
            _ => {}
        }
    }
    let header = header.unwrap();
    assert_eq!((indexes.len(), header.data.unwrap().packets as usize), (1, packets.len()));
    let pictures = |unit: &&Unit| clip.tracks[usize::from(unit.track.0)].video().is_some() && unit.key;
    let origin = time(&clip.units[0]);
    let keyframes: Vec<_> =
        clip.units.iter().filter(pictures).map(|unit| time(unit).saturating_since(origin)).collect();
    for second in 0..10 {
        let wanted = Duration::from_secs(second);
        let unit = first_picture(&header, &packets[indexes[0].packet_at(wanted) as usize..]);
        let expected = keyframes.iter().rfind(|keyframe| **keyframe <= wanted).unwrap_or(&keyframes[0]);
        assert_eq!(time(&unit).saturating_since(Timestamp::ZERO).as_millis(), expected.as_millis(), "at {second} s");
        assert!(unit.key);
    }
}
