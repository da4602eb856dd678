//! HLS: live playlists that grow, by our own client and by FFmpeg's; numbered pictures, each once.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/numbered.rs"]
mod numbered;
#[path = "common/server.rs"]
#[allow(dead_code, reason = "not all of it is wanted here")]
mod server;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use feed::Start;
use source::{Capture, Decoding, Options, Supervisor, Wanted};
use tokio::time::timeout;

use self::numbered::{HEIGHT, WIDTH, picture};
use self::server::{http, path_of};

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);
const PICTURES: u16 = 50;

/// Segments of 10 pictures with the numbers from `first` on.
fn segments(folder: &Path, name: &str, first: u16) -> Vec<PathBuf> {
    segments_as(folder, name, first, "ts", &[])
}

fn segments_as(folder: &Path, name: &str, first: u16, extension: &str, way: &[&str]) -> Vec<PathBuf> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "320x240", "-r", "25", "-i", "-"]);
    ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "10", "-f", "hls", "-hls_time", "0.4"]);
    ffmpeg.args(["-hls_list_size", "0"]).args(way).arg(folder.join(format!("{name}.m3u8"))).stdin(Stdio::piped());
    let mut child = ffmpeg.spawn().expect("apt install ffmpeg");
    let mut pipe = child.stdin.take().unwrap();
    (first..first + PICTURES).for_each(|number| pipe.write_all(&picture(number)).unwrap());
    drop(pipe);
    assert!(child.wait().unwrap().success());
    let all = (0..).map(|at| folder.join(format!("{name}{at}.{extension}")));
    all.take_while(|path| path.exists()).collect()
}

/// What a list says of its pieces before it names them.
static KEYS: &str = "#EXT-X-KEY:METHOD=AES-128,URI=\"secret/key\"\n";
const KEY: [u8; 16] = *b"0123456789abcdef";

/// Encrypts what is in a file as segment `number`, by a stranger.
fn encrypt(file: &Path, number: usize) {
    let encrypted = file.with_extension("aes");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut openssl = Command::new("openssl");
    openssl.args(["enc", "-aes-128-cbc", "-K", &hex(&KEY), "-iv", &format!("{number:032x}"), "-in"]).arg(file);
    assert!(openssl.arg("-out").arg(&encrypted).status().expect("apt install openssl").success());
    std::fs::rename(encrypted, file).unwrap();
}

const LIST: &str = "200 OK\r\nContent-Type: application/vnd.apple.mpegurl";

/// The playlist, longer by a segment each time, with `head` before its first one.
fn playlist(parts: &[PathBuf], asked: usize, cut: usize, head: &str) -> Vec<u8> {
    let upto = (3 + asked).min(parts.len());
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n");
    for (at, part) in parts[..upto].iter().enumerate() {
        if at == cut {
            text += "#EXT-X-DISCONTINUITY\n";
        }
        text += &format!("#EXTINF:0.400000,\n{}\n", part.file_name().unwrap().to_str().unwrap());
    }
    text.replacen("#EXTINF", &format!("{head}#EXTINF"), 1).into_bytes()
}

/// Whether who asks knows the password and has the header.
fn is_let_in(request: &str) -> bool {
    request.contains("Authorization: Basic dTpwQHNz") && request.contains("X-Key: 1")
}

/// Options with the header; the password is in the URL.
fn with_key() -> Options {
    let mut options = Options::default();
    options.access.headers.add("X-Key", "1").unwrap();
    options
}

const NOT_LET_IN: &str = "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"";

/// A source and the numbers of its pictures up to `last`, without one missing.
async fn numbers(url: &str, options: Options, last: u16) -> (Supervisor, Vec<u16>) {
    let (source, numbers) = numbers_with_gaps(url, options, last).await;
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    let status = source.status().borrow().clone();
    assert_eq!((status.reconnects, status.about.live, status.about.duration), (0, true, None));
    (source, numbers)
}

