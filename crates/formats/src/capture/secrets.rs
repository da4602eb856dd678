//! Takes secrets out of what is captured, and leaves everything where it is.
//!
//! What lets somebody in is replaced by as many asterisks: the words that are known (passwords,
//! in every form in which they are sent), and what stands where such words stand (headers of
//! logins and cookies, parameters of URLs, elements of XML and members of JSON whose names say so,
//! answers to NTLM). Lengths stay, so that what is played says how long it is, as it did. Of what
//! the camera sends only text is looked into: a picture that happens to hold the bytes of a
//! password stays as it is.
//!
//! What is sent comes in pieces, and a secret may be cut by them anywhere. A value whose begin was
//! found has a [`State`] that goes on in the next piece; the name before it is found again in what
//! was given out last, the *context*; and the begin of a known word, or of a login in a URL, is held
//! back until it is known what it is.

mod places;
mod value;
mod words;

use std::ops::Range;
use std::sync::Arc;

use memchr::memmem;

use self::places::{HEADERS, MOST_KEY, Place};
use self::value::State;
use self::words::Word;
use super::Side;

/// Words shorter than this are found only where secrets stand: everything is full of them.
const LEAST: usize = 4;
/// So many bytes are in no picture by chance.
const NO_CHANCE: usize = 8;
/// Words of protocols: a password that is one of them is found only where secrets stand, since
/// nothing could be played without them.
const PLAIN: &[&str] = &[
    "video",
    "audio",
    "application",
    "rtsp",
    "http",
    "https",
    "multipart",
    "mixed",
    "replace",
    "image",
    "jpeg",
    "h264",
    "h265",
    "rtpmap",
    "fmtp",
    "session",
    "control",
    "stream",
    "track",
    "interleaved",
    "unicast",
    "transport",
    "content",
    "length",
    "type",
    "boundary",
    "digest",
    "basic",
    "realm",
    "nonce",
    "ntlm",
    "close",
    "keep-alive",
    "1.0 200",
    "200 ok",
];
/// How much of what was given out is looked at again, in bytes: the longest name, with what is around
/// it, and what has to be text before it.
const CONTEXT: usize = 2 * MOST_KEY + TEXT;
/// How much before a word of the camera's has to be text, in bytes.
const TEXT: usize = 24;
/// The longest user and password in a URL, in bytes.
const MOST_AUTHORITY: usize = 1024;
/// Most of these may be of other alphabets.
const MOST_FOREIGN: usize = 4;
/// What a POST carries that takes requests of RTSP.
const TUNNEL: &[u8] = b"Content-Type: application/x-rtsp-tunnelled\r\n";

/// What has to be taken out.
#[derive(Debug, Default)]
pub struct Secrets {
    words: Vec<Word>,
    /// In small letters.
    headers: Vec<String>,
    /// The longest of them, in bytes.
    longest: usize,
}

