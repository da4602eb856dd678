//! How a handler gets the socket.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};

use super::Place;

/// A socket that hyper has let go of, with what keeps its connection counted.
pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    pub(crate) place: Place,
    /// What the client has sent behind its request's head.
    pub(crate) read: Bytes,
}

/// Most bytes of a stream that may lie in the kernel unsent, for each client. More would grow
/// old where no program can take them back.
pub(crate) const UNSENT: u32 = 16 << 10;

/// Keeps the kernel from taking more of a stream than [`UNSENT`] before it can send it.
pub(crate) fn hold_back(stream: &TcpStream) {
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT) {
        tracing::debug!(%error, "the kernel may hold something back for this client");
    }
}

/// What to do with the socket: everything from the first byte of the answer on.
pub(crate) type Order = Box<dyn FnOnce(Socket) + Send>;

/// A handler's way to its connection; in the extensions of every request.
#[derive(Clone)]
pub(crate) struct Takeover {
    peer: SocketAddr,
    slot: Arc<Slot>,
}

struct Slot {
    stopping: watch::Receiver<bool>,
    order: Mutex<Option<Order>>,
    given: Notify,
}

impl Takeover {
    pub(crate) fn new(peer: SocketAddr, stopping: watch::Receiver<bool>) -> Self {
        Self { peer, slot: Arc::new(Slot { stopping, order: Mutex::default(), given: Notify::new() }) }
    }

    /// The same for a request of `peer`.
    pub(crate) fn of(&self, peer: SocketAddr) -> Self {
        Self { peer, slot: Arc::clone(&self.slot) }
    }

    /// Who asks: who is at the other end, or for whom a proxy asks there ([`super::proxies`]).
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Turns true when the server stops.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.slot.stopping.clone()
    }

    /// Hands the socket over to `order`. Never returns: the connection drops the
    /// handler together with hyper's state.
    pub(crate) async fn give<T>(&self, order: Order) -> T {
        *self.slot.order.lock().unwrap_or_else(PoisonError::into_inner) = Some(order);
        self.slot.given.notify_one();
        std::future::pending().await
    }

    /// Waits for an order.
    pub(crate) async fn taken(&self) -> Order {
        loop {
            self.slot.given.notified().await;
            if let Some(order) = self.slot.order.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return order;
            }
        }
    }
}
