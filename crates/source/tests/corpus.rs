//! Replays what the fuzzers started from and what they found.

#[path = "../../formats/tests/replay/mod.rs"]
mod replay;

use replay::replay;
use source::fuzz;

#[test]
fn rtsp_gate() {
    replay("rtsp_gate", fuzz::rtsp_gate);
}

#[test]
fn rtp_datagrams() {
    replay("rtp_datagrams", fuzz::rtp_datagrams);
}

#[test]
fn content_kind() {
    replay("content_kind", fuzz::content_kind);
}

#[test]
fn http_login() {
    replay("http_login", fuzz::http_login);
}

#[test]
fn url() {
    replay("url", fuzz::url);
}

#[test]
fn discovered() {
    replay("discovered", fuzz::discovered);
}

#[test]
fn exec_said() {
    replay("exec_said", fuzz::exec_said);
}

#[test]
fn certificate_names() {
    replay("certificate_names", fuzz::certificate_names);
}

#[test]
fn capture_attempt() {
    replay("capture_attempt", fuzz::capture_attempt);
}

#[test]
fn stamps() {
    replay("stamps", fuzz::stamps);
}
