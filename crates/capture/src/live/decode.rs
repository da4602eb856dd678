//! The thread that decodes for one capture of a live source.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use feed::{Closed, Cursor, Entry, Start};
use ffmpeg::{DecoderOptions, jpeg};
use media::{Codec, Packet, Size, Timestamp};
use source::{Decoded, Decoding, Error, Status, Supervisor, Wanted, wait_for};
use tokio::sync::watch;

use crate::every::Gate;
use crate::flow::{Flow, Pushed};
use crate::frame::Facts;
use crate::shape::jpeg_as;
use crate::{Corrupt, Format, Frame, Options, Skip, runtime};

/// How often a thread without packets looks whether the capture still exists, though the feed of
/// one that does not ends.
const LOOK: Duration = Duration::from_secs(1);
/// Packets that may wait before those in front of them count as old.
const MOST_IN_A_BURST: u64 = 4;

/// Frames that wait for a reader of every frame, where they are JPEGs that nobody has decoded.
const UNDECODED: usize = 8;
/// The last bytes of a JPEG: EOI.
const JPEG_END: [u8; 2] = [0xFF, 0xD9];

pub(super) fn start(
    supervisor: &Supervisor,
    options: &Options,
    flow: &Arc<Flow>,
    status: watch::Receiver<Status>,
) -> std::io::Result<()> {
    // The cursor is what makes the source open, which may be quicker than the rest of its making:
    // where every frame is wanted, none of those is left out.
    let feed = supervisor.feed();
    let latest = options.latest.unwrap_or(true);
    let cursor = if latest { feed.cursor(Start::Keyframe) } else { feed.waited_for(Start::Oldest) };
    let worker = Worker::new(cursor, options, Arc::clone(flow));
    let flow = Arc::clone(flow);
    let run = move || {
        let error = crate::unless_it_dies(|| worker.run()).err();
        // Why the source was left, where it was not the decoder's fault.
        let trouble = flow.lock().trouble().cloned();
        let reached = status.borrow().reached;
        let (error, phase) = match (error, trouble) {
            (Some(error), _) => (error, reached),
            (None, Some(trouble)) => trouble,
            (None, None) => (Error::Ended { what: None }, reached),
        };
        flow.end(crate::Error::from_source(&flow.url, &error).at(phase).after(flow.opened.elapsed()));
    };
    thread::Builder::new().name("capture".into()).spawn(run).map(|_| ())
}

struct Worker {
    cursor: Cursor,
    flow: Arc<Flow>,
    decoding: Decoding,
    jpeg: jpeg::Decoder,
    latest: bool,
    most: usize,
    format: Format,
    skip: Skip,
    /// There is one processor, which readers need, too.
    alone: bool,
    keep_corrupt: bool,
    /// A JPEG was decoded without damage.
    proven: bool,
    gate: Gate,
    /// The feed's number of the last packet of video.
    last: Option<u64>,
    /// The number that the next frame gets.
    next: u64,
    zero: Option<Timestamp>,
    shown: Option<Duration>,
    /// Pictures left out since the last frame.
    missed: u64,
    /// For the next frame.
    discontinuity: bool,
}

impl Worker {
    fn new(cursor: Cursor, options: &Options, flow: Arc<Flow>) -> Self {
        let latest = options.latest.unwrap_or(true);
        let low_delay = latest || options.low_delay.unwrap_or(true);
        let decoder = DecoderOptions { threads: options.threads.unwrap_or(1), low_delay };
        Self {
            cursor,
            flow,
            decoding: Decoding::with_options(decoder),
            jpeg: jpeg::Decoder::new(),
            latest,
            most: options.buffer.max(1),
            format: options.format,
            skip: options.skip,
            alone: runtime::is_alone(),
            keep_corrupt: options.corrupt == Corrupt::Keep,
            proven: false,
            gate: Gate::new(options.every),
            last: None,
            next: 0,
            zero: None,
            shown: None,
            missed: 0,
            discontinuity: false,
        }
    }

    /// Until the source is over or the capture closed.
    fn run(mut self) -> Result<(), Error> {
        loop {
            let waited = wait_for(self.cursor.next(), LOOK);
            if self.flow.lock().closed {
                return Ok(());
            }
            let pushed = match waited {
                None => Pushed::Taken,
                Some(Ok(entry)) => self.take(&entry)?,
                Some(Err(Closed)) => {
                    for decoded in self.decoding.drain() {
                        self.give(decoded);
                    }
                    Pushed::Unwanted
                }
            };
            if pushed == Pushed::Unwanted {
                return Ok(());
            }
        }
    }

    fn take(&mut self, entry: &Entry) -> Result<Pushed, Error> {
        let new = self.decoding.adopt(entry)?;
        let packet = &entry.packet;
        if !self.decoding.is_video(packet) {
            return Ok(Pushed::Taken);
        }
        let lost = if new { 0 } else { self.last.map_or(0, |last| entry.index.saturating_sub(last + 1)) };
        self.discontinuity |= self.last.is_some() && (new || lost > 0 || packet.discontinuity);
        self.last = Some(entry.index);
        self.leave_out(lost);
        let late = self.latest && self.cursor.behind() > MOST_IN_A_BURST;
        if late && self.decoding.is_intra_only() {
            self.leave_out(1);
            return Ok(Pushed::Taken);
        }
        if self.decoding.codec() == Some(Codec::MJPEG)
            && let Some(pushed) = self.jpeg(packet)
        {
            return Ok(pushed);
        }
        let wanted = match self.skip {
            _ if late => Wanted::ForOthers,
            Skip::None => Wanted::Picture,
            Skip::NonRef => Wanted::ForOthers,
            Skip::NonKey if packet.key => Wanted::Alone,
            Skip::NonKey => return Ok(Pushed::Taken),
        };
        let mut came = false;
        for decoded in self.decoding.decode(packet, wanted) {
            came = true;
            if self.give(decoded) == Pushed::Unwanted {
                return Ok(Pushed::Unwanted);
            }
        }
        if !came && self.decoding.codec() == Some(Codec::MJPEG) {
            // Nothing is left of it, and no later packet brings it.
            self.flow.lock().corrupt += 1;
            self.leave_out(1);
        }
        Ok(Pushed::Taken)
    }

