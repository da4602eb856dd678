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
use media::{Codec, Variant};
use mms::http::server::{self, Answer, Kind, Request};
use source::{Error, Supervisor};

use super::packer::Content;
use super::player::{self, Framing};
use super::query::{Known, Wishes};
use super::tape::{Reader, Reel};
use super::{Ask, Format, failed};
use crate::server::{Refusal, Socket};

pub(super) const FORMAT: Format = Format {
    extension: "asf",
    doc: "Windows Media, MMS over HTTP for players that ask for it, else an endless ASF file",
    other_methods: true,
    serve: |ask| Box::pin(serve(ask)),
};
pub(super) const FORMAT_ASX: Format = Format {
    extension: "asx",
    doc: "a playlist that leads players to the .asf",
    other_methods: false,
    serve: |ask| Box::pin(asx(ask)),
};

const KNOWN: Known = &["codec"];

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
    let wish = if ask.fixed.is_some() { fixed(&ask) } else { wish(&ask.query)? };
    if ask.method == Method::HEAD {
        return Ok((StatusCode::OK, [(header::CONTENT_TYPE, CONTENT_TYPE), NO_STORE]).into_response());
    }
    let mut reader = ask.relay.tapes.read(&ask.source, Content::Asf(wish), ask.tags.clone());
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
    let session = ask.enter(FORMAT.extension, wish.map(|wish| wish.to_string()).unwrap_or_default(), None);
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

/// The codec asked for, with size, rate and quality; nothing for the source's own packets.
///
/// # Errors
/// When a parameter is unknown or wrong.
pub(crate) fn wish(query: &str) -> Result<Option<Variant>, Refusal> {
    let asked = Wishes::read(query, KNOWN)?.variant;
    // Size, rate and quality mean that it is coded anew anyway.
    let codec = asked.codec.or(Some(Codec::from_name("wmv2")));
    Ok((asked != Variant::default()).then_some(Variant { codec, ..asked }))
}

/// What a configuration says: a size or a rate means that it is coded anew.
fn fixed(ask: &Ask) -> Option<Variant> {
    let variant = ask.fixed.filter(|variant| *variant != Variant::default())?;
    Some(Variant { codec: Some(variant.codec.unwrap_or_else(|| Codec::from_name("wmv2"))), ..variant })
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
