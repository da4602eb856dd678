//! Takes secrets out of what is captured, and leaves everything where it is.
//!
//! What lets somebody in is replaced by as many asterisks: the words that are known (passwords,
//! in every form in which they are sent), and what stands where such words stand (headers of
//! logins and cookies, parameters of URLs, answers to NTLM, passwords of SOAP). Lengths stay, so
//! that what is played says how long it is, as it did. Of what the camera sends only text is
//! looked into: a picture that happens to hold the bytes of a password stays as it is.

use std::ops::Range;
use std::sync::Arc;

use memchr::memmem::{self, Finder};

use super::Side;

/// Words shorter than this are found only where secrets stand: everything is full of them.
const LEAST: usize = 4;
/// Words of protocols: a password that is one of them is found only where secrets stand, since
/// nothing could be played without them.
const PLAIN: &[&str] = &[
    "video",
    "audio",
    "application",
    "rtsp",
    "http",
    "https",
    "multipart",
    "mixed",
    "replace",
    "image",
    "jpeg",
    "h264",
    "h265",
    "rtpmap",
    "fmtp",
    "session",
    "control",
    "stream",
    "track",
    "interleaved",
    "unicast",
    "transport",
    "content",
    "length",
    "type",
    "boundary",
    "digest",
    "basic",
    "realm",
    "nonce",
    "ntlm",
    "close",
    "keep-alive",
    "1.0 200",
    "200 ok",
];
/// Headers whose value is secret, whatever it is.
const HEADERS: &[&str] = &["authorization", "proxy-authorization", "cookie", "set-cookie"];
/// How much of what was given out is looked at again, in bytes: as much as the longest name of a
/// parameter.
const CONTEXT: usize = MOST_KEY;
/// How much before a word of the camera's has to be text, in bytes.
const TEXT: usize = 24;
/// The longest user and password in a URL, in bytes.
const MOST_AUTHORITY: usize = 256;
/// Most of these may be of other alphabets.
const MOST_FOREIGN: usize = 4;
/// The longest name of a parameter, in bytes.
const MOST_KEY: usize = 48;
/// What a POST carries that takes requests of RTSP.
const TUNNEL: &[u8] = b"Content-Type: application/x-rtsp-tunnelled\r\n";
/// The begin of an answer to a challenge of NTLM ([MS-NLMP] 2.2.1.3).
const NTLM: &[u8] = b"NTLMSSP\0\x03\0\0\0";

/// What has to be taken out.
#[derive(Debug, Default)]
pub struct Secrets {
    words: Vec<Finder<'static>>,
    /// With their colons, in small letters.
    headers: Vec<String>,
}

