//! The past of a source: streams that begin in it, clips of it, and what survives.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::clips::{FRAMES, H264};
use crate::harness::tools::folder;
use crate::harness::{Part, Server, eventually, number, run, size, tool};

const PATTERN: &str = "cam=pattern:?size=320x240&fps=25";

/// Serves a test picture, recorded in a folder of this name, which is emptied before.
fn recorded(name: &str) -> (Server, String) {
    let record = folder(name).join("rings");
    let _ = std::fs::remove_dir_all(&record);
    let record = format!("--record={}", record.display());
    (Server::start(["--always-on", &record, "--record-size=200M", PATTERN]), record)
}

fn until_written(server: &Server, count: u64) -> Value {
    let written = |source: &Value| source["recording"]["written"].as_u64().is_some_and(|written| written >= count);
    server.wait_for("cam", "recorded", written)["recording"].clone()
}

/// The numbers in pictures that follow each other.
fn in_a_row(parts: &[Part]) -> Vec<u16> {
    let numbers: Vec<_> = parts.iter().map(|part| number(&part.data).expect("a number is in the picture")).collect();
    for pair in numbers.windows(2) {
        assert_eq!(pair[1], pair[0].wrapping_add(1), "{numbers:?}");
    }
    numbers
}

/// Seconds since 1970 as a time in a query.
fn utc(seconds: f64) -> String {
    let at = jiff::Timestamp::from_nanosecond((seconds * 1e9) as i128).unwrap();
    at.strftime("%Y-%m-%dT%H:%M:%S%.fZ").to_string()
}

/// The number in each frame of a file that `url` gives.
fn numbers(url: &str) -> Vec<Option<u16>> {
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i", url]);
    ffmpeg.args(["-fps_mode", "passthrough", "-an", "-f", "rawvideo", "-pix_fmt", "gray", "-"]);
    let frames = run(&mut ffmpeg).succeeded().out;
    frames.chunks_exact(320 * 240).map(|luma| formats::osd::read_number(luma, 320, 320, 240)).collect()
}

#[test]
fn a_stream_begins_in_the_past_and_goes_on_live_without_a_gap() {
    let (server, _) = recorded("past");
    until_written(&server, 75);
    let newest = number(&server.get("/cam.jpg").body).unwrap();
    let mut stream = server.stream("/cam.mjpeg?buffer=2");
    let parts = stream.parts(100);
    let first = in_a_row(&parts)[0];
    let back = newest.wrapping_sub(first);
    assert!((30..=75).contains(&back), "it begins {back} pictures back");
    let sent = |part: &Part| part.header("X-Timestamp").parse::<f64>().unwrap();
    assert!((sent(&parts[99]) - sent(&parts[0]) - 99.0 / 25.0).abs() < 0.5, "pictures keep their times");

    let all = server.stream("/cam.mjpeg?date=00:00:00").parts(60);
    assert!(in_a_row(&all)[0] <= first, "before it begins is all of it");
    let live = server.stream("/cam.mjpeg?date=2199-01-01T00:00:00").parts(2);
    assert!(number(&live[0].data).unwrap() >= newest, "a time to come is now");
    let small = server.stream("/cam.mjpeg?buffer=2&size=160x120").parts(75);
    assert_eq!(size(&small[0].data), (160, 120));
    in_a_row(&small);
    server.stream("/cam.mjpeg?buffer=0").parts(1);
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains("headwater_recording_up{source=\"cam\"} 1"), "{metrics}");
    assert!(metrics.contains("headwater_recording_dropped_total{source=\"cam\"} 0"), "{metrics}");
}

#[test]
fn a_clip_is_cut_without_coding_anything_anew() {
    let (server, _) = recorded("clips");
    let recording = until_written(&server, 80);
    let oldest = recording["oldest"].as_f64().unwrap();
    let cut = format!("from={}&to={}", utc(oldest + 0.5), utc(oldest + 2.5));
    let whole = server.stream(&format!("/cam.mjpeg?{cut}"));
    let mut whole = whole;
    let pictures: Vec<_> = std::iter::from_fn(|| whole.part()).collect();
    let expected: Vec<_> = in_a_row(&pictures).into_iter().map(Some).collect();
    assert!((45..=55).contains(&expected.len()), "two seconds: {}", expected.len());
    for extension in ["asf", "mkv", "mp4", "avi"] {
        let url = server.url(&format!("/cam.{extension}?{cut}"));
        assert_eq!(numbers(&url), expected, "{url}");
    }
    let answer = server.get(&format!("/cam.mkv?{cut}"));
    assert!(answer.header("content-disposition").contains("filename=\"cam-20"), "{answer:?}");
    for picture in [&pictures[0], &pictures[20]] {
        let found = answer.body.windows(picture.data.len()).any(|window| window == picture.data);
        assert!(found, "the picture is in the clip, byte for byte");
    }
}

#[test]
fn a_clip_of_h264_begins_at_a_keyframe_and_plays() {
    let record = folder("past-h264").join("rings");
    let _ = std::fs::remove_dir_all(&record);
    let source = format!("cam={}", H264.path().display());
    let server = Server::start([format!("--record={}", record.display()), "--always-on".into(), source]);
    let recording = until_written(&server, 25);
    let oldest = recording["oldest"].as_f64().unwrap();
    // A keyframe is at every tenth frame, a second apart.
    let cut = format!("from={}&to={}", utc(oldest + 1.3), utc(oldest + 2.2));
    for extension in ["ts", "mp4", "mkv", "asf"] {
        let numbers = numbers(&server.url(&format!("/cam.{extension}?{cut}")));
        let first = numbers.first().copied().flatten().unwrap_or_else(|| panic!(".{extension}: {numbers:?}"));
        assert_eq!(first, 10, ".{extension} begins at the keyframe before: {numbers:?}");
        assert!(numbers.len() >= 8, ".{extension}: {numbers:?}");
        let follows = |pair: &[Option<u16>]| pair[1].unwrap() == (pair[0].unwrap() + 1) % FRAMES;
        // What is cut in the middle of a group of B-frames ends with a hole.
        assert!(numbers[..numbers.len() - 3].windows(2).all(follows), ".{extension}: {numbers:?}");
    }
    let pictures = server.stream("/cam.mjpeg?date=00:00:00").parts(25);
    assert_eq!(number(&pictures[0].data), Some(0));
    in_a_row(&pictures);
}

