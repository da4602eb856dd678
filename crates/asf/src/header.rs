//! The header of ASF content: what its packets hold and how to decode it (sections 3 and 4).
//!
//! Objects come in any order, and what a server or a camera writes is not always what the
//! specification says. So counts are not asked, an object that cannot be read is passed over,
//! and the walk ends, without an error, at an object whose size cannot be. Without File
//! Properties and a stream, nothing can be played, and that is an error.

mod encryption;
mod exclusion;
mod extended;
mod file;
mod script;
mod stream;
mod text;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use media::Rational;

pub use encryption::{Encryption, Scheme};
pub use exclusion::{Exclusion, Reason};
pub use extended::{Extended, Extension};
pub use file::FileProperties;
pub use script::{Marker, Script};
pub use stream::{AudioFormat, Format, Spread, Stream, VideoFormat};
pub use text::{Attribute, CodecName, Description, Value};

use crate::error::excerpt;
use crate::fields::Fields;
use crate::object::{self, Object, objects};
use crate::{Error, guid};

/// Most bytes of a header; one with pictures in it can have megabytes.
pub const MAX_HEADER: usize = 8 << 20;
/// Bytes of the Data Object before its first packet: GUID, size, file id, number of packets
/// and a reserved field (section 5.1). Servers send them behind the Header Object.
pub const DATA_HEAD: usize = 50;
/// Bytes of the Header Object before its first object (section 3.1).
pub(crate) const HEADER_HEAD: usize = 30;

/// A parsed header.
#[derive(Clone)]
#[non_exhaustive]
pub struct Header {
    /// Sizes, times and flags of the whole.
    pub file: FileProperties,
    /// The streams, in the order in which they are declared; no number is there twice.
    pub streams: Vec<Stream>,
    /// Streams of which only one is to be played.
    pub exclusions: Vec<Exclusion>,
    /// Title, author and the like.
    pub description: Description,
    /// Further descriptions, of the content or of single streams.
    pub attributes: Vec<Attribute>,
    /// What the encoder calls its codecs.
    pub codecs: Vec<CodecName>,
    /// Languages that streams and attributes refer to by their place.
    pub languages: Vec<String>,
    /// Places of the content that have a name.
    pub markers: Vec<Marker>,
    /// Commands at times of the content; nothing here runs any.
    pub scripts: Vec<Script>,
    /// How the content is encrypted, if an object says that it is.
    pub encryption: Option<Encryption>,
    /// The head of the Data Object, where it came with the header.
    pub data: Option<DataHead>,
    bytes: Bytes,
}

/// The begin of the Data Object (section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataHead {
    /// Bytes of the Data Object. 0 or 50 when it has no known end.
    pub size: u64,
    /// Number of packets as it says; means nothing in a broadcast.
    pub packets: u64,
}

impl Header {
    /// Reads a header as servers send it and as files begin: the Header Object, and behind it,
    /// if they are there, the first [`DATA_HEAD`] bytes of the Data Object. More is ignored.
    ///
    /// # Errors
    /// When it is no ASF header, is larger than [`MAX_HEADER`], names no stream, or has packets
    /// of a size that cannot be. Encryption is no error here; see [`Header::refuse_encrypted`].
    pub fn parse(bytes: &Bytes) -> Result<Self, Error> {
        let size = size(bytes)?.ok_or_else(|| missing("Header Object", ": it has less than 24 bytes"))?;
        let end = size.min(bytes.len());
        let mut parts = Parts::default();
        let walked = HEADER_HEAD.min(end) + parts.walk(&bytes.slice(HEADER_HEAD.min(end)..end), Place::Header);
        let damage = match walked < end && end - walked >= object::HEAD {
            true => format!(" (the object at byte {walked} has a size that cannot be)"),
            false => String::new(),
        };
        let file = parts.file.take().ok_or_else(|| missing("File Properties Object", &damage))?;
        file.check()?;
        if parts.streams.is_empty() {
            return Err(missing("Stream Properties Object", &damage));
        }
        let data = bytes.get(size..).and_then(DataHead::parse);
        Ok(parts.join(file, data, bytes.slice(..bytes.len().min(size.saturating_add(DATA_HEAD)))))
    }

    /// The length of Header Object and head of the Data Object together, once the first bytes
    /// of it are there: for those who gather a header from a stream. `None` asks for more.
    ///
    /// # Errors
    /// When it is no ASF header, or one larger than [`MAX_HEADER`].
    pub fn whole(bytes: &[u8]) -> Result<Option<usize>, Error> {
        Ok(size(bytes)?.map(|size| size + DATA_HEAD))
    }

