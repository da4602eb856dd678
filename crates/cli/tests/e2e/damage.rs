//! Truncated and corrupted files: the program goes on, and so do the other feeds.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::harness::clips::{self, CODECS};
use crate::harness::tools::folder;
use crate::harness::{Server, number};

/// xorshift64*, with a seed that does not change.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
    }
}

fn originals() -> Vec<PathBuf> {
    const SAMPLES: &[&str] = &[
        "exiftool-ASF.wmv",
        "mediafile-unparseable.wma",
        "mm-CWE-835.wma",
        "mm-max-numberOfObjectHeaders.wma",
        "puremagic-test.wmv",
        "tika-testASF.asf",
        "tika-testWMV.wmv",
        "variant-drm1.wmv",
        "tinytag-test2.wma",
    ];
    let made = CODECS.iter().map(clips::Clip::path);
    made.chain(SAMPLES.iter().filter_map(|name| clips::sample(name))).collect()
}

/// Each file as it is, cut short, with its head damaged, and with bytes wrong all over.
fn damaged() -> Vec<PathBuf> {
    let folder = folder("damaged");
    let mut dice = Dice(0x6865_6164_7761_7465);
    let mut files = Vec::new();
    for original in originals() {
        let bytes = std::fs::read(&original).unwrap();
        let name = original.file_name().unwrap().to_string_lossy().into_owned();
        let mut save = |how: &str, bytes: &[u8]| {
            let path = folder.join(format!("{how}-{name}"));
            std::fs::write(&path, bytes).unwrap();
            files.push(path);
        };
        save("cut", &bytes[..bytes.len() * 2 / 3]);
        let mut head = bytes.clone();
        for _ in 0..8 {
            head[dice.roll(bytes.len().min(2000))] = dice.roll(256) as u8;
        }
        save("head", &head);
        let mut body = bytes.clone();
        for _ in 0..bytes.len() / 500 {
            let at = 2000.min(bytes.len() / 2);
            body[at + dice.roll(bytes.len() - at)] ^= 1 << dice.roll(8);
        }
        save("body", &body);
    }
    files
}

#[test]
fn damaged_files_harm_nobody_else() {
    let files = damaged();
    let good = format!("good={}", clips::MJPEG.path().display());
    let sources = files.iter().enumerate().map(|(at, path)| format!("d{at}={}", path.display()));
    let args = ["--timeout", "5s", "--gap-timeout", "5s", "--linger", "100ms"].map(str::to_owned);
    let mut server = Server::start(args.into_iter().chain([good]).chain(sources));
    let done = std::sync::atomic::AtomicBool::new(false);
    let outcomes = thread::scope(|scope| {
        let viewer = scope.spawn(|| {
            let mut stream = server.stream("/good.mjpeg");
            let mut numbers = Vec::new();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                numbers.push(number(&stream.part().unwrap().data).expect("a whole picture"));
            }
            numbers
        });
        let mut outcomes = Vec::new();
        for (chunk, group) in files.chunks(6).enumerate() {
            let answers: Vec<_> = (0..group.len())
                .map(|at| {
                    let path = format!("/d{}.jpg?timeout=4s&width=64", chunk * 6 + at);
                    let server = &server;
                    scope.spawn(move || server.get(&path))
                })
                .collect();
            for (answer, path) in answers.into_iter().zip(group) {
                let answer = answer.join().unwrap();
                assert!(matches!(answer.status, 200 | 502..=504), "{}: {}", path.display(), answer.text());
                assert!(
                    answer.status == 200 || answer.text().lines().count() == 1,
                    "{}: {}",
                    path.display(),
                    answer.text()
                );
                outcomes.push(answer.status);
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        let numbers = viewer.join().unwrap();
        let expected: Vec<_> = (0..clips::FRAMES).cycle().skip(numbers[0].into()).take(numbers.len()).collect();
        assert_eq!(numbers, expected, "the good feed noticed");
        outcomes
    });
    let shown = outcomes.iter().filter(|status| **status == 200).count();
    println!("{shown} of {} damaged files show something", outcomes.len());
    assert!(shown > outcomes.len() / 4, "{outcomes:?}");
    thread::sleep(Duration::from_millis(300));
    assert!(server.is_running(), "{}", server.log());
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
