//! From video's colours to a JPEG's: full range, BT.601 (JFIF 1.02, "Colour space").
//!
//! swscale would go by way of RGB for another matrix; here both steps are one pass over
//! the planes in 16-bit fixed point, which vectorises.

use crate::frame::ColorSpace;

/// What has to happen to a picture's samples.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Recolour {
    /// Black is 16, white is 235: stretch to 0 and 255.
    expand: bool,
    /// From another matrix to BT.601.
    matrix: Option<Matrix>,
}

/// Chroma contributions in 1/512; the contributions of a sample to itself without the 1.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Matrix {
    /// Cb and Cr to Y.
    y: [i16; 2],
    /// Cb and Cr to Cb.
    u: [i16; 2],
    /// Cb and Cr to Cr.
    v: [i16; 2],
}

/// One plane to read.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub data: &'a [u8],
    pub stride: usize,
}

/// One plane to write; rows of it are `width` long.
pub(crate) struct Target<'a> {
    pub data: &'a mut [u8],
    pub stride: usize,
    pub width: usize,
}

/// Where chroma comes from.
pub(crate) enum Chroma<'a> {
    /// None: a grey picture.
    None,
    /// Two planes.
    Planar(Source<'a>, Source<'a>),
    /// Pairs in one plane (`nv12`; `swapped`: `nv21`).
    Pairs { plane: Source<'a>, swapped: bool },
}

impl Recolour {
    /// What a picture of that range and matrix needs.
    pub(crate) fn to_jpeg(full_range: bool, space: ColorSpace) -> Self {
        // Kr and Kb of ITU-T H.273, table 4.
        let constants = match space {
            ColorSpace::Bt709 => Some((0.2126, 0.0722)),
            ColorSpace::Smpte240 => Some((0.212, 0.087)),
            ColorSpace::Fcc => Some((0.30, 0.11)),
            ColorSpace::Bt2020 => Some((0.2627, 0.0593)),
            ColorSpace::Unspecified | ColorSpace::Rgb | ColorSpace::Bt601 | ColorSpace::Other => None,
        };
        let scale = if full_range { 1.0 } else { 255.0 / 224.0 };
        Self { expand: !full_range, matrix: constants.map(|(kr, kb)| Matrix::to_601(kr, kb, scale)) }
    }

    /// Whether the samples are right as they are.
    pub(crate) fn is_nothing(&self) -> bool {
        !self.expand && self.matrix.is_none()
    }

    /// Recolours a picture whose chroma has half as many columns (rows) if `halves.0` (`.1`).
    pub(crate) fn run(
        &self,
        luma: Source,
        chroma: &Chroma,
        mut y: Target,
        mut uv: Option<(Target, Target)>,
        halves: (bool, bool),
    ) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2, which is all that the function asks for.
            return unsafe { run_avx2(self, luma, chroma, &mut y, uv.as_mut(), halves) };
        }
        run(self, luma, chroma, &mut y, uv.as_mut(), halves);
    }
}

/// From full to limited range: 0 to 255 become 16 to 235, of chroma 16 to 240.
pub(crate) fn compress(samples: &mut [u8], chroma: bool) {
    let (zero, low, steps) = if chroma { (128, 128, 224) } else { (0, 16, 219) };
    let table: [u8; 256] = std::array::from_fn(|sample| {
        let from_zero = (sample as i32 - zero) * steps;
        // Rounded to the nearest, below zero too.
        let scaled = (2 * from_zero + 255).div_euclid(510);
        (low + scaled).clamp(0, 255) as u8
    });
    for sample in samples {
        *sample = table[usize::from(*sample)];
    }
}

