//! The command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::UnknownArgumentValueParser;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use media::Variant;

use crate::opening::Opening;
use crate::{exit, log};

const EXAMPLES: &str = "\
Examples:
  headwater serve cam2=rtsp://user:password@10.0.0.5/stream test=pattern:
  headwater serve --listen 0.0.0.0:8090 lobby=clip.wmv webcam=/dev/video0
  headwater view http://localhost:8090/cam2.mjpeg
  headwater probe mms://traffic.example/cam2
  headwater grab rtsp://10.0.0.5/stream --every 10s -o 'shots/%Y%m%d-%H%M%S.jpg'
  headwater record rtsp://10.0.0.5/stream --segment 10m --keep 7d
  headwater discover
  headwater serve -f /etc/ffserver.conf";

const CONFIG_EXAMPLES: &[&str] = &[
    "config check /etc/ffserver.conf",
    "config import /etc/ffserver.conf > headwater.toml",
    "config schema > headwater.schema.json",
];

const CONFIGURATION: &str = "Configuration";
const LISTEN: &str = "Listen";
const SOURCES: &str = "Sources";
const RECORDING: &str = "Recording";

const SERVE_PAGES: &str = "On the page http://127.0.0.1:8090/ are all pictures, on /status the state of everything.";

/// What a configuration says itself, or has no place for: refused beside `--file`, and not without effect.
const SAID_BY_FILE: [&str; 25] = [
    "sources",
    "mms",
    "rtsp_timeout",
    "multicast",
    "always_on",
    "linger",
    "host_connections",
    "host_rate",
    "once",
    "max_connections",
    "timeout",
    "gap_timeout",
    "transport",
    "streams",
    "allow_exec",
    "libav",
    "poll",
    "headers",
    "user_agent",
    "proxy",
    "redirects_inside",
    "tls_ca",
    "tls_pin",
    "insecure",
    "capture",
];

const SERVE_EXAMPLES: &[&str] = &[
    "serve cam2=rtsp://user:password@10.0.0.5/stream test=pattern:",
    "serve --listen 0.0.0.0:8090 --rtsp 0.0.0.0:8554 lobby=clip.wmv",
    "serve --always-on --record rings front=onvif://user:password@10.0.0.7",
    "serve cam2=push:  # ffmpeg -i IN -f mpegts http://localhost:8090/cam2.ffm",
    "serve -f headwater.toml",
];

/// Opens any camera once and serves it to everybody: browsers, OpenCV, players.
#[derive(Parser, Debug)]
#[command(name = "headwater", version, long_version = long_version(), propagate_version = true)]
#[command(after_help = EXAMPLES, after_long_help = format!("{}\n\n{EXAMPLES}", exit::TABLE))]
pub struct Args {
    #[command(flatten)]
    pub log: log::Log,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Serve sources over HTTP: streams, pictures, a page of all
    ///
    /// As /NAME.mjpeg, /NAME.jpg and many others; the page is at /.
    Serve(Box<Serve>),
    /// Show a source in a window
    ///
    /// q or Esc quits, f is full screen and back, s saves a snapshot, i shows facts.
    View(View),
    /// Say what is inside a source
    Probe(Probe),
    /// Say step by step why a source does not open, and what to do
    ///
    /// Or why it does not run well.
    Doctor(crate::doctor::Doctor),
    /// Look for cameras and webcams, and print their URLs
    ///
    /// By ONVIF and mDNS in this network; named devices alone where some are named.
    Discover(crate::discover::Discover),
    /// Move a camera by ONVIF
    ///
    /// To the left and right, up and down, nearer, home, to a preset or a place.
    Ptz(crate::ptz::Ptz),
    /// Save a picture, or one every so often
    Grab(Grab),
    /// Record a source in files, as it is
    ///
    /// Cut by the clock, and whole even after a crash.
    Record(Record),
    /// Check or translate a file that says what to serve
    #[command(subcommand, after_long_help = short_help(CONFIG_EXAMPLES))]
    Config(crate::config::Command),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page, or write all of them into a directory
    Man {
        /// Where to write headwater.1 and a page for each subcommand
        directory: Option<PathBuf>,
    },
}

