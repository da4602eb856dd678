//! Many sources of one host, against scripted cameras on the loopback that count what is asked.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/server.rs"]
#[allow(dead_code, reason = "not all of it is wanted here")]
mod server;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use feed::{Cursor, Start};
use source::{Error, Manners, Options, State, Supervisor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// A picture, as far as anybody looks who does not decode it.
const JPEG: &[u8] =
    b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x2a\xff\xd9";

/// What a camera does, and what it saw.
#[derive(Default)]
struct Camera {
    /// Takes this user and password only, in base64.
    key: Option<&'static str>,
    /// Has room for so many streams; any number without.
    room: Option<usize>,
    /// Thinks for so long before it answers.
    slow: Duration,
    /// Hangs up after so many pictures.
    pictures: Option<usize>,
    logins: AtomicUsize,
    requests: AtomicUsize,
    streams: AtomicUsize,
    asking: AtomicUsize,
    most_asking: AtomicUsize,
    most_streams: AtomicUsize,
}

impl Camera {
    async fn start(self) -> (SocketAddr, Arc<Self>) {
        let camera = Arc::new(self);
        let serving = Arc::clone(&camera);
        let (address, _) = server::at(move |stream| {
            let camera = Arc::clone(&serving);
            async move { camera.serve(stream).await }
        })
        .await;
        (address, camera)
    }

    /// Answers until the client has gone.
    async fn serve(&self, mut stream: TcpStream) {
        loop {
            let request = server::request(&mut stream).await;
            if request.is_empty() {
                return;
            }
            self.requests.fetch_add(1, SeqCst);
            self.most_asking.fetch_max(self.asking.fetch_add(1, SeqCst) + 1, SeqCst);
            sleep(self.slow).await;
            self.asking.fetch_sub(1, SeqCst);
            let login = request.lines().find_map(|line| {
                line.strip_prefix("authorization: Basic ").or(line.strip_prefix("Authorization: Basic "))
            });
            self.logins.fetch_add(usize::from(login.is_some()), SeqCst);
            let full = self.room.is_some_and(|room| self.streams.load(SeqCst) >= room);
            let refusal = match self.key {
                Some(key) if login != Some(key) => Some("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"cam\""),
                _ if full => Some("503 Service Unavailable"),
                _ => None,
            };
            if let Some(refusal) = refusal {
                let answer = format!("HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
                continue;
            }
            self.most_streams.fetch_max(self.streams.fetch_add(1, SeqCst) + 1, SeqCst);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n";
            let mut sent = stream.write_all(head.as_bytes()).await;
            let mut left = self.pictures.unwrap_or(usize::MAX);
            while sent.is_ok() && left > 0 {
                left -= 1;
                let part = [b"--b\r\nContent-Type: image/jpeg\r\n\r\n", JPEG, b"\r\n"].concat();
                sent = stream.write_all(&part).await;
                // Who hangs up is seen at once, as a camera does.
                let hung_up = timeout(Duration::from_millis(20), stream.read_u8()).await;
                if hung_up.is_ok() {
                    break;
                }
            }
            self.streams.fetch_sub(1, SeqCst);
            return;
        }
    }
}

fn open(name: &str, address: SocketAddr, options: &Options) -> (Supervisor, Cursor) {
    let source = Supervisor::new(name, &format!("http://admin:secret@{address}/video"), options.clone()).unwrap();
    let cursor = source.feed().cursor(Start::Oldest);
    (source, cursor)
}

async fn comes_to(source: &Supervisor, wanted: impl Fn(&State) -> bool) {
    let mut status = source.status();
    let reached = timeout(PATIENCE, status.wait_for(|status| wanted(&status.state))).await;
    if reached.is_err() {
        panic!("{} is still {:?}", source.name(), source.status().borrow().clone());
    }
}

fn is_live(state: &State) -> bool {
    matches!(state, State::Live)
}

#[tokio::test]
async fn sixteen_channels_with_one_wrong_password_try_it_twice() {
    let (address, camera) = Camera { key: Some("cmlnaHQ6cmlnaHQ="), ..Camera::default() }.start().await;
    let sources: Vec<_> = (0..16).map(|at| open(&format!("channel{at}"), address, &Options::default())).collect();
    for (source, _) in &sources {
        comes_to(source, |state| matches!(state, State::Ended | State::Waiting(_))).await;
    }
    // The one that was the first waits some seconds, and then hears of the second refusal.
    assert_eq!(camera.logins.load(SeqCst), 2);
    let ended = sources.iter().filter(|(source, _)| matches!(source.status().borrow().state, State::Ended));
    let errors: Vec<_> = ended.map(|(source, _)| source.status().borrow().error.clone().unwrap()).collect();
    assert!(errors.len() >= 14, "{}", errors.len());
    for error in errors {
        assert!(matches!(error, Error::Unauthorized { .. }), "{error:?}");
        assert!(error.to_string().contains("is not asked again, since cameras lock accounts: correct it and restart, or reload by SIGHUP; check user"), "{error}");
    }

    // Somebody has seen to it.
    let ended = sources.iter().find(|(source, _)| matches!(source.status().borrow().state, State::Ended));
    let (given_up, _) = ended.unwrap();
    assert_eq!(given_up.status().borrow().word(), "refused");
    given_up.poke();
    timeout(PATIENCE, async {
        while camera.logins.load(SeqCst) < 3 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("a source that was poked tries again");
}

#[tokio::test]
async fn a_wrong_password_of_windows_media_is_tried_twice_as_well() {
    let (address, camera) = Camera { key: Some("cmlnaHQ6cmlnaHQ="), ..Camera::default() }.start().await;
    let options = Options { open_timeout: Duration::from_millis(1500), ..Options::default() };
    let sources: Vec<_> = (0..5)
        .map(|at| {
            let url = format!("mms://admin:secret@{address}/{at}");
            let source = Supervisor::new(&format!("mms{at}"), &url, options.clone()).unwrap();
            let cursor = source.feed().cursor(Start::Oldest);
            (source, cursor)
        })
        .collect();
    for (source, _) in &sources {
        comes_to(source, |state| matches!(state, State::Ended | State::Waiting(_))).await;
    }
    let ended = sources.iter().filter(|(source, _)| matches!(source.status().borrow().state, State::Ended)).count();
    assert!(ended >= 4, "{ended}");
    assert_eq!(camera.logins.load(SeqCst), 2);
}

#[tokio::test]
async fn a_host_with_a_limit_gets_no_more_connections() {
    let (address, camera) = Camera::default().start().await;
    let manners = Manners { connections: Some(2), ..Manners::default() };
    let options = Options { manners, linger: Duration::ZERO, ..Options::default() };
    let mut sources: Vec<_> = (0..4).map(|at| open(&format!("view{at}"), address, &options)).collect();
    while camera.streams.load(SeqCst) < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    let live = sources.iter().position(|(source, _)| is_live(&source.status().borrow().state));
    let waits = |source: &Supervisor| {
        source.journal().iter().any(|entry| format!("{entry:?}").contains("no more than 2 at a time"))
    };
    assert_eq!(sources.iter().filter(|(source, _)| waits(source)).count(), 2);
    // Each that leaves makes room for one more.
    drop(sources.remove(live.unwrap_or(0)));
    while camera.requests.load(SeqCst) < 3 {
        sleep(Duration::from_millis(5)).await;
    }
    assert!(camera.most_streams.load(SeqCst) <= 2);
}

#[tokio::test]
async fn a_camera_with_one_session_is_not_asked_again_until_that_one_ends() {
    let (address, camera) = Camera { room: Some(1), ..Camera::default() }.start().await;
    let options = Options { linger: Duration::ZERO, ..Options::default() };
    let (first, cursor) = open("first", address, &options);
    comes_to(&first, is_live).await;
    let (second, _cursor) = open("second", address, &options);
    comes_to(&second, |state| matches!(state, State::Waiting(_))).await;
    let State::Waiting(until) = second.status().borrow().state.clone() else { panic!("it waits no more") };
    assert!(until.duration_since(std::time::Instant::now()) > Duration::from_secs(3), "{until:?}");
    let asked = camera.requests.load(SeqCst);
    drop((first, cursor));
    comes_to(&second, is_live).await;
    assert!(camera.requests.load(SeqCst) <= asked + 3, "{} requests", camera.requests.load(SeqCst));
}

#[tokio::test]
async fn after_a_power_cut_a_host_is_asked_by_few_at_a_time() {
    let slow = Duration::from_millis(50);
    let (address, camera) = Camera { slow, ..Camera::default() }.start().await;
    let manners = Manners { opening: 4, apart: Duration::from_millis(1), ..Manners::default() };
    let options = Options { manners, ..Options::default() };
    let sources: Vec<_> = (0..40).map(|at| open(&format!("channel{at}"), address, &options)).collect();
    for (source, _) in &sources {
        comes_to(source, is_live).await;
    }
    assert!(camera.most_asking.load(SeqCst) <= 4, "{} at a time", camera.most_asking.load(SeqCst));
    assert_eq!(camera.requests.load(SeqCst), 40);
}

#[tokio::test]
async fn the_first_picture_after_a_reconnect_says_that_something_is_missing() {
    let (address, camera) = Camera { pictures: Some(3), ..Camera::default() }.start().await;
    let backoff = source::Backoff { first: Duration::from_millis(10), ..source::Backoff::default() };
    let (_source, mut cursor) = open("cam", address, &Options { backoff, ..Options::default() });
    let mut marks = Vec::new();
    while marks.len() < 9 {
        let entry = timeout(PATIENCE, cursor.next()).await.expect("pictures").expect("an open feed");
        marks.push(entry.packet.discontinuity);
    }
    assert_eq!(marks, [false, false, false, true, false, false, true, false, false]);
    assert!(camera.requests.load(SeqCst) >= 3);
}

#[tokio::test]
async fn what_wants_a_password_says_nothing_of_what_wants_none() {
    let (address, camera) = Camera { key: Some("cmlnaHQ6cmlnaHQ="), ..Camera::default() }.start().await;
    let mut kept = Vec::new();
    for path in ["a", "b", "c"] {
        let source = Supervisor::new("cam", &format!("http://{address}/{path}"), Options::default()).unwrap();
        let cursor = source.feed().cursor(Start::Oldest);
        comes_to(&source, |state| matches!(state, State::Waiting(_))).await;
        kept.push((source, cursor));
    }
    assert_eq!(camera.requests.load(SeqCst), 3, "each was asked");
}
