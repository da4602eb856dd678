//! What is being sent, by its first bytes.

use bytes::BytesMut;

use super::pipe::Reader;
use crate::Error;
use crate::http::sniff::{Look, look, shorten};

/// A container shows within so many bytes, or never.
const MOST: usize = 64 << 10;

/// Who takes it apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The scanner: JPEG pictures in any wrapping.
    Jpeg,
    /// Our own demuxer of ASF.
    Asf,
    /// Our own demuxer of FFM.
    Ffm,
    /// libavformat; `true` when not even a magic was seen.
    Other(bool),
}

/// Reads the begin until it is clear what it is. Nothing of it is lost.
///
/// # Errors
/// [`Error::NotVideo`] for a page, a text, or nothing at all.
pub(super) fn kind(reader: &mut Reader) -> Result<Kind, Error> {
    let mut begin = BytesMut::new();
    loop {
        let piece = reader.piece();
        let over = piece.is_none();
        begin.extend_from_slice(&piece.unwrap_or_default());
        let found = match look_at(&begin) {
            None if over || begin.len() >= MOST => Some(decide(&begin)),
            found => found.map(Ok),
        };
        if let Some(found) = found {
            reader.put_back(begin.freeze());
            return found;
        }
    }
}

fn decide(begin: &[u8]) -> Result<Kind, Error> {
    let not_video = |what: String| Error::NotVideo { what, page: false };
    match look(begin) {
        Look::Unknown { .. } if begin.is_empty() => Err(not_video("nothing was sent".into())),
        Look::Html | Look::Unknown { text: true } if is_text(begin) => {
            Err(not_video(format!("a text was sent, {:?}", shorten(begin))))
        }
        _ => Ok(Kind::Other(true)),
    }
}

/// For the fuzzer: what is said of a begin, without a reader.
pub(super) fn check(begin: &[u8]) {
    let _ = look_at(begin).map_or_else(|| decide(begin), Ok);
}

/// Whether it is UTF-8, but for a last letter that is cut.
fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true)
}

fn look_at(begin: &[u8]) -> Option<Kind> {
    if begin.starts_with(b"FFM1") || begin.starts_with(b"FFM2") {
        return Some(Kind::Ffm);
    }
    if MAGIC.iter().any(|(at, magic)| begin.get(*at..).is_some_and(|rest| rest.starts_with(magic))) {
        return Some(Kind::Other(false));
    }
    match look(begin) {
        Look::Mjpeg => Some(Kind::Jpeg),
        Look::Asf => Some(Kind::Asf),
        Look::Known => Some(Kind::Other(false)),
        // What these are is said when it is clear that they are nothing else.
        Look::Html | Look::WindowsMedia | Look::Unknown { .. } => None,
    }
}

/// Containers that hold JPEG pictures near their begin, besides those that servers send.
const MAGIC: &[(usize, &[u8])] = &[(0, b"nut/multimedia container\0"), (0, b"\x06\x0E\x2B\x34"), (0, b"YUV4MPEG2")];

/// libavformat's name of a Content-Type, for what has no magic of its own.
pub(super) fn format_of(content_type: &str) -> Option<&'static str> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Some(match &*media_type {
        "video/mp2t" => "mpegts",
        "video/h264" | "video/x-h264" | "video/avc" => "h264",
        "video/h265" | "video/x-h265" | "video/hevc" => "hevc",
        "video/mpeg" | "video/mp1s" | "video/mp2p" => "mpeg",
        "video/x-m4v" => "m4v",
        _ => return None,
    })
}

/// The text for what turned out to be nothing that can be read.
pub(super) fn unreadable(detail: &str) -> Error {
    Error::NotVideo {
        what: format!("what was sent is not video, or of a kind that is not known: {detail}"),
        page: false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::push::{Ending, pipe};

    fn kind_of(bytes: &'static [u8]) -> Result<Kind, Error> {
        let (writer, mut reader) = pipe::pipe();
        let written = writer.write(Bytes::from_static(bytes));
        assert_eq!(crate::wait_for(written, Duration::from_secs(9)), Some(true));
        writer.end(Ending::Whole);
        kind(&mut reader)
    }

    #[test]
    fn what_was_sent_is_told_by_its_first_bytes() {
        for (bytes, expected) in [
            (&b"--ffmpeg\r\nContent-type: image/jpeg\r\n\r\n\xFF\xD8\xFF"[..], Kind::Jpeg),
            (b"\xFF\xD8\xFF\xE0", Kind::Jpeg),
            (b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6", Kind::Asf),
            (b"nut/multimedia container\0 \xFF\xD8\xFF", Kind::Other(false)),
            (b"\x1A\x45\xDF\xA3", Kind::Other(false)),
            (b"FLV\x01", Kind::Other(false)),
            (b"FFM2\0\0\x10\0 \xFF\xD8\xFF", Kind::Ffm),
            (b"\x01\x02\x03", Kind::Other(true)),
        ] {
            assert_eq!(kind_of(bytes), Ok(expected), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn texts_and_nothing_are_no_video() {
        for (bytes, expected) in [
            (&b"hello, is anybody there?\n"[..], "a text was sent, \"hello, is anybody there?\""),
            (b"<html><body>", "a text was sent, \"<html><body>\""),
            (b"", "nothing was sent"),
        ] {
            assert_eq!(kind_of(bytes).unwrap_err().to_string(), expected);
        }
    }
}
