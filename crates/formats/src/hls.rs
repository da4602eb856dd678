//! Playlists of HLS (RFC 8216, and draft-pantos-hls-rfc8216bis for parts): what there is to fetch.
//!
//! [`Playlist::parse`] takes a list apart, [`Follower`] says which piece comes next while the list
//! grows. Both are handed text and opened nothing: who fetches is told what and when.

mod decrypt;
mod follow;
mod lines;
mod uris;

pub use decrypt::{BLOCK, Decrypter, Key};
pub use follow::{Fetch, Follower, Next};
pub use uris::with_uris;

use std::sync::Arc;
use std::time::Duration;

use crate::Error;
use decrypt::Said;
use lines::Lines;

/// Most pieces of a list: segments and parts together.
pub const MOST_PIECES: usize = 32 << 10;
/// Most variants of a main list.
pub const MOST_VARIANTS: usize = 256;
/// Most bytes of a URI.
pub const MOST_URI: usize = 4 << 10;

/// A list of lists, or of pieces.
#[derive(Clone, Debug, PartialEq)]
pub enum Playlist {
    /// The same content in several bit rates (RFC 8216 section 4.3.4).
    Main(Vec<Variant>),
    /// Pieces in their order (RFC 8216 section 4.3.3).
    Media(Media),
}

/// One of several bit rates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// Its list, relative to that of the main one.
    pub uri: String,
    /// bit/s, the peak; 0 where it is not told.
    pub bandwidth: u64,
    /// Its sound comes in a list of its own.
    pub separate_sound: bool,
}

/// A list of pieces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Media {
    /// No segment is longer, rounded.
    pub target: Duration,
    /// The number of the first segment.
    pub sequence: u64,
    /// Its segments; the last one may be under way, with parts only.
    pub segments: Vec<Segment>,
    /// Nothing more comes.
    pub ended: bool,
    /// Its pieces are encrypted in another way than [`Piece::key`] tells.
    pub encrypted: bool,
    /// Where its keys are, relative to the list, each once where pieces in a row share one.
    pub keys: Vec<Arc<str>>,
    /// It has keyframes only, as for fast forward.
    pub pictures_only: bool,
    /// No part is longer; nothing where there are no parts.
    pub part_target: Option<Duration>,
    /// How far from the end one is to begin, where it says so: with whole segments.
    pub hold_back: Option<Duration>,
    /// The same with parts.
    pub part_hold_back: Option<Duration>,
    /// The server answers a request for what is not there yet when it is (section 6.2.5.2 of the draft).
    pub can_block: bool,
}

/// A segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    /// The whole of it, unless it is under way.
    pub whole: Option<Piece>,
    /// How long it is; while it is under way, its parts.
    pub duration: Duration,
    /// The same in parts, as long as the list has them.
    pub parts: Vec<Part>,
    /// What has to be read before it: the header of fragmented MP4.
    pub map: Option<Piece>,
    /// Its stamps do not go on from those of the segment before.
    pub discontinuity: bool,
    /// It is missing at the server.
    pub gap: bool,
}

/// A part of a segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// Where it is.
    pub piece: Piece,
    /// How long it is.
    pub duration: Duration,
    /// It begins with a keyframe.
    pub independent: bool,
    /// It is missing at the server.
    pub gap: bool,
}

/// What is fetched by one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Relative to the list.
    pub uri: String,
    /// Offset and length in bytes, where it is not all of it.
    pub range: Option<(u64, u64)>,
    /// How it is encrypted, as a whole; nothing where it is not.
    pub key: Option<Key>,
}

/// Whether a body begins as a list does.
#[must_use]
pub fn begins(first: &[u8]) -> bool {
    first.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(first).starts_with(b"#EXTM3U")
}

impl Playlist {
    /// Takes a list apart. What it does not know it passes over.
    ///
    /// # Errors
    /// [`Error::Playlist`] for what is no list, or a longer one than the limits of this module allow.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut reader = Reader::default();
        for line in Lines::new(text)? {
            reader.line(line.0, line.1)?;
        }
        Ok(reader.finish())
    }
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    variants: Vec<Variant>,
    /// Groups of sound that have lists of their own.
    groups: Vec<String>,
    /// Which group each variant names.
    named: Vec<Option<String>>,
    media: Media,
    segment: Segment,
    map: Option<Piece>,
    said: Said,
    range: Option<(u64, Option<u64>)>,
    /// The last piece with a range, behind which the next one begins unless it says so.
    last: Option<Piece>,
    pieces: usize,
    /// The next URI is that of a variant.
    variant: Option<Variant>,
    is_main: bool,
}

