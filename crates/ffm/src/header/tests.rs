use super::*;

fn packet(bytes: &[u8]) -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    packet[..bytes.len()].copy_from_slice(bytes);
    packet
}

fn options(text: &str) -> Vec<(String, String)> {
    crate::options::parse(text.as_bytes())
}

/// What ffserver tells a feeder of the how-to.
const HOW_TO: &str = "time_base=1/25,b=10240000,bufsize=167772160,video_size=320x240,qmin=3,qmax=31,strict=-1,bt=2560000,maxrate=20480000";

fn how_to() -> Header {
    let stream = Stream {
        bit_rate: 10_240_000,
        options: options(HOW_TO),
        private: options("rc_eq=tex^qComp"),
        ..Stream::new("mjpeg").unwrap()
    };
    Header { streams: vec![stream], write_index: 0 }
}

#[test]
fn a_header_is_written_byte_for_byte() {
    let written = how_to().write().unwrap();
    let mut expected = b"FFM2".to_vec();
    expected.extend(b"\0\0\x10\0 \0\0\0\0\0\0\0\0".iter().filter(|byte| **byte != b' '));
    expected.extend(b"MAIN\0\0\0\x08 \0\0\0\x01 \0\x9C\x40\0".iter().filter(|byte| **byte != b' '));
    expected.extend(b"COMM\0\0\0\x15 \0\0\0\x08 \0 \0\x9C\x40\0".iter().filter(|byte| **byte != b' '));
    expected.extend([0; 12]);
    for (name, text) in [(b"S2VI", HOW_TO), (b"CPRV", "rc_eq=tex^qComp")] {
        expected.extend(name);
        expected.extend((text.len() as u32 + 1).to_be_bytes());
        expected.extend(text.bytes());
        expected.push(0);
    }
    expected.resize(PACKET, 0);
    assert_eq!(written, expected);
    assert_eq!(Header::parse(written.first_chunk().unwrap()), Ok(how_to()));
}

#[test]
fn a_stream_becomes_a_track() {
    let track = how_to().streams[0].track(0).unwrap();
    let video = track.video().unwrap();
    assert_eq!((track.codec, video.size, track.bit_rate), (Codec::MJPEG, Size::new(320, 240), 10_240_000));
    assert_eq!(video.frame_rate, Rational::new(25, 1));

    let extradata = Bytes::from_static(b"extra");
    let sound = Stream { options: options("ac=2,ar=44100"), extradata, ..Stream::new("aac").unwrap() };
    let header = Header { streams: vec![sound], write_index: 4096 };
    let again = Header::parse(header.write().unwrap().first_chunk().unwrap()).unwrap();
    assert_eq!(again.streams[0].flags, GLOBAL_HEADER);
    let track = again.streams[0].track(3).unwrap();
    assert_eq!((track.id, &track.extradata[..]), (TrackId(3), &b"extra"[..]));
    assert_eq!(track.kind, media::Kind::Audio(Audio { sample_rate: 44_100, channels: 2, block_align: 0 }));
}

/// The fields of a picture in the older forms.
fn legacy_video() -> Vec<u8> {
    let mut out = [1_u32, 25].iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<_>>();
    out.extend([352_u16, 288, 12].iter().flat_map(|n| n.to_be_bytes()));
    out.extend([0; 4 + 3 + 4 + 4]);
    out.extend(b"tex^qComp\0");
    out.extend([0; 12 + 32 + 36 + 8]);
    out.extend(b"GPJM");
    out.extend([0; 1 + 28 + 16 + 8]);
    out
}

#[test]
fn the_older_forms_are_read_too() {
    let comm = [&8_u32.to_be_bytes()[..], &[0], &[0; 16]].concat();
    let sound = [&0x1_5000_u32.to_be_bytes()[..], &[1], &[0; 16]].concat();
    let stau = [&44_100_u32.to_be_bytes()[..], &[2, 0], &[4, 0x80]].concat();
    let head = |magic: &[u8]| [magic, &4096_u32.to_be_bytes(), &[0; 8]].concat();
    let first = [
        head(b"FFM1"),
        2_u32.to_be_bytes().into(),
        vec![0; 4],
        comm.clone(),
        legacy_video(),
        sound.clone(),
        stau.clone(),
    ]
    .concat();
    let chunk = |name: &[u8], body: &[u8]| [name, &(body.len() as u32).to_be_bytes(), body].concat();
    let second = [
        head(b"FFM2"),
        chunk(b"MAIN", &[0, 0, 0, 2, 0, 0, 0, 0]),
        chunk(b"COMM", &comm),
        chunk(b"STVI", &legacy_video()),
        chunk(b"WHAT", b"nobody knows"),
        chunk(b"COMM", &sound),
        chunk(b"STAU", &stau),
    ]
    .concat();
    for bytes in [first, second] {
        let header = Header::parse(&packet(&bytes)).unwrap();
        let tracks: Vec<_> = header.streams.iter().enumerate().map(|(at, stream)| stream.track(at).unwrap()).collect();
        assert_eq!(tracks[0].video().unwrap().size, Size::new(352, 288));
        assert_eq!((tracks[0].codec.name(), tracks[0].tag), ("mjpeg", u32::from_be_bytes(*b"GPJM")));
        assert_eq!(tracks[1].kind, media::Kind::Audio(Audio { sample_rate: 44_100, channels: 2, block_align: 0 }));
    }
}

#[test]
fn hostile_headers_are_refused_with_a_sentence() {
    let head = b"FFM2\0\0\x10\0\0\0\0\0\0\0\0\0";
    let many = [&b"FFM1"[..], &head[4..], &[0xFF; 8]].concat();
    let comms = b"COMM\0\0\0\x15\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    for (bytes, expected) in [
        (b"GET / HTTP".to_vec(), "byte 0: expected FFM1 or FFM2, found \"GET \"; is this an FFM feed?"),
        (b"FFM2\0\0\x20\0".to_vec(), "byte 4: a packet has 4096 bytes in every FFM feed, here 8192"),
        (head.to_vec(), "header: 0 streams, expected 1 to 20"),
        (many, "header: 4294967295 streams, expected 1 to 20"),
        ([&head[..], &comms.repeat(21)].concat(), "header: 21 streams, expected 1 to 20"),
        ([&head[..], b"COMM\xFF\xFF\xFF\xFF"].concat(), "header, byte 24: the feed's head is cut off"),
        ([&head[..], b"COMM\0\0\0\x02ab"].concat(), "header, byte 24: a chunk is cut off"),
    ] {
        assert_eq!(Header::parse(&packet(&bytes)).unwrap_err().to_string(), expected);
    }
    let unknown = Stream { codec: 3, ..Stream::new("mjpeg").unwrap() };
    let error = unknown.track(1).unwrap_err().to_string();
    assert!(error.starts_with("stream 1: codec number 0x3 is none that Headwater knows"), "{error}");
    let long = Stream { extradata: vec![0; 5000].into(), ..Stream::new("h264").unwrap() };
    let error = Header { streams: vec![long], write_index: 0 }.write().unwrap_err().to_string();
    assert!(error.contains("do not fit into a header of 4096"), "{error}");
}
