//! The HTTP server: every source once, to everybody who asks.
//!
//! A [`Relay`] holds the sources by name; [`Server`] listens and answers. Two paths lead
//! out of it. Pages, pictures and status are small answers and go through hyper and
//! axum. A stream takes the socket over from hyper after its request was read
//! (`server`): from then on there is nothing between the feed and the kernel, no copy
//! per client and no queue, so that a slow client loses pictures and never sees old ones.

#![forbid(unsafe_code)]

mod clock;
mod feeds;
#[doc(hidden)]
pub mod fuzz;
mod head;
mod health;
mod inbox;
mod launch;
mod metrics;
mod mms;
mod name;
mod output;
mod paths;
mod placeholder;
mod ptz;
mod recordings;
mod refusals;
mod rtmp;
mod rtsp;
mod server;
mod session;
mod shelf;
mod sources;
mod srt;
mod status;
mod webrtc;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ::config::Problem;
use source::Supervisor;

use self::sources::Sources;

pub use ::rtsp::sdp::Group;
pub use name::{NameError, check_name};
pub use rtsp::{RtspNames, RtspStream};
pub use server::{Server, ServerError};
pub use srt::SrtPassphrase;
pub use status::Snapshot;
pub use webrtc::WebRtcConfig;

/// What it calls itself where a protocol asks.
pub(crate) const PRODUCT: &str = concat!("headwater/", env!("CARGO_PKG_VERSION"));

/// One source of a relay. `Debug` shows its URL without the password.
#[derive(Clone)]
pub struct SourceConfig {
    /// What its URLs are called: `/NAME.mjpeg`.
    pub name: String,
    /// What to open.
    pub url: String,
    /// How.
    pub options: source::Options,
}

impl std::fmt::Debug for SourceConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, url, options } = self;
        let url = media::Redacted(url);
        f.debug_struct("SourceConfig").field("name", name).field("url", &url).field("options", options).finish()
    }
}

/// How a relay serves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Addresses to serve MMS on, each by TCP and by UDP.
    pub mms: Vec<SocketAddr>,
    /// Addresses to serve RTSP on.
    pub rtsp: Vec<SocketAddr>,
    /// Where encoders may send to feeds by RTMP.
    pub rtmp: Vec<SocketAddr>,
    /// Where encoders may send to feeds by SRT.
    pub srt: Vec<SocketAddr>,
    /// What they have to know for that; nothing: anybody may, and nothing is encrypted.
    pub srt_passphrase: Option<SrtPassphrase>,
    /// How WebRTC is reached.
    pub webrtc: WebRtcConfig,
    /// What there is by RTSP.
    pub rtsp_names: RtspNames,
    /// After how much silence a session of RTSP ends.
    pub rtsp_timeout: Duration,
    /// Sources, by name, that are sent to groups all the time, whoever listens.
    pub multicast: Vec<(String, Group)>,
    /// What to serve.
    pub sources: Vec<SourceConfig>,
    /// Most connections at a time; further ones are answered with 503 and closed.
    pub max_connections: usize,
    /// Whether clients may move cameras, by `POST /NAME/ptz`.
    pub ptz: bool,
    /// Names by which browsers may ask, beside addresses and names of the local network; `*` for
    /// all. Where there are some, they hold for what only reads, too.
    pub hosts: Vec<String>,
    /// Proxies that are believed who asks, by `X-Forwarded-For`.
    pub trusted_proxies: Vec<::config::Network>,
}

/// Nothing to serve, on [`Config::LISTEN`].
impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![Self::LISTEN],
            mms: Vec::new(),
            rtsp: Vec::new(),
            rtmp: Vec::new(),
            srt: Vec::new(),
            srt_passphrase: None,
            webrtc: WebRtcConfig::default(),
            rtsp_names: RtspNames::default(),
            rtsp_timeout: Self::RTSP_TIMEOUT,
            multicast: Vec::new(),
            sources: Vec::new(),
            max_connections: Self::MAX_CONNECTIONS,
            ptz: false,
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
        }
    }
}

impl Config {
    /// The port of ffserver, on this machine only.
    pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8090);
    /// What most servers have, and RFC 2326 section 12.37.
    pub const RTSP_TIMEOUT: Duration = Duration::from_secs(60);
    /// Enough for a crowd, within what the system lets a process open by default.
    pub const MAX_CONNECTIONS: usize = 16_000;
}

/// Why a relay cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Two sources would have the same URLs.
    #[error("two sources are called {name}: {first} and {second}; give one of them another name, as in NAME=URL")]
    SameName {
        /// The name.
        name: String,
        /// The URL of the first, without its password.
        first: String,
        /// The URL of the second, without its password.
        second: String,
    },
    /// A name that cannot stand in a URL.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A source that nothing can open.
    #[error("{name}")]
    Source {
        /// The source.
        name: String,
        /// Why.
        source: source::Error,
    },
}

/// The sources by name, and everything that the server's tasks share.
pub struct Relay {
    sources: Sources,
    sessions: session::Sessions,
    desks: output::Desks,
    fans: output::Fans,
    tapes: output::Tapes,
    /// The paths of a configuration, if one is served.
    paths: Option<paths::Paths>,
    presses: rtsp::Presses,
    /// Who may not send to feeds, for the log.
    refusals: refusals::Refusals,
    /// The groups that sources are sent to; set when the server is.
    groups: OnceLock<Vec<(String, Group)>>,
    /// Whether cameras may be moved; set when the server is.
    ptz: OnceLock<bool>,
    /// The port of RTSP; set when the server is, if it serves RTSP.
    rtsp_port: OnceLock<u16>,
    /// Sessions of WebRTC; set when the server is.
    webrtc: OnceLock<webrtc::Exchange>,
    started: Instant,
}

