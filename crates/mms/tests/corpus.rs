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
