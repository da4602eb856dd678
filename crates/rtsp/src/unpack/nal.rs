//! H.264 (RFC 6184) and H.265 (RFC 7798), as cameras send them.
//!
//! A unit ends at its marker, or where the time changes, or at the delimiter of the next one, but
//! never before it has a slice, and not at the first marker of a camera that may set one on every slice
//! ([`Nals::is_holding`]): parameter sets and messages go with the picture behind them, whatever marker and
//! time they have. Every point at which a decoder can start begins with the parameter sets, wherever they
//! were sent; delimiters and filling are left out. Start codes in payloads are start codes.

mod fragment;
mod markers;

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use media::nal::{Role, START_CODE, Syntax, units};
use memchr::memmem;

use self::fragment::Edges;
use self::markers::{Markers, begin_of};
use super::Rtp;
use super::sets::Sets;

/// What a unit is made room for before anything is known of its stream.
const FIRST_ROOM: usize = 32 << 10;
/// Bytes of what does not belong to a slice that go unused at most in a unit's allocation, and the part of it.
const SPARE: usize = 512;
const SPARE_PART: usize = 4;
/// Pictures that end in one packet: one, and the one that is ended by it; each is copied with the
/// parameter sets, however small it is.
const MOST_ENDING: usize = 8;

/// Whether a decoder can start at an access unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// No.
    No,
    /// Yes, and the picture becomes whole later (H.264 D.2.8, H.265 D.3.8).
    Recovery,
    /// Yes, but pictures that are shown before it may come behind it and refer to what was before (CRA, BLA).
    Open,
    /// Yes (IDR).
    Key,
}

/// An access unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Of its packets, in ticks of 1/90000 s.
    pub timestamp: u32,
    /// In Annex B; with parameter sets where a decoder can start.
    pub data: Bytes,
    /// Whether one can.
    pub start: Start,
    /// Something before it was lost, since the last one.
    pub lost: bool,
    /// Its first slice is the first of the picture.
    pub begun: bool,
    /// It may refer to pictures before the last [`Start::Open`].
    pub leading: bool,
    /// [`Nals::parameters`] are others than at the last one.
    pub changed: bool,
}

/// Where in an access unit the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Between two.
    Between,
    /// In one.
    Within,
    /// In one of which a part is missing.
    Skipping,
}

/// The access units of one track.
#[derive(Debug)]
pub struct Nals {
    syntax: Syntax,
    /// Payloads tell the order of decoding (RFC 7798 section 4.4, DONL).
    has_order: bool,
    /// Bytes of a unit that may come.
    most: usize,
    sets: Sets,
    place: Place,
    timestamp: u32,
    /// What stands before the first slice, in Annex B.
    front: Vec<u8>,
    recovers: bool,
    /// From the first slice on; empty before it.
    data: BytesMut,
    start: Start,
    begun: bool,
    leading: bool,
    edges: Edges,
    /// A unit that is no slice and comes in fragments.
    small: Vec<u8>,
    /// Since the last picture that came out.
    lost: bool,
    changed: bool,
    /// The time of a picture that ended at its marker.
    marked: Option<u32>,
    markers: Markers,
    /// How large units were, those with [`Start`] and those without.
    room: [usize; 2],
    out: VecDeque<Picture>,
}

const EMPTY: &str = "it has no payload";
const CUT: &str = "it ends within a NAL unit";
const NO_UNIT: &str = "it is no NAL unit";
const INTERLEAVED: &str = "its NAL units are interleaved (packetization mode 2)";
const TOO_LARGE: &str = "its picture is too large";
const TOO_MANY: &str = "it has too many pictures";
const ANOTHER: &str = "another NAL unit begins before the end of one";
const WITHIN: &str = "it begins within a NAL unit";

