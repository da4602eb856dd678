//! Errors as a capture has them, and back.

use std::io::{self, ErrorKind};
use std::time::Duration;

use formats::capture::{Failure, Secrets};

use crate::{Error, Phase};

/// Kinds of errors of the system that have no number.
const KINDS: &[ErrorKind] = &[
    ErrorKind::UnexpectedEof,
    ErrorKind::TimedOut,
    ErrorKind::InvalidData,
    ErrorKind::BrokenPipe,
    ErrorKind::ConnectionReset,
    ErrorKind::ConnectionAborted,
];
const PHASES: &[Phase] =
    &[Phase::Turn, Phase::Resolve, Phase::Connect, Phase::Tls, Phase::Handshake, Phase::FirstFrame, Phase::Streaming];

pub(super) fn of(error: &Error, secrets: &Secrets) -> Failure {
    let (kind, number, what, hint) = match error {
        Error::BadUrl { what, hint } => ("bad-url", 0, what.clone(), hint.clone()),
        Error::NotFound { status, what } => ("not-found", i64::from(*status), what.clone(), String::new()),
        Error::Unauthorized { status, what } => ("unauthorized", i64::from(*status), what.clone(), String::new()),
        Error::Unreachable { what } => ("unreachable", 0, what.clone(), String::new()),
        Error::Refused { what } => ("refused", 0, what.clone(), String::new()),
        Error::Tls { what, hint } => ("tls", 0, what.clone(), hint.clone()),
        Error::Timeout { phase, after, tried } => {
            let after = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
            ("timeout", after, phase.to_string(), tried.clone().unwrap_or_default())
        }
        Error::Server { status, what } => ("server", i64::from(*status), what.clone(), String::new()),
        Error::NotVideo { what, page } => ("not-video", i64::from(*page), what.clone(), String::new()),
        Error::Unsupported { what } => ("unsupported", 0, what.clone(), String::new()),
        Error::Ended { what } => ("ended", 0, what.clone().unwrap_or_default(), String::new()),
        error => ("broken", 0, error.what(), String::new()),
    };
    Failure { kind: kind.into(), number, what: secrets.out_of(&what), hint: secrets.out_of(&hint) }
}

/// The error that `failure` tells of; nothing for the end of an attempt that nobody wanted any more.
pub(super) fn error(failure: &Failure) -> Option<Error> {
    let Failure { kind, number, what, hint } = failure.clone();
    let status = u16::try_from(number).unwrap_or_default();
    Some(match kind.as_str() {
        "" => return None,
        "bad-url" => Error::BadUrl { what, hint },
        "not-found" => Error::NotFound { status, what },
        "unauthorized" => Error::Unauthorized { status, what },
        "unreachable" => Error::Unreachable { what },
        "refused" => Error::Refused { what },
        "tls" => Error::Tls { what, hint },
        "timeout" => Error::Timeout {
            phase: PHASES.iter().copied().find(|phase| phase.to_string() == what).unwrap_or(Phase::Connect),
            after: Duration::from_micros(number.unsigned_abs()),
            tried: Some(hint).filter(|tried| !tried.is_empty()),
        },
        "server" => Error::Server { status, what },
        "not-video" => Error::NotVideo { what, page: number != 0 },
        "unsupported" => Error::Unsupported { what },
        "ended" => Error::Ended { what: Some(what).filter(|what| !what.is_empty()) },
        _ => Error::Broken { what },
    })
}

/// The same where there has to be one.
pub(super) fn expected(failure: &Failure) -> Error {
    error(failure).unwrap_or_else(|| Error::Broken { what: "the capture tells of no failure here".into() })
}

pub(super) fn of_io(error: &io::Error, secrets: &Secrets) -> Failure {
    Failure {
        kind: "io".into(),
        number: error.raw_os_error().map_or(0, i64::from),
        what: secrets.out_of(&error.to_string()),
        hint: format!("{:?}", error.kind()),
    }
}

pub(super) fn io_error(failure: &Failure) -> io::Error {
    match i32::try_from(failure.number) {
        Ok(number @ 1..) => io::Error::from_raw_os_error(number),
        _ => {
            let kind = KINDS.iter().copied().find(|kind| format!("{kind:?}") == failure.hint);
            io::Error::new(kind.unwrap_or(ErrorKind::Other), failure.what.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_back_as_they_were() {
        let what = || "rtsp://cam/x answered 404".to_owned();
        let none = Secrets::default();
        for case in [
            Error::BadUrl { what: what(), hint: "expected".into() },
            Error::NotFound { status: 404, what: what() },
            Error::Unauthorized { status: 0, what: what() },
            Error::Unreachable { what: what() },
            Error::Refused { what: what() },
            Error::Tls { what: what(), hint: "pin it".into() },
            Error::Timeout { phase: Phase::FirstFrame, after: Duration::from_millis(1500), tried: None },
            Error::Timeout { phase: Phase::Tls, after: Duration::ZERO, tried: Some("it".into()) },
            Error::Server { status: 503, what: what() },
            Error::NotVideo { what: what(), page: true },
            Error::Unsupported { what: what() },
            Error::Broken { what: what() },
            Error::Ended { what: Some(what()) },
            Error::Ended { what: None },
        ] {
            assert_eq!(error(&of(&case, &none)), Some(case));
        }
        let reset = io::Error::from_raw_os_error(104);
        assert_eq!(io_error(&of_io(&reset, &none)).to_string(), reset.to_string());
        let odd = io::Error::new(ErrorKind::UnexpectedEof, "gone");
        assert_eq!(io_error(&of_io(&odd, &none)).kind(), odd.kind());
    }
}
