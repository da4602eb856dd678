//! Bytes, by the sections of the payload formats that draw them.

use media::{Audio, Kind, Size};

use super::fuzzed::{track, unit};
use super::*;
use crate::rtp::{FRAME, HEADER, packets, place};

const ORIGIN: Origin = Origin { ssrc: 1, sequence: 100, timestamp: 1000 };

fn packetizer(codec: &'static str, extradata: &[u8], first: &[u8], mtu: usize) -> Packetizer {
    let is_video = !matches!(codec, "aac" | "mp3" | "opus") && !codec.starts_with("pcm");
    Packetizer::new(&track(codec, is_video, extradata), first, 0, ORIGIN, mtu).unwrap()
}

/// The payloads of a unit, with their markers.
fn payloads(packetizer: &mut Packetizer, data: &[u8]) -> Vec<(Vec<u8>, bool)> {
    let block = packetizer.pack(&unit(data, 40, true)).unwrap();
    packets(&block).map(|packet| (packet[FRAME + HEADER..].to_vec(), packet[FRAME + 1] & 0x80 != 0)).collect()
}

const SPS: &[u8] = &[0x67, 0x42, 0x00, 0x1E, 0xAB];
const PPS: &[u8] = &[0x68, 0xCE, 0x38, 0x80];

fn annex_b(units: &[&[u8]]) -> Vec<u8> {
    units.iter().flat_map(|unit| [&[0, 0, 0, 1], *unit].concat()).collect()
}

#[test]
fn h264_is_packed_as_rfc_6184_sections_5_6_to_5_8_draw_it() {
    let extradata = annex_b(&[SPS, PPS]);
    let mut packer = packetizer("h264", &extradata, &[], 200);
    let fmtp = "packetization-mode=1;profile-level-id=42001E;sprop-parameter-sets=Z0IAHqs=,aM44gA==";
    assert_eq!((packer.media().rtpmap.as_str(), packer.media().fmtp.as_str()), ("H264/90000", fmtp));
    let slice = [&[0x65][..], &[7; 300]].concat();
    let packed = payloads(&mut packer, &annex_b(&[&[9, 0xF0], &slice]));
    // STAP-A: the parameter sets, which the keyframe lacks; the delimiter goes.
    let stap = [&[0x60 | 24, 0, 5][..], SPS, &[0, 4], PPS].concat();
    // FU-A: indicator with type 28, header with S and E.
    let first = [&[0x7C, 0x85][..], &[7; 198]].concat();
    let last = [&[0x7C, 0x45][..], &[7; 102]].concat();
    assert_eq!(packed, [(stap, false), (first, false), (last, true)]);
    // What is small enough goes as it is; what is no keyframe goes without parameter sets.
    let block = packer.pack(&unit(&annex_b(&[&[0x41, 1, 2]]), 80, false)).unwrap();
    assert_eq!(block[FRAME + HEADER..], [0x41, 1, 2]);
    assert_eq!(place(&block), Some((103, 1000 + 80 * 90)));
}

#[test]
fn parameter_sets_of_a_keyframe_are_not_sent_twice_and_replace_those_before() {
    let mut packer = packetizer("h264", &annex_b(&[SPS, PPS]), &[], MTU);
    let other = [0x67, 0x64, 0x00, 0x28, 0x01];
    let packed = payloads(&mut packer, &annex_b(&[&other, PPS, &[0x65, 1]]));
    assert_eq!(packed.len(), 2);
    assert_eq!(packed[0].0[3..8], other);
    let packed = payloads(&mut packer, &annex_b(&[&[0x65, 1]]));
    assert_eq!(packed[0].0[3..8], other, "the newer ones are repeated");
}

#[test]
fn h265_is_packed_as_rfc_7798_section_4_4_draws_it() {
    let sets: [&[u8]; 3] = [&[0x40, 1, 0xAA], &[0x42, 1, 0xBB], &[0x44, 1, 0xCC]];
    let slice = [&[0x26, 1][..], &[7; 300]].concat();
    let key = annex_b(&[sets[0], sets[1], sets[2], &slice]);
    let mut packer = packetizer("hevc", &[], &key, 200);
    assert_eq!(packer.media().fmtp, "sprop-vps=QAGq;sprop-sps=QgG7;sprop-pps=RAHM");
    let packed = payloads(&mut packer, &key);
    // AP, type 48, layer 0, TID 1.
    let together = [&[0x60, 1, 0, 3][..], sets[0], &[0, 3], sets[1], &[0, 3], sets[2]].concat();
    let first = [&[0x62, 1, 0x80 | 19][..], &[7; 197]].concat();
    let last = [&[0x62, 1, 0x40 | 19][..], &[7; 103]].concat();
    assert_eq!(packed, [(together, false), (first, false), (last, true)]);
}

