use super::*;
use crate::{Chosen, Error, Status};

const SDP: &str = "v=0\r\n";
const TCP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
const UDP: &str = "Transport: RTP/AVP;unicast;client_port=4588-4589\r\n";

fn server(now: Instant) -> Server {
    Server::new(ServerConfig { random: [0xAB; 16], ..ServerConfig::default() }, now)
}

fn request(method: &str, url: &str, headers: &str) -> String {
    format!("{method} rtsp://host/{url} RTSP/1.0\r\nCSeq: 7\r\n{headers}\r\n")
}

const ID: &str = "Session: ABABABABABABABABABABABABABABABAB\r\n";

/// A host that has `cam2` with two tracks, on a connection.
struct Host {
    server: Server,
    said: String,
    events: Vec<ServerEvent>,
    end: Option<Error>,
}

impl Host {
    fn new(now: Instant) -> Self {
        Self { server: server(now), said: String::new(), events: Vec::new(), end: None }
    }

    fn hear(&mut self, now: Instant, bytes: &[u8]) {
        if self.end.is_none() {
            self.end = self.server.handle_bytes(now, bytes).err();
        }
        self.turn(now);
    }

    fn turn(&mut self, now: Instant) {
        while let Some(event) = self.server.poll_event() {
            self.events.push(event.clone());
            match event {
                ServerEvent::Describe { path } if path == "cam2" => self.server.describe(now, SDP),
                ServerEvent::Describe { .. } => self.server.refuse(now, Status::NotFound, "no such stream"),
                ServerEvent::SetUp { track, offers, .. } => {
                    let way = match offers[0] {
                        Offer::Tcp { channels } => Chosen::Tcp { channels: channels.unwrap_or((0, 1)) },
                        Offer::Udp { client } => Chosen::Udp { client, server: (6000, 6001) },
                        Offer::Multicast => {
                            Chosen::Multicast { group: [239, 0, 0, 1].into(), ports: (6000, 6001), ttl: 0 }
                        }
                    };
                    self.server.set_up(now, track.unwrap_or(0), way, 0xA1B2_C3D4);
                }
                ServerEvent::Play => {
                    let begin = RtpInfo { track: 0, sequence: Some(9810), timestamp: 3_450_012 };
                    self.server.play(now, &[begin, RtpInfo { track: 1, sequence: None, timestamp: 5 }]);
                }
                _ => {}
            }
        }
        while let Some(bytes) = self.server.poll_transmit() {
            self.said += &String::from_utf8_lossy(&bytes);
        }
    }

