//! The way to a server: through a proxy or not, with TLS or without.

use std::net::IpAddr;

use base64::Engine as _;
use bytes::BytesMut;
use formats::http::HeadParser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::port_of;
use crate::dial::{connect, resolve};
use crate::journal::{Note, shown};
use crate::location::Location;
use crate::wire::Wire;
use crate::{Access, Error, Phase, Sink, proxy, tls};

/// What is read of a proxy's answer at once, in bytes.
const READ: usize = 1 << 10;

/// A connection, and how requests are to be worded on it.
pub(super) struct Way {
    pub(super) wire: Wire,
    /// The header line for the proxy in between, if there is one that reads requests; empty
    /// where it needs none. It is told the whole URL.
    pub(super) proxy: Option<String>,
    /// The server was asked to keep it for another request.
    pub(super) keeps: bool,
}

/// Whether an address is this machine, or one that only machines on its wire have.
pub(crate) fn is_inside(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_unspecified() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unspecified(),
    }
}

/// Whether a name is one of this machine without looking it up.
pub(crate) fn names_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_inside)
}

/// Connects to where `there` is. `sent_by` is who redirected there, if that is a machine
/// elsewhere: it may not send us to this machine, whose servers trust whoever asks from here.
///
/// # Errors
/// Of the name, of the connection, of TLS; [`Error::Server`] for a redirect to this machine.
pub(super) async fn open(
    there: &Location,
    access: &Access,
    sent_by: Option<&Location>,
    sink: &Sink,
) -> Result<(Way, bool), Error> {
    let by = access.proxy.for_location(there)?;
    sink.phase(Phase::Resolve);
    let (host, port) = match &by {
        Some(proxy) => (&proxy.host, proxy.port.unwrap_or(proxy::PORT)),
        None => (&there.host, port_of(there)),
    };
    let in_between = |error: Error| {
        let Some(proxy) = &by else { return error };
        let what = format!("the proxy {proxy}: {}", error.what());
        match error {
            Error::Refused { .. } => Error::Refused { what },
            _ => Error::Unreachable { what },
        }
    };
    let addresses = resolve(host, port).await.map_err(in_between)?;
    if let Some(from) = sent_by
        && (names_this_machine(&there.host) || by.is_none() && addresses.iter().any(|at| is_inside(at.ip())))
    {
        return Err(to_this_machine(from, there));
    }
    sink.note(Note::Fact(shown(addresses.iter().copied())));
    if let Some(proxy) = &by {
        sink.note(Note::Fact(format!("through the proxy {proxy}")));
    }
    sink.phase(Phase::Connect);
    let mut stream = connect(host, addresses).await.map_err(in_between)?;
    let remote = by.is_some() || stream.peer_addr().is_ok_and(|peer| !is_inside(peer.ip()));
    let is_tls = there.scheme == "https" || there.scheme == "wss";
    let way = |wire| Way { wire, proxy: None, keeps: false };
    let way = match (&by, is_tls) {
        (None, false) => way(Wire::Plain(stream)),
        (Some(proxy), false) if there.scheme == "ws" => {
            tunnel(&mut stream, proxy, there).await?;
            way(Wire::Plain(stream))
        }
        (Some(proxy), false) => Way { wire: Wire::Plain(stream), proxy: Some(credentials(proxy)), keeps: false },
        (by, true) => {
            if let Some(proxy) = by {
                tunnel(&mut stream, proxy, there).await?;
            }
            sink.phase(Phase::Tls);
            let place = format!("{}:{port}", there.authority(port), port = port_of(there));
            let stream = tls::secure(stream, &there.host, &access.trust, &place).await?;
            way(Wire::Tls(Box::new(stream)))
        }
    };
    sink.phase(Phase::Handshake);
    Ok((way, remote))
}

/// What a redirect to this machine is answered with.
pub(crate) fn to_this_machine(from: &Location, there: &Location) -> Error {
    let what = format!("{from} redirects to this machine ({there}), which no other machine may; give that URL itself");
    Error::Server { status: 302, what }
}

/// User and password for a proxy, as it wants them (RFC 9110 section 11.7.2); empty for none.
fn credentials(proxy: &Location) -> String {
    match (&proxy.user, &proxy.password) {
        (Some(user), Some(password)) => {
            let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            format!("Proxy-Authorization: Basic {encoded}\r\n")
        }
        _ => String::new(),
    }
}

/// Has `proxy` connect to where `there` is (RFC 9110 section 9.3.6).
async fn tunnel(stream: &mut TcpStream, proxy: &Location, there: &Location) -> Result<(), Error> {
    let place = format!("the proxy {proxy}");
    let lost = |error: &std::io::Error| Error::from_io(&place, error);
    // With its port always, and IPv6 in brackets.
    let to = format!("{}:{port}", there.authority(port_of(there)), port = port_of(there));
    let request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{}\r\n", credentials(proxy));
    stream.write_all(request.as_bytes()).await.map_err(|error| lost(&error))?;
    let mut raw = BytesMut::new();
    let mut parser = HeadParser::new();
    loop {
        raw.reserve(READ);
        let count = stream.read_buf(&mut raw).await.map_err(|error| lost(&error))?;
        let parsed = parser.parse(&raw).map_err(|error| Error::Broken { what: format!("{place}: {error}") })?;
        let Some((head, _)) = parsed else {
            if count == 0 {
                return Err(Error::Unreachable { what: format!("{place} hung up without an answer") });
            }
            continue;
        };
        let what = || format!("{place} answered {} when asked for {to}", head.status);
        return match head.status {
            200..=299 => Ok(()),
            407 => Err(Error::Unauthorized { what: what() }),
            status => Err(Error::Server { status, what: what() }),
        };
    }
}
