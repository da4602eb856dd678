//! Streams that change, stop and break in their midst.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mms::http::server::{frame_change, frame_end, frame_header, frame_packet};
use source::{Error, Options, Phase, State};
use tokio::time::timeout;

use crate::servers::{self, Ask, Mmst};
use crate::support::{
    Packets, assert_whole, clips, digest, direct, failure, folder, name, open, options, pictures, play, play_on,
};

/// Clips with another codec and another size each, without sound.
const FIRST: &str = "numbered-mpeg4-320x240.asf";
const NEXT: &str = "numbered-msmpeg4v3-176x144.asf";
const CLIP: &str = "numbered-wmv2-320x240.wmv";

fn clip(name_of: &str) -> Option<PathBuf> {
    clips().into_iter().find(|clip| name(clip) == name_of)
}

#[tokio::test]
async fn a_recording_that_is_lost_goes_on_with_the_next_picture() {
    let folder = folder();
    for scheme in ["mmst", "mmsu"] {
        let options =
            Mmst { speed: Some(1.0), close_after: Some(20), folder: folder.path().to_owned(), ..Mmst::default() };
        let address = servers::mmst(options);
        let clip = clip(CLIP).unwrap();
        let (played, reconnects) = play_on(&format!("{scheme}://{address}/{CLIP}")).await;
        assert!(reconnects >= 2, "{scheme}: {reconnects} reconnects");
        // Not one picture is missing, repeated, or out of order, though every connection was lost.
        assert_whole(&clip, &played, &format!("over {scheme}, lost again and again"));
    }
}

#[tokio::test]
async fn so_does_one_over_http_and_rtsp() {
    let folder = folder();
    let path = folder.path().to_owned();
    let (plain, _) =
        servers::http(move |request| servers::ok("video/x-ms-wmv", &servers::file(&path, request).unwrap())).await;
    let (mmsh, rtsp) = (servers::mmsh(folder.path().to_owned()), servers::rtsp(folder.path().to_owned(), false));
    let clip = clip(CLIP).unwrap();
    let most = std::fs::metadata(&clip).unwrap().len() / 3;
    let lost = async |scheme: &str, server, most| {
        let address = servers::forgetful(server, most).await;
        let (played, reconnects) = play_on(&format!("{scheme}://{address}/{CLIP}")).await;
        assert!(reconnects >= 1, "{scheme}: {reconnects} reconnects");
        assert_whole(&clip, &played, &format!("over {scheme}, lost again and again"));
    };
    tokio::join!(lost("mmsh", mmsh, most), lost("rtspt", rtsp, most), async {
        // It has to be read from its begin each time, so the line gets better.
        let address = servers::improving(plain, most).await;
        let (played, reconnects) = play_on(&format!("http://{address}/{CLIP}")).await;
        assert!(reconnects >= 2, "{reconnects} reconnects");
        assert_whole(&clip, &played, "over HTTP, lost again and again");
    });
}

#[tokio::test]
async fn a_broadcast_is_joined_where_it_is_and_nothing_comes_twice() {
    let Some(clip) = clip("numbered-wmv1-320x240.wmv") else {
        println!("skipped: the files of shared/samples are not here");
        return;
    };
    let (header, packets) = taken_apart(&clip);
    let server = servers::broadcast(as_broadcast(&header), packets).await;
    let address = servers::forgetful(server, 40 << 10).await;
    let (source, mut cursor) = open(&format!("mmsh://{address}/live"), options());
    let whole = direct(&clip).into_iter().find(Packets::is_video).unwrap();
    let mut places: Vec<usize> = Vec::new();
    // Until it is off the air.
    while !source.status().borrow().error.as_ref().is_some_and(|error| error.to_string().contains("Off the air")) {
        let Ok(Ok(entry)) = timeout(Duration::from_secs(1), cursor.next()).await else { continue };
        if entry.tracks[usize::from(entry.packet.track.0)].video().is_some() {
            let digest = digest(&entry.packet.data);
            places.push(whole.packets.iter().position(|(_, known)| *known == digest).expect("a picture of the clip"));
        }
    }
    assert!(source.status().borrow().reconnects >= 2);
    assert!(places.len() > 20 && places.is_sorted_by(|a, b| a < b), "{places:?}");
}

