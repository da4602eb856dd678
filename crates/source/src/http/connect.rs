//! The way to a server: through a proxy or not, with TLS or without.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use bytes::BytesMut;
use formats::http::HeadParser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::port_of;
use crate::journal::{Note, shown};
use crate::location::Location;
use crate::wire::Wire;
use crate::{Access, Error, Phase, Sink, proxy};

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

/// How far away a machine is. Who is farther away may not send us to who is nearer: servers there
/// trust whoever asks from where we are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) enum Reach {
    /// This machine, or an address that only machines on its wire have.
    #[default]
    Here,
    /// A network at home (RFC 1918, RFC 4193, RFC 6598).
    Near,
    /// The rest of the world.
    Far,
}

impl Reach {
    pub(crate) fn of(address: IpAddr) -> Self {
        let (here, near) = match address.to_canonical() {
            IpAddr::V4(address) => {
                let [first, second, ..] = address.octets();
                let shared = first == 100 && second & 0xc0 == 64;
                (
                    address.is_loopback() || address.is_unspecified() || address.is_link_local(),
                    address.is_private() || shared,
                )
            }
            IpAddr::V6(address) => (
                address.is_loopback() || address.is_unspecified(),
                address.is_unique_local() || address.is_unicast_link_local(),
            ),
        };
        match (here, near) {
            (true, _) => Self::Here,
            (false, true) => Self::Near,
            (false, false) => Self::Far,
        }
    }

    /// Of a host, as far as that is known without looking it up.
    pub(crate) fn of_name(host: &str) -> Option<Self> {
        match host.eq_ignore_ascii_case("localhost") {
            true => Some(Self::Here),
            false => host.split('%').next().unwrap_or_default().parse().ok().map(Self::of),
        }
    }
}

/// Whether a name is one of this machine without looking it up.
pub(crate) fn names_this_machine(host: &str) -> bool {
    Reach::of_name(host) == Some(Reach::Here)
}

/// Who redirected us, and how far away that is.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) at: Location,
    pub(crate) reach: Reach,
}

impl Sender {
    /// Refuses to go to `there`, one of these addresses, where that is nearer than the sender.
    ///
    /// # Errors
    /// [`Error::Server`].
    pub(crate) fn may_send(&self, there: &Location, addresses: &[SocketAddr]) -> Result<(), Error> {
        let known = addresses.iter().map(|address| Reach::of(address.ip()));
        match known.chain(Reach::of_name(&there.host)).min().filter(|reach| *reach < self.reach) {
            Some(reach) => Err(too_near(&self.at, there, reach)),
            None => Ok(()),
        }
    }
}

/// Connects to where `there` is. `sent_by` is who redirected there.
///
/// # Errors
/// Of the name, of the connection, of TLS; [`Error::Server`] for a redirect to somewhere nearer.
pub(super) async fn open(
    there: &Location,
    access: &Access,
    sent_by: Option<&Sender>,
    sink: &Sink,
) -> Result<(Way, Reach), Error> {
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
    let addresses = sink.line().resolve(host, port).await.map_err(in_between)?;
    if let Some(from) = sent_by {
        // Where a proxy goes is for the proxy to say, unless it stands there.
        from.may_send(there, if by.is_none() { &addresses } else { &[] })?;
    }
    sink.note(Note::Fact(shown(addresses.iter().copied())));
    if let Some(proxy) = &by {
        sink.note(Note::Fact(format!("through the proxy {proxy}")));
    }
    sink.phase(Phase::Connect);
    let mut wire = sink.line().connect(host, addresses).await.map_err(in_between)?;
    let reach = match &by {
        // It goes elsewhere for us; how far, an address tells.
        Some(_) => Reach::of_name(&there.host).unwrap_or_default().max(Reach::Near),
        None => wire.peer_addr().map_or(Reach::Far, |peer| Reach::of(peer.ip())),
    };
    let is_tls = there.scheme == "https" || there.scheme == "wss";
    let way = |wire| Way { wire, proxy: None, keeps: false };
    let way = match (&by, is_tls) {
        (None, false) => way(wire),
        (Some(proxy), false) if there.scheme == "ws" => {
            tunnel(&mut wire, proxy, there).await?;
            way(wire)
        }
        (Some(proxy), false) => Way { wire, proxy: Some(credentials(proxy)), keeps: false },
        (by, true) => {
            if let Some(proxy) = by {
                tunnel(&mut wire, proxy, there).await?;
            }
            sink.phase(Phase::Tls);
            let place = format!("{}:{port}", there.authority(port), port = port_of(there));
            way(wire.secure(&there.host, &access.trust, &place).await?)
        }
    };
    sink.phase(Phase::Handshake);
    Ok((way, reach))
}

