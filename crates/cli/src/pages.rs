//! Completion scripts and man pages, made from the command line's own description.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;

use crate::args::Args;
use crate::exit;

/// Prints a completion script.
pub fn completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "headwater", &mut script);
    std::io::stdout().write_all(&script).context("cannot write to stdout")
}

/// Prints the man page, or writes it and those of the subcommands into `directory`.
pub fn man(directory: Option<&Path>) -> anyhow::Result<()> {
    let command = Args::command().after_help(exit::TABLE);
    match directory {
        Some(directory) => {
            std::fs::create_dir_all(directory)?;
            clap_mangen::generate_to(command, directory)
                .with_context(|| format!("cannot write to {}", directory.display()))
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            std::io::stdout().write_all(&page).context("cannot write to stdout")
        }
    }
}
