//! Pictures and sound of a source for a container: each as it is, or coded anew.
//!
//! What passes comes from the source's own feed; what is coded anew comes from the feed of
//! a variant, which is made while it is read, once for all who want the same. They come out
//! in the order in which they are there, as packets of one set of tracks. The set is told
//! when all of its tracks are known; until then packets wait, within bounds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use feed::{Cursor, Entry, Start};
use media::{AudioCoding, Kind, Packet, Track, TrackId, Tracks, Variant};

use crate::Error;
use crate::transcode::{AudioLease, Demand, Lease};
use crate::variants::Variants;

/// Most packets, and bytes of them, that wait for the first of another track.
const MOST_WAITING: (usize, usize) = (512, 16 << 20);
/// Longest that packets wait for the first of another track.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What becomes of a source's pictures, or of its sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate<T> {
    /// Left out.
    Off,
    /// As it is.
    Pass,
    /// Coded anew.
    Coded(T),
}

/// What becomes of a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Its pictures.
    pub video: Fate<Variant>,
    /// Its sound.
    pub audio: Fate<AudioCoding>,
}

impl Plan {
    /// Whether anything is coded anew.
    #[must_use]
    pub fn is_coded(&self) -> bool {
        matches!(self.video, Fate::Coded(_)) || matches!(self.audio, Fate::Coded(_))
    }
}

/// Says what is to become of a source with these tracks; asked again when they change.
pub type Planner = Box<dyn Fn(&Tracks) -> Result<Plan, Error> + Send>;

/// A reader of pictures and sound in order; the source stays open while it lives.
pub struct Mixed {
    variants: Arc<Variants>,
    planner: Planner,
    /// The source's own packets; nothing when it is over.
    own: Option<Cursor>,
    /// The source's own tracks, as planned for.
    of: Option<Tracks>,
    video: Lane<Variant>,
    audio: Lane<AudioCoding>,
    /// What was told, and whether it still holds.
    tracks: Option<Tracks>,
    waiting: VecDeque<(Which, Packet)>,
    waiting_bytes: usize,
    ready: VecDeque<Entry>,
    seq: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Which {
    Video,
    Audio,
}

/// Where pictures, or sound, come from.
struct Lane<T> {
    fate: Fate<T>,
    /// Which of the source's own tracks passes.
    own: Option<TrackId>,
    made: Option<Made>,
    track: Option<Track>,
    /// There was a keyframe since the beginning, or the last gap.
    in_step: bool,
}

struct Made {
    cursor: Cursor,
    lease: AnyLease,
}

enum AnyLease {
    Video(Lease),
    Audio(AudioLease),
}

impl AnyLease {
    fn error(&self) -> Option<Error> {
        match self {
            Self::Video(lease) => lease.error(),
            Self::Audio(lease) => lease.error(),
        }
    }
}

impl<T> Lane<T> {
    const fn off() -> Self {
        Self { fate: Fate::Off, own: None, made: None, track: None, in_step: false }
    }

    /// Whether it is known what comes of it, or that nothing does.
    fn is_known(&self) -> bool {
        self.track.is_some() || matches!(self.fate, Fate::Off)
    }

    /// Whether a decoder that had what came before can make something of `packet`.
    fn admits(&mut self, packet: &Packet, lost: u64) -> bool {
        if lost > 0 {
            self.in_step = false;
        }
        self.in_step |= packet.key;
        self.in_step
    }
}

enum Came {
    Own(Result<Entry, feed::Closed>),
    Made(Which, Result<Entry, feed::Closed>),
}

impl Mixed {
    pub(crate) fn new(variants: Arc<Variants>, planner: Planner) -> Self {
        let own = Some(variants.feed().cursor(Start::Keyframe));
        Self {
            variants,
            planner,
            own,
            of: None,
            video: Lane::off(),
            audio: Lane::off(),
            tracks: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            ready: VecDeque::new(),
            seq: 0,
        }
    }

