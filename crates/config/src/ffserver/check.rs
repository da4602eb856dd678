//! What shows only when a section, or the file, is whole; and what is done otherwise than
//! ffserver did.

use std::collections::HashMap;

use super::directives::{Directive, Place};
use super::formats;
use super::sections::StreamAsked;
use crate::problem::short;
use crate::suggest::nearest;
use crate::{Config, Multicast, Origin, Problem, Stream};

/// Something that is done otherwise, said once a file.
#[derive(Clone, Copy)]
pub(super) struct Notice {
    pub(super) key: &'static str,
    pub(super) text: &'static str,
}

/// What holds of every feed.
pub(super) const FEEDS: Notice = Notice {
    key: "feed",
    text: "otherwise than with ffserver, viewers stay when the feeder goes, and a viewer that is too slow misses \
           pictures where it was shown them ever later",
};

/// What holds of every answer.
const HTTP: Notice = Notice {
    key: "http",
    text: "otherwise than ffserver's, answers are whole HTTP/1.1, with keep-alive and HEAD, and IPv6 is served too",
};

/// Directive, where only one place is meant that, what its words must be, the notice.
type Row = (&'static str, Option<Place>, fn(&[String]) -> bool, Notice);

static NOTICES: &[Row] = &[
    ("HTTPPort", None, any, HTTP),
    ("Port", None, any, HTTP),
    (
        "ACL",
        None,
        |words| words.len() > 2,
        Notice {
            key: "acl-range",
            text: "ranges of addresses are compared as numbers; ffserver compared them in the wrong order of bytes, and let strangers in",
        },
    ),
    (
        "DynamicACL",
        None,
        any,
        Notice {
            key: "dynamic-acl",
            text: "a DynamicACL file that is missing, cannot be read or has no rule lets nobody in; ffserver let everybody in",
        },
    ),
    (
        "Format",
        None,
        |words| is(words, "rtp"),
        Notice { key: "rtp-acl", text: "ACL holds for RTSP as well; ffserver did not look at it there" },
    ),
    (
        "Format",
        None,
        |words| is(words, "mp4") || is(words, "mov"),
        Notice { key: "mp4", text: "MP4 is sent in fragments; from ffserver it came without a byte" },
    ),
    (
        "Strict",
        None,
        |words| words.first().is_some_and(|word| word.starts_with('-')),
        Notice {
            key: "strict",
            text: "pictures keep the full range of colours; Strict -1 made ffserver's pale in browsers",
        },
    ),
    (
        "MaxBandwidth",
        None,
        any,
        Notice {
            key: "bandwidth",
            text: "bandwidth is counted as it is sent; ffserver counted what VideoBitRate says, and locked its own feeders out",
        },
    ),
    (
        "MaxClients",
        None,
        any,
        Notice {
            key: "clients",
            text: "viewers of streams are counted; ffserver counted feeders, idle connections and status pages too",
        },
    ),
    (
        "File",
        Some(Place::Feed),
        any,
        Notice { key: "ring", text: "the feed's file is kept over a restart; ffserver erased it at each start" },
    ),
    (
        "FileMaxSize",
        None,
        |words| words.first().is_some_and(|word| word.ends_with(|c: char| c.is_ascii_digit())),
        Notice {
            key: "ring-size",
            text: "a size without a letter is bytes, and 0 is no bound, as the manual says; ffserver refused both",
        },
    ),
    (
        "Launch",
        None,
        any,
        Notice {
            key: "launch",
            text: "the program is run as it is written, and again whenever it ends; ffserver ran the ffmpeg of its own folder, and never again after less than 30 seconds",
        },
    ),
    (
        "MulticastTTL",
        None,
        |words| is(words, "0"),
        Notice { key: "ttl", text: "a TTL of 0 keeps the packets on this machine; ffserver took it for 16" },
    ),
];

fn any(_: &[String]) -> bool {
    true
}

fn is(words: &[String], value: &str) -> bool {
    words.first().is_some_and(|word| word == value)
}

/// What is done otherwise about this line.
pub(super) fn notices(row: &Directive, words: &[String]) -> Vec<Notice> {
    let fits = NOTICES.iter().filter(|(name, place, needs, _)| {
        *name == row.name && place.is_none_or(|place| place == row.place) && needs(words)
    });
    fits.map(|(.., notice)| *notice).collect()
}

/// The first word that nobody reads.
pub(super) fn extra<'a>(row: &Directive, words: &'a [String]) -> Option<&'a str> {
    let read = match row.name {
        "Launch" | "Title" | "Author" | "Copyright" | "Comment" => return None,
        "ACL" => 3,
        "Metadata" | "AVOptionVideo" | "AVOptionAudio" => 2,
        "Truncate" => 1,
        _ if row.value.starts_with("nothing") => 0,
        _ => 1,
    };
    words.get(read).map(String::as_str)
}

