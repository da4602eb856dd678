//! Sizes and pixel formats.

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use media::Size;

use crate::colour::{Chroma, Recolour, Source};
use crate::error::{Error, check};
use crate::frame::{ColorSpace, Frame, Plane};
use crate::pixel::Pixel;
use crate::pool::{Layout, Pool};
use crate::{abi, ffi};

/// Converts pictures; remembers what it needs for the last kind of conversion, so keep one
/// for each use. Pictures it gives reuse their memory once they are dropped.
///
/// A matrix that nobody declared ([`ColorSpace::Unspecified`]) is taken for BT.601 at every
/// size, as by ffmpeg's own way to mjpeg and by OpenCV.
pub struct Scaler {
    context: Option<(Geometry, Sws)>,
    /// Of what swscale makes.
    scaled: Pool,
    /// Of what is recoloured.
    recoloured: Pool,
}

/// All that an SwsContext is made for.
#[derive(Clone, Copy, PartialEq)]
struct Geometry {
    from: (Pixel, Size),
    to: (Pixel, Size),
    full_range: (bool, bool),
    space: ColorSpace,
}

// swscale.h; constants there, an enum from FFmpeg 8 on.
const SWS_BILINEAR: c_int = 2;
const SWS_BICUBIC: c_int = 4;

impl Default for Scaler {
    fn default() -> Self {
        Self::new()
    }
}

