//! DASH: a recording, and a live manifest whose window moves.

use std::path::Path;

use source::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Encoder, Viewer, each_once};

/// A server for the files of a folder; its address.
async fn serve(folder: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let folder = folder.to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, folder.clone()));
        }
    });
    address
}

async fn answer(mut stream: TcpStream, folder: std::path::PathBuf) {
    let mut request = Vec::new();
    while stream.read_buf(&mut request).await.is_ok_and(|count| count > 0) {
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8(std::mem::take(&mut request)).unwrap();
        let name = text.split(' ').nth(1).unwrap().trim_start_matches('/');
        let kind = if name.ends_with(".mpd") { "application/dash+xml" } else { "video/mp4" };
        let (status, body) = match std::fs::read(folder.join(name)) {
            Ok(body) => ("200 OK", body),
            Err(_) => ("404 Not Found", Vec::new()),
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(&[head.as_bytes(), &body].concat()).await.is_err() {
            return;
        }
    }
}

/// Pieces of less than a second.
const SEGMENTS: &[&str] = &["-f", "dash", "-seg_duration", "0.8", "-use_template", "1", "-use_timeline", "1"];

#[tokio::test]
async fn a_manifest_of_a_recording_is_played_to_its_last_picture() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("all.mpd");
    Encoder::start(0..60, false, &[SEGMENTS, &[manifest.to_str().unwrap()]].concat()).finish();
    let address = serve(folder.path()).await;
    let options = Options { repeat_files: false, ..Options::default() };
    let mut viewer = Viewer::open(&format!("http://{address}/all.mpd"), options);
    let numbers = viewer.numbers(60).await;
    each_once(&numbers);
    assert_eq!((numbers[0], numbers.len()), (0, 60));
    assert_eq!(viewer.source.status().borrow().about.container, "dash");
}

#[tokio::test]
async fn a_live_manifest_is_followed_while_its_window_moves() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("live.mpd");
    let window = ["-window_size", "4", "-extra_window_size", "20", manifest.to_str().unwrap()];
    let _encoder = Encoder::start(0..2000, true, &[SEGMENTS, &window].concat());
    while !manifest.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let address = serve(folder.path()).await;
    let mut viewer = Viewer::open(&format!("http://{address}/live.mpd"), Options::default());
    // More than twice the window.
    let numbers = viewer.numbers(250).await;
    each_once(&numbers);
    assert_eq!(viewer.source.status().borrow().reconnects, 0);
}
