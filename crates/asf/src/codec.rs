//! The codecs that ASF carries, by FourCC and by the format tag of a WAVEFORMATEX.
//!
//! One table for both directions: what is read by a row can be written by it. Of the
//! rows of one codec the first is the one to write unless the source had another.

use media::Codec;

/// FourCCs of video, in capitals, and what FFmpeg calls the codec.
static VIDEO: &[(&[u8; 4], Codec)] = &[
    (b"WMV1", Codec::from_name("wmv1")),
    (b"WMV2", Codec::from_name("wmv2")),
    (b"GXVE", Codec::from_name("wmv2")),
    (b"WMV3", Codec::from_name("wmv3")),
    (b"WVC1", Codec::from_name("vc1")),
    (b"WMVA", Codec::from_name("vc1")),
    (b"WMVP", Codec::from_name("wmv3image")),
    (b"WVP2", Codec::from_name("vc1image")),
    (b"MPG4", Codec::from_name("msmpeg4v1")),
    (b"MP41", Codec::from_name("msmpeg4v1")),
    (b"MP42", Codec::from_name("msmpeg4v2")),
    (b"DIV2", Codec::from_name("msmpeg4v2")),
    (b"MP43", Codec::from_name("msmpeg4v3")),
    (b"MPG3", Codec::from_name("msmpeg4v3")),
    (b"DIV3", Codec::from_name("msmpeg4v3")),
    (b"DIV4", Codec::from_name("msmpeg4v3")),
    (b"DIV5", Codec::from_name("msmpeg4v3")),
    (b"DIV6", Codec::from_name("msmpeg4v3")),
    (b"COL1", Codec::from_name("msmpeg4v3")),
    (b"AP41", Codec::from_name("msmpeg4v3")),
    (b"MSS1", Codec::from_name("mss1")),
    (b"MSS2", Codec::from_name("mss2")),
    (b"MTS2", Codec::from_name("mts2")),
    (b"M4S2", Codec::from_name("mpeg4")),
    (b"MP4S", Codec::from_name("mpeg4")),
    (b"MP4V", Codec::from_name("mpeg4")),
    (b"FMP4", Codec::from_name("mpeg4")),
    (b"DIVX", Codec::from_name("mpeg4")),
    (b"DX50", Codec::from_name("mpeg4")),
    (b"XVID", Codec::from_name("mpeg4")),
    (b"DIV1", Codec::from_name("mpeg4")),
    (b"3IV2", Codec::from_name("mpeg4")),
    (b"BLZ0", Codec::from_name("mpeg4")),
    (b"DIGI", Codec::from_name("mpeg4")),
    (b"DM4V", Codec::from_name("mpeg4")),
    (b"EM4A", Codec::from_name("mpeg4")),
    (b"FFDS", Codec::from_name("mpeg4")),
    (b"GEOX", Codec::from_name("mpeg4")),
    (b"QMP4", Codec::from_name("mpeg4")),
    (b"RMP4", Codec::from_name("mpeg4")),
    (b"SEDG", Codec::from_name("mpeg4")),
    (b"SM4V", Codec::from_name("mpeg4")),
    (b"XVIX", Codec::from_name("mpeg4")),
    (b"H264", Codec::H264),
    (b"X264", Codec::H264),
    (b"AVC1", Codec::H264),
    (b"DAVC", Codec::H264),
    (b"HEVC", Codec::HEVC),
    (b"H265", Codec::HEVC),
    (b"MJPG", Codec::MJPEG),
    (b"JPEG", Codec::MJPEG),
    (b"H263", Codec::from_name("h263")),
    (b"S263", Codec::from_name("flv1")),
    (b"MPG1", Codec::from_name("mpeg1video")),
    (b"MPG2", Codec::from_name("mpeg2video")),
    (b"DVR ", Codec::from_name("mpeg2video")),
];

/// Format tags of sound. PCM (tags 1 and 3) is told apart by its bits: see [`PCM`].
static AUDIO: &[(u16, Codec)] = &[
    (0x0160, Codec::from_name("wmav1")),
    (0x0161, Codec::from_name("wmav2")),
    (0x0162, Codec::from_name("wmapro")),
    (0x0163, Codec::from_name("wmalossless")),
    (0x000A, Codec::from_name("wmavoice")),
    (0x0050, Codec::from_name("mp2")),
    (0x0055, Codec::from_name("mp3")),
    (0x00FF, Codec::from_name("aac")),
    (0x1610, Codec::from_name("aac")),
    (0x1602, Codec::from_name("aac_latm")),
    (0x0002, Codec::from_name("adpcm_ms")),
    (0x0006, Codec::from_name("pcm_alaw")),
    (0x0007, Codec::from_name("pcm_mulaw")),
    (0x0011, Codec::from_name("adpcm_ima_wav")),
    (0x0022, Codec::from_name("truespeech")),
    (0x0031, Codec::from_name("gsm_ms")),
    (0x0042, Codec::from_name("g723_1")),
    (0x0045, Codec::from_name("adpcm_g726")),
    (0x0064, Codec::from_name("adpcm_g726")),
    (0x0075, Codec::from_name("metasound")),
    (0x0130, Codec::from_name("sipr")),
    (0x2000, Codec::from_name("ac3")),
];

