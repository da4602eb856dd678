//! The thread that demuxes and decodes one recording.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ffmpeg::{Decoder, DecoderOptions, Read};
use media::{Codec, Size, Timestamp, Track, Unit};
use source::{Error, Phase, Stop};

use super::numbering::Numbering;
use super::places::{MOST_FAILURES, Places, Start, video};
use super::{Shared, ahead};
use crate::every::Gate;
use crate::flow::{Flow, Pushed};
use crate::frame::Facts;
use crate::live::Live;
use crate::{Corrupt, Format, Frame, Info, Options, Seek, Skip};

/// A seek that leads no further ahead decodes on instead of jumping.
const NEAR: u64 = 16;
/// Pictures that a decoder of JPEG may hold back: one a thread.
const MOST_DELAYED: usize = 32;
/// How far before the place sought to begin, at each try: some demuxers land too late.
const BACK: [Duration; 4] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(6), Duration::from_secs(40)];

pub(super) struct Worker {
    url: String,
    options: Options,
    flow: Arc<Flow>,
    shared: Arc<Shared>,
    stop: Stop,
    /// This program has one processor.
    alone: bool,
}

impl Worker {
    pub(super) fn new(url: &str, options: &Options, flow: Arc<Flow>, shared: Arc<Shared>, stop: Stop) -> Self {
        let alone = crate::runtime::is_alone();
        Self { url: url.into(), options: options.clone(), flow, shared, stop, alone }
    }

    /// Until the capture is closed or the recording cannot be read.
    pub(super) fn run(&self) -> Result<(), Error> {
        match self.open()? {
            Some(playing) => playing.run(),
            None => Ok(()),
        }
    }

    /// Whether a live source was opened in its place.
    pub(super) fn has_given_way(&self) -> bool {
        self.shared.instead.get().is_some()
    }

    /// Opens what is no recording as a live source, by clients of our own, which can say more of
    /// why it cannot be opened, too.
    fn give_way(&self) -> Result<(), Error> {
        let live = Live::start(&self.url, &self.options, &self.flow)?;
        let live = self.shared.instead.get_or_init(|| live);
        // Who closed it in between did not see it.
        if self.stop.is_set() {
            live.close();
        }
        Ok(())
    }

    /// Nothing where a live source was opened instead.
    fn open(&self) -> Result<Option<Playing<'_>>, Error> {
        self.phase(Phase::Connect);
        let stop = self.stop.clone();
        let opened = source::Recording::open(&self.url, &self.options.source, move || stop.is_set());
        if source::Recording::may_be_remote(&self.url) && !self.stop.is_set() {
            let has_end = opened.as_ref().is_ok_and(|recording| recording.about().duration.is_some());
            if !has_end {
                // A camera may take one connection only.
                drop(opened);
                return self.give_way().map(|()| None);
            }
        }
        let mut recording = opened?;
        self.phase(Phase::Handshake);
        let tracks = recording.tracks()?;
        let about = recording.about();
        let Some(track) = video(&tracks).cloned() else {
            let codecs: Vec<_> = tracks.iter().map(|track| track.codec.name()).collect();
            let found = if codecs.is_empty() { "no track".into() } else { format!("only {}", codecs.join(", ")) };
            let what = format!("no video track: {found} in this {}", about.container);
            return Err(Error::NotVideo { what, page: false });
        };
        recording.keep_only(track.id);
        let rate = track.video().and_then(media::Video::sane_frame_rate);
        let by_rate = || Some((about.duration?.as_secs_f64() * rate?).round() as u64);
        let mut info = Info {
            protocol: about.protocol,
            container: about.container,
            frames: recording.unit_count(track.id).or_else(by_rate),
            duration: about.duration,
            seekable: true,
            title: about.title,
            ..Info::default()
        };
        info.of_track(&track);
        self.shared.known().info = info;
        let decoder = self.decoder(&track)?;
        self.phase(Phase::FirstFrame);
        Ok(Some(Playing {
            of: self,
            recording,
            track,
            decoder,
            rate: rate.unwrap_or(25.0),
            gate: Gate::new(self.options.every),
            numbering: Numbering::default(),
            start: Start::default(),
            places: None,
            zero: None,
            shown: None,
            generation: 0,
            ahead: VecDeque::new(),
            jpegs: VecDeque::new(),
            discontinuity: false,
            missed: 0,
            drop_before: None,
        }))
    }

    fn decoder(&self, track: &Track) -> Result<Decoder, Error> {
        let low_delay = self.options.low_delay.unwrap_or(false);
        let options = DecoderOptions { threads: self.options.threads.unwrap_or(0), low_delay };
        let mut decoder =
            Decoder::new(track, &options).map_err(|error| Error::Unsupported { what: error.to_string() })?;
        decoder.skip(match self.options.skip {
            Skip::None => ffmpeg::Skip::None,
            Skip::NonRef => ffmpeg::Skip::NonRef,
            Skip::NonKey => ffmpeg::Skip::NonKey,
        });
        Ok(decoder)
    }

    fn phase(&self, phase: Phase) {
        self.shared.known().phase = Some(phase);
    }
}

