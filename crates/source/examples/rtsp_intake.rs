//! Figures: CPU that taking RTSP in costs, by Headwater and by a program that only reads the
//! socket, and what was lost.
//!
//!     python3 bench/rtsp_camera.py 8554 CLIP.h264 /dev/null &
//!     cargo run --release -p source --example rtsp_intake -- rtsp://127.0.0.1:8554/ 200 10
//!
//! URL, sources, seconds. Both are measured in this process, one after the other; times are those of
//! the process, in user and kernel. Over TCP nothing is lost unless a source falls behind.

#![allow(clippy::unwrap_used, reason = "a measurement may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use feed::Start;
use source::{Options, Supervisor, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// CPU time of this process, user and kernel (proc(5), in ticks of 10 ms).
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// One client that says what has to be said, and reads the rest away.
async fn floor(host: String, url: String, bytes: Arc<AtomicU64>) {
    let mut stream = TcpStream::connect(host).await.unwrap();
    let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
    let mut buffer = vec![0; 64 << 10];
    for (at, (method, target, more)) in [
        ("DESCRIBE", url.clone(), "Accept: application/sdp\r\n"),
        ("SETUP", format!("{url}track1"), transport),
        ("PLAY", url.clone(), "Session: 1\r\n"),
    ]
    .into_iter()
    .enumerate()
    {
        stream.write_all(format!("{method} {target} RTSP/1.0\r\nCSeq: {at}\r\n{more}\r\n").as_bytes()).await.unwrap();
        let _ = stream.read(&mut buffer).await.unwrap();
    }
    while let Ok(count) = stream.read(&mut buffer).await
        && count > 0
    {
        bytes.fetch_add(count as u64, Relaxed);
    }
}

fn tell(what: &str, spent: Duration, bytes: u64, took: Duration) {
    let megabits = bytes as f64 * 8e-6;
    println!(
        "{what}: {megabits:.0} Mbit in {:.1} s, {:.0} ms CPU, {:.3} ms per Mbit",
        took.as_secs_f64(),
        spent.as_secs_f64() * 1e3,
        spent.as_secs_f64() * 1e3 / megabits
    );
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, count, seconds] = &arguments[..] else { panic!("expected URL SOURCES SECONDS") };
    let (count, seconds) = (count.parse::<usize>().unwrap(), Duration::from_secs_f64(seconds.parse().unwrap()));
    let host = url.strip_prefix("rtsp://").and_then(|rest| rest.split('/').next()).expect("rtsp://HOST:PORT/");
    ffmpeg::init();

    let bytes = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> =
        (0..count).map(|_| tokio::spawn(floor(host.to_owned(), url.clone(), Arc::clone(&bytes)))).collect();
    sleep(Duration::from_secs(2)).await;
    let (began, before, read) = (Instant::now(), cpu(), bytes.load(Relaxed));
    sleep(seconds).await;
    tell("floor", cpu() - before, bytes.load(Relaxed) - read, began.elapsed());
    readers.iter().for_each(tokio::task::JoinHandle::abort);

    let options = Options { transport: Transport::Tcp, ..Options::default() };
    let sources: Vec<_> =
        (0..count).map(|at| Supervisor::new(&format!("c{at}"), url, options.clone()).unwrap()).collect();
    let mut cursors: Vec<_> = sources.iter().map(|source| source.feed().cursor(Start::Oldest)).collect();
    for cursor in &mut cursors {
        timeout(Duration::from_secs(60), cursor.next()).await.expect("a picture").unwrap();
    }
    sleep(Duration::from_secs(2)).await;
    let sum = || {
        let all = sources.iter().map(Supervisor::counters);
        all.fold((0, 0), |(bytes, corrupt), counters| (bytes + counters.bytes, corrupt + counters.corrupt))
    };
    let (began, before, (read, _)) = (Instant::now(), cpu(), sum());
    sleep(seconds).await;
    let (spent, took, (now, corrupt)) = (cpu() - before, began.elapsed(), sum());
    tell("headwater", spent, now - read, took);
    let reconnects: u32 = sources.iter().map(|source| source.status().borrow().reconnects).sum();
    println!("damaged pictures {corrupt}, reconnects {reconnects}");
}
