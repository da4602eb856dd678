//! `Format status`: ffserver's page with its tables, and the same as JSON.

mod page;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ::config::{Feed, Stream};
use axum::http::{header, request::Parts};
use axum::response::{IntoResponse, Response};
use media::{Codec, Kind};
use serde::Serialize;
use source::{Fate, Supervisor};

use super::Paths;
use super::serve::{json, wants_json};
use super::table::{Entry, Out, Table, What};
use crate::Relay;
use crate::output::fate::Place;
use crate::output::{Carries, Tags};

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
    /// For people.
    #[serde(skip)]
    shown: &'static str,
    error: Option<String>,
    codec: Option<String>,
    width: u32,
    height: u32,
    fps: f64,
    kbit: u64,
    bytes: u64,
    recorded: Option<Recording>,
    launch: String,
    pid: Option<u32>,
    restarts: u64,
    streams: Vec<String>,
}

/// What a feed's ring holds.
#[derive(Serialize)]
struct Recording {
    bytes: u64,
    limit: u64,
    /// From the oldest that can be read to the newest.
    seconds: u64,
    error: Option<String>,
}

impl Recording {
    fn of(source: &Supervisor) -> Option<Self> {
        let recorded = source.variants().recorded()?;
        Some(Self {
            bytes: recorded.span.map_or(0, |span| span.bytes),
            limit: recorded.config.bytes,
            seconds: recorded
                .span
                .map_or(0, |span| span.newest.duration_since(span.oldest).unwrap_or_default().as_secs()),
            error: recorded.status.error,
        })
    }
}

#[derive(Serialize)]
struct ClientRow {
    /// None of a feeder.
    id: Option<u64>,
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
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; img-src * data:"),
    ];
    (headers, page::page(&report, stream.favicon_url.as_deref(), &table)).into_response()
}

fn bits(stream: &Stream) -> u64 {
    let audio = if stream.no_audio { 0 } else { stream.audio.bit_rate.unwrap_or(0) };
    let video = if stream.no_video { 0 } else { stream.video.bit_rate.unwrap_or(0) };
    video.saturating_add(audio)
}

/// What a viewer of `entry` takes, in bit/s, where its section does not say it: as it is measured
/// now, or else as far as is known.
fn measured(paths: &Paths, entry: &Entry, clients: &[ClientRow]) -> u64 {
    let What::Stream(out) = &entry.what else { return 0 };
    if bits(&out.stream) > 0 {
        return 0;
    }
    let rates = clients.iter().filter(|client| client.path == entry.name && client.actual_bits > 0);
    let (sum, count) = rates.fold((0, 0), |(sum, count), client| (sum + client.actual_bits, count + 1));
    sum.checked_div(count).unwrap_or_else(|| paths.meter.expected(entry) as u64)
}

/// The codecs of what a stream sends: as its section says, as they come where they fit, or as is
/// usual in its format. Empty where there is none, or nothing is known yet.
fn codecs(out: &Out) -> (String, String) {
    let (stream, tracks) = (&out.stream, out.tracks());
    let place = match out.format.map_or(Carries::Tracks(Place::Rtp), |format| format.carries) {
        Carries::Tracks(place) => place,
        Carries::Jpegs => return ("mjpeg".into(), String::new()),
        Carries::Words => return (String::new(), String::new()),
    };
    let name = |codec: Option<Codec>| codec.map(|codec| codec.name().to_owned()).unwrap_or_default();
    if tracks.is_empty() {
        // Nothing has come yet: what would be made.
        let said = |off: bool, said: Option<&String>, usual: Option<Codec>| match off {
            true => String::new(),
            false => said.cloned().unwrap_or_else(|| name(usual)),
        };
        return (
            said(stream.no_video, stream.video.codec.as_ref(), place.default_video()),
            said(stream.no_audio, stream.audio.codec.as_ref(), place.default_audio()),
        );
    }
    let Ok(plan) = place.plan(&out.encoding, &tracks) else { return (String::new(), String::new()) };
    let sound = tracks.iter().find(|track| matches!(track.kind, Kind::Audio(_)));
    let video = match plan.video {
        Fate::Off => None,
        Fate::Pass => tracks.video().map(|track| track.codec),
        Fate::Coded(variant) => variant.codec,
    };
    let audio = match plan.audio {
        Fate::Off => None,
        Fate::Pass => sound.map(|track| track.codec),
        Fate::Coded(coding) => coding.codec,
    };
    (name(video), name(audio))
}

