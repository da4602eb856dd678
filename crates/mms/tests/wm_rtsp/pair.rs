//! Our client and our server, with a link between them that slices, loses and delays.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mms::rtsp::server::{self, Server};
use mms::rtsp::{Client, Outgoing};
use mms::{Config, Event, Limits, Packet, Play, Session, Start, Thinning, Transmit};

use crate::clip::Clip;

pub const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The ports of both sides.
const CLIENT_PORT: u16 = 5000;
const SERVER_PORT: u16 = 5004;
const STEP: Duration = Duration::from_millis(1);

/// A client's configuration for the tests.
pub fn config(udp: bool) -> Config {
    Config {
        host: "wm.example".into(),
        port: 554,
        path: "/clips/clip.wmv?x=1".into(),
        user: None,
        password: None,
        udp_port: udp.then_some(CLIENT_PORT),
        random: std::array::from_fn(|at| at as u8 * 7),
        unix_time: 1_700_000_000,
        reply_timeout: Duration::from_secs(10),
        limits: Limits::default(),
    }
}

/// What the link does to datagrams, and to bytes on the connection.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Bytes come in slices of this size.
    pub slice: usize,
    /// Of a thousand datagrams, so many are lost, delayed, or come twice.
    pub lost: u32,
    pub delayed: u32,
    pub doubled: u32,
    pub seed: u64,
}

pub const GOOD: Link = Link { slice: usize::MAX, lost: 0, delayed: 0, doubled: 0, seed: 1 };

/// How a session went.
#[derive(Debug, Default, PartialEq)]
pub struct Log {
    pub headers: Vec<Bytes>,
    pub packets: Vec<Packet>,
    /// Events in order; packets only as `packet` for a run of them.
    pub story: Vec<&'static str>,
    pub opened: Option<mms::Opened>,
    pub error: Option<mms::Error>,
    /// Datagrams with packets that the server sent.
    pub datagrams: u32,
}

impl Log {
    pub fn lost(&self) -> u32 {
        self.packets.iter().map(|packet| packet.lost).sum()
    }

    pub fn note(&mut self, event: &'static str) {
        if self.story.last() != Some(&event) || event != "packet" {
            self.story.push(event);
        }
    }
}

/// A playlist played from one side to the other.
pub struct Pair {
    pub client: Client,
    pub server: Server,
    pub link: Link,
    pub now: Instant,
    pub log: Log,
    /// What the client asked for last, and where the server sends from.
    pub played: Option<server::Event>,
    entries: VecDeque<Clip>,
    sending: VecDeque<Outgoing>,
    ending: bool,
    under_way: BTreeMap<(Instant, u64), Bytes>,
    counted: u64,
    play: Play,
}

impl Pair {
    pub fn new(entries: Vec<Clip>, udp: bool, server: server::Config, link: Link) -> Self {
        let mut entries: VecDeque<_> = entries.into();
        let playlist = entries.len() > 1;
        entries.iter_mut().for_each(|clip| clip.content.playlist = playlist);
        let play = Play {
            streams: Vec::new(),
            start: Start::Begin,
            packet_size: entries.front().map_or(0, |clip| clip.content.packet_size),
            pace: None,
        };
        let now = Instant::now();
        Self {
            client: Client::new(config(udp)),
            server: Server::new(now, server),
            link,
            now,
            log: Log::default(),
            played: None,
            entries,
            sending: VecDeque::new(),
            ending: false,
            under_way: BTreeMap::new(),
            counted: 0,
            play,
        }
    }

    /// With another order than everything from the begin.
    pub fn play(mut self, play: Play) -> Self {
        self.play = play;
        self
    }

    /// Plays until nothing moves any more.
    pub fn run(mut self) -> Self {
        for _ in 0..1_000_000 {
            let moved = self.step();
            if self.log.error.is_some() || self.log.story.last() == Some(&"ended") {
                return self;
            }
            if moved || !self.sending.is_empty() || self.ending {
                self.now += STEP;
                continue;
            }
            let times = [self.client.poll_timeout(), self.under_way.keys().next().map(|(time, _)| *time)];
            match times.into_iter().flatten().min() {
                Some(time) => self.now = self.now.max(time),
                None => return self,
            }
            let handled = self.client.handle_timeout(self.now);
            self.note(handled);
        }
        panic!("no end: {:?}", self.log.story);
    }

    fn note(&mut self, handled: Result<(), mms::Error>) {
        if let Err(error) = handled {
            self.log.error.get_or_insert(error);
        }
    }