impl Scaler {
    /// One that has done nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { context: None, scaled: Pool::new(), recoloured: Pool::new() }
    }

    /// The picture as a JPEG holds it: `size`, planes of Y, Cb, Cr (4:2:0, 4:2:2 or 4:4:4,
    /// as close as possible to what it was; RGB becomes 4:4:4) or of grey, full range, BT.601.
    /// The picture itself, shared, when it is that already.
    ///
    /// # Errors
    /// [`Error::Unconvertible`], [`Error::Argument`] for an impossible size, [`Error::NoMemory`].
    pub fn to_jpeg_planes(&mut self, frame: &Frame, size: Size) -> Result<Frame, Error> {
        let pixel = frame.pixel().ok_or_else(|| unconvertible(frame, "yuv420p"))?;
        let wanted = Pixel::from_name(jpeg_planes_for(pixel))?;
        if pixel.is_rgb() {
            let mut made = self.scale(frame, pixel, (wanted, size), (true, true))?;
            made.set_color(true, ColorSpace::Bt601);
            return Ok(made);
        }
        // swscale changes size and layout only: range and matrix are ours, in one pass.
        let recolour = Recolour::to_jpeg(frame.is_full_range(), frame.color_space());
        let plain = pixel.without_range();
        let pairs = matches!(pixel.name, "nv12" | "nv21");
        let readable = frame.plane(0).is_some();
        let mut made = if frame.size() == size && readable && (plain.name == wanted.name || pairs) {
            if recolour.is_nothing() && !pairs {
                return frame.try_clone();
            }
            self.recolour(frame, pixel, wanted, &recolour)?
        } else {
            let range = frame.is_full_range();
            let scaled = self.scale(frame, plain, (wanted, size), (range, range))?;
            if recolour.is_nothing() { scaled } else { self.recolour(&scaled, wanted, wanted, &recolour)? }
        };
        made.set_color(true, ColorSpace::Bt601);
        Ok(made)
    }

    /// The picture in `size` and `format` (FFmpeg's name, as `bgra` or `bgr24`); itself,
    /// shared, when it is that already.
    ///
    /// # Errors
    /// As [`Scaler::to_jpeg_planes`].
    pub fn to(&mut self, frame: &Frame, size: Size, format: &str) -> Result<Frame, Error> {
        let (pixel, to) = (frame.pixel().ok_or_else(|| unconvertible(frame, format))?, Pixel::from_name(format)?);
        if pixel == to && frame.size() == size {
            return frame.try_clone();
        }
        let range = frame.is_full_range();
        let to_range = if to.is_rgb() || to.is_yuvj() || to.is_gray() { true } else { !pixel.is_rgb() && range };
        let mut made = self.scale(frame, pixel.without_range(), (to.without_range(), size), (range, to_range))?;
        let space = match (to.is_rgb(), pixel.is_rgb()) {
            (true, _) => ColorSpace::Rgb,
            (_, true) => ColorSpace::Bt601,
            _ => frame.color_space(),
        };
        made.set_color(to_range, space);
        Ok(made)
    }

    /// The picture as video encoders take it: `size`, `yuv420p`, limited range.
    ///
    /// # Errors
    /// As [`Scaler::to_jpeg_planes`].
    pub fn to_video(&mut self, frame: &Frame, size: Size) -> Result<Frame, Error> {
        self.video_as(frame, size, "yuv420p")
    }

    /// The same in another format of three planes of bytes, as `yuv422p`.
    pub(crate) fn video_as(&mut self, frame: &Frame, size: Size, format: &str) -> Result<Frame, Error> {
        let mut made = self.to(frame, size, format)?;
        if made.is_full_range() {
            for index in 0..3 {
                let plane = made.plane_mut(index).ok_or(Error::NoMemory)?;
                crate::colour::compress(plane.data, index > 0);
            }
        }
        let space = made.color_space();
        made.set_color(false, space);
        Ok(made)
    }

    /// As [`Scaler::to`], into `out` with `stride` bytes from row to row; for formats of one
    /// plane. Where rows do not overlap and the width is a multiple of 8, without a copy.
    ///
    /// # Errors
    /// As [`Scaler::to`]; [`Error::Argument`] when `out` is too small for the picture.
    pub fn into_slice(
        &mut self,
        frame: &Frame,
        size: Size,
        format: &str,
        out: &mut [u8],
        stride: usize,
    ) -> Result<(), Error> {
        let (pixel, to) = (frame.pixel().ok_or_else(|| unconvertible(frame, format))?, Pixel::from_name(format)?);
        let (row, rows) = (to.row_bytes(size.width, 0), size.height as usize);
        let needed =
            rows.checked_sub(1).and_then(|rows| stride.checked_mul(rows)).and_then(|bytes| bytes.checked_add(row));
        if to.planes() != 1 || row == 0 || stride < row || needed.is_none_or(|needed| out.len() < needed) {
            return Err(Error::Argument {
                what: "room for a picture",
                found: format!("{} bytes in rows of {stride} for {size} {format}", out.len()),
                expected: "one plane, rows as long as the picture's, and as many of them",
            });
        }
        // swscale writes whole groups of pixels: in other widths it would write beyond the row.
        let direct = size.width.is_multiple_of(8) && (pixel != to || frame.size() != size);
        if !direct {
            let made = self.to(frame, size, format)?;
            let plane = made.plane(0).ok_or_else(|| unconvertible(frame, format))?;
            for (y, to) in out.chunks_mut(stride).take(rows).enumerate() {
                to[..row].copy_from_slice(plane.row(y));
            }
            return Ok(());
        }
        let geometry = Geometry {
            from: (pixel.without_range(), frame.size()),
            to: (to.without_range(), size),
            full_range: (frame.is_full_range(), true),
            space: frame.color_space(),
        };
        let stride = c_int::try_from(stride).map_err(|_| Error::NoMemory)?;
        // SAFETY: `out` has room for every row as checked above, and swscale stays within a row
        // when its width is a multiple of 8.
        unsafe {
            self.run(
                frame,
                geometry,
                [out.as_mut_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut()],
                [stride, 0, 0, 0],
            )
        }
    }

    fn scale(
        &mut self,
        frame: &Frame,
        from: Pixel,
        (to, size): (Pixel, Size),
        full_range: (bool, bool),
    ) -> Result<Frame, Error> {
        let mut made = self.scaled.frame(&Layout::new(to, size)?)?;
        made.copy_properties(frame)?;
        let geometry = Geometry { from: (from, frame.size()), to: (to, size), full_range, space: frame.color_space() };
        // SAFETY: a valid frame of four plane pointers or more, laid out for `to` and `size`
        // with rows aligned and padded, which nobody else uses yet.
        let (data, strides) = unsafe {
            let raw = made.as_ptr();
            (
                [(*raw).data[0], (*raw).data[1], (*raw).data[2], (*raw).data[3]],
                [(*raw).linesize[0], (*raw).linesize[1], (*raw).linesize[2], (*raw).linesize[3]],
            )
        };
        // SAFETY: as just said.
        unsafe { self.run(frame, geometry, data, strides)? };
        Ok(made)
    }

    /// # Safety
    /// `data` and `strides` have room for a picture of `geometry.to`.
    unsafe fn run(
        &mut self,
        frame: &Frame,
        geometry: Geometry,
        data: [*mut u8; 4],
        strides: [c_int; 4],
    ) -> Result<(), Error> {
        if self.context.as_ref().is_none_or(|(of, _)| *of != geometry) {
            self.context = Some((geometry, Sws::new(&geometry)?));
        }
        let Some((_, sws)) = &self.context else { return Err(Error::NoMemory) };
        let height = c_int::try_from(geometry.from.1.height).map_err(|_| Error::NoMemory)?;
        // SAFETY: a context made for this geometry; the source is a valid frame of it (a
        // paletted one has its palette as plane 1), the target is the caller's promise.
        check("sws_scale", unsafe {
            let raw = frame.as_ptr();
            let from = (&raw const (*raw).data).cast::<*const u8>();
            ffi::sws_scale(
                sws.0.as_ptr(),
                from,
                (&raw const (*raw).linesize).cast(),
                0,
                height,
                data.as_ptr(),
                strides.as_ptr(),
            )
        })
        .map(drop)
    }

    /// `frame`, whose layout is that of `wanted` or nv12/nv21, recoloured.
    fn recolour(&mut self, frame: &Frame, pixel: Pixel, wanted: Pixel, recolour: &Recolour) -> Result<Frame, Error> {
        let mut made = self.recoloured.frame(&Layout::new(wanted, frame.size())?)?;
        made.copy_properties(frame)?;
        let missing = || unconvertible(frame, wanted.name);
        let source =
            |index| frame.plane(index).map(|Plane { data, stride, .. }| Source { data, stride }).ok_or_else(missing);
        let chroma = match (wanted.planes(), pixel.name) {
            (1, _) => Chroma::None,
            (_, name @ ("nv12" | "nv21")) => Chroma::Pairs { plane: source(1)?, swapped: name == "nv21" },
            _ => Chroma::Planar(source(1)?, source(2)?),
        };
        let [y, u, v] = made.planes_mut();
        let chroma_target = u.zip(v);
        let halves = (wanted.chroma_shift.0 > 0, wanted.chroma_shift.1 > 0);
        recolour.run(source(0)?, &chroma, y.ok_or_else(missing)?, chroma_target, halves);
        Ok(made)
    }
}

