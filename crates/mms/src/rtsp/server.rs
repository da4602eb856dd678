//! The server's side of a session, as far as clients need it: one client on one connection.
//!
//! Poll after every call: [`Server::poll_transmit`] until it is empty, [`Server::poll_event`]
//! until it is empty, [`Server::poll_timeout`]. A [`Transmit::Datagram`] goes from
//! [`Config::udp_port`] to that port of the client. Close the connection when
//! [`Server::is_over`], after what is to be transmitted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::depacketizer::Length;
use super::message::{First, Input, Message, Reader, Writer, frame};
use super::packetizer::{Outgoing, Packing, pack};
use super::rtp::Rtp;
use super::sdp::{self, PAYLOAD_TYPE};
use super::transport::{self, Transport};
use crate::{Error, Limits, Pace, Start, Thinning, Transmit};

mod requests;

/// What it is for.
#[derive(Clone, Debug)]
pub struct Config {
    /// The port from which datagrams are sent. Without one all goes over the connection.
    pub udp_port: Option<u16>,
    /// Random bytes, new for each session.
    pub random: [u8; 32],
    /// After how much silence a session ends.
    pub session_timeout: Duration,
    /// Most bytes of an RTP payload, which ASF packets are packed into or spread over.
    /// Datagrams should fit into a packet of the network.
    pub payload: usize,
    /// Lengths count the ASF packet alone, as the text of [MS-RTSP] 2.2.1.3 says, and not their
    /// header too, as servers do it.
    pub bare_lengths: bool,
    /// What a client may make large.
    pub limits: Limits,
}

impl Default for Config {
    /// Over the connection, sessions of 60 s, payloads of 1400 bytes.
    fn default() -> Self {
        let session_timeout = Duration::from_secs(60);
        let limits = Limits { header: 32 << 10, ..Limits::default() };
        Self { udp_port: None, random: [0; 32], session_timeout, payload: 1400, bare_lengths: false, limits }
    }
}

/// What there is to see: one presentation, or one entry of a playlist.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// The ASF file header, with the first 50 bytes of the Data Object.
    pub header: Bytes,
    /// The packet size in it, in bytes.
    pub packet_size: u32,
    /// Its streams.
    pub streams: Vec<Media>,
    /// A broadcast, without begin and end.
    pub broadcast: bool,
    /// Play may begin anywhere.
    pub seekable: bool,
    /// Another entry may follow.
    pub playlist: bool,
    /// How long it lasts.
    pub duration: Option<Duration>,
    /// Its title.
    pub title: Option<String>,
}

/// A stream of a presentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media {
    /// Its ASF stream number.
    pub number: u8,
    /// What it is.
    pub kind: Kind,
    /// Its bit rate, in bit/s.
    pub bit_rate: u32,
}

/// What a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Neither.
    Other,
}

/// What the client wants.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// To know what this is; [`Server::describe`], [`Server::redirect`], [`Server::demand`] or
    /// [`Server::refuse`] answers it.
    Describe {
        /// The URL as it stands in the request.
        url: String,
        /// The value of `Authorization`.
        authorization: Option<String>,
    },
    /// Packets, by [`Server::send`].
    Play {
        /// The streams that are set up.
        streams: Vec<(u8, Thinning)>,
        /// Where to begin.
        start: Start,
        /// How fast.
        pace: Option<Pace>,
    },
    /// Other streams than before.
    Switch(Vec<(u8, Thinning)>),
    /// No more packets for now.
    Pause,
    /// The client goes, or was silent for too long.
    Ended,
}

