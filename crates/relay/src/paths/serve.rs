//! A request, from its path to who answers it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::{Method, StatusCode, Version, header, request::Parts};
use axum::response::{IntoResponse, Response};

use super::table::{Entry, Out, What};
use super::visit::{Caller, Visit};
use super::{Paths, dialogue, pages, report};
use crate::output::past::{self, Start};
use crate::output::{Ask, Tags};
use crate::server::{Reason, Refusal, Takeover, unescape};
use crate::{Relay, feeds};
use tower::ServiceExt;

/// Answers any request of a relay that serves by a configuration; `others` has what is
/// served beside its paths.
pub(crate) async fn answer(relay: Arc<Relay>, others: Option<Router>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (Some(paths), Some(takeover)) = (relay.paths(), parts.extensions.get::<Takeover>().cloned()) else {
        return Refusal::bad_request("this needs a connection of its own").into_response();
    };
    // A path without its slash looks like the name of a host.
    let bare = parts.uri.authority().filter(|_| parts.uri.scheme().is_none() && parts.method != Method::CONNECT);
    let path = match unescape(bare.map_or(parts.uri.path(), |bare| bare.as_str())) {
        Ok(path) => path.trim_start_matches('/').to_owned(),
        Err(refusal) => return refusal.into_response(),
    };
    let path = if path.is_empty() { "index.html".to_owned() } else { path };
    if let Some(of) = crate::webrtc::path(&path)
        && (others.is_none() || paths.has_of_feed(of.name))
    {
        return super::webrtc::answer(&relay, paths, of, parts, body, &takeover).await;
    }
    let address = takeover.peer().ip();
    let caller = Caller {
        peer: takeover.peer(),
        method: &parts.method,
        uri: &parts.uri,
        version: parts.version,
        headers: &parts.headers,
    };
    let entry = paths.table().find(&path, address).cloned();
    let visit = Visit::new(&relay, &caller, entry.clone());
    let (method, is_unknown) = (parts.method.clone(), entry.is_none());
    let (mut response, visit) = match entry {
        Some(entry) => match &entry.what {
            What::Stream(out) => return stream(&relay, paths, &entry, out, visit, parts, takeover).await,
            What::Redirect(url) => (pages::moved(url), visit),
            What::Status(page) if is_read(&parts.method) => (report::answer(&relay, paths, page, &parts), visit),
            What::Status(_) => (Refusal::method("GET, HEAD").into_response(), visit),
            What::Feed(feed) if feed.is_pushed() && matches!(parts.method, Method::PUT | Method::POST) => {
                let request = Request::from_parts(parts, body);
                return feeds::receive(&relay, feed, request, Some(visit))
                    .await
                    .unwrap_or_else(IntoResponse::into_response);
            }
            What::Feed(feed) if feed.is_pushed() && is_read(&parts.method) => {
                (dialogue::answer(&paths.table().config, &entry.name), visit)
            }
            What::Feed(feed) if feed.is_pushed() => (Refusal::method("GET, HEAD, PUT, POST").into_response(), visit),
            // It reads its Source by itself: there is nothing here for anybody.
            What::Feed(_) => (pages::missing(&path), visit),
        },
        None => match (redirector(&relay, &path, address, &parts).await, others) {
            (Some(response), _) => (response, visit),
            (None, Some(others)) => {
                let request = Request::from_parts(parts, body);
                (others.oneshot(request).await.into_response(), visit)
            }
            (None, None) => (pages::missing(&path), visit),
        },
    };
    let is_sent = matches!(method, Method::PUT | Method::POST);
    let is_feed = |entry: &Arc<Entry>| matches!(&entry.what, What::Feed(feed) if feed.is_pushed());
    // The log alone tells it: strangers are answered as if there were none.
    if is_sent && is_unknown && paths.table().named(&path).any(is_feed) {
        response.extensions_mut().insert(Reason("the rules of the feed (ACL) do not let this address send".into()));
    }
    told(response, &visit)
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Counts an answer that is whole.
pub(super) fn told(response: Response, visit: &Visit) -> Response {
    visit.answered(response.status().as_u16());
    visit.sent(response.body().size_hint().exact().unwrap_or(0));
    response
}

/// A stream, unless there is no room for another viewer.
async fn stream(
    relay: &Arc<Relay>,
    paths: &Paths,
    entry: &Arc<Entry>,
    out: &Out,
    visit: Visit,
    parts: Parts,
    takeover: Takeover,
) -> Response {
    let Some(format) = out.format else {
        // One that is called as its description would be.
        let response = match is_read(&parts.method) && entry.name.ends_with(".sdp") {
            true => sdp(relay, entry, &parts).await,
            false => by_rtsp(relay, paths, entry, &parts).into_response(),
        };
        return told(response, &visit);
    };
    if !is_read(&parts.method) && !format.other_methods {
        return told(Refusal::method("GET, HEAD").into_response(), &visit);
    }
    let is_viewer = parts.method == Method::GET;
    if is_viewer && let Err(busy) = take_place(relay, paths, entry) {
        return told(*busy, &visit);
    }
    let visit = match is_viewer {
        true => visit.viewer(out.stream.max_time.map(|time| Instant::now() + time)),
        false => visit,
    };
    let visit = Arc::new(visit);
    let source = match out.open() {
        Ok(source) => source,
        Err(error) => return told(Refusal::source(&entry.name, &error).into_response(), &visit),
    };
    let start = match past::configured(parts.uri.query().unwrap_or(""), out.stream.preroll) {
        Ok(start) => start,
        Err(refusal) => return told(refusal.into_response(), &visit),
    };
    let ask = Ask {
        source,
        method: parts.method,
        query: String::new(),
        headers: parts.headers,
        stopping: takeover.stopping(),
        takeover,
        old: parts.version < Version::HTTP_11,
        relay: Arc::clone(relay),
        fixed: Some(out.encoding),
        tags: Tags::new(&out.stream.metadata),
        is_patient: out.is_patient(),
        visit: Some(Arc::clone(&visit)),
    };
    let has_past = ask.source.variants().recorded().is_some() && !past::is_mmsh(&ask);
    let response = match start {
        // Whoever wants a clip is not given anything else in its place.
        Some(Start::Clip(..)) if past::is_mmsh(&ask) => Err(past::live_only()),
        Some(Start::Clip(..)) if !past::has(format) => Err(Refusal::bad_request(format!(
            "there are no clips as {}; leave from and to out, or ask for another stream",
            format.extension
        ))),
        Some(start @ Start::Clip(..)) => past::serve(ask, format, start).await,
        // As in ffserver, what is not recorded begins live.
        Some(start) if has_past && past::has(format) => past::serve(ask, format, start).await,
        _ => (format.serve)(ask, format).await,
    };
    let response = response.unwrap_or_else(IntoResponse::into_response);
    told(response, &visit)
}

/// What is said where only RTSP serves a stream.
fn by_rtsp(relay: &Relay, paths: &Paths, entry: &Entry, parts: &Parts) -> Refusal {
    let configured = paths.table().config.rtsp.first().map(|listen| listen.port);
    let port = configured.or_else(|| relay.rtsp_port.get().copied());
    let name = &entry.name;
    Refusal::not_found(match (port, host(parts).map(without_port)) {
        (Some(port), Some(host)) => format!("{name} is served by RTSP: rtsp://{host}:{port}/{name}"),
        (Some(port), None) => format!("{name} is served by RTSP, on port {port}"),
        (None, _) => {
            format!(
                "{name} is served by RTSP, which this server has no port for: RTSPPort is missing in its configuration"
            )
        }
    })
}

/// What the client calls this server, if that is a host's name or address, with its port.
fn host(parts: &Parts) -> Option<&str> {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let plain = |host: &&str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    host.filter(|host| !host.is_empty()).filter(plain)
}

fn without_port(host: &str) -> &str {
    match host.rfind(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or(host),
    }
}

/// Takes a place among the viewers, which [`Visit::viewer`] gives back; or says why there is
/// none for a viewer of `entry`.
pub(super) fn take_place(relay: &Arc<Relay>, paths: &Paths, entry: &Entry) -> Result<(), Box<Response>> {
    let table = paths.table();
    // Taken before it is looked whether it is there: a crowd that comes at once gets no more.
    let (viewers, most) = (paths.viewers.fetch_add(1, Relaxed) + 1, table.config.max_clients);
    let kbit = (paths.meter.total(&relay.sessions) + paths.meter.expected(entry)) / 1000.0;
    let (kbit, most_kbit) = (kbit as u64, table.config.max_bandwidth_kbit);
    let busy = match viewers > most as usize {
        true => pages::too_many(viewers, most),
        false if kbit > most_kbit => pages::too_much(kbit, most_kbit),
        false => return Ok(()),
    };
    paths.viewers.fetch_sub(1, Relaxed);
    Err(Box::new(busy))
}

/// What leads players to a stream, by the ending of its name: theirs, and the stream's.
const REDIRECTORS: &[(&str, &str)] = &[("asx", "asf"), ("ram", "rm"), ("rpm", "rm"), ("rtsp", ""), ("sdp", "")];

/// The file that leads a player to a stream, if `path` is the name of one and the visitor
/// may see the stream.
async fn redirector(relay: &Relay, path: &str, address: IpAddr, parts: &Parts) -> Option<Response> {
    if !is_read(&parts.method) {
        return None;
    }
    let (name, extension) = path.rsplit_once('.')?;
    let (_, of_stream) = REDIRECTORS.iter().find(|(theirs, _)| *theirs == extension)?;
    let table = relay.paths()?.table();
    let is_stream = |entry: &Entry| matches!(entry.what, What::Stream(_));
    let entry = match of_stream.is_empty() {
        false => table.find(&format!("{name}.{of_stream}"), address)?.clone(),
        true => {
            let stem = |entry: &Entry| entry.name.rsplit_once('.').map_or(entry.name == name, |(stem, _)| stem == name);
            let mut found =
                table.entries().filter(|entry| is_stream(entry) && stem(entry) && entry.access.allows(address));
            let by_rtsp = |entry: &&Arc<Entry>| matches!(&entry.what, What::Stream(out) if out.format.is_none());
            let first = found.next()?;
            std::iter::once(first).chain(found).find(by_rtsp).unwrap_or(first).clone()
        }
    };
    if !is_stream(&entry) {
        return None;
    }
    if extension == "sdp" {
        return Some(sdp(relay, &entry, parts).await);
    }
    let Some(host) = host(parts) else {
        let refusal = Refusal::bad_request("a Host header is needed, as in Host: example.com:8090");
        return Some(refusal.into_response());
    };
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let url = format!("http://{host}/{}{query}", entry.name);
    Some(match extension {
        "asx" => pages::playlist(
            "video/x-ms-asf",
            format!(
                "<ASX Version=\"3\">\r\n<ENTRY><REF HREF=\"{}\"/></ENTRY>\r\n</ASX>\r\n",
                crate::server::escape(&url)
            ),
        ),
        "rtsp" => {
            let port = table.config.rtsp.first()?.port;
            let host = without_port(host);
            pages::playlist("application/x-rtsp", format!("rtsp://{host}:{port}/{}\r\n", entry.name))
        }
        _ => pages::playlist("audio/x-pn-realaudio", format!("# {}\r\n{url}\r\n", crate::PRODUCT)),
    })
}

/// The description of a stream for players that do not ask by RTSP.
async fn sdp(relay: &Relay, entry: &Entry, parts: &Parts) -> Response {
    let What::Stream(out) = &entry.what else { return pages::missing(&entry.name) };
    // The address that the client came to, if it wrote one.
    let server = host(parts).map(without_port).and_then(|host| host.trim_matches(['[', ']']).parse().ok());
    let described = match out.rtsp() {
        Ok(stream) => relay.sdp(&stream, server.unwrap_or(Ipv4Addr::UNSPECIFIED.into())).await,
        Err(error) => Err(error),
    };
    match described {
        Ok(sdp) => pages::playlist("application/sdp", sdp),
        Err(error) => Refusal::source(&entry.name, &error).into_response(),
    }
}

/// Whether the visitor would rather have JSON.
pub(super) fn wants_json(parts: &Parts) -> bool {
    let accept = parts.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    let asked = parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "format=json"));
    asked || accept.split([',', ';']).next().is_some_and(|first| first.trim() == "application/json")
}

/// As JSON, or the reason why not.
pub(super) fn json(value: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "status cannot be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
