//! What the window says in words: its title, its messages, its facts.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::{Info, State};

/// The state in a few words: `live 25 fps`, `no signal since 12:03:04: refused`.
/// Times of day are those of `zone`.
pub(crate) fn state(info: &Info, zone: &TimeZone) -> String {
    let with_reason = |state: String| match &info.error {
        Some(error) => format!("{state}: {error}"),
        None => state,
    };
    match info.state {
        State::Connecting => "connecting…".into(),
        State::Live if info.fps > 0.0 => format!("live {} fps", rate(info.fps)),
        State::Live => "live".into(),
        State::NoSignal { since } => with_reason(format!("no signal since {}", time_of_day(since, zone))),
        State::Ended => with_reason("ended".into()),
    }
}

/// The facts, a line each. Left out are those that are not known.
pub(crate) fn facts(info: &Info) -> String {
    let mut lines = vec![("source", info.source.clone())];
    lines.extend(info.title.clone().map(|title| ("title", title)));
    if !info.codec.is_empty() {
        lines.push(("codec", info.codec.clone()));
    }
    if info.size.width > 0 {
        lines.push(("size", info.size.to_string()));
    }
    if info.fps > 0.0 {
        lines.push(("rate", format!("{:.1} fps", info.fps)));
    }
    lines.extend(info.delay.map(|delay| ("delay", delay_text(delay))));
    lines.push(("dropped", info.dropped.to_string()));
    let lines: Vec<_> = lines.iter().map(|(name, value)| format!("{name:<8}{value}")).collect();
    lines.join("\n")
}

/// Whole pictures a second, but for slow sources.
fn rate(fps: f64) -> String {
    if fps < 9.95 { format!("{fps:.1}") } else { format!("{fps:.0}") }
}

fn delay_text(delay: Duration) -> String {
    if delay < Duration::from_secs(10) {
        format!("{} ms", delay.as_millis())
    } else {
        format!("{:.1} s", delay.as_secs_f64())
    }
}

fn time_of_day(at: SystemTime, zone: &TimeZone) -> String {
    let at = Timestamp::try_from(at).unwrap_or_default();
    at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use media::Size;

    use super::*;

    fn said(info: &Info) -> String {
        state(info, &TimeZone::UTC)
    }

    #[test]
    fn the_state_reads_like_a_sentence() {
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(12 * 3600 + 3 * 60 + 4);
        let info = Info::default();
        assert_eq!(said(&info), "connecting…");
        let live = Info { state: State::Live, fps: 24.96, ..info.clone() };
        assert_eq!(said(&live), "live 25 fps");
        assert_eq!(said(&Info { fps: 0.5, ..live.clone() }), "live 0.5 fps");
        assert_eq!(said(&Info { fps: 0.0, ..live }), "live");
        let lost = Info { state: State::NoSignal { since }, ..info.clone() };
        assert_eq!(said(&lost), "no signal since 12:03:04");
        let error = Some("connection refused".into());
        assert_eq!(said(&Info { error: error.clone(), ..lost }), "no signal since 12:03:04: connection refused");
        assert_eq!(said(&Info { error, ..info }), "connecting…");
    }

    #[test]
    fn only_known_facts_are_told() {
        let info = Info { source: "pattern:".into(), ..Info::default() };
        assert_eq!(facts(&info), "source  pattern:\ndropped 0");
        let info = Info {
            codec: "mjpeg".into(),
            size: Size::new(640, 480),
            fps: 25.04,
            delay: Some(Duration::from_micros(81_500)),
            dropped: 3,
            ..info
        };
        let expected = "source  pattern:\ncodec   mjpeg\nsize    640x480\nrate    25.0 fps\ndelay   81 ms\ndropped 3";
        assert_eq!(facts(&info), expected);
    }
}
