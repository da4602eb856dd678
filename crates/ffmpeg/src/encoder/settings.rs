//! What each encoder is told, so that it encodes while it happens.

use std::ffi::c_int;

use media::{Codec, Size, VideoCoding};

use super::EncoderOptions;
use crate::dict::Dict;
use crate::error::Error;
use crate::ffi;

/// Everything that is set before an encoder is opened.
pub(super) struct Settings {
    pub(super) dict: Dict,
    pub(super) flags: c_int,
    pub(super) global_quality: c_int,
    pub(super) bit_rate: i64,
    pub(super) gop: c_int,
    /// Pictures a second, as a fraction.
    pub(super) rate: (c_int, c_int),
}

/// Keyframes come when they are asked for; this is the most that libavcodec takes.
const MOST_GOP: c_int = 600;
/// Pictures between keyframes of encoders that cannot be asked for one.
const GOP: u16 = 50;

impl Settings {
    /// For the encoder called `name` of `codec`.
    pub(super) fn of(name: &str, codec: Codec, size: Size, options: &EncoderOptions) -> Result<Self, Error> {
        let coding = &options.coding;
        let rate = rate(codec, options.rate);
        let mut dict = Dict::new();
        for (key, value) in tuning(name) {
            dict.set(key, value)?;
        }
        let mut made = Self {
            dict,
            flags: 0,
            global_quality: 0,
            bit_rate: 0,
            gop: if name == "libtheora" { coding.gop.unwrap_or(GOP).into() } else { MOST_GOP },
            rate,
        };
        made.quality(name, size, options)?;
        if codec.name() == "mpeg2video" {
            // Else each picture waits for the next.
            made.flags |= ffi::AV_CODEC_FLAG_LOW_DELAY as c_int;
        }
        // libavcodec keeps to a highest rate only within a buffer, and takes neither alone. As
        // ffserver had it, a rate may be exceeded twofold.
        let double = coding.bit_rate.map(|rate| rate.saturating_mul(2));
        let most = coding.max_rate.or(double.filter(|_| coding.buffer.is_some()));
        let numbers = [
            ("minrate", coding.min_rate.filter(|rate| *rate > 0)),
            ("maxrate", most),
            ("bt", coding.tolerance),
            ("bufsize", most.and(coding.buffer.or(most))),
            ("qmin", coding.qmin.map(u32::from)),
            ("qmax", coding.qmax.map(u32::from)),
            ("qdiff", coding.qdiff.map(u32::from)),
        ];
        for (key, value) in numbers.iter().filter_map(|(key, value)| Some((key, (*value)?))) {
            made.dict.set(key, &value.to_string())?;
        }
        if coding.high_quality {
            made.dict.set("mbd", "bits")?;
        }
        if coding.four_vectors {
            made.flags |= ffi::AV_CODEC_FLAG_4MV as c_int;
        }
        if coding.bit_exact {
            made.flags |= ffi::AV_CODEC_FLAG_BITEXACT as c_int;
        }
        for (key, value) in coding.options.iter().filter(|(key, _)| !OURS.contains(key)) {
            made.dict.set(key, value)?;
        }
        Ok(made)
    }

    fn quality(&mut self, name: &str, size: Size, options: &EncoderOptions) -> Result<(), Error> {
        let coding = &options.coding;
        let worse = 100 - c_int::from(options.quality);
        if let Some(hundredths) = coding.qscale {
            self.constant(c_int::from(hundredths) * ffi::FF_QP2LAMBDA as c_int / 100);
        } else if let Some(rate) = coding.bit_rate {
            self.bit_rate = rate.into();
        } else {
            match name {
                "libx264" | "libx265" => self.dict.set("crf", &(15 + worse * 2 / 5).to_string())?,
                "libvpx" | "libvpx-vp9" => {
                    // The rate is a ceiling here: 0.15 bits a pixel.
                    let pixels = i64::try_from(size.pixels()).unwrap_or(0);
                    self.bit_rate = (pixels * i64::from(self.rate.0) / i64::from(self.rate.1) * 3 / 20).max(200_000);
                    self.dict.set("crf", &(4 + worse / 2).min(63).to_string())?;
                }
                "libtheora" => self.constant(c_int::from(options.quality) * ffi::FF_QP2LAMBDA as c_int / 10),
                // From a quality as a JPEG's to a quantiser of MPEG, 2 (best) to 21.
                _ => self.constant((worse / 5 + 1).max(2) * ffi::FF_QP2LAMBDA as c_int),
            }
        }
        Ok(())
    }

