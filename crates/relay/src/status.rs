//! One snapshot of everything, for `/status`, `/status.json` and `/metrics` alike.

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Instant, SystemTime};

use media::Kind;
use serde::Serialize;
use source::{State, Supervisor};

use crate::head::{head, labels, span};
use crate::server::escape;
use crate::session::Totals;
use crate::{Relay, clock, health};

/// What a relay is doing. Its JSON form is documented in `docs/API.md`.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// Version of the program.
    pub version: &'static str,
    /// Now, in seconds since 1970.
    pub time: f64,
    /// Seconds since the start.
    pub uptime_s: f64,
    /// The sources, by name.
    pub sources: Vec<SourceStatus>,
    /// Those who are reading a stream.
    pub clients: Vec<ClientStatus>,
    #[serde(skip)]
    pub(crate) totals: Vec<((String, &'static str), Totals)>,
}

/// A source in a [`Snapshot`].
#[derive(Clone, Debug, Default, Serialize)]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// Its URL, without user and password.
    pub url: String,
    /// Whether it is at `/NAME.EXT`, `/NAME/whep` and so on. A feed of a configuration is not: only its streams are
    /// there.
    pub by_name: bool,
    /// The path of its moving picture, not escaped; nothing where the asker finds none.
    pub mjpeg: Option<String>,
    /// The path of its newest picture, likewise.
    pub jpeg: Option<String>,
    /// `idle`, `opening`, `live`, `waiting` or `ended`.
    pub state: &'static str,
    /// The same for people: `refused` or `failed` of a source that was given up.
    pub shown: &'static str,
    /// What an attempt is waiting for.
    pub phase: Option<String>,
    /// Since when it is in this state; while it is not live, since when there are no
    /// pictures; seconds since 1970.
    pub since: f64,
    /// Why the last attempt failed; gone as soon as there are pictures.
    pub error: Option<String>,
    /// When the last attempt failed; null as soon as there are pictures; seconds since 1970.
    pub failed: Option<f64>,
    /// Seconds to the next attempt.
    pub retry_in_s: Option<f64>,
    /// Attempts that failed in a row.
    pub failures: u32,
    /// Times it came back.
    pub reconnects: u32,
    /// How its bytes come.
    pub protocol: String,
    /// Their container.
    pub container: String,
    /// Codec of the pictures, by FFmpeg's name.
    pub codec: Option<String>,
    /// Codec of the sound beside them, by FFmpeg's name.
    pub audio_codec: Option<String>,
    /// Pixels in a row; 0 when unknown.
    pub width: u32,
    /// Rows; 0 when unknown.
    pub height: u32,
    /// Pictures a second, measured.
    pub fps: f64,
    /// Pictures a second, as declared.
    pub fps_declared: Option<f64>,
    /// Keyframes a second, measured.
    pub keyframe_rate: f64,
    /// Packets that came.
    pub packets: u64,
    /// Of them, pictures.
    pub pictures: u64,
    /// Packets known to be damaged.
    pub corrupt: u64,
    /// How it is, as far as it shows without decoding.
    pub health: HealthStatus,
    /// Bytes that came.
    pub bytes: u64,
    /// Bytes in the feed's ring.
    pub ring_bytes: usize,
    /// Age of the newest picture.
    pub age_ms: Option<u64>,
    /// Clients of its streams.
    pub viewers: usize,
    /// Variants of its snapshots that were asked for in the last seconds.
    pub snapshots: usize,
    /// Variants that are being made.
    pub variants: Vec<VariantStatus>,
    /// Its recording, where it is recorded.
    pub recording: Option<RecordingStatus>,
    /// Its recording in files, where there is one.
    pub files: Option<FilesStatus>,
}

/// How a source is, in a [`SourceStatus`].
#[derive(Clone, Debug, Default, Serialize)]
pub struct HealthStatus {
    /// What is wrong with it, the worst first. Of a source that nobody watches: why the last attempt to
    /// open it failed, if it did.
    pub trouble: Vec<String>,
    /// Seconds for which the picture has been the same though pictures come.
    pub frozen_s: Option<f64>,
    /// Seconds from one keyframe to the next.
    pub keyframe_interval_s: Option<f64>,
    /// Pictures before which something is missing.
    pub gaps: u64,
    /// Packets of RTP that were due by their numbers; 0 where there are none.
    pub packets_expected: u64,
    /// Of them, those that did not come.
    pub packets_lost: u64,
    /// The part of the pictures of the last ten minutes that were damaged, or had a gap before them.
    pub loss: f64,
    /// How unevenly pictures arrive (RFC 3550 section 6.4.1).
    pub jitter_ms: f64,
    /// Times it was lost in the last 24 hours.
    pub lost_a_day: usize,
    /// Seconds by which the camera's clock is ahead of ours, where its protocol or ONVIF tells the time.
    pub clock_ahead_s: Option<f64>,
    /// kbit/s that come in.
    pub kbit_s: f64,
    /// Why single pictures are asked for less often than was wanted, if they are.
    pub held_back: Option<String>,
    /// How often since its newest picture it was asked for another one and had none; 0 for all that
    /// send pictures by themselves.
    pub unchanged: u64,
}

