//! The way to a picture, step by step, read off the journal of an attempt.

use std::time::Duration;

use media::{Kind, Redacted};

use super::Outcome;
use crate::journal::{Entry, Note};
use crate::location::Location;
use crate::scheme::scheme_of;
use crate::webcam::device;
use crate::{Error, Phase, State, Status, makers, onvif};

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it is called: `URL`, `name`, `connection` (of files and devices `opening`), `TLS`
    /// where there is some, `ONVIF` where a camera was asked by it, `answer`, `tracks`, `first picture`,
    /// `decoding`.
    pub name: &'static str,
    /// How it went.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Option<Duration>,
    /// What was found.
    pub what: String,
}

/// What each phase is called as a step.
const PHASES: [(Phase, &str); 5] = [
    (Phase::Resolve, "name"),
    (Phase::Connect, "connection"),
    (Phase::Tls, "TLS"),
    (Phase::Handshake, "answer"),
    (Phase::FirstFrame, "first picture"),
];

fn not_reached(name: &'static str) -> Step {
    Step { name, outcome: Outcome::NotReached, took: None, what: String::new() }
}

/// The steps of a URL that cannot be opened at all.
pub(super) fn of_bad_url(error: &Error) -> Vec<Step> {
    let url = Step { name: "URL", outcome: Outcome::Bad, took: None, what: error.what() };
    let others = ["name", "connection", "answer", "tracks", "first picture", "decoding"];
    std::iter::once(url).chain(others.map(not_reached)).collect()
}

/// The steps of an attempt, which is over after `over`. What `is_public` names no user.
pub(super) fn of(
    url: &str,
    is_public: bool,
    journal: &[Entry],
    status: &Status,
    error: Option<&Error>,
    decoded: Option<&Result<Duration, Error>>,
    over: Option<Duration>,
) -> Vec<Step> {
    let mut steps = vec![Step { name: "URL", outcome: Outcome::Good, took: None, what: understood(url, is_public) }];
    // It was taken for a file, and is none.
    if let Some(error) = error.filter(|error| error.what().contains(crate::file::NO_PROTOCOL)) {
        steps[0] = Step { name: "URL", outcome: Outcome::Bad, took: None, what: error.what() };
    }
    let began = |phase: Phase| {
        journal.iter().find(|entry| matches!(entry.note, Note::Phase(at) if at >= phase)).map(|entry| entry.at)
    };
    let reached = match status.state {
        State::Live => Phase::Streaming,
        _ => status.reached,
    };
    let is_local = scheme_of(url).is_none_or(|scheme| ["file", "v4l2", "pattern"].contains(&scheme.names[0]));
    for (at, (phase, name)) in PHASES.into_iter().enumerate() {
        let next = PHASES.get(at + 1).map_or(Phase::Streaming, |(phase, _)| *phase);
        let outcome = match () {
            () if reached > phase => Outcome::Good,
            () if reached == phase && error.is_some() => Outcome::Bad,
            () => Outcome::NotReached,
        };
        let (from, to) = (began(phase), if outcome == Outcome::Bad { over } else { began(next) });
        let is_asked = |phase: Phase| journal.iter().any(|entry| entry.note == Note::Phase(phase));
        if phase == Phase::Tls && !is_asked(Phase::Tls) {
            continue;
        }
        // A file or a device has no name to look up and nobody to ask.
        if is_local && matches!(phase, Phase::Resolve | Phase::Handshake) {
            continue;
        }
        let name = if is_local && phase == Phase::Connect { "opening" } else { name };
        if phase == Phase::FirstFrame {
            steps.push(tracks(status, reached));
        }
        let took =
            (outcome != Outcome::NotReached).then(|| from.zip(to).map(|(from, to)| to.saturating_sub(from))).flatten();
        let what = match (outcome, error) {
            (Outcome::Bad, Some(error)) => error.what(),
            (Outcome::Good, _) => facts(journal, phase, next),
            _ => String::new(),
        };
        if phase == Phase::Handshake
            && let Some(step) = asked(journal, outcome, error)
        {
            let failed = step.outcome == Outcome::Bad;
            steps.push(Step { took: took.filter(|_| failed), ..step });
            if failed {
                steps.push(not_reached(name));
                continue;
            }
        }
        steps.push(Step { name, outcome, took, what });
    }
    steps.push(match decoded {
        None => not_reached("decoding"),
        Some(Ok(took)) => Step {
            name: "decoding",
            outcome: Outcome::Good,
            took: Some(*took),
            what: "a picture was made of it".into(),
        },
        Some(Err(error)) => Step { name: "decoding", outcome: Outcome::Bad, took: None, what: error.what() },
    });
    steps
}

