//! Listening, connections, and the way out of hyper for streams.
//!
//! hyper reads every request. A handler that serves a stream does not answer it: it
//! hands an [`takeover::Order`] to its connection, which takes the socket back from
//! hyper and runs the order on the bare socket. That costs nothing per picture but the
//! write itself, leaves no buffer of hyper's between picture and kernel, and keeps one
//! parser for requests.

mod answer;
mod connection;
mod escape;
mod io;
mod proxies;
mod routes;
mod site;
mod takeover;

use std::io::{Error as IoError, ErrorKind};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub(crate) use answer::{Reason, Refusal};
pub(crate) use connection::say;
pub(crate) use escape::{check as read_escapes, escape, unescape};
pub(crate) use routes::wants_page;
pub(crate) use site::Site;
pub(crate) use takeover::{Socket, Takeover, hold_back};

use crate::paths::Groups;
use crate::{Config, Group, Relay, RtspStream};

/// A client that takes no byte of what there is for it for so long is closed.
pub(crate) const STALL: Duration = Duration::from_secs(30);
/// How long clients have to be closed in order when the server stops.
const FAREWELL: Duration = Duration::from_millis(700);
/// Connections the kernel may hold before they are accepted: a crowd that comes at once.
const BACKLOG: u32 = 4096;
/// Connections beyond the most, for a moment each.
const SPARE: usize = 8;
/// And for each feed of a configuration, so that a feeder is never locked out.
const SPARE_OF_FEED: usize = 2;
/// How often it is looked how much is sent, where a configuration has a limit of it.
const MEASURING: Duration = Duration::from_secs(1);
/// Pause after an accept that failed for want of descriptors.
const BREATH: Duration = Duration::from_millis(50);
/// Failures to accept are told this often.
const TELLING: Duration = Duration::from_secs(1);

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Another program has the port.
    #[error("cannot listen on {address}: the port is in use; stop what listens there, or choose another with {option}")]
    InUse {
        /// The address.
        address: SocketAddr,
        /// The option that gives it.
        option: &'static str,
    },
    /// A stream is to be sent to a group that there is no source for.
    #[error("{name} is to be sent to {address}, but no source is called so")]
    NoSource {
        /// The group.
        address: SocketAddr,
        /// The name.
        name: String,
    },
    /// A group cannot be sent to.
    #[error("cannot send to {address}")]
    Group {
        /// The group.
        address: SocketAddr,
        /// The reason.
        source: IoError,
    },
    /// The system refuses for another reason.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The reason.
        source: IoError,
    },
}

/// A relay that listens.
pub struct Server {
    relay: Arc<Relay>,
    listeners: Vec<TcpListener>,
    mms: Vec<crate::mms::Listener>,
    rtsp: Vec<crate::rtsp::Listener>,
    rtmp: Vec<crate::rtmp::Listener>,
    srt: Vec<crate::srt::Listener>,
    groups: Vec<(crate::rtsp::Sender, RtspStream)>,
    /// What a configuration has sent to groups, and the interface by which.
    configured: (Groups, IpAddr),
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    relay: Arc<Relay>,
    /// What the most connections are called where the user set them.
    limit: &'static str,
    pub(crate) router: axum::Router,
    /// What the server is called.
    pub(crate) site: Site,
    /// Who is believed who asks.
    proxies: proxies::Proxies,
    /// Turns true when everything is to end.
    pub(crate) stopping: watch::Sender<bool>,
    places: Arc<Semaphore>,
    /// For those who ask how the relay is while it is full.
    spare: Arc<Semaphore>,
}

/// A connection's place among [`Config::max_connections`], and its part in the end of
/// the server: [`Server::run`] waits until the last one is dropped.
pub(crate) struct Place {
    /// Turns true when everything is to end.
    pub(crate) stopping: watch::Receiver<bool>,
    /// For one request only.
    once: bool,
    _permit: OwnedSemaphorePermit,
}

/// What one who has `address` has with it: of IPv6 a /64, since who has one of its addresses has all; of this
/// machine nothing else.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        other => other,
    }
}

impl Shared {
    /// A place, if need be a spare one, if there is one.
    fn place(&self) -> Option<Place> {
        self.steady_place().or_else(|| self.take(&self.spare, true))
    }

    /// A place that is not a spare one, if there is one.
    pub(crate) fn steady_place(&self) -> Option<Place> {
        self.take(&self.places, false)
    }

    /// What is said where there is none.
    pub(crate) fn full(&self) -> Refusal {
        Refusal::too_many(self.limit)
    }

    fn take(&self, places: &Arc<Semaphore>, once: bool) -> Option<Place> {
        let permit = Arc::clone(places).try_acquire_owned().ok()?;
        Some(Place { stopping: self.stopping.subscribe(), once, _permit: permit })
    }
}

