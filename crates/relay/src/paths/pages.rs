//! Small answers in ffserver's words.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::server::{Reason, escape};

/// Seconds after which somebody who was turned away may try again.
const RETRY_AFTER_S: u32 = 5;

fn html(status: StatusCode, title: &str, body: &str) -> Response {
    let page = format!(
        "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"UTF-8\">\n<title>{title}</title>\n</head>\n<body>{body}</body>\n</html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, page).into_response()
}

/// Nothing has this path, or nobody like the visitor may see it.
pub(super) fn missing(path: &str) -> Response {
    let shown: String = path.chars().take(256).collect();
    let mut response = html(StatusCode::NOT_FOUND, "404 Not Found", &format!("File '/{}' not found", escape(&shown)));
    response.extensions_mut().insert(Reason("nothing is called so here, or not for this address".into()));
    response
}

fn busy(sentence: &str) -> Response {
    let body = format!("<p>The server is too busy for this request.</p>\n<p>{sentence}</p>");
    let mut response = html(StatusCode::SERVICE_UNAVAILABLE, "503 Server too busy", &body);
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_S.into());
    response
}

/// One viewer too many.
pub(super) fn too_many(viewers: usize, most: u32) -> Response {
    busy(&format!("The number of current connections is {viewers}, and this exceeds the limit of {most}."))
}

/// Too much would be sent.
pub(super) fn too_much(kbit: u64, most: u64) -> Response {
    busy(&format!(
        "The bandwidth being served (including your stream) is {kbit}kbit/s, and this exceeds the limit of {most}kbit/s."
    ))
}

/// A path that leads elsewhere.
pub(super) fn moved(url: &str) -> Response {
    let shown = escape(url);
    let body = format!("You should be <a href=\"{shown}\">redirected</a>.");
    let mut response = html(StatusCode::MOVED_PERMANENTLY, "Moved", &body);
    // A URL that is no header value is shown only.
    if let Ok(value) = HeaderValue::from_str(url) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// A file that leads a player to a stream.
pub(super) fn playlist(content_type: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")], body).into_response()
}
