//! Pictures.

use std::ffi::c_int;
use std::fmt;
use std::ptr::NonNull;

use media::{Rational, Size, Timestamp};

use crate::error::{Error, check};
use crate::ffi;
use crate::int_of;
use crate::pixel::Pixel;

/// A decoded picture, or one being made. Frees itself; [`Frame::try_clone`] shares the pixels.
pub struct Frame(NonNull<ffi::AVFrame>);

// SAFETY: nothing in an AVFrame is tied to a thread, and its buffers are counted
// thread-safely (libavutil/buffer.h); we hand out no pointer that outlives the borrow.
unsafe impl Send for Frame {}
// SAFETY: `&Frame` only reads fields and pixels; writing needs `&mut Frame`, and
// `plane_mut` makes sure that no other frame shares the buffer.
unsafe impl Sync for Frame {}

/// Which matrix turns a picture's Y, Cb, Cr into R, G, B.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ColorSpace {
    /// Nobody said; read as BT.601, as ffmpeg and OpenCV do at any size.
    Unspecified,
    /// The planes are R, G and B.
    Rgb,
    /// BT.601 (also BT.470BG): standard definition, and every JFIF picture.
    Bt601,
    /// BT.709: high definition.
    Bt709,
    /// SMPTE 240M.
    Smpte240,
    /// FCC Title 47 73.682.
    Fcc,
    /// BT.2020, non-constant luminance.
    Bt2020,
    /// Something rare, read as BT.601.
    Other,
}

/// One plane of a picture.
#[derive(Clone, Copy)]
pub struct Plane<'a> {
    /// From the first byte of the first row to the last of the last row.
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes of a row that carry the picture: pixels, where a pixel is one byte.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl<'a> Plane<'a> {
    /// The bytes of row `y` that carry the picture.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.stride..][..self.width]
    }
}