impl Nals {
    /// For a track with these parameter sets, in Annex B, where they are known beforehand. `has_order` is of
    /// H.265: `sprop-max-don-diff` is greater than 0. Pictures have at most `most` bytes.
    #[must_use]
    pub fn new(syntax: Syntax, known: &[u8], has_order: bool, most: usize) -> Self {
        Self {
            syntax,
            has_order: has_order && syntax == Syntax::H265,
            most,
            sets: Sets::new(syntax, known),
            place: Place::Between,
            timestamp: 0,
            front: Vec::new(),
            recovers: false,
            data: BytesMut::new(),
            start: Start::No,
            begun: false,
            leading: false,
            edges: Edges::default(),
            small: Vec::new(),
            lost: false,
            changed: false,
            marked: None,
            markers: Markers::default(),
            room: [FIRST_ROOM; 2],
            out: VecDeque::new(),
        }
    }

    /// The parameter sets in Annex B; nothing while some are missing.
    #[must_use]
    pub fn parameters(&self) -> Option<Bytes> {
        self.sets.is_whole().then(|| self.sets.to_bytes())
    }

    /// Takes the next packet; some before it did not come, if it `is_lossy`.
    ///
    /// # Errors
    /// What is wrong with it. Its picture is given up, and what follows may be good.
    pub fn handle(&mut self, packet: &Rtp<'_>, is_lossy: bool) -> Result<(), &'static str> {
        let ended = self.end_before(packet, is_lossy);
        let taken = self.take(packet, is_lossy);
        if taken.is_err() {
            self.give_up();
            self.timestamp = packet.timestamp;
            self.place = if packet.marker { Place::Between } else { Place::Skipping };
        }
        ended.and(taken)
    }

    /// The next picture that is whole.
    #[must_use]
    pub fn poll(&mut self) -> Option<Picture> {
        self.out.pop_front()
    }

    /// Bytes that are kept of a picture that is not whole, for tests and fuzzers.
    pub(crate) fn kept(&self) -> usize {
        self.data.len() + self.front.len() + self.small.len()
    }

    /// Ends what a packet does not belong to. What is wrong with that says nothing of the packet.
    fn end_before(&mut self, packet: &Rtp<'_>, is_lossy: bool) -> Result<(), &'static str> {
        if is_lossy || packet.timestamp == self.timestamp {
            return Ok(());
        }
        let was_released = self.place == Place::Between && self.marked == Some(self.timestamp);
        if was_released || self.is_holding() {
            self.saw_end();
            self.place = Place::Between;
        }
        if self.place != Place::Within {
            return Ok(());
        }
        let ended = match self.edges.is_open() {
            true => self.implied_end("the time changes before the end of a NAL unit"),
            false => Ok(()),
        };
        if ended.is_err() {
            self.give_up();
        }
        if !self.data.is_empty() {
            self.finish();
        }
        ended
    }

    fn take(&mut self, packet: &Rtp<'_>, is_lossy: bool) -> Result<(), &'static str> {
        let is_same = packet.timestamp == self.timestamp;
        let follows_marker = self.place == Place::Between && !is_lossy;
        if is_lossy {
            if self.place == Place::Within {
                self.place = if is_same { Place::Skipping } else { Place::Between };
            }
            self.give_up();
            self.marked = None;
        }
        if self.place == Place::Skipping && is_same {
            if packet.marker && self.markers != Markers::Slices {
                self.place = Place::Between;
            }
            return Ok(());
        }
        if self.place == Place::Within && is_same {
            self.saw_slice_end();
        }
        self.place = Place::Within;
        self.timestamp = packet.timestamp;
        self.payload(packet.payload, packet.marker, is_lossy, follows_marker)?;
        if packet.marker {
            match self.place {
                Place::Within => self.mark(),
                Place::Skipping if self.markers != Markers::Slices => self.place = Place::Between,
                _ => {}
            }
        }
        Ok(())
    }

    fn payload(
        &mut self,
        payload: &[u8],
        marker: bool,
        is_lossy: bool,
        follows_marker: bool,
    ) -> Result<(), &'static str> {
        let payload = without_start_code(payload);
        let header = self.syntax.header();
        let (head, body) = payload.split_at_checked(header).filter(|(head, _)| !head.is_empty()).ok_or(EMPTY)?;
        if head[0] & 0x80 != 0 {
            return Err("its NAL unit is marked as wrong");
        }
        match (self.syntax, self.syntax.kind(head)) {
            (Syntax::H264, 1..=23) | (Syntax::H265, 0..=47) => {
                let body = self.after_order(body, 2)?;
                self.whole(head, body)
            }
            (Syntax::H264, 24) | (Syntax::H265, 48) => self.aggregate(body),
            (Syntax::H264, 28) | (Syntax::H265, 49) => self.fragment(head, body, marker, is_lossy, follows_marker),
            (Syntax::H264, 25..=27 | 29) => Err(INTERLEAVED),
            _ => Err(NO_UNIT),
        }
    }

    /// What is behind the number that says when to decode it, where there is one.
    fn after_order<'a>(&self, body: &'a [u8], length: usize) -> Result<&'a [u8], &'static str> {
        if self.has_order { body.get(length..).ok_or(CUT) } else { Ok(body) }
    }

    /// Several units (RFC 6184 section 5.7.1, RFC 7798 section 4.4.2).
    fn aggregate(&mut self, mut rest: &[u8]) -> Result<(), &'static str> {
        if rest.is_empty() {
            return Err(CUT);
        }
        let mut order = 2;
        while !rest.is_empty() {
            rest = self.after_order(rest, std::mem::replace(&mut order, 1))?;
            let (length, after) = rest.split_first_chunk().ok_or(CUT)?;
            let (unit, after) = after.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(CUT)?;
            rest = after;
            let unit = without_start_code(unit);
            let (head, body) = unit.split_at_checked(self.syntax.header()).ok_or(CUT)?;
            self.whole(head, body)?;
        }
        Ok(())
    }

