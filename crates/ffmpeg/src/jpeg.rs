//! JPEG by libjpeg-turbo, from and to planes of bytes: no RGB on the way.

use bytes::Bytes;
use media::Size;
use turbojpeg::{Colorspace, Image, PixelFormat, ScalingFactor, Subsamp, YuvImage, YuvPlanesImage};

use crate::error::Error;
use crate::frame::{ColorSpace, Frame, Plane};
use crate::pixel::Pixel;
use crate::pool::{self, Layout, Pool};

/// Makes JPEG pictures.
pub struct Encoder {
    /// Made at the first picture.
    turbo: Option<turbojpeg::Compressor>,
    /// As large as the worst picture of the last size; only what is written to takes memory.
    out: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// One that has done nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { turbo: None, out: Vec::new() }
    }

    /// The JPEG of `planes`, which [`crate::Scaler::to_jpeg_planes`] made: full range, BT.601,
    /// `yuv420p`, `yuv422p`, `yuv444p` (or their `yuvj` twins) or `gray`. `quality` is from 1
    /// to 100 on libjpeg's scale.
    ///
    /// # Errors
    /// [`Error::Argument`] for another pixel format or quality; [`Error::Jpeg`].
    pub fn encode(&mut self, planes: &Frame, quality: u8) -> Result<Bytes, Error> {
        let size = planes.size();
        let (width, height) = (size.width as usize, size.height as usize);
        let subsamp = subsamp_of(planes).ok_or_else(|| Error::Argument {
            what: "picture for a JPEG",
            found: format!("{} {size}", planes.format()),
            expected: "gray, yuv420p, yuv422p or yuv444p",
        })?;
        if !(1..=100).contains(&quality) {
            return Err(Error::Argument { what: "JPEG quality", found: quality.to_string(), expected: "1 to 100" });
        }
        let turbo = match &mut self.turbo {
            Some(turbo) => turbo,
            none => none.insert(turbojpeg::Compressor::new().map_err(refused)?),
        };
        turbo.set_quality(quality.into()).map_err(refused)?;
        turbo.set_subsamp(subsamp).map_err(refused)?;
        let room = turbo.buf_len(width, height).map_err(refused)?;
        if self.out.len() < room || self.out.len() / 4 > room {
            self.out = vec![0; room];
        }
        let plane = |index| planes.plane(index).ok_or(Error::NoMemory);
        let len = if subsamp == Subsamp::Gray {
            // turbojpeg's planar way panics for grey pictures: it measures the chroma planes.
            let Plane { data, stride, .. } = plane(0)?;
            let image = Image { pixels: data, width, pitch: stride, height, format: PixelFormat::GRAY };
            turbo.compress_to_slice(image, &mut self.out).map_err(refused)?
        } else {
            // libjpeg-turbo reads luma up to a whole number of chroma samples.
            let (pad_width, pad_height) =
                (width.next_multiple_of(subsamp.width()), height.next_multiple_of(subsamp.height()));
            let (y, u, v) = (plane(0)?, plane(1)?, plane(2)?);
            let padded;
            let (y_plane, y_stride) = if (pad_width, pad_height) == (width, height) {
                (y.data, y.stride)
            } else {
                padded = pad(&y, pad_width, pad_height);
                (&padded[..], pad_width)
            };
            let image = YuvPlanesImage {
                y_plane,
                u_plane: u.data,
                v_plane: v.data,
                width,
                height,
                y_stride,
                u_stride: u.stride,
                v_stride: v.stride,
                subsamp,
            };
            turbo.compress_yuv_planes_to_slice(&image, &mut self.out).map_err(refused)?
        };
        Ok(Bytes::copy_from_slice(self.out.get(..len).unwrap_or_default()))
    }
}

/// A copy of `plane` whose last column and row are repeated.
fn pad(plane: &Plane, width: usize, height: usize) -> Vec<u8> {
    let mut padded = Vec::with_capacity(width * height);
    for y in 0..height {
        let row = plane.row(y.min(plane.height - 1));
        padded.extend_from_slice(row);
        padded.resize((y + 1) * width, row[row.len() - 1]);
    }
    padded
}

fn subsamp_of(frame: &Frame) -> Option<Subsamp> {
    let pixel = frame.pixel().filter(|pixel| pixel.is_byte_planes())?;
    match (pixel.planes(), pixel.chroma_shift) {
        (1, _) => Some(Subsamp::Gray),
        (3, (1, 1)) => Some(Subsamp::Sub2x2),
        (3, (1, 0)) => Some(Subsamp::Sub2x1),
        (3, (0, 0)) => Some(Subsamp::None),
        _ => None,
    }
}

