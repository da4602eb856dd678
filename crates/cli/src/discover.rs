//! `headwater discover`: which cameras are there, with URLs to copy.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use source::discover::{Found, Outcome, Search, search};
use tokio::runtime::Builder;

use crate::args::{short_help, time, wrapped};
use crate::exit::Failure;
use crate::printable;
use crate::progress::Spinner;

/// What may be so when nothing was found.
const CAUSES: &str = "\
Nothing was found. Cameras are found in the same network only, not through a router, a VPN or a container's network of its
own; many have ONVIF switched off, or want an account for it; a firewall may keep their answers (UDP from port 3702 and
5353) away. Name one, as in `headwater discover 10.0.0.7`, or try its maker's URL: docs/CAMERAS.md.";

/// The same where devices were named, none of which answered.
const SILENT: &str = "\
Nothing was found. What is named did not answer: it may be off or have another address; it may have ONVIF switched off, as
many have; a firewall may keep its answers (UDP from port 3702) away. It may send pictures all the same: try its maker's
URL, docs/CAMERAS.md.";

/// Where each that was named gave the reason, which stands above.
const TOLD: &str = "Nothing was found.";

#[derive(Args, Debug)]
#[command(after_long_help = short_help(&["discover", "discover --user admin --json", "discover http://10.0.0.2:1984"]))]
pub struct Discover {
    /// Ask these devices, and not the whole network
    ///
    /// An address, as 10.0.0.7, is asked by ONVIF: for cameras that a search does not reach, as behind
    /// a router or a VPN. The URL of a go2rtc (http://10.0.0.2:1984) or of a MediaMTX
    /// (http://10.0.0.2:9997) is asked which streams it has.
    #[arg(value_name = "HOST")]
    pub hosts: Vec<String>,
    /// How long to wait for answers
    ///
    /// And then, how long each camera may take to tell its streams.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time)]
    pub timeout: Duration,
    /// As whom to ask cameras for their streams
    #[arg(long, value_name = "NAME", requires = "password")]
    pub user: Option<String>,
    /// With this password
    ///
    /// All that is found by ONVIF gets a digest of it. It may stand in HEADWATER_PASSWORD, where `ps`
    /// does not show it.
    #[arg(long, value_name = "PASSWORD", requires = "user", env = "HEADWATER_PASSWORD", hide_env = true)]
    pub password: Option<String>,
    /// Ask from this interface only, as eth0
    #[arg(long, value_name = "NAME", conflicts_with = "hosts")]
    pub interface: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &Discover) -> anyhow::Result<()> {
    let mut options = source::Options::default();
    options.access.user.clone_from(&args.user);
    options.access.password.clone_from(&args.password);
    let wanted =
        Search { timeout: args.timeout, hosts: args.hosts.clone(), interface: args.interface.clone(), options };
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let spinner = Spinner::start("looking for cameras");
    let outcome = runtime.block_on(search(&wanted));
    runtime.shutdown_background();
    spinner.clear();
    let mut out = anstream::stdout().lock();
    match args.json {
        true => writeln!(out, "{:#}", as_json(&outcome))?,
        false => write!(out, "{}", as_text(&outcome))?,
    }
    out.flush()?;
    for asked in &outcome.asked {
        if let Err(why) = &asked.answers {
            anstream::eprintln!("headwater: {}: {}", printable(&asked.what), printable(why));
        }
    }
    if outcome.cut {
        anstream::eprintln!("headwater: there is more, which is left out");
    }
    if outcome.found.is_empty() {
        let all_told = outcome.asked.iter().all(|asked| asked.answers.is_err());
        anstream::eprintln!(
            "{}",
            if args.hosts.is_empty() {
                CAUSES
            } else if all_told {
                TOLD
            } else {
                SILENT
            }
        );
        return Err(Failure::Told.into());
    }
    Ok(())
}

fn as_text(outcome: &Outcome) -> String {
    let mut text = String::new();
    let url = |found: &Found| printable(&found.url);
    let widest = outcome.found.iter().map(|found| url(found).chars().count()).max().unwrap_or(0).min(48);
    for found in &outcome.found {
        let said: Vec<_> = [&found.what, &found.name].into_iter().map(|text| printable(text)).collect();
        let said = said.iter().filter(|text| !text.is_empty()).map(String::as_str).collect::<Vec<_>>().join(", ");
        row(&mut text, found.how.name(), &url(found), &said, widest);
        for (what, stream) in &found.streams {
            row(&mut text, "", &printable(stream), &printable(what), widest);
        }
        for control in &found.controls {
            text.push_str(&format!("         {}\n", printable(control)));
        }
        if let Some(trouble) = &found.trouble {
            text.push_str(&format!("         ({})\n", printable(trouble)));
        }
    }
    text
}

/// Columns of a terminal.
const COLUMNS: usize = 80;

/// A line of the table; what is said of a URL has lines of its own where it does not fit beside it.
fn row(text: &mut String, by: &str, url: &str, said: &str, widest: usize) {
    let fits = 11 + url.chars().count().max(widest) + said.chars().count() <= COLUMNS;
    let line = if fits { format!("{by:<8} {url:<widest$}  {said}") } else { format!("{by:<8} {url}") };
    text.push_str(line.trim_end());
    text.push('\n');
    for line in wrapped(said, COLUMNS - 11).iter().filter(|_| !fits) {
        text.push_str(&format!("           {line}\n"));
    }
}

fn as_json(outcome: &Outcome) -> serde_json::Value {
    let found = outcome.found.iter().map(|found| {
        let streams = found.streams.iter().map(|(what, url)| json!({ "what": what, "url": url }));
        json!({
            "by": found.how.name(),
            "url": found.url,
            "what": found.what,
            "name": found.name,
            "streams": streams.collect::<Vec<_>>(),
            "controls": found.controls,
            "trouble": found.trouble,
        })
    });
    let asked = outcome.asked.iter().map(|asked| {
        json!({
            "what": asked.what,
            "answers": asked.answers.as_ref().ok(),
            "error": asked.answers.as_ref().err(),
        })
    });
    json!({ "found": found.collect::<Vec<_>>(), "asked": asked.collect::<Vec<_>>(), "cut": outcome.cut })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_beside_a_url_stands_below_it() {
        let mut text = String::new();
        row(&mut text, "ONVIF", "onvif://10.0.0.7", "Maker Model", 20);
        row(&mut text, "", "rtsp://10.0.0.7/1", "word ".repeat(20).trim_end(), 20);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..2], ["ONVIF    onvif://10.0.0.7      Maker Model", "         rtsp://10.0.0.7/1"]);
        assert!(lines.len() > 3 && lines.iter().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert_eq!(printable("a\u{202e}b\u{1b}[31mc\u{9b}"), "ab[31mc");
    }
}
