//! Why a session ends before its content does.

use std::time::Duration;

use crate::hresult::Hresult;

/// Why a session ended. Texts hold no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What came on the connection is another protocol.
    #[error("byte {at}: expected {expected}, found {found}; is this the right port and protocol?")]
    OtherProtocol {
        /// Offset in the bytes received; subtract from the TCP sequence number to find it in a
        /// capture.
        at: u64,
        /// What should have stood there.
        expected: &'static str,
        /// What stood there.
        found: String,
    },
    /// A message that breaks the rules of its protocol.
    #[error("{message}: {what}")]
    Malformed {
        /// The message, by the name that the specification gives it.
        message: &'static str,
        /// What stood there and what was expected.
        what: String,
    },
    /// More than the bounds of [`crate::Limits`] allow.
    #[error("{what} of {size} bytes; at most {limit} are accepted")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size as the server says.
        size: u64,
        /// The bound.
        limit: u64,
    },
    /// The server refuses, by a code of Windows ([MS-ERREF]).
    #[error("{message}: {code}")]
    Refused {
        /// The message that carried the code.
        message: &'static str,
        /// The code, which prints as a sentence.
        code: Hresult,
    },
    /// The server refuses, by a status of HTTP or RTSP.
    #[error("the server answered {status} {reason}{}", advice(*status))]
    Status {
        /// The status.
        status: u16,
        /// Its text, as the server gives it, shortened.
        reason: String,
    },
    /// User and password are wanted, or those given are wrong.
    #[error("{what}")]
    Unauthorized {
        /// The status of HTTP or RTSP (401, 403), 0 where there is none.
        status: u16,
        /// Who asked, for what, and what was given.
        what: String,
    },
    /// The answer is no stream: a page, a text, a format that cannot be played.
    #[error("{what}")]
    NotStream {
        /// What it is instead.
        what: String,
        /// It is a page, which was meant for people.
        page: bool,
    },
    /// Part of the protocol that this client does not speak.
    #[error("{what}")]
    Unsupported {
        /// What is missing, and what to do.
        what: String,
    },
    /// The server was silent for too long.
    #[error("no {waiting_for} within {after:?}")]
    Timeout {
        /// What should have come.
        waiting_for: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// The server closed the connection while something was still to come.
    #[error("the server closed the connection before {before}")]
    Closed {
        /// What was still to come.
        before: &'static str,
    },
    /// The session is over, or not there yet: a mistake of whoever drives it.
    #[error("{what}")]
    State {
        /// What was asked for, and why it cannot be.
        what: &'static str,
    },
}

/// What a status means to the user, where that is known.
fn advice(status: u16) -> &'static str {
    match status {
        400 => "; it does not understand the request, is the path right?",
        404 | 410 => "; it has no such stream, check the path (it may be off air)",
        406 | 415 => "; it does not have the stream in this format",
        453 | 503 => "; it has as many viewers as it allows, or no source, try again later",
        _ => "",
    }
}
