//! RTSP/1.0 messages and interleaved data as they come on one connection (RFC 2326 sections
//! 4, 6, 7 and 10.12), and the text of those that we send.

use std::fmt::Write as _;

use bytes::{Buf, Bytes, BytesMut};

use crate::{Error, Limits};

/// The most header lines of a message.
const MAX_HEADERS: usize = 256;
/// The most characters of a foreign text in an error.
const SHOWN: usize = 80;
/// The most bytes that an empty buffer keeps; a description can have megabytes.
const MOST_IDLE: usize = 256 << 10;
/// What an error calls a message.
const MESSAGE: &str = "RTSP message";

/// What comes on the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// An answer or a request.
    Message(Message),
    /// Interleaved binary data: `$`, channel, length, data.
    Frame {
        /// Even for RTP, odd for RTCP, as SETUP agreed.
        channel: u8,
        /// What stood in the frame.
        data: Bytes,
    },
}

/// The first line of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// `RTSP/1.0 200 OK`.
    Answer { status: u16, reason: String },
    /// `OPTIONS rtsp://host/path RTSP/1.0`.
    Request { method: String, uri: String },
}

/// An answer or a request. Text is taken as ISO 8859-1, so that no byte is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub first: First,
    /// Names and values in order, without the blanks around them.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Message {
    /// The first value under this name, in capitals or not.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value under this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The number under this name.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.header(name)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    /// Whether a list under this name, separated by commas, has this word.
    pub fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name).flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(word))
    }

    /// The media type without its parameters, in small letters; empty when there is none.
    pub fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split([';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The session and after how many seconds of silence it ends (RFC 2326 section 12.37).
    pub fn session(&self) -> Option<(&str, Option<u32>)> {
        let mut parts = self.header("session")?.split(';').map(str::trim);
        let id = parts.next().filter(|id| !id.is_empty() && id.len() <= MAX_SESSION)?;
        let timeout = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("timeout").then(|| value.trim().parse().ok())?
        });
        Some((id, timeout))
    }
}

/// The most characters of a session's name; Windows Media's have 20 ([MS-RTSP] 3.2.5.1).
const MAX_SESSION: usize = 256;

/// Cuts what comes on a connection into messages and frames, in whatever slices it comes.
///
/// Taken as they come: blank lines between messages, any line ends, names in any spelling,
/// folded lines, lines without a colon. What is buffered is bounded by one message or frame.
#[derive(Debug)]
pub(crate) struct Reader {
    limits: Limits,
    buffer: BytesMut,
    /// How many bytes of `buffer` are known to have no line end.
    scanned: usize,
    /// Offset of `buffer` in the bytes of the connection.
    at: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Between,
    /// In the header lines, with the bytes of the head so far.
    Head(Message, usize),
    Body(Message, usize),
}

impl Reader {
    /// A reader before the first byte. `limits.message` bounds a head, twice `limits.header` a
    /// body, since an ASF file header comes in base64 within one.
    pub fn new(limits: Limits) -> Self {
        Self { limits, buffer: BytesMut::new(), scanned: 0, at: 0, state: State::Between }
    }

