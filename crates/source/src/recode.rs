//! Packets of the past, coded anew for one reader.
//!
//! What is live is decoded once for all its readers; what is past is at another place for
//! each of them, so each has a decoder and an encoder of its own, on one thread, which work
//! as fast as the reader takes what they make. There are few of them: [`MOST`] a source.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use feed::Entry;
use media::{Codec, Packet, SizeWish, Track, TrackId, Tracks, Variant};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::Error;
use crate::decoding::{Decoded, Decoding, Wanted};
use crate::packets::Packets;
use crate::past::Clip;
use crate::picture::Gate;
use crate::transcode::Maker;

/// Most readers of one source's past whose pictures are made for them alone.
pub(crate) const MOST: usize = 4;
/// Packets and pictures on their way.
const AHEAD: usize = 4;

/// A place among the readers whose pictures are made.
pub(crate) struct Place(Arc<AtomicUsize>);

impl Place {
    /// A place, if one is free.
    pub(crate) fn take(taken: &Arc<AtomicUsize>) -> Result<Self, Error> {
        let free = taken.fetch_update(Relaxed, Relaxed, |taken| (taken < MOST).then_some(taken + 1)).is_ok();
        if free {
            return Ok(Self(Arc::clone(taken)));
        }
        Err(Error::TooMany { what: format!("the past of it is being coded anew for {MOST} readers already") })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// What is coded anew.
pub(crate) enum Supply {
    Packets(Box<Packets>),
    Clip(Box<Clip>),
}

impl Supply {
    async fn next(&mut self) -> Result<Entry, Error> {
        match self {
            Self::Packets(packets) => packets.next().await,
            Self::Clip(clip) => clip.next().await?.ok_or(Error::Ended { what: None }),
        }
    }
}

/// A reader's own transcoding.
pub(crate) struct Recode {
    made: mpsc::Receiver<Result<Entry, Error>>,
    pump: AbortHandle,
}

impl Drop for Recode {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl Recode {
    /// Codes `supply` as `variant` says. Needs a tokio runtime.
    pub(crate) fn start(name: &str, mut supply: Supply, variant: Variant, place: Place) -> Result<Self, Error> {
        let (give, taken) = mpsc::channel(AHEAD);
        let (made_here, made) = mpsc::channel(AHEAD);
        let thread_name: String = format!("past-{name}").chars().take(15).collect();
        let worker = Worker {
            decoding: Decoding::new(),
            maker: Maker::for_variant(variant),
            gate: Gate::new(variant.rate),
            variant,
            tracks: Tracks::default(),
            index: 0,
            lost: 0,
            made: made_here,
        };
        let spawned = thread::Builder::new().name(thread_name).spawn(move || {
            let _place = place;
            worker.run(taken);
        });
        spawned.map_err(|error| Error::Broken { what: format!("cannot start a thread: {error}") })?;
        let pump = tokio::spawn(async move {
            loop {
                let entry = supply.next().await;
                let over = entry.is_err();
                if give.send(entry).await.is_err() || over {
                    return;
                }
            }
        });
        Ok(Self { made, pump: pump.abort_handle() })
    }

    /// The next packet made. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Entry, Error> {
        self.made.recv().await.unwrap_or(Err(Error::Ended { what: None }))
    }
}

struct Worker {
    decoding: Decoding,
    maker: Maker,
    gate: Gate,
    variant: Variant,
    /// Of what is made.
    tracks: Tracks,
    index: u64,
    lost: u64,
    made: mpsc::Sender<Result<Entry, Error>>,
}

impl Worker {
    fn run(mut self, mut taken: mpsc::Receiver<Result<Entry, Error>>) {
        while let Some(entry) = taken.blocking_recv() {
            if let Err(error) = entry.and_then(|entry| self.take(&entry)) {
                // At the end of a clip, what the decoder still holds back.
                if error == (Error::Ended { what: None }) {
                    for decoded in self.decoding.drain() {
                        let _ = self.make(&decoded, false);
                    }
                }
                let _ = self.made.blocking_send(Err(error));
                return;
            }
            if self.made.is_closed() {
                return;
            }
        }
    }

    fn take(&mut self, entry: &Entry) -> Result<(), Error> {
        self.decoding.adopt(entry)?;
        self.lost += entry.lost;
        if !self.decoding.is_video(&entry.packet) {
            return Ok(());
        }
        if self.passes() {
            if self.gate.take(entry.packet.pts) {
                self.tracks = entry.tracks.clone();
                self.give(entry.packet.clone());
            }
            return Ok(());
        }
        for decoded in self.decoding.decode(&entry.packet, Wanted::Picture) {
            self.make(&decoded, entry.packet.discontinuity)?;
        }
        Ok(())
    }

    /// Codes a picture, if it is due.
    fn make(&mut self, decoded: &Decoded, discontinuity: bool) -> Result<(), Error> {
        if !self.gate.take(decoded.pts) {
            return Ok(());
        }
        let made = match self.maker.make(decoded, self.variant) {
            Ok(Some(made)) => made,
            Ok(None) => return Ok(()),
            Err(error @ ffmpeg::Error::EncoderNotFound { .. }) => {
                return Err(Error::Unsupported { what: error.to_string() });
            }
            Err(error) => {
                tracing::debug!(%error, "picture not encoded");
                return Ok(());
            }
        };
        if let Some(track) = made.new_track {
            self.tracks = Tracks::new(vec![track]);
        }
        self.give(Packet {
            track: TrackId(0),
            pts: decoded.pts,
            dts: decoded.pts,
            duration: None,
            key: made.key,
            corrupt: decoded.corrupt,
            discontinuity,
            received: decoded.received,
            captured: decoded.captured,
            data: made.data,
        });
        Ok(())
    }

    /// JPEG pictures of a camera that sends such go out as they are.
    fn passes(&self) -> bool {
        let plain =
            self.variant.size == SizeWish::Own && self.variant.quality.is_none() && self.variant.codec.is_none();
        plain && self.decoding.track().is_some_and(|track: &Track| track.codec == Codec::MJPEG)
    }

    /// Leaves a packet for the reader, waiting for it to take the last ones.
    fn give(&mut self, packet: Packet) {
        let lost = std::mem::take(&mut self.lost);
        let entry = Entry { seq: self.index, index: self.index, lost, tracks: self.tracks.clone(), packet };
        self.index += 1;
        // A reader that is gone is noticed by the caller.
        let _ = self.made.blocking_send(Ok(entry));
    }
}
