//! From MP4 in fragments to MP4 with an index, in place.
//!
//! While it is written a file is a row of fragments (ISO/IEC 14496-12, 8.8), each of which plays
//! as soon as it is there. What players like better, one `moov` with the places of all samples,
//! is known at the end only. It is then appended, and a box of 16 bytes that was left free behind
//! `ftyp` becomes the head of an `mdat` that covers everything up to it. That one write turns
//! the file over: before it the fragments count, after it the index. Nothing is copied.
//!
//! [`Index`] is handed bytes and gives bytes; [`finish`] does it to a file, at its end or to one
//! that was left behind by a program that was killed.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The box that is left free: its payload says that it is ours.
pub(crate) const FREE: [u8; 16] = *b"\0\0\0\x10freeHWRECORD";
/// Longest `ftyp`, header of fragments, and head of one fragment.
const MOST: (u64, u64, u64) = (1 << 10, 4 << 20, 64 << 20);
/// Most samples that are indexed; a file with more keeps its fragments.
const MOST_SAMPLES: usize = 32 << 20;

/// A box in some bytes: its kind, and what is in it.
#[derive(Clone, Copy)]
struct Part<'a> {
    kind: [u8; 4],
    body: &'a [u8],
}

/// The boxes that `bytes` consist of, up to one that is broken.
fn parts(mut bytes: &[u8]) -> impl Iterator<Item = Part<'_>> {
    std::iter::from_fn(move || {
        let (size, kind) = (u32_at(bytes, 0)?, bytes.get(4..8)?.try_into().ok()?);
        let size = usize::try_from(size).ok().filter(|size| *size >= 8)?;
        let body = bytes.get(8..size)?;
        bytes = &bytes[size..];
        Some(Part { kind, body })
    })
}

fn part<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    parts(bytes).find(|part| part.kind == *kind).map(|part| part.body)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// Appends a box of `kind` with what `fill` puts into it.
fn put(out: &mut Vec<u8>, kind: &[u8; 4], fill: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    fill(out);
    let size = u32::try_from(out.len() - at).unwrap_or(u32::MAX);
    out[at..at + 4].copy_from_slice(&size.to_be_bytes());
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// One sample of a track.
struct Sample {
    size: u32,
    duration: u32,
    /// Presentation after decoding, in ticks.
    offset: i32,
    key: bool,
}

/// What `trex` says where a fragment does not.
#[derive(Default, Clone, Copy)]
struct Usual {
    duration: u32,
    size: u32,
    flags: u32,
}

struct Lane<'a> {
    id: u32,
    /// The `trak` box as it was written at the beginning.
    trak: &'a [u8],
    ticks: u32,
    usual: Usual,
    samples: Vec<Sample>,
    /// Where samples lie one behind the other: place, and how many.
    chunks: Vec<(u64, u32)>,
    /// When the first sample is decoded, and when the last one ends.
    begin: Option<u64>,
    end: u64,
}

/// The index of a file in fragments.
pub(crate) struct Index<'a> {
    moov: &'a [u8],
    lanes: Vec<Lane<'a>>,
    count: usize,
}

impl<'a> Index<'a> {
    /// For the `moov` at the beginning, without its head; nothing when it makes no sense.
    pub(crate) fn new(moov: &'a [u8]) -> Option<Self> {
        let usual_of = |id| {
            let trex = parts(part(moov, b"mvex")?).filter(|part| part.kind == *b"trex");
            let trex = trex.map(|part| part.body).find(|body| u32_at(body, 4) == Some(id))?;
            Some(Usual { duration: u32_at(trex, 12)?, size: u32_at(trex, 16)?, flags: u32_at(trex, 20)? })
        };
        let lanes = parts(moov).filter(|part| part.kind == *b"trak").map(|part| {
            let trak = part.body;
            let (tkhd, mdhd) = (self::part(trak, b"tkhd")?, self::part(self::part(trak, b"mdia")?, b"mdhd")?);
            let long = |body: &[u8]| usize::from(body.first() == Some(&1)) * 8;
            let (id, ticks) = (u32_at(tkhd, 12 + long(tkhd))?, u32_at(mdhd, 12 + long(mdhd))?.max(1));
            let usual = usual_of(id).unwrap_or_default();
            Some(Lane { id, trak, ticks, usual, samples: Vec::new(), chunks: Vec::new(), begin: None, end: 0 })
        });
        let lanes = lanes.collect::<Option<Vec<_>>>().filter(|lanes| !lanes.is_empty())?;
        Some(Self { moov, lanes, count: 0 })
    }

