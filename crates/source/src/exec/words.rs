//! The words of a command, told apart as a shell does, without anything else that a shell does.

use crate::Error;

/// The program and its arguments in `exec:COMMAND`. Blanks are between words; in '…' everything
/// is itself, in "…" a backslash takes the meaning of the character behind it, as it does
/// outside.
///
/// # Errors
/// [`Error::BadUrl`] when there is no word, or a quotation mark has no other end.
pub(super) fn of(url: &str) -> Result<Vec<String>, Error> {
    let command = url.strip_prefix("exec:").unwrap_or(url);
    let bad = |what: &str| Error::BadUrl {
        what: format!("exec: {what}"),
        hint: "expected a program and its arguments, as in 'exec:ffmpeg -i input -f mpegts -'".into(),
    };
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' | '"' => {
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
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match words.first().is_some_and(|program| !program.is_empty()) {
        true if !words.iter().any(|word| word.contains('\0')) => Ok(words),
        _ => Err(bad("there is no program")),
    }
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
}
