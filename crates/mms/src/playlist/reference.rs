//! Text files: `[Reference]`, and URLs one a line.

use super::{Entry, MAX_ENTRIES, Playlist, resolve};

/// `[Reference]`: each `RefN=` is an alternative of the same stream.
pub fn parse(text: &str, base: &str) -> Playlist {
    let mut entry = Entry::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        let key = key.trim().to_ascii_lowercase();
        let number = key.strip_prefix("ref").unwrap_or("-");
        if number.chars().all(|c| c.is_ascii_digit()) {
            entry.add(base, value);
        }
    }
    let mut playlist = Playlist::default();
    playlist.push(entry);
    playlist
}

/// A URL a line; lines that are none, such as comments, are passed over.
pub fn lines(text: &str, base: &str) -> Playlist {
    let mut playlist = Playlist::default();
    for line in text.lines().map(str::trim).filter(|line| resolve::is_url(line)).take(MAX_ENTRIES) {
        let mut entry = Entry::new();
        entry.add(base, line);
        playlist.push(entry);
    }
    playlist
}

/// The first line that says something.
pub fn first_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))
}
