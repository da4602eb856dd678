//! Packets and the tracks they belong to.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use crate::{Size, Timestamp};

/// One coded access unit of one track.
#[derive(Clone)]
pub struct Packet {
    /// The track it belongs to.
    pub track: TrackId,
    /// When to show it, on the feed's timeline.
    pub pts: Timestamp,
    /// When to decode it. Equal to `pts` unless the codec reorders (B-frames).
    pub dts: Timestamp,
    /// How long to show it, where the source says so.
    pub duration: Option<Duration>,
    /// A decoder of this track may start here. Always true for MJPEG and for audio.
    pub key: bool,
    /// The source knows that bytes of it are missing or wrong.
    pub corrupt: bool,
    /// Something is missing before it: a lost packet, a reconnect, a jump of the clock.
    pub discontinuity: bool,
    /// When its last byte arrived here.
    pub received: Instant,
    /// When the camera took it, by the camera's own wall clock, where the protocol tells.
    pub captured: Option<SystemTime>,
    /// One whole access unit: a JFIF image for MJPEG, Annex B for H.264 and H.265.
    /// Never empty.
    pub data: Bytes,
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.key { " key" } else { "" };
        write!(f, "Packet({:?} {:?}{key} {} bytes)", self.track, self.pts, self.data.len())
    }
}

/// One coded access unit as a source gives it: on the source's own clock, which may be
/// silent, jump or stand still. The door of the feed makes a [`Packet`] of it.
#[derive(Clone)]
pub struct Unit {
    /// The track it belongs to.
    pub track: TrackId,
    /// When to show it, where the source says.
    pub pts: Option<Timestamp>,
    /// When to decode it, where the source says.
    pub dts: Option<Timestamp>,
    /// How long to show it, where the source says.
    pub duration: Option<Duration>,
    /// A decoder may start here.
    pub key: bool,
    /// Bytes of it are known to be missing or wrong.
    pub corrupt: bool,
    /// Something before it was lost.
    pub discontinuity: bool,
    /// The camera's wall clock when it was taken.
    pub captured: Option<SystemTime>,
    /// One whole access unit, as in [`Packet::data`].
    pub data: Bytes,
}

impl Unit {
    /// A whole keyframe of `track` without a time of its own: what a picture server sends.
    #[must_use]
    pub fn picture(track: TrackId, data: Bytes) -> Self {
        Self {
            track,
            pts: None,
            dts: None,
            duration: None,
            key: true,
            corrupt: false,
            discontinuity: false,
            captured: None,
            data,
        }
    }
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.key { " key" } else { "" };
        write!(f, "Unit({:?} {:?}{key} {} bytes)", self.track, self.pts, self.data.len())
    }
}

/// The place of a track among the [`Tracks`] of its feed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TrackId(pub u8);

/// A codec, by the name FFmpeg gives it: `mjpeg`, `h264`, `wmv2`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Codec(&'static str);

impl Codec {
    /// Motion JPEG: every packet is a whole JPEG picture.
    pub const MJPEG: Self = Self("mjpeg");
    /// H.264, AVC.
    pub const H264: Self = Self("h264");
    /// H.265, HEVC.
    pub const HEVC: Self = Self("hevc");
    /// Uncompressed pictures; [`Video::pixel_format`] says how they lie in memory.
    pub const RAWVIDEO: Self = Self("rawvideo");

    /// The codec that FFmpeg calls `name`.
    #[must_use]
    pub const fn from_name(name: &'static str) -> Self {
        Self(name)
    }

    /// FFmpeg's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A fraction of two integers, as a frame rate or an aspect ratio.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rational {
    /// Numerator.
    pub num: u32,
    /// Denominator; never zero.
    pub den: u32,
}

impl Rational {
    /// `num/den`, or nothing when either is zero: FFmpeg's way to say "unknown".
    #[must_use]
    pub const fn new(num: u32, den: u32) -> Option<Self> {
        if num == 0 || den == 0 { None } else { Some(Self { num, den }) }
    }

    /// The value.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }
}

