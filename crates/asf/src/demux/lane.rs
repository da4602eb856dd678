//! One stream on its way through the packets: fragments are put together to objects, and
//! objects become units.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use media::{Timestamp, Track, Unit};

use super::times::{Clock, Order};
use super::{Counters, MAX_OBJECT, avc, picture, spread};
use crate::fields::Fields;
use crate::guid;
use crate::header::{Extension, Format, Header, Spread, Stream};
use crate::packet::Payload;

/// Room that is made for a new object at once, in bytes; what is beyond is believed as it comes.
const FIRST_ROOM: usize = 256 << 10;
/// Most blocks that an object is split into; one of more is nothing that an encoder made.
const MOST_BLOCKS: usize = 4096;
/// With so many packets lost, object numbers of 8 bits may have come round: a packet has at
/// most 63 objects in payloads of their own, and in practice a few.
const MAX_COUNTABLE_LOSS: u32 = 32;

/// The packet that payloads are in.
pub(super) struct Source<'a> {
    pub(super) packet: &'a [u8],
    /// The same, where units may share it.
    pub(super) shared: Option<&'a Bytes>,
    pub(super) send_time: u32,
    /// Width of object numbers; 0 when the packet has none.
    pub(super) number_bits: u32,
}

impl Source<'_> {
    /// A part of the packet: a slice of it if it is at least half of it, else a copy.
    fn part(&self, part: Range<usize>) -> Bytes {
        match self.shared {
            Some(packet) if part.len() * 2 >= packet.len() => packet.slice(part),
            _ => Bytes::copy_from_slice(&self.packet[part]),
        }
    }
}

/// A stream and what is under way of it.
pub(super) struct Lane {
    pub(super) track: Track,
    /// Nanoseconds to add to its times: its time offset less the preroll.
    shift: i64,
    clock: Clock,
    order: Order,
    extensions: Vec<Extension>,
    spread: Option<Spread>,
    /// Bytes and nanoseconds of a block, where objects are split into blocks.
    block: Option<(usize, i64)>,
    /// Bytes of the lengths before NAL units, where these become start codes.
    nal_length: Option<usize>,
    /// Every unit is one to start at.
    always_key: bool,
    seen_key: bool,
    unfinished: Option<Unfinished>,
    /// The number of the last object that began.
    last_number: Option<u32>,
    /// Packets lost since then.
    lost: u32,
    /// Something of this stream is missing before the next unit.
    discontinuity: bool,
}

/// An object of which the begin has come.
struct Unfinished {
    about: About,
    size: usize,
    data: Vec<u8>,
    discontinuity: bool,
}

/// What payloads say about their object.
#[derive(Clone, Copy, PartialEq)]
struct About {
    number: u32,
    time: Time,
    key: bool,
    duration_ms: Option<u16>,
}

#[derive(Clone, Copy, PartialEq)]
enum Time {
    /// In milliseconds, with the preroll.
    Presentation(u32),
    /// Of the packet, in milliseconds, without the preroll.
    Send(u32),
    /// In units of 100 ns: that of recorded television, without the preroll.
    Recorded(i64),
}

impl Lane {
    pub(super) fn new(header: &Header, stream: &Stream, mut track: Track) -> Self {
        let nal_length = avc::unpack(&mut track);
        let hundreds = i64::try_from(stream.time_offset).unwrap_or(0);
        let preroll = i64::try_from(header.file.preroll).unwrap_or(0);
        let block = match (&stream.format, track.codec.name()) {
            (Format::Audio(audio), "wmav1" | "wmav2") if audio.block_align > 0 => {
                let nanos = u64::from(audio.block_align) * 1_000_000_000 / u64::from(audio.byte_rate.max(1));
                Some((usize::from(audio.block_align), nanos.cast_signed()))
            }
            _ => None,
        };
        Self {
            shift: hundreds.saturating_mul(100).saturating_sub(preroll.saturating_mul(1_000_000)),
            clock: Clock::default(),
            order: Order::of(&track),
            extensions: stream.extended.as_ref().map(|extended| extended.extensions.clone()).unwrap_or_default(),
            spread: stream.spread,
            block,
            nal_length,
            always_key: !stream.format.is_video() || track.codec == media::Codec::MJPEG,
            seen_key: false,
            unfinished: None,
            last_number: None,
            lost: 0,
            discontinuity: false,
            track,
        }
    }

