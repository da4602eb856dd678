//! RTSP as a client sees it that looks at every byte.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use crate::harness::clips::{H264, MJPEG, made};
use crate::harness::rtsp::Client;
use crate::harness::server::headwater;
use crate::harness::tools::folder;
use crate::harness::{SOON, Server, eventually, run, tool};

const TCP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";

fn serve() -> Server {
    Server::start(["--rtsp=127.0.0.1:0".to_owned(), format!("cam2={}", H264.path().display())])
}

/// An even port and the next one that are free, on this machine.
fn ports() -> (UdpSocket, UdpSocket) {
    loop {
        let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = rtp.local_addr().unwrap().port();
        if port.is_multiple_of(2)
            && let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", port + 1))
        {
            for socket in [&rtp, &rtcp] {
                socket.set_read_timeout(Some(SOON)).unwrap();
            }
            return (rtp, rtcp);
        }
    }
}

#[test]
fn a_stream_is_described_by_its_name_with_or_without_the_extension() {
    let server = serve();
    for name in ["cam2", "cam2.rtsp"] {
        let described = Client::connect(server.rtsp(), name).ask("DESCRIBE", "", "");
        assert_eq!(described.status, 200, "{}", described.head);
        assert_eq!(described.header("Content-Base"), Some(&*format!("rtsp://{}/{name}/", server.rtsp())));
        let sdp = &described.body;
        assert!(sdp.contains("a=rtpmap:96 H264/90000\r\n") && sdp.contains("sprop-parameter-sets=Z"), "{sdp}");
        assert!(sdp.contains("a=framesize:96 320-240\r\n") && sdp.contains("a=control:streamid=0\r\n"), "{sdp}");
    }
    let missing = Client::connect(server.rtsp(), "nope").ask("DESCRIBE", "", "");
    assert_eq!((missing.status, &*missing.body), (404, "there is no such stream\n"));
    assert_eq!(Client::connect(server.rtsp(), "cam2?size=1x1").ask("DESCRIBE", "", "").status, 451);
}

#[test]
fn packets_begin_at_a_keyframe_where_the_answer_says_and_stop_at_pause() {
    let server = serve();
    let mut client = Client::connect(server.rtsp(), "cam2");
    // Somebody else keeps the source open, so that there is a keyframe to begin with.
    let mut other = Client::connect(server.rtsp(), "cam2");
    other.play();
    other.packet(0);
    let told = |played: &crate::harness::rtsp::Reply, name: &str| -> u32 {
        let info = played.header("RTP-Info").unwrap().to_owned();
        info.split(name).nth(1).unwrap().split([';', ',']).next().unwrap().parse().unwrap()
    };
    let played = client.play();
    for turn in 0..2 {
        let played = if turn == 0 { &played } else { &client.ask("PLAY", "", "") };
        let (sequence, time) = (told(played, "seq="), told(played, "rtptime="));
        let first = client.packet(0);
        assert_eq!((u32::from(first.sequence()), first.timestamp()), (sequence, time));
        // STAP-A with the parameter sets, which come before the keyframe.
        assert_eq!((first.data[12] & 0x1F, first.data[15] & 0x1F), (24, 7));
        let mut before = first;
        for _ in 0..20 {
            let packet = client.packet(0);
            assert_eq!(packet.sequence(), before.sequence().wrapping_add(1));
            assert!(before.is_marked() == (packet.timestamp() != before.timestamp()), "one time a picture");
            before = packet;
        }
        assert_eq!(client.ask("PAUSE", "", "").status, 200);
        client.forget();
        // Nothing comes between two answers now.
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(client.ask("GET_PARAMETER", "", "").status, 200);
        assert_eq!(client.forget(), 0, "packets after PAUSE");
    }
    assert_eq!(client.ask("TEARDOWN", "", "").status, 200);
    assert_eq!(client.ask("PLAY", "", "").status, 454);
}

