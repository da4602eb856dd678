//! A window that shows a source.
//!
//! It knows windows, keys and pixels, and nothing of networks: whoever calls [`run`]
//! hands in [`Pictures`], decodes on a thread of its own, and calls [`Waker::wake`] when
//! there is something new. Between two calls the window does nothing at all.
//!
//! Keys: `q` or Esc quits, `f` full screen, `s` saves a snapshot, `i` shows facts.

#![forbid(unsafe_code)]

mod display;
mod draw;
mod keys;
mod overlay;
mod snapshot;
mod waker;
mod window;

pub use display::{Error, run};
pub use media::{Facts as Info, Standing as State};
pub use waker::Waker;

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

/// A decoded picture on its way to the screen.
#[derive(Debug)]
pub struct Shown {
    /// The picture, in whatever format the decoder gave.
    pub frame: ffmpeg::Frame,
    /// When its last byte arrived here.
    pub received: Instant,
    /// When the camera took it, where that is known.
    pub captured: Option<SystemTime>,
}

/// What the window asks its source for. Called from the window's thread; must not block.
pub trait Pictures: Send {
    /// The newest picture, if it is newer than the last one given.
    fn newest(&mut self) -> Option<Shown>;
    /// What to say about the source now.
    fn status(&mut self) -> Info;
    /// The newest picture as a JPEG, the camera's own bytes where it sends JPEG; nothing
    /// before the first one.
    fn snapshot_jpeg(&mut self) -> Option<Vec<u8>>;
}

/// How to open the window.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name in the title and of snapshots.
    pub name: String,
    /// Start in full screen.
    pub fullscreen: bool,
    /// Start with the facts shown, as after `i`.
    pub overlay: bool,
    /// Where snapshots go.
    pub snapshot_dir: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self { name: "headwater".into(), fullscreen: false, overlay: false, snapshot_dir: PathBuf::from(".") }
    }
}

/// Why the window closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// By `q`, Esc, or the window's own button.
    User,
    /// By [`Waker::quit`].
    Told,
}
