use std::io::Cursor;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use media::{Codec, Kind, Size, Timestamp};

use super::*;

const H264: &str = "-f lavfi -i testsrc2=size=160x120:rate=10:duration=2 -c:v libx264 -g 10 -bf 2 -pix_fmt yuv420p";

fn start_code(data: &[u8]) -> bool {
    data.starts_with(&[0, 0, 1]) || data.starts_with(&[0, 0, 0, 1])
}

#[test]
fn a_clip_tells_its_tracks() {
    let clip = make(
        "a.mkv",
        "-f lavfi -i testsrc2=size=160x120:rate=10:duration=1 -f lavfi -i sine=frequency=440:duration=1 -c:v libx264 -pix_fmt yuv420p -c:a aac -ac 2 -metadata title=Gate",
    );
    let input = open(&clip);
    let tracks = input.tracks();
    let video = tracks[0].video().unwrap();
    assert_eq!((tracks[0].codec, video.size), (Codec::H264, Size::new(160, 120)));
    assert_eq!(video.pixel_format.as_deref(), Some("yuv420p"));
    assert_eq!(video.frame_rate.unwrap().as_f64(), 10.0);
    assert!(video.profile.is_some());
    assert!(matches!(&tracks[1].kind, Kind::Audio(audio) if audio.sample_rate == 44_100 && audio.channels == 2));
    assert_eq!(tracks[1].codec.name(), "aac");
    assert_eq!(input.title().as_deref(), Some("Gate"));
    assert_eq!(input.container(), "matroska,webm");
    assert!((0.9..1.2).contains(&input.duration().unwrap().as_secs_f64()));
    assert_eq!(input.start_time(), Some(Timestamp::ZERO));
}

#[test]
fn h264_and_h265_leave_containers_as_annex_b() {
    for (name, more) in [
        ("a.mp4", ""),
        ("a.mkv", ""),
        ("a.flv", ""),
        ("a.ts", ""),
        ("h.mp4", "-c:v libx265 -x265-params log-level=0"),
        ("h.mkv", "-c:v libx265 -x265-params log-level=0"),
    ] {
        let clip = make(name, &format!("{H264} {more}"));
        let mut input = open(&clip);
        let track = video(&input);
        assert!(
            track.extradata.is_empty() || start_code(&track.extradata),
            "{name}: extradata {:02x?}",
            &track.extradata[..8]
        );
        let units = units(&mut input);
        assert_eq!(units.len(), 20, "{name}");
        assert!(units.iter().all(|unit| start_code(&unit.data)), "{name}");
        assert!(units[0].key, "{name}");
        assert_eq!(units.iter().filter(|unit| unit.key).count(), 2, "{name}");
        assert_eq!(decode(&track, &units, Skip::None).len(), 20, "{name}");
    }
}

#[test]
fn times_are_the_containers() {
    let clip = make("a.mp4", H264);
    let frames = pictures(&clip);
    let times: Vec<_> = frames.iter().map(|frame| frame.pts().unwrap().as_nanos()).collect();
    let expected: Vec<_> = (0..20).map(|n| n * 100_000_000).collect();
    assert_eq!(times, expected);
}

#[test]
fn a_unit_is_the_demuxers_own_memory_and_outlives_it() {
    init();
    let packet = crate::packet::Packet::copy_of(b"sixteen bytes....").unwrap();
    let at = packet.data().as_ptr();
    let bytes = packet.into_bytes();
    assert_eq!(bytes.as_ptr(), at);
    let clip = make("a.mjpeg", "-f lavfi -i testsrc2=size=64x48:rate=5:duration=1 -c:v mjpeg");
    let mut input = open(&clip);
    let units = units(&mut input);
    drop(input);
    assert_eq!(units.len(), 5);
    assert!(units.iter().all(|unit| unit.key && unit.data.starts_with(&[0xff, 0xd8])));
}

#[test]
fn the_same_through_a_reader() {
    let clip = make("a.ts", H264);
    let bytes = std::fs::read(&clip.path).unwrap();
    let mut input = Input::from_read(Cursor::new(bytes), &InputOptions::default(), || false).unwrap();
    assert_eq!(input.container(), "mpegts");
    let units = units(&mut input);
    assert_eq!(units.len(), 20);
    assert!(input.rewind().is_err());
}

