//! The packets of a source in a container, made once for all who read them.
//!
//! A tape is a task that reads a source's packets in order, packs them ([`Packer`]), and
//! publishes the pieces into a feed of its own. So whoever reads it has what every reader
//! of a feed has: it joins at a keyframe, is told what it lost, and holds nobody up. The
//! container's header is the declaration of the feed's one track: another header (codec or
//! size changed) is another declaration, a *reel*.

use std::sync::Arc;

use bytes::Bytes;
use feed::{Entry, Feed, Limits, Publisher};
use media::{Codec, Kind, Packet, Track, TrackId, Tracks};
use source::{Error, Mixed, Supervisor};
use tokio::sync::watch;

use super::packer::{Content, Packer};
use super::tags::Tags;
use crate::shelf::{Seat, Shelf, unread};

/// Whose packets, what is made of them, and what is said of it.
type Key = (u64, Content, Tags);

/// The tapes in use.
#[derive(Default)]
pub(crate) struct Tapes(Shelf<Key, Tape>);

/// One source's packets in one container.
pub(crate) struct Tape {
    feed: Feed,
    reel: watch::Receiver<Reel>,
}

/// What the packets from some place on belong to.
#[derive(Clone, Default)]
pub(crate) struct Reel {
    /// The declaration in the tape's feed; see [`Tracks::same`].
    tracks: Tracks,
    /// What is in front of all packets; of ASF, the Header Object and the first 50 bytes of the
    /// Data Object. Empty where there is nothing.
    pub(crate) header: Bytes,
    /// Of ASF, in bytes; every packet is at most so long.
    pub(crate) packet_size: u32,
    /// In bit/s, 0 when nobody knows.
    pub(crate) bit_rate: u64,
    /// Why there are no more packets.
    pub(crate) over: Option<Error>,
}

impl Reel {
    /// The one that `entry` is a packet of. A reader may be behind by more than one.
    pub(crate) fn of(entry: &Entry) -> Self {
        Self::declared(&entry.tracks)
    }

    /// The one that a declaration in the tape's feed tells of.
    fn declared(tracks: &Tracks) -> Self {
        let track = tracks.iter().next();
        let header = track.map(|track| track.extradata.clone()).unwrap_or_default();
        let is_asf = track.is_some_and(|track| track.codec == ASF);
        let packet_size = if is_asf { asf::Header::parse(&header).map_or(0, |header| header.packet_size()) } else { 0 };
        Self {
            tracks: tracks.clone(),
            packet_size: u32::try_from(packet_size).unwrap_or(0),
            bit_rate: track.map_or(0, |track| track.bit_rate),
            header,
            over: None,
        }
    }

    /// Whether `entry` is a packet of this one.
    pub(crate) fn has(&self, entry: &Entry) -> bool {
        self.tracks.same(&entry.tracks)
    }
}

impl Tapes {
    /// The tape of `source` with that content and `tags`, and a reader of it: the tape runs
    /// while there is one.
    pub(crate) fn read(&self, source: &Supervisor, content: Content, tags: Tags) -> Reader {
        let mut tapes = self.0.lock();
        let key = (source.id(), content, tags);
        // Under the lock: a tape that ends looks for readers under it too.
        if let Some(tape) = tapes.get(&key) {
            return Reader::of(tape);
        }
        let (publisher, feed) = Feed::new(Limits::default());
        let (reel, seen) = watch::channel(Reel::default());
        let tape = Arc::new(Tape { feed, reel: seen });
        tapes.insert(key.clone(), Arc::clone(&tape));
        let reader = Reader::of(&tape);
        let supply = key.1.supply(source);
        let packer = Packer::new(source.name(), &key.1, key.2.clone());
        let winding = Winding { publisher, reel, packer, of: None, told: None, key, tape, tapes: self.0.clone() };
        tokio::spawn(winding.run(supply));
        reader
    }
}