#[derive(clap::Args, Debug)]
#[command(override_usage = "headwater serve [OPTIONS] [NAME=]URL...\n       headwater serve [OPTIONS] --file FILE")]
#[command(after_help = format!("{}\n\n{SERVE_PAGES}", sources_short()))]
#[command(after_long_help = format!("{SERVE_PAGES}\n\n{}", long_help(SERVE_EXAMPLES)))]
pub struct Serve {
    /// Sources: a URL, a file or a device, with a name in front
    ///
    /// The name is for its URLs here; without one it is made of the last part of the URL.
    #[arg(required_unless_present = "file", value_name = "[NAME=]URL")]
    pub sources: Vec<String>,
    /// Serve what a configuration says
    ///
    /// A headwater.toml, or a file such as /etc/ffserver.conf. SIGHUP reads it again, SIGUSR1 opens its
    /// CustomLog anew.
    #[arg(short, long, value_name = "FILE", conflicts_with_all = SAID_BY_FILE, help_heading = CONFIGURATION)]
    pub file: Option<PathBuf>,
    /// With --file: run no program of a Launch line
    #[arg(long, requires = "file", help_heading = CONFIGURATION)]
    pub no_launch: bool,
    /// Where to serve HTTP [default: 127.0.0.1:8090]
    ///
    /// 0.0.0.0:8090 opens it to the network. May be repeated; with --file in place of HTTPPort. One
    /// address may stand in HEADWATER_LISTEN.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address, env = "HEADWATER_LISTEN", hide_env = true)]
    #[arg(help_heading = LISTEN)]
    pub listen: Vec<SocketAddr>,
    /// What other servers call it
    #[arg(long, short, hide = true, value_parser = no_port())]
    pub port: Option<String>,
    /// Serve RTSP too, rtsp://HOST:PORT/NAME
    ///
    /// Its usual port is 554, 8554 for those who are not root. May be repeated.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address, help_heading = LISTEN)]
    pub rtsp: Vec<SocketAddr>,
    /// Longest silence of RTSP clients
    ///
    /// Of one that gets its packets by UDP or multicast.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time, help_heading = LISTEN)]
    pub rtsp_timeout: Duration,
    /// Send a source to a multicast group
    ///
    /// As NAME=GROUP:PORT[/TTL], all the time, as RTP; its description is at /NAME.sdp, and RTSP clients
    /// find it. Its other tracks have the next even ports. A TTL of 0 keeps it on this machine, 1 in
    /// this network. May be repeated.
    #[arg(long, value_name = "GROUP", value_parser = multicast, help_heading = LISTEN)]
    pub multicast: Vec<(String, relay::Group)>,
    /// Serve old players of Windows Media too, mms://
    ///
    /// By TCP and UDP; their usual port is 1755. May be repeated.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address, help_heading = LISTEN)]
    pub mms: Vec<SocketAddr>,
    /// Take what encoders send by RTMP
    ///
    /// To rtmp://HOST:PORT/live/NAME, for the feeds push:; its usual port is 1935. May be repeated.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address, help_heading = LISTEN)]
    pub rtmp: Vec<SocketAddr>,
    /// Take what encoders send by SRT
    ///
    /// To srt://HOST:PORT?streamid=NAME, for the feeds push:. May be repeated.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address, help_heading = LISTEN)]
    pub srt: Vec<SocketAddr>,
    /// What encoders have to know that send by SRT
    ///
    /// 10 to 79 characters; it encrypts, too. It may stand in HEADWATER_SRT_PASSPHRASE, where `ps` does
    /// not show it.
    #[arg(long, value_name = "WORDS", requires = "srt", env = "HEADWATER_SRT_PASSPHRASE", hide_env = true)]
    #[arg(help_heading = LISTEN)]
    pub srt_passphrase: Option<relay::SrtPassphrase>,
    /// A name by which browsers may ask
    ///
    /// Such as cams.example.com; also that of a proxy's site. May be repeated; * for any.
    #[arg(long, value_name = "NAME", help_heading = LISTEN)]
    pub host: Vec<String>,
    /// A proxy that is believed who asks
    ///
    /// An address or a network, such as 127.0.0.1 or 10.0.0.0/8: of requests from there the last address in
    /// X-Forwarded-For that is no such proxy counts, for rules, bounds and logs. May be repeated.
    #[arg(long, value_name = "NETWORK", value_parser = ::config::Network::of_proxies, help_heading = LISTEN)]
    pub trusted_proxy: Vec<::config::Network>,
    /// Most connections at a time
    #[arg(long, value_name = "N", default_value_t = relay::Config::MAX_CONNECTIONS, help_heading = LISTEN)]
    pub max_connections: usize,
    #[command(flatten)]
    pub webrtc: crate::webrtc::Args,
    /// Keep all sources open, watched or not
    #[arg(long, help_heading = SOURCES)]
    pub always_on: bool,
    /// How long one stays open unwatched
    ///
    /// After its last reader has gone.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time, help_heading = SOURCES)]
    pub linger: Duration,
    /// Most connections to one host at a time
    ///
    /// Of all sources together; a further source waits until one has gone. Without it any number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000), help_heading = SOURCES)]
    pub host_connections: Option<u16>,
    /// Most requests a second to one host
    ///
    /// Attempts, and requests for single pictures, of all sources together.
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u16).range(1..=1000))]
    #[arg(help_heading = SOURCES)]
    pub host_rate: u16,
    /// Play files once instead of for ever
    #[arg(long, help_heading = SOURCES)]
    pub once: bool,
    /// Let whoever may see a camera move it
    ///
    /// By POST /NAME/ptz; for sources given as onvif://.
    #[arg(long, conflicts_with = "file", help_heading = SOURCES)]
    pub ptz: bool,
    /// Record each source while it is open
    ///
    /// In a folder of its own in this one: players may begin in the past (?buffer=30, ?date=13:45:00),
    /// clips may be cut (?from=&to=).
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "file", help_heading = RECORDING)]
    pub record: Option<PathBuf>,
    /// Most bytes of one source's recording
    ///
    /// The oldest goes.
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = size, requires = "record")]
    #[arg(help_heading = RECORDING)]
    pub record_size: u64,
    #[command(flatten)]
    pub opening: Opening,
}

