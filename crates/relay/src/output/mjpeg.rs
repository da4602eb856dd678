//! `/NAME.mjpeg`: picture after picture on the bare socket.
//!
//! The request is answered by a client in a [`fan`](super::fan). It gets the newest
//! complete picture each time it can take one, so a slow one loses pictures and never
//! sees old ones; what it misses is counted.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use formats::multipart;
use hyper::body::Frame;
use source::{State, Supervisor};
use tokio::sync::watch;

use super::fan::{Client, Framing, Newest};
use super::query::{Known, Wishes};
use super::{Ask, Carries, Format, failed};
use crate::server::{Refusal, Socket, hold_back};

pub(super) const FORMAT: Format = Format {
    extension: "mjpeg",
    content_type: multipart::CONTENT_TYPE,
    carries: Carries::Jpegs,
    doc: "motion JPEG: multipart/x-mixed-replace, for browsers, OpenCV and players",
    other_methods: false,
    serve: |ask, format| Box::pin(serve(ask, format, Framing::Multipart)),
};
pub(super) const FORMAT_BARE: Format = Format {
    extension: "mjpg",
    content_type: "video/x-mjpeg",
    carries: Carries::Jpegs,
    doc: "JPEGs with nothing between them, for programs that look for their markers",
    other_methods: false,
    serve: |ask, format| Box::pin(serve(ask, format, Framing::Bare)),
};
/// The same under the type of one picture, which ffserver called singlejpeg.
pub(super) const FORMAT_SINGLE: Format =
    Format { extension: "singlejpeg", content_type: "image/jpeg", doc: "the same as a picture", ..FORMAT_BARE };

const KNOWN: Known = &["max_age", "placeholder"];

async fn serve(ask: Ask, format: &'static Format, framing: Framing) -> Result<Response, Refusal> {
    if ask.method != Method::GET && ask.method != Method::HEAD {
        return Err(Refusal::method("GET, HEAD"));
    }
    let (wishes, jpeg) = ask.jpegs(KNOWN)?;
    if ask.method == Method::HEAD {
        let headers = [(header::CONTENT_TYPE, format.content_type), (header::CACHE_CONTROL, "no-store")];
        return Ok((StatusCode::OK, headers, Body::new(Endless)).into_response());
    }
    let share = ask.relay.fans.share(&ask.source, jpeg, &ask.stopping);
    // Whoever asked for a placeholder is answered at once; the others learn by the
    // status of the answer whether there is anything to see.
    if !wishes.placeholder && !ask.is_patient {
        first_picture(share.newest(), &ask.source).await?;
    }
    let extension = if framing == Framing::Bare { "mjpg" } else { "mjpeg" };
    let session = ask.enter(extension, wishes.encoding.to_string(), wishes.max_age);
    let greeting = greeting(&wishes, ask.old, framing, format.content_type);
    let order = move |socket: Socket| {
        hold_back(&socket.stream);
        let placeholder = wishes.placeholder;
        Client {
            socket: socket.stream,
            _place: socket.place,
            session,
            share,
            framing,
            greeting,
            placeholder,
            last: 0,
            behind: None,
        }
        .join();
    };
    Ok(ask.takeover.give(Box::new(order)).await)
}

/// A body without a length, for the head of an answer that has none.
struct Endless;

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(None)
    }
}

/// Waits for a picture that is not from before the source went away, or for the reason
/// why there is none.
async fn first_picture(mut newest: watch::Receiver<Newest>, source: &Supervisor) -> Result<(), Refusal> {
    let mut status = source.status();
    let asked = Instant::now();
    let is_live = matches!(status.borrow().state, State::Live);
    let arrived = newest.wait_for(|newest| match newest {
        Newest::Nothing => false,
        Newest::Part(part) => is_live || part.picture.received >= asked,
        Newest::Over(_) => true,
    });
    tokio::select! {
        newest = arrived => match newest.as_deref() {
            Ok(Newest::Over(error)) => Err(Refusal::source(source.name(), error)),
            Ok(_) => Ok(()),
            Err(_) => Err(Refusal::silent(source.name())),
        },
        error = failed(&mut status) => Err(Refusal::source(source.name(), &error)),
    }
}

/// The head of the answer and the first boundary. The stream ends with the connection,
/// in HTTP/1.1 too: chunks would only be more to parse for readers that look for the
/// boundary anyway.
fn greeting(wishes: &Wishes, old: bool, framing: Framing, content_type: &str) -> Vec<u8> {
    let version = if old { "1.0" } else { "1.1" };
    let max_age = wishes.max_age.map(|age| format!("X-Max-Age: {}\r\n", age.as_millis())).unwrap_or_default();
    let head = format!(
        "HTTP/{version} 200 OK\r\n\
         Content-Type: {content_type}\r\n\
         Cache-Control: no-store\r\n\
         X-Accel-Buffering: no\r\n\
         {max_age}Connection: close\r\n\r\n"
    );
    [head.as_bytes(), framing.opening()].concat()
}
