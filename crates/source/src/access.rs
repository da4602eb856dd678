//! As whom and in what words a server is asked, whom it has to prove to be, and through whom.
//!
//! What a URL cannot say, or should not: passwords in a process list, headers that a
//! gateway wants, the certificate of a camera that signed it itself. The same for every
//! protocol, as far as it knows of the thing; what FFmpeg opens is told to FFmpeg.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Error;
use crate::location::Location;
use crate::proxy::Proxy;

/// How a server is asked.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// User, instead of the URL's.
    pub user: Option<String>,
    /// Password, instead of the URL's.
    pub password: Option<String>,
    /// What we call ourselves, instead of `headwater/VERSION`.
    pub user_agent: Option<String>,
    /// Further headers of HTTP requests. They go to the host of the URL alone, not to one that
    /// it redirects to.
    pub headers: Headers,
    /// Whose word is taken for who the server is.
    pub trust: Trust,
    /// Through whom HTTP is spoken.
    pub proxy: Proxy,
    /// A server outside may redirect to a network at home (RFC 1918, RFC 4193, RFC 6598), as a camera
    /// does that is found by a name outside and knows itself by its address at home. To this machine
    /// none may in any case.
    pub redirects_inside: bool,
}

impl Access {
    /// `url` with this user and password in it, if there are any.
    ///
    /// # Errors
    /// [`Error::BadUrl`] when there are and it has no host, or a name with a line break.
    pub(crate) fn applied_to(&self, url: &str) -> Result<String, Error> {
        if self.user_agent.as_deref().is_some_and(|name| !is_value(name)) {
            return Err(bad_header("User-Agent"));
        }
        if self.user.is_none() && self.password.is_none() {
            return Ok(url.to_owned());
        }
        let mut location = Location::parse(url)?;
        location.user = self.user.clone().or(location.user).or_else(|| Some(String::new()));
        location.password = self.password.clone().or(location.password).or_else(|| Some(String::new()));
        Ok(location.to_url())
    }
}

/// Without what is secret, which headers may be too.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Access")
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("user_agent", &self.user_agent)
            .field("headers", &names)
            .field("trust", &self.trust)
            .field("proxy", &self.proxy)
            .field("redirects_inside", &self.redirects_inside)
            .finish()
    }
}

/// Headers of a request, checked and bounded.
///
/// ```
/// let mut headers = source::Headers::default();
/// headers.add("X-Key", "1234").unwrap();
/// assert!(headers.add("X-Key", "1\r\nHost: elsewhere").is_err());
/// assert!(headers.add("Content-Length", "5").is_err());
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The most headers.
    pub const MOST: usize = 32;
    /// The most bytes of all of them.
    pub const MOST_BYTES: usize = 8 << 10;

    /// Adds one.
    ///
    /// # Errors
    /// [`Error::BadUrl`] for a name that is none (RFC 9110 section 5.1), for a line break in the
    /// value, for a header that says where a message ends, and past the bounds.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) || !is_value(value) {
            return Err(bad_header(name));
        }
        if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
            let hint = "it says where a message ends, which only who sends it knows";
            return Err(Error::BadUrl { what: format!("the header {name} cannot be set"), hint: hint.into() });
        }
        let bytes: usize = self.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        if self.0.len() >= Self::MOST || bytes + name.len() + value.len() > Self::MOST_BYTES {
            let hint = format!("at most {} headers of {} bytes together", Self::MOST, Self::MOST_BYTES);
            return Err(Error::BadUrl { what: format!("the header {name} is too much"), hint });
        }
        self.0.push((name.to_owned(), value.trim().to_owned()));
        Ok(())
    }

    /// Name and value of each, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether one is called `name`, in capitals or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))
    }

    /// As lines, each with its end.
    pub(crate) fn lines(&self) -> String {
        self.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
    }
}

/// Headers that only who writes the message can set.
const OURS: &[&str] = &["Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Expect", "TE", "Trailer"];

fn is_value(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() && c != '\t')
}

fn bad_header(name: &str) -> Error {
    let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    Error::BadUrl {
        what: format!("the header {name:?} cannot be sent"),
        hint: "expected NAME: VALUE, in one line, the name without spaces".into(),
    }
}

