//! Figures: how old a picture is when it is published, and how long the first
//! one takes, by our own path and by libavformat's.
//!
//!     cargo run --release -p source --example rtsp_latency

#![allow(clippy::unwrap_used, reason = "a measurement may panic")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use feed::Start;
use source::{Decoding, Options, Supervisor, Wanted};

const PICTURES: usize = 200;

/// Milliseconds from the making of the server's pictures, which carry the time, to their
/// publication here; and to the first one from the start.
async fn measure(url: &str, libav: Vec<(String, String)>) -> (Duration, Vec<u16>) {
    let start = Instant::now();
    let source = Supervisor::new("cam", url, Options { libav, ..Options::default() }).unwrap();
    let mut cursor = source.feed().cursor(Start::Oldest);
    let mut decoding = Decoding::new();
    let (mut first, mut ages) = (None, Vec::new());
    while ages.len() < PICTURES {
        let entry = cursor.next().await.unwrap();
        let wall = SystemTime::now() - entry.packet.received.elapsed();
        first.get_or_insert(entry.packet.received - start);
        decoding.adopt(&entry).unwrap();
        for picture in decoding.decode(&entry.packet, Wanted::Picture) {
            let (size, luma) = (picture.frame.size(), picture.frame.plane(0).unwrap());
            let wall = wall - (entry.packet.received - picture.received);
            let now = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u16;
            let made = formats::osd::read_number(luma.data, luma.stride, size.width as usize, size.height as usize);
            ages.push(now.wrapping_sub(made.unwrap()));
        }
    }
    (first.unwrap(), ages)
}

#[tokio::main]
async fn main() {
    ffmpeg::init();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tools/rtsp_server.py");
    let mut command = Command::new("/usr/bin/python3");
    command.arg(script).args(["--clock", "--size", "640x480"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut server = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().strip_prefix("port ").expect("the test server starts");
    for path in ["h264", "h265", "jpeg"] {
        let url = format!("rtsp://127.0.0.1:{port}/{path}");
        let libav = vec![("rtsp_transport".into(), "tcp".into())];
        for (name, libav) in [("ours", Vec::new()), ("libav", libav)] {
            let (first, mut ages) = measure(&url, libav).await;
            // What a server sends at the beginning may have waited for us.
            ages.drain(..25);
            ages.sort_unstable();
            let at = |part: usize| ages[(ages.len() - 1) * part / 100];
            println!("{path} {name}: first {} ms, p50 {} p95 {} max {} ms", first.as_millis(), at(50), at(95), at(100));
        }
    }
    server.kill().unwrap();
    server.wait().unwrap();
}
