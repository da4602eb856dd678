//! From a decoded picture to the one that is wanted: its part, its size, its pixels, upright.
//!
//! What a conversion needs is kept from one picture to the next and shared by all frames of a
//! capture, whichever threads convert them.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use ffmpeg::{ColorSpace, Decoder, DecoderOptions, Frame, Scaler, jpeg};
use media::{Size, Timestamp, Track};

use crate::{Colors, Crop, Error, Format, Kind, Options};

/// Bytes of pixels that are converted ahead of readers, and of memory that is kept for more.
const MOST_AHEAD: usize = 16 << 20;
/// Most idle tools that are kept: as many conversions can run at a time without a new one.
const MOST_KEPT: usize = 8;

/// What is wanted of every picture of a capture, and the tools to make it.
pub(crate) struct Shaper {
    url: String,
    crop: Option<Crop>,
    size: Size,
    rotate: bool,
    colors: Colors,
    pub(crate) format: Format,
    scalers: Mutex<Vec<(Format, Scaler)>>,
    decoders: Mutex<Vec<jpeg::Decoder>>,
    /// Pixels that readers have wanted last, by [`Format`], where they may come converted.
    wanted: Mutex<Option<Format>>,
    /// Bytes of pixels that wait converted.
    ahead: AtomicUsize,
    /// Memory of pixels that nobody looks at.
    spare: Mutex<Vec<Vec<u8>>>,
    /// Frames that were found damaged only when somebody wanted their pixels.
    pub(crate) damaged: AtomicU64,
}

/// What becomes of a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    crop: Option<Crop>,
    /// Before it is turned.
    scaled: Size,
    /// Degrees clockwise.
    turn: u16,
}

impl Shape {
    /// Whether a picture of `own` size stays as it is.
    pub(crate) fn leaves(self, own: Size) -> bool {
        self == Self { crop: None, scaled: own, turn: 0 }
    }

    /// The size of what comes out.
    pub(crate) fn size(self) -> Size {
        if self.turn.is_multiple_of(180) { self.scaled } else { Size::new(self.scaled.height, self.scaled.width) }
    }
}

impl Shaper {
    pub(crate) fn new(url: &str, options: &Options) -> Self {
        let Options { crop, size, rotate, colors, format, .. } = *options;
        Self {
            url: url.into(),
            crop,
            size,
            rotate,
            colors,
            format,
            scalers: Mutex::default(),
            decoders: Mutex::default(),
            wanted: Mutex::default(),
            ahead: AtomicUsize::new(0),
            spare: Mutex::default(),
            damaged: AtomicU64::new(0),
        }
    }

    /// What becomes of a picture whose source calls its size `own` and wants it turned.
    pub(crate) fn shape(&self, own: Size, rotation: u16) -> Shape {
        let turn = if self.rotate { rotation % 360 } else { 0 };
        let part = self.crop.map_or(own, |crop| crop.size);
        // The wish is for what comes out.
        let wish = if turn % 180 == 0 { self.size } else { Size::new(self.size.height, self.size.width) };
        Shape { crop: self.crop, scaled: fitted(wish, part), turn }
    }

    /// `shape` with another size of what comes out.
    pub(crate) fn resized(&self, shape: Shape, wish: Size) -> Result<Shape, Error> {
        if wish.width.max(wish.height) > Size::MAX_SIDE {
            return Err(Error::new(Kind::BadOption, &self.url, format!("a size of {wish}"))
                .hinted("expected sides of at most 8192"));
        }
        let size = fitted(wish, shape.size());
        let scaled = if shape.turn.is_multiple_of(180) { size } else { Size::new(size.height, size.width) };
        Ok(Shape { scaled, ..shape })
    }

    /// Another hold on `picture`.
    pub(crate) fn again(&self, picture: &Frame) -> Result<Frame, Error> {
        picture.try_clone().map_err(|error| self.failed(&error))
    }

    /// Least size in which a JPEG of `own` size may be decoded.
    pub(crate) fn least(&self, own: Size) -> Option<Size> {
        let scales = self.size.width.max(self.size.height) > 0 && own.pixels() > 0;
        (self.crop.is_none() && scales).then(|| self.shape(own, 0).scaled)
    }

    /// `picture` in `format`, as it is wanted.
    pub(crate) fn convert(&self, picture: &Frame, shape: Shape, format: Format) -> Result<Frame, Error> {
        let part = self.source(picture, shape)?;
        let picture = part.as_ref().unwrap_or(picture);
        let made = self.scaling(format, |scaler| scaler.to(picture, shape.scaled, pixels(format)))?;
        self.turned(made, shape.turn)
    }

