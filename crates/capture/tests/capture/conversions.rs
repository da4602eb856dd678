//! What pixels come out as.

use capture::{Colors, Crop, Format, Kind, Options};
use media::Size;

use crate::camera::{Camera, Manner};
use crate::{clips, number, open};

#[test]
fn every_format_of_every_source_has_the_same_picture() {
    let camera = Camera::start(Manner::Pictures { fps: 20 });
    let file = |clip: clips::Clip| clip.path().to_str().unwrap().to_owned();
    for url in [camera.url(), file(clips::H264), file(clips::MJPEG)] {
        for format in [Format::Bgr24, Format::Rgb24, Format::Bgra, Format::Rgba, Format::Gray8, Format::Yuv420p] {
            let capture = open(&url, Options::new().format(format).latest(false));
            let frame = capture.read().unwrap();
            let expected = if format == Format::Yuv420p { 320 * 240 * 3 / 2 } else { 320 * 240 * format.pixel_bytes() };
            assert_eq!((frame.format(), frame.bytes(format)), (format, expected));
            let mut pixels = vec![7; expected];
            let row = if format == Format::Yuv420p { 320 } else { 320 * format.pixel_bytes() };
            frame.write(format, &mut pixels, row).unwrap();
            // The clips are grey: 16 is black in video, 0 elsewhere.
            let bgr = frame.bgr().unwrap();
            assert!(bgr.chunks(3).all(|pixel| pixel[0].abs_diff(pixel[1]) < 4 && pixel[1].abs_diff(pixel[2]) < 4));
            assert_eq!(number(&frame), frame.index() % 30);
            assert_eq!(frame.jpeg().is_some(), !url.ends_with("mp4"));
        }
    }
}

#[test]
fn the_matrix_is_opencvs_unless_the_declared_one_is_asked_for() {
    let colours: &[&str] = &["-f", "lavfi", "-i", "color=c=0x20c040:s=64x64:r=5:d=1", "-c:v", "libx264"];
    let clip = |name: &str, matrix: &str| {
        clips::made(name, |out| {
            let mut ffmpeg = crate::tools::tool("ffmpeg");
            ffmpeg.args(["-nostdin", "-v", "error", "-y"]).args(colours);
            let filter = format!("scale=out_color_matrix={matrix},format=yuv420p");
            ffmpeg.args(["-vf", &filter, "-colorspace", if matrix == "bt709" { "bt709" } else { "bt470bg" }]);
            crate::tools::run(ffmpeg.arg(out)).succeeded();
        })
    };
    let (high, standard) = (clip("bt709.mp4", "bt709"), clip("bt601.mp4", "bt601"));
    let pixel = |path, colors| -> [u8; 3] {
        let frame = open(path, Options::new().colors(colors)).read().unwrap();
        frame.bgr().unwrap()[..3].try_into().unwrap()
    };
    let near = |a: [u8; 3], b: [u8; 3]| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 8);
    let meant = [0x40, 0xc0, 0x20];
    assert!(near(pixel(&high, Colors::Declared), meant), "{:?}", pixel(&high, Colors::Declared));
    assert!(near(pixel(&standard, Colors::Declared), meant));
    assert!(near(pixel(&standard, Colors::OpenCv), meant));
    assert!(!near(pixel(&high, Colors::OpenCv), meant));
}

#[test]
fn a_part_and_another_size_are_made_before_the_pixels() {
    let path = clips::H264.path();
    let options = Options::new().size(160, 0);
    let frame = open(&path, options.clone()).read().unwrap();
    assert_eq!((frame.size(), frame.bgr().unwrap().len()), (Size::new(160, 120), 160 * 120 * 3));
    let crop = Crop { left: 11, top: 21, size: Size::new(51, 33) };
    let part = open(&path, Options::new().crop(crop)).read().unwrap();
    let whole = open(&path, Options::new()).read().unwrap().converted(Format::Gray8).unwrap();
    let grey = part.converted(Format::Gray8).unwrap();
    assert_eq!(grey.size(), crop.size);
    let (grey, whole) = (grey.plane(0).unwrap(), whole.plane(0).unwrap());
    for y in 0..33 {
        assert_eq!(grey.row(y), &whole.row(y + 21)[11..62]);
    }
    let camera = Camera::start(Manner::Pictures { fps: 20 });
    let small = open(camera.url(), Options::new().size(0, 60)).read().unwrap();
    assert_eq!((small.size(), small.bgr().unwrap().len()), (Size::new(80, 60), 80 * 60 * 3));
    // It was decoded small.
    assert_eq!(small.picture().unwrap().size(), Size::new(80, 60));
}

