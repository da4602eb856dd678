//! Every frame of every codec arrives once and in order.

use std::path::{Path, PathBuf};
use std::thread;

use crate::harness::clips::{CODECS, Clip, FPS, FRAMES, H264, sample};
use crate::harness::tools::{Output, python, root};
use crate::harness::{Server, number, run, tool};

/// The samples whose frames carry numbers, with their frame rates.
const NUMBERED_SAMPLES: &[&str] = &[
    "numbered-wmv1-320x240.wmv",
    "numbered-wmv2-352x288.wmv",
    "numbered-wmv2-640x480-broadcast.asf",
    "numbered-mpeg4-320x240.asf",
    "numbered-msmpeg4v2-160x120.asf",
    "numbered-msmpeg4v3-176x144.asf",
    "numbered-mbr-2video.wmv",
];

fn serve_once(clips: &[Clip]) -> Server {
    let sources = clips.iter().map(|clip| format!("{}={}", name(clip), clip.path().display()));
    Server::start(["--once".to_owned()].into_iter().chain(sources))
}

fn name(clip: &Clip) -> String {
    clip.file.replace('.', "-")
}

#[test]
fn every_frame_of_every_codec_arrives_once_and_in_order() {
    let server = serve_once(CODECS);
    thread::scope(|scope| {
        let readers = CODECS.iter().map(|clip| {
            let server = &server;
            let read = move || {
                let mut stream = server.stream(&format!("/{}.mjpeg", name(clip)));
                std::iter::from_fn(|| stream.part()).map(|part| number(&part.data)).collect::<Vec<_>>()
            };
            (clip, scope.spawn(read))
        });
        let expected: Vec<_> = (0..FRAMES).map(Some).collect();
        for (clip, reader) in readers.collect::<Vec<_>>() {
            assert_eq!(reader.join().unwrap(), expected, "{}", clip.file);
        }
    });
}

