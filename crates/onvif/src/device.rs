//! The device service (`http://www.onvif.org/ver10/device/wsdl`): what it is, what time it has,
//! where its other services are.

use crate::soap::read;
use crate::xml::Element;
use crate::{Error, Utc};

/// Where the device service of every camera is (ONVIF core specification, "Device management").
pub const PATH: &str = "/onvif/device_service";

/// `GetSystemDateAndTime`; answered without a login.
pub const SYSTEM_DATE_AND_TIME: &str = "<GetSystemDateAndTime xmlns=\"http://www.onvif.org/ver10/device/wsdl\"/>";
/// `GetServices`: newer cameras.
pub const SERVICES: &str = "<GetServices xmlns=\"http://www.onvif.org/ver10/device/wsdl\">\
    <IncludeCapability>false</IncludeCapability></GetServices>";
/// `GetCapabilities`: all cameras.
pub const CAPABILITIES: &str = "<GetCapabilities xmlns=\"http://www.onvif.org/ver10/device/wsdl\">\
    <Category>All</Category></GetCapabilities>";
/// `GetDeviceInformation`.
pub const INFORMATION: &str = "<GetDeviceInformation xmlns=\"http://www.onvif.org/ver10/device/wsdl\"/>";

/// Most characters of a name in an answer; the rest is cut off.
const MOST_NAME: usize = 128;

/// Where the services are, as the camera says: URLs on the host that it thinks it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// Media, version 1.
    pub media: Option<String>,
    /// Media, version 2, which alone knows of H.265.
    pub media2: Option<String>,
    /// Pan, tilt, zoom.
    pub ptz: Option<String>,
}

/// What the device is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Information {
    /// Its maker.
    pub manufacturer: String,
    /// Its model.
    pub model: String,
    /// Its firmware's version.
    pub firmware: String,
}

/// The time by the camera's clock; `None` where it has none that makes sense.
///
/// # Errors
/// As [`crate::read_body`].
pub fn read_system_date_and_time(answer: &[u8]) -> Result<Option<Utc>, Error> {
    let response = read(answer, "GetSystemDateAndTimeResponse")?;
    Ok(response.at(&["SystemDateAndTime", "UTCDateTime"]).and_then(Utc::read))
}

/// # Errors
/// As [`crate::read_body`].
pub fn read_services(answer: &[u8]) -> Result<Services, Error> {
    let response = read(answer, "GetServicesResponse")?;
    let mut services = Services::default();
    for service in response.all("Service") {
        let (Some(namespace), Some(address)) = (service.text_at(&["Namespace"]), service.text_at(&["XAddr"])) else {
            continue;
        };
        let place = match namespace.trim_end_matches('/') {
            "http://www.onvif.org/ver10/media/wsdl" => &mut services.media,
            "http://www.onvif.org/ver20/media/wsdl" => &mut services.media2,
            "http://www.onvif.org/ver20/ptz/wsdl" => &mut services.ptz,
            _ => continue,
        };
        place.get_or_insert_with(|| address.to_owned());
    }
    Ok(services)
}

/// # Errors
/// As [`crate::read_body`].
pub fn read_capabilities(answer: &[u8]) -> Result<Services, Error> {
    let response = read(answer, "GetCapabilitiesResponse")?;
    let address = |service| response.text_at(&["Capabilities", service, "XAddr"]).map(str::to_owned);
    let newer = response.text_at(&["Capabilities", "Extension", "Media2", "XAddr"]).map(str::to_owned);
    Ok(Services { media: address("Media"), media2: newer, ptz: address("PTZ") })
}

/// # Errors
/// As [`crate::read_body`].
pub fn read_information(answer: &[u8]) -> Result<Information, Error> {
    let response = read(answer, "GetDeviceInformationResponse")?;
    let text = |element| name(response.child(element));
    Ok(Information { manufacturer: text("Manufacturer"), model: text("Model"), firmware: text("FirmwareVersion") })
}

/// A text of an answer as one line that is not too long.
pub(crate) fn name(element: Option<&Element>) -> String {
    let text = element.map(|element| &*element.text).unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(MOST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Vec<u8> {
        crate::envelope(None, body).into_bytes()
    }

    #[test]
    fn the_time_is_read_where_there_is_one() {
        let time = |day: &str| {
            answer(&format!(
                "<tds:GetSystemDateAndTimeResponse xmlns:tds='d' xmlns:tt='t'><tds:SystemDateAndTime><tt:UTCDateTime>\
                 <tt:Time><tt:Hour>3</tt:Hour><tt:Minute>14</tt:Minute><tt:Second>55</tt:Second></tt:Time>\
                 <tt:Date><tt:Year>2026</tt:Year><tt:Month>11</tt:Month><tt:Day>{day}</tt:Day></tt:Date>\
                 </tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
            ))
        };
        let read = |day| read_system_date_and_time(&time(day)).unwrap().map(|at| at.to_string());
        assert_eq!(read("26").as_deref(), Some("2026-11-26T03:14:55Z"));
        assert_eq!((read("0"), read("x"), read("99999999999999999999")), (None, None, None));
    }

    #[test]
    fn services_are_found_in_both_ways() {
        let services = answer(
            "<GetServicesResponse><Service><Namespace>http://www.onvif.org/ver10/media/wsdl</Namespace><XAddr>http://10.0.0.7/onvif/Media</XAddr></Service>\
             <Service><Namespace>http://www.onvif.org/ver20/media/wsdl</Namespace><XAddr>http://10.0.0.7/onvif/Media2</XAddr></Service>\
             <Service><Namespace>http://www.onvif.org/ver10/events/wsdl</Namespace><XAddr>http://10.0.0.7/e</XAddr></Service></GetServicesResponse>",
        );
        let found = read_services(&services).unwrap();
        assert_eq!(found.media.as_deref(), Some("http://10.0.0.7/onvif/Media"));
        assert_eq!((found.media2.as_deref(), found.ptz), (Some("http://10.0.0.7/onvif/Media2"), None));
        let capabilities = answer(
            "<GetCapabilitiesResponse><Capabilities><Media><XAddr>http://a/m</XAddr></Media><PTZ><XAddr>http://a/p</XAddr></PTZ></Capabilities></GetCapabilitiesResponse>",
        );
        let found = read_capabilities(&capabilities).unwrap();
        assert_eq!((found.media.as_deref(), found.ptz.as_deref()), (Some("http://a/m"), Some("http://a/p")));
    }
}
