//! The packets of a source as ASF, made once for all who read them.
//!
//! A tape is a task that reads a source's packets in order, packs them into ASF packets,
//! and publishes these into a feed of its own. So whoever reads it has what every reader
//! of a feed has: it joins at a keyframe, is told what it lost, and holds nobody up. The
//! ASF file header is the declaration of the feed's one track: another header (codec or
//! size changed) is another declaration.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use feed::{Cursor, Entry, Feed, Limits, Publisher, Start};
use media::{Codec, Kind, Packet, Timestamp, Track, TrackId, Tracks, Variant};
use source::{Error, Packets, Supervisor};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::session::Counts;

/// How long a tape goes on after its last reader: players ask for the header on one
/// connection and for the packets on the next.
const LINGER: Duration = Duration::from_secs(3);
/// A packet this old is passed over for a newer keyframe.
const LATE: Duration = Duration::from_secs(1);

/// Whose packets, and in which codec.
type Key = (String, Option<Variant>);
type Map = Arc<Mutex<HashMap<Key, Arc<Tape>>>>;

/// The tapes in use.
#[derive(Default)]
pub(crate) struct Tapes(Map);

/// The ASF packets of one source.
pub(crate) struct Tape {
    feed: Feed,
    reel: watch::Receiver<Reel>,
}

/// What the packets from some place on belong to.
#[derive(Clone, Default)]
pub(crate) struct Reel {
    /// The declaration in the tape's feed; see [`Tracks::same`].
    tracks: Tracks,
    /// The ASF Header Object and the first 50 bytes of the Data Object.
    pub(crate) header: Bytes,
    /// In bytes; every packet is at most so long.
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
        let packet_size = asf::Header::parse(&header).map_or(0, |header| header.packet_size());
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tapes {
    /// The tape of `source`, coded as `wish` says, and a reader of it: the tape runs while
    /// there is one.
    pub(crate) fn read(&self, source: &Supervisor, wish: Option<Variant>) -> Reader {
        let mut tapes = lock(&self.0);
        let key = (source.name().to_owned(), wish);
        // Under the lock: a tape that ends looks for readers under it too.
        if let Some(tape) = tapes.get(&key) {
            return Reader::of(tape);
        }
        let (publisher, feed) = Feed::new(Limits::default());
        let (reel, seen) = watch::channel(Reel::default());
        let tape = Arc::new(Tape { feed, reel: seen });
        tapes.insert(key.clone(), Arc::clone(&tape));
        let reader = Reader::of(&tape);
        let packets = source.variants().packets(wish);
        let winding = Winding { publisher, reel, muxer: None, key, tape, tapes: Arc::clone(&self.0) };
        tokio::spawn(winding.run(packets));
        reader
    }
}

/// A place in a tape.
pub(crate) struct Reader {
    pub(crate) cursor: Cursor,
    feed: Feed,
    reel: watch::Receiver<Reel>,
}

impl Reader {
    fn of(tape: &Arc<Tape>) -> Self {
        let feed = tape.feed.clone();
        Self { cursor: feed.cursor(Start::Keyframe), feed, reel: tape.reel.clone() }
    }

    /// Goes to the newest keyframe.
    pub(crate) fn rewind(&mut self) {
        self.cursor = self.feed.cursor(Start::Keyframe);
    }

    /// Whether `entry`, which was read last, is too old to be sent since a newer keyframe is
    /// at hand; goes on there, and counts what is passed over.
    pub(crate) fn is_late(&mut self, entry: &Entry, counts: &Counts) -> bool {
        if entry.packet.received.elapsed() <= LATE {
            return false;
        }
        let skipped = self.cursor.skip_to_keyframe();
        if skipped > 0 {
            Counts::add(&counts.dropped, skipped + 1);
        }
        skipped > 0
    }

