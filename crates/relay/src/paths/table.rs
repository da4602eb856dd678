//! The list of names, made of a configuration.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ::config::{Acl, Config, Feed, Origin, Problem, Severity, Stream};
use media::Encoding;
use source::{State, Supervisor};
use tokio::sync::watch;

use super::access::Access;
use super::presets;
use super::resolver;
use super::served::{Served, served};
use crate::output::Format;
use crate::recordings::Said;
use crate::sources::{self, Sources};

/// Everything that has a path.
pub(crate) struct Table {
    /// As it was read.
    pub(super) config: Config,
    entries: Vec<Arc<Entry>>,
    /// Places in `entries`, by name.
    by_name: HashMap<String, Vec<usize>>,
    feeds: BTreeMap<String, Supervisor>,
}

/// Something that has a path.
pub(crate) struct Entry {
    /// Its path without the slash at the front.
    pub(crate) name: String,
    pub(crate) access: Access,
    pub(crate) what: What,
    pub(super) tally: Tally,
    /// A reload has put something else in its place, or nothing.
    gone: watch::Sender<bool>,
}

/// What happened at a path.
#[derive(Default)]
pub(super) struct Tally {
    /// Visits.
    pub(super) served: AtomicU64,
    /// Bytes sent at those that are over.
    pub(super) bytes: AtomicU64,
}

/// What a path leads to.
pub(crate) enum What {
    Feed(Supervisor),
    Stream(Box<Out>),
    /// A page about everything.
    Status(Box<Stream>),
    Redirect(String),
}

/// A stream.
pub(crate) struct Out {
    pub(crate) stream: Stream,
    /// How HTTP serves it; nothing: RTSP does.
    pub(crate) format: Option<&'static Format>,
    /// How its pictures and its sound are coded.
    pub(crate) encoding: Encoding,
    from: From,
}

enum From {
    Feed(Supervisor),
    /// A source of the configuration, by its name: it is exchanged after the table is.
    Source(String, Sources),
    /// A file, opened for each viewer, and the demuxer for it.
    File(String, Option<String>),
}

impl Out {
    /// The name of its feed or source, if it has one.
    pub(super) fn feed_name(&self) -> Option<&str> {
        match &self.from {
            From::Feed(feed) => Some(feed.name()),
            From::Source(name, _) => Some(name),
            From::File(..) => None,
        }
    }

    /// What its feed brings, as far as is known; nothing of a file.
    pub(super) fn tracks(&self) -> media::Tracks {
        self.source().map(|source| source.status().borrow().tracks.clone()).unwrap_or_default()
    }

    /// Whether there is something to see; of a file, always.
    pub(super) fn is_live(&self) -> bool {
        match (&self.from, self.source()) {
            (From::File(..), _) => true,
            (_, source) => source.is_some_and(|source| matches!(source.status().borrow().state, State::Live)),
        }
    }

    /// What all its viewers share; nothing of a file.
    fn source(&self) -> Option<Supervisor> {
        match &self.from {
            From::Feed(feed) => Some(feed.clone()),
            From::Source(name, sources) => sources.named(name),
            From::File(..) => None,
        }
    }

    /// What a viewer reads: the feed or source, or the file from its beginning. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the file cannot be one, or the source is not there, as in the midst of a reload.
    pub(crate) fn open(&self) -> Result<Supervisor, source::Error> {
        self.open_file(false)
    }

    fn open_file(&self, repeat_files: bool) -> Result<Supervisor, source::Error> {
        match &self.from {
            From::Feed(feed) => Ok(feed.clone()),
            From::Source(name, sources) => sources
                .named(name)
                .ok_or_else(|| source::Error::NotFound { status: 0, what: format!("no source is called {name}") }),
            From::File(path, demuxer) => {
                let options = source::Options {
                    repeat_files,
                    demuxer: demuxer.clone(),
                    sound_alone: true,
                    ..source::Options::default()
                };
                Supervisor::new(&self.stream.name, path, options)
            }
        }
    }

    /// What a group is sent: a file again and again, unless the section says otherwise.
    ///
    /// # Errors
    /// When the file cannot be one.
    pub(super) fn open_for_all(&self) -> Result<Supervisor, source::Error> {
        self.open_file(self.stream.multicast.as_ref().is_some_and(|to| to.repeat))
    }

    /// Whether it is there for viewers who come before there is anything to see.
    pub(crate) fn is_patient(&self) -> bool {
        match &self.from {
            From::Feed(_) => true,
            // A camera that cannot be opened is told of, as at the paths of its source.
            From::Source(..) => self.source().is_some_and(|source| source.is_pushed()),
            From::File(..) => false,
        }
    }
}

/// `acl` with the addresses of its names, which [`super::prepare`] has looked up.
fn resolved(mut acl: Acl, line: usize, problems: &mut Vec<Problem>) -> Acl {
    let unknown = acl.resolve(|name| resolver::known(name).unwrap_or_default());
    problems.extend(unknown.iter().map(|name| error(line, format!("ACL: no address is known for {name}"))));
    acl
}

fn error(line: usize, message: String) -> Problem {
    Problem { line, severity: Severity::Error, message }
}

