//! `headwater doctor`: a verdict for each way in which a source can be ill.

use std::net::TcpListener;

use serde_json::Value;

use crate::harness::clips::{H264, MJPEG};
use crate::harness::server::headwater;
use crate::harness::tools::folder;
use crate::harness::{Camera, Manner, Server, run};

fn examine(url: &str, watch: &str) -> (Option<i32>, Value) {
    let args = ["doctor", "--json", "--timeout", "2s", "--gap-timeout", "2s", "--watch", watch, url];
    let output = run(headwater().args(args));
    let json = serde_json::from_slice(&output.out).unwrap_or_else(|error| panic!("{error}: {}", output.err));
    (output.status.code(), json)
}

/// The worst verdict, which must have an advice, and the step that failed.
#[track_caller]
fn verdict(url: &str, code: &str, failed: &str) -> Value {
    let (status, json) = examine(url, "1s");
    assert_eq!(json["verdicts"][0]["code"], code, "{url}: {json:#}");
    assert!(json["verdicts"][0]["advice"].as_str().unwrap().len() > 5, "{json:#}");
    assert_eq!(status, Some(3), "{json:#}");
    let steps = json["steps"].as_array().unwrap();
    let bad: Vec<_> = steps.iter().filter(|step| step["outcome"] == "bad").map(|step| &step["name"]).collect();
    assert_eq!(bad, [failed], "{url}: {json:#}");
    json
}

/// The report on a source that is well. On a machine that is busy pictures do come unevenly, and it
/// is right to say so: then it is asked again.
fn well(url: &str) -> Value {
    let of_a_busy_machine = ["uneven", "slower-than-declared", "slow-to-open"];
    for _ in 0..10 {
        let (status, json) = examine(url, "1s");
        let codes: Vec<_> = json["verdicts"].as_array().unwrap().iter().map(|verdict| &verdict["code"]).collect();
        match codes.iter().all(|code| of_a_busy_machine.iter().any(|busy| *code == busy)) {
            true => continue,
            false => assert_eq!((status, &codes[..]), (Some(0), &[&"well".into()][..]), "{json:#}"),
        }
        return json;
    }
    panic!("{url} was never said to be well")
}

fn says(answer: &str) -> Camera {
    Camera::start(Manner::Says(answer.replace('\n', "\r\n").into_bytes()))
}

#[test]
fn every_failure_has_its_verdict_and_its_step() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    verdict("htp://cam/x", "url-unknown-protocol", "URL");
    verdict("http:///x", "url-no-host", "URL");
    verdict("http://cam:99999/", "url-port", "URL");
    verdict("http://no-such-host.invalid/x", "name-unknown", "name");
    verdict(&format!("http://{closed}/x"), "port-closed", "connection");
    verdict(&format!("rtsp://{closed}/x"), "port-closed", "connection");
    verdict("/no/such/file.mp4", "file-missing", "opening");
    verdict("/dev/video99", "device-missing", "opening");
    verdict("99", "device-missing", "opening");
    verdict("", "url-empty", "URL");
    verdict("push:", "is-a-feed", "URL");
}

#[test]
fn every_answer_of_a_camera_has_its_verdict() {
    verdict(&Camera::start(Manner::Silent).url(), "mute", "answer");
    verdict(&Camera::start(Manner::Forbidden).url(), "login-wanted", "answer");
    let camera = Camera::start(Manner::Forbidden);
    verdict(&camera.url().replace("://", "://admin:hunter2@"), "login-refused", "answer");
    for (answer, code, step) in [
        ("HTTP/1.1 403 Forbidden\n\n", "login-forbidden", "answer"),
        ("HTTP/1.1 404 Not Found\n\n", "path-unknown", "answer"),
        ("HTTP/1.1 503 Service Unavailable\n\n", "camera-busy", "answer"),
        ("HTTP/1.1 500 Internal Server Error\n\n", "camera-fault", "answer"),
        ("HTTP/1.1 418 I'm a teapot\n\n", "camera-refuses", "answer"),
        ("HTTP/1.1 302 Found\nLocation: /video.mjpg\n\n", "redirects-on", "answer"),
        ("HTTP/1.1 200 OK\nContent-Type: text/html\n\n<html><title>Login</title></html>", "is-a-page", "first picture"),
        ("HTTP/1.1 200 OK\nContent-Type: text/plain\n\nstream not started", "is-a-text", "first picture"),
        ("", "hung-up", "answer"),
    ] {
        verdict(&says(answer).url(), code, step);
    }
    for (status, code) in [
        ("404 Stream Not Found", "path-unknown"),
        ("415 Unsupported Media Type", "camera-refuses"),
        ("453 Not Enough Bandwidth", "camera-busy"),
        ("461 Unsupported Transport", "camera-refuses"),
    ] {
        let camera = says(&format!("RTSP/1.0 {status}\nCSeq: 1\n\n"));
        let json = verdict(&camera.url().replace("http://", "rtsp://"), code, "answer");
        let sentence = json["verdicts"][0]["sentence"].as_str().unwrap();
        assert!(sentence.contains(status.split(' ').next().unwrap()), "{sentence}");
    }
    let camera = says("HTTP/1.1 400 Bad Request\n\n");
    let (_, json) = examine(&camera.url().replace("http://", "rtsp://"), "1s");
    assert_eq!(json["verdicts"][0]["code"], "other-protocol", "{json:#}");
}

