//! Cameras: the newest frame, in time, or why there is none.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use capture::{Capture, Kind, Options, Phase, State, wait_any};

use crate::camera::{Camera, Manner};
use crate::{SOON, eventually, number, open};

/// How far a deadline may be missed, on a machine that is busy with other tests.
const PUNCTUAL: Duration = Duration::from_millis(500);
/// How much earlier than it seems from here one may have begun: a gap counts from the last
/// picture, not from when somebody asks for the next.
const EARLIER: Duration = Duration::from_millis(100);

fn asked(timeout: Duration, elapsed: Duration) {
    assert!(elapsed + EARLIER >= timeout, "{elapsed:?} instead of {timeout:?}");
    assert!(elapsed <= timeout + PUNCTUAL, "{elapsed:?} instead of {timeout:?}");
}

#[test]
fn a_server_that_says_nothing_is_given_up_in_time() {
    let camera = Camera::start(Manner::Silent);
    let timeout = Duration::from_millis(700);
    let began = Instant::now();
    let error = Capture::open(&camera.url(), Options::new().timeout(timeout)).unwrap_err();
    asked(timeout, began.elapsed());
    assert_eq!((error.kind(), error.phase()), (Kind::Timeout, Some(Phase::Handshake)));
    asked(timeout, error.elapsed());
    let text = error.to_string();
    assert!(text.starts_with(&format!("{}: no picture in time, while asking", camera.url())), "{text}");
    assert!(error.hint().is_some_and(|hint| text.ends_with(hint)), "{text}");
}

#[test]
fn a_camera_that_stalls_is_told_in_time_and_again_until_it_is_back() {
    let timeout = Duration::from_millis(700);
    let options = Options::new().timeout(timeout);
    for reconnect in [false, true] {
        let camera = Camera::start(Manner::Stalls { after: 3 });
        let capture = open(camera.url(), options.clone().reconnect(reconnect));
        let last = loop {
            let began = Instant::now();
            match capture.read() {
                Ok(frame) => assert!(frame.index() < 3),
                Err(error) => {
                    asked(timeout, began.elapsed());
                    break error;
                }
            }
        };
        assert_eq!((last.kind(), last.phase()), (Kind::Timeout, Some(Phase::Streaming)), "{last}");
        if !reconnect {
            assert_eq!(capture.state(), State::Ended);
            assert_eq!(capture.read().unwrap_err().kind(), Kind::Timeout);
            continue;
        }
        camera.set(Manner::Pictures { fps: 20 });
        let back = eventually("the camera is back", || capture.read().ok());
        assert!(back.discontinuity() && back.index() >= 3, "{back:?}");
        assert_eq!(capture.stats().reconnects, 1);
    }
}

#[test]
fn a_stream_that_ends_over_and_over_is_waited_for_and_not_over() {
    let mut camera = Camera::start(Manner::Pictures { fps: 20 });
    let capture = open(camera.url(), Options::new().timeout(Duration::from_millis(700)).reconnect(true));
    let empty = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=x\r\n\r\n";
    camera.switch_off();
    camera.set(Manner::Says(empty.into()));
    camera.switch_on();
    let ended = |error: &capture::Error| error.to_string().contains("the stream ended");
    let error = eventually("a read in vain", || capture.read().err().filter(ended));
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
    assert!(!matches!(capture.state(), State::Ended | State::Closed), "{:?}", capture.state());
    camera.set(Manner::Pictures { fps: 20 });
    eventually("the camera is back", || capture.read().ok());
}

#[test]
fn who_waits_for_ever_gets_a_camera_that_says_nothing_at_first() {
    let camera = Camera::start(Manner::Silent);
    let options = Options::new().timeout(None);
    let waiting = std::thread::spawn({
        let url = camera.url();
        move || Capture::open(&url, options)
    });
    eventually("an attempt", || (camera.connections() > 0).then_some(()));
    camera.set(Manner::Pictures { fps: 20 });
    // The attempt under way is given up after ten seconds.
    assert_eq!(waiting.join().unwrap().unwrap().read().unwrap().width(), 320);
}