/// A ring without a bound: more than any disk has.
const ENDLESS: u64 = 1 << 60;

/// A recording in `file`, if there is one, of `most` bytes; 0 is no bound.
pub(crate) fn record(file: Option<PathBuf>, most: Option<u64>, read_only: bool) -> Option<source::Record> {
    let bytes = match most.unwrap_or(Feed::FILE_MAX_SIZE) {
        0 => ENDLESS,
        bytes => bytes,
    };
    Some(source::Record { path: file?, bytes, read_only })
}

/// `feed`, wherever it stands and however it is recorded in files, which can be exchanged while it runs.
fn unrecorded(feed: &Feed) -> Feed {
    Feed { line: 0, record: None, record_segment: None, record_keep: None, ..feed.clone() }
}

/// How `feed` is kept.
fn options(feed: &Feed) -> Result<source::Options, String> {
    let record = record(feed.file.clone(), feed.file_max_size, feed.read_only);
    // What is recorded is recorded all the time, as with an ffmpeg that feeds it.
    let always_on = record.is_some() && !feed.read_only;
    let truncate = feed.truncate && !feed.read_only;
    let files = Said::from(feed).files()?;
    Ok(source::Options { record, always_on, truncate, files, sound_alone: true, ..source::Options::default() })
}

/// The file of a feed that plays one as if it came in, again and again. A folder is the ring of
/// another time, of which the past can be had.
fn file_to_play(feed: &Feed) -> Option<&Path> {
    feed.file.as_deref().filter(|file| feed.read_only && feed.source.is_none() && file.is_file())
}

/// What feeds `feed`.
fn supervisor(feed: &Feed) -> Result<Supervisor, Problem> {
    let wrong = |what: String| error(feed.line, format!("<Feed {}>: {what}", feed.name));
    let mut options = options(feed).map_err(wrong)?;
    let file = file_to_play(feed).and_then(Path::to_str);
    if file.is_some() {
        options.record = None;
    }
    let url = file.or(feed.source.as_deref()).unwrap_or("push:");
    Supervisor::served(&feed.name, url, options).map_err(|error| wrong(error.to_string()))
}

impl Table {
    /// The table of `config`, and what of it is made of `sources`; what is the same in `old` is taken from there.
    /// Needs a tokio runtime.
    pub(super) fn build(config: &Config, sources: &Sources, old: Option<&Self>) -> Result<Self, Vec<Problem>> {
        let config = &presets::filled(config)?;
        let mut problems = Vec::new();
        let (mut feeds, mut kept) = (BTreeMap::new(), HashSet::new());
        for feed in &config.feeds {
            let same = old.and_then(|old| {
                let known = old.config.feed(&feed.name)?;
                // Who may feed it, and which program does, is no business of what is fed.
                let own = |feed: &Feed| Feed { acl: Acl::default(), launch: Vec::new(), ..unrecorded(feed) };
                let same = own(known) == own(feed);
                same.then(|| old.feeds.get(&feed.name).cloned()).flatten()
            });
            if same.is_some() {
                kept.insert(feed.name.as_str());
            }
            match same.map_or_else(|| supervisor(feed), Ok) {
                Ok(supervisor) => _ = feeds.insert(feed.name.clone(), supervisor),
                Err(problem) => problems.push(problem),
            }
        }
        // Who watches a source by a stream goes with it when it is exchanged.
        kept.extend(config.sources.iter().map(|source| source.name.as_str()).filter(|name| {
            let said = |config: &Config| config.source(name).map(sources::unrecorded);
            old.is_some_and(|old| said(&old.config) == said(config))
        }));
        let mut entries = Vec::new();
        for feed in &config.feeds {
            let Some(supervisor) = feeds.get(&feed.name) else { continue };
            let acl = resolved(feed.acl.clone(), feed.line, &mut problems);
            let entry = || (Access::new(acl, None), What::Feed(supervisor.clone()));
            let same = old.filter(|old| {
                let known = old.config.feed(&feed.name);
                kept.contains(feed.name.as_str()) && known.is_some_and(|known| known.acl == feed.acl)
            });
            let same = same.and_then(|old| old.feed_entry(&feed.name));
            entries.push((feed.line, same.unwrap_or_else(|| Entry::of(&feed.name, entry()))));
        }
        for stream in &config.streams {
            let is_fed = match &stream.origin {
                Origin::Feed(feed) => kept.contains(feed.as_str()),
                _ => true,
            };
            let entry = match old.filter(|_| is_fed).and_then(|old| old.stream_entry(stream)) {
                Some(entry) => entry,
                None => {
                    let acl = resolved(stream.acl.clone(), stream.line, &mut problems);
                    match what(stream, config, &feeds, sources) {
                        Ok(what) => Entry::of(&stream.name, (Access::new(acl, stream.dynamic_acl.clone()), what)),
                        Err(problem) => {
                            problems.extend(problem);
                            continue;
                        }
                    }
                }
            };
            entries.push((stream.line, entry));
        }
        for redirect in &config.redirects {
            let what = What::Redirect(redirect.url.clone());
            entries.push((redirect.line, Entry::of(&redirect.name, (Access::new(Acl::default(), None), what))));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        // As they stand in the file: the first that lets somebody in is served.
        entries.sort_by_key(|(line, _)| *line);
        let entries: Vec<Arc<Entry>> = entries.into_iter().map(|(_, entry)| entry).collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, entry) in entries.iter().enumerate() {
            by_name.entry(entry.name.clone()).or_default().push(at);
        }
        Ok(Self { config: config.clone(), entries, by_name, feeds })
    }

