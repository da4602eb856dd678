//! `/NAME.asf`: Windows Media, for old players and for whatever reads ASF.
//!
//! A client that calls itself a player of Windows Media is served MMS over HTTP
//! ([MS-WMSP]): it asks for the header (Describe), then for the packets (Play). Any other
//! client gets the same packets as an ASF file without end. `/NAME.asx` is the playlist
//! that such players are given a link to.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use media::Encoding;
use mms::http::server::{self, Answer, Kind, Request};
use source::{Error, Supervisor};

use super::fate::Place;
use super::packer::Content;
use super::player::{self, Framing};
use super::query::{CODING, Wishes};
use super::tape::{Reader, Reel};
use super::{Ask, Carries, Format, container, failed};
use crate::server::{Refusal, Socket};

pub(super) const FORMAT: Format = Format {
    extension: "asf",
    content_type: CONTENT_TYPE,
    carries: Carries::Tracks(Place::Asf),
    doc: "Windows Media, MMS over HTTP for players that ask for it, else an endless ASF file",
    other_methods: true,
    serve: |ask, _| Box::pin(serve(ask)),
};
pub(super) const FORMAT_ASX: Format = Format {
    extension: "asx",
    content_type: CONTENT_TYPE,
    carries: Carries::Words,
    doc: "a playlist that leads players to the .asf",
    other_methods: false,
    serve: |ask, _| Box::pin(asx(ask)),
};

async fn serve(ask: Ask) -> Result<Response, Refusal> {
    let headers = ask.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let request = Request::of(ask.method.as_str(), headers);
    match (&request.kind, &ask.method) {
        // Statistics of the client, which nobody wants.
        (Kind::Log | Kind::Stop, _) => return Ok(StatusCode::NO_CONTENT.into_response()),
        (Kind::KeepAlive | Kind::Options, _) => return Ok(StatusCode::OK.into_response()),
        (_, method) if *method == Method::GET || *method == Method::HEAD => {}
        _ => return Err(Refusal::method("GET, HEAD")),
    }
    let encoding = checked(ask.wishes(CODING)?.encoding)?;
    if ask.method == Method::HEAD {
        return Ok((StatusCode::OK, [(header::CONTENT_TYPE, CONTENT_TYPE), NO_STORE]).into_response());
    }
    let mut reader = ask.relay.tapes.read(&ask.source, Content::asf(encoding), ask.tags.clone());
    let reel = first_reel(&mut reader, &ask.source).await;
    let reel = reel.map_err(|error| Refusal::source(ask.source.name(), &error))?;
    let answer = Answer { client_id: request.client_id.unwrap_or_else(new_id), broadcast: true, seekable: false };
    if request.agent.speaks() && !matches!(request.kind, Kind::Play(_)) {
        return describe(answer, &request, &reel, &ask).await;
    }
    let (framing, greeting) = match request.agent.speaks() {
        true => (Framing::Mmsh, server::play_head(answer, request.agent)),
        false => (Framing::Plain, plain_head(ask.old)),
    };
    let session = ask.enter(FORMAT.extension, encoding.to_string(), None);
    Ok(player::play(ask, session, reader, reel, framing, greeting).await)
}

const CONTENT_TYPE: &str = "video/x-ms-asf";
const NO_STORE: (header::HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

/// The answer to Describe: the header, framed. Players look at every line of its head, so
/// it is ours and not hyper's.
async fn describe(answer: Answer, request: &Request, reel: &Reel, ask: &Ask) -> Result<Response, Refusal> {
    let mut body = BytesMut::new();
    server::frame_header(&reel.header, &mut body);
    let head = server::describe_head(answer, request.agent, body.len());
    let order = move |socket: Socket| {
        tokio::spawn(async move {
            let _place = socket.place;
            if let Err(error) = player::say(socket.stream, &[&head, &body]).await {
                tracing::debug!(%error, "gone before it had the header");
            }
        });
    };
    Ok(ask.takeover.give(Box::new(order)).await)
}

/// An id for a session, which nobody needs to guess: nothing is kept by it.
fn new_id() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Relaxed)
}

/// The head of an ASF file without end.
fn plain_head(old: bool) -> Vec<u8> {
    let version = if old { "1.0" } else { "1.1" };
    format!(
        "HTTP/{version} 200 OK\r\n\
         Content-Type: {CONTENT_TYPE}\r\n\
         Cache-Control: no-store\r\n\
         X-Accel-Buffering: no\r\n\
         Connection: close\r\n\r\n"
    )
    .into_bytes()
}

/// How pictures and sound are coded.
///
/// # Errors
/// When a parameter is unknown or wrong.
pub(crate) fn wish(query: &str) -> Result<Encoding, Refusal> {
    checked(Wishes::read(query, CODING)?.encoding)
}

/// The same, of codecs that ASF holds.
fn checked(encoding: Encoding) -> Result<Encoding, Refusal> {
    container::check(Place::Asf, &encoding)?;
    Ok(encoding)
}

/// Waits for the header of a source, or for the reason why there is none.
pub(crate) async fn first_reel(reader: &mut Reader, source: &Supervisor) -> Result<Reel, Error> {
    let mut status = source.status();
    tokio::select! {
        reel = reader.first_reel() => reel,
        error = failed(&mut status) => Err(error),
    }
}

/// The playlist.
async fn asx(ask: Ask) -> Result<Response, Refusal> {
    if ask.method != Method::GET && ask.method != Method::HEAD {
        return Err(Refusal::method("GET, HEAD"));
    }
    wish(&ask.query)?;
    let host = ask.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost:8090");
    let query = if ask.query.is_empty() { String::new() } else { format!("?{}", ask.query) };
    let name = ask.source.name();
    let urls = [format!("http://{host}/{name}.asf{query}")];
    let body = mms::playlist::asx(name, &urls);
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE), NO_STORE], body).into_response())
}
