//! Files: every frame, in order, from any place.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use capture::{Capture, Every, Format, Kind, Options, Seek, Skip, State};

use crate::clips::{self, CODECS, Clip, FPS, FRAMES};
use crate::{eventually, number, open};

/// A clip that is long enough to seek in.
const LONG: u16 = 250;

fn long(file: &'static str, options: &[&str]) -> PathBuf {
    clips::made(file, |out| clips::numbered(out, (320, 240), LONG, 25, options))
}

fn long_clips() -> Vec<PathBuf> {
    let h264: &[&str] = &["-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-b_strategy", "0", "-g", "50"];
    let open_gop: &[&str] = &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=30"];
    vec![
        long("long-h264.mp4", h264),
        long("long-h264.mkv", h264),
        long("long-h264.ts", h264),
        long("long-h264.avi", h264),
        long("long-bare.h264", h264),
        long("long-hevc.mp4", open_gop),
        long("long-wmv2.wmv", &["-c:v", "wmv2", "-q:v", "5", "-g", "60"]),
        long("long-mpeg4.avi", &["-c:v", "mpeg4", "-bf", "2", "-q:v", "5", "-g", "40"]),
        long("long-mjpeg.avi", &["-c:v", "mjpeg", "-q:v", "4"]),
        long("long-bare.mjpeg", &["-c:v", "mjpeg", "-q:v", "4"]),
        long("long-mpeg2.mpg", &["-c:v", "mpeg2video", "-bf", "2", "-q:v", "4"]),
    ]
}

fn numbers(capture: &Capture) -> Vec<(u64, u64)> {
    capture.frames().map(|frame| frame.unwrap()).map(|frame| (frame.index(), number(&frame))).collect()
}

#[test]
fn every_frame_of_every_codec_comes_once_and_in_order_faster_than_it_plays() {
    for Clip { file, .. } in CODECS {
        let clip = CODECS.iter().find(|clip| clip.file == *file).unwrap();
        let began = Instant::now();
        let capture = open(clip.path(), Options::new());
        let began = began.max(Instant::now() - Duration::from_millis(500));
        let expected: Vec<_> = (0..u64::from(FRAMES)).map(|number| (number, number)).collect();
        assert_eq!(numbers(&capture), expected, "{file}");
        assert_eq!(capture.read().unwrap_err().kind(), Kind::Ended);
        assert_eq!((capture.state(), capture.stats().dropped), (State::Ended, 0));
        assert_eq!(capture.count_frames().unwrap(), u64::from(FRAMES), "{file}");
        let plays = Duration::from_secs(1) * u32::from(FRAMES) / FPS;
        assert!(began.elapsed() < plays, "{file} took {:?}, as long as it plays", began.elapsed());
    }
}

#[test]
fn the_clip_of_the_examples_is_read_to_its_end() {
    let clip = crate::tools::root().join("examples/clips/numbered-wmv2-320x240.wmv");
    let capture = open(clip, Options::new());
    let info = capture.info();
    assert_eq!((&*info.codec, info.size.width, info.live, info.seekable), ("wmv2", 320, false, true));
    let frames: Vec<_> = capture.frames().map(|frame| frame.unwrap()).collect();
    let pts: Vec<_> = frames.iter().map(capture::Frame::pts).collect();
    assert!(frames.len() > 10 && pts[0].is_zero() && pts.is_sorted_by(|a, b| a < b), "{pts:?}");
    assert_eq!(frames.len() as u64, capture.count_frames().unwrap());
}

#[test]
fn a_seek_lands_on_exactly_that_frame() {
    let mut places: Vec<u64> = (0..40).map(|n: u64| n * 7919 % u64::from(LONG)).collect();
    places.extend([0, 249, 0, 1, 2, 1, 5, 4, 100, 99, 98, 200, 203, 219, 220]);
    for clip in long_clips() {
        let capture = open(&clip, Options::new());
        for place in &places {
            capture.seek(Seek::Frame(*place)).unwrap();
            let frame = capture.read().unwrap();
            assert_eq!((frame.index(), number(&frame)), (*place, *place), "{}", clip.display());
            assert_eq!(capture.position().frame, place + 1);
        }
        // And on from there, to the end, and back.
        capture.seek(Seek::Frame(240)).unwrap();
        let expected: Vec<_> = (240..250).map(|number| (number, number)).collect();
        assert_eq!(numbers(&capture), expected, "{}", clip.display());
        capture.seek(Seek::Frame(3)).unwrap();
        assert_eq!(number(&capture.read().unwrap()), 3, "{}", clip.display());
        capture.seek(Seek::Frame(250)).unwrap();
        assert_eq!(capture.read().unwrap_err().kind(), Kind::Ended, "{}", clip.display());
    }
}

#[test]
fn a_seek_by_time_gives_the_frame_that_is_shown_then() {
    let capture = open(&long_clips()[0], Options::new());
    for (ms, expected) in [(0, 0), (39, 0), (40, 1), (1000, 25), (9999, 249), (4210, 105)] {
        capture.seek(Seek::Time(Duration::from_millis(ms))).unwrap();
        let frame = capture.read().unwrap();
        assert_eq!((number(&frame), frame.pts()), (expected, Duration::from_millis(expected * 40)), "{ms} ms");
    }
    capture.seek(Seek::Time(Duration::from_secs(10))).unwrap();
    assert_eq!(capture.read().unwrap_err().kind(), Kind::Ended);
}

