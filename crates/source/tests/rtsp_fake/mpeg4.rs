//! MPEG-4 part 2 (RFC 6416), made by ffmpeg: every picture comes, by its number.

use std::io::Write;
use std::process::{Command, Stdio};

use formats::osd::{Plane, read_number};
use source::{Decoding, Options, Wanted};
use tokio::time::timeout;

use crate::support::*;

const WIDTH: usize = 320;
const HEIGHT: usize = 240;
const COUNT: u16 = 20;
/// What a packet carries.
const ROOM: usize = 900;
/// A picture's start code (ISO/IEC 14496-2 table 6-3).
const VOP: [u8; 4] = [0, 0, 1, 0xB6];

/// An elementary stream of numbered pictures.
fn stream() -> Vec<u8> {
    let mut raw = Vec::new();
    for number in 0..COUNT {
        let mut luma: Vec<u8> = (0..WIDTH * HEIGHT)
            .map(|at| (at % WIDTH * 3 + at / WIDTH * 5 + usize::from(number)) as u8 / 2 + 40)
            .collect();
        Plane { data: &mut luma, stride: WIDTH, width: WIDTH, height: HEIGHT }.number_bar(number);
        raw.extend_from_slice(&luma);
        raw.resize(raw.len() + WIDTH * HEIGHT / 2, 128);
    }
    let size = format!("{WIDTH}x{HEIGHT}");
    let input = ["-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", &size, "-r", "25", "-i", "-"];
    let output = ["-c:v", "mpeg4", "-bf", "0", "-g", "10", "-q:v", "4", "-f", "m4v", "-"];
    let mut ffmpeg = Command::new("ffmpeg")
        .args(input)
        .args(output)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("apt install ffmpeg");
    let mut stdin = ffmpeg.stdin.take().unwrap();
    std::thread::spawn(move || stdin.write_all(&raw));
    ffmpeg.wait_with_output().unwrap().stdout
}

/// Its headers, and its pictures, the first with the headers.
fn pictures_of(stream: &[u8]) -> (Vec<u8>, Vec<&[u8]>) {
    let starts: Vec<usize> = (0..stream.len() - 4).filter(|at| stream[*at..*at + 4] == VOP).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let begins = [0].into_iter().chain(starts.iter().skip(1).copied());
    (stream[..starts[0]].to_vec(), begins.zip(ends).map(|(begin, end)| &stream[begin..end]).collect())
}

/// A camera's description of it, and its packets.
pub fn packets() -> (String, Vec<Vec<u8>>) {
    let stream = stream();
    let (config, units) = pictures_of(&stream);
    assert_eq!(units.len(), usize::from(COUNT));
    let mut packets = Vec::new();
    for (at, unit) in units.iter().enumerate() {
        let pieces = unit.chunks(ROOM);
        let last = pieces.len() - 1;
        for (place, piece) in pieces.enumerate() {
            let mut packet = vec![0x80, 96 | u8::from(place == last) << 7];
            packet.extend_from_slice(&(packets.len() as u16).to_be_bytes());
            packet.extend_from_slice(&(at as u32 * 3600).to_be_bytes());
            packet.extend_from_slice(&[0, 0, 0, 9]);
            packet.extend_from_slice(piece);
            packets.push(packet);
        }
    }
    let config: String = config.iter().map(|byte| format!("{byte:02x}")).collect();
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 MP4V-ES/90000\r\n\
         a=fmtp:96 profile-level-id=1;config={config};\r\na=control:track1\r\n"
    );
    (sdp, packets)
}

#[tokio::test]
async fn every_mpeg_4_picture_comes() {
    let (sdp, packets) = packets();
    let fake = Fake::start(sends(sdp, packets)).await;
    let (_source, mut cursor) = fake.open(Options::default());
    let (mut decoding, mut numbers) = (Decoding::new(), Vec::new());
    // FFmpeg holds the last one back.
    while numbers.len() < usize::from(COUNT) - 2 {
        let entry = timeout(PATIENCE, cursor.next()).await.expect("a picture in time").unwrap();
        assert_eq!(entry.tracks.video().unwrap().codec.name(), "mpeg4");
        decoding.adopt(&entry).unwrap();
        for picture in decoding.decode(&entry.packet, Wanted::Picture) {
            let luma = picture.frame.plane(0).unwrap();
            numbers.push(read_number(luma.data, luma.stride, WIDTH, HEIGHT).unwrap());
        }
    }
    assert!(numbers.iter().enumerate().all(|(at, number)| at == usize::from(*number)), "{numbers:?}");
}
