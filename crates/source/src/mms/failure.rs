//! What a failure of a session means to the user.

use crate::{Error, Phase};

/// The codes that say that there is no such thing ([MS-ERREF] 2.1).
const NOT_FOUND: &[u32] = &[0x8007_0002, 0x8007_0003, 0xC00D_001A];
const ACCESS_DENIED: u32 = 0x8007_0005;

/// What `error` means, on the way to `place`, or in mid-stream if a header had come.
pub(super) fn of(error: &mms::Error, place: &str, opened: bool) -> Error {
    let what = format!("{place}: {error}");
    // Where our own sentence goes on with advice, that of the session is left out.
    let fact = |text: String| format!("{place}: {}", text.split(';').next().unwrap_or_default());
    match error {
        mms::Error::Refused { code, .. } => match code.0 {
            ACCESS_DENIED => Error::Unauthorized { status: 0, what: fact(error.to_string()) },
            code if NOT_FOUND.contains(&code) => Error::NotFound { status: 0, what: fact(error.to_string()) },
            _ => Error::Server { status: 0, what },
        },
        mms::Error::Status { status: status @ (401 | 403 | 407), .. } => {
            Error::Unauthorized { status: *status, what: fact(error.to_string()) }
        }
        mms::Error::Unauthorized { status, .. } => {
            Error::Unauthorized { status: *status, what: fact(error.to_string()) }
        }
        mms::Error::Status { status: status @ (404 | 410), .. } => {
            Error::NotFound { status: *status, what: fact(error.to_string()) }
        }
        mms::Error::Status { status, .. } => Error::Server { status: *status, what },
        mms::Error::NotStream { page, .. } => Error::NotVideo { what, page: *page },
        mms::Error::Unsupported { .. } => Error::Unsupported { what },
        mms::Error::Timeout { .. } | mms::Error::Closed { .. } if opened => Error::Ended { what: Some(what) },
        mms::Error::Timeout { after, .. } => {
            Error::Timeout { phase: Phase::Handshake, after: *after, tried: Some(what) }
        }
        mms::Error::Closed { .. } => Error::Unreachable { what },
        _ => Error::Broken { what },
    }
}

/// One error for all that was tried, each with what it is called: every one is named, and the
/// one that tells most says what kind it is.
pub(super) fn of_all(attempts: Vec<(String, Error)>) -> Error {
    let what = told(&attempts);
    match attempts.into_iter().map(|(_, error)| error).max_by_key(weight) {
        Some(Error::Unauthorized { status, .. }) => Error::Unauthorized { status, what },
        Some(Error::NotFound { status, .. }) => Error::NotFound { status, what },
        Some(Error::Unsupported { .. }) => Error::Unsupported { what },
        Some(Error::Server { status, .. }) => Error::Server { status, what },
        Some(Error::NotVideo { page, .. }) => Error::NotVideo { what, page },
        Some(Error::Ended { .. }) => Error::Ended { what: Some(what) },
        Some(Error::Timeout { phase, after, .. }) => Error::Timeout { phase, after, tried: Some(what) },
        Some(Error::Refused { .. }) => Error::Refused { what },
        Some(Error::Unreachable { .. }) | None => Error::Unreachable { what },
        Some(_) => Error::Broken { what },
    }
}

/// What was tried, in one sentence: where a server has answered, its answer, and the ways that came to less by their
/// names; else all of them, without the question at the end of each.
fn told(attempts: &[(String, Error)]) -> String {
    let best = attempts.iter().max_by_key(|(_, error)| weight(error));
    if let Some((way, error)) = best.filter(|(_, error)| weight(error) >= ANSWER) {
        let others: Vec<_> = attempts.iter().filter(|(_, other)| weight(other) < ANSWER).collect();
        if others.len() + 1 == attempts.len() {
            let others = others.iter().map(|(way, _)| &**way).collect::<Vec<_>>().join(", ");
            let others = if others.is_empty() { others } else { format!("; nothing {others}") };
            return format!("{way}: {}{others}", error.what());
        }
    }
    let fact = |text: String| match text.rsplit_once("; ") {
        Some((fact, question)) if question.ends_with('?') => fact.to_owned(),
        _ => text,
    };
    attempts.iter().map(|(way, error)| format!("{way}: {}", fact(error.what()))).collect::<Vec<_>>().join("; ")
}

/// From this weight on the server has answered what was asked.
const ANSWER: u8 = 5;

/// How much an error tells of several: who refuses knows what was asked for, whoever is not
/// there knows nothing.
fn weight(error: &Error) -> u8 {
    match error {
        Error::Unauthorized { .. } => 9,
        Error::NotFound { .. } => 8,
        Error::Unsupported { .. } => 7,
        Error::Server { .. } => 6,
        Error::NotVideo { .. } => 5,
        Error::Ended { .. } => 4,
        Error::Unreachable { .. } => 0,
        Error::Refused { .. } => 1,
        Error::Timeout { .. } => 2,
        _ => 3,
    }
}
