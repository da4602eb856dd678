//! Feeds played from a line of text: `K` a keyframe, `.` another packet, `a` sound.

use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{Audio, Codec, Kind, Packet, Size, Timestamp, Track, TrackId, Tracks};

use super::ring::OVERHEAD;
use super::*;

fn origin() -> Instant {
    use std::sync::OnceLock;
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    // The one clock reading: an Instant cannot be made from a number.
    #[allow(clippy::disallowed_methods)]
    *ORIGIN.get_or_init(Instant::now)
}

fn tracks() -> Tracks {
    let audio = Track {
        kind: Kind::Audio(Audio { sample_rate: 8000, channels: 1, block_align: 0 }),
        codec: Codec::from_name("pcm_mulaw"),
        ..Track::mjpeg(Size::default())
    };
    Tracks::new(vec![Track::mjpeg(Size::new(2, 2)), audio])
}

/// The same camera, with its sound first.
fn swapped() -> Tracks {
    let mut all: Vec<Track> = tracks().iter().cloned().collect();
    all.reverse();
    Tracks::new(all)
}

fn packet(number: u64, kind: char, size: usize) -> Packet {
    let at = Timestamp::from_ticks(i64::try_from(number).unwrap(), 40, 1000);
    Packet {
        track: TrackId(u8::from(kind == 'a')),
        pts: at,
        dts: at,
        duration: None,
        key: kind != '.',
        corrupt: false,
        discontinuity: false,
        received: origin() + Duration::from_millis(number * 40),
        captured: None,
        data: Bytes::from(vec![0; size]),
    }
}

/// A player of lines: packets are numbered through, 40 ms and `size` bytes each.
struct Player(Publisher, u64, usize);

impl Player {
    fn play(&mut self, line: &str) {
        for kind in line.chars() {
            self.0.publish(packet(self.1, kind, self.2)).unwrap();
            self.1 += 1;
        }
    }
}

fn feed(limits: Limits, size: usize) -> (Player, Feed) {
    let (publisher, feed) = Feed::new(limits);
    publisher.declare(tracks());
    (Player(publisher, 0, size), feed)
}

fn all_kept() -> Limits {
    Limits { bytes: 1 << 20, history: Duration::from_secs(3600) }
}

/// The sequence numbers a cursor can read now, with `+n` before one that lost n.
fn read(cursor: &mut Cursor) -> String {
    let mut text = Vec::new();
    while let Ok(Some(entry)) = cursor.try_next() {
        let lost = if entry.lost > 0 { format!("+{}:", entry.lost) } else { String::new() };
        text.push(format!("{lost}{}", entry.seq));
    }
    text.join(" ")
}

#[test]
fn a_late_reader_starts_at_the_last_keyframe() {
    let (mut player, feed) = feed(all_kept(), 1);
    player.play("K...K..");
    assert_eq!(read(&mut feed.cursor(Start::Keyframe)), "4 5 6");
    assert_eq!(read(&mut feed.cursor(Start::Oldest)), "0 1 2 3 4 5 6");
    assert_eq!(read(&mut feed.cursor(Start::Live)), "");
}

#[test]
fn sound_is_no_place_to_join_where_there_is_video() {
    let (mut player, feed) = feed(all_kept(), 1);
    player.play("K.a.a");
    assert_eq!(read(&mut feed.cursor(Start::Keyframe)), "0 1 2 3 4");
}

#[test]
fn a_reader_that_falls_off_goes_on_at_a_keyframe_and_is_told() {
    let (mut player, feed) = feed(Limits { bytes: 6 * (1 + OVERHEAD), history: Duration::MAX }, 1);
    let mut slow = feed.cursor(Start::Keyframe);
    player.play("K..");
    assert_eq!(read(&mut slow), "0 1 2");
    player.play("...K...K..");
    assert_eq!(read(&mut slow), "+7:10 11 12");
}

#[test]
fn what_a_reader_that_is_waited_for_has_not_had_stays_and_the_rest_goes() {
    let (mut player, feed) = feed(Limits { bytes: 100 * (1 + OVERHEAD), history: Duration::ZERO }, 1);
    let mut reader = feed.waited_for(Start::Oldest);
    player.play("KKKKKKKKKK");
    assert_eq!(read(&mut reader), "0 1 2 3 4 5 6 7 8 9");
    player.play("KK");
    assert_eq!(read(&mut feed.cursor(Start::Oldest)), "10 11");
    // Not beyond the bytes, whoever waits.
    player.play(&"K".repeat(200));
    assert_eq!(reader.try_next().unwrap().map(|entry| entry.lost), Some(201));
    drop(reader);
    player.play("KK");
    assert_eq!(read(&mut feed.cursor(Start::Oldest)), "213");
}