    /// Takes in the fragment whose `moof` begins at `at`; `false` when it makes no sense.
    /// Its samples have to lie below `end`.
    pub(crate) fn add(&mut self, moof: &[u8], at: u64, end: u64) -> bool {
        let trafs = parts(moof).filter(|part| part.kind == *b"traf");
        trafs.map(|part| self.add_traf(part.body, at, end)).all(|taken| taken.is_some())
    }

    fn add_traf(&mut self, traf: &[u8], moof_at: u64, most: u64) -> Option<()> {
        let tfhd = part(traf, b"tfhd")?;
        let flags = u32_at(tfhd, 0)? & 0xff_ffff;
        let lane = self.lanes.iter_mut().find(|lane| Some(lane.id) == u32_at(tfhd, 4))?;
        let mut at = 8;
        let mut next = |bit: u32, size: usize| {
            let here = at;
            (flags & bit != 0).then(|| at += size).map(|()| here)
        };
        let base = match next(1, 8) {
            Some(at) => u64_at(tfhd, at)?,
            None => moof_at,
        };
        next(2, 4);
        let mut usual = lane.usual;
        for (bit, field) in [(8, &mut usual.duration), (0x10, &mut usual.size), (0x20, &mut usual.flags)] {
            if let Some(at) = next(bit, 4) {
                *field = u32_at(tfhd, at)?;
            }
        }
        let start = match part(traf, b"tfdt") {
            Some(tfdt) if tfdt.first() == Some(&1) => u64_at(tfdt, 4)?,
            Some(tfdt) => u64::from(u32_at(tfdt, 4)?),
            None => lane.end,
        };
        match (lane.begin, lane.samples.last_mut()) {
            (Some(_), Some(last)) => {
                // The last one is shown until this one is.
                let gap = u32::try_from(start.saturating_sub(lane.end)).unwrap_or(u32::MAX - last.duration);
                last.duration = last.duration.saturating_add(gap);
                lane.end = lane.end.max(start);
            }
            _ => (lane.begin, lane.end) = (Some(start), start),
        }
        let mut place = base;
        for trun in parts(traf).filter(|part| part.kind == *b"trun") {
            place = lane.add_trun(trun.body, base, place, usual, most, &mut self.count)?;
        }
        Some(())
    }

    /// The `moov` for the file: nothing when there are no samples.
    pub(crate) fn moov(&self) -> Option<Vec<u8>> {
        let mvhd = part(self.moov, b"mvhd")?;
        let ticks = u32_at(mvhd, if mvhd.first() == Some(&1) { 20 } else { 12 })?.max(1);
        let lasts = self.lanes.iter().map(|lane| lane.lasts(ticks, lane.begin.map_or(0, |_| lane.end)));
        let lasts = lasts.max().filter(|_| self.count > 0)?;
        let mut out = Vec::new();
        let mut lanes: VecDeque<_> = self.lanes.iter().collect();
        put(&mut out, b"moov", |out| {
            for child in parts(self.moov) {
                match &child.kind {
                    b"mvex" => {}
                    b"mvhd" => put(out, b"mvhd", |out| timed(out, mvhd, 4, lasts)),
                    b"trak" => match lanes.pop_front() {
                        Some(lane) if !lane.samples.is_empty() => put(out, b"trak", |out| lane.write(out, ticks)),
                        _ => {}
                    },
                    kind => put(out, kind, |out| out.extend_from_slice(child.body)),
                }
            }
        });
        Some(out)
    }
}

/// Writes the body of `mvhd`, `tkhd` or `mdhd` with another duration, as version 1. Between times
/// and duration stand `between` bytes.
fn timed(out: &mut Vec<u8>, body: &[u8], between: usize, duration: u64) {
    let is_long = body.first() == Some(&1);
    out.push(1);
    out.extend_from_slice(body.get(1..4).unwrap_or(&[0; 3]));
    for at in [0, 1] {
        let time = if is_long { u64_at(body, 4 + 8 * at) } else { u32_at(body, 4 + 4 * at).map(u64::from) };
        put_u64(out, time.unwrap_or(0));
    }
    let at = if is_long { 20 } else { 12 };
    out.extend_from_slice(body.get(at..at + between).unwrap_or_default());
    put_u64(out, duration);
    out.extend_from_slice(body.get(at + between + if is_long { 8 } else { 4 }..).unwrap_or_default());
}

