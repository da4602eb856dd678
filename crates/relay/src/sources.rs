//! The sources by name, and how they are exchanged while they are watched.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use source::Supervisor;

use crate::recordings::{self, Said};
use crate::{Problem, check_name};

/// What is said of the sources, and the sources.
#[derive(Default)]
struct Table {
    by_name: BTreeMap<String, Supervisor>,
    /// Of those of a configuration, what it says.
    said: BTreeMap<String, ::config::Source>,
}

/// All sources of a relay. Clones see the same.
#[derive(Clone)]
pub(crate) struct Sources(Arc<RwLock<Arc<Table>>>);

/// What a new configuration makes of them: each of its sources, and how it is opened.
pub(crate) struct Renewal<'a>(Vec<(&'a ::config::Source, source::Options)>);

impl Sources {
    /// Those that are given, for good.
    pub(crate) fn given(by_name: BTreeMap<String, Supervisor>) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(Table { by_name, said: BTreeMap::new() }))))
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
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(Renewal(understood)) } else { Err(problems) }
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What can never be opened, and why, all of each; and what nobody will see as it stands.
pub(crate) fn unserved(wanted: &[::config::Source]) -> Vec<Problem> {
    wanted.iter().flat_map(|source| [options(source).err().unwrap_or_default(), in_vain(source)].concat()).collect()
}

