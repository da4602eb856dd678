//! One client's connection (RFC 2326), with at most one session on it.
//!
//! ```text
//! client                    Server                       host
//!   OPTIONS, *_PARAMETER ─▶  answers by itself
//!   DESCRIBE             ─▶  Event::Describe       ─▶   describe or refuse
//!   SETUP, once a track  ─▶  Event::SetUp          ─▶   set_up or refuse
//!   PLAY                 ─▶  Event::Play           ─▶   play or refuse; then packets
//!   PAUSE                ─▶  Event::Pause
//!   TEARDOWN             ─▶  Event::TornDown
//! ```
//!
//! Requests are answered in their order: while the host owes an answer, those after it wait.
//! Poll after every call: [`Server::poll_transmit`] until it is empty, [`Server::poll_event`]
//! until it is empty, [`Server::poll_timeout`].

use std::time::{Duration, Instant};

mod machine;
mod request;
#[cfg(test)]
mod tests;

pub use machine::Server;

use crate::Offer;

/// What a [`Server`] is bound by.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Random bytes, new for each connection: session ids are made of them.
    pub random: [u8; 16],
    /// After how much silence a session ends: no request, no report of a receiver
    /// ([`Server::handle_report`]). One that plays over its own connection does not end so.
    pub session_timeout: Duration,
    /// How long a connection without a session may say nothing.
    pub idle: Duration,
    /// Most bytes of a request with its body.
    pub request: usize,
    /// Most bytes of requests that wait until those before them are answered.
    pub waiting: usize,
    /// Most tracks of a session.
    pub tracks: usize,
}

impl Default for ServerConfig {
    /// Zeros for `random`, which no server that can be reached should have. Sessions of 60 s,
    /// connections of 60 s; 16 KiB a request, 64 KiB waiting, 16 tracks.
    fn default() -> Self {
        Self {
            random: [0; 16],
            session_timeout: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            request: 16 << 10,
            waiting: 64 << 10,
            tracks: 16,
        }
    }
}

/// What a client wants, or has done.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// To know what this is; [`Server::describe`] or [`Server::refuse`] answers.
    Describe {
        /// Path and query of the URL, without a slash in front, unescaped.
        path: String,
    },
    /// A track of it; [`Server::set_up`] or [`Server::refuse`] answers.
    SetUp {
        /// Path and query of the URL, without a slash in front, unescaped; the same in all
        /// requests of a session.
        path: String,
        /// The number of the track; nothing if the URL has none, as where there is only one.
        track: Option<u8>,
        /// How the client can take its packets, best first; never empty.
        offers: Vec<Offer>,
    },
    /// Packets of the tracks that are set up, from now on; [`Server::play`] or
    /// [`Server::refuse`] answers.
    Play,
    /// No more packets for now.
    Pause,
    /// No more packets, and other tracks are set up for the next ones.
    TornDown,
}

/// Where a track begins in answer to a PLAY (RFC 2326 section 12.33).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpInfo {
    /// The number of the track.
    pub track: u8,
    /// Sequence number of its first packet, if it is known.
    pub sequence: Option<u16>,
    /// RTP time of the begin.
    pub timestamp: u32,
}

/// The later of two instants.
fn later(at: Instant, other: Instant) -> Instant {
    at.max(other)
}
