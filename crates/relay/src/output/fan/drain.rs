//! A client that cannot keep up, until it can.
//!
//! It has a task of its own, which begins a picture only when the one before has been
//! read, as far as the kernel can tell ([`Pace`]): what lies in buffers on the way only
//! grows old. So a slow reader gets fewer pictures, and each of them fresh.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::pace::{Pace, Step};
use super::{Client, Fan, Newest, Part};
use crate::server::{STALL, stopped};

/// How long a client has to take the rest of its picture when the server stops.
const FAREWELL: Duration = Duration::from_millis(400);
/// A picture that has gone out by then was not held up by the client but by the limit on
/// what the kernel holds unsent.
const NO_HOLD_UP: Duration = Duration::from_millis(8);
/// A client that has read each of so many pictures before the next one came keeps up.
const KEPT_UP: u32 = 5;
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
        // One that has had nothing yet has nothing unread.
        let pace = Pace::new(Instant::now(), part.picture.data.len(), !client.greeting.is_empty());
        let mut slow = Slow { client, part, head, written, pace };
        let told = async {
            stopped(&mut stopping).await;
            sleep(FAREWELL).await;
        };
        let visit = slow.client.session.visit.clone();
        let over = async {
            match visit {
                Some(visit) => visit.over().await,
                None => std::future::pending().await,
            }
        };
        let result = tokio::select! {
            result = slow.catch_up(&fan) => result,
            () = over => Err(io::Error::other("its time is over, or its stream was taken away")),
            () = told => {
                let between = slow.written == 0;
                return farewell(slow.client, between);
            }
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
        // One that had to be written over time leaves the fan only for that.
        let (mut kept_up, mut stay_for) = (0, 0);
        loop {
            let began = Instant::now();
            self.finish(fan).await?;
            if began.elapsed() < NO_HOLD_UP && kept_up >= stay_for && !stays {
                return Ok(());
            }
            stay_for = KEPT_UP;
            if !self.settle().await? {
                return Ok(());
            }
            match self.next(&mut newest).await? {
                Next::InTime => kept_up += 1,
                Next::Missed => kept_up = 0,
                Next::None => return Ok(()),
            }
        }
    }

    /// Writes the part to its end, or a newer one as long as none of it has gone out.
    async fn finish(&mut self, fan: &Fan) -> io::Result<()> {
        loop {
            if self.written == 0 {
                self.pace.begin(Instant::now(), self.part.picture.data.len());
            }
            let whole = self.client.length(&self.part, &self.head);
            self.written = self.client.write(&self.part, &self.head, self.written)?;
            if self.written == whole {
                self.client.sent(&self.part, whole);
                self.written = 0;
                return Ok(());
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

    /// Waits until it is time for the next picture; `false` where the system cannot tell.
    async fn settle(&mut self) -> io::Result<bool> {
        let since = Instant::now();
        loop {
            let Ok(state) = sys::send_state(&self.client.socket) else { return Ok(false) };
            let now = Instant::now();
            match self.pace.step(now, state) {
                Step::Wait(_) if now - since > STALL => return Err(stalled()),
                Step::Wait(time) => tokio::select! {
                    () = sleep(time) => {}
                    error = self.client.leaving() => return Err(error),
                },
                Step::Probe if self.client.probe()? => {}
                Step::Probe => {
                    self.pace.give_up(now);
                    return Ok(true);
                }
                Step::Begin => return Ok(true),
            }
        }
    }

    /// Waits for a picture that the client has not had and that would reach it in time.
    async fn next(&mut self, newest: &mut watch::Receiver<Newest>) -> io::Result<Next> {
        let began = Instant::now();
        let mut was_there = true;
        loop {
            let last = self.client.last;
            let newer = |newest: &Newest| match newest {
                Newest::Part(part) => part.index > last,
                Newest::Nothing => false,
                Newest::Over(_) => true,
            };
            was_there = was_there && newer(&newest.borrow());
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
            let needed = self.pace.needed(Instant::now(), part.picture.data.len());
            let hopeless = self.client.session.max_age.is_some_and(|most| needed > most);
            let try_it = hopeless && began.elapsed() > TRY_AGAIN;
            self.client.behind.get_or_insert_default().needed = if try_it { Duration::ZERO } else { needed };
            if let Some(head) = self.client.choose(&part) {
                (self.part, self.head) = (part, head);
                return Ok(if is_next && !was_there { Next::InTime } else { Next::Missed });
            }
        }
    }
}

/// How a picture came.
enum Next {
    /// It is the one after the last, and the client was waiting for it.
    InTime,
    Missed,
    None,
}

fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("the client took nothing for {STALL:?}"))
}

/// Ends the stream of a client: in order, if it is `between` two pictures.
pub(super) fn farewell(mut client: Client, between: bool) {
    tokio::spawn(async move {
        let _ = timeout(FAREWELL, async {
            if between && client.ahead() == 0 {
                let closing = [&*client.greeting, client.framing.closing()].concat();
                client.socket.write_all(&closing).await?;
            }
            client.socket.shutdown().await
        })
        .await;
    });
}
