//! Times in a query, in the forms of ffserver and a few more.

use std::time::{Duration, SystemTime};

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use source::Since;

use crate::server::{Refusal, unescape};

/// Which part of the past is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    /// From here on, and then live.
    Since(Since),
    /// A clip.
    Clip(SystemTime, SystemTime),
}

impl Start {
    /// The same place, whenever it is looked for.
    pub(super) fn fixed(self) -> Self {
        match self {
            Self::Since(Since::Ago(span)) => match SystemTime::now().checked_sub(span) {
                Some(time) => Self::Since(Since::Time(time)),
                None => Self::Since(Since::Oldest),
            },
            other => other,
        }
    }
}

/// The parameters that ask for the past.
const KNOWN: &[&str] = &["buffer", "date", "from", "to"];

/// Longest that can be asked for: a hundred years.
const MOST: f64 = 100.0 * 365.25 * 86_400.0;

/// What `query` asks for of the past, and the query without it.
///
/// # Errors
/// When one of [`KNOWN`] cannot be meant as it stands.
pub(crate) fn start(query: &str) -> Result<(Option<Start>, String), Refusal> {
    start_at(query, &Zoned::now())
}

fn start_at(query: &str, now: &Zoned) -> Result<(Option<Start>, String), Refusal> {
    let (mut since, mut from, mut to) = (None, None, None);
    let mut rest = Vec::new();
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = unescape(key)?;
        if !KNOWN.contains(&&*decoded) {
            rest.push(pair);
            continue;
        }
        let value = unescape(value)?;
        match &*decoded {
            "buffer" => since = Some(Since::Ago(span(&value)?)),
            "date" => since = Some(Since::Time(time("date", &value, now)?)),
            "from" => from = Some(time("from", &value, now)?),
            _ => to = Some(time("to", &value, now)?),
        }
    }
    let start = match (since, from, to) {
        (None, None, None) => None,
        (Some(since), None, None) => Some(Start::Since(since)),
        (None, Some(from), to) => {
            let until = to.unwrap_or_else(|| now.timestamp().into());
            if until <= from {
                return Err(Refusal::bad_request(match to {
                    Some(_) => "to: expected a time after from",
                    None => "from: expected a time that is past; a clip without to ends now",
                }));
            }
            Some(Start::Clip(from, until))
        }
        (None, None, Some(_)) => return Err(Refusal::bad_request("to: expected from as well, to cut a clip")),
        _ => return Err(Refusal::bad_request("buffer and date begin a stream, from and to cut a clip; ask for one")),
    };
    Ok((start, rest.join("&")))
}

