//! What a reference in a playlist means (RFC 3986 section 5.2), for streams' URLs only.
//!
//! The text of an absolute URL stays as it is, since some servers know streams by names that no
//! URL may have.

use super::MAX_URL;

/// Schemes that a playlist may name.
const STREAMS: &[&str] =
    &["mms", "mmst", "mmsu", "mmsh", "http", "https", "rtsp", "rtspt", "rtspu", "rtsps", "rtmp", "rtmps"];

/// The absolute URL that `reference` means in a playlist from `base`. Nothing if that is no
/// URL of a stream: a file may be named by a playlist that is a file only.
pub fn resolve(base: &str, reference: &str) -> Option<String> {
    // Lines are broken anywhere.
    let reference: String = reference.chars().filter(|c| !c.is_control()).collect();
    let reference = reference.trim();
    if reference.is_empty() || reference.len() > MAX_URL {
        return None;
    }
    let url = match scheme(reference) {
        Some(scheme) => {
            let file = |scheme: &str| scheme.eq_ignore_ascii_case("file");
            let local = file(scheme) && self::scheme(base).is_some_and(file);
            let stream = is_stream(scheme) && has_host(reference);
            if !(local || stream) {
                return None;
            }
            reference.to_owned()
        }
        None => relative(base, reference)?,
    };
    (url.len() <= MAX_URL).then(|| windows_media(url))
}

/// Whether this is an absolute URL with a host, of a scheme that a playlist may name.
pub fn is_url(text: &str) -> bool {
    scheme(text).is_some_and(is_stream) && has_host(text) && !text.contains(char::is_whitespace)
}

/// A server names its stream by `http://` and `MSWMExt=` when it means its own protocol over
/// HTTP; asked as a browser asks, it would answer with this very playlist again.
fn windows_media(url: String) -> String {
    match url.split_once("://") {
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case("http") && rest.to_ascii_lowercase().contains("mswmext=") =>
        {
            format!("mmsh://{rest}")
        }
        _ => url,
    }
}

fn relative(base: &str, reference: &str) -> Option<String> {
    // A path of Windows is not a path on the server.
    if reference.contains('\\') || reference.starts_with('#') {
        return None;
    }
    let (scheme, rest) = base.split_once("://")?;
    if reference.starts_with("//") {
        return Some(format!("{scheme}:{reference}")).filter(|url| is_stream(scheme) && has_host(url));
    }
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority);
    let path = &path[..path.find(['?', '#']).unwrap_or(path.len())];
    if reference.starts_with('?') {
        let path = if path.is_empty() { "/" } else { path };
        return Some(format!("{scheme}://{authority}{path}{reference}"));
    }
    let (new, query) = reference.split_at(reference.find(['?', '#']).unwrap_or(reference.len()));
    let folder = if new.starts_with('/') { "" } else { &path[..path.rfind('/').map_or(0, |at| at + 1)] };
    Some(format!("{scheme}://{authority}{}{query}", without_dots(&format!("{folder}{new}"))))
}

/// RFC 3986 section 5.2.4, for a path that is absolute or meant to be.
fn without_dots(path: &str) -> String {
    let mut segments = Vec::new();
    let path = path.strip_prefix('/').unwrap_or(path);
    let last = path.rsplit('/').next().unwrap_or("");
    for segment in path.split('/') {
        match segment {
            "." => (),
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    if matches!(last, "." | "..") {
        segments.push("");
    }
    format!("/{}", segments.join("/"))
}

/// The scheme, if there is one of more than a letter: a drive is no scheme.
fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once(':')?;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let real = scheme.len() > 1 && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(legal);
    real.then_some(scheme)
}

fn is_stream(scheme: &str) -> bool {
    STREAMS.iter().any(|stream| stream.eq_ignore_ascii_case(scheme))
}

fn has_host(url: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| !rest.is_empty() && !rest.starts_with(['/', '?', '#']))
}
