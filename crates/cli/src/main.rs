//! The `headwater` program: one subcommand per file, and the one place where an error
//! becomes a line on stderr and an exit code.

#![forbid(unsafe_code)]

mod args;
mod exit;
mod grab;
mod log;
mod names;
mod pages;
mod probe;
mod progress;
mod serve;
mod signals;
#[cfg(feature = "viewer")]
mod view;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    log::start(&args.log, matches!(args.command, Command::Serve(_)));
    ffmpeg::init();
    let result = match &args.command {
        Command::Serve(serve) => serve::run(serve),
        Command::Grab(grab) => grab::run(grab),
        Command::Probe(probe) => probe::run(probe),
        #[cfg(feature = "viewer")]
        Command::View(view) => view::run(view),
        #[cfg(not(feature = "viewer"))]
        Command::View(_) => Err(exit::Failure::NotBuiltIn.into()),
        Command::Completions { shell } => pages::completions(*shell),
        Command::Man { directory } => pages::man(directory.as_deref()),
    };
    exit::code(result)
}
