use super::*;

fn media(text: &str) -> Media {
    match Playlist::parse(text).unwrap() {
        Playlist::Media(media) => media,
        Playlist::Main(variants) => panic!("{variants:?}"),
    }
}

/// A live list of `count` segments of 2 seconds from number `first` on, and `parts` of 0.5 s.
fn live(first: u64, count: u64, parts: u64) -> Media {
    let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    if parts < u64::MAX {
        text += "#EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5\n";
    }
    let part = |number: u64, at: u64| {
        let independent = if at.is_multiple_of(4) { ",INDEPENDENT=YES" } else { "" };
        format!("#EXT-X-PART:DURATION=0.5,URI=\"{number}.{at}.mp4\"{independent}\n")
    };
    for number in first..first + count {
        if parts < u64::MAX && number + 2 > first + count {
            text += &(0..4).map(|at| part(number, at)).collect::<String>();
        }
        text += &format!("#EXTINF:2.0,\n{number}.mp4\n");
    }
    if parts < u64::MAX {
        text += &(0..parts).map(|at| part(first + count, at)).collect::<String>();
    }
    media(&text)
}

fn names(follower: &mut Follower) -> Vec<String> {
    std::iter::from_fn(|| match follower.poll() {
        Next::Fetch(fetch) => Some(format!("{}{}", if fetch.broken { "!" } else { "" }, fetch.piece.uri)),
        _ => None,
    })
    .collect()
}

#[test]
fn a_list_is_taken_apart() {
    let text = "\u{feff}#EXTM3U\r\n#EXT-X-VERSION:9\r\n#EXT-X-TARGETDURATION:4\r\n#EXT-X-MEDIA-SEQUENCE:7\r\n\
        #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.02,HOLD-BACK=12\r\n#EXT-X-PART-INF:PART-TARGET=0.33\r\n\
        #EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"700@20\"\r\n#EXTINF:3.96,a title\r\n#EXT-X-BYTERANGE:1000@720\r\nall.mp4\r\n\
        \r\n#EXT-X-DISCONTINUITY\r\n#EXTINF:4,\r\n#EXT-X-BYTERANGE:500\r\nall.mp4\r\n#EXT-X-GAP\r\n#EXTINF:4,\r\nlost.mp4\r\n\
        #EXT-X-PART:DURATION=0.33,URI=\"p, 0.mp4\",INDEPENDENT=YES\r\n#EXT-X-PART:DURATION=0.2,URI=\"p1.mp4\",BYTERANGE=\"9@3\"\r\n\
        #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p2.mp4\"\r\n";
    let list = media(text);
    assert_eq!((list.target, list.sequence, list.segments.len()), (Duration::from_secs(4), 7, 4));
    assert_eq!((list.part_target, list.can_block), (Some(Duration::from_millis(330)), true));
    assert_eq!(list.part_hold_back, Some(Duration::from_millis(1020)));
    assert_eq!(list.hold_back, Some(Duration::from_secs(12)));
    let whole = |at: usize| list.segments[at].whole.clone().unwrap();
    assert_eq!(whole(0).range, Some((720, 1000)));
    assert_eq!((whole(1).range, list.segments[1].discontinuity), (Some((1720, 500)), true));
    assert!(list.segments[2].gap && !list.segments[1].gap && !list.segments[2].discontinuity);
    assert_eq!(list.segments[0].map.as_ref().unwrap().range, Some((20, 700)));
    let last = &list.segments[3];
    assert_eq!((last.whole.clone(), last.parts.len(), last.duration), (None, 2, Duration::from_millis(530)));
    assert_eq!((&*last.parts[0].piece.uri, last.parts[0].independent), ("p, 0.mp4", true));
    assert_eq!(last.parts[1].piece.range, Some((3, 9)));
    assert!(!list.ended && !list.encrypted);
    assert!(media("#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n#EXT-X-ENDLIST\n").encrypted);
    assert!(!media("#EXTM3U\n#EXT-X-KEY:METHOD=NONE\n").encrypted);
}

#[test]
fn a_main_list_tells_its_variants() {
    let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",URI=\"en.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"in it\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS=\"avc1.4d,mp4a\",AUDIO=\"b\"\nlow/x.m3u8\n\
        #EXT-X-STREAM-INF:AUDIO=\"a\",BANDWIDTH=2000000\nhigh/x.m3u8\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9,URI=\"i\"\n";
    let Playlist::Main(variants) = Playlist::parse(text).unwrap() else { panic!("a list of pieces") };
    let known: Vec<_> = variants.iter().map(|v| (&*v.uri, v.bandwidth, v.separate_sound)).collect();
    assert_eq!(known, [("low/x.m3u8", 800_000, false), ("high/x.m3u8", 2_000_000, true)]);
}

