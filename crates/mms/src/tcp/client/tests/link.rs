//! The client against our own server, over a link that loses, repeats and reorders datagrams.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;
use crate::{Content, Server, ServerConfig, ServerEvent, ServerTransmit};

/// Packets of each of the two entries.
const PACKETS: u32 = 300;
/// Time from one packet to the next.
const PACE: Duration = Duration::from_millis(7);
/// How long anything is on its way at least.
const DELAY: Duration = Duration::from_millis(25);

/// xorshift64*: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Delivery {
    StreamToClient(Vec<u8>),
    StreamToServer(Vec<u8>),
    DatagramToClient(Vec<u8>),
    DatagramToServer(Vec<u8>),
}

/// How many datagrams of 100 are lost, repeated, late.
#[derive(Clone, Copy, Debug)]
struct Weather {
    lost: u64,
    repeated: u64,
    late: u64,
}

/// A client and a server with a link between, and the time of both.
struct World {
    now: Instant,
    client: Client,
    server: Server,
    weather: Weather,
    random: Random,
    /// By time, and by a number where that is the same.
    deliveries: BinaryHeap<Reverse<(Instant, u64, Delivery)>>,
    number: u64,
    /// When the host sends the next packet, and which.
    next: Option<(Instant, u32)>,
    entry: u32,
    told: Vec<Event>,
}

fn header(entry: u32) -> Bytes {
    Bytes::from(format!("header of entry {entry} ").repeat(50))
}

fn payload(entry: u32, location: u32) -> Bytes {
    Bytes::from(format!("entry {entry}, packet {location}"))
}

impl World {
    fn new(client: Config, weather: Weather, seed: u64) -> Self {
        let now = epoch();
        Self {
            now,
            client: Client::new(client),
            server: server(now),
            weather,
            random: Random(seed * 2 + 1),
            deliveries: BinaryHeap::new(),
            number: 0,
            next: None,
            entry: 0,
            told: Vec::new(),
        }
    }

    /// Runs until the client tells of the end, and gives what it told.
    fn run(mut self) -> (Vec<Event>, Client) {
        let most = self.now + seconds(120);
        loop {
            self.poll();
            if self.told.last() == Some(&Event::Ended) {
                return (self.told, self.client);
            }
            let delivery = self.deliveries.peek().map(|Reverse((at, ..))| *at);
            let host = self.next.map(|(at, _)| at);
            let times = [delivery, host, self.client.poll_timeout(), self.server.poll_timeout()];
            self.now = times.into_iter().flatten().min().expect("something happens until the end");
            assert!(self.now < most, "no end; {:?}", self.told.last());
            if delivery == Some(self.now) {
                self.deliver();
            } else if host == Some(self.now) {
                self.host();
            } else if self.client.poll_timeout() == Some(self.now) {
                self.client.handle_timeout(self.now).unwrap();
            } else {
                self.server.handle_timeout(self.now).unwrap();
            }
        }
    }

    fn deliver(&mut self) {
        let Some(Reverse((_, _, delivery))) = self.deliveries.pop() else { return };
        match delivery {
            Delivery::StreamToClient(bytes) => self.client.handle_bytes(self.now, &bytes).unwrap(),
            Delivery::StreamToServer(bytes) => self.server.handle_bytes(self.now, &bytes).unwrap(),
            Delivery::DatagramToClient(data) => self.client.handle_datagram(self.now, 1755, &data).unwrap(),
            Delivery::DatagramToServer(data) => self.server.handle_datagram(self.now, &data),
        }
    }

    /// The host sends a packet, or what follows the last of an entry.
    fn host(&mut self) {
        let Some((at, location)) = self.next else { return };
        if location < PACKETS {
            self.server.send_packet(location, &payload(self.entry, location)).unwrap();
            self.next = Some((at + PACE, location + 1));
        } else if self.entry == 0 {
            self.entry = 1;
            self.next = None;
            self.server.change(self.now, content(1)).unwrap();
        } else {
            self.next = None;
            self.server.finish(self.now, Hresult::OK);
        }
    }

    /// Until neither side has anything left to say.
    fn poll(&mut self) {
        while self.poll_client() || self.poll_server() {}
    }

    fn poll_client(&mut self) -> bool {
        match self.client.poll_transmit() {
            Some(Transmit::Connect) => {
                self.deliveries.clear();
                (self.server, self.next) = (server(self.now), None);
                self.client.handle_connected(self.now, Ipv4Addr::LOCALHOST.into()).unwrap();
            }
            Some(Transmit::Stream(bytes)) => self.stream(bytes.to_vec(), Delivery::StreamToServer),
            Some(Transmit::Datagram { data, .. }) => self.datagram(data.to_vec(), Delivery::DatagramToServer),
            None => {
                let Some(event) = self.client.poll_event() else { return false };
                if matches!(event, Event::Header(_)) {
                    self.client.play(self.now, &play()).unwrap();
                }
                self.told.push(event);
            }
        }
        true
    }

