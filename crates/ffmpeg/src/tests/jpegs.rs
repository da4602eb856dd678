use media::Size;

use super::*;

/// A grey ramp from limited black to limited white, 220 columns of one level each.
fn ramp(format: &str) -> Frame {
    init();
    let mut frame = Frame::new(format, Size::new(220, 16)).unwrap();
    for plane in 0..3 {
        let Some(plane) = frame.plane_mut(plane) else { break };
        let luma = plane.width == 220;
        for row in plane.data.chunks_mut(plane.stride) {
            for (x, byte) in row.iter_mut().take(plane.width).enumerate() {
                *byte = if luma { 16 + x as u8 } else { 128 };
            }
        }
    }
    frame.set_color(false, ColorSpace::Bt601);
    frame
}

#[test]
fn a_limited_ramp_becomes_a_full_range_jpeg() {
    let frame = ramp("yuv420p");
    let planes = Scaler::new().to_jpeg_planes(&frame, frame.size()).unwrap();
    assert!(planes.is_full_range());
    let bytes = jpeg::Encoder::new().encode(&planes, 100).unwrap();
    let decoded = jpeg::Decoder::new().decode(&bytes, None).unwrap();
    let row = decoded.plane(0).unwrap().row(8);
    assert!(row[0] <= 1 && row[219] >= 254, "{} to {}", row[0], row[219]);
    for (x, got) in row.iter().enumerate() {
        assert!((f64::from(*got) - x as f64 * 255.0 / 219.0).abs() < 3.0, "column {x}: {got}");
    }
    assert!(decoded.plane(1).unwrap().row(4).iter().all(|c| c.abs_diff(128) <= 1));
}

#[test]
fn every_layout_and_odd_size_survives_the_trip() {
    init();
    let (mut scaler, mut encoder, mut decoder) = (Scaler::new(), jpeg::Encoder::new(), jpeg::Decoder::new());
    for format in ["gray", "yuv420p", "yuvj420p", "yuv422p", "yuv444p"] {
        for size in [Size::new(1, 1), Size::new(17, 9), Size::new(16, 15), Size::new(33, 2), Size::new(64, 48)] {
            let mut frame = Frame::new(format, size).unwrap();
            for index in 0..3 {
                let Some(plane) = frame.plane_mut(index) else { break };
                plane.data.fill([90, 110, 150][index]);
            }
            frame.set_color(true, ColorSpace::Bt601);
            let same = scaler.to_jpeg_planes(&frame, size).unwrap();
            assert_eq!(
                same.plane(0).unwrap().data.as_ptr(),
                frame.plane(0).unwrap().data.as_ptr(),
                "no copy of what is right"
            );
            let bytes = encoder.encode(&same, 95).unwrap();
            let back = decoder.decode(&bytes, None).unwrap();
            assert_eq!((back.size(), back.is_full_range(), back.corrupt()), (size, true, false));
            assert_eq!(back.format(), format.replace("yuvj", "yuv"));
            for index in 0..back.pixel().unwrap().planes() {
                let plane = back.plane(index).unwrap();
                for y in 0..plane.height {
                    assert!(
                        plane.row(y).iter().all(|b| b.abs_diff([90, 110, 150][index]) <= 2),
                        "{format} {size} plane {index} row {y}: {:?}",
                        plane.row(y)
                    );
                }
            }
        }
    }
}

#[test]
fn a_jpeg_is_decoded_smaller_when_that_is_enough() {
    let frame = ramp("yuv422p");
    let planes = Scaler::new().to_jpeg_planes(&frame, Size::new(641, 401)).unwrap();
    let bytes = jpeg::Encoder::new().encode(&planes, 90).unwrap();
    let mut decoder = jpeg::Decoder::new();
    for (least, expected) in [
        (Size::new(640, 400), Size::new(641, 401)),
        (Size::new(320, 200), Size::new(321, 201)),
        (Size::new(81, 51), Size::new(81, 51)),
        (Size::new(1, 1), Size::new(81, 51)),
        (Size::new(900, 1), Size::new(641, 401)),
    ] {
        let small = decoder.decode(&bytes, Some(least)).unwrap();
        assert_eq!(small.size(), expected);
        let row = small.plane(0).unwrap();
        assert!(row.row(3)[0] <= 4 && row.row(3)[row.width - 1] >= 250);
    }
    assert_eq!(decoder.decode(&bytes, None).unwrap().size(), Size::new(641, 401));
}

