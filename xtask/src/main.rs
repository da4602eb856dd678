//! Chores of the project: `cargo xtask check`.

#![forbid(unsafe_code)]

mod check;
mod fuzz;
mod sources;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask check    format, lints, documentation, tables against docs";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["check"] => check::run(),
        _ => Err(anyhow::anyhow!("{USAGE}")),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}
