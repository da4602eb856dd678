//! The HTTP of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): an offer in, an answer out.
//!
//! `POST /NAME/whip`, or `whep`, makes a session and tells its URL; `DELETE` of that ends it. There is
//! no trickling of candidates, nor a restart of ICE: whoever asks for one hears so (RFC 9725
//! section 4.3), and needs none, since it is the peer that looks for a way, and all of our
//! addresses are in the answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::webrtc::{MOST_OFFER, Role, Session};
use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use media::Encoding;
use source::Supervisor;
use source::push::Hint;
use tokio::time::timeout;

use super::peer::Peer;
use super::{Exchange, publisher, viewer};
use crate::Relay;
use crate::output::query::{CODING, Wishes};
use crate::paths::Visit;
use crate::server::{Refusal, Takeover};

/// The type of offers and answers.
const SDP: &str = "application/sdp";
/// How long an offer may take to come.
const READING: Duration = Duration::from_secs(10);

/// What a path is of: `NAME/whip`, `NAME/whep`, or a session's own below it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Path<'a> {
    pub(crate) role: Role,
    pub(crate) name: &'a str,
    id: Option<&'a str>,
}

/// What a path, without its first slash, is of WebRTC, if it is.
pub(crate) fn path(file: &str) -> Option<Path<'_>> {
    let role_of = |word: &str| match word {
        "whip" => Some(Role::Publisher),
        "whep" => Some(Role::Viewer),
        _ => None,
    };
    let (rest, last) = file.trim_end_matches('/').rsplit_once('/')?;
    if let Some(role) = role_of(last) {
        return Some(Path { role, name: rest, id: None });
    }
    let (name, word) = rest.rsplit_once('/')?;
    Some(Path { role: role_of(word)?, name, id: Some(last) })
}

impl Path<'_> {
    /// Whether `request` makes a session.
    pub(crate) fn is_offer(&self, method: &Method) -> bool {
        self.id.is_none() && method == Method::POST
    }
}

/// What a viewer watches.
pub(crate) struct Watched {
    pub(crate) source: Supervisor,
    /// How it is coded; where nothing is said, the query says it.
    pub(crate) encoding: Option<Encoding>,
    /// The request, where a configuration is served.
    pub(crate) visit: Option<Arc<Visit>>,
}

/// Answers all that makes no session.
pub(crate) fn other(relay: &Relay, path: Path<'_>, parts: &Parts) -> Response {
    let answer = match relay.exchange() {
        Err(refusal) => Err(refusal),
        Ok(exchange) => origin(exchange, parts).and_then(|()| match (path.id, &parts.method) {
            (_, &Method::OPTIONS) => Ok((StatusCode::NO_CONTENT, [("accept-post", SDP)]).into_response()),
            (Some(id), &Method::DELETE) => match exchange.table.delete(path.role, path.name, id) {
                true => Ok(StatusCode::OK.into_response()),
                false => Err(Refusal::not_found("there is no such session of WebRTC, or no longer")),
            },
            (Some(_), _) => Err(Refusal::method("DELETE, OPTIONS")),
            (None, _) => Err(Refusal::method("POST, OPTIONS")),
        }),
    };
    shared(relay, parts, answer)
}

/// Takes an encoder in that sends to `feed`.
pub(crate) async fn push(relay: &Arc<Relay>, path: Path<'_>, request: Request, feed: Option<Supervisor>) -> Response {
    let (parts, body) = request.into_parts();
    let answer = async {
        let (exchange, offer, by) = read(relay, &parts, body).await?;
        // The same words where nothing is and where it may not send, so that it cannot tell.
        let feed = feed.ok_or_else(|| Refusal::not_found(format!("there is no feed {:?} here", path.name)))?;
        let claim = exchange.claims.claim(by.ip())?;
        let (session, lines, answer) = session(exchange, path.role, &offer).await?;
        let place = exchange.place()?;
        let agent = text(&parts, header::USER_AGENT);
        let hint = Hint { by: by.to_string(), protocol: "WHIP", agent: agent.clone(), content_type: None };
        let feeder = feed.unit_feeder(hint).await.map_err(|error| Refusal::conflict(error.to_string()))?;
        let seat = exchange.table.enter(path.role, path.name, session.name(), claim);
        let created = created(&parts, &seat.0.id, answer);
        let peer = Peer::new(session, seat, lines, place);
        tokio::spawn(publisher::run(peer, feeder, feed.name().to_owned(), by, agent));
        Ok(created)
    };
    let answer = answer.await;
    shared(relay, &parts, answer)
}

