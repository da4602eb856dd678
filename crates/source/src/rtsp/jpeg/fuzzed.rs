//! Pictures out of the bytes of packets, for tests and fuzzers.

use rtsp::unpack::{Order, Rtp, Turn};

use super::{Assembler, Whole};

pub(in crate::rtsp) struct Packets {
    order: Order,
    pub(super) assembler: Assembler,
    /// What was wrong with the last packet that was no good.
    pub(super) complaint: Option<&'static str>,
}

impl Packets {
    pub(in crate::rtsp) fn new(most: usize) -> Self {
        Self { order: Order::default(), assembler: Assembler::new(most), complaint: None }
    }

    /// Takes a packet; gives the picture that ends in it.
    pub(in crate::rtsp) fn handle_bytes(&mut self, packet: &[u8]) -> Option<Whole> {
        let rtp = Rtp::parse(packet)?;
        let is_lossy = !matches!(self.order.turn(&rtp), Ok(Turn::Next { lost: 0 }));
        let taken = self.assembler.handle(&rtp, is_lossy);
        taken.unwrap_or_else(|complaint| {
            self.complaint = Some(complaint);
            None
        })
    }
}
