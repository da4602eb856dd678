//! Sizes of pictures, and the variants of them that a reader may ask for.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::{Codec, VideoCoding};

/// Width and height of a picture in pixels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Size {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Size {
    /// The longest side of a picture that headwater makes.
    pub const MAX_SIDE: u32 = 8192;
    /// The most pixels of a picture that a reader may ask for: 4096 × 2160. Larger ones only
    /// come out as large as they went in.
    pub const MAX_WISH: u64 = 4096 * 2160;

    /// Pixels in all.
    #[must_use]
    pub const fn pixels(self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// `width` × `height`.
    #[must_use]
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for Size {
    type Err = ();

    /// Reads `WIDTHxHEIGHT`, or one of ffmpeg's names (`vga`, `hd720`).
    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some((_, size)) = NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            return Ok(*size);
        }
        let (width, height) = text.split_once(['x', 'X']).ok_or(())?;
        let side = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
            true => text.parse().map_err(|_| ()),
            false => Err(()),
        };
        Ok(Self { width: side(width)?, height: side(height)? })
    }
}

/// ffmpeg-utils(1), "Video size".
const NAMED: &[(&str, Size)] = &[
    ("ntsc", Size::new(720, 480)),
    ("pal", Size::new(720, 576)),
    ("qntsc", Size::new(352, 240)),
    ("qpal", Size::new(352, 288)),
    ("sntsc", Size::new(640, 480)),
    ("spal", Size::new(768, 576)),
    ("film", Size::new(352, 240)),
    ("ntsc-film", Size::new(352, 240)),
    ("sqcif", Size::new(128, 96)),
    ("qcif", Size::new(176, 144)),
    ("cif", Size::new(352, 288)),
    ("4cif", Size::new(704, 576)),
    ("16cif", Size::new(1408, 1152)),
    ("qqvga", Size::new(160, 120)),
    ("qvga", Size::new(320, 240)),
    ("vga", Size::new(640, 480)),
    ("svga", Size::new(800, 600)),
    ("xga", Size::new(1024, 768)),
    ("uxga", Size::new(1600, 1200)),
    ("qxga", Size::new(2048, 1536)),
    ("sxga", Size::new(1280, 1024)),
    ("qsxga", Size::new(2560, 2048)),
    ("hsxga", Size::new(5120, 4096)),
    ("wvga", Size::new(852, 480)),
    ("wxga", Size::new(1366, 768)),
    ("wsxga", Size::new(1600, 1024)),
    ("wuxga", Size::new(1920, 1200)),
    ("woxga", Size::new(2560, 1600)),
    ("wqsxga", Size::new(3200, 2048)),
    ("wquxga", Size::new(3840, 2400)),
    ("whsxga", Size::new(6400, 4096)),
    ("whuxga", Size::new(7680, 4800)),
    ("cga", Size::new(320, 200)),
    ("ega", Size::new(640, 350)),
    ("hd480", Size::new(852, 480)),
    ("hd720", Size::new(1280, 720)),
    ("hd1080", Size::new(1920, 1080)),
    ("2k", Size::new(2048, 1080)),
    ("2kflat", Size::new(1998, 1080)),
    ("2kscope", Size::new(2048, 858)),
    ("4k", Size::new(4096, 2160)),
    ("4kflat", Size::new(3996, 2160)),
    ("4kscope", Size::new(4096, 1716)),
    ("nhd", Size::new(640, 360)),
    ("hqvga", Size::new(240, 160)),
    ("wqvga", Size::new(400, 240)),
    ("fwqvga", Size::new(432, 240)),
    ("hvga", Size::new(480, 320)),
    ("qhd", Size::new(960, 540)),
    ("2kdci", Size::new(2048, 1080)),
    ("4kdci", Size::new(4096, 2160)),
    ("uhd2160", Size::new(3840, 2160)),
    ("uhd4320", Size::new(7680, 4320)),
];

/// The size a reader asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum SizeWish {
    /// The camera's own.
    #[default]
    Own,
    /// Exactly this, whatever becomes of the aspect ratio.
    Exact(Size),
    /// This wide at most, as high as the aspect ratio wants; a smaller picture stays as it is.
    Width(u32),
    /// This high at most, as wide as the aspect ratio wants; a smaller picture stays as it is.
    Height(u32),
}

