//! For the tests of every crate that has fuzz targets.

use std::path::Path;

/// Hands every file of the corpus of `target` to `body`; there is at least one.
pub fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(&folder).expect("the corpus is in the repository").collect();
    assert!(!files.is_empty(), "no corpus in {}", folder.display());
    for file in files {
        let path = file.expect("the corpus can be read").path();
        println!("{}", path.display());
        body(&std::fs::read(path).expect("the corpus can be read"));
    }
}
