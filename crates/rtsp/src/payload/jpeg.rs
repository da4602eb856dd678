//! JPEG (RFC 2435).
//!
//! The receiver makes the picture's header anew from eight bytes and the quantization tables,
//! so only pictures of the common kind fit: baseline, three components of which the colour is
//! half across (and half down), Huffman tables of T.81 Annex K, at most 2040 pixels a side.
//! Sides that are no multiple of 8 are told as the next one: the blocks are there.

use formats::jpeg::is_typical_huffman;
use formats::jpeg::marker::{DHT, DQT, DRI, EOI, SOF0, SOF1, SOI, SOS, is_frame};
use media::Codec;

use crate::Error;
use crate::rtp::Writer;

/// Most pixels a side: 255 blocks of 8 (RFC 2435 section 3.1.5).
const MOST_SIDE: u16 = 255 * 8;
/// Quantization tables come with the picture (RFC 2435 section 3.1.4).
const OWN_TABLES: u8 = 255;
/// Restart markers are there (RFC 2435 section 3.1.3).
const RESTARTS: u8 = 64;
/// Bytes of an 8-bit quantization table.
const TABLE: usize = 64;

/// What RTP sends of a picture.
struct Picture<'a> {
    /// 0: colour half across; 1: half across and down; with [`RESTARTS`].
    kind: u8,
    /// In blocks of 8 pixels.
    width: u8,
    height: u8,
    /// Of brightness and of colour.
    tables: [&'a [u8]; 2],
    restart_interval: u16,
    scan: &'a [u8],
}

fn refuse(what: impl Into<String>) -> Error {
    Error::Unit { codec: Codec::MJPEG, what: what.into() }
}

/// Whether a picture can be sent.
pub(super) fn check(unit: &[u8]) -> Result<(), Error> {
    Picture::read(unit).map(|_| ())
}

/// A component of the frame header: its sampling and its table.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Component {
    sampling: u8,
    table: u8,
}

impl<'a> Picture<'a> {
    fn read(unit: &'a [u8]) -> Result<Self, Error> {
        let cut = || refuse("its header is cut or damaged");
        let mut rest = unit.strip_prefix(&[0xFF, SOI]).ok_or_else(|| refuse("it does not begin as a JPEG picture"))?;
        let mut tables: [Option<&[u8]>; 4] = [None; 4];
        let mut frame = None;
        let mut restart_interval = 0;
        loop {
            let (&code, after) = match rest {
                [0xFF, 0xFF, ..] => {
                    rest = &rest[1..];
                    continue;
                }
                [0xFF, code, after @ ..] => (code, after),
                _ => return Err(cut()),
            };
            let &[high, low, ..] = after else { return Err(cut()) };
            let length = usize::from(u16::from_be_bytes([high, low]));
            let payload = after.get(2..length).ok_or_else(cut)?;
            rest = &after[length..];
            match code {
                DQT => read_tables(payload, &mut tables)
                    .ok_or_else(|| refuse("its quantization tables are not of 8 bits, or cut"))?,
                DHT if !is_typical_huffman(payload) => {
                    return Err(refuse(
                        "it has Huffman tables of its own, for which RFC 2435 has no place; turn optimization off in its encoder, or ask for another size, which codes it anew",
                    ));
                }
                DRI => restart_interval = u16::from_be_bytes(payload.first_chunk().copied().ok_or_else(cut)?),
                SOF0 | SOF1 => frame = Some(read_frame(payload)?),
                code if is_frame(code) => {
                    return Err(refuse("it is progressive or lossless; RFC 2435 is for baseline pictures"));
                }
                SOS => break,
                _ => {}
            }
        }
        let (width, height, components) = frame.ok_or_else(cut)?;
        let kind = match components.map(|component| component.sampling) {
            [0x21, 0x11, 0x11] => 0,
            [0x22, 0x11, 0x11] => 1,
            _ => return Err(refuse("its colour is not 4:2:0 or 4:2:2; RFC 2435 has no other")),
        };
        if components[1].table != components[2].table {
            return Err(refuse("its two colour components have different quantization tables"));
        }
        if width > MOST_SIDE || height > MOST_SIDE {
            return Err(refuse(format!(
                "{width}x{height}; RFC 2435 has room for {MOST_SIDE} pixels a side; ask for a smaller size"
            )));
        }
        let table = |component: &Component| tables.get(usize::from(component.table)).copied().flatten().ok_or_else(cut);
        let scan = rest.strip_suffix(&[0xFF, EOI]).unwrap_or(rest);
        if scan.is_empty() || width == 0 || height == 0 {
            return Err(cut());
        }
        Ok(Self {
            kind: kind | if restart_interval > 0 { RESTARTS } else { 0 },
            width: width.div_ceil(8) as u8,
            height: height.div_ceil(8) as u8,
            tables: [table(&components[0])?, table(&components[1])?],
            restart_interval,
            scan,
        })
    }
}

/// T.81 B.2.4.1.
fn read_tables<'a>(mut payload: &'a [u8], tables: &mut [Option<&'a [u8]>; 4]) -> Option<()> {
    while let [head, after @ ..] = payload {
        let (table, rest) = after.split_at_checked(TABLE)?;
        if head >> 4 != 0 {
            return None;
        }
        *tables.get_mut(usize::from(head & 0xF))? = Some(table);
        payload = rest;
    }
    Some(())
}

/// T.81 B.2.2.
fn read_frame(payload: &[u8]) -> Result<(u16, u16, [Component; 3]), Error> {
    let &[precision, y1, y0, x1, x0, count, ref components @ ..] = payload else {
        return Err(refuse("its header is cut or damaged"));
    };
    let &[_, s0, t0, _, s1, t1, _, s2, t2] = components else {
        return Err(refuse(format!("it has {count} colour components; RFC 2435 is for three")));
    };
    if precision != 8 {
        return Err(refuse(format!("{precision} bits a sample; RFC 2435 is for 8")));
    }
    let component = |sampling, table| Component { sampling, table };
    let components = [component(s0, t0), component(s1, t1), component(s2, t2)];
    Ok((u16::from_be_bytes([x1, x0]), u16::from_be_bytes([y1, y0]), components))
}

pub(super) fn pack(writer: &mut Writer, unit: &[u8]) -> Result<(), Error> {
    let picture = Picture::read(unit)?;
    let [i1, i0] = picture.restart_interval.to_be_bytes();
    // RFC 2435 section 3.1.7: pieces are not cut at restarts, so first and last are both set and
    // the count says so.
    let restart = [i1, i0, 0xFF, 0xFF];
    let restart = if picture.restart_interval > 0 { &restart[..] } else { &[] };
    let [brightness, colour] = picture.tables;
    // RFC 2435 section 3.1.8.
    let tables = [&[0, 0, 0, 2 * TABLE as u8][..], brightness, colour].concat();
    let mut offset = 0;
    while offset < picture.scan.len() {
        let tables = if offset == 0 { &tables[..] } else { &[] };
        let room = writer.mtu - 8 - restart.len() - tables.len();
        let end = (offset + room).min(picture.scan.len());
        let [_, o2, o1, o0] = u32::try_from(offset).unwrap_or(u32::MAX).to_be_bytes();
        if offset >= 1 << 24 {
            return Err(refuse("it has more than 16 MiB, which its RTP header cannot count"));
        }
        let head = [0, o2, o1, o0, picture.kind, OWN_TABLES, picture.width, picture.height];
        writer.put(&[&head, restart, tables, &picture.scan[offset..end]]);
        offset = end;
    }
    writer.mark();
    Ok(())
}
