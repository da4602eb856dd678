//! What comes of packets at given times.

use feed::{Cursor, Feed, Start as From};
use media::Codec;
use media::nal::Syntax;

use super::*;
use crate::Options;
use crate::progress::Progress as Seen;
use crate::sink::Cut;
use crate::timeline::Timeline;

/// An intake, and what comes out of it.
struct Taken {
    intake: Intake,
    cursor: Cursor,
    ended: oneshot::Receiver<End>,
    begin: Instant,
    _cut: Cut,
    _feed: Feed,
}

impl Taken {
    fn of(codec: Codec, payload: Payload) -> Self {
        let options = Options::default();
        let begin = Instant::now();
        let (publisher, feed) = Feed::new(options.limits);
        let timeline = Arc::new(Mutex::new(Timeline::new(begin)));
        let cursor = feed.cursor(From::Live);
        let (sink, cut) = Sink::new(Arc::new(publisher), timeline, Arc::new(Seen::new()), &options);
        let (ends, ended) = oneshot::channel();
        let location = Location::parse("rtsp://cam.example/live").unwrap();
        let plan = Plan::of_pictures(codec, payload);
        let (mut intake, _) = Intake::new(location, plan, About::default(), sink, ends);
        intake.begin(vec![Setup::on((0, 1))], 1 << 20, None);
        Self { intake, cursor, ended, begin, _cut: cut, _feed: feed }
    }

    /// A packet with a marker, so many milliseconds behind the begin.
    fn comes(&mut self, at_ms: u64, number: u16, time: u32, payload: &[u8]) {
        let head = [&[0x80, 0xe0][..], &number.to_be_bytes(), &time.to_be_bytes(), &[0, 0, 0, 9]].concat();
        self.intake.handle(0, &[&head, payload].concat(), self.begin + Duration::from_millis(at_ms));
    }

    /// How many pictures have come since, and whether there is a gap before the last one.
    fn seen(&mut self) -> (usize, bool) {
        let (mut count, mut gap) = (0, false);
        while let Ok(Some(entry)) = self.cursor.try_next() {
            (count, gap) = (count + 1, entry.packet.discontinuity);
        }
        (count, gap)
    }
}

/// A picture in one packet with a Q of its own, and one whose tables were never sent.
const JPEG: &[u8] = &[0, 0, 0, 0, 1, 50, 2, 2, b'x', b'y'];
const NO_TABLES: &[u8] = &[0, 0, 0, 0, 1, 200, 2, 2, 0, 0, 0, 0, b'x', b'y'];

#[test]
fn bad_packets_of_jpeg_are_a_gap_and_after_a_while_an_end() {
    let mut taken = Taken::of(Codec::MJPEG, Payload::Jpeg);
    taken.comes(0, 0, 0, JPEG);
    taken.comes(40, 1, 3600, NO_TABLES);
    assert_eq!(taken.seen(), (1, false));
    assert!(taken.intake.progress.bad.load(Relaxed));
    assert_eq!(taken.intake.progress.complaint(), Some("its tables were never sent"));
    taken.comes(80, 2, 7200, JPEG);
    assert_eq!((taken.seen(), taken.intake.progress.complaint()), ((1, true), None));
    // One that is lost says the same of the next.
    taken.comes(120, 4, 14_400, JPEG);
    taken.comes(160, 5, 18_000, NO_TABLES);
    assert_eq!(taken.seen(), (1, true));
    taken.comes(160 + 3000, 6, 288_000, NO_TABLES);
    assert!(!taken.intake.is_over());
    taken.comes(160 + 3001, 7, 288_090, NO_TABLES);
    let Ok(End::Failed(error)) = taken.ended.try_recv() else { panic!("it goes on") };
    assert!(error.to_string().contains("no good packet for 3s: its tables were never sent"), "{error}");
}

#[test]
fn the_first_keyframe_is_held_to_the_deadline_and_not_longer() {
    let known = b"\0\0\0\x01\x67\x42\xc0\x1e\xd9\x03\xc5\x68\x40\0\0\x03\0\x40\0\0\x0c\x03\xc5\x8b\x92\0\0\0\x01\x68\xcb\x8c\xb2";
    let payload = Payload::Nals { syntax: Syntax::H264, known: Bytes::from_static(known), has_order: false };
    let mut taken = Taken::of(Codec::H264, payload);
    let tracks = taken.intake.plan.with_parameters(&Bytes::from_static(known)).unwrap();
    taken.intake.declare(tracks).unwrap_or_else(|_| panic!("it is declared"));
    taken.comes(500, 0, 0, &[0x65, 0x88, 0x84, 0x21]);
    assert_eq!(taken.seen(), (0, false));
    let due = taken.intake.poll_timeout();
    assert_eq!(due, Some((taken.begin + Duration::from_millis(600), 0)));
    // What says nothing of it does not put it off.
    taken.comes(550, 1, 0, &[0x0c, 0xff]);
    assert_eq!((taken.seen(), taken.intake.poll_timeout()), ((0, false), due));
    taken.intake.handle_timeout();
    assert_eq!((taken.seen(), taken.intake.poll_timeout()), ((1, false), None));
    // Those behind it go out as they come.
    for number in 2..5 {
        taken.comes(600, number, 3600 * u32::from(number), &[0x41, 0x9a, 0x21, 0x6c]);
        assert_eq!((taken.seen(), taken.intake.poll_timeout()), ((1, false), None));
    }
}

