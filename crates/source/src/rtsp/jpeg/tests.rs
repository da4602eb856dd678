use super::fuzzed::Packets;
use super::*;

/// A fragment of ten bytes, with tables of its own at the begin.
fn fragment(number: u16, offset: u8, last: bool) -> Vec<u8> {
    let tables = [&[0, 0, 0, 128][..], &[9; 128]].concat();
    let data = [if offset == 0 { &tables[..] } else { &[] }, &[7; 10]].concat();
    packet(number, last, &[0, 0, 0, offset, 1, 255, 2, 2], &data)
}

fn packet(number: u16, last: bool, main: &[u8], data: &[u8]) -> Vec<u8> {
    [&[0x80, 26 | u8::from(last) << 7][..], &number.to_be_bytes(), &[0; 8], main, data].concat()
}

/// Pictures of one packet each, as they come out.
fn pictures(sent: &[(&[u8], &[u8])]) -> Vec<Result<Vec<u8>, &'static str>> {
    let mut assembler = Packets::new(1 << 20);
    let each = sent.iter().enumerate().map(|(at, (main, data))| {
        let whole = assembler.handle_bytes(&packet(at as u16, true, main, data));
        whole.map(|whole| whole.data.to_vec()).ok_or(assembler.complaint.take().unwrap_or("nothing"))
    });
    each.collect()
}

fn run(sent: &[(u16, u8, bool)]) -> (Vec<bool>, Vec<bool>) {
    let mut assembler = Packets::new(1 << 20);
    let came = sent.iter().map(|(number, offset, last)| assembler.handle_bytes(&fragment(*number, *offset, *last)));
    came.map(|whole| (whole.is_some(), whole.is_some_and(|whole| whole.lost))).unzip()
}

/// The segments of a kind.
fn segments(picture: &[u8], code: u8) -> Vec<&[u8]> {
    let (mut found, mut at) = (Vec::new(), 2);
    while picture[at + 1] != 0xDA {
        let length = usize::from(u16::from_be_bytes([picture[at + 2], picture[at + 3]]));
        if picture[at + 1] == code {
            found.push(&picture[at + 4..at + 2 + length]);
        }
        at += 2 + length;
    }
    found
}

#[test]
fn a_picture_that_has_lost_any_packet_does_not_come_and_the_next_one_tells() {
    let (none, one) = (false, true);
    assert_eq!(run(&[(1, 0, none), (2, 10, one), (3, 0, one)]), (vec![none, one, one], vec![false; 3]));
    // Its middle, its begin, its end, and a fragment out of place.
    for sent in [
        [(1, 0, false), (3, 20, true), (4, 0, true)],
        [(1, 0, false), (3, 0, false), (4, 10, true)],
        [(1, 0, false), (2, 30, true), (3, 0, true)],
        [(1, 10, false), (2, 20, true), (3, 0, true)],
    ] {
        assert_eq!(run(&sent), (vec![false, false, true], vec![false, false, true]), "{sent:?}");
    }
}

#[test]
fn nonsense_does_not_pass() {
    let mut assembler = Packets::new(1 << 20);
    for bytes in [&[][..], &[0x80], &[0xff; 12], &[0xbf; 80], &[0x80; 12], &[0x90; 16], &[0x80; 19]] {
        assert!(assembler.handle_bytes(bytes).is_none(), "{bytes:02x?}");
    }
}

#[test]
fn a_picture_without_an_end_is_given_up() {
    let mut assembler = Packets::new(100);
    for at in 0..20_u8 {
        assert!(assembler.handle_bytes(&fragment(u16::from(at), at * 10, false)).is_none());
    }
    assert_eq!(assembler.complaint, Some("its picture is too large"));
}

