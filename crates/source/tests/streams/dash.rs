//! DASH: a recording, and a live manifest whose window moves.

use std::path::Path;

use source::Options;

use crate::server::{http, path_of};
use crate::support::{Encoder, Viewer, each_once};

/// A server for the files of a folder; its address.
async fn serve(folder: &Path) -> String {
    serve_without("nothing", folder).await
}

/// The same without those whose name ends so.
async fn serve_without(missing: &'static str, folder: &Path) -> String {
    let folder = folder.to_owned();
    let answer = move |request: &str| {
        let name = path_of(request);
        if name.ends_with(missing) {
            return ("404 Not Found", Vec::new());
        }
        match std::fs::read(folder.join(name)) {
            Ok(body) if name.ends_with(".mpd") => ("200 OK\r\nContent-Type: application/dash+xml", body),
            Ok(body) => ("200 OK\r\nContent-Type: video/mp4", body),
            Err(_) => ("404 Not Found", Vec::new()),
        }
    };
    http(answer).await.0.to_string()
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
    assert_eq!((viewer.source.status().borrow().reconnects, viewer.source.vitals().gaps), (0, 0));
}

#[tokio::test]
async fn a_piece_that_ffmpeg_passes_over_is_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("live.mpd");
    let window = ["-window_size", "4", "-extra_window_size", "20", manifest.to_str().unwrap()];
    let _encoder = Encoder::start(0..2000, true, &[SEGMENTS, &window].concat());
    while !manifest.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let address = serve_without("-00006.m4s", folder.path()).await;
    let mut viewer = Viewer::open(&format!("http://{address}/live.mpd"), Options::default());
    let mut numbers = viewer.numbers(60).await;
    while numbers.windows(2).all(|pair| pair[1] == pair[0] + 1) {
        numbers.extend(viewer.numbers(1).await);
        assert!(numbers.len() < 400, "nothing was passed over");
    }
    assert!(viewer.source.vitals().gaps > 0, "{numbers:?}");
    assert_eq!(viewer.source.status().borrow().reconnects, 0);
}
