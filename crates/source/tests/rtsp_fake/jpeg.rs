//! RTP/JPEG (RFC 2435) in all its forms: what comes out is decoded, and is the picture that the camera took.

use ffmpeg::{Frame, jpeg};
use formats::osd::{Plane, read_number};
use media::Size;
use source::{Options, Transport};
use tokio::time::timeout;

use crate::support::*;

const SIZE: Size = Size::new(320, 240);
const COUNT: u16 = 8;
/// What a packet carries.
const ROOM: usize = 1200;

/// A picture with a number in it and something to see.
fn picture(number: u16, format: &str, size: Size, quality: u8) -> Vec<u8> {
    let mut frame = Frame::new(format, size).unwrap();
    for index in 0..3 {
        let plane = frame.plane_mut(index).unwrap();
        for (at, value) in plane.data.iter_mut().enumerate() {
            *value = (at * (index + 3) / 7 % 160) as u8 + 40;
        }
    }
    let luma = frame.plane_mut(0).unwrap();
    let (width, height) = (size.width as usize, size.height as usize);
    Plane { data: luma.data, stride: luma.stride, width, height }.number_bar(number);
    jpeg::Encoder::new().encode(&frame, quality).unwrap().to_vec()
}

/// The quantization tables and the scan data of a picture.
fn parts(picture: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut tables, mut at) = (Vec::new(), 2);
    loop {
        let length = usize::from(u16::from_be_bytes([picture[at + 2], picture[at + 3]]));
        let payload = &picture[at + 4..at + 2 + length];
        at += 2 + length;
        match picture[at - length - 1] {
            0xDB => payload.chunks(65).for_each(|table| tables.extend_from_slice(&table[1..])),
            0xDA => return (tables, picture[at..picture.len() - 2].to_vec()),
            _ => {}
        }
    }
}

/// How a camera sends its pictures.
#[derive(Clone)]
struct Way {
    kind: u8,
    q: u8,
    size: Size,
    /// Behind the main header of the first packet.
    tables: Vec<u8>,
    /// Behind that of each.
    restart: Vec<u8>,
    /// An RTP header extension of the first packet, without its profile.
    extension: Option<Vec<u8>>,
}

impl Way {
    fn new(kind: u8, q: u8, tables: &[u8]) -> Self {
        Self { kind, q, size: SIZE, tables: tables.to_vec(), restart: Vec::new(), extension: None }
    }

    /// With tables of 8 bits in the first packet.
    fn own(kind: u8, q: u8, tables: &[u8]) -> Self {
        Self::new(kind, q, &[&[0, 0, 0, tables.len() as u8], tables].concat())
    }

    /// The packets of a picture.
    fn packets(&self, picture: u16, first: u16, scan: &[u8]) -> Vec<Vec<u8>> {
        let blocks = |side: u32| if side > 2040 { 0 } else { side.div_ceil(8) as u8 };
        let mut packets = Vec::new();
        let mut offset = 0;
        while offset < scan.len() {
            let end = (offset + ROOM).min(scan.len());
            let extension = self.extension.as_ref().filter(|_| offset == 0);
            let mut packet = vec![if extension.is_some() { 0x90 } else { 0x80 }, 26 | u8::from(end == scan.len()) << 7];
            packet.extend_from_slice(&(first + packets.len() as u16).to_be_bytes());
            packet.extend_from_slice(&(u32::from(picture) * 3600).to_be_bytes());
            packet.extend_from_slice(&[0, 0, 0, 9]);
            if let Some(extension) = extension {
                packet.extend_from_slice(&[0xFF, 0xD8]);
                packet.extend_from_slice(&((extension.len() / 4) as u16).to_be_bytes());
                packet.extend_from_slice(extension);
            }
            packet.extend_from_slice(&(offset as u32).to_be_bytes());
            packet.extend_from_slice(&[self.kind, self.q, blocks(self.size.width), blocks(self.size.height)]);
            packet.extend_from_slice(&self.restart);
            if offset == 0 {
                packet.extend_from_slice(&self.tables);
            }
            packet.extend_from_slice(&scan[offset..end]);
            packets.push(packet);
            offset = end;
        }
        packets
    }
}

fn description(more: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track1\r\n{more}")
}

/// A camera that sends these packets.
async fn camera(more: &str, packets: Vec<Vec<u8>>) -> Fake {
    Fake::start(sends(description(more), packets)).await
}

/// Brightness of a picture, row by row.
fn rows(data: &[u8]) -> (Size, Vec<u8>) {
    let frame = jpeg::Decoder::new().decode(data, None).unwrap();
    let (size, luma) = (frame.size(), frame.plane(0).unwrap());
    (size, (0..size.height as usize).flat_map(|y| luma.row(y)[..size.width as usize].to_vec()).collect())
}

/// Pictures as they were taken, and how each is sent; each comes out as it was, in order.
async fn all_come(what: &str, more: &str, taken: Vec<(Vec<u8>, Way)>) {
    let mut packets: Vec<Vec<u8>> = Vec::new();
    for (at, (picture, way)) in taken.iter().enumerate() {
        packets.extend(way.packets(at as u16, packets.len() as u16, &parts(picture).1));
    }
    let fake = camera(more, packets).await;
    let (source, mut cursor) = fake.open(Options::default());
    for (at, (picture, _)) in taken.iter().enumerate() {
        let entry = timeout(PATIENCE, cursor.next()).await.unwrap_or_else(|_| panic!("{what}: picture {at}")).unwrap();
        let (size, came) = rows(&entry.packet.data);
        assert_eq!((size, &came), (rows(picture).0, &rows(picture).1), "{what}: picture {at}");
        assert_eq!(entry.tracks.video().unwrap().video().unwrap().size, size, "{what}");
        assert!(!entry.packet.discontinuity && !entry.packet.corrupt, "{what}: picture {at}");
        if size.height >= 64 && size.width >= 160 {
            let number = read_number(&came, size.width as usize, size.width as usize, size.height as usize);
            assert_eq!(number, Some(at as u16), "{what}");
        }
    }
    assert_eq!(source.status().borrow().reconnects, 0, "{what}");
}