impl SizeWish {
    /// The size to make of a picture of `own` size. Sides that follow from the aspect
    /// ratio are rounded to even numbers, at least 2 and at most [`Size::MAX_SIDE`].
    #[must_use]
    pub fn of(self, own: Size) -> Size {
        let even = |half: u64| u32::try_from(half * 2).unwrap_or(u32::MAX).clamp(2, Size::MAX_SIDE);
        let follow = |wished: u32, of: u32, other: u32| {
            let of = u64::from(of.max(1));
            even((u64::from(wished) * u64::from(other) + of) / (2 * of))
        };
        match self {
            Self::Own => own,
            Self::Exact(size) => size,
            // Made larger it would only cost more to send, and the reader can do that itself.
            Self::Width(width) if (1..=width).contains(&own.width) => own,
            Self::Height(height) if (1..=height).contains(&own.height) => own,
            Self::Width(width) => Size::new(width, follow(width, own.width, own.height)),
            Self::Height(height) => Size::new(follow(height, own.height, own.width), height),
        }
    }
}

/// At most so many pictures a second, in thousandths, so that it can be compared and hashed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate {
    millihertz: u32,
}

impl Rate {
    /// The slowest and fastest that may be asked for, pictures a second.
    pub const RANGE: (f64, f64) = (0.001, 240.0);

    /// `per_second` pictures a second, or nothing outside [`Rate::RANGE`].
    #[must_use]
    pub fn new(per_second: f64) -> Option<Self> {
        (Self::RANGE.0..=Self::RANGE.1)
            .contains(&per_second)
            .then_some(Self { millihertz: (per_second * 1000.0).round() as u32 })
    }

    /// The time from one picture to the next.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_nanos(1_000_000_000_000 / u64::from(self.millihertz.max(1)))
    }

    /// Pictures a second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        f64::from(self.millihertz) / 1000.0
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fps", self.per_second())
    }
}

/// The pictures a reader wants of a feed; equal variants are made once and shared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Variant {
    /// Size to scale to.
    pub size: SizeWish,
    /// Upper limit of pictures a second; every picture when absent.
    pub rate: Option<Rate>,
    /// JPEG quality, 1 to 100 on libjpeg's scale; [`Variant::QUALITY`] when absent.
    pub quality: Option<u8>,
    /// The video codec to encode to; JPEG when absent.
    pub codec: Option<Codec>,
    /// How that codec's encoder works.
    pub coding: VideoCoding,
}

/// What is wrong with a variant's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}={value}: expected {expected}")]
pub struct VariantError {
    /// The parameter.
    pub key: &'static str,
    /// What stood there.
    pub value: String,
    /// What should have.
    pub expected: &'static str,
}

