//! Completion scripts and man pages, made from the command line's own description.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;

use crate::args::Args;
use crate::man;

/// Prints a completion script.
pub fn completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "headwater", &mut script);
    std::io::stdout().write_all(&script).context("cannot write to stdout")
}

/// Prints the man page, or writes it and those of the subcommands into `directory`.
pub fn man(directory: Option<&Path>) -> anyhow::Result<()> {
    let mut command = Args::command().disable_help_subcommand(true);
    command.build();
    match directory {
        Some(directory) => {
            std::fs::create_dir_all(directory)?;
            man::write(&command, directory, true).with_context(|| format!("cannot write to {}", directory.display()))
        }
        None => {
            let page = man::page(&command, true)?;
            std::io::stdout().write_all(&page).context("cannot write to stdout")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All commands that can be asked for help.
    fn commands() -> Vec<clap::Command> {
        let mut root = Args::command();
        root.build();
        let mut all = vec![root];
        let mut at = 0;
        while at < all.len() {
            let below: Vec<_> = all[at].get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
            all.extend(below);
            at += 1;
        }
        all
    }

    #[test]
    fn the_short_help_has_one_line_for_each_option_and_command_at_80_columns() {
        for command in commands() {
            let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
            let help = command.term_width(80).render_help().to_string();
            // What goes on in another line is far to the right there.
            let continued = help.lines().find(|line| line.starts_with("          ") && !line.contains("--"));
            assert_eq!(continued, None, "{name}: {help}");
        }
    }

    #[test]
    fn no_line_of_the_help_is_longer_than_80_columns() {
        for mut command in commands().into_iter().map(|command| command.term_width(80)) {
            let name = command.get_name().to_owned();
            for help in [command.render_help(), command.render_long_help()] {
                let help = help.to_string();
                let long = help.lines().find(|line| line.chars().count() > 80);
                assert_eq!(long, None, "{name}");
            }
        }
    }
}
