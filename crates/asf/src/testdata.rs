//! Headers for tests, written without the crate's own writer.

pub(crate) mod packets;

use bytes::Bytes;

use crate::guid::{self, Guid};

/// A UTF-16 text without a null.
pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

pub(crate) fn object(guid: Guid, data: &[u8]) -> Vec<u8> {
    [&guid.to_bytes()[..], &(data.len() as u64 + 24).to_le_bytes(), data].concat()
}

/// Numbers of any width, one after the other.
macro_rules! le {
    ($($number:expr),* $(,)?) => { [$(&$number.to_le_bytes()[..]),*].concat() };
}
pub(crate) use le;

/// A Header Object of `objects` and the head of a Data Object.
pub(crate) fn header(objects: &[Vec<u8>]) -> Bytes {
    let body = objects.concat();
    let mut bytes =
        [&guid::HEADER.to_bytes()[..], &le![body.len() as u64 + 30, objects.len() as u32, 1_u8, 2_u8]].concat();
    bytes.extend(body);
    bytes.extend([&guid::DATA.to_bytes()[..], &le![50_u64], &[7; 16], &le![0_u64, 0x0101_u16]].concat());
    bytes.into()
}

/// A broadcast if `duration`, in ms without the preroll, is `None`.
pub(crate) fn file(packet: u32, preroll: u64, duration: Option<u64>) -> Vec<u8> {
    let play = duration.map_or(0, |ms| (ms + preroll) * 10_000);
    let flags = if duration.is_some() { 2_u32 } else { 1 };
    let numbers = le![0_u64, 0_u64, 0_u64, play, play, preroll, flags, packet, packet, 500_000_u32];
    object(guid::FILE_PROPERTIES, &[&[7; 16][..], &numbers].concat())
}

pub(crate) fn stream(kind: Guid, flags: u16, format: &[u8], spread: Option<(u8, u16, u16)>) -> Vec<u8> {
    let correction = spread.map(|(span, packet, chunk)| le![span, packet, chunk, 1_u16, 0_u8]).unwrap_or_default();
    let guid = if spread.is_some() { guid::AUDIO_SPREAD } else { guid::NO_ERROR_CORRECTION };
    let numbers = le![0_u64, format.len() as u32, correction.len() as u32, flags, 0_u32];
    object(guid::STREAM_PROPERTIES, &[&kind.to_bytes()[..], &guid.to_bytes(), &numbers, format, &correction].concat())
}

pub(crate) fn video_format(fourcc: &[u8; 4], width: u32, height: u32, extra: &[u8]) -> Vec<u8> {
    let bitmap = le![40 + extra.len() as u32, width, height, 1_u16, 24_u16];
    let head = le![width, height, 2_u8, 40 + extra.len() as u16];
    [&head[..], &bitmap, fourcc, &[0; 20], extra].concat()
}

pub(crate) fn video(flags: u16, fourcc: &[u8; 4], width: u32, height: u32) -> Vec<u8> {
    stream(guid::VIDEO_MEDIA, flags, &video_format(fourcc, width, height, b"\x01\x02\x03\x04"), None)
}

pub(crate) fn audio_format(tag: u16, block_align: u16, extra: &[u8]) -> Vec<u8> {
    [&le![tag, 2_u16, 44_100_u32, 8000_u32, block_align, 16_u16, extra.len() as u16][..], extra].concat()
}

pub(crate) fn audio(flags: u16, tag: u16) -> Vec<u8> {
    stream(guid::AUDIO_MEDIA, flags, &audio_format(tag, 1486, b"extradata."), None)
}

pub(crate) fn extended(number: u16, bit_rate: u32, extensions: &[(Guid, u16)], nested: &[u8]) -> Vec<u8> {
    let times = le![0_u64, 0_u64, bit_rate, 0_u32, 0_u32, 0_u32, 0_u32, 0_u32, 0_u32, 2_u32];
    let mut data = [times, le![number, 0_u16, 333_667_u64, 1_u16, extensions.len() as u16]].concat();
    let name = utf16("a stream");
    data.extend(le![0_u16, name.len() as u16]);
    data.extend(name);
    for (guid, size) in extensions {
        data.extend([&guid.to_bytes()[..], &le![*size, 2_u32], &[1, 2]].concat());
    }
    data.extend(nested);
    object(guid::EXTENDED_STREAM_PROPERTIES, &data)
}

pub(crate) fn extension(objects: &[Vec<u8>]) -> Vec<u8> {
    let body = objects.concat();
    object(guid::HEADER_EXTENSION, &[&guid::RESERVED_1.to_bytes()[..], &le![6_u16, body.len() as u32], &body].concat())
}

pub(crate) fn bit_rates(rates: &[(u16, u32)]) -> Vec<u8> {
    let rates: Vec<_> = rates.iter().map(|(number, rate)| le![*number, *rate]).collect();
    object(guid::STREAM_BITRATE_PROPERTIES, &[le![rates.len() as u16], rates.concat()].concat())
}

pub(crate) fn exclusion(reason: Guid, numbers: &[u16]) -> Vec<u8> {
    let numbers: Vec<_> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    object(guid::BITRATE_MUTUAL_EXCLUSION, &[&reason.to_bytes()[..], &le![numbers.len() as u16 / 2], &numbers].concat())
}
