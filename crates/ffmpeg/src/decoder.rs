//! From packets to pictures.

use std::collections::VecDeque;
use std::ffi::c_int;
use std::ptr::{self, NonNull};

use bytes::Bytes;
use media::{Timestamp, Track};

use crate::error::{Error, check};
use crate::frame::Frame;
use crate::packet::Packet;
use crate::track::{self, Parameters};
use crate::{ffi, log, pool};

/// How a decoder works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecoderOptions {
    /// Threads to decode with; 0 for one per processor. More than one without `low_delay`
    /// decodes several pictures at once, which delays each by as many pictures.
    pub threads: u8,
    /// Give each picture as soon as its packet is in: several threads only share one
    /// picture, and pictures are not held back for reordering unless the stream says that
    /// it reorders.
    pub low_delay: bool,
}

/// For live pictures: one thread, no delay.
impl Default for DecoderOptions {
    fn default() -> Self {
        Self { threads: 1, low_delay: true }
    }
}

/// Which pictures a decoder may leave out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Skip {
    /// None.
    #[default]
    None,
    /// Those that no other picture refers to: harmless for the rest.
    NonRef,
    /// All but keyframes. After it, wait for a keyframe.
    NonKey,
}

/// A decoder of one track. Frees itself.
pub struct Decoder {
    context: NonNull<ffi::AVCodecContext>,
    /// Pictures that had to make room for a packet.
    ready: VecDeque<Frame>,
}

// SAFETY: an AVCodecContext is not tied to the thread that opened it, only to one thread at
// a time, which `&mut self` sees to; its own threads are inside of it. The log context it
// carries is only read.
unsafe impl Send for Decoder {}

impl Decoder {
    /// A decoder of `track`.
    ///
    /// # Errors
    /// [`Error::DecoderNotFound`], or what the codec says about the track's extradata.
    pub fn new(track: &Track, options: &DecoderOptions) -> Result<Self, Error> {
        log::begin();
        let missing = || Error::DecoderNotFound { codec: track.codec };
        let codec = track::codec_id(track.codec).and_then(track::find_decoder).ok_or_else(missing)?;
        let parameters = Parameters::of(track)?;
        // SAFETY: a codec of the library's table; null is looked for.
        let context = unsafe { ffi::avcodec_alloc_context3(codec.as_ptr()) };
        let decoder = Self { context: NonNull::new(context).ok_or(Error::NoMemory)?, ready: VecDeque::new() };
        // SAFETY: a fresh context that is ours alone, set up with plain values before it is opened.
        unsafe {
            check("avcodec_parameters_to_context", ffi::avcodec_parameters_to_context(context, parameters.as_ptr()))?;
            (*context).pkt_timebase = ffi::AVRational { num: 1, den: 1_000_000_000 };
            (*context).thread_count = options.threads.into();
            (*context).thread_type = match options.low_delay {
                true => ffi::FF_THREAD_SLICE as c_int,
                false => (ffi::FF_THREAD_SLICE | ffi::FF_THREAD_FRAME) as c_int,
            };
            // A damaged or hostile header may claim any size.
            (*context).max_pixels = i64::from(pool::MAX_SIDE) * i64::from(pool::MAX_SIDE) / 2;
            if options.low_delay && !reorders(track) {
                (*context).flags |= ffi::AV_CODEC_FLAG_LOW_DELAY as c_int;
            }
            check("avcodec_open2", ffi::avcodec_open2(context, codec.as_ptr(), ptr::null_mut()))?;
        }
        Ok(decoder)
    }

    /// Leaves out pictures from the next packet on.
    pub fn skip(&mut self, skip: Skip) {
        // SAFETY: our context; libavcodec looks at the field when it takes a packet.
        unsafe { (*self.context.as_ptr()).skip_frame = discard(skip) };
    }

    /// Leaves out the deblocking of pictures: faster, and a little worse.
    pub fn skip_loop_filter(&mut self, skip: Skip) {
        // SAFETY: as in `skip`.
        unsafe { (*self.context.as_ptr()).skip_loop_filter = discard(skip) };
    }

    /// Gives it one access unit. An empty one is no access unit and is left out.
    ///
    /// # Errors
    /// [`Error::InvalidData`] when it cannot be decoded; the next one may be given all the same.
    pub fn send(&mut self, data: &Bytes, pts: Timestamp, key: bool) -> Result<(), Error> {
        self.send_at(data, Some(pts), None, key)
    }

