//! Pixel formats.

use std::ffi::{CString, c_int};

use crate::error::Error;
use crate::{abi, ffi, static_str};

/// An AVPixelFormat that the library in use knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pixel {
    id: c_int,
    /// Its name, as `yuv420p`.
    pub(crate) name: &'static str,
    /// By how many bits chroma planes are narrower and lower than luma.
    pub(crate) chroma_shift: (u32, u32),
    flags: u64,
    components: u8,
    depth: i32,
    planes: u8,
}

impl Pixel {
    /// The format of that number, `None` if there is none.
    pub(crate) fn from_id(id: c_int) -> Option<Self> {
        // SAFETY: any number is allowed; the answer is null or an entry of a constant table.
        unsafe {
            let descriptor = abi::av_pix_fmt_desc_get(id);
            if descriptor.is_null() {
                return None;
            }
            let components = (*descriptor).nb_components;
            let used = &(&raw const (*descriptor).comp).read()[..usize::from(components.min(4))];
            Some(Self {
                id,
                name: static_str((*descriptor).name),
                chroma_shift: ((*descriptor).log2_chroma_w.into(), (*descriptor).log2_chroma_h.into()),
                flags: (*descriptor).flags,
                components,
                depth: used.iter().map(|component| component.depth).max().unwrap_or(0),
                planes: used.iter().map(|component| component.plane + 1).max().unwrap_or(0) as u8,
            })
        }
    }

    /// The format of that name.
    pub(crate) fn from_name(name: &str) -> Result<Self, Error> {
        let unknown = || Error::Argument {
            what: "pixel format",
            found: name.to_owned(),
            expected: "one of FFmpeg's names, such as yuv420p or bgr24",
        };
        let c_name = CString::new(name).map_err(|_| unknown())?;
        // SAFETY: a zero-terminated string that lives through the call.
        Self::from_id(unsafe { abi::av_get_pix_fmt(c_name.as_ptr()) }).ok_or_else(unknown)
    }

    /// Its number.
    pub(crate) fn id(self) -> c_int {
        self.id
    }

    /// How many planes a picture has, a palette not counted.
    pub(crate) fn planes(self) -> usize {
        self.planes.into()
    }

    /// Bytes in a row of `plane` that carry the picture; 0 for a plane it has not.
    pub(crate) fn row_bytes(self, width: u32, plane: usize) -> usize {
        let (Ok(width), Ok(plane)) = (c_int::try_from(width), c_int::try_from(plane)) else { return 0 };
        if plane > 3 {
            return 0;
        }
        // SAFETY: numbers only; plane is one of the four it may be.
        usize::try_from(unsafe { abi::av_image_get_linesize(self.id, width, plane) }).unwrap_or(0)
    }

    /// Rows of `plane`.
    pub(crate) fn rows(self, height: u32, plane: usize) -> usize {
        let shift = if plane == 1 || plane == 2 { self.chroma_shift.1 } else { 0 };
        ((u64::from(height) + (1 << shift) - 1) >> shift) as usize
    }

    pub(crate) fn is_hardware(self) -> bool {
        self.flags & ffi::AV_PIX_FMT_FLAG_HWACCEL as u64 != 0
    }

    pub(crate) fn is_rgb(self) -> bool {
        // Paletted pictures are RGB by way of the palette.
        self.flags & (ffi::AV_PIX_FMT_FLAG_RGB | ffi::AV_PIX_FMT_FLAG_PAL) as u64 != 0
    }

    pub(crate) fn is_gray(self) -> bool {
        !self.is_rgb() && self.components <= 2
    }

    /// One of the `yuvj` formats, whose name alone says full range.
    pub(crate) fn is_yuvj(self) -> bool {
        self.name.starts_with("yuvj")
    }

    /// The same layout without the claim to full range: `yuv420p` for `yuvj420p`.
    pub(crate) fn without_range(self) -> Self {
        match self.name.strip_prefix("yuvj") {
            Some(rest) => Self::from_name(&format!("yuv{rest}")).unwrap_or(self),
            None => self,
        }
    }

    /// Y, U and V (or Y alone), each in a plane of bytes.
    pub(crate) fn is_byte_planes(self) -> bool {
        let planar = self.planes == self.components && matches!(self.components, 1 | 3);
        planar
            && self.depth == 8
            && !self.is_rgb()
            && !self.is_hardware()
            && self.flags & ffi::AV_PIX_FMT_FLAG_BITSTREAM as u64 == 0
    }
}
