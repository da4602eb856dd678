//! Pictures with their numbers in them, as a camera sends them, and which of them come.

use std::io::Write;
use std::process::{Command, Stdio};

use feed::Cursor;
use formats::osd::{Plane, read_number};
use media::nal::units;
use source::{Decoding, Wanted};
use tokio::time::timeout;

use crate::support::PATIENCE;

const WIDTH: usize = 320;
const HEIGHT: usize = 240;
pub const COUNT: u16 = 20;
/// What a packet carries.
pub const ROOM: usize = 900;

/// An elementary stream of [`COUNT`] pictures, by ffmpeg; all of each moves, so that what is lost shows.
pub fn stream(output: &[&str]) -> Vec<u8> {
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
    let mut ffmpeg = Command::new("ffmpeg")
        .args(input)
        .args(output)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("apt install ffmpeg");
    let mut stdin = ffmpeg.stdin.take().unwrap();
    std::thread::spawn(move || stdin.write_all(&raw));
    ffmpeg.wait_with_output().unwrap().stdout
}

/// The packets of pictures, each of which came in these payloads.
pub fn packets(pictures: impl IntoIterator<Item = Vec<Vec<u8>>>) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for (at, payloads) in pictures.into_iter().enumerate() {
        let last = payloads.len() - 1;
        for (place, payload) in payloads.into_iter().enumerate() {
            let mut packet = vec![0x80, 96 | u8::from(place == last) << 7];
            packet.extend_from_slice(&(packets.len() as u16).to_be_bytes());
            packet.extend_from_slice(&(at as u32 * 3600).to_be_bytes());
            packet.extend_from_slice(&[0, 0, 0, 9]);
            packet.extend_from_slice(&payload);
            packets.push(packet);
        }
    }
    packets
}

/// H.264 (RFC 6184): a unit a packet, or as many fragments as it takes.
pub fn h264() -> Vec<Vec<u8>> {
    h264_in(|unit| if unit.len() <= ROOM { vec![unit.to_vec()] } else { fragments(unit) })
}

/// A unit in fragments, however small it is.
pub fn fragments(unit: &[u8]) -> Vec<Vec<u8>> {
    let chunks = unit[1..].chunks(ROOM);
    let last = chunks.len() - 1;
    let edge = |at: usize| u8::from(at == 0) << 7 | u8::from(at == last) << 6;
    let payload = |(at, chunk): (usize, &[u8])| [&[unit[0] & 0x60 | 28, edge(at) | unit[0] & 0x1f], chunk].concat();
    chunks.enumerate().map(payload).collect()
}

/// The same, with each unit in the payloads that `cut` makes of it.
pub fn h264_in(cut: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let stream = stream(&["-c:v", "libx264", "-bf", "0", "-g", "10", "-x264-params", "slices=1:aud=0", "-f", "h264"]);
    let (mut pictures, mut payloads) = (Vec::new(), Vec::new());
    for unit in units(&stream) {
        payloads.extend(cut(unit));
        if matches!(unit[0] & 0x1f, 1 | 5) {
            pictures.push(std::mem::take(&mut payloads));
        }
    }
    assert_eq!(pictures.len(), usize::from(COUNT));
    packets(pictures)
}

/// The numbers of the first `count` pictures that come.
pub async fn numbers(cursor: &mut Cursor, count: u16) -> Vec<u16> {
    let (mut decoding, mut numbers) = (Decoding::new(), Vec::new());
    while numbers.len() < usize::from(count) {
        let entry = timeout(PATIENCE, cursor.next()).await.expect("a picture in time").unwrap();
        assert!(!entry.packet.corrupt && !entry.packet.discontinuity, "after {numbers:?}");
        decoding.adopt(&entry).unwrap();
        for picture in decoding.decode(&entry.packet, Wanted::Picture) {
            let luma = picture.frame.plane(0).unwrap();
            numbers.push(read_number(luma.data, luma.stride, WIDTH, HEIGHT).unwrap());
        }
    }
    numbers
}
