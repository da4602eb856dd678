//! What is to be opened, and what a source is made of before it is: its feed, its recordings, and
//! who brings its packets.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use feed::Feed;
use media::Redacted;
use tokio::sync::Notify;

use super::task::Task;
use super::{Inner, Supervisor, Work};
use crate::archive::Archive;
use crate::files::Files;
use crate::line::Recorder;
use crate::location::Location;
use crate::manners::Host;
use crate::progress::Progress;
use crate::push::{self, Push};
use crate::scheme::{Request, Scheme, scheme_of};
use crate::timeline::Timeline;
use crate::variants::Variants;
use crate::{Error, Options, Trust, line, makers, webcam};

/// What is to be opened, and how.
pub(super) struct Understood {
    scheme: &'static Scheme,
    /// What is opened, knocked at and examined.
    url: String,
    /// The host of a URL in whose password stands what usually ends one.
    guessed: Option<String>,
    /// It was given by its maker's name.
    by_maker: bool,
}

pub(super) fn understand(url: &str, options: &Options) -> Result<Understood, Error> {
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
    pub(super) fn start(name: &str, url: &str, options: Options) -> Result<Self, Error> {
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
}