#[tokio::test]
async fn a_publisher_waits_for_readers_of_every_packet_until_half_is_taken() {
    const MOST: Backlog = Backlog { packets: 4, bytes: 1000 };
    let (mut player, feed) = feed(all_kept(), 10);
    player.play("KKKKKKKK");
    assert!(player.0.has_room(MOST), "nobody is waited for");
    let mut reader = feed.waited_for(Start::Oldest);
    assert!(!player.0.has_room(MOST));
    let mut room = Box::pin(player.0.room(MOST));
    let mut is_there = || room.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    for left in [7, 6, 5, 4, 3] {
        assert!(!is_there());
        reader.try_next().unwrap();
        assert!(!is_there(), "with {left} unread");
    }
    reader.try_next().unwrap();
    assert!(is_there());
    drop(room);
    // Bytes count as well, but for one packet.
    let few = Backlog { packets: 4, bytes: 15 };
    assert!(!player.0.has_room(few));
    reader.try_next().unwrap();
    assert!(player.0.has_room(few));
    player.play("KKKKK");
    drop(reader);
    player.0.room(MOST).await;
}

#[test]
fn the_ring_is_bounded_in_bytes_whatever_the_source_does() {
    let (mut player, feed) = feed(Limits { bytes: 100 + 3 * OVERHEAD, history: Duration::MAX }, 30);
    player.play("K.............");
    assert_eq!(feed.bytes(), 90);
    assert_eq!(player.0.publish(packet(0, 'K', 5000)), Err(TooLarge { size: 5000, limit: 100 + 3 * OVERHEAD }));
    // No keyframe is held any more: a new reader waits for the next one.
    assert_eq!(read(&mut feed.cursor(Start::Keyframe)), "");
}

#[test]
fn a_crowd_of_tiny_packets_is_bounded_by_what_the_ring_takes_for_each() {
    let limits = Limits { bytes: 1 << 20, history: Duration::MAX };
    let (mut player, feed) = feed(limits, 1);
    player.play(&".".repeat(100_000));
    assert_eq!(feed.bytes(), limits.bytes / (1 + OVERHEAD));
}

#[test]
fn a_packet_as_large_as_the_ring_is_held_alone() {
    let (mut player, feed) = feed(Limits { bytes: 1000, history: Duration::MAX }, 1000);
    player.play("K.K");
    assert_eq!(read(&mut feed.cursor(Start::Keyframe)), "2");
}

#[test]
fn history_is_forgotten_but_never_the_newest_keyframe_and_what_follows() {
    let (mut player, feed) = feed(Limits { bytes: 1 << 20, history: Duration::from_millis(100) }, 1);
    player.play("KKKKKKKKKK");
    assert_eq!(read(&mut feed.cursor(Start::Oldest)), "7 8 9");
    player.play("..........");
    assert_eq!(read(&mut feed.cursor(Start::Keyframe)), "9 10 11 12 13 14 15 16 17 18 19");
}

#[test]
fn the_newest_picture_is_given_once_and_the_skipped_ones_are_counted() {
    let (mut player, feed) = feed(all_kept(), 1);
    let mut cursor = feed.cursor(Start::Keyframe);
    player.play("K");
    assert_eq!(cursor.try_newest().unwrap().unwrap().seq, 0);
    assert!(cursor.try_newest().unwrap().is_none());
    player.play("KaKaa");
    let entry = cursor.try_newest().unwrap().unwrap();
    assert_eq!((entry.seq, entry.lost), (3, 1), "sound is not counted as a lost picture");
    player.play("a");
    assert!(cursor.try_newest().unwrap().is_none());
}

#[test]
fn new_tracks_end_the_old_keyframe() {
    let (mut player, feed) = feed(all_kept(), 1);
    player.play("K..");
    player.0.declare(tracks());
    player.play("..");
    assert_eq!(read(&mut feed.cursor(Start::Keyframe)), "");
    player.play("K.");
    assert_eq!(read(&mut feed.cursor(Start::Keyframe)), "5 6");
}

