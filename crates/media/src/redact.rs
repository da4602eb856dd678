//! URLs for logs.

use std::fmt;
use std::ops::Range;

use crate::authority;

/// Shows a URL, or any text with one in it, without its password.
///
/// Every `//user:password@` becomes `//user:***@`, whatever characters the password is
/// made of: an unescaped `@` or `/` in it is what users type, so everything up to the
/// last `@` before a blank counts, unless the part behind the colon is a plain port. Host and
/// port that are opened ([`authority::as_meant`]) are shown even so: `//user:***@host/***@x`.
/// Values under a name that sounds like a secret are hidden too, in the query and in the
/// path, where some makers put them (`/user=admin&password=b&channel=1`).
#[derive(Clone, Copy)]
pub struct Redacted<'a>(pub &'a str);

/// `url` for everybody to read: as [`Redacted`] shows it, and without the names of its users.
#[must_use]
pub fn without_users(url: &str) -> String {
    let shown = Redacted(url).to_string();
    let mut parts = shown.split("://");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(['/', '?', '#']).unwrap_or(part.len());
        text.push_str("://");
        match part[..end].rfind('@') {
            Some(at) => text.extend(["***", &part[at..]]),
            None => text.push_str(part),
        }
    }
    text
}

/// Parameters whose value is a secret at some maker or other, by the last word of their
/// name. SRT servers let clients in by `streamid`.
const SECRET_KEYS: &[&str] =
    &["pass", "pw", "psw", "loginpas", "auth", "key", "sig", "signature", "apikey", "streamid"];
/// What makes anything a secret wherever it stands in its name.
const SECRET_PARTS: &[&str] = &["password", "passwd", "passphrase", "pwd", "secret"];

/// Whether a name, in small letters, says of anything that it is secret: of a parameter, an element, a member.
/// Of a parameter more is, see [`is_secret_name`].
#[must_use]
pub fn names_a_password(name: &str) -> bool {
    SECRET_PARTS.iter().any(|part| name.contains(part))
}

/// Whether the value of a parameter of this name is secret.
#[must_use]
pub fn is_secret_name(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let last = key.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
    SECRET_KEYS.contains(&last) || key.contains("token") || names_a_password(&key)
}

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_scheme = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        match self.0.split_once("://") {
            // One URL, with whatever blanks its password has.
            Some((scheme, rest)) if is_scheme(scheme) && rest.contains('@') => write_word(f, self.0),
            _ => self.0.split_inclusive(char::is_whitespace).try_for_each(|word| {
                let bare = word.trim_end();
                write_word(f, bare)?;
                f.write_str(&word[bare.len()..])
            }),
        }
    }
}

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

fn write_word(f: &mut fmt::Formatter<'_>, word: &str) -> fmt::Result {
    let Some(scheme_end) = word.find("://").map(|at| at + 3) else {
        // A URL whose scheme was forgotten, or mistyped.
        return match (word.split_once(':'), word.rfind('@')) {
            (Some((user, rest)), Some(at)) if user.len() < at && !rest.is_empty() => {
                write!(f, "{user}:***")?;
                write_query(f, &word[at..])
            }
            _ => write_query(f, word),
        };
    };
    f.write_str(&word[..scheme_end])?;
    let rest = &word[scheme_end..];
    let opened = opened(rest);
    // Of what is opened with a password, that ends no sooner than its host begins.
    let password = opened.as_ref().map(|host| host.start).filter(|start| rest[..*start].contains(':'));
    let Some(at) = userinfo_end(rest).max(password.map(|start| start - 1)) else {
        return write_query(f, rest);
    };
    let Some(colon) = rest[..at].find(':') else {
        f.write_str(&rest[..at])?;
        return write_query(f, &rest[at..]);
    };
    match opened.filter(|host| host.end < at) {
        Some(host) => {
            match colon < host.start {
                true => write!(f, "{}:***@{}", &rest[..colon], &rest[host.clone()])?,
                false => f.write_str(&rest[..host.end])?,
            }
            // One of `/`, `?` and `#`. A password may go on behind it, if the host was a part of it.
            write!(f, "{}***", &rest[host.end..=host.end])?;
        }
        None => write!(f, "{}:***", &rest[..colon])?,
    }
    write_query(f, &rest[at..])
}