#[derive(clap::Args, Debug)]
#[command(after_help = sources_short(), after_long_help = long_help(&["view http://localhost:8090/cam2.mjpeg", "view 0"]))]
pub struct View {
    /// A URL, a file or a device; 0 is the first webcam
    #[arg(value_name = "URL")]
    pub url: String,
    /// Start in full screen
    #[arg(short, long)]
    pub fullscreen: bool,
    /// Start with the facts shown, as after i
    #[arg(short, long)]
    pub info: bool,
    /// Where s saves snapshots
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    pub snapshots: PathBuf,
    #[command(flatten)]
    pub opening: Opening,
}

#[derive(clap::Args, Debug)]
#[command(after_help = sources_short(), after_long_help = long_help(&["probe mms://traffic.example/cam2", "probe --json clip.wmv"]))]
pub struct Probe {
    /// A URL, a file or a device
    #[arg(value_name = "URL")]
    pub url: String,
    /// How long to measure rates
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    pub measure: Duration,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub opening: Opening,
}

#[derive(clap::Args, Debug)]
#[command(after_help = sources_short(), after_long_help = long_help(&["grab pattern: -o frame.jpg", "grab rtsp://10.0.0.5/stream --every 10s -o 'shots/%Y%m%d-%H%M%S.jpg'"]))]
pub struct Grab {
    /// A URL, a file or a device
    #[arg(value_name = "URL")]
    pub url: String,
    /// File to write; - for stdout
    ///
    /// With strftime's letters for the time of the picture; folders that are missing are made.
    #[arg(short, long, value_name = "FILE.jpg")]
    pub output: String,
    /// Go on, with a picture every so often
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub every: Option<Duration>,
    /// Stop after so many pictures
    #[arg(long, value_name = "N", requires = "every", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Scale to WIDTHxHEIGHT
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["width", "height"])]
    pub size: Option<String>,
    /// Scale to this width, keeping the aspect ratio
    #[arg(long, value_name = "PIXELS", conflicts_with = "height")]
    pub width: Option<String>,
    /// Scale to this height, keeping the aspect ratio
    #[arg(long, value_name = "PIXELS")]
    pub height: Option<String>,
    /// JPEG quality, 1 to 100
    ///
    /// Without it the camera's own JPEG, or 80.
    #[arg(long, value_name = "N")]
    pub quality: Option<String>,
    #[command(flatten)]
    pub opening: Opening,
}

