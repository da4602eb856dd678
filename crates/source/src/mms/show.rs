//! From ASF to the feed, whatever brought it: tracks are declared, packets taken apart,
//! recordings held to real time, and gone on with where they were lost.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use asf::{Choice, Demuxer, Header};
use bytes::Bytes;
use media::{Redacted, Timestamp, Track, TrackId, Tracks, Unit};

use tokio::time::sleep_until;

use crate::bookmark::Bookmark;
use crate::pace::{Clock, Queue};
use crate::{About, Error, Rule, Sink};

/// Longest name of a server or title that is shown, in characters.
const MAX_SHOWN: usize = 120;

/// Content on its way to the sink.
pub(crate) struct Show<'a> {
    sink: &'a Sink,
    rule: &'a Rule,
    /// What is played, for messages.
    place: String,
    demuxer: Option<Demuxer>,
    /// The header that is played.
    header: Bytes,
    /// The same is to be played again.
    repeats: bool,
    lead: Option<TrackId>,
    live: bool,
    clock: Clock,
    queue: Queue<Next>,
    /// Where the recording is lost if it is lost now.
    mark: Option<Bookmark>,
    resuming: Resuming,
}

/// What is to be published.
enum Next {
    /// What follows has these tracks.
    Tracks(About, Vec<Track>),
    Unit {
        unit: Unit,
        is_picture: bool,
        /// The packet of the recording in which it ends, and its time in the recording.
        packet: u32,
        at: Option<Timestamp>,
    },
}

/// How far a recording that was lost has been found again.
enum Resuming {
    No,
    /// The server was asked for this packet; what follows is not declared yet.
    Asked {
        mark: Bookmark,
        packet: u32,
        most_early: u32,
        about: About,
        tracks: Vec<Track>,
    },
    /// It came. What was published before the loss is left out; whether the next picture is the
    /// first one.
    Found(Bookmark, bool),
}

impl<'a> Show<'a> {
    /// Of `place`, for messages, with the streams that `rule` says.
    pub(crate) fn new(sink: &'a Sink, rule: &'a Rule, place: &str) -> Self {
        Self {
            sink,
            rule,
            place: place.to_owned(),
            demuxer: None,
            header: Bytes::new(),
            repeats: false,
            lead: None,
            live: false,
            clock: Clock::default(),
            queue: Queue::default(),
            mark: None,
            resuming: Resuming::No,
        }
    }

    /// Takes a header: the first one, or that of what follows. Returns which of its streams are
    /// wanted.
    ///
    /// # Errors
    /// When it is encrypted, or nothing of it can be decoded, or it has no pictures.
    pub(crate) fn header(&mut self, header: &Header, about: About) -> Result<Choice, Error> {
        let choice = header.choose(self.rule);
        let tracks = self.begin(header, &choice, about.live)?;
        // What came before has nothing to do with it.
        (self.mark, self.resuming) = (None, Resuming::No);
        let is_known = std::mem::take(&mut self.repeats) && self.header == header.bytes();
        self.header = header.bytes().clone();
        if !is_known {
            self.queue.push(None, self.header.len(), Next::Tracks(about, tracks));
        }
        self.publish()?;
        Ok(choice)
    }

    /// The same for a recording whose packets are numbered. Returns the packet with which to go
    /// on too, if the attempt before this one lost it; so many before that one are passed over
    /// if they come all the same.
    ///
    /// # Errors
    /// As [`Show::header`].
    pub(crate) fn numbered(
        &mut self,
        header: &Header,
        about: About,
        most_early: u32,
    ) -> Result<(Choice, Option<u32>), Error> {
        let mut hasher = DefaultHasher::new();
        header.bytes().hash(&mut hasher);
        let content = hasher.finish();
        let lost = self.sink.bookmark().and_then(|mark| Some((mark.packet(content)?, mark)));
        let Some((packet, mark)) = lost else {
            let choice = self.header(header, about)?;
            self.mark = Some(Bookmark::new(content));
            return Ok((choice, None));
        };
        let choice = header.choose(self.rule);
        let tracks = self.begin(header, &choice, about.live)?;
        self.header = header.bytes().clone();
        self.mark = Some(mark.clone());
        self.resuming = Resuming::Asked { mark, packet, most_early, about, tracks };
        Ok((choice, Some(packet)))
    }

