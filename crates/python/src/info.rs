//! What is known of a source, as plain objects.

use std::time::SystemTime;

use pyo3::prelude::*;

use crate::words::in_python;

/// What a source is, as far as it has told.
#[pyclass(frozen, get_all, module = "headwater")]
pub(crate) struct Info {
    /// How the bytes come: `rtsp`, `http`, `file`.
    protocol: String,
    /// The container, by FFmpeg's name.
    container: String,
    /// The codec, by FFmpeg's name; empty while unknown.
    codec: String,
    /// The container's FourCC as a number, 0 where it has none.
    fourcc: u32,
    /// libavcodec's extradata: parameter sets and the like; often empty.
    extradata: Vec<u8>,
    /// Profile of the codec as libavcodec numbers them.
    profile: Option<i32>,
    /// Level of the codec as libavcodec numbers them.
    level: Option<i32>,
    /// FFmpeg's name of the pixel format as coded; empty while unknown.
    pixel_format: String,
    /// Pixels across as coded, not turned; 0 while unknown.
    width: u32,
    /// Rows as coded, not turned; 0 while unknown.
    height: u32,
    /// Width to height of a pixel as (numerator, denominator).
    sar: Option<(i64, i64)>,
    /// Degrees clockwise by which the container asks pictures to be turned.
    rotation: u16,
    /// Frames a second as measured; 0.0 while unknown. Of a recording, as declared.
    fps: f64,
    /// Frames a second as the source declares, however absurd.
    fps_declared: Option<f64>,
    /// Declared bit rate, bit/s; 0 where there is none.
    bitrate: u64,
    /// Frames of a recording, by its container or by length and rate.
    frames: Option<u64>,
    /// Length of a recording in seconds.
    duration: Option<f64>,
    /// Whether `seek` works.
    seekable: bool,
    /// Whether it comes in real time and has no end.
    live: bool,
    /// Title or other description in the stream.
    title: Option<String>,
    /// What the server calls itself.
    server: Option<String>,
}

/// Rates that a camera can have.
const SANE_FPS: std::ops::RangeInclusive<f64> = 0.01..=1000.0;

impl Info {
    pub(crate) fn of(capture: &capture::Capture) -> Self {
        let info = capture.info();
        let declared = info.fps_declared.filter(|rate| SANE_FPS.contains(rate));
        let measured = Some(capture.stats().fps).filter(|rate| *rate > 0.0);
        let fps = if info.live { measured.or(declared) } else { declared.or(measured) };
        Self {
            protocol: info.protocol,
            container: info.container,
            codec: info.codec,
            fourcc: info.fourcc,
            extradata: info.extradata.to_vec(),
            profile: info.profile.map(|(profile, _)| profile),
            level: info.profile.map(|(_, level)| level),
            pixel_format: info.pixel_format,
            width: info.size.width,
            height: info.size.height,
            sar: info.sample_aspect.map(|ratio| (i64::from(ratio.num), i64::from(ratio.den))),
            rotation: info.rotation,
            fps: fps.unwrap_or(0.0),
            fps_declared: info.fps_declared,
            bitrate: info.bit_rate,
            frames: info.frames,
            duration: info.duration.map(|length| length.as_secs_f64()),
            seekable: info.seekable,
            live: info.live,
            title: info.title,
            server: info.server,
        }
    }
}

#[pymethods]
impl Info {
    fn __repr__(&self) -> String {
        let Self { protocol, container, codec, width, height, fps, .. } = self;
        format!("Info({protocol} {container} {codec} {width}x{height} {fps:.2} fps)")
    }
}

/// What a capture has brought so far.
#[pyclass(frozen, get_all, module = "headwater")]
pub(crate) struct Stats {
    /// Frames that came out of the decoder.
    frames: u64,
    /// Of them, those that a reader took.
    read: u64,
    /// Frames that were overtaken by newer ones.
    dropped: u64,
    /// Frames known to be damaged.
    corrupt: u64,
    /// Bytes that the source sent.
    bytes: u64,
    /// Frames a second over the last seconds, as measured.
    fps: f64,
    /// Times that the source was lost after it had been there.
    reconnects: u32,
    /// The text of why the last attempt to open it ended.
    last_error: Option<String>,
    /// Milliseconds from the last byte of the frame given last to its being given.
    latency_ms: Option<f64>,
    /// Seconds since the capture was opened.
    uptime: f64,
    /// Since when `state` is what it is, UTC.
    since: SystemTime,
}

impl Stats {
    pub(crate) fn of(capture: &capture::Capture) -> Self {
        let stats = capture.stats();
        Self {
            frames: stats.frames,
            read: stats.read,
            dropped: stats.dropped,
            corrupt: stats.corrupt,
            bytes: stats.bytes,
            fps: stats.fps,
            reconnects: stats.reconnects,
            last_error: stats.last_error.map(|error| in_python(&error.to_string()).into_owned()),
            latency_ms: stats.latency.map(|latency| latency.as_secs_f64() * 1e3),
            uptime: stats.uptime.as_secs_f64(),
            since: stats.since,
        }
    }
}

#[pymethods]
impl Stats {
    fn __repr__(&self) -> String {
        let Self { frames, read, dropped, corrupt, fps, reconnects, .. } = self;
        format!(
            "Stats({frames} frames, {read} read, {dropped} dropped, {corrupt} corrupt, {fps:.2} fps, {reconnects} reconnects)"
        )
    }
}
