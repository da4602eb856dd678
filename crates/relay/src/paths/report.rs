//! `Format status`: ffserver's page with its tables, and the same as JSON.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ::config::{Feed, Stream, Video};
use axum::http::{header, request::Parts};
use axum::response::{IntoResponse, Response};
use jiff::Zoned;
use serde::Serialize;
use source::State;

use super::Paths;
use super::serve::{json, wants_json};
use super::table::{Entry, Table, What};
use crate::Relay;
use crate::output::Tags;
use crate::server::escape;

/// Everything on the page. Documented in `docs/API.md`.
#[derive(Serialize)]
struct Report {
    version: &'static str,
    streams: Vec<StreamRow>,
    feeds: Vec<FeedRow>,
    connections: usize,
    max_clients: u32,
    bandwidth_kbit: u64,
    max_bandwidth_kbit: u64,
    clients: Vec<ClientRow>,
}

#[derive(Serialize)]
struct StreamRow {
    path: String,
    title: Option<String>,
    served: u64,
    bytes: u64,
    format: String,
    kbit: u64,
    video_codec: String,
    audio_codec: String,
    feed: String,
}

#[derive(Serialize)]
struct FeedRow {
    name: String,
    state: &'static str,
    error: Option<String>,
    codec: Option<String>,
    width: u32,
    height: u32,
    fps: f64,
    bytes: u64,
    launch: String,
    pid: Option<u32>,
    restarts: u64,
    streams: Vec<String>,
}

#[derive(Serialize)]
struct ClientRow {
    id: u64,
    path: String,
    ip: String,
    protocol: &'static str,
    state: &'static str,
    target_bits: u64,
    actual_bits: u64,
    bytes: u64,
}

/// The page of `stream`, or its JSON.
pub(super) fn answer(relay: &Arc<Relay>, paths: &Paths, stream: &Stream, parts: &Parts) -> Response {
    let table = paths.table();
    let report = report(relay, paths, &table);
    if wants_json(parts) {
        return json(&report);
    }
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::PRAGMA, "no-cache"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; img-src *"),
    ];
    (headers, page(&report, stream.favicon_url.as_deref(), &table)).into_response()
}

fn bits(stream: &Stream) -> u64 {
    let audio = if stream.no_audio { 0 } else { stream.audio.bit_rate.unwrap_or(0) };
    let video = if stream.no_video { 0 } else { stream.video.bit_rate.unwrap_or(0) };
    video.saturating_add(audio)
}

