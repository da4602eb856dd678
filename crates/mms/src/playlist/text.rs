//! Bytes in any encoding become text; characters that mean something are escaped and back.

/// What `bytes` say: UTF-16 if they begin with its mark or look like it, UTF-8 if they are, and
/// Latin-1 otherwise, which nothing fails to be.
pub fn decode(bytes: &[u8]) -> String {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        [1..=255, 0, 1..=255, 0, ..] => wide(bytes, u16::from_le_bytes),
        [0, 1..=255, 0, 1..=255, ..] => wide(bytes, u16::from_be_bytes),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            // Cut within a character by whoever reads only the begin.
            Err(error) if error.error_len().is_none() => String::from_utf8_lossy(bytes).into_owned(),
            Err(_) => bytes.iter().copied().map(char::from).collect(),
        },
    }
}

fn wide(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Undoes the escapes of XML. An `&` that begins none stays, since URLs are full of them.
pub fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match entity(rest) {
            Some((c, length)) => {
                plain.push(c);
                rest = &rest[length..];
            }
            None => plain.push('&'),
        }
    }
    plain.push_str(rest);
    plain
}

/// Longest name of an entity, with its semicolon: `#x10FFFF;`.
const LONGEST: usize = 9;

fn entity(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(LONGEST).position(|byte| byte == b';')?;
    let c = match &text[..end] {
        name if name.eq_ignore_ascii_case("amp") => '&',
        name if name.eq_ignore_ascii_case("lt") => '<',
        name if name.eq_ignore_ascii_case("gt") => '>',
        name if name.eq_ignore_ascii_case("quot") => '"',
        name if name.eq_ignore_ascii_case("apos") => '\'',
        name => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?).filter(|c| *c != '\0')?
        }
    };
    Some((c, end + 1))
}

/// Fit for an attribute or the text of an element.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A title as it is shown: escapes undone, one blank between words, not too long.
pub fn title(text: &str) -> Option<String> {
    let shown = |c: &char| c.is_whitespace() || !c.is_control();
    let text: String = unescape(text).chars().filter(shown).collect();
    let words: Vec<_> = text.split_whitespace().collect();
    let title: String = words.join(" ").chars().take(super::MAX_TITLE).collect();
    Some(title.trim().to_owned()).filter(|title| !title.is_empty())
}
