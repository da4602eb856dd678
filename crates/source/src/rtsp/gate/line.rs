//! The connection to a camera: straight, or in two requests of HTTP.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;

use super::tunnel::{self, Post};
use crate::http::{Reach, Sender};
use crate::journal::{Note, shown};
use crate::location::Location;
use crate::wire::Wire;
use crate::{Access, Error, Phase, Sink};

/// The ports of RTSP in HTTP, without TLS and with it.
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// A connection to a camera.
pub(super) struct Line {
    /// What it says.
    pub(super) wire: Wire,
    /// What is said to it, where that is another connection.
    pub(super) up: Option<Post>,
    /// What came with the answer that opened it.
    pub(super) came: BytesMut,
    /// Our address and the camera's, where datagrams may go between them.
    pub(super) local: IpAddr,
    pub(super) peer: IpAddr,
    /// How far away the camera is.
    pub(super) reach: Reach,
}

/// The port of a camera, or of RTSP in HTTP on it (RFC 2326 section 3.2, RFC 7826 section 4.2).
pub(super) fn port_of(there: &Location, in_http: bool) -> u16 {
    there.port.unwrap_or(match (in_http, there.scheme == "rtsps") {
        (false, false) => crate::rtsp::PORT,
        (false, true) => 322,
        (true, false) => HTTP_PORT,
        (true, true) => HTTPS_PORT,
    })
}

impl Line {
    /// Connects to the camera itself.
    ///
    /// # Errors
    /// Of the name, of the connection, of TLS; [`Error::Server`] for a redirect to somewhere nearer.
    pub(super) async fn straight(
        there: &Location,
        access: &Access,
        sent_by: Option<&Sender>,
        sink: &Sink,
    ) -> Result<Self, Error> {
        let port = port_of(there, false);
        sink.phase(Phase::Resolve);
        let mut addresses = sink.line().resolve(&there.host, port).await?;
        if let Some(from) = sent_by {
            addresses = from.leaves(there, addresses, access)?;
        }
        sink.note(Note::Fact(shown(addresses.iter().copied())));
        sink.phase(Phase::Connect);
        let wire = sink.line().connect(&there.host, addresses).await?;
        let place = format!("{}:{port}", there.authority(port));
        let (peer, local) = match (wire.peer_addr(), wire.local_addr()) {
            (Ok(peer), Ok(local)) => (peer.ip(), local.ip()),
            (Err(error), _) | (_, Err(error)) => return Err(Error::from_io(&place, &error)),
        };
        let wire = match there.scheme == "rtsps" {
            false => wire,
            true => {
                sink.phase(Phase::Tls);
                wire.secure(&there.host, &access.trust, &place).await?
            }
        };
        sink.phase(Phase::Handshake);
        Ok(Self { wire, up: None, came: BytesMut::new(), local, peer, reach: Reach::of(peer) })
    }

    /// Opens both requests of HTTP.
    ///
    /// # Errors
    /// Of the name, of the connection, of TLS; of what the server answers to the GET.
    pub(super) async fn in_http(
        there: &Location,
        access: &Access,
        sent_by: Option<&Sender>,
        sink: &Sink,
    ) -> Result<Self, Error> {
        let (wire, came, reach, post) = tunnel::open(there, access, sent_by, sink).await?;
        let nowhere = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Ok(Self { wire, up: Some(post), came, local: nowhere, peer: nowhere, reach })
    }

    /// Says something to the camera.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.up {
            Some(post) => post.send(bytes).await,
            None => {
                self.wire.write_all(bytes).await?;
                self.wire.flush().await
            }
        }
    }
}
