//! What a camera streams, taken in: packets become units, which are declared, stamped and published.
//!
//! The [`Player`](super::player::Player) makes an intake before it asks the camera to play, and hands it to
//! the gate, in whose task it runs: a picture goes out of the buffer of the socket into its unit and on to
//! the feed without another task.

mod damage;
#[cfg(test)]
mod tests;
mod wait;
mod ways;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{Kind, Size, Timestamp, Track, Unit};
use rtsp::unpack::{Order, Picture, Rtp, Start, Turn};
use rtsp::{SenderClock, is_bye};
use tokio::sync::oneshot;

use self::damage::Damage;
use self::wait::{LONGEST_WAIT, Wait};
use self::ways::Way;
pub(super) use self::ways::{Form, Payload};
use super::End;
use super::clock::Clocks;
use super::gate::Setup;
use super::tracks::Plan;
use crate::journal::Note;
use crate::location::Location;
use crate::{About, Error, Sink};

/// How long bad packets may come without a picture between them.
const BAD_PATCH: Duration = Duration::from_secs(3);
/// How long the first picture may wait for the packet behind it, which shows whether it was whole: as far as
/// the next picture lies, where there are ten a second or more.
const LONGEST_HOLD: Duration = Duration::from_millis(100);
/// Keyframes in a row that bring other parameters of the same picture size: the stream
/// has several sets with one number side by side.
const MOST_CHANGES: u32 = 3;
/// Geovision GV-EBD4701, V1.02_2021_04_08, repeats a picture's last number with this payload type
/// (noted in retina's `InorderParser`).
const NO_MEDIA: u8 = 50;

/// What is known of an intake elsewhere.
#[derive(Default)]
pub(super) struct Progress {
    /// A picture has come.
    pub(super) pictures: AtomicBool,
    /// Packets have come that no picture could be made of.
    pub(super) bad: AtomicBool,
    /// What was wrong with the last packet, if it was bad.
    complaint: Mutex<Option<&'static str>>,
}

impl Progress {
    /// What was wrong with the last packet, if it was bad.
    pub(super) fn complaint(&self) -> Option<&'static str> {
        *self.complaint.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complain(&self, what: Option<&'static str>) {
        *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }
}

/// One track that was set up.
struct Stream {
    setup: Setup,
    order: Order,
    way: Way,
}

pub(super) struct Intake {
    location: Location,
    plan: Plan,
    about: About,
    sink: Sink,
    progress: Arc<Progress>,
    /// Whom to tell that the session is over.
    ended: Option<oneshot::Sender<End>>,
    /// The pictures first; none before the camera plays.
    streams: Vec<Stream>,
    /// Nothing is declared or taken in yet.
    wait: Option<Wait>,
    clocks: Clocks,
    /// When the picture came that waits for the packet behind it.
    held: Option<Instant>,
    /// As last declared.
    tracks: Vec<Track>,
    /// Of JPEG.
    size: Option<Size>,
    /// Something was lost that the next picture does not know of.
    lost: bool,
    /// The parameter sets that are in force do not.
    makes_no_sense: bool,
    damage: Damage,
    /// A picture has come since this was asked last.
    had_picture: bool,
    bad_since: Option<Instant>,
    changes: u32,
    /// Packets that were due and those that did not come, which are told with the next picture or sound.
    untold: (u64, u64),
}

impl Intake {
    /// For the streams of `plan`, in the order in which they are set up.
    pub(super) fn new(
        location: Location,
        plan: Plan,
        about: About,
        sink: Sink,
        ended: oneshot::Sender<End>,
    ) -> (Self, Arc<Progress>) {
        let progress = Arc::new(Progress::default());
        let intake = Self {
            location,
            plan,
            about,
            sink,
            progress: Arc::clone(&progress),
            ended: Some(ended),
            streams: Vec::new(),
            wait: None,
            clocks: Clocks::default(),
            held: None,
            tracks: Vec::new(),
            size: None,
            lost: false,
            makes_no_sense: false,
            damage: Damage::default(),
            had_picture: false,
            bad_since: None,
            changes: 0,
            untold: (0, 0),
        };
        (intake, progress)
    }