    /// The same into `out`, whose rows begin `stride` bytes from each other. Of `Yuv420p` the
    /// planes follow each other, those of colour with half the stride.
    pub(crate) fn write(
        &self,
        picture: &Frame,
        shape: Shape,
        format: Format,
        out: &mut [u8],
        stride: usize,
    ) -> Result<(), Error> {
        let size = shape.size();
        let (row, needed) = room(size, format, stride).ok_or_else(|| self.no_pixels(format))?;
        if stride < row || out.len() < needed {
            let what = format!("{} bytes in rows of {stride} for a picture of {size} {}", out.len(), format.name());
            let hint = format!("expected {needed} bytes in rows of at least {row}");
            return Err(Error::new(Kind::BadOption, &self.url, what).hinted(hint));
        }
        if format.pixel_bytes() > 0 && format != Format::Luma8 && shape.turn == 0 {
            let part = self.source(picture, shape)?;
            let picture = part.as_ref().unwrap_or(picture);
            return self
                .scaling(format, |scaler| scaler.into_slice(picture, shape.scaled, pixels(format), out, stride));
        }
        let made = self.convert(picture, shape, format)?;
        let mut rest = out;
        for index in 0..if format == Format::Yuv420p { 3 } else { 1 } {
            let Some(plane) = made.plane(index) else { break };
            let stride = if index == 0 { stride } else { stride.div_ceil(2) };
            let (this, next) = rest.split_at_mut((stride * plane.height).min(rest.len()));
            for (y, to) in this.chunks_mut(stride).enumerate().take(plane.height) {
                to[..plane.width].copy_from_slice(plane.row(y));
            }
            rest = next;
        }
        Ok(())
    }