    fn constant(&mut self, quality: c_int) {
        self.flags |= ffi::AV_CODEC_FLAG_QSCALE as c_int;
        self.global_quality = quality;
    }
}

/// Options that are not the encoder's: we set what they mean, or cannot be moved from it.
const OURS: &[&str] = &["pixel_format", "g", "bf", "threads"];

/// What makes an encoder give each picture at once, at a cost that leaves time for others.
fn tuning(name: &str) -> &'static [(&'static str, &'static str)] {
    match name {
        "libx264" => &[("preset", "veryfast"), ("tune", "zerolatency"), ("forced-idr", "1")],
        "libx265" => &[
            ("preset", "ultrafast"),
            ("tune", "zerolatency"),
            ("forced-idr", "1"),
            ("x265-params", "log-level=error:repeat-headers=1"),
        ],
        "libvpx" | "libvpx-vp9" => &[("deadline", "realtime"), ("cpu-used", "8"), ("lag-in-frames", "0")],
        // Each picture whole: a reader may begin anywhere.
        "gif" => &[("gifflags", "-offsetting-transdiff")],
        _ => &[],
    }
}

/// Pixel formats in the order in which they are tried.
pub(super) fn formats(codec: Codec, coding: &VideoCoding) -> Vec<&'static str> {
    let mut formats: Vec<&'static str> = coding.options.get("pixel_format").into_iter().collect();
    formats.extend(match codec.name() {
        // Full range: what readers of JPEG take it for, whatever FFmpeg would write.
        "mjpeg" => &["yuvj420p", "yuvj422p", "yuvj444p"][..],
        "gif" => &["rgb8", "bgr8"],
        _ => &["yuv420p", "yuv422p", "yuv444p", "yuvj420p", "rgb24", "bgr24", "rgb8"],
    });
    if codec == Codec::MJPEG {
        formats = formats.into_iter().map(full_range).collect();
    }
    formats
}

/// The format with the values of JPEG.
fn full_range(format: &'static str) -> &'static str {
    match format {
        "yuv420p" => "yuvj420p",
        "yuv422p" => "yuvj422p",
        "yuv444p" => "yuvj444p",
        other => other,
    }
}

/// The rate to tell an encoder of `codec`: some have few of them, and some room for five bits.
fn rate(codec: Codec, rate: f64) -> (c_int, c_int) {
    const MPEG: [(c_int, c_int); 8] =
        [(25, 1), (24, 1), (30, 1), (50, 1), (60, 1), (24000, 1001), (30000, 1001), (60000, 1001)];
    let whole = if rate.is_finite() { rate.round().clamp(1.0, 240.0) as c_int } else { 25 };
    match codec.name() {
        "mpeg1video" | "mpeg2video" => {
            let off = |(num, den): &(c_int, c_int)| (f64::from(*num) / f64::from(*den) - rate).abs();
            MPEG.into_iter().min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or((25, 1))
        }
        _ => (whole.min(30), 1),
    }
}

/// The size nearest to `size` that `codec` has.
pub(super) fn fit(codec: Codec, size: Size) -> Size {
    const H263: [Size; 5] =
        [Size::new(128, 96), Size::new(176, 144), Size::new(352, 288), Size::new(704, 576), Size::new(1408, 1152)];
    let of = |unit: u32| {
        let side = |side: u32| side.next_multiple_of(unit).clamp(unit, Size::MAX_SIDE);
        Size::new(side(size.width), side(size.height))
    };
    match codec.name() {
        "h263" => {
            let off = |other: &Size| other.pixels().abs_diff(size.pixels());
            H263.into_iter().min_by_key(off).unwrap_or(size)
        }
        "rv10" | "rv20" => of(16),
        // At 25 pictures a second there is no other.
        "dvvideo" => Size::new(720, 576),
        "gif" | "mjpeg" => size,
        // Old players show the last column or row of an odd size as garbage.
        _ => of(2),
    }
}
