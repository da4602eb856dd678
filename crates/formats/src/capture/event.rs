//! What a record says, and how it is written.

use std::net::SocketAddr;

use bytes::Bytes;

use super::{HEAD, MOST_PAYLOAD, MOST_PIECE};

/// Who sent something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The camera, or the program of `exec:`.
    Camera,
    /// We.
    Us,
}

/// Something that went wrong, as whoever met it named it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Failure {
    /// The kind: a word without blanks.
    pub kind: String,
    /// A number that belongs to it: of the system, of the protocol, in microseconds.
    pub number: i64,
    /// What happened.
    pub what: String,
    /// What to do; empty for nothing.
    pub hint: String,
}

/// A moment of a capture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Microseconds since the capture began, by a clock that never runs backwards.
    pub at_us: u64,
    /// What happened then.
    pub event: Event,
}

/// What happened. A `line` is one connection or socket; no other of the capture has its number.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// What the capture is of: names and values, the URL among them without its secrets.
    About(Vec<(String, String)>),
    /// The source is opened, for the first time or again.
    Attempt,
    /// That has ended.
    Over(Failure),
    /// The addresses of a host were found, without ports.
    Resolved {
        /// The host's name.
        host: String,
        /// Its addresses, in the order in which they are tried; the ports mean nothing.
        addresses: Vec<SocketAddr>,
    },
    /// They were not.
    Unresolved {
        /// The host's name.
        host: String,
        /// Why not.
        failure: Failure,
    },
    /// A connection is begun; `place` says where to, as `host:port`.
    Dial {
        /// Which one.
        line: u32,
        /// Host and port.
        place: String,
    },
    /// It is there.
    Connected {
        /// Which one.
        line: u32,
        /// The address of the other side.
        peer: SocketAddr,
        /// Our own address.
        local: SocketAddr,
    },
    /// It is encrypted from now on; what is captured is not.
    Secured {
        /// Which one.
        line: u32,
    },
    /// It did not come to a connection, or not to its encryption.
    Failed {
        /// Which one.
        line: u32,
        /// What happened.
        failure: Failure,
    },
    /// Bytes of a stream.
    Bytes {
        /// Which one.
        line: u32,
        /// Who sent them.
        from: Side,
        /// What was sent.
        data: Bytes,
    },
    /// No more bytes come from this side: the camera has closed it, or we have.
    Closed {
        /// Which one.
        line: u32,
        /// Who.
        by: Side,
    },
    /// The connection broke.
    Broken {
        /// Which one.
        line: u32,
        /// What happened.
        failure: Failure,
    },
    /// A socket for datagrams is open; `role` says for what.
    Socket {
        /// Which one.
        line: u32,
        /// For what.
        role: String,
        /// Our own address.
        local: SocketAddr,
    },
    /// A datagram; `peer` is the camera's address.
    Datagram {
        /// Which one.
        line: u32,
        /// Who sent them.
        from: Side,
        /// The address of the other side.
        peer: SocketAddr,
        /// What was sent.
        data: Bytes,
    },
    /// The program of `exec:` has ended: its exit code, or else a signal.
    Exited {
        /// Which one.
        line: u32,
        /// What it ended with.
        code: Option<i32>,
        /// What ended it.
        signal: Option<i32>,
    },
    /// What the journal of the attempt says.
    Note(String),
    /// From here on somebody else has opened it, who is not captured.
    Elsewhere(String),
    /// The capture ends here for this reason, and not with what it is of.
    Stopped(String),
}

/// What stands in the byte for the kind.
pub(super) mod kind {
    pub const ABOUT: u8 = 1;
    pub const ATTEMPT: u8 = 2;
    pub const OVER: u8 = 3;
    pub const RESOLVED: u8 = 4;
    pub const UNRESOLVED: u8 = 5;
    pub const DIAL: u8 = 6;
    pub const CONNECTED: u8 = 7;
    pub const SECURED: u8 = 8;
    pub const FAILED: u8 = 9;
    pub const BYTES: u8 = 10;
    pub const CLOSED: u8 = 11;
    pub const BROKEN: u8 = 12;
    pub const SOCKET: u8 = 13;
    pub const DATAGRAM: u8 = 14;
    pub const EXITED: u8 = 15;
    pub const NOTE: u8 = 16;
    pub const ELSEWHERE: u8 = 17;
    pub const STOPPED: u8 = 18;
}

