use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use feed::{Cursor, Feed, Start};
use formats::jpeg;
use media::Size;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::progress::Progress;
use crate::sink::Cut;
use crate::timeline::Timeline;
use crate::{Options, State, Status, Supervisor};

mod forms;
mod polite;
mod socket;

macro_rules! picture {
    ($name:literal) => {
        include_bytes!(concat!("../../../formats/tests/data/jpeg/", $name))
    };
}

const C420: &[u8] = picture!("420.jpg");
const SMALL: &[u8] = picture!("small.jpg");
const GREY: &[u8] = picture!("grey.jpg");

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Serves every connection with what `answer` makes of its number and its request, in
/// these pieces, and closes it. `None` keeps it open, silent.
async fn serve(answer: impl Fn(usize, &str) -> Vec<Option<Vec<u8>>> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut number = 0;
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let request = request_of(&mut stream).await;
            let pieces = answer(number, &request);
            let keep = pieces.contains(&None);
            for piece in pieces.into_iter().flatten() {
                if stream.write_all(&piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            if keep {
                kept.push(stream);
            }
            number += 1;
        }
    });
    address
}

async fn request_of(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0; 512];
        let count = stream.read(&mut byte).await.unwrap_or(0);
        if count == 0 {
            break;
        }
        request.extend_from_slice(&byte[..count]);
    }
    String::from_utf8(request).unwrap()
}

struct Attempt {
    connection: Connection,
    cursor: Cursor,
    progress: Arc<Progress>,
    _cut: Cut,
    _feed: Feed,
}

fn open(url: &str) -> Attempt {
    let limits = feed::Limits { history: PATIENCE, ..feed::Limits::default() };
    attempt(url, Options { limits, ..Options::default() })
}

fn attempt(url: &str, options: Options) -> Attempt {
    let options = Arc::new(options);
    let (publisher, feed) = Feed::new(options.limits);
    let progress = Arc::new(Progress::new());
    progress.opening();
    let timeline = Arc::new(Mutex::new(Timeline::new(Instant::now())));
    let cursor = feed.cursor(Start::Live);
    let (sink, cut) = Sink::new(Arc::new(publisher), timeline, Arc::clone(&progress), &Options::default());
    let connection = (SCHEME.connect)(Request { url: url.into(), options }, sink);
    Attempt { connection, cursor, progress, _cut: cut, _feed: feed }
}

impl Attempt {
    /// Runs to the end. The pictures with the size that was declared for them.
    async fn run(mut self) -> (Vec<(Bytes, Size)>, Error) {
        let error = timeout(PATIENCE, self.connection).await.expect("hangs");
        let mut pictures = Vec::new();
        while let Ok(Some(entry)) = self.cursor.try_next() {
            let size = entry.tracks.video().and_then(media::Track::video).unwrap().size;
            pictures.push((entry.packet.data, size));
        }
        (pictures, error)
    }

