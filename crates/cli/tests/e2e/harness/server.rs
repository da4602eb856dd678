//! `headwater serve` in a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Answer, SOON, Stream, eventually, get, tools};

/// A running relay. Killed when dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    log: Arc<Mutex<String>>,
}

/// The program, with an environment that says nothing to it.
pub fn headwater() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    command.stdin(Stdio::null()).env_remove("HEADWATER_LOG").env_remove("HEADWATER_LISTEN").env_remove("http_proxy");
    command
}

impl Server {
    /// Serves what `args` say on a port of the system's choice.
    pub fn start<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> Self {
        let mut command = headwater();
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.args(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        Self::run(command)
    }

    /// Serves what an ffserver.conf with this `text` says, kept in a folder of `name`, on a port
    /// of the system's choice.
    pub fn configured(name: &str, text: &str) -> Self {
        Self::configured_with(name, text, &[])
    }

    /// The file that a server is configured by, to be written anew.
    pub fn configuration(name: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).join("ffserver.conf")
    }

    /// The same, with further arguments.
    pub fn configured_with(name: &str, text: &str, args: &[&str]) -> Self {
        let file = tools::folder(name).join("ffserver.conf");
        std::fs::write(&file, text).unwrap();
        let mut command = headwater();
        command.args(["serve", "--listen", "127.0.0.1:0", "--file"]).arg(&file).args(args);
        Self::run(command)
    }

    /// Serves by `command`, which prints the address on stdout.
    pub fn run(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        follow(child.stdout.take().unwrap(), &log);
        follow(child.stderr.take().unwrap(), &log);
        let began = Instant::now();
        let address = loop {
            let text = log.lock().unwrap().clone();
            // Not the address of a camera in a line of the log, which may come first.
            let line = text.lines().find(|line| line.contains("/  all pictures;") || line.contains("/  by "));
            let announced = line.and_then(|line| line.split("http://").nth(1)?.split('/').next()?.parse().ok());
            if let Some(address) = announced {
                break address;
            }
            let ended = child.try_wait().unwrap();
            if ended.is_some() || began.elapsed() > SOON {
                let _ = child.kill();
                panic!("the server announced no address ({ended:?}): {text}");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let server = Self { child, address, log };
        eventually("/healthz", || (matches!(server.try_get("/healthz")?.status, 200 | 404)).then_some(()));
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The address it serves MMS on, if it was started with `--mms`.
    #[track_caller]
    pub fn mms(&self) -> SocketAddr {
        eventually("the address for MMS", || {
            self.log().split("mms://").nth(1).and_then(|rest| rest.split('/').next()?.parse().ok())
        })
    }

    /// The address it serves RTSP on, if it was started with `--rtsp`.
    #[track_caller]
    pub fn rtsp(&self) -> SocketAddr {
        eventually("the address for RTSP", || {
            let log = self.log();
            let line = log.lines().find_map(|line| line.strip_prefix("By RTSP also rtsp://"))?;
            line.split('/').next()?.parse().ok()
        })
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        get(self.address, path, &[])
    }

    fn try_get(&self, path: &str) -> Option<Answer> {
        super::http::try_get(self.address, path, &[]).ok()
    }

    /// A reader of pictures, whose answer must be 200.
    #[track_caller]
    pub fn stream(&self, path: &str) -> Stream {
        Stream::open(self.address, path)
    }

    /// `/status.json`.
    #[track_caller]
    pub fn status(&self) -> Value {
        serde_json::from_slice(&self.get("/status.json").body).unwrap()
    }

    /// The part of `/status.json` about a source.
    #[track_caller]
    pub fn source(&self, name: &str) -> Value {
        let status = self.status();
        let sources = status["sources"].as_array().unwrap();
        sources.iter().find(|source| source["name"] == name).unwrap_or_else(|| panic!("{name} in {status}")).clone()
    }

    /// Waits until a source satisfies `is`.
    #[track_caller]
    pub fn wait_for(&self, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let source = self.source(name);
            if is(&source) {
                return source;
            }
            assert!(began.elapsed() < SOON, "{name} is never {what}: {source:#}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a source is in `state`.
    #[track_caller]
    pub fn wait_for_state(&self, name: &str, state: &str) -> Value {
        self.wait_for(name, state, |source| source["state"] == state)
    }

    /// What it has said so far, on stdout and stderr.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processor time that it has used, all threads together.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<u64> =
            stat.rsplit_once(')').unwrap().1.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        // proc(5): utime and stime are fields 14 and 15, in hundredths of a second; the
        // first one here is field 3.
        Duration::from_millis((fields[11] + fields[12]) * 10)
    }

    /// Memory it holds, in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ended(&mut self, limit: Duration) -> ExitStatus {
        tools::wait(&mut self.child, limit).unwrap_or_else(|| panic!("still running after {limit:?}\n{}", self.log()))
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- what the server said ----\n{}", self.log());
        }
    }
}

fn follow(from: impl Read + Send + 'static, log: &Arc<Mutex<String>>) {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
}
