//! One client of a tape over HTTP: its socket, its place, and what it has missed.
//!
//! A client that cannot keep up passes over packets up to the newest keyframe: it sees
//! fewer pictures, never a damaged one, and none that is old.

use std::io::{self, IoSlice};
use std::time::Duration;

use axum::response::Response;
use bytes::{Bytes, BytesMut};
use feed::Entry;
use mms::http::server;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Ask;
use super::tape::{Reader, Reel};
use crate::server::{STALL, Socket, hold_back, stopped};
use crate::session::{Counts, Entered};

/// How long a client has to take the end of its stream.
pub(crate) const FAREWELL: Duration = Duration::from_millis(400);
/// Packets written in one go, where they are waiting.
const BATCH: usize = 32;

/// What goes around the packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Framing {
    /// MMS over HTTP ([MS-WMSP] 2.2.3).
    Mmsh,
    /// None: an ASF file that has no end. Packets are as long as its header says.
    Plain,
    /// None: any other container.
    Bare,
}

/// Why the sending ends.
enum End {
    /// The source is over, or the server stops: the client is told.
    Told,
    /// The client has left, or takes nothing.
    Gone(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

/// Answers with `greeting` and what `reader` has from the header of `reel` on, until either side
/// is done. Returns as [`crate::server::Takeover::give`] does.
pub(super) async fn play(
    ask: Ask,
    session: Entered,
    reader: Reader,
    reel: Reel,
    framing: Framing,
    greeting: Vec<u8>,
) -> Response {
    let Ask { takeover, source, stopping, .. } = ask;
    let order = move |socket: Socket| {
        hold_back(&socket.stream);
        tokio::spawn(async move {
            // Its connection counts for as long as it plays, and a file that is opened for it
            // alone is read for as long.
            let _kept = (socket.place, source);
            Player { socket: socket.stream, session, reader, reel, framing, stopping }.run(greeting).await;
        });
    };
    takeover.give(Box::new(order)).await
}

struct Player {
    socket: TcpStream,
    session: Entered,
    reader: Reader,
    /// The reel whose header the client is to have first.
    reel: Reel,
    framing: Framing,
    stopping: watch::Receiver<bool>,
}

impl Player {
    /// Sends `greeting`, the header, and packets, until either side is done.
    pub(super) async fn run(mut self, greeting: Vec<u8>) {
        let mut stopping = self.stopping.clone();
        let end = tokio::select! {
            end = self.play(greeting) => end,
            // One that is slow is not waited for; its packet stays torn.
            () = async { stopped(&mut stopping).await; sleep(FAREWELL).await } => {
                End::Gone(io::ErrorKind::TimedOut.into())
            }
        };
        match end {
            End::Told => {
                let _ = timeout(FAREWELL, async {
                    if self.framing == Framing::Mmsh {
                        self.socket.write_all(&server::frame_end(0)).await?;
                    }
                    self.socket.shutdown().await
                })
                .await;
            }
            End::Gone(error) => {
                tracing::debug!(peer = %self.session.peer, source = self.session.source, %error, "reader gone");
            }
        }
    }

    async fn play(&mut self, greeting: Vec<u8>) -> End {
        match self.send_all(greeting).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn send_all(&mut self, greeting: Vec<u8>) -> Result<std::convert::Infallible, End> {
        let mut head = BytesMut::from(&greeting[..]);
        self.put_header(&mut head);
        write_all(&self.socket, &[&head]).await?;
        let mut place = Place::default();
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let entry = tokio::select! {
                entry = self.reader.seat.cursor.next() => entry.map_err(|feed::Closed| End::Told)?,
                error = left(&self.socket) => return Err(error.into()),
                () = stopped(&mut self.stopping) => return Err(End::Told),
                () = self.session.over() => return Err(End::Told),
            };
            let mut next = Some(entry);
            while let Some(entry) = next.take() {
                if place.admits(&entry, &self.session.counts) && !self.reader.seat.is_late(&entry, &self.session.counts)
                {
                    if !self.reel.has(&entry) {
                        self.send(&mut batch, &mut place).await?;
                        self.change(&entry).await?;
                    }
                    batch.push(entry);
                }
                if batch.len() < BATCH {
                    // What is at hand goes out first, then the end is told.
                    next = self.reader.seat.cursor.try_next().unwrap_or(None);
                }
            }
            self.send(&mut batch, &mut place).await?;
        }
    }

    /// Another header, that of `entry`, in the middle of the stream.
    async fn change(&mut self, entry: &Entry) -> Result<(), End> {
        let reel = Reel::of(entry);
        match self.framing {
            Framing::Mmsh => {}
            // What has no header goes on: its packets tell what they are.
            Framing::Bare if reel.header.is_empty() && self.reel.header.is_empty() => {
                self.reel = reel;
                return Ok(());
            }
            // A file has one header only: the player opens it again.
            Framing::Plain | Framing::Bare => return Err(End::Told),
        }
        self.reel = reel;
        let mut head = BytesMut::new();
        head.extend_from_slice(&server::frame_end(1));
        head.extend_from_slice(&server::frame_change(0));
        self.put_header(&mut head);
        Ok(write_all(&self.socket, &[&head]).await?)
    }

    fn put_header(&self, out: &mut BytesMut) {
        match self.framing {
            Framing::Mmsh => server::frame_header(&self.reel.header, out),
            Framing::Plain | Framing::Bare => out.extend_from_slice(&self.reel.header),
        }
    }

    async fn send(&mut self, batch: &mut Vec<Entry>, place: &mut Place) -> Result<(), End> {
        if batch.is_empty() {
            return Ok(());
        }
        let heads: Vec<[u8; 12]> = match self.framing {
            Framing::Mmsh => batch.iter().map(|entry| place.head(entry)).collect(),
            Framing::Plain | Framing::Bare => Vec::new(),
        };
        let padded: Vec<Bytes> = match self.framing {
            Framing::Mmsh | Framing::Bare => Vec::new(),
            Framing::Plain => {
                batch.iter().map(|entry| asf::padding::padded(&entry.packet.data, self.reel.packet_size)).collect()
            }
        };
        let slices: Vec<&[u8]> = match self.framing {
            Framing::Mmsh => {
                heads.iter().zip(&*batch).flat_map(|(head, entry)| [&head[..], &entry.packet.data]).collect()
            }
            Framing::Plain => padded.iter().map(|packet| &packet[..]).collect(),
            Framing::Bare => batch.iter().map(|entry| &entry.packet.data[..]).collect(),
        };
        write_all(&self.socket, &slices).await?;
        if let Some(last) = batch.last() {
            let bytes = slices.iter().map(|slice| slice.len() as u64).sum();
            self.session.counts.sent(batch.len() as u64, bytes, last.packet.received);
        }
        batch.clear();
        Ok(())
    }
}

/// Where a client is in its stream.
#[derive(Default)]
pub(crate) struct Place {
    /// It has had a keyframe since it came, or since it lost packets.
    keyed: bool,
    /// The number of the next packet that is sent, as far as it goes on the wire.
    sequence: u8,
}

impl Place {
    /// Whether a client can make anything of `entry`; counts what it lost before it.
    pub(crate) fn admits(&mut self, entry: &Entry, counts: &Counts) -> bool {
        if entry.lost > 0 {
            Counts::add(&counts.dropped, entry.lost);
            self.keyed = false;
        }
        self.keyed |= entry.packet.key;
        self.keyed
    }

    fn head(&mut self, entry: &Entry) -> [u8; 12] {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        server::frame_packet(location(entry), sequence, entry.packet.data.len())
    }
}

/// The number of a packet of a broadcast: 32 bits that count up.
pub(crate) fn location(entry: &Entry) -> u32 {
    entry.index as u32
}

/// Writes all of `slices` and ends the connection.
pub(super) async fn say(mut socket: TcpStream, slices: &[&[u8]]) -> io::Result<()> {
    write_all(&socket, slices).await?;
    socket.shutdown().await
}

/// Writes all of `slices`, in order, however often the socket is full.
pub(crate) async fn write_all(socket: &TcpStream, slices: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<IoSlice> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
    let mut left = &mut slices[..];
    // Empty ones in front would look like a socket that takes nothing.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match socket.try_write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut left, count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let ready = timeout(STALL, socket.writable()).await;
                ready
                    .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the client took nothing for too long"))??;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits until the client closes its side, or breaks off. What it says means nothing.
pub(crate) async fn left(socket: &TcpStream) -> io::Error {
    let mut ignored = [0; 1024];
    loop {
        if let Err(error) = socket.readable().await {
            return error;
        }
        match socket.try_read(&mut ignored) {
            Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => tokio::task::yield_now().await,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return error,
        }
    }
}
