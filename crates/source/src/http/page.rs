//! What a page for people tells somebody who wants a stream: its title, whether it wants a login,
//! and where it has its pictures from.

use media::Redacted;

use super::sniff::shorten;
use crate::location::Location;

/// Most addresses of pictures that are named.
const MOST_NAMED: usize = 3;
/// The longest of them, in bytes.
const LONGEST: usize = 160;
/// What stands in the addresses of live pictures.
const LIVE: &[&str] = &[
    "mjpg",
    "mjpeg",
    "videostream",
    "video.cgi",
    "/video",
    "snapshot",
    "snap.",
    "faststream",
    "axis-cgi",
    ".m3u8",
    "/stream",
    "image.jpg",
    "image.cgi",
    "current.jpg",
    "live.jpg",
    "cam.jpg",
    "capture.jpg",
];
/// What the other files of a page end with.
const OTHERS: &[&str] = &[".js", ".css", ".png", ".gif", ".svg", ".ico", ".htm", ".html", ".php", ".asp", ".json"];

/// Whether nothing of a page is to come, of whose end `count` bytes are new.
pub(super) fn is_whole(page: &[u8], count: usize) -> bool {
    const END: &[u8] = b"</html>";
    find(&page[page.len().saturating_sub(count + END.len())..], END).is_some()
}

/// What it is, as a part of a sentence.
pub(super) fn told(page: &[u8], location: &Location) -> String {
    let title = shown_title(page).map(|title| format!(", {title:?}")).unwrap_or_default();
    let is_login = ["type=\"password\"", "type='password'", "type=password"];
    if is_login.iter().any(|field| find(page, field.as_bytes()).is_some()) {
        return format!("an HTML page to log in at{title}");
    }
    let pictures = pictures(page, location);
    let pictures =
        if pictures.is_empty() { String::new() } else { format!("; it shows pictures from {}", pictures.join(" ")) };
    format!("an HTML page{title}{pictures}")
}

/// Its title as it is shown, if it has one.
pub(crate) fn shown_title(page: &[u8]) -> Option<String> {
    title(page).map(shorten).filter(|title| !title.is_empty())
}

/// What stands between `<title>` and `</title>`.
pub(crate) fn title(page: &[u8]) -> Option<&[u8]> {
    let begin = find(page, b"<title")?;
    let begin = begin + memchr::memchr(b'>', &page[begin..])? + 1;
    Some(&page[begin..begin + find(&page[begin..], b"</title")?])
}

/// Addresses that look like those of live pictures, wherever they stand in quotes: in elements and in
/// scripts.
fn pictures(page: &[u8], location: &Location) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for quoted in page.split(|byte| matches!(byte, b'"' | b'\'' | b'`')) {
        let Ok(text) = std::str::from_utf8(quoted) else { continue };
        let is_address =
            text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>{}|\\".contains(&byte));
        if !is_address || !looks_live(text) {
            continue;
        }
        let Ok(there) = location.join(&text.replace("&amp;", "&")) else { continue };
        let is_other = !matches!(&*there.scheme, "http" | "https" | "rtsp" | "ws" | "wss");
        let there = Redacted(&Location { user: None, password: None, ..there }.to_url()).to_string();
        if is_other || found.contains(&there) {
            continue;
        }
        found.push(there);
        if found.len() == MOST_NAMED {
            break;
        }
    }
    found
}

fn looks_live(address: &str) -> bool {
    let address = address.to_ascii_lowercase();
    let path = address.split(['?', '#']).next().unwrap_or_default();
    // `javascript:`, `data:` and their like.
    let is_script = path.split('/').next().unwrap_or_default().contains(':') && !path.contains("://");
    let is_path = address.contains('/') || path.contains('.');
    is_path
        && !is_script
        && !OTHERS.iter().any(|end| path.ends_with(end))
        && (address.starts_with("rtsp://") || LIVE.iter().any(|part| address.contains(part)))
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(page: &str) -> String {
        told(page.as_bytes(), &Location::parse("http://me:hunter2@cam:81/live/index.html").unwrap())
    }

    #[test]
    fn a_title_is_found() {
        assert_eq!(title(b"<html><TITLE lang=x>\n Login </Title>").map(shorten).as_deref(), Some("Login"));
        assert_eq!(title(b"<html><title>Log"), None);
    }

    #[test]
    fn where_a_page_has_its_pictures_from_is_named() {
        assert_eq!(
            seen(
                "<html><title>Cam</title><script src='/mjpeg.js'></script><img src=\"/cgi-bin/mjpeg?a=1&amp;b=2\">\
                 <img src='logo.png'><a href=\"snapshot.jpg\">x</a><script>var u = 'rtsp://other:554/h264';</script>\
                 <img src=\"/video4\"></html>"
            ),
            "an HTML page, \"Cam\"; it shows pictures from http://cam:81/cgi-bin/mjpeg?a=1&b=2 \
             http://cam:81/live/snapshot.jpg rtsp://other:554/h264"
        );
        assert_eq!(seen("<html><img src=\"a.png\"></html>"), "an HTML page");
        assert_eq!(seen("<html>'http://u:hunter2@x/mjpeg?pwd=hunter2'").find("hunter2"), None);
        assert_eq!(seen("<html>'javascript:a/video' \"file:///video\" 'data:/video'"), "an HTML page");
    }

    #[test]
    fn a_page_to_log_in_at_is_told_from_others() {
        assert_eq!(
            seen("<title>Hello</title><INPUT Type=\"Password\" name=p>"),
            "an HTML page to log in at, \"Hello\""
        );
    }

    #[test]
    fn a_page_of_nothing_but_quotes_is_looked_at_in_no_time() {
        let page = "'".repeat(64 << 10) + &"x/mjpeg".repeat(5000);
        assert_eq!(seen(&page), "an HTML page");
    }
}