#[test]
fn what_is_no_list_is_told_and_long_ones_are_refused() {
    let error = Playlist::parse("<html>").unwrap_err();
    assert_eq!(error.to_string(), "line 1 of the playlist: expected #EXTM3U, found \"<html>\"");
    let long = format!("#EXTM3U\n{}", "#EXTINF:1,\na\n".repeat(MOST_PIECES + 1));
    assert!(Playlist::parse(&long).unwrap_err().to_string().contains("more than 32768 pieces"));
    let long = format!("#EXTM3U\n{}", "#EXT-X-STREAM-INF:BANDWIDTH=1\na\n".repeat(MOST_VARIANTS + 1));
    assert!(Playlist::parse(&long).is_err());
    for odd in
        ["#EXTM3U\n#EXTINF:nan,\na\n#EXT-X-BYTERANGE:x@y\nb", "#EXTM3U\n#EXTINF:-1\na", "#EXTM3U\n#EXT-X-PART:URI=\"a"]
    {
        assert!(Playlist::parse(odd).is_ok(), "{odd}");
    }
}

#[test]
fn one_begins_three_segments_from_the_end_and_each_comes_once() {
    let mut follower = Follower::new();
    follower.handle(live(10, 6, u64::MAX));
    assert_eq!(names(&mut follower), ["13.mp4", "14.mp4", "15.mp4"]);
    assert_eq!(follower.poll(), Next::Reload { after: Duration::from_secs(2), wait_for: None });
    follower.handle(live(10, 6, u64::MAX));
    assert_eq!(follower.poll(), Next::Reload { after: Duration::from_secs(1), wait_for: None });
    follower.handle(live(12, 6, u64::MAX));
    assert_eq!(names(&mut follower), ["16.mp4", "17.mp4"]);
}

#[test]
fn with_parts_one_begins_at_a_keyframe_and_asks_for_the_next_part() {
    let mut follower = Follower::new();
    follower.handle(live(10, 4, 1));
    // 1.5 s from the end is part 2 of 13; the keyframe before it is part 0, which is there as a whole.
    assert_eq!(names(&mut follower), ["13.mp4", "14.0.mp4"]);
    assert_eq!(follower.poll(), Next::Reload { after: Duration::from_millis(20), wait_for: Some((14, Some(1))) });
    follower.handle(live(10, 4, 3));
    assert_eq!(names(&mut follower), ["14.1.mp4", "14.2.mp4"]);
    follower.handle(live(11, 4, 0));
    assert_eq!(names(&mut follower), ["14.3.mp4"]);
    assert_eq!(follower.poll(), Next::Reload { after: Duration::from_millis(20), wait_for: Some((15, Some(0))) });
    // The server did not wait.
    follower.handle(live(11, 4, 0));
    assert_eq!(follower.poll(), Next::Reload { after: Duration::from_millis(250), wait_for: Some((15, Some(0))) });
}

#[test]
fn what_is_missing_is_marked() {
    let mut follower = Follower::new();
    follower.handle(live(10, 4, u64::MAX));
    assert_eq!(names(&mut follower).len(), 3);
    // Too slow.
    follower.handle(live(30, 4, u64::MAX));
    assert_eq!(names(&mut follower), ["!31.mp4", "32.mp4", "33.mp4"]);
    // The server has begun anew; a list from a cache is no such thing.
    follower.handle(live(29, 4, u64::MAX));
    assert!(names(&mut follower).is_empty());
    follower.handle(live(0, 3, u64::MAX));
    assert_eq!(names(&mut follower), ["!0.mp4", "1.mp4", "2.mp4"]);
    let mut list = live(0, 5, u64::MAX);
    list.segments[3].gap = true;
    follower.handle(list);
    assert_eq!(names(&mut follower), ["!4.mp4"]);
    follower.skip();
    let mut list = live(0, 8, u64::MAX);
    list.segments[6].discontinuity = true;
    follower.handle(list);
    assert_eq!(names(&mut follower), ["!5.mp4", "!6.mp4", "7.mp4"]);
}

#[test]
fn a_server_that_begins_anew_within_the_numbers_of_before_is_found_out_by_its_names() {
    let mut follower = Follower::new();
    follower.handle(live(5, 4, u64::MAX));
    assert_eq!(names(&mut follower).len(), 3);
    // An earlier state of the same list, with other tokens.
    let mut list = live(4, 4, u64::MAX);
    for whole in list.segments.iter_mut().filter_map(|segment| segment.whole.as_mut()) {
        whole.uri += "?token=2";
    }
    follower.handle(list);
    assert!(names(&mut follower).is_empty());
    let mut list = live(0, 8, u64::MAX);
    for whole in list.segments.iter_mut().filter_map(|segment| segment.whole.as_mut()) {
        whole.uri = format!("b{}", whole.uri);
    }
    follower.handle(list);
    assert_eq!(names(&mut follower), ["!b5.mp4", "b6.mp4", "b7.mp4"]);
}

