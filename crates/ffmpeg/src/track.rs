//! Between [`media::Track`] and AVCodecParameters.

use std::ffi::{c_int, c_uint};
use std::ptr::{self, NonNull};

use bytes::Bytes;
use media::{Audio, Codec, Kind, Rational, Size, Track, TrackId, Video};

use crate::error::{Error, check};
use crate::pixel::Pixel;
use crate::{abi, ffi, int_of, static_str};

/// The AVCodecID of `codec`.
pub(crate) fn codec_id(codec: Codec) -> Option<c_uint> {
    let mut descriptor = ptr::null();
    loop {
        // SAFETY: null or its own last answer: entries of a constant table.
        unsafe {
            descriptor = ffi::avcodec_descriptor_next(descriptor);
            if descriptor.is_null() {
                return None;
            }
            if static_str((*descriptor).name) == codec.name() {
                return Some(int_of!((*descriptor).id) as c_uint);
            }
        }
    }
}

/// FFmpeg's name of that AVCodecID.
pub(crate) fn codec_name(id: c_uint) -> Codec {
    // SAFETY: any number is allowed; the answer is null or an entry of a constant table.
    let name = unsafe {
        let descriptor = abi::avcodec_descriptor_get(id);
        if descriptor.is_null() { "" } else { static_str((*descriptor).name) }
    };
    Codec::from_name(if name.is_empty() { "unknown" } else { name })
}

/// Whether `codec` is one of pictures.
pub(crate) fn is_video(codec: Codec) -> bool {
    codec_id(codec).is_some_and(|id| {
        // SAFETY: any number is allowed; the answer is null or an entry of a constant table.
        unsafe {
            let descriptor = abi::avcodec_descriptor_get(id);
            !descriptor.is_null() && int_of!((*descriptor).type_) == ffi::AVMediaType::AVMEDIA_TYPE_VIDEO as c_int
        }
    })
}

/// The decoder that libavcodec prefers for that AVCodecID.
pub(crate) fn find_decoder(id: c_uint) -> Option<NonNull<ffi::AVCodec>> {
    // SAFETY: any number is allowed; the answer is null or lives for ever.
    NonNull::new(unsafe { abi::avcodec_find_decoder(id) }.cast_mut())
}

/// The encoder that libavcodec prefers for that AVCodecID.
pub(crate) fn find_encoder(id: c_uint) -> Option<NonNull<ffi::AVCodec>> {
    // SAFETY: any number is allowed; the answer is null or lives for ever.
    NonNull::new(unsafe { abi::avcodec_find_encoder(id) }.cast_mut())
}

/// AVCodecParameters of our own. Frees itself.
pub(crate) struct Parameters(NonNull<ffi::AVCodecParameters>);

// SAFETY: plain data.
unsafe impl Send for Parameters {}

impl Parameters {
    pub(crate) fn new() -> Result<Self, Error> {
        // SAFETY: allocates; null is looked for.
        NonNull::new(unsafe { ffi::avcodec_parameters_alloc() }).map(Self).ok_or(Error::NoMemory)
    }