/// A header with the flag of a broadcast.
fn as_broadcast(header: &Bytes) -> Bytes {
    // Flags are 88 bytes behind the begin of the File Properties Object.
    const FILE_PROPERTIES: [u8; 16] =
        [0xA1, 0xDC, 0xAB, 0x8C, 0x47, 0xA9, 0xCF, 0x11, 0x8E, 0xE4, 0x00, 0xC0, 0x0C, 0x20, 0x53, 0x65];
    let at = header.windows(16).position(|window| window == FILE_PROPERTIES).unwrap();
    let mut header = header.to_vec();
    header[at + 88] |= 1;
    header.into()
}

#[tokio::test]
async fn silence_in_mid_stream_is_found_and_healed() {
    let folder = folder();
    let clip = clip(CLIP).unwrap();
    let server = Mmst { speed: Some(1.0), silent_after: Some(20), folder: folder.path().to_owned(), ..Mmst::default() };
    let address = servers::mmst(server);
    let options = Options { gap_timeout: Duration::from_millis(800), ..options() };
    let (source, mut cursor) = open(&format!("mmst://{address}/{}", name(&clip)), options);
    pictures(&mut cursor, 5).await;
    let error = failure(&source).await;
    assert!(matches!(error, Error::Timeout { phase: Phase::Streaming, .. }), "{error:?}");
    pictures(&mut cursor, 20).await;
}

#[tokio::test]
async fn another_entry_goes_on_without_a_reconnect_whatever_its_codec_and_size() {
    let Some(next) = clip(NEXT) else {
        println!("skipped: the files of shared/samples are not here");
        return;
    };
    let folder = folder();
    for scheme in ["mmst", "mmsu"] {
        let server =
            Mmst { speed: Some(1.0), next: Some(name(&next)), folder: folder.path().to_owned(), ..Mmst::default() };
        let address = servers::mmst(server);
        assert_follow(&format!("{scheme}://{address}/{FIRST}"), &next).await;
    }
}

#[tokio::test]
async fn so_does_one_over_http() {
    let (Some(first), Some(next)) = (clip(FIRST), clip(NEXT)) else {
        println!("skipped: the files of shared/samples are not here");
        return;
    };
    let mut body = BytesMut::new();
    let mut sequence = 0_u8;
    for (place, clip) in [&first, &next].into_iter().enumerate() {
        let (header, packets) = taken_apart(clip);
        if place > 0 {
            // [MS-WMSP] 2.2.3.3: this entry is over, another one follows.
            body.extend_from_slice(&frame_end(1));
            body.extend_from_slice(&frame_change(0));
        }
        frame_header(&header, &mut body);
        for (location, packet) in (0..).zip(packets) {
            body.extend_from_slice(&frame_packet(location, sequence, packet.len()));
            body.extend_from_slice(&packet);
            sequence = sequence.wrapping_add(1);
        }
    }
    body.extend_from_slice(&frame_end(0));
    let mut described = BytesMut::new();
    frame_header(&taken_apart(&first).0, &mut described);
    let (address, heard) = servers::http(move |request| match request.contains("xPlayStrm=1") {
        true => [&b"HTTP/1.0 200 OK\r\nContent-Type: application/x-mms-framed\r\n\r\n"[..], &body].concat(),
        false => servers::ok("application/vnd.ms.wms-hdr.asfv1", &described),
    })
    .await;
    assert_follow(&format!("mmsh://{address}/playlist"), &next).await;
    assert_eq!(heard.all().len(), 2, "{:?}", heard.all());
}

/// The header of a clip and its packets.
fn taken_apart(clip: &Path) -> (Bytes, Vec<Bytes>) {
    let mut reader = asf::Reader::new();
    reader.handle_bytes(&std::fs::read(clip).unwrap()).unwrap();
    let (mut header, mut packets) = (Bytes::new(), Vec::new());
    while let Some(item) = reader.poll() {
        match item {
            asf::Item::Header(bytes) => header = bytes,
            asf::Item::Packet(bytes) => packets.push(bytes),
            _ => {}
        }
    }
    (header, packets)
}

