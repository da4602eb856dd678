//! Encoders of sound.

use std::ffi::c_int;
use std::ptr::NonNull;

use bytes::Bytes;
use media::{Audio, AudioCoding, Codec, Kind, Track, TrackId};

use super::Shape;
use crate::dict::Dict;
use crate::error::{Error, check};
use crate::frame::Frame;
use crate::packet::Packet;
use crate::{ffi, int_of, track};

/// Kinds of samples, as libavutil numbers them, in the order in which they are tried:
/// fltp, flt, s16p, s16, s32p, s32, u8.
const FORMATS: [c_int; 7] = [8, 3, 6, 1, 7, 2, 0];
/// Rates that are tried when an encoder does not take the one it is to have.
const RATES: [c_int; 9] = [48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000];
/// Samples a packet where the codec lets us choose.
const FREE: c_int = 1024;

/// An open AVCodecContext of sound. Frees itself.
pub(super) struct Encoder {
    context: NonNull<ffi::AVCodecContext>,
    codec: Codec,
    shape: Shape,
}

// SAFETY: as for `crate::Encoder`.
unsafe impl Send for Encoder {}

impl Encoder {
    pub(super) fn find(codec: Codec) -> Result<NonNull<ffi::AVCodec>, Error> {
        // FFmpeg's own encoders of these two are experimental: their sound is worse.
        let library = match codec.name() {
            "opus" => Some(c"libopus"),
            "vorbis" => Some(c"libvorbis"),
            _ => None,
        };
        // SAFETY: a zero-terminated name; the answer is null or lives for ever.
        let found = library
            .and_then(|name| NonNull::new(unsafe { ffi::avcodec_find_encoder_by_name(name.as_ptr()) }.cast_mut()));
        found.or_else(|| track::codec_id(codec).and_then(track::find_encoder)).ok_or(Error::EncoderNotFound { codec })
    }

    /// One that takes sound as near as it can to what it is to have.
    pub(super) fn new(codec: Codec, coding: &AudioCoding, rate: c_int, channels: c_int) -> Result<Self, Error> {
        let found = Self::find(codec)?;
        let rate = coding.sample_rate.and_then(|rate| c_int::try_from(rate).ok()).unwrap_or(rate);
        let channels = coding.channels.map_or(channels, c_int::from);
        let mut rates = RATES;
        // The nearest first, and of two the higher.
        rates.sort_by_key(|other| (other.abs_diff(rate), *other < rate));
        let mut first = None;
        for channels in [channels, 2, 1] {
            for rate in std::iter::once(rate).chain(rates) {
                for format in FORMATS {
                    match Self::open(found, codec, coding, Shape { format, rate, channels }) {
                        Ok(encoder) => return Ok(encoder),
                        Err(error) => first.get_or_insert(error),
                    };
                }
            }
        }
        Err(first.unwrap_or(Error::EncoderNotFound { codec }))
    }