#[test]
fn servers_that_take_turns_with_old_lists_are_not_asked_on_and_on() {
    let mut follower = Follower::new();
    follower.handle(live(10, 4, 1));
    assert_eq!(names(&mut follower).len(), 2);
    for upto in [0, 1, 0, 1] {
        follower.handle(live(10, 4, upto));
        let Next::Reload { after, .. } = follower.poll() else { panic!("nothing is there") };
        assert_eq!(after, Duration::from_millis(250));
    }
}

#[test]
fn parts_that_have_left_the_list_are_made_up_for_by_the_next_segment() {
    let mut follower = Follower::new();
    follower.handle(live(10, 4, 1));
    assert_eq!(names(&mut follower).len(), 2);
    follower.handle(live(12, 6, 0));
    assert_eq!(names(&mut follower), ["!15.mp4", "16.mp4", "17.mp4"]);
}

#[test]
fn another_header_begins_anew_and_an_end_ends() {
    let mut follower = Follower::new();
    let mut list = live(0, 4, u64::MAX);
    let header = |uri: &str| Some(Piece { uri: uri.into(), ..Piece::default() });
    for (at, segment) in list.segments.iter_mut().enumerate() {
        segment.map = header(if at < 3 { "a" } else { "b" });
    }
    list.ended = true;
    follower.handle(list);
    let mut anew = Vec::new();
    while let Next::Fetch(fetch) = follower.poll() {
        anew.push((fetch.anew, fetch.broken, fetch.map.unwrap().uri));
    }
    let expected = [(true, false, "a"), (false, false, "a"), (true, false, "b")];
    assert_eq!(anew, expected.map(|(anew, broken, map)| (anew, broken, map.to_owned())));
    assert_eq!(follower.poll(), Next::End);
}

#[test]
fn a_list_that_does_not_say_how_long_its_segments_are_is_not_asked_on_and_on() {
    for (said, expected) in [("", 2000), ("#EXT-X-TARGETDURATION:0\n", 2000), ("#EXT-X-TARGETDURATION:4\n", 4000)] {
        let text = format!("#EXTM3U\n{said}#EXTINF:2,\na.ts\n");
        let Ok(Playlist::Media(media)) = Playlist::parse(&text) else { panic!("{text}") };
        let mut follower = Follower::new();
        follower.handle(media.clone());
        assert!(matches!(follower.poll(), Next::Fetch(_)));
        let after = Duration::from_millis(expected);
        assert_eq!(follower.poll(), Next::Reload { after, wait_for: None }, "{text}");
        follower.handle(media);
        assert_eq!(follower.poll(), Next::Reload { after: after / 2, wait_for: None }, "{text}");
    }
    // Nothing in it at all.
    let mut follower = Follower::new();
    follower.handle(Media::default());
    assert_eq!(follower.poll(), Next::Reload { after: Duration::from_millis(100), wait_for: None });
}

#[test]
fn pieces_have_the_key_that_stands_before_them() {
    let list = media(
        "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-PART-INF:PART-TARGET=0.5\n#EXTINF:1,\na\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n\
         #EXT-X-MAP:URI=\"m\"\n#EXT-X-PART:DURATION=0.5,URI=\"b0\"\n#EXTINF:1,\nb\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0xff\n\
         #EXTINF:1,\nc\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:1,\nd\n",
    );
    let key = |at: usize| list.segments[at].whole.as_ref().unwrap().key.as_ref().map(|key| (&*key.uri, key.iv[15]));
    assert_eq!([key(0), key(1), key(2), key(3)], [None, Some(("k", 8)), Some(("k", 255)), None]);
    assert_eq!(list.segments[1].map.as_ref().unwrap().key.as_ref().unwrap().iv[15], 8);
    assert_eq!((list.encrypted, list.keys.len(), list.part_target), (false, 1, None));
    assert!(list.segments.iter().all(|segment| segment.parts.is_empty()));
}

#[test]
fn a_list_of_a_million_lines_is_refused_and_holds_no_more_than_its_bounds() {
    let refused =
        |line: &str| Playlist::parse(&format!("#EXTM3U\n{}", line.repeat(1_000_000))).unwrap_err().to_string();
    for line in ["a\n", "#EXTINF:1,\na\n", "#EXT-X-PART:DURATION=1,URI=\"a\"\n"] {
        assert!(refused(line).contains("more than 32768 pieces"), "{line}");
    }
    assert!(refused("#EXT-X-STREAM-INF:BANDWIDTH=1\na\n").contains("more than 256 variants"));
    // Tags that name nothing are passed over; of keys as many are kept as there may be pieces.
    let keys = "#EXT-X-KEY:METHOD=AES-128,URI=\"a\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"b\"\n";
    assert!(refused(keys).contains("more than 32768 keys"));
    let groups = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",URI=\"b\"\n";
    assert!(refused(groups).contains("more than 256"));
    assert!(refused("#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\n").contains("more than 256 variants"));
}
