//! `headwater view`: a capture in a window.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use capture::{Capture, Format};
use media::{Redacted, Variant};
use view::{Info, Options, Pictures, Shown, Waker};

use crate::args::View;
use crate::exit::Failure;

pub fn run(args: &View) -> anyhow::Result<()> {
    let url = Redacted(&args.url).to_string();
    if source::is_missing_file(&args.url) {
        let error = source::Error::NotFound { status: 0, what: format!("{url}: there is no such file") };
        return Err(Failure::Source { url, error }.into());
    }
    let waker: Arc<OnceLock<Waker>> = Arc::default();
    let wake = Arc::clone(&waker);
    let opening = args.opening.options()?;
    let options = capture::Options {
        open_timeout: Some(opening.open_timeout),
        read_timeout: Some(opening.gap_timeout),
        source: opening,
        ..capture::Options::default()
    };
    // A JPEG's own planes are what the window scales from.
    let options = options.real_time(true).reconnect(true).format(Format::Yuv420p);
    let wake = move || {
        if let Some(waker) = wake.get() {
            waker.wake();
        }
    };
    let capture = Capture::open_in_background(&args.url, options, wake).map_err(|error| match error.cause() {
        Some(cause) => anyhow::Error::from(Failure::Source { url: url.clone(), error: cause.clone() }),
        None => error.into(),
    })?;
    let name = crate::names::split(&args.url, &std::collections::BTreeSet::new()).0;
    let options =
        Options { name, fullscreen: args.fullscreen, overlay: args.info, snapshot_dir: args.snapshots.clone() };
    ::view::run(options, move |given| {
        end_on_signals(given.clone());
        let _ = waker.set(given);
        Box::new(Screen { capture, last: None, delay: None })
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
    /// The newest picture, for snapshots.
    last: Option<capture::Frame>,
    /// How old it was when it came.
    delay: Option<Duration>,
}

impl Pictures for Screen {
    fn newest(&mut self) -> Option<Shown> {
        let frame = self.capture.latest(None)?;
        let picture = frame.picture().ok()?.try_clone().ok()?;
        let shown = Shown { frame: picture, received: frame.received(), captured: frame.captured() };
        self.delay = shown.captured.and_then(|at| at.elapsed().ok());
        self.last = Some(frame);
        Some(shown)
    }

    fn status(&mut self) -> Info {
        self.capture.facts(self.delay, self.last.is_some())
    }

    fn snapshot_jpeg(&mut self) -> Option<Vec<u8>> {
        let frame = self.last.as_ref()?;
        frame.jpeg().cloned().or_else(|| frame.encode_jpeg(Variant::QUALITY).ok()).map(|data| data.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn the_delay_is_that_of_the_picture_and_does_not_grow_until_the_next() {
        let options = capture::Options::default().real_time(true);
        let capture = Capture::open_in_background("pattern:?size=160x64", options, || ()).unwrap();
        let mut screen = Screen { capture, last: None, delay: None };
        let shown = loop {
            match screen.newest() {
                Some(shown) => break shown,
                None => sleep(Duration::from_millis(1)),
            }
        };
        let at_most = shown.captured.expect("the pattern's time").elapsed().unwrap();
        sleep(Duration::from_millis(10));
        assert!(screen.status().delay.expect("a delay") <= at_most);
    }
}