/// The recording of a source in a [`SourceStatus`].
#[derive(Clone, Debug, Default, Serialize)]
pub struct RecordingStatus {
    /// The folder it is in.
    pub path: String,
    /// Most bytes that it may take.
    pub limit: u64,
    /// Bytes that it takes, in whole blocks.
    pub bytes: u64,
    /// When its oldest and its newest packet arrived, seconds since 1970; 0 while it is empty.
    pub oldest: f64,
    /// See `oldest`.
    pub newest: f64,
    /// It is only to be read (`ReadOnlyFile`): nothing is recorded, as it was asked for.
    pub read_only: bool,
    /// Packets recorded since the start.
    pub written: u64,
    /// Packets that could not be recorded: the disk was full, failed or was too slow.
    pub dropped: u64,
    /// Why nothing is recorded, where that is so.
    pub error: Option<String>,
}

/// The recording in files of a source in a [`SourceStatus`].
#[derive(Clone, Debug, Default, Serialize)]
pub struct FilesStatus {
    /// The file that is being written.
    pub file: Option<String>,
    /// Its length in bytes.
    pub file_bytes: u64,
    /// Files that were completed since the start.
    pub files: u64,
    /// Files that were removed as too old or too much.
    pub removed: u64,
    /// Packets recorded since the start.
    pub written: u64,
    /// Packets that could not be recorded: the disk was full, failed or was too slow.
    pub dropped: u64,
    /// Why nothing is recorded, where that is so.
    pub error: Option<String>,
}

/// A variant in a [`SourceStatus`].
#[derive(Clone, Debug, Serialize)]
pub struct VariantStatus {
    /// As in a query, empty for the source's own size as JPEG.
    pub variant: String,
    /// Its readers, snapshots that are kept fresh included.
    pub readers: usize,
    /// Pictures made.
    pub pictures: u64,
    /// Pictures decoded but not encoded for want of time.
    pub dropped: u64,
}

/// A client in a [`Snapshot`].
#[derive(Clone, Debug, Serialize)]
pub struct ClientStatus {
    /// Running number.
    pub id: u64,
    /// Address and port.
    pub peer: String,
    /// What it calls itself.
    pub agent: String,
    /// The source it reads.
    pub source: String,
    /// The format it reads.
    pub format: &'static str,
    /// The variant it asked for.
    pub variant: String,
    /// Seconds since it came.
    pub connected_s: f64,
    /// Pictures sent.
    pub pictures: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Pictures it missed because it was slow.
    pub dropped: u64,
    /// Pictures held back to keep to its `max_age`.
    pub late: u64,
    /// Its `max_age`.
    pub max_age_ms: Option<u64>,
    /// Age of its last picture when the last byte of it left.
    pub age_ms: f64,
}

