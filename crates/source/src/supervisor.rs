//! Opens a source when it is wanted, and again for ever when it fails.
//!
//! One task per source. It sleeps until the feed has a reader, runs one connection
//! under two deadlines (open to first picture, picture to picture), and closes it a
//! while after the last reader has gone. Readers notice nothing of a reconnect but
//! the gap: the feed and their cursors stay.

mod start;
mod task;

use std::sync::Arc;
use std::time::{Duration, Instant};

use feed::Feed;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use self::start::understand;
use crate::files::Files;
use crate::journal::Entry;
use crate::progress::{Counters, Progress};
use crate::push::{self, Feeder, Hint, Push, Refused, UnitFeeder};
use crate::scheme::{Request, scheme_of};
use crate::status::Status;
use crate::variants::Variants;
use crate::vitals::Vitals;
use crate::{Error, Options, listener};

/// One source under supervision. Cloning gives another handle; the source is closed
/// when the last one is dropped.
#[derive(Clone)]
pub struct Supervisor(Arc<Inner>);

struct Inner {
    id: u64,
    name: String,
    request: Request,
    feed: Feed,
    progress: Arc<Progress>,
    poke: Arc<Notify>,
    variants: Arc<Variants>,
    files: Files,
    task: Work,
}

/// Who brings the packets.
enum Work {
    /// A task, which opens the source.
    Pulled(AbortHandle),
    /// Others, who feed it.
    Pushed(Arc<Push>),
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end();
    }
}

impl Inner {
    fn end(&self) {
        match &self.task {
            Work::Pulled(task) => task.abort(),
            Work::Pushed(push) => push.close(),
        }
    }
}

impl Supervisor {
    /// Supervises the source at `url`, called `name` in logs. Opens nothing yet unless
    /// [`Options::always_on`]. Needs a tokio runtime.
    ///
    /// # Errors
    /// When a URL of this form can never work, or opens nothing by itself: a feed (`push:`), which
    /// is [`Supervisor::served`] only.
    pub fn new(name: &str, url: &str, options: Options) -> Result<Self, Error> {
        let url = url.trim();
        match scheme_of(url) {
            Some(scheme) if scheme.names == push::SCHEME.names => Err(push::opens_nothing(url)),
            _ => Self::start(name, url, options),
        }
    }

    /// Whether [`Supervisor::served`] would take this, without setting anything up.
    ///
    /// # Errors
    /// When a URL of this form can never work.
    pub fn check(url: &str, options: &Options) -> Result<(), Error> {
        understand(url, options).map(|_| ())
    }

    /// The same for a server: it takes feeds (`push:`) as well, to which others send, and waits for
    /// them without a deadline where a URL says that they call (`srt://…?mode=listener`). Needs a tokio
    /// runtime.
    ///
    /// # Errors
    /// When a URL of this form can never work.
    pub fn served(name: &str, url: &str, options: Options) -> Result<Self, Error> {
        // An encoder comes when it likes.
        let always_on = options.always_on || listener::is_meant(url, &options);
        Self::start(name, url, Options { always_on, ..options })
    }

    /// Supervises a feed, called `name` in logs, that opens nothing but is fed, see
    /// [`crate::push`]. Needs a tokio runtime.
    #[must_use]
    pub fn pushed(name: &str, options: Options) -> Self {
        Self::served(name, push::SCHEME.example, options).expect("the scheme takes its own example")
    }

    /// Whether it is a feed, which others fill.
    #[must_use]
    pub fn is_pushed(&self) -> bool {
        matches!(self.0.task, Work::Pushed(_))
    }

    /// Begins to feed it, as the only one: `hint` says who does and what is sent. Waits a moment
    /// for a feeder that is just leaving. Needs a tokio runtime. Cancel-safe.
    ///
    /// # Errors
    /// When another one is feeding it, or it opens something by itself.
    pub async fn feeder(&self, hint: Hint) -> Result<Feeder, Refused> {
        match &self.0.task {
            Work::Pushed(push) => {
                let feeder = push.feeder(hint).await?;
                if let Some(archive) = self.0.variants.archive().filter(|_| self.0.request.options.truncate) {
                    archive.recorder().forget();
                }
                Ok(feeder)
            }
            Work::Pulled(_) => Err(Refused::Pulled),
        }
    }

