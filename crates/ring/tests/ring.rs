//! What a ring promises to whoever reads and writes it.

mod common;

use std::time::Duration;

use common::*;
use media::{Size, Track, Tracks};
use ring::{Config, Error, Ring, Start};

#[test]
fn what_was_written_is_read_back_with_everything_that_was_known_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (ring, mut writer) = open(&config(folder.path(), 1 << 20));
    let tracks = tracks();
    play(&mut writer, &tracks, 0, "K..K", 500);
    let read = all(&ring, Start::Oldest);
    assert_eq!(told(&read), "0K 1 2 3K");
    for (entry, place) in read.iter().zip(0..) {
        let wrote = record(&tracks, place, entry.packet.key, 500);
        assert_eq!((entry.seq, entry.run, entry.wall), (place, writer.run(), wrote.wall));
        assert_eq!(entry.tracks.as_slice(), tracks.as_slice());
        let (packet, wrote) = (&entry.packet, &wrote.packet);
        assert_eq!((packet.track, packet.pts, packet.dts), (wrote.track, wrote.pts, wrote.dts));
        assert_eq!((packet.duration, packet.captured), (wrote.duration, wrote.captured));
        assert_eq!((packet.corrupt, packet.discontinuity), (false, false));
    }
}

#[test]
fn a_reader_that_is_at_the_end_gets_what_comes() {
    let folder = tempfile::tempdir().unwrap();
    let (ring, mut writer) = open(&config(folder.path(), 1 << 20));
    let mut reader = ring.reader(Start::Oldest);
    assert!(reader.read().unwrap().is_none());
    play(&mut writer, &tracks(), 0, "K.", 100);
    assert_eq!(told(&rest(&mut reader)), "0K 1");
    play(&mut writer, &tracks(), 2, ".", 100);
    assert_eq!(told(&rest(&mut reader)), "2");
}

#[test]
fn a_ring_goes_on_after_a_restart_and_tells_the_gap() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 1 << 20);
    for first in [0, 4, 8] {
        let (_, mut writer) = open(&config);
        play(&mut writer, &tracks(), first, "K..K", 500);
    }
    let (ring, _writer) = open(&config);
    let read = all(&ring, Start::Oldest);
    assert_eq!(told(&read), "0K 1 2 3K 4K 5 6 7K 8K 9 10 11K");
    let cuts: Vec<_> = read.iter().filter(|entry| entry.packet.discontinuity).map(|entry| entry.number).collect();
    assert_eq!(cuts, [4, 8], "decoders begin anew where a run began");
    assert!(read.windows(2).all(|pair| pair[0].tracks.same(&pair[1].tracks)), "equal declarations are one");
    let segments = std::fs::read_dir(&config.path).unwrap().count() - 1;
    assert_eq!(segments, 1, "restarts do not leave a file each");
}

#[test]
fn it_never_takes_more_than_was_granted_and_keeps_nearly_as_much() {
    let mut random = Random(7);
    for granted in [16_384, 100_000, 1_000_000] {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), granted);
        let tracks = tracks();
        let (ring, mut writer) = open(&config);
        for number in 0..2000 {
            if number % 500 == 499 {
                drop(writer);
                assert!(on_disk(&config) <= granted, "{} of {granted} when closed", on_disk(&config));
                writer = open(&config).1;
            }
            let size = 8 + random.below(granted / 40);
            writer.append(&record(&tracks, number, number % 10 == 0, size as usize)).unwrap();
            assert!(on_disk(&config) <= granted, "{} of {granted} after packet {number}", on_disk(&config));
        }
        drop(ring);
        let (ring, _writer) = Ring::open(&Config { read_only: true, ..config.clone() }).unwrap();
        let kept = all(&ring, Start::Oldest);
        assert_eq!(kept.last().unwrap().number, 1999);
        let bytes: usize = kept.iter().map(|entry| entry.packet.data.len()).sum();
        assert!(bytes as u64 * 3 > granted, "{bytes} of {granted} kept");
    }
}

#[test]
fn a_packet_larger_than_the_ring_is_refused_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (ring, mut writer) = open(&config(folder.path(), 20_000));
    let tracks = tracks();
    play(&mut writer, &tracks, 0, "K.", 1000);
    let error = writer.append(&record(&tracks, 2, true, 19_000)).unwrap_err();
    assert!(matches!(error, Error::TooLarge { bytes: 20_000, .. }), "{error}");
    play(&mut writer, &tracks, 3, "K", 1000);
    assert_eq!(told(&all(&ring, Start::Oldest)), "0K 1 3K");
}