#[test]
fn fragments_put_together_are_the_units_that_were_cut() {
    let slice: Vec<u8> = [0x65].into_iter().chain((0..5000).map(|n| (n % 251 + 1) as u8)).collect();
    for mtu in [200, 333, 1400, 4999, 5000, 5001, 6000] {
        let mut packer = packetizer("h264", &[], &[], mtu);
        let mut whole = Vec::new();
        for (payload, _) in payloads(&mut packer, &annex_b(&[&slice])) {
            assert!(payload.len() <= mtu);
            match payload[0] & 0x1F {
                28 => {
                    if payload[1] & 0x80 != 0 {
                        whole.push(payload[0] & 0xE0 | payload[1] & 0x1F);
                    }
                    whole.extend_from_slice(&payload[2..]);
                }
                _ => whole.extend_from_slice(&payload),
            }
        }
        assert_eq!(whole, slice, "{mtu}");
    }
}

#[test]
fn mpeg_4_is_described_and_cut_as_rfc_6416_sections_5_and_7_1_say() {
    let config = [0, 0, 1, 0xB0, 3, 0, 0, 1, 0xB5, 9];
    let key = [&config[..], &[0, 0, 1, 0xB6], &[5; 300]].concat();
    let mut packer = packetizer("mpeg4", &[], &key, 200);
    assert_eq!(packer.media().rtpmap, "MP4V-ES/90000");
    assert_eq!(packer.media().fmtp, "profile-level-id=3;config=000001B003000001B509");
    let packed = payloads(&mut packer, &key);
    assert_eq!(packed, [(key[..200].to_vec(), false), (key[200..].to_vec(), true)]);
}

#[test]
fn mpeg_video_is_cut_at_slices_as_rfc_2250_section_3_says() {
    // Temporal reference 5, type P, full-pel forward 0, forward code 3.
    let picture = [0, 0, 1, 0, 0x01, 0x57, 0xFF, 0xF9, 0x80];
    let slice = |number: u8, length: usize| [&[0, 0, 1, number][..], &vec![9; length]].concat();
    let sequence = [&[0, 0, 1, 0xB3][..], &[2; 8]].concat();
    let slices = [slice(1, 50), slice(2, 60), slice(3, 120), slice(4, 400)];
    let whole = [&sequence[..], &picture, &slices.concat()].concat();
    let mut packer = packetizer("mpeg1video", &[], &[], 200);
    assert_eq!((packer.media().payload_type, packer.media().rtpmap.as_str()), (32, "MPV/90000"));
    let packed = payloads(&mut packer, &whole);
    let heads: Vec<&[u8]> = packed.iter().map(|(payload, _)| &payload[..4]).collect();
    // S, B and E with type 2 for the first; B alone at the begin of a slice that is torn.
    let head = |flags: u8| [0, 5, flags | 2, 3];
    assert_eq!(heads, [head(0x38), head(0x18), head(0x10), head(0), head(0x08)]);
    let together: Vec<u8> = packed.iter().flat_map(|(payload, _)| payload[4..].to_vec()).collect();
    assert_eq!(together, whole);
    assert_eq!(packed.iter().filter(|(_, marked)| *marked).count(), 1);
}

#[test]
fn mpeg_audio_has_the_offset_in_front_as_rfc_2250_section_3_5_draws_it() {
    let mut packer = packetizer("mp3", &[], &[], 200);
    assert_eq!((packer.media().payload_type, packer.media().clock_rate), (14, 90_000));
    let packed = payloads(&mut packer, &[0xFF; 250]);
    assert_eq!(packed[0].0[..5], [0, 0, 0, 0, 0xFF]);
    assert_eq!(packed[1].0[..5], [0, 0, 0, 196, 0xFF]);
    assert_eq!(packed[1].0.len(), 4 + 54);
}

#[test]
fn vp8_has_the_descriptor_of_rfc_7741_section_4_2_and_counts_pictures() {
    let mut packer = packetizer("vp8", &[], &[], 200);
    let packed = payloads(&mut packer, &[7; 300]);
    assert_eq!(packed[0].0[..5], [0x90, 0x80, 0x80, 0, 7]);
    assert_eq!(packed[1].0[..5], [0x80, 0x80, 0x80, 0, 7]);
    assert_eq!(payloads(&mut packer, &[7])[0], (vec![0x90, 0x80, 0x80, 1, 7], true));
}

