//! What comes on a connection, told apart: requests, and interleaved data between them
//! (RFC 2326 section 10.12).

use memchr::memmem;
use rtsp_types::{Message, Method, ParseError, Url, Version};

use crate::Error;

/// A request, as far as it is looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Nothing for `*`.
    pub(crate) url: Option<Url>,
    pub(crate) is_version_1: bool,
    headers: Vec<(String, String)>,
    /// It has a body.
    pub(crate) has_body: bool,
}

impl Request {
    fn of(request: &rtsp_types::Request<Vec<u8>>) -> Self {
        let headers = request.headers().map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned()));
        Self {
            method: request.method().clone(),
            url: request.request_uri().cloned(),
            is_version_1: request.version() == Version::V1_0,
            headers: headers.collect(),
            has_body: !request.body().is_empty(),
        }
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// The reading end of a connection.
#[derive(Debug)]
pub(crate) struct Reader {
    buffer: Vec<u8>,
    /// Bytes of interleaved data that are still to be passed over.
    pass_over: usize,
    /// Offset of the buffer's begin in what came.
    at: u64,
    limit: usize,
    /// Interleaved data came since this was looked at: receivers' reports.
    pub(crate) heard: bool,
}

impl Reader {
    pub(crate) fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), pass_over: 0, at: 0, limit, heard: false }
    }

    /// Takes what came. Nothing of interleaved data is kept.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        if self.buffer.is_empty() {
            let passed = self.pass_over.min(bytes.len());
            (self.pass_over, self.at) = (self.pass_over - passed, self.at + passed as u64);
            bytes = &bytes[passed..];
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Offset in what came of what waits.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// How many bytes wait.
    pub(crate) fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// The next request, if it is there as a whole.
    ///
    /// # Errors
    /// When the connection cannot go on.
    pub(crate) fn next(&mut self) -> Result<Option<Request>, Error> {
        loop {
            let passed = self.pass_over.min(self.buffer.len());
            self.drop(passed);
            self.pass_over -= passed;
            match *self.buffer.as_slice() {
                [] => return Ok(None),
                // Between messages; some clients send an empty line more.
                [b'\r' | b'\n', ..] => self.drop(1),
                [b'$', _, high, low, ..] => {
                    self.pass_over = 4 + usize::from(u16::from_be_bytes([high, low]));
                    self.heard = true;
                }
                [b'$', ..] => return Ok(None),
                _ => match self.message()? {
                    // An answer to something that we never ask.
                    Some(None) => {}
                    Some(Some(request)) => return Ok(Some(request)),
                    None => return Ok(None),
                },
            }
        }
    }

    fn drop(&mut self, count: usize) {
        self.buffer.drain(..count);
        self.at += count as u64;
    }

    /// A message at the begin of the buffer, if it is there as a whole; nothing in it if it is
    /// no request.
    fn message(&mut self) -> Result<Option<Option<Request>>, Error> {
        let window = &self.buffer[..self.buffer.len().min(self.limit)];
        // Looked for before anything is parsed, so that a request in small pieces costs no more.
        if memmem::find(window, b"\r\n\r\n").is_none() {
            return match (self.looks_right(), self.buffer.len() >= self.limit) {
                (true, false) => Ok(None),
                (true, true) => Err(self.too_long()),
                (false, _) => Err(self.not_rtsp()),
            };
        }
        match Message::<Vec<u8>>::parse(window) {
            Ok((message, length)) => {
                self.drop(length);
                Ok(Some(match message {
                    Message::Request(request) => Some(Request::of(&request)),
                    _ => None,
                }))
            }
            Err(ParseError::Incomplete(_)) if self.buffer.len() < self.limit => Ok(None),
            Err(ParseError::Incomplete(_)) => Err(self.too_long()),
            Err(ParseError::Error) => Err(self.not_rtsp()),
        }
    }

    /// Whether what is there may be the begin of a request line: text without a control
    /// character.
    fn looks_right(&self) -> bool {
        let line = self.buffer.split(|byte| *byte == b'\r').next().unwrap_or(&[]);
        line.iter().all(|byte| (b' '..0x7F).contains(byte))
    }

    fn too_long(&self) -> Error {
        Error::TooLong { at: self.at, limit: self.limit }
    }

    fn not_rtsp(&self) -> Error {
        let found = String::from_utf8_lossy(&self.buffer[..self.buffer.len().min(16)]).into_owned();
        Error::NotRtsp { at: self.at, found }
    }
}
