//! The head of an answer.

use memchr::memchr;

use crate::Error;

/// The longest head, in bytes, interim answers included.
pub const MAX_HEAD: usize = 64 << 10;
/// The most header lines.
pub const MAX_HEADERS: usize = 256;

/// The head of an answer.
///
/// Text is taken as ISO 8859-1, so that no byte is lost and none is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status; 200 when there was no head at all (HTTP/0.9).
    pub status: u16,
    /// What stood behind the status.
    pub reason: String,
    /// Names and values in order, without the blanks around them.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// What a body without a head is taken for.
    fn bare() -> Self {
        Self { status: 200, reason: String::new(), headers: Vec::new() }
    }

    /// The first value under this name, in capitals or not.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value under this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The media type without its parameters, in small letters; empty when there is none.
    #[must_use]
    pub fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split([';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Whether the body comes in chunks.
    #[must_use]
    pub fn is_chunked(&self) -> bool {
        self.all("transfer-encoding").any(|value| value.to_ascii_lowercase().contains("chunked"))
    }

    /// The length that the head gives for the body, if it is a number.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }
}

/// Reads the head of an answer from the bytes at its beginning.
///
/// Taken as they come: `HTTP/1.0 200`, `ICY 200 OK`, interim answers (100), any line
/// ends, folded lines, blanks before the colon, lines without one, no blank line before
/// a boundary or a picture, and no head at all.
#[derive(Debug, Default)]
pub struct HeadParser {
    /// Begin of the first line that is not yet read.
    at: usize,
    head: Option<Head>,
}

impl HeadParser {
    /// A parser before the first byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads on. `bytes` is everything that has come so far, from the first byte on. When
    /// the head is whole, gives it with the offset at which the body begins.
    ///
    /// # Errors
    /// When the head has no status, or is too long.
    pub fn parse(&mut self, bytes: &[u8]) -> Result<Option<(Head, usize)>, Error> {
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            match &mut self.head {
                None => {
                    let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                    match begins_head(&rest[blank..]) {
                        Some(true) => (),
                        Some(false) => return Ok(Some((Head::bare(), self.at))),
                        None => return within_limit(self.at + blank).map(|()| None),
                    }
                    self.at += blank;
                }
                // A body that does not wait for the blank line.
                Some(_) if rest.starts_with(&[0xFF, 0xD8]) || rest.starts_with(b"--") => {
                    return Ok(Some(self.finish().unwrap_or_else(|| (Head::bare(), self.at))));
                }
                Some(_) => (),
            }
            let rest = bytes.get(self.at..).unwrap_or_default();
            let Some(end) = memchr(b'\n', rest) else {
                return within_limit(bytes.len()).map(|()| None);
            };
            self.at += end + 1;
            within_limit(self.at)?;
            let line = rest[..end].trim_ascii_end();
            match &mut self.head {
                None => self.head = Some(status_line(line)?),
                Some(_) if line.is_empty() => {
                    if let Some(whole) = self.finish() {
                        return Ok(Some(whole));
                    }
                }
                Some(head) => header_line(head, line)?,
            }
        }
    }

    /// Hands the head out; an interim one is forgotten.
    fn finish(&mut self) -> Option<(Head, usize)> {
        let head = self.head.take()?;
        ((200..).contains(&head.status) || head.status == 101).then_some((head, self.at))
    }
}

fn within_limit(length: usize) -> Result<(), Error> {
    if length > MAX_HEAD { Err(Error::HttpHead { limit: "64 KiB" }) } else { Ok(()) }
}

/// Whether the bytes begin a status line, or nothing as long as they are too few.
fn begins_head(bytes: &[u8]) -> Option<bool> {
    let begins = |name: &[u8]| {
        let common = bytes.len().min(name.len());
        bytes[..common].eq_ignore_ascii_case(&name[..common]).then_some(common == name.len())
    };
    match begins(b"HTTP/").or_else(|| begins(b"ICY ")) {
        Some(true) => Some(true),
        Some(false) => None,
        None => Some(false),
    }
}

fn status_line(line: &[u8]) -> Result<Head, Error> {
    let text = latin1(line);
    let (_version, rest) = text.split_once([' ', '\t']).unwrap_or_default();
    let mut words = rest.trim_start().splitn(2, [' ', '\t']);
    let status = words.next().filter(|word| word.len() == 3).and_then(|word| word.parse().ok());
    let Some(status) = status.filter(|status| *status >= 100) else {
        return Err(Error::HttpStatus { found: text.chars().take(80).collect() });
    };
    Ok(Head { status, reason: words.next().unwrap_or_default().trim().to_owned(), headers: Vec::new() })
}

