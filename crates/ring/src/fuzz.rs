//! What the fuzzers run; the tests replay their corpora.

use crate::format::{Fields, INDEX_MAGIC, Kind, RECORD_HEAD, SEGMENT_HEAD};
use crate::reader::record_at;
use crate::segment::{MOST_POINTS, read_index, scan};
use crate::tracks;

/// A hostile segment: opened by its index and from its beginning, every record read. What is
/// found lies inside, is no more than was there, and rises. Once as it is, and once with all
/// checksums made right, which no fuzzer finds by itself.
pub fn ring_segment(input: &[u8]) {
    look_at(input);
    look_at(&mended(input));
}

fn look_at(input: &[u8]) {
    let size = input.len() as u64;
    let scanned = scan(input).expect("memory can be read");
    let indexed = read_index(input).expect("memory can be read");
    for summary in [Some(&scanned), indexed.as_ref()].into_iter().flatten() {
        assert!(summary.end <= size.max(SEGMENT_HEAD as u64) && summary.points.len() <= MOST_POINTS);
        assert!(summary.first_seq <= summary.next_seq);
        assert!(summary.points.windows(2).all(|pair| pair[0].at < pair[1].at));
        for point in &summary.points {
            let _ = record_at(input, point.at, summary.end).expect("memory can be read");
        }
    }
    let (mut at, mut bytes) = (SEGMENT_HEAD as u64, 0);
    while let Some((head, payload)) = record_at(input, at, size).expect("memory can be read") {
        if head.kind == Kind::Tracks {
            let _ = tracks::decode(&payload);
        }
        bytes += payload.len();
        at = head.end(at);
    }
    assert!(bytes <= input.len());
}

/// The input as records of at most 1 KiB with right checksums, and its last bytes as an index.
fn mended(input: &[u8]) -> Vec<u8> {
    let mut out = input.to_vec();
    let mut at = SEGMENT_HEAD;
    while at + RECORD_HEAD < out.len() {
        let room = out.len() - at - RECORD_HEAD;
        let wanted = Fields(&out[at + 8..]).u32().unwrap_or(0) as usize & 0x3FF;
        let len = wanted.clamp(1, room);
        let payload_crc = crc32fast::hash(&out[at + RECORD_HEAD..at + RECORD_HEAD + len]);
        out[at + 4..at + 8].copy_from_slice(&payload_crc.to_le_bytes());
        out[at + 8..at + 12].copy_from_slice(&(len as u32).to_le_bytes());
        out[at + 12] = 1 + (out[at + 12] & 1);
        let crc = crc32fast::hash(&out[at + 4..at + RECORD_HEAD]);
        out[at..at + 4].copy_from_slice(&crc.to_le_bytes());
        at += RECORD_HEAD + len;
    }
    let index = input[input.len().saturating_sub(84)..].to_vec();
    out.extend_from_slice(&index);
    out.extend_from_slice(&(index.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(&index).to_le_bytes());
    out.extend_from_slice(&INDEX_MAGIC);
    out
}

/// A hostile declaration of tracks.
pub fn ring_tracks(input: &[u8]) {
    if let Some(tracks) = tracks::decode(input) {
        let again = tracks::decode(&tracks::encode(&tracks)).expect("what was read can be written");
        assert_eq!(again.as_slice(), tracks.as_slice());
    }
}
