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
use media::Encoding;
use mms::http::server::Request;
use source::{Clip, Error, Packets, Plan, Recoding, Since};

use super::fate::{Jpeg, Place};
use super::query::CODING;
use super::{Ask, Carries, Format, container, failed};
use crate::server::{Refusal, Socket};
use pack::Pack;
use player::Player;

pub(crate) use when::{Start, check, start};

#[derive(Clone, Copy)]
enum Packing {
    /// Multipart.
    Pictures,
    /// JPEG after JPEG.
    Jpegs,
    Asf,
    /// By FFmpeg's muxer of this name.
    Container(&'static str),
}

/// How the past is packed in `format`; nothing where it is not there.
fn packing(format: &Format) -> Option<Packing> {
    match (format.carries, format.extension) {
        (Carries::Jpegs, "mjpeg") => Some(Packing::Pictures),
        (Carries::Jpegs, "mjpg" | "singlejpeg") => Some(Packing::Jpegs),
        (Carries::Jpegs | Carries::Words, _) | (Carries::Tracks(Place::Rtp | Place::WebRtc(_)), _) => None,
        (Carries::Tracks(Place::Asf), _) => Some(Packing::Asf),
        (Carries::Tracks(Place::Container(name)), _) => Some(Packing::Container(name)),
    }
}

/// Whether the past is there in `format`.
pub(crate) fn has(format: &Format) -> bool {
    packing(format).is_some()
}

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

/// Why there is no past of what is recorded in files.
const ONLY_FILES: &str = "it is recorded in files, which are played as files; a past to watch here is kept in a ring: see --record, \
                          file in headwater.toml, or File in ffserver.conf";

/// Serves the past of a source to a request whose query is without what [`start`] takes from it.
///
/// # Errors
/// When it is not recorded, or not to be had in this format.
pub(crate) async fn serve(ask: Ask, format: &'static Format, start: Start) -> Result<Response, Refusal> {
    if ask.method != Method::GET && ask.method != Method::HEAD {
        return Err(Refusal::method("GET, HEAD"));
    }
    let Some(packing) = packing(format) else {
        return Err(Refusal::bad_request(format!("there is nothing of the past as .{}", format.extension)));
    };
    let jpeg = matches!(format.carries, Carries::Jpegs);
    let encoding = ask.wishes(if jpeg { &[] } else { CODING })?.encoding;
    let jpeg = if jpeg { Some(Jpeg::of(&encoding)?) } else { None };
    if let Carries::Tracks(place) = format.carries {
        container::check(place, &encoding)?;
    }
    if ask.method == Method::HEAD {
        let headers = [(header::CONTENT_TYPE, format.content_type), (header::CACHE_CONTROL, "no-store")];
        return Ok((StatusCode::OK, headers).into_response());
    }
    let refuse = |error: Error| match error {
        Error::NotRecorded if ask.source.files().is_some() => {
            Refusal::not_found(format!("{}: {ONLY_FILES}", ask.source.name()))
        }
        error => Refusal::source(ask.source.name(), &error),
    };
    let start = start.fixed();
    let found = match (format.carries, jpeg) {
        (Carries::Tracks(place), _) => tracks(&ask, place, encoding, start).await.map_err(refuse)?,
        (_, Some(jpeg)) => pictures(&ask, jpeg, start).await.map_err(refuse)?,
        (_, None) => None,
    };
    let Some((supply, first, plan)) = found else {
        let name = ask.source.name();
        return Err(Refusal::not_found(format!("{name}: nothing was recorded in that time")));
    };
    let tag = super::packer::video_tag(&encoding);
    let pack = Pack::new(packing, ask.source.name(), &ask.tags, &first, plan.as_ref(), tag).map_err(refuse)?;
    let session = ask.enter(format.extension, encoding.to_string(), None);
    let greeting = greeting(&ask, format, start);
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

/// The source's own packets.
fn own(ask: &Ask, start: Start) -> Result<Supply, Error> {
    let variants = ask.source.variants();
    Ok(match start {
        Start::Since(since) => Supply::Since(Box::new(variants.packets_since(since)?)),
        Start::Clip(from, until) => Supply::Clip(Box::new(variants.clip(from, until)?)),
    })
}

/// Packets made for this client alone.
fn coded(ask: &Ask, how: Recoding, start: Start) -> Result<Supply, Error> {
    let variants = ask.source.variants();
    Ok(Supply::Since(Box::new(match start {
        Start::Since(since) => variants.coded_since(how, since)?,
        Start::Clip(from, until) => variants.coded_clip(how, from, until)?,
    })))
}

/// Packets for tracks of `place`, the first of them, and what becomes of the source's tracks
/// where they go out as they are. Nothing is coded that need not be.
async fn tracks(
    ask: &Ask,
    place: Place,
    encoding: Encoding,
    start: Start,
) -> Result<Option<(Supply, Entry, Option<Plan>)>, Error> {
    let mut supply = own(ask, start)?;
    let Some(entry) = first(ask, &mut supply).await? else { return Ok(None) };
    let plan = place.plan(&encoding, &entry.tracks)?;
    if !plan.is_coded() {
        return Ok(Some((supply, entry, Some(plan))));
    }
    let mut supply = coded(ask, Recoding::new(Box::new(move |tracks| place.plan(&encoding, tracks))), start)?;
    Ok(first(ask, &mut supply).await?.map(|entry| (supply, entry, None)))
}

/// The same for JPEG pictures.
async fn pictures(ask: &Ask, jpeg: Jpeg, start: Start) -> Result<Option<(Supply, Entry, Option<Plan>)>, Error> {
    let mut supply = coded(ask, jpeg.recoding(), start)?;
    Ok(first(ask, &mut supply).await?.map(|entry| (supply, entry, None)))
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
fn greeting(ask: &Ask, format: &Format, start: Start) -> Vec<u8> {
    let version = if ask.old { "1.0" } else { "1.1" };
    let saved = match start {
        Start::Clip(from, _) => {
            let from = jiff::Timestamp::try_from(from).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ");
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let name: String = ask.source.name().chars().map(|c| if plain(c) { c } else { '_' }).collect();
            format!("Content-Disposition: attachment; filename=\"{name}-{from}.{}\"\r\n", format.extension)
        }
        Start::Since(_) => String::new(),
    };
    let head = format!(
        "HTTP/{version} 200 OK\r\n\
         Content-Type: {}\r\n\
         Cache-Control: no-store\r\n\
         X-Accel-Buffering: no\r\n\
         {saved}Connection: close\r\n\r\n",
        format.content_type
    );
    match packing(format) {
        Some(Packing::Pictures) => [head.as_bytes(), formats::multipart::OPENING].concat(),
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
