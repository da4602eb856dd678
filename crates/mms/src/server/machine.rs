//! The session itself.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::resend::Resends;
use super::{Challenge, Content, Selected, ServerConfig, ServerEvent, ServerTransmit};
use crate::wire::{
    self, Data, Deframer, Frame, Framer, Funnel, MacToViewer, ReportOpenFile, ReportRedirect, RequestPacketListResend,
    Token,
};
use crate::{Error, Hresult};

/// One player's session.
pub struct Server {
    pub(super) config: ServerConfig,
    deframer: Deframer,
    framer: Framer,
    transmits: VecDeque<ServerTransmit>,
    /// Bytes in `transmits`.
    unsent: usize,
    events: VecDeque<ServerEvent>,
    pub(super) state: State,
    /// What the player calls itself.
    pub(super) subscriber: Option<String>,
    /// Major number of the version that it was told.
    pub(super) told_major: u32,
    pub(super) funnel: Funnel,
    /// playIncarnation of the OpenFile that is answered.
    pub(super) opening: u32,
    /// The player wraps its NTLM, so we do.
    pub(super) wrapped: bool,
    pub(super) path: String,
    pub(super) content: Option<Content>,
    pub(super) selected: Selected,
    /// playIncarnation of what plays, of which Data packets carry the low byte.
    pub(super) incarnation: u32,
    /// How what plays ends, and what follows.
    pub(super) ending: Option<(Hresult, Option<Content>)>,
    /// Number of the next ASF packet on this connection.
    sequence: u32,
    resends: Resends,
    /// When the player last sent anything.
    heard: Instant,
    /// When it last asked for something.
    pub(super) asked: Instant,
    /// When we last sent a message; pings count from there.
    told: Instant,
    /// When to close after the end.
    pub(super) leave: Option<Instant>,
}

/// What we wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Connect.
    Connecting,
    /// OpenFile, or how data shall go.
    Connected,
    /// The host's word.
    Opening,
    /// An answer to a challenge.
    Challenged,
    /// What to do with the open file.
    Ready,
    /// Packets of the host.
    Playing,
    /// The last datagrams to arrive, until then.
    Ending(Instant),
    /// StartPlaying, after a stream change on TCP, until then.
    Changing(Instant),
    /// Nothing more.
    Closed,
}

/// The one file of a session. FFmpeg and libmms send 1 in some requests whatever it was.
pub(super) const OPEN_FILE_ID: u32 = 1;

impl Server {
    /// A session on a connection that begins `now`.
    #[must_use]
    pub fn new(config: ServerConfig, now: Instant) -> Self {
        Self {
            deframer: Deframer::new(config.message),
            framer: Framer::new(),
            transmits: VecDeque::new(),
            unsent: 0,
            events: VecDeque::new(),
            state: State::Connecting,
            subscriber: None,
            told_major: 0,
            funnel: Funnel::Tcp,
            opening: 0,
            wrapped: false,
            path: String::new(),
            content: None,
            selected: Selected::default(),
            incarnation: 0,
            ending: None,
            sequence: 0,
            resends: Resends::new(&config, now),
            heard: now,
            asked: now,
            told: now,
            leave: None,
            config,
        }
    }

    /// The number that the player's resend requests carry, by which a host finds the session
    /// that a datagram belongs to.
    #[must_use]
    pub fn client_id(&self) -> u32 {
        self.random(0)
    }

    /// The [`Server::client_id`] of the session that a datagram is for; nothing if it is no
    /// resend request.
    #[must_use]
    pub fn addressee(datagram: &[u8]) -> Option<u32> {
        RequestPacketListResend::decode(datagram).ok().map(|request| request.client_id)
    }

    /// What the player calls itself, once it has said so.
    #[must_use]
    pub fn subscriber(&self) -> Option<&str> {
        self.subscriber.as_deref()
    }