fn header_line(head: &mut Head, line: &[u8]) -> Result<(), Error> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        // RFC 9112 5.2: a line that goes on.
        if let Some((_, value)) = head.headers.last_mut() {
            value.push(' ');
            value.push_str(latin1(line).trim());
        }
        return Ok(());
    }
    let Some(colon) = memchr(b':', line) else {
        return Ok(());
    };
    if head.headers.len() == MAX_HEADERS {
        return Err(Error::HttpHead { limit: "256 headers" });
    }
    let part = |bytes: &[u8]| latin1(bytes.trim_ascii());
    head.headers.push((part(&line[..colon]), part(&line[colon + 1..])));
    Ok(())
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, headers and body, as a line.
    fn read(bytes: &[u8], size: usize) -> Result<Option<String>, Error> {
        let mut parser = HeadParser::new();
        let mut end = 0;
        while end < bytes.len() {
            end = bytes.len().min(end + size);
            if let Some((head, body)) = parser.parse(&bytes[..end])? {
                let headers: Vec<_> = head.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
                let body = latin1(&bytes[body..]);
                return Ok(Some(format!("{} {}|{}|{body}", head.status, head.reason, headers.join(","))));
            }
        }
        Ok(None)
    }

    #[test]
    fn heads_are_taken_as_they_come_in_any_slices() {
        for (bytes, expected) in [
            (&b"HTTP/1.1 200 OK\r\nA: 1\r\nB:2\r\n\r\nbody"[..], "200 OK|A=1,B=2|body"),
            (b"HTTP/1.0 200\r\n\r\nbody", "200 ||body"),
            (b"ICY 200 OK\r\nicy-name:x\r\n\r\nbody", "200 OK|icy-name=x|body"),
            (b"http/1.1 404 Not Found\n\nbody", "404 Not Found||body"),
            (b"HTTP/1.1 200 OK\nA : 1\n\nbody", "200 OK|A=1|body"),
            (b"HTTP/1.1  200 OK\r\nA: 1\r\n 2\r\nno colon\r\nA: 3\r\n\r\nbody", "200 OK|A=1 2,A=3|body"),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody", "200 OK||body"),
            (b"HTTP/1.0 200 OK\r\nA: 1\r\n--b\r\nC: 1", "200 OK|A=1|--b\r\nC: 1"),
            (b"HTTP/1.0 200 OK\r\n\xFF\xD8\xFF", "200 OK||\u{FF}\u{D8}\u{FF}"),
            (b"\xFF\xD8\xFF\xE0", "200 ||\u{FF}\u{D8}\u{FF}\u{E0}"),
            (b"--b\r\n", "200 ||--b\r\n"),
            (b"\r\n--b\r\n", "200 ||\r\n--b\r\n"),
            (b"\r\nHTTP/1.1 401 \xE9\r\n\r\n", "401 \u{E9}||"),
            (b"HTTP/1.1 200 OK\r\nA: b: c\r\n\r\n", "200 OK|A=b: c|"),
        ] {
            for size in 1..=bytes.len() {
                assert_eq!(read(bytes, size), Ok(Some(expected.to_owned())), "in slices of {size}");
            }
        }
    }

    #[test]
    fn a_head_that_does_not_end_is_an_error_at_the_limit() {
        let long = [b"HTTP/1.1 200 OK\r\nA: ".to_vec(), vec![b'x'; MAX_HEAD]].concat();
        let error = "the head of the HTTP answer does not end within 64 KiB; is an HTTP server listening on this port?";
        assert_eq!(read(&long, 1000).unwrap_err().to_string(), error);
        assert_eq!(read(&long[..MAX_HEAD], 1000), Ok(None));
        assert!(read(&vec![b' '; MAX_HEAD + 1], 100).is_err());
        let many = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"A: 1\r\n".repeat(MAX_HEADERS + 1)].concat();
        assert!(read(&many, 100).is_err());
    }

    #[test]
    fn what_is_no_status_is_shown() {
        let error = read(b"HTTP/1.1 OK\r\n\r\n", 100).unwrap_err();
        assert_eq!(error.to_string(), "expected an HTTP status line such as `HTTP/1.1 200 OK`, found \"HTTP/1.1 OK\"");
    }

    #[test]
    fn values_are_found_by_any_spelling_of_their_name() {
        let bytes = b"HTTP/1.1 200 OK\r\nCONTENT-TYPE: Image/JPEG; a=b\r\ntransfer-encoding: Chunked\r\ncontent-length: 7\r\n\r\n";
        let (head, _) = HeadParser::new().parse(bytes).unwrap().unwrap();
        assert_eq!(
            (head.media_type().as_str(), head.is_chunked(), head.content_length()),
            ("image/jpeg", true, Some(7))
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(begin in "(HTTP/1.[01] |ICY |)", bytes: Vec<u8>, size in 1..50usize) {
            let _ = read(&[begin.into_bytes(), bytes].concat(), size);
        }

        #[test]
        fn no_text_panics_and_slicing_never_matters(text in "HTTP/1.1 [0-9]{0,3} ?[a-zA-Z :\r\n\t-]{0,200}", size in 1..50usize) {
            proptest::prop_assert_eq!(read(text.as_bytes(), size), read(text.as_bytes(), text.len()));
        }
    }
}