impl Secrets {
    /// Of these words, in every form in which they are sent, and of the values of these headers
    /// besides those that are always secret.
    #[must_use]
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>, headers: impl IntoIterator<Item = &'a str>) -> Self {
        let known = words.into_iter().filter(|word| word.len() >= LEAST);
        let known = known.filter(|word| !PLAIN.iter().any(|plain| plain.eq_ignore_ascii_case(word)));
        let mut forms: Vec<Vec<u8>> = known.flat_map(forms).collect();
        // The longest first, so that of one within another nothing is left.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.dedup();
        let words = forms.iter().map(|form| Finder::new(form).into_owned()).collect();
        let headers = HEADERS.iter().copied().chain(headers).map(|name| format!("{}:", name.to_ascii_lowercase()));
        Self { words, headers: headers.collect() }
    }

    /// A text of ours without them.
    #[must_use]
    pub fn out_of(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let end = bytes.len();
        let mut state = State::Plain;
        self.mask(&mut bytes, 0..end, Side::Us, true, &mut state);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Masks what is secret in `range` of `bytes`; what is before it is the context.
    fn mask(&self, bytes: &mut [u8], range: Range<usize>, side: Side, line_begins: bool, state: &mut State) {
        let start = carry_on(bytes, range.clone(), state);
        let mut found: Vec<Range<usize>> = Vec::new();
        for word in &self.words {
            let of = |at: usize| at..at + word.needle().len();
            found.extend(
                word.find_iter(bytes).map(of).filter(|found| found.end > start && is_text(bytes, found.start, side)),
            );
        }
        let mut ended = State::Plain;
        for (at, len) in self.header_lines(bytes, line_begins).filter(|(at, _)| is_text(bytes, *at, side)) {
            let (value, whole) = until(bytes, at + len, is_line_end);
            found.push(value);
            ended = if whole { ended } else { State::Header };
        }
        for at in memchr::memchr_iter(b'=', bytes) {
            if is_secret_key(bytes, at) && is_text(bytes, at, side) {
                let (value, whole) = until(bytes, at + 1, is_value_end);
                found.push(value);
                ended = if whole { ended } else { State::Value };
            }
        }
        found.extend(logins(bytes).filter(|login| is_text(bytes, login.start, side)));
        if let Some(at) = memmem::find(bytes, TUNNEL).filter(|_| side == Side::Us) {
            // What is said from here on is requests in Base64, which nobody looks into.
            if let Some(end) = memmem::find(&bytes[at..], b"\r\n\r\n").map(|end| at + end + 4) {
                found.push(end..bytes.len());
                ended = State::Tunnel;
            }
        }
        if side == Side::Us {
            found.extend(memmem::find_iter(bytes, NTLM).map(|at| at + NTLM.len()..bytes.len()));
            found.extend(soap(bytes));
        }
        for found in found {
            let found = found.start.max(start)..found.end.min(range.end);
            if found.start < found.end {
                bytes[found].fill(b'*');
            }
        }
        if !matches!(ended, State::Plain) {
            *state = ended;
        }
    }

    /// Where values of secret headers begin, and the length of their names.
    fn header_lines(&self, bytes: &[u8], line_begins: bool) -> impl Iterator<Item = (usize, usize)> {
        let first = line_begins.then_some(0);
        let lines = first.into_iter().chain(memchr::memchr_iter(b'\n', bytes).map(|at| at + 1));
        lines.filter_map(|at| {
            let begins = |name: &&String| {
                bytes.get(at..at + name.len()).is_some_and(|line| line.eq_ignore_ascii_case(name.as_bytes()))
            };
            Some((at, self.headers.iter().find(begins)?.len()))
        })
    }

    /// How many bytes at the end, after `from`, may be the begin of what is to be taken out.
    fn begun(&self, bytes: &[u8], from: usize, side: Side, line_begins: bool) -> usize {
        let fresh = &bytes[from..];
        let of_word = |word: &Finder| {
            let is_begin = |length: &usize| fresh.ends_with(&word.needle()[..*length]);
            (1..word.needle().len()).rev().find(is_begin).unwrap_or(0)
        };
        let word = self.words.iter().map(of_word).max().unwrap_or(0);
        let line = memchr::memrchr(b'\n', bytes).map(|at| at + 1).or(line_begins.then_some(0));
        let line = line.map_or(&[][..], |at| &bytes[at..]);
        let is_begin =
            |name: &String| line.len() < name.len() && name.as_bytes()[..line.len()].eq_ignore_ascii_case(line);
        let header = if self.headers.iter().any(is_begin) { line.len().min(fresh.len()) } else { 0 };
        // The authority of a URL, in which a password may stand.
        let run = bytes.iter().rev().take(MOST_AUTHORITY).take_while(|byte| !is_login_end(byte) || **byte == b'/');
        let run = &bytes[bytes.len() - run.count()..];
        let authority = memmem::rfind(run, b"://").map_or(0, |at| match run[at + 3..].iter().any(is_login_end) {
            true => 0,
            false => (run.len() - at - 3).min(fresh.len()),
        });
        let held = word.max(header).max(authority);
        if is_text(bytes, bytes.len() - held, side) { held } else { 0 }
    }
}

/// What the next bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Plain,
    /// More of a secret header's value.
    Header,
    /// More of a secret parameter's value.
    Value,
    /// What goes through a tunnel, to its end.
    Tunnel,
}

