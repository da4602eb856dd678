//! The door of a feed: what a connection gives its packets to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use feed::{Backlog, Publisher, TooLarge};
use media::{Kind, Packet, Track, Tracks, Unit};

use crate::bookmark::Bookmark;
use crate::journal::Note;
use crate::line::Line;
use crate::progress::{Held, Progress};
use crate::status::About;
use crate::timeline::Timeline;
use crate::{Error, Options, Phase, Stop, wait_for};

/// How far a connection may be ahead of a reader of every packet ([`feed::Feed::waited_for`])
/// until the server has to wait, where it can.
const MOST_AHEAD: Backlog = Backlog { packets: 16, bytes: 4 << 20 };
/// How often a thread that waits for a reader looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// Where a connection puts what it gets. Each attempt has one of its own; when the
/// supervisor gives an attempt up, its sink is cut, so that a thread that comes back
/// late from a blocking call can do no harm.
#[derive(Clone)]
pub struct Sink {
    door: Arc<Mutex<Option<Door>>>,
    line: Line,
}

/// The supervisor's hold on the sink of the running attempt: dropping it cuts the sink.
pub(crate) struct Cut(Arc<Mutex<Option<Door>>>);

struct Door {
    publisher: Arc<Publisher>,
    timeline: Arc<Mutex<Timeline>>,
    progress: Arc<Progress>,
    /// What the tracks carry.
    carry: Vec<Carry>,
    /// Most bytes of a packet.
    most: usize,
    /// What has no pictures is let in.
    sound_alone: bool,
    /// Packets are let in from the first keyframe on.
    keyed: bool,
    /// The next packet is the first one of this attempt, and not of the source.
    anew: bool,
    too_large: u64,
}

/// What a track is to its source.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carry {
    Pictures,
    /// Sound where there are no pictures.
    SoundAlone,
    /// What goes along with one of them.
    Other,
}

fn carry(tracks: &Tracks) -> Vec<Carry> {
    let is_sound = tracks.video().is_none();
    let of = |track: &Track| match &track.kind {
        Kind::Video(_) => Carry::Pictures,
        Kind::Audio(_) if is_sound => Carry::SoundAlone,
        _ => Carry::Other,
    };
    tracks.iter().map(of).collect()
}

/// See [`Sink::wait_for_sender`].
pub(crate) struct WaitForSender {
    sink: Sink,
    held: Option<Held>,
}

impl Sink {
    pub(crate) fn new(
        publisher: Arc<Publisher>,
        timeline: Arc<Mutex<Timeline>>,
        progress: Arc<Progress>,
        options: &Options,
    ) -> (Self, Cut) {
        let Options { limits, sound_alone, .. } = options;
        let (most, sound_alone) = (limits.bytes, *sound_alone);
        let carry = Vec::new();
        let anew = timeline.lock().unwrap_or_else(PoisonError::into_inner).has_begun();
        let door = Door { publisher, timeline, progress, carry, most, sound_alone, keyed: false, anew, too_large: 0 };
        let shared = Arc::new(Mutex::new(Some(door)));
        (Self { door: Arc::clone(&shared), line: Line::Direct }, Cut(shared))
    }

    /// One that leads nowhere, for what is asked of a camera besides its pictures.
    pub(crate) fn nowhere() -> Self {
        Self { door: Arc::new(Mutex::new(None)), line: Line::Direct }
    }

    /// The same for a connection over another line.
    pub(crate) fn over(self, line: Line) -> Self {
        Self { line, ..self }
    }

    /// The way to the camera.
    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// How many attempts of the source there were before this one.
    pub(crate) fn attempts_before(&self) -> u64 {
        self.with(|door| door.progress.attempts()).unwrap_or_default().saturating_sub(1)
    }

    /// Another handle, for whoever watches over the connection that has this one.
    pub(crate) fn ending(&self) -> Self {
        Self { door: Arc::clone(&self.door), line: Line::Direct }
    }

    /// Tells that what comes was that long ago, in seconds.
    pub(crate) fn plays(&self, age_s: f64) {
        self.with(|door| door.progress.plays(age_s));
    }

