//! The parameter sets of a stream, as they were seen last.

use bytes::{Bytes, BytesMut};
use media::nal::{Bits, Role, START_CODE, Syntax, unescaped, units};

/// Most bytes of a set.
pub(super) const MOST_SET: usize = 4 << 10;
/// Most sets that are kept: H.264 allows 32 SPS and 256 PPS, cameras have one or two of each.
pub(super) const MOST_SETS: usize = 32;
/// Bytes of all of them together, which stand before every keyframe.
const MOST: usize = 16 << 10;
/// What is looked at for the number of a set; it stands behind at most 7 layers of H.265.
const BEGIN: usize = 160;

#[derive(Debug, PartialEq, Eq)]
struct Set {
    /// Its place among the kinds, and its number.
    place: (usize, u32),
    unit: Box<[u8]>,
}

/// All of them, in the order in which they have to come.
#[derive(Debug)]
pub(super) struct Sets {
    syntax: Syntax,
    kept: Vec<Set>,
}

impl Sets {
    /// Those in `known`, in Annex B.
    pub(super) fn new(syntax: Syntax, known: &[u8]) -> Self {
        let mut sets = Self { syntax, kept: Vec::new() };
        for unit in units(known) {
            sets.learn(unit);
        }
        sets
    }

    /// Keeps a parameter set; whether it is one that was not known. What makes no sense is left out.
    pub(super) fn learn(&mut self, unit: &[u8]) -> bool {
        let Role::Set(kind) = self.syntax.role(unit) else { return false };
        if unit.len() > MOST_SET {
            return false;
        }
        if self.kept.iter().any(|set| *set.unit == *unit) {
            return false;
        }
        let Some(number) = number(self.syntax, kind, unit) else { return false };
        let set = Set { place: (kind, number), unit: unit.into() };
        let others: usize = self.kept.iter().filter(|kept| kept.place != set.place).map(|kept| kept.unit.len()).sum();
        if others + unit.len() > MOST {
            return false;
        }
        match self.kept.binary_search_by_key(&set.place, |set| set.place) {
            Ok(at) => self.kept[at] = set,
            Err(_) if self.kept.len() >= MOST_SETS => return false,
            Err(at) => self.kept.insert(at, set),
        }
        true
    }

    /// Whether there is what a decoder needs to begin.
    pub(super) fn is_whole(&self) -> bool {
        [1, 2].into_iter().all(|kind| self.kept.iter().any(|set| set.place.0 == kind))
    }

    /// Bytes of [`Sets::put`].
    pub(super) fn len(&self) -> usize {
        self.kept.iter().map(|set| START_CODE.len() + set.unit.len()).sum()
    }

    /// Writes them, in Annex B.
    pub(super) fn put(&self, out: &mut BytesMut) {
        for set in &self.kept {
            out.extend_from_slice(&START_CODE);
            out.extend_from_slice(&set.unit);
        }
    }

    /// The same, as libavcodec wants them beside the stream.
    pub(super) fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.len());
        self.put(&mut out);
        out.freeze()
    }
}

/// The number of a set among those of its kind (H.264 7.3.2, H.265 7.3.2).
fn number(syntax: Syntax, kind: usize, unit: &[u8]) -> Option<u32> {
    let plain = unescaped(unit.get(syntax.header()..unit.len().min(BEGIN))?);
    let mut bits = Bits::new(&plain);
    match (syntax, kind) {
        // Behind profile, constraints and level.
        (Syntax::H264, 1) => bits.skip(24)?,
        (Syntax::H265, 0) => return bits.take(4),
        (Syntax::H265, 1) => {
            bits.skip(4)?;
            let layers = bits.take(3)?;
            bits.skip(1)?;
            // H.265 7.3.3: general profile and level, then which layers have their own.
            bits.skip(96)?;
            let mut further = 0;
            for layer in 0..if layers > 0 { 8 } else { 0 } {
                let (has_profile, has_level) = (bits.flag()?, bits.flag()?);
                if layer < layers {
                    further += if has_profile { 88 } else { 0 } + if has_level { 8 } else { 0 };
                }
            }
            bits.skip(further)?;
        }
        _ => {}
    }
    bits.number()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of libx265, 320x240.
    const H265: &[&[u8]] = &[
        &[0x40, 1, 0x0c, 1, 0xff, 0xff, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x3c, 0x95, 0x98, 9],
        &[
            0x42, 1, 1, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x3c, 0xa0, 0x0a, 8, 0x0f, 0x16, 0x59, 0x59,
            0xa4, 0x93, 0x2b, 0xc0, 0x40, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 6, 0x42,
        ],
        &[0x44, 1, 0xc1, 0x72, 0xb4, 0x62, 0x40],
    ];

    #[test]
    fn sets_are_kept_by_their_numbers_and_given_in_order() {
        let mut sets = Sets::new(Syntax::H264, &[]);
        let (sps, other) = ([0x67, 66, 0, 30, 0xd9], [0x67, 66, 0, 31, 0xd9]);
        assert!(sets.learn(&[0x68, 0xcb, 1]) && !sets.is_whole());
        assert!(sets.learn(&sps) && sets.is_whole());
        // PPS 1 beside PPS 0, the same again, another SPS in place of the first.
        assert!(sets.learn(&[0x68, 0x4b, 2]) && !sets.learn(&sps) && sets.learn(&other));
        let expected = [&[0, 0, 0, 1][..], &other, &[0, 0, 0, 1, 0x68, 0xcb, 1, 0, 0, 0, 1, 0x68, 0x4b, 2]].concat();
        assert_eq!((&sets.to_bytes()[..], sets.len()), (&expected[..], expected.len()));
        // What is no set, or too long, or cut, changes nothing.
        for odd in [&[0x65, 1, 2][..], &[0x67], &[0x67, 66, 0], &[0x68; MOST_SET + 1], &[]] {
            assert!(!sets.learn(odd));
        }
    }

    #[test]
    fn numbers_of_h265_are_found_behind_the_layers() {
        for (kind, unit) in H265.iter().enumerate() {
            assert_eq!(number(Syntax::H265, kind, unit), Some(0), "{kind}");
        }
        for length in 0..22 {
            assert_eq!(number(Syntax::H265, 1, &H265[1][..length.min(18)]), None);
        }
    }

    #[test]
    fn they_do_not_grow_without_end() {
        let mut sets = Sets::new(Syntax::H264, &[]);
        let mut number = 0_u32;
        // ue(v) of growing numbers.
        for _ in 0..1000 {
            number += 1;
            let bits = 32 - number.leading_zeros();
            let coded = u64::from(number) << (64 - 2 * bits + 1);
            sets.learn(&[&[0x68][..], &coded.to_be_bytes()].concat());
        }
        assert_eq!(sets.kept.len(), MOST_SETS);
        let mut sets = Sets::new(Syntax::H264, &[]);
        for number in 1_u8..=32 {
            // ue(v) of 127 and more, in 15 bits.
            sets.learn(&[&[0x68, 1, number << 1][..], &[7; MOST_SET - 3]].concat());
        }
        assert_eq!(sets.len(), MOST / MOST_SET * (START_CODE.len() + MOST_SET));
    }
}
