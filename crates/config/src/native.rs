//! `headwater.toml`: all that ffserver.conf can say, and what is ours besides.
//!
//! A row of [`KEYS`] is a key: its section, name, explanation and example, and the two functions
//! that read its value into a [`Config`] and write it out of one. Parser, writer, the reference
//! in docs/CONFIG.md and the JSON schema for editors are made from that one table, so what one
//! of them knows, all know. [`write()`] loses nothing: [`parse`] makes the same [`Config`] of it.

mod check;
mod coding;
mod feeds;
mod given;
mod reference;
mod schema;
mod server;
mod streams;
mod write;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::HashSet;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use crate::ffserver::Parsed;
use crate::problem::short;
use crate::suggest::nearest;
use crate::{At, Config, Feed, Problem, Redirect, Source, Stream};
use given::Given;

pub use reference::reference;
pub use schema::schema;
pub use write::write;

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// `[server]`.
    Server,
    /// `[[source]]`.
    Source,
    /// `[[feed]]`.
    Feed,
    /// `[[stream]]`.
    Stream,
    /// `[stream.video]`.
    Video,
    /// `[stream.audio]`.
    Audio,
    /// `[stream.multicast]`.
    Multicast,
    /// `[[redirect]]`.
    Redirect,
}

impl Section {
    /// All, in the order in which they are written.
    pub const ALL: [Self; 8] = [
        Self::Server,
        Self::Source,
        Self::Feed,
        Self::Stream,
        Self::Video,
        Self::Audio,
        Self::Multicast,
        Self::Redirect,
    ];

    /// As it is written in the file.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Self::Server => "[server]",
            Self::Source => "[[source]]",
            Self::Feed => "[[feed]]",
            Self::Stream => "[[stream]]",
            Self::Video => "[stream.video]",
            Self::Audio => "[stream.audio]",
            Self::Multicast => "[stream.multicast]",
            Self::Redirect => "[[redirect]]",
        }
    }

    /// The key of its table.
    fn key(self) -> &'static str {
        self.header().trim_matches(['[', ']']).rsplit('.').next().unwrap_or_default()
    }

    /// What it is for, in a sentence or two.
    #[must_use]
    pub fn doc(self) -> &'static str {
        match self {
            Self::Server => "The server as a whole; once.",
            Self::Source => {
                "A camera, file or device that is opened once and served in every format at `/NAME.mjpeg`, `/NAME.jpg`, \
                 `/NAME.ts` and so on, as `headwater serve NAME=URL` does."
            }
            Self::Feed => "Something that comes in, once, for all streams that are made of it: ffserver's `<Feed>`.",
            Self::Stream => "Something that goes out, at a path of its own: ffserver's `<Stream>`.",
            Self::Video => "How the pictures of the stream above are coded. What is absent stays as it comes.",
            Self::Audio => "How the sound of the stream above is coded. What is absent stays as it comes.",
            Self::Multicast => "The group to which the stream above is sent without being asked for.",
            Self::Redirect => "A path that leads elsewhere: ffserver's `<Redirect>`.",
        }
    }
}

/// What kind of value a key has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A text.
    Text,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// true or false.
    Switch,
    /// A whole number in this range.
    Integer(i64, i64),
    /// A number in this range, with a fraction if need be.
    Number(f64, f64),
    /// A whole number, or a text with a unit: `"5M"`.
    Amount,
    /// A list of texts.
    List,
    /// A table of texts.
    Table,
}

/// One key.
pub struct Key {
    /// Where it stands.
    pub section: Section,
    /// Its name.
    pub name: &'static str,
    /// The directive of ffserver.conf that says the same; empty: there is none.
    pub ffserver: &'static str,
    /// What kind of value it has.
    pub kind: Kind,
    /// What its value is, as in "expected 1 to 65535".
    pub value: &'static str,
    /// A line with it.
    pub example: &'static str,
    /// What it does, and what holds without it.
    pub doc: &'static str,
    access: Access,
}

/// The functions that read and write.
struct Pair<T: 'static> {
    read: fn(&mut T, &Given<'_>) -> Told<()>,
    /// Nothing: as it is without the key.
    write: fn(&T) -> Option<::toml::Value>,
}

enum Access {
    Server(Pair<Config>),
    Source(Pair<Source>),
    Feed(Pair<Feed>),
    Stream(Pair<Stream>),
    Redirect(Pair<Redirect>),
}

/// An error says what was expected; an empty one that it is the key's own `value`.
type Told<T> = Result<T, String>;

/// Rows of one section. `Access` tells what the functions work on.
macro_rules! keys {
    ($section:ident on $access:ident; $($name:literal / $ffserver:literal: $kind:expr, $value:literal, $example:literal, $doc:literal, $read:expr, $write:expr;)*) => {
        &[$($crate::native::Key {
            section: $crate::native::Section::$section,
            name: $name,
            ffserver: $ffserver,
            kind: $kind,
            value: $value,
            example: $example,
            doc: $doc,
            access: $crate::native::Access::$access($crate::native::Pair { read: $read, write: $write }),
        }),*]
    };
}
use keys;

