//! What a Windows Media server says of a presentation: SDP with an ASF file header in it
//! ([MS-RTSP] 2.2.5).

use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use crate::{Error, Limits};

mod write;

pub(super) use write::{PAYLOAD_TYPE, control, is_retransmission, stream_of, write};

/// The begin of an ASF file header: the Header Object's GUID (ASF specification section 3.1).
pub(super) const ASF_HEADER: [u8; 16] =
    [0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11, 0xA6, 0xD9, 0x00, 0xAA, 0x00, 0x62, 0xCE, 0x6C];
/// The first number that is no ASF stream's but that of retransmissions ([MS-RTSP] 2.2.5.2.5).
pub(super) const FIRST_RETRANSMISSION: u32 = 65536;
/// The most streams that are taken; ASF has 127.
const MOST_MEDIA: usize = 256;
/// The most payload types of one stream.
const MOST_FORMATS: usize = 32;
/// The most characters of a title.
const MOST_TITLE: usize = 256;
/// What an error calls it.
const SDP: &str = "SDP";

/// A presentation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Description {
    /// The ASF file header. Nothing if this is no Windows Media server.
    pub header: Option<Bytes>,
    /// The words of `a=type`, in small letters, separated by commas.
    pub types: String,
    /// The title in the content description.
    pub title: Option<String>,
    /// How long it lasts, `a=range:npt=0-7.5`.
    pub duration: Option<Duration>,
    /// The control URL of the whole.
    pub control: Option<String>,
    /// The streams.
    pub media: Vec<Media>,
}

/// One `m=` section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Media {
    /// `a=stream`: the ASF stream number, or a number of retransmissions.
    pub stream: Option<u32>,
    /// Its control URL, often relative.
    pub control: Option<String>,
    /// The payload types and what they carry.
    pub formats: Vec<(u8, Format)>,
}

/// What packets of a payload type carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `x-asf-pf`: ASF packets ([MS-RTSP] 2.2.1).
    Asf,
    /// `x-wms-rtx`: copies of lost packets ([MS-RTSP] 2.2.3).
    Retransmission,
    /// `x-wms-fec` and everything else.
    Other,
}

impl Media {
    /// Whether it is the stream of retransmissions, and no ASF stream.
    pub fn is_retransmission(&self) -> bool {
        self.stream.is_some_and(|stream| stream >= FIRST_RETRANSMISSION)
            || self.formats.iter().any(|(_, format)| *format == Format::Retransmission)
    }
}

impl Description {
    /// Reads SDP. What it does not know it skips; a description without an ASF header, as all
    /// but Windows Media servers send, is no error.
    ///
    /// # Errors
    /// When this is no SDP, or the ASF header in it is broken or too large.
    pub fn parse(text: &[u8], limits: &Limits) -> Result<Self, Error> {
        let mut description = Self::default();
        let mut begun = false;
        for line in text.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii();
            let Some((kind, value)) = line.split_first_chunk::<2>().filter(|(kind, _)| kind[1] == b'=') else {
                if begun || line.is_empty() {
                    continue;
                }
                break;
            };
            begun = true;
            match kind[0].to_ascii_lowercase() {
                b'm' if description.media.len() < MOST_MEDIA => description.media.push(media(value)),
                b'm' => break,
                b'a' => description.attribute(value, limits)?,
                _ => (),
            }
        }
        if !begun {
            let begin: String = text.iter().take(40).copied().map(char::from).collect();
            return Err(Error::NotStream {
                what: format!("the server describes the stream by {begin:?}, not by SDP"),
                page: false,
            });
        }
        Ok(description)
    }

    /// Whether `a=type` has this word.
    pub fn is(&self, word: &str) -> bool {
        self.types.split(',').any(|item| item == word)
    }

    /// The payload types that carry ASF.
    pub fn asf_types(&self) -> Vec<u8> {
        let formats = self.media.iter().flat_map(|media| &media.formats);
        formats.filter(|(_, format)| *format == Format::Asf).map(|(payload_type, _)| *payload_type).collect()
    }

    fn attribute(&mut self, line: &[u8], limits: &Limits) -> Result<(), Error> {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = (line[..colon].trim_ascii(), line.get(colon + 1..).unwrap_or_default().trim_ascii());
        let is = |expected: &str| name.eq_ignore_ascii_case(expected.as_bytes());
        let text = || String::from_utf8_lossy(value).into_owned();
        match self.media.last_mut() {
            // Of the whole wherever it stands: the header is the largest line there is.
            _ if is("pgmpu") => self.program(value, limits)?,
            _ if is("type") => {
                let words = text().to_ascii_lowercase();
                let words: Vec<_> = words.split(',').map(str::trim).collect();
                self.types = words.join(",");
            }
            None if is("control") => self.control = Some(text()),
            None if is("range") => self.duration = self.duration.or_else(|| npt_end(&text())),
            Some(media) if is("control") => media.control = Some(text()),
            Some(media) if is("stream") => media.stream = number(value),
            Some(media) if is("rtpmap") => {
                let line = text();
                let (payload_type, name) = line.split_once([' ', '\t']).unwrap_or_default();
                let name = name.trim().split('/').next().unwrap_or_default().to_ascii_lowercase();
                let format = match name.as_str() {
                    "x-asf-pf" => Format::Asf,
                    "x-wms-rtx" => Format::Retransmission,
                    _ => Format::Other,
                };
                if let Ok(payload_type) = payload_type.parse() {
                    media.formats.retain(|(other, _)| *other != payload_type);
                    if media.formats.len() < MOST_FORMATS {
                        media.formats.push((payload_type, format));
                    }
                }
            }
            _ => (),
        }
        Ok(())
    }

    /// `a=pgmpu`, a data URL (RFC 2397): the ASF header, or what it is about.
    fn program(&mut self, value: &[u8], limits: &Limits) -> Result<(), Error> {
        let Some(comma) = value.iter().position(|byte| *byte == b',') else { return Ok(()) };
        let (kind, data) = (value[..comma].to_ascii_lowercase(), &value[comma + 1..]);
        let has = |word: &str| {
            kind.split(|byte| matches!(byte, b':' | b';')).any(|item| item.trim_ascii() == word.as_bytes())
        };
        if has("application/vnd.ms.wms-hdr.asfv1") && self.header.is_none() {
            // Base64 takes four bytes for three; percent forms take more.
            if data.len() / 4 > limits.header {
                let (size, limit) = (data.len() as u64 / 4 * 3, limits.header as u64);
                return Err(Error::TooLarge { what: "ASF header in SDP", size, limit });
            }
            self.header = Some(asf_header(&percent_decode(data), limits)?);
        } else if has("application/x-wms-contentdesc") && self.title.is_none() {
            self.title = title(&percent_decode(data));
        }
        Ok(())
    }
}