    /// Readers want pixels in `format`; or do not, where they have let go by what they could have had.
    pub(crate) fn want(&self, format: Option<Format>) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = format;
    }

    /// What they want, if anything.
    pub(crate) fn wanted(&self) -> Option<Format> {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Memory of `bytes` bytes, with anything in it, for pixels that are to wait for a reader; none
    /// where enough of them do. Whoever takes them says so by [`Shaper::taken`].
    pub(crate) fn memory(&self, bytes: usize) -> Option<Vec<u8>> {
        if self.ahead.load(Ordering::Relaxed).saturating_add(bytes) > MOST_AHEAD {
            return None;
        }
        self.ahead.fetch_add(bytes, Ordering::Relaxed);
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        // Of another size it is of no use any more.
        spare.retain(|memory| memory.len() == bytes);
        let kept = spare.pop();
        drop(spare);
        Some(kept.unwrap_or_else(|| vec![0; bytes]))
    }

    /// So many bytes wait no longer.
    pub(crate) fn taken(&self, bytes: usize) {
        self.ahead.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Takes memory for the next pictures.
    pub(crate) fn keep(&self, memory: Vec<u8>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if !memory.is_empty() && memory.len().saturating_mul(spare.len() + 1) <= MOST_AHEAD {
            spare.push(memory);
        }
    }

    /// A JPEG of it.
    pub(crate) fn encode(&self, picture: &Frame, shape: Shape, quality: u8) -> Result<Bytes, Error> {
        let part = self.part(picture, shape)?;
        let picture = part.as_ref().unwrap_or(picture);
        let planes = self.scaling(Format::Jpeg, |scaler| scaler.to_jpeg_planes(picture, shape.scaled))?;
        let planes = self.turned(planes, shape.turn)?;
        jpeg::Encoder::new().encode(&planes, quality).map_err(|error| self.failed(&error))
    }

    /// The picture of a JPEG.
    pub(crate) fn decode(&self, data: &[u8]) -> Result<Frame, Error> {
        jpeg::Decoder::new().decode(data, None).map_err(|error| self.failed(&error))
    }

    /// The picture of a JPEG of `own` size in the pixels, and at least in the size, that are wanted.
    pub(crate) fn decode_as_wanted(&self, data: &Bytes, own: Size) -> Result<Frame, Error> {
        let decoded = self.decoding(|decoder| jpeg_as(decoder, data, self.least(own), self.format));
        decoded.or_else(|error| self.decode_by_libavcodec(data, own).ok_or(error)).map_err(|error| self.failed(&error))
    }

    /// The same straight into `out`, in `format`, whose rows begin `stride` bytes from each other;
    /// whether it is damaged. Nothing where that cannot be done.
    pub(crate) fn decode_into(
        &self,
        data: &[u8],
        own: Size,
        format: Format,
        out: &mut [u8],
        stride: usize,
    ) -> Option<bool> {
        // As with all others, so that pixels do not depend on who asks when.
        let straight = format == self.format && format.pixel_bytes() > 0 && format != Format::Luma8;
        let into = |decoder: &mut jpeg::Decoder| decoder.decode_into(data, own, format.name(), out, stride);
        straight.then(|| self.decoding(into))?.ok()
    }

    /// Lends a decoder.
    fn decoding<T>(&self, decode: impl FnOnce(&mut jpeg::Decoder) -> T) -> T {
        let lock = || self.decoders.lock().unwrap_or_else(PoisonError::into_inner);
        let mut decoder = lock().pop().unwrap_or_else(jpeg::Decoder::new);
        let decoded = decode(&mut decoder);
        let mut kept = lock();
        if kept.len() < MOST_KEPT {
            kept.push(decoder);
        }
        decoded
    }

    /// What libjpeg-turbo refuses libavcodec can often make something of.
    fn decode_by_libavcodec(&self, data: &Bytes, own: Size) -> Option<Frame> {
        let options = DecoderOptions { threads: 1, low_delay: true };
        let mut decoder = Decoder::new(&Track::mjpeg(own), &options).ok()?;
        decoder.send(data, Timestamp::ZERO, true).and_then(|()| decoder.drain()).ok()?;
        decoder.receive().ok()?
    }

    /// What swscale is to convert, where that is not the picture itself.
    fn source(&self, picture: &Frame, shape: Shape) -> Result<Option<Frame>, Error> {
        let part = self.part(picture, shape)?;
        let space = picture.color_space();
        let plain = matches!(space, ColorSpace::Rgb | ColorSpace::Bt601 | ColorSpace::Unspecified | ColorSpace::Other);
        if self.colors == Colors::Declared || plain {
            return Ok(part);
        }
        let mut source = match part {
            Some(part) => part,
            None => self.again(picture)?,
        };
        source.set_color(picture.is_full_range(), ColorSpace::Bt601);
        Ok(Some(source))
    }

    fn part(&self, picture: &Frame, shape: Shape) -> Result<Option<Frame>, Error> {
        let part = shape.crop.map(|Crop { left, top, size }| picture.cropped(left, top, size));
        part.transpose().map_err(|error| self.failed(&error))
    }

    /// Lends a scaler that did the same before, if there is one.
    fn scaling<T>(
        &self,
        format: Format,
        convert: impl FnOnce(&mut Scaler) -> Result<T, ffmpeg::Error>,
    ) -> Result<T, Error> {
        let lock = || self.scalers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = lock();
        let place = kept.iter().position(|(of, _)| *of == format);
        let (_, mut scaler) = place.map_or_else(|| (format, Scaler::new()), |place| kept.swap_remove(place));
        drop(kept);
        let result = convert(&mut scaler).map_err(|error| self.failed(&error));
        let mut kept = lock();
        if kept.len() < MOST_KEPT {
            kept.push((format, scaler));
        }
        result
    }

    fn turned(&self, picture: Frame, degrees: u16) -> Result<Frame, Error> {
        if degrees == 0 {
            return Ok(picture);
        }
        turned(&picture, degrees).map_err(|error| self.failed(&error))
    }

    fn no_pixels(&self, format: Format) -> Error {
        Error::new(Kind::BadOption, &self.url, format!("{} has no rows of pixels", format.name()))
            .hinted("ask for its bytes instead")
    }

    fn failed(&self, error: &ffmpeg::Error) -> Error {
        let kind = match error {
            ffmpeg::Error::Argument { .. } => Kind::BadOption,
            ffmpeg::Error::Unconvertible { .. } => Kind::Unsupported,
            _ => Kind::Broken,
        };
        Error::new(kind, &self.url, error.to_string())
    }
}

/// The picture of a JPEG in `format`, straight from libjpeg-turbo.
pub(crate) fn jpeg_as(
    decoder: &mut jpeg::Decoder,
    data: &[u8],
    least: Option<Size>,
    format: Format,
) -> Result<Frame, ffmpeg::Error> {
    match format {
        Format::Jpeg | Format::Yuv420p | Format::Luma8 => decoder.decode(data, least),
        format => decoder.decode_to(data, least, format.name()),
    }
}

/// FFmpeg's name of the pixels that are made for `format`.
fn pixels(format: Format) -> &'static str {
    if format == Format::Jpeg { "yuv420p" } else { format.name() }
}

