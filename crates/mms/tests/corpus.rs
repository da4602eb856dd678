//! Replays what the fuzzers started from and what they found.

#[path = "../../formats/tests/replay/mod.rs"]
mod replay;

use replay::replay;

#[test]
fn mms_playlist() {
    replay("mms_playlist", mms::fuzz::mms_playlist);
}

#[test]
fn mms_server() {
    replay("mms_server", mms::fuzz::mms_server);
}

#[test]
fn mms_messages() {
    replay("mms_messages", mms::fuzz::mms_messages);
}

#[test]
fn mms_client() {
    replay("mms_client", mms::fuzz::mms_client);
}

#[test]
fn mmsh_client() {
    replay("mmsh_client", mms::fuzz::mmsh_client);
}

#[test]
fn ntlm_challenge() {
    replay("ntlm_challenge", mms::fuzz::ntlm_challenge);
}

#[test]
fn mmsh_request() {
    replay("mmsh_request", mms::fuzz::mmsh_request);
}

#[test]
fn wmrtsp_client() {
    replay("wmrtsp_client", mms::fuzz::wmrtsp_client);
}

#[test]
fn wmrtsp_depacketizer() {
    replay("wmrtsp_depacketizer", mms::fuzz::wmrtsp_depacketizer);
}

#[test]
fn wmrtsp_server() {
    replay("wmrtsp_server", mms::fuzz::wmrtsp_server);
}
