//! The header of a picture, made of what RTP says of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use formats::jpeg::marker::{APP0, APP15, COM, DHT, DQT, DRI, SOF0, SOF1, SOI, SOS, is_frame};
use formats::jpeg::with_huffman;

/// From this type on there are restart markers (RFC 2435 section 3.1.3).
const RESTARTS: u8 = 64;
/// From this Q on tables come with pictures; the last one keeps none (RFC 2435 section 3.1.8).
const OWN_TABLES: u8 = 128;
const CHANGING: u8 = 255;
/// Two tables of 16 bits; what is behind is none of ours.
const MOST_TABLES: usize = 2 * 128;

/// A main header (RFC 2435 section 3.1), with the restart interval behind it.
#[derive(Clone, Copy)]
pub(super) struct Main {
    pub(super) offset: u32,
    kind: u8,
    q: u8,
    /// In pixels, rounded up to whole blocks; 0 is larger than can be told here.
    size: (u16, u16),
    restart_interval: u16,
}

/// Quantization tables as they are sent, in zigzag order.
#[derive(Clone)]
pub(super) struct Tables {
    /// A bit a table, the first one's lowest: 16 bits a value instead of 8.
    precision: u8,
    values: Vec<u8>,
}

#[cfg(test)]
impl Tables {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}

/// What pictures may leave out that said it before.
#[derive(Default)]
pub(super) struct Before {
    /// By the session description.
    pub(super) described: Option<(u16, u16)>,
    /// Whole segments.
    quantization: Vec<u8>,
    huffman: Vec<u8>,
    frame: Vec<u8>,
}

/// One that is being put together.
pub(super) struct Picture {
    pub(super) timestamp: u32,
    main: Main,
    tables: Option<Tables>,
    /// Of ONVIF's header extensions, if there is one.
    extension: Option<Vec<u8>>,
    pub(super) scan: Vec<u8>,
}

impl Picture {
    pub(super) fn new(timestamp: u32, main: Main, tables: Option<Tables>) -> Self {
        Self { timestamp, main, tables, extension: None, scan: Vec::new() }
    }

    pub(super) fn is_extended(&self) -> bool {
        self.extension.is_some()
    }

    /// Adds what a packet brings: to the header as long as there is no scan data, then to that.
    pub(super) fn extend(&mut self, extension: Option<&[u8]>, data: &[u8], most: usize) -> Result<(), &'static str> {
        match extension {
            Some(extension) if self.scan.is_empty() => {
                let header = self.extension.get_or_insert_default();
                header.extend_from_slice(extension);
                if header.len() > most {
                    return Err("its header is too long");
                }
            }
            Some(extension) => self.scan.extend_from_slice(extension),
            None => {}
        }
        self.scan.extend_from_slice(data);
        Ok(())
    }
}

/// The header in front of a payload, and what is behind it.
pub(super) fn main(payload: &[u8]) -> Option<(Main, &[u8])> {
    let (&[_, o2, o1, o0, kind, q, width, height], mut rest) = payload.split_first_chunk()?;
    let mut restart_interval = 0;
    if kind >= RESTARTS {
        let (&[i1, i0, _, _], after) = rest.split_first_chunk()?;
        (restart_interval, rest) = (u16::from_be_bytes([i1, i0]), after);
    }
    let size = (8 * u16::from(width), 8 * u16::from(height));
    Some((Main { offset: u32::from_be_bytes([0, o2, o1, o0]), kind, q, size, restart_interval }, rest))
}

/// The tables of a picture's first packet, which are taken off `rest` if they are there; none where those of
/// the picture before go on.
pub(super) fn tables(
    main: &Main,
    rest: &mut &[u8],
    known: &mut BTreeMap<u8, Tables>,
) -> Result<Option<Tables>, &'static str> {
    match main.q {
        0 => Ok(None),
        q if q < OWN_TABLES => Ok(Some(standard(q))),
        q => {
            let (&[_, precision, l1, l0], after) = rest.split_first_chunk().ok_or("its tables are cut")?;
            let length = usize::from(u16::from_be_bytes([l1, l0]));
            let (values, after) = after.split_at_checked(length).ok_or("its tables are cut")?;
            *rest = after;
            if length == 0 {
                return known.get(&q).cloned().map(Some).ok_or("its tables were never sent");
            }
            let tables = Tables { precision, values: values[..length.min(MOST_TABLES)].to_vec() };
            if q != CHANGING {
                known.insert(q, tables.clone());
            }
            Ok(Some(tables))
        }
    }
}

/// The tables for a Q without any of its own (RFC 2435 section 4.2; above 99 it is not defined).
fn standard(q: u8) -> Tables {
    let q = i32::from(q.clamp(1, 99));
    let scale = if q < 50 { 5000 / q } else { 200 - 2 * q };
    let values = [&LUMINANCE, &CHROMINANCE].into_iter().flat_map(|table| {
        ZIGZAG.iter().map(move |at| ((i32::from(table[usize::from(*at)]) * scale + 50) / 100).clamp(1, 255) as u8)
    });
    Tables { precision: 0, values: values.collect() }
}

/// A segment of a JPEG header, and its bytes with marker and length.
struct Segment<'a> {
    code: u8,
    whole: &'a [u8],
}

