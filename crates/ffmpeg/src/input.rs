//! Demuxers: from a URL or a reader to units.

use std::collections::VecDeque;
use std::ffi::{CString, c_int};
use std::ptr::{self, NonNull};
use std::time::Duration;

use bytes::Bytes;
use media::{Timestamp, Track, TrackId, Unit};

use crate::bitstream::AnnexB;
use crate::dict::{Dict, c_string};
use crate::error::{Error, check};
use crate::interrupt::Interrupt;
use crate::packet::Packet;
use crate::reader::Reader;
use crate::track::{self, Parameters};
use crate::{device, ffi, log, static_str};

/// The call that reads a packet, for its errors: after [`Error::InvalidData`] of it reading may go on.
pub const READ_CALL: &str = "av_read_frame";
/// What the demuxer of MP4 says of pictures behind the end of the file.
const PARTIAL: &str = "partial file";

/// How to open an [`Input`].
#[derive(Clone, Debug, Default)]
pub struct InputOptions {
    /// The demuxer, by FFmpeg's name (`mjpeg`, `v4l2`); found out by looking when absent.
    pub format: Option<String>,
    /// Further options of protocol and demuxer, as `rtsp_transport` = `tcp`. Unknown ones
    /// are logged and left out.
    pub private: Vec<(String, String)>,
    /// Read at most so many bytes to find out what the tracks are.
    pub probe_bytes: Option<u32>,
    /// Look at most at so much of the media to find out what the tracks are.
    pub analyze: Option<Duration>,
    /// Do not wait for a reliable frame rate, and look at no more than a second unless
    /// `analyze` says so. (Packets read while looking are kept: FFmpeg's `nobuffer` would
    /// throw the first keyframe away.)
    pub low_delay: bool,
    /// A device that tells its tracks by itself: nothing is read to find them out, and reading
    /// never waits in the driver, where no interrupt would be asked.
    pub device: bool,
}

/// What [`Input::read`] found.
#[derive(Debug)]
pub enum Read {
    /// One access unit, on the container's clock.
    Unit(Unit),
    /// From here on the tracks are these.
    Tracks(Vec<Track>),
    /// There is nothing more.
    End,
}

/// An open demuxer. Closes itself.
pub struct Input {
    // Dropped in this order: the context uses the two below.
    context: Context,
    reader: Option<Reader>,
    interrupt: Box<Interrupt>,
    streams: Vec<Stream>,
    /// Found already, to be given before anything else is read.
    ahead: VecDeque<Read>,
    is_device: bool,
}

/// What we keep of a stream besides libavformat's own.
struct Stream {
    seen: Fingerprint,
    filter: Option<AnnexB>,
    track: Track,
}

/// What tells that a stream's parameters are no longer the ones we described.
#[derive(PartialEq, Eq, Clone, Copy)]
struct Fingerprint {
    codec: c_int,
    width: c_int,
    height: c_int,
    extradata: usize,
    extradata_size: c_int,
    sample_rate: c_int,
}

impl Input {
    /// Opens `url` and finds out what is in it. Blocks.
    ///
    /// `interrupt` is asked from within blocking calls, also later ones: `true` = give up.
    ///
    /// # Errors
    /// Any; [`Error::Interrupted`] when `interrupt` said so.
    pub fn open(
        url: &str,
        options: &InputOptions,
        interrupt: impl Fn() -> bool + Send + 'static,
    ) -> Result<Self, Error> {
        Self::start(url, None, options, Interrupt::new(interrupt))
    }

    /// The same over bytes that `read` hands out, and over nothing else: a playlist that names
    /// files or addresses does not have them opened. It cannot be rewound. `read` is to wait until
    /// there is something, or nothing more is wanted: libav* takes `WouldBlock`, too, for the end.
    ///
    /// # Errors
    /// As [`Input::open`].
    pub fn from_read(
        read: impl std::io::Read + Send + 'static,
        options: &InputOptions,
        interrupt: impl Fn() -> bool + Send + 'static,
    ) -> Result<Self, Error> {
        Self::start("", Some(Reader::new(read)?), options, Interrupt::new(interrupt))
    }