/// A source and the numbers of its pictures up to `last`.
async fn numbers_with_gaps(url: &str, options: Options, last: u16) -> (Supervisor, Vec<u16>) {
    ffmpeg::init();
    let source = Supervisor::new("cam", url, options).unwrap();
    let mut cursor = source.feed().cursor(Start::Oldest);
    let (mut decoding, mut numbers) = (Decoding::new(), Vec::new());
    while numbers.last().is_none_or(|number| *number < last) {
        let mut entry = match timeout(PATIENCE, cursor.next()).await {
            Ok(entry) => entry.unwrap(),
            Err(_) => panic!("{:?} after {numbers:?}", source.status().borrow().clone()),
        };
        entry.packet.discontinuity = false;
        decoding.adopt(&entry).unwrap();
        for picture in decoding.decode(&entry.packet, Wanted::Picture) {
            let luma = picture.frame.plane(0).unwrap();
            numbers.push(formats::osd::read_number(luma.data, luma.stride, WIDTH, HEIGHT).expect("a number"));
        }
    }
    (source, numbers)
}

/// The live list of segments, with a discontinuity in it.
async fn served() -> (String, Arc<AtomicUsize>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut parts = segments(folder.path(), "a", 0);
    let cut = parts.len();
    parts.extend(segments(folder.path(), "b", PICTURES));
    let (url, asked) = serve(parts, cut, "").await;
    (url, asked, folder)
}

/// Serves these pieces in a list that grows, with a discontinuity at `cut` and `head` before the first one.
async fn serve(parts: Vec<PathBuf>, cut: usize, head: &'static str) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let (address, _) = http(move |request| match path_of(request) {
        "live.m3u8" => (LIST, playlist(&parts, counted.fetch_add(1, Relaxed), cut, head)),
        file => ("200 OK\r\nContent-Type: video/mp2t", std::fs::read(parts[0].with_file_name(file)).unwrap()),
    })
    .await;
    (format!("http://{address}/live.m3u8"), asked)
}

#[tokio::test]
async fn fragmented_mp4_in_whole_segments_is_played_picture_by_picture() {
    let folder = tempfile::tempdir().unwrap();
    let way = ["-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4"];
    let parts = segments_as(folder.path(), "a", 0, "m4s", &way);
    assert_eq!(parts.len(), 5);
    let (url, _) = serve(parts, usize::MAX, "#EXT-X-MAP:URI=\"init.mp4\"\n").await;
    let (source, numbers) = numbers(&url, Options::default(), PICTURES - 3).await;
    assert_eq!((numbers[0], source.vitals().gaps), (0, 0));
}

/// RFC 8216 section 3.4: each piece begins with an ID3 tag that tells its time.
#[tokio::test]
async fn packed_aac_is_played_frame_by_frame() {
    let folder = tempfile::tempdir().unwrap();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", "sine=d=4:r=48000", "-c:a", "aac", "-f", "adts"]);
    assert!(ffmpeg.arg(folder.path().join("all.aac")).status().expect("apt install ffmpeg").success());
    let all = std::fs::read(folder.path().join("all.aac")).unwrap();
    let (mut frames, mut rest) = (Vec::new(), &all[..]);
    while let [_, _, _, high, middle, low, ..] = rest {
        // ISO 13818-7 section 6.2.1: 13 bits of length.
        let length = usize::from(high & 3) << 11 | usize::from(*middle) << 3 | usize::from(low >> 5);
        let (frame, behind) = rest.split_at(length);
        frames.push(frame);
        rest = behind;
    }
    let mut parts = Vec::new();
    for (number, piece) in frames.chunks(20).enumerate() {
        let at = (number * 20 * 1024 * 90 / 48) as u64;
        let owner = b"com.apple.streaming.transportStreamTimestamp\0";
        let size = (owner.len() + 8) as u8;
        let mut bytes = [b"ID3\x04\0\0\0\0\0", &[size + 10][..], b"PRIV\0\0\0", &[size], &[0, 0], owner].concat();
        bytes.extend(at.to_be_bytes());
        piece.iter().for_each(|frame| bytes.extend_from_slice(frame));
        parts.push(folder.path().join(format!("a{number}.aac")));
        std::fs::write(&parts[number], bytes).unwrap();
    }
    let (url, _) = serve(parts, usize::MAX, "").await;
    ffmpeg::init();
    let source = Supervisor::new("cam", &url, Options { sound_alone: true, ..Options::default() }).unwrap();
    let mut cursor = source.feed().cursor(Start::Oldest);
    let mut last = None;
    // The demuxer waits for what is behind the last ones.
    for (at, frame) in frames.iter().enumerate().take(frames.len() - 3) {
        let entry = timeout(PATIENCE, cursor.next()).await.unwrap_or_else(|_| panic!("none after {at}")).unwrap();
        // With its head or without.
        assert!(frame.ends_with(&entry.packet.data), "frame {at}");
        let step = last.map(|last| entry.packet.pts.saturating_since(last).as_micros());
        assert!(step.is_none_or(|step| (21_000..22_000).contains(&step)), "{step:?} before frame {at}");
        last = Some(entry.packet.pts);
    }
}

