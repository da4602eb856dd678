//! `/health`: which of a thousand cameras need somebody, the worst first.
//!
//! All of it is told from packets as they pass ([`source::Vitals`]); nothing is decoded, and the
//! rows are sorted here, so that the page needs no script to be of use.

use std::cmp::Ordering;

use crate::Snapshot;
use crate::head::{head, labels, span};
use crate::server::{Refusal, escape};
use crate::status::{HealthStatus, SourceStatus, size};

/// Silence of a live source that is told, in ms.
const SILENT_MS: u64 = 5000;
/// The part of the declared pictures a second that is too little.
const SLOW: f64 = 0.5;
/// The longest keyframe interval without a remark, in seconds.
const RARE_KEYFRAMES_S: f64 = 10.0;
/// The part of damaged or missing pictures without a remark.
const LOSS: f64 = 0.001;
/// The greatest jitter without a remark, in ms.
const UNEVEN_MS: f64 = 200.0;
/// Losses of a day from which on they are told.
const OFTEN: usize = 10;
/// How far off a camera's clock may be without a remark, in seconds.
const CLOCK_S: f64 = 10.0;
/// How the troubles of a source begin that has no pictures, or whose recording fails. Our page
/// looks for the second.
const DOWN: &str = "no pictures";
const UNRECORDED: &str = "not recorded";

/// What is wrong with a source, the worst first.
pub(crate) fn trouble(source: &SourceStatus) -> Vec<String> {
    let health = &source.health;
    let mut all = Vec::new();
    let mut say = |is: bool, text: &dyn Fn() -> String| {
        if is {
            all.push(text());
        }
    };
    let is_live = source.state == "live";
    let failed = source.error.as_deref().filter(|_| matches!(source.state, "waiting" | "opening" | "ended" | "unfed"));
    say(failed.is_some(), &|| format!("{DOWN}: {}", failed.unwrap_or_default()));
    // Nobody watches, so nobody tries: what the last attempt came to holds until one succeeds.
    let idle = source.error.as_deref().filter(|_| source.state == "idle");
    let as_of = || source.failed.map(|failed| format!(" (as of {})", of_day(failed))).unwrap_or_default();
    say(idle.is_some(), &|| format!("{DOWN}: {}{}", idle.unwrap_or_default(), as_of()));
    // Whoever looks for the recording later must not be the first to learn.
    let unwritten = source.files.as_ref().and_then(|files| files.error.as_deref());
    say(unwritten.is_some(), &|| format!("{UNRECORDED}: {}", unwritten.unwrap_or_default()));
    let ring = source.recording.as_ref().filter(|ring| !ring.read_only).and_then(|ring| ring.error.as_deref());
    say(ring.is_some(), &|| format!("{UNRECORDED} for the past: {}", ring.unwrap_or_default()));
    if !is_live {
        return all;
    }
    let age = source.age_ms.unwrap_or_default();
    // One that is asked for single pictures and answers is not silent.
    say(age >= SILENT_MS && health.unchanged == 0, &|| format!("silent for {} s", age / 1000));
    say(health.frozen_s.is_some(), &|| format!("frozen for {:.0} s", health.frozen_s.unwrap_or_default()));
    // A file that begins anew jumps, and nothing is amiss.
    let part = if source.protocol == "file" { 0.0 } else { health.loss };
    say(part > LOSS, &|| format!("{:.1} % of its pictures damaged or missing", part * 100.0));
    let declared = source.fps_declared.unwrap_or_default();
    say(source.fps > 0.0 && source.fps < declared * SLOW, &|| {
        format!("{:.1} pictures a second where it declares {declared:.0}", source.fps)
    });
    say(health.held_back.is_some(), &|| health.held_back.clone().unwrap_or_default());
    let interval = health.keyframe_interval_s.unwrap_or_default();
    say(interval > RARE_KEYFRAMES_S, &|| format!("a keyframe every {interval:.0} s only"));
    say(health.jitter_ms > UNEVEN_MS, &|| format!("uneven, {:.0} ms of jitter", health.jitter_ms));
    say(health.lost_a_day >= OFTEN, &|| format!("lost {} times in a day", health.lost_a_day));
    let clock = health.clock_ahead_s.unwrap_or_default();
    say(clock.abs() > CLOCK_S, &|| {
        format!("its clock is {:.0} s {}", clock.abs(), if clock > 0.0 { "ahead" } else { "behind" })
    });
    all
}

