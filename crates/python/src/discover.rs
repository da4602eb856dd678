//! `headwater.discover`: the search, in slices between which Ctrl-C is looked for.

use std::time::Duration;

use capture::discover::{Discovery, Search};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::wait::{seconds, sliced};
use crate::words::in_python;

/// How it was found, URL, make and model, name, streams (what, URL), trouble.
type Found = (&'static str, String, String, String, Vec<(String, String)>, Option<String>);
/// Who could not be asked, and why.
type Silent = (String, String);

fn trouble(told: Option<String>) -> Option<String> {
    told.map(|text| in_python(&text).into_owned())
}

/// What was found, who could not be asked, and whether there is more.
#[pyfunction]
pub(crate) fn discover(
    py: Python<'_>,
    hosts: Vec<String>,
    timeout: f64,
    user: Option<String>,
    password: Option<String>,
    interface: Option<String>,
) -> PyResult<(Vec<Found>, Vec<Silent>, bool)> {
    let mut options = source::Options::default();
    options.access.user = user;
    options.access.password = password;
    let timeout = seconds(Some(timeout), "timeout")?.unwrap_or(Duration::MAX);
    // A day is for ever, and can be added to any time.
    let timeout = timeout.min(Duration::from_secs(86_400));
    let search = Search { timeout, hosts, interface, options };
    let begun = py.detach(|| Discovery::begin(search)).map_err(|error| PyOSError::new_err(error.to_string()))?;
    let outcome = sliced(py, None, move |slice| begun.wait(slice))?.unwrap_or_default();
    let found = outcome.found.into_iter();
    let found =
        found.map(|found| (found.how.name(), found.url, found.what, found.name, found.streams, trouble(found.trouble)));
    let silent = outcome.asked.into_iter().filter_map(|asked| Some((asked.what, asked.answers.err()?)));
    Ok((found.collect(), silent.collect(), outcome.cut))
}
