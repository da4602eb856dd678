//! Why a source does not open or go on: what stood there, what to do.

use std::fmt;
use std::time::Duration;

/// How far an attempt had come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Phase {
    /// Waiting until other sources of ours have been answered by the same host.
    Turn,
    /// Looking up the host's address.
    Resolve,
    /// Waiting for the connection, or for the file or device to open.
    Connect,
    /// Agreeing on encryption.
    Tls,
    /// Asking for the stream: HTTP request, RTSP DESCRIBE to PLAY, container header.
    Handshake,
    /// Asked, granted; waiting for the first whole picture.
    FirstFrame,
    /// Pictures are coming.
    Streaming,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Turn => "waiting for its turn at the host",
            Self::Resolve => "resolving the host's name",
            Self::Connect => "connecting",
            Self::Tls => "agreeing on encryption",
            Self::Handshake => "asking for the stream",
            Self::FirstFrame => "waiting for the first picture",
            Self::Streaming => "waiting for the next picture",
        })
    }
}

// What to do, in the words of every message.
const PATH: &str = "is the path right?";
const CREDENTIALS: &str = "check user and password, given as in //USER:PASSWORD@host/";
const HOST: &str = "is the camera on, and are host and port right?";
const SLOW: &str = "is the camera busy, or the time-out too short?";
const PAGE: &str = "the URL of the page is not the URL of the stream";
const RECORD: &str = "see --record, file in headwater.toml, or File in ffserver.conf";
const PLUG: &str = "plug it in again";
const MANY: &str = "ask for the source's own, or try again later";

/// Why a source does not open or go on. Texts hold no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL cannot be meant as it stands.
    #[error("{what}; {hint}")]
    BadUrl {
        /// What stood there.
        what: String,
        /// What to do.
        hint: String,
    },
    /// There is no such file, device or path on the server.
    #[error("{what}; {PATH}")]
    NotFound {
        /// The HTTP or RTSP status (404, 410), 0 where there is none.
        status: u16,
        /// What was looked for, and who said that it is not there.
        what: String,
    },
    /// The server wants other credentials, or the file other rights.
    #[error("{what}; {CREDENTIALS}")]
    Unauthorized {
        /// The HTTP or RTSP status (401, 403, 407), 0 where there is none.
        status: u16,
        /// Who refused, with the status.
        what: String,
    },
    /// No connection: unknown host, no way there, reset.
    #[error("{what}; {HOST}")]
    Unreachable {
        /// What was tried and what the system said.
        what: String,
    },
    /// The host is there, and nobody listens at that port.
    #[error("{what}; {HOST}")]
    Refused {
        /// What was tried and what the system said.
        what: String,
    },
    /// No encryption with this server, or not with one that can be trusted.
    #[error("{what}; {hint}")]
    Tls {
        /// What is wrong with it.
        what: String,
        /// What to do.
        hint: String,
    },
    /// A device was there and is not any more.
    #[error("{what}; {PLUG}")]
    Unplugged {
        /// Which.
        what: String,
    },
    /// A device has not what is asked of it: a size, a rate, a control, a value of one.
    #[error("{what}; {hint}")]
    Setting {
        /// What was asked for.
        what: String,
        /// What it has.
        hint: String,
    },
    /// The wall-clock deadline passed.
    #[error("no picture within {after:?}: gave up while {phase}{}; {SLOW}", in_brackets(.tried.as_deref()))]
    Timeout {
        /// What the attempt was waiting for.
        phase: Phase,
        /// The deadline.
        after: Duration,
        /// What came of each way that was tried, where there were several.
        tried: Option<String>,
    },
    /// The server answered with an error of its own.
    #[error("{what}")]
    Server {
        /// The HTTP or RTSP status, 0 where the protocol has none.
        status: u16,
        /// The answer, in a sentence.
        what: String,
    },
    /// Something answered, but not with video: an HTML page, a text.
    #[error("{what}{}{}", if *.page { "; " } else { "" }, if *.page { PAGE } else { "" })]
    NotVideo {
        /// What it was instead, with its first bytes if that helps.
        what: String,
        /// A web server answered with something to read: a page was meant for people.
        page: bool,
    },
    /// A protocol, container or codec that this build cannot open.
    #[error("{what}")]
    Unsupported {
        /// What is missing.
        what: String,
    },
    /// More is asked of the source at a time than it may cost.
    #[error("{what}; {MANY}")]
    TooMany {
        /// What is being made already.
        what: String,
    },
    /// Nothing of the past was asked to be kept.
    #[error("it is not recorded, so there is no past of it; {RECORD}")]
    NotRecorded,
    /// The bytes make no sense.
    #[error("{what}")]
    Broken {
        /// Where, and what was expected.
        what: String,
    },
    /// A feed ([`crate::push`]) to which nobody is sending.
    #[error("nobody is sending to this feed{}", .last.as_ref().map(|last| format!("; the last one to do so: {last}")).unwrap_or_default())]
    Unfed {
        /// What became of the last one that did, if it was not in order.
        last: Option<String>,
    },
    /// The connection was lost, or the stream ended.
    #[error("the stream ended{}", .what.as_ref().map(|w| format!(": {w}")).unwrap_or_default())]
    Ended {
        /// How, if it was not in order.
        what: Option<String>,
    },
}

