//! The head of a request.

use std::hash::{BuildHasher, RandomState};

use base64::Engine as _;

use super::body::Answer;
use super::connect::Way;
use super::session::{Session, TO_END};
use super::usual_port;

/// What we call ourselves.
pub(crate) const AGENT: &str = concat!("headwater/", env!("CARGO_PKG_VERSION"));

/// What is sent by POST (RFC 3902).
const SOAP: &str = "application/soap+xml; charset=utf-8";

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

/// A number that nobody can foresee well enough to plan a request within a frame.
pub(crate) fn random() -> u32 {
    RandomState::new().hash_one(0) as u32
}

impl Session {
    /// The head of a request that goes this `way`. `known` is what we have of a picture that is
    /// asked for again.
    pub(super) fn request(&mut self, known: Option<&Known>, way: &Way) -> String {
        let proxy = way.proxy.as_deref();
        let location = &self.location;
        let authority = location.authority(usual_port(location));
        let whole = proxy.map(|_| format!("http://{authority}{}", location.target()));
        let method = if self.body.is_some() { "POST" } else { "GET" };
        let mut request = format!("{method} {} HTTP/1.1\r\n", whole.as_deref().unwrap_or(location.target()));
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
        if location.scheme.starts_with("ws") {
            // RFC 6455 section 4.1.
            let key: Vec<u8> =
                [random(), random(), random(), random()].into_iter().flat_map(u32::to_ne_bytes).collect();
            let key = base64::engine::general_purpose::STANDARD.encode(key);
            let upgrade = [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", &key)];
            add("Connection", Some("Upgrade"));
            upgrade.into_iter().for_each(|(name, value)| add(name, Some(value)));
        } else {
            add("Connection", Some(if way.keeps { "keep-alive" } else { "close" }));
        }
        if let (Some(user), Some(password), false) = (&location.user, &location.password, is_own("Authorization")) {
            let body = self.body.as_deref().unwrap_or_default().as_bytes();
            add("Authorization", self.auth.header(user, password, method, location.target(), body).as_deref());
        }
        if let Some(body) = &self.body {
            add("Content-Type", Some(SOAP));
            add("Content-Length", Some(&body.len().to_string()));
        }
        // RFC 9110 section 14.1.2.
        let range = self.range.filter(|(_, length)| *length > 0);
        let range = range.map(|(from, length)| match length {
            TO_END => format!("bytes={from}-"),
            length => format!("bytes={from}-{}", from.saturating_add(length - 1)),
        });
        add("Range", range.as_deref());
        add("If-None-Match", known.and_then(|known| known.etag.as_deref()));
        add("If-Modified-Since", known.and_then(|known| known.modified.as_deref()));
        request.push_str(proxy.unwrap_or_default());
        request.push_str(&own.map(crate::Headers::lines).unwrap_or_default());
        request.push_str("\r\n");
        request
    }
}
