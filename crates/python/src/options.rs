//! Keyword arguments as options of a capture.

use std::time::Duration;

use capture::{Auto, Backoff, Corrupt, Crop, Every, Format, Options, Skip};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};
use source::Trust;

use crate::wait::seconds;

/// Formats by Python's name.
const FORMATS: [(&str, Format); 8] = [
    ("bgr24", Format::Bgr24),
    ("rgb24", Format::Rgb24),
    ("bgra", Format::Bgra),
    ("rgba", Format::Rgba),
    ("gray8", Format::Gray8),
    ("luma8", Format::Luma8),
    ("yuv420p", Format::Yuv420p),
    ("jpeg", Format::Jpeg),
];

/// The format of that name.
pub(crate) fn format(name: &str) -> PyResult<Format> {
    named("format", name, &FORMATS)
}

/// The name of `format`.
pub(crate) fn name(format: Format) -> &'static str {
    FORMATS.iter().find(|(_, of)| *of == format).map_or("", |(name, _)| name)
}

fn named<T: Copy>(option: &str, name: &str, table: &[(&str, T)]) -> PyResult<T> {
    table.iter().find(|(of, _)| *of == name).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = table.iter().map(|(name, _)| *name).collect();
        PyValueError::new_err(format!("{option}={name:?}: expected one of {}", names.join(", ")))
    })
}

/// True, false or "auto".
fn auto(option: &str, value: &Bound<'_, PyAny>) -> PyResult<Auto<bool>> {
    match value.cast::<PyString>().map(|text| text.to_string()) {
        Ok(text) if text == "auto" => Ok(Auto::Auto),
        Ok(text) => Err(PyValueError::new_err(format!("{option}={text:?}: expected True, False or \"auto\""))),
        Err(_) => Ok(Auto::Is(value.is_truthy()?)),
    }
}

/// What was `expected` in place of a value of another kind; any other error as it is.
fn kind(value: &Bound<'_, PyAny>, error: PyErr, expected: &'static str) -> PyErr {
    if error.is_instance_of::<PyTypeError>(value.py()) { PyTypeError::new_err(expected) } else { error }
}

/// One time-out for both, or one for opening and one for each gap.
fn timeouts(value: &Bound<'_, PyAny>) -> PyResult<(Option<Duration>, Option<Duration>)> {
    if let Ok((open, read)) = value.extract::<(Option<f64>, Option<f64>)>() {
        return Ok((seconds(open, "timeout")?, seconds(read, "timeout")?));
    }
    let expected = "timeout: expected seconds, None to wait for ever, or a pair of them for opening and reading";
    let one = value.extract().map_err(|error| kind(value, error, expected))?;
    let one = seconds(one, "timeout")?;
    Ok((one, one))
}

/// What a capture was given.
pub(crate) struct Given {
    pub(crate) options: Options,
    /// For the first frame.
    pub(crate) wait: Wait,
}

/// What becomes of the wait for the first frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    Here,
    /// There is none.
    No,
    /// Somebody else waits, by asking `opened`.
    Elsewhere,
}

/// True, False, or the word that `aopen` has for it.
fn wait(value: &Bound<'_, PyAny>) -> PyResult<Wait> {
    Ok(match value.cast::<PyString>().is_ok_and(|text| text == "elsewhere") {
        true => Wait::Elsewhere,
        false if value.is_truthy()? => Wait::Here,
        false => Wait::No,
    })
}

/// All of `given`.
pub(crate) fn parse(given: Option<&Bound<'_, PyDict>>) -> PyResult<Given> {
    let mut options = Options::new();
    let mut waits = Wait::Here;
    for (key, value) in given.into_iter().flatten() {
        let key: String = key.extract()?;
        take(&mut options, &mut waits, &key, &value).map_err(|error| of_option(&key, error, value.py()))?;
    }
    Ok(Given { options, wait: waits })
}

/// What Python's own conversions complain of, with the name of the option; a number that is out of
/// range is a wrong value like others.
fn of_option(key: &str, error: PyErr, py: Python<'_>) -> PyErr {
    let text = error.value(py).to_string();
    if error.is_instance_of::<PyOverflowError>(py) {
        return PyValueError::new_err(format!("{key}: {text}"));
    }
    match error.is_instance_of::<PyTypeError>(py) && !text.starts_with(key) {
        true => PyTypeError::new_err(format!("{key}: {text}")),
        false => error,
    }
}

