//! How pictures and sound are coded anew: what ffserver.conf's codec options become.
//!
//! All of it is plain data that can be compared and hashed, since readers who ask for the
//! same share one encoder. What is absent is left to the encoder.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::{Codec, Variant};

/// What becomes of the tracks of a source on their way out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Encoding {
    /// Pictures.
    pub video: Wish<Variant>,
    /// Sound.
    pub audio: Wish<AudioCoding>,
    /// What has the codec and size (or channels and sample rate) wished for already stays as
    /// it is, whatever its bit rate: how streams of ffserver.conf take what a feeder encoded.
    pub keep: bool,
}

/// What becomes of one kind of track.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Wish<T> {
    /// As it is where the container holds it, else in the container's own codec.
    #[default]
    Fit,
    /// Left out: ffserver's `NoVideo`, `NoAudio`.
    Off,
    /// Coded like this; untouched where it is so already. Without a codec: the container's own.
    Coded(T),
}

impl<T> Wish<T> {
    /// How it is to be coded, where that was said.
    #[must_use]
    pub fn coded(&self) -> Option<&T> {
        match self {
            Self::Coded(coded) => Some(coded),
            Self::Fit | Self::Off => None,
        }
    }
}

/// Options of a video encoder besides size, rate and codec, which are in [`Variant`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct VideoCoding {
    /// Mean bit rate in bit/s (`b`). With it the encoder aims at a rate, without it at a quality.
    pub bit_rate: Option<u32>,
    /// Lowest rate in bit/s (`minrate`).
    pub min_rate: Option<u32>,
    /// Highest rate in bit/s (`maxrate`).
    pub max_rate: Option<u32>,
    /// How far the rate may be off, in bit/s (`bt`).
    pub tolerance: Option<u32>,
    /// The decoder's buffer in bits (`bufsize`).
    pub buffer: Option<u32>,
    /// Lowest quantiser, that is best quality (`qmin`).
    pub qmin: Option<u16>,
    /// Highest quantiser (`qmax`).
    pub qmax: Option<u16>,
    /// Most by which the quantiser changes from picture to picture (`qdiff`).
    pub qdiff: Option<u16>,
    /// A constant quantiser, in hundredths (`qscale` 4 is 400 here).
    pub qscale: Option<u16>,
    /// Pictures from keyframe to keyframe (`g`); one keyframe every two seconds when absent.
    pub gop: Option<u16>,
    /// The same bytes from every build (`flags=+bitexact`).
    pub bit_exact: bool,
    /// Four motion vectors a macroblock (`flags=+mv4`).
    pub four_vectors: bool,
    /// Mode decision by bits (`mbd=bits`).
    pub high_quality: bool,
    /// The container's FourCC for it.
    pub tag: Option<[u8; 4]>,
    /// Further options by FFmpeg's names; one called `pixel_format` chooses that.
    pub options: AvOptions,
}

/// How sound is coded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct AudioCoding {
    /// The codec; the container's own when absent.
    pub codec: Option<Codec>,
    /// Bit rate in bit/s.
    pub bit_rate: Option<u32>,
    /// Number of channels; the source's when absent.
    pub channels: Option<u16>,
    /// Samples a second; the source's, or the nearest that the codec has, when absent.
    pub sample_rate: Option<u32>,
    /// Quality instead of a bit rate, in hundredths of what `-q:a` takes.
    pub quality: Option<u16>,
    /// Further options by FFmpeg's names.
    pub options: AvOptions,
}

/// Options of an encoder by FFmpeg's names, as `rc_eq` = `tex^qComp`.
///
/// Equal lists are one: each different one is kept for as long as the process lives, so they
/// are made from a configuration, and never from what a client sends (who could, besides,
/// have files written by some of them).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AvOptions(&'static [(String, String)]);

impl AvOptions {
    /// Most options in a list.
    pub const MOST: usize = 64;
    /// Most different lists; more give [`None`] in [`AvOptions::new`].
    pub const MOST_LISTS: usize = 4096;