/// One plane of a picture, to be written.
pub struct PlaneMut<'a> {
    /// From the first byte of the first row to the last of the last row.
    pub data: &'a mut [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes of a row that carry the picture.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Frame {
    /// A frame without a picture, to be filled by libav*.
    pub(crate) fn empty() -> Result<Self, Error> {
        // SAFETY: allocates; null is looked for.
        NonNull::new(unsafe { ffi::av_frame_alloc() }).map(Self).ok_or(Error::NoMemory)
    }

    /// A picture of zeros, to be written through [`Frame::plane_mut`]. `format` is FFmpeg's
    /// name (`yuv420p`, `bgr24`).
    ///
    /// # Errors
    /// When there is no such format, a side is 0 or above 16384, or memory runs out.
    pub fn new(format: &str, size: Size) -> Result<Self, Error> {
        crate::pool::Pool::new().frame(&crate::pool::Layout::new(Pixel::from_name(format)?, size)?)
    }

    /// Another reference to the same pixels.
    ///
    /// # Errors
    /// When memory for the reference (not the pixels) runs out.
    pub fn try_clone(&self) -> Result<Self, Error> {
        let clone = Self::empty()?;
        // SAFETY: two valid frames, the destination empty; the pixels are counted, not copied.
        check("av_frame_ref", unsafe { ffi::av_frame_ref(clone.as_ptr(), self.as_ptr()) })?;
        Ok(clone)
    }

    /// The part of it that begins `left` and `top` pixels from its corner and is of `size`,
    /// on the same memory. Chroma that belongs to several pixels begins with the first one.
    ///
    /// # Errors
    /// [`Error::Argument`] when that part is empty or reaches beyond the picture.
    pub fn cropped(&self, left: u32, top: u32, size: Size) -> Result<Self, Error> {
        let own = self.size();
        let right = left.checked_add(size.width).and_then(|end| own.width.checked_sub(end));
        let bottom = top.checked_add(size.height).and_then(|end| own.height.checked_sub(end));
        let (Some(right), Some(bottom), true) = (right, bottom, size.pixels() > 0) else {
            return Err(Error::Argument {
                what: "part of a picture",
                found: format!("{size} at {left},{top} of {own}"),
                expected: "a part that lies within it",
            });
        };
        let part = self.try_clone()?;
        // SAFETY: a valid frame that is ours alone; its planes are moved within the buffers that it
        // shares, by no more than its own size as just checked.
        check("av_frame_apply_cropping", unsafe {
            let raw = part.as_ptr();
            ((*raw).crop_left, (*raw).crop_right) = (left as usize, right as usize);
            ((*raw).crop_top, (*raw).crop_bottom) = (top as usize, bottom as usize);
            ffi::av_frame_apply_cropping(raw, ffi::AV_FRAME_CROP_UNALIGNED as c_int)
        })?;
        Ok(part)
    }

    /// Pixels across and down.
    #[must_use]
    pub fn size(&self) -> Size {
        // SAFETY: a valid frame; plain integers.
        let (width, height) = unsafe { ((*self.as_ptr()).width, (*self.as_ptr()).height) };
        Size::new(width.max(0) as u32, height.max(0) as u32)
    }

    /// FFmpeg's name of the pixel format; empty for a frame without a picture.
    #[must_use]
    pub fn format(&self) -> &'static str {
        self.pixel().map_or("", |pixel| pixel.name)
    }

    pub(crate) fn pixel(&self) -> Option<Pixel> {
        // SAFETY: a valid frame; `format` is a plain int.
        Pixel::from_id(unsafe { (*self.as_ptr()).format })
    }

    /// When to show it: the `pts` given to the decoder with the packet it came from.
    #[must_use]
    pub fn pts(&self) -> Option<Timestamp> {
        // SAFETY: a valid frame; plain integers.
        let (pts, guess) = unsafe { ((*self.as_ptr()).pts, (*self.as_ptr()).best_effort_timestamp) };
        [pts, guess].into_iter().find(|at| *at != ffi::AV_NOPTS_VALUE).map(Timestamp::from_nanos)
    }

    /// Says when to show it.
    pub fn set_pts(&mut self, pts: Option<Timestamp>) {
        let pts = pts.map_or(ffi::AV_NOPTS_VALUE, Timestamp::as_nanos);
        // SAFETY: a valid frame that is ours alone; the fields are not shared by clones.
        unsafe { ((*self.as_ptr()).pts, (*self.as_ptr()).best_effort_timestamp) = (pts, pts) };
    }

    /// It was coded without reference to others.
    #[must_use]
    pub fn key(&self) -> bool {
        // SAFETY: a valid frame; a plain int.
        #[cfg(ffmpeg_6_1)]
        return unsafe { (*self.as_ptr()).flags } & ffi::AV_FRAME_FLAG_KEY as c_int != 0;
        // SAFETY: as above.
        #[cfg(not(ffmpeg_6_1))]
        return unsafe { (*self.as_ptr()).key_frame } != 0;
    }

    /// How it was coded, as FFmpeg's letter: `I`, `P`, `B`, some rarer ones; `?` where that is
    /// not known.
    #[must_use]
    pub fn picture_type(&self) -> char {
        // SAFETY: a valid frame; the function takes any value.
        let letter = unsafe { ffi::av_get_picture_type_char((*self.as_ptr()).pict_type) };
        char::from(letter.cast_unsigned())
    }

    /// Parts of it are missing or guessed.
    #[must_use]
    pub fn corrupt(&self) -> bool {
        // SAFETY: a valid frame; plain ints.
        let (flags, errors) = unsafe { ((*self.as_ptr()).flags, (*self.as_ptr()).decode_error_flags) };
        flags & ffi::AV_FRAME_FLAG_CORRUPT as c_int != 0 || errors != 0
    }

    pub(crate) fn set_corrupt(&mut self) {
        // SAFETY: a valid frame that is ours alone.
        unsafe { (*self.as_ptr()).flags |= ffi::AV_FRAME_FLAG_CORRUPT as c_int };
    }

    /// Black is 0 and white 255, not 16 and 235. Where nobody said, RGB and grey pictures
    /// count as full range and the others as limited, as in ffmpeg.
    #[must_use]
    pub fn is_full_range(&self) -> bool {
        // SAFETY: a valid frame; the field is read as the integer it is.
        let range = unsafe { int_of!((*self.as_ptr()).color_range) };
        let Some(pixel) = self.pixel() else { return false };
        match range {
            _ if pixel.is_yuvj() || pixel.is_rgb() => true,
            range if range == ffi::AVColorRange::AVCOL_RANGE_JPEG as c_int => true,
            range if range == ffi::AVColorRange::AVCOL_RANGE_MPEG as c_int => false,
            _ => pixel.is_gray(),
        }
    }

    /// The matrix it was made with.
    #[must_use]
    pub fn color_space(&self) -> ColorSpace {
        use ffi::AVColorSpace as C;
        // SAFETY: a valid frame; the field is read as the integer it is.
        let space = unsafe { int_of!((*self.as_ptr()).colorspace) };
        let is = |candidates: &[C]| candidates.iter().any(|candidate| *candidate as c_int == space);
        match () {
            () if self.pixel().is_some_and(Pixel::is_rgb) || is(&[C::AVCOL_SPC_RGB]) => ColorSpace::Rgb,
            () if is(&[C::AVCOL_SPC_UNSPECIFIED, C::AVCOL_SPC_RESERVED]) => ColorSpace::Unspecified,
            () if is(&[C::AVCOL_SPC_BT470BG, C::AVCOL_SPC_SMPTE170M]) => ColorSpace::Bt601,
            () if is(&[C::AVCOL_SPC_BT709]) => ColorSpace::Bt709,
            () if is(&[C::AVCOL_SPC_SMPTE240M]) => ColorSpace::Smpte240,
            () if is(&[C::AVCOL_SPC_FCC]) => ColorSpace::Fcc,
            () if is(&[C::AVCOL_SPC_BT2020_NCL, C::AVCOL_SPC_BT2020_CL]) => ColorSpace::Bt2020,
            () => ColorSpace::Other,
        }
    }

    /// Declares range and matrix; the pixels stay as they are.
    pub fn set_color(&mut self, full_range: bool, space: ColorSpace) {
        use ffi::AVColorSpace as C;
        let frame = self.as_ptr();
        let space = match space {
            ColorSpace::Unspecified | ColorSpace::Other => C::AVCOL_SPC_UNSPECIFIED,
            ColorSpace::Rgb => C::AVCOL_SPC_RGB,
            ColorSpace::Bt601 => C::AVCOL_SPC_BT470BG,
            ColorSpace::Bt709 => C::AVCOL_SPC_BT709,
            ColorSpace::Smpte240 => C::AVCOL_SPC_SMPTE240M,
            ColorSpace::Fcc => C::AVCOL_SPC_FCC,
            ColorSpace::Bt2020 => C::AVCOL_SPC_BT2020_NCL,
        };
        let range = if full_range { ffi::AVColorRange::AVCOL_RANGE_JPEG } else { ffi::AVColorRange::AVCOL_RANGE_MPEG };
        // SAFETY: a valid frame that is ours alone; both values are the binding's own.
        unsafe { ((*frame).color_range, (*frame).colorspace) = (range, space) };
    }

    /// Width to height of one pixel, where known.
    #[must_use]
    pub fn sample_aspect(&self) -> Option<Rational> {
        // SAFETY: a valid frame; two plain ints.
        let aspect = unsafe { (*self.as_ptr()).sample_aspect_ratio };
        Rational::new(aspect.num.try_into().ok()?, aspect.den.try_into().ok()?)
    }

    /// Plane `index`; `None` when there is none, or when its rows are not plain memory from
    /// top to bottom (hardware frames, bottom-up bitmaps).
    #[must_use]
    pub fn plane(&self, index: usize) -> Option<Plane<'_>> {
        let Place { start, len, stride, width, height } = self.place(index)?;
        // SAFETY: `place` found these bytes inside of one live, counted buffer of this frame.
        // They are initialised: libavcodec's pools and ours hand out memory that was zeroed once.
        // The borrow of `self` keeps the buffer, and nobody writes to it meanwhile: we do only
        // through `plane_mut`, libavcodec only to pictures that it still shows nobody.
        Some(Plane { data: unsafe { std::slice::from_raw_parts(start, len) }, stride, width, height })
    }

    /// Plane `index`, to be written. Pixels that are shared with another frame are copied first.
    pub fn plane_mut(&mut self, index: usize) -> Option<PlaneMut<'_>> {
        self.place(index)?;
        // SAFETY: a valid frame; only counts are looked at.
        if unsafe { ffi::av_frame_is_writable(self.as_ptr()) } <= 0 {
            *self = self.copy().ok()?;
        }
        let Place { start, len, stride, width, height } = self.place(index)?;
        // SAFETY: as in `plane`; and no other frame shares the buffer, so that `&mut self`
        // makes this the only reference.
        Some(PlaneMut { data: unsafe { std::slice::from_raw_parts_mut(start, len) }, stride, width, height })
    }

    /// The first three planes at once, of a picture from our own pool that nobody shares.
    pub(crate) fn planes_mut(&mut self) -> [Option<crate::colour::Target<'_>>; 3] {
        // SAFETY: a valid frame; only counts are looked at.
        let ours = unsafe { ffi::av_frame_is_writable(self.as_ptr()) } > 0;
        let frame = &*self;
        let mut end = 0;
        std::array::from_fn(|index| {
            let Place { start, len, stride, width, .. } = frame.place(index).filter(|_| ours)?;
            // Planes that overlap or run backwards would make two `&mut` of the same bytes.
            if (start as usize) < end {
                return None;
            }
            end = start as usize + len;
            // SAFETY: as in `plane_mut`; and the planes do not overlap, as just checked.
            Some(crate::colour::Target { data: unsafe { std::slice::from_raw_parts_mut(start, len) }, stride, width })
        })
    }

    /// The same picture on memory of its own.
    fn copy(&self) -> Result<Self, Error> {
        let mut copy = Self::new(self.format(), self.size())?;
        copy.copy_properties(self)?;
        let mut index = 0;
        while let (Some(from), Some(to)) = (self.plane(index), copy.plane_mut(index)) {
            for (from, to) in from.data.chunks(from.stride).zip(to.data.chunks_mut(to.stride)) {
                let width = from.len().min(to.len());
                to[..width].copy_from_slice(&from[..width]);
            }
            index += 1;
        }
        Ok(copy)
    }

    /// Takes over times, flags and colours of `from`; the pixels stay as they are.
    pub(crate) fn copy_properties(&mut self, from: &Self) -> Result<(), Error> {
        // SAFETY: two valid frames, ours alone to write.
        check("av_frame_copy_props", unsafe { ffi::av_frame_copy_props(self.as_ptr(), from.as_ptr()) }).map(drop)
    }

    fn place(&self, index: usize) -> Option<Place> {
        let pixel = self.pixel().filter(|pixel| !pixel.is_hardware() && index < pixel.planes())?;
        let size = self.size();
        let (width, height) = (pixel.row_bytes(size.width, index), pixel.rows(size.height, index));
        // SAFETY: a valid frame with fewer than AV_NUM_DATA_POINTERS planes; the buffer, where
        // there is one, is valid as long as the frame.
        let (start, stride, first, bytes) = unsafe {
            let frame = self.as_ptr();
            let buffer = ffi::av_frame_get_plane_buffer(frame, index as c_int);
            if buffer.is_null() {
                return None;
            }
            ((*frame).data[index], (*frame).linesize[index], (*buffer).data, (*buffer).size)
        };
        let stride = usize::try_from(stride).ok()?;
        if width == 0 || height == 0 || stride < width {
            return None;
        }
        let len = stride.checked_mul(height - 1)?.checked_add(width)?;
        let offset = (start as usize).checked_sub(first as usize)?;
        (offset.checked_add(len)? <= bytes).then_some(Place { start, len, stride, width, height })
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::AVFrame {
        self.0.as_ptr()
    }
}

/// Where a plane lies.
struct Place {
    start: *mut u8,
    len: usize,
    stride: usize,
    width: usize,
    height: usize,
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut frame = self.0.as_ptr();
        // SAFETY: `self.0` came from av_frame_alloc, is owned by us alone, and is freed only here.
        unsafe { ffi::av_frame_free(&mut frame) };
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} {} {:?})", self.format(), self.size(), self.pts())
    }
}
