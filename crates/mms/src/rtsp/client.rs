//! The client's side of a session.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::message::{First, Input, Message, Reader, Writer};
use super::receiver::{Receiver, Stream};
use super::sdp::Description;
use super::transport::Transport;
use crate::{Config, Error, Event, HttpAuth, Opened, Play, Session, Transmit};

mod answers;
mod deadlines;
mod facts;
mod requests;
mod setups;

use facts::Facts;

/// How long datagrams that were sent before the end may take to come after it is told.
const DRAIN: Duration = Duration::from_millis(500);
/// How long the next playlist entry may take to come.
const NEXT_ENTRY: Duration = Duration::from_secs(60);

/// A client of Windows Media RTSP: see [the module](super).
pub struct Client {
    config: Config,
    facts: Facts,
    reader: Reader,
    auth: HttpAuth,
    phase: Phase,
    /// Requests without an answer, in order: answers come in the same order ([MS-RTSP] 3.1.5.2).
    awaited: VecDeque<Awaited>,
    cseq: u32,
    /// The connection stands.
    connected: bool,
    /// TEARDOWN is sent.
    left: bool,
    /// The server asked for credentials.
    challenged: bool,
    /// The server closed the connection once instead of hearing the credentials on it.
    reconnected: bool,
    description: Description,
    /// The next playlist entry, while datagrams of the present one are awaited.
    next: Option<Description>,
    /// Headers that were handed out and not answered by [`Session::play`].
    headers: usize,
    /// Which playlist entry this is, counted from 0; answers for an earlier one mean nothing.
    entry: u64,
    /// The end of the present entry has been told.
    entry_ended: bool,
    play: Option<Play>,
    /// Streams are to come in datagrams. No more once the server refuses that.
    udp: bool,
    receiver: Receiver,
    /// When a request was sent, anything was heard, and a packet came.
    last_sent: Option<Instant>,
    last_heard: Option<Instant>,
    last_packet: Option<Instant>,
    /// A packet came since PLAY.
    flows: bool,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

/// What we wait for.
#[derive(Debug)]
enum Phase {
    /// The connection.
    Connecting,
    /// The description.
    Opening,
    /// [`Session::play`].
    Ordering,
    /// The streams to be set up: those that are left.
    SettingUp(VecDeque<Setup>),
    /// The answer to PLAY; packets may overtake it.
    Starting,
    Playing,
    /// Datagrams from before the end, until then and up to these numbers.
    Draining {
        until: Instant,
        sequences: Vec<(String, u16)>,
        another: bool,
    },
    /// The description of the next playlist entry.
    Between {
        until: Instant,
    },
    /// Nothing any more.
    Over,
}

/// A stream to set up.
#[derive(Clone, Debug)]
struct Setup {
    number: u32,
    url: String,
    retransmission: bool,
    keyframes: bool,
    transport: Transport,
}

/// A request without an answer.
#[derive(Debug)]
struct Awaited {
    request: Request,
    cseq: u32,
    sent: Instant,
    entry: u64,
}

/// What was asked.
#[derive(Clone, Debug)]
enum Request {
    Options,
    Describe,
    Setup(Setup),
    Play,
    KeepAlive,
    Teardown,
}

impl Client {
    /// A session with this server, over UDP if [`Config::udp_port`] is set and the server
    /// does not refuse.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            facts: Facts::new(&config),
            reader: Reader::new(config.limits),
            auth: HttpAuth::new(config.user.as_deref(), config.password.as_deref(), config.random, config.unix_time),
            phase: Phase::Connecting,
            awaited: VecDeque::new(),
            cseq: 0,
            connected: false,
            left: false,
            challenged: false,
            reconnected: false,
            description: Description::default(),
            next: None,
            headers: 0,
            entry: 0,
            entry_ended: false,
            play: None,
            udp: config.udp_port.is_some(),
            receiver: Receiver::default(),
            last_sent: None,
            last_heard: None,
            last_packet: None,
            flows: false,
            transmits: [Transmit::Connect].into(),
            events: VecDeque::new(),
            config,
        }
    }

    /// Packets and datagrams so far that made no sense, came twice or too late, or for nobody.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.receiver.dropped
    }

    /// Ends the session. What is sent then is a farewell.
    fn fail(&mut self, error: Error) -> Error {
        self.transmits.clear();
        self.leave();
        self.phase = Phase::Over;
        error
    }

    /// Says TEARDOWN where there is something to tear down.
    fn leave(&mut self) {
        if self.connected && !self.left && self.facts.session.is_some() {
            self.left = true;
            self.request(Request::Teardown);
        }
        self.awaited.clear();
    }

    fn over(&mut self, event: Event) {
        self.events.push_back(event);
        self.awaited.clear();
        self.phase = Phase::Over;
    }

    /// Sends a request and awaits the answer.
    fn ask(&mut self, now: Instant, request: Request) {
        self.request(request.clone());
        self.last_sent = Some(now);
        self.awaited.push_back(Awaited { request, cseq: self.cseq, sent: now, entry: self.entry });
    }

    fn handle_input(&mut self, now: Instant, input: Input) -> Result<(), Error> {
        match input {
            Input::Frame { channel, data } => {
                if self.takes_packets() {
                    let events = &mut self.events;
                    let taken = self
                        .receiver
                        .handle_frame(channel, &data, &mut |packet| events.push_back(Event::Packet(packet)));
                    self.note_packet(now, taken);
                }
                Ok(())
            }
            Input::Message(message) => match &message.first {
                First::Answer { status, reason } => {
                    let (status, reason) = (*status, reason.clone());
                    self.handle_answer(now, &message, status, reason)
                }
                First::Request { method, .. } => {
                    let method = method.clone();
                    self.handle_request(now, &message, &method)
                }
            },
        }
    }

    /// Whether packets of the present entry may come.
    fn takes_packets(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Playing | Phase::Draining { .. })
    }

    fn note_packet(&mut self, now: Instant, taken: bool) {
        if taken {
            self.last_packet = Some(now);
            self.flows = true;
        }
        if self.receiver.is_left() && matches!(self.phase, Phase::Starting | Phase::Playing) {
            // Nothing says what follows; a notice of the end may.
            let another = self.description.is("playlist") && !self.description.is("lastentry");
            self.phase = Phase::Draining { until: now + DRAIN, sequences: Vec::new(), another };
        }
    }

    /// Hands out datagrams that are in order, and notes when the last has come.
    fn deliver(&mut self, now: Instant) {
        let events = &mut self.events;
        let reorder = self.config.limits.reorder;
        self.receiver.deliver(now, reorder, &mut |packet| events.push_back(Event::Packet(packet)));
        if let Phase::Draining { until, sequences, .. } = &self.phase {
            let told = !sequences.is_empty() && self.receiver.has_reached(sequences);
            if told || now >= *until {
                self.finish_entry(now);
            }
        }
    }

    /// The last packet of this entry has come.
    fn finish_entry(&mut self, now: Instant) {
        let Phase::Draining { another, .. } = self.phase else { return };
        self.flush(now);
        if let Some(description) = self.next.take() {
            self.note_entry_end();
            self.open(description);
        } else if another {
            self.note_entry_end();
            self.phase = Phase::Between { until: now + NEXT_ENTRY };
        } else {
            self.over(Event::Ended);
        }
    }

    fn flush(&mut self, now: Instant) {
        let events = &mut self.events;
        self.receiver.flush(now, &mut |packet| events.push_back(Event::Packet(packet)));
    }

    fn note_entry_end(&mut self) {
        if !std::mem::replace(&mut self.entry_ended, true) {
            self.events.push_back(Event::EntryEnded);
        }
    }

    /// A description has come: hands its header out.
    fn open(&mut self, mut description: Description) {
        if let Some(header) = description.header.take() {
            self.description = description;
            self.entry_ended = false;
            self.headers += 1;
            self.phase = Phase::Ordering;
            self.receiver.renew(Vec::new(), 0);
            self.events.push_back(Event::Header(header));
        }
    }

    fn opened(&self, description: &Description) -> Opened {
        Opened {
            server: self.facts.server.clone(),
            broadcast: Some(description.is("broadcast")),
            seekable: Some(!description.is("broadcast") && !description.is("notseekable")),
            duration: description.duration,
            title: description.title.clone(),
        }
    }
}

