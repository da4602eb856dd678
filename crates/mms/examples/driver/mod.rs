//! Drives a session with blocking sockets: a thread reads each socket, the rest happens here.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the sockets and the clock are here")]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpStream, ToSocketAddrs, UdpSocket};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use mms::{Event, Session, Transmit};

/// The most bytes that are read at once.
const READ: usize = 64 << 10;
/// Reads that wait for the session; the sockets wait when there are more.
const WAITING: usize = 16;
/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(5);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a socket brought; TCP connections are numbered, since an old one may still speak.
enum Input {
    Bytes(u32, Vec<u8>),
    Closed(u32),
    Datagram(u16, Vec<u8>),
}

/// A session's sockets.
pub struct Driver {
    host: String,
    port: u16,
    tcp: Option<TcpStream>,
    connections: u32,
    udp: Option<UdpSocket>,
    sender: SyncSender<Input>,
    inputs: Receiver<Input>,
}

impl Driver {
    /// For the server at `host` and `port`; `udp` is the socket for data, if the session was
    /// given its port.
    pub fn new(host: &str, port: u16, udp: Option<UdpSocket>) -> std::io::Result<Self> {
        let (sender, inputs) = sync_channel(WAITING);
        if let Some(udp) = &udp {
            let (socket, sender) = (udp.try_clone()?, sender.clone());
            thread::spawn(move || {
                let mut buffer = vec![0; READ];
                while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                    if sender.send(Input::Datagram(from.port(), buffer[..count].to_vec())).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(Self { host: host.to_owned(), port, tcp: None, connections: 0, udp, sender, inputs })
    }

    /// Runs until `on_event` breaks, and gives what it breaks with. What it returns goes on.
    ///
    /// # Errors
    /// Of the session, or of a socket.
    pub fn run<T>(
        &mut self,
        session: &mut dyn Session,
        mut on_event: impl FnMut(&mut dyn Session, Event) -> Result<ControlFlow<T>, Failure>,
    ) -> Result<T, Failure> {
        loop {
            while let Some(transmit) = session.poll_transmit() {
                self.transmit(session, transmit)?;
            }
            if let Some(event) = session.poll_event() {
                if let ControlFlow::Break(value) = on_event(session, event)? {
                    self.farewell(session);
                    return Ok(value);
                }
                continue;
            }
            self.receive(session)?;
        }
    }

    fn transmit(&mut self, session: &mut dyn Session, transmit: Transmit) -> Result<(), Failure> {
        match transmit {
            Transmit::Connect => {
                let local = self.connect()?;
                session.handle_connected(Instant::now(), local)?;
            }
            Transmit::Stream(bytes) => {
                let mut tcp = self.tcp.as_ref().ok_or("a transmit before Connect")?;
                // A server that went is noticed by who reads.
                let _ = tcp.write_all(&bytes);
            }
            Transmit::Datagram { port, data } => {
                let peer = self.tcp.as_ref().ok_or("a datagram before Connect")?.peer_addr()?.ip();
                if let Some(udp) = &self.udp {
                    let _ = udp.send_to(&data, (peer, port));
                }
            }
        }
        Ok(())
    }

    fn connect(&mut self) -> std::io::Result<IpAddr> {
        self.close();
        let mut result = Err(std::io::ErrorKind::NotFound.into());
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            result = TcpStream::connect_timeout(&address, CONNECT);
            if result.is_ok() {
                break;
            }
        }
        let tcp = result?;
        tcp.set_nodelay(true)?;
        self.connections += 1;
        let (number, mut reader, sender) = (self.connections, tcp.try_clone()?, self.sender.clone());
        thread::spawn(move || {
            let mut buffer = vec![0; READ];
            loop {
                let input = match reader.read(&mut buffer) {
                    Ok(0) | Err(_) => Input::Closed(number),
                    Ok(count) => Input::Bytes(number, buffer[..count].to_vec()),
                };
                let last = matches!(input, Input::Closed(_));
                if sender.send(input).is_err() || last {
                    break;
                }
            }
        });
        let local = tcp.local_addr()?.ip();
        self.tcp = Some(tcp);
        Ok(local)
    }

    fn receive(&mut self, session: &mut dyn Session) -> Result<(), Failure> {
        let input = match session.poll_timeout() {
            Some(at) => self.inputs.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => self.inputs.recv().map_err(RecvTimeoutError::from),
        };
        let now = Instant::now();
        match input {
            Ok(Input::Bytes(number, bytes)) if number == self.connections => session.handle_bytes(now, &bytes)?,
            Ok(Input::Closed(number)) if number == self.connections => session.handle_closed(now)?,
            Ok(Input::Datagram(from, data)) => session.handle_datagram(now, from, &data)?,
            Ok(_) => (),
            Err(RecvTimeoutError::Timeout) => session.handle_timeout(now)?,
            Err(RecvTimeoutError::Disconnected) => return Err("nothing reads any more".into()),
        }
        Ok(())
    }

    fn farewell(&mut self, session: &mut dyn Session) {
        session.stop(Instant::now());
        while let Some(transmit) = session.poll_transmit() {
            if matches!(transmit, Transmit::Connect) || self.transmit(session, transmit).is_err() {
                break;
            }
        }
    }

    fn close(&mut self) {
        if let Some(tcp) = self.tcp.take() {
            let _ = tcp.shutdown(Shutdown::Both);
        }
    }
}

/// The threads end with their sockets; a datagram from us wakes the one that waits for any.
impl Drop for Driver {
    fn drop(&mut self) {
        self.close();
        // Whoever waits for room in the channel gets an error instead.
        self.inputs = sync_channel(0).1;
        if let Some(port) = self.udp.as_ref().and_then(|udp| udp.local_addr().ok()).map(|at| at.port()) {
            let wake = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
            let _ = wake.and_then(|socket| socket.send_to(&[], (Ipv4Addr::LOCALHOST, port)));
        }
    }
}
