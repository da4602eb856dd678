//! The page of a report: ffserver's tables, in the dress of our own status page.

use std::fmt::Write;

use ::config::Video;
use jiff::Zoned;

use super::{ClientRow, FeedRow, Report, StreamRow};
use crate::paths::table::Table;
use crate::server::escape;

/// The sheet of all pages of ours, and what this one has beside it.
const SHEET: &str = include_str!("../../../assets/page.css");
/// What stands beside the title in a browser.
const ICON: &str = include_str!("../../../assets/icon.svg");
const STYLE: &str = "
:root { --shade: rgb(0 0 0 / .35); }
@media (prefers-color-scheme: dark) { :root { --shade: rgb(255 255 255 / .25); } }
body.status { max-width: 84rem; margin: 0 auto; padding: 1rem 1rem 0; }
.status footer { padding-left: 0; padding-right: 0; }
.status table td.n:first-child { min-width: 0; }
.status table { background: linear-gradient(to right, var(--card) 40%, transparent) left / 2rem 100% no-repeat local, linear-gradient(to left, var(--card) 40%, transparent) right / 2rem 100% no-repeat local, linear-gradient(to right, var(--shade), transparent) left / .7rem 100% no-repeat scroll, linear-gradient(to left, var(--shade), transparent) right / .7rem 100% no-repeat scroll, var(--card); }
.status th.n, .status td.n { text-align: right; }
.status td:first-child { font-weight: inherit; }
.status td a, .status td strong { font-weight: 600; text-decoration: none; }
.status td a:hover { text-decoration: underline; }
.status td small { display: block; color: var(--quiet); }
.status .line { margin: .25rem 0 .6rem; color: var(--quiet); font-variant-numeric: tabular-nums; }
.status .line .badge { display: inline-flex; margin-right: .75rem; }
.status .none { color: var(--quiet); }
meter { width: 10rem; height: .9rem; vertical-align: middle; margin-left: .6rem; }
@media (max-width: 700px) {
  .status .line br { display: none; }
  meter { display: block; width: 100%; margin: .2rem 0 .5rem; }
}
";

