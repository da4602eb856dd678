//! Servers that answer as cameras do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

pub use crate::server::{at, request};

pub const MULTIPART: &str = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n";
pub const PICTURE: &[u8] = include_bytes!("../../../formats/tests/data/jpeg/420.jpg");

/// Answers every request with these bytes; then hangs up, or waits for the next one.
pub async fn says(answer: impl Into<Vec<u8>>, stays: bool) -> SocketAddr {
    saying(answer, stays).await.0
}

/// The same, with the number of connections.
pub async fn saying(answer: impl Into<Vec<u8>>, stays: bool) -> (SocketAddr, Arc<AtomicUsize>) {
    let answer = Arc::new(answer.into());
    at(move |mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            while !request(&mut stream).await.is_empty() {
                if stream.write_all(&answer).await.is_err() || !stays {
                    return;
                }
            }
        }
    })
    .await
}

/// What is said at once to whoever connects, whatever that is.
pub async fn greets(bytes: &'static [u8]) -> SocketAddr {
    at(move |mut stream| async move {
        let mut heard = [0; 1024];
        let _ = stream.read(&mut heard).await;
        let _ = stream.write_all(bytes).await;
        let _ = stream.read(&mut heard).await;
    })
    .await
    .0
}

/// A part with picture `number`, which no other one is like.
pub fn part(number: usize) -> Vec<u8> {
    // A comment (ITU-T T.81 B.2.4.5) behind the start of the image.
    let comment = [&[0xff, 0xfe, 0, 10][..], &(number as u64).to_be_bytes()].concat();
    [b"--b\r\nContent-Type: image/jpeg\r\n\r\n", &PICTURE[..2], &comment, &PICTURE[2..], b"\r\n"].concat()
}

/// Pictures whose numbers and distances `next` gives; at the end of these it is silent.
pub async fn pictures(
    before: Duration,
    next: impl Fn(usize) -> Option<(usize, Duration)> + Send + Sync + 'static,
) -> SocketAddr {
    let next = Arc::new(next);
    at(move |mut stream| {
        let next = Arc::clone(&next);
        async move {
            request(&mut stream).await;
            sleep(before).await;
            let mut sent = stream.write_all(MULTIPART.as_bytes()).await;
            for at in 0.. {
                let Some((number, wait)) = next(at).filter(|_| sent.is_ok()) else { break };
                sent = stream.write_all(&part(number)).await;
                sleep(wait).await;
            }
            let _ = stream.read_u8().await;
        }
    })
    .await
    .0
}
