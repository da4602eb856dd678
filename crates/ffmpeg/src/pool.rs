//! Pictures of our own making, on memory that is used again.
//!
//! A 1080p picture is 3 MB: fresh from the system, its page faults cost more than filling it.

use std::ffi::c_int;
use std::ptr::NonNull;

use media::Size;

use crate::error::Error;
use crate::ffi;
use crate::frame::Frame;
use crate::pixel::Pixel;

/// Longest side of a picture that we make or decode.
pub(crate) const MAX_SIDE: u32 = 16_384;
/// Alignment of rows, and slack behind the last one for SIMD that looks further.
const ALIGN: usize = 64;

/// How the planes of a picture lie in one buffer.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pixel: Pixel,
    size: Size,
    /// Offset and stride.
    planes: [(usize, usize); 4],
    bytes: usize,
}

impl Layout {
    /// Rows aligned for SIMD, planes one behind the other.
    pub(crate) fn new(pixel: Pixel, size: Size) -> Result<Self, Error> {
        Self::with(pixel, size, |plane| {
            (
                pixel.row_bytes(size.width, plane).next_multiple_of(ALIGN),
                pixel.rows(size.height, plane).next_multiple_of(2),
            )
        })
    }

    /// As libjpeg-turbo's `tj3DecompressToYUV8` lays planes out with rows aligned to
    /// [`Layout::TURBO_ALIGN`] bytes.
    pub(crate) fn turbo(pixel: Pixel, size: Size) -> Result<Self, Error> {
        let (w, h) = pixel.chroma_shift;
        Self::with(pixel, size, |plane| {
            let shift = if plane == 0 { (0, 0) } else { (w, h) };
            let width = (size.width as usize).next_multiple_of(1 << w) >> shift.0;
            let height = (size.height as usize).next_multiple_of(1 << h) >> shift.1;
            (width.next_multiple_of(ALIGN), height)
        })
    }

    /// Row alignment of [`Layout::turbo`].
    pub(crate) const TURBO_ALIGN: usize = ALIGN;

    fn with(pixel: Pixel, size: Size, plane: impl Fn(usize) -> (usize, usize)) -> Result<Self, Error> {
        let fits = |side| (1..=MAX_SIDE).contains(&side);
        if !fits(size.width) || !fits(size.height) || pixel.is_hardware() {
            return Err(Error::Argument {
                what: "picture size",
                found: format!("{size} {}", pixel.name),
                expected: "sides from 1 to 16384 of a format in memory",
            });
        }
        let mut planes = [(0, 0); 4];
        let mut bytes = 0;
        for (index, place) in planes.iter_mut().enumerate().take(pixel.planes()) {
            let (stride, rows) = plane(index);
            *place = (bytes, stride);
            bytes += stride * rows;
        }
        // Four planes of at most 16384 rows of 16 bytes a pixel fit a 64-bit usize many times over.
        Ok(Self { pixel, size, planes, bytes })
    }

    /// Bytes from row to row of the first plane.
    pub(crate) fn stride(&self) -> usize {
        self.planes[0].1
    }
}

/// An AVBufferPool that follows the size asked of it. Buffers in use outlive it.
pub(crate) struct Pool(Option<(NonNull<ffi::AVBufferPool>, usize)>);

// SAFETY: an AVBufferPool has a lock of its own (libavutil/buffer.h, "thread-safe"), and
// giving it back counts references.
unsafe impl Send for Pool {}

impl Pool {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// A picture that nobody else uses. Zeros, or what an earlier picture left.
    pub(crate) fn frame(&mut self, layout: &Layout) -> Result<Frame, Error> {
        let pool = self.of(layout.bytes + ALIGN)?;
        let frame = Frame::empty()?;
        let side = |side| c_int::try_from(side).map_err(|_| Error::NoMemory);
        // SAFETY: a valid, empty frame that takes ownership of the one buffer; every plane
        // lies inside of the buffer as `Layout::with` added them up.
        unsafe {
            let raw = frame.as_ptr();
            let buffer = ffi::av_buffer_pool_get(pool.as_ptr());
            if buffer.is_null() {
                return Err(Error::NoMemory);
            }
            (*raw).buf[0] = buffer;
            (*raw).width = side(layout.size.width)?;
            (*raw).height = side(layout.size.height)?;
            (*raw).format = layout.pixel.id();
            for (index, (offset, stride)) in layout.planes.into_iter().enumerate().take(layout.pixel.planes()) {
                (*raw).data[index] = (*buffer).data.add(offset);
                (*raw).linesize[index] = c_int::try_from(stride).map_err(|_| Error::NoMemory)?;
            }
            (*raw).extended_data = (&raw mut (*raw).data).cast();
        }
        Ok(frame)
    }

    fn of(&mut self, bytes: usize) -> Result<NonNull<ffi::AVBufferPool>, Error> {
        if let Some((pool, of)) = self.0
            && of == bytes
        {
            return Ok(pool);
        }
        // SAFETY: allocates. Zeroed at birth, so that no byte of a picture is ever uninitialised.
        let pool = NonNull::new(unsafe { ffi::av_buffer_pool_init(bytes, Some(ffi::av_buffer_allocz)) });
        let pool = pool.ok_or(Error::NoMemory)?;
        *self = Self(Some((pool, bytes)));
        Ok(pool)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some((pool, _)) = self.0 {
            let mut pool = pool.as_ptr();
            // SAFETY: ours; the memory goes when the last picture made of it does.
            unsafe { ffi::av_buffer_pool_uninit(&mut pool) };
        }
    }
}

/// All bytes of a picture of `layout`, for a C library that fills the planes in one go.
pub(crate) fn whole_mut<'a>(frame: &'a mut Frame, layout: &Layout) -> Option<&'a mut [u8]> {
    let raw = frame.as_ptr();
    // SAFETY: a valid frame. The slice is within its first buffer, initialised (see `of`),
    // and ours alone: av_frame_is_writable says that nobody shares it.
    unsafe {
        let buffer = (*raw).buf[0];
        if buffer.is_null() || (*buffer).size < layout.bytes || ffi::av_frame_is_writable(raw) <= 0 {
            return None;
        }
        Some(std::slice::from_raw_parts_mut((*buffer).data, layout.bytes))
    }
}
