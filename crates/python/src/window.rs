//! `headwater.show`: a capture in a window.
//!
//! The window has the thread of whoever calls, as window systems want it, without the GIL. A
//! thread beside it takes frames from the capture when they are due and wakes it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use capture::Format;
use pyo3::prelude::*;
use view::{Info, Options, Pictures, Shown, Waker};

use crate::capture_class::Capture;
use crate::error::named;
use crate::wait::seconds;

/// The longest time for which Ctrl-C, a close or the end of the time is not seen.
const LOOK: Duration = Duration::from_millis(100);
/// Of snapshots of sources that send no JPEG.
const QUALITY: u8 = 90;

/// Shows `capture` until the window is closed, or `seconds` are over.
#[pyfunction]
#[pyo3(signature = (capture, name, fullscreen, facts, snapshots, seconds=None))]
pub(crate) fn show(
    py: Python<'_>,
    capture: Py<Capture>,
    name: String,
    fullscreen: bool,
    facts: bool,
    snapshots: PathBuf,
    seconds: Option<f64>,
) -> PyResult<()> {
    capture.get().here(py)?;
    let until = self::seconds(seconds, "seconds")?.and_then(|time| Instant::now().checked_add(time));
    let options = Options { name, fullscreen, overlay: facts, snapshot_dir: snapshots };
    let shared = Arc::new(Shared { capture, slot: Mutex::default(), over: AtomicBool::new(false) });
    let raised = Arc::new(Mutex::new(None));
    let ran = py.detach(|| {
        let mut pump = None;
        let ran = view::run(options, |waker| {
            let (of, given) = (Arc::clone(&shared), waker.clone());
            pump = Some(thread::Builder::new().name("window".into()).spawn(move || of.pump(&given, until)));
            let raised = Arc::clone(&raised);
            Box::new(Screen { shared: Arc::clone(&shared), waker, raised, last: None, delay: None })
        });
        shared.over.store(true, Ordering::Release);
        // It ends within LOOK. One that could not be started has left an empty window behind.
        match pump.map(|started| started.map(thread::JoinHandle::join)) {
            Some(Err(error)) => Err(format!("no thread for the window: {error}")),
            _ => ran.map(|_| ()).map_err(|error| error.to_string()),
        }
    });
    // What a signal raised, KeyboardInterrupt most likely.
    let raised = raised.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (raised, ran) {
        (Some(error), _) => Err(error),
        (None, Ok(())) => Ok(()),
        (None, Err(what)) => Err(named(py, "Unsupported", &what)),
    }
}

struct Shared {
    capture: Py<Capture>,
    /// The frame to show next.
    slot: Mutex<Option<capture::Frame>>,
    /// The window is closed.
    over: AtomicBool,
}

impl Shared {
    fn capture(&self) -> &capture::Capture {
        self.capture.get().anywhere()
    }

    fn slot(&self) -> MutexGuard<'_, Option<capture::Frame>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes frames as they come, those of a recording when they are due.
    fn pump(&self, waker: &Waker, until: Option<Instant>) {
        let capture = self.capture();
        let mut began = None;
        while !self.over.load(Ordering::Acquire) {
            if until.is_some_and(|until| until <= Instant::now()) || capture.is_closed() {
                waker.quit();
            }
            match capture.poll(LOOK) {
                Ok(Some(frame)) => {
                    if capture.info().seekable {
                        let (start, first) = *began.get_or_insert((Instant::now(), frame.pts()));
                        // A seek by another thread goes anywhere.
                        let due = frame.pts().checked_sub(first).and_then(|after| start.checked_add(after));
                        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
                        match left.filter(|left| *left < Duration::from_secs(5)) {
                            Some(left) => self.sleep(left, until),
                            None => began = Some((Instant::now(), frame.pts())),
                        }
                    }
                    *self.slot() = Some(frame);
                }
                Ok(None) => {}
                Err(_) => thread::sleep(LOOK),
            }
            waker.wake();
        }
    }

    fn sleep(&self, left: Duration, until: Option<Instant>) {
        let end = Instant::now() + left;
        let end = until.map_or(end, |until| end.min(until));
        while !self.over.load(Ordering::Acquire) && Instant::now() < end {
            thread::sleep(end.saturating_duration_since(Instant::now()).min(LOOK));
        }
    }
}

/// What the window asks.
struct Screen {
    shared: Arc<Shared>,
    waker: Waker,
    raised: Arc<Mutex<Option<PyErr>>>,
    /// The newest frame, for snapshots.
    last: Option<capture::Frame>,
    /// How old it was when it came.
    delay: Option<Duration>,
}

impl Pictures for Screen {
    fn newest(&mut self) -> Option<Shown> {
        // Nobody else can look for Ctrl-C: this is the thread that called.
        if let Err(error) = Python::attach(|py| py.check_signals()) {
            self.raised.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            self.waker.quit();
        }
        let frame = self.shared.slot().take()?;
        let picture = match frame.is_whole() {
            true => frame.picture().ok()?.try_clone().ok()?,
            false => frame.converted(Format::Yuv420p).ok()?,
        };
        let shown = Shown { frame: picture, received: frame.received(), captured: frame.captured() };
        self.delay = shown.captured.and_then(|at| at.elapsed().ok());
        self.last = Some(frame);
        Some(shown)
    }

    fn status(&mut self) -> Info {
        self.shared.capture().facts(self.delay, self.last.is_some())
    }

    fn snapshot_jpeg(&mut self) -> Option<Vec<u8>> {
        let frame = self.last.as_ref()?;
        let own = frame.jpeg().filter(|_| frame.is_whole()).cloned();
        own.or_else(|| frame.encode_jpeg(QUALITY).ok()).map(|data| data.to_vec())
    }
}
