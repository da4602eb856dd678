//! `/NAME.ts`, `.mp4`, `.mkv` and their kin: a source in a container that players know.
//!
//! Pictures and sound go into it as they are wherever it has a place for them. What it has
//! none for is coded anew in the codec that the container is usually filled with, once for
//! all who ask for the same. One muxer serves all readers of a format; each joins at the
//! newest keyframe.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use media::Encoding;

use super::asf::first_reel;
use super::fate::Place;
use super::packer::Content;
use super::player::{self, Framing};
use super::query::CODING;
use super::{Ask, Carries, Format};
use crate::server::Refusal;
use crate::shelf::lock;

/// A row of the formats for a container.
macro_rules! row {
    ($name:ident, $extension:literal, $muxer:literal, $content_type:literal, $doc:literal) => {
        pub(super) const $name: Format = Format {
            extension: $extension,
            content_type: $content_type,
            carries: Carries::Tracks(Place::Container($muxer)),
            doc: $doc,
            other_methods: false,
            serve: |ask, format| Box::pin(serve(ask, format, $muxer)),
        };
    };
}

row!(TS, "ts", "mpegts", "video/MP2T", "MPEG-TS, for players and set-top boxes");
row!(MP4, "mp4", "mp4", "video/mp4", "MP4 in fragments, for browsers and players");
row!(MKV, "mkv", "matroska", "video/x-matroska", "Matroska, for players; holds nearly every codec");
row!(WEBM, "webm", "webm", "video/webm", "WebM: VP8, VP9 or AV1, for browsers");
row!(FLV, "flv", "flv", "video/x-flv", "Flash Video");
row!(OGG, "ogg", "ogg", "application/ogg", "Ogg: Theora or VP8 with Vorbis, Opus or FLAC");
row!(AVI, "avi", "avi", "video/x-msvideo", "AVI");
row!(MPG, "mpg", "mpeg", "video/mpeg", "MPEG program stream: MPEG-1 or MPEG-2");
row!(NUT, "nut", "nut", "video/x-nut", "NUT, FFmpeg's own container");
row!(MP3, "mp3", "mp3", "audio/mpeg", "MP3, the sound alone");
row!(MP2, "mp2", "mp2", "audio/mpeg", "MPEG audio layer 2, the sound alone");
row!(AAC, "aac", "adts", "audio/aac", "AAC, the sound alone");
row!(WAV, "wav", "wav", "audio/x-wav", "WAV, the sound alone");
row!(AU, "au", "au", "audio/basic", "Sun's AU, the sound alone");
row!(GIF, "gif", "gif", "image/gif", "an animated GIF without end");
row!(SWF, "swf", "swf", "application/x-shockwave-flash", "Flash: Sorenson H.263");
row!(RM, "rm", "rm", "application/vnd.rn-realmedia", "RealMedia: RealVideo 1.0");

/// Muxers that go back to what they wrote, want frames for packets, or write more than a stream of
/// bytes.
const NEVER: &[&str] = &[
    "alp",
    "apm",
    "argo_asf",
    "argo_cvg",
    "avif",
    "ffmetadata",
    "gxf",
    "ico",
    "kvag",
    "mpjpeg",
    "mxf_d10",
    "mxf_opatom",
    "rso",
    "rtp",
    "rtp_mpegts",
    "tta",
    "whip",
    "wsaud",
    "yuv4mpegpipe",
];
/// What ffserver said of formats without a type.
const OCTETS: &str = "application/x-octet-stream";

/// The format that FFmpeg's muxer `name` writes, where our own URLs have no row for it; nothing
/// where there is no such muxer, or it does not write a stream. Made once for each.
pub(crate) fn other(name: &str) -> Option<&'static Format> {
    static MADE: Mutex<BTreeMap<&'static str, &'static Format>> = Mutex::new(BTreeMap::new());
    let container = ffmpeg::Container::find(name).ok().filter(|_| !NEVER.contains(&name))?;
    let muxer = container.names().find(|known| *known == name)?;
    let mut made = lock(&MADE);
    Some(made.entry(muxer).or_insert_with(|| {
        Box::leak(Box::new(Format {
            extension: muxer,
            content_type: container.mime_type().unwrap_or(OCTETS),
            carries: Carries::Tracks(Place::Container(muxer)),
            doc: "by FFmpeg's muxer",
            other_methods: false,
            serve: |ask, format| Box::pin(serve(ask, format, format.extension)),
        }))
    }))
}

async fn serve(ask: Ask, format: &'static Format, muxer: &'static str) -> Result<Response, Refusal> {
    if ask.method != Method::GET && ask.method != Method::HEAD {
        return Err(Refusal::method("GET, HEAD"));
    }
    let encoding = ask.wishes(CODING)?.encoding;
    let container = ffmpeg::Container::find(muxer);
    let container = container.map_err(|error| Refusal::bad_request(error.to_string()))?;
    let place = Place::Container(muxer);
    check(place, &encoding)?;
    if ask.method == Method::HEAD {
        let headers = [(header::CONTENT_TYPE, format.content_type), (header::CACHE_CONTROL, "no-store")];
        return Ok((StatusCode::OK, headers).into_response());
    }
    static READERS: AtomicU64 = AtomicU64::new(0);
    let reader = (!container.joinable()).then(|| READERS.fetch_add(1, Relaxed));
    let content = Content { place, encoding, reader };
    let mut reader = ask.relay.tapes.read(&ask.source, content, ask.tags.clone());
    let reel = match ask.is_patient {
        true => reader.first_reel().await,
        false => first_reel(&mut reader, &ask.source).await,
    };
    let reel = reel.map_err(|error| Refusal::source(ask.source.name(), &error))?;
    let session = ask.enter(format.extension, encoding.to_string(), None);
    let greeting = head(format, ask.old);
    Ok(player::play(ask, session, reader, reel, Framing::Bare, greeting).await)
}

/// Refuses codecs that there is no place for, before anything is opened.
pub(super) fn check(place: Place, encoding: &Encoding) -> Result<(), Refusal> {
    let video = encoding.video.coded().and_then(|variant| variant.codec).map(|codec| ("codec", codec));
    let audio = encoding.audio.coded().and_then(|coding| coding.codec).map(|codec| ("acodec", codec));
    for (key, codec) in video.into_iter().chain(audio) {
        if !place.takes(codec) {
            let (name, holds) = (place.name(), place.tell());
            return Err(Refusal::bad_request(format!("{key}={codec}: {name} has no place for it; it holds {holds}")));
        }
    }
    Ok(())
}

/// The head of an answer without end.
fn head(format: &Format, old: bool) -> Vec<u8> {
    let version = if old { "1.0" } else { "1.1" };
    format_head(version, format.content_type).into_bytes()
}

fn format_head(version: &str, content_type: &str) -> String {
    format!(
        "HTTP/{version} 200 OK\r\n\
         Content-Type: {content_type}\r\n\
         Cache-Control: no-store\r\n\
         X-Accel-Buffering: no\r\n\
         Connection: close\r\n\r\n"
    )
}
