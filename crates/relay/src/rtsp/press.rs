//! The packets of a source as RTP, made once for all who read them by RTSP.
//!
//! What RTP has no place for, and what a configuration wants otherwise, is coded anew, once for
//! all outputs that want the same.
//!
//! A press is a task that reads a source's packets in order, makes RTP packets of them, and
//! publishes those of an access unit as one block ([`::rtsp::rtp`]) into a feed of its own. So
//! whoever reads it has what every reader of a feed has: it joins at a keyframe, is told what
//! it lost, and holds nobody up. Sequence numbers, times and sources are the same for all: a
//! client that misses nothing is sent the very bytes of the block.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::SystemTime;

use ::rtsp::rtp::Origin;
use ::rtsp::{Clock, MTU, Media, Packetizer};
use feed::{Entry, Feed, Limits, Publisher};
use media::{Codec, Encoding, Kind, Packet, Track, Tracks};
use source::{Error, Mixed, Supervisor};
use tokio::sync::watch;

use super::RtspStream;
use crate::output::fate::Place;
use crate::shelf::{Seat, Shelf, unread};

/// Packets that wait until every track is known.
const MOST_WAITING: usize = 64;

/// The presses in use.
#[derive(Default)]
pub(crate) struct Presses(Shelf<Key, Press>);

/// Whose packets, and how they are coded.
type Key = (u64, Encoding);

/// The RTP packets of one source.
struct Press {
    feed: Feed,
    sheet: watch::Receiver<Sheet>,
}

/// What the packets from some place on are.
#[derive(Clone, Default)]
pub(crate) struct Sheet {
    /// The declaration in the press's feed; see [`Tracks::same`].
    tracks: Tracks,
    /// In the order of the tracks.
    pub(crate) media: Vec<Media>,
    /// The timeline by the wall clock.
    pub(crate) clock: Option<Clock>,
    /// Why there are no more packets.
    over: Option<Error>,
}

impl Sheet {
    /// Whether `entry` is a packet of this one.
    pub(crate) fn has(&self, entry: &Entry) -> bool {
        self.tracks.same(&entry.tracks)
    }

    /// Another number for another description.
    pub(crate) fn id(&self) -> u32 {
        self.media.first().map_or(0, |media| media.ssrc)
    }

    /// The number of the track of pictures, if there is one.
    pub(crate) fn video(&self) -> Option<u8> {
        self.tracks.video().map(|track| track.id.0)
    }
}

impl Presses {
    /// The press of `stream`, and a reader of it: the press runs while there is one.
    pub(crate) fn read(&self, stream: &RtspStream) -> Reader {
        let (source, encoding) = (&stream.source, stream.encoding);
        let key = (source.id(), encoding);
        let mut presses = self.0.lock();
        // Under the lock: a press that ends looks for readers under it too.
        if let Some(press) = presses.get(&key) {
            return Reader::of(press);
        }
        let (publisher, feed) = Feed::new(Limits::default());
        let (sheet, seen) = watch::channel(Sheet::default());
        let press = Arc::new(Press { feed, sheet: seen });
        presses.insert(key, Arc::clone(&press));
        let reader = Reader::of(&press);
        let packets = source.variants().mixed(Box::new(move |tracks| Place::Rtp.plan(&encoding, tracks)));
        let name = source.name().to_owned();
        let printing = Printing { publisher, sheet, set: None, key, name, press, presses: self.0.clone() };
        tokio::spawn(printing.run(packets));
        reader
    }
}

/// A place in a press.
pub(crate) struct Reader {
    pub(crate) seat: Seat,
    sheet: watch::Receiver<Sheet>,
}

impl Reader {
    fn of(press: &Arc<Press>) -> Self {
        Self { seat: Seat::of(&press.feed), sheet: press.sheet.clone() }
    }

