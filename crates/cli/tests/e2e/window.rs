//! `headwater view` on an X server of its own.

#[path = "../../../view/tests/common/xvfb.rs"]
mod xvfb;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use formats::osd::read_number;

use self::xvfb::Xvfb;
use crate::examples::example;
use crate::harness::clips::H264;
use crate::harness::server::headwater;
use crate::harness::tools::wait;
use crate::harness::{Camera, Manner, Server, eventually, run, tool, tools};

pub struct Desktop(Xvfb);

impl Desktop {
    pub fn start() -> Self {
        Self(Xvfb::start("800x600"))
    }

    pub fn view(&self, args: &[&str]) -> Child {
        let mut command = headwater();
        command.arg("view").args(args).env("DISPLAY", &self.0.display).env_remove("WAYLAND_DISPLAY");
        command.env("WINIT_X11_SCALE_FACTOR", "1").stderr(Stdio::piped()).spawn().unwrap()
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = tool(name);
        command.env("DISPLAY", &self.0.display);
        command
    }

    /// The window whose title contains `title`, as xdotool calls it.
    pub fn window(&self, title: &str) -> String {
        eventually(&format!("a window called {title}"), || {
            let found = run(self.tool("xdotool").args(["search", "--onlyvisible", "--name", title])).text();
            found.lines().next().map(str::to_owned)
        })
    }

    /// The number that is on the screen, in a picture of `width` by `height` at the top left.
    pub fn number(&self, width: usize, height: usize) -> Option<u16> {
        let crop = format!("{width}x{height}+0+0");
        let shot =
            run(self.tool("import").args(["-window", "root", "-crop", &crop, "+repage", "-depth", "8", "gray:-"]));
        read_number(&shot.succeeded().out, width, width, height)
    }

    fn key(&self, window: &str, key: &str) {
        run(self.tool("xdotool").args(["windowfocus", "--sync", window, "key", key]));
    }
}

#[test]
fn the_window_shows_the_numbered_picture_and_q_closes_it() {
    let desktop = Desktop::start();
    let mut view = desktop.view(&[H264.path().to_str().unwrap()]);
    let window = desktop.window("h264");
    let first = eventually("a number on the screen", || desktop.number(320, 240));
    eventually("another number", || desktop.number(320, 240).filter(|number| *number != first));
    let target = tools::folder("screenshots").join("view.png");
    run(desktop.tool("import").args(["-window", "root"]).arg(&target)).succeeded();
    println!("see {}", target.display());
    desktop.key(&window, "q");
    let status = wait(&mut view, Duration::from_secs(5));
    let _ = view.kill();
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

#[test]
fn the_example_of_a_window_shows_the_numbered_picture_and_q_closes_it() {
    let desktop = Desktop::start();
    let mut command = example("view");
    command.arg("pattern:?size=320x240").env("DISPLAY", &desktop.0.display).env_remove("WAYLAND_DISPLAY");
    let mut view = command.env("WINIT_X11_SCALE_FACTOR", "1").spawn().unwrap();
    let window = desktop.window("view");
    let first = eventually("a number on the screen", || desktop.number(320, 240));
    eventually("another number", || desktop.number(320, 240).filter(|number| *number != first));
    desktop.key(&window, "q");
    let status = wait(&mut view, Duration::from_secs(5));
    let _ = view.kill();
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

#[test]
fn the_window_shows_a_running_relay_and_goes_on_when_the_camera_comes_back() {
    let mut camera = Camera::start(Manner::Pictures { fps: 10 });
    let server = Server::start([format!("cam2={}", camera.url())]);
    let desktop = Desktop::start();
    let mut view = desktop.view(&[&server.url("/cam2.mjpeg")]);
    let window = desktop.window("cam2");
    eventually("a number on the screen", || desktop.number(320, 240));
    camera.switch_off();
    camera.switch_on();
    let first = eventually("a number on the screen", || desktop.number(320, 240));
    eventually("another number", || desktop.number(320, 240).filter(|number| *number != first));
    desktop.key(&window, "Escape");
    let status = wait(&mut view, Duration::from_secs(5));
    let _ = view.kill();
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    server.wait_for("cam2", "left alone", |source| source["viewers"] == 0);
}

#[test]
fn without_a_display_there_is_one_sentence_and_exit_code_4() {
    for display in [None, Some(":65000")] {
        let mut command = headwater();
        command
            .args(["view", "pattern:"])
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("WAYLAND_SOCKET");
        command.envs(display.map(|display| ("DISPLAY", display)));
        let output = run(&mut command);
        assert_eq!(output.status.code(), Some(4), "{}", output.err);
        let lines: Vec<_> = output.err.lines().filter(|line| line.starts_with("headwater: ")).collect();
        assert!(lines.len() == 1 && lines[0].contains("display") && output.err.lines().count() == 1, "{}", output.err);
    }
}
