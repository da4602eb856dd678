//! Servers on the loopback.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

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

/// A port that nobody listens on.
pub fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