#[test]
fn frames_are_left_out_as_told() {
    let clip = &long_clips()[0];
    let capture = open(clip, Options::new().every(Every::Nth(100)));
    assert_eq!(numbers(&capture), [(0, 0), (100, 100), (200, 200)]);
    let capture = open(clip, Options::new().every(Every::Rate(1.0)));
    assert_eq!(numbers(&capture), (0..10).map(|second| (second * 25, second * 25)).collect::<Vec<_>>());
    let capture = open(clip, Options::new().skip(Skip::NonKey));
    assert_eq!(numbers(&capture), [(0, 0), (50, 50), (100, 100), (150, 150), (200, 200)]);
    let capture = open(clip, Options::new().skip(Skip::NonRef));
    let found = numbers(&capture);
    assert!((60..200).contains(&found.len()), "{found:?}");
    assert!(found.iter().all(|(index, number)| index == number), "{found:?}");
}

#[test]
fn jpegs_of_a_recording_need_not_be_decoded() {
    let capture = open(clips::MJPEG.path(), Options::new().format(Format::Jpeg));
    for (place, frame) in capture.frames().enumerate() {
        let frame = frame.unwrap();
        let jpeg = frame.jpeg().unwrap();
        assert!(jpeg.starts_with(&[0xff, 0xd8]));
        assert_eq!((frame.width(), number(&frame)), (320, place as u64));
    }
}

#[test]
fn two_threads_share_a_recording_and_no_frame_is_given_twice() {
    let capture = open(&long_clips()[0], Options::new());
    let mut found: Vec<_> = std::thread::scope(|scope| {
        let readers = [0, 1, 2].map(|_| scope.spawn(|| numbers(&capture)));
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    });
    found.sort_unstable();
    assert_eq!(found, (0..u64::from(LONG)).map(|number| (number, number)).collect::<Vec<_>>());
}

#[test]
fn its_newest_frame_is_that_of_now() {
    let capture = open(&long_clips()[0], Options::new().latest(true));
    let first = capture.read().unwrap();
    let began = Instant::now();
    // As slow as a reader may be.
    let later = eventually("a later frame", || {
        std::thread::sleep(Duration::from_millis(300));
        capture.latest(None).filter(|frame| frame.index() >= first.index() + 10)
    });
    assert!(later.dropped_before() > 0, "{later:?}");
    assert!(later.pts() - first.pts() <= began.elapsed() + Duration::from_secs(1), "{later:?}");
}

#[test]
fn closing_it_wakes_whoever_waits() {
    let capture = open(&long_clips()[0], Options::new());
    let (read, held) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while capture.read().is_ok() {}
            Instant::now()
        });
        capture.close();
        let closed = Instant::now();
        (reader.join().unwrap(), closed)
    });
    assert!(read.saturating_duration_since(held) < Duration::from_millis(100));
    let ends = [capture.read().map(|_| ()), capture.seek(Seek::Frame(0)), capture.count_frames().map(|_| ())];
    for end in ends {
        assert_eq!(end.unwrap_err().kind(), Kind::Closed);
    }
    assert!(capture.latest(None).is_none());
}

#[test]
fn pixels_that_were_converted_for_a_slow_reader_are_those_that_it_would_have_made() {
    let clip = clips::H264.path();
    let (expected, slow) = (open(&clip, Options::new()), open(&clip, Options::new()));
    let mut memory = Vec::new();
    for place in 0..u64::from(FRAMES) {
        let (frame, other) = (slow.read().unwrap(), expected.read().unwrap());
        // Now and then other pixels, or none.
        let format = if place % 7 == 3 { Format::Gray8 } else { Format::Bgr24 };
        let mut written = vec![0; other.bytes(format)];
        other.write(format, &mut written, 320 * format.pixel_bytes()).unwrap();
        for time in 0..if place % 11 == 5 { 0 } else { 2 } {
            frame.fill(format, &mut memory).unwrap();
            assert!(memory == written, "frame {place}, asked for {time} times before");
        }
        std::thread::sleep(Duration::from_millis(4));
    }
}

#[test]
fn of_a_file_that_is_cut_off_all_is_read_and_sought_that_is_there() {
    let whole = long("long-faststart.mp4", &["-c:v", "libx264", "-bf", "2", "-g", "50", "-movflags", "+faststart"]);
    let bytes = std::fs::read(&whole).unwrap();
    // The remains of the picture that is cut are none.
    let cut = whole.with_file_name(format!("cut-{}.mp4", std::process::id()));
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let found = numbers(&open(&cut, Options::new()));
    let count = found.len() as u64;
    assert!(count > 50 && count < u64::from(LONG) * 2 / 3, "{count}");
    assert!(found.iter().enumerate().all(|(at, found)| *found == (at as u64, at as u64)), "{found:?}");
    let capture = open(&cut, Options::new());
    assert_eq!(capture.count_frames().unwrap(), count);
    for wanted in [10, count - 1, 0, 60] {
        capture.seek(Seek::Frame(wanted)).unwrap();
        assert_eq!(number(&capture.read().unwrap()), wanted);
    }
    capture.seek(Seek::Frame(count)).unwrap();
    assert_eq!(capture.read().unwrap_err().kind(), Kind::Ended);
    std::fs::remove_file(cut).unwrap();
}
