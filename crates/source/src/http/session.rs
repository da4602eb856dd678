//! Requests to one camera: redirects, user and password, statuses.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use formats::http::{Head, HeadParser};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::ask::Known;
use super::auth::{Auth, unknown_kind};
use super::body::Answer;
use super::connect::{self, Reach, Sender, Way};
use super::port_of;
use super::sniff;
use crate::journal::{Note, without_secrets};
use crate::location::Location;
use crate::{Access, Error, Sink, tls};

/// How often a server may send us on.
pub(super) const MAX_REDIRECTS: usize = 5;
/// The length of a range that ends where the whole of it does.
pub(super) const TO_END: u64 = u64::MAX;
/// How often an answer to its challenge may be stale.
pub(super) const MAX_STALE: usize = 2;
/// What is read of a head at once, in bytes.
const READ: usize = 16 << 10;
/// The usual patience with a connection that is used again.
const SECOND_ANSWER: Duration = Duration::from_secs(1);
/// What is looked at of a complaint, in bytes.
const COMPLAINT: usize = 1 << 10;
/// What a relay of ours says of a name that it does not have; which it has stands behind.
const ANOTHER_RELAY: &str = "no source is called";
/// How TLS says that it does not understand: a record with an alert (RFC 8446 section 5.1).
const ALERT: &[u8] = &[0x15, 0x03];

/// Where a redirect may lead besides `http` and `https`.
const OTHERS: &[&str] = &["mms", "mmsh", "mmst", "mmsu", "rtsp", "rtspt", "rtspu", "rtsps"];

/// Whether the server says that it is one for Windows Media: Services, or an encoder.
fn is_windows_media(head: &Head) -> bool {
    head.header("server").is_some_and(|name| name.starts_with("Cougar") || name.starts_with("Rex/"))
}

/// Where to ask, and as whom.
pub(super) struct Session {
    pub(super) location: Location,
    /// The host of the URL: the one that gets the user's own headers.
    pub(super) host: String,
    pub(super) access: Access,
    pub(super) auth: Auth,
    /// Who sent us here.
    pub(super) sent_by: Option<Sender>,
    /// How far away the farthest is that was asked.
    pub(super) reach: Reach,
    /// The same of the list whose pieces are asked for.
    base: Option<Reach>,
    /// The connection of the last request, for the next one.
    idle: Option<Way>,
    /// Connections are not kept: the server leaves second requests on them unanswered.
    one_each: bool,
    /// What is sent along, by POST; without it the request is a GET.
    pub(super) body: Option<String>,
    /// Offset and length, where not all of it is asked for.
    pub(super) range: Option<(u64, u64)>,
    /// How long an answer may take on a connection that has had one: servers that keep it open and
    /// read nothing more from it are met.
    pub(super) patience: Duration,
}

/// What came of a request.
pub(super) enum Fetched {
    /// An answer with a body, or 304.
    Answer(Answer),
    /// Another protocol's: the server redirects there, or is one for Windows Media.
    Elsewhere(Location),
}

impl Session {
    pub(super) fn new(location: Location, access: Access) -> Self {
        let host = location.host.clone();
        Self {
            location,
            host,
            access,
            auth: Auth::default(),
            sent_by: None,
            reach: Reach::Here,
            base: None,
            idle: None,
            one_each: false,
            body: None,
            range: None,
            patience: SECOND_ANSWER,
        }
    }

    /// Where the last redirect led.
    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    /// For `About`.
    pub(super) fn protocol(&self) -> String {
        let scheme = ["https", "ws", "wss"].into_iter().find(|scheme| *scheme == self.location.scheme);
        tls::protocol(scheme.unwrap_or("http"), &self.access.trust)
    }

    /// Takes the connection of an answer back for the next request, if it can have one.
    pub(super) fn keep(&mut self, answer: Answer) {
        self.idle = answer.into_way().filter(|way| way.keeps && !self.one_each);
    }