    /// What a decoder must know about `track`.
    pub(crate) fn of(track: &Track) -> Result<Self, Error> {
        let id = codec_id(track.codec).ok_or(Error::DecoderNotFound { codec: track.codec })?;
        let parameters = Self::new()?;
        let raw = parameters.as_ptr();
        // SAFETY: valid, zeroed parameters that are ours alone. The codec is written as the
        // integer it is; the other values are plain.
        unsafe {
            (&raw mut (*raw).codec_id).cast::<c_uint>().write(id);
            (*raw).codec_tag = track.tag;
            (*raw).bit_rate = i64::try_from(track.bit_rate).unwrap_or(0);
            (*raw).bits_per_coded_sample = c_int::try_from(track.bits_per_sample).unwrap_or(0);
            match &track.kind {
                Kind::Video(video) => {
                    (*raw).codec_type = ffi::AVMediaType::AVMEDIA_TYPE_VIDEO;
                    (*raw).width = c_int::try_from(video.size.width).unwrap_or(0);
                    (*raw).height = c_int::try_from(video.size.height).unwrap_or(0);
                    (*raw).format = video
                        .pixel_format
                        .as_deref()
                        .and_then(|name| Pixel::from_name(name).ok())
                        .map_or(-1, Pixel::id);
                    if let Some((profile, level)) = video.profile {
                        ((*raw).profile, (*raw).level) = (profile, level);
                    }
                    if let Some(full) = video.full_range {
                        (*raw).color_range = match full {
                            true => ffi::AVColorRange::AVCOL_RANGE_JPEG,
                            false => ffi::AVColorRange::AVCOL_RANGE_MPEG,
                        };
                    }
                    if let Some(aspect) = video.sample_aspect {
                        (*raw).sample_aspect_ratio = ffi::AVRational {
                            num: c_int::try_from(aspect.num).unwrap_or(0),
                            den: c_int::try_from(aspect.den).unwrap_or(1),
                        };
                    }
                }
                Kind::Audio(audio) => {
                    (*raw).codec_type = ffi::AVMediaType::AVMEDIA_TYPE_AUDIO;
                    (*raw).sample_rate = c_int::try_from(audio.sample_rate).unwrap_or(0);
                    (*raw).block_align = c_int::try_from(audio.block_align).unwrap_or(0);
                    ffi::av_channel_layout_default(&raw mut (*raw).ch_layout, audio.channels.into());
                }
                Kind::Data => {}
            }
        }
        parameters.set_extradata(&track.extradata)?;
        Ok(parameters)
    }

    /// A copy of those of a stream.
    ///
    /// # Safety
    /// `of` is valid.
    pub(crate) unsafe fn copy_of(of: *const ffi::AVCodecParameters) -> Result<Self, Error> {
        let parameters = Self::new()?;
        // SAFETY: ours is valid, theirs by the caller's promise.
        check("avcodec_parameters_copy", unsafe { ffi::avcodec_parameters_copy(parameters.as_ptr(), of) })?;
        Ok(parameters)
    }

