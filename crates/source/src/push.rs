//! Feeds: sources that open nothing but are fed, as by `PUT` of HTTP.
//!
//! One [`Feeder`] at a time hands over bytes, in any container, and a thread of its own
//! takes them apart. Readers keep their cursors from one feeder to the next, and time
//! goes on; the first picture of the next one says that something lies between. Nothing
//! is published of a picture that has not come whole.
//!
//! ```no_run
//! # use source::{Supervisor, Options, push::{Ending, Hint}};
//! # async fn feed(bytes: bytes::Bytes) -> Result<(), source::push::Refused> {
//! let feed = Supervisor::pushed("cam2", Options::default());
//! let feeder = feed.feeder(Hint { by: "127.0.0.1:1234".into(), ..Hint::default() }).await?;
//! feeder.write(bytes).await;
//! let taken = feeder.finish(Ending::Whole).await;
//! println!("{} pictures of {}", taken.pictures, taken.container);
//! # Ok(())
//! # }
//! ```

mod demux;
mod lead;
mod pipe;
mod sniff;
mod swallowed;
mod units;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use feed::Publisher;
use media::Codec;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::timeout;

use crate::deadlines::overdue;
use crate::progress::{Counters, Progress};
use crate::scheme::Scheme;
use crate::sink::{Cut, Sink};
use crate::timeline::Timeline;
use crate::{Error, Options, on_thread};

pub use pipe::Ending;
use swallowed::Swallowed;
pub use units::UnitFeeder;

/// For the fuzzer: looks at the first bytes that were sent.
pub(crate) fn look(begin: &[u8]) {
    sniff::check(begin);
}

pub(crate) static SCHEME: Scheme = Scheme {
    names: &["push"],
    example: "push:",
    doc: "a feed: nothing is opened, others send to it by PUT or POST (`serve` only)",
    port: None,
    captured: false,
    check: bare,
    connect: |request, _| Box::pin(async move { opens_nothing(&request.url) }),
};

/// A feed has nothing behind its scheme.
fn bare(url: &str) -> Result<(), Error> {
    let rest = url.split_once(':').map_or("", |(_, rest)| rest).trim_start_matches('/');
    if rest.is_empty() {
        return Ok(());
    }
    Err(Error::BadUrl {
        what: format!("{}: nothing may stand behind push:", media::Redacted(url)),
        hint: "the name of a feed stands in front, as in cam2=push:".into(),
    })
}

/// What becomes of a feed that somebody wants to open.
pub(crate) fn opens_nothing(url: &str) -> Error {
    Error::BadUrl {
        what: format!("{} is a feed, which opens nothing: others send to it", media::Redacted(url)),
        hint: "run `headwater serve NAME=push:` and look at it there, as http://localhost:8090/NAME.mjpeg".into(),
    }
}

/// How long a feeder waits for another one that is leaving.
const LEAVING: Duration = Duration::from_secs(2);

/// What is known of a feeder before its first byte.
#[derive(Clone, Debug, Default)]
pub struct Hint {
    /// Who it is, for messages: an address.
    pub by: String,
    /// How it comes, for whoever looks: `HTTP`, `RTMP`.
    pub protocol: &'static str,
    /// What it calls itself, as in `User-Agent`.
    pub agent: Option<String>,
    /// What it says that it sends, as in `Content-Type`. It counts where the bytes do not tell.
    pub content_type: Option<String>,
}

/// Who is feeding, for whoever looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fed {
    /// [`Hint::by`].
    pub by: String,
    /// [`Hint::protocol`].
    pub protocol: &'static str,
    /// For how long.
    pub since: Duration,
    /// Bytes that it has handed over.
    pub bytes: u64,
}

/// Why a feed cannot be fed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Another one is feeding it.
    #[error("this feed is already being received, from {by} for {}s; end that first", .since.as_secs())]
    Busy {
        /// Who.
        by: String,
        /// For how long.
        since: Duration,
    },
    /// The source opens something by itself.
    #[error("this source is no feed: it opens its own URL")]
    Pulled,
}

/// What came of a feeder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Bytes that were handed over.
    pub bytes: u64,
    /// Pictures that were published.
    pub pictures: u64,
    /// Packets that were published: pictures, and whatever goes along with them or takes their
    /// place.
    pub packets: u64,
    /// The container; empty if it was not found out.
    pub container: String,
    /// The codec of the pictures, or of the sound where there are none; nothing if nothing came.
    pub codec: Option<Codec>,
    /// Why it did not end in order.
    pub error: Option<Error>,
}

/// The side of a feed that takes feeders.
pub(crate) struct Push {
    name: String,
    options: Arc<Options>,
    publisher: Arc<Publisher>,
    timeline: Arc<Mutex<Timeline>>,
    progress: Arc<Progress>,
    place: Arc<Semaphore>,
    occupant: Mutex<Option<Occupant>>,
    /// There is no such feed any more.
    gone: Notify,
    /// A viewer wants a keyframe.
    pub(crate) keyframe: Notify,
}

