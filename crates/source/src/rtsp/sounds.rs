//! Sound that `retina` has no words for: it gets it under the name of one that it passes on as it is.
//!
//! The gate changes the names in the session description, and keeps what stood there. What comes out of
//! `retina` are the payloads, which are taken apart here where they have to be. What it stumbles over in a
//! description is left out on the way, too.

use bytes::Bytes;
use media::Codec;

use super::intake::Payload;

/// Samples of 8 bits without a header (RFC 3551 section 4.5.17 but for the name).
const AS_IT_IS: &str = "u8";
/// Who made a description is nobody's business, but has to be there.
const ORIGIN: &[u8] = b"o=- 0 0 IN IP4 0.0.0.0\r\n";
/// Of LATM, the longest frame: six times what AAC allows for two channels.
const MOST_FRAME: usize = 8 << 10;
/// With the length in front of it.
pub(super) const MOST_KEPT: usize = MOST_FRAME + MOST_FRAME / 255 + 1;
/// Samples of a frame of AAC.
const SAMPLES: u32 = 1024;

/// An encoding that goes under another name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Sound {
    pub(super) payload_type: u8,
    /// As RFC 7587, RFC 2250, RFC 6416 and ITU-T I.366.2 call it, in small letters.
    pub(super) name: &'static str,
    /// What `fmtp` says.
    parameters: String,
}

/// The payload type of MPEG audio, which needs no name (RFC 3551 table 4), and its clock.
const MPEG: u8 = 14;
const MPEG_CLOCK: u32 = 90_000;

const NAMES: &[&str] = &["opus", "mpa", "mp4a-latm", "aal2-g726-16", "aal2-g726-24", "aal2-g726-32", "aal2-g726-40"];

/// Renames in a session description what `retina` does not know.
pub(super) fn rename(description: &[u8]) -> (Vec<u8>, Vec<Sound>) {
    let mut sounds: Vec<Sound> = Vec::new();
    let mut renamed = Vec::with_capacity(description.len());
    let mut has_origin = false;
    let all = String::from_utf8_lossy(description);
    let is_mpeg_named = all.lines().any(|line| line.starts_with("a=rtpmap:14 "));
    for line in description.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        if !is_mpeg_named && is_mpeg(&text) {
            renamed.extend_from_slice(text.trim_end().as_bytes());
            renamed.extend_from_slice(format!("\r\na=rtpmap:{MPEG} {AS_IT_IS}/{MPEG_CLOCK}\r\n").as_bytes());
            if !sounds.iter().any(|sound| sound.payload_type == MPEG) {
                sounds.push(Sound { payload_type: MPEG, name: "mpa", parameters: String::new() });
            }
            continue;
        }
        match mapping(&text) {
            Some((payload_type, name, rest)) if !sounds.iter().any(|sound| sound.payload_type == payload_type) => {
                renamed.extend_from_slice(format!("a=rtpmap:{payload_type} {AS_IT_IS}/{rest}").as_bytes());
                sounds.push(Sound { payload_type, name, parameters: String::new() });
            }
            _ => match text.as_bytes() {
                [b'a' | b'm' | b's' | b'v', b'=', ..] => match tidied(&text) {
                    Some(tidied) => renamed.extend_from_slice(tidied.as_bytes()),
                    None => renamed.extend_from_slice(line),
                },
                [b'o', b'=', ..] if !std::mem::replace(&mut has_origin, true) => renamed.extend_from_slice(ORIGIN),
                // Bandwidths, addresses, times: nothing in them is needed, and much is written wrongly.
                _ => {}
            },
        }
    }
    // They may stand before their names.
    for (payload_type, parameters) in all.lines().filter_map(fmtp) {
        if let Some(sound) = sounds.iter_mut().find(|sound| sound.payload_type == payload_type) {
            sound.parameters = parameters.to_owned();
        }
    }
    (renamed, sounds)
}

/// Whether a line is of MPEG audio that needs no name.
fn is_mpeg(line: &str) -> bool {
    let mut words = line.strip_prefix("m=audio ").unwrap_or_default().split_ascii_whitespace();
    words.nth(2).is_some_and(|word| word.parse() == Ok(MPEG))
}

