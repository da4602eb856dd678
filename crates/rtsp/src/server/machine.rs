//! The states of a connection.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use rtsp_types::headers::{
    ALLOW, CONTENT_BASE, CONTENT_TYPE, CSEQ, HeaderName, HeaderValue, PUBLIC, RANGE, RTP_INFO, SERVER, SESSION,
    TRANSPORT, UNSUPPORTED,
};
use rtsp_types::{Method, Response, StatusCode, Version};

use super::request::Target;
use super::{RtpInfo, ServerConfig, ServerEvent, later};
use crate::framing::{Reader, Request};
use crate::{Chosen, Error, transport};

const METHODS: &str = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER";
/// What it calls itself.
const NAME: &str = concat!("headwater/", env!("CARGO_PKG_VERSION"));
/// Most of a client's name that is kept.
const MOST_NAME: usize = 80;

/// The server's end of a connection.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    reader: Reader,
    transmit: VecDeque<Bytes>,
    events: VecDeque<ServerEvent>,
    session: Option<Session>,
    /// What the host owes an answer to.
    owed: Option<Owed>,
    /// Why the connection cannot go on, if that was found while the host answered.
    failed: Option<Error>,
    /// When the client was heard last.
    heard: Instant,
    /// Sessions there were on this connection.
    sessions: u64,
    agent: String,
}

#[derive(Debug)]
struct Session {
    id: String,
    path: String,
    base: String,
    tracks: Vec<(u8, Chosen)>,
    playing: bool,
}

/// A request that waits for the host.
#[derive(Debug)]
struct Owed {
    cseq: String,
    what: Wish,
    base: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Describe,
    SetUp { path: String },
    Play,
}

impl Server {
    /// A connection that was opened now.
    #[must_use]
    pub fn new(config: ServerConfig, now: Instant) -> Self {
        Self {
            reader: Reader::new(config.request),
            config,
            transmit: VecDeque::new(),
            events: VecDeque::new(),
            session: None,
            owed: None,
            failed: None,
            heard: now,
            sessions: 0,
            agent: String::new(),
        }
    }

