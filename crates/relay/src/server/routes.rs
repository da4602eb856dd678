//! Paths and who answers them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Version, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use source::Supervisor;

use super::{Refusal, Takeover, unescape};
use crate::output::{Ask, FORMATS, Tags, past};
use crate::{Relay, feeds, health, metrics, ptz, status, webrtc};

type Shared = State<Arc<Relay>>;

/// A file of the pages, from the program itself.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

static ASSETS: &[Asset] = &[
    Asset {
        path: "/assets/status.js",
        content_type: "text/javascript; charset=utf-8",
        text: include_str!("../../assets/status.js"),
    },
    Asset {
        path: "/assets/page.css",
        content_type: "text/css; charset=utf-8",
        text: include_str!("../../assets/page.css"),
    },
    Asset {
        path: "/assets/page.js",
        content_type: "text/javascript; charset=utf-8",
        text: include_str!("../../assets/page.js"),
    },
    Asset {
        path: "/assets/webrtc.js",
        content_type: "text/javascript; charset=utf-8",
        text: include_str!("../../assets/webrtc.js"),
    },
    Asset { path: "/favicon.ico", content_type: "image/svg+xml", text: include_str!("../../assets/icon.svg") },
];

const INDEX: &str = include_str!("../../assets/index.html");

pub(crate) fn router(relay: Arc<Relay>) -> Router {
    if relay.paths().is_some() {
        // What a configuration does not name is not there.
        let others = of_sources(Arc::clone(&relay));
        return Router::new().fallback(move |request| {
            let others = (!relay.sources.is_empty()).then(|| others.clone());
            crate::paths::answer(relay.clone(), others, request)
        });
    }
    of_sources(relay)
}

/// The pages, and the streams of sources.
fn of_sources(relay: Arc<Relay>) -> Router {
    let mut router = Router::new()
        .route("/", get(|| async { page(INDEX) }))
        .route("/status", get(|State(relay): Shared| async move { page(&status::page(&relay.snapshot())) }))
        .route("/status.json", get(status_json))
        .route(
            "/health",
            get(|State(relay): Shared, RawQuery(query): RawQuery| async move {
                health::page(&relay.snapshot(), query.as_deref().unwrap_or_default()).map(|text| page(&text))
            }),
        )
        .route("/doctor/{name}", get(doctor))
        .route(
            "/metrics",
            get(|State(relay): Shared, headers: HeaderMap| async move { metrics::answer(&relay, &headers) }),
        )
        .route("/healthz", get(|| async { ([(header::CACHE_CONTROL, "no-store")], "ok\n") }));
    for asset in ASSETS {
        let answer = || async {
            ([(header::CONTENT_TYPE, asset.content_type), (header::CACHE_CONTROL, "no-cache")], asset.text)
        };
        router = router.route(asset.path, get(answer));
    }
    router.method_not_allowed_fallback(|| async { Refusal::method("GET, HEAD") }).fallback(stream).with_state(relay)
}

/// `/status.json`, for who asks.
async fn status_json(State(relay): Shared, request: Request) -> Response {
    let asker = request.extensions().get::<Takeover>().map(|takeover| takeover.peer().ip());
    json(&status::take(&relay, asker))
}

/// `/doctor/NAME`: what the newest attempt to open a source did, step by step.
async fn doctor(State(relay): Shared, Path(name): Path<String>) -> Result<Response, Refusal> {
    let source = relay.source(&name).ok_or_else(|| missing(&relay, &name))?;
    Ok(json(&source::doctor::of_source(&source).json()))
}

/// `/NAME.EXT`: a source in a format.
async fn stream(State(relay): Shared, request: Request) -> Result<Response, Refusal> {
    let path = unescape(request.uri().path())?.into_owned();
    let file = path.trim_start_matches('/');
    if matches!(*request.method(), Method::PUT | Method::POST)
        && let Some(feed) = feeds::at(&relay, file)
    {
        return feeds::receive(&relay, &feed.clone(), request, None).await;
    }
    if let Some(path) = webrtc::path(file) {
        return by_webrtc(&relay, path, request).await;
    }
    if let Some(source) = file.strip_suffix("/ptz").and_then(|name| relay.source(name)) {
        let may = relay.ptz.get() == Some(&true) || source.ptz().is_some();
        return match (may, request.method() == Method::POST) {
            (true, true) => ptz::answer(&source, request.uri().query().unwrap_or("")).await,
            (true, false) => Err(Refusal::method("POST")),
            _ => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "cameras may not be moved here; serve --ptz, or ptz of the source in headwater.toml, allows it",
            )),
        };
    }
    if file.ends_with(".ffm") && feeds::at(&relay, file).is_some() {
        return Err(Refusal::not_found(format!(
            "{file}: nothing here says how to encode; send it with -f mpegts, or with -override_ffserver"
        )));
    }
    let (parts, _) = request.into_parts();
    let split = file.rsplit_once('.');
    let format = split.and_then(|(_, extension)| FORMATS.iter().find(|format| format.extension == extension));
    if !matches!(parts.method, Method::GET | Method::HEAD) && !format.is_some_and(|format| format.other_methods) {
        return Err(Refusal::method("GET, HEAD"));
    }
    let Some((name, extension)) = split else {
        if relay.source(file).is_none() {
            return Err(missing(&relay, file));
        }
        // Somebody at a browser wants the page, everything else pictures; it is told how they are called.
        let to = match wants_page(&parts.headers) {
            true => format!("/#{file}"),
            false => format!("/{file}.mjpeg{}", parts.uri.query().map(|q| format!("?{q}")).unwrap_or_default()),
        };
        return Ok(([(header::VARY, "Accept")], Redirect::temporary(&to)).into_response());
    };
    let source = relay.source(name).ok_or_else(|| missing(&relay, name))?;
    let Some(format) = format else {
        return Err(Refusal::not_found(unknown_format(name, extension)));
    };
    let (start, query) = match past::has(format) {
        true => {
            let (start, rest) = past::start(parts.uri.query().unwrap_or(""))?;
            (start.filter(past::is_past), rest)
        }
        false => (None, parts.uri.query().unwrap_or("").into()),
    };
    let takeover = parts.extensions.get::<Takeover>().cloned();
    let takeover = takeover.ok_or_else(|| Refusal::bad_request("streams need a connection of their own"))?;
    let ask = Ask {
        source,
        method: parts.method,
        query,
        headers: parts.headers,
        stopping: takeover.stopping(),
        takeover,
        old: parts.version < Version::HTTP_11,
        relay,
        fixed: None,
        tags: Tags::default(),
        is_patient: false,
        visit: None,
    };
    match start {
        Some(start) if !past::is_mmsh(&ask) => past::serve(ask, format, start).await,
        _ => (format.serve)(ask, format).await,
    }
}

