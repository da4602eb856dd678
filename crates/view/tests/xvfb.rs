//! The window on a real X server: what it shows, what its keys do, how it ends.

// Clippy allows it in tests, but does not see that these helpers are a test's.
#![allow(clippy::unwrap_used)]

#[path = "common/xvfb.rs"]
mod xvfb;

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use xvfb::Xvfb;

const BLACK: [u8; 3] = [0, 0, 0];
const RED: [u8; 3] = [200, 0, 0];
const BLUE: [u8; 3] = [0, 0, 200];
/// What [`RED`] becomes under words.
const DARK_RED: [u8; 3] = [50, 0, 0];

#[test]
fn the_picture_keeps_its_shape_and_keys_do_what_they_say() {
    let desktop = Desktop::start();
    let dir = tempfile::tempdir().unwrap();
    let mut window = desktop.open(&["--name", "cam2", "--dir", dir.path().to_str().unwrap()]);

    wait("the picture", || {
        let screen = desktop.screenshot();
        screen.at(10, 10) == RED && screen.at(630, 470) == BLUE && screen.at(700, 10) == BLACK
    });
    wait("the title", || desktop.title(&window) == "cam2 – live 25 fps");

    desktop.key(&window, "i");
    wait("the facts", || {
        let screen = desktop.screenshot();
        screen.at(9, 9) == DARK_RED && screen.at(2, 2) == RED && screen.white(8..300, 8..120) > 500
    });
    desktop.key(&window, "i");
    wait("the facts to go", || desktop.screenshot().at(9, 9) == RED);

    desktop.key(&window, "s");
    wait("the file's name", || desktop.screenshot().at(5, 475) == DARK_RED);
    let files: Vec<_> = dir.path().read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    let name = files[0].file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("cam2-20") && name.ends_with(".jpg") && name.len() == "cam2-20261122-150405.jpg".len());
    assert_eq!(std::fs::read(&files[0]).unwrap()[..3], [0xff, 0xd8, 0xff]);
    wait("the file's name to go", || desktop.screenshot().at(5, 475) == RED);

    desktop.resize(&window, 900, 480);
    wait("bars at the sides", || {
        let screen = desktop.screenshot();
        let bars = screen.at(125, 240) == BLACK && screen.at(774, 240) == BLACK;
        bars && screen.at(135, 10) == RED && screen.at(765, 470) == BLUE
    });
    desktop.resize(&window, 320, 640);
    wait("bars above and below", || {
        let screen = desktop.screenshot();
        let bars = screen.at(160, 195) == BLACK && screen.at(160, 445) == BLACK;
        bars && screen.at(5, 205) == RED && screen.at(315, 435) == BLUE
    });

    desktop.key(&window, "q");
    assert_eq!(window.wait(), (Some(0), "User\n".into(), String::new()));
}

#[test]
fn without_signal_the_last_picture_stays_and_nothing_is_computed() {
    let desktop = Desktop::start();
    let mut window = desktop.open(&["--thread", "--frames", "3"]);
    wait("the banner", || {
        let screen = desktop.screenshot();
        screen.at(5, 475) == DARK_RED && screen.at(5, 5) == RED && screen.white(0..640, 440..480) > 500
    });
    let title = desktop.title(&window);
    assert!(title.starts_with("pattern – no signal since "), "{title}");
    assert!(title.ends_with(": the example has no more pictures"), "{title}");

    let before = window.cpu_ticks();
    thread::sleep(Duration::from_millis(500));
    assert!(window.cpu_ticks() <= before + 1, "an idle window computes");

    desktop.key(&window, "Escape");
    assert_eq!(window.wait(), (Some(0), "User\n".into(), String::new()));
}

#[test]
fn a_program_can_close_its_window_and_open_another() {
    let desktop = Desktop::start();
    let mut window = desktop.open(&["--twice", "--quit-after", "300"]);
    assert_eq!(window.wait(), (Some(0), "Told\n".into(), String::new()));
}

#[test]
fn dense_screens_get_larger_words_and_windows() {
    let desktop = Desktop::start();
    let mut command = desktop.command(&["--overlay", "--quit-after", "2000"]);
    let mut window = Running::start(command.env("WINIT_X11_SCALE_FACTOR", "1.25"));
    wait("a window of 800x600 pixels", || desktop.screenshot().at(795, 595) == BLUE);
    wait("larger words", || desktop.screenshot().at(13, 13) == DARK_RED);
    assert_eq!(desktop.screenshot().at(11, 11), RED);
    assert_eq!(window.wait().0, Some(0));
}