#[test]
fn a_jpeg_is_decoded_into_memory_of_its_size_and_no_other() {
    let planes = Scaler::new().to_jpeg_planes(&ramp("yuv420p"), Size::new(220, 16)).unwrap();
    let bytes = jpeg::Encoder::new().encode(&planes, 90).unwrap();
    let (size, mut decoder) = (Size::new(220, 16), jpeg::Decoder::new());
    let expected = decoder.decode_to(&bytes, None, "bgr24").unwrap();
    for stride in [660, 700] {
        let mut out = vec![7; stride * 16];
        assert_eq!(decoder.decode_into(&bytes, size, "bgr24", &mut out, stride), Ok(false));
        for y in 0..16 {
            assert_eq!(&out[y * stride..][..660], expected.plane(0).unwrap().row(y));
        }
        assert_eq!(decoder.decode_into(&bytes[..bytes.len() - 60], size, "bgr24", &mut out, stride), Ok(true));
    }
    let mut out = vec![0; 660 * 16];
    let mut refused = |size, stride| {
        let error = decoder.decode_into(&bytes, size, "bgr24", &mut out, stride).unwrap_err();
        assert!(matches!(error, Error::Argument { .. }), "{error}");
    };
    refused(Size::new(220, 17), 660);
    refused(Size::new(110, 16), 660);
    refused(size, 659);
    refused(size, 661);
}

#[test]
fn a_damaged_jpeg_is_given_as_far_as_it_goes() {
    let frame = ramp("yuv420p");
    let planes = Scaler::new().to_jpeg_planes(&frame, Size::new(320, 240)).unwrap();
    let bytes = jpeg::Encoder::new().encode(&planes, 90).unwrap();
    let mut decoder = jpeg::Decoder::new();
    let cut = decoder.decode(&bytes[..bytes.len() - 60], None).unwrap();
    assert!(cut.corrupt());
    assert_eq!(cut.size(), Size::new(320, 240));
    assert!(!decoder.decode(&bytes, None).unwrap().corrupt());
    for end in (0..bytes.len().min(700)).step_by(7) {
        let _ = decoder.decode(&bytes[..end], None);
        assert!(!decoder.decode(&bytes, None).unwrap().corrupt(), "a good picture after one that ends at {end}");
    }
    let mut random = 1_u32;
    for _ in 0..300 {
        let mut bytes = bytes.to_vec();
        for _ in 0..4 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = random as usize % bytes.len();
            bytes[at] = (random >> 24) as u8;
        }
        let _ = decoder.decode(&bytes, Some(Size::new(40, 30)));
    }
    assert!(matches!(decoder.decode(b"GIF89a", None), Err(Error::Jpeg { .. })));
    // What many a webcam sends: bytes too many before the end.
    let mut extra = bytes[..bytes.len() - 2].to_vec();
    extra.extend_from_slice(&[0, 0, 0, 0xff, 0xd9]);
    assert!(!decoder.decode(&extra, None).unwrap().corrupt());
}

#[test]
fn ffmpegs_own_jpegs_are_read_like_ffmpeg_reads_them() {
    let clip =
        make("a.mjpeg", "-f lavfi -i testsrc2=size=162x122:rate=1:duration=1 -c:v mjpeg -q:v 2 -pix_fmt yuvj420p");
    let bytes = std::fs::read(&clip.path).unwrap();
    let ours = jpeg::Decoder::new().decode(&bytes, None).unwrap();
    let theirs = pictures(&clip).remove(0);
    for plane in 0..3 {
        let (ours, theirs) = (ours.plane(plane).unwrap(), theirs.plane(plane).unwrap());
        for y in 0..ours.height {
            assert!(ours.row(y).iter().zip(theirs.row(y)).all(|(a, b)| a.abs_diff(*b) <= 3), "plane {plane} row {y}");
        }
    }
}

#[test]
fn a_jpeg_without_huffman_tables_is_motion_jpeg() {
    let frame = ramp("yuv420p");
    let planes = Scaler::new().to_jpeg_planes(&frame, frame.size()).unwrap();
    let bytes = jpeg::Encoder::new().encode(&planes, 80).unwrap();
    let mut bare = bytes[..2].to_vec();
    let mut at = 2;
    while bytes[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        if bytes[at + 1] != 0xc4 {
            bare.extend_from_slice(&bytes[at..end]);
        }
        at = end;
    }
    bare.extend_from_slice(&bytes[at..]);
    assert!(bare.len() < bytes.len() - 400);
    let (whole, bare) =
        (jpeg::Decoder::new().decode(&bytes, None).unwrap(), jpeg::Decoder::new().decode(&bare, None).unwrap());
    assert_eq!(whole.plane(0).unwrap().row(5), bare.plane(0).unwrap().row(5));
}

#[test]
fn what_an_encoder_cannot_take_is_named() {
    init();
    let frame = Frame::new("bgra", Size::new(8, 8)).unwrap();
    let error = jpeg::Encoder::new().encode(&frame, 80).unwrap_err();
    assert_eq!(error.to_string(), "picture for a JPEG: found bgra 8x8, expected gray, yuv420p, yuv422p or yuv444p");
    let frame = Frame::new("gray", Size::new(8, 8)).unwrap();
    assert!(jpeg::Encoder::new().encode(&frame, 0).is_err());
}
