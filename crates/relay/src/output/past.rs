//! What was recorded: streams that begin in the past, and clips of it.
//!
//! `?buffer=` and `?date=` begin a stream some time ago; it goes over into what is live
//! without gap or repeat. `?from=&to=` cuts a piece out. Nothing is coded anew unless other
//! pictures than the source's are asked for. Unlike a live stream, one of the past waits for
//! its client: it has a task and a place in the recording of its own, and nothing is left out
//! but what the recording loses meanwhile.

mod pack;
mod player;
mod when;

use std::time::{Duration, SystemTime};

use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use feed::Entry;
use media::{Codec, Variant};
use mms::http::server::Request;
use source::{Clip, Error, Packets, Since};

use super::query::{Known, Wishes};
use super::{Ask, failed};
use crate::server::{Refusal, Socket};
use pack::Pack;
use player::Player;

pub(crate) use when::{Start, start};

/// A format that the past is there in.
pub(crate) struct Kind {
    extension: &'static str,
    content_type: &'static str,
    packing: Packing,
}

#[derive(Clone, Copy)]
enum Packing {
    /// Multipart.
    Pictures,
    /// JPEG after JPEG.
    Jpegs,
    Asf,
    /// By FFmpeg's muxer of this name.
    Container(&'static str),
    /// The same, of sound alone.
    Sound(&'static str),
}

const fn kind(extension: &'static str, content_type: &'static str, packing: Packing) -> Kind {
    Kind { extension, content_type, packing }
}

static KINDS: &[Kind] = &[
    kind("mjpeg", formats::multipart::CONTENT_TYPE, Packing::Pictures),
    kind("mjpg", "video/x-mjpeg", Packing::Jpegs),
    kind("singlejpeg", "image/jpeg", Packing::Jpegs),
    kind("asf", "video/x-ms-asf", Packing::Asf),
    kind("ts", "video/MP2T", Packing::Container("mpegts")),
    kind("mp4", "video/mp4", Packing::Container("mp4")),
    kind("mkv", "video/x-matroska", Packing::Container("matroska")),
    kind("flv", "video/x-flv", Packing::Container("flv")),
    kind("avi", "video/x-msvideo", Packing::Container("avi")),
    kind("nut", "video/x-nut", Packing::Container("nut")),
    kind("webm", "video/webm", Packing::Container("webm")),
    kind("ogg", "application/ogg", Packing::Container("ogg")),
    kind("mp3", "audio/mpeg", Packing::Sound("mp3")),
    kind("mp2", "audio/mpeg", Packing::Sound("mp2")),
    kind("aac", "audio/aac", Packing::Sound("adts")),
    kind("wav", "audio/x-wav", Packing::Sound("wav")),
    kind("au", "audio/basic", Packing::Sound("au")),
];

/// The format with this extension, if the past is there in it.
pub(crate) fn kind_of(extension: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.extension == extension)
}

/// The parameters of a stream that is coded anew.
const KNOWN: Known = &["codec"];

/// Where packets of the past come from.
enum Supply {
    Since(Box<Packets>),
    Clip(Box<Clip>),
}

impl Supply {
    /// The next packet; nothing when this was all.
    async fn next(&mut self) -> Result<Option<Entry>, Error> {
        match self {
            Self::Since(packets) => packets.next().await.map(Some),
            Self::Clip(clip) => clip.next().await,
        }
    }
}

/// What players of Windows Media are told that ask for the past.
pub(crate) fn live_only() -> Refusal {
    Refusal::bad_request("players of Windows Media are given what is live only")
}

/// Whether what a configured stream is of is there as `kind` without being coded anew, as far as
/// is known of it.
pub(crate) fn fits(ask: &Ask, kind: &Kind) -> bool {
    let tracks = ask.source.status().borrow().tracks.clone();
    let (name, lead) = match kind.packing {
        Packing::Container(name) => (name, tracks.lead()),
        Packing::Sound(name) => (name, tracks.iter().find(|track| matches!(track.kind, media::Kind::Audio(_)))),
        Packing::Pictures | Packing::Jpegs | Packing::Asf => return true,
    };
    lead.is_none_or(|lead| ffmpeg::Container::find(name).is_ok_and(|container| container.holds(lead)))
}

/// Serves the past of a source to a request whose query is without what [`start`] takes from it.
///
/// # Errors
/// When it is not recorded, or not to be had in this format.
pub(crate) async fn serve(ask: Ask, kind: &'static Kind, start: Start) -> Result<Response, Refusal> {
    if ask.method != Method::GET && ask.method != Method::HEAD {
        return Err(Refusal::method("GET, HEAD"));
    }
    let wish = wish(&ask, kind)?;
    if ask.method == Method::HEAD {
        let headers = [(header::CONTENT_TYPE, kind.content_type), (header::CACHE_CONTROL, "no-store")];
        return Ok((StatusCode::OK, headers).into_response());
    }
    let refuse = |error: Error| Refusal::source(ask.source.name(), &error);
    let mut supply = supply(&ask, wish, start).map_err(refuse)?;
    let first = first(&ask, &mut supply).await.map_err(refuse)?;
    let Some(first) = first else {
        let name = ask.source.name();
        return Err(Refusal::not_found(format!("{name}: nothing was recorded in that time")));
    };
    let pack = Pack::new(kind.packing, ask.source.name(), &ask.tags, &first).map_err(refuse)?;
    let session = ask.enter(kind.extension, wish.map(|wish| wish.to_string()).unwrap_or_default(), None);
    let greeting = greeting(&ask, kind, start);
    let stopping = ask.stopping.clone();
    let order = move |socket: Socket| {
        tokio::spawn(async move {
            // Its connection counts for as long as it plays.
            let _place = socket.place;
            Player { socket: socket.stream, session, supply, pack, stopping }.run(greeting, first).await;
        });
    };
    Ok(ask.takeover.give(Box::new(order)).await)
}

/// Whether the client is a player of Windows Media that asks by MMS over HTTP: it cannot be
/// given a file, and is served live.
pub(crate) fn is_mmsh(ask: &Ask) -> bool {
    let headers = ask.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    Request::of(ask.method.as_str(), headers).agent.speaks()
}

/// What pictures are made of the source's; nothing where its packets go out as they are.
fn wish(ask: &Ask, kind: &Kind) -> Result<Option<Variant>, Refusal> {
    let asked = match ask.fixed {
        Some(variant) => variant,
        None => Wishes::read(&ask.query, KNOWN)?.variant,
    };
    match kind.packing {
        Packing::Pictures | Packing::Jpegs if asked.codec.is_some() => {
            Err(Refusal::bad_request("codec: pictures are JPEG; ask for another format, as .asf"))
        }
        Packing::Pictures | Packing::Jpegs => Ok(Some(asked)),
        _ if asked == Variant::default() => Ok(None),
        Packing::Asf => Ok(Some(Variant { codec: asked.codec.or(Some(Codec::from_name("wmv2"))), ..asked })),
        // A configuration says how the live stream is coded.
        Packing::Container(_) | Packing::Sound(_) if ask.fixed.is_some() => Ok(None),
        Packing::Container(_) | Packing::Sound(_) => Err(Refusal::bad_request(format!(
            "{asked}: what was recorded is there as .{} only as it was sent",
            kind.extension
        ))),
    }
}

fn supply(ask: &Ask, wish: Option<Variant>, start: Start) -> Result<Supply, Error> {
    let variants = ask.source.variants();
    let packets = |since: Since| match wish {
        Some(variant) => variants.coded_since(variant, since),
        None => variants.packets_since(since),
    };
    match (start, wish) {
        (Start::Since(since), _) => packets(since).map(|packets| Supply::Since(Box::new(packets))),
        (Start::Clip(from, until), None) => Ok(Supply::Clip(Box::new(variants.clip(from, until)?))),
        (Start::Clip(from, until), Some(variant)) => {
            Ok(Supply::Since(Box::new(variants.coded_clip(variant, from, until)?)))
        }
    }
}

/// The first packet, or the reason why there is none.
async fn first(ask: &Ask, supply: &mut Supply) -> Result<Option<Entry>, Error> {
    // What is recorded is there, whatever the source does.
    let is_held = ask.source.variants().recorded().is_some_and(|recorded| recorded.span.is_some());
    let mut status = ask.source.status();
    let next = async {
        match supply.next().await {
            // The end of a clip that is coded anew.
            Err(Error::Ended { what: None }) => Ok(None),
            next => next,
        }
    };
    if ask.is_patient || is_held {
        return next.await;
    }
    tokio::select! {
        entry = next => entry,
        error = failed(&mut status) => Err(error),
    }
}

/// The head of the answer.
fn greeting(ask: &Ask, kind: &Kind, start: Start) -> Vec<u8> {
    let version = if ask.old { "1.0" } else { "1.1" };
    let saved = match start {
        Start::Clip(from, _) => {
            let from = jiff::Timestamp::try_from(from).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ");
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let name: String = ask.source.name().chars().map(|c| if plain(c) { c } else { '_' }).collect();
            format!("Content-Disposition: attachment; filename=\"{name}-{from}.{}\"\r\n", kind.extension)
        }
        Start::Since(_) => String::new(),
    };
    let head = format!(
        "HTTP/{version} 200 OK\r\n\
         Content-Type: {}\r\n\
         Cache-Control: no-store\r\n\
         X-Accel-Buffering: no\r\n\
         {saved}Connection: close\r\n\r\n",
        kind.content_type
    );
    match kind.packing {
        Packing::Pictures => [head.as_bytes(), formats::multipart::OPENING].concat(),
        _ => head.into_bytes(),
    }
}

/// Where a viewer of a configured stream begins: where the query says, or else `preroll` ago.
/// Nothing of what else stands in the query matters.
///
/// # Errors
/// When it cannot be meant as it stands.
pub(crate) fn configured(query: &str, preroll: Duration) -> Result<Option<Start>, Refusal> {
    let asked = start(query)?.0;
    Ok(asked.or(Some(Start::Since(Since::Ago(preroll)))).filter(is_past))
}

/// Whether `start` is in the past at all.
pub(crate) fn is_past(start: &Start) -> bool {
    match start {
        Start::Since(Since::Time(time)) => *time <= SystemTime::now(),
        Start::Since(Since::Ago(span)) => !span.is_zero(),
        _ => true,
    }
}
