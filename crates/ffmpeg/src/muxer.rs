//! From packets to a container, written into memory as it is made.
//!
//! A muxer gives its header apart from what follows, and what follows in [`Chunk`]s, each of
//! which says whether a reader may begin there. So one muxer serves any number of readers:
//! each is sent the header, and then everything from a keyframe on, wherever it joins.
//! Nothing is held back: what a packet becomes is written before the next one comes (but for
//! formats that write a packet only when they see the next, such as GIF).
//!
//! Packets come as [`media::Packet`] says (Annex B, AAC bare or as ADTS) and leave as the
//! container wants them. Parameter sets that a container needs in its header are taken from
//! the first keyframe where the track does not tell them; until then packets wait. Nothing
//! here blocks: it is memory and arithmetic, at about the cost of a copy.

mod container;
mod inband;
mod writer;

use std::collections::VecDeque;
use std::ffi::c_int;
use std::ptr::{self, NonNull};
use std::time::Duration;

use bytes::Bytes;
use media::{Kind, Packet, Rational, Timestamp, Track};

pub(crate) use inband::check as check_inband;

pub use container::Container;

use self::inband::{adts, frame_size, has_parameters, plain_config, with_parameters};
use self::writer::Writer;
use crate::dict::{Dict, c_string};
use crate::error::{Error, check};
use crate::track::Parameters;
use crate::{bitstream, ffi, log, packet};

/// Most bytes of packets that wait for parameter sets.
const MOST_WAITING: usize = 16 << 20;
/// Longest that packets wait for parameter sets of another track, in the packets' own time.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// Most bytes that may be inside of a muxer, which waits for a track that is silent.
const MOST_INSIDE: usize = 32 << 20;
/// Sound between two pictures is written out after so long.
const LONGEST_FRAGMENT: Duration = Duration::from_millis(200);

/// How a [`Muxer`] writes.
#[derive(Clone, Debug, Default)]
pub struct MuxerOptions {
    /// What the container is told of its content, as `title` = `door`.
    pub metadata: Vec<(String, String)>,
    /// Write nothing that tells the version of the library or the time.
    pub bit_exact: bool,
    /// What is the container's zero; its first packet's time when absent.
    pub zero: Option<Timestamp>,
    /// It goes into a file, where pieces may be written over what was there: see [`Chunk::at`].
    /// The container is given what makes it complete, such as an index.
    pub seekable: bool,
    /// Pictures are handed over after so long at the latest, and otherwise in front of the next
    /// keyframe, where the container has fragments; each for itself when absent.
    pub fragment: Option<Duration>,
    /// The four letters that pictures are called by, where the container knows the codec by them.
    pub video_tag: Option<[u8; 4]>,
    /// Further options of the muxer by FFmpeg's names. Unknown ones are logged and left out.
    pub private: Vec<(String, String)>,
}

/// A piece of a container, behind its header.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Its bytes; never empty.
    pub data: Bytes,
    /// A reader that has the header may begin here.
    pub key: bool,
    /// Where it stands, in bytes from the beginning of the header. Each follows the one before
    /// it unless [`MuxerOptions::seekable`].
    pub at: u64,
}

/// A container being written. Frees itself.
pub struct Muxer {
    container: Container,
    options: MuxerOptions,
    lanes: Vec<Lane>,
    state: State,
    chunks: VecDeque<Chunk>,
    has_video: bool,
    /// The next chunk is one to begin with: what makes it so is still inside.
    key: bool,
}

enum State {
    /// For parameter sets.
    Waiting {
        packets: VecDeque<Packet>,
        bytes: usize,
    },
    Open(Open),
}

/// A track on its way in.
struct Lane {
    track: Track,
    /// Which of the container's it is; nothing where it is left out.
    stream: Option<c_int>,
    /// Its parameters are known as far as they will be.
    ready: bool,
    /// Time of its last packet in the container's ticks.
    last: Option<i64>,
    /// The same on the feed's timeline, and how long the last packet was.
    before: Option<(Timestamp, Duration)>,
}

/// libavformat's part.
struct Open {
    // Dropped in this order: the context uses the writer.
    context: Context,
    writer: Writer,
    header: Bytes,
    /// What is the container's zero.
    base: Timestamp,
    /// Bytes taken in since something came out.
    inside: usize,
    flushed: Timestamp,
    unflushed: bool,
}