/// Whether it is a browser that goes to an address, and not an image, a player or a program.
pub(crate) fn wants_page(headers: &axum::http::HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")))
}

/// `/NAME/whip` and `/NAME/whep`.
async fn by_webrtc(relay: &Arc<Relay>, path: webrtc::Path<'_>, request: Request) -> Result<Response, Refusal> {
    if !path.is_offer(request.method()) {
        return Ok(webrtc::other(relay, path, &request.into_parts().0));
    }
    if path.role == webrtc::Role::Publisher {
        let feed = feeds::at(relay, path.name);
        return Ok(webrtc::push(relay, path, request, feed).await);
    }
    let source = relay.source(path.name).ok_or_else(|| missing(relay, path.name))?;
    let watched = webrtc::Watched { source, encoding: None, visit: None };
    Ok(webrtc::watch(relay, path, request, watched).await)
}

fn missing(relay: &Relay, name: &str) -> Refusal {
    const MOST: usize = 8;
    let name = short(name);
    let sources = relay.sources();
    let all: Vec<_> = sources.iter().map(Supervisor::name).collect();
    let near = all.iter().map(|known| (media::distance(&name.to_lowercase(), &known.to_lowercase()), *known)).min();
    let near = near.filter(|(far, near)| *far <= 2 && *far < near.len()).map(|(_, near)| near);
    let there = match (&all[..], near) {
        ([], _) => "none is configured".into(),
        ([..], Some(near)) if all.len() > 1 => format!("did you mean {near}? All names are at /status"),
        (few, _) if few.len() <= MOST => format!("there is {}", few.join(", ")),
        (many, _) => format!("there is {}, …; all {} names are at /status", many[..MOST].join(", "), many.len()),
    };
    Refusal::not_found(format!("no source is called {name:?}; {there}"))
}

/// What to ask for in place of a format that there is none of.
fn unknown_format(name: &str, extension: &str) -> String {
    /// What people mean by names of other pictures and streams.
    const MEANT: &[(&str, &str)] = &[
        ("png", "jpg"),
        ("bmp", "jpg"),
        ("webp", "jpg"),
        ("jpe", "jpg"),
        ("mjpg", "mjpeg"),
        ("mjpe", "mjpeg"),
        ("wmv", "asf"),
        ("m3u8", "mp4"),
        ("mov", "mp4"),
        ("m4v", "mp4"),
        ("m2ts", "ts"),
        ("h264", "ts"),
    ];
    let asked = extension.to_ascii_lowercase();
    let known = |wanted: &str| FORMATS.iter().any(|format| format.extension == wanted);
    let meant = MEANT.iter().find(|(other, _)| *other == asked).map(|(_, meant)| *meant);
    let near = FORMATS.iter().map(|format| (media::distance(&asked, format.extension), format.extension)).min();
    let near = near.filter(|(far, near)| *far <= 1 && near.len() > 2).map(|(_, near)| near);
    let meant = known(&asked).then_some(&*asked).or(meant).or(near).unwrap_or("mjpeg");
    let doc = FORMATS.iter().find(|format| format.extension == meant).map_or("", |format| format.doc);
    let all: Vec<_> = FORMATS.iter().map(|format| format.extension).collect();
    format!(
        "{name}.{}: unknown format; did you mean /{name}.{meant} ({doc})? There are {}; docs/API.md describes them",
        short(extension),
        all.join(" ")
    )
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

fn page(html: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'",
        ),
    ];
    (headers, html.to_owned()).into_response()
}

fn json(value: &impl serde::Serialize) -> Response {
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