/// A place in a tape.
pub(crate) struct Reader {
    pub(crate) seat: Seat,
    reel: watch::Receiver<Reel>,
}

impl Reader {
    fn of(tape: &Arc<Tape>) -> Self {
        Self { seat: Seat::of(&tape.feed), reel: tape.reel.clone() }
    }

    /// Waits for a reel: a header, or the reason why there is none.
    pub(crate) async fn first_reel(&mut self) -> Result<Reel, Error> {
        let ended = || Error::Ended { what: None };
        let there = |reel: &Reel| !reel.tracks.is_empty() || reel.over.is_some();
        let reel = self.reel.wait_for(there).await.map(|reel| reel.clone()).map_err(|_| ended())?;
        match reel.over {
            Some(error) => Err(error),
            None => Ok(reel),
        }
    }
}

/// The task of a tape.
struct Winding {
    publisher: Publisher,
    reel: watch::Sender<Reel>,
    packer: Packer,
    /// The declaration of the source that is being packed.
    of: Option<Tracks>,
    /// The header that was declared for it.
    told: Option<Bytes>,
    key: Key,
    tape: Arc<Tape>,
    tapes: Shelf<Key, Tape>,
}

/// The codec of a track whose packets are ASF's.
const ASF: Codec = Codec::from_name("asf");

impl Winding {
    async fn run(mut self, mut supply: Mixed) {
        let readers = self.publisher.readers();
        let mut unwanted = std::pin::pin!(unread(readers.clone()));
        let over = loop {
            tokio::select! {
                entry = supply.next() => {
                    if let Err(error) = entry.and_then(|entry| self.take(&entry)) {
                        break error;
                    }
                }
                () = &mut unwanted => {
                    if self.tapes.leave(&self.key, &readers) {
                        return;
                    }
                    unwanted.set(unread(readers.clone()));
                }
            }
        };
        self.reel.send_modify(|reel| reel.over = Some(over));
    }

    fn take(&mut self, entry: &Entry) -> Result<(), Error> {
        if self.of.as_ref().is_none_or(|of| !of.same(&entry.tracks)) {
            // What is begun for the old header ends with it.
            self.packer.flush();
            self.publish(&entry.packet);
            self.packer.begin(&entry.tracks)?;
            self.of = Some(entry.tracks.clone());
            self.told = None;
        }
        let pushed = self.packer.push(&entry.packet);
        if self.told.is_none()
            && let Some(header) = self.packer.header()
        {
            self.declare(header.clone(), &entry.tracks);
            self.told = Some(header);
        }
        self.publish(&entry.packet);
        pushed
    }

    fn declare(&self, header: Bytes, tracks: &Tracks) {
        let track = Track {
            id: TrackId(0),
            codec: self.packer.codec(),
            tag: 0,
            extradata: header,
            bits_per_sample: 0,
            bit_rate: tracks.iter().map(|track| track.bit_rate).sum(),
            kind: tracks.video().map_or(Kind::Data, |track| track.kind.clone()),
        };
        let declared = Tracks::new(vec![track]);
        self.reel.send_replace(Reel::declared(&declared));
        self.publisher.declare(declared);
    }

    /// Publishes the pieces that are complete, as having come with `of`.
    fn publish(&mut self, of: &Packet) {
        while let Some(piece) = self.packer.poll(of) {
            let packet = Packet {
                track: TrackId(0),
                pts: piece.at,
                dts: piece.at,
                duration: None,
                key: piece.key,
                corrupt: of.corrupt,
                discontinuity: of.discontinuity,
                received: of.received,
                captured: of.captured,
                data: piece.data,
            };
            if let Err(error) = self.publisher.publish(packet) {
                tracing::warn!(%error, "a piece of a container dropped");
            }
        }
    }
}

impl Drop for Winding {
    /// A tape that is over makes place for another one, also after a panic.
    fn drop(&mut self) {
        self.tapes.remove(&self.key, &self.tape);
    }
}
