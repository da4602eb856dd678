//! A source's recording in files, which goes on for as long as the source is there.

use std::sync::{Mutex, PoisonError};

use feed::Feed;
use record::{Event, Recorder};

/// The recording in files of one source. It is a reader: the source stays open.
pub(crate) struct Files(Mutex<Option<Recorder>>);

impl Files {
    /// Records `feed` of the source called `name`. Needs a tokio runtime.
    pub(crate) fn start(name: &str, feed: &Feed, options: record::Options) -> std::io::Result<Self> {
        let span = tracing::info_span!(parent: None, "files", of = name);
        let tell = move |event| span.in_scope(|| tell(&event));
        Ok(Self(Mutex::new(Some(Recorder::start(feed, options, tell)?))))
    }

    pub(crate) fn status(&self) -> Option<record::Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Recorder::status)
    }

    /// Ends it; the last file is completed.
    pub(crate) fn close(&self) {
        let recorder = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(recorder);
    }
}

fn tell(event: &Event) {
    match event {
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
