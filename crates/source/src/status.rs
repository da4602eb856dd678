//! What a source is doing, for whoever asks.

use std::time::{Duration, Instant, SystemTime};

use media::Tracks;

use crate::{Error, Phase};

/// What is known about an open source besides its tracks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// How the bytes come: `rtsp`, `http`, `file`; FFmpeg's names where it has one.
    pub protocol: String,
    /// The container: `mpjpeg`, `asf`, `rtsp`; FFmpeg's names.
    pub container: String,
    /// What the server calls itself, if it does.
    pub server: Option<String>,
    /// Title or other description in the stream.
    pub title: Option<String>,
    /// Length of a file.
    pub duration: Option<Duration>,
    /// Whether it comes in real time and has no end.
    pub live: bool,
}

/// The state of a source.
#[derive(Clone, Debug)]
pub enum State {
    /// Closed, since nobody reads.
    Idle,
    /// An attempt is under way.
    Opening(Phase),
    /// Pictures are coming.
    Live,
    /// The last attempt failed; the next one is at this instant.
    Waiting(Instant),
    /// A feed ([`crate::push`]) to which nobody is sending.
    Unfed,
    /// Over: a file read once, or a URL that can never work.
    Ended,
}

impl State {
    /// One word for tables and JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Opening(_) => "opening",
            Self::Live => "live",
            Self::Waiting(_) => "waiting",
            Self::Unfed => "unfed",
            Self::Ended => "ended",
        }
    }
}

/// A snapshot of a source.
#[derive(Clone, Debug)]
pub struct Status {
    /// What it is doing.
    pub state: State,
    /// When it began to do so; while it is not live, since when there are no pictures.
    pub since: SystemTime,
    /// How far the newest attempt came.
    pub reached: Phase,
    /// Why the last attempt ended.
    pub error: Option<Error>,
    /// When that was.
    pub failed: Option<SystemTime>,
    /// Attempts that failed since the last picture.
    pub failures: u32,
    /// Times it came back after having been live; of a feed, times that it was lost.
    pub reconnects: u32,
    /// What is known of the newest connection.
    pub about: About,
    /// Its tracks.
    pub tracks: Tracks,
}

impl Status {
    /// One word for people: the state's, but of a source that was given up why: `refused` where it
    /// wants another password, else `failed`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match (&self.state, &self.error) {
            (State::Ended, Some(error)) if error.is_refusal() => "refused",
            (State::Ended, Some(_)) => "failed",
            (state, _) => state.name(),
        }
    }
}