/// One client's session: see [the module](self).
pub struct Server {
    config: Config,
    reader: Reader,
    /// A DESCRIBE that waits for its answer.
    describing: Option<Message>,
    content: Content,
    /// The URL of the whole.
    base: String,
    session: Option<String>,
    streams: Vec<SetUp>,
    /// The client has set the stream of retransmissions up.
    retransmission: bool,
    /// The sequence of all datagrams: they make one RTP session, from one port to one port.
    datagrams: Sequence,
    /// The client can be told of the end; wants the numbers of packets.
    tells_end: bool,
    tells_location: bool,
    playing: bool,
    over: bool,
    /// The number of the playlist entry ([MS-RTSP] 2.2.6.22).
    entry: u32,
    cseq: u32,
    last_heard: Instant,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

/// A stream that the client has set up.
#[derive(Clone, Copy, Debug)]
struct SetUp {
    number: u8,
    thinning: Thinning,
    transport: Transport,
    sequence: Sequence,
}

/// Where one source stands.
#[derive(Clone, Copy, Debug)]
struct Sequence {
    ssrc: u32,
    next: u16,
}

impl Server {
    /// For a connection that a client has just made.
    #[must_use]
    pub fn new(now: Instant, config: Config) -> Self {
        let datagrams = Sequence::new(&config.random, 0);
        Self {
            reader: Reader::new(config.limits),
            config,
            describing: None,
            content: Content::default(),
            base: String::new(),
            session: None,
            streams: Vec::new(),
            retransmission: false,
            datagrams,
            tells_end: false,
            tells_location: false,
            playing: false,
            over: false,
            entry: 1,
            cseq: 0,
            last_heard: now,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes bytes read from the connection, in any slices.
    ///
    /// # Errors
    /// When they are no RTSP. The session is over then.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) -> Result<(), Error> {
        if self.over {
            return Ok(());
        }
        self.last_heard = now;
        self.reader.handle_bytes(bytes);
        let read = self.read();
        self.over |= read.is_err();
        read
    }

    /// Goes on reading, unless an answer is due first.
    fn read(&mut self) -> Result<(), Error> {
        while self.describing.is_none() && !self.over {
            let Some(input) = self.reader.next()? else { return Ok(()) };
            // RTCP of the client, and answers to what we asked, mean nothing to us.
            if let Input::Message(message) = input
                && let First::Request { method, uri } = &message.first
            {
                let (method, uri) = (method.clone(), uri.clone());
                self.handle_request(message, &method, &uri);
            }
        }
        let most = self.config.limits.message.saturating_mul(2);
        if self.reader.buffered() > most {
            let size = self.reader.buffered() as u64;
            return Err(Error::TooLarge { what: "row of requests", size, limit: most as u64 });
        }
        Ok(())
    }

    /// The client closed the connection.
    pub fn handle_closed(&mut self) {
        self.end_session();
    }

    /// Tells that [`Server::poll_timeout`] has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|timeout| now >= timeout) {
            self.end_session();
        }
    }

    /// Answers [`Event::Describe`].
    ///
    /// # Errors
    /// As [`Server::handle_bytes`], for requests that came meanwhile.
    pub fn describe(&mut self, content: Content) -> Result<(), Error> {
        let Some(request) = self.describing.take() else { return Ok(()) };
        let body = sdp::write(&content, &self.base, self.config.udp_port.is_some());
        let answer = self
            .answer(200, &request)
            .header("Cache-Control", "no-cache")
            .header("Content-Base", format!("{}/", self.base))
            .body("application/sdp", body.as_bytes());
        self.content = content;
        self.transmits.push_back(Transmit::Stream(answer));
        self.read()
    }

    /// Answers [`Event::Describe`] with another URL. The session is over.
    pub fn redirect(&mut self, url: &str) {
        let Some(request) = self.describing.take() else { return };
        let answer = self.answer(302, &request).header("Location", url).finish();
        self.transmits.push_back(Transmit::Stream(answer));
        self.over = true;
    }

    /// Answers [`Event::Describe`] by asking for user and password: `challenge` is the value
    /// of `WWW-Authenticate`.
    ///
    /// # Errors
    /// As [`Server::describe`].
    pub fn demand(&mut self, challenge: &str) -> Result<(), Error> {
        let Some(request) = self.describing.take() else { return Ok(()) };
        let answer = self.answer(401, &request).header("WWW-Authenticate", challenge).finish();
        self.transmits.push_back(Transmit::Stream(answer));
        self.read()
    }

    /// Answers [`Event::Describe`] with a status of 400 and more.
    ///
    /// # Errors
    /// As [`Server::describe`].
    pub fn refuse(&mut self, status: u16) -> Result<(), Error> {
        let Some(request) = self.describing.take() else { return Ok(()) };
        let answer = self.answer(status, &request).finish();
        self.transmits.push_back(Transmit::Stream(answer));
        self.read()
    }

    /// Sends ASF packets, in order. Those of streams that are not set up are left out, and all
    /// while nobody plays. Packets that are handed over together may share an RTP packet.
    pub fn send(&mut self, packets: &[Outgoing]) {
        if !self.playing {
            return;
        }
        let packing = Packing {
            most: self.config.payload.clamp(64, 60_000),
            length: if self.config.bare_lengths { Length::PacketOnly } else { Length::WithHeader },
            location: self.tells_location,
        };
        let mut rest = packets;
        while let Some(first) = rest.first() {
            let way = self.way(first.stream);
            let length = rest.iter().take_while(|packet| self.way(packet.stream) == way).count();
            let (run, after) = rest.split_at(length);
            rest = after;
            let Some(at) = self.streams.iter().position(|stream| stream.number == first.stream) else { continue };
            for payload in pack(run, &packing) {
                self.send_payload(at, payload.marker, payload.timestamp, payload.data);
            }
        }
    }

