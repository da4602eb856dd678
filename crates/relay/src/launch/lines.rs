//! What a program says, for the log.
//!
//! A line there is a line of the log, without control characters, without the passwords
//! of URLs, of bounded length, and so many a second at most; what is left out is counted.
//! A line that the next one is written over (ffmpeg's progress) is for `debug` only.

use std::time::{Duration, Instant};

use media::Redacted;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStderr, ChildStdout};

use super::Order;

/// Longest line that is taken, in bytes.
const LONGEST: usize = 1024;
/// Most lines a second of one program.
const MOST: u32 = 20;
/// How long they are counted together.
const WINDOW: Duration = Duration::from_secs(1);

/// A line, as far as it is taken.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    text: String,
    /// It ended with a carriage return alone: the next one is written over it.
    is_passing: bool,
}

/// Lines out of bytes in any slices.
#[derive(Default)]
struct Lines {
    /// Of the line under way, at most [`LONGEST`].
    begun: Vec<u8>,
    is_cut: bool,
    /// The last byte was a carriage return: what follows tells what it means.
    is_returned: bool,
}

impl Lines {
    fn handle(&mut self, bytes: &[u8], mut to: impl FnMut(Line)) {
        for &byte in bytes {
            if std::mem::take(&mut self.is_returned) {
                self.close(byte != b'\n', &mut to);
                if byte == b'\n' {
                    continue;
                }
            }
            match byte {
                b'\n' => self.close(false, &mut to),
                b'\r' => self.is_returned = true,
                _ if self.begun.len() == LONGEST => self.is_cut = true,
                _ => self.begun.push(byte),
            }
        }
    }

    /// There is no more.
    fn finish(&mut self, mut to: impl FnMut(Line)) {
        let is_passing = self.is_returned;
        self.close(is_passing, &mut to);
    }

    fn close(&mut self, is_passing: bool, to: &mut impl FnMut(Line)) {
        let mut text = String::from_utf8_lossy(&self.begun).replace('\t', " ");
        text.retain(|c| !c.is_control());
        if self.is_cut {
            // The end of a word may be what tells that there is a password in it.
            let whole = text.rfind(char::is_whitespace).unwrap_or(0);
            text.truncate(whole);
            text.push_str(" …");
        }
        self.begun.clear();
        self.is_cut = false;
        let text = text.trim().to_owned();
        if !text.is_empty() {
            to(Line { text, is_passing });
        }
    }
}

/// For the fuzzer: the lines of what a program says.
pub(crate) fn of<'a>(slices: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let (mut lines, mut all) = (Lines::default(), Vec::new());
    slices.for_each(|slice| lines.handle(slice, |line| all.push(line.text)));
    lines.finish(|line| all.push(line.text));
    all
}

/// So many lines a second, the rest counted.
#[derive(Default)]
struct Budget {
    began: Option<Instant>,
    used: u32,
    left_out: u64,
}

impl Budget {
    /// Whether there is a place for a line now, and how many had none before it.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if self.began.is_none_or(|began| now.saturating_duration_since(began) >= WINDOW) {
            (self.began, self.used) = (Some(now), 0);
        }
        if self.used == MOST {
            self.left_out += 1;
            return None;
        }
        self.used += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// Hides passwords, those of the program's own arguments wherever they stand.
struct Veil(Vec<(String, String)>);

impl Veil {
    fn new(words: &[String]) -> Self {
        let hidden = words.iter().map(|word| (word.clone(), Redacted(word).to_string()));
        Self(hidden.filter(|(word, hidden)| word != hidden).collect())
    }

    fn hide(&self, text: &str) -> String {
        let known = self.0.iter().fold(text.to_owned(), |text, (word, hidden)| text.replace(word, hidden));
        Redacted(&known).to_string()
    }
}