impl Lane<'_> {
    /// Takes in one run of samples; returns where it ends.
    fn add_trun(
        &mut self,
        trun: &[u8],
        base: u64,
        place: u64,
        usual: Usual,
        most: u64,
        count: &mut usize,
    ) -> Option<u64> {
        let (flags, samples) = (u32_at(trun, 0)? & 0xff_ffff, u32_at(trun, 4)?);
        let mut at = 8;
        let mut next = |bit: u32, usual: u32| match flags & bit {
            0 => Some(usual),
            _ => {
                at += 4;
                u32_at(trun, at - 4)
            }
        };
        let begin = match flags & 1 {
            0 => place,
            _ => base.checked_add_signed(i64::from(next(1, 0)?.cast_signed()))?,
        };
        let first_flags = (flags & 4 != 0).then(|| next(4, 0)).flatten();
        let per_sample = [0x100, 0x200, 0x400, 0x800].iter().filter(|bit| flags & **bit != 0).count() * 4;
        // Samples that say nothing of themselves are bounded by what is there of them.
        *count = count.checked_add(usize::try_from(samples).ok()?).filter(|count| *count <= MOST_SAMPLES)?;
        if per_sample.checked_mul(usize::try_from(samples).ok()?)? > trun.len() {
            return None;
        }
        let mut end = begin;
        for number in 0..samples {
            let duration = next(0x100, usual.duration)?;
            // None is empty: a few bytes could claim any number of those.
            let size = next(0x200, usual.size).filter(|size| *size > 0)?;
            let own = next(0x400, usual.flags)?;
            let offset = next(0x800, 0)?.cast_signed();
            let own = first_flags.filter(|_| number == 0).unwrap_or(own);
            // sample_is_non_sync_sample.
            let key = own & 0x1_0000 == 0;
            self.samples.push(Sample { size, duration, offset, key });
            self.end = self.end.saturating_add(duration.into());
            end = end.checked_add(size.into()).filter(|end| *end <= most)?;
        }
        if samples > 0 {
            self.chunks.push((begin, samples));
        }
        Some(end)
    }

    /// `own` ticks of the track in ticks of which there are `ticks` in a second.
    fn lasts(&self, ticks: u32, own: u64) -> u64 {
        let scaled = u128::from(own) * u128::from(ticks) / u128::from(self.ticks);
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    fn write(&self, out: &mut Vec<u8>, ticks: u32) {
        let begin = self.begin.unwrap_or(0);
        let own = self.end.saturating_sub(begin);
        for child in parts(self.trak) {
            match &child.kind {
                b"tkhd" => {
                    put(out, b"tkhd", |out| timed(out, child.body, 8, self.lasts(ticks, self.end)));
                    if begin > 0 {
                        self.write_edits(out, ticks, begin, own);
                    }
                }
                b"edts" => {}
                b"mdia" => put(out, b"mdia", |out| {
                    for child in parts(child.body) {
                        match &child.kind {
                            b"mdhd" => put(out, b"mdhd", |out| timed(out, child.body, 4, own)),
                            b"minf" => put(out, b"minf", |out| {
                                for child in parts(child.body) {
                                    match &child.kind {
                                        b"stbl" => put(out, b"stbl", |out| self.write_table(out, child.body)),
                                        kind => put(out, kind, |out| out.extend_from_slice(child.body)),
                                    }
                                }
                            }),
                            kind => put(out, kind, |out| out.extend_from_slice(child.body)),
                        }
                    }
                }),
                kind => put(out, kind, |out| out.extend_from_slice(child.body)),
            }
        }
    }

    /// Nothing until the track begins, then all of it (8.6.6).
    fn write_edits(&self, out: &mut Vec<u8>, ticks: u32, begin: u64, own: u64) {
        put(out, b"edts", |out| {
            put(out, b"elst", |out| {
                put_u32(out, 1 << 24);
                put_u32(out, 2);
                for (duration, from) in [(self.lasts(ticks, begin), u64::MAX), (self.lasts(ticks, own), 0)] {
                    put_u64(out, duration);
                    put_u64(out, from);
                    put_u32(out, 1 << 16);
                }
            });
        });
    }

    /// `stbl` (8.5.1): the description as it was, and where and when each sample is.
    fn write_table(&self, out: &mut Vec<u8>, stbl: &[u8]) {
        if let Some(stsd) = part(stbl, b"stsd") {
            put(out, b"stsd", |out| out.extend_from_slice(stsd));
        }
        let samples = &self.samples;
        runs(out, b"stts", 0, samples.iter().map(|sample| sample.duration));
        if samples.iter().any(|sample| sample.offset != 0) {
            // Version 1 has offsets with a sign.
            runs(out, b"ctts", 1 << 24, samples.iter().map(|sample| sample.offset.cast_unsigned()));
        }
        if samples.iter().any(|sample| !sample.key) {
            put(out, b"stss", |out| {
                let keys = || samples.iter().zip(1_u32..).filter(|(sample, _)| sample.key).map(|(_, number)| number);
                put_u32(out, 0);
                put_u32(out, u32::try_from(keys().count()).unwrap_or(u32::MAX));
                keys().for_each(|number| put_u32(out, number));
            });
        }
        put(out, b"stsc", |out| {
            let count = |at: usize| self.chunks.get(at).map(|(_, count)| *count);
            let changes: Vec<_> =
                (0..self.chunks.len()).filter(|at| *at == 0 || count(*at) != count(at.wrapping_sub(1))).collect();
            put_u32(out, 0);
            put_u32(out, changes.len() as u32);
            for at in changes {
                put_u32(out, at as u32 + 1);
                put_u32(out, count(at).unwrap_or(0));
                put_u32(out, 1);
            }
        });
        put(out, b"stsz", |out| {
            put_u32(out, 0);
            put_u32(out, 0);
            put_u32(out, samples.len() as u32);
            samples.iter().for_each(|sample| put_u32(out, sample.size));
        });
        put(out, b"co64", |out| {
            put_u32(out, 0);
            put_u32(out, self.chunks.len() as u32);
            self.chunks.iter().for_each(|(at, _)| put_u64(out, *at));
        });
    }
}

