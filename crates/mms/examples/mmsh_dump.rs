//! Saves what an `mmsh://` URL plays: `mmsh_dump mmsh://host:port/path FILE.asf`.
//!
//! Where other content follows in mid-stream, a further file begins: `FILE.asf.2`.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the sockets and the clock are here")]

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime};

use mms::{Config, Event, Limits, Play, Start, Thinning, http};

mod driver;

fn main() {
    if let Err(error) = run() {
        eprintln!("mmsh_dump: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(path)) = (arguments.next(), arguments.next()) else {
        return Err("usage: mmsh_dump mmsh://host:port/path FILE.asf [SECONDS]".into());
    };
    let start = match arguments.next() {
        Some(seconds) => Start::Time(Duration::try_from_secs_f64(seconds.parse()?)?),
        None => Start::Begin,
    };
    let config = config(&url)?;
    let mut session = http::Client::new(&config);
    let mut driver = driver::Driver::new(&config.host, config.port, None)?;
    let mut file = None;
    let (mut files, mut packet_size, mut packets, mut lost) = (0, 0, 0, 0);
    let moved = driver.run(&mut session, |session, event| {
        match event {
            Event::Opened(opened) => eprintln!("{opened:?}"),
            Event::Header(bytes) => {
                let header = asf::Header::parse(&bytes)?;
                packet_size = header.file.max_packet;
                files += 1;
                let path = if files == 1 { path.clone() } else { format!("{path}.{files}") };
                let mut new = BufWriter::new(File::create(path)?);
                new.write_all(&bytes)?;
                file = Some(new);
                let streams = header.streams.iter().map(|stream| (stream.number, Thinning::All)).collect();
                let play = Play { streams, start, packet_size, pace: None };
                session.play(Instant::now(), &play)?;
            }
            Event::Packet(packet) => {
                packets += 1;
                lost += packet.lost;
                if let (Some(file), Some(whole)) = (&mut file, asf::padding::restore_padding(packet.data, packet_size))
                {
                    file.write_all(&whole)?;
                }
            }
            Event::Ended => return Ok(ControlFlow::Break(None)),
            Event::Moved(urls) => return Ok(ControlFlow::Break(Some(urls))),
            other => eprintln!("{other:?}"),
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if let Some(mut file) = file {
        file.flush()?;
    }
    match moved {
        Some(urls) => eprintln!("it is at {}", urls.join(", or ")),
        None => eprintln!("{packets} packets, {lost} lost"),
    }
    Ok(())
}

/// What the URL asks for. User and password are taken as they stand, without undoing escapes.
fn config(url: &str) -> Result<Config, Box<dyn Error + Send + Sync>> {
    let rest = url.strip_prefix("mmsh://").ok_or("the URL must begin with mmsh://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (login, authority) = authority.rsplit_once('@').map_or((None, authority), |(login, rest)| (Some(login), rest));
    let (user, password) = login.map(|login| login.split_once(':').unwrap_or((login, ""))).unzip();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse()?),
        _ => (authority, 80),
    };
    let unix_time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(Config {
        host: host.trim_matches(['[', ']']).to_owned(),
        port,
        path: path.to_owned(),
        user: user.map(str::to_owned),
        password: password.map(str::to_owned),
        udp_port: None,
        // Random enough to tell sessions apart; a password deserves better.
        random: std::array::from_fn(|i| (unix_time.as_nanos() >> (i % 16 * 4)) as u8 ^ i as u8),
        unix_time: unix_time.as_secs(),
        reply_timeout: Duration::from_secs(10),
        limits: Limits::default(),
    })
}