    /// The list of these; a later value of a name replaces an earlier one. Nothing when there
    /// are more than [`AvOptions::MOST`], or too many lists already.
    #[must_use]
    pub fn new(options: impl IntoIterator<Item = (String, String)>) -> Option<Self> {
        static LISTS: Mutex<BTreeSet<&'static [(String, String)]>> = Mutex::new(BTreeSet::new());
        let mut list: Vec<(String, String)> = Vec::new();
        for (key, value) in options {
            let full = list.len() == Self::MOST;
            match list.iter_mut().find(|(known, _)| *known == key) {
                Some((_, old)) => *old = value,
                None if full => return None,
                None => list.push((key, value)),
            }
        }
        if list.is_empty() {
            return Some(Self::default());
        }
        let mut lists = LISTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&known) = lists.get(&list[..]) {
            return Some(Self(known));
        }
        if lists.len() == Self::MOST_LISTS {
            return None;
        }
        let kept: &'static [(String, String)] = Box::leak(list.into_boxed_slice());
        lists.insert(kept);
        Some(Self(kept))
    }

    /// Name and value, in the order given.
    pub fn iter(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'static str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

impl fmt::Debug for AvOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl VideoCoding {
    /// As in a query, behind those of [`Variant`].
    pub(crate) fn tell(&self, parts: &mut Vec<String>) {
        let numbers = [
            ("bitrate", self.bit_rate),
            ("minrate", self.min_rate),
            ("maxrate", self.max_rate),
            ("tolerance", self.tolerance),
            ("bufsize", self.buffer),
            ("qmin", self.qmin.map(u32::from)),
            ("qmax", self.qmax.map(u32::from)),
            ("qdiff", self.qdiff.map(u32::from)),
            ("gop", self.gop.map(u32::from)),
        ];
        parts.extend(numbers.iter().filter_map(|(key, value)| Some(format!("{key}={}", (*value)?))));
        parts.extend(self.qscale.map(|hundredths| format!("qscale={}", f64::from(hundredths) / 100.0)));
        let switches = [("bitexact", self.bit_exact), ("4mv", self.four_vectors), ("hq", self.high_quality)];
        parts.extend(switches.iter().filter(|(_, on)| *on).map(|(key, _)| format!("{key}=1")));
        parts.extend(self.options.iter().map(|(key, value)| format!("{key}={value}")));
    }
}

/// As in a query, `acodec=aac&abitrate=64000`; empty when nothing is said.
impl fmt::Display for AudioCoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.codec.map(|codec| format!("acodec={codec}")));
        parts.extend(self.bit_rate.map(|rate| format!("abitrate={rate}")));
        parts.extend(self.channels.map(|channels| format!("channels={channels}")));
        parts.extend(self.sample_rate.map(|rate| format!("samplerate={rate}")));
        parts.extend(self.quality.map(|quality| format!("aquality={}", f64::from(quality) / 100.0)));
        parts.extend(self.options.iter().map(|(key, value)| format!("{key}={value}")));
        f.write_str(&parts.join("&"))
    }
}

/// As in a query; empty when everything is to fit.
impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let video = match &self.video {
            Wish::Fit => String::new(),
            Wish::Off => "video=off".into(),
            Wish::Coded(variant) => variant.to_string(),
        };
        let audio = match &self.audio {
            Wish::Fit => String::new(),
            Wish::Off => "audio=off".into(),
            Wish::Coded(coding) => coding.to_string(),
        };
        let both = if video.is_empty() || audio.is_empty() { "" } else { "&" };
        write!(f, "{video}{both}{audio}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(pairs: &[(&str, &str)]) -> Option<AvOptions> {
        AvOptions::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn equal_lists_of_options_are_one_and_the_last_value_counts() {
        let first = list(&[("rc_eq", "a"), ("trellis", "1"), ("rc_eq", "tex^qComp")]).unwrap();
        let second = list(&[("rc_eq", "tex^qComp"), ("trellis", "1")]).unwrap();
        assert_eq!(first, second);
        assert!(std::ptr::eq(first.0, second.0));
        assert_eq!(first.get("rc_eq"), Some("tex^qComp"));
        assert_eq!(list(&[]).unwrap(), AvOptions::default());
    }

    #[test]
    fn a_list_has_a_bound() {
        let many = (0..=AvOptions::MOST).map(|n| (n.to_string(), String::new()));
        assert_eq!(AvOptions::new(many), None);
    }

    #[test]
    fn an_encoding_is_told_as_in_a_query() {
        let video = Variant {
            codec: Some(Codec::from_name("mpeg4")),
            coding: VideoCoding { bit_rate: Some(64000), qscale: Some(350), gop: Some(12), ..VideoCoding::default() },
            ..Variant::default()
        };
        let audio = AudioCoding { codec: Some(Codec::from_name("mp2")), channels: Some(1), ..AudioCoding::default() };
        let told = Encoding { video: Wish::Coded(video), audio: Wish::Coded(audio), keep: false }.to_string();
        assert_eq!(told, "codec=mpeg4&bitrate=64000&gop=12&qscale=3.5&acodec=mp2&channels=1");
        assert_eq!(Encoding::default().to_string(), "");
        assert_eq!(Encoding { video: Wish::Off, audio: Wish::Off, keep: false }.to_string(), "video=off&audio=off");
    }
}