    /// Moves what there is to move at this instant.
    fn step(&mut self) -> bool {
        let mut moved = self.client_sends();
        moved |= self.server_works();
        moved |= self.server_sends();
        moved |= self.datagrams_arrive();
        moved | self.client_tells()
    }

    fn client_sends(&mut self) -> bool {
        let mut moved = false;
        while let Some(transmit) = self.client.poll_transmit() {
            moved = true;
            match transmit {
                Transmit::Connect => {
                    let handled = self.client.handle_connected(self.now, LOCAL);
                    self.note(handled);
                }
                Transmit::Stream(bytes) => {
                    for slice in bytes.chunks(self.link.slice) {
                        self.server.handle_bytes(self.now, slice).unwrap();
                    }
                }
                Transmit::Datagram { port, .. } => assert_eq!(port, SERVER_PORT),
            }
        }
        moved
    }

    fn server_works(&mut self) -> bool {
        let mut moved = false;
        while let Some(event) = self.server.poll_event() {
            moved = true;
            match &event {
                server::Event::Describe { .. } => {
                    let content = self.entries.front().unwrap().content.clone();
                    self.server.describe(content).unwrap();
                }
                server::Event::Play { start, .. } => {
                    let clip = self.entries.pop_front().unwrap();
                    let first = match start {
                        Start::Packet(number) => *number,
                        _ => 0,
                    };
                    self.sending = clip.packets.into_iter().filter(|packet| packet.location >= first).collect();
                    self.ending = true;
                }
                _ => (),
            }
            self.played = Some(event);
        }
        if self.ending {
            let count = self.sending.len().min(2);
            let packets: Vec<_> = self.sending.drain(..count).collect();
            self.server.send(&packets);
            if self.sending.is_empty() {
                self.ending = false;
                self.server.end(!self.entries.is_empty());
                if let Some(next) = self.entries.front() {
                    self.server.announce(next.content.clone());
                }
            }
            moved = true;
        }
        moved
    }

    fn server_sends(&mut self) -> bool {
        let mut moved = false;
        while let Some(transmit) = self.server.poll_transmit() {
            moved = true;
            match transmit {
                Transmit::Stream(bytes) => {
                    for slice in bytes.chunks(self.link.slice) {
                        let handled = self.client.handle_bytes(self.now, slice);
                        self.note(handled);
                    }
                }
                Transmit::Datagram { port, data } => {
                    assert_eq!(port, CLIENT_PORT);
                    self.log.datagrams += 1;
                    if !self.chance(self.link.lost) {
                        self.send_datagram(&data);
                        if self.chance(self.link.doubled) {
                            self.send_datagram(&data);
                        }
                    }
                }
                Transmit::Connect => panic!("a server does not connect"),
            }
        }
        moved
    }

    fn send_datagram(&mut self, data: &Bytes) {
        let delay = if self.chance(self.link.delayed) { 1 + self.random() % 50 } else { 0 };
        let time = self.now + Duration::from_millis(5 + delay);
        self.counted += 1;
        self.under_way.insert((time, self.counted), data.clone());
    }

    fn datagrams_arrive(&mut self) -> bool {
        let mut moved = false;
        while let Some(entry) = self.under_way.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let data = entry.remove();
            let handled = self.client.handle_datagram(self.now, SERVER_PORT, &data);
            self.note(handled);
            moved = true;
        }
        if self.client.poll_timeout().is_some_and(|timeout| timeout <= self.now) {
            let handled = self.client.handle_timeout(self.now);
            self.note(handled);
        }
        moved
    }

    fn client_tells(&mut self) -> bool {
        let mut moved = false;
        while let Some(event) = self.client.poll_event() {
            moved = true;
            match event {
                Event::Opened(opened) => {
                    self.log.note("opened");
                    self.log.opened = Some(opened);
                }
                Event::Header(header) => {
                    self.log.note("header");
                    self.log.headers.push(header);
                    let mut play = self.play.clone();
                    if play.streams.is_empty() {
                        play.streams = (1..=127).map(|number| (number, Thinning::All)).collect();
                    }
                    let handled = self.client.play(self.now, &play);
                    self.note(handled);
                }
                Event::Packet(packet) => {
                    self.log.note("packet");
                    self.log.packets.push(packet);
                }
                Event::EntryEnded => self.log.note("entry ended"),
                Event::Ended => self.log.note("ended"),
                Event::Moved(_) => self.log.note("moved"),
                _ => panic!("unknown event"),
            }
        }
        moved
    }

    /// So many times of a thousand.
    fn chance(&mut self, of_thousand: u32) -> bool {
        self.random() % 1000 < u64::from(of_thousand)
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.link.seed = self.link.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.link.seed ^ self.link.seed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }
}
