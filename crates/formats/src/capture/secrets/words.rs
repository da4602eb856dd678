//! Words that are known to be secret, in the forms in which they are sent.

use std::ops::Range;

use memchr::memmem::Finder;
use memchr::{memchr_iter, memchr3_iter};

/// Base64 shorter than this is no trace of a word, in characters.
const LEAST_BASE64: usize = 5;
/// The most bytes by which one byte of a word is sent.
const MOST_EXPANDED: usize = 8;
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// One word.
#[derive(Debug)]
pub(super) struct Word {
    text: Vec<u8>,
    /// As it is, in UTF-16, and what it becomes within Base64.
    forms: Vec<Finder<'static>>,
}

/// How a word fits what is sent.
enum Fit {
    /// Up to here.
    Whole(usize),
    /// So much of the word, and then nothing more is there.
    Begun(usize),
    Not,
}

impl Word {
    pub(super) fn new(word: &str) -> Self {
        let text = word.as_bytes().to_vec();
        let wide = |bytes: fn(u16) -> [u8; 2]| word.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let mut forms = vec![text.clone(), wide(u16::to_le_bytes), wide(u16::to_be_bytes)];
        for before in 0..3 {
            let inner = within_base64(&text, before);
            let of_urls = inner.iter().map(|letter| match letter {
                b'+' => b'-',
                b'/' => b'_',
                letter => *letter,
            });
            forms.push(of_urls.collect());
            forms.push(inner);
        }
        forms.sort();
        forms.dedup();
        let forms = forms.iter().filter(|form| !form.is_empty()).map(|form| Finder::new(form).into_owned()).collect();
        Self { text, forms }
    }

    /// Where it stands in `bytes`.
    pub(super) fn find<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
        let forms =
            self.forms.iter().flat_map(move |form| form.find_iter(bytes).map(|at| at..at + form.needle().len()));
        let escaped = self.begins(bytes).filter_map(move |at| match self.fits(bytes, at) {
            Fit::Whole(end) => Some(at..end),
            _ => None,
        });
        forms.chain(escaped)
    }

    /// The longest end of `bytes` that may be its begin, and whether that gives away half of it.
    pub(super) fn begun(&self, bytes: &[u8]) -> (usize, bool) {
        let of_form = |form: &Finder| {
            let needle = form.needle();
            // Nearly all that is sent ends with a byte that ends no begin of it.
            let is_begin =
                |length: &usize| bytes.last() == Some(&needle[length - 1]) && bytes.ends_with(&needle[..*length]);
            let length = (1..needle.len()).rev().find(is_begin).unwrap_or(0);
            (length, length > 0 && 2 * length >= needle.len())
        };
        let from = bytes.len().saturating_sub(self.text.len() * MOST_EXPANDED);
        let tail = &bytes[from..];
        let escaped = self.begins(tail).filter_map(|at| match self.fits(tail, at) {
            Fit::Begun(count) => Some((tail.len() - at, count > 0 && 2 * count >= self.text.len())),
            _ => None,
        });
        let all = self.forms.iter().map(of_form).chain(escaped);
        all.fold((0, false), |(most, half), (length, is_half)| (most.max(length), half || is_half))
    }

    /// Where it may begin, escaped or not.
    fn begins<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let first = self.text.first().copied().unwrap_or(b'%');
        let begins = memchr3_iter(first, b'%', b'&', bytes).chain(memchr_iter(b'\\', bytes));
        begins.filter(move |at| self.may_be(&bytes[*at..]))
    }

    /// Whether the first two bytes may be its begin: pictures are full of the first.
    fn may_be(&self, bytes: &[u8]) -> bool {
        let [first, next, ..] = bytes else { return true };
        let begins = match first {
            b'%' => next.is_ascii_hexdigit(),
            b'&' => *next == b'#' || next.is_ascii_alphabetic(),
            b'\\' => b"\"\\/u".contains(next),
            _ => false,
        };
        let goes_on = || match self.text[..] {
            [_, second, ..] => *next == second || second == b' ' && *next == b'+' || b"%&\\".contains(next),
            _ => true,
        };
        begins || self.text.first() == Some(first) && goes_on()
    }

    fn fits(&self, bytes: &[u8], at: usize) -> Fit {
        // Where what was taken so far may end: `%25` is one character or three.
        let mut ends = Places::default();
        ends.add(at);
        for (count, byte) in self.text.iter().enumerate() {
            let (mut next, mut is_begun) = (Places::default(), false);
            for end in ends.all() {
                is_begun |= sent(&bytes[*end..], *byte, |length| next.add(end + length));
            }
            match (next.all().is_empty(), is_begun) {
                (true, true) => return Fit::Begun(count),
                (true, false) => return Fit::Not,
                (false, _) => ends = next,
            }
        }
        ends.all().iter().max().map_or(Fit::Not, |end| Fit::Whole(*end))
    }
}

