//! A source on a web page of your own, with axum: `cargo run --example axum_mjpeg -- mms://traffic.example/cam2`
//!
//! A JPEG camera's own bytes are passed on; anything else is coded once for each viewer, at the
//! pace of that viewer. For many viewers take the crate `relay`, which codes once for all.

use axum::body::{Body, Bytes};
use axum::response::{Html, IntoResponse, Response};
use axum::{Router, routing::get};
use capture::{Capture, Options};

/// The next picture as a part of the stream. Blocks.
fn part(capture: &Capture) -> Result<Bytes, capture::Error> {
    let frame = capture.read()?;
    let jpeg = frame.jpeg().cloned().map_or_else(|| frame.encode_jpeg(85), Ok)?;
    let head = format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
    Ok([head.as_bytes(), &jpeg, b"\r\n"].concat().into())
}

async fn video(url: String) -> Response {
    let (send, receive) = tokio::sync::mpsc::channel(1);
    // On a thread of its own, which ends when the viewer has gone.
    std::thread::spawn(move || {
        let opened = Capture::open(&url, Options::default().latest(true));
        let _ = opened.map(|capture| while send.blocking_send(part(&capture)).is_ok() {});
    });
    let body = futures_util::stream::unfold(receive, |mut from| async { Some((from.recv().await?, from)) });
    ([("Content-Type", "multipart/x-mixed-replace; boundary=frame")], Body::from_stream(body)).into_response()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("which source? axum_mjpeg URL")?;
    let page = Html("<!doctype html><title>camera</title><img src='/video'>");
    let app = Router::new().route("/", get(page)).route("/video", get(move || video(url)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}
