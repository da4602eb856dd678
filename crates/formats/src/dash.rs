//! Manifests of DASH (ISO/IEC 23009-1): where they lead, for a client that is to find it elsewhere.
//!
//! A client makes the addresses of pieces out of several places of a manifest, and of templates. None of
//! them is taken apart here: what leads away from the manifest by itself is exchanged, what is relative stays,
//! and what could become an address only by being put together is refused.

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::Error;

/// Most elements within one another.
const MOST_DEPTH: usize = 32;
/// Most attributes of one.
const MOST_ATTRIBUTES: usize = 64;
/// Elements whose text is an address.
const ELEMENTS: &[&str] = &["baseurl", "location", "patchlocation"];
/// Attributes that are addresses, templates of some among them.
const ATTRIBUTES: &[&str] = &["media", "initialization", "sourceurl", "index", "href"];

/// Whether a body begins as a manifest may.
#[must_use]
pub fn begins(first: &[u8]) -> bool {
    let first = first.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(first).trim_ascii_start();
    [&b"<?xml"[..], b"<MPD"].iter().any(|begin| first.starts_with(begin))
}

/// Whether a body is a manifest.
#[must_use]
pub fn is_manifest(text: &[u8]) -> bool {
    begins(text) && memchr::memmem::find(text, b"<MPD").is_some()
}

/// The manifest `text` with `lead` of each address that does not begin at the manifest itself in its place.
/// It is written anew from what was read of it, without comments.
///
/// # Errors
/// [`Error::Manifest`] for what is no XML, has a document type, or an address that is put together
/// of parts in a way in which it may lead anywhere.
pub fn with_addresses(text: &str, mut lead: impl FnMut(&str) -> String) -> Result<String, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_start();
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut out = String::with_capacity(text.len());
    // Names of what is open, and the text that has come of the innermost.
    let (mut open, mut said) = (Vec::<String>::new(), String::new());
    loop {
        let event = reader.read_event().map_err(|error| wrong(error.to_string()))?;
        match event {
            Event::Start(start) => {
                // Clients would read its text as the address's own.
                if open.last().is_some_and(|name| ELEMENTS.contains(&&*local(name))) {
                    return Err(wrong("an element within an address".into()));
                }
                out.push_str(&escaped(cleaned(&said).trim()));
                said.clear();
                if open.len() >= MOST_DEPTH {
                    return Err(wrong(format!("more than {MOST_DEPTH} elements within one another")));
                }
                let name = named(start.name().as_ref())?;
                out.push_str(&format!("<{name}"));
                for (number, attribute) in start.attributes().with_checks(false).enumerate() {
                    let attribute = attribute.map_err(|error| wrong(error.to_string()))?;
                    if number >= MOST_ATTRIBUTES {
                        return Err(wrong(format!("more than {MOST_ATTRIBUTES} attributes")));
                    }
                    let key = named(attribute.key.as_ref())?;
                    let value = String::from_utf8_lossy(&attribute.value);
                    let value = quick_xml::escape::unescape(&value).map_err(|error| wrong(error.to_string()))?;
                    let value = match local(&key) {
                        known if ATTRIBUTES.contains(&&*known) => led(&value, &mut lead)?,
                        // It stands in addresses.
                        known if known == "id" || known == "bandwidth" => match &*local(&name) {
                            "representation" => part(&value)?,
                            _ => value.into_owned(),
                        },
                        _ => value.into_owned(),
                    };
                    out.push_str(&format!(" {key}=\"{}\"", escaped(&value)));
                }
                out.push('>');
                open.push(name);
            }
            Event::End(_) => {
                let Some(name) = open.pop() else { return Err(wrong("an end without a begin".into())) };
                let text = std::mem::take(&mut said);
                let is_address = ELEMENTS.contains(&&*local(&name)) && !text.trim().is_empty();
                let text = if is_address { led(text.trim(), &mut lead)? } else { cleaned(&text).trim().to_owned() };
                out.push_str(&format!("{}</{name}>", escaped(&text)));
                if open.is_empty() {
                    return Ok(out);
                }
            }
            Event::Text(text) => said.push_str(&String::from_utf8_lossy(&text)),
            Event::CData(text) => said.push_str(&String::from_utf8_lossy(&text)),
            Event::GeneralRef(reference) => {
                let reference = format!("&{};", String::from_utf8_lossy(&reference));
                said.push_str(&quick_xml::escape::unescape(&reference).map_err(|error| wrong(error.to_string()))?);
            }
            Event::DocType(_) => return Err(wrong("a document type, which no manifest has".into())),
            Event::Eof => return Err(wrong("it ends in its midst".into())),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

/// Where an address leads now.
fn led(address: &str, lead: &mut impl FnMut(&str) -> String) -> Result<String, Error> {
    let address = address.trim();
    if address.chars().any(char::is_control) {
        return Err(wrong("an address with what is no letter in it".into()));
    }
    // A scheme, or a host or a root in front: it does not begin at the manifest.
    let first = address.split(['/', '?', '#']).next().unwrap_or_default();
    if address.starts_with('/') || first.contains(':') {
        // `/` in front of what comes from elsewhere makes a host of it.
        let led = if address == "/" { None } else { Some(lead(address)) };
        return led.ok_or_else(|| wrong("an address of / alone".into()));
    }
    // Behind an empty address in front of it, it would be one.
    let path = address.split(['?', '#']).next().unwrap_or_default();
    if path.contains('\\') || path.contains("//") {
        return Err(wrong(format!("the address {:?}, which may lead anywhere", shortened(address))));
    }
    Ok(address.to_owned())
}

/// What is put into templates: nothing that makes an address of what it is put into.
fn part(value: &str) -> Result<String, Error> {
    if value.starts_with('/')
        || value.chars().any(char::is_control)
        || value.contains([':', '\\'])
        || value.contains("//")
    {
        return Err(wrong(format!("the name {:?}, which may lead anywhere", shortened(value))));
    }
    Ok(value.to_owned())
}

fn named(name: &[u8]) -> Result<String, Error> {
    match std::str::from_utf8(name) {
        Ok(name) if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte)) => {
            Ok(name.to_owned())
        }
        _ => Err(wrong(format!("the name {:?}", shortened(&String::from_utf8_lossy(name))))),
    }
}

