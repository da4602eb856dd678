//! What is known of the server and of the session with it.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::message::Message;
use super::super::transport;
use crate::Config;

/// RFC 2326 section 12.37.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// RTSP's port, which a URL need not name.
const DEFAULT_PORT: u16 = 554;
/// The most cookies, and characters of one, that are kept.
const MOST_COOKIES: usize = 16;
const MOST_COOKIE: usize = 4096;
/// The most characters of a server's name.
const MOST_NAME: usize = 100;

/// What answers have told so far.
#[derive(Debug)]
pub(super) struct Facts {
    /// The URL that is asked for.
    pub url: String,
    /// The URL of the whole presentation: that of PLAY, and the beginning of its streams'.
    pub base: String,
    /// What we call ourselves.
    pub agent: String,
    /// What the server calls itself.
    pub server: Option<String>,
    /// The session's name.
    pub session: Option<String>,
    /// After how much silence the server ends the session.
    timeout: Duration,
    /// The server's number of the playlist entry; 0 if it has none ([MS-RTSP] 2.2.6.22).
    pub entry: u32,
    /// The server thins streams on request ([MS-RTSP] 2.2.6.10.7).
    pub switches: bool,
    cookies: Vec<(String, String)>,
}

impl Facts {
    pub fn new(config: &Config) -> Self {
        let host = if config.host.contains(':') { format!("[{}]", config.host) } else { config.host.clone() };
        let port = if config.port == DEFAULT_PORT { String::new() } else { format!(":{}", config.port) };
        let slash = if config.path.starts_with('/') { "" } else { "/" };
        let url = transport::line_safe(&format!("rtsp://{host}{port}{slash}{}", config.path));
        Self {
            base: url.clone(),
            url,
            agent: format!("WMPlayer/9.0.0.2833 guid/{}", guid(&config.random)),
            server: None,
            session: None,
            timeout: DEFAULT_TIMEOUT,
            entry: 0,
            switches: false,
            cookies: Vec::new(),
        }
    }

    /// Notes what an answer, or an ANNOUNCE, says beside the matter ([MS-RTSP] 3.1.5.2).
    pub fn note(&mut self, message: &Message) {
        if let Some(server) = message.header("server") {
            self.server = Some(server.chars().filter(|c| !c.is_control()).take(MOST_NAME).collect());
        }
        if let Some((id, timeout)) = message.session() {
            self.session = Some(id.to_owned());
            self.timeout = timeout.map_or(DEFAULT_TIMEOUT, |seconds| Duration::from_secs(seconds.into()));
        }
        if let Some(entry) = message.number("x-playlist-gen-id") {
            self.entry = entry;
        }
        if message.header("supported").is_some() {
            self.switches = message.lists("supported", "com.microsoft.wm.sswitch");
        }
        for cookie in message.all("set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=').filter(|_| pair.len() <= MOST_COOKIE) else { continue };
            let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
            self.cookies.retain(|(other, _)| *other != name);
            if self.cookies.len() < MOST_COOKIES {
                self.cookies.push((name, value));
            }
        }
    }

    /// The cookies to send, if there are any.
    pub fn cookie(&self) -> Option<String> {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// How long after a request to say something: well before the server ends the session.
    pub fn keep_alive(&self) -> Duration {
        (self.timeout / 2).clamp(Duration::from_secs(1), Duration::from_secs(3600))
    }
}

/// A random GUID (RFC 4122 section 4.4).
fn guid(random: &[u8; 32]) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&random[..16]);
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02X}");
    }
    text
}