#[test]
fn without_a_display_a_sentence_says_so() {
    let mut command = example();
    let (code, _, error) = Running::start(command.env_remove("DISPLAY")).wait();
    assert_ne!(code, Some(0));
    assert!(error.contains("no display: neither WAYLAND_DISPLAY nor DISPLAY is set"), "{error}");
    let mut command = example();
    let (code, _, error) = Running::start(command.env("DISPLAY", ":65000")).wait();
    assert_ne!(code, Some(0));
    assert!(error.contains("no display: DISPLAY=:65000 cannot be opened"), "{error}");
    assert!(!error.contains("panicked"), "{error}");
}

/// An X server of our own.
struct Desktop(Xvfb);

impl Desktop {
    fn start() -> Self {
        Self(Xvfb::start("1000x700"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = example();
        command.args(arguments).env("DISPLAY", &self.0.display).env("WINIT_X11_SCALE_FACTOR", "1");
        command
    }

    fn open(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.command(arguments))
    }

    fn screenshot(&self) -> Screen {
        let ppm = output(
            Command::new("import").args(["-display", &self.0.display, "-window", "root", "-depth", "8", "ppm:-"]),
            "imagemagick",
        );
        Screen::of_ppm(&ppm)
    }

    fn xdotool(&self, arguments: &[&str]) -> String {
        let said = output(Command::new("xdotool").args(arguments).env("DISPLAY", &self.0.display), "xdotool");
        String::from_utf8(said).unwrap().trim().to_owned()
    }

    /// Presses a key in the window; there is no window manager to give it the focus.
    fn key(&self, window: &Running, key: &str) {
        self.xdotool(&["windowfocus", "--sync", &self.id(window), "key", key]);
    }

    fn id(&self, window: &Running) -> String {
        let pid = window.child.id().to_string();
        self.xdotool(&["search", "--onlyvisible", "--pid", &pid]).lines().last().unwrap_or_default().to_owned()
    }

    fn title(&self, window: &Running) -> String {
        self.xdotool(&["getwindowname", &self.id(window)])
    }

    fn resize(&self, window: &Running, width: u32, height: u32) {
        self.xdotool(&["windowsize", &self.id(window), &width.to_string(), &height.to_string()]);
    }
}

/// The example, running.
struct Running {
    child: Child,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        Self { child: command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap() }
    }

    /// Exit code, standard output and standard error.
    fn wait(&mut self) -> (Option<i32>, String, String) {
        wait("the window to close", || self.child.try_wait().unwrap().is_some());
        let (mut said, mut error) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        (self.child.wait().unwrap().code(), said, error)
    }

    /// Processor time so far, in hundredths of a second (proc(5), stat).
    fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let after_name = stat.rsplit(')').next().unwrap();
        after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A picture of the screen.
struct Screen {
    width: usize,
    rgb: Vec<u8>,
}

impl Screen {
    fn of_ppm(ppm: &[u8]) -> Self {
        let header: Vec<&[u8]> = ppm.splitn(4, |byte| byte.is_ascii_whitespace()).collect();
        let width = std::str::from_utf8(header[1]).unwrap().parse().unwrap();
        let pixels = header[3].iter().position(|byte| *byte == b'\n').unwrap() + 1;
        Self { width, rgb: header[3][pixels..].to_vec() }
    }

    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        self.rgb[at..at + 3].try_into().unwrap()
    }

    fn white(&self, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>) -> usize {
        rows.flat_map(|y| columns.clone().map(move |x| (x, y))).filter(|(x, y)| self.at(*x, *y) == [255; 3]).count()
    }
}

/// The example's program, which cargo puts beside the tests' directory.
fn example() -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples/pattern");
    assert!(path.exists(), "{} is missing: build it with `cargo build -p view --examples`", path.display());
    let mut command = Command::new(path);
    command.env_remove("WAYLAND_DISPLAY").env_remove("WAYLAND_SOCKET");
    command
}

fn spawn(command: &mut Command, package: &str) -> Child {
    match command.spawn() {
        Ok(child) => child,
        Err(error) => panic!("cannot run {:?} ({error}): apt-get install {package}", command.get_program()),
    }
}

fn output(command: &mut Command, package: &str) -> Vec<u8> {
    spawn(command.stdout(Stdio::piped()).stderr(Stdio::null()), package).wait_with_output().unwrap().stdout
}

fn wait(what: &str, mut until: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(8);
    while !until() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
