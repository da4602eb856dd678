//! How the packets of a track become units, by its payload format.

use rtsp::unpack::{Aac, AacConfig, Nals, Rtp};

use crate::rtsp::jpeg::Assembler;
use crate::rtsp::sounds::Latm;

/// What is to be known of a track's packets.
#[derive(Clone, Debug)]
pub(in crate::rtsp) struct Form {
    /// Ticks of its RTP clock in a second.
    pub(in crate::rtsp) clock_rate: u32,
    pub(in crate::rtsp) payload: Payload,
}

/// A payload format.
#[derive(Clone, Debug)]
pub(in crate::rtsp) enum Payload {
    /// With its parameter sets, and whether payloads tell the order of decoding.
    Nals {
        syntax: media::nal::Syntax,
        known: bytes::Bytes,
        has_order: bool,
    },
    Jpeg,
    Aac {
        samples: u32,
    },
    Latm,
    /// Frames as they are, of samples of so many bits; 0 where they do not tell how long they are.
    Plain {
        bits: u32,
    },
}

/// What takes them apart.
pub(in crate::rtsp) enum Way {
    Nals(Nals),
    Jpeg(Assembler),
    Sound(Sound),
}

/// Of sound.
pub(in crate::rtsp) struct Sound {
    pub(super) clock_rate: u32,
    parts: Parts,
}

enum Parts {
    Aac { aac: Aac, samples: u32 },
    Latm(Latm),
    Plain { bits: u32 },
}

impl Way {
    pub(super) fn new(form: Form, most: usize, described: Option<(u16, u16)>) -> Self {
        let sound = |parts| Self::Sound(Sound { clock_rate: form.clock_rate, parts });
        match form.payload {
            Payload::Nals { syntax, known, has_order } => Self::Nals(Nals::new(syntax, &known, has_order, most)),
            Payload::Jpeg => {
                let mut assembler = Assembler::new(most);
                if let Some(size) = described {
                    assembler.described(size);
                }
                Self::Jpeg(assembler)
            }
            Payload::Aac { samples } => sound(Parts::Aac { aac: Aac::new(AacConfig::high_rate(samples)), samples }),
            Payload::Latm => sound(Parts::Latm(Latm::default())),
            Payload::Plain { bits } => sound(Parts::Plain { bits }),
        }
    }
}

impl Sound {
    /// Takes a packet. Each frame that is whole is given with how many ticks it comes behind the packet's
    /// time, its own ticks where they are known, and whether something before it was lost.
    pub(super) fn take(
        &mut self,
        rtp: &Rtp<'_>,
        is_lossy: bool,
        mut give: impl FnMut(&[u8], u32, Option<u32>, bool),
    ) -> Result<(), &'static str> {
        match &mut self.parts {
            Parts::Aac { aac, samples } => {
                aac.handle(rtp, is_lossy, |frame, behind, lost| give(frame, behind, Some(*samples), lost))
            }
            Parts::Latm(latm) => {
                let mut lost = is_lossy;
                latm.take(rtp.payload, is_lossy, |frame, behind| give(frame, behind, None, std::mem::take(&mut lost)));
                Ok(())
            }
            Parts::Plain { bits } => {
                let samples = (8 * rtp.payload.len() as u32).checked_div(*bits);
                give(rtp.payload, 0, samples, is_lossy);
                Ok(())
            }
        }
    }
}
