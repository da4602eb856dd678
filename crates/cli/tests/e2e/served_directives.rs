//! Directives of ffserver.conf that say where, to whom and from what is served.

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::panic::AssertUnwindSafe;

use crate::harness::clips::{self, MJPEG};
use crate::harness::http::{ask, get};
use crate::harness::server::headwater;
use crate::harness::tools::folder;
use crate::harness::{SOON, Server, eventually, number, rtsp, run, tool};

const FEED: &str = "HTTPPort 8090\nMaxBandwidth 1000000\n<Feed f.ffm>\nSource pattern:?size=160x120&fps=20\n</Feed>\n";

fn stream(name: &str, format: &str, lines: &str) -> String {
    format!("<Stream {name}>\nFeed f.ffm\nFormat {format}\n{lines}\n</Stream>\n")
}

/// Ports that nobody had a moment ago.
fn free() -> [u16; 2] {
    let held = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).unwrap());
    held.map(|held| held.local_addr().unwrap().port())
}

#[test]
fn ports_and_addresses_are_those_of_the_file() {
    let folder = folder("own-ports");
    for (port, address) in [("HTTPPort", "HTTPBindAddress"), ("Port", "BindAddress")] {
        // Another program may have taken one since.
        let server = eventually("free ports", || {
            let [http, by_rtsp] = free();
            let file = folder.join("ffserver.conf");
            let head = format!("{port} {http}\n{address} 127.0.0.2\nRTSPPort {by_rtsp}\nRTSPBindAddress 127.0.0.2\n");
            std::fs::write(&file, [&head, &FEED["HTTPPort 8090\n".len()..], &stream("a", "rtp", "")].concat()).unwrap();
            let mut command = headwater();
            command.args(["serve", "--file"]).arg(&file);
            std::panic::catch_unwind(AssertUnwindSafe(|| (Server::run(command), http, by_rtsp))).ok()
        });
        let (server, http, by_rtsp) = server;
        assert_eq!(server.address, (Ipv4Addr::new(127, 0, 0, 2), http).into());
        assert_eq!(get(server.address, "/nope.html", &[]).status, 404);
        let rtsp_at = (Ipv4Addr::new(127, 0, 0, 2), by_rtsp);
        assert_eq!(rtsp::Client::connect(rtsp_at.into(), "a").ask("DESCRIBE", "", "").status, 200);
        for port in [http, by_rtsp] {
            assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(), "not on other addresses");
        }
    }
}

#[test]
fn a_log_may_be_apaches() {
    let log = folder("combined-file").join("access.log");
    let text = format!("{FEED}CustomLog {}\nCustomLogFormat combined\n", log.display());
    let server = Server::configured("combined", &text);
    get(server.address, "/nope.html", &[("Referer", "http://a/\"b"), ("User-Agent", "test/1")]);
    let line = eventually("a line", || {
        std::fs::read_to_string(&log).ok()?.lines().find(|line| line.contains("nope")).map(str::to_owned)
    });
    assert!(line.starts_with("127.0.0.1 - - [") && line.contains("] \"GET /nope.html HTTP/1.1\" 404 139 \""), "{line}");
    assert!(line.ends_with("\"test/1\"") && !line.contains("/\"b\""), "{line}");
}

#[test]
fn an_old_feeder_is_told_defaults_where_the_file_wants_them() {
    let told = |name: &str, global: &str, lines: &str| {
        let text = ["HTTPPort 8090\n", global, "<Feed f.ffm>\n</Feed>\n", &stream("a.mjpeg", "mpjpeg", lines)].concat();
        let server = Server::configured(name, &text);
        let asks = b"GET /f.ffm HTTP/1.1\r\nUser-Agent: Lavf/57.83.100\r\nHost: x\r\nConnection: close\r\n\r\n";
        let told = ask(server.address, asks).unwrap();
        assert_eq!((told.status, told.body.len()), (200, 4096));
        String::from_utf8_lossy(&told.body).into_owned()
    };
    let default = "video_size=160x128";
    assert!(told("defaults", "", "").contains(default));
    assert!(told("defaults-said", "UseDefaults\n", "").contains(default));
    assert!(!told("defaults-not", "NoDefaults\n", "VideoSize 64x48\nVideoBitRate 100").contains(default));
    assert!(!told("defaults-none", "NoDefaults\n", "VideoBitRate 100").contains("video_size"));
    assert!(!told("defaults-not-here", "", "NoDefaults\nVideoBitRate 100").contains("video_size"));
    assert!(told("defaults-here", "NoDefaults\n", "UseDefaults").contains(default));
}

