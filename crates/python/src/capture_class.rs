//! The capture: what opens, reads, seeks and closes.

use std::time::{Duration, Instant};

use capture::{Seek, State};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::error::exception;
use crate::frame::Frame;
use crate::info::{Info, Stats};
use crate::options::{self, Given, Wait as First};
use crate::wait::{seconds, sliced};
use crate::waker::Waker;

/// An open source. `headwater.Capture` adds what is easier to say in Python.
#[pyclass(frozen, subclass, weakref, module = "headwater._headwater")]
pub(crate) struct Capture {
    pub(crate) capture: capture::Capture,
    waker: PyOnceLock<Py<Waker>>,
}

/// A time-out that may be left to the capture.
#[derive(FromPyObject)]
enum Wait {
    Seconds(Option<f64>),
    Default(Ellipsis),
}

/// Python's `...`.
struct Ellipsis;

impl FromPyObject<'_, '_> for Ellipsis {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if value.is(value.py().Ellipsis()) { Ok(Self) } else { Err(PyTypeError::new_err("expected seconds or None")) }
    }
}

#[pymethods]
impl Capture {
    #[new]
    #[pyo3(signature = (url, /, **options))]
    fn new(py: Python<'_>, url: &str, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let Given { options, wait } = options::parse(options)?;
        if wait == First::No {
            let begun = py.detach(|| capture::Capture::open_in_background(url, options, || ()));
            let capture = begun.map_err(|error| exception(py, &error))?;
            return Ok(Self { capture, waker: PyOnceLock::new() });
        }
        let began = Instant::now();
        let timeout = options.open_timeout;
        let capture = py.detach(|| capture::Capture::begin(url, options)).map_err(|error| exception(py, &error))?;
        if wait == First::Elsewhere {
            return Ok(Self { capture, waker: PyOnceLock::new() });
        }
        // The capture's own deadline comes first and knows more.
        let late = timeout.map(|timeout| timeout + Duration::from_secs(1));
        match sliced(py, late, |slice| capture.opened(slice))? {
            Some(Ok(())) => Ok(Self { capture, waker: PyOnceLock::new() }),
            Some(Err(error)) => Err(exception(py, &error)),
            None => Err(exception(py, &capture.reason(began.elapsed()))),
        }
    }

    /// Whether the first frame has come, for one that was opened with `wait="elsewhere"`. Never waits.
    fn opened(&self, py: Python<'_>) -> PyResult<bool> {
        match py.detach(|| self.capture.opened(Duration::ZERO)) {
            Some(opened) => opened.map(|()| true).map_err(|error| exception(py, &error)),
            None => Ok(false),
        }
    }

    /// The next frame, waiting up to `timeout` seconds (by default, what `open` was told). Its pixels are written
    /// into the array `out`, if one is given.
    #[pyo3(signature = (out=None, timeout=Wait::Default(Ellipsis)))]
    fn read(&self, py: Python<'_>, out: Option<Bound<'_, PyAny>>, timeout: Wait) -> PyResult<Frame> {
        let timeout = self.wait(&timeout)?;
        let began = Instant::now();
        match sliced(py, timeout, |slice| self.capture.poll(slice).transpose())? {
            Some(read) => {
                let frame = read.map(Frame::from).map_err(|error| exception(py, &error))?;
                if let Some(out) = out {
                    frame.fill(&out, frame.asked())?;
                }
                Ok(frame)
            }
            None => Err(exception(py, &self.capture.reason(began.elapsed()))),
        }
    }

    /// The next frame if there is one; never waits.
    fn poll(&self, py: Python<'_>) -> PyResult<Option<Frame>> {
        let read = self.capture.poll(Duration::ZERO).map_err(|error| exception(py, &error))?;
        Ok(read.map(Frame::from))
    }

    /// The newest frame, if it was not given yet and is no older than `max_age` seconds. Never waits.
    #[pyo3(signature = (max_age=None))]
    fn latest(&self, max_age: Option<f64>) -> PyResult<Option<Frame>> {
        Ok(self.capture.latest(seconds(max_age, "max_age")?).map(Frame::from))
    }

