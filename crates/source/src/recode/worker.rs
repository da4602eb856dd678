//! The thread of one reader's transcoding.

use std::collections::VecDeque;
use std::time::Duration;

use feed::Entry;
use ffmpeg::SoundCoder;
use media::{AudioCoding, Kind, Packet, Track, TrackId, Tracks, Variant};
use tokio::sync::mpsc;

use super::Recoding;
use crate::Error;
use crate::decoding::{Decoded, Decoding, Wanted};
use crate::mixed::Fate;
use crate::picture::Gate;
use crate::transcode::Maker;

/// Most packets, and bytes of them, that wait for the first of another track.
const MOST_WAITING: (usize, usize) = (512, 16 << 20);
/// Longest that packets wait for the first of another track, in their own time.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

pub(super) struct Worker {
    how: Recoding,
    /// The tracks that come in, as planned for.
    of: Tracks,
    video: Lane<Variant, Pictures>,
    audio: Lane<AudioCoding, SoundCoder>,
    /// The packet of sound coded last: what its coder holds back is of it.
    heard: Option<Packet>,
    /// Thins pictures that pass.
    gate: Gate,
    /// What was told; nothing until every track is known.
    tracks: Option<Tracks>,
    waiting: VecDeque<Packet>,
    waiting_bytes: usize,
    index: u64,
    lost: u64,
    made: mpsc::Sender<Result<Entry, Error>>,
}

/// What becomes of pictures, or of sound.
struct Lane<W, C> {
    fate: Fate<W>,
    /// Which of the tracks that come in it is.
    of: Option<TrackId>,
    coder: Option<C>,
    /// What goes out of it, once that is known.
    track: Option<Track>,
}

impl<W, C> Lane<W, C> {
    const fn off() -> Self {
        Self { fate: Fate::Off, of: None, coder: None, track: None }
    }

    fn is_known(&self) -> bool {
        self.track.is_some() || matches!(self.fate, Fate::Off)
    }
}

/// A decoder of pictures with an encoder behind it.
struct Pictures {
    decoding: Decoding,
    maker: Maker,
    gate: Gate,
    variant: Variant,
}

/// Packets of pictures bear this number while the tracks are not known, and sound the next.
const VIDEO: TrackId = TrackId(0);
const AUDIO: TrackId = TrackId(1);

impl Worker {
    pub(super) fn new(how: Recoding, made: mpsc::Sender<Result<Entry, Error>>) -> Self {
        Self {
            gate: Gate::new(how.rate),
            how,
            of: Tracks::default(),
            video: Lane::off(),
            audio: Lane::off(),
            heard: None,
            tracks: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            index: 0,
            lost: 0,
            made,
        }
    }

    pub(super) fn run(mut self, mut taken: mpsc::Receiver<Result<Entry, Error>>) {
        while let Some(entry) = taken.blocking_recv() {
            if let Err(error) = entry.and_then(|entry| self.take(&entry)) {
                if error == (Error::Ended { what: None }) {
                    self.drain();
                }
                let _ = self.made.blocking_send(Err(error));
                return;
            }
            if self.made.is_closed() {
                return;
            }
        }
    }

    /// At the end of a clip: what the coders still hold back, and what waits.
    fn drain(&mut self) {
        let decoded = self.video.coder.as_mut().map(|pictures| pictures.decoding.drain());
        for decoded in decoded.into_iter().flatten() {
            if let Err(error) = self.make(&decoded, false) {
                tracing::debug!(%error, "the last pictures of a clip are not made");
                break;
            }
        }
        if let Some(coder) = &mut self.audio.coder
            && let Some(of) = self.heard.take()
        {
            if let Err(error) = coder.drain() {
                tracing::debug!(%error, "the last sound of a clip is not made");
            }
            self.sound(&of);
        }
        if self.tracks.is_none() {
            self.declare();
        }
    }

    fn take(&mut self, entry: &Entry) -> Result<(), Error> {
        if !self.of.same(&entry.tracks) {
            self.plan(&entry.tracks)?;
        }
        self.lost += entry.lost;
        let packet = &entry.packet;
        if let Some(pictures) = &mut self.video.coder {
            pictures.decoding.adopt(entry)?;
            if pictures.decoding.is_video(packet) {
                for decoded in pictures.decoding.decode(packet, Wanted::Picture) {
                    self.make(&decoded, packet.discontinuity)?;
                }
                return Ok(());
            }
        }
        if self.video.of == Some(packet.track) && self.video.fate == Fate::Pass {
            if self.how.rate.is_none() || self.gate.take(packet.pts) {
                self.put(VIDEO, packet.clone());
            }
        } else if self.audio.of == Some(packet.track) {
            match &mut self.audio.coder {
                Some(coder) => {
                    match coder.push(&packet.data, packet.pts) {
                        Ok(()) => {}
                        Err(error @ ffmpeg::Error::InvalidData { .. }) => tracing::debug!(%error, "sound not decoded"),
                        Err(error) => return Err(Error::Unsupported { what: error.to_string() }),
                    }
                    self.sound(packet);
                    self.heard = Some(packet.clone());
                }
                None if self.audio.fate == Fate::Pass => self.put(AUDIO, packet.clone()),
                None => {}
            }
        }
        Ok(())
    }

