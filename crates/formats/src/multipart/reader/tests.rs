use super::*;
use crate::multipart;
use crate::testdata as data;

/// What a server makes of pictures, by the rows of a table of forty such servers; what
/// concerns the head of the answer or the transfer is in `source`'s tests.
struct Form {
    name: &'static str,
    /// Before the first part.
    first: &'static [u8],
    /// Before each picture; `N` stands for its length, `L` and `G` for 500 less and more.
    before: &'static str,
    /// After each picture.
    after: &'static [u8],
    pictures: &'static [&'static [u8]],
}

const PLAIN: Form = Form {
    name: "all right",
    first: b"",
    before: "--b\r\nContent-Type: image/jpeg\r\nContent-Length: N\r\n\r\n",
    after: b"\r\n",
    pictures: &[data::C420],
};

const FORMS: &[Form] = &[
    PLAIN,
    Form {
        name: "our own",
        first: multipart::OPENING,
        before: "Content-Length: N\r\n\r\n",
        after: multipart::BETWEEN,
        ..PLAIN
    },
    Form { name: "extra blank lines", after: b"\r\n\r\n\r\n", ..PLAIN },
    Form {
        name: "line feeds only",
        before: "--b\nContent-Type: image/jpeg\nContent-Length: N\n\n",
        after: b"\n",
        ..PLAIN
    },
    Form { name: "no length", before: "--b\r\nContent-Type: image/jpeg\r\n\r\n", ..PLAIN },
    Form { name: "length 0", before: "--b\r\nContent-Type: image/jpeg\r\nContent-Length: 0\r\n\r\n", ..PLAIN },
    Form { name: "length too small", before: "--b\r\nContent-Length: L\r\n\r\n", ..PLAIN },
    Form { name: "length too large", before: "--b\r\nContent-Length: G\r\n\r\n", ..PLAIN },
    Form { name: "length absurd", before: "--b\r\nContent-Length: 99999999999999999999999\r\n\r\n", ..PLAIN },
    Form { name: "length counts the line end", before: "--b\r\nContent-Length: N\r\n\r\n\r\n", ..PLAIN },
    Form {
        name: "another boundary",
        before: "--another\r\nContent-Type: image/jpeg\r\nContent-Length: N\r\n\r\n",
        ..PLAIN
    },
    Form { name: "boundary without its dashes", before: "b\r\nContent-Type: image/jpeg\r\n\r\n", ..PLAIN },
    Form { name: "boundary with more dashes", before: "----b\r\nContent-Type: image/jpeg\r\n\r\n", ..PLAIN },
    Form { name: "boundary right after the picture", after: b"", ..PLAIN },
    // ESP32-CAM, Tasmota.
    Form {
        name: "no boundary before the first part",
        before: "Content-Type: image/jpeg\r\nContent-Length: N\r\n\r\n",
        after: b"\r\n--b\r\n",
        ..PLAIN
    },
    Form {
        name: "blank line between boundary and headers",
        before: "--b\r\n\r\nContent-Type: image/jpeg\r\nContent-Length: N\r\n\r\n",
        ..PLAIN
    },
    Form {
        name: "no blank line after the headers",
        before: "--b\r\nContent-Type: image/jpeg\r\nContent-Length: N\r\n",
        ..PLAIN
    },
    Form { name: "preamble", first: b"This is a multipart message.\r\nContent-Length: 7\r\n\r\n", ..PLAIN },
    Form { name: "part without headers", before: "--b\r\n\r\n", ..PLAIN },
    Form { name: "image/jpg", before: "--b\r\nContent-type: image/jpg\r\n\r\n", ..PLAIN },
    Form { name: "type with a parameter", before: "--b\r\nContent-Type:image/jpeg; charset=x\r\n\r\n", ..PLAIN },
    Form { name: "blank before the colon", before: "--b\r\ncontent-length : N\r\n\r\n", ..PLAIN },
    Form { name: "pictures and nothing else", before: "", after: b"", ..PLAIN },
    Form { name: "four zero bytes before the picture", before: "--b\r\nContent-Length: N\r\n\r\n\0\0\0\0", ..PLAIN },
    Form { name: "rubbish after the picture", after: b"\0\xFF\xFF\xD9\r\n", ..PLAIN },
    Form {
        name: "other parts between",
        after:
            b"\r\n--b\r\nContent-Type: audio/basic\r\nContent-Length: 9\r\n\r\n\xFF\xD8\xFF\x7F\x01\xFF\xD9\x00\x00\r\n",
        ..PLAIN
    },
    Form { name: "EXIF thumbnail", pictures: &[data::THUMBNAIL], ..PLAIN },
    Form { name: "no Huffman tables", pictures: &[data::NO_HUFFMAN], ..PLAIN },
    Form { name: "progressive", pictures: &[data::PROGRESSIVE], ..PLAIN },
    Form { name: "grey", pictures: &[data::GREY], ..PLAIN },
    Form { name: "restart markers", pictures: &[data::RESTART], ..PLAIN },
    Form { name: "size changes", pictures: &[data::C420, data::SMALL], ..PLAIN },
];

impl Form {
    /// The body with 40 pictures, and the pictures.
    fn body(&self) -> (Vec<u8>, Vec<&'static [u8]>) {
        let pictures: Vec<_> = self.pictures.iter().copied().cycle().take(40).collect();
        let mut body = self.first.to_vec();
        for picture in &pictures {
            let length = picture.len();
            let before = self.before.replace('N', &length.to_string());
            let before =
                before.replace(": L", &format!(": {}", length - 500)).replace(": G", &format!(": {}", length + 500));
            body.extend([before.as_bytes(), picture, self.after].concat());
        }
        (body, pictures)
    }
}

