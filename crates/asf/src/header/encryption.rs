//! Encrypted content is told apart here, so that it is refused by name before a byte of it
//! reaches a decoder (sections 3.14, 3.15 and 4.13). Nothing here handles keys.

use std::fmt;

use media::Redacted;

use crate::fields::{Fields, utf16};
use crate::guid;
use crate::object::Object;

/// Most characters of a key id or a URL that are kept.
const MAX_TEXT: usize = 200;

/// How content is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Encryption {
    /// By what.
    pub scheme: Scheme,
    /// Which key, as the object writes it.
    pub key_id: Option<String>,
    /// Where a player would ask for a licence.
    pub licence_url: Option<String>,
}

/// The object that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// Advanced Content Encryption: Windows Media DRM of networks and devices.
    Advanced,
    /// Content Encryption: Windows Media DRM version 1.
    Version1,
    /// Extended Content Encryption: Windows Media DRM version 7 and later.
    Extended,
}

impl Encryption {
    pub(super) fn parse(object: &Object) -> Self {
        let (scheme, texts) = match object.guid {
            guid::CONTENT_ENCRYPTION => (Scheme::Version1, version1(object.data())),
            guid::EXTENDED_CONTENT_ENCRYPTION => (Scheme::Extended, extended(object.data())),
            _ => (Scheme::Advanced, None),
        };
        let (key_id, licence_url) = texts.unwrap_or_default();
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self { scheme, key_id: some(key_id), licence_url: some(licence_url) }
    }
}

/// `Windows Media DRM version 1, key X, licence from http://…`.
impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scheme {
            Scheme::Version1 => "Windows Media DRM version 1",
            Scheme::Extended => "Windows Media DRM version 7 or later",
            Scheme::Advanced => "Windows Media DRM, Advanced Content Encryption",
        })?;
        if let Some(key) = &self.key_id {
            write!(f, ", key {key}")?;
        }
        match &self.licence_url {
            Some(url) => write!(f, ", licence from {}", Redacted(url)),
            None => Ok(()),
        }
    }
}

/// Secret data, type, key id and licence URL, each with a length.
fn version1(data: &[u8]) -> Option<(String, String)> {
    let mut fields = Fields(data);
    let mut part = || {
        let length = fields.length32()?;
        fields.take(length)
    };
    part()?;
    part()?;
    let ascii = |part: &[u8]| tidy(&String::from_utf8_lossy(part));
    Some((ascii(part()?), ascii(part()?)))
}

/// A length and XML in UTF-16, `<WRMHEADER …>`.
fn extended(data: &[u8]) -> Option<(String, String)> {
    let mut fields = Fields(data);
    let length = fields.length32()?;
    let xml = utf16(fields.take_up_to(length));
    let element = |name: &str| {
        let (_, begin) = xml.split_once(&format!("<{name}>"))?;
        begin.split_once('<').map(|(text, _)| tidy(text))
    };
    let url = element("LA_URL").or_else(|| element("LAINFO")).or_else(|| element("LUI_URL"));
    Some((element("KID").unwrap_or_default(), url.unwrap_or_default()))
}

/// Nothing that a terminal obeys, and not for ever.
fn tidy(text: &str) -> String {
    text.trim_end_matches('\0').trim().chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}
