use media::Size;

use super::*;

/// The RGB of the middle of a JPEG made from the first picture of a clip.
fn jpeg_colour(clip: &Clip, size: Option<Size>) -> [u8; 3] {
    let frame = pictures(clip).remove(0);
    let planes = Scaler::new().to_jpeg_planes(&frame, size.unwrap_or(frame.size())).unwrap();
    let bytes = jpeg::Encoder::new().encode(&planes, 95).unwrap();
    let jpeg = jpeg::Decoder::new().decode(&bytes, None).unwrap();
    let rgb = Scaler::new().to(&jpeg, jpeg.size(), "rgb24").unwrap();
    let row = rgb.plane(0).unwrap().row(rgb.size().height as usize / 2);
    let at = row.len() / 6 * 3;
    [row[at], row[at + 1], row[at + 2]]
}

fn near(got: [u8; 3], expected: [u8; 3], within: u8) -> bool {
    got.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= within)
}

const COLOURS: [(&str, [u8; 3]); 6] = [
    ("0xff0000", [255, 0, 0]),
    ("0x00ff00", [0, 255, 0]),
    ("0x0000ff", [0, 0, 255]),
    ("0xffffff", [255, 255, 255]),
    ("0x000000", [0, 0, 0]),
    ("0xc08040", [192, 128, 64]),
];

#[test]
fn video_of_any_matrix_and_range_has_the_right_colours_as_a_jpeg() {
    for (colour, expected) in COLOURS {
        for (matrix, range) in [("bt709", "tv"), ("bt709", "pc"), ("smpte170m", "tv"), ("bt2020nc", "tv")] {
            let filter = format!(
                "scale=out_color_matrix={}:out_range={range},format=yuv420p",
                matrix.replace("nc", "").replace("smpte170m", "bt601")
            );
            let clip = make(
                "a.mp4",
                &format!(
                    "-f lavfi -i color={colour}:size=64x48:duration=0.2:rate=5,format=rgb24 -vf {filter} -c:v libx264 -qp 4 -colorspace {matrix} -color_range {range}"
                ),
            );
            for size in [None, Some(Size::new(40, 30))] {
                let got = jpeg_colour(&clip, size);
                assert!(near(got, expected, 6), "{colour} {matrix} {range} {size:?}: {got:?}");
            }
        }
    }
}

/// A picture of some format that the ffmpeg program made of its test card. (The card itself
/// comes in even sizes only.)
fn raw(format: &str, Size { width, height }: Size, filter: &str) -> Frame {
    let filter = format!("scale={width}:{height}:flags=neighbor,{filter}format={format}");
    let clip = make(
        "a.nut",
        &format!("-f lavfi -i testsrc2=size=320x240:rate=1:duration=1,format=rgb24 -vf {filter} -c:v rawvideo"),
    );
    let mut picture = pictures(&clip).remove(0);
    // NUT keeps the layout of yuvj420p, but not the claim to full range.
    if format.starts_with("yuvj") {
        picture.set_color(true, ColorSpace::Unspecified);
    }
    picture
}

/// Mean and largest difference of two pictures in RGB.
fn difference(a: &Frame, b: &Frame) -> (f64, u8) {
    let rgb = |frame: &Frame| Scaler::new().to(frame, frame.size(), "rgb24").unwrap();
    let (a, b) = (rgb(a), rgb(b));
    assert_eq!(a.size(), b.size());
    let (a, b) = (a.plane(0).unwrap(), b.plane(0).unwrap());
    let (mut sum, mut largest, mut count) = (0_u64, 0, 0_u64);
    for y in 0..a.height {
        for (a, b) in a.row(y).iter().zip(b.row(y)) {
            sum += u64::from(a.abs_diff(*b));
            largest = largest.max(a.abs_diff(*b));
            count += 1;
        }
    }
    (sum as f64 / count as f64, largest)
}

#[test]
fn every_source_format_comes_out_right() {
    let formats = [
        ("yuv420p", "yuv420p"),
        ("yuvj420p", "yuvj420p"),
        ("yuv422p", "yuv422p"),
        ("yuv444p", "yuv444p"),
        ("yuv440p", "yuv420p"),
        ("yuv411p", "yuv420p"),
        ("yuv420p10le", "yuv420p"),
        ("yuv422p10le", "yuv422p"),
        ("nv12", "yuv420p"),
        ("nv21", "yuv420p"),
        ("yuyv422", "yuv422p"),
        ("uyvy422", "yuv422p"),
        ("gray", "gray"),
        ("rgb24", "yuv444p"),
        ("bgr24", "yuv444p"),
        ("bgra", "yuv444p"),
        ("gbrp", "yuv444p"),
        ("rgb565le", "yuv444p"),
        ("yuva420p", "yuv420p"),
        ("pal8", "yuv444p"),
    ];
    // Blurred: sharp edges would only tell how finely each way resolves colours.
    let blur = "gblur=sigma=8,";
    for (format, planes) in formats {
        for (size, wanted) in
            [((130, 98), (130, 98)), ((131, 97), (131, 97)), ((160, 120), (77, 61)), ((64, 48), (161, 121))]
        {
            let (size, wanted) = (Size::new(size.0, size.1), Size::new(wanted.0, wanted.1));
            let frame = raw(format, size, blur);
            assert_eq!(frame.size(), size, "{format}");
            let made = Scaler::new().to_jpeg_planes(&frame, wanted).unwrap();
            assert!(made.is_full_range());
            assert_eq!(
                (made.format().replace("yuvj", "yuv"), made.size()),
                (planes.replace("yuvj", "yuv"), wanted),
                "{format}"
            );
            let reference = Scaler::new().to(&frame, wanted, "rgb24").unwrap();
            let (mean, largest) = difference(&made, &reference);
            println!("{format} {size} to {wanted}: mean {mean:.2} largest {largest}");
            // swscale widens five bits differently on the way to RGB and to YUV.
            let limit = if format == "rgb565le" { 3.5 } else { 2.0 };
            assert!(mean < limit && largest < 24, "{format} {size} to {wanted}: mean {mean} largest {largest}");
        }
    }
}

