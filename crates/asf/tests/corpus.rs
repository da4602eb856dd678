//! Replays what the fuzzers started from and what they found.

#[path = "../../formats/tests/replay/mod.rs"]
mod replay;

use replay::replay;

#[test]
fn asf_mux_roundtrip() {
    replay("asf_mux_roundtrip", asf::fuzz::asf_mux_roundtrip);
}

#[test]
fn asf_padding() {
    replay("asf_padding", asf::fuzz::asf_padding);
}

#[test]
fn asf_header() {
    replay("asf_header", asf::fuzz::asf_header);
}

#[test]
fn asf_packets() {
    replay("asf_packets", asf::fuzz::asf_packets);
}

#[test]
fn asf_reader() {
    replay("asf_reader", asf::fuzz::asf_reader);
}