#[test]
fn a_report_tells_when_it_was_by_the_wall_clock_and_a_bye_ends_it() {
    let server = serve();
    let mut client = Client::connect(server.rtsp(), "cam2");
    client.play();
    let report = client.packet(1).data;
    assert_eq!(report[..4], [0x80, 200, 0, 6]);
    let ntp = u64::from(u32::from_be_bytes(report[8..12].try_into().unwrap())) - 2_208_988_800;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(ntp) <= 20, "{ntp} and {now}");
    assert!(report.windows(6).any(|window| window == b"\x01\x04cam2"), "the canonical name");
    assert_eq!(client.ask("TEARDOWN", "", "").status, 200);
    let bye = client.packet(1).data;
    assert!(bye.windows(2).any(|two| two == [0x81, 203]), "{bye:?}");
}

#[test]
fn datagrams_come_from_the_ports_that_were_told_and_only_to_whoever_asked() {
    let server = serve();
    let (rtp, rtcp) = ports();
    let port = rtp.local_addr().unwrap().port();
    let mut client = Client::connect(server.rtsp(), "cam2");
    let transport = format!("Transport: RTP/AVP;unicast;destination=127.0.0.9;client_port={port}-{}\r\n", port + 1);
    let set_up = client.ask("SETUP", "/streamid=0", &transport);
    let answer = set_up.header("Transport").unwrap().to_owned();
    let from: u16 = answer.split("server_port=").nth(1).unwrap().split('-').next().unwrap().parse().unwrap();
    assert_eq!(client.ask("PLAY", "", "").status, 200);
    let mut datagram = [0; 2048];
    let (length, sender) = rtp.recv_from(&mut datagram).unwrap();
    assert!(length > 12 && datagram[0] == 0x80 && datagram[1] & 0x7F == 96);
    assert_eq!((sender.port(), from % 2), (from, 0));
    let (length, sender) = rtcp.recv_from(&mut datagram).unwrap();
    assert!(length >= 28 && datagram[1] == 200 && sender.port() == from + 1);
    let clients = eventually("the client in the table", || {
        let status = server.status();
        status["clients"].as_array().filter(|clients| !clients.is_empty()).cloned()
    });
    assert_eq!((&clients[0]["format"], &clients[0]["source"]), (&"rtspu".into(), &"cam2".into()));
}

#[test]
fn a_session_by_udp_lives_by_reports_and_ends_without_them() {
    let clip = format!("cam2={}", H264.path().display());
    let server = Server::start(["--rtsp=127.0.0.1:0", "--rtsp-timeout=2s", &clip]);
    let play = || {
        let (rtp, rtcp) = ports();
        let port = rtp.local_addr().unwrap().port();
        let mut client = Client::connect(server.rtsp(), "cam2");
        let set_up = client.ask(
            "SETUP",
            "/streamid=0",
            &format!("Transport: RTP/AVP;unicast;client_port={port}-{}\r\n", port + 1),
        );
        assert!(set_up.header("Session").unwrap().ends_with(";timeout=2"), "{}", set_up.head);
        client.ask("PLAY", "", "");
        let (_, sender) = rtcp.recv_from(&mut [0; 2048]).unwrap();
        (client, rtp, rtcp, sender)
    };
    let (mut silent, _rtp, rtcp, _) = play();
    let (mut alive, _alive_rtp, alive_rtcp, sender) = play();
    // An empty receiver report, again and again, until the silent one has been told the end.
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                alive_rtcp.send_to(&[0x80, 201, 0, 1, 0, 0, 0, 0], sender).unwrap();
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        let mut datagram = [0; 2048];
        let bye = loop {
            let length = rtcp.recv(&mut datagram);
            if !length.as_ref().is_ok_and(|length| !datagram[..*length].windows(2).any(|two| two == [0x81, 203])) {
                break length;
            }
        };
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        bye.expect("a BYE");
    });
    let mut end = Vec::new();
    let read = std::io::Read::read_to_end(&mut silent.socket, &mut end);
    assert!(read.is_ok() && end.is_empty(), "the connection is closed without a word");
    assert_eq!(alive.ask("GET_PARAMETER", "", "").status, 200, "the other one plays on");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = serve();
    let mut client = Client::connect(server.rtsp(), "cam2");
    for (method, rest, headers) in [("OPTIONS", "", ""), ("DESCRIBE", "", ""), ("SETUP", "/streamid=0", TCP)] {
        client.say(method, rest, headers);
    }
    let replies: Vec<_> = (0..3).map(|_| client.reply()).collect();
    let numbers: Vec<_> = replies.iter().map(|reply| (reply.status, reply.header("CSeq").unwrap())).collect();
    assert_eq!(numbers, [(200, "1"), (200, "2"), (200, "3")]);
    assert_eq!(client.ask("PLAY", "", "").status, 200);
}

