//! From pictures to packets of a video codec that refers from picture to picture.

mod settings;

use std::ffi::c_int;
use std::ptr::NonNull;

use bytes::Bytes;
use media::{Codec, Kind, Rational, Size, Track, TrackId, Video, VideoCoding};

use self::settings::Settings;
use crate::error::{Error, check};
use crate::frame::Frame;
use crate::packet::Packet;
use crate::pixel::Pixel;
use crate::scaler::Scaler;
use crate::{ffi, log, track};

/// An encoder of live pictures: no B-frames, each packet out at once. Frees itself.
pub struct Encoder {
    context: NonNull<ffi::AVCodecContext>,
    codec: Codec,
    tag: u32,
    size: Size,
    format: &'static str,
    /// Pictures a second by the codec's own header, where it counts pictures by it.
    rate: Option<Rational>,
    count: i64,
}

// SAFETY: an AVCodecContext is not tied to the thread that opened it, only to one thread at
// a time, which `&mut self` sees to.
unsafe impl Send for Encoder {}

/// What an encoder made of one picture.
pub struct Coded {
    /// One access unit.
    pub data: Bytes,
    /// A decoder may start here.
    pub key: bool,
}

/// How an [`Encoder`] works.
#[derive(Clone, Copy, Debug)]
pub struct EncoderOptions {
    /// The FourCC that containers call the codec by; zeros where each has its own.
    pub tag: [u8; 4],
    /// From 1 to 100, as a JPEG's: 80 is good, 50 has visible blocks. Without effect where
    /// `coding` names a bit rate or a quantiser.
    pub quality: u8,
    /// Pictures a second, as near as is known: what a bit rate is reckoned by.
    pub rate: f64,
    /// Everything else.
    pub coding: VideoCoding,
}

impl Default for EncoderOptions {
    fn default() -> Self {
        Self { tag: [0; 4], quality: 80, rate: 25.0, coding: VideoCoding::default() }
    }
}

impl Encoder {
    /// The pixel format of the pictures that most take.
    pub const FORMAT: &'static str = "yuv420p";

    /// An encoder of pictures of `size` at a constant quality; `tag` is the FourCC that
    /// containers call the codec by. `quality` is from 1 to 100, as a JPEG's.
    ///
    /// # Errors
    /// As [`Encoder::open`].
    pub fn new(codec: Codec, tag: [u8; 4], size: Size, quality: u8) -> Result<Self, Error> {
        Self::open(codec, size, &EncoderOptions { tag, quality, ..EncoderOptions::default() })
    }

    /// An encoder of pictures of `size`, which is to be one that the codec has
    /// ([`Encoder::fit`]).
    ///
    /// # Errors
    /// [`Error::EncoderNotFound`]; [`Error::Argument`] for a quality out of range; what the
    /// codec says about the size and the options.
    pub fn open(codec: Codec, size: Size, options: &EncoderOptions) -> Result<Self, Error> {
        if !(1..=100).contains(&options.quality) {
            let found = options.quality.to_string();
            return Err(Error::Argument { what: "quality", found, expected: "1 to 100" });
        }
        let found = track::codec_id(codec).and_then(track::find_encoder).ok_or(Error::EncoderNotFound { codec })?;
        let mut first = None;
        for format in settings::formats(codec, &options.coding) {
            match Self::open_with(found, codec, size, format, options) {
                Ok(encoder) => return Ok(encoder),
                Err(error) => first.get_or_insert(error),
            };
        }
        Err(first.unwrap_or(Error::EncoderNotFound { codec }))
    }

    fn open_with(
        found: NonNull<ffi::AVCodec>,
        codec: Codec,
        size: Size,
        format: &str,
        options: &EncoderOptions,
    ) -> Result<Self, Error> {
        log::begin();
        let pixel = Pixel::from_name(format)?;
        let side = |side| c_int::try_from(side).map_err(|_| Error::NoMemory);
        // SAFETY: a codec of the library's table; null is looked for.
        let context = unsafe { ffi::avcodec_alloc_context3(found.as_ptr()) };
        let context = NonNull::new(context).ok_or(Error::NoMemory)?;
        let tag = u32::from_le_bytes(options.coding.tag.unwrap_or(options.tag));
        let mut encoder = Self { context, codec, tag, size, format: pixel.name, rate: None, count: 0 };
        // SAFETY: an encoder's name is a literal of the library.
        let name = unsafe { crate::static_str((*found.as_ptr()).name) };
        let settings = Settings::of(name, codec, size, options)?;
        if matches!(codec.name(), "theora" | "dvvideo") {
            let side = |side| u32::try_from(side).unwrap_or(1);
            encoder.rate = Rational::new(side(settings.rate.0), side(settings.rate.1));
        }
        let mut dict = settings.dict;
        let context = encoder.context.as_ptr();
        // SAFETY: a fresh context that is ours alone, set up with plain values before it is opened.
        unsafe {
            (*context).width = side(size.width)?;
            (*context).height = side(size.height)?;
            (&raw mut (*context).pix_fmt).cast::<c_int>().write(pixel.id());
            if pixel.is_yuvj() {
                (*context).color_range = ffi::AVColorRange::AVCOL_RANGE_JPEG;
            }
            // Pictures are numbered by this clock, not timed.
            (*context).time_base = ffi::AVRational { num: settings.rate.1, den: settings.rate.0 };
            (*context).framerate = ffi::AVRational { num: settings.rate.0, den: settings.rate.1 };
            (*context).max_b_frames = 0;
            (*context).gop_size = settings.gop;
            (*context).thread_count = 1;
            (*context).flags |= settings.flags;
            (*context).global_quality = settings.global_quality;
            (*context).bit_rate = settings.bit_rate;
            check("avcodec_open2", ffi::avcodec_open2(context, found.as_ptr(), dict.as_mut()))?;
        }
        for name in dict.names() {
            tracing::warn!(target: "ffmpeg", %codec, option = name, "the encoder does not take this option");
        }
        Ok(encoder)
    }