#[test]
fn aac_has_the_headers_of_rfc_3640_section_3_3_6_whether_it_came_with_adts_or_not() {
    let mut raw = packetizer("aac", &[0x12, 0x10], &[], MTU);
    assert_eq!(raw.media().rtpmap, "mpeg4-generic/44100/2");
    let mode = "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3";
    assert_eq!(raw.media().fmtp, format!("{mode};config=1210"));
    assert_eq!(payloads(&mut raw, &[1, 2, 3]), [(vec![0, 16, 0, 3 << 3, 1, 2, 3], true)]);
    let adts = [0xFF, 0xF1, 0x50, 0x80, 0x01, 0x5F, 0xFC, 1, 2, 3];
    let mut framed = packetizer("aac", &[], &adts, MTU);
    assert_eq!(framed.media().fmtp, raw.media().fmtp);
    assert_eq!(payloads(&mut framed, &adts), [(vec![0, 16, 0, 3 << 3, 1, 2, 3], true)]);
    let error = raw.pack(&unit(&[0; 8192], 0, true)).unwrap_err().to_string();
    assert_eq!(error, "this aac cannot be sent by RTP: 8192 bytes; RFC 3640 has room for 8191 in a frame");
}

/// A track of sound.
fn sound(codec: &'static str, sample_rate: u32, channels: u16) -> Track {
    let kind = Kind::Audio(Audio { sample_rate, channels, block_align: 0 });
    Track { kind, ..track(codec, false, &[]) }
}

#[test]
fn sound_is_described_by_the_numbers_and_clocks_of_rfc_3551_and_rfc_7587() {
    for (codec, rate, channels, payload_type, rtpmap) in [
        ("pcm_mulaw", 8000, 1, 0, "PCMU/8000"),
        ("pcm_alaw", 8000, 1, 8, "PCMA/8000"),
        ("pcm_alaw", 16_000, 2, 96, "PCMA/16000/2"),
        ("adpcm_g722", 16_000, 1, 9, "G722/8000"),
        ("pcm_s16be", 44_100, 2, 10, "L16/44100/2"),
        ("pcm_s16le", 48_000, 2, 96, "L16/48000/2"),
        ("opus", 16_000, 1, 96, "opus/48000/2"),
    ] {
        let packer = Packetizer::new(&sound(codec, rate, channels), &[], 0, ORIGIN, MTU).unwrap();
        assert_eq!((packer.media().payload_type, packer.media().rtpmap.as_str()), (payload_type, rtpmap));
    }
    let error = Packetizer::new(&sound("wmav2", 44_100, 2), &[], 0, ORIGIN, MTU).unwrap_err();
    assert_eq!(error.to_string(), "wmav2 cannot be sent by RTP: there is no payload format for it here");
}

#[test]
fn samples_are_cut_into_packets_whose_times_go_on() {
    let mut packer = Packetizer::new(&sound("pcm_s16le", 48_000, 2), &[], 0, ORIGIN, 200).unwrap();
    let block = packer.pack(&unit(&[1, 2].repeat(150), 0, true)).unwrap();
    let all: Vec<&[u8]> = packets(&block).collect();
    assert_eq!(all.iter().map(|packet| place(packet).unwrap()).collect::<Vec<_>>(), [(100, 1000), (101, 1050)]);
    assert!(all[0][FRAME + HEADER..].starts_with(&[2, 1, 2, 1]), "the high byte is first");
}

/// A JPEG picture of the kind that RFC 2435 is for, without Huffman tables, of nonsense.
fn jpeg(sampling: u8, width: u16, height: u16, scan: usize) -> Vec<u8> {
    let tables = [&[0xFF, 0xDB, 0, 67, 0][..], &[3; 64], &[0xFF, 0xDB, 0, 67, 1], &[4; 64]].concat();
    let ([y1, y0], [x1, x0]) = (height.to_be_bytes(), width.to_be_bytes());
    let frame = [0xFF, 0xC0, 0, 17, 8, y1, y0, x1, x0, 3, 1, sampling, 0, 2, 0x11, 1, 3, 0x11, 1];
    let start = [0xFF, 0xDA, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0];
    [&[0xFF, 0xD8][..], &tables, &frame, &start, &vec![0x55; scan], &[0xFF, 0xD9]].concat()
}

