//! The server's side of MMS over TCP and UDP ([MS-MMSP] 3.2), one [`Server`] a connection.
//!
//! It opens no socket and reads no clock. Whoever drives it (the host) hands it what comes on
//! the connection, answers its events, and after each call polls: [`Server::poll_transmit`]
//! until it is empty, [`Server::poll_event`] until it is empty, [`Server::poll_timeout`].
//!
//! ```text
//! player                      Server                       host
//!   Connect, ConnectFunnel ─▶  answers by itself
//!   OpenFile               ─▶  Event::Open            ─▶   open, refuse, redirect or challenge
//!   ReadBlock              ─▶  sends the header
//!   StreamSwitch           ─▶  Event::Select, if playing
//!   StartPlaying           ─▶  Event::Play            ─▶   send_packet …, then finish,
//!                                                          or change, and on at Event::Play
//!   StopPlaying            ─▶  Event::Stop
//!   CloseFile              ─▶  Event::Closed          ─▶   close the connection
//! ```
//!
//! It does not look into ASF: packets without anything that the player selected are left out
//! by the host, and padding is sent as the host gives it, whole or cut with the packet's length
//! written in it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::{Pace, Start};

mod ending;
mod machine;
mod requests;
mod resend;
mod selected;
#[cfg(test)]
mod tests;

pub use machine::Server;
pub use selected::Selected;

/// What a [`Server`] calls itself, and its bounds.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// What it calls itself, `major.minor.n.n`. By default this depends on the player: version
    /// 9 makes Windows Media Player 9 and later leave MMS for RTSP, so these are told
    /// `4.1.0.3928`; the others `9.01.01.3841`, since before 9 the end of a broadcast and the
    /// end of its entry look the same.
    pub version: Option<String>,
    /// Data may go by UDP. Otherwise a player that wants that is told so, and tries TCP.
    pub udp: bool,
    /// How the user has to show who it is, if at all.
    pub authentication: Option<Authentication>,
    /// Random bytes, new for each connection: they become the id that resend requests carry.
    pub random: [u8; 32],
    /// How long after the last message to send a ping.
    pub ping_after: Duration,
    /// How long a player may be silent although it is pinged.
    pub silence: Duration,
    /// How long a player may take from one step to the next until a file is open.
    pub setup: Duration,
    /// How long a player with an open file may ask for nothing.
    pub idle: Duration,
    /// How long after the end of the content, a refusal or a redirection to wait for another
    /// request, before the connection is closed. The protocol has [`ServerConfig::idle`] there,
    /// but MPlayer waits for the end of the connection. FFmpeg, which would try for ever to read
    /// from it, is not left, and is told the end of a recording in a way that it understands.
    pub linger: Duration,
    /// How long after the last datagram to tell the end on the connection, where it would be
    /// there first.
    pub settle: Duration,
    /// How long after a stream change to wait for StartPlaying before data go on without it.
    pub change: Duration,
    /// Most bytes of a player's message.
    pub message: usize,
    /// Most bytes waiting in [`Server::poll_transmit`] when a player asks for more.
    pub unsent: usize,
    /// Most packets that are kept to be sent again.
    pub resend_packets: usize,
    /// Most bytes of these packets.
    pub resend_bytes: usize,
    /// Most packets that are sent again in a second.
    pub resends_per_second: u32,
}

impl Default for ServerConfig {
    /// Zeros for `random`, which no server that can be reached should have. 30 s to a ping, 5
    /// min of silence, 30 s a step, an hour of idleness, 3 s at the end,
    /// 0.3 s for the last datagrams, 1 s at a change; 16 KiB
    /// of message, 4 MiB unsent; 512 packets or 2 MiB to be sent again, 1000 of them in a second.
    fn default() -> Self {
        Self {
            version: None,
            udp: false,
            authentication: None,
            random: [0; 32],
            ping_after: Duration::from_secs(30),
            silence: Duration::from_secs(300),
            setup: Duration::from_secs(30),
            idle: Duration::from_secs(3600),
            linger: Duration::from_secs(3),
            settle: Duration::from_millis(300),
            change: Duration::from_secs(1),
            message: 16 << 10,
            unsent: 4 << 20,
            resend_packets: 512,
            resend_bytes: 2 << 20,
            resends_per_second: 1000,
        }
    }
}

/// How users show who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// By the password itself.
    Basic,
    /// By proving that they know it.
    Ntlm,
}

/// What is behind a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The ASF file header: the Header Object and the first 50 bytes of the Data Object.
    pub header: Bytes,
    /// Most bytes of an ASF packet, as the header says; at most 65 527.
    pub packet_size: u32,
    /// ASF packets in the content; 0 if it has no end.
    pub packet_count: u64,
    /// Clients share one stream, without begin and end.
    pub broadcast: bool,
    /// [`Start`] means something.
    pub seekable: bool,
    /// How long it lasts, without the preroll.
    pub duration: Option<Duration>,
    /// All streams together, in bit/s.
    pub bit_rate: u32,
}

/// Who asks, as far as it tells.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular.
    None,
    /// Somebody with a password.
    Basic {
        /// Who.
        user: String,
        /// What is to prove it.
        password: String,
    },
    /// A message of NTLM, the first or the third ([MS-NLMP] 2.2.1).
    Ntlm(Bytes),
}

/// Without the password.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(f, "None"),
            Self::Basic { user, .. } => write!(f, "Basic({user:?})"),
            Self::Ntlm(message) => write!(f, "Ntlm({} bytes)", message.len()),
        }
    }
}

/// What a user has to answer before something is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// With user and password.
    Basic {
        /// What they are for.
        realm: String,
    },
    /// With the next message of NTLM, after this one of the server; empty the first time.
    Ntlm(Bytes),
}

/// What a [`Server`] wants sent.
#[derive(Clone, PartialEq, Eq)]
pub enum ServerTransmit {
    /// Bytes for the TCP connection.
    Stream(Bytes),
    /// A datagram for the address of the player's TCP connection, from our UDP port with the
    /// number of our TCP port.
    Datagram {
        /// The player's port.
        port: u16,
        /// What to send.
        data: Bytes,
    },
}

impl fmt::Debug for ServerTransmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(data) => write!(f, "Stream({} bytes)", data.len()),
            Self::Datagram { port, data } => write!(f, "Datagram(port {port}, {} bytes)", data.len()),
        }
    }
}

/// What a player wants.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// To open something; one of [`Server::open`], [`Server::refuse`], [`Server::redirect`] and
    /// [`Server::challenge`] answers. What was open is closed.
    Open {
        /// Path and query, without a slash in front. Players do not write escapes there.
        path: String,
        /// Who asks; after a challenge, its answer.
        credentials: Credentials,
    },
    /// To be sent packets by [`Server::send_packet`], from there on, until [`Server::finish`].
    /// While playing it means: from there instead.
    Play(ServerPlay),
    /// Other streams, from now on. A stream that is new begins at a keyframe.
    Select(Selected),
    /// Nothing more for now.
    Stop,
    /// To be let go: send what is left, then close the connection.
    Closed,
}

/// What is to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerPlay {
    /// Which streams.
    pub selected: Selected,
    /// From where; means something for recordings only.
    pub start: Start,
    /// Up to where; to the end if it does not say.
    pub stop: Option<Stop>,
    /// How fast at the begin, where it need not be in real time.
    pub pace: Option<Pace>,
}

/// Where a player wants the end of what it plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// At a time from the begin of the content.
    At(Duration),
    /// After that much.
    After(Duration),
}