    /// The camera plays what was set up. Pictures have at most `most` bytes, and where their own headers do
    /// not say it, this size.
    pub(super) fn begin(&mut self, setups: Vec<Setup>, most: usize, described: Option<(u16, u16)>) {
        let is_timed = setups.len() > 1 && setups.iter().all(|setup| setup.zero.is_some());
        let forms = std::mem::take(&mut self.plan.forms);
        for (setup, form) in setups.into_iter().zip(forms) {
            self.clocks.add(form.clock_rate, setup.zero.filter(|_| is_timed));
            if matches!(form.payload, Payload::Mpa)
                && let Way::Sound(sound) = Way::new(form.clone(), most, described)
            {
                self.wait = Some(Wait::new(setup.channels.0, sound));
            }
            self.streams.push(Stream { setup, order: Order::default(), way: Way::new(form, most, described) });
        }
        if self.wait.is_none() {
            self.declare_described();
        }
    }

    fn declare_described(&mut self) {
        if let Some(tracks) = self.plan.declared.take() {
            let end = self.declare(self.plan.with_sound(&tracks));
            self.settle(end);
        }
    }

    /// Waits for no sound any more, and takes in what has come meanwhile.
    fn wait_no_more(&mut self) {
        let Some(wait) = self.wait.take() else { return };
        let (sound, kept) = wait.end();
        match sound {
            Some(sound) => self.plan.hear(sound),
            None => {
                let what = format!("left out: audio mpa: none came with the first pictures (within {LONGEST_WAIT:?})");
                tracing::info!("{what}");
                self.sink.note(Note::Fact(what));
            }
        }
        self.declare_described();
        for kept in kept {
            self.handle(kept.channel, &kept.packet, kept.at);
        }
    }

    /// Whether the session is over, and all that comes is of no use.
    pub(super) fn is_over(&self) -> bool {
        self.ended.is_none()
    }

    /// Whether a whole picture has come since this was asked last.
    pub(super) fn had_picture(&mut self) -> bool {
        std::mem::take(&mut self.had_picture)
    }

    /// When [`Self::handle_timeout`] is due, and the channel on which a packet may come before.
    pub(super) fn poll_timeout(&self) -> Option<(Instant, u8)> {
        let due = match &self.wait {
            Some(wait) => wait.due()?,
            None => self.held? + LONGEST_HOLD,
        };
        Some((due, self.streams.first()?.setup.channels.0))
    }

    /// Takes in what waits: nothing comes any more.
    pub(super) fn finish(&mut self) {
        self.wait_no_more();
        self.handle_timeout();
    }

    /// Lets the picture go that waits, since nothing has followed it, or those that wait for sound.
    pub(super) fn handle_timeout(&mut self) {
        if self.wait.is_some() {
            return self.wait_no_more();
        }
        if let (Some(arrived), Some(Stream { way: Way::Nals(nals), .. })) = (self.held.take(), self.streams.first_mut())
        {
            nals.release();
            let done = self.pictures(0, arrived, arrived);
            self.settle(done.map(|_| ()));
        }
    }

    /// Takes a packet that came on a channel.
    pub(super) fn handle(&mut self, channel: u8, packet: &[u8], now: Instant) {
        if self.is_over() {
            return;
        }
        let place = self.streams.iter().position(|stream| {
            let (rtp, rtcp) = stream.setup.channels;
            channel == rtp || channel == rtcp
        });
        let Some(place) = place else { return };
        let is_rtp = self.streams[place].setup.channels.0 == channel;
        if let Some(wait) = &mut self.wait {
            let is_last = place == 0 && !is_rtp && is_bye(packet);
            if wait.keep(channel, packet, now) || is_last {
                self.wait_no_more();
            }
            return;
        }
        let done = match is_rtp {
            true => self.packet(place, packet, now),
            false => self.control(place, packet),
        };
        self.settle(done);
    }

