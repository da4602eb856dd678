//! A peer that says that it is somewhere else, or that falls silent: what is sent to whom.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{Codec, Kind, Packet, Size, Timestamp, Track, TrackId, Video};
use str0m::net::{Protocol, Receive};
use str0m::{Input, Output as Polled, Rtc};
use webrtc::{Event, Output, Role, Session, stun};

use self::common::{OURS, SETS, THEIRS, address, meet};

const VICTIM: &str = "198.51.100.9:53";
const STEP: Duration = Duration::from_millis(20);

/// What was sent to an address: messages of STUN, and all else.
#[derive(Default, Debug)]
struct Sent {
    stun: usize,
    stun_bytes: usize,
    other: usize,
}

struct World {
    begun: Instant,
    now: Instant,
    session: Session,
    peer: Rtc,
    /// What the peer sends comes from these.
    from: Vec<SocketAddr>,
    /// What came from each, in bytes of STUN.
    came: usize,
    sent: BTreeMap<SocketAddr, Sent>,
    connected: bool,
    gone: bool,
    number: u32,
}

impl World {
    /// A viewer; `names` is what its offer says of its addresses.
    fn new(from: &[&str], names: &str) -> Self {
        let now = Instant::now();
        let (session, peer, _, answer) = meet(Role::Viewer, names, now);
        assert!(answer.contains("a=setup:passive") && !answer.contains("ice-lite"), "{answer}");
        let from = from.iter().map(|from| address(from)).collect();
        let (sent, connected, gone) = (BTreeMap::new(), false, false);
        Self { begun: now, now, session, peer, from, came: 0, sent, connected, gone, number: 0 }
    }

    /// Both ends are polled until neither has anything to say.
    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            while let Output::Transmit(datagram) = self.polled() {
                quiet = false;
                let sent = self.sent.entry(datagram.to).or_default();
                match stun::is_stun(&datagram.data) {
                    true => (sent.stun, sent.stun_bytes) = (sent.stun + 1, sent.stun_bytes + datagram.data.len()),
                    false => sent.other += 1,
                }
                if datagram.to == address(THEIRS) {
                    let received = Receive::new(Protocol::Udp, datagram.from, datagram.to, &datagram.data).unwrap();
                    self.peer.handle_input(Input::Receive(self.now, received)).unwrap();
                }
            }
            while let Some(data) = self.of_peer() {
                quiet = false;
                self.came += data.len();
                for from in self.from.clone() {
                    self.session.handle_datagram(self.now, from, address(OURS), &data).unwrap();
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn polled(&mut self) -> Output {
        loop {
            match self.session.poll().unwrap() {
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::Gone) => self.gone = true,
                Output::Event(_) => {}
                other => return other,
            }
        }
    }

    fn of_peer(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.peer.poll_output() {
                // The peer may well give up.
                Ok(Polled::Timeout(_)) | Err(_) => return None,
                Ok(Polled::Transmit(sent)) => return Some(sent.contents.into()),
                Ok(Polled::Event(_)) => {}
            }
        }
    }

    /// A picture every [`STEP`], whoever is there.
    fn play(&mut self, time: Duration) {
        let kind = Kind::Video(Video { size: Size::new(640, 480), ..Video::default() });
        let track =
            Track { codec: Codec::H264, extradata: Bytes::from_static(SETS), kind, ..Track::mjpeg(Size::default()) };
        let until = self.now + time;
        while self.now < until {
            self.now += STEP;
            self.session.handle_timeout(self.now).unwrap();
            let _ = self.peer.handle_input(Input::Timeout(self.now));
            self.settle();
            if self.connected && !self.gone {
                let pts = Timestamp::from_nanos((self.now - self.begun).as_nanos() as i64);
                let packet = Packet {
                    track: TrackId(0),
                    pts,
                    dts: pts,
                    duration: None,
                    key: self.number.is_multiple_of(50),
                    corrupt: false,
                    discontinuity: false,
                    received: self.now,
                    captured: None,
                    data: [&[0, 0, 0, 1, 0x65][..], &[7; 3000]].concat().into(),
                };
                self.number += 1;
                self.session.write(&track, &packet, self.now).unwrap();
                self.settle();
            }
        }
    }

    fn to(&self, whom: &str) -> (usize, usize, usize) {
        self.sent.get(&address(whom)).map_or((0, 0, 0), |sent| (sent.stun, sent.stun_bytes, sent.other))
    }
}

#[test]
fn an_address_from_which_only_checks_come_gets_answers_and_a_few_questions() {
    let named = "a=candidate:1 1 udp 2130706431 203.0.113.5 4444 typ host\r\n";
    let mut world = World::new(&[VICTIM], named);
    world.play(Duration::from_secs(60));
    let (_, bytes, other) = world.to(VICTIM);
    assert!(!world.connected && other == 0, "{:?}", world.sent);
    assert!(bytes > 0 && bytes < 2 * world.came, "{} bytes for {}", bytes, world.came);
    // What an offer names is not even asked.
    assert_eq!(world.sent.keys().collect::<Vec<_>>(), [&address(VICTIM)]);
}

#[test]
fn a_viewer_that_moves_to_an_address_that_is_not_its_own_takes_no_picture_there() {
    let mut world = World::new(&[THEIRS], "");
    world.play(Duration::from_secs(2));
    let (_, _, before) = world.to(THEIRS);
    assert!(world.connected && before > 100, "{:?}", world.sent);
    // Everything it says, signed checks too, comes from there now, and then from both.
    world.from = vec![address(VICTIM)];
    world.play(Duration::from_secs(5));
    world.from.push(address(THEIRS));
    world.play(Duration::from_secs(40));
    let (questions, _, other) = world.to(VICTIM);
    assert!(other == 0 && questions > 0, "{:?}", world.sent);
    let (_, _, after) = world.to(THEIRS);
    assert!(!world.gone && after > 2 * before, "{:?}", world.sent);
}

#[test]
fn a_viewer_that_answers_no_more_is_sent_to_for_thirty_seconds() {
    let mut world = World::new(&[THEIRS], "");
    world.play(Duration::from_secs(60));
    assert!(world.connected && !world.gone);
    world.from.clear();
    world.play(Duration::from_secs(29));
    let (_, _, then) = world.to(THEIRS);
    world.play(Duration::from_secs(2));
    assert!(world.gone, "{:?}", world.sent);
    let (_, _, at_its_end) = world.to(THEIRS);
    world.play(Duration::from_secs(30));
    assert_eq!(world.to(THEIRS).2, at_its_end);
    assert!(then > 0);
}
