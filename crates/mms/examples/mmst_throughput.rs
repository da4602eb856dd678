//! How fast a connection is taken apart, against copying its bytes:
//! `cargo run --release -p mms --example mmst_throughput`.

#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mms::wire::{Data, Deframer, Frame, Framer, MacToViewer, ReportConnectedEX, ReportFunnelInfo, ReportOpenFile};
use mms::{Config, Event, Hresult, Limits, Play, Session, Start, Thinning, tcp};

/// Bytes of a connection, more than caches hold.
const SIZE: usize = 64 << 20;
/// Bytes of one read.
const READ: usize = 64 << 10;
const ROUNDS: usize = 7;

fn main() {
    println!("{:>8}  {:>8}  {:>18}  {:>18}", "payload", "memcpy", "Deframer", "tcp::Client");
    for payload in [400, 1400, 8000, 32_000] {
        let connection = connection(payload);
        let memcpy = measure(&connection, || {
            let mut room = vec![0; READ];
            move |bytes: &[u8]| {
                room[..bytes.len()].copy_from_slice(bytes);
                black_box(&room);
            }
        });
        let deframer = measure(&connection, || {
            let mut deframer = Deframer::new(64 << 10);
            begin(&mut deframer);
            move |mut bytes: &[u8]| {
                while let Some(frame) = deframer.next(&mut bytes).expect("it is MMS") {
                    black_box(frame);
                }
            }
        });
        let client = measure(&connection, || {
            let mut client = streaming();
            let now = Instant::now();
            move |bytes: &[u8]| {
                client.handle_bytes(now, bytes).expect("it is MMS");
                while let Some(event) = client.poll_event() {
                    black_box(event);
                }
                while let Some(transmit) = client.poll_transmit() {
                    black_box(transmit);
                }
            }
        });
        let share = |rate: f64| format!("{rate:.1} GB/s ({:.0} %)", 100.0 * rate / memcpy);
        println!("{payload:>8}  {memcpy:>3.1} GB/s  {:>18}  {:>18}", share(deframer), share(client));
    }
}

/// GB/s of the best round; each begins with what `new` makes.
fn measure<F: FnMut(&[u8])>(connection: &[u8], new: impl Fn() -> F) -> f64 {
    let round = |_| {
        let mut take = new();
        let began = Instant::now();
        connection.chunks(READ).for_each(&mut take);
        connection.len() as f64 / began.elapsed().as_secs_f64() / 1e9
    };
    (0..ROUNDS).map(round).fold(0.0, f64::max)
}

/// Data packets with payloads of `size` bytes, and a ping now and then.
fn connection(size: usize) -> Vec<u8> {
    let now = Instant::now();
    let (mut bytes, mut framer) = (Vec::with_capacity(SIZE + READ), Framer::new());
    let payload = Bytes::from(vec![0x5A; size]);
    for location_id in 0.. {
        if bytes.len() >= SIZE {
            break;
        }
        if location_id % 1000 == 0 {
            bytes.extend(framer.frame(now, &MacToViewer::Ping.encode()));
        }
        let data = Data { location_id, incarnation: 10, af_flags: location_id as u8, payload: payload.clone() };
        bytes.extend(data.encode().expect("it fits"));
    }
    bytes
}

/// Takes a first message, before which no data may come.
fn begin(deframer: &mut Deframer) {
    let ping = Framer::new().frame(Instant::now(), &MacToViewer::Ping.encode());
    let frame = deframer.next(&mut &ping[..]).expect("it is MMS");
    assert!(matches!(frame, Some(Frame::Message { .. })));
}

/// A client that has asked for data.
fn streaming() -> tcp::Client {
    let now = Instant::now();
    let mut client = tcp::Client::new(Config {
        host: "host".to_owned(),
        port: 1755,
        path: "/path".to_owned(),
        user: None,
        password: None,
        udp_port: None,
        random: [0; 32],
        unix_time: 0,
        reply_timeout: Duration::from_secs(10),
        limits: Limits::default(),
    });
    client.handle_connected(now, Ipv4Addr::LOCALHOST.into()).expect("it was asked for");
    let hr = Hresult(0);
    let mut framer = Framer::new();
    let mut tell = |message: MacToViewer| {
        client.handle_bytes(now, &framer.frame(now, &message.encode())).expect("it is what is waited for");
    };
    tell(MacToViewer::ReportConnectedEX(ReportConnectedEX::default()));
    tell(MacToViewer::ReportFunnelInfo(ReportFunnelInfo { hr, incarnation: 0, client_id: 1, probe: Bytes::new() }));
    tell(MacToViewer::ReportConnectedFunnel { hr });
    tell(MacToViewer::ReportOpenFile(ReportOpenFile::default()));
    let header = Data { location_id: 0, incarnation: 1, af_flags: 0x0C, payload: Bytes::from_static(b"header") };
    client.handle_bytes(now, &header.encode().expect("it fits")).expect("it is what is waited for");
    let play = Play { streams: vec![(1, Thinning::All)], start: Start::Begin, packet_size: 40_000, pace: None };
    client.play(now, &play).expect("a header came");
    while let Some(event) = client.poll_event() {
        assert!(!matches!(event, Event::Packet(_)));
    }
    client
}
