//! RTSP: `rtsp://HOST:PORT/NAME`, over UDP, over the connection itself, by multicast.
//!
//! A listener takes connections on a TCP port and has a pair of UDP ports that all its clients'
//! datagrams go out of. What is said on a connection is the business of [`::rtsp::Server`],
//! which does no I/O; here are the sockets, and the press that the packets come from
//! (`rtsp::press`).

mod client;
mod multicast;
mod press;
mod sending;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ::rtsp::sdp::{self, About, Group};
use media::Encoding;
use source::Supervisor;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Notify;

pub(crate) use multicast::Sender;
pub(crate) use press::Presses;

use crate::server::{Failures, Shared, listen};
use crate::shelf::lock;
use crate::{Config, Relay};

/// Times a pair of free UDP ports is looked for.
const TRIES: usize = 64;
/// The longest compound packet of a receiver that is looked at; longer ones are cut.
const MOST_REPORT: usize = 512;

/// A stream that can be had by RTSP.
#[derive(Clone)]
pub struct RtspStream {
    /// Where it comes from.
    pub source: Supervisor,
    /// The group that its packets go to, for clients that ask for multicast.
    pub group: Option<Group>,
    /// How its pictures and its sound are coded.
    pub encoding: Encoding,
    /// What it is called; its source's name, where there is none.
    pub title: Option<String>,
    /// Words about it.
    pub words: Option<String>,
}

impl RtspStream {
    /// All of a source, to each client on its own.
    #[must_use]
    pub fn of(source: Supervisor) -> Self {
        Self { source, group: None, encoding: Encoding::default(), title: None, words: None }
    }
}

type Lookup = dyn Fn(&Relay, IpAddr, &str) -> Option<RtspStream> + Send + Sync;

/// What a client at an address finds behind a path; nothing both where nothing is and where it
/// may not look, so that it cannot tell one from the other.
#[derive(Clone)]
pub struct RtspNames(Arc<Lookup>);

impl RtspNames {
    /// Names as `lookup` has them: it is given the client's address, and the path of the URL
    /// without a slash in front, unescaped, without the query.
    pub fn new(lookup: impl Fn(&Relay, IpAddr, &str) -> Option<RtspStream> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    fn find(&self, relay: &Relay, client: IpAddr, path: &str) -> Option<RtspStream> {
        (self.0)(relay, client.to_canonical(), path)
    }
}

impl Default for RtspNames {
    /// What a configuration has under `Format rtp`, to those whom it lets in; then the sources
    /// by their names, with or without `.rtsp`, for everybody.
    fn default() -> Self {
        Self::new(|relay, client, path| {
            if let Some(paths) = relay.paths()
                && paths.has(path)
            {
                return paths.rtsp(client, path);
            }
            let name = path.strip_suffix(".rtsp").unwrap_or(path);
            let source = relay.source(name)?;
            Some(RtspStream { group: relay.group(name), ..RtspStream::of(source) })
        })
    }
}

impl fmt::Debug for RtspNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RtspNames")
    }
}

impl Relay {
    /// The session description of a stream as a file, for players that join its group without
    /// asking (`.sdp`); `server` is the address that the client sees. Opens the source if need
    /// be.
    ///
    /// # Errors
    /// When the source cannot be opened, or nothing of it can be sent by RTP.
    pub async fn sdp(&self, stream: &RtspStream, server: IpAddr) -> Result<String, source::Error> {
        let sheet = self.presses.read(stream).sheet(&stream.source).await?;
        Ok(describe(stream, &sheet, server, stream.group))
    }
}

/// What clients are told of a stream.
fn describe(stream: &RtspStream, sheet: &press::Sheet, server: IpAddr, group: Option<Group>) -> String {
    let name = stream.title.as_deref().unwrap_or(stream.source.name());
    let about = About { name, words: stream.words.as_deref(), server, version: u64::from(sheet.id()), group };
    sdp::describe(about, (0..).zip(&sheet.media))
}

/// An address that RTSP is served on.
pub(crate) struct Listener {
    tcp: TcpListener,
    host: Arc<Host>,
}

