//! Stream Properties (section 3.3) and the formats in them (section 9).

use std::fmt;

use bytes::Bytes;
use media::Size;

use super::Extended;
use crate::codec;
use crate::fields::Fields;
use crate::guid::{self, Guid};
use crate::object::Object;

/// The format tag that refers to the sub-format: WAVE_FORMAT_EXTENSIBLE.
const EXTENSIBLE: u16 = 0xFFFE;
/// Most entries of a Stream Bitrate Properties Object; stream numbers end at 127.
const MAX_BIT_RATES: usize = 128;

/// One stream.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stream {
    /// Its number, 1 to 127; packets name it.
    pub number: u8,
    /// What it carries.
    pub format: Format,
    /// To be added to its times, in units of 100 ns.
    pub time_offset: u64,
    /// Its payloads are encrypted.
    pub encrypted: bool,
    /// Average bit rate in bit/s, 0 when unknown: of the Stream Bitrate Properties, else of the
    /// extended properties, else of the format.
    pub bit_rate: u32,
    /// How its objects are scattered over packets, if they are.
    pub spread: Option<Spread>,
    /// Its Extended Stream Properties, if there are any.
    pub extended: Option<Extended>,
    /// Its Stream Properties Object as it stands.
    pub properties: Bytes,
}

/// What a stream carries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Sound.
    Audio(AudioFormat),
    /// Pictures.
    Video(VideoFormat),
    /// JPEG pictures of that size, each whole.
    Jfif(Size),
    /// Commands for a player. Nothing here follows them.
    Command,
    /// Something else, or a format that cannot be read.
    Other(Guid),
}

/// WAVEFORMATEX (section 9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioFormat {
    /// The format tag, 0x0161 for WMA 2. That of the sub-format where the tag is 0xFFFE.
    pub tag: u16,
    /// Number of channels.
    pub channels: u16,
    /// Samples a second.
    pub sample_rate: u32,
    /// Bytes a second, on average.
    pub byte_rate: u32,
    /// Bytes of one coded block.
    pub block_align: u16,
    /// Bits of a sample.
    pub bits: u16,
    /// What the decoder needs to know besides.
    pub extra: Bytes,
}

/// BITMAPINFOHEADER (section 9.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoFormat {
    /// Coded size.
    pub size: Size,
    /// Bits of a pixel.
    pub bits: u16,
    /// The codec: `WMV2`.
    pub fourcc: u32,
    /// What the decoder needs to know besides.
    pub extra: Bytes,
}

/// Audio spread: the chunks of an object, mixed so that a lost packet costs many short
/// pieces rather than a long one (section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Virtual packets that an object is made of.
    pub span: u8,
    /// Bytes of a virtual packet.
    pub packet: u16,
    /// Bytes of a chunk; divides `packet`.
    pub chunk: u16,
}

impl Stream {
    pub(super) fn parse(object: &Object) -> Option<Self> {
        let mut fields = Fields(object.data());
        let kind = fields.guid()?;
        let correction = fields.guid()?;
        let time_offset = fields.u64()?;
        let (format, correction_data) = (fields.length32()?, fields.length32()?);
        let flags = fields.u16()?;
        fields.u32()?;
        let format = Format::parse(kind, object, fields.take_up_to(format));
        let correction_data = fields.take_up_to(correction_data);
        let number = (flags & 0x7F) as u8;
        if number == 0 {
            return None;
        }
        Some(Self {
            number,
            format,
            time_offset,
            encrypted: flags & 0x8000 != 0,
            bit_rate: 0,
            spread: Spread::parse(correction_data).filter(|_| correction == guid::AUDIO_SPREAD),
            extended: None,
            properties: object.bytes.clone(),
        })
    }
}

/// For errors and logs: `stream 2 (video WMV2 352x288)`.
impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {} ({})", self.number, self.format)
    }
}

impl Format {
    fn parse(kind: Guid, object: &Object, data: &[u8]) -> Self {
        let parsed = match kind {
            guid::AUDIO_MEDIA => AudioFormat::parse(object, data).map(Self::Audio),
            guid::VIDEO_MEDIA => VideoFormat::parse(object, data).map(Self::Video),
            guid::JFIF_MEDIA => size(&mut Fields(data)).map(Self::Jfif),
            guid::COMMAND_MEDIA => Some(Self::Command),
            _ => None,
        };
        parsed.unwrap_or(Self::Other(kind))
    }

    /// What decodes it, where that is known.
    #[must_use]
    pub fn codec(&self) -> Option<media::Codec> {
        match self {
            Self::Audio(audio) => codec::audio(audio.tag, audio.bits),
            Self::Video(video) => codec::video(video.fourcc),
            Self::Jfif(_) => Some(media::Codec::MJPEG),
            Self::Command | Self::Other(_) => None,
        }
    }

