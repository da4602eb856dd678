//! The parts of a URL with a host, as users type it.
//!
//! Passwords are typed as they are: `rtsp://admin:p@ss/w0rd#1@10.0.0.7/h264` ([`media::authority`]).

#[cfg(test)]
mod meant;

use std::fmt;
use std::net::Ipv6Addr;

use media::authority::{self, NO_NAME, host_and_port};
use media::{Redacted, unescaped};

use crate::Error;

/// Where something is, and who asks.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Location {
    /// In small letters.
    pub(crate) scheme: String,
    /// Decoded.
    pub(crate) user: Option<String>,
    /// Decoded.
    pub(crate) password: Option<String>,
    /// A name or an address; IPv6 without its brackets.
    pub(crate) host: String,
    /// If one is given.
    pub(crate) port: Option<u16>,
    /// From the path's slash on, without the fragment; empty when there is none. What may not
    /// stand in a request line is escaped.
    pub(crate) path_and_query: String,
}

impl Location {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// [`Error::BadUrl`] when there is no host in it, or it may be one of several, or no port where
    /// one should be.
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        Self::read(url, authority::as_meant)
    }

    /// The same of what a server wrote, which writes by the book.
    fn by_the_book(url: &str) -> Result<Self, Error> {
        Self::read(url, |rest| Ok(authority::by_the_book(rest)))
    }

    fn read<'a>(url: &'a str, split: impl Fn(&'a str) -> Result<authority::Parts<'a>, String>) -> Result<Self, Error> {
        // Whoever redirects may have put anything into it.
        let shown = || Redacted(url).to_string().replace(char::is_control, "");
        let bad = |what: &str, hint: &str| Error::BadUrl {
            what: format!("{}: {what}", shown()),
            hint: hint.replace(char::is_control, ""),
        };
        let Some((scheme, rest)) = url.trim().split_once("://") else {
            let meant = url.trim().split_once(':').map(|(scheme, rest)| (scheme, rest.trim_start_matches('/')));
            return Err(match meant.filter(|(_, rest)| !rest.is_empty()) {
                Some((scheme, rest)) => bad("no ://", &format!("write {}", Redacted(&format!("{scheme}://{rest}")))),
                None => bad("no ://", "expected something like http://host/path"),
            });
        };
        // RFC 3986 section 3.1.
        let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !scheme.bytes().all(is_scheme) {
            return Err(bad("no protocol before ://", "expected something like http://host/path"));
        }
        let (userinfo, host_and_path) = split(rest).map_err(|host| {
            bad(
                "which of its @ stands in front of the host is not clear",
                &format!(
                    "is it @{host}? Then write %40 for @ in the password, and %2f for /, %3f for ?, %23 for #, %3a for :. \
                     Else write %40 for the @ behind the host"
                ),
            )
        })?;
        let end = host_and_path.find(['/', '?', '#']).unwrap_or(host_and_path.len());
        let (authority, path) = host_and_path.split_at(end);
        if let Some((address, port)) = bare_address_and_port(authority) {
            let brackets = format!("write an IPv6 address in brackets: [{address}]:{port}");
            // What has five digits is no part of an address.
            return Err(match authority.parse::<Ipv6Addr>() {
                Ok(_) => bad(
                    "whether its end is a port is not clear",
                    &format!("{brackets}, or without a port [{authority}]"),
                ),
                Err(_) => bad("an IPv6 address and a port without brackets", &brackets),
            });
        }
        let (host, port) = host_and_port(authority).map_err(|what| {
            let hint = match rest.contains('@') {
                true => "write special characters of the password as %40 for @, %2f for /, %3a for :, %23 for #",
                false => {
                    let host = if authority.starts_with('[') { "[fd00::5]" } else { "host" };
                    &*format!("expected something like {}://{host}:8080/path", scheme.to_ascii_lowercase())
                }
            };
            let stranger = authority.chars().find(|c| *c == ' ' || *c == ',').filter(|_| what == NO_NAME);
            match stranger {
                Some(' ') => bad("there is a blank in the host", hint),
                Some(stranger) => bad(&format!("there is a {stranger} in the host"), hint),
                None => bad(what, hint),
            }
        })?;
        let (user, password) = match userinfo.map(|text| text.split_once(':').unwrap_or((text, ""))) {
            Some((user, password)) => (Some(unescaped(user)), Some(unescaped(password))),
            None => (None, None),
        };
        let mut path_and_query = escape(path.split('#').next().unwrap_or_default());
        if path_and_query.starts_with('?') {
            path_and_query.insert(0, '/');
        }
        Ok(Self { scheme: scheme.to_ascii_lowercase(), user, password, host, port, path_and_query })
    }

    /// The host of a URL in whose password stands what ends it by the book (RFC 3986 section
    /// 3.2), so that it is worth telling how it was understood.
    pub(crate) fn guessed(url: &str) -> Option<String> {
        let (userinfo, _) = authority::as_meant(url.trim().split_once("://")?.1).ok()?;
        userinfo.filter(|text| text.contains(['@', '/', '?', '#']))?;
        Self::parse(url).ok().map(|location| location.host)
    }

    /// Where a `Location` header or another reference leads to from here (RFC 3986
    /// section 5.2). User and password go along on the same host only, and not from TLS to none.
    ///
    /// # Errors
    /// [`Error::BadUrl`] as [`Location::parse`].
    pub(crate) fn join(&self, reference: &str) -> Result<Self, Error> {
        let reference = reference.trim();
        let colon = reference.find("://").filter(|at| !reference[..*at].contains(['/', '?', '#']));
        if colon.is_some() || reference.starts_with("//") {
            let absolute = if colon.is_some() { reference.to_owned() } else { format!("{}:{reference}", self.scheme) };
            let mut there = Self::by_the_book(&absolute)?;
            let readable = self.scheme == "https" && there.scheme == "http";
            if there.user.is_none() && there.host.eq_ignore_ascii_case(&self.host) && !readable {
                (there.user, there.password) = (self.user.clone(), self.password.clone());
            }
            return Ok(there);
        }
        let reference = reference.split('#').next().unwrap_or_default();
        let here = self.path_and_query.split('?').next().unwrap_or_default();
        let folder = here.rfind('/').map_or("/", |at| &here[..=at]);
        let path_and_query = match reference.as_bytes().first() {
            None => self.path_and_query.clone(),
            Some(b'/') => escape(reference),
            Some(b'?') => format!("{here}{}", escape(reference)),
            Some(_) => format!("{folder}{}", escape(reference)),
        };
        Ok(Self { path_and_query: without_dots(&path_and_query), ..self.clone() })
    }

    /// What stands in a request line for it: never empty.
    pub(crate) fn target(&self) -> &str {
        if self.path_and_query.is_empty() { "/" } else { &self.path_and_query }
    }

    /// Host and port as a `Host` header has them: the port only if it is not `usual`.
    pub(crate) fn authority(&self, usual: u16) -> String {
        // A zone means something on this machine only (RFC 6874 section 4).
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host.split('%').next().unwrap_or_default()),
            false => self.host.clone(),
        };
        match self.port {
            Some(port) if port != usual => format!("{host}:{port}"),
            _ => host,
        }
    }

    /// The URL with user and password escaped as RFC 3986 wants them, for libraries that
    /// read it by the book. Holds the password.
    pub(crate) fn to_url(&self) -> String {
        let userinfo = match (&self.user, &self.password) {
            (Some(user), Some(password)) => format!("{}:{}@", encode(user), encode(password)),
            _ => String::new(),
        };
        // It stays on this machine, where a zone means something.
        let authority = match self.host.split_once('%') {
            Some((address, _)) => self.authority(0).replacen(address, &self.host, 1),
            None => self.authority(0),
        };
        format!("{}://{userinfo}{authority}{}", self.scheme, self.path_and_query)
    }
}

