//! Client and server over real sockets, without a runtime: what the examples do.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the sockets and the clock are here")]
#![allow(clippy::unwrap_used, reason = "a test's threads end as its functions do")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::ops::ControlFlow;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mms::{
    Config, Content, Event, Hresult, Limits, Play, Server, ServerConfig, ServerEvent, ServerTransmit, Start, Thinning,
    tcp,
};

#[path = "../examples/driver/mod.rs"]
mod driver;

const PACKETS: u32 = 1000;

fn header() -> Bytes {
    Bytes::from(b"a header of several pieces ".repeat(100))
}

fn packet(location: u32) -> Bytes {
    Bytes::from(format!("packet {location}, ").repeat(60))
}

enum Input {
    Bytes(Vec<u8>),
    Datagram(Vec<u8>),
    Closed,
}

/// A listener for TCP and a socket for UDP with the same number.
fn bind() -> (TcpListener, UdpSocket) {
    let both = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        Ok::<_, std::io::Error>((listener, UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?))
    };
    (0..100).find_map(|_| both().ok()).expect("a number is free for both")
}

/// Serves one connection, and then the next, until the listener's thread is forgotten.
fn serve(listener: TcpListener, udp: UdpSocket, sends_datagrams: bool) {
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let udp = udp.try_clone().unwrap();
            thread::spawn(move || session(stream, &udp, sends_datagrams));
        }
    });
}

fn read(mut stream: TcpStream, to: Sender<Input>) {
    thread::spawn(move || {
        let mut buffer = vec![0; 4096];
        loop {
            let input = match stream.read(&mut buffer) {
                Ok(0) | Err(_) => Input::Closed,
                Ok(count) => Input::Bytes(buffer[..count].to_vec()),
            };
            let is_last = matches!(input, Input::Closed);
            if to.send(input).is_err() || is_last {
                break;
            }
        }
    });
}

fn session(mut stream: TcpStream, udp: &UdpSocket, sends_datagrams: bool) {
    let peer = stream.peer_addr().unwrap().ip();
    let (to, inputs) = channel();
    read(stream.try_clone().unwrap(), to.clone());
    let socket = udp.try_clone().unwrap();
    thread::spawn(move || {
        let mut buffer = vec![0; 4096];
        while let Ok((count, _)) = socket.recv_from(&mut buffer) {
            if to.send(Input::Datagram(buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    let config =
        ServerConfig { udp: true, random: [5; 32], linger: Duration::from_secs(60), ..ServerConfig::default() };
    let mut server = Server::new(config, Instant::now());
    let mut next = None;
    loop {
        while let Some(transmit) = server.poll_transmit() {
            match transmit {
                ServerTransmit::Stream(bytes) => drop(stream.write_all(&bytes)),
                ServerTransmit::Datagram { port, data } if sends_datagrams => drop(udp.send_to(&data, (peer, port))),
                ServerTransmit::Datagram { .. } => (),
            }
        }
        match server.poll_event() {
            Some(ServerEvent::Open { path, .. }) => {
                let handled = match path.as_str() {
                    "a b" => server.open(
                        Instant::now(),
                        Content { header: header(), packet_size: 1400, bit_rate: 1_000_000, ..Content::default() },
                    ),
                    _ => server.refuse(Instant::now(), Hresult::NOT_FOUND),
                };
                handled.unwrap();
                continue;
            }
            Some(ServerEvent::Play(_)) => next = Some(0),
            Some(ServerEvent::Closed) => break,
            Some(_) => (),
            None => (),
        }
        if let Some(location) = next {
            let end = PACKETS.min(location + 20);
            for location in location..end {
                server.send_packet(location, &packet(location)).unwrap();
            }
            next = Some(end).filter(|end| *end < PACKETS);
            if next.is_none() {
                server.finish(Instant::now(), Hresult::OK);
            }
        }
        let pause = if next.is_some() { Duration::from_millis(1) } else { Duration::from_millis(100) };
        match inputs.recv_timeout(pause) {
            Ok(Input::Bytes(bytes)) => {
                if server.handle_bytes(Instant::now(), &bytes).is_err() {
                    break;
                }
            }
            Ok(Input::Datagram(data)) => server.handle_datagram(Instant::now(), &data),
            Ok(Input::Closed) => break,
            Err(_) => drop(server.handle_timeout(Instant::now())),
        }
    }
}

fn config(port: u16, path: &str, udp: Option<&UdpSocket>) -> Config {
    Config {
        host: "127.0.0.1".into(),
        port,
        path: path.into(),
        user: None,
        password: None,
        udp_port: udp.map(|socket| socket.local_addr().unwrap().port()),
        random: [3; 32],
        unix_time: 0,
        reply_timeout: Duration::from_secs(10),
        limits: Limits::default(),
    }
}

/// Plays `path`; the packets, and how it went.
fn play(port: u16, path: &str, udp: bool) -> Result<(Vec<(u32, Bytes)>, tcp::Client), String> {
    let socket = udp.then(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    if let Some(socket) = &socket {
        // Room for all of them: on a busy machine nobody may come to read for a while.
        socket2::SockRef::from(socket).set_recv_buffer_size(4 << 20).unwrap();
    }
    let mut session = tcp::Client::new(config(port, path, socket.as_ref()));
    let mut driver = driver::Driver::new("127.0.0.1", port, socket).unwrap();
    let mut packets = Vec::new();
    let ended = driver.run(&mut session, |session, event| {
        match event {
            Event::Header(bytes) => {
                assert_eq!(bytes, header());
                let streams = vec![(1, Thinning::All)];
                let play = Play { streams, start: Start::Begin, packet_size: 1400, pace: None };
                session.play(Instant::now(), &play)?;
            }
            Event::Packet(packet) => packets.push((packet.location, packet.data)),
            Event::Ended => return Ok(ControlFlow::Break(())),
            _ => (),
        }
        Ok(ControlFlow::Continue(()))
    });
    ended.map(|()| (packets, session)).map_err(|error| error.to_string())
}

#[test]
fn every_packet_comes_over_tcp_and_over_udp() {
    let (listener, socket) = bind();
    let port = listener.local_addr().unwrap().port();
    serve(listener, socket, true);
    for udp in [false, true] {
        let (packets, session) = play(port, "/a%20b", udp).unwrap();
        assert_eq!(session.is_udp(), udp);
        let all: Vec<_> = (0..PACKETS).map(|location| (location, packet(location))).collect();
        assert!(packets == all, "{} packets, {:?}", packets.len(), session.statistics());
    }
    let refused = play(port, "/none", false).map(|_| ()).unwrap_err();
    assert!(refused.starts_with("ReportOpenFile: 0xc00d001a: the server has no such stream"), "{refused}");
}

#[test]
fn where_no_datagram_comes_through_the_connection_serves() {
    let (listener, socket) = bind();
    let port = listener.local_addr().unwrap().port();
    serve(listener, socket, false);
    let (packets, session) = play(port, "/a%20b", true).unwrap();
    assert_eq!((packets.len(), session.is_udp()), (PACKETS as usize, false));
}
