//! How fast an ASF file is taken apart on one core, beside memcpy of the same bytes.
//!
//! `cargo run --release -p asf --example demux_throughput FILE [SECONDS]` prints one line of JSON
//! with GB/s: `memcpy` of the packets one by one; `demux` of packets that lie in memory;
//! `file`, all the way from the file, read in pieces of 256 KiB, to units; and how many units.

// A measurement looks at the clock, and reads a file.
#![allow(clippy::disallowed_methods)]

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use asf::{Demuxer, Header, Piece, Reader};
use rustix::time::{ClockId, clock_gettime};

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    // A program that has run for a while has freed large blocks, after which glibc no longer
    // asks the kernel for each of them.
    drop(black_box(vec![1_u8; 16 << 20]));
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: throughput FILE [SECONDS]")?;
    let time = Duration::from_secs_f64(arguments.next().map_or(Ok(1.0), |seconds| seconds.parse())?);

    let mut header = None;
    let mut packets = Vec::new();
    pieces(path.as_ref(), |piece| {
        match piece {
            Piece::Header(bytes) => header = Some(Header::parse(&bytes)?),
            Piece::Packet(packet) => packets.push(packet.to_vec()),
            _ => {}
        }
        Ok(())
    })?;
    let header = header.ok_or("no header")?;
    let bytes: usize = packets.iter().map(Vec::len).sum();
    let mut copy = vec![0; header.packet_size()];
    let memcpy = rate(bytes, time, || {
        for packet in &packets {
            copy.copy_from_slice(black_box(packet));
            black_box(&mut copy);
        }
        Ok(())
    })?;
    let mut units = 0;
    let demux = rate(bytes, time, || {
        let mut demuxer = demuxer(&header)?;
        units = packets.iter().map(|packet| take(&mut demuxer, packet)).sum();
        Ok(())
    })?;
    let file = rate(bytes, time, || {
        let mut demuxer = None;
        pieces(path.as_ref(), |piece| {
            match (piece, &mut demuxer) {
                (Piece::Header(bytes), demuxer) => *demuxer = Some(self::demuxer(&Header::parse(&bytes)?)?),
                (Piece::Packet(packet), Some(demuxer)) => drop(take(demuxer, packet)),
                _ => {}
            }
            Ok(())
        })
    })?;
    println!(
        r#"{{"bytes": {bytes}, "packets": {}, "units": {units}, "memcpy": {memcpy:.3}, "demux": {demux:.3}, "file": {file:.3}}}"#,
        packets.len()
    );
    Ok(())
}

fn pieces(path: &Path, mut take: impl FnMut(Piece<'_>) -> Result<(), Error>) -> Result<(), Error> {
    let (mut file, mut buffer, mut reader) = (File::open(path)?, vec![0; 256 << 10], Reader::new());
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok(reader.handle_end()?);
        }
        let mut bytes = &buffer[..length];
        while let Some(piece) = reader.next(&mut bytes)? {
            take(piece)?;
        }
    }
}

fn demuxer(header: &Header) -> Result<Demuxer, Error> {
    let all: Vec<_> = header.streams.iter().map(|stream| stream.number).collect();
    Ok(Demuxer::new(header, &all)?)
}

/// Demuxes a packet; how many units came of it.
fn take(demuxer: &mut Demuxer, packet: &[u8]) -> usize {
    demuxer.handle_slice(packet);
    std::iter::from_fn(|| demuxer.poll_unit()).map(|unit| drop(black_box(unit))).count()
}

/// GB/s of the fastest round within `time`, by the time that this thread had a processor:
/// what else the machine does only slows it down.
fn rate(bytes: usize, time: Duration, mut round: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
    let begin = Instant::now();
    let mut best = Duration::MAX;
    while begin.elapsed() < time || best == Duration::MAX {
        let begin = running();
        round()?;
        best = best.min(running().saturating_sub(begin));
    }
    Ok(bytes as f64 / best.as_secs_f64() / 1e9)
}

/// For how long this thread has run.
fn running() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}
