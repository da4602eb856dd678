//! One player on its connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::mms::{Content, Hresult, Server, ServerConfig, ServerEvent, ServerTransmit};
use bytes::Bytes;
use feed::Entry;
use source::{Error, Supervisor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};

use super::Inboxes;
use crate::Relay;
use crate::output::asf;
use crate::output::player::{self, FAREWELL, Place, write_all};
use crate::output::tape::{Reader, Reel};
use crate::output::{Tags, packer};
use crate::server::{self, stopped};
use crate::session::{Counts, Entered, Session, random};

/// Bytes read at a time.
const READ: usize = 4096;
/// How long a player may have a source open without playing it: an hour, as old servers allow,
/// would keep a camera open for nobody.
const IDLE: Duration = Duration::from_secs(60);
/// Most of a player's name that is shown.
const MOST_NAME: usize = 80;

/// What ends a connection early; told in the log alone.
type Gone = Box<dyn std::error::Error + Send + Sync>;

pub(super) struct Client {
    socket: TcpStream,
    peer: SocketAddr,
    /// Its connection's; held for as long as there is a client.
    place: server::Place,
    relay: Arc<Relay>,
    udp: Arc<UdpSocket>,
    session: Server,
    /// What it has opened.
    open: Option<Open>,
}

/// A source that a player has asked for.
struct Open {
    source: Supervisor,
    variant: String,
    reader: Reader,
    /// What the player has the header of; nothing until the source has one.
    reel: Option<Reel>,
    place: Place,
    /// Its entry in the status, while it plays.
    listed: Option<Entered>,
}

/// What a client waits for.
enum Happened {
    Read(io::Result<usize>),
    Datagram(Bytes),
    Entry(Result<Entry, feed::Closed>),
    Reel(Result<Reel, Error>),
    Due,
    Stopping,
}

impl Client {
    pub(super) fn new(
        socket: TcpStream,
        peer: SocketAddr,
        place: server::Place,
        relay: Arc<Relay>,
        udp: Arc<UdpSocket>,
    ) -> Self {
        let _ = socket.set_nodelay(true);
        server::hold_back(&socket);
        let config = ServerConfig { udp: true, random: random(), idle: IDLE, ..ServerConfig::default() };
        let session = Server::new(config, Instant::now());
        Self { socket, peer, place, relay, udp, session, open: None }
    }

    /// Serves the player until either side is done.
    pub(super) async fn run(mut self, inboxes: Inboxes) {
        let id = self.session.client_id();
        let mut inbox = inboxes.enter(id, self.peer.ip());
        if let Err(error) = self.serve(&mut inbox).await {
            tracing::debug!(peer = %self.peer, %error, "player of Windows Media gone");
        }
        inboxes.leave(id);
    }

    async fn serve(&mut self, inbox: &mut mpsc::Receiver<Bytes>) -> Result<(), Gone> {
        let mut buffer = [0; READ];
        loop {
            let is_over = self.events()?;
            self.send().await?;
            if is_over {
                return self.close().await;
            }
            let happened = self.next(&mut buffer, inbox).await;
            let now = Instant::now();
            match happened {
                Happened::Read(read) => match read? {
                    0 => return Ok(()),
                    count => self.session.handle_bytes(now, &buffer[..count])?,
                },
                Happened::Datagram(datagram) => self.session.handle_datagram(now, &datagram),
                Happened::Entry(Ok(entry)) => self.take(now, &entry)?,
                Happened::Entry(Err(feed::Closed)) => self.session.finish(now, Hresult(0)),
                Happened::Reel(reel) => self.answer(now, reel)?,
                Happened::Due => self.session.handle_timeout(now)?,
                Happened::Stopping => {
                    self.session.finish(now, Hresult(0));
                    let _ = timeout(FAREWELL, self.send()).await;
                    return self.close().await;
                }
            }
        }
    }

    async fn close(&mut self) -> Result<(), Gone> {
        let closed = timeout(FAREWELL, self.socket.shutdown()).await;
        Ok(closed.unwrap_or(Ok(()))?)
    }