/// All keys, by section.
pub static KEYS: &[&[Key]] = &[
    server::KEYS,
    feeds::SOURCE,
    feeds::FEED,
    streams::STREAM,
    coding::VIDEO,
    coding::AUDIO,
    streams::MULTICAST,
    streams::REDIRECT,
];

fn keys_of(section: Section) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().flat_map(|rows| rows.iter()).filter(move |key| key.section == section)
}

/// What holds where a file says nothing: room for a crowd, on this machine only.
#[must_use]
pub fn defaults() -> Config {
    Config {
        http: vec![crate::Listen { host: Some("127.0.0.1".into()), port: 8090 }],
        max_clients: 16_000,
        max_connections: 16_000,
        max_bandwidth_kbit: u64::MAX,
        ..Config::default()
    }
}

/// Reads the text of a headwater.toml.
///
/// Everything that is wrong is told at once, with its line.
#[must_use]
pub fn parse(text: &str) -> Parsed {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut reading =
        Reading { lines: Lines::of(text), problems: Vec::new(), amiss: HashSet::new(), config: defaults() };
    if let Some(problem) = not_toml(text, &errors, &reading.lines) {
        return Parsed { config: defaults(), problems: vec![problem] };
    }
    reading.root(root.get_ref());
    let Reading { config, mut problems, amiss, .. } = reading;
    check::whole(&config, &amiss, &mut problems);
    problems.sort_by_key(|problem| problem.line);
    Parsed { config, problems }
}

/// Where `text` stops to be TOML, if it does. What is said of the lines behind that place is not to be
/// believed: a bracket or quote that is not closed makes nonsense of all that follows.
fn not_toml(text: &str, errors: &[::toml::de::Error], lines: &Lines) -> Option<Problem> {
    let start = |error: &&::toml::de::Error| error.span().map_or(0, |span| span.start);
    let first = errors.iter().min_by_key(start)?;
    let said = |error: &::toml::de::Error| error.message().replace('\n', ", ");
    // What is open is noticed at the end of the file, or where the next section makes no sense in it.
    match errors.iter().find(|error| error.message().starts_with("unclosed array")) {
        Some(open) => {
            let before = text.get(..start(&first)).unwrap_or_default().trim_end();
            Some(Problem::error(lines.at(before.len().saturating_sub(1)), said(open)))
        }
        // A word without quotes is taken for what begins with its letter: true, false, inf or nan.
        None if ["invalid boolean", "invalid float"].iter().any(|kind| first.message().starts_with(kind)) => {
            let what = "a text stands in quotes, as in name = \"front\"";
            Some(Problem::error(lines.at(start(&first)), format!("{} ({what})", said(first))))
        }
        None => Some(Problem::error(lines.at(start(&first)), said(first))),
    }
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(ends).collect())
    }

    /// The number of the line that byte `at` is in, from 1.
    fn at(&self, at: usize) -> usize {
        self.0.partition_point(|begin| *begin <= at)
    }
}

struct Reading {
    lines: Lines,
    problems: Vec<Problem>,
    /// Keys that are there, by the line of their section, and say nothing: misspelt, or with a value that
    /// is none. That they are missing is not told as well.
    amiss: Amiss,
    config: Config,
}

