//! Parameter sets that lie among the pictures, and ADTS: what is known only from packets.

use bytes::{Bytes, BytesMut};
use media::{Audio, Codec};

/// How far into a keyframe parameter sets are looked for.
const FAR: usize = 64 << 10;

/// What begins at a start code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Parameters,
    /// Marks where an access unit begins, in front of everything else.
    Delimiter,
    Picture,
    Other,
}

fn part(codec: Codec, after: u8) -> Part {
    match (codec.name(), after) {
        ("h264", byte) => match byte & 0x1f {
            7 => Part::Parameters,
            9 => Part::Delimiter,
            1..=5 => Part::Picture,
            _ => Part::Other,
        },
        ("hevc", byte) => match (byte >> 1) & 0x3f {
            32 | 33 => Part::Parameters,
            35 => Part::Delimiter,
            0..=31 => Part::Picture,
            _ => Part::Other,
        },
        ("mpeg4", 0x20..=0x2f) | ("mpeg1video" | "mpeg2video", 0xb3) => Part::Parameters,
        ("mpeg4", 0xb6) | ("mpeg1video" | "mpeg2video", 0) => Part::Picture,
        _ => Part::Other,
    }
}

/// Places of start codes, with the byte behind each.
fn start_codes(data: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    let head = &data[..data.len().min(FAR)];
    head.windows(4).enumerate().filter(|(_, bytes)| bytes[..3] == [0, 0, 1]).map(|(at, bytes)| (at, bytes[3]))
}

/// Whether pictures of `codec` need parameter sets that may lie among them.
pub(super) fn has_parameters(codec: Codec) -> bool {
    matches!(codec.name(), "h264" | "hevc" | "mpeg4" | "mpeg1video" | "mpeg2video")
}

/// `keyframe` with `parameters` in it; itself, shared, when it has some already.
pub(super) fn with_parameters(codec: Codec, keyframe: &Bytes, parameters: &Bytes) -> Bytes {
    if parameters.is_empty() || !has_parameters(codec) || !parameters.starts_with(&[0, 0]) {
        return keyframe.clone();
    }
    let mut at = 0;
    for (place, after) in start_codes(keyframe) {
        match part(codec, after) {
            Part::Parameters => return keyframe.clone(),
            Part::Delimiter => {
                // A four-byte start code belongs to the next one.
                let next = start_codes(keyframe).map(|(next, _)| next).find(|next| *next > place);
                at = next.map_or(keyframe.len(), |next| if keyframe[next - 1] == 0 { next - 1 } else { next });
            }
            Part::Picture => break,
            Part::Other => {}
        }
    }
    let mut out = BytesMut::with_capacity(keyframe.len() + parameters.len());
    out.extend_from_slice(&keyframe[..at]);
    out.extend_from_slice(parameters);
    out.extend_from_slice(&keyframe[at..]);
    out.freeze()
}

/// For the fuzzer.
pub(crate) fn check(codec: Codec, keyframe: &Bytes, parameters: &Bytes) {
    let whole = with_parameters(codec, keyframe, parameters);
    assert!(whole.len() == keyframe.len() || whole.len() == keyframe.len() + parameters.len());
    if let Some((length, _)) = adts(keyframe) {
        assert!(length < keyframe.len());
    }
}

/// The header of ADTS (ISO/IEC 13818-7, 6.2) that `data` begins with: its length in bytes and
/// the AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1) that says the same.
pub(super) fn adts(data: &[u8]) -> Option<(usize, [u8; 2])> {
    let head = data.get(..7)?;
    if head[0] != 0xff || head[1] & 0xf6 != 0xf0 {
        return None;
    }
    let (object, frequency) = ((head[2] >> 6) + 1, (head[2] >> 2) & 0xf);
    let channels = (head[2] & 1) << 2 | head[3] >> 6;
    let len = if head[1] & 1 == 1 { 7 } else { 9 };
    (data.len() > len && frequency < 13).then(|| (len, config(object, frequency, channels)))
}

/// The AudioSpecificConfig of AAC-LC with these properties, for want of a better one.
pub(super) fn plain_config(audio: &Audio) -> Option<[u8; 2]> {
    const RATES: [u32; 13] = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];
    let frequency = RATES.iter().position(|rate| *rate == audio.sample_rate)?;
    let channels = u8::try_from(audio.channels).ok().filter(|channels| (1..=7).contains(channels))?;
    Some(config(2, frequency as u8, channels))
}

fn config(object: u8, frequency: u8, channels: u8) -> [u8; 2] {
    [object << 3 | frequency >> 1, frequency << 7 | channels << 3]
}

/// Samples of one packet, where the codec has a fixed number of them.
pub(super) fn frame_size(codec: Codec, sample_rate: u32) -> u32 {
    match codec.name() {
        "aac" => 1024,
        "mp3" if sample_rate < 32000 => 576,
        "mp3" | "mp2" => 1152,
        "mp1" => 384,
        "ac3" | "eac3" => 1536,
        "opus" => 960,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const H264: Codec = Codec::H264;
    const PARAMETERS: &[u8] = &[0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3];

    fn with(keyframe: &'static [u8]) -> Bytes {
        with_parameters(H264, &Bytes::from_static(keyframe), &Bytes::from_static(PARAMETERS))
    }

    #[test]
    fn a_keyframe_gets_parameter_sets_only_where_it_has_none() {
        let bare: &[u8] = &[0, 0, 0, 1, 0x65, 9, 9];
        assert_eq!(with(bare), [PARAMETERS, bare].concat());
        let full: &[u8] = &[0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 9, 9];
        assert_eq!(with(full), full);
    }

    #[test]
    fn parameter_sets_go_behind_the_delimiter() {
        static DELIMITER: &[u8] = &[0, 0, 0, 1, 0x09, 0xf0];
        assert_eq!(
            with(&[0, 0, 0, 1, 0x09, 0xf0, 0, 0, 0, 1, 0x65, 9, 9]),
            [DELIMITER, PARAMETERS, &[0, 0, 0, 1, 0x65, 9, 9]].concat()
        );
        assert_eq!(with(DELIMITER), [DELIMITER, PARAMETERS].concat());
    }

    #[test]
    fn a_header_of_adts_is_read() {
        // AAC-LC, 44.1 kHz, two channels, no checksum.
        let frame = [0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc, 0x21, 0x10];
        assert_eq!(adts(&frame), Some((7, [0x12, 0x10])));
        assert_eq!(plain_config(&Audio { sample_rate: 44100, channels: 2, block_align: 0 }), Some([0x12, 0x10]));
        for len in 0..7 {
            assert_eq!(adts(&frame[..len]), None);
        }
        assert_eq!(adts(&[0x21, 0x10, 0, 0, 0, 0, 0, 0]), None);
    }
}