#[test]
fn a_source_that_is_well_is_said_to_be_and_one_that_stalls_is_not() {
    let json = well(&Camera::start(Manner::Pictures { fps: 20 }).url());
    assert!(json["steps"].as_array().unwrap().iter().all(|step| step["outcome"] == "good"), "{json:#}");
    assert!((10.0..30.0).contains(&json["health"]["fps"].as_f64().unwrap()), "{json:#}");
    for clip in [H264.path(), MJPEG.path()] {
        well(clip.to_str().unwrap());
    }

    let stalls = Camera::start(Manner::Stalls { after: 5 });
    let (status, json) = examine(&stalls.url(), "20s");
    assert_eq!((status, &json["verdicts"][0]["code"]), (Some(3), &"stalls".into()), "{json:#}");
}

#[test]
fn a_name_that_another_relay_does_not_have_is_told_with_those_it_has() {
    let server = Server::start(["front=pattern:", "gate=pattern:"]);
    let json = verdict(&server.url("/nope.mjpeg"), "name-not-served", "answer");
    let sentence = json["verdicts"][0]["sentence"].as_str().unwrap();
    assert!(sentence.ends_with("no source is called \"nope\"; there is front, gate"), "{sentence}");
}

#[test]
fn a_file_that_is_none_is_told_from_one_that_is_missing() {
    let path = folder("doctor").join("noise.mp4");
    std::fs::write(&path, [0x5a; 4000]).unwrap();
    let (status, json) = examine(path.to_str().unwrap(), "1s");
    assert_eq!((status, &json["verdicts"][0]["code"]), (Some(3), &"file-no-video".into()), "{json:#}");
}

#[test]
fn the_dialogue_is_shown_without_the_password() {
    let server = Server::start(["cam=pattern:?size=320x240&fps=10"]);
    let url = server.url("/cam.mjpeg").replace("://", "://admin:hunter2@");
    let output = run(headwater().args(["doctor", "--dialogue", "--watch", "1s", &url])).succeeded();
    let text = output.text();
    for part in
        ["user admin with a password of 7 letters", "-> GET /cam.mjpeg HTTP/1.1", "<- HTTP/1.1 200 OK", "well: "]
    {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

/// Who has only asked for pictures is told what to do as well as who asks the doctor.
#[test]
fn the_other_commands_advise_what_the_doctor_does() {
    let camera = says("RTSP/1.0 453 Not Enough Bandwidth\nCSeq: 1\n\n");
    let url = camera.url().replace("http://", "rtsp://");
    let (_, json) = examine(&url, "1s");
    let advice = json["verdicts"][0]["advice"].as_str().unwrap().to_lowercase();
    let file = folder("advised").join("out");
    let file = |extension| file.with_extension(extension).to_str().unwrap().to_owned();
    for args in [vec!["probe"], vec!["grab", "-o", &file("jpg")], vec!["record", "-o", &file("mkv")]] {
        let output = run(headwater().args(&args).args(["--timeout", "2s", &url]));
        assert_eq!(output.status.code(), Some(3), "{args:?}: {}", output.err);
        let said = output.err.to_lowercase();
        assert!(said.contains("453 not enough bandwidth"), "{args:?}: {}", output.err);
        assert!(said.contains(advice.trim_end_matches('.')), "{args:?}: {}", output.err);
    }
}
