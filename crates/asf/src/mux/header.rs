//! The Header Object (section 3) and the begin of the Data Object (section 5.1).

use bytes::{BufMut, Bytes};

use super::Options;
use super::format::{self, Stream};
use crate::guid::{self, Guid};

/// A Data Object without packets: what a header ends with.
pub(crate) const DATA_HEAD: u64 = 50;

/// Flags of the File Properties Object.
const BROADCAST: u32 = 1;
const SEEKABLE: u32 = 2;

/// An Extended Stream Properties Object's flag: a player may seek in this stream.
const STREAM_SEEKABLE: u32 = 2;

/// Metadata records of 32 bits (section 4.7).
const DWORD: u16 = 3;

/// The longest title or other text that is written, in units of UTF-16.
const MAX_TEXT: usize = 1000;

/// What is known of a file only when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Data packets.
    pub(crate) packets: u64,
    /// Bytes of the whole file.
    pub(crate) file_size: u64,
    /// When the last unit ends, in ms, preroll included.
    pub(crate) play_ms: u64,
    /// When the last packet is sent, in ms.
    pub(crate) send_ms: u64,
}

/// Of a broadcast, and of a file that was not closed. A count of 0 packets makes some players stop.
const BROADCAST_TOTALS: Totals = Totals { packets: 0xFFFF_FFFF, file_size: 0, play_ms: 0, send_ms: 0 };

/// Writes a header: of a file that is complete, or of a broadcast if `totals` are not known.
/// Its size does not depend on them.
pub(crate) fn write(streams: &[Stream], options: &Options, packet_size: u32, totals: Option<&Totals>) -> Bytes {
    let live = totals.is_none();
    let totals = totals.unwrap_or(&BROADCAST_TOTALS);
    let mut out = Vec::with_capacity(2048);
    let objects = 5 + streams.len() as u32;
    object(&mut out, guid::HEADER, |out| {
        out.put_u32_le(objects);
        out.put_slice(&[1, 2]);
        object(out, guid::FILE_PROPERTIES, |out| file_properties(streams, options, packet_size, live, totals, out));
        object(out, guid::HEADER_EXTENSION, |out| header_extension(streams, options, live, out));
        for stream in streams {
            object(out, guid::STREAM_PROPERTIES, |out| stream_properties(stream, out));
        }
        object(out, guid::CODEC_LIST, |out| codec_list(streams, out));
        object(out, guid::STREAM_BITRATE_PROPERTIES, |out| {
            out.put_u16_le(streams.len() as u16);
            for stream in streams {
                out.put_u16_le(stream.number.into());
                out.put_u32_le(stream.bit_rate());
            }
        });
        object(out, guid::CONTENT_DESCRIPTION, |out| {
            // All lengths, then all texts; there is no rating.
            let Options { title, author, copyright, description, .. } = options;
            let texts = [title, author, copyright, description, &None];
            let texts = texts.map(|text| utf16(text.as_deref().unwrap_or_default(), MAX_TEXT));
            texts.iter().for_each(|text| out.put_u16_le(text.len() as u16));
            texts.iter().for_each(|text| out.put_slice(text));
        });
    });

    let data_size = if live { 0 } else { totals.packets.saturating_mul(packet_size.into()) };
    out.put_slice(&guid::DATA.to_bytes());
    out.put_u64_le(data_size.saturating_add(DATA_HEAD));
    out.put_slice(&options.file_id);
    out.put_u64_le(if live { 0 } else { totals.packets });
    out.put_slice(&[1, 1]);
    out.into()
}

/// GUID, size, and what `data` writes.
pub(crate) fn object(out: &mut Vec<u8>, guid: Guid, data: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.put_slice(&guid.to_bytes());
    out.put_u64_le(0);
    data(out);
    let size = (out.len() - start) as u64;
    out[start + 16..start + 24].copy_from_slice(&size.to_le_bytes());
}

fn file_properties(
    streams: &[Stream],
    options: &Options,
    packet_size: u32,
    live: bool,
    totals: &Totals,
    out: &mut Vec<u8>,
) {
    out.put_slice(&options.file_id);
    out.put_u64_le(totals.file_size);
    // Nobody here knows the date.
    out.put_u64_le(0);
    out.put_u64_le(totals.packets);
    out.put_u64_le(totals.play_ms.saturating_mul(10_000));
    out.put_u64_le(totals.send_ms.saturating_mul(10_000));
    out.put_u64_le(preroll_ms(options).into());
    out.put_u32_le(if live { BROADCAST } else { SEEKABLE });
    out.put_u32_le(packet_size);
    out.put_u32_le(packet_size);
    out.put_u32_le(streams.iter().fold(0, |sum, stream| stream.bit_rate().saturating_add(sum)));
}

