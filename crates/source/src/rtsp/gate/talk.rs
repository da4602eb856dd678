//! What is said between client and camera, as a machine with no socket.
//!
//! It puts the camera's own URL into requests, answers the camera's questions for a password,
//! numbers requests, and hands on what comes in a form that no client stumbles over. What a
//! camera may say is bounded here.

mod words;

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use formats::http::Head;
use memchr::{memchr2_iter, memmem};

pub(super) use self::words::framed;
use self::words::{based, differs, head, is_head, may_be, packets, pair, pair_or_one, parameter, size_of, tell_zeros};
use super::Verdict;
use crate::Error;
use crate::http::Auth;
use crate::location::Location;
use crate::rtsp::sounds::{self, Sound};

/// The longest head of an answer, in bytes; its most lines.
pub(super) const MOST_HEAD: usize = 64 << 10;
const MOST_LINES: usize = 256;
/// The longest body: session descriptions have some thousand bytes.
pub(super) const MOST_BODY: usize = 256 << 10;
/// Bytes in a row that are neither a packet nor an answer.
const MOST_GARBAGE: usize = 64 << 10;
/// Answers to challenges that are out of date, in a row (RFC 7616 section 3.3).
const MOST_STALE: u32 = 2;
/// Tracks that are set up.
pub(super) const MOST_SETUPS: usize = 8;
/// A request of the client's.
const MOST_ASKED: usize = 64 << 10;

/// How RTP is to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::rtsp) enum Carriage {
    /// In the connection; datagrams where the camera refuses that and it may.
    Tcp { or_udp: bool },
    /// In datagrams; in the connection where the camera refuses those.
    Udp,
}

/// A request that the camera has not answered.
#[derive(Debug)]
struct Pending {
    method: String,
    target: String,
    /// The client's number for it.
    number: String,
    /// Header lines as the client wrote them, without those that are ours.
    lines: Vec<String>,
    /// Channels that it wants, of SETUP.
    channels: Option<(u8, u8)>,
}

/// A track that the camera has set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rtsp) struct Setup {
    target: String,
    /// Those of RTP and RTCP, as the packets have them.
    pub(in crate::rtsp) channels: (u8, u8),
    /// RTP time at the begin of the session, where the camera tells it.
    pub(in crate::rtsp) zero: Option<u32>,
}

#[cfg(test)]
impl Setup {
    pub(in crate::rtsp) fn on(channels: (u8, u8)) -> Self {
        Self { target: String::new(), channels, zero: None }
    }
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Give it to the client.
    ToClient(Bytes),
    /// Whole packets, framed: take them in.
    Packets(Bytes),
    /// Send it to the camera.
    ToCamera(Bytes),
    /// Open two sockets for the datagrams of these channels, and have [`Talk::opened`] told.
    Open { channels: (u8, u8) },
    /// The camera sends the datagrams of these channels from these ports.
    Hear { channels: (u8, u8), ports: Option<(u16, u16)>, source: Option<String> },
}

pub(super) struct Talk {
    there: Location,
    /// What our URLs begin with, with the word that only our client knows.
    here: String,
    carriage: Carriage,
    auth: Auth,
    user: String,
    password: Option<String>,
    stale: u32,
    asked: Vec<u8>,
    pending: Option<Pending>,
    /// The number of the last request to the camera.
    number: u32,
    /// The camera has answered something that makes sense.
    answered: bool,
    /// The client has shown the word.
    known: bool,
    garbage: usize,
    /// The camera hangs up when it is asked for parameters.
    shy: bool,
    /// It refuses to be asked for them while it plays.
    declines: bool,
    /// In the order in which they were.
    pub(super) setups: Vec<Setup>,
    pub(super) plays: bool,
    /// What it plays, and the header line that says in which session, until the client ends that.
    session: Option<(String, String)>,
    /// How large the session description says that pictures are.
    size: Option<(u16, u16)>,
    /// The client is `retina`, which does not know all that we do.
    pub(super) renames: bool,
    /// What it was told by another name.
    pub(super) renamed: Vec<Sound>,
    pub(super) heads_of_answers: Vec<Bytes>,
    pub(super) deeds: VecDeque<Deed>,
}

