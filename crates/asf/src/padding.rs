//! The padding of data packets (section 5.2.4): put back for files, cut off for the network.
//!
//! In a file all packets have one size. A server need not send what only fills them up, and
//! three forms of packets without padding are on the wire: with a Packet Length field that
//! tells what was sent, with a padding length of zero, and with a padding length that still
//! tells of what is missing. All of them are understood here; the first one is written.

use bytes::{BufMut, Bytes};

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
    let Some(head) = Head::read(&packet, packet.len()) else { return packet };
    // A padding length field stays, so that restoring it gives the same bytes.
    let fixed = head.fixed() + width(head.flags >> PADDING);
    let length_width = if fixed < 256 { 1 } else { 2 };
    let length = fixed + length_width;
    match u16::try_from(length) {
        Ok(_) if length < packet.len() => head.write(length, (length_width, length), head.flags >> PADDING, 0),
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
    let head = Head::read(&packet, size)?;
    if packet.len() == size {
        return Some(packet);
    }
    let fixed = head.fixed();
    // As wide as the field is, or as wide as it must be.
    let present = head.flags >> PADDING & 3;
    let code = [0, 1, 2, 3].into_iter().find(|code| {
        let padding = size.checked_sub(fixed + width(*code));
        *code >= present && padding.is_some_and(|padding| padding <= largest(*code))
    })?;
    Some(head.write(size, (0, 0), code, size - fixed - width(code)))
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
struct Head<'a> {
    /// Error correction data.
    before: &'a [u8],
    /// Length type flags and property flags.
    flags: u8,
    properties: u8,
    /// The sequence field.
    sequence: &'a [u8],
    /// Send time, duration and payloads, without padding.
    rest: &'a [u8],
}

impl<'a> Head<'a> {
    /// Reads a packet of a file whose packets have `size` bytes, whole or in one of the forms
    /// of the network.
    fn read(packet: &'a [u8], size: usize) -> Option<Self> {
        if packet.len() > size {
            return None;
        }
        let error_correction = match packet.first()? {
            // Neither opaque data nor a length of another kind occur.
            first @ 0x80.. if first & 0x60 == 0 => 1 + usize::from(first & 0x0F),
            0x80.. => return None,
            _ => 0,
        };
        let (before, fields) = packet.split_at_checked(error_correction)?;
        let ([flags, properties], fields) = fields.split_first_chunk()?;
        let (length, fields) = fields.split_at_checked(width(flags >> PACKET_LENGTH))?;
        let (sequence, fields) = fields.split_at_checked(width(flags >> SEQUENCE))?;
        let (padding, rest) = fields.split_at_checked(width(flags >> PADDING))?;
        let (length, padding) = (number(length), number(padding));
        let told = flags >> PACKET_LENGTH & 3 != 0 && length <= packet.len();

        // Where padding was cut off and the packet still tells of it, nothing is left to cut.
        let end = if told { length } else { packet.len() };
        let cut = !told && packet.len() < size && size.checked_sub(padding) == Some(packet.len());
        let end = end.checked_sub(if cut { 0 } else { padding })?;
        let rest = rest.get(..end.checked_sub(packet.len() - rest.len())?)?;
        // Send time and duration at least.
        (rest.len() >= 6).then_some(Self { before, flags: *flags, properties: *properties, sequence, rest })
    }

    /// Bytes without the fields for packet and padding length, and without padding.
    fn fixed(&self) -> usize {
        self.before.len() + 2 + self.sequence.len() + self.rest.len()
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
        out.put_slice(self.sequence);
        out.put_uint_le(padding as u64, width(padding_code));
        out.put_slice(self.rest);
        out.resize(total, 0);
        out.into()
    }
}

/// A little-endian number of up to four bytes.
fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests;
