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
            Ok(body) if name == "unrolled.mpd" => ("200 OK", unrolled(&String::from_utf8(body).unwrap()).into_bytes()),
            Ok(body) => ("200 OK", body),
            Err(_) => ("404 Not Found", Vec::new()),
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(&[head.as_bytes(), &body].concat()).await.is_err() {
            return;
        }
    }
}

/// A manifest with a line for each piece, as nginx's writes it.
fn unrolled(manifest: &str) -> String {
    let value = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\""))?;
        rest.split('"').next()?.parse::<u64>().ok()
    };
    let mut next = 0;
    let mut text = String::new();
    for line in manifest.lines() {
        match line
            .trim_start()
            .strip_prefix("<S ")
            .and_then(|rest| Some((rest, value(rest, " d").or(value(rest, "d"))?)))
        {
            Some((rest, long)) => {
                next = value(rest, "t").unwrap_or(next);
                for _ in 0..=value(rest, "r").unwrap_or(0) {
                    text += &format!("<S t=\"{next}\" d=\"{long}\"/>\n");
                    next += long;
                }
            }
            None => text += &format!("{line}\n"),
        }
    }
    text
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
    is_followed("live.mpd", SEGMENTS).await;
}

/// FFmpeg's client leaves out every second one of these where it is read no faster than they play.
#[tokio::test]
async fn a_live_manifest_of_whole_seconds_is_followed_without_a_gap() {
    let whole = SEGMENTS.iter().map(|word| if *word == "0.8" { "1" } else { word });
    let more = ["-g", "25", "-media_seg_name", "$RepresentationID$-$Time$.m4s"];
    is_followed("unrolled.mpd", &whole.chain(more).collect::<Vec<_>>()).await;
}

async fn is_followed(name: &str, segments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join(name);
    let window = ["-window_size", "4", "-extra_window_size", "20", manifest.to_str().unwrap()];
    let _encoder = Encoder::start(0..2000, true, &[segments, &window].concat());
    while !manifest.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let address = serve(folder.path()).await;
    let mut viewer = Viewer::open(&format!("http://{address}/{name}"), Options::default());
    // More than twice the window.
    let numbers = viewer.numbers(250).await;
    each_once(&numbers);
    assert_eq!(viewer.source.status().borrow().reconnects, 0);
}