    /// The same with the times that a container gave: where it gave none to show it at, the
    /// picture's is guessed from those to decode at, if there are any.
    ///
    /// # Errors
    /// As [`Decoder::send`].
    pub fn send_at(
        &mut self,
        data: &Bytes,
        pts: Option<Timestamp>,
        dts: Option<Timestamp>,
        key: bool,
    ) -> Result<(), Error> {
        if data.is_empty() {
            return Ok(());
        }
        log::begin();
        let packet = Packet::copy_of(data)?;
        // SAFETY: a valid packet that is ours alone.
        unsafe {
            (*packet.as_ptr()).pts = pts.map_or(ffi::AV_NOPTS_VALUE, Timestamp::as_nanos);
            (*packet.as_ptr()).dts = dts.map_or(ffi::AV_NOPTS_VALUE, Timestamp::as_nanos);
            (*packet.as_ptr()).flags = if key { ffi::AV_PKT_FLAG_KEY as c_int } else { 0 };
        }
        self.send_packet(packet.as_ptr())
    }

    fn send_packet(&mut self, packet: *const ffi::AVPacket) -> Result<(), Error> {
        loop {
            // SAFETY: our open context; a valid packet that libavcodec takes a reference of, or
            // null for the end.
            match unsafe { ffi::avcodec_send_packet(self.context.as_ptr(), packet) } {
                // The decoder holds pictures back until they are taken.
                rc if rc == ffi::AVERROR(libc::EAGAIN) => match self.receive_now()? {
                    Some(frame) => self.ready.push_back(frame),
                    None => return Err(Error::from_code("avcodec_send_packet", rc)),
                },
                rc => return check("avcodec_send_packet", rc).map(drop),
            }
        }
    }

    /// The next picture, in the order to show them; `None` when it needs more packets, and
    /// after [`Decoder::drain`] when there are no more.
    ///
    /// # Errors
    /// [`Error::InvalidData`] when a packet could not be decoded; go on with the next one.
    pub fn receive(&mut self) -> Result<Option<Frame>, Error> {
        match self.ready.pop_front() {
            Some(frame) => Ok(Some(frame)),
            None => self.receive_now(),
        }
    }

    fn receive_now(&mut self) -> Result<Option<Frame>, Error> {
        let frame = Frame::empty()?;
        // SAFETY: our open context and a valid frame, which it empties before it fills it.
        match unsafe { ffi::avcodec_receive_frame(self.context.as_ptr(), frame.as_ptr()) } {
            rc if rc == ffi::AVERROR(libc::EAGAIN) || rc == ffi::AVERROR_EOF => Ok(None),
            rc => check("avcodec_receive_frame", rc).map(|_| Some(frame)),
        }
    }

    /// Says that no packets follow: [`Decoder::receive`] gives what is left. To go on
    /// afterwards, [`Decoder::flush`] first.
    ///
    /// # Errors
    /// As [`Decoder::send`].
    pub fn drain(&mut self) -> Result<(), Error> {
        match self.send_packet(ptr::null()) {
            // Told before.
            Err(Error::InvalidData { .. }) => Ok(()),
            result => result,
        }
    }

    /// Forgets all pictures, as after a jump: go on with a keyframe.
    pub fn flush(&mut self) {
        self.ready.clear();
        // SAFETY: our open context.
        unsafe { ffi::avcodec_flush_buffers(self.context.as_ptr()) };
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: from avcodec_alloc_context3, ours alone, freed only here.
        unsafe { ffi::avcodec_free_context(&mut context) };
    }
}

fn discard(skip: Skip) -> ffi::AVDiscard {
    match skip {
        Skip::None => ffi::AVDiscard::AVDISCARD_DEFAULT,
        Skip::NonRef => ffi::AVDiscard::AVDISCARD_NONREF,
        Skip::NonKey => ffi::AVDiscard::AVDISCARD_NONKEY,
    }
}

/// Whether pictures of that codec may come in another order than they are shown in although
/// LOW_DELAY is set. For these the flag would not hurry pictures but swap them.
fn reorders(track: &Track) -> bool {
    !matches!(
        track.codec.name(),
        "mjpeg" | "rawvideo" | "wmv1" | "wmv2" | "msmpeg4v1" | "msmpeg4v2" | "msmpeg4v3" | "h263" | "vp8"
    )
}