/// An open recording, somewhere in it.
struct Playing<'a> {
    of: &'a Worker,
    recording: source::Recording,
    track: Track,
    decoder: Decoder,
    /// For frames without times.
    rate: f64,
    gate: Gate,
    numbering: Numbering,
    start: Start,
    places: Option<Places>,
    /// The time of the first frame.
    zero: Option<Timestamp>,
    shown: Option<Duration>,
    generation: u64,
    /// Read already, while looking for a keyframe.
    ahead: VecDeque<Unit>,
    /// The JPEGs in the decoder.
    jpegs: VecDeque<(Option<Timestamp>, Bytes)>,
    /// For the next frame.
    discontinuity: bool,
    /// Damaged frames left out since the last one.
    missed: u64,
    /// Frames before this number are not given: where a seek decodes on.
    drop_before: Option<u64>,
}

/// What came of going on.
#[derive(PartialEq, Eq)]
enum Step {
    On,
    /// There is a seek, or the capture is closed.
    Interrupted,
    End,
}

impl Playing<'_> {
    fn run(mut self) -> Result<(), Error> {
        let flow = Arc::clone(&self.of.flow);
        loop {
            let sought = {
                let mut inside = flow.lock();
                if inside.closed {
                    return Ok(());
                }
                self.generation = inside.generation;
                inside.seek.take()
            };
            if let Some(to) = sought {
                self.seek(to)?;
            }
            if self.step()? == Step::End {
                self.end();
                if !flow.idle_until(|inside| inside.seek.is_some()) {
                    return Ok(());
                }
            }
        }
    }

    /// Tells readers that it is over, unless they want something else by now.
    fn end(&self) {
        let flow = &self.of.flow;
        let mut inside = flow.lock();
        if inside.generation == self.generation {
            inside.over.get_or_insert_with(|| crate::Error::ended(&flow.url));
        }
        drop(inside);
        flow.tell();
    }

    /// Reads one unit, and gives what comes out of the decoder for it.
    fn step(&mut self) -> Result<Step, Error> {
        let Some(unit) = self.next()? else { return self.drain() };
        self.of.shared.known().bytes += unit.data.len() as u64;
        if !self.start.admits(unit.key, unit.pts) {
            return Ok(Step::On);
        }
        if self.track.codec == Codec::MJPEG && self.of.options.format == Format::Jpeg {
            return Ok(self.pass(unit));
        }
        self.numbering.sent(unit.pts);
        if self.track.codec == Codec::MJPEG {
            self.jpegs.truncate(MOST_DELAYED);
            self.jpegs.push_front((unit.pts, unit.data.clone()));
        }
        if let Err(error) = self.decoder.send_at(&unit.data, unit.pts, unit.dts, unit.key) {
            tracing::debug!(%error, "packet not decoded");
        }
        Ok(self.receive())
    }

    /// The pictures that are ready.
    fn receive(&mut self) -> Step {
        loop {
            match self.decoder.receive() {
                Ok(Some(picture)) => {
                    if self.give(picture) == Pushed::Unwanted {
                        return Step::Interrupted;
                    }
                }
                Ok(None) => return Step::On,
                Err(error) => {
                    tracing::debug!(%error, "picture not decoded");
                    return Step::On;
                }
            }
        }
    }

    /// The pictures that are left.
    fn drain(&mut self) -> Result<Step, Error> {
        if let Err(error) = self.decoder.drain() {
            tracing::debug!(%error, "pictures not decoded");
        }
        let step = self.receive();
        Ok(if step == Step::On { Step::End } else { step })
    }

    /// The next unit of the track; nothing at the end.
    fn next(&mut self) -> Result<Option<Unit>, Error> {
        if let Some(unit) = self.ahead.pop_front() {
            return Ok(Some(unit));
        }
        let mut failures = 0;
        loop {
            match self.recording.read() {
                Ok(Read::Unit(unit)) if unit.track == self.track.id => return Ok(Some(unit)),
                Ok(Read::Unit(_)) => {}
                Ok(Read::Tracks(tracks)) => self.adopt(&tracks)?,
                Ok(Read::End) => return Ok(None),
                Err(_) if self.of.stop.is_set() => return Ok(None),
                Err(Error::Ended { what: Some(what) }) if failures < MOST_FAILURES => {
                    tracing::debug!(what, "passed over");
                    (failures, self.discontinuity) = (failures + 1, true);
                }
                Err(Error::Ended { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes over another description of the track.
    fn adopt(&mut self, tracks: &[Track]) -> Result<(), Error> {
        let Some(track) = video(tracks).filter(|track| track.id == self.track.id && **track != self.track) else {
            return Ok(());
        };
        self.track = track.clone();
        self.drain()?;
        self.decoder = self.of.decoder(&self.track)?;
        self.of.shared.known().info.of_track(&self.track);
        self.discontinuity = true;
        Ok(())
    }

    /// Gives a JPEG undecoded.
    fn pass(&mut self, unit: Unit) -> Step {
        let info = formats::jpeg::info(&unit.data);
        let size = info.as_ref().map_or_else(|_| self.declared().0, |info| info.size);
        let corrupt = unit.corrupt || info.is_err();
        let data = whole(unit.data);
        self.numbering.sent(unit.pts);
        let Some(index) = self.numbering.shown(unit.pts) else { return Step::On };
        match self
            .hand_out(index, unit.pts, true, corrupt, size, |facts, shaper| Frame::new(facts, None, Some(data), shaper))
        {
            Pushed::Taken => Step::On,
            Pushed::Unwanted => Step::Interrupted,
        }
    }

    fn give(&mut self, picture: ffmpeg::Frame) -> Pushed {
        let pts = picture.pts();
        let Some(index) = self.numbering.shown(pts) else { return Pushed::Taken };
        let (key, corrupt, size) = (picture.key(), picture.corrupt(), picture.size());
        let place = self.jpegs.iter().position(|(of, _)| of.is_some() && *of == pts);
        let jpeg = place.and_then(|place| self.jpegs.remove(place)).map(|(_, data)| whole(data));
        self.hand_out(index, pts, key, corrupt, size, |facts, shaper| Frame::new(facts, Some(picture), jpeg, shaper))
    }

    fn hand_out(
        &mut self,
        index: u64,
        at: Option<Timestamp>,
        key: bool,
        corrupt: bool,
        own: Size,
        make: impl FnOnce(Facts, &Arc<crate::shape::Shaper>) -> Frame,
    ) -> Pushed {
        let pts = self.place(index, at);
        if self.drop_before.is_some_and(|first| index < first) {
            return Pushed::Taken;
        }
        self.drop_before = None;
        let Worker { flow, options, shared, .. } = self.of;
        let dropped = corrupt && options.corrupt == Corrupt::Drop;
        if corrupt {
            let mut inside = flow.lock();
            inside.corrupt += 1;
            inside.dropped += u64::from(dropped);
            self.missed += u64::from(dropped);
        }
        if dropped || !self.gate.lets(pts) {
            return Pushed::Taken;
        }
        let discontinuity = std::mem::take(&mut self.discontinuity);
        let (_, rotation) = self.declared();
        let facts =
            Facts { index, pts, received: Instant::now(), captured: None, key, corrupt, discontinuity, own, rotation };
        {
            let mut known = shared.known();
            known.phase = Some(Phase::Streaming);
            if index > 0 && !pts.is_zero() {
                known.fps = index as f64 / pts.as_secs_f64();
            }
        }
        let most = if options.buffer == 0 { ahead(own, self.of.alone) } else { options.buffer };
        let frame = make(facts, &flow.shaper).with_dropped(std::mem::take(&mut self.missed));
        // Readers who have more to do than this thread are spared what it can do for them.
        if !self.of.alone && flow.lock().is_slow() {
            frame.convert_ahead();
        }
        flow.push(frame, most, self.generation, true)
    }

    /// When to show a frame, later than the one before.
    fn place(&mut self, index: u64, at: Option<Timestamp>) -> Duration {
        let since = match at {
            Some(at) => at.saturating_since(*self.zero.get_or_insert(at)),
            None => Duration::from_secs_f64(index as f64 / self.rate),
        };
        let pts = self.shown.map_or(since, |shown| since.max(shown + Duration::from_nanos(1)));
        self.shown = Some(pts);
        pts
    }

    fn declared(&self) -> (Size, u16) {
        self.track.video().map_or((Size::default(), 0), |video| (video.size, video.rotation))
    }

    /// Goes to the frame that is wanted: the next one given is that one.
    fn seek(&mut self, to: Seek) -> Result<(), Error> {
        if self.places.is_none() {
            self.places = Some(Places::look(&self.of.url, &self.of.options.source, &self.of.stop)?);
        }
        let Some(places) = &self.places else { return Ok(()) };
        let wanted = match to {
            Seek::Frame(frame) => frame,
            Seek::Time(time) => places.frame_at(time, self.rate),
        };
        let (count, time) = (places.len(), places.time(wanted));
        self.of.shared.known().counted = Some(Ok(count));
        self.gate.restart();
        self.drop_before = Some(wanted);
        self.missed = 0;
        if wanted >= self.numbering.next() && wanted - self.numbering.next() <= NEAR {
            return Ok(());
        }
        self.shown = None;
        if wanted >= count {
            // To the end, and nothing from there.
            self.drop_before = None;
            self.ahead.clear();
            self.jump_to_end()?;
            self.numbering.restart(count, None);
            return Ok(());
        }
        if let Some(time) = time {
            for back in BACK {
                if self.jump(time - back)?.is_some_and(|key| key <= time) {
                    self.numbering.restart(wanted, Some(time));
                    return Ok(());
                }
            }
        }
        // To go back to the begin is not certain either, but to open it once more is.
        let stop = self.of.stop.clone();
        self.recording = source::Recording::open(&self.of.url, &self.of.options.source, move || stop.is_set())?;
        self.recording.keep_only(self.track.id);
        self.ahead.clear();
        self.decoder.flush();
        self.start = Start::default();
        self.numbering.restart(0, None);
        Ok(())
    }

    /// Goes to a keyframe, not after `to` if the container is right; tells its time.
    fn jump(&mut self, to: Timestamp) -> Result<Option<Timestamp>, Error> {
        self.ahead.clear();
        self.decoder.flush();
        self.start = Start::default();
        if self.recording.seek(self.track.id, to).is_err() {
            return Ok(None);
        }
        while let Some(unit) = self.next()? {
            if unit.key {
                let at = unit.pts;
                self.ahead.push_front(unit);
                return Ok(at);
            }
        }
        Ok(None)
    }

    /// Reads what is left, and forgets it.
    fn jump_to_end(&mut self) -> Result<(), Error> {
        self.decoder.flush();
        while !self.of.stop.is_set() && self.next()?.is_some() {}
        Ok(())
    }
}

/// A JPEG with the tables that those of AVI leave out.
fn whole(data: Bytes) -> Bytes {
    let bare = formats::jpeg::info(&data).is_ok_and(|info| !info.has_huffman);
    if bare { formats::jpeg::with_huffman(data) } else { data }
}
