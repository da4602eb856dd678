//! Viewers of WebRTC for figures, and the least that sending to them could cost.
//!
//!     cargo run --release -p webrtc --example receivers -- http://127.0.0.1:8090/cam/whep 50 10
//!     cargo run --release -p webrtc --example receivers -- floor camera.h264 50 10
//!
//! Each viewer has a socket and a thread, and takes pictures apart as a browser does up to the
//! decoder. The cameras of `bench/rtsp_source.c` number their pictures in a message of their
//! bitstream, so what is missing is counted and not assumed. The floor is one thread that
//! encrypts the same pictures in packets of the same size and hands them to the kernel, and
//! nothing else; its CPU time is that thread's. Prints one line of JSON; `bench/run.sh webrtc`
//! runs both.

#![allow(clippy::unwrap_used, reason = "a measurement may panic")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the sockets and the clock are here")]

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use str0m::change::{SdpAnswer, SdpOffer};
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// What stands before a picture's number, and how many digits it has.
const MARK: &[u8] = b"hw-number:";
const DIGITS: usize = 8;
/// For everybody to be there, and for what they missed before.
const SETTLING: Duration = Duration::from_secs(3);
/// Of a packet of RTP as sessions send them: payload, header, tag of AES-256-GCM, which both ends agree on.
const PAYLOAD: usize = 1118;
const HEADER: usize = 12;
const TAG: usize = 16;
const FPS: u32 = 25;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["floor", clip, count, seconds] => floor(clip, count.parse().unwrap(), seconds.parse().unwrap()),
        [url, count, seconds] => watch(url, count.parse().unwrap(), seconds.parse().unwrap()),
        _ => panic!("usage: receivers URL|floor CLIP.h264 COUNT SECONDS"),
    }
}

/// What a viewer saw while it was counted.
#[derive(Default)]
struct Seen {
    pictures: u64,
    missing: u64,
    bytes: u64,
    datagrams: u64,
    datagram_bytes: u64,
}

/// Watches `url` with so many, and says when it begins to count: then `-` on a line of standard
/// output, and the same at the end, for who measures the server.
fn watch(url: &str, count: usize, seconds: f64) {
    let (counts, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let there = Barrier::new(count + 1);
    thread::scope(|scope| {
        let (counts, over, there) = (&counts, &over, &there);
        let viewer = move || {
            let mut viewer = Viewer::new(url);
            viewer.run(|viewer| viewer.last.is_some(), counts);
            there.wait();
            viewer.run(|_| over.load(Relaxed), counts);
            viewer.seen
        };
        let all: Vec<_> = (0..count).map(|_| scope.spawn(viewer)).collect();
        there.wait();
        thread::sleep(SETTLING);
        counts.store(true, Relaxed);
        println!("-");
        let began = Instant::now();
        thread::sleep(Duration::from_secs_f64(seconds));
        counts.store(false, Relaxed);
        let took = began.elapsed().as_secs_f64();
        println!("-");
        over.store(true, Relaxed);
        let mut sum = Seen::default();
        for seen in all.into_iter().map(|one| one.join().unwrap()) {
            sum.pictures += seen.pictures;
            sum.missing += seen.missing;
            sum.bytes += seen.bytes;
            sum.datagrams += seen.datagrams;
            sum.datagram_bytes += seen.datagram_bytes;
        }
        let Seen { pictures, missing, bytes, datagrams, datagram_bytes } = sum;
        println!(
            "{{\"seconds\": {took}, \"pictures\": {pictures}, \"missing\": {missing}, \"mb\": {}, \
             \"datagrams\": {datagrams}, \"datagram_mb\": {}}}",
            bytes as f64 / 1e6,
            datagram_bytes as f64 / 1e6
        );
    });
}

struct Viewer {
    rtc: Rtc,
    socket: UdpSocket,
    last: Option<u64>,
    seen: Seen,
}

impl Viewer {
    fn new(url: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut rtc = Rtc::builder().clear_codecs().enable_h264(true).build(Instant::now());
        rtc.add_local_candidate(Candidate::host(socket.local_addr().unwrap(), "udp").unwrap());
        let mut change = rtc.sdp_api();
        change.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        let (offer, pending): (SdpOffer, _) = change.apply().unwrap();
        let answer = SdpAnswer::from_sdp_string(&post(url, &offer.to_sdp_string())).unwrap();
        rtc.sdp_api().accept_answer(pending, answer).unwrap();
        Self { rtc, socket, last: None, seen: Seen::default() }
    }

    fn run(&mut self, is_enough: impl Fn(&Self) -> bool, counts: &AtomicBool) {
        let mut datagram = [0; 2048];
        let address = self.socket.local_addr().unwrap();
        while !is_enough(self) {
            match self.rtc.poll_output().unwrap() {
                Output::Transmit(sent) => _ = self.socket.send_to(&sent.contents, sent.destination),
                Output::Event(Event::MediaData(data)) => self.take(&data.data, counts.load(Relaxed)),
                Output::Event(Event::IceConnectionStateChange(state)) if state.is_disconnected() => {
                    panic!("the relay does not answer any more")
                }
                Output::Event(_) => {}
                Output::Timeout(due) => {
                    let wait = due.saturating_duration_since(Instant::now());
                    let wait = wait.clamp(Duration::from_millis(1), Duration::from_millis(100));
                    self.socket.set_read_timeout(Some(wait)).unwrap();
                    let now = match self.socket.recv_from(&mut datagram) {
                        Ok((size, from)) => {
                            if counts.load(Relaxed) {
                                self.seen.datagrams += 1;
                                self.seen.datagram_bytes += size as u64;
                            }
                            let now = Instant::now();
                            if let Ok(received) = Receive::new(Protocol::Udp, from, address, &datagram[..size]) {
                                self.rtc.handle_input(Input::Receive(now, received)).unwrap();
                            }
                            now
                        }
                        Err(_) => Instant::now(),
                    };
                    if due <= now {
                        self.rtc.handle_input(Input::Timeout(now)).unwrap();
                    }
                }
            }
        }
    }

    fn take(&mut self, picture: &[u8], counts: bool) {
        let at = memchr::memmem::find(picture, MARK).expect("a number in each picture") + MARK.len();
        let number = std::str::from_utf8(&picture[at..at + DIGITS]).unwrap().parse().unwrap();
        let expected = self.last.replace(number).map_or(number, |last| last + 1);
        if counts {
            self.seen.pictures += 1;
            self.seen.missing += number.saturating_sub(expected);
            self.seen.bytes += picture.len() as u64;
        }
    }
}

/// The answer to an offer (RFC 9725).
fn post(url: &str, offer: &str) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let length = offer.len();
    write!(
        stream,
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/sdp\r\n\
         Content-Length: {length}\r\n\r\n{offer}"
    )
    .unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 201"), "{said}");
    body.to_owned()
}