/// FFmpeg's name of a format of one plane, and libjpeg-turbo's.
type Packed = (&'static str, PixelFormat);
const PACKED: &[Packed] = &[
    ("bgr24", PixelFormat::BGR),
    ("rgb24", PixelFormat::RGB),
    ("bgra", PixelFormat::BGRA),
    ("rgba", PixelFormat::RGBA),
    ("gray", PixelFormat::GRAY),
];

/// Reads JPEG pictures.
pub struct Decoder {
    turbo: Option<turbojpeg::Decompressor>,
    pool: Pool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// One that has done nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { turbo: None, pool: Pool::new() }
    }

    /// The picture in `data`: full range, BT.601, planes as they are in the JPEG (`gray`,
    /// `yuv420p` and so on), or `rgb24` where it is coded as RGB or in odd proportions.
    ///
    /// With `at_least`, one made of half, a quarter or an eighth as many pixels each way as
    /// long as both sides stay at least that long: several times as fast.
    ///
    /// A picture that ends early or is damaged is given as far as it goes, with
    /// [`Frame::corrupt`] set.
    ///
    /// # Errors
    /// [`Error::Jpeg`] when there is no picture in it.
    pub fn decode(&mut self, data: &[u8], at_least: Option<Size>) -> Result<Frame, Error> {
        self.decode_as(data, at_least, None)
    }

    /// As [`Decoder::decode`], straight to pixels of one plane: `bgr24`, `rgb24`, `bgra`, `rgba`
    /// or `gray`.
    ///
    /// # Errors
    /// As [`Decoder::decode`]; [`Error::Unconvertible`] for another format.
    pub fn decode_to(&mut self, data: &[u8], at_least: Option<Size>, format: &str) -> Result<Frame, Error> {
        let packed = packed(format)?;
        self.forgetting(|decoder| decoder.try_decode(data, at_least, Some(packed)))
    }

    /// The same of a picture of `size`, no other, into `out`, whose rows begin `stride` bytes from
    /// each other. Returns whether the picture is damaged.
    ///
    /// # Errors
    /// As [`Decoder::decode_to`]; [`Error::Argument`] for a picture of another size, or too little
    /// room. `out` may have been written to all the same.
    pub fn decode_into(
        &mut self,
        data: &[u8],
        size: Size,
        format: &str,
        out: &mut [u8],
        stride: usize,
    ) -> Result<bool, Error> {
        let (_, pixels) = packed(format)?;
        self.forgetting(|decoder| {
            let turbo = decoder.turbo()?;
            let header = turbo.read_header(data).map_err(refused)?;
            let (width, height) = (size.width as usize, size.height as usize);
            let row = width.checked_mul(pixels.size()).filter(|row| *row > 0 && *row <= stride);
            let needed = row.and_then(|_| stride.checked_mul(height));
            if (header.width, header.height) != (width, height) || needed.is_none_or(|needed| out.len() < needed) {
                return Err(Error::Argument {
                    what: "room for a picture",
                    found: format!("{} bytes in rows of {stride} for {size} {format}", out.len()),
                    expected: "the picture's own size, and whole rows",
                });
            }
            turbo.set_scaling_factor(ScalingFactor::ONE).map_err(refused)?;
            damage(turbo.decompress(data, Image { pixels: out, width, pitch: stride, height, format: *pixels }))
        })
    }

    fn decode_as(&mut self, data: &[u8], at_least: Option<Size>, packed: Option<&Packed>) -> Result<Frame, Error> {
        self.forgetting(|decoder| decoder.try_decode(data, at_least, packed))
    }

    fn forgetting<T>(&mut self, decode: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let result = decode(self);
        if result.is_err() {
            // libjpeg-turbo 3.1.0 leaves a header that failed half read, and takes the next
            // picture for its continuation (tj3DecompressHeader returns without jpeg_abort).
            self.turbo = None;
        }
        result
    }

    fn turbo(&mut self) -> Result<&mut turbojpeg::Decompressor, Error> {
        match &mut self.turbo {
            Some(turbo) => Ok(turbo),
            none => {
                let mut turbo = turbojpeg::Decompressor::new().map_err(refused)?;
                // A progressive picture of thousands of scans is an attack.
                turbo.set_scan_limit(200).map_err(refused)?;
                Ok(none.insert(turbo))
            }
        }
    }

    fn try_decode(&mut self, data: &[u8], at_least: Option<Size>, packed: Option<&Packed>) -> Result<Frame, Error> {
        self.turbo()?;
        let Self { turbo: Some(turbo), pool } = self else { return Err(Error::NoMemory) };
        let header = turbo.read_header(data).map_err(refused)?;
        let side = |side: usize| u32::try_from(side).ok().filter(|side| (1..=pool::MAX_SIDE).contains(side));
        let (Some(width), Some(height)) = (side(header.width), side(header.height)) else {
            return Err(Error::Jpeg { message: format!("{}x{} pixels are too many", header.width, header.height) });
        };
        let factor = match at_least {
            Some(least) if !header.is_lossless => {
                [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF].into_iter().find(|f| {
                    f.scale(header.width) >= least.width as usize && f.scale(header.height) >= least.height as usize
                })
            }
            _ => None,
        };
        let factor = factor.unwrap_or(ScalingFactor::ONE);
        turbo.set_scaling_factor(factor).map_err(refused)?;
        let size = Size::new(factor.scale(width as usize) as u32, factor.scale(height as usize) as u32);
        let planar = matches!(header.colorspace, Colorspace::YCbCr | Colorspace::Gray);
        let format = match header.subsamp {
            Subsamp::Gray => "gray",
            Subsamp::Sub2x2 if planar => "yuv420p",
            Subsamp::Sub2x1 if planar => "yuv422p",
            Subsamp::None if planar => "yuv444p",
            Subsamp::Sub1x2 if planar => "yuv440p",
            Subsamp::Sub4x1 if planar => "yuv411p",
            _ => "rgb24",
        };
        let packed = packed.or_else(|| PACKED.iter().find(|(name, _)| *name == "rgb24" && *name == format));
        let format = packed.map_or(format, |(name, _)| name);
        let pixel = Pixel::from_name(format)?;
        let layout = if packed.is_some() { Layout::new(pixel, size)? } else { Layout::turbo(pixel, size)? };
        let mut frame = pool.frame(&layout)?;
        let pixels = pool::whole_mut(&mut frame, &layout).ok_or(Error::NoMemory)?;
        let (width, height) = (size.width as usize, size.height as usize);
        let result = if let Some((_, format)) = packed {
            let pitch = layout.stride();
            turbo.decompress(data, Image { pixels, width, pitch, height, format: *format })
        } else {
            let image = YuvImage { pixels, width, align: Layout::TURBO_ALIGN, height, subsamp: header.subsamp };
            turbo.decompress_to_yuv(data, image)
        };
        if damage(result)? {
            frame.set_corrupt();
        }
        let is_rgb = packed.is_some() && format != "gray";
        frame.set_color(true, if is_rgb { ColorSpace::Rgb } else { ColorSpace::Bt601 });
        Ok(frame)
    }
}

