//! What an encoder makes is what its decoder shows.

use media::{Codec, Size, Timestamp};

use super::*;

const WMV2: Codec = Codec::from_name("wmv2");

/// Stripes of grey, brighter by `step`: a flat picture would make each one a new scene.
fn grey(size: Size, step: u8) -> Frame {
    let mut frame = Frame::new(Encoder::FORMAT, size).unwrap();
    for (plane, value) in [60 + step, 128, 128].into_iter().enumerate() {
        let plane_mut = frame.plane_mut(plane).unwrap();
        for (y, row) in plane_mut.data.chunks_mut(plane_mut.stride).enumerate() {
            row.fill(if plane == 0 { value + (y % 8) as u8 * 8 } else { value });
        }
    }
    frame
}

#[test]
fn each_picture_comes_out_at_once_and_decodes_to_itself() {
    init();
    for size in [Size::new(320, 240), Size::new(176, 144), Size::new(18, 22)] {
        let mut encoder = Encoder::new(WMV2, *b"WMV2", size, 90).unwrap();
        let track = encoder.track();
        assert_eq!((track.codec.name(), &track.tag.to_le_bytes()), ("wmv2", b"WMV2"));
        assert!(!track.extradata.is_empty());
        let mut decoder = Decoder::new(&track, &DecoderOptions::default()).unwrap();
        for step in 0..12 {
            let coded = encoder.encode(&grey(size, step), step == 8).unwrap().expect("no picture is held back");
            assert_eq!(coded.key, step == 0 || step == 8, "picture {step}");
            decoder.send(&coded.data, Timestamp::from_nanos(i64::from(step)), coded.key).unwrap();
            let shown = decoder.receive().unwrap().expect("nor by the decoder");
            assert_eq!(shown.size(), size);
            let middle = shown.plane(0).unwrap().row(8)[size.width as usize / 2];
            assert!(middle.abs_diff(60 + step) <= 5, "picture {step} of {size}: {middle}");
        }
    }
}

#[test]
fn what_cannot_be_encoded_is_refused_in_a_sentence() {
    init();
    let missing = Encoder::new(Codec::from_name("wmv3"), *b"WMV3", Size::new(64, 64), 80).err().unwrap();
    assert_eq!(missing.to_string(), "this build of FFmpeg lacks an encoder for wmv3");
    assert!(Encoder::new(WMV2, *b"WMV2", Size::new(64, 64), 0).is_err());
    let mut encoder = Encoder::new(WMV2, *b"WMV2", Size::new(64, 64), 80).unwrap();
    assert!(matches!(encoder.encode(&grey(Size::new(32, 64), 0), true), Err(Error::Argument { .. })));
}

#[test]
fn a_full_range_picture_is_not_washed_out_nor_clipped() {
    init();
    let size = Size::new(64, 48);
    let mut white = Frame::new("yuvj420p", size).unwrap();
    for (plane, value) in [255, 128, 128].into_iter().enumerate() {
        white.plane_mut(plane).unwrap().data.fill(value);
    }
    for wanted in [size, Size::new(32, 24)] {
        let video = Scaler::new().to_video(&white, wanted).unwrap();
        assert_eq!((video.size(), video.format(), video.is_full_range()), (wanted, "yuv420p", false));
        assert_eq!(video.plane(0).unwrap().row(5)[5], 235);
        assert_eq!(video.plane(1).unwrap().row(5)[5], 128);
    }
    assert_eq!(white.plane(0).unwrap().row(5)[5], 255, "the picture that was given is left as it is");
}