/// Whose word is taken for who a server is, where it speaks TLS.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub enum Trust {
    /// That of the authorities which the system trusts (`/etc/ssl/certs`, `SSL_CERT_FILE`).
    #[default]
    System,
    /// That of the certificates in this PEM file, and of no other.
    File(PathBuf),
    /// The server's own: its certificate has this SHA-256, whatever else it says.
    Pin(Pin),
    /// Anybody's: the line is encrypted, to whomever.
    Anybody,
}

/// The SHA-256 of a certificate (of its DER form), as `openssl x509 -fingerprint -sha256` and
/// browsers show it. Read from 64 hexadecimal digits, with colons or without.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin(pub [u8; 32]);

impl FromStr for Pin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::BadUrl {
            what: format!("{:?} is no SHA-256", text.chars().take(100).collect::<String>()),
            hint: "expected 64 hexadecimal digits, as `openssl x509 -fingerprint -sha256` prints them".into(),
        };
        let text = text.trim();
        let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b':' | b' ')).collect();
        if digits.len() != 64 {
            return Err(bad());
        }
        let mut pin = [0; 32];
        for (byte, pair) in pin.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16).ok_or_else(bad);
            *byte = (digit(0)? * 16 + digit(1)?) as u8;
        }
        Ok(Self(pin))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_checked_and_bounded() {
        let mut headers = Headers::default();
        headers.add("X-Key", " a b ").unwrap();
        headers.add("Cookie", "a=b; c=ü").unwrap();
        assert_eq!(headers.lines(), "X-Key: a b\r\nCookie: a=b; c=ü\r\n");
        assert!(headers.has("x-key") && !headers.has("x"));
        for (name, value, expected) in [
            (
                "X Key",
                "1",
                "the header \"X Key\" cannot be sent; expected NAME: VALUE, in one line, the name without spaces",
            ),
            ("", "1", "the header \"\" cannot be sent; expected NAME: VALUE, in one line, the name without spaces"),
            (
                "A\r\nB",
                "1",
                "the header \"AB\" cannot be sent; expected NAME: VALUE, in one line, the name without spaces",
            ),
            (
                "X-Key",
                "1\nHost: b",
                "the header \"X-Key\" cannot be sent; expected NAME: VALUE, in one line, the name without spaces",
            ),
            (
                "transfer-encoding",
                "chunked",
                "the header transfer-encoding cannot be set; it says where a message ends, which only who sends it knows",
            ),
        ] {
            assert_eq!(headers.add(name, value).unwrap_err().to_string(), expected);
        }
        assert!(headers.add("X-Long", &"x".repeat(Headers::MOST_BYTES)).is_err());
        for _ in 2..Headers::MOST {
            headers.add("X", "1").unwrap();
        }
        assert!(headers.add("X", "1").is_err());
    }

    #[test]
    fn a_pin_is_read_as_openssl_prints_it() {
        let colons = ["AB"; 32].join(":");
        let pin: Pin = colons.parse().unwrap();
        assert_eq!(pin.to_string(), "ab".repeat(32));
        assert_eq!(pin.to_string().parse::<Pin>().unwrap(), pin);
        for bad in ["", "ab", &"g".repeat(64), &"ü".repeat(32)] {
            assert!(bad.parse::<Pin>().is_err(), "{bad}");
        }
    }

    #[test]
    fn user_and_password_given_apart_need_no_escapes_and_are_not_shown() {
        let access = Access { user: Some("me".into()), password: Some("p@ss/w:rd#1%".into()), ..Access::default() };
        let url = access.applied_to("rtsp://old:pw@cam:554/x?y").unwrap();
        assert_eq!(url, "rtsp://me:p%40ss%2Fw%3Ard%231%25@cam:554/x?y");
        assert!(access.applied_to("clip.wmv").is_err());
        assert_eq!(Access::default().applied_to("clip.wmv").unwrap(), "clip.wmv");
        assert!(!format!("{access:?}").contains("p@ss"));
        let access = Access { user_agent: Some("a\nb".into()), ..Access::default() };
        assert!(access.applied_to("http://cam/").is_err());
    }
}
