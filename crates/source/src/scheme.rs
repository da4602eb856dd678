//! The table of everything that can be opened.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::location::Location;
use crate::{Error, Options, Sink, http, libav, mms, pattern, rtsp};

/// What to open.
#[derive(Clone, Debug)]
pub struct Request {
    /// The URL, path or device as the user wrote it. Holds the password: log it through
    /// [`media::Redacted`] only.
    pub url: Arc<str>,
    /// How.
    pub options: Arc<Options>,
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
    &rtsp::SCHEME,
    &libav::RTSPS,
    &mms::SCHEME,
    &libav::MMS_BY_NAME,
    &libav::HTTPS,
    &libav::RTMP,
    &libav::DATAGRAMS,
    &pattern::SCHEME,
    &libav::V4L2,
    &libav::FILE,
];

/// The row for `url`.
#[must_use]
pub fn scheme_of(url: &str) -> Option<&'static Scheme> {
    let name = url.split_once(':').map(|(name, _)| name.to_ascii_lowercase());
    let named = |scheme: &&&Scheme| name.as_deref().is_some_and(|name| scheme.names.contains(&name));
    SCHEMES.iter().find(named).or(SCHEMES.last()).copied()
}
