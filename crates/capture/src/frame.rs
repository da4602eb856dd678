//! What a capture gives: a picture, and all that is known of it.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use media::Size;

use crate::shape::{Shape, Shaper, room};
use crate::{Error, Format};

/// A frame. Cloning it copies no pixels.
///
/// Pixels are converted when they are asked for, on the thread that asks, so that a frame that
/// nobody looks at costs no conversion.
#[derive(Clone)]
pub struct Frame {
    inner: Arc<Inner>,
    dropped_before: u64,
}

/// What an engine knows of a frame.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) index: u64,
    pub(crate) pts: Duration,
    pub(crate) received: Instant,
    pub(crate) captured: Option<SystemTime>,
    pub(crate) key: bool,
    pub(crate) corrupt: bool,
    pub(crate) discontinuity: bool,
    /// What the source calls the picture's size.
    pub(crate) own: Size,
    /// Degrees clockwise by which the source wants it turned.
    pub(crate) rotation: u16,
}

struct Inner {
    facts: Facts,
    shape: Shape,
    picture: OnceLock<ffmpeg::Frame>,
    jpeg: Option<Bytes>,
    /// The picture is to be decoded when somebody wants to know of it.
    later: bool,
    /// Whether it is damaged, where it was decoded into somebody's memory.
    damage: OnceLock<bool>,
    /// Its pixels in rows without gaps, converted by the engine.
    ahead: Mutex<Option<(Format, Vec<u8>)>>,
    shaper: Arc<Shaper>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Who lets go by one does not want the next either.
        if let Some((_, memory)) = self.ahead.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            self.shaper.want(None);
            self.shaper.taken(memory.len());
            self.shaper.keep(memory);
        }
    }
}

impl Frame {
    /// Of a picture, a JPEG, or both.
    pub(crate) fn new(facts: Facts, picture: Option<ffmpeg::Frame>, jpeg: Option<Bytes>, shaper: &Arc<Shaper>) -> Self {
        let shape = shaper.shape(facts.own, facts.rotation);
        let picture = picture.map_or_else(OnceLock::new, OnceLock::from);
        let inner = Inner {
            facts,
            shape,
            picture,
            jpeg,
            later: false,
            damage: OnceLock::new(),
            ahead: Mutex::default(),
            shaper: Arc::clone(shaper),
        };
        Self { inner: Arc::new(inner), dropped_before: 0 }
    }

    /// Of a JPEG that is decoded when somebody wants its pixels, or to know whether it is damaged.
    pub(crate) fn undecoded(facts: Facts, jpeg: Bytes, shaper: &Arc<Shaper>) -> Self {
        let shape = shaper.shape(facts.own, facts.rotation);
        let shaper = Arc::clone(shaper);
        let inner = Inner {
            facts,
            shape,
            picture: OnceLock::new(),
            jpeg: Some(jpeg),
            later: true,
            damage: OnceLock::new(),
            ahead: Mutex::default(),
            shaper,
        };
        Self { inner: Arc::new(inner), dropped_before: 0 }
    }

    pub(crate) fn with_dropped(mut self, dropped_before: u64) -> Self {
        self.dropped_before = dropped_before;
        self
    }