fn report(relay: &Arc<Relay>, paths: &Paths, table: &Table) -> Report {
    let sessions = relay.sessions.open();
    let clients: Vec<ClientRow> = sessions
        .iter()
        .filter_map(|session| {
            let visit = session.visit.as_ref()?;
            let entry = visit.entry()?;
            let What::Stream(out) = &entry.what else { return None };
            Some(ClientRow {
                id: Some(session.id),
                path: entry.name.clone(),
                ip: session.peer.ip().to_canonical().to_string(),
                protocol: match session.format {
                    "rtspt" => "RTSP/TCP",
                    "rtspu" => "RTSP/UDP",
                    "rtspm" => "RTSP/multicast",
                    "whep" => "WebRTC",
                    _ => "HTTP/1.1",
                },
                state: if out.is_live() { "SEND_DATA" } else { "WAIT_FEED" },
                target_bits: bits(&out.stream),
                actual_bits: paths.meter.session(session.id).unwrap_or(0.0) as u64,
                bytes: session.counts.bytes.load(Relaxed),
            })
        })
        .collect();
    let feeders = table.feeds().filter_map(|feed| feeder_row(feed, paths));
    let clients: Vec<ClientRow> = clients.into_iter().chain(feeders).collect();
    let open = |entry: &Entry| {
        clients.iter().filter(|client| client.path == entry.name).map(|client| client.bytes).sum::<u64>()
    };
    let streams = table.entries().map(|entry| {
        let (video_codec, audio_codec) = match &entry.what {
            What::Stream(out) => codecs(out),
            _ => (String::new(), String::new()),
        };
        let (stream, format, feed) = match &entry.what {
            What::Stream(out) => (Some(&out.stream), out.stream.format.clone(), out.feed_name().map(str::to_owned)),
            What::Status(stream) => (Some(&**stream), Some("status".into()), None),
            What::Redirect(_) => (None, Some("redirect".into()), None),
            What::Feed(_) => (None, Some("ffm".into()), None),
        };
        StreamRow {
            path: entry.name.clone(),
            title: stream.and_then(|stream| Tags::new(&stream.metadata).of("title").map(str::to_owned)),
            served: entry.tally.served.load(Relaxed),
            bytes: entry.tally.bytes.load(Relaxed) + open(entry),
            format: format.unwrap_or_default(),
            kbit: stream.map_or(0, bits).max(measured(paths, entry, &clients)) / 1000,
            video_codec,
            audio_codec,
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

/// Who sends to `feed`, among those who read.
fn feeder_row(feed: &Supervisor, paths: &Paths) -> Option<ClientRow> {
    let fed = feed.fed()?;
    let ip = fed.by.parse::<SocketAddr>().map(|address| address.ip().to_canonical().to_string());
    Some(ClientRow {
        id: None,
        path: feed.name().to_owned(),
        ip: ip.unwrap_or(fed.by),
        protocol: fed.protocol,
        state: "RECEIVE_DATA",
        target_bits: 0,
        actual_bits: paths.meter.feed(feed.name()).unwrap_or(0.0) as u64,
        bytes: fed.bytes,
    })
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
        shown: status.word(),
        error: status.error.as_ref().map(ToString::to_string),
        codec: track.map(|track| track.codec.name().into()),
        width: video.map_or(0, |video| video.size.width),
        height: video.map_or(0, |video| video.size.height),
        fps: counters.fps,
        kbit: (paths.meter.feed(&feed.name).unwrap_or(0.0) / 1000.0) as u64,
        bytes: counters.bytes,
        recorded: Recording::of(source),
        launch: feed.launch.first().cloned().unwrap_or_default(),
        pid,
        restarts,
        streams: streams.map(|stream| stream.name.clone()).collect(),
    })
}
