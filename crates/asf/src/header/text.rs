//! What the content says about itself (sections 3.5, 3.10, 3.11, 4.6 to 4.8).

use bytes::Bytes;

use crate::Guid;
use crate::fields::{Fields, utf16};
use crate::object::Object;

/// Most attributes that are kept.
const MAX_ATTRIBUTES: usize = 4096;
/// Most languages, and most names of codecs, that are kept.
const MAX_NAMES: usize = 256;

/// Content Description; texts are empty where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Title.
    pub title: String,
    /// Author.
    pub author: String,
    /// Copyright.
    pub copyright: String,
    /// Description.
    pub description: String,
    /// Rating.
    pub rating: String,
}

/// One named value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The stream it is said of, 0 for the whole content.
    pub stream: u8,
    /// Its name: `WM/Genre`.
    pub name: String,
    /// What is said.
    pub value: Value,
}

/// The value of an attribute.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// Text.
    Text(String),
    /// Bytes, as those of a picture.
    Bytes(Bytes),
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(u64),
    /// A GUID.
    Guid(Guid),
}

/// What the encoder calls a codec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecName {
    /// 1 video, 2 audio.
    pub kind: u16,
    /// Its name: `Windows Media Video 9`.
    pub name: String,
    /// How it was set: ` 64 kbps, 48 kHz, stereo`.
    pub description: String,
}

impl Value {
    /// The number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn parse(kind: u16, object: &Object, data: &[u8]) -> Option<Self> {
        let mut fields = Fields(data);
        let number = |fields: &mut Fields<'_>| match fields.0.len() {
            0 | 1 => None,
            2 | 3 => fields.u16().map(u64::from),
            4..8 => fields.u32().map(u64::from),
            _ => fields.u64(),
        };
        match kind {
            0 => Some(Self::Text(utf16(data))),
            1 => Some(Self::Bytes(object.part(data))),
            // 32 bits wide in one object, 16 in the other: it is as wide as it is long.
            2 => number(&mut fields).map(|value| Self::Bool(value != 0)),
            3..=5 => number(&mut fields).map(Self::Number),
            6 => fields.guid().map(Self::Guid),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Guid(guid) => write!(f, "{guid:?}"),
        }
    }
}

impl Description {
    pub(super) fn parse(data: &[u8]) -> Option<Self> {
        let mut fields = Fields(data);
        let mut lengths = [0; 5];
        for length in &mut lengths {
            *length = fields.length16()?;
        }
        let [title, author, copyright, description, rating] = lengths.map(|length| utf16(fields.take_up_to(length)));
        Some(Self { title, author, copyright, description, rating })
    }
}

pub(super) fn extended_description(object: &Object, attributes: &mut Vec<Attribute>) -> Option<()> {
    let mut fields = Fields(object.data());
    for _ in 0..fields.u16()? {
        // Some writers count one byte of a text too few: a character is never half there.
        let length = fields.length16()?;
        let name = utf16(fields.take(length.next_multiple_of(2))?);
        let (kind, length) = (fields.u16()?, fields.length16()?);
        let value = fields.take(if kind == 0 { length.next_multiple_of(2) } else { length })?;
        push(attributes, 0, name, Value::parse(kind, object, value));
    }
    Some(())
}

pub(super) fn metadata(object: &Object, attributes: &mut Vec<Attribute>) -> Option<()> {
    let mut fields = Fields(object.data());
    for _ in 0..fields.u16()? {
        fields.u16()?;
        let (stream, name) = (fields.u16()?, fields.length16()?);
        let (kind, length) = (fields.u16()?, fields.length32()?);
        let name = utf16(fields.take(name)?);
        let value = fields.take(length)?;
        push(attributes, (stream & 0x7F) as u8, name, Value::parse(kind, object, value));
    }
    Some(())
}

fn push(attributes: &mut Vec<Attribute>, stream: u8, name: String, value: Option<Value>) {
    if let Some(value) = value
        && attributes.len() < MAX_ATTRIBUTES
    {
        attributes.push(Attribute { stream, name, value });
    }
}

pub(super) fn languages(data: &[u8], languages: &mut Vec<String>) -> Option<()> {
    let mut fields = Fields(data);
    for _ in 0..usize::from(fields.u16()?).min(MAX_NAMES) {
        let length = fields.u8()?;
        let language = utf16(fields.take(length.into())?);
        if languages.len() < MAX_NAMES {
            languages.push(language);
        }
    }
    Some(())
}

pub(super) fn codec_list(data: &[u8], codecs: &mut Vec<CodecName>) -> Option<()> {
    let mut fields = Fields(data);
    fields.guid()?;
    for _ in 0..fields.length32()?.min(MAX_NAMES) {
        let kind = fields.u16()?;
        let mut text = || fields.length16().and_then(|characters| fields.take(characters * 2)).map(utf16);
        let (name, description) = (text()?, text()?);
        let length = fields.length16()?;
        fields.take(length)?;
        if codecs.len() < MAX_NAMES {
            codecs.push(CodecName { kind, name, description });
        }
    }
    Some(())
}
