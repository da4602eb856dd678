//! `x11grab:` on a screen of its own.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../view/tests/common/xvfb.rs"]
mod xvfb;

use std::time::Duration;

use feed::Start;
use source::{Decoding, Options, Supervisor, Wanted};
use tokio::time::timeout;
use xvfb::Xvfb;

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_screen_is_shown_in_its_size() {
    ffmpeg::init();
    let screen = Xvfb::start("320x240");
    let source = Supervisor::new("desk", &format!("x11grab:{}", screen.display), Options::default()).unwrap();
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
}