    /// Packets of streams that go the same way can share an RTP packet.
    fn way(&self, stream: u8) -> Option<(bool, Option<u8>)> {
        let set_up = self.streams.iter().find(|set_up| set_up.number == stream)?;
        Some((set_up.transport.udp, set_up.transport.interleaved.map(|(channel, _)| channel)))
    }

    fn send_payload(&mut self, at: usize, marker: bool, timestamp: u32, payload: Bytes) {
        let Some(stream) = self.streams.get_mut(at) else { return };
        let udp = stream.transport.udp;
        let sequence = if udp { &mut self.datagrams } else { &mut stream.sequence };
        let rtp = Rtp {
            marker,
            payload_type: PAYLOAD_TYPE,
            sequence: sequence.next,
            timestamp,
            ssrc: sequence.ssrc,
            payload: Bytes::new(),
        };
        sequence.next = sequence.next.wrapping_add(1);
        let transmit = match (stream.transport.client_port, stream.transport.interleaved) {
            (Some((port, _)), _) if udp => {
                Some(Transmit::Datagram { port, data: [&rtp.header()[..], &payload].concat().into() })
            }
            (_, Some((channel, _))) => frame(channel, &[&rtp.header(), &payload]).map(Transmit::Stream),
            _ => None,
        };
        self.transmits.extend(transmit);
    }

    /// All packets are sent ([MS-RTSP] 2.2.7.3). `another` announces that
    /// [`Server::announce`] follows.
    pub fn end(&mut self, another: bool) {
        self.playing = false;
        if !self.tells_end || self.over {
            return;
        }
        let info: Vec<_> = self
            .streams
            .iter()
            .map(|stream| format!("url={};seq={}", self.url_of(stream.number), self.due(stream).next))
            .collect();
        let session = self.session.clone().unwrap_or_default();
        let entry = if another { "End-Of-Playlist-Entry: true\r\n" } else { "" };
        let body = format!("Session: {session}\r\nEOF: true\r\n{entry}");
        let request = self
            .request("SET_PARAMETER")
            .header("X-Notice", "2101 \"End-of-Stream Reached\"")
            .header("RTP-Info", info.join(", "))
            .body("application/x-wms-extension-cmd", body.as_bytes());
        self.transmits.push_back(Transmit::Stream(request));
    }

    /// The next entry of a playlist ([MS-RTSP] 2.2.7.1). The client sets its streams up anew and
    /// plays.
    pub fn announce(&mut self, content: Content) {
        self.playing = false;
        self.entry += 1;
        let body = sdp::write(&content, &self.base, self.config.udp_port.is_some());
        let request = self.request("ANNOUNCE").body("application/sdp", body.as_bytes());
        self.content = content;
        self.transmits.push_back(Transmit::Stream(request));
    }

    /// What to send next.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// What the client wants next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Server::handle_timeout`], unless something happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        // Who takes packets over the connection is there.
        let datagrams = self.streams.iter().any(|stream| stream.transport.udp);
        let counts = !self.over && (!self.playing || datagrams);
        counts.then(|| self.last_heard + self.config.session_timeout + GRACE)
    }

    /// Nothing more comes, and nothing more is wanted.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn end_session(&mut self) {
        if !std::mem::replace(&mut self.over, true) {
            self.playing = false;
            self.events.push_back(Event::Ended);
        }
    }

    /// The URL of a stream, as SDP names it below the whole.
    fn url_of(&self, stream: u8) -> String {
        transport::control_url(&self.base, Some(&sdp::control(stream)))
    }

    fn due(&self, stream: &SetUp) -> Sequence {
        if stream.transport.udp { self.datagrams } else { stream.sequence }
    }
}

/// What clients are granted beyond the timeout that they are told, for the way.
const GRACE: Duration = Duration::from_secs(10);

impl Sequence {
    fn new(random: &[u8; 32], stream: u8) -> Self {
        let at = usize::from(stream) % 26;
        let mut bytes = [0; 6];
        bytes.copy_from_slice(&random[at..at + 6]);
        let [a, b, c, d, e, f] = bytes;
        Self { ssrc: u32::from_be_bytes([a, b, c, d]) ^ u32::from(stream), next: u16::from_be_bytes([e, f]) }
    }
}
