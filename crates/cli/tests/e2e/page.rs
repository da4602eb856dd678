//! The page in a real browser.

use crate::harness::tools::{folder, node_modules, root};
use crate::harness::{Camera, Manner, Server, run, tool};

/// Runs tests/tools/page.mjs, which says what it saw as JSON.
fn look(server: &Server, name: &str, device: &str) -> serde_json::Value {
    look_by("page.mjs", server, name, device)
}

/// Runs a script in tests/tools, which says what it saw as JSON.
fn look_by(script: &str, server: &Server, name: &str, how: &str) -> serde_json::Value {
    tool("chromium");
    let shots = folder(name);
    let mut node = tool("node");
    node.arg(root().join("tests/tools").join(script)).arg(server.url("/")).arg(shots.join("page.png")).arg(how);
    node.env("NODE_MODULES", node_modules());
    let output = run(&mut node).succeeded();
    println!("see {}", shots.join("page.png").display());
    serde_json::from_str(&output.text()).unwrap_or_else(|error| panic!("{error}: {}", output.text()))
}

fn server(camera: &Camera) -> Server {
    let sources = ["pattern=pattern:?size=640x480&fps=10".to_owned(), format!("camera={}", camera.url())];
    Server::start(sources.into_iter().chain(["down=http://127.0.0.1:1/video".to_owned()]))
}

#[test]
fn the_pictures_on_the_page_move_in_chromium() {
    let camera = Camera::start(Manner::Pictures { fps: 10 });
    let server = server(&camera);
    let seen = look(&server, "page", "desktop");
    assert_eq!(seen["moving"], serde_json::json!(["camera", "pattern"]), "{seen:#}");
    let text = seen["text"].as_str().unwrap();
    for name in ["camera", "pattern", "down"] {
        assert!(text.contains(name), "{name} is not on the page: {text}");
    }
    // The source that fails says at which step, and what to do.
    for part in ["connection refused", "first picture", "nothing listens on that port"] {
        let tried = seen["tried"].as_str().unwrap();
        assert!(tried.contains(part), "{part} is not on the page: {tried}");
    }
    assert_eq!((&seen["errors"], &seen["held"]), (&serde_json::json!([]), &true.into()), "{seen:#}");
    assert_eq!(camera.connections(), 1);
}

#[test]
fn the_page_is_usable_on_a_phone() {
    let camera = Camera::start(Manner::Pictures { fps: 10 });
    let server = server(&camera);
    let seen = look(&server, "page-phone", "phone");
    assert_eq!(seen["moving"], serde_json::json!(["camera", "pattern"]), "{seen:#}");
    assert!(seen["overflow"].as_i64().unwrap() <= 0, "the page is wider than the screen: {seen:#}");
}

#[test]
fn cards_of_feeds_show_pictures_by_their_streams_and_have_no_dead_links() {
    let feed = |name: &str| format!("[[feed]]\nname = \"{name}\"\nsource = \"pattern:?size=320x240&fps=10\"\n");
    let stream =
        |name: &str, feed: &str, lines: &str| format!("[[stream]]\nname = \"{name}\"\nfeed = \"{feed}\"\n{lines}\n");
    let text = [
        "[[source]]\nname = \"cam\"\nurl = \"pattern:?size=320x240&fps=10\"\n".to_owned(),
        feed("f.ffm"),
        stream("locked.mjpeg", "f.ffm", "format = \"mpjpeg\"\nacl = [\"deny 127.0.0.1\"]"),
        stream("live/f 1.mjpeg", "f.ffm", "format = \"mpjpeg\""),
        stream("f-now.jpg", "f.ffm", ""),
        feed("still.ffm"),
        stream("still.jpg", "still.ffm", ""),
        feed("bare.ffm"),
        stream("bare.ts", "bare.ffm", ""),
        "[[feed]]\nname = \"later.ffm\"\n".to_owned(),
        stream("later.mjpeg", "later.ffm", "format = \"mpjpeg\""),
    ];
    let file = folder("page-feeds-served").join("headwater.toml");
    std::fs::write(&file, text.concat()).unwrap();
    let mut command = crate::harness::server::headwater();
    command.args(["serve", "--listen", "127.0.0.1:0", "--file"]).arg(&file);
    let server = Server::run(command);
    let seen = look_by("feeds.mjs", &server, "page-feeds", "3");
    assert_eq!((&seen["refused"], &seen["errors"]), (&serde_json::json!([]), &serde_json::json!([])), "{seen:#}");
    assert_eq!(seen["alone"], "/live/f%201.mjpeg", "{seen:#}");
    let links = [
        ("cam", true, vec!["/cam.mjpeg", "/cam.jpg"]),
        ("f.ffm", true, vec!["/live/f%201.mjpeg", "/f-now.jpg"]),
        ("still.ffm", true, vec!["/still.jpg"]),
        ("bare.ffm", false, vec![]),
        ("later.ffm", false, vec!["/later.mjpeg"]),
    ];
    for (name, is_seen, links) in links {
        let card = &seen["cards"][name];
        assert_eq!(card["links"], serde_json::json!(links), "{name}: {seen:#}");
        assert_eq!(card["pixels"].as_u64().unwrap() > 0, is_seen, "{name}: {seen:#}");
        assert_eq!((&card["broken"], &card["webrtc"]), (&false.into(), &(name == "cam").into()), "{name}: {seen:#}");
        assert_eq!(card["absent"].is_null(), is_seen, "{name}: {seen:#}");
    }
    for (name, part) in [("bare.ffm", "mpjpeg or jpeg"), ("later.ffm", "nobody is sending")] {
        assert!(seen["cards"][name]["absent"].as_str().unwrap().contains(part), "{name}: {seen:#}");
    }
}