/// An `fmtp` line without what is no parameter, such as the nothing behind a semicolon at its end, for which
/// `retina` forgets all the others.
fn tidied(line: &str) -> Option<String> {
    let (head, parameters) = line.strip_prefix("a=fmtp:")?.split_once(' ')?;
    let (kept, left): (Vec<_>, Vec<_>) = parameters.trim_end().split(';').partition(|part| part.contains('='));
    (!left.is_empty() && !kept.is_empty()).then(|| format!("a=fmtp:{head} {}\r\n", kept.join(";")))
}

/// What `fmtp` of a description says of a payload type.
pub(super) fn parameters(description: &[u8], payload_type: u8) -> Option<String> {
    let text = String::from_utf8_lossy(description);
    let mut said = text.lines().filter_map(fmtp);
    said.find(|(number, _)| *number == payload_type).map(|(_, parameters)| parameters.to_owned())
}

/// Payload type and parameters of an `fmtp` line (RFC 8866 section 6.15).
fn fmtp(line: &str) -> Option<(u8, &str)> {
    let (payload_type, parameters) = line.strip_prefix("a=fmtp:")?.split_once(' ')?;
    Some((payload_type.parse().ok()?, parameters.trim()))
}

/// Payload type, name and the rest behind it, of an `rtpmap` line (RFC 8866 section 6.6).
fn mapping(line: &str) -> Option<(u8, &'static str, &str)> {
    let (payload_type, encoding) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
    let (found, rest) = encoding.trim_start().split_once('/')?;
    let name = NAMES.iter().find(|name| name.eq_ignore_ascii_case(found))?;
    Some((payload_type.parse().ok()?, name, rest))
}

/// What its track is.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Form {
    pub(super) codec: Codec,
    pub(super) extradata: Bytes,
    pub(super) channels: u16,
    pub(super) bits_per_sample: u32,
}

impl Sound {
    /// Nothing where its parameters say too little, or its frames say it themselves. `channels` is what the description tells.
    pub(super) fn form(&self, channels: u16) -> Option<Form> {
        let form = |codec, extradata, channels, bits_per_sample| Form {
            codec: Codec::from_name(codec),
            extradata,
            channels,
            bits_per_sample,
        };
        Some(match self.name {
            "opus" => {
                // RFC 7587 section 7.1: two channels in the name always, and one unless this is said.
                let channels = if self.parameter("sprop-stereo") == Some("1") { 2 } else { 1 };
                form("opus", opus_head(channels), channels.into(), 0)
            }
            "mpa" => return None,
            "mp4a-latm" => {
                let (configuration, channels) = self.configuration()?;
                form("aac", configuration.into(), channels, 0)
            }
            name => {
                let kbits: u32 = name.rsplit('-').next()?.parse().ok()?;
                form("adpcm_g726", Bytes::new(), channels, kbits / 8)
            }
        })
    }

    /// What its packets are, where it is taken.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn payload(&self) -> Result<Payload, &'static str> {
        match self.name {
            "mpa" => Ok(Payload::Mpa),
            "mp4a-latm" if self.has_configuration_inside() => {
                Err("its configuration comes with its frames (cpresent=1), which is not read")
            }
            _ if self.form(1).is_none() => Err("its parameters say too little of it"),
            "mp4a-latm" => Ok(Payload::Latm),
            // Of what goes under another name nobody knows how long it is.
            _ => Ok(Payload::Plain { bits: 0 }),
        }
    }

    /// RFC 6416 section 7.3: so it is where nothing is said.
    fn has_configuration_inside(&self) -> bool {
        match self.parameter("cpresent") {
            Some(present) => present != "0",
            None => self.parameter("config").is_none(),
        }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.split(';').find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The AudioSpecificConfig in the StreamMuxConfig of a description (ISO/IEC 14496-3 1.7.3), and its
    /// channels. Nothing where the configuration comes with the frames, or there are several programs.
    fn configuration(&self) -> Option<(Vec<u8>, u16)> {
        if self.has_configuration_inside() {
            return None;
        }
        let digits = self.parameter("config")?;
        let bytes: Option<Vec<u8>> =
            (0..digits.len() / 2).map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()).collect();
        let bytes = bytes?;
        // audioMuxVersion, allStreamsSameTimeFraming, numSubFrames, numProgram, numLayer.
        let head = u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]) >> 1;
        if head >> 13 != 0b01 || head & 0x7F != 0 {
            return None;
        }
        let next = bytes[2..].iter().copied().chain([0]);
        let rest: Vec<u8> = bytes[1..].iter().zip(next).map(|(byte, next)| byte << 7 | next >> 1).collect();
        let (kind, rate) = (*rest.first()? >> 3, (rest[0] & 7) << 1 | *rest.get(1)? >> 7);
        let bits = |from: usize| {
            rest.get(from / 8..from / 8 + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]) << (from % 8) >> 12)
        };
        // What is behind the configuration is no part of it: 16 bits of AAC, or 25 with SBR.
        let (channels, length) = match (rate, kind) {
            (15, _) => (bits(33)?, 5),
            (_, 5 | 29) => (bits(9)?, 4),
            _ => (bits(9)?, 2),
        };
        let channels = if channels == 7 { 8 } else { channels };
        (channels > 0).then(|| (rest[..length.min(rest.len())].to_vec(), channels))
    }
}

