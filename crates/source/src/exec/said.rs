//! What a program says on standard error, for the log and for the message of its end.

use std::time::{Duration, Instant};

use media::Redacted;

/// The longest line that is taken, in bytes.
const LONGEST: usize = 1024;
/// The most lines a second.
const MOST: u32 = 20;

/// Lines out of bytes in any slices, so many a second into the log.
pub(super) struct Said {
    program: String,
    begun: Vec<u8>,
    last: String,
    window: Option<Instant>,
    used: u32,
    left_out: u32,
}

impl Said {
    pub(super) fn new(program: &str) -> Self {
        Self { program: program.into(), begun: Vec::new(), last: String::new(), window: None, used: 0, left_out: 0 }
    }

    pub(super) fn handle(&mut self, now: Instant, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' | b'\r' => self.line(now, *byte == b'\r'),
                _ if self.begun.len() == LONGEST => {}
                _ => self.begun.push(*byte),
            }
        }
    }

    /// The last line, without passwords of URLs.
    pub(super) fn last(&mut self) -> String {
        let rest = text(&std::mem::take(&mut self.begun));
        if rest.is_empty() { self.last.clone() } else { rest }
    }

    fn line(&mut self, now: Instant, is_passing: bool) {
        let text = text(&std::mem::take(&mut self.begun));
        if text.is_empty() {
            return;
        }
        if self.window.is_none_or(|since| now.saturating_duration_since(since) >= Duration::from_secs(1)) {
            if self.left_out > 0 {
                tracing::info!("{}: {} more lines", self.program, self.left_out);
            }
            (self.window, self.used, self.left_out) = (Some(now), 0, 0);
        }
        self.used += 1;
        match (self.used <= MOST, is_passing) {
            // The next one is written over it: progress.
            (true, true) => tracing::debug!("{}: {text}", self.program),
            (true, false) => tracing::info!("{}: {text}", self.program),
            (false, _) => self.left_out += 1,
        }
        self.last = text;
    }
}

fn text(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).replace('\t', " ");
    text.retain(|c| !c.is_control());
    let words = text.split(' ').map(|word| Redacted(word).to_string()).collect::<Vec<_>>();
    words.join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_known_in_any_slicing_and_bounded() {
        let all = b"one\r\ntwo\x07 rtsp://a:secret@b/\n";
        for size in 1..all.len() {
            let mut said = Said::new("x");
            all.chunks(size).for_each(|slice| said.handle(Instant::now(), slice));
            assert_eq!(said.last(), "two rtsp://a:***@b/");
        }
        let mut said = Said::new("x");
        said.handle(Instant::now(), &[b'x'; 5000]);
        assert_eq!(said.last().len(), LONGEST);
    }
}
