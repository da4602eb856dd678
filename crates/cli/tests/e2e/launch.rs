//! Programs of `Launch` lines: run, run again, told of, ended.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::clips::MJPEG;
use crate::harness::tools::folder;
use crate::harness::{Server, eventually, number, tool};

const STATUS: &str = "<Stream stat.html>\nFormat status\n</Stream>\n";
const STREAM: &str = "<Stream cam2.mjpeg>\nFeed cam2.ffm\nFormat mpjpeg\n</Stream>\n";
/// Longer than a program has to end.
const END: Duration = Duration::from_secs(8);

fn feed(launch: &str) -> String {
    format!("HTTPPort 8090\n<Feed cam2.ffm>\nLaunch {launch}\n</Feed>\n")
}

/// A script for sh, which is given what a feeder is given.
fn script(name: &str, text: &str) -> PathBuf {
    let path = folder(&format!("{name}-script")).join("feeder.sh");
    std::fs::write(&path, text).unwrap();
    path
}

fn report(server: &Server) -> serde_json::Value {
    let report: serde_json::Value = serde_json::from_slice(&server.get("/stat.html?format=json").body).unwrap();
    report["feeds"][0].clone()
}

#[track_caller]
fn pid(server: &Server) -> u64 {
    eventually("a program", || report(server)["pid"].as_u64())
}

/// Whether there is such a process, a zombie or not.
fn is_there(pid: u64) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// Whether it runs: who has inherited it may not have noticed yet that it has ended.
fn runs(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn ffmpeg_is_run_and_feeds_and_is_gone_when_the_server_is() {
    tool("ffmpeg");
    let clip = MJPEG.path();
    let ffmpeg = format!("ffmpeg -v error -re -stream_loop -1 -i {} -c copy -f nut", clip.display());
    let mut server = Server::configured("launch-ffmpeg", &[&feed(&ffmpeg), STREAM, STATUS].concat());
    let mut stream = server.stream("/cam2.mjpeg");
    let numbers: Vec<_> = (0..20).map(|_| number(&stream.part().unwrap().data).unwrap()).collect();
    // The clip begins anew at its end.
    let steps = numbers.windows(2).filter(|pair| pair[1] > pair[0]).count();
    assert!(steps >= numbers.len() - 2, "{numbers:?}");
    let pid = pid(&server);
    assert!(is_there(pid));
    let page = server.get("/stat.html").text();
    assert!(page.contains(&format!("Running as pid {pid}.")), "{page}");
    assert_eq!(report(&server)["restarts"], 0);
    // All of it is waited for before the server goes.
    server.signal(Signal::TERM);
    assert_eq!(server.ended(END).code(), Some(0));
    assert!(!is_there(pid));
}

#[test]
fn a_source_of_lavfi_may_be_launched() {
    tool("ffmpeg");
    let ffmpeg = "ffmpeg -v error -re -f lavfi -i testsrc2=size=320x240:rate=10 -c:v mpeg2video -f mpegts";
    let server = Server::configured("launch-lavfi", &[&feed(ffmpeg), STREAM].concat());
    let mut stream = server.stream("/cam2.mjpeg");
    assert_eq!(stream.parts(3).len(), 3);
}

#[test]
fn a_program_that_ends_at_once_is_run_again_with_growing_pauses() {
    let starts = folder("launch-short").join("starts");
    let script = script("launch-short", &format!("echo \"$*\" >> {}\nexit 7\n", starts.display()));
    let text = [&feed(&format!("sh {} 'a b'", script.display())), STATUS].concat();
    let server = Server::configured("launch-short-conf", &text);
    let read = || std::fs::read_to_string(&starts).unwrap_or_default();
    let lines = eventually("four starts", || Some(read()).filter(|lines| lines.lines().count() >= 4));
    let given = format!("a b {}", server.url("/cam2.ffm"));
    assert!(lines.lines().all(|line| line == given), "{lines}");
    eventually("the fourth pause", || server.log().contains("is run again in 4s").then_some(()));
    // It was not run more often than it is told, and the pauses are in order.
    let log = server.log();
    let ends = log.lines().filter(|line| line.contains("sh ended with status 7 after "));
    let pauses: Vec<_> = ends.map(|line| line.split(" in ").nth(1).unwrap().split(' ').next().unwrap()).collect();
    assert_eq!(pauses, ["500ms", "1s", "2s", "4s"]);
    assert_eq!((read().lines().count(), report(&server)["restarts"].as_u64()), (4, Some(3)));
}

#[test]
fn what_it_says_is_in_the_log_without_passwords_and_not_without_end() {
    let go = folder("launch-log-go").join("go");
    let said = format!(
        "echo opening rtsp://admin:hunter2@cam/x\necho bell $(printf '\\007\\033')done >&2\n\
        until [ -e {} ]; do sleep 0.05; done\nseq 1 5000\necho reading $1\nexec sleep 600\n",
        go.display()
    );
    let script = script("launch-log", &said);
    let launch = format!("sh {} 'rtsp://admin:hunter 3@cam/y'", script.display());
    let server = Server::configured("launch-log-conf", &[&feed(&launch), STATUS].concat());
    eventually("its lines", || {
        let log = server.log();
        let told = ["sh: opening rtsp://admin:***@cam/x", "sh: bell done"];
        told.iter().all(|line| log.contains(line)).then_some(())
    });
    std::fs::write(&go, "").unwrap();
    eventually("a number", || server.log().contains("sh: 9").then_some(()));
    let pid = pid(&server);
    // A feeder that has said too much is told of when it ends.
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid as i32).unwrap(), Signal::KILL).unwrap();
    eventually("what was left out", || server.log().contains("more than 20 lines a second").then_some(()));
    let log = server.log();
    assert!(!log.contains("hunter") && !log.contains('\u{7}'), "{log}");
    assert!(log.lines().filter(|line| line.contains(" sh: ")).count() < 200, "{log}");
    eventually("another one", || report(&server)["pid"].as_u64().filter(|other| *other != pid));
    assert!(server.log().contains("was ended by signal 9"));
}

