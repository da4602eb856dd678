//! WebRTC by a configuration: the same names, rules and limits.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use super::serve::{take_place, told};
use super::table::What;
use super::visit::{Caller, Visit};
use super::{Paths, pages};
use crate::Relay;
use crate::server::{Refusal, Takeover};
use crate::webrtc::{self, Path, Role, Watched};

/// Answers a request for a feed's `whip` or a stream's `whep`.
pub(super) async fn answer(
    relay: &Arc<Relay>,
    paths: &Paths,
    path: Path<'_>,
    parts: Parts,
    body: Body,
    takeover: &Takeover,
) -> Response {
    let address = takeover.peer().ip();
    let entry = paths.table().find(path.name, address).cloned();
    let caller = Caller {
        peer: takeover.peer(),
        method: &parts.method,
        uri: &parts.uri,
        version: parts.version,
        headers: &parts.headers,
    };
    let visit = Visit::new(relay, &caller, entry.clone());
    if !path.is_offer(&parts.method) {
        return told(webrtc::other(relay, path, &parts), &visit);
    }
    if path.role == Role::Publisher {
        let feed = paths.feed_at(address.to_canonical(), path.name);
        return told(webrtc::push(relay, path, Request::from_parts(parts, body), feed).await, &visit);
    }
    let Some(entry) = entry else { return told(pages::missing(path.name), &visit) };
    let What::Stream(out) = &entry.what else {
        return told(Refusal::not_found(format!("{} is no stream", path.name)).into_response(), &visit);
    };
    if let Err(busy) = take_place(relay, paths, &entry) {
        return told(*busy, &visit);
    }
    let visit = Arc::new(visit.viewer(out.stream.max_time.map(|time| Instant::now() + time)));
    let source = match out.open() {
        Ok(source) => source,
        Err(error) => return told(Refusal::source(&entry.name, &error).into_response(), &visit),
    };
    let watched = Watched { source, encoding: Some(out.encoding), visit: Some(Arc::clone(&visit)) };
    told(webrtc::watch(relay, path, Request::from_parts(parts, body), watched).await, &visit)
}
