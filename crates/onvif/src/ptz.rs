//! Pan, tilt and zoom (`http://www.onvif.org/ver20/ptz/wsdl`).

use std::time::Duration;

use crate::Error;
use crate::device::name;
use crate::soap::read;
use crate::xml::escape;

/// Most presets that are taken from an answer.
pub const MAX_PRESETS: usize = 1024;

/// Where to, or how fast: each from -1 to 1, in the generic spaces (ONVIF PTZ service, "Spaces").
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Vector {
    /// To the right.
    pub pan: f32,
    /// Up.
    pub tilt: f32,
    /// In.
    pub zoom: f32,
}

/// An order for a camera.
#[derive(Clone, PartialEq, Debug)]
pub enum Order {
    /// Move at this speed for a time, or until [`Order::Stop`].
    Continuous {
        /// How fast.
        speed: Vector,
        /// The camera stops by itself after it, in whole milliseconds.
        time: Option<Duration>,
    },
    /// Stop.
    Stop,
    /// Go to a place; zoom is from 0 to 1.
    Absolute(Vector),
    /// Go so far from here.
    Relative(Vector),
    /// Go to the place that counts as home.
    Home,
    /// Go to a preset, by its token.
    Preset(String),
}

/// A place that the camera remembers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Preset {
    /// What requests call it.
    pub token: String,
    /// What people call it.
    pub name: String,
}

/// Where the camera looks.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Status {
    /// Where; `None` for what it does not tell.
    pub pan: Option<f32>,
    /// Where; `None` for what it does not tell.
    pub tilt: Option<f32>,
    /// Where; `None` for what it does not tell.
    pub zoom: Option<f32>,
    /// Whether pan or tilt is moving: `IDLE`, `MOVING`, `UNKNOWN`.
    pub pan_tilt: Option<String>,
    /// The same for the zoom.
    pub zooming: Option<String>,
}

fn request(name: &str, token: &str, rest: &str) -> String {
    let token = escape(token);
    format!("<{name} xmlns=\"http://www.onvif.org/ver20/ptz/wsdl\"><ProfileToken>{token}</ProfileToken>{rest}</{name}>")
}

/// A number that XML knows, within -1 to 1.
fn within(value: f32) -> f32 {
    if value.is_finite() { value.clamp(-1.0, 1.0) } else { 0.0 }
}

fn vector(name: &str, at: Vector, whole: bool) -> String {
    let schema = "xmlns=\"http://www.onvif.org/ver10/schema\"";
    let (pan, tilt, zoom) = (within(at.pan), within(at.tilt), within(at.zoom));
    // Cameras without a zoom refuse requests that name it, and those without motors the rest.
    let turns = (whole || pan != 0.0 || tilt != 0.0).then(|| format!("<PanTilt {schema} x=\"{pan}\" y=\"{tilt}\"/>"));
    let zooms = (whole || zoom != 0.0).then(|| format!("<Zoom {schema} x=\"{zoom}\"/>"));
    format!("<{name}>{}{}</{name}>", turns.unwrap_or_default(), zooms.unwrap_or_default())
}

impl Order {
    /// As a request for the profile `token`.
    #[must_use]
    pub fn request(&self, token: &str) -> String {
        match self {
            Self::Continuous { speed, time } => {
                let time =
                    time.map(|time| format!("<Timeout>PT{}.{:03}S</Timeout>", time.as_secs(), time.subsec_millis()));
                let rest = vector("Velocity", *speed, false) + &time.unwrap_or_default();
                request("ContinuousMove", token, &rest)
            }
            Self::Stop => request("Stop", token, "<PanTilt>true</PanTilt><Zoom>true</Zoom>"),
            Self::Absolute(place) => request("AbsoluteMove", token, &vector("Position", *place, true)),
            Self::Relative(way) => request("RelativeMove", token, &vector("Translation", *way, false)),
            Self::Home => request("GotoHomePosition", token, ""),
            Self::Preset(preset) => {
                request("GotoPreset", token, &format!("<PresetToken>{}</PresetToken>", escape(preset)))
            }
        }
    }
}