#[test]
fn what_cannot_be_made_is_an_error_of_the_caller() {
    let path = clips::H264.path();
    let crop = Crop { left: 300, top: 0, size: Size::new(51, 33) };
    let frame = open(&path, Options::new().crop(crop)).read().unwrap();
    assert_eq!(frame.bgr().unwrap_err().kind(), Kind::BadOption);
    let frame = open(&path, Options::new()).read().unwrap();
    let error = frame.bgr_into(&mut [0; 100]).unwrap_err();
    assert_eq!(error.kind(), Kind::BadOption);
    assert!(error.to_string().ends_with("expected 230400 bytes in rows of at least 960"), "{error}");
    assert_eq!(frame.write(Format::Jpeg, &mut [0; 1000], 1000).unwrap_err().kind(), Kind::BadOption);
    assert_eq!(frame.encode_jpeg(101).unwrap_err().kind(), Kind::BadOption);
    assert!(frame.encode_jpeg(50).unwrap().starts_with(&[0xff, 0xd8]));
}

#[test]
fn pictures_are_turned_as_their_container_asks() {
    let plain = clips::H264.path();
    let turned = clips::made("turned-right.mp4", |out| {
        let mut ffmpeg = crate::tools::tool("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-y", "-display_rotation", "270", "-i"]).arg(&plain);
        if !ffmpeg.args(["-c", "copy"]).arg(out).status().unwrap().success() {
            // Older ones take it as metadata.
            let mut ffmpeg = crate::tools::tool("ffmpeg");
            ffmpeg.args(["-nostdin", "-v", "error", "-y", "-i"]).arg(&plain);
            crate::tools::run(ffmpeg.args(["-c", "copy", "-metadata:s:v", "rotate=270"]).arg(out)).succeeded();
        }
    });
    let frame = open(&turned, Options::new()).read().unwrap();
    assert_eq!(frame.size(), Size::new(240, 320));
    let (bgr, own) = (frame.bgr().unwrap(), open(&plain, Options::new()).read().unwrap().bgr().unwrap());
    // The upper left corner is on the upper right.
    assert_eq!(bgr[239 * 3..240 * 3], own[..3]);
    assert_eq!(bgr[..3], own[239 * 320 * 3..][..3]);
    let frame = open(&turned, Options::new().rotate(false)).read().unwrap();
    assert_eq!((frame.size(), frame.bgr().unwrap()), (Size::new(320, 240), own));
}

#[test]
fn pixels_decoded_straight_into_the_readers_memory_are_those_that_every_other_way_gives() {
    let camera = Camera::start(Manner::Pictures { fps: 20 });
    for format in [Format::Bgr24, Format::Rgba, Format::Gray8] {
        let capture = open(camera.url(), Options::new().format(format));
        for _ in 0..3 {
            let frame = capture.read().unwrap();
            // With a gap behind each row, and without one.
            let (row, rows) = (320 * format.pixel_bytes(), 240);
            let mut wide = vec![0; (row + 5) * rows];
            frame.write(format, &mut wide, row + 5).unwrap();
            let mut tight = vec![0; row * rows];
            frame.write(format, &mut tight, row).unwrap();
            let picture = frame.converted(format).unwrap();
            let plane = picture.plane(0).unwrap();
            for y in 0..rows {
                assert_eq!(plane.row(y), &tight[y * row..][..row], "row {y} of {}", format.name());
                assert_eq!(&wide[y * (row + 5)..][..row], &tight[y * row..][..row], "row {y} of {}", format.name());
            }
            assert!(!frame.corrupt());
        }
    }
}
