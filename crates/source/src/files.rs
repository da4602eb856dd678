//! A source's recording in files, which goes on for as long as the source is there.

use std::sync::{Mutex, PoisonError};

use feed::Feed;
use record::{Event, Recorder};

/// The recording in files of one source, if there is one. It is a reader: the source stays open.
pub(crate) struct Files(Mutex<Option<Recorder>>);

impl Files {
    /// Records `feed` of the source called `name`, as `options` say. Needs a tokio runtime.
    pub(crate) fn start(name: &str, feed: &Feed, options: Option<record::Options>) -> std::io::Result<Self> {
        Ok(Self(Mutex::new(begin(name, feed, options)?)))
    }

    pub(crate) fn status(&self) -> Option<record::Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Recorder::status)
    }

    /// Records from now on as `options` say; what was recorded before is completed meanwhile. Needs a
    /// tokio runtime.
    ///
    /// # Errors
    /// When the system refuses a thread; then nothing is recorded.
    pub(crate) fn exchange(&self, name: &str, feed: &Feed, options: Option<record::Options>) -> std::io::Result<()> {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let begun = begin(name, feed, options);
        if let Some(before) = before {
            // Its disk may be slow, and nobody is to wait for that.
            tokio::spawn(before.finish());
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = begun?;
        Ok(())
    }

    /// Ends it; the last file is completed.
    pub(crate) fn close(&self) {
        let recorder = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(recorder);
    }
}

fn begin(name: &str, feed: &Feed, options: Option<record::Options>) -> std::io::Result<Option<Recorder>> {
    let Some(options) = options else { return Ok(None) };
    let span = tracing::info_span!(parent: None, "files", of = name);
    let tell = move |event| span.in_scope(|| tell(&event));
    Recorder::start(feed, options, tell).map(Some)
}

fn tell(event: &Event) {
    match event {
        Event::Bare(files) => tracing::info!(files, "files that had been broken off before a picture are removed"),
        Event::Mended(files) => tracing::info!(files, "files that had been broken off are complete now"),
        Event::Opened(path) => tracing::debug!(path = %path.display(), "file begun"),
        Event::Closed(path, bytes) => tracing::info!(path = %path.display(), bytes, "file complete"),
        Event::LeftOut(what) => tracing::warn!("{what}"),
        Event::Removed(files) => tracing::info!(files, "old files removed"),
        Event::Failed(error) => tracing::error!(error = error.told(), "not recorded"),
        Event::Resumed(dropped) => tracing::info!(dropped, "recording goes on"),
        _ => {}
    }
}
