//! Sound from one codec to another.
//!
//! One object does all of it: decode, bring to the encoder's rate, channels and kind of
//! samples, cut into the encoder's frames, encode. Times follow the samples, so that they
//! are even however the packets come; where they and the source part company (a gap), they
//! begin anew at the source's.

mod encoder;

use std::collections::VecDeque;
use std::ffi::c_int;
use std::ptr::{self, NonNull};
use std::time::Duration;

use bytes::Bytes;
use media::{AudioCoding, Codec, Timestamp, Track};

use self::encoder::Encoder;
use crate::decoder::{Decoder, DecoderOptions};
use crate::error::{Error, check};
use crate::frame::Frame;
use crate::{abi, ffi, int_of, log};

/// Most by which times may be off before they begin anew.
const TOLERANCE: Duration = Duration::from_millis(150);
/// Most samples of a channel in a frame, or between decoder and encoder: six seconds at 44.1 kHz.
const MOST_SAMPLES: c_int = 1 << 18;

/// A packet of sound.
#[derive(Clone, Debug)]
pub struct Sound {
    /// Its bytes; never empty.
    pub data: Bytes,
    /// When to play it, on the line of the times given.
    pub pts: Timestamp,
    /// How long it is.
    pub duration: Duration,
}

/// A decoder of sound with an encoder behind it. Frees itself.
pub struct SoundCoder {
    decoder: Decoder,
    codec: Codec,
    coding: AudioCoding,
    /// Made for the first frame, and anew when frames become others.
    chain: Option<Chain>,
    made: VecDeque<Sound>,
}

impl SoundCoder {
    /// From packets of `track` to `codec`, as `coding` says.
    ///
    /// # Errors
    /// [`Error::DecoderNotFound`], [`Error::EncoderNotFound`], what the decoder says.
    pub fn new(track: &Track, codec: Codec, coding: AudioCoding) -> Result<Self, Error> {
        let decoder = Decoder::new(track, &DecoderOptions { threads: 1, low_delay: false })?;
        Encoder::find(codec)?;
        Ok(Self { decoder, codec, coding, chain: None, made: VecDeque::new() })
    }

    /// The track of the packets that it makes; nothing before the first.
    #[must_use]
    pub fn track(&self) -> Option<Track> {
        self.chain.as_ref().map(|chain| chain.encoder.track())
    }

    /// Takes a packet.
    ///
    /// # Errors
    /// [`Error::InvalidData`] when it cannot be decoded (go on with the next one), what the
    /// encoder says.
    pub fn push(&mut self, data: &Bytes, pts: Timestamp) -> Result<(), Error> {
        self.decoder.send(data, pts, true)?;
        self.decoded(pts)
    }

    /// Makes packets of all that is held back, at the end; nothing may be pushed after that.
    ///
    /// # Errors
    /// What the decoder or the encoder says; what was made before can be polled.
    pub fn drain(&mut self) -> Result<(), Error> {
        self.decoder.drain()?;
        let pts = self.chain.as_ref().and_then(Chain::next).unwrap_or_default();
        self.decoded(pts)?;
        let Some(chain) = &mut self.chain else { return Ok(()) };
        let drained = chain.drain();
        self.made.append(&mut chain.made);
        drained
    }

    fn decoded(&mut self, pts: Timestamp) -> Result<(), Error> {
        while let Some(frame) = self.decoder.receive()? {
            let shape = Shape::of(&frame)?;
            if self.chain.as_ref().is_none_or(|chain| chain.of != shape) {
                self.chain = Some(Chain::new(shape, self.codec, &self.coding)?);
            }
            let Some(chain) = &mut self.chain else { return Ok(()) };
            chain.take(&frame, frame.pts().unwrap_or(pts))?;
            self.made.append(&mut chain.made);
        }
        Ok(())
    }

    /// The next packet that is ready.
    #[must_use]
    pub fn poll(&mut self) -> Option<Sound> {
        self.made.pop_front()
    }
}

/// What frames are like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Shape {
    format: c_int,
    rate: c_int,
    channels: c_int,
}

impl Shape {
    fn of(frame: &Frame) -> Result<Self, Error> {
        let raw = frame.as_ptr();
        // SAFETY: a valid frame; plain integers.
        let (shape, samples) = unsafe {
            let shape = Self {
                format: (*raw).format,
                rate: (*raw).sample_rate,
                channels: int_of!((*raw).ch_layout.nb_channels),
            };
            (shape, (*raw).nb_samples)
        };
        let fits = (1..=64).contains(&shape.channels)
            && (1000..=768_000).contains(&shape.rate)
            && (0..=MOST_SAMPLES).contains(&samples);
        match fits {
            true => Ok(shape),
            false => Err(Error::InvalidData { call: "sound", detail: Some(format!("{shape:?}, {samples} samples")) }),
        }
    }
}