    fn settle(&mut self, done: Result<(), End>) {
        if let Err(end) = done
            && let Some(ended) = self.ended.take()
        {
            let _ = ended.send(end);
        }
    }

    fn packet(&mut self, place: usize, packet: &[u8], now: Instant) -> Result<(), End> {
        let Some(rtp) = Rtp::parse(packet) else { return self.bad(place, "corrupt RTP header", now) };
        if rtp.payload_type == NO_MEDIA {
            return Ok(());
        }
        let stream = &mut self.streams[place];
        let is_lossy = match stream.order.turn(&rtp) {
            Ok(Turn::Next { lost }) => {
                let (due, missing) = &mut self.untold;
                (*due, *missing) = (*due + 1 + u64::from(lost), *missing + u64::from(lost));
                lost > 0
            }
            Ok(Turn::Again) => return Ok(()),
            Err(disorder) => {
                return Err(Error::Ended { what: Some(format!("{}: {disorder}", self.location)) }.into());
            }
        };
        match &mut stream.way {
            Way::Nals(nals) => {
                let taken = nals.handle(&rtp, is_lossy);
                let is_holding = nals.is_holding();
                let first = self.held.take().unwrap_or(now);
                let next = self.pictures(place, first, now)?;
                self.held = is_holding.then_some(next);
                taken.or_else(|complaint| self.bad(place, complaint, now))
            }
            Way::Jpeg(assembler) => match assembler.handle(&rtp, is_lossy) {
                Ok(Some(whole)) => self.jpeg(place, whole.data, whole.lost, rtp.timestamp, now),
                Ok(None) => Ok(()),
                Err(complaint) => self.bad(place, complaint, now),
            },
            Way::Sound(_) => {
                self.sound(place, &rtp, is_lossy, now);
                Ok(())
            }
        }
    }

    /// The pictures that are whole; the first has come at `first`. Gives when one that is still there has.
    fn pictures(&mut self, place: usize, first: Instant, now: Instant) -> Result<Instant, End> {
        let mut arrived = first;
        while let Way::Nals(nals) = &mut self.streams[place].way
            && let Some(picture) = nals.poll()
        {
            let parameters = if picture.changed { nals.parameters() } else { None };
            self.picture(place, picture, parameters, std::mem::replace(&mut arrived, now))?;
        }
        Ok(arrived)
    }

    /// A packet is no good; the next one may be.
    fn bad(&mut self, place: usize, complaint: &'static str, now: Instant) -> Result<(), End> {
        tracing::debug!(complaint, "bad packet");
        if place > 0 {
            return Ok(());
        }
        self.lost = true;
        if self.bad_since.is_none() {
            self.progress.bad.store(true, Relaxed);
            self.progress.complain(Some(complaint));
        }
        let since = *self.bad_since.get_or_insert(now);
        if self.progress.pictures.load(Relaxed) && now.saturating_duration_since(since) > BAD_PATCH {
            let what = format!("{}: no good packet for {BAD_PATCH:?}: {complaint}", self.location);
            return Err(Error::Broken { what }.into());
        }
        Ok(())
    }

    /// Declares the tracks if they are others than before.
    fn declare(&mut self, mut tracks: Vec<Track>) -> Result<(), End> {
        if let (Some(size), Some(Track { kind: Kind::Video(video), .. })) = (self.size, tracks.first_mut()) {
            video.size = size;
        }
        if tracks == self.tracks {
            return Ok(());
        }
        let size = |tracks: &[Track]| tracks.first().and_then(Track::video).map(|video| video.size);
        let repeated = self.progress.pictures.load(Relaxed) && size(&tracks) == size(&self.tracks);
        self.changes = if repeated { self.changes + 1 } else { 0 };
        if self.changes >= MOST_CHANGES {
            return Err(End::Elsewhere("several parameter sets side by side".into()));
        }
        self.sink.declare(self.about.clone(), tracks.clone())?;
        self.tracks = tracks;
        Ok(())
    }

