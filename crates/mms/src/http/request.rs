//! The requests of a client ([MS-WMSP] 2.2.2).

use std::fmt::Write as _;

use crate::{Config, Pace, Play, Start, Thinning};

/// Who we say we are, in the order in which it is tried.
///
/// The first is served as older players are: without $M frames, without pipelining. The second
/// is for servers that refuse it.
pub(super) const AGENTS: [&str; 2] = ["NSPlayer/7.10.0.3059", "NSPlayer/9.0.0.2980"];
/// Who we say we are when we ask for a fast start, which is for versions 8 and up
/// ([MS-WMSP] 2.2.1.4.1) and in this one comes without $M frames as well.
const AGENT_OF_PACE: &str = "NSPlayer/8.0.0.4477";
/// Not given.
const NONE: u32 = u32::MAX;

/// What stays the same in all requests of a session, and what the server added to it.
pub(super) struct Requests {
    host: String,
    /// As it stands in the request line.
    pub(super) target: String,
    guid: String,
    with_password: bool,
    /// Which of [`AGENTS`] we are.
    pub(super) agent: usize,
    /// The session's id at the server.
    pub(super) client_id: Option<u32>,
    /// The entry of the server's playlist that was described.
    pub(super) entry: Option<u32>,
    /// Cookies, `name=value` each.
    pub(super) cookies: Vec<String>,
    /// The first number of the server's version.
    pub(super) server_major: u32,
}

impl Requests {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            host: authority(&config.host, config.port),
            target: target(&config.path),
            guid: guid(&config.random),
            with_password: config.user.is_some(),
            agent: 0,
            client_id: None,
            entry: None,
            cookies: Vec::new(),
            server_major: 0,
        }
    }

    /// The request for the header.
    pub(super) fn describe(&self, authorization: Option<(&str, String)>) -> String {
        let mut request = self.begin(AGENTS[self.agent]);
        request.push_str(
            "Pragma: no-cache,rate=1.000,stream-time=0,stream-offset=0:0,packet-num=4294967295,max-duration=0\r\n",
        );
        self.end(request, authorization)
    }

    /// The request for the stream.
    pub(super) fn play(&self, play: &Play, authorization: Option<(&str, String)>) -> String {
        let pace = play.pace.filter(|_| self.server_major >= 5);
        let mut request =
            self.begin(if pace.is_some() && self.agent == 0 { AGENT_OF_PACE } else { AGENTS[self.agent] });
        let (time_ms, packet) = match play.start {
            Start::Begin => (0, NONE),
            Start::Time(time) => (u32::try_from(time.as_millis()).unwrap_or(NONE).min(NONE - 1), NONE),
            Start::Packet(packet) => (0, packet),
        };
        let _ = write!(
            request,
            "Pragma: no-cache,rate=1.000,stream-time={time_ms},stream-offset={NONE}:{NONE},packet-num={packet},\
             max-duration=0\r\n\
             Pragma: xPlayStrm=1\r\n"
        );
        if let Some(Pace { accelerate_bandwidth, accelerate_duration, link_bandwidth }) = pace {
            let duration = accelerate_duration.as_millis().min(NONE.into());
            let _ = write!(
                request,
                "Pragma: LinkBW={link_bandwidth}, AccelBW={accelerate_bandwidth}, AccelDuration={duration}\r\n"
            );
        }
        if let Some(entry) = self.entry.filter(|_| self.server_major >= 5) {
            let _ = write!(request, "Pragma: playlist-gen-id={entry}\r\n");
        }
        if !play.streams.is_empty() {
            // The entries must be alone in their header ([MS-WMSP] 2.2.1.4.27).
            let _ =
                write!(request, "Pragma: stream-switch-count={}\r\nPragma: stream-switch-entry=", play.streams.len());
            for (index, (stream, thinning)) in play.streams.iter().enumerate() {
                let level = match thinning {
                    Thinning::All => 0,
                    Thinning::Keyframes => 1,
                    Thinning::Nothing => 2,
                };
                let blank = if index == 0 { "" } else { " " };
                let _ = write!(request, "{blank}ffff:{stream:x}:{level}");
            }
            request.push_str("\r\n");
        }
        self.end(request, authorization)
    }

    fn begin(&self, agent: &str) -> String {
        format!("GET {} HTTP/1.0\r\nAccept: */*\r\nUser-Agent: {agent}\r\nHost: {}\r\n", self.target, self.host)
    }

    fn end(&self, mut request: String, authorization: Option<(&str, String)>) -> String {
        let _ = write!(request, "Pragma: xClientGUID={{{}}}\r\n", self.guid);
        if let Some(id) = self.client_id {
            let _ = write!(request, "Pragma: client-id={id}\r\n");
        }
        // So that the server goes on by itself with the next entry of its playlist
        // ([MS-WMSP] 2.2.1.7.2).
        request.push_str("Supported: com.microsoft.wm.predstrm\r\nCache-Control: no-cache\r\n");
        if self.with_password {
            request.push_str("X-Accept-Authentication: NTLM, Digest, Basic\r\n");
        }
        if let Some((name, value)) = authorization {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        if !self.cookies.is_empty() {
            let _ = write!(request, "Cookie: {}\r\n", self.cookies.join("; "));
        }
        request.push_str("Connection: Keep-Alive\r\n\r\n");
        request
    }
}

/// Host and port as they stand in URLs; the usual port is left out.
pub(super) fn authority(host: &str, port: u16) -> String {
    let host: String = host.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    if port == 80 { host } else { format!("{host}:{port}") }
}

