//! Captures of scripted cameras and numbered clips.

#![allow(clippy::unwrap_used)]

#[path = "../../../cli/tests/e2e/harness/camera.rs"]
#[allow(dead_code)]
mod camera;
#[path = "../../../cli/tests/e2e/harness/clips.rs"]
#[allow(dead_code)]
mod clips;
#[path = "../../../cli/tests/e2e/harness/tools.rs"]
#[allow(dead_code)]
mod tools;

mod bounds;
mod conversions;
mod every;
mod live;
mod recordings;
mod refused;
mod waiting;

use std::time::{Duration, Instant};

use capture::{Capture, Format, Frame, Options};
use formats::osd::read_number;

/// Longest wait for anything that ought to happen soon.
const SOON: Duration = Duration::from_secs(20);

/// Asks until the answer is something; panics with `what` after [`SOON`].
#[track_caller]
fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(began.elapsed() < SOON, "waited {SOON:?} for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[track_caller]
fn open(url: impl AsRef<std::ffi::OsStr>, options: Options) -> Capture {
    let url = url.as_ref().to_str().unwrap();
    Capture::open(url, options).unwrap_or_else(|error| panic!("{error}"))
}

/// The number that is drawn into a frame.
#[track_caller]
fn number(frame: &Frame) -> u64 {
    let grey = frame.converted(Format::Gray8).unwrap();
    let plane = grey.plane(0).unwrap();
    let number = read_number(plane.data, plane.stride, plane.width, plane.height);
    number.unwrap_or_else(|| panic!("no number in {frame:?}")).into()
}
