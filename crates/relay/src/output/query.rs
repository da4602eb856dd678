//! The parameters of a stream's URL.

use std::time::Duration;

use media::{Codec, Variant};

use crate::server::{Refusal, unescape};

/// What a reader asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wishes {
    pub(crate) variant: Variant,
    /// No picture older than this is to arrive.
    pub(crate) max_age: Option<Duration>,
    /// A picture that says so, while there is none.
    pub(crate) placeholder: bool,
    /// A picture newer than this number.
    pub(crate) newer_than: Option<u64>,
    /// How long to wait for it.
    pub(crate) timeout: Option<Duration>,
}

/// The parameters a format takes besides those of [`Variant`].
pub(crate) type Known = &'static [&'static str];

/// The longest time a request may ask to wait.
const MOST_TIMEOUT: Duration = Duration::from_secs(300);

impl Wishes {
    /// Reads a raw query. Parameters that nobody knows are refused, so that a misspelt
    /// one is not silently without effect; `_` and `t`, with which pages defeat caches,
    /// are let through.
    pub(crate) fn read(query: &str, known: Known) -> Result<Self, Refusal> {
        let mut wishes = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (&*unescape(key)?, &*unescape(value)?);
            if matches!(key, "_" | "t") {
                continue;
            }
            if wishes.variant.set(key, value).map_err(|error| Refusal::bad_request(error.to_string()))? {
                continue;
            }
            if !known.contains(&key) {
                return Err(unknown(key, known));
            }
            match key {
                "max_age" => wishes.max_age = Some(duration("max_age", value)?),
                "timeout" => wishes.timeout = Some(duration("timeout", value)?.min(MOST_TIMEOUT)),
                "codec" => wishes.variant.codec = Some(codec(value)?),
                "placeholder" => wishes.placeholder = switch(value)?,
                "newer_than" => wishes.newer_than = Some(sequence(value)?),
                _ => return Err(unknown(key, known)),
            }
        }
        Ok(wishes)
    }
}

fn wrong(key: &str, value: &str, expected: &str) -> Refusal {
    let value: String = value.chars().take(40).collect();
    Refusal::bad_request(format!("{key}={value}: expected {expected}"))
}

fn unknown(key: &str, known: Known) -> Refusal {
    let key: String = key.chars().take(40).collect();
    let all = [Variant::KEYS, known].concat().join(", ");
    Refusal::bad_request(format!("{key}: unknown parameter; expected one of {all}"))
}

/// `500ms`, `2s`, `1.5` (seconds).
fn duration(key: &str, text: &str) -> Result<Duration, Refusal> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let seconds = number.parse().ok().map(|number: f64| number * unit).filter(|s| (0.001..=3600.0).contains(s));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| wrong(key, text, "a time such as 500ms or 2s"))
}

fn switch(text: &str) -> Result<bool, Refusal> {
    match text {
        "1" | "true" | "yes" | "on" | "" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(wrong("placeholder", text, "1 or 0")),
    }
}

/// The codecs that can be asked for.
const CODECS: &[&str] = &["wmv2", "wmv1"];

fn codec(text: &str) -> Result<Codec, Refusal> {
    let known = CODECS.iter().find(|name| **name == text);
    known.map(|name| Codec::from_name(name)).ok_or_else(|| wrong("codec", text, "wmv2 or wmv1"))
}

fn sequence(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| wrong("newer_than", text, "the number from an X-Sequence header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Known = &["max_age", "placeholder", "newer_than", "timeout"];

    #[test]
    fn wishes_are_read() {
        let wishes = Wishes::read("size=640x360&fps=5&max_age=500ms&placeholder=1&newer_than=7&_=123", KNOWN).unwrap();
        assert_eq!(wishes.variant.to_string(), "size=640x360&fps=5");
        assert_eq!(wishes.max_age, Some(Duration::from_millis(500)));
        assert!(wishes.placeholder);
        assert_eq!(wishes.newer_than, Some(7));
        assert_eq!(Wishes::read("timeout=1.5", KNOWN).unwrap().timeout, Some(Duration::from_millis(1500)));
        assert_eq!(Wishes::read("", KNOWN).unwrap(), Wishes::default());
    }

    #[test]
    fn escapes_are_undone_in_names_and_values() {
        assert_eq!(Wishes::read("timeout=1%2e5&s%69ze=6%340x360", KNOWN).unwrap().variant.to_string(), "size=640x360");
        for wrong in ["%", "50%", "%2", "%zz", "%+1", "%ff", "%0d%0a", "%00", "%%32"] {
            let refusal = Wishes::read(&format!("max_age={wrong}"), KNOWN).unwrap_err().to_http();
            assert!(refusal.contains(&format!("{wrong}: expected every % to begin an escape")), "{refusal}");
        }
    }

    #[test]
    fn bad_wishes_are_refused_in_a_sentence() {
        for (query, sentence) in [
            ("size=0x9999", "size=0x9999: expected WIDTHxHEIGHT, each from 2 to 8192, or a name such as hd720"),
            ("quality=abc", "quality=abc: expected a JPEG quality from 1 to 100"),
            ("max_age=soon", "max_age=soon: expected a time such as 500ms or 2s"),
            ("max_age=-1s", "max_age=-1s: expected a time such as 500ms or 2s"),
            ("placeholder=2", "placeholder=2: expected 1 or 0"),
            ("newer_than=-1", "newer_than=-1: expected the number from an X-Sequence header"),
        ] {
            let refusal = Wishes::read(query, KNOWN).unwrap_err().to_http();
            assert!(refusal.starts_with("HTTP/1.1 400 ") && refusal.ends_with(&format!("{sentence}\n")), "{refusal}");
        }
        let refusal = Wishes::read("qality=5", KNOWN).unwrap_err().to_http();
        assert!(refusal.contains("qality: unknown parameter; expected one of size, width"), "{refusal}");
    }
}
