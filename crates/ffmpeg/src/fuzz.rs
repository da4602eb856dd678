//! Bodies of the fuzz targets in `fuzz/`; a test replays their corpus.

use bytes::Bytes;
use media::Codec;

/// Parameter sets are put among pictures, and sound is told from its ADTS headers: what was there is
/// still there.
///
/// # Panics
/// When it is not.
pub fn packets_inband(input: &[u8]) {
    let Some((split, data)) = input.split_first() else { return };
    let (parameters, keyframe) = data.split_at(data.len().min(usize::from(*split)));
    let (parameters, keyframe) = (Bytes::copy_from_slice(parameters), Bytes::copy_from_slice(keyframe));
    for name in ["h264", "hevc", "mpeg4", "mpeg1video", "mpeg2video", "vp8"] {
        crate::muxer::check_inband(Codec::from_name(name), &keyframe, &parameters);
    }
}
