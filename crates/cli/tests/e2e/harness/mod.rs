//! Servers, cameras, clips and clients, so that a test is about what it tests.

pub mod camera;
pub mod clips;
pub mod http;
pub mod onvif;
pub mod pictures;
pub mod rtsp;
pub mod server;
pub mod tools;
pub mod webcam;

use std::time::{Duration, Instant};

pub use camera::{Camera, Manner};
pub use http::{Answer, Part, Stream, get};
pub use pictures::{number, size};
pub use server::Server;
pub use tools::{run, tool};
pub use webcam::Webcam;

/// Longest wait for anything that ought to happen soon.
pub const SOON: Duration = Duration::from_secs(20);

/// Asks until the answer is something; panics with `what` after [`SOON`].
#[track_caller]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(began.elapsed() < SOON, "waited {SOON:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
