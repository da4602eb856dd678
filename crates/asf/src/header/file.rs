//! File Properties (section 3.2).

use std::time::Duration;

use crate::fields::Fields;
use crate::packet::MAX_PACKET;
use crate::{Error, Guid};

/// Sizes, times and flags of the whole content. Of a broadcast only flags, preroll, packet
/// size and bit rate mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileProperties {
    /// Names the content; the Data Object and indexes repeat it.
    pub id: Guid,
    /// Bytes of the file.
    pub size: u64,
    /// When it was made, in units of 100 ns since 1601.
    pub created: u64,
    /// Number of data packets.
    pub packets: u64,
    /// How long it plays, in units of 100 ns, preroll included.
    pub play_duration: u64,
    /// How long it takes to send, in units of 100 ns.
    pub send_duration: u64,
    /// Milliseconds to buffer before playing; presentation times in packets contain them.
    pub preroll: u64,
    /// Bit 0 broadcast, bit 1 seekable; others occur.
    pub flags: u32,
    /// Least size of a data packet in bytes.
    pub min_packet: u32,
    /// Greatest size of a data packet in bytes; the same as the least.
    pub max_packet: u32,
    /// Greatest bit rate of all streams together, in bit/s.
    pub max_bit_rate: u32,
}

impl FileProperties {
    /// The flag of a broadcast.
    pub const BROADCAST: u32 = 1;
    /// The flag of seekable content.
    pub const SEEKABLE: u32 = 2;

    pub(super) fn parse(data: &[u8]) -> Option<Self> {
        let mut fields = Fields(data);
        Some(Self {
            id: fields.guid()?,
            size: fields.u64()?,
            created: fields.u64()?,
            packets: fields.u64()?,
            play_duration: fields.u64()?,
            send_duration: fields.u64()?,
            preroll: fields.u64()?,
            flags: fields.u32()?,
            min_packet: fields.u32()?,
            max_packet: fields.u32()?,
            max_bit_rate: fields.u32()?,
        })
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let max = usize::try_from(self.max_packet).unwrap_or(usize::MAX);
        match self.min_packet == self.max_packet && (1..=MAX_PACKET).contains(&max) {
            true => Ok(()),
            false => Err(Error::PacketSize { min: self.min_packet, max: self.max_packet }),
        }
    }

    pub(super) fn is_broadcast(&self) -> bool {
        self.flags & Self::BROADCAST != 0
    }

    pub(super) fn is_seekable(&self) -> bool {
        self.flags & Self::SEEKABLE != 0 && !self.is_broadcast()
    }

    pub(super) fn duration(&self) -> Option<Duration> {
        if self.is_broadcast() {
            return None;
        }
        let play = Duration::from_micros(self.play_duration / 10);
        play.checked_sub(Duration::from_millis(self.preroll)).filter(|duration| !duration.is_zero())
    }
}