fn packed(format: &str) -> Result<&'static Packed, Error> {
    let packed = PACKED.iter().find(|(name, _)| *name == format);
    packed.ok_or_else(|| Error::Unconvertible { from: "JPEG".into(), to: format.into() })
}

/// Whether a picture is damaged that could be decoded.
fn damage(result: turbojpeg::Result<()>) -> Result<bool, Error> {
    match result.map_err(refused) {
        Ok(()) => Ok(false),
        Err(Error::Jpeg { message }) if is_warning(&message) => {
            tracing::debug!(target: "ffmpeg", message, "damaged JPEG");
            // Bytes too many between two parts harm nothing; many a webcam sends some.
            Ok(!message.contains("extraneous bytes"))
        }
        Err(error) => Err(error),
    }
}

/// libjpeg-turbo returns -1 for warnings as well, after it has decoded what it could. Their
/// texts (jerror.h, JWRN_*) are all there is to tell them by through the safe binding.
fn is_warning(message: &str) -> bool {
    ["Corrupt JPEG data", "Premature end of JPEG", "Inconsistent progression", "Unknown Adobe color"]
        .iter()
        .any(|start| message.starts_with(start))
}

fn refused(error: turbojpeg::Error) -> Error {
    match error {
        turbojpeg::Error::TurboJpegError(message) => Error::Jpeg { message },
        error => Error::Jpeg { message: error.to_string() },
    }
}
