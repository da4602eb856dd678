//! What comes encrypted, in messages, in lists, or through others, captured and played again.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use source::{Access, Capture, Error, Options, Proxy, Trust, doctor};
use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::http::{mjpeg, pictures, say, serve};
use crate::support::{Folder, PASSWORD, Watched, assert_absent, watch};
use crate::tls_front::in_front_of;

const PAUSE: Duration = Duration::from_millis(10);

fn options(proxy: Proxy) -> Options {
    Options { access: Access { trust: Trust::Anybody, proxy, ..Access::default() }, ..Options::default() }
}

async fn verdicts(url: &str, options: Options) -> Vec<&'static str> {
    verdicts_of(url, options, Duration::from_millis(300)).await
}

async fn verdicts_of(url: &str, options: Options, watch: Duration) -> Vec<&'static str> {
    let report = doctor::examine(url, Options { repeat_files: false, ..options }, watch).await;
    assert!(Capture::written(Duration::from_secs(60)));
    report.verdicts.iter().map(|verdict| verdict.code).collect()
}

/// How it ended, unless in order: for a capture that is the end, and nothing to try again.
fn wrong(watched: &Watched) -> Option<Error> {
    watched.error.clone().filter(|error| *error != Error::Ended { what: None })
}

/// What is played is what came, one by one, and at its times; the doctor says the same of both.
async fn is_played_as_it_came(url: &str, options: Options, secrets: &[&str]) -> Watched {
    let folder = Folder::new();
    let came = watch(url, folder.options(options.clone()), 1000).await;
    let fast = watch(&folder.url("?speed=max"), Options::default(), 1000).await;
    assert_eq!(fast.untimed(), came.untimed(), "{url}");
    assert_eq!(fast.error, wrong(&came), "{url}");
    let in_time = watch(&folder.url(""), Options::default(), 1000).await;
    assert_eq!(in_time.seen, fast.seen, "{url}: times are those of then, at any speed");
    assert_absent(&folder.file(), secrets);
    let said = verdicts(url, folder.options(options)).await;
    assert_eq!(verdicts(&folder.url("?speed=max"), Options::default()).await, said, "{url}");
    assert_absent(&folder.file(), secrets);
    came
}

/// A proxy that connects to whatever is asked for; how often it was.
async fn proxy() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let request = String::from_utf8(request).unwrap();
                assert!(request.contains("Proxy-Authorization: Basic "), "{request}");
                let there = request.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
                let mut there = TcpStream::connect(there).await.unwrap();
                counted.fetch_add(1, Relaxed);
                say(&mut stream, b"HTTP/1.1 200 Here\r\nSet-Cookie: via=proxy-cookie\r\n\r\n").await;
                let _ = copy_bidirectional(&mut stream, &mut there).await;
            });
        }
    });
    (address, asked)
}

#[tokio::test]
async fn https_is_played_without_encryption() {
    let (address, ..) = in_front_of(mjpeg(PAUSE).await).await;
    let url = format!("https://admin:{PASSWORD}@{address}/video?token=tok-en-123");
    let came = is_played_as_it_came(&url, options(Proxy::Direct), &[PASSWORD, "tok-en-123"]).await;
    assert_eq!(came.seen.len(), 20, "{:?}", came.error);
}

#[tokio::test]
async fn what_passes_a_proxy_is_played_without_it() {
    let (camera, ..) = in_front_of(mjpeg(PAUSE).await).await;
    let (address, asked) = proxy().await;
    let through = options(Proxy::Url(format!("http://me:pr0xy-pass@{address}")));
    let url = format!("https://admin:{PASSWORD}@{camera}/video?user=a&pwd=tok-en-123");
    let came = is_played_as_it_came(&url, through, &[PASSWORD, "tok-en-123", "pr0xy-pass", "proxy-cookie"]).await;
    assert_eq!(came.seen.len(), 20, "{:?}", came.error);
    assert!(asked.load(Relaxed) >= 2, "{asked:?} connections through the proxy");
    // One that reads requests: it is the camera itself here.
    let through = options(Proxy::Url(format!("http://me:pr0xy-pass@{}", mjpeg(PAUSE).await)));
    let url = format!("http://admin:{PASSWORD}@camera.invalid/video");
    let came = is_played_as_it_came(&url, through, &[PASSWORD, "pr0xy-pass"]).await;
    assert_eq!(came.seen.len(), 20, "{:?}", came.error);
}

