//! `headwater config`: files that say what `serve` serves, checked and translated.

use std::collections::{BTreeSet, HashSet};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use ::config::ffserver::Parsed;
use ::config::{Config, Severity, native};
use clap::Subcommand;

use crate::exit::Failure;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Say everything that is wrong with a configuration
    ///
    /// And how much there is in it.
    Check {
        /// A headwater.toml, or an ffserver.conf; - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Say nothing but errors
        #[arg(short, long)]
        quiet: bool,
    },
    /// Translate an ffserver.conf into a headwater.toml
    ///
    /// On standard output.
    Import {
        /// The ffserver.conf; - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print the JSON schema of headwater.toml, for editors
    Schema,
    /// Print the reference of headwater.toml, in Markdown
    Docs,
    /// Print the directives of ffserver.conf, in Markdown
    Directives,
}

pub fn run(command: &Command) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    match command {
        Command::Check { file, quiet } => {
            let detail = if *quiet { Detail::Errors } else { Detail::All };
            let (config, mut problems) = parse(file)?;
            let is_misread = problems.iter().any(::config::Problem::is_error);
            let mut unserved = match (is_misread, is_native(file)) {
                (false, _) => relay::unserved(&config),
                (true, true) => relay::unserved(&well_read(&config, &problems)),
                (true, false) => Vec::new(),
            };
            if is_misread {
                problems.append(&mut unserved);
                problems.sort_by_key(|problem| problem.line);
            }
            tell(file, &problems, detail)?;
            mistakes(file, &problems)?;
            tell(file, &unserved, detail)?;
            if unserved.iter().any(config::Problem::is_error) {
                let message = format!("{}: what it says cannot be served; mend it and try again", file.display());
                return Err(Failure::Usage(message).into());
            }
            if !quiet {
                problems.extend(unserved);
                let warnings = count(&problems, Severity::Warning);
                writeln!(out, "{}: {}", file.display(), summary(&config, warnings))?;
            }
        }
        Command::Import { file } => {
            if is_native(file) {
                let message = format!("{}: a headwater.toml already; nothing to translate", file.display());
                return Err(Failure::Usage(message).into());
            }
            let config = read(file, Detail::All)?;
            write!(out, "{}", native::write(&config))?;
        }
        Command::Schema => writeln!(out, "{:#}", native::schema())?,
        Command::Directives => write!(out, "{}", ::config::ffserver::reference())?,
        Command::Docs => write!(out, "{}", native::reference())?,
    }
    Ok(())
}

/// Whether a line of `text` begins a section of a headwater.toml; no line of an ffserver.conf does.
fn has_native_section(text: &str) -> bool {
    let is_head = |line: &str| ["[server]", "[[source]]", "[[feed]]", "[[stream]]", "[[redirect]]"].contains(&line);
    text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).any(is_head)
}

/// Whether a file of that name is read as headwater.toml.
pub fn is_native(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

/// How much is told about a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Everything.
    All,
    /// What is done otherwise than by ffserver in one line.
    Start,
    /// Errors only.
    Errors,
}

/// Reads a configuration of either kind and prints on standard error what there is to say about
/// it, each in a line with the file and its line.
///
/// # Errors
/// When it cannot be read or used.
pub fn read(file: &Path, detail: Detail) -> anyhow::Result<Config> {
    let (config, problems) = parse(file)?;
    tell(file, &problems, detail)?;
    mistakes(file, &problems)?;
    Ok(config)
}

/// Of a headwater.toml with mistakes what was read in full, so that it can be looked whether it is served.
fn well_read(config: &Config, problems: &[::config::Problem]) -> Config {
    let sources = config.sources.iter().map(|source| source.line);
    let feeds = config.feeds.iter().map(|feed| feed.line);
    let redirects = config.redirects.iter().map(|redirect| redirect.line);
    let begins: BTreeSet<usize> =
        sources.chain(feeds).chain(redirects).chain(config.streams.iter().map(|stream| stream.line)).collect();
    let is_whole = |line: usize| {
        let end = begins.range(line + 1..).next().copied().unwrap_or(usize::MAX);
        !problems.iter().any(|problem| problem.is_error() && (line..end).contains(&problem.line))
    };
    let mut config = config.clone();
    config.sources.retain(|source| !source.name.is_empty() && !source.url.is_empty());
    config.feeds.retain(|feed| is_whole(feed.line));
    config.streams.retain(|stream| is_whole(stream.line));
    config
}

