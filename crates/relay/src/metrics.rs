//! `/metrics`: the snapshot as OpenMetrics.
//!
//! The families are made anew for each scrape from the same snapshot as the status
//! pages, so nothing is counted twice and a series goes with its source or client.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::server::wants_page;
use crate::{Relay, Snapshot};

type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter<u64>>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What browsers show instead of saving it.
const PLAIN: &str = "text/plain; charset=utf-8";

pub(crate) fn answer(relay: &Arc<Relay>, headers: &HeaderMap) -> Response {
    let content_type = if wants_page(headers) { PLAIN } else { CONTENT_TYPE };
    match text(&relay.snapshot()) {
        Ok(text) => ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A registry under construction.
struct Sheet(Registry);

impl Sheet {
    fn counter<'a>(&mut self, name: &str, help: &str, rows: impl Iterator<Item = (Labels, u64)> + 'a) {
        let family = Counters::default();
        for (labels, value) in rows {
            family.get_or_create(&labels).inc_by(value);
        }
        self.0.register(name, help, family);
    }

    fn gauge<'a>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        rows: impl Iterator<Item = (Labels, f64)> + 'a,
    ) {
        let family = Gauges::default();
        for (labels, value) in rows {
            family.get_or_create(&labels).set(value);
        }
        match unit {
            Some(unit) => self.0.register_with_unit(name, help, unit, family),
            None => self.0.register(name, help, family),
        }
    }
}

/// What shows without decoding.
fn health(sheet: &mut Sheet, snapshot: &Snapshot) {
    let sources = || snapshot.sources.iter().map(|source| (vec![("source", source.name.clone())], &source.health));
    sheet.gauge(
        "source_trouble",
        "Things that are wrong with the source, see /health",
        None,
        sources().map(|(l, h)| (l, h.trouble.len() as f64)),
    );
    let frozen = sources().map(|(l, h)| (l, h.frozen_s.unwrap_or_default()));
    sheet.gauge("source_frozen", "For how long the picture has been the same", Some(Unit::Seconds), frozen);
    let interval = sources().filter_map(|(l, h)| Some((l, h.keyframe_interval_s?)));
    sheet.gauge("source_keyframe_interval", "From one keyframe to the next", Some(Unit::Seconds), interval);
    sheet.counter("source_gaps", "Pictures before which something is missing", sources().map(|(l, h)| (l, h.gaps)));
    let numbered = || sources().filter(|(_, h)| h.packets_expected > 0);
    let expected = numbered().map(|(l, h)| (l, h.packets_expected));
    sheet.counter("source_rtp_packets_expected", "Packets of RTP that were due by their numbers", expected);
    let lost = numbered().map(|(l, h)| (l, h.packets_lost));
    sheet.counter("source_rtp_packets_lost", "Packets of RTP that did not come", lost);
    let loss = sources().map(|(l, h)| (l, h.loss));
    sheet.gauge(
        "source_loss",
        "Part of the pictures of ten minutes that were damaged or missing",
        Some(Unit::Other("ratio".into())),
        loss,
    );
    let jitter = sources().map(|(l, h)| (l, h.jitter_ms / 1000.0));
    sheet.gauge("source_jitter", "How unevenly pictures arrive", Some(Unit::Seconds), jitter);
    let lost = sources().map(|(l, h)| (l, h.lost_a_day as f64));
    sheet.gauge("source_lost_a_day", "Times the source was lost in the last 24 hours", None, lost);
    let clock = sources().filter_map(|(l, h)| Some((l, h.clock_ahead_s?)));
    sheet.gauge("source_clock_ahead", "How far the camera's clock is ahead of ours", Some(Unit::Seconds), clock);
    let rate = sources().map(|(l, h)| (l, h.kbit_s * 1000.0));
    sheet.gauge("source_bit_rate", "bit/s that come in", None, rate);
}