#[test]
fn a_reader_begins_at_the_keyframe_at_or_before_the_time_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let (ring, mut writer) = open(&config(folder.path(), 4 << 20));
    // Keyframes at 0, 5, 10 …, many of them between two points of the index.
    play(&mut writer, &tracks(), 0, &"K....".repeat(200), 300);
    let first = |start| ring.reader(start).read().unwrap().unwrap().number;
    for number in [0, 4, 5, 7, 499, 500, 993, 999] {
        assert_eq!(first(Start::Wall(at(number))), number / 5 * 5, "at {number}");
    }
    assert_eq!(first(Start::Wall(at(0) - Duration::from_secs(60))), 0, "before it begins: all of it");
    assert_eq!(first(Start::Wall(at(5000))), 995);
    assert_eq!(first(Start::Newest), 995);
    assert_eq!(first(Start::Back(Duration::ZERO)), 995);
    assert_eq!(first(Start::Back(STEP * 100)), 895);
    assert_eq!(first(Start::Back(Duration::from_secs(3600))), 0);
    assert_eq!(first(Start::From(501)), 505);
}

#[test]
fn a_lapped_reader_goes_on_at_the_oldest_keyframe_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (ring, mut writer) = open(&config(folder.path(), 64 << 10));
    let tracks = tracks();
    play(&mut writer, &tracks, 0, "K...", 2000);
    let mut reader = ring.reader(Start::Oldest);
    assert_eq!(number(&reader.read().unwrap().unwrap()), 0);
    play(&mut writer, &tracks, 4, &"K...".repeat(20), 2000);
    let entry = reader.read().unwrap().unwrap();
    assert!(entry.packet.key && entry.packet.discontinuity && entry.lost > 0);
    assert_eq!(entry.lost, number(&entry) - 1);
    assert_eq!(entry.number, all(&ring, Start::Oldest)[0].number, "the oldest keyframe");
}

#[test]
fn however_reading_and_writing_interleave_no_reader_gets_a_spliced_stream() {
    let mut random = Random(99);
    let folder = tempfile::tempdir().unwrap();
    let (ring, mut writer) = open(&config(folder.path(), 40 << 10));
    let tracks = tracks();
    let mut readers: Vec<_> = (0..4).map(|_| (ring.reader(Start::Oldest), None::<u64>, 0_u64)).collect();
    for number in 0..4000 {
        let size = 8 + random.below(1500) as usize;
        writer.append(&record(&tracks, number, random.below(8) == 0 || number == 0, size)).unwrap();
        for (pace, (reader, last, missed)) in (1..).zip(&mut readers) {
            if random.below(2 * pace) != 0 {
                continue;
            }
            let Some(entry) = reader.read().unwrap() else { continue };
            let got = common::number(&entry);
            match *last {
                Some(before) => assert_eq!(got, before + 1 + entry.lost, "reader {pace}"),
                None => assert_eq!(got, entry.lost),
            }
            assert!(entry.lost == 0 || entry.packet.key, "reader {pace} goes on at {got}, no keyframe");
            *missed += entry.lost;
            *last = Some(got);
        }
    }
    let missed: Vec<_> = readers.iter().map(|(.., missed)| *missed).collect();
    assert!(missed[3] > 1000, "the slowest was lapped: {missed:?}");
}

#[test]
fn a_torn_end_is_cut_wherever_it_is_torn_and_nothing_else_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 1 << 20);
    let whole = {
        let (_, mut writer) = open(&config);
        play(&mut writer, &tracks(), 0, "K..K.", 200);
        // Before it is closed.
        std::fs::read(newest(&config)).unwrap()
    };
    let record_len = 72 + 200;
    for end in (whole.len() - 2 * record_len)..whole.len() {
        std::fs::write(newest(&config), &whole[..end]).unwrap();
        let (ring, mut writer) = open(&config);
        let left = 5 - (whole.len() - end).div_ceil(record_len);
        let numbers: Vec<_> = all(&ring, Start::Oldest).iter().map(number).collect();
        assert_eq!(numbers, (0..left as u64).collect::<Vec<_>>(), "cut at {end}");
        play(&mut writer, &tracks(), 100, "K", 200);
        assert_eq!(all(&ring, Start::Newest)[0].number, 100);
    }
}

#[test]
fn zeros_and_leftovers_behind_the_end_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 1 << 20);
    let (_, mut writer) = open(&config);
    play(&mut writer, &tracks(), 0, "K.K", 200);
    let whole = std::fs::read(newest(&config)).unwrap();
    drop(writer);
    let old = whole[whole.len() - 272..].to_vec();
    for (what, tail) in [("zeros", vec![0; 9000]), ("noise", payload(3, 9000)), ("an old record", old)] {
        std::fs::write(newest(&config), [&whole[..], &tail].concat()).unwrap();
        let (ring, writer) = open(&config);
        assert_eq!(told(&all(&ring, Start::Oldest)), "0K 1 2K", "{what}");
        drop(writer);
    }
}

#[test]
fn a_record_that_the_disk_damaged_is_lost_alone_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 1 << 20);
    let (ring, mut writer) = open(&config);
    play(&mut writer, &tracks(), 0, "K..K..K..", 200);
    let mut bytes = std::fs::read(newest(&config)).unwrap();
    let wrong = bytes.len() - 8 * 272 + 100;
    bytes[wrong] ^= 0xFF;
    std::fs::write(newest(&config), &bytes).unwrap();
    assert_eq!(told(&all(&ring, Start::Oldest)), "0K (2)3K 4 5 6K 7 8");
    drop((ring, writer));
    std::fs::write(newest(&config), &bytes).unwrap();
    let (ring, _writer) = open(&config);
    assert_eq!(told(&all(&ring, Start::Oldest)), "0K (2)3K 4 5 6K 7 8", "also when found at the start");
}

