//! `headwater record`.

use std::collections::BTreeSet;
use std::future::pending;
use std::time::Duration;

use anyhow::{Context, anyhow};
use media::Redacted;
use record::{Event, Keep, Options, Pattern, Recorder, Status};
use source::{State, Supervisor};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::args::{Record, Tracks};
use crate::exit::Failure;
use crate::progress::Spinner;

/// Most that the recording tells before it is printed.
const MOST_TOLD: usize = 64;
/// How often the line on the terminal is written anew.
const TICK: Duration = Duration::from_millis(500);

pub fn run(args: &Record) -> anyhow::Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let result = runtime.block_on(record(args));
    runtime.shutdown_background();
    result
}

/// What is recorded, and where, as the command line says it.
fn options(args: &Record, name: &str) -> Result<Options, Failure> {
    let output = args.output.clone().unwrap_or_else(|| format!("{name}-%Y%m%d-%H%M%S"));
    let usage = |error: record::Error| Failure::Usage(format!("-o {error}"));
    let pattern = Pattern::new(&output, args.utc).map_err(usage)?;
    let keep = args.keep.iter().fold(Keep::default(), |keep, more| keep.and(*more));
    if keep.has_limits() && !pattern.can_be_read() {
        let what = format!(
            "-o {output}: files of this name cannot be told from others, so --keep could remove the wrong ones; \
             expected letters that stand for numbers, as %Y%m%d-%H%M%S"
        );
        return Err(Failure::Usage(what));
    }
    let video_only = args.tracks == Tracks::Video;
    Ok(Options { pattern, segment: args.segment, keep, video_only, title: name.into() })
}

/// Why it is over.
enum End {
    /// The user, or the time, said so.
    Asked,
    /// The feed is closed, or it cannot be recorded.
    Over,
    /// There can be no file where the first one is to be.
    Placeless(String),
    /// The source gave nothing.
    Failed(source::Error),
}

async fn record(args: &Record) -> anyhow::Result<()> {
    let url = Redacted(&args.url).to_string();
    let name = crate::names::split(&args.url, &BTreeSet::new()).0;
    let options = options(args, &name)?;
    let fail = |error| Failure::Source { url: url.clone(), error };
    let source = Supervisor::new("record", &args.url, args.opening.options()?).map_err(fail)?;
    let (told, mut events) = mpsc::channel(MOST_TOLD);
    let tell = move |event| {
        // What nobody prints is shown by the status all the same.
        if let Err(error) = told.try_send(event) {
            tracing::debug!(%error, "too much to tell");
        }
    };
    let recorder = Recorder::start(source.feed(), options, tell).context("cannot start a thread")?;
    let spinner = Spinner::start(&if args.quiet { String::new() } else { format!("opening {url}") });

    let mut status = source.status();
    let mut ticks = tokio::time::interval(TICK);
    let (mut ends_at, mut begun) = (None, false);
    let mut refused = None;
    let mut signals = std::pin::pin!(crate::signals::ended());
    let end = loop {
        let due = async {
            match ends_at {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        let never_came = async {
            let waits = |status: &source::Status| match status.state {
                State::Waiting(_) => status.error.clone(),
                State::Ended => status.error.clone(),
                _ => None,
            };
            loop {
                let error = waits(&status.borrow_and_update());
                match error {
                    Some(error) if recorder.status().packets == 0 || error.is_final() => return error,
                    _ => {}
                }
                if status.changed().await.is_err() {
                    return pending().await;
                }
            }
        };
        tokio::select! {
            result = &mut signals => {
                result?;
                break End::Asked;
            }
            () = due => break End::Asked,
            () = recorder.ended() => break End::Over,
            error = never_came => break End::Failed(error),
            Some(event) = events.recv() => {
                begun |= matches!(event, Event::Opened(_));
                match &event {
                    // Files of an hour ago show that it is possible; of the first one nothing does.
                    Event::Failed(error) if !begun && error.is_of_place() => break End::Placeless(error.told()),
                    _ => {}
                }
                // The time runs also while nothing can be written.
                if matches!(event, Event::Opened(_) | Event::Failed(_)) && ends_at.is_none() {
                    ends_at = args.duration.map(|duration| Instant::now() + duration);
                }
                refused = told_of(event, args.quiet).or(refused);
            }
            _ = ticks.tick(), if !args.quiet => spinner.say(line(&url, &recorder.status())),
        }
    };
    let last = recorder.finish().await;
    spinner.clear();
    if let End::Placeless(what) = end {
        let what = format!("{what}; with -o, name files in a folder that is there or can be made, and written to");
        return Err(Failure::Usage(what).into());
    }
    while let Ok(event) = events.try_recv() {
        refused = told_of(event, args.quiet).or(refused);
    }
    if let Some(what) = refused {
        return Err(Failure::Usage(format!("{url}: {what}")).into());
    }
    match (end, last.error) {
        (End::Failed(error), _) => Err(fail(error).into()),
        (_, Some(error)) => Err(anyhow!("{error}")),
        // What there was of it is recorded, and that there is no more is told.
        (End::Over, None) if last.packets > 0 => {
            if let Some(error) = &source.status().borrow().error {
                anstream::eprintln!("headwater: {error}");
            }
            Ok(())
        }
        (End::Over, None) => {
            let error = source.status().borrow().error.clone().unwrap_or(source::Error::Ended { what: None });
            Err(fail(error).into())
        }
        _ => Ok(()),
    }
}

/// Prints an event. Returns the reason why there will never be a recording.
fn told_of(event: Event, quiet: bool) -> Option<String> {
    match event {
        // For whatever is to happen with each file.
        Event::Closed(path, _) if !quiet => anstream::println!("{}", path.display()),
        Event::Failed(error) if error.is_final() => return Some(error.told()),
        Event::Failed(error) => anstream::eprintln!("headwater: not recorded: {}; trying again", error.told()),
        Event::Resumed(dropped) => {
            anstream::eprintln!("headwater: recording goes on; {dropped} packets were left out");
        }
        Event::LeftOut(what) => anstream::eprintln!("headwater: {what}"),
        Event::Bare(1) if !quiet => {
            anstream::eprintln!("headwater: removed 1 file that had been broken off before its first picture");
        }
        Event::Bare(count) if !quiet => {
            anstream::eprintln!("headwater: removed {count} files that had been broken off before their first picture");
        }
        Event::Mended(1) if !quiet => anstream::eprintln!("headwater: finished 1 file that had been broken off"),
        Event::Mended(count) if !quiet => {
            anstream::eprintln!("headwater: finished {count} files that had been broken off");
        }
        Event::Removed(count) => tracing::info!(count, "old files removed"),
        _ => {}
    }
    None
}

/// The line on the terminal.
fn line(url: &str, status: &Status) -> String {
    let size = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let dropped = match status.dropped {
        0 => String::new(),
        count => format!(", {count} packets left out"),
    };
    match (&status.error, &status.file) {
        (Some(error), _) => format!("{url}: not recorded: {error}"),
        (None, Some(file)) => format!(
            "{}: {}; {} files before it, {} packets in all{dropped}",
            file.display(),
            size(status.file_bytes),
            status.files,
            status.packets
        ),
        (None, None) => format!("opening {url}{dropped}"),
    }
}
