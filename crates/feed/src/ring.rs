//! The packets themselves: what is kept, for how long, and where a reader may join.

use std::collections::VecDeque;
use std::collections::vec_deque::Drain;

use media::{Packet, TrackId, Tracks};

use crate::{Backlog, Entry, Limits, TooLarge};

/// What an entry takes besides its payload, in bytes: its place, and what the allocator and
/// [`bytes::Bytes`] note about the payload.
pub(crate) const OVERHEAD: usize = size_of::<Entry>() + 64;

pub(crate) struct Ring {
    limits: Limits,
    entries: VecDeque<Entry>,
    /// Sequence number of the next packet.
    next_seq: u64,
    /// Running number of the next packet of each track.
    next_index: Vec<u64>,
    /// Of payload.
    bytes: usize,
    /// Where a decoder may start: the newest keyframe of the first video track, or of
    /// any track where there is no video.
    join: Option<u64>,
    tracks: Tracks,
    video: Option<TrackId>,
    closed: bool,
    /// The readers that the publisher waits for: their numbers, and what they read next.
    waited_for: Vec<(u64, u64)>,
    next_reader: u64,
    /// The publisher waits until no more than that is unread.
    wanted: Option<Backlog>,
}

impl Ring {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: VecDeque::new(),
            next_seq: 0,
            next_index: Vec::new(),
            bytes: 0,
            join: None,
            tracks: Tracks::default(),
            video: None,
            closed: false,
            waited_for: Vec::new(),
            next_reader: 0,
            wanted: None,
        }
    }

    pub(crate) fn declare(&mut self, tracks: Tracks) {
        self.video = tracks.video().map(|track| track.id);
        self.tracks = tracks;
        // A decoder for the new tracks cannot start at a keyframe of the old ones.
        self.join = None;
    }

    /// Appends `packet`; returns what had to go for it.
    pub(crate) fn push(&mut self, packet: Packet) -> Result<Vec<Entry>, TooLarge> {
        let size = packet.data.len();
        if size > self.limits.bytes {
            return Err(TooLarge { size, limit: self.limits.bytes });
        }
        let track = usize::from(packet.track.0);
        if self.next_index.len() <= track {
            self.next_index.resize(track + 1, 0);
        }
        let index = &mut self.next_index[track];
        let newest = packet.received;
        if packet.key && self.video.is_none_or(|video| video == packet.track) {
            self.join = Some(self.next_seq);
        }
        self.entries.push_back(Entry {
            seq: self.next_seq,
            index: *index,
            lost: 0,
            tracks: self.tracks.clone(),
            packet,
        });
        *index += 1;
        self.next_seq += 1;
        self.bytes += size;

        let unread = self.unread_from();
        let mut fallen = Vec::new();
        while let Some(oldest) = self.entries.front() {
            // The newest one stays, even if it fills the ring without its overhead.
            let too_much = self.entries.len() > 1 && self.charged() > self.limits.bytes;
            let too_old = self.join.is_some_and(|join| oldest.seq < join)
                && unread.is_none_or(|unread| oldest.seq < unread)
                && newest.saturating_duration_since(oldest.packet.received) > self.limits.history;
            if !(too_much || too_old) {
                break;
            }
            if let Some(entry) = self.entries.pop_front() {
                self.bytes -= entry.packet.data.len();
                fallen.push(entry);
            }
        }
        Ok(fallen)
    }

    pub(crate) fn clear(&mut self) -> Vec<Entry> {
        self.bytes = 0;
        self.join = None;
        let drain: Drain<'_, Entry> = self.entries.drain(..);
        let fallen = drain.collect();
        self.entries.shrink_to_fit();
        fallen
    }

    /// Enters a reader that the publisher waits for.
    pub(crate) fn wait_for(&mut self, next: u64) -> u64 {
        self.next_reader += 1;
        self.waited_for.push((self.next_reader, next));
        self.next_reader
    }

    /// Notes how far a reader is; whether that is what the publisher waits for.
    pub(crate) fn passed(&mut self, reader: u64, next: u64) -> bool {
        if let Some((_, place)) = self.waited_for.iter_mut().find(|(of, _)| *of == reader) {
            *place = next;
        }
        let enough = self.wanted.is_some_and(|wanted| self.has_room(wanted));
        if enough {
            self.wanted = None;
        }
        enough
    }

    pub(crate) fn forget(&mut self, reader: u64) {
        self.waited_for.retain(|(of, _)| *of != reader);
    }

    /// The first packet that a reader that is waited for has not read.
    fn unread_from(&self) -> Option<u64> {
        self.waited_for.iter().map(|(_, next)| *next).min()
    }

    /// Whether no more than `most` is unread.
    pub(crate) fn has_room(&self, most: Backlog) -> bool {
        let Some(from) = self.unread_from() else { return true };
        let place = usize::try_from(from.saturating_sub(self.start())).unwrap_or(usize::MAX);
        let unread = self.entries.len().saturating_sub(place);
        if unread <= 1 {
            return unread == 0 || most.packets > 0;
        }
        let bytes: usize = self.entries.iter().skip(place).map(|entry| entry.packet.data.len()).sum();
        unread <= most.packets && bytes <= most.bytes
    }

    /// Whether there is room now; if not, [`Ring::passed`] tells when there is.
    pub(crate) fn wants_room(&mut self, most: Backlog) -> bool {
        let has = self.has_room(most);
        self.wanted = (!has).then_some(most);
        has
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What counts against the limit: many small packets take more memory than their bytes.
    fn charged(&self) -> usize {
        self.bytes + self.entries.len() * OVERHEAD
    }

    /// Sequence number that the next packet will get.
    pub(crate) fn end(&self) -> u64 {
        self.next_seq
    }

    /// Sequence number of the oldest packet held, or of the next one when empty.
    pub(crate) fn start(&self) -> u64 {
        self.entries.front().map_or(self.next_seq, |entry| entry.seq)
    }

    /// Where a decoder may start, if that packet is still held.
    pub(crate) fn join(&self) -> Option<u64> {
        self.join.filter(|join| *join >= self.start())
    }

    pub(crate) fn at(&self, seq: u64) -> Option<Entry> {
        let place = usize::try_from(seq.checked_sub(self.start())?).ok()?;
        self.entries.get(place).cloned()
    }

    /// The newest packet of the first video track (of any, where there is none) from
    /// `from` on.
    pub(crate) fn newest_video(&self, from: u64) -> Option<Entry> {
        let wanted =
            |entry: &&Entry| entry.tracks.same(&self.tracks) && self.video.is_none_or(|v| v == entry.packet.track);
        self.entries.iter().rev().take_while(|entry| entry.seq >= from).find(wanted).cloned()
    }
}