/// From frames of one shape to packets.
struct Chain {
    of: Shape,
    resampler: Resampler,
    fifo: Fifo,
    encoder: Encoder,
    /// When the first sample was, and how many were encoded since.
    clock: Option<(Timestamp, u64)>,
    made: VecDeque<Sound>,
}

impl Chain {
    fn new(of: Shape, codec: Codec, coding: &AudioCoding) -> Result<Self, Error> {
        log::begin();
        let encoder = Encoder::new(codec, coding, of.rate, of.channels)?;
        let resampler = Resampler::new(of, encoder.shape())?;
        let fifo = Fifo::new(encoder.shape())?;
        Ok(Self { of, resampler, fifo, encoder, clock: None, made: VecDeque::new() })
    }

    fn take(&mut self, frame: &Frame, pts: Timestamp) -> Result<(), Error> {
        let rate = self.encoder.shape().rate;
        let waiting = span(self.fifo.len().try_into().unwrap_or(0), rate);
        match self.clock {
            Some((start, encoded)) => {
                let expected = start + span(encoded, rate) + waiting;
                let off = expected.saturating_since(pts).max(pts.saturating_since(expected));
                if off > TOLERANCE {
                    self.fifo.clear();
                    self.clock = Some((pts, 0));
                }
            }
            None => self.clock = Some((pts, 0)),
        }
        let converted = self.resampler.convert(frame)?;
        self.fifo.put(&converted)?;
        while self.fifo.len() >= self.encoder.frame_size() {
            self.encode(self.encoder.frame_size())?;
        }
        Ok(())
    }

    /// When what is taken next is, if it follows what was taken.
    fn next(&self) -> Option<Timestamp> {
        let (start, encoded) = self.clock?;
        let waiting = u64::try_from(self.fifo.len()).unwrap_or(0);
        Some(start + span(encoded + waiting, self.encoder.shape().rate))
    }

    /// The last frame, which may be a short one, and what the encoder holds back.
    fn drain(&mut self) -> Result<(), Error> {
        let left = self.fifo.len();
        if left > 0 {
            self.encode(left)?;
        }
        let at = self.ticks();
        let drained = self.encoder.drain(at)?;
        self.give(drained);
        Ok(())
    }

    fn encode(&mut self, samples: c_int) -> Result<(), Error> {
        let frame = self.fifo.get(self.encoder.shape(), samples)?;
        let at = self.ticks();
        if let Some((_, encoded)) = &mut self.clock {
            *encoded += u64::try_from(samples).unwrap_or(0);
        }
        let encoded = self.encoder.encode(&frame, at)?;
        self.give(encoded);
        Ok(())
    }

    /// When the next frame is, by the encoder's clock, which counts samples.
    fn ticks(&self) -> i64 {
        let rate = self.encoder.shape().rate;
        let (start, encoded) = self.clock.unwrap_or_default();
        (start + span(encoded, rate)).to_ticks(1, u32::try_from(rate).unwrap_or(1))
    }

    /// What the encoder gives may lie before what it was given.
    fn give(&mut self, encoded: Vec<(Bytes, i64, u64)>) {
        let rate = self.encoder.shape().rate;
        for (data, ticks, samples) in encoded {
            let pts = Timestamp::from_ticks(ticks, 1, u32::try_from(rate).unwrap_or(1));
            self.made.push_back(Sound { data, pts, duration: span(samples, rate) });
        }
    }
}

/// How long so many samples are.
fn span(samples: u64, rate: c_int) -> Duration {
    let rate = u64::try_from(rate).unwrap_or(1).max(1);
    Duration::from_secs(samples / rate) + Duration::from_nanos(samples % rate * 1_000_000_000 / rate)
}

/// A frame for so many samples. Its memory is its own.
fn room(shape: Shape, samples: c_int) -> Result<Frame, Error> {
    let frame = Frame::empty()?;
    let raw = frame.as_ptr();
    // SAFETY: an empty frame of ours; plain values, then memory for them.
    unsafe {
        (*raw).format = shape.format;
        (*raw).sample_rate = shape.rate;
        (*raw).nb_samples = samples;
        ffi::av_channel_layout_default(&raw mut (*raw).ch_layout, shape.channels);
        check("av_frame_get_buffer", ffi::av_frame_get_buffer(raw, 0))?;
    }
    Ok(frame)
}