    /// Packets can be sent now.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        self.state == State::Playing
    }

    /// Data go by UDP.
    #[must_use]
    pub fn is_udp(&self) -> bool {
        matches!(self.funnel, Funnel::Udp(_))
    }

    /// Takes bytes read from the connection, in any slices.
    ///
    /// # Errors
    /// When they are no MMS, break its rules, or ask for more than the player reads. The
    /// session is over then.
    pub fn handle_bytes(&mut self, now: Instant, mut bytes: &[u8]) -> Result<(), Error> {
        self.heard = now;
        let result = loop {
            if self.state == State::Closed {
                return Ok(());
            }
            match self.deframer.next(&mut bytes) {
                Ok(None) => return Ok(()),
                Ok(Some(Frame::Message { mid, body })) => {
                    if let Err(error) = self.handle_message(now, mid, &body) {
                        break error;
                    }
                }
                Ok(Some(Frame::Data(_))) => {
                    break Error::Malformed { message: "Data", what: "players send none".to_owned() };
                }
                Err(error) => break error,
            }
            if self.unsent > self.config.unsent {
                let (size, limit) = (self.unsent as u64, self.config.unsent as u64);
                break Error::TooLarge { what: "what the player asked for and does not read", size, limit };
            }
        };
        self.state = State::Closed;
        self.events.clear();
        Err(result)
    }

    /// Takes a datagram that came to our UDP port. What is no resend request of this session is
    /// passed over.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let Ok(request) = RequestPacketListResend::decode(datagram) else { return };
        let Funnel::Udp(port) = self.funnel else { return };
        if request.client_id != self.client_id() || self.state == State::Closed {
            return;
        }
        self.heard = now;
        for number in request.packets {
            if self.unsent > self.config.unsent {
                break;
            }
            if let Some(data) = self.resends.take(now, number) {
                self.push(ServerTransmit::Datagram { port, data });
            }
        }
    }

    /// The player closed the connection.
    pub fn handle_closed(&mut self) {
        self.state = State::Closed;
        self.events.clear();
    }

    /// Tells that [`Server::poll_timeout`] has passed.
    ///
    /// # Errors
    /// [`Error::Timeout`] when the player was silent, or asked for nothing, for too long. The
    /// session is over then.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        let timeout = |waiting_for, after| Err(Error::Timeout { waiting_for, after });
        let result = match self.state {
            State::Closed => return Ok(()),
            _ if now >= self.heard + self.config.silence => timeout("answer to pings", self.config.silence),
            _ => match self.patience() {
                Some((patience, waiting_for)) if now >= self.asked + patience => timeout(waiting_for, patience),
                _ => Ok(()),
            },
        };
        if result.is_err() {
            self.state = State::Closed;
            self.events.clear();
            return result;
        }
        if self.leave.is_some_and(|leave| now >= leave) {
            self.leave_player();
        }
        match self.state {
            State::Ending(until) if now >= until => self.end(now),
            State::Changing(until) if now >= until => self.go_on(),
            _ => (),
        }
        if self.pings() && now >= self.told + self.config.ping_after {
            self.send(now, &MacToViewer::Ping);
        }
        Ok(())
    }

    /// Answers [`ServerEvent::Open`]: here it is.
    ///
    /// # Errors
    /// When nobody asked, or packets of this size cannot be sent by MMS.
    pub fn open(&mut self, now: Instant, content: Content) -> Result<(), Error> {
        self.check_opening()?;
        check_packet_size(u64::from(content.packet_size))?;
        let report = ReportOpenFile {
            hr: Hresult::OK,
            incarnation: self.opening,
            open_file_id: OPEN_FILE_ID,
            file_attributes: attributes(&content),
            file_duration: content.duration.unwrap_or_default().as_secs_f64(),
            file_packet_size: content.packet_size,
            file_packet_count: content.packet_count,
            file_bit_rate: content.bit_rate,
            file_header_size: header_size(&content.header),
        };
        self.content = Some(content);
        self.selected = Selected::default();
        self.state = State::Ready;
        self.asked = now;
        self.send(now, &MacToViewer::ReportOpenFile(report));
        Ok(())
    }

    /// Answers [`ServerEvent::Open`]: no, because of `hr`. The player may ask for something else.
    ///
    /// # Errors
    /// When nobody asked.
    pub fn refuse(&mut self, now: Instant, hr: Hresult) -> Result<(), Error> {
        self.check_opening()?;
        self.state = State::Connected;
        self.linger(now);
        let report = ReportOpenFile { hr, incarnation: self.opening, ..ReportOpenFile::default() };
        self.send(now, &MacToViewer::ReportOpenFile(report));
        Ok(())
    }

    /// Answers [`ServerEvent::Open`]: it is at `url`, which says by its scheme which way to go.
    ///
    /// # Errors
    /// When nobody asked.
    pub fn redirect(&mut self, now: Instant, url: &str) -> Result<(), Error> {
        self.check_opening()?;
        self.state = State::Connected;
        self.linger(now);
        let (redirect_type, location) = (ReportRedirect::URL, url.to_owned());
        let report = ReportRedirect { hr: Hresult::OK, redirect_type, location };
        self.send(now, &MacToViewer::ReportRedirect(report));
        Ok(())
    }

    /// Answers [`ServerEvent::Open`]: who asks? Another of these events brings the answer.
    ///
    /// # Errors
    /// When nobody asked.
    pub fn challenge(&mut self, now: Instant, challenge: &Challenge) -> Result<(), Error> {
        self.check_opening()?;
        self.state = State::Challenged;
        self.asked = now;
        let token = match challenge {
            Challenge::Basic { realm } => Token::basic_challenge(realm),
            Challenge::Ntlm(message) => Token::ntlm(self.wrapped && !message.is_empty(), message),
        };
        let (incarnation, cookie, token) = (self.opening, self.random(4), token.into());
        self.send(now, &MacToViewer::SecurityChallenge { incarnation, cookie, token });
        Ok(())
    }

    /// Sends an ASF packet, whole or with its padding cut off and its length written in it.
    /// `location` is its number in the content. Nothing is sent unless [`Server::is_playing`].
    ///
    /// # Errors
    /// When it is longer than the packet size of the content.
    pub fn send_packet(&mut self, location: u32, packet: &Bytes) -> Result<(), Error> {
        if !self.is_playing() {
            return Ok(());
        }
        let limit = self.content.as_ref().map_or(0, |content| content.packet_size);
        let (size, limit) = (packet.len() as u64, u64::from(limit));
        if size > limit {
            return Err(Error::TooLarge { what: "an ASF packet", size, limit });
        }
        let ([af_flags, ..], [incarnation, ..]) = (self.sequence.to_le_bytes(), self.incarnation.to_le_bytes());
        let data = Data { location_id: location, incarnation, af_flags, payload: packet.clone() };
        if let Some(data) = self.send_data(&data)
            && self.is_udp()
        {
            self.resends.keep(self.sequence, data);
        }
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }

    /// What to send next. Ask for no more than the connection takes, for what waits here bounds
    /// what a player can ask for.
    pub fn poll_transmit(&mut self) -> Option<ServerTransmit> {
        let transmit = self.transmits.pop_front()?;
        self.unsent -= length(&transmit);
        Some(transmit)
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// When to call [`Server::handle_timeout`], unless something happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.state == State::Closed {
            return None;
        }
        let change = if let State::Changing(until) | State::Ending(until) = self.state { Some(until) } else { None };
        let patience = self.patience().map(|(patience, _)| self.asked + patience);
        let ping = self.pings().then(|| self.told + self.config.ping_after);
        [Some(self.heard + self.config.silence), change, patience, ping, self.leave].into_iter().flatten().min()
    }

    pub(super) fn send(&mut self, now: Instant, message: &MacToViewer) {
        self.told = now;
        let frame = self.framer.frame(now, &message.encode());
        self.push(ServerTransmit::Stream(frame));
    }

    pub(super) fn send_header(&mut self, incarnation: u8) {
        let Some(content) = &self.content else { return };
        let size = usize::try_from(content.packet_size).unwrap_or(usize::MAX);
        for piece in wire::header_pieces(&content.header.clone(), incarnation, size) {
            self.send_data(&piece);
        }
    }

    /// Sends a Data packet the way that data go; what was sent.
    pub(super) fn send_data(&mut self, data: &Data) -> Option<Bytes> {
        let data = data.encode()?;
        self.push(match self.funnel {
            Funnel::Tcp => ServerTransmit::Stream(data.clone()),
            Funnel::Udp(port) => ServerTransmit::Datagram { port, data: data.clone() },
        });
        Some(data)
    }

    fn push(&mut self, transmit: ServerTransmit) {
        self.unsent += length(&transmit);
        self.transmits.push_back(transmit);
    }

    /// Queues an event. What the host did not take and no longer matters makes room: each
    /// event says everything that its kind has to say.
    pub(super) fn tell(&mut self, event: ServerEvent) {
        let kind = std::mem::discriminant(&event);
        self.events.retain(|waiting| std::mem::discriminant(waiting) != kind);
        self.events.push_back(event);
    }

    pub(super) fn close(&mut self) {
        self.state = State::Closed;
        self.events.push_back(ServerEvent::Closed);
    }

    fn check_opening(&self) -> Result<(), Error> {
        match self.state {
            State::Opening => Ok(()),
            _ => Err(Error::State { what: "no OpenFile waits for an answer" }),
        }
    }

    /// How long the player may take for its next request, and what that is; for ever where it
    /// is not its turn.
    fn patience(&self) -> Option<(Duration, &'static str)> {
        match self.state {
            State::Connecting => Some((self.config.setup, "Connect")),
            State::Connected => Some((self.config.setup, "OpenFile")),
            State::Challenged => Some((self.config.setup, "answer to the challenge")),
            State::Ready => Some((self.config.idle, "request")),
            State::Opening | State::Playing | State::Ending(_) | State::Changing(_) | State::Closed => None,
        }
    }

    /// Pings make sense once the protocol is known to be spoken.
    fn pings(&self) -> bool {
        !matches!(self.state, State::Connecting | State::Closed)
    }

    /// Four of the random bytes.
    fn random(&self, at: usize) -> u32 {
        self.config.random.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |four| u32::from_le_bytes(*four))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({:?}, {:?}, {} bytes unsent)", self.path, self.state, self.unsent)
    }
}

fn length(transmit: &ServerTransmit) -> usize {
    match transmit {
        ServerTransmit::Stream(data) | ServerTransmit::Datagram { data, .. } => data.len(),
    }
}

pub(super) fn header_size(header: &Bytes) -> u32 {
    u32::try_from(header.len()).unwrap_or(u32::MAX)
}

pub(super) fn check_packet_size(size: u64) -> Result<(), Error> {
    let limit = u64::from(u16::MAX) - wire::DATA_HEADER as u64;
    if size > limit { Err(Error::TooLarge { what: "ASF packets", size, limit }) } else { Ok(()) }
}

fn attributes(content: &Content) -> u32 {
    let broadcast = wire::FILE_ATTRIBUTE_MMS_BROADCAST | wire::FILE_ATTRIBUTE_MMS_LIVE;
    (if content.broadcast { broadcast } else { 0 })
        | (if content.seekable { wire::FILE_ATTRIBUTE_MMS_CANSEEK } else { 0 })
}
