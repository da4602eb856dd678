//! Every frame of a live source that can wait: none is lost, and nothing piles up.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use capture::{Capture, Kind, Options, State};

use crate::clips::jpegs;
use crate::eventually;

/// Bytes of a picture: so many that what the kernel takes on loopback is far less than all.
const SIZE: usize = 24 << 10;
const PICTURES: u64 = 2000;
/// What lies between server and reader at most: 4 MiB in the feed, the rest in sockets.
const MOST_BETWEEN: u64 = 16 << 20;

/// A camera without a pace: it sends as fast as it is read.
struct Unpaced {
    url: String,
    sent: Arc<AtomicU64>,
    open: Arc<AtomicUsize>,
}

impl Unpaced {
    fn start(pictures: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        let (sent, open) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
        let camera = Self { url, sent: Arc::clone(&sent), open: Arc::clone(&open) };
        let plain = jpegs();
        thread::spawn(move || {
            for socket in listener.incoming() {
                open.fetch_add(1, SeqCst);
                let _ = send(socket.unwrap(), &plain, pictures, &sent);
                open.fetch_sub(1, SeqCst);
            }
        });
        camera
    }
}

fn send(mut socket: TcpStream, plain: &[Vec<u8>], pictures: u64, sent: &AtomicU64) -> std::io::Result<()> {
    let _ = socket.read(&mut [0; 4096])?;
    socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=x\r\n\r\n")?;
    for number in 0..pictures {
        let picture = numbered(&plain[number as usize % plain.len()], number);
        write!(socket, "--x\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", picture.len())?;
        socket.write_all(&picture)?;
        sent.fetch_add(picture.len() as u64, SeqCst);
    }
    socket.write_all(b"--x--\r\n")
}

/// `jpeg` with its number in a comment right behind SOI, and filled up to [`SIZE`].
fn numbered(jpeg: &[u8], number: u64) -> Vec<u8> {
    let length = (SIZE - jpeg.len()) as u16;
    let mut made = [&[0xFF, 0xD8, 0xFF, 0xFE][..], &length.to_be_bytes(), &number.to_be_bytes()].concat();
    made.resize(4 + usize::from(length), b' ');
    made.extend_from_slice(&jpeg[2..]);
    made
}

fn number(jpeg: &[u8]) -> u64 {
    u64::from_be_bytes(jpeg[6..14].try_into().unwrap())
}

#[test]
fn a_server_without_a_pace_waits_for_a_reader_who_sleeps_and_no_picture_is_lost() {
    let camera = Unpaced::start(PICTURES);
    let timeout = Duration::from_millis(700);
    let capture = Capture::open(&camera.url, Options::new().latest(false).timeout(timeout).reconnect(false)).unwrap();
    let (mut taken, mut most) = (0, 0);
    for expected in 0..PICTURES {
        let frame = capture.read().unwrap_or_else(|error| panic!("frame {expected}: {error}"));
        let jpeg = frame.jpeg().unwrap();
        assert_eq!((number(jpeg), frame.index()), (expected, expected));
        assert_eq!((frame.dropped_before(), frame.discontinuity(), frame.corrupt()), (0, false, false));
        taken += jpeg.len() as u64;
        most = most.max(camera.sent.load(SeqCst).saturating_sub(taken));
        match expected {
            // Far longer than the time-out: the server has what is next, and so have we.
            100 => {
                thread::sleep(3 * timeout);
                assert_eq!(capture.state(), State::Open);
            }
            _ if expected % 100 == 0 => thread::sleep(Duration::from_millis(20)),
            _ => {}
        }
    }
    assert_eq!(capture.read().unwrap_err().kind(), Kind::Ended);
    let stats = capture.stats();
    assert_eq!((stats.read, stats.dropped), (PICTURES, 0));
    assert!(most < MOST_BETWEEN, "{most} bytes between server and reader");
}

#[test]
fn closing_ends_at_once_what_waits_for_a_reader() {
    let camera = Unpaced::start(u64::MAX);
    let capture = Capture::open(&camera.url, Options::new().latest(false)).unwrap();
    capture.read().unwrap();
    // Nobody reads on: the server stands still.
    let mut before = 0;
    eventually("the server waits", || {
        thread::sleep(Duration::from_millis(200));
        let now = camera.sent.load(SeqCst);
        (std::mem::replace(&mut before, now) == now).then_some(())
    });
    let began = Instant::now();
    capture.close();
    assert!(began.elapsed() < Duration::from_millis(100));
    assert_eq!(capture.read().unwrap_err().kind(), Kind::Closed);
    eventually("the server is left", || (camera.open.load(SeqCst) == 0).then_some(()));
}