/// What everything is doing, for who asks from `asker`: where the feeds of a configuration are seen depends on its
/// rules.
pub(crate) fn take(relay: &Relay, asker: Option<IpAddr>) -> Snapshot {
    let sessions = relay.sessions.open();
    let clients = sessions.iter().map(|session| ClientStatus {
        id: session.id,
        peer: session.peer.to_string(),
        agent: session.agent.clone(),
        source: session.source.clone(),
        format: session.format,
        variant: session.variant.clone(),
        connected_s: session.since.elapsed().as_secs_f64(),
        pictures: session.counts.pictures.load(Relaxed),
        bytes: session.counts.bytes.load(Relaxed),
        dropped: session.counts.dropped.load(Relaxed),
        late: session.counts.late.load(Relaxed),
        max_age_ms: session.max_age.and_then(|age| u64::try_from(age.as_millis()).ok()),
        age_ms: session.counts.age_us.load(Relaxed) as f64 / 1000.0,
    });
    let clients: Vec<ClientStatus> = clients.collect();
    let viewers = |name: &str| clients.iter().filter(|client| client.source == name).count();
    let status = |source: &Supervisor| source_status(source, viewers(source.name()), relay.desks.count(source));
    let mut sources: Vec<_> = relay.sources().iter().map(|source| by_name(status(source))).collect();
    if let Some(paths) = relay.paths() {
        let table = paths.table();
        sources.extend(table.feeds().map(|feed| {
            let path = |extension| asker.and_then(|asker| table.seen_at(feed.name(), extension, asker));
            SourceStatus { mjpeg: path("mjpeg"), jpeg: path("jpg"), ..status(feed) }
        }));
    }
    sources.sort_by(|one, two| health::by_numbers(&one.name, &two.name).then_with(|| one.name.cmp(&two.name)));
    Snapshot {
        version: env!("CARGO_PKG_VERSION"),
        time: seconds(SystemTime::now()),
        uptime_s: relay.started.elapsed().as_secs_f64(),
        sources,
        clients,
        totals: relay.sessions.totals().into_iter().collect(),
    }
}

fn seconds(time: SystemTime) -> f64 {
    clock::since_epoch(time).as_secs_f64()
}

/// One that is at paths of its own name.
fn by_name(found: SourceStatus) -> SourceStatus {
    let path = |extension| Some(format!("/{}.{extension}", found.name));
    SourceStatus { by_name: true, mjpeg: path("mjpeg"), jpeg: path("jpg"), ..found }
}

fn source_status(source: &Supervisor, viewers: usize, snapshots: usize) -> SourceStatus {
    let status = source.status().borrow().clone();
    let counters = source.counters();
    let track = status.tracks.lead();
    let video = track.and_then(|track| track.video());
    let sound = status.tracks.iter().find(|track| matches!(track.kind, Kind::Audio(_)));
    let newest = source.feed().peek_newest();
    let age = newest.as_ref().map(|packet| packet.received.elapsed());
    let vitals = source.vitals();
    let mut found = SourceStatus {
        name: source.name().into(),
        url: media::without_users(source.url()),
        by_name: false,
        mjpeg: None,
        jpeg: None,
        state: status.state.name(),
        shown: status.word(),
        phase: match status.state {
            State::Opening(phase) => Some(phase.to_string()),
            _ => None,
        },
        since: seconds(status.since),
        error: status.error.as_ref().map(ToString::to_string),
        failed: status.failed.map(seconds),
        retry_in_s: match status.state {
            State::Waiting(at) => Some(at.saturating_duration_since(Instant::now()).as_secs_f64()),
            _ => None,
        },
        failures: status.failures,
        reconnects: status.reconnects,
        protocol: status.about.protocol,
        container: status.about.container,
        codec: track.map(|track| track.codec.name().into()),
        audio_codec: sound.map(|track| track.codec.name().into()),
        width: video.map_or(0, |video| video.size.width),
        height: video.map_or(0, |video| video.size.height),
        fps: counters.fps,
        fps_declared: video.and_then(media::Video::sane_frame_rate),
        keyframe_rate: counters.key_rate,
        packets: counters.packets,
        pictures: counters.pictures,
        corrupt: counters.corrupt,
        health: HealthStatus {
            trouble: Vec::new(),
            frozen_s: vitals.frozen.map(|frozen| frozen.as_secs_f64()),
            keyframe_interval_s: vitals.keyframe_interval.map(|interval| interval.as_secs_f64()),
            gaps: vitals.gaps,
            packets_expected: counters.rtp_expected,
            packets_lost: counters.rtp_lost,
            loss: vitals.loss,
            jitter_ms: vitals.jitter.as_secs_f64() * 1000.0,
            lost_a_day: vitals.lost_a_day,
            clock_ahead_s: vitals.clock_ahead_s,
            kbit_s: vitals.bit_rate / 1000.0,
            held_back: vitals.held_back,
            unchanged: vitals.unchanged,
        },
        bytes: counters.bytes,
        ring_bytes: source.feed().bytes(),
        age_ms: age.and_then(|age| u64::try_from(age.as_millis()).ok()),
        viewers,
        snapshots,
        variants: source
            .variants()
            .making()
            .into_iter()
            .map(|making| VariantStatus {
                variant: making.variant.to_string(),
                readers: making.readers,
                pictures: making.pictures,
                dropped: making.dropped,
            })
            .collect(),
        recording: source.variants().recorded().map(recording_status),
        files: source.files().map(files_status),
    };
    found.health.trouble = health::trouble(&found);
    found
}

