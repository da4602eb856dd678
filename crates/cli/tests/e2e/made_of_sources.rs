//! A headwater.toml whose streams are made of its sources.

use rustix::process::Signal;

use crate::harness::server::headwater;
use crate::harness::tools::folder;
use crate::harness::{Server, eventually, run, size, tool};

/// A camera of `width`, as it comes, smaller, and by RTSP.
fn text(width: u32) -> String {
    format!(
        "[[source]]\nname = \"front\"\nurl = \"pattern:?size={width}x240&fps=20\"\n\
         [[source]]\nname = \"down\"\nurl = \"http://127.0.0.1:1/a\"\ntimeout = \"1s\"\n\
         [[stream]]\nname = \"open.mjpeg\"\nfeed = \"front\"\nformat = \"mpjpeg\"\n\
         [[stream]]\nname = \"open.jpg\"\nfeed = \"front\"\n\
         [[stream]]\nname = \"open\"\nfeed = \"front\"\nformat = \"rtp\"\n\
         [[stream]]\nname = \"small.ts\"\nfeed = \"front\"\nvideo = {{ codec = \"mpeg2video\", size = \"160x120\" }}\n\
         [[stream]]\nname = \"locked.jpg\"\nfeed = \"front\"\nacl = [\"deny 127.0.0.1\"]\n\
         [[stream]]\nname = \"down.jpeg\"\nfeed = \"down\"\n\
         [[stream]]\nname = \"stat.html\"\nformat = \"status\"\n"
    )
}

/// What ffprobe sees at `url`.
fn probed(url: &str) -> String {
    let mut probe = tool("ffprobe");
    probe.args([
        "-v",
        "error",
        "-analyzeduration",
        "500k",
        "-show_entries",
        "stream=codec_name,width,height",
        "-of",
        "csv=p=0",
    ]);
    if url.starts_with("rtsp:") {
        probe.args(["-rtsp_transport", "tcp"]);
    }
    run(probe.arg(url)).succeeded().text().lines().next().unwrap_or_default().trim_end_matches([',', '\r']).to_owned()
}

#[test]
fn streams_of_a_source_are_played_by_http_and_by_rtsp_and_follow_a_reload() {
    let file = folder("made-of-sources").join("headwater.toml");
    std::fs::write(&file, text(320)).unwrap();
    let mut command = headwater();
    command.args(["serve", "--listen", "127.0.0.1:0", "--rtsp", "127.0.0.1:0", "--file"]).arg(&file);
    let server = Server::run(command);
    let mut viewer = server.stream("/open.mjpeg");
    assert_eq!(viewer.parts(10).len(), 10);
    assert_eq!(size(&server.get("/open.jpg").body), (320, 240));
    assert_eq!(probed(&server.url("/small.ts")), "mpeg2video,160,120");
    let by_rtsp = format!("rtsp://{}/open", server.rtsp());
    assert_eq!(probed(&by_rtsp), "mjpeg,320,240");
    // The source has its own paths all the same, and all read one and the same.
    assert_eq!(size(&server.get("/front.jpg").body), (320, 240));
    assert_eq!(server.source("front")["reconnects"], 0);
    // A stream has rules of its own; one whose camera is away says so.
    assert_eq!(server.get("/locked.jpg").status, 404);
    let down = server.get("/down.jpeg");
    assert!(down.status == 502 && down.text().contains("127.0.0.1:1"), "{} {}", down.status, down.text());
    let report: serde_json::Value = serde_json::from_slice(&server.get("/stat.html?format=json").body).unwrap();
    assert_eq!(report["clients"][0]["state"], "SEND_DATA", "{report:#}");
    assert_eq!(report["streams"][0]["feed"], "front", "{report:#}");

    // Another line is no other source; another address is, and who watched the old one is let go.
    let reload = |text: String| {
        let before = server.log().matches("is read again").count();
        std::fs::write(&file, text).unwrap();
        server.signal(Signal::HUP);
        eventually("the reload", || (server.log().matches("is read again").count() > before).then_some(()));
    };
    reload(format!("# moved\n{}", text(320)));
    assert_eq!(viewer.parts(30).len(), 30);
    reload(text(160));
    while viewer.part().is_some() {}
    assert_eq!(size(&server.get("/open.jpg").body), (160, 240));
    assert_eq!(probed(&by_rtsp), "mjpeg,160,240");
}