    /// Who is feeding it now; nobody, or it opens something by itself.
    #[must_use]
    pub fn fed(&self) -> Option<push::Fed> {
        match &self.0.task {
            Work::Pushed(push) => push.fed(),
            Work::Pulled(_) => None,
        }
    }

    /// The same for who has coded pictures at hand, and not bytes of a container.
    ///
    /// # Errors
    /// When another one is feeding it, or it opens something by itself.
    pub async fn unit_feeder(&self, hint: Hint) -> Result<UnitFeeder, Refused> {
        match &self.0.task {
            Work::Pushed(push) => {
                let feeder = push.unit_feeder(&hint).await?;
                if let Some(archive) = self.0.variants.archive().filter(|_| self.0.request.options.truncate) {
                    archive.recorder().forget();
                }
                Ok(feeder)
            }
            Work::Pulled(_) => Err(Refused::Pulled),
        }
    }

    /// Tells whoever pushes units that a viewer wants a keyframe; others cannot be asked.
    pub fn ask_for_keyframe(&self) {
        if let Work::Pushed(push) = &self.0.task {
            push.keyframe.notify_one();
        }
    }

    /// Which one it is: no other of this process has or had this number, whatever its name.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The URL as given, with the user and password of [`Options::access`]: log it through [`media::Redacted`] only.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.request.url
    }

    /// The camera that it is, asked beside its pictures: to be moved.
    ///
    /// # Errors
    /// As [`crate::onvif::Camera::open`].
    pub async fn camera(&self) -> Result<crate::onvif::Camera, Error> {
        let url = self.ptz().map_or(self.url(), crate::onvif::Address::as_str);
        crate::onvif::Camera::open(url, &self.0.request.options).await
    }

    /// Where it is moved, if its options say so.
    #[must_use]
    pub fn ptz(&self) -> Option<&crate::onvif::Address> {
        self.0.request.options.ptz.as_ref()
    }

    /// The packets as the source sends them. A cursor on it makes the source open.
    #[must_use]
    pub fn feed(&self) -> &Feed {
        &self.0.feed
    }

    /// How long an attempt to open it may take.
    #[must_use]
    pub fn open_timeout(&self) -> Duration {
        self.0.request.options.open_timeout
    }

    /// What it is doing, and its changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.0.progress.status()
    }

    /// What the newest attempt to open it did, in order.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        self.0.progress.noted()
    }

    /// How long the newest attempt to open it took, if that is over.
    pub(crate) fn attempt_took(&self) -> Option<Duration> {
        self.0.progress.attempt_took()
    }

    /// What it has brought.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.0.progress.counters(Instant::now())
    }

    /// How it is, as far as it shows without decoding.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        self.0.progress.vitals(Instant::now())
    }

    /// How long ago it was what it plays, in seconds.
    pub(crate) fn age_s(&self) -> f64 {
        self.0.progress.age_s()
    }

    /// JPEG pictures of it, as a variant.
    #[must_use]
    pub fn variants(&self) -> &Arc<Variants> {
        &self.0.variants
    }

    /// Ends the recording, so that the source which takes this one's place can go on with it.
    /// Readers of the past keep what is there.
    pub fn stop_recording(&self) {
        if let Some(archive) = self.0.variants.archive() {
            archive.close();
        }
        self.0.files.close();
    }

    /// How its recording in files does; nothing where there is none.
    #[must_use]
    pub fn files(&self) -> Option<record::Status> {
        self.0.files.status()
    }

    /// Records it in files as `options` say from now on, or no more; who watches it notices nothing.
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system refuses a thread; then it is not recorded.
    pub fn record_files(&self, options: Option<record::Options>) -> std::io::Result<()> {
        self.0.files.exchange(&self.0.name, &self.0.feed, options)
    }

    /// Ends it for good, whoever has a handle: its feed ends, and its recording.
    pub fn close(&self) {
        self.stop_recording();
        self.0.end();
    }

    /// Ends a wait between two attempts, that of a source whose login was refused too often as well.
    pub fn poke(&self) {
        self.0.poke.notify_one();
    }
}
