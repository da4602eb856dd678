//! Servers that send without end, or drop by drop, and what is seen of a source that asks them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use feed::{Cursor, Start};
use source::{Error, Options, Status, Supervisor};
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

pub use crate::server::{at, http, request};

/// Nothing here takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// What the system keeps of a connection that nobody reads, on both sides.
pub const IN_SOCKETS: usize = 16 << 20;

/// A picture, as far as anybody looks who does not decode it.
pub const JPEG: &[u8] =
    b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x2a\xff\xd9";

/// A server that sends `begin`, and then `rest` for as long as it is taken. How many bytes were.
pub async fn flood(begin: impl Into<Vec<u8>>, rest: impl Into<Vec<u8>>) -> (SocketAddr, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let (begin, rest, counted) = (begin.into(), rest.into(), Arc::clone(&taken));
    let rest = rest.repeat((64 << 10) / rest.len() + 1);
    let address = at(move |mut stream| {
        let (begin, rest, counted) = (begin.clone(), rest.clone(), Arc::clone(&counted));
        async move {
            request(&mut stream).await;
            let _ = stream.write_all(&begin).await;
            let mut at = 0;
            while let Ok(count) = stream.write(&rest[at..]).await {
                counted.fetch_add(count, SeqCst);
                at = (at + count) % rest.len();
            }
        }
    })
    .await
    .0;
    (address, taken)
}

/// A server that sends `begin`, and then byte after byte of `rest`, for ever.
pub async fn drip(begin: impl Into<Vec<u8>>, rest: &'static [u8]) -> SocketAddr {
    let begin = begin.into();
    at(move |mut stream| {
        let begin = begin.clone();
        async move {
            let mut sent = stream.write_all(&begin).await;
            for byte in rest.iter().cycle() {
                if sent.is_err() {
                    return;
                }
                sleep(Duration::from_millis(100)).await;
                sent = stream.write_all(&[*byte]).await;
            }
        }
    })
    .await
    .0
}

/// A source and a reader of it.
pub fn open(url: &str, options: Options) -> (Supervisor, Cursor) {
    ffmpeg::init();
    let source = Supervisor::new("cam", url, options).unwrap();
    let cursor = source.feed().cursor(Start::Oldest);
    (source, cursor)
}

/// Options with this time for everything, and no attempt after the first.
pub fn brief(limit: Duration) -> Options {
    let backoff = source::Backoff { attempts: Some(1), ..source::Backoff::default() };
    Options { open_timeout: limit, gap_timeout: limit, backoff, ..Options::default() }
}

/// Why the source failed.
pub async fn failure(source: &Supervisor) -> Error {
    let mut status = source.status();
    let failed = |status: &Status| status.error.is_some();
    let status = timeout(PATIENCE, status.wait_for(failed)).await.expect("a failure in time").unwrap().clone();
    status.error.unwrap()
}

/// The most memory that this process has had, in bytes.
pub fn most_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}
