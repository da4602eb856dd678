//! A server of Windows Media RTSP that says anything, a client that asks anything, and RTP of
//! any kind.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::epoch;
use crate::rtsp::server::{self, Content, Kind, Media};
use crate::rtsp::{Client, Outgoing, Server, depacketize, unpack_again};
use crate::{Config, Error, Event, Limits, Pace, Play, Session, Start, Thinning, Transmit};

/// A server says anything on the connection and in datagrams, is silent and goes: slicing does
/// not matter, nothing comes out that did not go in, nothing follows an error, and no deadline
/// stays in the past.
///
/// The first byte says in which slices, and whether there are datagrams. 0xFF and a letter
/// begin a part: `B` bytes of the connection, `D` a datagram, `T` silence up to the deadline,
/// `C` the end of the connection.
///
/// # Panics
/// When that is not so.
pub fn wmrtsp_client(input: &[u8]) {
    let Some((first, script)) = input.split_first() else { return };
    let (udp, size) = (first & 1 != 0, usize::from(first >> 1) + 1);
    let now = epoch();
    let whole = Talk::new(now, udp).run(script, usize::MAX);
    let sliced = Talk::new(now, udp).run(script, size);
    assert_eq!(sliced.transmits, whole.transmits, "in slices of {size}");
    assert_eq!(sliced.events, whole.events, "in slices of {size}");
    assert_eq!(sliced.result.is_ok(), whole.result.is_ok(), "in slices of {size}");
    let bytes = |event: &Event| match event {
        Event::Header(header) => header.len(),
        Event::Packet(packet) => packet.data.len(),
        _ => 0,
    };
    assert!(whole.events.iter().map(bytes).sum::<usize>() <= script.len());
    assert!(whole.transmits.len() <= script.len() + 1000);
}

struct Talk {
    client: Client,
    now: Instant,
    transmits: Vec<Transmit>,
    events: Vec<Event>,
    result: Result<(), Error>,
    /// What came before an error has been taken.
    ended: bool,
}

impl Talk {
    fn new(now: Instant, udp: bool) -> Self {
        let config = Config {
            host: "wm.example".to_owned(),
            port: 554,
            path: "/clip.wmv".to_owned(),
            user: Some("eve".to_owned()),
            password: Some("secret".to_owned()),
            udp_port: udp.then_some(5000),
            random: [0x5A; 32],
            unix_time: 1_700_000_000,
            reply_timeout: Duration::from_secs(7),
            limits: Limits { header: 2000, message: 1000, playlist: 0, reorder: 8 },
        };
        Self { client: Client::new(config), now, transmits: vec![], events: vec![], result: Ok(()), ended: false }
    }

    fn run(mut self, script: &[u8], size: usize) -> Self {
        self.drain();
        for (kind, data) in parts(script) {
            match kind {
                b'D' => self.note(|client, now| client.handle_datagram(now, 5004, data)),
                b'C' => self.note(|client, now| client.handle_closed(now)),
                b'T' => self.time_out(),
                _ => {
                    for slice in data.chunks(size) {
                        self.note(|client, now| client.handle_bytes(now, slice));
                    }
                }
            }
            self.drain();
        }
        self
    }

    fn note(&mut self, handle: impl FnOnce(&mut Client, Instant) -> Result<(), Error>) {
        let result = handle(&mut self.client, self.now);
        if self.ended {
            assert!(self.client.poll_event().is_none() && self.client.poll_timeout().is_none(), "after an error");
        } else if self.result.is_ok() {
            self.result = result;
        }
    }

    fn time_out(&mut self) {
        let Some(deadline) = self.client.poll_timeout() else { return };
        self.now = self.now.max(deadline);
        for _ in 0..8 {
            self.note(|client, now| client.handle_timeout(now));
            if self.client.poll_timeout().is_none_or(|next| next > self.now) {
                return;
            }
        }
        panic!("a deadline stays in the past");
    }

    fn drain(&mut self) {
        loop {
            while let Some(transmit) = self.client.poll_transmit() {
                if transmit == Transmit::Connect {
                    self.note(|client, now| client.handle_connected(now, IpAddr::V4(Ipv4Addr::LOCALHOST)));
                }
                self.transmits.push(transmit);
            }
            let Some(event) = self.client.poll_event() else { break };
            if matches!(event, Event::Header(_)) && self.result.is_ok() {
                self.note(|client, now| match client.play(now, &order()) {
                    // The session may have gone on, or ended, since.
                    Err(Error::State { .. }) => Ok(()),
                    played => played,
                });
            }
            self.events.push(event);
        }
        self.ended |= self.result.is_err();
    }
}

