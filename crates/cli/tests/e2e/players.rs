//! Players: VLC shows the stream.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use crate::harness::{Server, eventually, tool, tools};

/// A command of VLC's, which does not run as root.
fn vlc() -> Command {
    tool("vlc");
    if !rustix::process::geteuid().is_root() {
        return tool("vlc");
    }
    let mut command = tool("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "vlc"]);
    command
}

#[test]
fn vlc_plays_the_stream() {
    let server = Server::start(["cam=pattern:?size=320x240&fps=10"]);
    // Where nobody may write.
    let folder = std::env::temp_dir().join(format!("headwater-vlc-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = vlc();
    command.env("HOME", &folder).env_remove("DISPLAY").env_remove("XDG_RUNTIME_DIR");
    command.args([
        "--intf",
        "dummy",
        "--no-audio",
        "--vout",
        "dummy",
        "--video-filter",
        "scene",
        "--scene-format",
        "png",
    ]);
    command.args(["--scene-ratio", "5", "--scene-prefix", "shot"]).arg("--scene-path").arg(&folder);
    command.args(["--network-caching", "300", "--run-time", "5", "--play-and-exit"]).arg(server.url("/cam.mjpeg"));
    command.arg("vlc://quit").stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let shots = || {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut shots: Vec<_> =
            entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "png")).collect();
        shots.sort();
        shots
    };
    let shots = eventually("pictures from VLC", || Some(shots()).filter(|shots| shots.len() > 3));
    // The last one may still be under way.
    let numbers: Vec<_> = shots[..3].iter().map(|path| number_in_png(path)).collect();
    // VLC may show one picture for two.
    let in_order = numbers[0].is_some() && numbers.is_sorted() && numbers[0] < numbers[2];
    assert!(in_order, "{numbers:?}");
    let _ = tools::wait(&mut child, Duration::from_secs(1));
    let _ = child.kill();
    child.wait().unwrap();
    let _ = std::fs::remove_dir_all(&folder);
}

fn number_in_png(path: &std::path::Path) -> Option<u16> {
    let decoded = crate::harness::run(
        tool("ffmpeg")
            .args(["-nostdin", "-v", "error", "-i"])
            .arg(path)
            .args(["-f", "rawvideo", "-pix_fmt", "gray", "-"]),
    );
    // VLC's pictures are padded at the bottom.
    let luma = decoded.succeeded().out;
    formats::osd::read_number(luma.get(..320 * 240)?, 320, 320, 240)
}
