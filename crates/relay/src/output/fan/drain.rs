//! A client that cannot keep up, until it can.
//!
//! It has a task of its own, which begins a picture only when the one before has been
//! read, as far as the kernel can tell ([`Pace`]): what lies in buffers on the way only
//! grows old. So a slow reader gets fewer pictures, and each of them fresh.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use formats::multipart;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::pace::Pace;
use super::{Client, Fan, Newest, Part};
use crate::server::stopped;

/// A client that takes no byte for so long is closed.
const STALL: Duration = Duration::from_secs(30);
/// How long a client has to take the rest of its picture when the server stops.
const FAREWELL: Duration = Duration::from_millis(400);
/// A picture that has gone out by then was not held up by the client but by the limit on
/// what the kernel holds unsent.
const NO_HOLD_UP: Duration = Duration::from_millis(8);
/// A client that has read each of so many pictures before the next one came keeps up.
const KEPT_UP: u32 = 5;
/// Bytes on their way that do not hold up the next picture.
const SETTLED: u64 = 4096;
/// How often the kernel is asked whether a picture has arrived.
const LOOK: Duration = Duration::from_millis(4);
/// A client that wants to be told waits so long for a picture.
const TELL: Duration = Duration::from_millis(1500);
/// A client that can never have its pictures in the time it asked for is tried again
/// after this.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Writes the rest of `part` to `client`, then newest pictures at the client's own pace,
/// and lets it back into its fan when it keeps up.
pub(super) fn spawn(
    client: Client,
    part: Arc<Part>,
    head: Bytes,
    written: usize,
    fan: Arc<Fan>,
    mut stopping: watch::Receiver<bool>,
) {
    tokio::spawn(async move {
        let mut slow = Slow { client, part, head, written, pace: Pace::default() };
        let told = async {
            stopped(&mut stopping).await;
            sleep(FAREWELL).await;
        };
        let result = tokio::select! {
            result = slow.catch_up(&fan) => result,
            () = told => return farewell(slow.client, slow.written == 0),
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
    /// Bytes of the part that have gone out.
    written: usize,
    pace: Pace,
}

impl Slow {
    async fn catch_up(&mut self, fan: &Fan) -> io::Result<()> {
        let mut newest = fan.newest.subscribe();
        let stays = self.client.session.max_age.is_some();
        let mut kept_up = 0;
        let mut entering = true;
        if let Ok(state) = sys::send_state(&self.client.socket) {
            self.pace.see(state);
        }
        loop {
            let (began, before) = (Instant::now(), self.written);
            let size = self.finish(fan).await?;
            let took = began.elapsed();
            if entering && !stays && took < NO_HOLD_UP {
                return Ok(());
            }
            entering = false;
            if !self.arrive(began, size).await? {
                return Ok(());
            }
            if took > NO_HOLD_UP {
                self.pace.blocked(Instant::now(), size.saturating_sub(before), size, began.elapsed());
            }
            match self.next(&mut newest).await? {
                Next::TheVeryNext => kept_up += 1,
                Next::AfterOthers => kept_up = 0,
                Next::None => return Ok(()),
            }
            if kept_up > KEPT_UP && !stays {
                // The fan gives it the newest picture itself.
                self.client.last -= 1;
                return Ok(());
            }
        }
    }

    /// Writes the part to its end, or a newer one as long as none of it has gone out.
    /// Returns its bytes.
    async fn finish(&mut self, fan: &Fan) -> io::Result<usize> {
        loop {
            let whole = self.client.length(&self.part, &self.head);
            self.written = self.client.write(&self.part, &self.head, self.written)?;
            if self.written == whole {
                self.client.sent(&self.part, whole);
                self.written = 0;
                return Ok(whole);
            }
            timeout(STALL, self.client.socket.writable()).await.map_err(|_| stalled())??;
            if self.written == 0 {
                self.renew(fan);
            }
        }
    }

    /// Takes the newest picture in the place of one of which nothing has gone out.
    fn renew(&mut self, fan: &Fan) {
        if let Newest::Part(part) = &*fan.newest.borrow()
            && part.index > self.client.last
        {
            self.client.pass_over();
            self.part = Arc::clone(part);
            self.head = self.client.lines(&self.part);
        }
    }

    /// Waits until the client's host has all `size` bytes; `false` where the system cannot
    /// tell.
    async fn arrive(&mut self, began: Instant, size: usize) -> io::Result<bool> {
        let since = Instant::now();
        loop {
            let Ok(state) = sys::send_state(&self.client.socket) else { return Ok(false) };
            if state.unsent + state.in_flight <= SETTLED {
                self.pace.delivered(began, size, state);
                return Ok(true);
            }
            if since.elapsed() > STALL {
                return Err(stalled());
            }
            sleep(LOOK).await;
        }
    }

    /// Waits for a picture that the client has not had and that would reach it in time.
    async fn next(&mut self, newest: &mut watch::Receiver<Newest>) -> io::Result<Next> {
        let began = Instant::now();
        loop {
            let last = self.client.last;
            let newer = |newest: &Newest| match newest {
                Newest::Part(part) => part.index > last,
                Newest::Nothing => false,
                Newest::Over(_) => true,
            };
            let part = tokio::select! {
                found = newest.wait_for(newer) => match found.as_deref() {
                    Ok(Newest::Part(part)) => Arc::clone(part),
                    _ => return Ok(Next::None),
                },
                error = self.client.leaving() => return Err(error),
                // The fan tells it why there are none.
                () = sleep(TELL), if self.client.placeholder => return Ok(Next::None),
            };
            let is_next = part.index == last + 1;
            // What a picture takes to be read, so that none is begun in vain.
            let needed = self.pace.needed();
            let hopeless = self.client.session.max_age.is_some_and(|most| needed > most);
            self.client.behind = if hopeless && began.elapsed() > TRY_AGAIN { None } else { Some(needed) };
            if let Some(head) = self.client.choose(&part) {
                (self.part, self.head) = (part, head);
                return Ok(if is_next { Next::TheVeryNext } else { Next::AfterOthers });
            }
        }
    }
}

/// What came after the last picture.
enum Next {
    TheVeryNext,
    AfterOthers,
    None,
}

fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("the client took nothing for {STALL:?}"))
}

/// Ends the stream of a client: in order, if it is `between` two pictures.
pub(super) fn farewell(mut client: Client, between: bool) {
    tokio::spawn(async move {
        let _ = timeout(FAREWELL, async {
            if between {
                let closing = [&*client.greeting, multipart::CLOSING].concat();
                client.socket.write_all(&closing).await?;
            }
            client.socket.shutdown().await
        })
        .await;
    });
}
