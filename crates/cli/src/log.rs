//! Where the log goes: stderr, for people or as JSON.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// Options of the log, the same for all subcommands.
#[derive(clap::Args, Debug)]
pub struct Log {
    /// Form of the log on stderr: text, json
    ///
    /// It may stand in HEADWATER_LOG_FORMAT.
    #[arg(long, global = true, help_heading = "Log", value_name = "FORM", value_enum, default_value_t = Format::Text)]
    #[arg(env = "HEADWATER_LOG_FORMAT", hide_env = true, hide_possible_values = true)]
    log_format: Format,
    /// Say more: -v protocol steps, -vv libraries too
    #[arg(short, long, global = true, help_heading = "Log", action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say only what is wrong
    #[arg(short, long, global = true, help_heading = "Log", conflicts_with = "verbose")]
    quiet: bool,
}

/// Forms of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// One line an event, for people
    Text,
    /// One JSON object an event
    Json,
}

impl Log {
    /// Whether more is to be said.
    pub fn is_verbose(&self) -> bool {
        self.verbose > 0
    }
}

/// Starts logging; `is_server` has more to tell unasked than a command that ends with
/// its one message. `HEADWATER_LOG` (as `RUST_LOG` elsewhere) has the last word.
pub fn start(log: &Log, is_server: bool) {
    let default = match (log.quiet, log.verbose) {
        (true, _) => "error",
        (_, 0) if !is_server => "off",
        (_, 0) => "info,ffmpeg=off,retina=error",
        (_, 1) => "debug,ffmpeg=warn,retina=info,hyper=info,winit=info,calloop=info,sctk=info",
        _ => "trace,hyper=info,winit=info,calloop=info,sctk=info",
    };
    begin(default, log.log_format);
}

/// Starts logging for people, as much as `default` says.
pub fn start_at(default: &str) {
    begin(default, Format::Text);
}

fn begin(default: &str, format: Format) {
    let filter = std::env::var("HEADWATER_LOG").ok().and_then(|text| match EnvFilter::try_new(&text) {
        Ok(filter) => Some(filter),
        Err(error) => {
            anstream::eprintln!(
                "headwater: HEADWATER_LOG={text}: {error}; expected something like debug or source=debug"
            );
            None
        }
    });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new(default)))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    match format {
        Format::Json => builder.json().flatten_event(true).init(),
        Format::Text => builder.with_target(false).init(),
    }
}
