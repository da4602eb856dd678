//! Why a source does not open, or not well: step by step, with a verdict and what to do.
//!
//! A doctor opens nothing in a way of its own. It lets a [`Supervisor`] make one attempt, as
//! for any reader, and reads the attempt's journal; then it looks at what comes for a while
//! and lets the decoder make a picture of it. So what it says is what `serve` meets.

mod advice;
mod codes;
mod health;
mod json;
mod steps;
mod verdict;

use std::pin::pin;
use std::time::{Duration, Instant};

use media::{Redacted, SizeWish, Variant};
use tokio::time::timeout;

use crate::journal::{Entry, Note};
use crate::{About, Error, Options, Recording, State, Stop, Supervisor, on_thread};

pub use codes::CODES;
pub use health::Health;
pub use steps::Step;
pub use verdict::{Verdict, advice_beside};

/// How something is found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Outcome {
    /// As it should be.
    Good,
    /// It works, and may give trouble.
    Doubtful,
    /// It does not work.
    Bad,
    /// It did not come to that.
    NotReached,
}

impl Outcome {
    /// One word for JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Bad => "bad",
            Self::NotReached => "not reached",
        }
    }
}

/// What a doctor found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The URL, without its password.
    pub url: String,
    /// The way to a picture, step by step; all of them, reached or not.
    pub steps: Vec<Step>,
    /// What it comes to. The first is the most serious one.
    pub verdicts: Vec<Verdict>,
    /// How the stream is, if there is one.
    pub health: Option<Health>,
    /// What is known of the connection.
    pub about: About,
    /// What the attempt did, with what was sent and answered.
    pub journal: Vec<Entry>,
}

impl Report {
    /// The worst of all that was found.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.verdicts.iter().map(|verdict| verdict.outcome).max().unwrap_or(Outcome::Good)
    }

    fn of_bad_url(url: &str, error: &Error) -> Self {
        Self {
            url: if url.trim().is_empty() { "(no URL)".into() } else { Redacted(url).to_string() },
            steps: steps::of_bad_url(error),
            verdicts: vec![verdict::of_error(error, url)],
            health: None,
            about: About::default(),
            journal: Vec::new(),
        }
    }
}

/// How the fact begins that a source comes in pieces.
pub(crate) const PIECES: &str = "HLS: segments";

/// Longest wait for the decoder to make a picture of what came.
const DECODE: Duration = Duration::from_secs(5);

/// Opens `url` once, looks at what comes for `watch`, and tells what was found. Needs a tokio
/// runtime.
pub async fn examine(url: &str, options: Options, watch: Duration) -> Report {
    let options = Options { always_on: false, ..options };
    let (for_file, poll) = (options.clone(), options.poll);
    let source = match Supervisor::new("doctor", url, options) {
        Ok(source) => source,
        Err(error) => return Report::of_bad_url(url, &error),
    };
    let mut health = health::Watch::new(source.feed());
    let mut status = source.status();
    let settled = |status: &crate::Status| matches!(status.state, State::Live | State::Waiting(_) | State::Ended);
    // The supervisor lives as long as this function: its status cannot be gone.
    let opened = status.wait_for(settled).await.map(|status| status.clone()).ok();
    let journal = source.journal();
    // A file of one picture may be over before anybody looks.
    let is_over = source.counters().packets > 0;
    let is_live = opened.as_ref().is_some_and(|status| match status.state {
        State::Live => true,
        State::Ended => is_over,
        _ => false,
    });
    let mut error = opened.as_ref().and_then(|status| status.error.clone()).filter(|_| !is_live);
    let (mut found, mut decoded) = (None, None);
    if is_live {
        decoded = Some(picture(&source).await);
        let mut over = pin!(async { drop(status.wait_for(|status| !matches!(status.state, State::Live)).await) });
        let began = Instant::now();
        let (whole, stop) = look_through(url, for_file);
        tokio::select! {
            // What has come counts, even if it is over already.
            biased;
            // The feed is closed a moment before its source says that it is over.
            () = health.run() => timeout(watch, over).await.unwrap_or_default(),
            _ = timeout(watch, &mut over) => {}
        }
        let lost = source.status().borrow().clone();
        // A file that was read to its end, or a stream that broke off while it was looked at.
        error = lost.error.filter(|error| !matches!(error, Error::Ended { what: None }));
        let has_ended = matches!(lost.state, State::Ended | State::Waiting(_));
        let in_pieces = journal.iter().any(|entry| matches!(&entry.note, Note::Fact(fact) if fact.starts_with(PIECES)));
        let health = health.finish(began.elapsed(), has_ended, &source);
        found = Some(Health { in_pieces, asked_every: (health.unchanged > 0).then_some(poll), ..health });
        stop.set();
        error = error.or(whole.await.map(|what| Error::Ended { what: Some(what) }));
    }
    let status = source.status().borrow().clone();
    let steps = steps::of(url, false, &journal, &status, error.as_ref(), decoded.as_ref(), source.attempt_took());
    let clock = journal.iter().find_map(|entry| match entry.note {
        Note::Clock { ahead_s } => Some(ahead_s as f64),
        _ => None,
    });
    let mut verdicts = verdict::of(url, error.as_ref(), decoded.as_ref(), found.as_ref(), clock, &steps);
    verdict::held_back(&mut verdicts, source.vitals().held_back);
    Report { url: Redacted(url).to_string(), steps, verdicts, health: found, about: status.about, journal }
}

/// The steps of a source's newest attempt, and what they come to, without a further one: for a
/// source that is served. Its journal is left out, since whoever may see the pictures may ask.
#[must_use]
pub fn of_source(source: &Supervisor) -> Report {
    let status = source.status().borrow().clone();
    // What the last attempt ended with says nothing of one that is under way.
    let error = status
        .error
        .clone()
        .filter(|_| matches!(status.state, State::Idle | State::Waiting(_) | State::Ended | State::Unfed));
    let steps = steps::of(source.url(), true, &source.journal(), &status, error.as_ref(), None, source.attempt_took());
    let mut verdicts: Vec<_> = error.as_ref().map(|error| verdict::of_error(error, source.url())).into_iter().collect();
    verdict::held_back(&mut verdicts, source.vitals().held_back);
    let url = media::without_users(source.url());
    Report { url, steps, verdicts, health: None, about: status.about, journal: Vec::new() }
}

/// Reads a file to its end ahead of who watches it, until the stop is set: how it is cut off, if it
/// is, which may be told hours before it is seen.
fn look_through(url: &str, options: Options) -> (impl Future<Output = Option<String>>, Stop) {
    let (stop, url) = (Stop::default(), url.to_owned());
    let (stopped, asked) = (stop.clone(), stop.clone());
    let look = move |_| {
        if !Recording::is_one(&url) {
            return None;
        }
        Recording::open(&url, &options, move || asked.is_set()).ok()?.look_for_cut(&stopped)
    };
    let looking = tokio::spawn(on_thread("doctor", look));
    (async move { looking.await.ok().flatten().flatten() }, stop)
}

/// Lets the decoder make a small picture of what comes. MJPEG is decoded, too.
async fn picture(source: &Supervisor) -> Result<Duration, Error> {
    let began = Instant::now();
    let small = Variant { size: SizeWish::Width(64), quality: Some(50), ..Variant::default() };
    let mut pictures = source.variants().keyframes(small);
    match timeout(DECODE, pictures.newest()).await {
        Ok(Ok(_)) => Ok(began.elapsed()),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::Broken { what: format!("no picture could be decoded within {DECODE:?}") }),
    }
}
