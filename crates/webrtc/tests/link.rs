//! Sessions with a peer at the other end of a link that loses datagrams, in no time.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod common;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{Codec, Kind, Packet, Size, Timestamp, Track, TrackId, Unit, Video};
use str0m::media::{Frequency, MediaData, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Event as Happened, Input, Output as Polled, Rtc};
use webrtc::{Event, Output, Role, Session};

use self::common::{OURS, SETS, THEIRS, address, meet};

/// One way.
const DELAY: Duration = Duration::from_millis(10);

/// A picture with a number in it, of a size that takes several packets.
fn picture(number: u32, key: bool) -> Vec<u8> {
    let head: &[u8] = if key { SETS } else { &[] };
    let kind = if key { 0x65 } else { 0x41 };
    // No byte of it looks like a start code.
    let body = (0..4000_u32).map(|at| 1 + ((at * 7 + number * 13) % 250) as u8);
    let body: Vec<u8> = number.to_be_bytes().map(|byte| byte | 0x80).into_iter().chain(body).collect();
    [head, &[0, 0, 0, 1, kind], &body].concat()
}

/// Both ends, and what is on its way between them.
struct World {
    now: Instant,
    session: Session,
    peer: Rtc,
    mid: Mid,
    /// When it arrives, whether at us, and what.
    way: VecDeque<(Instant, bool, Vec<u8>)>,
    /// Of a hundred datagrams with media; seeded, so that each run is the same.
    loss: u32,
    seed: u32,
    lost: u32,
    events: Vec<Event>,
    came: Vec<MediaData>,
    asked: u32,
    connected: bool,
}

impl World {
    fn new(role: Role, loss: u32) -> Self {
        let now = Instant::now();
        let (session, peer, mid, _) = meet(role, "", now);
        let (way, events, came) = (VecDeque::new(), Vec::new(), Vec::new());
        let (seed, lost, asked, connected) = (7, 0, 0, false);
        let mut world = Self { now, session, peer, mid, way, loss, seed, lost, events, came, asked, connected };
        world.run_until(|world| world.connected && world.peer.is_connected());
        world
    }

    /// Whether a datagram is lost. Only media are: the handshake is not what is tried here.
    fn loses(&mut self, data: &[u8]) -> bool {
        let is_media = data[0] >= 0x80 && !(192..=223).contains(&data[1]);
        if !is_media {
            return false;
        }
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let is_lost = (self.seed >> 16) % 100 < self.loss;
        self.lost += u32::from(is_lost);
        is_lost
    }

    fn send(&mut self, to_us: bool, data: Vec<u8>) {
        if !self.loses(&data) {
            self.way.push_back((self.now + DELAY, to_us, data));
        }
    }

    /// Polls both ends; gives when the next of them is due.
    fn drain(&mut self) -> Instant {
        let ours = loop {
            match self.session.poll().unwrap() {
                Output::Wait(at) => break at,
                Output::Transmit(datagram) => self.send(false, datagram.data),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(event) => self.events.push(event),
            }
        };
        let theirs = loop {
            match self.peer.poll_output().unwrap() {
                Polled::Timeout(at) => break at,
                Polled::Transmit(sent) => self.send(true, sent.contents.into()),
                Polled::Event(Happened::MediaData(data)) => self.came.push(data),
                Polled::Event(Happened::KeyframeRequest(_)) => self.asked += 1,
                Polled::Event(_) => {}
            }
        };
        ours.min(theirs)
    }

    /// Lets one thing happen, not later than `until`.
    fn step(&mut self, until: Instant) {
        let due = self.drain();
        let arrives = self.way.front().map(|(at, ..)| *at);
        let at = arrives.map_or(due, |at| at.min(due)).min(until).max(self.now);
        self.now = at;
        if arrives.is_some_and(|arrives| arrives <= at) {
            let (_, to_us, data) = self.way.pop_front().unwrap();
            if to_us {
                self.session.handle_datagram(at, address(THEIRS), address(OURS), &data).unwrap();
            } else {
                let received = Receive::new(Protocol::Udp, address(OURS), address(THEIRS), &data).unwrap();
                self.peer.handle_input(Input::Receive(at, received)).unwrap();
            }
        } else {
            self.session.handle_timeout(at).unwrap();
            self.drain();
            self.peer.handle_input(Input::Timeout(at)).unwrap();
        }
    }

    fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step(until);
        }
    }

    #[track_caller]
    fn run_until(&mut self, is: impl Fn(&Self) -> bool) {
        let until = self.now + Duration::from_secs(20);
        while !is(self) {
            assert!(self.now < until, "it never came to it: {:?}", self.events);
            self.step(until);
        }
    }

    /// The peer pushes pictures, a keyframe whenever it is asked for one.
    fn push(&mut self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            let key = number == 0 || std::mem::take(&mut self.asked) > 0;
            self.push_one(number, key);
        }
        self.run_for(Duration::from_secs(1));
    }

    fn push_one(&mut self, number: u32, key: bool) {
        let writer = self.peer.writer(self.mid).unwrap();
        let number_of = writer.payload_params().next().unwrap().pt();
        let time = MediaTime::new(u64::from(number) * 3600, Frequency::NINETY_KHZ);
        writer.write(number_of, self.now, time, picture(number, key)).unwrap();
        self.run_for(Duration::from_millis(40));
    }

    fn units(&self) -> Vec<&Unit> {
        self.events.iter().filter_map(|event| if let Event::Unit(unit) = event { Some(unit) } else { None }).collect()
    }
}