    /// Waits for a sheet, or for the reason why there is none. Cancel-safe.
    pub(crate) async fn sheet(&mut self, source: &Supervisor) -> Result<Sheet, Error> {
        let mut status = source.status();
        let there = |sheet: &Sheet| !sheet.media.is_empty() || sheet.over.is_some();
        tokio::select! {
            sheet = self.sheet.wait_for(there) => {
                let sheet = sheet.map(|sheet| sheet.clone()).map_err(|_| Error::Ended { what: None })?;
                match sheet.over {
                    Some(error) => Err(error),
                    None => Ok(sheet),
                }
            }
            error = crate::output::failed(&mut status) => Err(error),
        }
    }
}

/// What makes the packets of one declaration of the source.
struct Set {
    of: Tracks,
    /// By the source's tracks; nothing for one that RTP has no place for.
    packetizers: Vec<Option<Packetizer>>,
    /// Entries that wait until all tracks are known; nothing once they are.
    waiting: Option<Vec<Entry>>,
    /// Fits that were told, by track.
    complained: Vec<bool>,
}

/// The task of a press.
struct Printing {
    publisher: Publisher,
    sheet: watch::Sender<Sheet>,
    set: Option<Set>,
    key: Key,
    name: String,
    press: Arc<Press>,
    presses: Shelf<Key, Press>,
}

impl Printing {
    async fn run(mut self, mut packets: Mixed) {
        let readers = self.publisher.readers();
        let mut unwanted = std::pin::pin!(unread(readers.clone()));
        let over = loop {
            tokio::select! {
                entry = packets.next() => {
                    if let Err(error) = entry.and_then(|entry| self.take(entry)) {
                        break error;
                    }
                }
                () = &mut unwanted => {
                    if self.presses.leave(&self.key, &readers) {
                        return;
                    }
                    unwanted.set(unread(readers.clone()));
                }
            }
        };
        self.sheet.send_modify(|sheet| sheet.over = Some(over));
    }

    fn take(&mut self, entry: Entry) -> Result<(), Error> {
        if self.set.as_ref().is_none_or(|set| !set.of.same(&entry.tracks)) {
            let before = self.set.take();
            let packetizers = before.map(|set| set.packetizers).unwrap_or_default();
            self.set = Some(Set {
                of: entry.tracks.clone(),
                complained: vec![false; entry.tracks.len()],
                packetizers,
                waiting: Some(Vec::new()),
            });
        }
        let Some(set) = &mut self.set else { return Ok(()) };
        let Some(waiting) = &mut set.waiting else {
            self.print(&entry);
            return Ok(());
        };
        waiting.push(entry);
        if waiting.len() < MOST_WAITING && !is_known(&set.of, waiting) {
            return Ok(());
        }
        let waiting = set.waiting.take().unwrap_or_default();
        self.set_up(&waiting)?;
        waiting.iter().for_each(|entry| self.print(entry));
        Ok(())
    }

