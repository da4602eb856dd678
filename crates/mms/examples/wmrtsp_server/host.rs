//! The server with its sockets: one thread a client.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mms::rtsp::server::{Config, Event, Server};
use mms::{Start, Transmit};

use super::clip::{Clip, Layout};

/// What to serve how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Clients may choose datagrams.
    pub udp: bool,
    /// How streams lie in packets.
    pub layout: Layout,
    /// How many times faster than in real time packets are sent.
    pub speed: f64,
    /// Most bytes of an RTP payload.
    pub payload: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { udp: false, layout: Layout::Split, speed: 1.0, payload: 1400 }
    }
}

/// How long a client that was told of the end is waited for.
const FAREWELL: Duration = Duration::from_secs(1);
/// The most packets that are sent at once, so that a server that comes late does not flood.
const MOST_AT_ONCE: usize = 16;
/// How long to sleep at most before the socket is looked at again.
const NAP: Duration = Duration::from_millis(20);

/// Serves the files of a folder to everybody who connects.
pub fn serve(listener: &TcpListener, options: &Options, folder: &Path) {
    for connection in listener.incoming().flatten() {
        let (options, folder) = (options.clone(), folder.to_owned());
        std::thread::spawn(move || {
            if let Err(error) = Connection::new(connection, options, folder).and_then(Connection::run) {
                eprintln!("{error}");
            }
        });
    }
}

struct Connection {
    tcp: TcpStream,
    udp: Option<UdpSocket>,
    server: Server,
    options: Options,
    folder: PathBuf,
    clip: Option<Clip>,
    /// The next packet, and when the first was sent with its send time.
    next: usize,
    begun: Option<(Instant, u32)>,
    /// The end has been told.
    ended: Option<Instant>,
}

impl Connection {
    fn new(tcp: TcpStream, options: Options, folder: PathBuf) -> std::io::Result<Self> {
        let local = tcp.local_addr()?.ip();
        let udp = if options.udp { Some(UdpSocket::bind((local, 0))?) } else { None };
        let udp_port = udp.as_ref().map(UdpSocket::local_addr).transpose()?.map(|address| address.port());
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(NAP))?;
        // A session's name need not be a secret here: it is good on its own connection only.
        let random =
            std::array::from_fn(|at| (tcp.peer_addr().map_or(0, |peer| peer.port()) as usize * (at + 7)) as u8);
        let server =
            Server::new(Instant::now(), Config { udp_port, random, payload: options.payload, ..Config::default() });
        Ok(Self { tcp, udp, server, options, folder, clip: None, next: 0, begun: None, ended: None })
    }

    fn run(mut self) -> std::io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            match self.tcp.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => {
                    let read = self.server.handle_bytes(Instant::now(), &buffer[..length]);
                    if let Err(error) = read {
                        eprintln!("{error}");
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => (),
                Err(error) => return Err(error),
            }
            let now = Instant::now();
            self.server.handle_timeout(now);
            while let Some(event) = self.server.poll_event() {
                self.handle_event(now, event);
            }
            self.send(now);
            self.transmit()?;
            if self.server.is_over() || self.ended.is_some_and(|ended| now > ended + FAREWELL) {
                return Ok(());
            }
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Describe { url, .. } => {
                // A name and no path: nothing outside the folder.
                let name = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                let answered = match Clip::open(&self.folder.join(name), self.options.layout) {
                    Ok(clip) => {
                        let answered = self.server.describe(clip.content.clone());
                        self.clip = Some(clip);
                        answered
                    }
                    Err(error) => {
                        eprintln!("{error}");
                        self.server.refuse(404)
                    }
                };
                if let Err(error) = answered {
                    eprintln!("{error}");
                }
            }
            Event::Play { start, .. } => {
                let packets = self.clip.as_ref().map_or(&[][..], |clip| &clip.packets);
                self.next = match start {
                    Start::Begin => 0,
                    Start::Packet(number) => packets.partition_point(|packet| packet.location < number),
                    Start::Time(time) => {
                        packets.partition_point(|packet| Duration::from_millis(packet.send_time.into()) < time)
                    }
                };
                self.begun = packets.get(self.next).map(|packet| (now, packet.send_time));
                self.ended = None;
            }
            Event::Pause => self.begun = None,
            _ => (),
        }
    }

    /// Sends what is due, and tells the end.
    fn send(&mut self, now: Instant) {
        let (Some((begun, first)), Some(clip)) = (self.begun, &self.clip) else { return };
        let elapsed = now.duration_since(begun).as_secs_f64() * self.options.speed;
        let due = |send_time: u32| f64::from(send_time.saturating_sub(first)) <= elapsed * 1000.0;
        let rest = clip.packets.get(self.next..).unwrap_or_default();
        let count = rest.iter().take(MOST_AT_ONCE).take_while(|packet| due(packet.send_time)).count();
        self.server.send(&rest[..count]);
        self.next += count;
        if self.next == clip.packets.len() {
            self.server.end(false);
            self.begun = None;
            self.ended = Some(now);
        }
    }

    fn transmit(&mut self) -> std::io::Result<()> {
        while let Some(transmit) = self.server.poll_transmit() {
            match transmit {
                Transmit::Stream(bytes) => {
                    // Patience with clients that read slowly is what a socket's buffer is for.
                    self.tcp.write_all(&bytes)?;
                }
                Transmit::Datagram { port, data } => {
                    if let Some(udp) = &self.udp {
                        udp.send_to(&data, (self.tcp.peer_addr()?.ip(), port))?;
                    }
                }
                Transmit::Connect => (),
            }
        }
        Ok(())
    }
}
