//! Bodies of the fuzz targets in `fuzz/`; a test replays their corpus.

use crate::hls::{Follower, MOST_PIECES, Next, Playlist};
use crate::http::websocket::{Deframer, Frame, MAX_CONTROL, pong};
use crate::http::{Dechunker, HeadParser};
use crate::jpeg::{self, Scanner};
use crate::multipart::{Part, Reader};
use crate::{capture, dash, hls};

/// Where lists are led.
const LEAD: &str = "http://127.0.0.1:1/w/x";

/// The first byte says in which slices the rest comes.
fn sliced(input: &[u8]) -> Option<(usize, &[u8])> {
    let (size, rest) = input.split_first()?;
    Some((usize::from(*size) + 1, rest))
}

/// Pictures begin and end as pictures do, lie in the input, and slicing does not matter.
///
/// # Panics
/// When that is not so.
pub fn jpeg_scanner(input: &[u8]) {
    let Some((size, stream)) = sliced(input) else { return };
    let scan = |size| {
        let mut scanner = Scanner::new();
        let mut found = Vec::new();
        for slice in stream.chunks(size) {
            scanner.handle_bytes(slice);
            found.extend(std::iter::from_fn(|| scanner.poll_picture()));
        }
        (found, scanner.lost())
    };
    let (found, lost) = scan(size);
    assert_eq!((&found, lost), (&scan(stream.len().max(1)).0, scan(stream.len().max(1)).1), "slices of {size}");
    assert!(found.iter().map(|picture| picture.len()).sum::<usize>() <= stream.len());
    for picture in found {
        assert!(picture.starts_with(&[0xFF, 0xD8, 0xFF]) && picture.ends_with(&[0xFF, 0xD9]));
        let whole = jpeg::with_huffman(picture.clone());
        assert!(whole.len() >= picture.len());
        assert_eq!(jpeg::info(&whole).map(|info| info.size), jpeg::info(&picture).map(|info| info.size));
    }
}

/// As [`jpeg_scanner`], with lengths as hints: they may make a picture longer or late,
/// never another thing than a picture.
///
/// # Panics
/// When that is not so.
pub fn multipart_reader(input: &[u8]) {
    let Some((size, body)) = sliced(input) else { return };
    let mut reader = Reader::new();
    let mut taken = 0;
    for slice in body.chunks(size) {
        reader.handle_bytes(slice);
        while let Some(Part { data, .. }) = reader.poll_part() {
            assert!(data.starts_with(&[0xFF, 0xD8, 0xFF]) && data.ends_with(&[0xFF, 0xD9]));
            taken += data.len();
        }
    }
    assert!(taken <= body.len());
}

/// Heads and chunks come out the same in any slices.
///
/// # Panics
/// When they do not.
pub fn http_head(input: &[u8]) {
    let Some((size, answer)) = sliced(input) else { return };
    let read = |size: usize| {
        let mut parser = HeadParser::new();
        let mut end = 0;
        while end < answer.len() {
            end = answer.len().min(end + size);
            if let Some(whole) = parser.parse(&answer[..end])? {
                return Ok(Some(whole));
            }
        }
        Ok::<_, crate::Error>(None)
    };
    let head = read(size);
    assert_eq!(head, read(answer.len().max(1)), "slices of {size}");
    let body = head.ok().flatten().map_or(0, |(_, body)| body);
    let dechunk = |size: usize| {
        let mut dechunker = Dechunker::new();
        let mut data = Vec::new();
        for mut slice in answer[body..].chunks(size) {
            while let Some(piece) = dechunker.next(&mut slice)? {
                data.extend_from_slice(piece);
            }
        }
        Ok::<_, crate::Error>((data, dechunker.is_ended()))
    };
    assert_eq!(dechunk(size), dechunk(answer.len().max(1)), "slices of {size}");
}

/// Messages of a WebSocket come out the same in any slices, and no more bytes than went in.
///
/// # Panics
/// When that is not so.
pub fn websocket(input: &[u8]) {
    let Some((size, stream)) = sliced(input) else { return };
    let read = |size: usize| {
        let mut deframer = Deframer::new();
        let (mut data, mut pings) = (Vec::new(), Vec::new());
        for mut slice in stream.chunks(size) {
            while let Some(frame) = deframer.next(&mut slice)? {
                match frame {
                    Frame::Data(bytes) => data.extend_from_slice(bytes),
                    Frame::Ping(bytes) => pings.push(bytes),
                }
            }
        }
        Ok::<_, crate::Error>((data, pings, deframer.is_ended()))
    };
    let whole = read(stream.len().max(1));
    assert_eq!(read(size), whole, "slices of {size}");
    if let Ok((data, pings, _)) = whole {
        assert!(data.len() + pings.iter().map(Vec::len).sum::<usize>() <= stream.len());
        assert!(pings.iter().all(|ping| pong(ping, [1, 2, 3, 4]).len() <= MAX_CONTROL + 6));
    }
}

