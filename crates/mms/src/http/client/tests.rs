use std::net::Ipv4Addr;

use bytes::BytesMut;

use super::*;
use crate::http::header::tests::header;
use crate::http::server::{frame_change, frame_end, frame_header, frame_packet};
use crate::{Opened, Packet, Start, Thinning};

mod access;
mod bodies;
mod endings;

const DESCRIBED: &str = "HTTP/1.0 200 OK\r\nServer: Cougar/9.01.01.3841\r\n\
    Pragma: no-cache, client-id=7, features=\"seekable\"\r\nContent-Type: application/vnd.ms.wms-hdr.asfv1\r\n\r\n";
const PLAYED: &str = "HTTP/1.0 200 OK\r\nServer: Cougar/9.01.01.3841\r\nPragma: client-id=7\r\n\
    Content-Type: application/x-mms-framed\r\n\r\n";

fn config() -> Config {
    Config {
        host: "cam.example".into(),
        port: 80,
        path: "/live/cam?a=1".into(),
        user: Some("eve".into()),
        password: Some("secret".into()),
        udp_port: None,
        random: [0x5A; 32],
        unix_time: 1_700_000_000,
        reply_timeout: Duration::from_secs(7),
        limits: Limits::default(),
    }
}

fn select(streams: &[(u8, Thinning)]) -> Play {
    Play { streams: streams.to_vec(), start: Start::Begin, packet_size: 100, pace: None }
}

/// A driver and its server: answers are read in slices, headers are answered at once.
struct Peer {
    client: Client,
    now: Instant,
    slice: usize,
    play: Option<Play>,
    connections: usize,
    requests: Vec<String>,
    events: Vec<Event>,
}

impl Peer {
    fn new() -> Self {
        Self::with(&config(), usize::MAX)
    }

    fn with(config: &Config, slice: usize) -> Self {
        let now = crate::fuzz::epoch();
        let play = Some(select(&[(1, Thinning::All), (2, Thinning::Nothing)]));
        let client = Client::new(config);
        let mut peer = Self { client, now, slice, play, connections: 0, requests: vec![], events: vec![] };
        peer.drain();
        peer
    }

    fn drain(&mut self) {
        loop {
            if let Some(transmit) = self.client.poll_transmit() {
                match transmit {
                    Transmit::Connect => {
                        self.connections += 1;
                        self.client.handle_connected(self.now, Ipv4Addr::LOCALHOST.into()).unwrap();
                    }
                    Transmit::Stream(bytes) => self.requests.push(String::from_utf8(bytes.to_vec()).unwrap()),
                    Transmit::Datagram { .. } => panic!("a datagram over HTTP"),
                }
            } else if let Some(event) = self.client.poll_event() {
                let header = matches!(event, Event::Header(_));
                self.events.push(event);
                if header && let Some(play) = &self.play {
                    self.client.play(self.now, play).unwrap();
                }
            } else {
                break;
            }
        }
    }