#[test]
fn a_file_that_is_only_read_is_a_feed_and_takes_no_feeder() {
    let file = folder("read-only-file").join("show.mjpeg");
    std::fs::copy(MJPEG.path(), &file).unwrap();
    let before = std::fs::read(&file).unwrap();
    let text = format!(
        "HTTPPort 8090\nMaxBandwidth 1000000\n<Feed f.ffm>\nReadOnlyFile {0}\n</Feed>\n{1}\
         <Stream file.mjpeg>\nReadOnlyFile {0}\nFormat mpjpeg\n</Stream>\n",
        file.display(),
        stream("fed.mjpeg", "mpjpeg", "")
    );
    let server = Server::configured("read-only", &text);
    // As a feed it begins again after its end; as a stream it ends there.
    let own = clips::jpegs();
    let parts = server.stream("/fed.mjpeg").parts(usize::from(clips::FRAMES) + 5);
    assert!(parts.iter().all(|part| own.contains(&part.data)), "made anew");
    let mut once = server.stream("/file.mjpeg");
    let numbers: Vec<_> =
        std::iter::from_fn(|| once.try_part().ok().flatten()).map(|part| number(&part.data).unwrap()).collect();
    assert!(numbers.is_sorted() && numbers.last() == Some(&(clips::FRAMES - 1)), "{numbers:?}");
    let put = ask(server.address, b"PUT /f.ffm HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx");
    let put = put.unwrap();
    assert!((400..500).contains(&put.status), "{}: {}", put.status, put.text());
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_ring_is_no_larger_than_the_file_says() {
    let ring = folder("max-size-ring").join("ring");
    let text = format!(
        "HTTPPort 8090\nMaxBandwidth 1000000\n<Feed f.ffm>\nFile {}\nFileMaxSize 200K\n</Feed>\n{}",
        ring.display(),
        stream("a.mjpeg", "mpjpeg", "")
    );
    let server = Server::configured("max-size", &text);
    let mut ffmpeg = tool("ffmpeg");
    let noise = "testsrc2=size=320x240:rate=25:duration=3,noise=alls=60:allf=t";
    ffmpeg.args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", noise, "-c:v", "mjpeg", "-q:v", "3"]);
    run(ffmpeg.args(["-f", "matroska", &server.url("/f.ffm")])).succeeded();
    let size = || -> u64 {
        std::fs::read_dir(&ring).unwrap().map(|entry| entry.unwrap().metadata().map_or(0, |about| about.len())).sum()
    };
    eventually("the ring to be full", || (size() > 100_000).then_some(()));
    assert!(size() <= 200 * 1024, "{}", size());
}

#[test]
fn a_file_of_rules_decides_and_is_read_again() {
    let rules = folder("rules").join("acl");
    let dynamic = format!("ACL allow 127.0.0.1\nDynamicACL {}", rules.display());
    let text = [FEED, "RTSPPort 5554\n", &stream("a.mjpeg", "mpjpeg", &dynamic), &stream("a.rtp", "rtp", &dynamic)];
    let server = Server::configured_with("rules-served", &text.concat(), &["--rtsp", "127.0.0.1:0"]);
    let seen = || {
        let by_http = crate::harness::Stream::try_open(server.address, "/a.mjpeg").is_ok();
        let by_rtsp = rtsp::Client::connect(server.rtsp(), "a.rtp").ask("DESCRIBE", "", "").status == 200;
        [by_http, by_rtsp]
    };
    // Missing: nobody, whatever the section says itself.
    assert_eq!(seen(), [false; 2]);
    std::fs::write(&rules, "ACL allow 127.0.0.0/8\n").unwrap();
    eventually("leave", || (seen() == [true; 2]).then_some(()));
    std::fs::write(&rules, "# not from here any more\nACL deny 127.0.0.1\n").unwrap();
    eventually("denial", || (seen() == [false; 2]).then_some(()));
    std::fs::write(&rules, "ACL allow 127.0.0.1\n").unwrap();
    eventually("leave again", || (seen() == [true; 2]).then_some(()));
    // One that cannot be understood lets nobody in.
    std::fs::write(&rules, "ACL allow 127.0.0.1\nnonsense at the end\n").unwrap();
    eventually("denial by a wrong file", || (seen() == [false; 2]).then_some(()));
}

#[test]
fn old_words_for_what_is_said_of_a_stream_say_it_too() {
    let said = "Title \"An old show\"\nAuthor Somebody";
    let page = "<Stream stat.html>\nFormat status\nFaviconURL http://x/i.ico?a=1&b=\"2\n</Stream>\n";
    let server = Server::configured("old-words", &[FEED, &stream("a.nut", "nut", said), page].concat());
    let mut probe = tool("ffprobe");
    probe.args(["-v", "error", "-show_entries", "format_tags", "-of", "default=nw=1", &server.url("/a.nut")]);
    let told = run(&mut probe).succeeded().text();
    assert!(told.contains("title=An old show") && told.contains("=Somebody"), "{told}");
    let page = server.get("/stat.html").text();
    assert!(page.contains("<link rel=\"shortcut icon\" href=\"http://x/i.ico?a=1&amp;b="), "{page}");
}

/// A group's socket, on a port of the system's choice.
fn member(group: Ipv4Addr) -> (UdpSocket, u16) {
    let even = |socket: &UdpSocket| socket.local_addr().unwrap().port().is_multiple_of(2);
    let some = std::iter::repeat_with(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap());
    let socket = some.take(100).find(even).unwrap();
    socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[test]
fn a_file_for_a_group_is_sent_once_where_it_is_not_to_be_repeated() {
    let ((once, once_at), (again, again_at)) =
        (member(Ipv4Addr::new(239, 255, 77, 9)), member(Ipv4Addr::new(239, 255, 77, 10)));
    let film = |name: &str, lines: &str| {
        let file = clips::H264.path().display().to_string();
        format!("<Stream {name}>\nFile {file}\nFormat rtp\nMulticastTTL 0\n{lines}\n</Stream>\n")
    };
    let text = [
        "HTTPPort 8090\nRTSPPort 5554\n".to_owned(),
        film("once.sdp", &format!("MulticastAddress 239.255.77.9\nMulticastPort {once_at}\nNoLoop")),
        film("again.sdp", &format!("MulticastAddress 239.255.77.10\nMulticastPort {again_at}")),
    ];
    let _server = Server::configured_with("once", &text.concat(), &["--rtsp", "127.0.0.1:0"]);
    // A marked packet is the last one of a picture.
    let picture = |socket: &UdpSocket| {
        let mut datagram = [0; 2048];
        let count = socket.recv(&mut datagram)?;
        Ok::<_, std::io::Error>(count > 12 && datagram[1] & 0x80 != 0)
    };
    let mut pictures = 0;
    while pictures < 3 * u32::from(clips::FRAMES) {
        pictures += u32::from(picture(&again).unwrap());
    }
    // What was sent of the other one waits in its socket.
    once.set_nonblocking(true).unwrap();
    let mut seen = 0;
    while let Ok(is_picture) = picture(&once) {
        seen += u16::from(is_picture);
    }
    assert!((1..=clips::FRAMES).contains(&seen), "{seen} of {} pictures", clips::FRAMES);
}

#[test]
fn a_check_warns_of_what_is_served_to_nobody() {
    let folder = folder("check-warns");
    let missing = folder.join("no.wmv");
    let conf = [FEED, &stream("a.rtp", "rtp", ""), &format!("<Stream b.asf>\nFile {}\n</Stream>\n", missing.display())];
    let toml = format!(
        "[[source]]\nname = \"cam\"\nurl = \"pattern:\"\n[[stream]]\nname = \"a.rtp\"\nfeed = \"cam\"\nformat = \"rtp\"\n\
         [[stream]]\nname = \"b.asf\"\nfile = \"{}\"\n",
        missing.display()
    );
    for (name, text, port) in [("a.conf", conf.concat(), "RTSPPort 5554"), ("a.toml", toml, "rtsp = [\":8554\"]")] {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        let told = run(headwater().args(["config", "check"]).arg(&file)).succeeded();
        let (said, summary) = (&told.err, told.text());
        assert!(said.contains("ormat rtp is served by RTSP") && said.contains(port), "{said}");
        assert!(said.contains(&format!("File {}: there is no such file", missing.display())), "{said}");
        assert!(summary.contains("can be served, with the 2 warnings above: "), "{summary}");
    }
}

#[test]
fn a_stream_of_rtp_without_a_port_is_told_over_http() {
    let text = [FEED, &stream("a.rtp", "rtp", "")].concat();
    let told = Server::configured("rtp-without-port", &text).get("/a.rtp");
    assert_eq!(told.status, 404);
    assert!(told.text().contains("RTSPPort is missing in its configuration"), "{}", told.text());
    let server = Server::configured_with("rtp-with-option", &text, &["--rtsp", "127.0.0.1:0"]);
    let (told, port) = (server.get("/a.rtp"), server.rtsp().port());
    assert_eq!(told.text(), format!("a.rtp is served by RTSP: rtsp://127.0.0.1:{port}/a.rtp\n"));
}

#[test]
fn encoders_find_the_address_that_a_headwater_toml_says() {
    let folder = folder("toml-rtmp");
    // Another program may have taken it since.
    let server = eventually("a free port", || {
        let [by_rtmp, _] = free();
        let file = folder.join("headwater.toml");
        let text =
            format!("[server]\nrtmp = [\"127.0.0.2:{by_rtmp}\"]\nrtsp_timeout = \"5s\"\n[[feed]]\nname = \"cam2\"\n");
        std::fs::write(&file, text).unwrap();
        let mut command = headwater();
        command.args(["serve", "--listen", "127.0.0.1:0", "--file"]).arg(&file);
        let server = std::panic::catch_unwind(AssertUnwindSafe(|| Server::run(command))).ok()?;
        Some((server, by_rtmp))
    });
    TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), server.1)).unwrap();
}
