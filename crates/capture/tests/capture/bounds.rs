//! What captures leave behind: nothing.

use capture::{Capture, Options};

use crate::camera::{Camera, Manner};
use crate::{clips, eventually};

/// Threads and descriptors of this process.
fn held() -> (usize, usize) {
    let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

/// In a process of its own: other tests have threads too.
#[test]
fn hundreds_of_captures_leave_no_thread_and_no_descriptor() {
    if std::env::var_os("HEADWATER_CAPTURE_ALONE").is_none() {
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        alone.env("HEADWATER_CAPTURE_ALONE", "1");
        alone.args(["--exact", "bounds::hundreds_of_captures_leave_no_thread_and_no_descriptor"]);
        crate::tools::run(&mut alone).succeeded();
        return;
    }
    let camera = Camera::start(Manner::Pictures { fps: 100 });
    let file = clips::H264.path();
    let round = || {
        let live = Capture::open(&camera.url(), Options::new()).unwrap();
        live.read().unwrap();
        live.close();
        let recording = Capture::open(file.to_str().unwrap(), Options::new()).unwrap();
        recording.read().unwrap();
        assert!(Capture::open("http://127.0.0.1:1/", Options::new()).is_err());
    };
    let settled = || eventually("the camera is left", || (camera.open() == 0).then_some(()));
    for _ in 0..5 {
        round();
    }
    settled();
    let before = eventually("threads are gone", || {
        let first = held();
        std::thread::sleep(std::time::Duration::from_millis(200));
        (held() == first).then_some(first)
    });
    for _ in 0..200 {
        round();
    }
    settled();
    // The camera of the test keeps a descriptor of each connection that it had.
    let connections = camera.connections();
    eventually("nothing is left", || {
        let (threads, descriptors) = held();
        (threads <= before.0 && descriptors <= before.1 + connections).then_some(())
    });
}