    /// Takes bytes from the connection. To be followed by [`Reader::next`] until it gives nothing.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// How many bytes wait to become a message.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The next message or frame that is whole.
    ///
    /// # Errors
    /// When the bytes are no RTSP, or a bound is passed. The connection is then of no more use.
    pub fn next(&mut self) -> Result<Option<Input>, Error> {
        loop {
            match std::mem::replace(&mut self.state, State::Between) {
                State::Between => {
                    let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                    self.take(blank);
                    match self.buffer.first() {
                        None => return Ok(None),
                        Some(b'$') => return self.frame(),
                        Some(byte) if byte.is_ascii_alphabetic() => (),
                        Some(_) => return Err(self.other_protocol(&self.buffer)),
                    }
                    let at = self.at;
                    let Some(line) = self.line(0)? else { return Ok(None) };
                    let first = first_line(&line).ok_or_else(|| other_protocol(at, &line))?;
                    let message = Message { first, headers: Vec::new(), body: Bytes::new() };
                    self.state = State::Head(message, line.len());
                }
                State::Head(mut message, length) => {
                    let Some(line) = self.line(length)? else {
                        self.state = State::Head(message, length);
                        return Ok(None);
                    };
                    let text = line.trim_ascii_end();
                    if text.is_empty() {
                        self.state = State::Body(message, 0);
                        if let State::Body(message, length) = &mut self.state {
                            *length = body_length(message, &self.limits)?;
                        }
                    } else {
                        header_line(&mut message, text)?;
                        self.state = State::Head(message, length + line.len());
                    }
                }
                State::Body(mut message, length) => {
                    if self.buffer.len() < length {
                        self.state = State::Body(message, length);
                        return Ok(None);
                    }
                    message.body = self.take(length);
                    return Ok(Some(Input::Message(message)));
                }
            }
        }
    }

    fn frame(&mut self) -> Result<Option<Input>, Error> {
        let [_, channel, high, low, ..] = self.buffer[..] else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if self.buffer.len() < 4 + length {
            return Ok(None);
        }
        self.take(4);
        let data = self.take(length);
        Ok(Some(Input::Frame { channel, data }))
    }

    /// The next line with its end, of a head that has `before` bytes already.
    fn line(&mut self, before: usize) -> Result<Option<Bytes>, Error> {
        let end =
            self.buffer.iter().skip(self.scanned).position(|byte| *byte == b'\n').map(|end| self.scanned + end + 1);
        let length = end.unwrap_or(self.buffer.len());
        if before + length > self.limits.message {
            return Err(Error::TooLarge {
                what: "head of an RTSP message",
                size: (before + length) as u64,
                limit: self.limits.message as u64,
            });
        }
        match end {
            Some(end) => Ok(Some(self.take(end))),
            None => {
                self.scanned = length;
                Ok(None)
            }
        }
    }

    /// A copy: what is handed out must not keep the whole buffer.
    fn take(&mut self, length: usize) -> Bytes {
        self.scanned = 0;
        self.at += length as u64;
        let taken = Bytes::copy_from_slice(&self.buffer[..length]);
        self.buffer.advance(length);
        if self.buffer.is_empty() && self.buffer.capacity() > MOST_IDLE {
            self.buffer = BytesMut::new();
        }
        taken
    }

    fn other_protocol(&self, found: &[u8]) -> Error {
        other_protocol(self.at, found)
    }
}

fn other_protocol(at: u64, found: &[u8]) -> Error {
    let found: String = found.iter().take(SHOWN).copied().map(char::from).collect();
    let found = found.lines().next().unwrap_or_default();
    Error::OtherProtocol { at, expected: "an RTSP message", found: format!("{found:?}") }
}

fn first_line(line: &[u8]) -> Option<First> {
    let text = latin1(line.trim_ascii());
    let is_version = |word: &str| word.get(..5).is_some_and(|begin| begin.eq_ignore_ascii_case("RTSP/"));
    let (word, rest) = text.split_once([' ', '\t'])?;
    let rest = rest.trim();
    if is_version(word) {
        let (status, reason) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let status = Some(status).filter(|status| status.len() == 3)?.parse().ok()?;
        return Some(First::Answer { status, reason: shown(reason.trim()) });
    }
    let (uri, version) = rest.rsplit_once([' ', '\t'])?;
    let is_method = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !is_version(version) || !word.chars().all(is_method) {
        return None;
    }
    Some(First::Request { method: word.to_ascii_uppercase(), uri: uri.trim().to_owned() })
}

/// A text of the server's for messages: without what a terminal obeys, and not for ever.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}