#[test]
fn what_cannot_be_sent_is_refused_with_the_reason() {
    let server = Server::start(["--rtsp=127.0.0.1:0".to_owned(), format!("cam2={}", MJPEG.path().display())]);
    let refused = Client::connect(server.rtsp(), "cam2").ask("DESCRIBE", "", "");
    assert_eq!(refused.status, 415);
    assert!(refused.body.contains("Huffman tables of its own"), "{}", refused.body);
    let server = Server::start(["--rtsp=127.0.0.1:0", "cam2=http://127.0.0.1:1/"]);
    assert_eq!(Client::connect(server.rtsp(), "cam2").ask("DESCRIBE", "", "").status, 503);
}

#[test]
fn a_hundred_clients_play_at_once_each_every_packet() {
    let server = serve();
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let mut client = Client::connect(server.rtsp(), "cam2");
                client.play();
                let numbers: Vec<_> = (0..60).map(|_| client.packet(0).sequence()).collect();
                assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{numbers:?}");
            });
        }
        eventually("a hundred clients in the table", || {
            (server.status()["clients"].as_array()?.len() == 100).then_some(())
        });
    });
    assert_eq!(server.source("cam2")["reconnects"], 0, "one connection for all");
}

#[test]
fn a_reader_that_was_slow_goes_on_with_what_is_new_and_sees_no_gap() {
    // Every picture can be joined at, and some seconds of them fit nowhere.
    let clip = made("large.avi", |out| {
        let mut ffmpeg = tool("ffmpeg");
        ffmpeg.args([
            "-nostdin",
            "-v",
            "error",
            "-y",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=1280x720:rate=25:duration=2",
        ]);
        ffmpeg.args(["-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-q:v", "2", "-huffman", "default"]);
        run(ffmpeg.arg(out)).succeeded();
    });
    let clip = format!("cam2={}", clip.display());
    let server = Server::start(["--rtsp=127.0.0.1:0", &clip]);
    let mut client = Client::connect(server.rtsp(), "cam2");
    // Little fits into the buffers on the way.
    socket_with_little_room(&client);
    client.play();
    let mut before = client.packet(0);
    // Until nothing more fits between the relay and a client that reads nothing.
    let mut sent = 0;
    eventually("a full connection", || {
        std::thread::sleep(Duration::from_millis(500));
        let now = server.status()["clients"][0]["bytes"].as_u64().unwrap();
        (std::mem::replace(&mut sent, now) == now).then_some(())
    });
    let (memory, seen) = (server.memory(), server.source("cam2")["pictures"].as_u64().unwrap());
    server.wait_for("cam2", "two seconds further", |cam| cam["pictures"].as_u64().unwrap() > seen + 50);
    let mut jumps = 0;
    for _ in 0..10_000 {
        let packet = client.packet(0);
        assert_eq!(packet.sequence(), before.sequence().wrapping_add(1), "numbers go on");
        let ticks = packet.timestamp().wrapping_sub(before.timestamp());
        jumps += usize::from(ticks > 45_000);
        before = packet;
        if jumps > 0 {
            break;
        }
    }
    assert!(jumps > 0, "time goes on without what was missed");
    assert!(server.status()["clients"][0]["dropped"].as_u64().unwrap() > 20);
    assert!(server.memory() < memory + (32 << 20));
}

