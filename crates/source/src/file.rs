//! Files: ASF by our own reader, so that encrypted ones are refused before they are decoded;
//! all others by libavformat.
//!
//! Either way one thread reads, in real time and, if asked to, again and again.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use asf::{Header, Item, Reader};
use media::Redacted;

use crate::libav::{self, known_protocol};
use crate::mms::show::{Show, failure, shown};
use crate::pace::wait_until;
use crate::scheme::{Connection, Request, Scheme};
use crate::{About, Error, Phase, Sink, Stop, on_thread};

/// Files, and the row that takes what no other one names.
pub(crate) static SCHEME: Scheme = Scheme {
    names: &["file"],
    example: "clip.wmv",
    doc: "a file, in real time and again from its start; ASF, and any container FFmpeg reads",
    port: None,
    captured: false,
    check: known_protocol,
    connect,
};

/// What is said of a host without a protocol in front.
pub(crate) const NO_PROTOCOL: &str = "its protocol is missing in front";

/// The first 16 bytes of ASF: the GUID of its header.
const ASF: [u8; 16] = [0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11, 0xA6, 0xD9, 0, 0xAA, 0, 0x62, 0xCE, 0x6C];
/// What is read of a file at once, in bytes.
const READ: usize = 64 << 10;

fn connect(request: Request, sink: Sink) -> Connection {
    Box::pin(async move {
        let thread = on_thread("file", move |stop| {
            // What the user says to libavformat is meant for libavformat.
            let (libav, demuxer) = (&request.options.libav, request.options.demuxer.as_deref());
            let is_ours = libav.is_empty() && demuxer.is_none_or(|name| name == "asf");
            let ours = is_ours.then(|| path(&request.url)).flatten();
            sink.phase(Phase::Connect);
            match ours.and_then(|path| asf(path).map(|file| (path, file))) {
                Some((path, file)) => {
                    sink.phase(Phase::Handshake);
                    play(file, path, &request, &sink, &stop).unwrap_or_else(|error| error)
                }
                None => match path(&request.url) {
                    Some(path) if Path::new(path).is_dir() => Error::NotVideo {
                        what: format!("{path} is a directory; name one of the files in it"),
                        page: false,
                    },
                    Some(path) if is_empty(Path::new(path)) => Error::empty(path),
                    _ if names_a_host(&request.url) => Error::NotFound {
                        status: 0,
                        what: format!(
                            "{}: there is no such file, and of a URL {NO_PROTOCOL}, as http or rtsp",
                            Redacted(&request.url)
                        ),
                    },
                    _ => libav::play(&request, &sink, &stop),
                },
            }
        });
        thread.await.unwrap_or_else(libav::died)
    })
}

/// Whether `url` can only be a file, and is not there.
#[must_use]
pub fn is_missing_file(url: &str) -> bool {
    !url.trim().is_empty()
        && !url.contains(':')
        && !url.starts_with("/dev/")
        && url.parse::<u8>().is_err()
        && !Path::new(url).exists()
}

/// Whether `path` is a file without a byte in it.
pub(crate) fn is_empty(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.is_file() && about.len() == 0)
}

/// Whether `path` is no file that is there, and begins as a URL does behind its scheme: with
/// `localhost`, an address or a name with a port.
fn names_a_host(path: &str) -> bool {
    let place = path.split('/').next().unwrap_or_default();
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    let (host, port) = place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)));
    let has_port = port.is_some_and(|port| port.parse::<u16>().is_ok()) && !host.is_empty();
    let is_host = host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok();
    (has_port || is_host) && !Path::new(path).exists()
}

/// The path, if `url` is that of a file.
pub(crate) fn path(url: &str) -> Option<&str> {
    let path = url.strip_prefix("file://").or_else(|| url.strip_prefix("file:")).unwrap_or(url);
    (path.len() != url.len() || !url.contains("://")).then_some(path)
}

/// The file, if it is a plain one and ASF.
pub(crate) fn asf(path: &str) -> Option<File> {
    if !Path::new(path).metadata().is_ok_and(|data| data.is_file()) {
        return None;
    }
    let mut file = File::open(path).ok()?;
    let mut magic = [0; 16];
    file.read_exact(&mut magic).ok()?;
    file.rewind().ok()?;
    (magic == ASF).then_some(file)
}

/// Plays the file to its end, or for ever.
fn play(mut file: File, path: &str, request: &Request, sink: &Sink, stop: &Stop) -> Result<Error, Error> {
    let mut show = Show::new(sink, &request.options.streams, path);
    let lost = |error: std::io::Error| Error::from_io(path, &error);
    loop {
        let any = round(&mut file, path, &mut show, (sink, stop))?;
        if stop.is_set() || !any || !request.options.repeat_files {
            return Ok(Error::Ended { what: None });
        }
        show.again();
        file.rewind().map_err(lost)?;
    }
}

/// Plays the file once; whether there was anything in it.
fn round(file: &mut File, path: &str, show: &mut Show<'_>, (sink, stop): (&Sink, &Stop)) -> Result<bool, Error> {
    let mut reader = Reader::new();
    let mut buffer = vec![0; READ];
    let (mut packets, mut over) = (0_u32, false);
    while !over {
        let count = file.read(&mut buffer).map_err(|error| Error::from_io(path, &error))?;
        over = count == 0;
        if over {
            reader.handle_end().map_err(|error| failure(&error, path))?;
        }
        reader.handle_bytes(&buffer[..count]).map_err(|error| failure(&error, path))?;
        while let Some(item) = reader.poll() {
            match item {
                Item::Header(bytes) => {
                    let header = Header::parse(&bytes).map_err(|error| failure(&error, path))?;
                    show.header(&header, about(&header))?;
                }
                Item::Packet(packet) => {
                    show.packet(packets, 0, packet)?;
                    packets = packets.wrapping_add(1);
                }
                _ => {}
            }
            while let Some(due) = show.due() {
                if !wait_until(due, stop) {
                    return Ok(true);
                }
                show.publish()?;
                if !sink.wait_for_room(stop) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(packets > 0)
}

fn about(header: &Header) -> About {
    About {
        protocol: "file".into(),
        container: "asf".into(),
        title: header.title().map(shown),
        duration: header.duration(),
        ..About::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_have_paths() {
        for (url, expected) in [
            ("clip.wmv", Some("clip.wmv")),
            ("file:odd:name.wmv", Some("odd:name.wmv")),
            ("file:///tmp/clip.wmv", Some("/tmp/clip.wmv")),
            ("odd:name.wmv", Some("odd:name.wmv")),
            ("ftp://host/clip.wmv", None),
        ] {
            assert_eq!(path(url), expected, "{url}");
        }
    }

    #[test]
    fn what_lacks_its_protocol_is_told_from_files() {
        for host in ["10.0.0.5/stream", "10.0.0.5:554/h264", "localhost", "localhost:8090/cam.mjpeg", "me:pw@cam:80/x"]
        {
            assert!(names_a_host(host), "{host}");
        }
        for file in ["clip.mp4", "odd:name.wmv", "/no/such:80/x", "a/b:80", ":80", "Cargo.toml"] {
            assert!(!names_a_host(file), "{file}");
        }
    }
}