/// Asserts that `url` brings every picture of [`FIRST`], and then of `next`, on one connection.
async fn assert_follow(url: &str, next: &Path) {
    let (source, mut cursor) = open(url, options());
    let mut seen: Vec<(String, usize)> = Vec::new();
    while let Ok(entry) = cursor.next().await {
        let Some(track) = entry.tracks.video().filter(|track| track.id == entry.packet.track) else { continue };
        let what = format!("{} {}", track.codec, track.video().unwrap().size);
        match seen.last_mut() {
            Some((last, count)) if *last == what => *count += 1,
            _ => seen.push((what, 1)),
        }
    }
    let frames = |path: &Path| direct(path)[0].packets.len();
    let first = clip(FIRST).unwrap();
    let expected = [("mpeg4 320x240".to_owned(), frames(&first)), ("msmpeg4v3 176x144".to_owned(), frames(next))];
    assert_eq!(seen, expected, "{url}");
    let status = source.status().borrow().clone();
    assert!(matches!(status.state, State::Ended) && status.reconnects == 0, "{url}: {status:?}");
}

#[tokio::test]
async fn users_are_let_in_with_their_passwords_only() {
    let folder = folder();
    for ask in [Ask::Basic, Ask::Ntlm] {
        let address = servers::mmst(Mmst { ask, folder: folder.path().to_owned(), ..Mmst::default() });
        let (source, mut cursor) = open(&format!("mmst://eve:sécret pass@{address}/{CLIP}"), options());
        pictures(&mut cursor, 2).await;
        drop(source);
        for wrong in ["", "eve:secret@"] {
            let (source, _cursor) = open(&format!("mmst://{wrong}{address}/{CLIP}"), options());
            let error = failure(&source).await;
            println!("{ask:?} {wrong}: {error}");
            assert!(matches!(error, Error::Unauthorized { .. }), "{ask:?} {wrong}: {error:?}");
        }
    }
}

#[tokio::test]
async fn refusals_are_sentences() {
    let folder = folder();
    for (code, expected) in [
        (0xC00D_001A, "ReportOpenFile: 0xc00d001a: the server has no such stream; is the path right?"),
        (0x8007_0005, "ReportOpenFile: 0x80070005: the server refuses access; check user and password"),
        (0xC00D_000F, "ReportOpenFile: 0xc00d000f: the server has as many viewers as it allows; try again later"),
    ] {
        let address = servers::mmst(Mmst { refuse: Some(code), folder: folder.path().to_owned(), ..Mmst::default() });
        let (source, _cursor) = open(&format!("mmst://{address}/{CLIP}"), options());
        let error = failure(&source).await.to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_of_mms_is_followed() {
    let folder = folder();
    let there = servers::mmst(Mmst { folder: folder.path().to_owned(), ..Mmst::default() });
    let redirect = Some(format!("mmst://{there}/{CLIP}"));
    let here = servers::mmst(Mmst { redirect, folder: folder.path().to_owned(), ..Mmst::default() });
    let (_source, mut cursor) = open(&format!("mmst://{here}/anything"), options());
    pictures(&mut cursor, 2).await;
}

#[tokio::test]
async fn where_no_datagram_comes_through_the_connection_carries_everything() {
    let folder = folder();
    let address =
        servers::mmst(Mmst { speed: Some(1.0), drop_udp: 100, folder: folder.path().to_owned(), ..Mmst::default() });
    // Within the time that an attempt has by itself.
    let open_timeout = Options::default().open_timeout;
    let (source, mut cursor) = open(&format!("mmsu://{address}/{CLIP}"), Options { open_timeout, ..options() });
    pictures(&mut cursor, 10).await;
    assert_eq!(source.status().borrow().failures, 0);
}

#[tokio::test]
async fn pings_are_answered_while_pictures_wait_until_they_are_due() {
    let folder = folder();
    let server = Mmst { ping_seconds: 1, folder: folder.path().to_owned(), ..Mmst::default() };
    let address = servers::mmst(server);
    let clip = clip(CLIP).unwrap();
    let played = play(&format!("mmst://{address}/{CLIP}"), options()).await;
    assert_whole(&clip, &played, "with a ping every second");
}
