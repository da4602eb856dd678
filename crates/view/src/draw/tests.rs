use ffmpeg::Frame;

use super::*;

/// A picture of one colour, given as B, G, R.
fn picture(size: Size, bgr: [u8; 3]) -> Frame {
    let mut frame = Frame::new("bgr24", size).unwrap();
    let plane = frame.plane_mut(0).unwrap();
    for row in plane.data.chunks_mut(plane.stride) {
        for (byte, value) in row.iter_mut().take(plane.width).zip(bgr.iter().cycle()) {
            *byte = *value;
        }
    }
    frame
}

/// Composes over a canvas of garbage.
fn composed(size: Size, scene: &Scene<'_>) -> Vec<u32> {
    let mut pixels = vec![0x00ab_cdef; (size.width * size.height) as usize];
    compose(&mut Canvas { pixels: &mut pixels, size }, &mut Scaler::new(), scene).unwrap();
    pixels.iter().map(|pixel| pixel & 0x00ff_ffff).collect()
}

fn count(pixels: &[u32], value: u32) -> usize {
    pixels.iter().filter(|pixel| **pixel == value).count()
}

fn area(picture: (u32, u32), pixel: Option<Rational>, within: (u32, u32)) -> (u32, u32, u32, u32) {
    let Area { x, y, size } = fit(Size::new(picture.0, picture.1), pixel, Size::new(within.0, within.1));
    (x, y, size.width, size.height)
}

#[test]
fn a_picture_keeps_its_shape() {
    assert_eq!(area((640, 480), None, (640, 480)), (0, 0, 640, 480));
    assert_eq!(area((640, 480), None, (1000, 480)), (180, 0, 640, 480));
    assert_eq!(area((640, 480), None, (320, 480)), (0, 120, 320, 240));
    assert_eq!(area((1920, 1080), None, (1366, 768)), (0, 0, 1366, 768));
    // PAL on a wide screen: 704 x 576 of 16:11.
    assert_eq!(area((704, 576), Rational::new(16, 11), (1920, 1080)), (0, 0, 1920, 1080));
}

#[test]
fn no_shape_is_too_odd() {
    assert_eq!(area((8192, 1), None, (10, 10)), (0, 4, 10, 1));
    assert_eq!(area((1, 8192), None, (10, 10)), (4, 0, 1, 10));
    assert_eq!(area((0, 0), None, (1, 1)), (0, 0, 1, 1));
    let (_, _, width, height) = area((u32::MAX, 1), Rational::new(u32::MAX, 1), (7, 7));
    assert_eq!((width, height), (7, 1));
}

#[test]
fn the_picture_is_surrounded_by_black() {
    let red = picture(Size::new(64, 48), [0, 0, 255]);
    for (window, expected) in [((100, 48), 64 * 48), ((64, 99), 64 * 48), ((64, 48), 64 * 48), ((33, 97), 33 * 25)] {
        let size = Size::new(window.0, window.1);
        let pixels = composed(size, &Scene { picture: Some(&red), ..Scene::default() });
        assert_eq!(count(&pixels, 0x00ff_0000), expected, "in {window:?}");
        assert_eq!(count(&pixels, BLACK), pixels.len() - expected, "in {window:?}");
    }
}

#[test]
fn every_size_of_window_can_be_drawn() {
    let red = picture(Size::new(64, 48), [0, 0, 255]);
    for width in (1..40).chain([101, 333]) {
        for height in (1..40).chain([77]) {
            let words = Some("no signal since 12:03:04: connection refused");
            let scene = Scene { picture: Some(&red), message: words, facts: words, notice: words, scale: 2 };
            composed(Size::new(width, height), &scene);
            composed(Size::new(width, height), &Scene { picture: None, ..scene });
        }
    }
}

#[test]
fn without_a_picture_the_message_stands_in_the_middle() {
    let size = Size::new(200, 100);
    let pixels = composed(size, &Scene { message: Some("HHH"), scale: 2, ..Scene::default() });
    let lit: Vec<_> = (0..pixels.len()).filter(|at| pixels[*at] == GREY).collect();
    let (left, right) = (lit.iter().map(|at| at % 200).min().unwrap(), lit.iter().map(|at| at % 200).max().unwrap());
    assert_eq!((left, right), (100 - 17, 100 + 16));
    assert_eq!(count(&pixels, BLACK), pixels.len() - lit.len());
}

#[test]
fn words_over_the_picture_stand_on_a_darker_ground() {
    let size = Size::new(200, 100);
    let white = picture(size, [255, 255, 255]);
    let scene = Scene { picture: Some(&white), message: Some("no signal"), scale: 1, ..Scene::default() };
    let pixels = composed(size, &scene);
    let row = |y: usize| &pixels[y * 200..][..200];
    assert_eq!(count(row(0), WHITE), 200, "the picture stays");
    assert_eq!(count(row(99), 0x003f_3f3f), 200, "the band is at the bottom");
    let facts = composed(size, &Scene { facts: Some("source"), message: None, ..scene });
    assert_eq!(facts[0], WHITE);
    assert_eq!(facts[4 * 200 + 4], 0x003f_3f3f);
    assert_eq!(facts[99 * 200], WHITE);
    let both = composed(size, &Scene { notice: Some("saved"), ..scene });
    let height = (8 + 2 * 4) * 2;
    assert_eq!(both[(100 - height) * 200], 0x003f_3f3f, "one band above the other");
    assert_eq!(both[(99 - height) * 200], WHITE);
}

#[test]
fn text_is_readable_at_any_density_and_fits_a_narrow_window() {
    assert_eq!(text_scale(1.0, 640), 2);
    assert_eq!(text_scale(2.0, 1280), 4);
    assert_eq!(text_scale(1.25, 4000), 3);
    assert_eq!(text_scale(2.0, 300), 1);
    assert_eq!(text_scale(1.0, 1), 1);
}