type Amiss = HashSet<(usize, &'static str)>;

impl Reading {
    fn error(&mut self, at: usize, message: impl Into<String>) {
        let line = self.lines.at(at);
        self.problems.push(Problem::error(line, message));
    }

    fn root(&mut self, root: &DeTable<'_>) {
        const TOP: [Section; 5] = [Section::Server, Section::Source, Section::Feed, Section::Stream, Section::Redirect];
        for (key, value) in in_order(root) {
            let name = key.get_ref();
            match TOP.into_iter().find(|section| section.key() == name) {
                Some(Section::Server) => match value.get_ref() {
                    DeValue::Table(table) => {
                        let mut config = std::mem::take(&mut self.config);
                        self.table((Section::Server, 0), table, |access, given| match access {
                            Access::Server(pair) => (pair.read)(&mut config, given),
                            _ => Ok(()),
                        });
                        self.config = config;
                    }
                    _ => self.error(value.span().start, "server: expected a table; write [server] above its keys"),
                },
                Some(section) => self.array(section, value),
                None => {
                    let meant = nearest(name, TOP.iter().map(|section| section.key()));
                    let meant = meant.map_or_else(
                        || "expected [server], [[source]], [[feed]], [[stream]] or [[redirect]]".into(),
                        |meant| format!("did you mean {meant}?"),
                    );
                    let text = format!("unknown section or key {}; {meant}", short(name));
                    self.error(key.span().start, text);
                }
            }
        }
    }

    /// `[[feed]]` and its like.
    fn array(&mut self, section: Section, value: &Spanned<DeValue<'_>>) {
        let header = section.header();
        let DeValue::Array(items) = value.get_ref() else {
            let text = format!("{}: expected a list of tables; write {header} above each", section.key());
            return self.error(value.span().start, text);
        };
        for item in items {
            let line = self.lines.at(item.span().start);
            match item.get_ref() {
                DeValue::Table(table) => self.item(section, line, table),
                _ => self.error(item.span().start, format!("expected a table; write {header} above its keys")),
            }
        }
    }

    fn item(&mut self, section: Section, line: usize, table: &DeTable<'_>) {
        match section {
            Section::Source => {
                let mut source = Source { line, ..Source::default() };
                self.table((section, line), table, |access, given| match access {
                    Access::Source(pair) => (pair.read)(&mut source, given),
                    _ => Ok(()),
                });
                self.config.sources.push(source);
            }
            Section::Feed => {
                let mut feed = Feed { line, ..Feed::default() };
                self.table((section, line), table, |access, given| match access {
                    Access::Feed(pair) => (pair.read)(&mut feed, given),
                    _ => Ok(()),
                });
                self.config.feeds.push(feed);
            }
            Section::Redirect => {
                let mut redirect = Redirect { line, ..Redirect::default() };
                self.table((section, line), table, |access, given| match access {
                    Access::Redirect(pair) => (pair.read)(&mut redirect, given),
                    _ => Ok(()),
                });
                self.config.redirects.push(redirect);
            }
            _ => {
                let mut stream = Stream { line, ..Stream::new("") };
                self.stream(Section::Stream, table, &mut stream);
                if stream.format.is_none() {
                    stream.format = crate::ffserver::guess_format(&stream.name).map(str::to_owned);
                }
                self.config.streams.push(stream);
            }
        }
    }

    /// A stream, or a table within it.
    fn stream(&mut self, section: Section, table: &DeTable<'_>, stream: &mut Stream) {
        const WITHIN: [Section; 3] = [Section::Video, Section::Audio, Section::Multicast];
        self.table((section, stream.line), table, |access, given| match access {
            Access::Stream(pair) => (pair.read)(stream, given),
            _ => Ok(()),
        });
        if section != Section::Stream {
            return;
        }
        for within in WITHIN {
            let Some(value) = table.get(within.key()) else { continue };
            match value.get_ref() {
                DeValue::Table(table) => self.stream(within, table, stream),
                _ => {
                    let text = format!("{}: expected a table; write {} above its keys", within.key(), within.header());
                    self.error(value.span().start, text);
                }
            }
        }
    }

    /// The keys of one table, in the order of the rows; `within` are its section, and the line of the item
    /// that it is of.
    fn table(
        &mut self,
        within: (Section, usize),
        table: &DeTable<'_>,
        mut read: impl FnMut(&Access, &Given<'_>) -> Told<()>,
    ) {
        let (section, line) = within;
        for key in keys_of(section) {
            let Some(value) = table.get(key.name) else { continue };
            let at = At(self.lines.at(value.span().start));
            let given = Given { value, at, key, wrong_at: Cell::new(None) };
            if let Err(what) = read(&key.access, &given) {
                self.amiss.insert((line, key.name));
                let said = given::said(value.get_ref());
                let message = match what.is_empty() {
                    true => format!("{} = {said}: expected {}, as in {}", key.name, key.value, key.example),
                    false => format!("{}: {what}", key.name),
                };
                self.error(given.wrong_at.get().unwrap_or(value.span().start), message);
            }
        }
        let is_table = |name: &str| {
            section == Section::Stream
                && [Section::Video, Section::Audio, Section::Multicast].iter().any(|s| s.key() == name)
        };
        for (name, _) in in_order(table) {
            let known = name.get_ref().as_ref();
            if keys_of(section).any(|key| key.name == known) || is_table(known) {
                continue;
            }
            let meant = nearest(known, keys_of(section).map(|key| key.name));
            self.amiss.extend(meant.map(|meant| (line, meant)));
            let elsewhere = || KEYS.iter().flat_map(|rows| rows.iter()).find(|key| key.name == known);
            let meant = match (meant, elsewhere()) {
                (_, Some(key)) => format!("it belongs into {}", key.section.header()),
                (Some(meant), None) => format!("did you mean {meant}?"),
                (None, None) => "the keys are listed in docs/CONFIG.md".into(),
            };
            let text = format!("unknown key {} in {}; {meant}", short(known), section.header());
            self.error(name.span().start, text);
        }
    }
}

/// The entries of a table as they stand in the file.
fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Spanned<std::borrow::Cow<'i, str>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}