    /// Makes packetizers for the tracks, after a look at their first packets.
    fn set_up(&mut self, waiting: &[Entry]) -> Result<(), Error> {
        let Some(set) = &mut self.set else { return Ok(()) };
        let mut before = std::mem::take(&mut set.packetizers).into_iter().flatten();
        let (mut declared, mut media, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for track in set.of.iter() {
            let first = first_of(waiting, track).map(|entry| entry.packet.data.clone()).unwrap_or_default();
            let number = u8::try_from(declared.len()).unwrap_or(u8::MAX);
            // Whoever plays goes on with the numbers that it knows.
            let origin = before.next().map_or_else(random_origin, |before| before.origin());
            match Packetizer::new(track, &first, number, origin, MTU) {
                Ok(packetizer) => {
                    media.push(packetizer.media().clone());
                    declared.push(track.clone());
                    set.packetizers.push(Some(packetizer));
                }
                Err(error) => {
                    if track.kind != Kind::Data {
                        refused.push(error.to_string());
                    }
                    set.packetizers.push(None);
                }
            }
        }
        // Sound alone of a camera whose pictures do not fit would look like a camera that is dark.
        let has_video = |tracks: &[Track]| tracks.iter().any(|track| track.video().is_some());
        if declared.is_empty() || has_video(&set.of) && !has_video(&declared) {
            return Err(Error::Unsupported { what: refused.join("; ") });
        }
        for refused in &refused {
            tracing::warn!(source = self.name, "not sent by RTSP: {refused}");
        }
        let first = waiting.first().map(|entry| &entry.packet);
        let goes_on = is_same(&self.sheet.borrow().media, &media);
        if !goes_on {
            let tracks = Tracks::new(declared);
            self.publisher.declare(tracks.clone());
            let clock = first.map(clock);
            self.sheet.send_replace(Sheet { tracks, media, clock, over: None });
        }
        Ok(())
    }

    /// Publishes the RTP packets of a packet.
    fn print(&mut self, entry: &Entry) {
        let (Some(set), packet) = (&mut self.set, &entry.packet) else { return };
        let place = usize::from(packet.track.0);
        let Some(Some(packetizer)) = set.packetizers.get_mut(place) else { return };
        let number = packetizer.number();
        match packetizer.pack(packet) {
            Ok(data) if data.is_empty() => {}
            Ok(data) => {
                let has_video = self.press.sheet.borrow().video().is_some();
                let is_video = set.of.get(place).is_some_and(|track| track.video().is_some());
                let packet = Packet {
                    track: media::TrackId(number),
                    // Readers join where a picture can be shown.
                    key: if has_video { packet.key && is_video } else { true },
                    data,
                    ..packet.clone()
                };
                if let Err(error) = self.publisher.publish(packet) {
                    tracing::warn!(%error, source = self.name, "RTP packets dropped");
                }
            }
            Err(error) => {
                if let Some(complained) = set.complained.get_mut(place)
                    && !std::mem::replace(complained, true)
                {
                    tracing::warn!(%error, source = self.name, "left out of RTSP");
                }
            }
        }
    }
}

impl Drop for Printing {
    /// A press that is over makes place for another one, also after a panic.
    fn drop(&mut self) {
        self.presses.remove(&self.key, &self.press);
    }
}

/// The first packet of a track that tells how it is coded.
fn first_of<'a>(waiting: &'a [Entry], track: &Track) -> Option<&'a Entry> {
    waiting.iter().find(|entry| entry.packet.track == track.id && entry.packet.key)
}

/// Whether the tracks that do not say how they are coded have sent a packet that does.
fn is_known(tracks: &Tracks, waiting: &[Entry]) -> bool {
    let is_needed = |track: &&Track| {
        track.video().is_some() && track.codec != Codec::from_name("vp8")
            || track.codec == Codec::from_name("aac") && track.extradata.is_empty()
    };
    tracks.iter().filter(is_needed).all(|track| first_of(waiting, track).is_some())
}

/// Whether clients that were told of `before` can make something of packets of `now`: parameter
/// sets of H.264 and H.265 come with the packets.
fn is_same(before: &[Media], now: &[Media]) -> bool {
    let in_band = |media: &Media| media.rtpmap.starts_with("H264/") || media.rtpmap.starts_with("H265/");
    let fits = |before: &Media, now: &Media| {
        (before.payload_type, &before.rtpmap, before.ssrc) == (now.payload_type, &now.rtpmap, now.ssrc)
            && (before.fmtp == now.fmtp || in_band(now))
    };
    before.len() == now.len() && before.iter().zip(now).all(|(before, now)| fits(before, now))
}

/// Where the timeline lies on the wall clock, by a packet of it.
fn clock(packet: &Packet) -> Clock {
    Clock { wall: SystemTime::now() - packet.received.elapsed(), at: packet.pts }
}

/// Numbers that nobody can guess (RFC 3550 section 5.1).
fn random_origin() -> Origin {
    // Keyed by the system's own random numbers.
    let random = RandomState::new().hash_one(0);
    let other = RandomState::new().hash_one(1);
    Origin { ssrc: random as u32, sequence: (random >> 32) as u16, timestamp: other as u32 }
}
