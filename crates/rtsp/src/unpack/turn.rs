//! Whether a packet is the next one, and when it was taken.

use super::Rtp;

/// Numbers that are farther ahead than this lie behind.
const FAR: u16 = 1 << 15;

/// Which packet of a track is the next one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Order {
    sender: Option<u32>,
    due: Option<u16>,
}

/// What a packet is among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The next one; so many before it did not come.
    Next {
        /// How many.
        lost: u16,
    },
    /// The last one again.
    Again,
}

/// Why nothing that follows fits to what was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disorder {
    /// It has another synchronisation source.
    #[error("wrong ssrc: packets were of {expected:08x}, and now of {found:08x}")]
    Sender {
        /// That of the packets before.
        expected: u32,
        /// That of this one.
        found: u32,
    },
    /// Numbers go back.
    #[error("out of order: packet {expected} was due, {found} came")]
    Number {
        /// What was due.
        expected: u16,
        /// What came.
        found: u16,
    },
}

impl Order {
    /// Takes a packet's place.
    ///
    /// # Errors
    /// When it belongs to another count or sender; what is due stays as it was.
    pub fn turn(&mut self, packet: &Rtp<'_>) -> Result<Turn, Disorder> {
        if let Some(expected) = self.sender
            && expected != packet.sender
        {
            return Err(Disorder::Sender { expected, found: packet.sender });
        }
        let due = self.due.unwrap_or(packet.number);
        let lost = packet.number.wrapping_sub(due);
        if lost == u16::MAX {
            return Ok(Turn::Again);
        }
        if lost > FAR {
            return Err(Disorder::Number { expected: due, found: packet.number });
        }
        self.sender = Some(packet.sender);
        self.due = Some(packet.number.wrapping_add(1));
        Ok(Turn::Next { lost })
    }
}

/// RTP time, which goes round after 2^32 ticks, as time that does not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ticks {
    zero: Option<u32>,
    /// The last one, since zero.
    last: i64,
}

impl Ticks {
    /// With the RTP time of the session's begin, where it is known; else that of the first packet.
    #[must_use]
    pub fn new(zero: Option<u32>) -> Self {
        Self { zero, last: 0 }
    }

    /// Ticks since the begin; those behind it go round near this one.
    pub fn advance(&mut self, timestamp: u32) -> i64 {
        self.last = self.place(timestamp);
        self.last
    }

    /// The same for a time that is told, such as in a sender's report.
    pub fn place(&mut self, timestamp: u32) -> i64 {
        let zero = *self.zero.get_or_insert(timestamp);
        let last = zero.wrapping_add(self.last as u32);
        self.last.saturating_add(i64::from(timestamp.wrapping_sub(last) as i32))
    }
}
