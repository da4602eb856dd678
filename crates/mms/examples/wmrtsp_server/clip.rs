//! A Windows Media file as packets to send.

use std::path::Path;

use asf::{Header, packet};
use bytes::{BufMut, Bytes, BytesMut};
use mms::rtsp::Outgoing;
use mms::rtsp::server::{Content, Kind, Media};

/// How streams lie in packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Each packet holds payloads of one stream, written anew.
    Split,
    /// The file's packets, without their padding.
    Mixed,
}

/// A file.
#[derive(Clone, Debug)]
pub struct Clip {
    /// What it is.
    pub content: Content,
    /// Its packets, in order.
    pub packets: Vec<Outgoing>,
}

impl Clip {
    /// Reads a file.
    pub fn open(path: &Path, layout: Layout) -> Result<Self, String> {
        let file = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::read(&file.into(), layout).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Reads the bytes of a file.
    pub fn read(file: &Bytes, layout: Layout) -> Result<Self, String> {
        let header = Header::parse(file).map_err(|error| error.to_string())?;
        let size = header.packet_size();
        let data = header.bytes().len();
        let head = header.data.ok_or("no Data Object behind the header")?;
        let packets = match usize::try_from(head.packets) {
            Ok(packets) if packets > 0 && !header.is_broadcast() => packets,
            _ => usize::MAX,
        };
        let rows = file.get(data..).unwrap_or_default().chunks_exact(size).take(packets).enumerate();
        let mut outgoing = Vec::new();
        for (number, row) in rows {
            let row = file.slice_ref(row);
            // What is behind the packets, where their number is not known.
            let Ok(head) = packet::Head::parse(&row, size) else { break };
            outgoing.extend(split(&row, &head, number as u32, layout));
        }
        let kind = |stream: &asf::Stream| match (stream.format.is_audio(), stream.format.is_video()) {
            (true, _) => Kind::Audio,
            (_, true) => Kind::Video,
            _ => Kind::Other,
        };
        let media =
            |stream: &asf::Stream| Media { number: stream.number, kind: kind(stream), bit_rate: stream.bit_rate };
        let content = Content {
            header: header.bytes().clone(),
            packet_size: size as u32,
            streams: header.streams.iter().map(media).collect(),
            broadcast: header.is_broadcast(),
            seekable: !header.is_broadcast(),
            playlist: false,
            duration: header.duration(),
            title: header.title().map(str::to_owned),
        };
        Ok(Self { content, packets: outgoing })
    }
}

/// The packets to send for one packet of the file.
fn split(row: &Bytes, head: &packet::Head, location: u32, layout: Layout) -> Vec<Outgoing> {
    let payloads: Vec<_> = head.payloads(row).map_while(Result::ok).collect();
    let mut streams: Vec<u8> = Vec::new();
    payloads.iter().for_each(|payload| {
        if !streams.contains(&payload.stream) {
            streams.push(payload.stream);
        }
    });
    let outgoing =
        |stream: u8, key: bool, data: Bytes| Outgoing { stream, send_time: head.send_time, key, location, data };
    if layout == Layout::Mixed || streams.len() == 1 {
        let key = payloads.iter().any(|payload| payload.key);
        return streams.first().map(|first| outgoing(*first, key, unpadded(row, head))).into_iter().collect();
    }
    let of = |stream: u8| {
        let payloads: Vec<_> = payloads.iter().filter(|payload| payload.stream == stream).collect();
        outgoing(stream, payloads.iter().any(|payload| payload.key), write(&payloads, row, head))
    };
    streams.into_iter().map(of).collect()
}

/// A packet without padding, and without a field for it: FFmpeg takes a single byte of padding
/// for the begin of another packet. The field makes room for a Packet Length even where there is
/// but one byte, so that no packet becomes longer than it was.
fn unpadded(row: &Bytes, head: &packet::Head) -> Bytes {
    let width = |code: u8| [0, 1, 2, 4][usize::from(code & 3)];
    let flags = head.length_flags;
    let sequence = head.error_correction + 2 + width(flags >> 5);
    let padding = sequence + width(flags >> 1);
    let rest = padding + width(flags >> 3);
    let parts = (row.get(..head.error_correction), row.get(sequence..padding), row.get(rest..head.end));
    let (Some(before), Some(sequence), Some(rest)) = parts else { return row.clone() };
    let length = before.len() + 4 + sequence.len() + rest.len();
    if head.padding.unwrap_or(0) == 0 || length > row.len() {
        return row.clone();
    }
    let mut packet = BytesMut::from(before);
    // No padding, a Packet Length of two bytes.
    packet.put_u8(flags & !(3 << 3 | 3 << 5) | 2 << 5);
    packet.put_u8(head.properties);
    packet.put_u16_le(length as u16);
    packet.put_slice(sequence);
    packet.put_slice(rest);
    packet.freeze()
}

/// A packet with some of the payloads of another, its fields as wide as they were, and a Packet
/// Length: shorter than the other by what is left out.
fn write(payloads: &[&packet::Payload<'_>], row: &[u8], head: &packet::Head) -> Bytes {
    // Widths by their codes (ASF specification section 5.2.2).
    let put =
        |to: &mut BytesMut, code: u8, value: usize| to.put_uint_le(value as u64, [0, 1, 2, 4][usize::from(code & 3)]);
    let lengths = head.payload_flags.map_or(2, |flags| flags >> 6);
    let mut rest = BytesMut::new();
    rest.put_u32_le(head.send_time);
    rest.put_u16_le(head.duration);
    rest.put_u8(payloads.len() as u8 | lengths << 6);
    for payload in payloads {
        rest.put_u8(payload.stream | u8::from(payload.key) << 7);
        put(&mut rest, head.properties >> 4, payload.number as usize);
        put(&mut rest, head.properties >> 2, payload.offset as usize);
        put(&mut rest, head.properties, payload.replicated.len());
        rest.put_slice(payload.replicated);
        let data = row.get(payload.data.clone()).unwrap_or_default();
        put(&mut rest, lengths, data.len());
        rest.put_slice(data);
    }
    // Several payloads, and a Packet Length of two bytes.
    let mut packet = BytesMut::from(&[0x82, 0, 0, 0x41, head.properties][..]);
    packet.put_u16_le((packet.len() + 2 + rest.len()) as u16);
    packet.put_slice(&rest);
    packet.freeze()
}
