//! What the newest attempt to open a source did, step by step: for a doctor, and for whoever
//! asks why there is no picture.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::Redacted;

use crate::Phase;

/// Something that an attempt did or found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// It went on to the next thing to wait for.
    Phase(Phase),
    /// A fact that was found out: an address, a transport, another way that is taken.
    Fact(String),
    /// The time by the camera's clock.
    Clock {
        /// How far it is ahead of this machine's (negative: behind), in seconds.
        ahead_s: i64,
    },
    /// What was sent, without what is secret in it.
    Sent(String),
    /// What came back: the head of an answer.
    Answered(String),
}

/// The addresses of a host, as many as one wants to read.
pub(crate) fn shown(addresses: impl IntoIterator<Item = SocketAddr>) -> String {
    const MOST: usize = 4;
    let shown: Vec<_> = addresses.into_iter().take(MOST).map(|address| address.to_string()).collect();
    shown.join(", ")
}

/// A note with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Since the attempt began.
    pub at: Duration,
    /// What.
    pub note: Note,
}

/// Most notes of an attempt; the first ones tell most, and a camera whose pictures are fetched
/// one by one would fill the memory with the others.
pub(crate) const MOST: usize = 64;
/// Most bytes of a note's text.
const MOST_TEXT: usize = 4 << 10;

/// The notes of one attempt.
#[derive(Debug)]
pub(crate) struct Journal {
    began: Instant,
    entries: Vec<Entry>,
    over: Option<Duration>,
}

impl Journal {
    pub(crate) fn new(began: Instant) -> Self {
        Self { began, entries: Vec::new(), over: None }
    }

    /// Begins anew.
    pub(crate) fn restart(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    pub(crate) fn add(&mut self, now: Instant, note: Note) {
        let is_phase = matches!(note, Note::Phase(_));
        // Phases are few, and without the last of them the others tell nothing.
        if self.entries.len() >= MOST && !(is_phase && self.entries.len() < 2 * MOST) {
            return;
        }
        let note = match note {
            Note::Phase(_) | Note::Clock { .. } => note,
            Note::Fact(text) => Note::Fact(cut(text)),
            Note::Sent(text) => Note::Sent(cut(text)),
            Note::Answered(text) => Note::Answered(cut(text)),
        };
        self.entries.push(Entry { at: now.saturating_duration_since(self.began), note });
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.clone()
    }

    /// The attempt is over.
    pub(crate) fn end(&mut self, now: Instant) {
        self.over = Some(now.saturating_duration_since(self.began));
    }

    /// How long the attempt took, if it is over.
    pub(crate) fn over(&self) -> Option<Duration> {
        self.over
    }
}

fn cut(mut text: String) -> String {
    if text.len() > MOST_TEXT {
        let end = (0..=MOST_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// The head of a request without the words that let somebody in.
pub(crate) fn without_secrets(head: &str) -> String {
    let is_secret = |line: &str| {
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        ["authorization", "proxy-authorization", "cookie", "set-cookie"].contains(&name.as_str())
    };
    let shown = |line: &str| match is_secret(line) {
        true => format!("{}: …", line.split(':').next().unwrap_or_default()),
        // Cameras want them in the query, too.
        false => Redacted(line).to_string(),
    };
    head.trim_end().lines().map(shown).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_somebody_in_is_not_noted() {
        let head = "GET / HTTP/1.1\r\nHost: cam\r\nAuthorization: Basic YWRtaW46aHVudGVyMg==\r\nCookie: id=3\r\n\r\n";
        assert_eq!(without_secrets(head), "GET / HTTP/1.1\nHost: cam\nAuthorization: …\nCookie: …");
        let asked = "GET /x.cgi?user=admin&pwd=hunter2&a=1 HTTP/1.1\r\nHost: cam:81\r\n\r\n";
        assert_eq!(without_secrets(asked), "GET /x.cgi?user=admin&pwd=***&a=1 HTTP/1.1\nHost: cam:81");
        let answered = "HTTP/1.1 302 Found\r\nLocation: http://a:hunter2@cam/y?password=hunter2\r\n\r\n";
        assert!(!without_secrets(answered).contains("hunter2"), "{}", without_secrets(answered));
    }

    #[test]
    fn a_camera_that_talks_without_end_does_not_fill_the_memory() {
        let mut journal = Journal::new(Instant::now());
        for _ in 0..10_000 {
            journal.add(Instant::now(), Note::Answered("ä".repeat(10_000)));
            journal.add(Instant::now(), Note::Phase(Phase::Connect));
        }
        let entries = journal.entries();
        assert_eq!(entries.len(), 2 * MOST);
        assert!(entries.iter().all(|entry| !matches!(&entry.note, Note::Answered(text) if text.len() > MOST_TEXT)));
    }
}