    fn start(
        url: &str,
        reader: Option<Reader>,
        options: &InputOptions,
        interrupt: Box<Interrupt>,
    ) -> Result<Self, Error> {
        log::begin();
        let url = c_string("URL", url)?;
        let format = options.format.as_deref().map(find_format).transpose()?;
        let mut dict = dictionary(options)?;
        if reader.is_some() {
            dict.set("protocol_whitelist", NO_PROTOCOL)?;
        }
        let context = Context::open(&url, format, reader.as_ref(), &interrupt, options.device, &mut dict)
            .map_err(|error| if interrupt.fired() { Error::Interrupted } else { error })?;
        for name in dict.names() {
            tracing::warn!(target: "ffmpeg", option = name, "no demuxer or protocol takes this option");
        }
        let is_device = options.device;
        let mut input = Self { context, reader, interrupt, streams: Vec::new(), ahead: VecDeque::new(), is_device };
        if options.device {
            input.look_at_streams()?;
            return Ok(input);
        }
        // SAFETY: an open context that is ours alone.
        let rc = unsafe { ffi::avformat_find_stream_info(input.context.as_ptr(), ptr::null_mut()) };
        if input.interrupt.fired() {
            return Err(Error::Interrupted);
        }
        check("avformat_find_stream_info", rc)?;
        input.look_at_streams()?;
        Ok(input)
    }

    /// The tracks, in the order of their ids. Cover art is [`media::Kind::Data`].
    #[must_use]
    pub fn tracks(&self) -> Vec<Track> {
        self.streams.iter().map(|stream| stream.track.clone()).collect()
    }

    /// The demuxer's name, as `asf` or `mov,mp4,m4a,3gp,3g2,mj2`.
    #[must_use]
    pub fn container(&self) -> String {
        // SAFETY: an open context has a format, and formats are constants of the library.
        unsafe { static_str((*(*self.context.as_ptr()).iformat).name) }.to_owned()
    }

    /// The title, if it has one.
    #[must_use]
    pub fn title(&self) -> Option<String> {
        self.metadata(c"title")
    }