#[test]
fn a_q_below_100_stands_for_tables_as_rfc_2435_section_4_2_makes_them() {
    let made = pictures(&[(&[0, 0, 0, 0, 1, 50, 2, 2], b"xy"), (&[0, 0, 0, 0, 0, 99, 2, 2], b"xy")]);
    let half = made[0].as_ref().unwrap();
    assert_eq!(segments(half, 0xDB)[0][..7], [0, 16, 11, 12, 14, 12, 10], "T.81 table K.1 in zigzag order");
    assert_eq!(segments(half, 0xC0)[0], [8, 0, 16, 0, 16, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
    let best = made[1].as_ref().unwrap();
    assert_eq!((segments(best, 0xDB)[1][1], segments(best, 0xC0)[0][7]), (1, 0x21), "half across only");
}

#[test]
fn tables_that_are_sent_once_are_kept_by_their_q_and_255_keeps_none() {
    let with = |value: u8| [&[0, 0, 0, 128][..], &[value; 128], b"xy"].concat();
    let without = [0, 0, 0, 0, b'x', b'y'];
    let main = |q| [0, 0, 0, 0, 1, q, 2, 2];
    let made = pictures(&[
        (&main(200), &without),
        (&main(200), &with(5)),
        (&main(201), &with(6)),
        (&main(200), &without),
        (&main(201), &without),
        (&main(255), &with(7)),
        (&main(255), &without),
        (&main(255), &with(8)),
    ]);
    let value =
        |made: &Result<Vec<u8>, _>| made.as_ref().map(|made| segments(made, 0xDB)[1][1]).map_err(|error| *error);
    let never = Err("its tables were never sent");
    let values: Vec<_> = made.iter().map(value).collect();
    assert_eq!(values, [never, Ok(5), Ok(6), Ok(5), Ok(6), Ok(7), never, Ok(8)]);
}

#[test]
fn tables_of_16_bits_make_an_extended_picture() {
    // The second one, as bit 1 says.
    let data = [&[0, 2, 0, 192][..], &[3; 64], &[1; 128], b"xy"].concat();
    let made = pictures(&[(&[0, 0, 0, 0, 1, 255, 2, 2], &data)]);
    let made = made[0].as_ref().unwrap();
    let tables = segments(made, 0xDB);
    assert_eq!((tables[0][0], tables[0].len(), tables[1][0], tables[1].len()), (0, 65, 0x11, 129));
    assert_eq!(segments(made, 0xC1).len(), 1);
    for cut in [&data[..40], &[0, 3, 0, 64, 1, 1][..]] {
        assert_eq!(pictures(&[(&[0, 0, 0, 0, 1, 255, 2, 2], cut)])[0], Err("its tables are cut"));
    }
}

#[test]
fn one_table_is_for_all_components() {
    let data = [&[0, 0, 0, 64][..], &[3; 64], b"xy"].concat();
    let made = pictures(&[(&[0, 0, 0, 0, 1, 255, 2, 2], &data)]);
    let tables = segments(made[0].as_ref().unwrap(), 0xDB);
    assert_eq!((tables[0][0], tables[1][0], &tables[0][1..]), (0, 1, &tables[1][1..]));
}

#[test]
fn a_restart_interval_is_told() {
    let made = pictures(&[(&[0, 0, 0, 0, 64, 50, 2, 2], &[0, 4, 0xff, 0xff, b'x', b'y'])]);
    assert_eq!(segments(made[0].as_ref().unwrap(), 0xDD), [&[0, 4]]);
}

#[test]
fn a_size_of_nothing_is_that_of_the_description() {
    let packet = packet(1, true, &[0, 0, 0, 0, 1, 50, 0, 0], b"xy");
    let mut assembler = Packets::new(1 << 20);
    assert!(assembler.handle_bytes(&packet).is_none());
    assert_eq!(assembler.complaint, Some("nobody says how large its picture is"));
    let mut assembler = Packets::new(1 << 20);
    assembler.assembler.described((3840, 2160));
    let whole = assembler.handle_bytes(&packet).unwrap();
    assert_eq!(formats::jpeg::info(&whole.data).unwrap().size, media::Size::new(3840, 2160));
}

/// A packet with a header extension.
fn extended(number: u16, profile: [u8; 2], extension: &[u8], main: &[u8], data: &[u8]) -> Vec<u8> {
    let mut padded = extension.to_vec();
    padded.resize(extension.len().div_ceil(4) * 4, 0xFF);
    let head = [&profile[..], &((padded.len() / 4) as u16).to_be_bytes(), &padded].concat();
    let mut made = packet(number, true, &[], &[]);
    made[0] |= 0x10;
    [&made, &head, main, data].concat()
}

/// ONVIF Streaming Specification, "JPEG over RTP", logical decoding.
#[test]
fn onvif_s_header_extension_brings_the_size_and_goes_before_the_rest() {
    let frame = [0xFF, 0xC0, 0, 17, 8, 8, 112, 15, 0, 3, 5, 0x22, 0, 6, 0x11, 1, 7, 0x11, 1];
    let restarts = [0xFF, 0xDD, 0, 4, 0, 9];
    let first = extended(1, [0xFF, 0xD8], &[&frame[..], &restarts].concat(), &[0, 0, 0, 0, 1, 50, 0, 0], b"xy");
    let mut assembler = Packets::new(1 << 20);
    let whole = assembler.handle_bytes(&first).unwrap();
    assert_eq!(formats::jpeg::info(&whole.data).unwrap().size, media::Size::new(3840, 2160));
    assert_eq!(segments(&whole.data, 0xDD), [&[0, 9]]);
    // The scan's components are those of the frame.
    let at = whole.data.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
    assert_eq!(whole.data[at + 5..at + 11], [5, 0, 6, 0x11, 7, 0x11]);
    // An empty one: everything but the restarts is as before. Q 0: the tables too.
    let whole = assembler.handle_bytes(&extended(2, [0xFF, 0xD8], &[], &[0, 0, 0, 0, 1, 0, 0, 0], b"xy")).unwrap();
    assert_eq!(formats::jpeg::info(&whole.data).unwrap().size, media::Size::new(3840, 2160));
    assert_eq!((segments(&whole.data, 0xDD).len(), segments(&whole.data, 0xDB).len()), (0, 2));
    // Another's extension is none of it.
    assert!(assembler.handle_bytes(&extended(3, [0xAB, 0xAC], &[1; 12], &[0, 0, 0, 0, 1, 50, 2, 2], b"xy")).is_some());
    // One that is cut.
    assert!(
        assembler
            .handle_bytes(&extended(4, [0xFF, 0xD8], &[0xFF, 0xC0, 9, 9], &[0, 0, 0, 0, 1, 50, 2, 2], b""))
            .is_none()
    );
}

/// Whatever comes, what comes out is a picture or nothing, and nothing grows without bound.
#[test]
fn changed_packets_do_no_harm() {
    let frame = [0xFF, 0xC0, 0, 17, 8, 0, 96, 9, 0, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1, 0xFF];
    let mut extended = packet(1, true, &[], &[]);
    extended[0] |= 0x10;
    let extended = [&extended, &[0xFF, 0xD8, 0, 5][..], &frame, &[0, 0, 0, 0, 1, 50, 0, 0], b"xy"].concat();
    let script = [extended, fragment(2, 0, false), fragment(3, 10, true), fragment(4, 0, true)];
    let mut seed = 1_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let mut came = 0;
    for _ in 0..3000 {
        let mut assembler = Packets::new(1 << 12);
        for packet in &script {
            let mut packet = packet.clone();
            for _ in 0..random(4) {
                let at = random(packet.len());
                match random(4) {
                    0 => packet.truncate(at + 1),
                    1 => packet[at] = [0, 1, 0x7F, 0x80, 0xFF][random(5)],
                    _ => packet[at] = random(256) as u8,
                }
            }
            if let Some(whole) = assembler.handle_bytes(&packet) {
                assert!(whole.data.starts_with(&[0xFF, 0xD8]) && whole.data.ends_with(&END));
                came += 1;
            }
            assert!(assembler.assembler.tables.len() <= 127);
        }
    }
    assert!(came > 1000, "{came}");
}

#[test]
fn tables_of_pictures_do_not_pile_up() {
    let mut assembler = Packets::new(1 << 20);
    let table = [&[0xFF, 0xDB, 0, 67, 0][..], &[7; 64]].concat();
    let header = [&table[..], &[0xFF, 0xC0, 0, 11, 8, 0, 16, 0, 16, 1, 1, 0x11, 0]].concat();
    let mut sizes = Vec::new();
    for number in 0..50 {
        let packet = extended(number, [0xFF, 0xD8], &header, &[0, 0, 0, 0, 1, 0, 2, 2], b"xy");
        sizes.extend(assembler.handle_bytes(&packet).map(|whole| whole.data.len()));
    }
    assert_eq!(sizes, [sizes[0]; 50]);
    // Nor do those that are longer than two tables.
    let mut known = BTreeMap::new();
    for q in 128..255 {
        let sent = [&[0, 0, 0xFF, 0x00][..], &[9; 0xFF00]].concat();
        let (main, _) = header::main(&[0, 0, 0, 0, 1, q, 2, 2]).unwrap();
        header::tables(&main, &mut &sent[..], &mut known).unwrap();
    }
    assert!(known.len() == 127 && known.values().all(|tables| tables.len() <= 256));
}
