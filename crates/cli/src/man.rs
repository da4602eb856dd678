//! Man pages: clap's own sections, with a synopsis, tables and an environment that read as such.

use std::io;
use std::path::Path;

use clap::Command;
use clap_mangen::Man;

/// What is read of the environment, in the order of docs/CLI.md.
const ENVIRONMENT: [(&str, &str); 9] = [
    ("HEADWATER_LISTEN", "One address for serve --listen; the option has precedence."),
    ("HEADWATER_LOG_FORMAT", "text or json; the option has precedence."),
    ("HEADWATER_LOG", "What to log, as in debug or source=trace,relay=debug. Has precedence over -v and -q."),
    ("HEADWATER_SRT_PASSPHRASE", "The passphrase of serve --srt, which ps does not show here."),
    ("HEADWATER_PASSWORD", "The password of discover --user, which ps does not show here."),
    (
        "http_proxy, https_proxy, all_proxy, no_proxy",
        "The proxy, and to whom none is asked, where there is no --proxy; never for this machine itself.",
    ),
    ("NO_COLOR", "No colours, whatever the value."),
    ("DISPLAY, WAYLAND_DISPLAY", "Where view opens its window."),
    ("TZ", "The time zone of file names and placeholders."),
];

/// The page of `command`, which is built; with the environment if it is that of the program.
pub fn page(command: &Command, is_program: bool) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    page.extend(format!(".SH SYNOPSIS\n.nf\n{}\n.fi\n", escaped(usage)).bytes());
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(help) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        page.extend(sections(&help.to_string()).bytes());
    }
    if is_program {
        page.extend(b".SH ENVIRONMENT\n");
        for (name, meaning) in ENVIRONMENT {
            page.extend(format!(".TP\n\\fB{}\\fR\n{}\n", escaped(name), escaped(meaning)).bytes());
        }
    }
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// Writes the page of `command`, which is built, and of all below it.
pub fn write(command: &Command, directory: &Path, is_program: bool) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write(below, directory, false)?;
    }
    std::fs::write(directory.join(Man::new(command.clone()).get_filename()), page(command, is_program)?)
}

/// The text under a help, with a section for each of its lists, whose lines stay as they are.
fn sections(help: &str) -> String {
    let (mut page, mut is_list, mut is_begun) = (String::new(), false, false);
    let mut lines = help.lines().peekable();
    while let Some(line) = lines.next() {
        let goes_on = lines.peek().is_some_and(|next| next.starts_with(' '));
        match line.strip_suffix(':').filter(|line| goes_on && !line.starts_with(' ')) {
            Some(title) => {
                page.push_str(if is_list { ".fi\n" } else { "" });
                page.push_str(&format!(".SH \"{}\"\n.nf\n", escaped(&title.to_uppercase())));
                (is_list, is_begun) = (true, true);
            }
            None if line.starts_with(' ') || line.is_empty() => {
                let line = escaped(line);
                page.push_str(if line.is_empty() && !is_list { ".PP\n" } else { line.as_str() });
                page.push_str(if line.is_empty() && !is_list { "" } else { "\n" });
            }
            None => {
                page.push_str(if is_list { ".fi\n" } else { "" });
                page.push_str(if is_begun && !is_list { "" } else { ".SH NOTES\n" });
                page.push_str(&escaped(line));
                page.push('\n');
                (is_list, is_begun) = (false, true);
            }
        }
    }
    page.push_str(if is_list { ".fi\n" } else { "" });
    page
}

/// Each line as it is, for roff.
fn escaped(text: &str) -> String {
    let line = |line: &str| {
        let plain = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('"', "\\(dq");
        if plain.starts_with(['.', '\'']) { format!("\\&{plain}") } else { plain }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Args;

    #[test]
    fn the_page_has_a_synopsis_with_values_lists_as_they_are_and_the_environment() {
        let mut command = Args::command();
        command.build();
        let text = String::from_utf8(page(&command, true).unwrap()).unwrap();
        assert!(text.contains(".SH SYNOPSIS\n.nf\nheadwater [OPTIONS] <COMMAND>\n.fi\n"), "{text}");
        assert!(text.contains(".SH \"EXIT STATUS\"\n.nf\n  0  done"), "{text}");
        assert!(text.contains(".SH \"EXAMPLES\"\n.nf\n  headwater serve cam2=rtsp"), "{text}");
        assert!(!text.contains("EXTRA"), "{text}");
        let documented = include_str!("../../../docs/CLI.md");
        for name in ENVIRONMENT.iter().flat_map(|(names, _)| names.split(", ")) {
            assert!(documented.contains(&format!("`{name}`")), "{name}");
        }
        let serve = command.find_subcommand("serve").unwrap();
        let text = String::from_utf8(page(serve, false).unwrap()).unwrap();
        let both = "\nheadwater serve [OPTIONS] [NAME=]URL...\n       headwater serve [OPTIONS] \\-\\-file FILE\n";
        assert!(text.contains(both), "{text}");
        assert!(text.contains(".SH NOTES\n") && !text.contains(".SH ENVIRONMENT"), "{text}");
    }
}