    /// A whole unit.
    fn whole(&mut self, head: &[u8], body: &[u8]) -> Result<(), &'static str> {
        if self.edges.is_open() {
            self.implied_end(ANOTHER)?;
        }
        self.begin(head, body)?;
        self.end()
    }

    /// A unit begins; what is no slice is kept until its end.
    fn begin(&mut self, head: &[u8], body: &[u8]) -> Result<(), &'static str> {
        match self.syntax.role(head) {
            Role::Slice => {
                self.begin_slice(head, body)?;
                self.edges.open(true);
            }
            _ => {
                self.small.clear();
                self.small.extend_from_slice(head);
                self.edges.open(false);
            }
        }
        self.more(body)
    }

    /// More of the unit that has begun.
    fn more(&mut self, body: &[u8]) -> Result<(), &'static str> {
        let is_slice = self.edges.is_slice();
        let there = if is_slice { self.data.len() } else { self.front.len() + self.small.len() };
        if there + body.len() > self.most {
            return Err(TOO_LARGE);
        }
        match is_slice {
            true => self.data.put_slice(body),
            false => self.small.extend_from_slice(body),
        }
        Ok(())
    }

    /// The unit that has begun is whole.
    fn end(&mut self) -> Result<(), &'static str> {
        let was_slice = self.edges.is_slice();
        self.edges.close();
        if was_slice {
            return Ok(());
        }
        let small = std::mem::take(&mut self.small);
        let first = memmem::find(&small, &START_CODE[1..]).unwrap_or(small.len());
        let (unit, further) = small.split_at(first);
        let put = self.put(trimmed(unit)).and_then(|()| units(further).try_for_each(|unit| self.put(unit)));
        self.small = small;
        put
    }

    /// A whole unit in one piece.
    fn put(&mut self, unit: &[u8]) -> Result<(), &'static str> {
        let role = self.syntax.role(unit);
        if self.is_holding() && matches!(role, Role::Set(_) | Role::Delimiter | Role::Message) {
            self.saw_end();
        }
        match role {
            _ if unit.len() < self.syntax.header() => return Ok(()),
            Role::Filling => return Ok(()),
            Role::Set(_) => {
                self.changed |= self.sets.learn(unit);
                return Ok(());
            }
            Role::Slice => {
                let (head, body) = unit.split_at(self.syntax.header());
                self.begin_slice(head, body)?;
                self.data.put_slice(body);
                return Ok(());
            }
            Role::Delimiter => {
                if !self.data.is_empty() {
                    self.finish();
                }
                return Ok(());
            }
            Role::Message => self.recovers |= self.data.is_empty() && self.syntax.has_recovery_point(unit),
            Role::Other => {}
        }
        if self.front.len() + self.data.len() + unit.len() > self.most {
            return Err(TOO_LARGE);
        }
        if self.data.is_empty() {
            self.front.extend_from_slice(&START_CODE);
            self.front.extend_from_slice(unit);
        } else {
            self.data.put_slice(&START_CODE);
            self.data.put_slice(unit);
        }
        Ok(())
    }

    /// A slice begins; the first one brings with it what has to stand before it.
    fn begin_slice(&mut self, head: &[u8], body: &[u8]) -> Result<(), &'static str> {
        let (slice, begun) = begin_of(self.syntax, head, body);
        self.saw_slice(begun);
        if self.data.is_empty() {
            if self.out.len() >= MOST_ENDING {
                return Err(TOO_MANY);
            }
            self.begun = begun;
            if !self.begun && self.marked == Some(self.timestamp) {
                // The marker was not the last packet's.
                self.markers = Markers::Slices;
                return Err("it is of a picture that has ended at a marker");
            }
            self.start = match () {
                () if self.syntax.is_idr(&slice) => Start::Key,
                () if self.syntax.is_irap(&slice) => Start::Open,
                () if self.recovers => Start::Recovery,
                () => Start::No,
            };
            self.leading = self.syntax.is_leading(&slice);
            let brings_sets = self.start != Start::No || self.changed;
            let room = self.room[usize::from(self.start != Start::No)];
            let sets = if brings_sets { self.sets.len() } else { 0 };
            self.data = BytesMut::with_capacity(room.min(self.most) + sets + self.front.len());
            if brings_sets {
                self.sets.put(&mut self.data);
            }
            self.data.put_slice(&self.front);
            self.front.clear();
            self.recovers = false;
        }
        self.data.put_slice(&START_CODE);
        self.data.put_slice(head);
        Ok(())
    }

    /// The picture is whole.
    fn finish(&mut self) {
        let data = std::mem::take(&mut self.data);
        let room = &mut self.room[usize::from(self.start != Start::No)];
        *room = (data.len() + data.len() / 8).max(*room - *room / 16);
        let data = match data.capacity() - data.len() > data.len() / SPARE_PART + SPARE {
            true => Bytes::copy_from_slice(&data),
            false => data.freeze(),
        };
        self.marked = None;
        self.out.push_back(Picture {
            timestamp: self.timestamp,
            data,
            start: self.start,
            lost: std::mem::take(&mut self.lost),
            begun: self.begun,
            leading: self.leading,
            changed: std::mem::take(&mut self.changed),
        });
    }

    /// The picture that has begun is none; parameter sets that were whole stay.
    fn give_up(&mut self) {
        self.lost = true;
        if self.is_holding() {
            self.markers = Markers::Unknown;
        }
        self.data = BytesMut::new();
        self.front.clear();
        self.recovers = false;
        self.edges.close();
    }
}

/// A payload that begins with a start code, which has no place there.
fn without_start_code(payload: &[u8]) -> &[u8] {
    let rest = payload.strip_prefix(&START_CODE[..]).or_else(|| payload.strip_prefix(&START_CODE[1..]));
    rest.unwrap_or(payload)
}

/// Without the zeros behind it.
fn trimmed(unit: &[u8]) -> &[u8] {
    let length = unit.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    &unit[..length]
}
