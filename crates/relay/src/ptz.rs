//! `POST /NAME/ptz`: moves a camera that was given as `onvif://`, or with such an address to be moved by.
//!
//! Off unless the relay was told otherwise ([`crate::Config::ptz`], [`source::Options::ptz`]): whoever may see a camera is
//! not for that reason to turn it. Nor can a page of another site, by a browser of this network
//! (`server::site`).

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use source::onvif::{Direction, Order};
use source::{Error, Supervisor};
use tokio::sync::Semaphore;

use crate::server::{Refusal, unescape};

/// Orders that are carried out at a time.
const MOST: usize = 8;
/// Longest move.
const LONGEST: Duration = Duration::from_secs(10);
/// The parameters.
const KNOWN: &[&str] = &["order", "preset", "speed", "ms"];

static PLACES: Semaphore = Semaphore::const_new(MOST);

/// What a request wants.
#[derive(Debug, PartialEq)]
enum Wish {
    Go { direction: Direction, speed: f32, time: Duration },
    Stop,
    Home,
    Preset(String),
    Presets,
    Status,
}

/// Carries the order of `query` out.
pub(crate) async fn answer(source: &Supervisor, query: &str) -> Result<Response, Refusal> {
    let wish = wish(query)?;
    if source.ptz().is_none() && !source.url().starts_with("onvif") {
        let what = "only what is given as onvif:// can be moved, or has ptz = \"onvif://…\" in headwater.toml";
        return Err(Refusal::bad_request(format!("{}: {what}", source.name())));
    }
    let Ok(_place) = PLACES.try_acquire() else {
        return Err(Refusal::over("too many cameras are being moved; try again"));
    };
    carried_out(source, wish).await
}

async fn carried_out(source: &Supervisor, wish: Wish) -> Result<Response, Refusal> {
    let refused = |error: Error| Refusal::source(source.name(), &error);
    let mut camera = source.camera().await.map_err(refused)?;
    match wish {
        Wish::Go { direction, speed, time } => camera.go(direction, speed, time).await.map_err(refused)?,
        Wish::Stop => camera.order(&Order::Stop).await.map_err(refused)?,
        Wish::Home => camera.order(&Order::Home).await.map_err(refused)?,
        Wish::Preset(name) => match camera.preset(&name).await.map_err(refused)? {
            Ok(preset) => camera.order(&Order::Preset(preset.token)).await.map_err(refused)?,
            Err(_) => {
                return Err(Refusal::not_found(format!("{}: no such preset; order=presets lists them", source.name())));
            }
        },
        Wish::Presets => {
            let presets = camera.presets().await.map_err(refused)?;
            let list = presets.iter().map(|preset| serde_json::json!({ "token": preset.token, "name": preset.name }));
            return Ok(axum::Json(list.collect::<Vec<_>>()).into_response());
        }
        Wish::Status => {
            let place = camera.place().await.map_err(refused)?;
            let (pan, tilt, zoom) = (place.pan, place.tilt, place.zoom);
            return Ok(axum::Json(serde_json::json!({ "pan": pan, "tilt": tilt, "zoom": zoom })).into_response());
        }
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn wish(query: &str) -> Result<Wish, Refusal> {
    let (mut order, mut preset, mut speed, mut time) = (None, None, 0.5, Duration::from_secs(1));
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = unescape(value)?;
        let wrong = |expected: &str| Refusal::bad_request(format!("{key}: expected {expected}"));
        match key {
            "order" => order = Some(value.into_owned()),
            "preset" => preset = Some(value.into_owned()),
            "speed" => {
                let number = value.parse().ok().filter(|speed| (0.01..=1.0).contains(speed));
                speed = number.ok_or_else(|| wrong("a number from 0.01 to 1"))?;
            }
            "ms" => {
                let number = value.parse().ok().map(Duration::from_millis).filter(|time| *time <= LONGEST);
                time = number.ok_or_else(|| wrong("milliseconds, at most 10000"))?;
            }
            _ => return Err(Refusal::bad_request(format!("unknown parameter; known are {}", KNOWN.join(", ")))),
        }
    }
    match (order.as_deref(), preset) {
        (None, Some(name)) => Ok(Wish::Preset(name)),
        (Some("stop"), None) => Ok(Wish::Stop),
        (Some("home"), None) => Ok(Wish::Home),
        (Some("presets"), None) => Ok(Wish::Presets),
        (Some("status"), None) => Ok(Wish::Status),
        (Some(word), None) => match word.parse() {
            Ok(direction) => Ok(Wish::Go { direction, speed, time }),
            Err(words) => Err(Refusal::bad_request(format!("order: expected {words}, stop, home, presets or status"))),
        },
        _ => Err(Refusal::bad_request("expected one of order= and preset=")),
    }
}

/// For the fuzzer: what a query is refused with, if it is.
pub(crate) fn check(query: &str) -> Option<String> {
    wish(query).err().map(Refusal::into_what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_and_what_is_none_is_told() {
        let read = |query: &str| wish(query).map_err(|refusal| refusal.status().as_u16());
        let go = Wish::Go { direction: Direction::Left, speed: 0.25, time: Duration::from_millis(200) };
        assert_eq!(read("order=left&speed=0.25&ms=200"), Ok(go));
        assert_eq!(read("preset=Front%20Door"), Ok(Wish::Preset("Front Door".into())));
        for wrong in
            ["", "order=", "order=jump", "order=left&speed=2", "order=left&ms=10001", "preset=1&order=home", "x=1"]
        {
            assert_eq!(read(wrong), Err(400), "{wrong}");
        }
    }
}
