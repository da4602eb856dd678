//! The headers that tell where packets go: `Transport` and `RTP-Info` ([MS-RTSP] 2.2.6.8 and
//! 2.2.6.11), and the URLs of streams.

/// One `Transport`, as far as it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transport {
    /// Over UDP; over this connection otherwise.
    pub udp: bool,
    /// The channels of RTP and RTCP on the connection.
    pub interleaved: Option<(u8, u8)>,
    /// The ports of the client.
    pub client_port: Option<(u16, u16)>,
    /// The ports of the server.
    pub server_port: Option<(u16, u16)>,
    /// The source of the packets.
    pub ssrc: Option<u32>,
}

impl Transport {
    /// The alternatives that a header offers, in order. Multicast is not understood.
    pub fn parse(value: &str) -> impl Iterator<Item = Self> + '_ {
        value.split(',').filter_map(|spec| {
            let mut parts = spec.split(';').map(str::trim);
            let protocol = parts.next()?.to_ascii_uppercase();
            let mut transport = Self { udp: !protocol.ends_with("/TCP"), ..Self::default() };
            if !protocol.starts_with("RTP/") {
                return None;
            }
            for part in parts {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                let value = value.trim();
                match name.trim().to_ascii_lowercase().as_str() {
                    "multicast" => return None,
                    "interleaved" => transport.interleaved = pair(value),
                    "client_port" => transport.client_port = pair(value),
                    "server_port" => transport.server_port = pair(value),
                    "ssrc" => transport.ssrc = u32::from_str_radix(value.trim_start_matches("0x"), 16).ok(),
                    _ => (),
                }
            }
            Some(transport)
        })
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.udp { "RTP/AVP/UDP;unicast" } else { "RTP/AVP/TCP;unicast" })?;
        let mut pair = |name, pair: Option<(u16, u16)>| match pair {
            Some((one, other)) if one == other => write!(f, ";{name}={one}"),
            Some((one, other)) => write!(f, ";{name}={one}-{other}"),
            None => Ok(()),
        };
        pair("server_port", self.server_port)?;
        pair("client_port", self.client_port)?;
        pair("interleaved", self.interleaved.map(|(one, other)| (one.into(), other.into())))?;
        if let Some(ssrc) = self.ssrc {
            write!(f, ";ssrc={ssrc:08x}")?;
        }
        f.write_str(";mode=PLAY")
    }
}

/// `4-5`, or `4` for both.
fn pair<T: std::str::FromStr + Copy>(value: &str) -> Option<(T, T)> {
    let (one, other) = value.split_once('-').unwrap_or((value, value));
    Some((one.trim().parse().ok()?, other.trim().parse().ok()?))
}

/// The first sequence numbers after now that `RTP-Info` gives, by the URL of the stream.
pub(crate) fn rtp_info(value: &str) -> Vec<(String, u16)> {
    let mut found = Vec::new();
    for entry in value.split(',').take(MOST_ENTRIES) {
        let mut url = None;
        let mut sequence = None;
        for part in entry.split(';') {
            let Some((name, value)) = part.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "url" => url = Some(value.to_owned()),
                "seq" => sequence = value.parse().ok(),
                _ => (),
            }
        }
        found.extend(url.zip(sequence));
    }
    found
}

/// More than ASF has streams.
const MOST_ENTRIES: usize = 256;

/// The control URL of a stream below the URL of the whole: appended to it with one slash
/// between ([MS-RTSP] 2.2.5.2.1 and its examples), unless it is a URL itself.
pub(crate) fn control_url(base: &str, control: Option<&str>) -> String {
    match control.map(str::trim) {
        None | Some("" | "*") => base.to_owned(),
        Some(url) if is_url(url) => url.to_owned(),
        Some(relative) => format!("{}/{}", base.trim_end_matches('/'), relative.trim_start_matches('/')),
    }
}

/// Whether it begins with a scheme.
pub(crate) fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

/// A URL fit for a request line: what would end it is escaped.
pub(crate) fn line_safe(url: &str) -> String {
    let mut safe = String::with_capacity(url.len());
    for c in url.chars() {
        if c == ' ' || c.is_control() {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().for_each(|byte| safe.push_str(&format!("%{byte:02X}")));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Whether two URLs name the same stream: in full, or by their last word where one of them is
/// relative or written with another host.
pub(crate) fn same_stream(one: &str, other: &str) -> bool {
    let last = |url: &str| url.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    one.eq_ignore_ascii_case(other) || last(one) == last(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_are_read_as_servers_write_them() {
        let read = |value: &str| Transport::parse(value).collect::<Vec<_>>();
        let udp = Transport {
            udp: true,
            client_port: Some((2408, 2408)),
            server_port: Some((5004, 5005)),
            ssrc: Some(0x3874_DD27),
            ..Transport::default()
        };
        let value = "RTP/AVP/UDP;unicast;source=1.2.3.4;server_port=5004-5005;client_port=2408;ssrc=3874dd27;mode=PLAY";
        assert_eq!(read(value), [udp]);
        let tcp = Transport { interleaved: Some((0, 1)), ssrc: Some(1), ..Transport::default() };
        assert_eq!(read("rtp/avp/tcp; unicast; interleaved = 0-1; ssrc=0x1"), [tcp]);
        assert_eq!(
            read("RTP/AVP;multicast,x-real,RTP/AVP;unicast;client_port=9"),
            [Transport { udp: true, client_port: Some((9, 9)), ..Transport::default() }]
        );
        assert_eq!(read("RTP/AVP/TCP;interleaved=900-1")[0].interleaved, None);
        for transport in [udp, tcp] {
            assert_eq!(read(&transport.to_string()), [transport]);
        }
        assert_eq!(tcp.to_string(), "RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=00000001;mode=PLAY");
    }

    #[test]
    fn sequence_numbers_are_read_by_stream() {
        let value = "url=rtsp://h/p.wsx/audio; Seq=26968, url=\"rtsp://h/p.wsx/video\";rtptime=0;seq=7, url=x, seq=3";
        let expected = [("rtsp://h/p.wsx/audio".to_owned(), 26968), ("rtsp://h/p.wsx/video".to_owned(), 7)];
        assert_eq!(rtp_info(value), expected);
    }

    #[test]
    fn control_urls_are_appended_unless_they_are_whole() {
        for (base, control, expected) in [
            ("rtsp://h/clip.wmv", Some("audio"), "rtsp://h/clip.wmv/audio"),
            ("rtsp://h/clip.wmv/", Some("/audio"), "rtsp://h/clip.wmv/audio"),
            ("rtsp://h/clip.wmv/", Some("*"), "rtsp://h/clip.wmv/"),
            ("rtsp://h/clip.wmv", None, "rtsp://h/clip.wmv"),
            ("rtsp://h/clip.wmv", Some("rtsp://other/x"), "rtsp://other/x"),
        ] {
            assert_eq!(control_url(base, control), expected);
        }
        assert!(same_stream("rtsp://a/clip/audio", "rtsp://10.0.0.1/clip/Audio/"));
        assert!(!same_stream("rtsp://a/clip/audio", "rtsp://a/clip/video"));
        assert_eq!(line_safe("rtsp://h/a b\r\nX: y"), "rtsp://h/a%20b%0D%0AX:%20y");
    }
}
