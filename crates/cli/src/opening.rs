//! The options that say how a source is reached and opened, of all commands that do.
//!
//! The first paragraph of an option's text is what `-h` shows of it, in one line of 80 columns; `--help`
//! and the man page show all of it.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::args::{size, time};
use crate::exit::Failure;

const CONNECTION: &str = "Connection";
const TRUST: &str = "Certificates (https, rtsps, onvifs)";
const SPECIAL: &str = "Special sources";
const CAPTURE: &str = "Capture";

/// How a device is reached that speaks HTTP: what cameras are asked by ONVIF needs no more.
#[derive(clap::Args, Debug, Clone)]
pub struct Reaching {
    /// Longest wait for the first answer
    ///
    /// And for the first picture: name, connection, handshake and data together.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time, help_heading = CONNECTION)]
    pub timeout: Duration,
    /// A header for HTTP requests
    ///
    /// May be repeated. It goes to the host of the URL, not to others that it redirects to.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header, help_heading = CONNECTION)]
    pub headers: Vec<(String, String)>,
    /// What to be called in HTTP requests
    ///
    /// Without it, headwater/VERSION.
    #[arg(long, value_name = "NAME", help_heading = CONNECTION)]
    pub user_agent: Option<String>,
    /// HTTP proxy, as http://HOST:PORT, or none
    ///
    /// Without it, what http_proxy, https_proxy, all_proxy and no_proxy say.
    #[arg(long, value_name = "URL", help_heading = CONNECTION)]
    pub proxy: Option<source::Proxy>,
    /// Let a server outside redirect to a network at home
    ///
    /// As a camera does that is found by a name outside and knows itself by its address at home. To
    /// this machine none may.
    #[arg(long, help_heading = CONNECTION)]
    pub redirects_inside: bool,
    /// Trust what this PEM file vouches for, and no other
    ///
    /// The servers whose certificates are in it, or signed by one in it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tls_pin", "insecure"], help_heading = TRUST)]
    pub tls_ca: Option<PathBuf>,
    /// Trust the certificate with this SHA-256 alone
    ///
    /// For a camera that signed its certificate itself: `headwater doctor URL` tells which it has.
    #[arg(long, value_name = "SHA256", conflicts_with = "insecure", help_heading = TRUST)]
    pub tls_pin: Option<source::Pin>,
    /// Trust any server
    ///
    /// Encrypted, but to whom nobody knows: a password may go to anybody.
    #[arg(long, help_heading = TRUST)]
    pub insecure: bool,
}

impl Reaching {
    /// As options of a source.
    pub fn options(&self) -> Result<source::Options, Failure> {
        let mut access = source::Access {
            user_agent: self.user_agent.clone(),
            trust: match (&self.tls_ca, self.tls_pin, self.insecure) {
                (Some(file), ..) => source::Trust::File(file.clone()),
                (_, Some(pin), _) => source::Trust::Pin(pin),
                (_, _, true) => source::Trust::Anybody,
                _ => source::Trust::System,
            },
            proxy: self.proxy.clone().unwrap_or_default(),
            redirects_inside: self.redirects_inside,
            ..source::Access::default()
        };
        for (name, value) in &self.headers {
            let added = access.headers.add(name, value);
            added.map_err(|error| Failure::Usage(format!("--header: {error}")))?;
        }
        Ok(source::Options { access, open_timeout: self.timeout, ..source::Options::default() })
    }
}

/// What a source is and how it is opened.
#[derive(clap::Args, Debug, Clone)]
pub struct Opening {
    #[command(flatten)]
    pub reaching: Reaching,
    /// Longest wait between two pictures
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time, help_heading = CONNECTION)]
    pub gap_timeout: Duration,
    /// RTP by auto, tcp, udp or http
    ///
    /// auto is TCP, then UDP where the camera refuses that; udp goes back to TCP where the camera
    /// refuses it or nothing comes; http is RTSP in HTTP.
    #[arg(long, value_name = "HOW", default_value = "auto", value_parser = transport(), help_heading = CONNECTION)]
    #[arg(hide_possible_values = true)]
    pub transport: source::Transport,
    /// Time between single pictures
    ///
    /// At least so long from one request to the next, of a URL that gives one picture at a time;
    /// serve --host-rate bounds them, too.
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = time, help_heading = CONNECTION)]
    pub poll: Duration,
    /// Let exec:COMMAND run programs
    #[arg(long, help_heading = SPECIAL)]
    pub allow_exec: bool,
    /// Which streams of Windows Media
    ///
    /// best, smallest, max=300k (bit/s), or numbers, as 1,3.
    #[arg(long, value_name = "RULE", default_value = "best", help_heading = SPECIAL)]
    pub streams: source::Rule,
    /// An option for FFmpeg's demuxer or protocol
    ///
    /// As in rtsp_flags=prefer_tcp; may be repeated.
    #[arg(long = "ffmpeg", value_name = "NAME=VALUE", value_parser = pair, help_heading = SPECIAL)]
    pub libav: Vec<(String, String)>,
    /// Keep what the camera sends, for replay:FILE
    ///
    /// And when it sends it, without passwords. Of several sources each has a file of its own, with
    /// its name where %s stands.
    #[arg(long, value_name = "FILE", help_heading = CAPTURE)]
    pub capture: Option<PathBuf>,
    /// Most bytes of a capture
    ///
    /// Then it ends, and the source goes on.
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = size, requires = "capture")]
    #[arg(help_heading = CAPTURE)]
    pub capture_size: u64,
}

impl Opening {
    /// As options of a source that is read once and not repeated.
    pub fn options(&self) -> Result<source::Options, Failure> {
        Ok(source::Options {
            poll: self.poll,
            gap_timeout: self.gap_timeout,
            transport: self.transport,
            streams: self.streams.clone(),
            allow_exec: self.allow_exec,
            libav: self.libav.clone(),
            capture: self.capture.clone().map(|path| source::Capture { path, bytes: self.capture_size }),
            repeat_files: false,
            ..self.reaching.options()?
        })
    }
}

fn transport() -> impl TypedValueParser<Value = source::Transport> {
    let names = source::Transport::NAMED.map(|(name, _)| name);
    PossibleValuesParser::new(names).map(|name| source::Transport::from_name(&name).unwrap_or_default())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, as in rtsp_flags=prefer_tcp")?;
    Ok((name.into(), value.into()))
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE, as in 'X-Api-Key: 1234'")?;
    Ok((name.trim().into(), value.trim().into()))
}
