//! Reads a source to its end and converts every frame, as a program would: how fast is it?
//!
//! ```sh
//! cargo run --release -p capture --example count -- clip.mp4 [THREADS [MS]]
//! ```
//!
//! `MS` is how long the program works on each frame besides.

use std::time::{Duration, Instant};

use capture::{Capture, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let url = arguments.first().ok_or("which clip? count CLIP [THREADS [MS]]")?;
    let mut options = Options::new();
    options.threads = arguments.get(1).map(|threads| threads.parse()).transpose()?.filter(|threads| *threads > 0);
    let work = Duration::from_millis(arguments.get(2).map_or(Ok(0), |ms| ms.parse())?);
    let began = Instant::now();
    let capture = Capture::open(url, options)?;
    let first = began.elapsed();
    let (mut frames, mut pixels) = (0_u32, Vec::new());
    for frame in capture.frames() {
        let frame = frame?;
        pixels.resize(frame.bytes(capture::Format::Bgr24), 0);
        frame.bgr_into(&mut pixels)?;
        frames += 1;
        let until = Instant::now() + work;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
    }
    let took = began.elapsed();
    let rate = f64::from(frames) / took.as_secs_f64();
    println!("{frames} frames in {:.2} s: {rate:.0} a second; first after {first:.0?}", took.as_secs_f64());
    Ok(())
}
