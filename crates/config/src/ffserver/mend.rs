//! What web pages do to a configuration: quotes made typographic, brackets lost.

/// Letters that look like one of ASCII, the one they look like, and what they are called.
const LOOKALIKES: &[(char, char, &str)] = &[
    ('\u{201c}', '"', "a typographic quote"),
    ('\u{201d}', '"', "a typographic quote"),
    ('\u{201e}', '"', "a typographic quote"),
    ('\u{ab}', '"', "a typographic quote"),
    ('\u{bb}', '"', "a typographic quote"),
    ('\u{2033}', '"', "a typographic quote"),
    ('\u{2018}', '\'', "a typographic quote"),
    ('\u{2019}', '\'', "a typographic quote"),
    ('\u{201a}', '\'', "a typographic quote"),
    ('\u{2032}', '\'', "a typographic quote"),
    ('\u{2010}', '-', "a typographic hyphen"),
    ('\u{2011}', '-', "a typographic hyphen"),
    ('\u{2013}', '-', "a typographic dash"),
    ('\u{2014}', '-', "a typographic dash"),
    ('\u{2212}', '-', "a typographic minus"),
    ('\u{a0}', ' ', "a blank that does not break"),
    ('\u{202f}', ' ', "a blank that does not break"),
    ('\u{200b}', ' ', "a blank without width"),
    ('\u{feff}', ' ', "a blank without width"),
    ('\u{2039}', '<', "a typographic bracket"),
    ('\u{203a}', '>', "a typographic bracket"),
    ('\u{d7}', 'x', "a sign of multiplication"),
];

/// What HTML writes for brackets and quotes.
const ENTITIES: &[(&str, &str)] =
    &[("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&apos;", "'"), ("&amp;", "&"), ("&nbsp;", " ")];

/// What is wrong with a line whose letters are not what they look like, with the line as
/// it should be.
///
/// A title may have any of them, so only lines that could not be read otherwise are told:
/// those with a dash or a cross in a value that is a number, and those with a quote or a
/// blank.
pub(super) fn lookalike(line: &str) -> Option<String> {
    if let Some((entity, meant)) = ENTITIES.iter().find(|(entity, _)| line.contains(entity) && line.starts_with('&')) {
        let mended = ENTITIES.iter().fold(line.to_owned(), |line, (entity, meant)| line.replace(entity, meant));
        return Some(format!(
            "{entity} stands for {meant} in the source of a web page and means nothing here; write: {}",
            short(&mended)
        ));
    }
    let is_quoted = line.contains(['"', '\'']);
    let harmless = |c: char, meant: char| match meant {
        // Inside proper quotes they are text.
        '"' | '\'' | ' ' | '<' | '>' => is_quoted,
        _ => is_quoted || !is_number(line, c),
    };
    let (found, meant, name) =
        LOOKALIKES.iter().copied().find(|(c, meant, _)| line.contains(*c) && !harmless(*c, *meant))?;
    let mended: String = line
        .chars()
        .map(|c| LOOKALIKES.iter().find(|(like, ..)| *like == c).map_or(c, |(_, meant, _)| *meant))
        .collect();
    let meant = if meant == ' ' { "a plain blank".to_owned() } else { meant.to_string() };
    Some(format!("U+{:04X} is {name}, where {meant} is needed; write: {}", u32::from(found), short(&mended)))
}

/// Whether a word of `line` with `c` in it is otherwise made of digits.
fn is_number(line: &str, c: char) -> bool {
    let digits = |word: &str| word.chars().all(|other| other == c || other.is_ascii_digit());
    line.split_ascii_whitespace().any(|word| word.contains(c) && word.len() > c.len_utf8() && digits(word))
}

/// The line as it should be, without what HTML and typography made of it.
pub(super) fn mended(line: &str) -> String {
    let line = ENTITIES.iter().fold(line.to_owned(), |line, (entity, meant)| line.replace(entity, meant));
    line.chars().map(|c| LOOKALIKES.iter().find(|(like, ..)| *like == c).map_or(c, |(_, meant, _)| *meant)).collect()
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