/// Where in `rest`, which follows the `://`, host and port stand that are opened.
fn opened(rest: &str) -> Option<Range<usize>> {
    let (userinfo, behind) = authority::as_meant(rest).ok()?;
    let start = userinfo.map_or(0, |userinfo| userinfo.len() + 1);
    let end = authority::end(behind);
    authority::host_and_port(&behind[..end]).ok()?;
    Some(start..start + end)
}

/// Where the user and password end: the last `@` that can end them.
fn userinfo_end(rest: &str) -> Option<usize> {
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    // A later `@` may stand in the path or the query of a URL that is in order, or end an
    // unescaped password. Hiding too much is the harmless mistake.
    let port = authority.split_once(':').map(|(_, port)| port);
    let is_host = port.is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    if authority.contains('@') || (port.is_some() && !is_host) {
        return rest.rfind('@');
    }
    // `host:8554/a@b`, or the user `host` with the password `8554/a`, or `8554?a`: in a query
    // of names and values there are other URLs, which are looked at for themselves.
    port?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    match query.split_once('@') {
        Some((before, _)) if !before.contains('=') => rest.rfind('@'),
        _ => path.rfind('@'),
    }
}

fn write_query(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let (head, query) = text.split_once('?').map_or((text, None), |(head, query)| (head, Some(query)));
    match head.contains("://") {
        true => write!(f, "{}", Redacted(head))?,
        false => head.split_inclusive(['/', '&']).try_for_each(|part| write_pair(f, part, &['/', '&']))?,
    }
    let Some(query) = query else { return Ok(()) };
    f.write_str("?")?;
    query.split_inclusive('&').try_for_each(|pair| write_pair(f, pair, &['&']))
}

/// Writes `name=value`, or anything else, with one of `ends` behind it or none.
fn write_pair(f: &mut fmt::Formatter<'_>, text: &str, ends: &[char]) -> fmt::Result {
    let pair = text.trim_end_matches(ends);
    let secret = pair.match_indices('=').find(|(at, _)| is_secret_name(&pair[..*at]));
    match (secret, pair.split_once('=')) {
        (Some((at, _)), _) => write!(f, "{}=***", &pair[..at])?,
        (_, Some((key, value))) if is_encoded_url(value) => write!(f, "{key}=***")?,
        (_, Some((key, value))) if value.contains("://") => write!(f, "{key}={}", Redacted(value))?,
        _ if pair.contains("://") => write!(f, "{}", Redacted(pair))?,
        _ => f.write_str(pair)?,
    }
    f.write_str(&text[pair.len()..])
}

