//! The capture: what opens, reads, seeks and closes.

use std::time::{Duration, Instant};

use capture::{Seek, State};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::error::{exception, named};
use crate::fork::Here;
use crate::frame::Frame;
use crate::info::{Info, Stats};
use crate::options::{self, Given, Wait as First};
use crate::pixels::check;
use crate::wait::{seconds, sliced};
use crate::waker::Waker;

/// An open source. `headwater.Capture` adds what is easier to say in Python.
#[pyclass(frozen, subclass, weakref, module = "headwater._headwater")]
pub(crate) struct Capture {
    capture: Here<capture::Capture>,
    waker: PyOnceLock<Py<Waker>>,
}

const FORKED: &str = "the capture is not open in this process, which was forked from the one that opened it; \
                      open it here, or have multiprocessing start processes by \"spawn\"";

/// A time-out that may be left to the capture, by Python's `...`.
enum Wait {
    Seconds(Option<f64>),
    Default,
}

impl FromPyObject<'_, '_> for Wait {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if value.is(value.py().Ellipsis()) {
            return Ok(Self::Default);
        }
        let expected = || PyTypeError::new_err("expected seconds, or None to wait for ever");
        value.extract().map(Self::Seconds).map_err(|_| expected())
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
            return Ok(Self::of(capture));
        }
        let began = Instant::now();
        let timeout = options.open_timeout;
        let capture = py.detach(|| capture::Capture::begin(url, options)).map_err(|error| exception(py, &error))?;
        if wait == First::Elsewhere {
            return Ok(Self::of(capture));
        }
        first(py, &capture, timeout, began)?;
        Ok(Self::of(capture))
    }

    /// Waits for the first frame of one that was opened with `wait="elsewhere"`, for which `timeout` seconds were given.
    #[pyo3(signature = (timeout=None))]
    fn wait_opened(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        first(py, self.here(py)?, seconds(timeout, "timeout")?, Instant::now())
    }

    /// Whether the first frame has come, for one that was opened with `wait="elsewhere"`. Never waits.
    fn opened(&self, py: Python<'_>) -> PyResult<bool> {
        let capture = self.here(py)?;
        match py.detach(|| capture.opened(Duration::ZERO)) {
            Some(opened) => opened.map(|()| true).map_err(|error| exception(py, &error)),
            None => Ok(false),
        }
    }

    /// The next frame, waiting up to `timeout` seconds (by default, what `open` was told). Its pixels are written
    /// into the array `out`, if one is given.
    #[pyo3(signature = (out=None, timeout=Wait::Default))]
    fn read(&self, py: Python<'_>, out: Option<Bound<'_, PyAny>>, timeout: Wait) -> PyResult<Frame> {
        let capture = self.here(py)?;
        let timeout = wait(capture, &timeout)?;
        if let Some(out) = &out {
            check(out)?;
        }
        let frame = within(py, capture, timeout, |slice| capture.poll(slice).transpose()).map(Frame::from)?;
        if let Some(out) = out {
            frame.fill(&out, frame.asked())?;
            frame.keep(py, out);
        }
        Ok(frame)
    }

    /// Whether the source is live and opened again when it is lost: then iterating waits for that, however long.
    #[getter]
    fn reopens(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.here(py)?.reopens())
    }

    /// The next frame if there is one; never waits.
    fn poll(&self, py: Python<'_>) -> PyResult<Option<Frame>> {
        let read = self.here(py)?.poll(Duration::ZERO).map_err(|error| exception(py, &error))?;
        Ok(read.map(Frame::from))
    }

    /// The newest frame, if it was not given yet and is no older than `max_age` seconds. Never waits.
    #[pyo3(signature = (max_age=None))]
    fn latest(&self, py: Python<'_>, max_age: Option<f64>) -> PyResult<Option<Frame>> {
        Ok(self.here(py)?.latest(seconds(max_age, "max_age")?).map(Frame::from))
    }

    /// What waiting in vain for `waited` seconds is to raise.
    fn timed_out(&self, py: Python<'_>, waited: f64) -> PyResult<Py<PyAny>> {
        let waited = Duration::try_from_secs_f64(waited).unwrap_or_default();
        Ok(exception(py, &self.here(py)?.reason(waited)).into_value(py).into_any())
    }

    fn seek_frame(&self, py: Python<'_>, index: u64) -> PyResult<()> {
        self.seek(py, Seek::Frame(index))
    }

    fn seek_time(&self, py: Python<'_>, time: f64) -> PyResult<()> {
        let to = match Duration::try_from_secs_f64(time) {
            Ok(to) => to,
            Err(_) if time > 0.0 => Duration::MAX,
            Err(_) => {
                let what = format!("seek: {time} s; expected seconds after the first frame");
                return Err(PyValueError::new_err(what));
            }
        };
        self.seek(py, Seek::Time(to))
    }

    /// How many frames a recording has, by looking at all of it once, which takes no longer than `timeout` seconds
    /// (by default, what `open` was told) at a time and then goes on by itself, for a later call.
    #[pyo3(signature = (timeout=Wait::Default))]
    fn count_frames(&self, py: Python<'_>, timeout: Wait) -> PyResult<u64> {
        let capture = self.here(py)?;
        within(py, capture, wait(capture, &timeout)?, |slice| capture.counted(slice))
    }

    /// Number of the frame that comes next, and time of the one read last in seconds.
    #[getter]
    fn position(&self, py: Python<'_>) -> PyResult<(u64, f64)> {
        let position = self.here(py)?.position();
        Ok((position.frame, position.time.as_secs_f64()))
    }

    /// Closes the source; ends every call that waits for it, on whatever thread. May be called twice.
    fn close(&self, py: Python<'_>) {
        if let Some(capture) = self.capture.get() {
            py.detach(|| capture.close());
        }
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.capture.get().is_none_or(capture::Capture::is_closed)
    }

    /// What the source is.
    #[getter]
    fn info(&self, py: Python<'_>) -> PyResult<Info> {
        self.here(py).map(Info::of)
    }

    /// What it has brought.
    #[getter]
    fn stats(&self, py: Python<'_>) -> PyResult<Stats> {
        self.here(py).map(Stats::of)
    }

    /// `connecting`, `open`, `stalled`, `reconnecting`, `ended` or `closed`.
    #[getter]
    fn state(&self) -> &'static str {
        match self.capture.get().map(capture::Capture::state) {
            Some(State::Connecting) => "connecting",
            Some(State::Open) => "open",
            Some(State::Stalled) => "stalled",
            Some(State::Reconnecting) => "reconnecting",
            Some(State::Ended) => "ended",
            Some(State::Closed) | None => "closed",
        }
    }

    /// The URL, its password masked.
    #[getter]
    fn url(&self) -> String {
        self.capture.anywhere().url()
    }

    /// Longest wait of `read` in seconds; None is for ever. May be set.
    #[getter]
    fn timeout(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        Ok(self.here(py)?.timeout().map(|timeout| timeout.as_secs_f64()))
    }

    #[setter]
    fn set_timeout(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        self.here(py)?.set_timeout(seconds(timeout, "timeout")?);
        Ok(())
    }

    /// Whether `read` would return at once.
    #[getter]
    fn ready(&self) -> bool {
        self.capture.get().is_none_or(capture::Capture::is_ready)
    }

    /// A file descriptor that becomes readable when something happens.
    fn waker(&self, py: Python<'_>) -> PyResult<Py<Waker>> {
        let capture = self.here(py)?;
        let waker = self.waker.get_or_try_init(py, || Py::new(py, Waker::of(capture)?))?;
        Ok(waker.clone_ref(py))
    }

    /// Another one, for whoever does not share it.
    fn new_waker(&self, py: Python<'_>) -> PyResult<Waker> {
        Ok(Waker::of(self.here(py)?)?)
    }

    fn __repr__(&self) -> String {
        format!("<headwater.Capture {} {}>", self.url(), self.state())
    }
}

