//! The wait for a sound that says only in its frames what it is.
//!
//! Readers begin anew, or end, where tracks change. So they are declared once a connection, and what comes
//! before the first frame of such a sound is kept as it came, to be taken in when it is known.

use std::time::{Duration, Instant};

use media::Track;
use rtsp::unpack::{Order, Rtp, Turn};

use super::ways::Sound;

/// How long after the first packet.
pub(super) const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// Packets that are kept.
pub(super) const MOST_KEPT: usize = 8192;
/// Bytes in them; less than the gate lets pass without a picture.
pub(super) const MOST_KEPT_BYTES: usize = 4 << 20;

/// A packet, as it came.
pub(super) struct Kept {
    pub(super) channel: u8,
    pub(super) packet: Box<[u8]>,
    pub(super) at: Instant,
}

pub(super) struct Wait {
    /// Of the sound.
    channel: u8,
    /// Only to hear what it is.
    sound: Sound,
    order: Order,
    kept: Vec<Kept>,
    bytes: usize,
}

impl Wait {
    /// For the sound that comes on a channel.
    pub(super) fn new(channel: u8, sound: Sound) -> Self {
        Self { channel, sound, order: Order::default(), kept: Vec::new(), bytes: 0 }
    }

    /// When it is over, once something has come.
    pub(super) fn due(&self) -> Option<Instant> {
        self.kept.first().map(|first| first.at + LONGEST_WAIT)
    }

    /// Keeps a packet; gives whether the wait is over.
    pub(super) fn keep(&mut self, channel: u8, packet: &[u8], at: Instant) -> bool {
        // The frame that comes too late does not count.
        let is_late = self.due().is_some_and(|due| at >= due);
        if channel == self.channel && !is_late {
            self.listen(packet);
        }
        self.kept.push(Kept { channel, packet: packet.into(), at });
        self.bytes += packet.len();
        is_late || self.kept.len() >= MOST_KEPT || self.bytes >= MOST_KEPT_BYTES || self.sound.track().is_some()
    }

    fn listen(&mut self, packet: &[u8]) {
        // What is wrong with a packet is told when it is taken in.
        if let Some(rtp) = Rtp::parse(packet)
            && let Ok(Turn::Next { lost }) = self.order.turn(&rtp)
        {
            let _ = self.sound.take(&rtp, lost > 0, |_, _, _, _| {});
        }
    }

    /// The sound, if it has said what it is, and what has come.
    pub(super) fn end(self) -> (Option<Track>, Vec<Kept>) {
        (self.sound.track(), self.kept)
    }
}
