//! H.264 and H.265 from the length-prefixed form of MP4 to Annex B.

use std::ffi::CStr;
use std::ptr::{self, NonNull};

use bytes::Bytes;
use media::Codec;

use crate::error::{Error, check};
use crate::ffi;
use crate::packet::Packet;
use crate::track::Parameters;

/// An AVBSFContext that makes Annex B. Frees itself.
pub(crate) struct AnnexB(NonNull<ffi::AVBSFContext>);

// SAFETY: a filter's state is plain memory, and only its owner calls into it.
unsafe impl Send for AnnexB {}

impl AnnexB {
    /// The filter that packets of these parameters need, if they need one: those whose
    /// extradata is an avcC or hvcC record, which begins with the version 1 (hvcC also 0,
    /// in old files), where Annex B begins with a start code.
    pub(crate) fn wanted(parameters: &Parameters, time_base: ffi::AVRational) -> Result<Option<Self>, Error> {
        let name = match parameters.codec() {
            Codec::H264 => c"h264_mp4toannexb",
            Codec::HEVC => c"hevc_mp4toannexb",
            _ => return Ok(None),
        };
        match parameters.extradata() {
            [] | [0, 0, 1, ..] | [0, 0, 0, 1, ..] => Ok(None),
            _ => Self::new(name, parameters, time_base).map(Some),
        }
    }

    fn new(name: &CStr, parameters: &Parameters, time_base: ffi::AVRational) -> Result<Self, Error> {
        let mut context = ptr::null_mut();
        // SAFETY: a zero-terminated name; the answer is null or lives for ever, and with it
        // av_bsf_alloc makes a context of our own or says why not.
        unsafe {
            let filter = ffi::av_bsf_get_by_name(name.as_ptr());
            if filter.is_null() {
                return Err(Error::from_code("av_bsf_get_by_name", ffi::AVERROR_BSF_NOT_FOUND));
            }
            check("av_bsf_alloc", ffi::av_bsf_alloc(filter, &mut context))?;
        }
        let context = Self(NonNull::new(context).ok_or(Error::NoMemory)?);
        // SAFETY: a fresh context whose parameters are there to be filled before av_bsf_init.
        unsafe {
            let raw = context.0.as_ptr();
            check("avcodec_parameters_copy", ffi::avcodec_parameters_copy((*raw).par_in, parameters.as_ptr()))?;
            (*raw).time_base_in = time_base;
            check("av_bsf_init", ffi::av_bsf_init(raw))?;
        }
        Ok(context)
    }

    /// The parameters of what comes out: extradata in Annex B as well.
    pub(crate) fn parameters(&self) -> Result<Parameters, Error> {
        // SAFETY: an initialised context has them, and keeps them.
        unsafe { Parameters::copy_of((*self.0.as_ptr()).par_out) }
    }

    /// Rewrites `packet`; `None` when nothing is left of it.
    pub(crate) fn filter(&mut self, packet: Packet) -> Result<Option<Packet>, Error> {
        let out = Packet::new()?;
        // SAFETY: valid context and packets. On success the filter takes the contents of
        // `packet`; both filters give one packet for each, so that the queue is empty again
        // after the call, and after a failure it is emptied by the flush.
        unsafe {
            let raw = self.0.as_ptr();
            check("av_bsf_send_packet", ffi::av_bsf_send_packet(raw, packet.as_ptr()))?;
            match ffi::av_bsf_receive_packet(raw, out.as_ptr()) {
                rc if rc == ffi::AVERROR(libc::EAGAIN) || rc == ffi::AVERROR_EOF => Ok(None),
                rc if rc < 0 => {
                    ffi::av_bsf_flush(raw);
                    Err(Error::from_code("av_bsf_receive_packet", rc))
                }
                _ => Ok(Some(out)),
            }
        }
    }
}

/// The parameter sets that lie in a keyframe, in its own form; nothing where there are none.
pub(crate) fn parameters_in(parameters: &Parameters, keyframe: &[u8]) -> Result<Option<Bytes>, Error> {
    let mut filter = AnnexB::new(c"extract_extradata", parameters, ffi::AVRational { num: 1, den: 1000 })?;
    let out = filter.filter(Packet::copy_of(keyframe)?)?;
    let found = out.as_ref().and_then(|out| out.side_data(ffi::AVPacketSideDataType::AV_PKT_DATA_NEW_EXTRADATA));
    Ok(found.map(Bytes::copy_from_slice))
}

impl Drop for AnnexB {
    fn drop(&mut self) {
        let mut context = self.0.as_ptr();
        // SAFETY: from av_bsf_alloc, ours alone, freed only here.
        unsafe { ffi::av_bsf_free(&mut context) };
    }
}
