//! Line by line: which section one is in, and which row of the table a line means.
//!
//! Whatever is wrong with a line, the next one is read as if it had been right: a section
//! whose bracket is missing is begun all the same, so that its lines are not mistakes too.

use std::collections::HashSet;
use std::path::PathBuf;

use super::directives::{self, Directive, Place, Set, Standing, Values};
use super::{Line, check};
use crate::problem::short;
use crate::suggest::nearest;
use crate::{At, Config, Feed, Problem, Redirect, Stream};

/// What is read outside of sections.
#[derive(Default)]
pub(super) struct Globals {
    pub(super) config: Config,
    pub(super) http_port: Option<u16>,
    pub(super) http_host: Option<String>,
    pub(super) rtsp_port: Option<u16>,
    pub(super) rtsp_host: Option<String>,
    pub(super) use_defaults: bool,
}

/// What a stream says of its group.
#[derive(Default)]
pub(super) struct MulticastAsked {
    pub(super) address: Option<std::net::IpAddr>,
    pub(super) port: Option<u16>,
    pub(super) ttl: Option<u8>,
    pub(super) no_loop: bool,
}

/// A stream whose section is being read.
pub(super) struct StreamAsked {
    pub(super) stream: Stream,
    pub(super) feed: Option<String>,
    pub(super) file: Option<PathBuf>,
    pub(super) input_format: Option<String>,
    pub(super) multicast: MulticastAsked,
    /// The line that is being read.
    pub(super) at: At,
    warnings: Vec<String>,
}

impl StreamAsked {
    fn new(name: &str, line: usize, use_defaults: bool) -> Self {
        Self {
            stream: Stream { line, use_defaults, ..Stream::new(name) },
            feed: None,
            file: None,
            input_format: None,
            multicast: MulticastAsked::default(),
            at: At(line),
            warnings: Vec::new(),
        }
    }

    /// Something about the line that is being read.
    pub(super) fn warn(&mut self, message: String) {
        self.warnings.push(message);
    }
}

/// A redirect whose section is being read.
pub(super) struct RedirectAsked {
    pub(super) redirect: Redirect,
}

enum Section {
    None,
    Feed(Feed),
    Stream(Box<StreamAsked>),
    Redirect(RedirectAsked),
}

impl Section {
    fn place(&self) -> Place {
        match self {
            Self::None => Place::Global,
            Self::Feed(_) => Place::Feed,
            Self::Stream(_) => Place::Stream,
            Self::Redirect(_) => Place::Redirect,
        }
    }

    /// The word in its brackets, and its name.
    fn tag(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::None => None,
            Self::Feed(feed) => Some(("Feed", &feed.name)),
            Self::Stream(asked) => Some(("Stream", &asked.stream.name)),
            Self::Redirect(asked) => Some(("Redirect", &asked.redirect.name)),
        }
    }
}

/// The words in brackets.
const TAGS: &[&str] = &["Feed", "Stream", "Redirect"];

fn tag(word: &str) -> Option<&'static str> {
    TAGS.iter().copied().find(|tag| tag.eq_ignore_ascii_case(word))
}

/// A file that is being read.
pub(super) struct Reading {
    globals: Globals,
    section: Section,
    problems: Vec<Problem>,
    /// Notices that were said: each is said once.
    said: HashSet<&'static str>,
    /// Lines that are outside of their section were told about already.
    is_stray_told: bool,
    /// Names of feeds so far.
    feeds: HashSet<String>,
    multicasts: u16,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            globals: Globals { use_defaults: true, ..Globals::default() },
            section: Section::None,
            problems: Vec::new(),
            said: HashSet::new(),
            is_stray_told: false,
            feeds: HashSet::new(),
            multicasts: 0,
        }
    }
}

impl Reading {
    fn error(&mut self, line: usize, message: impl Into<String>) {
        self.problems.push(Problem::error(line, message));
    }

    /// Reads the next line.
    pub(super) fn handle_line(&mut self, line: Line) {
        let Line { number, words, problem } = line;
        if let Some(problem) = problem {
            self.error(number, problem);
        }
        let first = words[0].as_str();
        if first.starts_with('<') {
            return self.bracket(number, &words.join(" "));
        }
        let bare = first.trim_end_matches('>');
        let named = tag(bare).filter(|_| words.len() > 1);
        match (bare.strip_prefix('/').and_then(tag), named) {
            (Some(end), _) => {
                self.error(number, format!("{}: the brackets are missing; write </{end}>", short(first)));
                self.end(number, end);
            }
            (None, Some(begin)) if self.lost_brackets(begin, &words[1]) => {
                let name = words[1].trim_end_matches('>');
                self.error(
                    number,
                    format!("{begin} {}: the brackets are missing; write <{begin} {}>", short(name), short(name)),
                );
                self.begin(number, begin, name);
            }
            _ => self.directive(number, first, &words[1..]),
        }
    }