    /// The container says that its content is encrypted. libavformat tells of ASF only, and
    /// reads on; what it reads is noise to a decoder.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        let told = [c"encryption", c"ASF_Protection_Type", c"ASF_Key_ID"];
        told.into_iter().any(|name| self.metadata(name).is_some())
    }

    fn metadata(&self, name: &std::ffi::CStr) -> Option<String> {
        // SAFETY: the context's metadata, null or valid; the value is copied before anything can change it.
        let value = unsafe {
            let entry = ffi::av_dict_get((*self.context.as_ptr()).metadata, name.as_ptr(), ptr::null(), 0);
            if entry.is_null() { "" } else { static_str((*entry).value) }
        };
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// How long it plays, where that is known.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        // SAFETY: an open context; a plain integer.
        let micros = unsafe { (*self.context.as_ptr()).duration };
        u64::try_from(micros).ok().filter(|micros| *micros > 0).map(Duration::from_micros)
    }

    /// The time of its first unit, where that is known.
    #[must_use]
    pub fn start_time(&self) -> Option<Timestamp> {
        // SAFETY: an open context; a plain integer.
        let micros = unsafe { (*self.context.as_ptr()).start_time };
        (micros != ffi::AV_NOPTS_VALUE).then(|| Timestamp::from_ticks(micros, 1, 1_000_000))
    }

    /// How many units of `track` the container says there are, if it does.
    #[must_use]
    pub fn unit_count(&self, track: TrackId) -> Option<u64> {
        // SAFETY: a stream of our open context; a plain integer.
        let count = self.context.stream(usize::from(track.0)).map(|stream| unsafe { (*stream).nb_frames });
        count.and_then(|count| u64::try_from(count).ok()).filter(|count| *count > 0)
    }

    /// Reads no other track than `track` from now on, which spares demuxers work.
    pub fn keep_only(&mut self, track: TrackId) {
        for index in 0..self.context.stream_count() {
            let Some(stream) = self.context.stream(index) else { continue };
            let discard = match index == usize::from(track.0) {
                true => ffi::AVDiscard::AVDISCARD_DEFAULT,
                false => ffi::AVDiscard::AVDISCARD_ALL,
            };
            // SAFETY: a stream of our open context, used by nobody else meanwhile.
            unsafe { (*stream).discard = discard };
        }
        self.ahead.retain(|read| !matches!(read, Read::Unit(unit) if unit.track != track));
    }

    /// Goes to the last place not after `to`, on the container's clock, from where `track` can be
    /// decoded, as far as the demuxer knows: look at the times of what follows, and go further
    /// back where they are later.
    ///
    /// # Errors
    /// When the source cannot seek: a live one, [`Input::from_read`], a container without times.
    pub fn seek(&mut self, track: TrackId, to: Timestamp) -> Result<(), Error> {
        log::begin();
        if self.reader.is_some() {
            return Err(Error::from_code("avformat_seek_file", ffi::AVERROR(libc::ESPIPE)));
        }
        let index = usize::from(track.0);
        let base = self.context.time_base(index);
        let positive = |value: c_int| u32::try_from(value).unwrap_or(1);
        let at = to.to_ticks(positive(base.num), positive(base.den));
        self.ahead.clear();
        // SAFETY: our open context and plain numbers.
        let rc = unsafe { ffi::avformat_seek_file(self.context.as_ptr(), c_int::from(track.0), i64::MIN, at, at, 0) };
        if self.interrupt.fired() {
            return Err(Error::Interrupted);
        }
        check("avformat_seek_file", rc).map(drop)
    }

    /// The next unit, or a change of the tracks, or the end. Blocks.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when the interrupt said so; else what the connection or the
    /// demuxer says. After [`Error::InvalidData`] reading may go on.
    pub fn read(&mut self) -> Result<Read, Error> {
        loop {
            if let Some(found) = self.ahead.pop_front() {
                return Ok(found);
            }
            let Some(packet) = self.context.read_packet(&self.interrupt)? else {
                return Ok(Read::End);
            };
            self.handle_packet(packet)?;
        }
    }

    fn handle_packet(&mut self, packet: Packet) -> Result<(), Error> {
        // SAFETY: a valid packet; a plain integer.
        let index = unsafe { (*packet.as_ptr()).stream_index };
        let Ok(index) = usize::try_from(index) else { return Ok(()) };
        if let Some(data) = packet.side_data(ffi::AVPacketSideDataType::AV_PKT_DATA_NEW_EXTRADATA) {
            self.adopt_extradata(index, data)?;
        }
        if self.look_at_streams()? {
            self.ahead.push_back(Read::Tracks(self.tracks()));
        }
        // More streams than a TrackId can name are left alone.
        let Some(stream) = self.streams.get_mut(index) else { return Ok(()) };
        let time_base = self.context.time_base(index);
        let packet = match &mut stream.filter {
            // It is this packet that is bad: what follows may be good.
            Some(filter) => filter.filter(packet).map_err(|error| match error {
                Error::InvalidData { detail, .. } => Error::InvalidData { call: READ_CALL, detail },
                error => error,
            })?,
            None => Some(packet),
        };
        if let Some(packet) = packet.filter(|packet| !packet.data().is_empty()) {
            // Buffers of a device end with it, whoever still counts on them: libavdevice unmaps them.
            let copy = self.is_device.then(|| Bytes::copy_from_slice(packet.data()));
            self.ahead.push_back(Read::Unit(unit(packet, copy, stream.track.id, time_base)));
        }
        Ok(())
    }

    /// A packet brought new extradata for its stream: make them the stream's.
    fn adopt_extradata(&mut self, index: usize, data: &[u8]) -> Result<(), Error> {
        let Some(raw) = self.context.stream(index) else { return Ok(()) };
        let Some(stream) = self.streams.get_mut(index) else { return Ok(()) };
        // SAFETY: a stream of our open context, used by nobody else meanwhile; it is only read.
        let parameters = unsafe { Parameters::copy_of((*raw).codecpar)? };
        parameters.set_extradata(data)?;
        let before = stream.track.clone();
        // SAFETY: as above.
        unsafe { stream.describe(raw, &parameters)? };
        if stream.track != before {
            let tracks = self.tracks();
            self.ahead.push_back(Read::Tracks(tracks));
        }
        Ok(())
    }

    /// Describes streams that are new or changed; whether there were any.
    fn look_at_streams(&mut self) -> Result<bool, Error> {
        let mut changed = false;
        for index in 0..self.context.stream_count() {
            let Some(raw) = self.context.stream(index) else { continue };
            // SAFETY: a stream of our open context, which has parameters as long as it lives.
            let seen = unsafe { Fingerprint::of((*raw).codecpar) };
            if self.streams.get(index).is_some_and(|stream| stream.seen == seen) {
                continue;
            }
            // SAFETY: as above; they are copied.
            let parameters = unsafe { Parameters::copy_of((*raw).codecpar)? };
            let before = self.streams.get(index).map(|stream| stream.track.clone());
            if before.is_none() {
                let track = Track::mjpeg(media::Size::default());
                self.streams.push(Stream { seen, filter: None, track });
            }
            let stream = &mut self.streams[index];
            stream.seen = seen;
            // SAFETY: as above; it is only read.
            unsafe { stream.describe(raw, &parameters)? };
            changed |= before.as_ref() != Some(&stream.track);
        }
        Ok(changed)
    }

    /// Goes back to the start, for files that are shown in a loop. Times start over.
    ///
    /// # Errors
    /// When the source cannot seek: a live one, or [`Input::from_read`].
    pub fn rewind(&mut self) -> Result<(), Error> {
        log::begin();
        if self.reader.is_some() {
            // libavformat would go back as far as its buffer reaches, and succeed by chance.
            return Err(Error::from_code("avformat_seek_file", ffi::AVERROR(libc::ESPIPE)));
        }
        self.ahead.clear();
        // Their demuxers look for the time at which the first picture is shown among those at
        // which packets are decoded, and find the second packet.
        let by_bytes = matches!(self.container().as_str(), "mpegts" | "mpeg");
        let context = self.context.as_ptr();
        // SAFETY: our open context and plain numbers.
        let rc = unsafe {
            let start = match (*context).start_time {
                ffi::AV_NOPTS_VALUE => 0,
                start => start,
            };
            let rc = match by_bytes {
                true => -1,
                false => ffi::avformat_seek_file(context, -1, i64::MIN, start, start, 0),
            };
            // Bare streams (an .mjpeg file) have no times to look for.
            if rc < 0 { ffi::avformat_seek_file(context, -1, 0, 0, 0, ffi::AVSEEK_FLAG_BYTE as c_int) } else { rc }
        };
        if self.interrupt.fired() {
            return Err(Error::Interrupted);
        }
        check("avformat_seek_file", rc).map(drop)
    }
}

