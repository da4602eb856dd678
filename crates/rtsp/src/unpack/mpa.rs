//! MPEG audio, layers I to III (RFC 2250 section 3.5): whole frames, or a part of one.

use super::Rtp;

/// The longest frame: layer II of MPEG-2.5, 160 kbit/s at 8 kHz, with a slot of padding.
const MOST_FRAME: usize = 144 * 160_000 / 8000 + 1;
/// In front of every payload.
const HEADER: usize = 4;

/// What the header of a frame says (ISO/IEC 11172-3 2.4.1.3, ISO/IEC 13818-3 2.4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpaFrame {
    /// I to III.
    pub layer: u8,
    /// In Hz.
    pub sample_rate: u32,
    /// 1 or 2.
    pub channels: u16,
    /// Of each channel.
    pub samples: u32,
    /// Bytes of the frame, with its header.
    pub size: usize,
}

impl MpaFrame {
    /// Reads the header of a frame; nothing where it is none, or its bit rate is free and so its size unknown.
    #[must_use]
    pub fn parse(frame: &[u8]) -> Option<Self> {
        /// In kbit/s, from index 1 on: layers I, II and III of MPEG-1, layer I and then the others of MPEG-2.
        const BIT_RATES: [[u16; 14]; 5] = [
            [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
            [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
            [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
            [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
            [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
        ];
        let &[0xFF, kind, rates, mode, ..] = frame else { return None };
        if kind < 0xE0 {
            return None;
        }
        // MPEG-2.5 halves the rates of MPEG-2, which halves those of MPEG-1.
        let halved = match kind >> 3 & 3 {
            0 => 2,
            2 => 1,
            3 => 0,
            _ => return None,
        };
        let layer = 4 - (kind >> 1 & 3);
        if layer > 3 {
            return None;
        }
        let row = if halved == 0 { usize::from(layer) - 1 } else { 3 + usize::from(layer > 1) };
        let bit_rate = 1000 * u32::from(*BIT_RATES[row].get(usize::from(rates >> 4).checked_sub(1)?)?);
        let sample_rate = [44_100, 48_000, 32_000].get(usize::from(rates >> 2 & 3))? >> halved;
        let padding = u32::from(rates >> 1 & 1);
        let samples = match layer {
            1 => 384,
            3 if halved > 0 => 576,
            _ => 1152,
        };
        let size = match layer {
            1 => 4 * (12 * bit_rate / sample_rate + padding),
            _ => samples / 8 * bit_rate / sample_rate + padding,
        };
        let channels = if mode >> 6 == 3 { 1 } else { 2 };
        Some(Self { layer, sample_rate, channels, samples, size: size as usize })
    }
}

/// The frames of one track.
#[derive(Debug, Default)]
pub struct Mpa {
    /// What has come of a frame that is larger than a packet.
    part: Vec<u8>,
    lost: bool,
}

const CUT: &str = "it ends within the header of MPEG audio";
const NO_FRAME: &str = "it has no frame of MPEG audio";

impl Mpa {
    /// Takes the next packet, before which some did not come, if it `is_lossy`. Each frame that is whole is
    /// given, with what it says, how many samples it comes behind the packet's time, and whether something
    /// before it was lost.
    ///
    /// # Errors
    /// What is wrong with the packet; frames before are good.
    pub fn handle(
        &mut self,
        packet: &Rtp<'_>,
        is_lossy: bool,
        mut give: impl FnMut(&[u8], MpaFrame, u32, bool),
    ) -> Result<(), &'static str> {
        if is_lossy {
            self.give_up();
        }
        let taken = self.take(packet.payload, &mut give);
        if taken.is_err() {
            self.give_up();
        }
        taken
    }

    /// Bytes that are kept, for fuzzers.
    pub(crate) fn kept(&self) -> usize {
        self.part.len()
    }

    fn give_up(&mut self) {
        self.part.clear();
        self.lost = true;
    }

    fn take(&mut self, payload: &[u8], give: &mut impl FnMut(&[u8], MpaFrame, u32, bool)) -> Result<(), &'static str> {
        let (&[_, _, high, low], rest) = payload.split_first_chunk::<HEADER>().ok_or(CUT)?;
        let offset = usize::from(u16::from_be_bytes([high, low]));
        if offset == 0 {
            if !self.part.is_empty() {
                // The end of that one did not come.
                self.give_up();
            }
            return self.begin(rest, give);
        }
        if self.part.len() != offset {
            // Its begin was lost.
            self.give_up();
            return Ok(());
        }
        let frame = MpaFrame::parse(&self.part).ok_or(NO_FRAME)?;
        if self.part.len() + rest.len() > frame.size {
            return Err("its parts are larger than its frame");
        }
        self.part.extend_from_slice(rest);
        if self.part.len() == frame.size {
            give(&self.part, frame, 0, std::mem::take(&mut self.lost));
            self.part.clear();
        }
        Ok(())
    }

    /// Frames, the last of which may go on in the next packet.
    fn begin(
        &mut self,
        mut rest: &[u8],
        give: &mut impl FnMut(&[u8], MpaFrame, u32, bool),
    ) -> Result<(), &'static str> {
        let mut behind = 0;
        while !rest.is_empty() {
            let frame = MpaFrame::parse(rest).ok_or(NO_FRAME)?;
            // None is longer, and none shorter than what was looked at.
            if !(HEADER..=MOST_FRAME).contains(&frame.size) {
                return Err(NO_FRAME);
            }
            let Some((whole, after)) = rest.split_at_checked(frame.size) else {
                self.part.extend_from_slice(rest);
                return Ok(());
            };
            give(whole, frame, behind, std::mem::take(&mut self.lost));
            behind += frame.samples;
            rest = after;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layer III of MPEG-1, 48 kHz, 32 kbit/s, one channel: 96 bytes.
    fn frame(fill: u8) -> Vec<u8> {
        [&[0xff, 0xfb, 0x14, 0xc0][..], &[fill; 92]].concat()
    }

    fn come(payloads: &[(usize, &[u8], bool)]) -> (Vec<(u8, u32, bool)>, usize) {
        let (mut mpa, mut frames, mut bad) = (Mpa::default(), Vec::new(), 0);
        for (offset, data, is_lossy) in payloads {
            let payload = [&[0, 0][..], &(*offset as u16).to_be_bytes(), data].concat();
            let packet = Rtp {
                number: 0,
                timestamp: 0,
                sender: 0,
                payload_type: 14,
                marker: false,
                extension: None,
                payload: &payload,
            };
            let taken = mpa.handle(&packet, *is_lossy, |data, said, behind, lost| {
                assert_eq!((data.len(), said), (96, MpaFrame::parse(data).unwrap()));
                frames.push((data[95], behind, lost));
            });
            bad += usize::from(taken.is_err());
            assert!(mpa.kept() <= MOST_FRAME);
        }
        (frames, bad)
    }

    #[test]
    fn headers_say_how_long_frames_are() {
        let parsed = |header: [u8; 4]| {
            MpaFrame::parse(&header).map(|frame| (frame.layer, frame.sample_rate, frame.channels, frame.size))
        };
        assert_eq!(parsed([0xff, 0xfb, 0x90, 0x00]), Some((3, 44_100, 2, 417)));
        assert_eq!(parsed([0xff, 0xfb, 0x92, 0xc0]), Some((3, 44_100, 1, 418)));
        assert_eq!(parsed([0xff, 0xfd, 0xa4, 0x00]), Some((2, 48_000, 2, 576)));
        assert_eq!(parsed([0xff, 0xff, 0xe8, 0x00]), Some((1, 32_000, 2, 672)));
        assert_eq!(parsed([0xff, 0xf3, 0x80, 0xc0]), Some((3, 22_050, 1, 208)));
        assert_eq!(parsed([0xff, 0xe5, 0xe8, 0x00]), Some((2, 8000, 2, MOST_FRAME - 1)));
        // Free, none, or no such thing.
        for header in [[0xff, 0xfb, 0x00, 0], [0xff, 0xfb, 0xf0, 0], [0xff, 0xfb, 0x9c, 0], [0xff, 0xe9, 0x90, 0]] {
            assert_eq!(parsed(header), None, "{header:02x?}");
        }
        for header in [[0xff, 0xf9, 0x90, 0], [0xff, 0xdb, 0x90, 0], [0xfe, 0xfb, 0x90, 0]] {
            assert_eq!(parsed(header), None, "{header:02x?}");
        }
        assert_eq!(MpaFrame::parse(&[0xff, 0xfb, 0x90]), None);
    }

    #[test]
    fn frames_of_a_packet_come_one_after_the_other_and_parts_when_they_are_whole() {
        let (two, a) = ([frame(1), frame(2)].concat(), frame(3));
        assert_eq!(come(&[(0, &two, false)]), (vec![(1, 0, false), (2, 1152, false)], 0));
        for cut in 4..95 {
            assert_eq!(come(&[(0, &a[..cut], false), (cut, &a[cut..], false)]), (vec![(3, 0, false)], 0), "{cut}");
        }
        let parts = [(0, &a[..40], false), (40, &a[40..80], false), (80, &a[80..], false)];
        assert_eq!(come(&parts).0.len(), 1);
        // A part of it is lost.
        for missing in 0..3 {
            let mut sent = parts.to_vec();
            sent.remove(missing);
            sent.push((0, &two, false));
            if missing < 2 {
                sent[missing].2 = true;
            }
            assert_eq!(come(&sent), (vec![(1, 0, true), (2, 1152, false)], 0), "{missing}");
        }
    }

    #[test]
    fn what_is_no_frame_is_told_and_does_no_harm() {
        let (good, a) = (frame(1), frame(2));
        for odd in [&b"xxxx"[..], &[0xff], &[0xff, 0xfb, 0, 0, 1], &[&good[..], b"x"].concat()] {
            let (frames, bad) = come(&[(0, odd, false), (0, &a, false)]);
            assert_eq!((frames.last(), bad), (Some(&(2, 0, true)), 1), "{odd:02x?}");
        }
        let too_long = [&a[40..], &[0][..]].concat();
        assert_eq!(come(&[(0, &a[..40], false), (40, &too_long, false), (0, &a, false)]), (vec![(2, 0, true)], 1));
    }
}