fn each<T>(make: impl Fn(u16) -> T) -> Vec<T> {
    (0..COUNT).map(make).collect()
}

#[tokio::test]
async fn a_q_of_1_to_99_is_libjpeg_s_quality() {
    for (kind, format) in [(0, "yuvj422p"), (1, "yuvj420p")] {
        for q in [1, 49, 50, 80, 99] {
            let taken = each(|number| (picture(number, format, SIZE, q), Way::new(kind, q, &[])));
            // What is left of the number at Q 1 is not read, but compared.
            let taken = if q == 1 { taken.into_iter().take(1).collect() } else { taken };
            all_come(&format!("type {kind}, Q {q}"), "", taken).await;
        }
    }
}

#[tokio::test]
async fn tables_that_come_once_are_those_of_all_pictures() {
    let make = |number| {
        let picture = picture(number, "yuvj420p", SIZE, 70);
        let tables = parts(&picture).0;
        let way = if number == 0 { Way::own(1, 128, &tables) } else { Way::new(1, 128, &[0, 0, 0, 0]) };
        (picture, way)
    };
    all_come("Q 128, tables once", "", each(make)).await;
}

#[tokio::test]
async fn tables_that_change_with_each_picture_are_taken() {
    let make = |number| {
        let picture = picture(number, "yuvj420p", SIZE, 40 + 5 * number as u8);
        let way = Way::own(1, 255, &parts(&picture).0);
        (picture, way)
    };
    all_come("Q 255", "", each(make)).await;
}

#[tokio::test]
async fn tables_of_16_bits_are_taken() {
    let make = |number| {
        let picture = picture(number, "yuvj422p", SIZE, 60);
        let wide: Vec<u8> = parts(&picture).0.iter().flat_map(|value| [0, *value]).collect();
        let way = Way::new(0, 255, &[&[0, 3, 1, 0][..], &wide].concat());
        (picture, way)
    };
    all_come("16 bits", "", each(make)).await;
}

#[tokio::test]
async fn restart_markers_are_told_to_the_decoder() {
    let picture = include_bytes!("../../../formats/tests/data/jpeg/restart.jpg").to_vec();
    let at = picture.windows(2).position(|pair| pair == [0xFF, 0xDD]).unwrap();
    let interval = [picture[at + 4], picture[at + 5], 0xFF, 0xFF];
    let mut way = Way::own(65, 255, &parts(&picture).0);
    (way.size, way.restart) = (Size::new(64, 48), interval.to_vec());
    all_come("restarts", "", vec![(picture.clone(), way.clone()), (picture, way)]).await;
}

/// Sizes that RFC 2435 has no room for are sent as 0. Axis tells them in the session description
/// (media-stream-library-js pull request 18 reads them there), ONVIF's cameras in a header extension
/// (SharpRTSP pull request 95).
#[tokio::test]
async fn pictures_of_more_than_2040_pixels_come_in_their_size() {
    let size = Size::new(2304, 96);
    let make = |number| {
        let picture = picture(number, "yuvj420p", size, 60);
        let mut way = Way::own(1, 255, &parts(&picture).0);
        way.size = size;
        (picture, way)
    };
    for more in ["a=framesize:26 2304-96\r\n", "a=x-dimensions: 2304,96\r\n"] {
        all_come(more, more, each(make)).await;
    }
    let frame = [0xFF, 0xC0, 0, 17, 8, 0, 96, 9, 0, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1, 0xFF];
    let extended = each(|number| {
        let (picture, mut way) = make(number);
        // The first one alone has it; an empty extension says that the rest goes on as before.
        way.extension = Some(if number == 0 { frame.to_vec() } else { Vec::new() });
        (picture, way)
    });
    all_come("ONVIF's header extension", "", extended).await;
}

#[tokio::test]
async fn a_picture_whose_last_fragment_is_lost_does_not_come_and_the_next_one_tells() {
    let mut packets: Vec<Vec<u8>> = Vec::new();
    let mut numbers = 0;
    for number in 0..4 {
        let picture = picture(number, "yuvj420p", SIZE, 80);
        let mut own = Way::own(1, 255, &parts(&picture).0).packets(number, numbers, &parts(&picture).1);
        assert!(own.len() > 2);
        numbers += own.len() as u16;
        if number == 1 {
            own.pop();
        }
        packets.extend(own);
    }
    let fake = camera("", packets).await;
    let (_source, mut cursor) = fake.open(Options { transport: Transport::Tcp, ..Options::default() });
    let mut seen = Vec::new();
    for _ in 0..3 {
        let packet = timeout(PATIENCE, cursor.next()).await.unwrap().unwrap().packet;
        let (size, rows) = rows(&packet.data);
        let number = read_number(&rows, size.width as usize, size.width as usize, size.height as usize);
        seen.push((number, packet.discontinuity, packet.corrupt));
    }
    assert_eq!(seen, [(Some(0), false, false), (Some(2), true, false), (Some(3), false, false)]);
}
