//! WS-Discovery: who is there? A datagram to a group, and one or more from each camera.
//!
//! Cameras speak the version of April 2005, which ONVIF demands (core specification, "Device
//! discovery"); WS-Discovery 1.1 (OASIS, 2009) differs in its namespaces only, and both are
//! asked, since some recorders answer the newer one alone.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::Error;
use crate::xml::{self, escape};

/// The port of WS-Discovery (both versions, section 2.4).
pub const PORT: u16 = 3702;
/// The group of IPv4.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
/// The group of IPv6, on one's own wire.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x0c);
/// Most bytes of a datagram that is looked at.
pub const MAX_DATAGRAM: usize = 64 << 10;
/// Most answers that are taken from a datagram.
pub const MAX_MATCHES: usize = 16;
/// Most addresses, and most scopes, of an answer.
pub const MAX_WORDS: usize = 64;

/// Which version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// `http://schemas.xmlsoap.org/ws/2005/04/discovery`
    April2005,
    /// `http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01`
    OneOne,
}

/// Whom to look for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// `dn:NetworkVideoTransmitter`: cameras, by the book.
    Transmitters,
    /// `tds:Device`: what newer profiles call them.
    Devices,
    /// Whoever hears it; printers answer too.
    Anybody,
}

/// A device that answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// Its name for ever, mostly `urn:uuid:…`; empty where it has none.
    pub endpoint: String,
    /// What it is, without prefixes: `NetworkVideoTransmitter`.
    pub types: Vec<String>,
    /// Where its device service is, by its own account: URLs.
    pub addresses: Vec<String>,
    /// `onvif://www.onvif.org/…`, as they came.
    pub scopes: Vec<String>,
}

impl Match {
    /// Whether it is a camera or the like, and not a printer.
    #[must_use]
    pub fn is_video(&self) -> bool {
        let onvif = |scope: &String| scope.to_ascii_lowercase().starts_with("onvif://www.onvif.org");
        self.scopes.iter().any(onvif) || self.types.iter().any(|kind| kind == "NetworkVideoTransmitter")
    }

    /// The value of the first scope `onvif://www.onvif.org/KEY/VALUE`, decoded: `name`,
    /// `hardware`, `location`.
    #[must_use]
    pub fn scope(&self, key: &str) -> Option<String> {
        let found = self.scopes.iter().find_map(|scope| {
            let (host, rest) = scope.split_once("://")?.1.split_once('/')?;
            let (name, value) = rest.split_once('/')?;
            (host.eq_ignore_ascii_case("www.onvif.org") && name.eq_ignore_ascii_case(key) && !value.is_empty())
                .then_some(value)
        })?;
        Some(media::unescaped(found).chars().filter(|c| !c.is_control()).take(128).collect())
    }
}

/// A probe. `id` is a UUID of its own for every one, as `urn:uuid:` wants it.
#[must_use]
pub fn probe(version: Version, wanted: Wanted, id: &str) -> String {
    let (discovery, addressing, to) = match version {
        Version::April2005 => (
            "http://schemas.xmlsoap.org/ws/2005/04/discovery",
            "http://schemas.xmlsoap.org/ws/2004/08/addressing",
            "urn:schemas-xmlsoap-org:ws:2005:04:discovery",
        ),
        Version::OneOne => (
            "http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01",
            "http://www.w3.org/2005/08/addressing",
            "urn:docs-oasis-open-org:ws-dd:ns:discovery:2009:01",
        ),
    };
    let types = match wanted {
        Wanted::Transmitters => {
            "<d:Types xmlns:dn=\"http://www.onvif.org/ver10/network/wsdl\">dn:NetworkVideoTransmitter</d:Types>"
        }
        Wanted::Devices => "<d:Types xmlns:tds=\"http://www.onvif.org/ver10/device/wsdl\">tds:Device</d:Types>",
        Wanted::Anybody => "",
    };
    let id = escape(id);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"{addressing}\" xmlns:d=\"{discovery}\"><s:Header><a:Action>{discovery}/Probe</a:Action>\
         <a:MessageID>urn:uuid:{id}</a:MessageID><a:To>{to}</a:To></s:Header><s:Body><d:Probe>{types}</d:Probe></s:Body></s:Envelope>"
    )
}

