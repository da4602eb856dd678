//! One client of the past: its socket, and its own place in the recording.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use feed::Entry;
use source::Error;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Supply;
use super::pack::Pack;
use crate::output::player::{FAREWELL, left, write_all};
use crate::server::stopped;
use crate::session::{Counts, Entered};

pub(super) struct Player {
    pub(super) socket: TcpStream,
    pub(super) session: Entered,
    pub(super) supply: Supply,
    pub(super) pack: Pack,
    pub(super) stopping: watch::Receiver<bool>,
}

/// Why the sending ends.
enum End {
    /// There is no more, or nobody may have it any more.
    Over,
    /// The client has left, or takes nothing.
    Gone(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl Player {
    /// Sends `greeting`, what becomes of `first`, and everything after it.
    pub(super) async fn run(mut self, greeting: Vec<u8>, first: Entry) {
        let mut stopping = self.stopping.clone();
        let end = tokio::select! {
            end = self.play(greeting, first) => end,
            // One that takes nothing is not waited for.
            () = async { stopped(&mut stopping).await; tokio::time::sleep(FAREWELL).await } => {
                End::Gone(io::ErrorKind::TimedOut.into())
            }
        };
        match end {
            End::Over => {
                let last = self.pack.finish();
                let farewell = async {
                    send(&self.socket, &last).await?;
                    self.socket.shutdown().await
                };
                let _ = timeout(Duration::from_secs(5), farewell).await;
            }
            End::Gone(error) => {
                tracing::debug!(peer = %self.session.peer, source = self.session.source, %error, "reader gone");
            }
        }
    }

    async fn play(&mut self, greeting: Vec<u8>, first: Entry) -> End {
        match self.send_all(greeting, first).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn send_all(&mut self, greeting: Vec<u8>, first: Entry) -> Result<std::convert::Infallible, End> {
        write_all(&self.socket, &[&greeting]).await?;
        let mut next = first;
        loop {
            if !self.pack.takes(&next) {
                return Err(End::Over);
            }
            Counts::add(&self.session.counts.dropped, next.lost);
            let pieces = self.pack.push(&next.packet).map_err(|error| {
                tracing::warn!(%error, source = self.session.source, "what was recorded cannot be packed");
                End::Over
            })?;
            let bytes = send(&self.socket, &pieces).await?;
            self.session.counts.sent(1, bytes, next.packet.received);
            next = tokio::select! {
                entry = self.supply.next() => match entry {
                    Ok(Some(entry)) => entry,
                    Ok(None) | Err(Error::Ended { .. }) => return Err(End::Over),
                    Err(error) => {
                        tracing::warn!(%error, source = self.session.source, "the past ends here");
                        return Err(End::Over);
                    }
                },
                error = left(&self.socket) => return Err(error.into()),
                () = stopped(&mut self.stopping) => return Err(End::Over),
                () = self.session.over() => return Err(End::Over),
            };
        }
    }
}

async fn send(socket: &TcpStream, pieces: &[Bytes]) -> io::Result<u64> {
    let slices: Vec<&[u8]> = pieces.iter().map(|piece| &piece[..]).collect();
    write_all(socket, &slices).await?;
    Ok(slices.iter().map(|slice| slice.len() as u64).sum())
}
