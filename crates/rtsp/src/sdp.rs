//! Session descriptions (RFC 8866, RFC 2326 appendix C).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sdp_types::{AddrType, Attribute, Bandwidth, Connection, NetType, Origin, Session, Time};

use crate::Media;

/// What the control URL of a track ends with, before its number; as ffserver had it.
pub(crate) const CONTROL: &str = "streamid=";

/// A group that the packets go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its address.
    pub address: IpAddr,
    /// The port of the first track; the next ones have every second one after it.
    pub port: u16,
    /// How many routers they pass.
    pub ttl: u8,
}

impl Group {
    /// The ports for RTP and for RTCP of a track, by its number.
    #[must_use]
    pub fn ports(&self, track: u8) -> (u16, u16) {
        let rtp = self.port.wrapping_add(2 * u16::from(track));
        (rtp, rtp.wrapping_add(1))
    }
}

/// What is described.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// What it is called; line ends in it become spaces.
    pub name: &'a str,
    /// Words about it, the `i=` line; line ends in them become spaces.
    pub words: Option<&'a str>,
    /// The server's own address.
    pub server: IpAddr,
    /// A number that changes when the description does.
    pub version: u64,
    /// Where the packets go without being asked for; nothing if clients set that up.
    pub group: Option<Group>,
}

/// The description of the tracks, each with its number.
#[must_use]
pub fn describe<'a>(about: About<'_>, tracks: impl IntoIterator<Item = (u8, &'a Media)>) -> String {
    let server = Address::of(about.server);
    let line = |text: &str| -> String { text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect() };
    let name = line(about.name);
    // RFC 8866 section 5.3: a session that has no name is called "-".
    let name = if name.trim().is_empty() { "-".to_owned() } else { name };
    let everywhere = match (about.group, about.server) {
        (Some(group), _) => Address { address: with_ttl(group), ..Address::of(group.address) },
        (None, IpAddr::V4(_)) => Address::of(Ipv4Addr::UNSPECIFIED.into()),
        (None, IpAddr::V6(_)) => Address::of(Ipv6Addr::UNSPECIFIED.into()),
    };
    let session = Session {
        origin: Origin {
            username: None,
            sess_id: about.version.to_string(),
            sess_version: about.version,
            nettype: NetType::In,
            addrtype: server.kind,
            unicast_address: server.address,
        },
        session_name: name,
        session_description: about.words.map(line).filter(|words| !words.trim().is_empty()),
        uri: None,
        emails: Vec::new(),
        phones: Vec::new(),
        connection: Some(everywhere.connection()),
        bandwidths: Vec::new(),
        times: vec![Time::new(0, 0)],
        time_zones: Vec::new(),
        key: None,
        attributes: vec![
            Attribute::with_value("tool", "headwater"),
            Attribute::with_value("range", "npt=now-"),
            Attribute::with_value("control", "*"),
        ],
        medias: tracks.into_iter().map(|(number, track)| media(number, track, about.group)).collect(),
    };
    let mut text = Vec::new();
    session.write(&mut text).expect("a vector takes every byte");
    String::from_utf8_lossy(&text).into_owned()
}

fn media(number: u8, track: &Media, group: Option<Group>) -> sdp_types::Media {
    let mut attributes = vec![Attribute::with_value("rtpmap", format!("{} {}", track.payload_type, track.rtpmap))];
    if !track.fmtp.is_empty() {
        attributes.push(Attribute::with_value("fmtp", format!("{} {}", track.payload_type, track.fmtp)));
    }
    if let Some(rate) = track.frame_rate.map(media::Rational::as_f64).filter(|rate| *rate <= 240.0) {
        // As short as it can be said: 25, 29.97.
        attributes.push(Attribute::with_value("framerate", (rate * 1000.0).round() / 1000.0));
    }
    if track.size.width > 0 && track.size.height > 0 {
        let size = format!("{} {}-{}", track.payload_type, track.size.width, track.size.height);
        attributes.push(Attribute::with_value("framesize", size));
    }
    attributes.push(Attribute::with_value("control", format!("{CONTROL}{number}")));
    let kilobits = track.bit_rate.div_ceil(1000);
    sdp_types::Media {
        media: track.kind.into(),
        port: group.map_or(0, |group| group.ports(number).0),
        num_ports: None,
        proto: "RTP/AVP".into(),
        fmt: track.payload_type.to_string(),
        media_title: None,
        connections: Vec::new(),
        bandwidths: (kilobits > 0)
            .then(|| Bandwidth { bwtype: "AS".into(), bandwidth: kilobits })
            .into_iter()
            .collect(),
        key: None,
        attributes,
    }
}

/// RFC 8866 section 5.7: only addresses of version 4 tell how far they go.
fn with_ttl(group: Group) -> String {
    match group.address {
        IpAddr::V4(address) => format!("{address}/{}", group.ttl),
        IpAddr::V6(address) => address.to_string(),
    }
}

struct Address {
    kind: AddrType,
    address: String,
}

impl Address {
    fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let kind = if address.is_ipv4() { AddrType::Ip4 } else { AddrType::Ip6 };
        Self { kind, address: address.to_string() }
    }

    fn connection(self) -> Connection {
        Connection { nettype: NetType::In, addrtype: self.kind, connection_address: self.address }
    }
}
