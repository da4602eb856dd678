//! `/NAME.jpg`: the freshest picture.
//!
//! A desk stands between the requests and the source: it keeps reading for a while
//! after a request, so that the next one finds a picture at hand, and a hundred at once
//! cost one. It is content with keyframes as long as these are fresh enough, which
//! spares the decoder all the rest.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use source::{Error, Picture, State, Supervisor};
use tokio::sync::watch;
use tokio::time::{Instant as Deadline, sleep_until, timeout};

use super::fate::Jpeg;
use super::query::{Known, Wishes};
use super::{Ask, Carries, Format, failed};
use crate::clock;
use crate::placeholder::Placeholder;
use crate::server::Refusal;
use crate::shelf::{Shelf, lock};

pub(super) const FORMAT: Format = Format {
    extension: "jpg",
    content_type: "image/jpeg",
    carries: Carries::Jpegs,
    doc: "the freshest picture",
    other_methods: false,
    serve: |ask, _| Box::pin(serve(ask)),
};
pub(super) const FORMAT_JPEG: Format = Format { extension: "jpeg", ..FORMAT };

const KNOWN: Known = &["max_age", "placeholder", "newer_than", "timeout"];

/// How long a desk reads on after the last request.
const LINGER: Duration = Duration::from_secs(10);
/// A keyframe older than this is not fresh, if there is anything newer.
const FRESH: Duration = Duration::from_secs(2);
/// How long to wait for something fresher than what is at hand.
const FRESHER: Duration = Duration::from_secs(2);
/// How much longer than the source's own time-out a request waits.
const GRACE: Duration = Duration::from_secs(2);
/// How long a long poll waits unless it says otherwise.
const LONG_POLL: Duration = Duration::from_secs(30);

async fn serve(ask: Ask) -> Result<Response, Refusal> {
    if ask.method != Method::GET && ask.method != Method::HEAD {
        return Err(Refusal::method("GET, HEAD"));
    }
    let (wishes, jpeg) = ask.jpegs(KNOWN)?;
    let desk = ask.relay.desks.at(&ask.source, jpeg);
    let mut shown = desk.shown.subscribe();
    let found = match wishes.newer_than {
        Some(sequence) => long_poll(&desk, &mut shown, sequence, &wishes, &ask.source).await,
        None => freshest(&desk, &mut shown, &wishes, &ask.source).await,
    };
    match found {
        Ok(Some(picture)) => Ok(answer(&picture, &ask.headers)),
        Ok(None) => Ok((StatusCode::NOT_MODIFIED, [(header::CACHE_CONTROL, "no-cache")]).into_response()),
        Err(refusal) => {
            let status = ask.source.status().borrow().clone();
            let placeholder = wishes.placeholder.then(|| Placeholder::new(ask.source.name(), jpeg.variant));
            let data = match placeholder {
                Some(placeholder) => placeholder.in_place(&status).await,
                None => None,
            };
            let data = data.ok_or(refusal)?;
            let headers = [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "no-store")];
            Ok((StatusCode::OK, headers, data).into_response())
        }
    }
}

/// A picture newer than `sequence`, or nothing within the time.
async fn long_poll(
    desk: &Desk,
    shown: &mut watch::Receiver<Shown>,
    sequence: u64,
    wishes: &Wishes,
    source: &Supervisor,
) -> Result<Option<Picture>, Refusal> {
    // Whoever waits for the next picture does not mean the next keyframe.
    desk.want_all.notify_one();
    let newer = |shown: &Shown| shown.is_newer_than(sequence);
    let found = timeout(wishes.timeout.unwrap_or(LONG_POLL), shown.wait_for(newer)).await;
    match found {
        Ok(Ok(shown)) => shown.picture(source).map(Some),
        Ok(Err(_)) => Err(Refusal::silent(source.name())),
        Err(_) => Ok(None),
    }
}

async fn freshest(
    desk: &Desk,
    shown: &mut watch::Receiver<Shown>,
    wishes: &Wishes,
    source: &Supervisor,
) -> Result<Option<Picture>, Refusal> {
    let most = wishes.max_age.unwrap_or(FRESH);
    let at_hand = shown.borrow_and_update().clone();
    let is_live = matches!(source.status().borrow().state, State::Live);
    let picture = match at_hand {
        Shown::Nothing => next(shown, 0, wishes, source).await?,
        // What the camera showed before it went away is not its freshest picture.
        Shown::Picture(old) if !is_live && old.received.elapsed() > most => {
            next(shown, clock::sequence(old.received), wishes, source).await?
        }
        at_hand => at_hand.picture(source)?,
    };
    let newest = source.feed().peek_newest().map_or(picture.received, |packet| packet.received);
    if picture.received.elapsed() <= most || newest <= picture.received {
        return Ok(Some(picture));
    }
    // Only what was decoded is old, not what the camera sent.
    desk.want_all.notify_one();
    let fresh = |shown: &Shown| match shown {
        Shown::Picture(newer) => newer.received > picture.received && newer.received.elapsed() <= most,
        Shown::Nothing => false,
        Shown::Over(_) => true,
    };
    match timeout(FRESHER, shown.wait_for(fresh)).await {
        Ok(Ok(shown)) => shown.picture(source).map(Some),
        // Better old, with its age said, than none.
        _ => Ok(Some(picture)),
    }
}

