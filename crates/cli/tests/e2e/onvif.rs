//! `onvif://`: cameras that say themselves where their stream is, right or wrong.

use serde_json::Value;

use crate::harness::clips::H264;
use crate::harness::onvif::{Hostile, Manner, Onvif};
use crate::harness::server::headwater;
use crate::harness::{Camera, Server, camera, number, run};

/// A real RTSP stream with numbered pictures, and what a camera says of it.
fn relay() -> (Server, String) {
    let server = Server::start(["--rtsp=127.0.0.1:0".to_owned(), format!("main={}", H264.path().display())]);
    let stream = format!("rtsp://0.0.0.0:{}/main", server.rtsp().port());
    (server, stream)
}

fn doctor(url: &str) -> (Option<i32>, Value) {
    let output = run(headwater().args(["doctor", "--json", "--timeout", "10s", "--watch", "1s", url]));
    let json = serde_json::from_slice(&output.out).unwrap_or_else(|error| panic!("{error}: {}", output.err));
    (output.status.code(), json)
}

fn step<'a>(json: &'a Value, name: &str) -> &'a Value {
    let steps = json["steps"].as_array().unwrap();
    steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name}: {json:#}"))
}

fn codes(json: &Value) -> Vec<&str> {
    json["verdicts"].as_array().unwrap().iter().map(|verdict| verdict["code"].as_str().unwrap()).collect()
}

#[test]
fn a_camera_with_a_wrong_clock_a_login_and_no_address_is_played_picture_by_picture() {
    let (_relay, stream) = relay();
    let onvif =
        Onvif::start(Manner { stream, login: Some(("admin", "p@ss/w:rd#1")), ahead: -86_400, ..Manner::default() });
    let server = Server::start([format!("front={}", onvif.url("admin:p@ss/w:rd#1@", ""))]);
    let parts = server.stream("/front.mjpeg").parts(20);
    let numbers: Vec<_> = parts.iter().map(|part| number(&part.data).unwrap()).collect();
    let steps: Vec<_> =
        numbers.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).rem_euclid(50)).collect();
    assert!(steps.iter().all(|step| *step >= 1), "{numbers:?}");
    assert_eq!(
        onvif.asked(),
        ["GetSystemDateAndTime", "GetServices", "GetDeviceInformation", "GetProfiles", "GetStreamUri"]
    );
    assert!(!server.log().contains("p@ss") && !server.log().contains("p%40ss"), "{}", server.log());
}

#[test]
fn the_doctor_shows_each_step_and_the_clock() {
    let (_relay, stream) = relay();
    let onvif = Onvif::start(Manner { stream, login: Some(("admin", "pw")), ahead: 3600, ..Manner::default() });
    let (status, json) = doctor(&onvif.url("admin:pw@", ""));
    assert_eq!(status, Some(0), "{json:#}");
    let told = step(&json, "ONVIF")["what"].as_str().unwrap();
    for part in [
        "s ahead of ours",
        "Acme Q7",
        "of 2 profiles \"main\" H264 1920x1080",
        "it says 0.0.0.0",
        "its stream is at rtsp://127.0.0.1:",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(codes(&json).contains(&"clock-off"), "{json:#}");
    assert!(!json.to_string().contains("Security"), "the login is not told: {json:#}");
}

#[test]
fn a_wrong_password_and_a_missing_one_are_told() {
    let onvif = Onvif::start(Manner { login: Some(("admin", "pw")), ..Manner::default() });
    for (user, code) in [("admin:wrong@", "login-refused"), ("", "login-wanted")] {
        let (status, json) = doctor(&onvif.url(user, ""));
        assert_eq!(
            (status, codes(&json)[0], &step(&json, "ONVIF")["outcome"]),
            (Some(3), code, &Value::from("bad")),
            "{json:#}"
        );
    }
}

#[test]
fn an_old_camera_that_wants_https_own_digest_gives_its_stream_too() {
    let (_relay, stream) = relay();
    let manner =
        Manner { stream, digest: Some(("admin", "pw")), login: Some(("admin", "pw")), old: true, ..Manner::default() };
    let onvif = Onvif::start(manner);
    let (status, json) = doctor(&onvif.url("admin:pw@", "?stream=sub"));
    assert_eq!(status, Some(0), "{json:#}");
    assert_eq!(onvif.last("GetStreamUri").text_at(&["ProfileToken"]), Some("sub"));
    assert!(onvif.asked().contains(&"GetCapabilities".to_owned()));
}

#[test]
fn a_profile_is_chosen_by_its_name_and_one_that_is_not_there_is_told() {
    let (_relay, stream) = relay();
    let onvif = Onvif::start(Manner { stream, ..Manner::default() });
    assert_eq!(doctor(&onvif.url("", "/sub")).0, Some(0));
    assert_eq!(onvif.last("GetStreamUri").text_at(&["ProfileToken"]), Some("sub"));
    let (status, json) = doctor(&onvif.url("", "/nine"));
    assert_eq!((status, codes(&json)[0]), (Some(3), "path-unknown"), "{json:#}");
    assert!(json["verdicts"][0]["sentence"].as_str().unwrap().contains("it has \"main\" H264 1920x1080, \"sub\""));
}

#[test]
fn snapshots_are_fetched_from_where_the_camera_says() {
    let camera = Camera::start(camera::Manner::Pictures { fps: 10 });
    let snapshot = camera.url().replace("127.0.0.1", "0.0.0.0");
    let onvif = Onvif::start(Manner { snapshot, ..Manner::default() });
    let (status, json) = doctor(&onvif.url("", "?snapshot"));
    assert_eq!(status, Some(0), "{json:#}");
    assert!(step(&json, "ONVIF")["what"].as_str().unwrap().contains("snapshots at http://127.0.0.1:"), "{json:#}");
}

#[test]
fn what_a_hostile_camera_answers_is_refused_within_its_bounds() {
    for (hostile, part) in [
        (Hostile::Gigabyte, "answers with 1073741824 bytes"),
        (Hostile::Endless, "at most 1048576 are read"),
        (Hostile::Bomb, "a document type"),
        (Hostile::Headers, "header"),
        (Hostile::File, "file"),
    ] {
        let onvif = Onvif::start(Manner { hostile: Some(hostile), ..Manner::default() });
        let (status, json) = doctor(&onvif.url("", ""));
        let told = json["verdicts"][0]["sentence"].as_str().unwrap().to_lowercase();
        assert!(status == Some(3) && told.contains(part), "{hostile:?}: {json:#}");
    }
}

#[test]
fn an_address_that_is_no_stream_is_not_opened() {
    for stream in ["file:///etc/passwd", "pattern:", "mms://127.0.0.1/x"] {
        let onvif = Onvif::start(Manner { stream: stream.into(), ..Manner::default() });
        let (status, json) = doctor(&onvif.url("", ""));
        let told = json["verdicts"][0]["sentence"].as_str().unwrap();
        assert!(
            status == Some(3) && (told.contains("not opened") || told.contains("names no address")),
            "{stream}: {json:#}"
        );
    }
}

#[test]
fn a_makers_url_is_opened_as_what_it_becomes() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (status, json) = doctor(&format!("hikvision://admin:hunter2@{closed}?channel=2&stream=sub"));
    assert_eq!((status, codes(&json)[0]), (Some(3), "port-closed"), "{json:#}");
    let told = step(&json, "URL")["what"].as_str().unwrap();
    assert!(
        told.starts_with("Hikvision, HiLook: becomes rtsp, host 127.0.0.1") && told.contains("/Streaming/Channels/202"),
        "{told}"
    );
    assert!(!json.to_string().contains("hunter2"));
}
