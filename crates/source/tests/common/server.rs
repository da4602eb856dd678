//! Servers whose connections a test handles.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server whose connections are handled by `serve`, and counted.
pub async fn at<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, SeqCst);
            tokio::spawn(serve(stream));
        }
    });
    (address, count)
}

/// Reads one request, up to the empty line; empty at the end.
pub async fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        if !stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
            return String::new();
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A server of HTTP: what it answers to a request is a status, with headers behind it if there are any, and a body.
pub async fn http<S: Display + Send>(
    answer: impl Fn(&str) -> (S, Vec<u8>) + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let answer = Arc::new(answer);
    at(move |mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            loop {
                let asked = request(&mut stream).await;
                if asked.is_empty() {
                    return;
                }
                let (status, body) = answer(&asked);
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
                let whole = [head.as_bytes(), &body].concat();
                if stream.write_all(&whole).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

/// The path that is asked for, without the slash at its begin.
pub fn path_of(request: &str) -> &str {
    request.split(' ').nth(1).unwrap().trim_start_matches('/')
}