/// A few places, each once.
#[derive(Default)]
struct Places {
    places: [usize; 8],
    count: usize,
}

impl Places {
    fn add(&mut self, place: usize) {
        if self.count < self.places.len() && !self.all().contains(&place) {
            self.places[self.count] = place;
            self.count += 1;
        }
    }

    fn all(&self) -> &[usize] {
        &self.places[..self.count]
    }
}

/// Tells by how many bytes `bytes` begin with `byte`, as it is or escaped: for URLs, once or twice,
/// for XML, for JSON. Gives whether more has to come to know that.
fn sent(bytes: &[u8], byte: u8, mut by: impl FnMut(usize)) -> bool {
    let Some((first, rest)) = bytes.split_first() else { return true };
    if *first == byte || *first == b'+' && byte == b' ' {
        by(1);
    }
    let hex = |at: usize| -> Option<u8> {
        let digits = std::str::from_utf8(bytes.get(at..at + 2)?).ok()?;
        u8::from_str_radix(digits, 16).ok()
    };
    let may_be = |rest: &[u8]| rest.len() < 2 && rest.iter().all(u8::is_ascii_hexdigit);
    match (first, rest) {
        (b'%', rest) if may_be(rest) => return true,
        (b'%', rest) => {
            if hex(1) == Some(byte) {
                by(3);
            }
            match rest.strip_prefix(b"25") {
                Some(rest) if may_be(rest) => return true,
                Some(_) if hex(3) == Some(byte) => by(5),
                _ => {}
            }
        }
        (b'&', rest) => match rest.iter().take(MOST_EXPANDED - 1).position(|byte| *byte == b';') {
            Some(end) if entity(&rest[..end]) == Some(byte) => by(end + 2),
            Some(_) => {}
            None => {
                return rest.len() < MOST_EXPANDED - 1
                    && rest.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'#');
            }
        },
        (b'\\', []) => return true,
        (b'\\', [next, ..]) if *next == byte && b"\"\\/".contains(next) => by(2),
        (b'\\', [b'u', rest @ ..]) if rest.len() < 4 => return b"00".starts_with(&rest[..rest.len().min(2)]),
        (b'\\', [b'u', b'0', b'0', ..]) if hex(4) == Some(byte) => by(6),
        _ => {}
    }
    false
}

/// What stands between `&` and `;`.
fn entity(name: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(name).ok()?;
    match text {
        "amp" => Some(b'&'),
        "lt" => Some(b'<'),
        "gt" => Some(b'>'),
        "quot" => Some(b'"'),
        "apos" => Some(b'\''),
        _ => match text.strip_prefix("#x").or(text.strip_prefix("#X")) {
            Some(digits) => u8::from_str_radix(digits, 16).ok(),
            None => text.strip_prefix('#')?.parse().ok(),
        },
    }
}

/// What a word becomes within Base64 when so many bytes stand before it: the characters that tell of
/// nothing else. Nothing where they are too few.
fn within_base64(word: &[u8], before: usize) -> Vec<u8> {
    let bit = |at: usize| word[at / 8] >> (7 - at % 8) & 1;
    // The first whole character, in bits of the word.
    let first = (6 - before * 8 % 6) % 6;
    let letter = |from: usize| LETTERS[(from..from + 6).fold(0, |value, at| value << 1 | bit(at)) as usize];
    let letters: Vec<u8> = (first..).step_by(6).take_while(|from| from + 6 <= word.len() * 8).map(letter).collect();
    if letters.len() < LEAST_BASE64 { Vec::new() } else { letters }
}
