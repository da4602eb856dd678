//! RTSP against a real server (`tests/tools/rtsp_server.py`): every picture, in order,
//! decodable, and what the camera says about it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod loss;
mod sound;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use feed::{Cursor, Entry, Start};
use media::{Codec, Size};
use source::{Decoding, Error, Options, Supervisor, Transport, Wanted};
use tokio::time::timeout;

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// The server, until it is dropped.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tools/rtsp_server.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("apt install python3");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(port) = line.trim().strip_prefix("port ").and_then(|port| port.parse().ok()) else {
            let mut complaint = String::new();
            process.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
            panic!("the test server does not start: {complaint}");
        };
        Self { process, port }
    }

    fn url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{path}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn open(url: &str, options: Options) -> (Supervisor, Cursor) {
    ffmpeg::init();
    let source = Supervisor::new("cam", url, options).unwrap();
    let cursor = source.feed().cursor(Start::Oldest);
    (source, cursor)
}

async fn next(cursor: &mut Cursor) -> Entry {
    timeout(PATIENCE, cursor.next()).await.expect("a packet in time").expect("an open feed")
}

/// The next `count` packets of the video track.
async fn video(cursor: &mut Cursor, count: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    while entries.len() < count {
        let entry = next(cursor).await;
        if entry.tracks.video().is_some_and(|track| track.id == entry.packet.track) {
            entries.push(entry);
        }
    }
    entries
}

/// The numbers in the pictures of `entries`, in order of decoding.
fn numbers(entries: &[Entry]) -> Vec<u16> {
    let mut decoding = Decoding::new();
    let mut numbers = Vec::new();
    for entry in entries {
        decoding.adopt(entry).unwrap();
        for picture in decoding.decode(&entry.packet, Wanted::Picture) {
            let size = picture.frame.size();
            let luma = picture.frame.plane(0).unwrap();
            let number = formats::osd::read_number(luma.data, luma.stride, size.width as usize, size.height as usize);
            numbers.push(number.expect("a readable number"));
        }
    }
    numbers
}

