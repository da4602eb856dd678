//! What the fuzz targets do; each is an ordinary function, so that a plain test replays the corpus.

use crate::offer::Codecs;
use crate::{h264, negotiate, opus, stun, vp8};

/// What peers send that is looked at here: names in STUN, parameter sets, heads of pictures.
pub fn webrtc_parts(data: &[u8]) {
    let _ = stun::local_name(data);
    let _ = h264::in_annex_b(data);
    if let Some((sets, size)) = h264::parameters(data) {
        assert!(size.width > 0 && size.height > 0);
        assert_eq!(h264::parameters(&sets).map(|(_, again)| again), Some(size));
    }
    let codecs = Codecs::of(&String::from_utf8_lossy(data));
    assert!(codecs.h264().is_none_or(|form| form.number < 128 && codecs.has("H264")));
    let _ = negotiate::media(&String::from_utf8_lossy(data));
    let _ = (vp8::size(data), opus::duration(data));
}
