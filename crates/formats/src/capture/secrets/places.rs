//! Where secrets stand, whatever they are: behind names that say so.

use memchr::{memchr_iter, memmem};

use super::value::State;

/// The longest name of a parameter, a header, an element or a member, in bytes.
pub(super) const MOST_KEY: usize = 48;
/// Headers whose value is secret, whatever it is. The name of others may say so.
pub(super) const HEADERS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "authentication-info",
    "proxy-authentication-info",
    "cookie",
    "cookie2",
    "set-cookie",
    "set-cookie2",
];
/// The begin of an answer to a challenge of NTLM ([MS-NLMP] 2.2.1.3).
const NTLM: &[u8] = b"NTLMSSP\0\x03\0\0\0";
/// Elements and members that are secret by these names, besides those that [`media::names_a_password`] knows. A `ProfileToken`
/// of ONVIF is no secret, and is compared with others.
const NAMES: &[&str] = &[
    "pass",
    "psk",
    "token",
    "nonce",
    "accesstoken",
    "access_token",
    "refreshtoken",
    "refresh_token",
    "authtoken",
    "auth_token",
    "sessiontoken",
    "securitytoken",
    "sessionid",
    "session_id",
    "sid",
    "apikey",
    "api_key",
    "privatekey",
    "private_key",
];

/// A place where a value begins.
pub(super) struct Place {
    /// Where the name begins that says so.
    pub(super) name: usize,
    /// Where the value does.
    pub(super) at: usize,
    /// What it is the value of.
    pub(super) state: State,
}

fn place(name: usize, at: usize, state: State) -> Place {
    Place { name, at, state }
}

/// Values of headers; `begins` says that the bytes begin with a line. `known` are headers whose
/// values are secret, in small letters.
pub(super) fn headers<'a>(bytes: &'a [u8], begins: bool, known: &'a [String]) -> impl Iterator<Item = Place> + 'a {
    let lines = begins.then_some(0).into_iter().chain(memchr_iter(b'\n', bytes).map(|at| at + 1));
    lines.filter_map(|at| {
        let line = &bytes[at..];
        let is_known = |name: &&String| {
            let begin = line.get(..name.len());
            line.get(name.len()) == Some(&b':') && begin.is_some_and(|line| line.eq_ignore_ascii_case(name.as_bytes()))
        };
        if let Some(name) = known.iter().find(is_known) {
            return Some(place(at, at + name.len() + 1, State::Header));
        }
        let colon =
            line.iter().take(MOST_KEY).position(|byte| !byte.is_ascii_alphanumeric() && !b"-_".contains(byte))?;
        let is_secret = line[colon] == b':' && named(&line[..colon]).is_some_and(media::is_secret_name);
        is_secret.then_some(place(at, at + colon + 1, State::Header))
    })
}

/// Values of parameters of URLs and forms, and of attributes.
pub(super) fn parameters(bytes: &[u8], begins: bool) -> impl Iterator<Item = Place> {
    memchr_iter(b'=', bytes).filter_map(move |at| {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.%".contains(byte);
        let (before, key) = name_before(bytes, at, is_part)?;
        match before {
            // Some makers have no other bounds than these: `/user=me_password=xyz_channel=1`.
            Some(b'?' | b'&' | b'/' | b';' | b'=' | b'\n') => media::is_secret_name(key).then_some(State::Parameter),
            None if begins => media::is_secret_name(key).then_some(State::Parameter),
            Some(b' ' | b'\t' | b'\r') => (is_secret(key) && !is_said_of_logins(key)).then_some(State::Attribute),
            _ => None,
        }
        .map(|state| place(at - key.len(), at + 1, state))
    })
}

/// What stands in the head of a login, without being secret.
fn is_said_of_logins(key: &str) -> bool {
    ["nonce", "cnonce", "token"].iter().any(|name| key.eq_ignore_ascii_case(name))
}

/// Members of JSON objects.
pub(super) fn members(bytes: &[u8]) -> impl Iterator<Item = Place> {
    memchr_iter(b':', bytes).filter_map(|at| {
        let blanks = bytes[..at].iter().rev().take(8).take_while(|byte| byte.is_ascii_whitespace()).count();
        let quote = (at - blanks).checked_sub(1).filter(|quote| bytes[*quote] == b'"')?;
        let (before, key) = name_before(bytes, quote, |byte| *byte != b'"' && (b' '..0x7f).contains(byte))?;
        (before == Some(b'"') && is_secret(key)).then(|| place(quote - key.len() - 1, at + 1, State::Member))
    })
}

/// Elements of XML, behind their names.
pub(super) fn elements(bytes: &[u8]) -> impl Iterator<Item = Place> {
    memchr_iter(b'<', bytes).filter_map(|at| {
        let name = &bytes[at + 1..];
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_:.".contains(byte);
        let end = name.iter().take(MOST_KEY).position(|byte| !is_part(byte))?;
        let local = name[..end].rsplit(|byte| *byte == b':').next()?;
        named(local).is_some_and(is_secret).then_some(place(at, at + 1 + end, State::Tag { closes: false }))
    })
}

/// Answers to NTLM.
pub(super) fn answers(bytes: &[u8]) -> impl Iterator<Item = Place> {
    memmem::find_iter(bytes, NTLM).map(|at| place(at, at + NTLM.len(), State::Message))
}

/// The name that ends at `end`, and what stands before it; nothing at the begin of the bytes.
fn name_before(bytes: &[u8], end: usize, is_part: impl Fn(&u8) -> bool) -> Option<(Option<u8>, &str)> {
    let length = bytes[..end].iter().rev().take(MOST_KEY).take_while(|byte| is_part(byte)).count();
    let begin = end - length;
    let before = begin.checked_sub(1).map(|at| bytes[at]);
    Some((before, named(&bytes[begin..end])?))
}

fn named(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|name| !name.is_empty())
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.contains(&&*name) || media::names_a_password(&name)
}
