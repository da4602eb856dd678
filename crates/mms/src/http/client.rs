//! The client: Describe, then Play, on one connection or two.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use formats::http::HeadParser;
use media::Redacted;

use self::body::Body;
use self::content::Content;
use super::request::{Requests, authority};
use super::transfer::Transfer;
use crate::{Config, Error, Event, HttpAuth, Limits, Play, Session, Transmit};

mod answer;
mod body;
mod content;
mod streaming;

/// The most requests of a session: Describe and Play, each refused until a password and another
/// agent are given, and on connections that are closed in between.
const MOST_REQUESTS: u32 = 16;
/// How often Play is sent again because the content became another behind Describe.
const MOST_REPLAYS: u32 = 2;
/// A client of Windows Media over HTTP.
///
/// Non-pipelined ([MS-WMSP] 1.3), and says it is a player of version 7, or of 9 to servers that
/// refuse that. What ends a playlist's entry does not end the session: it offers predictive
/// stream selection, so that the server goes on by itself. From servers that do not
/// ([MS-WMSP] 3.1.4.5) nothing more comes then, which ends in [`Error::Timeout`]: to tell them
/// our choice would take a second connection beside the first. Statistics are not sent.
///
/// A server that sends a plain ASF file is played as well, from its begin; then packets follow
/// their header without waiting for [`Session::play`].
pub struct Client {
    limits: Limits,
    reply_timeout: Duration,
    /// Our own URL, for relative ones.
    url: String,
    requests: Requests,
    auth: HttpAuth,
    /// What the password is sent in.
    authorization: &'static str,
    asking: Asking,
    phase: Phase,
    sent: u32,
    replays: u32,
    /// The request went out on a connection that had carried others.
    reused: bool,
    /// Bytes of a head that is not whole.
    raw: Vec<u8>,
    parser: HeadParser,
    transfer: Transfer,
    keeps: bool,
    media_type: String,
    body: Body,
    /// The answer is a refusal; its body may say more.
    refusal: Option<Error>,
    content: Content,
    /// When the request went out; when its head, bytes of its body, and data came.
    asked_at: Option<Instant>,
    head_at: Option<Instant>,
    bytes_at: Option<Instant>,
    data_at: Option<Instant>,
    longest_gap: Duration,
    out: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

/// Without the bytes, and without what a URL may have of secrets.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({}, {:?})", Redacted(&self.url), self.phase)
    }
}

/// What was asked for last.
enum Asking {
    Describe,
    Play(Play),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// For the connection, on which the request goes out.
    Connecting,
    /// For the head of the answer.
    Head,
    /// For its body.
    Body,
    /// For [`Session::play`]; the connection may serve again.
    Described,
    Over,
}

impl Client {
    /// A session of its own for what `config` names; its UDP port is of no use here.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let requests = Requests::new(config);
        let mut random = config.random;
        // The other half makes the session's GUID, which anybody may see.
        random.rotate_left(16);
        Self {
            limits: config.limits,
            reply_timeout: config.reply_timeout,
            url: format!("mmsh://{}{}", authority(&config.host, config.port), requests.target),
            requests,
            auth: HttpAuth::new(config.user.as_deref(), config.password.as_deref(), random, config.unix_time),
            authorization: "Authorization",
            asking: Asking::Describe,
            phase: Phase::Connecting,
            sent: 0,
            replays: 0,
            reused: false,
            raw: Vec::new(),
            parser: HeadParser::new(),
            transfer: Transfer::UntilClose,
            keeps: false,
            media_type: String::new(),
            body: Body::default(),
            refusal: None,
            content: Content::new(config.limits),
            asked_at: None,
            head_at: None,
            bytes_at: None,
            data_at: None,
            longest_gap: Duration::ZERO,
            out: VecDeque::from([Transmit::Connect]),
            events: VecDeque::new(),
        }
    }

    fn connect(&mut self) {
        self.phase = Phase::Connecting;
        self.out.push_back(Transmit::Connect);
    }

    /// Sends the request, on the connection that stands.
    fn send(&mut self, now: Instant, reused: bool) -> Result<(), Error> {
        self.sent += 1;
        if self.sent > MOST_REQUESTS {
            let what = format!("{MOST_REQUESTS} requests, and the server wants still others");
            return Err(Error::NotStream { what, page: false });
        }
        let value = self.auth.authorization("GET", &self.requests.target);
        let authorization = value.map(|value| (self.authorization, value));
        let request = match &self.asking {
            Asking::Describe => self.requests.describe(authorization),
            Asking::Play(play) => self.requests.play(play, authorization),
        };
        self.out.push_back(Transmit::Stream(request.into()));
        self.phase = Phase::Head;
        self.reused = reused;
        self.raw.clear();
        self.parser = HeadParser::new();
        (self.asked_at, self.head_at, self.bytes_at, self.data_at) = (Some(now), None, None, None);
        self.longest_gap = Duration::ZERO;
        Ok(())
    }

    fn take_bytes(&mut self, now: Instant, bytes: &[u8]) -> Result<(), Error> {
        match self.phase {
            Phase::Head => {
                self.raw.extend_from_slice(bytes);
                let Some((head, body)) = self.parse_head()? else { return Ok(()) };
                let rest = self.raw.split_off(body);
                self.raw.clear();
                (self.head_at, self.bytes_at) = (Some(now), Some(now));
                self.handle_head(&head)?;
                self.take_body(now, &rest)
            }
            Phase::Body => {
                self.bytes_at = Some(now);
                self.take_body(now, bytes)
            }
            // Bytes of a connection that has been given up, or behind an answer.
            Phase::Connecting | Phase::Described | Phase::Over => Ok(()),
        }
    }

    /// Ends the session with the error, if there is one.
    fn conclude(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        if result.is_err() {
            self.end();
        }
        result
    }

    fn end(&mut self) {
        self.phase = Phase::Over;
        self.content.awaits_play = false;
        self.out.clear();
    }
}

