//! What a URL of a request means.

use rtsp_types::Url;

use crate::sdp::CONTROL;

/// What is meant: a presentation, or a track of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Unescaped, without a slash in front.
    pub(super) path: String,
    pub(super) track: Option<u8>,
    /// The URL of the presentation, as the client wrote it, without a slash at the end.
    pub(super) base: String,
}

impl Target {
    /// Nothing if the escapes in it are none, or its track is no number.
    pub(super) fn of(url: &Url) -> Option<Self> {
        let text = url.as_str();
        let (base, track) = match text.rsplit_once('/') {
            Some((base, last)) if last.starts_with(CONTROL) => (base, Some(last[CONTROL.len()..].parse().ok()?)),
            _ => (text, None),
        };
        let base = base.trim_end_matches('/');
        let after_scheme = base.split_once("://").map_or("", |(_, rest)| rest);
        let path = after_scheme.split_once('/').map_or("", |(_, path)| path);
        Some(Self { path: unescape(path)?, track, base: base.to_owned() })
    }
}

/// Takes percent signs out (RFC 3986 section 2.1).
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_presentation_and_perhaps_a_track() {
        let target = |url: &str| Target::of(&Url::parse(url).unwrap());
        let parts = |url: &str| target(url).map(|target| (target.path, target.track));
        let some = |path: &str, track| Some((path.to_owned(), track));
        assert_eq!(parts("rtsp://host/cam2"), some("cam2", None));
        assert_eq!(parts("rtsp://host:554/cam2/"), some("cam2", None));
        assert_eq!(parts("rtsp://host/cam2/streamid=1"), some("cam2", Some(1)));
        assert_eq!(parts("rtsp://host/a%20b/c.rtsp?x=1/streamid=0"), some("a b/c.rtsp?x=1", Some(0)));
        assert_eq!(parts("rtsp://host"), some("", None));
        assert_eq!(parts("rtsp://host/streamid=3"), some("", Some(3)));
        for bad in ["rtsp://host/a%2", "rtsp://host/%zz", "rtsp://host/%ff", "rtsp://host/a/streamid=x"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
        assert_eq!(target("rtsp://host/cam2/streamid=1").unwrap().base, "rtsp://host/cam2");
    }
}
