//! ffmpeg as the other side, and pictures with numbers.

use std::io::Write;
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use feed::{Cursor, Start};
use source::{Decoding, Options, Status, Supervisor, Wanted};
use tokio::time::timeout;

use crate::numbered::{HEIGHT, WIDTH, picture};

/// Nothing here takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(40);
/// H.264 that any picture of which comes out at once.
pub const H264: &[&str] =
    &["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-bf", "0", "-g", "10", "-threads", "1"];

/// ffmpeg, which is handed numbered pictures at 25 a second (`live`: in real time) until it has
/// them all or ends. Killed when dropped.
pub struct Encoder(Child);

impl Encoder {
    pub fn start(numbers: std::ops::Range<u16>, live: bool, output: &[&str]) -> Self {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error"]).args(if live { &["-re"][..] } else { &[] });
        ffmpeg.args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "320x240", "-r", "25", "-i", "-"]);
        ffmpeg.args(H264).args(output).stdin(Stdio::piped());
        let mut child = ffmpeg.spawn().expect("apt install ffmpeg");
        let mut pipe = child.stdin.take().unwrap();
        std::thread::spawn(move || numbers.into_iter().all(|number| pipe.write_all(&picture(number)).is_ok()));
        Self(child)
    }

    /// Waits for its end, which has to be a good one.
    pub fn finish(mut self) {
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody has just now, by UDP or TCP.
pub fn free_port() -> u16 {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = udp.local_addr().unwrap().port();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A reader that looks at the numbers.
pub struct Viewer {
    pub source: Supervisor,
    cursor: Cursor,
    decoding: Decoding,
}

impl Viewer {
    pub fn open(url: &str, options: Options) -> Self {
        ffmpeg::init();
        Self::of(Supervisor::new("cam", url, options).unwrap())
    }

    pub fn of(source: Supervisor) -> Self {
        let cursor = source.feed().cursor(Start::Oldest);
        Self { source, cursor, decoding: Decoding::new() }
    }

    /// The next numbers, at least `count`.
    pub async fn numbers(&mut self, count: usize) -> Vec<u16> {
        let mut numbers = Vec::new();
        while numbers.len() < count {
            let entry = match timeout(PATIENCE, self.cursor.next()).await {
                Ok(entry) => entry.unwrap(),
                Err(_) => panic!("no more than {numbers:?}: {:?}", self.source.status().borrow()),
            };
            self.decoding.adopt(&entry).unwrap();
            for picture in self.decoding.decode(&entry.packet, Wanted::Picture) {
                let luma = picture.frame.plane(0).unwrap();
                numbers.extend(formats::osd::read_number(luma.data, luma.stride, WIDTH, HEIGHT));
            }
        }
        numbers
    }

    /// Waits until its status is so.
    pub async fn is(&self, wanted: impl FnMut(&Status) -> bool) -> Status {
        let mut status = self.source.status();
        timeout(PATIENCE, status.wait_for(wanted)).await.expect("in time").unwrap().clone()
    }
}

/// Fails unless each number follows the one before.
#[track_caller]
pub fn each_once(numbers: &[u16]) {
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

/// Options for tests that break connections.
pub fn quick() -> Options {
    Options { gap_timeout: Duration::from_secs(2), ..Options::default() }
}
