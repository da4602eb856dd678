//! One connection, from its first byte to its last.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::ServiceExt;

use super::io::Io;
use super::takeover::{Order, Socket, Takeover};
use super::{Place, Reason, Refusal, Shared, stopped};

/// How long a client may take for its request, and may stay idle between two.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Most bytes of a request's head: what hyper reads before it answers 431.
const MOST_HEAD: usize = 16 << 10;
/// Most header lines of a request.
const MOST_HEADERS: usize = 64;
/// Letters of the longest method: there is UPDATEREDIRECTREF, but for no server like this.
const LONGEST_METHOD: usize = 16;
/// How long a client may take to hear why it is refused.
const HEARING: Duration = Duration::from_secs(1);
/// Most bytes of a request that are looked at for whether there is a place kept for it.
const LONGEST_START: usize = 256;
/// Most bytes that are read of what is not answered.
const MOST_REST: usize = 1 << 20;

/// Serves `stream` until either side is done.
pub(crate) async fn serve(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>, place: Place) {
    let mut stopping = place.stopping.clone();
    let _ = stream.set_nodelay(true);
    // Nothing but the socket is held for a client that says nothing: ten thousand of
    // them cost no more than their descriptors.
    let mut first = [0; 32];
    let told = tokio::select! {
        peeked = timeout(REQUEST_TIMEOUT, stream.peek(&mut first)) => match peeked {
            Ok(Ok(count)) if count > 0 => first[..count].to_vec(),
            _ => return,
        },
        () = stopped(&mut stopping) => return,
    };
    if let Some(refusal) = not_http(&told) {
        return say(stream, &refusal).await;
    }

    let takeover = Takeover::new(peer, stopping.clone());
    let in_request = takeover.clone();
    let (io, progress) = Io::new(stream);
    let in_progress = Arc::clone(&progress);
    let (router, told_to_stop) = (shared.router.clone(), stopping.clone());
    let asked = Arc::clone(&shared);
    let service = service_fn(move |mut request: Request<Incoming>| {
        in_progress.asked.store(true, Relaxed);
        let peer = asked.proxies.who(peer, request.headers());
        request.extensions_mut().insert(in_request.of(peer));
        let refusal = asked.site.refuses(&request);
        let push = push(&request);
        let relay = Arc::clone(&asked.relay);
        let answer = router.clone().oneshot(request.map(Body::new));
        let mut stopping = told_to_stop.clone();
        async move {
            let answer = match refusal {
                Some(refusal) => Ok(refusal.into_response()),
                None => tokio::select! {
                    biased;
                    answer = answer => answer,
                    // Whoever waits for a picture is not left without an answer.
                    () = stopped(&mut stopping) => Ok(Refusal::stopping().into_response()),
                },
            };
            if let (Some((protocol, path)), Ok(answer)) = (push, &answer)
                && let Some(Reason(why)) = answer.extensions().get::<Reason>()
            {
                relay.refusals.tell(protocol, peer, Some(&path), why);
            }
            answer
        }
    });
    let mut http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .max_buf_size(MOST_HEAD)
        .max_headers(MOST_HEADERS)
        .half_close(false)
        .keep_alive(!place.once)
        .serve_connection(io, service);

    let next = {
        let mut taken = std::pin::pin!(takeover.taken());
        let mut stop = std::pin::pin!(stopped(&mut stopping));
        let mut told_to_stop = false;
        let mut order = None;
        poll_fn(|cx| {
            if !told_to_stop && stop.as_mut().poll(cx).is_ready() {
                told_to_stop = true;
                Pin::new(&mut http).graceful_shutdown();
            }
            if let Poll::Ready(done) = Pin::new(&mut http).poll(cx) {
                return Poll::Ready(Next::Done(done.err()));
            }
            if order.is_none()
                && let Poll::Ready(given) = taken.as_mut().poll(cx)
            {
                order = Some(given);
            }
            // Answers to earlier requests on this connection go out first.
            match progress.flushed.load(Relaxed) {
                true => order.take().map_or(Poll::Pending, |order| Poll::Ready(Next::Order(order))),
                false => Poll::Pending,
            }
        })
        .await
    };
    match next {
        Next::Order(order) => {
            let parts = http.into_parts();
            drop(takeover);
            order(Socket { stream: parts.io.into_inner(), place, read: parts.read_buf });
        }
        // After the first request hyper has answered by itself.
        Next::Done(Some(error)) if !progress.asked.load(Relaxed) => {
            if let Some(refusal) = unreadable(&error) {
                say(http.into_parts().io.into_inner(), &refusal).await;
            }
        }
        Next::Done(_) => {}
    }
}