#[test]
fn a_client_that_the_recording_overtakes_goes_on_at_a_keyframe_and_is_told() {
    let record = folder("past-lapped").join("rings");
    let _ = std::fs::remove_dir_all(&record);
    let record = format!("--record={}", record.display());
    // A ring of some fifty pictures.
    let source = "cam=pattern:?size=640x480&fps=60&quality=90";
    let server = Server::start(["--always-on", &record, "--record-size=4M", source]);
    until_written(&server, 60);
    let mut stream = server.stream("/cam.mjpeg?buffer=1");
    let mut last = number(&stream.part().unwrap().data).unwrap();
    // It takes nothing while the ring goes round some times.
    let written = server.source("cam")["recording"]["written"].as_u64().unwrap();
    until_written(&server, written + 400);
    let mut jumped = 0;
    for _ in 0..300 {
        // Each is whole, which the reader checks, and none comes twice.
        let next = number(&stream.part().unwrap().data).unwrap();
        jumped += u32::from(next != last + 1);
        assert!(next > last, "{next} after {last}");
        last = next;
    }
    assert!(jumped >= 1, "it was overtaken");
    let dropped = server.status()["clients"][0]["dropped"].as_u64().unwrap();
    assert!(dropped > 0, "and told");
}

#[test]
fn what_was_recorded_survives_a_kill() {
    let (mut server, record) = recorded("past-killed");
    until_written(&server, 50);
    let before = number(&server.get("/cam.jpg").body).unwrap();
    server.signal(Signal::KILL);
    server.ended(Duration::from_secs(10));
    let server = Server::start(["--always-on", &record, PATTERN]);
    until_written(&server, 10);
    let mut stream = server.stream("/cam.mjpeg?date=00:00:00");
    let mut numbers = vec![number(&stream.part().unwrap().data).unwrap()];
    // The pattern counts from where it began; the next run begins anew.
    while numbers.last() >= numbers.iter().rev().nth(1) {
        numbers.push(number(&stream.part().unwrap().data).unwrap());
    }
    numbers.pop();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    assert!(*numbers.last().unwrap() + 2 >= before, "{numbers:?}, and {before} was seen");
    in_a_row(&stream.parts(30));
}

#[test]
fn what_cannot_be_had_of_the_past_is_told_in_a_sentence() {
    let (server, _) = recorded("past-bad");
    until_written(&server, 1);
    for (path, status, sentence) in [
        ("/cam.mjpeg?buffer=-1", 400, "buffer=-1: expected seconds to go back"),
        ("/cam.mjpeg?date=then", 400, "date=then: expected a time such as"),
        ("/cam.mkv?to=12:00:00", 400, "to: expected from as well"),
        ("/cam.mkv?from=2020-01-01&to=2020-01-02", 404, "cam: nothing was recorded in that time"),
        ("/cam.ts?from=2020-01-01&codec=wmv2", 400, "codec=wmv2: mpegts has no place for it"),
        ("/cam.mjpeg?buffer=5&codec=wmv2", 400, "codec: unknown parameter"),
        ("/cam.jpg?buffer=5", 400, "buffer: unknown parameter"),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().contains(sentence), "{path}: {}", answer.text());
    }
    let plain = Server::start([PATTERN]);
    let answer = plain.get("/cam.mjpeg?buffer=5");
    assert_eq!((answer.status, answer.text().contains("it is not recorded")), (404, true), "{}", answer.text());
}

#[test]
fn a_feed_of_ffserver_has_its_file_and_its_preroll() {
    let ring = folder("past-ffserver").join("cam2.ffm");
    let _ = std::fs::remove_dir_all(&ring);
    let text = format!(
        "HTTPPort 8090\nMaxBandwidth 1000000\n<Feed cam2.ffm>\nSource pattern:?size=320x240&fps=25\nFile {}\nFileMaxSize 20M\n</Feed>\n\
         <Stream cam2.mjpeg>\nFeed cam2.ffm\nFormat mpjpeg\n</Stream>\n\
         <Stream late.mjpeg>\nFeed cam2.ffm\nFormat mpjpeg\nPreroll 1\n</Stream>\n",
        ring.display()
    );
    let server = Server::configured("past-ffserver-conf", &text);
    let live = |server: &Server| number(&server.stream("/cam2.mjpeg").part().unwrap().data).unwrap();
    let newest = eventually("two seconds of it", || Some(live(&server)).filter(|number| *number > 50));
    let early = in_a_row(&server.stream("/cam2.mjpeg?x=1&buffer=1.5").parts(60))[0];
    assert!((25..=90).contains(&newest.wrapping_sub(early).wrapping_add(12)), "{newest} live, {early} first");
    let newest = live(&server);
    let early = in_a_row(&server.stream("/late.mjpeg").parts(40))[0];
    assert!(newest > early + 10, "{newest} live, {early} first");
    assert_eq!(server.get("/cam2.mjpeg?buffer=nonsense").status, 400);
}