    /// Pictures, of whatever codec.
    #[must_use]
    pub fn is_video(&self) -> bool {
        matches!(self, Self::Video(_) | Self::Jfif(_))
    }

    /// Sound, of whatever codec.
    #[must_use]
    pub fn is_audio(&self) -> bool {
        matches!(self, Self::Audio(_))
    }

    /// The bit rate that the format itself names, in bit/s.
    pub(crate) fn bit_rate(&self) -> Option<u32> {
        match self {
            Self::Audio(audio) => Some(audio.byte_rate.saturating_mul(8)),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Audio(audio) => {
                f.write_str("audio ")?;
                match self.codec() {
                    Some(codec) => write!(f, "{codec}")?,
                    None => write!(f, "format {:#06x}", audio.tag)?,
                }
                write!(f, " {} Hz", audio.sample_rate)
            }
            Self::Video(video) => write!(f, "video {} {}", FourCc(video.fourcc), video.size),
            Self::Jfif(size) => write!(f, "video JFIF {size}"),
            Self::Command => f.write_str("script commands"),
            Self::Other(guid::AUDIO_MEDIA) => f.write_str("audio of a format that cannot be read"),
            Self::Other(guid::VIDEO_MEDIA) => f.write_str("video of a format that cannot be read"),
            Self::Other(guid::DEGRADABLE_JPEG_MEDIA) => f.write_str("degradable JPEG pictures"),
            Self::Other(guid::FILE_TRANSFER_MEDIA) => f.write_str("files"),
            Self::Other(guid::BINARY_MEDIA) => f.write_str("binary data"),
            Self::Other(guid) => write!(f, "kind {guid}"),
        }
    }
}

impl AudioFormat {
    fn parse(object: &Object, data: &[u8]) -> Option<Self> {
        let mut fields = Fields(data);
        let (tag, channels) = (fields.u16()?, fields.u16()?);
        let (sample_rate, byte_rate) = (fields.u32()?, fields.u32()?);
        let block_align = fields.u16()?;
        // The older WAVEFORMAT ends here, and PCMWAVEFORMAT after the bits.
        let bits = fields.u16().unwrap_or(8);
        let length = fields.length16().unwrap_or(0);
        let mut extra = Fields(fields.take_up_to(length));
        let mut format = Self { tag, channels, sample_rate, byte_rate, block_align, bits, extra: Bytes::new() };
        if tag == EXTENSIBLE {
            // WAVEFORMATEXTENSIBLE: valid bits, channel mask, and a GUID that begins with the tag.
            extra.take(2 + 4)?;
            let sub = extra.guid()?;
            format.tag = u16::from_le_bytes([sub.to_bytes()[0], sub.to_bytes()[1]]);
        }
        format.extra = object.part(extra.0);
        Some(format)
    }
}

impl VideoFormat {
    fn parse(object: &Object, data: &[u8]) -> Option<Self> {
        let mut fields = Fields(data);
        size(&mut fields)?;
        // Flags, and the length of what follows.
        fields.take(1 + 2)?;
        let length = fields.length32()?;
        let (width, height) = (fields.u32()?, fields.u32()?);
        fields.u16()?;
        let (bits, fourcc) = (fields.u16()?, fields.u32()?);
        fields.take(20)?;
        let extra = fields.take_up_to(length.saturating_sub(40));
        // A negative height says that the rows stand from top to bottom.
        let size = Size::new(width, height.cast_signed().unsigned_abs());
        Some(Self { size, bits, fourcc, extra: object.part(extra) })
    }
}

impl Spread {
    /// Nothing when there is nothing to undo, or the numbers make no sense.
    fn parse(data: &[u8]) -> Option<Self> {
        let mut fields = Fields(data);
        let (span, packet, chunk) = (fields.u8()?, fields.u16()?, fields.u16()?);
        let sane = span > 1 && chunk > 0 && packet.is_multiple_of(chunk) && packet > chunk;
        sane.then_some(Self { span, packet, chunk })
    }
}

/// A FourCC as text; one that a terminal might obey, as a number.
struct FourCc(u32);

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.to_le_bytes();
        match bytes.iter().all(u8::is_ascii_graphic) {
            true => bytes.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte))),
            false => write!(f, "{:#010x}", self.0),
        }
    }
}

fn size(fields: &mut Fields<'_>) -> Option<Size> {
    Some(Size::new(fields.u32()?, fields.u32()?))
}

/// Stream Bitrate Properties (section 3.12): number and average bit rate in bit/s.
pub(super) fn bit_rates(data: &[u8]) -> impl Iterator<Item = (u8, u32)> {
    let mut fields = Fields(data);
    let count = fields.length16().unwrap_or(0).min(MAX_BIT_RATES);
    (0..count).map_while(move |_| Some(((fields.u16()? & 0x7F) as u8, fields.u32()?)))
}