    fn answer(&mut self, parts: &[&[u8]]) -> Result<(), Error> {
        let bytes = parts.concat();
        for slice in bytes.chunks(self.slice.min(bytes.len().max(1))) {
            let result = self.client.handle_bytes(self.now, slice);
            self.drain();
            result?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let result = self.client.handle_closed(self.now);
        self.drain();
        result
    }

    /// Lets the time pass up to the deadline, which must be `seconds` away.
    fn wait(&mut self, seconds: u64) -> Result<(), Error> {
        let deadline = self.client.poll_timeout().unwrap();
        assert_eq!(deadline - self.now, Duration::from_secs(seconds));
        self.now = deadline - Duration::from_nanos(1);
        assert_eq!(self.client.handle_timeout(self.now), Ok(()), "before the deadline");
        self.now = deadline;
        let result = self.client.handle_timeout(self.now);
        self.drain();
        result
    }

    fn last_request(&self) -> &str {
        self.requests.last().unwrap()
    }

    /// What was told, a word each.
    fn story(&self) -> String {
        let word = |event: &Event| match event {
            Event::Opened(_) => "opened".to_owned(),
            Event::Header(header) => format!("header:{}", header.len()),
            Event::Packet(Packet { location, lost: 0, .. }) => location.to_string(),
            Event::Packet(Packet { location, lost, .. }) => format!("{location}(-{lost})"),
            Event::EntryEnded => "entry-ended".to_owned(),
            Event::Ended => "ended".to_owned(),
            Event::Moved(urls) => format!("moved:{}", urls.join("|")),
        };
        self.events.iter().map(word).collect::<Vec<_>>().join(" ")
    }
}

fn h(header: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    frame_header(header, &mut out);
    out.to_vec()
}

fn m(description: &[u8]) -> Vec<u8> {
    let length = (description.len() as u16 + 8).to_le_bytes();
    let head = [0x24, b'M', length[0], length[1], 0, 0, 0, 0, 0, 0x0C, length[0], length[1]];
    [&head[..], description].concat()
}

fn d(location: u32, sequence: u8, size: usize) -> Vec<u8> {
    [&frame_packet(location, sequence, size)[..], &vec![location as u8; size]].concat()
}

fn e(reason: u32) -> Vec<u8> {
    frame_end(reason).to_vec()
}

/// Described and playing.
fn playing(slice: usize) -> Peer {
    let mut peer = Peer::with(&config(), slice);
    peer.answer(&[DESCRIBED.as_bytes(), &h(&header(100, 3))]).unwrap();
    peer
}

#[test]
fn a_file_is_described_and_played_on_two_connections() {
    let mut peer = playing(usize::MAX);
    assert!(peer.requests[0].starts_with("GET /live/cam?a=1 HTTP/1.0\r\n"), "{}", peer.requests[0]);
    assert!(!peer.requests[0].contains("client-id"));
    assert!(peer.requests[1].contains("Pragma: client-id=7\r\n"), "{}", peer.requests[1]);
    assert!(peer.requests[1].contains("Pragma: stream-switch-entry=ffff:1:0 ffff:2:2\r\n"), "{}", peer.requests[1]);
    let guid = |request: &str| request.lines().find(|line| line.contains("xClientGUID")).unwrap().to_owned();
    assert_eq!(guid(&peer.requests[0]), guid(&peer.requests[1]));
    let opened = Opened {
        server: Some("Cougar/9.01.01.3841".into()),
        broadcast: Some(false),
        seekable: Some(true),
        ..Opened::default()
    };
    assert_eq!(peer.events[0], Event::Opened(opened));
    assert_eq!(peer.events[1], Event::Header(header(100, 3).into()));

    let packets = [d(0, 0, 100), d(1, 1, 60), d(2, 2, 100)].concat();
    peer.answer(&[PLAYED.as_bytes(), &h(&header(100, 3)), &packets, &e(0)]).unwrap();
    assert_eq!(peer.events[3], Event::Packet(Packet { location: 1, lost: 0, data: vec![1; 60].into() }));
    assert_eq!(peer.story(), "opened header:184 0 1 2 ended");
    // The end is the packet; the server may say it again, and keep the connection.
    peer.answer(&[&e(0).repeat(511)]).unwrap();
    assert_eq!((peer.client.poll_timeout(), peer.close()), (None, Ok(())));
    assert_eq!((peer.connections, peer.story().as_str()), (2, "opened header:184 0 1 2 ended"));
}

#[test]
fn a_kept_connection_carries_the_play_too() {
    let body = h(&header(100, 3));
    let head = format!("HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut peer = Peer::new();
    peer.answer(&[head.as_bytes(), &body]).unwrap();
    assert_eq!((peer.connections, peer.requests.len()), (1, 2));
    // Unless it was closed in the meantime.
    peer.close().unwrap();
    assert_eq!((peer.connections, peer.requests.len()), (2, 3));
    assert_eq!(peer.requests[1], peer.requests[2]);
    assert_eq!(peer.close().unwrap_err().to_string(), "the server closed the connection before the head of its answer");
}

#[test]
fn a_header_that_changed_behind_describe_is_told_and_other_streams_are_asked_for() {
    let mut peer = playing(usize::MAX);
    let all = select(&[(1, Thinning::All), (3, Thinning::All)]);
    peer.play = Some(all);
    let other = header(50, 9);
    peer.answer(&[PLAYED.as_bytes(), &h(&other), &d(0, 0, 50)]).unwrap();
    assert_eq!((peer.connections, peer.requests.len()), (3, 3));
    assert!(peer.last_request().contains("stream-switch-entry=ffff:1:0 ffff:3:0\r\n"), "{}", peer.last_request());
    peer.answer(&[PLAYED.as_bytes(), &h(&other), &d(0, 0, 50), &e(0)]).unwrap();
    assert_eq!(peer.story(), "opened header:184 header:184 0 ended");
}

#[test]
fn a_refused_version_is_followed_by_the_other() {
    let mut peer = Peer::new();
    assert!(peer.last_request().contains("User-Agent: NSPlayer/7.10.0.3059\r\n"));
    peer.answer(&[b"HTTP/1.0 400 Bad Request\r\n\r\n"]).unwrap();
    assert!(peer.last_request().contains("User-Agent: NSPlayer/9.0.0.2980\r\n"));
    let error = peer.answer(&[b"HTTP/1.0 400 Bad Request\r\n\r\n"]).unwrap_err().to_string();
    assert_eq!(error, "the server answered 400 Bad Request; it does not understand the request, is the path right?");
}

#[test]
fn cookies_come_back() {
    let mut peer = Peer::new();
    let cookies = "Set-Cookie: a=1; path=/\r\nSet-Cookie: b=2\r\nSet-Cookie: a=3\r\nSet-Cookie: none\r\n\r\n";
    peer.answer(&[DESCRIBED.replace("\r\n\r\n", &format!("\r\n{cookies}")).as_bytes(), &h(&header(100, 3))]).unwrap();
    assert!(peer.last_request().contains("\r\nCookie: b=2; a=3\r\n"), "{}", peer.last_request());
}

#[test]
fn stopping_ends_everything() {
    let mut peer = playing(usize::MAX);
    peer.client.stop(peer.now);
    peer.answer(&[PLAYED.as_bytes(), &d(0, 0, 100)]).unwrap();
    assert_eq!((peer.client.poll_timeout(), peer.client.poll_transmit()), (None, None));
    assert_eq!(peer.story(), "opened header:184");
}