    fn status(&self) -> Status {
        self.progress.status().borrow().clone()
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n";
/// The error of a server that answers every request with `answer`.
async fn error_of(user: &str, answer: &'static str) -> String {
    let address = serve(move |_, _| vec![Some(answer.as_bytes().to_vec())]).await;
    let (pictures, error) = open(&format!("http://{user}{address}/video")).run().await;
    assert!(pictures.is_empty());
    error.to_string().replace(&address.to_string(), "cam")
}

#[tokio::test]
async fn refusals_say_who_refused_what() {
    for (user, answer, expected) in [
        (
            "",
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n",
            "http://cam/video answered 401 Unauthorized; check user and password, given as in //USER:PASSWORD@host/",
        ),
        (
            "u:secret@",
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n",
            "http://cam/video answered 401 Unauthorized to the user given; check user and password, given as in //USER:PASSWORD@host/",
        ),
        (
            "u:secret@",
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            "http://cam/video answered 403 Forbidden to the user given; check user and password, given as in //USER:PASSWORD@host/",
        ),
        ("", "HTTP/1.1 404 Not Found\r\n\r\n", "http://cam/video answered 404 Not Found; is the path right?"),
        ("", "HTTP/1.0 503\r\n\r\n", "http://cam/video answered 503"),
        (
            "",
            "HTTP/1.1 302 Found\r\nLocation: /video\r\n\r\n",
            "http://cam/video redirects in a circle, last to http://cam/video",
        ),
        ("", "HTTP/1.1 302 Found\r\n\r\n", "http://cam/video redirects to nowhere (302)"),
        (
            "",
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<!DOCTYPE html><html><head><title>IP\nCamera</title>",
            "http://cam/video answered with an HTML page, \"IP Camera\"; the URL of the page is not the URL of the stream",
        ),
        (
            "",
            "HTTP/1.1 200 OK\r\n\r\n<html><body>hello",
            "http://cam/video answered with an HTML page; the URL of the page is not the URL of the stream",
        ),
        (
            "",
            "RTSP/1.0 400 Bad Request\r\n\r\n",
            "http://cam/video: this port speaks RTSP and not HTTP (it says \"RTSP/1.0 400 Bad Request\"); is rtsp://cam/video meant?",
        ),
        (
            "",
            "HTTP/1.1 200 OK\r\n\r\ntoo many users\r\n",
            "http://cam/video answered with a text, \"too many users\"; the URL of the page is not the URL of the stream",
        ),
        (
            "",
            "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\nbusy",
            "http://cam/video ended without a picture; the URL of the page is not the URL of the stream",
        ),
        ("", "HTTP/1.1 200 OK\r\n\r\n", "the stream ended: http://cam/video sent nothing"),
        (
            "",
            "",
            "http://cam/video: the server closed the connection without an answer; is the camera on, and are host and port right?",
        ),
        (
            "",
            "HTTP/1.1 what\r\n\r\n",
            "http://cam/video: expected an HTTP status line such as `HTTP/1.1 200 OK`, found \"HTTP/1.1 what\"",
        ),
    ] {
        assert_eq!(error_of(user, answer).await, expected);
    }
}

#[tokio::test]
async fn a_closed_port_is_told_at_once() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (_, error) = open(&format!("http://{address}/")).run().await;
    let expected = format!("{address}: connection refused; is the camera on, and are host and port right?");
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_password_goes_to_no_other_host() {
    let thief = serve(|_, request| {
        assert!(!request.contains("Authorization"));
        vec![Some(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n".to_vec())]
    })
    .await;
    let port = thief.port();
    let address = serve(move |_, _| {
        vec![Some(format!("HTTP/1.1 302 Found\r\nLocation: http://localhost:{port}/\r\n\r\n").into_bytes())]
    })
    .await;
    let (_, error) = open(&format!("http://u:secret@{address}/")).run().await;
    assert_eq!(
        error.to_string(),
        format!(
            "http://localhost:{port}/ answered 401 Unauthorized; check user and password, given as in //USER:PASSWORD@host/"
        )
    );
}

#[tokio::test]
async fn a_silent_server_is_waited_for_in_the_handshake() {
    let (asked, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let address = serve(move |_, _| {
        asked.send(()).unwrap();
        vec![None]
    })
    .await;
    let mut attempt = open(&format!("http://{address}/"));
    tokio::select! {
        error = &mut attempt.connection => panic!("{error}"),
        _ = hears.recv() => {}
    }
    assert!(matches!(attempt.status().state, State::Opening(Phase::Handshake)));
}

#[tokio::test]
async fn a_stall_within_a_picture_loses_none_before_it() {
    let address = serve(|_, _| {
        let part = [b"--b\r\n\r\n", C420].concat();
        vec![Some(OK.as_bytes().to_vec()), Some(part.repeat(20)), Some(part[..900].to_vec()), None]
    })
    .await;
    let options = Options { gap_timeout: Duration::from_millis(200), ..Options::default() };
    let source = Supervisor::new("test", &format!("http://{address}/"), options).unwrap();
    let mut cursor = source.feed().cursor(Start::Live);
    for _ in 0..20 {
        let entry = timeout(PATIENCE, cursor.next()).await.expect("hangs").unwrap();
        assert_eq!(entry.packet.data, C420);
    }
    let mut status = source.status();
    let failed = timeout(PATIENCE, status.wait_for(|status| status.error.is_some())).await.expect("hangs").unwrap();
    assert_eq!(
        failed.error,
        Some(Error::Timeout { phase: Phase::Streaming, after: Duration::from_millis(200), tried: None })
    );
}

#[tokio::test]
async fn the_time_stamp_and_the_loss_before_a_picture_are_told() {
    let address = serve(|_, _| {
        let body = [
            OK.as_bytes(),
            b"--b\r\nX-Timestamp: 1700000000.5\r\n\r\n",
            SMALL,
            b"--b\r\n\r\n",
            &SMALL[..700],
            b"\r\n--b\r\n\r\n",
            SMALL,
        ];
        vec![Some(body.concat())]
    })
    .await;
    let Attempt { connection, mut cursor, _cut, .. } = open(&format!("http://{address}/"));
    timeout(PATIENCE, connection).await.expect("hangs");
    let mut next = || cursor.try_next().unwrap().unwrap().packet;
    let (first, second) = (next(), next());
    let taken = std::time::UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
    assert_eq!((first.captured, first.discontinuity), (Some(taken), false));
    assert_eq!((second.captured, second.discontinuity), (None, true));
}

#[tokio::test]
async fn a_snapshot_is_asked_for_again_and_published_when_it_is_another() {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&requests);
    let address = serve(move |number, request| {
        heard.lock().unwrap().push(request.contains("If-None-Match: \"one\""));
        let picture = |tag: &str, picture: &[u8]| {
            let length = picture.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nETag: {tag}\r\nContent-Length: {length}\r\n\r\n"
            );
            // Kept open in spite of our Connection: close.
            vec![Some([head.as_bytes(), picture].concat()), None]
        };
        match number {
            0 => picture("\"one\"", C420),
            1 => vec![Some(b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec())],
            2 => picture("\"two\"", C420),
            3 => picture("\"three\"", GREY),
            _ => vec![Some(b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec())],
        }
    })
    .await;
    let (pictures, error) = open(&format!("http://{address}/snap.jpg")).run().await;
    let pictures: Vec<_> = pictures.iter().map(|(picture, _)| &picture[..]).collect();
    assert!(pictures == [C420, GREY], "{} pictures, then {error}", pictures.len());
    assert_eq!(*requests.lock().unwrap(), [false, true, true, false, false]);
}

#[tokio::test]
async fn a_snapshot_that_stays_the_same_is_alive() {
    let (asked, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let address = serve(move |number, _| {
        asked.send(()).unwrap();
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n";
        vec![Some(if number % 2 == 0 { [head, C420].concat() } else { b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec() })]
    })
    .await;
    // Shorter than eight requests take.
    let options = Options { gap_timeout: Duration::from_millis(900), ..Options::default() };
    let source = Supervisor::new("test", &format!("http://{address}/"), options).unwrap();
    let _reader = source.feed().cursor(Start::Live);
    for _ in 0..8 {
        timeout(PATIENCE, hears.recv()).await.expect("hangs");
    }
    let status = source.status().borrow().clone();
    assert!(matches!(status.state, State::Live) && status.error.is_none(), "{status:?}");
    assert_eq!(source.counters().pictures, 1);
}

#[tokio::test]
async fn lists_and_recordings_go_to_libavformat_with_a_url_by_the_book() {
    for answer in ["\r\n<?xml version=\"1.0\"?><MPD>", "Content-Length: 99\r\n\r\nFLV\x01\x05"] {
        let address = serve(move |_, _| vec![Some(format!("HTTP/1.1 200 OK\r\n{answer}").into_bytes())]).await;
        let url = format!("http://u:p@ss@{address}/x");
        let request = Request { url: url.into(), options: Arc::default() };
        let (publisher, _feed) = Feed::new(request.options.limits);
        let timeline = Arc::new(Mutex::new(Timeline::new(Instant::now())));
        let (sink, _cut) = Sink::new(Arc::new(publisher), timeline, Arc::new(Progress::new()), &Options::default());
        match run(&request, &sink).await.unwrap() {
            Elsewhere::At(location) => assert_eq!(location.to_url(), format!("http://u:p%40ss@{address}/x")),
            Elsewhere::Manifest(session) if answer.contains("MPD") => {
                assert_eq!(session.location().to_url(), format!("http://u:p%40ss@{address}/x"));
            }
            Elsewhere::Manifest(_) => panic!("{answer:?} is no manifest"),
            Elsewhere::Here(_) | Elsewhere::List(_) => panic!("{answer:?} is read here"),
        }
    }
}

/// What ffmpeg makes of its test picture.
fn made_by_ffmpeg(arguments: &[&str]) -> Vec<u8> {
    let mut command = std::process::Command::new("ffmpeg");
    command.args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25", "-frames:v", "50"]);
    let made = command.args(arguments).arg("-").output().expect("apt install ffmpeg");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    made.stdout
}

#[tokio::test]
async fn containers_without_end_are_read_from_the_one_connection() {
    let h264 = ["-c:v", "libx264", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "10"];
    for (format, codec) in
        [("mpegts", "h264"), ("flv", "h264"), ("h264", "h264"), ("matroska", "h264"), ("mp4", "h264")]
    {
        let fragments: &[&str] = if format == "mp4" { &["-movflags", "frag_keyframe+empty_moov"] } else { &[] };
        let film = made_by_ffmpeg(&[&h264[..], fragments, &["-f", format]].concat());
        let asked = Arc::new(Mutex::new(0));
        let count = Arc::clone(&asked);
        let address = serve(move |_, request| {
            *count.lock().unwrap() += 1;
            assert!(request.contains("X-Key: 1"));
            // In two chunks, and no more after it.
            let (first, rest) = film.split_at(film.len() / 3);
            let chunks =
                [first, rest].map(|piece| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            vec![Some(head), Some(chunks.concat()), Some(b"0\r\n\r\n".to_vec())]
        })
        .await;
        let mut options = Options::default();
        options.access.headers.add("X-Key", "1").unwrap();
        options.limits.history = PATIENCE;
        let attempt = attempt(&format!("http://{address}/live"), options);
        let progress = Arc::clone(&attempt.progress);
        let (pictures, error) = attempt.run().await;
        assert_eq!(error, Error::Ended { what: None }, "{format}");
        assert_eq!((pictures.len(), *asked.lock().unwrap()), (50, 1), "{format}");
        let status = progress.status().borrow().clone();
        assert_eq!(status.tracks.video().unwrap().codec.name(), codec, "{format}");
        assert_eq!(status.about.protocol, "http", "{format}");
    }
}

#[tokio::test]
async fn a_container_that_pauses_within_a_picture_loses_none() {
    for format in ["mpegts", "flv", "mp4"] {
        let fragments: &[&str] = if format == "mp4" { &["-movflags", "frag_every_frame+empty_moov"] } else { &[] };
        let h264 = ["-c:v", "libx264", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "10"];
        let film = made_by_ffmpeg(&[&h264[..], fragments, &["-f", format]].concat());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            request_of(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            for piece in film.chunks(film.len() / 4) {
                stream.write_all(piece).await.unwrap();
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        });
        let (pictures, error) = open(&format!("http://{address}/live")).run().await;
        assert_eq!((pictures.len(), error), (50, Error::Ended { what: None }), "{format}");
    }
}

#[tokio::test]
async fn noise_is_told_with_the_place_it_came_from() {
    let address = serve(|_, _| {
        let noise: Vec<u8> = (0..200_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 | 1).collect();
        vec![Some(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n\x01\x02".to_vec()), Some(noise)]
    })
    .await;
    let (pictures, error) = open(&format!("http://{address}/live")).run().await;
    assert!(pictures.is_empty() && error.to_string().contains(&format!("http://{address}/live")), "{error}");
}