/// Encrypts and sends `clip` at its rate to so many sockets, which throw it away.
fn floor(clip: &str, count: usize, seconds: f64) {
    let pictures = pictures(&std::fs::read(clip).unwrap());
    let sinks: Vec<_> = (0..count).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let key = || LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());
    let to: Vec<_> = sinks.iter().map(|sink| (key(), sink.local_addr().unwrap())).collect();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for sink in &sinks {
            sink.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            scope.spawn(|| {
                let mut datagram = [0; 2048];
                while !over.load(Relaxed) {
                    let _ = sink.recv(&mut datagram);
                }
            });
        }
        let (began, before) = (Instant::now(), thread_cpu());
        let (mut bytes, mut datagrams, mut datagram_bytes, mut sent) = (0, 0_u64, 0, 0);
        let mut packet = Vec::new();
        for (picture, at) in pictures.iter().cycle().zip(0_u32..) {
            let due = began + at * Duration::from_secs(1) / FPS;
            if due > began + Duration::from_secs_f64(seconds) {
                break;
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            for (key, to) in &to {
                for payload in picture.chunks(PAYLOAD) {
                    let mut number = [0; 12];
                    number[4..].copy_from_slice(&datagrams.to_be_bytes());
                    packet.clear();
                    packet.extend_from_slice(&[0x80; HEADER]);
                    packet.extend_from_slice(payload);
                    let (head, body) = packet.split_at_mut(HEADER);
                    let tag =
                        key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(number), Aad::from(head), body);
                    packet.extend_from_slice(tag.unwrap().as_ref());
                    assert_eq!(packet.len(), HEADER + payload.len() + TAG);
                    socket.send_to(&packet, to).unwrap();
                    datagrams += 1;
                    datagram_bytes += packet.len();
                }
                bytes += picture.len();
                sent += 1;
            }
        }
        let cpu_ms = (thread_cpu() - before) as f64 / 1e6;
        over.store(true, Relaxed);
        println!(
            "{{\"seconds\": {}, \"pictures\": {sent}, \"cpu_ms\": {cpu_ms}, \"mb\": {}, \"datagrams\": {datagrams}, \
             \"datagram_mb\": {}}}",
            began.elapsed().as_secs_f64(),
            bytes as f64 / 1e6,
            datagram_bytes as f64 / 1e6
        );
    });
}

/// Run time of this thread in nanoseconds.
fn thread_cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// The pictures of a bitstream, each with what stands before it; a slice is a picture here.
fn pictures(clip: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    let starts: Vec<_> = memchr::memmem::find_iter(clip, &[0, 0, 1]).chain([clip.len()]).collect();
    for pair in starts.windows(2) {
        let nal = &clip[pair[0]..pair[1]];
        all.last_mut().unwrap().extend_from_slice(nal);
        if matches!(nal.get(3).map(|kind| kind & 0x1f), Some(1 | 5)) {
            all.push(Vec::new());
        }
    }
    all.retain(|picture| !picture.is_empty());
    all
}
