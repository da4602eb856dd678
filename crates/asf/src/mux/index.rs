//! Simple Index Objects (section 6.1): in which packet to begin for each second of a file.

use bytes::{BufMut, Bytes};

use super::header::object;
use crate::guid;

/// Time from one entry to the next, in ms, until there would be too many entries.
const INTERVAL: u64 = 1000;

/// Most entries; three days at one a second. In longer files they lie further apart.
const MAX_ENTRIES: usize = 1 << 18;

/// Bytes of an entry: packet number 32, packets 16.
const ENTRY: usize = 6;

/// Collects the keyframes of one video stream.
///
/// Memory: 6 bytes for each second, at most 1.5 MiB.
#[derive(Clone, Debug)]
pub struct IndexBuilder {
    interval: u64,
    entries: Vec<Keyframe>,
    /// The keyframe that the next entries name.
    last: Option<(u64, Keyframe)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Keyframe {
    packet: u32,
    packets: u16,
}

impl Default for IndexBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl IndexBuilder {
    /// An index of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { interval: INTERVAL, entries: Vec::new(), last: None }
    }

    /// Takes the next keyframe: its presentation time in ms, preroll included; the number of
    /// the packet that it begins in; how many packets hold it. One that is shown before its
    /// predecessor is not indexed.
    pub fn push(&mut self, time_ms: u64, packet: u64, packets: u64) {
        if self.last.is_some_and(|(last, _)| time_ms < last) {
            return;
        }
        let Ok(packet) = u32::try_from(packet) else { return };
        let keyframe = Keyframe { packet, packets: u16::try_from(packets).unwrap_or(u16::MAX) };
        match self.last {
            Some((_, last)) => self.fill(time_ms, last),
            // Before the first keyframe there is nothing to show.
            None => self.fill(time_ms, keyframe),
        }
        self.last = Some((time_ms, keyframe));
    }

    /// Entries for the times before `time_ms`.
    fn fill(&mut self, time_ms: u64, keyframe: Keyframe) {
        while time_ms.div_ceil(self.interval) > MAX_ENTRIES as u64 {
            let mut place = 0;
            self.entries.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.interval *= 2;
        }
        let count = time_ms.div_ceil(self.interval) as usize;
        if count > self.entries.len() {
            self.entries.resize(count, keyframe);
        }
    }

    /// The object, for a file of this id that ends at `end_ms`. Nothing if there was no keyframe.
    #[must_use]
    pub fn finish(mut self, file_id: [u8; 16], end_ms: u64) -> Option<Bytes> {
        let (time, last) = self.last?;
        self.fill(end_ms.max(time.saturating_add(1)), last);
        let mut out = Vec::with_capacity(56 + self.entries.len() * ENTRY);
        object(&mut out, guid::SIMPLE_INDEX, |out| {
            out.put_slice(&file_id);
            out.put_u64_le(self.interval * 10_000);
            out.put_u32_le(self.entries.iter().map(|entry| entry.packets.into()).max().unwrap_or(0));
            out.put_u32_le(self.entries.len() as u32);
            for entry in &self.entries {
                out.put_u32_le(entry.packet);
                out.put_u16_le(entry.packets);
            }
        });
        Some(out.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(index: &Bytes) -> Vec<(u32, u16)> {
        let entries = index[56..].chunks(6).map(|entry| {
            let number = |at: std::ops::Range<usize>| entry[at].iter().rev().fold(0, |n, b| n << 8 | u32::from(*b));
            (number(0..4), number(4..6) as u16)
        });
        entries.collect()
    }

    #[test]
    fn an_entry_names_the_last_keyframe_that_is_shown_by_then() {
        let mut index = IndexBuilder::new();
        index.push(1500, 0, 2);
        index.push(3000, 7, 1);
        index.push(2900, 8, 1);
        index.push(3100, 9, 3);
        let index = index.finish([5; 16], 5000).unwrap();
        assert_eq!(entries(&index), [(0, 2), (0, 2), (0, 2), (7, 1), (9, 3)]);
        assert_eq!(index[24..40], [5; 16]);
        assert_eq!(index[40..56], [&10_000_000u64.to_le_bytes()[..], &[3, 0, 0, 0], &[5, 0, 0, 0]].concat());
    }

    #[test]
    fn without_keyframes_there_is_no_index() {
        assert_eq!(IndexBuilder::new().finish([0; 16], 1000), None);
    }

    #[test]
    fn a_jump_to_the_end_of_time_makes_no_endless_index() {
        let mut index = IndexBuilder::new();
        index.push(0, 0, 1);
        index.push(1000, 1, 1);
        index.push(u64::MAX, 2, 1);
        let index = index.finish([0; 16], u64::MAX).unwrap();
        assert!(index.len() <= 56 + MAX_ENTRIES * ENTRY);
        assert_eq!(entries(&index)[..2], [(0, 1), (1, 1)]);
    }
}
