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

#[test]
fn every_codec_gives_back_each_picture_at_once() {
    init();
    let mut wrong = Vec::new();
    for name in [
        "h264",
        "hevc",
        "mpeg4",
        "mpeg2video",
        "mpeg1video",
        "mjpeg",
        "vp8",
        "vp9",
        "theora",
        "flv1",
        "h263",
        "msmpeg4v2",
        "msmpeg4v3",
        "wmv1",
        "wmv2",
        "gif",
    ] {
        let codec = Codec::from_name(name);
        let size = Encoder::fit(codec, Size::new(176, 144));
        let mut encoder = match Encoder::open(codec, size, &EncoderOptions::default()) {
            Ok(encoder) => encoder,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        let mut decoder = Decoder::new(&encoder.track(), &DecoderOptions::default()).unwrap();
        let mut scaler = Scaler::new();
        let (mut seen, mut keys) = (0, Vec::new());
        for step in 0..12 {
            let picture = encoder.prepare(&mut scaler, &grey(size, step * 2)).unwrap();
            let coded = match encoder.encode(&picture, step == 8) {
                Ok(coded) => coded,
                Err(error) => {
                    wrong.push(format!("{name}: {error}"));
                    break;
                }
            };
            let Some(coded) = coded else {
                // FFmpeg's MPEG-1 is one late whatever it is told.
                if (name, step) != ("mpeg1video", 0) {
                    wrong.push(format!("{name}: picture {step} is held back"));
                }
                continue;
            };
            keys.extend(coded.key.then_some(step));
            if decoder.send(&coded.data, Timestamp::from_nanos(i64::from(step)), coded.key).is_err() {
                wrong.push(format!("{name}: picture {step} cannot be decoded"));
            }
            while let Some(shown) = decoder.receive().unwrap() {
                let shown = scaler.to(&shown, size, "gray").unwrap();
                let middle = shown.plane(0).unwrap().row(8)[88];
                let levels: Vec<u8> = (0..12).map(|step| 60 + step * 2).collect();
                // The full range of what has no other is wider.
                if !levels.iter().any(|level| middle.abs_diff(*level) < 32) {
                    wrong.push(format!("{name}: picture {seen} is {middle}"));
                }
                seen += 1;
            }
        }
        decoder.drain().unwrap();
        while decoder.receive().unwrap().is_some() {
            seen += 1;
        }
        let intra = matches!(name, "mjpeg" | "gif");
        let late = name == "theora" && keys == [0] || name == "mpeg1video" && keys == [1, 9];
        if seen < 11 || !(late || intra || keys == [0, 8]) {
            wrong.push(format!("{name}: {seen} of 12, keyframes at {keys:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn options_reach_the_encoder() {
    init();
    let size = Size::new(320, 240);
    let bytes = |coding: media::VideoCoding| {
        let options = EncoderOptions { coding, ..EncoderOptions::default() };
        let mut encoder = Encoder::open(Codec::from_name("mpeg4"), size, &options).unwrap();
        let mut scaler = Scaler::new();
        let clip = (0..25).map(|step| {
            let picture = encoder.prepare(&mut scaler, &grey(size, step * 3)).unwrap();
            encoder.encode(&picture, false).unwrap().map_or(0, |coded| coded.data.len())
        });
        clip.sum::<usize>()
    };
    let plain = media::VideoCoding::default();
    let fine = bytes(media::VideoCoding { qscale: Some(200), ..plain });
    let coarse = bytes(media::VideoCoding { qscale: Some(3100), ..plain });
    assert!(fine > 2 * coarse, "{fine} and {coarse}");
    let options = media::AvOptions::new([("qmin".to_owned(), "20".to_owned())]).unwrap();
    let bounded = bytes(media::VideoCoding { qscale: None, bit_rate: Some(4_000_000), options, ..plain });
    assert!(bounded < fine, "{bounded} and {fine}");
    let unknown = media::AvOptions::new([("qmin".to_owned(), "many".to_owned())]).unwrap();
    let coding = media::VideoCoding { options: unknown, ..plain };
    let refused =
        Encoder::open(Codec::from_name("mpeg4"), size, &EncoderOptions { coding, ..EncoderOptions::default() });
    assert!(refused.is_err());
}
