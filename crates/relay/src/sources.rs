//! The sources by name, and how they are exchanged while they are watched.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use source::Supervisor;

use crate::{Problem, check_name};

/// What is said of the sources, and the sources.
#[derive(Default)]
struct Table {
    by_name: BTreeMap<String, Supervisor>,
    /// Of those of a configuration, what it says.
    said: BTreeMap<String, ::config::Source>,
}

/// All sources of a relay.
pub(crate) struct Sources(RwLock<Arc<Table>>);

/// What a new configuration makes of them: each of its sources, and how it is opened.
pub(crate) struct Renewal<'a>(Vec<(&'a ::config::Source, source::Options)>);

impl Sources {
    /// Those that are given, for good.
    pub(crate) fn given(by_name: BTreeMap<String, Supervisor>) -> Self {
        Self(RwLock::new(Arc::new(Table { by_name, said: BTreeMap::new() })))
    }

    /// Those of a configuration.
    ///
    /// # Errors
    /// Each that can never be opened.
    pub(crate) fn configured(wanted: &[::config::Source]) -> Result<Self, Vec<Problem>> {
        let sources = Self::given(BTreeMap::new());
        sources.renewal(wanted)?.apply(&sources)?;
        Ok(sources)
    }

    pub(crate) fn named(&self, name: &str) -> Option<Supervisor> {
        self.table().by_name.get(name).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Supervisor> {
        self.table().by_name.values().cloned().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table().by_name.is_empty()
    }

    /// Looks whether `wanted` can be served.
    ///
    /// # Errors
    /// Each that can never be opened.
    pub(crate) fn renewal<'a>(&self, wanted: &'a [::config::Source]) -> Result<Renewal<'a>, Vec<Problem>> {
        let (mut understood, mut problems) = (Vec::new(), Vec::new());
        for source in wanted {
            match options(source) {
                Ok(options) => understood.push((source, options)),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(Renewal(understood)) } else { Err(problems) }
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Renewal<'_> {
    /// Keeps the sources that are wanted as they are, with all who watch them, ends the others and
    /// sets up the new ones.
    ///
    /// # Errors
    /// When the system has no thread for a recording; then the source is not there.
    pub(crate) fn apply(self, sources: &Sources) -> Result<(), Vec<Problem>> {
        let before = sources.table();
        let said: BTreeMap<_, _> = self.0.iter().map(|(source, _)| (source.name.clone(), plain(source))).collect();
        for (name, source) in &before.by_name {
            if before.said.get(name) != said.get(name) {
                tracing::info!(source = %name, "is ended: the configuration has changed");
                source.close();
            }
        }
        let mut table = Table { said, ..Table::default() };
        let mut problems = Vec::new();
        for (source, options) in self.0 {
            let kept = before.by_name.get(&source.name);
            let kept = kept.filter(|_| before.said.get(&source.name) == table.said.get(&source.name)).cloned();
            let made = kept.map_or_else(|| Supervisor::served(&source.name, &source.url, options), Ok);
            match made {
                Ok(supervisor) => {
                    table.by_name.insert(source.name.clone(), supervisor);
                }
                Err(error) => {
                    table.said.remove(&source.name);
                    problems.push(of_source(source, &error));
                }
            }
        }
        *sources.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// What is said, wherever it stands.
fn plain(source: &::config::Source) -> ::config::Source {
    ::config::Source { line: 0, ..source.clone() }
}

/// What is wrong with a source of a configuration.
fn of_source(source: &::config::Source, error: &impl std::fmt::Display) -> Problem {
    wrong(source, format!("{}: {error}", source.name))
}

fn wrong(source: &::config::Source, message: String) -> Problem {
    Problem { line: source.line, severity: ::config::Severity::Error, message }
}

/// How a source of a configuration is opened.
///
/// # Errors
/// When it can never be.
fn options(source: &::config::Source) -> Result<source::Options, Problem> {
    let usual = source::Options::default();
    let streams = match &source.streams {
        Some(rule) => rule.parse().map_err(|error| wrong(source, format!("{}: streams: {error}", source.name)))?,
        None => usual.streams.clone(),
    };
    let options = source::Options {
        open_timeout: source.timeout.unwrap_or(usual.open_timeout),
        gap_timeout: source.gap_timeout.unwrap_or(usual.gap_timeout),
        linger: source.linger.unwrap_or(usual.linger),
        always_on: source.always_on,
        repeat_files: !source.once,
        transport: match source.transport.as_deref() {
            Some("tcp") => source::Transport::Tcp,
            Some("udp") => source::Transport::Udp,
            Some("http") => source::Transport::Http,
            _ => source::Transport::Auto,
        },
        streams,
        manners: source::Manners { connections: source.host_connections.map(usize::from), ..usual.manners.clone() },
        allow_exec: source.allow_exec,
        webcam: source.webcam.clone(),
        libav: source.ffmpeg.clone(),
        record: crate::paths::record(source.file.clone(), source.file_max_size, false),
        files: crate::paths::files(
            &source.name,
            source.record.as_deref(),
            source.record_segment,
            source.record_keep.as_deref(),
        )
        .map_err(|error| of_source(source, &error))?,
        sound_alone: true,
        ..usual
    };
    check_name(&source.name).map_err(|error| wrong(source, error.to_string()))?;
    Supervisor::check(&source.url, &options).map_err(|error| of_source(source, &error))?;
    Ok(options)
}