/// The kernel's own limit of what waits for a reader.
fn socket_with_little_room(client: &Client) {
    rustix::net::sockopt::set_socket_recv_buffer_size(&client.socket, 16 << 10).unwrap();
}

#[test]
fn a_group_is_sent_to_and_told_of_by_rtsp_and_http() {
    let (rtp, rtcp) = ports();
    let port = rtp.local_addr().unwrap().port();
    drop((rtp, rtcp));
    let group = Ipv4Addr::new(239, 255, 77, 7);
    // A TTL of 0: nothing leaves this machine.
    let multicast = format!("--multicast=cam2={group}:{port}/0");
    let clip = format!("cam2={}", H264.path().display());
    let server = Server::start(["--rtsp=127.0.0.1:0", &multicast, &clip]);
    let listener = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
    listener.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
    listener.set_read_timeout(Some(SOON)).unwrap();
    let mut datagram = [0; 2048];
    let mut next = || {
        let length = listener.recv(&mut datagram).unwrap();
        assert!(length > 12 && datagram[0] == 0x80);
        u16::from_be_bytes([datagram[2], datagram[3]])
    };
    let first = next();
    assert!((1..=20).all(|step| next() == first.wrapping_add(step)), "one sender");
    let sdp = server.get("/cam2.sdp");
    assert_eq!((sdp.status, sdp.header("content-type")), (200, "application/sdp"));
    let text = sdp.text();
    assert!(text.contains(&format!("c=IN IP4 {group}/0\r\n")), "{text}");
    assert!(text.contains(&format!("m=video {port} RTP/AVP 96\r\n")), "{text}");
    let mut client = Client::connect(server.rtsp(), "cam2");
    let set_up = client.ask("SETUP", "/streamid=0", "Transport: RTP/AVP;multicast\r\n");
    let told = format!("RTP/AVP;multicast;destination={group};port={port}-{};ttl=0", port + 1);
    assert_eq!(set_up.header("Transport"), Some(&*told));
    assert_eq!(client.ask("PLAY", "", "").status, 200);
    // Others have none.
    let other = serve();
    let refused = Client::connect(other.rtsp(), "cam2").ask("SETUP", "/streamid=0", "Transport: RTP/AVP;multicast\r\n");
    assert_eq!((refused.status, other.get("/cam2.sdp").status), (461, 404));
}

const CONFIGURATION: &str = "HTTPPort 8090\nRTSPPort 5554\nMaxClients 2\nMaxBandwidth 1000000\n\
    <Feed cam2.ffm>\nSource pattern:?size=320x240&fps=10\n</Feed>\n\
    <Stream cam2.mpg>\nFeed cam2.ffm\nFormat rtp\nACL allow 127.0.0.1\n</Stream>\n\
    <Stream secret.mpg>\nFeed cam2.ffm\nFormat rtp\nACL allow 127.0.0.77\n</Stream>\n\
    <Stream cam2.mjpeg>\nFeed cam2.ffm\nFormat mpjpeg\n</Stream>\n";

