//! Waiting in slices, between which Python's signals are looked at.

use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// The longest time for which Ctrl-C is not seen.
const SLICE: Duration = Duration::from_millis(50);

/// Calls `poll` with the time it may take until it gives something or `timeout` is over; without
/// one, for ever. Other Python threads run meanwhile. At least one call is made.
pub(crate) fn sliced<T: Send>(
    py: Python<'_>,
    timeout: Option<Duration>,
    mut poll: impl FnMut(Duration) -> Option<T> + Send,
) -> PyResult<Option<T>> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let slice = left.unwrap_or(SLICE).min(SLICE);
        let result = py.detach(|| poll(slice));
        py.check_signals()?;
        if result.is_some() || left.is_some_and(|left| left <= slice) {
            return Ok(result);
        }
    }
}

/// Seconds from Python; `None` is for ever.
pub(crate) fn seconds(value: Option<f64>, what: &str) -> PyResult<Option<Duration>> {
    let Some(value) = value else { return Ok(None) };
    let complaint = || format!("{what}: {value} s; expected a number of seconds, or None to wait for ever");
    match Duration::try_from_secs_f64(value) {
        Ok(duration) => Ok(Some(duration)),
        Err(_) if value > 0.0 => Ok(None),
        Err(_) => Err(pyo3::exceptions::PyValueError::new_err(complaint())),
    }
}
