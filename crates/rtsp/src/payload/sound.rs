//! Opus (RFC 7587), and samples as they are or nearly so (RFC 3551).

use media::{Audio, Codec};

use super::{Format, Payload};
use crate::Error;
use crate::rtp::Writer;

/// Most bytes of a unit that is sent whole, whatever the network makes of it: the longest of Opus
/// are far shorter.
const MOST_WHOLE: usize = 60_000;

#[derive(Debug)]
pub(super) enum Sound {
    /// A unit is a packet.
    Whole,
    /// Bytes that may be cut at every tick of the clock.
    Samples {
        /// In all channels.
        bytes_per_tick: usize,
        /// Low byte first, where RTP has the high one first.
        swap: bool,
    },
}

impl Sound {
    pub(super) fn describe(codec: Codec, audio: &Audio) -> Result<(Payload, Format), Error> {
        let (rate, channels) = (audio.sample_rate, audio.channels.max(1));
        let plain = |name: &str, fixed, bytes, swap| {
            let suffix = if channels == 1 { String::new() } else { format!("/{channels}") };
            let encoding = format!("{name}/{rate}{suffix}");
            let sound = Self::Samples { bytes_per_tick: bytes * usize::from(channels), swap };
            Ok((Payload::Sound(sound), Format { fixed, encoding, clock_rate: rate, fmtp: String::new() }))
        };
        if rate == 0 {
            return Err(Error::Configuration { codec, what: "nobody knows its sample rate" });
        }
        let telephone = (rate, channels) == (8000, 1);
        match codec.name() {
            // RFC 7587 section 7: always 48 000 Hz and two channels in the description.
            "opus" => {
                let stereo = if channels == 2 { "sprop-stereo=1".into() } else { String::new() };
                let encoding = "opus/48000/2".into();
                Ok((Payload::Sound(Self::Whole), Format { fixed: None, encoding, clock_rate: 48_000, fmtp: stereo }))
            }
            "pcm_mulaw" => plain("PCMU", telephone.then_some(0), 1, false),
            "pcm_alaw" => plain("PCMA", telephone.then_some(8), 1, false),
            // RFC 3551 section 4.5.2: the clock runs at half the sample rate, by mistake.
            "adpcm_g722" if (rate, channels) == (16_000, 1) => {
                let sound = Self::Samples { bytes_per_tick: 1, swap: false };
                let encoding = "G722/8000".into();
                let format = Format { fixed: Some(9), encoding, clock_rate: 8000, fmtp: String::new() };
                Ok((Payload::Sound(sound), format))
            }
            "pcm_s16be" => plain("L16", fixed_l16(rate, channels), 2, false),
            "pcm_s16le" => plain("L16", fixed_l16(rate, channels), 2, true),
            _ => Err(Error::Codec(codec)),
        }
    }

    pub(super) fn pack(&self, writer: &mut Writer, unit: &[u8]) -> Result<(), String> {
        match self {
            Self::Whole if unit.len() > MOST_WHOLE => {
                return Err(format!(
                    "{} bytes; RFC 7587 knows no pieces, and a packet has room for {MOST_WHOLE}",
                    unit.len()
                ));
            }
            Self::Whole => writer.put(&[unit]),
            Self::Samples { bytes_per_tick, swap } => {
                // Half a second of the slowest codec is a packet at most; some sources have more
                // in one unit.
                let ticks = (writer.mtu / bytes_per_tick).max(1);
                for chunk in unit.chunks(ticks * bytes_per_tick) {
                    if *swap {
                        let swapped: Vec<u8> = chunk.chunks_exact(2).flat_map(|two| [two[1], two[0]]).collect();
                        writer.put(&[&swapped]);
                    } else {
                        writer.put(&[chunk]);
                    }
                    writer.advance((chunk.len() / bytes_per_tick) as u32);
                }
            }
        }
        Ok(())
    }
}

/// RFC 3551 table 4.
fn fixed_l16(rate: u32, channels: u16) -> Option<u8> {
    match (rate, channels) {
        (44_100, 2) => Some(10),
        (44_100, 1) => Some(11),
        _ => None,
    }
}