#[test]
fn another_size_costs_no_more_than_the_oldest() {
    let folder = tempfile::tempdir().unwrap();
    let large = config(folder.path(), 1 << 20);
    let (_, mut writer) = open(&large);
    play(&mut writer, &tracks(), 0, &"K...".repeat(100), 2000);
    drop(writer);
    let small = Config { bytes: 200_000, ..large.clone() };
    let (ring, writer) = open(&small);
    let kept = all(&ring, Start::Oldest);
    assert!(on_disk(&small) <= 200_000 && kept.len() > 70, "{} kept", kept.len());
    assert_eq!(kept.last().unwrap().number, 399);
    assert!(kept.windows(2).all(|pair| pair[1].number == pair[0].number + 1));
    drop((ring, writer));
    let (ring, mut writer) = open(&large);
    play(&mut writer, &tracks(), 400, "K...", 2000);
    assert_eq!(all(&ring, Start::Oldest).len(), kept.len() + 4, "a larger size keeps all");
}

#[test]
fn other_tracks_are_told_where_they_begin() {
    let folder = tempfile::tempdir().unwrap();
    let (ring, mut writer) = open(&config(folder.path(), 1 << 20));
    let wide = Tracks::new(vec![Track::mjpeg(Size::new(1920, 1080))]);
    play(&mut writer, &tracks(), 0, "KK", 100);
    play(&mut writer, &wide, 2, "KK", 100);
    let widths = |entries: &[ring::Entry]| -> Vec<u32> {
        entries.iter().map(|entry| entry.tracks.video().unwrap().video().unwrap().size.width).collect()
    };
    assert_eq!(widths(&all(&ring, Start::Oldest)), [640, 640, 1920, 1920]);
    assert_eq!(widths(&all(&ring, Start::Wall(at(2)))), [1920, 1920]);
    assert_eq!(widths(&all(&ring, Start::Wall(at(1)))), [640, 1920, 1920]);
}

#[test]
fn files_of_other_programs_and_other_versions_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 1 << 20);
    let refused = |config: &Config| Ring::open(config).unwrap_err().to_string();
    std::fs::write(&config.path, b"FFM2\0\0\x10\0").unwrap();
    assert!(refused(&config).contains("a feed file of ffserver"), "{}", refused(&config));
    std::fs::write(&config.path, b"anything").unwrap();
    assert!(refused(&config).contains("a file, where the folder"), "{}", refused(&config));
    assert_eq!(std::fs::read(&config.path).unwrap(), b"anything");
    std::fs::remove_file(&config.path).unwrap();

    std::fs::create_dir(&config.path).unwrap();
    std::fs::write(config.path.join("letter.txt"), b"dear").unwrap();
    assert!(refused(&config).contains("other files (letter.txt)"), "{}", refused(&config));
    std::fs::remove_file(config.path.join("letter.txt")).unwrap();

    let (_, mut writer) = open(&config);
    play(&mut writer, &tracks(), 0, "K", 100);
    let segment = newest(&config);
    drop(writer);
    for file in [segment.clone(), config.path.join("ring")] {
        let whole = std::fs::read(&file).unwrap();
        let mut later = whole.clone();
        later[8] = 2;
        std::fs::write(&file, &later).unwrap();
        assert!(refused(&config).contains("a ring of format 2"), "{}", refused(&config));
        std::fs::write(&file, b"GIF89a and so on, which is no ring at all, for sixty-four bytes and more").unwrap();
        assert!(matches!(Ring::open(&config), Err(Error::Foreign { .. })));
        std::fs::write(&file, whole).unwrap();
    }
    assert_eq!(told(&all(&open(&config).0, Start::Oldest)), "0K");
    let small = Config { bytes: 1000, ..config };
    assert!(matches!(Ring::open(&small), Err(Error::TooSmall { bytes: 1000 })));
}

#[test]
fn a_ring_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 1 << 20);
    let first = open(&config);
    assert!(matches!(Ring::open(&config), Err(Error::InUse { .. })));
    drop(first);
    open(&config);
}

#[test]
fn a_ring_that_may_only_be_read_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 1 << 20);
    let (_, mut writer) = open(&config);
    play(&mut writer, &tracks(), 0, "K..", 100);
    let torn = std::fs::read(newest(&config)).unwrap();
    drop(writer);
    std::fs::write(newest(&config), &torn[..torn.len() - 10]).unwrap();
    let reading = Config { read_only: true, bytes: Config::LEAST, ..config.clone() };
    let (ring, writer) = Ring::open(&reading).unwrap();
    assert!(writer.is_none());
    assert_eq!(told(&all(&ring, Start::Oldest)), "0K 1");
    assert_eq!(std::fs::read(newest(&config)).unwrap(), torn[..torn.len() - 10]);
    let nowhere = Config { path: folder.path().join("nowhere"), ..reading };
    assert!(Ring::open(&nowhere).is_err() && !nowhere.path.exists());
}