    fn plan(&mut self, tracks: &Tracks) -> Result<(), Error> {
        // What waits is of the tracks before.
        if self.tracks.is_none() {
            self.declare();
        }
        let plan = (self.how.planner)(tracks)?;
        self.of = tracks.clone();
        self.tracks = None;
        let video = tracks.video();
        let audio = tracks.iter().find(|track| matches!(track.kind, Kind::Audio(_)));
        let (coder, track) = match plan.video {
            // Its decoder takes new tracks in.
            Fate::Coded(_) if plan.video == self.video.fate => (self.video.coder.take(), self.video.track.take()),
            Fate::Coded(variant) => {
                let (decoding, maker) = (Decoding::new(), Maker::for_variant(variant));
                (Some(Pictures { decoding, maker, gate: Gate::new(variant.rate), variant }), None)
            }
            Fate::Pass => (None, video.cloned()),
            Fate::Off => (None, None),
        };
        self.video = Lane { fate: plan.video, of: video.map(|track| track.id), coder, track };
        let coder = match (plan.audio, audio) {
            (Fate::Coded(coding), Some(track)) => {
                let codec = coding.codec.ok_or_else(|| Error::Unsupported { what: "sound without a codec".into() })?;
                let coder = SoundCoder::new(track, codec, coding);
                Some(coder.map_err(|error| Error::Unsupported { what: error.to_string() })?)
            }
            _ => None,
        };
        let track = if plan.audio == Fate::Pass { audio.cloned() } else { None };
        self.audio = Lane { fate: plan.audio, of: audio.map(|track| track.id), coder, track };
        if video.is_none() {
            self.video = Lane::off();
        }
        if audio.is_none() {
            self.audio = Lane::off();
        }
        Ok(())
    }

    /// Codes a picture, if it is due.
    fn make(&mut self, decoded: &Decoded, discontinuity: bool) -> Result<(), Error> {
        let Some(pictures) = &mut self.video.coder else { return Ok(()) };
        if !pictures.gate.take(decoded.pts) {
            return Ok(());
        }
        let made = match pictures.maker.make(decoded, pictures.variant) {
            Ok(Some(made)) => made,
            Ok(None) => return Ok(()),
            // It will not be opened for the next picture either.
            Err(error) if pictures.maker.is_shut() => return Err(Error::Unsupported { what: error.to_string() }),
            Err(error) => {
                tracing::debug!(%error, "picture not encoded");
                return Ok(());
            }
        };
        if let Some(track) = made.new_track {
            self.learn(VIDEO, track);
        }
        self.put(
            VIDEO,
            Packet {
                track: VIDEO,
                pts: decoded.pts,
                dts: decoded.pts,
                duration: None,
                key: made.key,
                corrupt: decoded.corrupt,
                discontinuity,
                received: decoded.received,
                captured: decoded.captured,
                data: made.data,
            },
        );
        Ok(())
    }

    /// Gives the sound that is ready.
    fn sound(&mut self, of: &Packet) {
        while let Some(coder) = &mut self.audio.coder
            && let Some(sound) = coder.poll()
        {
            if let Some(track) = coder.track() {
                self.learn(AUDIO, track);
            }
            let packet = Packet {
                track: AUDIO,
                pts: sound.pts,
                dts: sound.pts,
                duration: Some(sound.duration),
                key: true,
                data: sound.data,
                discontinuity: false,
                ..of.clone()
            };
            self.put(AUDIO, packet);
        }
    }

    /// What comes of a lane from here on.
    fn learn(&mut self, which: TrackId, track: Track) {
        let known = if which == VIDEO { &mut self.video.track } else { &mut self.audio.track };
        if known.as_ref() == Some(&track) {
            return;
        }
        *known = Some(track);
        // Another one than was told.
        self.tracks = None;
    }

    fn put(&mut self, which: TrackId, packet: Packet) {
        let packet = Packet { track: which, ..packet };
        if self.tracks.is_some() {
            return self.give(packet);
        }
        let first = self.waiting.front().map_or(packet.dts, |first| first.dts);
        let waited = packet.dts.saturating_since(first);
        self.waiting_bytes += packet.data.len();
        self.waiting.push_back(packet);
        let enough = self.waiting.len() > MOST_WAITING.0 || self.waiting_bytes > MOST_WAITING.1;
        if enough || waited > LONGEST_WAIT || (self.video.is_known() && self.audio.is_known()) {
            self.declare();
        }
    }

    /// Tells the tracks that are known, and gives what has waited for it.
    fn declare(&mut self) {
        let known = [self.video.track.clone(), self.audio.track.clone()];
        self.tracks = Some(Tracks::new(known.into_iter().flatten().collect()));
        self.waiting_bytes = 0;
        for packet in std::mem::take(&mut self.waiting) {
            self.give(packet);
        }
    }

    /// Leaves a packet for the reader, waiting for it to take the last ones.
    fn give(&mut self, mut packet: Packet) {
        let Some(tracks) = &self.tracks else { return };
        let wanted = |track: &&Track| (packet.track == VIDEO) == track.video().is_some();
        // A track that was not known in time stays out until there is a new set.
        let Some(track) = tracks.iter().find(wanted) else { return };
        packet.track = track.id;
        let lost = std::mem::take(&mut self.lost);
        let entry = Entry { seq: self.index, index: self.index, lost, tracks: tracks.clone(), packet };
        self.index += 1;
        // A reader that is gone is noticed by the caller.
        let _ = self.made.blocking_send(Ok(entry));
    }
}
