//! What the body of an answer is.

use crate::Error;
use crate::http::frame::{Deframer, begins_frame};
use crate::http::header::HEADER_OBJECT;
use crate::http::plain::Splitter;
use crate::playlist::{self, Kind, Playlist};

/// A text shows what it is within so many bytes.
const TELLING: usize = 512;

/// The body of an answer.
pub(super) enum Body {
    /// Too few bytes to tell.
    Unknown(Vec<u8>),
    Frames(Deframer),
    Plain(Splitter),
    /// A playlist, a page, or anything else: told at its end.
    Text(Vec<u8>),
    /// What stands in the way of the next answer, and how much of it there was.
    Discard(u64),
}

impl Default for Body {
    fn default() -> Self {
        Self::Unknown(Vec::new())
    }
}

/// What a body begins like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Frames,
    Plain,
    Other,
}

/// What these first bytes begin; nothing as long as they are too few. The type that the server
/// gives is not asked: every one is found with everything.
pub(super) fn look(bytes: &[u8]) -> Option<Look> {
    let magic = &HEADER_OBJECT[..4];
    match begins_frame(bytes) {
        None => None,
        Some(true) => Some(Look::Frames),
        Some(false) if bytes.starts_with(magic) => Some(Look::Plain),
        Some(false) if magic.starts_with(bytes) => None,
        Some(false) => Some(Look::Other),
    }
}

/// Whether a text may still become a playlist.
///
/// # Errors
/// [`Error::NotStream`] as soon as it cannot, [`Error::TooLarge`] when it is one but too long.
pub(super) fn check(text: &[u8], media_type: &str, limit: usize) -> Result<(), Error> {
    let Some(begin) = text.get(..TELLING) else { return Ok(()) };
    match playlist::looks_like(begin) {
        None => {
            let kind = if media_type.is_empty() { "of an unknown type" } else { media_type };
            let what = format!("the answer is {kind}, neither a stream of Windows Media nor a playlist");
            Err(Error::NotStream { what, page: false })
        }
        Some(_) if text.len() <= limit => Ok(()),
        Some(Kind::Html) => Err(match playlist::parse(&text[..limit], "") {
            Err(error) => error,
            Ok(_) => {
                Error::NotStream { what: "the answer is a page for browsers, not a stream".to_owned(), page: true }
            }
        }),
        // However much has come by now, it is more than is accepted.
        Some(_) => Err(Error::TooLarge { what: "a playlist", size: limit as u64 + 1, limit: limit as u64 }),
    }
}

/// The URLs of a playlist, in the order in which to try them.
///
/// What may not be skipped is an advertisement before what was asked for.
pub(super) fn streams(playlist: &Playlist) -> Vec<String> {
    let (skippable, rest): (Vec<_>, Vec<_>) = playlist.entries.iter().partition(|entry| entry.skippable);
    skippable.into_iter().chain(rest).flat_map(|entry| entry.alternatives.iter().cloned()).collect()
}
