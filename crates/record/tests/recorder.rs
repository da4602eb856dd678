//! A recording whose disk fills up, and one whose feed is lost.

#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use feed::{Feed, Limits, Publisher, Start};
use media::{Packet, Size, Timestamp, Track, TrackId, Tracks};
use record::{Disk, Event, Keep, Options, Pattern, Recorder};

/// A disk that is full when it is told to be.
#[derive(Default)]
struct Full(AtomicBool);

impl Disk for Full {
    fn write_all_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        if self.0.load(SeqCst) {
            // Half of it had room.
            file.write_all_at(&bytes[..bytes.len() / 2], at)?;
            return Err(io::Error::from_raw_os_error(28));
        }
        file.write_all_at(bytes, at)
    }
}

struct Camera {
    publisher: Publisher,
    next: u64,
}

impl Camera {
    fn new() -> (Self, Feed) {
        let (publisher, feed) = Feed::new(Limits::default());
        publisher.declare(Tracks::new(vec![Track::mjpeg(Size::new(64, 48))]));
        (Self { publisher, next: 0 }, feed)
    }

    /// The next picture, whose bytes are its number.
    fn shoot(&mut self) {
        let at = Timestamp::from_ticks(self.next.cast_signed(), 1, 50);
        let mut data = vec![0xff, 0xd8];
        data.extend_from_slice(format!("<{}>", self.next).as_bytes());
        data.resize(2000, 0x20);
        let packet = Packet {
            track: TrackId(0),
            pts: at,
            dts: at,
            duration: None,
            key: true,
            corrupt: false,
            discontinuity: false,
            received: Instant::now(),
            captured: None,
            data: Bytes::from(data),
        };
        self.publisher.publish(packet).unwrap();
        self.next += 1;
    }