fn recording_status(recorded: source::Recorded) -> RecordingStatus {
    let source::Recorded { config, status, span } = recorded;
    RecordingStatus {
        path: config.path.display().to_string(),
        limit: config.bytes,
        bytes: span.map_or(0, |span| span.bytes),
        oldest: span.map_or(0.0, |span| seconds(span.oldest)),
        newest: span.map_or(0.0, |span| seconds(span.newest)),
        read_only: config.read_only,
        written: status.written,
        dropped: status.dropped,
        error: status.error,
    }
}

fn files_status(status: source::FileStatus) -> FilesStatus {
    FilesStatus {
        file: status.file.map(|path| path.display().to_string()),
        file_bytes: status.file_bytes,
        files: status.files,
        removed: status.removed,
        written: status.packets,
        dropped: status.dropped,
        error: status.error,
    }
}

/// The snapshot as a page for people, which brings itself up to date.
pub(crate) fn page(snapshot: &Snapshot) -> String {
    const SOURCES: [&str; 9] =
        ["name", "state", "reason", "picture", "fps", "viewers", "reconnects", "received", "URL"];
    const CLIENTS: [&str; 9] =
        ["address", "stream", "pictures", "dropped", "late", "age", "sent", "connected", "program"];
    let live = snapshot.sources.iter().filter(|source| source.state == "live").count();
    let count = format!("{live} of {} live, {} watching", snapshot.sources.len(), snapshot.clients.len());
    let after = |heads: &[&'static str], skip| heads.iter().copied().enumerate().skip(skip).collect::<Vec<_>>();
    let style =
        labels(".sources", after(&SOURCES, 3).into_iter()) + &labels(".clients", after(&CLIENTS, 2).into_iter());
    let mut html = head("/status", &count, &style);
    let rows = |html: &mut String, class: &str, heads: &[&str], rows: Vec<Vec<String>>| {
        let head: String = heads.iter().map(|head| format!("<th>{head}</th>")).collect();
        html.push_str(&format!("<table class=\"rows {class}\"><thead><tr>{head}</tr></thead><tbody>"));
        if rows.is_empty() {
            html.push_str(&format!("<tr><td class=\"none\" colspan=\"{}\">There are none.</td></tr>", heads.len()));
        }
        for row in rows {
            let cells = row.iter().enumerate().map(|(at, cell)| match (class, at, escape(cell)) {
                ("sources", 0, cell) => format!("<td><a href=\"/#{cell}\">{cell}</a></td>"),
                ("sources", 1, cell) => format!("<td><span class=\"badge {cell}\">{cell}</span></td>"),
                (.., cell) => format!("<td>{cell}</td>"),
            });
            html.push_str(&format!("<tr>{}</tr>", cells.collect::<String>()));
        }
        html.push_str("</tbody></table>");
    };
    let sources = snapshot.sources.iter().map(|s| {
        let codec = s.codec.clone().unwrap_or_default();
        vec![
            s.name.clone(),
            s.shown.into(),
            s.error.clone().or_else(|| s.phase.clone()).unwrap_or_default(),
            if s.width > 0 { format!("{codec} {}x{}", s.width, s.height) } else { codec },
            if s.state == "live" { format!("{:.1}", s.fps) } else { String::new() },
            s.viewers.to_string(),
            s.reconnects.to_string(),
            size(s.bytes),
            s.url.clone(),
        ]
    });
    html.push_str("<h2>Sources</h2>");
    rows(&mut html, "sources", &SOURCES, sources.collect());
    let clients = snapshot.clients.iter().map(|c| {
        vec![
            c.peer.clone(),
            format!("/{}.{}{}{}", c.source, c.format, if c.variant.is_empty() { "" } else { "?" }, c.variant),
            c.pictures.to_string(),
            c.dropped.to_string(),
            c.late.to_string(),
            format!("{:.0} ms", c.age_ms),
            size(c.bytes),
            span(c.connected_s),
            c.agent.clone(),
        ]
    });
    html.push_str("<h2>Clients</h2>");
    rows(&mut html, "clients", &CLIENTS, clients.collect());
    html.push_str(&format!(
        "</main><footer>headwater {}, up {} · <a href=\"/status.json\">JSON</a></footer></body></html>",
        snapshot.version,
        span(snapshot.uptime_s)
    ));
    html
}

pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
