//! What is known of a source, and what it has brought.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use media::{Rational, Size, Track};

use crate::Error;

/// What a source is, as far as it has told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Info {
    /// How the bytes come: `rtsp`, `http`, `file`; FFmpeg's names where it has one.
    pub protocol: String,
    /// The container: `mpjpeg`, `asf`, `mov,mp4,m4a,3gp,3g2,mj2`; FFmpeg's names.
    pub container: String,
    /// FFmpeg's name of the video codec: `h264`, `wmv3`; empty while unknown.
    pub codec: String,
    /// The container's FourCC, 0 where it has none.
    pub fourcc: u32,
    /// libavcodec's extradata: parameter sets and the like; often empty.
    pub extradata: Bytes,
    /// Profile and level of the codec as libavcodec numbers them.
    pub profile: Option<(i32, i32)>,
    /// FFmpeg's name of the pixel format as coded; empty while unknown.
    pub pixel_format: String,
    /// The source's own size, not turned; 0 × 0 while unknown.
    pub size: Size,
    /// Width to height of one pixel.
    pub sample_aspect: Option<Rational>,
    /// Degrees clockwise by which the container asks pictures to be turned.
    pub rotation: u16,
    /// The rate that the source declares, in frames a second, however absurd; measured is
    /// [`Stats::fps`].
    pub fps_declared: Option<f64>,
    /// The bit rate that it declares, in bit/s; 0 where it does not.
    pub bit_rate: u64,
    /// Frames of a recording as its container tells, or as follows from duration and rate;
    /// [`crate::Capture::count_frames`] counts.
    pub frames: Option<u64>,
    /// Length of a recording.
    pub duration: Option<Duration>,
    /// Whether [`crate::Capture::seek`] works.
    pub seekable: bool,
    /// Whether it comes in real time and has no end.
    pub live: bool,
    /// Title or other description in the stream.
    pub title: Option<String>,
    /// What the server calls itself.
    pub server: Option<String>,
}

impl Info {
    /// Takes over what a video track tells.
    pub(crate) fn of_track(&mut self, track: &Track) {
        self.codec = track.codec.name().into();
        self.fourcc = track.tag;
        self.extradata = track.extradata.clone();
        self.bit_rate = track.bit_rate;
        if let Some(video) = track.video() {
            self.profile = video.profile;
            self.pixel_format = video.pixel_format.clone().unwrap_or_default();
            self.size = video.size;
            self.sample_aspect = video.sample_aspect;
            self.rotation = video.rotation;
            self.fps_declared = video.frame_rate.map(Rational::as_f64);
        }
    }
}

/// What a capture has brought so far.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Frames that came out of the decoder.
    pub frames: u64,
    /// Of them, those that a reader took.
    pub read: u64,
    /// Frames that no reader was given, since they were overtaken by newer ones.
    pub dropped: u64,
    /// Frames known to be damaged, given or not.
    pub corrupt: u64,
    /// Bytes that the source sent, of pictures and sound.
    pub bytes: u64,
    /// Frames a second over the last seconds, as measured; 0 while unknown.
    pub fps: f64,
    /// Times that the source was lost after it had been there, to be opened again.
    pub reconnects: u32,
    /// Why the last attempt to open it ended.
    pub last_error: Option<Error>,
    /// From the last byte of the frame given last to its being given.
    pub latency: Option<Duration>,
    /// Since the capture was opened.
    pub uptime: Duration,
    /// Since when [`crate::Capture::state`] is what it is.
    pub since: SystemTime,
}

/// What a capture is doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// The first attempt to open the source is under way.
    Connecting,
    /// Frames are coming.
    Open,
    /// It is open, and no frame has come for more than a second.
    Stalled,
    /// It was lost, and is being opened again.
    Reconnecting,
    /// No more frames will come.
    Ended,
    /// It was closed.
    Closed,
}

/// A place in a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seek {
    /// The frame of this number, from 0.
    Frame(u64),
    /// The frame that is shown at this time after the first one.
    Time(Duration),
}

/// How far a capture was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// The number of the frame that comes next: of those read, and of those left out.
    pub frame: u64,
    /// The time of the frame read last; 0 before the first one.
    pub time: Duration,
}