/// A stream whose section has ended.
pub(super) fn stream(asked: StreamAsked, multicast: Option<Multicast>, problems: &mut Vec<Problem>) -> Stream {
    let StreamAsked { mut stream, feed, file, input_format, .. } = asked;
    let (line, name) = (stream.line, short(&stream.name));
    stream.multicast = multicast;
    // These are for both; what is left out has no use for them.
    if stream.no_audio {
        (stream.audio.strict, stream.audio.debug) = (None, None);
    }
    if stream.no_video {
        (stream.video.strict, stream.video.debug) = (None, None);
    }
    let mut problem = |problem| problems.push(problem);
    if stream.format.is_none() {
        stream.format = formats::guess(&stream.name).map(str::to_owned);
        if stream.format.is_none() {
            problem(Problem::error(line, format!("<Stream {name}>: Format is missing, and the name does not tell it")));
        }
    }
    match (&feed, &file) {
        (Some(_), Some(_)) => {
            problem(Problem::error(line, format!("<Stream {name}>: Feed and File; remove one of them")))
        }
        (None, None) if !stream.is_status() && stream.format.is_some() => problem(Problem::error(
            line,
            format!("<Stream {name}>: what it is made of is missing; add a line with Feed or File"),
        )),
        (_, None) if input_format.is_some() => {
            problem(Problem::warning(line, format!("<Stream {name}>: InputFormat is for File and has no effect here")));
        }
        _ => {}
    }
    if stream.no_audio && stream.no_video {
        problem(Problem::error(
            line,
            format!("<Stream {name}>: NoAudio and NoVideo leave nothing; remove one of them"),
        ));
    }
    if let Some((least, most)) = stream.video.qmin.zip(stream.video.qmax).filter(|(least, most)| least > most) {
        problem(Problem::error(
            line,
            format!("<Stream {name}>: VideoQMin {least} is above VideoQMax {most}; exchange them"),
        ));
    }
    stream.origin = match (feed, file) {
        (Some(feed), _) => Origin::Feed(feed.trim_start_matches('/').to_owned()),
        (None, Some(path)) => Origin::File { path, input_format },
        (None, None) => Origin::Nothing,
    };
    stream
}

/// What shows when everything is there.
pub(super) fn whole(config: &Config, problems: &mut Vec<Problem>) {
    if config.http.is_empty() && config.rtsp.is_empty() {
        problems.push(Problem::error(
            0,
            "neither HTTPPort nor RTSPPort is there, so nothing would be served; add a line such as HTTPPort 8090",
        ));
    }
    if config.max_clients > config.max_connections {
        let message = format!(
            "MaxClients {} is more than MaxHTTPConnections {}; raise the latter, too",
            config.max_clients, config.max_connections
        );
        problems.push(Problem::error(0, message));
    }
    for listen in config.http.iter().chain(&config.rtsp).filter(|listen| listen.port < 1024) {
        problems.push(Problem::warning(0, format!("port {} is for root, or needs CAP_NET_BIND_SERVICE", listen.port)));
    }
    let feeds: HashMap<&str, ()> = config.feeds.iter().map(|feed| (feed.name.as_str(), ())).collect();
    for stream in &config.streams {
        if let Origin::Feed(feed) = &stream.origin
            && !feeds.contains_key(feed.as_str())
        {
            let meant = nearest(feed, config.feeds.iter().map(|feed| feed.name.as_str())).map_or_else(
                || format!("write a section <Feed {}>", short(feed)),
                |meant| format!("did you mean {meant}?"),
            );
            let message = format!("<Stream {}>: there is no feed called {}; {meant}", short(&stream.name), short(feed));
            problems.push(Problem::error(stream.line, message));
        }
        let needs_rtsp = stream.format.as_deref() == Some("rtp") && stream.multicast.is_none();
        if needs_rtsp && config.rtsp.is_empty() {
            let message = format!(
                "<Stream {}>: Format rtp is served by RTSP, and RTSPPort is missing; add a line such as RTSPPort 5554",
                short(&stream.name)
            );
            problems.push(Problem::warning(stream.line, message));
        }
    }
    same_names(config, problems);
}

/// Names that stand for two things: the first that lets a viewer in is served.
fn same_names(config: &Config, problems: &mut Vec<Problem>) {
    let mut known: HashMap<&str, (&str, usize, bool)> = HashMap::new();
    let feeds = config.feeds.iter().map(|feed| ("Feed", &feed.name, feed.line, feed.acl.rules.is_empty()));
    let streams = config.streams.iter().map(|stream| {
        let open = stream.acl.rules.is_empty() && stream.dynamic_acl.is_none();
        ("Stream", &stream.name, stream.line, open)
    });
    let redirects = config.redirects.iter().map(|redirect| ("Redirect", &redirect.name, redirect.line, true));
    let mut all: Vec<_> = feeds.chain(streams).chain(redirects).filter(|(_, name, ..)| !name.is_empty()).collect();
    all.sort_by_key(|(_, _, line, _)| *line);
    for (tag, name, line, open) in all {
        match known.get(name.as_str()) {
            // Two feeds are an error already.
            Some(("Feed", ..)) if tag == "Feed" => {}
            Some((first, at, true)) => {
                let message = format!(
                    "<{tag} {0}> is never reached, since <{first} {0}> on line {at} has the same name and lets everybody in; \
                     give one of them another name",
                    short(name)
                );
                problems.push(Problem::error(line, message));
            }
            Some((first, at, false)) => {
                let message = format!(
                    "<{tag} {0}> is served to those whom <{first} {0}> on line {at} does not let in",
                    short(name)
                );
                problems.push(Problem::notice(line, message));
            }
            None => {
                known.insert(name, (tag, line, open));
            }
        }
    }
}