    /// Takes what came on the connection, in any slices.
    ///
    /// # Errors
    /// When the connection cannot go on: close it, after what is to be transmitted.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) -> Result<(), Error> {
        if let Some(error) = self.failed.clone() {
            return Err(error);
        }
        self.reader.push(bytes);
        self.read(now)
    }

    /// A receiver's report came by UDP: the client is there.
    pub fn handle_report(&mut self, now: Instant) {
        self.heard = later(self.heard, now);
    }

    /// Tells that [`Server::poll_timeout`] has passed.
    ///
    /// # Errors
    /// [`Error::Silent`] when the client said nothing for too long.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        match self.poll_timeout() {
            _ if self.failed.is_some() => self.failed.clone().map_or(Ok(()), Err),
            Some(due) if now >= due => {
                self.end_session();
                Err(Error::Silent(self.patience()))
            }
            _ => Ok(()),
        }
    }

    /// What to write to the connection next.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmit.pop_front()
    }

    /// What the client wants next.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// When to call [`Server::handle_timeout`], unless something comes before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let is_carried = |session: &Session| {
            session.playing && session.tracks.iter().all(|(_, way)| matches!(way, Chosen::Tcp { .. }))
        };
        if self.failed.is_some() {
            return Some(self.heard);
        }
        // While the host thinks, the client may be silent; so may one whose connection carries
        // the packets: that it takes them shows that it is there.
        if self.owed.is_some() || self.session.as_ref().is_some_and(is_carried) {
            return None;
        }
        Some(self.heard + self.patience())
    }

    fn patience(&self) -> std::time::Duration {
        if self.session.is_some() { self.config.session_timeout } else { self.config.idle }
    }

    /// Whether it is sent packets.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.playing)
    }

    /// The tracks that are set up, in that order.
    pub fn tracks(&self) -> impl Iterator<Item = (u8, Chosen)> {
        self.session.iter().flat_map(|session| session.tracks.iter().copied())
    }

    /// What the client calls itself, cut to a length fit for a table.
    #[must_use]
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Answers [`ServerEvent::Describe`] with a session description.
    pub fn describe(&mut self, now: Instant, sdp: &str) {
        let Some(owed) = self.owed.take_if(|owed| owed.what == Wish::Describe) else { return };
        let headers = [(CONTENT_TYPE, "application/sdp".to_owned()), (CONTENT_BASE, format!("{}/", owed.base))];
        self.answer(&owed.cseq, StatusCode::Ok, &headers, sdp.as_bytes());
        self.go_on(now);
    }

    /// Answers [`ServerEvent::SetUp`]: that track goes that way.
    pub fn set_up(&mut self, now: Instant, track: u8, way: Chosen, ssrc: u32) {
        let is_set_up = |owed: &mut Owed| matches!(owed.what, Wish::SetUp { .. });
        let Some(Owed { cseq, what: Wish::SetUp { path }, base }) = self.owed.take_if(is_set_up) else { return };
        if self.session.is_none() {
            let id = self.new_id();
            self.sessions += 1;
            self.session = Some(Session { id, path, base, tracks: Vec::new(), playing: false });
        }
        let timeout = self.config.session_timeout.as_secs();
        let Some(session) = &mut self.session else { return };
        session.tracks.retain(|(number, _)| *number != track);
        session.tracks.push((track, way));
        // For multicast the source is whoever sends to the group.
        let way = match way {
            Chosen::Multicast { .. } => way.to_string(),
            _ => format!("{way};ssrc={ssrc:08X}"),
        };
        let headers = [(TRANSPORT, way), (SESSION, format!("{};timeout={timeout}", session.id))];
        self.answer(&cseq, StatusCode::Ok, &headers, b"");
        self.go_on(now);
    }

    /// Answers [`ServerEvent::Play`]: packets follow.
    pub fn play(&mut self, now: Instant, begins: &[RtpInfo]) {
        let Some(owed) = self.owed.take_if(|owed| owed.what == Wish::Play) else { return };
        let Some(session) = &mut self.session else { return };
        session.playing = true;
        let mut headers = vec![(SESSION, session.id.clone()), (RANGE, "npt=now-".to_owned())];
        let begins = begins.iter().map(|begin| {
            let sequence = begin.sequence.map(|sequence| format!(";seq={sequence}")).unwrap_or_default();
            let (base, control) = (&session.base, crate::sdp::CONTROL);
            format!("url={base}/{control}{}{sequence};rtptime={}", begin.track, begin.timestamp)
        });
        let begins: Vec<_> = begins.collect();
        if !begins.is_empty() {
            headers.push((RTP_INFO, begins.join(",")));
        }
        self.answer(&owed.cseq, StatusCode::Ok, &headers, b"");
        self.go_on(now);
    }

    /// Answers what the host owes an answer to: it is not to be, for that reason, which is told
    /// to the client unless it is empty.
    pub fn refuse(&mut self, now: Instant, status: StatusCode, reason: &str) {
        let Some(owed) = self.owed.take() else { return };
        self.say(&owed.cseq, status, reason);
        self.go_on(now);
    }

    /// Reads on behind a request that was answered.
    fn go_on(&mut self, now: Instant) {
        self.heard = later(self.heard, now);
        if let Err(error) = self.read(now) {
            self.failed = Some(error);
        }
    }

    fn read(&mut self, now: Instant) -> Result<(), Error> {
        while self.owed.is_none() {
            let next = self.reader.next();
            if std::mem::take(&mut self.reader.heard) {
                self.handle_report(now);
            }
            match next {
                Ok(Some(request)) => {
                    self.handle_report(now);
                    self.handle(&request);
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.say("", StatusCode::BadRequest, &error.to_string());
                    self.end_session();
                    return Err(error);
                }
            }
        }
        match self.reader.waiting() > self.config.waiting {
            true => Err(Error::TooLong { at: self.reader.at(), limit: self.config.waiting }),
            false => Ok(()),
        }
    }

    fn handle(&mut self, request: &Request) {
        let Some(cseq) = request.header("CSeq").map(str::to_owned) else {
            return self.say("", StatusCode::BadRequest, "a request needs a CSeq");
        };
        if let Some(agent) = request.header("User-Agent") {
            self.agent = agent.chars().filter(|c| !c.is_control()).take(MOST_NAME).collect();
        }
        if !request.is_version_1 {
            return self.say(&cseq, StatusCode::RTSPVersionNotSupported, "only RTSP/1.0 is spoken here");
        }
        // RFC 2326 section 12.32: options are not known here.
        if let Some(options) = request.header("Require").or_else(|| request.header("Proxy-Require")) {
            let headers = [(UNSUPPORTED, options.to_owned())];
            return self.answer(&cseq, StatusCode::OptionNotSupported, &headers, b"");
        }
        match self.is_of_session(request) {
            true => self.act(request, cseq),
            false => self.say(&cseq, StatusCode::SessionNotFound, ""),
        }
    }

    /// Whether the session that a request names, if it names one, is there.
    fn is_of_session(&self, request: &Request) -> bool {
        let named = request.header("Session").map(|value| value.split(';').next().unwrap_or("").trim());
        let session = self.session.as_ref().map(|session| session.id.as_str());
        named.is_none_or(|named| Some(named) == session)
    }

    fn act(&mut self, request: &Request, cseq: String) {
        let target = request.url.as_ref().map(Target::of);
        match (&request.method, target) {
            (_, Some(None)) => self.say(&cseq, StatusCode::BadRequest, "the URL is not escaped as it should be"),
            (Method::Options, _) => self.answer(&cseq, StatusCode::Ok, &[(PUBLIC, METHODS.to_owned())], b""),
            // RFC 2326 section 10.8: without parameters it asks whether the session is alive.
            (Method::GetParameter, _) if !request.has_body => self.affirm(&cseq),
            (Method::GetParameter | Method::SetParameter, _) if request.has_body => {
                self.say(&cseq, StatusCode::ParameterNotUnderstood, "there are no parameters here");
            }
            (Method::SetParameter, _) => self.affirm(&cseq),
            (Method::Describe, Some(Some(target))) => {
                self.owed = Some(Owed { cseq, what: Wish::Describe, base: target.base });
                self.events.push_back(ServerEvent::Describe { path: target.path });
            }
            (Method::Setup, Some(Some(target))) => self.want_set_up(request, cseq, target),
            (Method::Play, _) => self.want_play(cseq),
            (Method::Pause, _) => self.pause(&cseq),
            (Method::Teardown, _) => self.tear_down(&cseq),
            (Method::Describe | Method::Setup, None) => {
                self.say(&cseq, StatusCode::BadRequest, "it needs the URL of a stream");
            }
            _ => self.answer(&cseq, StatusCode::MethodNotAllowed, &[(ALLOW, METHODS.to_owned())], b""),
        }
    }

    fn want_set_up(&mut self, request: &Request, cseq: String, target: Target) {
        let offers = transport::offers(request.header("Transport").unwrap_or(""));
        if offers.is_empty() {
            let reason = "expected a Transport of RTP/AVP or RTP/AVP/TCP, with client_port or interleaved";
            return self.say(&cseq, StatusCode::UnsupportedTransport, reason);
        }
        if let Some(session) = &self.session {
            if session.path != target.path {
                let reason = "there is a session for another stream on this connection; tear it down first";
                return self.say(&cseq, StatusCode::AggregateOperationNotAllowed, reason);
            }
            if session.playing {
                return self.say(&cseq, StatusCode::MethodNotValidInThisState, "pause first");
            }
            if session.tracks.len() >= self.config.tracks {
                return self.say(&cseq, StatusCode::NotEnoughBandwidth, "too many tracks");
            }
        }
        let path = target.path.clone();
        self.owed = Some(Owed { cseq, what: Wish::SetUp { path }, base: target.base });
        self.events.push_back(ServerEvent::SetUp { path: target.path, track: target.track, offers });
    }

    fn want_play(&mut self, cseq: String) {
        match &self.session {
            None => self.say(&cseq, StatusCode::SessionNotFound, "set a track up first"),
            // RFC 2326 section 10.5: another range after this one; there is no end before it.
            Some(session) if session.playing => {
                let headers = [(SESSION, session.id.clone()), (RANGE, "npt=now-".to_owned())];
                self.answer(&cseq, StatusCode::Ok, &headers, b"");
            }
            Some(session) => {
                self.owed = Some(Owed { cseq, what: Wish::Play, base: session.base.clone() });
                self.events.push_back(ServerEvent::Play);
            }
        }
    }

    fn pause(&mut self, cseq: &str) {
        let Some(session) = &mut self.session else {
            return self.say(cseq, StatusCode::SessionNotFound, "set a track up first");
        };
        if std::mem::take(&mut session.playing) {
            self.events.push_back(ServerEvent::Pause);
        }
        self.affirm(cseq);
    }

    fn tear_down(&mut self, cseq: &str) {
        if self.session.is_none() {
            return self.say(cseq, StatusCode::SessionNotFound, "");
        }
        self.affirm(cseq);
        self.end_session();
    }

    fn end_session(&mut self) {
        if self.session.take().is_some() {
            self.events.push_back(ServerEvent::TornDown);
        }
    }

    fn new_id(&self) -> String {
        let random = u128::from_be_bytes(self.config.random).wrapping_add(u128::from(self.sessions));
        format!("{random:032X}")
    }

    /// Says yes.
    fn affirm(&mut self, cseq: &str) {
        let session = self.session.as_ref().map(|session| (SESSION, session.id.clone()));
        self.answer(cseq, StatusCode::Ok, session.as_slice(), b"");
    }

    /// Says no, and why.
    fn say(&mut self, cseq: &str, status: StatusCode, reason: &str) {
        let text = [(CONTENT_TYPE, "text/plain; charset=utf-8".to_owned())];
        let body = if reason.is_empty() { String::new() } else { format!("{reason}\n") };
        let headers = if reason.is_empty() { &[][..] } else { &text };
        self.answer(cseq, status, headers, body.as_bytes());
    }

    fn answer(&mut self, cseq: &str, status: StatusCode, headers: &[(HeaderName, String)], body: &[u8]) {
        let mut response = Response::builder(Version::V1_0, status).header(SERVER, NAME);
        if status == StatusCode::Ok {
            // As the standard and everybody else writes it.
            response = response.reason_phrase("OK");
        }
        // An answer to what has no number has none.
        for (name, value) in headers.iter().chain((!cseq.is_empty()).then(|| (CSEQ, cseq.to_owned())).as_ref()) {
            // What a client wrote is given back on one line.
            let value: String = value.chars().filter(|c| !c.is_control()).collect();
            if let Ok(value) = HeaderValue::try_from(value.into_bytes()) {
                response = response.header(name.clone(), value);
            }
        }
        let mut bytes = Vec::with_capacity(512 + body.len());
        response.build(body).write(&mut bytes).expect("a vector takes every byte");
        self.transmit.push_back(bytes.into());
    }
}
