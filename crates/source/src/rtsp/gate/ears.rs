//! The sockets on which a camera's datagrams come.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::ReadBuf;
use tokio::time::sleep_until;

use super::reorder::Reorder;
use crate::line::{Datagrams, Line};

/// What the system keeps of datagrams while we are busy: half a second of 60 Mbit/s.
const ROOM: usize = 4 << 20;
/// The largest datagram.
const MOST: usize = 64 << 10;
/// How often in a row what has come on a socket is taken.
const TURNS: usize = 4;
/// Pairs of ports that are tried.
const TRIES: usize = 64;
/// An RTP packet and a receiver's report with nothing in them, which open the way in a
/// translator of addresses (RFC 3550 sections 5.1 and 6.4.2).
const KNOCK: [&[u8]; 2] = [&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0x80, 201, 0, 1, 0, 0, 0, 0]];

/// All of a session.
pub(super) struct Ears {
    local: IpAddr,
    camera: IpAddr,
    line: Line,
    pairs: Vec<Ear>,
    buffer: Vec<u8>,
}

/// Those of one track.
struct Ear {
    rtp: Datagrams,
    rtcp: Datagrams,
    channels: (u8, u8),
    /// From where they have to come.
    source: IpAddr,
    /// The camera's port for RTCP.
    control: Option<u16>,
    reorder: Reorder,
}

impl Ears {
    pub(super) fn new(local: IpAddr, camera: IpAddr, line: Line) -> Self {
        Self { local, camera, line, pairs: Vec::new(), buffer: vec![0; MOST] }
    }

    /// Opens a pair of sockets for a track (RFC 3550 section 11: an even port and the next one).
    pub(super) fn open(&mut self, channels: (u8, u8)) -> io::Result<(u16, u16)> {
        for _ in 0..TRIES {
            let (of, and) = channels;
            let bind = |what: &str, port| {
                let role = format!("{what} {of}-{and}");
                self.line.datagrams(&role, SocketAddr::new(self.local, port), ROOM)
            };
            let rtp = bind("rtp", 0)?;
            let port = rtp.port()?;
            if port % 2 != 0 || port == u16::MAX {
                continue;
            }
            let Ok(rtcp) = bind("rtcp", port + 1) else { continue };
            self.pairs.retain(|ear| ear.channels != channels);
            self.pairs.push(Ear {
                rtp,
                rtcp,
                channels,
                source: self.camera,
                control: None,
                reorder: Reorder::default(),
            });
            return Ok((port, port + 1));
        }
        Err(io::Error::other("no pair of ports is free"))
    }

    /// The datagrams of these channels come from these ports.
    pub(super) async fn listen_to(&mut self, channels: (u8, u8), ports: Option<(u16, u16)>, source: Option<IpAddr>) {
        let Some(ear) = self.pairs.iter_mut().find(|ear| ear.channels == channels) else { return };
        // Behind a translator of addresses a camera tells one that leads nowhere.
        ear.source = source.filter(|source| *source == self.camera).unwrap_or(self.camera);
        ear.control = ports.map(|(_, rtcp)| rtcp);
        if let Some((rtp, rtcp)) = ports {
            // Not worth failing for: many need no such knock.
            let _ = ear.rtp.send_to(KNOCK[0], SocketAddr::new(ear.source, rtp)).await;
            let _ = ear.rtcp.send_to(KNOCK[1], SocketAddr::new(ear.source, rtcp)).await;
        }
    }

    /// Sends a packet of RTCP to the camera's ports for it. As any datagram, it may be lost.
    pub(super) async fn say(&mut self, packet: &[u8]) {
        for ear in &self.pairs {
            if let Some(port) = ear.control {
                let _ = ear.rtcp.send_to(packet, (ear.source, port)).await;
            }
        }
    }

    /// Whether datagrams of a channel wait for one that is missing.
    pub(super) fn is_waiting(&self, channel: u8) -> bool {
        self.pairs.iter().any(|ear| ear.channels.0 == channel && ear.reorder.poll_timeout().is_some())
    }

    /// Waits until something has come, and puts it into `out` in order, framed as interleaved
    /// data (RFC 2326 section 10.12). Cancel-safe.
    pub(super) async fn hear(&mut self, out: &mut Vec<u8>) {
        while out.is_empty() {
            let due = self.pairs.iter().filter_map(|ear| ear.reorder.poll_timeout()).min();
            let late = async {
                match due {
                    Some(due) => sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            let Self { pairs, buffer, .. } = self;
            tokio::select! {
                () = poll_fn(|context| poll(pairs, buffer, out, context)) => {}
                () = late => {
                    let now = Instant::now();
                    for ear in pairs.iter_mut() {
                        let channel = ear.channels.0;
                        ear.reorder.handle_timeout(now, &mut |packet| frame(channel, packet, out));
                    }
                }
            }
        }
    }
}

fn poll(pairs: &mut [Ear], buffer: &mut [u8], out: &mut Vec<u8>, context: &mut Context<'_>) -> Poll<()> {
    let mut any = false;
    let now = Instant::now();
    for ear in pairs {
        let (source, channel, reorder) = (ear.source.to_canonical(), ear.channels.0, &mut ear.reorder);
        let mut give = |from: SocketAddr, datagram: &[u8]| {
            if from.ip().to_canonical() == source {
                reorder.handle(now, datagram, &mut |packet| frame(channel, packet, out));
            }
        };
        for _ in 0..TURNS {
            match ear.rtp.poll_recv_many(context, buffer, &mut give) {
                // A port of the camera's that is not open (ICMP): its own may be all the same.
                Poll::Ready(_) => any = true,
                Poll::Pending => break,
            }
        }
        let mut read = ReadBuf::new(buffer);
        if let Poll::Ready(result) = ear.rtcp.poll_recv_from(context, &mut read) {
            any = true;
            if result.is_ok_and(|from| from.ip().to_canonical() == ear.source.to_canonical()) {
                frame(ear.channels.1, read.filled(), out);
            }
        }
    }
    if any { Poll::Ready(()) } else { Poll::Pending }
}

/// Puts a datagram into `out`; one that is too long for its length to be told cannot be.
fn frame(channel: u8, datagram: &[u8], out: &mut Vec<u8>) {
    if let Ok(length) = u16::try_from(datagram.len()) {
        out.extend_from_slice(&[b'$', channel]);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(datagram);
    }
}
