//! What the clients of all transports have in common.
//!
//! Whoever drives a session polls after every call, in this order: [`Session::poll_transmit`]
//! until it is empty, [`Session::poll_event`] until it is empty, [`Session::poll_timeout`].
//! The first transmit of a session is [`Transmit::Connect`].

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::Error;

/// A client's side of one presentation, whichever transport carries it.
///
/// It opens no socket and reads no clock. An error ends the session: what is left to
/// transmit after one is a farewell, no event follows.
pub trait Session: Send {
    /// The connection that [`Transmit::Connect`] asked for stands; `local` is our address on it.
    ///
    /// # Errors
    /// When the session has ended.
    fn handle_connected(&mut self, now: Instant, local: IpAddr) -> Result<(), Error>;

    /// Takes bytes read from the TCP connection, in any slices.
    ///
    /// # Errors
    /// When the server refuses, or the bytes make no sense.
    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) -> Result<(), Error>;

    /// Takes a datagram that came from the server's UDP port `from`. One that makes no sense
    /// is counted and dropped, since anybody can send one.
    ///
    /// # Errors
    /// As [`Session::handle_bytes`].
    fn handle_datagram(&mut self, now: Instant, from: u16, datagram: &[u8]) -> Result<(), Error>;

    /// The server closed the TCP connection.
    ///
    /// # Errors
    /// [`Error::Closed`] unless the protocol ends an answer, or the session, that way.
    fn handle_closed(&mut self, now: Instant) -> Result<(), Error>;

    /// Tells that [`Session::poll_timeout`] has passed.
    ///
    /// # Errors
    /// [`Error::Timeout`] when the server was silent for too long.
    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error>;

    /// Answers an [`Event::Header`]: which streams to send, and from where. Every header
    /// wants an answer, those in mid-stream too.
    ///
    /// # Errors
    /// When no header is waiting for an answer.
    fn play(&mut self, now: Instant, play: &Play) -> Result<(), Error>;

    /// Takes leave: what it transmits then tells the server that we go.
    fn stop(&mut self, now: Instant);

    /// What to send next.
    fn poll_transmit(&mut self) -> Option<Transmit>;

    /// What happened next.
    fn poll_event(&mut self) -> Option<Event>;

    /// When to call [`Session::handle_timeout`], unless something happens before.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// Whom to ask for what, as whom, and within which bounds.
#[derive(Clone)]
pub struct Config {
    /// Name or address of the server as the user wrote it; an IPv6 address without brackets.
    pub host: String,
    /// The port that is connected to.
    pub port: u16,
    /// Path and query as they stand in the URL, escapes and leading slash included.
    pub path: String,
    /// User, if the URL names one; `DOMAIN\user` is understood by NTLM.
    pub user: Option<String>,
    /// Password; may be there for a user only.
    pub password: Option<String>,
    /// Our UDP port, where data is to come in datagrams; they come on the TCP connection
    /// otherwise.
    pub udp_port: Option<u16>,
    /// Random bytes, new for each session: they become ids and challenges.
    pub random: [u8; 32],
    /// Seconds since the epoch, for NTLM; a wrong one is refused by some servers.
    pub unix_time: u64,
    /// Longest wait for each answer.
    pub reply_timeout: Duration,
    /// What the server may make large.
    pub limits: Limits,
}

/// Without user and password.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Config({}:{}{})", self.host, self.port, self.path)
    }
}

/// Bounds on what a server sends.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes of an ASF file header.
    pub header: usize,
    /// Most bytes of a control message or of the head of an answer.
    pub message: usize,
    /// Most bytes of a playlist.
    pub playlist: usize,
    /// Most datagrams that wait for a lost one.
    pub reorder: usize,
}

impl Default for Limits {
    /// 1 MiB of header, 64 KiB of message, 256 KiB of playlist, 1024 datagrams.
    fn default() -> Self {
        Self { header: 1 << 20, message: 64 << 10, playlist: 256 << 10, reorder: 1024 }
    }
}

/// The streams to send and from where.
#[derive(Clone, Debug, PartialEq)]
pub struct Play {
    /// Every stream of the header, by its number, and how much of it to send.
    pub streams: Vec<(u8, Thinning)>,
    /// Where to begin; means something for recordings only.
    pub start: Start,
    /// The packet size of the header, in bytes.
    pub packet_size: u32,
    /// How fast to send, where it need not be in real time.
    pub pace: Option<Pace>,
}

/// How much of a stream is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinning {
    /// Everything.
    All,
    /// Keyframes only.
    Keyframes,
    /// Nothing.
    Nothing,
}

/// Where a recording begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At its begin, or at the present of a broadcast.
    Begin,
    /// At a time from its begin.
    Time(Duration),
    /// At an ASF packet, by its number.
    Packet(u32),
}

/// The server's own fast start, of versions 9 and later ([MS-WMSP] 2.2.1.4.1, [MS-MMSP] 2.2.4.25).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Rate at the begin, in bit/s.
    pub accelerate_bandwidth: u32,
    /// For how much content, from the begin.
    pub accelerate_duration: Duration,
    /// What the line carries, in bit/s.
    pub link_bandwidth: u32,
}

/// What a session wants sent.
#[derive(Clone, PartialEq, Eq)]
pub enum Transmit {
    /// Close the TCP connection if there is one, open a new one to the same host and port,
    /// and tell by [`Session::handle_connected`].
    Connect,
    /// Bytes for the TCP connection.
    Stream(Bytes),
    /// A datagram for the server's UDP port `port`.
    Datagram {
        /// The server's port.
        port: u16,
        /// What to send.
        data: Bytes,
    },
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => write!(f, "Connect"),
            Self::Stream(data) => write!(f, "Stream({} bytes)", data.len()),
            Self::Datagram { port, data } => write!(f, "Datagram(port {port}, {} bytes)", data.len()),
        }
    }
}

/// What a session tells.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The server has opened the presentation.
    Opened(Opened),
    /// An ASF file header, whole, the first 50 bytes of the Data Object included where the
    /// server sends them. [`Session::play`] answers it. One in mid-stream means that other
    /// content follows: streams, codecs and sizes may differ.
    Header(Bytes),
    /// An ASF data packet.
    Packet(Packet),
    /// This entry of the server's playlist is over; a header follows.
    EntryEnded,
    /// The content is over, in order.
    Ended,
    /// It is elsewhere: URLs in the order of preference, each an alternative.
    Moved(Vec<String>),
}

/// What is known of an open presentation before its header.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opened {
    /// What the server calls itself.
    pub server: Option<String>,
    /// A broadcast, without begin and end.
    pub broadcast: Option<bool>,
    /// [`Start`] means something.
    pub seekable: Option<bool>,
    /// How long it lasts.
    pub duration: Option<Duration>,
    /// The title of the present playlist entry.
    pub title: Option<String>,
}

/// An ASF data packet as it came; its padding may be cut off.
#[derive(Clone, PartialEq, Eq)]
pub struct Packet {
    /// The number of the packet in the content. Gaps are normal.
    pub location: u32,
    /// How many packets were lost on the way just before it.
    pub lost: u32,
    /// The packet.
    pub data: Bytes,
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packet({}, lost {}, {} bytes)", self.location, self.lost, self.data.len())
    }
}
