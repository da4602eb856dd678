//! WebRTC with peers of our own at both ends, which see and say what no browser lets a page do.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpOffer};
use str0m::media::{Direction, Frequency, KeyframeRequestKind, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::harness::http::ask;
use crate::harness::{SOON, Server};

/// From one picture of the encoder to the next.
const STEP: Duration = Duration::from_millis(40);
/// From one keyframe to the next, unless it is asked. When one is 4 seconds old the relay asks by itself.
const KEYS: Duration = Duration::from_secs(2);
/// Of the constrained baseline profile, 640x480, and a picture parameter set.
const SETS: &[u8] = &[
    0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0xd0, 0x0f, 0x08, 0x84, 0x6a, 0, 0, 0, 1, 0x68,
    0xce, 0x3c, 0x80,
];

struct Peer {
    rtc: Rtc,
    mid: Mid,
    socket: UdpSocket,
    is_connected: bool,
    /// How often it was asked for a keyframe.
    asked: u32,
    /// Numbers of the keyframes that came.
    keys: Vec<u32>,
}

impl Peer {
    fn new(server: &Server, path: &str, direction: Direction) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let mut rtc = Rtc::builder().clear_codecs().enable_h264(true).build(Instant::now());
        rtc.add_local_candidate(Candidate::host(socket.local_addr().unwrap(), "udp").unwrap());
        let mut change = rtc.sdp_api();
        let mid = change.add_media(MediaKind::Video, direction, None, None, None);
        let (offer, pending): (SdpOffer, _) = change.apply().unwrap();
        let offer = offer.to_sdp_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{offer}",
            server.address,
            offer.len()
        );
        let answer = ask(server.address, request.as_bytes()).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
        rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer.text()).unwrap()).unwrap();
        Self { rtc, mid, socket, is_connected: false, asked: 0, keys: Vec::new() }
    }

    /// Says what it has to say, and takes what has come.
    fn turn(&mut self) {
        let mut datagram = [0; 2048];
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Transmit(sent) => _ = self.socket.send_to(&sent.contents, sent.destination).unwrap(),
                Output::Event(Event::Connected) => self.is_connected = true,
                Output::Event(Event::KeyframeRequest(_)) => self.asked += 1,
                Output::Event(Event::MediaData(data)) => self.keys.extend(number_of_key(&data.data)),
                Output::Event(_) => {}
                Output::Timeout(_) => {
                    let Ok((size, from)) = self.socket.recv_from(&mut datagram) else { break };
                    let to = self.socket.local_addr().unwrap();
                    let received = Receive::new(Protocol::Udp, from, to, &datagram[..size]).unwrap();
                    self.rtc.handle_input(Input::Receive(Instant::now(), received)).unwrap();
                }
            }
        }
        self.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
    }
}

/// One picture after the other, a keyframe each [`KEYS`] and when it is asked for one.
struct Encoder {
    peer: Peer,
    number: u32,
    next: Instant,
    keyed: Option<Instant>,
    /// Numbers of keyframes that it was asked for.
    wanted: Vec<u32>,
}

impl Encoder {
    fn turn(&mut self) {
        let asked = self.peer.asked;
        self.peer.turn();
        let now = Instant::now();
        let was_asked = self.peer.asked > asked;
        if !self.peer.is_connected || (now < self.next && !was_asked) {
            return;
        }
        let key = was_asked || self.keyed.is_none_or(|keyed| now - keyed >= KEYS);
        if key {
            self.keyed = Some(now);
        }
        if was_asked {
            self.wanted.push(self.number);
        }
        let writer = self.peer.rtc.writer(self.peer.mid).unwrap();
        let format = writer.payload_params().next().unwrap().pt();
        let time = MediaTime::new(u64::from(self.number) * 3600, Frequency::NINETY_KHZ);
        writer.write(format, now, time, picture(self.number, key)).unwrap();
        (self.number, self.next) = (self.number + 1, now + STEP);
    }
}

fn picture(number: u32, key: bool) -> Vec<u8> {
    let (head, kind): (&[u8], _) = if key { (SETS, 0x65) } else { (&[], 0x41) };
    // No byte of it looks like a start code.
    let number = [(number >> 14) as u8, (number >> 7) as u8, number as u8].map(|byte| byte | 0x80);
    [head, &[0, 0, 0, 1, kind], &number, &[7; 2000]].concat()
}

fn number_of_key(picture: &[u8]) -> Option<u32> {
    let at = picture.windows(5).position(|nal| nal == [0, 0, 0, 1, 0x65])? + 5;
    Some(picture[at..at + 3].iter().fold(0, |number, byte| number << 7 | u32::from(byte & 0x7f)))
}

#[test]
fn the_keyframe_that_a_viewer_asks_for_is_asked_of_the_encoder_and_comes() {
    let server = Server::start(["cam=push:"]);
    let peer = Peer::new(&server, "/cam/whip", Direction::SendOnly);
    let mut encoder = Encoder { peer, number: 0, next: Instant::now(), keyed: None, wanted: Vec::new() };
    let until = Instant::now() + 3 * SOON;
    while server.source("cam")["state"] != "live" {
        encoder.turn();
        assert!(Instant::now() < until, "{}", server.log());
    }
    let mut viewer = Peer::new(&server, "/cam/whep", Direction::RecvOnly);
    while viewer.keys.is_empty() {
        encoder.turn();
        viewer.turn();
        assert!(Instant::now() < until, "{}", server.log());
    }
    let before = encoder.wanted.len();
    let mut asked = None::<Instant>;
    while !encoder.wanted[before..].iter().any(|number| viewer.keys.contains(number)) {
        // Not heard where there was a keyframe a moment ago.
        if asked.is_none_or(|asked| asked.elapsed() > Duration::from_millis(300)) {
            asked = Some(Instant::now());
            viewer.rtc.writer(viewer.mid).unwrap().request_keyframe(None, KeyframeRequestKind::Pli).unwrap();
        }
        encoder.turn();
        viewer.turn();
        assert!(Instant::now() < until, "wanted {:?}, came {:?}\n{}", encoder.wanted, viewer.keys, server.log());
    }
}
