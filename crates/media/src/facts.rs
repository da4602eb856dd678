//! What a viewer is told about a source besides its pictures.
//!
//! Whoever opens the source fills it in, whoever shows it writes it down; neither knows the other.

use std::time::{Duration, SystemTime};

use crate::Size;

/// What there is to say about a source. Texts hold no password.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The stream's own title or description, if it has one.
    pub title: Option<String>,
    /// What it is doing.
    pub state: Standing,
    /// Where it comes from: the URL, for people to read.
    pub source: String,
    /// FFmpeg's name of the codec; empty while unknown.
    pub codec: String,
    /// The camera's size of picture; 0 × 0 while unknown.
    pub size: Size,
    /// Pictures a second, as measured.
    pub fps: f64,
    /// From the camera's taking a picture to its being decoded here, where it is known.
    pub delay: Option<Duration>,
    /// Pictures lost or left out since the start.
    pub dropped: u64,
    /// Why there are no pictures, in a sentence.
    pub error: Option<String>,
}

/// What a source is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Standing {
    /// The first attempt is under way.
    #[default]
    Connecting,
    /// Pictures are coming.
    Live,
    /// There have been none since this time, and attempts go on.
    NoSignal {
        /// When they stopped, or when the first attempt began.
        since: SystemTime,
    },
    /// No more will come: the file is over, or the URL can never work.
    Ended,
}
