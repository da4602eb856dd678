//! The way to a server: through a proxy or not, with TLS or without.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

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
        let (here, near) = match plain(address) {
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

/// The address that is meant, IPv4 where that stands within one of IPv6: mapped (`::ffff:0:0/96`), or for a
/// translator in between (RFC 6052 section 2.1).
fn plain(address: IpAddr) -> IpAddr {
    let address = address.to_canonical();
    let IpAddr::V6(wide) = address else { return address };
    match wide.octets() {
        [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => Ipv4Addr::new(a, b, c, d).into(),
        _ => address,
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
    /// Refuses to go to `there`, one of these addresses, where that is nearer than the sender and
    /// `access` does not allow it.
    ///
    /// # Errors
    /// [`Error::Server`].
    pub(crate) fn may_send(&self, there: &Location, addresses: &[SocketAddr], access: &Access) -> Result<(), Error> {
        let known = addresses.iter().map(|address| Reach::of(address.ip()));
        match known.chain(Reach::of_name(&there.host)).min().filter(|reach| *reach < self.nearest(access)) {
            Some(reach) => Err(too_near(&self.at, there, reach)),
            None => Ok(()),
        }
    }

    /// Which of the addresses of `there` may be connected to: those of the sender's own name that are
    /// no nearer than it is, as of a camera that has one outside and one at home; of another name all
    /// or none.
    ///
    /// # Errors
    /// [`Error::Server`] as for [`Sender::may_send`].
    pub(crate) fn leaves(
        &self,
        there: &Location,
        mut addresses: Vec<SocketAddr>,
        access: &Access,
    ) -> Result<Vec<SocketAddr>, Error> {
        let nearest = self.nearest(access);
        let is_far = |address: &SocketAddr| Reach::of(address.ip()) >= nearest;
        if there.host.eq_ignore_ascii_case(&self.at.host) && addresses.iter().any(is_far) {
            addresses.retain(is_far);
        }
        self.may_send(there, &addresses, access).map(|()| addresses)
    }

    /// Refuses to go to `there` as [`Sender::may_send`] does, wherever its name leads: for what another
    /// client looks up and connects to.
    ///
    /// # Errors
    /// Of the name; [`Error::Server`].
    pub(crate) async fn looks_up(&self, there: &Location, access: &Access, sink: &Sink) -> Result<(), Error> {
        // Who is on this machine may send everywhere.
        if self.reach == Reach::Here {
            return Ok(());
        }
        let addresses = sink.line().resolve(&there.host, there.port.unwrap_or_default()).await?;
        self.may_send(there, &addresses, access)
    }

    /// How near it may send us. To this machine nobody sends us who is not on it.
    fn nearest(&self, access: &Access) -> Reach {
        if access.redirects_inside { self.reach.min(Reach::Near) } else { self.reach }
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
    let mut addresses = sink.line().resolve(host, port).await.map_err(in_between)?;
    match (sent_by, &by) {
        (Some(from), None) => addresses = from.leaves(there, addresses, access)?,
        // Where a proxy goes is for the proxy to say, unless it stands there.
        (Some(from), Some(_)) => from.may_send(there, &[], access)?,
        (None, _) => (),
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
        Reach::Here => format!("to this machine ({there}), which no other machine may; give that URL itself"),
        Reach::Near | Reach::Far => format!(
            "to a network at home ({there}), which none from outside may; give that URL itself, or allow it with --redirects-inside"
        ),
    };
    Error::Server { status: 302, what: format!("{from} redirects {what}") }
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

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 80)).collect()
    }

    fn sent(from: &str, to: &str, texts: &[&str], access: &Access) -> Result<(), String> {
        let at = Location::parse(from).unwrap();
        let reach = Reach::of_name(&at.host).unwrap();
        let there = Location::parse(to).unwrap();
        Sender { at, reach }.may_send(&there, &addresses(texts), access).map_err(|error| error.to_string())
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
            ("http://203.0.113.7/", "http://[64:ff9b::10.0.0.1]/", &[], Some("at home")),
            ("http://203.0.113.7/", "http://x.example/", &["64:ff9b::c0a8:1"], Some("at home")),
            ("http://203.0.113.7/", "http://[64:ff9b::7f00:1]/", &[], Some("to this machine")),
            ("http://203.0.113.7/", "http://[64:ff9b::203.0.113.8]/", &[], None),
            ("http://203.0.113.7/", "http://[::ffff:10.0.0.1]/", &[], Some("at home")),
            ("http://[2001:db8::7]/", "http://192.168.1.7/", &[], Some("--redirects-inside")),
        ] {
            let told = sent(from, to, addresses, &Access::default());
            assert_eq!(told.is_err(), part.is_some(), "{from} to {to}: {told:?}");
            assert!(told.err().is_none_or(|told| told.contains(part.unwrap_or_default())), "{from} to {to}");
        }
    }

    #[test]
    fn a_camera_seen_from_outside_may_send_home_where_that_is_allowed_and_never_to_this_machine() {
        let access = Access { redirects_inside: true, ..Access::default() };
        assert_eq!(sent("http://203.0.113.7/", "http://192.168.1.7/", &["192.168.1.7"], &access), Ok(()));
        assert_eq!(sent("http://[2001:db8::7]/", "rtsp://[fd00::7]/", &[], &access), Ok(()));
        for to in ["http://127.0.0.1/", "http://[::1]/", "http://169.254.169.254/", "http://[64:ff9b::7f00:1]/"] {
            let told = sent("http://203.0.113.7/", to, &[], &access).unwrap_err();
            assert!(told.contains("to this machine"), "{told}");
            assert!(!told.contains("--redirects-inside"), "{told}");
        }
    }

    #[test]
    fn a_name_that_sends_to_itself_is_asked_where_it_was_found() {
        let there = |url: &str| Location::parse(url).unwrap();
        let sender = Sender { at: there("http://cam.example/"), reach: Reach::Far };
        let both = addresses(&["10.0.0.7", "2001:db8::7", "127.0.0.1"]);
        let left = |url: &str, of: &[SocketAddr]| sender.leaves(&there(url), of.to_vec(), &Access::default()).ok();
        assert_eq!(left("http://CAM.example:8080/x", &both), Some(addresses(&["2001:db8::7"])));
        assert_eq!(left("http://cam.example:8080/x", &addresses(&["10.0.0.7"])), None);
        assert_eq!(left("http://nas.example/x", &both), None);
    }
}