    /// Tells that what comes has an end after all, as that of a recording.
    pub(crate) fn has_an_end(&self) {
        self.with(|door| door.progress.has_an_end());
    }

    /// Tells what the attempt is waiting for now.
    pub fn phase(&self, phase: Phase) {
        if self.with(|door| door.progress.phase(phase)) == Some(true) {
            self.line.note(&Note::Phase(phase));
        }
    }

    /// Pictures are asked for less often than was wanted, and why; or are not any more.
    pub(crate) fn held_back(&self, why: Option<String>) {
        self.with(|door| door.progress.held_back(why));
    }

    /// The other side is known to take connections, so that what it keeps us waiting for is its
    /// answer: for what opens its connection where nobody sees it. `silence` is what it means if none comes.
    pub(crate) fn takes_connections(&self, silence: &'static str) {
        if self.with(|door| door.progress.takes_connections(silence)) == Some(true) {
            self.line.note(&Note::Phase(Phase::Handshake));
        }
    }

    /// Lets no deadline run and tells that nobody is sending, until the guard is dropped; then the
    /// attempt begins anew.
    pub(crate) fn wait_for_sender(&self) -> WaitForSender {
        self.with(|door| door.progress.unfed(None, false));
        let held = self.with(|door| door.progress.hold());
        WaitForSender { sink: self.clone(), held }
    }

    /// Writes down what the attempt does, for [`crate::doctor`].
    pub(crate) fn note(&self, note: Note) {
        self.line.note(&note);
        self.with(|door| door.progress.note(note));
    }

    /// Declares the tracks, before the first packet and again when codec or size change.
    ///
    /// # Errors
    /// When there is no picture among them, and no sound where that will do
    /// ([`Options::sound_alone`]).
    pub fn declare(&self, about: About, tracks: Vec<Track>) -> Result<(), Error> {
        let tracks = Tracks::new(tracks);
        let takes_sound = self.with(|door| door.sound_alone).unwrap_or_default();
        if tracks.video().is_none() && !(takes_sound && tracks.lead().is_some()) {
            let codecs: Vec<_> = tracks.iter().map(|track| track.codec.name()).collect();
            let found = if codecs.is_empty() { "no track".into() } else { format!("only {}", codecs.join(", ")) };
            return Err(Error::NotVideo {
                what: format!("no video track: {found} in this {}", about.container),
                page: false,
            });
        }
        self.with(|door| {
            door.carry = carry(&tracks);
            door.keyed = false;
            door.progress.declared(about, tracks.clone());
            door.publisher.declare(tracks);
        });
        Ok(())
    }

    /// Goes on with the tracks of the attempt before, exactly where it ended: the next unit is
    /// the one that would have come. `false` if there are none; [`Sink::declare`] is due then.
    pub(crate) fn go_on(&self, about: About) -> bool {
        let go_on = |door: &mut Door| {
            let tracks = door.progress.status().borrow().tracks.clone();
            door.carry = carry(&tracks);
            door.keyed = tracks.lead().is_some();
            if door.keyed {
                door.progress.declared(about, tracks);
                door.progress.gone_on(Instant::now());
                door.anew = false;
            }
            door.keyed
        };
        self.with(go_on).unwrap_or_default()
    }

    /// Where the attempt before was lost, if it was one that can be gone on with; once.
    pub(crate) fn bookmark(&self) -> Option<Bookmark> {
        self.with(|door| door.progress.take_bookmark()).flatten()
    }

    /// Leaves word for the next attempt where this one is lost.
    pub(crate) fn leave(&self, bookmark: Bookmark) {
        self.with(|door| door.progress.leave_bookmark(bookmark));
    }

    /// Publishes a unit that has just arrived. Units before the first keyframe, of tracks
    /// not declared, and empty ones are left out.
    pub fn publish(&self, unit: Unit) {
        let received = self.line.now();
        self.line.used();
        self.with(|door| door.publish(unit, received));
    }

    /// Tells how many packets of RTP were due by their numbers since this was told last, and how many of
    /// them did not come.
    pub(crate) fn rtp(&self, expected: u64, lost: u64) {
        self.with(|door| door.progress.rtp(expected, lost));
    }

