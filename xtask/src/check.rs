//! What has to be right before a change is done. Every step runs, whatever failed before
//! it, and says in a line what it found.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Context;

use crate::sources::{self, Source};

/// Longest file.
const MOST_LINES: usize = 600;
/// What a finished test or function does not have. In two pieces, or this line had it.
const UNFINISHED: &[&str] = &[concat!("to", "do!("), concat!("unimpl", "emented!("), concat!("#[ig", "nore")];

/// One step: its name, and what it finds wrong.
type Step = (&'static str, fn(&Workspace) -> anyhow::Result<Vec<String>>);

static STEPS: &[Step] = &[
    ("format", |_| cargo(&["fmt", "--all", "--", "--check"])),
    ("lints", |_| cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ("documentation", |_| cargo(&["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"])),
    ("docs/API.md", |workspace| api(workspace)),
    ("fuzz targets", |workspace| crate::fuzz::disagreements(&workspace.root, &workspace.sources)),
    ("length of files", |workspace| Ok(long_files(&workspace.sources))),
    ("nothing left to do", |workspace| Ok(unfinished(&workspace.sources))),
];

/// The files that are checked.
struct Workspace {
    root: PathBuf,
    sources: Vec<Source>,
}

/// Runs all steps; whether everything is right.
pub fn run() -> anyhow::Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask stands in the workspace")?.to_owned();
    let workspace = Workspace { sources: sources::all(&root)?, root };
    let mut failed = 0;
    for (name, step) in STEPS {
        let began = Instant::now();
        let wrong = step(&workspace).unwrap_or_else(|error| vec![format!("{error:#}")]);
        let verdict = if wrong.is_empty() { "ok" } else { "FAILED" };
        println!("{name:<20} {verdict:<6} {:6.1} s", began.elapsed().as_secs_f64());
        for line in &wrong {
            println!("    {line}");
        }
        failed += usize::from(!wrong.is_empty());
    }
    println!("\ncheck: {} passed, {failed} failed", STEPS.len() - failed);
    Ok(failed == 0)
}

/// Runs cargo; what it said, if it failed.
fn cargo(arguments: &[&str]) -> anyhow::Result<Vec<String>> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    let output = command.args(arguments).env("RUSTDOCFLAGS", "-D warnings").output().context("cargo cannot be run")?;
    if output.status.success() {
        return Ok(Vec::new());
    }
    let said = [output.stdout, output.stderr].concat();
    let mut lines: Vec<_> = String::from_utf8_lossy(&said).lines().map(str::to_owned).collect();
    lines.push(format!("cargo {} ended with {}", arguments.join(" "), output.status));
    Ok(lines)
}

/// Routes, formats and parameters that the program has and docs/API.md does not.
fn api(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let path = workspace.root.join("docs/API.md");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let words = sources::api(&workspace.sources);
    anyhow::ensure!(words.len() > 15, "only {words:?} were found in the sources; have their tables moved?");
    let missing = words.into_iter().filter(|(_, word)| !mentions(&text, word));
    Ok(missing.map(|(what, word)| format!("{what} {word} is not in docs/API.md")).collect())
}

/// Whether `text` has `word`, not as a part of a longer one.
fn mentions(text: &str, word: &str) -> bool {
    let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let begins = !word.starts_with(goes_on) || !before.is_some_and(goes_on);
        begins && !after.is_some_and(goes_on)
    })
}

fn long_files(sources: &[Source]) -> Vec<String> {
    let long = sources.iter().map(|source| (source, source.text.lines().count()));
    long.filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(source, lines)| format!("{}: {lines} lines, at most {MOST_LINES}", source.name))
        .collect()
}

fn unfinished(sources: &[Source]) -> Vec<String> {
    let lines =
        sources.iter().flat_map(|source| source.text.lines().enumerate().map(move |(at, line)| (source, at, line)));
    lines
        .filter(|(source, _, line)| source.name.ends_with(".rs") && UNFINISHED.iter().any(|mark| line.contains(mark)))
        .map(|(source, at, line)| format!("{}:{}: {}", source.name, at + 1, line.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole_only() {
        assert!(mentions("`/status.json` and", "/status.json"));
        assert!(!mentions("/status.json", "/status.j"));
        assert!(mentions("`size` is", "size") && !mentions("resize", "size") && !mentions("size_bytes", "size"));
    }

    #[test]
    fn what_is_long_or_left_to_do_is_named_with_its_place() {
        let source = |name: &str, text: String| Source { name: name.into(), text };
        let found = long_files(&[source("a.rs", "x\n".repeat(600)), source("b.rs", "x\n".repeat(601))]);
        assert_eq!(found, ["b.rs: 601 lines, at most 600"]);
        let text = format!("fn f() {{\n    {})\n}}\n", UNFINISHED[0]);
        assert_eq!(
            unfinished(&[source("a.rs", text.clone()), source("a.md", text)]),
            [format!("a.rs:2: {})", UNFINISHED[0])]
        );
    }
}