/// A name without what stands before its colon, in small letters: clients look at it so.
fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or(name).to_ascii_lowercase()
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Without what cannot stand in XML.
fn cleaned(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r')).collect()
}

fn escaped(text: &str) -> String {
    quick_xml::escape::escape(cleaned(text)).into_owned()
}

fn wrong(what: String) -> Error {
    Error::Manifest { what: what.chars().filter(|c| !c.is_control()).take(200).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(text: &str) -> Result<String, String> {
        with_addresses(text, |address| format!("[{address}]")).map_err(|error| error.to_string())
    }

    #[test]
    fn what_leads_away_is_exchanged_and_what_begins_at_the_manifest_stays() {
        let text = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- http://x/ -->\n\
            <MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type='static'><BaseURL>\n http://a/?b=1&amp;c </BaseURL><Period>\
            <BaseURL><![CDATA[//b/x]]></BaseURL><s:SegmentTemplate media=\"$RepresentationID$/$Number%05d$.m4s\" \
            initialization=\"/i&#46;mp4\"/><Representation id=\"video/avc1\" bandwidth=\"9\"/></Period></MPD>";
        assert_eq!(
            led(text).unwrap(),
            "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\"><BaseURL>[http://a/?b=1&amp;c]</BaseURL><Period>\
             <BaseURL>[//b/x]</BaseURL><s:SegmentTemplate media=\"$RepresentationID$/$Number%05d$.m4s\" \
             initialization=\"[/i.mp4]\"></s:SegmentTemplate><Representation id=\"video/avc1\" bandwidth=\"9\">\
             </Representation></Period></MPD>"
        );
        assert!(is_manifest(text.as_bytes()) && !is_manifest(b"<?xml version=\"1.0\"?><html/>"));
    }

    #[test]
    fn what_becomes_an_address_by_being_put_together_is_refused() {
        for inner in [
            "<BaseURL>/</BaseURL>",
            "<BaseURL>x//127.0.0.1/</BaseURL>",
            "<BaseURL>\\\\127.0.0.1/</BaseURL>",
            "<BaseURL>\u{1}/x</BaseURL>",
            "<BaseURL>//127.0.0.1<x/>/y</BaseURL>",
            "<Representation id=\"http:\"/>",
            "<Representation id=\"//127.0.0.1/x\"/>",
            "<Representation bandwidth=\"/127.0.0.1\"/>",
        ] {
            assert!(led(&format!("<MPD>{inner}</MPD>")).is_err(), "{inner}");
        }
        let split = led("<MPD><SegmentURL media=\"http:$RepresentationID$\"/></MPD>").unwrap();
        assert!(split.contains("media=\"[http:$RepresentationID$]\""), "{split}");
    }

    #[test]
    fn what_is_no_manifest_is_told() {
        for (text, part) in [
            ("<!DOCTYPE x [<!ENTITY a 'http://in/'>]><MPD><BaseURL>&a;</BaseURL></MPD>", "a document type"),
            ("<MPD><BaseURL>&a;</BaseURL></MPD>", "a"),
            ("<MPD>", "ends in its midst"),
            ("<MPD></BaseURL>", "BaseURL"),
        ] {
            let told = led(text).unwrap_err();
            assert!(told.contains(part), "{told}");
        }
        assert!(led(&"<a>".repeat(100)).unwrap_err().contains("more than 32"));
    }
}