/// Who is feeding.
struct Occupant {
    by: String,
    protocol: &'static str,
    bytes: Arc<AtomicU64>,
    since: Instant,
    /// It has said its last byte.
    leaving: bool,
}

impl Push {
    pub(crate) fn new(name: &str, options: Arc<Options>, publisher: Publisher, progress: Arc<Progress>) -> Self {
        progress.unfed(None, false);
        Self {
            name: name.into(),
            options,
            publisher: Arc::new(publisher),
            timeline: Arc::new(Mutex::new(Timeline::new(Instant::now()))),
            progress,
            place: Arc::new(Semaphore::new(1)),
            occupant: Mutex::default(),
            gone: Notify::new(),
            keyframe: Notify::new(),
        }
    }

    pub(crate) async fn feeder(self: &Arc<Self>, hint: Hint) -> Result<Feeder, Refused> {
        let place = self.place().await?;
        Ok(self.begin(hint, place))
    }

    /// The one place of a feeder, after a moment if somebody is just leaving it.
    async fn place(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let place = Arc::clone(&self.place);
        match Arc::clone(&place).try_acquire_owned() {
            Ok(place) => Ok(place),
            Err(_) if self.with(|occupant| occupant.as_ref().is_some_and(|occupant| !occupant.leaving)) => {
                Err(self.busy())
            }
            Err(_) => match timeout(LEAVING, place.acquire_owned()).await {
                Ok(Ok(place)) => Ok(place),
                _ => Err(self.busy()),
            },
        }
    }

    /// Nobody has a handle of the feed any more: whoever is feeding it is told.
    pub(crate) fn close(&self) {
        self.gone.notify_one();
    }

    /// Who is feeding now.
    pub(crate) fn fed(&self) -> Option<Fed> {
        self.with(|occupant| {
            let Occupant { by, protocol, since, bytes, .. } = occupant.as_ref()?;
            Some(Fed { by: by.clone(), protocol, since: since.elapsed(), bytes: bytes.load(Relaxed) })
        })
    }

    /// The feeder has said its last.
    fn leave(&self) {
        self.with(|occupant| {
            if let Some(occupant) = occupant {
                occupant.leaving = true;
            }
        });
    }

    /// What has come since the counters were as `before`.
    fn taken(&self, before: &Counters, result: Result<(), Error>) -> Taken {
        let status = self.progress.status().borrow().clone();
        let counters = self.progress.counters(Instant::now());
        let pictures = counters.pictures - before.pictures;
        let packets = counters.packets - before.packets;
        Taken {
            bytes: counters.bytes - before.bytes,
            pictures,
            packets,
            container: if packets > 0 { status.about.container } else { String::new() },
            codec: status.tracks.lead().map(|track| track.codec).filter(|_| packets > 0),
            error: result.err(),
        }
    }

