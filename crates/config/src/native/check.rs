//! What shows only when everything is there.

use std::collections::HashMap;

use super::Amiss;
use crate::problem::short;
use crate::suggest::nearest;
use crate::{Config, Origin, Problem};

/// Of the keys that are `amiss` nothing is told any more: something has been already.
pub(super) fn whole(config: &Config, amiss: &Amiss, problems: &mut Vec<Problem>) {
    let is_amiss = |line: usize, key: &'static str| amiss.contains(&(line, key));
    let is_missing = |line: usize, key: &'static str, value: &str| value.is_empty() && !is_amiss(line, key);
    let of_server = |key| is_amiss(0, key);
    let mut error = |line: usize, message: String| problems.push(Problem::error(line, message));
    let is_silent = config.http.is_empty() && config.rtsp.is_empty() && config.mms.is_empty();
    if is_silent && !["http", "rtsp", "mms"].into_iter().any(of_server) {
        error(
            1,
            "http, rtsp and mms are empty, so nothing would be served; write http = [\":8090\"] below [server]".into(),
        );
    }
    for source in &config.sources {
        if is_missing(source.line, "name", &source.name) {
            error(source.line, "[[source]]: name is missing; add one, as name = \"front\"".into());
        } else if is_missing(source.line, "url", &source.url) {
            let name = short(&source.name);
            error(source.line, format!("[[source]] {name}: url is missing; add what to open, as url = \"rtsp://…\""));
        }
    }
    for feed in config.feeds.iter().filter(|feed| is_missing(feed.line, "name", &feed.name)) {
        error(feed.line, "[[feed]]: name is missing; add one, as name = \"cam2.ffm\"".into());
    }
    for redirect in &config.redirects {
        let needs = [("name", &redirect.name), ("url", &redirect.url)];
        if needs.into_iter().any(|(key, value)| is_missing(redirect.line, key, value)) {
            error(redirect.line, format!("[[redirect]] {}: name and url are both needed", short(&redirect.name)));
        }
    }
    recordings(config, &is_amiss, &mut error);
    let names_are_known = !amiss.iter().any(|(_, key)| *key == "name");
    for stream in &config.streams {
        let name = short(&stream.name);
        let mut wrong = |what: String| error(stream.line, format!("[[stream]] {name}: {what}"));
        if is_missing(stream.line, "name", &stream.name) {
            wrong("name is missing".into());
        }
        if stream.format.is_none() && !stream.name.is_empty() && !is_amiss(stream.line, "format") {
            wrong("format is missing, and the name does not tell it".into());
        }
        if stream.no_audio && stream.no_video {
            wrong("no_audio and no_video leave nothing; remove one of them".into());
        }
        if stream.multicast.as_ref().is_some_and(|group| !group.address.is_multicast())
            && !is_amiss(stream.line, "address")
        {
            wrong("address is missing below [stream.multicast]".into());
        }
        if let Some((least, most)) = stream.video.qmin.zip(stream.video.qmax).filter(|(least, most)| least > most) {
            wrong(format!("qmin {least} is above qmax {most}; exchange them"));
        }
        match &stream.origin {
            Origin::Nothing if ["feed", "file", "format"].into_iter().any(|key| is_amiss(stream.line, key)) => {}
            Origin::Nothing if !stream.is_status() => wrong("what it is made of is missing; add feed or file".into()),
            Origin::Feed(feed) if names_are_known => {
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

/// How a recording is cut and kept, where none is asked for.
fn recordings(config: &Config, is_amiss: &impl Fn(usize, &'static str) -> bool, error: &mut impl FnMut(usize, String)) {
    let sources =
        config.sources.iter().map(|s| ("[[source]]", &s.name, s.line, &s.record, s.record_segment, &s.record_keep));
    let feeds = config.feeds.iter().map(|f| ("[[feed]]", &f.name, f.line, &f.record, f.record_segment, &f.record_keep));
    for (header, name, line, record, segment, keep) in sources.chain(feeds) {
        let there = match (segment.is_some(), keep.is_some()) {
            (true, true) => "record_segment and record_keep are",
            (true, false) => "record_segment is",
            (false, true) => "record_keep is",
            (false, false) => continue,
        };
        if record.is_none() && !is_amiss(line, "record") {
            let name = short(name);
            error(
                line,
                format!(
                    "{header} {name}: {there} there without record, so nothing would be recorded; add the names of its \
                     files, as record = \"/srv/{name}-%Y%m%d-%H%M.mp4\""
                ),
            );
        }
    }
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
