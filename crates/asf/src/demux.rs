//! From data packets to access units.
//!
//! A [`Demuxer`] is handed packets as they come, padded or with their padding cut off, and
//! gives [`media::Unit`]s. It never fails: a packet that makes no sense is counted and
//! passed over, an object of which bytes are missing is left out, and the unit after what is
//! missing says so.
//!
//! # Times
//!
//! Packets tell one time of each object. The specification calls it the presentation time, but
//! libavformat writes decoding times into ASF, and reads them as such. Without B-pictures the
//! two are the same, and units have both. Of a codec that may have B-pictures (WMV3, VC-1,
//! MPEG-4, H.264) only the first B-picture tells which it is: one that is earlier than the
//! picture before it has a presentation time. So such units have a `pts` and no `dts`, which
//! is right for presentation times, and the same thing as long as there are no B-pictures. Once
//! the times have turned out to be decoding times, units have a `dts`, and a `pts` that follows
//! from it: a B-picture is shown as it is decoded, and a picture that others refer to is shown
//! when the next one of its kind is decoded, which is guessed from the last distance between
//! two. For H.264, where B-pictures are referred to as well, there is no such guess, and units
//! have a `dts` only.
//!
//! # Memory
//!
//! An object in one payload that is at least half of its packet is a slice of it, without a
//! copy; smaller ones are copied, so that no unit keeps more than twice its bytes. Fragments
//! are gathered in a buffer that grows as they arrive, whatever size the object says it has.
//! At most [`MAX_OBJECT`] bytes of an object and [`MAX_UNFINISHED`] of all objects are kept;
//! units wait until they are polled.

mod avc;
mod lane;
mod picture;
mod spread;
mod times;
mod track;

use std::collections::VecDeque;

use bytes::Bytes;
use media::{Track, Unit};

use self::lane::{Lane, Source};
use crate::packet::{Damage, Head};
use crate::{Error, Header, Stream};

/// Largest object that is put together, in bytes. A picture of 4K in JPEG has less.
pub const MAX_OBJECT: usize = 8 << 20;
/// Most bytes of objects that are not complete yet, of all streams together.
pub const MAX_UNFINISHED: usize = 16 << 20;

/// Stands for a stream that nobody wants.
const NOBODY: u8 = u8::MAX;

/// Makes units of data packets; see the [module documentation](self).
pub struct Demuxer {
    /// Size of a whole packet, in bytes.
    packet_size: usize,
    /// The place in `lanes` of each stream number.
    places: [u8; 128],
    lanes: Vec<Lane>,
    /// Bytes in objects that are not complete yet.
    unfinished: usize,
    units: VecDeque<Unit>,
    counters: Counters,
}

/// What a demuxer has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Packets handed to it.
    pub packets: u64,
    /// Packets of which at least a part made no sense.
    pub damaged: u64,
    /// Packets that it was told are lost.
    pub lost: u64,
    /// Units that it gave.
    pub units: u64,
    /// Objects that it left out: bytes of them are missing, or their sizes cannot be.
    pub abandoned: u64,
    /// What was wrong with the last damaged packet.
    pub last_damage: Option<Damage>,
}

impl Demuxer {
    /// A demuxer for the streams `streams` of `header`, by their numbers. Those whose codec is
    /// unknown, and those that are not there, are left out.
    ///
    /// # Errors
    /// [`Error::Encrypted`] as of [`Header::refuse_encrypted`], and [`Error::NoStream`] when no
    /// stream is left.
    pub fn new(header: &Header, streams: &[u8]) -> Result<Self, Error> {
        header.refuse_encrypted(streams)?;
        let wanted: Vec<_> = header.streams.iter().filter(|stream| streams.contains(&stream.number)).collect();
        let mut places = [NOBODY; 128];
        let mut lanes = Vec::new();
        for stream in &wanted {
            // Numbers are 7 bits wide and unique, so that there are less than 128 lanes.
            let place = lanes.len() as u8;
            if let Some(track) = track::track(header, stream, place) {
                places[usize::from(stream.number & 0x7F)] = place;
                lanes.push(Lane::new(header, stream, track));
            }
        }
        if lanes.is_empty() {
            return Err(none(&wanted, &header.streams));
        }
        let (units, counters) = (VecDeque::new(), Counters::default());
        Ok(Self { packet_size: header.packet_size(), places, lanes, unfinished: 0, units, counters })
    }

