//! From pictures to packets of a video codec that refers from picture to picture.

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use bytes::Bytes;
use media::{Codec, Kind, Size, Track, TrackId, Video};

use crate::error::{Error, check};
use crate::frame::Frame;
use crate::packet::Packet;
use crate::pixel::Pixel;
use crate::{ffi, log, track};

/// Ticks a second of the clock that encoders are told. Pictures are numbered by it, not
/// timed: codecs of Windows Media write it as their rate, into five bits.
const TICKS: c_int = 25;

/// An encoder of live pictures: constant quality, no B-frames, each packet out at once.
/// Frees itself.
pub struct Encoder {
    context: NonNull<ffi::AVCodecContext>,
    codec: Codec,
    tag: u32,
    size: Size,
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

impl Encoder {
    /// The pixel format of the pictures it takes.
    pub const FORMAT: &'static str = "yuv420p";

    /// An encoder of pictures of `size`; `tag` is the FourCC that containers call the codec
    /// by. `quality` is from 1 to 100, as a JPEG's: 80 is good, 50 has visible blocks.
    ///
    /// # Errors
    /// [`Error::EncoderNotFound`]; [`Error::Argument`] for a quality out of range; what the
    /// codec says about the size.
    pub fn new(codec: Codec, tag: [u8; 4], size: Size, quality: u8) -> Result<Self, Error> {
        log::begin();
        if !(1..=100).contains(&quality) {
            return Err(Error::Argument { what: "quality", found: quality.to_string(), expected: "1 to 100" });
        }
        let found = track::codec_id(codec).and_then(track::find_encoder).ok_or(Error::EncoderNotFound { codec })?;
        let side = |side| c_int::try_from(side).map_err(|_| Error::NoMemory);
        // SAFETY: a codec of the library's table; null is looked for.
        let context = unsafe { ffi::avcodec_alloc_context3(found.as_ptr()) };
        let context = NonNull::new(context).ok_or(Error::NoMemory)?;
        let encoder = Self { context, codec, tag: u32::from_le_bytes(tag), size, count: 0 };
        let context = encoder.context.as_ptr();
        // SAFETY: a fresh context that is ours alone, set up with plain values before it is opened.
        unsafe {
            (*context).width = side(size.width)?;
            (*context).height = side(size.height)?;
            (&raw mut (*context).pix_fmt).cast::<c_int>().write(Pixel::from_name(Self::FORMAT)?.id());
            (*context).time_base = ffi::AVRational { num: 1, den: TICKS };
            (*context).framerate = ffi::AVRational { num: TICKS, den: 1 };
            (*context).max_b_frames = 0;
            // Keyframes come when they are asked for; this is the most that libavcodec takes.
            (*context).gop_size = 600;
            (*context).thread_count = 1;
            (*context).flags |= ffi::AV_CODEC_FLAG_QSCALE as c_int;
            (*context).global_quality = quantiser(quality) * ffi::FF_QP2LAMBDA as c_int;
            check("avcodec_open2", ffi::avcodec_open2(context, found.as_ptr(), ptr::null_mut()))?;
        }
        Ok(encoder)
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
                pixel_format: Some(Self::FORMAT.into()),
                full_range: Some(false),
                ..Video::default()
            }),
        }
    }

    /// Encodes a picture of its size in [`Encoder::FORMAT`], as a keyframe if asked to.
    /// Nothing comes of it where the codec finds that it has not changed.
    ///
    /// # Errors
    /// [`Error::Argument`] for another kind of picture; what the codec says.
    pub fn encode(&mut self, frame: &Frame, key: bool) -> Result<Option<Coded>, Error> {
        if frame.size() != self.size || frame.format() != Self::FORMAT {
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

/// From a quality as a JPEG's to a quantiser of MPEG, 2 (best) to 21.
fn quantiser(quality: u8) -> c_int {
    ((100 - c_int::from(quality)) / 5 + 1).max(2)
}
