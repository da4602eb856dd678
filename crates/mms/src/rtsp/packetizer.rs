//! ASF packets into RTP payloads of the format `x-asf-pf` ([MS-RTSP] 2.2.1): several small ones
//! into one payload, one large one into several.

use bytes::{BufMut, Bytes, BytesMut};

use super::depacketizer::{KEY, LOCATION, Length, RELATIVE_TIME, WHOLE};

/// An ASF packet to send, without padding: with its Packet Length field set where it is
/// shorter than the file's packets are.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The stream on whose channel it goes; it may hold payloads of others, too.
    pub stream: u8,
    /// Its Send Time field, in milliseconds.
    pub send_time: u32,
    /// It holds a payload of a keyframe.
    pub key: bool,
    /// Its number in the content.
    pub location: u32,
    /// The packet, of at most 65535 bytes.
    pub data: Bytes,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stream, send_time, key, location, data } = self;
        write!(f, "Outgoing({location}, stream {stream}, {send_time} ms, key {key}, {} bytes)", data.len())
    }
}

/// A payload and the fields of the RTP header that come with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    pub marker: bool,
    pub timestamp: u32,
    pub data: Bytes,
}

/// How payloads are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packing {
    /// Most bytes of a payload.
    pub most: usize,
    pub length: Length,
    /// Tell the number of each packet; only to clients that ask for it.
    pub location: bool,
}

/// Packs packets of one channel, in order.
pub(crate) fn pack<'a>(packets: impl IntoIterator<Item = &'a Outgoing>, packing: &Packing) -> Vec<Payload> {
    let mut payloads = Vec::new();
    let mut current = BytesMut::new();
    let mut timestamp = 0;
    for packet in packets {
        let relative = packet.send_time.wrapping_sub(timestamp);
        let header = |relative: bool| 4 + usize::from(relative) * 4 + usize::from(packing.location) * 4;
        if current.len() + header(relative != 0) + packet.data.len() > packing.most || current.is_empty() {
            finish(&mut current, timestamp, &mut payloads);
            timestamp = packet.send_time;
        }
        if header(false) + packet.data.len() > packing.most {
            pieces(packet, packing, &mut payloads);
            continue;
        }
        let relative = packet.send_time.wrapping_sub(timestamp);
        let length = match packing.length {
            Length::WithHeader => header(relative != 0) + packet.data.len(),
            Length::PacketOnly => packet.data.len(),
        };
        put_header(&mut current, packet, WHOLE, length, relative, packing.location);
        current.put_slice(&packet.data);
    }
    finish(&mut current, timestamp, &mut payloads);
    payloads
}

fn finish(current: &mut BytesMut, timestamp: u32, payloads: &mut Vec<Payload>) {
    if !current.is_empty() {
        payloads.push(Payload { marker: true, timestamp, data: current.split().freeze() });
    }
}

fn pieces(packet: &Outgoing, packing: &Packing, payloads: &mut Vec<Payload>) {
    // Room for the largest header, the last piece's.
    let most = packing.most.saturating_sub(8).max(1);
    let mut at = 0;
    while at < packet.data.len() {
        let end = packet.data.len().min(at + most);
        let marker = end == packet.data.len();
        let mut data = BytesMut::new();
        put_header(&mut data, packet, 0, at, 0, packing.location && marker);
        data.put_slice(&packet.data[at..end]);
        payloads.push(Payload { marker, timestamp: packet.send_time, data: data.freeze() });
        at = end;
    }
}

fn put_header(to: &mut BytesMut, packet: &Outgoing, whole: u8, value: usize, relative: u32, location: bool) {
    let mut flags = whole;
    let mut set = |flag: u8, on: bool| flags |= if on { flag } else { 0 };
    set(KEY, packet.key);
    set(RELATIVE_TIME, relative != 0);
    set(LOCATION, location);
    // Lengths and places have 24 bits; packets are shorter.
    to.put_u32(u32::from(flags) << 24 | (value as u32 & 0x00FF_FFFF));
    if relative != 0 {
        to.put_u32(relative);
    }
    if location {
        to.put_u32(packet.location);
    }
}