/// A table of how often a value is repeated.
fn runs(out: &mut Vec<u8>, kind: &[u8; 4], version: u32, values: impl Iterator<Item = u32>) {
    let mut rows: Vec<(u32, u32)> = Vec::new();
    for value in values {
        match rows.last_mut() {
            Some((count, last)) if *last == value => *count += 1,
            _ => rows.push((1, value)),
        }
    }
    put(out, kind, |out| {
        put_u32(out, version);
        put_u32(out, rows.len() as u32);
        for (count, value) in rows {
            put_u32(out, count);
            put_u32(out, value);
        }
    });
}

/// What is found at the beginning of a file of ours that is not finished.
struct Beginning {
    /// Where the free box is.
    free: u64,
    moov: Vec<u8>,
    /// Where the first fragment is.
    fragments: u64,
}

/// The head of the box at `at`: its kind and where it ends; nothing where there is none.
fn head_at(file: &File, at: u64, size: u64) -> io::Result<Option<([u8; 4], u64, u64)>> {
    let mut head = [0; 16];
    if size.saturating_sub(at) < 8 {
        return Ok(None);
    }
    let long = size - at >= 16;
    file.read_exact_at(&mut head[..if long { 16 } else { 8 }], at)?;
    let kind = [head[4], head[5], head[6], head[7]];
    let (body, length) = match u32_at(&head, 0) {
        Some(1) if long => (16, u64_at(&head, 8).unwrap_or(0)),
        length => (8, u64::from(length.unwrap_or(0))),
    };
    let end = at.checked_add(length).filter(|end| length >= body && *end <= size);
    Ok(end.map(|end| (kind, at + body, end)))
}

fn beginning(file: &File, size: u64) -> io::Result<Option<Beginning>> {
    let Some((kind, _, free)) = head_at(file, 0, size)? else { return Ok(None) };
    let mut mark = [0; FREE.len()];
    if kind != *b"ftyp" || free > MOST.0 || size < free + FREE.len() as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut mark, free)?;
    if mark != FREE {
        return Ok(None);
    }
    let Some((kind, body, fragments)) = head_at(file, free + FREE.len() as u64, size)? else { return Ok(None) };
    if kind != *b"moov" || fragments - body > MOST.1 {
        return Ok(None);
    }
    let mut moov = vec![0; usize::try_from(fragments - body).unwrap_or(0)];
    file.read_exact_at(&mut moov, body)?;
    Ok(Some(Beginning { free, moov, fragments }))
}

/// Whether it is a file of ours in fragments, without a whole one.
pub(crate) fn is_bare(file: &File) -> io::Result<bool> {
    let size = file.metadata()?.len();
    let Some(begin) = beginning(file, size)? else { return Ok(false) };
    let end = match head_at(file, begin.fragments, size)? {
        Some((kind, _, end)) if kind == *b"moof" => end,
        // An index that was not written to its end is no fragment, nor is anything else of ours.
        _ => return Ok(true),
    };
    Ok(head_at(file, end, size)?.is_none())
}

