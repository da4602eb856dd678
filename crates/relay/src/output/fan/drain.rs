//! A client that cannot keep up, until it can.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use formats::multipart;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Client, Fan, Newest, Offered, Part};
use crate::server::stopped;

/// A client that takes no byte for so long is closed.
const STALL: Duration = Duration::from_secs(30);
/// How long a client has to take the rest of its picture when the server stops.
const FAREWELL: Duration = Duration::from_millis(400);

/// Writes the rest of `part` to `client`, then the newest picture as long as there is one
/// it has not had, and then lets it back into its fan.
pub(super) fn spawn(
    client: Client,
    part: Arc<Part>,
    head: Bytes,
    written: usize,
    fan: Arc<Fan>,
    mut stopping: watch::Receiver<bool>,
) {
    tokio::spawn(async move {
        let mut slow = Slow { client, part, head, written };
        let told = async {
            stopped(&mut stopping).await;
            tokio::time::sleep(FAREWELL).await;
        };
        let result = tokio::select! {
            result = slow.catch_up(&fan) => result,
            () = told => return,
        };
        match result {
            Ok(()) => slow.client.join(),
            Err(error) => {
                let session = &slow.client.session;
                tracing::debug!(peer = %session.peer, source = session.source, %error, "reader gone");
            }
        }
    });
}

struct Slow {
    client: Client,
    part: Arc<Part>,
    head: Bytes,
    written: usize,
}

impl Slow {
    async fn catch_up(&mut self, fan: &Fan) -> io::Result<()> {
        loop {
            self.finish(fan).await?;
            let newest = match &*fan.newest.borrow() {
                Newest::Part(part) if part.index > self.client.last => Arc::clone(part),
                _ => return Ok(()),
            };
            match self.client.offer(&newest) {
                Offered::Taken => return Ok(()),
                Offered::Gone => return Err(io::ErrorKind::ConnectionReset.into()),
                Offered::Blocked { head, written } => {
                    (self.part, self.head, self.written) = (newest, head, written);
                }
            }
        }
    }

    /// Writes the part to its end, or a newer one as long as none of it has gone out.
    async fn finish(&mut self, fan: &Fan) -> io::Result<()> {
        let began = Instant::now();
        while self.written < self.client.length(&self.part, &self.head) {
            timeout(STALL, self.client.socket.writable()).await.map_err(|_| stalled())??;
            if self.written == 0 && !self.renew(fan) {
                return Ok(());
            }
            self.written = self.client.write(&self.part, &self.head, self.written)?;
        }
        self.client.sent(&self.part, self.written);
        self.client.behind = Some(began.elapsed());
        Ok(())
    }

    /// Takes the newest picture; `false` when even that is too old.
    fn renew(&mut self, fan: &Fan) -> bool {
        if let Newest::Part(part) = &*fan.newest.borrow()
            && part.index > self.client.last
        {
            self.client.pass_over();
            self.part = Arc::clone(part);
        }
        match self.client.choose(&self.part) {
            Some(head) => self.head = head,
            None => return false,
        }
        true
    }
}

fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("the client took nothing for {STALL:?}"))
}

/// Ends the stream of a client in order.
pub(super) fn farewell(mut client: Client) {
    tokio::spawn(async move {
        let _ = timeout(FAREWELL, async {
            let closing = [&*client.greeting, multipart::CLOSING].concat();
            client.socket.write_all(&closing).await?;
            client.socket.shutdown().await
        })
        .await;
    });
}
