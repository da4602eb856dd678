//! One question to a camera, and its answer.

use std::time::{SystemTime, UNIX_EPOCH};

use ::onvif::{Fault, Login, Utc, envelope, xml};

use crate::http::page;
use crate::http::sniff::{Look, look};
use crate::http::{Poster, random};
use crate::journal::Note;
use crate::location::Location;
use crate::onvif::MARK;
use crate::{Access, Error, Sink};

/// Asks one camera.
pub(super) struct Client {
    poster: Poster,
    user: Option<String>,
    password: String,
    /// How far the camera's clock is ahead of ours, in seconds, where it tells.
    pub(super) ahead: Option<i64>,
}

impl Client {
    pub(super) fn new(location: Location, access: Access) -> Self {
        let (user, password) = (location.user.clone(), location.password.clone().unwrap_or_default());
        Self { poster: Poster::new(location, access), user, password, ahead: None }
    }

    /// Where the last answer came from.
    pub(super) fn location(&self) -> &Location {
        self.poster.location()
    }

    pub(super) fn is_remote(&self) -> bool {
        self.poster.is_remote()
    }

    /// The user who asks, if one was given.
    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Asks without a login.
    pub(super) async fn ask_anonymously<T>(
        &mut self,
        path: &str,
        body: &str,
        read: impl Fn(&[u8]) -> Result<T, ::onvif::Error>,
        sink: &Sink,
    ) -> Result<T, Failure> {
        self.exchange(path, envelope(None, body), body, read, sink).await
    }

    /// Asks with the login, if there is one, by the camera's own clock.
    pub(super) async fn ask<T>(
        &mut self,
        path: &str,
        body: &str,
        read: impl Fn(&[u8]) -> Result<T, ::onvif::Error>,
        sink: &Sink,
    ) -> Result<T, Failure> {
        // A redirect may have led to a host that is not to be told who asks.
        let user = self.user.as_deref().filter(|_| self.poster.location().user.is_some());
        let login = user.map(|user| Login {
            user,
            password: &self.password,
            nonce: nonce(),
            created: Utc(now().saturating_add(self.ahead.unwrap_or(0))),
        });
        let question = envelope(login.as_ref(), body);
        self.exchange(path, question, body, read, sink).await
    }

    /// The same of an order, which is not sent twice.
    pub(super) async fn order(&mut self, path: &str, body: &str, sink: &Sink) -> Result<(), Failure> {
        self.poster.afresh();
        self.ask(path, body, ::onvif::ptz::read_done, sink).await
    }

    async fn exchange<T>(
        &mut self,
        path: &str,
        question: String,
        body: &str,
        read: impl Fn(&[u8]) -> Result<T, ::onvif::Error>,
        sink: &Sink,
    ) -> Result<T, Failure> {
        // Without the login.
        sink.note(Note::Sent(body.to_owned()));
        let reply = self.poster.post(path, question, xml::MAX_BYTES, sink).await.map_err(Failure::Lost)?;
        let answer = read(&reply.body);
        // What is no XML comes of a web server of another kind, or of none of it at all.
        let is_other = !reply.body.trim_ascii_start().starts_with(b"<") || look(&reply.body) == Look::Html;
        if let Err(error) = &answer
            && !is_other
        {
            sink.note(Note::Fact(format!("{MARK}{} is answered with {}: {error}", name_of(body), reply.status)));
        }
        match answer {
            Ok(answer) => Ok(answer),
            // A refusal stands in the status or in the words, or in both.
            Err(::onvif::Error::Fault(fault)) if reply.status != 401 && !fault.is_refused_login() => {
                Err(Failure::Fault(fault))
            }
            Err(::onvif::Error::Fault(fault)) => Err(Failure::Refused(fault.to_string())),
            Err(_) if matches!(reply.status, 401 | 403) => Err(Failure::Refused(format!("status {}", reply.status))),
            Err(_) if is_other => Err(Failure::Nonsense(other(reply.status, &reply.body))),
            Err(error) => Err(Failure::Nonsense(format!("{} (status {})", error, reply.status))),
        }
    }

    /// Why it came to nothing, for a user.
    pub(super) fn error(&self, failure: Failure) -> Error {
        let place = self.location();
        match failure {
            Failure::Lost(error) => error,
            Failure::Refused(why) => {
                let what = match (&self.user, self.ahead) {
                    (None, _) => format!("{place} wants to know who you are: {why}"),
                    (Some(_), Some(_)) => format!("{place} refuses the user given: {why}"),
                    (Some(_), None) => {
                        format!(
                            "{place} refuses the user given: {why}; it does not tell its time, by which logins are valid"
                        )
                    }
                };
                Error::Unauthorized { status: 0, what }
            }
            Failure::Fault(fault) => Error::Server { status: 0, what: format!("{place}: {fault}") },
            Failure::Nonsense(why) => Error::Broken { what: format!("{place}: {why}") },
        }
    }
}

/// Why a question got no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing came, or nothing of HTTP.
    Lost(Error),
    /// It wants another login.
    Refused(String),
    /// It says no.
    Fault(Fault),
    /// It makes no sense.
    Nonsense(String),
}

/// The name of the request's element.
fn name_of(body: &str) -> &str {
    body.trim_start_matches('<').split([' ', '/', '>']).next().unwrap_or_default()
}

/// What answers in place of a camera, with its status.
fn other(status: u16, body: &[u8]) -> String {
    match page::shown_title(body) {
        Some(title) => format!("a web server answers with {status} and its page {title:?}"),
        None => format!("a web server answers with {status}, and nothing of ONVIF"),
    }
}

fn nonce() -> [u8; 16] {
    let mut nonce = [0; 16];
    for piece in nonce.chunks_exact_mut(4) {
        piece.copy_from_slice(&random().to_ne_bytes());
    }
    nonce
}

/// Seconds since 1970 by this machine's clock.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}
