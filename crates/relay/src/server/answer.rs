//! Answers that are a sentence.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use source::Error;

/// A request that is not granted: the status, and why in one sentence.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    what: String,
    retry_after_s: Option<u32>,
    allow: Option<&'static str>,
    /// The log has it already, in other words.
    is_told: bool,
}

/// Why a request is not granted, in the extensions of an answer, for the log.
#[derive(Clone)]
pub(crate) struct Reason(pub(crate) String);

impl Refusal {
    pub(crate) fn new(status: StatusCode, what: impl Into<String>) -> Self {
        Self { status, what: what.into(), retry_after_s: None, allow: None, is_told: false }
    }

    /// The same, of which the log has what there is to tell.
    pub(crate) fn in_silence(self) -> Self {
        Self { is_told: true, ..self }
    }

    /// The sentence, unless the log has it.
    pub(crate) fn to_tell(&self) -> Option<&str> {
        (!self.is_told).then_some(&*self.what)
    }

    /// Its status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence.
    pub(crate) fn into_what(self) -> String {
        self.what
    }

    pub(crate) fn bad_request(what: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, what)
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    pub(crate) fn method(allow: &'static str) -> Self {
        let what = format!("this path takes {allow} only");
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, what) }
    }

    /// A feed that somebody else is sending to.
    pub(crate) fn conflict(what: impl Into<String>) -> Self {
        Self { retry_after_s: Some(5), ..Self::new(StatusCode::CONFLICT, what) }
    }

    /// A body that is of no kind that can be read.
    pub(crate) fn unreadable(what: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what)
    }

    /// A body of which the end is not waited for.
    pub(crate) fn over(what: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, what)
    }

    /// A body that stopped coming.
    pub(crate) fn silence(what: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, what)
    }

    /// A request of more than is read of one.
    pub(crate) fn too_large(what: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, what)
    }

    /// A request that is not complete after `patience`.
    pub(crate) fn late(patience: Duration) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, format!("the request was not complete within {patience:?}"))
    }

    /// HTTP/2 from the first byte.
    pub(crate) fn version() -> Self {
        let what = "this port speaks HTTP/1.1 and the client began HTTP/2; use HTTP/1.1";
        Self::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, what)
    }

    /// No place for a connection; `limit` is what gives their number.
    pub(crate) fn too_many(limit: &str) -> Self {
        Self::busy(format!("too many connections; try again, or raise {limit}"))
    }

    /// No place for what is asked.
    pub(crate) fn busy(what: impl Into<String>) -> Self {
        Self { retry_after_s: Some(5), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, what) }
    }

    /// No place for what is asked, since the one who asks has them.
    pub(crate) fn too_many_of_one(what: impl Into<String>) -> Self {
        Self { retry_after_s: Some(5), ..Self::new(StatusCode::TOO_MANY_REQUESTS, what) }
    }

    /// The end of the server.
    pub(crate) fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the relay is stopping")
    }

    /// A source that gives no picture.
    pub(crate) fn source(name: &str, error: &Error) -> Self {
        let status = match error {
            Error::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Error::NotRecorded => StatusCode::NOT_FOUND,
            Error::Ended { .. } | Error::Unfed { .. } | Error::Unplugged { .. } | Error::TooMany { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::BAD_GATEWAY,
        };
        Self { retry_after_s: Some(2), ..Self::new(status, format!("{name}: {error}")) }
    }

    /// A source that gave no picture in time, for no known reason.
    pub(crate) fn silent(name: &str) -> Self {
        let what = format!("{name}: no picture yet; try again, or give it more time");
        Self { retry_after_s: Some(2), ..Self::new(StatusCode::GATEWAY_TIMEOUT, what) }
    }

    /// As the whole answer of a connection that hyper does not see.
    pub(crate) fn to_http(&self) -> String {
        let retry = self.retry_after_s.map(|s| format!("Retry-After: {s}\r\n")).unwrap_or_default();
        format!(
            "HTTP/1.1 {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n{retry}Connection: close\r\n\r\n{}\n",
            self.status,
            self.what.len() + 1,
            self.what
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, format!("{}\n", self.what)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if !self.is_told {
            response.extensions_mut().insert(Reason(self.what));
        }
        response
    }
}
