//! `http://` and `https://`: MJPEG, snapshots and ASF by our own client, everything else by
//! others.
//!
//! What the server sends decides, not the URL and not the Content-Type: JPEG pictures
//! in any wrapping are taken out as they come, bit for bit, each at its last byte. A
//! single picture is asked for again and again.

mod asf;
mod ask;
mod auth;
mod body;
mod connect;
mod courier;
mod hls;
mod other;
pub(crate) mod page;
mod pictures;
mod post;
mod session;
pub(crate) mod sniff;

use formats::multipart::Reader;
use formats::{dash, hls as lists};

use crate::location::Location;
use crate::scheme::{Connection, Request, Scheme, scheme_of, with_host};
use crate::wire::Wire;
use crate::{Access, Error, Phase, Sink};

pub(crate) use self::ask::{AGENT, random};
pub(crate) use self::auth::Auth;
pub(crate) use self::connect::{Reach, Sender, names_this_machine};
use self::other::Other;
pub(crate) use self::post::{Poster, fetch};
use self::session::{Fetched, Session};
use self::sniff::Verdict;

/// The port of `http`.
const PORT: u16 = 80;
/// The port of `https`.
const TLS_PORT: u16 = 443;

pub(crate) static SCHEME: Scheme = Scheme {
    names: &["http"],
    example: "http://user:password@host/video.mjpg",
    doc: "an MJPEG camera, a picture that is fetched again and again, ASF; HLS and the like through FFmpeg",
    port: Some(PORT),
    captured: true,
    check: with_host,
    connect,
};

pub(crate) static SECURE: Scheme = Scheme {
    names: &["https"],
    example: "https://user:password@host/video.mjpg",
    doc: "the same over TLS",
    port: Some(TLS_PORT),
    captured: true,
    check: with_host,
    connect,
};

pub(crate) static SOCKET: Scheme = Scheme {
    names: &["ws"],
    example: "ws://host/stream",
    doc: "MJPEG, fragmented MP4, MPEG-TS in the binary messages of a WebSocket",
    port: Some(PORT),
    captured: true,
    check: with_host,
    connect,
};

pub(crate) static SECURE_SOCKET: Scheme = Scheme {
    names: &["wss"],
    example: "wss://user:password@host/stream",
    doc: "the same over TLS",
    port: Some(TLS_PORT),
    captured: true,
    check: with_host,
    connect,
};

/// The port of a URL that has none.
fn usual_port(location: &Location) -> u16 {
    if matches!(&*location.scheme, "https" | "wss") { TLS_PORT } else { PORT }
}

/// The port that a URL means.
fn port_of(location: &Location) -> u16 {
    location.port.unwrap_or_else(|| usual_port(location))
}

/// Connects to where `there` is (`ws` or `wss`) for what goes both ways and is nobody's but its own. `sent_by`
/// is who redirected there. Gives how far away it is, too.
///
/// # Errors
/// Of the name, of the connection, of TLS; [`Error::Server`] for a redirect to somewhere nearer.
pub(crate) async fn duplex(
    there: &Location,
    access: &Access,
    sent_by: Option<&Sender>,
    sink: &Sink,
) -> Result<(Wire, Reach), Error> {
    let (way, reach) = connect::open(there, access, sent_by, sink).await?;
    Ok((way.wire, reach))
}

/// What others are to open.
enum Elsewhere {
    /// Another protocol's, or libavformat's if it is `http` or `https`.
    At(Location),
    /// The body that has begun, for libavformat.
    Here(Box<Other>),
    /// The list of HLS that has begun.
    List(Box<Other>),
    /// A list of HLS or a manifest of DASH, for libavformat to fetch by way of us.
    Manifest(Box<Session>),
}

fn connect(request: Request, sink: Sink) -> Connection {
    Box::pin(async move {
        match run(&request, &sink).await {
            Ok(Elsewhere::At(location)) => elsewhere(location, request, sink).await,
            Ok(Elsewhere::List(list)) => {
                let Other { session, answer, first } = *list;
                match hls::run(session, answer, first, &request, sink).await {
                    hls::Outcome::Over(error) => error,
                    hls::Outcome::NotOurs(session, start, sink) => courier::play(*session, start, &request, sink).await,
                }
            }
            Ok(Elsewhere::Manifest(session)) => {
                let start = session.location().clone();
                courier::play(*session, start, &request, sink).await
            }
            Ok(Elsewhere::Here(other)) => other.run(&request, sink).await,
            Err(error) => error,
        }
    })
}

/// Opens what is another protocol's, or libavformat's.
async fn elsewhere(location: Location, request: Request, sink: Sink) -> Error {
    let request = Request { url: location.to_url().into(), ..request };
    match scheme_of(&request.url) {
        Some(scheme) if !matches!(&*location.scheme, "http" | "https") => (scheme.connect)(request, sink).await,
        _ => match sink.line().leaves_to(&location) {
            Ok(()) => crate::libav::connect(request, sink).await,
            Err(error) => error,
        },
    }
}

/// Runs the connection to its end, or tells what others are to open.
async fn run(request: &Request, sink: &Sink) -> Result<Elsewhere, Error> {
    let mut session = Session::new(Location::parse(&request.url)?, request.options.access.clone());
    let mut answer = match session.get(sink, None).await? {
        Fetched::Answer(answer) => answer,
        Fetched::Elsewhere(location) => return Ok(Elsewhere::At(location)),
    };
    sink.phase(Phase::FirstFrame);
    let mut reader = Reader::new();
    let verdict = sniff::watch(&mut answer, &mut reader, session.location()).await?;
    // What is said to libavformat is meant for all of it, its own way to the server too, where it
    // has one.
    let is_ours =
        answer.head.status == 101 || request.options.libav.is_empty() && Other::is_one(&answer, reader.buffer());
    let is_list = request.options.libav.is_empty() && lists::begins(reader.buffer()) && answer.head.status != 101;
    let names_others = dash::begins(reader.buffer()) || lists::begins(reader.buffer());
    // Where others go on, our own socket is closed first: some cameras serve only one client.
    match verdict {
        Verdict::Mjpeg => Err(pictures::run(session, answer, reader, request, sink).await),
        Verdict::Asf => Err(asf::run(session, answer, reader.buffer().split(), request, sink).await),
        Verdict::WindowsMedia => Ok(Elsewhere::At(Location { scheme: "mmsh".into(), ..session.location().clone() })),
        Verdict::Other if is_list => {
            Ok(Elsewhere::List(Box::new(Other { session, answer, first: reader.buffer().split() })))
        }
        // Options of demuxers hold there as well.
        Verdict::Other if names_others && answer.head.status != 101 && !courier::is_told(&request.options.libav) => {
            Ok(Elsewhere::Manifest(Box::new(session)))
        }
        Verdict::Other if is_ours => {
            Ok(Elsewhere::Here(Box::new(Other { session, answer, first: reader.buffer().split() })))
        }
        Verdict::Other => Ok(Elsewhere::At(session.location().clone())),
    }
}

#[cfg(test)]
mod tests;