/// An SwrContext. Frees itself.
struct Resampler {
    context: NonNull<ffi::SwrContext>,
    to: Shape,
}

// SAFETY: plain memory, used by its owner alone.
unsafe impl Send for Resampler {}

impl Resampler {
    fn new(from: Shape, to: Shape) -> Result<Self, Error> {
        let mut raw = ptr::null_mut();
        // SAFETY: layouts of order "native" or "unspecified" own no memory, so nothing leaks;
        // they are copied. On success the context is ours.
        unsafe {
            let mut layouts: [ffi::AVChannelLayout; 2] = std::mem::zeroed();
            ffi::av_channel_layout_default(&raw mut layouts[0], to.channels);
            ffi::av_channel_layout_default(&raw mut layouts[1], from.channels);
            let rc = abi::swr_alloc_set_opts2(
                &mut raw,
                &layouts[0],
                to.format,
                to.rate,
                &layouts[1],
                from.format,
                from.rate,
                0,
                ptr::null_mut(),
            );
            check("swr_alloc_set_opts2", rc)?;
        }
        let made = Self { context: NonNull::new(raw).ok_or(Error::NoMemory)?, to };
        // SAFETY: our context.
        check("swr_init", unsafe { ffi::swr_init(made.context.as_ptr()) })?;
        Ok(made)
    }

    fn convert(&mut self, frame: &Frame) -> Result<Frame, Error> {
        let given = frame.as_ptr();
        // SAFETY: our initialised context, a valid frame of the shape it was made for (its owner
        // sees to that), and room for as many samples as it says there may be.
        unsafe {
            let most = ffi::swr_get_out_samples(self.context.as_ptr(), (*given).nb_samples);
            let most = check("swr_get_out_samples", most)?.clamp(1, 4 * MOST_SAMPLES);
            let out = room(self.to, most)?;
            let got = abi::swr_convert(
                self.context.as_ptr(),
                (*out.as_ptr()).extended_data,
                most,
                (*given).extended_data.cast::<*const u8>(),
                (*given).nb_samples,
            );
            (*out.as_ptr()).nb_samples = check("swr_convert", got)?;
            Ok(out)
        }
    }
}

impl Drop for Resampler {
    fn drop(&mut self) {
        let mut raw = self.context.as_ptr();
        // SAFETY: from swr_alloc_set_opts2, ours alone, freed only here.
        unsafe { ffi::swr_free(&mut raw) };
    }
}

/// An AVAudioFifo. Frees itself.
struct Fifo(NonNull<ffi::AVAudioFifo>);

// SAFETY: plain memory, used by its owner alone.
unsafe impl Send for Fifo {}

impl Fifo {
    fn new(of: Shape) -> Result<Self, Error> {
        // SAFETY: allocates; null is looked for.
        let raw = unsafe { abi::av_audio_fifo_alloc(of.format, of.channels, 4096) };
        NonNull::new(raw).map(Self).ok_or(Error::NoMemory)
    }

    fn len(&self) -> c_int {
        // SAFETY: our fifo.
        unsafe { ffi::av_audio_fifo_size(self.0.as_ptr()) }
    }

    fn clear(&mut self) {
        // SAFETY: our fifo.
        unsafe { ffi::av_audio_fifo_reset(self.0.as_ptr()) };
    }

    fn put(&mut self, frame: &Frame) -> Result<(), Error> {
        let raw = frame.as_ptr();
        // SAFETY: our fifo, and a frame of the shape it was made for.
        let rc = unsafe { abi::av_audio_fifo_write(self.0.as_ptr(), (*raw).extended_data.cast(), (*raw).nb_samples) };
        check("av_audio_fifo_write", rc).map(drop)
    }

    fn get(&mut self, shape: Shape, samples: c_int) -> Result<Frame, Error> {
        let out = room(shape, samples)?;
        // SAFETY: our fifo, and a frame of its shape with room for so many samples.
        let rc = unsafe { abi::av_audio_fifo_read(self.0.as_ptr(), (*out.as_ptr()).extended_data.cast(), samples) };
        check("av_audio_fifo_read", rc)?;
        Ok(out)
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        // SAFETY: from av_audio_fifo_alloc, ours alone, freed only here.
        unsafe { ffi::av_audio_fifo_free(self.0.as_ptr()) };
    }
}