fn report(relay: &Arc<Relay>, paths: &Paths, table: &Table) -> Report {
    let sessions = relay.sessions.open();
    let clients: Vec<ClientRow> = sessions
        .iter()
        .filter_map(|session| {
            let visit = session.visit.as_ref()?;
            let entry = visit.entry()?;
            let What::Stream(out) = &entry.what else { return None };
            let live = out.feed_name().is_none_or(|name| {
                table.feeds().any(|feed| feed.name() == name && matches!(feed.status().borrow().state, State::Live))
            });
            Some(ClientRow {
                id: session.id,
                path: entry.name.clone(),
                ip: session.peer.ip().to_canonical().to_string(),
                protocol: "HTTP/1.1",
                state: if live { "SEND_DATA" } else { "WAIT_FEED" },
                target_bits: bits(&out.stream),
                actual_bits: paths.meter.session(session.id).unwrap_or(0.0) as u64,
                bytes: session.counts.bytes.load(Relaxed),
            })
        })
        .collect();
    let open = |entry: &Entry| {
        clients.iter().filter(|client| client.path == entry.name).map(|client| client.bytes).sum::<u64>()
    };
    let streams = table.entries().map(|entry| {
        let (stream, format, feed) = match &entry.what {
            What::Stream(out) => (Some(&out.stream), out.stream.format.clone(), out.feed_name().map(str::to_owned)),
            What::Status(stream) => (Some(&**stream), Some("status".into()), None),
            What::Redirect(_) => (None, Some("redirect".into()), None),
            What::Feed(_) => (None, Some("ffm".into()), None),
        };
        let codec = |off: bool, codec: Option<&String>| match off {
            true => String::new(),
            false => codec.cloned().unwrap_or_default(),
        };
        StreamRow {
            path: entry.name.clone(),
            title: stream.and_then(|stream| Tags::new(&stream.metadata).of("title").map(str::to_owned)),
            served: entry.tally.served.load(Relaxed),
            bytes: entry.tally.bytes.load(Relaxed) + open(entry),
            format: format.unwrap_or_default(),
            kbit: stream.map_or(0, bits) / 1000,
            video_codec: stream.map(|s| codec(s.no_video, s.video.codec.as_ref())).unwrap_or_default(),
            audio_codec: stream.map(|s| codec(s.no_audio, s.audio.codec.as_ref())).unwrap_or_default(),
            feed: feed.unwrap_or_default(),
        }
    });
    Report {
        version: env!("CARGO_PKG_VERSION"),
        streams: streams.collect(),
        feeds: table.config.feeds.iter().filter_map(|feed| feed_row(feed, paths, table)).collect(),
        connections: paths.viewers(),
        max_clients: table.config.max_clients,
        bandwidth_kbit: (paths.meter.total(&relay.sessions) / 1000.0) as u64,
        max_bandwidth_kbit: table.config.max_bandwidth_kbit,
        clients,
    }
}

fn feed_row(feed: &Feed, paths: &Paths, table: &Table) -> Option<FeedRow> {
    let source = table.feeds().find(|source| source.name() == feed.name)?;
    let status = source.status().borrow().clone();
    let counters = source.counters();
    let track = status.tracks.lead();
    let (pid, restarts) = paths.programs.of(&feed.name);
    let video = track.and_then(|track| track.video());
    let streams =
        table.config.streams.iter().filter(|stream| stream.origin == ::config::Origin::Feed(feed.name.clone()));
    Some(FeedRow {
        name: feed.name.clone(),
        state: status.state.name(),
        error: status.error.as_ref().map(ToString::to_string),
        codec: track.map(|track| track.codec.name().into()),
        width: video.map_or(0, |video| video.size.width),
        height: video.map_or(0, |video| video.size.height),
        fps: counters.fps,
        bytes: counters.bytes,
        launch: feed.launch.first().cloned().unwrap_or_default(),
        pid,
        restarts,
        streams: streams.map(|stream| stream.name.clone()).collect(),
    })
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
        _ => path.to_owned(),
    }
}

/// A number of bytes in as few letters as ffserver took.
fn short(count: u64) -> String {
    const UNITS: [&str; 5] = ["", "k", "M", "G", "T"];
    let (mut number, mut unit) = (count as f64, 0);
    while number >= 10_000.0 && unit + 1 < UNITS.len() {
        number /= 1000.0;
        unit += 1;
    }
    format!("{number:.0}{}", UNITS[unit])
}

const STYLE: &str =
    "body{font-family:sans-serif}table{border-collapse:collapse}td,th{padding:.1em .8em;text-align:left}";

fn rows(html: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let head: String = heads.iter().map(|head| format!("<th>{head}</th>")).collect();
    let _ = write!(html, "<table>\n<tr>{head}</tr>\n");
    for row in rows {
        let cells: String = row.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        let _ = writeln!(html, "<tr>{cells}</tr>");
    }
    html.push_str("</table>\n");
}