struct Context(NonNull<ffi::AVFormatContext>);

// SAFETY: an AVFormatContext is not tied to a thread, only to one at a time, which `&mut self`
// of its owner sees to.
unsafe impl Send for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: from avformat_alloc_output_context2, ours alone, freed only here. Its `pb` is
        // the writer's, which frees it.
        unsafe {
            (*self.0.as_ptr()).pb = ptr::null_mut();
            ffi::avformat_free_context(self.0.as_ptr());
        }
    }
}

impl Muxer {
    /// A muxer of `tracks`, whose ids its packets will bear.
    ///
    /// # Errors
    /// [`Error::NoPlace`] for a track that the container does not hold, or when there is none.
    pub fn new(container: Container, tracks: &[Track], options: MuxerOptions) -> Result<Self, Error> {
        if tracks.is_empty() {
            return Err(Error::Argument { what: "tracks", found: "none".into(), expected: "one at least" });
        }
        if let Some(track) = tracks.iter().find(|track| !container.holds(track)) {
            return Err(Error::NoPlace { container: container.name(), codec: track.codec, holds: container.tell() });
        }
        let global = container.flags() & ffi::AVFMT_GLOBALHEADER != 0;
        let lanes = tracks.iter().map(|track| Lane {
            ready: !track.extradata.is_empty()
                || match track.codec.name() {
                    "aac" => false,
                    _ => !(global && has_parameters(track.codec)),
                },
            track: track.clone(),
            stream: None,
            last: None,
            before: None,
        });
        Ok(Self {
            container,
            options,
            lanes: lanes.collect(),
            state: State::Waiting { packets: VecDeque::new(), bytes: 0 },
            chunks: VecDeque::new(),
            // The one reader of a container that cannot be joined has everything.
            key: !container.joinable(),
            has_video: tracks.iter().any(|track| track.video().is_some()),
        })
    }

    /// What a reader needs before the first chunk; nothing while it is not known yet. It is
    /// empty for formats without a header.
    #[must_use]
    pub fn header(&self) -> Option<&Bytes> {
        match &self.state {
            State::Open(open) => Some(&open.header),
            State::Waiting { .. } => None,
        }
    }

