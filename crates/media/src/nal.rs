//! NAL units of H.264 and H.265: where they begin and end, what they are, and parameter sets out of MP4's form.

mod bits;
mod syntax;

use memchr::memmem;

pub use self::bits::Bits;
pub use self::syntax::{Role, Syntax};

/// What stands in front of a NAL unit in Annex B, as FFmpeg writes it (ITU-T H.264 B.1).
pub const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// The least of it.
const PREFIX: &[u8] = &[0, 0, 1];

/// The NAL units of an access unit in Annex B (ITU-T H.264, H.265), without their start codes and
/// the zeros around them; none of them is empty.
pub fn units(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = memmem::find(data, PREFIX).map(|at| &data[at + PREFIX.len()..]);
    std::iter::from_fn(move || {
        loop {
            let from = rest?;
            let end = memmem::find(from, PREFIX);
            rest = end.map(|at| &from[at + PREFIX.len()..]);
            let unit = &from[..end.unwrap_or(from.len())];
            let length = unit.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
            if length > 0 {
                return Some(&unit[..length]);
            }
        }
    })
}

/// A NAL unit, or a part of one, without its emulation prevention bytes (H.264 7.4.1).
#[must_use]
pub fn unescaped(unit: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for byte in unit {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        plain.push(*byte);
    }
    plain
}

/// What an `AVCDecoderConfigurationRecord` says (ISO/IEC 14496-15 section 5.3.3.1): the bytes of the
/// lengths before NAL units, and the parameter sets in Annex B. Nothing for what is none, or is cut.
#[must_use]
pub fn of_record(record: &[u8]) -> Option<(usize, Vec<u8>)> {
    // Version, profile, constraints, level.
    let (&[1, _, _, _, length, count], mut rest) = record.split_first_chunk()? else { return None };
    let mut sets = Vec::new();
    let mut take = |rest: &mut &[u8], count: u8| {
        for _ in 0..count {
            let (size, after) = rest.split_first_chunk()?;
            let (set, after) = after.split_at_checked(u16::from_be_bytes(*size).into())?;
            sets.extend_from_slice(&START_CODE);
            sets.extend_from_slice(set);
            *rest = after;
        }
        Some(())
    };
    take(&mut rest, count & 0x1F)?;
    let (count, mut rest) = rest.split_first()?;
    take(&mut rest, *count)?;
    Some((usize::from(length & 3) + 1, sets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_found_between_start_codes_of_both_lengths() {
        let found = |data: &[u8]| units(data).map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(found(&[0, 0, 0, 1, 9, 16, 0, 0, 1, 7, 1, 0, 0, 0, 1, 5]), [vec![9, 16], vec![7, 1], vec![5]]);
        assert_eq!(found(&[0, 0, 1]), Vec::<Vec<u8>>::new());
        assert_eq!(found(&[0, 0, 1, 0, 0, 1, 5, 0, 0]), [vec![5]]);
        assert_eq!(found(b"no start code"), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn parameter_sets_of_a_record_are_given_in_annex_b() {
        let record = b"\x01\x64\x00\x1f\xfd\xe1\x00\x03sps\x01\x00\x02pp";
        assert_eq!(of_record(record), Some((2, b"\0\0\0\x01sps\0\0\0\x01pp".to_vec())));
        for cut in 0..record.len() {
            assert_eq!(of_record(&record[..cut]), None);
        }
    }

    #[test]
    fn emulation_prevention_is_taken_out() {
        assert_eq!(unescaped(&[0, 0, 3, 1, 0, 0, 3, 0, 3]), [0, 0, 1, 0, 0, 0, 3]);
    }
}
