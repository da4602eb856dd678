//! How pictures and sound are coded.

use std::fmt;
use std::path::PathBuf;

use media::Size;

/// A fraction, for rates: pictures a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// Above the line; not 0.
    pub num: u32,
    /// Below the line; not 0.
    pub den: u32,
}

impl Ratio {
    /// Its value.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }
}

/// A line of the file. Where something stands is no part of what it says: all are equal.
#[derive(Clone, Copy, Default, Eq)]
pub struct At(pub usize);

impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("At")
    }
}

impl PartialEq for At {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What the file says of a stream's pictures. Nothing means: as they come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Video {
    /// The encoder or codec, by FFmpeg's name; nothing: the one usual in the format.
    pub codec: Option<String>,
    /// Where that stands.
    pub codec_at: At,
    /// Their size.
    pub size: Option<Size>,
    /// Pictures a second.
    pub rate: Option<Ratio>,
    /// bit/s.
    pub bit_rate: Option<u64>,
    /// Least and most bit/s.
    pub bit_rate_range: Option<(u64, u64)>,
    /// How far from the bit rate, in bit/s.
    pub bit_rate_tolerance: Option<u64>,
    /// The decoder's buffer that the encoder reckons with, in bits.
    pub buffer_bits: Option<u64>,
    /// Pictures from one keyframe to the next; 1: each is one.
    pub gop: Option<u32>,
    /// Least quantiser: 1 is the best.
    pub qmin: Option<u32>,
    /// Most quantiser.
    pub qmax: Option<u32>,
    /// Most difference of the quantiser from picture to picture.
    pub qdiff: Option<u32>,
    /// One quantiser for all, in place of a bit rate.
    pub qscale: Option<f64>,
    /// The pixel format, by FFmpeg's name.
    pub pixel_format: Option<String>,
    /// The codec's four letters in the container.
    pub tag: Option<[u8; 4]>,
    /// Decide on macroblocks by their bits.
    pub high_quality: bool,
    /// Four motion vectors a macroblock.
    pub four_motion_vectors: bool,
    /// `lumi_mask`.
    pub lumi_mask: Option<f64>,
    /// `dark_mask`.
    pub dark_mask: Option<f64>,
    /// `dct=fastint`.
    pub dct_fastint: bool,
    /// `idct=simple`.
    pub idct_simple: bool,
    /// `flags=+bitexact`.
    pub bit_exact: bool,
    /// `debug`.
    pub debug: Option<i64>,
    /// `strict`.
    pub strict: Option<i64>,
    /// Further options of the encoder, in the order of the file.
    pub options: Vec<(String, String)>,
    /// Files of `key=value` lines.
    pub presets: Vec<PathBuf>,
}

/// What the file says of a stream's sound. Nothing means: as it comes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Audio {
    /// The encoder or codec, by FFmpeg's name; nothing: the one usual in the format.
    pub codec: Option<String>,
    /// Where that stands.
    pub codec_at: At,
    /// bit/s.
    pub bit_rate: Option<u64>,
    /// Channels.
    pub channels: Option<u32>,
    /// Hz.
    pub sample_rate: Option<u32>,
    /// `debug`.
    pub debug: Option<i64>,
    /// `strict`.
    pub strict: Option<i64>,
    /// Further options of the encoder, in the order of the file.
    pub options: Vec<(String, String)>,
    /// Files of `key=value` lines.
    pub presets: Vec<PathBuf>,
}

/// FFmpeg's scale of one quantiser step.
const QP2LAMBDA: f64 = 118.0;

/// A list of options in which a later one replaces an earlier one, but adds to flags.
#[derive(Default)]
struct Options(Vec<(String, String)>);

impl Options {
    fn set(&mut self, key: &str, value: impl ToString) {
        let value = value.to_string();
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) if value.starts_with(['+', '-']) && key.ends_with("flags") => known.push_str(&value),
            Some((_, known)) => *known = value,
            None => self.0.push((key.into(), value)),
        }
    }

    fn set_if(&mut self, key: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }
}

