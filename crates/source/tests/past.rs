//! Readers who begin in the past of a source, and what they get of it.

use std::path::Path;
use std::time::{Duration, SystemTime};

use feed::{Entry, Start};
use media::{Size, SizeWish, Timestamp, Variant};
use source::{Error, Options, Packets, Recoding, Record, Since, Supervisor};
use tokio::time::timeout;

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);
const URL: &str = "pattern:?size=320x240&fps=100&quality=60";

fn recorded(folder: &Path, bytes: u64) -> Supervisor {
    let record = Record { path: folder.join("cam"), bytes, read_only: false };
    Supervisor::new("cam", URL, Options { always_on: true, record: Some(record), ..Options::default() })
        .expect("it opens")
}

async fn next(packets: &mut Packets) -> Entry {
    timeout(PATIENCE, packets.next()).await.expect("hangs").expect("the source is open")
}

/// The next so many.
async fn some(packets: &mut Packets, count: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    while entries.len() < count {
        entries.push(next(packets).await);
    }
    entries
}

/// Waits until so many packets are recorded in all.
async fn until_written(source: &Supervisor, count: u64) {
    let written = async {
        while source.variants().recorded().expect("it is recorded").status.written < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, written).await.expect("it is recorded");
}

fn seqs(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_goes_from_the_recording_into_the_live_feed_without_gap_or_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let source = recorded(folder.path(), 64 << 20);
    // What everybody else gets, for comparison.
    let mut live = source.feed().cursor(Start::Oldest);
    let watching = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < 400 {
            seen.push(live.next().await.unwrap());
        }
        seen
    });
    until_written(&source, 100).await;
    let mut packets = source.variants().packets_since(Since::Oldest).unwrap();
    let mut got = some(&mut packets, 60).await;
    // It falls behind by more than the feed remembers, and catches up again.
    until_written(&source, 300).await;
    got.extend(some(&mut packets, 340).await);
    let seen = watching.await.unwrap();
    assert_eq!(seqs(&got), (0..400).collect::<Vec<_>>());
    for (got, seen) in got.iter().zip(&seen) {
        assert_eq!((got.seq, got.lost), (seen.seq, 0));
        assert_eq!((got.packet.pts, got.packet.dts), (seen.packet.pts, seen.packet.dts));
        assert!(got.packet.data == seen.packet.data, "packet {} is the same", got.seq);
    }
    assert!(got.iter().all(|entry| entry.tracks.same(&got[0].tracks)), "one declaration from first to last");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_readers_cross_over_while_the_source_runs_and_none_misses_a_packet() {
    let folder = tempfile::tempdir().unwrap();
    let source = recorded(folder.path(), 64 << 20);
    until_written(&source, 30).await;
    let readers = (0..30).map(|place| {
        let source = source.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(place * 7)).await;
            let ago = Since::Ago(Duration::from_millis(place * 10));
            let mut packets = source.variants().packets_since(ago).unwrap();
            let got = some(&mut packets, 120).await;
            let first = got[0].seq;
            assert_eq!(seqs(&got), (first..first + 120).collect::<Vec<_>>());
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        reader.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_goes_on_after_a_restart_on_one_line_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let source = recorded(folder.path(), 64 << 20);
    until_written(&source, 50).await;
    drop(source);
    // Its end waits for the disk on another thread.
    let source = timeout(PATIENCE, async {
        loop {
            let source = recorded(folder.path(), 64 << 20);
            tokio::time::sleep(Duration::from_millis(50)).await;
            match source.variants().recorded().unwrap().status.error {
                None => return source,
                Some(_) => drop(source),
            }
        }
    });
    let source = source.await.expect("the ring is free again");
    until_written(&source, 20).await;
    let mut packets = source.variants().packets_since(Since::Oldest).unwrap();
    let got = some(&mut packets, 150).await;
    assert!(got[1..].iter().filter(|entry| entry.packet.discontinuity).count() >= 1, "the restart is told");
    for pair in got.windows(2) {
        assert!(pair[1].packet.dts > pair[0].packet.dts, "{:?} {:?}", pair[0].packet, pair[1].packet);
        assert!(pair[0].tracks.same(&pair[1].tracks));
    }
    assert!(got[0].packet.dts < Timestamp::ZERO, "before this run began");
    let of_this_run = got.iter().rev().take_while(|entry| entry.seq > 0).count();
    assert_eq!(seqs(&got[150 - of_this_run..]), (1..=of_this_run as u64).collect::<Vec<_>>());
}

/// The number in a picture that was made anew.
fn number(jpeg: &bytes::Bytes) -> Option<u64> {
    let track = media::Track::mjpeg(Size::new(320, 240));
    let mut decoder = ffmpeg::Decoder::new(&track, &ffmpeg::DecoderOptions::default()).ok()?;
    decoder.send(jpeg, Timestamp::ZERO, true).ok()?;
    let frame = decoder.receive().ok()??;
    let plane = frame.plane(0)?;
    let size = frame.size();
    formats::osd::read_number(plane.data, plane.stride, size.width as usize, size.height as usize).map(u64::from)
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_the_past_are_made_for_their_reader_alone_and_for_few() {
    let folder = tempfile::tempdir().unwrap();
    let source = recorded(folder.path(), 64 << 20);
    until_written(&source, 60).await;
    let smaller =
        || Recoding::jpeg(Variant { size: SizeWish::Exact(Size::new(240, 180)), ..Variant::default() }, false);
    let mut packets = source.variants().coded_since(smaller(), Since::Oldest).unwrap();
    let got = some(&mut packets, 90).await;
    let sizes = got.iter().map(|entry| entry.tracks.video().unwrap().video().unwrap().size);
    assert!(sizes.clone().all(|size| size == Size::new(240, 180)));
    assert_eq!(seqs(&got), (0..90).collect::<Vec<_>>());
    let numbers: Vec<_> = got.iter().map(|entry| number(&entry.packet.data)).collect();
    let first = numbers[0].expect("there is a number in the picture");
    assert_eq!(numbers, (first..first + 90).map(Some).collect::<Vec<_>>());

    let others: Vec<_> = (0..3).map(|_| source.variants().coded_since(smaller(), Since::Oldest).unwrap()).collect();
    let refused = source.variants().coded_since(smaller(), Since::Oldest).err().unwrap();
    assert!(matches!(refused, Error::TooMany { .. }), "{refused}");
    drop((packets, others));
    let free = timeout(PATIENCE, async {
        while source.variants().coded_since(smaller(), Since::Oldest).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    free.await.expect("places become free");

    let mut own = source.variants().coded_since(Recoding::jpeg(Variant::default(), false), Since::Oldest).unwrap();
    let mut packets = source.variants().packets_since(Since::Oldest).unwrap();
    for _ in 0..20 {
        assert!(next(&mut own).await.packet.data == next(&mut packets).await.packet.data, "passed bit for bit");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_has_what_arrived_between_two_times_and_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let source = recorded(folder.path(), 64 << 20);
    until_written(&source, 20).await;
    let from = SystemTime::now();
    until_written(&source, 60).await;
    let until = SystemTime::now();
    until_written(&source, 80).await;
    let mut clip = source.variants().clip(from, until).unwrap();
    let mut got = Vec::new();
    while let Some(entry) = timeout(PATIENCE, clip.next()).await.unwrap().unwrap() {
        got.push(entry);
    }
    let first = got[0].seq;
    assert_eq!(seqs(&got), (first..first + got.len() as u64).collect::<Vec<_>>());
    let lasts = until.duration_since(from).unwrap();
    let spans = got[got.len() - 1].packet.dts.saturating_since(got[0].packet.dts);
    assert!(
        spans <= lasts + Duration::from_millis(20) && spans + Duration::from_millis(60) >= lasts,
        "{spans:?} {lasts:?}"
    );
    let mut nothing = source.variants().clip(until, from).unwrap();
    assert!(nothing.next().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_recorded_while_it_is_open_and_recording_does_not_open_it() {
    let folder = tempfile::tempdir().unwrap();
    let record = Record { path: folder.path().join("cam"), bytes: 1 << 20, read_only: false };
    let options = Options { record: Some(record), linger: Duration::from_millis(1), ..Options::default() };
    let source = Supervisor::new("cam", URL, options).unwrap();
    assert_eq!(*source.feed().readers().borrow(), 0);
    let cursor = source.feed().cursor(Start::Live);
    until_written(&source, 10).await;
    drop(cursor);
    let mut status = source.status();
    timeout(PATIENCE, status.wait_for(|status| matches!(status.state, source::State::Idle))).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_not_recorded_has_no_past() {
    let source = Supervisor::new("cam", URL, Options::default()).unwrap();
    assert_eq!(source.variants().packets_since(Since::Oldest).err(), Some(Error::NotRecorded));
    assert!(source.variants().recorded().is_none());
}
