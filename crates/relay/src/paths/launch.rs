//! `Launch`: programs that feed, kept running.
//!
//! A program is run as it is written, with the feed's URL behind its arguments. Whenever it
//! ends it is run again, after a pause that grows while it lives only briefly. What it says
//! is in the log.

use std::collections::HashMap;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ::config::{Config, Feed};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// The first pause before a program is run again, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// A program that has lived for so long is well, and is run again after the first pause.
const LONG_LIFE: Duration = Duration::from_secs(60);
/// Most bytes of a line that are logged.
const MOST_LINE: usize = 500;
/// Most lines of a program that are logged in a second.
const MOST_LINES: u32 = 20;
/// Bytes read of what a program says at a time.
const READ: usize = 4096;

/// The programs of a configuration.
#[derive(Default)]
pub(super) struct Launches(Mutex<State>);

#[derive(Default)]
struct State {
    /// Where this server is, as `http://127.0.0.1:8090`; nothing until it listens.
    base: Option<String>,
    running: HashMap<String, Launch>,
}

/// A program that is kept running; killed when dropped.
struct Launch {
    words: Vec<String>,
    pid: Arc<Mutex<Option<u32>>>,
    task: AbortHandle,
}

impl Drop for Launch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Launches {
    /// From now on feeds are at `base`.
    pub(super) fn begin(&self, base: String, config: &Config) {
        lock(&self.0).base = Some(base);
        self.follow(config);
    }

    /// Runs what `config` says and nothing else. What is running already goes on.
    pub(super) fn follow(&self, config: &Config) {
        let mut state = lock(&self.0);
        let Some(base) = state.base.clone() else { return };
        state.running.retain(|name, launch| {
            config.feed(name).is_some_and(|feed| feed.source.is_none() && feed.launch == launch.words)
        });
        for feed in config.feeds.iter().filter(|feed| feed.source.is_none() && !feed.launch.is_empty()) {
            state.running.entry(feed.name.clone()).or_insert_with(|| {
                let pid = Arc::new(Mutex::new(None));
                let keep = keep(feed.name.clone(), command_line(feed, &base), Arc::clone(&pid));
                Launch { words: feed.launch.clone(), pid, task: tokio::spawn(keep).abort_handle() }
            });
        }
    }

    /// The number of the process that feeds the feed called `name`, if one runs.
    pub(super) fn pid(&self, name: &str) -> Option<u32> {
        let state = lock(&self.0);
        state.running.get(name).and_then(|launch| *lock(&launch.pid))
    }
}

/// The program and its arguments, the feed's URL last.
///
/// ffmpeg guessed ffserver's own format from the URL, and cannot any more: where no format is
/// named for it, it is told one.
fn command_line(feed: &Feed, base: &str) -> Vec<String> {
    let mut words = feed.launch.clone();
    let program = words.first().and_then(|word| Path::new(word).file_name()).and_then(|name| name.to_str());
    let names_format = words.len() > 2 && words[words.len() - 2] == "-f";
    if program == Some("ffmpeg") && !names_format {
        words.extend(["-f".to_owned(), "matroska".to_owned()]);
    }
    words.push(format!("{base}/{}", feed.name));
    words
}

