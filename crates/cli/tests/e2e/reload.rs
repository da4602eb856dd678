//! A configuration that is read again: what is made of the old is not what is asked for.

use rustix::process::Signal;

use crate::harness::server::headwater;
use crate::harness::{Camera, Manner, Server, clips, eventually, number, run, size, tool, tools};

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

/// Has `server`, which is configured by `name`, read `text` in place of what it had.
#[track_caller]
fn reload(server: &Server, name: &str, text: &str) {
    let before = server.log().matches("is read again").count();
    std::fs::write(Server::configuration(name), text).unwrap();
    server.signal(Signal::HUP);
    eventually("the reload", || (server.log().matches("is read again").count() > before).then_some(()));
}

#[test]
fn a_ring_is_handed_over_without_a_gap() {
    let ring = tools::folder("handed-over").join("ring");
    let text = |lines: &str| {
        format!(
            "HTTPPort 8090\nMaxBandwidth 1000000\n<Feed f>\nSource pattern:?size=160x120&fps=20\nFile {}\n{lines}\n</Feed>\n\
             <Stream a.mjpeg>\nFeed f\nFormat mpjpeg\n</Stream>\n<Stream stat.html>\nFormat status\n</Stream>\n",
            ring.display()
        )
    };
    let server = Server::configured("handed-over-served", &text(""));
    let written = || {
        let status: serde_json::Value = serde_json::from_slice(&server.get("/stat.html?format=json").body).unwrap();
        let recorded = &status["feeds"][0]["recorded"];
        assert!(recorded["error"].is_null(), "{recorded}");
        recorded["bytes"].as_u64().unwrap()
    };
    eventually("something recorded", || (written() > 200_000).then_some(()));
    // Another size is another feed with the same ring.
    reload(&server, "handed-over-served", &text("FileMaxSize 20M"));
    let mut past = server.stream("/a.mjpeg?buffer=1000");
    let before = past.parts(20).len();
    assert_eq!(before, 20, "what was recorded before is there");
    let log = server.log();
    assert!(!log.contains("not recorded") && !log.contains("another recording writes there"), "{log}");
    assert_eq!(log.matches("recording path=").count(), 2, "{log}");
}

#[test]
fn rules_of_a_feed_change_without_its_viewers_noticing() {
    let text = |lines: &str| {
        format!(
            "HTTPPort 8090\n<Feed f>\nSource pattern:?size=160x120&fps=20\n{lines}\n</Feed>\n\
             <Stream a.mjpeg>\nFeed f\nFormat mpjpeg\n</Stream>\n"
        )
    };
    let server = Server::configured("feed-rules", &text(""));
    let mut viewer = server.stream("/a.mjpeg");
    viewer.part().unwrap();
    reload(&server, "feed-rules", &text("ACL allow 127.0.0.1"));
    assert_eq!(viewer.parts(30).len(), 30);
}

#[test]
fn groups_come_and_go_with_a_reload() {
    use std::net::{Ipv4Addr, UdpSocket};
    let group = |last: u8| Ipv4Addr::new(239, 255, 12, last);
    let text = |last: u8, port: u16| {
        format!(
            "HTTPPort 8090\nRTSPPort 5554\n<Feed f>\nSource pattern:?size=160x120&fps=20\n</Feed>\n\
             <Stream a>\nFeed f\nFormat rtp\nMulticastAddress {}\nMulticastPort {port}\nMulticastTTL 0\n</Stream>\n",
            group(last)
        )
    };
    let listen = |last: u8| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        socket.join_multicast_v4(&group(last), &Ipv4Addr::LOCALHOST).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
        let port = socket.local_addr().unwrap().port();
        (socket, port)
    };
    let hears = |socket: &UdpSocket| socket.recv(&mut [0; 2000]).is_ok();
    let ((first, port), (second, other)) = (listen(31), listen(32));
    let server = Server::configured_with("groups", &text(31, port), &["--rtsp", "127.0.0.1:0"]);
    eventually("the first group", || hears(&first).then_some(()));
    reload(&server, "groups", &text(32, other));
    eventually("the second group", || hears(&second).then_some(()));
    // What was on its way is read, and then there is nothing more.
    eventually("silence in the first", || (!hears(&first)).then_some(()));
}

#[test]
fn a_client_that_pauses_is_let_go_when_its_stream_changes() {
    let text = |size: &str| {
        format!(
            "HTTPPort 8090\nRTSPPort 5554\n<Feed f>\nSource pattern:?size={size}&fps=20\n</Feed>\n\
             <Stream a>\nFeed f\nFormat rtp\n</Stream>\n<Stream b>\nFile {}\nFormat rtp\n</Stream>\n",
            crate::harness::clips::H264.path().display()
        )
    };
    let server = Server::configured_with("paused", &text("320x240"), &["--rtsp", "127.0.0.1:0"]);
    let paused = |name: &str| {
        let mut client = crate::harness::rtsp::Client::connect(server.rtsp(), name);
        client.play();
        client.packet(0);
        assert_eq!(client.ask("PAUSE", "", "").status, 200);
        client
    };
    let (mut changed, mut kept) = (paused("a"), paused("b"));
    reload(&server, "paused", &text("160x120"));
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut changed.socket, &mut rest).unwrap();
    assert_eq!(kept.ask("PLAY", "", "").status, 200);
}

