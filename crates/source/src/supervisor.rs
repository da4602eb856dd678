//! Opens a source when it is wanted, and again for ever when it fails.
//!
//! One task per source. It sleeps until the feed has a reader, runs one connection
//! under two deadlines (open to first picture, picture to picture), and closes it a
//! while after the last reader has gone. Readers notice nothing of a reconnect but
//! the gap: the feed and their cursors stay.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use feed::{Feed, Publisher};
use media::Redacted;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::archive::Archive;
use crate::deadlines::overdue;
use crate::files::Files;
use crate::journal::{Entry, Note};
use crate::line::{Line, Recorder};
use crate::location::Location;
use crate::manners::{Host, LOCKED, Login, NOT_AGAIN, Verdict, sign_of_life};
use crate::progress::{Counters, Progress};
use crate::push::{self, Feeder, Hint, Push, Refused, UnitFeeder};
use crate::scheme::{Request, Scheme, scheme_of};
use crate::sink::Sink;
use crate::status::Status;
use crate::timeline::Timeline;
use crate::variants::Variants;
use crate::vitals::Vitals;
use crate::{Error, Options, Phase, Trust, line, listener, makers, webcam};

/// The wait until the next encoder may come.
const AT_ONCE: Duration = Duration::from_millis(50);

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

/// What is to be opened, and how.
struct Understood {
    scheme: &'static Scheme,
    /// What is opened, knocked at and examined.
    url: String,
    /// The host of a URL in whose password stands what usually ends one.
    guessed: Option<String>,
    /// It was given by its maker's name.
    by_maker: bool,
}