impl Matrix {
    /// From the matrix with these constants to BT.601, chroma scaled by `scale` on the way.
    fn to_601(kr: f64, kb: f64, scale: f64) -> Self {
        let (kr6, kb6) = (0.299, 0.114);
        // R, G and B less Y, of one unit of Cb and of Cr; then those in the other matrix.
        let of = |cb: f64, cr: f64| {
            let (r, b) = (2.0 * (1.0 - kr) * cr, 2.0 * (1.0 - kb) * cb);
            let g = -(kr * r + kb * b) / (1.0 - kr - kb);
            let y = kr6 * r + (1.0 - kr6 - kb6) * g + kb6 * b;
            (y, (b - y) / (2.0 * (1.0 - kb6)), (r - y) / (2.0 * (1.0 - kr6)))
        };
        let (cb, cr) = (of(scale, 0.0), of(0.0, scale));
        let fixed = |value: f64| (value * 512.0).round() as i16;
        Self { y: [fixed(cb.0), fixed(cr.0)], u: [fixed(cb.1 - 1.0), fixed(cr.1)], v: [fixed(cb.2), fixed(cr.2 - 1.0)] }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2(
    recolour: &Recolour,
    luma: Source,
    chroma: &Chroma,
    y: &mut Target,
    uv: Option<&mut (Target, Target)>,
    halves: (bool, bool),
) {
    run(recolour, luma, chroma, y, uv, halves);
}

#[inline(always)]
fn run(
    recolour: &Recolour,
    luma: Source,
    chroma: &Chroma,
    y: &mut Target,
    uv: Option<&mut (Target, Target)>,
    halves: (bool, bool),
) {
    let width = y.width;
    let mut luma_rows = luma.data.chunks(luma.stride).zip(y.data.chunks_mut(y.stride));
    let Some((u, v)) = uv else {
        for (from, to) in luma_rows {
            luma_row(recolour.expand, &from[..width], &mut to[..width]);
        }
        return;
    };
    let chroma_width = u.width;
    let mut split = (vec![0; chroma_width], vec![0; chroma_width]);
    let mut offsets = vec![0_i16; chroma_width];
    let mut wide = vec![0_i16; chroma_width * 2];
    for (row, (to_u, to_v)) in u.data.chunks_mut(u.stride).zip(v.data.chunks_mut(v.stride)).enumerate() {
        let (from_u, from_v) = match chroma {
            Chroma::None => return,
            Chroma::Planar(u, v) => {
                (&u.data[row * u.stride..][..chroma_width], &v.data[row * v.stride..][..chroma_width])
            }
            Chroma::Pairs { plane, swapped } => {
                let pairs = plane.data[row * plane.stride..][..chroma_width * 2].chunks_exact(2);
                for ((pair, a), b) in pairs.zip(&mut split.0).zip(&mut split.1) {
                    (*a, *b) = (pair[0], pair[1]);
                }
                if *swapped { (&split.1[..], &split.0[..]) } else { (&split.0[..], &split.1[..]) }
            }
        };
        let (to_u, to_v) = (&mut to_u[..chroma_width], &mut to_v[..chroma_width]);
        match &recolour.matrix {
            Some(matrix) => matrix_row(matrix, from_u, from_v, to_u, to_v, &mut offsets),
            None => {
                chroma_row(recolour.expand, from_u, to_u);
                chroma_row(recolour.expand, from_v, to_v);
            }
        }
        let offsets = match halves.0 {
            true => {
                for (pair, offset) in wide.chunks_exact_mut(2).zip(&offsets) {
                    (pair[0], pair[1]) = (*offset, *offset);
                }
                &wide[..width]
            }
            false => &offsets[..width],
        };
        for (from, to) in luma_rows.by_ref().take(if halves.1 { 2 } else { 1 }) {
            let (from, to) = (&from[..width], &mut to[..width]);
            match recolour.matrix {
                Some(_) => luma_row_with(recolour.expand, from, offsets, to),
                None => luma_row(recolour.expand, from, to),
            }
        }
    }
}

/// (y - 16) * 255 / 219, the fraction as 42/256: never off by more than the rounding.
#[inline(always)]
fn stretch(y: u8) -> u16 {
    let y = u16::from(y.saturating_sub(16));
    y + ((y * 42 + 128) >> 8)
}

#[inline(always)]
fn luma_row(expand: bool, from: &[u8], to: &mut [u8]) {
    if !expand {
        return to.copy_from_slice(from);
    }
    for (from, to) in from.iter().zip(to) {
        *to = stretch(*from).min(255) as u8;
    }
}

#[inline(always)]
fn luma_row_with(expand: bool, from: &[u8], offsets: &[i16], to: &mut [u8]) {
    for ((from, offset), to) in from.iter().zip(offsets).zip(to) {
        let y = if expand { stretch(*from) } else { u16::from(*from) };
        *to = (y as i16 + offset).clamp(0, 255) as u8;
    }
}

/// (c - 128) * 255 / 224 + 128, the fraction as 71/512.
#[inline(always)]
fn chroma_row(expand: bool, from: &[u8], to: &mut [u8]) {
    if !expand {
        return to.copy_from_slice(from);
    }
    for (from, to) in from.iter().zip(to) {
        let c = i16::from(*from) - 128;
        *to = (128 + c + ((c * 71 + 256) >> 9)).clamp(0, 255) as u8;
    }
}

#[inline(always)]
fn matrix_row(matrix: &Matrix, from_u: &[u8], from_v: &[u8], to_u: &mut [u8], to_v: &mut [u8], offsets: &mut [i16]) {
    // |c| <= 128 and each pair of factors adds up to less than 255: no sum leaves 16 bits.
    let mix = |[a, b]: [i16; 2], u: i16, v: i16| (u * a + v * b + 256) >> 9;
    let from = from_u.iter().zip(from_v);
    for (((u, v), (to_u, to_v)), offset) in from.zip(to_u.iter_mut().zip(to_v)).zip(offsets) {
        let (u, v) = (i16::from(*u) - 128, i16::from(*v) - 128);
        *to_u = (128 + u + mix(matrix.u, u, v)).clamp(0, 255) as u8;
        *to_v = (128 + v + mix(matrix.v, u, v)).clamp(0, 255) as u8;
        *offset = mix(matrix.y, u, v);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_full_range_become_those_of_the_limited_one() {
        let compressed = |chroma| {
            let mut samples = [0, 1, 127, 128, 129, 255];
            compress(&mut samples, chroma);
            samples
        };
        assert_eq!(compressed(false), [16, 17, 125, 126, 127, 235]);
        assert_eq!(compressed(true), [16, 16, 127, 128, 129, 240]);
    }

    #[test]
    fn the_fixed_point_stays_within_sixteen_bits_and_half_a_level() {
        for space in [ColorSpace::Bt709, ColorSpace::Smpte240, ColorSpace::Fcc, ColorSpace::Bt2020] {
            for full in [false, true] {
                let Matrix { y, u, v } = Recolour::to_jpeg(full, space).matrix.expect("not 601");
                for [a, b] in [y, u, v] {
                    assert!(a.abs() + b.abs() <= 252, "{space:?}: {a} {b}");
                }
            }
        }
        for y in 0..=255_u8 {
            let exact = ((f64::from(y) - 16.0) * 255.0 / 219.0).clamp(0.0, 255.0);
            let mut got = [0];
            luma_row(true, &[y], &mut got);
            assert!((f64::from(got[0]) - exact).abs() <= 0.6, "{y}: {got:?} {exact}");
            let exact = ((f64::from(y) - 128.0) * 255.0 / 224.0 + 128.0).clamp(0.0, 255.0);
            chroma_row(true, &[y], &mut got);
            assert!((f64::from(got[0]) - exact).abs() <= 0.6, "{y}: {got:?} {exact}");
        }
    }
}
