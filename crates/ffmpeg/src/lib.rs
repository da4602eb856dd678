//! libav* and libjpeg-turbo behind safe types; with `sys` the only crate with `unsafe`.
//!
//! [`Input`] opens a URL and gives [`media::Unit`]s, [`Decoder`] makes [`Frame`]s of them,
//! [`Scaler`] brings frames to the size and colours wanted, [`jpeg`] turns planar frames
//! into JPEG bytes and back. [`Muxer`] puts packets into a [`Container`]. Each type owns one object of C and frees it; pictures and
//! packets are counted references, so cloning one copies no pixels. Every call here may
//! block its thread: none belongs into an `async fn`.
//!
//! Call [`init`] once before anything else.

#![deny(unsafe_op_in_unsafe_fn)]
#![warn(clippy::undocumented_unsafe_blocks)]

mod abi;
mod audio;
mod bitstream;
mod colour;
mod decoder;
mod device;
mod dict;
mod encoder;
mod error;
mod frame;
#[doc(hidden)]
pub mod fuzz;
mod input;
mod interrupt;
mod io;
pub mod jpeg;
mod log;
mod muxer;
mod packet;
mod pixel;
mod pool;
mod reader;
mod scaler;
mod track;

use std::ffi::{CStr, c_char};
use std::sync::Once;

use ffmpeg_sys_next as ffi;

pub use audio::{Sound, SoundCoder};
pub use decoder::{Decoder, DecoderOptions, Skip};
pub use encoder::{Coded, Encoder, EncoderOptions};
pub use error::Error;
pub use frame::{ColorSpace, Frame, Plane, PlaneMut};
pub use input::{Input, InputOptions, READ_CALL, Read};
pub use io::Io;
pub use muxer::{Chunk, Container, Muxer, MuxerOptions};
pub use scaler::Scaler;

/// Most bytes that libav* may have in one piece: a picture of the largest side there is, and no
/// packet of a size that somebody made up.
const MOST_ALLOCATED: usize = 512 << 20;

/// Prepares libav*: its log goes to `tracing` (target `ffmpeg`) and not to stderr. Further
/// calls do nothing.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::install();
        // SAFETY: only fills tables of the library and sets a number of it, and `Once` keeps it from running twice at once.
        unsafe {
            ffi::avformat_network_init();
            ffi::av_max_alloc(MOST_ALLOCATED);
        }
    });
}

/// The libavformat in use and its licence, as `libavformat 59.27.100, GPL version 2 or later`.
#[must_use]
pub fn version() -> String {
    // SAFETY: takes nothing; returns a string literal of the library.
    let (version, licence) = unsafe { (ffi::avformat_version(), static_str(ffi::avformat_license())) };
    format!("libavformat {}.{}.{}, {licence}", version >> 16, (version >> 8) & 0xff, version & 0xff)
}

/// Whether libavformat has the protocol of `url`.
#[must_use]
pub fn has_protocol(url: &str) -> bool {
    let Ok(url) = std::ffi::CString::new(url) else { return false };
    // SAFETY: a zero-terminated string; the answer is null or a literal of the library.
    !unsafe { ffi::avio_find_protocol_name(url.as_ptr()) }.is_null()
}

/// The codec that an encoder or a codec of this name makes: `h264` for `libx264` and for `h264`.
#[must_use]
pub fn codec_of(name: &str) -> Option<media::Codec> {
    let c_name = std::ffi::CString::new(name).ok()?;
    // SAFETY: a zero-terminated string; the answers are null or constants of the library. The
    // codec's number is read as the integer it is.
    unsafe {
        let encoder = ffi::avcodec_find_encoder_by_name(c_name.as_ptr());
        if !encoder.is_null() {
            return Some(track::codec_name(int_of!((*encoder).id) as std::ffi::c_uint));
        }
        let descriptor = ffi::avcodec_descriptor_get_by_name(c_name.as_ptr());
        (!descriptor.is_null()).then(|| media::Codec::from_name(static_str((*descriptor).name)))
    }
}

/// Whether `codec` is one of pictures.
#[must_use]
pub fn is_video(codec: media::Codec) -> bool {
    track::is_video(codec)
}

/// Whether an encoder of `codec` is built into the libavcodec in use.
#[must_use]
pub fn has_encoder(codec: media::Codec) -> bool {
    track::codec_id(codec).is_some_and(|id| track::find_encoder(id).is_some())
}

/// Whether the libavutil in use knows a layout of pixels called `name`, such as `yuv420p`.
#[must_use]
pub fn has_pixel_format(name: &str) -> bool {
    let Ok(name) = std::ffi::CString::new(name) else { return false };
    // SAFETY: a zero-terminated string; the answer is read as the number it is.
    unsafe {
        let format = ffi::av_get_pix_fmt(name.as_ptr());
        int_of!(format) >= 0
    }
}

/// Whether any encoder or decoder of the libavcodec in use has an option called `name`, such as
/// `preset`.
#[must_use]
pub fn has_codec_option(name: &str) -> bool {
    let Ok(name) = std::ffi::CString::new(name) else { return false };
    let flags = ffi::AV_OPT_SEARCH_FAKE_OBJ | ffi::AV_OPT_SEARCH_CHILDREN;
    // SAFETY: with this flag the object is a pointer to a pointer to a class, which is a constant
    // of the library and only read; so is the answer.
    unsafe {
        let class = ffi::avcodec_get_class();
        let object = (&raw const class).cast_mut().cast();
        !ffi::av_opt_find(object, name.as_ptr(), std::ptr::null(), 0, flags as std::ffi::c_int).is_null()
    }
}

/// Whether a decoder of `codec` is built into the libavcodec in use.
#[must_use]
pub fn has_decoder(codec: media::Codec) -> bool {
    track::codec_id(codec).is_some_and(|id| track::find_decoder(id).is_some())
}

/// Whether a demuxer called `name` is built into the libavformat in use.
#[must_use]
pub fn has_demuxer(name: &str) -> bool {
    input::find_format(name).is_ok()
}

/// A string that C keeps for as long as the process lives; empty for null or not UTF-8.
///
/// # Safety
/// `text` is null or points to a zero-terminated string that is never freed or changed.
unsafe fn static_str(text: *const c_char) -> &'static str {
    if text.is_null() {
        return "";
    }
    // SAFETY: not null; the rest is the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap_or("")
}

/// Reads a field that C declares as an enum as the integer it is.
///
/// A library newer than the headers we were built with may store a value that the binding's
/// enum lacks, and to read that as the enum would be undefined behaviour.
macro_rules! int_of {
    ($place:expr) => {
        std::ptr::addr_of!($place).cast::<std::ffi::c_int>().read()
    };
}
use int_of;

#[cfg(test)]
mod tests;