/// What a source can be opened with, but not as it stands.
fn in_vain(source: &::config::Source) -> Vec<Problem> {
    let (name, url) = (&source.name, source.url.trim());
    let message = if url.starts_with("exec:") && !source.allow_exec {
        format!("{name}: exec: runs a program only with allow_exec = true for this source; so it gives no picture")
    } else if source::is_missing_file(url) {
        format!(
            "{name}: {}: there is no such file, so viewers get an error until there is one",
            media::without_users(url)
        )
    } else {
        return Vec::new();
    };
    vec![Problem { severity: ::config::Severity::Warning, ..wrong(source, message) }]
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
            if before.said.get(name).map(unrecorded) != said.get(name).map(unrecorded) {
                tracing::info!(source = %name, "is ended: the configuration has changed");
                source.close();
            }
        }
        let mut table = Table { said, ..Table::default() };
        let mut problems = Vec::new();
        for (source, options) in self.0 {
            let kept = before.by_name.get(&source.name);
            let known = before.said.get(&source.name).filter(|known| unrecorded(known) == unrecorded(source));
            let kept = kept.filter(|_| known.is_some()).cloned();
            if let (Some(kept), Some(known)) = (&kept, known)
                && *known != plain(source)
            {
                recordings::exchange(kept, &Said::from(source));
            }
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

/// What is said but for its recording in files, which can be exchanged while it runs: where that is the
/// same, a reload leaves the source as it is.
pub(crate) fn unrecorded(source: &::config::Source) -> ::config::Source {
    ::config::Source { record: None, record_segment: None, record_keep: None, ..plain(source) }
}

/// What is wrong with a source of a configuration.
fn of_source(source: &::config::Source, error: &impl std::fmt::Display) -> Problem {
    wrong(source, format!("{}: {error}", source.name))
}

fn wrong(source: &::config::Source, message: String) -> Problem {
    Problem { line: source.line, severity: ::config::Severity::Error, message }
}

/// What came out, or nothing where that is one problem more.
fn noted<T>(result: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

/// As whom and in what words its server is asked, and whom it has to prove to be, as far as that can be meant.
fn access(source: &::config::Source, problems: &mut Vec<Problem>) -> source::Access {
    let bad = |key: &'static str| {
        move |error: source::Error| wrong(source, format!("{}: {key}: {}", source.name, error.what()))
    };
    let mut access = source::Access {
        user_agent: source.user_agent.clone(),
        redirects_inside: source.redirects_inside,
        ..source::Access::default()
    };
    for header in &source.headers {
        let (name, value) = header.split_once(':').unwrap_or((header, ""));
        noted(access.headers.add(name.trim(), value).map_err(bad("headers")), problems);
    }
    if let Some(proxy) = &source.proxy {
        access.proxy = noted(proxy.parse().map_err(bad("proxy")), problems).unwrap_or_default();
    }
    access.trust = match (&source.tls_pin, &source.tls_ca, source.insecure) {
        (Some(pin), ..) => {
            let pin = noted(pin.parse().map_err(bad("tls_pin")), problems);
            pin.map_or(source::Trust::System, source::Trust::Pin)
        }
        (_, Some(file), _) => source::Trust::File(file.clone()),
        (_, _, true) => source::Trust::Anybody,
        _ => source::Trust::System,
    };
    access
}

/// How a source of a configuration is opened.
///
/// # Errors
/// All that is wrong with it, when it can never be.
fn options(source: &::config::Source) -> Result<source::Options, Vec<Problem>> {
    let (usual, mut problems) = (source::Options::default(), Vec::new());
    let rule = source.streams.as_ref().and_then(|rule| {
        noted(rule.parse().map_err(|error| of_source(source, &format!("streams: {error}"))), &mut problems)
    });
    let options = source::Options {
        access: access(source, &mut problems),
        poll: source.poll.unwrap_or(usual.poll),
        open_timeout: source.timeout.unwrap_or(usual.open_timeout),
        gap_timeout: source.gap_timeout.unwrap_or(usual.gap_timeout),
        linger: source.linger.unwrap_or(usual.linger),
        always_on: source.always_on,
        repeat_files: !source.once,
        transport: source.transport.as_deref().and_then(source::Transport::from_name).unwrap_or_default(),
        streams: rule.unwrap_or_else(|| usual.streams.clone()),
        manners: source::Manners {
            connections: source.host_connections.map(usize::from),
            apart: source.host_rate.map_or(usual.manners.apart, |rate| Duration::from_secs(1) / u32::from(rate.max(1))),
            ..usual.manners.clone()
        },
        allow_exec: source.allow_exec,
        webcam: source.webcam.clone(),
        libav: source.ffmpeg.clone(),
        record: crate::paths::record(source.file.clone(), source.file_max_size, false),
        files: noted(Said::from(source).files().map_err(|error| of_source(source, &error)), &mut problems).flatten(),
        ptz: source.ptz.as_ref().and_then(|url| {
            let read = url.parse().map_err(|error: source::Error| of_source(source, &format!("ptz: {error}")));
            noted(read, &mut problems)
        }),
        sound_alone: true,
        ..usual
    };
    noted(check_name(&source.name).map_err(|error| wrong(source, error.to_string())), &mut problems);
    noted(Supervisor::check(&source.url, &options).map_err(|error| of_source(source, &error)), &mut problems);
    if problems.is_empty() { Ok(options) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_with_a_source_is_told_at_once() {
        let source = ::config::Source {
            name: "yard cam".into(),
            url: "htp://127.0.0.1/x".into(),
            tls_pin: Some("abc".into()),
            record: Some("x.txt".into()),
            ..Default::default()
        };
        let told: Vec<_> = unserved(&[source]).into_iter().map(|problem| problem.message).collect();
        let all = told.join("\n");
        for part in ["yard cam: tls_pin: ", "x.txt", "htp", "yard cam"] {
            assert!(all.contains(part), "{part}: {all}");
        }
        assert_eq!(told.len(), 4, "{all}");
        let source = |url: &str| ::config::Source { name: "a".into(), url: url.into(), ..Default::default() };
        let told = |url: &str| unserved(&[source(url)]).into_iter().map(|p| p.message).collect::<Vec<_>>().join("\n");
        assert!(told("exec:true").contains("allow_exec = true"));
        assert!(told("/nowhere/a.mp4").contains("there is no such file"));
        assert_eq!(told("rtsp://10.0.0.5/x"), "");
    }

    fn of(change: impl FnOnce(&mut ::config::Source)) -> Result<source::Options, String> {
        let mut said =
            ::config::Source { name: "front".into(), url: "https://10.0.0.5/a.jpg".into(), ..Default::default() };
        change(&mut said);
        options(&said).map_err(|problems| problems.into_iter().map(|problem| problem.message).collect())
    }

    #[test]
    fn what_is_said_of_a_server_reaches_its_source() {
        let pin = "6f1ed002ab5595859014ebf0951522d96f1ed002ab5595859014ebf0951522d9";
        let options = of(|said| {
            said.headers = vec!["X-Key: 1234".into(), "X-Two:2".into()];
            (said.user_agent, said.proxy) = (Some("viewer".into()), Some("none".into()));
            (said.tls_pin, said.insecure) = (Some(pin.into()), true);
            said.redirects_inside = true;
            (said.poll, said.host_rate) = (Some(Duration::from_secs(1)), Some(10));
        })
        .unwrap();
        let headers: Vec<_> = options.access.headers.iter().collect();
        assert_eq!(headers, [("X-Key", "1234"), ("X-Two", "2")]);
        assert_eq!(options.access.user_agent.as_deref(), Some("viewer"));
        assert!(matches!(options.access.trust, source::Trust::Pin(_)));
        assert!(options.access.redirects_inside && !of(|_| ()).unwrap().access.redirects_inside);
        assert_eq!((options.poll, options.manners.apart), (Duration::from_secs(1), Duration::from_millis(100)));
        assert!(matches!(of(|said| said.insecure = true).unwrap().access.trust, source::Trust::Anybody));
        assert!(matches!(of(|_| ()).unwrap().access.trust, source::Trust::System));
    }

    #[test]
    fn what_makes_no_sense_is_told_with_the_name_and_the_key() {
        for (change, part) in [
            ((|said| said.headers = vec!["Content-Length: 5".into()]) as fn(&mut ::config::Source), "front: headers: "),
            (|said| said.tls_pin = Some("abc".into()), "front: tls_pin: "),
            (|said| said.ptz = Some("rtsp://user:secret@10.0.0.5/x".into()), "front: ptz: "),
            (|said| said.proxy = Some("ftp://user:secret@x".into()), "front: proxy: "),
        ] {
            let told = of(change).unwrap_err();
            assert!(told.starts_with(part) && !told.contains("secret"), "{told}");
        }
    }
}
