//! Tells what an `mmst://` or `mmsu://` URL plays, and saves it if a file is given:
//! `mmst_dump mmst://[user:password@]host[:port]/path [FILE.asf [SECONDS]]`.
//!
//! Where other content follows in mid-stream, a further file begins: `FILE.asf.2`.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the sockets and the clock are here")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket};
use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime};

use mms::{Config, Event, Limits, Packet, Play, Session, Start, Thinning, tcp, wire};

mod driver;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() {
    if let Err(error) = run() {
        eprintln!("mmst_dump: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (url, path, start) = match &arguments[..] {
        [url] => (url, None, Start::Begin),
        [url, path] => (url, Some(path.as_str()), Start::Begin),
        [url, path, seconds] => (url, Some(path.as_str()), Start::Time(Duration::try_from_secs_f64(seconds.parse()?)?)),
        _ => return Err("usage: mmst_dump mmst://[user:password@]host[:port]/path [FILE.asf [SECONDS]]".into()),
    };
    let (config, udp) = config(url)?;
    let mut driver = driver::Driver::new(&config.host, config.port, udp)?;
    let mut session = tcp::Client::new(config);
    let mut dump = Dump { path, start, files: 0, file: None, packet_size: 0, told: None };
    let moved = driver.run(&mut session, |session, event| dump.handle(session, event))?;
    if let Some(file) = &mut dump.file {
        file.flush()?;
    }
    if let Some(urls) = moved {
        println!("it is at {}", urls.join(", or "));
    }
    let transport = if session.is_udp() { "UDP" } else { "TCP" };
    println!("over {transport}: {:?}", session.statistics());
    Ok(())
}

/// What becomes of the events.
struct Dump<'a> {
    path: Option<&'a str>,
    start: Start,
    files: usize,
    file: Option<BufWriter<File>>,
    packet_size: u32,
    /// When a line about packets was last printed.
    told: Option<Instant>,
}

impl Dump<'_> {
    fn handle(&mut self, session: &mut dyn Session, event: Event) -> Result<ControlFlow<Option<Vec<String>>>, Failure> {
        match event {
            Event::Header(bytes) => {
                let header = asf::Header::parse(&bytes)?;
                println!("header of {} bytes, packets of {}", bytes.len(), header.file.max_packet);
                for stream in &header.streams {
                    println!("  stream {}: {:?}", stream.number, stream.format);
                }
                self.packet_size = header.file.max_packet;
                self.begin_file(&bytes)?;
                let streams = header.streams.iter().map(|stream| (stream.number, Thinning::All)).collect();
                let play = Play { streams, start: self.start, packet_size: self.packet_size, pace: None };
                // What follows in mid-stream begins at its begin.
                self.start = Start::Begin;
                session.play(Instant::now(), &play)?;
            }
            Event::Packet(packet) => self.save(packet)?,
            Event::Ended => return Ok(ControlFlow::Break(None)),
            Event::Moved(urls) => return Ok(ControlFlow::Break(Some(urls))),
            other => println!("{other:?}"),
        }
        Ok(ControlFlow::Continue(()))
    }

    fn begin_file(&mut self, header: &[u8]) -> Result<(), Failure> {
        let Some(path) = self.path else { return Ok(()) };
        if let Some(mut file) = self.file.take() {
            file.flush()?;
        }
        self.files += 1;
        let path = if self.files == 1 { path.to_owned() } else { format!("{path}.{}", self.files) };
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(header)?;
        self.file = Some(file);
        Ok(())
    }

    fn save(&mut self, packet: Packet) -> Result<(), Failure> {
        let now = Instant::now();
        // All of them would be more than anybody reads.
        if packet.lost > 0 || self.told.is_none_or(|told| now - told >= Duration::from_secs(1)) {
            println!("{packet:?}");
            self.told = Some(now);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        if let Some(whole) = asf::padding::restore_padding(packet.data, self.packet_size) {
            file.write_all(&whole)?;
        }
        Ok(())
    }
}

/// What the URL asks for, and the socket for datagrams if it wants some. User and password
/// are taken as they stand, without undoing escapes.
fn config(url: &str) -> Result<(Config, Option<UdpSocket>), Failure> {
    let (scheme, rest) = url.split_once("://").ok_or("a URL begins with a scheme and ://")?;
    let is_udp = match scheme {
        "mms" | "mmst" => false,
        "mmsu" => true,
        _ => return Err("the URL must begin with mmst:// or mmsu://".into()),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (login, authority) = authority.rsplit_once('@').map_or((None, authority), |(login, rest)| (Some(login), rest));
    let (user, password) = login.map(|login| login.split_once(':').unwrap_or((login, ""))).unzip();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse()?),
        _ => (authority, wire::PORT),
    };
    let host = host.trim_matches(['[', ']']);
    let udp = if is_udp { Some(UdpSocket::bind((unspecified(host, port)?, 0))?) } else { None };
    let udp_port = udp.as_ref().map(|socket| socket.local_addr()).transpose()?.map(|local| local.port());
    let unix_time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let config = Config {
        host: host.to_owned(),
        port,
        path: path.to_owned(),
        user: user.map(str::to_owned),
        password: password.map(str::to_owned),
        udp_port,
        // Random enough to tell sessions apart; a password deserves better.
        random: std::array::from_fn(|i| (unix_time.as_nanos() >> (i % 16 * 4)) as u8 ^ i as u8),
        unix_time: unix_time.as_secs(),
        reply_timeout: Duration::from_secs(10),
        limits: Limits::default(),
    };
    Ok((config, udp))
}

/// Any address of ours, of the kind that the server's is.
fn unspecified(host: &str, port: u16) -> Result<IpAddr, Failure> {
    let server = (host, port).to_socket_addrs()?.next().ok_or("the host has no address")?;
    Ok(if server.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() })
}