/// The segments in `bytes`, and what is behind the last one if that is an SOS.
fn segments(bytes: &[u8]) -> Result<(Vec<Segment<'_>>, &[u8]), &'static str> {
    const CUT: &str = "the JPEG header in its header extension is cut";
    let (mut found, mut rest) = (Vec::new(), bytes);
    loop {
        match rest {
            [] | [0xFF] => return Ok((found, &[])),
            [0xFF, 0xFF | SOI, ..] => rest = &rest[1 + usize::from(rest[1] == SOI)..],
            [0xFF, code, l1, l0, ..] => {
                let length = usize::from(u16::from_be_bytes([*l1, *l0]));
                let (whole, after) = rest.split_at_checked(2 + length).filter(|_| length >= 2).ok_or(CUT)?;
                found.push(Segment { code: *code, whole });
                if *code == SOS {
                    return Ok((found, after));
                }
                rest = after;
            }
            _ => return Err(CUT),
        }
    }
}

/// Everything up to a picture's scan data.
pub(super) fn write(picture: &Picture, before: &mut Before) -> Result<Bytes, &'static str> {
    let main = &picture.main;
    let (given, scan) = segments(picture.extension.as_deref().unwrap_or_default())?;
    let of = |wanted: &dyn Fn(u8) -> bool| {
        given
            .iter()
            .filter(|segment| wanted(segment.code))
            .flat_map(|segment| segment.whole)
            .copied()
            .collect::<Vec<_>>()
    };
    let given_tables = of(&|code| code == DQT);
    let mut quantization = match &picture.tables {
        Some(tables) => define(tables)?,
        // Those of the picture before, unless there are others.
        None if given_tables.is_empty() => before.quantization.clone(),
        None => Vec::new(),
    };
    quantization.extend(given_tables);
    if quantization.is_empty() {
        return Err("its tables were never sent");
    }
    let mut huffman = of(&|code| code == DHT);
    if huffman.is_empty() {
        huffman.clone_from(&before.huffman);
    }
    let mut restarts = of(&|code| code == DRI);
    if restarts.is_empty() && main.restart_interval > 0 {
        let [i1, i0] = main.restart_interval.to_be_bytes();
        restarts = vec![0xFF, DRI, 0, 4, i1, i0];
    }
    let mut frame = of(&is_frame);
    if frame.is_empty() {
        let is_coarse = picture.tables.as_ref().is_some_and(|tables| tables.precision & 3 != 0);
        frame = match main.size {
            (0, _) | (_, 0) => match before.described {
                _ if !before.frame.is_empty() => before.frame.clone(),
                Some(size) => describe(size, main.kind, is_coarse),
                None => return Err("nobody says how large its picture is"),
            },
            size => describe(size, main.kind, is_coarse),
        };
    }
    let mut begin = of(&|code| code == SOS);
    if begin.is_empty() {
        begin = begin_scan(&frame).ok_or("its frame header is cut")?;
    }
    let others = of(&|code| (APP0..=APP15).contains(&code) || code == COM);
    let head = [&[0xFF, SOI][..], &others, &quantization, &restarts, &frame, &huffman, &begin].concat();
    if picture.is_extended() {
        *before = Before { described: before.described, quantization, huffman, frame };
    }
    let head = with_huffman(head.into());
    Ok(if scan.is_empty() { head } else { [&head, scan].concat().into() })
}

/// DQT segments (T.81 B.2.4.1). One table alone is for all components.
fn define(tables: &Tables) -> Result<Vec<u8>, &'static str> {
    let mut segments = Vec::new();
    let mut rest = tables.values.as_slice();
    let mut first = None;
    for place in 0..2 {
        let is_coarse = tables.precision >> place & 1 != 0;
        let length = if is_coarse { 128 } else { 64 };
        let (class, values) = match (rest.split_at_checked(length), first) {
            (Some((values, after)), _) => {
                rest = after;
                (u8::from(is_coarse) << 4, values)
            }
            (None, Some(first)) if rest.is_empty() => first,
            _ => return Err("its tables are cut"),
        };
        first.get_or_insert((class, values));
        segments.extend_from_slice(&[0xFF, DQT, 0, 3 + values.len() as u8, class | place]);
        segments.extend_from_slice(values);
    }
    Ok(segments)
}

/// A frame header (T.81 B.2.2) of three components. Tables of 16 bits are for extended pictures.
fn describe((width, height): (u16, u16), kind: u8, is_coarse: bool) -> Vec<u8> {
    let sampling = if kind & (RESTARTS - 1) == 0 { 0x21 } else { 0x22 };
    let [[w1, w0], [h1, h0]] = [width, height].map(u16::to_be_bytes);
    let code = if is_coarse { SOF1 } else { SOF0 };
    vec![0xFF, code, 0, 17, 8, h1, h0, w1, w0, 3, 1, sampling, 0, 2, 0x11, 1, 3, 0x11, 1]
}

/// The scan header (T.81 B.2.3) for a frame: brightness by the first Huffman tables, colour by the second.
fn begin_scan(frame: &[u8]) -> Option<Vec<u8>> {
    let components = frame.get(10..)?.chunks_exact(3);
    let count = u8::try_from(components.len()).ok().filter(|count| (1..=4).contains(count))?;
    let mut scan = vec![0xFF, SOS, 0, 6 + 2 * count, count];
    for (place, component) in components.enumerate() {
        scan.extend_from_slice(&[component[0], if place == 0 { 0 } else { 0x11 }]);
    }
    scan.extend_from_slice(&[0, 63, 0]);
    Some(scan)
}

/// Where in a table of rows each value of the zigzag order stands (T.81 figure A.6).
#[rustfmt::skip]
const ZIGZAG: [u8; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// T.81 table K.1.
#[rustfmt::skip]
const LUMINANCE: [u8; 64] = [
    16, 11, 10, 16,  24,  40,  51,  61,
    12, 12, 14, 19,  26,  58,  60,  55,
    14, 13, 16, 24,  40,  57,  69,  56,
    14, 17, 22, 29,  51,  87,  80,  62,
    18, 22, 37, 56,  68, 109, 103,  77,
    24, 35, 55, 64,  81, 104, 113,  92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103,  99,
];

/// T.81 table K.2.
#[rustfmt::skip]
const CHROMINANCE: [u8; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
];