fn text(snapshot: &Snapshot) -> Result<String, std::fmt::Error> {
    let mut sheet = Sheet(Registry::with_prefix("headwater"));
    let sources = || snapshot.sources.iter().map(|source| (vec![("source", source.name.clone())], source));
    sheet.gauge(
        "up",
        "1 while pictures are coming",
        None,
        sources().map(|(l, s)| (l, f64::from(u8::from(s.state == "live")))),
    );
    sheet.counter("source_packets", "Packets that came from the source", sources().map(|(l, s)| (l, s.packets)));
    sheet.counter("source_pictures", "Pictures that came from the source", sources().map(|(l, s)| (l, s.pictures)));
    sheet.counter("source_corrupt", "Packets known to be damaged", sources().map(|(l, s)| (l, s.corrupt)));
    sheet.counter("source_received_bytes", "Bytes that came from the source", sources().map(|(l, s)| (l, s.bytes)));
    sheet.counter("source_reconnects", "Times the source came back", sources().map(|(l, s)| (l, s.reconnects.into())));
    sheet.gauge("source_fps", "Pictures a second, measured", None, sources().map(|(l, s)| (l, s.fps)));
    sheet.gauge(
        "source_keyframe_rate",
        "Keyframes a second, measured",
        None,
        sources().map(|(l, s)| (l, s.keyframe_rate)),
    );
    health(&mut sheet, snapshot);
    let age = sources().filter_map(|(l, s)| Some((l, s.age_ms? as f64 / 1000.0)));
    sheet.gauge("source_age", "Age of the newest picture", Some(Unit::Seconds), age);
    sheet.gauge(
        "source_ring",
        "Bytes in the ring",
        Some(Unit::Bytes),
        sources().map(|(l, s)| (l, s.ring_bytes as f64)),
    );
    sheet.gauge("viewers", "Clients of the source's streams", None, sources().map(|(l, s)| (l, s.viewers as f64)));

    let recordings = || sources().filter_map(|(labels, source)| Some((labels, source.recording.as_ref()?)));
    sheet.counter("recording_packets", "Packets recorded", recordings().map(|(l, r)| (l, r.written)));
    sheet.counter("recording_dropped", "Packets that could not be recorded", recordings().map(|(l, r)| (l, r.dropped)));
    let bytes = recordings().map(|(l, r)| (l, r.bytes as f64));
    sheet.gauge("recording_size", "Bytes of the recording on disk", Some(Unit::Bytes), bytes);
    let up = recordings().map(|(l, r)| (l, f64::from(u8::from(r.error.is_none()))));
    sheet.gauge("recording_up", "1 unless nothing can be recorded", None, up);

    let files = || sources().filter_map(|(labels, source)| Some((labels, source.files.as_ref()?)));
    sheet.counter("files_packets", "Packets recorded in files", files().map(|(l, f)| (l, f.written)));
    sheet.counter("files_dropped", "Packets that files could not take", files().map(|(l, f)| (l, f.dropped)));
    sheet.counter("files_completed", "Files completed", files().map(|(l, f)| (l, f.files)));
    let up = files().map(|(l, f)| (l, f64::from(u8::from(f.error.is_none()))));
    sheet.gauge("files_up", "1 unless nothing can be recorded in files", None, up);

    let variants = || {
        let labels = |source: &str, variant: &str| vec![("source", source.to_owned()), ("variant", variant.to_owned())];
        snapshot.sources.iter().flat_map(move |s| s.variants.iter().map(move |v| (labels(&s.name, &v.variant), v)))
    };
    sheet.counter("variant_pictures", "Pictures made", variants().map(|(l, v)| (l, v.pictures)));
    sheet.counter("variant_dropped", "Pictures decoded but not encoded", variants().map(|(l, v)| (l, v.dropped)));

    let totals = || {
        let labels = |source: &str, format: &str| vec![("source", source.to_owned()), ("format", format.to_owned())];
        snapshot.totals.iter().map(move |((source, format), totals)| (labels(source, format), totals))
    };
    sheet.counter("client_sessions", "Clients that came", totals().map(|(l, t)| (l, t.sessions)));
    sheet.counter("client_pictures", "Pictures sent", totals().map(|(l, t)| (l, t.pictures)));
    sheet.counter("client_sent_bytes", "Bytes sent", totals().map(|(l, t)| (l, t.bytes)));
    sheet.counter("client_dropped", "Pictures that clients were too slow for", totals().map(|(l, t)| (l, t.dropped)));
    sheet.counter("client_late", "Pictures held back to keep to max_age", totals().map(|(l, t)| (l, t.late)));

    let clients = snapshot.clients.iter().map(|client| {
        let labels =
            vec![("client", client.id.to_string()), ("source", client.source.clone()), ("peer", client.peer.clone())];
        (labels, client.age_ms / 1000.0)
    });
    sheet.gauge("client_age", "Age of the client's last picture when its last byte left", Some(Unit::Seconds), clients);

    let mut text = String::new();
    encode(&mut text, &sheet.0)?;
    Ok(text)
}
