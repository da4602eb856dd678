//! Requests to one camera: redirects, user and password, statuses.

use bytes::{Buf, BytesMut};
use formats::http::{Head, HeadParser};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::PORT;
use super::auth::Auth;
use super::body::Answer;
use crate::dial::dial;
use crate::location::Location;
use crate::{Access, Error, Phase, Sink};

/// How often a server may send us on.
const MAX_REDIRECTS: usize = 5;
/// What is read of a head at once, in bytes.
const READ: usize = 16 << 10;
pub(crate) const AGENT: &str = concat!("headwater/", env!("CARGO_PKG_VERSION"));

/// Where a redirect may lead besides `http`.
const OTHERS: &[&str] = &["https", "mms", "mmsh", "mmst", "mmsu", "rtsp", "rtspt", "rtspu"];

/// Whether the server says that it is one for Windows Media: Services, or an encoder.
fn is_windows_media(head: &Head) -> bool {
    head.header("server").is_some_and(|name| name.starts_with("Cougar") || name.starts_with("Rex/"))
}

/// Where to ask, and as whom.
pub(super) struct Session {
    location: Location,
    /// The host of the URL: the one that gets our own headers.
    host: String,
    access: Access,
    auth: Auth,
}

/// What came of a request.
pub(super) enum Fetched {
    /// An answer with a body, or 304.
    Answer(Answer),
    /// Another protocol's: the server redirects there, or is one for Windows Media.
    Elsewhere(Location),
}

/// What we have of a picture, so that the server need not send it again.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Known {
    etag: Option<String>,
    modified: Option<String>,
}

impl Known {
    pub(super) fn of(answer: &Answer) -> Self {
        let header = |name| answer.head.header(name).map(str::to_owned);
        Self { etag: header("etag"), modified: header("last-modified") }
    }
}

impl Session {
    pub(super) fn new(location: Location, access: Access) -> Self {
        Self { host: location.host.clone(), location, access, auth: Auth::default() }
    }

    /// Where the last redirect led.
    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    /// Asks for the location, on a connection of its own. A server that wants a password
    /// gets it in the form that it asks for, never unasked.
    pub(super) async fn get(&mut self, sink: &Sink, known: Option<&Known>) -> Result<Fetched, Error> {
        let mut visited = vec![self.location.clone()];
        let mut refused = false;
        loop {
            let answer = self.exchange(sink, known).await?;
            let status = answer.head.status;
            match status {
                200..=299 | 304 if status != 204 => return Ok(Fetched::Answer(answer)),
                401 if !refused && self.location.user.is_some() && self.auth.challenge(&answer.head) => refused = true,
                301 | 302 | 303 | 307 | 308 => {
                    let there = self.redirected(&answer)?;
                    if OTHERS.contains(&&*there.scheme) {
                        return Ok(Fetched::Elsewhere(there));
                    }
                    if visited.contains(&there) || visited.len() > MAX_REDIRECTS || there.scheme != "http" {
                        let how = if there.scheme == "http" { "in a circle, last" } else { "away from HTTP," };
                        let what = format!("{} redirects {how} to {there}", self.location);
                        return Err(Error::Server { status, what });
                    }
                    visited.push(there.clone());
                    self.location = there;
                    refused = false;
                }
                // It has more to say to a client of its own kind, whose passwords may be others too.
                400.. if is_windows_media(&answer.head) => {
                    return Ok(Fetched::Elsewhere(Location { scheme: "mmsh".into(), ..self.location.clone() }));
                }
                _ => return Err(self.failed(&answer)),
            }
        }
    }

    fn redirected(&self, answer: &Answer) -> Result<Location, Error> {
        let status = answer.head.status;
        match answer.head.header("location") {
            Some(reference) => self.location.join(reference),
            None => Err(Error::Server { status, what: format!("{} redirects to nowhere ({status})", self.location) }),
        }
    }

    fn failed(&self, answer: &Answer) -> Error {
        let (status, location) = (answer.head.status, &self.location);
        let reason: String = answer.head.reason.chars().filter(|c| !c.is_control()).take(60).collect();
        let what = format!("{location} answered {}", format!("{status} {reason}").trim());
        match (status, &location.user) {
            (401 | 403, Some(user)) => Error::Unauthorized { what: format!("{what} to user {user}") },
            (401 | 403, None) => Error::Unauthorized { what },
            (404 | 410, _) => Error::NotFound { what },
            _ => Error::Server { status, what },
        }
    }

    /// One request and the head of its answer.
    async fn exchange(&mut self, sink: &Sink, known: Option<&Known>) -> Result<Answer, Error> {
        let mut stream = dial(&self.location.host, self.location.port.unwrap_or(PORT), sink).await?;
        sink.phase(Phase::Handshake);
        let request = self.request(known);
        let location = &self.location;
        let lost = |error: &std::io::Error| Error::from_io(&location.to_string(), error);
        stream.write_all(request.as_bytes()).await.map_err(|error| lost(&error))?;

        let mut raw = BytesMut::new();
        let mut parser = HeadParser::new();
        loop {
            raw.reserve(READ);
            let count = stream.read_buf(&mut raw).await.map_err(|error| lost(&error))?;
            let parsed = parser.parse(&raw).map_err(|error| Error::Broken { what: format!("{location}: {error}") })?;
            if let Some((head, body)) = parsed {
                raw.advance(body);
                tracing::debug!(status = head.status, content_type = head.header("content-type"), "answered");
                return Ok(Answer::new(head, stream, raw));
            }
            if count == 0 {
                let what = format!("{location}: the server closed the connection without an answer");
                return Err(Error::Unreachable { what });
            }
        }
    }
    /// The head of a request.
    fn request(&mut self, known: Option<&Known>) -> String {
        let location = &self.location;
        let authority = location.authority(PORT);
        let mut request = format!("GET {} HTTP/1.1\r\n", location.target());
        let mut add = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                request.push_str(&format!("{name}: {value}\r\n"));
            }
        };
        // What the user wants sent goes to the host that the user named.
        let own = Some(&self.access.headers).filter(|_| location.host.eq_ignore_ascii_case(&self.host));
        let is_own = |name: &str| own.is_some_and(|own| own.has(name));
        let agent = self.access.user_agent.as_deref().unwrap_or(AGENT);
        for (name, value) in [("Host", &*authority), ("User-Agent", agent), ("Accept", "*/*")] {
            add(name, Some(value).filter(|_| !is_own(name)));
        }
        add("Connection", Some("close"));
        if let (Some(user), Some(password), false) = (&location.user, &location.password, is_own("Authorization")) {
            add("Authorization", self.auth.header(user, password, location.target()).as_deref());
        }
        add("If-None-Match", known.and_then(|known| known.etag.as_deref()));
        add("If-Modified-Since", known.and_then(|known| known.modified.as_deref()));
        request.push_str(&own.map(crate::Headers::lines).unwrap_or_default());
        request.push_str("\r\n");
        request
    }
}
