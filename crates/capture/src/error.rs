//! Why there is no frame: the cause first, what to do last.

use std::fmt;
use std::time::Duration;

use media::Redacted;
use source::Phase;

/// What went wrong, as far as a program does something about it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// The URL cannot be meant as it stands.
    BadUrl,
    /// An option or an argument makes no sense for this source.
    BadOption,
    /// There is no such file, device or path on the server.
    NotFound,
    /// The server wants other credentials, or the file other rights.
    Unauthorized,
    /// No connection: unknown host, no way there, reset; or it was lost.
    Unreachable,
    /// Nobody listens at that port.
    Refused,
    /// A deadline passed; [`Error::phase`] tells in what.
    Timeout,
    /// The server answered with an error of its own; [`Error::status`].
    Server,
    /// Something answered, but not with video.
    NotVideo,
    /// A protocol, container, codec or operation that is not there.
    Unsupported,
    /// The bytes make no sense.
    Broken,
    /// There are no more frames: the recording is over, or a live source ended that is not opened
    /// again.
    Ended,
    /// [`crate::Capture::close`] was called.
    Closed,
}

/// Why there is no frame. Shown, it is one line, and holds no password.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    url: String,
    what: String,
    hint: Option<String>,
    phase: Option<Phase>,
    elapsed: Duration,
    cause: Option<source::Error>,
}

impl Error {
    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The source, its password masked.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// What happened, without advice.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// What to do, where there is advice.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// How far the attempt had come, where it was one.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.0.phase
    }

    /// How long the call or the attempt took.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// The server's status, where it answered with one of its own.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.cause()?.status()
    }

    /// The failure of the source behind it, where there is one.
    #[must_use]
    pub fn cause(&self) -> Option<&source::Error> {
        self.0.cause.as_ref()
    }

    /// Of `url`, whatever stands in it.
    pub(crate) fn new(kind: Kind, url: &str, what: impl Into<String>) -> Self {
        let (url, what) = (Redacted(url).to_string(), what.into());
        Self(Box::new(Inner { kind, url, what, hint: None, phase: None, elapsed: Duration::ZERO, cause: None }))
    }

    /// A failure of the source.
    pub(crate) fn from_source(url: &str, error: &source::Error) -> Self {
        use source::Error as E;
        let kind = match error {
            E::BadUrl { .. } => Kind::BadUrl,
            E::NotFound { .. } => Kind::NotFound,
            E::Unauthorized { .. } => Kind::Unauthorized,
            E::Unreachable { .. } | E::Tls { .. } | E::Ended { what: Some(_) } => Kind::Unreachable,
            E::Refused { .. } => Kind::Refused,
            E::Timeout { .. } => Kind::Timeout,
            E::Server { .. } | E::TooMany { .. } => Kind::Server,
            E::NotVideo { .. } => Kind::NotVideo,
            E::Unsupported { .. } => Kind::Unsupported,
            E::Ended { what: None } => Kind::Ended,
            _ => Kind::Broken,
        };
        let what = match error {
            // How long it took stands beside it.
            E::Timeout { phase, tried: None, .. } => format!("no picture in time, while {phase}"),
            E::Timeout { phase, tried: Some(tried), .. } => format!("no picture in time, while {phase} ({tried})"),
            _ => error.what(),
        };
        let mut made = Self::new(kind, url, what);
        made.0.hint = error.hint().map(str::to_owned).or_else(|| source::doctor::advice_beside(error, url));
        made.0.cause = Some(error.clone());
        if let E::Timeout { phase, .. } = error {
            made.0.phase = Some(*phase);
        }
        made
    }

    pub(crate) fn ended(url: &str) -> Self {
        Self::from_source(url, &source::Error::Ended { what: None })
    }

    pub(crate) fn closed(url: &str) -> Self {
        Self::new(Kind::Closed, url, "the capture is closed")
    }

    pub(crate) fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Of a wait that ended before the source could be opened again after `error`: its advice and its status.
    pub(crate) fn because(mut self, error: &source::Error) -> Self {
        self.0.hint = error.hint().map(str::to_owned).or_else(|| source::doctor::advice_beside(error, &self.0.url));
        self.0.cause = Some(error.clone());
        self
    }

    pub(crate) fn at(mut self, phase: Phase) -> Self {
        self.0.phase.get_or_insert(phase);
        self
    }

    pub(crate) fn after(mut self, elapsed: Duration) -> Self {
        self.0.elapsed = elapsed;
        self
    }

    /// Whether the text names the place itself.
    fn tells_place(&self) -> bool {
        let url = &self.0.url;
        let place = url.split_once("://").map_or(&**url, |(_, rest)| rest);
        let place = place.rsplit_once('@').map_or(place, |(_, rest)| rest);
        let place = place.split(['/', '?']).find(|part| !part.is_empty()).unwrap_or(place);
        self.0.what.contains(place) || self.0.what.contains(url)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { url, what, hint, elapsed, kind, .. } = &*self.0;
        if !self.tells_place() {
            write!(f, "{url}: ")?;
        }
        f.write_str(what)?;
        if !elapsed.is_zero() && !matches!(kind, Kind::Ended | Kind::Closed) {
            write!(f, " ({:.2} s)", elapsed.as_secs_f64())?;
        }
        hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.0.kind)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_line_with_the_cause_first_and_the_advice_last() {
        let cause = source::Error::Refused { what: "cam:80: connection refused".into() };
        let error = Error::from_source("http://me:secret@cam/x", &cause).after(Duration::from_millis(84));
        let expected = "cam:80: connection refused (0.08 s); is the camera on, and are host and port right?";
        assert_eq!(error.to_string(), expected);
        assert_eq!((error.kind(), error.url()), (Kind::Refused, "http://me:***@cam/x"));
    }

    #[test]
    fn it_names_the_source_where_the_cause_does_not() {
        let after = Duration::from_secs(3);
        let cause = source::Error::Timeout { phase: Phase::Handshake, after, tried: None };
        let error = Error::from_source("rtsp://cam/x", &cause).after(after);
        let expected = "rtsp://cam/x: no picture in time, while asking for the stream (3.00 s); is the camera busy, or the time-out too short?";
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.phase(), Some(Phase::Handshake));
    }

    #[test]
    fn what_the_source_gives_no_advice_for_has_the_doctor_s() {
        let cause = source::Error::Server { status: 453, what: "rtsp://cam/x answered 453 to DESCRIBE".into() };
        for error in [Error::from_source("rtsp://cam/x", &cause), Error::closed("rtsp://cam/x").because(&cause)] {
            assert!(error.hint().unwrap().contains("Close other programs that watch it"), "{error}");
            assert!(error.to_string().ends_with(error.hint().unwrap()), "{error}");
        }
    }
}