    fn begin(&mut self, header: &Header, choice: &Choice, live: bool) -> Result<Vec<Track>, Error> {
        if self.demuxer.is_some() {
            self.clock.again();
        }
        let demuxer = Demuxer::new(header, &choice.wanted()).map_err(|error| failure(&error, &self.place))?;
        let tracks = demuxer.tracks();
        self.lead = Tracks::lead_of(&tracks).map(|track| track.id);
        self.demuxer = Some(demuxer);
        self.live = live;
        Ok(tracks)
    }

    /// Takes a packet, and publishes what is due.
    ///
    /// # Errors
    /// When it turns out that there are no pictures.
    pub(crate) fn packet(&mut self, number: u32, lost: u32, packet: Bytes) -> Result<(), Error> {
        match std::mem::replace(&mut self.resuming, Resuming::No) {
            Resuming::Asked { mark, packet: asked, most_early, about, tracks } => {
                if number < asked && asked - number <= most_early {
                    self.resuming = Resuming::Asked { mark, packet: asked, most_early, about, tracks };
                    return Ok(());
                }
                if number == asked && self.sink.go_on(about.clone()) {
                    tracing::debug!(packet = number, "going on where it was lost");
                    self.resuming = Resuming::Found(mark, true);
                } else {
                    self.mark = Some(mark.anew());
                    self.queue.push(None, self.header.len(), Next::Tracks(about, tracks));
                }
            }
            other => self.resuming = other,
        }
        let Some(demuxer) = &mut self.demuxer else { return Ok(()) };
        if lost > 0 {
            demuxer.handle_loss(lost);
        }
        demuxer.handle_packet(packet);
        while let Some(mut unit) = demuxer.poll_unit() {
            if let Resuming::Found(mark, first) = &mut self.resuming {
                if mark.has(number, &unit) {
                    continue;
                }
                // It follows the last one that was published, whatever the packet began with.
                if Some(unit.track) == self.lead && std::mem::take(first) {
                    unit.discontinuity = false;
                }
            }
            let (at, is_picture, bytes) = (unit.pts, Some(unit.track) == self.lead, unit.data.len());
            let due = self.clock.place(&mut unit, self.lead);
            self.queue.push(due, bytes, Next::Unit { unit, is_picture, packet: number, at });
        }
        self.publish()
    }

    /// Publishes what is due.
    ///
    /// # Errors
    /// When there are no pictures in what follows.
    pub(crate) fn publish(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let next = |queue: &mut Queue<Next>| match self.live || queue.is_overfull() {
            true => queue.pop_early(),
            false => queue.pop(now),
        };
        while let Some(next) = next(&mut self.queue) {
            match next {
                Next::Tracks(about, tracks) => self.sink.declare(about, tracks)?,
                Next::Unit { unit, is_picture, packet, at } => {
                    let track = unit.track;
                    self.sink.publish(unit);
                    if let Some(mark) = &mut self.mark {
                        mark.published(packet, track, at, is_picture);
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits until everything is published. Cancel-safe.
    ///
    /// # Errors
    /// As [`Show::publish`].
    pub(crate) async fn finish(&mut self) -> Result<(), Error> {
        while let Some(due) = self.due() {
            sleep_until(due.into()).await;
            self.publish()?;
        }
        Ok(())
    }

    /// When there is more to publish.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.queue.due()
    }

    /// Waits for readers of every packet: [`Sink::room`].
    pub(crate) async fn room(&self) {
        self.sink.room().await;
    }

    /// Whether more packets are wanted now.
    pub(crate) fn has_room(&self) -> bool {
        self.queue.has_room()
    }

    /// The content is over, and begins again: readers are to notice nothing.
    pub(crate) fn again(&mut self) {
        self.repeats = true;
    }

    /// The content is over: nothing is to be gone on with.
    pub(crate) fn ended(&mut self) {
        self.mark = None;
    }
}

impl Drop for Show<'_> {
    fn drop(&mut self) {
        if let Some(demuxer) = &self.demuxer {
            tracing::debug!(counters = ?demuxer.counters(), "read");
        }
        if let Some(mark) = self.mark.take().filter(|_| !self.live) {
            self.sink.leave(mark);
        }
    }
}

/// What is wrong with ASF, in our terms.
pub(crate) fn failure(error: &asf::Error, place: &str) -> Error {
    let what = format!("{}: {error}", Redacted(place));
    match error {
        asf::Error::Encrypted { .. } => Error::Unsupported { what },
        asf::Error::NoStream { .. } => Error::NotVideo { what, page: false },
        asf::Error::Ended { .. } => Error::Ended { what: Some(what) },
        _ => Error::Broken { what },
    }
}

/// A text of the server's, without what a terminal obeys, and not for ever.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect()
}
