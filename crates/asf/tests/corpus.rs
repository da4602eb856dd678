//! Replays what the fuzzers started from and what they found.

use std::path::Path;

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(&folder).expect("the corpus is in the repository").collect();
    assert!(!files.is_empty(), "no corpus in {}", folder.display());
    for file in files {
        let path = file.expect("the corpus can be read").path();
        println!("{}", path.display());
        body(&std::fs::read(path).expect("the corpus can be read"));
    }
}

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
