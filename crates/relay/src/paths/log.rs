//! `CustomLog`: a line for each request, when it is over.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use ::config::{Config, LogFile, LogFormat, Problem};
use jiff::Zoned;

/// Most characters of a word that somebody else has written.
const MOST: usize = 256;

/// Where lines go.
pub(super) struct Log {
    format: LogFormat,
    path: Option<PathBuf>,
    out: Mutex<Out>,
    is_failing: AtomicBool,
}

enum Out {
    Nowhere,
    Stdout,
    File(File),
}

/// A request that is over.
pub(super) struct Line<'a> {
    pub(super) peer: &'a str,
    pub(super) method: &'a str,
    /// Path and query.
    pub(super) target: &'a str,
    pub(super) protocol: &'a str,
    pub(super) status: u16,
    pub(super) bytes: u64,
    pub(super) referer: &'a str,
    pub(super) agent: &'a str,
}

impl Log {
    /// The log of `config`.
    pub(super) fn open(config: &Config) -> Result<Self, Problem> {
        let (path, out) = match &config.custom_log {
            None => (None, Out::Nowhere),
            Some(LogFile::Stdout) => (None, Out::Stdout),
            Some(LogFile::File(path)) => match append(path) {
                Ok(file) => (Some(path.clone()), Out::File(file)),
                Err(error) => {
                    let message = format!("CustomLog {}: {error}", path.display());
                    return Err(Problem { line: 0, severity: ::config::Severity::Error, message });
                }
            },
        };
        Ok(Self { format: config.log_format, path, out: Mutex::new(out), is_failing: AtomicBool::new(false) })
    }

    pub(super) fn reopen(&self) -> io::Result<()> {
        if let Some(path) = &self.path {
            *self.out.lock().unwrap_or_else(PoisonError::into_inner) = Out::File(append(path)?);
        }
        Ok(())
    }

    /// Writes a line. One that cannot be written is lost, which is told once.
    pub(super) fn write(&self, line: &Line<'_>) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match &*out {
            Out::Nowhere => return,
            _ => self.text(line, &Zoned::now()),
        };
        let written = match &mut *out {
            Out::Nowhere => Ok(()),
            Out::Stdout => io::stdout().lock().write_all(text.as_bytes()),
            Out::File(file) => file.write_all(text.as_bytes()),
        };
        match written {
            Ok(()) => self.is_failing.store(false, Relaxed),
            Err(error) if !self.is_failing.swap(true, Relaxed) => {
                tracing::warn!(%error, "the log of requests cannot be written; lines are lost");
            }
            Err(_) => {}
        }
    }

    fn text(&self, line: &Line<'_>, now: &Zoned) -> String {
        let Line { peer, method, target, protocol, status, bytes, referer, agent } = line;
        let target = plain(target);
        match self.format {
            // Only in form Apache's: the method has the date's place.
            LogFormat::Ffserver => {
                let time = now.strftime("%a %b %e %H:%M:%S %Y");
                format!("{time} {peer} - - [{method}] \"{target} {protocol}\" {status} {bytes}\n")
            }
            LogFormat::Combined => {
                let time = now.strftime("%d/%b/%Y:%H:%M:%S %z");
                let (referer, agent) = (or_dash(referer), or_dash(agent));
                format!(
                    "{peer} - - [{time}] \"{method} {target} {protocol}\" {status} {bytes} \"{referer}\" \"{agent}\"\n"
                )
            }
        }
    }
}

fn append(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".into() } else { plain(text) }
}

/// `text` in one line, and without what would end a quoted word: others have written it.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars().take(MOST) {
        match c {
            '"' | '\\' => plain.extend(['\\', c]),
            c if c.is_control() => plain.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_look_as_ffservers_or_as_apaches() {
        let now: Zoned = "2026-11-22T06:35:03[UTC]".parse().unwrap();
        let line = Line {
            peer: "127.0.0.1",
            method: "GET",
            target: "/cam2.mjpeg",
            protocol: "HTTP/1.1",
            status: 200,
            bytes: 725_682,
            referer: "",
            agent: "a \"b\"\n",
        };
        let text = |format| {
            let config = Config { log_format: format, ..Config::default() };
            Log::open(&config).unwrap().text(&line, &now)
        };
        assert_eq!(
            text(LogFormat::Ffserver),
            "Sun Nov 22 06:35:03 2026 127.0.0.1 - - [GET] \"/cam2.mjpeg HTTP/1.1\" 200 725682\n"
        );
        assert_eq!(
            text(LogFormat::Combined),
            "127.0.0.1 - - [22/Nov/2026:06:35:03 +0000] \"GET /cam2.mjpeg HTTP/1.1\" 200 725682 \"-\" \"a \\\"b\\\"\\x0a\"\n"
        );
    }
}
