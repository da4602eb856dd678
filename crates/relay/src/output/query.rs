//! The parameters of a stream's URL.

use std::time::Duration;

use media::{AudioCoding, Codec, Encoding, Variant, Wish};

use crate::server::{Refusal, unescape};

/// What a reader asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wishes {
    /// How pictures and sound are coded.
    pub(crate) encoding: Encoding,
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

/// Those of how pictures and sound are coded, which everything takes that is more than pictures.
pub(crate) const CODING: Known = &[
    "codec",
    "bitrate",
    "minrate",
    "maxrate",
    "tolerance",
    "bufsize",
    "qmin",
    "qmax",
    "qdiff",
    "qscale",
    "gop",
    "video",
    "audio",
    "acodec",
    "abitrate",
    "channels",
    "samplerate",
    "aquality",
];

/// The longest time a request may ask to wait.
const MOST_TIMEOUT: Duration = Duration::from_secs(300);

impl Wishes {
    /// Reads a raw query. Parameters that nobody knows are refused, so that a misspelt
    /// one is not silently without effect; `_` and `t`, with which pages defeat caches,
    /// are let through.
    pub(crate) fn read(query: &str, known: Known) -> Result<Self, Refusal> {
        let (mut wishes, mut video) = (Self::default(), Variant::default());
        let (mut audio, mut no_video, mut no_audio) = (AudioCoding::default(), false, false);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (&*unescape(key)?, &*unescape(value)?);
            if matches!(key, "_" | "t") {
                continue;
            }
            if video.set(key, value).map_err(|error| Refusal::bad_request(error.to_string()))? {
                continue;
            }
            if !known.contains(&key) {
                return Err(unknown(key, known));
            }
            match key {
                "max_age" => wishes.max_age = Some(duration("max_age", value)?),
                "timeout" => wishes.timeout = Some(duration("timeout", value)?.min(MOST_TIMEOUT)),
                "codec" => video.codec = Some(one_of(key, value, VIDEO)?),
                "acodec" => audio.codec = Some(one_of(key, value, AUDIO)?),
                "abitrate" => audio.bit_rate = Some(bits(key, value)?),
                "channels" => audio.channels = Some(number(key, value, 1, 8)?),
                "samplerate" => audio.sample_rate = Some(number(key, value, 4000, 192_000)?),
                "aquality" => audio.quality = Some(hundredths(key, value)?),
                "bitrate" => video.coding.bit_rate = Some(bits(key, value)?),
                "minrate" => video.coding.min_rate = Some(bits(key, value)?),
                "maxrate" => video.coding.max_rate = Some(bits(key, value)?),
                "tolerance" => video.coding.tolerance = Some(bits(key, value)?),
                "bufsize" => video.coding.buffer = Some(bits(key, value)?),
                "qmin" => video.coding.qmin = Some(number(key, value, 1, 1024)?),
                "qmax" => video.coding.qmax = Some(number(key, value, 1, 1024)?),
                "qdiff" => video.coding.qdiff = Some(number(key, value, 1, 1024)?),
                "qscale" => video.coding.qscale = Some(hundredths(key, value)?),
                "gop" => video.coding.gop = Some(number(key, value, 1, 600)?),
                "video" => no_video = !switch(key, value)?,
                "audio" => no_audio = !switch(key, value)?,
                "placeholder" => wishes.placeholder = switch(key, value)?,
                "newer_than" => wishes.newer_than = Some(sequence(value)?),
                _ => return Err(unknown(key, known)),
            }
        }
        fn wish<T: Default + PartialEq>(off: bool, coded: T) -> Wish<T> {
            match off {
                true => Wish::Off,
                false if coded == T::default() => Wish::Fit,
                false => Wish::Coded(coded),
            }
        }
        wishes.encoding = Encoding { video: wish(no_video, video), audio: wish(no_audio, audio), keep: false };
        Ok(wishes)
    }
}

/// For the fuzzer: what a query is refused with, if it is.
pub(crate) fn check(query: &str) -> Option<String> {
    Wishes::read(query, CODING).err().map(Refusal::into_what)
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

fn switch(key: &str, text: &str) -> Result<bool, Refusal> {
    match text {
        "1" | "true" | "yes" | "on" | "" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(wrong(key, text, "1 or 0")),
    }
}

/// The codecs of pictures that a container can be asked for; not each holds each.
const VIDEO: &[&str] = &[
    "h264",
    "hevc",
    "mpeg4",
    "mpeg2video",
    "mpeg1video",
    "mjpeg",
    "vp8",
    "vp9",
    "theora",
    "flv1",
    "h263",
    "msmpeg4v2",
    "msmpeg4v3",
    "wmv1",
    "wmv2",
    "rv10",
    "rv20",
    "gif",
];
/// The same of sound.
const AUDIO: &[&str] =
    &["aac", "mp3", "mp2", "opus", "vorbis", "ac3", "flac", "wmav2", "pcm_s16le", "pcm_s16be", "pcm_mulaw", "pcm_alaw"];

fn one_of(key: &str, text: &str, all: &'static [&'static str]) -> Result<Codec, Refusal> {
    let known = all.iter().find(|name| **name == text);
    known.map(|name| Codec::from_name(name)).ok_or_else(|| wrong(key, text, &format!("one of {}", all.join(", "))))
}

/// `64000`, `500k`, `2M`: bits, or bits a second.
fn bits(key: &str, text: &str) -> Result<u32, Refusal> {
    let (number, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1e3),
        Some(b'M') => (&text[..text.len() - 1], 1e6),
        _ => (text, 1.0),
    };
    let bits = number.parse().ok().map(|number: f64| number * unit).filter(|bits| (1000.0..=1e9).contains(bits));
    bits.map(|bits| bits as u32).ok_or_else(|| wrong(key, text, "bits, as 64000, 500k or 2M"))
}

fn number<T: TryFrom<u32>>(key: &str, text: &str, least: u32, most: u32) -> Result<T, Refusal> {
    let number: Option<u32> = text.parse().ok().filter(|number| (least..=most).contains(number));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| wrong(key, text, &format!("a number from {least} to {most}")))
}

fn hundredths(key: &str, text: &str) -> Result<u16, Refusal> {
    let number = text.parse().ok().map(|number: f64| number * 100.0).filter(|n| (1.0..=25_500.0).contains(n));
    number.map(|n| n as u16).ok_or_else(|| wrong(key, text, "a number from 0.01 to 255"))
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
        assert_eq!(wishes.encoding.to_string(), "size=640x360&fps=5");
        assert_eq!(wishes.max_age, Some(Duration::from_millis(500)));
        assert!(wishes.placeholder);
        assert_eq!(wishes.newer_than, Some(7));
        assert_eq!(Wishes::read("timeout=1.5", KNOWN).unwrap().timeout, Some(Duration::from_millis(1500)));
        assert_eq!(Wishes::read("", KNOWN).unwrap(), Wishes::default());
    }

    #[test]
    fn escapes_are_undone_in_names_and_values() {
        assert_eq!(Wishes::read("timeout=1%2e5&s%69ze=6%340x360", KNOWN).unwrap().encoding.to_string(), "size=640x360");
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
