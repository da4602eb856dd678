//! A [`Report`] for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::Report;
use crate::journal::Note;

impl Report {
    /// All of it as JSON; docs/API.md and docs/DOCTOR.md say what it means.
    #[must_use]
    pub fn json(&self) -> Value {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let steps = self.steps.iter().map(|step| {
            json!({ "name": step.name, "outcome": step.outcome.name(), "took_ms": step.took.map(ms), "what": step.what })
        });
        let verdicts = self.verdicts.iter().map(|verdict| {
            json!({
                "code": verdict.code,
                "outcome": verdict.outcome.name(),
                "sentence": verdict.sentence,
                "advice": verdict.advice,
            })
        });
        let health = self.health.as_ref().map(|health| {
            json!({
                "watched_s": health.watched.as_secs_f64(),
                "pictures": health.pictures,
                "fps": health.fps,
                "fps_declared": health.fps_declared,
                "keyframe_interval_s": health.keyframe_interval.map(|interval| interval.as_secs_f64()),
                "bit_rate": health.bit_rate,
                "damaged": health.damaged,
                "gaps": health.gaps,
                "jitter_ms": ms(health.jitter),
                "longest_gap_ms": ms(health.longest_gap),
                "keyframes": health.keyframes,
                "repeated": health.repeated,
                "unchanged": health.unchanged,
                "clock_ahead_s": health.clock_ahead_s,
            })
        });
        let journal = self.journal.iter().map(|entry| {
            let (kind, text) = match &entry.note {
                Note::Phase(phase) => ("phase", phase.to_string()),
                Note::Fact(text) => ("fact", text.clone()),
                Note::Clock { ahead_s } => ("clock_ahead_s", ahead_s.to_string()),
                Note::Sent(text) => ("sent", text.clone()),
                Note::Answered(text) => ("answered", text.clone()),
            };
            json!({ "at_ms": ms(entry.at), kind: text })
        });
        json!({
            "url": self.url,
            "outcome": self.outcome().name(),
            "steps": steps.collect::<Vec<_>>(),
            "verdicts": verdicts.collect::<Vec<_>>(),
            "health": health,
            "protocol": self.about.protocol,
            "container": self.about.container,
            "server": self.about.server,
            "journal": journal.collect::<Vec<_>>(),
        })
    }
}
