//! `headwater view`: a capture in a window.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use bytes::Bytes;
use capture::Capture;
use ffmpeg::{Frame, Scaler, jpeg};
use media::{Redacted, Variant};
use source::State;
use view::{Info, Options, Pictures, Shown, Waker};

use crate::args::View;
use crate::exit::Failure;

pub fn run(args: &View) -> anyhow::Result<()> {
    let url = Redacted(&args.url).to_string();
    if crate::serve::is_missing_file(&args.url) {
        let error = source::Error::NotFound { what: format!("{url}: there is no such file") };
        return Err(Failure::Source { url, error }.into());
    }
    let waker: Arc<OnceLock<Waker>> = Arc::default();
    let wake = Arc::clone(&waker);
    let options = source::Options { always_on: true, ..args.opening.options() };
    let wake = move || {
        if let Some(waker) = wake.get() {
            waker.wake();
        }
    };
    let capture =
        Capture::open_with(&args.url, options, wake).map_err(|error| Failure::Source { url: url.clone(), error })?;
    let name = crate::names::split(&args.url, &std::collections::BTreeSet::new()).0;
    let options =
        Options { name, fullscreen: args.fullscreen, overlay: args.info, snapshot_dir: args.snapshots.clone() };
    ::view::run(options, move |given| {
        end_on_signals(given.clone());
        let _ = waker.set(given);
        Box::new(Screen { capture, url, last: None })
    })?;
    Ok(())
}

/// Ctrl-C and SIGTERM close the window as `q` does.
fn end_on_signals(waker: Waker) {
    let run = move || -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            crate::signals::ended().await?;
            waker.quit();
            Ok(())
        })
    };
    let watch = move || {
        if let Err(error) = run() {
            tracing::debug!(%error, "signals end the program without closing the window");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("signals".into()).spawn(watch) {
        tracing::debug!(%error, "no thread for signals");
    }
}

struct Screen {
    capture: Capture,
    url: String,
    /// The newest picture, for snapshots.
    last: Option<(Frame, Option<Bytes>, Option<SystemTime>)>,
}

impl Pictures for Screen {
    fn newest(&mut self) -> Option<Shown> {
        let shot = self.capture.newest()?;
        let decoded = shot.decoded;
        self.last = decoded.frame.try_clone().ok().map(|frame| (frame, shot.jpeg, decoded.captured));
        Some(Shown { frame: decoded.frame, received: decoded.received, captured: decoded.captured })
    }

    fn status(&mut self) -> Info {
        let (status, counters) = (self.capture.status(), self.capture.counters());
        let track = status.tracks.video();
        let captured = self.last.as_ref().and_then(|(.., captured)| *captured);
        Info {
            title: status.about.title.clone(),
            state: match status.state {
                State::Live => ::view::State::Live,
                State::Ended => ::view::State::Ended,
                _ if status.error.is_none() && self.last.is_none() => ::view::State::Connecting,
                _ => ::view::State::NoSignal { since: status.since },
            },
            source: self.url.clone(),
            codec: track.map_or_else(String::new, |track| track.codec.name().into()),
            size: track.and_then(|track| track.video()).map(|video| video.size).unwrap_or_default(),
            fps: counters.fps,
            delay: captured.and_then(|at| at.elapsed().ok()),
            dropped: self.capture.dropped_ever(),
            error: status.error.as_ref().map(ToString::to_string),
        }
    }

    fn snapshot_jpeg(&mut self) -> Option<Vec<u8>> {
        let (frame, own, _) = self.last.as_ref()?;
        if let Some(own) = own {
            return Some(own.to_vec());
        }
        let planes = Scaler::new().to_jpeg_planes(frame, frame.size()).ok()?;
        jpeg::Encoder::new().encode(&planes, Variant::QUALITY).ok().map(|data| data.to_vec())
    }
}
