//! What a capture is to do.

use std::time::Duration;

use media::Size;

/// A choice that may be left to the capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Auto<T> {
    /// As the kind of source wants it.
    #[default]
    Auto,
    /// So and not otherwise.
    Is(T),
}

impl<T: Copy> Auto<T> {
    /// The choice, or `auto` where there is none.
    pub fn unwrap_or(self, auto: T) -> T {
        match self {
            Self::Auto => auto,
            Self::Is(choice) => choice,
        }
    }
}

impl<T> From<T> for Auto<T> {
    fn from(choice: T) -> Self {
        Self::Is(choice)
    }
}

/// How pixels lie in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Format {
    /// Blue, green, red, a byte each: OpenCV's.
    #[default]
    Bgr24,
    /// Red, green, blue.
    Rgb24,
    /// Blue, green, red, 255.
    Bgra,
    /// Red, green, blue, 255.
    Rgba,
    /// Brightness alone.
    Gray8,
    /// The plane of brightness as it is coded, usually from 16 to 235.
    Luma8,
    /// A plane of brightness, and two of colour of half its width and height.
    Yuv420p,
    /// JPEG: the source's own bytes where it sends JPEG, which are not even decoded unless
    /// somebody asks for pixels.
    Jpeg,
}

impl Format {
    /// FFmpeg's name of what it is made of; `mjpeg` for JPEG.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bgr24 => "bgr24",
            Self::Rgb24 => "rgb24",
            Self::Bgra => "bgra",
            Self::Rgba => "rgba",
            Self::Gray8 => "gray",
            Self::Luma8 | Self::Yuv420p => "yuv420p",
            Self::Jpeg => "mjpeg",
        }
    }

    /// Bytes of a pixel, of formats of one plane; 0 for the others.
    #[must_use]
    pub const fn pixel_bytes(self) -> usize {
        match self {
            Self::Bgr24 | Self::Rgb24 => 3,
            Self::Bgra | Self::Rgba => 4,
            Self::Gray8 | Self::Luma8 => 1,
            Self::Yuv420p | Self::Jpeg => 0,
        }
    }
}

/// A part of a picture, in pixels of the source's own size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Crop {
    /// From the left edge.
    pub left: u32,
    /// From the upper edge.
    pub top: u32,
    /// How much of it.
    pub size: Size,
}

/// Which frames are given at all.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Every {
    /// The first one, and from there on each `n`th.
    Nth(u32),
    /// At most so many a second of the source's time.
    Rate(f64),
}

/// Which frames the decoder may leave out: faster than leaving out what it has decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Skip {
    /// None.
    #[default]
    None,
    /// Those that no other frame refers to.
    NonRef,
    /// All but keyframes.
    NonKey,
}

/// What becomes of frames that are known to be damaged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Corrupt {
    /// They are given, marked.
    #[default]
    Keep,
    /// They are left out and counted.
    Drop,
}

/// Which matrix makes red, green and blue of video's colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Colors {
    /// BT.601 for every source, as OpenCV does: pixels equal those of `cv2.VideoCapture`, which
    /// programs and models were made with. Pictures that declare BT.709 come out a little off in
    /// green and red.
    #[default]
    OpenCv,
    /// The one that the source declares, BT.601 where it declares none: as players show it.
    Declared,
}

/// How a capture is opened, and what it gives. Every setter has a field of its name.
///
/// ```
/// use std::time::Duration;
/// use capture::{Format, Options};
/// let options = Options::new().timeout(Duration::from_secs(5)).latest(true).size(640, 0).format(Format::Gray8);
/// assert_eq!(options.read_timeout, Some(Duration::from_secs(5)));
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// How the source is opened: transport, choice of streams, options of libavformat. Its
    /// time-outs are set from those below.
    pub source: source::Options,
    /// Longest wait for the first frame, from the call on; for ever where there is none.
    pub open_timeout: Option<Duration>,
    /// Longest wait from one frame to the next; for ever where there is none.
    pub read_timeout: Option<Duration>,
    /// Give the newest frame and leave out older ones that were not taken. Auto: yes for live
    /// sources, no for recordings. A recording whose newest frame is wanted plays in real time.
    ///
    /// Off, each frame is given once and in order. A sender over HTTP, Windows Media over TCP or
    /// another TCP connection waits for the reader, and none of its frames is lost. RTSP,
    /// datagrams and webcams cannot wait: 24 MiB of packets are kept for the reader
    /// ([`feed::Limits::bytes`] of [`Options::source`]), then it goes on at the newest keyframe
    /// and [`crate::Frame::dropped_before`] tells how many are missing.
    pub latest: Auto<bool>,
    /// Frames that are decoded ahead where `latest` is off. 0: one of a live source, four to
    /// sixteen of a recording, by their size, and one to sixteen where there is one processor.
    pub buffer: usize,
    /// Open a source again that is lost. Auto: yes for live sources, no for recordings. A
    /// refused password is never tried again.
    pub reconnect: Auto<bool>,
    /// Play recordings in real time, as a live source.
    pub real_time: bool,
    /// What pixels are converted to.
    pub format: Format,
    /// Which colours they have.
    pub colors: Colors,
    /// Width and height to scale to, after cropping; 0 × 0 for none, and one of them 0 to keep
    /// the aspect ratio.
    pub size: Size,
    /// The part of the picture that is wanted.
    pub crop: Option<Crop>,
    /// Which frames are given.
    pub every: Option<Every>,
    /// Which frames are left out undecoded.
    pub skip: Skip,
    /// What becomes of damaged frames.
    pub corrupt: Corrupt,
    /// Turn pictures as their container asks for.
    pub rotate: bool,
    /// Threads to decode with. Without: one for a live source, which costs no delay, and one a
    /// processor for a recording.
    pub threads: Option<u8>,
    /// Never decode several frames at once, which would delay each by as many. Always so for live
    /// sources that are read for their newest frame, on request for others.
    pub low_delay: Auto<bool>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            source: source::Options { repeat_files: false, ..source::Options::default() },
            open_timeout: Some(Self::TIMEOUT),
            read_timeout: Some(Self::TIMEOUT),
            latest: Auto::Auto,
            buffer: 0,
            reconnect: Auto::Auto,
            real_time: false,
            format: Format::default(),
            colors: Colors::default(),
            size: Size::default(),
            crop: None,
            every: None,
            skip: Skip::default(),
            corrupt: Corrupt::default(),
            rotate: true,
            threads: None,
            low_delay: Auto::Auto,
        }
    }
}

