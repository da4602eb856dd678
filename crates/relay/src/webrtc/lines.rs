//! The sockets that all sessions share, and the addresses that peers are told.
//!
//! A socket that listens everywhere does not say at which address a datagram came, and answers
//! from whatever address the kernel likes; ICE wants to know both. So there is a socket for each
//! address of this machine, all with one port.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use ::webrtc::Datagram;
use tokio::net::UdpSocket;
use tokio::sync::watch;

use super::table::{Came, Table};
use crate::server::stopped;

/// Sockets, one for each address; also of a machine with many.
const MOST_LINES: usize = 32;
/// Bytes that the kernel keeps for a socket until they are read: a keyframe of each of many.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Longest datagram; all of WebRTC is shorter than what an Ethernet carries.
const MOST_DATAGRAM: usize = 2048;
/// How often another port is tried where the system chooses, until one is free at each address.
const TRIES: usize = 16;

/// A socket at one address.
struct Line {
    socket: UdpSocket,
    address: SocketAddr,
}

/// The sockets of one server.
pub(super) struct Lines {
    lines: Vec<Arc<Line>>,
    candidates: Vec<SocketAddr>,
}

impl Lines {
    /// Opens sockets at `places`, whose readers run until the server stops. Needs a tokio runtime.
    ///
    /// # Errors
    /// The address that cannot be listened on, and why.
    pub(super) fn open(
        places: &[SocketAddr],
        hosts: &[IpAddr],
        table: &Arc<Table>,
        stopping: &watch::Receiver<bool>,
    ) -> Result<Self, (SocketAddr, io::Error)> {
        let mut lines: Vec<Arc<Line>> = Vec::new();
        for place in places {
            let there: Vec<SocketAddr> = lines.iter().map(|line| line.address).collect();
            let mut opened = all_at(*place, &there)?;
            lines.append(&mut opened);
        }
        let mut candidates: Vec<_> = lines.iter().map(|line| line.address).collect();
        for host in hosts {
            let ports: BTreeSet<_> = lines.iter().map(|line| line.address.port()).collect();
            candidates.extend(ports.into_iter().map(|port| SocketAddr::new(*host, port)));
        }
        for line in &lines {
            tokio::spawn(read(Arc::clone(line), Arc::clone(table), stopping.clone()));
        }
        Ok(Self { lines, candidates })
    }

    /// What peers may try.
    pub(super) fn candidates(&self) -> &[SocketAddr] {
        &self.candidates
    }

    /// Sends what a session has to say; `last` is the address at which its peer was heard last,
    /// where it does not go by one that there is a socket for.
    pub(super) async fn send(&self, datagram: &Datagram, last: Option<SocketAddr>) {
        let at = |address: SocketAddr| self.lines.iter().find(|line| line.address == address);
        let fits = || self.lines.iter().find(|line| line.address.is_ipv4() == datagram.to.is_ipv4());
        let Some(line) = at(datagram.from).or_else(|| last.and_then(at)).or_else(fits) else { return };
        // Lost on the way or lost here: it is asked for again.
        if let Err(error) = line.socket.send_to(&datagram.data, datagram.to).await {
            tracing::debug!(to = %datagram.to, %error, "a datagram of WebRTC could not be sent");
        }
    }
}

/// Sockets at `place`, or, where that is everywhere, at each address of this machine, but for those
/// that are `there` already.
fn all_at(place: SocketAddr, there: &[SocketAddr]) -> Result<Vec<Arc<Line>>, (SocketAddr, io::Error)> {
    let is_everywhere = place.ip().is_unspecified();
    let mut addresses = if is_everywhere { of_this_machine(place.is_ipv6()) } else { vec![place.ip()] };
    addresses.retain(|address| !there.contains(&SocketAddr::new(*address, place.port())));
    let most = MOST_LINES.saturating_sub(there.len());
    let mut tries = 0;
    loop {
        tries += 1;
        let (mut port, mut lines, mut failure) = (place.port(), Vec::new(), None);
        for address in addresses.iter().take(most) {
            let at = SocketAddr::new(*address, port);
            match bind(at) {
                Ok(line) => {
                    port = line.address.port();
                    lines.push(Arc::new(line));
                }
                // One of many that is on its way or has just gone, as they do with IPv6.
                Err(error) if is_everywhere && error.kind() == io::ErrorKind::AddrNotAvailable => {
                    tracing::debug!(%at, %error, "WebRTC goes without an address");
                }
                Err(error) => {
                    failure = Some((at, error));
                    break;
                }
            }
        }
        match failure {
            None => return Ok(lines),
            Some(_) if place.port() == 0 && tries < TRIES => {}
            Some(failure) => return Err(failure),
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<Line> {
    let kind = socket2::Type::DGRAM;
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), kind, Some(socket2::Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The kernel gives what it has.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    let socket = UdpSocket::from_std(socket.into())?;
    let address = socket.local_addr()?;
    Ok(Line { socket, address })
}

/// The addresses of this machine: those that others reach, or where there are none, its own loop.
fn of_this_machine(with_ipv6: bool) -> Vec<IpAddr> {
    let all: Vec<IpAddr> = match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces.iter().map(if_addrs::Interface::ip).collect(),
        Err(error) => {
            tracing::warn!(%error, "the addresses of this machine are not known");
            Vec::new()
        }
    };
    let is_of_use = |address: &IpAddr| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        // Those of a link have no meaning without its name.
        IpAddr::V6(address) => with_ipv6 && !address.is_loopback() && !address.is_unicast_link_local(),
    };
    let found: BTreeSet<IpAddr> = all.into_iter().filter(is_of_use).collect();
    match found.is_empty() {
        true => vec![IpAddr::from([127, 0, 0, 1])],
        false => found.into_iter().collect(),
    }
}

/// Hands what comes to whom it is for, until the server stops.
async fn read(line: Arc<Line>, table: Arc<Table>, mut stopping: watch::Receiver<bool>) {
    let mut buffer = [0; MOST_DATAGRAM];
    loop {
        let received = tokio::select! {
            received = line.socket.recv_from(&mut buffer) => received,
            () = stopped(&mut stopping) => return,
        };
        match received {
            Ok((count, from)) => {
                let data = &buffer[..count];
                table.deliver(data, || Came { to: line.address, from, at: Instant::now(), data: data.into() });
            }
            // What a datagram before it met on its way, as a port that is closed.
            Err(error) => tracing::trace!(%error, "a datagram of WebRTC could not be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_listens_everywhere_twice_has_each_address_once() {
        let first = all_at("0.0.0.0:0".parse().unwrap(), &[]).unwrap();
        let there: Vec<SocketAddr> = first.iter().map(|line| line.address).collect();
        let port = there[0].port();
        for again in ["0.0.0.0", "[::]"] {
            let more = all_at(format!("{again}:{port}").parse().unwrap(), &there).unwrap();
            assert!(more.iter().all(|line| line.address.is_ipv6()), "{again}");
        }
    }
}
