//! The lines of a list, and what stands in them.

use std::time::Duration;

use super::MOST_URI;
use crate::Error;

/// The longest time that a list may tell of a piece.
const LONGEST: f64 = 24.0 * 3600.0;

/// Lines with their numbers, from 2 on; those without anything are passed over.
pub(super) struct Lines<'a> {
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
}

impl<'a> Lines<'a> {
    /// The lines behind the first one.
    pub(super) fn new(text: &'a str) -> Result<Self, Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.lines().enumerate();
        match lines.next() {
            Some((_, first)) if first.trim_end() == "#EXTM3U" => Ok(Self { lines }),
            other => {
                let found: String = other.map_or("", |(_, first)| first).chars().take(40).collect();
                Err(Error::Playlist { line: 1, what: format!("expected #EXTM3U, found {found:?}") })
            }
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.lines
            .by_ref()
            .map(|(at, line)| (at + 1, line.trim()))
            .find(|(_, line)| !line.is_empty() && (line.starts_with('#') || line.len() <= MOST_URI))
    }
}

/// The attributes of a tag (RFC 8216 section 4.2), quotes taken off.
pub(super) fn attributes(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (name, value) = rest.split_once('=')?;
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => value.split_at(value.find(',').unwrap_or(value.len())),
        };
        rest = behind.strip_prefix(',').unwrap_or(behind);
        Some((name.trim(), value.trim()))
    })
    .filter(|(_, value)| value.len() <= MOST_URI)
}

/// Seconds with a point in them, up to what stands behind.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let number = text.split(',').next()?.trim().parse::<f64>().ok()?;
    (0.0..=LONGEST).contains(&number).then(|| Duration::from_secs_f64(number))
}

/// `length` or `length@offset`.
pub(super) fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (length, from) = text.trim().split_once('@').map_or((text.trim(), None), |(length, from)| (length, Some(from)));
    let from = match from {
        Some(from) => Some(from.parse().ok()?),
        None => None,
    };
    Some((length.parse().ok()?, from))
}