    /// The size nearest to `size` that `codec` has.
    #[must_use]
    pub fn fit(codec: Codec, size: Size) -> Size {
        settings::fit(codec, size)
    }

    /// FFmpeg's name of the pixel format that its pictures have.
    #[must_use]
    pub fn format(&self) -> &'static str {
        self.format
    }

    /// `frame` as it takes it.
    ///
    /// # Errors
    /// As [`Scaler::to`].
    pub fn prepare(&self, scaler: &mut Scaler, frame: &Frame) -> Result<Frame, Error> {
        match self.format {
            "yuv420p" | "yuv422p" | "yuv444p" => scaler.video_as(frame, self.size, self.format),
            format => scaler.to(frame, self.size, format),
        }
    }

    /// The track that its packets belong to.
    #[must_use]
    pub fn track(&self) -> Track {
        // SAFETY: our open context; libavcodec keeps `extradata_size` bytes there, or null.
        let extradata = unsafe {
            let raw = self.context.as_ptr();
            match usize::try_from((*raw).extradata_size) {
                Ok(len) if len > 0 && !(*raw).extradata.is_null() => {
                    Bytes::copy_from_slice(std::slice::from_raw_parts((*raw).extradata, len))
                }
                _ => Bytes::new(),
            }
        };
        Track {
            id: TrackId(0),
            codec: self.codec,
            tag: self.tag,
            extradata,
            bits_per_sample: 24,
            bit_rate: 0,
            kind: Kind::Video(Video {
                size: self.size,
                pixel_format: Some(self.format.into()),
                frame_rate: self.rate,
                full_range: Some(!self.format.starts_with("yuv") || self.format.starts_with("yuvj")),
                ..Video::default()
            }),
        }
    }

    /// Encodes a picture of its size and [`Encoder::format`], as a keyframe if asked to.
    /// Nothing comes of it where the codec finds that it has not changed.
    ///
    /// # Errors
    /// [`Error::Argument`] for another kind of picture; what the codec says.
    pub fn encode(&mut self, frame: &Frame, key: bool) -> Result<Option<Coded>, Error> {
        let pixel = Pixel::from_name(self.format)?;
        let like = frame.format() == self.format
            || (pixel.is_yuvj() && frame.is_full_range() && frame.format() == pixel.without_range().name);
        if frame.size() != self.size || !like {
            return Err(Error::Argument {
                what: "picture to encode",
                found: format!("{} {}", frame.format(), frame.size()),
                expected: "the format and size that the encoder was made for",
            });
        }
        log::begin();
        let picture = frame.try_clone()?;
        let kind = if key || self.count == 0 {
            ffi::AVPictureType::AV_PICTURE_TYPE_I
        } else {
            ffi::AVPictureType::AV_PICTURE_TYPE_NONE
        };
        // SAFETY: a reference of our own to the pixels; its fields are not shared by clones.
        unsafe {
            (*picture.as_ptr()).pts = self.count;
            (*picture.as_ptr()).pict_type = kind;
            (*picture.as_ptr()).format = pixel.id();
            (*picture.as_ptr()).quality = (*self.context.as_ptr()).global_quality;
        }
        self.count += 1;
        let packet = Packet::new()?;
        // SAFETY: our open context, a valid frame that libavcodec takes a reference of, and a
        // valid packet, which it fills.
        unsafe {
            check("avcodec_send_frame", ffi::avcodec_send_frame(self.context.as_ptr(), picture.as_ptr()))?;
            match ffi::avcodec_receive_packet(self.context.as_ptr(), packet.as_ptr()) {
                rc if rc == ffi::AVERROR(libc::EAGAIN) => return Ok(None),
                rc => check("avcodec_receive_packet", rc)?,
            };
        }
        // SAFETY: a packet that was just filled; a plain int.
        let key = unsafe { (*packet.as_ptr()).flags } & ffi::AV_PKT_FLAG_KEY as c_int != 0;
        Ok(Some(Coded { data: packet.into_bytes(), key }))
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: from avcodec_alloc_context3, ours alone, freed only here.
        unsafe { ffi::avcodec_free_context(&mut context) };
    }
}