impl Video {
    /// ffserver's, where it was told none: a stamp of 160x128 at 5 pictures and 64 kbit/s
    /// a second.
    ///
    /// This is what an old `ffmpeg` is told that asks a feed how to encode. Pictures that
    /// come otherwise keep their size.
    #[must_use]
    pub fn with_defaults(&self) -> Self {
        let rate = self.rate.unwrap_or(Ratio { num: 5, den: 1 });
        let bit_rate = self.bit_rate.unwrap_or(64_000);
        let per_picture = (bit_rate as f64 / rate.as_f64()) as u64;
        let (least, most) = self.bit_rate_range.unwrap_or((0, bit_rate.saturating_mul(2)));
        Self {
            size: self.size.or(Some(Size::new(160, 128))),
            rate: Some(rate),
            bit_rate: Some(bit_rate),
            bit_rate_tolerance: self.bit_rate_tolerance.or(Some((bit_rate / 4).max(per_picture))),
            bit_rate_range: Some((least, most)),
            buffer_bits: self.buffer_bits.or(Some(most)),
            ..self.clone()
        }
    }

    /// As options of FFmpeg, `b` and `10240000`: what ffserver wrote into a feed's header.
    ///
    /// Codec, presets and, since containers hold it, the tag are not among them.
    #[must_use]
    pub fn avoptions(&self) -> Vec<(String, String)> {
        let mut options = Options::default();
        options.set_if("time_base", self.rate.map(|rate| format!("{}/{}", rate.den, rate.num)));
        options.set_if("b", self.bit_rate);
        options.set_if("bufsize", self.buffer_bits);
        options.set_if("video_size", self.size);
        options.set_if("g", self.gop);
        options.set_if("qmin", self.qmin);
        options.set_if("qmax", self.qmax);
        options.set_if("qdiff", self.qdiff);
        if let Some(scale) = self.qscale {
            options.set("flags", "+qscale");
            options.set("global_quality", (QP2LAMBDA * scale).round() as i64);
        }
        options.set_if("strict", self.strict);
        options.set_if("debug", self.debug);
        options.set_if("bt", self.bit_rate_tolerance);
        options.set_if("minrate", self.bit_rate_range.map(|(least, _)| least).filter(|least| *least > 0));
        options.set_if("maxrate", self.bit_rate_range.map(|(_, most)| most));
        options.set_if("pixel_format", self.pixel_format.as_ref());
        if self.high_quality || self.four_motion_vectors {
            options.set("mbd", "+bits");
        }
        if self.four_motion_vectors {
            options.set("flags", "+mv4");
        }
        options.set_if("lumi_mask", self.lumi_mask);
        options.set_if("dark_mask", self.dark_mask);
        options.set_if("dct", self.dct_fastint.then_some("fastint"));
        options.set_if("idct", self.idct_simple.then_some("simple"));
        if self.bit_exact {
            options.set("flags", "+bitexact");
        }
        for (key, value) in &self.options {
            options.set(key, value);
        }
        options.0
    }
}

impl Audio {
    /// ffserver's, where it was told none: 64 kbit/s, 22050 Hz, one channel.
    #[must_use]
    pub fn with_defaults(&self) -> Self {
        Self {
            bit_rate: self.bit_rate.or(Some(64_000)),
            channels: self.channels.or(Some(1)),
            sample_rate: self.sample_rate.or(Some(22_050)),
            ..self.clone()
        }
    }

    /// As options of FFmpeg. Codec and presets are not among them.
    #[must_use]
    pub fn avoptions(&self) -> Vec<(String, String)> {
        let mut options = Options::default();
        options.set_if("b", self.bit_rate);
        options.set_if("ac", self.channels);
        options.set_if("ar", self.sample_rate);
        options.set_if("strict", self.strict);
        options.set_if("debug", self.debug);
        for (key, value) in &self.options {
            options.set(key, value);
        }
        options.0
    }
}
