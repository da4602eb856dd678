//! The Transport header (RFC 2326 section 12.39): what a client offers, what was chosen.

use std::fmt;
use std::net::IpAddr;

/// Most alternatives that are looked at.
const MOST_OFFERS: usize = 8;

/// A way for the packets of a track that a client can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// In datagrams to its address.
    Udp {
        /// Its ports for RTP and for RTCP.
        client: (u16, u16),
    },
    /// In the RTSP connection.
    Tcp {
        /// The channels for RTP and RTCP that it would like.
        channels: Option<(u8, u8)>,
    },
    /// In datagrams to a group that it joins.
    Multicast,
}

/// A way that a server has chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// In datagrams to the client's address.
    Udp {
        /// The client's ports for RTP and for RTCP.
        client: (u16, u16),
        /// The server's.
        server: (u16, u16),
    },
    /// In the RTSP connection.
    Tcp {
        /// The channels for RTP and RTCP.
        channels: (u8, u8),
    },
    /// In datagrams to a group.
    Multicast {
        /// The group.
        group: IpAddr,
        /// Its ports for RTP and for RTCP.
        ports: (u16, u16),
        /// How many routers they pass.
        ttl: u8,
    },
}

/// The offers of a header, best first; those that nobody here knows are left out.
pub(crate) fn offers(header: &str) -> Vec<Offer> {
    header.split(',').take(MOST_OFFERS).filter_map(offer).collect()
}

fn offer(spec: &str) -> Option<Offer> {
    let mut parts = spec.split(';').map(str::trim);
    let protocol = parts.next()?.to_ascii_uppercase();
    let (mut unicast, mut client, mut channels) = (false, None, None);
    let mut records = false;
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name.to_ascii_lowercase().as_str() {
            "unicast" => unicast = true,
            "client_port" => client = Some(range::<u16>(value)?),
            "interleaved" => channels = Some(range::<u8>(value)?),
            "mode" => records = value.trim_matches('"').eq_ignore_ascii_case("record"),
            _ => {}
        }
    }
    match (protocol.as_str(), client) {
        _ if records => None,
        ("RTP/AVP/TCP", _) => Some(Offer::Tcp { channels }),
        // A port of 0 is nobody's.
        ("RTP/AVP" | "RTP/AVP/UDP", Some(client)) if client.0 > 0 && client.1 > 0 => Some(Offer::Udp { client }),
        ("RTP/AVP" | "RTP/AVP/UDP", None) if !unicast => Some(Offer::Multicast),
        _ => None,
    }
}

/// `4588-4589`, or `4588` for that and the next.
fn range<T: std::str::FromStr + Step>(text: &str) -> Option<(T, T)> {
    let (first, second) = text.split_once('-').map_or((text, None), |(first, second)| (first, Some(second)));
    let first: T = first.trim().parse().ok()?;
    let second = match second {
        Some(second) => second.trim().parse().ok()?,
        None => first.step()?,
    };
    Some((first, second))
}

/// The number after one.
trait Step: Sized {
    fn step(&self) -> Option<Self>;
}

impl Step for u8 {
    fn step(&self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Step for u16 {
    fn step(&self) -> Option<Self> {
        self.checked_add(1)
    }
}

/// As it stands in an answer.
impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp { client, server } => {
                write!(f, "RTP/AVP;unicast;client_port={}-{};server_port={}-{}", client.0, client.1, server.0, server.1)
            }
            Self::Tcp { channels } => write!(f, "RTP/AVP/TCP;unicast;interleaved={}-{}", channels.0, channels.1),
            Self::Multicast { group, ports, ttl } => {
                write!(f, "RTP/AVP;multicast;destination={group};port={}-{};ttl={ttl}", ports.0, ports.1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_players_offer_is_understood() {
        let udp = Offer::Udp { client: (4588, 4589) };
        for (header, expected) in [
            ("RTP/AVP;unicast;client_port=4588-4589", vec![udp]),
            ("RTP/AVP/UDP;unicast;client_port=4588", vec![udp]),
            ("RTP/AVP/TCP;unicast;interleaved=2-3", vec![Offer::Tcp { channels: Some((2, 3)) }]),
            ("rtp/avp/tcp ; unicast", vec![Offer::Tcp { channels: None }]),
            ("RTP/AVP;multicast", vec![Offer::Multicast]),
            (
                "RTP/AVP/UDP;unicast;client_port=4588-4589,RTP/AVP/UDP;multicast,RTP/AVP/TCP;unicast;interleaved=0-1",
                vec![udp, Offer::Multicast, Offer::Tcp { channels: Some((0, 1)) }],
            ),
            ("RAW/RAW/UDP;unicast;client_port=1-2", vec![]),
            ("RTP/SAVP;unicast;client_port=4588-4589, RTP/AVP;unicast;client_port=4588-4589", vec![udp]),
            ("RTP/AVP;unicast;client_port=0-1", vec![]),
            ("RTP/AVP;unicast;client_port=70000", vec![]),
            ("RTP/AVP;unicast;client_port=65535", vec![]),
            ("RTP/AVP/TCP;interleaved=0-1;mode=\"record\"", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(offers(header), expected, "{header}");
        }
        assert_eq!(offers(&"RTP/AVP;multicast,".repeat(100)).len(), MOST_OFFERS);
    }

    #[test]
    fn what_was_chosen_is_told_as_rfc_2326_section_12_39_has_it() {
        let udp = Chosen::Udp { client: (4588, 4589), server: (6256, 6257) };
        assert_eq!(udp.to_string(), "RTP/AVP;unicast;client_port=4588-4589;server_port=6256-6257");
        let multicast = Chosen::Multicast { group: [224, 2, 0, 1].into(), ports: (3456, 3457), ttl: 16 };
        assert_eq!(multicast.to_string(), "RTP/AVP;multicast;destination=224.2.0.1;port=3456-3457;ttl=16");
    }
}
