//! Data packets: where their payloads lie (section 5.2).
//!
//! All packets of a file have the size that the header names, padding included. Over the
//! network the padding is cut off, in one of three forms that nothing tells apart but the
//! packet itself:
//!
//! 1. the packet was rewritten and has a Packet Length that is what was sent;
//! 2. Padding Length was set to 0, and the last payload ends where the bytes end;
//! 3. Padding Length still says how much there was.
//!
//! [`Head::parse`] is handed the bytes that came and the nominal size, and takes all three.

use std::ops::Range;

use crate::fields::Fields;

/// Largest size of a data packet, in bytes. Encoders make at most 64 KiB, and neither MMS nor
/// its HTTP form can carry more.
pub const MAX_PACKET: usize = 1 << 20;

/// What is wrong with a data packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// It has more bytes than the header says packets have.
    #[error("longer than the packet size of the header")]
    TooLong,
    /// It ends before its first payload.
    #[error("cut short in its head")]
    Head,
    /// Error correction data of a form that nobody has defined.
    #[error("unknown error correction")]
    ErrorCorrection,
    /// Its Packet Length or Padding Length leaves no room for its head, and there is a single
    /// payload that would have to end before the padding.
    #[error("more padding than there is room")]
    Padding,
    /// Several payloads, of which there are none, or which have no length.
    #[error("several payloads without number or length")]
    Payloads,
    /// A payload that ends before its data.
    #[error("payload cut short in its head")]
    PayloadHead,
    /// A payload that goes on beyond the packet.
    #[error("payload longer than the packet")]
    PayloadLength,
    /// Replicated data of a size that has no meaning.
    #[error("replicated data of 2 to 7 bytes")]
    Replicated,
}

/// What a packet says before its payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// Bytes of error correction data before it; the Length Type Flags stand there.
    pub error_correction: usize,
    /// Length Type Flags (section 5.2.2).
    pub length_flags: u8,
    /// Property Flags.
    pub properties: u8,
    /// Packet Length, if the field is there.
    pub length: Option<u32>,
    /// Sequence, if the field is there.
    pub sequence: Option<u32>,
    /// Padding Length as it is written, if the field is there.
    pub padding: Option<u32>,
    /// When to send it, in milliseconds.
    pub send_time: u32,
    /// How long it lasts, in milliseconds.
    pub duration: u16,
    /// Number of payloads and how their lengths are written; `None` for a single payload.
    pub payload_flags: Option<u8>,
    /// Where the first payload begins.
    pub begin: usize,
    /// Where the payloads end, and padding begins.
    pub end: usize,
}

/// One payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    /// Number of its stream.
    pub stream: u8,
    /// It belongs to a keyframe.
    pub key: bool,
    /// Number of the object, as many bits wide as the packet writes it; 0 where it does not.
    pub number: u32,
    /// Offset of the data in the object. The time of the first object in a compressed payload.
    pub offset: u32,
    /// Replicated data: size and time of the object, and extensions. One byte, the step of
    /// time, marks a compressed payload.
    pub replicated: &'a [u8],
    /// Where the data are in the packet.
    pub data: Range<usize>,
}

/// Fields whose width a code of two bits says: none, one, two or four bytes.
#[inline]
fn coded(fields: &mut Fields<'_>, code: u8) -> Option<Option<u32>> {
    Some(match code & 3 {
        0 => None,
        1 => Some(fields.u8()?.into()),
        2 => Some(fields.u16()?.into()),
        _ => Some(fields.u32()?),
    })
}

impl Head {
    /// Reads the head of a packet of which `packet` came, where packets are `nominal` bytes.
    ///
    /// # Errors
    /// What is wrong with it; nothing of it can be used then.
    pub fn parse(packet: &[u8], nominal: usize) -> Result<Self, Damage> {
        if packet.len() > nominal || packet.len() > MAX_PACKET {
            return Err(Damage::TooLong);
        }
        let mut fields = Fields(packet);
        let mut flags = fields.u8().ok_or(Damage::Head)?;
        let mut error_correction = 0;
        if flags & 0x80 != 0 {
            // Section 5.2.1: a length type other than 0 is reserved, and so is its meaning.
            if flags & 0x60 != 0 {
                return Err(Damage::ErrorCorrection);
            }
            let length = usize::from(flags & 0x0F);
            error_correction = 1 + length;
            fields.take(length).ok_or(Damage::Head)?;
            flags = fields.u8().ok_or(Damage::Head)?;
        }
        let head = Self::fields(flags, &mut fields).ok_or(Damage::Head)?;
        if head.payload_flags.is_some_and(|flags| flags & 0x3F == 0 || flags >> 6 == 0) {
            return Err(Damage::Payloads);
        }
        let begin = packet.len() - fields.0.len();
        let end = head.end(packet.len(), nominal).filter(|end| *end >= begin);
        // Several payloads have lengths of their own and need no padding to end.
        let end = end.or(head.payload_flags.map(|_| packet.len())).ok_or(Damage::Padding)?;
        Ok(Self { error_correction, begin, end, ..head })
    }