fn header_line(message: &mut Message, line: &[u8]) -> Result<(), Error> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        // A line that goes on (RFC 2616 section 2.2).
        if let Some((_, value)) = message.headers.last_mut() {
            value.push(' ');
            value.push_str(latin1(line).trim());
        }
        return Ok(());
    }
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return Ok(()) };
    if message.headers.len() == MAX_HEADERS {
        return Err(malformed(format!("more than {MAX_HEADERS} header lines")));
    }
    let part = |bytes: &[u8]| latin1(bytes.trim_ascii());
    message.headers.push((part(&line[..colon]), part(&line[colon + 1..])));
    Ok(())
}

fn body_length(message: &Message, limits: &Limits) -> Result<usize, Error> {
    let Some(value) = message.header("content-length") else { return Ok(0) };
    let length: u64 = value.parse().map_err(|_| {
        malformed(format!(
            "expected a number as Content-Length, found {:?}",
            value.chars().take(SHOWN).collect::<String>()
        ))
    })?;
    let limit = (limits.header as u64).saturating_mul(2);
    if length > limit {
        return Err(Error::TooLarge { what: "body of an RTSP message", size: length, limit });
    }
    usize::try_from(length).map_err(|_| malformed(format!("a body of {length} bytes")))
}

fn malformed(what: String) -> Error {
    Error::Malformed { message: MESSAGE, what }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The text of a message that we send. Values keep to their line, whatever they hold.
#[derive(Debug)]
pub(crate) struct Writer(String);

impl Writer {
    /// A request of ours.
    pub fn request(method: &str, uri: &str, cseq: u32) -> Self {
        Self(format!("{method} {uri} RTSP/1.0\r\n")).header("CSeq", cseq)
    }

    /// An answer of ours to a request with this `CSeq`, which may be any text.
    pub fn answer(status: u16, cseq: Option<&str>) -> Self {
        let writer = Self(format!("RTSP/1.0 {status} {}\r\n", reason(status)));
        match cseq {
            Some(cseq) => writer.header("CSeq", cseq),
            None => writer,
        }
    }

    pub fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        let begin = self.0.len();
        // Writing into a string does not fail.
        let _ = write!(self.0, "{name}: {value}");
        if self.0[begin..].contains(char::is_control) {
            let clean: String = self.0[begin..].chars().filter(|c| !c.is_control()).collect();
            self.0.truncate(begin);
            self.0.push_str(&clean);
        }
        self.0.push_str("\r\n");
        self
    }

    /// As [`Writer::header`], when there is a value.
    pub fn maybe(self, name: &str, value: Option<impl std::fmt::Display>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    /// The whole message.
    pub fn finish(self) -> Bytes {
        (self.0 + "\r\n").into()
    }

    /// The whole message with a body of this type.
    pub fn body(self, media_type: &str, body: &[u8]) -> Bytes {
        let head = self.header("Content-Type", media_type).header("Content-Length", body.len());
        let mut message = (head.0 + "\r\n").into_bytes();
        message.extend_from_slice(body);
        message.into()
    }
}

/// Data in a frame for the connection; nothing if it does not fit into one.
pub(crate) fn frame(channel: u8, parts: &[&[u8]]) -> Option<Bytes> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let [high, low] = u16::try_from(length).ok()?.to_be_bytes();
    let mut frame = Vec::with_capacity(4 + length);
    frame.extend_from_slice(&[b'$', channel, high, low]);
    parts.iter().for_each(|part| frame.extend_from_slice(part));
    Some(frame.into())
}

/// RFC 2326 section 7.1.1.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        412 => "Precondition Failed",
        451 => "Parameter Not Understood",
        453 => "Not Enough Bandwidth",
        454 => "Session Not Found",
        455 => "Method Not Valid in This State",
        457 => "Invalid Range",
        459 => "Aggregate Operation Not Allowed",
        461 => "Unsupported Transport",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        551 => "Option not supported",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests;
