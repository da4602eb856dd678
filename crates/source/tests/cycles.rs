//! A thousand sources that fail, each in one of the ways in which sources do, leave nothing behind.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;
use std::time::Duration;

use feed::Start;
use source::{Backoff, Error, Options, Supervisor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);
const CYCLES: usize = 1000;
/// Cycles until what is kept for the whole process is there.
const WARM: usize = 200;
/// What memory may grow by: 20 KiB a cycle would be more.
const MOST_GROWN: usize = 16 << 20;

/// A picture, as far as anybody looks who does not decode it.
const JPEG: &[u8] =
    b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x2a\xff\xd9";

/// A server that says the same to everybody who has asked, and hangs up or stays.
async fn says(answer: Vec<u8>, stays: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                if stream.read(&mut bytes).await.is_ok_and(|count| count > 0)
                    && stream.write_all(&answer).await.is_ok()
                    && stays
                {
                    while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
                }
            });
        }
    });
    address
}

/// One way to fail: a URL, and what the failure is.
struct Way {
    url: String,
    is_it: fn(&Error) -> bool,
    /// A picture comes before it.
    shows: bool,
}

async fn ways() -> Vec<Way> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n";
    let part = [b"--b\r\nContent-Type: image/jpeg\r\n\r\n", JPEG, b"\r\n"].concat();
    let pictures = [head.as_bytes(), &part, &part].concat();
    let cut = [&pictures[..], &part[..part.len() - 9]].concat();
    let rtsp = |status: &str| format!("RTSP/1.0 {status}\r\nCSeq: 1\r\nContent-Length: 0\r\n\r\n").into_bytes();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let http = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes();
    let mut ways = Vec::new();
    let mut add = |shows: bool, url: String, is_it| ways.push(Way { url, is_it, shows });
    for scheme in ["http", "rtsp", "mmst", "onvif", "tcp"] {
        add(false, format!("{scheme}://{closed}/x"), |error| {
            matches!(error, Error::Refused { .. } | Error::Unreachable { .. })
        });
    }
    let is_login = |error: &Error| matches!(error, Error::Unauthorized { .. });
    let locked = says(
        [&b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n"[..]].concat(),
        false,
    )
    .await;
    add(false, format!("http://admin:wrong@{locked}/x"), is_login);
    add(false, format!("http://{locked}/x"), is_login);
    add(false, format!("rtsp://{}/x", says(rtsp("401 No"), true).await), is_login);
    let is_missing = |error: &Error| matches!(error, Error::NotFound { .. });
    add(false, format!("http://{}/x", says(http("404 No"), false).await), is_missing);
    add(false, format!("rtsp://{}/x", says(rtsp("404 No"), true).await), is_missing);
    add(false, "/no/such/file.mp4".into(), is_missing);
    add(true, format!("http://{}/x", says(cut, false).await), |error| matches!(error, Error::Ended { .. }));
    add(true, format!("http://{}/x", says(pictures, true).await), |error| matches!(error, Error::Timeout { .. }));
    for scheme in ["http", "rtsp", "ws", "https", "rtsps", "mmst", "onvif"] {
        let silent = says(Vec::new(), true).await;
        add(false, format!("{scheme}://{silent}/x"), |error| matches!(error, Error::Timeout { .. }));
    }
    for scheme in ["https", "rtsps", "wss"] {
        let plain = says(http("400 Bad"), false).await;
        add(false, format!("{scheme}://{plain}/x"), |error| matches!(error, Error::Tls { .. }));
    }
    for scheme in ["http", "rtsp", "ws", "mmst", "mmsh", "onvif", "tcp"] {
        let garbage = says([0x5a, 0xff, 0x00, 0x13].repeat(5000), false).await;
        add(false, format!("{scheme}://{garbage}/x"), |_| true);
    }
    ways
}

/// Opens it, waits for its failure, and closes it.
async fn cycle(way: &Way) {
    let limit = Duration::from_millis(if way.shows { 300 } else { 40 });
    let patient = way.url.starts_with("/") || !(way.is_it)(&late(limit));
    let options = Options {
        open_timeout: if patient || way.shows { PATIENCE } else { limit },
        gap_timeout: limit,
        backoff: Backoff { attempts: Some(1), ..Backoff::default() },
        ..Options::default()
    };
    let source = Supervisor::new("cam", &way.url, options).unwrap();
    let mut cursor = source.feed().cursor(Start::Oldest);
    let mut status = source.status();
    if way.shows {
        timeout(PATIENCE, cursor.next()).await.expect("a picture in time").unwrap();
    }
    let failed = timeout(PATIENCE, status.wait_for(|status| status.error.is_some())).await;
    let error = failed.unwrap_or_else(|_| panic!("{} does not fail", way.url)).unwrap().error.clone().unwrap();
    assert!((way.is_it)(&error), "{}: {error}", way.url);
}

fn late(after: Duration) -> Error {
    Error::Timeout { phase: source::Phase::Handshake, after, tried: None }
}

/// Threads, descriptors, and bytes of memory of this process.
fn held() -> (usize, usize, usize) {
    let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let memory = line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10;
    (count("/proc/self/task"), count("/proc/self/fd"), memory)
}

/// What is held once it does not fall any more.
async fn settled() -> (usize, usize, usize) {
    let mut least = held();
    let mut same = 0;
    while same < 10 {
        sleep(Duration::from_millis(100)).await;
        let now = held();
        same = if now.0 < least.0 || now.1 < least.1 { 0 } else { same + 1 };
        least = (least.0.min(now.0), least.1.min(now.1), now.2);
    }
    least
}

#[tokio::test]
async fn a_thousand_failures_leave_no_thread_no_descriptor_and_no_memory() {
    ffmpeg::init();
    let ways = ways().await;
    for number in 0..WARM {
        cycle(&ways[number % ways.len()]).await;
    }
    let before = settled().await;
    for number in 0..CYCLES {
        cycle(&ways[number % ways.len()]).await;
    }
    let after = settled().await;
    println!("threads, descriptors, memory: {before:?} before, {after:?} after {CYCLES} cycles of {} ways", ways.len());
    assert!(after.0 <= before.0 && after.1 <= before.1, "{before:?} became {after:?}");
    assert!(after.2 <= before.2 + MOST_GROWN, "{before:?} became {after:?}");
}
