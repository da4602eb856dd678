//! What a decoder must know, in the form in which libavcodec wants it.

use bytes::Bytes;
use media::{Audio, Kind, Rational, Track, TrackId, Video};

use crate::header::{AudioFormat, Format, Header, Stream};

/// The format tag of AAC with a HEAACWAVEINFO.
const HE_AAC: u16 = 0x1610;
/// Bytes of a HEAACWAVEINFO before the AudioSpecificConfig.
const HE_AAC_INFO: usize = 12;

/// The track of `stream`, with the id `place`; nothing when its codec is unknown.
///
/// Codec data go on as they stand. That is right for WMV3, where libavcodec takes the first
/// four bytes, and for VC-1 too, where it looks for the first start code: the byte that
/// Microsoft puts before it does no harm, and libavformat leaves it there.
pub(super) fn track(header: &Header, stream: &Stream, place: u8) -> Option<Track> {
    let codec = stream.format.codec()?;
    let (tag, extradata, bits, kind) = match &stream.format {
        Format::Audio(audio) => {
            let kind = Kind::Audio(Audio {
                sample_rate: audio.sample_rate,
                channels: audio.channels,
                block_align: audio.block_align.into(),
            });
            (audio.tag.into(), audio_extradata(audio), audio.bits.into(), kind)
        }
        Format::Video(video) => {
            let kind = Kind::Video(Video {
                size: video.size,
                frame_rate: frame_rate(stream),
                sample_aspect: header.sample_aspect(stream.number),
                ..Video::default()
            });
            (video.fourcc, video.extra.clone(), video.bits.into(), kind)
        }
        Format::Jfif(size) => {
            let kind = Kind::Video(Video { size: *size, frame_rate: frame_rate(stream), ..Video::default() });
            (0, Bytes::new(), 0, kind)
        }
        Format::Command | Format::Other(_) => return None,
    };
    // Decoders of WMA cut their blocks by the rate of the format; that of the stream may count
    // what the container adds.
    let bit_rate = stream.format.bit_rate().filter(|rate| *rate > 0).unwrap_or(stream.bit_rate).into();
    // A track lives long; it is not to keep the whole header, with its pictures.
    let extradata = Bytes::copy_from_slice(&extradata);
    Some(Track { id: TrackId(place), codec, tag, extradata, bits_per_sample: bits, bit_rate, kind })
}

fn frame_rate(stream: &Stream) -> Option<Rational> {
    let time = stream.extended.as_ref()?.frame_time;
    Rational::new(10_000_000, u32::try_from(time).ok()?)
}

/// AAC's is an AudioSpecificConfig, which in one of its forms stands behind other fields: the
/// first says whether the blocks are raw or carry a header of their own and need none.
fn audio_extradata(audio: &AudioFormat) -> Bytes {
    match (audio.tag, audio.extra.first_chunk()) {
        (HE_AAC, Some([0, 0])) if audio.extra.len() >= HE_AAC_INFO => audio.extra.slice(HE_AAC_INFO..),
        (HE_AAC, Some(_)) => Bytes::new(),
        _ => audio.extra.clone(),
    }
}