/// Seconds, or with a unit: `30`, `2.5`, `90s`, `5m`, `1h`.
fn span(text: &str) -> Result<Duration, Refusal> {
    const UNITS: &[(&str, f64)] = &[("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)];
    let plain = |number: &str| number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let read = |(unit, factor): &(&str, f64)| {
        let number = text.strip_suffix(unit).filter(|number| plain(number))?;
        Some(number.parse::<f64>().ok()? * factor)
    };
    let seconds = UNITS.iter().find_map(read).filter(|seconds| (0.0..=MOST).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| {
        let text: String = text.chars().take(40).collect();
        Refusal::bad_request(format!("buffer={text}: expected seconds to go back, as 30 or 2.5, or 5m, 1h"))
    })
}

/// `2026-11-25T13:45:00`, local, or with `Z` or a distance from UTC behind it; or `13:45:00`,
/// today.
fn time(key: &str, text: &str, now: &Zoned) -> Result<SystemTime, Refusal> {
    read(text, now).map(SystemTime::from).ok_or_else(|| {
        let text: String = text.chars().take(40).collect();
        Refusal::bad_request(format!(
            "{key}={text}: expected a time such as 2026-11-25T13:45:00 (local), 2026-11-25T13:45:00Z or 13:45:00 (today)"
        ))
    })
}

fn read(text: &str, now: &Zoned) -> Option<Timestamp> {
    if text.len() > 40 || !text.is_ascii() {
        return None;
    }
    let zone: &TimeZone = now.time_zone();
    if let Ok(exact) = text.parse::<Timestamp>() {
        return Some(exact);
    }
    if text.len() >= 10 && text.as_bytes().get(4) == Some(&b'-') {
        let civil: DateTime = text.parse().ok()?;
        return Some(civil.to_zoned(zone.clone()).ok()?.timestamp());
    }
    let of_day = text.as_bytes().get(2) == Some(&b':') && !text.contains(['Z', 'z', '+', '-']);
    let of_day: Time = of_day.then(|| text.parse().ok()).flatten()?;
    Some(now.date().to_datetime(of_day).to_zoned(zone.clone()).ok()?.timestamp())
}

/// For the fuzzer: what a query is refused with, if it is.
///
/// # Panics
/// When a clip ends before it begins, or what is left of the query has such words all the same.
pub(crate) fn check(query: &str) -> Option<String> {
    match start(query) {
        Err(refusal) => Some(refusal.into_what()),
        Ok((begin, rest)) => {
            if let Some(Start::Clip(from, to)) = begin {
                assert!(from < to, "{query:?}");
            }
            assert!(rest.len() <= query.len() && start(&rest).is_ok_and(|(begin, _)| begin.is_none()), "{query:?}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2026-11-25T12:00:00+01:00[Europe/Berlin]".parse().unwrap()
    }

    fn start(query: &str) -> Result<(Option<Start>, String), String> {
        start_at(query, &now()).map_err(|refusal| refusal.to_http())
    }

    fn at(text: &str) -> SystemTime {
        text.parse::<Timestamp>().unwrap().into()
    }

    #[test]
    fn what_is_asked_of_the_past_is_taken_out_of_the_query() {
        assert_eq!(start("").unwrap(), (None, String::new()));
        assert_eq!(start("size=vga").unwrap(), (None, "size=vga".into()));
        let ago = |seconds: f64| Some(Start::Since(Since::Ago(Duration::from_secs_f64(seconds))));
        assert_eq!(start("x=1&buffer=5&fps=2").unwrap(), (ago(5.0), "x=1&fps=2".into()));
        assert_eq!(start("buffer=2.5").unwrap().0, ago(2.5));
        assert_eq!(start("buffer=5m").unwrap().0, ago(300.0));
        assert_eq!(start("b%75ffer=0").unwrap().0, ago(0.0));
        let clip = Start::Clip(at("2026-11-25T11:00:00Z"), at("2026-11-25T11:00:10Z"));
        assert_eq!(start("from=12:00:00&to=12:00:10").unwrap().0, Some(clip));
        let until_now = Start::Clip(at("2026-11-25T10:00:00Z"), at("2026-11-25T11:00:00Z"));
        assert_eq!(start("from=11:00:00").unwrap().0, Some(until_now));
    }

    #[test]
    fn dates_are_local_or_say_what_they_are() {
        for (text, utc) in [
            ("2026-11-25T13:45:01", "2026-11-25T12:45:01Z"),
            ("2026-11-25T13:45:01Z", "2026-11-25T13:45:01Z"),
            ("2026-11-25T13:45:01%2B02:00", "2026-11-25T11:45:01Z"),
            ("2026-11-25T13:45:01.5", "2026-11-25T12:45:01.5Z"),
            ("2026-07-01T00:00:00", "2026-06-30T22:00:00Z"),
            ("2026-11-25", "2026-11-24T23:00:00Z"),
            ("13:45:01", "2026-11-25T12:45:01Z"),
            ("00:00:00", "2026-11-24T23:00:00Z"),
        ] {
            assert_eq!(start(&format!("date={text}")).unwrap().0, Some(Start::Since(Since::Time(at(utc)))), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_in_a_sentence() {
        for (query, sentence) in [
            ("buffer=-5", "buffer=-5: expected seconds to go back"),
            ("buffer=", "buffer=: expected seconds"),
            ("buffer=soon", "buffer=soon: expected"),
            ("buffer=NaN", "buffer=NaN: expected"),
            ("buffer=1e9", "buffer=1e9: expected"),
            ("buffer=99999999999", "buffer=99999999999: expected"),
            ("date=yesterday", "date=yesterday: expected a time such as 2026-11-25T13:45:00 (local)"),
            ("date=2026-13-01T00:00:00", "date=2026-13-01T00:00:00: expected"),
            ("date=25:00:00", "date=25:00:00: expected"),
            ("date=13:45:00Z", "date=13:45:00Z: expected"),
            ("to=12:00:00", "to: expected from as well"),
            ("from=2099-01-01", "from: expected a time that is past"),
            ("from=12:00:00&to=11:00:00", "to: expected a time after from"),
            ("buffer=5&from=11:00:00", "ask for one"),
        ] {
            let refusal = start(query).unwrap_err();
            assert!(refusal.starts_with("HTTP/1.1 400 ") && refusal.contains(sentence), "{query}: {refusal}");
        }
    }
}
