//! RTP packets of cameras into access units, one file a family of payload formats.
//!
//! The way back of [`crate::Packetizer`], with what it takes to get along with cameras. [`Rtp`] is one
//! packet; [`Order`] says whether it is the next one; [`Ticks`] unwraps its time. Then [`Nals`],
//! [`Aac`] or [`Mpa`] take its payload and give whole access units: each byte is copied once, out of the buffer of
//! the socket into the unit. What is not whole does not come out, and the next unit says that
//! something was lost. Datagrams are put in order before they come here.

mod aac;
pub(crate) mod fuzzed;
mod mpa;
mod nal;
mod sets;
#[cfg(test)]
mod tests;
mod turn;

pub use self::aac::{Aac, AacConfig};
pub use self::mpa::{Mpa, MpaFrame};
pub use self::nal::{Nals, Picture, Start};
pub use self::turn::{Disorder, Order, Ticks, Turn};

/// A packet (RFC 3550 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtp<'a> {
    /// The sequence number.
    pub number: u16,
    /// In ticks of the clock of its payload format, from anywhere.
    pub timestamp: u32,
    /// The synchronisation source.
    pub sender: u32,
    /// The payload type.
    pub payload_type: u8,
    /// Of pictures: the last packet of an access unit.
    pub marker: bool,
    /// The profile of the header extension, and what it says.
    pub extension: Option<(u16, &'a [u8])>,
    /// Without padding; may be empty.
    pub payload: &'a [u8],
}

impl<'a> Rtp<'a> {
    /// A packet as it was sent; nothing where it is none, or is cut.
    #[must_use]
    pub fn parse(packet: &'a [u8]) -> Option<Self> {
        let &[flags, kind, n1, n0, t3, t2, t1, t0, s3, s2, s1, s0, ..] = packet else { return None };
        if flags >> 6 != 2 {
            return None;
        }
        let mut begin = 12 + 4 * usize::from(flags & 15);
        let mut extension = None;
        if flags & 0x10 != 0 {
            let &[p1, p0, l1, l0] = packet.get(begin..begin + 4)? else { return None };
            let end = begin + 4 + 4 * usize::from(u16::from_be_bytes([l1, l0]));
            extension = Some((u16::from_be_bytes([p1, p0]), packet.get(begin + 4..end)?));
            begin = end;
        }
        let padding = if flags & 0x20 != 0 { usize::from(*packet.last()?) } else { 0 };
        Some(Self {
            number: u16::from_be_bytes([n1, n0]),
            timestamp: u32::from_be_bytes([t3, t2, t1, t0]),
            sender: u32::from_be_bytes([s3, s2, s1, s0]),
            payload_type: kind & 0x7F,
            marker: kind & 0x80 != 0,
            extension,
            payload: packet.get(begin..packet.len().checked_sub(padding)?)?,
        })
    }
}