impl Capture {
    fn of(capture: capture::Capture) -> Self {
        Self { capture: Here::new(capture), waker: PyOnceLock::new() }
    }

    /// The capture, in the process that opened it.
    pub(crate) fn here(&self, py: Python<'_>) -> PyResult<&capture::Capture> {
        self.capture.get().ok_or_else(|| named(py, "CaptureClosed", &format!("{}: {FORKED}", self.url())))
    }

    /// The capture, in whatever process: for who has asked before whether it is here.
    pub(crate) fn anywhere(&self) -> &capture::Capture {
        self.capture.anywhere()
    }

    fn seek(&self, py: Python<'_>, to: Seek) -> PyResult<()> {
        let capture = self.here(py)?;
        let begun = py.detach(|| capture.begin_seek(to)).map_err(|error| exception(py, &error))?;
        within(py, capture, capture.timeout(), |slice| capture.sought(begun, slice))
    }
}

/// Waits for the first frame, which `timeout` was given for at `began`.
fn first(py: Python<'_>, capture: &capture::Capture, timeout: Option<Duration>, began: Instant) -> PyResult<()> {
    // The capture's own deadline comes first and knows more.
    let late = timeout.map(|timeout| timeout + Duration::from_secs(1));
    match sliced(py, late, |slice| capture.opened(slice))? {
        Some(opened) => opened.map_err(|error| exception(py, &error)),
        None => Err(exception(py, &capture.reason(began.elapsed()))),
    }
}

fn wait(capture: &capture::Capture, timeout: &Wait) -> PyResult<Option<Duration>> {
    match timeout {
        Wait::Default => Ok(capture.timeout()),
        Wait::Seconds(value) => seconds(*value, "timeout"),
    }
}

/// What `poll` gives within `timeout`, or why it was waited for in vain.
fn within<T: Send>(
    py: Python<'_>,
    capture: &capture::Capture,
    timeout: Option<Duration>,
    poll: impl FnMut(Duration) -> Option<Result<T, capture::Error>> + Send,
) -> PyResult<T> {
    let began = Instant::now();
    match sliced(py, timeout, poll)? {
        Some(result) => result.map_err(|error| exception(py, &error)),
        None => Err(exception(py, &capture.reason(began.elapsed()))),
    }
}

/// Waits until one of `captures` need not be waited for; the places of those.
#[pyfunction]
#[pyo3(signature = (captures, timeout=None))]
pub(crate) fn ready(py: Python<'_>, captures: Vec<Bound<'_, Capture>>, timeout: Option<f64>) -> PyResult<Vec<usize>> {
    let timeout = seconds(timeout, "timeout")?;
    // Those of a process that this one was forked from are over.
    let over: Vec<_> = (0..captures.len()).filter(|place| captures[*place].get().capture.get().is_none()).collect();
    if !over.is_empty() {
        return Ok(over);
    }
    let captures: Vec<_> = captures.iter().filter_map(|capture| capture.get().capture.get()).collect();
    let places = sliced(py, timeout, |slice| {
        Some(capture::wait_any(&captures, Some(slice))).filter(|places| !places.is_empty())
    })?;
    Ok(places.unwrap_or_default())
}
