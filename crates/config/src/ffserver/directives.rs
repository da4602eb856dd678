//! The table of directives.

use std::path::PathBuf;

use super::codecs::CODECS;
use super::delivery::STREAMS;
use super::sections::{Globals, MulticastAsked, RedirectAsked, StreamAsked};
use super::values;
use crate::{Feed, Listen, LogFile, LogFormat, Multicast, Rule};

/// Where a directive may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Outside of every section.
    Global,
    /// In `<Feed>`.
    Feed,
    /// In `<Stream>`.
    Stream,
    /// In `<Redirect>`.
    Redirect,
}

impl Place {
    /// As in `belongs into <Feed NAME>`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Global => "outside of sections",
            Self::Feed => "into <Feed NAME>",
            Self::Stream => "into <Stream NAME>",
            Self::Redirect => "into <Redirect NAME>",
        }
    }
}

/// What is thought of a directive today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Read and done.
    Current,
    /// An old word for another one, which is named.
    Old(&'static str),
    /// Read, without effect, for this reason.
    NoEffect(&'static str),
    /// An error since long, for this reason.
    Gone(&'static str),
    /// Ours: ffserver does not know it.
    Ours,
}

/// One directive at one place.
pub struct Directive {
    /// Its name; letters of either case will do.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    /// What its value is, as in "expected 1 to 65535".
    pub value: &'static str,
    /// A line with it.
    pub example: &'static str,
    /// What it does, and what holds without it.
    pub doc: &'static str,
    /// What is thought of it today.
    pub standing: Standing,
    pub(super) set: Set,
}

/// How a value gets where it belongs.
pub(super) enum Set {
    Global(fn(&mut Globals, &Values<'_>) -> Result<(), String>),
    Feed(fn(&mut Feed, &Values<'_>) -> Result<(), String>),
    Stream(fn(&mut StreamAsked, &Values<'_>) -> Result<(), String>),
    Redirect(fn(&mut RedirectAsked, &Values<'_>) -> Result<(), String>),
}

/// The words behind a directive's name. Their errors say only what was expected, which
/// may be nothing: then it is the directive's own `value`.
pub(super) struct Values<'a>(pub(super) &'a [String]);

pub(super) type Told<T> = Result<T, String>;

impl Values<'_> {
    /// The first word.
    pub(super) fn text(&self) -> Told<&str> {
        self.0.first().map(String::as_str).filter(|word| !word.is_empty()).ok_or_else(String::new)
    }

    pub(super) fn owned(&self) -> Told<String> {
        self.text().map(str::to_owned)
    }

    pub(super) fn path(&self) -> Told<PathBuf> {
        self.text().map(PathBuf::from)
    }

    /// A whole number from `least` to `most`.
    pub(super) fn int<T: TryFrom<i64>>(&self, least: i64, most: i64) -> Told<T> {
        let number = values::int(self.text()?).filter(|number| (least..=most).contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(String::new)
    }

    /// A value read by `read`.
    pub(super) fn read<T>(&self, read: fn(&str) -> Option<T>) -> Told<T> {
        read(self.text()?).ok_or_else(String::new)
    }

    /// All words, as one text.
    pub(super) fn rest(&self) -> Told<String> {
        self.text()?;
        Ok(self.0.join(" "))
    }
}

pub(super) const PORT: (i64, i64) = (1, 65_535);

const fn global(
    name: &'static str,
    value: &'static str,
    example: &'static str,
    doc: &'static str,
    set: fn(&mut Globals, &Values<'_>) -> Told<()>,
) -> Directive {
    Directive { name, place: Place::Global, value, example, doc, standing: Standing::Current, set: Set::Global(set) }
}

const fn feed(
    name: &'static str,
    value: &'static str,
    example: &'static str,
    doc: &'static str,
    set: fn(&mut Feed, &Values<'_>) -> Told<()>,
) -> Directive {
    Directive { name, place: Place::Feed, value, example, doc, standing: Standing::Current, set: Set::Feed(set) }
}

pub(super) const fn stream(
    name: &'static str,
    value: &'static str,
    example: &'static str,
    doc: &'static str,
    set: fn(&mut StreamAsked, &Values<'_>) -> Told<()>,
) -> Directive {
    Directive { name, place: Place::Stream, value, example, doc, standing: Standing::Current, set: Set::Stream(set) }
}

impl Directive {
    pub(super) const fn but(self, standing: Standing) -> Self {
        Self { standing, ..self }
    }
}

pub(super) const ACL: &str =
    "allow or deny, then an address, two of them for a range, a network such as 10.0.0.0/8, or a name";

fn http_port(globals: &mut Globals, values: &Values<'_>) -> Told<()> {
    globals.http_port = Some(values.int(PORT.0, PORT.1)?);
    Ok(())
}

fn http_address(globals: &mut Globals, values: &Values<'_>) -> Told<()> {
    globals.http_host = Some(values.owned()?);
    Ok(())
}

static GLOBALS: &[Directive] = &[
    global(
        "HTTPPort",
        "a port from 1 to 65535",
        "HTTPPort 8090",
        "Serve HTTP on this port. Default: no HTTP.",
        http_port,
    ),
    global("Port", "a port from 1 to 65535", "Port 8090", "Serve HTTP on this port. Default: no HTTP.", http_port)
        .but(Standing::Old("HTTPPort")),
    global(
        "HTTPBindAddress",
        "an address or a name",
        "HTTPBindAddress 0.0.0.0",
        "Serve HTTP on this address only, IPv4 or IPv6. Default: on all.",
        http_address,
    ),
    global(
        "BindAddress",
        "an address or a name",
        "BindAddress 0.0.0.0",
        "Serve HTTP on this address only. Default: on all.",
        http_address,
    )
    .but(Standing::Old("HTTPBindAddress")),
    global(
        "RTSPPort",
        "a port from 1 to 65535",
        "RTSPPort 5554",
        "Serve RTSP on this port. Default: no RTSP.",
        |globals, values| {
            globals.rtsp_port = Some(values.int(PORT.0, PORT.1)?);
            Ok(())
        },
    ),
    global(
        "RTSPBindAddress",
        "an address or a name",
        "RTSPBindAddress 0.0.0.0",
        "Serve RTSP on this address only, IPv4 or IPv6. Default: on all.",
        |globals, values| {
            globals.rtsp_host = Some(values.owned()?);
            Ok(())
        },
    ),
    global(
        "MaxHTTPConnections",
        "a number from 1 to 65535",
        "MaxHTTPConnections 2000",
        "Most connections at a time. Default: 2000.",
        |globals, values| {
            globals.config.max_connections = values.int(1, 65_535)?;
            Ok(())
        },
    ),
    global(
        "MaxClients",
        "a number from 1 to 65535",
        "MaxClients 1000",
        "Most viewers at a time; feeders and status pages do not count. Default: 5.",
        |globals, values| {
            globals.config.max_clients = values.int(1, 65_535)?;
            Ok(())
        },
    ),
    global(
        "MaxBandwidth",
        "kbit/s from 10 to 10000000",
        "MaxBandwidth 50000",
        "Most kbit/s sent to all viewers together, counted as sent. Default: 1000.",
        |globals, values| {
            globals.config.max_bandwidth_kbit = values.int(10, 10_000_000)?;
            Ok(())
        },
    ),
    global(
        "CustomLog",
        "a file, or - for standard output",
        "CustomLog -",
        "Log each request there; SIGUSR1 opens the file anew. Default: none are logged.",
        |globals, values| {
            let file = values.text()?;
            globals.config.custom_log = Some(if file == "-" { LogFile::Stdout } else { LogFile::File(file.into()) });
            Ok(())
        },
    ),
    global(
        "CustomLogFormat",
        "ffserver or combined",
        "CustomLogFormat combined",
        "How lines of the log look: as ffserver's, or as Apache's combined form. Default: ffserver.",
        |globals, values| {
            globals.config.log_format = match values.text()?.to_ascii_lowercase().as_str() {
                "ffserver" => LogFormat::Ffserver,
                "combined" => LogFormat::Combined,
                _ => return Err(String::new()),
            };
            Ok(())
        },
    )
    .but(Standing::Ours),
    global(
        "UseDefaults",
        "nothing",
        "UseDefaults",
        "An old ffmpeg that asks how to encode for the streams below is told what is missing: 64 kbit/s, 160x128, 5 pictures a second; 22050 Hz, one channel. Default: it is.",
        |globals, _| {
            globals.use_defaults = true;
            Ok(())
        },
    ),
    global(
        "NoDefaults",
        "nothing",
        "NoDefaults",
        "What the streams below do not say is not told either.",
        |globals, _| {
            globals.use_defaults = false;
            Ok(())
        },
    ),
    global("NoDaemon", "nothing", "NoDaemon", "Stay in the foreground.", |_, _| Ok(()))
        .but(Standing::NoEffect("it never leaves the foreground")),
    global("LoadModule", "nothing any more", "LoadModule x.so", "Load a module.", |_, _| Ok(()))
        .but(Standing::Gone("loadable modules are no longer supported; remove the line")),
];

static FEEDS: &[Directive] = &[
    feed(
        "File",
        "a file",
        "File /tmp/cam2.ffm",
        "Keep what came in in this file, for time shift, over restarts too. Default: the memory holds a moment only.",
        |feed, values| {
            feed.file = Some(values.path()?);
            feed.read_only = false;
            Ok(())
        },
    ),
    feed(
        "ReadOnlyFile",
        "a file",
        "ReadOnlyFile /tmp/show.ffm",
        "Play this file again and again, as if it came in, and take no feeder; the folder of a ring is there for time shift. Never written to.",
        |feed, values| {
            feed.file = Some(values.path()?);
            feed.read_only = true;
            Ok(())
        },
    ),
    feed(
        "Truncate",
        "nothing",
        "Truncate",
        "Empty the file when a feeder comes; how much is lost is said. Default: it is kept.",
        |feed, values| {
            feed.truncate = match values.0 {
                [] => true,
                _ => values.int::<i64>(i64::MIN, i64::MAX)? != 0,
            };
            Ok(())
        },
    ),
    feed(
        "FileMaxSize",
        "a size such as 200K, 5M or 1.5G, at least 16K; 0 for no bound",
        "FileMaxSize 5M",
        "Most that the file may grow to; the oldest gives way. Plain bytes and 0, for no bound, are understood too. Default: 5M.",
        |feed, values| {
            feed.file_max_size = Some(values.read(values::file_size)?);
            Ok(())
        },
    ),
    feed(
        "Launch",
        "a program with its arguments",
        "Launch ffmpeg -i rtsp://cam/x",
        "Run this program, which feeds; the feed's URL is put behind its arguments. When it ends it is run again.",
        |feed, values| {
            values.text()?;
            feed.launch = values.0.to_vec();
            Ok(())
        },
    ),
    feed(
        "ACL",
        ACL,
        "ACL allow 127.0.0.1",
        "Who may send and read the feed; the first line that fits decides, and the opposite of the last one where none does. Default: everybody.",
        |feed, values| {
            feed.acl.rules.push(Rule::parse(values.0)?);
            Ok(())
        },
    ),
    feed(
        "Source",
        "a URL",
        "Source rtsp://10.0.0.5/stream",
        "Read this URL in place of waiting for a feeder, as long as somebody watches.",
        |feed, values| {
            feed.source = Some(values.owned()?);
            Ok(())
        },
    )
    .but(Standing::Ours),
];

static REDIRECTS: &[Directive] = &[Directive {
    name: "URL",
    place: Place::Redirect,
    value: "a URL",
    example: "URL http://www.ffmpeg.org/",
    doc: "Where the path leads.",
    standing: Standing::Current,
    set: Set::Redirect(|asked, values| {
        asked.redirect.url = values.owned()?;
        Ok(())
    }),
}];

/// All directives, by place: a name that may stand in two places has two rows.
pub static DIRECTIVES: &[&[Directive]] = &[GLOBALS, FEEDS, STREAMS, CODECS, REDIRECTS];

/// All directives.
pub(super) fn all() -> impl Iterator<Item = &'static Directive> {
    DIRECTIVES.iter().flat_map(|rows| rows.iter())
}

/// The first port of the `number`th stream that is sent to a group and names none.
pub(super) fn multicast(asked: &MulticastAsked, number: u16) -> Option<Multicast> {
    let port = asked.port.unwrap_or_else(|| 6000u16.saturating_add(number.saturating_mul(100)));
    Some(Multicast { address: asked.address?, port, ttl: asked.ttl.unwrap_or(16), repeat: !asked.no_loop })
}

/// Where to listen.
pub(super) fn listen(host: Option<String>, port: Option<u16>) -> Vec<Listen> {
    // 0.0.0.0 meant every address there was.
    let host = host.filter(|host| host != "0.0.0.0");
    port.map(|port| Listen { host, port }).into_iter().collect()
}