#[tokio::test]
async fn ffmpeg_s_client_plays_a_list_that_grows_across_a_discontinuity() {
    let (url, asked, _folder) = served().await;
    let options = Options { libav: vec![("live_start_index".into(), "0".into())], ..Options::default() };
    // The demuxer waits for what is behind the last one, and the playlist does not end.
    let (_, numbers) = numbers(&url, options, 2 * PICTURES - 3).await;
    assert_eq!(numbers[0], 0);
    assert!(asked.load(Relaxed) > 2, "the playlist is read again");
}

#[tokio::test]
async fn a_list_that_grows_is_played_across_a_discontinuity() {
    let (url, asked, _folder) = served().await;
    let (source, numbers) = numbers(&url, Options::default(), 2 * PICTURES - 3).await;
    assert_eq!(numbers[0], 0, "the first list has three segments");
    assert!(asked.load(Relaxed) > 2, "the playlist is read again");
    let gaps = source.vitals().gaps;
    assert_eq!(gaps, 1, "the discontinuity is marked");
}

/// The boxes of a fragmented MP4: its header, and each fragment.
fn fragments() -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "320x240", "-r", "25", "-i", "-"]);
    ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "10", "-f", "mp4", "-movflags"]);
    ffmpeg.args(["empty_moov+default_base_moof", "-frag_duration", "200000", "-"]);
    let mut child = ffmpeg.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("apt install ffmpeg");
    let mut pipe = child.stdin.take().unwrap();
    let feeding =
        std::thread::spawn(move || (0..PICTURES).for_each(|number| pipe.write_all(&picture(number)).unwrap()));
    let film = child.wait_with_output().unwrap().stdout;
    feeding.join().unwrap();
    let (mut header, mut parts, mut rest) = (Vec::new(), Vec::<Vec<u8>>::new(), &film[..]);
    while let Some((size, _)) = rest.split_first_chunk::<4>() {
        let (piece, behind) = rest.split_at(u32::from_be_bytes(*size) as usize);
        match &piece[4..8] {
            b"ftyp" | b"moov" => header.extend_from_slice(piece),
            b"moof" => parts.push(piece.to_vec()),
            b"mdat" => parts.last_mut().unwrap().extend_from_slice(piece),
            _ => {}
        }
        rest = behind;
    }
    (header, parts)
}

/// A server with parts of 0.2 s, two to a segment, that keeps its clients waiting.
#[derive(Default)]
struct Parts {
    header: Vec<u8>,
    parts: Vec<Vec<u8>>,
    /// How many there are by now.
    there: AtomicUsize,
    asked: Mutex<Vec<String>>,
    /// What it does not have for so many requests.
    missing: Mutex<Vec<(&'static str, u32)>>,
}

impl Parts {
    fn list(&self) -> String {
        let there = self.there.load(Relaxed);
        let mut text = String::from(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-PART-INF:PART-TARGET=0.2\n#EXT-X-MAP:URI=\"../all.mp4\",BYTERANGE=\"HEADER@0\"\n\
             #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6\n",
        )
        .replace("HEADER", &self.header.len().to_string());
        for part in 0..there {
            let independent = if part % 2 == 0 { ",INDEPENDENT=YES" } else { "" };
            text += &format!("#EXT-X-PART:DURATION=0.2,URI=\"part{part}.mp4\"{independent}\n");
            if part % 2 == 1 {
                text += &format!("#EXTINF:0.4,\nsegment{}.mp4\n", part / 2);
            }
        }
        text
    }