/// One elementary stream of a source and what a decoder must know about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// Its place in the feed's [`Tracks`].
    pub id: TrackId,
    /// What the packets are coded with.
    pub codec: Codec,
    /// The container's FourCC, 0 when it has none; some decoders tell variants by it.
    pub tag: u32,
    /// libavcodec's extradata: parameter sets, codec private data. Often empty.
    pub extradata: Bytes,
    /// Bits per coded sample as the container says, 0 when unknown.
    pub bits_per_sample: u32,
    /// Declared bit rate in bit/s, 0 when unknown.
    pub bit_rate: u64,
    /// Picture, sound or neither.
    pub kind: Kind,
}

impl Track {
    /// An MJPEG track of pictures of `size`: what a picture server makes.
    #[must_use]
    pub fn mjpeg(size: Size) -> Self {
        Self {
            id: TrackId(0),
            codec: Codec::MJPEG,
            tag: 0,
            extradata: Bytes::new(),
            bits_per_sample: 0,
            bit_rate: 0,
            kind: Kind::Video(Video { size, ..Video::default() }),
        }
    }

    /// Its picture properties, if it is a video track.
    #[must_use]
    pub fn video(&self) -> Option<&Video> {
        match &self.kind {
            Kind::Video(video) => Some(video),
            _ => None,
        }
    }
}

/// What a track carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Pictures.
    Video(Video),
    /// Sound.
    Audio(Audio),
    /// Subtitles, metadata.
    Data,
}

/// Properties of a video track, as far as they are known before decoding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Video {
    /// Coded size; 0 × 0 when only decoding tells.
    pub size: Size,
    /// FFmpeg's name of the pixel format (`yuv420p`), where the container or a probe told.
    pub pixel_format: Option<String>,
    /// The rate the source declares. Cameras lie: measure where it matters.
    pub frame_rate: Option<Rational>,
    /// Width to height of one pixel.
    pub sample_aspect: Option<Rational>,
    /// Whether black is 0 (as in JPEG) and not 16, where the container told.
    pub full_range: Option<bool>,
    /// Degrees clockwise by which to turn the picture for display: 0, 90, 180 or 270.
    pub rotation: u16,
    /// Profile and level as libavcodec numbers them.
    pub profile: Option<(i32, i32)>,
}

impl Video {
    /// The declared rate in pictures a second, unless it is one that no camera has: the
    /// clock of the container, as some declare.
    #[must_use]
    pub fn sane_frame_rate(&self) -> Option<f64> {
        self.frame_rate.map(Rational::as_f64).filter(|rate| *rate <= 240.0)
    }
}

/// Properties of an audio track.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    /// Samples per second.
    pub sample_rate: u32,
    /// Number of channels.
    pub channels: u16,
    /// Bytes of one coded block, 0 when the codec has none; WMA needs it.
    pub block_align: u32,
}

/// The tracks of a feed, in order of their ids; shared, since each packet refers to them.
///
/// A source that changes codec or size in mid-stream declares a new set; two sets are
/// the same generation exactly when [`Tracks::same`] says so.
#[derive(Clone, Debug, Default)]
pub struct Tracks(Arc<[Track]>);

impl Tracks {
    /// The tracks, each with its place in `tracks` as its id.
    #[must_use]
    pub fn new(mut tracks: Vec<Track>) -> Self {
        for (place, track) in tracks.iter_mut().enumerate() {
            track.id = TrackId(u8::try_from(place).unwrap_or(u8::MAX));
        }
        Self(tracks.into())
    }

    /// Whether this is the very same declaration, not an equal one.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The first video track.
    #[must_use]
    pub fn video(&self) -> Option<&Track> {
        self.0.iter().find(|track| track.video().is_some())
    }

    /// The track that the others go along with: the first of pictures, or of sound where there
    /// are none.
    #[must_use]
    pub fn lead(&self) -> Option<&Track> {
        Self::lead_of(&self.0)
    }

    /// The same of tracks that are not declared yet.
    #[must_use]
    pub fn lead_of(tracks: &[Track]) -> Option<&Track> {
        let sound = || tracks.iter().find(|track| matches!(track.kind, Kind::Audio(_)));
        tracks.iter().find(|track| track.video().is_some()).or_else(sound)
    }

    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[Track] {
        &self.0
    }
}

impl std::ops::Deref for Tracks {
    type Target = [Track];

    fn deref(&self) -> &[Track] {
        &self.0
    }
}