    /// Bytes that wait for the rest of their object.
    pub(super) fn unfinished(&self) -> usize {
        self.unfinished.as_ref().map_or(0, |unfinished| unfinished.data.len())
    }

    pub(super) fn handle_loss(&mut self, packets: u32) {
        self.lost = self.lost.saturating_add(packets);
    }

    /// Gives up the object under way, if there is one.
    pub(super) fn abandon(&mut self, counters: &mut Counters) {
        if self.unfinished.take().is_some() {
            counters.abandoned += 1;
            self.discontinuity = true;
        }
    }

    #[inline]
    pub(super) fn handle_payload(
        &mut self,
        source: &Source<'_>,
        payload: &Payload<'_>,
        units: &mut VecDeque<Unit>,
        counters: &mut Counters,
    ) {
        let (size, time, duration_ms) = match *payload.replicated {
            [step] => return self.compressed(source, payload, step, units, counters),
            [a, b, c, d, e, f, g, h, ref rest @ ..] => {
                let (recorded, duration) = self.extensions(rest);
                let time = Time::Presentation(u32::from_le_bytes([e, f, g, h]));
                (Some(u32::from_le_bytes([a, b, c, d]) as usize), recorded.unwrap_or(time), duration)
            }
            _ => (None, Time::Send(source.send_time), None),
        };
        let about = About { number: payload.number, time, key: payload.key, duration_ms };
        match payload.offset {
            0 => self.begin(source, payload, size.unwrap_or(payload.data.len()), about, units, counters),
            _ => self.go_on(source, payload, size, about, units, counters),
        }
    }

    /// The first fragment of an object, or all of it.
    fn begin(
        &mut self,
        source: &Source<'_>,
        payload: &Payload<'_>,
        size: usize,
        about: About,
        units: &mut VecDeque<Unit>,
        counters: &mut Counters,
    ) {
        self.abandon(counters);
        self.count(about.number, source.number_bits);
        if size == 0 || size > MAX_OBJECT || payload.data.len() > size {
            counters.abandoned += 1;
            self.discontinuity = true;
            return;
        }
        let discontinuity = std::mem::take(&mut self.discontinuity);
        if payload.data.len() == size {
            return self.deliver(source.part(payload.data.clone()), about, discontinuity, units, counters);
        }
        let mut data = Vec::with_capacity(size.min(FIRST_ROOM));
        data.extend_from_slice(&source.packet[payload.data.clone()]);
        self.unfinished = Some(Unfinished { about, size, data, discontinuity });
    }

    /// A further fragment: of the object under way and of no other, or of one whose begin is lost.
    fn go_on(
        &mut self,
        source: &Source<'_>,
        payload: &Payload<'_>,
        size: Option<usize>,
        about: About,
        units: &mut VecDeque<Unit>,
        counters: &mut Counters,
    ) {
        let Some(unfinished) = &mut self.unfinished else {
            // It is missed once, whatever the number of its fragments.
            self.discontinuity = true;
            return;
        };
        let same = unfinished.about.number == about.number
            && size.is_none_or(|size| size == unfinished.size && about.time == unfinished.about.time)
            && payload.offset as usize == unfinished.data.len()
            && payload.data.len() <= unfinished.size - unfinished.data.len();
        if !same {
            return self.abandon(counters);
        }
        let room = unfinished.size - unfinished.data.len();
        if unfinished.data.capacity() - unfinished.data.len() < payload.data.len() {
            unfinished.data.reserve_exact(room.min(unfinished.data.len().max(payload.data.len())));
        }
        unfinished.data.extend_from_slice(&source.packet[payload.data.clone()]);
        if unfinished.data.len() == unfinished.size
            && let Some(whole) = self.unfinished.take()
        {
            self.deliver(whole.data.into(), whole.about, whole.discontinuity, units, counters);
        }
    }