    /// Whether `Feed NAME` begins a section without its brackets. `Feed` is a directive of
    /// streams too.
    fn lost_brackets(&self, begin: &str, name: &str) -> bool {
        match self.section {
            Section::None => begin != "Feed" || !self.feeds.contains(name),
            _ => begin != "Feed",
        }
    }

    /// A line that begins with `<`.
    fn bracket(&mut self, line: usize, text: &str) {
        let (inside, behind) =
            text[1..].split_once('>').map_or((&text[1..], None), |(inside, rest)| (inside, Some(rest)));
        let (is_end, inside) = match inside.trim().strip_prefix('/') {
            Some(inside) => (true, inside.trim()),
            None => (false, inside.trim()),
        };
        let (word, name) = inside.split_once(' ').unwrap_or((inside, ""));
        let name = name.trim();
        let Some(tag) = tag(word) else {
            let meant = nearest(word, TAGS.iter().copied()).map_or_else(
                || "expected <Feed NAME>, <Stream NAME> or <Redirect NAME>".to_owned(),
                |tag| format!("did you mean {tag}?"),
            );
            self.error(line, format!("unknown section {}; {meant}", short(text)));
            return;
        };
        let whole = if is_end { format!("</{tag}>") } else { format!("<{tag} {}>", short(name)) };
        match behind.map(str::trim) {
            None => self.error(line, format!("{}: the closing bracket is missing; write {whole}", short(text))),
            Some("") => {}
            Some(rest) => self.error(
                line,
                format!(
                    "{}: {} does not belong behind {whole}; write it on a line of its own",
                    short(text),
                    short(rest)
                ),
            ),
        }
        match is_end {
            true => self.end(line, tag),
            false => self.begin(line, tag, name),
        }
    }

    /// Begins a section, whatever is wrong with it.
    fn begin(&mut self, line: usize, tag: &'static str, name: &str) {
        if let Some((open, other)) = self.section.tag() {
            let message = format!(
                "<{tag} {}> begins before </{open}> ends <{open} {}>; sections do not nest",
                short(name),
                short(other)
            );
            self.error(line, message);
            self.close(line);
        }
        self.is_stray_told = false;
        // A slash at the front is no part of a name, whoever wrote it.
        let name = name.trim_matches(['"', '\'']).trim_start_matches('/');
        if name.is_empty() {
            self.error(
                line,
                format!(
                    "<{tag}>: a name is missing; expected such as <{tag} cam2.{}>",
                    if tag == "Feed" { "ffm" } else { "mjpeg" }
                ),
            );
        }
        self.section = match tag {
            "Feed" => Section::Feed(Feed { name: name.into(), line, ..Feed::default() }),
            "Stream" => Section::Stream(Box::new(StreamAsked::new(name, line, self.globals.use_defaults))),
            _ => {
                Section::Redirect(RedirectAsked { redirect: Redirect { name: name.into(), line, url: String::new() } })
            }
        };
        if tag == "Feed" {
            self.notice(line, check::FEEDS);
        }
    }

    /// The end of a section.
    fn end(&mut self, line: usize, tag: &str) {
        match self.section.tag() {
            Some((open, _)) if open == tag => self.close(line),
            Some((open, name)) => {
                let message = format!("</{tag}> where <{open} {}> is to be ended; write </{open}>", short(name));
                self.error(line, message);
                self.close(line);
            }
            None if self.is_stray_told => {}
            None => self.error(line, format!("</{tag}> ends nothing; is the line <{tag} NAME> missing above?")),
        }
        self.is_stray_told = false;
    }

    /// Puts what was read of the section where it belongs.
    fn close(&mut self, line: usize) {
        let config = &mut self.globals.config;
        match std::mem::replace(&mut self.section, Section::None) {
            Section::None => {}
            Section::Feed(feed) => {
                if !feed.name.is_empty() && !self.feeds.insert(feed.name.clone()) {
                    let first = config.feed(&feed.name).map_or(0, |first| first.line);
                    let message = format!(
                        "<Feed {}> was there already on line {first}; give one of them another name",
                        short(&feed.name)
                    );
                    self.problems.push(Problem::error(feed.line, message));
                }
                config.feeds.push(feed);
            }
            Section::Stream(asked) => {
                let group = directives::multicast(&asked.multicast, self.multicasts);
                self.multicasts = self.multicasts.saturating_add(u16::from(group.is_some()));
                let stream = check::stream(*asked, group, &mut self.problems);
                config.streams.push(stream);
            }
            Section::Redirect(asked) => {
                if asked.redirect.url.is_empty() {
                    let message = format!("<Redirect {}>: URL is missing", short(&asked.redirect.name));
                    self.problems.push(Problem::error(line, message));
                }
                config.redirects.push(asked.redirect);
            }
        }
    }

