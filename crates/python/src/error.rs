//! Errors of `capture` as exceptions of `headwater._errors`.

use capture::{Error, Kind, Phase};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::words::in_python;

/// The exception for `error`.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    build(py, error).unwrap_or_else(|other| other)
}

fn build(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let class = match error.kind() {
        Kind::BadUrl => "BadUrl",
        Kind::BadOption => "BadOption",
        Kind::NotFound => "NotFound",
        Kind::Unauthorized => "Unauthorized",
        Kind::Refused => "Refused",
        Kind::Unreachable => "Unreachable",
        Kind::Timeout => "Timeout",
        Kind::Server => "ServerError",
        Kind::NotVideo => "NotVideo",
        Kind::Unsupported => "Unsupported",
        Kind::Ended => "Ended",
        Kind::Closed => "CaptureClosed",
        _ => "Broken",
    };
    let facts = PyDict::new(py);
    facts.set_item("url", error.url())?;
    facts.set_item("phase", error.phase().map(phase))?;
    facts.set_item("elapsed", error.elapsed().as_secs_f64())?;
    facts.set_item("hint", error.hint().map(in_python))?;
    facts.set_item("status", error.status())?;
    let class = py.import("headwater._errors")?.getattr(class)?;
    Ok(PyErr::from_value(class.call((in_python(&error.to_string()),), Some(&facts))?))
}

/// An exception of `headwater._errors` by its name.
pub(crate) fn named(py: Python<'_>, class: &str, text: &str) -> PyErr {
    let build = || Ok(PyErr::from_value(py.import("headwater._errors")?.getattr(class)?.call1((text,))?));
    build().unwrap_or_else(|other: PyErr| other)
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Turn => "turn",
        Phase::Resolve => "resolve",
        Phase::Connect => "connect",
        Phase::Tls => "tls",
        Phase::Handshake => "handshake",
        Phase::FirstFrame => "first frame",
        Phase::Streaming => "streaming",
    }
}
