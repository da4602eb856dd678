//! What kind of picture a coded picture is, from its first bits.
//!
//! Two questions need it: whether times are of presentation or of decoding (only B-pictures
//! tell), and where to begin in a stream whose sender never sets the keyframe bit.

use media::nal::Bits;
use media::{Codec, Track};

/// A picture by what it refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Picture {
    /// Nothing.
    I,
    /// One before it.
    P,
    /// One before and one after it.
    B,
}

/// Bytes in which a picture's header is looked for; parameter sets can stand before it.
const SEARCH: usize = 1024;

/// Whether pictures may come in another order than they are shown in.
pub(super) fn may_reorder(track: &Track) -> bool {
    match track.codec.name() {
        // MAXBFRAMES of the sequence header (SMPTE 421M, annex J).
        "wmv3" | "wmv3image" => track.extradata.get(3).is_some_and(|byte| byte & 0x70 != 0),
        "vc1" | "vc1image" | "mpeg4" | "h264" | "hevc" | "mpeg1video" | "mpeg2video" => true,
        _ => false,
    }
}

/// Whether a picture refers to none; no when its codec is not known here.
pub(super) fn is_intra(track: &Track, data: &[u8]) -> bool {
    kind(track, data) == Some(Picture::I)
}

/// The kind of the picture `data`, where it can be told.
pub(super) fn kind(track: &Track, data: &[u8]) -> Option<Picture> {
    let mut bits = Bits::new(data);
    match track.codec.name() {
        "wmv2" => Some(if bits.flag()? { Picture::P } else { Picture::I }),
        "wmv1" | "msmpeg4v2" | "msmpeg4v3" => i_or_p(bits.take(2)?),
        "msmpeg4v1" => {
            // A start code and the number of the picture.
            bits.take(32)?;
            bits.take(5)?;
            i_or_p(bits.take(2)?)
        }
        "mpeg4" => {
            // ISO/IEC 14496-2, section 6.2.5.
            let begin = find(data, &[0, 0, 1, 0xB6])?;
            match data.get(begin)? >> 6 {
                0 => Some(Picture::I),
                2 => Some(Picture::B),
                _ => Some(Picture::P),
            }
        }
        "wmv3" | "wmv3image" => wmv3(*track.extradata.get(3)?, data),
        "vc1" | "vc1image" => vc1(&track.extradata, data),
        _ if track.codec == Codec::H264 => h264(data),
        _ => None,
    }
}

fn i_or_p(code: u32) -> Option<Picture> {
    match code {
        0 => Some(Picture::I),
        1 => Some(Picture::P),
        _ => None,
    }
}

/// Simple and main profile (SMPTE 421M, section 7.1.1); `last` is the last byte of the
/// sequence header.
fn wmv3(last: u8, data: &[u8]) -> Option<Picture> {
    if data.len() <= 1 {
        // A picture that is the same as the one before.
        return Some(Picture::P);
    }
    let mut bits = Bits::new(data);
    let (range_reduction, b_pictures, interpolation) = (last & 0x80 != 0, last & 0x70 != 0, last & 0x02 != 0);
    bits.take(u32::from(interpolation) + 2 + u32::from(range_reduction))?;
    Some(match bits.flag()? {
        true => Picture::P,
        false if b_pictures && !bits.flag()? => Picture::B,
        false => Picture::I,
    })
}

/// Advanced profile (SMPTE 421M, section 7.1.1.4): pictures come with and without start code.
fn vc1(extradata: &[u8], data: &[u8]) -> Option<Picture> {
    let sequence = find(extradata, &[0, 0, 1, 0x0F]).and_then(|begin| extradata.get(begin..))?;
    // Profile, level, quality, size: 41 bits before INTERLACE.
    let interlace = sequence.get(5)? & 0x40 != 0;
    let begin = find(data, &[0, 0, 1, 0x0D]).unwrap_or(0);
    if begin == 0 && data.starts_with(&[0, 0, 1]) {
        return None;
    }
    let mut bits = Bits::new(data.get(begin..)?);
    if interlace && bits.flag()? && bits.flag()? {
        // Two fields, each of its own kind: one that refers to nothing does so for both here.
        return Some(match bits.take(3)? {
            0 | 1 => Picture::I,
            2 | 3 => Picture::P,
            _ => Picture::B,
        });
    }
    Some(match (bits.flag()?, bits.flag(), bits.flag(), bits.flag()) {
        (false, ..) => Picture::P,
        (true, Some(false), ..) => Picture::B,
        (true, Some(true), Some(false), _) => Picture::I,
        // Intra, but not referred to.
        (true, Some(true), Some(true), Some(false)) => Picture::B,
        (true, Some(true), Some(true), Some(true)) => Picture::P,
        _ => return None,
    })
}

