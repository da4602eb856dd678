//! What a body is, by its first bytes.

use std::fmt::Display;
use std::time::Duration;

use formats::multipart::Reader;
use memchr::memmem;
use mms::playlist::{self, Kind};
use tokio::time::timeout;

use super::body::Answer;
use super::page;
use crate::Error;
use crate::location::Location;

/// Pictures show within so many bytes, or never.
const MAX_PREFIX: usize = 64 << 10;
/// The same where the Content-Type promises sound or another kind of video.
const MAX_TYPED_PREFIX: usize = 4 << 10;
/// A page must come within this time.
const PAGE_WAIT: Duration = Duration::from_secs(1);
/// The longest title or text that is shown, in characters.
pub(crate) const MAX_SHOWN: usize = 60;

/// Who opens a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// We do: JPEG pictures.
    Mjpeg,
    /// We do: an ASF file, or one without end.
    Asf,
    /// A client of Windows Media: framed ASF, or a playlist of its kind.
    WindowsMedia,
    /// libavformat.
    Other,
}

/// What the first bytes look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Look {
    Mjpeg,
    Html,
    Asf,
    WindowsMedia,
    /// The magic of something that libavformat knows.
    Known,
    /// Nothing yet; only letters so far, or not.
    Unknown {
        text: bool,
    },
}

/// Reads the begin of the body into `reader` until it is clear what it is.
///
/// # Errors
/// [`Error::NotVideo`] for a page or a text, with its title or first words.
pub(super) async fn watch(answer: &mut Answer, reader: &mut Reader, location: &Location) -> Result<Verdict, Error> {
    let kind = answer.head.media_type();
    let promised = kind.starts_with("multipart/") || matches!(&*kind, "image/jpeg" | "image/jpg" | "image/pjpeg");
    let typed = kind.starts_with("audio/") || kind.starts_with("video/") && !kind.contains("jp");
    let most = if typed { MAX_TYPED_PREFIX } else { MAX_PREFIX };
    loop {
        let count =
            answer.read(reader.buffer()).await.map_err(|error| Error::from_io(&location.to_string(), &error))?;
        let prefix = &reader.buffer()[..];
        let over = count == 0 || prefix.len() >= most;
        match look(prefix) {
            Look::Html => return Err(page(answer, reader, location).await),
            Look::Mjpeg => return Ok(Verdict::Mjpeg),
            _ if promised && !prefix.is_empty() => return Ok(Verdict::Mjpeg),
            Look::Asf => return Ok(Verdict::Asf),
            Look::WindowsMedia => return Ok(Verdict::WindowsMedia),
            Look::Known => return Ok(Verdict::Other),
            Look::Unknown { text } if over => {
                let nothing = prefix.is_empty();
                return match text {
                    true if nothing => Err(Error::Ended { what: Some(format!("{location} sent nothing")) }),
                    true if prefix.starts_with(b"RTSP/") => {
                        let line = prefix.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
                        Err(speaks_rtsp(location, location, line))
                    }
                    true if kind == "text/html" => Err(page(answer, reader, location).await),
                    true => Err(not_video(location, &format!("a text, {:?}", shorten(prefix)))),
                    false => Ok(Verdict::Other),
                };
            }
            Look::Unknown { .. } => {}
        }
    }
}

/// A port of RTSP was asked by HTTP, and `said` so. `before` is what is told in front of that.
pub(super) fn speaks_rtsp(before: impl Display, location: &Location, said: &[u8]) -> Error {
    let (said, there) = (shorten(said), Location { scheme: "rtsp".into(), ..location.clone() });
    let what = format!("{before}: this port speaks RTSP and not HTTP (it says {said:?}); is {there} meant?");
    Error::Broken { what }
}

pub(crate) fn look(bytes: &[u8]) -> Look {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    let begins = |name: &[u8]| text.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name));
    if text.starts_with(b"--") || bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        return Look::Mjpeg;
    }
    if begins(b"<!doctype html") || begins(b"<html") {
        return Look::Html;
    }
    if bytes.starts_with(&ASF) {
        return Look::Asf;
    }
    if FRAMES.iter().any(|magic| bytes.starts_with(magic))
        || matches!(playlist::looks_like(bytes), Some(Kind::Asx | Kind::Reference | Kind::Nsc))
    {
        return Look::WindowsMedia;
    }
    if MAGIC.iter().any(|(at, magic)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic)))
        || bytes.first() == Some(&0x47) && bytes.get(188) == Some(&0x47)
    {
        return Look::Known;
    }
    if memmem::find(bytes, &[0xFF, 0xD8, 0xFF]).is_some() {
        return Look::Mjpeg;
    }
    Look::Unknown { text: bytes.iter().all(|byte| *byte >= b' ' || byte.is_ascii_whitespace()) }
}

