//! A camera that does as it is told.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::clips;

/// How a camera treats who connects.
#[derive(Clone, Debug)]
pub enum Manner {
    /// MJPEG, so many numbered pictures a second.
    Pictures { fps: u32 },
    /// As [`Manner::Pictures`], and silence after so many.
    Stalls { after: usize },
    /// Accepts and says nothing.
    Silent,
    /// Says this and closes.
    Says(Vec<u8>),
    /// Asks for user and password, which are wrong for ever.
    Forbidden,
}

/// A camera on a port of its own; gone when dropped.
pub struct Camera {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

struct Shared {
    manner: Mutex<Manner>,
    pictures: Vec<Vec<u8>>,
    open: Mutex<Vec<TcpStream>>,
    connections: AtomicUsize,
    now: AtomicUsize,
    off: AtomicBool,
    requests: Mutex<Vec<String>>,
    /// Sends pictures of another size.
    changed: AtomicBool,
    other: Vec<u8>,
}

impl Camera {
    pub fn start(manner: Manner) -> Self {
        let shared = Arc::new(Shared {
            manner: Mutex::new(manner),
            pictures: clips::jpegs(),
            open: Mutex::default(),
            connections: AtomicUsize::new(0),
            now: AtomicUsize::new(0),
            off: AtomicBool::new(false),
            requests: Mutex::default(),
            changed: AtomicBool::new(false),
            other: clips::other_jpeg(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let listening = Some(listen(listener, Arc::clone(&shared)));
        Self { address, shared, listening }
    }

    pub fn url(&self) -> String {
        format!("http://{}/video.mjpg", self.address)
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    /// Connections now.
    pub fn open(&self) -> usize {
        self.shared.now.load(SeqCst)
    }

    /// What was asked so far, request heads.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// From the next connection on.
    pub fn set(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// Sends pictures of 640x360 from now on, on the connections that are open.
    pub fn change_size(&self) {
        self.shared.changed.store(true, SeqCst);
    }

    /// Pulls the plug: connections are cut, new ones refused.
    pub fn switch_off(&mut self) {
        self.shared.off.store(true, SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            listening.join().unwrap();
        }
        for socket in self.shared.open.lock().unwrap().drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// The same port again.
    pub fn switch_on(&mut self) {
        self.shared.off.store(false, SeqCst);
        let listener = super::eventually("the camera's port", || TcpListener::bind(self.address).ok());
        self.listening = Some(listen(listener, Arc::clone(&self.shared)));
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.switch_off();
    }
}

fn listen(listener: TcpListener, shared: Arc<Shared>) -> JoinHandle<()> {
    thread::spawn(move || {
        for socket in listener.incoming() {
            if shared.off.load(SeqCst) {
                return;
            }
            let Ok(socket) = socket else { continue };
            shared.open.lock().unwrap().extend(socket.try_clone());
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                // A knock, to see whether the camera is there, is no connection.
                let mut request = vec![0; 4096];
                let mut socket = socket;
                let count = socket.read(&mut request).unwrap_or(0);
                if count > 0 {
                    request.truncate(count);
                    shared.requests.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
                    shared.connections.fetch_add(1, SeqCst);
                    shared.now.fetch_add(1, SeqCst);
                    serve(&mut socket, &shared);
                    shared.now.fetch_sub(1, SeqCst);
                }
                let _ = socket.shutdown(Shutdown::Both);
            });
        }
    })
}

fn serve(socket: &mut TcpStream, shared: &Shared) {
    let manner = shared.manner.lock().unwrap().clone();
    match manner {
        Manner::Pictures { fps } => pictures(socket, shared, fps, usize::MAX),
        Manner::Stalls { after } => {
            pictures(socket, shared, 20, after);
            until_closed(socket);
        }
        Manner::Silent => until_closed(socket),
        Manner::Says(text) => {
            let _ = socket.write_all(&text);
        }
        Manner::Forbidden => {
            let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"camera\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = socket.write_all(answer.as_bytes());
        }
    }
}

fn pictures(socket: &mut TcpStream, shared: &Shared, fps: u32, most: usize) {
    // Notices at once when the other side leaves, also between two pictures.
    let _ = socket.set_nodelay(true);
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=camera\r\nConnection: close\r\n\r\n";
    if socket.write_all(head.as_bytes()).is_err() {
        return;
    }
    for at in 0..most {
        // From one picture to the next, never by the clock: after a stall of the machine
        // it would send several at once, of which a viewer gets the newest alone.
        if at > 0 && wait(socket, Duration::from_secs(1) / fps) {
            return;
        }
        let picture = match shared.changed.load(SeqCst) {
            true => &shared.other,
            false => &shared.pictures[at % shared.pictures.len()],
        };
        let mut part =
            format!("--camera\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", picture.len()).into_bytes();
        part.extend_from_slice(picture);
        part.extend_from_slice(b"\r\n");
        if socket.write_all(&part).is_err() {
            return;
        }
    }
}

fn until_closed(socket: &mut TcpStream) {
    while !wait(socket, Duration::from_secs(3600)) {}
}

/// Waits, and says whether the other side has left meanwhile.
fn wait(socket: &mut TcpStream, time: Duration) -> bool {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let _ = socket.set_read_timeout(Some(left));
        match socket.read(&mut [0; 256]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => return true,
        }
    }
}