    /// Pictures until something is so.
    async fn shoot_until(&mut self, what: &str, mut so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !so() {
            assert!(began.elapsed() < Duration::from_secs(20), "{what}");
            self.shoot();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Everything into one file of this name.
fn one_file(name: &Path) -> Options {
    Options {
        pattern: Pattern::new(name.to_str().unwrap(), true).unwrap(),
        segment: None,
        keep: Keep::default(),
        video_only: false,
        title: "door".into(),
    }
}

/// The pictures in a file, by what stands in them.
fn pictures(path: &Path) -> Vec<u64> {
    let bytes = std::fs::read(path).unwrap();
    let text: String = bytes.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { ' ' }).collect();
    text.split('<').skip(1).filter_map(|rest| rest.split_once('>')?.0.parse().ok()).collect()
}

#[tokio::test]
async fn a_full_disk_is_told_once_and_recording_goes_on_by_itself() {
    for extension in ["mp4", "mkv"] {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join(format!("x.{extension}"));
        let (mut camera, feed) = Camera::new();
        let disk = Arc::new(Full::default());
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let telling = Arc::clone(&told);
        let tell = move |event: Event| {
            let text = match event {
                Event::Failed(error) => format!("failed: {}", error.told()),
                Event::Resumed(_) => "resumed".into(),
                _ => return,
            };
            telling.lock().unwrap().push(text);
        };
        let recorder =
            Recorder::start_on(feed.cursor(Start::Keyframe), one_file(&name), Arc::clone(&disk) as Arc<dyn Disk>, tell)
                .unwrap();
        camera.shoot_until("a file", || recorder.status().file_bytes > 50_000).await;
        disk.0.store(true, SeqCst);
        camera.shoot_until("a failure", || recorder.status().error.is_some()).await;
        // The next attempt fails too, and is no news.
        let dropped = recorder.status().dropped;
        camera.shoot_until("pictures left out", || recorder.status().dropped > dropped + 450).await;
        disk.0.store(false, SeqCst);
        camera
            .shoot_until("an end of the failure", || {
                let status = recorder.status();
                status.error.is_none() && status.file_bytes > 50_000
            })
            .await;
        let status = recorder.finish().await;
        let told = told.lock().unwrap().clone();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("No space left on device") && told[1] == "resumed", "{told:?}");
        let mut files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort_by_key(|path| path.file_stem().unwrap().to_owned());
        assert_eq!(files.len(), 2, "{files:?}");
        let found: Vec<Vec<u64>> = files.iter().map(|file| pictures(file)).collect();
        for numbers in &found {
            assert!(numbers.len() > 10 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
        }
        assert_eq!(found[0][0], 0);
        assert!(found[1][0] > *found[0].last().unwrap() + 450);
        assert!(status.packets + status.dropped == camera.next, "{status:?} of {}", camera.next);
    }
}

/// A disk of 1 GB with so many bytes left, on which a header has room and pictures have none.
#[derive(Default)]
struct Nearly {
    left: AtomicU64,
    attempts: AtomicU64,
}

impl Disk for Nearly {
    fn write_all_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        if at == 0 {
            self.attempts.fetch_add(1, SeqCst);
        }
        if bytes.len() as u64 > self.left.load(SeqCst) {
            return Err(io::Error::from_raw_os_error(28));
        }
        file.write_all_at(bytes, at)
    }

    fn room(&self, _: &Path) -> io::Result<(u64, u64)> {
        Ok((self.left.load(SeqCst), 1 << 30))
    }
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_is_left_alone_until_it_has_room() {
    for extension in ["mp4", "mkv"] {
        let folder = tempfile::tempdir().unwrap();
        let (mut camera, feed) = Camera::new();
        let disk = Arc::new(Nearly { left: AtomicU64::new(1990), ..Nearly::default() });
        let recorder = Recorder::start_on(
            feed.cursor(Start::Keyframe),
            one_file(&folder.path().join(format!("x.{extension}"))),
            Arc::clone(&disk) as Arc<dyn Disk>,
            |_| (),
        )
        .unwrap();
        camera.shoot_until("a failure", || recorder.status().error.is_some()).await;
        assert!(recorder.status().error.unwrap().contains("the disk is full"));
        // Room for a few pictures, and less than a megabyte: longer than an attempt waits for.
        disk.left.store(900_000, SeqCst);
        let dropped = recorder.status().dropped;
        camera.shoot_until("pictures left out", || recorder.status().dropped > dropped + 500).await;
        assert_eq!(disk.attempts.load(SeqCst), 1, "tried again without room");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a file without a picture stays");
        disk.left.store(2 << 20, SeqCst);
        camera.shoot_until("an end of the failure", || recorder.status().error.is_none()).await;
        let status = recorder.finish().await;
        assert_eq!(status.files, 1, "{status:?}");
    }
}

#[tokio::test]
async fn a_recording_ends_with_its_feed() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("x");
    let (mut camera, feed) = Camera::new();
    let recorder = Recorder::start(&feed, one_file(&name), |_| ()).unwrap();
    for _ in 0..20 {
        camera.shoot();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(camera);
    recorder.ended().await;
    assert_eq!(pictures(&folder.path().join("x.mkv")), (0..20).collect::<Vec<_>>());
    assert_eq!(recorder.finish().await.files, 1);
}

/// Waits until so many packets are taken.
async fn written(recorder: &Recorder, packets: u64) {
    let began = Instant::now();
    while recorder.status().packets < packets {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", recorder.status());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn the_first_picture_is_on_the_disk_before_there_is_another_one() {
    for extension in ["mp4", "mov", "mkv", "avi", "asf"] {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join(format!("x.{extension}"));
        let (mut camera, feed) = Camera::new();
        let recorder = Recorder::start(&feed, one_file(&name), |_| ()).unwrap();
        camera.shoot();
        written(&recorder, 1).await;
        assert_eq!(pictures(&name), [0], "{extension}");
        camera.shoot();
        written(&recorder, 2).await;
        recorder.finish().await;
        assert_eq!(pictures(&name), [0, 1], "{extension}");
    }
}

#[tokio::test]
async fn a_file_that_was_left_without_a_picture_is_removed_at_the_next_start_and_nothing_else_is() {
    for extension in ["mp4", "mkv", "avi", "asf", "ts"] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(format!("{name}.{extension}"));
        let options = |name: &str| one_file(&at(name));
        // What a recorder had written when it was killed: a part of a file of one picture.
        let whole = match extension {
            "ts" => Vec::new(),
            _ => {
                let (mut camera, feed) = Camera::new();
                let recorder = Recorder::start(&feed, options("whole"), |_| ()).unwrap();
                camera.shoot();
                written(&recorder, 1).await;
                std::fs::read(at("whole")).unwrap()
            }
        };
        let mut removed = 0;
        // Every one around the end of the header, elsewhere some; packets of ASF are whole hundreds.
        let is_near = |left: usize| (1990..2150).contains(&left) || left.is_multiple_of(100) || left == whole.len();
        for end in (0..=whole.len()).filter(|end| is_near(whole.len() - end)) {
            std::fs::write(at("left"), &whole[..end]).unwrap();
            let (camera, feed) = Camera::new();
            let told: Arc<Mutex<u64>> = Arc::default();
            let telling = Arc::clone(&told);
            let tell = move |event| {
                if let Event::Bare(count) = event {
                    *telling.lock().unwrap() += count;
                }
            };
            let recorder = Recorder::start(&feed, options("left"), tell).unwrap();
            drop(camera);
            recorder.ended().await;
            let is_gone = !at("left").exists();
            assert_eq!(u64::from(is_gone), *told.lock().unwrap(), "{extension} {end}");
            assert!(!is_gone || end < whole.len() || end == 0, "{extension}: it had a picture");
            removed += u64::from(is_gone);
        }
        assert!(removed >= if extension == "ts" { 1 } else { 2 }, "{extension}: {removed}");
    }
}
