//! How fast the client takes frames apart on one core, beside memcpy of the same bytes.
//!
//! `cargo run --release -p mms --example mmsh_throughput [SECONDS]` prints GB/s of the body for
//! several packet sizes, read as a socket gives it: 64 KiB at once.

#![allow(clippy::disallowed_methods, reason = "a measurement looks at the clock")]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mms::http::Client;
use mms::http::server::{frame_header, frame_packet};
use mms::{Config, Event, Limits, Play, Session, Start, Thinning};

/// Sizes of ASF packets, in bytes: of 100 kbit/s, of 1 Mbit/s, and the most that encoders write.
const PACKETS: [usize; 4] = [500, 1450, 8000, 60_000];
/// Bytes of a body.
const BODY: usize = 32 << 20;
/// Bytes of one read.
const READ: usize = 64 << 10;

fn main() {
    let seconds = std::env::args().nth(1).and_then(|seconds| seconds.parse().ok()).unwrap_or(1.0);
    let time = Duration::from_secs_f64(seconds);
    println!("{:>12} {:>8} {:>8} {:>8}   GB/s", "packet size", "memcpy", "client", "chunked");
    for size in PACKETS {
        let mut body = Vec::with_capacity(BODY + size);
        let mut location = 0u32;
        while body.len() < BODY {
            body.extend(frame_packet(location, location as u8, size));
            body.resize(body.len() + size, location as u8);
            location += 1;
        }
        let chunks: Vec<u8> = body
            .chunks(size + 12)
            .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
            .collect();
        let mut copy = vec![0; READ];
        let memcpy = rate(body.len(), time, || {
            for read in body.chunks(READ) {
                copy[..read.len()].copy_from_slice(black_box(read));
                black_box(&mut copy);
            }
        });
        let plain = rate(body.len(), time, || play(&body, "", location));
        let chunked = rate(body.len(), time, || play(&chunks, "Transfer-Encoding: chunked\r\n", location));
        println!("{size:>12} {memcpy:8.2} {plain:8.2} {chunked:8.2}");
    }
}

/// Plays a body of so many packets.
fn play(body: &[u8], header: &str, packets: u32) {
    let now = Instant::now();
    let config = Config {
        host: "localhost".to_owned(),
        port: 80,
        path: "/".to_owned(),
        user: None,
        password: None,
        udp_port: None,
        random: [0; 32],
        unix_time: 0,
        reply_timeout: Duration::from_secs(10),
        limits: Limits::default(),
    };
    let mut client = Client::new(&config);
    let local = Ipv4Addr::LOCALHOST.into();
    client.handle_connected(now, local).expect("nothing has failed yet");
    // The least that is a header: no objects, and the begin of the data.
    let guid = b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\x00\xAA\x00\x62\xCE\x6C";
    let asf = [&guid[..], &30u64.to_le_bytes(), &[0; 56]].concat();
    let mut describe = BytesMut::from(&b"HTTP/1.0 200 OK\r\n\r\n"[..]);
    frame_header(&asf, &mut describe);
    client.handle_bytes(now, &describe).expect("a header");
    let streams = vec![(1, Thinning::All)];
    client.play(now, &Play { streams, start: Start::Begin, packet_size: 0, pace: None }).expect("a header was told");
    client.handle_connected(now, local).expect("a second connection");
    client.handle_bytes(now, format!("HTTP/1.0 200 OK\r\n{header}\r\n").as_bytes()).expect("a head");
    let mut told = 0;
    for read in body.chunks(READ) {
        client.handle_bytes(now, read).expect("frames");
        while let Some(event) = client.poll_event() {
            told += u32::from(matches!(black_box(event), Event::Packet(_)));
        }
    }
    assert_eq!(told, packets);
}

/// GB/s of the best of several rounds within `time`.
fn rate(bytes: usize, time: Duration, mut round: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut best = Duration::MAX;
    while begin.elapsed() < time {
        let begin = Instant::now();
        round();
        best = best.min(begin.elapsed());
    }
    bytes as f64 / best.as_secs_f64() / 1e9
}