/// Serves `stream` at a place that is kept for those who ask how the relay is, if that
/// is what its client asks.
pub(crate) async fn serve_if_spare(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>, place: Place) {
    let mut first = [0; LONGEST_START];
    let told = match timeout(HEARING, stream.peek(&mut first)).await {
        Ok(Ok(count)) => &first[..count],
        _ => &[],
    };
    let health = [&b"GET /healthz"[..], b"GET /status", b"GET /metrics", b"HEAD /healthz"];
    let is_kept = match shared.relay.paths() {
        Some(paths) => paths.is_kept(told),
        None => health.iter().any(|path| told.starts_with(path)),
    };
    match is_kept {
        true => serve(stream, peer, shared, place).await,
        false => say(stream, &Refusal::too_many(shared.limit)).await,
    }
}

/// How `request` would send to a feed, and to where, if it is to.
fn push(request: &Request<Incoming>) -> Option<(&'static str, String)> {
    let path = request.uri().path();
    let is_whip = path.trim_end_matches('/').ends_with("/whip");
    let protocol = match *request.method() {
        Method::POST if is_whip => "WHIP",
        // A viewer, and orders to cameras.
        Method::POST if path.ends_with("/whep") || path.ends_with("/ptz") => return None,
        Method::POST => "POST",
        Method::PUT => "PUT",
        _ => return None,
    };
    Some((protocol, path.into()))
}

/// What becomes of a connection that hyper is done with.
enum Next {
    /// A stream.
    Order(Order),
    /// Nothing, because of this.
    Done(Option<hyper::Error>),
}

/// What to say to a client that does not speak HTTP, by its first bytes.
fn not_http(first: &[u8]) -> Option<Refusal> {
    // RFC 9112 section 2.2: an empty line before the request is passed over.
    let blank = first.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let first = &first[blank..];
    let is_method = first.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let what = match first {
        [0x16, 0x03, ..] => "this port speaks plain HTTP and the client began TLS; use http:// instead of https://",
        _ if first.starts_with(b"PRI * HTTP/2") => return Some(Refusal::version()),
        _ if first.starts_with(b"GET ") || first.starts_with(b"HEAD ") => return None,
        _ if (3..=LONGEST_METHOD).contains(&is_method) && first.get(is_method).is_none_or(|b| *b == b' ') => {
            return None;
        }
        // The rest of a method may still be on its way.
        _ if is_method == first.len() && is_method < 3 => return None,
        _ => "the request does not begin with an HTTP method; expected a line such as GET /cam.mjpeg HTTP/1.1",
    };
    Some(Refusal::bad_request(what))
}

/// What to say about a first request that hyper could not read; nothing to a client that
/// has gone.
fn unreadable(error: &hyper::Error) -> Option<Refusal> {
    Some(if error.is_parse_too_large() {
        Refusal::too_large(format!(
            "the request is too large; its first line and headers may have {} KiB and {MOST_HEADERS} lines",
            MOST_HEAD >> 10
        ))
    } else if error.is_parse() {
        Refusal::bad_request(format!(
            "{error}; expected a line such as GET /cam.mjpeg HTTP/1.1, lines such as Host: cam, and an empty line"
        ))
    } else if error.is_timeout() {
        Refusal::late(REQUEST_TIMEOUT)
    } else if error.is_incomplete_message() {
        Refusal::bad_request("the request ends before the empty line that completes it")
    } else {
        return None;
    })
}

/// Answers without hyper.
pub(crate) async fn say(mut stream: TcpStream, refusal: &Refusal) {
    let _ = timeout(HEARING, async {
        stream.write_all(refusal.to_http().as_bytes()).await?;
        stream.shutdown().await?;
        // What the client still sends is read, or closing would reset the connection
        // before the client has seen the answer.
        let (mut rest, mut count) = ([0; 4096], 0);
        while count < MOST_REST {
            match stream.read(&mut rest).await? {
                0 => break,
                more => count += more,
            }
        }
        Ok::<_, std::io::Error>(())
    })
    .await;
}

/// Answers a connection for which there is no place.
pub(crate) fn turn_away(stream: TcpStream, limit: &str) {
    let refusal = Refusal::too_many(limit);
    // The buffer of a new socket takes it at once, or the client goes without.
    let _ = stream.try_write(refusal.to_http().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_http_is_told_apart_by_its_first_bytes() {
        for http in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"OPTIONS * HTTP/1.1",
            b"DESCRIBE rtsp://",
            b"G",
            b"POS",
            b"\r\nGET / ",
            b"\r\n",
        ] {
            assert!(not_http(http).is_none(), "{http:?}");
        }
        for other in [
            &b"\x16\x03\x01\x02\x00"[..],
            b"\0\0\0\0",
            b"get / HTTP/1.1",
            b"\xff\xfe",
            b"GE\0",
            &[b'G'; 32],
            b"PRI * HTTP/2.0\r\n",
        ] {
            assert!(not_http(other).is_some(), "{other:?}");
        }
    }
}