    /// Takes a packet. One of a track that it was not told of is left out, and so is what comes
    /// after the first packet but is from before it.
    ///
    /// # Errors
    /// What the muxer says: it cannot go on, make another one.
    pub fn push(&mut self, packet: &Packet) -> Result<(), Error> {
        if packet.data.is_empty() || !self.lanes.iter().any(|lane| lane.track.id == packet.track) {
            return Ok(());
        }
        let State::Waiting { packets, bytes } = &mut self.state else { return self.write(packet) };
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.track.id == packet.track) else { return Ok(()) };
        lane.learn(packet)?;
        *bytes += packet.data.len();
        packets.push_back(packet.clone());
        let first = packets.front().map_or(packet.dts, |first| first.dts);
        let enough = *bytes > MOST_WAITING || packet.dts.saturating_since(first) > LONGEST_WAIT;
        if !enough && !self.lanes.iter().all(|lane| lane.ready) {
            return Ok(());
        }
        let mut packets = std::mem::take(packets);
        packets.make_contiguous().sort_by_key(|packet| packet.dts);
        self.lanes.retain(|lane| lane.ready);
        if self.lanes.is_empty() {
            let call = "parameter sets of the stream";
            return Err(Error::InvalidData { call, detail: Some("no keyframe has any".into()) });
        }
        self.has_video = self.lanes.iter().any(|lane| lane.track.video().is_some());
        let base = packets.front().map_or(first, |packet| packet.dts);
        let base = self.options.zero.map_or(base, |zero| zero.min(base));
        self.state = State::Open(Open::new(self.container, &mut self.lanes, &self.options, base)?);
        packets.iter().try_for_each(|packet| self.write(packet))
    }

    /// The next piece that is ready.
    #[must_use]
    pub fn poll_chunk(&mut self) -> Option<Chunk> {
        self.chunks.pop_front()
    }

    /// Hands over what was taken in, without waiting for the end of its fragment. Nothing while there
    /// is no header.
    ///
    /// # Errors
    /// What the muxer says.
    pub fn flush(&mut self) -> Result<(), Error> {
        let State::Open(open) = &mut self.state else { return Ok(()) };
        log::begin();
        let data = open.flush()?;
        self.emit(data, false);
        Ok(())
    }

    /// No more packets follow: what is left, and what ends the container.
    ///
    /// # Errors
    /// What the muxer says.
    pub fn finish(&mut self) -> Result<(), Error> {
        let State::Open(open) = &mut self.state else { return Ok(()) };
        log::begin();
        // SAFETY: our open context.
        unsafe {
            check("av_write_frame", ffi::av_write_frame(open.context.0.as_ptr(), ptr::null_mut()))?;
            check("av_write_trailer", ffi::av_write_trailer(open.context.0.as_ptr()))?;
        }
        let data = open.writer.take();
        self.emit(data, false);
        Ok(())
    }

    fn write(&mut self, packet: &Packet) -> Result<(), Error> {
        let State::Open(open) = &mut self.state else { return Ok(()) };
        let lanes = self.lanes.iter_mut();
        let Some((lane, stream)) =
            lanes.filter(|lane| lane.track.id == packet.track).find_map(|lane| lane.stream.map(|s| (lane, s)))
        else {
            return Ok(());
        };
        // From before the beginning; some containers have no times that are negative.
        if packet.dts < open.base && lane.last.is_none() {
            return Ok(());
        }
        log::begin();
        let is_video = lane.track.video().is_some();
        let key = packet.key && (is_video || !self.has_video);
        // Bytes of earlier packets are no part of the chunk that a reader begins with.
        let since = packet.dts.saturating_since(open.flushed);
        let ends = match self.options.fragment {
            None => key,
            Some(longest) => since >= longest || open.inside > MOST_INSIDE / 2,
        };
        let tail = if ends {
            open.flushed = packet.dts;
            open.flush()?
        } else {
            Vec::new()
        };
        if key {
            open.repeat_tables(self.container);
        }
        let data = lane.prepare(packet, self.container);
        open.write(lane, stream, packet, &data, self.container)?;
        // Sound goes along with the next picture, where there are pictures.
        let due = is_video || !self.has_video || since >= LONGEST_FRAGMENT;
        let head = if due && self.options.fragment.is_none() {
            open.flushed = packet.dts;
            open.flush()?
        } else {
            open.writer.take()
        };
        if open.inside > MOST_INSIDE {
            return Err(Error::NoMemory);
        }
        self.emit(tail, false);
        self.emit(head, key);
        Ok(())
    }

    fn emit(&mut self, pieces: Vec<(u64, Bytes)>, key: bool) {
        self.key |= key;
        let State::Open(open) = &mut self.state else { return };
        for (at, data) in pieces {
            open.inside = 0;
            self.chunks.push_back(Chunk { data, key: std::mem::take(&mut self.key), at });
        }
    }
}

impl Lane {
    /// Takes parameters from a packet, where the track does not tell them.
    fn learn(&mut self, packet: &Packet) -> Result<(), Error> {
        if self.ready {
            return Ok(());
        }
        match &self.track.kind {
            Kind::Audio(audio) => {
                let config = adts(&packet.data).map(|(_, config)| config).or_else(|| plain_config(audio));
                self.track.extradata = config.map_or_else(Bytes::new, |config| Bytes::copy_from_slice(&config));
                self.ready = true;
            }
            _ if packet.key => {
                // Damage is for a decoder to complain about; the next keyframe may do.
                let found = bitstream::parameters_in(&Parameters::of(&self.track)?, &packet.data).unwrap_or_default();
                // H.264 and H.265 cannot do without.
                self.ready = found.is_some() || self.track.codec.name().starts_with("mpeg");
                self.track.extradata = found.unwrap_or_default();
            }
            _ => {}
        }
        Ok(())
    }

    /// The bytes of a packet as the container wants them, as far as libavformat does not see to it.
    fn prepare(&self, packet: &Packet, container: Container) -> Bytes {
        if self.track.codec.name() == "aac" {
            return match adts(&packet.data) {
                Some((len, _)) => packet.data.slice(len..),
                None => packet.data.clone(),
            };
        }
        match packet.key && container.row.in_band {
            true => with_parameters(self.track.codec, &packet.data, &self.track.extradata),
            false => packet.data.clone(),
        }
    }