impl Stream {
    /// Describes the stream anew and makes the filter it needs.
    ///
    /// # Safety
    /// As for [`track::describe`].
    unsafe fn describe(&mut self, raw: *const ffi::AVStream, parameters: &Parameters) -> Result<(), Error> {
        // SAFETY: the caller's promise; plain numbers.
        let time_base = unsafe { (*raw).time_base };
        // Parameter sets that the filter cannot read are left to the decoder to complain about.
        self.filter = AnnexB::wanted(parameters, time_base).unwrap_or_default();
        let filtered = self.filter.as_ref().map(AnnexB::parameters).transpose()?;
        // SAFETY: the caller's promise.
        self.track = unsafe { track::describe(raw, filtered.as_ref().unwrap_or(parameters)) };
        Ok(())
    }
}

impl Fingerprint {
    /// # Safety
    /// `raw` is valid.
    unsafe fn of(raw: *const ffi::AVCodecParameters) -> Self {
        // SAFETY: the caller's promise; plain numbers, the codec read as the integer it is.
        unsafe {
            Self {
                codec: crate::int_of!((*raw).codec_id),
                width: (*raw).width,
                height: (*raw).height,
                extradata: (*raw).extradata as usize,
                extradata_size: (*raw).extradata_size,
                sample_rate: (*raw).sample_rate,
            }
        }
    }
}

