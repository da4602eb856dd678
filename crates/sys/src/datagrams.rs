//! Datagrams that are taken many at a time.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

/// Datagrams that are taken in one go at most.
pub const MOST: usize = 32;
/// Bytes of one: no datagram of UDP is longer.
pub const MOST_BYTES: usize = 64 << 10;

/// Room for some datagrams. Pages that none was long enough for are never touched.
pub struct Inbox {
    bytes: Vec<u8>,
    /// From whom they came, and how long they are.
    arrived: Vec<(SocketAddr, usize)>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { bytes: vec![0; MOST * MOST_BYTES], arrived: Vec::with_capacity(MOST) }
    }
}

impl Inbox {
    /// Takes what has come on a socket of UDP that does not block, [`MOST`] at most, and forgets what came
    /// before; gives how many.
    ///
    /// # Errors
    /// What the system says, [`io::ErrorKind::WouldBlock`] if nothing has come; [`io::ErrorKind::Unsupported`]
    /// where it takes only one at a time.
    pub fn receive(&mut self, socket: &impl AsFd) -> io::Result<usize> {
        self.arrived.clear();
        crate::system::receive(socket.as_fd(), &mut self.bytes, &mut self.arrived)?;
        Ok(self.arrived.len())
    }

    /// What was taken last, in order.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        self.arrived.iter().zip(self.bytes.chunks_exact(MOST_BYTES)).map(|((from, length), bytes)| {
            let length = (*length).min(bytes.len());
            (*from, &bytes[..length])
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn datagrams_are_taken_many_at_a_time_with_their_senders() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let (Ok(to), Ok(from)) = (UdpSocket::bind(host), UdpSocket::bind(host)) else { continue };
            to.set_nonblocking(true).unwrap();
            let mut inbox = Inbox::default();
            assert_eq!(inbox.receive(&to).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            let long = vec![7; 60_000];
            let sent: Vec<&[u8]> =
                std::iter::once(&long[..]).chain([&b"a"[..], b""]).chain([&b"x"[..]; MOST]).collect();
            for datagram in &sent {
                from.send_to(datagram, to.local_addr().unwrap()).unwrap();
            }
            let mut came: Vec<Vec<u8>> = Vec::new();
            while came.len() < sent.len() {
                let count = inbox.receive(&to).unwrap();
                assert!((1..=MOST).contains(&count) && inbox.iter().count() == count);
                assert!(inbox.iter().all(|(sender, _)| sender == from.local_addr().unwrap()));
                came.extend(inbox.iter().map(|(_, bytes)| bytes.to_vec()));
            }
            assert_eq!(came, sent);
        }
    }
}
