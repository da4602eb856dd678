//! What the steps from video to JPEG cost: `cargo run --release -p ffmpeg --example measure`.

use std::process::Command;
use std::time::Instant;

use ffmpeg::{ColorSpace, Decoder, DecoderOptions, Frame, Input, InputOptions, Read, Scaler, jpeg};
use media::Size;

/// The best of many runs, which other programs on the machine disturbed the least.
fn best(name: &str, mut body: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..60 {
        let start = Instant::now();
        body();
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    println!("{name:<56}{best:8.3} ms");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    ffmpeg::init();
    println!("{}", ffmpeg::version());
    let clip = std::env::temp_dir().join("headwater-measure.mkv");
    let status = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-y", "-f", "lavfi", "-i", "mandelbrot=size=1920x1080:rate=1:start_scale=0.02"])
        .args(["-frames:v", "2", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-crf", "18"])
        .arg(&clip)
        .status()?;
    assert!(status.success(), "the ffmpeg program made no clip");
    let mut input = Input::open(&clip.to_string_lossy(), &InputOptions::default(), || false)?;
    let mut decoder = Decoder::new(&input.tracks()[0], &DecoderOptions::default())?;
    let mut unit_bytes = 0;
    while let Read::Unit(unit) = input.read()? {
        unit_bytes = unit_bytes.max(unit.data.len());
        decoder.send(&unit.data, unit.pts.unwrap_or_default(), unit.key)?;
    }
    decoder.drain()?;
    let mut frame = decoder.receive()?.ok_or("no picture")?;
    let size = frame.size();
    let (mut scaler, mut encoder, mut turbo) = (Scaler::new(), jpeg::Encoder::new(), jpeg::Decoder::new());

    let mut planes_of = |frame: &Frame, size| scaler.to_jpeg_planes(frame, size).expect("planes");
    for (name, full, space) in [
        ("1080p range expansion", false, ColorSpace::Bt601),
        ("1080p range expansion and BT.709 to BT.601", false, ColorSpace::Bt709),
        ("1080p BT.709 to BT.601", true, ColorSpace::Bt709),
    ] {
        frame.set_color(full, space);
        best(name, || drop(planes_of(&frame, size)));
    }
    for (width, height) in [(1280, 720), (640, 360), (160, 90)] {
        frame.set_color(false, ColorSpace::Bt601);
        best(&format!("1080p to {width}x{height}"), || drop(planes_of(&frame, Size::new(width, height))));
        frame.set_color(false, ColorSpace::Bt709);
        best(&format!("1080p to {width}x{height} from BT.709"), || drop(planes_of(&frame, Size::new(width, height))));
    }
    frame.set_color(false, ColorSpace::Bt601);
    for format in ["nv12", "yuyv422", "bgr24", "yuv420p10le"] {
        let other = Scaler::new().to(&frame, size, format)?;
        best(&format!("1080p {format} to planes"), || drop(planes_of(&other, size)));
    }
    let planes = planes_of(&frame, size);
    for quality in [75, 80, 90] {
        let bytes = encoder.encode(&planes, quality)?.len();
        best(&format!("1080p encode, quality {quality} ({bytes} bytes)"), || drop(encoder.encode(&planes, quality)));
    }
    let bytes = encoder.encode(&planes, 80)?;
    best("1080p decode to planes", || drop(turbo.decode(&bytes, None)));
    best("1080p decode to planes, half size", || drop(turbo.decode(&bytes, Some(Size::new(960, 540)))));
    best("1080p decode to planes, an eighth", || drop(turbo.decode(&bytes, Some(Size::new(240, 135)))));
    let mut out = vec![0; 1920 * 1080 * 4];
    let mut scaler = Scaler::new();
    best("1080p to bgr24 in a slice", || scaler.into_slice(&frame, size, "bgr24", &mut out, 1920 * 3).expect("bgr24"));
    best("1080p to bgra in a slice", || scaler.into_slice(&frame, size, "bgra", &mut out, 1920 * 4).expect("bgra"));
    let data = vec![1_u8; 40_000];
    let mut copy = Vec::with_capacity(data.len());
    best("copy of a 40 kB access unit", || {
        copy.clear();
        copy.extend_from_slice(std::hint::black_box(&data));
    });
    println!("largest access unit {unit_bytes} bytes");
    std::fs::remove_file(clip)?;
    Ok(())
}
