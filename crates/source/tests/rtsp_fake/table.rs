//! The table of oddities in docs/CAMERAS.md names tests that are there.

use std::fs;
use std::path::Path;

/// Where the files are that the table calls by a short name.
const PLACES: &[(&str, &str)] = &[
    ("rtsp_fake/", "crates/source/tests/rtsp_fake/"),
    ("verdicts/", "crates/source/tests/verdicts/"),
    ("gate/", "crates/source/src/rtsp/gate/"),
    ("http/tests/", "crates/source/src/http/tests/"),
    ("unpack/", "crates/rtsp/src/unpack/"),
    ("unpack", "crates/rtsp/src/unpack/tests.rs"),
    // Behind another one of the same row.
    ("dialogue.rs", "crates/source/tests/rtsp_fake/dialogue.rs"),
];

#[test]
fn each_test_of_the_table_is_there() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| fs::read_to_string(top.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let text = read("docs/CAMERAS.md");
    let table = text.split_once("| oddity |").expect("a table of oddities").1;
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let mut seen = 0;
    for row in rows.filter(|row| !row.starts_with("| ---")) {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let mut file = String::new();
        for name in tests.split('`').skip(1).step_by(2).filter(|name| *name != "usual") {
            let (short, test) = name.rsplit_once("::").unwrap_or(("", name));
            let short = if name.ends_with(".rs") { name } else { short };
            if let Some((begin, place)) = PLACES.iter().find(|(begin, _)| short.starts_with(begin)) {
                file = read(&format!("{place}{}", if place.ends_with('/') { &short[begin.len()..] } else { "" }));
            }
            assert!(file.contains(&format!("fn {test}(")) || name.ends_with(".rs"), "{row}: there is no {name}");
            seen += 1;
        }
        // Forms of MJPEG are named by what they are called in their table.
        if tests.contains("forms.rs") {
            let forms = read("tests/data/mjpeg_forms.json");
            for name in tests.split('"').skip(1).step_by(2) {
                assert!(forms.contains(&format!("\"name\": \"{name}\"")), "{row}: there is no form {name:?}");
            }
        }
    }
    assert!(seen >= 45, "{seen} names of tests");
}
