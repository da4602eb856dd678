//! Programs that are not ours.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Which package has a program, for the message when it is missing.
const PACKAGES: &[(&str, &str)] = &[
    ("cc", "apt-get install gcc"),
    ("ffmpeg", "apt-get install ffmpeg"),
    ("ffprobe", "apt-get install ffmpeg"),
    ("curl", "apt-get install curl"),
    ("openssl", "apt-get install openssl"),
    ("Xvfb", "apt-get install xvfb"),
    ("xdotool", "apt-get install xdotool"),
    ("import", "apt-get install imagemagick"),
    ("convert", "apt-get install imagemagick"),
    ("chromium", "apt-get install chromium"),
    ("vlc", "apt-get install vlc-bin vlc-plugin-base"),
    ("setpriv", "apt-get install util-linux"),
    ("node", "apt-get install nodejs"),
    ("gst-launch-1.0", "apt-get install gstreamer1.0-tools gstreamer1.0-plugins-good gstreamer1.0-libav"),
];

/// A command for the program `name`, which must be there.
#[track_caller]
pub fn tool(name: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    let package = PACKAGES.iter().find(|(program, _)| *program == name).map_or("", |(_, package)| package);
    assert!(there, "this test needs {name}: {package}, or scripts/install-missing test");
    let mut command = Command::new(name);
    command.stdin(Stdio::null());
    command
}

/// Python with OpenCV and numpy, in the project's `.venv`.
#[track_caller]
pub fn python() -> Command {
    let program = root().join(".venv/bin/python");
    let has = "pip install opencv-python-headless numpy into .venv, or scripts/install-missing test";
    assert!(program.is_file(), "this test needs {}: {has}", program.display());
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

/// The folder with `node_modules`.
#[track_caller]
pub fn node_modules() -> PathBuf {
    let folder = root().join("target/test-tools/node_modules");
    let has = "npm install playwright-core, or scripts/install-missing test";
    assert!(folder.join("playwright-core").is_dir(), "this test needs playwright-core in {}: {has}", folder.display());
    folder
}

/// The project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).unwrap()
}

/// A new empty folder under the target folder, for the test that calls it `name`.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// What a program said.
#[derive(Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub out: Vec<u8>,
    pub err: String,
}

impl Output {
    /// Its standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Itself, if the program succeeded.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert!(self.status.success(), "{}\n{}\n{}", self.status, self.text(), self.err);
        self
    }
}

/// Runs `command` to its end, for a minute at most.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let out = collect(child.stdout.take().unwrap());
    let err = collect(child.stderr.take().unwrap());
    let status = wait(&mut child, Duration::from_secs(60));
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let (out, err) = (out.join().unwrap(), String::from_utf8_lossy(&err.join().unwrap()).into_owned());
    let Some(status) = status else {
        panic!("{command:?} did not end\n{}\n{err}", String::from_utf8_lossy(&out));
    };
    Output { status, out, err }
}

/// Its exit status, if it ends within `limit`.
pub fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let began = Instant::now();
    while began.elapsed() < limit {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

fn collect(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = from.read_to_end(&mut all);
        all
    })
}
