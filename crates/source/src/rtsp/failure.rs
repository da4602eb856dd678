//! What a failure of `retina` means to the user.
//!
//! Its errors are texts, apart from a response's status. What kind they are is told by
//! the name of the variant, with which their `Debug` form begins.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::{End, PORT};
use crate::location::Location;
use crate::{Error, Sink};

/// How long a server that does not speak RTSP has to show what it speaks instead.
const CLOSER_LOOK: Duration = Duration::from_secs(2);
/// How much of it is shown, in bytes.
const SHOWN: usize = 60;
/// Most bytes that are read of the head of an answer.
const MOST_HEAD: usize = 8 << 10;

/// Why a request (DESCRIBE, SETUP, PLAY) came to nothing.
pub(super) fn of_request(error: &retina::Error, location: &Location) -> End {
    tracing::debug!(%error, "request failed");
    let text = error.to_string();
    if let Some(status) = error.status_code() {
        return of_status(status, &text, location);
    }
    match kind(error).as_str() {
        "ConnectError" => {
            let place = format!("{}:{}", location.host, location.port.unwrap_or(PORT));
            End::Failed(Error::from_io(&place, &system_error(&text)))
        }
        "RtspReadError" | "WriteError" => {
            let how = match system_error(&text) {
                error if error.raw_os_error().is_some() => sentence(&error),
                _ => "the server closed the connection without an answer".into(),
            };
            End::Failed(Error::Unreachable { what: format!("{location}: {how}") })
        }
        _ => End::Elsewhere(first_line(&text)),
    }
}

fn of_status(status: u16, text: &str, location: &Location) -> End {
    let method = text.split_once(" response to ").and_then(|(_, rest)| rest.split(' ').next()).unwrap_or("us");
    let what = format!("{location} answered {status} {} to {method}", reason(status)).replace("  ", " ");
    End::Failed(match (status, &location.user) {
        // A good answer that `retina` makes nothing of; a place that it does not go to.
        (200..=399, _) => return End::Elsewhere(first_line(text)),
        (401, _) if text.contains("understand WWW-Authenticate") => return End::Elsewhere(first_line(text)),
        // Pages show it, which name no users.
        (401 | 403, Some(_)) => Error::Unauthorized { status, what: format!("{what} from the user given") },
        (401 | 403, None) => Error::Unauthorized { status, what },
        (404 | 410, _) => Error::NotFound { status, what },
        _ => Error::Server { status, what },
    })
}

/// What an error in mid-stream means. Packets never come to `retina`.
pub(super) fn of_stream(error: &retina::Error, location: &Location) -> End {
    let text = error.to_string();
    let line = first_line(&text);
    match kind(error).as_str() {
        // The camera streams on and only leaves this unanswered; libavformat does not mind.
        "RtspReadError" if line.contains("respond to keepalive") => End::Elsewhere(line),
        "RtspReadError" | "WriteError" => {
            let what = format!("{location}: {}", sentence(&system_error(&text)));
            End::Failed(Error::Ended { what: Some(what) })
        }
        _ => End::Failed(Error::Broken { what: format!("{location}: {line}") }),
    }
}

/// Whether it did not come to a connection.
pub(super) fn is_no_connection(error: &retina::Error) -> bool {
    kind(error) == "ConnectError"
}

/// Whether the server's bytes are no RTSP to `retina`.
pub(super) fn is_gibberish(error: &retina::Error) -> bool {
    kind(error) == "RtspFramingError"
}

/// Asks a server that sent gibberish once more, and reads for ourselves what it says.
pub(super) async fn look_closer(location: &Location, error: &retina::Error, sink: &Sink) -> End {
    let said = timeout(CLOSER_LOOK, first_words(location, sink)).await.ok().flatten().unwrap_or_default();
    if said.starts_with("RTSP/") || said.is_empty() {
        return End::Elsewhere(first_line(&error.to_string()));
    }
    let http = Location { scheme: "http".into(), ..location.clone() };
    let what = match said.starts_with("HTTP/") {
        true => format!("{location}: this port speaks HTTP and not RTSP (it says {said:?}); is {http} meant?"),
        false => format!("{location}: this port speaks another protocol than RTSP (it says {said:?})"),
    };
    End::Failed(Error::Broken { what })
}

/// Whether the server says that it is one for Windows Media.
pub(super) async fn is_windows_media(location: &Location, sink: &Sink) -> bool {
    let head = timeout(CLOSER_LOOK, ask(location, b"\r\n\r\n", MOST_HEAD, sink)).await.ok().flatten();
    let is_server = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or_default();
        name.trim().eq_ignore_ascii_case("server") && value.trim_start().starts_with("WMServer/")
    };
    head.is_some_and(|head| String::from_utf8_lossy(&head).lines().any(is_server))
}

async fn first_words(location: &Location, sink: &Sink) -> Option<String> {
    let words = ask(location, b"\n", SHOWN, sink).await?;
    let line = words.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    Some(String::from_utf8_lossy(&line[..line.len().min(SHOWN)]).into_owned())
}

/// What the server answers to OPTIONS, up to `end` or `most` bytes; nothing without a connection.
async fn ask(location: &Location, end: &[u8], most: usize, sink: &Sink) -> Option<Vec<u8>> {
    let line = sink.line();
    let addresses = line.resolve(&location.host, location.port.unwrap_or(PORT)).await.ok()?;
    let mut stream = line.connect(&location.host, addresses).await.ok()?;
    stream.write_all(format!("OPTIONS {location} RTSP/1.0\r\nCSeq: 1\r\n\r\n").as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    let mut words = Vec::new();
    let mut buffer = [0; 1024];
    while words.len() < most && !words.windows(end.len()).any(|window| window == end) {
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => words.extend_from_slice(&buffer[..count]),
            _ => break,
        }
    }
    Some(words)
}

fn kind(error: &retina::Error) -> String {
    format!("{error:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// The error of the system that a text ends in, as in `… (os error 104)`.
fn system_error(text: &str) -> io::Error {
    let number = text.split_once("(os error ").and_then(|(_, rest)| rest.split(')').next()?.parse().ok());
    number.map_or_else(|| io::Error::other(first_line(text)), io::Error::from_raw_os_error)
}

/// A system error as a part of a sentence.
pub(super) fn sentence(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// What `retina` says, without where in the connection.
pub(super) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches([':', ' ']).into()
}

/// RFC 2326 section 7.1.1.
fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Time-out",
        410 => "Gone",
        415 => "Unsupported Media Type",
        451 => "Parameter Not Understood",
        453 => "Not Enough Bandwidth",
        454 => "Session Not Found",
        455 => "Method Not Valid in This State",
        457 => "Invalid Range",
        459 => "Aggregate Operation Not Allowed",
        460 => "Only Aggregate Operation Allowed",
        461 => "Unsupported Transport",
        462 => "Destination Unreachable",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "RTSP Version Not Supported",
        551 => "Option Not Supported",
        _ => "",
    }
}