#[test]
fn bytes_that_name_addresses_and_files_do_not_have_them_opened() {
    let clip = make("a.ts", H264);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let mpd = |url: &str| {
        format!(
            "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
             mediaPresentationDuration=\"PT3S\"><Period><AdaptationSet mimeType=\"video/mp4\">\
             <Representation id=\"1\" bandwidth=\"1\"><BaseURL>{url}</BaseURL></Representation>\
             </AdaptationSet></Period></MPD>"
        )
    };
    let playlist = |url: &str| format!("#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{url}\n#EXT-X-ENDLIST\n");
    let concat = |url: &str| format!("ffconcat version 1.0\nfile {url}\n");
    let session = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 0 RTP/AVP 33\n".to_owned();
    let mut sent = vec![session];
    for url in [
        format!("http://{address}/a.ts"),
        format!("tcp://{address}"),
        clip.url().into(),
        format!("file:{}", clip.url()),
    ] {
        sent.extend([mpd(&url), playlist(&url), concat(&url)]);
    }
    for text in sent {
        let opened = Input::from_read(Cursor::new(text.clone()), &InputOptions::default(), || false);
        let read = opened.ok().and_then(|mut input| match input.read() {
            Ok(Read::Unit(_)) => Some(()),
            _ => None,
        });
        assert_eq!(read, None, "{text}");
    }
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_size_that_is_made_up_takes_no_memory() {
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    init();
    let before = peak();
    for size in [0x7FFF_FFFFu32, 0x1FFF_0000] {
        let bytes = [&size.to_be_bytes()[..], b"ftypisom", &[0; 100_000]].concat();
        let _ = Input::from_read(Cursor::new(bytes), &InputOptions::default(), || false);
    }
    assert!(peak() - before < 100_000, "{} KiB", peak() - before);
}

#[test]
fn a_file_plays_again_after_rewind() {
    for (name, arguments) in
        [("a.mp4", H264), ("a.mjpeg", "-f lavfi -i testsrc2=size=64x48:rate=5:duration=4 -c:v mjpeg")]
    {
        let clip = make(name, arguments);
        let mut input = open(&clip);
        let first: Vec<_> = units(&mut input).into_iter().map(|unit| unit.data).collect();
        input.rewind().unwrap();
        let again: Vec<_> = units(&mut input).into_iter().map(|unit| unit.data).collect();
        assert_eq!(first.len(), 20);
        assert!(first == again, "{name}");
    }
}

#[test]
fn a_silent_server_is_given_up_at_once() {
    init();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/video", listener.local_addr().unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let (seen, thread) = (stop.clone(), stop.clone());
    let opened =
        std::thread::spawn(move || Input::open(&url, &InputOptions::default(), move || seen.load(Ordering::Relaxed)));
    let _connection = listener.accept().unwrap();
    thread.store(true, Ordering::Relaxed);
    let asked = Instant::now();
    assert_eq!(opened.join().unwrap().err(), Some(Error::Interrupted));
    assert!(asked.elapsed() < Duration::from_millis(300), "{:?}", asked.elapsed());
}

#[test]
fn a_panic_in_the_interrupt_is_an_interrupt() {
    init();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/video", listener.local_addr().unwrap());
    let result = Input::open(&url, &InputOptions::default(), || panic!("on purpose"));
    assert_eq!(result.err(), Some(Error::Interrupted));
}

/// What opening `url` says.
fn refusal(url: &str) -> Error {
    init();
    Input::open(url, &InputOptions::default(), || false).err().expect(url)
}

#[test]
fn errors_say_what_stood_in_the_way() {
    assert!(matches!(refusal("/no/such/file"), Error::NotFound { .. }));
    assert!(matches!(refusal("gopherus://x/"), Error::ProtocolNotFound { .. }));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(matches!(refusal(&format!("http://{free}/")), Error::Refused { .. }));
    assert!(matches!(refusal("http://no-such-host.invalid/"), Error::Unreachable { .. }));
    let options = InputOptions { format: Some("nosuch".into()), ..InputOptions::default() };
    let error = Input::open("/dev/null", &options, || false).err().unwrap();
    assert_eq!(error.to_string(), "this build of FFmpeg lacks a demuxer for nosuch");
    let noise = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&noise, b"no media, only words. ".repeat(500)).unwrap();
    assert!(matches!(refusal(noise.path().to_str().unwrap()), Error::InvalidData { .. }));
}