/// Takes secrets out of one direction of one stream, in any slices.
#[derive(Debug)]
pub struct Scrubber {
    secrets: Arc<Secrets>,
    side: Side,
    /// What was given out last.
    context: Vec<u8>,
    /// What may be the begin of a secret.
    held: Vec<u8>,
    state: State,
    line_begins: bool,
}

impl Scrubber {
    /// For what `side` sends.
    #[must_use]
    pub fn new(secrets: Arc<Secrets>, side: Side) -> Self {
        Self { secrets, side, context: Vec::new(), held: Vec::new(), state: State::Plain, line_begins: true }
    }

    /// The next bytes without secrets. The end of them may come with the next ones, where a secret
    /// may have begun; none are lost and none come in another order.
    #[must_use]
    pub fn handle(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.run(bytes, false)
    }

    /// What was held back.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        self.run(&[], true)
    }

    fn run(&mut self, bytes: &[u8], is_end: bool) -> Vec<u8> {
        let before = self.context.len();
        let mut all = std::mem::take(&mut self.context);
        all.append(&mut self.held);
        all.extend_from_slice(bytes);
        let range = before..all.len();
        self.secrets.mask(&mut all, range, self.side, self.line_begins, &mut self.state);
        let held = match is_end || self.state != State::Plain {
            true => 0,
            false => self.secrets.begun(&all, before, self.side, self.line_begins),
        };
        self.held = all.split_off(all.len() - held);
        let out = all.split_off(before);
        all.extend_from_slice(&out[out.len().saturating_sub(CONTEXT)..]);
        self.context = all.split_off(all.len().saturating_sub(CONTEXT));
        self.line_begins &= out.is_empty();
        out
    }
}

/// Masks the rest of a value that has begun before; where what follows begins.
fn carry_on(bytes: &mut [u8], range: Range<usize>, state: &mut State) -> usize {
    let ends = match state {
        State::Plain => return range.start,
        State::Header => is_line_end,
        State::Value => is_value_end,
        State::Tunnel => |_: &u8| false,
    };
    let (value, whole) = until(bytes, range.start, ends);
    if whole {
        *state = State::Plain;
    }
    let end = value.end;
    bytes[value].fill(b'*');
    end
}

/// From `at` up to where it ends, and whether it does.
fn until(bytes: &[u8], at: usize, ends: fn(&u8) -> bool) -> (Range<usize>, bool) {
    match bytes[at..].iter().position(ends) {
        Some(length) => (at..at + length, true),
        None => (at..bytes.len(), false),
    }
}

