//! H.264 (RFC 6184, packetization mode 1) and H.265 (RFC 7798).
//!
//! Both cut NAL units that are too large into fragments, and put parameter sets and messages
//! that follow each other into one aggregation packet. Every keyframe carries its parameter
//! sets, whether the source repeats them or not, so that whoever joins by multicast or lost
//! them can start there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use media::nal::{Role, Syntax, units};

use super::{Format, Payload, hex};
use crate::rtp::Writer;

/// Most bytes of a parameter set that is kept.
const MOST_SET: usize = 4 << 10;
/// Most parameter sets of a kind that are kept: those of one keyframe.
const MOST_SETS: usize = 8;

#[derive(Debug)]
pub(super) struct Nal {
    syntax: Syntax,
    /// VPS, SPS and PPS as they were seen last.
    sets: [Vec<Vec<u8>>; 3],
}

impl Nal {
    pub(super) fn describe(syntax: Syntax, extradata: &[u8], first: &[u8]) -> (Payload, Format) {
        let mut nal = Self { syntax, sets: Default::default() };
        nal.learn(extradata);
        nal.learn(first);
        let format = match syntax {
            Syntax::H264 => Format::video("H264", None, nal.h264_parameters()),
            Syntax::H265 => Format::video("H265", None, nal.h265_parameters()),
        };
        (Payload::Nal(nal), format)
    }

    /// Keeps the parameter sets in `data`, where there are any, instead of those before.
    fn learn(&mut self, data: &[u8]) {
        let mut seen: [Vec<Vec<u8>>; 3] = Default::default();
        for unit in units(data) {
            match self.syntax.role(unit) {
                Role::Set(place) if unit.len() <= MOST_SET && seen[place].len() < MOST_SETS => {
                    seen[place].push(unit.to_vec());
                }
                // Parameter sets come before what needs them.
                Role::Slice | Role::Other => break,
                _ => {}
            }
        }
        for (kept, seen) in self.sets.iter_mut().zip(seen) {
            if !seen.is_empty() {
                *kept = seen;
            }
        }
    }

    fn encoded(&self, place: usize) -> String {
        self.sets[place].iter().map(|set| STANDARD.encode(set)).collect::<Vec<_>>().join(",")
    }

    /// RFC 6184 section 8.1.
    fn h264_parameters(&self) -> String {
        let mut text = String::from("packetization-mode=1");
        if let Some([_, profile, flags, level, ..]) = self.sets[1].first().map(Vec::as_slice) {
            text += &format!(";profile-level-id={}", hex(&[*profile, *flags, *level]));
        }
        let sets = [self.encoded(1), self.encoded(2)];
        if sets.iter().all(|set| !set.is_empty()) {
            text += &format!(";sprop-parameter-sets={}", sets.join(","));
        }
        text
    }

    /// RFC 7798 section 7.1.
    fn h265_parameters(&self) -> String {
        let names = ["sprop-vps", "sprop-sps", "sprop-pps"];
        let sets = names.iter().enumerate().map(|(place, name)| (name, self.encoded(place)));
        let given = sets.filter(|(_, sets)| !sets.is_empty());
        given.map(|(name, sets)| format!("{name}={sets}")).collect::<Vec<_>>().join(";")
    }

    pub(super) fn pack(&mut self, writer: &mut Writer, unit: &[u8], key: bool) {
        let mut waiting = Vec::new();
        if key {
            let has_sets = units(unit).any(|unit| self.syntax.role(unit) == Role::Set(1));
            if has_sets {
                self.learn(unit);
            } else {
                waiting.extend(self.sets.iter().flatten().map(Vec::as_slice));
            }
        }
        for unit in units(unit) {
            match self.syntax.role(unit) {
                Role::Delimiter | Role::Filling => {}
                Role::Set(_) | Role::Message => waiting.push(unit),
                Role::Slice | Role::Other => {
                    self.aggregate(writer, &mut waiting);
                    self.put(writer, unit);
                }
            }
        }
        self.aggregate(writer, &mut waiting);
        // RFC 6184 section 5.1, RFC 7798 section 4.1: on the last packet of the access unit.
        writer.mark();
    }

    /// Puts small units together, as many as fit into a packet; parameter sets first, where they
    /// belong (H.264 7.4.1.2.3), since what reads MP4 puts them behind messages.
    fn aggregate(&self, writer: &mut Writer, waiting: &mut Vec<&[u8]>) {
        waiting.sort_by_key(|unit| self.syntax.role(unit) == Role::Message);
        let header = self.syntax.header();
        let mut rest = &waiting[..];
        while let Some(first) = rest.first() {
            let mut length = header;
            let fitting = rest.iter().take_while(|unit| {
                length += 2 + unit.len();
                length <= writer.mtu
            });
            let count = fitting.count();
            if count < 2 {
                self.put(writer, first);
                rest = &rest[1..];
                continue;
            }
            let (together, after) = rest.split_at(count);
            rest = after;
            let head = self.aggregation_header(together);
            // They fit into a packet, so their lengths fit into 16 bits.
            let lengths: Vec<[u8; 2]> = together.iter().map(|unit| (unit.len() as u16).to_be_bytes()).collect();
            let mut pieces: Vec<&[u8]> = vec![&head[..header]];
            pieces.extend(lengths.iter().zip(together).flat_map(|(length, unit)| [&length[..], unit]));
            writer.put(&pieces);
        }
        waiting.clear();
    }

    /// STAP-A (RFC 6184 section 5.7.1): the highest importance of all. AP (RFC 7798 section
    /// 4.4.2): the lowest layer and temporal id.
    fn aggregation_header(&self, together: &[&[u8]]) -> [u8; 2] {
        match self.syntax {
            Syntax::H264 => {
                let importance = together.iter().filter_map(|unit| unit.first()).map(|byte| byte & 0x60).max();
                [importance.unwrap_or(0) | 24, 0]
            }
            Syntax::H265 => {
                let layers = together.iter().filter_map(|unit| {
                    let &[high, low, ..] = *unit else { return None };
                    Some(u16::from_be_bytes([high, low]) & 0x01FF)
                });
                let [high, low] = layers.min().unwrap_or(1).to_be_bytes();
                [48 << 1 | high & 1, low]
            }
        }
    }

    /// One unit, in fragments if need be: FU-A (RFC 6184 section 5.8), FU (RFC 7798 section
    /// 4.4.3).
    fn put(&self, writer: &mut Writer, unit: &[u8]) {
        let header = self.syntax.header();
        if unit.len() <= writer.mtu || unit.len() <= header {
            return writer.put(&[unit]);
        }
        let kind = self.syntax.kind(unit);
        let (head, body) = unit.split_at(header);
        let chunks = body.chunks(writer.mtu - header - 1);
        let last = chunks.len() - 1;
        for (number, chunk) in chunks.enumerate() {
            let edge = if number == 0 { 0x80 } else { 0 } | if number == last { 0x40 } else { 0 };
            match self.syntax {
                Syntax::H264 => writer.put(&[&[head[0] & 0xE0 | 28, edge | kind], chunk]),
                Syntax::H265 => writer.put(&[&[head[0] & 0x81 | 49 << 1, head[1], edge | kind], chunk]),
            }
        }
    }
}
