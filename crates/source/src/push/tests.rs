use feed::{Cursor, Entry, Start};
use tokio::time::timeout;

use super::*;
use crate::{State, Supervisor};

const SMALL: &[u8] = include_bytes!("../../../formats/tests/data/jpeg/small.jpg");
const GREY: &[u8] = include_bytes!("../../../formats/tests/data/jpeg/grey.jpg");

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

fn pushed(options: Options) -> Supervisor {
    let limits = feed::Limits { history: PATIENCE, ..feed::Limits::default() };
    Supervisor::pushed("cam2", Options { limits, ..options })
}

fn hint(by: &str) -> Hint {
    Hint { by: by.into(), protocol: "HTTP/1.1", ..Hint::default() }
}

fn part(picture: &[u8]) -> Bytes {
    let head = format!("--b\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", picture.len());
    [head.as_bytes(), picture, b"\r\n"].concat().into()
}

async fn next(cursor: &mut Cursor) -> Entry {
    timeout(PATIENCE, cursor.next()).await.expect("hangs").expect("the feed is open")
}

fn none_left(cursor: &mut Cursor) -> bool {
    cursor.try_next().unwrap().is_none()
}

#[tokio::test]
async fn what_is_fed_is_published_and_the_feeder_is_told_what_came() {
    let feed = pushed(Options::default());
    let mut cursor = feed.feed().cursor(Start::Keyframe);
    let feeder = feed.feeder(hint("me")).await.unwrap();
    for picture in [SMALL, GREY, SMALL] {
        assert!(feeder.write(part(picture)).await);
    }
    let taken = timeout(PATIENCE, feeder.finish(Ending::Whole)).await.unwrap();
    assert_eq!((taken.pictures, &*taken.container, taken.error), (3, "mpjpeg", None));
    assert_eq!(taken.codec, Some(Codec::MJPEG));
    for picture in [SMALL, GREY, SMALL] {
        assert_eq!(next(&mut cursor).await.packet.data, picture);
    }
    assert!(matches!(feed.status().borrow().state, State::Unfed));
}

#[tokio::test]
async fn an_old_ffmpeg_feeds_in_ffm_and_its_wall_clock_is_kept() {
    let feed = pushed(Options::default());
    let mut cursor = feed.feed().cursor(Start::Keyframe);
    let feeder = feed.feeder(hint("me")).await.unwrap();
    let header = ffm::Header { streams: vec![ffm::Stream::new("mjpeg").unwrap()], write_index: 0 };
    assert!(feeder.write(header.write().unwrap().into()).await);
    let mut muxer = ffm::Muxer::new();
    let at = 1_700_000_000_000_000;
    for (number, picture) in [SMALL, GREY].into_iter().enumerate() {
        assert!(muxer.frame(0, true, at + 40_000 * number as i64, at + 40_000 * number as i64, 40_000, picture));
        muxer.flush();
        while let Some(packet) = muxer.poll_packet() {
            assert!(feeder.write(packet).await);
        }
        // Handed on before the next one comes.
        let packet = next(&mut cursor).await.packet;
        assert_eq!(packet.data, picture);
        let captured = packet.captured.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(captured, Duration::from_micros(1_700_000_000_000_000 + 40_000 * number as u64));
    }
    let taken = timeout(PATIENCE, feeder.finish(Ending::Whole)).await.unwrap();
    assert_eq!((taken.pictures, &*taken.container, taken.error), (2, "ffm", None));
}

#[tokio::test]
async fn a_second_feeder_is_refused_while_the_first_one_feeds() {
    let feed = pushed(Options::default());
    let first = feed.feeder(hint("10.0.0.1:5")).await.unwrap();
    let error = feed.feeder(hint("10.0.0.2:5")).await.err().unwrap();
    assert_eq!(error.to_string(), "this feed is already being received, from 10.0.0.1:5 for 0s; end that first");
    drop(first);
    assert!(feed.feeder(hint("10.0.0.2:5")).await.is_ok());
}