#[derive(clap::Args, Debug)]
#[command(after_help = sources_short(), after_long_help = long_help(RECORD_EXAMPLES))]
pub struct Record {
    /// A URL, a file or a device
    #[arg(value_name = "URL")]
    pub url: String,
    /// Files to write, as front-%Y%m%d-%H%M.mp4
    ///
    /// With strftime's letters for the time at which each begins. The extension says what kind: mp4,
    /// mkv, ts, asf, avi, mov, webm; without one what is recorded does. Folders that are missing are
    /// made. Without it: the source's name and the time.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<String>,
    /// Begin another file so often, by the clock
    ///
    /// 10m at :00, :10, :20 ..., 24h at midnight, 7d on Mondays.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub segment: Option<Duration>,
    /// Remove older files, by age or size: 7d, 100GB
    ///
    /// Files of this name: an age (30m, 12h, 7d, 4w), a size of all together (500M, 100GB), or both
    /// (7d,100GB).
    #[arg(long, value_name = "AGE|SIZE")]
    pub keep: Vec<record::Keep>,
    /// Stop after so long
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub duration: Option<Duration>,
    /// What to record: all, or video alone
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Tracks::All, hide_possible_values = true)]
    pub tracks: Tracks,
    /// Times in names in UTC
    ///
    /// And where files are cut, too; without it both are in local time.
    #[arg(long)]
    pub utc: bool,
    /// Say nothing but what goes wrong
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub opening: Opening,
}

const RECORD_EXAMPLES: &[&str] = &[
    "record rtsp://10.0.0.5/stream --segment 10m --keep 7d -o 'front-%d-%H%M.mp4'",
    "record http://10.0.0.6/video.mjpg --keep 100GB -o '/srv/%Y/%m/gate-%d-%H'",
];

/// Which tracks are recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Tracks {
    /// Pictures and sound
    All,
    /// Pictures alone
    Video,
}

impl Grab {
    /// The picture wished for.
    pub fn variant(&self) -> Result<Variant, exit::Failure> {
        let mut variant = Variant::default();
        let wishes =
            [("size", &self.size), ("width", &self.width), ("height", &self.height), ("quality", &self.quality)];
        for (key, value) in wishes {
            if let Some(value) = value {
                variant.set(key, value).map_err(|error| exit::Failure::Usage(format!("--{error}")))?;
            }
        }
        Ok(variant)
    }
}

/// For whoever is used to `--port`.
fn no_port() -> UnknownArgumentValueParser {
    UnknownArgumentValueParser::suggest_arg("--listen")
        .and_suggest("--listen 8090 is that port on this machine only, --listen 0.0.0.0:8090 on the whole network")
}

/// What can be opened, exit codes, and examples at the end, where one sees them first.
pub fn long_help(examples: &[&str]) -> String {
    format!("{}\n\n{}\n\n{}", source_help(), exit::TABLE, example_help(examples))
}

/// Examples and exit codes, of commands that open no source of every kind.
pub fn short_help(examples: &[&str]) -> String {
    format!("{}\n\n{}", exit::TABLE, example_help(examples))
}

/// The first example of the command that `arguments` are of, if it has any.
pub fn example(arguments: &[String]) -> Option<String> {
    let command = Args::command();
    let command = arguments.iter().skip(1).find_map(|argument| command.find_subcommand(argument))?;
    let help = command.get_after_long_help()?.to_string();
    help.split_once("Examples:")?.1.lines().nth(1).map(|line| line.trim().to_owned())
}

fn example_help(examples: &[&str]) -> String {
    let examples: String = examples.iter().map(|example| format!("\n  headwater {example}")).collect();
    format!("Examples:{examples}")
}

/// The table of what can be opened.
fn source_help() -> String {
    const WIDTH: usize = 80;
    let mut text = String::from("What can be opened:");
    for scheme in source::SCHEMES {
        text.push_str(&format!("\n  {}", scheme.example));
        for line in wrapped(scheme.doc, WIDTH - INDENT.len()) {
            text.push_str(&format!("\n{INDENT}{line}"));
        }
    }
    text
}

const INDENT: &str = "          ";

/// The same in a line, for `-h`.
pub fn sources_short() -> String {
    "What can be opened: cameras by rtsp://, http:// and onvif://, files, webcams such\nas /dev/video0, and more; --help lists all, with examples.".into()
}

/// `text` in lines of at most `width` characters, where its words let it.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}

fn long_version() -> String {
    format!("{} ({})", clap::crate_version!(), ffmpeg::version())
}