/// With MPEG audio beside the pictures, on the channels 2 and 3.
fn with_mpeg() -> Taken {
    let known = b"\0\0\0\x01\x67\x42\xc0\x1e\xd9\x03\xc5\x68\x40\0\0\x03\0\x40\0\0\x0c\x03\xc5\x8b\x92\0\0\0\x01\x68\xcb\x8c\xb2";
    let payload = Payload::Nals { syntax: Syntax::H264, known: Bytes::from_static(known), has_order: false };
    let mut taken = Taken::of(Codec::H264, payload.clone());
    taken.intake.streams.clear();
    let form = |payload| Form { clock_rate: 90_000, payload };
    taken.intake.plan.forms = vec![form(payload), form(Payload::Mpa)];
    taken.intake.plan.declared = taken.intake.plan.with_parameters(&Bytes::from_static(known));
    taken.intake.begin(vec![Setup::on((0, 1)), Setup::on((2, 3))], 1 << 20, None);
    taken
}

impl Taken {
    /// A packet of a frame of layer III.
    fn sounds(&mut self, at_ms: u64, number: u16) {
        let head = [&[0x80, 0x8e][..], &number.to_be_bytes(), &[0, 0, 0, 0, 0, 0, 0, 9]].concat();
        let frame = [&[0, 0, 0, 0, 0xff, 0xfb, 0x14, 0xc0][..], &[0; 92]].concat();
        self.intake.handle(2, &[head, frame].concat(), self.begin + Duration::from_millis(at_ms));
    }
}

const KEY: &[u8] = &[0x65, 0x88, 0x84, 0x21];
const INTER: &[u8] = &[0x41, 0x9a, 0x21, 0x6c];

#[test]
fn pictures_wait_half_a_second_for_the_first_sound_and_not_longer() {
    // In time.
    let mut taken = with_mpeg();
    taken.comes(0, 0, 0, KEY);
    taken.comes(40, 1, 3600, INTER);
    assert_eq!((taken.seen(), taken.intake.tracks.len()), ((0, false), 0));
    assert_eq!(taken.intake.poll_timeout(), Some((taken.begin + Duration::from_millis(500), 0)));
    taken.sounds(499, 0);
    assert_eq!((taken.seen(), taken.intake.tracks.len()), ((3, false), 2));
    // Too late: it is left out to the end, whatever comes.
    let mut taken = with_mpeg();
    taken.comes(0, 0, 0, KEY);
    taken.comes(40, 1, 3600, INTER);
    taken.intake.handle_timeout();
    assert_eq!((taken.seen(), taken.intake.tracks.len()), ((2, false), 1));
    taken.sounds(501, 0);
    taken.comes(540, 2, 7200, KEY);
    taken.sounds(541, 1);
    assert_eq!((taken.seen(), taken.intake.tracks.len()), ((1, false), 1));
    // The same where nobody looked at the time.
    let mut taken = with_mpeg();
    taken.comes(0, 0, 0, KEY);
    taken.comes(40, 1, 3600, INTER);
    taken.sounds(500, 0);
    assert_eq!((taken.seen(), taken.intake.tracks.len()), ((2, false), 1));
}

#[test]
fn what_waits_for_sound_is_bounded_and_comes_at_the_end() {
    let mut taken = with_mpeg();
    let most = u16::try_from(wait::MOST_KEPT).unwrap();
    (0..most - 1).for_each(|number| taken.comes(0, number, 0, &[0x0c, 0xff]));
    assert!(taken.intake.wait.is_some());
    taken.comes(0, most - 1, 0, &[0x0c, 0xff]);
    assert!(taken.intake.wait.is_none());
    let mut taken = with_mpeg();
    let large = [KEY, &vec![0x21; 60_000]].concat();
    let number = (0..200).find(|number| {
        taken.comes(0, *number, 3600 * u32::from(*number), &large);
        taken.intake.wait.is_none()
    });
    assert_eq!(number.map(usize::from), Some(wait::MOST_KEPT_BYTES / (large.len() + 12)));
    // A BYE, and the end of the connection.
    for bye in [true, false] {
        let mut taken = with_mpeg();
        taken.comes(0, 0, 0, KEY);
        if bye {
            taken.intake.handle(1, &[0x81, 203, 0, 1, 0, 0, 0, 9], taken.begin);
        } else {
            taken.intake.finish();
        }
        assert_eq!((taken.seen(), taken.intake.is_over()), ((1, false), bye));
    }
}