#[test]
fn a_reload_keeps_the_program_of_a_feed_that_says_the_same_and_ends_all_others() {
    let script = script("launch-reload", "sleep 600 &\necho $! > \"$1\"\nwait\n");
    let folder = folder("launch-reload-pids");
    let launch = |name: &str| format!("sh {} {}", script.display(), folder.join(name).display());
    let server = Server::configured("launch-reload", &[&feed(&launch("first")), STATUS].concat());
    let file = script.parent().unwrap().with_file_name("launch-reload").join("ffserver.conf");
    let inner = |name: &str| {
        let read = || std::fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
        eventually("the script's own child", read)
    };
    let (first, child) = (pid(&server), inner("first"));
    let reload = |text: &str, times: usize| {
        std::fs::write(&file, text).unwrap();
        server.signal(Signal::HUP);
        eventually("the reload", || (server.log().matches("is read again").count() == times).then_some(()));
    };
    reload(&["# a line more\n", &feed(&launch("first")), STATUS].concat(), 1);
    assert_eq!(pid(&server), first);
    assert!(runs(child));
    // Other arguments: the new one comes when the old one and its children are gone.
    reload(&[&feed(&launch("second")), STATUS].concat(), 2);
    let second = eventually("the next program", || report(&server)["pid"].as_u64().filter(|pid| *pid != first));
    assert!(!is_there(first) && !runs(child));
    let child = inner("second");
    // No feed any more.
    reload(&["HTTPPort 8090\n", STATUS].concat(), 3);
    eventually("the end of the second", || (!is_there(second) && !runs(child)).then_some(()));
}

#[test]
fn a_program_does_not_outlive_a_server_that_is_killed() {
    let script = script("launch-killed", "exec sleep 600\n");
    let text = [&feed(&format!("sh {}", script.display())), STATUS].concat();
    let mut server = Server::configured("launch-killed-conf", &text);
    let pid = pid(&server);
    server.signal(Signal::KILL);
    server.ended(END);
    eventually("its end", || (!runs(pid)).then_some(()));
}

#[test]
fn what_cannot_feed_is_said_at_the_start() {
    let folder = folder("launch-mark");
    let launch = format!("touch {}", folder.join("ran").display());
    let text = [
        "HTTPPort 8090\n<Feed a.ffm>\nLaunch no-such-ffmpeg -i x\n</Feed>\n",
        "<Feed b.ffm>\nLaunch sleep 600\nACL allow 127.0.0.77\n</Feed>\n",
        &format!("<Feed c.ffm>\nLaunch {launch}\nSource pattern:\n</Feed>\n"),
    ]
    .concat();
    let server = Server::configured("launch-cannot", &text);
    eventually("all to be told", || {
        let log = server.log();
        let told = [
            "Launch: there is no program no-such-ffmpeg in PATH; tried again every 30s",
            "the ACL does not let 127.0.0.1 in, from where the program of Launch feeds; add: ACL allow 127.0.0.1",
            "Source reads this feed, so the program of its Launch is not run",
        ];
        told.iter().all(|line| log.contains(line)).then_some(())
    });
    // Nothing is run where it is asked for.
    let server = Server::configured_with("launch-not", &[&feed(&launch), STATUS].concat(), &["--no-launch"]);
    assert!(report(&server)["pid"].is_null());
    assert!(!folder.join("ran").exists());
}