    /// A payload of whole small objects, each behind a byte with its length; the time of the
    /// first stands in the offset field (sections 5.2.3.2 and 5.2.3.4).
    fn compressed(
        &mut self,
        source: &Source<'_>,
        payload: &Payload<'_>,
        step: u8,
        units: &mut VecDeque<Unit>,
        counters: &mut Counters,
    ) {
        self.abandon(counters);
        let (mut time, mut number) = (payload.offset, payload.number);
        let mut at = payload.data.start;
        while at < payload.data.end {
            let length = usize::from(source.packet[at]);
            let data = at + 1..at + 1 + length;
            at = data.end;
            self.count(number, source.number_bits);
            if data.end > payload.data.end {
                counters.abandoned += 1;
                self.discontinuity = true;
                return;
            }
            let about = About { number, time: Time::Presentation(time), key: payload.key, duration_ms: None };
            (time, number) = (time.wrapping_add(step.into()), number.wrapping_add(1));
            if length > 0 {
                let discontinuity = std::mem::take(&mut self.discontinuity);
                self.deliver(source.part(data), about, discontinuity, units, counters);
            }
        }
    }

    /// An object begins; after a loss its number may tell that none is missing.
    fn count(&mut self, number: u32, bits: u32) {
        let mask = u32::MAX.checked_shr(32 - bits).unwrap_or(0);
        let last = self.last_number.replace(number & mask);
        if self.lost > 0 {
            let next = last.filter(|_| mask > 0 && self.lost <= MAX_COUNTABLE_LOSS);
            self.discontinuity |= next.map(|last| last.wrapping_add(1) & mask) != Some(number & mask);
            self.lost = 0;
        }
    }

    /// What the payload extensions say: the time of recorded television, and the duration.
    fn extensions(&self, replicated: &[u8]) -> (Option<Time>, Option<u16>) {
        let (mut time, mut duration) = (None, None);
        let mut fields = Fields(replicated);
        for extension in &self.extensions {
            let Some(size) = extension.size.or_else(|| fields.u16()) else { break };
            let Some(data) = fields.take(size.into()) else { break };
            let mut data = Fields(data);
            match extension.guid {
                guid::EXTENSION_SAMPLE_DURATION => duration = data.u16(),
                guid::EXTENSION_RECORDED_TV_TIME => {
                    let begin = data.take(8).and_then(|_| data.u64()).map(u64::cast_signed);
                    time = begin.filter(|begin| *begin != -1).map(Time::Recorded);
                }
                _ => {}
            }
        }
        (time, duration.filter(|duration| *duration > 0))
    }

    /// A whole object becomes a unit, or several.
    fn deliver(
        &mut self,
        mut data: Bytes,
        about: About,
        mut discontinuity: bool,
        units: &mut VecDeque<Unit>,
        counters: &mut Counters,
    ) {
        if let Some(spread) = self.spread {
            data = spread::gather(data, spread);
        }
        let mut corrupt = false;
        if let Some(length) = self.nal_length {
            (data, corrupt) = avc::annex_b(data, length);
        }
        let mut at = match about.time {
            Time::Presentation(ms) => self.clock.extend(ms).saturating_mul(1_000_000).saturating_add(self.shift),
            Time::Send(ms) => i64::from(ms) * 1_000_000,
            Time::Recorded(hundreds) => hundreds.saturating_mul(100),
        };
        let key = self.always_key || about.key || (!self.seen_key && picture::is_intra(&self.track, &data));
        self.seen_key |= about.key;
        let (pts, dts) = self.order.place(at, &self.track, &data);
        let mut unit = Unit {
            track: self.track.id,
            pts: pts.map(Timestamp::from_nanos),
            dts: dts.map(Timestamp::from_nanos),
            duration: about.duration_ms.map(|ms| Duration::from_millis(ms.into())),
            key,
            corrupt,
            discontinuity: false,
            captured: None,
            data: Bytes::new(),
        };
        let is_block = |size: usize| data.len() > size && data.len().is_multiple_of(size);
        let block = self.block.filter(|(size, _)| is_block(*size) && data.len() / size <= MOST_BLOCKS);
        if let Some((size, nanos)) = block {
            while data.len() > size {
                let first = Unit { data: data.split_to(size), discontinuity, duration: None, ..unit.clone() };
                units.push_back(first);
                counters.units += 1;
                discontinuity = false;
                at = at.saturating_add(nanos);
                (unit.pts, unit.dts) = (Some(Timestamp::from_nanos(at)), Some(Timestamp::from_nanos(at)));
            }
            unit.duration = None;
        }
        if !data.is_empty() {
            units.push_back(Unit { data, discontinuity, ..unit });
            counters.units += 1;
        } else {
            self.discontinuity |= discontinuity;
        }
    }
}
