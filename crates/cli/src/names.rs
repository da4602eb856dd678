//! `NAME=URL` on the command line, and names for those without.

use std::collections::BTreeSet;

/// Splits `NAME=URL`; without a name, one is made of the URL.
pub fn split(text: &str, taken: &BTreeSet<String>) -> (String, String) {
    let plain =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    match text.split_once('=') {
        Some((name, url)) if plain(name) => (name.into(), url.into()),
        // Meant as a name, though it cannot be one: the relay says why.
        Some((name, url)) if is_meant(name, url) => (name.into(), url.into()),
        _ => (free(&name_of(text), taken), text.into()),
    }
}

/// Whether somebody who writes this before and behind a `=` has a name and a URL in mind.
fn is_meant(name: &str, url: &str) -> bool {
    let Some((protocol, _)) = url.split_once(':') else { return false };
    let is_known = || source::SCHEMES.iter().any(|scheme| scheme.names.contains(&protocol));
    !name.contains([':', '?']) && (!name.contains('/') || is_known())
}

/// What a URL would be called: the last part of its path, else its host. A part with
/// parameters may hold a password.
fn name_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or("").trim_end_matches('/');
    let last = rest.rsplit('/').find(|part| !part.contains('=')).unwrap_or("");
    let is_host = url.contains("://") && rest.split('/').next() == Some(last);
    // Of a host the port goes, of a file the extension.
    let stem = match is_host {
        true => last.rsplit_once(':').map_or(last, |(host, _)| host),
        false => last.rsplit_once('.').map_or(last, |(stem, _)| stem),
    };
    let clean: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let clean: String = clean.trim_matches('-').chars().take(40).collect();
    match relay::check_name(&clean) {
        Ok(()) => clean,
        Err(_) => format!("cam-{clean}").trim_matches('-').into(),
    }
}

fn free(name: &str, taken: &BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut candidates = std::iter::once(name.to_owned()).chain(numbered);
    candidates.find(|candidate| !taken.contains(candidate)).unwrap_or_else(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_or_made() {
        for (text, name, url) in [
            ("cam2=rtsp://u:p@10.0.0.5/stream", "cam2", "rtsp://u:p@10.0.0.5/stream"),
            ("rtsp://u:p@10.0.0.5:8554/stream", "stream", "rtsp://u:p@10.0.0.5:8554/stream"),
            ("rtsp://10.0.0.5:8554/", "10-0-0-5", "rtsp://10.0.0.5:8554/"),
            ("clips/lobby door.wmv", "lobby-door", "clips/lobby door.wmv"),
            ("/dev/video0", "video0", "/dev/video0"),
            ("pattern:", "pattern", "pattern:"),
            ("http://h/video.cgi?user=a&pwd=b", "video", "http://h/video.cgi?user=a&pwd=b"),
            ("0", "0", "0"),
            ("a.b=pattern:", "a.b", "pattern:"),
            ("a/b=pattern:", "a/b", "pattern:"),
            ("clips/x=y:z.mp4", "clips", "clips/x=y:z.mp4"),
            ("a=b.mp4", "a", "b.mp4"),
            ("a=", "a", ""),
            ("http://h/status", "cam-status", "http://h/status"),
            ("rtsp://10.0.0.5:554/user=a&pwd=b&x=1", "10-0-0-5", "rtsp://10.0.0.5:554/user=a&pwd=b&x=1"),
            ("rtsp://h/live/user=a_password=b", "live", "rtsp://h/live/user=a_password=b"),
        ] {
            assert_eq!(split(text, &BTreeSet::new()), (name.into(), url.into()));
        }
    }

    #[test]
    fn made_names_do_not_collide() {
        let taken = BTreeSet::from(["video0".to_owned(), "video0-2".to_owned()]);
        assert_eq!(split("/dev/video0", &taken).0, "video0-3");
    }
}
