//! Figures: CPU that taking RTSP in costs, and what was lost.
//!
//!     rtsp_source 8554 camera.h264 &
//!     cargo run --release -p source --example rtsp_intake -- rtsp://127.0.0.1:8554/x 200 10
//!
//! URL, sources, seconds, and `udp` for datagrams; `bench/run.sh intake` runs it beside its floor.
//! Each source has a reader, as in life. The cameras of `bench/rtsp_source.c` number their pictures in a message of their
//! bitstream, so what is missing is counted and not assumed. Prints one line of JSON: CPU time
//! is that of the process, in user and kernel.

#![allow(clippy::unwrap_used, reason = "a measurement may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use feed::{Cursor, Start};
use memchr::memmem;
use source::{Options, Supervisor, Transport};
use tokio::time::{sleep, timeout};

/// What stands before a picture's number, and how many digits it has.
const MARK: &[u8] = b"hw-number:";
const DIGITS: usize = 8;
/// Where the mark is looked for: behind the parameter sets.
const BEGIN: usize = 256;

/// What the readers of all sources saw.
#[derive(Default)]
struct Seen {
    counts: AtomicBool,
    pictures: AtomicU64,
    missing: AtomicU64,
    /// Pictures whose numbers do not rise.
    disorder: AtomicU64,
    damaged: AtomicU64,
}

fn number(data: &[u8]) -> u64 {
    let begin = &data[..data.len().min(BEGIN)];
    let at = memmem::find(begin, MARK).expect("a number in each picture") + MARK.len();
    std::str::from_utf8(&begin[at..at + DIGITS]).unwrap().parse().unwrap()
}

async fn read(mut cursor: Cursor, seen: Arc<Seen>) {
    let mut last = None;
    while let Ok(entry) = cursor.next().await {
        let now = number(&entry.packet.data);
        let expected = last.map_or(now, |last| last + 1);
        last = Some(now);
        if seen.counts.load(Relaxed) {
            seen.pictures.fetch_add(1, Relaxed);
            match now.checked_sub(expected) {
                Some(missing) => seen.missing.fetch_add(missing, Relaxed),
                None => seen.disorder.fetch_add(1, Relaxed),
            };
            seen.damaged.fetch_add(u64::from(entry.packet.corrupt), Relaxed);
        }
    }
}

/// CPU time of this process.
fn cpu_ms() -> f64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    spent.tv_sec as f64 * 1e3 + spent.tv_nsec as f64 / 1e6
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, count, seconds, rest @ ..] = &arguments[..] else { panic!("expected URL SOURCES SECONDS [udp]") };
    let (count, seconds) = (count.parse::<usize>().unwrap(), Duration::from_secs_f64(seconds.parse().unwrap()));
    let transport = if rest.iter().any(|word| word == "udp") { Transport::Udp } else { Transport::Tcp };
    ffmpeg::init();

    let options = Options { transport, ..Options::default() };
    let sources: Vec<_> =
        (0..count).map(|at| Supervisor::new(&format!("c{at}"), url, options.clone()).unwrap()).collect();
    let mut cursors: Vec<_> = sources.iter().map(|source| source.feed().cursor(Start::Oldest)).collect();
    for cursor in &mut cursors {
        timeout(Duration::from_secs(60), cursor.next()).await.expect("a picture").unwrap();
    }
    let seen = Arc::new(Seen::default());
    cursors.into_iter().for_each(|cursor| drop(tokio::spawn(read(cursor, Arc::clone(&seen)))));
    sleep(Duration::from_secs(2)).await;
    let bytes = || sources.iter().map(|source| source.counters().bytes).sum::<u64>();
    seen.counts.store(true, Relaxed);
    let (began, before, read) = (Instant::now(), cpu_ms(), bytes());
    sleep(seconds).await;
    let (took, spent, read) = (began.elapsed(), cpu_ms() - before, bytes() - read);
    let figures = serde_json::json!({
        "cpu_ms": spent,
        "mbit": read as f64 * 8e-6,
        "seconds": took.as_secs_f64(),
        "pictures": seen.pictures.load(Relaxed),
        "missing": seen.missing.load(Relaxed),
        "disorder": seen.disorder.load(Relaxed),
        "damaged": seen.damaged.load(Relaxed),
        "reconnects": sources.iter().map(|source| source.status().borrow().reconnects).sum::<u32>(),
    });
    println!("{figures}");
}
