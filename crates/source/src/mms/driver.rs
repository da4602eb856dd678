//! Runs one session on sockets.
//!
//! A [`mms::Session`] says what to send and takes what comes; here are the TCP connection,
//! the UDP socket and the timer that it is told of. Whoever has a driver takes events out
//! of it; dropping it tells the server that we go.

use std::collections::VecDeque;
use std::future::{self, Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use mms::{Event, Play, Session, Transmit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::time::{sleep_until, timeout};

use super::failure;
use crate::Error;
use crate::line::{Datagrams, Line};
use crate::wire::Wire;

/// What is read of the connection at once, in bytes.
const READ: usize = 64 << 10;
/// The largest datagram.
const DATAGRAM: usize = 64 << 10;
/// Most datagrams of ours that wait for the socket; further ones are lost, as on the way.
const MOST_DATAGRAMS: usize = 64;
/// Most bytes of ours that wait for a server that does not read, before nothing is read of it
/// either: whoever sends pings and takes no answers is not to fill the memory.
const MOST_OUTPUT: usize = 64 << 10;
/// How long what has piled up at the socket has to be read, once there is room for it again.
const RESUMPTION: Duration = Duration::from_secs(1);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection that is being made.
type Dialing = Pin<Box<dyn Future<Output = Result<Wire, Error>> + Send>>;

/// One session and its sockets.
pub(super) struct Driver {
    session: Box<dyn Session>,
    /// What is asked for, for messages.
    place: String,
    /// Every connection goes there: of a host with several addresses, only one knows us.
    server: SocketAddr,
    /// An open connection that the session has not asked for yet.
    ready: Option<Wire>,
    tcp: Option<Wire>,
    dialing: Option<Dialing>,
    /// The way there.
    line: Line,
    udp: Option<Datagrams>,
    output: BytesMut,
    datagrams: VecDeque<(SocketAddr, Bytes)>,
    input: BytesMut,
    datagram: Box<[u8]>,
    failure: Option<Error>,
    /// Nothing was read of the connection, for want of room.
    paused: bool,
    /// When that was over, if nothing has been read since.
    resumed: Option<Instant>,
    /// A header has come: the server serves what it was asked for.
    opened: bool,
}

/// What the sockets did.
enum Happened {
    Dialed(Result<Wire, Error>),
    /// So many bytes came into the input.
    Read(io::Result<usize>),
    Wrote(io::Result<usize>),
    Datagram(io::Result<(usize, SocketAddr)>),
    Sent,
    TimedOut,
}

impl Driver {
    /// A driver of `session` to the server that `tcp` is connected to; data comes to `udp` if
    /// there is one. `place` is what messages call the thing that is asked for.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub(super) fn new(
        session: Box<dyn Session>,
        place: String,
        line: Line,
        tcp: Wire,
        udp: Option<Datagrams>,
    ) -> Result<Self, Error> {
        let server = tcp.peer_addr().map_err(|error| Error::from_io(&place, &error))?;
        let datagram = if udp.is_some() { vec![0; DATAGRAM].into() } else { Box::default() };
        Ok(Self {
            session,
            place,
            server,
            ready: Some(tcp),
            tcp: None,
            dialing: None,
            line,
            udp,
            output: BytesMut::new(),
            datagrams: VecDeque::new(),
            input: BytesMut::new(),
            datagram,
            failure: None,
            paused: false,
            resumed: None,
            opened: false,
        })
    }

    /// What messages call the thing that is asked for.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The next event. Without `room` nothing is read of the connection meanwhile, so that
    /// the server has to wait, and its silence is no failure. Where data come in datagrams, it
    /// makes no difference. Cancel-safe.
    ///
    /// # Errors
    /// When the server refuses, breaks the rules, or is gone.
    pub(super) async fn next(&mut self, room: bool) -> Result<Event, Error> {
        loop {
            self.obey();
            if let Some(event) = self.session.poll_event() {
                self.opened |= matches!(event, Event::Header(_));
                return Ok(event);
            }
            if let Some(error) = self.failure.take() {
                return Err(error);
            }
            let happened = self.wait(room).await;
            self.handle(happened);
        }
    }

    /// Answers a header.
    ///
    /// # Errors
    /// When no header waits for an answer.
    pub(super) fn play(&mut self, play: &Play) -> Result<(), Error> {
        self.session.play(Instant::now(), play).map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &mms::Error) -> Error {
        failure::of(error, &self.place, self.opened)
    }

    fn check(&mut self, result: Result<(), mms::Error>) {
        if let Err(error) = result {
            tracing::debug!(%error, place = self.place, "session ended");
            let error = self.explain(&error);
            self.failure.get_or_insert(error);
        }
    }

    /// Takes what the session wants sent.
    fn obey(&mut self) {
        while let Some(transmit) = self.session.poll_transmit() {
            match transmit {
                Transmit::Connect => {
                    if let Some(old) = self.tcp.take() {
                        part(old, self.output.split().freeze());
                    }
                    self.output.clear();
                    match self.ready.take() {
                        Some(stream) => self.connected(stream),
                        None => {
                            tracing::debug!(server = %self.server, "connecting again");
                            let (line, server) = (self.line.clone(), self.server);
                            self.dialing = Some(Box::pin(async move { line.connect_to(server).await }));
                        }
                    }
                }
                Transmit::Stream(bytes) => self.output.extend_from_slice(&bytes),
                Transmit::Datagram { port, data } => {
                    if self.datagrams.len() < MOST_DATAGRAMS {
                        self.datagrams.push_back((SocketAddr::new(self.server.ip(), port), data));
                    }
                }
            }
        }
    }

    /// When the session is to be told of the time, unless it is we who make the server wait.
    fn deadline(&mut self, room: bool) -> Option<Instant> {
        if !room {
            self.paused = true;
            return None;
        }
        if std::mem::take(&mut self.paused) {
            self.resumed = Some(Instant::now());
        }
        let due = self.session.poll_timeout()?;
        Some(self.resumed.map_or(due, |resumed| due.max(resumed + RESUMPTION)))
    }

    async fn wait(&mut self, room: bool) -> Happened {
        let room = room || self.udp.is_some();
        let deadline = self.deadline(room);
        let room = room && self.output.len() < MOST_OUTPUT;
        let Self { tcp, dialing, udp, output, datagrams, input, datagram, .. } = self;
        tokio::select! {
            dialed = async { dialing.as_mut().expect("guarded").await }, if dialing.is_some() => Happened::Dialed(dialed),
            happened = exchange(tcp.as_mut(), room, input, output) => happened,
            happened = mail(udp.as_ref(), datagrams.front(), datagram) => happened,
            () = at(deadline) => Happened::TimedOut,
        }
    }

    fn handle(&mut self, happened: Happened) {
        let now = Instant::now();
        if matches!(happened, Happened::Read(_)) {
            self.resumed = None;
        }
        match happened {
            Happened::Dialed(result) => {
                self.dialing = None;
                match result {
                    Ok(stream) => self.connected(stream),
                    Err(error) => {
                        self.failure.get_or_insert(error);
                    }
                }
            }
            Happened::Read(Ok(1..)) => {
                let input = self.input.split();
                let result = self.session.handle_bytes(now, &input);
                self.input = input;
                self.input.clear();
                self.check(result);
            }
            Happened::Read(closed) => {
                self.tcp = None;
                self.output.clear();
                match (self.session.handle_closed(now), closed) {
                    // What the system says is more than that it is over.
                    (Err(mms::Error::Closed { .. }), Err(error)) => {
                        let error = Error::from_io(&self.place, &error);
                        let error = if self.opened { Error::Ended { what: Some(error.what()) } } else { error };
                        self.failure.get_or_insert(error);
                    }
                    (result, _) => self.check(result),
                }
            }
            // What the server said before it hung up is still to be read, and says more.
            Happened::Wrote(Err(_)) => self.output.clear(),
            Happened::Wrote(Ok(_)) => {}
            Happened::Datagram(Ok((count, from))) => {
                // Anybody can send one.
                if from.ip().to_canonical() == self.server.ip().to_canonical() {
                    let result = self.session.handle_datagram(now, from.port(), &self.datagram[..count]);
                    self.check(result);
                }
            }
            Happened::Datagram(Err(error)) => {
                tracing::debug!(%error, "no more datagrams");
                self.udp = None;
            }
            Happened::Sent => drop(self.datagrams.pop_front()),
            Happened::TimedOut => {
                let result = self.session.handle_timeout(now);
                self.check(result);
            }
        }
    }

    fn connected(&mut self, stream: Wire) {
        match stream.local_addr() {
            Ok(local) => {
                self.tcp = Some(stream);
                let result = self.session.handle_connected(Instant::now(), local.ip().to_canonical());
                self.check(result);
            }
            Err(error) => {
                self.failure.get_or_insert(Error::from_io(&self.server.to_string(), &error));
            }
        }
    }
}

impl Drop for Driver {
    /// Takes leave, within [`FAREWELL`].
    fn drop(&mut self) {
        self.session.stop(Instant::now());
        while let Some(transmit) = self.session.poll_transmit() {
            match transmit {
                Transmit::Stream(bytes) => self.output.extend_from_slice(&bytes),
                // A farewell is not worth a connection.
                Transmit::Connect => break,
                Transmit::Datagram { .. } => {}
            }
        }
        if let Some(tcp) = self.tcp.take() {
            part(tcp, self.output.split().freeze());
        }
    }
}

/// Sends the last of a connection and closes it, in the background.
fn part(mut tcp: Wire, last: Bytes) {
    let Ok(runtime) = Handle::try_current() else { return };
    runtime.spawn(timeout(FAREWELL, async move {
        tcp.write_all(&last).await?;
        tcp.flush().await?;
        tcp.shutdown().await?;
        // A socket that is closed with bytes unread takes those back that it has sent.
        let mut rest = [0; 4096];
        while tcp.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    }));
}

/// Reads and writes the connection, if there is one.
async fn exchange(tcp: Option<&mut Wire>, room: bool, input: &mut BytesMut, output: &mut BytesMut) -> Happened {
    let Some(tcp) = tcp else { return future::pending().await };
    input.reserve(READ);
    // Both at once on one connection: each is begun anew whenever it is looked at, which loses
    // nothing of either.
    poll_fn(|context| {
        if !output.is_empty()
            && let Poll::Ready(count) = pin!(tcp.write_buf(output)).poll(context)
        {
            return Poll::Ready(Happened::Wrote(count));
        }
        match room {
            true => pin!(tcp.read_buf(input)).poll(context).map(Happened::Read),
            false => Poll::Pending,
        }
    })
    .await
}

/// Reads the socket for datagrams, if there is one, and sends the next one.
async fn mail(udp: Option<&Datagrams>, next: Option<&(SocketAddr, Bytes)>, buffer: &mut [u8]) -> Happened {
    let Some(udp) = udp else { return future::pending().await };
    let send = async {
        match next {
            // A datagram may be lost anyway.
            Some((to, data)) => drop(udp.send_to(data, *to).await),
            None => future::pending().await,
        }
    };
    tokio::select! {
        received = udp.recv_from(buffer) => Happened::Datagram(received),
        () = send => Happened::Sent,
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => future::pending().await,
    }
}

#[cfg(test)]
mod tests;