    /// The next packet, waiting for one if need be, over reconnects too; first of all the
    /// newest keyframe there is. Its entry tells the tracks: pictures first, then sound.
    /// Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Ended`] when the source is over for good, [`Error::Unsupported`] when
    /// something cannot be decoded or coded, [`Error::TooMany`], and what the planner says.
    pub async fn next(&mut self) -> Result<Entry, Error> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Ok(entry);
            }
            let came = tokio::select! {
                entry = next_of(self.own.as_mut()) => Came::Own(entry),
                entry = next_of(self.video.made.as_mut().map(|made| &mut made.cursor)) => {
                    Came::Made(Which::Video, entry)
                }
                entry = next_of(self.audio.made.as_mut().map(|made| &mut made.cursor)) => {
                    Came::Made(Which::Audio, entry)
                }
            };
            match came {
                Came::Own(Ok(entry)) => self.take_own(entry)?,
                Came::Own(Err(feed::Closed)) => {
                    self.own = None;
                    self.end_if_over()?;
                }
                Came::Made(which, Ok(entry)) => self.take_made(which, entry),
                Came::Made(which, Err(feed::Closed)) => self.lose(which)?,
            }
        }
    }

    /// Over, when the source is and nothing more is made of it.
    fn end_if_over(&self) -> Result<(), Error> {
        match self.own.is_none() && self.video.made.is_none() && self.audio.made.is_none() {
            true => Err(Error::Ended { what: None }),
            false => Ok(()),
        }
    }

    fn take_own(&mut self, entry: Entry) -> Result<(), Error> {
        // Equal tracks after a reconnect are no change.
        if self.of.as_ref().is_none_or(|of| !of.same(&entry.tracks) && **of != *entry.tracks) {
            self.plan(&entry.tracks)?;
        }
        self.of = Some(entry.tracks.clone());
        let (packet, lost) = (entry.packet, entry.lost);
        if self.video.own == Some(packet.track) {
            if self.video.admits(&packet, lost) {
                self.put(Which::Video, packet);
            }
        } else if self.audio.own == Some(packet.track) {
            self.put(Which::Audio, packet);
        } else if lost > 0 {
            self.video.in_step &= self.video.own.is_none();
        }
        Ok(())
    }

    fn take_made(&mut self, which: Which, entry: Entry) {
        let track = entry.tracks.first().cloned();
        let admitted = match which {
            Which::Video => {
                self.tracks = self.tracks.take().filter(|_| self.video.track == track);
                self.video.track = track;
                self.video.admits(&entry.packet, entry.lost)
            }
            Which::Audio => {
                self.tracks = self.tracks.take().filter(|_| self.audio.track == track);
                self.audio.track = track;
                true
            }
        };
        if admitted {
            self.put(which, entry.packet);
        }
    }

    /// What is made has ended: its reason, or once more where there is none.
    fn lose(&mut self, which: Which) -> Result<(), Error> {
        let made = match which {
            Which::Video => self.video.made.take(),
            Which::Audio => self.audio.made.take(),
        };
        let error = made.and_then(|made| made.lease.error());
        match error {
            // The source is over; what it still has of its own is read.
            Some(Error::Ended { .. }) => self.end_if_over(),
            None if self.own.is_none() => self.end_if_over(),
            Some(error) => Err(error),
            None => self.lease(),
        }
    }

    fn plan(&mut self, tracks: &Tracks) -> Result<(), Error> {
        let plan = (self.planner)(tracks)?;
        let video = tracks.video();
        let audio = tracks.iter().find(|track| matches!(track.kind, Kind::Audio(_)));
        // What is made goes on being made where it is to be the same: its decoder takes new tracks in.
        if self.video.fate != plan.video || plan.video == Fate::Pass {
            self.video = Lane { fate: plan.video, ..Lane::off() };
        }
        if self.audio.fate != plan.audio || plan.audio == Fate::Pass {
            self.audio = Lane { fate: plan.audio, ..Lane::off() };
        }
        if plan.video == Fate::Pass {
            self.video.own = video.map(|track| track.id);
            self.video.track = video.cloned();
        }
        if plan.audio == Fate::Pass {
            self.audio.own = audio.map(|track| track.id);
            self.audio.track = audio.cloned();
        }
        if video.is_none() {
            self.video = Lane::off();
        }
        if audio.is_none() {
            self.audio = Lane::off();
        }
        self.tracks = None;
        self.lease()
    }

    /// Has made what is to be coded.
    fn lease(&mut self) -> Result<(), Error> {
        if let (Fate::Coded(variant), None) = (self.video.fate, &self.video.made) {
            let lease = self.variants.lease(variant, Demand::All, false)?;
            self.video.made =
                Some(Made { cursor: lease.feed().cursor(Start::Keyframe), lease: AnyLease::Video(lease) });
        }
        if let (Fate::Coded(coding), None) = (self.audio.fate, &self.audio.made) {
            let lease = self.variants.lease_audio(coding)?;
            self.audio.made = Some(Made { cursor: lease.feed().cursor(Start::Live), lease: AnyLease::Audio(lease) });
        }
        Ok(())
    }

    fn put(&mut self, which: Which, packet: Packet) {
        if self.tracks.is_some() {
            return self.give(which, packet);
        }
        self.waiting_bytes += packet.data.len();
        self.waiting.push_back((which, packet));
        let since = self.waiting.front().map_or(Duration::ZERO, |(_, first)| first.received.elapsed());
        let enough = self.waiting.len() > MOST_WAITING.0
            || self.waiting_bytes > MOST_WAITING.1
            || since > LONGEST_WAIT && self.waiting.len() > 1;
        if enough || (self.video.is_known() && self.audio.is_known()) {
            self.declare();
        }
    }

    /// Tells the tracks that are known, and gives what has waited for it.
    fn declare(&mut self) {
        let known = [self.video.track.clone(), self.audio.track.clone()];
        self.tracks = Some(Tracks::new(known.into_iter().flatten().collect()));
        self.waiting_bytes = 0;
        for (which, packet) in std::mem::take(&mut self.waiting) {
            self.give(which, packet);
        }
    }

    fn give(&mut self, which: Which, mut packet: Packet) {
        let Some(tracks) = &self.tracks else { return };
        let wanted = |track: &&Track| (which == Which::Video) == track.video().is_some();
        // A track that was not known in time stays out until there is a new set.
        let Some(track) = tracks.iter().find(wanted) else { return };
        packet.track = track.id;
        self.ready.push_back(Entry { seq: self.seq, index: self.seq, lost: 0, tracks: tracks.clone(), packet });
        self.seq += 1;
    }
}

/// The next of a cursor that may not be there.
async fn next_of(cursor: Option<&mut Cursor>) -> Result<Entry, feed::Closed> {
    match cursor {
        Some(cursor) => cursor.next().await,
        None => std::future::pending().await,
    }
}