/// Runs a program again and again.
async fn keep(feed: String, words: Vec<String>, pid: Arc<Mutex<Option<u32>>>) {
    let mut pause = PAUSE.0;
    loop {
        let began = Instant::now();
        match run(&feed, &words, &pid).await {
            Ok(status) => {
                tracing::warn!(feed, program = words[0], %status, lived_s = began.elapsed().as_secs(), "launched program ended");
            }
            Err(error) => tracing::error!(feed, program = words[0], %error, "cannot launch"),
        }
        *lock(&pid) = None;
        if began.elapsed() >= LONG_LIFE {
            pause = PAUSE.0;
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// Runs a program to its end.
async fn run(feed: &str, words: &[String], pid: &Mutex<Option<u32>>) -> std::io::Result<ExitStatus> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    tracing::info!(feed, program = words[0], pid = child.id(), "launched");
    *lock(pid) = child.id();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (_, _, status) = tokio::join!(tell(feed, out), tell(feed, err), child.wait());
    status
}

/// Logs what a program says, line by line.
async fn tell(feed: &str, from: Option<impl AsyncRead + Unpin>) {
    let Some(mut from) = from else { return };
    let mut lines = Lines::default();
    let mut piece = [0; READ];
    while let Ok(count) = from.read(&mut piece).await {
        if count == 0 {
            break;
        }
        lines.handle_bytes(Instant::now(), &piece[..count], |line| tracing::info!(feed, "{line}"));
    }
}

/// Lines of a program that says more than anybody reads.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    /// The cursor went back to the line's beginning.
    is_returned: bool,
    second: Option<Instant>,
    count: u32,
}

impl Lines {
    fn handle_bytes(&mut self, now: Instant, bytes: &[u8], mut tell: impl FnMut(&str)) {
        for byte in bytes {
            if std::mem::replace(&mut self.is_returned, *byte == b'\r') && *byte != b'\n' {
                // What was there is written over, as progress is.
                self.line.clear();
            }
            match byte {
                b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    if self.second.is_none_or(|second| now >= second + Duration::from_secs(1)) {
                        (self.second, self.count) = (Some(now), 0);
                    }
                    self.count += 1;
                    let text = String::from_utf8_lossy(&line);
                    let text: String = text.chars().filter(|c| !c.is_control()).collect();
                    if self.count <= MOST_LINES && !text.trim().is_empty() {
                        tell(&media::Redacted(text.trim()).to_string());
                    }
                }
                b'\r' => {}
                _ if self.line.len() < MOST_LINE => self.line.push(*byte),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_last_and_ffmpeg_is_told_a_format_where_none_is_named() {
        let line = |words: &str| {
            let launch = words.split(' ').map(str::to_owned).collect();
            let feed = Feed { name: "cam2.ffm".into(), launch, ..Feed::default() };
            command_line(&feed, "http://127.0.0.1:8090").join(" ")
        };
        let url = "http://127.0.0.1:8090/cam2.ffm";
        assert_eq!(line("ffmpeg -i x"), format!("ffmpeg -i x -f matroska {url}"));
        assert_eq!(line("/usr/bin/ffmpeg -f v4l2 -i x"), format!("/usr/bin/ffmpeg -f v4l2 -i x -f matroska {url}"));
        assert_eq!(line("ffmpeg -i x -f mpegts"), format!("ffmpeg -i x -f mpegts {url}"));
        assert_eq!(line("feed.sh a"), format!("feed.sh a {url}"));
    }

    #[test]
    fn lines_are_told_whole_in_any_slices_and_not_too_many() {
        let said = b"one\r\nframe=1\rframe=2\rtwo \x1b[1m\n\nrtsp://a:secret@cam\n";
        for size in 1..said.len() {
            let (mut lines, mut told, now) = (Lines::default(), Vec::new(), Instant::now());
            for slice in said.chunks(size) {
                lines.handle_bytes(now, slice, |line| told.push(line.to_owned()));
            }
            assert_eq!(told, ["one", "two [1m", "rtsp://a:***@cam"], "in slices of {size}");
        }
        let (mut lines, mut told, now) = (Lines::default(), 0, Instant::now());
        lines.handle_bytes(now, &b"x\n".repeat(1000), |_| told += 1);
        assert_eq!(told, MOST_LINES);
        lines.handle_bytes(now + Duration::from_secs(1), b"y\n", |_| told += 1);
        assert_eq!(told, MOST_LINES + 1);
        let mut longest = 0;
        lines.handle_bytes(now, &[&b"z".repeat(5000)[..], b"\n"].concat(), |line| longest = line.len());
        assert_eq!(longest, MOST_LINE);
    }
}
