//! From channels and ports to ASF packets: the streams that are set up, and what their
//! sources have sent.

use std::time::Instant;

use bytes::Bytes;

use super::depacketizer::{AsfPacket, Depacketizer};
use super::reorder::Reorder;
use super::rtp::{self, Rtp};
use super::transport::{Transport, same_stream};
use crate::Packet;

/// The most sources whose packets are taken, over UDP.
const MOST_SOURCES: usize = 130;
/// The most bytes that wait for lost datagrams, however many datagrams they are.
const MOST_HELD: usize = 8 << 20;

/// A stream that SETUP has set up.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub url: String,
    pub transport: Transport,
}

/// Packets that arrive, until they are ASF packets in order.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    streams: Vec<Stream>,
    /// The payload types that carry ASF; empty where the server does not tell.
    types: Vec<u8>,
    sources: Vec<Source>,
    /// The number of the next packet, where the server does not tell.
    location: u32,
    /// Packets and datagrams that made no sense, or came for nobody.
    pub dropped: u64,
}

#[derive(Debug)]
struct Source {
    from: From,
    order: Order,
    depacketizer: Depacketizer,
    goodbye: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// A channel of the connection.
    Channel(u8),
    /// A source of datagrams.
    Ssrc(u32),
}

#[derive(Debug)]
enum Order {
    /// Comes in order; the next number and whose it is.
    Kept(Option<(u32, u16)>),
    Restored(Reorder),
}

impl Receiver {
    /// Begins anew, for the streams of one playlist entry, of which `location` is the first packet.
    pub fn renew(&mut self, types: Vec<u8>, location: u32) {
        *self = Self { types, location, dropped: self.dropped, ..Self::default() };
    }

    /// A stream is set up.
    pub fn add(&mut self, stream: Stream) {
        let transport = stream.transport;
        let source = match (transport.udp, transport.interleaved, transport.ssrc) {
            (false, Some((channel, _)), _) => Some((From::Channel(channel), Order::Kept(None))),
            (true, _, Some(ssrc)) => Some((From::Ssrc(ssrc), Order::Restored(Reorder::default()))),
            _ => None,
        };
        if let Some((from, order)) = source.filter(|(from, _)| self.sources.iter().all(|source| source.from != *from)) {
            self.sources.push(Source { from, order, depacketizer: Depacketizer::default(), goodbye: false });
        }
        self.streams.push(stream);
    }

    /// Whether any stream comes in datagrams.
    pub fn has_udp(&self) -> bool {
        self.streams.iter().any(|stream| stream.transport.udp)
    }

    /// The ports from which the server sends, and those it listens to.
    pub fn server_ports(&self) -> impl Iterator<Item = (u16, u16)> {
        self.streams.iter().filter_map(|stream| stream.transport.server_port)
    }

    /// The server tells the first sequence number of each stream (RFC 2326 section 12.33).
    pub fn start(&mut self, sequences: &[(String, u16)]) {
        for (source, sequence) in self.told(sequences) {
            if let Some(Source { order: Order::Restored(reorder), .. }) = self.sources.get_mut(source) {
                reorder.start(sequence);
            }
        }
    }

    /// Whether everything before these sequence numbers has come, as far as it can be told.
    pub fn has_reached(&self, sequences: &[(String, u16)]) -> bool {
        let reached = |(source, sequence): (usize, u16)| match self.sources.get(source).map(|source| &source.order) {
            Some(Order::Restored(reorder)) => reorder.has_reached(sequence),
            _ => true,
        };
        self.told(sequences).into_iter().all(reached)
    }

    /// Indices of the sources that are meant.
    fn told(&self, sequences: &[(String, u16)]) -> Vec<(usize, u16)> {
        let source = |url: &str| {
            let stream = self.streams.iter().find(|stream| same_stream(&stream.url, url))?;
            let from = From::Ssrc(stream.transport.ssrc?);
            self.sources.iter().position(|source| source.from == from)
        };
        sequences.iter().filter_map(|(url, sequence)| Some((source(url)?, *sequence))).collect()
    }

    /// Takes a frame of the connection. Whether it was a packet of a stream of ours.
    pub fn handle_frame(&mut self, channel: u8, data: &Bytes, out: &mut impl FnMut(Packet)) -> bool {
        if let Some(from) = self.controlled_by(channel) {
            let goodbye = !rtp::goodbyes(data).is_empty();
            self.sources.iter_mut().filter(|source| source.from == from).for_each(|source| source.goodbye |= goodbye);
            return false;
        }
        let packet = Rtp::parse(data).filter(|packet| self.is_asf(packet));
        let source = self.sources.iter_mut().find(|source| source.from == From::Channel(channel));
        let (Some(packet), Some(Source { order: Order::Kept(due), depacketizer, .. })) = (packet, source) else {
            self.dropped += 1;
            return false;
        };
        // The distance as a signed number; one that goes back is a new count, and nothing lost.
        let missing = due
            .filter(|(ssrc, _)| *ssrc == packet.ssrc)
            .map_or(0, |(_, due)| packet.sequence.wrapping_sub(due) as i16)
            .max(0);
        *due = Some((packet.ssrc, packet.sequence.wrapping_add(1)));
        let mut hand_out = numbered(&mut self.location, out);
        depacketizer.handle_payload(&packet.payload, packet.marker, missing.unsigned_abs().into(), &mut hand_out);
        true
    }