impl Talk {
    pub(super) fn new(there: Location, here: String, carriage: Carriage, shy: bool) -> Self {
        let user = there.user.clone().unwrap_or_default();
        let password = there.user.as_ref().map(|_| there.password.clone().unwrap_or_default());
        let there = Location { user: None, password: None, ..there };
        Self {
            there,
            here,
            carriage,
            auth: Auth::default(),
            user,
            password,
            stale: 0,
            asked: Vec::new(),
            pending: None,
            number: 0,
            answered: false,
            known: false,
            garbage: 0,
            shy,
            declines: false,
            setups: Vec::new(),
            plays: false,
            session: None,
            size: None,
            renames: false,
            renamed: Vec::new(),
            heads_of_answers: Vec::new(),
            deeds: VecDeque::new(),
        }
    }

    /// The method of the request that waits for its answer.
    pub(super) fn waits_for(&self) -> Option<&str> {
        self.pending.as_ref().map(|pending| pending.method.as_str())
    }

    /// Whether that is a sign of life, or may be.
    pub(super) fn waits_for_sign(&self) -> bool {
        matches!(self.waits_for(), Some("OPTIONS" | "GET_PARAMETER" | "SET_PARAMETER"))
    }

    /// Sends the request that waits for its answer once more, if one does: it was not heard.
    pub(super) fn ask_again(&mut self) {
        self.ask(None);
    }

    /// Whether RTP comes in datagrams.
    pub(super) fn is_udp(&self) -> bool {
        self.carriage == Carriage::Udp
    }

    /// How large the session description says that pictures are, in pixels.
    pub(super) fn described_size(&self) -> Option<(u16, u16)> {
        self.size
    }

    /// Takes what the client sends.
    ///
    /// # Errors
    /// When it is no client of ours.
    pub(super) fn handle_client(&mut self, bytes: &[u8]) -> Result<(), Verdict> {
        self.asked.extend_from_slice(bytes);
        loop {
            if let [b'$', _, high, low, ..] = *self.asked.as_slice() {
                let length = 4 + usize::from(u16::from_be_bytes([high, low]));
                if self.asked.len() < length {
                    return Ok(());
                }
                let report = self.asked.drain(..length).collect::<Vec<_>>();
                if !self.is_udp() {
                    self.deeds.push_back(Deed::ToCamera(report.into()));
                }
                continue;
            }
            let Some(end) = memmem::find(&self.asked, b"\r\n\r\n") else {
                return if self.asked.len() > MOST_ASKED { Err(Verdict::stranger()) } else { Ok(()) };
            };
            let head = self.asked.drain(..end + 4).collect::<Vec<_>>();
            self.request(&String::from_utf8_lossy(&head[..end]))?;
        }
    }