/// A column: its title, and whether it has numbers.
type Column = (&'static str, bool);

const STREAMS: &[Column] = &[
    ("Path", false),
    ("Served", true),
    ("Bytes", true),
    ("Format", false),
    ("kbit/s", true),
    ("Video codec", false),
    ("Audio codec", false),
    ("Feed", false),
];
const OF_FEED: &[Column] =
    &[("Stream", false), ("Type", false), ("kbit/s", true), ("Codec", false), ("Parameters", false)];
const CLIENTS: &[Column] = &[
    ("#", true),
    ("File", false),
    ("IP", false),
    ("Protocol", false),
    ("State", false),
    ("Target bit/s", true),
    ("Actual bit/s", true),
    ("Bytes transferred", true),
];

/// A table. Cells are HTML; an empty one is a dash.
fn rows(html: &mut String, columns: &[Column], rows: impl Iterator<Item = Vec<String>>) {
    let class = |is_number: bool| if is_number { " class=\"n\"" } else { "" };
    let head: String = columns.iter().map(|(title, n)| format!("<th{}>{title}</th>", class(*n))).collect();
    let _ = write!(html, "<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n");
    for row in rows {
        let cell = |(cell, (_, n)): (&String, &Column)| match cell.is_empty() {
            true => format!("<td{}><span class=\"none\">–</span></td>", class(*n)),
            false => format!("<td{}>{cell}</td>", class(*n)),
        };
        let cells: String = row.iter().zip(columns).map(cell).collect();
        let _ = writeln!(html, "<tr>{cells}</tr>");
    }
    html.push_str("</tbody>\n</table>\n");
}

/// `320x240, q=3-31, fps=25`, as far as it is said.
fn parameters(video: &Video) -> String {
    let mut parts = Vec::new();
    parts.extend(video.size.map(|size| size.to_string()));
    if let (Some(least), Some(most)) = (video.qmin, video.qmax) {
        parts.push(format!("q={least}-{most}"));
    }
    parts.extend(video.rate.map(|rate| format!("fps={}", rate.as_f64())));
    parts.join(", ")
}

/// Where a link of the page leads: to what players are given links to.
fn link(path: &str, format: &str) -> String {
    match path.rsplit_once('.') {
        Some((stem, "asf")) if format == "asf" => format!("{stem}.asx"),
        Some((stem, "rm")) => format!("{stem}.ram"),
        Some((stem, _)) if format == "rtp" => format!("{stem}.sdp"),
        None if format == "rtp" => format!("{path}.sdp"),
        _ => path.to_owned(),
    }
}

/// A number in as few letters as ffserver took; nothing where it is 0.
fn short(count: u64) -> String {
    const UNITS: [&str; 5] = ["", "k", "M", "G", "T"];
    let (mut number, mut unit) = (count as f64, 0);
    while number >= 10_000.0 && unit + 1 < UNITS.len() {
        number /= 1000.0;
        unit += 1;
    }
    if count == 0 { String::new() } else { format!("{number:.0}{}", UNITS[unit]) }
}

/// A number, unless it is 0.
fn some(number: u64) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

fn stream(row: &StreamRow) -> Vec<String> {
    let title = row.title.as_deref().map(|title| format!("<small>{}</small>", escape(title))).unwrap_or_default();
    vec![
        format!("<a href=\"/{}\">{}</a>{title}", escape(&link(&row.path, &row.format)), escape(&row.path)),
        row.served.to_string(),
        short(row.bytes),
        escape(&row.format),
        some(row.kbit),
        escape(&row.video_codec),
        escape(&row.audio_codec),
        escape(&row.feed),
    ]
}

fn client(row: &ClientRow) -> Vec<String> {
    vec![
        row.id.map(|id| id.to_string()).unwrap_or_default(),
        format!("<strong>{}</strong>", escape(&row.path)),
        row.ip.clone(),
        row.protocol.to_owned(),
        row.state.to_owned(),
        short(row.target_bits),
        short(row.actual_bits),
        short(row.bytes),
    ]
}

/// How a feed does, in a line.
fn state(feed: &FeedRow) -> String {
    let class = match feed.shown {
        "live" => "live",
        "opening" => "opening",
        "waiting" | "unfed" | "refused" | "failed" => "waiting",
        _ => "ended",
    };
    let mut parts = Vec::new();
    if feed.state == "live" {
        parts.extend(feed.codec.as_deref().map(escape));
        if feed.width > 0 {
            parts.push(format!("{}x{}", feed.width, feed.height));
            parts.push(format!("{:.1} fps", feed.fps));
        }
        parts.extend((feed.kbit > 0).then(|| format!("{} kbit/s", feed.kbit)));
    }
    parts.extend(feed.error.as_deref().map(escape));
    if let Some(recorded) = &feed.recorded {
        let limit = if recorded.limit > 1 << 50 { String::new() } else { format!(" of {}B", short(recorded.limit)) };
        parts.push(match &recorded.error {
            Some(error) => format!("not recorded: {}", escape(error)),
            None if recorded.bytes == 0 => "nothing recorded yet".into(),
            None => format!("{} s recorded, {}B{limit}", recorded.seconds, short(recorded.bytes)),
        });
    }
    parts.extend(feed.pid.map(|pid| format!("Running as pid {pid}.")));
    if feed.restarts > 0 {
        let s = if feed.restarts == 1 { "" } else { "s" };
        parts.push(format!("Started again {} time{s}.", feed.restarts));
    }
    format!("<p class=\"line\"><span class=\"badge {class}\">{}</span>{}</p>\n", feed.shown, parts.join(" · "))
}

/// What the streams of a feed ask for.
fn asked(feed: &FeedRow, report: &Report, table: &Table) -> Vec<Vec<String>> {
    let of_feed = table.config.streams.iter().filter(|stream| feed.streams.contains(&stream.name));
    let kinds = of_feed.flat_map(|stream| {
        let row = report.streams.iter().find(|row| row.path == stream.name && row.feed == feed.name);
        let video = row
            .filter(|row| !row.video_codec.is_empty())
            .map(|row| ("video", stream.video.bit_rate, &row.video_codec, parameters(&stream.video)));
        let audio = row.filter(|row| !row.audio_codec.is_empty()).map(|row| {
            let rate = stream.audio.sample_rate.map(|rate| format!("{rate} Hz"));
            let channels = stream.audio.channels.map(|channels| format!("{channels} ch"));
            let parameters: Vec<String> = rate.into_iter().chain(channels).collect();
            ("audio", stream.audio.bit_rate, &row.audio_codec, parameters.join(", "))
        });
        video.into_iter().chain(audio).map(|(kind, rate, codec, parameters)| {
            let rate = rate.map(|rate| (rate / 1000).to_string()).unwrap_or_default();
            vec![format!("<strong>{}</strong>", escape(&stream.name)), kind.to_owned(), rate, escape(codec), parameters]
        })
    });
    kinds.collect()
}

/// The page as a whole.
pub(super) fn page(report: &Report, favicon: Option<&str>, table: &Table) -> String {
    // Without one browsers ask for /favicon.ico, which is not there.
    let own = || format!("data:image/svg+xml,{}", ICON.replace('#', "%23").replace('\n', ""));
    let icon = favicon.map_or_else(own, str::to_owned);
    let icon = format!("<link rel=\"shortcut icon\" href=\"{}\">\n", escape(&icon));
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"UTF-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>headwater: status</title>\n{icon}<style>{SHEET}{STYLE}</style>\n</head>\n<body class=\"status\">\n\
         <h1>Status</h1>\n<h2>Available Streams</h2>\n"
    );
    let shown = report.streams.iter().filter(|row| row.format != "ffm" && row.format != "redirect");
    rows(&mut html, STREAMS, shown.map(stream));
    for feed in &report.feeds {
        let _ = writeln!(html, "<h2>Feed {}</h2>", escape(&feed.name));
        html.push_str(&state(feed));
        let asked = asked(feed, report, table);
        if !asked.is_empty() {
            rows(&mut html, OF_FEED, asked.into_iter());
        }
    }
    let (used, most) = (report.bandwidth_kbit, report.max_bandwidth_kbit);
    let _ = write!(
        html,
        "<h2>Connection Status</h2>\n<p class=\"line\">Number of connections: {0} / {1}<meter max=\"{1}\" value=\"{0}\"></meter><br>\n\
         Bandwidth in use: {used}k / {most}k<meter max=\"{most}\" value=\"{used}\"></meter></p>\n",
        report.connections, report.max_clients
    );
    if report.clients.is_empty() {
        html.push_str("<p class=\"none\">Nobody is watching, and nobody is feeding.</p>\n");
    } else {
        rows(&mut html, CLIENTS, report.clients.iter().map(client));
    }
    let now = Zoned::now().strftime("%a %b %e %H:%M:%S %Y");
    let _ = write!(html, "<footer>Generated at {now} by {}</footer>\n</body>\n</html>\n", crate::PRODUCT);
    html
}
