//! Servers on the loopback.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mms::http::server::{frame_header, frame_packet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[path = "../../../mms/examples/mmsh_server/serve.rs"]
mod mmsh;

/// Serves the files of a folder over MMSH, each as fast as it is read.
pub fn mmsh(folder: PathBuf) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || mmsh::run(&listener, &folder, &|_| {}));
    address
}

#[path = "../../../mms/examples/wmrtsp_server/clip.rs"]
mod clip;
#[path = "../../../mms/examples/wmrtsp_server/host.rs"]
mod host;

/// Serves the files of a folder by Windows Media RTSP, in real time.
pub fn rtsp(folder: PathBuf, udp: bool) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let options = host::Options { udp, ..host::Options::default() };
    std::thread::spawn(move || host::serve(&listener, &options, &folder));
    address
}

#[path = "../../../mms/examples/mmst_server/serve.rs"]
mod serve;

pub use serve::{Ask, Options as Mmst};

/// Serves files by MMS over TCP and UDP, as well or as badly as `options` say.
pub fn mmst(options: Mmst) -> SocketAddr {
    let listener = serve::Listener::bind([127, 0, 0, 1].into(), 0).unwrap();
    let address = listener.address();
    std::thread::spawn(move || listener.serve(&options));
    address
}

/// What was said to a server, one string a request.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// An HTTP server whose answers `answer` makes of each request's head; it closes the connection
/// behind each.
pub async fn http(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Heard::default();
    let (log, answer) = (heard.clone(), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (log, answer) = (log.clone(), Arc::clone(&answer));
            tokio::spawn(async move {
                let request = head(&mut stream).await?;
                log.0.lock().unwrap().push(request.clone());
                stream.write_all(&answer(&request)).await?;
                io::Result::Ok(())
            });
        }
    });
    (address, heard)
}

/// Broadcasts over MMSH: whoever asks gets what is on air. It goes on while nobody listens.
pub async fn broadcast(header: Bytes, packets: Vec<Bytes>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut on_air = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut play = async || {
                let request = head(&mut stream).await?;
                let mut body = BytesMut::new();
                frame_header(&header, &mut body);
                if on_air >= packets.len() {
                    return stream.write_all(b"HTTP/1.0 503 Off the air\r\n\r\n").await;
                }
                if !request.contains("xPlayStrm=1") {
                    return stream.write_all(&ok("application/vnd.ms.wms-hdr.asfv1", &body)).await;
                }
                stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: application/x-mms-framed\r\n\r\n").await?;
                stream.write_all(&body).await?;
                while let Some(packet) = packets.get(on_air) {
                    stream.write_all(&frame_packet(on_air as u32, on_air as u8, packet.len())).await?;
                    stream.write_all(packet).await?;
                    on_air += 1;
                    // As slow as to be noticed when nobody listens any more.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                io::Result::Ok(())
            };
            let _ = play().await;
            on_air += 2;
        }
    });
    address
}

/// The head of a request.
pub async fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await? > 0 {}
    Ok(String::from_utf8_lossy(&request).into_owned())
}

/// An answer with a body.
pub fn ok(content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.0 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// The file that a request asks for.
pub fn file(folder: &Path, request: &str) -> Option<Vec<u8>> {
    let name = request.split(' ').nth(1)?.trim_start_matches('/');
    std::fs::read(folder.join(name)).ok()
}

/// A router before `server` that forgets every connection after so many bytes to the client.
pub async fn forgetful(server: SocketAddr, most: u64) -> SocketAddr {
    router(server, most, 0).await
}

/// The same, where each connection may carry so much more than the last.
pub async fn improving(server: SocketAddr, more: u64) -> SocketAddr {
    router(server, more, more).await
}

async fn router(server: SocketAddr, mut most: u64, more: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let limit = most;
            most += more;
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await?;
                let (mut from_client, mut to_client) = client.split();
                let (from_server, mut to_server) = server.split();
                let mut limited = from_server.take(limit);
                tokio::select! {
                    _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
                    _ = tokio::io::copy(&mut limited, &mut to_client) => {}
                }
                io::Result::Ok(())
            });
        }
    });
    address
}

/// A port that nobody listens on.
pub fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