fn understand(url: &str, options: &Options) -> Result<Understood, Error> {
    let url = url.trim();
    let scheme = scheme_of(url).filter(|_| !url.is_empty()).ok_or_else(|| Error::BadUrl {
        what: "the URL is empty".into(),
        hint: "expected something like rtsp://host/path, clip.wmv or /dev/video0".into(),
    })?;
    let guessed = Location::guessed(url).filter(|_| scheme.port.is_some());
    let url = options.access.applied_to(url)?;
    let real = makers::expand(&url)?;
    let by_maker = real.is_some();
    let (scheme, url) = match real {
        Some(real) => (scheme_of(&real).unwrap_or(scheme), real),
        None => (scheme, url),
    };
    (scheme.check)(&url)?;
    if scheme.names == webcam::SCHEME.names {
        webcam::Wish::of(&url, options)?;
    }
    if options.capture.is_some() && !scheme.captured {
        return Err(line::not_captured(&url));
    }
    Ok(Understood { scheme, url, guessed, by_maker })
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

    fn start(name: &str, url: &str, options: Options) -> Result<Self, Error> {
        let Understood { scheme, url, guessed, by_maker } = understand(url, &options)?;
        if let Some(host) = guessed {
            tracing::info!(source = name, %host, "everything before the last @ is taken for user and password");
        }
        if by_maker {
            tracing::info!(source = name, url = %Redacted(&url), "by its maker's usual URL");
        }
        if options.access.trust == Trust::Anybody && scheme.port.is_some() {
            tracing::warn!(
                source = name,
                "certificates are not checked: what answers may be anybody, and gets the password"
            );
        }
        let capture = match &options.capture {
            Some(capture) => Some(Arc::new(Recorder::start(name, &url, &options, capture)?)),
            None => None,
        };
        let request = Request { url: url.into(), options: Arc::new(options) };
        let (publisher, feed) = Feed::new(request.options.limits);
        let progress = Arc::new(Progress::new());
        let poke = Arc::new(Notify::new());
        let archive = match request.options.record.clone().map(|ring| Archive::start(name, &feed, ring)).transpose() {
            Ok(archive) => archive,
            Err(error) => return Err(Error::Broken { what: format!("cannot start a thread to record: {error}") }),
        };
        let files = match Files::start(name, &feed, request.options.files.clone()) {
            Ok(files) => files,
            Err(error) => return Err(Error::Broken { what: format!("cannot start a thread to record: {error}") }),
        };
        let is_pushed = scheme.names == push::SCHEME.names;
        if let Some(archive) = archive.as_ref().filter(|_| request.options.truncate && !is_pushed) {
            archive.recorder().forget();
        }
        let variants = Arc::new(Variants::new(name, feed.clone(), Arc::clone(&progress), archive));
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Relaxed);
        let task = if is_pushed {
            let options = Arc::clone(&request.options);
            Work::Pushed(Arc::new(Push::new(name, options, publisher, Arc::clone(&progress))))
        } else {
            let task = Task {
                scheme,
                host: Host::of(&request.url, scheme),
                request: request.clone(),
                readers: publisher.readers(),
                publisher: Arc::new(publisher),
                timeline: Arc::new(Mutex::new(Timeline::new(Instant::now()))),
                progress: Arc::clone(&progress),
                poke: Arc::clone(&poke),
                capture,
                failures: 0,
            };
            let span = tracing::info_span!(parent: None, "source", of = name);
            Work::Pulled(tokio::spawn(tracing::Instrument::instrument(task.run(), span)).abort_handle())
        };
        Ok(Self(Arc::new(Inner { id, name: name.into(), request, feed, progress, poke, variants, files, task })))
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

    /// The URL as given, with the user and password of [`Options::access`]: log it through [`Redacted`] only.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.request.url
    }

    /// The camera that it is, asked beside its pictures: to be moved.
    ///
    /// # Errors
    /// As [`crate::onvif::Camera::open`].
    pub async fn camera(&self) -> Result<crate::onvif::Camera, Error> {
        crate::onvif::Camera::open(self.url(), &self.0.request.options).await
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

struct Task {
    scheme: &'static Scheme,
    /// Where it connects to, and as whom.
    host: Option<(Arc<Host>, Login)>,
    request: Request,
    readers: watch::Receiver<usize>,
    publisher: Arc<Publisher>,
    timeline: Arc<Mutex<Timeline>>,
    progress: Arc<Progress>,
    poke: Arc<Notify>,
    capture: Option<Arc<Recorder>>,
    failures: u32,
}

/// How an attempt ended.
enum Outcome {
    /// Nobody reads any more.
    Unwanted,
    Failed(Error, Verdict),
}

impl Task {
    async fn run(mut self) {
        loop {
            if !self.request.options.always_on {
                if self.failures > 0 && *self.readers.borrow() == 0 {
                    // They left while it was down. Whoever comes next is not told of the last
                    // attempt but waits for one.
                    self.publisher.clear();
                    self.progress.idle();
                }
                if self.readers.wait_for(|readers| *readers > 0).await.is_err() {
                    return;
                }
            }
            let outcome = self.attempt().await;
            if let Some(capture) = &self.capture {
                capture.over(match &outcome {
                    Outcome::Unwanted => None,
                    Outcome::Failed(error, _) => Some(error),
                });
            }
            match outcome {
                Outcome::Unwanted => self.close(),
                Outcome::Failed(error, verdict) => {
                    if !self.after(error, verdict).await {
                        return;
                    }
                }
            }
        }
    }

    fn close(&mut self) {
        tracing::info!("closed, nobody reads");
        self.failures = 0;
        self.publisher.clear();
        self.progress.idle();
    }

    /// Runs one connection.
    async fn attempt(&mut self) -> Outcome {
        let options = Arc::clone(&self.request.options);
        self.progress.opening();
        if let Ok(mut timeline) = self.timeline.lock() {
            timeline.restart();
        }
        let (sink, _cut_at_end) =
            Sink::new(Arc::clone(&self.publisher), Arc::clone(&self.timeline), Arc::clone(&self.progress), &options);
        let sink = match &self.capture {
            Some(capture) => {
                capture.attempt();
                sink.over(Line::Tapped(Arc::clone(capture)))
            }
            None => sink,
        };
        let mut place = None;
        if let Some((host, login)) = self.host.clone() {
            let turn = host.enter(login, &options.manners, |why| {
                self.progress.phase(Phase::Turn);
                self.progress.note(Note::Fact(why));
            });
            tokio::select! {
                entered = turn => match entered {
                    Ok(entered) => place = Some(entered),
                    Err(error) => return Outcome::Failed(error, Verdict::RefusedForGood),
                },
                () = unwanted(&mut self.readers, &options) => return Outcome::Unwanted,
            }
            self.progress.phase(Phase::Resolve);
        }
        tracing::debug!(url = %Redacted(&self.request.url), "opening");
        let status = self.progress.status();
        let answered = async {
            match &mut place {
                Some(place) => place.answered(status).await,
                None => std::future::pending().await,
            }
        };
        let connection = (self.scheme.connect)(self.request.clone(), sink);
        let error = tokio::select! {
            error = connection => error,
            error = overdue(&self.progress, &options) => error,
            () = unwanted(&mut self.readers, &options) => return Outcome::Unwanted,
            () = answered => return Outcome::Unwanted,
        };
        match place.map_or(Verdict::Usual, |place| place.judge(&error)) {
            Verdict::RefusedForGood => Outcome::Failed(no_more(error), Verdict::RefusedForGood),
            verdict => Outcome::Failed(error, verdict),
        }
    }

    /// Deals with a failure; `false` ends the task.
    async fn after(&mut self, error: Error, verdict: Verdict) -> bool {
        let was_live = self.progress.newest().is_some();
        self.failures = if was_live { 1 } else { self.failures.saturating_add(1) };
        let live = self.progress.status().borrow().about.live;
        if matches!(error, Error::Ended { what: None }) && was_live && !live {
            if !self.request.options.repeat_files {
                self.progress.ended();
                return false;
            }
            self.failures = 0;
            self.progress.over_again(AT_ONCE).await;
            return true;
        }
        let backoff = &self.request.options.backoff;
        let given_up = backoff.gives_up(self.failures, &error);
        if error.is_final() || given_up {
            match given_up {
                true => tracing::warn!(%error, failures = self.failures, "given up"),
                false => tracing::error!(%error, "cannot be opened"),
            }
            self.progress.failed(error, was_live, None);
            // There for its status alone, until the handle is dropped.
            return std::future::pending().await;
        }
        if verdict == Verdict::RefusedForGood {
            tracing::error!(%error, "given up until it is asked for again");
            self.progress.failed(error, was_live, None);
            self.poke.notified().await;
            if let Some((host, login)) = &self.host {
                host.forgive(*login);
            }
            return true;
        }
        let wait = match verdict {
            Verdict::RefusedNow => backoff.wait_between(LOCKED, self.failures),
            Verdict::Crowded => backoff.wait(self.failures, true),
            // No account is locked of a device or a file.
            _ => backoff.wait(self.failures, error.is_refusal() && self.host.is_some()),
        };
        // The next encoder, or the same again, is not to find nobody.
        let is_over =
            matches!(error, Error::Ended { .. }) && listener::is_meant(&self.request.url, &self.request.options);
        let wait = if is_over { wait.min(AT_ONCE) } else { wait };
        // The first failure of a row is news, the others are a detail.
        match self.failures {
            1 => tracing::warn!(%error, retry_ms = wait.as_millis(), "no pictures"),
            _ => tracing::debug!(%error, retry_ms = wait.as_millis(), failures = self.failures, "no pictures yet"),
        }
        let knock = matches!(error, Error::Unreachable { .. } | Error::Refused { .. });
        let is_gone = self.scheme.names == webcam::SCHEME.names
            && matches!(error, Error::Unplugged { .. } | Error::NotFound { .. } | Error::Unauthorized { .. });
        self.progress.failed(error, was_live, Some(Instant::now() + wait));
        tokio::select! {
            () = sleep(wait) => {}
            () = self.poke.notified() => {}
            () = sign_of_life(&self.request.url, self.scheme, self.host.as_ref().map(|(host, _)| &**host)), if knock => {}
            () = webcam::comes_back(&self.request.url), if is_gone => {}
            () = room(self.host.as_ref()), if verdict == Verdict::Crowded => {}
            () = unwanted(&mut self.readers, &self.request.options) => self.close(),
        }
        true
    }
}

/// Ends when nobody has read for [`Options::linger`].
async fn unwanted(readers: &mut watch::Receiver<usize>, options: &Options) {
    if options.always_on {
        return std::future::pending().await;
    }
    loop {
        if readers.wait_for(|readers| *readers == 0).await.is_err() {
            return std::future::pending().await;
        }
        if timeout(options.linger, readers.wait_for(|readers| *readers > 0)).await.is_err() {
            return;
        }
    }
}

/// The error of a login that is not tried again.
fn no_more(error: Error) -> Error {
    match error {
        Error::Unauthorized { status, what } => {
            Error::Unauthorized { status, what: format!("{what}, more than once, {NOT_AGAIN}") }
        }
        error => error,
    }
}

/// Ends when another source has left the host.
async fn room(host: Option<&(Arc<Host>, Login)>) {
    match host {
        Some((host, _)) => host.gone().await,
        None => std::future::pending().await,
    }
}
