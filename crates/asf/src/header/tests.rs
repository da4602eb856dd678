use super::*;
use crate::guid::Guid;
use crate::testdata::*;

fn usual() -> Vec<Vec<u8>> {
    let texts: Vec<_> = ["A title", "Me", "", "Words", ""].into_iter().map(utf16).collect();
    let lengths: Vec<_> = texts.iter().flat_map(|text| le![text.len() as u16]).collect();
    let aspect = |name: &str, value: u32| {
        let name = utf16(name);
        [le![0_u16, 2_u16, name.len() as u16, 3_u16, 4_u32], name, le![value]].concat()
    };
    let metadata = [le![2_u16], aspect("AspectRatioX", 12), aspect("AspectRatioY", 11)].concat();
    let command = [
        &guid::RESERVED_3.to_bytes()[..],
        &le![1_u16, 1_u16, 3_u16],
        &utf16("URL"),
        &le![5000_u32, 0_u16, 1_u16],
        &utf16("x"),
    ];
    let marker = [
        &guid::RESERVED_4.to_bytes()[..],
        &le![1_u32, 0_u16, 0_u16, 3200_u64, 50_000_000_u64, 16_u16, 0_u32, 0_u32, 2_u32],
        &utf16("go"),
    ];
    vec![
        object(guid::CONTENT_DESCRIPTION, &[lengths, texts.concat()].concat()),
        extension(&[
            extended(2, 300_000, &[(guid::EXTENSION_SAMPLE_DURATION, 2), (Guid::from_bytes([9; 16]), 0xFFFF)], b""),
            extended(3, 90_000, &[], &video(3, b"WMV2", 160, 120)),
            object(guid::METADATA, &metadata),
        ]),
        audio(1, 0x161),
        object(guid::SCRIPT_COMMAND, &command.concat()),
        object(guid::MARKER, &marker.concat()),
        video(2, b"wmv2", 320, 240),
        bit_rates(&[(1, 64_000), (2, 0)]),
        exclusion(guid::MUTEX_BITRATE, &[2, 3]),
        file(3200, 3000, Some(10_000)),
    ]
}

#[test]
fn objects_are_read_in_any_order() {
    let mut objects = usual();
    for _ in 0..objects.len() {
        let header = Header::parse(&header(&objects)).unwrap();
        let mut numbers: Vec<_> = header.streams.iter().map(|stream| stream.number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3]);
        let rates = [1, 2, 3].map(|number| header.stream(number).unwrap().bit_rate);
        assert_eq!(rates, [64_000, 300_000, 90_000]);
        assert_eq!(header.title(), Some("A title"));
        assert_eq!(header.duration(), Some(Duration::from_secs(10)));
        assert!(header.is_seekable() && !header.is_broadcast());
        assert_eq!(header.sample_aspect(2), Rational::new(12, 11));
        assert_eq!(header.sample_aspect(3), None);
        assert_eq!(header.scripts, [Script { time: 5000, kind: "URL".into(), text: "x".into() }]);
        assert_eq!(header.markers, [Marker { offset: 3200, time: 50_000_000, name: "go".into() }]);
        assert_eq!(header.exclusions[0].alternatives, [[2], [3]]);
        assert_eq!(header.data, Some(DataHead { size: 50, packets: 0 }));
        let extended = header.stream(2).unwrap().extended.as_ref().unwrap();
        assert_eq!(extended.frame_time, 333_667);
        assert_eq!(extended.extensions[1], Extension { guid: Guid::from_bytes([9; 16]), size: None });
        objects.rotate_left(1);
    }
}

#[test]
fn formats_hold_what_decoders_need() {
    let parsed = Header::parse(&header(&usual())).unwrap();
    let Format::Video(video) = &parsed.stream(2).unwrap().format else { panic!() };
    assert_eq!(
        (video.size.to_string().as_str(), video.bits, &video.extra[..]),
        ("320x240", 24, &b"\x01\x02\x03\x04"[..])
    );
    let Format::Audio(audio) = &parsed.stream(1).unwrap().format else { panic!() };
    assert_eq!((audio.tag, audio.block_align, &audio.extra[..]), (0x161, 1486, &b"extradata."[..]));
    assert_eq!(parsed.stream(1).unwrap().to_string(), "stream 1 (audio wmav2 44100 Hz)");
    assert_eq!(parsed.stream(2).unwrap().to_string(), "stream 2 (video wmv2 320x240)");
}

#[test]
fn formats_that_are_cut_short_are_no_formats() {
    let whole = video_format(b"WMV3", 320, 240, b"");
    for length in 0..whole.len() {
        let parsed =
            Header::parse(&header(&[file(100, 0, None), stream(guid::VIDEO_MEDIA, 1, &whole[..length], None)]))
                .unwrap();
        assert_eq!(parsed.streams[0].format, Format::Other(guid::VIDEO_MEDIA), "{length} bytes");
    }
    // The old WAVEFORMAT, and an extensible one.
    let short = &audio_format(0x55, 1, b"")[..14];
    let sub = [&le![16_u16, 3_u32, 0x162_u32, 0x0010_0000_u32][..], &[0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71], b"rest"]
        .concat();
    let objects = [
        file(100, 0, None),
        stream(guid::AUDIO_MEDIA, 1, short, None),
        stream(guid::AUDIO_MEDIA, 2, &audio_format(0xFFFE, 1, &sub), None),
        stream(guid::VIDEO_MEDIA, 3, &video_format(b"WMV3", 320, (-240_i32).cast_unsigned(), b""), None),
    ];
    let parsed = Header::parse(&header(&objects)).unwrap();
    let codecs: Vec<_> = parsed.streams.iter().map(|stream| stream.format.codec().unwrap().name()).collect();
    assert_eq!(codecs, ["mp3", "wmapro", "wmv3"]);
    let Format::Audio(audio) = &parsed.streams[1].format else { panic!() };
    assert_eq!(&audio.extra[..], b"rest");
    assert_eq!(parsed.streams[2].to_string(), "stream 3 (video WMV3 320x240)");
}

