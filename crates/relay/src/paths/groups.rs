//! Streams that are sent to groups: which of them are sent now, over reloads.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::task::AbortHandle;

use super::Paths;
use super::table::{Entry, What};
use crate::rtsp::Sender;
use crate::{Group, Relay};

/// A stream that is sent to a group.
pub(crate) struct Sent {
    entry: Arc<Entry>,
    group: Group,
}

impl Sent {
    /// Its group's address, with the port of its first track.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.group.address, self.group.port)
    }

    /// Sockets to send it by, from `interface`.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn bind(&self, interface: IpAddr) -> std::io::Result<Sender> {
        Sender::bind(self.group, interface)
    }
}

/// The senders that run. Dropping it ends them.
#[derive(Default)]
pub(crate) struct Groups(Vec<(Arc<Entry>, AbortHandle)>);

impl Groups {
    /// Begins to send.
    pub(crate) fn start(&mut self, relay: &Arc<Relay>, sent: Sent, sender: Sender) {
        let What::Stream(out) = &sent.entry.what else { return };
        let stream = out.open_for_all().and_then(|source| Ok(crate::RtspStream { source, ..out.rtsp()? }));
        match stream {
            Ok(stream) => {
                let task = tokio::spawn(sender.run(Arc::clone(relay), stream)).abort_handle();
                self.0.push((sent.entry, task));
            }
            Err(error) => tracing::warn!(stream = sent.entry.name, %error, "is not sent to its group"),
        }
    }

    /// Goes over to what the table says now: what is the same is sent on.
    fn follow(&mut self, relay: &Arc<Relay>, paths: &Paths, interface: IpAddr) {
        let wanted = paths.groups();
        self.0.retain(|(entry, task)| {
            let is_wanted = wanted.iter().any(|sent| Arc::ptr_eq(&sent.entry, entry));
            if !is_wanted {
                task.abort();
            }
            is_wanted
        });
        for sent in wanted {
            if self.0.iter().any(|(entry, _)| Arc::ptr_eq(entry, &sent.entry)) {
                continue;
            }
            let (name, address) = (sent.entry.name.clone(), sent.address());
            match sent.bind(interface) {
                Ok(sender) => {
                    self.start(relay, sent, sender);
                    tracing::info!(stream = name, %address, "is sent to its group");
                }
                Err(error) => tracing::error!(stream = name, %address, %error, "is not sent to its group"),
            }
        }
    }

    /// Follows what reloads say, for ever.
    pub(crate) async fn run(mut self, relay: Arc<Relay>, interface: IpAddr) {
        let Some(paths) = relay.paths() else { return };
        loop {
            paths.reloaded.notified().await;
            self.follow(&relay, paths, interface);
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.0.iter().for_each(|(_, task)| task.abort());
    }
}

impl Paths {
    /// The streams that are to be sent to groups.
    pub(crate) fn groups(&self) -> Vec<Sent> {
        let table = self.table();
        let sent = table.entries().filter_map(|entry| {
            let What::Stream(out) = &entry.what else { return None };
            Some(Sent { entry: Arc::clone(entry), group: out.group()? })
        });
        sent.collect()
    }
}
