use base64::engine::general_purpose::STANDARD;

use super::*;

const LIMITS: Limits = Limits { header: 4096, message: 1000, playlist: 0, reorder: 0 };

fn header(length: usize) -> Vec<u8> {
    [&ASF_HEADER[..], &vec![0xFB; length - 16]].concat()
}

/// As Windows Media Services 9 writes it, with this line for the header.
fn sdp(pgmpu: &str) -> String {
    format!(
        "v=0\r\no=- 200212131545120421 200212131545120421 IN IP4 127.0.0.1\r\ns=<No Title>\r\nc=IN IP4 0.0.0.0\r\n\
        b=AS:361\r\na=maxps:5994\r\nt=0 0\r\na=control:rtsp://host/clip.wmv/\r\na=etag:{{EBA2}}\r\n\
        a=range:npt=0.000-5.750\r\na=type:NotSeekable, notstridable\r\na=recvonly\r\n\
        a=pgmpu:data:application/x-wms-contentdesc,8,language,31,0,,5,title,31,11,A%20Title%2C%20or,\
        6,author,31,2,me\r\n{pgmpu}\r\n\
        m=audio 0 RTP/AVP 96 98\r\nb=AS:34\r\nb=RS:0\r\nb=RR:0\r\na=rtpmap:96 x-asf-pf/1000\r\na=control:audio\r\n\
        a=stream:1\r\na=rtpmap:98 x-wms-fec/1000\r\na=fmtp:98 audio/fec 24 1\r\n\
        m=application 0 RTP/AVP 97\r\na=rtpmap:97 x-wms-rtx/1000\r\na=control:rtx\r\na=stream:65536\r\n\
        m=video 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/1000\r\na=control:rtsp://host/clip.wmv/video\r\na=stream:2\r\n"
    )
}

fn pgmpu(data: &str) -> String {
    format!("a=pgmpu:data:application/vnd.ms.wms-hdr.asfv1;base64,{data}")
}

#[test]
fn a_windows_media_description_is_read() {
    let description = Description::parse(sdp(&pgmpu(&STANDARD.encode(header(100)))).as_bytes(), &LIMITS).unwrap();
    assert_eq!(description.header.as_deref(), Some(&header(100)[..]));
    assert_eq!(description.duration, Some(Duration::from_millis(5750)));
    assert!(description.is("notseekable") && !description.is("broadcast"));
    assert_eq!(description.title.as_deref(), Some("A Title, or"));
    assert_eq!(description.control.as_deref(), Some("rtsp://host/clip.wmv/"));
    let [audio, rtx, video] = &description.media[..] else { panic!("{:?}", description.media) };
    assert_eq!((audio.stream, audio.control.as_deref()), (Some(1), Some("audio")));
    assert_eq!(audio.formats, [(96, Format::Asf), (98, Format::Other)]);
    assert!(rtx.is_retransmission() && !audio.is_retransmission());
    assert_eq!((video.stream, &video.formats[..]), (Some(2), &[(96, Format::Asf)][..]));
}

#[test]
fn the_header_may_be_large_and_written_in_many_ways() {
    let large = Limits { header: 1 << 20, ..LIMITS };
    let description = Description::parse(sdp(&pgmpu(&STANDARD.encode(header(1 << 20)))).as_bytes(), &large).unwrap();
    assert_eq!(description.header.unwrap().len(), 1 << 20);
    // 17 bytes: two characters of padding; the bytes give + and /.
    let bytes = [&header(17)[..16], &[0xFB, 0xEF, 0xFF, 0xFF, 0xFE]].concat();
    let encoded = STANDARD.encode(&bytes);
    let percent: String = encoded.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let escaped = encoded.replace('+', "%2b").replace('/', "%2F").replace('=', "%3D");
    for data in [&encoded, &percent, &escaped, encoded.trim_end_matches('='), &encoded.replace("AA", "A A")] {
        let description = Description::parse(sdp(&pgmpu(data)).as_bytes(), &LIMITS).unwrap();
        assert_eq!(description.header.as_deref(), Some(&bytes[..]), "{data}");
    }
    let shouted = pgmpu(&encoded).replace("pgmpu:data:application", "PGMPU: DATA:Application");
    assert!(Description::parse(sdp(&shouted).as_bytes(), &LIMITS).unwrap().header.is_some());
}

#[test]
fn a_broken_header_says_how() {
    let error = |line: &str| Description::parse(sdp(line).as_bytes(), &LIMITS).unwrap_err().to_string();
    assert!(error(&pgmpu("!!!!")).contains("is not base64"), "{}", error(&pgmpu("!!!!")));
    assert!(error(&pgmpu("QUJD")).contains("expected an ASF header in a=pgmpu, found 3 bytes that begin [41, 42, 43]"));
    assert_eq!(
        error(&pgmpu(&STANDARD.encode(header(4097)))),
        "ASF header in SDP of 4097 bytes; at most 4096 are accepted"
    );
    assert!(error(&pgmpu(&"A".repeat(100_000))).contains("at most 4096 are accepted"));
}

#[test]
fn a_camera_s_description_has_no_header() {
    let camera = b"v=0\no=- 1 1 IN IP4 1.2.3.4\ns=cam\nt=0 0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n";
    let description = Description::parse(camera, &LIMITS).unwrap();
    assert_eq!((description.header, description.media.len()), (None, 1));
    let page = Description::parse(b"<html>no</html>", &LIMITS).unwrap_err().to_string();
    assert_eq!(page, "the server describes the stream by \"<html>no</html>\", not by SDP");
}

#[test]
fn endless_streams_and_formats_are_cut() {
    let many = [b"v=0\r\n".to_vec(), b"m=video 0 RTP/AVP 96\r\na=stream:1\r\n".repeat(10_000)].concat();
    assert_eq!(Description::parse(&many, &LIMITS).unwrap().media.len(), MOST_MEDIA);
    let formats = [b"v=0\r\nm=video 0 RTP/AVP 1\r\n".to_vec(), b"a=rtpmap:1 x/1\r\n".repeat(1000)].concat();
    assert_eq!(Description::parse(&formats, &LIMITS).unwrap().media[0].formats.len(), 1);
}

proptest::proptest! {
    #[test]
    fn nothing_panics(lines: Vec<(String, Vec<u8>)>, list: Vec<u8>) {
        let text = lines.iter().flat_map(|(name, value)| [b"a=", name.as_bytes(), b":", value, b"\n"].concat());
        let _ = Description::parse(&text.collect::<Vec<_>>(), &LIMITS);
        let _ = title(&list);
        let _ = title(&[b"5,title,31,", &list[..]].concat());
    }
}
