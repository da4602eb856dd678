//! H.264 from the form of MP4, with lengths before its NAL units, to Annex B.
//!
//! Cameras and servers put Annex B into ASF; who copies an MP4 file into ASF gets the other
//! form, told by an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, section 5.3.3.1) as
//! codec data.

use bytes::Bytes;
use media::nal::{self, START_CODE};
use media::{Codec, Track};

use crate::fields::Fields;

/// Makes the codec data of `track` Annex B, if they are a record; returns the bytes of the
/// lengths before its NAL units then.
pub(super) fn unpack(track: &mut Track) -> Option<usize> {
    if track.codec != Codec::H264 {
        return None;
    }
    let (length, sets) = nal::of_record(&track.extradata)?;
    track.extradata = sets.into();
    Some(length)
}

/// The picture with start codes for lengths, and whether it is damaged: its last NAL unit is
/// cut short, or there is something that is none.
pub(super) fn annex_b(picture: Bytes, length: usize) -> (Bytes, bool) {
    if picture.starts_with(&START_CODE) || picture.starts_with(&START_CODE[1..]) {
        return (picture, false);
    }
    let mut out = Vec::with_capacity(picture.len() + START_CODE.len());
    let mut fields = Fields(&picture);
    while let Some(size) = fields.take(length) {
        let size = size.iter().fold(0_usize, |size, byte| size << 8 | usize::from(*byte));
        let Some(unit) = fields.take(size) else { return (out.into(), true) };
        if !unit.is_empty() {
            out.extend_from_slice(&START_CODE);
            out.extend_from_slice(unit);
        }
    }
    (out.into(), !fields.0.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_become_start_codes() {
        let convert = |bytes: &'static [u8]| {
            let (out, damaged) = annex_b(Bytes::from_static(bytes), 2);
            (out.to_vec(), damaged)
        };
        assert_eq!(convert(b"\0\x03abc\0\0\0\x01d"), (b"\0\0\0\x01abc\0\0\0\x01d".to_vec(), false));
        assert_eq!(convert(b"\0\x03abc\0\x09d"), (b"\0\0\0\x01abc".to_vec(), true));
        assert_eq!(convert(b"\0\x03abc\0"), (b"\0\0\0\x01abc".to_vec(), true));
        assert_eq!(convert(b"\0\0\0\x01abc"), (b"\0\0\0\x01abc".to_vec(), false));
    }
}