/// Bytes of a row, and of a whole picture with rows of `stride`.
pub(crate) fn room(size: Size, format: Format, stride: usize) -> Option<(usize, usize)> {
    let (width, height) = (size.width as usize, size.height as usize);
    let rows = |stride: usize, row: usize, rows: usize| stride.checked_mul(rows.saturating_sub(1))?.checked_add(row);
    match format {
        Format::Jpeg => None,
        Format::Yuv420p => {
            let chroma = rows(stride.div_ceil(2), width.div_ceil(2), height.div_ceil(2))?;
            let before =
                stride.checked_mul(height)?.checked_add(stride.div_ceil(2).checked_mul(height.div_ceil(2))?)?;
            Some((width, before.checked_add(chroma)?))
        }
        _ => {
            let row = width.checked_mul(format.pixel_bytes())?;
            Some((row, rows(stride, row, height)?))
        }
    }
}

/// The size to make of a picture of `own` size: a side of 0 follows the other.
fn fitted(wish: Size, own: Size) -> Size {
    let follow = |wish: u32, of: u32, other: u32| {
        let of = u64::from(of.max(1));
        let side = (u64::from(wish) * u64::from(other) + of / 2) / of;
        u32::try_from(side).unwrap_or(u32::MAX).clamp(1, Size::MAX_SIDE)
    };
    match (wish.width, wish.height) {
        (0, 0) => own,
        (0, height) => Size::new(follow(height, own.height, own.width), height),
        (width, 0) => Size::new(width, follow(width, own.width, own.height)),
        (width, height) => Size::new(width, height),
    }
}

/// A copy turned clockwise by a multiple of 90 degrees.
fn turned(picture: &Frame, degrees: u16) -> Result<Frame, ffmpeg::Error> {
    let own = picture.size();
    let size = if degrees.is_multiple_of(180) { own } else { Size::new(own.height, own.width) };
    let mut made = Frame::new(picture.format(), size)?;
    made.set_color(picture.is_full_range(), picture.color_space());
    made.set_pts(picture.pts());
    let planes = (0..).map_while(|index| picture.plane(index));
    for (index, from) in planes.enumerate() {
        // Planes of colour have pixels of a byte; a format of one plane may have larger ones.
        let pixel = if index == 0 { (from.width / own.width as usize).max(1) } else { 1 };
        let Some(to) = made.plane_mut(index) else { break };
        let (columns, rows) = (from.width / pixel, from.height);
        for y in 0..to.height {
            let row = &mut to.data[y * to.stride..][..to.width];
            for (x, out) in row.chunks_exact_mut(pixel).enumerate() {
                let (column, line) = match degrees {
                    90 => (y, rows - 1 - x),
                    180 => (columns - 1 - x, rows - 1 - y),
                    _ => (columns - 1 - y, x),
                };
                out.copy_from_slice(&from.data[line * from.stride + column * pixel..][..pixel]);
            }
        }
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_of_0_follows_the_other() {
        let own = Size::new(1920, 1080);
        for (wish, expected) in [((0, 0), own), ((640, 0), Size::new(640, 360)), ((0, 2160), Size::new(3840, 2160))] {
            assert_eq!(fitted(Size::new(wish.0, wish.1), own), expected);
        }
        assert_eq!(fitted(Size::new(1, 0), Size::new(8000, 1)), Size::new(1, 1));
    }

    #[test]
    fn a_picture_is_turned_clockwise() {
        let mut picture = Frame::new("gray", Size::new(3, 2)).unwrap();
        let plane = picture.plane_mut(0).unwrap();
        plane.data[..3].copy_from_slice(&[1, 2, 3]);
        plane.data[plane.stride..][..3].copy_from_slice(&[4, 5, 6]);
        let rows = |degrees| {
            let made = turned(&picture, degrees).unwrap();
            let plane = made.plane(0).unwrap();
            (0..plane.height).map(|y| plane.row(y).to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(rows(90), [[4, 1], [5, 2], [6, 3]]);
        assert_eq!(rows(180), [[6, 5, 4], [3, 2, 1]]);
        assert_eq!(rows(270), [[3, 6], [2, 5], [1, 4]]);
    }
}