    /// What is said to `text`.
    fn ask(&mut self, text: &str) -> String {
        self.said.clear();
        self.hear(crate::fuzz::epoch(), text.as_bytes());
        std::mem::take(&mut self.said)
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("")
}

#[test]
fn a_stream_is_described_set_up_played_paused_and_torn_down() {
    let mut host = Host::new(crate::fuzz::epoch());
    let public = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER\r\n";
    assert!(host.ask("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n").contains(public));
    let described = host.ask(&request("DESCRIBE", "cam2", "Accept: application/sdp\r\nUser-Agent: VLC\r\n"));
    assert!(described.starts_with("RTSP/1.0 200 OK\r\n") && described.ends_with("\r\n\r\nv=0\r\n"), "{described}");
    assert!(described.contains("Content-Base: rtsp://host/cam2/\r\n") && described.contains("CSeq: 7\r\n"));
    assert_eq!(host.server.agent(), "VLC");
    let set_up = host.ask(&request("SETUP", "cam2/streamid=0", TCP));
    let session = "Session: ABABABABABABABABABABABABABABABAB;timeout=60\r\n";
    assert!(set_up.contains("Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=A1B2C3D4\r\n"), "{set_up}");
    assert!(set_up.contains(session), "{set_up}");
    let second = host.ask(&request("SETUP", "cam2/streamid=1", &format!("{ID}{TCP}")));
    assert!(second.contains(session), "one session has several tracks: {second}");
    assert_eq!(host.server.tracks().map(|(track, _)| track).collect::<Vec<_>>(), [0, 1]);
    let played = host.ask(&request("PLAY", "cam2/", &format!("{ID}Range: npt=0.000-\r\n")));
    let info = "RTP-Info: url=rtsp://host/cam2/streamid=0;seq=9810;rtptime=3450012,\
                url=rtsp://host/cam2/streamid=1;rtptime=5\r\n";
    assert!(played.contains(info) && played.contains("Range: npt=now-\r\n"), "{played}");
    assert!(host.server.is_playing());
    assert_eq!(status(&host.ask(&request("GET_PARAMETER", "cam2", ID))), "200");
    assert_eq!(status(&host.ask(&request("PAUSE", "cam2", ID))), "200");
    assert!(!host.server.is_playing());
    assert_eq!(status(&host.ask(&request("PLAY", "cam2", ID))), "200");
    assert_eq!(status(&host.ask(&request("TEARDOWN", "cam2", ID))), "200");
    let kinds = [ServerEvent::Play, ServerEvent::Pause, ServerEvent::Play, ServerEvent::TornDown];
    assert_eq!(host.events[3..], kinds);
    assert_eq!(status(&host.ask(&request("PLAY", "cam2", ID))), "454");
    // The connection serves another one after it.
    assert_eq!(status(&host.ask(&request("SETUP", "cam2/streamid=0", UDP))), "200");
}

#[test]
fn what_cannot_be_is_answered_with_the_reason() {
    let mut host = Host::new(crate::fuzz::epoch());
    let udp_only = request("SETUP", "cam2/streamid=0", "Transport: RAW/RAW/UDP;unicast\r\n");
    for (text, expected) in [
        (request("DESCRIBE", "nope", ""), "404"),
        (request("DESCRIBE", "%zz", ""), "400"),
        ("DESCRIBE * RTSP/1.0\r\nCSeq: 1\r\n\r\n".into(), "400"),
        ("OPTIONS * RTSP/1.0\r\n\r\n".into(), "400"),
        ("OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n".into(), "505"),
        (request("RECORD", "cam2", ""), "405"),
        (request("FROBNICATE", "cam2", ""), "405"),
        (request("PLAY", "cam2", ""), "454"),
        (request("PAUSE", "cam2", ID), "454"),
        (request("TEARDOWN", "cam2", ""), "454"),
        (request("SETUP", "cam2", ""), "461"),
        (udp_only, "461"),
        (request("OPTIONS", "cam2", "Require: funky-feature\r\n"), "551"),
        (request("GET_PARAMETER", "cam2", "Content-Length: 8\r\n") + "jitter\r\n", "451"),
    ] {
        assert_eq!(status(&host.ask(&text)), expected, "{text}");
    }
    assert_eq!(status(&host.ask(&request("SETUP", "cam2", TCP))), "200");
    assert_eq!(status(&host.ask(&request("SETUP", "other", TCP))), "459");
    host.ask(&request("PLAY", "cam2", ID));
    assert_eq!(status(&host.ask(&request("SETUP", "cam2/streamid=1", TCP))), "455");
}

/// A whole conversation with interleaved data, empty lines and an answer of the client between.
fn script() -> Vec<u8> {
    let mut script = Vec::new();
    for part in [
        request("OPTIONS", "cam2", ""),
        request("DESCRIBE", "cam2", ""),
        "\r\n".into(),
        request("SETUP", "cam2/streamid=0", TCP),
        request("PLAY", "cam2", ID),
    ] {
        script.extend_from_slice(part.as_bytes());
    }
    script.extend_from_slice(b"$\x01\x00\x08\x81\xc9\x00\x01\x00\x00\x00\x00$\x03\x00\x00");
    script.extend_from_slice(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n");
    script.extend_from_slice(request("GET_PARAMETER", "cam2", ID).as_bytes());
    script.extend_from_slice(request("TEARDOWN", "cam2", ID).as_bytes());
    script
}

#[test]
fn slicing_of_the_input_never_matters() {
    let script = script();
    let now = crate::fuzz::epoch();
    let run = |size: usize| {
        let mut host = Host::new(now);
        script.chunks(size).for_each(|slice| host.hear(now, slice));
        assert_eq!(host.end, None);
        (host.said, host.events)
    };
    let whole = run(script.len());
    assert_eq!(whole.0.matches("RTSP/1.0 200 OK").count(), 6, "{}", whole.0);
    for size in 1..script.len() {
        assert_eq!(run(size), whole, "in slices of {size}");
    }
}

#[test]
fn requests_behind_one_that_waits_for_the_host_wait_too_and_are_bounded() {
    let now = crate::fuzz::epoch();
    let mut server = server(now);
    let pipelined = request("DESCRIBE", "cam2", "") + &request("OPTIONS", "cam2", "");
    server.handle_bytes(now, pipelined.as_bytes()).unwrap();
    assert!(server.poll_event().is_some() && server.poll_transmit().is_none());
    assert_eq!(server.poll_timeout(), None, "the client need not speak while the host thinks");
    server.describe(now, SDP);
    assert_eq!(std::iter::from_fn(|| server.poll_transmit()).count(), 2);
    server.handle_bytes(now, request("DESCRIBE", "cam2", "").as_bytes()).unwrap();
    let mut flood = std::iter::repeat_with(|| server.handle_bytes(now, &[b'x'; 4096]));
    let most = ServerConfig::default().waiting;
    assert_eq!(flood.position(|taken| taken.is_err()), Some(most / 4096));
}

#[test]
fn nonsense_and_endless_requests_end_the_connection_with_a_word() {
    for (bytes, expected) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "byte 0: expected an RTSP request"),
        (b"\x16\x03\x01\x02\x00\x01", "byte 0: expected an RTSP request"),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999999\r\n\r\n", ""),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: x\r\n\r\n", "byte 0"),
    ] {
        let mut host = Host::new(crate::fuzz::epoch());
        host.hear(crate::fuzz::epoch(), bytes);
        if expected.is_empty() {
            host.hear(crate::fuzz::epoch(), &[b'x'; 16 << 10]);
        }
        let end = host.end.expect("it ends").to_string();
        assert!(end.contains(expected), "{end}");
        assert_eq!(status(&host.said), "400");
    }
    let mut host = Host::new(crate::fuzz::epoch());
    let end = (0..1000).find_map(|_| {
        host.hear(crate::fuzz::epoch(), &[b'a'; 100]);
        host.end.clone()
    });
    assert_eq!(end.expect("it ends").to_string(), "byte 0: a request of more than 16384 bytes");
}