#[test]
fn our_range_is_ffmpegs_range() {
    let limited = make("a.nut", "-f lavfi -i testsrc2=size=160x120:rate=1:duration=1 -vf format=yuv420p -c:v rawvideo");
    let full = make(
        "b.nut",
        &format!("-i {} -vf scale=out_range=full:flags=accurate_rnd,format=yuvj420p -c:v rawvideo", limited.url()),
    );
    let (limited, full) = (pictures(&limited).remove(0), pictures(&full).remove(0));
    let made = Scaler::new().to_jpeg_planes(&limited, limited.size()).unwrap();
    for plane in 0..3 {
        let (ours, theirs) = (made.plane(plane).unwrap(), full.plane(plane).unwrap());
        for y in 0..ours.height {
            assert!(ours.row(y).iter().zip(theirs.row(y)).all(|(a, b)| a.abs_diff(*b) <= 1), "plane {plane} row {y}");
        }
    }
}

#[test]
fn undeclared_matrix_stays_as_it_is_at_every_size() {
    init();
    for size in [Size::new(64, 48), Size::new(1920, 1080)] {
        let mut frame = Frame::new("yuvj420p", size).unwrap();
        frame.plane_mut(1).unwrap().data.fill(200);
        let planes = Scaler::new().to_jpeg_planes(&frame, size).unwrap();
        assert_eq!(planes.plane(1).unwrap().data.as_ptr(), frame.plane(1).unwrap().data.as_ptr());
    }
}

#[test]
fn pictures_go_straight_into_a_slice() {
    for (width, pad) in [(64, 0), (64, 5), (66, 0), (67, 0), (67, 64)] {
        let frame = raw("yuv420p", Size::new(width, 50), "");
        let reference = Scaler::new().to(&frame, frame.size(), "bgr24").unwrap();
        let row = width as usize * 3;
        let stride = row + pad;
        let mut out = vec![0xaa; stride * 49 + row];
        Scaler::new().into_slice(&frame, frame.size(), "bgr24", &mut out, stride).unwrap();
        for (y, got) in out.chunks(stride).enumerate() {
            assert!(&got[..row] == reference.plane(0).unwrap().row(y), "{width}+{pad} row {y}");
            assert!(got[row..].iter().all(|byte| *byte == 0xaa), "{width}+{pad} row {y}: padding");
        }
        let error = Scaler::new().into_slice(&frame, frame.size(), "bgr24", &mut out[1..], stride);
        assert!(matches!(error, Err(Error::Argument { .. })));
    }
}

#[test]
fn a_scaler_follows_what_it_is_given_and_forgets_nothing_in_use() {
    let mut scaler = Scaler::new();
    let mut kept = Vec::new();
    for round in 0..6 {
        let size = Size::new(40 + 20 * (round % 3), 30);
        let mut frame = Frame::new("yuv420p", Size::new(80, 60)).unwrap();
        for plane in 0..3 {
            frame.plane_mut(plane).unwrap().data.fill(40 * round as u8);
        }
        kept.push((round, scaler.to_jpeg_planes(&frame, size).unwrap()));
    }
    for (round, frame) in &kept {
        let expected = (f64::from(40 * *round) - 16.0) * 255.0 / 219.0;
        assert!((f64::from(frame.plane(0).unwrap().row(20)[20]) - expected.clamp(0.0, 255.0)).abs() <= 1.5);
    }
}

#[test]
fn impossible_conversions_are_refused() {
    init();
    let frame = Frame::new("yuv420p", Size::new(8, 8)).unwrap();
    for (size, format) in [
        (Size::new(0, 8), "bgr24"),
        (Size::new(8, 70_000), "bgr24"),
        (Size::new(8, 8), "nosuch"),
        (Size::new(8, 8), "pal8"),
    ] {
        assert!(Scaler::new().to(&frame, size, format).is_err(), "{size} {format}");
    }
}