fn preroll_ms(options: &Options) -> u32 {
    u32::try_from(options.preroll.as_millis()).unwrap_or(u32::MAX)
}

fn header_extension(streams: &[Stream], options: &Options, live: bool, out: &mut Vec<u8>) {
    out.put_slice(&guid::RESERVED_1.to_bytes());
    out.put_u16_le(6);
    let start = out.len();
    out.put_u32_le(0);
    for stream in streams {
        object(out, guid::EXTENDED_STREAM_PROPERTIES, |out| extended_stream_properties(stream, options, live, out));
    }
    let aspects: Vec<_> = streams
        .iter()
        .filter_map(|stream| stream.track.video()?.sample_aspect.map(|aspect| (stream.number, aspect)))
        .collect();
    if !aspects.is_empty() {
        object(out, guid::METADATA, |out| {
            out.put_u16_le(aspects.len() as u16 * 2);
            for (number, aspect) in aspects {
                metadata(out, number, "AspectRatioX", aspect.num);
                metadata(out, number, "AspectRatioY", aspect.den);
            }
        });
    }
    let size = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&size.to_le_bytes());
}

fn metadata(out: &mut Vec<u8>, stream: u8, name: &str, value: u32) {
    let name = utf16(name, usize::MAX);
    out.put_u16_le(0);
    out.put_u16_le(stream.into());
    out.put_u16_le(name.len() as u16);
    out.put_u16_le(DWORD);
    out.put_u32_le(4);
    out.put_slice(&name);
    out.put_u32_le(value);
}

fn extended_stream_properties(stream: &Stream, options: &Options, live: bool, out: &mut Vec<u8>) {
    // Start and end time: the whole of it.
    out.put_bytes(0, 16);
    // The leaky bucket, once for the average and once for the peak: rate, milliseconds that
    // fit into it, how full it is at the begin.
    for _ in 0..2 {
        out.put_u32_le(stream.bit_rate());
        out.put_u32_le(preroll_ms(options));
        out.put_u32_le(0);
    }
    // The largest object is not known.
    out.put_u32_le(0);
    out.put_u32_le(if live { 0 } else { STREAM_SEEKABLE });
    out.put_u16_le(stream.number.into());
    // The language that is not told.
    out.put_u16_le(0);
    out.put_u64_le(stream.time_per_frame());
    // Neither names nor payload extensions.
    out.put_u32_le(0);
}

fn stream_properties(stream: &Stream, out: &mut Vec<u8>) {
    out.put_slice(&format::media_type(stream).to_bytes());
    out.put_slice(&guid::NO_ERROR_CORRECTION.to_bytes());
    // No time offset.
    out.put_u64_le(0);
    let start = out.len();
    out.put_u32_le(0);
    out.put_u32_le(0);
    out.put_u16_le(stream.number.into());
    out.put_u32_le(0);
    let data = out.len();
    stream.format(out);
    let size = (out.len() - data) as u32;
    out[start..start + 4].copy_from_slice(&size.to_le_bytes());
}

fn codec_list(streams: &[Stream], out: &mut Vec<u8>) {
    out.put_slice(&guid::RESERVED_2.to_bytes());
    out.put_u32_le(streams.len() as u32);
    for stream in streams {
        out.put_u16_le(if stream.is_video() { 1 } else { 2 });
        // Lengths in characters here.
        let name = utf16(&stream.name(), usize::MAX);
        out.put_u16_le((name.len() / 2) as u16);
        out.put_slice(&name);
        out.put_u16_le(0);
        let information = stream.codec_information();
        out.put_u16_le(information.len() as u16);
        out.put_slice(&information);
    }
}

/// UTF-16LE with a null at the end, of at most `most` units; nothing for an empty text.
fn utf16(text: &str, most: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for character in text.chars().take_while(|character| *character != '\0') {
        let mut units = [0; 2];
        let units = character.encode_utf16(&mut units);
        if out.len() / 2 + units.len() > most {
            break;
        }
        units.iter().for_each(|unit| out.put_u16_le(*unit));
    }
    if !out.is_empty() {
        out.put_u16_le(0);
    }
    out
}
