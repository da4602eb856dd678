//! The connection to a camera: straight, or in two requests of HTTP.
//!
//! In HTTP, as QuickTime does it (Apple, "Tunneling RTSP and RTP over HTTP"; ONVIF Streaming Specification,
//! "RTP/RTSP/HTTP/TCP"), what the camera says is the endless body of the answer to a GET, and what is said
//! to it the body of a POST, in Base64. A word that both carry tells the camera that they belong together.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BytesMut};
use formats::http::{Head, HeadParser};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http::{AGENT, Auth, Reach, Sender, duplex, random};
use crate::journal::{Note, shown, without_secrets};
use crate::location::Location;
use crate::wire::Wire;
use crate::{Access, Error, Phase, Sink};

/// The ports of RTSP in HTTP, without TLS and with it.
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;
/// Answers to challenges that are out of date, in a row (RFC 7616 section 3.3).
const MOST_STALE: u32 = 2;
/// What is read of an answer at once.
const READ: usize = 4 << 10;
/// What the POST announces, by Apple's paper. Nobody holds us to it: VLC and FFmpeg send on beyond, too.
const ANNOUNCED: u32 = 32_767;

/// A connection to a camera.
pub(super) struct Line {
    /// What it says.
    pub(super) wire: Wire,
    /// What is said to it, where that is another connection.
    pub(super) up: Option<Wire>,
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
        // Of a WebSocket's, a proxy passes on everything, too.
        let scheme = if there.scheme == "rtsps" { "wss" } else { "ws" };
        let at = Location { scheme: scheme.into(), port: Some(port_of(there, true)), ..there.clone() };
        let mut ask =
            Ask { there, at: &at, auth: Auth::default(), cookie: format!("{:08x}{:08x}", random(), random()) };
        let mut stale = 0;
        let (wire, came, reach) = loop {
            let (mut wire, reach) = duplex(&at, access, sent_by, sink).await?;
            ask.send(&mut wire, "GET", "Accept: application/x-rtsp-tunnelled\r\n", sink).await?;
            let (head, came) = ask.answer(&mut wire, sink).await?;
            let fresh = ask.auth.is_silent();
            match head.status {
                200..=299 => break (wire, came, reach),
                401 if there.user.is_some() && stale <= MOST_STALE => match ask.auth.challenge(&head) {
                    Some(is_stale) if fresh || is_stale => stale += 1,
                    _ => return Err(ask.refused(&head)),
                },
                _ => return Err(ask.refused(&head)),
            }
        };
        let (mut up, _) = duplex(&at, access, sent_by, sink).await?;
        let body = format!(
            "Content-Type: application/x-rtsp-tunnelled\r\nContent-Length: {ANNOUNCED}\r\nExpires: Sun, 9 Jan 1972 00:00:00 GMT\r\n"
        );
        ask.send(&mut up, "POST", &body, sink).await?;
        let nowhere = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Ok(Self { wire, up: Some(up), came, local: nowhere, peer: nowhere, reach })
    }

    /// Says something to the camera.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let wire = match &mut self.up {
            Some(up) => {
                up.write_all(STANDARD.encode(bytes).as_bytes()).await?;
                up
            }
            None => {
                self.wire.write_all(bytes).await?;
                &mut self.wire
            }
        };
        wire.flush().await
    }
}

/// The two requests.
struct Ask<'a> {
    /// As the user calls it.
    there: &'a Location,
    at: &'a Location,
    auth: Auth,
    cookie: String,
}

impl Ask<'_> {
    async fn send(&mut self, wire: &mut Wire, method: &str, more: &str, sink: &Sink) -> Result<(), Error> {
        let target = self.at.target();
        let mut request = format!(
            "{method} {target} HTTP/1.0\r\nHost: {}\r\nUser-Agent: {AGENT}\r\nx-sessioncookie: {}\r\n{more}\
             Pragma: no-cache\r\nCache-Control: no-cache\r\n",
            self.at.authority(port_of(&Location { port: None, ..self.there.clone() }, true)),
            self.cookie,
        );
        if let Some(user) = &self.there.user {
            let password = self.there.password.as_deref().unwrap_or_default();
            if let Some(answer) = self.auth.header(user, password, method, target, b"") {
                request += &format!("Authorization: {answer}\r\n");
            }
        }
        request += "\r\n";
        sink.note(Note::Sent(without_secrets(&request)));
        let sent = async {
            wire.write_all(request.as_bytes()).await?;
            wire.flush().await
        };
        sent.await.map_err(|error| Error::from_io(&self.there.to_string(), &error))
    }

    /// The head of the answer, and what has come behind it.
    async fn answer(&self, wire: &mut Wire, sink: &Sink) -> Result<(Head, BytesMut), Error> {
        const HINT: &str = "does the camera speak RTSP in HTTP on this port?";
        let (mut raw, mut parser) = (BytesMut::new(), HeadParser::new());
        loop {
            raw.reserve(READ);
            let count = wire.read_buf(&mut raw).await;
            let count = count.map_err(|error| Error::from_io(&self.there.to_string(), &error))?;
            let is_http = raw.iter().zip(b"HTTP/").all(|(found, expected)| found == expected);
            let parsed = match is_http {
                true => parser.parse(&raw).map_err(|error| error.to_string()),
                false => Err(format!(
                    "expected an answer of HTTP, found {:?}",
                    String::from_utf8_lossy(&raw[..raw.len().min(24)])
                )),
            };
            let parsed = parsed.map_err(|what| Error::Broken { what: format!("{}: {what}; {HINT}", self.there) })?;
            if let Some((head, body)) = parsed {
                sink.note(Note::Answered(without_secrets(&String::from_utf8_lossy(&raw[..body]))));
                raw.advance(body);
                return Ok((head, raw));
            }
            if count == 0 {
                let what = format!("{}: the server closed the connection without an answer; {HINT}", self.there);
                return Err(Error::Unreachable { what });
            }
        }
    }

    fn refused(&self, head: &Head) -> Error {
        let (there, status) = (self.there, head.status);
        let what = format!("{there} answered {status} when asked for RTSP in HTTP");
        match (status, &there.user) {
            (401 | 403, Some(user)) => Error::Unauthorized { status, what: format!("{what} by user {user}") },
            (401 | 403, None) => Error::Unauthorized { status, what },
            (404 | 410, _) => Error::NotFound { status, what },
            _ => Error::Server { status, what },
        }
    }
}