    /// The tracks, in the order of their ids, which units name.
    #[must_use]
    pub fn tracks(&self) -> Vec<Track> {
        self.lanes.iter().map(|lane| lane.track.clone()).collect()
    }

    /// The number of the stream that a track of [`Demuxer::tracks`] is made of.
    #[must_use]
    pub fn stream(&self, track: media::TrackId) -> Option<u8> {
        self.places.iter().position(|place| *place == track.0 && *place != NOBODY).map(|number| number as u8)
    }

    /// Takes the next data packet, whole or without its padding.
    pub fn handle_packet(&mut self, packet: Bytes) {
        self.handle(&packet, Some(&packet));
    }

    /// As [`Demuxer::handle_packet`], for bytes that are not shared: all units are copies.
    pub fn handle_slice(&mut self, packet: &[u8]) {
        self.handle(packet, None);
    }

    fn handle(&mut self, packet: &[u8], shared: Option<&Bytes>) {
        self.counters.packets += 1;
        if let Err(damage) = self.read(packet, shared) {
            self.counters.damaged += 1;
            self.counters.last_damage = Some(damage);
            // Nobody knows what else was in it.
            self.lose(1);
        }
    }

    fn read(&mut self, packet: &[u8], shared: Option<&Bytes>) -> Result<(), Damage> {
        let head = Head::parse(packet, self.packet_size)?;
        let number_bits = [0, 8, 16, 32][head.number_code()];
        let source = Source { packet, shared, send_time: head.send_time, number_bits };
        for payload in head.payloads(packet) {
            let payload = payload?;
            if let Some(lane) = self.lanes.get_mut(usize::from(self.places[usize::from(payload.stream & 0x7F)])) {
                let before = lane.unfinished();
                lane.handle_payload(&source, &payload, &mut self.units, &mut self.counters);
                self.unfinished = self.unfinished - before + lane.unfinished();
                if self.unfinished > MAX_UNFINISHED {
                    self.unfinished -= lane.unfinished();
                    lane.abandon(&mut self.counters);
                }
            }
        }
        Ok(())
    }

    /// Says that `packets` packets were lost just before the next one.
    ///
    /// An object under way goes on if the next fragment is the very one that it waits for. What
    /// comes after a loss is marked as a discontinuity, unless the numbers of the objects say
    /// that none of that stream is missing.
    pub fn handle_loss(&mut self, packets: u32) {
        self.counters.lost += u64::from(packets);
        self.lose(packets);
    }

    fn lose(&mut self, packets: u32) {
        self.lanes.iter_mut().for_each(|lane| lane.handle_loss(packets));
    }

    /// The next unit, if one is complete.
    #[must_use]
    pub fn poll_unit(&mut self) -> Option<Unit> {
        self.units.pop_front()
    }

    /// Says that the content is over, or goes on elsewhere: what is not complete now will never be.
    pub fn flush(&mut self) {
        for lane in &mut self.lanes {
            lane.abandon(&mut self.counters);
        }
        self.unfinished = 0;
    }

    /// Bytes of objects that are not complete yet.
    pub(crate) fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// What it has seen so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

impl std::fmt::Debug for Demuxer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Demuxer({} tracks, {} units ready, {:?})", self.lanes.len(), self.units.len(), self.counters)
    }
}

fn none(wanted: &[&Stream], there: &[Stream]) -> Error {
    let list =
        |streams: &mut dyn Iterator<Item = &Stream>| streams.map(Stream::to_string).collect::<Vec<_>>().join(", ");
    let what = match wanted.is_empty() {
        true => format!("none of the streams asked for is there, only {}", list(&mut there.iter())),
        false => format!("nothing here decodes {}", list(&mut wanted.iter().copied())),
    };
    Error::NoStream { what }
}

#[cfg(test)]
mod tests;
