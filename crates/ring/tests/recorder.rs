//! A recorder in front of disks that are full, stuck, or somebody else's.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use common::*;
use ring::{Config, Disk, Event, Recorder, Start, System};

/// Takes so many bytes and no more; the last of them in part.
struct Small(AtomicU64);

impl Disk for Small {
    fn write_at(&self, file: &File, slices: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        let wanted: usize = slices.iter().map(|slice| slice.len()).sum();
        let room = self.0.load(SeqCst);
        if (wanted as u64) <= room {
            self.0.fetch_sub(wanted as u64, SeqCst);
            return System.write_at(file, slices, at);
        }
        if room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.store(0, SeqCst);
        let part = slices[0].len().min(room as usize);
        System.write_at(file, &[IoSlice::new(&slices[0][..part])], at)
    }
}

/// Stands still until it is let go.
#[derive(Default)]
struct Stuck {
    stuck: Mutex<bool>,
    freed: Condvar,
    waits: AtomicBool,
}

impl Disk for Stuck {
    fn write_at(&self, file: &File, slices: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        let mut stuck = self.stuck.lock().unwrap();
        while *stuck {
            self.waits.store(true, SeqCst);
            stuck = self.freed.wait(stuck).unwrap();
        }
        drop(stuck);
        System.write_at(file, slices, at)
    }
}

fn start(config: &Config, disk: Arc<dyn Disk>) -> (Recorder, Receiver<Event>) {
    let (tell, told) = mpsc::channel();
    let recorder = Recorder::start_on(config.clone(), disk, move |event| _ = tell.send(event)).unwrap();
    (recorder, told)
}

fn next(told: &Receiver<Event>) -> Event {
    told.recv_timeout(Duration::from_secs(20)).expect("the recorder tells something")
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_full_disk_is_told_and_recording_resumes_by_itself_at_a_keyframe() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 1 << 20);
    let disk = Arc::new(Small(AtomicU64::new(10_000)));
    let (recorder, told) = start(&config, disk.clone());
    assert!(matches!(next(&told), Event::Opened(_, true)));
    let tracks = tracks();
    let mut number = 0;
    let mut offer = |count: u64| {
        for _ in 0..count {
            recorder.offer(record(&tracks, number, number % 5 == 0, 1000));
            number += 1;
        }
        number
    };
    offer(20);
    let Event::Failed(error) = next(&told) else { panic!("the disk is full") };
    assert!(std::error::Error::source(&error).is_some_and(|cause| cause.to_string().contains("no storage space")));
    until("the packets are given up", || !recorder.is_writing());
    let full = recorder.status();
    assert!(full.error.is_some() && full.written > 0 && full.written + full.dropped == 20, "{full:?}");
    let kept = common::told(&all(&recorder.ring().unwrap(), Start::Oldest));

    disk.0.store(1 << 30, SeqCst);
    let resumed = loop {
        offer(1);
        std::thread::sleep(Duration::from_millis(20));
        match told.try_recv() {
            Ok(Event::Resumed(dropped)) => break dropped,
            Ok(other) => panic!("{other:?}"),
            Err(_) => assert!(recorder.status().dropped < 10_000, "it does not resume"),
        }
    };
    assert!(resumed >= 1);
    assert_eq!(recorder.status().error, None);
    let entries = all(&recorder.ring().unwrap(), Start::Oldest);
    assert!(common::told(&entries).starts_with(&kept), "nothing was lost of what was there");
    let after = entries.iter().find(|entry| entry.number >= 20).unwrap();
    assert!(after.packet.key && after.packet.discontinuity, "it goes on at a keyframe, and says so");
}

#[test]
fn a_disk_that_stands_still_holds_nobody_up_and_costs_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 256 << 20);
    let disk = Arc::new(Stuck::default());
    *disk.stuck.lock().unwrap() = true;
    let (recorder, told) = start(&config, disk.clone());
    assert!(matches!(next(&told), Event::Opened(_, true)));
    let tracks = tracks();
    // 40 MB, of which 16 fit into the queue.
    for number in 0..400 {
        recorder.offer(record(&tracks, number, number % 5 == 0, 100_000));
    }
    until("the disk is asked", || disk.waits.load(SeqCst));
    let status = recorder.status();
    assert!((230..=245).contains(&status.dropped), "{status:?}");
    *disk.stuck.lock().unwrap() = false;
    disk.freed.notify_all();
    until("the queue is written", || !recorder.is_writing());
    recorder.offer(record(&tracks, 401, false, 100));
    recorder.offer(record(&tracks, 405, true, 100));
    until("the queue is written", || !recorder.is_writing());
    let entries = all(&recorder.ring().unwrap(), Start::Oldest);
    assert_eq!(entries.last().map(|entry| (number(entry), entry.packet.discontinuity)), Some((405, true)));
    assert_eq!(entries.len() as u64, recorder.status().written);
    assert!(entries.iter().all(|entry| entry.number != 401), "nothing is written that follows what was dropped");
}

#[test]
fn a_recorder_that_is_refused_its_ring_says_why_and_begins_when_the_way_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 1 << 20);
    std::fs::write(&config.path, b"FFM2").unwrap();
    let (recorder, told) = start(&config, Arc::new(System));
    let Event::Failed(error) = next(&told) else { panic!("it is a file") };
    assert!(error.to_string().contains("a feed file of ffserver"), "{error}");
    assert!(recorder.status().error.is_some() && recorder.ring().is_none());
    std::fs::remove_file(&config.path).unwrap();
    let mut number = 0;
    until("it records", || {
        number += 1;
        recorder.offer(record(&tracks(), number, true, 100));
        recorder.status().written > 0
    });
    assert!(matches!((next(&told), next(&told)), (Event::Opened(_, true), Event::Resumed(_))));
}

#[test]
fn what_was_offered_is_written_before_a_recorder_ends() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 1 << 20);
    let (recorder, _told) = start(&config, Arc::new(System));
    let tracks = tracks();
    for number in 0..50 {
        recorder.offer(record(&tracks, number, number == 0, 1000));
    }
    drop(recorder);
    let (ring, _) = ring::Ring::open(&Config { read_only: true, ..config }).unwrap();
    assert_eq!(all(&ring, Start::Oldest).len(), 50);
}