/// Whether the numbers run on without a gap.
fn run_on(numbers: &[u16]) -> bool {
    numbers.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

fn ms(entries: &[Entry]) -> Vec<i64> {
    let steps = entries.windows(2).map(|pair| pair[1].packet.pts.as_nanos() - pair[0].packet.pts.as_nanos());
    steps.map(|step| (step + 500_000) / 1_000_000).collect()
}

async fn every_picture_comes(path: &str, codec: Codec, transport: Transport) {
    let server = Server::start(&[]);
    let (source, mut cursor) = open(&server.url(path), Options { transport, ..Options::default() });
    let entries = video(&mut cursor, 40).await;
    let track = entries[0].tracks.video().unwrap().clone();
    assert_eq!((track.codec, track.video().unwrap().size), (codec, Size::new(320, 240)));
    assert_eq!(source.status().borrow().about.protocol, "rtsp");
    let numbers = numbers(&entries);
    assert!(run_on(&numbers) && numbers.len() == entries.len(), "{numbers:?}");
    assert!(ms(&entries).iter().all(|step| *step == 40), "{:?}", ms(&entries));
    assert!(entries.iter().all(|entry| !entry.packet.corrupt && !entry.packet.discontinuity));
    let keys = entries.iter().filter(|entry| entry.packet.key).count();
    let keyed = if codec == Codec::MJPEG { entries.len() } else { 2 };
    assert!(entries[0].packet.key && keys == keyed, "{keys} keyframes");
    if codec != Codec::MJPEG {
        assert!(track.extradata.starts_with(&[0, 0, 0, 1]));
        let key = entries.iter().rfind(|entry| entry.packet.key).unwrap();
        assert!(key.packet.data.starts_with(&track.extradata), "a decoder can join at any keyframe");
    }
}

#[tokio::test]
async fn every_h264_picture_comes_over_tcp() {
    every_picture_comes("h264", Codec::H264, Transport::Auto).await;
}

#[tokio::test]
async fn every_h264_picture_comes_over_udp() {
    every_picture_comes("h264", Codec::H264, Transport::Udp).await;
}

#[tokio::test]
async fn every_h265_picture_comes() {
    every_picture_comes("h265", Codec::HEVC, Transport::Tcp).await;
}

#[tokio::test]
async fn every_jpeg_picture_comes() {
    every_picture_comes("jpeg", Codec::MJPEG, Transport::Tcp).await;
}

#[tokio::test]
async fn a_camera_that_refuses_tcp_is_asked_for_udp() {
    let server = Server::start(&["--udp-only"]);
    let (_source, mut cursor) = open(&server.url("h264"), Options::default());
    assert!(run_on(&numbers(&video(&mut cursor, 10).await)));
}

#[tokio::test]
async fn a_camera_that_refuses_tcp_is_asked_for_udp_through_ffmpeg_too() {
    let server = Server::start(&["--udp-only"]);
    for path in ["jpeg", "vp8"] {
        let (_source, mut cursor) = open(&server.url(path), Options::default());
        assert!(run_on(&numbers(&video(&mut cursor, 10).await)), "{path}");
    }
}

#[tokio::test]
async fn digest_takes_a_password_as_it_is_typed() {
    let server = Server::start(&["--login", "admin:p@ss/w:rd#1"]);
    let url = format!("rtsp://admin:p@ss/w:rd#1@127.0.0.1:{}/h264", server.port);
    let (_source, mut cursor) = open(&url, Options::default());
    video(&mut cursor, 2).await;
    let (source, _cursor) = open(&format!("rtsp://admin:wrong@127.0.0.1:{}/h264", server.port), Options::default());
    let mut status = source.status();
    let status = timeout(PATIENCE, status.wait_for(|status| status.error.is_some())).await.unwrap().unwrap();
    let what = format!("{}: 401", server.port);
    assert!(
        matches!(&status.error, Some(Error::Unauthorized { status: 401, what }) if what.contains("401") && !what.contains("wrong")),
        "{what}"
    );
}

#[tokio::test]
async fn reordered_pictures_keep_their_times() {
    let server = Server::start(&[]);
    let (_source, mut cursor) = open(&server.url("bframes"), Options::default());
    let entries = video(&mut cursor, 60).await;
    assert!(ms(&entries).iter().any(|step| *step < 0), "pictures are reordered: {:?}", ms(&entries));
    assert!(entries.windows(2).all(|pair| pair[1].packet.dts > pair[0].packet.dts));
    // Once the order is known, nothing is decoded after it is to be shown.
    assert!(entries[20..].iter().all(|entry| entry.packet.dts <= entry.packet.pts));
    let mut sorted: Vec<_> = entries.iter().map(|entry| entry.packet.pts.to_ticks(1, 25)).collect();
    sorted.sort_unstable();
    assert!(sorted.windows(2).take(50).all(|pair| pair[1] == pair[0] + 1), "{sorted:?}");
    assert!(run_on(&numbers(&entries)));
}

#[tokio::test]
async fn a_stream_without_keyframes_is_joined_at_a_recovery_point() {
    let server = Server::start(&[]);
    let (_source, mut cursor) = open(&server.url("refresh"), Options::default());
    let entries = video(&mut cursor, 60).await;
    assert!(entries.iter().filter(|entry| entry.packet.key).count() >= 2);
}

#[tokio::test]
async fn a_change_of_size_is_declared_and_goes_on() {
    let server = Server::start(&[]);
    let (source, mut cursor) = open(&server.url("resize"), Options::default());
    let entries = video(&mut cursor, 80).await;
    let size = |entry: &Entry| entry.tracks.video().unwrap().video().unwrap().size;
    assert_eq!((size(&entries[0]), size(&entries[79])), (Size::new(320, 240), Size::new(160, 120)));
    assert!(run_on(&numbers(&entries)));
    assert_eq!(source.status().borrow().reconnects, 0);
}

#[tokio::test]
async fn the_camera_s_wall_clock_is_told_once_it_reports() {
    let server = Server::start(&[]);
    for path in ["h264", "jpeg"] {
        let (_source, mut cursor) = open(&server.url(path), Options::default());
        let deadline = Instant::now() + PATIENCE;
        let captured = loop {
            if let Some(captured) = next(&mut cursor).await.packet.captured {
                break captured;
            }
            assert!(Instant::now() < deadline, "no sender report came");
        };
        let age = SystemTime::now().duration_since(captured).unwrap_or_default();
        assert!(age < Duration::from_secs(2), "{path}: {age:?}");
    }
}

#[tokio::test]
async fn codecs_that_are_not_ours_come_through_ffmpeg() {
    let server = Server::start(&[]);
    let (_source, mut cursor) = open(&server.url("vp8"), Options::default());
    let entries = video(&mut cursor, 10).await;
    assert_eq!(entries[0].tracks.video().unwrap().codec.name(), "vp8");
}

#[tokio::test]
async fn a_path_that_is_not_there_is_not_found() {
    let server = Server::start(&[]);
    let (source, _cursor) = open(&server.url("nothing"), Options::default());
    let mut status = source.status();
    let status = timeout(PATIENCE, status.wait_for(|status| status.error.is_some())).await.unwrap().unwrap();
    assert!(matches!(status.error, Some(Error::NotFound { .. })), "{:?}", status.error);
}

#[tokio::test]
async fn a_server_that_goes_away_is_an_end_and_comes_back() {
    let server = Server::start(&[]);
    let (source, mut cursor) = open(&server.url("h264"), Options::default());
    video(&mut cursor, 2).await;
    drop(server);
    let mut status = source.status();
    let status = timeout(PATIENCE, status.wait_for(|status| status.error.is_some())).await.unwrap().unwrap();
    assert!(matches!(status.error, Some(Error::Ended { .. })), "{:?}", status.error);
}

#[tokio::test]
async fn rtsp_in_http_comes_from_gstreamer_with_its_pictures_and_sound() {
    let server = Server::start(&[]);
    for path in ["h264", "jpeg", "vp8"] {
        let url = format!("rtsph://127.0.0.1:{}/{path}", server.port);
        let (source, mut cursor) = open(&url, Options::default());
        let numbers = numbers(&video(&mut cursor, 20).await);
        assert!(run_on(&numbers) && numbers.len() == 20, "{path}: {numbers:?}");
        assert_eq!(source.status().borrow().reconnects, 0, "{path}");
    }
}
