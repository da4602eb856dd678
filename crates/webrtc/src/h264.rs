//! What has to be known of H.264 (ITU-T H.264) without decoding it: parameter sets and the size.

use bytes::Bytes;
use media::Size;
use media::nal::{self, Bits, START_CODE};

/// Table 7-1.
const SPS: u8 = 7;
/// Table 7-1.
const PPS: u8 = 8;
/// Most bytes of parameter sets that are kept: encoders send a few dozen.
const MOST_SETS: usize = 16 << 10;
/// Profiles whose parameter sets say how colours lie (7.3.2.1.1).
const WITH_CHROMA: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

fn kind(nal: &[u8]) -> u8 {
    nal[0] & 0x1f
}

/// The parameter sets in an access unit, in Annex B, with the size they tell; nothing where one
/// of the two kinds is missing or makes no sense.
pub(crate) fn parameters(unit: &[u8]) -> Option<(Bytes, Size)> {
    let (mut sets, mut size, mut has_pps) = (Vec::new(), None, false);
    for nal in nal::units(unit).filter(|nal| matches!(kind(nal), SPS | PPS)) {
        if sets.len() + nal.len() > MOST_SETS {
            return None;
        }
        if kind(nal) == SPS {
            size = size.or_else(|| size_of(nal));
        }
        has_pps |= kind(nal) == PPS;
        sets.extend_from_slice(&START_CODE);
        sets.extend_from_slice(nal);
    }
    size.filter(|_| has_pps).map(|size| (sets.into(), size))
}

/// Whether an access unit brings its own sequence parameter set.
pub(crate) fn has_parameters(unit: &[u8]) -> bool {
    nal::units(unit).any(|nal| kind(nal) == SPS)
}

/// The parameter sets of libavcodec's extradata in Annex B: as they are, or out of an
/// `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 section 5.3.3.1). Nothing for what is neither.
pub(crate) fn in_annex_b(extradata: &[u8]) -> Option<Bytes> {
    if extradata.starts_with(&START_CODE) || extradata.starts_with(&START_CODE[1..]) {
        return Some(Bytes::copy_from_slice(extradata));
    }
    nal::of_record(extradata).map(|(_, sets)| sets.into())
}

/// The size of the pictures that a sequence parameter set describes (7.3.2.1.1, 7.4.2.1.1).
fn size_of(set: &[u8]) -> Option<Size> {
    let plain = nal::unescaped(set.get(1..)?);
    let mut bits = Bits::new(&plain);
    let profile = bits.take(8)? as u8;
    bits.take(16)?;
    bits.number()?;
    let mut chroma = 1;
    if WITH_CHROMA.contains(&profile) {
        chroma = bits.number()?;
        if chroma == 3 {
            bits.take(1)?;
        }
        bits.number()?;
        bits.number()?;
        bits.take(1)?;
        if bits.take(1)? == 1 {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.take(1)? == 1 {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.number()?;
    match bits.number()? {
        0 => _ = bits.number()?,
        1 => {
            bits.take(1)?;
            bits.number()?;
            bits.number()?;
            for _ in 0..bits.number().filter(|count| *count < 256)? {
                bits.number()?;
            }
        }
        _ => {}
    }
    bits.number()?;
    bits.take(1)?;
    let width = bits.number()?.checked_add(1)?.checked_mul(16)?;
    let rows = bits.number()?.checked_add(1)?;
    let is_progressive = bits.take(1)?;
    let height = rows.checked_mul(16)?.checked_mul(2 - is_progressive)?;
    if is_progressive == 0 {
        bits.take(1)?;
    }
    bits.take(1)?;
    let mut cut = [0; 4];
    if bits.take(1)? == 1 {
        for side in &mut cut {
            *side = bits.number()?;
        }
    }
    // Table 6-1; a monochrome picture counts as one without subsampling.
    let (across, down) = match chroma {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let of = |whole: u32, from: u32, to: u32, unit: u32| {
        whole.checked_sub(from.checked_add(to)?.checked_mul(unit)?).filter(|left| *left > 0)
    };
    Some(Size::new(of(width, cut[0], cut[1], across)?, of(height, cut[2], cut[3], down * (2 - is_progressive))?))
}

/// 7.3.2.1.1.1.
fn skip_scaling_list(bits: &mut Bits<'_>, count: u32) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..count {
        if next != 0 {
            next = (last + bits.signed()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of libx264, high profile, 1920x1080, which is cut out of 1920x1088.
    const X264: &[u8] = &[
        0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04,
        0x00, 0x00, 0x03, 0x00, 0xc8, 0x3c, 0x60, 0xc6, 0x58,
    ];
    /// Of the constrained baseline profile, 640x480.
    const BASELINE: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0xd0, 0x0f, 0x08, 0x84, 0x6a];

    fn unit(nals: &[&[u8]]) -> Vec<u8> {
        nals.iter().flat_map(|nal| [&START_CODE[..], nal].concat()).collect()
    }

    #[test]
    fn the_parameter_sets_of_a_keyframe_tell_its_size() {
        let (pps, idr) = ([0x68, 0xce, 0x3c, 0x80], [0x65, 0x88, 0x84]);
        for (sps, size) in [(X264, Size::new(1920, 1080)), (BASELINE, Size::new(640, 480))] {
            let (sets, found) = parameters(&unit(&[&[0x09, 0x10], sps, &pps, &idr])).unwrap();
            assert_eq!((found, &sets[..]), (size, &unit(&[sps, &pps])[..]));
        }
        assert_eq!(parameters(&unit(&[X264, &idr])), None);
        assert!(has_parameters(&unit(&[X264, &idr])) && !has_parameters(&unit(&[&idr])));
    }

    #[test]
    fn a_set_that_is_cut_tells_no_size_and_does_no_harm() {
        for length in 0..12 {
            assert_eq!(size_of(&X264[..length.min(8)]), None, "{length}");
        }
        for (at, bit) in (0..X264.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut other = X264.to_vec();
            other[at] ^= 1 << bit;
            let _ = size_of(&other);
        }
    }

    #[test]
    fn extradata_of_both_forms_is_given_in_annex_b() {
        let record = [&[1, 0x64, 0, 0x28, 0xff, 0xe1, 0, 3, 0x67, 1, 2][..], &[1, 0, 2, 0x68, 3]].concat();
        let plain = unit(&[&[0x67, 1, 2], &[0x68, 3]]);
        assert_eq!(in_annex_b(&record).as_deref(), Some(&plain[..]));
        assert_eq!(in_annex_b(&plain).as_deref(), Some(&plain[..]));
        for length in 0..record.len() {
            assert_eq!(in_annex_b(&record[..length]), None, "{length}");
        }
    }
}
