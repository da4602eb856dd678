//! The `headwater` program: one subcommand per file, and the one place where an error
//! becomes a line on stderr and an exit code.

#![forbid(unsafe_code)]

mod args;
mod config;
mod configured;
mod discover;
mod doctor;
mod exit;
mod ffserver;
mod grab;
mod log;
mod man;
mod names;
mod opening;
mod pages;
mod probe;
mod progress;
mod ptz;
mod record;
mod serve;
mod signals;
#[cfg(feature = "viewer")]
mod view;
mod webrtc;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use media::Redacted;

use args::{Args, Command};

/// How long a disk may take for the end of a capture.
const LEAVE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if ffserver::is_meant(&arguments) {
        return ffserver::main(&arguments);
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return refuse(&error),
    };
    log::start(&args.log, matches!(args.command, Command::Serve(_)));
    ffmpeg::init();
    let result = match &args.command {
        Command::Serve(serve) => serve::run(serve),
        Command::Grab(grab) => grab::run(grab),
        Command::Record(args) => record::run(args),
        Command::Doctor(doctor) => doctor::run(doctor, args.log.is_verbose()),
        Command::Discover(discover) => discover::run(discover),
        Command::Ptz(ptz) => ptz::run(ptz),
        Command::Probe(probe) => probe::run(probe, args.log.is_verbose()),
        #[cfg(feature = "viewer")]
        Command::View(view) => view::run(view),
        #[cfg(not(feature = "viewer"))]
        Command::View(_) => Err(exit::Failure::NotBuiltIn.into()),
        Command::Config(command) => config::run(command),
        Command::Completions { shell } => pages::completions(*shell),
        Command::Man { directory } => pages::man(directory.as_deref()),
    };
    if !source::Capture::written(LEAVE) {
        tracing::warn!(after = ?LEAVE, "the capture is not whole: the disk has not taken it yet");
    }
    exit::code(result)
}

/// Prints what clap has to say: help and versions as they are, mistakes without the
/// passwords of the arguments that they repeat.
fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.exit();
    }
    let arguments: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    anstream::eprint!("{}", redacted(&error.render().ansi().to_string(), &arguments));
    if error.kind() == ErrorKind::MissingRequiredArgument
        && let Some(example) = args::example(&arguments)
    {
        anstream::eprintln!("\nAs in: {example}");
    }
    ExitCode::from(2)
}

/// `text` without the passwords in it. The URLs among `arguments` are known as a whole, with
/// whatever blanks their passwords have.
fn redacted(text: &str, arguments: &[String]) -> String {
    let mut urls: Vec<&str> = arguments.iter().filter_map(|argument| url_in(argument)).collect();
    // One may be the beginning of another.
    urls.sort_by_key(|url| std::cmp::Reverse(url.len()));
    let text = urls.iter().fold(text.to_owned(), |text, url| text.replace(url, &Redacted(url).to_string()));
    text.split_inclusive(char::is_whitespace).map(|word| Redacted(word).to_string()).collect()
}

/// `text` without control characters, and without those that turn the direction of writing: what a server says of itself is not for the terminal
/// to obey.
fn printable(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|c| !c.is_control() && !turns(*c)).collect()
}

/// The URL of `NAME=URL`, `--option=URL` or `URL`.
fn url_in(argument: &str) -> Option<&str> {
    let scheme_end = argument.find("://")?;
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let begin = argument[..scheme_end].trim_end_matches(is_scheme).len();
    Some(&argument[begin..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is printed for a wrong command line.
    fn mistake(arguments: &[&str]) -> String {
        let error = Args::try_parse_from(arguments).unwrap_err();
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        redacted(&error.render().ansi().to_string(), &arguments)
    }

    #[test]
    fn a_mistake_is_explained_without_the_password() {
        for (arguments, shown) in [
            (&["headwater", "view", "rtsp://a:b@c", "rtsp://admin:hunter2@cam"][..], "rtsp://admin:***@cam"),
            (&["headwater", "view", "rtsp://a:b@c", "rtsp://admin:12?hunter2@cam"], "rtsp://admin:***@cam"),
            (&["headwater", "view", "rtsp://a:b@c", "rtsp://admin:my hunter2@cam"], "rtsp://admin:***@cam"),
            (&["headwater", "probe", "pattern:", "--timeout=rtsp://admin:my hunter2@cam"], "rtsp://admin:***@cam"),
            (&["headwater", "probe", "pattern:", "x=rtsp://admin:hunter2@cam"], "x=rtsp://admin:***@cam"),
            (&["headwater", "rtsp://admin:hunter2@cam"], "rtsp://admin:***@cam"),
        ] {
            let text = mistake(arguments);
            assert!(text.contains(shown) && !text.contains("hunter2"), "{arguments:?}: {text:?}");
        }
    }

    #[test]
    fn what_holds_no_url_is_explained_as_it_is() {
        let arguments = ["headwater", "probe", "pattern:", "--mesure", "1s"];
        let error = Args::try_parse_from(arguments).unwrap_err();
        assert_eq!(mistake(&arguments), error.render().ansi().to_string());
    }
}