/// Without user and password.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = format!("{}://{}{}", self.scheme, self.authority(0), self.path_and_query);
        Redacted(&url).fmt(f)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A path and query whose steps `.` and `..` have been taken (RFC 3986 section 5.2.4).
fn without_dots(path_and_query: &str) -> String {
    let (path, query) = path_and_query.split_at(path_and_query.find('?').unwrap_or(path_and_query.len()));
    if !path.contains("/.") {
        return path_and_query.to_owned();
    }
    let mut steps: Vec<&str> = Vec::new();
    let mut rest = path.split('/').skip(1).peekable();
    while let Some(step) = rest.next() {
        let last = rest.peek().is_none();
        match step {
            "." | ".." => {
                if step == ".." {
                    steps.pop();
                }
                if last {
                    steps.push("");
                }
            }
            step => steps.push(step),
        }
    }
    format!("/{}{query}", steps.join("/"))
}

/// An IPv6 address without its brackets whose end is a port, or may be one or a part of it.
fn bare_address_and_port(authority: &str) -> Option<(Ipv6Addr, u16)> {
    let (address, port) = authority.rsplit_once(':')?;
    Some((address.parse().ok()?, port.parse().ok().filter(|port| *port > 0)?))
}

/// Escapes everything that is not unreserved (RFC 3986 section 2.3).
pub(crate) fn encode(text: &str) -> String {
    escape_unless(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
}

/// Escapes what would break a request line.
fn escape(text: &str) -> String {
    escape_unless(text, |byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\'))
}

fn escape_unless(text: &str, stays: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match stays(byte) {
            true => escaped.push(char::from(byte)),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `user|password|host|port|path`, with `-` for what is not there.
    fn parts(url: &str) -> String {
        match Location::parse(url) {
            Ok(l) => {
                let or = |part: Option<String>| part.unwrap_or_else(|| "-".into());
                let port = l.port.map(|port| port.to_string());
                format!("{}|{}|{}|{}|{}", or(l.user), or(l.password), l.host, or(port), l.path_and_query)
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_zone_of_an_address_is_for_this_machine_alone() {
        let location = Location::parse("http://[fe80::1%25eth0]:81/x").unwrap();
        assert_eq!(location.to_url(), "http://[fe80::1%eth0]:81/x");
        assert_eq!(Location::parse(&location.to_url()), Ok(location.clone()));
        assert_eq!(location.authority(80), "[fe80::1]:81");
    }

    #[test]
    fn passwords_may_be_typed_as_they_are() {
        for (url, expected) in [
            ("rtsp://10.0.0.7/h264", "-|-|10.0.0.7|-|/h264"),
            ("rtsp://admin:secret@10.0.0.7:8554/h264?a=b", "admin|secret|10.0.0.7|8554|/h264?a=b"),
            ("rtsp://admin:p%40ss%2fw%3ard%231@cam/x", "admin|p@ss/w:rd#1|cam|-|/x"),
            ("rtsp://admin:p@ss@cam/x", "admin|p@ss|cam|-|/x"),
            ("rtsp://admin:p@ss/w:rd#1@10.0.0.7/h264", "admin|p@ss/w:rd#1|10.0.0.7|-|/h264"),
            ("rtsp://admin:pass#1@10.0.0.7/h264", "admin|pass#1|10.0.0.7|-|/h264"),
            ("rtsp://admin:what?@cam:554/h264", "admin|what?|cam|554|/h264"),
            ("rtsp://admin:a:b:c@cam/h264", "admin|a:b:c|cam|-|/h264"),
            ("rtsp://admin:se/cret@cam/h264", "admin|se/cret|cam|-|/h264"),
            ("http://admin:100%@cam/", "admin|100%|cam|-|/"),
            ("http://admin:%zz%ff@cam/", "admin|%zz%ff|cam|-|/"),
            ("http://admin@cam/", "admin||cam|-|/"),
            ("http://user:pw@camera.lan/mail/a@b.c", "user|pw|camera.lan|-|/mail/a@b.c"),
            ("http://host:8554/a@b", "-|-|host|8554|/a@b"),
            ("http://host/a@10.0.0.7", "-|-|host|-|/a@10.0.0.7"),
        ] {
            assert_eq!(parts(url), expected, "{url}");
        }
    }

    #[test]
    fn a_password_that_was_typed_as_it_is_is_worth_telling() {
        for (url, host) in [
            ("rtsp://admin:p@ss/w:rd#1@10.0.0.7/h264", Some("10.0.0.7")),
            ("rtsp://admin:p@ss@cam/x", Some("cam")),
            ("rtsp://admin:p%40ss@cam/x", None),
            ("rtsp://cam/a@b", None),
            ("clip@home.wmv", None),
        ] {
            assert_eq!(Location::guessed(url).as_deref(), host, "{url}");
        }
    }

    #[test]
    fn hosts_ports_and_paths_are_taken_in_every_form() {
        for (url, expected) in [
            ("HTTP://Cam", "-|-|Cam|-|"),
            ("http://cam:/", "-|-|cam|-|/"),
            ("http://cam?x=1#y", "-|-|cam|-|/?x=1"),
            ("http://[::1]:8080/x", "-|-|::1|8080|/x"),
            ("http://[fe80::1%25eth0]/x", "-|-|fe80::1%eth0|-|/x"),
            ("http://fe80::1/x", "-|-|fe80::1|-|/x"),
            ("rtsp://user:pw@::1/x", "user|pw|::1|-|/x"),
            ("http://front_door.lan/a b\"ü", "-|-|front_door.lan|-|/a%20b%22%C3%BC"),
        ] {
            assert_eq!(parts(url), expected, "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, expected) in [
            ("cam/x", "cam/x: no ://; expected something like http://host/path"),
            ("rtsp:/cam/x", "rtsp:/cam/x: no ://; write rtsp://cam/x"),
            (
                "rtsp://fe80::1:554/x",
                "rtsp://fe80::1:554/x: whether its end is a port is not clear; \
                 write an IPv6 address in brackets: [fe80::1]:554, or without a port [fe80::1:554]",
            ),
            (
                "http://::1:27001/x",
                "http://::1:27001/x: an IPv6 address and a port without brackets; \
                 write an IPv6 address in brackets: [::1]:27001",
            ),
            ("http:///x", "http:///x: no host; expected something like http://host:8080/path"),
            (
                "http://cam:0/",
                "http://cam:0/: a port is a number from 1 to 65535; expected something like http://host:8080/path",
            ),
            (
                "http://cam:99999/",
                "http://cam:99999/: a port is a number from 1 to 65535; expected something like http://host:8080/path",
            ),
            ("http://cam:http/", "http://cam:http/: a port is a number; expected something like http://host:8080/path"),
            (
                "http://[::g]/",
                "http://[::g]/: no IPv6 address between [ and ]; expected something like http://[fd00::5]:8080/path",
            ),
        ] {
            assert_eq!(parts(url), expected, "{url}");
        }
        assert!(!parts("http://admin:secret@ca m/").contains("secret"));
    }

    #[test]
    fn references_lead_where_browsers_go() {
        let base = Location::parse("http://u:p@cam:81/a/b?c").unwrap();
        for (reference, expected) in [
            ("/x?y", "http://u:p@cam:81/x?y"),
            ("x", "http://u:p@cam:81/a/x"),
            ("./x", "http://u:p@cam:81/a/x"),
            ("../d/./x.ts?e=/../f", "http://u:p@cam:81/d/x.ts?e=/../f"),
            ("../../../x/..", "http://u:p@cam:81/"),
            ("?d", "http://u:p@cam:81/a/b?d"),
            ("//cam/z", "http://u:p@cam/z"),
            ("https://cam/z#f", "https://u:p@cam/z"),
            ("http://other/z?r=http://x/", "http://other/z?r=http://x/"),
            ("/login?to=http://x/", "http://u:p@cam:81/login?to=http://x/"),
        ] {
            assert_eq!(base.join(reference).unwrap().to_url(), expected, "{reference}");
        }
    }

    #[test]
    fn the_url_for_others_is_by_the_book() {
        let location = Location::parse("http://admin:p@ss/w:rd#1@10.0.0.7/x").unwrap();
        assert_eq!(location.to_url(), "http://admin:p%40ss%2Fw%3Ard%231@10.0.0.7/x");
        assert_eq!(Location::parse(&location.to_url()).unwrap(), location);
        assert_eq!(location.to_string(), "http://10.0.0.7/x");
    }
}
