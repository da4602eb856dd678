//! MJPEG, snapshots, redirects and logins by HTTP.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use feed::Start;
use formats::capture::{Event, Side};
use source::{Error, Options, Supervisor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::support::{Folder, PASSWORD, assert_absent, watch};

/// Numbered pictures.
pub async fn pictures() -> &'static Vec<bytes::Bytes> {
    static PICTURES: OnceLock<Vec<bytes::Bytes>> = OnceLock::new();
    if let Some(pictures) = PICTURES.get() {
        return pictures;
    }
    ffmpeg::init();
    let source = Supervisor::new("pattern", "pattern:?size=160x120&fps=100", Options::default()).unwrap();
    let mut cursor = source.feed().cursor(Start::Oldest);
    let mut pictures = Vec::new();
    while pictures.len() < 20 {
        pictures.push(cursor.next().await.unwrap().packet.data.clone());
    }
    PICTURES.get_or_init(|| pictures)
}

/// A server that answers the request of each number on each connection.
pub async fn serve<F>(answer: impl Fn(String, usize, TcpStream) -> F + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = Option<TcpStream>> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (answer, asked) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
            tokio::spawn(async move {
                loop {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let request = String::from_utf8(request).unwrap();
                    match answer(request, asked.fetch_add(1, Relaxed), stream).await {
                        Some(back) => stream = back,
                        None => return,
                    }
                }
            });
        }
    });
    address
}

pub async fn say(stream: &mut TcpStream, bytes: &[u8]) {
    // Whoever has seen enough hangs up.
    let _ = stream.write_all(bytes).await;
}

const CHALLENGE: &[u8] = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"cam\"\r\n\
    Content-Length: 0\r\nConnection: close\r\n\r\n";

/// A camera that wants a password, and then sends all pictures, with pauses, and hangs up.
pub async fn mjpeg(pause: Duration) -> SocketAddr {
    let pictures = pictures().await;
    serve(move |request, _, mut stream| async move {
        if !request.contains("Authorization: ") {
            say(&mut stream, CHALLENGE).await;
            return None;
        }
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\nX-Echo: {PASSWORD}\r\n\r\n"
        );
        say(&mut stream, head.as_bytes()).await;
        for picture in pictures {
            let head = format!("--b\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", picture.len());
            say(&mut stream, head.as_bytes()).await;
            // In two pieces, as a network has it.
            say(&mut stream, &picture[..1000]).await;
            sleep(pause).await;
            say(&mut stream, &[&picture[1000..], b"\r\n"].concat()).await;
        }
        None
    })
    .await
}

pub fn url(address: SocketAddr) -> String {
    format!("http://admin:{PASSWORD}@{address}/video?token=tok-en-123")
}

#[tokio::test]
async fn pictures_are_played_one_by_one_as_they_came() {
    let (folder, address) = (Folder::new(), mjpeg(Duration::from_millis(15)).await);
    let came = watch(&url(address), folder.options(Options::default()), 100).await;
    assert_eq!(came.seen.len(), 20, "{:?}", came.error);
    let fast = watch(&folder.url("?speed=max"), Options::default(), 100).await;
    assert_eq!(fast.untimed(), came.untimed());
    assert_eq!(fast.error, None, "it ends in order, as the camera did");
    let in_time = watch(&folder.url(""), Options::default(), 100).await;
    assert_eq!(in_time.seen, fast.seen, "times are those of then, at any speed");
    assert!(fast.seen[19].pts_us >= 19 * 15_000);
}

#[tokio::test]
async fn no_secret_is_in_the_file() {
    let (folder, address) = (Folder::new(), mjpeg(Duration::ZERO).await);
    let mut options = Options::default();
    options.access.headers.add("X-Api-Key", "key-of-mine").unwrap();
    options.access.headers.add("Cookie", "session=abcdef").unwrap();
    watch(&url(address), folder.options(options), 100).await;
    assert_absent(&folder.file(), &[PASSWORD, "tok-en-123", "key-of-mine", "abcdef"]);
    let (records, left) = folder.records();
    assert_eq!(left, 0);
    let said = records.iter().filter_map(|record| match &record.event {
        Event::Bytes { from: Side::Us, data, .. } => Some(String::from_utf8_lossy(data).into_owned()),
        _ => None,
    });
    let said: Vec<_> = said.collect();
    assert_eq!(said.len(), 2);
    assert!(said[1].contains("\r\nAuthorization:****") && said[1].contains("token=**********"), "{said:?}");
}

#[tokio::test]
async fn snapshots_that_are_asked_for_one_by_one_are_played() {
    let pictures = pictures().await;
    let address = serve(move |_, number, mut stream| async move {
        let picture = pictures.get(number)?;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", picture.len());
        say(&mut stream, &[head.as_bytes(), picture].concat()).await;
        Some(stream)
    })
    .await;
    let folder = Folder::new();
    let options = Options { poll: Duration::from_millis(10), ..Options::default() };
    let came = watch(&format!("http://{address}/snap.jpg"), folder.options(options), 100).await;
    assert_eq!(came.seen.len(), 20, "{:?}", came.error);
    let played = watch(&folder.url("?speed=max"), Options::default(), 100).await;
    assert_eq!(played.untimed(), came.untimed());
    assert_eq!(played.error, came.error);
}

#[tokio::test]
async fn errors_come_again_as_they_were() {
    let silent = Options { open_timeout: Duration::from_millis(700), ..Options::default() };
    let cases: [(&str, &'static [u8], Options); 5] = [
        ("not found", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Options::default()),
        (
            "a page",
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html><title>Log in</title></html>",
            Options::default(),
        ),
        ("gibberish", b"SSH-2.0-OpenSSH_9.2\r\n", Options::default()),
        ("nothing", b"", Options::default()),
        ("silence", b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8", silent),
    ];
    for (name, answer, options) in cases {
        let address = serve(move |_, _, mut stream| async move {
            say(&mut stream, answer).await;
            if name == "silence" {
                // Until the other side has had enough.
                let _ = stream.read(&mut [0]).await;
            }
            None
        })
        .await;
        let folder = Folder::new();
        let came = watch(&format!("http://{address}/video"), folder.options(options), 1).await;
        let played = watch(&folder.url("?speed=max"), Options::default(), 1).await;
        assert!(came.error.is_some(), "{name}");
        assert_eq!(played.error, came.error, "{name}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for url in [format!("http://{nobody}/x"), "http://no.such.host.invalid/x".to_owned()] {
        let folder = Folder::new();
        let came = watch(&url, folder.options(Options::default()), 1).await;
        let played = watch(&folder.url(""), Options::default(), 1).await;
        assert!(matches!(came.error, Some(Error::Refused { .. } | Error::Unreachable { .. })));
        assert_eq!(played.error, came.error);
    }
}
