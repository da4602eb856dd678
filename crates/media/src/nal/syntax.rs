//! What a NAL unit is, by its first bytes.

use std::ops::RangeInclusive;

use super::unescaped;
use crate::Codec;

/// H.265 table 7-1: below are the slices.
const H265_NON_VCL: u8 = 32;
/// H.265 table 7-1: BLA, IDR and CRA slices.
const H265_IRAP: RangeInclusive<u8> = 16..=23;
/// H.264 D.1, H.265 D.2.1.
const RECOVERY_POINT: u32 = 6;

/// Which of the two standards a NAL unit is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// ITU-T H.264.
    H264,
    /// ITU-T H.265.
    H265,
}

/// What a NAL unit is to those who do not decode it (H.264 table 7-1, H.265 table 7-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A part of a picture.
    Slice,
    /// A parameter set: 0 is a VPS, 1 an SPS, 2 a PPS, as they have to come.
    Set(usize),
    /// Supplemental enhancement information that stands before what it is about.
    Message,
    /// The begin of an access unit.
    Delimiter,
    /// Bytes that mean nothing.
    Filling,
    /// Whatever else there is.
    Other,
}

impl Syntax {
    /// The one of a codec, if it has NAL units.
    #[must_use]
    pub fn of(codec: Codec) -> Option<Self> {
        match codec {
            Codec::H264 => Some(Self::H264),
            Codec::HEVC => Some(Self::H265),
            _ => None,
        }
    }

    /// The bytes of the header of a NAL unit.
    #[must_use]
    pub fn header(self) -> usize {
        match self {
            Self::H264 => 1,
            Self::H265 => 2,
        }
    }

    /// `nal_unit_type`; 0 of an empty unit.
    #[must_use]
    pub fn kind(self, unit: &[u8]) -> u8 {
        let first = unit.first().copied().unwrap_or(0);
        match self {
            Self::H264 => first & 0x1F,
            Self::H265 => first >> 1 & 0x3F,
        }
    }

    /// What the unit is.
    #[must_use]
    pub fn role(self, unit: &[u8]) -> Role {
        match (self, self.kind(unit)) {
            (Self::H264, 1..=5) => Role::Slice,
            (Self::H265, kind) if kind < H265_NON_VCL => Role::Slice,
            (Self::H264, 7) | (Self::H265, 33) => Role::Set(1),
            (Self::H264, 8) | (Self::H265, 34) => Role::Set(2),
            (Self::H265, 32) => Role::Set(0),
            (Self::H264, 6) | (Self::H265, 39) => Role::Message,
            (Self::H264, 9) | (Self::H265, 35) => Role::Delimiter,
            (Self::H264, 12) | (Self::H265, 38) => Role::Filling,
            _ => Role::Other,
        }
    }

    /// Whether a slice refers to nothing before it, nor does anything behind it.
    #[must_use]
    pub fn is_idr(self, slice: &[u8]) -> bool {
        match (self, self.kind(slice)) {
            (Self::H264, kind) => kind == 5,
            (Self::H265, kind) => matches!(kind, 19 | 20),
        }
    }

    /// Whether a slice refers to nothing before it.
    #[must_use]
    pub fn is_irap(self, slice: &[u8]) -> bool {
        self.is_idr(slice) || self == Self::H265 && H265_IRAP.contains(&self.kind(slice))
    }

    /// Whether a slice may refer to pictures before the point of random access that its picture is shown
    /// before (RASL of H.265).
    #[must_use]
    pub fn is_leading(self, slice: &[u8]) -> bool {
        self == Self::H265 && matches!(self.kind(slice), 8 | 9)
    }

    /// Whether a slice is the first of its picture (H.264 7.3.3 `first_mb_in_slice`, H.265 7.3.6.1): both
    /// begin with a bit that is set then.
    #[must_use]
    pub fn begins_picture(self, slice: &[u8]) -> bool {
        slice.get(self.header()).is_some_and(|byte| byte & 0x80 != 0)
    }

    /// Whether a message says from where the picture becomes whole again (H.264 7.3.2.3, H.265 7.3.2.4):
    /// messages of type, size and payload, until the trailing bits.
    #[must_use]
    pub fn has_recovery_point(self, message: &[u8]) -> bool {
        let Some(body) = message.get(self.header()..) else { return false };
        let plain = unescaped(body);
        let mut rest = plain.as_slice();
        while let (Some(kind), Some(size)) = (number(&mut rest), number(&mut rest)) {
            if kind == RECOVERY_POINT {
                return true;
            }
            let Some(after) = rest.get(size as usize..) else { return false };
            rest = after;
        }
        false
    }
}

/// A number in bytes of 255 and one that is less.
fn number(rest: &mut &[u8]) -> Option<u32> {
    let mut sum = 0_u32;
    loop {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        sum = sum.checked_add(u32::from(*byte))?;
        if *byte != 0xFF {
            return Some(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_recovery_are_found_among_messages() {
        let point = [0x06, 0x06, 0x01, 0xc4, 0x80];
        let timing_then_point = [0x06, 0x01, 0x04, 0, 0, 3, 1, 9, 0x06, 0x01, 0xc4, 0x80];
        let timing = [0x06, 0x01, 0x02, 6, 6, 0x80];
        for (message, expected) in [(&point[..], true), (&timing_then_point, true), (&timing, false), (&[6], false)] {
            assert_eq!(Syntax::H264.has_recovery_point(message), expected, "{message:02x?}");
        }
        assert!(Syntax::H265.has_recovery_point(&[39 << 1, 1, 0x06, 0x01, 0x80]));
        // Sizes beyond the end.
        assert!(!Syntax::H264.has_recovery_point(&[0x06, 1, 0xff, 0xff, 0xff, 1]));
    }

    #[test]
    fn slices_are_told_apart() {
        let h264 = Syntax::H264;
        assert!(h264.is_idr(&[0x65]) && h264.is_irap(&[0x65]) && !h264.is_idr(&[0x41]) && !h264.is_leading(&[0x09]));
        let h265 = |kind: u8| [kind << 1, 1, 0x80];
        let is = Syntax::H265;
        assert!(is.is_irap(&h265(21)) && !is.is_idr(&h265(21)) && is.is_idr(&h265(19)) && is.is_leading(&h265(9)));
        assert!(is.begins_picture(&h265(1)) && !is.begins_picture(&[2, 1, 0x40]) && !is.begins_picture(&[2, 1]));
        assert!(h264.begins_picture(&[0x65, 0x88]) && !h264.begins_picture(&[0x65, 0x48]) && !h264.begins_picture(&[]));
    }

    #[test]
    fn roles_are_those_of_the_tables() {
        for (unit, role) in [
            (&[0x67_u8][..], Role::Set(1)),
            (&[0x68], Role::Set(2)),
            (&[0x06], Role::Message),
            (&[0x09], Role::Delimiter),
            (&[0x0c], Role::Filling),
            (&[0x41], Role::Slice),
            (&[0x00], Role::Other),
            (&[], Role::Other),
        ] {
            assert_eq!(Syntax::H264.role(unit), role, "{unit:02x?}");
        }
        let of = |kind: u8| Syntax::H265.role(&[kind << 1, 1]);
        assert_eq!([of(32), of(33), of(34)], [Role::Set(0), Role::Set(1), Role::Set(2)]);
        assert_eq!(
            [of(35), of(38), of(39), of(40), of(19)],
            [Role::Delimiter, Role::Filling, Role::Message, Role::Other, Role::Slice]
        );
    }
}
