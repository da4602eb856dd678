//! Webcams: set up as is asked for, their JPEGs as they are, unplugged and plugged in again.

use std::process::Command;

use serde_json::Value;

use crate::harness::tools::{Output, folder};
use crate::harness::{Server, Stream, Webcam, eventually, number, run, size};

/// The numbers of the next pictures.
fn numbers(stream: &mut Stream, count: usize) -> Vec<u16> {
    stream.parts(count).iter().map(|part| number(&part.data).expect("a number")).collect()
}

#[track_caller]
fn one_by_one(numbers: &[u16]) {
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[test]
fn a_webcam_is_set_as_its_url_says_and_its_jpegs_pass_through() {
    let webcam = Webcam::new("webcam-set").without_tables();
    let wish = "format=mjpeg&size=320x240&rate=10&auto_exposure=manual_mode&exposure_time_absolute=100&brightness=75%";
    let server = webcam.serve([format!("cam=v4l2:/dev/video77?{wish}")]);
    let parts = server.stream("/cam.mjpeg").parts(12);
    let found: Vec<_> = parts.iter().map(|part| number(&part.data).expect("a number")).collect();
    one_by_one(&found);
    for (part, number) in parts.iter().zip(found) {
        let sent = std::fs::read(webcam.picture(number)).unwrap();
        match number % 2 {
            0 => assert!(part.data == sent, "picture {number} is another one"),
            // It had no tables.
            _ => assert!(part.data.len() > sent.len() + 400 && part.data.ends_with(&sent[sent.len() - 400..])),
        }
    }
    let log = webcam.log();
    let set = ["Auto Exposure=1", "Exposure Time, Absolute=100", "Brightness=32", "on MJPG 320x240 10 video77"];
    assert_eq!(log, set);
    assert_eq!(server.source("cam")["protocol"], "v4l2");
}

#[test]
fn a_webcam_without_wishes_gives_its_jpegs_and_raw_pictures_are_coded() {
    let webcam = Webcam::new("webcam-raw");
    let server = webcam.serve(["jpeg=/dev/video77", "raw=/dev/video77?size=160x120&rate=20"]);
    one_by_one(&numbers(&mut server.stream("/jpeg.mjpeg"), 5));
    // It has one stream of pictures at a time.
    eventually("the end of the first", || webcam.log().contains(&"off".to_owned()).then_some(()));
    let mut stream = server.stream("/raw.mjpeg");
    let parts = stream.parts(8);
    assert!(parts.iter().all(|part| size(&part.data) == (160, 120)));
    let found: Vec<_> = parts.iter().map(|part| number(&part.data).expect("a number")).collect();
    assert!(found.is_sorted_by(|one, other| one < other), "{found:?}");
    let log = webcam.log();
    assert_eq!(log, ["on MJPG 320x240 30 video77", "off", "on YUYV 160x120 20 video77"]);
}

#[test]
fn an_unplugged_webcam_is_told_and_its_viewers_stay_until_it_is_back_under_another_number() {
    let webcam = Webcam::new("webcam-unplugged");
    let by_id = "/dev/v4l/by-id/usb-Maker_Cam_920_1234-video-index0";
    let server = webcam.serve(["cam=/dev/video77?rate=10&brightness=5".into(), format!("same={by_id}?rate=10")]);
    for (name, plugged, next, device) in [("cam", 77, 78, "/dev/video77"), ("same", 78, 77, by_id)] {
        let mut stream = server.stream(&format!("/{name}.mjpeg"));
        one_by_one(&numbers(&mut stream, 5));
        webcam.unplug(plugged);
        let source = server.wait_for(name, "unplugged", |source| {
            source["state"] != "live" && source["error"].to_string().contains("the webcam has been unplugged")
        });
        let told = source["error"].as_str().unwrap_or_default().to_owned();
        assert!(told.starts_with(device) && told.contains("plug it in again"), "{told}");
        let verdict: Value = serde_json::from_slice(&server.get(&format!("/doctor/{name}")).body).unwrap();
        assert_eq!(verdict["verdicts"][0]["code"], "device-unplugged", "{verdict:#}");
        webcam.plug(next);
        // A picture may still have been on its way.
        let again = eventually("the first picture", || Some(numbers(&mut stream, 1)[0]).filter(|number| *number == 0));
        one_by_one(&[vec![again], numbers(&mut stream, 5)].concat());
        server.wait_for(name, "live again", |source| source["reconnects"] == 1);
        drop(stream);
        let offs = webcam.log().iter().filter(|line| *line == "off").count();
        eventually("its end", || (webcam.log().iter().filter(|line| *line == "off").count() > offs).then_some(()));
    }
    let log = webcam.log();
    let on = |device: &str| log.iter().filter(|line| line.starts_with("on MJPG") && line.ends_with(device)).count();
    assert_eq!((on("video77"), on("video78")), (2, 2), "{log:#?}");
    assert_eq!(log.iter().filter(|line| *line == "Brightness=5").count(), 2, "{log:#?}");
}

#[test]
fn a_webcam_that_hangs_is_let_go_and_opened_again_and_torn_pictures_are_left_out() {
    let webcam = Webcam::new("webcam-hangs");
    let server = webcam.serve(["--gap-timeout=1s", "cam=/dev/video77?rate=10"]);
    let mut stream = server.stream("/cam.mjpeg");
    one_by_one(&numbers(&mut stream, 3));
    webcam.is("stuck");
    server.wait_for("cam", "hanging", |source| source["error"].to_string().contains("waiting for the next picture"));
    webcam.is_not("stuck");
    eventually("the first picture", || (numbers(&mut stream, 1)[0] == 0).then_some(()));
    webcam.is("torn");
    let found: Vec<_> = numbers(&mut stream, 12).into_iter().skip(2).collect();
    assert!(found.iter().all(|number| number % 2 == 0), "{found:?}");
}

fn doctor(webcam: &Webcam, url: &str) -> Value {
    let output = run(webcam.headwater().args(["doctor", "--json", "--watch", "1s", "--timeout", "5s", url]));
    serde_json::from_slice(&output.out).unwrap_or_else(|error| panic!("{error}: {}", output.err))
}

#[test]
fn what_a_webcam_has_not_is_told_with_what_it_has() {
    let webcam = Webcam::new("webcam-doctor");
    for (url, code, told) in [
        ("/dev/video77?brightnes=1", "device-setting", "did you mean brightness?"),
        ("/dev/video77?brightness=65", "device-setting", "brightness=65: not what it takes; expected -64 to 64"),
        ("/dev/video77?power_line_frequency=3", "device-setting", "expected 0 disabled, 1 50_hz, 2 60_hz"),
        ("/dev/video77?exposure_time_absolute=9", "device-setting", "another control is in its way"),
        ("/dev/video77?format=h264", "device-setting", "it has yuyv422 and mjpeg"),
        ("/dev/video77?size=800x600", "device-setting", "it has 320x240 and 640x360 with mjpeg; 320x240 and 160x120"),
        ("/dev/video77?size=320x240&rate=60", "device-setting", "it has 30 and 10 with mjpeg; 10 and 5 with yuyv422"),
        ("/dev/video77?size=big", "url-not-understood", "size=big"),
        ("/dev/video79", "device-no-picture", "this device of the webcam Maker Cam 920 has no picture"),
        ("/dev/video76", "device-missing", "/dev/video76: no such webcam"),
    ] {
        let json = doctor(&webcam, url);
        assert_eq!(json["verdicts"][0]["code"], code, "{url}: {json:#}");
        assert!(json["verdicts"][0]["sentence"].to_string().contains(told), "{url}: {json:#}");
    }
    let json = doctor(&webcam, "/dev/video77?size=320x240&rate=10&brightness=3");
    assert_eq!(json["verdicts"][0]["code"], "well", "{json:#}");
    let opening = json["steps"].as_array().unwrap().iter().find(|step| step["name"] == "opening").unwrap();
    for part in ["Maker Cam 920", "5 controls", "mjpeg 320x240, 10 pictures a second", "set brightness=3"] {
        assert!(opening["what"].as_str().unwrap().contains(part), "{opening:#}");
    }
    assert!(!webcam.log().contains(&"Brightness=65".into()));
}

#[test]
fn the_doctor_tells_a_webcam_that_is_unplugged_meanwhile() {
    let webcam = Webcam::new("webcam-doctor-unplugged");
    let mut command = webcam.headwater();
    command.args(["doctor", "--json", "--watch", "20s", "/dev/video77?rate=10"]);
    let examining = std::thread::spawn(move || run(&mut command));
    eventually("pictures", || webcam.log().iter().any(|line| line.starts_with("on ")).then_some(()));
    webcam.unplug(77);
    let json: Value = serde_json::from_slice(&examining.join().unwrap().out).unwrap();
    assert_eq!(json["verdicts"][0]["code"], "device-unplugged", "{json:#}");
}

fn said(command: &mut Command) -> String {
    let output: Output = run(command).succeeded();
    output.text()
}

#[test]
fn webcams_are_found_and_listed_with_what_they_can_do() {
    let webcam = Webcam::new("webcam-listed");
    let by_id = "/dev/v4l/by-id/usb-Maker_Cam_920_1234-video-index0";
    let text = said(webcam.headwater().args(["discover", "--timeout", "100ms"]));
    for part in [
        &format!("webcam   {by_id}"),
        "Maker Cam 920",
        &format!("{by_id}?format=mjpeg&size=320x240\n           mjpeg 320x240 at 30, 10"),
        "power_line_frequency=1 (0 disabled, 1 50_hz, 2 60_hz)",
        "exposure_time_absolute=157 (1 to 5000; without effect now)",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(text.matches("webcam ").count(), 1, "{text}");
    let text = said(webcam.headwater().args(["probe", "-v", "--measure", "500ms", "/dev/video77"]));
    assert!(text.contains("mjpeg: 320x240 at 30, 10; 640x360 at 10"), "{text}");
    assert!(text.contains("brightness=0 (-64 to 64)"), "{text}");
    let text = said(webcam.headwater().args(["probe", "--json", "--measure", "500ms", "77"]));
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["webcam"]["controls"][0]["name"], "brightness", "{json:#}");
    assert_eq!(json["tracks"][0]["codec"], "mjpeg", "{json:#}");
    let text = said(webcam.headwater().args(["doctor", "--dialogue", "--watch", "500ms", "/dev/video77"]));
    assert!(text.contains("brightness=0 (-64 to 64)"), "{text}");
}

#[test]
fn a_configuration_and_ffmpegs_own_options_set_a_webcam_too() {
    let webcam = Webcam::new("webcam-configured");
    let file = folder("webcam-configured-file").join("headwater.toml");
    let text = "[[source]]\nname = \"cam\"\nurl = \"/dev/video77\"\n\
                webcam = [\"size=320x240\", \"rate=10\", \"power_line_frequency=60 Hz\"]\n";
    std::fs::write(&file, text).unwrap();
    let mut command = webcam.headwater();
    command.args(["serve", "--listen", "127.0.0.1:0", "--file"]).arg(&file);
    let server = Server::run(command);
    one_by_one(&numbers(&mut server.stream("/cam.mjpeg"), 3));
    drop(server);
    assert_eq!(webcam.log()[..2], ["Power Line Frequency=2", "on MJPG 320x240 10 video77"]);
    let args = ["probe", "--measure", "300ms", "--ffmpeg", "video_size=160x120", "--ffmpeg", "input_format=yuyv422"];
    let text = said(webcam.headwater().args(args).arg("/dev/video77?brightness=7"));
    assert!(text.contains("rawvideo 160x120"), "{text}");
    assert!(webcam.log().iter().any(|line| line == "on YUYV 160x120 20 video77"), "{:?}", webcam.log());
    let output = run(webcam.headwater().args(args).arg("/dev/video77?size=320x240"));
    assert!(output.err.contains("size=320x240, and video_size by --ffmpeg"), "{}", output.err);
}