/// The next picture of a source that shows none now, or why there is none.
async fn next(
    shown: &mut watch::Receiver<Shown>,
    sequence: u64,
    wishes: &Wishes,
    source: &Supervisor,
) -> Result<Picture, Refusal> {
    let mut status = source.status();
    let arrived = async {
        let there = |shown: &Shown| shown.is_newer_than(sequence);
        match shown.wait_for(there).await {
            Ok(shown) => shown.picture(source),
            Err(_) => Err(Refusal::silent(source.name())),
        }
    };
    let wait = async {
        tokio::select! {
            picture = arrived => picture,
            error = failed(&mut status) => Err(Refusal::source(source.name(), &error)),
        }
    };
    // Without a wish, a little longer than the source has: its own reason comes first.
    let limit = wishes.timeout.unwrap_or(source.open_timeout() + GRACE);
    timeout(limit, wait).await.unwrap_or_else(|_| Err(Refusal::silent(source.name())))
}

fn answer(picture: &Picture, asked: &HeaderMap) -> Response {
    let sequence = clock::sequence(picture.received);
    let tag = format!("\"{sequence:x}-{:x}\"", picture.data.len());
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let not_modified =
        known.flat_map(|list| list.split(',')).any(|known| matches!(known.trim(), t if t == tag || t == "*"));
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: String| {
        // Digits, dots and quotes: always a valid value.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    let taken = clock::since_epoch(picture.captured.unwrap_or_else(|| clock::wall(picture.received)));
    set("etag", tag);
    set("cache-control", "no-cache".into());
    set("x-timestamp", format!("{}.{:06}", taken.as_secs(), taken.subsec_micros()));
    set("x-sequence", sequence.to_string());
    set("x-age", picture.received.elapsed().as_millis().to_string());
    if not_modified {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    (StatusCode::OK, headers, picture.data.clone()).into_response()
}

/// What lies on a desk.
#[derive(Clone, Debug)]
enum Shown {
    Nothing,
    Picture(Picture),
    /// The source is over, or its codec cannot be decoded.
    Over(Error),
}

impl Shown {
    /// Whether it answers a request for something newer than `sequence`.
    fn is_newer_than(&self, sequence: u64) -> bool {
        match self {
            Self::Nothing => false,
            Self::Picture(picture) => clock::sequence(picture.received) > sequence,
            Self::Over(_) => true,
        }
    }

    fn picture(&self, source: &Supervisor) -> Result<Picture, Refusal> {
        match self {
            Self::Picture(picture) => Ok(picture.clone()),
            Self::Over(error) => Err(Refusal::source(source.name(), error)),
            Self::Nothing => Err(Refusal::silent(source.name())),
        }
    }
}

struct Desk {
    shown: watch::Sender<Shown>,
    /// When it was asked last.
    asked: Mutex<Instant>,
    want_all: tokio::sync::Notify,
}

type Key = (u64, Jpeg);

/// The desks in use.
#[derive(Default)]
pub(crate) struct Desks(Shelf<Key, Desk>);

impl Desks {
    /// How many desks read the source.
    pub(crate) fn count(&self, source: &Supervisor) -> usize {
        self.0.lock().keys().filter(|(id, _)| *id == source.id()).count()
    }

    fn at(&self, source: &Supervisor, jpeg: Jpeg) -> Arc<Desk> {
        let key = (source.id(), jpeg.at_any_rate());
        let mut desks = self.0.lock();
        if let Some(desk) = desks.get(&key) {
            *lock(&desk.asked) = Instant::now();
            return Arc::clone(desk);
        }
        let desk = Arc::new(Desk {
            shown: watch::Sender::new(Shown::Nothing),
            asked: Mutex::new(Instant::now()),
            want_all: tokio::sync::Notify::new(),
        });
        desks.insert(key, Arc::clone(&desk));
        tokio::spawn(keep(Arc::clone(&desk), self.0.clone(), key, source.clone()));
        desk
    }
}

/// Keeps the newest picture on a desk until nobody has asked for a while.
async fn keep(desk: Arc<Desk>, desks: Shelf<Key, Desk>, key: Key, source: Supervisor) {
    let mut pictures = key.1.keyframes(&source);
    loop {
        let until = Deadline::from_std(*lock(&desk.asked) + LINGER);
        tokio::select! {
            picture = pictures.newest() => match picture {
                Ok(picture) => _ = desk.shown.send_replace(Shown::Picture(picture)),
                Err(error) => {
                    desk.shown.send_replace(Shown::Over(error));
                    desks.lock().remove(&key);
                    return;
                }
            },
            () = desk.want_all.notified() => pictures.want_all(),
            () = sleep_until(until) => {
                // Under the lock, so that no request comes to a desk that is being left.
                let mut desks = desks.lock();
                if desk.shown.receiver_count() > 0 {
                    // Somebody waits still.
                    *lock(&desk.asked) = Instant::now();
                } else if lock(&desk.asked).elapsed() >= LINGER {
                    desks.remove(&key);
                    return;
                }
            }
        }
    }
}
