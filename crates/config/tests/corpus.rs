//! Replays what the fuzzers started from and what they found.

#[path = "../../formats/tests/replay/mod.rs"]
mod replay;

#[test]
fn ffserver_conf() {
    replay::replay("ffserver_conf", config::fuzz::ffserver_conf);
}

#[test]
fn headwater_toml() {
    replay::replay("headwater_toml", config::fuzz::headwater_toml);
}
