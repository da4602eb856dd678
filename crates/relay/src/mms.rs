//! MMS over TCP and UDP, for old players: `mms://HOST/NAME`.
//!
//! A listener takes connections on a TCP port and has the UDP port of the same number.
//! What is said on a connection is the business of [`::mms::Server`], which does no I/O;
//! here are the sockets, and the tape that the packets come from ([`crate::output::Tapes`]).

mod client;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;

use crate::Relay;
use crate::server::{Failures, Shared, listen};
use crate::shelf::lock;

/// Datagrams that wait for a client's task; further ones are lost, as on the way here.
const MOST_WAITING: usize = 32;
/// The longest request to send packets again is far shorter.
const MOST_DATAGRAM: usize = 512;
/// Times a pair of free ports is looked for, where the system chooses.
const TRIES: usize = 16;

/// An address that MMS is served on.
pub(crate) struct Listener {
    tcp: TcpListener,
    udp: Arc<UdpSocket>,
}

/// Who is asked for packets again, by the ids that requests carry, and where they come from.
#[derive(Clone, Default)]
struct Inboxes(Arc<Mutex<HashMap<u32, Inbox>>>);

struct Inbox {
    /// The address of the client's connection: datagrams of others are not its own.
    from: IpAddr,
    sender: mpsc::Sender<Bytes>,
}

impl Inboxes {
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Inbox>> {
        lock(&self.0)
    }

    /// An inbox for the client with this id at this address, there until the receiver is
    /// dropped and [`Inboxes::leave`] called.
    fn enter(&self, id: u32, from: IpAddr) -> mpsc::Receiver<Bytes> {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        self.lock().insert(id, Inbox { from: from.to_canonical(), sender });
        receiver
    }

    /// Puts a datagram where it belongs, if there is room and it comes from the right address.
    fn put(&self, id: u32, from: IpAddr, datagram: &[u8]) {
        if let Some(inbox) = self.lock().get(&id).filter(|inbox| inbox.from == from.to_canonical()) {
            let _ = inbox.sender.try_send(Bytes::copy_from_slice(datagram));
        }
    }

    fn leave(&self, id: u32) {
        self.lock().remove(&id);
    }
}

impl Listener {
    /// Listens on `address`, by TCP and UDP on the same port.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let mut tries = if address.port() == 0 { TRIES } else { 1 };
        loop {
            let tcp = listen(address)?;
            let bound = tcp.local_addr().and_then(std::net::UdpSocket::bind);
            match bound {
                Ok(udp) => {
                    udp.set_nonblocking(true)?;
                    return Ok(Self { tcp, udp: Arc::new(UdpSocket::from_std(udp)?) });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 1 => tries -= 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.tcp.local_addr().ok()
    }

    /// Serves whoever comes.
    pub(crate) async fn run(self, relay: Arc<Relay>, shared: Arc<Shared>) {
        let inboxes = Inboxes::default();
        tokio::select! {
            () = self.accept(&relay, &shared, &inboxes) => {}
            () = self.sort(&inboxes) => {}
        }
    }

    async fn accept(&self, relay: &Arc<Relay>, shared: &Shared, inboxes: &Inboxes) {
        let mut failures = Failures::default();
        loop {
            match self.tcp.accept().await {
                // A player that is turned away is closed: there is no word for it before it
                // has said anything.
                Ok((socket, peer)) => {
                    if let Some(place) = shared.steady_place() {
                        let client = client::Client::new(socket, peer, place, Arc::clone(relay), Arc::clone(&self.udp));
                        tokio::spawn(client.run(inboxes.clone()));
                    }
                }
                Err(error) => failures.tell_and_wait(&error).await,
            }
        }
    }

    /// Gives each datagram to the client that it is from.
    async fn sort(&self, inboxes: &Inboxes) {
        let mut datagram = [0; MOST_DATAGRAM];
        loop {
            // Errors here are those of earlier sends: a client that is gone.
            let Ok((length, from)) = self.udp.recv_from(&mut datagram).await else {
                tokio::task::yield_now().await;
                continue;
            };
            let datagram = &datagram[..length];
            if let Some(id) = ::mms::Server::addressee(datagram) {
                inboxes.put(id, from.ip(), datagram);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_of_strangers_reach_nobody() {
        let inboxes = Inboxes::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut inbox = inboxes.enter(7, address("::ffff:127.0.0.1"));
        inboxes.put(7, address("127.0.0.2"), b"stranger");
        inboxes.put(8, address("127.0.0.1"), b"other");
        inboxes.put(7, address("127.0.0.1"), b"own");
        assert_eq!(inbox.try_recv().unwrap(), "own");
        assert!(inbox.try_recv().is_err());
        inboxes.leave(7);
        inboxes.put(7, address("127.0.0.1"), b"late");
        assert_eq!(inbox.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }
}