/// A path that can stand in a request line: what would end it, and what is no ASCII, is escaped.
fn target(path: &str) -> String {
    let mut target = String::from(if path.starts_with('/') { "" } else { "/" });
    for byte in path.bytes() {
        match byte {
            0x21..=0x7E => target.push(byte.into()),
            _ => {
                let _ = write!(target, "%{byte:02X}");
            }
        }
    }
    target
}

/// A random GUID (RFC 9562 section 5.4).
fn guid(random: &[u8; 32]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in random.iter().take(16).enumerate() {
        let byte = match index {
            6 => byte & 0x0F | 0x40,
            8 => byte & 0x3F | 0x80,
            _ => *byte,
        };
        let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
        let _ = write!(text, "{dash}{byte:02X}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Limits;

    pub(super) fn config(host: &str, port: u16, path: &str) -> Config {
        Config {
            host: host.into(),
            port,
            path: path.into(),
            user: None,
            password: None,
            udp_port: None,
            random: [0xAB; 32],
            unix_time: 0,
            reply_timeout: Duration::from_secs(10),
            limits: Limits::default(),
        }
    }

    fn play(streams: &[(u8, Thinning)], start: Start) -> Play {
        Play { streams: streams.to_vec(), start, packet_size: 1000, pace: None }
    }

    #[test]
    fn a_describe_is_written_byte_for_byte() {
        let requests = Requests::new(&config("server.example", 8080, "/cam?x=1%20"));
        assert_eq!(
            requests.describe(None),
            "GET /cam?x=1%20 HTTP/1.0\r\nAccept: */*\r\nUser-Agent: NSPlayer/7.10.0.3059\r\n\
             Host: server.example:8080\r\n\
             Pragma: no-cache,rate=1.000,stream-time=0,stream-offset=0:0,packet-num=4294967295,max-duration=0\r\n\
             Pragma: xClientGUID={ABABABAB-ABAB-4BAB-ABAB-ABABABABABAB}\r\n\
             Supported: com.microsoft.wm.predstrm\r\nCache-Control: no-cache\r\nConnection: Keep-Alive\r\n\r\n"
        );
    }

    #[test]
    fn a_play_lists_every_stream_in_hexadecimal_alone_in_its_header() {
        let mut requests = Requests::new(&config("::1", 80, ""));
        (requests.client_id, requests.cookies) = (Some(7), vec!["a=1".into(), "b=2".into()]);
        let streams = [(1, Thinning::All), (10, Thinning::Nothing), (127, Thinning::Keyframes)];
        let request = requests.play(&play(&streams, Start::Begin), Some(("Authorization", "Basic YTpi".into())));
        assert_eq!(
            request,
            "GET / HTTP/1.0\r\nAccept: */*\r\nUser-Agent: NSPlayer/7.10.0.3059\r\nHost: [::1]\r\n\
             Pragma: no-cache,rate=1.000,stream-time=0,stream-offset=4294967295:4294967295,packet-num=4294967295,\
             max-duration=0\r\n\
             Pragma: xPlayStrm=1\r\nPragma: stream-switch-count=3\r\n\
             Pragma: stream-switch-entry=ffff:1:0 ffff:a:2 ffff:7f:1\r\n\
             Pragma: xClientGUID={ABABABAB-ABAB-4BAB-ABAB-ABABABABABAB}\r\nPragma: client-id=7\r\n\
             Supported: com.microsoft.wm.predstrm\r\nCache-Control: no-cache\r\n\
             Authorization: Basic YTpi\r\nCookie: a=1; b=2\r\nConnection: Keep-Alive\r\n\r\n"
        );
    }

    #[test]
    fn a_play_begins_where_it_is_told_to() {
        let requests = Requests::new(&config("a", 80, "/"));
        for (start, expected) in [
            (
                Start::Time(Duration::from_millis(1500)),
                "stream-time=1500,stream-offset=4294967295:4294967295,packet-num=4294967295",
            ),
            (
                Start::Time(Duration::MAX),
                "stream-time=4294967294,stream-offset=4294967295:4294967295,packet-num=4294967295",
            ),
            (Start::Packet(77), "stream-time=0,stream-offset=4294967295:4294967295,packet-num=77"),
        ] {
            let request = requests.play(&play(&[], start), None);
            assert!(request.contains(expected) && !request.contains("stream-switch"), "{request}");
        }
    }

    #[test]
    fn a_fast_start_is_asked_of_servers_of_version_5_and_up() {
        let mut requests = Requests::new(&config("a", 80, "/"));
        let pace = Pace {
            accelerate_bandwidth: 1_000_000,
            accelerate_duration: Duration::from_secs(5),
            link_bandwidth: 2_000_000,
        };
        let play = Play { pace: Some(pace), ..play(&[(1, Thinning::All)], Start::Begin) };
        requests.server_major = 4;
        assert!(!requests.play(&play, None).contains("Accel"));
        requests.server_major = 9;
        let request = requests.play(&play, None);
        assert!(request.contains("Pragma: LinkBW=2000000, AccelBW=1000000, AccelDuration=5000\r\n"), "{request}");
        assert!(request.contains("User-Agent: NSPlayer/8.0.0.4477\r\n"), "{request}");
    }

    #[test]
    fn a_path_cannot_add_to_the_request() {
        let requests = Requests::new(&config("a\r\nX: y", 80, "cam\r\nX: y \u{e9}"));
        let request = requests.describe(None);
        assert!(request.starts_with("GET /cam%0D%0AX:%20y%20%C3%A9 HTTP/1.0\r\n"), "{request}");
        assert!(request.contains("\r\nHost: [aX:y]\r\n"), "{request}");
    }
}
