//! H.264 from the form of MP4, with lengths before its NAL units, to Annex B.
//!
//! Cameras and servers put Annex B into ASF; who copies an MP4 file into ASF gets the other
//! form, told by an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, section 5.3.3.1) as
//! codec data.

use bytes::Bytes;
use media::{Codec, Track};

use crate::fields::Fields;

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Makes the codec data of `track` Annex B, if they are a record; returns the bytes of the
/// lengths before its NAL units then.
pub(super) fn unpack(track: &mut Track) -> Option<usize> {
    if track.codec != Codec::H264 || track.extradata.first() != Some(&1) {
        return None;
    }
    let (length, sets) = parameter_sets(&track.extradata)?;
    track.extradata = sets.into();
    Some(length)
}

fn parameter_sets(record: &[u8]) -> Option<(usize, Vec<u8>)> {
    let mut fields = Fields(record);
    // Version, profile, constraints, level.
    fields.take(4)?;
    let length = usize::from(fields.u8()? & 3) + 1;
    let mut sets = Vec::new();
    for mask in [0x1F, 0xFF] {
        for _ in 0..fields.u8()? & mask {
            let size = fields.u16()?.swap_bytes();
            sets.extend_from_slice(&START_CODE);
            sets.extend_from_slice(fields.take(size.into())?);
        }
    }
    Some((length, sets))
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
        let record = b"\x01\x64\x00\x1f\xfd\xe1\x00\x03sps\x01\x00\x02pp";
        assert_eq!(parameter_sets(record), Some((2, b"\0\0\0\x01sps\0\0\0\x01pp".to_vec())));
        for cut in 0..record.len() {
            assert_eq!(parameter_sets(&record[..cut]), None);
        }
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