    fn directive(&mut self, line: usize, name: &str, words: &[String]) {
        let here = self.section.place();
        let rows = || directives::all().filter(|row| row.name.eq_ignore_ascii_case(name));
        let Some(row) = rows().find(|row| row.place == here) else {
            return self.misplaced(line, name, rows().next());
        };
        match row.standing {
            Standing::Old(instead) => {
                self.problems
                    .push(Problem::warning(line, format!("{} is an old word; use {instead} instead", row.name)));
            }
            Standing::NoEffect(why) => {
                self.problems.push(Problem::warning(line, format!("{} has no effect: {why}", row.name)));
            }
            Standing::Gone(why) => return self.error(line, format!("{}: {why}", row.name)),
            Standing::Current | Standing::Ours => {}
        }
        let values = Values(words);
        let set = match (&row.set, &mut self.section) {
            (Set::Global(set), Section::None) => set(&mut self.globals, &values),
            (Set::Feed(set), Section::Feed(feed)) => set(feed, &values),
            (Set::Stream(set), Section::Stream(asked)) => {
                asked.at = At(line);
                let set = set(asked, &values);
                self.problems.extend(asked.warnings.drain(..).map(|message| Problem::warning(line, message)));
                set
            }
            (Set::Redirect(set), Section::Redirect(asked)) => set(asked, &values),
            _ => Ok(()),
        };
        match set {
            Ok(()) => {
                for notice in check::notices(row, words) {
                    self.notice(line, notice);
                }
                if let Some(extra) = check::extra(row, words) {
                    self.problems.push(Problem::warning(line, format!("{}: {} is not read", row.name, short(extra))));
                }
            }
            Err(what) => {
                let said = [&[row.name.to_owned()], words].concat().join(" ");
                let message = match what.is_empty() {
                    true => format!("{}: expected {}, as in {}", short(&said), row.value, row.example),
                    // The sentence of an ACL tells what stood there.
                    false if row.name == "ACL" => what,
                    false => format!("{}: {what}", short(&said)),
                };
                self.error(line, message);
            }
        }
    }

    /// A directive that is unknown, or belongs elsewhere.
    fn misplaced(&mut self, line: usize, name: &str, elsewhere: Option<&'static Directive>) {
        let Some(row) = elsewhere else {
            let here = self.section.place();
            let near = directives::all().filter(|row| row.place == here).map(|row| row.name);
            let meant = nearest(name, near).or_else(|| nearest(name, directives::all().map(|row| row.name)));
            let meant = meant.map_or_else(
                || "the directives are listed in docs/FFSERVER.md".into(),
                |meant| format!("did you mean {meant}?"),
            );
            return self.error(line, format!("unknown directive {}; {meant}", short(name)));
        };
        match self.section.tag() {
            Some((open, section)) => {
                let message =
                    format!("{} does not belong into <{open} {}>, but {}", row.name, short(section), row.place.name());
                self.error(line, message);
            }
            // What follows up to the next section is lost in the same way.
            None if self.is_stray_told => {}
            None => {
                self.is_stray_told = true;
                let message = format!(
                    "{} belongs {}; is that line missing above? Web pages lose what is in angle brackets. What follows up to the next section is not told again",
                    row.name,
                    row.place.name()
                );
                self.error(line, message);
            }
        }
    }

    fn notice(&mut self, line: usize, notice: check::Notice) {
        if self.said.insert(notice.key) {
            self.problems.push(Problem::notice(line, notice.text));
        }
    }

    /// The end of the file, and what shows only then.
    pub(super) fn finish(mut self) -> (Config, Vec<Problem>) {
        if let Some((open, name)) = self.section.tag() {
            let line = match &self.section {
                Section::Feed(feed) => feed.line,
                Section::Stream(asked) => asked.stream.line,
                Section::Redirect(asked) => asked.redirect.line,
                Section::None => 0,
            };
            let message = format!("<{open} {}> is never ended; write </{open}> behind its last line", short(name));
            self.error(line, message);
            self.close(line);
        }
        let Globals { mut config, http_port, http_host, rtsp_port, rtsp_host, .. } = self.globals;
        config.http = directives::listen(http_host, http_port);
        config.rtsp = directives::listen(rtsp_host, rtsp_port);
        check::whole(&config, &mut self.problems);
        (config, self.problems)
    }
}