/// An AVFormatContext opened for reading. Closes itself.
struct Context(NonNull<ffi::AVFormatContext>);

// SAFETY: an AVFormatContext is not tied to a thread, only to one at a time, which owning it
// sees to. What it calls back (interrupt, reader) is Send.
unsafe impl Send for Context {}

impl Context {
    fn open(
        url: &CString,
        format: Option<NonNull<ffi::AVInputFormat>>,
        reader: Option<&Reader>,
        interrupt: &Interrupt,
        is_device: bool,
        dict: &mut Dict,
    ) -> Result<Self, Error> {
        // SAFETY: allocates; null is looked for.
        let context = NonNull::new(unsafe { ffi::avformat_alloc_context() }).ok_or(Error::NoMemory)?;
        let mut raw = context.as_ptr();
        // SAFETY: a fresh context that is ours alone. Interrupt and reader outlive it, see the
        // order of `Input`'s fields; on failure libavformat frees the context, but not a reader
        // that is marked as the caller's.
        unsafe {
            (*raw).interrupt_callback = interrupt.as_ffi();
            if let Some(reader) = reader {
                (*raw).pb = reader.as_ptr();
                (*raw).flags |= ffi::AVFMT_FLAG_CUSTOM_IO as c_int;
            }
            if is_device {
                (*raw).flags |= ffi::AVFMT_FLAG_NONBLOCK as c_int;
            }
            let format = format.map_or(ptr::null(), |format| format.as_ptr().cast_const());
            check("avformat_open_input", ffi::avformat_open_input(&mut raw, url.as_ptr(), format, dict.as_mut()))?;
        }
        Ok(Self(context))
    }

    /// The next packet, `None` at the end.
    fn read_packet(&self, interrupt: &Interrupt) -> Result<Option<Packet>, Error> {
        log::begin();
        let packet = Packet::new()?;
        loop {
            // SAFETY: our open context, used by nobody else meanwhile, and an empty packet.
            let rc = unsafe { ffi::av_read_frame(self.as_ptr(), packet.as_ptr()) };
            if rc >= 0 {
                return Ok(Some(packet));
            }
            if interrupt.ask() {
                return Err(Error::Interrupted);
            }
            if rc == ffi::AVERROR(libc::EAGAIN) {
                // A device without a picture yet: its descriptor is libavformat's own, so
                // there is nothing to wait for but time.
                std::thread::sleep(Duration::from_millis(2));
                continue;
            }
            // The end, unless the connection broke: demuxers report both as the end.
            // SAFETY: our open context; its I/O context is null or valid.
            let broken = unsafe {
                let io = (*self.as_ptr()).pb;
                if io.is_null() { 0 } else { (*io).error }
            };
            return match rc {
                ffi::AVERROR_EOF if broken < 0 && broken != ffi::AVERROR_EOF => {
                    Err(Error::from_code(READ_CALL, broken))
                }
                ffi::AVERROR_EOF => match log::take() {
                    // Its index names what is behind the end of the file.
                    Some(said) if said.contains(PARTIAL) => {
                        Err(Error::InvalidData { call: READ_CALL, detail: Some(said) })
                    }
                    _ => Ok(None),
                },
                _ => Err(Error::from_code(READ_CALL, rc)),
            };
        }
    }

