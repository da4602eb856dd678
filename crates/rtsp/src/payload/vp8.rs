//! VP8 (RFC 7741).

use crate::rtp::Writer;

/// Extended control bits follow.
const EXTENDED: u8 = 0x80;
/// The begin of a partition; here of the first one, number 0.
const START: u8 = 0x10;
/// A picture id follows, of 15 bits.
const PICTURE_ID: u8 = 0x80;
const LONG: u8 = 0x80;
const DESCRIPTOR: usize = 4;

/// Numbers the pictures, so that a lost one is noticed.
#[derive(Debug, Default)]
pub(super) struct Vp8 {
    picture: u16,
}

impl Vp8 {
    pub(super) fn pack(&mut self, writer: &mut Writer, unit: &[u8]) {
        let [high, low] = self.picture.to_be_bytes();
        for (number, chunk) in unit.chunks(writer.mtu - DESCRIPTOR).enumerate() {
            let first = if number == 0 { EXTENDED | START } else { EXTENDED };
            writer.put(&[&[first, PICTURE_ID, LONG | high, low], chunk]);
        }
        writer.mark();
        self.picture = (self.picture + 1) & 0x7FFF;
    }
}
