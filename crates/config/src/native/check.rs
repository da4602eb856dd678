//! What shows only when everything is there.

use std::collections::HashMap;

use crate::problem::short;
use crate::suggest::nearest;
use crate::{Config, Origin, Problem};

pub(super) fn whole(config: &Config, problems: &mut Vec<Problem>) {
    let mut error = |line: usize, message: String| problems.push(Problem::error(line, message));
    if config.http.is_empty() && config.rtsp.is_empty() && config.mms.is_empty() {
        error(
            1,
            "http, rtsp and mms are empty, so nothing would be served; write http = [\":8090\"] below [server]".into(),
        );
    }
    for source in &config.sources {
        match (source.name.is_empty(), source.url.is_empty()) {
            (true, _) => error(source.line, "[[source]]: name is missing".into()),
            (_, true) => error(source.line, format!("[[source]] {}: url is missing", short(&source.name))),
            _ => {}
        }
    }
    for feed in config.feeds.iter().filter(|feed| feed.name.is_empty()) {
        error(feed.line, "[[feed]]: name is missing".into());
    }
    for redirect in &config.redirects {
        if redirect.name.is_empty() || redirect.url.is_empty() {
            error(redirect.line, format!("[[redirect]] {}: name and url are both needed", short(&redirect.name)));
        }
    }
    for stream in &config.streams {
        let name = short(&stream.name);
        let mut wrong = |what: String| error(stream.line, format!("[[stream]] {name}: {what}"));
        if stream.name.is_empty() {
            wrong("name is missing".into());
        }
        if stream.format.is_none() && !stream.name.is_empty() {
            wrong("format is missing, and the name does not tell it".into());
        }
        if stream.no_audio && stream.no_video {
            wrong("no_audio and no_video leave nothing; remove one of them".into());
        }
        if stream.multicast.as_ref().is_some_and(|group| !group.address.is_multicast()) {
            wrong("address is missing below [stream.multicast]".into());
        }
        if let Some((least, most)) = stream.video.qmin.zip(stream.video.qmax).filter(|(least, most)| least > most) {
            wrong(format!("qmin {least} is above qmax {most}; exchange them"));
        }
        match &stream.origin {
            Origin::Nothing if !stream.is_status() => wrong("what it is made of is missing; add feed or file".into()),
            Origin::Feed(feed) => {
                let names = || {
                    let sources = config.sources.iter().map(|source| source.name.as_str());
                    config.feeds.iter().map(|feed| feed.name.as_str()).chain(sources)
                };
                if !names().any(|name| name == feed) {
                    let meant = nearest(feed, names()).map_or_else(
                        || "add a [[feed]] or [[source]] of that name".into(),
                        |name| format!("did you mean {name}?"),
                    );
                    wrong(format!("there is no feed called {}; {meant}", short(feed)));
                }
            }
            _ => {}
        }
    }
    for stream in &config.streams {
        let needs_rtsp = stream.format.as_deref() == Some("rtp") && stream.multicast.is_none();
        if needs_rtsp && config.rtsp.is_empty() {
            let name = short(&stream.name);
            let message = format!(
                "[[stream]] {name}: format rtp is served by RTSP, which has no port; write rtsp = [\":8554\"] below [server]"
            );
            problems.push(Problem::warning(stream.line, message));
        }
    }
    same_names(config, problems);
}

/// Names that stand for two things. Of two streams the first that lets a viewer in is served.
fn same_names(config: &Config, problems: &mut Vec<Problem>) {
    let sources = config.sources.iter().map(|source| ("[[source]]", &source.name, source.line, true));
    let feeds = config.feeds.iter().map(|feed| ("[[feed]]", &feed.name, feed.line, true));
    let streams = config.streams.iter().map(|stream| {
        let is_open = stream.acl.rules.is_empty() && stream.dynamic_acl.is_none();
        ("[[stream]]", &stream.name, stream.line, is_open)
    });
    let redirects = config.redirects.iter().map(|redirect| ("[[redirect]]", &redirect.name, redirect.line, true));
    let mut all: Vec<_> =
        sources.chain(feeds).chain(streams).chain(redirects).filter(|(_, name, ..)| !name.is_empty()).collect();
    all.sort_by_key(|(_, _, line, _)| *line);
    let mut known: HashMap<&str, (&str, usize)> = HashMap::new();
    for (header, name, line, is_open) in all {
        if let Some((first, at)) = known.get(name.as_str()) {
            let name = short(name);
            problems.push(Problem::error(
                line,
                format!("{header} {name}: {first} on line {at} has that name; give one of them another"),
            ));
        } else if is_open {
            known.insert(name, (header, line));
        }
    }
}