    /// How long a packet lasts, as well as is known without the next one.
    fn duration(&mut self, packet: &Packet) -> Duration {
        let known = packet.duration.or_else(|| match &self.track.kind {
            Kind::Audio(audio) => {
                let samples = frame_size(self.track.codec, audio.sample_rate);
                (samples > 0 && audio.sample_rate > 0)
                    .then(|| Duration::from_secs_f64(f64::from(samples) / f64::from(audio.sample_rate)))
            }
            _ => None,
        });
        let gap = self.before.map(|(before, _)| packet.dts.saturating_since(before));
        let gap = gap.filter(|gap| *gap < Duration::from_secs(2));
        let duration = known.or(gap).or(self.before.map(|(_, last)| last)).unwrap_or(Duration::from_millis(40));
        self.before = Some((packet.dts, duration));
        duration
    }
}

impl Open {
    fn new(container: Container, lanes: &mut [Lane], options: &MuxerOptions, base: Timestamp) -> Result<Self, Error> {
        log::begin();
        let mut raw = ptr::null_mut();
        // SAFETY: a constant format of the library; on success `raw` is a context of our own.
        unsafe {
            let rc = ffi::avformat_alloc_output_context2(&mut raw, container.as_ptr(), ptr::null(), ptr::null());
            check("avformat_alloc_output_context2", rc)?;
        }
        let context = Context(NonNull::new(raw).ok_or(Error::NoMemory)?);
        let mut writer = Writer::new(options.seekable)?;
        // SAFETY: a fresh context that is ours alone; plain values.
        unsafe {
            (*raw).pb = writer.as_ptr();
            (*raw).flags |= ffi::AVFMT_FLAG_CUSTOM_IO;
            (*raw).max_delay = 0;
            if options.bit_exact {
                (*raw).flags |= ffi::AVFMT_FLAG_BITEXACT;
            }
            for (key, value) in &options.metadata {
                let (key, value) = (c_string("name of metadata", key)?, c_string("metadata", value)?);
                let metadata = &raw mut (*raw).metadata;
                check("av_dict_set", ffi::av_dict_set(metadata, key.as_ptr(), value.as_ptr(), 0))?;
            }
        }
        for (index, lane) in lanes.iter_mut().enumerate() {
            // SAFETY: our context, not yet opened.
            unsafe { add_stream(raw, &lane.track, container, options.video_tag)? };
            lane.stream = c_int::try_from(index).ok();
        }
        let mut dict = Dict::new();
        for (key, value) in container.row.options {
            dict.set(key, value)?;
        }
        for (key, value) in &options.private {
            dict.set(key, value)?;
        }
        // SAFETY: our context with its streams and its writer; the dictionary is ours.
        check("avformat_write_header", unsafe { ffi::avformat_write_header(raw, dict.as_mut()) })?;
        for name in dict.names() {
            tracing::warn!(target: "ffmpeg", option = name, "the muxer does not take this option");
        }
        // Nothing goes back before there are packets.
        let header = writer.take().into_iter().flat_map(|(_, data)| data).collect();
        Ok(Self { context, writer, header, base, inside: 0, flushed: base, unflushed: false })
    }

    /// Has a transport stream begin anew with its tables.
    fn repeat_tables(&mut self, container: Container) {
        if container.name() != "mpegts" {
            return;
        }
        // SAFETY: our open context, whose private data are the muxer's and have a class, as
        // av_opt_set wants; two literals.
        let rc = unsafe {
            let private = (*self.context.0.as_ptr()).priv_data;
            ffi::av_opt_set(private, c"mpegts_flags".as_ptr(), c"+resend_headers".as_ptr(), 0)
        };
        if rc < 0 {
            tracing::debug!(rc, "the muxer repeats its tables in its own time only");
        }
    }