/// Format tag 1 (integers) and 3 (floating point) by bits of a sample.
static PCM: &[(u16, u16, Codec)] = &[
    (1, 8, Codec::from_name("pcm_u8")),
    (1, 16, Codec::from_name("pcm_s16le")),
    (1, 24, Codec::from_name("pcm_s24le")),
    (1, 32, Codec::from_name("pcm_s32le")),
    (3, 32, Codec::from_name("pcm_f32le")),
    (3, 64, Codec::from_name("pcm_f64le")),
];

/// The codec of video with this FourCC, as it stands in a BITMAPINFOHEADER read as a
/// little-endian number. Capitals or not makes no difference.
#[must_use]
pub fn video(fourcc: u32) -> Option<Codec> {
    let fourcc = fourcc.to_le_bytes().map(|b| b.to_ascii_uppercase());
    VIDEO.iter().find(|(row, _)| **row == fourcc).map(|(_, codec)| *codec)
}

/// The codec of sound with this format tag and so many bits a sample.
#[must_use]
pub fn audio(tag: u16, bits_per_sample: u16) -> Option<Codec> {
    let bits = bits_per_sample.checked_next_multiple_of(8);
    let pcm = || PCM.iter().find(|row| row.0 == tag && Some(row.1) == bits).map(|row| row.2);
    AUDIO.iter().find(|row| row.0 == tag).map(|row| row.1).or_else(pcm)
}

/// The FourCC to write for `codec`: `wanted` if it stands for that codec, else the usual one.
/// Nothing when ASF does not carry the codec.
#[must_use]
pub fn video_tag(codec: Codec, wanted: u32) -> Option<u32> {
    let usual = || VIDEO.iter().find(|row| row.1 == codec).map(|row| u32::from_le_bytes(*row.0));
    if video(wanted) == Some(codec) { Some(wanted) } else { usual() }
}

/// The format tag to write for `codec`, and its bits a sample if the codec implies them:
/// `wanted` if it stands for that codec, else the usual one. Nothing when ASF does not
/// carry the codec.
#[must_use]
pub fn audio_tag(codec: Codec, wanted: u32) -> Option<(u16, Option<u16>)> {
    let rows = || AUDIO.iter().filter(|row| row.1 == codec);
    let pcm = || PCM.iter().find(|row| row.2 == codec).map(|row| (row.0, Some(row.1)));
    let row = rows().find(|row| u32::from(row.0) == wanted).or_else(|| rows().next());
    row.map(|row| (row.0, None)).or_else(pcm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_absurd_width_are_no_pcm() {
        for bits in [0, 64, u16::MAX - 7, u16::MAX] {
            assert_eq!(audio(1, bits), None);
        }
        assert_eq!(audio(1, 12), audio(1, 16));
    }

    #[test]
    fn what_a_row_reads_it_writes() {
        for (fourcc, codec) in VIDEO {
            let fourcc = u32::from_le_bytes(**fourcc);
            assert_eq!(video(fourcc), Some(*codec));
            assert_eq!(video_tag(*codec, fourcc), Some(fourcc));
            assert_eq!(video_tag(*codec, 0).and_then(video), Some(*codec));
        }
        for (tag, codec) in AUDIO {
            assert_eq!(audio(*tag, 16), Some(*codec));
            assert_eq!(audio_tag(*codec, (*tag).into()), Some((*tag, None)));
        }
        for (tag, bits, codec) in PCM {
            assert_eq!(audio(*tag, *bits), Some(*codec));
            assert_eq!(audio_tag(*codec, 0), Some((*tag, Some(*bits))));
        }
    }

    #[test]
    fn a_fourcc_of_another_codec_is_not_kept() {
        let fourcc = |text: &[u8; 4]| u32::from_le_bytes(*text);
        assert_eq!(video_tag(Codec::from_name("mpeg4"), fourcc(b"mp4v")), Some(fourcc(b"mp4v")));
        assert_eq!(video_tag(Codec::from_name("wmv2"), fourcc(b"mp4v")), Some(fourcc(b"WMV2")));
        assert_eq!(video_tag(Codec::from_name("av1"), fourcc(b"AV01")), None);
        assert_eq!(video(fourcc(b"wmv3")), Some(Codec::from_name("wmv3")));
    }
}
