//! A server of Windows Media over HTTP that does anything, and a client that asks anything.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::epoch;
use crate::http::Client;
use crate::http::server::{Kind, Request, frame_header};
use crate::{Config, Error, Event, Limits, Play, Session, Start, Thinning, Transmit};

/// What ends an answer by closing the connection.
const CLOSE: &[u8] = b"\xFFEND";
/// What ends an answer with silence, up to the client's deadline.
const SILENCE: &[u8] = b"\xFFTIM";

/// A server answers request after request with anything, in any slices: slicing does not
/// matter, nothing comes out that did not go in, and nothing follows an error.
///
/// # Panics
/// When that is not so.
pub fn mmsh_client(input: &[u8]) {
    let Some((size, script)) = input.split_first() else { return };
    let now = epoch();
    let whole = Talk::new(now).run(script, usize::MAX);
    let size = usize::from(*size) + 1;
    let sliced = Talk::new(now).run(script, size);
    assert_eq!(sliced.requests, whole.requests, "in slices of {size}");
    assert_eq!(sliced.events, whole.events, "in slices of {size}");
    assert_eq!(sliced.result, whole.result, "in slices of {size}");
    let bytes = |event: &Event| match event {
        Event::Header(header) => header.len(),
        Event::Packet(packet) => packet.data.len(),
        _ => 0,
    };
    assert!(whole.events.iter().map(bytes).sum::<usize>() <= script.len());
    assert!(whole.requests.len() <= 16);
}

struct Talk {
    client: Client,
    now: Instant,
    requests: Vec<String>,
    events: Vec<Event>,
    result: Result<(), Error>,
}

fn config() -> Config {
    Config {
        host: "cam.example".to_owned(),
        port: 8080,
        path: "/live/cam?a=1".to_owned(),
        user: Some("eve".to_owned()),
        password: Some("secret".to_owned()),
        udp_port: None,
        random: [0x5A; 32],
        unix_time: 1_700_000_000,
        reply_timeout: Duration::from_secs(7),
        limits: Limits { header: 2000, message: 1000, playlist: 2000, reorder: 0 },
    }
}

fn select() -> Play {
    let streams = vec![(1, Thinning::All), (2, Thinning::Nothing)];
    Play { streams, start: Start::Begin, packet_size: 100, pace: None }
}

impl Talk {
    fn new(now: Instant) -> Self {
        let mut talk = Self { client: Client::new(&config()), now, requests: vec![], events: vec![], result: Ok(()) };
        talk.drain();
        talk
    }

    /// Whether the client sent something, so that the rest of an answer is no answer.
    fn drain(&mut self) -> bool {
        let mut sent = false;
        while let Some(transmit) = self.client.poll_transmit() {
            sent = true;
            match transmit {
                Transmit::Connect => {
                    let local = IpAddr::from(Ipv4Addr::LOCALHOST);
                    self.note(|client, now| client.handle_connected(now, local));
                }
                Transmit::Stream(bytes) => self.requests.push(String::from_utf8(bytes.to_vec()).expect("it is text")),
                Transmit::Datagram { .. } => panic!("a datagram over HTTP"),
            }
        }
        self.events.extend(std::iter::from_fn(|| self.client.poll_event()));
        sent
    }

    fn note(&mut self, step: impl FnOnce(&mut Client, Instant) -> Result<(), Error>) {
        let result = step(&mut self.client, self.now);
        if self.result.is_ok() {
            self.result = result;
        }
    }

    fn run(mut self, mut script: &[u8], size: usize) -> Self {
        while !script.is_empty() && self.result.is_ok() {
            let ends = [CLOSE, SILENCE].map(|end| script.windows(end.len()).position(|window| window == end));
            let (at, end) = match ends {
                [Some(close), silence] if silence.is_none_or(|silence| close < silence) => (close, Some(CLOSE)),
                [_, Some(silence)] => (silence, Some(SILENCE)),
                _ => (script.len(), None),
            };
            self.answer(&script[..at], size);
            match end {
                _ if self.result.is_err() => (),
                Some(CLOSE) => self.note(|client, now| client.handle_closed(now)),
                Some(_) => {
                    self.now = self.client.poll_timeout().unwrap_or(self.now).max(self.now);
                    self.note(|client, now| client.handle_timeout(now));
                }
                None => (),
            }
            self.drain();
            script = &script[(at + end.map_or(0, <[u8]>::len)).min(script.len())..];
        }
        if self.result.is_err() {
            assert_eq!(self.client.poll_timeout(), None);
            self.note(|client, now| client.handle_bytes(now, b"$D"));
            assert_eq!((self.client.poll_transmit(), self.client.poll_event()), (None, None));
        }
        self
    }

