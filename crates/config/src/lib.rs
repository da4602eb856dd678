//! What a relay serves, as a value, and ffserver.conf read into it.
//!
//! [`Config`] says everything that a configuration can say; [`ffserver::parse`] makes one
//! of a file for ffserver 3.4, and goes on after a mistake, so that all of them are told
//! at once, each a [`Problem`] with its line. The [`ffserver::DIRECTIVES`] are a table:
//! name, place, explanation and the function that reads the value are one row.
//!
//! Nothing here opens a file, asks a name server or looks at a clock. What only the system
//! knows is filled in by whoever serves: [`Acl::resolve`] is handed a resolver, and the
//! files of `DynamicACL` are read elsewhere and handed to [`Acl::parse`].

#![forbid(unsafe_code)]

mod acl;
mod coding;
mod encoding;
pub mod ffserver;
#[doc(hidden)]
pub mod fuzz;
pub mod native;
mod network;
pub mod preset;
mod problem;
mod source;
mod stream;
mod suggest;

use std::path::PathBuf;
use std::time::Duration;

pub use acl::{Acl, Rule, Verdict, Who};
pub use coding::Named;
pub use encoding::{At, Audio, Ratio, Video};
pub use network::Network;
pub use problem::{Problem, Severity};
pub use source::Source;
pub use stream::{Feed, Multicast, Origin, Redirect, Stream};

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// An address or a name; nothing means every address of the machine.
    pub host: Option<String>,
    /// The port, from 1.
    pub port: u16,
}

/// How the lines of the log of requests look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// As ffserver wrote them.
    #[default]
    Ffserver,
    /// Apache's combined form.
    Combined,
}

/// Where requests are logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFile {
    /// Standard output.
    Stdout,
    /// The end of this file.
    File(PathBuf),
}

/// What encoders have to know that send by SRT, 10 to 79 bytes. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(String);

impl Passphrase {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Passphrase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.len() {
            10..=79 => Ok(Self(text.into())),
            length => Err(format!("{length} characters; SRT takes 10 to 79")),
        }
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(***)")
    }
}

/// A whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where HTTP is served.
    pub http: Vec<Listen>,
    /// Where RTSP is served.
    pub rtsp: Vec<Listen>,
    /// Where MMS is served; ffserver had none.
    pub mms: Vec<Listen>,
    /// Where encoders may send to feeds by RTMP; ffserver had none.
    pub rtmp: Vec<Listen>,
    /// Where encoders may send to feeds by SRT; ffserver had none.
    pub srt: Vec<Listen>,
    /// What they have to know, 10 to 79 characters.
    pub srt_passphrase: Option<Passphrase>,
    /// How long an RTSP client may be silent that gets its packets by UDP or multicast; nothing: a
    /// minute.
    pub rtsp_timeout: Option<Duration>,
    /// Names by which browsers may ask; ffserver had none.
    pub hosts: Vec<String>,
    /// Proxies that are believed who asks; ffserver had none.
    pub trusted_proxies: Vec<Network>,
    /// Most connections at a time that have made a request for a stream.
    pub max_clients: u32,
    /// Most connections at a time.
    pub max_connections: u32,
    /// Most that is sent to all viewers together, in kbit/s.
    pub max_bandwidth_kbit: u64,
    /// Where requests are logged, if they are.
    pub custom_log: Option<LogFile>,
    /// How the lines of that log look.
    pub log_format: LogFormat,
    /// What is served by name in every format; ffserver had none.
    pub sources: Vec<Source>,
    /// What comes in, in the order of the file.
    pub feeds: Vec<Feed>,
    /// What goes out, in the order of the file.
    pub streams: Vec<Stream>,
    /// Paths that lead elsewhere, in the order of the file.
    pub redirects: Vec<Redirect>,
}

impl Config {
    /// ffserver's, where a file does not say otherwise.
    pub const MAX_CLIENTS: u32 = 5;
    /// ffserver's, where a file does not say otherwise.
    pub const MAX_CONNECTIONS: u32 = 2000;
    /// ffserver's, where a file does not say otherwise.
    pub const MAX_BANDWIDTH_KBIT: u64 = 1000;

    /// The feed called `name`.
    #[must_use]
    pub fn feed(&self, name: &str) -> Option<&Feed> {
        self.feeds.iter().find(|feed| feed.name == name)
    }

    /// The source called `name`.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.name == name)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http: Vec::new(),
            rtsp: Vec::new(),
            mms: Vec::new(),
            rtmp: Vec::new(),
            srt: Vec::new(),
            srt_passphrase: None,
            rtsp_timeout: None,
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            max_clients: Self::MAX_CLIENTS,
            max_connections: Self::MAX_CONNECTIONS,
            max_bandwidth_kbit: Self::MAX_BANDWIDTH_KBIT,
            custom_log: None,
            log_format: LogFormat::default(),
            sources: Vec::new(),
            feeds: Vec::new(),
            streams: Vec::new(),
            redirects: Vec::new(),
        }
    }
}