    /// Asks for the location. A server that wants a password gets it in the form that it asks
    /// for, never unasked. With `known` the connection is one to be kept for the next time.
    pub(super) async fn get(&mut self, sink: &Sink, known: Option<&Known>) -> Result<Fetched, Error> {
        let mut visited = vec![self.location.clone()];
        let mut refused = 0;
        loop {
            let answer = self.exchange(sink, known).await?;
            let status = answer.head.status;
            let is_socket = self.location.scheme.starts_with("ws");
            match status {
                101 if is_socket => return Ok(Fetched::Answer(answer)),
                200..=299 if is_socket => {
                    let what = format!(
                        "{} answered {status}, and not as a WebSocket; is it http:// that is meant?",
                        self.location
                    );
                    return Err(Error::Server { status, what });
                }
                200..=299 | 304 if status != 204 => {
                    self.auth.told(&answer.head);
                    return Ok(Fetched::Answer(answer));
                }
                401 if self.location.user.is_some() && refused <= MAX_STALE => {
                    let stale = self.auth.challenge(&answer.head);
                    if refused > 0 && stale != Some(true) || stale.is_none() {
                        return Err(self.failed(answer).await);
                    }
                    refused += 1;
                }
                301 | 302 | 303 | 307 | 308 => {
                    let there = self.redirected(&answer)?;
                    if OTHERS.contains(&&*there.scheme) {
                        self.looked_up(&there, sink).await?;
                        return Ok(Fetched::Elsewhere(there));
                    }
                    if visited.contains(&there) || visited.len() > MAX_REDIRECTS {
                        let what = format!("{} redirects in a circle, last to {there}", self.location);
                        return Err(Error::Server { status, what });
                    }
                    visited.push(there.clone());
                    self.move_to(there);
                    refused = 0;
                }
                // It has more to say to a client of its own kind, whose passwords may be others too.
                400.. if is_windows_media(&answer.head) => {
                    return Ok(Fetched::Elsewhere(Location { scheme: "mmsh".into(), ..self.location.clone() }));
                }
                _ => return Err(self.failed(answer).await),
            }
        }
    }

    /// Goes where a redirect leads.
    pub(super) fn move_to(&mut self, there: Location) {
        let here = std::mem::replace(&mut self.location, there);
        self.sent_by = Some(Sender { at: here, reach: self.reach });
        self.idle = None;
    }

    /// Goes to what a list names, or back to it, mostly on the same server: then the connection that
    /// is kept will do.
    pub(super) fn go(&mut self, there: Location) {
        let idle = self.idle.take();
        let here = &self.location;
        let same = here.scheme == there.scheme && here.host == there.host && port_of(here) == port_of(&there);
        // It is the list that sends us, wherever its last piece was: back from there, too.
        self.reach = *self.base.get_or_insert(self.reach);
        self.move_to(there);
        self.idle = idle.filter(|_| same);
    }

    /// One that asks for what the same list names, or another that was found by way of it.
    pub(super) fn anew(&self) -> Self {
        let mut anew = Self::new(self.location.clone(), self.access.clone());
        anew.host.clone_from(&self.host);
        anew.is_from(self);
        anew
    }

    /// What it asks for from now on is named by a list that `of` has fetched; one that was fetched from farther
    /// away than those before it may name no more than that.
    pub(super) fn is_from(&mut self, of: &Self) {
        let reach = self.base.unwrap_or_default().max(of.base.unwrap_or_default()).max(of.reach);
        (self.base, self.reach) = (Some(reach), reach);
    }

    /// What was fetched last names what is asked for from now on.
    pub(super) fn is_the_list(&mut self) {
        self.base = Some(self.reach.max(self.base.unwrap_or_default()));
    }

    /// Closes the connection that is kept.
    pub(super) fn hang_up(&mut self) {
        self.idle = None;
    }

    /// Whether the server is on a machine elsewhere.
    pub(super) fn is_remote(&self) -> bool {
        self.reach > Reach::Here
    }

    /// Where a redirect leads, if we may go there.
    pub(super) fn redirected(&self, answer: &Answer) -> Result<Location, Error> {
        let (status, here) = (answer.head.status, &self.location);
        let wrong = |what: String| Error::Server { status, what };
        let Some(reference) = answer.head.header("location") else {
            return Err(wrong(format!("{here} redirects to nowhere ({status})")));
        };
        let there = here
            .join(reference)
            .map_err(|error| wrong(format!("{here} redirects to what is no address of a stream: {}", error.what())))?;
        let is_http = matches!(&*there.scheme, "http" | "https");
        if !is_http && !OTHERS.contains(&&*there.scheme) {
            return Err(wrong(format!("{here} redirects away from HTTP, to {there}")));
        }
        self.sender().may_send(&there, &[], &self.access)?;
        Ok(there)
    }

    /// Whether another protocol may be led to `there`, whose name only its own client would look up.
    pub(super) async fn looked_up(&self, there: &Location, sink: &Sink) -> Result<(), Error> {
        self.sender().looks_up(there, &self.access, sink).await
    }

    fn sender(&self) -> Sender {
        Sender { at: self.location.clone(), reach: self.reach }
    }