/// What an order is answered with, which is nothing.
///
/// # Errors
/// As [`crate::read_body`].
pub fn read_done(answer: &[u8]) -> Result<(), Error> {
    crate::read_body(answer).map(|_| ())
}

/// `GetPresets` of the profile `token`.
#[must_use]
pub fn presets(token: &str) -> String {
    request("GetPresets", token, "")
}

/// # Errors
/// As [`crate::read_body`].
pub fn read_presets(answer: &[u8]) -> Result<Vec<Preset>, Error> {
    let response = read(answer, "GetPresetsResponse")?;
    let preset = |element: &crate::xml::Element| {
        let token = element.attribute("token").filter(|token| !token.is_empty() && token.len() <= 256)?;
        Some(Preset { token: token.to_owned(), name: name(element.child("Name")) })
    };
    let presets = response.children.iter().filter(|child| child.name == "Preset").filter_map(preset);
    Ok(presets.take(MAX_PRESETS).collect())
}

/// `GetStatus` of the profile `token`.
#[must_use]
pub fn status(token: &str) -> String {
    request("GetStatus", token, "")
}

/// # Errors
/// As [`crate::read_body`].
pub fn read_status(answer: &[u8]) -> Result<Status, Error> {
    let response = read(answer, "GetStatusResponse")?;
    let status = response.child("PTZStatus").ok_or(Error::Missing { what: "PTZStatus" })?;
    let number = |path: &[&str], axis: &str| {
        let value = status.at(path)?.attribute(axis)?.parse::<f32>().ok();
        value.filter(|value| value.is_finite())
    };
    let word = |path: &[&str]| status.at(path).map(|element| name(Some(element))).filter(|word| !word.is_empty());
    Ok(Status {
        pan: number(&["Position", "PanTilt"], "x"),
        tilt: number(&["Position", "PanTilt"], "y"),
        zoom: number(&["Position", "Zoom"], "x"),
        pan_tilt: word(&["MoveStatus", "PanTilt"]),
        zooming: word(&["MoveStatus", "Zoom"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_name_only_what_is_to_move() {
        let speed = Vector { pan: -0.5, ..Vector::default() };
        let text = Order::Continuous { speed, time: Some(Duration::from_millis(1500)) }.request("p<0");
        assert!(text.contains("<Timeout>PT1.500S</Timeout>") && !text.contains("Zoom"), "{text}");
        let tree = crate::xml::parse(text.as_bytes()).unwrap();
        assert_eq!(tree.at(&["Velocity", "PanTilt"]).unwrap().attribute("x"), Some("-0.5"));
        assert_eq!(tree.text_at(&["ProfileToken"]), Some("p<0"));
        let place = Order::Absolute(Vector { zoom: f32::NAN, pan: 7.0, ..Vector::default() }).request("p");
        assert!(
            place.contains("x=\"1\" y=\"0\"")
                && place.contains("<Zoom xmlns=\"http://www.onvif.org/ver10/schema\" x=\"0\"/>"),
            "{place}"
        );
        for order in [Order::Stop, Order::Home, Order::Preset("a&b".into()), Order::Relative(speed)] {
            crate::xml::parse(order.request("p").as_bytes()).unwrap();
        }
    }

    #[test]
    fn presets_and_the_place_are_read() {
        let answer = crate::envelope(
            None,
            "<GetPresetsResponse><Preset token='1'><Name>Gate</Name></Preset><Preset/></GetPresetsResponse>",
        );
        assert_eq!(read_presets(answer.as_bytes()).unwrap(), [Preset { token: "1".into(), name: "Gate".into() }]);
        let answer = crate::envelope(
            None,
            "<GetStatusResponse><PTZStatus><Position><PanTilt x='0.25' y='nan'/></Position><MoveStatus><PanTilt>IDLE</PanTilt></MoveStatus></PTZStatus></GetStatusResponse>",
        );
        let status = read_status(answer.as_bytes()).unwrap();
        assert_eq!((status.pan, status.tilt, status.zoom), (Some(0.25), None, None));
        assert_eq!(status.pan_tilt.as_deref(), Some("IDLE"));
    }
}