/// A message of a WebSocket.
fn message(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, 127][..], &(payload.len() as u64).to_be_bytes(), payload].concat()
}

#[tokio::test]
async fn messages_of_web_sockets_are_played() {
    let pictures = pictures().await;
    let address = serve(move |_, _, mut stream| async move {
        let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        say(&mut stream, switch.as_bytes()).await;
        say(&mut stream, &message(0x81, b"{\"codec\":\"mjpeg\",\"token\":\"json-token\"}")).await;
        for picture in pictures {
            let (first, rest) = picture.split_at(1000);
            say(&mut stream, &message(0x02, first)).await;
            sleep(PAUSE).await;
            say(&mut stream, &message(0x80, rest)).await;
            say(&mut stream, &[0x89, 2, b'h', b'i']).await;
        }
        say(&mut stream, &[0x88, 0]).await;
        Some(stream)
    })
    .await;
    let (front, ..) = in_front_of(address).await;
    for url in [format!("ws://{address}/live?auth=tok-en-123"), format!("wss://{front}/live?auth=tok-en-123")] {
        let came = is_played_as_it_came(&url, options(Proxy::Direct), &["tok-en-123", "json-token"]).await;
        assert_eq!(came.seen.len(), 20, "{url}: {:?}", came.error);
    }
}

/// A list of HLS that grows by a segment each time, and ends.
fn segments(folder: &Path) -> Vec<Vec<u8>> {
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc=s=160x120:r=25:d=2.4", "-c:v", "libx264", "-preset"])
        .args(["ultrafast", "-pix_fmt", "yuv420p", "-g", "10", "-f", "hls", "-hls_time", "0.4", "-hls_list_size", "0"])
        .arg(folder.join("a.m3u8"))
        .status()
        .expect("apt install ffmpeg");
    assert!(status.success());
    (0..).map_while(|at| std::fs::read(folder.join(format!("a{at}.ts"))).ok()).collect()
}

#[tokio::test]
async fn a_live_list_and_its_pieces_are_played() {
    let folder = tempfile::tempdir().unwrap();
    let parts = Arc::new(segments(folder.path()));
    assert_eq!(parts.len(), 6);
    let there = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&there);
    let address = serve(move |request, _, mut stream| {
        let (parts, there) = (Arc::clone(&parts), Arc::clone(&there));
        async move {
            let path = request.split(' ').nth(1).unwrap();
            let (kind, body) = match path.split_once("/a").and_then(|(_, rest)| rest.split_once(".ts")) {
                Some((number, _)) => ("video/mp2t", parts[number.parse::<usize>().unwrap()].clone()),
                None => {
                    let upto = (3 + there.fetch_add(1, Relaxed)).min(parts.len());
                    let mut text = String::from("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n");
                    (0..upto).for_each(|at| text += &format!("#EXTINF:0.4,\na{at}.ts?token=sig-nature\n"));
                    if upto == parts.len() {
                        text += "#EXT-X-ENDLIST\n";
                    }
                    ("application/vnd.apple.mpegurl", text.into_bytes())
                }
            };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
            say(&mut stream, &[head.as_bytes(), &body].concat()).await;
            Some(stream)
        }
    })
    .await;
    let capture = Folder::new();
    let url = format!("http://admin:{PASSWORD}@{address}/live.m3u8");
    let came = watch(&url, capture.options(Options::default()), 1000).await;
    assert_eq!(came.seen.len(), 60, "{:?}", came.error);
    for query in ["?speed=max", ""] {
        let played = watch(&capture.url(query), Options::default(), 1000).await;
        assert_eq!(played.untimed(), came.untimed(), "{query}");
        assert_eq!(played.error, wrong(&came));
    }
    assert_absent(&capture.file(), &[PASSWORD, "sig-nature"]);
    // In the middle of it, and beyond its end.
    for watch in [Duration::from_secs(1), Duration::from_secs(10)] {
        counted.store(0, Relaxed);
        let said = verdicts_of(&url, capture.options(Options::default()), watch).await;
        assert!(!said.contains(&"slower-than-declared"), "{said:?}");
        for query in ["?speed=max", ""] {
            assert_eq!(verdicts_of(&capture.url(query), Options::default(), watch).await, said, "{query} {watch:?}");
        }
    }
}