    /// A picture of H.264 or H.265, with the parameter sets if they are others than before.
    fn picture(&mut self, place: usize, picture: Picture, parameters: Option<Bytes>, now: Instant) -> Result<(), End> {
        let lost = picture.lost | std::mem::take(&mut self.lost);
        let corrupt = self.damage.of(&picture, lost);
        if let Some(parameters) = parameters {
            let tracks = self.plan.with_parameters(&parameters);
            self.makes_no_sense = tracks.is_none();
            if let Some(tracks) = tracks {
                self.declare(tracks)?;
            }
        } else if picture.start == Start::Key {
            self.changes = 0;
        }
        if self.makes_no_sense {
            return self.bad(place, "its parameter sets make no sense", now);
        }
        if self.tracks.is_empty() {
            // Nobody can show it; its parameter sets may still come.
            self.had_picture = true;
            self.lost = lost;
            return Ok(());
        }
        let (timestamp, key) = (picture.timestamp, picture.start != Start::No);
        self.show(place, timestamp, now, Unit { key, corrupt, discontinuity: lost, ..unit(picture.data) });
        Ok(())
    }

    fn jpeg(&mut self, place: usize, data: Bytes, lost: bool, timestamp: u32, now: Instant) -> Result<(), End> {
        let Ok(info) = formats::jpeg::info(&data) else {
            return self.bad(place, "its picture is no JPEG", now);
        };
        if Some(info.size) != self.size {
            self.size = Some(info.size);
            let tracks = self.plan.with_jpeg(info.size);
            self.declare(tracks)?;
        }
        let discontinuity = lost | std::mem::take(&mut self.lost);
        self.show(place, timestamp, now, Unit { discontinuity, ..unit(data) });
        Ok(())
    }

    /// Publishes a picture.
    fn show(&mut self, place: usize, timestamp: u32, now: Instant, unit: Unit) {
        self.had_picture = true;
        self.progress.pictures.store(true, Relaxed);
        self.tell_numbers();
        if self.bad_since.take().is_some() {
            self.progress.complain(None);
        }
        let at = self.clocks.stamp(place, timestamp);
        let (pts, captured) = (self.clocks.place(place, at, now), self.clocks.captured(place, at));
        self.sink.publish(Unit { pts: Some(pts), captured, ..unit });
    }

    fn tell_numbers(&mut self) {
        let (due, missing) = std::mem::take(&mut self.untold);
        self.sink.rtp(due, missing);
    }

    fn sound(&mut self, place: usize, rtp: &Rtp<'_>, is_lossy: bool, now: Instant) {
        self.tell_numbers();
        let Some(stream) = self.streams.get_mut(place) else { return };
        let Way::Sound(sound) = &mut stream.way else { return };
        let is_declared = self.tracks.len() > 1;
        let at = self.clocks.stamp(place, rtp.timestamp);
        let (pts, captured) = (self.clocks.place(place, at, now), self.clocks.captured(place, at));
        let (sink, rate) = (&self.sink, sound.clock_rate);
        let since_zero = |ticks: u32| Timestamp::from_ticks(ticks.into(), 1, rate).saturating_since(Timestamp::ZERO);
        let taken = sound.take(rtp, is_lossy, |frame, behind, duration, discontinuity| {
            if !is_declared {
                return;
            }
            let behind = since_zero(behind);
            sink.publish(Unit {
                track: media::TrackId(1),
                pts: Some(pts + behind),
                captured: captured.and_then(|captured| captured.checked_add(behind)),
                duration: duration.map(since_zero),
                discontinuity,
                ..unit(Bytes::copy_from_slice(frame))
            });
        });
        if let Err(complaint) = taken {
            tracing::debug!(complaint, "bad packet of sound");
        }
    }

    fn control(&mut self, place: usize, packet: &[u8]) -> Result<(), End> {
        if let Some(clock) = SenderClock::parse(packet) {
            self.clocks.report(place, clock);
        }
        if place == 0 && is_bye(packet) {
            self.handle_timeout();
            return Err(Error::Ended { what: None }.into());
        }
        Ok(())
    }
}

/// A picture without a time of its own.
fn unit(data: Bytes) -> Unit {
    Unit::picture(media::TrackId(0), data)
}
