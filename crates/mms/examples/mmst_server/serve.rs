//! A server of blocking sockets around [`mms::Server`]: a thread that waits for connections,
//! one that waits for datagrams, two for each connection.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mms::{
    Authentication, Challenge, Credentials, Hresult, Server, ServerConfig, ServerEvent, ServerPlay, ServerTransmit,
};

#[path = "../../tests/support/credentials.rs"]
mod credentials;
#[path = "file.rs"]
mod file;

use file::{File, Reading};

/// What to serve, and how badly.
#[derive(Clone, Debug)]
pub struct Options {
    pub folder: PathBuf,
    /// How many times as fast as the content goes; as fast as it is taken if it does not say.
    pub speed: Option<f64>,
    /// Cut padding off packets.
    pub strip: bool,
    /// What follows by a stream change.
    pub next: Option<String>,
    pub ask: Ask,
    pub redirect: Option<String>,
    pub refuse: Option<u32>,
    pub linger_seconds: u64,
    pub ping_seconds: u64,
    /// Packets until nothing more is said.
    pub silent_after: Option<u32>,
    /// Packets until the connection is closed.
    pub close_after: Option<u32>,
    /// Percent of the datagrams that are lost.
    pub drop_udp: u32,
    /// Percent of the datagrams that are overtaken.
    pub reorder_udp: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("."),
            speed: None,
            strip: false,
            next: None,
            ask: Ask::Nothing,
            redirect: None,
            refuse: None,
            linger_seconds: 3,
            ping_seconds: 30,
            silent_after: None,
            close_after: None,
            drop_udp: 0,
            reorder_udp: 0,
        }
    }
}

/// How users have to show who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Nothing,
    Basic,
    Ntlm,
}

/// A TCP and a UDP port of the same number.
pub struct Listener {
    tcp: TcpListener,
    udp: Arc<UdpSocket>,
    address: SocketAddr,
}

