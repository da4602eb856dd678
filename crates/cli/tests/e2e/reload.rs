//! A configuration that is read again: what is made of the old is not what is asked for.

use rustix::process::Signal;

use crate::harness::server::headwater;
use crate::harness::{Server, eventually, run, size, tool, tools};

#[test]
fn another_source_of_the_same_name_is_what_is_seen_at_once_in_every_format() {
    let text = |size: &str| {
        format!(
            "HTTPPort 8090\n<Feed f>\nSource pattern:?size={size}&fps=10\n</Feed>\n\
             <Stream a.jpg>\nFeed f\nFormat jpeg\n</Stream>\n<Stream a.asf>\nFeed f\nFormat asf\n</Stream>\n"
        )
    };
    let sizes = |server: &Server| {
        let still = size(&server.get("/a.jpg").body);
        let mut probe = tool("ffprobe");
        probe.args(["-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0", &server.url("/a.asf")]);
        (still, run(&mut probe).succeeded().text().trim().to_owned())
    };
    let server = Server::configured("same-name", &text("320x240"));
    assert_eq!(sizes(&server), ((320, 240), "320,240".to_owned()));
    // Both are still made for a while, should somebody come again.
    std::fs::write(Server::configuration("same-name"), text("160x120")).unwrap();
    server.signal(Signal::HUP);
    eventually("the reload", || server.log().contains("is read again").then_some(()));
    assert_eq!(sizes(&server), ((160, 120), "160,120".to_owned()));
}

#[test]
fn sources_come_and_go_with_the_configuration_and_who_watches_the_others_stays() {
    let file = tools::folder("sources-come-and-go").join("headwater.toml");
    let source =
        |name: &str, size: &str| format!("[[source]]\nname = \"{name}\"\nurl = \"pattern:?size={size}&fps=20\"\n");
    std::fs::write(&file, source("kept", "320x240") + &source("other", "320x240") + &source("gone", "320x240"))
        .unwrap();
    let mut command = headwater();
    command.args(["serve", "--listen", "127.0.0.1:0", "--file"]).arg(&file);
    let server = Server::run(command);
    let mut streams = ["kept", "other", "gone"].map(|name| server.stream(&format!("/{name}.mjpeg")));
    streams.iter_mut().for_each(|stream| drop(stream.parts(2)));

    // What cannot be served changes nothing.
    std::fs::write(&file, source("kept", "320x240") + &source("new", "what")).unwrap();
    server.signal(Signal::HUP);
    eventually("the refusal", || server.log().contains("what was served before is served on").then_some(()));
    streams.iter_mut().for_each(|stream| drop(stream.parts(2)));

    // Another line is no other source.
    std::fs::write(&file, source("new", "160x120") + &source("other", "160x120") + &source("kept", "320x240")).unwrap();
    server.signal(Signal::HUP);
    eventually("the reload", || server.log().contains("is read again").then_some(()));
    let [mut kept, mut other, mut gone] = streams;
    assert_eq!(kept.parts(30).len(), 30);
    while other.part().is_some() {}
    while gone.part().is_some() {}
    assert_eq!(server.get("/gone.jpg").status, 404);
    for (name, wanted) in [("new", (160, 120)), ("other", (160, 120)), ("kept", (320, 240))] {
        assert_eq!(size(&server.get(&format!("/{name}.jpg")).body), wanted, "{name}");
    }
}