    /// Streams that a TrackId can name.
    fn stream_count(&self) -> usize {
        // SAFETY: our open context; a plain integer.
        let count = unsafe { (*self.as_ptr()).nb_streams } as usize;
        count.min(usize::from(u8::MAX))
    }

    fn stream(&self, index: usize) -> Option<*mut ffi::AVStream> {
        // SAFETY: our open context has an array of as many valid streams.
        (index < self.stream_count()).then(|| unsafe { *(*self.as_ptr()).streams.add(index) })
    }

    fn time_base(&self, index: usize) -> ffi::AVRational {
        // SAFETY: a stream of our open context; plain integers.
        self.stream(index).map_or(ffi::AVRational { num: 1, den: 1 }, |stream| unsafe { (*stream).time_base })
    }

    fn as_ptr(&self) -> *mut ffi::AVFormatContext {
        self.0.as_ptr()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let mut context = self.as_ptr();
        // SAFETY: opened by avformat_open_input, ours alone, closed only here.
        unsafe { ffi::avformat_close_input(&mut context) };
    }
}

pub(crate) fn find_format(name: &str) -> Result<NonNull<ffi::AVInputFormat>, Error> {
    let c_name = c_string("demuxer name", name)?;
    let look = || {
        // SAFETY: a zero-terminated string; the answer is null or lives for ever.
        NonNull::new(unsafe { ffi::av_find_input_format(c_name.as_ptr()) }.cast_mut())
    };
    if let Some(format) = look() {
        return Ok(format);
    }
    // It may be a device.
    device::load().map_err(|detail| Error::DeviceLibrary { detail })?;
    look().ok_or_else(|| Error::DemuxerNotFound { format: name.to_owned() })
}

/// Name of no protocol: whoever sends bytes does not have others read from here.
const NO_PROTOCOL: &str = "none";

fn dictionary(options: &InputOptions) -> Result<Dict, Error> {
    let mut dict = Dict::new();
    if options.low_delay {
        dict.set("fpsprobesize", "0")?;
        dict.set("analyzeduration", "1000000")?;
    }
    if let Some(bytes) = options.probe_bytes {
        // What avformat_open_input accepts as the least.
        dict.set("probesize", &bytes.max(32).to_string())?;
    }
    if let Some(time) = options.analyze {
        dict.set("analyzeduration", &time.as_micros().to_string())?;
    }
    for (key, value) in &options.private {
        dict.set(key, value)?;
    }
    Ok(dict)
}

/// A unit of a packet; its bytes are the packet's own unless there is a `copy`.
fn unit(packet: Packet, copy: Option<Bytes>, track: TrackId, time_base: ffi::AVRational) -> Unit {
    // SAFETY: a valid packet; plain integers.
    let (pts, dts, duration, flags) = unsafe {
        let raw = packet.as_ptr();
        ((*raw).pts, (*raw).dts, (*raw).duration, (*raw).flags)
    };
    let positive = |value: c_int| u32::try_from(value).unwrap_or(1);
    let at = |ticks| Timestamp::from_ticks(ticks, positive(time_base.num), positive(time_base.den));
    let known = |ticks| (ticks != ffi::AV_NOPTS_VALUE).then(|| at(ticks));
    Unit {
        track,
        pts: known(pts),
        dts: known(dts),
        duration: (duration > 0).then(|| at(duration).saturating_since(Timestamp::ZERO)),
        key: flags & ffi::AV_PKT_FLAG_KEY as c_int != 0,
        corrupt: flags & ffi::AV_PKT_FLAG_CORRUPT as c_int != 0,
        discontinuity: false,
        captured: None,
        data: copy.unwrap_or_else(|| packet.into_bytes()),
    }
}