/// What `config` asks for that is not served: sources that can never be opened, recordings that cannot be, formats and codecs
/// of streams. What can only be found out by serving it, such as the addresses of names, is not looked
/// at.
#[must_use]
pub fn unserved(config: &::config::Config) -> Vec<Problem> {
    let mut problems =
        [sources::unserved(&config.sources), recordings::unserved(config), paths::unserved(config)].concat();
    problems.sort_by_key(|problem| problem.line);
    problems
}

impl Relay {
    /// Sets up the sources. Opens none of them yet, unless one is always on. Needs a
    /// tokio runtime.
    ///
    /// # Errors
    /// When a name or a URL cannot be used.
    pub fn new(configs: &[SourceConfig]) -> Result<Arc<Self>, ConfigError> {
        let mut sources: BTreeMap<String, Supervisor> = BTreeMap::new();
        for config in configs {
            check_name(&config.name)?;
            if let Some(first) = sources.get(&config.name) {
                return Err(ConfigError::SameName {
                    name: config.name.clone(),
                    first: media::Redacted(first.url()).to_string(),
                    second: media::Redacted(&config.url).to_string(),
                });
            }
            let options = source::Options { sound_alone: true, ..config.options.clone() };
            let supervisor = Supervisor::served(&config.name, &config.url, options)
                .map_err(|source| ConfigError::Source { name: config.name.clone(), source })?;
            sources.insert(config.name.clone(), supervisor);
        }
        Ok(Arc::new(Self::with(Sources::given(sources), None)))
    }

    /// Serves what `config` says, and nothing else. Needs a tokio runtime.
    ///
    /// # Errors
    /// What of it cannot be served, all of it.
    pub async fn configured(config: &::config::Config) -> Result<Arc<Self>, Vec<Problem>> {
        recordings::check(config)?;
        let sources = Sources::configured(&config.sources)?;
        paths::prepare(config).await;
        let paths = paths::Paths::new(config, &sources)?;
        Ok(Arc::new(Self::with(sources, Some(paths))))
    }

    fn with(sources: Sources, paths: Option<paths::Paths>) -> Self {
        Self {
            sources,
            paths,
            sessions: session::Sessions::default(),
            desks: output::Desks::default(),
            fans: output::Fans::default(),
            tapes: output::Tapes::default(),
            presses: rtsp::Presses::default(),
            refusals: refusals::Refusals::default(),
            groups: OnceLock::new(),
            ptz: OnceLock::new(),
            rtsp_port: OnceLock::new(),
            webrtc: OnceLock::new(),
            started: Instant::now(),
        }
    }

    /// Goes over to another configuration. Viewers and feeders of what did not change stay;
    /// the others are let go. Addresses to listen on stay as they are. Needs a tokio runtime.
    ///
    /// # Errors
    /// What of it cannot be served; then everything stays as it was. A relay without a
    /// configuration takes none.
    pub async fn reload(&self, config: &::config::Config) -> Result<(), Vec<Problem>> {
        let Some(paths) = &self.paths else { return Ok(()) };
        recordings::check(config)?;
        let renewal = self.sources.renewal(&config.sources)?;
        paths::prepare(config).await;
        paths.reload(config, &self.sources)?;
        let renewed = renewal.apply(&self.sources);
        paths.follow_groups();
        renewed?;
        // Whoever reloads has mended something: what waits is tried now, what was given up again.
        self.sources().iter().for_each(Supervisor::poke);
        paths.table().feeds().for_each(Supervisor::poke);
        Ok(())
    }

    /// Opens the log of requests anew, for whoever has moved its file away.
    ///
    /// # Errors
    /// When it cannot be opened; the old one is written on.
    pub fn reopen_log(&self) -> std::io::Result<()> {
        self.paths.as_ref().map_or(Ok(()), paths::Paths::reopen_log)
    }

    /// The paths of a configuration, if one is served.
    pub(crate) fn paths(&self) -> Option<&paths::Paths> {
        self.paths.as_ref()
    }

    /// The source called `name`.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<Supervisor> {
        self.sources.named(name)
    }

    /// The group that the source called `name` is sent to, if it is.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<Group> {
        let groups = self.groups.get()?;
        groups.iter().find(|(of, _)| of == name).map(|(_, group)| *group)
    }

    /// Remembers what is sent where. Those of the first server of a relay count.
    fn send_to(&self, groups: &[(String, Group)]) {
        let _ = self.groups.set(groups.to_vec());
    }

    /// Where sessions of WebRTC are made.
    ///
    /// # Errors
    /// When there are none here.
    fn exchange(&self) -> Result<&webrtc::Exchange, server::Refusal> {
        self.webrtc
            .get()
            .filter(|exchange| !exchange.is_off())
            .ok_or_else(|| server::Refusal::not_found("there is no WebRTC here; serve it without --no-webrtc"))
    }

    /// Remembers whether cameras may be moved. What the first server of a relay says counts.
    fn let_move(&self, may: bool) {
        let _ = self.ptz.set(may);
    }

    /// All sources, by name.
    #[must_use]
    pub fn sources(&self) -> Vec<Supervisor> {
        self.sources.all()
    }

    /// What everything is doing now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        status::take(self, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_does_not_tell_its_passwords() {
        let url = "rtsp://admin:hunter2@cam/x".to_owned();
        let sources = vec![SourceConfig { name: "cam".into(), url, options: source::Options::default() }];
        let shown = format!("{:?}", Config { sources, ..Config::default() });
        assert!(shown.contains("admin:***@cam/x") && !shown.contains("hunter2"), "{shown}");
    }
}