/// A time in seconds since 1970 as people read it: `2026-11-26 13:05 UTC`.
fn of_day(seconds: f64) -> String {
    jiff::Timestamp::from_second(seconds as i64).unwrap_or_default().strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A column: its word in a query, its head, what a cell shows and what it is sorted by.
struct Column {
    name: &'static str,
    head: &'static str,
    /// With the time of the snapshot, in seconds since 1970.
    cell: fn(&SourceStatus, f64) -> String,
    key: fn(&SourceStatus) -> Key,
}

/// What rows are sorted by.
#[derive(PartialEq)]
enum Key {
    Text(String),
    /// Of numbers the greatest come first.
    Number(f64),
}

impl Key {
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(one), Self::Text(two)) => by_numbers(one, two),
            (Self::Number(one), Self::Number(two)) => two.total_cmp(one),
            (Self::Text(_), Self::Number(_)) => Ordering::Less,
            (Self::Number(_), Self::Text(_)) => Ordering::Greater,
        }
    }
}

/// Names in the order of the numbers in them: `cam2` before `cam10`.
pub(crate) fn by_numbers(one: &str, two: &str) -> Ordering {
    let (mut one, mut two) = (one, two);
    loop {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let number = |text: &str, end: usize| text[..end].trim_start_matches('0').to_owned();
        let order = match (digits(one), digits(two)) {
            (0, _) | (_, 0) => match (one.chars().next(), two.chars().next()) {
                (Some(a), Some(b)) if a == b => {
                    (one, two) = (&one[a.len_utf8()..], &two[b.len_utf8()..]);
                    continue;
                }
                (a, b) => return a.cmp(&b),
            },
            (a, b) => {
                let (x, y) = (number(one, a), number(two, b));
                (one, two) = (&one[a..], &two[b..]);
                x.len().cmp(&y.len()).then_with(|| x.cmp(&y))
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// A number that may not be known.
fn some(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map(show).unwrap_or_default()
}

/// A number of bad things: where there are none, nothing draws the eye.
fn count(value: u64) -> String {
    if value == 0 { String::new() } else { value.to_string() }
}

/// Packets that did not come, of those that were due: `3 of 12000`.
fn lost(health: &HealthStatus) -> String {
    match health.packets_lost {
        0 => String::new(),
        lost => format!("{lost} of {}", health.packets_expected),
    }
}

/// How much a source needs somebody.
fn need(source: &SourceStatus) -> f64 {
    let health = &source.health;
    let begins = |with: &str| health.trouble.iter().any(|trouble| trouble.starts_with(with));
    let weight = |is: bool, weight: f64| if is { weight } else { 0.0 };
    weight(begins(DOWN), 1000.0)
        + weight(begins(UNRECORDED), 200.0)
        + weight(health.frozen_s.is_some(), 100.0)
        + health.trouble.len() as f64
}

static COLUMNS: &[Column] = &[
    Column { name: "name", head: "name", cell: |s, _| s.name.clone(), key: |s| Key::Text(s.name.clone()) },
    Column { name: "state", head: "state", cell: |s, _| s.shown.into(), key: |s| Key::Text(s.shown.into()) },
    Column {
        name: "trouble",
        head: "trouble",
        cell: |s, _| s.health.trouble.join("; "),
        key: |s| Key::Number(need(s)),
    },
    // When it came into its state, told as how long ago that is: the longest come first.
    Column { name: "since", head: "for", cell: |s, now| span(now - s.since), key: |s| Key::Number(-s.since) },
    Column {
        name: "fps",
        head: "fps",
        cell: |s, _| if s.state == "live" && s.fps > 0.0 { format!("{:.1}", s.fps) } else { String::new() },
        key: |s| Key::Number(s.fps),
    },
    Column {
        name: "rate",
        head: "kbit/s",
        cell: |s, _| if s.state == "live" { format!("{:.0}", s.health.kbit_s) } else { String::new() },
        key: |s| Key::Number(s.health.kbit_s),
    },
    Column {
        name: "keyframes",
        head: "keyframes every",
        cell: |s, _| some(s.health.keyframe_interval_s, |interval| format!("{interval:.2} s")),
        key: |s| Key::Number(s.health.keyframe_interval_s.unwrap_or(-1.0)),
    },
    Column { name: "damaged", head: "damaged", cell: |s, _| count(s.corrupt), key: |s| Key::Number(s.corrupt as f64) },
    Column {
        name: "gaps",
        head: "gaps",
        cell: |s, _| count(s.health.gaps),
        key: |s| Key::Number(s.health.gaps as f64),
    },
    Column {
        name: "lost",
        head: "packets lost",
        cell: |s, _| lost(&s.health),
        key: |s| Key::Number(s.health.packets_lost as f64),
    },
    Column {
        name: "jitter",
        head: "jitter",
        cell: |s, _| if s.state == "live" { format!("{:.0} ms", s.health.jitter_ms) } else { String::new() },
        key: |s| Key::Number(s.health.jitter_ms),
    },
    Column {
        name: "losses",
        head: "lost in a day",
        cell: |s, _| count(s.health.lost_a_day as u64),
        key: |s| Key::Number(s.health.lost_a_day as f64),
    },
    Column {
        name: "clock",
        head: "clock",
        cell: |s, _| {
            some(
                s.health.clock_ahead_s,
                |ahead| if ahead.abs() < 0.05 { "0 s".into() } else { format!("{ahead:+.1} s") },
            )
        },
        key: |s| Key::Number(s.health.clock_ahead_s.map_or(-1.0, f64::abs)),
    },
    Column { name: "received", head: "received", cell: |s, _| size(s.bytes), key: |s| Key::Number(s.bytes as f64) },
];

/// What is asked for.
struct Wish {
    sort: &'static Column,
    reversed: bool,
    only_trouble: bool,
}

impl Wish {
    fn parse(query: &str) -> Result<Self, Refusal> {
        let column = |name: &str| COLUMNS.iter().find(|column| column.name == name);
        let names = || COLUMNS.iter().map(|column| column.name).collect::<Vec<_>>().join(", ");
        let refuse = |what: String| Err(Refusal::bad_request(what));
        let mut wish = Self { sort: &COLUMNS[2], reversed: false, only_trouble: false };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("sort", name) => {
                    let plain = name.strip_prefix('-').unwrap_or(name);
                    let Some(found) = column(plain) else {
                        return refuse(format!(
                            "sort={plain}: expected one of {}, with - in front the other way",
                            names()
                        ));
                    };
                    (wish.sort, wish.reversed) = (found, plain != name);
                }
                ("only", "trouble") => wish.only_trouble = true,
                ("only", other) => return refuse(format!("only={other}: expected trouble")),
                (name, _) => return refuse(format!("{name}: unknown parameter; there are sort and only")),
            }
        }
        Ok(wish)
    }

    fn link(&self, column: &Column) -> String {
        let again = column.name == self.sort.name && !self.reversed;
        let only = if self.only_trouble { "&amp;only=trouble" } else { "" };
        format!("/health?sort={}{}{only}", if again { "-" } else { "" }, column.name)
    }
}

/// The page.
///
/// # Errors
/// When the query asks for what is not there.
pub(crate) fn page(snapshot: &Snapshot, query: &str) -> Result<String, Refusal> {
    let wish = Wish::parse(query)?;
    let mut rows: Vec<_> = snapshot.sources.iter().collect();
    let troubled = rows.iter().filter(|source| !source.health.trouble.is_empty()).count();
    rows.retain(|source| !wish.only_trouble || !source.health.trouble.is_empty());
    rows.sort_by(|one, two| {
        let order = (wish.sort.key)(one).order(&(wish.sort.key)(two));
        let order = if wish.reversed { order.reverse() } else { order };
        order.then_with(|| by_numbers(&one.name, &two.name)).then_with(|| one.name.cmp(&two.name))
    });
    let mut html = String::with_capacity(4096 + rows.len() * 400);
    let all = snapshot.sources.len();
    let other = match (wish.only_trouble, troubled) {
        (true, _) => ": <a href=\"/health\">all</a>",
        // Nothing to lead to.
        (false, 0) => "",
        (false, _) => ": <a href=\"/health?only=trouble\">only those</a>",
    };
    let labels = labels(".health", COLUMNS.iter().enumerate().skip(3).map(|(at, column)| (at, column.head)));
    html.push_str(&head("/health", &format!("{troubled} of {all} need somebody{other}"), &labels));
    html.push_str("<table class=\"rows\"><thead><tr>");
    for column in COLUMNS {
        let sorted = match (column.name == wish.sort.name, wish.reversed) {
            (true, false) => " aria-sort=\"descending\"",
            (true, true) => " aria-sort=\"ascending\"",
            _ => "",
        };
        html.push_str(&format!("<th{sorted}><a href=\"{}\">{}</a></th>", wish.link(column), column.head));
    }
    html.push_str("</tr></thead><tbody>");
    for source in rows {
        html.push_str(if source.health.trouble.is_empty() { "<tr>" } else { "<tr class=\"trouble\">" });
        for column in COLUMNS {
            let cell = escape(&(column.cell)(source, snapshot.time));
            // A name leads to its pictures, and to what was tried where there are none.
            let cell = match column.name {
                "name" => format!("<a href=\"/#{cell}\">{cell}</a>"),
                "state" => format!("<span class=\"badge {cell}\">{cell}</span>"),
                _ => cell,
            };
            html.push_str(&format!("<td>{cell}</td>"));
        }
        html.push_str("</tr>");
    }
    html.push_str(&format!(
        "</tbody></table></main><footer>headwater {}, up {} · <a href=\"/status.json\">JSON</a></footer></body></html>",
        snapshot.version,
        span(snapshot.uptime_s)
    ));
    Ok(html)
}

/// For the fuzzer: what a query is refused with, if it is.
pub(crate) fn check(query: &str) -> Option<String> {
    Wish::parse(query).err().map(Refusal::into_what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(name: &str) -> SourceStatus {
        let health = HealthStatus { keyframe_interval_s: Some(1.0), kbit_s: 2000.0, ..HealthStatus::default() };
        let mut source = SourceStatus {
            name: name.into(),
            state: "live",
            shown: "live",
            fps: 25.0,
            pictures: 10_000,
            ..SourceStatus::default()
        };
        source.health = health;
        source
    }

    fn told(change: impl FnOnce(&mut SourceStatus)) -> String {
        let mut source = live("cam");
        change(&mut source);
        trouble(&source).join("; ")
    }

    #[test]
    fn each_trouble_has_its_words_and_health_has_none() {
        assert_eq!(told(|_| ()), "");
        assert_eq!(told(|s| s.age_ms = Some(7900)), "silent for 7 s");
        assert_eq!(told(|s| (s.age_ms, s.health.unchanged) = (Some(7900), 40)), "");
        assert_eq!(told(|s| s.health.frozen_s = Some(61.2)), "frozen for 61 s");
        assert_eq!(told(|s| s.health.loss = 0.01), "1.0 % of its pictures damaged or missing");
        assert_eq!(told(|s| s.fps_declared = Some(60.0)), "25.0 pictures a second where it declares 60");
        assert_eq!(told(|s| s.health.keyframe_interval_s = Some(12.0)), "a keyframe every 12 s only");
        assert_eq!(told(|s| s.health.jitter_ms = 240.0), "uneven, 240 ms of jitter");
        assert_eq!(told(|s| s.health.lost_a_day = 14), "lost 14 times in a day");
        assert_eq!(told(|s| s.health.clock_ahead_s = Some(-3600.4)), "its clock is 3600 s behind");
        let down =
            |s: &mut SourceStatus| (s.state, s.error) = ("waiting", Some("10.0.0.5:554: connection refused".into()));
        assert_eq!(told(down), "no pictures: 10.0.0.5:554: connection refused");
        assert_eq!(told(|s| s.state = "idle"), "", "nobody watches it");
        let idle = |s: &mut SourceStatus| {
            down(s);
            (s.state, s.failed) = ("idle", Some(1795698300.0));
        };
        assert_eq!(told(idle), "no pictures: 10.0.0.5:554: connection refused (as of 2026-11-26 13:05 UTC)");
    }

    /// Five thousand cameras, of which every fifth has trouble.
    fn city() -> Snapshot {
        let mut sources: Vec<_> = (0..5000).map(|at| live(&format!("cam{at:04}"))).collect();
        for source in sources.iter_mut().step_by(5) {
            source.health.jitter_ms = 300.0;
            source.health.trouble = trouble(source);
        }
        sources[2500].health.trouble = vec!["no pictures: <b>refused</b>".into()];
        sources[2500].state = "waiting";
        Snapshot { version: "1", time: 0.0, uptime_s: 0.0, sources, clients: Vec::new(), totals: Vec::new() }
    }

    fn names(html: &str) -> Vec<&str> {
        html.split("<tr").skip(2).filter_map(|row| row.split("<td>").nth(1)?.split(['<', '>']).nth(2)).collect()
    }

    #[test]
    fn the_worst_come_first_and_names_and_numbers_sort_both_ways() {
        let city = city();
        let html = page(&city, "").ok().unwrap();
        assert_eq!(names(&html).len(), 5000);
        assert_eq!(names(&html)[..3], ["cam2500", "cam0000", "cam0005"]);
        assert!(html.contains("1000 of 5000 need somebody") && html.contains("&lt;b&gt;refused"));
        assert_eq!(names(&page(&city, "sort=name").ok().unwrap())[..2], ["cam0000", "cam0001"]);
        assert_eq!(names(&page(&city, "sort=-name").ok().unwrap())[..2], ["cam4999", "cam4998"]);
        let some = page(&city, "sort=jitter&only=trouble").ok().unwrap();
        assert_eq!(names(&some).len(), 1000);
        assert!(some.contains("/health?sort=-jitter&amp;only=trouble"));
    }

    #[test]
    fn a_recording_that_fails_is_told_behind_missing_pictures_only() {
        let full = || Some("/srv/x.mp4: the disk is full".to_owned());
        let files = |error| crate::status::FilesStatus { error, ..Default::default() };
        let ring = |error, read_only| crate::status::RecordingStatus { error, read_only, ..Default::default() };
        let said = "not recorded: /srv/x.mp4: the disk is full";
        assert_eq!(told(|s| s.files = Some(files(full()))), said);
        assert_eq!(told(|s| s.files = Some(files(None))), "");
        let past = "not recorded for the past: /srv/x.mp4: the disk is full";
        assert_eq!(told(|s| s.recording = Some(ring(full(), false))), past);
        assert_eq!(told(|s| s.recording = Some(ring(full(), true))), "", "it is only to be read");
        let down = |s: &mut SourceStatus| {
            (s.state, s.error) = ("waiting", Some("refused".into()));
            s.files = Some(files(full()));
        };
        assert_eq!(told(down), format!("no pictures: refused; {said}"));

        let mut city = city();
        for (at, frozen) in [(3, None), (4, Some(60.0))] {
            let source = &mut city.sources[at];
            source.files = frozen.is_none().then(|| files(full()));
            source.health.frozen_s = frozen;
            source.health.trouble = trouble(source);
        }
        let html = page(&city, "").ok().unwrap();
        assert_eq!(names(&html)[..4], ["cam2500", "cam0003", "cam0004", "cam0000"]);
        assert!(html.contains(&format!("<td>{said}</td>")));
    }

    #[test]
    fn packets_that_did_not_come_are_told_with_those_that_were_due_and_sort_the_page() {
        let mut city = city();
        for (at, lost) in [(7, 3), (1999, 12)] {
            (city.sources[at].health.packets_expected, city.sources[at].health.packets_lost) = (90_000, lost);
        }
        let html = page(&city, "sort=lost").ok().unwrap();
        assert_eq!(names(&html)[..3], ["cam1999", "cam0007", "cam0000"]);
        assert!(html.contains("<td>12 of 90000</td>") && !html.contains("<td>0 of"), "{}", &html[..4000]);
    }

    #[test]
    fn the_longest_in_a_state_come_first() {
        let mut city = city();
        (city.time, city.sources[9].since, city.sources[11].since) = (1000.0, -200_000.0, 940.0);
        let html = page(&city, "sort=since").ok().unwrap();
        assert_eq!(names(&html)[..2], ["cam0009", "cam0000"]);
        assert!(html.contains("<td>2 d 7 h</td>") && html.contains("<td>1 min</td>"));
        assert_eq!(names(&page(&city, "sort=-since").ok().unwrap())[0], "cam0011");
    }

    #[test]
    fn every_column_is_documented_with_its_word() {
        let text = include_str!("../../../docs/API.md");
        let section = text.split("## `/health`").nth(1).and_then(|rest| rest.split("| key").next()).unwrap();
        for column in COLUMNS {
            assert!(section.contains(&format!("`{}`", column.name)), "{} is not in docs/API.md", column.name);
        }
    }

    #[test]
    fn names_are_sorted_by_the_numbers_in_them() {
        let mut names = ["cam10", "cam2", "b", "cam2b", "cam02", "cam", "cam2a10", "cam2a9", "ü1", ""];
        names.sort_by(|one, two| by_numbers(one, two));
        assert_eq!(names, ["", "b", "cam", "cam2", "cam02", "cam2a9", "cam2a10", "cam2b", "cam10", "ü1"]);
    }

    #[test]
    fn what_is_not_there_is_refused_with_what_is() {
        for query in ["sort=speed", "sort", "only=good", "page=2"] {
            assert!(page(&city(), query).is_err(), "{query}");
        }
    }
}
