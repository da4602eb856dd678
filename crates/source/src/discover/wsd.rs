//! WS-Discovery on every interface, or at one host.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdSocket};
use std::time::Duration;

use ::onvif::discovery::{self, GROUP_V4, GROUP_V6, MAX_DATAGRAM, Match, PORT, Version, Wanted};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{UdpSocket, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Asked, Found, How, MOST, Search, line, url};
use crate::http::random;
use crate::location::Location;

/// A probe may be lost, so it is sent again after this.
const AGAIN: Duration = Duration::from_millis(300);
/// What is asked: cameras hear the first, some recorders one of the others only.
const PROBES: [(Version, Wanted); 3] = [
    (Version::April2005, Wanted::Transmitters),
    (Version::April2005, Wanted::Devices),
    (Version::OneOne, Wanted::Transmitters),
];

/// An interface to ask from.
#[derive(Clone, Debug)]
struct Way {
    name: String,
    from: IpAddr,
    index: u32,
}

/// Asks from every interface, or from the one that is wanted.
pub(super) async fn everywhere(search: &Search) -> (Vec<Found>, Vec<Asked>) {
    let patience = search.timeout;
    let ways = match if_addrs::get_if_addrs() {
        Ok(interfaces) => ways(interfaces),
        Err(error) => {
            let answers = Err(format!("the interfaces of this machine cannot be listed: {error}"));
            return (Vec::new(), vec![Asked { what: "WS-Discovery".into(), answers }]);
        }
    };
    let mut tasks = JoinSet::new();
    let wanted = |way: &Way| search.interface.as_ref().is_none_or(|name| *name == way.name);
    for way in ways.into_iter().filter(wanted) {
        tasks.spawn(async move {
            let to = match way.from {
                IpAddr::V4(_) => SocketAddr::from((GROUP_V4, PORT)),
                IpAddr::V6(_) => std::net::SocketAddrV6::new(GROUP_V6, PORT, 0, way.index).into(),
            };
            let what = format!("WS-Discovery on {} ({})", way.name, way.from);
            let found = match socket(&way) {
                Ok(socket) => ask(socket, to, patience).await,
                Err(error) => Err(error),
            };
            (what, found)
        });
    }
    let (mut all, mut asked) = (Vec::new(), Vec::new());
    while let Some(done) = tasks.join_next().await {
        let Ok((what, found)) = done else { continue };
        let answers = found.as_ref().map(Vec::len).map_err(ToString::to_string);
        asked.push(Asked { what, answers });
        all.extend(found.unwrap_or_default());
    }
    asked.sort_by(|one, other| one.what.cmp(&other.what));
    if asked.is_empty() {
        asked.push(Asked { what: "WS-Discovery".into(), answers: Err(no_way(search.interface.as_deref())) });
    }
    (all, asked)
}

/// Why nobody was asked: of no interface, or not of the one that is `wanted`.
fn no_way(wanted: Option<&str>) -> String {
    match wanted {
        Some(name) => format!("there is no interface {}, or it is not up", line(name)),
        None => "no interface of this machine is up".into(),
    }
}

/// Asks one host, `10.0.0.7` or `10.0.0.7:3702`.
pub(super) async fn at(host: &str, patience: Duration) -> (Vec<Found>, Asked) {
    let what = format!("WS-Discovery at {}", line(host));
    let found = async {
        let bad = |error: crate::Error| io::Error::new(io::ErrorKind::InvalidInput, error.what());
        if host.contains('/') {
            let told = "one device is asked, and not a network; expected an address, as 10.0.0.7";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, told));
        }
        let location = Location::parse(&format!("udp://{host}")).map_err(bad)?;
        let addresses = lookup_host((&*location.host, location.port.unwrap_or(PORT))).await?;
        let to = addresses.into_iter().next().ok_or_else(|| io::Error::other("no address"))?;
        let any: SocketAddr = match to.is_ipv4() {
            true => (Ipv4Addr::UNSPECIFIED, 0).into(),
            false => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        ask(UdpSocket::bind(any).await?, to, patience).await
    };
    let found = found.await;
    let answers = found.as_ref().map(Vec::len).map_err(ToString::to_string);
    (found.unwrap_or_default(), Asked { what, answers })
}

/// The interfaces that are up: each with its IPv4 addresses, and with one of IPv6.
fn ways(interfaces: Vec<if_addrs::Interface>) -> Vec<Way> {
    let mut ways: Vec<Way> = Vec::new();
    for interface in interfaces.iter().filter(|interface| interface.is_oper_up() || interface.is_loopback()) {
        let (from, index) = (interface.ip(), interface.index.unwrap_or(0));
        // There is no multicast of IPv6 on the loopback interface of Linux.
        if interface.is_loopback() && from.is_ipv6() {
            continue;
        }
        let again = ways.iter().any(|way| from.is_ipv6() && way.from.is_ipv6() && way.name == interface.name);
        if !again {
            ways.push(Way { name: interface.name.clone(), from, index });
        }
    }
    ways
}

fn socket(way: &Way) -> io::Result<UdpSocket> {
    let domain = if way.from.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    match way.from {
        IpAddr::V4(from) => {
            socket.set_multicast_if_v4(&from)?;
            socket.set_multicast_ttl_v4(1)?;
            socket.bind(&SocketAddr::from((from, 0)).into())?;
        }
        IpAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_multicast_if_v6(way.index)?;
            socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into())?;
        }
    }
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(StdSocket::from(socket))
}

