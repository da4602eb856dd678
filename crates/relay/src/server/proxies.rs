//! Who asks, where a proxy asks for somebody else.
//!
//! A proxy that the user has named is believed what it says in `X-Forwarded-For`: each proxy on the
//! way puts the address that it was asked from behind those it was told. So the list is read from its
//! end, past the proxies that are named, to the first that is not: what stands before that was said by
//! somebody whom nobody vouches for. Whoever is not named is the one who asks, whatever he says.

use std::net::{IpAddr, SocketAddr};

use ::config::Network;
use axum::http::HeaderMap;

/// What proxies tell by.
const HEADER: &str = "x-forwarded-for";

/// The proxies that are believed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies(Vec<Network>);

impl Proxies {
    pub(crate) fn new(trusted: &[Network]) -> Self {
        Self(trusted.to_vec())
    }

    fn believes(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Who asks, of a request with `headers` on a connection of `peer`. The port is 0 where only the address
    /// is told.
    pub(crate) fn who(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        let mut who = peer;
        // Several lines are one list (RFC 9110 section 5.3).
        let lines = headers.get_all(HEADER).iter().rev();
        let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for hop in hops {
            if !self.believes(who.ip()) {
                break;
            }
            // "unknown", or what hides somebody: then it is whoever said so who asks.
            let Some(hop) = std::str::from_utf8(hop).ok().and_then(address) else { break };
            who = hop;
        }
        who
    }
}

/// An address with or without a port, as proxies write it: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`,
/// `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<SocketAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let alone = || bare.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 0));
    let told = text.parse::<SocketAddr>().ok().or_else(alone)?;
    Some(SocketAddr::new(told.ip().to_canonical(), told.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HEADER, axum::http::HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        Proxies::new(&trusted).who(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_proxies_that_are_named_are_believed_and_those_behind_them_not() {
        let near = ["127.0.0.1", "10.0.0.0/8"];
        for (trusted, peer, lines, expected) in [
            (&near[..], "127.0.0.1:5", &["192.0.2.1"][..], "192.0.2.1:0"),
            (&near, "[::ffff:127.0.0.1]:5", &["192.0.2.1:80"], "192.0.2.1:80"),
            (&near, "127.0.0.1:5", &["[2001:db8::1]:80"], "[2001:db8::1]:80"),
            (&near, "127.0.0.1:5", &["\"[2001:db8::1]\""], "[2001:db8::1]:0"),
            (&near, "127.0.0.1:5", &["::ffff:192.0.2.1"], "192.0.2.1:0"),
            // What the client itself has said stands in front.
            (&near, "127.0.0.1:5", &["6.6.6.6, 192.0.2.1 , 10.0.0.9"], "192.0.2.1:0"),
            (&near, "127.0.0.1:5", &["6.6.6.6", "192.0.2.1", "10.0.0.9,10.0.0.8"], "192.0.2.1:0"),
            // All of them are proxies, or at home.
            (&near, "127.0.0.1:5", &["10.0.0.1, 10.0.0.2"], "10.0.0.1:0"),
            (&near, "127.0.0.1:5", &["6.6.6.6, unknown"], "127.0.0.1:5"),
            (&near, "127.0.0.1:5", &["192.0.2.1, _hidden, 10.0.0.2"], "10.0.0.2:0"),
            (&near, "127.0.0.1:5", &["\u{e9}", ","], "127.0.0.1:5"),
            (&near, "127.0.0.1:5", &[""], "127.0.0.1:5"),
            (&near, "127.0.0.1:5", &[], "127.0.0.1:5"),
            // Nobody is believed that is not named.
            (&near, "192.0.2.7:5", &["10.0.0.1"], "192.0.2.7:5"),
            (&[], "127.0.0.1:5", &["192.0.2.1"], "127.0.0.1:5"),
        ] {
            assert_eq!(who(trusted, peer, lines), expected, "{peer} {lines:?}");
        }
    }
}