#[test]
fn a_looped_file_goes_on_after_its_last_frame_with_its_first() {
    let server = Server::start([format!("clip={}", H264.path().display())]);
    let mut stream = server.stream("/clip.mjpeg");
    let numbers: Vec<_> =
        stream.parts(usize::from(FRAMES) + 12).iter().map(|part| number(&part.data).unwrap()).collect();
    let expected: Vec<_> = (0..FRAMES).cycle().skip(numbers[0].into()).take(numbers.len()).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn the_real_samples_arrive_in_order_and_what_a_busy_machine_leaves_out_is_counted() {
    let Some(folder) = sample("README.md").map(|readme| readme.parent().unwrap().to_owned()) else { return };
    let sources =
        NUMBERED_SAMPLES.iter().enumerate().map(|(at, file)| format!("s{at}={}", folder.join(file).display()));
    let server = Server::start(sources);
    thread::scope(|scope| {
        for (at, file) in NUMBERED_SAMPLES.iter().enumerate() {
            let server = &server;
            scope.spawn(move || {
                let name = format!("s{at}");
                let mut stream = server.stream(&format!("/{name}.mjpeg"));
                let numbers: Vec<_> = stream.parts(40).iter().map(|part| number(&part.data).unwrap()).collect();
                let counted = dropped(server, &name);
                assert!(numbers.is_sorted_by(|a, b| a < b), "{file}: {numbers:?}");
                let missing = u64::from(numbers[39] - numbers[0]) - 39;
                assert!(missing <= counted, "{file}: {missing} are missing, {counted} counted: {numbers:?}");
                assert!(missing <= 10, "{file}: {missing} are missing: {numbers:?}");
            });
        }
    });
}

/// Pictures of a source that were left out, as its status counts them.
fn dropped(server: &Server, name: &str) -> u64 {
    let status = server.status();
    let made = status["sources"].as_array().unwrap().iter().filter(|source| source["name"] == name);
    let made = made.flat_map(|source| source["variants"].as_array().unwrap());
    let sent = status["clients"].as_array().unwrap().iter().filter(|client| client["source"] == name);
    made.chain(sent).map(|counted| counted["dropped"].as_u64().unwrap()).sum()
}

#[test]
fn a_windows_media_9_screen_recording_is_shown() {
    let Some(path) = sample("tika-testWMV.wmv") else { return };
    let server = Server::start(["--once".to_owned(), format!("screen={}", path.display())]);
    let mut stream = server.stream("/screen.mjpeg");
    let sizes: Vec<_> = std::iter::from_fn(|| stream.part()).map(|part| crate::harness::size(&part.data)).collect();
    // What ffmpeg's own decoder makes of it.
    let expected = count_of_frames(&path);
    assert_eq!(sizes, vec![(640_u32, 480_u32); expected]);
}

fn count_of_frames(input: impl AsRef<std::ffi::OsStr>) -> usize {
    let counted = run(tool("ffprobe")
        .args([
            "-v",
            "error",
            "-select_streams",
            "v:0",
            "-count_frames",
            "-show_entries",
            "stream=nb_read_frames",
            "-of",
            "csv=p=0",
        ])
        .arg(input));
    counted.succeeded().text().trim().trim_end_matches(',').parse().unwrap()
}

#[test]
fn ffprobe_counts_every_frame_of_the_stream() {
    let server = serve_once(&[H264]);
    assert_eq!(count_of_frames(server.url(&format!("/{}.mjpeg", name(&H264)))), usize::from(FRAMES));
}

#[test]
fn ffmpeg_reads_every_frame_of_the_stream() {
    let server = serve_once(&[H264]);
    let url = server.url(&format!("/{}.mjpeg", name(&H264)));
    let read = run(tool("ffmpeg").args([
        "-nostdin",
        "-v",
        "error",
        "-i",
        &url,
        "-fps_mode",
        "passthrough",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "gray",
        "-",
    ]));
    let frames = read.succeeded().out;
    let numbers: Vec<_> =
        frames.chunks_exact(320 * 240).map(|luma| formats::osd::read_number(luma, 320, 320, 240)).collect();
    assert_eq!(numbers, (0..FRAMES).map(Some).collect::<Vec<_>>());
}

/// What a Python example saved.
fn saved(output: Output, folder: &Path) -> Vec<u16> {
    output.succeeded();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| number(&std::fs::read(file).unwrap()).unwrap()).collect()
}

#[test]
fn opencv_reads_every_frame_of_the_stream() {
    let server = serve_once(&[H264]);
    let folder = crate::harness::tools::folder("opencv-reads");
    let example = root().join("examples/opencv_capture.py");
    let url = server.url(&format!("/{}.mjpeg", name(&H264)));
    let output = run(python().arg(example).arg(url).arg("--save").arg(folder.join("%04d.jpg")));
    let numbers = saved(output, &folder);
    // OpenCV's reader, which does not know a Content-Length, looks for the next picture's
    // header before it gives a picture.
    assert_eq!(numbers, (0..FRAMES).collect::<Vec<_>>());
}

#[test]
fn the_classic_loop_reads_every_frame_of_the_stream() {
    let server = serve_once(&[H264]);
    let folder = crate::harness::tools::folder("classic-loop-reads");
    let example = root().join("examples/classic_loop.py");
    let url = server.url(&format!("/{}.mjpeg", name(&H264)));
    let count = FRAMES.to_string();
    let output =
        run(python().arg(example).args([&url, "--every", "--frames", &count, "--save"]).arg(folder.join("%04d.jpg")));
    assert_eq!(saved(output, &folder), (0..FRAMES).collect::<Vec<_>>());
}

#[test]
fn the_rate_is_that_of_the_clip() {
    let server = Server::start([format!("clip={}", H264.path().display())]);
    let mut stream = server.stream("/clip.mjpeg");
    stream.parts(2);
    let began = std::time::Instant::now();
    stream.parts(30);
    let fps = 30.0 / began.elapsed().as_secs_f64();
    assert!((f64::from(FPS) * 0.9..f64::from(FPS) * 1.1).contains(&fps), "{fps} pictures a second");
}