#[tokio::test]
async fn readers_stay_from_one_feeder_to_the_next_and_time_goes_on() {
    let feed = pushed(Options::default());
    let mut cursor = feed.feed().cursor(Start::Keyframe);
    let mut last = None;
    for (round, picture) in [SMALL, GREY, SMALL].into_iter().enumerate() {
        let feeder = feed.feeder(hint("me")).await.unwrap();
        assert!(feeder.write(part(picture)).await);
        let entry = next(&mut cursor).await;
        assert_eq!(entry.packet.data, picture);
        assert_eq!(entry.packet.discontinuity, round > 0, "round {round}");
        assert!(last.is_none_or(|last| entry.packet.pts > last));
        last = Some(entry.packet.pts);
        // In its midst or in order.
        if round == 1 {
            timeout(PATIENCE, feeder.finish(Ending::Whole)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn nothing_is_published_of_a_picture_that_breaks_off() {
    let feed = pushed(Options::default());
    let mut cursor = feed.feed().cursor(Start::Keyframe);
    for cut in [1, 7, SMALL.len() / 2, SMALL.len() - 1] {
        let feeder = feed.feeder(hint("me")).await.unwrap();
        assert!(feeder.write(part(GREY)).await);
        let torn = part(SMALL);
        assert!(feeder.write(torn.slice(..torn.len() - 2 - cut)).await);
        assert_eq!(next(&mut cursor).await.packet.data, GREY);
        drop(feeder);
        let mut status = feed.status();
        timeout(PATIENCE, status.wait_for(|status| matches!(status.state, State::Unfed))).await.unwrap().unwrap();
        let error = status.borrow().error.clone().unwrap().to_string();
        assert!(error.contains("the sender went away in its midst"), "{error}");
        assert!(none_left(&mut cursor), "cut {cut} before the end");
    }
}

#[tokio::test]
async fn a_feeder_that_falls_silent_is_given_up() {
    let gap = Duration::from_millis(60);
    let feed = pushed(Options { open_timeout: gap, gap_timeout: gap, ..Options::default() });
    let feeder = feed.feeder(hint("me")).await.unwrap();
    assert!(feeder.write(part(SMALL)).await);
    timeout(PATIENCE, feeder.unwanted()).await.unwrap();
    assert!(!feeder.write(part(SMALL)).await);
    // It holds the place no longer.
    assert!(feed.feeder(hint("another")).await.is_ok());
    let taken = timeout(PATIENCE, feeder.finish(Ending::Whole)).await.unwrap();
    assert!(matches!(taken.error, Some(Error::Timeout { after, .. }) if after == gap), "{taken:?}");
}

#[tokio::test]
async fn what_is_no_video_is_refused_with_a_sentence() {
    let feed = pushed(Options::default());
    for (bytes, expected) in [
        (&b"hello"[..], "a text was sent, \"hello\""),
        (b"", "nothing was sent"),
        (b"--b\r\n\r\n", "what was sent ended before its first picture"),
        (&[0x93; 5000], "what was sent is not video, or of a kind that is not known: no container was recognised"),
    ] {
        let feeder = feed.feeder(hint("me")).await.unwrap();
        feeder.write(Bytes::from_static(bytes)).await;
        let taken = timeout(PATIENCE, feeder.finish(Ending::Whole)).await.unwrap();
        assert_eq!(taken.error.map(|error| error.to_string()).as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn a_source_with_a_url_takes_no_feeder() {
    let source = Supervisor::new("test", "pattern:", Options::default()).unwrap();
    assert_eq!(source.feeder(hint("me")).await.err(), Some(Refused::Pulled));
}

#[tokio::test]
async fn a_feeder_of_a_feed_that_is_dropped_is_told() {
    let feed = pushed(Options::default());
    let feeder = feed.feeder(hint("me")).await.unwrap();
    drop(feed);
    timeout(PATIENCE, feeder.unwanted()).await.unwrap();
    let taken = timeout(PATIENCE, feeder.finish(Ending::Whole)).await.unwrap();
    assert_eq!(taken.error.unwrap().to_string(), "the stream ended: the feed is served no more");
}

#[tokio::test]
async fn what_never_becomes_a_picture_is_ended_at_its_bound() {
    let feed = pushed(Options::default());
    let feeder = feed.feeder(hint("me")).await.unwrap();
    assert!(feeder.write(part(SMALL)).await);
    let (mut sent, piece) = (0, Bytes::from(vec![0; 1 << 20]));
    while feeder.write(piece.clone()).await {
        sent += 1;
    }
    assert!((60..=70).contains(&sent), "{sent} MiB");
    let taken = timeout(PATIENCE, feeder.finish(Ending::Whole)).await.unwrap();
    let error = taken.error.unwrap().to_string();
    assert!(error.contains("64 MiB came without a picture or a sound in them"), "{error}");
    // The next one is let in.
    assert!(feed.feeder(hint("me again")).await.unwrap().write(part(GREY)).await);
}