/// Whether a value is a URL with a user, escaped: it is hidden rather than taken apart.
fn is_encoded_url(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    value.contains("%3a%2f%2f") && value.contains("%40")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_reads_names_no_user() {
        for (url, shown) in [
            ("rtsp://admin:secret@10.0.0.5/h264", "rtsp://***@10.0.0.5/h264"),
            ("rtsp://admin:p@ss/w0rd#1@10.0.0.7/h264", "rtsp://***@10.0.0.7/h264"),
            ("http://admin@cam/x@y", "http://***@cam/x@y"),
            ("http://h/api?src=rtsp://admin:hunter2@cam/x", "http://h/api?src=rtsp://***@cam/x"),
            ("http://cam/x", "http://cam/x"),
            ("clip.mp4", "clip.mp4"),
        ] {
            assert_eq!(without_users(url), shown);
        }
    }

    fn shown(url: &str) -> String {
        Redacted(url).to_string()
    }

    #[test]
    fn passwords_are_hidden_however_they_are_written() {
        for (url, expected) in [
            ("rtsp://admin:secret@10.0.0.5/h264", "rtsp://admin:***@10.0.0.5/h264"),
            ("rtsp://admin:p@ss/w0rd#1@10.0.0.7/h264", "rtsp://admin:***@10.0.0.7/h264"),
            ("rtsp://admin:a/b@10.0.0.7/h264", "rtsp://admin:***@10.0.0.7/h264"),
            ("rtsp://admin@10.0.0.7/h264", "rtsp://admin@10.0.0.7/h264"),
            ("http://cam/cgi?user=a&pwd=b&x=1", "http://cam/cgi?user=a&pwd=***&x=1"),
            ("cannot open rtsp://a:b@h/x now", "cannot open rtsp://a:***@h/x now"),
            ("rtsp://admin:my pass@10.0.0.7/x", "rtsp://admin:***@10.0.0.7/x"),
            ("rtsp://admin:1234/5@10.0.0.7/x", "rtsp://admin:***@10.0.0.7/x"),
            ("http://h:80/api?src=rtsp://admin:hunter2@cam/x", "http://h:80/api?src=rtsp://admin:***@cam/x"),
            ("rtsp://admin:12?3@127.0.0.1:9/x", "rtsp://admin:***@127.0.0.1:9/x"),
            ("rtsp://admin:12?3@cam/x?a=b", "rtsp://admin:***@cam/x?a=b"),
            ("rtsp://admin:12#3?4@cam/x", "rtsp://admin:***@cam/x"),
            ("http://h/x?rtsp://admin:hunter2@cam/x", "http://h/x?rtsp://admin:***@cam/x"),
            ("http://h/proxy/rtsp://admin:hunter2@cam/x", "http://h/proxy/rtsp://admin:***@cam/x"),
            ("http://h/x?user:pwd=zz&api_key=1&PASSWORD%5F=2", "http://h/x?user:pwd=***&api_key=***&PASSWORD%5F=***"),
            ("srt://h:9000?passphrase=long enough", "srt://h:9000?passphrase=*** enough"),
            ("srt://h:9000?streamid=read:cam:admin:hunter2&mode=caller", "srt://h:9000?streamid=***&mode=caller"),
            ("rtsp://h/user=admin&password=b&channel=1", "rtsp://h/user=admin&password=***&channel=1"),
            ("rtsp://h/user=admin_password=a=_b_channel=1/x", "rtsp://h/user=admin_password=***/x"),
            ("http://h/x?next=http%3A%2F%2Fa%3Ab%40cam&y=1", "http://h/x?next=***&y=1"),
            ("admin:secret@10.0.0.5/h264", "admin:***@10.0.0.5/h264"),
            ("rtsp//admin:secret@10.0.0.5/h264: not found", "rtsp//admin:***@10.0.0.5/h264: not found"),
            ("rtmp://h/live/x playpath=a pwd=b", "rtmp://h/live/x playpath=a pwd=***"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }

    #[test]
    fn the_host_that_is_opened_is_shown_whatever_follows_it() {
        for (url, expected) in [
            ("http://ad@m:x@127.0.0.1:27001/snap?mail=a@b.c", "http://ad@m:***@127.0.0.1:27001/***@b.c"),
            ("http://127.0.0.1:27001/a@b/snap", "http://127.0.0.1:27001/***@b/snap"),
            ("http://adm:pw@127.0.0.1/x@y", "http://adm:***@127.0.0.1/***@y"),
            ("http://adm@127.0.0.1:81/x@y", "http://adm@127.0.0.1:81/***@y"),
            ("http://u:p@camera.lan/mail/a@b.c?pwd=1", "http://u:***@camera.lan/***@b.c?pwd=***"),
            ("rtsp://u:p@[fd00::7]:554?a@b", "rtsp://u:***@[fd00::7]:554?***@b"),
            // Of these none is opened.
            ("rtsp://admin:se@cret/word@cam/x", "rtsp://admin:***@cam/x"),
            ("rtsp://us@er:p/w@cam/x@y", "rtsp://us@er:***@y"),
        ] {
            assert_eq!(shown(url), expected);
            assert_eq!(shown(expected), expected, "shown twice");
        }
    }

    #[test]
    fn what_holds_no_secret_is_left_alone() {
        for url in [
            "clip.wmv",
            "/dev/video0",
            "pattern:?size=640x480",
            "http://h/a@b",
            "http://h/a?b=c",
            "http://h:80/a?mail=b@c",
            "rtsp://[::1]:554/x",
            "clips/lobby@night.wmv",
            "http://h/a//b&/c=d&&e=f",
        ] {
            assert_eq!(shown(url), url);
        }
    }
}