#[test]
fn jpeg_is_packed_as_rfc_2435_section_3_1_draws_it() {
    let mut packer = packetizer("mjpeg", &[], &[], 200);
    assert_eq!((packer.media().payload_type, packer.media().rtpmap.as_str()), (26, "JPEG/90000"));
    let packed = payloads(&mut packer, &jpeg(0x22, 322, 240, 200));
    let tables = [&[0, 0, 0, 128][..], &[3; 64], &[4; 64]].concat();
    let first = [&[0, 0, 0, 0, 1, 255, 41, 30][..], &tables, &[0x55; 60]].concat();
    let last = [&[0, 0, 0, 60, 1, 255, 41, 30][..], &[0x55; 140]].concat();
    assert_eq!(packed, [(first, false), (last, true)]);
    // Restart markers: type 64 and more, four bytes more (section 3.1.7).
    let mut restarting = jpeg(0x21, 16, 16, 5);
    restarting.splice(2..2, [0xFF, 0xDD, 0, 4, 0, 7]);
    let packed = payloads(&mut packer, &restarting);
    assert_eq!(packed[0].0[..12], [0, 0, 0, 0, 64, 255, 2, 2, 0, 7, 0xFF, 0xFF]);
}

#[test]
fn pictures_beyond_rfc_2435_are_refused_with_the_reason() {
    let mut progressive = jpeg(0x22, 16, 16, 9);
    let at = progressive.windows(2).position(|two| two == [0xFF, 0xC0]).unwrap();
    progressive[at + 1] = 0xC2;
    let mut optimized = jpeg(0x22, 16, 16, 9);
    optimized.splice(2..2, [&[0xFF, 0xC4, 0, 20, 0, 1][..], &[0; 15], &[5]].concat());
    for (picture, expected) in [
        (jpeg(0x22, 2048, 16, 9), "2048x16; RFC 2435 has room for 2040 pixels a side"),
        (jpeg(0x11, 16, 16, 9), "its colour is not 4:2:0 or 4:2:2"),
        (progressive, "progressive"),
        (optimized, "Huffman tables of its own"),
        (jpeg(0x22, 16, 16, 0), "cut or damaged"),
        (b"GIF89a".to_vec(), "does not begin as a JPEG"),
    ] {
        let refused = Packetizer::new(&track("mjpeg", true, &[]), &picture, 0, ORIGIN, MTU);
        let error = refused.unwrap_err().to_string();
        assert!(error.starts_with("this mjpeg cannot be sent by RTP: ") && error.contains(expected), "{error}");
    }
}

#[test]
fn a_session_is_described_as_rfc_8866_says() {
    let mut video = track("h264", true, &annex_b(&[SPS, PPS]));
    video.bit_rate = 2_000_001;
    if let Kind::Video(video) = &mut video.kind {
        video.size = Size::new(640, 360);
        video.frame_rate = Rational::new(30_000, 1001);
    }
    let video = Packetizer::new(&video, &[], 0, ORIGIN, MTU).unwrap();
    let audio = Packetizer::new(&sound("pcm_mulaw", 8000, 1), &[], 1, ORIGIN, MTU).unwrap();
    let media = [video.media().clone(), audio.media().clone()];
    let about = crate::sdp::About {
        name: "front\r\ndoor",
        words: None,
        server: [127, 0, 0, 1].into(),
        version: 3,
        group: None,
    };
    let expected = "v=0\r\n\
        o=- 3 3 IN IP4 127.0.0.1\r\n\
        s=front  door\r\n\
        c=IN IP4 0.0.0.0\r\n\
        t=0 0\r\n\
        a=tool:headwater\r\n\
        a=range:npt=now-\r\n\
        a=control:*\r\n\
        m=video 0 RTP/AVP 96\r\n\
        b=AS:2001\r\n\
        a=rtpmap:96 H264/90000\r\n\
        a=fmtp:96 packetization-mode=1;profile-level-id=42001E;sprop-parameter-sets=Z0IAHqs=,aM44gA==\r\n\
        a=framerate:29.97\r\n\
        a=framesize:96 640-360\r\n\
        a=control:streamid=0\r\n\
        m=audio 0 RTP/AVP 0\r\n\
        a=rtpmap:0 PCMU/8000\r\n\
        a=control:streamid=1\r\n";
    assert_eq!(crate::sdp::describe(about, (0..).zip(&media)), expected);
    let group = crate::sdp::Group { address: [239, 1, 2, 3].into(), port: 6000, ttl: 0 };
    let text = crate::sdp::describe(crate::sdp::About { group: Some(group), ..about }, (0..).zip(&media));
    assert!(text.contains("c=IN IP4 239.1.2.3/0\r\n"), "{text}");
    assert!(text.contains("m=video 6000 ") && text.contains("m=audio 6002 "), "{text}");
}