    fn poll_server(&mut self) -> bool {
        match self.server.poll_transmit() {
            Some(ServerTransmit::Stream(bytes)) => self.stream(bytes.to_vec(), Delivery::StreamToClient),
            Some(ServerTransmit::Datagram { data, .. }) => self.datagram(data.to_vec(), Delivery::DatagramToClient),
            None => match self.server.poll_event() {
                Some(ServerEvent::Open { .. }) => {
                    self.entry = 0;
                    self.server.open(self.now, content(0)).unwrap();
                }
                // Once for an entry: a server that went on by itself is playing already.
                Some(ServerEvent::Play(_)) if self.next.is_none() => self.next = Some((self.now, 0)),
                Some(_) => (),
                None => return false,
            },
        }
        true
    }

    fn stream(&mut self, bytes: Vec<u8>, to: fn(Vec<u8>) -> Delivery) {
        self.number += 1;
        self.deliveries.push(Reverse((self.now + DELAY, self.number, to(bytes))));
    }

    fn datagram(&mut self, data: Vec<u8>, to: fn(Vec<u8>) -> Delivery) {
        let copies = 1 + u64::from(self.random.percent(self.weather.repeated));
        for _ in 0..copies {
            if self.random.percent(self.weather.lost) {
                continue;
            }
            let late = if self.random.percent(self.weather.late) { self.random.next() % 80 } else { 0 };
            self.number += 1;
            let at = self.now + DELAY + Duration::from_millis(late);
            self.deliveries.push(Reverse((at, self.number, to(data.clone()))));
        }
    }
}

fn server(now: Instant) -> Server {
    Server::new(ServerConfig { udp: true, random: [9; 32], ..ServerConfig::default() }, now)
}

fn content(entry: u32) -> Content {
    Content { header: header(entry), packet_size: 100, bit_rate: 1_000_000, ..Content::default() }
}

/// What a run is judged by.
#[derive(Debug, Default)]
struct Summary {
    came: u32,
    lost: u32,
}

/// Both entries, in order, each packet with its bytes and none twice, and a loss wherever one
/// is missing. The last packets of an entry may be missing without a word.
fn judge(told: &[Event], what: &str) -> Summary {
    let mut summary = Summary::default();
    let (mut entry, mut next) = (0, 0);
    let mut words = Vec::new();
    for event in told {
        match event {
            Event::Packet(packet) => {
                assert_eq!(packet.data, payload(entry, packet.location), "{what}");
                assert_eq!(packet.location, next + packet.lost, "{what}: what is missing is told");
                next = packet.location + 1;
                summary.came += 1;
                summary.lost += packet.lost;
            }
            Event::Header(bytes) => {
                assert_eq!(*bytes, header(entry), "{what}");
                words.push("header");
            }
            Event::EntryEnded => {
                (entry, next) = (1, 0);
                words.push("entry");
            }
            Event::Opened(_) => words.push("opened"),
            Event::Ended => words.push("end"),
            Event::Moved(_) => words.push("moved"),
        }
    }
    assert_eq!(words, ["opened", "header", "entry", "header", "end"], "{what}");
    summary
}

fn udp() -> Config {
    Config { udp_port: Some(7000), ..config() }
}

#[test]
fn over_tcp_everything_comes() {
    let (told, client) = World::new(config(), Weather { lost: 100, repeated: 0, late: 0 }, 1).run();
    let summary = judge(&told, "tcp");
    assert_eq!((summary.came, summary.lost, client.is_udp()), (2 * PACKETS, 0, false));
}

#[test]
fn a_link_that_only_repeats_and_reorders_costs_nothing() {
    for seed in 0..20 {
        let weather = Weather { lost: 0, repeated: 30, late: 30 };
        let (told, client) = World::new(udp(), weather, seed).run();
        let summary = judge(&told, &format!("seed {seed}"));
        assert_eq!((summary.came, summary.lost, client.is_udp()), (2 * PACKETS, 0, true), "seed {seed}");
        assert!(client.statistics().repeated > 0);
    }
}

#[test]
fn a_link_that_loses_is_made_up_for() {
    for (lost, most) in [(1, 0), (5, 0), (10, 0), (20, 3), (30, 12)] {
        let mut missing = 0;
        for seed in 0..20 {
            let weather = Weather { lost, repeated: lost, late: lost };
            let (told, client) = World::new(udp(), weather, seed).run();
            let what = format!("{lost} %, seed {seed}");
            let summary = judge(&told, &what);
            // At 30 % even a header of a dozen pieces may need the connection.
            assert!(client.is_udp() || lost == 30, "{what}");
            missing += 2 * PACKETS - summary.came;
            assert!(u64::from(summary.lost) <= client.statistics().lost, "{what}");
        }
        println!("{lost} % lost: {missing} of {} missing", 20 * 2 * PACKETS);
        assert!(missing <= most, "{lost} %: {missing}");
    }
}

#[test]
fn a_link_without_datagrams_is_done_without() {
    let (told, client) = World::new(udp(), Weather { lost: 100, repeated: 0, late: 0 }, 1).run();
    let summary = judge(&told, "no datagrams");
    assert_eq!((summary.came, summary.lost, client.is_udp()), (2 * PACKETS, 0, false));
}
