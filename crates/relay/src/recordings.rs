//! What a configuration records in files: how, and that no two write into each other's.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use source::Supervisor;

use ::config::{Config, Feed, Problem, Severity, Source};

/// What a section says of its recordings.
pub(crate) struct Said<'a> {
    header: &'static str,
    name: &'a str,
    line: usize,
    record: Option<&'a str>,
    segment: Option<Duration>,
    keep: Option<&'a str>,
    /// The folder of its ring, if it writes one.
    ring: Option<PathBuf>,
}

impl<'a> From<&'a Source> for Said<'a> {
    fn from(source: &'a Source) -> Self {
        Self {
            header: "[[source]]",
            name: &source.name,
            line: source.line,
            record: source.record.as_deref(),
            segment: source.record_segment,
            keep: source.record_keep.as_deref(),
            ring: source.file.clone(),
        }
    }
}

impl<'a> From<&'a Feed> for Said<'a> {
    fn from(feed: &'a Feed) -> Self {
        Self {
            header: "[[feed]]",
            name: &feed.name,
            line: feed.line,
            record: feed.record.as_deref(),
            segment: feed.record_segment,
            keep: feed.record_keep.as_deref(),
            ring: feed.file.clone().filter(|_| !feed.read_only),
        }
    }
}

impl Said<'_> {
    /// A recording in files, where one is asked for.
    ///
    /// # Errors
    /// What is wrong with the names, or with what is to be kept.
    pub(crate) fn files(&self) -> Result<Option<source::FileOptions>, String> {
        let Some(pattern) = self.record else {
            let without = self.segment.is_some() || self.keep.is_some();
            return if without { Err("record_segment and record_keep need record".into()) } else { Ok(None) };
        };
        let names = source::Pattern::new(pattern, false).map_err(|error| format!("record: {error}"))?;
        let keep = self.keep.map(str::parse::<source::Keep>).transpose();
        let keep = keep.map_err(|error| format!("record_keep: {error}"))?.unwrap_or_default();
        if keep.has_limits() && !names.can_be_read() {
            return Err(format!(
                "record: {pattern}: such files cannot be told from others, so record_keep could remove those"
            ));
        }
        let (segment, title) = (self.segment, self.name.into());
        Ok(Some(source::FileOptions { pattern: names, segment, keep, video_only: false, title }))
    }

    fn wrong(&self, what: &str) -> Problem {
        let message = format!("{} {}: {what}", self.header, self.name);
        Problem { line: self.line, severity: Severity::Error, message }
    }
}

/// Has what `supervisor` brings recorded as is said now, which is known to be right.
pub(crate) fn exchange(supervisor: &Supervisor, said: &Said<'_>) {
    let exchanged = said.files().map_err(std::io::Error::other).and_then(|files| supervisor.record_files(files));
    match exchanged {
        Ok(()) => tracing::info!(source = %said.name, "is recorded as the configuration says now"),
        Err(error) => tracing::error!(source = %said.name, %error, "is not recorded"),
    }
}

/// Looks whether all recordings of `config` can be.
///
/// # Errors
/// Those that cannot.
pub(crate) fn check(config: &Config) -> Result<(), Vec<Problem>> {
    let problems = unserved(config);
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Recordings of `config` that cannot be, or would write into each other's files.
pub(crate) fn unserved(config: &Config) -> Vec<Problem> {
    let all: Vec<Said<'_>> = config.sources.iter().map(Said::from).chain(config.feeds.iter().map(Said::from)).collect();
    let (mut problems, mut files) = (Vec::new(), Vec::<(source::Pattern, &Said<'_>)>::new());
    let mut rings = HashMap::<PathBuf, &Said<'_>>::new();
    for said in &all {
        // What is wrong with those of a source is told with all else that is.
        let wanted = said.files().unwrap_or_else(|what| {
            problems.extend((said.header == "[[feed]]").then(|| said.wrong(&what)));
            None
        });
        if let Some(wanted) = wanted {
            if let Some((_, first)) = files.iter().find(|(pattern, _)| pattern.meets(&wanted.pattern)) {
                let names = said.record.unwrap_or_default();
                problems.push(said.wrong(&format!(
                    "record = {names:?} may name the same files as that of {} {} on line {}; give each names of its own, as \
                     with its name in them",
                    first.header, first.name, first.line
                )));
            }
            files.push((wanted.pattern, said));
        }
        let Some(ring) = said.ring.as_deref() else { continue };
        let ring = std::path::absolute(ring).unwrap_or_else(|_| ring.to_owned());
        match rings.get(&ring) {
            Some(first) => problems.push(said.wrong(&format!(
                "file = \"{}\" is the ring of {} {} on line {} already; give each a folder of its own",
                ring.display(),
                first.header,
                first.name,
                first.line
            ))),
            None => drop(rings.insert(ring, said)),
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(records: &[(&str, &str)]) -> Vec<String> {
        let source = |(at, (name, record)): (usize, &(&str, &str))| Source {
            name: (*name).into(),
            line: 10 * at + 1,
            record: Some((*record).into()),
            ..Source::default()
        };
        let sources = records.iter().enumerate().map(source).collect();
        unserved(&Config { sources, ..Config::default() }).into_iter().map(|problem| problem.to_string()).collect()
    }

    #[test]
    fn who_records_into_the_files_of_another_is_told_both_and_where_they_stand() {
        assert!(told(&[("a", "/srv/a-%H%M.mp4"), ("b", "/srv/b-%H%M.mp4")]).is_empty());
        let told = told(&[("a", "/srv/%H%M.mp4"), ("b", "/srv/b.mp4"), ("c", "/srv/./%H%M")]);
        assert_eq!(
            told,
            [
                "line 21: [[source]] c: record = \"/srv/./%H%M\" may name the same files as that of [[source]] a on line 1; \
              give each names of its own, as with its name in them"
            ]
        );
    }

    #[test]
    fn two_rings_in_one_folder_are_told() {
        let source =
            |name: &str, line| Source { name: name.into(), line, file: Some("/srv/ring".into()), ..Source::default() };
        let config = Config { sources: vec![source("a", 1), source("b", 5)], ..Config::default() };
        let told = unserved(&config);
        assert_eq!(told.len(), 1);
        assert!(told[0].message.contains("is the ring of [[source]] a on line 1 already"), "{}", told[0]);
    }
}