/// A time, as [`media::quantity::time`] reads it, of a millisecond at least.
pub fn time(text: &str) -> Result<Duration, String> {
    let time = media::quantity::time(text).filter(|time| *time >= Duration::from_millis(1));
    time.ok_or_else(|| "expected a time such as 500ms, 10s, 2m, 1h or 7d, from 1ms to ten years (520w)".into())
}

/// A size, as [`media::quantity::bytes`] reads it, of as much as a recording has at least.
pub fn size(text: &str) -> Result<u64, String> {
    let least = source::Record::LEAST;
    let bytes = media::quantity::bytes(text).filter(|bytes| (least..=1_000_000_000_000_000).contains(bytes));
    bytes.ok_or_else(|| format!("expected a size such as 500M, 500MB or 1.5G, from {least} bytes to 900T"))
}

/// `address:port`, `[address]:port`, `:port` or `port`; the latter two on this machine only.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let port_alone = text.strip_prefix(':').unwrap_or(text).parse::<u16>();
    let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let named = || {
        let port = text.strip_prefix("localhost:")?.parse().ok()?;
        Some(local(port))
    };
    let parsed = text.parse().ok().or_else(|| port_alone.ok().map(local)).or_else(named);
    parsed
        .ok_or_else(|| "expected ADDRESS:PORT, as 127.0.0.1:8090, 0.0.0.0:8090 (the whole network) or [::]:8090".into())
}

/// `name=group:port`, with `/ttl` or a TTL of 1.
fn multicast(text: &str) -> Result<(String, relay::Group), String> {
    let expected = "expected NAME=GROUP:PORT or NAME=GROUP:PORT/TTL, as cam2=239.1.2.3:6000/1";
    let (name, group) = text.split_once('=').ok_or(expected)?;
    let (address, ttl) = group.rsplit_once('/').unwrap_or((group, "1"));
    let address: SocketAddr = address.parse().map_err(|_| expected)?;
    let ttl = ttl.parse().map_err(|_| format!("TTL {ttl}: expected 0 to 255"))?;
    if !address.ip().is_multicast() {
        return Err(format!(
            "{}: not a multicast group; those are 224.0.0.0 to 239.255.255.255, and ff00::/8",
            address.ip()
        ));
    }
    // Each track takes two ports, RTCP the second of them.
    if address.port() == 0 || address.port() % 2 == 1 {
        return Err(format!("port {}: expected an even one; RTCP has the one after it", address.port()));
    }
    Ok((name.into(), relay::Group { address: address.ip(), port: address.port(), ttl }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn groups_are_read_and_what_is_none_is_told() {
        let group = |ttl| relay::Group { address: [239, 1, 2, 3].into(), port: 6000, ttl };
        assert_eq!(multicast("cam2=239.1.2.3:6000"), Ok(("cam2".into(), group(1))));
        assert_eq!(multicast("cam2=239.1.2.3:6000/0"), Ok(("cam2".into(), group(0))));
        for bad in ["239.1.2.3:6000", "a=10.0.0.1:6000", "a=239.1.2.3:6001", "a=239.1.2.3:6000/256", "a=239.1.2.3"] {
            assert!(multicast(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_and_addresses_are_read() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(time("7d"), Ok(Duration::from_secs(604_800)));
        assert!(time("0").is_err() && time("5M").is_err() && time("11y").is_err());
        assert_eq!((size("500MB"), size("500MiB")), (Ok(500 << 20), Ok(500 << 20)));
        assert!(time("-1s").is_err() && time("soon").is_err() && time("1e9h").is_err() && time("NaN").is_err());
        assert_eq!((size("1G"), size("1.5m"), size("20000")), (Ok(1 << 30), Ok(3 << 19), Ok(20_000)));
        assert_eq!(size("2T"), Ok(2 << 40));
        assert!(size("16383").is_err() && size("-1G").is_err() && size("much").is_err() && size("9e99").is_err());
        assert_eq!(address("8090").unwrap().to_string(), "127.0.0.1:8090");
        assert_eq!(address(":1").unwrap().to_string(), "127.0.0.1:1");
        assert_eq!(address("[::]:8090").unwrap().to_string(), "[::]:8090");
        assert_eq!(address("localhost:8090").unwrap().to_string(), "127.0.0.1:8090");
        assert!(address("0.0.0.0").is_err());
    }
}
