//! The task of a source that opens something: one attempt after the other, each under two deadlines,
//! with a wait in between that depends on why it ended.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use feed::Publisher;
use media::Redacted;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::deadlines::overdue;
use crate::journal::Note;
use crate::line::{Line, Recorder};
use crate::manners::{Host, LOCKED, Login, NOT_AGAIN, Verdict, sign_of_life};
use crate::progress::Progress;
use crate::scheme::{Request, Scheme};
use crate::sink::Sink;
use crate::timeline::Timeline;
use crate::{Error, Options, Phase, file, listener, webcam};

/// The wait until the next encoder may come.
const AT_ONCE: Duration = Duration::from_millis(50);

/// What opens a source.
pub(super) struct Task {
    pub(super) scheme: &'static Scheme,
    /// Where it connects to, and as whom.
    pub(super) host: Option<(Arc<Host>, Login)>,
    pub(super) request: Request,
    pub(super) readers: watch::Receiver<usize>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) timeline: Arc<Mutex<Timeline>>,
    pub(super) progress: Arc<Progress>,
    pub(super) poke: Arc<Notify>,
    pub(super) capture: Option<Arc<Recorder>>,
    pub(super) failures: u32,
}

/// How an attempt ended.
enum Outcome {
    /// Nobody reads any more.
    Unwanted,
    Failed(Error, Verdict),
}

impl Task {
    pub(super) async fn run(mut self) {
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
        // A file that is damaged from somewhere on gives no more the next time.
        let is_file = self.scheme.names == file::SCHEME.names
            && file::path(&self.request.url).is_some()
            && !matches!(error, Error::Timeout { .. });
        let is_over = matches!(error, Error::Ended { what: None });
        if (is_over || is_file && !self.request.options.repeat_files) && was_live && !live {
            if !self.request.options.repeat_files {
                self.progress.ended((!is_over).then_some(error));
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
            tracing::error!(%error, "given up: correct user and password, then restart, or reload by SIGHUP");
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