/// What a redirect to somewhere nearer is answered with.
fn too_near(from: &Location, there: &Location, reach: Reach) -> Error {
    let what = match reach {
        Reach::Here => format!("to this machine ({there}), which no other machine may"),
        Reach::Near | Reach::Far => format!("to a network at home ({there}), which none from outside may"),
    };
    Error::Server { status: 302, what: format!("{from} redirects {what}; give that URL itself") }
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
async fn tunnel(stream: &mut Wire, proxy: &Location, there: &Location) -> Result<(), Error> {
    let place = format!("the proxy {proxy}");
    let lost = |error: &std::io::Error| Error::from_io(&place, error);
    // With its port always, and IPv6 in brackets.
    let to = format!("{}:{port}", there.authority(port_of(there)), port = port_of(there));
    let request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{}\r\n", credentials(proxy));
    stream.write_all(request.as_bytes()).await.map_err(|error| lost(&error))?;
    stream.flush().await.map_err(|error| lost(&error))?;
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
            407 => Err(Error::Unauthorized { status: 407, what: what() }),
            status => Err(Error::Server { status, what: what() }),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(from: &str, to: &str, addresses: &[&str]) -> Result<(), String> {
        let at = Location::parse(from).unwrap();
        let reach = Reach::of_name(&at.host).unwrap();
        let addresses: Vec<_> = addresses.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 80)).collect();
        let there = Location::parse(to).unwrap();
        Sender { at, reach }.may_send(&there, &addresses).map_err(|error| error.to_string())
    }

    #[test]
    fn nobody_is_sent_to_somewhere_nearer_than_the_one_who_sends() {
        for (from, to, addresses, part) in [
            ("http://203.0.113.7/", "http://203.0.113.8/", &["203.0.113.8"][..], None),
            ("http://203.0.113.7/", "http://10.0.0.1/", &["10.0.0.1"], Some("to a network at home (http://10.0.0.1/)")),
            ("http://203.0.113.7/", "rtsp://nas.example/", &["203.0.113.8", "192.168.1.2"], Some("at home")),
            ("http://203.0.113.7/", "http://[fd00::1]/", &[], Some("at home")),
            ("http://203.0.113.7/", "http://100.64.3.4/", &[], Some("at home")),
            ("http://203.0.113.7/", "http://x.example/", &["127.0.0.1"], Some("to this machine")),
            ("http://203.0.113.7/", "http://[::ffff:127.0.0.1]/", &[], Some("to this machine")),
            ("http://10.0.0.7/", "http://10.0.0.1/", &["10.0.0.1"], None),
            ("http://10.0.0.7/", "http://LOCALHOST/", &[], Some("to this machine")),
            ("http://10.0.0.7/", "http://169.254.169.254/", &[], Some("to this machine")),
            ("http://127.0.0.1/", "http://127.0.0.1:81/", &["127.0.0.1"], None),
            ("http://[fe80::1%eth0]/", "http://[::1]/", &[], Some("to this machine")),
        ] {
            let told = sent(from, to, addresses);
            assert_eq!(told.is_err(), part.is_some(), "{from} to {to}: {told:?}");
            assert!(told.err().is_none_or(|told| told.contains(part.unwrap_or_default())), "{from} to {to}");
        }
    }
}
