//! Where a decoder can start in H.264 and H.265 apart from IDR pictures, which are all
//! that `retina` takes for keyframes.
//!
//! Cameras with gradual refresh send none after the first, but say in a recovery point SEI
//! message from where the picture becomes whole (H.264 D.2.8, H.265 D.2.8). H.265 encoders
//! with open groups of pictures send CRA pictures instead.

use std::ops::RangeInclusive;

use media::{Codec, nal};
use memchr::memmem;

const START_CODE: [u8; 3] = [0, 0, 1];
/// H.264 table 7-1.
const H264_SEI: u8 = 6;
/// H.265 table 7-1, PREFIX_SEI_NUT.
const H265_SEI: u8 = 39;
/// H.265 table 7-1: below are the slices.
const H265_NON_VCL: u8 = 32;
/// H.265 table 7-1: BLA, IDR and CRA slices.
const H265_IRAP: RangeInclusive<u8> = 16..=23;
const RECOVERY_POINT: u32 = 6;

/// Whether an access unit, in Annex B, is a point of random access or has a recovery point
/// before its first slice.
pub(super) fn can_start(codec: Codec, data: &[u8]) -> bool {
    let mut rest = data;
    while let Some(at) = memmem::find(rest, &START_CODE) {
        rest = &rest[at + START_CODE.len()..];
        let Some(first) = rest.first() else { return false };
        let (kind, header) = match codec {
            Codec::H264 => (first & 0x1f, 1),
            _ => (first >> 1 & 0x3f, 2),
        };
        let (is_sei, is_slice) = match codec {
            Codec::H264 => (kind == H264_SEI, (1..=5).contains(&kind)),
            _ => (kind == H265_SEI, kind < H265_NON_VCL),
        };
        if is_slice {
            return codec == Codec::HEVC && H265_IRAP.contains(&kind);
        }
        let end = memmem::find(rest, &START_CODE).unwrap_or(rest.len());
        if is_sei && rest.get(header..end).is_some_and(has_recovery_point) {
            return true;
        }
    }
    false
}

/// The type of the first slice of an access unit of H.265, in Annex B (table 7-1).
fn slice_type(data: &[u8]) -> Option<u8> {
    let mut rest = data;
    while let Some(at) = memmem::find(rest, &START_CODE) {
        rest = &rest[at + START_CODE.len()..];
        let kind = rest.first()? >> 1 & 0x3f;
        if kind < H265_NON_VCL {
            return Some(kind);
        }
    }
    None
}

/// Whether a picture of H.265 is a point of random access, which refers to nothing.
pub(super) fn is_irap(codec: Codec, data: &[u8]) -> bool {
    codec == Codec::HEVC && slice_type(data).is_some_and(|kind| H265_IRAP.contains(&kind))
}

/// Whether a picture of H.265 may refer to pictures before the point of random access that it is
/// shown before (RASL).
pub(super) fn is_leading(codec: Codec, data: &[u8]) -> bool {
    codec == Codec::HEVC && slice_type(data).is_some_and(|kind| matches!(kind, 8 | 9))
}

/// Whether the first slice of an access unit, in Annex B, is the first of its picture: nothing is
/// missing before it (H.264 7.3.3 `first_mb_in_slice`, H.265 7.3.6.1).
pub(super) fn is_begun(codec: Codec, data: &[u8]) -> bool {
    let mut rest = data;
    while let Some(at) = memmem::find(rest, &START_CODE) {
        rest = &rest[at + START_CODE.len()..];
        let Some(first) = rest.first() else { return false };
        let (is_slice, header) = match codec {
            Codec::H264 => ((1..=5).contains(&(first & 0x1f)), 1),
            _ => ((first >> 1 & 0x3f) < H265_NON_VCL, 2),
        };
        if is_slice {
            // Both begin with a bit that is set then.
            return rest.get(header).is_some_and(|byte| byte & 0x80 != 0);
        }
    }
    false
}

/// For the fuzzer: all that is looked for in an access unit.
pub(crate) fn check(codec: Codec, data: &[u8]) {
    let _ = (is_begun(codec, data), is_leading(codec, data));
    assert!(!is_irap(codec, data) || can_start(codec, data) || codec != Codec::HEVC);
}

/// H.264 7.3.2.3: messages of type, size and payload, until the trailing bits.
fn has_recovery_point(sei: &[u8]) -> bool {
    let mut bytes = nal::unescaped(sei).into_iter().peekable();
    let number = |bytes: &mut std::iter::Peekable<std::vec::IntoIter<u8>>| {
        let mut sum = 0;
        loop {
            let byte = bytes.next()?;
            sum += u32::from(byte);
            if byte != 0xff {
                return Some(sum);
            }
        }
    };
    while let (Some(kind), Some(size)) = (number(&mut bytes), number(&mut bytes)) {
        if kind == RECOVERY_POINT {
            return true;
        }
        if size > 0 && bytes.nth(size as usize - 1).is_none() {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_whose_first_slice_is_missing_is_not_begun() {
        for (codec, unit, expected) in [
            (Codec::H264, &[0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 0x88][..], true),
            (Codec::H264, &[0, 0, 0, 1, 0x65, 0x48], false),
            (Codec::H264, &[0, 0, 0, 1, 0x67, 1], false),
            (Codec::H264, &[0, 0, 1, 0x65], false),
            (Codec::HEVC, &[0, 0, 0, 1, 0x40, 1, 0, 0, 1, 19 << 1, 1, 0x80], true),
            (Codec::HEVC, &[0, 0, 1, 19 << 1, 1, 0x40], false),
        ] {
            assert_eq!(is_begun(codec, unit), expected, "{unit:02x?}");
        }
    }

    #[test]
    fn points_of_random_access_are_found_before_and_in_the_first_slice() {
        let slice = [0, 0, 0, 1, 0x41, 0x9a, 0x00];
        let point = [0, 0, 0, 1, 0x06, 0x06, 0x01, 0xc4, 0x80];
        let timing_then_point = [0, 0, 0, 1, 0x06, 0x01, 0x04, 0, 0, 3, 1, 9, 0x06, 0x01, 0xc4, 0x80];
        let timing = [0, 0, 0, 1, 0x06, 0x01, 0x02, 6, 6, 0x80];
        for (units, expected) in [
            (&[&point[..], &slice][..], true),
            (&[&timing_then_point, &slice], true),
            (&[&timing, &slice], false),
            (&[&slice, &point], false),
            (&[&slice], false),
            (&[&[0, 0, 1]], false),
        ] {
            assert_eq!(can_start(Codec::H264, &units.concat()), expected, "{units:02x?}");
        }
        let h265 = [0, 0, 0, 1, 39 << 1, 1, 0x06, 0x01, 0x80, 0, 0, 1, 1 << 1, 1, 0x80];
        assert!(can_start(Codec::HEVC, &h265));
        assert!(!can_start(Codec::HEVC, &h265[9..]));
        assert!(can_start(Codec::HEVC, &[0, 0, 0, 1, 21 << 1, 1, 0x80]));
        assert!(is_irap(Codec::HEVC, &[0, 0, 0, 1, 21 << 1, 1, 0x80]) && !is_irap(Codec::HEVC, &h265));
        assert!(is_leading(Codec::HEVC, &[0, 0, 1, 9 << 1, 1]) && !is_leading(Codec::H264, &[0, 0, 1, 9 << 1, 1]));
    }
}
