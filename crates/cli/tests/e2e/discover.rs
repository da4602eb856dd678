//! `headwater discover` and `headwater ptz`.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::harness::onvif::{Manner, Onvif, Probed};
use crate::harness::server::headwater;
use crate::harness::tools::{Output, folder};
use crate::harness::{Camera, Server, camera, run};

fn discover(args: &[&str]) -> (Output, Value) {
    let output = run(headwater().args(["discover", "--json", "--timeout", "2s"]).args(args));
    let json = serde_json::from_slice(&output.out).unwrap_or_else(|error| panic!("{error}: {}", output.err));
    (output, json)
}

#[test]
fn a_camera_that_answers_a_probe_is_listed_with_its_streams() {
    let stream = "rtsp://0.0.0.0:8554/{token}".to_owned();
    let onvif = Onvif::start(Manner { stream, login: Some(("admin", "pw")), ahead: 60, ..Manner::default() });
    let probed = Probed::start(onvif.address, "Front%20Door");
    let host = probed.address.to_string();
    let (output, json) = discover(&[&host, "--user", "admin", "--password", "pw"]);
    let found = json["found"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{json:#}");
    assert_eq!(found[0]["url"], format!("onvif://{}", onvif.address));
    assert_eq!((&found[0]["what"], &found[0]["name"]), (&"Acme Q7".into(), &"Front Door".into()));
    let streams: Vec<_> = found[0]["streams"].as_array().unwrap().iter().map(|s| s["url"].as_str().unwrap()).collect();
    assert_eq!(streams, ["rtsp://127.0.0.1:8554/main", "rtsp://127.0.0.1:8554/sub"]);
    assert!(found[0]["trouble"].as_str().unwrap().starts_with("its clock is"), "{json:#}");
    assert_eq!(output.status.code(), Some(0));
    assert!(!output.text().contains("pw"));

    let text = run(headwater().args(["discover", "--timeout", "2s", &host])).succeeded().text();
    assert!(text.starts_with(&format!("ONVIF    onvif://{}", onvif.address)), "{text}");
    assert!(text.contains("Q7, Front Door") && text.contains("it wants a login"), "{text}");
}

#[test]
fn the_lists_of_other_relays_become_urls() {
    for (body, by, url) in [
        (r#"{"front door": {"producers": [], "consumers": null}}"#, "go2rtc", "rtsp://127.0.0.1:8554/front%20door"),
        (r#"{"itemCount": 1, "items": [{"name": "cam/1", "ready": true}]}"#, "MediaMTX", "rtsp://127.0.0.1:8554/cam/1"),
    ] {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let relay = Camera::start(camera::Manner::Says(answer.into_bytes()));
        let (_, json) = discover(&[&format!("http://{}", relay.address)]);
        assert_eq!((&json["found"][0]["by"], &json["found"][0]["url"]), (&by.into(), &url.into()), "{json:#}");
    }
}

#[test]
fn who_does_not_answer_is_told_with_what_may_be_the_cause() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (output, json) = discover(&[&format!("http://{closed}")]);
    assert_eq!((output.status.code(), &json["found"]), (Some(3), &Value::Array(Vec::new())));
    assert!(output.err.contains("connection refused") && output.err.contains("Nothing was found."), "{}", output.err);
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (output, json) = discover(&[&silent.local_addr().unwrap().to_string()]);
    assert_eq!((output.status.code(), &json["asked"][0]["answers"]), (Some(3), &0.into()), "{json:#}");
}

#[test]
fn a_whole_network_is_searched_by_every_way_there_is() {
    let (output, json) = discover(&["--interface", "lo"]);
    let asked: Vec<_> = json["asked"].as_array().unwrap().iter().map(|asked| asked["what"].as_str().unwrap()).collect();
    assert!(asked.iter().any(|what| what.starts_with("WS-Discovery on lo (127.0.0.1)")), "{json:#}");
    assert!(asked.contains(&"mDNS") && asked.contains(&"webcams of this machine"), "{json:#}");
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", output.err);
}

fn ptz(url: &str, args: &[&str]) -> Output {
    run(headwater().args(["ptz", url, "--for", "100ms"]).args(args))
}

#[test]
fn a_camera_is_moved_and_stopped() {
    let onvif = Onvif::start(Manner { login: Some(("admin", "pw")), ahead: -7200, ..Manner::default() });
    let url = onvif.url("admin:pw@", "");
    ptz(&url, &["left", "--speed", "0.25"]).succeeded();
    let order = onvif.last("ContinuousMove");
    assert_eq!(order.at(&["Velocity", "PanTilt"]).unwrap().attribute("x"), Some("-0.25"));
    assert_eq!(order.text_at(&["Timeout"]), Some("PT0.100S"));
    assert_eq!(onvif.asked().last().unwrap(), "Stop", "{:?}", onvif.asked());
    ptz(&url, &["preset", "yard"]).succeeded();
    assert_eq!(onvif.last("GotoPreset").text_at(&["PresetToken"]), Some("8"));
    ptz(&url, &["to", "-0.5", "1", "0"]).succeeded();
    assert_eq!(onvif.last("AbsoluteMove").at(&["Position", "PanTilt"]).unwrap().attribute("x"), Some("-0.5"));
    for (order, name) in [("home", "GotoHomePosition"), ("stop", "Stop"), ("zoom-in", "ContinuousMove")] {
        ptz(&url, &[order]).succeeded();
        onvif.last(name);
    }
    assert!(onvif.last("ContinuousMove").at(&["Velocity", "PanTilt"]).is_none());
    assert_eq!(ptz(&url, &["presets"]).succeeded().text(), "7            Gate\n8            Yard\n");
    assert_eq!(ptz(&url, &[]).succeeded().text(), "pan 0.25, tilt -0.5, zoom 0; pan and tilt idle\n");
}

#[test]
fn what_cannot_be_moved_is_told() {
    let onvif = Onvif::start(Manner { login: Some(("admin", "pw")), ..Manner::default() });
    let refused = ptz(&onvif.url("admin:hunter2@", ""), &["left"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(refused.err.contains("refuses the user given") && !refused.err.contains("hunter2"), "{}", refused.err);
    let unknown = ptz(&onvif.url("admin:pw@", ""), &["preset", "roof"]);
    assert!(unknown.status.code() == Some(2) && unknown.err.contains("there are: Gate, Yard"), "{}", unknown.err);
    // What no camera has is refused before one is asked.
    for args in [&["to", "2", "0", "0"][..], &["to", "0", "0", "-0.1"], &["by", "0", "nan"], &["left", "--speed", "2"]]
    {
        let asked = onvif.asked().len();
        let refused = ptz(&onvif.url("admin:pw@", ""), args);
        assert_eq!((refused.status.code(), onvif.asked().len()), (Some(2), asked), "{args:?}: {}", refused.err);
        assert!(refused.err.contains("expected a number from"), "{args:?}: {}", refused.err);
    }
    let web = Camera::start(camera::Manner::Says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let web = ptz(&web.url().replace("http://", "onvif://"), &["left"]);
    assert!(
        web.err.contains("no ONVIF service on port") && web.err.contains("a web server answers with 404"),
        "{}",
        web.err
    );
    let other = ptz("rtsp://10.0.0.7/x", &["left"]);
    assert_eq!(other.status.code(), Some(2));
    assert!(other.err.contains("is no URL of an ONVIF camera"), "{}", other.err);
}

/// The status of a POST, and what is said.
fn post(server: &Server, path: &str, more: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(server.address).unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nHost: relay\r\nContent-Length: 0\r\nConnection: close\r\n{more}\r\n");
    socket.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    (answer[9..12].parse().unwrap(), answer)
}

#[test]
fn a_relay_moves_a_camera_only_where_it_is_let() {
    let onvif = Onvif::start(Manner { login: Some(("admin", "pw")), ..Manner::default() });
    let front = format!("front={}", onvif.url("admin:pw@", ""));
    let server = Server::start(["--ptz", &front, "test=pattern:"]);
    assert_eq!(post(&server, "/front/ptz?order=up&ms=50&speed=1", "").0, 204);
    assert_eq!(onvif.last("ContinuousMove").at(&["Velocity", "PanTilt"]).unwrap().attribute("y"), Some("1"));
    assert_eq!(onvif.asked().last().unwrap(), "Stop");
    assert_eq!(post(&server, "/front/ptz?preset=gate", "").0, 204);
    let (status, presets) = post(&server, "/front/ptz?order=presets", "Origin: http://relay\r\n");
    assert!(status == 200 && presets.contains(r#""name":"Yard""#), "{presets}");
    for (path, more, expected) in [
        ("/front/ptz?order=left", "Origin: https://evil.example\r\n", 403),
        ("/front/ptz?order=jump", "", 400),
        ("/front/ptz?preset=roof", "", 404),
        ("/test/ptz?order=left", "", 400),
        ("/nope/ptz?order=left", "", 405),
    ] {
        let (status, answer) = post(&server, path, more);
        assert_eq!(status, expected, "{path}: {answer}");
    }
    assert_eq!(server.get("/front/ptz?order=left").status, 405);
    // One whose pictures come from elsewhere is moved where its key says, and no other one.
    let file = folder("ptz-key").join("headwater.toml");
    let url = onvif.url("admin:pw@", "");
    let text = format!(
        "[[source]]\nname = \"gate\"\nurl = \"pattern:\"\nptz = \"{url}\"\n[[source]]\nname = \"well\"\nurl = \"{url}\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let keyed = Server::start(["--file", file.to_str().unwrap()]);
    assert_eq!(post(&keyed, "/gate/ptz?order=down&ms=50", "").0, 204, "{}", keyed.log());
    assert_eq!(onvif.last("ContinuousMove").at(&["Velocity", "PanTilt"]).unwrap().attribute("y"), Some("-0.5"));
    assert_eq!(post(&keyed, "/well/ptz?order=down", "").0, 403);
    let closed = Server::start([&front]);
    assert_eq!(post(&closed, "/front/ptz?order=left", "").0, 403);
}