    /// Waits for the next thing. Cancel-safe.
    async fn next(&mut self, buffer: &mut [u8], inbox: &mut mpsc::Receiver<Bytes>) -> Happened {
        let Self { socket, place, session, open, .. } = self;
        let is_playing = session.is_playing();
        let due = session.poll_timeout();
        let of_source = async {
            match open {
                Some(Open { reel: None, reader, source, .. }) => Happened::Reel(asf::first_reel(reader, source).await),
                Some(open) if is_playing => Happened::Entry(open.reader.seat.cursor.next().await),
                _ => std::future::pending().await,
            }
        };
        let deadline = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = socket.read(buffer) => Happened::Read(read),
            Some(datagram) = inbox.recv() => Happened::Datagram(datagram),
            happened = of_source => happened,
            () = deadline => Happened::Due,
            () = stopped(&mut place.stopping) => Happened::Stopping,
        }
    }

    /// Deals with what the session tells; whether it is over.
    fn events(&mut self) -> Result<bool, Gone> {
        while let Some(event) = self.session.poll_event() {
            match event {
                ServerEvent::Open { path, .. } => self.look_up(&path)?,
                ServerEvent::Play(_) => self.play(),
                // Packets carry several streams: what a player does not want it passes over.
                ServerEvent::Select(_) => {}
                ServerEvent::Stop => {
                    if let Some(open) = &mut self.open {
                        open.listed = None;
                    }
                }
                ServerEvent::Closed => return Ok(true),
                _ => {}
            }
        }
        Ok(false)
    }

    /// Answers a wish to open `path`, or begins to read the source for the answer.
    fn look_up(&mut self, path: &str) -> Result<(), Gone> {
        self.open = None;
        let (name, query) = path.split_once('?').unwrap_or((path, ""));
        let name = name.strip_suffix(".asf").or_else(|| name.strip_suffix(".wmv")).unwrap_or(name);
        let Some(source) = self.relay.source(name) else {
            return Ok(self.session.refuse(Instant::now(), NOT_FOUND)?);
        };
        let Ok(encoding) = asf::wish(query) else {
            return Ok(self.session.refuse(Instant::now(), INVALID)?);
        };
        self.open = Some(Open {
            source: source.clone(),
            variant: encoding.to_string(),
            reader: self.relay.tapes.read(&source, packer::Content::asf(encoding), Tags::default()),
            reel: None,
            place: Place::default(),
            listed: None,
        });
        Ok(())
    }

    /// Answers a wish to open with what the source has.
    fn answer(&mut self, now: Instant, reel: Result<Reel, Error>) -> Result<(), Gone> {
        match reel {
            Ok(reel) => {
                self.session.open(now, content(&reel))?;
                if let Some(open) = &mut self.open {
                    open.reel = Some(reel);
                }
            }
            Err(error) => {
                tracing::info!(peer = %self.peer, %error, "cannot be played");
                self.open = None;
                self.session.refuse(now, code(&error))?;
            }
        }
        Ok(())
    }

    fn play(&mut self) {
        let (peer, agent) = (self.peer, self.session.subscriber().unwrap_or_default());
        let agent: String = agent.chars().take(MOST_NAME).collect();
        let Some(open) = &mut self.open else { return };
        open.reader.seat.rewind();
        open.place = Place::default();
        let format = if self.session.is_udp() { "mmsu" } else { "mmst" };
        open.listed.get_or_insert_with(|| {
            self.relay.sessions.enter(|id| Session {
                id,
                peer,
                source: open.source.name().into(),
                format,
                variant: open.variant.clone(),
                agent,
                since: Instant::now(),
                max_age: None,
                counts: Counts::default(),
                visit: None,
            })
        });
    }

    /// Hands a packet to the session, if the player can make anything of it.
    fn take(&mut self, now: Instant, entry: &Entry) -> Result<(), Gone> {
        let Some(Open { reader, reel: Some(reel), place, listed: Some(listed), .. }) = &mut self.open else {
            return Ok(());
        };
        if !place.admits(entry, &listed.counts) || reader.seat.is_late(entry, &listed.counts) {
            return Ok(());
        }
        if !reel.has(entry) {
            *reel = Reel::of(entry);
            // The player asks for the packets of the new header, or gets them after a while.
            return Ok(self.session.change(now, content(reel))?);
        }
        self.session.send_packet(player::location(entry), &entry.packet.data)?;
        listed.counts.sent(1, entry.packet.data.len() as u64, entry.packet.received);
        Ok(())
    }

    /// Sends what the session has to send.
    async fn send(&mut self) -> io::Result<()> {
        while let Some(transmit) = self.session.poll_transmit() {
            match transmit {
                ServerTransmit::Stream(data) => write_all(&self.socket, &[&data]).await?,
                // One that does not get through is lost as on the way: it is asked for again.
                ServerTransmit::Datagram { port, data } => {
                    let _ = self.udp.try_send_to(&data, SocketAddr::new(self.peer.ip(), port));
                }
            }
        }
        Ok(())
    }
}

/// What a reel is to a player: a broadcast.
fn content(reel: &Reel) -> Content {
    Content {
        header: reel.header.clone(),
        packet_size: reel.packet_size,
        broadcast: true,
        bit_rate: u32::try_from(reel.bit_rate).unwrap_or(u32::MAX),
        ..Content::default()
    }
}

/// NS_E_FILE_NOT_FOUND and others of [MS-ERREF] 2.1.
const NOT_FOUND: Hresult = Hresult(0xC00D_001A);
const INVALID: Hresult = Hresult(0x8007_0057);

fn code(error: &Error) -> Hresult {
    Hresult(match error {
        // NS_E_TIMEOUT, E_FAIL, NS_E_NO_STREAM, NS_E_NOCONNECTION.
        Error::Timeout { .. } => 0xC00D_0013,
        Error::Unsupported { .. } | Error::NotVideo { .. } => 0x8000_4005,
        Error::Ended { .. } => 0xC00D_0033,
        _ => 0xC00D_0005,
    })
}