/// What is read of a capture is written again as it was, and slicing does not matter.
///
/// # Panics
/// When that is not so.
pub fn capture(input: &[u8]) {
    let Some((size, file)) = sliced(input) else { return };
    let read = |size| {
        let mut reader = capture::Reader::new();
        let mut found = Vec::new();
        let mut error = None;
        for slice in file.chunks(size) {
            reader.handle_bytes(slice);
            while error.is_none() {
                match reader.poll() {
                    Ok(Some(placed)) => found.push(placed),
                    Ok(None) => break,
                    Err(wrong) => error = Some(wrong),
                }
            }
        }
        (found, error)
    };
    let (found, error) = read(size);
    assert_eq!((&found, &error), (&read(file.len().max(1)).0, &read(file.len().max(1)).1), "slices of {size}");
    let mut again = capture::PREAMBLE.to_vec();
    // A piece of no bytes says nothing, and is not written.
    let is_empty =
        |record: &capture::Record| matches!(&record.event, capture::Event::Bytes { data, .. } if data.is_empty());
    let found: Vec<_> = found.into_iter().filter(|placed| !is_empty(&placed.record)).collect();
    for placed in &found {
        assert!(placed.at as usize + placed.length as usize <= file.len());
        placed.record.write(&mut again);
    }
    let mut reader = capture::Reader::new();
    reader.handle_bytes(&again);
    for placed in &found {
        let told = reader.poll().expect("what is written can be read").map(|placed| placed.record);
        assert_eq!(told.as_ref(), Some(&placed.record));
    }
    assert_eq!((reader.poll(), reader.left()), (Ok(None), 0));
}

/// Taking secrets out changes no length, and no secret is left in a text, in whatever slices.
///
/// # Panics
/// When that is not so.
pub fn capture_secrets(input: &[u8]) {
    let Some((size, bytes)) = sliced(input) else { return };
    let secrets = std::sync::Arc::new(capture::Secrets::new(["hunter2", "p@ss w0rd"], ["x-key"]));
    for side in [capture::Side::Us, capture::Side::Camera] {
        let mut scrubber = capture::Scrubber::new(secrets.clone(), side);
        let mut out: Vec<u8> = bytes.chunks(size).flat_map(|slice| scrubber.handle(slice)).collect();
        out.extend(scrubber.finish());
        assert_eq!(out.len(), bytes.len());
        let is_text = bytes.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
        if is_text || side == capture::Side::Us {
            assert!(memchr::memmem::find(&out, b"hunter2").is_none());
        }
    }
}

/// Lists, one after another with a line `---` in between, are followed to their ends, and never
/// in a circle.
///
/// # Panics
/// When they are not.
pub fn hls_playlist(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut follower = Follower::new();
    for list in text.split("---\n") {
        if let Ok(led) = hls::with_uris(list, |_| LEAD.into()) {
            let away = hls::with_uris(&led, |uri| if uri == LEAD { String::new() } else { panic!("{uri} of {led}") });
            assert!(away.is_ok(), "{led}");
        }
        let Ok(Playlist::Media(media)) = Playlist::parse(list) else { continue };
        follower.handle(media);
        let mut pieces = 0;
        while matches!(follower.poll(), Next::Fetch(_)) {
            pieces += 1;
        }
        assert!(pieces <= MOST_PIECES, "{pieces}");
    }
}

/// What has been written anew is read again, and leads nowhere but where it was led.
///
/// # Panics
/// When that is not so.
pub fn dash_manifest(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    assert!(dash::begins(input) || !dash::is_manifest(input));
    let Ok(led) = dash::with_addresses(text, |_| LEAD.into()) else { return };
    let mut count = 0;
    let again = dash::with_addresses(&led, |address| {
        assert_eq!(address, LEAD, "{led}");
        count += 1;
        LEAD.into()
    });
    assert_eq!(again.as_deref(), Ok(&*led));
    assert_eq!(led.matches(LEAD).count(), count, "{led}");
}
