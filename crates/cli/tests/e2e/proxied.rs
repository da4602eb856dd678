//! Behind a reverse proxy: who is believed who asks.

use crate::harness::http::get;
use crate::harness::server::headwater;
use crate::harness::tools::folder;
use crate::harness::{Server, eventually, run};
use crate::webrtc::{made, request};

/// A camera that one address may not see.
fn configuration(log: &std::path::Path) -> String {
    format!(
        "HTTPPort 8090\nMaxClients 50\nCustomLog {}\n<Feed cam.ffm>\nSource pattern:?size=160x120&fps=10\n</Feed>\n\
         <Stream cam.jpg>\nFeed cam.ffm\nFormat jpeg\nACL deny 192.0.2.1\n</Stream>\n",
        log.display()
    )
}

#[test]
fn rules_and_logs_know_who_is_behind_a_proxy_that_is_named_and_behind_no_other() {
    let log = folder("proxied").join("access.log");
    let ask = |server: &Server, lines: &[&str]| {
        let headers: Vec<_> = lines.iter().map(|line| ("X-Forwarded-For", *line)).collect();
        get(server.address, "/cam.jpg", &headers).status
    };
    let behind = Server::configured_with("proxied", &configuration(&log), &["--trusted-proxy=127.0.0.0/8"]);
    // What the client has said itself stands in front.
    for (lines, status) in [
        (&[][..], 200),
        (&["192.0.2.1"], 404),
        (&["192.0.2.7, 192.0.2.1, 127.0.0.9"], 404),
        (&["192.0.2.7", "192.0.2.1"], 404),
        (&["192.0.2.1, 192.0.2.7"], 200),
        (&["192.0.2.1, unknown"], 200),
    ] {
        assert_eq!(ask(&behind, lines), status, "{lines:?}: {}", behind.log());
    }
    let lines = || std::fs::read_to_string(&log).unwrap_or_default();
    for part in ["192.0.2.1 - - [GET] \"/cam.jpg HTTP/1.1\" 404", "192.0.2.7 - - [GET]", "127.0.0.1 - - [GET]"] {
        eventually(part, || lines().contains(part).then_some(()));
    }
    // Neither without the option, nor of somebody else.
    for args in [&[][..], &["--trusted-proxy=10.0.0.0/8"]] {
        let plain = Server::configured_with("proxied-not", &configuration(&log), args);
        assert_eq!(ask(&plain, &["192.0.2.1"]), 200, "{args:?}");
    }
}

#[test]
fn each_address_behind_a_proxy_has_sessions_of_webrtc_of_its_own() {
    let folder = folder("proxied-webrtc");
    let file = folder.join("headwater.toml");
    let text = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n[[source]]\nname = \"cam\"\nurl = \"pattern:?size=160x120&fps=10\"\n";
    std::fs::write(&file, text).unwrap();
    let server = Server::start(["--file", file.to_str().unwrap()]);
    let offer = made("recvonly", &[(96, "VP8")]);
    let watch = |by: &str| {
        let headers = format!("Content-Type: application/sdp\r\nX-Forwarded-For: {by}\r\n");
        request(&server, "POST", "/cam/whep", &headers, &offer)
    };
    let mut statuses = (0..17).map(|_| watch("198.51.100.1").status);
    assert!(statuses.by_ref().take(16).all(|status| status == 201), "{}", server.log());
    assert_eq!(statuses.next(), Some(429));
    let refused = watch("203.0.113.9, 198.51.100.1");
    assert!(refused.status == 429 && refused.text().contains("198.51.100.1 has made 16"), "{}", refused.text());
    assert_eq!(watch("198.51.100.2").status, 201);
}

#[test]
fn nobody_is_asked_to_believe_everybody() {
    for (network, part) in [("0.0.0.0/0", "is everybody"), ("proxy.lan", "not an address or a network")] {
        let told = run(headwater().args(["serve", "pattern:", "--trusted-proxy", network]));
        assert!(told.status.code() == Some(2) && told.err.contains(part), "{}", told.err);
    }
}
