//! Colours as they were meant, whatever the source's range, depth and sampling.

use std::path::PathBuf;

use crate::harness::tools::{folder, python};
use crate::harness::{Server, clips, run, tool};

/// Pixel format, width of each of three stripes (white, black, red), height, range.
const SOURCES: &[(&str, u32, u32, &str)] = &[
    ("yuv420p", 64, 96, "tv"),
    ("yuv422p", 64, 96, "tv"),
    ("yuv444p", 64, 96, "tv"),
    ("yuv420p", 64, 96, "pc"),
    ("yuv444p", 64, 96, "pc"),
    ("yuv420p10le", 64, 96, "tv"),
    ("yuv422p10le", 64, 96, "tv"),
    ("gray", 64, 96, "pc"),
    ("gray10le", 64, 96, "pc"),
    ("yuv420p", 67, 71, "tv"),
    ("yuv422p", 67, 71, "tv"),
    ("yuv444p", 67, 71, "tv"),
];

/// A clip without loss, so that what is wrong is ours.
fn stripes(&(format, width, height, range): &(&str, u32, u32, &str)) -> PathBuf {
    clips::made(&format!("stripes-{format}-{width}x{height}-{range}.mkv"), |out| {
        let stripe = |colour: &str| format!("color={colour}:s={width}x{height}:r=5:d=4,format=gbrp");
        let graph = format!(
            "{}[a];{}[b];{}[c];[a][b][c]hstack=inputs=3,scale=out_color_matrix=bt601:out_range={range},format={format}",
            stripe("white"),
            stripe("black"),
            stripe("red")
        );
        // Where the range is not the usual one, a codec that says so by itself.
        let unusual = range == "pc" && !format.starts_with("gray");
        let codec: &[&str] = if unusual { &["libx264", "-qp", "0", "-bf", "0"] } else { &["ffv1"] };
        run(tool("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y", "-filter_complex", &graph, "-color_range", range, "-c:v"])
            .args(codec)
            .args(["-colorspace", "smpte170m", "-f", "matroska"])
            .arg(out))
        .succeeded();
    })
}

#[test]
fn white_is_white_black_is_black_and_red_is_red() {
    let sources = SOURCES.iter().enumerate().map(|(at, source)| format!("s{at}={}", stripes(source).display()));
    let server = Server::start(sources);
    let saved = folder("colours");
    for (at, source) in SOURCES.iter().enumerate() {
        for (suffix, query) in [("own", ""), ("scaled", "?width=96")] {
            let answer = server.get(&format!("/s{at}.jpg{query}"));
            assert_eq!(answer.status, 200, "{source:?}: {}", answer.text());
            std::fs::write(saved.join(format!("{at}-{suffix}.jpg")), &answer.body).unwrap();
        }
    }
    // OpenCV brings a JPEG decoder of its own.
    let script = "import cv2, glob, os, sys\n\
        for name in sorted(glob.glob(sys.argv[1] + '/*.jpg')):\n    \
            i = cv2.imread(name); h, w = i.shape[:2]\n    \
            print(os.path.basename(name), w, h, *[c for x in (1, 3, 5) for c in reversed(i[h // 2, w * x // 6].tolist())])\n";
    let output = run(python().args(["-c", script]).arg(&saved)).succeeded().text();
    let mut wrong = Vec::new();
    for line in output.lines() {
        let (name, rest) = line.split_once(' ').unwrap();
        let found: Vec<i32> = rest.split(' ').map(|number| number.parse().unwrap()).collect();
        let (format, width, height, range) = SOURCES[name.split('-').next().unwrap().parse::<usize>().unwrap()];
        if name.ends_with("own.jpg") {
            assert_eq!((found[0], found[1]), (3 * width.cast_signed(), height.cast_signed()), "{name}");
        }
        // BT.601's luma of red.
        let red = if format.starts_with("gray") { [76, 76, 76] } else { [255, 0, 0] };
        let expected = [[255; 3], [0; 3], red].concat();
        if found[2..].iter().zip(&expected).any(|(found, expected)| (found - expected).abs() > 6) {
            wrong.push(format!("{format} {width}x{height} {range} ({name}): {:?}, not {expected:?}", &found[2..]));
        }
    }
    assert_eq!(output.lines().count(), 2 * SOURCES.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