impl Variant {
    /// The quality of a JPEG when the reader names none.
    pub const QUALITY: u8 = 80;
    /// The parameters that [`Variant::set`] takes.
    pub const KEYS: &'static [&'static str] = &["size", "width", "height", "fps", "quality"];

    /// Whether a JPEG source satisfies it as it is, `rate` aside: leaving pictures out
    /// needs no decoder.
    #[must_use]
    pub fn keeps_pictures(&self) -> bool {
        let plain = self.size == SizeWish::Own && self.quality.is_none() && self.codec.is_none();
        plain && self.coding == VideoCoding::default()
    }

    /// Sets one parameter from a query or a command line. `Ok(false)` when the key is
    /// none of [`Variant::KEYS`].
    ///
    /// # Errors
    /// When the value is not what the key takes.
    pub fn set(&mut self, key: &str, value: &str) -> Result<bool, VariantError> {
        let wrong = |key, expected| VariantError { key, value: value.chars().take(40).collect(), expected };
        let side = |key| {
            let side: Option<u32> = value.parse().ok().filter(|side| (2..=Size::MAX_SIDE).contains(side));
            side.ok_or_else(|| wrong(key, "a number of pixels from 2 to 8192"))
        };
        match key {
            "size" => {
                let in_range = |side| (2..=Size::MAX_SIDE).contains(&side);
                let size: Option<Size> = value.parse().ok().filter(|s: &Size| in_range(s.width) && in_range(s.height));
                let expected = "WIDTHxHEIGHT, each from 2 to 8192, or a name such as hd720";
                let size = size.ok_or_else(|| wrong("size", expected))?;
                if size.pixels() > Size::MAX_WISH {
                    return Err(wrong("size", "no more pixels than 4096x2160"));
                }
                self.size = SizeWish::Exact(size);
            }
            "width" => self.size = SizeWish::Width(side("width")?),
            "height" => self.size = SizeWish::Height(side("height")?),
            "fps" => {
                let rate = value.parse().ok().and_then(Rate::new);
                self.rate = Some(rate.ok_or_else(|| wrong("fps", "pictures a second, from 0.001 to 240"))?);
            }
            "quality" => {
                let quality = value.parse().ok().filter(|q| (1..=100).contains(q));
                self.quality = Some(quality.ok_or_else(|| wrong("quality", "a JPEG quality from 1 to 100"))?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// As in a query, `size=640x360&fps=5`; empty for the source's own pictures.
impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        match self.size {
            SizeWish::Own => {}
            SizeWish::Exact(size) => parts.push(format!("size={size}")),
            SizeWish::Width(width) => parts.push(format!("width={width}")),
            SizeWish::Height(height) => parts.push(format!("height={height}")),
        }
        parts.extend(self.rate.map(|rate| format!("fps={}", rate.per_second())));
        parts.extend(self.quality.map(|quality| format!("quality={quality}")));
        parts.extend(self.codec.map(|codec| format!("codec={codec}")));
        self.coding.tell(&mut parts);
        f.write_str(&parts.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(query: &str) -> Result<Variant, String> {
        let mut variant = Variant::default();
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            variant.set(key, value).map_err(|e| e.to_string())?;
        }
        Ok(variant)
    }

    #[test]
    fn a_variant_reads_what_it_writes() {
        for query in ["size=640x360&fps=5&quality=80", "width=320", "height=240&fps=0.5", "quality=1"] {
            assert_eq!(variant(query).unwrap().to_string(), query);
        }
        assert_eq!(variant("size=hd720").unwrap().to_string(), "size=1280x720");
    }

    #[test]
    fn every_size_with_a_name_may_be_asked_for_up_to_the_bound() {
        for (name, size) in NAMED {
            let asked = variant(&format!("size={name}"));
            match size.pixels() <= Size::MAX_WISH {
                true => assert_eq!(asked.unwrap().to_string(), format!("size={size}")),
                false => assert_eq!(asked.unwrap_err(), format!("size={name}: expected no more pixels than 4096x2160")),
            }
        }
    }

    #[test]
    fn bad_values_say_what_was_expected() {
        for (query, expected) in [
            ("size=0x9999", "size=0x9999: expected WIDTHxHEIGHT, each from 2 to 8192, or a name such as hd720"),
            ("size=8192x8192", "size=8192x8192: expected no more pixels than 4096x2160"),
            ("quality=abc", "quality=abc: expected a JPEG quality from 1 to 100"),
            ("fps=NaN", "fps=NaN: expected pictures a second, from 0.001 to 240"),
            ("width=-4", "width=-4: expected a number of pixels from 2 to 8192"),
            ("size=+5x+5", "size=+5x+5: expected WIDTHxHEIGHT, each from 2 to 8192, or a name such as hd720"),
        ] {
            assert_eq!(variant(query).unwrap_err(), expected);
        }
    }

    #[test]
    fn the_side_not_named_keeps_the_aspect_ratio() {
        let own = Size::new(1920, 1080);
        assert_eq!(SizeWish::Width(640).of(own), Size::new(640, 360));
        assert_eq!(SizeWish::Height(360).of(own), Size::new(640, 360));
        assert_eq!(SizeWish::Width(1280).of(Size::new(640, 481)), Size::new(640, 481));
        assert_eq!(SizeWish::Width(20).of(Size::new(22, 8192)), Size::new(20, 7448));
        assert_eq!(SizeWish::Width(2).of(Size::new(0, 0)), Size::new(2, 2));
    }
}