/// The planes of a JPEG that keep the most of such a picture.
fn jpeg_planes_for(pixel: Pixel) -> &'static str {
    match pixel.chroma_shift {
        _ if pixel.is_rgb() => "yuv444p",
        _ if pixel.is_gray() => "gray",
        (0, 0) => "yuv444p",
        (1, 0) => "yuv422p",
        _ => "yuv420p",
    }
}

fn unconvertible(frame: &Frame, to: &str) -> Error {
    Error::Unconvertible { from: frame.format().to_owned(), to: to.to_owned() }
}

/// An SwsContext. Frees itself.
struct Sws(NonNull<ffi::SwsContext>);

// SAFETY: an SwsContext is plain memory without ties to a thread; only its owner uses it.
unsafe impl Send for Sws {}

impl Sws {
    fn new(geometry: &Geometry) -> Result<Self, Error> {
        let Geometry { from: (from, from_size), to: (to, to_size), full_range, space } = *geometry;
        let unconvertible = || Error::Unconvertible { from: from.name.to_owned(), to: to.name.to_owned() };
        // SAFETY: numbers only.
        if unsafe { abi::sws_isSupportedInput(from.id()) == 0 || abi::sws_isSupportedOutput(to.id()) == 0 } {
            return Err(unconvertible());
        }
        let side = |side| c_int::try_from(side).map_err(|_| Error::NoMemory);
        // Bicubic in the picture's own size is what OpenCV does, and costs nothing there.
        let flags = if from_size == to_size { SWS_BICUBIC } else { SWS_BILINEAR };
        // SAFETY: numbers only; no filters and no parameters; null is looked for.
        let context = unsafe {
            abi::sws_getContext(
                side(from_size.width)?,
                side(from_size.height)?,
                from.id(),
                side(to_size.width)?,
                side(to_size.height)?,
                to.id(),
                flags,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null(),
            )
        };
        let sws = Self(NonNull::new(context).ok_or_else(unconvertible)?);
        // The numbers of AVColorSpace are swscale's too.
        let matrix = match space {
            ColorSpace::Bt709 => ffi::AVColorSpace::AVCOL_SPC_BT709,
            ColorSpace::Smpte240 => ffi::AVColorSpace::AVCOL_SPC_SMPTE240M,
            ColorSpace::Fcc => ffi::AVColorSpace::AVCOL_SPC_FCC,
            ColorSpace::Bt2020 => ffi::AVColorSpace::AVCOL_SPC_BT2020_NCL,
            _ => ffi::AVColorSpace::AVCOL_SPC_BT470BG,
        };
        const ONE: c_int = 1 << 16;
        // SAFETY: a fresh context; both tables are constants of the library, and it copies them.
        // Between two YUV formats the matrix stays: the same table for both. The answer -1
        // means that the formats have no such details.
        unsafe {
            let table = ffi::sws_getCoefficients(matrix as c_int);
            let ranges = (c_int::from(full_range.0), c_int::from(full_range.1));
            ffi::sws_setColorspaceDetails(context, table, ranges.0, table, ranges.1, 0, ONE, ONE);
        }
        Ok(sws)
    }
}

impl Drop for Sws {
    fn drop(&mut self) {
        // SAFETY: from sws_getContext, ours alone, freed only here.
        unsafe { ffi::sws_freeContext(self.0.as_ptr()) };
    }
}
