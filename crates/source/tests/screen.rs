//! `x11grab:` on a screen of its own.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use feed::Start;
use source::{Decoding, Options, Supervisor, Wanted};
use tokio::time::timeout;

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_screen_is_shown_in_its_size() {
    ffmpeg::init();
    // It tells the number on its standard output once it can be used.
    let mut command = Command::new("Xvfb");
    // A number of our own: an Xvfb that looks for a free one can lose its socket to another that is just ending.
    let wanted = format!(":{}", 100 + std::process::id() % 5_000 * 10);
    command.args([&wanted, "-displayfd", "1", "-screen", "0", "320x240x24", "-nolisten", "tcp", "-noreset"]);
    let mut screen = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("apt install xvfb");
    let mut number = String::new();
    BufReader::new(screen.stdout.take().unwrap()).read_line(&mut number).unwrap();
    let source = Supervisor::new("desk", &format!("x11grab::{}", number.trim()), Options::default()).unwrap();
    let mut cursor = source.feed().cursor(Start::Oldest);
    let mut decoding = Decoding::new();
    for _ in 0..3 {
        let entry = timeout(PATIENCE, cursor.next()).await.expect("a picture in time").unwrap();
        decoding.adopt(&entry).unwrap();
        let pictures = decoding.decode(&entry.packet, Wanted::Picture);
        assert!(pictures.iter().all(|picture| picture.frame.size() == media::Size::new(320, 240)));
        assert!(!pictures.is_empty());
    }
    assert_eq!(source.status().borrow().about.protocol, "x11grab");
    drop((source, cursor));
    screen.kill().unwrap();
    screen.wait().unwrap();
}