impl Session for Client {
    fn handle_connected(&mut self, now: Instant, _local: IpAddr) -> Result<(), Error> {
        if !matches!(self.phase, Phase::Connecting) {
            return Err(Error::State { what: "connected without having asked for it, or after the end" });
        }
        self.connected = true;
        self.reader = Reader::new(self.config.limits);
        self.auth.handle_connected();
        self.phase = Phase::Opening;
        self.last_heard = Some(now);
        self.ask(now, if self.reconnected { Request::Describe } else { Request::Options });
        Ok(())
    }

    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) -> Result<(), Error> {
        if matches!(self.phase, Phase::Over | Phase::Connecting) {
            return Ok(());
        }
        self.last_heard = Some(now);
        self.reader.handle_bytes(bytes);
        while !matches!(self.phase, Phase::Over | Phase::Connecting) {
            let Some(input) = self.reader.next().map_err(|error| self.fail(error))? else { break };
            self.handle_input(now, input)?;
        }
        Ok(())
    }

    fn handle_datagram(&mut self, now: Instant, from: u16, datagram: &[u8]) -> Result<(), Error> {
        if self.takes_packets() {
            let taken = self.receiver.handle_datagram(now, from, datagram);
            if taken {
                self.last_heard = Some(now);
            }
            self.note_packet(now, taken);
            self.deliver(now);
        }
        Ok(())
    }

    fn handle_closed(&mut self, now: Instant) -> Result<(), Error> {
        self.connected = false;
        let before = match &self.phase {
            Phase::Over => return Ok(()),
            Phase::Connecting => return Ok(()),
            Phase::Draining { another: false, .. } if self.next.is_none() => {
                self.finish_entry(now);
                return Ok(());
            }
            Phase::Opening if self.auth.same_connection() || self.reconnected => "the description of the stream",
            Phase::Opening if self.challenged => {
                self.reconnected = true;
                self.awaited.clear();
                self.phase = Phase::Connecting;
                self.transmits.push_back(Transmit::Connect);
                return Ok(());
            }
            Phase::Opening => "the description of the stream",
            Phase::Ordering | Phase::SettingUp(_) | Phase::Starting => "the first packet",
            Phase::Draining { .. } | Phase::Between { .. } => "the next entry of the playlist",
            Phase::Playing => "the end of the stream",
        };
        Err(self.fail(Error::Closed { before }))
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if matches!(self.phase, Phase::Over) {
            return Ok(());
        }
        self.deliver(now);
        self.forgive(now);
        if let Some((_, what)) = self.reply_deadline().filter(|(deadline, _)| now >= *deadline) {
            return Err(self.fail(Error::Timeout { waiting_for: what, after: self.config.reply_timeout }));
        }
        if let Some((_, what, after)) = self.packet_deadline().filter(|(deadline, ..)| now >= *deadline) {
            return Err(self.fail(Error::Timeout { waiting_for: what, after }));
        }
        if matches!(self.phase, Phase::Between { until } if now >= until) {
            let waiting_for = "next entry of the playlist";
            return Err(self.fail(Error::Timeout { waiting_for, after: NEXT_ENTRY }));
        }
        if self.keep_alive_time().is_some_and(|time| now >= time) {
            self.ask(now, Request::KeepAlive);
        }
        Ok(())
    }

    fn play(&mut self, now: Instant, play: &Play) -> Result<(), Error> {
        if self.headers == 0 || matches!(self.phase, Phase::Over) {
            return Err(Error::State { what: "no header waits for an answer" });
        }
        self.headers -= 1;
        // An answer to a header that another has replaced means nothing.
        if self.headers == 0 && matches!(self.phase, Phase::Ordering) {
            self.play = Some(play.clone());
            self.set_up(now, play)?;
        }
        Ok(())
    }

    fn stop(&mut self, _now: Instant) {
        self.leave();
        self.events.clear();
        self.phase = Phase::Over;
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if matches!(self.phase, Phase::Over) {
            return None;
        }
        let receiver = self.receiver.deadline().filter(|_| self.takes_packets());
        let reply = self.reply_deadline().map(|(deadline, _)| deadline);
        let packet = self.packet_deadline().map(|(deadline, ..)| deadline);
        [receiver, reply, packet, self.keep_alive_time(), self.phase_deadline()].into_iter().flatten().min()
    }
}
