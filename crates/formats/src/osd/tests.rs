use super::*;

fn with_plane(width: usize, height: usize, draw: impl FnOnce(&mut Plane<'_>)) -> Vec<u8> {
    // Wider rows than the picture: what is drawn beyond it shows in the margin.
    let stride = width + 3;
    let mut data = vec![0; stride * height];
    draw(&mut Plane { data: &mut data, stride, width, height });
    for row in data.chunks(stride) {
        assert_eq!(row[width..], [0; 3], "drawn beyond the edge");
    }
    data.chunks(stride).flat_map(|row| row[..width].to_vec()).collect()
}

fn art(width: usize, pixels: &[u8]) -> String {
    let row = |row: &[u8]| row.iter().map(|p| if *p > 0 { '#' } else { '.' }).collect::<String>();
    pixels.chunks(width).map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_rectangle_is_clipped_on_every_side() {
    for (x, y, width, height, expected) in [
        (1, 1, 2, 1, "....\n.##.\n...."),
        (-2, -1, 3, 2, "#...\n....\n...."),
        (3, 2, 9, usize::MAX, "....\n....\n...#"),
        (4, 0, 1, 1, "....\n....\n...."),
        (-5, 0, 5, 3, "....\n....\n...."),
        (i32::MIN, i32::MIN, usize::MAX, usize::MAX, "####\n####\n####"),
    ] {
        let drawn = with_plane(4, 3, |plane| plane.fill_rect(x, y, width, height, 1));
        assert_eq!(art(4, &drawn), expected, "{width}x{height} at {x},{y}");
    }
}

#[test]
fn text_is_drawn_where_text_size_says() {
    assert_eq!(text_size("Hi", 1), (11, 8));
    assert_eq!(text_size("Hi\nthere", 3), ((5 * 6 - 1) * 3, (10 + 8) * 3));
    assert_eq!(text_size("", 2), (0, 0));
    let drawn = with_plane(11, 8, |plane| plane.text(0, 0, 1, 255, "Hi"));
    let expected =
        "#...#...#..\n#...#......\n#...#..##..\n#####...#..\n#...#...#..\n#...#...#..\n#...#..###.\n...........";
    assert_eq!(art(11, &drawn), expected);
    let large = with_plane(22, 16, |plane| plane.text(0, 0, 2, 255, "Hi"));
    let sampled: Vec<u8> = (0..8 * 11).map(|i| large[i / 11 * 2 * 22 + i % 11 * 2]).collect();
    assert_eq!(art(11, &sampled), expected);
    let centred = with_plane(13, 10, |plane| plane.text_centred(6, 5, 1, 255, "Hi"));
    assert!(art(13, &centred).starts_with(".............\n.#...#...#...\n"));
}

#[test]
fn every_character_of_ascii_looks_different_and_the_rest_is_a_box() {
    let glyphs: std::collections::BTreeSet<_> = (' '..='~').map(font::glyph).collect();
    assert_eq!(glyphs.len(), 95);
    assert_eq!(font::glyph('é'), font::glyph('\u{7f}'));
    assert_eq!(font::glyph('\t'), font::glyph('日'));
    assert_eq!(font::glyph('\u{2013}'), font::glyph('-'));
    assert!(!glyphs.contains(font::glyph('é')));
}

#[test]
fn text_beyond_the_edges_is_cut_off() {
    let drawn = with_plane(5, 3, |plane| plane.text(-8, -1, 1, 1, "HHHH\nH"));
    assert_eq!(art(5, &drawn), "..#.#\n..#.#\n###.#");
    with_plane(5, 3, |plane| plane.text(i32::MAX, i32::MAX, 9, 1, "HHHH\nH"));
    with_plane(5, 3, |plane| plane.text(i32::MIN, i32::MIN, 9, 1, "HHHH\nH"));
}

#[test]
fn text_wraps_between_words_and_inside_only_if_it_must() {
    assert_eq!(wrap("no signal since noon", 10), "no signal\nsince noon");
    assert_eq!(wrap("abcdefgh ij", 3), "abc\ndef\ngh\nij");
    assert_eq!(wrap("one\n\ntwo", 80), "one\n\ntwo");
    assert_eq!(wrap("a b", 0), "a\nb");
    assert_eq!(wrap("codec   mjpeg\nsource  pattern:", 13), "codec   mjpeg\nsource\npattern:");
    assert_eq!(wrap("", 5), "");
}

#[test]
fn a_number_is_read_back_in_every_size() {
    for (width, height) in [(160, 64), (320, 240), (640, 480), (1279, 719), (1920, 1080)] {
        for number in [0, 1, 2, 0x5555, 0x8000, 0xfffe, u16::MAX] {
            let drawn = with_plane(width, height, |plane| {
                plane.fill_rect(0, 0, width, height, 128);
                plane.number_bar(number);
            });
            assert_eq!(read_number(&drawn, width, width, height), Some(number), "{width}x{height}");
        }
    }
}

#[test]
fn a_picture_without_a_number_has_none() {
    let mut drawn = with_plane(320, 240, |plane| plane.number_bar(7));
    assert_eq!(read_number(&drawn, 320, 320, 240), Some(7));
    // One bit turned in both rows: the parity tells.
    let mut plane = Plane { data: &mut drawn, stride: 320, width: 320, height: 240 };
    plane.fill_rect(32, 0, 16, 24, 235);
    plane.fill_rect(32, 216, 16, 24, 16);
    assert_eq!(read_number(&drawn, 320, 320, 240), None);
    assert_eq!(read_number(&[128; 320 * 240], 320, 320, 240), None);
    assert_eq!(read_number(&[], 320, 320, 240), None);
    assert_eq!(read_number(&[1; 100], 10, 10, 10), None);
    assert_eq!(read_number(&[], 0, 0, 0), None);
}