    /// Waits while a reader of every packet is too far behind, where there is one: whoever awaits
    /// it before it reads on lets TCP hold the server back. The deadline for the next picture
    /// stands still meanwhile. For what cannot be held back (datagrams, devices, cameras that
    /// hang up on slow readers) it is not asked for. Cancel-safe.
    pub(crate) async fn room(&self) {
        let door = |door: &mut Door| {
            let most = door.most_ahead();
            let full = !door.publisher.has_room(most);
            full.then(|| (Arc::clone(&door.publisher), Arc::clone(&door.progress), most))
        };
        if let Some((publisher, progress, most)) = self.with(door).flatten() {
            let _held = progress.hold();
            publisher.room(most).await;
        }
    }

    /// Whether [`Sink::room`] would not wait.
    pub(crate) fn has_room(&self) -> bool {
        self.with(|door| door.publisher.has_room(door.most_ahead())).unwrap_or(true)
    }

    /// [`Sink::room`] on a thread; `false` when nobody wants it any more.
    pub(crate) fn wait_for_room(&self, stop: &Stop) -> bool {
        loop {
            if wait_for(self.room(), LOOK).is_some() {
                return true;
            }
            if stop.is_set() || self.is_cut() {
                return false;
            }
        }
    }

    /// Tells that the source is well and has no other picture than the last one.
    pub fn unchanged(&self) {
        let now = Instant::now();
        self.with(|door| door.progress.unchanged(now));
    }

    /// Whether the supervisor has given this attempt up.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.with(|_| ()).is_none()
    }

    fn with<T>(&self, enter: impl FnOnce(&mut Door) -> T) -> Option<T> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(enter)
    }
}

impl Door {
    /// As much as is in the ring at the same time, with what it takes for each packet.
    fn most_ahead(&self) -> Backlog {
        Backlog { bytes: MOST_AHEAD.bytes.min(self.most / 2), ..MOST_AHEAD }
    }

    fn publish(&mut self, mut unit: Unit, received: Instant) {
        let Some(carry) = self.carry.get(usize::from(unit.track.0)).copied() else {
            return;
        };
        // Some demuxers do not say it of sound, of which it always holds.
        unit.key |= carry == Carry::SoundAlone;
        if unit.data.is_empty() {
            return;
        }
        self.keyed |= unit.key && carry != Carry::Other;
        if !self.keyed {
            self.progress.bytes(unit.data.len());
            return;
        }
        if unit.data.len() > self.most {
            // No sign of life: nobody will ever see it.
            self.progress.bytes(unit.data.len());
            return self.drop_one(&TooLarge { size: unit.data.len(), limit: self.most });
        }
        let placed = self.timeline.lock().unwrap_or_else(PoisonError::into_inner).place(&unit, received);
        let anew = carry != Carry::Other && std::mem::take(&mut self.anew);
        let packet = Packet {
            track: unit.track,
            pts: placed.pts,
            dts: placed.dts,
            duration: unit.duration,
            key: unit.key,
            corrupt: unit.corrupt,
            discontinuity: unit.discontinuity || placed.jumped || anew,
            received,
            captured: unit.captured,
            data: unit.data,
        };
        self.progress.packet(&packet, carry == Carry::Pictures);
        if carry == Carry::SoundAlone {
            self.progress.gone_on(received);
        }
        if let Err(error) = self.publisher.publish(packet) {
            self.drop_one(&error);
        }
    }

    /// Tells of a packet that does not fit: at the first, the tenth, the hundredth …, since a
    /// camera may send them all day.
    fn drop_one(&mut self, error: &TooLarge) {
        self.too_large += 1;
        if self.too_large.to_string().trim_end_matches('0') == "1" {
            tracing::warn!(%error, times = self.too_large, "packet dropped");
        }
    }
}

impl Drop for WaitForSender {
    fn drop(&mut self) {
        self.sink.with(|door| {
            door.progress.opening();
            door.progress.phase(Phase::Handshake);
        });
        self.held.take();
    }
}

impl Drop for Cut {
    /// From now on nothing that this attempt brings has any effect.
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
