//! The page in a real browser.

use crate::harness::tools::{folder, node_modules, root};
use crate::harness::{Camera, Manner, Server, run, tool};

/// Runs tests/tools/page.mjs, which says what it saw as JSON.
fn look(server: &Server, name: &str, device: &str) -> serde_json::Value {
    tool("chromium");
    let shots = folder(name);
    let mut node = tool("node");
    node.arg(root().join("tests/tools/page.mjs")).arg(server.url("/")).arg(shots.join("page.png")).arg(device);
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
