//! What other relays have: the lists of go2rtc (`/api/streams`) and of MediaMTX
//! (`/v3/paths/list`).

use serde_json::Value;
use tokio::time::timeout;

use super::{Asked, Found, How, MOST, Search, line, url};
use crate::http::fetch;
use crate::location::{Location, encode};
use crate::{Error, Phase, Sink};

/// Most bytes of a list.
const MOST_BYTES: usize = 4 << 20;
/// The port at which both serve RTSP unless told otherwise.
const RTSP: u16 = 8554;

/// A list: whose it is, where, and how it is read.
type List = (How, &'static str, fn(&Value) -> Vec<String>);

const LISTS: [List; 2] =
    [(How::Go2rtc, "/api/streams", go2rtc), (How::MediaMtx, "/v3/paths/list?itemsPerPage=1000", mediamtx)];

/// Asks the host of `base` for both lists.
pub(super) async fn ask(base: &str, search: &Search) -> (Vec<Found>, Asked) {
    let what = format!("lists of go2rtc and MediaMTX at {}", media::Redacted(&line(base)));
    let mut failure = String::new();
    for (how, path, read) in LISTS {
        match list(base, path, search).await.and_then(|(host, text)| {
            let wrong = |error: serde_json::Error| Error::Broken { what: format!("{path} is no list: {error}") };
            Ok((host, serde_json::from_slice::<Value>(&text).map_err(wrong)?))
        }) {
            Ok((host, list)) => {
                let names = read(&list);
                if names.is_empty() {
                    failure = "it has no streams".into();
                    continue;
                }
                let found: Vec<_> = names.into_iter().take(MOST).map(|name| of(how, &host, &name)).collect();
                let answers = Ok(found.len());
                return (found, Asked { what, answers });
            }
            Err(error) => failure = error.what(),
        }
    }
    (Vec::new(), Asked { what, answers: Err(failure) })
}

async fn list(base: &str, path: &str, search: &Search) -> Result<(String, bytes::BytesMut), Error> {
    let mut location = Location::parse(base)?;
    if !matches!(&*location.scheme, "http" | "https") {
        let hint = "expected http://host:1984 (go2rtc) or http://host:9997 (MediaMTX)".into();
        return Err(Error::BadUrl { what: format!("{location}: lists are had by HTTP"), hint });
    }
    path.clone_into(&mut location.path_and_query);
    let host = location.host.clone();
    let access = search.options.access.clone();
    if location.user.is_none() {
        (location.user, location.password) = (access.user.clone(), access.password.clone());
    }
    let sink = Sink::nowhere();
    let text = timeout(search.timeout, fetch(location, access, MOST_BYTES, &sink)).await;
    let late = Error::Timeout { phase: Phase::Handshake, after: search.timeout, tried: None };
    Ok((host, text.unwrap_or(Err(late))?))
}

/// For the fuzzer: what a text says as either list.
pub(super) fn read_all(text: &[u8]) -> Vec<Found> {
    let Ok(list) = serde_json::from_slice::<Value>(text) else { return Vec::new() };
    LISTS.iter().flat_map(|(how, _, read)| read(&list).into_iter().map(|name| of(*how, "10.0.0.7", &name))).collect()
}

/// `{"name": {"producers": […], "consumers": […]}, …}`.
fn go2rtc(list: &Value) -> Vec<String> {
    let streams = list.as_object().map(|streams| streams.iter().filter(|(_, stream)| stream.is_object()));
    let is_stream = |stream: &Value| stream.get("producers").is_some();
    streams.into_iter().flatten().filter(|(_, stream)| is_stream(stream)).map(|(name, _)| name.clone()).collect()
}

/// `{"items": [{"name": …, "ready": true}, …]}`.
fn mediamtx(list: &Value) -> Vec<String> {
    let items = list.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.get("name")?.as_str()).map(str::to_owned).collect()
}

fn of(how: How, host: &str, name: &str) -> Found {
    let path: Vec<_> = name.chars().take(256).collect::<String>().split('/').map(encode).collect();
    let url = url("rtsp", host, Some(RTSP), 554, &format!("/{}", path.join("/")));
    Found { how, url, what: String::new(), name: line(name), streams: Vec::new(), controls: Vec::new(), trouble: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_what_is_none_is_empty() {
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let list =
            read(r#"{"front": {"producers": [{"url": "rtsp://a:b@c"}], "consumers": null}, "error": "x", "y": {}}"#);
        assert_eq!(go2rtc(&list), ["front"]);
        let list = read(r#"{"itemCount": 2, "items": [{"name": "cam/1", "ready": true}, {"ready": false}, 7]}"#);
        assert_eq!(mediamtx(&list), ["cam/1"]);
        assert!(go2rtc(&read("[]")).is_empty() && mediamtx(&read("{\"items\": {}}")).is_empty());
        assert_eq!(of(How::MediaMtx, "fd00::1", "cam/1 ü\r\n").url, "rtsp://[fd00::1]:8554/cam/1%20%C3%BC%0D%0A");
    }
}
