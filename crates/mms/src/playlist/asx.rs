//! ASX, read by its tags: what the file is as XML does not matter, since most are none.

use std::time::Duration;

use super::{Entry, Kind, MAX_ENTRIES, Playlist, resolve, text};
use tags::{Tags, Token};

mod tags;

/// What a text that begins with `<` is; all in lower case.
pub fn kind(lower: &str) -> Option<Kind> {
    for token in Tags::new(lower) {
        match token {
            Token::Open { name: "asx" | "smil" | "wpl" | "entry" | "entryref" | "ref", .. } => return Some(Kind::Asx),
            Token::Open { name: "html" | "head" | "body", .. } => return Some(Kind::Html),
            Token::Open { name: "!doctype", attributes, .. } if attributes.iter().any(|(name, _)| *name == "html") => {
                return Some(Kind::Html);
            }
            _ => (),
        }
    }
    None
}

/// The title of a page.
pub fn page_title(page: &str) -> Option<String> {
    let mut tags = Tags::new(page);
    tags.find(|token| matches!(token, Token::Open { name, .. } if name.eq_ignore_ascii_case("title")))?;
    match tags.next()? {
        Token::Text(title) => text::title(title),
        _ => None,
    }
}

pub fn parse(text: &str, base: &str) -> Playlist {
    let mut reader = Reader {
        base: base.to_owned(),
        playlist: Playlist::default(),
        entry: None,
        repeats: Vec::new(),
        depth: 0,
        title: false,
    };
    for token in Tags::new(text) {
        reader.token(token);
    }
    reader.end_entry();
    while !reader.repeats.is_empty() {
        reader.end_repeat();
    }
    reader.playlist
}

/// Most levels of `REPEAT` that are heeded.
const MAX_DEPTH: usize = 8;

struct Reader {
    base: String,
    playlist: Playlist,
    entry: Option<Entry>,
    /// Where each open `REPEAT` begins, and how often it is played; endless if not said.
    repeats: Vec<(usize, Option<usize>)>,
    /// Levels of `REPEAT` beyond those.
    depth: usize,
    /// The next text is a title.
    title: bool,
}

impl Reader {
    fn token(&mut self, token: Token) {
        let titled = std::mem::take(&mut self.title);
        match token {
            Token::Text(words) if titled => {
                let title = match &mut self.entry {
                    Some(entry) => &mut entry.title,
                    None => &mut self.playlist.title,
                };
                *title = title.take().or_else(|| text::title(words));
            }
            Token::Text(_) => (),
            Token::Open { name, attributes, closed } => {
                let attribute = |wanted: &str| {
                    attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, v)| &v[..])
                };
                self.open(&name.to_ascii_lowercase(), &attribute, closed);
            }
            Token::Close(name) if name.eq_ignore_ascii_case("entry") => self.end_entry(),
            Token::Close(name) if name.eq_ignore_ascii_case("repeat") => {
                self.end_entry();
                if self.depth > 0 {
                    self.depth -= 1;
                } else {
                    self.end_repeat();
                }
            }
            Token::Close(_) => (),
        }
    }

    fn open<'a>(&mut self, name: &str, attribute: &dyn Fn(&str) -> Option<&'a str>, closed: bool) {
        let says = |name: &str, word: &str| attribute(name).is_some_and(|said| said.trim().eq_ignore_ascii_case(word));
        match name {
            "entry" => {
                self.end_entry();
                let mut entry = Entry::new();
                entry.skippable = !says("clientskip", "no");
                entry.skip_if_ref = says("skipifref", "yes");
                entry.add(&self.base, attribute("href").unwrap_or(""));
                self.entry = Some(entry);
                if closed {
                    self.end_entry();
                }
            }
            // In ASX, and the same of WPL.
            "ref" | "media" => {
                let url = attribute("href").or(attribute("src")).unwrap_or("");
                match &mut self.entry {
                    Some(entry) => entry.add(&self.base, url),
                    None => {
                        let mut entry = Entry::new();
                        entry.add(&self.base, url);
                        self.playlist.push(entry);
                    }
                }
            }
            "entryref" => {
                let mut entry = Entry::new();
                entry.add(&self.base, attribute("href").unwrap_or(""));
                entry.playlist_ref = true;
                entry.skippable = !says("clientskip", "no");
                self.playlist.push(entry);
            }
            "base" => {
                if let Some(base) = attribute("href").and_then(|url| resolve::resolve(&self.base, url)) {
                    self.base = base;
                }
            }
            "starttime" | "duration" => {
                let time = attribute("value").and_then(time);
                if let Some(entry) = &mut self.entry {
                    let place = if name == "duration" { &mut entry.duration } else { &mut entry.start };
                    *place = place.or(time);
                }
            }
            "repeat" if !closed => {
                self.end_entry();
                if self.repeats.len() < MAX_DEPTH {
                    let count = attribute("count").and_then(|count| count.trim().parse().ok());
                    self.repeats.push((self.playlist.entries.len(), count));
                } else {
                    self.depth += 1;
                }
            }
            "title" => self.title = !closed,
            _ => (),
        }
    }

    fn end_entry(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.playlist.push(entry);
        }
    }

    fn end_repeat(&mut self) {
        let Some((from, count)) = self.repeats.pop() else { return };
        let Some(count) = count else {
            self.playlist.endless |= self.playlist.entries.len() > from;
            return;
        };
        let body = self.playlist.entries.get(from..).unwrap_or_default().to_vec();
        let room = MAX_ENTRIES.saturating_sub(self.playlist.entries.len());
        let more = body.len().saturating_mul(count.saturating_sub(1)).min(room);
        self.playlist.entries.extend(body.iter().cycle().take(more).cloned());
    }
}

/// `hh:mm:ss.f`, or the last one or two of its parts.
fn time(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let mut seconds = 0u64;
    for (n, part) in whole.split(':').enumerate() {
        if n == 3 {
            return None;
        }
        seconds = seconds.checked_mul(60)?.checked_add(u64::from(part.trim().parse::<u32>().ok()?))?;
    }
    let mut nanos = 0;
    for n in 0..9 {
        nanos = nanos * 10 + fraction.chars().nth(n).map_or(Some(0), |digit| digit.to_digit(10))?;
    }
    Some(Duration::new(seconds, nanos))
}
