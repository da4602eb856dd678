//! HLS: a live playlist that grows, with a discontinuity in it; numbered pictures, each once.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use feed::Start;
use source::{Decoding, Options, Supervisor, Wanted};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);
const PICTURES: u16 = 50;
const WIDTH: usize = 320;
const HEIGHT: usize = 240;

/// I420: grey, with the number across top and bottom, as `formats::osd` reads it.
fn picture(number: u16) -> Vec<u8> {
    let bits: Vec<u8> = (0..16).rev().map(|at| (number >> at & 1) as u8).collect();
    let parity = bits.iter().sum::<u8>() & 1;
    let cells = [&[1, 0], &bits[..], &[parity, 1 - parity]].concat();
    let line = |lit: u8| -> Vec<u8> {
        cells.iter().flat_map(|bit| [if *bit == lit { 235 } else { 16 }; WIDTH / 20]).collect()
    };
    let rows = HEIGHT / 10;
    let grey = vec![110; WIDTH * (HEIGHT - 2 * rows)];
    [line(1).repeat(rows), grey, line(0).repeat(rows), vec![128; WIDTH * HEIGHT / 2]].concat()
}

/// Segments of 10 pictures with the numbers from `first` on.
fn segments(folder: &Path, name: &str, first: u16) -> Vec<PathBuf> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "320x240", "-r", "25", "-i", "-"]);
    ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "10", "-f", "hls", "-hls_time", "0.4"]);
    ffmpeg.args(["-hls_list_size", "0"]).arg(folder.join(format!("{name}.m3u8"))).stdin(Stdio::piped());
    let mut child = ffmpeg.spawn().expect("apt install ffmpeg");
    let mut pipe = child.stdin.take().unwrap();
    (first..first + PICTURES).for_each(|number| pipe.write_all(&picture(number)).unwrap());
    drop(pipe);
    assert!(child.wait().unwrap().success());
    let all = (0..).map(|at| folder.join(format!("{name}{at}.ts")));
    all.take_while(|path| path.exists()).collect()
}

/// The playlist, longer by a segment each time.
fn playlist(parts: &[PathBuf], asked: usize, cut: usize) -> String {
    let upto = (3 + asked).min(parts.len());
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n");
    for (at, part) in parts[..upto].iter().enumerate() {
        if at == cut {
            text += "#EXT-X-DISCONTINUITY\n";
        }
        text += &format!("#EXTINF:0.400000,\n{}\n", part.file_name().unwrap().to_str().unwrap());
    }
    text
}

async fn answer(mut stream: TcpStream, parts: Arc<Vec<PathBuf>>, asked: Arc<AtomicUsize>, cut: usize) {
    let mut request = Vec::new();
    while stream.read_buf(&mut request).await.is_ok_and(|count| count > 0) {
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8(std::mem::take(&mut request)).unwrap();
        let path = text.split(' ').nth(1).unwrap().trim_start_matches('/');
        let (kind, body) = match path {
            "live.m3u8" => {
                let text = playlist(&parts, asked.fetch_add(1, Relaxed), cut);
                ("application/vnd.apple.mpegurl", text.into_bytes())
            }
            file => ("video/mp2t", std::fs::read(parts[0].with_file_name(file)).unwrap()),
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    }
}

#[tokio::test]
async fn a_playlist_that_grows_is_played_across_a_discontinuity() {
    ffmpeg::init();
    let folder = tempfile::tempdir().unwrap();
    let mut parts = segments(folder.path(), "a", 0);
    let cut = parts.len();
    parts.extend(segments(folder.path(), "b", PICTURES));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (parts, asked) = (Arc::new(parts), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&parts), Arc::clone(&counted), cut));
        }
    });
    let options = Options { libav: vec![("live_start_index".into(), "0".into())], ..Options::default() };
    let source = Supervisor::new("cam", &format!("http://{address}/live.m3u8"), options).unwrap();
    let mut cursor = source.feed().cursor(Start::Oldest);
    let (mut decoding, mut numbers) = (Decoding::new(), Vec::new());
    // The demuxer waits for what is behind the last one, and the playlist does not end.
    while numbers.last().is_none_or(|number| *number < 2 * PICTURES - 3) {
        let mut entry = timeout(PATIENCE, cursor.next()).await.expect("a picture in time").unwrap();
        entry.packet.discontinuity = false;
        decoding.adopt(&entry).unwrap();
        for picture in decoding.decode(&entry.packet, Wanted::Picture) {
            let luma = picture.frame.plane(0).unwrap();
            numbers.push(formats::osd::read_number(luma.data, luma.stride, WIDTH, HEIGHT).expect("a number"));
        }
    }
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    assert_eq!((numbers[0], source.status().borrow().reconnects), (0, 0));
    assert!(asked.load(Relaxed) > 2, "the playlist is read again");
}