#[test]
fn what_only_a_new_start_brings_is_told_in_one_sentence() {
    let file = tools::folder("new-start").join("headwater.toml");
    let text = |more: &str| {
        format!("[server]\nhttp = [\"127.0.0.1:0\"]\n{more}\n[[source]]\nname = \"a\"\nurl = \"pattern:\"\n")
    };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = |more: &str| text(more).replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    std::fs::write(&file, text("")).unwrap();
    let mut command = headwater();
    command.args(["serve", "--file"]).arg(&file);
    let server = Server::run(command);
    std::fs::write(&file, text("rtsp = [\"127.0.0.1:8554\"]\nmax_connections = 17000")).unwrap();
    server.signal(Signal::HUP);
    eventually("the sentence", || {
        server
            .log()
            .contains("of the addresses of RTSP, the most connections holds from the next start on")
            .then_some(())
    });
}

#[test]
fn a_recording_changes_comes_and_goes_without_a_viewer_losing_a_picture() {
    let folder = tools::folder("recording-changes");
    let camera = Camera::start(Manner::Pictures { fps: 20 });
    let (first, second) = (folder.join("first"), folder.join("second"));
    let text = |keys: &str| {
        let url = camera.url();
        format!(
            "[[source]]\nname = \"cam\"\nurl = \"{url}\"\n{keys}\n\n[[feed]]\nname = \"f\"\nsource = \"{url}\"\n{}\n\n\
             [[stream]]\nname = \"f.mkv\"\nfeed = \"f\"\n",
            keys.replace("cam-", "f-")
        )
    };
    let keys = |folder: &std::path::Path, segment: &str| {
        format!("record = \"{}/cam-%H%M%S.mkv\"\nrecord_segment = \"{segment}\"", folder.display())
    };
    let file = folder.join("headwater.toml");
    std::fs::write(&file, text(&keys(&first, "1h"))).unwrap();
    let mut command = headwater();
    command.args(["serve", "--listen", "127.0.0.1:0", "--file"]).arg(&file);
    let server = Server::run(command);
    // Matroska: whoever reads that gets every picture.
    let pictures = ["cam", "f"].map(|name| {
        let pictures = folder.join(name);
        std::fs::create_dir_all(&pictures).unwrap();
        pictures
    });
    let mut viewers = pictures.each_ref().map(|to| {
        let name = to.file_name().unwrap().to_str().unwrap();
        let mut viewer = tool("ffmpeg");
        viewer.args(["-v", "error", "-i", &server.url(&format!("/{name}.mkv")), "-c", "copy", "-f", "image2"]);
        viewer.arg(to.join("%04d.jpg")).stdin(std::process::Stdio::null()).spawn().unwrap()
    });
    let seen = |to: &std::path::PathBuf| {
        let mut files: Vec<_> = std::fs::read_dir(to).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        // The last may not be whole.
        files.pop();
        files
    };
    let watch = |more: usize| {
        let before = pictures.each_ref().map(|to| seen(to).len());
        for (to, before) in pictures.iter().zip(before) {
            eventually("pictures", || (seen(to).len() >= before + more).then_some(()));
        }
    };
    let files = |folder: &std::path::Path, name: &str| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(name)).count()
    };
    let both = |folder: &std::path::Path, least: usize| {
        eventually("files", || (files(folder, "cam-") >= least && files(folder, "f-") >= least).then_some(()));
    };
    both(&first, 1);
    for (at, keys) in [keys(&first, "1s"), keys(&second, "1s"), String::new(), keys(&second, "1h")].iter().enumerate() {
        watch(10);
        std::fs::write(&file, text(keys)).unwrap();
        server.signal(Signal::HUP);
        eventually("the reload", || (server.log().matches("is read again").count() > at).then_some(()));
        watch(30);
        match at {
            0 => both(&first, 2),
            1 => both(&second, 2),
            2 => assert!(server.source("cam")["files"].is_null()),
            _ => eventually("a file", || server.source("cam")["files"]["file"].as_str().map(|_| ())),
        }
    }
    for to in &pictures {
        let numbers: Vec<_> = seen(to).iter().map(|file| number(&std::fs::read(file).unwrap()).unwrap()).collect();
        let expected: Vec<_> = (0..clips::FRAMES).cycle().skip(numbers[0].into()).take(numbers.len()).collect();
        assert_eq!(numbers, expected);
    }
    for viewer in &mut viewers {
        viewer.kill().unwrap();
        viewer.wait().unwrap();
    }
    assert_eq!(camera.connections(), 2, "no source was opened again");
    let log = server.log();
    assert!(!log.contains("is ended"), "{log}");
    assert_eq!(log.matches("is recorded as the configuration says now").count(), 8, "{log}");
}