    fn busy(&self) -> Refused {
        self.with(|occupant| match occupant {
            Some(Occupant { by, since, .. }) => Refused::Busy { by: by.clone(), since: since.elapsed() },
            None => Refused::Busy { by: "another one".into(), since: Duration::ZERO },
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut Option<Occupant>) -> T) -> T {
        look(&mut self.occupant.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn begin(self: &Arc<Self>, hint: Hint, place: OwnedSemaphorePermit) -> Feeder {
        let before = self.progress.counters(Instant::now());
        let (writer, reader) = pipe::pipe();
        let (done, outcome) = watch::channel(None);
        let (span, bytes) = self.enter(&hint);
        let (sink, cut) = self.open();
        let job = demux::Job { protocol: "push", hint, options: Arc::clone(&self.options) };
        let (excess, exceeded) = oneshot::channel();
        let work = async move {
            tokio::select! {
                result = on_thread("feed", move |stop| demux::run(reader, &job, &sink, &stop)) => {
                    result.unwrap_or_else(|| Err(crate::libav::died()))
                }
                Ok(what) = exceeded => Err(Error::Broken { what: String::from(what) }),
            }
        };
        let attempt = Arc::clone(self).attempt(work, (cut, writer.valve()), done, place);
        tokio::spawn(tracing::Instrument::instrument(attempt, span));
        let swallowed = Swallowed::new(before.packets);
        Feeder { push: Arc::clone(self), writer, outcome, bytes, before, swallowed, excess: Mutex::new(Some(excess)) }
    }

    /// Says who is feeding from now on; gives the count of bytes that come.
    fn enter(&self, hint: &Hint) -> (tracing::Span, Arc<AtomicU64>) {
        let bytes = Arc::new(AtomicU64::new(0));
        self.with(|occupant| {
            *occupant = Some(Occupant {
                by: hint.by.clone(),
                protocol: hint.protocol,
                bytes: Arc::clone(&bytes),
                since: Instant::now(),
                leaving: false,
            });
        });
        (tracing::info_span!(parent: None, "feed", of = self.name, by = hint.by), bytes)
    }

    /// The sink of a new feeder.
    fn open(&self) -> (Sink, Cut) {
        self.progress.opening();
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner).restart();
        Sink::new(Arc::clone(&self.publisher), Arc::clone(&self.timeline), Arc::clone(&self.progress), &self.options)
    }

    /// Runs one feeder to its end; what is `held` until then has no effect behind it.
    async fn attempt<T: Send>(
        self: Arc<Self>,
        work: impl Future<Output = Result<(), Error>> + Send,
        held: T,
        done: watch::Sender<Option<Result<(), Error>>>,
        place: OwnedSemaphorePermit,
    ) {
        let options = Arc::clone(&self.options);
        let result = tokio::select! {
            result = work => result,
            error = overdue(&self.progress, &options) => Err(error),
            () = self.gone.notified() => Err(Error::Ended { what: Some("the feed is served no more".into()) }),
        };
        // Whatever a thread still does has no effect.
        drop(held);
        let was_live = self.progress.newest().is_some();
        match &result {
            Ok(()) => tracing::info!("the feed ended"),
            // Whoever took the sender in tells it, and not for every one of a thousand tries.
            Err(error) if !was_live => tracing::debug!(%error, "the feed ended"),
            Err(error) => tracing::warn!(%error, "the feed ended"),
        }
        self.progress.unfed(result.as_ref().err().map(Error::to_string), was_live);
        self.with(Option::take);
        // Told before the next one can begin, so that none is taken for another.
        done.send_replace(Some(result));
        drop(place);
    }
}

/// Feeds a feed, until it is finished or dropped, which is a feed that broke off.
pub struct Feeder {
    push: Arc<Push>,
    writer: pipe::Writer,
    outcome: watch::Receiver<Option<Result<(), Error>>>,
    bytes: Arc<AtomicU64>,
    before: Counters,
    swallowed: Swallowed,
    /// Ends it where too much came of which nothing comes out.
    excess: Mutex<Option<oneshot::Sender<&'static str>>>,
}

impl Feeder {
    /// Hands over the next bytes, and waits while too many lie there already: a recording that is
    /// sent faster than it plays is held to real time so. `false` when nothing more is wanted;
    /// [`Feeder::finish`] tells why. Cancelled, it has handed over nothing.
    pub async fn write(&self, bytes: Bytes) -> bool {
        let count = bytes.len() as u64;
        let written = self.writer.write(bytes).await;
        if written {
            self.bytes.fetch_add(count, Relaxed);
            let progress = &self.push.progress;
            if let Err(what) = self.swallowed.add(count as usize, || progress.packets()) {
                let excess = self.excess.lock().unwrap_or_else(PoisonError::into_inner).take();
                // Nobody listens where it is over already.
                let _ = excess.map(|excess| excess.send(what));
                return false;
            }
        }
        written
    }

    /// Ends when nothing more is wanted: what came cannot be read, or no picture came for too
    /// long ([`Options::open_timeout`], [`Options::gap_timeout`]). Cancel-safe.
    pub async fn unwanted(&self) {
        let _ = self.outcome.clone().wait_for(Option::is_some).await;
    }

    /// Waits until everything is published, and tells what came.
    pub async fn finish(mut self, ending: Ending) -> Taken {
        self.writer.end(ending);
        self.push.leave();
        let result = match self.outcome.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(result)) => result.clone(),
            _ => Err(crate::libav::died()),
        };
        let bytes = self.bytes.load(Relaxed);
        Taken { bytes, ..self.push.taken(&self.before, result) }
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        // Of the next one, if this one is over already.
        if self.outcome.borrow().is_none() {
            self.push.leave();
        }
    }
}

/// What is taken apart as what a feeder sends is, for a source that has a sink of its own.
pub(crate) struct Piped {
    writer: pipe::Writer,
    outcome: watch::Receiver<Option<Result<(), Error>>>,
}

impl Piped {
    /// Begins to read; `protocol` is how it comes, for whom it may concern.
    pub(crate) fn start(protocol: &'static str, hint: Hint, options: Arc<Options>, sink: Sink) -> Self {
        let (writer, reader) = pipe::pipe();
        let (done, outcome) = watch::channel(None);
        let job = demux::Job { protocol, hint, options };
        let valve = writer.valve();
        let reading = async move {
            let result = on_thread("demux", move |stop| demux::run(reader, &job, &sink, &stop)).await;
            drop(valve);
            done.send_replace(Some(result.unwrap_or_else(|| Err(crate::libav::died()))));
        };
        tokio::spawn(tracing::Instrument::instrument(reading, tracing::Span::current()));
        Self { writer, outcome }
    }

    /// Hands over the next bytes, and waits while too many lie there already; `false` when
    /// nothing more is wanted.
    pub(crate) async fn write(&self, bytes: Bytes) -> bool {
        self.writer.write(bytes).await
    }

    /// Ends when nothing more is wanted. Cancel-safe.
    pub(crate) async fn unwanted(&self) {
        let _ = self.outcome.clone().wait_for(Option::is_some).await;
    }

    /// Waits until everything is published.
    ///
    /// # Errors
    /// When it could not be read.
    pub(crate) async fn finish(mut self, ending: Ending) -> Result<(), Error> {
        self.writer.end(ending);
        match self.outcome.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(result)) => result.clone(),
            _ => Err(crate::libav::died()),
        }
    }
}

#[cfg(test)]
mod tests;