    fn write(
        &mut self,
        lane: &mut Lane,
        stream: c_int,
        packet: &Packet,
        data: &Bytes,
        container: Container,
    ) -> Result<(), Error> {
        // SAFETY: a stream of our open context, made by `new`; plain numbers.
        let base = unsafe { (**(*self.context.0.as_ptr()).streams.add(stream as usize)).time_base };
        let (num, den) = (u32::try_from(base.num).unwrap_or(1), u32::try_from(base.den).unwrap_or(1));
        let ticks = |at: Timestamp| {
            let nanos = at.as_nanos().saturating_sub(self.base.as_nanos());
            Timestamp::from_nanos(nanos).to_ticks(num, den)
        };
        let (mut pts, mut dts) = (ticks(packet.pts), ticks(packet.dts));
        if let Some(last) = lane.last {
            // Where pictures have a rate and no times, one follows the other, unless one is missing.
            if container.row.constant_rate && lane.track.video().is_some() && dts <= last + 2 {
                dts = last + 1;
            }
            dts = dts.max(last + 1);
        }
        pts = pts.max(dts);
        lane.last = Some(dts);
        let duration = lane.duration(packet);
        let coded = packet::Packet::copy_of(data)?;
        // SAFETY: a valid packet that is ours alone.
        unsafe {
            let raw = coded.as_ptr();
            ((*raw).pts, (*raw).dts, (*raw).stream_index) = (pts, dts, stream);
            let nanos = i64::try_from(duration.as_nanos()).unwrap_or(0);
            // Ogg counts on from the end of a picture.
            let counted = container.row.constant_rate && lane.track.video().is_some();
            (*raw).duration = if counted { 1 } else { Timestamp::from_nanos(nanos).to_ticks(num, den).max(1) };
            (*raw).flags = if packet.key { ffi::AV_PKT_FLAG_KEY as c_int } else { 0 };
            check("av_write_frame", ffi::av_write_frame(self.context.0.as_ptr(), raw))?;
        }
        self.inside += data.len();
        self.unflushed = true;
        Ok(())
    }

    /// Has everything written that was taken in.
    fn flush(&mut self) -> Result<Vec<(u64, Bytes)>, Error> {
        if std::mem::take(&mut self.unflushed) {
            // SAFETY: our open context; without a packet it is a flush, which a muxer that keeps
            // nothing back answers with 1. (Which ones do is no longer told by FFmpeg 9.)
            check("av_write_frame", unsafe { ffi::av_write_frame(self.context.0.as_ptr(), ptr::null_mut()) })?;
        }
        Ok(self.writer.take())
    }
}

/// Adds a stream for `track`.
///
/// # Safety
/// `context` is valid, ours and not yet opened.
unsafe fn add_stream(
    context: *mut ffi::AVFormatContext,
    track: &Track,
    container: Container,
    video_tag: Option<[u8; 4]>,
) -> Result<(), Error> {
    let parameters = Parameters::of(track)?;
    // SAFETY: the caller's promise; libavformat owns the new stream, whose fields are plain.
    unsafe {
        let stream = ffi::avformat_new_stream(context, ptr::null());
        if stream.is_null() {
            return Err(Error::NoMemory);
        }
        let raw = (*stream).codecpar;
        check("avcodec_parameters_copy", ffi::avcodec_parameters_copy(raw, parameters.as_ptr()))?;
        // Each container has its own name for a codec, or several.
        let wished = video_tag.filter(|_| track.video().is_some()).map_or(0, u32::from_le_bytes);
        let known = ffi::av_codec_get_id((*(*context).oformat).codec_tag, wished);
        (*raw).codec_tag = if wished != 0 && known == (*raw).codec_id { wished } else { 0 };
        match &track.kind {
            Kind::Video(video) => {
                let rate = video.frame_rate.filter(|_| video.sane_frame_rate().is_some());
                let rate = rate.unwrap_or(Rational { num: 25, den: 1 });
                let side = |side: u32| c_int::try_from(side).unwrap_or(1);
                let rate = ffi::AVRational { num: side(rate.num), den: side(rate.den) };
                if container.row.constant_rate {
                    (*stream).avg_frame_rate = rate;
                }
                (*stream).time_base = match container.row.constant_rate {
                    true => ffi::AVRational { num: rate.den, den: rate.num },
                    false => ffi::AVRational { num: 1, den: 90_000 },
                };
                (*stream).sample_aspect_ratio = (*raw).sample_aspect_ratio;
            }
            Kind::Audio(audio) => {
                (*raw).frame_size = c_int::try_from(frame_size(track.codec, audio.sample_rate)).unwrap_or(0);
                let rate = c_int::try_from(audio.sample_rate).unwrap_or(1).max(1);
                (*stream).time_base = ffi::AVRational { num: 1, den: rate };
            }
            Kind::Data => {}
        }
    }
    Ok(())
}
