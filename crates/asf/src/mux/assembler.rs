//! Fragments of units into data packets (section 5.2), and nothing of clocks or codecs.
//!
//! Every packet has the same shape, whatever it holds: error correction data of two zero
//! bytes, several payloads, an explicit length, no padding. Every payload has eight bytes
//! of replicated data and says its length.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{BufMut, Bytes};

use super::Packet;
use super::clock::Clock;

/// What every packet begins with: error correction data present, two bytes of it; several
/// payloads, packet length in 16 bits, neither sequence nor padding length; then the widths
/// of the payload headers' fields: replicated length 8, offset 32, object number 8, stream 8.
const BEGIN: [u8; 5] = [0x82, 0, 0, 0x41, 0x5D];

/// `BEGIN`, packet length 16, send time 32, duration 16, number of payloads 8.
const HEAD: usize = 14;

/// Stream 8, object 8, offset 32, replicated length 8, object size 32, presentation time 32,
/// payload length 16.
const PAYLOAD_HEAD: usize = 17;

/// The most payloads of a packet: six bits (section 5.2.3.2).
const MAX_PAYLOADS: u8 = 63;

/// Payload lengths are 16 bits wide.
const PAYLOAD_LENGTH_16: u8 = 0x80;

/// A unit is not broken to put fewer of its bytes than so many into the rest of a packet.
const LEAST_FRAGMENT: usize = 64;

/// The most time in one packet, in ms: its duration has 16 bits, and old sound should not
/// wait for new.
const MAX_SPAN: i64 = 1000;

/// What the payloads of a unit say about it.
pub(super) struct Unit {
    pub(super) stream: u8,
    pub(super) object: u8,
    pub(super) key: bool,
    /// A reader can be let in at the packet that begins with this unit.
    pub(super) entry: bool,
    pub(super) presentation: u64,
    pub(super) time: i64,
}

/// The packet under way.
pub(super) struct Assembler {
    packet_size: usize,
    /// Bytes of the packet, its head as zeros; empty when none is under way.
    packet: Vec<u8>,
    payloads: u8,
    entry: bool,
    /// Times of the earliest and the latest unit in it; the first one's is when to send it.
    first: i64,
    earliest: i64,
    latest: i64,
    /// Packets finished.
    number: u64,
}

impl Assembler {
    pub(super) fn new(packet_size: u32) -> Self {
        let packet_size = packet_size as usize;
        let packet = Vec::with_capacity(packet_size);
        Self { packet_size, packet, payloads: 0, entry: false, first: 0, earliest: 0, latest: 0, number: 0 }
    }

    pub(super) fn packet_size(&self) -> u32 {
        self.packet_size as u32
    }

    /// The number of the packet under way, or of the next one.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packet.is_empty()
    }

    /// Whether a unit of this time should not go into the packet under way.
    pub(super) fn is_far(&self, time: i64) -> bool {
        let span = self.latest.max(time).saturating_sub(self.earliest.min(time));
        !self.is_empty() && span > MAX_SPAN
    }

    /// Puts a unit into as many packets as it needs, and tells the number of the first.
    pub(super) fn push(&mut self, unit: &Unit, data: &[u8], clock: &mut Clock, ready: &mut VecDeque<Packet>) -> u64 {
        if self.room() < data.len().min(LEAST_FRAGMENT) {
            self.finish(clock, ready);
        }
        let first = self.number;
        let mut offset = 0;
        while offset < data.len() {
            let rest = &data[offset..];
            let fragment = &rest[..rest.len().min(self.room())];
            self.fragment(unit, data.len(), offset, fragment);
            offset += fragment.len();
            if offset < data.len() {
                self.finish(clock, ready);
            }
        }
        first
    }

    /// Bytes of a unit that still fit.
    fn room(&self) -> usize {
        match self.payloads {
            MAX_PAYLOADS.. => 0,
            _ => self.packet_size.saturating_sub(self.packet.len().max(HEAD) + PAYLOAD_HEAD),
        }
    }

    fn fragment(&mut self, unit: &Unit, size: usize, offset: usize, fragment: &[u8]) {
        if self.packet.is_empty() {
            self.packet.resize(HEAD, 0);
            self.entry = unit.entry && offset == 0;
            (self.first, self.earliest, self.latest) = (unit.time, unit.time, unit.time);
        }
        self.earliest = self.earliest.min(unit.time);
        self.latest = self.latest.max(unit.time);
        self.payloads += 1;
        let out = &mut self.packet;
        out.put_u8(unit.stream | if unit.key { 0x80 } else { 0 });
        out.put_u8(unit.object);
        out.put_u32_le(offset as u32);
        out.put_u8(8);
        out.put_u32_le(size as u32);
        // Wraps after 49 days, as every clock of 32 bits.
        out.put_u32_le(unit.presentation as u32);
        out.put_u16_le(fragment.len() as u16);
        out.put_slice(fragment);
    }

    /// Ends the packet under way, if there is one.
    pub(super) fn finish(&mut self, clock: &mut Clock, ready: &mut VecDeque<Packet>) {
        if self.packet.is_empty() {
            return;
        }
        let send = clock.send(self.first);
        let duration = u16::try_from(self.latest - self.earliest).unwrap_or(u16::MAX);
        let length = self.packet.len() as u16;
        let mut head = &mut self.packet[..HEAD];
        head.put_slice(&BEGIN);
        head.put_u16_le(length);
        head.put_u32_le(send as u32);
        head.put_u16_le(duration);
        head.put_u8(PAYLOAD_LENGTH_16 | self.payloads);
        ready.push_back(Packet {
            data: Bytes::copy_from_slice(&self.packet),
            key: self.entry,
            send_time: Duration::from_millis(send),
        });
        self.packet.clear();
        self.payloads = 0;
        self.number += 1;
    }
}