    fn feed_entry(&self, name: &str) -> Option<Arc<Entry>> {
        self.named(name).find(|entry| matches!(entry.what, What::Feed(_))).cloned()
    }

    /// The entry of a stream that says the same, wherever it stands.
    fn stream_entry(&self, stream: &Stream) -> Option<Arc<Entry>> {
        let same = |known: &Stream| Stream { line: stream.line, ..known.clone() } == *stream;
        self.named(&stream.name)
            .find(|entry| match &entry.what {
                What::Stream(out) => same(&out.stream),
                What::Status(known) => same(known),
                _ => false,
            })
            .cloned()
    }

    /// Everything called `name`, in the order of the file.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Arc<Entry>> {
        self.by_name.get(name).into_iter().flatten().filter_map(|at| self.entries.get(*at))
    }

    /// What `address` is served at `name`.
    pub(crate) fn find(&self, name: &str, address: IpAddr) -> Option<&Arc<Entry>> {
        self.named(name).find(|entry| entry.access.allows(address))
    }

    /// Everything, in the order of the file.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.iter()
    }

    /// The path where `address` sees `feed` in the format with this extension.
    pub(crate) fn seen_at(&self, feed: &str, extension: &str, address: IpAddr) -> Option<String> {
        let shows = |entry: &&Arc<Entry>| match &entry.what {
            What::Stream(out) => {
                let is_so = out.format.is_some_and(|format| format.extension == extension);
                is_so && out.feed_name() == Some(feed) && !out.stream.no_video
            }
            _ => false,
        };
        let is_served = |entry: &&Arc<Entry>| self.find(&entry.name, address).is_some_and(|at| Arc::ptr_eq(at, entry));
        self.entries.iter().filter(shows).find(is_served).map(|entry| format!("/{}", entry.name))
    }

    /// What comes in.
    pub(crate) fn feeds(&self) -> impl Iterator<Item = &Supervisor> {
        self.feeds.values()
    }

    /// Records the feeds that `older` has, too, as is said of them now.
    pub(super) fn record_as_said(&self, older: &Self) {
        for (name, supervisor) in &self.feeds {
            let (Some(now), Some(before)) = (self.config.feed(name), older.config.feed(name)) else { continue };
            let is_said = now.record == before.record
                && now.record_segment == before.record_segment
                && now.record_keep == before.record_keep;
            let is_kept = older.feeds.get(name).is_some_and(|known| known.id() == supervisor.id());
            if is_kept && !is_said {
                crate::recordings::exchange(supervisor, &Said::from(now));
            }
        }
    }

    /// Lets go of whoever visits what `newer` does not have.
    pub(super) fn retire(&self, newer: &Self) {
        let is_kept = |entry: &Arc<Entry>| newer.named(&entry.name).any(|own| Arc::ptr_eq(own, entry));
        for entry in self.entries.iter().filter(|entry| !is_kept(entry)) {
            entry.gone.send_replace(true);
        }
        // What takes their place may record where they did.
        let goes_on = |feed: &Supervisor| newer.feeds().any(|own| own.id() == feed.id());
        self.feeds().filter(|feed| !goes_on(feed)).for_each(Supervisor::stop_recording);
    }
}

impl Entry {
    fn of(name: &str, (access, what): (Access, What)) -> Arc<Self> {
        Arc::new(Self { name: name.into(), access, what, tally: Tally::default(), gone: watch::Sender::new(false) })
    }

    /// Whether it is in no table any more.
    pub(super) fn is_gone(&self) -> bool {
        *self.gone.borrow()
    }

    /// Waits until it is in no table any more.
    pub(super) async fn gone(&self) {
        // The sender is its own, so that there is one for as long as somebody waits.
        let _ = self.gone.subscribe().wait_for(|gone| *gone).await;
    }
}

/// What `stream` leads to; a problem, or none where another one has told it.
fn what(
    stream: &Stream,
    config: &Config,
    feeds: &BTreeMap<String, Supervisor>,
    sources: &Sources,
) -> Result<What, Option<Problem>> {
    if stream.is_status() {
        return Ok(What::Status(Box::new(stream.clone())));
    }
    let Served { format, encoding, warnings } = served(stream).map_err(Some)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let from = match &stream.origin {
        Origin::Feed(name) if config.source(name).is_some() => From::Source(name.clone(), sources.clone()),
        Origin::Feed(feed) => From::Feed(feeds.get(feed).cloned().ok_or(None)?),
        Origin::File { path, input_format } => From::File(path.to_string_lossy().into_owned(), input_format.clone()),
        Origin::Nothing => return Err(None),
    };
    Ok(What::Stream(Box::new(Out { encoding, stream: stream.clone(), format, from })))
}