impl Server {
    /// Listens on the addresses of `config` for `relay`.
    ///
    /// # Errors
    /// When one of the addresses cannot be listened on.
    pub fn bind(relay: Arc<Relay>, config: &Config) -> Result<Self, ServerError> {
        let bound = |address: &SocketAddr| listen(*address).map_err(|source| refused(*address, "--listen", source));
        let listeners: Vec<TcpListener> = config.listen.iter().map(bound).collect::<Result<_, _>>()?;
        let bound = |address: &SocketAddr| {
            crate::mms::Listener::bind(*address).map_err(|source| refused(*address, "--mms", source))
        };
        let mms = config.mms.iter().map(bound).collect::<Result<_, _>>()?;
        let (limit, spare) = match relay.paths() {
            Some(paths) => ("MaxHTTPConnections", SPARE + SPARE_OF_FEED * paths.table().feeds().count()),
            None => ("--max-connections", SPARE),
        };
        let bound = |address: &SocketAddr| {
            let listener = crate::rtsp::Listener::bind(*address, config);
            listener.map_err(|source| refused(*address, "--rtsp", source))
        };
        let rtsp: Vec<crate::rtsp::Listener> = config.rtsp.iter().map(bound).collect::<Result<_, _>>()?;
        if let Some(address) = rtsp.first().and_then(crate::rtsp::Listener::address) {
            let _ = relay.rtsp_port.set(address.port());
        }
        let bound = |address: &SocketAddr| {
            crate::rtmp::Listener::bind(*address).map_err(|source| refused(*address, "--rtmp", source))
        };
        let rtmp = config.rtmp.iter().map(bound).collect::<Result<_, _>>()?;
        let bound = |address: &SocketAddr| {
            let listener = crate::srt::Listener::bind(*address, config.srt_passphrase.clone());
            listener.map_err(|source| refused(*address, "--srt", source))
        };
        let srt = config.srt.iter().map(bound).collect::<Result<_, _>>()?;
        // Groups are sent to through the interface that RTSP is served on.
        let interface = config.rtsp.first().or(config.listen.first()).map_or([0; 4].into(), SocketAddr::ip);
        let bound = |(name, group): &(String, Group)| {
            let address = SocketAddr::new(group.address, group.port);
            let source = relay.source(name).ok_or_else(|| ServerError::NoSource { address, name: name.clone() })?;
            let sender = crate::rtsp::Sender::bind(*group, interface);
            let sender = sender.map_err(|source| ServerError::Group { address, source })?;
            Ok((sender, RtspStream { group: Some(*group), ..RtspStream::of(source.clone()) }))
        };
        let groups = config.multicast.iter().map(bound).collect::<Result<Vec<_>, _>>()?;
        let mut configured = Groups::default();
        for sent in relay.paths().map(crate::paths::Paths::groups).unwrap_or_default() {
            let address = sent.address();
            let sender = sent.bind(interface).map_err(|source| ServerError::Group { address, source })?;
            configured.start(&relay, sent, sender);
        }
        relay.send_to(&config.multicast);
        relay.let_move(config.ptz);
        let shared = Arc::new(Shared {
            relay: Arc::clone(&relay),
            limit,
            router: routes::router(Arc::clone(&relay)),
            site: Site::new(&config.hosts),
            proxies: proxies::Proxies::new(&config.trusted_proxies),
            stopping: watch::Sender::new(false),
            places: Arc::new(Semaphore::new(config.max_connections)),
            spare: Arc::new(Semaphore::new(spare)),
        });
        // Those of HTTP as they are, where the system chose the port.
        let http: Vec<SocketAddr> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let exchange = crate::webrtc::Exchange::new(&config.webrtc, &http, &shared);
        // What the first server of a relay says counts.
        let _ = relay.webrtc.set(exchange.map_err(|(address, source)| refused(address, "--webrtc", source))?);
        Ok(Self { relay, listeners, mms, rtsp, rtmp, srt, groups, configured: (configured, interface), shared })
    }

    /// The addresses it listens on, with the ports the system chose for port 0.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// The addresses it serves MMS on, with the ports the system chose for port 0.
    #[must_use]
    pub fn mms_addresses(&self) -> Vec<SocketAddr> {
        self.mms.iter().filter_map(crate::mms::Listener::address).collect()
    }

    /// The addresses it serves RTSP on, with the ports the system chose for port 0.
    #[must_use]
    pub fn rtsp_addresses(&self) -> Vec<SocketAddr> {
        self.rtsp.iter().filter_map(crate::rtsp::Listener::address).collect()
    }

    /// The addresses it takes RTMP on, with the ports the system chose for port 0.
    #[must_use]
    pub fn rtmp_addresses(&self) -> Vec<SocketAddr> {
        self.rtmp.iter().filter_map(crate::rtmp::Listener::address).collect()
    }