/// What the clients of a listener share.
struct Host {
    /// For RTP.
    rtp: UdpSocket,
    /// For RTCP.
    rtcp: UdpSocket,
    /// The ports of both.
    ports: (u16, u16),
    names: RtspNames,
    /// After how much silence a session ends.
    timeout: Duration,
    /// Who is woken by a report from an address.
    reports: Mutex<HashMap<SocketAddr, Arc<Notify>>>,
}

impl Host {
    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Arc<Notify>>> {
        lock(&self.reports)
    }

    /// Has `whom` woken by reports from `address`.
    fn expect(&self, address: SocketAddr, whom: &Arc<Notify>) {
        self.lock().insert(canonical(address), Arc::clone(whom));
    }

    /// Undoes [`Host::expect`].
    fn forget(&self, address: SocketAddr, whom: &Arc<Notify>) {
        let mut reports = self.lock();
        if reports.get(&canonical(address)).is_some_and(|known| Arc::ptr_eq(known, whom)) {
            reports.remove(&canonical(address));
        }
    }

    /// Tells each client that it was heard.
    async fn sort(&self) {
        let mut datagram = [0; MOST_REPORT];
        loop {
            // Errors here are those of earlier sends: a client that is gone.
            let Ok((length, from)) = self.rtcp.recv_from(&mut datagram).await else {
                tokio::task::yield_now().await;
                continue;
            };
            if ::rtsp::is_of_receiver(&datagram[..length])
                && let Some(client) = self.lock().get(&canonical(from))
            {
                client.notify_one();
            }
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Listener {
    /// Listens on `address`, with a pair of UDP ports that the system has free.
    pub(crate) fn bind(address: SocketAddr, config: &Config) -> io::Result<Self> {
        let tcp = listen(address)?;
        let (rtp, rtcp) = pair(tcp.local_addr()?.ip())?;
        let ports = (rtp.local_addr()?.port(), rtcp.local_addr()?.port());
        let (names, timeout) = (config.rtsp_names.clone(), config.rtsp_timeout);
        let host = Host { rtp, rtcp, ports, names, timeout, reports: Mutex::default() };
        Ok(Self { tcp, host: Arc::new(host) })
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.tcp.local_addr().ok()
    }

    /// Serves whoever comes.
    pub(crate) async fn run(self, relay: Arc<Relay>, shared: Arc<Shared>) {
        tokio::select! {
            () = self.accept(&relay, &shared) => {}
            () = self.host.sort() => {}
        }
    }

    async fn accept(&self, relay: &Arc<Relay>, shared: &Shared) {
        let mut failures = Failures::default();
        loop {
            match self.tcp.accept().await {
                Ok((socket, peer)) => {
                    if let Some(place) = shared.steady_place() {
                        let client =
                            client::Client::new(socket, peer, place, Arc::clone(relay), Arc::clone(&self.host));
                        tokio::spawn(client.run());
                    }
                }
                Err(error) => failures.tell_and_wait(&error).await,
            }
        }
    }
}

/// Sockets on an even port and the one after it (RFC 3550 section 11).
fn pair(address: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    let bind = |port| {
        let socket = std::net::UdpSocket::bind(SocketAddr::new(address, port))?;
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket)
    };
    let mut refused = io::Error::from(io::ErrorKind::AddrInUse);
    // Kept until a pair is found, so that the system proposes others.
    let mut odd_ones = Vec::new();
    for _ in 0..TRIES {
        let first = bind(0)?;
        let port = first.local_addr()?.port();
        let other = if port % 2 == 0 { bind(port + 1) } else { bind(port - 1) };
        match other {
            Ok(other) if port % 2 == 0 => return Ok((first, other)),
            Ok(other) => return Ok((other, first)),
            Err(error) => refused = error,
        }
        odd_ones.push(first);
    }
    Err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pair_of_ports_is_an_even_one_and_the_next() {
        let (rtp, rtcp) = pair(IpAddr::from([127, 0, 0, 1])).unwrap();
        let (rtp, rtcp) = (rtp.local_addr().unwrap().port(), rtcp.local_addr().unwrap().port());
        assert_eq!((rtp % 2, rtcp), (0, rtp + 1));
    }
}
