//! How the packets of a track become units, by its payload format.

use media::{Audio, Codec, Kind, Track, TrackId};
use rtsp::unpack::{Aac, AacConfig, Mpa, MpaFrame, Nals, Rtp};

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
    /// MPEG audio.
    Mpa,
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
    Mpa { mpa: Mpa, said: Option<Said> },
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
            Payload::Mpa => sound(Parts::Mpa { mpa: Mpa::default(), said: None }),
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
            Parts::Mpa { mpa, said } => {
                let rate = self.clock_rate;
                mpa.handle(rtp, is_lossy, |data, frame, behind, lost| {
                    let ticks =
                        |samples: u32| (u64::from(samples) * u64::from(rate) / u64::from(frame.sample_rate)) as u32;
                    *said = Some(Said::of(frame));
                    give(data, ticks(behind), Some(ticks(frame.samples)), lost);
                })
            }
            Parts::Plain { bits } => {
                let samples = (8 * rtp.payload.len() as u32).checked_div(*bits);
                give(rtp.payload, 0, samples, is_lossy);
                Ok(())
            }
        }
    }
}

/// What frames say of their track.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Said {
    codec: &'static str,
    sample_rate: u32,
    channels: u16,
}

impl Said {
    fn of(frame: MpaFrame) -> Self {
        let codec = ["mp1", "mp2", "mp3"][usize::from(frame.layer.clamp(1, 3)) - 1];
        Self { codec, sample_rate: frame.sample_rate, channels: frame.channels }
    }
}

impl Sound {
    /// The track, where its frames say what it is, and have come.
    pub(super) fn track(&self) -> Option<Track> {
        let Parts::Mpa { said: Some(Said { codec, sample_rate, channels }), .. } = self.parts else { return None };
        let audio = Audio { sample_rate, channels, block_align: 0 };
        let (codec, extradata) = (Codec::from_name(codec), bytes::Bytes::new());
        Some(Track {
            id: TrackId(0),
            codec,
            tag: 0,
            extradata,
            bits_per_sample: 0,
            bit_rate: 0,
            kind: Kind::Audio(audio),
        })
    }
}