/// Takes a viewer in.
pub(crate) async fn watch(relay: &Arc<Relay>, path: Path<'_>, request: Request, watched: Watched) -> Response {
    let (parts, body) = request.into_parts();
    let answer = async {
        let (exchange, offer, by) = read(relay, &parts, body).await?;
        let encoding = match watched.encoding {
            Some(encoding) => encoding,
            None => Wishes::read(parts.uri.query().unwrap_or(""), CODING)?.encoding,
        };
        let claim = exchange.claims.claim(by.ip())?;
        let (mut session, lines, answer) = session(exchange, path.role, &offer).await?;
        let supply = viewer::Supply::open(&watched.source, encoding, &mut session).await?;
        let place = exchange.place()?;
        let listed = viewer::list(relay, &watched, encoding, by, text(&parts, header::USER_AGENT));
        let seat = exchange.table.enter(path.role, path.name, session.name(), claim);
        let created = created(&parts, &seat.0.id, answer);
        tokio::spawn(viewer::run(Peer::new(session, seat, lines, place), supply, listed));
        Ok(created)
    };
    let answer = answer.await;
    shared(relay, &parts, answer)
}

/// Reads an offer, if its sender may make one.
async fn read<'a>(relay: &'a Relay, parts: &Parts, body: Body) -> Result<(&'a Exchange, String, SocketAddr), Refusal> {
    let exchange = relay.exchange()?;
    origin(exchange, parts)?;
    let takeover = parts.extensions.get::<Takeover>();
    let by = takeover.ok_or_else(|| Refusal::bad_request("this needs a connection of its own"))?.peer();
    let kind = text(parts, header::CONTENT_TYPE).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(SDP)) {
        return Err(Refusal::unreadable(format!("an offer is {SDP}, and this says that it is {kind:?}")));
    }
    let body = match timeout(READING, Limited::new(body, MOST_OFFER).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) => return Err(Refusal::bad_request(format!("the offer could not be read: {error}"))),
        Err(_) => return Err(Refusal::silence(format!("the offer was not complete within {READING:?}"))),
    };
    let offer = String::from_utf8(body.to_vec()).map_err(|_| Refusal::bad_request("an offer is text"))?;
    Ok((exchange, offer, by))
}

/// Makes a session, and the answer to its offer.
async fn session(
    exchange: &Exchange,
    role: Role,
    offer: &str,
) -> Result<(Session, Arc<super::Lines>, String), Refusal> {
    let lines = exchange.lines().await.map_err(|(address, error)| {
        let what = format!("WebRTC needs UDP on {address}, which cannot be listened on: {error}; see --webrtc");
        tracing::warn!(%address, %error, "WebRTC cannot be served");
        Refusal::over(what)
    })?;
    let failed = |error: ::webrtc::Error| match error {
        ::webrtc::Error::Nothing { .. } => Refusal::new(StatusCode::NOT_ACCEPTABLE, error.to_string()),
        ::webrtc::Error::Offer { .. } => Refusal::bad_request(error.to_string()),
        _ => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    };
    let identity = exchange.identity().await.map_err(failed)?;
    let made = Session::new(role, identity, offer, lines.candidates(), Instant::now());
    let (session, answer) = made.map_err(failed)?;
    Ok((session, lines, answer))
}

fn created(parts: &Parts, id: &str, answer: String) -> Response {
    let location = format!("{}/{id}", parts.uri.path().trim_end_matches('/'));
    let mut response = (StatusCode::CREATED, [(header::CONTENT_TYPE, SDP)], answer).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn text(parts: &Parts, name: header::HeaderName) -> Option<String> {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).map(|text| text.chars().take(120).collect())
}

/// Refuses pages of other sites, unless they were let in.
fn origin(exchange: &Exchange, parts: &Parts) -> Result<(), Refusal> {
    if !exchange.site.is_from_elsewhere(&parts.headers) || allowed(exchange, parts).is_some() {
        return Ok(());
    }
    let what = "a page of another site may not push or watch here; serve --webrtc-origin lets it in";
    Err(Refusal::new(StatusCode::FORBIDDEN, what))
}

/// The page of another site that a request comes from, if it was let in.
fn allowed<'a>(exchange: &Exchange, parts: &'a Parts) -> Option<&'a HeaderValue> {
    let origin = parts.headers.get(header::ORIGIN)?;
    exchange.config.origins.iter().any(|allowed| allowed == "*" || allowed.as_bytes() == origin).then_some(origin)
}

/// Lets pages that were let in see the answer.
fn shared(relay: &Relay, parts: &Parts, answer: Result<Response, Refusal>) -> Response {
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(origin) = relay.exchange().ok().and_then(|exchange| allowed(exchange, parts)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("location"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, DELETE, OPTIONS"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type, authorization"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_sessions_are_told_apart() {
        let at = |role, name, id| Some(Path { role, name, id });
        assert_eq!(path("cam/whip"), at(Role::Publisher, "cam", None));
        assert_eq!(path("cam/whep/"), at(Role::Viewer, "cam", None));
        assert_eq!(path("a/b/whep/0f"), at(Role::Viewer, "a/b", Some("0f")));
        for other in ["whip", "cam.mjpeg", "cam/ptz", "cam/x/y", ""] {
            assert_eq!(path(other), None, "{other}");
        }
    }
}