    fn body(&self, path: &str) -> Vec<u8> {
        let number = |name: &str, text: &str| -> usize {
            text.split_once(name).unwrap().1.split(['&', '.']).next().unwrap().parse().unwrap()
        };
        if path.contains("_HLS_msn") {
            // What it is told to wait for is there now.
            let wanted = number("_HLS_msn=", path) * 2 + number("_HLS_part=", path) + 1;
            self.there.fetch_max(wanted.min(self.parts.len()), Relaxed);
        }
        match path.split('?').next().unwrap() {
            "/live/low.m3u8" => self.list().into_bytes(),
            "/main.m3u8" => {
                b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100\nno.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=900\nlive/low.m3u8\n"
                    .to_vec()
            }
            "/all.mp4" => [&self.header[..], &[0; 5000]].concat(),
            part if part.starts_with("/live/part") => self.parts[number("part", part)].clone(),
            segment => self.parts[2 * number("segment", segment)..][..2].concat(),
        }
    }

    fn answer(&self, request: &str) -> (&'static str, Vec<u8>) {
        let path = format!("/{}", path_of(request));
        let let_in = is_let_in(request);
        self.asked.lock().unwrap().push(format!("{path} {let_in}"));
        let is_missing = |(what, times): &mut (&str, u32)| {
            let hit = *what == path && *times > 0;
            *times -= u32::from(hit);
            hit
        };
        let is_missing = self.missing.lock().unwrap().iter_mut().any(is_missing);
        match let_in {
            true if is_missing => ("404 Not Found", Vec::new()),
            true => ("200 OK", self.body(&path)),
            false => (NOT_LET_IN, Vec::new()),
        }
    }
}

/// Serves them; the URL for a client, and the connections that there were.
async fn parts_without(missing: Vec<(&'static str, u32)>) -> (Arc<Parts>, String, Arc<AtomicUsize>) {
    let (header, parts) = fragments();
    let missing = Mutex::new(missing);
    let server = Arc::new(Parts { header, parts, missing, there: AtomicUsize::new(6), ..Parts::default() });
    let serving = Arc::clone(&server);
    let (address, connections) = http(move |request| serving.answer(request)).await;
    (server, format!("http://u:p@ss@{address}/main.m3u8"), connections)
}

#[tokio::test]
async fn a_header_and_a_piece_that_are_missing_for_a_while_cost_what_belongs_to_them() {
    // The first piece with its header, then the next one, then one in the middle.
    let missing = vec![("/all.mp4", 1), ("/live/part3.mp4", 1), ("/live/part6.mp4", 1)];
    let (server, url, _) = parts_without(missing).await;
    let (source, numbers) = numbers_with_gaps(&url, with_key(), PICTURES - 6).await;
    let asked = server.asked.lock().unwrap().clone();
    // Parts 4 and 5 are pictures 20 to 29; of segment 3 the first half is missing, and with it its keyframe.
    let expected: Vec<u16> = (20..30).chain(40..=PICTURES - 6).collect();
    assert_eq!(numbers, expected, "{asked:#?}");
    assert_eq!(source.status().borrow().reconnects, 0);
    assert_eq!(source.vitals().gaps, 1, "the one in the middle");
}

#[tokio::test]
async fn parts_are_fetched_as_they_come_with_password_and_headers_over_one_connection() {
    let (server, url, connections) = parts_without(Vec::new()).await;
    let last = server.parts.len() - 1;
    let (source, numbers) = numbers(&url, with_key(), PICTURES - 6).await;
    let asked = server.asked.lock().unwrap().clone();
    // 0.6 s before the end of six parts is the middle of a segment; the keyframe before it is its begin.
    assert_eq!(numbers[0], 10, "{asked:#?}");
    assert!(asked.iter().any(|path| path.starts_with("/live/low.m3u8?_HLS_msn=3&_HLS_part=0 ")), "{asked:#?}");
    for part in 6..last {
        let times = asked.iter().filter(|path| path.starts_with(&format!("/live/part{part}.mp4"))).count();
        assert_eq!(times, 1, "part {part}: {asked:#?}");
    }
    assert!(asked.iter().filter(|path| path.ends_with("false")).count() <= 2, "{asked:#?}");
    assert!(connections.load(Relaxed) <= 3, "{connections:?} connections");
    assert_eq!(source.vitals().gaps, 0);
}

/// Serves an encrypted list that grows, to who knows the password and has the header; what was asked for.
async fn encrypted(key: &'static [u8]) -> (String, Arc<Mutex<Vec<String>>>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let parts = segments(folder.path(), "a", 0);
    parts.iter().enumerate().for_each(|(number, part)| encrypt(part, number));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (told, lists) = (Arc::clone(&asked), AtomicUsize::new(0));
    let (address, _) = http(move |request| {
        let (path, let_in) = (path_of(request), is_let_in(request));
        told.lock().unwrap().push(format!("{path} {let_in}"));
        match path {
            _ if !let_in => (NOT_LET_IN, Vec::new()),
            "live.m3u8" => (LIST, playlist(&parts, lists.fetch_add(1, Relaxed), usize::MAX, KEYS)),
            "ended.m3u8" => {
                let mut list = playlist(&parts, parts.len(), usize::MAX, KEYS);
                list.extend_from_slice(b"#EXT-X-ENDLIST\n");
                (LIST, list)
            }
            "secret/key" => ("200 OK", key.to_vec()),
            file => ("200 OK", std::fs::read(parts[0].with_file_name(file)).unwrap()),
        }
    })
    .await;
    (format!("http://u:p@ss@{address}/live.m3u8"), asked, folder)
}

#[tokio::test]
async fn an_encrypted_list_is_played_with_a_key_that_is_asked_for_as_its_pieces_are() {
    let (url, asked, folder) = encrypted(&KEY).await;
    let file = folder.path().join("cam.hwc");
    let capture = Some(Capture { path: file.clone(), bytes: Capture::BYTES });
    let (source, numbers) = numbers(&url, Options { capture, ..with_key() }, PICTURES - 3).await;
    let asked = asked.lock().unwrap().clone();
    assert_eq!(numbers[0], 0, "{asked:#?}");
    assert_eq!(source.vitals().gaps, 0);
    let keys: Vec<_> = asked.iter().filter(|path| path.starts_with("secret/key")).collect();
    assert_eq!(keys, ["secret/key true"], "{asked:#?}");
    drop(source);
    assert!(Capture::written(PATIENCE));
    let url = format!("replay:{}?speed=max", file.display());
    let (_, played) = numbers_with_gaps(&url, Options::default(), PICTURES - 3).await;
    assert_eq!(played, numbers, "a capture has the key");
}

#[tokio::test]
async fn a_key_that_is_none_or_another_one_is_told() {
    for (key, part) in [(&b"short"[..], "expected a key of 16 bytes"), (b"0123456789abcdeX", "the key is another one")]
    {
        let (url, _asked, _folder) = encrypted(key).await;
        let source = Supervisor::new("cam", &url, with_key()).unwrap();
        let _cursor = source.feed().cursor(Start::Oldest);
        let mut status = source.status();
        let failed = timeout(PATIENCE, status.wait_for(|status| status.error.is_some())).await.unwrap().unwrap();
        let told = failed.error.as_ref().unwrap().to_string();
        assert!(told.contains(part), "{told}");
    }
}

#[tokio::test]
async fn a_recording_that_is_encrypted_is_fetched_for_ffmpeg_with_our_password_and_headers() {
    let (url, asked, _folder) = encrypted(&KEY).await;
    let options = Options { repeat_files: false, ..with_key() };
    let (source, numbers) = numbers_with_gaps(&url.replace("live", "ended"), options, PICTURES - 1).await;
    assert_eq!(numbers, (0..PICTURES).collect::<Vec<_>>());
    let asked = asked.lock().unwrap().clone();
    // One of each connection is not logged in.
    let keys: Vec<_> = asked.iter().filter(|path| path.starts_with("secret/key")).collect();
    assert_eq!(keys.last().map(|path| &***path), Some("secret/key true"), "{asked:#?}");
    assert_eq!((source.status().borrow().reconnects, &*source.status().borrow().about.container), (0, "hls"));
}
