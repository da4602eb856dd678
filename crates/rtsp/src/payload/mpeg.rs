//! What the MPEG committees made before H.264: MPEG-4 part 2 (RFC 6416), MPEG-1 and MPEG-2
//! video, MPEG audio (RFC 2250).

use memchr::memmem;

use super::{Format, Payload, hex};
use crate::rtp::Writer;

/// Codes after 00 00 01 (ISO 14496-2 table 6-3, ISO 13818-2 table 6-1).
const VOP: u8 = 0xB6;
const GROUP_OF_VOP: u8 = 0xB3;
const VISUAL_OBJECT_SEQUENCE: u8 = 0xB0;
const PICTURE: u8 = 0x00;
const FIRST_SLICE: u8 = 0x01;
const LAST_SLICE: u8 = 0xAF;
const SEQUENCE: u8 = 0xB3;
/// Most bytes of a configuration that stands in a description.
const MOST_CONFIGURATION: usize = 1024;

/// The places of start codes in `data`, each with its code.
fn codes(data: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    memmem::find_iter(data, &[0, 0, 1]).filter_map(|at| Some((at, *data.get(at + 3)?)))
}

/// RFC 6416 section 7.1. The configuration is what stands before the first picture.
pub(super) fn describe_mpeg4(extradata: &[u8], first: &[u8]) -> (Payload, Format) {
    let before_picture = |data: &[u8]| {
        let picture = codes(data).find(|(_, code)| matches!(*code, VOP | GROUP_OF_VOP));
        data[..picture.map_or(data.len(), |(at, _)| at)].to_vec()
    };
    let found = [extradata, first].map(before_picture).into_iter().find(|found| !found.is_empty());
    let configuration = found.unwrap_or_default();
    let profile = match configuration.as_slice() {
        [0, 0, 1, VISUAL_OBJECT_SEQUENCE, profile, ..] => *profile,
        // Simple Profile, Level 1: what is assumed where nothing is said.
        _ => 1,
    };
    let mut fmtp = format!("profile-level-id={profile}");
    if !configuration.is_empty() && configuration.len() <= MOST_CONFIGURATION {
        fmtp += &format!(";config={}", hex(&configuration));
    }
    (Payload::Mpeg4, Format::video("MP4V-ES", None, fmtp))
}

/// RFC 6416 section 5.2: the bytes as they are, cut where a packet is full.
pub(super) fn pack_mpeg4(writer: &mut Writer, unit: &[u8]) {
    for chunk in unit.chunks(writer.mtu) {
        writer.put(&[chunk]);
    }
    writer.mark();
}

/// What the header in front of each piece of MPEG video tells of its picture (RFC 2250 section
/// 3.4).
#[derive(Clone, Copy, Default)]
struct Picture {
    temporal_reference: u16,
    kind: u8,
    /// FBV, BFC, FFV and FFC, as they stand in the last byte of the header.
    vectors: u8,
}

impl Picture {
    /// From what follows the picture's start code: 10 bits of temporal reference, 3 of type, 16
    /// of delay; then for P and B pictures 1 and 3 bits of forward vectors, for B pictures 1 and
    /// 3 of backward ones (ISO 13818-2 section 6.2.3).
    fn read(header: &[u8]) -> Self {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(header) {
            *to = *from;
        }
        let all = u64::from_be_bytes(bytes);
        let bits = |from: u32, count: u32| (all >> (64 - from - count) & ((1 << count) - 1)) as u8;
        let kind = bits(10, 3);
        let forward = if kind == 2 || kind == 3 { bits(29, 4) } else { 0 };
        let backward = if kind == 3 { bits(33, 4) } else { 0 };
        Self { temporal_reference: (all >> 54) as u16, kind, vectors: backward << 4 | forward }
    }

    fn header(self, has_sequence: bool, begins: bool, ends: bool) -> [u8; 4] {
        let [high, low] = self.temporal_reference.to_be_bytes();
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        [high, low, flag(has_sequence, 0x20) | flag(begins, 0x10) | flag(ends, 0x08) | self.kind & 7, self.vectors]
    }
}

/// RFC 2250 section 3.1: packets begin at a header or a slice, and a slice that fits is in one
/// packet.
pub(super) fn pack_video(writer: &mut Writer, unit: &[u8]) {
    let room = writer.mtu - 4;
    let mut picture = Picture::default();
    // Pieces that are not torn if they fit: the headers with the first slice, then slices.
    let mut slices: Vec<usize> = Vec::new();
    let mut has_sequence = false;
    for (at, code) in codes(unit) {
        match code {
            PICTURE => picture = Picture::read(&unit[at + 4..]),
            SEQUENCE => has_sequence = true,
            FIRST_SLICE..=LAST_SLICE => slices.push(at),
            _ => {}
        }
    }
    let mut starts = slices;
    match starts.first_mut() {
        // Headers stay with the first slice if they fit together.
        Some(first) if *first < room => *first = 0,
        Some(_) => starts.insert(0, 0),
        None => starts.push(0),
    }
    let ends = starts.iter().skip(1).copied().chain([unit.len()]);
    let (mut from, mut to) = (0, 0);
    let mut has_sequence = std::mem::take(&mut has_sequence);
    let mut send = |writer: &mut Writer, piece: &[u8], begins: bool, ends: bool| {
        if !piece.is_empty() {
            writer.put(&[&picture.header(has_sequence, begins, ends), piece]);
            has_sequence = false;
        }
    };
    for (start, end) in starts.iter().copied().zip(ends) {
        if end - from <= room {
            to = end;
            continue;
        }
        send(writer, &unit[from..to], true, true);
        (from, to) = (start, end);
        if end - start > room {
            let chunks = unit[start..end].chunks(room);
            let last = chunks.len() - 1;
            for (number, chunk) in chunks.enumerate() {
                send(writer, chunk, number == 0, number == last);
            }
            from = end;
        }
    }
    send(writer, &unit[from..to.max(from)], true, true);
    writer.mark();
}

/// RFC 2250 section 3.5: one frame, in pieces if it is too large.
pub(super) fn pack_audio(writer: &mut Writer, unit: &[u8]) {
    let room = writer.mtu - 4;
    for (number, chunk) in unit.chunks(room).enumerate() {
        // Frames of MPEG audio have less than 2 kB; what is longer is nonsense anyway.
        let [high, low] = ((number * room) as u16).to_be_bytes();
        writer.put(&[&[0, 0, high, low], chunk]);
    }
}
