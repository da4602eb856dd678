//! Packets of the past, coded anew for one reader.
//!
//! What is live is decoded once for all its readers; what is past is at another place for
//! each of them, so each has decoders and encoders of its own, on one thread, which work
//! as fast as the reader takes what they make. There are few of them: [`MOST`] a source.

mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use feed::Entry;
use media::{Rate, Tracks, Variant};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::Error;
use crate::mixed::{Fate, Plan, Planner};
use crate::packets::Packets;
use crate::past::Clip;
use crate::picture::stays;
use worker::Worker;

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

/// What becomes of packets of the past.
pub struct Recoding {
    pub(crate) planner: Planner,
    /// Most pictures a second of a track that passes as it is, where each stands alone.
    pub(crate) rate: Option<Rate>,
}

impl Recoding {
    /// Pictures and sound as `planner` says when it is shown the tracks.
    #[must_use]
    pub fn new(planner: Planner) -> Self {
        Self { planner, rate: None }
    }

    /// JPEG pictures like `variant`, as [`crate::Pictures::keeping`] gives them.
    #[must_use]
    pub fn jpeg(variant: Variant, keep: bool) -> Self {
        let planner = move |tracks: &Tracks| {
            let video = match tracks.video() {
                Some(track) if stays(track, &variant, keep) => Fate::Pass,
                Some(_) => Fate::Coded(variant),
                None => Fate::Off,
            };
            Ok(Plan { video, audio: Fate::Off })
        };
        Self { planner: Box::new(planner), rate: variant.rate }
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
    /// Codes `supply` as `how` says. Needs a tokio runtime.
    pub(crate) fn start(name: &str, mut supply: Supply, how: Recoding, place: Place) -> Result<Self, Error> {
        let (give, taken) = mpsc::channel(AHEAD);
        let (made_here, made) = mpsc::channel(AHEAD);
        let thread_name: String = format!("past-{name}").chars().take(15).collect();
        let worker = Worker::new(how, made_here);
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