    fn answer(&mut self, answer: &[u8], size: usize) {
        let told = self.events.len();
        for slice in answer.chunks(size) {
            self.note(|client, now| client.handle_bytes(now, slice));
            if self.drain() || self.result.is_err() {
                break;
            }
        }
        if self.result.is_ok() && self.events[told..].iter().any(|event| matches!(event, Event::Header(_))) {
            // The session may be over by now.
            let _ = self.client.play(self.now, &select());
            self.drain();
        }
    }
}

/// A request with any headers is read without harm; and what our client asks for is what a
/// server reads, whatever streams and begin.
///
/// # Panics
/// When that is not so.
pub fn mmsh_request(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let method = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let pairs: Vec<(String, &[u8])> = lines
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((String::from_utf8_lossy(&line[..colon]).into_owned(), line[colon + 1..].trim_ascii()))
        })
        .collect();
    let request = Request::of(&method, pairs.iter().map(|(name, value)| (name.as_str(), *value)));
    let known: Vec<u8> = input.iter().copied().filter(|stream| (1..=127).contains(stream)).take(20).collect();
    if let Kind::Play(order) = &request.kind {
        let _ = order.start(5000, u32::from(input[0]));
        if let Some(selection) = &order.streams {
            let of = selection.of(&known);
            assert!(of.iter().map(|(stream, _)| *stream).eq(known.iter().copied()));
        }
    }
    read_back(&known, input);
}

/// Plays streams with these numbers, in ways that `input` gives.
fn read_back(known: &[u8], input: &[u8]) {
    let number = input.iter().rev().take(4).fold(0u32, |number, byte| number << 8 | u32::from(*byte));
    let mut streams: Vec<(u8, Thinning)> = Vec::new();
    for (stream, way) in known.iter().zip(input.iter().rev()) {
        let thinning = [Thinning::All, Thinning::Keyframes, Thinning::Nothing][usize::from(way % 3)];
        if streams.iter().all(|(known, _)| known != stream) {
            streams.push((*stream, thinning));
        }
    }
    let start = match number {
        0 | u32::MAX => Start::Begin,
        time if time % 2 == 0 => Start::Time(Duration::from_millis(time.into())),
        packet => Start::Packet(packet),
    };
    let mut talk = Talk::new(epoch());
    let mut answer = BytesMut::from(&b"HTTP/1.0 200 OK\r\n\r\n"[..]);
    let header =
        [&b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\x00\xAA\x00\x62\xCE\x6C"[..], &30u64.to_le_bytes(), &[0; 56]];
    frame_header(&header.concat(), &mut answer);
    talk.note(|client, now| client.handle_bytes(now, &answer));
    talk.drain();
    let play = Play { streams: streams.clone(), start, packet_size: 1000, pace: None };
    talk.note(|client, now| client.play(now, &play));
    talk.drain();
    assert_eq!((talk.result, talk.requests.len()), (Ok(()), 2));
    let lines = talk.requests[1].lines().filter_map(|line| line.split_once(": "));
    let request = Request::of("GET", lines.map(|(name, value)| (name, value.as_bytes())));
    let Kind::Play(order) = request.kind else { panic!("{request:?}") };
    assert_eq!(order.start(80, 1000), start);
    let numbers: Vec<u8> = streams.iter().map(|(stream, _)| *stream).collect();
    assert_eq!(order.streams.map(|selection| selection.of(&numbers)).unwrap_or_default(), streams);
    assert!(request.agent.speaks() && request.guid.is_some_and(|guid| guid.len() == 36));
}
