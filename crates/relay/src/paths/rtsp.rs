//! Streams with `Format rtp`: the same names, rules and limits by RTSP.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use super::table::{Entry, Out, What};
use super::{Paths, Visit, serve};
use crate::output::Tags;
use crate::{Group, Relay, RtspStream};

/// A stream that only RTSP serves.
fn of(entry: &Entry) -> Option<&Out> {
    match &entry.what {
        What::Stream(out) if out.format.is_none() => Some(out),
        _ => None,
    }
}

impl Out {
    /// The group that it is sent to.
    pub(super) fn group(&self) -> Option<Group> {
        self.stream.multicast.as_ref().map(|to| Group { address: to.address, port: to.port, ttl: to.ttl })
    }

    /// What a client of RTSP gets. Needs a tokio runtime.
    ///
    /// # Errors
    /// When its file cannot be one.
    pub(super) fn rtsp(&self) -> Result<RtspStream, source::Error> {
        let tags = Tags::new(&self.stream.metadata);
        let said = |key| tags.of(key).map(str::to_owned);
        Ok(RtspStream {
            source: self.open()?,
            group: self.group(),
            encoding: self.encoding,
            title: said("title"),
            words: said("comment"),
        })
    }
}

/// What a client of RTSP has asked for, for as long as it is there.
#[derive(Clone)]
pub(crate) struct Held(Arc<Entry>);

impl Held {
    /// Waits until a reload has put something else in its place, or nothing.
    pub(crate) async fn gone(&self) {
        self.0.gone().await;
    }
}

impl Paths {
    /// The entry of what a client at `address` finds behind `path`.
    pub(crate) fn held(&self, address: IpAddr, path: &str) -> Option<Held> {
        self.table().find(path, address).cloned().map(Held)
    }

    /// The feed that a sender at `address` may feed under `name`, with `.ffm` behind it or not.
    pub(crate) fn feed_at(&self, address: IpAddr, name: &str) -> Option<source::Supervisor> {
        let table = self.table();
        let entry = table.find(name, address).or_else(|| table.find(&format!("{name}.ffm"), address))?;
        match &entry.what {
            What::Feed(feed) if feed.is_pushed() => Some(feed.clone()),
            _ => None,
        }
    }

    /// Whether the configuration has something called `name`, or a feed that it may mean, for whomever.
    pub(crate) fn has_of_feed(&self, name: &str) -> bool {
        self.has(name) || self.has(&format!("{name}.ffm"))
    }

    /// What a client at `address` finds behind `path` by RTSP.
    pub(crate) fn rtsp(&self, address: IpAddr, path: &str) -> Option<RtspStream> {
        let table = self.table();
        let opened = of(table.find(path, address)?)?.rtsp();
        opened.inspect_err(|error| tracing::warn!(path, %error, "cannot be opened")).ok()
    }

    /// Whether the configuration has `path` at all; then nobody else has it.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.table().named(path).next().is_some()
    }

    /// Counts a client that is about to play `path` by RTSP among the viewers; nothing where
    /// there is no room for it.
    pub(crate) fn play(&self, relay: &Arc<Relay>, peer: SocketAddr, path: &str, agent: &str) -> Option<Arc<Visit>> {
        let entry = Arc::clone(self.table().find(path, peer.ip())?);
        let until = of(&entry)?.stream.max_time.map(|time| Instant::now() + time);
        serve::take_place(relay, self, &entry).ok()?;
        Some(Arc::new(Visit::rtsp(relay, peer, path, agent, entry).viewer(until)))
    }
}
