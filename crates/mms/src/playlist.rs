//! Playlists that stand where a stream was expected: ASX and its kin, `[Reference]`, a URL in a
//! text file.
//!
//! They are read as players read them and not as their documentation would have them: tags in
//! any case, attributes without quotes, `&` as it comes, any encoding. What is no playlist but
//! often found in its place, a page or a multicast announcement, is recognised and refused with
//! a reason.
//!
//! Relative URLs come out absolute. A playlist from the network names no file of this machine:
//! of other schemes than those of streams nothing is left.

use std::time::Duration;

use crate::Error;

mod asx;
mod reference;
mod resolve;
mod text;

pub(crate) use resolve::resolve;

/// Most bytes of a playlist.
pub const MAX_BYTES: usize = 256 << 10;
/// Most entries; what a file repeats counts each time.
pub const MAX_ENTRIES: usize = 256;
/// Most alternatives of an entry.
pub const MAX_ALTERNATIVES: usize = 16;
/// Most bytes of a URL; longer ones are left out.
pub const MAX_URL: usize = 4096;
/// Most characters of a title; the rest is cut off.
pub const MAX_TITLE: usize = 256;

/// What is to be played, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Playlist {
    /// Its title.
    pub title: Option<String>,
    /// At least one.
    pub entries: Vec<Entry>,
    /// Part of it, or all, is to be repeated until the user stops. It stands in `entries` once.
    pub endless: bool,
}

/// One thing to play.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Absolute URLs, at least one: the first that can be opened is played.
    pub alternatives: Vec<String>,
    /// Its title.
    pub title: Option<String>,
    /// Where in the content to begin.
    pub start: Option<Duration>,
    /// How much to play.
    pub duration: Option<Duration>,
    /// The URL is that of another playlist, whose entries stand for this one.
    pub playlist_ref: bool,
    /// To be left out when this playlist is read because of a [`Entry::playlist_ref`].
    pub skip_if_ref: bool,
    /// The user may skip it. Advertisements often say that one may not.
    pub skippable: bool,
}

/// What a body looks like that is no stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ASX, WAX, WVX, WMX, or WPL.
    Asx,
    /// A text file with `[Reference]` in its first line.
    Reference,
    /// A text file with a URL in its first line.
    Url,
    /// A multicast announcement (`.nsc`).
    Nsc,
    /// A page for browsers.
    Html,
}

/// What `bytes`, the begin of a body, look like; nothing if not like any text known here. A few
/// hundred bytes suffice.
#[must_use]
pub fn looks_like(bytes: &[u8]) -> Option<Kind> {
    kind(&text::decode(bytes.get(..bytes.len().min(SNIFFED)).unwrap_or_default()))
}

/// Reads the playlist that came from `base`, an absolute URL.
///
/// # Errors
/// [`Error::TooLarge`] above [`MAX_BYTES`]; [`Error::NotStream`] for a page, for what is no
/// playlist and for one without an entry; [`Error::Unsupported`] for a multicast announcement.
pub fn parse(bytes: &[u8], base: &str) -> Result<Playlist, Error> {
    if bytes.len() > MAX_BYTES {
        return Err(Error::TooLarge { what: "playlist", size: bytes.len() as u64, limit: MAX_BYTES as u64 });
    }
    let text = text::decode(bytes);
    let playlist = match kind(&text) {
        Some(Kind::Asx) => asx::parse(&text, base),
        Some(Kind::Reference) => reference::parse(&text, base),
        Some(Kind::Url) => reference::lines(&text, base),
        Some(Kind::Nsc) => {
            return Err(Error::Unsupported {
                what: "the answer announces a multicast (.nsc), which cannot be received; ask for the unicast URL"
                    .to_owned(),
            });
        }
        Some(Kind::Html) => {
            let title = asx::page_title(&text).map_or_else(String::new, |title| format!(" titled {title:?}"));
            return Err(Error::NotStream {
                what: format!("the answer is a page for browsers{title}, not a stream"),
                page: true,
            });
        }
        None => {
            return Err(Error::NotStream {
                what: "the answer is neither a stream nor a playlist".to_owned(),
                page: false,
            });
        }
    };
    if playlist.entries.is_empty() {
        return Err(Error::NotStream { what: "the playlist names no stream".to_owned(), page: false });
    }
    Ok(playlist)
}

/// An ASX file with one entry, whose alternatives are `urls`. It is UTF-8.
#[must_use]
pub fn asx(title: &str, urls: &[String]) -> String {
    let mut asx = String::from("<ASX VERSION=\"3.0\">\r\n<PARAM NAME=\"Encoding\" VALUE=\"utf-8\"/>\r\n");
    asx.push_str(&format!("<TITLE>{}</TITLE>\r\n<ENTRY>\r\n", text::escape(title)));
    for url in urls {
        asx.push_str(&format!("<REF HREF=\"{}\"/>\r\n", text::escape(url)));
    }
    asx.push_str("</ENTRY>\r\n</ASX>\r\n");
    asx
}

impl Playlist {
    /// Adds an entry unless it names nothing, or there are enough.
    fn push(&mut self, entry: Entry) {
        if !entry.alternatives.is_empty() && self.entries.len() < MAX_ENTRIES {
            self.entries.push(entry);
        }
    }
}

impl Entry {
    fn new() -> Self {
        Self { skippable: true, ..Self::default() }
    }

    /// Adds what `reference` means at `base`, if that is a stream's URL.
    fn add(&mut self, base: &str, reference: &str) {
        if self.alternatives.len() < MAX_ALTERNATIVES
            && let Some(url) = resolve(base, reference)
            && !self.alternatives.contains(&url)
        {
            self.alternatives.push(url);
        }
    }
}

/// How much of a body decides what it is.
const SNIFFED: usize = 2048;

fn kind(text: &str) -> Option<Kind> {
    let start = text.trim_start();
    let end = (0..=SNIFFED.min(start.len())).rev().find(|at| start.is_char_boundary(*at)).unwrap_or(0);
    let head = &start[..end];
    let lower = head.to_ascii_lowercase();
    if lower.starts_with('<') {
        return asx::kind(&lower);
    }
    match lower.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some(("reference", _)) => Some(Kind::Reference),
        Some(("address", _)) => Some(Kind::Nsc),
        Some(_) => None,
        None => reference::first_line(head).filter(|line| resolve::is_url(line)).map(|_| Kind::Url),
    }
}

#[cfg(test)]
mod tests;
