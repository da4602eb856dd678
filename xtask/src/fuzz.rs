//! Whether the table of fuzz targets, the targets, their corpora and the tests that replay these
//! agree.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;

use crate::sources::Source;

/// What is not the same everywhere, one line each.
pub fn disagreements(root: &Path, sources: &[Source]) -> anyhow::Result<Vec<String>> {
    let read = |name: &str| std::fs::read_to_string(root.join(name)).with_context(|| format!("{name} cannot be read"));
    let table = table(&read("fuzz/README.md")?);
    anyhow::ensure!(table.len() > 20, "only {table:?} stand in fuzz/README.md; has the table moved?");
    let mut wrong = Vec::new();
    let mut compare = |what: &str, found: BTreeSet<String>| {
        let names: BTreeSet<_> = table.iter().map(|(name, _)| name.clone()).collect();
        wrong.extend(names.difference(&found).map(|name| format!("{name} of fuzz/README.md is not in {what}")));
        wrong.extend(found.difference(&names).map(|name| format!("{name} of {what} is not in fuzz/README.md")));
    };
    compare("fuzz/Cargo.toml", binaries(&read("fuzz/Cargo.toml")?));
    compare("fuzz/corpus", corpora(&root.join("fuzz/corpus"))?);
    let of_targets = sources.iter().filter_map(|source| source.name.strip_prefix("fuzz/fuzz_targets/"));
    compare("fuzz/fuzz_targets", of_targets.map(|name| name.trim_end_matches(".rs").to_owned()).collect());
    for (name, of) in &table {
        let has = |file: String, text: String| sources.iter().any(|s| s.name == file && s.text.contains(&text));
        if !has(format!("crates/{of}/tests/corpus.rs"), format!("\"{name}\"")) {
            wrong.push(format!("no test in crates/{of}/tests/corpus.rs replays {name}"));
        }
        if !has(format!("fuzz/fuzz_targets/{name}.rs"), format!("{of}::fuzz::{name}(")) {
            wrong.push(format!("the target {name} is not {of}::fuzz::{name}"));
        }
    }
    Ok(wrong)
}

/// Target and crate of each row.
fn table(text: &str) -> Vec<(String, String)> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| {
        let (name, rest) = row.split_once("` | ")?;
        Some((name.to_owned(), rest.split(" |").next()?.to_owned()))
    })
    .collect()
}

fn binaries(manifest: &str) -> BTreeSet<String> {
    let after = manifest.split("[[bin]]").skip(1);
    after.filter_map(|part| Some(part.split_once("name = \"")?.1.split('"').next()?.to_owned())).collect()
}

/// Those that have a file.
fn corpora(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let entry = entry?;
        if std::fs::read_dir(entry.path())?.next().is_some() {
            found.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fuzz_target_has_its_row_its_corpus_and_its_test() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let sources = crate::sources::all(root).unwrap();
        assert_eq!(disagreements(root, &sources).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn rows_and_targets_are_found() {
        let row = ("a_b".to_owned(), "formats".to_owned());
        assert_eq!(table("| target | crate |\n| --- | --- |\n| `a_b` | formats | heads |\n"), [row]);
        assert_eq!(binaries("[[bin]]\nname = \"x\"\n[[bin]]\nname = \"y\"\n").len(), 2);
    }
}