/// What [`read`] does not tell.
fn parse(file: &Path) -> anyhow::Result<(Config, Vec<::config::Problem>)> {
    let name = file.display();
    let bytes = match file == Path::new("-") {
        true => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        }
        false => std::fs::read(file),
    };
    let wrong = |what: String| anyhow::Error::from(Failure::Usage(format!("{name}: {what}")));
    let bytes = bytes.map_err(|error| wrong(format!("the configuration cannot be read: {error}")))?;
    if bytes.contains(&0) {
        return Err(wrong("this is no text, and so no configuration".into()));
    }
    let text = String::from_utf8_lossy(&bytes);
    let by_content = !is_native(file) && has_native_section(&text);
    if by_content && file != Path::new("-") {
        let what = "this looks like a headwater.toml, but only what ends with .toml is read as one; call it";
        return Err(wrong(format!("{what} {name}.toml")));
    }
    let Parsed { config, problems } = match is_native(file) || by_content {
        true => native::parse(&text),
        false => ::config::ffserver::parse(&text),
    };
    Ok((config, problems))
}

/// An error, if there are any among `problems`.
fn mistakes(file: &Path, problems: &[::config::Problem]) -> anyhow::Result<()> {
    let name = file.display();
    match count(problems, Severity::Error) {
        0 => Ok(()),
        1 => Err(Failure::Usage(format!("{name}: a mistake; mend it and try again")).into()),
        many => Err(Failure::Usage(format!("{name}: {many} mistakes; mend them and try again")).into()),
    }
}

/// How many matters of this kind there are, each counted once however often it occurs, as [`tell`] tells them.
fn count(problems: &[::config::Problem], severity: Severity) -> usize {
    let all = problems.iter().filter(|problem| problem.severity == severity);
    all.map(|problem| &problem.message).collect::<HashSet<_>>().len()
}

/// Prints what there is to say about `file`, each matter once, with all its lines.
pub fn tell(file: &Path, problems: &[::config::Problem], detail: Detail) -> std::io::Result<()> {
    let (name, mut err) = (file.display(), anstream::stderr().lock());
    let is_told = |problem: &&::config::Problem| match detail {
        Detail::All => true,
        Detail::Start => problem.severity != Severity::Notice,
        Detail::Errors => problem.is_error(),
    };
    let mut said = HashSet::new();
    for problem in problems.iter().filter(is_told) {
        if !said.insert((problem.severity as u8, &problem.message)) {
            continue;
        }
        let is_same = |other: &&::config::Problem| {
            (other.severity, &other.message) == (problem.severity, &problem.message) && other.line != problem.line
        };
        let others: BTreeSet<usize> = problems.iter().filter(is_same).map(|other| other.line).collect();
        let listed = || others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let others = match others.len() {
            0 => String::new(),
            1 => format!(" (also on line {})", listed()),
            2..=MOST_LINES => format!(" (also on lines {})", listed()),
            many => format!(" (also on {many} other lines)"),
        };
        let (kind, color) = match problem.severity {
            Severity::Error => ("error", anstyle::AnsiColor::Red),
            Severity::Warning => ("warning", anstyle::AnsiColor::Yellow),
            Severity::Notice => ("notice", anstyle::AnsiColor::Cyan),
        };
        let style = color.on_default().bold();
        let line = if problem.line == 0 { String::new() } else { format!(":{}", problem.line) };
        let message: String = problem.message.chars().filter(|c| !c.is_control()).collect();
        writeln!(err, "{name}{line}: {style}{kind}:{style:#} {message}{others}")?;
    }
    let notices = problems.iter().filter(|problem| problem.severity == Severity::Notice);
    let lines: Vec<_> = notices.map(|problem| problem.line.to_string()).collect();
    if detail == Detail::Start && !lines.is_empty() {
        writeln!(
            err,
            "{name}: some of it is done otherwise than by ffserver (line {}); `headwater config check {name}` says how",
            lines.join(", ")
        )?;
    }
    Ok(())
}

/// Lines that a matter is told with.
const MOST_LINES: usize = 12;

fn summary(config: &Config, warnings: usize) -> String {
    let count = |many: usize, what: &str| match many {
        0 => None,
        1 => Some(format!("1 {what}")),
        many => Some(format!("{many} {what}s")),
    };
    let counts = [
        count(config.sources.len(), "source"),
        count(config.feeds.len(), "feed"),
        count(config.streams.len(), "stream"),
        count(config.redirects.len(), "redirect"),
    ];
    let counts: Vec<_> = counts.into_iter().flatten().collect();
    let right = match warnings {
        0 => "right".into(),
        1 => "can be served, with the warning above".into(),
        many => format!("can be served, with the {many} warnings above"),
    };
    if counts.is_empty() { format!("{right}, and empty") } else { format!("{right}: {}", counts.join(", ")) }
}
