//! Functions whose enums are declared here as the integers that they are in C.
//! (Those of sound also because what is `const` in them differs between versions.)
//!
//! A library newer than the headers we were built with has pixel formats and codecs that
//! the binding's Rust enums lack; a value outside of a Rust enum is undefined behaviour
//! even if it is only passed through. As integers they are harmless.

use std::ffi::{c_char, c_int, c_uint, c_void};

use crate::ffi::{
    AVAudioFifo, AVChannelLayout, AVCodec, AVCodecDescriptor, AVOutputFormat, AVPixFmtDescriptor, SwrContext,
    SwsContext, SwsFilter,
};

// The libraries are linked by ffmpeg-sys-next. C passes an enum as an `int` on every system
// that FFmpeg supports.
unsafe extern "C" {
    pub(crate) fn av_pix_fmt_desc_get(format: c_int) -> *const AVPixFmtDescriptor;
    pub(crate) fn av_get_pix_fmt(name: *const c_char) -> c_int;
    pub(crate) fn av_image_get_linesize(format: c_int, width: c_int, plane: c_int) -> c_int;
    pub(crate) fn avcodec_find_decoder(id: c_uint) -> *const AVCodec;
    pub(crate) fn avcodec_find_encoder(id: c_uint) -> *const AVCodec;
    pub(crate) fn avformat_query_codec(format: *const AVOutputFormat, id: c_uint, compliance: c_int) -> c_int;
    pub(crate) fn avcodec_descriptor_get(id: c_uint) -> *const AVCodecDescriptor;
    pub(crate) fn sws_isSupportedInput(format: c_int) -> c_int;
    pub(crate) fn sws_isSupportedOutput(format: c_int) -> c_int;
    pub(crate) fn av_audio_fifo_alloc(format: c_int, channels: c_int, samples: c_int) -> *mut AVAudioFifo;
    pub(crate) fn av_audio_fifo_write(fifo: *mut AVAudioFifo, data: *const *mut c_void, samples: c_int) -> c_int;
    pub(crate) fn av_audio_fifo_read(fifo: *mut AVAudioFifo, data: *const *mut c_void, samples: c_int) -> c_int;
    pub(crate) fn swr_alloc_set_opts2(
        context: *mut *mut SwrContext,
        out_layout: *const AVChannelLayout,
        out_format: c_int,
        out_rate: c_int,
        in_layout: *const AVChannelLayout,
        in_format: c_int,
        in_rate: c_int,
        log_offset: c_int,
        log_context: *mut c_void,
    ) -> c_int;
    pub(crate) fn swr_convert(
        context: *mut SwrContext,
        out: *const *mut u8,
        out_samples: c_int,
        given: *const *const u8,
        given_samples: c_int,
    ) -> c_int;
    pub(crate) fn sws_getContext(
        src_width: c_int,
        src_height: c_int,
        src_format: c_int,
        dst_width: c_int,
        dst_height: c_int,
        dst_format: c_int,
        flags: c_int,
        src_filter: *mut SwsFilter,
        dst_filter: *mut SwsFilter,
        parameters: *const f64,
    ) -> *mut SwsContext;
}
