//! The project's own files, and the tables in them.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

/// Files that people write by hand.
const EXTENSIONS: &[&str] = &["rs", "py", "js", "mjs", "css", "html", "sh", "c", "h"];

/// A file of the project.
pub struct Source {
    /// Its path from the root.
    pub name: String,
    pub text: String,
}

/// Every file of the project that people write, committed or not.
pub fn all(root: &Path) -> anyhow::Result<Vec<Source>> {
    let mut git = Command::new("git");
    let listed = git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = listed.output().context("git cannot be run")?;
    anyhow::ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim());
    let names = String::from_utf8(output.stdout).context("a file's name is not UTF-8")?;
    let mut names: Vec<_> = names.split('\0').collect();
    names.sort_unstable();
    names.dedup();
    let ours = names.into_iter().filter(|name| {
        let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
    });
    // One that was just removed is still in git's list.
    let read = ours
        .filter_map(|name| Some(Source { name: name.into(), text: std::fs::read_to_string(root.join(name)).ok()? }));
    Ok(read.collect())
}

/// What a client can ask for, with what it is: routes, extensions, parameters.
pub fn api(sources: &[Source]) -> Vec<(&'static str, String)> {
    let mut words = Vec::new();
    for source in sources {
        let is_server = source.name.starts_with("crates/relay/src/");
        for line in source.text.lines().map(str::trim) {
            let of = |what, words: Vec<String>| words.into_iter().map(move |word| (what, word));
            if is_server && line.contains(".route(\"") {
                words.extend(of("route", strings(line).into_iter().take(1).collect()));
            } else if is_server && line.starts_with("extension: \"") {
                words.extend(of("format", strings(line).into_iter().map(|name| format!(".{name}")).collect()));
            } else if is_server && line.starts_with("const KNOWN")
                || line.starts_with("pub const KEYS: &'static [&'static str]")
            {
                words.extend(of("parameter", strings(line)));
            } else if is_server && line.starts_with("pub(super) const FORMAT") && line.contains("extension: \"") {
                words.extend(of("format", strings(line).into_iter().take(1).map(|name| format!(".{name}")).collect()));
            }
        }
    }
    words.sort();
    words.dedup();
    words
}

/// The string literals of a line.
fn strings(line: &str) -> Vec<String> {
    line.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_the_server_are_read() {
        let text = "
            .route(\"/healthz\", get(|| async { \"ok\" }))
            const KNOWN: Known = &[\"max_age\", \"timeout\"];
            pub(super) const FORMAT: Format = Format {
                extension: \"mjpeg\",
            pub(super) const FORMAT_JPEG: Format = Format { extension: \"jpeg\", ..FORMAT };
        ";
        let source = |name: &str| Source { name: name.into(), text: text.into() };
        let expected = [
            ("format", ".jpeg"),
            ("format", ".mjpeg"),
            ("parameter", "max_age"),
            ("parameter", "timeout"),
            ("route", "/healthz"),
        ];
        assert_eq!(api(&[source("crates/relay/src/x.rs")]), expected.map(|(what, word)| (what, word.to_owned())));
        assert!(api(&[source("crates/feed/src/x.rs")]).is_empty());
    }
}