    /// The bytes it was parsed from: the Header Object and, if it was there, the head of the
    /// Data Object.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its objects as they stand, those of the Header Extension apart.
    #[must_use]
    pub fn objects(&self) -> object::Objects {
        let end = size(&self.bytes).ok().flatten().map_or(0, |size| size.min(self.bytes.len()));
        objects(&self.bytes.slice(HEADER_HEAD.min(end)..end))
    }

    /// The stream `number`, if there is one.
    #[must_use]
    pub fn stream(&self, number: u8) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.number == number)
    }

    /// Size of a data packet in bytes, padding included; within 1 to [`crate::MAX_PACKET`].
    #[must_use]
    pub fn packet_size(&self) -> usize {
        self.file.max_packet as usize
    }

    /// Content without begin and end, as a camera's or a station's.
    #[must_use]
    pub fn is_broadcast(&self) -> bool {
        self.file.is_broadcast()
    }

    /// A server, or an index, can begin it at any time.
    #[must_use]
    pub fn is_seekable(&self) -> bool {
        self.file.is_seekable()
    }

    /// How long it lasts, without the preroll. `None` for a broadcast, and where it is not known.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.file.duration()
    }

    /// Its title, unless it has none.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        Some(self.description.title.trim()).filter(|title| !title.is_empty())
    }

    /// The attribute `name` of stream `stream`, or of the whole content if `stream` is 0.
    #[must_use]
    pub fn attribute(&self, stream: u8, name: &str) -> Option<&Value> {
        let same = |attribute: &&Attribute| attribute.stream == stream && attribute.name == name;
        self.attributes.iter().find(same).map(|attribute| &attribute.value)
    }

    /// Width to height of a pixel of stream `stream`, where it, or else the whole content, says so.
    #[must_use]
    pub fn sample_aspect(&self, stream: u8) -> Option<Rational> {
        let side = |stream, name| {
            self.attribute(stream, name).and_then(Value::as_number).and_then(|side| u32::try_from(side).ok())
        };
        let of = |stream| Rational::new(side(stream, "AspectRatioX")?, side(stream, "AspectRatioY")?);
        of(stream).or_else(|| of(0))
    }

    /// Nothing, unless one of the streams `wanted` is encrypted, as its flag says, or the
    /// content as a whole is: an encryption object stands there and no stream is flagged.
    ///
    /// # Errors
    /// [`Error::Encrypted`], which names the stream and the scheme.
    pub fn refuse_encrypted(&self, wanted: &[u8]) -> Result<(), Error> {
        let scheme = self.encryption.as_ref().map(|encryption| format!(" ({encryption})")).unwrap_or_default();
        let flagged = |stream: &&Stream| stream.encrypted;
        match self.streams.iter().filter(flagged).find(|stream| wanted.contains(&stream.number)) {
            Some(stream) => Err(Error::Encrypted { what: format!("{stream} is encrypted{scheme}") }),
            None if self.encryption.is_some() && !self.streams.iter().any(|stream| stream.encrypted) => {
                Err(Error::Encrypted { what: format!("the content is encrypted{scheme}") })
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("file", &self.file)
            .field("streams", &self.streams)
            .field("exclusions", &self.exclusions)
            .field("description", &self.description)
            .field("encryption", &self.encryption)
            .field("data", &self.data)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl DataHead {
    /// Reads it, if that is what `bytes` begin with.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let (guid, size) = (fields.guid()?, fields.u64()?);
        fields.take(16)?;
        let packets = fields.u64()?;
        (guid == guid::DATA).then_some(Self { size, packets })
    }
}

/// The size of the Header Object that `bytes` begin with; `None` with less than its first 24.
fn size(bytes: &[u8]) -> Result<Option<usize>, Error> {
    let magic = &guid::HEADER.to_bytes()[..bytes.len().min(16)];
    if !bytes.starts_with(magic) {
        return Err(Error::NotAsf { at: 0, found: excerpt(bytes) });
    }
    let Some((_, size)) = object::head(bytes) else { return Ok(None) };
    match usize::try_from(size) {
        Ok(size) if size < HEADER_HEAD => Err(Error::HeaderTooSmall { size: size as u64 }),
        Ok(size) if size <= MAX_HEADER => Ok(Some(size)),
        _ => Err(Error::HeaderTooLarge { size }),
    }
}

fn missing(object: &'static str, damage: &str) -> Error {
    Error::Missing { object, damage: damage.to_owned() }
}

/// Where objects stand, which says which of them may hold others.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Header,
    Extension,
    /// At the end of Extended Stream Properties.
    Stream,
}

/// What has been found so far, in whatever order.
#[derive(Default)]
struct Parts {
    file: Option<FileProperties>,
    streams: Vec<Stream>,
    extended: Vec<Extended>,
    /// Number and average bit rate.
    bit_rates: Vec<(u8, u32)>,
    exclusions: Vec<Exclusion>,
    description: Description,
    attributes: Vec<Attribute>,
    codecs: Vec<CodecName>,
    languages: Vec<String>,
    markers: Vec<Marker>,
    scripts: Vec<Script>,
    encryption: Option<Encryption>,
}

impl Parts {
    /// Takes the objects in `bytes`; returns how far they could be read.
    fn walk(&mut self, bytes: &Bytes, place: Place) -> usize {
        let mut end = 0;
        for object in objects(bytes) {
            end = object.at + object.bytes.len();
            // One that cannot be read is as good as not there.
            let _ = self.take(&object, place);
        }
        end
    }

    fn take(&mut self, object: &Object, place: Place) -> Option<()> {
        match object.guid {
            guid::FILE_PROPERTIES => self.file = self.file.or(FileProperties::parse(object.data())),
            guid::STREAM_PROPERTIES => {
                let stream = Stream::parse(object)?;
                if !self.streams.iter().any(|known| known.number == stream.number) {
                    self.streams.push(stream);
                }
            }
            guid::EXTENDED_STREAM_PROPERTIES if place != Place::Stream => {
                let (extended, nested) = Extended::parse(object)?;
                if !self.extended.iter().any(|known| known.number == extended.number) {
                    self.extended.push(extended);
                }
                self.walk(&nested, Place::Stream);
            }
            guid::HEADER_EXTENSION if place == Place::Header => {
                let mut fields = Fields(object.data());
                // Behind two reserved fields a length, which some writers leave 0 or wrong: the
                // object's own size counts.
                fields.take(16 + 2 + 4)?;
                self.walk(&object.part(fields.0), Place::Extension);
            }
            guid::STREAM_BITRATE_PROPERTIES => self.bit_rates.extend(stream::bit_rates(object.data())),
            guid::BITRATE_MUTUAL_EXCLUSION | guid::ADVANCED_MUTUAL_EXCLUSION | guid::GROUP_MUTUAL_EXCLUSION => {
                exclusion::take(object, &mut self.exclusions)?;
            }
            guid::CONTENT_DESCRIPTION => self.description = Description::parse(object.data())?,
            guid::EXTENDED_CONTENT_DESCRIPTION => text::extended_description(object, &mut self.attributes)?,
            guid::METADATA | guid::METADATA_LIBRARY => text::metadata(object, &mut self.attributes)?,
            guid::CODEC_LIST => text::codec_list(object.data(), &mut self.codecs)?,
            guid::LANGUAGE_LIST => text::languages(object.data(), &mut self.languages)?,
            guid::MARKER => script::markers(object.data(), &mut self.markers)?,
            guid::SCRIPT_COMMAND => script::scripts(object.data(), &mut self.scripts)?,
            guid::CONTENT_ENCRYPTION | guid::EXTENDED_CONTENT_ENCRYPTION | guid::ADVANCED_CONTENT_ENCRYPTION => {
                // The one that says most: version 1 and the extended object often stand together.
                let encryption = Encryption::parse(object);
                if self.encryption.as_ref().is_none_or(|known| known.scheme < encryption.scheme) {
                    self.encryption = Some(encryption);
                }
            }
            _ => {}
        }
        Some(())
    }

    fn join(self, file: FileProperties, data: Option<DataHead>, bytes: Bytes) -> Header {
        let mut streams = self.streams;
        for stream in &mut streams {
            stream.extended = self.extended.iter().find(|extended| extended.number == stream.number).cloned();
            let listed = self.bit_rates.iter().find(|(number, _)| *number == stream.number).map(|(_, rate)| *rate);
            let buffered = stream.extended.as_ref().map(|extended| extended.bit_rate);
            let rates = [listed, buffered, stream.format.bit_rate()];
            stream.bit_rate = rates.into_iter().flatten().find(|rate| *rate > 0).unwrap_or(0);
        }
        Header {
            file,
            streams,
            exclusions: self.exclusions,
            description: self.description,
            attributes: self.attributes,
            codecs: self.codecs,
            languages: self.languages,
            markers: self.markers,
            scripts: self.scripts,
            encryption: self.encryption,
            data,
            bytes,
        }
    }
}

#[cfg(test)]
mod tests;
