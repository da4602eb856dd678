//! What a ring costs beside plain `write()` of the same bytes, and how fast it is sought.
//!
//!     throughput FOLDER MEGABYTES
//!
//! Writes so much of 30 KB packets to a ring in FOLDER and, in turns, to a plain file, each turn
//! brought to the disk; then
//! opens the ring anew and goes to a hundred places in it. Prints one line of JSON.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use media::{Packet, Size, Timestamp, Track, TrackId, Tracks};
use ring::{Config, Record, Ring, Start};
use rustix::time::{ClockId, clock_gettime};

const PACKET: usize = 30_000;
/// Packets that are written from one end of a turn to the other, some 30 MB.
const TURN: u64 = 1000;
const SEEKS: u64 = 100;
const STEP: Duration = Duration::from_millis(40);

fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or(0))
}

fn at(number: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_225_600) + STEP * u32::try_from(number).unwrap_or(u32::MAX)
}

fn record(tracks: &Tracks, number: u64, data: &Bytes) -> Record {
    let line = Timestamp::from_nanos(i64::try_from(number).unwrap_or(0) * 40_000_000);
    let packet = Packet {
        track: TrackId(0),
        pts: line,
        dts: line,
        duration: Some(STEP),
        key: number.is_multiple_of(25),
        corrupt: false,
        discontinuity: false,
        received: Instant::now(),
        captured: None,
        data: data.clone(),
    };
    Record { number, wall: at(number), tracks: tracks.clone(), packet }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(megabytes)) = (arguments.next(), arguments.next()) else {
        return Err("usage: throughput FOLDER MEGABYTES".into());
    };
    let (folder, megabytes) = (Path::new(&folder), megabytes.parse::<u64>()?);
    let config = Config { path: folder.join("ring"), bytes: megabytes << 20, read_only: false };
    let plain_path = folder.join("plain");
    fs::create_dir_all(folder)?;
    let _ = fs::remove_dir_all(&config.path);
    // Bytes that nothing can make smaller, and no cache makes cheap for one side only.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    });
    let data = Bytes::from(noise.take(PACKET).collect::<Vec<u8>>());
    let tracks = Tracks::new(vec![Track::mjpeg(Size::new(640, 480))]);

    let (_, writer) = Ring::open(&config)?;
    let mut writer = writer.ok_or("the ring cannot be written")?;
    let packets = (megabytes << 20) / PACKET as u64;
    let (mut ours, mut theirs) = (Duration::ZERO, Duration::ZERO);
    let (mut ours_wall, mut theirs_wall) = (Duration::ZERO, Duration::ZERO);
    let mut number = 0;
    while number < packets {
        let (began, spent) = (Instant::now(), cpu());
        for _ in 0..TURN {
            writer.append(&record(&tracks, number, &data))?;
            number += 1;
        }
        writer.sync()?;
        ours += cpu() - spent;
        ours_wall += began.elapsed();

        let (began, spent) = (Instant::now(), cpu());
        let mut plain = File::create(&plain_path)?;
        for _ in 0..TURN {
            plain.write_all(&data)?;
        }
        plain.sync_data()?;
        theirs += cpu() - spent;
        theirs_wall += began.elapsed();
        drop(plain);
        fs::remove_file(&plain_path)?;
    }
    drop(writer);
    let written = number as f64 * PACKET as f64 / 1e6;

    let began = Instant::now();
    let (ring, writer) = Ring::open(&config)?;
    let open = began.elapsed();
    let held = ring.span().ok_or("the ring is empty")?;
    let first = number - held.packets;
    let mut seeks = Vec::new();
    for seek in 0..SEEKS {
        // All over the ring, in an order that no reading ahead helps.
        let wanted = first + (seek * 61 % SEEKS) * held.packets / SEEKS;
        let began = Instant::now();
        let entry = ring.reader(Start::Wall(at(wanted))).read()?.ok_or("nothing there")?;
        seeks.push(began.elapsed().as_secs_f64() * 1e3);
        let keyframe = wanted / 25 * 25;
        // The oldest keyframe is up to a second behind the oldest packet.
        if entry.number != keyframe && wanted >= first + 25 {
            return Err(format!("sought {keyframe}, found {}", entry.number).into());
        }
    }
    drop(writer);
    fs::remove_dir_all(&config.path)?;
    seeks.sort_by(f64::total_cmp);
    println!(
        "{{\"mb\": {written:.0}, \"ring_cpu_ms_per_mb\": {:.4}, \"plain_cpu_ms_per_mb\": {:.4}, \"ring_mb_s\": {:.0}, \
         \"plain_mb_s\": {:.0}, \"open_ms\": {:.3}, \"seek_ms\": {:.4}, \"seek_worst_ms\": {:.4}, \"held_mb\": {:.0}}}",
        ours.as_secs_f64() * 1e3 / written,
        theirs.as_secs_f64() * 1e3 / written,
        written / ours_wall.as_secs_f64(),
        written / theirs_wall.as_secs_f64(),
        open.as_secs_f64() * 1e3,
        seeks[seeks.len() / 2],
        seeks[seeks.len() - 1],
        held.bytes as f64 / 1e6,
    );
    Ok(())
}