impl Listener {
    /// Binds both; with port 0 to any number that is free twice.
    pub fn bind(address: IpAddr, port: u16) -> io::Result<Self> {
        for _ in 0..100 {
            let tcp = TcpListener::bind((address, port))?;
            let bound = tcp.local_addr()?;
            match UdpSocket::bind(bound) {
                Ok(udp) => return Ok(Self { tcp, udp: Arc::new(udp), address: bound }),
                Err(error) if port != 0 => return Err(error),
                Err(_) => (),
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves for ever.
    pub fn serve(self, options: &Options) {
        let sessions = Sessions::default();
        let (udp, all) = (self.udp.clone(), sessions.clone());
        thread::spawn(move || datagrams(&udp, &all));
        for stream in self.tcp.incoming() {
            let Ok(stream) = stream else { continue };
            let (options, udp, sessions) = (options.clone(), self.udp.clone(), sessions.clone());
            thread::spawn(move || match Session::run(stream, options, udp, &sessions) {
                Ok(()) => eprintln!("session ended"),
                Err(error) => eprintln!("session failed: {error}"),
            });
        }
    }
}

/// The sessions that datagrams may be for, by their ids.
type Sessions = Arc<Mutex<HashMap<u32, SyncSender<Input>>>>;

/// What comes to a session.
enum Input {
    Bytes(Vec<u8>),
    Datagram(Vec<u8>),
    Closed,
}

/// Most inputs that wait for a session.
const WAITING: usize = 64;

fn datagrams(udp: &UdpSocket, sessions: &Sessions) {
    let mut buffer = [0; 2048];
    loop {
        let Ok((size, _)) = udp.recv_from(&mut buffer) else { continue };
        let sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = Server::addressee(&buffer[..size]).and_then(|id| sessions.get(&id)) {
            let _ = session.try_send(Input::Datagram(buffer[..size].to_vec()));
        }
    }
}

struct Session {
    stream: TcpStream,
    peer: IpAddr,
    udp: Arc<UdpSocket>,
    server: Server,
    options: Options,
    /// What is open.
    file: Option<Arc<File>>,
    /// How far it has been sent.
    reading: Option<Reading>,
    /// Data packets sent on this connection.
    packets: u32,
    /// The messages of NTLM so far.
    ntlm: Vec<Bytes>,
    /// For losing and delaying datagrams.
    dice: u64,
    /// A datagram that others overtake.
    late: Option<(u16, Bytes)>,
}

impl Session {
    fn run(stream: TcpStream, options: Options, udp: Arc<UdpSocket>, sessions: &Sessions) -> Result<(), String> {
        let text = |error: io::Error| error.to_string();
        let peer = stream.peer_addr().map_err(text)?;
        eprintln!("{peer} connected");
        stream.set_nodelay(true).map_err(text)?;
        stream.set_write_timeout(Some(Duration::from_secs(60))).map_err(text)?;
        let config = ServerConfig {
            udp: true,
            random: random(),
            authentication: match options.ask {
                Ask::Nothing => None,
                Ask::Basic => Some(Authentication::Basic),
                Ask::Ntlm => Some(Authentication::Ntlm),
            },
            linger: Duration::from_secs(options.linger_seconds),
            ping_after: Duration::from_secs(options.ping_seconds),
            ..ServerConfig::default()
        };
        let server = Server::new(config, Instant::now());
        let (sender, inputs) = sync_channel(WAITING);
        let id = server.client_id();
        sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender.clone());
        let reader = stream.try_clone().map_err(text)?;
        thread::spawn(move || read(reader, &sender));
        let mut session = Self {
            stream,
            peer: peer.ip(),
            udp,
            server,
            options,
            file: None,
            reading: None,
            packets: 0,
            ntlm: Vec::new(),
            dice: 0x9E37_79B9_7F4A_7C15,
            late: None,
        };
        let result = session.drive(&inputs);
        sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let _ = session.stream.shutdown(Shutdown::Both);
        result
    }

    /// Does what is to be done until it is over.
    fn drive(&mut self, inputs: &Receiver<Input>) -> Result<(), String> {
        loop {
            self.transmit().map_err(|error| error.to_string())?;
            while let Some(event) = self.server.poll_event() {
                if event == ServerEvent::Closed {
                    return self.transmit().map_err(|error| error.to_string());
                }
                self.handle(event).map_err(|error| error.to_string())?;
            }
            if self.options.silent_after.is_some_and(|n| self.packets >= n) {
                return silence(inputs);
            }
            if self.options.close_after.is_some_and(|n| self.packets >= n) {
                return self.transmit().map_err(|error| error.to_string());
            }
            let due = if self.server.is_playing() { self.send()? } else { None };
            self.transmit().map_err(|error| error.to_string())?;
            let deadline = [due, self.server.poll_timeout()].into_iter().flatten().min();
            let wait = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            let now = Instant::now;
            match inputs.recv_timeout(wait) {
                Ok(Input::Bytes(bytes)) => self.server.handle_bytes(now(), &bytes).map_err(|e| e.to_string())?,
                Ok(Input::Datagram(datagram)) => self.server.handle_datagram(now(), &datagram),
                Ok(Input::Closed) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => (),
            }
            if self.server.poll_timeout().is_some_and(|at| at <= now()) {
                self.server.handle_timeout(now()).map_err(|error| error.to_string())?;
            }
        }
    }

    fn handle(&mut self, event: ServerEvent) -> Result<(), mms::Error> {
        let now = Instant::now();
        match event {
            ServerEvent::Open { path, credentials } => {
                eprintln!("{} opens {path:?} as {credentials:?}", self.server.subscriber().unwrap_or_default());
                if let Some(challenge) = self.unproven(&credentials) {
                    return match challenge {
                        Some(challenge) => self.server.challenge(now, &challenge),
                        None => self.server.refuse(now, Hresult::ACCESS_DENIED),
                    };
                }
                if let Some(url) = &self.options.redirect {
                    return self.server.redirect(now, url);
                }
                if let Some(code) = self.options.refuse {
                    return self.server.refuse(now, Hresult(code));
                }
                match File::open(&self.options.folder, &path) {
                    Ok(file) => {
                        self.server.open(now, file.content())?;
                        self.file = Some(Arc::new(file));
                    }
                    Err(error) => {
                        eprintln!("{path}: {error}");
                        self.server.refuse(now, Hresult::NOT_FOUND)?;
                    }
                }
            }
            ServerEvent::Play(ServerPlay { selected, start, stop, .. }) => {
                self.reading = self.file.clone().map(|file| Reading::new(file, selected, start, stop));
            }
            ServerEvent::Select(selected) => {
                if let Some(reading) = &mut self.reading {
                    reading.select(selected);
                }
            }
            ServerEvent::Stop => self.reading = None,
            _ => (),
        }
        Ok(())
    }

    /// Sends the next packet if it is due; otherwise tells when it is. Then there is time to
    /// hear the player.
    fn send(&mut self) -> Result<Option<Instant>, String> {
        let Some(reading) = &mut self.reading else { return Ok(None) };
        if let Some(due) = self.options.speed.map(|speed| reading.due(speed)).filter(|due| *due > Instant::now()) {
            return Ok(Some(due));
        }
        match reading.next() {
            Some((location, packet)) => {
                let packet = if self.options.strip { asf::padding::strip_padding(packet) } else { packet };
                self.server.send_packet(location, &packet).map_err(|error| error.to_string())?;
                self.packets += 1;
            }
            None => self.over()?,
        }
        Ok(Some(Instant::now()))
    }

    fn over(&mut self) -> Result<(), String> {
        self.reading = None;
        match self.options.next.take() {
            Some(next) => {
                let file = File::open(&self.options.folder, &next)?;
                self.server.change(Instant::now(), file.content()).map_err(|error| error.to_string())?;
                self.file = Some(Arc::new(file));
            }
            None => self.server.finish(Instant::now(), Hresult::OK),
        }
        Ok(())
    }

    /// What to answer to credentials that are not good: another challenge, or a refusal.
    fn unproven(&mut self, given: &Credentials) -> Option<Option<Challenge>> {
        let ask = Challenge::Basic { realm: "clips".to_owned() };
        match (self.options.ask, given) {
            (Ask::Nothing, _) => None,
            (Ask::Basic, Credentials::Basic { user, password }) => {
                let good = user == credentials::USER && password == credentials::PASSWORD;
                (!good).then_some(None)
            }
            (Ask::Basic, _) => Some(Some(ask)),
            (Ask::Ntlm, Credentials::Ntlm(message)) if message.get(8) == Some(&3) => match &self.ntlm[..] {
                [negotiate, challenge] => (!credentials::ntlm_proves(negotiate, challenge, message)).then_some(None),
                _ => Some(None),
            },
            (Ask::Ntlm, Credentials::Ntlm(message)) if message.get(8) == Some(&1) => {
                let challenge = Bytes::from(credentials::ntlm_challenge(self.dice.to_le_bytes(), Some(1 << 56)));
                self.ntlm = vec![message.clone(), challenge.clone()];
                Some(Some(Challenge::Ntlm(challenge)))
            }
            (Ask::Ntlm, _) => Some(Some(Challenge::Ntlm(Bytes::new()))),
        }
    }

    fn transmit(&mut self) -> io::Result<()> {
        while let Some(transmit) = self.server.poll_transmit() {
            match transmit {
                ServerTransmit::Stream(bytes) => self.stream.write_all(&bytes)?,
                ServerTransmit::Datagram { port, data } => self.datagram(port, data)?,
            }
        }
        Ok(())
    }

    fn datagram(&mut self, port: u16, data: Bytes) -> io::Result<()> {
        if self.chance(self.options.drop_udp) {
            return Ok(());
        }
        if self.late.is_none() && self.chance(self.options.reorder_udp) {
            self.late = Some((port, data));
            return Ok(());
        }
        self.udp.send_to(&data, (self.peer, port))?;
        if let Some((port, data)) = self.late.take() {
            self.udp.send_to(&data, (self.peer, port))?;
        }
        Ok(())
    }

    /// True in `percent` of the cases.
    fn chance(&mut self, percent: u32) -> bool {
        // xorshift64.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % 100 < percent.into()
    }
}

/// Says nothing until the player has gone.
fn silence(inputs: &Receiver<Input>) -> Result<(), String> {
    while !matches!(inputs.recv(), Ok(Input::Closed) | Err(_)) {}
    Ok(())
}

fn read(mut stream: TcpStream, inputs: &SyncSender<Input>) {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => {
                let _ = inputs.send(Input::Closed);
                return;
            }
            Ok(size) if inputs.send(Input::Bytes(buffer[..size].to_vec())).is_err() => return,
            Ok(_) => (),
        }
    }
}

/// Nothing in std is more random than the keys of its hash maps.
fn random() -> [u8; 32] {
    let mut random = [0; 32];
    for eight in random.chunks_mut(8) {
        eight.copy_from_slice(&RandomState::new().build_hasher().finish().to_le_bytes());
    }
    random
}
