//! Codecs by the numbers of FFmpeg 1.0 to 3.4, whose enumeration FFM carries.
//!
//! It had one number more than today's before that of Motion JPEG, so that today's
//! numbers are wrong.

/// Number and FFmpeg's name.
const CODECS: &[(u32, &str)] = &[
    (1, "mpeg1video"),
    (2, "mpeg2video"),
    (4, "h261"),
    (5, "h263"),
    (6, "rv10"),
    (7, "rv20"),
    (8, "mjpeg"),
    (10, "ljpeg"),
    (12, "jpegls"),
    (13, "mpeg4"),
    (14, "rawvideo"),
    (16, "msmpeg4v2"),
    (17, "msmpeg4v3"),
    (18, "wmv1"),
    (19, "wmv2"),
    (20, "h263p"),
    (22, "flv1"),
    (23, "svq1"),
    (25, "dvvideo"),
    (26, "huffyuv"),
    (28, "h264"),
    (31, "theora"),
    (34, "ffv1"),
    (61, "png"),
    (68, "ffvhuff"),
    (87, "flashsv"),
    (89, "jpeg2000"),
    (98, "gif"),
    (140, "vp8"),
    (168, "vp9"),
    (174, "hevc"),
    (0x1_0000, "pcm_s16le"),
    (0x1_0001, "pcm_s16be"),
    (0x1_0004, "pcm_s8"),
    (0x1_0005, "pcm_u8"),
    (0x1_0006, "pcm_mulaw"),
    (0x1_0007, "pcm_alaw"),
    (0x1_1001, "adpcm_ima_wav"),
    (0x1_1006, "adpcm_ms"),
    (0x1_2000, "amr_nb"),
    (0x1_3000, "ra_144"),
    (0x1_5000, "mp2"),
    (0x1_5001, "mp3"),
    (0x1_5002, "aac"),
    (0x1_5003, "ac3"),
    (0x1_5005, "vorbis"),
    (0x1_5007, "wmav1"),
    (0x1_5008, "wmav2"),
    (0x1_500C, "flac"),
];

/// FFmpeg's name of the codec with the number `id`, if it is a known one.
#[must_use]
pub fn name_of(id: u32) -> Option<&'static str> {
    CODECS.iter().find(|(known, _)| *known == id).map(|(_, name)| *name)
}

/// The number of the codec that FFmpeg calls `name`, if it is a known one.
#[must_use]
pub fn id_of(name: &str) -> Option<u32> {
    CODECS.iter().find(|(_, known)| *known == name).map(|(id, _)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_come_back() {
        assert!(CODECS.is_sorted_by(|a, b| a.0 < b.0));
        for (id, name) in CODECS {
            assert_eq!((id_of(name), name_of(*id)), (Some(*id), Some(*name)));
        }
        assert_eq!(name_of(3), None);
    }
}
