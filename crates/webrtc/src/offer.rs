//! A look at an offer before it is negotiated: which codecs it has, under which numbers.
//!
//! Of each codec one form is chosen, and only that is negotiated: peers list H.264 half a dozen
//! times, once a profile, and we send and take the same whatever the form.

/// Codecs that are looked at.
const MOST: usize = 128;
/// Longest name of a codec.
const MOST_NAME: usize = 32;

/// One codec of an offer: a line `a=rtpmap` with what belongs to it (RFC 8866 section 6.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Offered {
    number: u8,
    /// In capitals.
    name: String,
    /// Its `a=fmtp`.
    format: String,
}

/// The codecs of an offer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Codecs(Vec<Offered>);

/// A form of H.264 (RFC 6184 section 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct H264 {
    /// Its number, and that of what is sent again (RFC 4588).
    pub(crate) number: u8,
    pub(crate) resent: Option<u8>,
    /// A picture may be split into packets: `packetization-mode=1`.
    pub(crate) splits: bool,
    /// `profile-level-id`.
    pub(crate) profile: u32,
}

impl Codecs {
    /// Those of `offer`.
    pub(crate) fn of(offer: &str) -> Self {
        let mut all: Vec<Offered> = Vec::new();
        for line in offer.lines().map(str::trim) {
            if let Some((number, coded)) = numbered(line, "a=rtpmap:")
                && all.len() < MOST
            {
                let name = coded.split('/').next().unwrap_or("").trim();
                if !name.is_empty() && name.len() <= MOST_NAME && name.bytes().all(|b| b.is_ascii_graphic()) {
                    all.push(Offered { number, name: name.to_ascii_uppercase(), format: String::new() });
                }
            } else if let Some((number, format)) = numbered(line, "a=fmtp:")
                && let Some(of) = all.iter_mut().rfind(|of| of.number == number && of.format.is_empty())
            {
                of.format = format.to_ascii_lowercase();
            }
        }
        Self(all)
    }

    /// Whether there is one called `name`, which is in capitals.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|of| of.name == name)
    }

    /// Their names, each once, for a sentence.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for of in &self.0 {
            if !names.contains(&of.name.as_str()) {
                names.push(&of.name);
            }
        }
        names
    }

    /// The form of H.264 with most in it: pictures in several packets, high before main before
    /// baseline. A decoder of one takes the lesser ones too, as good as always.
    pub(crate) fn h264(&self) -> Option<H264> {
        let forms = self.0.iter().filter(|of| of.name == "H264");
        let forms = forms.map(|of| H264 {
            number: of.number,
            resent: self.resent(of.number),
            splits: of.parameter("packetization-mode") == Some("1"),
            // RFC 6184 section 8.1: baseline at level 1 where nothing is said.
            profile: of.parameter("profile-level-id").and_then(hex).unwrap_or(0x42_00_0a),
        });
        let rank = |form: &H264| match form.profile >> 16 {
            0x64 => 3,
            0x4d => 2,
            0x42 => 1,
            _ => 0,
        };
        // The first of equals.
        forms.rev().max_by_key(|form| (form.splits, rank(form)))
    }

    fn resent(&self, number: u8) -> Option<u8> {
        let is_its =
            |of: &&Offered| of.name == "RTX" && of.parameter("apt").and_then(|apt| apt.parse().ok()) == Some(number);
        self.0.iter().find(is_its).map(|of| of.number)
    }
}

impl Offered {
    fn parameter(&self, key: &str) -> Option<&str> {
        let pairs = self.format.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.into_iter().find(|(its, _)| its.trim() == key).map(|(_, value)| value.trim())
    }
}

fn numbered<'a>(line: &'a str, key: &str) -> Option<(u8, &'a str)> {
    let (number, rest) = line.strip_prefix(key)?.split_once(' ')?;
    Some((number.parse().ok().filter(|number| *number < 128)?, rest))
}

fn hex(text: &str) -> Option<u32> {
    (text.len() == 6 && text.is_ascii()).then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100 101\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
        a=rtpmap:98 H264/90000\r\na=fmtp:98 packetization-mode=1;profile-level-id=42e01f\r\n\
        a=rtpmap:99 h264/90000\r\na=fmtp:99 profile-level-id=64001F\r\n\
        a=rtpmap:100 H264/90000\r\na=fmtp:100 level-asymmetry-allowed=1; packetization-mode=1; profile-level-id=4d001f\r\n\
        a=rtpmap:101 rtx/90000\r\na=fmtp:101 apt=100\r\na=rtpmap:x\r\na=rtpmap:1 /1\r\na=rtpmap:200 H264/90000\r\n";

    #[test]
    fn the_form_of_h264_with_most_in_it_is_chosen() {
        let codecs = Codecs::of(OFFER);
        assert_eq!(codecs.names(), ["VP8", "RTX", "H264"]);
        assert!(codecs.has("VP8") && !codecs.has("OPUS"));
        assert_eq!(codecs.h264(), Some(H264 { number: 100, resent: Some(101), splits: true, profile: 0x4d_00_1f }));
        let bare = Codecs::of("a=rtpmap:5 H264/90000");
        assert_eq!(bare.h264(), Some(H264 { number: 5, resent: None, splits: false, profile: 0x42_00_0a }));
    }

    #[test]
    fn an_offer_of_many_codecs_is_read_so_far_and_no_further() {
        let lines: String = (0..1000).map(|n| format!("a=rtpmap:{} X{n}/90000\n", n % 128)).collect();
        assert_eq!(Codecs::of(&lines).0.len(), MOST);
    }
}