/// Logs what a program says until both its outputs are closed.
pub(super) async fn log(order: Order, out: Option<ChildStdout>, err: Option<ChildStderr>) {
    let veil = Veil::new(&order.words);
    let name = order.program().rsplit('/').next().unwrap_or_default();
    let budget = std::sync::Mutex::new(Budget::default());
    let say = |line: Line| {
        let feed = order.feed.as_str();
        if line.is_passing {
            tracing::debug!(feed, "{name}: {}", veil.hide(&line.text));
            return;
        }
        let place = budget.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take(Instant::now());
        let Some(left_out) = place else { return };
        if left_out > 0 {
            tracing::warn!(feed, left_out, "{name} says more than {MOST} lines a second");
        }
        tracing::info!(feed, "{name}: {}", veil.hide(&line.text));
    };
    tokio::join!(read(out, &say), read(err, &say));
    let left_out = budget.lock().unwrap_or_else(std::sync::PoisonError::into_inner).left_out;
    if left_out > 0 {
        tracing::warn!(feed = order.feed, left_out, "{name} said more than {MOST} lines a second");
    }
}

async fn read(from: Option<impl AsyncRead + Unpin>, to: &impl Fn(Line)) {
    let Some(mut from) = from else { return };
    let (mut lines, mut buffer) = (Lines::default(), [0; 4096]);
    // Whose output cannot be read any more says no more.
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        lines.handle(buffer.get(..count).unwrap_or_default(), to);
    }
    lines.finish(to);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(slices: impl Iterator<Item = impl AsRef<[u8]>>) -> Vec<Line> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        slices.for_each(|slice| lines.handle(slice.as_ref(), |line| found.push(line)));
        lines.finish(|line| found.push(line));
        found
    }

    #[test]
    fn lines_are_found_in_any_slices() {
        let said = b"one\r\n\n\x1b[1mtwo\x07\tand\xff\rframe=1\rframe=2\r\nlast";
        let whole = lines(said.chunks(said.len()));
        let texts: Vec<_> = whole.iter().map(|line| (line.text.as_str(), line.is_passing)).collect();
        let expected = [("one", false), ("[1mtwo and\u{fffd}", true), ("frame=1", true), ("frame=2", false)];
        assert_eq!(texts[..4], expected);
        assert_eq!(texts[4..], [("last", false)]);
        for size in 1..said.len() {
            assert_eq!(lines(said.chunks(size)), whole, "in slices of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_cut_before_the_word_that_is_not_whole() {
        let long = format!("{} rtsp://admin:hunter2{}@cam/x\nnext\n", "x".repeat(LONGEST - 20), "y".repeat(5000));
        let found = lines([long.as_bytes()].into_iter());
        assert_eq!(found.iter().map(|line| line.text.len()).collect::<Vec<_>>(), [LONGEST - 20 + " …".len(), 4]);
        assert!(!found[0].text.contains("hunter"));
        let mut endless = Lines::default();
        (0..1000).for_each(|_| endless.handle(&[b'z'; 1000], |_| panic!("no line has ended")));
        assert_eq!(endless.begun.len(), LONGEST);
    }

    #[test]
    fn what_is_more_than_the_lines_of_a_second_is_counted() {
        let (mut budget, began) = (Budget::default(), Instant::now());
        let placed = (0..50).filter(|_| budget.take(began).is_some()).count();
        assert_eq!(placed, MOST as usize);
        assert_eq!(budget.take(began + WINDOW), Some(30));
        assert_eq!(budget.take(began + WINDOW), Some(0));
    }

    #[test]
    fn passwords_are_hidden_also_where_blanks_stand_in_them() {
        let words = ["ffmpeg", "-i", "rtsp://admin:hunter 2@cam/x", "-an"].map(String::from);
        let veil = Veil::new(&words);
        for said in ["Input #0, rtsp, from 'rtsp://admin:hunter 2@cam/x':", "opening http://u:hunter3@cam/y failed"] {
            let hidden = veil.hide(said);
            assert!(!hidden.contains("hunter"), "{hidden}");
        }
        assert_eq!(veil.hide("Stream #0:0: Video: h264, 25 fps -an"), "Stream #0:0: Video: h264, 25 fps -an");
    }
}