    /// The addresses it takes SRT on, with the ports the system chose for port 0.
    #[must_use]
    pub fn srt_addresses(&self) -> Vec<SocketAddr> {
        self.srt.iter().filter_map(crate::srt::Listener::address).collect()
    }

    /// The addresses that peers of WebRTC are told, with the ports the system chose for port 0;
    /// none before the first session unless [`crate::WebRtcConfig::listen`] says where.
    #[must_use]
    pub fn webrtc_addresses(&self) -> Vec<SocketAddr> {
        self.relay.exchange().map(crate::webrtc::Exchange::addresses).unwrap_or_default()
    }

    /// Serves until `stop` is ready, then closes every client in order; that takes less
    /// than a second. Programs of `Launch` lines, which run meanwhile, have three seconds.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let first = self.addresses().first().copied();
        let mut accepting = JoinSet::new();
        for listener in self.listeners {
            accepting.spawn(accept(listener, Arc::clone(&self.shared)));
        }
        for listener in self.mms {
            accepting.spawn(listener.run(Arc::clone(&self.relay), Arc::clone(&self.shared)));
        }
        if self.relay.paths().is_some() {
            accepting.spawn(measure(Arc::clone(&self.relay)));
        }
        for listener in self.rtsp {
            accepting.spawn(listener.run(Arc::clone(&self.relay), Arc::clone(&self.shared)));
        }
        for listener in self.rtmp {
            accepting.spawn(listener.run(Arc::clone(&self.relay), Arc::clone(&self.shared)));
        }
        for listener in self.srt {
            accepting.spawn(listener.run(Arc::clone(&self.relay), Arc::clone(&self.shared)));
        }
        for (sender, stream) in self.groups {
            accepting.spawn(sender.run(Arc::clone(&self.relay), stream));
        }
        let (groups, interface) = self.configured;
        accepting.spawn(groups.run(Arc::clone(&self.relay), interface));
        if let Some(paths) = self.relay.paths() {
            paths.run_programs(first);
        }
        stop.await;
        self.shared.stopping.send_replace(true);
        accepting.abort_all();
        // Each connection holds a receiver in its place for as long as it lives.
        let farewell = tokio::time::timeout(FAREWELL, self.shared.stopping.closed());
        match self.relay.paths() {
            Some(paths) => _ = tokio::join!(farewell, paths.end_programs()),
            None => _ = farewell.await,
        }
    }
}

/// Looks at how much is sent.
async fn measure(relay: Arc<Relay>) {
    let mut ticks = tokio::time::interval(MEASURING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(paths) = relay.paths() {
            paths.measure(&relay.sessions);
        }
    }
}

/// Waits until the server stops.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// A listener on `address` that lets a crowd wait.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener, IoError> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn refused(address: SocketAddr, option: &'static str, source: IoError) -> ServerError {
    match source.kind() {
        ErrorKind::AddrInUse => ServerError::InUse { address, option },
        _ => ServerError::Listen { address, source },
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut failures = Failures::default();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match shared.place() {
                Some(place) if place.once => {
                    tokio::spawn(connection::serve_if_spare(stream, peer, Arc::clone(&shared), place));
                }
                Some(place) => {
                    tokio::spawn(connection::serve(stream, peer, Arc::clone(&shared), place));
                }
                None => connection::turn_away(stream, shared.limit),
            },
            Err(error) => failures.tell_and_wait(&error).await,
        }
    }
}

/// Failures that repeat, counted and told at most once every [`TELLING`].
#[derive(Default)]
pub(crate) struct Failures {
    untold: u64,
    told: Option<Instant>,
}

impl Failures {
    /// Tells of a failure, if it is time, and waits a moment. It is for want of descriptors,
    /// mostly; those who wait in the backlog are served as soon as somebody leaves.
    pub(crate) async fn tell_and_wait(&mut self, error: &IoError) {
        if let Some(times) = self.count(Instant::now()) {
            tracing::warn!(%error, times, "cannot accept a connection");
        }
        tokio::time::sleep(BREATH).await;
    }

    /// Counts one; returns how many there were since the last telling when they are to be
    /// told now.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        if self.told.is_some_and(|told| now < told + TELLING) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_repeat_are_told_once_a_second_with_their_count() {
        let (mut failures, began) = (Failures::default(), Instant::now());
        let told: Vec<_> = (0..=40).map(|at| failures.count(began + BREATH * at)).collect();
        let told: Vec<_> = told.into_iter().enumerate().filter_map(|(at, times)| Some((at, times?))).collect();
        assert_eq!(told, [(0, 1), (20, 20), (40, 20)]);
    }
}
