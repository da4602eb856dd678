//! mDNS: cameras that call out what they are.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use mdns_sd::{IfKind, ResolvedService, ServiceDaemon, ServiceEvent};

use super::{Asked, Found, How, MOST, Search, line, url};
use crate::thread::on_thread;

/// What is looked for: the type, and whether only those of a camera's name are meant.
const TYPES: &[(&str, bool)] = &[
    ("_onvif._tcp.local.", false),
    ("_rtsp._tcp.local.", false),
    ("_axis-video._tcp.local.", false),
    ("_psia._tcp.local.", false),
    ("_http._tcp.local.", true),
];
/// What a camera's name has in it, in small letters.
const WORDS: &[&str] =
    &["cam", "axis", "hikvision", "dahua", "reolink", "vivotek", "mobotix", "ipc-", "webcam", "octoprint"];
/// How often what came is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Listens for so long.
pub(super) async fn browse(search: &Search) -> (Vec<Found>, Asked) {
    let (patience, interface) = (search.timeout, search.interface.clone());
    let listened = on_thread("mdns", move |_| listen(patience, interface)).await;
    let found = listened.unwrap_or_else(|| Err("it broke off".into()));
    let asked = Asked { what: "mDNS".into(), answers: found.as_ref().map(Vec::len).map_err(Clone::clone) };
    (found.unwrap_or_default(), asked)
}

fn listen(patience: Duration, interface: Option<String>) -> Result<Vec<Found>, String> {
    let until = Instant::now() + patience;
    let daemon = ServiceDaemon::new().map_err(|error| error.to_string())?;
    if let Some(name) = interface {
        let one_only = daemon.disable_interface(IfKind::All).and_then(|()| daemon.enable_interface(IfKind::Name(name)));
        one_only.map_err(|error| error.to_string())?;
    }
    let mut browsed = Vec::new();
    for (kind, named) in TYPES {
        browsed.push((daemon.browse(kind).map_err(|error| error.to_string())?, *named));
    }
    let mut found: Vec<Found> = Vec::new();
    while Instant::now() < until {
        std::thread::sleep(LOOK);
        for (events, named) in &browsed {
            for event in events.try_iter() {
                let ServiceEvent::ServiceResolved(service) = event else { continue };
                let new = of_service(&service, *named);
                found.extend(new.filter(|new| !found.iter().any(|known| known.url == new.url)));
            }
        }
        if found.len() >= MOST {
            break;
        }
    }
    if let Err(error) = daemon.shutdown() {
        tracing::debug!(%error, "mDNS goes on for a moment");
    }
    Ok(found)
}

fn of_service(service: &ResolvedService, named: bool) -> Option<Found> {
    let kind = service.ty_domain.trim_end_matches(".local.");
    let name = service.fullname.strip_suffix(&service.ty_domain).unwrap_or(&service.fullname).trim_end_matches('.');
    let addresses = service.addresses.iter().map(|address| address.to_ip_addr());
    // One that any program understands goes before one of this wire alone.
    let address = addresses.min_by_key(|address| (address.is_ipv6(), is_link_local(address), *address))?;
    let property =
        |key: &str| service.txt_properties.get_property_val_str(key).map(line).filter(|text| !text.is_empty());
    of(kind, name, address, service.port, property("path"), property("model"), named)
}

/// For the fuzzer: a service of each kind, whose name, path and model stand one a line.
pub(super) fn read_all(text: &str, address: IpAddr) -> Vec<Found> {
    let mut lines = text.lines().map(line);
    let (name, path, model) = (lines.next().unwrap_or_default(), lines.next(), lines.next());
    let kinds = TYPES.iter().map(|(kind, named)| (kind.trim_end_matches(".local."), *named));
    kinds.filter_map(|(kind, named)| of(kind, &name, address, 80, path.clone(), model.clone(), named)).collect()
}

fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// What a service of this kind and name is, if it is a camera.
fn of(
    kind: &str,
    name: &str,
    address: IpAddr,
    port: u16,
    path: Option<String>,
    model: Option<String>,
    named: bool,
) -> Option<Found> {
    let name = line(name);
    let low = name.to_lowercase();
    if named && !WORDS.iter().any(|word| low.contains(word)) {
        return None;
    }
    let host = address.to_string();
    let path = path.map(|path| format!("/{}", path.trim_start_matches('/')));
    let (url, trouble) = match (kind, &path) {
        ("_rtsp._tcp", Some(path)) => (url("rtsp", &host, Some(port), 554, path), None),
        ("_rtsp._tcp", None) => (url("rtsp", &host, Some(port), 554, "/"), Some("it does not tell its path")),
        ("_axis-video._tcp", _) => (url("axis", &host, None, 0, ""), None),
        ("_onvif._tcp", _) => (url("onvif", &host, Some(port), 80, ""), None),
        ("_psia._tcp", _) => {
            (url("onvif", &host, None, 0, ""), Some("it speaks PSIA; whether ONVIF too, is not known"))
        }
        (_, path) => {
            let path = path.as_deref().unwrap_or("/");
            (url("http", &host, Some(port), 80, path), Some("this is its page; try onvif:// in place of http://"))
        }
    };
    let what = model.unwrap_or_else(|| if kind == "_axis-video._tcp" { "Axis".into() } else { String::new() });
    Some(Found {
        how: How::Mdns,
        url,
        what,
        name,
        streams: Vec::new(),
        controls: Vec::new(),
        trouble: trouble.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_become_urls() {
        let of = |kind: &str, name: &str, port, path: Option<&str>, named| {
            of(kind, name, [10, 0, 0, 7].into(), port, path.map(str::to_owned), None, named).map(|found| found.url)
        };
        for (kind, name, port, path, named, expected) in [
            ("_rtsp._tcp", "Gate", 554, Some("live"), false, Some("rtsp://10.0.0.7/live")),
            ("_rtsp._tcp", "Gate", 8554, None, false, Some("rtsp://10.0.0.7:8554/")),
            ("_axis-video._tcp", "AXIS P1448 - ACCC8E", 80, None, false, Some("axis://10.0.0.7")),
            ("_onvif._tcp", "x", 8000, None, false, Some("onvif://10.0.0.7:8000")),
            ("_http._tcp", "esp32-camera", 81, Some("/stream"), true, Some("http://10.0.0.7:81/stream")),
            ("_http._tcp", "Printer", 80, None, true, None),
        ] {
            assert_eq!(of(kind, name, port, path, named).as_deref(), expected, "{kind} {name}");
        }
        let made = crate::scheme_of("axis://10.0.0.7").unwrap();
        assert_eq!((made.check)("axis://10.0.0.7"), Ok(()));
    }
}
