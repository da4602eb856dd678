//! Lines and their words.

use super::mend;

/// A line that says something.
pub struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// What it says; what it seems to mean, where there is a problem with it. At least one
    /// word, and that not empty.
    pub words: Vec<String>,
    /// A letter that only looks like one of ASCII, or a quote that is not closed, and how
    /// to mend it.
    pub problem: Option<String>,
}

/// The lines of `text` that say something.
///
/// Words are separated by blanks and may be in `'` or `"`, without escapes.
pub fn lines(text: &str) -> impl Iterator<Item = Line> + '_ {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().enumerate().filter_map(|(at, line)| {
        let line = line.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0');
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let looks = mend::lookalike(line);
        let (words, open) = match looks {
            Some(_) => split(&mend::mended(line)),
            None => split(line),
        };
        // A quoted nothing alone is no directive.
        let is_said = words.first().is_some_and(|word| !word.is_empty());
        is_said.then_some(Line { number: at + 1, words, problem: looks.or(open) })
    })
}

/// The words of a line, and what is wrong with its quotes.
pub(super) fn split(line: &str) -> (Vec<String>, Option<String>) {
    let (mut words, mut problem) = (Vec::new(), None);
    let mut rest = line.trim_ascii_start();
    while let Some(first) = rest.chars().next() {
        let (word, behind) = match first {
            '"' | '\'' => rest[1..].split_once(first).unwrap_or_else(|| {
                let shown: String = rest.chars().take(40).collect();
                problem = Some(format!("{shown}: the quote {first} is not closed on this line"));
                (&rest[1..], "")
            }),
            _ => rest.split_at(rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len())),
        };
        words.push(word.to_owned());
        rest = behind.trim_ascii_start();
    }
    (words, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_separated_by_blanks_and_may_be_quoted() {
        let words = |line| split(line).0;
        assert_eq!(words("Title  \"two words\"\t'a \"b\"' c"), ["Title", "two words", "a \"b\"", "c"]);
        assert_eq!(words("File C:\\x'y"), ["File", "C:\\x'y"]);
        assert_eq!(words("Author \"\""), ["Author", ""]);
        assert_eq!(split("Title \"ab").1.unwrap(), "\"ab: the quote \" is not closed on this line");
    }

    #[test]
    fn comments_begin_lines_and_nothing_else() {
        let text = "\u{feff}# a comment\r\n\r\n  # another\r\nFile a#b # c\r\n\"\"\n";
        let read: Vec<_> = lines(text).map(|line| (line.number, line.words)).collect();
        assert_eq!(read, [(4, ["File", "a#b", "#", "c"].map(String::from).to_vec())]);
    }
}