fn order() -> Play {
    Play {
        streams: vec![(1, Thinning::All), (2, Thinning::Keyframes), (3, Thinning::Nothing)],
        start: Start::Packet(7),
        packet_size: 100,
        pace: Some(Pace {
            accelerate_bandwidth: 1_000_000,
            accelerate_duration: Duration::from_secs(5),
            link_bandwidth: 2_000_000,
        }),
    }
}

/// The parts of a script: a letter and what follows it, bytes at first.
fn parts(script: &[u8]) -> Vec<(u8, &[u8])> {
    let mut parts = Vec::new();
    let (mut kind, mut begin, mut at) = (b'B', 0, 0);
    while at < script.len() {
        match script[at..] {
            [0xFF, next @ (b'B' | b'D' | b'T' | b'C'), ..] => {
                parts.push((kind, &script[begin..at]));
                (kind, begin, at) = (next, at + 2, at + 2);
            }
            _ => at += 1,
        }
    }
    parts.push((kind, &script[begin..]));
    parts
}

/// RTP packets of any kind, in any order: no more comes out than went in, every packet is
/// within its bound, and what we pack ourselves comes out as it was.
///
/// Packets are a byte of length and their bytes.
///
/// # Panics
/// When that is not so.
pub fn wmrtsp_depacketizer(input: &[u8]) {
    let mut packets = Vec::new();
    let mut rest = input;
    while let Some((length, after)) = rest.split_first() {
        let (packet, after) = after.split_at(after.len().min(usize::from(*length)));
        packets.push(Bytes::copy_from_slice(packet));
        rest = after;
    }
    for udp in [false, true] {
        let out = depacketize(epoch(), udp, &packets);
        assert!(out.iter().map(|packet| packet.data.len()).sum::<usize>() <= input.len());
        assert!(out.iter().all(|packet| (1..=65535).contains(&packet.data.len())));
    }
    let sent: Vec<_> = packets
        .iter()
        .filter(|packet| !packet.is_empty())
        .zip(0..)
        .map(|(packet, number)| Outgoing {
            stream: 1,
            send_time: u32::from(packet[0]) << 24,
            key: packet[0] & 1 != 0,
            location: number,
            data: packet.clone(),
        })
        .collect();
    let most = input.first().map_or(100, |first| usize::from(*first) + 20);
    for location in [false, true] {
        let came = unpack_again(&sent, most, location);
        let sent: Vec<_> = sent.iter().map(|packet| &packet.data).collect();
        assert!(came.iter().map(|packet| &packet.data).eq(sent), "with payloads of {most}");
        assert!(came.iter().all(|packet| packet.lost == 0));
    }
}

/// A client asks anything, in any slices: slicing does not matter, and answers stay in bounds.
///
/// # Panics
/// When that is not so.
pub fn wmrtsp_server(input: &[u8]) {
    let Some((first, requests)) = input.split_first() else { return };
    let now = epoch();
    let size = usize::from(first >> 1) + 1;
    let serve = |size: usize| {
        let limits = Limits { header: 2000, message: 1000, playlist: 0, reorder: 0 };
        let udp_port = (first & 1 != 0).then_some(5004);
        let mut server =
            Server::new(now, server::Config { udp_port, random: [0x5A; 32], limits, ..server::Config::default() });
        let mut transmits = Vec::new();
        for part in requests.split(|byte| *byte == 0xFF) {
            for slice in part.chunks(size) {
                let _ = server.handle_bytes(now, slice);
            }
            while let Some(event) = server.poll_event() {
                match event {
                    server::Event::Describe { .. } => drop(server.describe(content())),
                    server::Event::Play { streams, .. } => {
                        let packet = |(stream, _): &(u8, Thinning)| Outgoing {
                            stream: *stream,
                            send_time: 5,
                            key: true,
                            location: 1,
                            data: Bytes::from_static(&[7; 2000]),
                        };
                        server.send(&streams.iter().map(packet).collect::<Vec<_>>());
                        server.end(false);
                    }
                    _ => (),
                }
            }
            transmits.extend(std::iter::from_fn(|| server.poll_transmit()));
        }
        (transmits, server.is_over())
    };
    let whole = serve(usize::MAX);
    assert_eq!(serve(size), whole, "in slices of {size}");
    assert!(whole.0.len() <= requests.len() * 20, "{} transmits", whole.0.len());
}

fn content() -> Content {
    let media = |number, kind| Media { number, kind, bit_rate: 1000 };
    Content {
        header: Bytes::from_static(&[0x30, 0x26, 0xB2, 0x75]),
        packet_size: 2000,
        streams: vec![media(1, Kind::Audio), media(2, Kind::Video)],
        ..Content::default()
    }
}