    async fn failed(&self, mut answer: Answer) -> Error {
        let (status, location) = (answer.head.status, &self.location);
        let reason: String = answer.head.reason.chars().filter(|c| !c.is_control()).take(60).collect();
        let what = format!("{location} answered {}", format!("{status} {reason}").trim());
        if status == 400 && location.scheme == "http" && answer.says("HTTPS", COMPLAINT).await {
            return speaks_tls(location);
        }
        if status == 404
            && let Some(sentence) = answer.sentence(ANOTHER_RELAY, COMPLAINT).await
        {
            return Error::NotFound { status, what: format!("{what}: {sentence}") };
        }
        if status == 401
            && let Some(kind) = unknown_kind(&answer.head)
        {
            return Error::Unauthorized {
                status,
                what: format!("{location} wants a login of the kind {kind}, which is not known here"),
            };
        }
        // A server of RTSP answers HTTP too, for those who tunnel.
        let server = answer.head.header("server").filter(|name| name.to_ascii_uppercase().contains("RTSP"));
        if let Some(server) = server.filter(|_| !matches!(status, 401 | 403 | 407) && location.scheme == "http") {
            return sniff::speaks_rtsp(&what, location, server.as_bytes());
        }
        match (status, &location.user) {
            // Pages show it, which name no users.
            (401 | 403, Some(_)) => Error::Unauthorized { status, what: format!("{what} to the user given") },
            (401 | 403, None) => Error::Unauthorized { status, what },
            (407, _) => Error::Unauthorized { status, what: format!("{what}: so says a proxy in between") },
            (404 | 410, _) => Error::NotFound { status, what },
            _ => Error::Server { status, what },
        }
    }

    /// One request and the head of its answer. A connection that was kept and has been closed
    /// meanwhile is opened anew.
    pub(super) async fn exchange(&mut self, sink: &Sink, known: Option<&Known>) -> Result<Answer, Error> {
        if let Some(way) = self.idle.take() {
            match timeout(self.patience, self.exchange_on(way, known, sink)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => tracing::debug!(%error, "the connection that was kept is gone"),
                Err(_) => self.one_each = true,
            }
        }
        let (way, reach) = connect::open(&self.location, &self.access, self.sent_by.as_ref(), sink).await?;
        self.reach = self.reach.max(reach);
        self.exchange_on(way, known, sink).await
    }

    async fn exchange_on(&mut self, mut way: Way, known: Option<&Known>, sink: &Sink) -> Result<Answer, Error> {
        way.keeps = known.is_some() && !self.one_each;
        let request = self.request(known, &way);
        let location = &self.location;
        let lost = |error: &std::io::Error| Error::from_io(&location.to_string(), error);
        sink.note(Note::Sent(without_secrets(&request)));
        way.wire.write_all(request.as_bytes()).await.map_err(|error| lost(&error))?;
        if let Some(body) = &self.body {
            way.wire.write_all(body.as_bytes()).await.map_err(|error| lost(&error))?;
        }
        way.wire.flush().await.map_err(|error| lost(&error))?;
        let mut raw = BytesMut::new();
        let mut parser = HeadParser::new();
        loop {
            raw.reserve(READ);
            let count = way.wire.read_buf(&mut raw).await.map_err(|error| lost(&error))?;
            if raw.starts_with(ALERT) {
                return Err(speaks_tls(location));
            }
            let parsed = parser.parse(&raw).map_err(|error| Error::Broken { what: format!("{location}: {error}") })?;
            if let Some((head, body)) = parsed {
                sink.note(Note::Answered(without_secrets(&String::from_utf8_lossy(&raw[..body]))));
                raw.advance(body);
                tracing::debug!(status = head.status, content_type = head.header("content-type"), "answered");
                refuse_coding(&head, location)?;
                return Ok(Answer::new(head, way, raw));
            }
            if count == 0 {
                let what = format!("{location}: the server closed the connection without an answer");
                return Err(Error::Unreachable { what });
            }
        }
    }
}

/// A body that is compressed though nobody asked for it is not looked into: what is small on
/// the line may be without end in memory.
fn refuse_coding(head: &Head, location: &Location) -> Result<(), Error> {
    match head.header("content-encoding").map(str::trim).filter(|coding| !coding.eq_ignore_ascii_case("identity")) {
        Some(coding) if (200..300).contains(&head.status) && !coding.is_empty() => {
            let coding: String = coding.chars().filter(|c| !c.is_control()).take(20).collect();
            let what = format!("{location} answered in the coding {coding}, which it was not asked for");
            Err(Error::Unsupported { what })
        }
        _ => Ok(()),
    }
}

/// A port that wants TLS was asked without.
fn speaks_tls(location: &Location) -> Error {
    Error::Tls {
        what: format!("{location}: the server speaks TLS on this port"),
        hint: "is it https:// that is meant?".into(),
    }
}