    /// Its number: of a recording, from 0; of a live source, among all its pictures since the
    /// capture was opened, those left out included.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.inner.facts.index
    }

    /// When to show it, since the first frame. Always later than the frame before, over
    /// reconnects too; only a seek goes back.
    #[must_use]
    pub fn pts(&self) -> Duration {
        self.inner.facts.pts
    }

    /// When its last byte arrived here.
    #[must_use]
    pub fn received(&self) -> Instant {
        self.inner.facts.received
    }

    /// When the camera took it, by the camera's own clock, where the protocol tells.
    #[must_use]
    pub fn captured(&self) -> Option<SystemTime> {
        self.inner.facts.captured
    }

    /// It was coded without reference to others.
    #[must_use]
    pub fn key(&self) -> bool {
        self.inner.facts.key
    }

    /// How it was coded: `I` without reference to others, `P` and `B` with; FFmpeg's letters. `?`
    /// where that is not known.
    #[must_use]
    pub fn picture_type(&self) -> char {
        match (&self.inner.jpeg, self.inner.picture.get()) {
            (Some(_), _) => 'I',
            (None, Some(picture)) => picture.picture_type(),
            (None, None) => '?',
        }
    }

    /// The source or the decoder knows that it is damaged. A picture that was not decoded yet is,
    /// to know it.
    #[must_use]
    pub fn corrupt(&self) -> bool {
        let Inner { facts, later, damage, .. } = &*self.inner;
        let damaged = || match damage.get() {
            Some(damaged) => *damaged,
            None => self.picture().map_or(true, ffmpeg::Frame::corrupt),
        };
        facts.corrupt || (*later && damaged())
    }

    /// Something is missing before it, or changed: pictures were lost on their way, the source
    /// was opened again, or its size is another one.
    #[must_use]
    pub fn discontinuity(&self) -> bool {
        self.inner.facts.discontinuity
    }

    /// Pictures of the source that no reader got just before this one.
    #[must_use]
    pub fn dropped_before(&self) -> u64 {
        self.dropped_before
    }

    /// Pixels across and down of what the conversions give.
    #[must_use]
    pub fn size(&self) -> Size {
        self.inner.shape.size()
    }

    /// Pixels in a row.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.size().width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.size().height
    }

    /// The same frame in another size; one side may be 0 to follow the other. Copies no pixels,
    /// and converts none.
    ///
    /// # Errors
    /// [`crate::Kind::BadOption`] for a side above 8192, [`crate::Kind::Broken`] without memory.
    pub fn resized(&self, size: Size) -> Result<Self, Error> {
        let Inner { facts, shape, picture, jpeg, later, damage, shaper, .. } = &*self.inner;
        let shape = shaper.resized(*shape, size)?;
        let picture = match picture.get() {
            Some(picture) => OnceLock::from(shaper.again(picture)?),
            None => OnceLock::new(),
        };
        // Where it is decoded for the first size it may be too small for this one.
        if *later && picture.get().is_none() {
            self.picture()?;
            return self.resized(size);
        }
        let (facts, jpeg, shaper) = (facts.clone(), jpeg.clone(), Arc::clone(shaper));
        let inner = Inner {
            facts,
            shape,
            picture,
            jpeg,
            later: *later,
            damage: damage.clone(),
            ahead: Mutex::default(),
            shaper,
        };
        Ok(Self { inner: Arc::new(inner), dropped_before: self.dropped_before })
    }

    /// The format that [`crate::Options::format`] asks for.
    #[must_use]
    pub fn format(&self) -> Format {
        self.inner.shaper.format
    }

    /// The picture as it was decoded: in the decoder's format, neither cut nor turned. Of a JPEG
    /// it has the pixels that were asked for, and may be smaller where a smaller size was.
    ///
    /// # Errors
    /// [`crate::Kind::Broken`] when it has to be decoded first and cannot be.
    pub fn picture(&self) -> Result<&ffmpeg::Frame, Error> {
        if let Some(picture) = self.inner.picture.get() {
            return Ok(picture);
        }
        let Inner { facts, jpeg, later, shaper, .. } = &*self.inner;
        let jpeg = jpeg.clone().unwrap_or_default();
        let decoded = if *later { shaper.decode_as_wanted(&jpeg, facts.own)? } else { shaper.decode(&jpeg)? };
        if *later {
            self.found(decoded.corrupt());
        }
        Ok(self.inner.picture.get_or_init(|| decoded))
    }

    /// Takes note of what decoding has shown, once.
    fn found(&self, damaged: bool) {
        let count = || self.inner.shaper.damaged.fetch_add(u64::from(damaged), Ordering::Relaxed);
        self.inner.damage.get_or_init(|| {
            count();
            damaged
        });
    }

    /// Decodes a JPEG that waits for it straight into `out`, if that is all there is to do.
    /// Who asks again gets a picture that is kept.
    fn decode_into(&self, format: Format, out: &mut [u8], stride: usize) -> bool {
        let Inner { facts, shape, picture, jpeg, later, damage, shaper, .. } = &*self.inner;
        if !*later || picture.get().is_some() || damage.get().is_some() || !shape.leaves(facts.own) {
            return false;
        }
        let damaged = jpeg.as_ref().and_then(|jpeg| shaper.decode_into(jpeg, facts.own, format, out, stride));
        damaged.map(|damaged| self.found(damaged)).is_some()
    }

    /// The picture as it is wanted, in `format`; the decoder's own memory where it is that
    /// already. [`Format::Jpeg`] gives the planes of a JPEG.
    ///
    /// # Errors
    /// [`crate::Kind::BadOption`] when [`crate::Options::crop`] reaches beyond the picture,
    /// [`crate::Kind::Unsupported`], [`crate::Kind::Broken`].
    pub fn converted(&self, format: Format) -> Result<ffmpeg::Frame, Error> {
        self.inner.shaper.convert(self.picture()?, self.inner.shape, format)
    }

    /// The picture as it is wanted, in `format`, written into `out`, in which rows begin `stride`
    /// bytes from each other. The planes of [`Format::Yuv420p`] follow each other, those of colour
    /// with half the stride.
    ///
    /// # Errors
    /// As [`Frame::converted`]; [`crate::Kind::BadOption`] where `out` is too small.
    pub fn write(&self, format: Format, out: &mut [u8], stride: usize) -> Result<(), Error> {
        if self.decode_into(format, out, stride) {
            return Ok(());
        }
        self.inner.shaper.write(self.picture()?, self.inner.shape, format, out, stride)
    }

    /// Bytes that [`Frame::write`] needs for rows without gaps; 0 for [`Format::Jpeg`].
    #[must_use]
    pub fn bytes(&self, format: Format) -> usize {
        let size = self.size();
        let stride = if format == Format::Yuv420p { 1 } else { format.pixel_bytes() } * size.width as usize;
        room(size, format, stride).map_or(0, |(_, needed)| needed)
    }

    /// [`Frame::write`] with rows without gaps into `memory`, which gets as many bytes as that takes
    /// and may be exchanged for other memory. Of a recording whose reader is slow and has done this
    /// before, pixels may have been converted on the thread that decodes; then it costs nothing.
    ///
    /// # Errors
    /// As [`Frame::write`].
    pub fn fill(&self, format: Format, memory: &mut Vec<u8>) -> Result<(), Error> {
        let ahead = self.ahead().take_if(|(of, _)| *of == format);
        if let Some((_, ahead)) = ahead {
            self.inner.shaper.taken(ahead.len());
            self.inner.shaper.keep(std::mem::replace(memory, ahead));
            return Ok(());
        }
        memory.resize(self.bytes(format), 0);
        self.write(format, memory, format.pixel_bytes().max(1) * self.width() as usize)?;
        // From the next one on.
        self.inner.shaper.want((format.pixel_bytes() > 0).then_some(format));
        Ok(())
    }

    /// Converts it as readers have wanted those before.
    pub(crate) fn convert_ahead(&self) {
        let shaper = &self.inner.shaper;
        let Some(format) = shaper.wanted() else { return };
        let Some(mut memory) = shaper.memory(self.bytes(format)) else { return };
        // What is wrong the reader finds, who asks for it in vain here.
        if self.write(format, &mut memory, format.pixel_bytes() * self.width() as usize).is_ok() {
            *self.ahead() = Some((format, memory));
        } else {
            shaper.taken(memory.len());
        }
    }

    fn ahead(&self) -> MutexGuard<'_, Option<(Format, Vec<u8>)>> {
        self.inner.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The picture as [`Format::Bgr24`] in rows without gaps.
    ///
    /// # Errors
    /// As [`Frame::write`].
    pub fn bgr_into(&self, out: &mut [u8]) -> Result<(), Error> {
        self.write(Format::Bgr24, out, 3 * self.width() as usize)
    }

    /// The picture as [`Format::Bgr24`] in rows without gaps.
    ///
    /// # Errors
    /// As [`Frame::converted`].
    pub fn bgr(&self) -> Result<Vec<u8>, Error> {
        let mut pixels = Vec::new();
        self.fill(Format::Bgr24, &mut pixels)?;
        Ok(pixels)
    }

    /// The source's own bytes, if it sends JPEG: neither cut, scaled nor turned.
    #[must_use]
    pub fn jpeg(&self) -> Option<&Bytes> {
        self.inner.jpeg.as_ref()
    }

    /// Whether [`Frame::jpeg`] is the picture as it is wanted: nothing is cut, scaled or turned.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.inner.shape.leaves(self.inner.facts.own)
    }

    /// A JPEG of the picture as it is wanted. `quality` is from 1 to 100 on libjpeg's scale.
    ///
    /// # Errors
    /// As [`Frame::converted`]; [`crate::Kind::BadOption`] for another quality.
    pub fn encode_jpeg(&self, quality: u8) -> Result<Bytes, Error> {
        self.inner.shaper.encode(self.picture()?, self.inner.shape, quality)
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} {} {:?})", self.index(), self.size(), self.pts())
    }
}
