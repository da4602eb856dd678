//! An X server of a test's own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Ends with its handle.
pub struct Xvfb {
    server: Child,
    /// What to set `DISPLAY` to.
    pub display: String,
}

impl Xvfb {
    /// With a screen of this size, as in `800x600`.
    pub fn start(size: &str) -> Self {
        // A number of our own: an Xvfb that looks for a free one can lose its socket to another that is just ending.
        static SCREENS: AtomicU32 = AtomicU32::new(0);
        let wanted = 100 + std::process::id() % 5_000 * 10 + SCREENS.fetch_add(1, Ordering::Relaxed);
        let mut command = Command::new("Xvfb");
        // It tells the number on its standard output once it can be used.
        command.args([&format!(":{wanted}"), "-displayfd", "1", "-nolisten", "tcp", "-noreset"]);
        command.args(["-screen", "0", &format!("{size}x24")]);
        let mut server = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run Xvfb ({error}): apt-get install xvfb"));
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        assert!(!number.trim().is_empty(), "Xvfb does not start");
        Self { server, display: format!(":{}", number.trim()) }
    }
}

impl Drop for Xvfb {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
