//! The newest picture of a source in a window: `cargo run --example view -- rtsp://10.0.0.5/stream`
//!
//! `q` closes it. `headwater view` is the same with a line that says what is wrong when there is
//! nothing to see, snapshots and full screen.

use capture::{Capture, Format, Options, State};
use view::{Info, Pictures, Shown};

struct Screen(Capture);

impl Pictures for Screen {
    fn newest(&mut self) -> Option<Shown> {
        let frame = self.0.latest(None)?;
        let picture = frame.picture().ok()?.try_clone().ok()?;
        Some(Shown { frame: picture, received: frame.received(), captured: frame.captured() })
    }

    fn status(&mut self) -> Info {
        let live = if self.0.state() == State::Ended { view::State::Ended } else { view::State::Live };
        Info { state: live, size: self.0.info().size, fps: self.0.stats().fps, ..Info::default() }
    }

    fn snapshot_jpeg(&mut self) -> Option<Vec<u8>> {
        None
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("which source? view URL")?;
    let waker = std::sync::Arc::new(std::sync::OnceLock::<view::Waker>::new());
    let window = waker.clone();
    // As if live, also from a file; the window draws when there is something new.
    let options = Options::default().real_time(true).format(Format::Yuv420p);
    let capture = Capture::open_in_background(&url, options, move || _ = window.get().map(view::Waker::wake))?;
    view::run(view::Options { name: "view".into(), ..Default::default() }, move |given| {
        let _ = waker.set(given);
        Box::new(Screen(capture))
    })?;
    Ok(())
}
