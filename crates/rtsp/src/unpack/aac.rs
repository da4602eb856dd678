//! AAC (RFC 3640), high and low bit rate, without interleaving.

use media::nal::Bits;

use super::Rtp;

/// A frame has fewer bytes: six times 768 for each of eight channels, and room for what was not thought of.
const MOST_FRAME: usize = 64 << 10;
/// Frames in a packet.
const MOST_FRAMES: usize = 256;

/// How the headers of frames are written (RFC 3640 section 3.2.1), as `a=fmtp` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AacConfig {
    /// Bits of `sizeLength`, `indexLength` and `indexDeltaLength`.
    pub bits: [u8; 3],
    /// Samples of a frame, which are ticks of its clock.
    pub samples: u32,
}

impl AacConfig {
    /// As in `AAC-hbr` (RFC 3640 section 3.3.6).
    #[must_use]
    pub fn high_rate(samples: u32) -> Self {
        Self { bits: [13, 3, 3], samples }
    }
}

/// The frames of one track.
#[derive(Debug)]
pub struct Aac {
    config: AacConfig,
    /// A frame that is larger than a packet: what has come of it, what it will have.
    part: Vec<u8>,
    whole: usize,
    timestamp: u32,
    lost: bool,
}

const CUT: &str = "it ends within the headers of its frames";

impl Aac {
    /// For a track with this configuration.
    #[must_use]
    pub fn new(config: AacConfig) -> Self {
        Self { config, part: Vec::new(), whole: 0, timestamp: 0, lost: false }
    }

    /// Takes the next packet, before which some did not come, if it `is_lossy`. Each frame that is whole is
    /// given, with how many ticks it comes behind the packet's time and whether something before it was lost.
    ///
    /// # Errors
    /// What is wrong with the packet; frames before are good.
    pub fn handle(
        &mut self,
        packet: &Rtp<'_>,
        is_lossy: bool,
        mut give: impl FnMut(&[u8], u32, bool),
    ) -> Result<(), &'static str> {
        if is_lossy {
            self.lost = true;
            self.part.clear();
        }
        let taken = self.take(packet, &mut give);
        if taken.is_err() {
            self.part.clear();
            self.lost = true;
        }
        taken
    }

    fn take(&mut self, packet: &Rtp<'_>, give: &mut impl FnMut(&[u8], u32, bool)) -> Result<(), &'static str> {
        let (length, rest) = packet.payload.split_first_chunk().ok_or(CUT)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (headers, mut rest) = rest.split_at_checked(length.div_ceil(8)).ok_or(CUT)?;
        let mut bits = Bits::new(headers);
        let [size_bits, index_bits, delta_bits] = self.config.bits.map(u32::from);
        let count = match length.checked_sub((size_bits + index_bits) as usize) {
            Some(further) => 1 + further / ((size_bits + delta_bits) as usize).max(1),
            None => return Err("it has no headers of frames"),
        };
        for number in 0..count.min(MOST_FRAMES) {
            let size = bits.take(size_bits).ok_or(CUT)? as usize;
            if bits.take(if number == 0 { index_bits } else { delta_bits }).ok_or(CUT)? != 0 {
                return Err("its frames are interleaved");
            }
            if size > MOST_FRAME {
                return Err("its frame is too large");
            }
            let is_part = size > rest.len();
            if is_part && count > 1 {
                return Err("it has parts of several frames");
            }
            if is_part || !self.part.is_empty() {
                return self.part(size, rest, packet, give);
            }
            let (frame, after) = rest.split_at(size);
            rest = after;
            if !frame.is_empty() {
                give(frame, number as u32 * self.config.samples, std::mem::take(&mut self.lost));
            }
        }
        Ok(())
    }

    /// A part of a frame, which says each time how large the whole is (RFC 3640 section 3.2.3.2).
    fn part(
        &mut self,
        whole: usize,
        part: &[u8],
        packet: &Rtp<'_>,
        give: &mut impl FnMut(&[u8], u32, bool),
    ) -> Result<(), &'static str> {
        if !self.part.is_empty() && (self.whole != whole || self.timestamp != packet.timestamp) {
            // The end of that one did not come.
            self.part.clear();
            self.lost = true;
            if whole <= part.len() {
                give(&part[..whole], 0, std::mem::take(&mut self.lost));
                return Ok(());
            }
        }
        (self.whole, self.timestamp) = (whole, packet.timestamp);
        self.part.extend_from_slice(part);
        if self.part.len() < whole {
            // Where its begin was lost, this is the end.
            if packet.marker {
                self.part.clear();
                self.lost = true;
            }
            return Ok(());
        }
        if self.part.len() > whole {
            return Err("its parts are larger than its frame");
        }
        give(&self.part, 0, std::mem::take(&mut self.lost));
        self.part.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(payloads: &[(&[u8], u32, bool)]) -> Vec<(Vec<u8>, u32, bool)> {
        let mut aac = Aac::new(AacConfig::high_rate(1024));
        let mut frames = Vec::new();
        for (payload, timestamp, is_lossy) in payloads {
            let packet = Rtp {
                number: 0,
                timestamp: *timestamp,
                sender: 0,
                payload_type: 97,
                marker: false,
                extension: None,
                payload,
            };
            let _ = aac.handle(&packet, *is_lossy, |frame, behind, lost| frames.push((frame.to_vec(), behind, lost)));
        }
        frames
    }

    #[test]
    fn several_frames_in_a_packet_come_one_after_the_other() {
        let payload = [&[0, 32, 0, 3 << 3, 0, 2 << 3][..], b"abcde"].concat();
        assert_eq!(frames(&[(&payload, 7, false)]), [(b"abc".to_vec(), 0, false), (b"de".to_vec(), 1024, false)]);
    }

    #[test]
    fn a_frame_in_parts_comes_when_it_is_whole_and_not_when_a_part_is_lost() {
        let part = |bytes: &[u8]| [&[0, 16, 0, 6 << 3][..], bytes].concat();
        let (a, b) = (part(b"abc"), part(b"def"));
        assert_eq!(frames(&[(&a, 1, false), (&b, 1, false)]), [(b"abcdef".to_vec(), 0, false)]);
        let single = [&[0, 16, 0, 1 << 3][..], b"x"].concat();
        assert_eq!(frames(&[(&a, 1, false), (&single, 2, true)]), [(b"x".to_vec(), 0, true)]);
        assert_eq!(frames(&[(&a, 1, false), (&single, 2, false)]), [(b"x".to_vec(), 0, true)]);
        assert_eq!(frames(&[(&a, 1, false), (&a, 2, false), (&b, 2, false)]), [(b"abcdef".to_vec(), 0, true)]);
    }

    #[test]
    fn headers_that_are_cut_or_too_many_do_no_harm() {
        for odd in
            [&[][..], &[0], &[0, 0], &[0, 8, 1], &[0xff, 0xff, 1, 2], &[0, 32, 0xff, 0xff, 0, 0, 1], &[0, 16, 0, 9]]
        {
            assert!(frames(&[(odd, 0, false)]).is_empty(), "{odd:02x?}");
        }
    }
}
