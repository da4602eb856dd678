//! `headwater doctor`: why a source does not open, or not well, and what to do.

use std::io::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use clap::Args;
use source::doctor::{Health, Outcome, Report, examine};
use source::{JournalEntry, Note};
use tokio::runtime::Builder;

use crate::args::{long_help, time, wrapped};
use crate::exit::Failure;
use crate::opening::Opening;
use crate::printable;
use crate::progress::Spinner;

#[derive(Args, Debug)]
#[command(after_long_help = long_help(&["doctor rtsp://user:password@10.0.0.5/stream", "doctor --json /dev/video0"]))]
pub struct Doctor {
    /// A URL, a file or a device
    #[arg(value_name = "URL")]
    pub url: String,
    /// How long to look at what comes
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    pub watch: Duration,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print what was sent and answered, as -v does
    ///
    /// Without passwords.
    #[arg(long)]
    pub dialogue: bool,
    #[command(flatten)]
    pub opening: Opening,
}

pub fn run(args: &Doctor, is_verbose: bool) -> anyhow::Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let spinner = Spinner::start("examining");
    let report = runtime.block_on(examine(&args.url, args.opening.options()?, args.watch));
    runtime.shutdown_background();
    spinner.clear();
    let mut out = anstream::stdout().lock();
    match args.json {
        true => writeln!(out, "{:#}", report.json())?,
        false => write!(out, "{}", as_text(&report, args.dialogue || is_verbose))?,
    }
    out.flush()?;
    // What is wrong is the command line, and the camera was not asked.
    if let Some(wrong) = report.verdicts.iter().find(|verdict| verdict.sentence.starts_with("--capture")) {
        return Err(Failure::Usage(wrong.sentence.clone()).into());
    }
    match report.outcome() {
        Outcome::Bad => Err(Failure::Told.into()),
        _ => Ok(()),
    }
}

/// Of a line of advice, in characters; two more stand in front of it.
const WIDTH: usize = 78;

fn mark(outcome: Outcome) -> (&'static str, Style) {
    match outcome {
        Outcome::Good => ("ok", AnsiColor::Green.on_default()),
        Outcome::Doubtful => ("??", AnsiColor::Yellow.on_default().bold()),
        Outcome::Bad => ("no", AnsiColor::Red.on_default().bold()),
        Outcome::NotReached => ("--", Style::new().dimmed()),
    }
}

fn as_text(report: &Report, dialogue: bool) -> String {
    let mut text = format!("{}\n", printable(&report.url));
    for step in &report.steps {
        let (mark, style) = mark(step.outcome);
        let took = step.took.map(|took| format!("{:.0} ms", took.as_secs_f64() * 1000.0)).unwrap_or_default();
        let line = format!("  {style}{mark}{style:#}  {:<13} {took:>8}  {}", step.name, printable(&step.what));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if let Some(health) = &report.health {
        text.push_str(&format!("\nlooked at for {:.1} s: {}\n", health.watched.as_secs_f64(), told(health)));
    }
    for verdict in &report.verdicts {
        let (_, style) = mark(verdict.outcome);
        text.push_str(&format!("\n{style}{}{style:#}: {}\n", verdict.code, printable(&verdict.sentence)));
        if verdict.outcome != Outcome::Good {
            for line in wrapped(&printable(&verdict.advice), WIDTH) {
                text.push_str(&format!("  {line}\n"));
            }
        }
    }
    if dialogue {
        text.push('\n');
        report.journal.iter().for_each(|entry| text.push_str(&noted(entry)));
    }
    text
}

fn noted(entry: &JournalEntry) -> String {
    let at = entry.at.as_secs_f64() * 1000.0;
    let lines = |arrow: &str, words: &str| {
        words.lines().map(|line| format!("{at:>8.1} ms {arrow} {}\n", printable(line))).collect::<String>()
    };
    match &entry.note {
        Note::Phase(phase) => lines("  ", &phase.to_string()),
        Note::Fact(fact) => lines("  ", fact),
        Note::Clock { ahead_s } => lines("  ", &format!("camera's clock {ahead_s:+} s")),
        Note::Sent(words) => lines("->", words),
        Note::Answered(words) => lines("<-", words),
    }
}

fn told(health: &Health) -> String {
    if health.pictures == 1 {
        let asked = health.asked_every.map(|every| (every, health.unchanged));
        return single(asked);
    }
    let mut parts = vec![format!("{:.2} pictures/s", health.fps)];
    parts.extend(health.fps_declared.map(|declared| format!("{declared:.2} declared")));
    parts.push(match health.keyframe_interval {
        Some(interval) => format!("a keyframe every {:.2} s", interval.as_secs_f64()),
        None => "less than two keyframes".into(),
    });
    parts.push(format!("{:.0} kbit/s", health.bit_rate / 1000.0));
    parts.push(format!("{} damaged, {} gaps of {}", health.damaged, health.gaps, health.pictures));
    parts.push(format!("jitter {:.1} ms", health.jitter.as_secs_f64() * 1000.0));
    // Rounded before, or it may be -0.0.
    let ahead = health.clock_ahead_s.map(|ahead| (ahead * 10.0).round() / 10.0 + 0.0);
    parts.extend(ahead.map(|ahead| format!("camera's clock {ahead:+.1} s")));
    parts.join(", ")
}

/// What is said in place of a rate of one picture, which has none; `asked` is how often it was asked for again.
pub(crate) fn single(asked: Option<(Duration, u64)>) -> String {
    match asked {
        Some((every, times)) => format!(
            "a single picture, asked for again every {} ms: {times} times the same, byte for byte",
            every.as_millis()
        ),
        None => "a single picture".into(),
    }
}