#[test]
fn a_session_by_udp_ends_at_its_deadline_unless_something_is_heard() {
    let began = crate::fuzz::epoch();
    let second = Duration::from_secs(1);
    let mut host = Host::new(began);
    for text in [request("SETUP", "cam2/streamid=0", UDP), request("PLAY", "cam2", ID)] {
        host.ask(&text);
    }
    host.server.handle_report(began + 50 * second);
    let due = host.server.poll_timeout().unwrap();
    assert_eq!(due, began + 110 * second);
    assert_eq!(host.server.handle_timeout(due - Duration::from_nanos(1)), Ok(()));
    host.hear(began + 100 * second, request("GET_PARAMETER", "cam2", ID).as_bytes());
    let due = host.server.poll_timeout().unwrap();
    assert_eq!(due, began + 160 * second);
    assert_eq!(host.server.handle_timeout(due).unwrap_err().to_string(), "no request within 60s");
    host.turn(due);
    assert_eq!(host.events.last(), Some(&ServerEvent::TornDown));
}

#[test]
fn a_session_over_its_connection_may_be_silent_while_it_plays_and_not_before() {
    let began = crate::fuzz::epoch();
    let mut host = Host::new(began);
    host.ask(&request("SETUP", "cam2/streamid=0", TCP));
    assert!(host.server.poll_timeout().is_some());
    host.ask(&request("PLAY", "cam2", ID));
    assert_eq!(host.server.poll_timeout(), None);
}