fn page(report: &Report, favicon: Option<&str>, table: &Table) -> String {
    let icon =
        favicon.map(|url| format!("<link rel=\"shortcut icon\" href=\"{}\">\n", escape(url))).unwrap_or_default();
    let mut html = format!(
        "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"UTF-8\">\n<title>headwater: status</title>\n{icon}<style>{STYLE}</style>\n</head>\n<body>\n<h1>Status</h1>\n<h2>Available Streams</h2>\n"
    );
    let heads = [
        "Path",
        "Served<br>Conns",
        "bytes",
        "Format",
        "Bit rate<br>kbit/s",
        "Video<br>codec",
        "Audio<br>codec",
        "Feed",
    ];
    let streams = report.streams.iter().filter(|row| row.format != "ffm" && row.format != "redirect").map(|row| {
        let path = format!("<a href=\"/{}\">{}</a>", escape(&link(&row.path, &row.format)), escape(&row.path));
        let title = row.title.as_deref().map(|title| format!("<br>{}", escape(title))).unwrap_or_default();
        let path = format!("{path}{title}");
        vec![
            path,
            row.served.to_string(),
            short(row.bytes),
            escape(&row.format),
            row.kbit.to_string(),
            escape(&row.video_codec),
            escape(&row.audio_codec),
            escape(&row.feed),
        ]
    });
    rows(&mut html, &heads, streams);
    for feed in &report.feeds {
        let _ = write!(html, "<h2>Feed {}</h2>\n<p>{}", escape(&feed.name), feed.state);
        if let Some(error) = &feed.error {
            let _ = write!(html, ": {}", escape(error));
        }
        if let Some(codec) = feed.codec.as_ref().filter(|_| feed.width == 0) {
            let _ = write!(html, ", {}", escape(codec));
        } else if let Some(codec) = &feed.codec {
            let _ = write!(html, ", {codec} {}x{}, {:.1} fps", feed.width, feed.height, feed.fps);
        }
        if let Some(pid) = feed.pid {
            let _ = write!(html, "<br>\nRunning as pid {pid}.");
        }
        if feed.restarts > 0 {
            let s = if feed.restarts == 1 { "" } else { "s" };
            let _ = write!(html, " Started again {} time{s}.", feed.restarts);
        }
        html.push_str("</p>\n");
        let of_feed = table.config.streams.iter().filter(|stream| feed.streams.contains(&stream.name));
        let kinds = of_feed.flat_map(|stream| {
            let video = (!stream.no_video).then(|| {
                let codec = stream.video.codec.clone().unwrap_or_default();
                ("video", stream.video.bit_rate, codec, parameters(&stream.video))
            });
            let audio = (!stream.no_audio).then(|| {
                let parameters = stream.audio.sample_rate.map(|rate| format!("{rate} Hz")).unwrap_or_default();
                ("audio", stream.audio.bit_rate, stream.audio.codec.clone().unwrap_or_default(), parameters)
            });
            video.into_iter().chain(audio).map(|(kind, rate, codec, parameters)| {
                let rate = rate.map(|rate| (rate / 1000).to_string()).unwrap_or_default();
                vec![escape(&stream.name), kind.to_owned(), rate, escape(&codec), parameters]
            })
        });
        rows(&mut html, &["Stream", "type", "kbit/s", "codec", "Parameters"], kinds);
    }
    let _ = write!(
        html,
        "<h2>Connection Status</h2>\nNumber of connections: {} / {}<br>\nBandwidth in use: {}k / {}k<br>\n",
        report.connections, report.max_clients, report.bandwidth_kbit, report.max_bandwidth_kbit
    );
    let clients = report.clients.iter().map(|client| {
        vec![
            client.id.to_string(),
            escape(&client.path),
            client.ip.clone(),
            client.protocol.to_owned(),
            client.state.to_owned(),
            short(client.target_bits),
            short(client.actual_bits),
            short(client.bytes),
        ]
    });
    let heads = ["#", "File", "IP", "Proto", "State", "Target bit/s", "Actual bit/s", "Bytes transferred"];
    rows(&mut html, &heads, clients);
    let now = Zoned::now().strftime("%a %b %e %H:%M:%S %Y");
    let _ = write!(html, "<hr>Generated at {now} by {}\n</body>\n</html>\n", crate::PRODUCT);
    html
}