fn read(body: &[u8], size: usize) -> Vec<Part> {
    let mut reader = Reader::new();
    let mut parts = Vec::new();
    for slice in body.chunks(size) {
        reader.handle_bytes(slice);
        parts.extend(std::iter::from_fn(|| reader.poll_part()));
    }
    parts
}

#[test]
fn every_picture_of_every_server_is_found() {
    for form in FORMS {
        let (body, pictures) = form.body();
        for size in [body.len(), 1, 2, 3, 7, 64, 1000, 1460, 4096, 65536] {
            let parts = read(&body, size);
            let found: Vec<&[u8]> = parts.iter().map(|part| &part.data[..]).collect();
            assert_eq!(found.len(), 40, "{}, in slices of {size}", form.name);
            assert!(found == pictures, "{}, in slices of {size}: pictures differ", form.name);
        }
    }
}

#[test]
fn a_picture_never_waits_for_what_follows_it() {
    for form in FORMS {
        let (body, pictures) = form.body();
        let mut reader = Reader::new();
        let mut end = 0;
        for (number, picture) in pictures.iter().enumerate() {
            let begin = end;
            end += body[begin..].windows(picture.len()).position(|window| window == *picture).unwrap() + picture.len();
            reader.handle_bytes(&body[begin..end]);
            assert!(reader.poll_part().is_some(), "{}: picture {number} waits", form.name);
        }
    }
}

#[test]
fn damaged_pictures_are_delivered_and_those_cut_off_are_counted() {
    let mut body = Vec::new();
    for number in 0..40 {
        body.extend(b"--b\r\nContent-Type: image/jpeg\r\n\r\n");
        let mut picture = data::C420.to_vec();
        match number % 20 {
            7 => picture[1000..1040].fill(0xAA),
            13 => picture.truncate(900),
            _ => (),
        }
        body.extend(picture);
        body.extend(b"\r\n");
    }
    let mut reader = Reader::new();
    reader.handle_bytes(&body);
    let parts = std::iter::from_fn(|| reader.poll_part()).count();
    assert_eq!((parts, reader.lost()), (38, 2));
}

#[test]
fn the_time_of_a_picture_is_its_own() {
    let at = |nanos| Some(UNIX_EPOCH + Duration::from_nanos(nanos));
    let mut body = Vec::new();
    for header in [
        "X-Timestamp: 1700000000.123456\r\n",
        "",
        "x-timestamp : 1700000001\r\n",
        // Seconds since the camera was switched on.
        "X-Timestamp: 36.5\r\n",
        "X-Timestamp: soon\r\n",
    ] {
        body.extend(format!("--b\r\n{header}\r\n").bytes());
        body.extend(data::SMALL);
    }
    // A part that is cut off and another one behind it without a time.
    body.extend(b"--b\r\nX-Timestamp: 1700000002\r\n\r\n");
    body.extend(&data::SMALL[..700]);
    body.extend(b"\r\n--b\r\n\r\n");
    body.extend(data::SMALL);
    for size in [1, 10, body.len()] {
        let times: Vec<_> = read(&body, size).into_iter().map(|part| part.timestamp).collect();
        assert_eq!(times, [at(1_700_000_000_123_456_000), None, at(1_700_000_001_000_000_000), None, None, None]);
    }
}

proptest::proptest! {
    #[test]
    fn nothing_panics(text: Vec<u8>, size in 1..100usize) {
        let mut body = text.clone();
        body.extend(data::SMALL);
        body.extend(text);
        let _ = read(&body, size);
    }

    #[test]
    fn no_time_stamp_panics(text: String) {
        let _ = wall_clock(&text);
    }
}

#[test]
fn a_date_is_the_cameras_clock_where_there_is_no_better_one() {
    let of = |lines: &str| {
        let mut reader = Reader::new();
        reader.handle_bytes(&[b"--b\r\n", lines.as_bytes(), b"\r\n\r\n", data::SMALL].concat());
        let taken = reader.poll_part().unwrap().timestamp;
        taken.map(|taken| taken.duration_since(UNIX_EPOCH).unwrap().as_secs_f64())
    };
    for (lines, seconds) in [
        ("Date: Tue, 14 Nov 2023 22:13:20 GMT", Some(1_700_000_000.0)),
        ("date : Thu, 29 Feb 2024 00:00:00 GMT", Some(1_709_164_800.0)),
        ("Date: Fri, 01 Mar 2024 23:59:59 UTC", Some(1_709_337_599.0)),
        ("Date: Tue, 14 Nov 2023 22:13:20 GMT\r\nX-Timestamp: 1700000001.5", Some(1_700_000_001.5)),
        ("Date: Thu, 01 Jan 1970 00:00:10 GMT", None),
        ("Date: Tue, 14 Nov 2023 22:13:20 +0100", None),
        ("Date: Tue, 32 Nov 2023 22:13:20 GMT", None),
        ("Date: Tue, 14 Nov 99999999999999999999 22:13:20 GMT", None),
        ("Date: Tue, 14 Nov 2023 22:13 GMT", None),
        ("Date: ,", None),
        ("Date: yesterday", None),
    ] {
        assert_eq!(of(lines), seconds, "{lines}");
    }
}