impl Secrets {
    /// Of these words, in every form in which they are sent, and of the values of these headers
    /// besides those that are always secret.
    #[must_use]
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>, headers: impl IntoIterator<Item = &'a str>) -> Self {
        let known = words.into_iter().filter(|word| word.len() >= LEAST);
        let mut known: Vec<_> =
            known.filter(|word| !PLAIN.iter().any(|plain| plain.eq_ignore_ascii_case(word))).collect();
        known.sort_unstable();
        known.dedup();
        let words = known.into_iter().map(Word::new).collect();
        let headers: Vec<_> = HEADERS.iter().copied().chain(headers).map(str::to_ascii_lowercase).collect();
        let longest = headers.iter().map(String::len).max().unwrap_or(0);
        Self { words, headers, longest }
    }

    /// A text of ours without them.
    #[must_use]
    pub fn out_of(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        self.mask_words(&mut bytes, 0, Side::Us);
        self.mask_values(&mut bytes, 0, Side::Us, true, &mut Progress::default());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Masks the words in `bytes` that end behind `start`.
    fn mask_words(&self, bytes: &mut [u8], start: usize, side: Side) {
        let words = self.words.iter().flat_map(|word| word.find(bytes)).chain(logins(bytes));
        // A picture may well hold four bytes that are a word, but hardly eight.
        let is_one = |found: &Range<usize>| found.len() >= NO_CHANCE || is_text(bytes, found.start, side);
        let words: Vec<Range<usize>> = words.filter(|found| found.end > start && is_one(found)).collect();
        words.into_iter().for_each(|found| bytes[found.start.max(start)..found.end].fill(b'*'));
    }

    /// Masks values that are secret whatever they are, in `bytes` from `start` on. What is before it
    /// is the context, with which all that was sent begins if `begins`.
    fn mask_values(&self, bytes: &mut [u8], start: usize, side: Side, begins: bool, progress: &mut Progress) {
        let (mut end, _) = progress.state.run(bytes, start);
        let mut places = self.places(bytes, end, side, begins, progress);
        places.sort_unstable_by_key(|place| place.at);
        let mut masked = 0;
        for Place { name, at, mut state } in places {
            // What begins within a value is a part of it.
            if name >= masked && at >= end && progress.state == State::Plain {
                (end, masked) = state.run(bytes, at);
                progress.state = state;
            }
        }
    }

    /// Where values begin that are secret whatever they are.
    fn places(&self, bytes: &[u8], start: usize, side: Side, begins: bool, progress: &mut Progress) -> Vec<Place> {
        let of_both = places::headers(bytes, begins, &self.headers)
            .chain(places::parameters(bytes, begins))
            .chain(places::members(bytes))
            .chain(places::elements(bytes));
        // What is before a name has to be text, unless no picture has the name by chance: messages of
        // WebSockets have heads that are none.
        let is_one = |place: &Place| place.at - place.name >= NO_CHANCE || is_text(bytes, place.name, side);
        let of_both = of_both.filter(|place| place.at >= start && is_one(place));
        let mut found: Vec<Place> = of_both.collect();
        if side == Side::Us {
            found.extend(places::answers(bytes).filter(|place| place.at >= start));
            let marked = memmem::find(bytes, TUNNEL).map(|at| at + TUNNEL.len() - 2);
            if let Some(from) = marked.or(progress.tunnelled.then_some(start.saturating_sub(3))) {
                // What is said from here on is requests in Base64, which nobody looks into.
                progress.tunnelled = true;
                let end = memmem::find(&bytes[from..], b"\r\n\r\n").map(|at| from + at + 4);
                let end = end.filter(|end| *end >= start);
                found.extend(end.map(|end| Place { name: end, at: end, state: State::Rest }));
            }
        }
        found
    }

    /// How many bytes at the end, after `from`, may be the begin of what is to be taken out.
    fn begun(&self, bytes: &[u8], from: usize, side: Side) -> usize {
        let fresh = &bytes[from..];
        let word = self.words.iter().map(|word| word.begun(fresh).0).max().unwrap_or(0);
        // The authority of a URL, in which a password may stand.
        let run = bytes.iter().rev().take(MOST_AUTHORITY).take_while(|byte| !is_login_end(byte) || **byte == b'/');
        let run = &bytes[bytes.len() - run.count()..];
        let authority = memmem::rfind(run, b"://").map_or(0, |at| match run[at + 3..].iter().any(is_login_end) {
            true => 0,
            false => (run.len() - at - 3).min(fresh.len()),
        });
        [word, authority].into_iter().filter(|held| self.is_begin(bytes, *held, side)).max().unwrap_or(0)
    }

    /// Whether so many bytes at the end may be the begin of a secret, for all that is before them.
    fn is_begin(&self, bytes: &[u8], length: usize, side: Side) -> bool {
        length >= NO_CHANCE / 2 && !self.words.is_empty() || is_text(bytes, bytes.len() - length, side)
    }

    /// Masks the begin of a word at the end of `bytes`, if it gives the word away; nothing comes
    /// that would show whether it is one.
    fn mask_begun(&self, bytes: &mut [u8], from: usize, side: Side) {
        for word in &self.words {
            let (length, is_half) = word.begun(&bytes[from..]);
            let at = bytes.len() - length;
            if is_half && self.is_begin(bytes, length, side) {
                bytes[at..].fill(b'*');
            }
        }
    }
}

