//! One request, for as long as anything of it lasts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use axum::http::{HeaderMap, Method, Uri, Version, header};
use tokio::time::sleep_until;

use super::log::Line;
use super::table::Entry;
use crate::Relay;

/// A request. The handler has a handle of it and, if it becomes a stream, its session;
/// when the last one is dropped it is logged and no longer counted.
pub(crate) struct Visit {
    relay: Arc<Relay>,
    peer: SocketAddr,
    method: String,
    target: String,
    protocol: &'static str,
    referer: String,
    agent: String,
    entry: Option<Arc<Entry>>,
    is_viewer: bool,
    until: Option<Instant>,
    status: AtomicU16,
    bytes: AtomicU64,
}

/// Who comes, and with which request.
pub(super) struct Caller<'a> {
    pub(super) peer: SocketAddr,
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) version: Version,
    pub(super) headers: &'a HeaderMap,
}

impl Visit {
    /// A visit of `entry`, or of nothing.
    pub(super) fn new(relay: &Arc<Relay>, caller: &Caller<'_>, entry: Option<Arc<Entry>>) -> Self {
        let told = |name| caller.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        Self {
            relay: Arc::clone(relay),
            peer: caller.peer,
            method: caller.method.to_string(),
            target: caller.uri.path_and_query().map_or_else(|| "/".into(), ToString::to_string),
            protocol: if caller.version < Version::HTTP_11 { "HTTP/1.0" } else { "HTTP/1.1" },
            referer: told(header::REFERER),
            agent: told(header::USER_AGENT),
            entry,
            is_viewer: false,
            until: None,
            status: AtomicU16::new(200),
            bytes: AtomicU64::new(0),
        }
    }

    /// A visit of `entry` by RTSP.
    pub(super) fn rtsp(relay: &Arc<Relay>, peer: SocketAddr, path: &str, agent: &str, entry: Arc<Entry>) -> Self {
        Self {
            relay: Arc::clone(relay),
            peer,
            method: "PLAY".into(),
            target: format!("/{path}"),
            protocol: "RTSP/1.0",
            referer: String::new(),
            agent: agent.into(),
            entry: Some(entry),
            is_viewer: false,
            until: None,
            status: AtomicU16::new(200),
            bytes: AtomicU64::new(0),
        }
    }

    /// The same as one of the viewers, at the place that was taken for it, who is let go after
    /// the stream's time.
    pub(super) fn viewer(mut self, until: Option<Instant>) -> Self {
        self.is_viewer = true;
        if let Some(entry) = &self.entry {
            entry.tally.served.fetch_add(1, Relaxed);
        }
        self.until = until;
        self
    }

    /// What it is a visit of.
    pub(super) fn entry(&self) -> Option<&Arc<Entry>> {
        self.entry.as_ref()
    }

    /// The path it is a visit of.
    pub(crate) fn name(&self) -> &str {
        self.entry.as_ref().map_or("", |entry| &entry.name)
    }

    /// The status of the answer.
    pub(crate) fn answered(&self, status: u16) {
        self.status.store(status, Relaxed);
    }

    /// Counts what was sent.
    pub(crate) fn sent(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Whether it has to end: its time is up, or what it is a visit of is gone.
    pub(crate) fn is_over(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.is_gone())
            || self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Waits until it has to end.
    pub(crate) async fn over(&self) {
        let gone = async {
            match &self.entry {
                Some(entry) => entry.gone().await,
                None => std::future::pending().await,
            }
        };
        let late = async {
            match self.until {
                Some(until) => sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = gone => {}
            () = late => {}
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Relaxed);
        if let Some(entry) = &self.entry {
            entry.tally.bytes.fetch_add(bytes, Relaxed);
        }
        let Some(paths) = self.relay.paths() else { return };
        if self.is_viewer {
            paths.viewers.fetch_sub(1, Relaxed);
        }
        paths.log().write(&Line {
            peer: &self.peer.ip().to_canonical().to_string(),
            method: &self.method,
            target: &self.target,
            protocol: self.protocol,
            status: self.status.load(Relaxed),
            bytes,
            referer: &self.referer,
            agent: &self.agent,
        });
    }
}
