//! Sizes, rates and qualities, made once and only while somebody reads them.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::clips::H264;
use crate::harness::{Server, eventually, size};

fn clip(args: &[&str]) -> Server {
    let source = format!("clip={}", H264.path().display());
    Server::start(args.iter().copied().chain([source.as_str()]))
}

fn variants(source: &Value) -> Vec<&str> {
    source["variants"].as_array().unwrap().iter().map(|variant| variant["variant"].as_str().unwrap()).collect()
}

#[test]
fn sizes_are_those_that_were_asked_for() {
    let server = clip(&[]);
    for (query, expected) in [
        ("size=160x120", (160, 120)),
        ("size=qcif", (176, 144)),
        ("width=160", (160, 120)),
        // Smaller than asked, it stays as it is.
        ("height=480", (320, 240)),
        ("size=640x480", (640, 480)),
        ("width=99", (99, 74)),
        ("size=31x17", (31, 17)),
        ("", (320, 240)),
    ] {
        let part = server.stream(&format!("/clip.mjpeg?{query}")).part().unwrap();
        assert_eq!(size(&part.data), expected, "{query}");
        let answer = server.get(&format!("/clip.jpg?{query}"));
        assert_eq!((answer.status, size(&answer.body)), (200, expected), "{query}");
    }
}

#[test]
fn a_higher_quality_is_a_larger_picture() {
    let server = clip(&[]);
    let bytes = |quality: u32| server.get(&format!("/clip.jpg?quality={quality}")).body.len();
    let (low, middle, high) = (bytes(10), bytes(60), bytes(98));
    assert!(low * 3 < middle * 2 && middle * 3 < high * 2, "{low}, {middle} and {high} bytes");
}

#[test]
fn rates_are_kept_within_a_tenth() {
    let server = Server::start(["test=pattern:?size=320x240&fps=25"]);
    thread::scope(|scope| {
        for (query, fps) in
            [("fps=5", 5.0), ("fps=10&width=160", 10.0), ("fps=0.9&size=64x48", 0.9), ("fps=12.5", 12.5)]
        {
            let server = &server;
            scope.spawn(move || {
                let mut stream = server.stream(&format!("/test.mjpeg?{query}"));
                stream.part();
                let (began, count) = (Instant::now(), (fps * 4.0_f64).ceil());
                stream.parts(count as usize);
                let measured = count / began.elapsed().as_secs_f64();
                assert!((fps * 0.9..fps * 1.1).contains(&measured), "{query}: {measured} a second");
            });
        }
    });
}

#[test]
fn a_rate_above_the_sources_changes_nothing() {
    let server = clip(&[]);
    let mut stream = server.stream("/clip.mjpeg?fps=60");
    stream.part();
    let began = Instant::now();
    stream.parts(20);
    let fps = 20.0 / began.elapsed().as_secs_f64();
    assert!((9.0..11.0).contains(&fps), "{fps} a second");
}

#[test]
fn a_short_clip_keeps_its_limited_rate_from_round_to_round() {
    let server = clip(&[]);
    let mut stream = server.stream("/clip.mjpeg?fps=5");
    let mut last = Instant::now();
    // Two rounds and a half of three seconds each.
    for _ in 0..37 {
        stream.part();
        assert!(last.elapsed() < Duration::from_secs(1), "nothing for {:?}", last.elapsed());
        last = Instant::now();
    }
}

#[test]
fn a_variant_is_made_once_however_many_read_it() {
    let server = clip(&[]);
    let mut streams: Vec<_> = (0..8).map(|_| server.stream("/clip.mjpeg?width=160")).collect();
    let others: Vec<_> = (0..3).map(|_| server.stream("/clip.mjpeg?quality=30&width=160")).collect();
    streams.iter_mut().for_each(|stream| _ = stream.parts(5));
    let source = server.source("clip");
    assert_eq!(source["viewers"], 11);
    let mut made = variants(&source);
    made.sort_unstable();
    assert_eq!(made.len(), 2, "{made:?}");
    let pictures = |source: &Value| {
        source["variants"].as_array().unwrap().iter().map(|v| v["pictures"].as_u64().unwrap()).sum::<u64>()
    };
    let (before, began) = (pictures(&source), Instant::now());
    streams.iter_mut().for_each(|stream| _ = stream.parts(10));
    let made = pictures(&server.source("clip")) - before;
    let most = began.elapsed().as_secs_f64() * 10.0 * 2.0 + 4.0;
    assert!((made as f64) <= most, "{made} pictures were made where {most} would do");
    drop(others);
    server.wait_for("clip", "down to one variant", |source| variants(source).len() == 1);
}

#[test]
fn no_more_variants_are_made_at_a_time_than_one_source_may_cost() {
    let server = clip(&[]);
    let mut streams: Vec<_> = (0..16).map(|i| server.stream(&format!("/clip.mjpeg?width={}", 100 + 2 * i))).collect();
    streams.iter_mut().for_each(|stream| _ = stream.parts(1));
    let refused = server.get("/clip.mjpeg?width=98");
    assert_eq!(refused.status, 503);
    assert!(
        refused.text().contains("16 other sizes, rates and qualities of it are being made already"),
        "{}",
        refused.text()
    );
    // One of them is there for everybody.
    server.stream("/clip.mjpeg?width=100").parts(2);
}

#[test]
fn nothing_is_made_and_nothing_is_open_when_nobody_watches() {
    let server = clip(&["--linger", "300ms"]);
    assert_eq!(server.source("clip")["state"], "idle");
    let mut stream = server.stream("/clip.mjpeg?width=160");
    stream.parts(2);
    assert_eq!(server.source("clip")["state"], "live");
    drop(stream);
    let source = server.wait_for_state("clip", "idle");
    assert_eq!((&source["viewers"], &source["ring_bytes"]), (&0.into(), &0.into()));
    server.wait_for("clip", "without variants", |source| variants(source).is_empty());
    // A second in which there is nothing to do.
    eventually("an idle processor", || {
        let before = server.cpu();
        thread::sleep(Duration::from_secs(1));
        (server.cpu() - before < Duration::from_millis(20)).then_some(())
    });
}