#[test]
fn closing_wakes_a_reader_from_any_thread() {
    let camera = Camera::start(Manner::Stalls { after: 1 });
    let capture = open(camera.url(), Options::new().timeout(None));
    capture.read().unwrap();
    let woken = std::thread::scope(|scope| {
        let readers = [0, 1].map(|_| {
            scope.spawn(|| {
                let error = capture.read().unwrap_err();
                (error.kind(), Instant::now())
            })
        });
        // Both surely wait: there is no frame.
        std::thread::sleep(Duration::from_millis(50));
        let closed = Instant::now();
        capture.close();
        readers.map(|reader| reader.join().unwrap()).map(|(kind, at)| (kind, at.saturating_duration_since(closed)))
    });
    for (kind, after) in woken {
        assert_eq!(kind, Kind::Closed);
        assert!(after < Duration::from_millis(100), "{after:?}");
    }
    eventually("the camera is left", || (camera.open() == 0).then_some(()));
    assert_eq!(capture.state(), State::Closed);
}

#[test]
fn threads_share_a_camera_and_no_frame_is_given_twice() {
    let camera = Camera::start(Manner::Pictures { fps: 50 });
    let capture = open(camera.url(), Options::new());
    let seen = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while seen.lock().unwrap().len() < 60 {
                    let frame = capture.read().unwrap();
                    seen.lock().unwrap().push((frame.index(), number(&frame), frame.pts()));
                }
            });
        }
    });
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    let rises = |pair: &[(u64, u64, Duration)]| pair[0].0 < pair[1].0 && pair[0].2 < pair[1].2;
    assert!(seen.windows(2).all(rises), "{seen:?}");
    assert!(seen.iter().all(|(index, number, _)| index % 30 == *number), "{seen:?}");
}

#[test]
fn a_slow_reader_gets_no_old_frame_and_is_told_what_it_missed() {
    let camera = Camera::start(Manner::Pictures { fps: 50 });
    let capture = open(camera.url(), Options::new());
    let first = capture.read().unwrap();
    let (mut last, mut dropped) = (first.index(), 0);
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(200));
        let frame = capture.read().unwrap();
        // It would be 200 ms old, or 400, and so on, if it had waited for its turn.
        assert!(frame.received().elapsed() < Duration::from_millis(150), "{:?}", frame.received().elapsed());
        assert_eq!(frame.index(), last + 1 + frame.dropped_before());
        (last, dropped) = (frame.index(), dropped + frame.dropped_before());
    }
    assert!(dropped > 8, "{dropped}");
    assert!(capture.stats().dropped >= dropped);
}