/// The devices of an answer to a probe; none in a datagram that is none.
///
/// # Errors
/// [`Error::NotXml`], [`Error::NotSoap`], [`Error::Fault`], [`Error::Missing`].
pub fn read_matches(datagram: &[u8]) -> Result<Vec<Match>, Error> {
    let body = crate::read_body(&datagram[..datagram.len().min(MAX_DATAGRAM)])?;
    if body.name != "ProbeMatches" {
        return Err(Error::Missing { what: "ProbeMatches" });
    }
    let matches = body.all("ProbeMatch").take(MAX_MATCHES).map(|found| Match {
        endpoint: words(found, &["EndpointReference", "Address"])
            .next()
            .unwrap_or_default()
            .chars()
            .take(128)
            .collect(),
        types: words(found, &["Types"]).map(|word| word.rsplit(':').next().unwrap_or(word).to_owned()).collect(),
        addresses: words(found, &["XAddrs"]).map(str::to_owned).collect(),
        scopes: words(found, &["Scopes"]).map(str::to_owned).collect(),
    });
    Ok(matches.collect())
}

fn words<'a>(element: &'a xml::Element, path: &[&str]) -> impl Iterator<Item = &'a str> {
    element.text_at(path).unwrap_or_default().split_whitespace().take(MAX_WORDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">
<SOAP-ENV:Header><wsa:MessageID>urn:uuid:1</wsa:MessageID></SOAP-ENV:Header><SOAP-ENV:Body><d:ProbeMatches><d:ProbeMatch>
<wsa:EndpointReference><wsa:Address>urn:uuid:5f5a69c2-e0ae-504f-829b-000af7a1b2c3</wsa:Address></wsa:EndpointReference>
<d:Types>dn:NetworkVideoTransmitter tds:Device</d:Types>
<d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/hardware/Q7%20Mini onvif://www.onvif.org/name/Acme%20Q7 onvif://www.onvif.org/location/</d:Scopes>
<d:XAddrs>http://10.0.0.7/onvif/device_service http://[fe80::1]/onvif/device_service</d:XAddrs>
<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>"#;

    #[test]
    fn a_camera_tells_who_it_is() {
        let found = read_matches(ANSWER.as_bytes()).unwrap();
        let [camera] = &found[..] else { panic!("{found:?}") };
        assert!(camera.is_video() && camera.endpoint.ends_with("a1b2c3"));
        assert_eq!(camera.scope("name").as_deref(), Some("Acme Q7"));
        assert_eq!((camera.scope("hardware").as_deref(), camera.scope("location")), (Some("Q7 Mini"), None));
        assert_eq!(camera.addresses.len(), 2);
        assert_eq!(camera.types, ["NetworkVideoTransmitter", "Device"]);
    }

    #[test]
    fn a_printer_is_no_camera_and_a_fault_no_device() {
        let printer =
            ANSWER.replace("dn:NetworkVideoTransmitter", "print:Printer").replace("onvif://www", "http://www");
        assert!(!read_matches(printer.as_bytes()).unwrap()[0].is_video());
        assert!(read_matches(b"<Envelope><Body><Hello/></Body></Envelope>").is_err());
        assert!(read_matches(b"\xff\0").is_err() && read_matches(b"").is_err());
    }

    #[test]
    fn a_probe_is_answered_by_nobody_but_is_well_formed() {
        for version in [Version::April2005, Version::OneOne] {
            for wanted in [Wanted::Transmitters, Wanted::Devices, Wanted::Anybody] {
                let tree = crate::xml::parse(probe(version, wanted, "1<2").as_bytes()).unwrap();
                assert_eq!(tree.text_at(&["Header", "MessageID"]), Some("urn:uuid:1<2"));
                let types = tree.text_at(&["Body", "Probe", "Types"]);
                assert_eq!(types.is_some(), wanted != Wanted::Anybody);
            }
        }
    }
}