    /// The source whose RTCP comes on this channel.
    fn controlled_by(&self, channel: u8) -> Option<From> {
        let pairs = self
            .streams
            .iter()
            .filter(|stream| !stream.transport.udp)
            .filter_map(|stream| stream.transport.interleaved);
        pairs.into_iter().find(|(rtp, rtcp)| *rtcp == channel && rtp != rtcp).map(|(rtp, _)| From::Channel(rtp))
    }

    /// Takes a datagram from the server's port `from`. Whether it was a packet of a stream of ours.
    pub fn handle_datagram(&mut self, now: Instant, from: u16, datagram: &[u8]) -> bool {
        let known =
            self.server_ports().next().is_none() || self.server_ports().any(|(rtp, rtcp)| from == rtp || from == rtcp);
        if !known || !self.has_udp() {
            self.dropped += 1;
            return false;
        }
        if rtp::is_rtcp(datagram) {
            for ssrc in rtp::goodbyes(datagram) {
                let source = self.sources.iter_mut().find(|source| source.from == From::Ssrc(ssrc));
                source.into_iter().for_each(|source| source.goodbye = true);
            }
            return false;
        }
        let packet = Rtp::parse(&Bytes::copy_from_slice(datagram)).filter(|packet| self.is_asf(packet));
        let Some(packet) = packet else {
            self.dropped += 1;
            return false;
        };
        let taken = self.source(packet.ssrc).is_some_and(|source| match &mut source.order {
            Order::Restored(reorder) => reorder.insert(now, packet),
            Order::Kept(_) => false,
        });
        self.dropped += u64::from(!taken);
        taken
    }

    /// Hands out what is in order, or waited long enough. `limit` is the most datagrams that wait.
    pub fn deliver(&mut self, now: Instant, limit: usize, out: &mut impl FnMut(Packet)) {
        self.pop(now, |datagrams, bytes| datagrams > limit || bytes > MOST_HELD, out);
    }

    /// Hands out everything.
    pub fn flush(&mut self, now: Instant, out: &mut impl FnMut(Packet)) {
        self.pop(now, |_, _| true, out);
    }

    fn pop(&mut self, now: Instant, is_full: impl Fn(usize, usize) -> bool, out: &mut impl FnMut(Packet)) {
        let mut hand_out = numbered(&mut self.location, out);
        let (mut datagrams, mut bytes) = (0, 0);
        for source in &self.sources {
            if let Order::Restored(reorder) = &source.order {
                datagrams += reorder.len();
                bytes += reorder.bytes();
            }
        }
        for source in &mut self.sources {
            let Order::Restored(reorder) = &mut source.order else { continue };
            while let Some((missing, packet)) = reorder.pop(now, is_full(datagrams, bytes)) {
                datagrams -= 1;
                bytes -= packet.payload.len();
                source.depacketizer.handle_payload(&packet.payload, packet.marker, missing, &mut hand_out);
            }
        }
    }

    /// When to [`Receiver::deliver`], if nothing comes before.
    pub fn deadline(&self) -> Option<Instant> {
        self.sources
            .iter()
            .filter_map(|source| match &source.order {
                Order::Restored(reorder) => reorder.deadline(),
                Order::Kept(_) => None,
            })
            .min()
    }

    /// Whether every source has said goodbye.
    pub fn is_left(&self) -> bool {
        !self.sources.is_empty() && self.sources.iter().all(|source| source.goodbye)
    }

    fn is_asf(&self, packet: &Rtp) -> bool {
        self.types.is_empty() || self.types.contains(&packet.payload_type)
    }

    fn source(&mut self, ssrc: u32) -> Option<&mut Source> {
        let from = From::Ssrc(ssrc);
        match self.sources.iter().position(|source| source.from == from) {
            Some(found) => self.sources.get_mut(found),
            // Servers that do not tell the source, or another than the one they use.
            None if self.sources.len() < MOST_SOURCES => {
                let order = Order::Restored(Reorder::default());
                self.sources.push(Source { from, order, depacketizer: Depacketizer::default(), goodbye: false });
                self.sources.last_mut()
            }
            None => None,
        }
    }
}

/// Gives each packet its number: the one it came with, or else one more than the last.
fn numbered<'a>(next: &'a mut u32, out: &'a mut impl FnMut(Packet)) -> impl FnMut(AsfPacket) + 'a {
    |packet| {
        let location = packet.location.unwrap_or(*next);
        *next = location.wrapping_add(1);
        out(Packet { location, lost: packet.lost, data: packet.data });
    }
}