impl Session for Client {
    fn handle_connected(&mut self, now: Instant, _local: IpAddr) -> Result<(), Error> {
        if self.phase != Phase::Connecting {
            return Ok(());
        }
        self.auth.handle_connected();
        let result = self.send(now, false);
        self.conclude(result)
    }

    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) -> Result<(), Error> {
        let result = self.take_bytes(now, bytes);
        self.conclude(result)
    }

    /// Nothing is sent in datagrams here.
    fn handle_datagram(&mut self, _now: Instant, _from: u16, _datagram: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn handle_closed(&mut self, now: Instant) -> Result<(), Error> {
        let result = match self.phase {
            Phase::Connecting | Phase::Over => Ok(()),
            // It was kept for too long.
            Phase::Head if self.raw.is_empty() && self.reused => {
                self.connect();
                Ok(())
            }
            Phase::Head => Err(Error::Closed { before: "the head of its answer" }),
            Phase::Body => self.handle_body_end(now, true),
            Phase::Described => {
                self.keeps = false;
                Ok(())
            }
        };
        self.conclude(result)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        let result = self.handle_deadline(now);
        self.conclude(result)
    }

    fn play(&mut self, now: Instant, play: &Play) -> Result<(), Error> {
        if !std::mem::take(&mut self.content.awaits_play) {
            return Err(Error::State { what: "no header waits for an answer" });
        }
        let unplayed = self.replays < MOST_REPLAYS && self.is_unplayed();
        let result = match &mut self.asking {
            // Its packets come without being asked for.
            Asking::Describe if matches!(self.body, Body::Plain(_)) => Ok(()),
            Asking::Describe => {
                self.asking = Asking::Play(play.clone());
                self.requests.entry = self.content.entry_id.or(self.requests.entry);
                if self.phase == Phase::Described && self.keeps {
                    self.send(now, true)
                } else {
                    self.connect();
                    Ok(())
                }
            }
            // The content became another between Describe and Play, so other streams are wanted
            // than we have asked for.
            Asking::Play(asked) if unplayed && asked.streams != play.streams => {
                *asked = play.clone();
                self.replays += 1;
                self.events.retain(|event| !matches!(event, Event::Packet(_)));
                self.connect();
                Ok(())
            }
            // The server goes on with what it thinks we want.
            Asking::Play(asked) => {
                *asked = play.clone();
                Ok(())
            }
        };
        self.conclude(result)
    }

    /// There is nothing to send: closing the connection is how one takes leave here
    /// ([MS-WMSP] 3.1.4.6).
    fn stop(&mut self, _now: Instant) {
        self.end();
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline().map(|(at, ..)| at)
    }
}

impl Client {
    /// Whether Play was answered with another header, and none of its packets was polled, so that
    /// nothing comes twice if it is sent again.
    fn is_unplayed(&self) -> bool {
        let waiting = self.events.iter().filter(|event| matches!(event, Event::Packet(_))).count();
        self.content.differs && self.content.packets <= waiting as u64
    }
}

#[cfg(test)]
mod tests;