#[test]
fn a_long_reason_stays_within_its_card() {
    let camera = Camera::start(Manner::Forbidden);
    let locked = camera.url().replace("//", "//admin:wrong@") + "/of-the-gate-behind-the-house";
    let sources =
        ["a=pattern:?size=320x240&fps=10", "b=pattern:?size=320x240&fps=10", "well=pattern:", "more=pattern:"];
    let server = Server::start(sources.map(str::to_owned).into_iter().chain([format!("locked={locked}")]));
    assert_eq!(server.get("/locked.jpg?timeout=10s").status, 502);
    server.wait_for("locked", "given up", |source| source["shown"] == "refused");
    for device in ["desktop", "phone"] {
        let seen = look(&server, "page-long", device);
        assert!(seen["spilt"] == 0 && seen["overflow"].as_i64().unwrap() <= 0, "{device}: {seen:#}");
    }
}

#[test]
fn the_card_of_a_source_whose_recording_fails_says_so() {
    let folder = folder("unrecorded");
    let (blocked, file) = (folder.join("disk"), folder.join("relay.toml"));
    std::fs::write(&blocked, "").unwrap();
    let well = "[[source]]\nname = \"well\"\nurl = \"pattern:?size=320x240&fps=10\"\n";
    let record = format!("record = \"{}/%H%M%S.mkv\"\n", blocked.display());
    std::fs::write(&file, format!("{well}{}{record}", well.replace("well", "lost"))).unwrap();
    let server = Server::start(["--file", file.to_str().unwrap()]);
    server.wait_for("lost", "told of", |source| !source["files"]["error"].is_null());
    let seen = look(&server, "page-unrecorded", "desktop");
    let text = seen["text"].as_str().unwrap();
    assert_eq!(text.matches("not recorded: ").count(), 1, "{text}");
    assert!(text.contains("1 in trouble") && text.contains("disk: it is no folder"), "{text}");
    assert_eq!(seen["errors"], serde_json::json!([]), "{seen:#}");
}

#[test]
fn the_steps_of_a_source_that_fails_are_told_without_a_further_attempt() {
    let server = Server::start(["down=http://admin:hunter2@127.0.0.1:1/video", "well=pattern:?size=320x240&fps=10"]);
    assert_eq!(server.get("/down.jpg?timeout=2s").status, 502);
    let steps = |name: &str| -> serde_json::Value {
        let answer = server.get(&format!("/doctor/{name}"));
        assert!(answer.status == 200 && !answer.text().contains("hunter2"), "{}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    };
    let told = steps("down");
    assert_eq!(told["verdicts"][0]["code"], "port-closed", "{told:#}");
    let bad = told["steps"].as_array().unwrap().iter().find(|step| step["outcome"] == "bad").unwrap();
    assert_eq!(bad["name"], "connection", "{told:#}");
    assert_eq!(told["journal"], serde_json::json!([]), "{told:#}");
    assert_eq!(steps("well")["verdicts"], serde_json::json!([]));
    assert_eq!(server.get("/doctor/dwon").status, 404);
}

#[test]
fn the_status_page_shows_the_clients() {
    let server = Server::start(["camera=pattern:?size=320x240&fps=10"]);
    let _stream = server.stream("/camera.mjpeg?fps=5");
    let status = server.get("/status");
    assert_eq!(status.status, 200);
    assert!(status.text().contains("/camera.mjpeg?fps=5"), "{}", status.text());
}