    #[inline]
    fn fields(length_flags: u8, fields: &mut Fields<'_>) -> Option<Self> {
        let properties = fields.u8()?;
        let length = coded(fields, length_flags >> 5)?;
        let sequence = coded(fields, length_flags >> 1)?;
        let padding = coded(fields, length_flags >> 3)?;
        let (send_time, duration) = (fields.u32()?, fields.u16()?);
        let payload_flags = if length_flags & 1 != 0 { Some(fields.u8()?) } else { None };
        Some(Self {
            error_correction: 0,
            length_flags,
            properties,
            length,
            sequence,
            padding,
            send_time,
            duration,
            payload_flags,
            begin: 0,
            end: 0,
        })
    }

    /// Where the payloads end.
    fn end(&self, received: usize, nominal: usize) -> Option<usize> {
        let padding = self.padding.unwrap_or(0) as usize;
        match self.length.map(|length| length as usize) {
            // Form 1, and packets with more padding behind their length than they say.
            Some(length) if length <= received => length.checked_sub(padding),
            // Form 3 of a packet that also has a length.
            Some(length) if length.checked_sub(padding) == Some(received) => Some(received),
            Some(_) => received.checked_sub(padding),
            // Form 3.
            None if padding > 0 && nominal.checked_sub(padding) == Some(received) => Some(received),
            // Form 2, and packets that are whole.
            None => received.checked_sub(padding),
        }
    }

    /// How many bytes wide the numbers of objects are: none, one, two or four.
    pub(crate) fn number_code(&self) -> usize {
        usize::from(self.properties >> 4 & 3)
    }

    /// The payloads of the packet whose head this is. After an error none follows.
    #[must_use]
    pub fn payloads<'a>(&self, packet: &'a [u8]) -> Payloads<'a> {
        let end = self.end.min(packet.len());
        let begin = self.begin.min(end);
        let flags = self.payload_flags.unwrap_or(0);
        Payloads {
            packet,
            at: begin,
            end,
            left: if self.payload_flags.is_some() { flags & 0x3F } else { 1 },
            length_code: flags >> 6,
            properties: self.properties,
        }
    }
}

/// An iterator over the payloads of a packet; see [`Head::payloads`].
#[derive(Clone, Debug)]
pub struct Payloads<'a> {
    packet: &'a [u8],
    at: usize,
    end: usize,
    left: u8,
    /// 0 for a single payload, which runs to the end.
    length_code: u8,
    properties: u8,
}

impl<'a> Payloads<'a> {
    #[inline]
    fn read(&mut self) -> Result<Payload<'a>, Damage> {
        let mut fields = Fields(self.packet.get(self.at..self.end).unwrap_or_default());
        let mut head = || {
            let stream = fields.u8()?;
            // Stream numbers have one byte whatever the flags say; the other codes are reserved.
            let number = coded(&mut fields, self.properties >> 4)?.unwrap_or(0);
            let offset = coded(&mut fields, self.properties >> 2)?.unwrap_or(0);
            let length = coded(&mut fields, self.properties)?.unwrap_or(0);
            Some((stream, number, offset, fields.take(length as usize)?))
        };
        let (stream, number, offset, replicated) = head().ok_or(Damage::PayloadHead)?;
        if (2..8).contains(&replicated.len()) {
            return Err(Damage::Replicated);
        }
        let data = match self.length_code {
            0 => self.end - fields.0.len()..self.end,
            code => {
                let length = coded(&mut fields, code).ok_or(Damage::PayloadHead)?.unwrap_or(0);
                let begin = self.end - fields.0.len();
                // Where the padding is said to be longer than it is, the payload is believed.
                let end = begin.checked_add(length as usize).filter(|end| *end <= self.packet.len());
                begin..end.ok_or(Damage::PayloadLength)?
            }
        };
        self.at = data.end;
        self.end = self.end.max(data.end);
        Ok(Payload { stream: stream & 0x7F, key: stream & 0x80 != 0, number, offset, replicated, data })
    }
}

impl<'a> Iterator for Payloads<'a> {
    type Item = Result<Payload<'a>, Damage>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let payload = self.read();
        if payload.is_err() {
            self.left = 0;
        }
        Some(payload)
    }
}

#[cfg(test)]
mod tests;
