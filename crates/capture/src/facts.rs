//! What a window is told of a capture.

use std::time::Duration;

use media::{Facts, Standing};

use crate::{Capture, State};

impl Capture {
    /// What there is to say to whoever looks at its pictures: `delay` is that of the newest one, and
    /// `shown` whether there was any.
    #[must_use]
    pub fn facts(&self, delay: Option<Duration>, shown: bool) -> Facts {
        let (info, stats) = (self.info(), self.stats());
        let state = match self.state() {
            State::Open | State::Stalled => Standing::Live,
            State::Ended | State::Closed => Standing::Ended,
            _ if stats.last_error.is_none() && !shown => Standing::Connecting,
            _ => Standing::NoSignal { since: stats.since },
        };
        Facts {
            title: info.title,
            state,
            source: self.url(),
            codec: info.codec,
            size: info.size,
            fps: stats.fps,
            delay,
            dropped: stats.dropped,
            error: stats.last_error.as_ref().map(ToString::to_string),
        }
    }
}