impl Error {
    /// A file without a byte in it.
    pub(crate) fn empty(path: &str) -> Self {
        Self::NotVideo { what: format!("{path}: the file is empty"), page: false }
    }

    /// What happened, without the advice: for a sentence made of several.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::BadUrl { what, .. }
            | Self::NotFound { what, .. }
            | Self::Unauthorized { what, .. }
            | Self::Unreachable { what }
            | Self::Refused { what }
            | Self::Tls { what, .. }
            | Self::Unplugged { what }
            | Self::Setting { what, .. }
            | Self::Server { what, .. }
            | Self::NotVideo { what, .. }
            | Self::Unsupported { what }
            | Self::TooMany { what }
            | Self::Broken { what } => what.clone(),
            Self::Timeout { tried: Some(tried), .. } => tried.clone(),
            Self::Timeout { phase, after, tried: None } => format!("no picture within {after:?} ({phase})"),
            Self::NotRecorded => "it is not recorded, so there is no past of it".into(),
            Self::Ended { .. } | Self::Unfed { .. } => self.to_string(),
        }
    }

    /// The status with which a server has answered (HTTP, RTSP), where it has.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::NotFound { status, .. } | Self::Unauthorized { status, .. } | Self::Server { status, .. } => {
                Some(*status).filter(|status| *status > 0)
            }
            _ => None,
        }
    }

    /// The advice alone, where there is some: the end of what `Display` writes.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::BadUrl { hint, .. } | Self::Tls { hint, .. } | Self::Setting { hint, .. } => Some(hint),
            Self::NotFound { .. } => Some(PATH),
            Self::Unplugged { .. } => Some(PLUG),
            Self::Unauthorized { .. } => Some(CREDENTIALS),
            Self::Unreachable { .. } | Self::Refused { .. } => Some(HOST),
            Self::Timeout { .. } => Some(SLOW),
            Self::NotVideo { page: true, .. } => Some(PAGE),
            Self::TooMany { .. } => Some(MANY),
            Self::NotRecorded => Some(RECORD),
            _ => None,
        }
    }

    /// Whether to try again much later only: cameras lock the account that knocks with a
    /// wrong password every second.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Unauthorized { .. })
    }

    /// Whether the server has no room for one more: RTSP 453, HTTP 429 and 503 of both.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Server { status: 429 | 453 | 503, .. })
    }

    /// Whether a server has said so: then it was there, and the connection, too.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. }
                | Self::Unauthorized { .. }
                | Self::Server { .. }
                | Self::NotVideo { .. }
                | Self::Ended { .. }
        )
    }

    /// Whether no later attempt can do better: the URL itself is wrong.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::BadUrl { .. })
    }

    /// The same with `change` made to its texts.
    pub(crate) fn map_text(mut self, change: impl Fn(&str) -> String) -> Self {
        match &mut self {
            Self::BadUrl { what, hint } | Self::Tls { what, hint } | Self::Setting { what, hint } => {
                (*what, *hint) = (change(what), change(hint));
            }
            Self::NotFound { what, .. }
            | Self::Unauthorized { what, .. }
            | Self::Unreachable { what }
            | Self::Refused { what }
            | Self::Unplugged { what }
            | Self::Server { what, .. }
            | Self::NotVideo { what, .. }
            | Self::Unsupported { what }
            | Self::TooMany { what }
            | Self::Broken { what }
            | Self::Ended { what: Some(what) } => *what = change(what),
            _ => {}
        }
        self
    }

    /// A `Refused`, an `Unreachable` or its like from what the system said while `doing` something.
    #[must_use]
    pub fn from_io(doing: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let what = format!("{doing}: {}", plain(error));
        match error.kind() {
            Kind::NotFound => Self::NotFound { status: 0, what },
            Kind::PermissionDenied => Self::Unauthorized { status: 0, what },
            Kind::UnexpectedEof => Self::Ended { what: Some(what) },
            Kind::ConnectionRefused => Self::Refused { what },
            _ => Self::Unreachable { what },
        }
    }
}

fn in_brackets(text: Option<&str>) -> String {
    text.map(|text| format!(" ({text})")).unwrap_or_default()
}

/// The system's sentence without its number, as a part of another one.
pub(crate) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
