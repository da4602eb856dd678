//! `/NAME.sdp`: the session description of a source that is sent to a group, for players that
//! join it without asking by RTSP.

use std::net::{Ipv4Addr, SocketAddr};

use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};

use super::{Ask, Carries, Format};
use crate::RtspStream;
use crate::server::Refusal;

pub(super) const FORMAT: Format = Format {
    extension: "sdp",
    content_type: "application/sdp",
    carries: Carries::Words,
    doc: "the session description, where it is sent by multicast",
    other_methods: false,
    serve: |ask, _| Box::pin(serve(ask)),
};

async fn serve(ask: Ask) -> Result<Response, Refusal> {
    if ask.method != Method::GET && ask.method != Method::HEAD {
        return Err(Refusal::method("GET, HEAD"));
    }
    let name = ask.source.name();
    let Some(group) = ask.relay.group(name) else {
        return Err(Refusal::not_found(format!("{name} is not sent by multicast; it is there by rtsp://")));
    };
    let stream = RtspStream { group: Some(group), ..RtspStream::of(ask.source.clone()) };
    // The address that the client came to, if it wrote one.
    let host = ask.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let host = host.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| host.parse());
    let sdp = ask.relay.sdp(&stream, host.unwrap_or(Ipv4Addr::UNSPECIFIED.into())).await;
    let sdp = sdp.map_err(|error| Refusal::source(name, &error))?;
    Ok(([(header::CONTENT_TYPE, "application/sdp"), (header::CACHE_CONTROL, "no-store")], sdp).into_response())
}