    fn request(&mut self, head: &str) -> Result<(), Verdict> {
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Err(Verdict::stranger()) };
        self.known |= target.starts_with(&self.here);
        if !self.known {
            return Err(Verdict::stranger());
        }
        let mut number = String::from("0");
        let mut kept = Vec::new();
        let mut channels = None;
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "cseq" => number = value.into(),
                "authorization" => {}
                "transport" => {
                    channels = parameter(value, "interleaved")
                        .and_then(pair)
                        .and_then(|(a, b)| Some((u8::try_from(a).ok()?, u8::try_from(b).ok()?)));
                    if channels.is_none() {
                        kept.push(line.into());
                    }
                }
                _ => kept.push(line.into()),
            }
        }
        let target = self.target(target);
        // A sign of life that it takes, in place of one that it refuses.
        let method = if self.declines && is_of_parameters(method) { "OPTIONS" } else { method };
        if method == "TEARDOWN" {
            self.session = None;
        }
        self.pending = Some(Pending { method: method.into(), target, number, lines: kept, channels });
        self.stale = 0;
        match (channels, self.carriage) {
            (Some(channels), Carriage::Udp) => self.deeds.push_back(Deed::Open { channels }),
            (Some((a, b)), _) => self.ask(Some(format!("RTP/AVP/TCP;unicast;interleaved={a}-{b}"))),
            (None, _) => self.ask(None),
        }
        Ok(())
    }

    /// The sockets for datagrams have these ports.
    pub(super) fn opened(&mut self, (rtp, rtcp): (u16, u16)) {
        self.ask(Some(format!("RTP/AVP;unicast;client_port={rtp}-{rtcp}")));
    }

    /// What the camera calls what the client calls `target`.
    fn target(&self, target: &str) -> String {
        let bare = self.here.rfind('/').map_or("", |at| &self.here[..at]);
        let rest = target.strip_prefix(&self.here).or_else(|| target.strip_prefix(bare));
        match rest {
            Some(rest) => format!("{}://{}{rest}", self.there.scheme, self.there.authority(0)),
            None => target.into(),
        }
    }

    /// Sends the pending request to the camera.
    fn ask(&mut self, transport: Option<String>) {
        let Some(pending) = &mut self.pending else { return };
        self.number += 1;
        let Pending { method, target, lines, .. } = pending;
        if let Some(transport) = transport {
            lines.retain(|line| !line.starts_with("Transport:"));
            lines.push(format!("Transport: {transport}"));
        }
        let mut text = format!("{method} {target} RTSP/1.0\r\nCSeq: {}\r\n", self.number);
        if let Some(password) = &self.password
            && let Some(answer) = self.auth.header(&self.user, password, method, target, b"")
        {
            text += &format!("Authorization: {answer}\r\n");
        }
        lines.iter().for_each(|line| text += &format!("{line}\r\n"));
        text += "\r\n";
        self.deeds.push_back(Deed::ToCamera(text.into()));
    }

    /// Packets have come that were taken without asking here.
    pub(super) fn had_packets(&mut self) {
        self.garbage = 0;
    }

    /// Takes what the camera sent, as far as it is whole, out of `buffer`.
    ///
    /// # Errors
    /// What is wrong with the camera.
    pub(super) fn handle_camera(&mut self, buffer: &mut BytesMut) -> Result<(), Verdict> {
        loop {
            let run = packets(buffer);
            if run > 0 {
                self.garbage = 0;
                self.deeds.push_back(Deed::Packets(buffer.split_to(run).freeze()));
            }
            match buffer.first() {
                None | Some(b'$') => return Ok(()),
                // Between messages; some cameras send an empty line more.
                Some(b'\r' | b'\n') => buffer.advance(1),
                Some(_) if !self.answered && !may_be(buffer, b"RTSP/") => {
                    // Whatever it is, it is no RTSP; the client says so.
                    self.deeds.push_back(Deed::ToClient(buffer.split().freeze()));
                    return Ok(());
                }
                Some(_) if is_head(buffer) => match self.message(buffer)? {
                    true => {}
                    false => return Ok(()),
                },
                Some(_) => self.skip(buffer)?,
            }
        }
    }

    /// Passes over what is neither a packet nor a message.
    fn skip(&mut self, buffer: &mut BytesMut) -> Result<(), Verdict> {
        let mut begins = memchr2_iter(b'$', b'R', buffer).filter(|at| *at > 0);
        let at = begins.find(|at| match buffer[*at] {
            b'$' => buffer.get(at + 1).is_none_or(|channel| *channel < 32),
            _ => may_be(&buffer[*at..], b"RTSP/1."),
        });
        let at = at.unwrap_or(buffer.len());
        self.garbage += at;
        if self.garbage > MOST_GARBAGE {
            return Err(self.broken(format_args!("{} bytes in a row make no sense", self.garbage)));
        }
        tracing::debug!(bytes = at, "garbage between packets");
        buffer.advance(at);
        Ok(())
    }

    /// Takes one answer or request of the camera's; `false` if it is not whole yet.
    fn message(&mut self, buffer: &mut BytesMut) -> Result<bool, Verdict> {
        let window = &buffer[..buffer.len().min(MOST_HEAD)];
        let Some((head, line, length)) = head(window) else {
            if buffer.len() >= MOST_HEAD {
                return Err(self.broken(format_args!("the head of an answer is longer than {MOST_HEAD} bytes")));
            }
            return Ok(false);
        };
        if head.headers.len() > MOST_LINES {
            return Err(self.broken(format_args!("the head of an answer has more than {MOST_LINES} lines")));
        }
        let body = head.header("content-length").map_or(Ok(0), str::parse::<u64>).unwrap_or(u64::MAX);
        if body > MOST_BODY as u64 {
            let said = head.header("content-length").unwrap_or_default();
            return Err(self.broken(format_args!(
                "an answer of {} bytes is announced; at most {MOST_BODY} are read",
                said.chars().take(24).collect::<String>()
            )));
        }
        let whole = length + body as usize;
        if buffer.len() < whole {
            return Ok(false);
        }
        self.garbage = 0;
        let message = buffer.split_to(whole).freeze();
        self.heads_of_answers.push(message.slice(..length));
        match line.starts_with("RTSP/") {
            true => self.answer(&head, &line, message.slice(length..))?,
            false => self.asked_by_camera(&head, &line)?,
        }
        Ok(true)
    }

    /// Answers what the camera asks, which some do to see whether we live.
    fn asked_by_camera(&mut self, head: &Head, line: &str) -> Result<(), Verdict> {
        if line.starts_with("REDIRECT ")
            && let Some(to) = head.header("location")
        {
            return Err(Verdict::Moved { status: 302, to: to.into() });
        }
        let number = head.header("cseq").unwrap_or("0");
        self.deeds.push_back(Deed::ToCamera(format!("RTSP/1.0 200 OK\r\nCSeq: {number}\r\n\r\n").into()));
        Ok(())
    }

    fn answer(&mut self, head: &Head, line: &str, mut body: Bytes) -> Result<(), Verdict> {
        self.answered = true;
        // One too many, or too late: whom it would be for has gone.
        let Some(pending) = self.pending.take() else { return Ok(()) };
        if head.status == 401 && self.may_answer(head) {
            self.pending = Some(pending);
            self.ask(None);
            return Ok(());
        }
        let transport = head.header("transport").unwrap_or_default();
        // Some agree to SETUP, and to something else.
        let agrees_otherwise = head.status == 200 && pending.channels.is_some() && differs(transport, self.is_udp());
        if agrees_otherwise && self.is_udp() {
            self.carriage = Carriage::Tcp { or_udp: false };
        } else if let Some(channels) = pending.channels.filter(|_| head.status == 461 || agrees_otherwise)
            && let Some(other) = self.other_carriage()
        {
            self.carriage = other;
            tracing::info!(udp = self.is_udp(), "the camera refuses how RTP was to come, taking the other way");
            let mut pending = pending;
            if let Some(session) = head.header("session").filter(|_| agrees_otherwise)
                && !pending.lines.iter().any(|line| is_session(line))
            {
                let id = session.split(';').next().unwrap_or_default();
                pending.lines.push(format!("Session: {id}"));
            }
            self.pending = Some(pending);
            match other {
                Carriage::Udp => self.deeds.push_back(Deed::Open { channels }),
                Carriage::Tcp { .. } => {
                    let (a, b) = channels;
                    self.ask(Some(format!("RTP/AVP/TCP;unicast;interleaved={a}-{b}")));
                }
            }
            return Ok(());
        } else if agrees_otherwise {
            let what = format!("{} agrees to SETUP over TCP, and to send by {transport:?}", self.there);
            return Err(Verdict::Failed(Error::Server { status: 461, what }));
        }
        if (301..=308).contains(&head.status)
            && let Some(to) = head.header("location")
        {
            return Err(Verdict::Moved { status: head.status, to: to.into() });
        }
        self.auth.told(head);
        if pending.method == "PLAY" && head.status == 200 {
            self.plays = true;
            let line = pending.lines.iter().find(|line| is_session(line));
            self.session = line.map(|line| (pending.target.clone(), line.clone()));
        }
        if self.plays && head.status >= 400 && is_of_parameters(&pending.method) {
            tracing::info!(head.status, "the camera refuses to be asked for parameters; it is asked for its options");
            self.declines = true;
        }
        if pending.method == "DESCRIBE" {
            self.size = size_of(&body);
            if self.renames {
                let (changed, renamed) = sounds::rename(&body);
                (body, self.renamed) = (changed.into(), renamed);
            }
        }
        let mut text = format!("{line}\r\nCSeq: {}\r\n", pending.number);
        for (name, value) in &head.headers {
            match name.to_ascii_lowercase().as_str() {
                "cseq" | "content-length" => {}
                "transport" if pending.channels.is_some() && self.is_udp() => {}
                "content-base" | "content-location" if pending.method == "DESCRIBE" => {
                    text +=
                        &based(value, &self.there.scheme).map(|url| format!("{name}: {url}\r\n")).unwrap_or_default();
                }
                // Asked for them, it hangs up.
                "public" if self.shy => text += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
                _ => text += &format!("{name}: {value}\r\n"),
            }
        }
        if let Some(channels) = pending.channels.filter(|_| self.is_udp() && head.status == 200) {
            let ports = parameter(transport, "server_port").and_then(pair_or_one);
            let source = parameter(transport, "source").map(str::to_owned);
            self.deeds.push_back(Deed::Hear { channels, ports, source });
            let (a, b) = channels;
            let ssrc = parameter(transport, "ssrc").map(|ssrc| format!(";ssrc={ssrc}")).unwrap_or_default();
            text += &format!("Transport: RTP/AVP/TCP;unicast;interleaved={a}-{b}{ssrc}\r\n");
        }
        if let Some(asked) = pending.channels.filter(|_| head.status == 200) {
            let given = parameter(transport, "interleaved").and_then(pair_or_one);
            let byte = |(rtp, rtcp)| Some((u8::try_from(rtp).ok()?, u8::try_from(rtcp).ok()?));
            let channels = given.and_then(byte).filter(|_| !self.is_udp()).unwrap_or(asked);
            self.setups.retain(|setup| setup.target != pending.target);
            if self.setups.len() < MOST_SETUPS {
                self.setups.push(Setup { target: pending.target, channels, zero: None });
            }
        } else if pending.method == "PLAY"
            && let Some(info) = head.header("rtp-info")
        {
            tell_zeros(&mut self.setups, info);
        }
        text += &format!("Content-Length: {}\r\n\r\n", body.len());
        self.deeds.push_back(Deed::ToClient([text.as_bytes(), &body].concat().into()));
        Ok(())
    }

    /// Whether a challenge can be answered, and was not already.
    fn may_answer(&mut self, head: &Head) -> bool {
        if self.password.is_none() {
            return false;
        }
        let fresh = self.auth.is_silent();
        let Some(stale) = self.auth.challenge(head) else { return false };
        self.stale += u32::from(!fresh);
        fresh || stale && self.stale <= MOST_STALE
    }

    fn other_carriage(&self) -> Option<Carriage> {
        match self.carriage {
            Carriage::Tcp { or_udp: true } => Some(Carriage::Udp),
            Carriage::Tcp { or_udp: false } => None,
            Carriage::Udp => Some(Carriage::Tcp { or_udp: false }),
        }
    }

    /// Answers in the camera's place, which streams on and leaves the client without an answer.
    pub(super) fn answer_ourselves(&mut self) {
        if let Some(pending) = self.pending.take() {
            tracing::debug!(method = pending.method, "the camera does not answer; going on");
            let text = format!("RTSP/1.0 200 OK\r\nCSeq: {}\r\nContent-Length: 0\r\n\r\n", pending.number);
            self.deeds.push_back(Deed::ToClient(text.into()));
        }
    }

    /// Ends the session that the client has left without a word, as libavformat does where it is
    /// interrupted: some cameras keep it for a minute, and have no other.
    pub(super) fn leave(&mut self) -> Option<Bytes> {
        let (target, line) = self.session.take()?;
        let (method, number) = ("TEARDOWN".into(), "0".into());
        self.pending = Some(Pending { method, target, number, lines: vec![line], channels: None });
        self.deeds.clear();
        self.ask(None);
        self.deeds.drain(..).find_map(|deed| match deed {
            Deed::ToCamera(bytes) => Some(bytes),
            _ => None,
        })
    }

    fn broken(&self, what: std::fmt::Arguments) -> Verdict {
        Verdict::Failed(Error::Broken { what: format!("{}: {what}", self.there) })
    }
}

fn is_of_parameters(method: &str) -> bool {
    matches!(method, "GET_PARAMETER" | "SET_PARAMETER")
}

fn is_session(line: &str) -> bool {
    line.to_ascii_lowercase().starts_with("session:")
}

#[cfg(test)]
#[path = "talk_tests.rs"]
mod tests;
