//! The head of an answer: what its status means, and what it tells of the session.

use formats::http::Head;

use super::body::{Body, Look, look};
use super::{Client, Phase};
use crate::http::pragma::{number, tokens};
use crate::http::request::AGENTS;
use crate::http::transfer::{Transfer, keeps_connection};
use crate::{Error, Event, playlist};

/// What an answer may say on the way to the one that counts, in bytes, before a new connection
/// is cheaper.
pub(super) const MOST_DISCARDED: u64 = 64 << 10;
/// The most cookies, and the most bytes of one.
const MOST_COOKIES: usize = 16;
const MOST_COOKIE: usize = 4096;
/// Bytes that show what a protocol is that is not HTTP.
const TELLING: usize = 16;

impl Client {
    /// The head of the answer and where its body begins, once it is whole.
    pub(super) fn parse_head(&mut self) -> Result<Option<(Head, usize)>, Error> {
        // Where a head ends can be told two bytes behind it; further ones are not looked at, so
        // that it does not matter how many have come.
        let limit = self.limits.message;
        let seen = &self.raw[..self.raw.len().min(limit.saturating_add(2))];
        let parsed = self.parser.parse(seen);
        let parsed = parsed.map_err(|error| Error::Malformed { message: "answer", what: error.to_string() })?;
        if parsed.as_ref().map_or(self.raw.len() > seen.len(), |(_, body)| *body > limit) {
            let limit = limit as u64;
            return Err(Error::TooLarge { what: "the head of an answer", size: limit + 1, limit });
        }
        match &parsed {
            // No head at all: another protocol, unless the body speaks for itself.
            Some((_, body)) if self.raw[..*body].trim_ascii().is_empty() => {
                let begin = &self.raw[*body..];
                match look(begin) {
                    Some(Look::Frames | Look::Plain) => Ok(parsed),
                    _ if begin.len() < TELLING => Ok(None),
                    _ => {
                        let found = String::from_utf8_lossy(&begin[..TELLING]).escape_debug().to_string();
                        Err(Error::OtherProtocol { at: *body as u64, expected: "an HTTP answer", found })
                    }
                }
            }
            _ => Ok(parsed),
        }
    }

    pub(super) fn handle_head(&mut self, head: &Head) -> Result<(), Error> {
        self.phase = Phase::Body;
        self.body = Body::default();
        self.transfer = Transfer::of(head);
        self.keeps = keeps_connection(head);
        self.media_type = head.media_type();
        self.refusal = None;
        let reason = || shorten(&head.reason);
        let failed = || Error::Status { status: head.status, reason: reason() };
        if !matches!(head.status, 401 | 407) {
            self.auth.handle_accepted();
            self.learn(head);
        }
        match head.status {
            200..=299 => {
                self.content.handle_head(head);
                Ok(())
            }
            301 | 302 | 303 | 305 | 307 | 308 => {
                let there = head.header("location").and_then(|location| playlist::resolve(&self.url, location));
                self.move_to(there.map(alternatives).ok_or_else(failed)?)
            }
            401 => self.authenticate(head, "www-authenticate", "Authorization"),
            407 => self.authenticate(head, "proxy-authenticate", "Proxy-Authorization"),
            // It may be our version that it does not like ([MS-WMSP] 2.2.1.8).
            400 if self.requests.agent + 1 < AGENTS.len() => {
                self.requests.agent += 1;
                self.connect();
                Ok(())
            }
            403 => Err(Error::Unauthorized {
                status: 403,
                what: format!("the server refuses access ({} {})", 403, reason()),
            }),
            // A frame in the body may say more than the status.
            500..=599 if self.media_type.starts_with("application/") => {
                self.refusal = Some(failed());
                Ok(())
            }
            _ => Err(failed()),
        }
    }

    /// What the server says of the session; it wants to hear it again.
    fn learn(&mut self, head: &Head) {
        for (name, value) in head.all("pragma").flat_map(tokens) {
            let value = value.unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "client-id" => self.requests.client_id = number(value).or(self.requests.client_id),
                "playlist-gen-id" => self.requests.entry = number(value).filter(|id| *id != 0),
                _ => (),
            }
        }
        if let Some(server) = head.header("server") {
            self.requests.server_major = server_major(server);
        }
        for cookie in head.all("set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default().trim();
            let Some((name, _)) = pair.split_once('=') else { continue };
            if pair.len() > MOST_COOKIE || !pair.bytes().all(|byte| (0x20..0x7F).contains(&byte)) {
                continue;
            }
            let cookies = &mut self.requests.cookies;
            cookies.retain(|known| known.split_once('=').is_none_or(|(known, _)| known != name));
            if cookies.len() < MOST_COOKIES {
                cookies.push(pair.to_owned());
            }
        }
    }

    fn authenticate(&mut self, head: &Head, asked: &str, answer: &'static str) -> Result<(), Error> {
        self.authorization = answer;
        self.auth.handle_unauthorized(head.all(asked))?;
        let closes = head.all("connection").any(|value| value.eq_ignore_ascii_case("close"));
        let short = match self.transfer {
            Transfer::Length(left) => left <= MOST_DISCARDED,
            Transfer::Chunked(_) => true,
            Transfer::UntilClose => false,
        };
        // NTLM lives on one connection: there, only a server that says so closes it.
        let stays = short && !closes && (self.keeps || self.auth.same_connection());
        if stays {
            self.body = Body::Discard(0);
            return Ok(());
        }
        if self.auth.same_connection() {
            let what = "the server closes the connection in the middle of NTLM, which takes one connection; \
                        does a proxy stand between?";
            return Err(Error::Unsupported { what: what.to_owned() });
        }
        self.connect();
        Ok(())
    }

    pub(super) fn move_to(&mut self, urls: Vec<String>) -> Result<(), Error> {
        self.events.push_back(Event::Moved(urls));
        self.phase = Phase::Over;
        Ok(())
    }
}

/// A server means its own protocol when it sends a player on to `http://`.
pub(super) fn alternatives(url: String) -> Vec<String> {
    match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => vec![format!("mmsh://{rest}"), url],
        _ => vec![url],
    }
}

/// The version of a server of Windows Media; 0 for any other. VLC writes a blank for the slash.
fn server_major(server: &str) -> u32 {
    let lower = server.to_ascii_lowercase();
    let version = lower.strip_prefix("cougar").or_else(|| lower.strip_prefix("rex"));
    version.and_then(|version| number(version.trim_start_matches(['/', ' ']))).unwrap_or(0)
}

fn shorten(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_control()).take(60).collect()
}
