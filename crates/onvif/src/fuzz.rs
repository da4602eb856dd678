//! Bodies of the fuzz targets in `fuzz/`; a test replays their corpus.

use crate::xml::Element;
use crate::{device, discovery, media, ptz, xml};

/// Any answer is read or refused, by every reader, and what is read is within the bounds.
///
/// # Panics
/// When that is not so.
pub fn onvif_answer(input: &[u8]) {
    if let Ok(tree) = xml::parse(input) {
        let mut count = 0;
        check(&tree, 1, &mut count);
        assert!(count <= xml::MAX_ELEMENTS);
    }
    let _ = device::read_system_date_and_time(input).map(|time| time.map(|time| time.to_string()));
    let _ = (device::read_services(input), device::read_capabilities(input), device::read_information(input));
    let _ = (media::read_uri(input), ptz::read_presets(input), ptz::read_status(input), ptz::read_done(input));
    for profile in media::read_profiles(input).unwrap_or_default() {
        // Whatever a camera calls it, the request for it says the same.
        let request = media::stream_uri(media::Version::Two, &profile.token);
        assert!(xml::parse(request.as_bytes()).is_ok(), "{request}");
    }
    for found in discovery::read_matches(input).unwrap_or_default() {
        let _ = (found.is_video(), found.scope("name"));
    }
}

fn check(element: &Element, depth: usize, count: &mut usize) {
    assert!(depth <= xml::MAX_DEPTH && element.attributes.len() <= xml::MAX_ATTRIBUTES);
    *count += 1;
    element.children.iter().for_each(|child| check(child, depth + 1, count));
}