impl Record {
    /// Appends it to `out`. Of a text that is too long the end is left out; a long piece of a
    /// stream becomes several records.
    ///
    /// # Panics
    /// At a datagram of more than 65 535 bytes, which none can have.
    pub fn write(&self, out: &mut Vec<u8>) {
        use Event as E;
        let mut put = |kind: u8, from: Side, line: u32, payload: &[&[u8]]| {
            let length: usize = payload.iter().map(|piece| piece.len()).sum();
            assert!(length <= MOST_PAYLOAD, "a record of {length} bytes");
            out.reserve(HEAD + length);
            out.extend_from_slice(&(length as u32).to_le_bytes());
            out.extend_from_slice(&[kind, u8::from(from == Side::Us)]);
            out.extend_from_slice(&line.to_le_bytes());
            out.extend_from_slice(&self.at_us.to_le_bytes());
            payload.iter().for_each(|piece| out.extend_from_slice(piece));
        };
        let mut text = |kind, line, fields: &[&str]| put(kind, Side::Camera, line, &[&joined(fields)]);
        let failed = |failure: &Failure| {
            let Failure { kind, number, what, hint } = failure;
            [kind.clone(), number.to_string(), what.clone(), hint.clone()]
        };
        match &self.event {
            E::About(pairs) => {
                let lines: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}: {}", one_line(value))).collect();
                text(kind::ABOUT, 0, &lines.iter().map(String::as_str).collect::<Vec<_>>());
            }
            E::Attempt => text(kind::ATTEMPT, 0, &[]),
            E::Over(failure) => text(kind::OVER, 0, &failed(failure).each_ref().map(String::as_str)),
            E::Resolved { host, addresses } => {
                let mut fields = vec![host.clone()];
                fields.extend(addresses.iter().map(SocketAddr::to_string));
                text(kind::RESOLVED, 0, &fields.iter().map(String::as_str).collect::<Vec<_>>());
            }
            E::Unresolved { host, failure } => {
                let [kind, number, what, hint] = failed(failure);
                text(kind::UNRESOLVED, 0, &[host, &kind, &number, &what, &hint]);
            }
            E::Dial { line, place } => text(kind::DIAL, *line, &[place]),
            E::Connected { line, peer, local } => {
                text(kind::CONNECTED, *line, &[&peer.to_string(), &local.to_string()]);
            }
            E::Secured { line } => text(kind::SECURED, *line, &[]),
            E::Failed { line, failure } => {
                text(kind::FAILED, *line, &failed(failure).each_ref().map(String::as_str));
            }
            E::Broken { line, failure } => {
                text(kind::BROKEN, *line, &failed(failure).each_ref().map(String::as_str));
            }
            E::Bytes { line, from, data } => {
                data.chunks(MOST_PIECE).for_each(|piece| put(kind::BYTES, *from, *line, &[piece]));
            }
            E::Closed { line, by } => put(kind::CLOSED, *by, *line, &[]),
            E::Socket { line, role, local } => text(kind::SOCKET, *line, &[role, &local.to_string()]),
            E::Datagram { line, from, peer, data } => {
                put(kind::DATAGRAM, *from, *line, &[format!("{peer}\n").as_bytes(), data]);
            }
            E::Exited { line, code, signal } => {
                let number = |number: Option<i32>| number.map(|number| number.to_string()).unwrap_or_default();
                text(kind::EXITED, *line, &[&number(*code), &number(*signal)]);
            }
            E::Note(what) => put(kind::NOTE, Side::Camera, 0, &[cut(what).as_bytes()]),
            E::Elsewhere(what) => text(kind::ELSEWHERE, 0, &[what]),
            E::Stopped(what) => text(kind::STOPPED, 0, &[what]),
        }
    }
}

impl Event {
    /// The event that a record's payload tells of; nothing if it makes no sense. A kind that is
    /// not known is `Some(None)`.
    #[allow(clippy::option_option, reason = "what makes no sense, and what is for later versions")]
    pub(super) fn read(kind: u8, from: u8, line: u32, payload: &Bytes) -> Option<Option<Self>> {
        let from = if from == 0 { Side::Camera } else { Side::Us };
        if kind == kind::BYTES {
            return Some(Some(Self::Bytes { line, from, data: payload.clone() }));
        }
        if kind == kind::DATAGRAM {
            let end = payload.iter().take(64).position(|byte| *byte == b'\n')?;
            let peer = std::str::from_utf8(&payload[..end]).ok()?.parse().ok()?;
            return Some(Some(Self::Datagram { line, from, peer, data: payload.slice(end + 1..) }));
        }
        let text = String::from_utf8_lossy(payload);
        if kind == kind::NOTE {
            return Some(Some(Self::Note(text.into_owned())));
        }
        let mut fields = text.split('\n');
        let mut field = || fields.next().unwrap_or_default();
        let mut owned = || one_line(field());
        Some(Some(match kind {
            kind::ABOUT => Self::About(text.lines().filter_map(|line| pair(&one_line(line))).collect()),
            kind::ATTEMPT => Self::Attempt,
            kind::OVER => Self::Over(Failure::read(&mut owned)?),
            kind::RESOLVED => {
                let host = owned();
                let addresses = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
                Self::Resolved { host, addresses }
            }
            kind::UNRESOLVED => Self::Unresolved { host: owned(), failure: Failure::read(&mut owned)? },
            kind::DIAL => Self::Dial { line, place: owned() },
            kind::CONNECTED => Self::Connected { line, peer: field().parse().ok()?, local: field().parse().ok()? },
            kind::SECURED => Self::Secured { line },
            kind::FAILED => Self::Failed { line, failure: Failure::read(&mut owned)? },
            kind::BROKEN => Self::Broken { line, failure: Failure::read(&mut owned)? },
            kind::CLOSED => Self::Closed { line, by: from },
            kind::SOCKET => Self::Socket { line, role: owned(), local: field().parse().ok()? },
            kind::EXITED => Self::Exited { line, code: field().parse().ok(), signal: field().parse().ok() },
            kind::ELSEWHERE => Self::Elsewhere(owned()),
            kind::STOPPED => Self::Stopped(owned()),
            _ => return Some(None),
        }))
    }
}

impl Failure {
    fn read(field: &mut impl FnMut() -> String) -> Option<Self> {
        Some(Self { kind: field(), number: field().parse().ok()?, what: field(), hint: field() })
    }
}

/// Fields in one text, each in a line.
fn joined(fields: &[&str]) -> Vec<u8> {
    let text = fields.iter().map(|field| one_line(field)).collect::<Vec<_>>().join("\n");
    cut(&text).as_bytes().to_vec()
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

fn cut(text: &str) -> &str {
    let end = (0..=text.len().min(MOST_PIECE)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

fn pair(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(": ")?;
    Some((name.to_owned(), value.to_owned()))
}