fn media(value: &[u8]) -> Media {
    let line = String::from_utf8_lossy(value);
    // Kind, port, protocol, payload types.
    let types = line.split_ascii_whitespace().skip(3).take(MOST_FORMATS);
    Media { formats: types.filter_map(|word| Some((word.parse().ok()?, Format::Other))).collect(), ..Media::default() }
}

fn number(value: &[u8]) -> Option<u32> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// The end of `npt=0.000-5.092`.
fn npt_end(value: &str) -> Option<Duration> {
    let (begin, end) = value.trim().strip_prefix("npt=")?.split_once('-')?;
    let seconds = |text: &str| text.trim().parse::<f64>().ok().and_then(|time| Duration::try_from_secs_f64(time).ok());
    seconds(end)?.checked_sub(seconds(begin).unwrap_or_default()).filter(|duration| !duration.is_zero())
}

/// Padding or none, and bits left over: a header is judged by what it says.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn asf_header(data: &[u8], limits: &Limits) -> Result<Bytes, Error> {
    let clean: Vec<u8> = data.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let header = LENIENT.decode(clean).map_err(|error| Error::Malformed {
        message: SDP,
        what: format!("the ASF header in a=pgmpu is not base64: {error}"),
    })?;
    if header.len() > limits.header {
        let (size, limit) = (header.len() as u64, limits.header as u64);
        return Err(Error::TooLarge { what: "ASF header in SDP", size, limit });
    }
    if !header.starts_with(&ASF_HEADER) {
        let begin = header.get(..16).unwrap_or(&header);
        let what = format!("expected an ASF header in a=pgmpu, found {} bytes that begin {begin:02x?}", header.len());
        return Err(Error::Malformed { message: SDP, what });
    }
    Ok(header.into())
}

/// What stands behind `%` in hexadecimal; a lone `%` stays.
pub(super) fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let hex = |at: usize| char::from(*after.get(at)?).to_digit(16);
        match (byte, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits are a byte.
                decoded.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => decoded.push(*byte),
        }
    }
    decoded
}

/// The title in a content description list: entries of name length, name, type, value
/// length and value ([MS-WMSP] 2.2.4).
fn title(list: &[u8]) -> Option<String> {
    let mut rest = list;
    let mut found: Option<String> = None;
    while let Some((name, value, after)) = description(rest) {
        rest = after;
        let name = name.to_ascii_lowercase();
        if (name == b"title" && found.is_none()) || name == b"wms_content_description_title" {
            let text = String::from_utf8_lossy(value);
            let text: String = text.chars().filter(|c| !c.is_control()).take(MOST_TITLE).collect();
            found = Some(text).filter(|text| !text.trim().is_empty()).or(found);
        }
    }
    found
}

/// Name, value and what follows.
fn description(list: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let begin = list.iter().position(u8::is_ascii_digit)?;
    let (length, rest) = length(&list[begin..])?;
    // The specification's own example miscounts a name.
    let end = if rest.get(length) == Some(&b',') { length } else { rest.iter().position(|byte| *byte == b',')? };
    let (name, rest) = (&rest[..end], &rest[end + 1..]);
    let (_kind, rest) = self::length(rest)?;
    let (length, rest) = self::length(rest)?;
    let (value, rest) = rest.split_at_checked(length)?;
    Some((name, value, rest))
}

/// A number and what follows the comma behind it.
fn length(list: &[u8]) -> Option<(usize, &[u8])> {
    let comma = list.iter().position(|byte| *byte == b',')?;
    Some((std::str::from_utf8(&list[..comma]).ok()?.trim().parse().ok()?, &list[comma + 1..]))
}

#[cfg(test)]
mod tests;