#[test]
fn a_configuration_is_served_by_its_rules_limits_and_names() {
    let folder = folder("rtsp-configured");
    let (file, log) = (folder.join("ffserver.conf"), folder.join("log"));
    std::fs::write(&file, format!("CustomLog {}\n{CONFIGURATION}", log.display())).unwrap();
    let mut command = headwater();
    command.args(["serve", "--listen=127.0.0.1:0", "--rtsp=127.0.0.1:0", "--file"]).arg(&file);
    let server = Server::run(command);
    let connect = |name: &str| Client::connect(server.rtsp(), name);
    // Denied, of another format, not there: all the same.
    let refused: Vec<_> = ["secret.mpg", "cam2.mjpeg", "nope.mpg"]
        .map(|name| connect(name).ask("DESCRIBE", "", ""))
        .map(|reply| (reply.head, reply.body))
        .into();
    assert!(refused[0].0.contains(" 404 ") && refused.iter().all(|reply| *reply == refused[0]), "{refused:?}");
    let mut clients: Vec<_> = (0..2).map(|_| connect("cam2.mpg")).collect();
    clients.iter_mut().for_each(|client| _ = client.play());
    assert!(clients[0].packet(0).data.len() > 20);
    let mut third = connect("cam2.mpg");
    third.ask("SETUP", "/streamid=0", TCP);
    let full = third.ask("PLAY", "", "");
    assert_eq!(full.status, 453);
    assert_eq!(clients[1].ask("TEARDOWN", "", "").status, 200);
    assert_eq!(
        eventually("a place", || Some(third.ask("PLAY", "", "")).filter(|reply| reply.status == 200)).status,
        200
    );
    // What was played is logged with its bytes.
    let line =
        eventually("a line in the log", || std::fs::read_to_string(&log).ok().filter(|log| log.contains("PLAY")));
    assert!(line.contains("[PLAY] \"/cam2.mpg RTSP/1.0\" 200 "), "{line}");
    // Its description by HTTP, under the name without the ending.
    let sdp = server.get("/cam2.sdp");
    assert_eq!((sdp.status, sdp.header("content-type")), (200, "application/sdp"));
    assert!(sdp.text().contains("m=video 0 RTP/AVP 26\r\n"), "{}", sdp.text());
    assert_eq!(server.get("/secret.sdp").status, 404);
    // A reload without the stream ends those who play it.
    std::fs::write(&file, CONFIGURATION.replace("cam2.mpg", "other.mpg")).unwrap();
    server.signal(rustix::process::Signal::HUP);
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut clients[0].socket, &mut rest).unwrap();
    assert!(rest.windows(2).any(|two| two == [0x81, 203]), "a BYE");
    assert_eq!(connect("other.mpg").ask("DESCRIBE", "", "").status, 200);
}

#[test]
fn a_stream_of_a_configuration_goes_to_its_group() {
    let (rtp, rtcp) = ports();
    let port = rtp.local_addr().unwrap().port();
    drop((rtp, rtcp));
    let group = Ipv4Addr::new(239, 255, 77, 8);
    let folder = folder("rtsp-group");
    let file = folder.join("ffserver.conf");
    // A TTL of 0: nothing leaves this machine.
    let text = format!(
        "HTTPPort 8090\nRTSPPort 5554\n<Stream film.sdp>\nFile {}\nFormat rtp\nMulticastAddress {group}\n\
         MulticastPort {port}\nMulticastTTL 0\n</Stream>\n",
        H264.path().display()
    );
    std::fs::write(&file, text).unwrap();
    let mut command = headwater();
    command.args(["serve", "--listen=127.0.0.1:0", "--rtsp=127.0.0.1:0", "--file"]).arg(&file);
    let server = Server::run(command);
    let listener = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
    listener.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
    listener.set_read_timeout(Some(SOON)).unwrap();
    let mut datagram = [0; 2048];
    let first = listener.recv(&mut datagram).unwrap();
    assert!(first > 12 && datagram[0] == 0x80 && datagram[1] & 0x7F == 96);
    let sdp = server.get("/film.sdp");
    assert_eq!(sdp.status, 200, "{}", sdp.text());
    assert!(sdp.text().contains(&format!("c=IN IP4 {group}/0\r\n")), "{}", sdp.text());
    let mut client = Client::connect(server.rtsp(), "film.sdp");
    let set_up = client.ask("SETUP", "/streamid=0", "Transport: RTP/AVP;multicast\r\n");
    assert!(set_up.header("Transport").unwrap().contains(&format!("destination={group};port={port}-")));
}