/// How far one is in what is sent.
#[derive(Debug, Default)]
struct Progress {
    state: State,
    /// A head was begun behind which there is a tunnel.
    tunnelled: bool,
}

/// Takes secrets out of one direction of one stream, in any slices.
#[derive(Debug)]
pub struct Scrubber {
    secrets: Arc<Secrets>,
    side: Side,
    /// What was given out last.
    context: Vec<u8>,
    /// What may be the begin of a secret.
    held: Vec<u8>,
    progress: Progress,
    /// All that was sent begins with the context.
    begins: bool,
}

impl Scrubber {
    /// For what `side` sends.
    #[must_use]
    pub fn new(secrets: Arc<Secrets>, side: Side) -> Self {
        let (context, held, progress) = Default::default();
        Self { secrets, side, context, held, progress, begins: true }
    }

    /// The next bytes without secrets. The end of them may come with the next ones, where a secret
    /// may have begun; none are lost and none come in another order.
    #[must_use]
    pub fn handle(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.run(bytes, false)
    }

    /// What was held back. To be called where a message ends.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        self.run(&[], true)
    }

    fn run(&mut self, bytes: &[u8], is_end: bool) -> Vec<u8> {
        let before = self.context.len();
        let mut all = std::mem::take(&mut self.context);
        all.append(&mut self.held);
        all.extend_from_slice(bytes);
        self.secrets.mask_words(&mut all, before, self.side);
        let held = match is_end {
            true => {
                self.secrets.mask_begun(&mut all, before, self.side);
                0
            }
            false => self.secrets.begun(&all, before, self.side),
        };
        self.held = all.split_off(all.len() - held);
        self.secrets.mask_values(&mut all, before, self.side, self.begins, &mut self.progress);
        if is_end && self.progress.state == State::Message {
            self.progress.state = State::Plain;
        }
        let out = all.split_off(before);
        let most = CONTEXT.max(self.secrets.longest + 2);
        all.extend_from_slice(&out[out.len().saturating_sub(most)..]);
        let over = all.len().saturating_sub(most);
        self.begins &= over == 0 && out.len() <= most;
        self.context = all.split_off(over);
        out
    }
}

fn is_login_end(byte: &u8) -> bool {
    byte.is_ascii_whitespace() || b"/?#\"'<>\0".contains(byte)
}

/// Whether what is before `at` is text, where it has to be.
fn is_text(bytes: &[u8], at: usize, side: Side) -> bool {
    let context = &bytes[at.saturating_sub(TEXT)..at];
    // What follows a picture on the same connection is text from the begin of its first line on.
    let answer = [&b"HTTP/1."[..], b"RTSP/1."].iter().filter_map(|begin| memmem::rfind(context, begin)).max();
    let context = &context[answer.unwrap_or(0)..];
    let is_control = |byte: &u8| *byte < b' ' && !byte.is_ascii_whitespace() || *byte == 0x7f;
    side == Side::Us
        || !context.iter().any(is_control) && context.iter().filter(|byte| !byte.is_ascii()).count() <= MOST_FOREIGN
}

/// The passwords of `//user:password@`.
fn logins(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    memmem::find_iter(bytes, b"://").filter_map(|at| {
        let rest = &bytes[at + 3..];
        let end = rest.iter().position(is_login_end).unwrap_or(rest.len());
        let login = memchr::memrchr(b'@', &rest[..end])?;
        let colon = memchr::memchr(b':', &rest[..login])?;
        Some(at + 3 + colon + 1..at + 3 + login)
    })
}

#[cfg(test)]
mod tests;