/// How ASF begins: half of the GUID of its header.
const ASF: [u8; 8] = [0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11];
/// How ASF in frames begins ([MS-WMSP] 2.2.3.1): `$`, with the top bit set or not, and what it is.
const FRAMES: &[&[u8]] = &[b"$H", b"$M", b"$D", b"$C", b"\xA4H", b"\xA4M", b"\xA4D", b"\xA4C"];

/// Where and how other containers begin, those first of all that may hold a JPEG picture
/// near their begin.
const MAGIC: &[(usize, &[u8])] = &[
    (0, b"#EXTM3U"),
    (0, b"FLV\x01"),
    (0, b"RIFF"),
    (0, b"OggS"),
    (0, b"ID3"),
    (0, b"<?xml"),
    (0, b"\x1A\x45\xDF\xA3"),
    (0, b"\x00\x00\x00\x01"),
    (0, b"\x00\x00\x01"),
    (0, b"\x89PNG"),
    (0, b"GIF8"),
    (4, b"ftyp"),
    (4, b"styp"),
    (4, b"moov"),
    (4, b"moof"),
];

/// The error for a page; reads on to its end, for its title and the pictures that it shows.
async fn page(answer: &mut Answer, reader: &mut Reader, location: &Location) -> Error {
    let read_on = async {
        let mut count = reader.buffer().len();
        while !page::is_whole(reader.buffer(), count) && reader.buffer().len() < MAX_PREFIX {
            count = match answer.read(reader.buffer()).await {
                Ok(count @ 1..) => count,
                _ => break,
            };
        }
    };
    let _ = timeout(PAGE_WAIT, read_on).await;
    not_video(location, &page::told(reader.buffer(), location))
}

fn not_video(location: &Location, what: &str) -> Error {
    Error::NotVideo { what: format!("{location} answered with {what}"), page: true }
}

/// The first words, on one line.
pub(crate) fn shorten(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(8 * MAX_SHOWN)]);
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        for (bytes, expected) in [
            (&b"\xFF\xD8\xFF\xE0"[..], Look::Mjpeg),
            (b"\r\n--boundary", Look::Mjpeg),
            (b"Content-Type: image/jpeg\r\n\r\n\xFF\xD8\xFF", Look::Mjpeg),
            (b"\0\0\0\0\xFF\xD8\xFF", Look::Mjpeg),
            (b" <!DOCTYPE html><x>", Look::Html),
            (b"\xEF\xBB\xBF<HTML>", Look::Html),
            (b"\x30\x26\xB2\x75\x8E\x66\xCF\x11", Look::Asf),
            (b"$H\x10\0", Look::WindowsMedia),
            (b"\xA4M\x10\0", Look::WindowsMedia),
            (b"<ASX version=3><entry>", Look::WindowsMedia),
            (b"[Reference]\r\nRef1=http://a/b\r\n", Look::WindowsMedia),
            (b"<?xml version=\"1.0\"?><mpd>", Look::Known),
            (b"#EXTM3U\n", Look::Known),
            (b"RIFF....AVI \xFF\xD8\xFF", Look::Known),
            (b"\0\0\0\x18ftypmp42", Look::Known),
            (b"<!DOC", Look::Unknown { text: true }),
            (b"busy\r\n", Look::Unknown { text: true }),
            (b"\x01\x02", Look::Unknown { text: false }),
        ] {
            assert_eq!(look(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
        let mut packets = [0; 400];
        (packets[0], packets[188]) = (0x47, 0x47);
        assert_eq!(look(&packets), Look::Known);
    }

    #[test]
    fn a_text_is_shortened() {
        assert_eq!(shorten("ü ".repeat(100).as_bytes()).chars().count(), MAX_SHOWN);
    }
}
