//! A client that forgives nothing.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest silence of a server.
const PATIENCE: Duration = Duration::from_secs(30);

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    headers: Headers,
    pub body: Vec<u8>,
}

type Headers = BTreeMap<String, String>;

impl Answer {
    /// A header's value; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(&name.to_ascii_lowercase()).map_or("", String::as_str)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// GET with further header lines.
#[track_caller]
pub fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    try_get(address, path, headers).unwrap_or_else(|error| panic!("GET {path}: {error}"))
}

pub fn try_get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    ask(address, format!("{request}\r\n").as_bytes())
}

/// Sends `request` as it is and reads the answer.
pub fn ask(address: SocketAddr, request: &[u8]) -> io::Result<Answer> {
    let mut socket = connect(address)?;
    // A server that has heard enough answers before it has read everything.
    let _ = socket.write_all(request);
    let mut reader = BufReader::new(socket);
    let (status, headers) = read_head(&mut reader)?;
    let mut body = Vec::new();
    match headers.get("content-length") {
        // Its headers may tell of a body that does not come, and the connection stays open.
        _ if status == 304 || request.starts_with(b"HEAD ") => {}
        Some(length) => {
            body = vec![0; length.parse().map_err(|_| io::Error::other("Content-Length is no number"))?];
            reader.read_exact(&mut body)?;
        }
        None => _ = reader.read_to_end(&mut body)?,
    }
    Ok(Answer { status, headers, body })
}

/// A connection that gives up after [`PATIENCE`].
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn read_head(reader: &mut impl BufRead) -> io::Result<(u16, Headers)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status line: {line:?}")))?;
    Ok((status, read_headers(reader)?))
}

fn read_headers(reader: &mut impl BufRead) -> io::Result<Headers> {
    let mut headers = Headers::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some(line) = line.strip_suffix("\r\n") else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("a header line ends early: {line:?}")));
        };
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line.split_once(": ").ok_or_else(|| io::Error::other(format!("no header: {line:?}")))?;
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
}

/// An MJPEG stream, read strictly: every boundary, length and marker has to be right.
pub struct Stream<R = TcpStream> {
    reader: BufReader<R>,
    boundary: String,
    headers: Headers,
}

/// A picture of a stream.
#[derive(Clone, Debug)]
pub struct Part {
    headers: Headers,
    pub data: Vec<u8>,
}

impl Part {
    /// A header's value, which must be there.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(&name.to_ascii_lowercase()).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
    }
}

impl Stream {
    #[track_caller]
    pub fn open(address: SocketAddr, path: &str) -> Self {
        Self::try_open(address, path).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    pub fn try_open(address: SocketAddr, path: &str) -> io::Result<Self> {
        Self::over(connect(address)?, path)
    }

    /// Over a connection that is there already.
    pub fn over(socket: TcpStream, path: &str) -> io::Result<Self> {
        Self::through(socket, path, |socket| socket)
    }

    pub fn socket(&self) -> &TcpStream {
        self.reader.get_ref()
    }
}

impl<R: Read> Stream<R> {
    /// Over a connection of which `reader` makes what is read from.
    pub fn through(mut socket: TcpStream, path: &str, reader: impl FnOnce(TcpStream) -> R) -> io::Result<Self> {
        socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut reader = BufReader::new(reader(socket));
        let (status, headers) = read_head(&mut reader)?;
        if status != 200 {
            let mut body = String::new();
            let _ = reader.take(1000).read_to_string(&mut body);
            return Err(io::Error::other(format!("{status}: {body}")));
        }
        let content = headers.get("content-type").cloned().unwrap_or_default();
        let boundary = content.strip_prefix("multipart/x-mixed-replace;boundary=").map(|name| format!("--{name}"));
        let boundary = boundary.ok_or_else(|| io::Error::other(format!("Content-Type: {content}")))?;
        let mut opening = String::new();
        reader.read_line(&mut opening)?;
        match opening == format!("{boundary}\r\n") {
            true => Ok(Self { reader, boundary, headers }),
            false => Err(io::Error::other(format!("expected {boundary}, found {opening:?}"))),
        }
    }

    /// A header of the answer; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(&name.to_ascii_lowercase()).map_or("", String::as_str)
    }

    /// The next picture; nothing when the stream ends in order.
    #[track_caller]
    pub fn part(&mut self) -> Option<Part> {
        self.try_part().unwrap_or_else(|error| panic!("reading a part: {error}"))
    }

    /// The next `count` pictures.
    #[track_caller]
    pub fn parts(&mut self, count: usize) -> Vec<Part> {
        (0..count).map(|at| self.part().unwrap_or_else(|| panic!("the stream ended after {at} parts"))).collect()
    }

    pub fn try_part(&mut self) -> io::Result<Option<Part>> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        if line == format!("{}--\r\n", self.boundary) {
            return match self.reader.read(&mut [0])? {
                0 => Ok(None),
                _ => Err(io::Error::other("there is more after the end")),
            };
        }
        let headers = read_headers(&mut line.as_bytes().chain(&mut self.reader))?;
        let length = headers.get("content-length").and_then(|length| length.parse().ok());
        let length: usize = length.ok_or_else(|| io::Error::other(format!("no length in {headers:?}")))?;
        let mut data = vec![0; length];
        self.reader.read_exact(&mut data)?;
        if !data.starts_with(&[0xff, 0xd8]) || !data.ends_with(&[0xff, 0xd9]) {
            return Err(io::Error::other("a picture is torn"));
        }
        let between = format!("\r\n{}\r\n", self.boundary);
        let mut found = vec![0; between.len()];
        self.reader.read_exact(&mut found)?;
        match found == between.as_bytes() {
            true => Ok(Some(Part { headers, data })),
            false => Err(io::Error::other(format!("{:?} after a picture", String::from_utf8_lossy(&found)))),
        }
    }
}
