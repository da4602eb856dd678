//! Declarations of tracks as bytes.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use media::{Audio, Codec, Kind, Rational, Size, Track, TrackId, Tracks, Video};

use crate::format::Fields;

/// Most tracks of a declaration: their ids are a byte.
const MOST_TRACKS: usize = 256;
/// Longest name of a codec or pixel format.
const MOST_NAME: usize = 32;
/// Names of codecs that are kept for the life of the process; FFmpeg has some 500.
const MOST_NAMES: usize = 1024;

/// The declaration, for [`decode`]..
pub(crate) fn encode(tracks: &Tracks) -> Vec<u8> {
    let mut out = vec![u8::try_from(tracks.len().min(255)).unwrap_or(u8::MAX)];
    for track in tracks.iter().take(255) {
        put_bytes(&mut out, track.codec.name().as_bytes());
        out.extend_from_slice(&track.tag.to_le_bytes());
        put_bytes(&mut out, &track.extradata);
        out.extend_from_slice(&track.bits_per_sample.to_le_bytes());
        out.extend_from_slice(&track.bit_rate.to_le_bytes());
        match &track.kind {
            Kind::Data => out.push(0),
            Kind::Video(video) => {
                out.push(1);
                put_video(&mut out, video);
            }
            Kind::Audio(audio) => {
                out.push(2);
                out.extend_from_slice(&audio.sample_rate.to_le_bytes());
                out.extend_from_slice(&audio.channels.to_le_bytes());
                out.extend_from_slice(&audio.block_align.to_le_bytes());
            }
        }
    }
    out
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn put_video(out: &mut Vec<u8>, video: &Video) {
    out.extend_from_slice(&video.size.width.to_le_bytes());
    out.extend_from_slice(&video.size.height.to_le_bytes());
    put_bytes(out, video.pixel_format.as_deref().unwrap_or("").as_bytes());
    for fraction in [video.frame_rate, video.sample_aspect] {
        let (num, den) = fraction.map_or((0, 0), |fraction| (fraction.num, fraction.den));
        out.extend_from_slice(&num.to_le_bytes());
        out.extend_from_slice(&den.to_le_bytes());
    }
    out.push(match video.full_range {
        None => 0,
        Some(false) => 1,
        Some(true) => 2,
    });
    out.extend_from_slice(&video.rotation.to_le_bytes());
    let (known, profile, level) = video.profile.map_or((0, 0, 0), |(profile, level)| (1, profile, level));
    out.push(known);
    out.extend_from_slice(&profile.to_le_bytes());
    out.extend_from_slice(&level.to_le_bytes());
}

/// Reads a declaration; nothing when it is not one.
pub(crate) fn decode(bytes: &[u8]) -> Option<Tracks> {
    let mut fields = Fields(bytes);
    let count = usize::from(fields.u8()?);
    let tracks: Option<Vec<Track>> = (0..count.min(MOST_TRACKS)).map(|_| track(&mut fields)).collect();
    Some(Tracks::new(tracks?))
}

fn track(fields: &mut Fields<'_>) -> Option<Track> {
    let codec = intern(text(fields)?)?;
    let tag = fields.u32()?;
    let extradata = Bytes::copy_from_slice(sized(fields)?);
    let (bits_per_sample, bit_rate) = (fields.u32()?, fields.u64()?);
    let kind = match fields.u8()? {
        0 => Kind::Data,
        1 => Kind::Video(video(fields)?),
        2 => Kind::Audio(Audio { sample_rate: fields.u32()?, channels: fields.u16()?, block_align: fields.u32()? }),
        _ => return None,
    };
    Some(Track { id: TrackId(0), codec, tag, extradata, bits_per_sample, bit_rate, kind })
}

fn video(fields: &mut Fields<'_>) -> Option<Video> {
    let size = Size::new(fields.u32()?, fields.u32()?);
    let pixel_format = Some(text(fields)?).filter(|name| !name.is_empty()).map(str::to_owned);
    let frame_rate = Rational::new(fields.u32()?, fields.u32()?);
    let sample_aspect = Rational::new(fields.u32()?, fields.u32()?);
    let full_range = match fields.u8()? {
        0 => None,
        1 => Some(false),
        2 => Some(true),
        _ => return None,
    };
    let rotation = fields.u16()?;
    let known = fields.u8()?;
    let levels = (fields.u32()?.cast_signed(), fields.u32()?.cast_signed());
    let profile = (known == 1).then_some(levels);
    Some(Video { size, pixel_format, frame_rate, sample_aspect, full_range, rotation, profile })
}

/// Bytes with their count in front.
fn sized<'a>(fields: &mut Fields<'a>) -> Option<&'a [u8]> {
    let count = fields.u32()?;
    fields.take(usize::try_from(count).ok()?)
}

/// A name such as FFmpeg gives.
fn text<'a>(fields: &mut Fields<'a>) -> Option<&'a str> {
    let bytes = sized(fields)?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if bytes.len() > MOST_NAME || !bytes.iter().all(plain) {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

/// The codec called `name`. Names live as long as the process, so there is a bound to them,
/// which no real set of files reaches.
fn intern(name: &str) -> Option<Codec> {
    static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    if name.is_empty() {
        return None;
    }
    let mut guard = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = guard.get_or_insert_default();
    if let Some(known) = names.get(name) {
        return Some(Codec::from_name(known));
    }
    if names.len() >= MOST_NAMES {
        return None;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    Some(Codec::from_name(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_kinds() -> Tracks {
        let video = Video {
            size: Size::new(1920, 1080),
            pixel_format: Some("yuvj420p".into()),
            frame_rate: Rational::new(30000, 1001),
            sample_aspect: Rational::new(4, 3),
            full_range: Some(true),
            rotation: 90,
            profile: Some((100, -99)),
        };
        let track = Track::mjpeg(Size::new(640, 480));
        let h264 = Track {
            codec: Codec::H264,
            tag: 0x3136_3248,
            extradata: Bytes::from_static(b"\0\0\0\x01gabc"),
            bit_rate: 4_000_000,
            kind: Kind::Video(video),
            ..track.clone()
        };
        let sound = Kind::Audio(Audio { sample_rate: 44_100, channels: 2, block_align: 2230 });
        let wma = Track { codec: Codec::from_name("wmav2"), bits_per_sample: 16, kind: sound, ..track.clone() };
        let data = Track { codec: Codec::from_name("scte_35"), kind: Kind::Data, ..track.clone() };
        Tracks::new(vec![h264, wma, data, track])
    }

    #[test]
    fn a_declaration_reads_back_whole() {
        let tracks = all_kinds();
        assert_eq!(decode(&encode(&tracks)).unwrap().as_slice(), tracks.as_slice());
        assert_eq!(decode(&encode(&Tracks::default())).unwrap().len(), 0);
    }

    #[test]
    fn a_declaration_that_is_cut_is_none() {
        let bytes = encode(&all_kinds());
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_none(), "cut at {end}");
        }
    }

    #[test]
    fn names_that_no_codec_has_are_refused() {
        for name in ["", "a b", "../x", "\u{e4}", "x".repeat(33).as_str()] {
            let mut bytes = vec![1];
            put_bytes(&mut bytes, name.as_bytes());
            bytes.extend_from_slice(&[0; 64]);
            assert!(decode(&bytes).is_none(), "{name:?}");
        }
    }
}
