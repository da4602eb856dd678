//! A configuration that is read again: what is made of the old is not what is asked for.

use rustix::process::Signal;

use crate::harness::{Server, eventually, run, size, tool};

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