/// Sends the probes, twice, and takes what comes.
async fn ask(socket: UdpSocket, to: SocketAddr, patience: Duration) -> io::Result<Vec<Found>> {
    let until = Instant::now() + patience;
    let probes = async {
        for round in 0..2 {
            if round > 0 {
                sleep(AGAIN).await;
            }
            for (version, wanted) in PROBES {
                socket.send_to(discovery::probe(version, wanted, &uuid()).as_bytes(), to).await?;
            }
        }
        Ok::<_, io::Error>(())
    };
    let mut found: Vec<Found> = Vec::new();
    let answers = async {
        let mut datagram = vec![0; MAX_DATAGRAM];
        while let Ok(received) = timeout_at(until, socket.recv_from(&mut datagram)).await {
            let (length, from) = match received {
                Ok(received) => received,
                // The system tells so that nothing listens there.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(error) => return Err(error),
            };
            match discovery::read_matches(&datagram[..length]) {
                Ok(matches) => {
                    let new = matches.iter().filter(|found| found.is_video()).map(|camera| of_match(camera, from));
                    for camera in new {
                        if found.len() < MOST && !found.iter().any(|known| known.url == camera.url) {
                            found.push(camera);
                        }
                    }
                }
                Err(error) => tracing::debug!(%from, %error, "no answer to a probe"),
            }
        }
        Ok(())
    };
    // A probe that cannot be sent is an error; one that nobody hears is none.
    let (sent, received) = tokio::join!(probes, answers);
    sent.and(received).map(|()| found)
}

/// A UUID (RFC 9562 section 5.4).
fn uuid() -> String {
    let [a, b, c, d] = [random(), random(), random(), random()];
    format!("{a:08x}-{:04x}-4{:03x}-{:04x}-{:04x}{d:08x}", b >> 16, b & 0xfff, c >> 16 & 0x3fff | 0x8000, c & 0xffff)
}

/// A camera that answered from `from`. Of the addresses that it tells the one it answered from is
/// taken; where it tells another one, it is behind a router or mistaken.
pub(super) fn of_match(camera: &Match, from: SocketAddr) -> Found {
    let told: Vec<Location> = camera.addresses.iter().filter_map(|address| Location::parse(address).ok()).collect();
    let is_http = |location: &&Location| location.scheme == "http" || location.scheme == "https";
    let sender = from.ip().to_canonical();
    let same = told.iter().filter(is_http).find(|location| location.host.parse() == Ok(sender));
    // An address of IPv4 is what a user wants to see, where the answer came by IPv6.
    let is_v4 = |location: &&Location| sender.is_ipv6() && location.host.parse::<Ipv4Addr>().is_ok();
    let known = same.or_else(|| told.iter().filter(is_http).find(is_v4));
    let first = known.or_else(|| told.iter().find(is_http));
    let host = known.map_or_else(|| sender.to_string(), |location| location.host.clone());
    let secure = first.is_some_and(|location| location.scheme == "https");
    let (scheme, usual) = if secure { ("onvifs", 443) } else { ("onvif", 80) };
    let what = camera.scope("hardware").map(|model| line(&model)).unwrap_or_default();
    let port = first.map(|location| location.port.unwrap_or(usual));
    Found {
        how: How::Onvif,
        url: url(scheme, &host, port, usual, ""),
        what,
        name: camera.scope("name").map(|name| line(&name)).unwrap_or_default(),
        streams: Vec::new(),
        controls: Vec::new(),
        trouble: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url_of(addresses: &[&str], from: &str) -> String {
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        of_match(&Match { addresses, ..Match::default() }, SocketAddr::new(from.parse().unwrap(), 3702)).url
    }

    #[test]
    fn the_address_that_answered_goes_before_what_the_camera_thinks() {
        for (addresses, from, expected) in [
            (&["http://10.0.0.7/onvif/device_service"][..], "10.0.0.7", "onvif://10.0.0.7"),
            (&["http://192.168.1.9:8000/x", "http://10.0.0.7:2020/x"], "10.0.0.7", "onvif://10.0.0.7:2020"),
            (&["http://0.0.0.0:8000/x"], "10.0.0.7", "onvif://10.0.0.7:8000"),
            (&["https://10.0.0.7/x"], "10.0.0.7", "onvifs://10.0.0.7"),
            (&["http://[fe80::1]/x", "http://10.0.0.7/x"], "fe80::2", "onvif://10.0.0.7"),
            (&["file:///etc/passwd"], "10.0.0.7", "onvif://10.0.0.7"),
            (&[], "fd00::7", "onvif://[fd00::7]"),
        ] {
            assert_eq!(url_of(addresses, from), expected, "{addresses:?} from {from}");
        }
    }

    #[test]
    fn an_interface_that_is_not_there_is_named() {
        assert_eq!(no_way(Some("nope")), "there is no interface nope, or it is not up");
        assert_eq!(no_way(None), "no interface of this machine is up");
    }

    #[test]
    fn every_probe_has_a_name_of_its_own() {
        let (one, other) = (uuid(), uuid());
        assert_ne!(one, other);
        let parts: Vec<_> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{one}");
        assert!(one.as_bytes()[14] == b'4' && "89ab".contains(char::from(one.as_bytes()[19])), "{one}");
    }
}