impl Reader {
    fn line(&mut self, at: usize, line: &str) -> Result<(), Error> {
        if !line.starts_with('#') {
            return self.uri(at, line);
        }
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        let list = || lines::attributes(value);
        let seconds =
            |name: &str| list().find(|(known, _)| *known == name).and_then(|(_, value)| lines::seconds(value));
        let says = |name: &str, word: &str| list().any(|(known, value)| known == name && value == word);
        let text = |name: &str| list().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
        match tag {
            "#EXT-X-STREAM-INF" => {
                if self.named.len() >= MOST_VARIANTS {
                    return Err(Error::Playlist { line: at, what: format!("more than {MOST_VARIANTS} variants") });
                }
                let bandwidth = text("BANDWIDTH").and_then(|text| text.parse().ok()).unwrap_or(0);
                self.is_main = true;
                self.variant = Some(Variant { bandwidth, ..Variant::default() });
                self.named.push(text("AUDIO"));
            }
            "#EXT-X-MEDIA" if says("TYPE", "AUDIO") && text("URI").is_some() => {
                if self.groups.len() >= MOST_VARIANTS {
                    return Err(Error::Playlist {
                        line: at,
                        what: format!("more than {MOST_VARIANTS} lists of sound"),
                    });
                }
                self.groups.extend(text("GROUP-ID"));
            }
            "#EXT-X-TARGETDURATION" => self.media.target = lines::seconds(value).unwrap_or_default(),
            "#EXT-X-MEDIA-SEQUENCE" => self.media.sequence = value.trim().parse().unwrap_or(0),
            "#EXT-X-ENDLIST" => self.media.ended = true,
            "#EXT-X-I-FRAMES-ONLY" => self.media.pictures_only = true,
            "#EXT-X-KEY" => {
                self.said = Said::of(value);
                self.media.encrypted |= self.said == Said::Otherwise;
                if let Some(key) = self.key().filter(|key| self.media.keys.last() != Some(&key.uri)) {
                    if self.media.keys.len() >= MOST_PIECES {
                        return Err(Error::Playlist { line: at, what: format!("more than {MOST_PIECES} keys") });
                    }
                    self.media.keys.push(key.uri);
                }
            }
            "#EXT-X-DISCONTINUITY" => self.segment.discontinuity = true,
            "#EXT-X-GAP" => self.segment.gap = true,
            "#EXTINF" => self.segment.duration = lines::seconds(value).unwrap_or_default(),
            "#EXT-X-BYTERANGE" => self.range = lines::range(value),
            "#EXT-X-MAP" => {
                let range = text("BYTERANGE").and_then(|text| lines::range(&text));
                let uri = text("URI").unwrap_or_default();
                let range = range.map(|(length, from)| (from.unwrap_or(0), length));
                self.map = Some(Piece { uri, range, key: self.key() });
            }
            "#EXT-X-SKIP" => {
                let skipped = text("SKIPPED-SEGMENTS").and_then(|text| text.parse().ok()).unwrap_or(0);
                self.media.sequence = self.media.sequence.saturating_add(skipped);
            }
            "#EXT-X-PART-INF" => self.media.part_target = seconds("PART-TARGET"),
            "#EXT-X-SERVER-CONTROL" => {
                self.media.can_block = says("CAN-BLOCK-RELOAD", "YES");
                self.media.hold_back = seconds("HOLD-BACK");
                self.media.part_hold_back = seconds("PART-HOLD-BACK");
            }
            // Of what is encrypted as a whole a part is not the begin of a chain of blocks.
            "#EXT-X-PART" if self.key().is_some() => {}
            "#EXT-X-PART" => {
                let range = text("BYTERANGE").and_then(|text| lines::range(&text));
                let piece = self.piece(text("URI").unwrap_or_default(), range);
                self.segment.parts.push(Part {
                    piece,
                    duration: seconds("DURATION").unwrap_or_default(),
                    independent: says("INDEPENDENT", "YES"),
                    gap: says("GAP", "YES"),
                });
                self.count(at)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn uri(&mut self, at: usize, line: &str) -> Result<(), Error> {
        if let Some(variant) = self.variant.take() {
            self.variants.push(Variant { uri: line.to_owned(), ..variant });
            return Ok(());
        }
        let range = self.range.take();
        let mut segment = std::mem::take(&mut self.segment);
        // The parts of a segment have counted the range on; the whole of it begins anew.
        segment.whole = Some(self.piece(line.to_owned(), range));
        segment.map.clone_from(&self.map);
        self.media.segments.push(segment);
        self.count(at)
    }

    fn piece(&mut self, uri: String, range: Option<(u64, Option<u64>)>) -> Piece {
        let range = range.map(|(length, from)| {
            let behind = self.last.as_ref().filter(|last| last.uri == uri).and_then(|last| last.range);
            let behind = behind.map_or(0, |(from, length)| from.saturating_add(length));
            (from.unwrap_or(behind), length)
        });
        let piece = Piece { uri, range, key: self.key() };
        self.last = Some(piece.clone());
        piece
    }

    /// Of the segment that comes next.
    fn key(&self) -> Option<Key> {
        self.said.key(self.media.sequence.saturating_add(self.media.segments.len() as u64))
    }

    fn count(&mut self, at: usize) -> Result<(), Error> {
        self.pieces += 1;
        if self.pieces > MOST_PIECES {
            return Err(Error::Playlist { line: at, what: format!("more than {MOST_PIECES} pieces") });
        }
        Ok(())
    }

    fn finish(mut self) -> Playlist {
        if self.is_main {
            for (variant, named) in self.variants.iter_mut().zip(&self.named) {
                variant.separate_sound = named.as_ref().is_some_and(|group| self.groups.contains(group));
            }
            return Playlist::Main(self.variants);
        }
        if !self.media.keys.is_empty() {
            (self.media.part_target, self.media.part_hold_back) = (None, None);
        }
        if !self.segment.parts.is_empty() {
            self.segment.map.clone_from(&self.map);
            self.segment.duration = self.segment.parts.iter().map(|part| part.duration).sum();
            self.media.segments.push(self.segment);
        }
        Playlist::Media(self.media)
    }
}

#[cfg(test)]
mod tests;
