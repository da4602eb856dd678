//! The padding of data packets (section 5.2.4): put back for files, cut off for the network.
//!
//! In a file all packets have one size. A server need not send what only fills them up, and
//! three forms of packets without padding are on the wire: with a Packet Length field that
//! tells what was sent, with a padding length of zero, and with a padding length that still
//! tells of what is missing. All of them are understood here; the first one is written.

use bytes::{BufMut, Bytes};

use crate::packet::Head;

/// Length type flags (section 5.2.2), the shifts of their two-bit widths.
const SEQUENCE: u8 = 1;
const PADDING: u8 = 3;
const PACKET_LENGTH: u8 = 5;

/// Cuts the padding off a packet of a file, and makes the packet say how long it is. Packets
/// that would not become shorter, and what is no packet, stay as they are.
///
/// [`restore_padding`] of the result is the packet again, bit for bit, if it had no Packet
/// Length field and its padding was zeros.
#[must_use]
pub fn strip_padding(packet: Bytes) -> Bytes {
    let Some(parts) = Parts::read(&packet, packet.len()) else { return packet };
    // A padding length field stays, so that restoring it gives the same bytes.
    let fixed = parts.fixed() + width(parts.flags >> PADDING);
    let length_width = if fixed < 255 { 1 } else { 2 };
    let length = fixed + length_width;
    match u16::try_from(length) {
        Ok(_) if length < packet.len() => parts.write(length, (length_width, length), parts.flags >> PADDING, 0),
        _ => packet,
    }
}

/// Makes a packet as long as those of a file, `packet_size` bytes, by a padding length that
/// tells it. Takes a packet in any of the forms in which servers send it.
///
/// Nothing when it is no data packet, or longer than that.
#[must_use]
pub fn restore_padding(packet: Bytes, packet_size: u32) -> Option<Bytes> {
    let size = usize::try_from(packet_size).ok()?;
    let parts = Parts::read(&packet, size)?;
    if packet.len() == size {
        return Some(packet);
    }
    let fixed = parts.fixed();
    // As wide as the field is, or as wide as it must be.
    let present = parts.flags >> PADDING & 3;
    let code = [0, 1, 2, 3].into_iter().find(|code| {
        let padding = size.checked_sub(fixed + width(*code));
        *code >= present && padding.is_some_and(|padding| padding <= largest(*code))
    })?;
    Some(parts.write(size, (0, 0), code, size - fixed - width(code)))
}

/// [`restore_padding`] for packets that are known to fit, such as those of a
/// [`Muxer`](crate::mux::Muxer) whose packet size this is. What is none is filled up with zeros
/// or cut, so that what follows it stands where it should.
#[must_use]
pub fn padded(packet: &Bytes, packet_size: u32) -> Bytes {
    restore_padding(packet.clone(), packet_size).unwrap_or_else(|| {
        let mut bytes = packet.to_vec();
        bytes.resize(packet_size as usize, 0);
        bytes.into()
    })
}

/// How many bytes a field of this width code has.
fn width(code: u8) -> usize {
    [0, 1, 2, 4][usize::from(code & 3)]
}

/// The largest value of a field of this width code.
fn largest(code: u8) -> usize {
    [0, 0xFF, 0xFFFF, 0xFFFF_FFFF][usize::from(code & 3)]
}

/// A packet, cut where its fields about lengths are.
struct Parts<'a> {
    /// Error correction data.
    before: &'a [u8],
    /// Length type flags and property flags.
    flags: u8,
    properties: u8,
    /// The sequence field.
    sequence: u32,
    /// Send time, duration and payloads, without padding.
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Reads a packet of a file whose packets have `size` bytes, whole or in one of the forms
    /// of the network.
    fn read(packet: &'a [u8], size: usize) -> Option<Self> {
        let head = Head::parse(packet, size).ok()?;
        // Payloads are believed where the padding length is not, as readers do.
        let payloads = head.payloads(packet).map_while(Result::ok).map(|payload| payload.data.end);
        let end = payloads.fold(head.end, usize::max);
        // Send time 32, duration 16, number of payloads 8 if there can be several.
        let begin = head.begin.checked_sub(if head.payload_flags.is_some() { 7 } else { 6 })?;
        Some(Self {
            before: packet.get(..head.error_correction)?,
            flags: head.length_flags,
            properties: head.properties,
            sequence: head.sequence.unwrap_or(0),
            rest: packet.get(begin..end)?,
        })
    }

    /// Bytes without the fields for packet and padding length, and without padding.
    fn fixed(&self) -> usize {
        self.before.len() + 2 + width(self.flags >> SEQUENCE) + self.rest.len()
    }

    /// The packet with other lengths: the width of its Packet Length field and the value, the
    /// width code of its padding length, and the padding. `total` bytes in all.
    fn write(&self, total: usize, (length_width, length): (usize, usize), padding_code: u8, padding: usize) -> Bytes {
        let mut out = Vec::with_capacity(total);
        let kept = self.flags & !(3 << PADDING | 3 << PACKET_LENGTH);
        out.put_slice(self.before);
        out.put_u8(kept | (padding_code & 3) << PADDING | (length_width as u8) << PACKET_LENGTH);
        out.put_u8(self.properties);
        out.put_uint_le(length as u64, length_width);
        out.put_uint_le(self.sequence.into(), width(self.flags >> SEQUENCE));
        out.put_uint_le(padding as u64, width(padding_code));
        out.put_slice(self.rest);
        out.resize(total, 0);
        out.into()
    }
}

#[cfg(test)]
mod tests;
