//! A window with a moving picture drawn on the spot: `cargo run --example pattern`.
//!
//! Arguments, for the tests: `--frames N` to lose the signal after N pictures, `--name`,
//! `--dir` for snapshots, `--fullscreen`, `--overlay`, `--thread` to run the window
//! outside the main thread, `--quit-after MS`, `--twice` to open a second window when the
//! first has closed.

use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ffmpeg::Frame;
use media::Size;
use view::{Exit, Info, Options, Pictures, Shown, State, Waker};

const SIZE: Size = Size::new(640, 480);
const INTERVAL: Duration = Duration::from_millis(40);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |flag: &str| arguments.iter().any(|a| a == flag);
    let value = |flag: &str| arguments.iter().position(|a| a == flag).and_then(|at| arguments.get(at + 1).cloned());
    let number = |flag: &str| value(flag).and_then(|v| v.parse::<u64>().ok());
    let mut options = Options { fullscreen: has("--fullscreen"), overlay: has("--overlay"), ..Options::default() };
    options.name = value("--name").unwrap_or_else(|| "pattern".into());
    if let Some(dir) = value("--dir") {
        options.snapshot_dir = dir.into();
    }
    let (frames, quit_after) = (number("--frames").unwrap_or(u64::MAX), number("--quit-after"));
    let times = if has("--twice") { 2 } else { 1 };
    let show = move || -> Result<Exit, view::Error> {
        let mut exit = Exit::User;
        for _ in 0..times {
            exit = view::run(options.clone(), |waker| Box::new(Drawn::start(waker, frames, quit_after)))?;
        }
        Ok(exit)
    };
    let shown = match has("--thread") {
        true => thread::spawn(show).join().expect("the window does not panic"),
        false => show(),
    };
    match shown {
        Ok(exit) => {
            println!("{exit:?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("pattern: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Shared {
    newest: Option<Shown>,
    drawn: u64,
    lost: Option<SystemTime>,
    closed: bool,
}

/// Pictures from a thread that stands for a decoder's.
struct Drawn(Arc<Mutex<Shared>>);

impl Drawn {
    fn start(waker: Waker, frames: u64, quit_after: Option<u64>) -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let drawer = Arc::clone(&shared);
        thread::spawn(move || {
            let start = Instant::now();
            for number in 0..frames {
                thread::sleep((start + INTERVAL * number as u32).saturating_duration_since(Instant::now()));
                let frame = draw(number);
                let mut shared = drawer.lock().expect("no holder panics");
                if shared.closed {
                    return;
                }
                let now = SystemTime::now();
                shared.newest = Some(Shown { frame, received: Instant::now(), captured: Some(now) });
                shared.drawn += 1;
                drop(shared);
                waker.wake();
                if quit_after.is_some_and(|ms| start.elapsed() >= Duration::from_millis(ms)) {
                    waker.quit();
                }
            }
            drawer.lock().expect("no holder panics").lost = Some(SystemTime::now());
            waker.wake();
        });
        Self(shared)
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        self.0.lock().expect("no holder panics").closed = true;
    }
}

impl Pictures for Drawn {
    fn newest(&mut self) -> Option<Shown> {
        self.0.lock().expect("no holder panics").newest.take()
    }

    fn status(&mut self) -> Info {
        let shared = self.0.lock().expect("no holder panics");
        let (state, error) = match shared.lost {
            Some(since) => (State::NoSignal { since }, Some("the example has no more pictures".into())),
            None if shared.drawn > 0 => (State::Live, None),
            None => (State::Connecting, None),
        };
        Info {
            state,
            error,
            source: "drawn by the example".into(),
            codec: "rawvideo".into(),
            size: SIZE,
            fps: 1.0 / INTERVAL.as_secs_f64(),
            delay: Some(Duration::from_millis(1)),
            ..Info::default()
        }
    }

    fn snapshot_jpeg(&mut self) -> Option<Vec<u8>> {
        let drawn = self.0.lock().expect("no holder panics").drawn;
        let frame = draw(drawn.checked_sub(1)?);
        let planes = ffmpeg::Scaler::new().to_jpeg_planes(&frame, SIZE).ok()?;
        ffmpeg::jpeg::Encoder::new().encode(&planes, 90).ok().map(|jpeg| jpeg.to_vec())
    }
}

/// A red left half, a blue right half, and a white square that moves between them.
fn draw(number: u64) -> Frame {
    let mut frame = Frame::new("bgr24", SIZE).expect("bgr24 is a format that every FFmpeg has");
    let (side, span) = (60, 640 - 60);
    let way = (number * 4) as usize % (2 * span);
    let left = way.min(2 * span - way);
    let plane = frame.plane_mut(0).expect("packed pictures have a first plane");
    for (y, row) in plane.data.chunks_mut(plane.stride).enumerate() {
        for (x, pixel) in row[..plane.width].chunks_exact_mut(3).enumerate() {
            let in_square = (left..left + side).contains(&x) && (210..210 + side).contains(&y);
            pixel.copy_from_slice(match (in_square, x < 320) {
                (true, _) => &[255, 255, 255],
                (false, true) => &[0, 0, 200],
                (false, false) => &[200, 0, 0],
            });
        }
    }
    frame
}