#[test]
fn a_servers_status_becomes_an_error_without_the_password() {
    use std::io::{Read as _, Write as _};
    for (scheme, answer) in [("http", "HTTP/1.1"), ("rtsp", "RTSP/1.0")] {
        for (status, expected) in
            [(401, "Unauthorized"), (403, "Unauthorized"), (404, "NotFound"), (503, "Server { status: 503")]
        {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let at = listener.local_addr().unwrap();
            std::thread::spawn(move || {
                while let Ok((mut connection, _)) = listener.accept() {
                    let mut request = [0; 4096];
                    while let Ok(read @ 1..) = connection.read(&mut request) {
                        let request = String::from_utf8_lossy(&request[..read]);
                        let number =
                            request.lines().find_map(|line| line.strip_prefix("CSeq: ")).unwrap_or("1").to_owned();
                        let status = if request.starts_with("OPTIONS") { 200 } else { status };
                        let _ =
                            write!(connection, "{answer} {status} Word\r\nCSeq: {number}\r\nContent-Length: 0\r\n\r\n");
                    }
                }
            });
            let error = refusal(&format!("{scheme}://user:hunter2@{at}/live"));
            assert!(format!("{error:?}").starts_with(expected), "{scheme} {status}: {error:?}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
            // http.c says nothing of a 401 without a challenge.
            let told = error.detail().is_some_and(|detail| detail.contains(&status.to_string()));
            assert!(told || status == 401, "{error:?}");
        }
    }
}

#[test]
fn damaged_and_truncated_clips_never_panic() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for name in ["a.ts", "a.flv", "a.mkv", "a.asf"] {
        let codec = if name == "a.asf" { "-c:v wmv2" } else { "" };
        let clip = make(name, &format!("{H264} {}", if codec.is_empty() { "" } else { "-bf 0 -c:v wmv2" }));
        let whole = std::fs::read(&clip.path).unwrap();
        for round in 0..8 {
            let mut bytes = whole.clone();
            if round < 2 {
                bytes.truncate(random() as usize % bytes.len());
            }
            for _ in 0..bytes.len() / 200 {
                let at = random() as usize % bytes.len();
                bytes[at] = random() as u8;
            }
            let Ok(mut input) = Input::from_read(Cursor::new(bytes), &InputOptions::default(), || false) else {
                continue;
            };
            let mut decoders: Vec<_> =
                input.tracks().iter().map(|track| Decoder::new(track, &DecoderOptions::default()).ok()).collect();
            let (mut scaler, mut errors) = (Scaler::new(), 0);
            loop {
                match input.read() {
                    Ok(Read::End) => break,
                    Ok(Read::Tracks(tracks)) => {
                        decoders =
                            tracks.iter().map(|track| Decoder::new(track, &DecoderOptions::default()).ok()).collect();
                    }
                    Ok(Read::Unit(unit)) => {
                        let Some(Some(decoder)) = decoders.get_mut(usize::from(unit.track.0)) else { continue };
                        let _ = decoder.send(&unit.data, unit.pts.unwrap_or_default(), unit.key);
                        while let Ok(Some(frame)) = decoder.receive() {
                            if frame.size().width > 0 {
                                let _ = scaler.to_jpeg_planes(&frame, Size::new(80, 60));
                            }
                        }
                    }
                    Err(_) if errors < 100 => errors += 1,
                    Err(_) => break,
                }
            }
        }
    }
}

#[test]
fn a_phones_clip_tells_how_to_turn_it() {
    let clip = make("a.mp4", H264);
    let turned = make("b.mp4", &format!("-i {} -c copy -metadata:s:v:0 rotate=90", clip.url()));
    assert_eq!(video(&open(&turned)).video().unwrap().rotation, 270);
}

#[test]
fn a_new_size_in_mid_stream_is_a_new_set_of_tracks() {
    let (a, b) = (make("a.flv", H264), make("b.flv", &H264.replace("160x120", "320x240")));
    // An FLV whose second half brings a new sequence header, as an RTMP encoder that is reconfigured.
    let (mut bytes, second) = (std::fs::read(&a.path).unwrap(), std::fs::read(&b.path).unwrap());
    bytes.extend_from_slice(&second[13..]);
    let mut input = Input::from_read(Cursor::new(bytes), &InputOptions::default(), || false).unwrap();
    let before = video(&input);
    let mut after = None;
    loop {
        match input.read().unwrap() {
            Read::Tracks(tracks) => after = Some(tracks[0].clone()),
            Read::Unit(unit) => assert!(start_code(&unit.data)),
            Read::End => break,
        }
    }
    assert!(start_code(&before.extradata));
    let after = after.expect("a new set of tracks");
    assert!(start_code(&after.extradata) && after.extradata != before.extradata);
}

#[test]
fn the_wmv_samples_play_to_the_end() {
    let Some(samples) = samples() else { return };
    for name in [
        "numbered-wmv2-352x288.wmv",
        "numbered-wmv1-320x240.wmv",
        "numbered-msmpeg4v3-176x144.asf",
        "numbered-mpeg4-320x240.asf",
    ] {
        init();
        let mut input = Input::open(samples.join(name).to_str().unwrap(), &InputOptions::default(), || false).unwrap();
        assert_eq!(input.container(), "asf");
        let (track, units) = (video(&input), units(&mut input));
        let count = units.iter().filter(|unit| unit.track == track.id).count();
        let frames = decode(&track, &units, Skip::None).len();
        assert!(frames > 0 && frames <= count && frames + 2 >= count, "{name}: {frames} of {count}");
    }
}
