//! The ways to a Windows Media server, and which of them worked last time.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mms::{Config, Limits, Session};

use crate::Options;
use crate::location::Location;

/// How much later than an attempt an answer is overdue.
const LATER: Duration = Duration::from_secs(1);

/// A transport, and what it is carried by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Http,
    Tcp,
    /// Control over TCP, data in datagrams.
    Udp,
    /// RTSP with the data in it.
    Rtsp,
    /// RTSP with the data in datagrams.
    RtspUdp,
}

impl Way {
    const ALL: [Self; 5] = [Self::Http, Self::Tcp, Self::Udp, Self::Rtsp, Self::RtspUdp];

    /// The way that the URL scheme `name` asks for.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.scheme() == name)
    }

    /// The URL scheme that asks for it.
    pub(super) const fn scheme(self) -> &'static str {
        match self {
            Self::Http => "mmsh",
            Self::Tcp => "mmst",
            Self::Udp => "mmsu",
            Self::Rtsp => "rtspt",
            Self::RtspUdp => "rtspu",
        }
    }

    /// What it is called in a list of what was tried.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Http => "over HTTP",
            Self::Tcp => "over TCP",
            Self::Udp => "over UDP",
            Self::Rtsp => "over RTSP",
            Self::RtspUdp => "over RTSP with UDP",
        }
    }

    /// The TCP port that servers listen on.
    pub(super) const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Tcp | Self::Udp => 1755,
            Self::Rtsp | Self::RtspUdp => 554,
        }
    }

    pub(super) const fn is_udp(self) -> bool {
        matches!(self, Self::Udp | Self::RtspUdp)
    }

    /// The ways that `mms://` tries, in order: that of the port first.
    pub(super) fn candidates(host: &str, port: Option<u16>) -> Vec<Self> {
        let mut ways = match port {
            Some(1755) => vec![Self::Tcp, Self::Http, Self::Rtsp],
            Some(554) => vec![Self::Rtsp, Self::Http, Self::Tcp],
            _ => vec![Self::Http, Self::Tcp, Self::Rtsp],
        };
        let known = WINNERS.lock().unwrap_or_else(PoisonError::into_inner).of(host, port);
        // The sort is stable: only the winner moves.
        ways.sort_by_key(|way| Some(*way) != known);
        ways
    }

    /// Remembers that this way led to a stream.
    pub(super) fn has_won(self, host: &str, port: Option<u16>) {
        WINNERS.lock().unwrap_or_else(PoisonError::into_inner).remember(host, port, self);
    }

    /// A session of this way with the server of `location`.
    pub(super) fn session(self, location: &Location, udp_port: Option<u16>, options: &Options) -> Box<dyn Session> {
        let config = Config {
            // A zone means something on this machine only (RFC 6874 section 4).
            host: location.host.split('%').next().unwrap_or_default().to_owned(),
            port: location.port.unwrap_or(self.port()),
            path: location.target().to_owned(),
            user: location.user.clone(),
            password: location.password.clone(),
            udp_port,
            random: random(),
            unix_time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            // The attempt as a whole has a deadline already, which says more when it passes.
            reply_timeout: options.open_timeout + LATER,
            limits: Limits::default(),
        };
        match self {
            Self::Http => Box::new(mms::http::Client::new(&config)),
            Self::Tcp | Self::Udp => Box::new(mms::tcp::Client::new(config)),
            Self::Rtsp | Self::RtspUdp => Box::new(mms::rtsp::Client::new(config)),
        }
    }
}

/// Which way worked last with each of so many servers.
static WINNERS: Mutex<Winners> = Mutex::new(Winners(VecDeque::new()));

struct Winners(VecDeque<(String, Option<u16>, Way)>);

impl Winners {
    /// Most servers that are remembered.
    const MOST: usize = 256;

    fn of(&self, host: &str, port: Option<u16>) -> Option<Way> {
        self.0.iter().find(|known| known.0 == host && known.1 == port).map(|known| known.2)
    }

    fn remember(&mut self, host: &str, port: Option<u16>, way: Way) {
        self.0.retain(|known| known.0 != host || known.1 != port);
        self.0.push_front((host.to_owned(), port, way));
        self.0.truncate(Self::MOST);
    }
}

/// Bytes for ids and challenges.
fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    // The standard library's hasher keys are its only source of randomness; enough here.
    let random = RandomState::new();
    for (place, piece) in bytes.chunks_exact_mut(8).enumerate() {
        piece.copy_from_slice(&random.hash_one(place).to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_says_what_is_tried_first_and_what_worked_comes_before_it() {
        let order = |host, port| {
            let ways = Way::candidates(host, port);
            ways.into_iter().map(Way::scheme).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(order("a.invalid", None), "mmsh mmst rtspt");
        assert_eq!(order("a.invalid", Some(8080)), "mmsh mmst rtspt");
        assert_eq!(order("a.invalid", Some(1755)), "mmst mmsh rtspt");
        assert_eq!(order("a.invalid", Some(554)), "rtspt mmsh mmst");
        Way::Rtsp.has_won("a.invalid", None);
        assert_eq!(order("a.invalid", None), "rtspt mmsh mmst");
        assert_eq!(order("a.invalid", Some(1755)), "mmst mmsh rtspt");
        Way::Tcp.has_won("a.invalid", None);
        assert_eq!(order("a.invalid", None), "mmst mmsh rtspt");
    }

    #[test]
    fn only_so_many_servers_are_remembered() {
        let mut winners = Winners(VecDeque::new());
        for host in 0..=Winners::MOST {
            winners.remember(&host.to_string(), None, Way::Tcp);
        }
        assert_eq!(winners.0.len(), Winners::MOST);
        assert_eq!(winners.of("0", None), None);
        assert_eq!(winners.of(&Winners::MOST.to_string(), None), Some(Way::Tcp));
    }

    #[test]
    fn every_session_has_other_random_bytes() {
        assert_ne!(random(), random());
    }
}