/// What a camera told of itself by ONVIF, where it was asked; `answer` is how the step after it
/// went, and the failure is this one's where no address came of it.
fn asked(journal: &[Entry], answer: Outcome, error: Option<&Error>) -> Option<Step> {
    let told = journal.iter().filter_map(|entry| match &entry.note {
        Note::Fact(text) => text.strip_prefix(onvif::MARK).map(str::to_owned),
        Note::Clock { ahead_s: 0 } => Some("its clock is right".into()),
        Note::Clock { ahead_s } if *ahead_s > 0 => Some(format!("its clock is {ahead_s} s ahead of ours")),
        Note::Clock { ahead_s } => Some(format!("its clock is {} s behind ours", ahead_s.unsigned_abs())),
        _ => None,
    });
    let mut told: Vec<String> = told.collect();
    // Of one that says nothing of itself the failure alone is told, and still it is ONVIF's.
    let is_onvif =
        journal.iter().any(|entry| matches!(&entry.note, Note::Sent(text) if text.contains("http://www.onvif.org")));
    if told.is_empty() && (!is_onvif || answer != Outcome::Bad) {
        return None;
    }
    let found = told.last().is_some_and(|last| last.starts_with("its stream is") || last.starts_with("snapshots"));
    let outcome = match () {
        () if found => Outcome::Good,
        () if answer == Outcome::Bad => Outcome::Bad,
        () => Outcome::NotReached,
    };
    told.extend(error.filter(|_| outcome == Outcome::Bad).map(Error::what).filter(|what| !told.contains(what)));
    Some(Step { name: "ONVIF", outcome, took: None, what: told.join("; ") })
}

fn tracks(status: &Status, reached: Phase) -> Step {
    if reached < Phase::FirstFrame {
        return not_reached("tracks");
    }
    let track = |track: &media::Track| match &track.kind {
        Kind::Video(video) if video.size.pixels() > 0 => format!("{} {}", track.codec, video.size),
        Kind::Audio(audio) => format!("{} {} Hz", track.codec, audio.sample_rate),
        _ => track.codec.to_string(),
    };
    let all: Vec<_> = status.tracks.iter().map(track).collect();
    if all.is_empty() {
        return not_reached("tracks");
    }
    let container = &status.about.container;
    Step { name: "tracks", outcome: Outcome::Good, took: None, what: format!("{container}: {}", all.join(", ")) }
}

/// The facts that were noted in a phase, and of dialogues the first lines.
fn facts(journal: &[Entry], from: Phase, to: Phase) -> String {
    let mut phase = Phase::Resolve;
    let mut facts: Vec<String> = Vec::new();
    for entry in journal {
        let text = match &entry.note {
            Note::Phase(at) => {
                phase = *at;
                continue;
            }
            Note::Sent(_) | Note::Clock { .. } => continue,
            Note::Fact(text) if text.starts_with(onvif::MARK) => continue,
            // Each request has one, and what they come to is told by facts.
            Note::Answered(text) if text.starts_with("RTSP/") => continue,
            Note::Answered(text) | Note::Fact(text) => text.lines().next().unwrap_or_default(),
        };
        if phase >= from && phase < to && !facts.iter().any(|known| known == text) && facts.len() < 4 {
            facts.push(text.into());
        }
    }
    facts.join("; ")
}

/// How a URL was understood.
fn understood(url: &str, is_public: bool) -> String {
    if let (Some(maker), Ok(Some(real))) = (makers::maker_of(url), makers::expand(url)) {
        return format!("{}: becomes {}", maker.makes, understood(&real, is_public));
    }
    let scheme = scheme_of(url).map_or("file", |scheme| scheme.names[0]);
    let Ok(location) = Location::parse(url) else {
        let what = match scheme {
            "v4l2" => format!("a webcam, {}", device(url).unwrap_or_default()),
            "file" => format!("a file, {}", crate::file::path(url).unwrap_or(url)),
            scheme => format!("{scheme}, {}", Redacted(url)),
        };
        return what;
    };
    let port = location.port.or_else(|| scheme_of(url)?.port);
    let mut parts = vec![location.scheme.clone(), format!("host {}", location.host)];
    parts.extend(port.map(|port| format!("port {port}")));
    if let Some(user) = &location.user {
        if is_public {
            parts.push("a user with a password".into());
        } else {
            let letters = location.password.as_deref().unwrap_or_default().chars().count();
            parts.push(format!("user {user} with a password of {letters} letters"));
        }
    }
    parts.push(format!("path {}", Redacted(location.target())));
    parts.join(", ")
}