/// Gives a file in fragments its index. What follows the last whole fragment goes. `false` for a
/// file that is none of ours, or is finished, or has no samples: it stays as it is.
pub(crate) fn finish(file: &File) -> io::Result<bool> {
    let size = file.metadata()?.len();
    let Some(begin) = beginning(file, size)? else { return Ok(false) };
    let Some(mut index) = Index::new(&begin.moov) else { return Ok(false) };
    let mut at = begin.fragments;
    while let Some((kind, body, end)) = head_at(file, at, size)? {
        if kind != *b"moof" || end - body > MOST.2 {
            break;
        }
        let Some((_, _, whole)) = head_at(file, end, size)?.filter(|(kind, ..)| kind == b"mdat") else { break };
        let mut moof = vec![0; usize::try_from(end - body).unwrap_or(0)];
        file.read_exact_at(&mut moof, body)?;
        if !index.add(&moof, at, whole) {
            return Ok(false);
        }
        at = whole;
    }
    let Some(moov) = index.moov() else { return Ok(false) };
    // A torn fragment, or an index that was not written to its end.
    file.set_len(at)?;
    file.write_all_at(&moov, at)?;
    file.sync_data()?;
    let mut head = [0; 16];
    head[..8].copy_from_slice(b"\0\0\0\x01mdat");
    head[8..].copy_from_slice(&(at - begin.free).to_be_bytes());
    file.write_all_at(&head, begin.free)?;
    file.sync_data()?;
    Ok(true)
}

/// The header of a file in fragments with the free box behind its `ftyp`.
pub(crate) fn with_room(header: &[u8]) -> Vec<u8> {
    let ftyp = u32_at(header, 0).and_then(|size| usize::try_from(size).ok()).unwrap_or(0).min(header.len());
    [&header[..ftyp], &FREE, &header[ftyp..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A box of `kind` around `body`.
    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, kind, |out| out.extend_from_slice(body));
        out
    }

    fn moov() -> Vec<u8> {
        let head = |ticks: u32| [[0; 12].as_slice(), &ticks.to_be_bytes(), &[0; 84]].concat();
        let tkhd = [[0; 12].as_slice(), &1_u32.to_be_bytes(), &[0; 68]].concat();
        let stbl = boxed(b"stbl", &boxed(b"stsd", b"described"));
        let mdia = [boxed(b"mdhd", &head(50)), boxed(b"minf", &stbl)].concat();
        let trak = [boxed(b"tkhd", &tkhd), boxed(b"mdia", &mdia)].concat();
        let trex = [[0; 4].as_slice(), &1_u32.to_be_bytes(), &[0; 16]].concat();
        [boxed(b"mvhd", &head(1000)), boxed(b"trak", &trak), boxed(b"mvex", &boxed(b"trex", &trex))].concat()
    }

    fn moof() -> Vec<u8> {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
        let tfhd = boxed(b"tfhd", &words(&[0x2_0000, 1]));
        let tfdt = boxed(b"tfdt", &words(&[0, 10]));
        let trun = boxed(b"trun", &words(&[0x301, 2, 108, 5, 100, 5, 60]));
        boxed(b"traf", &[tfhd, tfdt, trun].concat())
    }

    #[test]
    fn samples_are_found_where_fragments_say() {
        let (moov, moof) = (moov(), moof());
        let mut index = Index::new(&moov).unwrap();
        assert!(index.add(&moof, 1000, 5000));
        let lane = &index.lanes[0];
        assert_eq!((lane.begin, lane.end, &lane.chunks), (Some(10), 20, &vec![(1108, 2)]));
        assert!(index.moov().unwrap().windows(4).any(|kind| kind == b"co64"));
        assert!(!Index::new(&moov).unwrap().add(&moof, 1000, 1200), "they lie behind the end");
    }

    #[test]
    fn bytes_that_are_cut_or_flipped_are_refused_or_read_and_nothing_else() {
        let (moov, moof) = (moov(), moof());
        for bit in 0..moof.len() * 8 {
            let mut bad = moof.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let mut index = Index::new(&moov).unwrap();
            index.add(&bad, 1000, 5000);
            index.add(&bad[..bit / 8], 1000, 5000);
            assert!(index.count <= MOST_SAMPLES);
            let _ = index.moov();
        }
        for bit in 0..moov.len() * 8 {
            let mut bad = moov.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            for bytes in [&bad[..], &bad[..bit / 8]] {
                if let Some(mut index) = Index::new(bytes) {
                    index.add(&moof, 1000, 5000);
                    let _ = index.moov();
                }
            }
        }
    }
}