#[test]
fn video_that_moves_to_another_track_is_counted_there() {
    let (mut player, feed) = feed(all_kept(), 1);
    let mut cursor = feed.cursor(Start::Oldest);
    player.play("KKK");
    assert_eq!(cursor.try_newest().unwrap().unwrap().index, 2);
    player.0.declare(swapped());
    // Track 1, which `a` is, is the picture now.
    player.play("a");
    let entry = cursor.try_newest().unwrap().unwrap();
    assert_eq!((entry.packet.track, entry.index, entry.lost), (TrackId(1), 0, 0));
    player.play("aaa");
    assert_eq!(cursor.try_newest().unwrap().unwrap().lost, 2);
}

#[test]
fn a_closed_feed_is_read_to_its_end() {
    let (mut player, feed) = feed(all_kept(), 1);
    let mut cursor = feed.cursor(Start::Live);
    player.play("K.");
    drop(player);
    assert_eq!(read(&mut cursor), "0 1");
    assert_eq!(cursor.try_next().unwrap_err(), Closed);
}

#[test]
fn a_cleared_feed_shows_nothing_old_and_goes_on_counting() {
    let (mut player, feed) = feed(all_kept(), 1);
    player.play("K.");
    player.0.clear();
    assert_eq!((feed.bytes(), read(&mut feed.cursor(Start::Oldest)).as_str()), (0, ""));
    player.play("K");
    assert_eq!(read(&mut feed.cursor(Start::Oldest)), "2");
}

#[test]
fn readers_are_counted_while_they_live() {
    let (_player, feed) = feed(all_kept(), 1);
    let readers = feed.readers();
    let cursors = [feed.cursor(Start::Live), feed.cursor(Start::Live)];
    assert_eq!(*readers.borrow(), 2);
    drop(cursors);
    assert_eq!(*readers.borrow(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_wake_up_is_lost() {
    let (publisher, feed) = Feed::new(all_kept());
    publisher.declare(tracks());
    let readers: Vec<_> = (0..50)
        .map(|_| {
            let mut cursor = feed.cursor(Start::Oldest);
            tokio::spawn(async move {
                let mut seen = 0;
                while let Ok(entry) = cursor.next().await {
                    assert_eq!((entry.seq, entry.lost), (seen, 0));
                    seen += 1;
                }
                seen
            })
        })
        .collect();
    for number in 0..2000 {
        publisher.publish(packet(number, 'K', 1)).unwrap();
        if number % 7 == 0 {
            tokio::task::yield_now().await;
        }
    }
    drop(publisher);
    for reader in readers {
        assert_eq!(reader.await.unwrap(), 2000);
    }
}

#[test]
fn a_bystander_is_no_reader_and_a_place_can_be_named() {
    let (mut player, feed) = feed(all_kept(), 1);
    let mut bystander = feed.bystander(Start::Live);
    assert_eq!(*feed.readers().borrow(), 0);
    player.play("K..");
    assert_eq!(read(&mut bystander), "0 1 2");
    drop(bystander);
    assert_eq!(*feed.readers().borrow(), 0);
    assert_eq!(read(&mut feed.cursor(Start::At(1))), "1 2");
    assert!(feed.holds(0) && feed.holds(3));
    player.0.clear();
    player.play("K");
    assert!(!feed.holds(0) && feed.holds(3));
    assert_eq!(feed.cursor(Start::At(1)).try_next().unwrap().map(|entry| (entry.seq, entry.lost)), Some((3, 2)));
}

#[test]
fn the_reader_that_makes_a_source_open_gets_its_first_packet_however_quick_it_is() {
    for _ in 0..5000 {
        let (publisher, feed) = Feed::new(Limits::default());
        publisher.declare(tracks());
        let readers = publisher.readers();
        let source = std::thread::spawn(move || {
            while *readers.borrow() == 0 {
                std::hint::spin_loop();
            }
            for number in 0..3 {
                publisher.publish(packet(number, 'K', 100)).unwrap();
            }
            publisher
        });
        let mut cursor = feed.cursor(Start::Live);
        let publisher = source.join().unwrap();
        assert_eq!(cursor.try_next().unwrap().unwrap().seq, 0);
        drop(publisher);
    }
}