/// RFC 7845 section 5.1: nothing is to be skipped at the begin of what is live.
fn opus_head(channels: u8) -> Bytes {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(channels);
    head.extend_from_slice(&[0, 0, 0x80, 0xBB, 0, 0, 0, 0, 0]);
    head.into()
}

/// Frames of AAC out of LATM (ISO/IEC 14496-3 1.7.3, RFC 6416 section 6).
#[derive(Default)]
pub(super) struct Latm {
    waiting: Vec<u8>,
}

impl Latm {
    /// What it keeps, in bytes.
    pub(super) fn kept(&self) -> usize {
        self.waiting.len()
    }

    /// Takes a payload. Each frame that is whole is given, with how many samples it comes behind the first.
    pub(super) fn take(&mut self, payload: &[u8], is_lossy: bool, mut give: impl FnMut(&[u8], u32)) {
        if is_lossy {
            self.waiting.clear();
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut rest = match waiting.is_empty() {
            true => payload,
            false => {
                waiting.extend_from_slice(payload);
                &waiting
            }
        };
        let mut count = 0;
        // PayloadLengthInfo: bytes of 255, and one that is less.
        while let Some(full) = rest.iter().position(|byte| *byte != 255) {
            let length = 255 * full + usize::from(rest[full]);
            if length > MOST_FRAME {
                return;
            }
            let Some((frame, after)) = rest[full + 1..].split_at_checked(length) else { break };
            if !frame.is_empty() {
                give(frame, count * SAMPLES);
                count += 1;
            }
            rest = after;
        }
        if rest.len() <= MOST_KEPT {
            self.waiting = rest.to_vec();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(name: &'static str, parameters: &str) -> Sound {
        Sound { payload_type: 97, name, parameters: parameters.into() }
    }

    #[test]
    fn only_what_is_not_known_is_renamed() {
        let description = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\na=fmtp:98 sprop-stereo=1\r\na=rtpmap:96 H264/90000\r\na=rtpmap:98 OPUS/48000/2\r\na=rtpmap:0 PCMU/8000\r\n";
        let (renamed, sounds) = rename(description.as_bytes());
        assert_eq!(String::from_utf8(renamed).unwrap(), description.replace("OPUS", "u8"));
        assert_eq!(sounds, [Sound { payload_type: 98, name: "opus", parameters: "sprop-stereo=1".into() }]);
        for odd in [
            &b"a=rtpmap:\n"[..],
            b"a=rtpmap:x opus/1\n",
            b"a=rtpmap:300 opus/48000\n",
            b"a=\xff\xfe\n",
            b"a=rtpmap:97 opus",
        ] {
            assert_eq!(rename(odd), (odd.to_vec(), Vec::new()));
        }
    }

    #[test]
    fn mpeg_audio_needs_no_name() {
        let mpeg = Sound { payload_type: 14, name: "mpa", parameters: String::new() };
        let expected = "m=audio 0 RTP/AVP 14\r\na=rtpmap:14 u8/90000\r\n";
        for description in
            ["m=audio 0 RTP/AVP 14\r\n", "m=audio 0 RTP/AVP 14", "m=audio 0 RTP/AVP 14\na=rtpmap:14 MPA/90000\r\n"]
        {
            let (renamed, sounds) = rename(description.as_bytes());
            let renamed = String::from_utf8(renamed).unwrap();
            assert_eq!((renamed.replace("14\na", "14\r\na"), sounds), (expected.into(), vec![mpeg.clone()]));
        }
        for other in ["m=audio 0 RTP/AVP 8\r\n", "m=video 0 RTP/AVP 14\r\n", "m=audio 0\r\n", "m=audio 0 x 140\n"] {
            assert_eq!(rename(other.as_bytes()), (other.into(), Vec::new()));
        }
        assert_eq!((mpeg.form(1), mpeg.payload().is_ok()), (None, true));
    }

    #[test]
    fn what_is_not_taken_says_why() {
        for (parameters, expected) in [
            ("cpresent=0;config=40002B10", None),
            ("", Some("cpresent=1")),
            ("cpresent=1;config=40002B10", Some("cpresent=1")),
            ("cpresent=0;config=40", Some("say too little")),
        ] {
            let why = sound("mp4a-latm", parameters).payload().err();
            assert!(
                why.is_some() == expected.is_some() && why.unwrap_or("").contains(expected.unwrap_or("")),
                "{why:?}"
            );
        }
    }

    #[test]
    fn opus_has_the_channels_that_its_sender_has() {
        assert_eq!(sound("opus", "").form(2).unwrap().channels, 1);
        let stereo = sound("opus", "minptime=10; sprop-stereo=1").form(2).unwrap();
        assert_eq!((stereo.channels, stereo.extradata.len(), stereo.extradata[9]), (2, 19, 2));
    }

    #[test]
    fn g726_has_the_bits_of_its_rate() {
        let form = sound("aal2-g726-24", "").form(1).unwrap();
        assert_eq!((form.codec.name(), form.bits_per_sample, form.channels), ("adpcm_g726", 3, 1));
    }

    /// Of RFC 6416 section 7.3: AAC LC at 24 kHz, and another as cameras send it.
    #[test]
    fn the_configuration_of_latm_is_that_of_aac() {
        let form =
            |parameters| sound("mp4a-latm", parameters).form(2).map(|form| (form.extradata.to_vec(), form.channels));
        assert_eq!(form("profile-level-id=1; cpresent=0; config=400024203fc0"), Some((vec![0x12, 0x10], 2)));
        assert_eq!(form("cpresent=0;config=40002B10"), Some((vec![0x15, 0x88], 1)));
        for nothing in
            ["", "config=", "config=4000", "config=4x", "cpresent=1;config=400024203fc0", "config=C00024203fc0"]
        {
            assert_eq!(form(nothing), None, "{nothing}");
        }
    }

    fn taken(latm: &mut Latm, payload: &[u8], is_lossy: bool) -> Vec<(Vec<u8>, u32)> {
        let mut frames = Vec::new();
        latm.take(payload, is_lossy, |frame, behind| frames.push((frame.to_vec(), behind)));
        frames
    }

    #[test]
    fn frames_of_latm_come_out_whole_however_they_were_cut() {
        let long = vec![7; 300];
        let stream = [&[3, 1, 2, 3][..], &[255, 45], &long, &[0, 2, 8, 9]].concat();
        let expected: Vec<&[u8]> = vec![&[1, 2, 3], &long, &[8, 9]];
        for size in 1..=stream.len() {
            let mut latm = Latm::default();
            let frames: Vec<_> = stream.chunks(size).flat_map(|slice| taken(&mut latm, slice, false)).collect();
            assert_eq!(frames.iter().map(|(frame, _)| &frame[..]).collect::<Vec<_>>(), expected, "in slices of {size}");
        }
        let mut latm = Latm::default();
        assert_eq!(
            taken(&mut latm, &stream, false).iter().map(|(_, behind)| *behind).collect::<Vec<_>>(),
            [0, 1024, 2048]
        );
        // A begin whose end was lost is not put together with what follows.
        assert!(taken(&mut latm, &[5, 1, 2], false).is_empty());
        assert_eq!(taken(&mut latm, &[1, 9], true), [(vec![9], 0)]);
        // Nothing grows.
        (0..1000).for_each(|_| assert!(taken(&mut latm, &[255; 1400], false).is_empty()));
        assert!(latm.kept() <= MOST_KEPT);
    }
}
