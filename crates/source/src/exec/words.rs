//! The words of a command, told apart as a shell does, without anything else that a shell does.

use media::Redacted;

use crate::Error;

/// The program and its arguments in `exec:COMMAND`. Blanks are between words; in '…' everything
/// is itself, in "…" a backslash takes the meaning of the character behind it, as it does
/// outside.
///
/// # Errors
/// [`Error::BadUrl`] when there is no word, a quotation mark has no other end, or one of them is
/// meant for a shell.
pub(super) fn of(url: &str) -> Result<Vec<String>, Error> {
    let command = url.strip_prefix("exec:").unwrap_or(url);
    let bad = |what: &str| Error::BadUrl {
        what: format!("exec: {what}"),
        hint: "expected a program and its arguments, as in 'exec:ffmpeg -i input -f mpegts -'".into(),
    };
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    // The first that only a shell understands, and whether the one under way is nothing but itself.
    let (mut operator, mut is_plain) = (None, true);
    let mut end = |word: Option<String>, is_plain: bool| {
        let word = word?;
        if is_plain && operator.is_none() && is_operator(&word) {
            operator = Some(word.clone());
        }
        Some(word)
    };
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => {
                words.extend(end(word.take(), is_plain));
                is_plain = true;
            }
            '\'' | '"' => {
                is_plain = false;
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err(bad(&format!("{c} has no other end"))),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => word.extend(chars.next()),
                        Some(inner) => word.push(inner),
                    }
                }
            }
            '\\' => {
                is_plain = false;
                word.get_or_insert_default().extend(chars.next());
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(end(word, is_plain));
    if let Some(operator) = operator {
        return Err(Error::BadUrl {
            what: format!("exec: {operator} is for a shell, and none is started"),
            hint: format!("have one started: {}", in_shell(command)),
        });
    }
    match words.first().is_some_and(|program| !program.is_empty()) {
        true if !words.iter().any(|word| word.contains('\0')) => Ok(words),
        _ => Err(bad("there is no program")),
    }
}

/// `|`, `&&`, `;`, `>file`, `2>&1` and their like.
fn is_operator(word: &str) -> bool {
    let behind_number = word.trim_start_matches(|c: char| c.is_ascii_digit());
    matches!(word, "|" | "||" | "|&" | "&" | "&&")
        || word.ends_with(';')
        || word.starts_with("&>")
        || behind_number.starts_with(['>', '<'])
}

/// The command handed to a shell, without passwords of URLs.
fn in_shell(command: &str) -> String {
    let words: Vec<_> = command.trim().split(' ').map(|word| Redacted(word).to_string()).collect();
    format!("exec:sh -c '{}'", words.join(" ").replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart_as_in_a_shell() {
        for (command, expected) in [
            ("exec:a b  c", &["a", "b", "c"][..]),
            ("exec: a 'b c' \"d e\"f", &["a", "b c", "d ef"]),
            (r#"exec:a "x\"y" x\ y '\' ''"#, &["a", "x\"y", "x y", "\\", ""]),
            ("exec:a $HOME;b|c", &["a", "$HOME;b|c"]),
        ] {
            assert_eq!(of(command).unwrap(), expected, "{command}");
        }
        for bad in ["exec:", "exec:  ", "exec:a 'b", "exec:a \"b", "exec:''", "exec:a\0"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_meant_for_a_shell_is_told_with_the_command_for_one() {
        for (command, operator, advised) in [
            ("exec:a b | c", "|", "exec:sh -c 'a b | c'"),
            ("exec:cd /tmp && cat x", "&&", "exec:sh -c 'cd /tmp && cat x'"),
            ("exec:cd /tmp; cat x", "/tmp;", "exec:sh -c 'cd /tmp; cat x'"),
            ("exec:a 'b c' > d", ">", r"exec:sh -c 'a '\''b c'\'' > d'"),
            ("exec:a 2>/dev/null", "2>/dev/null", "exec:sh -c 'a 2>/dev/null'"),
            ("exec:a rtsp://u:secret@b/ &", "&", "exec:sh -c 'a rtsp://u:***@b/ &'"),
        ] {
            let Err(Error::BadUrl { what, hint }) = of(command) else { panic!("{command}") };
            assert_eq!(what, format!("exec: {operator} is for a shell, and none is started"));
            assert_eq!(hint, format!("have one started: {advised}"));
            assert_eq!(of(advised).unwrap().len(), 3, "{advised}");
        }
        for command in ["exec:a '|' b", r"exec:a \| b", "exec:a \"&&\" b", "exec:a concat:b|c", "exec:a x='1;' 5"] {
            assert!(of(command).is_ok(), "{command}");
        }
    }
}