    pub(crate) fn set_extradata(&self, data: &[u8]) -> Result<(), Error> {
        let len = c_int::try_from(data.len()).ok().filter(|len| *len < 1 << 28).ok_or(Error::NoMemory)?;
        // SAFETY: valid parameters; the old extradata is av_malloc'ed or null. The new is as
        // long as libavcodec wants it with zeros behind, and becomes theirs.
        unsafe {
            let raw = self.as_ptr();
            ffi::av_freep((&raw mut (*raw).extradata).cast());
            (*raw).extradata_size = 0;
            if data.is_empty() {
                return Ok(());
            }
            let copy: *mut u8 = ffi::av_mallocz(data.len() + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize).cast();
            if copy.is_null() {
                return Err(Error::NoMemory);
            }
            ptr::copy_nonoverlapping(data.as_ptr(), copy, data.len());
            ((*raw).extradata, (*raw).extradata_size) = (copy, len);
        }
        Ok(())
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::AVCodecParameters {
        self.0.as_ptr()
    }

    pub(crate) fn codec(&self) -> Codec {
        // SAFETY: valid; read as the integer it is.
        codec_name(unsafe { int_of!((*self.as_ptr()).codec_id) } as c_uint)
    }

    pub(crate) fn extradata(&self) -> &[u8] {
        // SAFETY: valid; libavcodec keeps `extradata_size` bytes there, or null.
        unsafe {
            let raw = self.as_ptr();
            match usize::try_from((*raw).extradata_size) {
                Ok(len) if len > 0 && !(*raw).extradata.is_null() => std::slice::from_raw_parts((*raw).extradata, len),
                _ => &[],
            }
        }
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        let mut raw = self.as_ptr();
        // SAFETY: from avcodec_parameters_alloc, ours alone, freed only here.
        unsafe { ffi::avcodec_parameters_free(&mut raw) };
    }
}

/// What a demuxer says of one stream; `parameters` are its own or a bitstream filter's.
///
/// # Safety
/// `stream` is a stream of an open AVFormatContext that nobody else uses meanwhile.
pub(crate) unsafe fn describe(stream: *const ffi::AVStream, parameters: &Parameters) -> Track {
    let raw = parameters.as_ptr();
    // SAFETY: the stream by the caller's promise, the parameters by their type; plain numbers,
    // enums read as integers.
    unsafe {
        let positive = |value: c_int| u32::try_from(value).unwrap_or(0);
        let rational = |value: ffi::AVRational| Rational::new(positive(value.num), positive(value.den));
        let media_type = int_of!((*raw).codec_type);
        let attached = (*stream).disposition & ffi::AV_DISPOSITION_ATTACHED_PIC as c_int != 0;
        let kind = if media_type == ffi::AVMediaType::AVMEDIA_TYPE_VIDEO as c_int && !attached {
            let unknown = ffi::FF_PROFILE_UNKNOWN;
            let (profile, level) = ((*raw).profile, (*raw).level);
            Kind::Video(Video {
                size: Size::new(positive((*raw).width), positive((*raw).height)),
                pixel_format: Pixel::from_id((*raw).format).map(|pixel| pixel.name.to_owned()),
                frame_rate: rational((*stream).avg_frame_rate).or_else(|| rational((*stream).r_frame_rate)),
                sample_aspect: rational((*stream).sample_aspect_ratio).or_else(|| rational((*raw).sample_aspect_ratio)),
                full_range: full_range(int_of!((*raw).color_range)),
                rotation: rotation(stream),
                profile: (profile != unknown || level != unknown).then_some((profile, level)),
            })
        } else if media_type == ffi::AVMediaType::AVMEDIA_TYPE_AUDIO as c_int {
            Kind::Audio(Audio {
                sample_rate: positive((*raw).sample_rate),
                channels: u16::try_from((*raw).ch_layout.nb_channels).unwrap_or(0),
                block_align: positive((*raw).block_align),
            })
        } else {
            Kind::Data
        };
        Track {
            id: TrackId(u8::try_from((*stream).index).unwrap_or(u8::MAX)),
            codec: parameters.codec(),
            tag: (*raw).codec_tag,
            extradata: Bytes::copy_from_slice(parameters.extradata()),
            bits_per_sample: positive((*raw).bits_per_coded_sample),
            bit_rate: u64::try_from((*raw).bit_rate).unwrap_or(0),
            kind,
        }
    }
}

/// Degrees clockwise, to the nearest quarter turn, that the display matrix asks for.
///
/// # Safety
/// As for [`describe`].
unsafe fn rotation(stream: *const ffi::AVStream) -> u16 {
    const KIND: ffi::AVPacketSideDataType = ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX;
    // SAFETY: a valid stream; both answers are null or memory that belongs to the stream.
    let (matrix, size) = unsafe {
        #[cfg(ffmpeg_6_1)]
        {
            let parameters = (*stream).codecpar;
            let entry =
                ffi::av_packet_side_data_get((*parameters).coded_side_data, (*parameters).nb_coded_side_data, KIND);
            if entry.is_null() { (ptr::null(), 0) } else { ((*entry).data.cast_const(), (*entry).size) }
        }
        #[cfg(not(ffmpeg_6_1))]
        {
            let mut size = 0;
            (ffi::av_stream_get_side_data(stream, KIND, &mut size).cast_const(), size)
        }
    };
    if matrix.is_null() || size < 9 * size_of::<i32>() {
        return 0;
    }
    // SAFETY: nine integers as just checked, copied because a byte pointer promises no alignment.
    let matrix: [i32; 9] = unsafe { matrix.cast::<[i32; 9]>().read_unaligned() };
    // SAFETY: nine integers.
    let counterclockwise = unsafe { ffi::av_display_rotation_get(matrix.as_ptr()) };
    if counterclockwise.is_finite() { ((-counterclockwise / 90.0).round().rem_euclid(4.0) * 90.0) as u16 } else { 0 }
}

/// What the container says of the range of its values, if anything.
fn full_range(range: c_int) -> Option<bool> {
    match range {
        range if range == ffi::AVColorRange::AVCOL_RANGE_JPEG as c_int => Some(true),
        range if range == ffi::AVColorRange::AVCOL_RANGE_MPEG as c_int => Some(false),
        _ => None,
    }
}