    fn open(found: NonNull<ffi::AVCodec>, codec: Codec, coding: &AudioCoding, shape: Shape) -> Result<Self, Error> {
        crate::log::begin();
        // SAFETY: a codec of the library's table; null is looked for.
        let context = unsafe { ffi::avcodec_alloc_context3(found.as_ptr()) };
        let encoder = Self { context: NonNull::new(context).ok_or(Error::NoMemory)?, codec, shape };
        let mut options = Dict::new();
        for (key, value) in coding.options.iter() {
            options.set(key, value)?;
        }
        // SAFETY: a fresh context that is ours alone, set up with plain values before it is
        // opened; the kind of samples is written as the integer it is.
        unsafe {
            (&raw mut (*context).sample_fmt).cast::<c_int>().write(shape.format);
            (*context).sample_rate = shape.rate;
            ffi::av_channel_layout_default(&raw mut (*context).ch_layout, shape.channels);
            (*context).time_base = ffi::AVRational { num: 1, den: shape.rate };
            (*context).thread_count = 1;
            // Some encoders that are good enough by now are still called experimental.
            (*context).strict_std_compliance = ffi::FF_COMPLIANCE_EXPERIMENTAL;
            if let Some(rate) = coding.bit_rate {
                (*context).bit_rate = rate.into();
            }
            if let Some(quality) = coding.quality {
                (*context).flags |= ffi::AV_CODEC_FLAG_QSCALE as c_int;
                (*context).global_quality = c_int::from(quality) * ffi::FF_QP2LAMBDA as c_int / 100;
            }
            // Extradata are never in the way, and containers that need them get them.
            (*context).flags |= ffi::AV_CODEC_FLAG_GLOBAL_HEADER as c_int;
            check("avcodec_open2", ffi::avcodec_open2(context, found.as_ptr(), options.as_mut()))?;
        }
        for name in options.names() {
            tracing::warn!(target: "ffmpeg", option = name, "the encoder of sound does not take this option");
        }
        Ok(encoder)
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Samples that it takes at once.
    pub(super) fn frame_size(&self) -> c_int {
        // SAFETY: our open context; a plain integer.
        match unsafe { (*self.context.as_ptr()).frame_size } {
            size if size > 0 => size,
            _ => FREE,
        }
    }

    pub(super) fn track(&self) -> Track {
        let raw = self.context.as_ptr();
        // SAFETY: our open context; libavcodec keeps `extradata_size` bytes there, or null.
        let (extradata, bits, bit_rate, block_align) = unsafe {
            let extradata = match usize::try_from((*raw).extradata_size) {
                Ok(len) if len > 0 && !(*raw).extradata.is_null() => {
                    Bytes::copy_from_slice(std::slice::from_raw_parts((*raw).extradata, len))
                }
                _ => Bytes::new(),
            };
            (extradata, (*raw).bits_per_coded_sample, (*raw).bit_rate, int_of!((*raw).block_align))
        };
        let positive = |value: c_int| u32::try_from(value).unwrap_or(0);
        Track {
            id: TrackId(0),
            codec: self.codec,
            tag: 0,
            extradata,
            bits_per_sample: positive(bits),
            bit_rate: u64::try_from(bit_rate).unwrap_or(0),
            kind: Kind::Audio(Audio {
                sample_rate: positive(self.shape.rate),
                channels: u16::try_from(self.shape.channels).unwrap_or(1),
                block_align: positive(block_align),
            }),
        }
    }

    /// Packets with their times and lengths in samples; as a rule one, and none at first.
    pub(super) fn encode(&mut self, frame: &Frame, at: i64) -> Result<Vec<(Bytes, i64, u64)>, Error> {
        crate::log::begin();
        // SAFETY: our open context; a frame of the shape it was opened for, whose fields are ours.
        unsafe {
            (*frame.as_ptr()).pts = at;
            check("avcodec_send_frame", ffi::avcodec_send_frame(self.context.as_ptr(), frame.as_ptr()))?;
        }
        self.receive(at)
    }

    /// What it holds back, at the end; it takes nothing after that.
    pub(super) fn drain(&mut self, at: i64) -> Result<Vec<(Bytes, i64, u64)>, Error> {
        crate::log::begin();
        // SAFETY: our open context; null in place of a frame is the end.
        check("avcodec_send_frame", unsafe { ffi::avcodec_send_frame(self.context.as_ptr(), std::ptr::null()) })?;
        self.receive(at)
    }

    fn receive(&mut self, at: i64) -> Result<Vec<(Bytes, i64, u64)>, Error> {
        let mut made = Vec::new();
        // SAFETY: our open context; valid packets, which it fills.
        unsafe {
            loop {
                let packet = Packet::new()?;
                match ffi::avcodec_receive_packet(self.context.as_ptr(), packet.as_ptr()) {
                    rc if rc == ffi::AVERROR(libc::EAGAIN) || rc == ffi::AVERROR_EOF => return Ok(made),
                    rc => check("avcodec_receive_packet", rc)?,
                };
                let (pts, duration) = ((*packet.as_ptr()).pts, (*packet.as_ptr()).duration);
                let samples = u64::try_from(duration).ok().filter(|samples| *samples > 0);
                let samples = samples.unwrap_or(u64::try_from(self.frame_size()).unwrap_or(0));
                let pts = if pts == ffi::AV_NOPTS_VALUE { at } else { pts };
                let data = packet.into_bytes();
                if !data.is_empty() {
                    made.push((data, pts, samples));
                }
            }
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: from avcodec_alloc_context3, ours alone, freed only here.
        unsafe { ffi::avcodec_free_context(&mut context) };
    }
}
