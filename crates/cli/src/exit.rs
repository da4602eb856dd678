//! Exit codes, and the line that explains one.

use std::io::ErrorKind;
use std::process::ExitCode;

/// The codes, as `--help` and the man page print them.
pub const TABLE: &str = "\
Exit status:
  0  done; serve, view, grab and record: also when ended by q, Ctrl-C or SIGTERM
  1  something else went wrong; the message says what
  2  the command line or a configuration is wrong
  3  a source gives no picture; discover: nothing was found
  4  there is no display for the window
  5  the address to listen on cannot be had";

/// Failures with an exit code of their own.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A source gave nothing; the URL is without its password.
    #[error("{}", told(.url, .error))]
    Source { url: String, error: source::Error },
    /// A source gave nothing, as was told in full already.
    #[error("there is no picture")]
    Told,
    /// What stands on the command line cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// What a configuration says cannot be served; each reason was told.
    #[error("{0}: what it says cannot be served; mend it and try again")]
    Config(String),
    /// The window is compiled out.
    #[cfg_attr(feature = "viewer", allow(dead_code))]
    #[error("view: not built in; build with --features viewer")]
    NotBuiltIn,
}

/// The error, with the URL in front unless it names the place itself, and what the doctor advises behind
/// it unless it advises something itself.
fn told(url: &str, error: &source::Error) -> String {
    let place = url.split_once("://").map_or(url, |(_, rest)| rest);
    let place = place.rsplit_once('@').map_or(place, |(_, rest)| rest).split(['/', '?']).next().unwrap_or(place);
    let advice = source::doctor::advice_beside(error, url).map(|advice| format!("; {advice}")).unwrap_or_default();
    let error = format!("{error}{advice}");
    match !place.is_empty() && error.contains(place) || error.contains(url) {
        true => error,
        false => format!("{url}: {error}"),
    }
}

/// Whether `--capture` stands where it cannot, or names a file that it cannot have: no fault of
/// the source's.
fn is_of_capture(error: &source::Error) -> bool {
    matches!(error, source::Error::BadUrl { what, .. } if what.starts_with("--capture"))
}

/// Prints what went wrong and gives the code for it.
pub fn code(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let broken_pipe = |error: &std::io::Error| error.kind() == ErrorKind::BrokenPipe;
    if error.chain().filter_map(|e| e.downcast_ref()).any(broken_pipe) {
        return ExitCode::SUCCESS;
    }
    if let Some(Failure::Told) = error.downcast_ref() {
        return ExitCode::from(3);
    }
    let style = anstyle::AnsiColor::Red.on_default().bold();
    anstream::eprintln!("{style}headwater:{style:#} {error:#}");
    ExitCode::from(match error.downcast_ref::<Failure>() {
        Some(Failure::Source { error, .. }) if is_of_capture(error) => 2,
        Some(Failure::Source { .. } | Failure::Told) => 3,
        Some(Failure::Usage(_) | Failure::Config(_)) => 2,
        _ if error.is::<relay::ConfigError>() => 2,
        _ if error.is::<relay::ServerError>() => 5,
        #[cfg(feature = "viewer")]
        _ if matches!(error.downcast_ref(), Some(::view::Error::NoDisplay { .. })) => 4,
        _ => 1,
    })
}