#[test]
fn every_frame_is_given_where_that_is_asked_for() {
    let camera = Camera::start(Manner::Pictures { fps: 50 });
    let capture = open(camera.url(), Options::new().latest(false).buffer(4));
    for expected in 0..40 {
        let frame = capture.read().unwrap();
        assert_eq!((frame.index(), number(&frame), frame.dropped_before()), (expected, expected % 30, 0));
        if expected % 10 == 0 {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn a_reader_that_wants_every_frame_and_is_too_slow_is_told_what_it_missed() {
    // Datagrams come whether they are taken or not.
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("udp://127.0.0.1:{port}");
    let mut sender = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=50"])
        .args(["-c:v", "mpeg2video", "-g", "5", "-b:v", "2M", "-f", "mpegts", &url])
        .spawn()
        .unwrap_or_else(|error| panic!("ffmpeg: {error}"));
    let mut options = Options::new().latest(false).timeout(SOON);
    options.source.limits.bytes = 100_000;
    let capture = open(&url, options);
    let first = capture.read().unwrap();
    let mut next = first.index() + 1;
    let late = eventually("a frame after a gap", || {
        std::thread::sleep(Duration::from_millis(500));
        let frame = capture.read().unwrap();
        assert_eq!(frame.index(), next + frame.dropped_before(), "{frame:?}");
        next = frame.index() + 1;
        (frame.dropped_before() > 0).then_some(frame)
    });
    assert!(late.discontinuity());
    sender.kill().unwrap();
    sender.wait().unwrap();
}

#[test]
fn at_most_so_many_frames_a_second_come_and_the_others_are_not_missed() {
    let camera = Camera::start(Manner::Pictures { fps: 50 });
    let capture = open(camera.url(), Options::new().every(capture::Every::Nth(5)));
    let mut last = capture.read().unwrap().index();
    for _ in 0..5 {
        let frame = capture.read().unwrap();
        assert!(frame.index() >= last + 5, "{frame:?} after {last}");
        last = frame.index();
    }
}

#[test]
fn the_last_pictures_of_a_connection_come_before_its_end() {
    let camera = Camera::start(Manner::Says(std::fs::read(crate::clips::mpjpeg()).unwrap()));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=ffmpeg\r\n\r\n";
    let mut answer = head.as_bytes().to_vec();
    answer.extend(std::fs::read(crate::clips::mpjpeg()).unwrap());
    camera.set(Manner::Says(answer));
    let capture = open(camera.url(), Options::new().latest(false).reconnect(false));
    let numbers: Vec<_> = capture.frames().map(|frame| number(&frame.unwrap())).collect();
    assert_eq!(numbers, (0..30).collect::<Vec<_>>());
    assert_eq!((capture.read().unwrap_err().kind(), capture.state()), (Kind::Ended, State::Ended));
}

#[test]
fn times_go_on_over_a_reconnect() {
    let mut camera = Camera::start(Manner::Pictures { fps: 50 });
    let capture = open(camera.url(), Options::new());
    let mut last = None;
    let mut read = |count: usize, jumps: &mut u32| {
        for _ in 0..count {
            let frame = eventually("a frame", || capture.read().ok());
            assert!(last.is_none_or(|(index, pts)| frame.index() > index && frame.pts() > pts), "{frame:?} {last:?}");
            *jumps += u32::from(frame.discontinuity());
            last = Some((frame.index(), frame.pts()));
        }
    };
    let mut jumps = 0;
    read(10, &mut jumps);
    camera.switch_off();
    camera.switch_on();
    // Some of the first connection may be left.
    let mut rounds = 0;
    while jumps == 0 && rounds < 100 {
        read(1, &mut jumps);
        rounds += 1;
    }
    read(10, &mut jumps);
    assert_eq!((jumps, capture.stats().reconnects), (1, 1));
}

#[test]
fn several_are_waited_for_at_once() {
    let (quick, slow) = (Camera::start(Manner::Pictures { fps: 50 }), Camera::start(Manner::Stalls { after: 1 }));
    let (quick, slow) = (open(quick.url(), Options::new()), open(slow.url(), Options::new()));
    for capture in [&quick, &slow] {
        capture.read().unwrap();
    }
    assert_eq!(wait_any(&[&slow, &quick], None), [1]);
    assert_eq!(wait_any(&[&slow], Some(Duration::from_millis(20))), [0_usize; 0]);
    slow.close();
    assert_eq!(wait_any(&[&slow], None), [0]);
    assert_eq!(wait_any(&[], Some(Duration::ZERO)), [0_usize; 0]);
}

#[test]
fn another_size_in_mid_stream_is_told() {
    let camera = Camera::start(Manner::Pictures { fps: 50 });
    let capture = open(camera.url(), Options::new());
    assert_eq!(capture.read().unwrap().width(), 320);
    camera.change_size();
    let other = eventually("a frame of another size", || capture.read().ok().filter(|frame| frame.width() != 320));
    assert_eq!((other.width(), other.height(), other.discontinuity()), (640, 360, true));
    assert_eq!(other.bgr().unwrap().len(), 640 * 360 * 3);
    assert_eq!(capture.info().size.width, 640);
}