    /// Gives a JPEG without a way through libavcodec; nothing if that cannot be done.
    fn jpeg(&mut self, packet: &Packet) -> Option<Pushed> {
        let Some(place) = self.place(packet.pts) else { return Some(Pushed::Taken) };
        if let Some(own) = self.later(packet) {
            let came = Came { received: packet.received, captured: packet.captured, key: true, corrupt: false };
            let (facts, data) = (self.facts(&place, &came, own), packet.data.clone());
            self.shown = Some(place.pts);
            let frame = Frame::undecoded(facts, data, &self.flow.shaper);
            return Some(self.leave(frame, self.most.max(UNDECODED)));
        }
        let least = self.flow.shaper.least(self.declared().0);
        let decoded = match self.format {
            Format::Jpeg => None,
            format => Some(jpeg_as(&mut self.jpeg, &packet.data, least, format)),
        };
        let picture = match decoded.transpose() {
            Ok(picture) => picture,
            Err(error) => {
                tracing::debug!(%error, "picture not decoded");
                self.next = place.index;
                return None;
            }
        };
        let corrupt = packet.corrupt || picture.as_ref().is_some_and(ffmpeg::Frame::corrupt);
        self.proven |= !corrupt;
        let came = Came { received: packet.received, captured: packet.captured, key: true, corrupt };
        Some(self.hand_out(place, came, picture, Some(packet)))
    }

    /// The size of a JPEG that can be left undecoded until somebody wants its pixels: most
    /// pictures that a slow reader leaves out are never decoded then, and where there is one
    /// processor nothing is gained by another thread. Not before one was decoded well, not where
    /// damage decides, and not one that shows damage by itself.
    fn later(&self, packet: &Packet) -> Option<Size> {
        let may = (self.latest || self.alone)
            && self.proven
            && self.keep_corrupt
            && self.format != Format::Jpeg
            && !packet.corrupt;
        if !may || !packet.data.ends_with(&JPEG_END) {
            return None;
        }
        formats::jpeg::info(&packet.data).ok().map(|info| info.size).filter(|size| size.pixels() > 0)
    }

    fn give(&mut self, decoded: Decoded) -> Pushed {
        let Decoded { frame, pts, received, captured, corrupt } = decoded;
        let Some(place) = self.place(pts) else { return Pushed::Taken };
        let came = Came { received, captured, key: frame.key(), corrupt };
        self.hand_out(place, came, Some(frame), None)
    }

    /// The number and the time of the next picture; nothing for one that is not due.
    fn place(&mut self, at: Timestamp) -> Option<Place> {
        let since = at.saturating_since(*self.zero.get_or_insert(at));
        let pts = self.shown.map_or(since, |shown| since.max(shown + Duration::from_nanos(1)));
        let index = self.next;
        self.next += 1;
        self.gate.lets(pts).then_some(Place { index, pts })
    }

    fn hand_out(&mut self, place: Place, came: Came, picture: Option<ffmpeg::Frame>, jpeg: Option<&Packet>) -> Pushed {
        if came.corrupt {
            self.flow.lock().corrupt += 1;
        }
        if came.corrupt && !self.keep_corrupt {
            self.miss(1);
            return Pushed::Taken;
        }
        self.shown = Some(place.pts);
        let declared = self.declared().0;
        // Where there is nothing to tell what it was scaled down from, it is what it is.
        let own = match &picture {
            Some(picture) if jpeg.is_none() || declared.pixels() == 0 => picture.size(),
            _ => declared,
        };
        let facts = self.facts(&place, &came, own);
        let jpeg = jpeg.map(|packet| packet.data.clone());
        self.leave(Frame::new(facts, picture, jpeg, &self.flow.shaper), self.most)
    }

    fn facts(&mut self, place: &Place, came: &Came, own: Size) -> Facts {
        Facts {
            index: place.index,
            pts: place.pts,
            received: came.received,
            captured: came.captured,
            key: came.key,
            corrupt: came.corrupt,
            discontinuity: std::mem::take(&mut self.discontinuity),
            own,
            rotation: self.declared().1,
        }
    }

    /// Leaves a frame for the readers, of whom no more than `most` are waited for.
    fn leave(&mut self, frame: Frame, most: usize) -> Pushed {
        let frame = frame.with_dropped(std::mem::take(&mut self.missed));
        if self.latest { self.flow.replace(frame) } else { self.flow.push(frame, most, 0, self.cursor.behind() > 0) }
    }

    /// Counts pictures that are not even decoded.
    fn leave_out(&mut self, count: u64) {
        if count > 0 {
            self.next += count;
            self.miss(count);
        }
    }

    /// Counts pictures that have a number and that no reader gets.
    fn miss(&mut self, count: u64) {
        self.missed += count;
        self.flow.lock().dropped += count;
    }

    /// Size and rotation as the source declares them.
    fn declared(&self) -> (Size, u16) {
        let video = self.decoding.track().and_then(media::Track::video);
        video.map_or((Size::default(), 0), |video| (video.size, video.rotation))
    }
}

/// Where a picture stands.
struct Place {
    index: u64,
    pts: Duration,
}

/// What came with a picture.
struct Came {
    received: Instant,
    captured: Option<SystemTime>,
    key: bool,
    corrupt: bool,
}
