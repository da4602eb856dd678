//! Killed while writing, two hundred times: nothing that was written is lost.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::*;
use ring::{Config, Ring, Start};

/// Tells the writer where.
const FOLDER: &str = "RING_CRASH_FOLDER";
const KILLS: u32 = 200;

fn ring_of(folder: PathBuf) -> Config {
    Config { path: folder, bytes: 2 << 20, read_only: false }
}

/// The process that is killed: writes numbered packets as fast as it can, from where the ring
/// ends, and says which are written and which are on the disk for good.
#[test]
fn the_writer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let (ring, writer) = Ring::open(&ring_of(folder.into())).unwrap();
    let mut writer = writer.expect("nobody else has it");
    let tracks = tracks();
    let mut sizes = Random(ring.end() | 1);
    let mut out = std::io::stdout();
    for number in ring.end().. {
        let size = 8 + sizes.below(30_000) as usize;
        writer.append(&record(&tracks, number, number % 12 == 0, size)).unwrap();
        if number % 16 == 15 {
            writer.sync().unwrap();
            writeln!(out, "synced {number}").unwrap();
        } else {
            writeln!(out, "wrote {number}").unwrap();
        }
    }
}

#[test]
fn every_packet_that_was_written_before_a_kill_is_there_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let config = ring_of(folder.path().join("cam"));
    let mut random = Random(20_261_125);
    let (mut wrote, mut synced) = (None, None);
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["the_writer", "--exact", "--nocapture"])
            .env(FOLDER, &config.path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = child.stdout.take().unwrap();
        let reading = std::thread::spawn(move || {
            let mut last: (Option<u64>, Option<u64>) = (None, None);
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                let number = |word: &str| line.strip_prefix(word).and_then(|number| number.trim().parse().ok());
                last = (number("wrote").or(number("synced")).or(last.0), number("synced").or(last.1));
            }
            last
        });
        // Somewhere in the start, the writing, or the change from one segment to the next.
        std::thread::sleep(Duration::from_micros(5_000 + random.below(60_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let (last_wrote, last_synced) = reading.join().unwrap();
        wrote = last_wrote.or(wrote);
        synced = last_synced.or(synced);

        if !config.path.join("ring").exists() {
            // Killed before there was a ring.
            assert_eq!((wrote, synced), (None, None));
            continue;
        }
        assert!(on_disk(&config) <= config.bytes, "{} bytes after kill {kill}", on_disk(&config));
        // Reading only leaves it to the next process as the kill left it.
        let (ring, _) = Ring::open(&Config { read_only: true, ..config.clone() }).unwrap();
        let kept: Vec<_> = all(&ring, Start::Oldest).iter().map(number).collect();
        assert!(kept.windows(2).all(|pair| pair[1] == pair[0] + 1), "kill {kill}: a gap");
        let newest = kept.last().copied();
        // The process may have been killed between a write and its word of it, not before.
        assert!(
            newest >= wrote && newest >= synced,
            "kill {kill}: {newest:?} kept, {wrote:?} wrote, {synced:?} synced"
        );
        assert!(newest <= wrote.map(|wrote| wrote + 1).or(Some(0)), "kill {kill}: {newest:?} kept, {wrote:?} wrote");
        let held: u64 = kept.len() as u64;
        assert!(wrote.is_none_or(|wrote| wrote < 200 || held > 60), "kill {kill}: {held} kept");
    }
    assert!(wrote.is_some_and(|wrote| wrote > 1000), "it did write: {wrote:?}");
    println!("{wrote:?} was written last");
}