    /// What waiting in vain for `waited` seconds is to raise.
    fn timed_out(&self, py: Python<'_>, waited: f64) -> Py<PyAny> {
        let waited = Duration::try_from_secs_f64(waited).unwrap_or_default();
        exception(py, &self.capture.reason(waited)).into_value(py).into_any()
    }

    fn seek_frame(&self, py: Python<'_>, index: u64) -> PyResult<()> {
        self.seek(py, Seek::Frame(index))
    }

    fn seek_time(&self, py: Python<'_>, time: f64) -> PyResult<()> {
        self.seek(py, Seek::Time(seconds(Some(time), "seek")?.unwrap_or(Duration::MAX)))
    }

    /// How many frames a recording has, by looking at all of it once.
    fn count_frames(&self, py: Python<'_>) -> PyResult<u64> {
        py.detach(|| self.capture.count_frames()).map_err(|error| exception(py, &error))
    }

    /// Number of the frame that comes next, and time of the one read last in seconds.
    #[getter]
    fn position(&self) -> (u64, f64) {
        let position = self.capture.position();
        (position.frame, position.time.as_secs_f64())
    }

    /// Closes the source; ends every call that waits for it, on whatever thread. May be called twice.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.capture.close());
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.capture.is_closed()
    }

    /// What the source is.
    #[getter]
    fn info(&self) -> Info {
        Info::of(&self.capture)
    }

    /// What it has brought.
    #[getter]
    fn stats(&self) -> Stats {
        Stats::of(&self.capture)
    }

    /// `connecting`, `open`, `stalled`, `reconnecting`, `ended` or `closed`.
    #[getter]
    fn state(&self) -> &'static str {
        match self.capture.state() {
            State::Connecting => "connecting",
            State::Open => "open",
            State::Stalled => "stalled",
            State::Reconnecting => "reconnecting",
            State::Ended => "ended",
            State::Closed => "closed",
        }
    }

    /// The URL, its password masked.
    #[getter]
    fn url(&self) -> String {
        self.capture.url()
    }

    /// Longest wait of `read` in seconds; None is for ever. May be set.
    #[getter]
    fn timeout(&self) -> Option<f64> {
        self.capture.timeout().map(|timeout| timeout.as_secs_f64())
    }

    #[setter]
    fn set_timeout(&self, timeout: Option<f64>) -> PyResult<()> {
        self.capture.set_timeout(seconds(timeout, "timeout")?);
        Ok(())
    }

    /// Whether `read` would return at once.
    #[getter]
    fn ready(&self) -> bool {
        self.capture.is_ready()
    }

    /// A file descriptor that becomes readable when something happens.
    fn waker(&self, py: Python<'_>) -> PyResult<Py<Waker>> {
        let waker = self.waker.get_or_try_init(py, || Py::new(py, Waker::of(&self.capture)?))?;
        Ok(waker.clone_ref(py))
    }

    /// Another one, for whoever does not share it.
    fn new_waker(&self) -> PyResult<Waker> {
        Ok(Waker::of(&self.capture)?)
    }

    fn __repr__(&self) -> String {
        format!("<headwater.Capture {} {}>", self.url(), self.state())
    }
}

impl Capture {
    fn wait(&self, timeout: &Wait) -> PyResult<Option<Duration>> {
        match timeout {
            Wait::Default(_) => Ok(self.capture.timeout()),
            Wait::Seconds(value) => seconds(*value, "timeout"),
        }
    }

    fn seek(&self, py: Python<'_>, to: Seek) -> PyResult<()> {
        py.detach(|| self.capture.seek(to)).map_err(|error| exception(py, &error))
    }
}

/// Waits until one of `captures` need not be waited for; the places of those.
#[pyfunction]
#[pyo3(signature = (captures, timeout=None))]
pub(crate) fn ready(py: Python<'_>, captures: Vec<Bound<'_, Capture>>, timeout: Option<f64>) -> PyResult<Vec<usize>> {
    let timeout = seconds(timeout, "timeout")?;
    let captures: Vec<_> = captures.iter().map(|capture| &capture.get().capture).collect();
    let places = sliced(py, timeout, |slice| {
        Some(capture::wait_any(&captures, Some(slice))).filter(|places| !places.is_empty())
    })?;
    Ok(places.unwrap_or_default())
}