/// The first slice (ITU-T H.264, sections 7.3.1 and 7.3.3).
fn h264(data: &[u8]) -> Option<Picture> {
    let mut at = 0;
    loop {
        at += find(data.get(at..)?, &[0, 0, 1])?;
        match data.get(at)? & 0x1F {
            5 => return Some(Picture::I),
            1 => {
                let mut bits = Bits::new(data.get(at + 1..)?);
                bits.number()?;
                return Some(match bits.number()? % 5 {
                    1 => Picture::B,
                    // An I-slice of a picture that is no IDR: a decoder can begin there or not.
                    _ => Picture::P,
                });
            }
            _ => {}
        }
    }
}

/// The place behind the first `code` near the begin.
fn find(data: &[u8], code: &[u8]) -> Option<usize> {
    let near = &data[..data.len().min(SEARCH)];
    near.windows(code.len()).position(|window| window == code).map(|place| place + code.len())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media::Size;

    use super::*;

    fn kinds(codec: &'static str, extradata: &'static [u8], pictures: &[&[u8]]) -> Vec<Option<Picture>> {
        let track = Track {
            codec: Codec::from_name(codec),
            extradata: Bytes::from_static(extradata),
            ..Track::mjpeg(Size::default())
        };
        pictures.iter().map(|picture| kind(&track, picture)).collect()
    }

    const I: Option<Picture> = Some(Picture::I);
    const P: Option<Picture> = Some(Picture::P);
    const B: Option<Picture> = Some(Picture::B);

    #[test]
    fn the_kind_of_a_picture_stands_in_its_first_bits() {
        assert_eq!(kinds("wmv2", b"", &[&[0x00], &[0x80], &[]]), [I, P, None]);
        assert_eq!(kinds("msmpeg4v3", b"", &[&[0x00], &[0x40], &[0x80]]), [I, P, None]);
        assert_eq!(kinds("msmpeg4v1", b"", &[&[0, 0, 1, 0, 0x00], &[0, 0, 1, 0, 0x02]]), [I, P]);
        let vop = |byte| [0, 0, 1, 0xB0, 1, 0, 0, 1, 0xB6, byte];
        assert_eq!(kinds("mpeg4", b"", &[&vop(0x10), &vop(0x50), &vop(0x90), &vop(0xD0)]), [I, P, B, P]);
        // Without B-pictures, with them, with range reduction, and with interpolation.
        assert_eq!(kinds("wmv3", &[0x4E, 0x79, 0x1A, 0x01], &[&[0x20, 0], &[0x00, 0], &[0]]), [P, I, P]);
        assert_eq!(kinds("wmv3", &[0x4E, 0x79, 0x1A, 0x11], &[&[0x20, 0], &[0x10, 0], &[0x00, 0]]), [P, I, B]);
        assert_eq!(kinds("wmv3", &[0x4E, 0x79, 0x1A, 0x93], &[&[0x08, 0], &[0x04, 0], &[0x00, 0]]), [P, I, B]);
        assert_eq!(kinds("wmv3", &[0x4E], &[&[0x20, 0]]), [None]);
    }

    #[test]
    fn advanced_profile_is_read_with_and_without_start_code_and_interlaced() {
        const PROGRESSIVE: &[u8] = &[0x24, 0, 0, 1, 0x0F, 0xCB, 0, 0, 0, 0, 0x00, 0];
        const INTERLACED: &[u8] = &[0x24, 0, 0, 1, 0x0F, 0xCB, 0, 0, 0, 0, 0x40, 0];
        let pictures: &[&[u8]] =
            &[&[0x00], &[0x80], &[0xC0], &[0xE0], &[0xF0], &[0, 0, 1, 0x0D, 0x80], &[0, 0, 1, 0x0F]];
        assert_eq!(kinds("vc1", PROGRESSIVE, pictures), [P, B, I, B, P, B, None]);
        assert_eq!(kinds("vc1", INTERLACED, &[&[0x40], &[0xA0], &[0xC0], &[0xD0], &[0xE0]]), [B, B, I, P, B]);
        assert_eq!(kinds("vc1", b"", pictures)[0], None);
    }

    #[test]
    fn the_first_slice_tells_the_kind_of_an_h264_picture() {
        // first_mb 0, slice types 5 (P), 6 (B), 7 (I); IDR; no slice.
        let pictures: &[&[u8]] = &[
            &[0, 0, 0, 1, 0x09, 0x10, 0, 0, 1, 0x41, 0b1001_1000],
            &[0, 0, 1, 0x01, 0b1001_1100],
            &[0, 0, 1, 0x41, 0b1000_1000],
            &[0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 0x88],
            &[0, 0, 1, 0x67, 1, 2],
            &[0, 0, 1, 0x41, 0, 0, 0, 0, 0, 0],
        ];
        assert_eq!(kinds("h264", b"", pictures), [P, B, P, I, None, None]);
    }
}
