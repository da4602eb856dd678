//! Bodies of the fuzz targets in `fuzz/`; a test replays their corpus.

use std::net::SocketAddr;
use std::time::Instant;

use formats::http::HeadParser;
use media::Redacted;

use crate::http::{Auth, page, sniff};
use crate::journal::without_secrets;
use crate::location::Location;
use crate::{discover, exec, line, makers, push, rtsp, timeline, tls};

/// Where the time of fuzzers begins.
fn epoch() -> Instant {
    Instant::now()
}

/// Whatever an RTSP camera answers, our own client is told no more than was said, the camera is asked
/// by its own URL only, and no more waits than may.
///
/// # Panics
/// When that is not so.
pub fn rtsp_gate(input: &[u8]) {
    let Some((&[choice, size], said)) = input.split_first_chunk() else { return };
    rtsp::fuzzed::talk(choice, usize::from(size) + 1, said);
}

/// Datagrams of RTP, each with its length in front: put in order, and those of pictures that are not
/// whole kept back.
///
/// # Panics
/// When more come out than went in, or others.
pub fn rtp_datagrams(input: &[u8]) {
    let mut rest = input;
    let mut sent = Vec::new();
    while let [length, tail @ ..] = rest {
        let (datagram, tail) = tail.split_at(tail.len().min(usize::from(*length)));
        sent.push(datagram);
        rest = tail;
    }
    rtsp::fuzzed::datagrams(epoch(), &sent);
}

/// The first bytes of a body or of what is sent to a feed are told; what is shown of them is short
/// and in one line.
///
/// # Panics
/// When it is not.
pub fn content_kind(input: &[u8]) {
    let _ = sniff::look(input);
    push::look(input);
    for shown in [Some(input), page::title(input)].into_iter().flatten().map(sniff::shorten) {
        assert!(shown.chars().count() <= sniff::MAX_SHOWN && !shown.contains('\n'), "{shown:?}");
    }
}

/// An answer's challenges are answered or not; what is sent then is one line, and none of it is
/// written down.
///
/// # Panics
/// When it is more, or is.
pub fn http_login(input: &[u8]) {
    let mut auth = Auth::default();
    let mut rest = input;
    for _ in 0..4 {
        let Ok(Some((head, end))) = HeadParser::new().parse(rest) else { break };
        match head.status {
            401 => drop(auth.challenge(&head)),
            _ => auth.told(&head),
        }
        if let Some(line) = auth.header("admin", "4711-secret", "GET", "/a?b", b"body") {
            // A tab may stand in a realm (RFC 9110 section 5.6.4).
            assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{line:?}");
            assert!(!line.contains("4711-secret"), "{line:?}");
            let written = without_secrets(&format!("GET / HTTP/1.1\r\nAuthorization: {line}\r\n\r\n"));
            assert!(written.ends_with("Authorization: …"), "{written:?}");
        }
        rest = &rest[end..];
        if end == 0 {
            break;
        }
    }
}

/// A URL as it was typed, and a reference from it: written out and read again it is the same, and no
/// log has its password.
///
/// # Panics
/// When that is not so.
pub fn url(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (url, reference) = text.split_once('\n').unwrap_or((&text, ""));
    let _ = (Redacted(url).to_string(), Location::guessed(url), exec::words(url));
    let refused = Location::parse(url).err().map(|error| error.to_string());
    assert!(!refused.is_some_and(|told| told.contains(char::is_control)), "{url:?}");
    if let Ok(location) = Location::parse(url) {
        let written = location.to_url();
        let again = Location::parse(&written);
        assert_eq!(again.as_ref(), Ok(&location), "{written}");
        assert!(written.is_ascii() || !location.host.is_ascii(), "{written}");
        assert!(!location.target().contains([' ', '\r', '\n']), "{:?}", location.target());
        let marked =
            Location { user: Some("admin".into()), password: Some("4711/geheim@x".into()), ..location.clone() };
        for shown in [marked.to_string(), Redacted(&marked.to_url()).to_string(), format!("{marked:?}")] {
            assert!(!shown.contains("geheim"), "{shown}");
        }
        if let Ok(there) = location.join(reference) {
            assert!(!there.target().contains([' ', '\r', '\n']), "{:?}", there.target());
            let is_same_host = there.host.eq_ignore_ascii_case(&location.host);
            assert!(is_same_host || there.user.is_none() || reference.contains('@'), "{there}");
        }
    }
    if let Ok(Some(made)) = makers::expand(url) {
        assert!(Location::parse(&made).is_ok(), "{made}");
    }
}

/// Lists of other relays, answers to probes, and names of mDNS: what is found has a URL that can be
/// read, and texts of one line.
///
/// # Panics
/// When that is not so.
pub fn discovered(input: &[u8]) {
    let from = SocketAddr::from(([10, 0, 0, 7], 3702));
    for found in discover::read_all(input, from) {
        assert!(Location::parse(&found.url).is_ok(), "{found:?}");
        for text in [&found.url, &found.name, &found.what] {
            assert!(!text.chars().any(char::is_control), "{found:?}");
        }
    }
}

/// What a program says comes out as lines of bounded length in any slices.
///
/// # Panics
/// When it does not.
pub fn exec_said(input: &[u8]) {
    let Some((size, said)) = input.split_first() else { return };
    let size = usize::from(*size) + 1;
    let last = exec::last_line(epoch(), said.chunks(size));
    assert_eq!(last, exec::last_line(epoch(), said.chunks(said.len().max(1))), "slices of {size}");
    assert!(!last.chars().any(char::is_control), "{last:?}");
}

/// A certificate that signed itself is told from others.
pub fn certificate_names(input: &[u8]) {
    let _ = tls::is_own(input);
}

/// What a capture tells of an attempt lies in its file.
///
/// # Panics
/// When it does not.
pub fn capture_attempt(input: &[u8]) {
    line::check(input);
}

/// Whatever stamps a camera sends, its tracks run on, and not ahead of time.
///
/// # Panics
/// When they do not.
pub fn stamps(input: &[u8]) {
    timeline::check(epoch(), input);
}