/// One of `given`.
fn take(options: &mut Options, waits: &mut Wait, key: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let absent = value.is_none();
    match key {
        "wait" => *waits = wait(value)?,
        "timeout" => (options.open_timeout, options.read_timeout) = timeouts(value)?,
        "reconnect" if value.hasattr("attempts")? => *options = std::mem::take(options).backoff(backoff(value)?),
        "reconnect" => options.reconnect = auto(key, value)?,
        "stream" if absent => (),
        "stream" => options.source.video_track = value.extract()?,
        "latest" => options.latest = auto(key, value)?,
        "low_delay" => options.low_delay = auto(key, value)?,
        "buffer" => options.buffer = value.extract::<Option<usize>>()?.unwrap_or(0),
        "format" => options.format = format(&value.extract::<String>()?)?,
        "size" if absent => (),
        "size" => {
            let expected = "size: expected (width, height), one of them 0 to follow the other";
            let (width, height): (u32, u32) = value.extract().map_err(|error| kind(value, error, expected))?;
            options.size = media::Size::new(width, height);
        }
        "crop" if absent => (),
        "crop" => {
            let expected = "crop: expected (left, top, width, height)";
            let (left, top, width, height) = value.extract().map_err(|error| kind(value, error, expected))?;
            options.crop = Some(Crop { left, top, size: media::Size::new(width, height) });
        }
        "every" if absent => (),
        "every" => options.every = Some(every(value)?),
        "skip" => {
            let table = [("none", Skip::None), ("nonref", Skip::NonRef), ("nonkey", Skip::NonKey)];
            options.skip = named(key, &value.extract::<String>()?, &table)?;
        }
        "corrupt" => {
            let table = [("keep", Corrupt::Keep), ("drop", Corrupt::Drop)];
            options.corrupt = named(key, &value.extract::<String>()?, &table)?;
        }
        "transport" => {
            options.source.transport = named(key, &value.extract::<String>()?, &source::Transport::NAMED)?;
        }
        "headers" | "user_agent" | "tls_verify" | "proxy" | "poll" if absent => (),
        "headers" => {
            for (name, value) in value.cast::<PyDict>()? {
                let added = options.source.access.headers.add(&name.extract::<String>()?, &value.extract::<String>()?);
                added.map_err(|error| PyValueError::new_err(error.to_string()))?;
            }
        }
        "user_agent" => options.source.access.user_agent = Some(value.extract()?),
        "tls_verify" => options.source.access.trust = trust(value)?,
        "proxy" => {
            let text: String = value.extract()?;
            let proxy = text.parse().map_err(|error: source::Error| PyValueError::new_err(error.to_string()))?;
            options.source.access.proxy = proxy;
        }
        "poll" => options.source.poll = seconds(value.extract()?, key)?.unwrap_or_default(),
        "threads" => options.threads = value.extract()?,
        "allow_exec" => options.source.allow_exec = value.is_truthy()?,
        "redirects_inside" => options.source.access.redirects_inside = value.is_truthy()?,
        "rotate" => options.rotate = value.is_truthy()?,
        "real_time" => options.real_time = value.is_truthy()?,
        "options" if absent => (),
        "options" => {
            for (name, value) in value.cast::<PyDict>()? {
                options.source.libav.push((name.extract()?, value.str()?.to_string()));
            }
        }
        _ => return Err(PyTypeError::new_err(format!("{key}: there is no such option"))),
    }
    Ok(())
}

/// True for the system's authorities, False for anybody, the path of a PEM file, or
/// `sha256:` and the fingerprint of the server's own certificate.
fn trust(value: &Bound<'_, PyAny>) -> PyResult<Trust> {
    if value.is_instance_of::<PyBool>() {
        return Ok(if value.is_truthy()? { Trust::System } else { Trust::Anybody });
    }
    let path: std::path::PathBuf = value.extract()?;
    match path.to_str().and_then(|text| text.strip_prefix("sha256:")) {
        Some(digits) => {
            digits.parse().map(Trust::Pin).map_err(|error| PyValueError::new_err(format!("tls_verify: {error}")))
        }
        None => Ok(Trust::File(path)),
    }
}

/// A `headwater.Reconnect`.
fn backoff(value: &Bound<'_, PyAny>) -> PyResult<Backoff> {
    let time = |name: &str| {
        let time = seconds(Some(value.getattr(name)?.extract()?), name)?;
        Ok::<_, PyErr>(time.unwrap_or(Duration::MAX))
    };
    let number = |name: &str| value.getattr(name)?.extract::<f64>();
    let on: Vec<String> = value.getattr("on")?.extract()?;
    let after = |name: &str| on.iter().any(|on| on == name);
    Ok(Backoff {
        first: time("first")?,
        most: time("max")?,
        factor: number("factor")?,
        jitter: number("jitter")?,
        attempts: value.getattr("attempts")?.extract()?,
        on_end: after("eof"),
        on_stall: after("stall"),
        on_error: after("error"),
    })
}

/// A number of frames, or of frames a second.
fn every(value: &Bound<'_, PyAny>) -> PyResult<Every> {
    if value.is_instance_of::<PyBool>() {
        return Err(PyTypeError::new_err("every: expected every how many frames (int), or how many a second (float)"));
    }
    value.extract().map(Every::Nth).or_else(|_| value.extract().map(Every::Rate))
}