#[test]
fn a_header_cut_anywhere_is_read_as_far_as_it_goes_or_refused() {
    let whole = header(&usual());
    let full = Header::parse(&whole).unwrap();
    for length in 0..=whole.len() {
        let cut = whole.slice(..length);
        match Header::parse(&cut) {
            Ok(parsed) => assert!(parsed.streams.len() <= full.streams.len()),
            Err(Error::Missing { .. }) => {}
            Err(error) => panic!("{length} bytes: {error}"),
        }
        assert_eq!(Header::whole(&cut).unwrap(), (length >= 24).then_some(whole.len()));
    }
}

#[test]
fn a_damaged_object_ends_the_walk_and_is_named() {
    let mut objects = usual();
    // The File Properties are the last of these.
    objects[3][16..24].fill(0);
    let error = Header::parse(&header(&objects)).unwrap_err().to_string();
    assert!(
        error.starts_with("ASF header without a File Properties Object that can be read (the object at byte "),
        "{error}"
    );
    objects.rotate_right(1);
    assert_eq!(Header::parse(&header(&objects)).unwrap().streams.len(), 2);
}

#[test]
fn what_is_no_header_is_told_from_one_that_cannot_be() {
    let error = |bytes: &[u8]| Header::parse(&Bytes::copy_from_slice(bytes)).unwrap_err().to_string();
    assert_eq!(
        error(b"HTTP/1.0 404 Not Found"),
        "byte 0: expected an ASF header (30 26 b2 75 8e 66 cf 11), found 48 54 54 50 2f 31 2e 30 \
         (\"HTTP/1.0 404 Not\"); this is not Windows Media"
    );
    let with_size = |size: u64| [&guid::HEADER.to_bytes()[..], &le![size]].concat();
    assert_eq!(error(&with_size(100 << 20)), "ASF header of 104857600 bytes; at most 8388608 are accepted");
    assert_eq!(error(&with_size(29)), "ASF header of 29 bytes; the least is 30");
    for packet in [0, MAX_HEADER as u32] {
        let sizes = error(&header(&[file(packet, 0, None), audio(1, 0x161)]));
        assert_eq!(
            sizes,
            format!("ASF data packets of {packet} to {packet} bytes; expected one size from 1 to 1048576")
        );
    }
    assert!(error(&header(&[file(100, 0, None)])).contains("without a Stream Properties Object"));
}

#[test]
fn a_broadcast_has_no_duration_and_is_not_seekable() {
    let parsed = Header::parse(&header(&[file(100, 5000, None), audio(1, 0x161)])).unwrap();
    assert!(parsed.is_broadcast() && !parsed.is_seekable());
    assert_eq!((parsed.duration(), parsed.title()), (None, None));
}

#[test]
fn encryption_is_refused_by_name() {
    let key =
        [&le![2_u32][..], b"xx", &le![4_u32], b"DRM\0", &le![4_u32], b"key\0", &le![19_u32], b"http://u:p@licence\0"];
    let version1 = object(guid::CONTENT_ENCRYPTION, &key.concat());
    let refused = |objects: &[Vec<u8>], wanted: &[u8]| {
        let parsed = Header::parse(&header(&[&[file(100, 0, None)][..], objects].concat())).unwrap();
        parsed.refuse_encrypted(wanted).map_err(|error| error.to_string())
    };
    assert_eq!(
        refused(&[audio(1, 0x161), version1.clone()], &[1]).unwrap_err(),
        "the content is encrypted (Windows Media DRM version 1, key key, licence from http://u:***@licence); \
         it plays only with a licence, in a player of its maker"
    );
    // A flag is enough, but only for the streams that are wanted.
    let flagged = [audio(1, 0x161), video(0x8002, b"WMV3", 320, 240)];
    assert!(refused(&flagged, &[1, 2]).unwrap_err().starts_with("stream 2 (video WMV3 320x240) is encrypted;"));
    assert_eq!(refused(&flagged, &[1]), Ok(()));
    assert_eq!(refused(&[&flagged[..], &[version1]].concat(), &[1]), Ok(()));
    let xml =
        utf16("<WRMHEADER version=\"2.0.0.0\"><DATA><KID>abc==</KID><LAINFO>http://l/</LAINFO></DATA></WRMHEADER>");
    let extended = object(guid::EXTENDED_CONTENT_ENCRYPTION, &[&le![xml.len() as u32][..], &xml].concat());
    let both = refused(&[&flagged[..], &[extended]].concat(), &[2]).unwrap_err();
    assert!(both.contains("(Windows Media DRM version 7 or later, key abc==, licence from http://l/)"), "{both}");
}