fn is_line_end(byte: &u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

fn is_login_end(byte: &u8) -> bool {
    byte.is_ascii_whitespace() || b"/?#\"'<>\0".contains(byte)
}

fn is_value_end(byte: &u8) -> bool {
    byte.is_ascii_whitespace() || b"&\"'<>#\0".contains(byte)
}

/// Whether what is before `at` is text, where it has to be.
fn is_text(bytes: &[u8], at: usize, side: Side) -> bool {
    let context = &bytes[at.saturating_sub(TEXT)..at];
    // What follows a picture on the same connection is text from the begin of its first line on.
    let answer = [&b"HTTP/1."[..], b"RTSP/1."].iter().filter_map(|begin| memmem::rfind(context, begin)).max();
    let context = &context[answer.unwrap_or(0)..];
    let is_control = |byte: &u8| *byte < b' ' && !byte.is_ascii_whitespace() || *byte == 0x7f;
    side == Side::Us
        || !context.iter().any(is_control) && context.iter().filter(|byte| !byte.is_ascii()).count() <= MOST_FOREIGN
}

/// Whether the `=` at `at` stands behind the name of a parameter of a URL whose value is secret.
fn is_secret_key(bytes: &[u8], at: usize) -> bool {
    let window = &bytes[at.saturating_sub(MOST_KEY)..at];
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.%".contains(byte);
    let key = window.len() - window.iter().rev().take_while(|byte| is_part(byte)).count();
    // Some makers have no other bounds than these: `/user=me_password=xyz_channel=1`.
    let begins = key.checked_sub(1).is_some_and(|before| b"?&/=;".contains(&window[before]));
    begins && std::str::from_utf8(&window[key..]).is_ok_and(media::is_secret_name)
}

/// The passwords of `//user:password@`.
fn logins(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    memmem::find_iter(bytes, b"://").filter_map(|at| {
        let rest = &bytes[at + 3..];
        let end = rest.iter().position(is_login_end).unwrap_or(rest.len());
        let login = memchr::memrchr(b'@', &rest[..end])?;
        let colon = memchr::memchr(b':', &rest[..login])?;
        Some(at + 3 + colon + 1..at + 3 + login)
    })
}

/// The contents of elements that are called `Password`.
fn soap(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    memmem::find_iter(bytes, b"Password").filter_map(|at| {
        let begin = at + memchr::memchr2(b'>', b'<', &bytes[at..])?;
        let (value, _) = until(bytes, begin + 1, |byte| *byte == b'<');
        (bytes[begin] == b'>').then_some(value)
    })
}

/// A word as it is sent: as it is, escaped for URLs and for XML, and each of them as Windows
/// writes it.
fn forms(word: &str) -> Vec<Vec<u8>> {
    let escaped = |upper: bool| {
        word.bytes().fold(String::new(), |text, byte| match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => text + &char::from(byte).to_string(),
            byte if upper => text + &format!("%{byte:02X}"),
            byte => text + &format!("%{byte:02x}"),
        })
    };
    let xml = word.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let quoted = xml.replace('"', "&quot;").replace('\'', "&apos;");
    let mut texts = vec![word.to_owned(), escaped(true), escaped(false), xml, quoted];
    texts.dedup();
    let wide = |text: &String| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    texts.iter().flat_map(|text| [text.as_bytes().to_vec(), wide(text)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Arc<Secrets> {
        Arc::new(Secrets::new(["p@ss/w0rd", "hunter2", "ab", "video"], ["X-Key"]))
    }

    fn scrubbed(side: Side, bytes: &[u8], size: usize) -> Vec<u8> {
        let mut scrubber = Scrubber::new(secrets(), side);
        let mut out: Vec<u8> = bytes.chunks(size).flat_map(|slice| scrubber.handle(slice)).collect();
        out.extend(scrubber.finish());
        out
    }

    #[test]
    fn what_lets_somebody_in_is_taken_out_of_texts_in_any_slices() {
        for (text, expected) in [
            (
                "GET /video?ab HTTP/1.1\r\nAuthorization: Basic abc=\r\nHost: cam\r\n\r\n",
                "GET /video?ab HTTP/1.1\r\nAuthorization:***********\r\nHost: cam\r\n\r\n",
            ),
            ("authorization: Digest x\n", "authorization:*********\n"),
            ("GET / HTTP/1.1\r\nx-key: 1\r\n\r\n", "GET / HTTP/1.1\r\nx-key:**\r\n\r\n"),
            ("Content-Base: rtsp://cam/hunter2/\r\n\r\n", "Content-Base: rtsp://cam/*******/\r\n\r\n"),
            ("a p%40ss%2Fw0rd b p%40ss%2fw0rd", "a ************* b *************"),
            ("Location: http://me:other@cam/x\r\n", "Location: http://me:*****@cam/x\r\n"),
            ("rtsp://cam:554/x@y", "rtsp://cam:554/x@y"),
            (
                "WWW-Authenticate: Digest realm=\"x\", nonce=\"1234\"",
                "WWW-Authenticate: Digest realm=\"x\", nonce=\"1234\"",
            ),
            ("m=video 0 RTP/AVP 96", "m=video 0 RTP/AVP 96"),
        ] {
            for size in 1..=text.len() {
                for side in [Side::Us, Side::Camera] {
                    let out = scrubbed(side, text.as_bytes(), size);
                    assert_eq!(String::from_utf8_lossy(&out), expected, "in slices of {size}");
                }
            }
        }
    }

    #[test]
    fn parameters_of_urls_are_taken_out_by_their_names() {
        let text = b"DESCRIBE rtsp://cam/user=me&password=xyz&channel=1?token=12&a=b RTSP/1.0\r\n";
        let out = scrubbed(Side::Us, text, text.len());
        let expected = "DESCRIBE rtsp://cam/user=me&password=***&channel=1?token=**&a=b RTSP/1.0\r\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
        let text = b"DESCRIBE rtsp://cam/user=me_password=xyz_channel=1_stream=0.sdp RTSP/1.0\r\n";
        let expected = "DESCRIBE rtsp://cam/user=me_password=************************** RTSP/1.0\r\n";
        for size in 1..=text.len() {
            assert_eq!(String::from_utf8_lossy(&scrubbed(Side::Us, text, size)), expected, "in slices of {size}");
        }
    }

    #[test]
    fn answers_to_ntlm_passwords_of_soap_and_texts_of_windows_are_taken_out() {
        let wide: Vec<u8> = "x/hunter2".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let out = scrubbed(Side::Us, &wide, wide.len());
        assert_eq!(out, [b"x\0/\0".as_slice(), &[b'*'; 14]].concat());
        let out = scrubbed(Side::Us, b"..NTLMSSP\0\x03\0\0\0secret", 100);
        assert_eq!(out, b"..NTLMSSP\0\x03\0\0\0******");
        let soap = b"<Username>me</Username><w:Password Type=\"x#PasswordDigest\">abc=</w:Password><Nonce>";
        let out = scrubbed(Side::Us, soap, 200);
        assert!(String::from_utf8_lossy(&out).contains("PasswordDigest\">****</w:Password><Nonce>"));
    }

    #[test]
    fn a_picture_that_holds_the_bytes_of_a_password_stays_as_it_is() {
        let mut picture = vec![0xff, 0xd8, 0, 1, 2, 3];
        picture.extend_from_slice(b"xhunter2y\nCookie: a\r\n");
        picture.extend_from_slice(&[0xff, 0xd9]);
        for size in [1, 2, 7, picture.len()] {
            let text = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n";
            let out = scrubbed(Side::Camera, &[&text[..], &picture].concat(), size);
            assert!(out.ends_with(&picture), "in slices of {size}");
        }
    }

    #[test]
    fn a_cookie_is_taken_out_of_an_answer_that_follows_a_picture() {
        let picture: Vec<u8> = (0..64).chain([0xff, 0xd9]).collect();
        for (head, left) in [
            ("HTTP/1.1 200 OK\r\nSet-Cookie: sid=77\r\n", "HTTP/1.1 200 OK\r\nSet-Cookie:*******\r\n"),
            ("RTSP/1.0 200 OK\r\nSet-Cookie: sid=77\r\n", "RTSP/1.0 200 OK\r\nSet-Cookie:*******\r\n"),
        ] {
            for size in [1, 7, 500] {
                let out = scrubbed(Side::Camera, &[&picture[..], head.as_bytes()].concat(), size);
                assert_eq!(out, [&picture[..], left.as_bytes()].concat(), "in slices of {size}");
            }
        }
    }

    #[test]
    fn nothing_is_held_back_of_a_picture() {
        let mut scrubber = Scrubber::new(secrets(), Side::Camera);
        let data: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let out = scrubber.handle(&[&data[..], &[0xff, 0xd9]].concat());
        assert_eq!(out.len(), 5002);
    }

    #[test]
    fn what_goes_through_a_tunnel_of_rtsp_is_not_kept() {
        let mut scrubber = Scrubber::new(secrets(), Side::Us);
        let head = b"POST /x HTTP/1.0\r\nContent-Type: application/x-rtsp-tunnelled\r\nContent-Length: 32767\r\n\r\n";
        assert_eq!(scrubber.handle(head), head);
        assert_eq!(scrubber.handle(b"REVTQ1JJQkU="), b"************");
        assert_eq!([scrubber.handle(b"b3I="), scrubber.finish(), scrubber.handle(b"a\r\n")].concat(), b"*******");
    }

    #[test]
    fn notes_are_cleaned_as_a_whole() {
        let text = secrets().out_of("Cookie: a\nat rtsp://me:hunter2@cam/?pwd=1");
        assert_eq!(text, "Cookie:**\nat rtsp://me:*******@cam/?pwd=*");
    }
}