    /// Waits for a reel: a header, or the reason why there is none.
    pub(crate) async fn first_reel(&mut self) -> Result<Reel, Error> {
        let ended = || Error::Ended { what: None };
        let there = |reel: &Reel| !reel.header.is_empty() || reel.over.is_some();
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
    /// With the declaration of the source that it was made for.
    muxer: Option<(Tracks, asf::mux::Muxer)>,
    key: Key,
    tape: Arc<Tape>,
    tapes: Map,
}

impl Winding {
    async fn run(mut self, mut packets: Packets) {
        let readers = self.publisher.readers();
        let mut unwanted = std::pin::pin!(unread(readers.clone()));
        let over = loop {
            tokio::select! {
                entry = packets.next() => {
                    if let Err(error) = entry.and_then(|entry| self.take(&entry)) {
                        break error;
                    }
                }
                () = &mut unwanted => {
                    let mut tapes = lock(&self.tapes);
                    if *readers.borrow() == 0 {
                        tapes.remove(&self.key);
                        return;
                    }
                    // Somebody came between the last look and the lock.
                    unwanted.set(unread(readers.clone()));
                }
            }
        };
        self.reel.send_modify(|reel| reel.over = Some(over));
    }

    fn take(&mut self, entry: &Entry) -> Result<(), Error> {
        if self.muxer.as_ref().is_none_or(|(of, _)| !of.same(&entry.tracks)) {
            // What is begun for the old header ends with it.
            if let Some((_, muxer)) = &mut self.muxer {
                muxer.flush();
            }
            self.publish(&entry.packet);
            let options = asf::mux::Options { title: Some(self.key.0.clone()), ..asf::mux::Options::default() };
            let muxer = asf::mux::Muxer::new(&entry.tracks, &options);
            let muxer = muxer.map_err(|error| Error::Unsupported { what: error.to_string() })?;
            self.declare(&muxer, &entry.tracks);
            self.muxer = Some((entry.tracks.clone(), muxer));
        }
        if let Some((_, muxer)) = &mut self.muxer {
            muxer.push(&entry.packet);
        }
        self.publish(&entry.packet);
        Ok(())
    }

    fn declare(&self, muxer: &asf::mux::Muxer, tracks: &Tracks) {
        let track = Track {
            id: TrackId(0),
            codec: Codec::from_name("asf"),
            tag: 0,
            extradata: muxer.header(),
            bits_per_sample: 0,
            bit_rate: tracks.iter().map(|track| track.bit_rate).sum(),
            kind: tracks.video().map_or(Kind::Data, |track| track.kind.clone()),
        };
        let declared = Tracks::new(vec![track]);
        self.reel.send_replace(Reel::declared(&declared));
        self.publisher.declare(declared);
    }

    /// Publishes the ASF packets that are complete, as having come with `of`.
    fn publish(&mut self, of: &Packet) {
        let Some((_, muxer)) = &mut self.muxer else { return };
        while let Some(made) = muxer.poll_packet() {
            let at = Timestamp::from_nanos(i64::try_from(made.send_time.as_nanos()).unwrap_or(i64::MAX));
            let packet = Packet {
                track: TrackId(0),
                pts: at,
                dts: at,
                duration: None,
                key: made.key,
                corrupt: of.corrupt,
                discontinuity: of.discontinuity,
                received: of.received,
                captured: of.captured,
                data: made.data,
            };
            if let Err(error) = self.publisher.publish(packet) {
                tracing::warn!(%error, "ASF packet dropped");
            }
        }
    }
}

impl Drop for Winding {
    /// A tape that is over makes place for another one, also after a panic.
    fn drop(&mut self) {
        let mut tapes = lock(&self.tapes);
        if tapes.get(&self.key).is_some_and(|tape| Arc::ptr_eq(tape, &self.tape)) {
            tapes.remove(&self.key);
        }
    }
}

/// Ends when nobody has read for [`LINGER`].
async fn unread(mut readers: watch::Receiver<usize>) {
    loop {
        if readers.wait_for(|readers| *readers == 0).await.is_err() {
            return std::future::pending().await;
        }
        if timeout(LINGER, readers.wait_for(|readers| *readers > 0)).await.is_err() {
            return;
        }
    }
}
