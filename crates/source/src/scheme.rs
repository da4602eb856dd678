//! The table of everything that can be opened.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::location::Location;
use crate::{Error, Options, Sink, exec, file, http, libav, makers, mms, onvif, pattern, push, replay, rtsp, webcam};

/// What to open.
#[derive(Clone)]
pub struct Request {
    /// The URL, path or device as the user wrote it. Holds the password: log it through
    /// [`media::Redacted`] only, as `Debug` does.
    pub url: Arc<str>,
    /// How.
    pub options: Arc<Options>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = media::Redacted(&self.url);
        f.debug_struct("Request").field("url", &url).field("options", &self.options).finish()
    }
}

/// A running connection. It ends with an error only; a stream that ends in order is
/// [`Error::Ended`].
pub type Connection = Pin<Box<dyn Future<Output = Error> + Send>>;

/// A way to open URLs.
pub struct Scheme {
    /// URL schemes without `://`; the first one names the row.
    pub names: &'static [&'static str],
    /// A URL that shows the form.
    pub example: &'static str,
    /// What it opens, in a line.
    pub doc: &'static str,
    /// The TCP port its servers listen on, if it is one.
    pub port: Option<u16>,
    /// Whether all that is said to it can be captured ([`crate::Capture`]): its connections are all
    /// made by the sink's line.
    pub captured: bool,
    /// Whether a URL can work at all, as far as its text tells.
    pub check: fn(&str) -> Result<(), Error>,
    /// Runs one connection, from connect to its end, and gives to the sink what comes.
    /// Dropping the future ends it.
    pub connect: fn(Request, Sink) -> Connection,
}

/// For [`Scheme::check`]: any text may work.
pub(crate) fn any(_: &str) -> Result<(), Error> {
    Ok(())
}

/// For [`Scheme::check`]: a URL with a host in it.
pub(crate) fn with_host(url: &str) -> Result<(), Error> {
    Location::parse(url).map(|_| ())
}

/// Everything that can be opened. The last row takes what no other one names.
pub static SCHEMES: &[&Scheme] = &[
    &http::SCHEME,
    &http::SECURE,
    &http::SOCKET,
    &http::SECURE_SOCKET,
    &rtsp::SCHEME,
    &rtsp::SECURE,
    &mms::SCHEME,
    &mms::OVER_HTTP,
    &mms::OVER_TCP,
    &libav::RTMP,
    &libav::DATAGRAMS,
    &onvif::SCHEME,
    &makers::SCHEME,
    &exec::SCHEME,
    &pattern::SCHEME,
    &replay::SCHEME,
    &push::SCHEME,
    &webcam::SCHEME,
    &libav::SCREEN,
    &file::SCHEME,
];

/// The row for `url`.
#[must_use]
pub fn scheme_of(url: &str) -> Option<&'static Scheme> {
    if webcam::device(url).is_some() {
        return Some(&webcam::SCHEME);
    }
    let name = url.split_once(':').map(|(name, _)| name.to_ascii_lowercase());
    let named = |scheme: &&&Scheme| name.as_deref().is_some_and(|name| scheme.names.contains(&name));
    SCHEMES.iter().find(named).or(SCHEMES.last()).copied()
}

/// The scheme that `name` was probably meant to be: at most two letters changed, left out,
/// put in or swapped.
pub(crate) fn similar(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let all = SCHEMES.iter().flat_map(|scheme| scheme.names.iter().copied());
    // Of two as near, the one with the same first letter, and then the one as long: letters
    // are swapped more often than left out.
    let far = |known: &str| {
        let other_letter = known.as_bytes().first() != name.as_bytes().first();
        (media::distance(&name, known), other_letter, known.len().abs_diff(name.len()))
    };
    let ((least, ..), found) = all.map(|known| (far(known), known)).min()?;
    (least <= 2 && least < found.len()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_understood() {
        for (typed, meant) in [("rstp", "rtsp"), ("htp", "http"), ("mssh", "mmsh"), ("patern", "pattern")] {
            assert_eq!(similar(typed), Some(meant));
        }
        assert_eq!(similar("gopher"), None);
    }

    #[test]
    fn a_webcam_is_no_file_however_it_is_called() {
        for (url, name) in [
            ("0", "v4l2"),
            ("/dev/video0", "v4l2"),
            ("v4l2:2", "v4l2"),
            ("clip.wmv", "file"),
            ("odd:clip.wmv", "file"),
            ("007.mp4", "file"),
        ] {
            assert_eq!(scheme_of(url).unwrap().names[0], name, "{url}");
        }
    }

    #[test]
    fn a_request_does_not_tell_its_password() {
        let request = Request { url: "rtsp://admin:hunter2@cam/x".into(), options: Arc::default() };
        let shown = format!("{request:?}");
        assert!(shown.contains("admin:***@cam/x") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn every_example_is_taken_by_its_own_row() {
        for scheme in SCHEMES {
            let row = scheme_of(scheme.example).unwrap();
            assert_eq!(row.names, scheme.names, "{}", scheme.example);
            assert_eq!((scheme.check)(scheme.example), Ok(()), "{}", scheme.example);
        }
    }
}
