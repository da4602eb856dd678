//! Sound coded anew: a thread for each way in which somebody wants it.
//!
//! The thread reads the source's feed through a cursor of its own, decodes and encodes its
//! first track of sound, and publishes that into a feed of its own. It runs while there are
//! leases, and a moment longer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use feed::{Cursor, Entry, Feed, Limits, Publisher, Start};
use ffmpeg::SoundCoder;
use media::{AudioCoding, Codec, Kind, Packet, Timestamp, Track, TrackId, Tracks};

use crate::variants::Variants;
use crate::{Error, wait_for};

/// How long it goes on after its last reader.
const LINGER: Duration = Duration::from_millis(1500);
/// How often a thread without packets looks for readers.
const LOOK: Duration = Duration::from_millis(250);
/// Most ways of coding the sound of one source at a time.
const MOST: usize = 8;

/// The sounds of one source that are being made.
pub(crate) type Sounds = Mutex<BTreeMap<AudioCoding, Arc<Shared>>>;

/// One way of coding in the making.
pub(crate) struct Shared {
    feed: Feed,
    leases: AtomicUsize,
    error: Mutex<Option<Error>>,
}

/// A reader's share in it. It is made while there is one.
pub(crate) struct AudioLease(Arc<Shared>);

impl AudioLease {
    /// The packets made.
    pub(crate) fn feed(&self) -> &Feed {
        &self.0.feed
    }

    /// Why it ended, if it failed.
    pub(crate) fn error(&self) -> Option<Error> {
        self.0.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for AudioLease {
    fn drop(&mut self) {
        self.0.leases.fetch_sub(1, Relaxed);
    }
}

/// A share in the making of `coding`, which names a codec; it starts with the first one.
pub(crate) fn lease(variants: &Arc<Variants>, coding: AudioCoding) -> Result<AudioLease, Error> {
    let mut sounds = variants.sounds();
    if let Some(shared) = sounds.get(&coding) {
        shared.leases.fetch_add(1, Relaxed);
        return Ok(AudioLease(Arc::clone(shared)));
    }
    if sounds.len() >= MOST {
        return Err(Error::TooMany { what: format!("the sound of it is being coded in {MOST} ways already") });
    }
    let codec = coding.codec.ok_or_else(|| Error::Unsupported { what: "sound without a codec".into() })?;
    let (publisher, feed) = Feed::new(Limits::default());
    let shared = Arc::new(Shared { feed, leases: AtomicUsize::new(1), error: Mutex::default() });
    sounds.insert(coding, Arc::clone(&shared));
    drop(sounds);
    let done = Done { variants: Arc::clone(variants), coding, shared: Arc::clone(&shared) };
    let cursor = variants.feed().cursor(Start::Keyframe);
    let worker = Worker { publisher, cursor, codec, coding, tracks: None, coder: None, declared: None };
    let name: String = format!("snd-{}", variants.name()).chars().take(15).collect();
    let spawned = thread::Builder::new().name(name).spawn(move || {
        let error = worker.run(&done);
        *done.shared.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    });
    match spawned {
        Ok(_) => Ok(AudioLease(shared)),
        Err(error) => Err(Error::Broken { what: format!("cannot start a thread for sound: {error}") }),
    }
}

/// Takes the job out of the table when its thread is done, or has panicked.
struct Done {
    variants: Arc<Variants>,
    coding: AudioCoding,
    shared: Arc<Shared>,
}

impl Done {
    /// Ends the job unless somebody reads it: under the lock, so that nobody gets a share meanwhile.
    fn leave_if_unread(&self) -> bool {
        let mut sounds = self.variants.sounds();
        if self.shared.leases.load(Relaxed) > 0 {
            return false;
        }
        self.remove(&mut sounds);
        true
    }

    fn remove(&self, sounds: &mut BTreeMap<AudioCoding, Arc<Shared>>) {
        if sounds.get(&self.coding).is_some_and(|shared| Arc::ptr_eq(shared, &self.shared)) {
            sounds.remove(&self.coding);
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        self.remove(&mut self.variants.sounds());
    }
}

struct Worker {
    publisher: Publisher,
    cursor: Cursor,
    codec: Codec,
    coding: AudioCoding,
    /// The source's tracks, and which of them is coded.
    tracks: Option<(Tracks, Option<TrackId>)>,
    coder: Option<SoundCoder>,
    declared: Option<Track>,
}

impl Worker {
    /// Runs until nobody reads, or the source is over; returns why, if it failed.
    fn run(mut self, done: &Done) -> Option<Error> {
        let mut unread: Option<Instant> = None;
        loop {
            if done.shared.leases.load(Relaxed) > 0 {
                unread = None;
            } else if unread.get_or_insert_with(Instant::now).elapsed() > LINGER && done.leave_if_unread() {
                return None;
            }
            match wait_for(self.cursor.next(), LOOK) {
                None => {}
                Some(Err(feed::Closed)) => return Some(Error::Ended { what: None }),
                Some(Ok(entry)) => {
                    if let Err(error) = self.take(&entry) {
                        return Some(error);
                    }
                }
            }
        }
    }

    fn take(&mut self, entry: &Entry) -> Result<(), Error> {
        if self.tracks.as_ref().is_none_or(|(tracks, _)| !tracks.same(&entry.tracks)) {
            let track = entry.tracks.iter().find(|track| matches!(track.kind, Kind::Audio(_)));
            let coder = track.map(|track| SoundCoder::new(track, self.codec, self.coding)).transpose();
            self.coder = coder.map_err(|error| Error::Unsupported { what: error.to_string() })?;
            self.tracks = Some((entry.tracks.clone(), track.map(|track| track.id)));
        }
        let of = self.tracks.as_ref().and_then(|(_, of)| *of);
        let Some(coder) = self.coder.as_mut().filter(|_| of == Some(entry.packet.track)) else { return Ok(()) };
        match coder.push(&entry.packet.data, entry.packet.pts) {
            Ok(()) => {}
            Err(error @ ffmpeg::Error::InvalidData { .. }) => tracing::debug!(%error, "sound not decoded"),
            Err(error) => return Err(Error::Unsupported { what: error.to_string() }),
        }
        while let Some(sound) = coder.poll() {
            let track = coder.track();
            if self.declared != track {
                self.publisher.declare(Tracks::new(track.clone().into_iter().collect()));
                self.declared = track;
            }
            // Encoders begin before what they were given; a feed does not.
            let at: Timestamp = sound.pts;
            let packet = Packet {
                track: TrackId(0),
                pts: at,
                dts: at,
                duration: Some(sound.duration),
                key: true,
                corrupt: entry.packet.corrupt,
                discontinuity: false,
                received: entry.packet.received,
                captured: entry.packet.captured,
                data: sound.data,
            };
            if let Err(error) = self.publisher.publish(packet) {
                tracing::warn!(%error, "sound dropped");
            }
        }
        Ok(())
    }
}
