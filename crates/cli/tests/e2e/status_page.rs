//! `Format status`: what stands in the tables.

use serde_json::Value;

use crate::harness::{Server, eventually};

const TEXT: &str = "HTTPPort 8090\nMaxBandwidth 1000000\nMaxClients 50\n\
    <Feed cam2.ffm>\nSource pattern:?size=160x120&fps=20\n</Feed>\n<Feed later.ffm>\n</Feed>\n\
    <Stream a.mjpeg>\nFeed cam2.ffm\nFormat mpjpeg\n</Stream>\n\
    <Stream a.mkv>\nFeed cam2.ffm\n</Stream>\n\
    <Stream a.ts>\nFeed cam2.ffm\n</Stream>\n\
    <Stream a.mpg>\nFeed cam2.ffm\nVideoCodec mpeg1video\nVideoBitRate 300\n</Stream>\n\
    <Stream live>\nFeed cam2.ffm\nFormat rtp\n</Stream>\n\
    <Stream small>\nFeed cam2.ffm\nFormat rtp\nVideoCodec mpeg4\n</Stream>\n\
    <Stream later.webm>\nFeed later.ffm\n</Stream>\n\
    <Stream stat.html>\nFormat status\n</Stream>\n";

#[test]
fn streams_show_the_codec_and_the_rate_that_they_are_sent_with() {
    let server = Server::configured("status-page", TEXT);
    let report = || -> Value { serde_json::from_slice(&server.get("/stat.html?format=json").body).unwrap() };
    let row = |name: &str| -> Value {
        let report = report();
        report["streams"].as_array().unwrap().iter().find(|row| row["path"] == name).unwrap().clone()
    };
    // Nothing has come yet: what is usual is shown, and no rate.
    assert_eq!((&row("a.ts")["video_codec"], &row("a.ts")["kbit"]), (&"mpeg2video".into(), &0.into()));
    assert_eq!((&row("later.webm")["video_codec"], &row("later.webm")["audio_codec"]), (&"vp8".into(), &"opus".into()));
    let mut viewer = server.stream("/a.mjpeg");
    for name in ["a.mjpeg", "a.mkv", "live"] {
        eventually(name, || {
            viewer.part().unwrap();
            (row(name)["kbit"].as_u64()? > 0).then_some(())
        });
    }
    // As it comes where it fits, coded anew where it does not, and as the section says.
    let codecs = [
        ("a.mjpeg", "mjpeg"),
        ("a.mkv", "mjpeg"),
        ("a.ts", "mpeg2video"),
        ("a.mpg", "mpeg1video"),
        ("live", "mjpeg"),
        ("small", "mpeg4"),
    ];
    for (name, codec) in codecs {
        let row = row(name);
        assert_eq!((&row["video_codec"], &row["audio_codec"]), (&codec.into(), &"".into()), "{row}");
    }
    assert_eq!(row("a.mpg")["kbit"], 300);
    // What an encoder without a rate will send is not known before somebody has read it.
    assert_eq!(row("a.ts")["kbit"], 0);
    let page = server.get("/stat.html").text();
    for part in [
        "<h2>Available Streams</h2>",
        "<h2>Feed cam2.ffm</h2>",
        "nobody is sending to this feed",
        "Number of connections: 1 / 50",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains(">0<") || page.contains("class=\"n\">0</td>"), "{page}");
}

#[test]
fn the_pages_lead_to_each_other_and_a_name_alone_to_the_page_or_to_the_pictures() {
    let server = Server::start(["cam=pattern:", "down=http://127.0.0.1:1/a"]);
    for path in ["/", "/health", "/status"] {
        let page = server.get(path).text();
        for other in ["/", "/health", "/status", "/metrics"] {
            assert!(page.contains(&format!("href=\"{other}\"")), "{path} does not lead to {other}: {page}");
        }
        assert!(page.contains(&format!("<a href=\"{path}\" aria-current=\"page\">")), "{path}: {page}");
    }
    let to = |headers: &[(&str, &str)]| {
        let answer = crate::harness::http::get(server.address, "/cam?fps=5", headers);
        assert_eq!(answer.status, 307);
        answer.header("location").to_owned()
    };
    assert_eq!(to(&[("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")]), "/#cam");
    assert_eq!(to(&[("Accept", "*/*")]), "/cam.mjpeg?fps=5");
    assert_eq!(to(&[]), "/cam.mjpeg?fps=5");
    let probed = crate::harness::run(crate::harness::server::headwater().args([
        "probe",
        "--measure",
        "200ms",
        &server.url("/cam"),
    ]));
    assert!(probed.succeeded().text().contains("mjpeg 640x480"));
}
