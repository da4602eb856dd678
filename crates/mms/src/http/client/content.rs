//! What the frames of the answers amount to: headers, packets, entries of a playlist.

use std::collections::VecDeque;

use bytes::Bytes;
use formats::http::Head;

use crate::http::frame::{FIRST, Frame, LAST};
use crate::http::header::{Assembly, packet_size};
use crate::http::metadata::Metadata;
use crate::http::pragma::tokens;
use crate::{Error, Event, Hresult, Limits, Opened, Packet};

/// $E: this entry of the server's playlist is over, another follows ([MS-WMSP] 2.2.3.4).
const ENTRY_ENDED: Hresult = Hresult(1);
/// The most characters of the server's name.
const MOST_NAME: usize = 80;

/// The content, as far as the frames of all answers have told it.
pub(super) struct Content {
    limits: Limits,
    assembly: Assembly,
    metadata: Vec<u8>,
    /// What is told before the first header.
    opened: Opened,
    /// The playlist entry that the newest metadata describe.
    pub(super) entry_id: Option<u32>,
    /// The newest header that was told.
    header: Option<Bytes>,
    packet_size: Option<u32>,
    /// A header was told and not answered.
    pub(super) awaits_play: bool,
    /// Packets told since the head of the answer.
    pub(super) packets: u64,
    /// The header of Play was another than that of Describe.
    pub(super) differs: bool,
    entry: Entry,
    /// The sequence number of the newest packet.
    sequence: Option<u8>,
    /// Whether the server counts its packets; some write 0 in all.
    counts: bool,
    /// Packets that were left out since the last one that was told.
    dropped: u32,
}

/// Where in the server's playlist we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Running,
    /// Over, with $E or $C or both; a header follows.
    Over,
}

/// What a frame was good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Something that the content needs.
    Progress,
    Data,
    /// The content is over.
    Ended,
}

impl Content {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            assembly: Assembly::new(limits.header),
            metadata: Vec::new(),
            opened: Opened::default(),
            entry_id: None,
            header: None,
            packet_size: None,
            awaits_play: false,
            packets: 0,
            differs: false,
            entry: Entry::Running,
            sequence: None,
            counts: true,
            dropped: 0,
        }
    }

    /// Whether a header was told.
    pub(super) fn has_header(&self) -> bool {
        self.header.is_some()
    }

    /// Whether an entry of the server's playlist is over and the next has not begun.
    pub(super) fn is_between_entries(&self) -> bool {
        self.entry == Entry::Over
    }

    /// A new answer begins.
    pub(super) fn handle_head(&mut self, head: &Head) {
        self.assembly.finish();
        self.metadata.clear();
        (self.entry, self.sequence, self.dropped) = (Entry::Running, None, 0);
        (self.packets, self.differs) = (0, false);
        let name = head.header("server").unwrap_or_default();
        let name: String = name.chars().filter(|c| !c.is_control()).take(MOST_NAME).collect();
        if !name.is_empty() {
            self.opened.server = Some(name);
        }
        for (name, value) in head.all("pragma").flat_map(tokens) {
            if name.eq_ignore_ascii_case("features") {
                self.features(value.unwrap_or_default());
            }
        }
    }

    fn features(&mut self, features: &str) {
        let has = |name: &str| features.split(',').any(|feature| feature.trim().eq_ignore_ascii_case(name));
        self.opened.broadcast = Some(has("broadcast") || has("live"));
        self.opened.seekable = Some(has("seekable"));
    }

    /// Takes a frame; `playing` says whether it answers Play, or Describe.
    pub(super) fn handle_frame(
        &mut self,
        frame: Frame,
        playing: bool,
        events: &mut VecDeque<Event>,
    ) -> Result<Outcome, Error> {
        if let Frame::Header { flags, piece } = frame {
            if let Some(header) = self.assembly.piece(&piece, flags)? {
                self.handle_header(header, playing, events);
            }
            return Ok(Outcome::Progress);
        }
        self.finish(playing, events);
        match frame {
            Frame::Metadata { flags, piece } => self.handle_metadata(&piece, flags),
            Frame::Change(reason) if reason.is_failure() => {
                return Err(Error::Refused { message: "$C", code: reason });
            }
            Frame::End(reason) if reason.is_failure() => return Err(Error::Refused { message: "$E", code: reason }),
            Frame::Change(_) if playing => self.end_entry(events),
            Frame::End(ENTRY_ENDED) if playing => self.end_entry(events),
            Frame::End(_) if playing => {
                events.push_back(Event::Ended);
                return Ok(Outcome::Ended);
            }
            Frame::Data { location, sequence, packet } if playing => {
                self.handle_packet(location, sequence, packet, events);
                return Ok(Outcome::Data);
            }
            _ => (),
        }
        Ok(Outcome::Progress)
    }

    /// No further piece of a header follows: whatever has come of it is told.
    pub(super) fn finish(&mut self, playing: bool, events: &mut VecDeque<Event>) {
        if let Some(header) = self.assembly.finish() {
            self.handle_header(header, playing, events);
        }
    }

    /// A header of a plain file, or of frames. The one of Play repeats that of Describe, unless
    /// the content has become another in between.
    pub(super) fn handle_header(&mut self, header: Bytes, playing: bool, events: &mut VecDeque<Event>) {
        let known = self.header.as_ref().is_some_and(|known| !playing || *known == header);
        if known && self.entry == Entry::Running {
            return;
        }
        if self.header.is_none() {
            events.push_back(Event::Opened(self.opened.clone()));
        }
        self.differs = playing && self.entry == Entry::Running && self.packets == 0;
        self.packet_size = packet_size(&header);
        self.header = Some(header.clone());
        self.awaits_play = true;
        (self.entry, self.sequence) = (Entry::Running, None);
        events.push_back(Event::Header(header));
    }

    /// A description may be long, or senseless: what is no use is dropped.
    fn handle_metadata(&mut self, piece: &[u8], flags: u8) {
        if flags & FIRST != 0 {
            self.metadata.clear();
        }
        let room = self.limits.message.saturating_sub(self.metadata.len());
        self.metadata.extend_from_slice(&piece[..piece.len().min(room)]);
        if flags & LAST != 0 || flags & FIRST == 0 {
            let metadata = Metadata::parse(&self.metadata);
            if let Some(features) = &metadata.features {
                self.features(features);
            }
            self.entry_id = metadata.entry.filter(|id| *id != 0).or(self.entry_id);
            self.opened.title = metadata.title;
            self.opened.duration = metadata.duration;
        }
    }

    fn end_entry(&mut self, events: &mut VecDeque<Event>) {
        if self.entry == Entry::Running {
            events.push_back(Event::EntryEnded);
        }
        self.entry = Entry::Over;
    }

    fn handle_packet(&mut self, location: u32, sequence: u8, data: Bytes, events: &mut VecDeque<Event>) {
        // Over the end of an entry without a header: the server goes on with the same content.
        self.entry = Entry::Running;
        let missing = match self.sequence.replace(sequence) {
            Some(last) if last == sequence => {
                self.counts = false;
                0
            }
            Some(last) if self.counts => sequence.wrapping_sub(last).wrapping_sub(1).into(),
            _ => 0,
        };
        self.dropped = self.dropped.saturating_add(missing);
        if self.packet_size.is_some_and(|size| data.len() > size as usize) {
            // No packet of this content is so long, and where it ends is anybody's guess.
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.packets += 1;
        events.push_back(Event::Packet(Packet { location, lost: std::mem::take(&mut self.dropped), data }));
    }
}