impl Options {
    /// The time-outs unless others are given.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`Options::source`].
    #[must_use]
    pub fn source(self, source: source::Options) -> Self {
        Self { source, ..self }
    }

    /// Sets both time-outs; `None` waits for ever.
    #[must_use]
    pub fn timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        let timeout = timeout.into();
        Self { open_timeout: timeout, read_timeout: timeout, ..self }
    }

    /// Sets [`Options::latest`].
    #[must_use]
    pub fn latest(self, latest: impl Into<Auto<bool>>) -> Self {
        Self { latest: latest.into(), ..self }
    }

    /// Sets [`Options::buffer`].
    #[must_use]
    pub fn buffer(self, frames: usize) -> Self {
        Self { buffer: frames, ..self }
    }

    /// Sets [`Options::reconnect`].
    #[must_use]
    pub fn reconnect(self, reconnect: impl Into<Auto<bool>>) -> Self {
        Self { reconnect: reconnect.into(), ..self }
    }

    /// Sets how a lost source is opened again, and that it is.
    #[must_use]
    pub fn backoff(mut self, backoff: source::Backoff) -> Self {
        self.source.backoff = backoff;
        self.reconnect(true)
    }

    /// Sets [`Options::real_time`].
    #[must_use]
    pub fn real_time(self, real_time: bool) -> Self {
        Self { real_time, ..self }
    }

    /// Sets [`Options::format`].
    #[must_use]
    pub fn format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// Sets [`Options::colors`].
    #[must_use]
    pub fn colors(self, colors: Colors) -> Self {
        Self { colors, ..self }
    }

    /// Sets [`Options::size`].
    #[must_use]
    pub fn size(self, width: u32, height: u32) -> Self {
        Self { size: Size::new(width, height), ..self }
    }

    /// Sets [`Options::crop`].
    #[must_use]
    pub fn crop(self, crop: Crop) -> Self {
        Self { crop: Some(crop), ..self }
    }

    /// Sets [`Options::every`].
    #[must_use]
    pub fn every(self, every: Every) -> Self {
        Self { every: Some(every), ..self }
    }

    /// Sets [`Options::skip`].
    #[must_use]
    pub fn skip(self, skip: Skip) -> Self {
        Self { skip, ..self }
    }

    /// Sets [`Options::corrupt`].
    #[must_use]
    pub fn corrupt(self, corrupt: Corrupt) -> Self {
        Self { corrupt, ..self }
    }

    /// Sets [`Options::rotate`].
    #[must_use]
    pub fn rotate(self, rotate: bool) -> Self {
        Self { rotate, ..self }
    }

    /// Sets [`Options::threads`].
    #[must_use]
    pub fn threads(self, threads: u8) -> Self {
        Self { threads: Some(threads), ..self }
    }

    /// Sets [`Options::low_delay`].
    #[must_use]
    pub fn low_delay(self, low_delay: impl Into<Auto<bool>>) -> Self {
        Self { low_delay: low_delay.into(), ..self }
    }

    /// What is wrong with them, if anything is.
    pub(crate) fn complaint(&self) -> Option<(String, &'static str)> {
        let side = |side: u32| side > Size::MAX_SIDE;
        match (self.every, self.crop) {
            (Some(Every::Nth(0)), _) => Some(("every 0th frame".into(), "expected 1 or more")),
            (Some(Every::Rate(rate)), _) if !(rate > 0.0 && rate.is_finite()) => {
                Some((format!("{rate} frames a second"), "expected more than 0"))
            }
            (_, Some(crop)) if crop.size.pixels() == 0 => {
                Some((format!("a part of {} pixels", crop.size), "expected a width and a height"))
            }
            _ if side(self.size.width) || side(self.size.height) => {
                Some((format!("a size of {}", self.size), "expected sides of at most 8192"))
            }
            _ => None,
        }
    }
}
