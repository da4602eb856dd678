use bytes::Bytes;
use media::{Codec, Size, Timestamp};

use super::*;

const B_FRAMES: &str =
    "-f lavfi -i testsrc2=size=160x120:rate=25:duration=2 -c:v libx264 -g 25 -bf 3 -b_strategy 0 -pix_fmt yuv420p";

#[test]
fn pictures_that_nobody_refers_to_can_be_skipped() {
    let clip = make("a.mp4", B_FRAMES);
    let mut input = open(&clip);
    let (track, units) = (video(&input), units(&mut input));
    let [all, referenced, keys] =
        [Skip::None, Skip::NonRef, Skip::NonKey].map(|skip| decode(&track, &units, skip).len());
    assert_eq!((all, keys), (50, 2));
    assert!(keys < referenced && referenced < all, "{referenced}");
}

#[test]
fn a_clone_shares_its_pixels_until_one_is_written() {
    let clip = make("a.mp4", B_FRAMES);
    let frame = pictures(&clip).remove(7);
    let mut clone = frame.try_clone().unwrap();
    assert_eq!(clone.plane(0).unwrap().data.as_ptr(), frame.plane(0).unwrap().data.as_ptr());
    assert_eq!(clone.pts(), frame.pts());
    let before = frame.plane(0).unwrap().row(3)[5];
    let plane = clone.plane_mut(0).unwrap();
    plane.data[3 * plane.stride + 5] = before.wrapping_add(1);
    assert_eq!(frame.plane(0).unwrap().row(3)[5], before);
    assert_eq!(clone.plane(0).unwrap().row(3)[5], before.wrapping_add(1));
    assert_eq!(clone.plane(2).unwrap().row(9), frame.plane(2).unwrap().row(9));
    assert_eq!((clone.pts(), clone.size(), clone.format()), (frame.pts(), frame.size(), frame.format()));
}

#[test]
fn frames_tell_what_they_are() {
    let clip = make("a.mp4", &format!("{B_FRAMES} -color_range tv -colorspace bt709 -vf setsar=4/3"));
    let frames = pictures(&clip);
    let frame = &frames[0];
    assert!(frame.key() && !frame.corrupt() && !frame.is_full_range());
    assert!(!frames[1].key());
    assert_eq!(
        (frame.format(), frame.size(), frame.color_space()),
        ("yuv420p", Size::new(160, 120), ColorSpace::Bt709)
    );
    let aspect = frame.sample_aspect().unwrap();
    assert_eq!((aspect.num, aspect.den), (4, 3));
    let plane = frame.plane(1).unwrap();
    assert_eq!((plane.width, plane.height), (80, 60));
    assert!(plane.data.len() >= plane.stride * 59 + 80);
    assert!(frame.plane(3).is_none() && frame.plane(usize::MAX).is_none());
}

#[test]
fn a_decoder_goes_on_after_rubbish_and_after_the_end() {
    let clip = make("a.mp4", B_FRAMES);
    let mut input = open(&clip);
    let (track, units) = (video(&input), units(&mut input));
    let mut decoder = Decoder::new(&track, &DecoderOptions { threads: 2, low_delay: false }).unwrap();
    let _ = decoder.send(&Bytes::from_static(b"\0\0\0\x01rubbish"), Timestamp::ZERO, false);
    decoder.send(&Bytes::new(), Timestamp::ZERO, false).unwrap();
    for _ in 0..2 {
        let mut pictures = 0;
        // Without a look at `receive` in between: the decoder keeps them.
        for unit in &units {
            let _ = decoder.send(&unit.data, unit.pts.unwrap(), unit.key);
        }
        decoder.drain().unwrap();
        decoder.drain().unwrap();
        while let Ok(Some(_)) = decoder.receive() {
            pictures += 1;
        }
        assert!((49..=50).contains(&pictures), "{pictures}");
        decoder.flush();
    }
}

#[test]
fn what_cannot_be_decoded_is_named() {
    init();
    assert!(has_decoder(Codec::H264) && has_decoder(Codec::from_name("wmv2")));
    assert!(!has_decoder(Codec::from_name("nonsense")));
    let track = Track { codec: Codec::from_name("nonsense"), ..Track::mjpeg(Size::new(16, 16)) };
    let error = Decoder::new(&track, &DecoderOptions::default()).err().unwrap();
    assert_eq!(error.to_string(), "this build of FFmpeg lacks a decoder for nonsense");
    assert!(version().starts_with("libavformat "), "{}", version());
}

#[test]
fn decoder_and_frames_move_between_threads() {
    fn send<T: Send>() {}
    send::<Decoder>();
    send::<Input>();
    send::<Scaler>();
    send::<Frame>();
    send::<jpeg::Encoder>();
    send::<jpeg::Decoder>();
}

#[test]
fn made_pictures_start_black_and_refuse_absurd_sizes() {
    init();
    let mut frame = Frame::new("bgr24", Size::new(5, 3)).unwrap();
    assert_eq!(frame.plane(0).unwrap().row(2), [0; 15]);
    frame.plane_mut(0).unwrap().data[0] = 9;
    assert_eq!(frame.plane(0).unwrap().row(0)[0], 9);
    for (format, size) in [
        ("bgr24", Size::new(0, 3)),
        ("bgr24", Size::new(3, 70_000)),
        ("nosuch", Size::new(3, 3)),
        ("vaapi", Size::new(3, 3)),
    ] {
        assert!(matches!(Frame::new(format, size), Err(Error::Argument { .. })), "{format} {size}");
    }
}