/// The number in a picture.
fn number_in(data: &[u8]) -> u32 {
    let at = data.windows(5).rposition(|nal| matches!(nal, [0, 0, 0, 1, 0x65 | 0x41])).unwrap() + 5;
    let byte = |place: usize| u32::from(data[at + place] & 0x7f);
    byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3)
}

#[test]
fn pictures_of_an_encoder_come_out_as_they_went_in() {
    let mut world = World::new(Role::Publisher, 0);
    world.push(0..90);
    let Some(Event::Tracks(tracks)) = world.events.first() else { panic!("{:?}", world.events.first()) };
    assert_eq!((tracks.len(), tracks[0].codec), (1, Codec::H264));
    assert_eq!((tracks[0].video().unwrap().size, &tracks[0].extradata[..]), (Size::new(640, 480), SETS));
    let units = world.units();
    assert_eq!(units.len(), 90);
    for (number, unit) in (0..).zip(&units) {
        assert_eq!(unit.data, picture(number, unit.key), "picture {number}");
        assert!(!unit.corrupt && !unit.discontinuity, "picture {number}");
        assert_eq!(unit.pts.unwrap().as_nanos(), i64::from(number) * 40_000_000);
    }
    // When the last one is four seconds old, one is asked for.
    assert_eq!(units.iter().filter(|unit| unit.key).count(), 1);
    world.push(90..120);
    assert_eq!(world.units().iter().filter(|unit| unit.key).count(), 2);
}

#[test]
fn what_refers_to_a_lost_picture_is_marked_and_nothing_else_is() {
    let (mut lost, mut marked) = (0, 0);
    for loss in [1, 5, 20, 40] {
        let mut world = World::new(Role::Publisher, loss);
        world.push(0..120);
        assert!(world.lost > 0);
        let units = world.units();
        // Whether everything since the last keyframe was there, as it had been sent.
        let (mut whole, mut next) = (false, 0);
        for unit in &units {
            let number = number_in(&unit.data);
            assert!(number >= next, "{number} after {next}");
            let follows = number == next && whole;
            let is_itself = unit.data == picture(number, unit.key);
            whole = is_itself && (unit.key || follows);
            assert_eq!(unit.corrupt, !whole, "loss of {loss}: picture {number}, key {}, is {is_itself}", unit.key);
            lost += number - next;
            marked += u32::from(unit.corrupt);
            next = number + 1;
        }
        assert!(units.len() > 20, "loss of {loss}: {} of 120", units.len());
    }
    println!("{lost} pictures lost, {marked} marked");
}

#[test]
fn a_viewer_gets_the_packets_with_their_parameter_sets() {
    for loss in [0, 5] {
        let mut world = World::new(Role::Viewer, loss);
        assert!(world.session.takes(Codec::H264) && !world.session.takes(Codec::HEVC));
        let kind = Kind::Video(Video { size: Size::new(640, 480), ..Video::default() });
        let extradata = Bytes::from_static(SETS);
        let track = Track { codec: Codec::H264, extradata, kind, ..Track::mjpeg(Size::default()) };
        let begun = world.now;
        for number in 0..100_u32 {
            let key = number.is_multiple_of(25);
            // The sets stand beside it, as in MP4.
            let data = picture(number, key)[if key { SETS.len() } else { 0 }..].to_vec();
            let pts = Timestamp::from_nanos(i64::from(number) * 40_000_000);
            let packet = Packet {
                track: TrackId(0),
                pts,
                dts: pts,
                duration: None,
                key,
                corrupt: false,
                discontinuity: false,
                received: world.now,
                captured: None,
                data: data.into(),
            };
            let shown = begun + Duration::from_millis(u64::from(number) * 40);
            assert!(world.session.write(&track, &packet, shown).unwrap());
            world.run_for(Duration::from_millis(40));
        }
        world.run_for(Duration::from_secs(1));
        let came: Vec<_> = world.came.iter().map(|data| number_in(&data.data)).collect();
        assert!(came.len() > if loss == 0 { 99 } else { 90 } && came.is_sorted(), "{came:?}");
        for data in world.came.iter().filter(|data| data.contiguous) {
            let number = number_in(&data.data);
            assert_eq!(data.data[..], picture(number, number.is_multiple_of(25))[..], "picture {number}");
        }
    }
}

#[test]
fn a_peer_that_leaves_is_told_of() {
    let mut world = World::new(Role::Publisher, 0);
    world.push(0..3);
    world.peer.close().unwrap();
    world.run_until(|world| world.events.iter().any(|event| matches!(event, Event::Gone)));
}

#[test]
fn a_publisher_is_asked_for_a_keyframe_that_a_viewer_wants_once_a_second() {
    let mut world = World::new(Role::Publisher, 0);
    world.push(0..30);
    let keys = |world: &World| world.units().iter().filter(|unit| unit.key).count();
    assert_eq!(keys(&world), 1);
    for number in 30..55 {
        world.session.want_keyframe(world.now).unwrap();
        let key = std::mem::take(&mut world.asked) > 0;
        world.push_one(number, key);
    }
    assert_eq!(keys(&world), 2);
}
